//! Plans by hand: one strategy each, what must come of it, and replay.

mod attacks;
mod churn;
mod evidence;
mod predictions;

use crate::draw::{self, Families, Wish};
use crate::plan::Plan;
use crate::strategies::Kind;
use crate::world::World;

/// Plays a plan to its end; every promise must hold.
fn play(plan: Plan) -> World {
    plan.check().unwrap();
    let mut world = World::new(plan, false);
    world.run().map_err(|violation| violation.what).unwrap();
    world
}

fn drawn(seed: u64, strategy: Kind) -> Plan {
    let families = Families::parse("all").unwrap();
    draw::plan(&Wish { seed, strategy, rounds: 2, families, n: None })
}

#[test]
fn one_seed_gives_one_history() {
    let trace = |seed, kind| play(drawn(seed, kind)).tally.trace;
    for (seed, kind) in [(1, Kind::Honest), (2, Kind::BadDealing), (3, Kind::CloneNode)] {
        assert_eq!(trace(seed, kind), trace(seed, kind));
        assert_ne!(trace(seed, kind), trace(seed + 1, kind));
    }
}

#[test]
fn what_is_drawn_is_possible_and_survives_printing() {
    for seed in 0..2_000 {
        for kind in [Kind::ALL[seed as usize % Kind::ALL.len()], Kind::Honest] {
            let plan = drawn(seed, kind);
            assert_eq!(Plan::parse(&plan.to_string()), Ok(plan.clone()), "seed {seed}");
        }
    }
}

#[test]
fn a_printed_plan_has_the_same_history() {
    let plan = drawn(11, Kind::Withhold);
    let again = Plan::parse(&plan.to_string()).unwrap();
    assert_eq!(play(plan).tally.trace, play(again).tally.trace);
}

#[test]
fn impossible_plans_are_refused() {
    let refused = |plan: Plan| plan.check().unwrap_err();
    assert!(refused(Plan { players_min: 5, ..Plan::new(7, 5) }).contains("players_min"));
    assert!(refused(Plan { interval: 11, ..Plan::new(7, 5) }).contains("interval"));
    assert!(refused(Plan::new(4, 3).equivocate(4)).contains("operator 4"));
    assert!(refused(Plan { t: 1, ..Plan::new(7, 5) }).contains("t = 1"));
    assert!(Plan::parse("{}").is_err());
}

#[test]
fn families_of_faults_are_chosen_by_name() {
    let plan = |names: &str| {
        let families = Families::parse(names).unwrap();
        draw::plan(&Wish { seed: 5, strategy: Kind::BadDealing, rounds: 5, families, n: Some(7) })
    };
    assert_eq!(plan("none").acts, []);
    assert_eq!(plan("none").faults, crate::plan::Faults::default());
    assert_ne!(plan("all").acts, []);
    assert_eq!(plan("liars").acts, plan("all").acts);
    assert_eq!(plan("liars").churn, []);
    assert!(Families::parse("liars,nothing").is_err());
}
