use proptest::prelude::*;
use quorumkeep_curves::bls::{G2, Scalar, SecretScalar, pairing};
use quorumkeep_curves::hash::keccak256;
use quorumkeep_sharing::Threshold;
use serde_json::Value;

use super::{Nodes, hex_field, rng, vectors};
use crate::eigenx::{
    EncryptError, MAGIC, OVERHEAD, associated_data, content_key, decrypt, encrypt, encrypt_with, recover,
};
use crate::identity::hash_eigenx;
use crate::{AppId, AppKey, DecryptFailed, PartialSignature};

/// Everything one vector says, recomputed; `None` at the first difference.
fn check(case: &Value) -> Option<()> {
    let same = |left: &[u8], name: &str| (hex::encode(left) == case[name].as_str()?).then_some(());
    let app_id = AppId::parse(case["app_id"].as_str()?).ok()?;
    let group_key = G2::from_bytes(&hex_field(case, "mpk_g2")?).ok()?;
    let q = hash_eigenx(&app_id);
    same(&q.to_bytes(), "q_id_g1")?;

    let r = SecretScalar::from_be_bytes(&hex_field(case, "r_be")?).ok()?;
    let g = pairing(&q.mul_secret(&r), &group_key);
    same(&g.to_gnark_bytes(), "gt_bytes_576")?;
    same(&*content_key(&g, &app_id)?, "aes256_key")?;
    same(&associated_data(&app_id, &r.mul_g2().to_bytes()), "aad")?;

    let plaintext = case["plaintext_utf8"].as_str()?.as_bytes();
    let ciphertext = hex::decode(case["ciphertext"].as_str()?).ok()?;
    let written = encrypt_with(&group_key, &app_id, plaintext, &r, &hex_field(case, "nonce")?).ok()?;
    same(&written, "ciphertext")?;

    let given = AppKey::from_bytes(&hex_field(case, "app_private_key_g1")?).ok()?;
    let opened = decrypt(&given, &app_id, &ciphertext).ok()?;
    (opened.as_slice() == plaintext).then_some(())?;
    for recovered in recovered_keys(case, &app_id, &group_key)? {
        same(&*recovered.expose(), "app_private_key_g1")?;
    }
    Some(())
}

/// The application key from every subset of two neighbouring partials, at the keccak evaluation points.
fn recovered_keys(case: &Value, app_id: &AppId, group_key: &G2) -> Option<Vec<AppKey>> {
    let n = u16::try_from(case["n"].as_u64()?).ok()?;
    let threshold = Threshold::new(u16::try_from(case["t"].as_u64()?).ok()?, n).ok()?;
    let partials = case["partial_sigs"].as_array()?;
    let size = usize::from(threshold.get());
    partials
        .windows(size)
        .map(|chosen| {
            let chosen: Option<Vec<_>> = chosen.iter().map(partial).collect();
            recover(threshold, app_id, group_key, &chosen?).ok()
        })
        .collect()
}

fn partial(value: &Value) -> Option<(Scalar, PartialSignature)> {
    let address = hex::decode(value["operator"].as_str()?.strip_prefix("0x")?).ok()?;
    let point = Scalar::reduce_be(&keccak256(&address));
    Some((point, PartialSignature::from_bytes(&hex_field(value, "partial_sig_g1")?).ok()?))
}

#[test]
fn the_vectors_hold() {
    let Some(file) = vectors("eigenx/ibe_threshold.json") else { return };
    let cases = file["vectors"].as_array().unwrap();
    assert!(cases.len() >= 2);
    for case in cases {
        assert!(check(case).is_some(), "{}", case["app_id"]);
    }
}

/// The check above is worth something only if it notices a single wrong byte in any field.
#[test]
fn one_flipped_byte_in_a_vector_is_noticed() {
    let Some(file) = vectors("eigenx/ibe_threshold.json") else { return };
    let case = &file["vectors"][0];
    for name in
        ["aad", "aes256_key", "app_private_key_g1", "ciphertext", "gt_bytes_576", "mpk_g2", "nonce", "q_id_g1", "r_be"]
    {
        let mut changed = case.clone();
        flip(&mut changed[name]);
        assert!(check(&changed).is_none(), "{name}");
    }
    for j in 0..3 {
        let mut changed = case.clone();
        flip(&mut changed["partial_sigs"][j]["partial_sig_g1"]);
        assert!(check(&changed).is_none(), "partial {j}");
        let mut changed = case.clone();
        changed["partial_sigs"][j]["operator"] = "0x00000000000000000000000000000000000000ff".into();
        assert!(check(&changed).is_none(), "operator {j}");
    }
    for name in ["app_id", "plaintext_utf8"] {
        let mut changed = case.clone();
        changed[name] = format!("{}x", case[name].as_str().unwrap()).into();
        assert!(check(&changed).is_none(), "{name}");
    }
}

/// Flips one bit of the last byte of a hexadecimal field.
fn flip(value: &mut Value) {
    let mut bytes = hex::decode(value.as_str().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    *value = hex::encode(bytes).into();
}

fn setup() -> (Nodes, AppId, AppKey) {
    let (nodes, app_id) = (Nodes::new(2, 3, 20), AppId::parse("my-application").unwrap());
    let key = nodes.app_key(&hash_eigenx(&app_id));
    (nodes, app_id, key)
}

#[test]
fn every_flipped_byte_and_every_shorter_ciphertext_gives_the_single_error() {
    let (nodes, app_id, key) = setup();
    let ciphertext = encrypt(&nodes.group_key, &app_id, b"payload", &mut rng(1)).unwrap();
    assert_eq!(ciphertext.len(), OVERHEAD + 7);
    assert!(ciphertext.starts_with(&MAGIC));
    for position in 0..ciphertext.len() {
        let mut changed = ciphertext.clone();
        changed[position] ^= 1;
        assert_eq!(decrypt(&key, &app_id, &changed).err(), Some(DecryptFailed), "byte {position}");
        assert_eq!(decrypt(&key, &app_id, &ciphertext[..position]).err(), Some(DecryptFailed));
    }
    let other = AppId::parse("My-application").unwrap();
    assert_eq!(decrypt(&key, &other, &ciphertext).err(), Some(DecryptFailed));
}

#[test]
fn bad_arguments_are_refused() {
    let (nodes, app_id, _) = setup();
    let short = AppId::parse("abcd").unwrap();
    assert_eq!(encrypt(&nodes.group_key, &short, b"", &mut rng(1)), Err(EncryptError::ShortAppId));
    assert_eq!(encrypt(&G2::identity(), &app_id, b"", &mut rng(1)), Err(EncryptError::NeutralElement));
}

#[test]
fn v1_recovery_refuses_too_few_and_repeated_points() {
    let (nodes, app_id, _) = setup();
    let q = hash_eigenx(&app_id);
    let at = |j: u16| (Scalar::from_u64(u64::from(j)), nodes.partial(j, &q).1);
    let run =
        |partials: &[(Scalar, PartialSignature)]| recover(nodes.threshold, &app_id, &nodes.group_key, partials).is_ok();
    assert!(run(&[at(1), at(3)]));
    assert!(!run(&[at(1)]));
    assert!(!run(&[at(1), at(1)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_encrypted_comes_back(plaintext in prop::collection::vec(any::<u8>(), 0..300), seed in any::<u64>()) {
        let (nodes, app_id, key) = setup();
        let ciphertext = encrypt(&nodes.group_key, &app_id, &plaintext, &mut rng(seed)).unwrap();
        prop_assert_eq!(&**decrypt(&key, &app_id, &ciphertext).unwrap(), &plaintext[..]);
    }
}
