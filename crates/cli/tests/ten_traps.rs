//! Disasters with real processes: the stand-in of a network and of gateways. Each trap of upstream has a test in which a
//! restore without guard falls in, and what shows that it did.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "kit/backup_key.rs"]
mod backup_key;
mod kit;
#[path = "kit/stand_in.rs"]
mod stand_in;

use std::path::Path;

use backup_key::{BackupKey, rpc_key_of};
use quorumkeep_ten::capture;
use quorumkeep_ten::check::{self, Code, Level};
use quorumkeep_ten::secret::RpcKey;
use quorumkeep_ten::source::{Client, Error, Limits, Node};
use stand_in::{Running, flag, start};
use tempfile::TempDir;

/// A network: what its nodes published, and the backup key that they are configured with.
struct Network {
    dir: TempDir,
    key: BackupKey,
}

impl Network {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), key: BackupKey::new(1) }
    }

    /// Starts a node with a database of that name.
    fn node(&self, database: &str, genesis: bool, secret: &str) -> Running {
        self.node_with(database, genesis, &[("ENCLAVE_SHAREDSECRET", secret)])
    }

    fn node_with(&self, database: &str, genesis: bool, more: &[(&str, &str)]) -> Running {
        let public = self.key.public();
        let mut flags = vec![flag("db", self.dir.path().join(database)), flag("da", self.dir.path().join("da"))];
        flags.extend(genesis.then(|| "-genesis".to_owned()));
        let mut environment = vec![("ENCLAVE_BACKUPENCRYPTIONKEY", public.as_str())];
        environment.extend_from_slice(more);
        start("node", &flags, &environment).unwrap()
    }

    /// The secret as a backup gives it.
    async fn recovered(&self, node: &Running) -> [u8; 32] {
        self.key.open(&node.node().backup_shared_secret().await.unwrap()).unwrap()
    }
}

async fn verdict(node: &Running, pinned: &RpcKey) -> Code {
    check::rpc_key("node", &node.node().rpc_key().await.unwrap(), Some(pinned)).code
}

#[tokio::test]
async fn a_network_is_lost_and_brought_back() {
    let network = Network::new();
    let sequencer = network.node("sequencer", true, "");
    let (first, second) =
        (sequencer.node().backup_shared_secret().await, sequencer.node().backup_shared_secret().await);
    assert_ne!(first.unwrap(), second.unwrap(), "every backup has fresh randomness");
    let (secret, pinned) = (network.recovered(&sequencer).await, sequencer.node().rpc_key().await.unwrap());
    assert_eq!(rpc_key_of(&secret), pinned);
    drop(sequencer);
    let digits = hex::encode(secret);
    for restored in [&digits, &digits.to_uppercase()] {
        let node = network.node("new", false, restored);
        assert_eq!(verdict(&node, &pinned).await, Code::RpcKeyPinned);
        assert!(node.is_healthy().await, "it reads what the network published before");
        assert_eq!(network.recovered(&node).await, secret);
    }
    let without = network.node("new", false, "");
    assert_eq!(
        without.node().rpc_key().await.unwrap_err().code(),
        "node_refused",
        "the variable must stay: it is not stored"
    );
}

#[tokio::test]
async fn a_node_says_the_same_over_a_websocket() {
    let network = Network::new();
    let running = network.node("sequencer", true, "");
    let socket = Node::new(stand_in::client(), running.endpoint("ws"));
    assert_eq!(socket.rpc_key().await.unwrap(), running.node().rpc_key().await.unwrap());
    let ciphertext = socket.backup_shared_secret().await.unwrap();
    assert_eq!(network.key.open(&ciphertext), Some(network.recovered(&running).await));
    let small = Client::new(None, Limits { body_bytes: 100, ..Limits::default() });
    let error = Node::new(small, running.endpoint("ws")).backup_shared_secret().await.unwrap_err();
    assert_eq!(error.code(), "answer_too_large");
    let elsewhere = running.endpoint("ws").with_path("/nothing");
    assert!(matches!(Node::new(stand_in::client(), elsewhere).rpc_key().await, Err(Error::Status { status: 404, .. })));
}

#[tokio::test]
async fn refusals_of_a_node_are_named() {
    let dir = TempDir::new().unwrap();
    let genesis = [flag("db", dir.path()), "-genesis".to_owned()];
    let good = BackupKey::new(1).public();
    for (key, code) in [
        (String::new(), "backup_key_missing"),
        (format!("0x{good}"), "backup_key_format"),
        (good[..40].to_owned(), "backup_key_invalid"),
        ("05".repeat(33), "backup_key_invalid"),
    ] {
        for scheme in ["http", "ws"] {
            let running = start("node", &genesis, &[("ENCLAVE_BACKUPENCRYPTIONKEY", key.as_str())]).unwrap();
            let node = Node::new(stand_in::client(), running.endpoint(scheme));
            assert_eq!(node.backup_shared_secret().await.unwrap_err().code(), code, "{scheme} {key}");
        }
    }
    let waiting =
        start("node", &[flag("db", dir.path().join("new"))], &[("ENCLAVE_BACKUPENCRYPTIONKEY", good.as_str())])
            .unwrap();
    let error = waiting.node().backup_shared_secret().await.unwrap_err();
    assert!(error.code() == "node_without_secret" && error.is_temporary(), "{error}");
}

/// T1: a secret that is no 64 digits is taken without a word.
#[tokio::test]
async fn trap_1_a_prefix_makes_the_secret_zero() {
    let network = Network::new();
    let sequencer = network.node("sequencer", true, "");
    let (secret, pinned) = (network.recovered(&sequencer).await, sequencer.node().rpc_key().await.unwrap());
    let digits = hex::encode(secret);
    for (text, code) in [
        (format!("0x{digits}"), Code::SecretZero),
        ("zz".to_owned(), Code::SecretZero),
        (digits[..62].to_owned(), Code::RpcKeyOther),
        (format!("{}x{}", &digits[..31], &digits[32..]), Code::RpcKeyOther),
        (format!("\"{digits}\""), Code::SecretZero),
    ] {
        let node = network.node("new", false, &text);
        assert_eq!(verdict(&node, &pinned).await, code, "{} characters", text.len());
        assert!(!node.is_healthy().await);
    }
    let zero = network.node("new", false, &format!("0x{digits}"));
    assert_eq!(network.recovered(&zero).await, [0; 32], "and its backups are backups of nothing");
    let refused = capture::network_secret(&zero.node(), None).await.unwrap_err();
    assert_eq!(refused.code(), "zero_secret", "ours keeps no such backup, pinned or not");
}

/// T2: a database that has a secret beats the configured one.
#[tokio::test]
async fn trap_2_a_database_beats_the_configuration() {
    let network = Network::new();
    let sequencer = network.node("sequencer", true, "");
    let (secret, pinned) = (network.recovered(&sequencer).await, sequencer.node().rpc_key().await.unwrap());
    drop(network.node("poisoned", true, ""));
    let node = network.node("poisoned", false, &hex::encode(secret));
    assert_eq!(verdict(&node, &pinned).await, Code::RpcKeyOther);
    assert!(!node.is_healthy().await);
    let emptied = network.node("emptied", false, &hex::encode(secret));
    assert_eq!(verdict(&emptied, &pinned).await, Code::RpcKeyPinned);
}

/// T3: a genesis sequencer with an empty database and no configured secret makes and stores a new one.
#[tokio::test]
async fn trap_3_a_genesis_sequencer_invents_a_secret() {
    let network = Network::new();
    let sequencer = network.node("sequencer", true, "");
    let (secret, pinned) = (network.recovered(&sequencer).await, sequencer.node().rpc_key().await.unwrap());
    drop(sequencer);
    let too_early = network.node("restored", true, "");
    assert_eq!(verdict(&too_early, &pinned).await, Code::RpcKeyOther);
    drop(too_early);
    let too_late = network.node("restored", true, &hex::encode(secret));
    assert_eq!(verdict(&too_late, &pinned).await, Code::RpcKeyOther, "the invented one is stored");
    let in_time = network.node("fresh", true, &hex::encode(secret));
    assert_eq!(verdict(&in_time, &pinned).await, Code::RpcKeyPinned);
}

/// T4: the enclave writes its configuration to the log.
#[tokio::test]
async fn trap_4_the_secret_is_in_the_log() {
    let network = Network::new();
    let digits = "5a".repeat(32);
    let logged = |level: &str| {
        let node = network.node_with("new", false, &[("ENCLAVE_SHAREDSECRET", &digits), ("ENCLAVE_LOG_LEVEL", level)]);
        node.log.iter().any(|line| line.contains(&digits))
    };
    assert!(logged("3"));
    assert!(!logged("1"));
}

/// A gateway with its volume and its documents.
fn gateway(dir: &Path, name: &str, more: &[String]) -> Result<Running, String> {
    let mut flags = vec![flag("data", dir.join(name)), flag("cosmos", dir.join("cosmos"))];
    flags.extend(["-insideEnclave", "-dbType=cosmosDB"].map(str::to_owned));
    flags.extend_from_slice(more);
    start("gateway", &flags, &[])
}

fn source(text: &str) -> String {
    format!("-encryptionKeySource={text}")
}

/// T5: the flag is in the log and in the list of processes; and a sealed file beats it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn trap_5_the_flag_of_a_gateway_is_seen_and_a_sealed_file_beats_it() {
    let dir = TempDir::new().unwrap();
    let (digits, key) = ("5a".repeat(32), BackupKey::new(2));
    let backup = format!("-backupEncryptionKey=0x{}", key.public());
    let restored = gateway(dir.path(), "new", &[source(&format!("hex:{digits}")), backup.clone()]).unwrap();
    assert!(restored.log.iter().any(|line| line.contains(&digits)));
    assert!(restored.command_line().contains(&digits));
    drop(restored);
    let quiet = gateway(dir.path(), "new", &[source(""), backup.clone()]).unwrap();
    assert!(!quiet.log.iter().any(|line| line.contains(&digits)) && !quiet.command_line().contains(&digits));
    let ciphertext = quiet.gateway().backup_encryption_key().await.unwrap();
    assert_eq!(key.open(&ciphertext), Some([0x5a; 32]), "it is sealed: the flag is needed once");

    drop(gateway(dir.path(), "used", &[source("new")]).unwrap());
    let beaten = gateway(dir.path(), "used", &[source(&format!("hex:{digits}")), backup]).unwrap();
    let ciphertext = beaten.gateway().backup_encryption_key().await.unwrap();
    assert_ne!(key.open(&ciphertext), Some([0x5a; 32]), "the sealed key of the first start is used");
}

/// T6: whoever knows the public backup key can serve a secret of his own.
#[tokio::test]
async fn trap_6_somebody_in_between_serves_his_own_secret() {
    let network = Network::new();
    let honest = network.node("sequencer", true, "");
    let pinned = honest.node().rpc_key().await.unwrap();
    let liar = network.node("liar", true, "");
    let opened = network.recovered(&liar).await;
    assert_eq!(rpc_key_of(&opened), liar.node().rpc_key().await.unwrap(), "all that it says fits together");
    assert_eq!(verdict(&liar, &pinned).await, Code::RpcKeyOther);
    let refused = capture::network_secret(&liar.node(), Some(&pinned)).await.unwrap_err();
    assert_eq!(refused.code(), "rpc_key_differs", "ours keeps nothing of it");
    let unpinned = capture::network_secret(&liar.node(), None).await.unwrap();
    assert_eq!(unpinned.finding.unwrap().code, Code::RpcKeyUnpinned, "without a pin nobody can tell");
    assert_eq!(capture::network_secret(&honest.node(), Some(&pinned)).await.unwrap().rpc_key, Some(pinned));
    // The right RPC key beside another ciphertext is seen when it is opened.
    let forged = network.key.open(&network.key.seal(&[7; 32])).unwrap();
    assert_eq!(check::rpc_key("backup", &rpc_key_of(&forged), Some(&pinned)).level, Level::Alarm);
}

#[tokio::test]
async fn gateways_are_lost_and_brought_back_each_with_its_own_key() {
    let dir = TempDir::new().unwrap();
    let keys = [BackupKey::new(11), BackupKey::new(12), BackupKey::new(13)];
    let name = |index: usize| format!("gw-{index}");
    let backup = |key: &BackupKey| format!("-backupEncryptionKey={}", key.public());
    let mut secrets = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let running = gateway(dir.path(), &name(index), &[source("new"), backup(key)]).unwrap();
        running.write_document(&name(index), "session").await;
        let ciphertext = running.gateway().backup_encryption_key().await.unwrap();
        keys.iter().enumerate().for_each(|(other, key)| {
            assert_eq!(key.open(&ciphertext).is_some(), other == index, "a backup opens with its own key only");
        });
        secrets.push(key.open(&ciphertext).unwrap());
    }
    for (index, secret) in secrets.iter().enumerate() {
        // Another machine: what was sealed on the old one opens no more.
        let digits = hex::encode(secret);
        for form in [format!("hex:{digits}"), format!("hex:0x{digits}")] {
            let restored = gateway(dir.path(), &name(index), &[source(&form), "-machine=new".to_owned()]).unwrap();
            for user in 0..secrets.len() {
                let document = restored.document(&name(user)).await;
                assert_eq!(document.is_some(), user == index, "a gateway reads its own documents only");
            }
        }
    }
}

#[tokio::test]
async fn a_gateway_with_the_wrong_key_loses_documents_without_a_word() {
    let dir = TempDir::new().unwrap();
    let first = gateway(dir.path(), "gw", &[source("new")]).unwrap();
    first.write_document("anna", "session").await;
    assert_eq!(first.document("anna").await.as_deref(), Some("session"));
    drop(first);
    let moved = gateway(dir.path(), "fresh-volume", &[source("new")]).unwrap();
    assert_eq!(moved.document("anna").await, None, "new on a fresh volume is a new key");
    let nothing = gateway(dir.path(), "other-volume", &[source("")]).err().unwrap();
    assert!(nothing.contains("no sealed encryption key"), "{nothing}");
    for bad in ["hex:", "hex:00", "hex:0X00", &format!("hex:{}", "5a".repeat(33)), "http://gw.example"] {
        assert!(gateway(dir.path(), "other-volume", &[source(bad)]).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn refusals_of_a_gateway_are_named_although_the_status_is_200() {
    let dir = TempDir::new().unwrap();
    let key = BackupKey::new(1).public();
    for (more, code) in [
        (vec![], "backup_key_missing"),
        (vec![format!("-backupEncryptionKey={key}0")], "backup_key_format"),
        (vec![format!("-backupEncryptionKey={}", &key[..40])], "backup_key_invalid"),
        (vec![format!("-backupEncryptionKey={key}"), "-dbType=sqlite".to_owned()], "gateway_without_key"),
    ] {
        let running = gateway(dir.path(), "gw", &[vec![source("new")], more].concat()).unwrap();
        assert_eq!(running.gateway().backup_encryption_key().await.unwrap_err().code(), code);
        let plain = stand_in::client().get(running.gateway().at()).await.unwrap();
        assert!(!plain.is_empty(), "the status is 200");
    }
}
