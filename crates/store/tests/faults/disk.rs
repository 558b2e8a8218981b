//! D4: the disk is full, or `fsync` fails: the node stops before anything leaves, and comes back when there is room.

use quorumkeep_dkg::config::Protocol;
use quorumkeep_node::starting::ALONE_BLOCKS;
use quorumkeep_node::store::{Batch, Store, StoreFailed};
use quorumkeep_store::SqliteStore;

use crate::net::Net;

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// No room, or `fsync` failed and the pages are lost: nothing was written.
    Lost,
    /// `fsync` failed, and the pages are on the disk all the same: nobody can tell the two apart.
    Kept,
}

/// The real store behind a disk that fails from the nth commit on.
struct Failing {
    store: SqliteStore,
    left: u64,
    how: Failure,
}

impl Store for Failing {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreFailed> {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return self.store.commit(batch);
        }
        if self.how == Failure::Kept {
            self.store.commit(batch)?;
        }
        Err(StoreFailed::Engine("the disk failed".into()))
    }
}

/// Blocks after which there is room again.
const REPAIR_BLOCKS: u64 = 2;

/// The nth commit of node 0 from now on fails; then it is down for a while, and starts again.
fn fail(net: &mut Net, nth: u64, how: Failure) {
    net.seats[0].live = None;
    let store = net.open(0);
    let loaded = store.load().unwrap();
    net.start_on(0, loaded, Box::new(Failing { store, left: nth, how }));
    let last = net.height() + 4 * net.interval();
    while net.seats[0].live.is_some() {
        assert!(net.height() < last, "no commit failed");
        net.step();
    }
    net.run(REPAIR_BLOCKS);
    // This also asserts that nothing has left which is not on the disk.
    net.start(0);
}

#[test]
fn d4_a_node_whose_disk_fails_stops_before_anything_leaves_and_comes_back() {
    let mut net = Net::new(11, Protocol::Feldman);
    net.run_until_active_after(0);
    let group_key = *net.active().unwrap().group_key();
    for how in [Failure::Lost, Failure::Kept] {
        // A node commits once per block: each commit of an interval fails once.
        for nth in 1..=net.interval() {
            fail(&mut net, nth, how);
            let running = net.height() - net.height() % net.interval();
            // It may have been away for a phase of the running round: two rounds later it is whole.
            net.run_until_active_after(running);
            net.check_verbatim();
            assert_eq!(*net.active().unwrap().group_key(), group_key);
        }
        net.run_until_active_after(net.height());
        net.run(ALONE_BLOCKS + 4);
        net.check_converged();
    }
}
