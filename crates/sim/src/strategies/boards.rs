//! Boards that lie: an empty one, two at a time, an old configuration.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::confirm::Confirm;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ledger::Event;

use super::{Strategy, liar};
use crate::chance::{below, sample};
use crate::governance;
use crate::orderer::{Chain, Pending};
use crate::store::Disk;
use crate::world::World;

/// `empty_board`: all nodes find a fresh board with the same Config and Genesis, and have lost the old one.
#[derive(Default)]
pub struct EmptyBoard {
    saved: Option<(Chain, Vec<Disk>)>,
    is_over: bool,
}

impl EmptyBoard {
    fn swap(&mut self, world: &mut World) {
        let mut fresh = Chain::new(world.network, world.orderer.verifying_key().to_bytes());
        let old = &world.chains[0];
        // The first two blocks hold the first Config and the Genesis.
        // A node's Start there is not carried over: on this disk nobody remembers having made it.
        let is_governed = |bytes: &&Vec<u8>| Envelope::decode(bytes).is_ok_and(|e| e.header.kind.is_governed());
        let records = old.blocks.iter().take(2).flat_map(|block| &block.records).filter(is_governed).cloned();
        fresh.pool = records.zip(1..).map(|(bytes, due)| Pending { bytes, due }).collect();
        let old = std::mem::replace(&mut world.chains[0], fresh);
        let disks = world.seats.iter().map(|seat| seat.store.disk().copy()).collect();
        for seat in &mut world.seats {
            seat.store.disk().forget_board();
            (seat.node, seat.up_at) = (None, 0);
        }
        self.saved = Some((old, disks));
        world.is_astray = true;
    }

    fn swap_back(&mut self, world: &mut World) {
        let Some((old, disks)) = self.saved.take() else { return };
        world.chains[0] = old;
        for (seat, disk) in world.seats.iter_mut().zip(disks) {
            // The board log comes back; what else is on the disks has stayed.
            let lost = disk.versions().any(|(key, version)| seat.store.disk().share(key, version).is_none());
            world.lost_astray |= lost;
            seat.store = crate::store::MemStore::on(disk);
            (seat.node, seat.up_at) = (None, 0);
        }
        world.is_astray = false;
        self.is_over = true;
    }
}

impl Strategy for EmptyBoard {
    fn before_block(&mut self, world: &mut World) {
        let interval = u64::from(world.plan.interval);
        let settled = world.state().is_some_and(|state| state.versions.settled.is_some() && state.round.is_none());
        if self.saved.is_none() && settled && !self.is_over && !world.calm {
            self.swap(world);
        } else if self.saved.is_some() && world.height() > 3 * interval {
            self.swap_back(world);
        }
    }
}

/// `split_heads`: the orderer shows two heads at one height to two halves, and carries every record to both.
#[derive(Default)]
pub struct SplitHeads {
    at: Option<u64>,
}

impl SplitHeads {
    fn fork(world: &mut World) {
        let twin = world.chains[0].fork();
        world.chains.push(twin);
        world.forked_at = Some(world.height() + 1);
        let sound = world.sound();
        let half = sound.len() / 2;
        for place in sample(&mut world.rng, &sound, half) {
            world.seats[place].chain = 1;
        }
    }

    /// The liars confirm on the other board, too.
    fn confirm_twice(world: &mut World, place: usize) -> Option<()> {
        let round = world.chains.get(1)?.ledger.keys().get(&world.key)?.round.as_ref()?;
        let transcript = round.transcript()?;
        let (info, cut) = (transcript.info().clone(), transcript.cut());
        let output = transcript.outcome()?.as_ref().ok()?.clone();
        let share = world.seats[place].share(&world.key, &output.id())?;
        let nonce = SecretScalar::random(&mut world.rng);
        let confirm = Confirm::build(&info, &world.seats[place].address(), &output, cut, &share, nonce);
        let bytes = liar::record(world, place, info.digest(), Kind::Confirm, confirm.encode())?;
        let due = world.height() + 1;
        world.chains[1].pool.push(Pending { bytes, due });
        Some(())
    }
}

impl Strategy for SplitHeads {
    fn before_block(&mut self, world: &mut World) {
        let opened = world.round().map(|round| (round.trigger().round(), round.trigger().deadlines().reconstruct));
        if let (None, Some((from, cut)), false) = (self.at, opened, world.calm) {
            // The first difference is at the cut at the latest.
            self.at = Some(from + below(&mut world.rng, (cut - from) as usize) as u64);
        }
        if self.at.is_some_and(|at| world.height() >= at) && world.chains.len() == 1 {
            if opened.is_some_and(|(_, cut)| world.height() < cut) { Self::fork(world) } else { self.at = None }
        }
    }

    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        if world.chains.len() > 1 && events.iter().any(|event| matches!(event, Event::Result(..))) {
            world.mine().into_iter().for_each(|place| Self::confirm_twice(world, place).unwrap_or_default());
        }
    }
}

/// `replayed_config`: an old configuration, well signed, comes again.
#[derive(Default)]
pub struct ReplayedConfig;

impl Strategy for ReplayedConfig {
    fn after_block(&mut self, world: &mut World, events: &[Event]) {
        let height = world.height();
        let Some(current) = world.config().filter(|_| height > u64::from(world.plan.interval)) else { return };
        if current.sequence < 3 && height.is_multiple_of(7) {
            let mut next =
                Config { sequence: current.sequence + 1, previous: current.digest(), ..current.as_ref().clone() };
            next.owners = vec![[current.sequence as u8 + 1; 32]];
            governance::submit(world, &current, &next);
        }
        if events.iter().any(|event| matches!(event, Event::Config(_))) {
            let first = world.chains[0].blocks.first().and_then(|block| block.records.first()).cloned();
            first.iter().for_each(|bytes| world.post_now(bytes));
        }
    }
}
