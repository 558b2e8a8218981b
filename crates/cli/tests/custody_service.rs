//! `quorumkeep custody serve` as others use it: over HTTP by many at once, and over gRPC by a client in Python that shares no
//! code with it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod custody;
mod kit;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use custody::{Custody, Served, key, now_ms, own_guardian};
use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::canonical;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::people::{Person, Role};
use quorumkeep_custody::request::{Action, Signed};
use quorumkeep_custody::session::Submission;
use quorumkeep_server::client::Error;
use quorumkeep_server::custody::remote::{Remote, refusal};
use quorumkeep_server::custody::{BURST, PER_SECOND};
use quorumkeep_server::problem::Code;
use quorumkeep_server::tls;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn work<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn plain(custody: &Custody) -> Served {
    custody.serve(&["--plain"])
}

fn reason(answer: Result<Answer, Error>) -> String {
    refusal(&answer.unwrap_err()).unwrap().to_owned()
}

fn newcomer(name: &str, after: Hash) -> Action {
    let person = Person { name: name.parse().unwrap(), key: key(name).verify_key(), roles: [Role::Auditor].into() };
    Action::ChangePeople { after, add: vec![person], remove: vec![] }
}

/// The texts of the audit log.
fn log(served: &Served) -> Vec<String> {
    let all = raw(served, &get("/audit/entries?from=0"), b"");
    let body: Vec<Value> = serde_json::from_str(all.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert!(body.len() < 256, "more entries than one answer has");
    body.iter().map(|row| row["entry"].as_str().unwrap().to_owned()).collect()
}

/// Entries of the audit log of this event and result.
fn entries(served: &Served, event: &str, result: &str) -> Vec<Value> {
    let parsed = log(served).into_iter().map(|entry| serde_json::from_str::<Value>(&entry).unwrap());
    parsed.filter(|entry| entry["event"] == event && entry["result"] == result).collect()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

/// A request by hand, and everything that comes back.
fn raw_bytes(served: &Served, head: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(served.url().strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn raw(served: &Served, head: &str, body: &[u8]) -> String {
    String::from_utf8_lossy(&raw_bytes(served, head, body)).into_owned()
}

fn post_head(length: usize) -> String {
    format!("POST /custody/requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
}

#[test]
fn p8_approvals_at_the_same_time_carry_it_out_once() {
    let custody = Custody::new();
    let served = plain(&custody);
    let (one, other) = (served.remote(), served.remote());
    work(async {
        let mut after = custody.id;
        for round in 0..12 {
            let asked = custody.signed("olga", newcomer(&format!("person-{round}"), after));
            assert!(matches!(one.handle(&asked).await.unwrap(), Answer::Waiting { .. }));
            // Both seats at once: whoever comes second carries it out, and nobody else does.
            let approval = |by| custody.approval_after(by, &asked, after);
            let (boris, sara) = (approval("boris"), approval("sara"));
            let (boris, sara) = tokio::join!(one.handle(&boris), other.handle(&sara));
            let done =
                [boris.unwrap(), sara.unwrap()].iter().filter(|a| matches!(a, Answer::CarriedOut { .. })).count();
            assert_eq!(done, 1, "round {round}");
            after = asked.request.hash();
            // One seat, two who could take it: one does, the other comes too late.
            let asked = custody.signed("olga", Action::AddGuardian(own_guardian(&format!("g-{round}"), 100 + round)));
            one.handle(&asked).await.unwrap();
            let approval = |by| custody.approval_after(by, &asked, after);
            let (sara, sven) = (approval("sara"), approval("sven"));
            let (sara, sven) = tokio::join!(one.handle(&sara), other.handle(&sven));
            let (done, late): (Vec<_>, Vec<_>) = [sara, sven].into_iter().partition(Result::is_ok);
            assert_eq!((done.len(), late.len()), (1, 1), "round {round}");
            assert_eq!(reason(late.into_iter().next().unwrap()), "not_waiting");
        }
        assert_eq!((one.roster().await.unwrap().people().count(), one.guardians().await.unwrap().len()), (17, 12));
    });
    assert_eq!((entries(&served, "people.change", "ok").len(), entries(&served, "guardian.add", "ok").len()), (12, 12));
}

#[test]
fn p8_one_person_is_one_person_and_only_the_very_request_is_approved() {
    let custody = Custody::new();
    let served = plain(&custody);
    let remote = served.remote();
    work(async {
        let asked = custody.signed("both", newcomer("nora", custody.id));
        remote.handle(&asked).await.unwrap();
        assert_eq!(reason(remote.handle(&custody.approval("both", &asked)).await), "self_approval");
        let asked = custody.signed("olga", newcomer("nora", custody.id));
        remote.handle(&asked).await.unwrap();
        let first = remote.handle(&custody.approval("both", &asked)).await.unwrap();
        assert!(matches!(&first, Answer::Waiting { approvals, .. } if approvals.len() == 1), "{first:?}");
        // A second token of the same person, for the other of his roles.
        assert_eq!(reason(remote.handle(&custody.approval("both", &asked)).await), "approved_already");
        // What is approved is a hash: another action has another, and the old signature does not fit it.
        let mut edited = asked.clone();
        edited.request.action = newcomer("mallory", custody.id);
        assert_eq!(reason(remote.handle(&custody.approval("sara", &edited)).await), "not_waiting");
        assert_eq!(reason(remote.handle(&edited).await), "request_signature");
        // A token taken from one approval and put on another.
        let mut moved = custody.approval("sara", &asked);
        moved.request.action = Action::Approve { request: edited.request.hash(), people_head: custody.id };
        assert_eq!(reason(remote.handle(&moved).await), "request_signature");
        assert_eq!(reason(remote.handle(&custody.approval("olga", &asked)).await), "self_approval");
        let stranger =
            custody.request("mallory", Action::Approve { request: asked.request.hash(), people_head: custody.id });
        assert_eq!(reason(remote.handle(&stranger.sign(&key("mallory"))).await), "requester_unknown");
        assert_eq!(remote.roster().await.unwrap().people().count(), 5, "nothing happened");
        let done = remote.handle(&custody.approval("sara", &asked)).await.unwrap();
        assert_eq!(done, Answer::CarriedOut { request: asked.request.hash() });
    });
    assert_eq!(entries(&served, "people.change", "ok").len(), 1);
    assert!(entries(&served, "request.approve", "refused").len() >= 4);
}

#[test]
fn p11_a_lost_answer_is_asked_for_again_and_another_request_of_that_number_refused() {
    let custody = Custody::new();
    let served = plain(&custody);
    let remote = served.remote();
    let asked = custody.signed("olga", Action::AddGuardian(own_guardian("custodian", 3)));
    let body = canonical::to_bytes(&asked);
    // The connection is gone before the answer is read.
    for _ in 0..5 {
        let mut stream = TcpStream::connect(served.url().strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(&[post_head(body.len()).as_bytes(), &body].concat()).unwrap();
    }
    work(async {
        let first = remote.handle(&asked).await.unwrap();
        assert_eq!(first, remote.handle(&asked).await.unwrap());
        let approval = custody.approval("sara", &asked);
        let done = remote.handle(&approval).await.unwrap();
        assert_eq!(done, Answer::CarriedOut { request: asked.request.hash() });
        // Asked for again after it was done: the same answers, and nothing is done twice.
        assert_eq!((first, done), (remote.handle(&asked).await.unwrap(), remote.handle(&approval).await.unwrap()));
        let mut other = asked.request.clone();
        other.action = Action::AddGuardian(own_guardian("another", 4));
        let other: Signed = other.sign(&key("olga"));
        let error = remote.handle(&other).await.unwrap_err();
        assert_eq!((error.code(), refusal(&error)), (Some(Code::Conflict), Some("request_conflict")));
        assert_eq!(remote.guardians().await.unwrap().len(), 1);
    });
    assert_eq!(entries(&served, "guardian.add.ask", "ok").len(), 1);
    assert_eq!(entries(&served, "guardian.add", "ok").len(), 1);
}

/// Nobody stops the service by what he writes into a request.
#[test]
fn p9_a_request_that_is_too_long_for_the_log_is_recorded_all_the_same() {
    let custody = Custody::new();
    let served = plain(&custody);
    let remote = served.remote();
    work(async {
        let many = |prefix: &str, count: u32| {
            let person = |number| Person {
                name: format!("{prefix}-{number}").parse().unwrap(),
                key: key(&format!("{number}-{prefix}")).verify_key(),
                roles: [Role::Auditor].into(),
            };
            Action::ChangePeople { after: custody.id, add: (0..count).map(person).collect(), remove: vec![] }
        };
        assert_eq!(reason(remote.handle(&custody.signed("sven", many(&"a".repeat(50), 2000))).await), "role_missing");
        let asked = custody.signed("olga", many(&"b".repeat(50), 250));
        remote.handle(&asked).await.unwrap();
        for by in ["boris", "sara"] {
            remote.handle(&custody.approval(by, &asked)).await.unwrap();
        }
        assert_eq!(remote.roster().await.unwrap().people().count(), 255);
    });
    let told = entries(&served, "people.change", "ok");
    assert!(told[0]["details"]["left_out"].as_str().unwrap().starts_with("250 "), "{told:?}");
    assert_eq!(told[0]["approvers"].as_array().unwrap().len(), 2);
    assert!(raw(&served, &get("/health"), b"").starts_with("HTTP/1.1 200 "));
}

/// P4: a stranger is stopped by his address, and takes nothing from those who are known, even at the same one.
#[test]
fn p4_strangers_are_limited_and_starve_nobody() {
    let custody = Custody::new();
    let served = plain(&custody);
    let remote = served.remote();
    let forged = custody.request("olga", Action::AddGuardian(own_guardian("x", 9))).sign(&key("mallory"));
    let (forged, limited) = (canonical::to_bytes(&forged), "HTTP/1.1 429 ");
    let post = |body: &[u8]| raw(&served, &post_head(body.len()), body);
    let first = (0..2 * BURST).find(|_| post(&forged).starts_with(limited)).unwrap();
    assert!(first >= BURST, "{first}");
    let mut told = post(&forged);
    while !told.starts_with(limited) {
        told = post(&forged);
    }
    assert!(told.contains("retry-after: 1") && told.contains("\"code\":\"rate_limited\""), "{told}");
    // All that a stranger can ask is one bucket; he is let in again a little later.
    // What somebody else signed, sent again: one entry, and he loses nothing by it.
    let replayed = custody.signed("sven", Action::RetryDelivery { set: custody::set_id(), index: 1 });
    let replayed = canonical::to_bytes(&replayed);
    assert!((0..2 * BURST).any(|_| post(&replayed).starts_with(limited)));
    let drained = || (0..2 * BURST).any(|_| raw(&served, &get("/custody/status"), b"").starts_with(limited));
    assert!(drained() && (0..2 * BURST).any(|_| post(b"{}").starts_with(limited)));
    work(async {
        let own =
            remote.handle(&custody.signed("sven", Action::RetryDelivery { set: custody::set_id(), index: 2 })).await;
        assert_eq!(reason(own), "role_missing");
        for seed in 0..20 {
            let asked = custody.signed("olga", Action::AddGuardian(own_guardian(&format!("g-{seed}"), 100 + seed)));
            remote.handle(&asked).await.unwrap();
            remote.handle(&custody.approval("sara", &asked)).await.unwrap();
        }
    });
    std::thread::sleep(std::time::Duration::from_millis(1000 / u64::from(PER_SECOND) + 10));
    assert!(raw(&served, &get("/health"), b"").starts_with("HTTP/1.1 200 "));
    std::thread::sleep(std::time::Duration::from_millis(1000 / u64::from(PER_SECOND) + 10));
    assert_eq!(entries(&served, "backup.retry", "refused").len(), 2, "one request, one entry");
}

/// Somebody who is known has a limit, too, and it is his own.
#[test]
fn p4_one_person_is_limited_and_others_go_on() {
    let custody = Custody::new();
    let served = plain(&custody);
    let retry = |name: &str| {
        canonical::to_bytes(&custody.signed(name, Action::RetryDelivery { set: custody::set_id(), index: 1 }))
    };
    let post = |body: &[u8]| raw(&served, &post_head(body.len()), body);
    assert!((0..4 * BURST).any(|_| post(&retry("sven")).starts_with("HTTP/1.1 429 ")));
    assert!(post(&retry("olga")).starts_with("HTTP/1.1 404 "), "another person");
    assert!(raw(&served, &get("/health"), b"").starts_with("HTTP/1.1 200 "), "and the address");
}

#[test]
fn p11_a_second_process_on_the_directory_is_refused() {
    let custody = Custody::new();
    let served = plain(&custody);
    let again = ["custody", "serve", "--dir", "custody", "--listen", "127.0.0.1:0", "--plain"];
    let message = custody.kit.run(&again).fails(1, "database");
    assert!(message.contains("process"), "{message}");
    assert_eq!(served.stop(), 0, "SIGTERM is an orderly end");
    let served = plain(&custody);
    assert!(work(served.remote().overview("")).is_ok(), "the lock went with the process");
}

#[test]
fn what_is_read_is_what_is_there_and_nothing_secret() {
    let custody = Custody::new();
    let guardians: Vec<_> = (1..=5_u8)
        .map(|number| {
            let own = own_guardian("x", number);
            custody::guardian(usize::from(number) - 1, own.recipient, own.signing)
        })
        .collect();
    let manifest = custody.prepare(&guardians);
    let served = plain(&custody);
    let remote = served.remote();
    work(async {
        assert_eq!(remote.charter().await.unwrap().id(), custody.id);
        assert_eq!(remote.guardians().await.unwrap().len(), 5);
        assert_eq!(remote.manifest(&custody::set_id()).await.unwrap(), Some(manifest.clone()));
        let set = remote.set(&custody::set_id()).await.unwrap().unwrap();
        assert_eq!((set.set.total, set.set.threshold, set.set.recoverable), (5, 3, false));
        assert_eq!(set.placement.unwrap().survives_shares, 2);
        assert_eq!(remote.overview("wallet-1/").await.unwrap().sets.len(), 1);
        assert!(remote.overview("wallet-2/").await.unwrap().sets.is_empty());
        assert!(remote.set(&"wallet-1/server-proxy-1/2".parse().unwrap()).await.unwrap().is_none());
        let asked = custody.open_recovery(&manifest);
        remote.handle(&asked).await.unwrap();
        assert_eq!(remote.waiting().await.unwrap()[0].content, asked.request);
        for by in ["boris", "sara"] {
            remote.handle(&custody.approval(by, &asked)).await.unwrap();
        }
        // Whoever pins the custody's identity can check the session without trusting the service.
        let bundle = remote.bundle(&asked.request.hash()).await.unwrap().unwrap();
        assert!(bundle.check(&custody.id, now_ms()).is_ok());
        assert!(remote.bundle(&custody.id).await.unwrap().is_none());
    });
    for (path, status) in [
        ("/health", "200"),
        ("/openapi.json", "200"),
        ("/metrics", "200"),
        ("/audit/checkpoint", "200"),
        ("/audit/tile/0/000.p/3", "200"),
        ("/audit/tile/entries/000.p/2", "200"),
        ("/audit/tile/0/000", "404"),
        ("/audit/tile/0/../../service.key", "404"),
        ("/custody/sets/a/b/x", "400"),
        ("/custody/sets/A/b/1", "400"),
        ("/custody/status?prefix=..", "400"),
        ("/custody/sessions/zz", "400"),
        ("/custody/envelopes", "404"),
    ] {
        let answer = raw(&served, &get(path), b"");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    // A tile is the hashes of the entries (RFC 6962: SHA-256 of a zero byte and the entry).
    let hashes: Vec<u8> =
        log(&served).iter().take(3).flat_map(|entry| Sha256::digest([b"\0", entry.as_bytes()].concat())).collect();
    assert!(raw_bytes(&served, &get("/audit/tile/0/000.p/3"), b"").ends_with(&hashes));
    let bad = raw(&served, &post_head(9), b"{\"a\" : 1}");
    assert!(bad.starts_with("HTTP/1.1 400 ") && bad.contains("\"reason\":\"request_malformed\""), "{bad}");
    let huge = raw(&served, &post_head(5 << 20), b"");
    assert!(huge.starts_with("HTTP/1.1 413 "), "{huge}");
}

#[test]
fn p7_tls_is_needed_off_this_machine_and_the_server_is_pinned() {
    tls::install_provider();
    let custody = Custody::new();
    let open = ["custody", "serve", "--dir", "custody", "--listen", "0.0.0.0:0", "--plain"];
    custody.kit.run(&open).fails(2, "usage");
    let served = custody.serve(&[]);
    let file = custody.kit.folder.path().join(served.said["certificate"].as_str().unwrap());
    let own = tls::read_certificate(&file).unwrap();
    let remote = Remote::new(served.url(), Some(own.clone())).unwrap();
    assert_eq!(work(remote.charter()).unwrap().id(), custody.id);
    let mut other = own;
    *other.last_mut().unwrap() ^= 1;
    let remote = Remote::new(served.url(), Some(other)).unwrap();
    assert!(matches!(work(remote.charter()), Err(Error::Tls { .. })));
}

mod grpc {
    use std::env;
    use std::path::PathBuf;
    use std::process::Command;

    use quorumkeep_custody::guardian::Recipient;
    use quorumkeep_custody::keys::VerifyKey;
    use serde_json::json;

    use super::*;
    use crate::custody::{GUARDIANS, guardian};

    /// The Python that has gRPC; None if there is none and it is not required.
    fn python() -> Option<PathBuf> {
        let python = env::var_os("QUORUMKEEP_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
        let found = Command::new(&python).args(["-c", "import grpc_tools, grpc, cryptography"]).output();
        let found = found.is_ok_and(|run| run.status.success());
        let required = env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() == Ok("1");
        assert!(found || !required, "gRPC for Python is required and absent");
        if !found {
            eprintln!("skipped: there is no Python with grpcio-tools and cryptography here");
        }
        found.then_some(python)
    }

    /// Was the program built with gRPC? Without it, it says so before it looks at the directory.
    fn is_built(custody: &Custody) -> bool {
        let serve = ["custody", "serve", "--dir", "nothing", "--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
        let answer = custody.kit.run(&serve);
        let built = answer.json["error"]["code"] != "usage";
        assert!(built || env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() != Ok("1"), "gRPC is required and not built in");
        if !built {
            eprintln!("skipped: the program was built without gRPC");
            assert!(answer.fails(2, "usage").contains("--features grpc"));
        }
        built
    }

    fn script(python: &Path, arguments: &[&str]) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/custody/infra_v1.py");
        let run = Command::new(python).arg(file).args(arguments).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn infra_v1_is_served_to_a_client_that_shares_no_code() {
        let Some(python) = python() else { return };
        let custody = Custody::new();
        if !is_built(&custody) {
            return;
        }
        let (folder, clients) = (custody.kit.path("clients"), custody.dir().join("clients"));
        std::fs::create_dir(&folder).unwrap();
        quorumkeep_store::files::private_directory(&clients).unwrap();
        let (folder, clients) = (folder.to_str().unwrap(), clients.to_str().unwrap());
        let names: Vec<&str> = GUARDIANS.iter().map(|(name, ..)| *name).chain(["watcher", "unregistered"]).collect();
        let made = script(&python, &[&["keys", folder, clients], &names[..]].concat());
        let made: Vec<Value> = serde_json::from_str(&made).unwrap();
        let registered = made.iter().take(5).enumerate().map(|(at, public)| {
            let recipient: Recipient = public["recipient"].as_str().unwrap().parse().unwrap();
            guardian(at, recipient, VerifyKey(public["signing"].as_str().unwrap().parse().unwrap()))
        });
        let manifest = custody.prepare(&registered.collect::<Vec<_>>());
        let served = custody.serve(&["--plain", "--grpc", "127.0.0.1:0"]);
        let config = json!({
            "grpc": served.said["grpc"], "certificate": custody.dir().join("server.pem"), "clients": clients,
            "protos": Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/proto"),
            "custody": custody.id, "service": custody.service, "manifest": manifest,
        });
        let file = custody.kit.path("config.json");
        std::fs::write(&file, config.to_string()).unwrap();
        assert_eq!(script(&python, &["deliver", folder, file.to_str().unwrap()]), "ok");
        assert_eq!(entries(&served, "backup.confirm", "ok").len(), 6, "three receipts, each sent twice");

        let asked = custody.open_recovery(&manifest);
        let remote = served.remote();
        work(async {
            remote.handle(&asked).await.unwrap();
            for by in ["boris", "sara"] {
                remote.handle(&custody.approval(by, &asked)).await.unwrap();
            }
        });
        assert_eq!(script(&python, &["recover", folder, file.to_str().unwrap()]), "ok");
        let session = asked.request.hash();
        work(async {
            let bundle = remote.bundle(&session).await.unwrap().unwrap();
            assert_eq!(bundle.session.count(), 3);
            let sealed = |submission: &Submission| !submission.sealed.0.is_empty();
            assert!(!bundle.session.submissions.iter().any(sealed), "those are for the process alone");
            let taken = remote.handle(&custody.collect(session)).await.unwrap();
            assert!(
                matches!(taken, Answer::Shares(shares) if shares.iter().filter(|share| sealed(share)).count() == 3)
            );
            // The process recognises the secret, and two people let it hand it over.
            let found = custody.findings(session);
            remote.handle(&found).await.unwrap();
            let Action::Report(findings) = found.request.action else { panic!() };
            let commit = custody.signed("olga", Action::CommitRecovery { findings });
            remote.handle(&commit).await.unwrap();
            remote.handle(&custody.approval("sara", &commit)).await.unwrap();
            assert_eq!(script(&python, &["committed", folder, file.to_str().unwrap(), "no"]), "ok");
            remote.handle(&custody.approval("boris", &commit)).await.unwrap();
        });
        assert_eq!(script(&python, &["committed", folder, file.to_str().unwrap(), "yes"]), "ok");
        assert_eq!(script(&python, &["flood", folder, file.to_str().unwrap()]), "ok");
        let log = std::fs::read_to_string(custody.kit.path("log")).unwrap();
        assert!(!log.contains("panic"), "{log}");
        assert_eq!(served.stop(), 0);
    }
}
