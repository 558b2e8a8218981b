//! Artefacts of this crate given to real processes of the stand-in: each form brings the right secret back, and each trap of
//! upstream is refused before there is an artefact. ten_traps.rs shows what happens without.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "kit/backup_key.rs"]
mod backup_key;
mod kit;
#[path = "kit/stand_in.rs"]
mod stand_in;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use backup_key::BackupKey;
use quorumkeep_ten::artefact::{Artefact, Error, Recognise, Restored};
use quorumkeep_ten::capture;
use quorumkeep_ten::ciphertext::NotOpened;
use quorumkeep_ten::key::BackupKey as Opener;
use quorumkeep_ten::preflight::{self, Level};
use quorumkeep_ten::secret::{NotASecret, RpcKey, Secret};
use quorumkeep_ten::source::Node;
use stand_in::{Running, flag, start};
use tempfile::TempDir;

const KEY: u8 = 1;

/// A lost network: where its volumes are, its secret as its backup gives it, its RPC key as it was pinned before.
struct Lost {
    dir: TempDir,
    secret: Secret,
    pinned: RpcKey,
}

async fn taken(node: &Running, pinned: Option<&RpcKey>) -> Result<(Secret, RpcKey), capture::Error> {
    let capture = capture::network_secret(&node.node(), pinned).await?;
    let secret = capture.ciphertext.open(&Opener::from_bytes(&[KEY; 32]).unwrap()).unwrap();
    Ok((secret, capture.rpc_key.unwrap()))
}

fn node(dir: &Path, database: &str, genesis: bool, environment: &[(&str, &str)]) -> Running {
    let public = BackupKey::new(KEY).public();
    let mut flags = vec![flag("db", dir.join(database)), flag("da", dir.join("da"))];
    flags.extend(genesis.then(|| "-genesis".to_owned()));
    // The level of a deployment that shows everything; what a restore sets comes after it.
    let usual = [("ENCLAVE_BACKUPENCRYPTIONKEY", public.as_str()), ("ENCLAVE_LOG_LEVEL", "3")];
    start("node", &flags, &[&usual[..], environment].concat()).unwrap()
}

async fn lost() -> Lost {
    let dir = TempDir::new().unwrap();
    let sequencer = node(dir.path(), "lost", true, &[]);
    let (secret, pinned) = taken(&sequencer, None).await.unwrap();
    Lost { dir, secret, pinned }
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.expose()).unwrap()
}

/// What a deployment makes of an artefact: the variables of the enclave. Charts name them as the configuration does.
fn variables(artefact: &Artefact) -> Vec<(&'static str, String)> {
    let names = [
        ("ENCLAVE_SHAREDSECRET=", "ENCLAVE_SHAREDSECRET"),
        ("ENCLAVE_SHAREDSECRET: ", "ENCLAVE_SHAREDSECRET"),
        ("sharedSecret: ", "ENCLAVE_SHAREDSECRET"),
        ("ENCLAVE_LOG_LEVEL=", "ENCLAVE_LOG_LEVEL"),
        ("ENCLAVE_LOG_LEVEL: ", "ENCLAVE_LOG_LEVEL"),
        ("level: ", "ENCLAVE_LOG_LEVEL"),
    ];
    settings(artefact, &names)
}

/// The flags of a gateway.
fn flags(artefact: &Artefact) -> Vec<String> {
    let names = [
        ("-encryptionKeySource=", "encryptionKeySource"),
        ("ENCRYPTION_KEY_SOURCE: ", "encryptionKeySource"),
        ("encryptionKeySource: ", "encryptionKeySource"),
        ("-logLevel=", "logLevel"),
        ("LOG_LEVEL: ", "logLevel"),
        ("logLevel: ", "logLevel"),
    ];
    settings(artefact, &names).into_iter().map(|(name, value)| format!("-{name}={value}")).collect()
}

fn settings(artefact: &Artefact, names: &[(&str, &'static str)]) -> Vec<(&'static str, String)> {
    let value = |line: &str| {
        let line = line.trim();
        let (_, rest, name) = names.iter().find_map(|(start, name)| Some((start, line.strip_prefix(start)?, *name)))?;
        Some((name, rest.trim_matches('"').to_owned()))
    };
    let found: Vec<_> = artefact.text.lines().filter_map(value).collect();
    assert_eq!(found.len(), 2, "{}: the secret and the level", artefact.file);
    found
}

/// T1, T3, T4: every artefact, on a validator and on a genesis sequencer, at its first start.
#[tokio::test]
async fn every_artefact_brings_the_network_back() {
    let lost = lost().await;
    let digits = hex::encode(lost.secret.expose());
    let artefacts = Restored::network(copy(&lost.secret), lost.pinned).unwrap().artefacts("ten").unwrap();
    assert_eq!(artefacts.len(), 3);
    for artefact in &artefacts {
        let variables = variables(artefact);
        let environment: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for genesis in [false, true] {
            let restored = node(lost.dir.path(), "new", genesis, &environment);
            let answers = restored.node().rpc_key().await.unwrap();
            assert_eq!(preflight::after(&answers, &lost.pinned).code, "restored", "T1, T3: {}", artefact.file);
            assert!(restored.is_healthy().await, "it reads what the network published before");
            assert!(!restored.log.join("\n").contains(&digits), "T4: {}", artefact.file);
        }
    }
    assert!(!lost.dir.path().join("new").exists(), "T3: no secret was invented and stored");
}

/// T1: what is no secret is none, long before a node could read it as zeros.
#[tokio::test]
async fn trap_1_what_is_no_secret_has_no_artefact() {
    let opener = Opener::from_bytes(&[KEY; 32]).unwrap();
    let zero = BackupKey::new(KEY).seal(&[0; 32]);
    assert_eq!(zero.open(&opener).err(), Some(NotOpened::Secret(NotASecret::Zero)));
    let dir = TempDir::new().unwrap();
    for text in ["0x", "zz", &format!("0x{}", "5a".repeat(32))] {
        let zeros = node(dir.path(), "zero", false, &[("ENCLAVE_SHAREDSECRET", text)]);
        assert_eq!(taken(&zeros, None).await.err().unwrap().code(), "zero_secret");
        let read = zeros.node().rpc_key().await.unwrap();
        assert_eq!(Restored::network(Secret::new(&[7; 32]).unwrap(), read).err(), Some(Error::ExpectedZero));
        assert_eq!(preflight::after(&read, &read).code, "zero_secret");
    }
}

/// T2, T3: what is on the volume is looked at, and refused before the secret is opened.
#[tokio::test]
async fn trap_2_and_3_a_volume_that_was_used_is_refused() {
    let lost = lost().await;
    let too_early = node(lost.dir.path(), "early", true, &[]);
    let answers = too_early.node().rpc_key().await.unwrap();
    assert_eq!(preflight::after(&answers, &lost.pinned).code, "other_secret", "seen after a restart without a look");
    let look = |volume: &str, answers: Option<RpcKey>| {
        let volume = lost.dir.path().join(volume);
        let answers =
            answers.map(|key| ("http://node".to_owned(), preflight::Answers::Node(key))).into_iter().collect();
        let database_empty = fs::read_dir(volume).map_or(Some(true), |mut entries| Some(entries.next().is_none()));
        preflight::node(&preflight::Node { database_empty, answers, ..preflight::Node::default() }, &lost.pinned)
    };
    let refused = |findings: &[preflight::Finding]| preflight::refusal(findings).map(|finding| finding.code);
    assert_eq!(refused(&look("early", None)), Some("database_not_empty"));
    assert_eq!(refused(&look("new", Some(answers))), Some("still_running"));
    drop(too_early);
    fs::remove_dir_all(lost.dir.path().join("early")).unwrap();
    assert_eq!(refused(&look("early", None)), None);
    let digits = hex::encode(lost.secret.expose());
    let restored = node(lost.dir.path(), "early", true, &[("ENCLAVE_SHAREDSECRET", &digits)]);
    assert_eq!(preflight::after(&restored.node().rpc_key().await.unwrap(), &lost.pinned).level, Level::Ok);
}

/// T6: neither a backup nor an artefact is made of what a liar serves.
#[tokio::test]
async fn trap_6_the_secret_of_a_liar_has_no_artefact() {
    let lost = lost().await;
    let liar = node(lost.dir.path(), "liar", true, &[]);
    assert_eq!(taken(&liar, Some(&lost.pinned)).await.err().unwrap().code(), "rpc_key_differs");
    let (secret, found) = taken(&liar, None).await.unwrap();
    let refused = Restored::network(secret, lost.pinned).err();
    assert_eq!(refused, Some(Error::RpcKey { found, expected: lost.pinned }));
}

/// Answers for a node with the right RPC key, and with a ciphertext of a secret of its own.
fn relay(rpc_key: RpcKey, own: &str) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (key, own) = (rpc_key.to_string(), own.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), Vec::new());
            while !request.ends_with(b"}") {
                let mut part = [0; 1024];
                let count = stream.read(&mut part).unwrap();
                assert!(count > 0, "the question is whole");
                request.extend_from_slice(&part[..count]);
            }
            let result = if String::from_utf8_lossy(&request).contains("ten_rpcKey") { &key } else { &own };
            let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    Node::new(stand_in::client(), at)
}

/// T6: a relay is not seen when the backup is made, and its secret has no artefact.
#[tokio::test]
async fn trap_6_a_relay_with_the_right_rpc_key_is_seen_when_the_backup_is_opened() {
    let lost = lost().await;
    let own = BackupKey::new(KEY).seal(&[7; 32]);
    let capture = capture::network_secret(&relay(lost.pinned, &own.to_string()), Some(&lost.pinned)).await.unwrap();
    assert_eq!((capture.rpc_key, &capture.ciphertext), (Some(lost.pinned), &own));
    let secret = capture.ciphertext.open(&Opener::from_bytes(&[KEY; 32]).unwrap()).unwrap();
    assert!(matches!(Restored::network(secret, lost.pinned).err(), Some(Error::RpcKey { .. })));
}

/// A gateway within an enclave; its volume belongs to a machine.
fn gateway(dir: &Path, volume: &str, more: &[String]) -> Running {
    let fixed = ["-insideEnclave", "-dbType=cosmosDB"].map(str::to_owned);
    let folders = [flag("data", dir.join(volume)), flag("cosmos", dir.join("cosmos"))];
    start("gateway", &[&fixed[..], &folders, more].concat(), &[]).unwrap()
}

fn data(dir: &Path, known: &[String]) -> String {
    let files =
        fs::read_dir(dir.join("cosmos")).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let mut new = files.filter_map(|text| {
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        Some(document["data"].as_str().unwrap().to_owned()).filter(|data| !known.contains(data))
    });
    new.next().unwrap()
}

/// T5 and the sealed key: every artefact, and no document of another gateway.
#[tokio::test]
async fn trap_5_every_artefact_brings_a_gateway_back_and_shows_its_key_to_no_log() {
    let dir = TempDir::new().unwrap();
    let opener = |seed: u8| Opener::from_bytes(&[seed; 32]).unwrap();
    let (mut secrets, mut documents) = (Vec::new(), Vec::new());
    for seed in [11, 12] {
        let more = ["-encryptionKeySource=new".to_owned(), opener(seed).public().gateway_setting()];
        let running = gateway(dir.path(), &format!("gw-{seed}"), &more);
        running.write_document(&format!("user-{seed}"), "session").await;
        documents.push(data(dir.path(), &documents));
        let capture = capture::gateway_key(&running.gateway()).await.unwrap();
        let other = capture.ciphertext.open(&opener(23 - seed)).err();
        assert_eq!(other, Some(NotOpened::Key), "the backup key of another gateway");
        secrets.push(capture.ciphertext.open(&opener(seed)).unwrap());
    }
    let foreign = Recognise::Document(documents[1].clone());
    assert_eq!(Restored::gateway(copy(&secrets[0]), &foreign).err(), Some(Error::Document));
    let sealed = |volume: &str| {
        let sealed_key_absent = Some(!dir.path().join(volume).join("encryption-key.json").exists());
        preflight::refusal(&preflight::gateway(&preflight::Gateway { sealed_key_absent })).map(|finding| finding.code)
    };
    assert_eq!(sealed("gw-11"), Some("sealed_key_present"));
    for (index, secret) in secrets.iter().enumerate() {
        let own = Recognise::Document(documents[index].clone());
        let digits = hex::encode(secret.expose());
        for artefact in Restored::gateway(copy(secret), &own).unwrap().artefacts("gw").unwrap() {
            let volume = format!("new-{index}-{}", artefact.file);
            assert_eq!(sealed(&volume), None);
            let restored = gateway(dir.path(), &volume, &flags(&artefact));
            assert!(!restored.log.join("\n").contains(&digits), "{}", artefact.file);
            assert_eq!(restored.document(&format!("user-{}", 11 + index)).await.as_deref(), Some("session"));
            assert_eq!(restored.document(&format!("user-{}", 12 - index)).await, None);
            drop(restored);
            let after = gateway(dir.path(), &volume, &["-encryptionKeySource=".to_owned()]);
            assert_eq!(after.document(&format!("user-{}", 11 + index)).await.as_deref(), Some("session"));
        }
    }
}
