//! What every liar needs: its own secrets, deals made to measure, signatures.

use std::sync::Arc;

use quorumkeep_curves::bls::{G1, SecretScalar};
use quorumkeep_curves::{schnorr, tags};
use quorumkeep_dkg::committed::Committed;
use quorumkeep_dkg::deal::{self, PlainDeal, VerifiedDeal};
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest};
use quorumkeep_dkg::info::{Info, RoundKind};
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_sharing::{HidingCommitment, Polynomial, Threshold};

use crate::vouch;
use crate::world::World;

/// The liar's secrets of the running round.
pub fn secrets(world: &World, place: usize) -> Option<RoundSecrets> {
    let round = world.round()?.trigger().round();
    let disk = world.seats.get(place)?.store.disk();
    RoundSecrets::from_bytes(disk.round_secret(&world.key, round)?).ok()
}

/// The liar's share of the source.
pub fn source_share(world: &World, place: usize, info: &Info) -> Option<SecretScalar> {
    world.seats.get(place)?.share(&world.key, &info.source.as_ref()?.id())
}

/// An ordinary record of this operator in the running round.
pub fn record(world: &World, place: usize, digest: Digest, kind: Kind, body: Vec<u8>) -> Option<Vec<u8>> {
    let seat = world.seats.get(place)?;
    let header = Header {
        network: world.network,
        key: world.key,
        round: world.round()?.trigger().round(),
        digest,
        kind,
        sender: seat.address(),
        recipient: Address::ZERO,
    };
    let hash = Digest(quorumkeep_curves::hash::keccak256(&body));
    Some(vouched(world, Envelope::signed(header, body, &hash, &seat.who().key())))
}

/// A signed Deal.
pub fn seal(world: &World, place: usize, info: &Info, plain: &PlainDeal) -> Option<Vec<u8>> {
    let seat = world.seats.get(place)?;
    Some(vouched(world, deal::seal(info, &seat.address(), plain, &seat.who().key())))
}

/// The bytes; that the signature is right needs no pairing.
fn vouched(world: &World, envelope: Envelope) -> Vec<u8> {
    let bytes = envelope.encode();
    vouch::signature(&world.memory, &bytes);
    bytes
}

/// The deal that the liar's honest code makes.
pub fn honest_deal(world: &mut World, place: usize) -> Option<(Arc<Info>, PlainDeal)> {
    let info = world.info()?;
    let (secrets, share) = (secrets(world, place)?, source_share(world, place, &info));
    let address = world.seats.get(place)?.address();
    let plain = deal::plain(&info, &address, &secrets, share.as_ref(), &mut world.rng)?;
    Some((info, plain))
}

/// A deal of any polynomial, well made otherwise.
pub fn deal_of(world: &mut World, place: usize, info: &Info, polynomial: &Polynomial) -> Option<PlainDeal> {
    let dealer = world.seats.get(place)?.address();
    let r = SecretScalar::random(&mut world.rng);
    let big_r = r.mul_g1();
    let blinding = match info.h {
        Some(_) => Some(self::polynomial(world, u16::try_from(polynomial.threshold()).ok()?, None)?),
        None => None,
    };
    let commitment = match (&info.h, &blinding) {
        (Some(h), Some(blinding)) => {
            Committed::Pedersen(HidingCommitment::commit(polynomial, blinding, h).ok()?.points().to_vec())
        }
        _ => Committed::Feldman(polynomial.commit().points().to_vec()),
    };
    let ciphertexts = deal::ciphertexts(info, &dealer, &r, &[Some(polynomial), blinding.as_ref()]);
    let context = deal::proof_context(info, &dealer, &big_r, &commitment.hash());
    let proof_r = schnorr::prove(tags::DKG_PROOF_R, &context, &r, &big_r, SecretScalar::random(&mut world.rng));
    let constant = commitment.feldman().map(|points| points[0]).filter(|_| info.trigger.kind == RoundKind::Genesis);
    let proof_constant = constant.map(|constant| {
        let nonce = SecretScalar::random(&mut world.rng);
        schnorr::prove(tags::DKG_PROOF_A0, &context, polynomial.constant(), &constant, nonce)
    });
    Some(PlainDeal { r: big_r, commitment, ciphertexts, proof_r, proof_constant })
}

/// A random polynomial with this many coefficients and this constant.
pub fn polynomial(world: &mut World, length: u16, constant: Option<SecretScalar>) -> Option<Polynomial> {
    let constant = constant.unwrap_or_else(|| SecretScalar::random(&mut world.rng));
    Some(Polynomial::with_constant(constant, Threshold::new(length, length).ok()?, &mut world.rng))
}

/// The deals on the board by operators that are honest.
pub fn honest_deals(world: &World) -> Vec<Arc<VerifiedDeal>> {
    let Some(transcript) = world.round().and_then(|round| round.transcript()) else { return Vec::new() };
    let valid = transcript.deals().values().filter_map(|counted| counted.deal.as_ref().ok());
    let honest = |deal: &&Arc<VerifiedDeal>| world.seat_of(&deal.dealer).is_some_and(|seat| seat.honest);
    valid.filter(honest).cloned().collect()
}

/// `S = e*R`.
pub fn opening(world: &World, place: usize, r: &G1) -> Option<G1> {
    Some(r.mul_secret(secrets(world, place)?.receive()))
}

/// Does the next block have this distance from the last block of the Deal window?
pub fn deal_window_has_left(world: &World, blocks: u64) -> bool {
    world.info().is_some_and(|info| info.trigger.deadlines().deal == world.height() + blocks)
}
