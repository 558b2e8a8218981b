//! What a recovery hands over, and when: exactly what the process found and people approved, or nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod backup_kit;
mod kit;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use backup_kit::{Custody, GUARDIANS, SECRET};
use kit::names;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::container;
use quorumkeep_custody::keys::{SignKey, derive};
use quorumkeep_custody::manifest::{Container, Plan};
use quorumkeep_custody::placement::{Claim, Side};
use quorumkeep_custody::recogniser::PublicKey;
use quorumkeep_custody::request::{Action, By, Request};
use quorumkeep_custody::scheme::Scheme;
use quorumkeep_server::custody::Desk;
use rand_core::{OsRng, RngCore};
use sha2::{Digest as _, Sha256};

const THREE: [&str; 3] = ["client-1", "bank-1", "server-2"];

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// With a set that is delivered.
fn ready() -> Custody {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.delivered();
    custody
}

fn work_files(custody: &Custody) -> Vec<String> {
    if custody.0.path("work").exists() { names(&custody.0.path("work")) } else { Vec::new() }
}

/// Two people approve the very bytes: others are not handed over, and combining again does not change them.
#[test]
fn p8_only_the_approved_output_is_handed_over() {
    let custody = ready();
    let session = custody.submitted(&THREE);
    custody.run(&["backup", "recover", "commit", "--as", "olga.key", "--session", &session]).fails(4, "session_state");
    let found = custody.combine(&session).ok()["findings"].clone();
    let file = custody.0.path(&format!("work/secret-{}.age", &session[..16]));
    let sealed = fs::read(&file).unwrap();
    let output = &found["recovered"]["outputs"][0];
    assert_eq!(output["sha256"], Hex(Sha256::digest(&sealed).into()).to_string());
    assert_eq!(found["recovered"]["recognised"], serde_json::json!(["key", "containers"]));
    assert_eq!(custody.combine(&session).ok()["findings"], found, "the same bytes as before");
    let asked = custody.run(&["backup", "recover", "commit", "--as", "olga.key", "--session", &session]).ok();
    let request = asked["request"].as_str().unwrap();
    // Those who approve see all of it.
    let waiting = custody.run(&["custody", "waiting"]).ok();
    assert_eq!(waiting["waiting"][0]["content"]["action"]["commit_recovery"]["findings"], found);
    custody.approve(request, "sara").ok();
    custody.approve(request, "boris").ok();
    let mut other = sealed.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&file, other).unwrap();
    custody.finish(&session).fails(4, "output_differs");
    assert!(!custody.0.path("out").exists());
    fs::write(&file, &sealed).unwrap();
    custody.finish(&session).ok();
    assert_eq!(fs::read(custody.0.path(&format!("out/secret-{}.age", &session[..16]))).unwrap(), sealed);
}

/// A process that found something else in between: what was asked for before is not approved any more.
#[test]
fn p8_a_commit_of_something_else_is_refused() {
    let custody = ready();
    let session = custody.submitted(&THREE);
    custody.combine(&session).ok();
    let commit = ["backup", "recover", "commit", "--as", "olga.key", "--session", &session];
    let request = custody.run(&commit).ok()["request"].as_str().unwrap().to_owned();
    custody.approve(&request, "sara").ok();
    // Its folder is lost, and it seals again.
    fs::remove_dir_all(custody.0.path("work")).unwrap();
    custody.combine(&session).ok();
    custody.approve(&request, "boris").fails(4, "findings_differ");
    custody.finish(&session).fails(4, "session_state");
}

/// A set that is not what its manifest says, made with the library: a key that opens nothing, and a secret of another public key.
fn lying_set(custody: &Custody, public_key: Option<&str>, sealed_with: impl FnOnce(&[u8]) -> Vec<u8>) {
    let id: Hash = custody.id().parse().unwrap();
    let mut desk = Desk::open(&custody.0.path("c")).unwrap();
    let key = Scheme::Shamir.random_key(&mut OsRng);
    let mut sealed = Vec::new();
    let mut writer = container::create(&sealed_with(&key), &"secret".parse().unwrap(), &mut sealed).unwrap();
    std::io::Write::write_all(&mut writer, &[&[0; 31][..], &[2]].concat()).unwrap();
    writer.finish().unwrap();
    let sha256 = Hex(Sha256::digest(&sealed).into());
    let registered = desk.view().guardians().unwrap();
    let of = |name: &str| registered.iter().find(|guardian| guardian.name.as_str() == name).unwrap().clone();
    let plan = Plan {
        custody: id,
        key_id: "k1".parse().unwrap(),
        node_id: "n1".parse().unwrap(),
        generation: 1,
        scheme: Scheme::Shamir,
        threshold: 3,
        guardians: GUARDIANS.iter().map(|(name, ..)| of(name)).collect(),
        claim: Claim { survives_shares: 2, survives_sides: [Side::Server].into(), ..Claim::default() },
        public_key: public_key.map(|text| text.parse::<PublicKey>().unwrap()),
        containers: vec![Container { name: "secret".parse().unwrap(), bytes: sealed.len() as u64, sha256 }],
        dealer: "olga".parse().unwrap(),
        now_ms: now_ms(),
    };
    let olga = SignKey::from_seed(&derive(&custody.seed_of("olga"), "sign"));
    let new = plan.deal(&key, &olga, &mut OsRng).unwrap();
    fs::create_dir(custody.0.path("set")).unwrap();
    fs::write(custody.0.path("set/secret.age"), sealed).unwrap();
    let manifest = quorumkeep_custody::canonical::to_bytes(&new.manifest);
    fs::write(custody.0.path("set/manifest.json"), manifest).unwrap();
    let mut number = Hex([0; 16]);
    OsRng.fill_bytes(&mut number.0);
    let (at_ms, action) = (now_ms(), Action::CreateSet { manifest: new.manifest, envelopes: new.envelopes });
    let (by, expires_ms) = (By::Person("olga".parse().unwrap()), at_ms + 60_000);
    let request = Request { custody: id, id: number, by, at_ms, expires_ms, action };
    desk.handle(&request.sign(&olga), now_ms()).unwrap();
}

/// The shares are right, and so is the key: but it opens nothing, or not the secret. Nobody is asked to approve that.
#[test]
fn b3_nobody_approves_what_does_not_open() {
    let one = "secp256k1:0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let two = "secp256k1:02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
    for (public, right_key, code) in
        [(None, false, "bad_file"), (Some(one), true, "not_recognised"), (Some(two), true, "")]
    {
        let custody = Custody::new();
        lying_set(&custody, public, |key| if right_key { key.to_vec() } else { vec![9; 32] });
        custody.delivered();
        let session = custody.submitted(&THREE);
        let answer = custody.combine(&session);
        if code.is_empty() {
            let found = answer.ok()["findings"].clone();
            assert_eq!(found["recovered"]["recognised"], serde_json::json!(["key", "containers", "public_key"]));
            continue;
        }
        assert_eq!(answer.json["findings"]["recovered"], serde_json::Value::Null);
        assert_eq!(answer.json["good"].as_array().unwrap().len(), 3);
        answer.fails(if code == "bad_file" { 3 } else { 1 }, code);
        let commit = ["backup", "recover", "commit", "--as", "olga.key", "--session", &session];
        custody.run(&commit).fails(4, "session_state");
        custody.finish(&session).fails(4, "session_state");
    }
    // A container that was cut is found before anybody is asked, too, and the right one is taken afterwards.
    let custody = ready();
    let session = custody.submitted(&THREE);
    let whole = fs::read(custody.0.path("set/secret.age")).unwrap();
    fs::write(custody.0.path("set/secret.age"), &whole[..whole.len() - 1]).unwrap();
    custody.combine(&session).fails(3, "bad_file");
    assert!(work_files(&custody).is_empty());
    fs::write(custody.0.path("set/secret.age"), whole).unwrap();
    custody.combine(&session).ok();
    assert_eq!(custody.opened(&format!("work/secret-{}.age", &session[..16])), SECRET);
}

/// The key of the process is made where it is used, and nowhere else; it is gone when the session is over.
#[test]
fn the_key_of_a_process_is_made_apart_and_dies_with_its_session() {
    let custody = ready();
    let arguments = custody.open_arguments();
    // Operations has the card only, and cannot make the key by asking.
    fs::create_dir(custody.0.path("away")).unwrap();
    fs::rename(custody.0.path("process.key"), custody.0.path("away/process.key")).unwrap();
    let session = custody.approved(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &["sara", "boris"]);
    assert!(!custody.0.path("process.key").exists());
    let card = fs::read_to_string(custody.0.path("process.json")).unwrap();
    let secret = hex::encode(*custody.seed_of("away/process"));
    assert!(card.contains("recipient") && card.contains("signing") && !card.contains(&secret), "{card}");
    THREE.iter().for_each(|name| drop(custody.submit(&session, name).ok()));
    custody.combine(&session).fails(3, "file_missing");
    fs::rename(custody.0.path("away/process.key"), custody.0.path("process.key")).unwrap();
    custody.combine(&session).ok();
    custody.commit(&session, &["sara", "boris"]);
    custody.finish(&session).ok();
    assert!(!custody.0.path("process.key").exists() && !custody.0.path("work").exists());
    assert_eq!(custody.opened(&format!("out/secret-{}.age", &session[..16])), SECRET);
    // One key, one session.
    let again = custody.run(&custody.open_arguments().iter().map(String::as_str).collect::<Vec<_>>());
    again.fails(4, "process_key_used");
}

fn abort(custody: &Custody, session: &str) -> kit::Answer {
    custody.run(&["backup", "recover", "abort", "--as", "sara.key", "--session", session, "--reason", "false alarm"])
}

fn state(custody: &Custody, session: &str) -> String {
    let status = custody.run(&["backup", "recover", "status", "--session", session]).ok();
    status["session"]["state"].as_str().unwrap().to_owned()
}

/// An abort and a finish: whichever is committed first wins, the other is told so, and nothing is half done.
#[test]
fn an_abort_and_a_finish_cannot_cross() {
    let approved = || {
        let custody = ready();
        let session = custody.submitted(&THREE);
        custody.combine(&session).ok();
        custody.commit(&session, &["sara", "boris"]);
        (custody, session)
    };
    // Ended first: nothing is handed over, and key and output are gone.
    let (custody, session) = approved();
    abort(&custody, &session).ok();
    assert!(custody.finish(&session).fails(4, "session_state").contains("sara ended"));
    assert!(!custody.0.path("out").exists() && !custody.0.path("work").exists());
    assert!(!custody.0.path("process.key").exists());
    assert_eq!((state(&custody, &session).as_str(), custody.recorded("recovery.complete")), ("aborted", 0));
    // Completed first, and killed before anything was written: it cannot be ended, and is finished afterwards.
    let (custody, session) = approved();
    let id = custody.id();
    let finish = [&custody.process("finish", &session, &id)[..], &["--out-dir", "out", "--custody", "c"]].concat();
    let killed = custody.0.command(&finish).env("QUORUMKEEP_FAILPOINT", "custody.write.before").output().unwrap();
    assert!(!killed.status.success());
    assert!(names(&custody.0.path("out")).is_empty());
    assert!(abort(&custody, &session).fails(4, "session_state").contains("completed"));
    let killed = custody.0.command(&finish).env("QUORUMKEEP_FAILPOINT", "custody.write.after").output().unwrap();
    assert!(!killed.status.success());
    fs::remove_dir_all(custody.0.path("work")).unwrap();
    custody.finish(&session).ok();
    assert!(!custody.0.path("process.key").exists(), "what was handed over needs no key");
    assert_eq!(custody.opened(&format!("out/secret-{}.age", &session[..16])), SECRET);
    abort(&custody, &session).fails(4, "session_state");
    assert_eq!((state(&custody, &session).as_str(), custody.recorded("recovery.abort")), ("completed", 0));
}

/// Both at once, again and again: one of the two happens, and the files say the same as the custody.
#[test]
fn an_abort_and_a_finish_at_the_same_time() {
    let custody = ready();
    for round in 0..4 {
        for file in ["process.key", "process.json"] {
            let _ = fs::remove_file(custody.0.path(file));
        }
        let session = custody.submitted(&THREE);
        custody.combine(&session).ok();
        custody.commit(&session, &["sara", "boris"]);
        // Whoever finds the database in use asks again.
        let until_told = |ask: &dyn Fn() -> kit::Answer| loop {
            let answer = ask();
            if answer.json["error"]["code"] != "database" {
                return answer;
            }
        };
        let (finished, ended) = std::thread::scope(|scope| {
            let finished = scope.spawn(|| until_told(&|| custody.finish(&session)));
            let ended = until_told(&|| abort(&custody, &session));
            (finished.join().unwrap(), ended)
        });
        assert_ne!(finished.status == 0, ended.status == 0, "round {round}: {} {}", finished.json, ended.json);
        let out = custody.0.path(&format!("out/secret-{}.age", &session[..16]));
        assert_eq!(
            (out.exists(), state(&custody, &session) == "completed"),
            (finished.status == 0, finished.status == 0)
        );
        let late = if finished.status == 0 { ended } else { finished };
        late.fails(4, "session_state");
    }
}
