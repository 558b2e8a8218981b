use proptest::prelude::*;
use quorumkeep_curves::bls::{G1, G2, OnCurve};
use rand_core::RngCore;

use super::{Nodes, app, rng};
use crate::fo::{EncryptError, Encryptor, KEM_LEN, decrypt, encrypt};
use crate::{AppKey, DecryptFailed, Format, Kem, Suite};

const MSG: [u8; 16] = *b"sixteen byte key";
const SUITE: Suite = Suite::QUORUMKEEP;

struct Case {
    group_key: G2,
    q: G1,
    key: AppKey,
}

fn case() -> Case {
    let nodes = Nodes::new(2, 3, 10);
    let q = app("billing", 0).q(Format::Age);
    Case { group_key: nodes.group_key, key: nodes.app_key(&q), q }
}

impl Case {
    fn kem(&self, seed: u64) -> Kem {
        encrypt(&SUITE, &self.group_key, &self.q, &MSG, &mut rng(seed)).unwrap()
    }

    fn refuses(&self, kem: &Kem) -> bool {
        decrypt(&SUITE, &self.key, kem).err() == Some(DecryptFailed)
    }
}

#[test]
fn a_bit_flipped_in_any_byte_gives_the_single_error() {
    let case = case();
    let bytes = case.kem(1).to_bytes();
    assert_eq!(*decrypt(&SUITE, &case.key, &Kem::from_bytes(&bytes).unwrap()).unwrap(), MSG);
    let mut random = rng(2);
    for position in 0..KEM_LEN {
        let mut changed = bytes;
        changed[position] ^= 1 << (random.next_u32() % 8);
        assert!(case.refuses(&Kem::from_bytes(&changed).unwrap()), "byte {position}");
    }
}

#[test]
fn parts_of_two_ciphertexts_do_not_mix() {
    let case = case();
    let (a, b) = (case.kem(1), case.kem(2));
    assert!(case.refuses(&Kem { u: b.u, ..a.clone() }));
    assert!(case.refuses(&Kem { v: b.v, ..a.clone() }));
    assert!(case.refuses(&Kem { w: b.w, ..a.clone() }));
    assert!(case.refuses(&Kem { u: a.u, ..b }));
}

#[test]
fn a_negated_u_is_refused() {
    let case = case();
    let mut kem = case.kem(1);
    // The sign flag of the compressed form.
    kem.u[0] ^= 0x20;
    assert!(G2::from_bytes(&kem.u).is_ok());
    assert!(case.refuses(&kem));
}

#[test]
fn v2_the_identity_and_points_outside_the_subgroup_are_refused() {
    let case = case();
    let kem = case.kem(1);
    let mut identity = [0; 96];
    identity[0] = 0xc0;
    assert!(case.refuses(&Kem { u: identity, ..kem.clone() }));
    assert!(case.refuses(&Kem { u: outside_the_subgroup(), ..kem }));
}

/// A point of the curve, canonical, whose order is not the group's.
fn outside_the_subgroup() -> [u8; 96] {
    let mut random = rng(3);
    let mut bytes = [0; 96];
    loop {
        random.fill_bytes(&mut bytes);
        bytes[0] = 0x80 | (bytes[0] & 0x0f);
        if OnCurve::<G2>::from_bytes(&bytes).is_ok() && G2::from_bytes(&bytes).is_err() {
            return bytes;
        }
    }
}

#[test]
fn another_key_identity_or_suite_does_not_open() {
    let case = case();
    let kem = case.kem(1);
    let nodes = Nodes::new(2, 3, 10);
    let other = nodes.app_key(&app("billing", 1).q(Format::Age));
    assert_eq!(decrypt(&SUITE, &other, &kem).err(), Some(DecryptFailed));
    assert_eq!(decrypt(&Suite::DRAND_QUICKNET, &case.key, &kem).err(), Some(DecryptFailed));
    for replaced in [
        Suite { h2: Suite::DRAND_QUICKNET.h2, ..SUITE },
        Suite { h3: Suite::DRAND_QUICKNET.h3, ..SUITE },
        Suite { h4: Suite::DRAND_QUICKNET.h4, ..SUITE },
    ] {
        assert_eq!(decrypt(&replaced, &case.key, &kem).err(), Some(DecryptFailed));
    }
}

#[test]
fn a_neutral_group_key_or_identity_is_not_encrypted_to() {
    let case = case();
    let run = |key: &G2, q: &G1| encrypt(&SUITE, key, q, &MSG, &mut rng(1)).err();
    assert_eq!(run(&G2::identity(), &case.q), Some(EncryptError::NeutralElement));
    assert_eq!(run(&case.group_key, &G1::identity()), Some(EncryptError::NeutralElement));
    assert!(Encryptor::new(SUITE, &G2::identity(), &case.q).is_err());
}

#[test]
fn the_cached_encryptor_writes_the_same_bytes() {
    let case = case();
    let encryptor = Encryptor::new(SUITE, &case.group_key, &case.q).unwrap();
    for seed in 0..4 {
        assert_eq!(encryptor.encrypt(&MSG, &mut rng(seed)).unwrap(), case.kem(seed));
    }
}

#[test]
fn only_128_bytes_are_a_ciphertext() {
    for length in [0, 1, 96, 127, 129, 256] {
        assert_eq!(Kem::from_bytes(&vec![0; length]), Err(DecryptFailed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_encrypted_comes_back(msg in any::<[u8; 16]>(), seed in any::<u64>(), name in "[!-~]{1,128}", epoch in any::<u64>()) {
        let nodes = Nodes::new(2, 3, seed);
        let q = app(&name, epoch).q(Format::Age);
        let kem = encrypt(&SUITE, &nodes.group_key, &q, &msg, &mut rng(seed)).unwrap();
        prop_assert_eq!(&Kem::from_bytes(&kem.to_bytes()).unwrap(), &kem);
        prop_assert_eq!(*decrypt(&SUITE, &nodes.app_key(&q), &kem).unwrap(), msg);
    }

    #[test]
    fn random_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), KEM_LEN)) {
        prop_assert!(case().refuses(&Kem::from_bytes(&bytes).unwrap()));
    }
}
