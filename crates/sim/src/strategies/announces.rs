//! Lies in Announces, and an orderer that suppresses them.

use std::collections::BTreeSet;

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::{schnorr, tags};
use quorumkeep_dkg::announce::{Announce, Held};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::Address;
use quorumkeep_dkg::info::RoundKind;
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::secret::RoundSecrets;

use super::{Strategy, liar};
use crate::chance::{between, pick, sample};
use crate::world::World;

/// `shrink_p`: the orderer suppresses Announces, so that few players show up.
#[derive(Default)]
pub struct ShrinkP {
    allowed: BTreeSet<Address>,
}

impl Strategy for ShrinkP {
    fn before_block(&mut self, world: &mut World) {
        let next = world.height() + 1;
        let Some(config) = world.config() else { return };
        if next.is_multiple_of(u64::from(config.interval)) {
            let all: Vec<Address> = config.roster.iter().map(|member| member.address).collect();
            let victims = world.act().victims.clone();
            if !victims.is_empty() {
                let suppressed: Vec<Address> = victims.iter().map(|place| world.seats[*place].address()).collect();
                self.allowed = all.into_iter().filter(|address| !suppressed.contains(address)).collect();
                return;
            }
            let least = usize::from(config.threshold.get());
            let count = between(&mut world.rng, least, all.len());
            self.allowed = sample(&mut world.rng, &all, count).into_iter().collect();
        }
    }

    fn censors(&mut self, world: &mut World, envelope: &Envelope) -> bool {
        !world.calm && envelope.header.kind == Kind::Announce && !self.allowed.contains(&envelope.header.sender)
    }
}

/// An Announce that proves nothing.
fn bare(world: &mut World, secrets: &RoundSecrets, place: usize) -> Option<Announce> {
    let (trigger, head) = (world.round()?.trigger().clone(), world.ledger().head());
    let address = world.seats.get(place)?.address();
    Some(Announce::build(&trigger, &address, secrets, &[], (true, head), &mut world.rng))
}

/// A version that the liar claims to hold, with a proof of something else.
fn claim(world: &mut World) -> Option<Held> {
    let version = world.state()?.versions.active.as_ref()?.id();
    let mut random = || SecretScalar::random(&mut world.rng);
    let (x, nonce) = (random(), random());
    Some(Held { version, proof: schnorr::prove(tags::DKG_HOLDING_PROOF, b"", &x, &x.mul_g2(), nonce) })
}

/// `stale_source_announce`: threw its share away and claims to hold the newest version.
#[derive(Default)]
pub struct StaleSource;

impl Strategy for StaleSource {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        match (envelope.header.kind, world.round()?.trigger().kind) {
            (_, RoundKind::Genesis) => None,
            (Kind::Announce, _) => {
                world.seats[place].forgot = true;
                let secrets = liar::secrets(world, place)?;
                let mut announce = bare(world, &secrets, place)?;
                announce.held.extend(claim(world));
                let digest = envelope.header.digest;
                Some(vec![liar::record(world, place, digest, Kind::Announce, announce.encode())?])
            }
            _ => Some(Vec::new()),
        }
    }
}

/// `stolen_identity`: a thief has an honest operator's identity key, but no share, and announces `rejoin` first.
#[derive(Default)]
pub struct StolenIdentity;

impl Strategy for StolenIdentity {
    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        if !events.iter().any(|event| matches!(event, Event::Opened(..))) {
            return;
        }
        let sound = world.sound();
        let Some(victim) = pick(&mut world.rng, &sound) else { return };
        let is_reshare = world.round().is_some_and(|round| round.trigger().kind == RoundKind::Reshare);
        let Some(digest) = world.round().filter(|_| is_reshare).map(|round| round.trigger_digest()) else { return };
        let secrets = RoundSecrets::generate(&mut world.rng);
        let Some(announce) = bare(world, &secrets, victim) else { return };
        let bytes = liar::record(world, victim, digest, Kind::Announce, announce.encode());
        bytes.iter().for_each(|bytes| world.post_now(bytes));
    }
}
