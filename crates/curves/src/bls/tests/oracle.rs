//! Agreement with arkworks, an implementation that shares no code with blst.

use ark_bls12_381::{Bls12_381, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::hashing::HashToCurve;
use ark_ec::hashing::curve_maps::wb::WBMap;
use ark_ec::hashing::map_to_curve_hasher::MapToCurveBasedHasher;
use ark_ec::pairing::Pairing;
use ark_ec::short_weierstrass::{Projective, SWCurveConfig};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::field_hashers::DefaultFieldHasher;
use ark_ff::{BigInteger, PrimeField};
use proptest::prelude::*;

use super::*;

type Hasher<P> = MapToCurveBasedHasher<Projective<P>, DefaultFieldHasher<sha2::Sha256, 128>, WBMap<P>>;

fn fq(value: Fq) -> Vec<u8> {
    value.into_bigint().to_bytes_be()
}

fn fq2(value: Fq2) -> Vec<u8> {
    [fq(value.c1), fq(value.c0)].concat()
}

fn g1(point: impl Into<G1Affine>) -> Vec<u8> {
    point.into().xy().map_or_else(|| G1::identity().to_uncompressed().to_vec(), |(x, y)| [fq(x), fq(y)].concat())
}

fn g2(point: impl Into<G2Affine>) -> Vec<u8> {
    point.into().xy().map_or_else(|| G2::identity().to_uncompressed().to_vec(), |(x, y)| [fq2(x), fq2(y)].concat())
}

fn fr(scalar: &Scalar) -> Fr {
    Fr::from_be_bytes_mod_order(&scalar.to_be_bytes())
}

prop_compose! {
    fn scalar()(wide in proptest::collection::vec(any::<u8>(), 64)) -> Scalar {
        Scalar::reduce_be_wide(&wide.try_into().unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scalars_agree(a in scalar(), b in scalar(), wide in proptest::collection::vec(any::<u8>(), 64)) {
        let bytes = |s: Scalar| s.to_be_bytes().to_vec();
        prop_assert_eq!(bytes(a + b), (fr(&a) + fr(&b)).into_bigint().to_bytes_be());
        prop_assert_eq!(bytes(a - b), (fr(&a) - fr(&b)).into_bigint().to_bytes_be());
        prop_assert_eq!(bytes(a * b), (fr(&a) * fr(&b)).into_bigint().to_bytes_be());
        let reduced = Fr::from_be_bytes_mod_order(&wide).into_bigint().to_bytes_be();
        prop_assert_eq!(bytes(Scalar::reduce_be_wide(&wide.try_into().unwrap())), reduced);
    }

    #[test]
    fn g1_agrees(a in scalar(), b in scalar(), small: u64) {
        let (p, q) = (G1::generator().mul(&a), SecretScalar::from_public(&b).mul_g1());
        let generator = G1Projective::generator();
        let (ap, aq) = (generator * fr(&a), generator * fr(&b));
        prop_assert_eq!(p.to_uncompressed().to_vec(), g1(ap));
        prop_assert_eq!((p + q).to_uncompressed().to_vec(), g1(ap + aq));
        prop_assert_eq!((p - q).to_uncompressed().to_vec(), g1(ap - aq));
        prop_assert_eq!(p.mul(&b).to_uncompressed().to_vec(), g1(ap * fr(&b)));
        prop_assert_eq!(p.mul_small(small).to_uncompressed().to_vec(), g1(ap * Fr::from(small)));
    }

    #[test]
    fn g2_agrees(a in scalar(), b in scalar(), small: u64) {
        let (p, q) = (G2::generator().mul(&a), SecretScalar::from_public(&b).mul_g2());
        let generator = G2Projective::generator();
        let (ap, aq) = (generator * fr(&a), generator * fr(&b));
        prop_assert_eq!(p.to_uncompressed().to_vec(), g2(ap));
        prop_assert_eq!(q.to_uncompressed().to_vec(), g2(aq));
        prop_assert_eq!((p + q).to_uncompressed().to_vec(), g2(ap + aq));
        prop_assert_eq!((p - q).to_uncompressed().to_vec(), g2(ap - aq));
        prop_assert_eq!(q.mul(&a).to_uncompressed().to_vec(), g2(aq * fr(&a)));
        prop_assert_eq!(p.mul_small(small).to_uncompressed().to_vec(), g2(ap * Fr::from(small)));
    }

    #[test]
    fn hash_to_curve_agrees(message: Vec<u8>, dst in "[A-Z_0-9:-]{1,80}") {
        let ours = G1::hash_to_curve(dst.as_bytes(), &message).to_uncompressed();
        let theirs = Hasher::<ark_bls12_381::g1::Config>::new(dst.as_bytes()).unwrap();
        prop_assert_eq!(ours.to_vec(), g1(theirs.hash(&message).unwrap()));
        let ours = G2::hash_to_curve(dst.as_bytes(), &message).to_uncompressed();
        let theirs = Hasher::<ark_bls12_381::g2::Config>::new(dst.as_bytes()).unwrap();
        prop_assert_eq!(ours.to_vec(), g2(theirs.hash(&message).unwrap()));
    }

    #[test]
    fn points_on_the_curve_are_judged_alike(x: u64, imaginary: u64) {
        let point = G2Affine::get_point_from_x_unchecked(Fq2::new(x.into(), imaginary.into()), false);
        if let Some(point) = point {
            let decoded = OnCurve::<G2>::from_uncompressed_slice(&g2(point)).unwrap();
            prop_assert_eq!(decoded.check().is_ok(), point.is_in_correct_subgroup_assuming_on_curve());
            let cleared = point.clear_cofactor();
            prop_assert!(OnCurve::<G2>::from_uncompressed_slice(&g2(cleared)).unwrap().check().is_ok());
        }
        if let Some(point) = G1Affine::get_point_from_x_unchecked(x.into(), true) {
            let decoded = OnCurve::<G1>::from_uncompressed_slice(&g1(point)).unwrap();
            prop_assert_eq!(decoded.check().is_ok(), point.is_in_correct_subgroup_assuming_on_curve());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn pairing_agrees(a in scalar(), b in scalar()) {
        let ours = pairing(&G1::generator().mul(&a), &G2::generator().mul(&b));
        let p = (G1Projective::generator() * fr(&a)).into_affine();
        let q = (G2Projective::generator() * fr(&b)).into_affine();
        let theirs = Bls12_381::pairing(p, q).0;
        let coordinates = [theirs.c1, theirs.c0].map(|c| [c.c2, c.c1, c.c0].map(fq2).concat());
        prop_assert_eq!(ours.to_gnark_bytes().to_vec(), coordinates.concat());
    }
}

/// The constant of the curve is what both think it is.
#[test]
fn generators_agree() {
    assert_eq!(g1(ark_bls12_381::g1::Config::GENERATOR), G1::generator().to_uncompressed());
    assert_eq!(g2(ark_bls12_381::g2::Config::GENERATOR), G2::generator().to_uncompressed());
}
