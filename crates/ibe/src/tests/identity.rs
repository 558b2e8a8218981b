use std::collections::HashSet;

use proptest::prelude::*;

use super::{app, vectors};
use crate::identity::{AppIdError, hash_eigenx, identity};
use crate::{AppId, AppIdentity, Format, Suite, hash_identity, readiness_q};

#[test]
fn app_ids_are_printable_ascii_of_1_to_128_bytes() {
    for good in ["a", "app-1", "0x47c9806e7DC4e6fE9a0a2399831F32d06DaE5730", "~!@/:", &"x".repeat(128)] {
        assert_eq!(AppId::parse(good).unwrap().as_str(), good);
    }
    assert_eq!(AppId::parse(""), Err(AppIdError::Length { found: 0 }));
    assert_eq!(AppId::parse(&"x".repeat(129)), Err(AppIdError::Length { found: 129 }));
    for bad in ["a b", "a\tb", "a\nb", "a\0b", "a\u{7f}b", "a\u{a0}b", "aé", "aｅ"] {
        assert_eq!(AppId::parse(bad), Err(AppIdError::Character { position: 1 }), "{bad:?}");
    }
}

#[test]
fn formats_have_one_name_and_one_code() {
    for format in Format::ALL {
        assert_eq!(Format::from_code(format.code()), Some(format));
        assert_eq!(Format::from_name(format.as_str()), Some(format));
    }
    assert_eq!(Format::from_code(0), None);
    assert_eq!(Format::from_name("AGE"), None);
}

/// Frozen: these bytes are in every ciphertext ever written.
#[test]
fn the_identity_bytes_are_fixed() {
    let bytes = app("ab", 0x0102).bytes();
    let expected = format!("{}{}000000026162{:016x}", "01".repeat(32), "02".repeat(32), 0x0102);
    assert_eq!(hex::encode(bytes), expected);
}

#[test]
fn every_part_and_the_format_change_q() {
    let base = app("billing", 1);
    let variants = [
        base.clone(),
        AppIdentity { network: [9; 32], ..base.clone() },
        AppIdentity { key_id: [9; 32], ..base.clone() },
        app("billinh", 1),
        app("billing", 2),
    ];
    let mut points: HashSet<[u8; 48]> = variants.iter().map(|v| v.q(Format::Age).to_bytes()).collect();
    points.insert(base.q(Format::EigenX).to_bytes());
    points.insert(readiness_q(&base.network, &base.key_id).to_bytes());
    points.insert(hash_identity(&Suite::DRAND_QUICKNET, &base.bytes()).to_bytes());
    assert_eq!(points.len(), 8);
}

#[test]
fn eigenx_identities_hash_as_the_vectors_say() {
    let Some(file) = vectors("eigenx/hash_to_g1.json") else { return };
    let cases = file["vectors"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let (text, expected) = (case["identity_utf8"].as_str().unwrap(), case["g1_compressed"].as_str().unwrap());
        let raw = hash_identity(&Suite::DRAND_QUICKNET, text.as_bytes());
        assert_eq!(hex::encode(raw.to_bytes()), expected, "{text:?}");
        if let Ok(id) = AppId::parse(text) {
            assert_eq!(hash_eigenx(&id), raw);
        }
        let mut flipped = text.as_bytes().to_vec();
        flipped.push(1);
        assert_ne!(hex::encode(hash_identity(&Suite::DRAND_QUICKNET, &flipped).to_bytes()), expected);
    }
}

prop_compose! {
    /// Few values per field, so that pairs that differ in one place only are common.
    fn parts()(network in 0..2u8, key in 0..2u8, id in "[ab]{1,3}", epoch in 0..2u64) -> ([u8; 32], [u8; 32], AppId, u64) {
        ([network; 32], [key; 32], AppId::parse(&id).unwrap(), epoch)
    }
}

proptest! {
    #[test]
    fn v14_the_identity_bytes_are_injective(a in parts(), b in parts()) {
        let bytes = |p: &([u8; 32], [u8; 32], AppId, u64)| identity(&p.0, &p.1, &p.2, p.3);
        prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
    }

    #[test]
    fn parsing_an_app_id_never_panics_and_keeps_the_text(text in any::<String>()) {
        if let Ok(id) = AppId::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
            prop_assert!(text.chars().all(|c| !c.is_whitespace() && !c.is_control()));
        }
    }
}
