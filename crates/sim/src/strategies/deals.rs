//! Lies in Deals.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::info::RoundKind;
use quorumkeep_dkg::ledger::Event;
use rand_core::RngCore;

use super::{Strategy, liar};
use crate::chance::{below, happens, pick};
use crate::orderer::Pending;
use crate::world::World;

fn is_deal(envelope: &Envelope) -> bool {
    envelope.header.kind == Kind::Deal
}

/// `copy_r`: takes an honest dealer's `R`, so that the complaint about the liar unveils what the honest one dealt.
#[derive(Default)]
pub struct CopyR;

impl Strategy for CopyR {
    fn replace(&mut self, _world: &mut World, _place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        is_deal(envelope).then(Vec::new)
    }

    fn after_block(&mut self, world: &mut World, _events: &[Event]) {
        if !liar::deal_window_has_left(world, 1) {
            return;
        }
        let victims = liar::honest_deals(world);
        for place in world.liars() {
            let choice = below(&mut world.rng, victims.len());
            let Some((info, mut plain)) = liar::honest_deal(world, place) else { continue };
            let Some(victim) = victims.get(choice) else { continue };
            plain.r = victim.r;
            for ciphertext in &mut plain.ciphertexts {
                world.rng.fill_bytes(ciphertext);
            }
            let bytes = liar::seal(world, place, &info, &plain);
            bytes.iter().for_each(|bytes| world.post_now(bytes));
        }
    }
}

/// `raise_degree`: one commitment too many.
#[derive(Default)]
pub struct RaiseDegree;

impl Strategy for RaiseDegree {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let info = is_deal(envelope).then(|| world.info())??;
        let constant = liar::source_share(world, place, &info);
        let length = if below(&mut world.rng, 4) == 0 { info.threshold.get() - 1 } else { info.threshold.get() + 1 };
        let polynomial = liar::polynomial(world, length.max(2), constant)?;
        let plain = liar::deal_of(world, place, &info, &polynomial)?;
        Some(vec![liar::seal(world, place, &info, &plain)?])
    }
}

/// `bad_dealing`: some honest players get nonsense.
#[derive(Default)]
pub struct BadDealing;

impl Strategy for BadDealing {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let (info, mut plain) = is_deal(envelope).then(|| liar::honest_deal(world, place))??;
        let honest = |k: &usize| world.seat_of(&info.players[*k].address).is_some_and(|seat| seat.is_sound());
        let victims: Vec<usize> = (0..info.players.len()).filter(honest).collect();
        let sure = pick(&mut world.rng, &victims)?;
        for victim in victims {
            if victim == sure || happens(&mut world.rng, 300) {
                // Above the order of the group, or merely wrong.
                let byte = if happens(&mut world.rng, 300) { 0xff } else { 0x01 };
                let cell = victim * info.ciphertexts_each() + below(&mut world.rng, info.ciphertexts_each());
                plain.ciphertexts[cell].iter_mut().for_each(|cell| *cell ^= byte);
            }
        }
        Some(vec![liar::seal(world, place, &info, &plain)?])
    }
}

/// `equivocate`: a second Deal after the first.
#[derive(Default)]
pub struct Equivocate;

impl Strategy for Equivocate {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let info = is_deal(envelope).then(|| world.info())??;
        let constant = liar::source_share(world, place, &info);
        let polynomial = liar::polynomial(world, info.threshold.get(), constant)?;
        let plain = liar::deal_of(world, place, &info, &polynomial)?;
        let (first, second) = (envelope.encode(), liar::seal(world, place, &info, &plain)?);
        let due = world.height() + 1;
        world.chains[0].pool.push(Pending { bytes: first, due });
        world.chains[0].pool.push(Pending { bytes: second, due: due + 1 });
        Some(Vec::new())
    }
}

/// `wrong_source`: deals something else than its share in a reshare.
#[derive(Default)]
pub struct WrongSource;

impl Strategy for WrongSource {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let info = is_deal(envelope).then(|| world.info())??;
        if info.trigger.kind == RoundKind::Genesis {
            return None;
        }
        let constant = SecretScalar::random(&mut world.rng);
        let polynomial = liar::polynomial(world, info.threshold.get(), Some(constant))?;
        let plain = liar::deal_of(world, place, &info, &polynomial)?;
        Some(vec![liar::seal(world, place, &info, &plain)?])
    }
}

/// `withhold`: says less than it should, in any phase.
#[derive(Default)]
pub struct Withhold;

impl Strategy for Withhold {
    fn replace(&mut self, world: &mut World, _place: usize, _envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        happens(&mut world.rng, 400).then(Vec::new)
    }
}
