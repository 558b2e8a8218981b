//! Ciphertexts, recipients, stanzas and keys of applications. The first byte chooses the decoder.
//!
//! Text that is decoded is written the same again. A ciphertext that was changed anywhere does not open, and one that opens
//! is the one that was made.
#![no_main]
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use quorumkeep_curves::bls::{G2, SecretScalar};
use quorumkeep_fuzz::input::{exactly, split};
use quorumkeep_fuzz::seeds::{self, choose};
use quorumkeep_ibe::agefile::{FixedKey, Identity, Recipient, Wrapped};
use quorumkeep_ibe::identity::hash_eigenx;
use quorumkeep_ibe::{AppId, AppIdentity, AppKey, Format, Kem, PartialSignature, Suite, eigenx, fo, sign_partial};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const PLAINTEXT: &[u8] = b"what no single machine may hold";
const FILE_KEY: [u8; 16] = [0x5a; 16];

/// One application, its keys, and what is encrypted to it.
struct Fixed {
    info: AppIdentity,
    group_key: G2,
    age_key: AppKey,
    eigenx_key: AppKey,
    kem: Kem,
    sealed: Vec<u8>,
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let mut random = ChaCha20Rng::from_seed([8; 32]);
        let secret = SecretScalar::random(&mut random);
        let group_key = secret.mul_g2();
        let app_id = AppId::parse("billing").expect("an application id");
        let info = AppIdentity { network: [1; 32], key_id: [2; 32], app_id, epoch: 3 };
        let app_key = |format| {
            let partial = sign_partial(&secret, &info.q(format)).expose();
            AppKey::from_bytes(&partial).expect("a point")
        };
        assert!(app_key(Format::EigenX).verify(&hash_eigenx(&info.app_id), &group_key));
        let (age_key, eigenx_key) = (app_key(Format::Age), app_key(Format::EigenX));
        let q = info.q(Format::Age);
        let kem = fo::encrypt(&Suite::QUORUMKEEP, &group_key, &q, &FILE_KEY, &mut random).expect("encrypted");
        let sealed = eigenx::encrypt(&group_key, &info.app_id, PLAINTEXT, &mut random).expect("encrypted");
        Fixed { info, group_key, age_key, eigenx_key, kem, sealed }
    })
}

fn kem(bytes: &[u8]) {
    let Ok(kem) = Kem::from_bytes(bytes) else { return };
    assert_eq!(kem.to_bytes(), bytes);
    let fixed = fixed();
    if let Ok(message) = fo::decrypt(&Suite::QUORUMKEEP, &fixed.age_key, &kem) {
        assert_eq!((kem, *message), (fixed.kem.clone(), FILE_KEY), "a changed ciphertext opens");
    }
}

fn eigenx_ciphertext(bytes: &[u8]) {
    let fixed = fixed();
    if let Ok(plaintext) = eigenx::decrypt(&fixed.eigenx_key, &fixed.info.app_id, bytes) {
        assert_eq!((bytes, plaintext.as_slice()), (fixed.sealed.as_slice(), PLAINTEXT), "a changed ciphertext opens");
    }
}

fn age_file(bytes: &[u8]) {
    let fixed = fixed();
    let Ok(decryptor) = age::Decryptor::new(bytes) else { return };
    let source = FixedKey { info: fixed.info.clone(), key: fixed.age_key.copy() };
    let identity = Identity::new(source);
    let Ok(mut stream) = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)) else { return };
    let mut plaintext = Vec::new();
    if stream.read_to_end(&mut plaintext).is_ok() {
        assert_eq!(plaintext, PLAINTEXT, "a changed file opens");
    }
}

fn recipient(bytes: &[u8]) {
    if let Ok(recipient) = Recipient::from_payload(bytes) {
        assert_eq!(recipient.to_payload(), bytes);
        assert_eq!(recipient.to_string().parse::<Recipient>().as_ref(), Ok(&recipient));
    }
}

fn recipient_text(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert_eq!(recipient.to_string(), text);
    }
}

/// Arguments and body of a stanza, parted by line feeds.
fn stanza(bytes: &[u8]) {
    let mut parts = bytes.splitn(5, |byte| *byte == b'\n');
    let args: Vec<_> = parts.by_ref().take(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let body = parts.next().unwrap_or_default();
    let Ok(wrapped) = Wrapped::from_parts(&args, body) else { return };
    let stanza = wrapped.to_stanza();
    assert_eq!((&stanza.args, stanza.body.as_slice()), (&args, body));
    assert_eq!(Wrapped::parse(&stanza), Some(Ok(wrapped)));
}

fn app_id(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let parsed = AppId::parse(text);
    assert_eq!(parsed.is_ok(), quorumkeep_dkg::app::is_app_id(text), "two rules for application ids");
    if let Ok(id) = parsed {
        assert_eq!(id.as_str(), text);
    }
}

fn keys(bytes: &[u8]) {
    let Some(bytes) = exactly(bytes) else { return };
    let (key, partial) = (AppKey::from_bytes(&bytes), PartialSignature::from_bytes(&bytes));
    assert_eq!(key.is_ok(), partial.is_ok());
    if let (Ok(key), Ok(partial)) = (key, partial) {
        assert_eq!((*key.expose(), *partial.expose()), (bytes, bytes));
    }
}

fn encrypted(recipient: &Recipient) -> Vec<u8> {
    let recipients = std::iter::once(recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).expect("one recipient");
    let mut file = Vec::new();
    let mut stream = encryptor.wrap_output(&mut file).expect("a header");
    stream.write_all(PLAINTEXT).expect("in memory");
    stream.finish().expect("in memory");
    file
}

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let fixed = fixed();
    let recipient = Recipient::new(fixed.info.clone(), fixed.group_key).expect("a group key");
    let wrapped = Wrapped { info: fixed.info.clone(), kem: fixed.kem.clone() }.to_stanza();
    let mut lines = wrapped.args.join("\n").into_bytes();
    lines.push(b'\n');
    lines.extend(&wrapped.body);
    vec![
        ("kem", choose(0, &fixed.kem.to_bytes())),
        ("eigenx", choose(1, &fixed.sealed)),
        ("age_file", choose(2, &encrypted(&recipient))),
        ("recipient", choose(3, &recipient.to_payload())),
        ("recipient_text", choose(4, recipient.to_string().as_bytes())),
        ("stanza", choose(5, &lines)),
        ("app_id", choose(6, b"billing")),
        ("app_key", choose(7, &*fixed.age_key.expose())),
    ]
}

const DECODERS: [fn(&[u8]); 8] = [kem, eigenx_ciphertext, age_file, recipient, recipient_text, stanza, app_id, keys];

fuzz_target!(
    init: seeds::write("decode_ibe", inputs),
    |data: &[u8]| {
        let (which, bytes) = split(data);
        DECODERS[usize::from(which) % DECODERS.len()](bytes);
    }
);
