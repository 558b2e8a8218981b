//! Tests of the BLS12-381 layer: `oracle` against arkworks, `decoding` against hostile bytes, `known` against vectors.

mod decoding;
mod known;
mod oracle;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use subtle::ConstantTimeEq;

use super::*;
use crate::tags;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Compiles only if the type lacks the trait: two blanket implementations are ambiguous as soon as it has it.
macro_rules! assert_lacks {
    ($Type:ty: $($Trait:path),+) => {$(
        const _: fn() = || {
            trait AmbiguousIfImplemented<A> {
                fn some_item() {}
            }
            impl<T: ?Sized> AmbiguousIfImplemented<()> for T {}
            struct Implemented;
            impl<T: ?Sized + $Trait> AmbiguousIfImplemented<Implemented> for T {}
            let _ = <$Type as AmbiguousIfImplemented<_>>::some_item;
        };
    )+};
}

assert_lacks!(SecretScalar: Clone, Copy, core::fmt::Debug, core::fmt::Display, PartialEq, core::hash::Hash);
assert_lacks!(crate::bn254::SecretKey: Clone, Copy, core::fmt::Debug, core::fmt::Display, PartialEq);
assert_lacks!(Gt: core::fmt::Debug, core::fmt::Display);
assert_lacks!(OnCurve<G1>: Into<G1>);

#[test]
fn scalar_arithmetic() {
    let (two, three) = (Scalar::from_u64(2), Scalar::from_u64(3));
    assert_eq!(two * three, Scalar::from_u64(6));
    assert_eq!(two - three + three, two);
    assert_eq!(-two + two, Scalar::zero());
    assert_eq!(three.invert().unwrap() * three, Scalar::one());
    assert_eq!(Scalar::zero().invert(), None);
    assert_eq!(two.pow(63), Scalar::from_u64(1 << 63));
    assert_eq!(three.pow(0), Scalar::one());
    let wide = [0xff; 64];
    let low = Scalar::reduce_be(&[0xff; 32]);
    let shift = two.pow(128) * two.pow(128);
    assert_eq!(Scalar::reduce_be_wide(&wide), low * shift + low);
}

#[test]
fn secrets_compute_what_public_scalars_do() {
    let mut rng = rng(1);
    let (a, b) = (SecretScalar::random(&mut rng), SecretScalar::random(&mut rng));
    let (pa, pb) = (a.copy().declassify(), b.copy().declassify());
    assert_eq!(a.add(&b).declassify(), pa + pb);
    assert_eq!(a.sub(&b).declassify(), pa - pb);
    assert_eq!(a.mul(&b).declassify(), pa * pb);
    assert_eq!(a.add_public(&pb).declassify(), pa + pb);
    assert_eq!(a.mul_public(&pb).declassify(), pa * pb);
    assert_eq!(a.neg().declassify(), -pa);
    assert_eq!(a.invert().declassify(), pa.invert().unwrap());
    assert_eq!(*a.expose(), pa.to_be_bytes());
    assert!(bool::from(SecretScalar::from_be_bytes(&a.expose()).unwrap().ct_eq(&a)));
    assert!(!bool::from(a.ct_eq(&b)) && !bool::from(a.is_zero()));
    assert!(bool::from(SecretScalar::zero().is_zero()));
    assert_eq!(a.mul_g1(), G1::generator().mul(&pa));
    assert_eq!(a.mul_g2(), G2::generator().mul(&pa));
}

#[test]
fn extreme_secrets_times_the_generator() {
    let edges = [
        Scalar::zero(),
        Scalar::one(),
        -Scalar::one(),
        Scalar::from_u64(16),
        Scalar::from_u64(31),
        Scalar::from_u64(32),
        Scalar::from_u64(2).pow(254),
        Scalar::from_u64(2).pow(254) - Scalar::one(),
    ];
    for scalar in edges {
        let secret = SecretScalar::from_public(&scalar);
        assert_eq!(secret.mul_g1(), G1::generator().mul(&scalar));
        assert_eq!(secret.mul_g2(), G2::generator().mul(&scalar));
    }
    assert!(SecretScalar::zero().mul_g2().is_identity());
    // k * 32^i for k up to 32, which has long runs of equal digits.
    for position in [0, 1, 7, 8, 25, 49, 50] {
        for k in 0..=32 {
            let scalar = Scalar::from_u64(k) * Scalar::from_u64(32).pow(position);
            let secret = SecretScalar::from_public(&scalar);
            assert_eq!(secret.mul_g1(), G1::generator().mul(&scalar));
            assert_eq!(secret.mul_g2(), G2::generator().mul(&scalar));
        }
    }
}

#[test]
fn many_secrets_times_the_generator() {
    let mut rng = rng(7);
    for count in [0, 1, 2, 3, 15, 16, 17, 34] {
        let mut secrets: Vec<SecretScalar> = (0..count).map(|_| SecretScalar::random(&mut rng)).collect();
        // Beside random ones: 0, 1 and -1, in one batch.
        for (secret, edge) in secrets.iter_mut().zip([Scalar::zero(), Scalar::one(), -Scalar::one()]).skip(count % 2) {
            *secret = SecretScalar::from_public(&edge);
        }
        let products = |secret: &SecretScalar| {
            let scalar = secret.copy().declassify();
            (G1::generator().mul(&scalar), G2::generator().mul(&scalar))
        };
        let expected: (Vec<G1>, Vec<G2>) = secrets.iter().map(products).unzip();
        let secrets: Vec<&SecretScalar> = secrets.iter().collect();
        assert_eq!((G1::mul_generator_all(&secrets), G2::mul_generator_all(&secrets)), expected, "{count}");
    }
}

#[test]
fn identity_and_batches() {
    let g = G2::generator();
    let o = G2::identity();
    assert!(o.is_identity() && !g.is_identity());
    assert_eq!(o + g, g);
    assert_eq!(g + o, g);
    assert_eq!(g - g, o);
    assert_eq!(o.mul(&Scalar::from_u64(7)), o);
    assert_eq!(g.mul(&Scalar::zero()), o);
    assert_eq!(g.mul_small(0), o);
    assert_eq!(g.mul_small(1), g);
    assert_eq!(g.mul_small(u64::MAX), g.mul(&Scalar::from_u64(u64::MAX)));
    let mut points: Vec<G2> = (0..40).map(|i| g.mul_small(i)).collect();
    let total = g.mul_small(780);
    assert_eq!(G2::sum(&points), total);
    G2::normalize(&mut points);
    assert!(points[0].is_identity());
    assert_eq!(points[39], g.mul_small(39));
    assert_eq!(G2::sum(&points), total);
    // Equal and opposite points among those that share an inversion.
    let same: Vec<G2> = (0..40).map(|i| if i % 4 == 3 { -g } else { g }).collect();
    assert_eq!(G2::sum(&same), g.mul_small(20));
    assert_eq!(G2::sum(&[]), o);
}

#[test]
fn msm_is_the_sum_of_products() {
    let mut rng = rng(2);
    for n in [0_u64, 1, 2, 7, 31, 32, 33, 70] {
        for bits in [1_u64, 8, 64, 128, 255] {
            let points: Vec<G1> =
                (0..n).map(|i| if i % 9 == 5 { G1::identity() } else { G1::generator().mul_small(i + 1) }).collect();
            let scalars: Vec<Scalar> = (0..n)
                .map(|_| {
                    let mut bytes = SecretScalar::random(&mut rng).declassify().to_be_bytes();
                    bytes[..32 - usize::try_from(bits.div_ceil(8)).unwrap()].fill(0);
                    Scalar::reduce_be(&bytes)
                })
                .collect();
            let expected: G1 = points.iter().zip(&scalars).map(|(p, s)| p.mul(s)).sum();
            assert_eq!(G1::msm(&points, &scalars), expected, "{n} {bits}");
        }
    }
    let twice = [G2::generator(), G2::generator(), -G2::generator()];
    let threes = [Scalar::from_u64(3); 3];
    assert_eq!(G2::msm(&twice, &threes), G2::generator().mul_small(3));
}

#[test]
fn pairing_is_bilinear_and_knows_the_identity() {
    let mut rng = rng(3);
    let a = SecretScalar::random(&mut rng);
    let (g1, g2) = (G1::generator(), G2::generator());
    let (p, q) = (a.mul_g1(), a.mul_g2());
    assert!(pairing_eq(&p, &g2, &g1, &q));
    assert!(!pairing_eq(&p, &g2, &g1, &g2));
    assert!(pairing(&p, &g2) == pairing(&g1, &g2).pow_secret(&a));
    assert!(pairing(&g1, &g2) != Gt::one());
    assert!(pairing(&G1::identity(), &g2) == Gt::one());
    assert!(multi_pairing_is_one(&[]));
    assert!(multi_pairing_is_one(&[(p, g2), (G1::identity(), g2), (-g1, q)]));
    assert!(multi_pairing_is_one(&[(p, G2::identity())]));
    assert!(!multi_pairing_is_one(&[(p, g2), (G1::identity(), g2)]));
    assert!(pairing(&g1, &g2).pow_secret(&SecretScalar::zero()) == Gt::one());
}

#[test]
fn hash_to_scalar_separates() {
    let base = hash_to_scalar(tags::SCHNORR, b"a");
    assert_ne!(base, hash_to_scalar(tags::SCHNORR, b"b"));
    assert_ne!(base, hash_to_scalar(tags::BLS_BATCH, b"a"));
    assert_eq!(base, hash_to_scalar(tags::SCHNORR, b"a"));
}

#[test]
fn wiping_leaves_the_identity() {
    let mut point = G1::generator();
    zeroize::Zeroize::zeroize(&mut point);
    assert!(point.is_identity());
}
