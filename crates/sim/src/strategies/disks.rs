//! Disks that remember too little, or twice.

use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ledger::Event;

use super::Strategy;
use crate::chance::{below, pick};
use crate::governance;
use crate::seat::Seat;
use crate::store::{Disk, MemStore};
use crate::world::World;

/// `rollback_disk`: a node comes back from a backup.
#[derive(Default)]
pub struct RollbackDisk {
    backup: Option<(usize, Disk, u64)>,
    is_over: bool,
}

impl Strategy for RollbackDisk {
    fn after_block(&mut self, world: &mut World, _events: &[Event]) {
        let height = world.height();
        if self.is_over || world.calm || world.state().is_none_or(|state| state.versions.settled.is_none()) {
            return;
        }
        match self.backup.take() {
            None => {
                let sound = world.sound();
                let Some(place) = pick(&mut world.rng, &sound) else { return };
                let wait = 1 + below(&mut world.rng, 2 * world.plan.interval as usize) as u64;
                self.backup = Some((place, world.seats[place].store.disk().copy(), height + wait));
            }
            Some((place, disk, due)) if due <= height => {
                let forgotten = newest_forgotten(world, place, &disk);
                let seat = &mut world.seats[place];
                let was_up_to_date = seat.node.as_ref().is_some_and(|node| node.head().height == height);
                seat.rolled_back = forgotten.filter(|_| was_up_to_date).map(|round| (round, height));
                seat.stale = true;
                seat.store = MemStore::on(disk);
                (seat.node, seat.up_at) = (None, height + 1);
                self.is_over = true;
            }
            waiting => self.backup = waiting,
        }
    }
}

/// The newest round of an own record on the board that this disk does not remember, read while the round ran, and that
/// only a holder can have made.
fn newest_forgotten(world: &World, place: usize, disk: &Disk) -> Option<u64> {
    let address = world.seats[place].address();
    let blocks = world.chains[world.seats[place].chain].blocks.iter();
    let own = blocks.filter(|block| block.height > disk.height()).flat_map(|block| {
        block.records.iter().filter_map(|bytes| Some((block.height, bytes, Envelope::decode(bytes).ok()?)))
    });
    let forgotten = own.filter(|(height, bytes, envelope)| {
        let header = &envelope.header;
        let in_time = *height > header.round && *height <= header.round + world.plan.window_blocks();
        let proves = match header.kind {
            Kind::Announce => Announce::decode(&envelope.body).is_ok_and(|announce| !announce.held.is_empty()),
            kind => kind.is_of_transcript(),
        };
        header.sender == address && in_time && proves && !disk.remembers(bytes)
    });
    forgotten.map(|(_, _, envelope)| envelope.header.round).max()
}

/// `clone_node`: one disk, two machines.
#[derive(Default)]
pub struct CloneNode {
    is_over: bool,
}

impl Strategy for CloneNode {
    fn after_block(&mut self, world: &mut World, _events: &[Event]) {
        let settled = world.state().is_some_and(|state| state.versions.settled.is_some());
        if self.is_over || world.calm || !settled || below(&mut world.rng, world.plan.interval as usize) != 0 {
            return;
        }
        let sound = world.sound();
        let Some(place) = pick(&mut world.rng, &sound) else { return };
        let mut twin = Seat::new(world.seats[place].identity, true);
        twin.store = MemStore::on(world.seats[place].store.disk().copy());
        twin.stale = true;
        world.seats[place].stale = true;
        world.seats.push(twin);
        self.is_over = true;
    }
}

/// `leaver_deletes_early`: an operator leaves the roster and wipes its disk at once.
#[derive(Default)]
pub struct LeaverDeletes {
    is_over: bool,
}

impl Strategy for LeaverDeletes {
    fn after_block(&mut self, world: &mut World, _events: &[Event]) {
        let Some(current) = world.config() else { return };
        let settled = world.state().is_some_and(|state| state.versions.settled.is_some());
        let (n, t) = (current.n(), usize::from(current.threshold.get()));
        if self.is_over || world.calm || !settled || n <= t + world.liars().len() {
            return;
        }
        let Some(leaver) = world.mine().first().copied() else { return };
        let address = world.seats[leaver].address();
        let mut next =
            Config { sequence: current.sequence + 1, previous: current.digest(), ..current.as_ref().clone() };
        next.roster.retain(|member| member.address != address);
        next.settle_margin = next.settle_margin.min((next.roster.len() - t) as u16);
        governance::submit(world, &current, &next);
        let seat = &mut world.seats[leaver];
        // What it announced before is still on its way.
        (seat.store, seat.node, seat.stale) = (MemStore::default(), None, true);
        self.is_over = true;
    }
}
