//! One plan per strategy: who is at fault for what, who is in QUAL, does the round activate.
//!
//! `World::run` compares every round with the prediction; here a prediction itself is compared with what is written down
//! by hand, so that a mistake in both the model and the code is found.

use std::collections::BTreeSet;

use quorumkeep_dkg::deal::DealFault;
use quorumkeep_dkg::transcript::{Failure, FaultKind};

use super::play;
use crate::plan::Plan;
use crate::report::{Places, Report, predict};
use crate::strategies::Kind;

fn all_but(out: &[usize]) -> Places {
    (0..7).filter(|place| !out.contains(place)).collect()
}

fn blamed(faults: &[(usize, FaultKind)]) -> BTreeSet<(usize, String)> {
    faults.iter().map(|(place, kind)| (*place, kind.to_string())).collect()
}

/// Plays the plan and returns the report of this round, which must have been predicted.
fn round(plan: Plan, number: u64) -> Report {
    let world = play(plan);
    let report = world.reports.iter().find(|report| report.number == number).unwrap().clone();
    assert_eq!(predict(&world.plan, number), Some(report.clone()));
    report
}

/// Rounds 1 and 2 have this QUAL and these faults, and activate.
fn both_rounds(plan: Plan, out: &[usize], faults: &[(usize, FaultKind)]) {
    for number in [1, 2] {
        let report = round(plan.clone().rounds(2), number);
        assert_eq!(report.qualified, all_but(out), "round {number}");
        assert_eq!(report.faults, blamed(faults), "round {number}");
        assert_eq!((report.end, report.generates), (Ok(()), number == 1));
    }
}

#[test]
fn nobody_lies() {
    both_rounds(Plan::new(7, 5), &[], &[]);
    both_rounds(Plan::new(7, 5).pedersen(), &[], &[]);
}

#[test]
fn v8b_bad_dealing_puts_the_dealer_out() {
    both_rounds(Plan::new(7, 5).bad_dealing(0, 1), &[0], &[(0, FaultKind::Dealing)]);
    both_rounds(Plan::new(7, 5).pedersen().bad_dealing(3, 6), &[3], &[(3, FaultKind::Dealing)]);
}

#[test]
fn r5_v10_of_two_deals_the_first_counts() {
    both_rounds(Plan::new(7, 5).equivocate(2), &[], &[(2, FaultKind::Equivocation)]);
}

#[test]
fn v4_rogue_c0_has_no_proof_of_its_constant() {
    let report = round(Plan::new(7, 5).margin(2).rogue_c0(&[4, 5, 6]), 1);
    assert_eq!(report.qualified, all_but(&[4]));
    assert_eq!(report.faults, blamed(&[(4, FaultKind::Deal(DealFault::ProofOfConstant))]));
    assert_eq!(report.end, Ok(()));
}

#[test]
fn v4_a_rogue_extract_is_reconstructed() {
    let report = round(Plan::new(7, 5).margin(2).rogue_extract(&[4, 5, 6]), 1);
    assert_eq!((report.qualified, report.reconstructed), (all_but(&[]), Places::from([4])));
    assert_eq!(report.faults, blamed(&[(4, FaultKind::Extract)]));
    assert_eq!(report.end, Ok(()));
}

#[test]
fn v4_a_copied_r_has_no_proof() {
    both_rounds(Plan::new(7, 5).copy_r(1), &[1], &[(1, FaultKind::Deal(DealFault::ProofOfR))]);
}

#[test]
fn v2_v8a_an_opening_outside_the_subgroup_frames_nobody() {
    both_rounds(Plan::new(7, 5).torsion_opening(1), &[], &[(1, FaultKind::FalseComplaint)]);
}

#[test]
fn v8a_a_false_complaint_puts_nobody_out() {
    both_rounds(Plan::new(7, 5).false_complaint(5), &[], &[(5, FaultKind::FalseComplaint)]);
    both_rounds(Plan::new(7, 5).pedersen().false_complaint(5), &[], &[(5, FaultKind::FalseComplaint)]);
}

#[test]
fn v3_another_degree_is_no_deal() {
    both_rounds(Plan::new(7, 5).raise_degree(6), &[6], &[(6, FaultKind::Deal(DealFault::Length))]);
}

#[test]
fn r3_r15_a_wrong_source_is_named_and_left_out() {
    let world = play(Plan::new(7, 5).wrong_source(2).rounds(21));
    assert_eq!(world.reports[0].faults, blamed(&[]));
    // Twenty reshares: each goes on from the one before, and nobody asks for an older version.
    for report in &world.reports[1..21] {
        assert_eq!(report.faults, blamed(&[(2, FaultKind::Deal(DealFault::Source))]), "round {}", report.number);
        assert_eq!((&report.qualified, report.end), (&all_but(&[2]), Ok(())));
        assert_eq!(predict(&world.plan, report.number).as_ref(), Some(report));
    }
    assert!(world.told.iter().all(|text| !text.contains("older")), "{:?}", world.told);
}

#[test]
fn r2_who_claims_a_version_that_it_does_not_hold_is_no_player() {
    let report = round(Plan::new(7, 5).stale_source_announce(3), 2);
    assert_eq!((report.players, report.qualified), (all_but(&[3]), all_but(&[3])));
    assert_eq!(report.faults, blamed(&[(3, FaultKind::Malformed)]));
    assert_eq!(report.end, Ok(()));
}

#[test]
fn r8_a_confirm_without_a_share_does_not_count() {
    let report = round(Plan::new(7, 5).confirm_without_share(0), 1);
    assert_eq!((report.faults, report.end), (blamed(&[(0, FaultKind::Confirm)]), Ok(())));
    // With b = n - t everybody must prove, and one liar keeps the generation from ending.
    let report = round(Plan::new(7, 5).margin(2).confirm_without_share(0), 1);
    assert_eq!(report.end, Err(Failure::TooFewConfirms { found: 6, needed: 7 }));
}

#[test]
fn r13_the_network_lives_with_n_minus_t_that_say_nothing() {
    let plan = Plan { players_min: 5, b: 0, ..Plan::new(7, 5).withhold(0).withhold(1) };
    let report = round(plan, 2);
    assert_eq!((report.players, report.qualified, report.end), (all_but(&[0, 1]), all_but(&[0, 1]), Ok(())));
}

#[test]
fn r4_suppressed_announces_do_not_lower_the_threshold() {
    let report = round(Plan { players_min: 5, b: 0, ..Plan::new(7, 5).shrink_p(&[0, 1]) }, 2);
    assert_eq!((report.players, report.end), (all_but(&[0, 1]), Ok(())));
    let report = round(Plan::new(7, 5).shrink_p(&[0, 1, 2]), 1);
    assert_eq!(report.end, Err(Failure::TooFewPlayers { found: 4, needed: 7 }));
}

#[test]
fn v11_r10_a_stolen_identity_takes_no_share() {
    both_rounds(Plan::new(7, 5).stolen_identity(), &[], &[]);
}

#[test]
fn r7_a_replayed_configuration_changes_no_round() {
    let world = play(Plan::new(7, 5).act(Kind::ReplayedConfig, &[], &[]).rounds(4));
    assert!(world.ledger().config().unwrap().sequence >= 1);
    assert!(world.reports.iter().all(|report| report.end.is_ok()));
}

#[test]
fn v4_an_extract_held_back_is_reconstructed() {
    let report = round(Plan::new(7, 5).hold_back_extract(2), 1);
    assert_eq!((report.qualified, report.reconstructed), (all_but(&[]), Places::from([2])));
    assert_eq!((report.faults, report.end), (blamed(&[(2, FaultKind::Reconstruct)]), Ok(())));
}

#[test]
fn v8d_r12_censored_extracts_fail_the_round_and_publish_nothing() {
    for number in [1, 2] {
        let report = round(Plan::new(7, 5).censor_extracts().rounds(2), number);
        assert_eq!(report.end, Err(Failure::TooFewExtracts { found: 0, needed: 5 }));
        assert_eq!((report.reconstructed, report.generates), (Places::new(), true));
    }
}

#[test]
fn several_lies_at_once_are_told_apart() {
    let plan = Plan::new(10, 7).bad_dealing(0, 5).raise_degree(1).false_complaint(2);
    let report = round(plan, 2);
    let faults = [(0, FaultKind::Dealing), (1, FaultKind::Deal(DealFault::Length)), (2, FaultKind::FalseComplaint)];
    assert_eq!(report.faults, blamed(&faults));
    assert_eq!(report.qualified, (2..10).collect());
    assert_eq!(report.end, Ok(()));
}

#[test]
fn a_round_without_players_hears_no_complaints() {
    let plan = Plan { seed: 83, ..Plan::new(8, 6).margin(2).withhold(1).false_complaint(2) };
    let report = round(plan, 1);
    assert_eq!((report.end, report.faults), (Err(Failure::TooFewPlayers { found: 7, needed: 8 }), blamed(&[])));
}

#[test]
fn r12_one_dealer_too_few_fails_the_round() {
    let report = round(Plan::new(7, 5).bad_dealing(0, 5).raise_degree(1).copy_r(2), 1);
    assert_eq!(report.end, Err(Failure::TooFewDealers { found: 4, needed: 5 }));
}

#[test]
fn r2_the_last_holders_gone_silent_settle_nothing_and_lose_nothing() {
    for kind in [Kind::GoSilent, Kind::SelfComplaint] {
        let world = play(Plan { b: 2, players_min: 7, ..Plan::new(7, 5) }.act(kind, &[0, 1], &[]).rounds(4));
        assert!(world.reports.iter().filter(|report| report.end.is_ok()).count() >= 2, "{kind:?}");
    }
}

#[test]
fn r10_a_restored_disk_and_a_twin_stop_serving() {
    let mut noticed = 0;
    for seed in 1..=4 {
        for kind in [Kind::RollbackDisk, Kind::CloneNode] {
            let world = play(Plan { seed, ..Plan::new(7, 5).act(kind, &[], &[]).rounds(4) });
            assert!(world.seats.iter().any(|seat| seat.stale), "{kind:?}");
            // A disk that lacks no record of its own is as good as new.
            let lacks = kind == Kind::CloneNode || world.seats.iter().any(|seat| seat.rolled_back.is_some());
            assert!(world.tally.alarms > 0 || !lacks, "{kind:?}, seed {seed}");
            noticed += usize::from(lacks && kind == Kind::RollbackDisk);
        }
    }
    assert!(noticed > 0, "no disk lacked anything");
}

#[test]
fn r4_a_leaver_that_deletes_at_once_does_not_take_the_key_with_it() {
    let world = play(Plan::new(7, 5).act(Kind::LeaverDeletes, &[0], &[]).rounds(4));
    assert_eq!(world.config().unwrap().n(), 6);
    assert_eq!(world.reports.last().unwrap().players, (1..7).collect());
}

#[test]
fn r11_an_empty_board_generates_nothing() {
    let world = play(Plan::new(7, 5).act(Kind::EmptyBoard, &[], &[]).rounds(4));
    assert!(world.tally.alarms >= 7);
    assert!(world.reports.iter().filter(|report| report.generates).all(|report| report.players.len() % 7 == 0));
}

#[test]
fn r6_v10_two_heads_never_give_two_active_versions() {
    let world = play(Plan { b: 2, players_min: 7, ..Plan::new(7, 5) }.act(Kind::SplitHeads, &[0, 1], &[]).rounds(3));
    assert_eq!(world.chains.len(), 2);
}
