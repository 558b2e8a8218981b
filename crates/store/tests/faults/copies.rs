//! D5 and R10: an old database, and one database on two hosts, are noticed before a partial signature leaves.

use quorumkeep_dkg::config::Protocol;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::Digest;
use quorumkeep_dkg::start::START_BLOCKS;
use quorumkeep_node::starting::{ALONE_BLOCKS, Waiting};

use crate::net::{Net, image};

/// A network with a version that every node signs with.
fn running(seed: u64) -> Net {
    let mut net = Net::new(seed, Protocol::Feldman);
    net.run_until_active_after(0);
    net.register();
    net.run(ALONE_BLOCKS + 2);
    (0..net.seats.len()).for_each(|place| assert_eq!(net.signs(place), Ok(())));
    net
}

#[test]
fn d5_an_old_database_gives_no_partial_signature_before_it_is_noticed() {
    let mut net = running(21);
    // A copy from every block of an interval, brought back one, two and three intervals later.
    for case in 0..net.interval() {
        let old = image(net.seats[0].home.path());
        net.run(net.interval() * (1 + case % 3));
        net.seats[0].live = None;
        net.seats[0].home = old;
        restore(&mut net, 0);
        net.run(1);
    }
}

/// Starts on the old folder, reads the board block by block, and is asked for a signature after each of them.
fn restore(net: &mut Net, place: usize) {
    let store = net.open(place);
    let loaded = store.load().unwrap();
    net.start_on(place, loaded, Box::new(store));
    let head = net.height();
    while net.seats[place].node().head().height < head {
        assert!(net.signs(place).is_err(), "a partial signature of an old disk");
        net.read_blocks(place, 1);
    }
    assert!(net.signs(place).is_err(), "a partial signature of an old disk");
    assert!(net.seats[place].node().suspension().is_some(), "the old disk was not noticed");
    // It takes part again, and serves when a version of a round that it remembers is settled.
    let last = head + 5 * net.interval();
    while net.signs(place).is_err() {
        assert!(net.height() < last, "the node does not come back: {:?}", net.seats[place].node().suspension());
        net.step();
    }
    assert!(net.active_round() >= head - head % net.interval());
}

#[test]
fn r10_a_copy_beside_the_running_node_is_noticed_before_it_signs() {
    let mut net = running(22);
    // A copy taken at every block of two intervals starts at once, on a host of its own.
    for _ in 0..2 * net.interval() {
        let copy = image(net.seats[0].home.path());
        let twin = net.add_copy(0, copy);
        let store = net.open(twin);
        let loaded = store.load().unwrap();
        net.start_on(twin, loaded, Box::new(store));
        for _ in 0..ALONE_BLOCKS + 3 {
            assert!(net.signs(twin).is_err(), "the copy signs");
            net.step();
        }
        net.check_innocent();
        assert!(net.seats[twin].node().is_halted(), "the copy was not noticed");
        assert!(!net.seats[0].node().is_halted(), "the node that was there first goes on");
        assert!(net.alarms.iter().any(|alarm| alarm.starts_with("0: a second copy")), "it says so");
        net.alarms.clear();
        net.seats.pop();
    }
    let now = net.height();
    net.run_until_active_after(now);
    net.run_until_active_after(now + net.interval());
    net.run(ALONE_BLOCKS);
    assert_eq!(net.signs(0), Ok(()), "with the copies gone, the node serves");
}

#[test]
fn r10_of_two_copies_that_start_together_one_stops_before_it_signs() {
    let mut net = running(23);
    let copy = image(net.seats[0].home.path());
    net.seats[0].live = None;
    let twin = net.add_copy(0, copy);
    net.start(0);
    let store = net.open(twin);
    let loaded = store.load().unwrap();
    net.start_on(twin, loaded, Box::new(store));
    let mut signed = [false; 2];
    for _ in 0..ALONE_BLOCKS + 3 {
        signed[0] |= net.signs(0).is_ok();
        signed[1] |= net.signs(twin).is_ok();
        net.step();
    }
    assert!(!(signed[0] && signed[1]), "both sign");
    assert!(net.seats[twin].node().is_halted() || net.seats[0].node().is_halted());
    // One of them is stopped for good, the other is started again.
    net.seats.pop();
    net.seats[0].live = None;
    net.start(0);
    net.run(3 * net.interval());
    assert_eq!(net.signs(0), Ok(()));
}

#[test]
fn a_restart_serves_again_after_a_few_blocks() {
    let mut net = running(24);
    for _ in 0..net.interval() {
        net.seats[1].live = None;
        net.start(1);
        assert!(net.signs(1).is_err(), "before the board has been read");
        assert_eq!(starting(&net, 1), Some((Waiting::Board, None, ALONE_BLOCKS + 1)));
        net.step();
        assert_eq!(starting(&net, 1), Some((Waiting::Start, None, ALONE_BLOCKS + 1)));
        for missing in (1..=ALONE_BLOCKS).rev() {
            net.step();
            assert_eq!(starting(&net, 1), Some((Waiting::Objections, net.height_of_start(1), missing)));
            let text = net.seats[1].node().serving().suspended.clone().unwrap();
            assert!(text.contains(&format!("{missing} of {ALONE_BLOCKS} blocks are missing")), "{text}");
        }
        net.step();
        assert_eq!(starting(&net, 1), None);
        assert_eq!(net.signs(1), Ok(()), "{:?}", net.seats[1].node().suspension());
    }
    net.check_verbatim();
}

fn starting(net: &Net, place: usize) -> Option<(Waiting, Option<u64>, u64)> {
    net.seats[place].node().starting().map(|status| (status.waits_for, status.start_height, status.blocks_missing))
}

/// A copy of the first machine that starts now.
fn start_copy(net: &mut Net) -> usize {
    let copy = image(net.seats[0].home.path());
    let twin = net.add_copy(0, copy);
    let store = net.open(twin);
    let loaded = store.load().unwrap();
    net.start_on(twin, loaded, Box::new(store));
    twin
}

/// A step in which at most one of the two signs; which of them does.
fn step_of_two(net: &mut Net, twin: usize) -> [bool; 2] {
    net.step();
    let signs = [net.signs(0).is_ok(), net.signs(twin).is_ok()];
    assert_ne!(signs, [true, true], "both sign");
    signs
}

#[test]
fn r10_a_copy_that_cannot_post_its_start_never_signs() {
    let mut net = running(25);
    net.withheld = |envelope| envelope.header.kind == Kind::Start;
    let twin = start_copy(&mut net);
    for _ in 0..START_BLOCKS + 3 * net.interval() {
        assert!(!step_of_two(&mut net, twin)[1], "the copy signs");
    }
    assert_eq!(net.starts_of(0).len(), 1);
    // The Start that was held back for longer than it counts was made again, and is objected to.
    net.withheld = |_| false;
    for _ in 0..ALONE_BLOCKS + 15 {
        assert!(!step_of_two(&mut net, twin)[1], "the copy signs");
    }
    assert_eq!(net.starts_of(0).len(), 3, "the Start of the copy and the objection to it");
    assert!(net.seats[twin].node().is_halted() && !net.seats[0].node().is_halted());
}

#[test]
fn r10_without_its_objection_the_older_copy_stops_before_the_other_signs() {
    let is_objection =
        |envelope: &Envelope| envelope.header.kind == Kind::Start && envelope.header.digest != Digest::ZERO;
    let mut net = running(26);
    net.withheld = is_objection;
    let twin = start_copy(&mut net);
    assert_eq!(step_of_two(&mut net, twin), [true, false]);
    for _ in 0..ALONE_BLOCKS + 2 {
        step_of_two(&mut net, twin);
    }
    assert!(net.seats[0].node().is_halted(), "the board decided for the other");
    // Both may have posted to the running round before; then the other serves when a later version is settled.
    let last = net.height() + 5 * net.interval();
    while net.signs(twin).is_err() {
        assert!(net.height() < last, "nobody serves: {:?}", net.seats[twin].node().suspension());
        assert!(!step_of_two(&mut net, twin)[0], "the one that stopped signs");
    }
    // An objection that comes too late stops nobody: the one that made it has stopped.
    net.withheld = |_| false;
    let (instance, _) = net.starts_of(0).last().unwrap().clone();
    net.replayed.push(net.objection(0, instance.instance));
    net.step();
    assert_eq!(net.signs(twin), Ok(()));
    net.check_innocent();
}

#[test]
fn r10_a_process_that_slept_while_a_copy_began_to_serve_stops_when_it_reads_the_board() {
    let mut net = running(27);
    let twin = start_copy(&mut net);
    let asleep = net.seats[0].live.take();
    net.run(ALONE_BLOCKS + 3);
    assert_eq!(net.signs(twin), Ok(()));
    net.seats[0].live = asleep;
    net.step();
    assert!(net.signs(0).is_err() && net.seats[0].node().is_halted(), "two copies sign");
    assert_eq!(net.signs(twin), Ok(()));
}

#[test]
fn r10_replayed_starts_and_those_of_others_stop_nobody() {
    let mut net = running(28);
    // Two sessions of one disk, so that the first is known from the disk only.
    let first = net.starts_of(0);
    net.seats[0].live = None;
    net.start(0);
    net.run(ALONE_BLOCKS + 2);
    net.replayed.extend(first.iter().map(|(_, bytes)| bytes.clone()));
    let own = net.starts_of(0).last().unwrap().0.instance;
    net.replayed.push(net.objection(1, own));
    net.step();
    // Later, when the disk has forgotten both.
    net.run(START_BLOCKS + 1);
    let old: Vec<_> = net.starts_of(0).into_iter().map(|(_, bytes)| bytes).collect();
    net.seats[0].live = None;
    net.start(0);
    for _ in 0..ALONE_BLOCKS + 2 {
        net.replayed.extend(old.iter().cloned());
        net.step();
    }
    assert_eq!(net.signs(0), Ok(()), "{:?}", net.seats[0].node().suspension());
    assert_eq!(net.alarms, Vec::<String>::new());
    net.check_innocent();
}
