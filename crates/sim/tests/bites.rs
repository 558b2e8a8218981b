//! The simulator can bite: without one defence a run fails, with all of them it does not.
//!
//! Removing a rule holds for the whole process, so each rule has a process of its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::process::{Command, Output};

/// Networks within which a missing defence must be found.
const NETWORKS_ENOUGH: &str = "200";

fn simulate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorumkeep-sim")).args(args).output().unwrap()
}

fn last_line(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn names(flag: &str) -> Vec<String> {
    let text = String::from_utf8(simulate(&[flag]).stdout).unwrap();
    text.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_rule_bites() {
    for rule in names("--list-rules") {
        let output = simulate(&["--runs", NETWORKS_ENOUGH, "--rounds", "4", "--seed", "1", "--without", &rule]);
        let line = last_line(&output);
        assert_eq!(output.status.code(), Some(1), "nothing happened without {rule}: {line}");
        assert_eq!(line["ok"], false);
    }
}

#[test]
fn every_strategy_is_survived() {
    for strategy in names("--list-strategies") {
        let output = simulate(&["--runs", "3", "--rounds", "3", "--seed", "7", "--strategy", &strategy]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn mixed_networks_keep_every_promise() {
    let output = simulate(&["--runs", "30", "--rounds", "4", "--seed", "500"]);
    let line = last_line(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(line["runs"], 30);
    assert!(line["activated"].as_u64().unwrap() > 30);
}

#[test]
fn a_failing_run_prints_its_seed_and_replays() {
    let first = last_line(&simulate(&["--runs", "50", "--rounds", "3", "--without", "first_counts"]));
    let replay = first["replay"].as_str().unwrap().to_owned();
    let args: Vec<&str> = replay.split_whitespace().collect();
    let again = last_line(&simulate(&args));
    assert_eq!((&first["violation"], &first["seed"]), (&again["violation"], &again["seed"]));
}

#[test]
fn a_failing_run_prints_a_plan_that_fails_the_same_way() {
    let first = last_line(&simulate(&["--runs", "50", "--rounds", "3", "--without", "complaints_count"]));
    let plan = first["plan"].as_str().unwrap();
    let again = last_line(&simulate(&["--without", "complaints_count", "--plan", plan]));
    assert_eq!((&first["violation"], &first["plan"]), (&again["violation"], &again["plan"]));
    let defended = last_line(&simulate(&["--plan", plan]));
    assert_eq!((&defended["ok"], &defended["runs"]), (&true.into(), &1.into()));
}

#[test]
fn the_families_of_faults_are_taken_as_written() {
    for names in ["all", "none", "liars", "wires,crashes,partitions", "churn,peers"] {
        let output = simulate(&["--runs", "4", "--rounds", "2", "--seed", "3", "--faults", names]);
        assert!(output.status.success(), "{names}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let quiet = last_line(&simulate(&["--runs", "3", "--seed", "1", "--faults", "none"]));
    // Five hostile rounds by default; nobody lies and nothing is lost, so every round of every network activates.
    assert_eq!((&quiet["failed"], &quiet["faults"]), (&0.into(), &0.into()));
    assert!(quiet["activated"].as_u64().unwrap() >= 3 * 5);
}

#[test]
fn unknown_names_are_refused() {
    for args in [["--without", "nothing"], ["--strategy", "nothing"], ["--faults", "nothing"], ["--plan", "{}"]] {
        assert_eq!(simulate(&args).status.code(), Some(2));
    }
}
