//! Vectors from outside: RFC 9380, EIP-2537, EigenX.

use serde_json::Value;

use super::*;
use crate::ffi;
use crate::vectors::{array, bytes, list, load, text};

/// A coordinate of G1, or the two of G2 in the order `c1 || c0` of the ZCash format.
fn coordinate(value: &Value) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> =
        text(value).split(',').map(|part| hex::decode(part.trim_start_matches("0x")).unwrap()).collect();
    parts.reverse();
    parts.concat()
}

fn suite<G: Group>(file: &str, hash: fn(&[u8], &[u8]) -> G) {
    let Some(file) = load(&format!("rfc9380/{file}.json")) else {
        return;
    };
    let dst = text(&file["dst"]).as_bytes();
    let vectors = list(&file["vectors"]);
    assert!(!vectors.is_empty());
    for vector in vectors {
        let expected = [coordinate(&vector["P"]["x"]), coordinate(&vector["P"]["y"])].concat();
        let mut found = Vec::new();
        hash(dst, text(&vector["msg"]).as_bytes()).append_uncompressed(&mut found);
        assert_eq!(found, expected);
        found[7] ^= 1;
        assert_ne!(found, expected, "the comparison must see a flipped bit");
    }
}

#[test]
fn rfc9380_hash_to_curve() {
    suite::<G1>("BLS12381G1_XMD:SHA-256_SSWU_RO_", G1::hash_to_curve);
    suite::<G2>("BLS12381G2_XMD:SHA-256_SSWU_RO_", G2::hash_to_curve);
}

#[test]
fn rfc9380_encode_to_curve() {
    suite::<G1>("BLS12381G1_XMD:SHA-256_SSWU_NU_", G1::encode_to_curve);
    suite::<G2>("BLS12381G2_XMD:SHA-256_SSWU_NU_", G2::encode_to_curve);
}

#[test]
fn rfc9380_expand_message_xmd() {
    // The second file has a DST above 255 bytes, which blst hashes first, as the RFC says.
    for file in ["expand_message_xmd_SHA256_38", "expand_message_xmd_SHA256_256"] {
        let Some(file) = load(&format!("rfc9380/{file}.json")) else {
            return;
        };
        for vector in list(&file["tests"]) {
            let expected = bytes(&vector["uniform_bytes"]);
            let mut found = vec![0; expected.len()];
            let message = text(&vector["msg"]).as_bytes();
            ffi::expand_message_xmd(&mut found, message, text(&file["DST"]).as_bytes());
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn eigenx_identities() {
    let Some(file) = load("eigenx/hash_to_g1.json") else {
        return;
    };
    let dst = text(&file["dst"]).as_bytes();
    for vector in list(&file["vectors"]) {
        let found = G1::hash_to_curve(dst, text(&vector["identity_utf8"]).as_bytes());
        let mut expected: [u8; 48] = array(&vector["g1_compressed"]);
        assert_eq!(found.to_bytes(), expected);
        assert_eq!(G1::from_bytes(&expected), Ok(found));
        expected[20] ^= 1;
        assert_ne!(found.to_bytes(), expected);
        assert_ne!(G1::from_bytes(&expected), Ok(found));
    }
}

/// EIP-2537 pads every coordinate to 64 bytes, orders Fp2 as `c0 || c1`, and writes the identity as zeros.
trait Eip2537: Group {
    const LENGTH: usize;
    /// The ZCash form.
    fn unpad(bytes: &[u8]) -> Vec<u8>;

    /// `None` for the identity; what the checks refuse panics.
    fn read(bytes: &[u8]) -> Self {
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::identity();
        }
        let point = OnCurve::<Self>::from_uncompressed_slice(&Self::unpad(bytes)).unwrap();
        point.check().unwrap()
    }
}

impl Eip2537 for G1 {
    const LENGTH: usize = 128;
    fn unpad(bytes: &[u8]) -> Vec<u8> {
        [&bytes[16..64], &bytes[80..128]].concat()
    }
}

impl Eip2537 for G2 {
    const LENGTH: usize = 256;
    fn unpad(bytes: &[u8]) -> Vec<u8> {
        let part = |i: usize| &bytes[64 * i + 16..64 * i + 64];
        [part(1), part(0), part(3), part(2)].concat()
    }
}

fn eip2537(file: &str, check: impl Fn(&[u8], &[u8])) {
    let Some(file) = load(&format!("eip2537/{file}.json")) else {
        return;
    };
    assert!(list(&file).len() > 4);
    for vector in list(&file) {
        // Points outside the subgroup may be added there; here they do not get in.
        if !text(&vector["Name"]).contains("not_in_correct_subgroup") {
            check(&bytes(&vector["Input"]), &bytes(&vector["Expected"]));
        }
    }
}

fn additions<G: Eip2537>(file: &str) {
    eip2537(file, |input, expected| {
        let (a, b) = input.split_at(G::LENGTH);
        assert_eq!(G::read(a) + G::read(b), G::read(expected));
    });
}

fn multiplications<G: Eip2537>(file: &str) {
    eip2537(file, |input, expected| {
        let (point, scalar) = input.split_at(G::LENGTH);
        let scalar = Scalar::reduce_be(scalar.try_into().unwrap());
        let secret = SecretScalar::from_public(&scalar);
        assert_eq!(G::read(point).mul(&scalar), G::read(expected));
        assert_eq!(G::read(point).mul_secret(&secret), G::read(expected));
        assert_eq!(G::msm(&[G::read(point)], &[scalar]), G::read(expected));
    });
}

#[test]
fn eip2537_add() {
    additions::<G1>("add_G1_bls");
    additions::<G2>("add_G2_bls");
}

#[test]
fn eip2537_mul() {
    multiplications::<G1>("mul_G1_bls");
    multiplications::<G2>("mul_G2_bls");
}

#[test]
fn eip2537_pairing_check() {
    eip2537("pairing_check_bls", |input, expected| {
        let pairs: Vec<(G1, G2)> =
            input.chunks(384).map(|pair| (G1::read(&pair[..128]), G2::read(&pair[128..]))).collect();
        assert_eq!(multi_pairing_is_one(&pairs), expected[31] == 1);
    });
}

fn refusals<G: Eip2537>(file: &str) {
    let Some(file) = load(&format!("eip2537/{file}.json")) else {
        return;
    };
    let mut refused = 0;
    for vector in list(&file) {
        let input = bytes(&vector["Input"]);
        let whole = input.len() == G::LENGTH + 32;
        // What the padding holds and how long the input is are matters of the precompile.
        if whole && !text(&vector["Name"]).contains("top_bytes") {
            let point = OnCurve::<G>::from_uncompressed_slice(&G::unpad(&input));
            assert!(point.and_then(OnCurve::check).is_err(), "{}", vector["Name"]);
            refused += 1;
        }
    }
    assert!(refused >= 3);
}

#[test]
fn eip2537_failures() {
    refusals::<G1>("fail-mul_G1_bls");
    refusals::<G2>("fail-mul_G2_bls");
}

#[test]
fn eigenx_pairing_order() {
    let Some(file) = load("eigenx/ibe_threshold.json") else {
        return;
    };
    for vector in list(&file["vectors"]) {
        let q = G1::from_bytes(&array(&vector["q_id_g1"])).unwrap();
        let mpk = G2::from_bytes(&array(&vector["mpk_g2"])).unwrap();
        let r = SecretScalar::from_be_bytes(&array(&vector["r_be"])).unwrap();
        let found = pairing(&q, &mpk).pow_secret(&r).to_gnark_bytes();
        let mut expected: [u8; 576] = array(&vector["gt_bytes_576"]);
        assert_eq!(found, expected);
        expected[575] ^= 1;
        assert_ne!(found, expected);
    }
}
