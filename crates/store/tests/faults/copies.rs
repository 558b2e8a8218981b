//! D5 and R10: an old database, and one database on two hosts, are noticed before a partial signature leaves.

use quorumkeep_dkg::config::Protocol;
use quorumkeep_node::starting::ALONE_BLOCKS;

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
        net.run(ALONE_BLOCKS + 2);
        assert_eq!(net.signs(1), Ok(()), "{:?}", net.seats[1].node().suspension());
    }
    net.check_verbatim();
}
