//! Application keys and encryption to them: ours against `commonware-cryptography`'s threshold signatures and time-lock
//! encryption (`MinSig`), in turns, on one thread.
//!
//! | row | ours | the peer |
//! |---|---|---|
//! | sign | hash to G1, multiplication | `threshold::sign_message` |
//! | verify | hash to G1, prepared public share | `threshold::verify_message`, public share computed before |
//! | interpolate | `lagrange::interpolate_g1`, `t` partials spread over all indices | `threshold::recover` |
//! | recover | `recover`: interpolation and one verification | `threshold::recover`, `ops::verify_message` |
//! | bad_partial | `recover_named` of `t + 1` partials, one of them bad | - |
//! | encrypt, encrypt_cached | hash to G1 and `fo::encrypt`; `Encryptor` | `tle::encrypt` |
//! | decrypt | `fo::decrypt` from bytes | `tle::decrypt` of a decoded ciphertext |

use std::collections::BTreeMap;

use commonware_cryptography::bls12381::dkg::feldman_desmedt::deal_anonymous;
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_cryptography::bls12381::primitives::ops::{self, threshold as peer};
use commonware_cryptography::bls12381::primitives::sharing::{Mode, Sharing};
use commonware_cryptography::bls12381::primitives::variant::{MinSig, PartialSignature as PeerPartial};
use commonware_cryptography::bls12381::tle;
use commonware_parallel::Sequential;
use commonware_utils::{N3f1, TestRng};
use quorumkeep_curves::bls::{G1, G2, SecretScalar};
use quorumkeep_ibe::{AppId, AppIdentity, AppKey, Encryptor, Format, PartialSignature, PreparedShare, Suite};
use quorumkeep_ibe::{fo, recover, recover_named, sign_partial};
use quorumkeep_sharing::{Index, Polynomial, Threshold, lagrange};
use rand_core::OsRng;

use crate::dkg::threshold;
use crate::report::{Failure, Report, Samples, timed_processor};

const NAMESPACE: &[u8] = b"bench";
const MESSAGE: &[u8] = b"billing";

/// What `bench ibe` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Numbers of operators.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50, 100])]
    n: Vec<u16>,
    /// Calls of each function in each round.
    #[arg(long, default_value_t = 20)]
    calls: u32,
}

/// Microseconds by name.
struct Rows {
    calls: u32,
    samples: BTreeMap<String, Samples>,
}

impl Rows {
    fn time<T>(&mut self, name: &str, mut work: impl FnMut() -> Result<T, Failure>) -> Result<(), Failure> {
        let calls = self.calls;
        let (time, result) = timed_processor(|| (0..calls).try_for_each(|_| work().map(drop)));
        result?;
        let micros = 1e6 * time.as_secs_f64() / f64::from(calls);
        self.samples.entry(name.to_owned()).or_default().push(micros);
        Ok(())
    }
}

/// Every row in every round, ours and the peer's in turns.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut rows = Rows { calls: arguments.calls, samples: BTreeMap::new() };
    let groups: Vec<(Ours, Peer)> =
        arguments.n.iter().map(|n| Ok((Ours::new(*n)?, Peer::new(*n)?))).collect::<Result<_, Failure>>()?;
    // The first round fills tables and caches and is thrown away.
    for round in 0..=rounds {
        for (ours, peer) in &groups {
            ours.recovery(&mut rows)?;
            peer.recovery(&mut rows)?;
        }
        if let Some((ours, peer)) = groups.first() {
            ours.single(&mut rows)?;
            peer.single(&mut rows)?;
        }
        if round == 0 {
            rows.samples.clear();
        }
    }
    let mut report = Report::new("ibe");
    for (name, samples) in &rows.samples {
        report.samples(&format!("{name}_us"), samples);
        let against = if name == "encrypt_cached" { "encrypt_peer".to_owned() } else { format!("{name}_peer") };
        if let Some(theirs) = rows.samples.get(&against) {
            report.figure(&format!("{name}_ratio"), samples.median() / theirs.median());
        }
    }
    for n in &arguments.n {
        let median = |row: &str| rows.samples.get(&format!("{row}_{n}")).map_or(f64::NAN, Samples::median);
        let verify = rows.samples.get("verify").map_or(f64::NAN, Samples::median);
        let bound = 2.0 * median("recover") + f64::from(threshold(*n)) * verify;
        report.figure(&format!("bad_partial_{n}_of_bound"), median("bad_partial") / bound);
    }
    Ok(report)
}

struct Ours {
    n: u16,
    threshold: Threshold,
    identity: AppIdentity,
    q: G1,
    share: SecretScalar,
    group_key: G2,
    public_shares: Vec<(Index, G2)>,
    prepared: PreparedShare,
    partial: PartialSignature,
    spread: Vec<(Index, PartialSignature)>,
    with_a_bad_one: Vec<(Index, PartialSignature)>,
    bad: Index,
    key: AppKey,
    encryptor: Encryptor,
    kem: fo::Kem,
}

impl Ours {
    fn new(n: u16) -> Result<Self, Failure> {
        let threshold = Threshold::new(threshold(n), n)?;
        let polynomial = Polynomial::random(threshold, &mut OsRng);
        let identity = AppIdentity { network: [1; 32], key_id: [2; 32], app_id: AppId::parse("billing")?, epoch: 0 };
        let q = identity.q(Format::Age);
        let indices: Vec<Index> = (1..=n).filter_map(Index::new).collect();
        let commitment = polynomial.commit();
        let points = commitment.evaluate_all(&indices);
        let public_shares: Vec<(Index, G2)> = indices.iter().copied().zip(points).collect();
        let partial = |index: &Index| (*index, sign_partial(&polynomial.evaluate(*index), &q));
        let chosen: Vec<Index> = spread(n).into_iter().filter_map(|place| Index::new(place + 1)).collect();
        // One more, and the first one bad.
        let mut with_a_bad_one: Vec<_> = chosen.iter().map(partial).collect();
        let extra = indices.iter().find(|index| !chosen.contains(index)).ok_or("all are chosen")?;
        with_a_bad_one.push(partial(extra));
        let first = with_a_bad_one.iter_mut().min_by_key(|(index, _)| *index).ok_or("no partials")?;
        let bad = first.0;
        first.1 = sign_partial(&SecretScalar::random(&mut OsRng), &q);
        let group_key = *commitment.constant();
        let encryptor = Encryptor::new(Suite::QUORUMKEEP, &group_key, &q)?;
        let first = indices.first().ok_or("no indices")?;
        Ok(Self {
            n,
            threshold,
            q,
            share: polynomial.evaluate(*first),
            group_key,
            prepared: PreparedShare::new(&public_shares.first().ok_or("no shares")?.1),
            public_shares,
            partial: partial(first).1,
            spread: chosen.iter().map(partial).collect(),
            with_a_bad_one,
            bad,
            key: AppKey::from_bytes(&sign_partial(polynomial.constant(), &q).expose())?,
            kem: encryptor.encrypt(&[7; fo::MESSAGE_LEN], &mut OsRng)?,
            encryptor,
            identity,
        })
    }

    fn single(&self, rows: &mut Rows) -> Result<(), Failure> {
        let q = || self.identity.q(Format::Age);
        let message = [7; fo::MESSAGE_LEN];
        rows.time("sign", || Ok(sign_partial(&self.share, &q())))?;
        rows.time("verify", || expect(self.prepared.verify(&q(), &self.partial)))?;
        let suite = &Suite::QUORUMKEEP;
        rows.time("encrypt", || Ok(fo::encrypt(suite, &self.group_key, &q(), &message, &mut OsRng)?))?;
        rows.time("encrypt_cached", || Ok(self.encryptor.encrypt(&message, &mut OsRng)?))?;
        rows.time("decrypt", || expect(*fo::decrypt(suite, &self.key, &self.kem)? == message))
    }

    fn recovery(&self, rows: &mut Rows) -> Result<(), Failure> {
        let n = self.n;
        let points: Vec<(Index, G1)> = self
            .spread
            .iter()
            .map(|(index, partial)| Ok((*index, G1::from_bytes(&partial.expose())?)))
            .collect::<Result<_, Failure>>()?;
        rows.time(&format!("interpolate_{n}"), || Ok(lagrange::interpolate_g1(&points)?))?;
        let (threshold, q, group_key) = (self.threshold, &self.q, &self.group_key);
        rows.time(&format!("recover_{n}"), || {
            Ok(recover(threshold, q, group_key, &self.public_shares, &self.spread)?)
        })?;
        let calls = std::mem::replace(&mut rows.calls, 1);
        let timed = rows.time(&format!("bad_partial_{n}"), || {
            let found = recover_named(threshold, q, group_key, &self.public_shares, &self.with_a_bad_one)?;
            expect(found.culprits == [self.bad])
        });
        rows.calls = calls;
        timed
    }
}

struct Peer {
    n: u16,
    sharing: Sharing<MinSig>,
    shares: Vec<Share>,
    spread: Vec<PeerPartial<MinSig>>,
    signature: <MinSig as commonware_cryptography::bls12381::primitives::variant::Variant>::Signature,
    ciphertext: tle::Ciphertext<MinSig>,
}

impl Peer {
    fn new(n: u16) -> Result<Self, Failure> {
        let mut rng = TestRng::new(u64::from(n));
        let size = std::num::NonZeroU32::new(n.into()).ok_or("no players")?;
        let (sharing, shares) = deal_anonymous::<MinSig, N3f1>(&mut rng, Mode::NonZeroCounter, size);
        sharing.precompute_partial_publics();
        let chosen = spread(n);
        let spread: Vec<PeerPartial<MinSig>> = chosen
            .iter()
            .filter_map(|place| shares.get(usize::from(*place)))
            .map(|share| peer::sign_message::<MinSig>(share, NAMESPACE, MESSAGE))
            .collect();
        let signature = peer::recover::<MinSig, _>(&sharing, &spread, &Sequential)?;
        let block = tle::Block::new([7; 32]);
        let ciphertext = tle::encrypt::<_, MinSig>(&mut rng, *sharing.public(), (NAMESPACE, MESSAGE), &block)?;
        Ok(Self { n, sharing, shares, spread, signature, ciphertext })
    }

    fn single(&self, rows: &mut Rows) -> Result<(), Failure> {
        let mut rng = TestRng::new(1);
        let share = self.shares.first().ok_or("no shares")?;
        let partial = peer::sign_message::<MinSig>(share, NAMESPACE, MESSAGE);
        rows.time("sign_peer", || Ok(peer::sign_message::<MinSig>(share, NAMESPACE, MESSAGE)))?;
        rows.time("verify_peer", || Ok(peer::verify_message(&self.sharing, NAMESPACE, MESSAGE, &partial)?))?;
        let (block, public) = (tle::Block::new([7; 32]), *self.sharing.public());
        rows.time("encrypt_peer", || Ok(tle::encrypt::<_, MinSig>(&mut rng, public, (NAMESPACE, MESSAGE), &block)?))?;
        rows.time("decrypt_peer", || {
            tle::decrypt::<MinSig>(&self.signature, &self.ciphertext).ok_or_else(|| "the peer decrypts nothing".into())
        })
    }

    fn recovery(&self, rows: &mut Rows) -> Result<(), Failure> {
        let recover = || peer::recover::<MinSig, _>(&self.sharing, &self.spread, &Sequential);
        rows.time(&format!("interpolate_{}_peer", self.n), || Ok(recover()?))?;
        rows.time(&format!("recover_{}_peer", self.n), || {
            Ok(ops::verify_message::<MinSig>(self.sharing.public(), NAMESPACE, MESSAGE, &recover()?)?)
        })
    }
}

/// `t` of the places `0..n`, spread over all of them: consecutive ones would have short weights.
fn spread(n: u16) -> Vec<u16> {
    let t = threshold(n);
    (0..t).map(|k| u16::try_from(u32::from(k) * u32::from(n) / u32::from(t)).unwrap_or(k)).collect()
}

fn expect(held: bool) -> Result<(), Failure> {
    if held { Ok(()) } else { Err("a result is not what it should be".into()) }
}
