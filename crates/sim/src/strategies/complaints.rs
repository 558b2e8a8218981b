//! Lies in Complains.

use std::sync::OnceLock;

use blst::min_pk::{AggregatePublicKey, PublicKey};
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ledger::Event;

use super::{Strategy, liar};
use crate::chance::{below, happens};
use crate::world::World;

/// The order of the group, big-endian.
const ORDER: [u8; 32] = [
    0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05, 0x53, 0xbd, 0xa4,
    0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
];

/// A point of G1's curve whose order divides the cofactor: `r*P` for a point `P` outside the subgroup.
fn torsion() -> Option<AggregatePublicKey> {
    static POINT: OnceLock<Option<PublicKey>> = OnceLock::new();
    let point = POINT.get_or_init(|| {
        let candidates = (1..=255u8).filter_map(|x| {
            let mut bytes = [0; 48];
            (bytes[0], bytes[47]) = (0x80, x);
            PublicKey::uncompress(&bytes).ok()
        });
        let multiple = |point: PublicKey| {
            let one = AggregatePublicKey::from_public_key(&point);
            let mut sum: Option<AggregatePublicKey> = None;
            for bit in (0..256).map(|bit| ORDER[bit / 8] >> (7 - bit % 8) & 1) {
                if let Some(sum) = &mut sum {
                    let copy = *sum;
                    sum.add_aggregate(&copy);
                }
                match &mut sum {
                    Some(sum) if bit == 1 => sum.add_aggregate(&one),
                    None if bit == 1 => sum = Some(one),
                    _ => {}
                }
            }
            sum.map(|sum| sum.to_public_key())
        };
        // Points of the subgroup give the identity, whose first byte has the flag 0x40.
        candidates.filter_map(multiple).find(|point| point.compress()[0] & 0x40 == 0)
    });
    point.as_ref().map(AggregatePublicKey::from_public_key)
}

/// `P + T`, compressed: the same to a pairing, another point to a hash.
pub fn plus_torsion(point: &[u8; 48]) -> Option<[u8; 48]> {
    let mut sum = torsion()?;
    sum.add_public_key(&PublicKey::uncompress(point).ok()?, false).ok()?;
    Some(sum.to_public_key().compress())
}

/// Posts a complaint of every liar about every honest dealer, once the deals are in.
fn complain_about_all(world: &mut World, events: &[Event], twist: impl Fn(&mut World, [u8; 48]) -> Option<[u8; 48]>) {
    if !events.iter().any(|event| matches!(event, Event::Dealt(..))) {
        return;
    }
    let Some(info) = world.info() else { return };
    for place in world.mine() {
        for deal in liar::honest_deals(world) {
            let Some(opening) = liar::opening(world, place, &deal.r) else { continue };
            let Some(bytes) = twist(world, opening.to_bytes()) else { continue };
            let body = Complain::encode(&deal.dealer, &deal.core, &bytes);
            let record = liar::record(world, place, info.digest(), Kind::Complain, body);
            record.iter().for_each(|record| world.post_now(record));
        }
    }
}

/// `torsion_opening`: `S + T` passes the pairing, changes the pad, and frames an honest dealer. Also `E1 + T`.
#[derive(Default)]
pub struct TorsionOpening;

impl Strategy for TorsionOpening {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        if envelope.header.kind != Kind::Announce || world.act().every_time || !happens(&mut world.rng, 150) {
            return None;
        }
        let e1 = liar::secrets(world, place)?.receive().mul_g1().to_bytes();
        let twisted = plus_torsion(&e1)?;
        let mut body = envelope.body.clone();
        let at = body.windows(48).position(|window| window == e1)?;
        body[at..at + 48].copy_from_slice(&twisted);
        Some(vec![liar::record(world, place, envelope.header.digest, Kind::Announce, body)?])
    }

    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        complain_about_all(world, events, |_, opening| plus_torsion(&opening));
    }
}

/// `false_complaint`: complains about dealings that are right, with the right opening or any other point.
#[derive(Default)]
pub struct FalseComplaint;

impl Strategy for FalseComplaint {
    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        complain_about_all(world, events, |world, opening| {
            let other = quorumkeep_curves::bls::SecretScalar::random(&mut world.rng).mul_g1().to_bytes();
            Some(if below(&mut world.rng, 3) == 0 { other } else { opening })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorumkeep_curves::bls::G1;

    #[test]
    fn a_torsion_point_is_outside_the_subgroup_and_invisible_to_a_pairing() {
        let generator = G1::generator().to_bytes();
        let twisted = plus_torsion(&generator).unwrap();
        assert_ne!(twisted, generator);
        assert!(G1::from_bytes(&twisted).is_err());
    }
}
