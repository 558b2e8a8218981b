//! R9: one node dies at a named point and starts again from its disk; the network comes to one result, and nothing that
//! left the node is forgotten. The points are those of the program: a new one is in the matrix by itself.

use quorumkeep_dkg::config::Protocol;
use quorumkeep_node::failpoints::Point;
use quorumkeep_node::starting::ALONE_BLOCKS;

use crate::net::{Fate, Net};

/// The points of a node. Those of the board are in the tests of the crate `server`.
fn points() -> impl Iterator<Item = Point> {
    Point::ALL.iter().copied().filter(|point| !["board.", "custody."].iter().any(|of| point.name().starts_with(of)))
}

#[test]
fn r9_every_step_has_a_point_before_and_after_it() {
    for step in ["commit", "secret", "share", "send", "post", "confirm", "activate", "delete"] {
        for moment in ["before", "after"] {
            let name = format!("node.{step}.{moment}");
            assert!(points().any(|point| point.name() == name), "{name}");
        }
    }
}

/// A whole generation with one death in it.
fn generate(protocol: Protocol, fate: Fate, seed: u64) {
    let mut net = Net::new(seed, protocol);
    net.doom(usize::try_from(seed).unwrap() % net.seats.len(), fate);
    net.run_until_active_after(0);
    net.run(ALONE_BLOCKS + 4);
    assert_eq!(net.deaths, 1, "{protocol:?}: {fate:?} was not passed");
    net.check_converged();
}

#[test]
fn r9_a_generation_survives_a_death_at_every_point() {
    for (seed, point) in (1..).zip(points()) {
        generate(Protocol::Feldman, Fate { point, nth: 1 }, seed);
    }
}

#[test]
fn r9_a_pedersen_generation_survives_a_death_at_every_point() {
    for (seed, point) in (101..).zip(points()) {
        generate(Protocol::Pedersen, Fate { point, nth: 1 }, seed);
    }
}

/// One network, one death per round or two: each is at another passage, and of another node.
#[test]
fn r9_reshares_survive_a_death_at_every_point() {
    let mut net = Net::new(7, Protocol::Feldman);
    net.run_until_active_after(0);
    let group_key = *net.active().unwrap().group_key();
    // What happens more often than once in a round is met a second time.
    let often = |point: &Point| ["commit", "post", "send"].iter().any(|word| point.name().contains(word));
    let again = points().filter(often).map(|point| (point, 2));
    for (case, (point, nth)) in points().map(|point| (point, 1)).chain(again).enumerate() {
        let deaths = net.deaths;
        net.doom(case % net.seats.len(), Fate { point, nth });
        let last = net.height() + 4 * net.interval();
        while net.deaths == deaths {
            assert!(net.height() < last, "{point:?} was not passed {nth} times");
            net.step();
        }
        let running = net.height() - net.height() % net.interval();
        net.run_until_active_after(running - 1);
        net.run(ALONE_BLOCKS + 4);
        net.check_converged();
        assert_eq!(*net.active().unwrap().group_key(), group_key);
    }
}
