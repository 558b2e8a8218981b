//! Tests of the sharing layer: properties here, vectors from outside in `known`.

mod gf256;
pub(crate) mod known;

use proptest::prelude::*;
use quorumkeep_curves::bls::{G1, G2, Scalar, SecretScalar};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::*;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn index(value: u16) -> Index {
    Index::new(value).unwrap()
}

fn indices(values: &[u16]) -> Vec<Index> {
    values.iter().map(|value| index(*value)).collect()
}

fn polynomial(t: u16, seed: u64) -> Polynomial {
    Polynomial::random(Threshold::new(t, t).unwrap(), &mut rng(seed))
}

/// `count` different indices up to `max`, in no order.
fn subset(count: usize, max: u16, seed: u64) -> Vec<Index> {
    let mut rng = rng(seed);
    let mut all: Vec<u16> = (1..=max).collect();
    for i in 0..count {
        let rest = u64::try_from(all.len() - i).unwrap();
        let j = i + usize::try_from(rng.next_u64() % rest).unwrap();
        all.swap(i, j);
    }
    indices(&all[..count])
}

#[test]
fn v12_thresholds() {
    assert_eq!(Index::new(0), None);
    for (n, t) in [(2, 2), (3, 2), (4, 3), (5, 4), (7, 5), (10, 7), (15, 10), (21, 14), (65535, 43690)] {
        assert_eq!(Threshold::default_for(n).unwrap().get(), t);
    }
    for (t, n) in [(0, 3), (1, 3), (4, 3), (1, 1), (0, 0)] {
        assert_eq!(Threshold::new(t, n), Err(Error::Threshold { t, n }));
    }
    assert!(Threshold::default_for(1).is_err());
    assert_eq!(Threshold::new(5, 7).map(Threshold::as_usize), Ok(5));
}

#[test]
fn a_polynomial_by_hand() {
    let coefficients = [5, 3, 2].map(|c| SecretScalar::from_public(&Scalar::from_u64(c)));
    let f = Polynomial::from_coefficients(coefficients.into()).unwrap();
    assert_eq!(f.evaluate(index(4)).declassify(), Scalar::from_u64(5 + 3 * 4 + 2 * 16));
    assert_eq!(f.threshold(), 3);
    assert_eq!(f.commit().evaluate(index(4)), G2::generator().mul_small(49));
    assert_eq!(f.commit().points(), [5, 3, 2].map(|c| G2::generator().mul_small(c)));
    assert_eq!(f.constant().copy().declassify(), Scalar::from_u64(5));
    assert_eq!(Polynomial::from_coefficients(vec![]).err(), Some(Error::Empty));
}

#[test]
fn lagrange_by_hand() {
    let minus = |n| -Scalar::from_u64(n);
    let third = Scalar::from_u64(3).invert().unwrap();
    let expected = vec![Scalar::from_u64(3), minus(3), Scalar::one()];
    assert_eq!(lagrange::at_zero(&indices(&[1, 2, 3])).unwrap(), expected);
    let expected = vec![Scalar::from_u64(4) * third, -third];
    assert_eq!(lagrange::at_zero(&indices(&[1, 4])).unwrap(), expected);
    assert_eq!(lagrange::at_zero(&indices(&[9])).unwrap(), vec![Scalar::one()]);
}

#[test]
fn v1_wrong_points_are_refused() {
    let twice = indices(&[1, 2, 1]);
    assert_eq!(lagrange::at_zero(&twice), Err(Error::Duplicate));
    assert_eq!(lagrange::at_zero(&[]), Err(Error::Empty));
    let points: Vec<(Index, G2)> = twice.iter().map(|i| (*i, G2::generator())).collect();
    assert_eq!(lagrange::interpolate_g2(&points), Err(Error::Duplicate));
    let far = [(index(60000), G1::generator()), (index(60000), G1::generator())];
    assert_eq!(lagrange::interpolate_g1(&far), Err(Error::Duplicate));
    assert_eq!(lagrange::interpolate_g1(&[]), Err(Error::Empty));
    let secret = SecretScalar::zero();
    let shares = [(index(3), &secret), (index(3), &secret)];
    assert_eq!(lagrange::interpolate_secret(&shares).err(), Some(Error::Duplicate));
    // Points from outside formats are reduced; 0 and equal ones modulo r are still found.
    let one = Scalar::one();
    assert_eq!(lagrange::at_zero_scalars(&[Scalar::zero(), one]), Err(Error::Zero));
    assert_eq!(lagrange::at_zero_scalars(&[one, one]), Err(Error::Duplicate));
}

#[test]
fn v3_commitments_of_different_lengths_do_not_mix() {
    let (a, b) = (polynomial(3, 1).commit(), polynomial(4, 2).commit());
    assert_eq!(Commitment::sum(&[&a, &b]), Err(Error::Length));
    assert_eq!(Commitment::sum(&[]), Err(Error::Empty));
    let mixed = [(index(1), &a), (index(2), &b)];
    assert_eq!(lagrange::interpolate_commitments(&mixed), Err(Error::Length));
    assert_eq!(Commitment::new(vec![]), Err(Error::Empty));
}

#[test]
fn consecutive_evaluation_is_the_same() {
    for (t, n) in [(2, 2), (2, 9), (5, 7), (7, 10), (7, 40), (1, 5)] {
        let coefficients = (0..t).map(|_| SecretScalar::random(&mut rng(9))).collect();
        let commitment = Polynomial::from_coefficients(coefficients).unwrap().commit();
        let all: Vec<Index> = (1..=n).map(index).collect();
        let each: Vec<G2> = all.iter().map(|i| commitment.evaluate(*i)).collect();
        assert_eq!(commitment.evaluate_all(&all), each, "t = {t}, n = {n}");
        let gaps: Vec<Index> = all.iter().skip(1).copied().collect();
        assert_eq!(commitment.evaluate_all(&gaps), each[1..]);
    }
    assert!(polynomial(2, 1).commit().evaluate_all(&[]).is_empty());
}

#[test]
fn a_dealing_is_one_players_value_of_one_polynomial() {
    let f = polynomial(3, 1);
    let (commitment, dealing) = (f.commit(), f.evaluate(index(2)));
    assert!(commitment.verify(index(2), &dealing));
    assert!(!commitment.verify(index(3), &dealing), "of another player");
    assert!(!commitment.verify(index(2), &dealing.add_public(&Scalar::one())));
    assert!(!polynomial(3, 2).commit().verify(index(2), &dealing), "of another dealer");
}

#[test]
fn bad_dealings_are_named() {
    let polynomials: Vec<Polynomial> = (0..6).map(|seed| polynomial(4, seed)).collect();
    let commitments: Vec<Commitment> = polynomials.iter().map(Polynomial::commit).collect();
    let mut dealings: Vec<SecretScalar> = polynomials.iter().map(|f| f.evaluate(index(5))).collect();
    let check = |dealings: &[SecretScalar]| {
        let pairs: Vec<_> = commitments.iter().zip(dealings).collect();
        verify_dealings(index(5), &pairs)
    };
    assert_eq!(check(&dealings), Ok(()));
    assert_eq!(check(&[]), Ok(()));
    // Two errors that cancel in a plain sum.
    dealings[1] = dealings[1].add_public(&Scalar::one());
    dealings[4] = dealings[4].add_public(&-Scalar::one());
    assert_eq!(check(&dealings), Err(vec![1, 4]));
    assert_eq!(check(&dealings[..2]), Err(vec![1]));
    assert_eq!(check(&dealings[..1]), Ok(()));
    let pairs: Vec<_> = commitments.iter().zip(&dealings).collect();
    assert_eq!(verify_dealings(index(6), &pairs), Err(vec![0, 1, 2, 3, 4, 5]));
}

#[test]
fn v3_a_raised_degree_shows_in_the_length_only() {
    // A dealing that fits the longer vector verifies: the caller compares the length with the threshold.
    let long = polynomial(4, 3);
    let commitment = long.commit();
    assert!(commitment.verify(index(1), &long.evaluate(index(1))));
    assert_eq!(commitment.threshold(), 4);
}

#[test]
fn v14_the_hash_depends_on_points_and_their_number() {
    let g = G2::generator();
    assert_ne!(hash_points(&[g]), hash_points(&[g, g]));
    assert_ne!(hash_points(&[g, g.double()]), hash_points(&[g.double(), g]));
    let written = hash_points(&[g.double(), g]);
    assert_eq!(hash_points(&[g + g, g]), written, "coordinates inside must not matter");
    assert_eq!(Commitment::new(vec![g + g, g]).unwrap().hash(), written);
}

/// A whole reshare: old shares dealt again, the new commitment interpolated, the key unchanged.
#[test]
fn reshare_keeps_the_key() {
    let old = polynomial(3, 7);
    let old_commitment = old.commit();
    let dealers = indices(&[2, 3, 5, 9]);
    let t = Threshold::new(4, 6).unwrap();
    let new: Vec<Polynomial> =
        dealers.iter().map(|i| Polynomial::with_constant(old.evaluate(*i), t, &mut rng(u64::from(i.get())))).collect();
    let commitments: Vec<Commitment> = new.iter().map(Polynomial::commit).collect();
    for (dealer, commitment) in dealers.iter().zip(&commitments) {
        assert_eq!(*commitment.constant(), old_commitment.evaluate(*dealer));
    }
    let pairs: Vec<(Index, &Commitment)> = dealers.iter().copied().zip(&commitments).collect();
    let combined = lagrange::interpolate_commitments(&pairs).unwrap();
    assert_eq!(combined.constant(), old_commitment.constant());
    for player in indices(&[1, 4, 11]) {
        let dealings: Vec<SecretScalar> = new.iter().map(|f| f.evaluate(player)).collect();
        let terms: Vec<(Index, &SecretScalar)> = dealers.iter().copied().zip(&dealings).collect();
        let share = lagrange::interpolate_secret(&terms).unwrap();
        assert!(combined.verify(player, &share));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn v5_any_t_shares_recover_and_the_commitment_agrees(
        t in 2..12_u16,
        extra in 0..4_usize,
        max in prop::sample::select(vec![20_u16, 200, 1024, 1025, u16::MAX]),
        seed: u64,
    ) {
        let f = polynomial(t, seed);
        let commitment = f.commit();
        let chosen = subset(usize::from(t) + extra, max, seed);
        let shares: Vec<SecretScalar> = chosen.iter().map(|i| f.evaluate(*i)).collect();
        let pairs: Vec<(Index, &SecretScalar)> = chosen.iter().copied().zip(&shares).collect();
        let secret = lagrange::interpolate_secret(&pairs).unwrap();
        prop_assert_eq!(secret.declassify(), f.constant().copy().declassify());
        let images: Vec<(Index, G2)> = chosen.iter().map(|i| (*i, commitment.evaluate(*i))).collect();
        prop_assert_eq!(lagrange::interpolate_g2(&images).unwrap(), *commitment.constant());
        prop_assert_eq!(commitment.evaluate_at(&chosen[0].to_scalar()), images[0].1);
        let partials: Vec<(Index, G1)> =
            chosen.iter().zip(&shares).map(|(i, share)| (*i, share.mul_g1())).collect();
        prop_assert_eq!(lagrange::interpolate_g1(&partials).unwrap(), f.constant().mul_g1());
        let too_few = lagrange::interpolate_g2(&images[..usize::from(t) - 1]).unwrap();
        prop_assert_ne!(too_few, *commitment.constant());
    }

    #[test]
    fn many_points_with_long_weights(t in 60..120_usize, seed: u64) {
        // Weights near and above the length where short ones stop paying.
        let chosen = subset(t, 1024, seed);
        let lambdas = lagrange::at_zero(&chosen).unwrap();
        prop_assert_eq!(lambdas.iter().copied().sum::<Scalar>(), Scalar::one());
        let points: Vec<(Index, G1)> = chosen
            .iter()
            .map(|i| (*i, G1::generator().mul_small(3 + 5 * u64::from(i.get()))))
            .collect();
        prop_assert_eq!(lagrange::interpolate_g1(&points).unwrap(), G1::generator().mul_small(3));
    }

    #[test]
    fn commitments_add_like_polynomials(t in 2..8_u16, n in 1..20_u64) {
        let polynomials: Vec<Polynomial> = (0..n).map(|seed| polynomial(t, seed)).collect();
        let commitments: Vec<Commitment> = polynomials.iter().map(Polynomial::commit).collect();
        let sum = Commitment::sum(&commitments.iter().collect::<Vec<_>>()).unwrap();
        let zero = SecretScalar::zero();
        let share = polynomials.iter().fold(zero, |sum, f| sum.add(&f.evaluate(index(3))));
        prop_assert!(sum.verify(index(3), &share));
    }
}

proptest! {
    #[test]
    fn coefficients_are_found_again(t in 2..9_u16, n in 0..5_usize, seed: u64) {
        let polynomial = polynomial(t, seed);
        let indices = subset(usize::from(t), 60, seed ^ 1);
        let value = |index: &Index| (*index, polynomial.evaluate(*index).declassify());
        let found = lagrange::coefficients(&indices.iter().map(value).collect::<Vec<_>>()).unwrap();
        let expected: Vec<Scalar> = polynomial.coefficients().map(|a| a.copy().declassify()).collect();
        prop_assert_eq!(found, expected);
        let mut twice: Vec<_> = indices.iter().map(value).collect();
        twice.push(twice[n % twice.len()]);
        prop_assert_eq!(lagrange::coefficients(&twice), Err(Error::Duplicate));
    }

    #[test]
    fn hiding_dealings_are_checked(t in 2..6_u16, seed: u64) {
        let h = G1::hash_to_curve(b"another generator", &seed.to_be_bytes());
        let (f, blinding) = (polynomial(t, seed), polynomial(t, seed ^ 1));
        let commitment = HidingCommitment::commit(&f, &blinding, &h).unwrap();
        let i = index(7);
        let (s, b) = (f.evaluate(i), blinding.evaluate(i));
        prop_assert!(commitment.verify(i, &h, (&s, &b)));
        prop_assert!(!commitment.verify(i, &h, (&b, &s)) && !commitment.verify(index(8), &h, (&s, &b)));
        let other = HidingCommitment::commit(&blinding, &f, &h).unwrap();
        prop_assert!(hiding_dealings_hold(i, &h, &[(&commitment, (&s, &b)), (&other, (&b, &s))]));
        prop_assert!(!hiding_dealings_hold(i, &h, &[(&commitment, (&s, &b)), (&other, (&s, &b))]));
        prop_assert!(!hiding_dealings_hold(i, &h, &[(&commitment, (&b, &s)), (&other, (&s, &b))]));
    }
}
