//! In the calm, when machines and wires are well and only liars lie, a round succeeds within two.

use std::sync::Arc;

use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::output::Output;

use super::Oracle;
use crate::Violation;
use crate::world::World;

/// Rounds that must be enough.
const ROUNDS_ENOUGH: u64 = 2;

/// What happened since the calm began.
#[derive(Default)]
pub(super) struct Calm {
    began: Option<u64>,
    is_owed: bool,
    failed: u64,
    activated: u64,
}

impl Oracle {
    /// The faults are over: what is owed from here on?
    pub fn calm_begins(&mut self, world: &World) {
        self.calm = Calm { began: Some(world.height()), is_owed: self.could_succeed(world), ..Calm::default() };
    }

    /// Enough honest members of the roster, and enough honest holders of a kept version (or none is needed yet).
    fn could_succeed(&self, world: &World) -> bool {
        let (Some(config), Some(state)) = (world.config(), world.state()) else { return false };
        let honest = |address| world.seat_of(address).is_some_and(|seat| seat.honest);
        let players = config.roster.iter().filter(|member| honest(&member.address)).count();
        let holders = |output: &Arc<Output>| {
            world.seats.iter().filter(|seat| seat.honest && seat.holds(&world.key, &output.id())).count()
        };
        let kept = state.versions.kept();
        let can_deal = |output: &Arc<Output>| holders(output) >= usize::from(output.threshold().get());
        let sourced = kept.iter().any(can_deal);
        let generates = kept.is_empty() && players >= usize::from(state.genesis.players_min);
        players >= usize::from(config.threshold.get()) && (sourced || generates)
    }

    /// A first version that is never settled may have fewer than `t` honest holders: nothing is claimed for it.
    fn is_owed(&self, world: &World) -> bool {
        self.calm.is_owed && (self.is_settled || self.could_succeed(world))
    }

    pub(super) fn count_rounds(&mut self, world: &World, events: &[Event]) -> Result<(), Violation> {
        let Some(began) = self.calm.began else { return Ok(()) };
        for event in events {
            match event {
                Event::Failed(_, round, _) if *round >= began => self.calm.failed += 1,
                Event::Activated(_, output) if output.round() >= began => self.calm.activated += 1,
                _ => {}
            }
        }
        let stuck = self.calm.failed >= ROUNDS_ENOUGH && self.calm.activated == 0;
        if stuck && self.is_owed(world) && world.owes_liveness() {
            return Violation::of(format!("{ROUNDS_ENOUGH} calm rounds failed"));
        }
        Ok(())
    }

    /// At the end: a version of the calm is active, and settled if enough honest players are there to settle it.
    ///
    /// # Errors
    /// It is not.
    pub fn check_liveness(&self, world: &World) -> Result<(), Violation> {
        if !self.is_owed(world) {
            return Ok(());
        }
        if self.calm.activated == 0 {
            return Violation::of("no round of the calm succeeded".to_owned());
        }
        let versions = world.state().map(|state| &state.versions);
        let active = versions.and_then(|versions| versions.active.clone());
        let Some(active) = active else { return Ok(()) };
        let honest = |address| world.seat_of(address).is_some_and(|seat| seat.is_sound());
        let players = active.shares().iter().filter(|share| honest(&share.address)).count();
        // The newest active version is settled by the Announces after it; the one before must be.
        let began = self.calm.began.unwrap_or(0);
        let settled = versions.and_then(|versions| versions.settled.as_ref()).is_some_and(|s| s.round() >= began)
            || self.calm.activated < 2;
        if players >= active.settle_count() && !settled {
            return Violation::of("the version of the calm is not settled".to_owned());
        }
        Ok(())
    }
}
