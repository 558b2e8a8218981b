//! `quorumkeep ten verify` against real processes of the stand-in: what needs nobody, and the drill with the guardians' words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;
#[path = "kit/stand_in.rs"]
mod stand_in;
#[path = "kit/ten_world.rs"]
mod ten_world;

use std::fs;

use kit::{Answer, names};
use serde_json::Value;
use ten_world::World;

/// The codes of all findings.
fn codes(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

fn verify(world: &World, instance: &str, more: &[&str]) -> Answer {
    let card = format!("keys/{instance}/backup-key.json");
    let fixed = ["ten", "verify", "--network", "uat", "--signer", &world.signer, "--card", &card];
    world.kit.run(&[&fixed[..], more].concat())
}

/// It fails, and this is among the findings.
#[track_caller]
fn finds(answer: Answer, status: i32, code: &str, finding: &str) {
    let found = codes(&answer.json);
    answer.fails(status, code);
    assert!(found.contains(&finding.to_owned()), "{found:?}");
}

fn words(instance: &str, shares: &[u8]) -> Vec<String> {
    shares.iter().map(|share| format!("keys/{instance}/share-{share}.txt")).collect()
}

#[test]
fn without_a_key_the_newest_backup_and_its_source_are_looked_at() {
    let world = World::new();
    let node = world.node("db", &["-genesis"], &[]);
    let url = node.url.clone();
    let taken = world.taken("network-secret", &["--node", &url]);
    let shelf = ["--backup-dir", "backups", "--rpc-key", &taken.rpc_key, "--age-hours-max", "1"];
    let asked = [&shelf[..], &["--node", &url]].concat();
    let good = verify(&world, "network-secret", &asked).ok();
    assert_eq!(
        codes(&good),
        ["backup_good", "key_expected", "rpc_key_pinned", "age_good", "rpc_key_pinned", "not_opened"]
    );
    assert_eq!((good["backup"].as_str(), good["level"].as_str()), (Some(taken.file.as_str()), Some("unknown")));

    // Another signer, another key, an old or a damaged file, a source that is gone or somebody else.
    let other = world.kit.run(
        &[&["ten", "verify", "--network", "uat", "--card", "keys/network-secret/backup-key.json"], &shelf[..]].concat(),
    );
    other.fails(2, "usage");
    let stranger = world.person("bert");
    let card = ["--card", "keys/network-secret/backup-key.json"];
    let by_stranger = [&["ten", "verify", "--network", "uat", "--signer", &stranger], &card[..], &shelf].concat();
    finds(world.kit.run(&by_stranger), 4, "check_failed", "backup_missing");
    let key = world.backup_key("gateway-gw-1");
    let other_key = ["ten", "verify", "--network", "uat", "--signer", &world.signer, "--backup-key", &key];
    finds(world.kit.run(&[&other_key, &shelf[..]].concat()), 5, "check_alarm", "key_other");
    verify(&world, "gateway-gw-1", &shelf).fails(4, "other_instance");
    let liar = world.node("liar", &["-genesis"], &[]);
    finds(
        verify(&world, "network-secret", &[&shelf[..], &["--node", &liar.url]].concat()),
        5,
        "check_alarm",
        "rpc_key_differs",
    );
    drop(node);
    finds(verify(&world, "network-secret", &asked), 4, "check_failed", "source_silent");

    let file = world.kit.path(&taken.file);
    let (good, newer) = (fs::read(&file).unwrap(), file.with_file_name("network-secret-29990101T000000000Z.json"));
    fs::write(&newer, &good[..good.len() / 2]).unwrap();
    finds(verify(&world, "network-secret", &shelf), 4, "check_failed", "backup_bad");
    fs::remove_file(&newer).unwrap();
    fs::remove_file(&file).unwrap();
    finds(verify(&world, "network-secret", &shelf), 4, "check_failed", "backup_missing");
    verify(&world, "network-secret", &["--backup-dir", "nowhere", "--rpc-key", &taken.rpc_key]).fails(3, "bad_file");
}

/// T6: only opening shows whose secret it is. All words are checked, and nothing of the secret is written or shown.
#[test]
fn t6_a_drill_opens_what_is_kept_and_what_is_served_and_writes_nothing() {
    let world = World::new();
    let node = world.node("db", &["-genesis"], &[]);
    let taken = world.taken("network-secret", &["--node", &node.url]);
    let before = names(world.kit.folder.path());
    let all = words("network-secret", &[1, 2, 3]);
    let shelf = ["--backup-dir", "backups", "--rpc-key", &taken.rpc_key, "--node", &node.url, "--shares-file"];
    let drill = [&shelf[..], &[&all[0], &all[1], &all[2]]].concat();
    let good = verify(&world, "network-secret", &drill).ok();
    let found = codes(&good);
    assert_eq!(found[found.len() - 4..], ["shares_all", "canary_opens", "opens_right", "opens_right"]);
    assert_eq!(good["level"], "ok");
    assert_eq!(names(world.kit.folder.path()), before, "nothing was written");
    let two = verify(&world, "network-secret", &[&shelf[..], &[&all[0], &all[2]]].concat()).ok();
    assert!(codes(&two).contains(&"shares_some".to_owned()));

    // A word is wrong: the mnemonic is named. The words of another instance: nothing is claimed.
    let bad = words("gateway-gw-1", &[1, 2, 3]);
    let mixed = verify(&world, "network-secret", &[&shelf[..], &[&all[0], &all[1], &bad[2]]].concat());
    assert!(mixed.status != 0, "{}", mixed.json);
    verify(&world, "network-secret", &[&shelf[..], &[&bad[0], &bad[1]]].concat()).fails(1, "not_recognised");

    // Somebody in between answers with the right RPC key and a secret of his own, encrypted to the right backup key.
    let liar = world.node("liar", &["-genesis"], &[]);
    let fooled = world.taken("network-secret", &["--node", &liar.url]);
    let pinned = ["--backup", &fooled.file, "--rpc-key", &taken.rpc_key, "--shares-file", &all[0], &all[1], &all[2]];
    let alarm = verify(&world, "network-secret", &pinned);
    assert!(codes(&alarm.json).contains(&"rpc_key_differs".to_owned()));
    finds(alarm, 5, "check_alarm", "secret_other");
}

#[test]
fn a_gateway_is_recognised_by_a_document_and_kept_apart_from_others() {
    let world = World::new();
    let running = world.gateway("gw-1", "gw-1", &["-encryptionKeySource=new"]);
    let document = world.document(&running.url, "gw-1");
    let source = format!("gw-1={}", running.url);
    world.taken("gateway-gw-1", &["--gateway", &source]);
    let all = words("gateway-gw-1", &[1, 2, 3]);
    let shelf = ["--gateway", &source, "--backup-dir", "backups", "--shares-file", &all[0], &all[1], &all[2]];
    let blind = codes(&verify(&world, "gateway-gw-1", &shelf).ok());
    assert!(blind.contains(&"opens_unrecognised".to_owned()), "{blind:?}");
    let seen = codes(&verify(&world, "gateway-gw-1", &[&shelf[..], &["--document", &document]].concat()).ok());
    assert!(seen.contains(&"opens_right".to_owned()), "{seen:?}");

    // The same gateway, backed up once more under another name: its own one has no backup.
    world.taken("gateway-gw-2", &["--gateway", &format!("gw-2={}", running.url)]);
    finds(verify(&world, "gateway-gw-1", &shelf), 4, "check_failed", "source_shared");
    let other = world.gateway("gw-2", "gw-2", &["-encryptionKeySource=new"]);
    let foreign = world.document(&other.url, "gw-2");
    let wrong = verify(&world, "gateway-gw-1", &[&shelf[..], &["--document", &foreign]].concat());
    finds(wrong, 5, "check_alarm", "secret_other");
}
