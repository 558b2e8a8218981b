//! Points, scalars, proofs and operator keys: what is decoded is encoded to the same bytes again, and nothing else is
//! decoded. The first byte chooses the decoder.
#![no_main]
#![allow(missing_docs)]

use libfuzzer_sys::fuzz_target;
use quorumkeep_curves::bls::{G1, G2, Group, OnCurve, Scalar, SecretScalar};
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Reader, Writer};
use quorumkeep_curves::schnorr::Proof;
use quorumkeep_fuzz::input::{exactly, split};
use quorumkeep_fuzz::seeds::{self, choose};

/// A point in both forms. Whatever is on the curve encodes again; what is in the group is not the identity, and `r` times
/// it is.
fn point<G: Group>(bytes: &[u8]) {
    if let Ok(point) = OnCurve::<G>::from_slice(bytes) {
        assert_eq!(point.write(Writer::raw()).finish(), bytes);
        in_group(point);
    }
    if let Ok(point) = OnCurve::<G>::from_uncompressed_slice(bytes) {
        let mut again = Vec::new();
        if let Some(point) = in_group(point) {
            point.append_uncompressed(&mut again);
            assert_eq!(again, bytes);
        }
    }
}

fn in_group<G: Group>(point: OnCurve<G>) -> Option<G> {
    let point = point.check().ok()?;
    assert!(!point.is_identity());
    let minus_one = -Scalar::one();
    assert!((point.mul(&minus_one) + point).is_identity(), "a point of another order");
    Some(point)
}

fn fixed(which: u8, bytes: &[u8]) {
    match which {
        2 => {
            let Some(bytes) = exactly(bytes) else { return };
            let decoded = Scalar::from_be_bytes(&bytes);
            assert_eq!(decoded.is_ok(), SecretScalar::from_be_bytes(&bytes).is_ok());
            if let Ok(scalar) = decoded {
                assert_eq!(scalar.to_be_bytes(), bytes);
                assert_eq!(Scalar::reduce_be(&bytes), scalar);
            }
        }
        3 => {
            let Some(bytes) = exactly(bytes) else { return };
            if let Ok(key) = bn254::PublicKey::from_bytes(&bytes) {
                assert_eq!(key.to_bytes(), bytes);
            }
        }
        4 => {
            let Some(bytes) = exactly(bytes) else { return };
            if let Ok(signature) = bn254::Signature::from_bytes(&bytes) {
                assert_eq!(signature.to_bytes(), bytes);
            }
        }
        _ => {
            let Some(bytes) = exactly(bytes) else { return };
            if let Ok(key) = bn254::SecretKey::from_be_bytes(&bytes) {
                assert_eq!(*key.expose(), bytes);
            }
        }
    }
}

fn proof<G: Group>(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(proof) = Proof::<G>::read(&mut reader) {
        let read = bytes.len() - reader.remaining();
        assert_eq!(proof.write(Writer::raw()).finish(), bytes[..read]);
    }
}

/// Every method of the reader in the order that the input wants; what is read never exceeds what is there.
fn reader(bytes: &[u8]) {
    let (choices, rest) = bytes.split_at(bytes.len().min(16));
    let mut reader = Reader::new(rest);
    for choice in choices {
        let before = reader.remaining();
        let done = match choice % 8 {
            0 => reader.u8().is_ok(),
            1 => reader.u16().is_ok(),
            2 => reader.u32().is_ok(),
            3 => reader.u64().is_ok(),
            4 => reader.bytes(64).is_ok_and(|bytes| bytes.len() <= 64),
            5 => reader.list(1000).is_ok_and(|count| count <= 1000),
            6 => reader.scalar().is_ok(),
            _ => reader.take(usize::from(*choice)).is_ok(),
        };
        assert!(reader.remaining() <= before);
        if !done {
            return;
        }
    }
}

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let key = bn254::SecretKey::from_be_bytes(&[5; 32]).expect("a scalar");
    let zero_flag = |length: usize| [&[0xc0_u8][..], &vec![0; length - 1]].concat();
    vec![
        ("g1", choose(0, &G1::generator().to_bytes())),
        ("g1_uncompressed", choose(0, &G1::generator().to_uncompressed())),
        ("g1_identity", choose(0, &zero_flag(48))),
        ("g2", choose(1, &G2::generator().to_bytes())),
        ("g2_uncompressed", choose(1, &G2::generator().to_uncompressed())),
        ("g2_identity", choose(1, &zero_flag(96))),
        ("scalar", choose(2, &(-Scalar::one()).to_be_bytes())),
        ("scalar_above", choose(2, &[0xff; 32])),
        ("operator_key", choose(3, &key.public().to_bytes())),
        ("operator_signature", choose(4, &key.sign(&[9; 32]).to_bytes())),
        ("operator_secret", choose(5, &[5; 32])),
        ("proof_g1", choose(6, &[&G1::generator().to_bytes()[..], &[1; 32]].concat())),
        ("proof_g2", choose(7, &[&G2::generator().to_bytes()[..], &[1; 32]].concat())),
        (
            "reader",
            choose(
                8,
                &[&[4, 5, 0, 1, 2, 3, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0, 0, 0, 2, 8, 8, 0, 0, 0, 9]].concat(),
            ),
        ),
    ]
}

fuzz_target!(
    init: seeds::write("decode_curves", inputs),
    |data: &[u8]| {
        let (which, bytes) = split(data);
        match which % 9 {
            0 => point::<G1>(bytes),
            1 => point::<G2>(bytes),
            6 => proof::<G1>(bytes),
            7 => proof::<G2>(bytes),
            8 => reader(bytes),
            other => fixed(other, bytes),
        }
    }
);
