//! `rogue_c0`: the last dealer of a generation chooses the group key by interpolation in the exponent.

use quorumkeep_curves::bls::{G2, Scalar, SecretScalar};
use quorumkeep_curves::{schnorr, tags};
use quorumkeep_dkg::committed::Committed;
use quorumkeep_dkg::deal::{self, PlainDeal};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::info::{Info, RoundKind};
use quorumkeep_dkg::ledger::Event;
use quorumkeep_sharing::Commitment;

use super::{Strategy, liar};
use crate::world::World;

/// Waits for everybody else's `C_0`, deals `C_0 = a*G2 - sum` with dealings that fit for all honest players, who are
/// fewer than `t`, and knows `a`.
#[derive(Default)]
pub struct RogueC0;

impl Strategy for RogueC0 {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let info = world.info()?;
        let waits = envelope.header.kind == Kind::Deal && world.liars().first() == Some(&place);
        // The other liars get nonsense and do not mind.
        let hides = waits || envelope.header.kind == Kind::Complain;
        (hides && info.trigger.kind == RoundKind::Genesis).then(Vec::new)
    }

    fn after_block(&mut self, world: &mut World, _events: &[Event]) {
        if liar::deal_window_has_left(world, 1) {
            let _ = attack(world);
        }
    }
}

fn attack(world: &mut World) -> Option<()> {
    let (info, rogue) = (world.info()?, *world.liars().first()?);
    let dealer = world.seats.get(rogue)?.address();
    if info.trigger.kind != RoundKind::Genesis || info.dealer(&dealer).is_none() {
        return None;
    }
    let others = world.round()?.transcript()?.deals().values();
    let constants: Vec<G2> =
        others.filter_map(|c| Some(*c.deal.as_ref().ok()?.commitment.feldman()?.constant())).collect();
    let a = SecretScalar::random(&mut world.rng);
    let target = a.mul_g2();
    let constant = target - G2::sum(&constants);
    let plain = deal_through(world, rogue, &info, constant)?;
    let bytes = liar::seal(world, rogue, &info, &plain)?;
    world.oracle.known_to_liars.push(target);
    world.post_now(&bytes);
    Some(())
}

/// A deal with this constant, whose discrete logarithm nobody knows, and right dealings for `t - 1` players.
fn deal_through(world: &mut World, rogue: usize, info: &Info, constant: G2) -> Option<PlainDeal> {
    let dealer = world.seats.get(rogue)?.address();
    let t = usize::from(info.threshold.get());
    let mut players: Vec<usize> = (0..info.players.len()).collect();
    let is_honest = |k: &usize| world.seat_of(&info.players[*k].address).is_some_and(|seat| seat.honest);
    players.sort_by_key(|k| !is_honest(k));
    let chosen: Vec<(usize, SecretScalar)> =
        players.into_iter().take(t - 1).map(|k| (k, SecretScalar::random(&mut world.rng))).collect();
    let mut xs = vec![Scalar::zero()];
    let mut ys = vec![constant];
    for (k, value) in &chosen {
        xs.push(info.players[*k].index.to_scalar());
        ys.push(value.mul_g2());
    }
    let commitment = Commitment::new(coefficients(&xs, &ys)?).ok()?;
    let r = SecretScalar::random(&mut world.rng);
    let big_r = r.mul_g1();
    let mut ciphertexts = vec![[7; 32]; info.players.len()];
    for (k, value) in &chosen {
        let player = &info.players[*k];
        let shared = player.e1.mul_secret(&r);
        ciphertexts[*k] = *deal::apply_pad(&value.expose(), &shared, info, &dealer, &player.address, 0);
    }
    let plain = Committed::Feldman(commitment.points().to_vec());
    let context = deal::proof_context(info, &dealer, &big_r, &plain.hash());
    let mut nonce = || SecretScalar::random(&mut world.rng);
    let proof_r = schnorr::prove(tags::DKG_PROOF_R, &context, &r, &big_r, nonce());
    // The best that one can do without knowing the logarithm.
    let proof_constant = schnorr::prove(tags::DKG_PROOF_A0, &context, &nonce(), commitment.constant(), nonce());
    Some(PlainDeal { r: big_r, commitment: plain, ciphertexts, proof_r, proof_constant: Some(proof_constant) })
}

/// The coefficients, in the exponent, of the polynomial through these points.
pub fn coefficients(xs: &[Scalar], ys: &[G2]) -> Option<Vec<G2>> {
    let mut out = vec![G2::identity(); xs.len()];
    for (i, (x, y)) in xs.iter().zip(ys).enumerate() {
        let mut basis = vec![Scalar::one()];
        let mut denominator = Scalar::one();
        for other in xs.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other) {
            denominator *= *x - *other;
            let mut next = vec![Scalar::zero(); basis.len() + 1];
            for (k, coefficient) in basis.iter().enumerate() {
                next[k + 1] += *coefficient;
                next[k] -= *coefficient * *other;
            }
            basis = next;
        }
        let scale = denominator.invert()?;
        for (sum, coefficient) in out.iter_mut().zip(basis) {
            *sum += y.mul(&(coefficient * scale));
        }
    }
    Some(out)
}
