//! A round of ours, as one node lives it: from the records of all dealers to the new version and its own share.

use std::sync::Arc;

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::bn254;
use quorumkeep_dkg::batch;
use quorumkeep_dkg::block::BlockRef;
use quorumkeep_dkg::config::{Authority, Config, Member, Protocol, SUITE_BLS12381_G2, Windows};
use quorumkeep_dkg::deal::{self, VerifiedDeal};
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ids::{Address, Digest, KeyId};
use quorumkeep_dkg::info::{Dealer, Info, Player, RoundKind, Trigger};
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::records;
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_dkg::transcript::{Transcript, Verdict, combine_share};
use quorumkeep_sharing::{Commitment, Index, Threshold, verify_dealings};
use rand_core::OsRng;

use super::{Kind, Times, millis, threshold};
use crate::report::{Failure, timed_processor as timed};

/// Blocks of every phase; only the order of the records counts here.
const WINDOW: u32 = 10;

/// A round of `n` honest operators, as the middle one of them sees it.
pub struct Ours {
    info: Arc<Info>,
    operators: Vec<Operator>,
    /// Everybody's share of the version that is handed on.
    shares: Option<Vec<SecretScalar>>,
    records: Vec<Vec<u8>>,
}

struct Operator {
    address: Address,
    key: bn254::SecretKey,
    secrets: RoundSecrets,
}

/// What a round leaves.
struct Finished {
    output: Arc<Output>,
    share: SecretScalar,
}

impl Ours {
    /// Everybody's deals, signed and encoded. A reshare hands on what a generation before it made.
    pub fn new(kind: Kind, n: u16) -> Result<Self, Failure> {
        let operators: Vec<Operator> = (0..n).map(|_| Operator::new()).collect();
        let config = Arc::new(config(n, &operators)?);
        let generation = Self::of(&config, operators, None)?;
        if kind == Kind::Generation {
            return Ok(generation);
        }
        let (output, shares) = generation.everybodys_shares()?;
        let operators = generation.operators;
        Self::of(&config, operators, Some((output, shares)))
    }

    fn of(
        config: &Arc<Config>,
        operators: Vec<Operator>,
        source: Option<(Arc<Output>, Vec<SecretScalar>)>,
    ) -> Result<Self, Failure> {
        let (source, shares) = source.unzip();
        let info = Arc::new(info(config, &operators, source)?);
        let mut round = Self { info, operators, shares, records: Vec::new() };
        let places = 0..round.operators.len();
        round.records = places.map(|place| Ok(round.deal(place)?.encode())).collect::<Result<_, Failure>>()?;
        Ok(round)
    }

    fn plain(&self, place: usize) -> Result<deal::PlainDeal, Failure> {
        let operator = self.operators.get(place).ok_or("no such operator")?;
        let constant = self.shares.as_ref().and_then(|shares| shares.get(place));
        let plain = deal::plain(&self.info, &operator.address, &operator.secrets, constant, &mut OsRng);
        Ok(plain.ok_or("no polynomial")?)
    }

    fn deal(&self, place: usize) -> Result<Envelope, Failure> {
        let operator = self.operators.get(place).ok_or("no such operator")?;
        Ok(deal::seal(&self.info, &operator.address, &self.plain(place)?, &operator.key))
    }

    /// One node's work, phase by phase: its own deal, the records of all, its own dealings, the result.
    pub fn round(&self, times: &mut Times) -> Result<(), Failure> {
        let place = self.operators.len() / 2;
        let me = self.operators.get(place).ok_or("no operators")?;
        let (dealing, plain) = timed(|| self.plain(place));
        let plain = plain?;
        let (signing, sealed) = timed(|| deal::seal(&self.info, &me.address, &plain, &me.key).encode());
        drop(sealed);
        let memory = Memory::default();
        let (receiving, transcript) = timed(|| self.receive(&memory));
        let mut transcript = transcript?;
        let (opening, dealings) = timed(|| self.decrypt(&transcript, place));
        let dealings = dealings?;
        let (verifying, verified) = timed(|| verify(&self.info, &me.address, &transcript, &dealings));
        verified?;
        let (finishing, finished) = timed(|| finish(&self.info, &mut transcript, &dealings, &memory));
        let finished = finished?;
        let indices: Vec<Index> = self.info.players.iter().map(|player| player.index).collect();
        let fresh = Commitment::new(finished.output.commitment().points().to_vec())?;
        let (publics, points) = timed(|| fresh.evaluate_all(&indices));
        let own = finished.output.share_of(&me.address).ok_or("no own share")?;
        if finished.share.mul_g2() != own.point || points.get(place) != Some(&own.point) {
            return Err("the share is not that of the result".into());
        }
        times.push("dealing", millis(dealing));
        times.push("signing", millis(signing));
        times.push("receive", millis(receiving));
        times.push("decrypt", millis(opening));
        times.push("verify", millis(verifying));
        times.push("result", millis(finishing));
        times.push("public_shares", millis(publics));
        times.push("node", millis(dealing + signing + receiving + opening + verifying + finishing));
        Ok(())
    }

    /// Decoding, signatures, subgroup checks and proofs of all deals.
    fn receive(&self, memory: &Memory) -> Result<Transcript, Failure> {
        let mut transcript = Transcript::new(self.info.clone());
        let key_of = |sender: &Address| self.info.player(sender).map(|(_, player)| &player.key);
        let records: Vec<&[u8]> = self.records.iter().map(Vec::as_slice).collect();
        batch::check_deals(&self.info, &records, memory, key_of);
        for bytes in &self.records {
            let record = records::verify(bytes, Envelope::decode(bytes)?, memory, key_of).ok_or("a bad signature")?;
            let height = self.info.trigger.deadlines().deal;
            if transcript.record(height, &record, memory) != Verdict::Valid {
                return Err("a deal that does not count".into());
            }
        }
        Ok(transcript)
    }

    fn decrypt(&self, transcript: &Transcript, place: usize) -> Result<Vec<(Index, SecretScalar)>, Failure> {
        let operator = self.operators.get(place).ok_or("no such operator")?;
        let decrypt = |deal: &Arc<VerifiedDeal>| {
            let dealing = deal.decrypt(&self.info, &operator.address, operator.secrets.receive());
            Ok((deal.index, dealing.ok_or("not a scalar")?.share))
        };
        transcript.qualified().into_iter().map(decrypt).collect()
    }

    fn everybodys_shares(&self) -> Result<(Arc<Output>, Vec<SecretScalar>), Failure> {
        let memory = Memory::default();
        let mut transcript = self.receive(&memory)?;
        let mut shares = Vec::new();
        for place in 0..self.operators.len() {
            let dealings = self.decrypt(&transcript, place)?;
            shares.push(combine_share(&self.info, &dealings).ok_or("no dealings")?);
        }
        let output = transcript.close(BlockRef::default(), &memory).clone()?;
        Ok((output, shares))
    }
}

/// All dealings of one player against all commitments.
fn verify(
    info: &Info,
    player: &Address,
    transcript: &Transcript,
    dealings: &[(Index, SecretScalar)],
) -> Result<(), Failure> {
    let (_, player) = info.player(player).ok_or("not a player")?;
    let deals = transcript.qualified();
    let pairs = deals.iter().zip(dealings);
    let pairs = pairs.filter_map(|(deal, (_, dealing))| Some((deal.commitment.feldman()?, dealing)));
    verify_dealings(player.index, &pairs.collect::<Vec<_>>()).map_err(|_| "a wrong dealing".into())
}

fn finish(
    info: &Info,
    transcript: &mut Transcript,
    dealings: &[(Index, SecretScalar)],
    memory: &Memory,
) -> Result<Finished, Failure> {
    let share = combine_share(info, dealings).ok_or("no dealings")?;
    let output = transcript.close(BlockRef::default(), memory).clone()?;
    Ok(Finished { output, share })
}

impl Operator {
    fn new() -> Self {
        let key = bn254::SecretKey::random(&mut OsRng);
        Self { address: Address::of(&key.public()), key, secrets: RoundSecrets::generate(&mut OsRng) }
    }
}

fn config(n: u16, operators: &[Operator]) -> Result<Config, Failure> {
    let member = |(operator, place): (&Operator, u16)| {
        let index = Index::new(place).ok_or("index 0")?;
        let possession = operator.key.prove_possession(&operator.address.0);
        let socket = format!("127.0.0.1:{}", 7000 + place);
        Ok(Member { index, address: operator.address, key: operator.key.public(), possession, socket })
    };
    Ok(Config {
        sequence: 0,
        salt: [3; 32],
        previous: Digest::ZERO,
        threshold: Threshold::new(threshold(n), n)?,
        protocol: Protocol::Feldman,
        suite: SUITE_BLS12381_G2,
        interval: 8 * WINDOW,
        windows: Windows { announce: WINDOW, deal: WINDOW, complain: WINDOW, confirm: WINDOW },
        settle_margin: Config::default_settle_margin(n.into(), threshold(n)),
        finality: 0,
        owners: Vec::new(),
        authority: Authority::Roster,
        orderer: [0; 32],
        last_index: n,
        roster: operators.iter().zip(1..).map(member).collect::<Result<_, Failure>>()?,
    })
}

fn info(config: &Arc<Config>, operators: &[Operator], source: Option<Arc<Output>>) -> Result<Info, Failure> {
    let network = config.network_id();
    let trigger = Trigger {
        network,
        key: KeyId::derive(&network, "main"),
        kind: if source.is_some() { RoundKind::Reshare } else { RoundKind::Genesis },
        block: BlockRef::default(),
        config: config.clone(),
        config_digest: config.digest(),
    };
    let mut players = Vec::new();
    for (operator, member) in operators.iter().zip(&config.roster) {
        let (e1, e2) = (operator.secrets.receive().mul_g1(), operator.secrets.receive().mul_g2());
        let (index, address, key) = (member.index, member.address, member.key.clone());
        players.push(Player { index, address, key, e1, e2 });
    }
    let constant = |address: &Address| Some(source.as_ref()?.share_of(address)?.point);
    let dealer = |player: &Player| {
        let constant = constant(&player.address);
        Dealer { index: player.index, address: player.address, constant }
    };
    let dealers = players.iter().map(dealer).collect();
    Ok(Info::new(trigger, config.threshold, players, dealers, source, (Digest::ZERO, &[])))
}
