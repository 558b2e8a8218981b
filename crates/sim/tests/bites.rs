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
fn unknown_names_are_refused() {
    for args in [["--without", "nothing"], ["--strategy", "nothing"]] {
        assert_eq!(simulate(&args).status.code(), Some(2));
    }
}
