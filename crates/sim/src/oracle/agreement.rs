//! What must be true of nodes that read the same blocks.

use quorumkeep_dkg::block::BlockRef;
use quorumkeep_dkg::ids::{Digest, VersionId};
use quorumkeep_dkg::ledger::Ledger;

use super::Oracle;
use crate::Violation;
use crate::world::World;

/// What a ledger says of the key, in a form to compare.
#[derive(Debug, PartialEq, Eq)]
struct View {
    head: BlockRef,
    config: Digest,
    active: Option<VersionId>,
    settled: Option<VersionId>,
    short: Option<VersionId>,
    round: Option<u64>,
    info: Option<Digest>,
    candidate: Option<VersionId>,
}

impl View {
    fn of(ledger: &Ledger, world: &World) -> Self {
        let state = ledger.keys().get(&world.key);
        let round = state.and_then(|state| state.round.as_ref());
        let transcript = round.and_then(|round| round.transcript());
        let candidate = transcript.and_then(|t| Some(t.outcome()?.as_ref().ok()?.id()));
        Self {
            head: ledger.head(),
            config: ledger.config_digest(),
            active: state.and_then(|state| Some(state.versions.active.as_ref()?.id())),
            settled: state.and_then(|state| Some(state.versions.settled.as_ref()?.id())),
            short: state.and_then(|state| state.versions.short),
            round: round.map(|round| round.trigger().round()),
            info: transcript.map(|transcript| transcript.info().digest()),
            candidate,
        }
    }
}

impl Oracle {
    /// Nodes at the head of a chain see what everybody sees there; nobody sound is halted or suspended.
    pub(super) fn check_agreement(&self, world: &World) -> Result<(), Violation> {
        let views: Vec<View> = world.chains.iter().map(|chain| View::of(&chain.ledger, world)).collect();
        for place in world.sound() {
            let seat = &world.seats[place];
            let Some(node) = &seat.node else { continue };
            let view = &views[seat.chain];
            if node.head() == view.head && View::of(node.ledger(), world) != *view {
                let own = View::of(node.ledger(), world);
                return Violation::of(format!("seat {place} sees {own:?}, others see {view:?}"));
            }
            if let Some(suspension) = node.suspension().filter(|_| world.chains.len() == 1) {
                return Violation::of(format!("the sound seat {place} stopped: {}", suspension.reason));
            }
        }
        self.check_rolled_back(world)?;
        self.check_forks(world)
    }

    /// A node with an old disk that has seen its own later records serves nothing until a newer version is settled.
    fn check_rolled_back(&self, world: &World) -> Result<(), Violation> {
        let settled =
            world.state().and_then(|state| state.versions.settled.as_ref()).map_or(0, |output| output.round());
        for seat in &world.seats {
            let (Some(node), Some((forgotten, exchanged))) = (&seat.node, seat.rolled_back) else { continue };
            let must_wait = forgotten >= settled && node.head().height >= exchanged;
            if must_wait && node.suspension().is_none() {
                return Violation::of(format!("{} serves from an old disk", seat.address()));
            }
        }
        Ok(())
    }

    /// Two chains never give one round two active versions, and never activate one on two boards.
    fn check_forks(&self, world: &World) -> Result<(), Violation> {
        let actives = world.chains.iter().filter_map(|chain| {
            let state = chain.ledger.keys().get(&world.key)?;
            Some((state.versions.active.as_ref()?.round(), chain.ledger.head()))
        });
        let actives: Vec<(u64, BlockRef)> = actives.collect();
        let Some(forked_at) = world.forked_at else { return Ok(()) };
        if actives.len() > 1 && actives.iter().all(|(round, _)| *round + 1 >= forked_at) {
            return Violation::of(format!("versions became active on two boards that forked at {forked_at}"));
        }
        Ok(())
    }
}
