//! `quorumkeep demo ten`: it succeeds, shows no secret, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs;

use kit::{Kit, names};
use serde_json::Value;

const STEPS: [&str; 15] = [
    "keygen",
    "network",
    "documents",
    "backup",
    "verify",
    "disaster",
    "one_guardian",
    "recover_network",
    "recover_gateways",
    "restart",
    "nodes",
    "gateways",
    "zeros",
    "middle",
    "wipe",
];

/// 64 hexadecimal digits, as a secret of a network or a gateway is written.
fn shows_a_secret(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_hexdigit()).any(|run| run.len() == 64)
}

/// The demo with a temporary directory of its own, which is empty again in the end.
fn demo(more: &[&str]) -> String {
    let kit = Kit::new();
    fs::create_dir(kit.path("tmp")).unwrap();
    let output = kit.command(&[&["demo", "ten"], more].concat()).env("TMPDIR", kit.path("tmp")).output().unwrap();
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}{error}");
    assert!(!shows_a_secret(&out) && !shows_a_secret(&error), "{out}{error}");
    assert!(names(&kit.path("tmp")).is_empty(), "everything is removed");
    out
}

#[test]
fn a_network_and_its_gateways_are_lost_and_come_back() {
    let text = demo(&["--json"]);
    assert_eq!(text.lines().count(), 1, "one object");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["ok"], true);
    let steps = answer["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["name"].as_str().unwrap()).collect::<Vec<_>>(), STEPS);
    let of_steps: u64 = steps.iter().map(|step| step["ms"].as_u64().unwrap()).sum();
    assert!(answer["ms"].as_u64().unwrap() >= of_steps);
    assert!(steps.iter().all(|step| step["outcome"] == "ok"), "{text}");
    let people = demo(&[]);
    assert!(STEPS.iter().all(|step| people.contains(step)), "{people}");
}

/// One object says which step failed and why, and everything is removed.
#[test]
fn a_deviation_ends_the_demo() {
    let kit = Kit::new();
    fs::create_dir(kit.path("tmp")).unwrap();
    fs::write(kit.path("roots.pem"), "no certificate").unwrap();
    let mut command = kit.command(&["demo", "ten", "--json"]);
    let output = command.env("TMPDIR", kit.path("tmp")).env("SSL_CERT_FILE", kit.path("roots.pem")).output().unwrap();
    assert!(!output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["ok"], answer["error"]["code"].as_str()), (&Value::Bool(false), Some("failed")));
    let last = answer["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["outcome"]), (&Value::from("backup"), &answer["error"]["message"]));
    assert!(names(&kit.path("tmp")).is_empty());
}
