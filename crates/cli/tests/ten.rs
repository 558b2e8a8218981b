//! `quorumkeep ten` as operators use it: keys, decryption, recovery, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use kit::{Answer, Kit};
use quorumkeep_custody::keys::SignKey;
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::container::{Backup, Origin};
use quorumkeep_ten::key::{BackupKey, BackupPublicKey};
use quorumkeep_ten::secret::{NetworkSecret, RpcKey, Secret};
use rand_core::OsRng;
use serde_json::Value;
use zeroize::Zeroizing;

const KEY: [u8; 32] = [0x11; 32];
const SECRET: [u8; 32] = [0x5a; 32];

fn public(key: [u8; 32]) -> BackupPublicKey {
    BackupKey::from_bytes(&key).unwrap().public()
}

fn sealed(to: &BackupPublicKey, secret: [u8; 32]) -> Ciphertext {
    Ciphertext::seal(to, &Secret::new(&secret).unwrap(), &mut OsRng).unwrap()
}

fn rpc_key(secret: [u8; 32]) -> RpcKey {
    NetworkSecret::new(Secret::new(&secret).unwrap()).rpc_key().unwrap()
}

fn mode(kit: &Kit, name: &str) -> u32 {
    fs::metadata(kit.path(name)).unwrap().permissions().mode() & 0o777
}

fn decrypt(kit: &Kit, key: &str, input: &str) -> Answer {
    kit.run(&["ten", "decrypt", "--key-file", key, "--in", input, "--out", "out"])
}

/// Neither the secret nor anything else in `secrets` is in an answer.
fn silent(answer: &Answer, secrets: &[&str]) {
    for secret in secrets {
        assert!(!answer.json.to_string().contains(secret) && !answer.stderr.contains(secret));
    }
}

#[test]
fn decrypt_writes_exactly_the_32_bytes_for_every_form_of_key_and_ciphertext() {
    let kit = Kit::new();
    let hex = hex::encode(KEY);
    fs::write(kit.path("hex"), &hex).unwrap();
    fs::write(kit.path("0x"), format!("0x{hex}\n")).unwrap();
    let text = sealed(&public(KEY), SECRET).to_string();
    fs::write(kit.path("with"), format!("{text}\n")).unwrap();
    fs::write(kit.path("without"), &text[2..]).unwrap();
    fs::write(kit.path("raw"), hex::decode(&text[2..]).unwrap()).unwrap();
    for key in ["hex", "0x"] {
        for input in ["with", "without", "raw"] {
            let answer = decrypt(&kit, key, input);
            silent(&answer, &[&hex::encode(SECRET), &hex]);
            assert_eq!(answer.ok()["bytes"], 32);
            assert_eq!(fs::read(kit.path("out")).unwrap(), SECRET);
            assert_eq!(mode(&kit, "out"), 0o600);
            fs::remove_file(kit.path("out")).unwrap();
        }
    }
}

#[test]
fn decrypt_reads_keys_that_openssl_made() {
    let kit = Kit::new();
    let run = |arguments: &[&str]| {
        Command::new("openssl")
            .args(arguments)
            .current_dir(kit.folder.path())
            .output()
            .is_ok_and(|run| run.status.success())
    };
    if !run(&["ecparam", "-name", "secp256k1", "-genkey", "-out", "sec1.pem"]) {
        eprintln!("skipped: there is no openssl here");
        return;
    }
    assert!(run(&["pkcs8", "-topk8", "-nocrypt", "-in", "sec1.pem", "-out", "pkcs8.pem"]));
    let key = BackupKey::read(&fs::read(kit.path("sec1.pem")).unwrap()).unwrap();
    fs::write(kit.path("in"), sealed(&key.public(), SECRET).to_string()).unwrap();
    for pem in ["sec1.pem", "pkcs8.pem"] {
        decrypt(&kit, pem, "in").ok();
        assert_eq!(fs::read(kit.path("out")).unwrap(), SECRET);
        fs::remove_file(kit.path("out")).unwrap();
    }
}

#[test]
fn decrypt_refuses_with_a_stable_code_and_leaves_no_file() {
    let kit = Kit::new();
    fs::write(kit.path("key"), hex::encode(KEY)).unwrap();
    fs::write(kit.path("other"), hex::encode([0x12; 32])).unwrap();
    let text = sealed(&public(KEY), SECRET).to_string();
    let altered = format!("{}{}", &text[..280], if &text[280..281] == "0" { "1" } else { "0" }) + &text[281..];
    let long = quorumkeep_custody::ecies::seal(&k256_point(&public(KEY)), &[7; 64], &mut OsRng);
    let zero = quorumkeep_custody::ecies::seal(&k256_point(&public(KEY)), &[0; 32], &mut OsRng);
    let cases: [(&str, String, i32, &str); 9] = [
        ("empty", String::new(), 3, "bad_ciphertext"),
        ("short", text[..288].to_owned(), 3, "bad_ciphertext"),
        ("odd", text[..291].to_owned(), 3, "bad_ciphertext"),
        ("twice", format!("{text}{}", &text[2..]), 3, "bad_ciphertext"),
        ("error", "backup encryption key not configured - set -backupEncryptionKey flag".into(), 3, "bad_ciphertext"),
        ("compressed", text.replacen("0x04", "0x02", 1), 3, "bad_ciphertext"),
        ("64bytes", hex::encode(long), 3, "bad_ciphertext"),
        ("altered", altered, 3, "decrypt_failed"),
        ("zero", hex::encode(zero), 4, "zero_secret"),
    ];
    for (name, content, status, code) in &cases {
        fs::write(kit.path(name), content).unwrap();
        decrypt(&kit, "key", name).fails(*status, code);
        assert!(!kit.path("out").exists(), "{name}");
    }
    fs::write(kit.path("good"), &text).unwrap();
    decrypt(&kit, "other", "good").fails(3, "decrypt_failed");
    decrypt(&kit, "missing", "good").fails(3, "file_missing");
    decrypt(&kit, "key", "missing").fails(3, "file_missing");
    fs::write(kit.path("bad"), "not a key").unwrap();
    decrypt(&kit, "bad", "good").fails(3, "bad_key");
    kit.run(&["ten", "decrypt", "--in", "good", "--out", "out"]).fails(2, "usage");
    assert!(!kit.path("out").exists());
    fs::write(kit.path("out"), "mine").unwrap();
    decrypt(&kit, "key", "good").fails(4, "file_exists");
    assert_eq!(fs::read(kit.path("out")).unwrap(), b"mine");
}

fn k256_point(key: &BackupPublicKey) -> k256::PublicKey {
    k256::PublicKey::from_sec1_bytes(key.as_bytes()).unwrap()
}

/// Keys for a network and two gateways.
fn keygen(kit: &Kit, more: &[&str]) -> Answer {
    let fixed = ["ten", "keygen", "--network", "uat", "--network-secret", "--gateway", "gw-1", "--gateway", "gw-2"];
    kit.run(&[&fixed[..], &["--out-dir", "keys"], more].concat())
}

fn card(kit: &Kit, instance: &str) -> Value {
    serde_json::from_slice(&fs::read(kit.path(&format!("keys/{instance}/backup-key.json"))).unwrap()).unwrap()
}

fn backup_key(kit: &Kit, instance: &str) -> BackupPublicKey {
    card(kit, instance)["backup_key"].as_str().unwrap().parse().unwrap()
}

#[test]
fn keygen_makes_a_seed_for_every_secret_and_replaces_nothing() {
    let kit = Kit::new();
    let report = keygen(&kit, &[]).ok();
    let keys = report["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let network = keys[0]["backup_key"].as_str().unwrap();
    assert_eq!(keys[0]["setting"], format!("ENCLAVE_BACKUPENCRYPTIONKEY={network}"));
    let gateway = keys[1]["backup_key"].as_str().unwrap();
    assert_eq!(keys[1]["setting"], format!("-backupEncryptionKey={gateway}"));
    let mut sets = Vec::new();
    for instance in ["network-secret", "gateway-gw-1", "gateway-gw-2"] {
        for share in 1..=3 {
            assert_eq!(mode(&kit, &format!("keys/{instance}/share-{share}.txt")), 0o600);
        }
        let shares = [1, 3].map(|share| format!("keys/{instance}/share-{share}.txt"));
        let inspected = kit.run(&["slip39", "inspect", "--shares-file", &shares[0], &shares[1]]).ok();
        assert_eq!(inspected["sets"][0]["recoverable"], true);
        sets.push(card(&kit, instance)["words"]["set"].as_u64().unwrap());
        assert_eq!(card(&kit, instance)["shared_seed"], false);
    }
    let before = fs::read(kit.path("keys/network-secret/share-1.txt")).unwrap();
    keygen(&kit, &[]).fails(4, "file_exists");
    assert_eq!(fs::read(kit.path("keys/network-secret/share-1.txt")).unwrap(), before);
    kit.run(&["ten", "keygen", "--network", "uat", "--out-dir", "none"]).fails(2, "usage");
    let twice = ["ten", "keygen", "--network", "uat", "--gateway", "a", "--gateway", "a", "--out-dir", "none"];
    kit.run(&twice).fails(2, "usage");
    let plan = ["ten", "keygen", "--network", "uat", "--gateway", "a", "--threshold", "4", "--out-dir", "none"];
    kit.run(&plan).fails(3, "bad_plan");
    assert!(!kit.path("none").exists());
}

#[test]
fn one_seed_for_all_says_what_it_means() {
    let kit = Kit::new();
    let answer = keygen(&kit, &["--one-seed"]);
    assert!(answer.stderr.contains("whoever recovers one of them has the keys of all"), "{}", answer.stderr);
    assert_eq!(answer.ok()["one_seed"], true);
    assert!(kit.path("keys/seed/share-1.txt").exists() && !kit.path("keys/network-secret/share-1.txt").exists());
    let keys = ["network-secret", "gateway-gw-1", "gateway-gw-2"].map(|instance| backup_key(&kit, instance));
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    fs::write(kit.path("gw.hex"), sealed(&keys[1], SECRET).to_string()).unwrap();
    let answer = kit.run(&[
        "ten",
        "recover",
        "--network",
        "uat",
        "--gateway",
        "gw-1",
        "--backup",
        "gw.hex",
        "--volume-empty",
        "--unrecognised",
        "--card",
        "keys/gateway-gw-1/backup-key.json",
        "--out-dir",
        "restore",
        "--shares-file",
        "keys/seed/share-1.txt",
        "keys/seed/share-2.txt",
    ]);
    assert_eq!(answer.ok()["recognised"], false);
}

/// A signed backup of the network secret; gives the signer's key.
fn network_backup(kit: &Kit, secret: [u8; 32]) -> String {
    let to = backup_key(kit, "network-secret");
    let origin = Origin { source: "http://node:80".into(), time_ms: 1 };
    let identity = "ten://backup@uat/network-secret".parse().unwrap();
    let backup = Backup::new((identity, 1), to, sealed(&to, secret), Some(rpc_key(secret)), origin).unwrap();
    let signer = SignKey::from_seed(&Zeroizing::new([9; 32]));
    fs::write(kit.path("backup.json"), backup.sign(&signer).to_file()).unwrap();
    signer.verify_key().0.to_string()
}

fn recover(kit: &Kit, signer: &str, more: &[&str]) -> Answer {
    let fixed =
        ["ten", "recover", "--network", "uat", "--backup", "backup.json", "--signer", signer, "--out-dir", "restore"];
    kit.run(&[&fixed[..], more].concat())
}

const TWO: [&str; 3] = ["--shares-file", "keys/network-secret/share-1.txt", "keys/network-secret/share-3.txt"];

#[test]
fn two_guardians_bring_the_network_secret_back() {
    let kit = Kit::new();
    keygen(&kit, &[]).ok();
    let signer = network_backup(&kit, SECRET);
    fs::create_dir_all(kit.path("volume/lost+found")).unwrap();
    let pinned = rpc_key(SECRET).to_string();
    let good = [&["--rpc-key", &pinned, "--volume", "volume", "--role", "validator"][..], &TWO].concat();
    let answer = recover(&kit, &signer, &good);
    let hex = hex::encode(SECRET);
    silent(&answer, &[&hex]);
    let report = answer.ok();
    assert_eq!((&report["rpc_key"], &report["recognised"]), (&Value::from(pinned.clone()), &Value::Bool(true)));
    for file in ["enclave.env", "secret.yaml", "values.yaml"] {
        assert_eq!(mode(&kit, &format!("restore/{file}")), 0o600);
    }
    let env = fs::read_to_string(kit.path("restore/enclave.env")).unwrap();
    assert_eq!(env, format!("ENCLAVE_SHAREDSECRET={hex}\nENCLAVE_LOG_LEVEL=1\n"));
    recover(&kit, &signer, &good).fails(4, "file_exists");
    fs::write(kit.path("restore/notes"), "mine").unwrap();
    assert_eq!(kit.run(&["ten", "wipe", "--dir", "restore"]).ok()["folder_removed"], false);
    assert_eq!(fs::read_dir(kit.path("restore")).unwrap().count(), 1);
    kit.run(&["ten", "wipe", "--dir", "restore"]).fails(3, "file_missing");
}

/// Every way that would restart the wrong thing is refused, and nothing is written.
#[test]
fn t1_to_t6_recover_refuses() {
    let kit = Kit::new();
    keygen(&kit, &[]).ok();
    let signer = network_backup(&kit, SECRET);
    fs::create_dir_all(kit.path("used/enclave")).unwrap();
    let (pinned, other, zero) =
        (rpc_key(SECRET).to_string(), rpc_key([1; 32]).to_string(), RpcKey::OF_ZERO.to_string());
    let nobody = SignKey::from_seed(&Zeroizing::new([8; 32])).verify_key().0.to_string();
    let gateway_card = ["--card", "keys/gateway-gw-1/backup-key.json"];
    let with = |key: &str, more: &[&str], words: &[&str]| {
        [&["--rpc-key", key][..], more, words].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let mixed = ["--shares-file", "keys/network-secret/share-1.txt", "keys/gateway-gw-1/share-2.txt"];
    let foreign = ["--shares-file", "keys/gateway-gw-1/share-1.txt", "keys/gateway-gw-1/share-2.txt"];
    let cases = [
        ("T2 unknown", &signer, with(&pinned, &[], &TWO), 4, "restore_unsafe"),
        ("T2 used", &signer, with(&pinned, &["--volume", "used"], &TWO), 4, "restore_unsafe"),
        ("T6 other", &signer, with(&other, &["--volume-empty"], &TWO), 5, "rpc_key_differs"),
        ("T1 zero", &signer, with(&zero, &["--volume-empty"], &TWO), 5, "rpc_key_differs"),
        ("unsigned", &nobody, with(&pinned, &["--volume-empty"], &TWO), 4, "backup_untrusted"),
        (
            "other card",
            &signer,
            with(&pinned, &[&["--volume-empty"][..], &gateway_card].concat(), &TWO),
            4,
            "other_instance",
        ),
        ("one share", &signer, with(&pinned, &["--volume-empty"], &TWO[..2]), 3, "too_few_shares"),
        ("mixed", &signer, with(&pinned, &["--volume-empty"], &mixed), 3, "mixed_shares"),
        ("foreign", &signer, with(&pinned, &["--volume-empty"], &foreign), 1, "not_recognised"),
    ];
    for (name, signer, arguments, status, code) in cases {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        eprintln!("{name}");
        recover(&kit, signer, &arguments).fails(status, code);
        assert!(!kit.path("restore").exists(), "{name}");
    }
    recover(&kit, &signer, &[&["--volume-empty"][..], &TWO].concat()).fails(2, "usage");
    // T6: somebody in the middle has served a secret of his own, and an RPC key that fits; only the pinned one tells.
    let plain = sealed(&backup_key(&kit, "network-secret"), [1; 32]).to_string();
    fs::write(kit.path("plain.hex"), plain).unwrap();
    let card = ["--card", "keys/network-secret/backup-key.json", "--volume-empty", "--rpc-key", &pinned];
    let fixed = ["ten", "recover", "--network", "uat", "--backup", "plain.hex", "--out-dir", "restore"];
    kit.run(&[&fixed[..], &card, &TWO].concat()).fails(5, "rpc_key_differs");
    assert!(!kit.path("restore").exists());
}

#[test]
fn a_gateway_is_recognised_by_a_document_and_its_seed_may_come_from_a_custody() {
    let kit = Kit::new();
    let report = keygen(&kit, &["--for-custody"]).ok();
    assert!(report["custody"][1]["public_key"].as_str().unwrap().starts_with("secp256k1:0"), "{report}");
    let seed = fs::read(kit.path("keys/gateway-gw-1/seed.bin")).unwrap();
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    fs::write(kit.path("seed.age"), age::encrypt(&recipient, &seed).unwrap()).unwrap();
    let text = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    fs::write(kit.path("me.txt"), format!("# created by age-keygen\n{text}\n")).unwrap();
    fs::write(kit.path("gw.hex"), sealed(&backup_key(&kit, "gateway-gw-1"), SECRET).to_string()).unwrap();
    let document = |key: [u8; 32]| {
        let body = Aes256Gcm::new((&key).into()).encrypt(Nonce::from_slice(&[3; 12]), b"user".as_slice()).unwrap();
        let data = base64::engine::general_purpose::STANDARD.encode([&[3; 12], body.as_slice()].concat());
        format!("{{\"id\":\"00\",\"data\":\"{data}\"}}")
    };
    fs::write(kit.path("good.json"), document(SECRET)).unwrap();
    fs::write(kit.path("other.json"), document([2; 32])).unwrap();
    fs::create_dir_all(kit.path("data")).unwrap();
    let run = |more: &[&str]| {
        let fixed =
            ["ten", "recover", "--network", "uat", "--gateway", "gw-1", "--backup", "gw.hex", "--out-dir", "restore"];
        kit.run(&[&fixed[..], &["--card", "keys/gateway-gw-1/backup-key.json", "--volume", "data"], more].concat())
    };
    let bare = ["--seed-file", "keys/gateway-gw-1/seed.bin"];
    let run_sealed = |more: &[&str]| run(&[&["--sealed-file", "seed.age", "--identity", "me.txt"], more].concat());
    run_sealed(&["--document", "other.json"]).fails(1, "not_recognised");
    run_sealed(&[]).fails(2, "usage");
    fs::write(kit.path("data/encryption-key.json"), "{}").unwrap();
    run_sealed(&["--document", "good.json"]).fails(4, "restore_unsafe");
    fs::remove_file(kit.path("data/encryption-key.json")).unwrap();
    let document = ["--document", "good.json"];
    run(&[&document[..], &["--seed-file", "seed.age"]].concat()).fails(2, "usage");
    run(&[&document[..], &bare, &["--identity", "me.txt"]].concat()).fails(3, "bad_ciphertext");
    run(&[&document[..], &["--seed-file", "keys/gateway-gw-2/seed.bin"]].concat()).fails(1, "not_recognised");
    assert!(!kit.path("restore").exists());
    let answer = run_sealed(&["--document", "good.json"]);
    silent(&answer, &[&hex::encode(SECRET), &text]);
    assert_eq!(answer.ok()["recognised"], true);
    let flag = fs::read_to_string(kit.path("restore/gateway.args")).unwrap();
    assert_eq!(flag, format!("-encryptionKeySource=hex:{}\n-logLevel=error\n", hex::encode(SECRET)));
    kit.run(&["ten", "wipe", "--dir", "restore"]).ok();
    run(&[&document[..], &bare].concat()).ok();
    assert_eq!(fs::read_to_string(kit.path("restore/gateway.args")).unwrap(), flag);
}

/// A device that keeps its seed: its public key is imported, and what it returns for a ciphertext opens it.
#[test]
fn a_device_opens_without_giving_its_key() {
    let kit = Kit::new();
    let device = BackupKey::from_bytes(&KEY).unwrap().public();
    fs::write(kit.path("device.txt"), format!("public_key: {device}\n")).unwrap();
    fs::write(kit.path("proof.txt"), "Challenge: 00\nSignature of challenge: 00\nDevice certificate: 00\n").unwrap();
    let made = kit.run(&[
        "ten",
        "keygen",
        "--network",
        "uat",
        "--network-secret",
        "--device-file",
        "device.txt",
        "--authenticity-file",
        "proof.txt",
        "--out-dir",
        "keys",
    ]);
    assert_eq!(made.ok()["keys"][0]["authenticity"], "unverified");
    assert_eq!(card(&kit, "network-secret")["mode"], "device");
    let ciphertext = sealed(&device, SECRET);
    fs::write(kit.path("in.hex"), ciphertext.to_string()).unwrap();
    // What the device computes: its key times the point of the ciphertext.
    let peer = k256::PublicKey::from_sec1_bytes(ciphertext.peer()).unwrap();
    let scalar = k256::NonZeroScalar::try_from(KEY.as_slice()).unwrap();
    let point = k256::PublicKey::from_affine((peer.to_projective() * *scalar).to_affine()).unwrap();
    let point = k256::elliptic_curve::sec1::ToEncodedPoint::to_encoded_point(&point, false);
    fs::write(kit.path("session.txt"), format!("session_key: {}\n", hex::encode(point.as_bytes()))).unwrap();
    kit.run(&["ten", "decrypt", "--session-key-file", "session.txt", "--in", "in.hex", "--out", "out"]).ok();
    assert_eq!(fs::read(kit.path("out")).unwrap(), SECRET);
    let pinned = rpc_key(SECRET).to_string();
    let fixed = ["ten", "recover", "--network", "uat", "--backup", "in.hex", "--out-dir", "restore", "--volume-empty"];
    kit.run(&[&fixed[..], &["--session-key-file", "session.txt", "--rpc-key", &pinned]].concat()).ok();
    fs::write(kit.path("in.hex"), sealed(&device, SECRET).to_string()).unwrap();
    kit.run(&["ten", "decrypt", "--session-key-file", "session.txt", "--in", "in.hex", "--out", "out2"])
        .fails(3, "decrypt_failed");
}
