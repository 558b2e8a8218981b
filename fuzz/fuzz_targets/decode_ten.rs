//! What the backups of a TEN network are read from: ciphertexts, containers, cards, output of devices, identities, keys, RPC keys,
//! documents of a gateway. The first byte chooses the decoder.
//!
//! What is decoded is written the same again. Nothing is believed that was not signed; what opens is what was sealed, or no secret.
#![no_main]
#![allow(missing_docs)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use quorumkeep_custody::keys::{SignKey, VerifyKey};
use quorumkeep_fuzz::input::split;
use quorumkeep_fuzz::seeds::{self, choose};
use quorumkeep_ten::card::{KeyCard, Mode, Words};
use quorumkeep_ten::ciphertext::{CIPHERTEXT_BYTES, Ciphertext};
use quorumkeep_ten::container::{Backup, Origin, SignedBackup};
use quorumkeep_ten::identity::Identity;
use quorumkeep_ten::key::{BackupKey, BackupPublicKey};
use quorumkeep_ten::secret::{GatewayKey, NetworkSecret, RpcKey, Secret};
use quorumkeep_ten::seed;
use quorumkeep_ten::source::registry::Address;
use quorumkeep_ten::source::{Endpoint, jsonrpc};
use quorumkeep_ten::trezor::{self, Authenticity, SessionKey, Verdict};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

const SECRET: [u8; 32] = [7; 32];
/// Bytes of the point in front of a ciphertext.
const POINT: usize = 65;
const NETWORK: &str = "ten://backup@uat/network-secret";

/// A backup key, a secret that is encrypted to it, and a signed backup of that.
struct Fixed {
    key: BackupKey,
    identity: Identity,
    sealed: Ciphertext,
    signer: VerifyKey,
    signed: SignedBackup,
}

fn secret() -> Secret {
    Secret::new(&SECRET).expect("not all zero")
}

fn rpc_key() -> Option<RpcKey> {
    NetworkSecret::new(secret()).rpc_key()
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let key = BackupKey::from_bytes(&[1; 32]).expect("a key");
        let identity: Identity = NETWORK.parse().expect("an identity");
        let sealed = Ciphertext::seal(&key.public(), &secret(), &mut ChaCha20Rng::seed_from_u64(1)).expect("sealed");
        let origin = Origin { source: "http://127.0.0.1:80".to_owned(), time_ms: 1_770_000_000_000 };
        let backup = Backup::new((identity.clone(), 1), key.public(), sealed.clone(), rpc_key(), origin);
        let signing = SignKey::from_seed(&Zeroizing::new([3; 32]));
        let signed = backup.expect("a backup").sign(&signing);
        Fixed { key, identity, sealed, signer: signing.verify_key(), signed }
    })
}

/// What opens is the one secret. The MAC does not cover the point, so that the opposite one opens as well.
fn open(ciphertext: &Ciphertext) {
    let fixed = fixed();
    if let Ok(opened) = ciphertext.open(&fixed.key) {
        let behind = |ciphertext: &Ciphertext| ciphertext.as_bytes()[POINT..].to_vec();
        assert_eq!((opened.expose(), behind(ciphertext)), (&SECRET, behind(&fixed.sealed)), "a forged ciphertext");
    }
    assert!(ciphertext.is_canary(&fixed.key) != Ok(true), "nobody made a canary");
}

fn ciphertext(bytes: &[u8]) {
    let Ok(read) = Ciphertext::from_file(bytes) else { return };
    let text = read.to_string();
    let written = String::from_utf8_lossy(bytes).trim().to_ascii_lowercase();
    assert!(bytes == read.as_bytes() || text.trim_start_matches("0x") == written.trim_start_matches("0x"));
    assert_eq!((Ciphertext::from_answer(&text).as_ref(), read.as_bytes().len()), (Ok(&read), CIPHERTEXT_BYTES));
    open(&read);
}

fn answer(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(read) = Ciphertext::from_answer(text) {
        assert_eq!(read.to_string(), text);
        open(&read);
    }
}

/// The sealed ciphertext with changes at any place.
fn raw(bytes: &[u8]) {
    let mut whole = *fixed().sealed.as_bytes();
    whole.iter_mut().zip(bytes).for_each(|(to, from)| *to ^= from);
    if let Ok(read) = Ciphertext::from_bytes(&whole) {
        open(&read);
    }
}

fn container(bytes: &[u8]) {
    let fixed = fixed();
    let Ok(read) = SignedBackup::from_file(bytes) else { return };
    assert_eq!(without_newline(&read.to_file()), without_newline(bytes));
    if read.verify(&[fixed.signer], &fixed.identity).is_ok() {
        assert_eq!(read, fixed.signed, "a forged backup");
    }
    assert!(read.verify(&[], &fixed.identity).is_err(), "nobody is trusted");
    // As if the service had signed it.
    let again = read.backup.clone().sign(&SignKey::from_seed(&Zeroizing::new([3; 32])));
    assert_eq!(SignedBackup::from_file(&again.to_file()).as_ref(), Ok(&again));
    assert_eq!(again.verify(&[fixed.signer], &read.backup.identity).ok(), Some(&read.backup));
    open(&read.backup.ciphertext);
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn card(bytes: &[u8]) {
    let Ok(read) = KeyCard::from_file(bytes) else { return };
    assert_eq!(without_newline(&read.to_file()), without_newline(bytes));
}

/// What a device printed: never a key that it does not hold, and never a proof that is called verified.
fn device(bytes: &[u8]) {
    if let Ok(session) = SessionKey::read(bytes)
        && let Ok(opened) = fixed().sealed.open_with(&session)
    {
        assert_eq!(opened.expose(), &SECRET);
    }
    if let Ok(public) = trezor::public_key(bytes) {
        assert_eq!(public.to_string().parse(), Ok(public));
    }
    if let Ok(proof) = Authenticity::read(bytes) {
        assert_eq!((proof.verdict, proof.certificates.is_empty()), (Verdict::Unverified, false));
    }
}

fn texts(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(identity) = text.parse::<Identity>() {
        assert_eq!(identity.to_string(), text);
        assert!(identity.path().iter().all(|step| step >> 31 == 1), "a step that is not hardened");
        assert!(!identity.file_name().contains(['/', '.']), "a path out of the folder");
    }
    if let Ok(at) = text.parse::<Endpoint>() {
        assert_eq!(at.to_string().parse().ok(), Some(at));
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(key) = text.parse::<RpcKey>() {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
    if let Ok(key) = text.parse::<BackupPublicKey>() {
        assert_eq!(key.to_string(), text.trim_start_matches("0x").to_ascii_lowercase());
    }
}

fn private_key(bytes: &[u8]) {
    if let Ok(key) = BackupKey::read(bytes) {
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
    }
}

/// What came out of a recovery: believed only if it gives the public key.
fn recovered(bytes: &[u8]) {
    let fixed = fixed();
    if let Some(key) = seed::recognise(Zeroizing::new(bytes.to_vec()), &fixed.identity, &fixed.key.public()) {
        assert_eq!((key.public(), bytes), (fixed.key.public(), [1_u8; 32].as_slice()), "another key is recognised");
    }
}

fn document(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    assert!(GatewayKey::new(secret()).open_document(text).is_none_or(|opened| *opened == b"a user"));
}

/// What a server answers that is asked by JSON-RPC.
fn reply(bytes: &[u8]) {
    if let Err(text) = jsonrpc::read(bytes) {
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "text that drives a terminal");
    }
}

fuzz_target!(init: seeds::write("decode_ten", inputs), |data: &[u8]| {
    let (decoder, bytes) = split(data);
    match decoder % 11 {
        0 => ciphertext(bytes),
        1 => answer(bytes),
        2 => raw(bytes),
        3 => container(bytes),
        4 => card(bytes),
        5 => device(bytes),
        6 => texts(bytes),
        7 => private_key(bytes),
        8 => recovered(bytes),
        9 => document(bytes),
        _ => reply(bytes),
    }
});

/// Of another key, so that no input holds what opens with the one above.
fn key_card() -> KeyCard {
    let backup_key = BackupKey::from_bytes(&[2; 32]).expect("a key").public();
    KeyCard {
        identity: fixed().identity.clone(),
        backup_key,
        mode: Mode::Software,
        shared_seed: false,
        words: Some(Words { set: 7, threshold: 2, shares: 3 }),
        canary: Ciphertext::canary(&backup_key, &mut ChaCha20Rng::seed_from_u64(2)).expect("sealed"),
        authenticity: Authenticity::read(PROOF.as_bytes()).ok(),
    }
}

const PROOF: &str = "Challenge: 00\nSignature of challenge: 3000\nDevice certificate: 3000\nCA certificate: 3000\n";
/// `b"a user"` under the secret, as a gateway stores it.
const DOCUMENT: &str = "CQkJCQkJCQkJCQkJRqXx59uCCtRTAvShoFlncUqsSyhxNQ==";
const SEC1: &[u8] = include_bytes!("../../crates/ten/tests/data/sec1.pem");
const PKCS8: &[u8] = include_bytes!("../../crates/ten/tests/data/pkcs8.pem");

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let fixed = fixed();
    let hex = fixed.sealed.to_string();
    let public = fixed.key.public().to_string();
    let point = hex::encode(fixed.sealed.peer());
    let rpc_key = rpc_key().expect("a key").to_string();
    let json = format!("{{\"public_key\": \"{public}\", \"session_key\": \"{point}\"}}");
    vec![
        ("ciphertext", choose(0, hex.as_bytes())),
        ("ciphertext_bytes", choose(0, fixed.sealed.as_bytes())),
        ("answer", choose(1, hex.as_bytes())),
        ("raw", choose(2, &[0; CIPHERTEXT_BYTES])),
        ("container", choose(3, &fixed.signed.to_file())),
        ("card", choose(4, &key_card().to_file())),
        ("device_json", choose(5, json.as_bytes())),
        ("device_lines", choose(5, format!("public_key: {public}\nsession_key: {point}\n").as_bytes())),
        ("authenticity", choose(5, PROOF.as_bytes())),
        ("identity_network", choose(6, NETWORK.as_bytes())),
        ("identity_gateway", choose(6, b"ten://backup@uat/gateway/gw-01")),
        ("endpoint", choose(6, b"wss://[::1]:8545/rpc?key=1")),
        ("address", choose(6, b"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")),
        ("reply", choose(10, br#"{"jsonrpc":"2.0","id":1,"result":"0x04"}"#)),
        ("refusal", choose(10, br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#)),
        ("rpc_key", choose(6, rpc_key.as_bytes())),
        ("public_key", choose(6, public.as_bytes())),
        ("key_hex", choose(7, "01".repeat(32).as_bytes())),
        ("key_sec1", choose(7, SEC1)),
        ("key_pkcs8", choose(7, PKCS8)),
        ("recovered", choose(8, &[1; 32])),
        ("document", choose(9, DOCUMENT.as_bytes())),
    ]
}
