//! Operators come and go, the threshold moves, and the key stays.

use super::play;
use crate::plan::{Change, Plan};
use crate::world::World;

fn quorum(world: &World) -> (usize, usize) {
    let config = world.config().unwrap();
    (config.n(), usize::from(config.threshold.get()))
}

/// The places that hold the newest active version.
fn holders(world: &World) -> Vec<usize> {
    let active = world.state().unwrap().versions.active.clone().unwrap();
    (0..world.seats.len()).filter(|place| world.seats[*place].holds(&world.key, &active.id())).collect()
}

fn all_active(world: &World) -> bool {
    world.reports.iter().all(|report| report.end.is_ok())
}

#[test]
fn r4_an_operator_joins() {
    let world = play(Plan::new(4, 3).rounds(4).after(2, Change::Join));
    assert_eq!((quorum(&world), all_active(&world)), ((5, 3), true));
    assert_eq!(holders(&world), [0, 1, 2, 3, 4]);
}

#[test]
fn r4_an_operator_leaves() {
    let world = play(Plan::new(5, 3).rounds(4).after(2, Change::Leave(1)));
    assert_eq!((quorum(&world), all_active(&world)), ((4, 3), true));
    assert_eq!(holders(&world), [0, 2, 3, 4]);
}

#[test]
fn r10_an_operator_comes_back_with_an_empty_disk() {
    let world = play(Plan::new(7, 5).rounds(4).after(2, Change::LoseDisk(3)));
    assert_eq!(holders(&world), [0, 1, 2, 3, 4, 5, 6]);
    assert!(world.seats[3].node.as_ref().unwrap().suspension().is_none());
}

#[test]
fn r10_an_operator_that_left_joins_again_under_a_new_index() {
    let plan = Plan::new(7, 5).rounds(5).after(2, Change::Leave(3)).after(4, Change::Return(3));
    let world = play(plan);
    let config = world.config().unwrap();
    let member = config.member(&world.seats[3].address()).unwrap();
    assert_eq!((member.index.get(), config.last_index), (8, 8));
    assert_eq!(holders(&world), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn r4_the_threshold_goes_up_and_down() {
    let world = play(Plan::new(7, 4).rounds(4).after(2, Change::Raise));
    assert_eq!((quorum(&world), all_active(&world)), ((7, 5), true));
    let world = play(Plan::new(7, 5).rounds(4).after(2, Change::Lower));
    assert_eq!((quorum(&world), all_active(&world)), ((7, 4), true));
    let plan = Plan::new(7, 5).rounds(6).after(2, Change::Lower).after(3, Change::Raise).after(4, Change::Raise);
    assert_eq!(quorum(&play(plan)), (7, 6));
}

#[test]
fn r4_all_operators_are_replaced_one_by_one() {
    let places = 0..5;
    let plan =
        places.fold(Plan::new(5, 3).rounds(11), |plan, place| plan.after(2 + 2 * place as u64, Change::Swap(place)));
    let world = play(plan);
    assert!(all_active(&world));
    assert_eq!(holders(&world), [5, 6, 7, 8, 9]);
}

#[test]
fn r4_a_full_replacement_is_refused() {
    let world = play(Plan::new(4, 3).rounds(3).after(2, Change::ReplaceAll));
    assert!(world.replaced_all.is_some());
    assert!(world.refused.iter().any(|reason| reason.contains("would stay")), "{:?}", world.refused);
    assert_eq!((quorum(&world), all_active(&world)), ((4, 3), true));
    assert_eq!(world.config().unwrap().sequence, 0);
}

#[test]
fn r4_roster_and_threshold_change_among_liars() {
    let plan = Plan { b: 2, players_min: 7, ..Plan::new(7, 5) }.rounds(6).bad_dealing(0, 1).false_complaint(2);
    let world = play(plan.after(2, Change::Join).after(3, Change::Leave(4)).after(4, Change::Swap(5)));
    assert_eq!(quorum(&world), (7, 5));
    assert!(all_active(&world));
}
