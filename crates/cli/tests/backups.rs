//! Backups as people make them: real processes, real files, one directory. Every mistake ends in a code, and loses nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod backup_kit;
mod kit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use backup_kit::{Custody, GUARDIANS, PEOPLE, SECRET, SET};
use kit::names;
use quorumkeep_node::failpoints::Point;
use serde_json::Value;

#[test]
fn a_secret_is_backed_up_and_recovered_under_watch() {
    let custody = Custody::new();
    fs::write(custody.0.path("keydata"), vec![7; 200_000]).unwrap();
    custody.create(&["--keydata-file", "keydata", "--out-dir", "set"]).ok();
    assert_eq!(names(&custody.0.path("set")), ["keydata.age", "manifest.json", "secret.age"]);
    custody.delivered();
    let status = custody.status();
    assert_eq!((&status["sets"][0]["active"], &status["sets"][0]["recoverable"]), (&true.into(), &true.into()));
    // Nobody gives a share before it is approved, nor does the process begin.
    let arguments = custody.open_arguments();
    let asked = custody.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let session = asked["request"].as_str().unwrap();
    custody.submit(session, "client-1").fails(4, "session_unknown");
    custody.approve(session, "olga").fails(4, "self_approval");
    custody.approve(session, "cora").fails(4, "role_missing");
    custody.approve(session, "sara").ok();
    custody.approve(session, "sara").fails(4, "approved_already");
    custody.approve(session, "boris").ok();
    custody.approve(session, "both").fails(4, "not_waiting");
    for name in ["client-1", "bank-1"] {
        custody.submit(session, name).ok();
    }
    custody.submit(session, "bank-1").fails(4, "share_submitted");
    let few = custody.combine(session);
    assert_eq!(few.json["good"], serde_json::json!([3, 4]));
    few.fails(3, "too_few_shares");
    custody.submit(session, "server-2").ok();
    assert_eq!(custody.combine(session).ok()["recognised"], true);
    custody.finish(session).fails(4, "session_state");
    assert!(!custody.0.path("out").exists(), "nothing is handed over before the second approval");
    custody.commit(session, &["sara", "boris"]);
    custody.finish(session).ok();
    let short = &session[..16];
    assert_eq!(names(&custody.0.path("out")), [format!("keydata-{short}.age"), format!("secret-{short}.age")]);
    assert_eq!(custody.opened(&format!("out/secret-{short}.age")), SECRET);
    assert!(custody.audit()["ok"].as_bool().unwrap());
}

/// On another machine, which has only the manifest, the containers and three external envelopes with their keys.
#[test]
fn three_guardians_restore_on_an_empty_machine() {
    for scheme in ["shamir", "slip39", "vss"] {
        let custody = Custody::new();
        custody.create(&["--scheme", scheme, "--out-dir", "set"]).ok();
        custody.delivered();
        fs::remove_dir_all(custody.0.path("c")).unwrap();
        custody.restore(&["client-1", "bank-1"], "two").fails(3, "too_few_shares");
        custody.restore(&["client-1", "bank-1", "bank-1"], "twice").fails(3, "duplicate_share");
        assert!(!custody.0.path("two").exists());
        custody.restore(&["client-1", "bank-1", "vault-1"], "back").ok();
        assert_eq!(fs::read(custody.0.path("back/secret")).unwrap(), SECRET, "{scheme}");
        custody.restore(&["client-1", "bank-1", "vault-1"], "back").fails(4, "file_exists");
    }
}

/// Containers are streams: however large the secret is, no process holds much of it. `VmHWM` never falls while a process lives.
#[cfg(target_os = "linux")]
#[test]
fn a_large_secret_needs_little_memory() {
    const LIMIT_KIB: u64 = 64 * 1024;
    let custody = Custody::new();
    let length = 256 << 20;
    fs::File::create(custody.0.path("secret")).unwrap().set_len(length).unwrap();
    let peak = |mut command: std::process::Command| {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let (path, mut peak) = (format!("/proc/{}/status", child.id()), 0);
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(&path).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak = line.map_or(peak, |kib| kib.parse().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(child.wait().unwrap().success());
        assert!((1..LIMIT_KIB).contains(&peak), "{peak} KiB");
    };
    let create = custody.create_arguments(&["--out-dir", "set"]);
    peak(custody.0.command(&create));
    custody.delivered();
    let restore = custody.restore_arguments(&["client-1", "bank-1", "vault-1"], "back");
    peak(custody.0.command(&restore.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(fs::metadata(custody.0.path("back/secret")).unwrap().len(), length);
}

#[test]
fn b2_damaged_and_foreign_shares_are_named() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.delivered();
    let envelope = custody.0.path("d-client-1/envelope.bin");
    let good = fs::read(&envelope).unwrap();
    for bad in [good[..good.len() - 1].to_vec(), [&good[..40], &[good[40] ^ 1], &good[41..]].concat()] {
        fs::write(&envelope, bad).unwrap();
        custody.confirm("client-1").fails(4, "envelope_mismatch");
        let answer = custody.restore(&["client-1", "bank-1", "vault-1"], "back");
        assert!(answer.json["bad"][0].as_str().unwrap().contains("d-client-1/envelope.bin"), "{}", answer.json);
        answer.fails(3, "too_few_shares");
        assert!(!custody.0.path("back").exists());
    }
    // A surplus of good ones: it is recovered, and the bad one is named.
    let answer = custody.restore(&["client-1", "bank-1", "vault-1", "server-1"], "back").ok();
    assert_eq!((&answer["shares"], answer["bad"].as_array().unwrap().len()), (&3.into(), 1));
    fs::write(&envelope, good).unwrap();
    // A container that was cut, and one of another set.
    let container = custody.0.path("set/secret.age");
    let whole = fs::read(&container).unwrap();
    fs::write(&container, &whole[..whole.len() - 1]).unwrap();
    custody.restore(&["client-1", "bank-1", "vault-1"], "cut").fails(3, "bad_file");
    fs::write(&container, whole).unwrap();
    // A manifest in which one letter is changed.
    custody.0.edit("set/manifest.json", |manifest| manifest["manifest"]["threshold"] = 2.into());
    custody.restore(&["client-1", "bank-1"], "two").fails(4, "manifest_invalid");
}

#[test]
fn mistakes_end_in_a_code_and_change_nothing() {
    let custody = Custody::new();
    let lie = custody.create(&["--survives-side", "outside", "--out-dir", "set"]);
    assert!(lie.fails(4, "placement_refused").contains("outside"));
    assert!(!custody.0.path("set").exists());
    custody.create(&["--threshold", "2", "--out-dir", "set"]).fails(4, "placement_refused");
    custody.create(&["--guardian", "nobody", "--out-dir", "set"]).fails(4, "guardian_unknown");
    custody.create(&["--guardian", "bank-1", "--out-dir", "set"]).fails(4, "placement_refused");
    let one = "secp256k1:0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    fs::write(custody.0.path("scalar"), [&[0; 31][..], &[2]].concat()).unwrap();
    custody.create(&["--public-key", one, "--out-dir", "set"]).fails(3, "bad_secret");
    custody
        .0
        .run(&["custody", "init", "--dir", "c", "--name", "other", "--person", "olga.json"])
        .fails(4, "people_invalid");
    let all = PEOPLE.iter().map(|(name, _)| format!("{name}.json")).collect::<Vec<_>>();
    let again: Vec<&str> = ["custody", "init", "--dir", "c", "--name", "other"]
        .into_iter()
        .chain(all.iter().flat_map(|card| ["--person", card.as_str()]))
        .collect();
    custody.0.run(&again).fails(1, "database");
    custody
        .0
        .run(&["person", "new", "olga", "--role", "owner", "--out", "olga.key", "--card", "x"])
        .fails(4, "file_exists");
    custody.0.run(&["person", "new", "Olga", "--role", "owner", "--out", "y.key", "--card", "y"]).fails(2, "usage");
    custody.create(&["--out-dir", "set"]).ok();
    custody.create(&["--out-dir", "set"]).fails(4, "file_exists");
    custody.confirm("client-1").fails(3, "file_missing");
    custody.deliver("olga").fails(3, "bad_key");
    custody
        .run(&["backup", "deliver", "--as", "bank-1.key", "--set", "k1/n1/2", "--out-dir", "x"])
        .fails(4, "set_unknown");
    custody.run(&["backup", "deliver", "--as", "bank-1.key", "--set", "../n1/2", "--out-dir", "x"]).fails(2, "usage");
    custody.0.run(&["backup", "status", "--custody", "nowhere"]).fails(3, "file_missing");
    // A second guardian with the same keys, and a stranger's request.
    custody.0.edit("client-1.json", |card| card["name"] = "client-2".into());
    custody.run(&["guardian", "add", "--as", "olga.key", "--card", "client-1.json"]).fails(4, "guardian_exists");
    custody.guardian("stranger", "external", "nobody");
    let stranger = ["backup", "fail", "--as", "stranger.key", "--set", SET, "--reason", "x"];
    custody.run(&stranger).fails(4, "share_not_yours");
}

/// A guardian leaves: he gets nothing more, the set that names him says so, and his keys never come back.
#[test]
fn a_removed_guardian_is_named_and_gets_nothing() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.delivered();
    let remove = ["guardian", "remove", "client-1", "--as", "olga.key"];
    custody.run(&["guardian", "remove", "client-1", "--as", "sara.key"]).fails(4, "role_missing");
    custody.approved(&remove, &["sara"]);
    custody.run(&remove).fails(4, "guardian_unknown");
    custody.deliver("client-1").fails(4, "guardian_removed");
    let status = custody.status();
    let set = &status["sets"][0];
    assert_eq!((&set["confirmed"], &set["active"], &set["recoverable"]), (&4.into(), &false.into(), &true.into()));
    assert_eq!((&set["shares"][2]["removed"], &set["shares"][1]["removed"]), (&true.into(), &Value::Null));
    let shown = custody.0.output(&["backup", "status", "--custody", "c"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("WARNING: k1/n1/1 names client-1, who was removed"), "{text}");
    custody.create(&["--out-dir", "set2"]).fails(4, "guardian_unknown");
    let card = |name: &'static str| ["guardian", "add", "--as", "olga.key", "--card", name];
    custody.run(&card("client-1.json")).fails(4, "key_retired");
    custody.0.edit("client-1.json", |card| card["name"] = "somebody".into());
    custody.run(&card("client-1.json")).fails(4, "key_retired");
    for file in ["client-1.key", "client-1.json"] {
        fs::remove_file(custody.0.path(file)).unwrap();
    }
    custody.guardian("client-1", "external", "client");
    custody.approved(&card("client-1.json"), &["sara"]);
    custody.deliver("client-1").fails(4, "guardian_removed");
    custody.create(&["--out-dir", "set2"]).ok();
    assert_eq!(custody.status()["sets"][1]["shares"][2]["removed"], Value::Null);
    assert_eq!(custody.recorded("guardian.remove"), 1);
}

/// Sealed key files, and one that others may read.
#[test]
fn key_files_are_private() {
    let custody = Custody::new();
    let new = ["person", "new", "carl", "--role", "owner", "--out", "carl.key", "--card", "carl.json"];
    custody.0.run(&[&new[..], &["--passphrase-file", "pass"]].concat()).ok();
    assert!(fs::read(custody.0.path("carl.key")).unwrap().starts_with(b"age-encryption.org/v1\n"));
    let reject = ["custody", "reject", &"0".repeat(64), "--reason", "x", "--as", "carl.key"];
    custody.run(&[&reject[..], &["--passphrase-file", "wrong"]].concat()).fails(3, "wrong_passphrase");
    custody.run(&[&reject[..], &["--passphrase-file", "pass"]].concat()).fails(4, "requester_unknown");
    fs::set_permissions(custody.0.path("olga.key"), fs::Permissions::from_mode(0o644)).unwrap();
    custody.create(&["--out-dir", "set"]).fails(3, "open_file");
}

/// Two approvers at the same time: one of the two fills the last seat, and the session is opened once.
#[test]
fn p8_two_approvers_race() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    let arguments = custody.open_arguments();
    let asked = custody.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let request = asked["request"].as_str().unwrap();
    let race = |name: &str| {
        let key = format!("{name}.key");
        let mut command = custody.0.command(&["custody", "approve", request, "--as", &key, "--custody", "c", "--json"]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = ["sara", "boris", "both"].map(race).into();
    let answers: Vec<Value> = running
        .into_iter()
        .map(|process| serde_json::from_slice(&process.wait_with_output().unwrap().stdout).unwrap())
        .collect();
    let carried = answers.iter().filter(|answer| answer["state"] == "carried_out").count();
    let others = ["waiting", "not_waiting"];
    let told = |answer: &&Value| {
        let state = answer["state"].as_str().or(answer["error"]["code"].as_str());
        others.contains(&state.unwrap_or_default()) || answer["error"]["code"] == "database"
    };
    assert!(carried <= 1, "{answers:?}");
    assert_eq!(answers.iter().filter(told).count(), 3 - carried, "{answers:?}");
    // Whoever found the database in use asks again.
    for name in ["sara", "boris"] {
        let answer = custody.approve(request, name);
        assert!(
            answer.status == 0
                || ["approved_already", "not_waiting"].contains(&answer.json["error"]["code"].as_str().unwrap())
        );
    }
    assert_eq!(custody.status()["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(custody.recorded("recovery.open"), 1);
}

/// Until when the process was killed, and what the next one finds.
fn killed_at(custody: &Custody, point: &str, arguments: &[&str]) {
    let arguments = [arguments, &["--custody", "c"]].concat();
    let status = custody.0.command(&arguments).env("QUORUMKEEP_FAILPOINT", point).output().unwrap();
    let text = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(!status.status.success() && text.contains(point), "{point}: it was not reached: {text}");
}

/// `kill` at every named point of delivery and recovery: nothing is lost, nothing is done twice.
#[test]
fn a_kill_at_every_point_loses_nothing_and_doubles_nothing() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    let deliver = ["backup", "deliver", "--as", "client-1.key", "--set", SET, "--out-dir", "d-client-1"];
    for point in ["custody.commit.before", "custody.deliver.before", "custody.deliver.after", "custody.commit.after"] {
        killed_at(&custody, point, &deliver);
    }
    custody.deliver("client-1").ok();
    assert_eq!(custody.status()["sets"][0]["shares"][2]["attempts"], 1, "sent once, however often it was asked for");
    let confirm = ["backup", "confirm", "--as", "client-1.key", "--set", SET, "--dir", "d-client-1"];
    for point in ["custody.confirm.before", "custody.confirm.after"] {
        killed_at(&custody, point, &confirm);
    }
    assert_eq!(custody.status()["sets"][0]["confirmed"], 1, "the receipt was durable");
    custody.delivered();
    let arguments = custody.open_arguments();
    let asked = custody.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let session = asked["request"].as_str().unwrap();
    custody.approve(session, "sara").ok();
    let approve = ["custody", "approve", session, "--as", "boris.key"];
    killed_at(&custody, "custody.open.before", &approve);
    assert_eq!(custody.status()["sessions"].as_array().unwrap().len(), 0);
    killed_at(&custody, "custody.open.after", &approve);
    custody.approve(session, "boris").fails(4, "not_waiting");
    let submit = |name: &str| {
        let words = ["backup", "recover", "submit", "--as", name, "--session", session, "--dir"];
        words.map(str::to_owned).into_iter().chain([format!("d-{}", name.trim_end_matches(".key"))]).collect::<Vec<_>>()
    };
    let words = submit("client-1.key");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    killed_at(&custody, "custody.submit.before", &words);
    custody.combine(session).fails(3, "too_few_shares");
    killed_at(&custody, "custody.submit.after", &words);
    custody.submit(session, "client-1").fails(4, "share_submitted");
    for name in ["bank-1", "vault-1"] {
        custody.submit(session, name).ok();
    }
    custody.combine(session).ok();
    let asked = custody.run(&["backup", "recover", "commit", "--as", "olga.key", "--session", session]).ok();
    let commit = asked["request"].as_str().unwrap();
    custody.approve(commit, "sara").ok();
    let approve = ["custody", "approve", commit, "--as", "boris.key"];
    killed_at(&custody, "custody.release.before", &approve);
    custody.finish(session).fails(4, "session_state");
    killed_at(&custody, "custody.release.after", &approve);
    let id = custody.id();
    let finish = [&custody.process("finish", session, &id)[..], &["--out-dir", "out"]].concat();
    for point in ["custody.write.before", "custody.write.after"] {
        killed_at(&custody, point, &finish);
    }
    custody.finish(session).ok();
    assert_eq!(names(&custody.0.path("out")), [format!("secret-{}.age", &session[..16])]);
    assert_eq!(custody.recorded("recovery.submit"), 3);
    custody.audit();
}

/// Every point that is named for custody stands in the test above.
#[test]
fn every_custody_point_is_played() {
    let text = include_str!("backups.rs");
    for point in Point::ALL.iter().map(|point| point.name()).filter(|name| name.starts_with("custody.")) {
        assert!(text.contains(&format!("\"{point}\"")), "{point}");
    }
}

/// Files as another program writes them, by its own formula.
fn mpc_file(path: &Path, plain: &[u8]) {
    use aes_gcm::aead::Aead;
    use aes_gcm::{Aes256Gcm, KeyInit};
    let mut key = [0; 32];
    scrypt::scrypt(b"store password", b"mpc-key-share-salt", &scrypt::Params::new(15, 8, 1, 32).unwrap(), &mut key)
        .unwrap();
    let sealed = Aes256Gcm::new(&key.into()).encrypt(&[5; 12].into(), plain).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, [&[5; 12][..], &sealed].concat()).unwrap();
}

#[test]
fn p6_the_store_of_an_mpc_node_is_backed_up_and_restored() {
    let custody = Custody::new();
    let one = [&[0; 31][..], &[1]].concat();
    mpc_file(&custody.0.path("mpc/k1/n1.enc"), &one);
    mpc_file(&custody.0.path("mpc/k1/n1.keydata.enc"), &[9; 5000]);
    fs::write(custody.0.path("store-pass"), "store password\n").unwrap();
    let guardians = GUARDIANS.iter().flat_map(|(name, ..)| ["--guardian", name]).collect::<Vec<_>>();
    let create = |node: &str, more: &[&str]| {
        let start = ["backup", "create", "--as", "olga.key", "--key-id", "k1", "--node-id", node];
        let store =
            ["--store", "mpc", "--store-password-file", "store-pass", "--survives-side", "server", "--out-dir", "set"];
        custody.run(&[&start[..], &guardians, &store, more].concat())
    };
    create("../n1", &[]).fails(2, "usage");
    create("n2", &[]).fails(3, "file_missing");
    std::os::unix::fs::symlink(custody.0.path("mpc/k1/n1.enc"), custody.0.path("mpc/k1/n3.enc")).unwrap();
    create("n3", &[]).fails(3, "bad_file");
    let two = "secp256k1:02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
    create("n1", &["--public-key", two]).fails(3, "bad_secret");
    let public = "secp256k1:0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    create("n1", &["--public-key", public]).ok();
    custody.delivered();
    let restore = |base: &str, password: &str| {
        let mut arguments = vec!["backup", "restore", "--manifest", "set/manifest.json", "--to-store", base];
        arguments.extend(["--store-password-file", password]);
        for name in ["client-1", "bank-1", "vault-1"] {
            let (file, key) = (format!("d-{name}/envelope.bin"), format!("{name}.key"));
            arguments.extend(["--envelope", file.leak(), "--key", key.leak()]);
        }
        custody.0.run(&arguments)
    };
    // The same secret is there: nothing to write. Another one is not replaced.
    assert_eq!(restore("mpc", "store-pass").ok()["files"].as_array().unwrap().len(), 0);
    mpc_file(&custody.0.path("other/k1/n1.enc"), &[&[0; 31][..], &[2]].concat());
    restore("other", "store-pass").fails(4, "file_exists");
    assert_eq!(names(&custody.0.path("other/k1")), ["n1.enc"]);
    restore("new", "store-pass").ok();
    let mode = fs::metadata(custody.0.path("new/k1/n1.enc")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What was written is what another program reads: backed up again, with the same public key.
    fs::remove_dir_all(custody.0.path("mpc")).unwrap();
    fs::rename(custody.0.path("new"), custody.0.path("mpc")).unwrap();
    fs::remove_dir_all(custody.0.path("set")).unwrap();
    create("n1", &["--public-key", public]).ok();
}

/// The secret, the key of the set and every seed of a key file: none of them in the custody, in an output or in an error.
#[test]
fn secrets_stay_where_they_belong() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.delivered();
    let session = custody.open(&["sara", "boris"]);
    for name in ["client-1", "bank-1", "vault-1"] {
        custody.submit(&session, name).ok();
    }
    custody.combine(&session).ok();
    let seed = |name: &str| {
        let text = fs::read_to_string(custody.0.path(&format!("{name}.key"))).unwrap();
        text.trim().rsplit(' ').next().unwrap().to_owned()
    };
    let mut secrets: Vec<Vec<u8>> = vec![SECRET.to_vec()];
    for name in ["olga", "client-1", "process"] {
        secrets.push(seed(name).into_bytes());
        secrets.push(hex::decode(seed(name)).unwrap());
    }
    let found = |folder: &str, secrets: &[Vec<u8>]| {
        let folder = custody.0.path(folder);
        let holds = |bytes: &[u8]| secrets.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret));
        names(&folder).into_iter().filter(|name| holds(&fs::read(folder.join(name)).unwrap())).collect::<Vec<_>>()
    };
    for folder in ["c", "set", "d-client-1", "d-bank-1"] {
        assert!(found(folder, &secrets).is_empty(), "{folder}: {:?}", found(folder, &secrets));
    }
    // The search finds what is there: a planted copy.
    fs::write(custody.0.path("c/planted"), [b"x".as_slice(), SECRET].concat()).unwrap();
    assert_eq!(found("c", &secrets), ["planted"]);
    assert!(Path::new(&custody.0.path("c/custody.db")).exists());
}
