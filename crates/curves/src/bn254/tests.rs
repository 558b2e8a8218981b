use ark_bn254::{Fq2, G2Affine};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::enc::Decode;
use crate::hash::keccak256;
use crate::vectors::{array, bytes, list, load};

const P: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
const R: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";

fn key(seed: u64) -> SecretKey {
    SecretKey::random(&mut ChaCha20Rng::seed_from_u64(seed))
}

#[test]
fn hash_to_g1_of_hello() {
    let point = hash_to_g1(&keccak256(b"hello"));
    // x = 12910348618308260923200348219926901280687058984330794534952861439530514639561
    // y = 290682106116457377369994844531494166285874977141832209285140140216739269943
    assert_eq!(
        hex::encode(point),
        "1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac9\
         00a4852e8f1be4c9df00fd9bd67cbc17830f7149d0b6a0b41c9f9a1e40718d37"
    );
}

#[test]
fn eigenlayer_vectors() {
    let Some(file) = load("eigenx/bn254_solidity.json") else {
        return;
    };
    let secret = SecretKey::from_be_bytes(&array(&file["sk_be"])).unwrap();
    let public = secret.public();
    assert_eq!(public.g1_bytes(), array(&file["pk_g1_xy"]));
    assert_eq!(public.g2_bytes(), array(&file["pk_g2_marshal(XA1|XA0|YA1|YA0)"]));
    for vector in list(&file["vectors"]) {
        let hash = array(&vector["hash"]);
        assert_eq!(hash_to_g1(&hash), array(&vector["hash_to_g1_xy"]));
        let signature = secret.sign(&hash);
        let mut expected: [u8; 64] = array(&vector["signature_g1_xy"]);
        assert_eq!(signature.to_bytes(), expected);
        assert_eq!(Signature::from_bytes(&expected), Ok(signature));
        assert!(public.verify(&hash, &signature));
        expected[40] ^= 1;
        assert_ne!(signature.to_bytes(), expected);
        assert_eq!(Signature::from_bytes(&expected), Err(Decode::NotOnCurve));
    }
    assert_eq!(bytes(&file["sk_be"]), *secret.expose());
}

#[test]
fn signatures_are_bound_to_key_and_message() {
    let (a, b) = (key(1), key(2));
    let (pa, pb) = (a.public(), b.public());
    let signature = a.sign(&[7; 32]);
    assert_eq!(signature, a.sign(&[7; 32]));
    assert!(pa.verify(&[7; 32], &signature));
    assert!(!pa.verify(&[8; 32], &signature));
    assert!(!pb.verify(&[7; 32], &signature));
}

#[test]
fn public_keys_survive_and_mixed_ones_are_refused() {
    let (a, b) = (key(1).public(), key(2).public());
    assert_eq!(PublicKey::from_bytes(&a.to_bytes()), Ok(a.clone()));
    assert_ne!(a.address(), b.address());
    assert_eq!(a.address(), keccak256(&a.g2_bytes())[12..]);
    let mut mixed = a.to_bytes();
    mixed[64..].copy_from_slice(&b.g2_bytes());
    assert_eq!(PublicKey::from_bytes(&mixed), Err(Decode::Mismatch));
}

#[test]
fn possession_is_bound_to_the_address() {
    let secret = key(3);
    let public = secret.public();
    let proof = secret.prove_possession(&[1; 20]);
    assert!(public.verify_possession(&[1; 20], &proof));
    assert!(!public.verify_possession(&[2; 20], &proof));
    assert!(!key(4).public().verify_possession(&[1; 20], &proof));
}

#[test]
fn batches() {
    let keys: Vec<SecretKey> = (0..5).map(key).collect();
    let publics: Vec<PublicKey> = keys.iter().map(SecretKey::public).collect();
    let hashes: Vec<[u8; 32]> = (0..5).map(|i| [i; 32]).collect();
    let mut signatures: Vec<Signature> = keys.iter().zip(&hashes).map(|(k, h)| k.sign(h)).collect();
    let check = |signatures: &[Signature]| {
        let items = hashes.iter().zip(&publics).zip(signatures);
        let items: Vec<_> = items.map(|((hash, key), signature)| (*hash, key, signature)).collect();
        verify_batch(&items)
    };
    assert!(check(&[]));
    assert!(check(&signatures[..1]));
    assert!(check(&signatures));
    signatures.swap(1, 3);
    assert!(!check(&signatures));
    assert!(check(&signatures[..1]));
}

#[test]
fn the_range_of_secrets() {
    assert_eq!(SecretKey::from_be_bytes(&[0; 32]).err(), Some(Decode::ScalarRange));
    let mut r: [u8; 32] = hex::decode(R).unwrap().try_into().unwrap();
    assert_eq!(SecretKey::from_be_bytes(&r).err(), Some(Decode::ScalarRange));
    r[31] -= 1;
    let largest = SecretKey::from_be_bytes(&r).unwrap();
    assert_eq!(*largest.expose(), r);
    // (r - 1) * G = -G
    assert_eq!(largest.public().g1_bytes()[..32], {
        let mut one = [0; 32];
        one[31] = 1;
        one
    });
}

#[test]
fn v2_v6_hostile_points_are_refused() {
    assert_eq!(Signature::from_bytes(&[0; 64]), Err(Decode::Identity));
    assert_eq!(Signature::from_bytes(&[0xff; 64]), Err(Decode::NotCanonical));
    let mut coordinate_plus_p = key(1).sign(&[1; 32]).to_bytes();
    coordinate_plus_p[..32].copy_from_slice(&hex::decode(P).unwrap());
    assert_eq!(Signature::from_bytes(&coordinate_plus_p), Err(Decode::NotCanonical));
    let mut bytes = key(1).public().to_bytes();
    bytes[64..].fill(0);
    assert_eq!(PublicKey::from_bytes(&bytes), Err(Decode::Identity));
    let outside =
        (1_u64..).find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(x.into(), 1.into()), false)).unwrap();
    bytes[64..].copy_from_slice(&encoding::g2_to_bytes(&outside));
    assert_eq!(PublicKey::from_bytes(&bytes), Err(Decode::NotInSubgroup));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn v6_what_decodes_encodes_to_the_same_bytes(seed: u64, bit in 0..512_usize) {
        let signature = key(seed).sign(&[3; 32]);
        let mut bytes = signature.to_bytes();
        prop_assert_eq!(Signature::from_bytes(&bytes), Ok(signature));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Signature::from_bytes(&bytes).is_err());
    }
}
