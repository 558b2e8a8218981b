//! A network that migrates: its first key by Feldman's protocol, its next by Pedersen's, side by side; and evidence of what
//! its operators did not do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::fs;

use serde_json::Value;
use support::{Network, Plan, all_ready, node, operator};

const PLAN: Plan = Plan::new(3, 2);
/// A generation by Pedersen's protocol takes ten blocks more.
const INTERVAL: &str = "40";
const NETWORK: [&str; 2] = ["--network", "network.json"];

/// Enough operators sign the draft, and it is posted.
fn decide(network: &Network, draft: &str) -> Value {
    for number in 1..=PLAN.t {
        let dir = operator(number);
        let sign = ["network", "sign", "--draft", draft, "--operator-dir", &dir, "--passphrase-file", "pass"];
        network.run(&sign).ok();
    }
    network.run(&[&["network", "submit", "--draft", draft][..], &NETWORK].concat()).ok()
}

fn key<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap_or(&Value::Null)
}

/// A second key of another protocol is generated while the first is handed on; each opens its own files.
fn second_key(network: &Network) {
    let main = network.wait_for_version(0)["keys"][0]["group_key"].clone();
    network.encrypt("mine", "owner");
    let change = ["network", "change", "--protocol", "pedersen", "--interval", INTERVAL, "--out", "change.json"];
    network.run(&[&change[..], &NETWORK].concat()).ok();
    decide(network, "change.json");
    let new = ["network", "key", "--name", "vault", "--out", "vault.json"];
    let drafted = network.run(&[&new[..], &NETWORK].concat()).ok();
    assert_eq!(drafted["protocol"], "pedersen");
    decide(network, "vault.json");
    network.run(&[&new[..4], &["--out", "again.json"], &NETWORK].concat()).fails(4, "refused");
    let status = network.wait("both keys have a version that everybody holds", |status| {
        let versions = ["main", "vault"].map(|name| key(status, name)["active"]["players"].as_u64());
        versions == [Some(3), Some(3)] && all_ready(status)
    });
    assert_eq!(key(&status, "main")["group_key"], main, "the first key is handed on");
    assert_ne!(key(&status, "vault")["group_key"], main);
    let register = ["app", "register", "--key", "vault", "--id", "theirs", "--policy", "owner"];
    network.run(&[&register[..], &NETWORK, &["--owner-key", "owner.key"]].concat()).ok();
    let recipient = network.run(&[&["recipient", "--key", "vault", "--app", "theirs"][..], &NETWORK].concat()).ok();
    let recipient = recipient["recipient"].as_str().unwrap();
    network.run(&["encrypt", "--recipient", recipient, "--in", "secret", "--out", "theirs.age"]).ok();
    network.decrypt("theirs");
    network.decrypt("mine");
    let unclear = ["recipient", "--app", "mine"];
    network.run(&[&unclear[..], &NETWORK].concat()).fails(2, "usage");
}

/// A node that is away posts nothing: everybody can see it, and it proves no fraud.
fn evidence_of_absence(network: &mut Network) {
    network.kill(&node(3));
    let list = || network.run(&[&["evidence", "list"][..], &NETWORK].concat()).ok();
    let absent = network.identity_address(3);
    let found = support::poll(support::PATIENCE, || {
        let findings = list()["findings"].as_array().unwrap().clone();
        assert!(findings.iter().all(|finding| finding["proof"] == false), "{findings:#?}");
        findings.into_iter().find(|finding| finding["culprit"] == absent.as_str())
    });
    let found = found.expect("a record of node 3 is missing");
    assert_eq!(found["offence"], "missing_record");
    let show = ["evidence", "show", "--id", found["id"].as_str().unwrap(), "--out", "missing.evidence"];
    network.run(&[&show[..], &NETWORK].concat()).ok();
    let id = network.run(&[&["network", "show"][..], &NETWORK].concat()).ok()["network"].as_str().unwrap().to_owned();
    let verify = |more: &[&str]| network.run(&[&["evidence", "verify", "missing.evidence"][..], more].concat());
    for known in [&["--network-id", id.as_str()][..], &NETWORK, &[]] {
        let seen = verify(known).ok();
        assert_eq!(
            (&seen["culprit"], &seen["id"], &seen["proof"]),
            (&found["culprit"], &found["id"], &Value::Bool(false))
        );
    }
    verify(&["--network-id", &"ab".repeat(32)]).fails(4, "not_shown");
    network.run(&[&["evidence", "verify", "secret"][..]].concat()).fails(3, "bad_file");
    network.run(&["evidence", "verify", "nowhere"]).fails(3, "file_missing");
    let mut bytes = fs::read(network.path("missing.evidence")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(network.path("missing.evidence"), bytes).unwrap();
    let altered = verify(&[]);
    assert!([3, 4].contains(&altered.status), "{}", altered.json);
    network.run(&[&["evidence", "show", "--id", "ffff"][..], &NETWORK].concat()).fails(4, "no_finding");
}

#[test]
fn two_protocols_side_by_side_and_evidence_of_absence() {
    let mut network = Network::new(PLAN);
    network.start_all();
    network.submit();
    second_key(&network);
    evidence_of_absence(&mut network);
}
