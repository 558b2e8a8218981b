//! Only the one canonical encoding of a point of the subgroup, other than the identity, gets in.

use proptest::prelude::*;

use super::*;
use crate::enc::Decode;

const R: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
const P: &str = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";

fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn v6_scalars_from_r_upwards_are_refused() {
    let r = hex_array::<32>(R);
    let mut below = r;
    below[31] -= 1;
    assert_eq!(Scalar::from_be_bytes(&below).unwrap(), -Scalar::one());
    for bytes in [r, [0xff; 32]] {
        assert_eq!(Scalar::from_be_bytes(&bytes), Err(Decode::ScalarRange));
        assert_eq!(SecretScalar::from_be_bytes(&bytes).err(), Some(Decode::ScalarRange));
    }
    assert_eq!(Scalar::reduce_be(&r), Scalar::zero());
    assert_eq!(Scalar::from_be_bytes(&[0; 32]), Ok(Scalar::zero()));
}

#[test]
fn v2_the_identity_is_refused_in_every_form() {
    let mut compressed = [0; 48];
    compressed[0] = 0xc0;
    assert_eq!(G1::identity().to_bytes(), compressed);
    assert_eq!(G1::from_bytes(&compressed), Err(Decode::Identity));
    compressed[47] = 1;
    assert!(G1::from_bytes(&compressed).is_err());
    let mut uncompressed = [0; 192];
    assert_eq!(G2::from_uncompressed(&uncompressed), Err(Decode::NotOnCurve));
    uncompressed[0] = 0x40;
    assert_eq!(G2::identity().to_uncompressed(), uncompressed);
    assert_eq!(G2::from_uncompressed(&uncompressed), Err(Decode::Identity));
}

#[test]
fn v6_flags_of_the_other_form_are_refused() {
    let compressed = G1::generator().to_bytes();
    let uncompressed = G1::generator().to_uncompressed();
    for flags in 0..8_u8 {
        let mut bytes = compressed;
        bytes[0] = bytes[0] & 0x1f | flags << 5;
        let right = flags == 0b100 || flags == 0b101;
        assert_eq!(G1::from_bytes(&bytes).is_ok(), right, "{flags:03b}");
        let mut bytes = uncompressed;
        bytes[0] |= flags << 5;
        assert_eq!(G1::from_uncompressed(&bytes).is_ok(), flags == 0, "{flags:03b}");
    }
    // A compressed point at the start of an uncompressed buffer, which blst by itself would take.
    let mut bytes = [0; 96];
    bytes[..48].copy_from_slice(&compressed);
    assert_eq!(G1::from_uncompressed(&bytes), Err(Decode::NotCanonical));
    assert_eq!(OnCurve::<G1>::from_slice(&compressed[..47]), Err(Decode::Truncated));
}

#[test]
fn v6_coordinates_from_p_upwards_are_refused() {
    let p = hex_array::<48>(P);
    let mut bytes = p;
    bytes[0] |= 0x80;
    assert_eq!(G1::from_bytes(&bytes), Err(Decode::NotCanonical));
    // x + p for a point with a small x: found by counting up.
    let small = (0..=u8::MAX).find_map(|x| {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (0x80, x);
        OnCurve::<G1>::from_bytes(&bytes).ok().map(|_| x)
    });
    let mut bytes = p;
    bytes[0] |= 0x80;
    bytes[47] += small.unwrap();
    assert_eq!(G1::from_bytes(&bytes), Err(Decode::NotCanonical));
}

/// A point of the curve outside the subgroup, as encoded: almost every `x` gives one.
pub fn outside_subgroup<G: Group>(start: u64) -> OnCurve<G> {
    (start..)
        .find_map(|x| {
            let mut bytes = vec![0; G::COMPRESSED];
            bytes[0] = 0x80;
            bytes[G::COMPRESSED - 8..].copy_from_slice(&x.to_be_bytes());
            let point = OnCurve::<G>::from_slice(&bytes).ok()?;
            point.check().is_err().then_some(point)
        })
        .unwrap()
}

#[test]
fn v2_points_outside_the_subgroup_are_refused() {
    for start in [0, 1000, 1 << 40] {
        assert_eq!(outside_subgroup::<G1>(start).check(), Err(Decode::NotInSubgroup));
        assert_eq!(outside_subgroup::<G2>(start).check(), Err(Decode::NotInSubgroup));
    }
    let good = OnCurve::<G2>::from_bytes(&G2::generator().to_bytes()).unwrap();
    let list = [good, good, outside_subgroup(5), good, outside_subgroup(9)];
    assert_eq!(check_all(&list), Err(NotInSubgroup { index: 2 }));
    assert_eq!(check_all(&list[..2]).unwrap(), [G2::generator(); 2]);
    assert_eq!(check_all::<G1>(&[]), Ok(vec![]));
}

proptest! {
    /// Random strings with plausible flags: half of them are on the curve.
    #[test]
    fn v6_what_decodes_encodes_to_the_same_bytes(
        mut g1 in proptest::array::uniform32(any::<u8>()).prop_map(|b| [b, b].concat()),
        mut g2 in proptest::collection::vec(any::<u8>(), 192),
        flags in 0..8_u8,
    ) {
        g1[0] = g1[0] & 0x0f | flags << 5;
        g2[0] = g2[0] & 0x0f | flags << 5;
        let g1: [u8; 48] = g1[..48].try_into().unwrap();
        if let Ok(point) = G1::from_bytes(&g1) {
            prop_assert_eq!(point.to_bytes(), g1);
        }
        let short: [u8; 96] = g2[..96].try_into().unwrap();
        if let Ok(point) = G2::from_bytes(&short) {
            prop_assert_eq!(point.to_bytes(), short);
        }
        if OnCurve::<G1>::from_bytes(&g1).is_ok() {
            prop_assert!(flags == 4 || flags == 5);
        }
        prop_assert!(G2::from_uncompressed(&g2.try_into().unwrap()).is_err());
    }

    #[test]
    fn points_survive_both_forms(seed: u64) {
        let secret = SecretScalar::random(&mut rng(seed));
        let (p, q) = (secret.mul_g1(), secret.mul_g2());
        prop_assert_eq!(G1::from_bytes(&p.to_bytes()).unwrap(), p);
        prop_assert_eq!(G1::from_uncompressed(&p.to_uncompressed()).unwrap(), p);
        prop_assert_eq!(G2::from_bytes(&q.to_bytes()).unwrap(), q);
        prop_assert_eq!(G2::from_uncompressed(&q.to_uncompressed()).unwrap(), q);
    }

    #[test]
    fn one_flipped_bit_never_gives_the_same_point(seed: u64, bit in 0..96 * 8_usize) {
        let point = SecretScalar::random(&mut rng(seed)).mul_g2();
        let mut bytes = point.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(G2::from_bytes(&bytes), Ok(point));
        let mut bytes = point.to_uncompressed();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(G2::from_uncompressed(&bytes).is_err());
    }

    #[test]
    fn scalars_survive(bytes: [u8; 32]) {
        match Scalar::from_be_bytes(&bytes) {
            Ok(scalar) => prop_assert_eq!(scalar.to_be_bytes(), bytes),
            Err(error) => {
                prop_assert_eq!(error, Decode::ScalarRange);
                prop_assert!(hex::encode(bytes).as_str() >= R);
            }
        }
    }
}
