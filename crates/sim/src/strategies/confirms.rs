//! Lies in Confirms, and liars that let go at the worst moment.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::{schnorr, tags};
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::confirm::Confirm;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::output::Output;

use super::{Strategy, liar};
use crate::chance::{happens, sample};
use crate::world::World;

/// Keeps this many sound nodes from seeing the board until the end of the running round.
fn deafen(world: &mut World, count: usize) {
    let sound = world.sound();
    let Some(until) = world.round().map(|round| round.trigger().deadlines().confirm + 1) else { return };
    for place in sample(&mut world.rng, &sound, count) {
        world.seats[place].deaf_until = until;
    }
}

/// Keeps as many sound nodes as a round can do without from all of the round that the next block opens.
fn deafen_next_round(world: &mut World) {
    let (sound, next) = (world.sound(), world.height() + 1);
    let Some(config) = world.config() else { return };
    if world.calm || !next.is_multiple_of(u64::from(config.interval)) {
        return;
    }
    let spare = config.n() - usize::from(config.threshold.get());
    for place in sample(&mut world.rng, &sound, spare) {
        world.seats[place].deaf_until = next + config.windows.total(config.protocol) + 1;
    }
}

/// `confirm_without_share`: confirms what it does not hold, while just `t - 1` honest nodes do.
#[derive(Default)]
pub struct ConfirmWithoutShare;

impl Strategy for ConfirmWithoutShare {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        world.seats[place].forgot = true;
        let digest = envelope.header.digest;
        match envelope.header.kind {
            Kind::Announce => {
                let mut announce = Announce::decode(&envelope.body).ok()?;
                announce.held.clear();
                Some(vec![liar::record(world, place, digest, Kind::Announce, announce.encode())?])
            }
            Kind::Confirm => {
                let mut confirm = Confirm::decode(&envelope.body).ok()?;
                let mut random = || SecretScalar::random(&mut world.rng);
                let (x, nonce) = (random(), random());
                confirm.proof = schnorr::prove(tags::DKG_CONFIRM_PROOF, b"", &x, &x.mul_g2(), nonce);
                Some(vec![liar::record(world, place, digest, Kind::Confirm, confirm.encode())?])
            }
            _ => None,
        }
    }

    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        let dealt = events.iter().any(|event| matches!(event, Event::Dealt(..)));
        // A generation needs more Confirms than there are liars to make up for; the first version is made in peace.
        let Some(info) = world.info().filter(|info| dealt && !world.calm && info.source.is_some()) else { return };
        let honest = world.sound().len();
        deafen(world, (honest + 1).saturating_sub(usize::from(info.threshold.get())));
    }
}

/// `go_silent_after_confirm`: versions with just `t` confirmers, liars among them, who are then gone.
#[derive(Default)]
pub struct GoSilent;

impl Strategy for GoSilent {
    fn replace(&mut self, world: &mut World, _place: usize, _envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        world.calm.then(Vec::new)
    }

    fn before_block(&mut self, world: &mut World) {
        if world.state().is_some_and(|state| state.versions.active.is_some()) {
            deafen_next_round(world);
        }
    }
}

/// `self_complaint`: helps a version to just `t` holders, then keeps it from ever being handed on.
#[derive(Default)]
pub struct SelfComplaint;

impl SelfComplaint {
    /// Is the running round's source a version that is not settled?
    fn hinders(world: &World) -> Option<bool> {
        let source = world.info()?.source.clone()?;
        let settled = world.state()?.versions.settled.clone();
        Some(is_bare(&source) && settled.is_none_or(|settled| settled.id() != source.id()))
    }
}

impl Strategy for SelfComplaint {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        if envelope.header.kind != Kind::Deal || !Self::hinders(world)? {
            return None;
        }
        if happens(&mut world.rng, 300) {
            return Some(Vec::new());
        }
        let (info, mut plain) = liar::honest_deal(world, place)?;
        let (own, _) = info.player(&world.seats[place].address())?;
        plain.ciphertexts[own * info.ciphertexts_each()].iter_mut().for_each(|byte| *byte ^= 1);
        Some(vec![liar::seal(world, place, &info, &plain)?])
    }

    fn before_block(&mut self, world: &mut World) {
        let versions = world.state().map(|state| state.versions.clone()).unwrap_or_default();
        // Not settled in the Announces of that round, because as many are missing.
        let is_whole = versions.active.is_some_and(|active| !is_bare(&active));
        if versions.settled.is_some() && is_whole {
            deafen_next_round(world);
        }
    }

    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        if events.iter().any(|event| matches!(event, Event::Dealt(..))) && Self::hinders(world) == Some(true) {
            world.liars().into_iter().for_each(|place| complain_about_self(world, place).unwrap_or_default());
        }
    }
}

/// Has the version no more players than it needs?
fn is_bare(output: &Output) -> bool {
    output.shares().len() == usize::from(output.threshold().get())
}

fn complain_about_self(world: &mut World, place: usize) -> Option<()> {
    let (info, address) = (world.info()?, world.seats[place].address());
    let deal = world.round()?.transcript()?.deals().get(&address)?.deal.as_ref().ok()?.clone();
    let opening = liar::opening(world, place, &deal.r)?;
    let body = Complain::encode(&address, &deal.core, &opening.to_bytes());
    let record = liar::record(world, place, info.digest(), Kind::Complain, body)?;
    world.post_now(&record);
    Some(())
}
