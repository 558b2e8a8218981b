//! Hostile points: of every small order in the cofactor, alone, cancelling each other, and many.

use ark_bls12_381::{Fq2, G2Affine, G2Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, BigInteger, PrimeField, Zero};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::bls::{G1, G2, NotInSubgroup, OnCurve, Scalar, SecretScalar, check_all, check_many};
use crate::enc::Decode;

/// The prime factors of the cofactor of G2 that are small, with their exponents.
const SMALL: [(u32, u32); 5] = [(13, 2), (23, 2), (2713, 1), (11953, 1), (262069, 1)];

const R: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
const H: &str = "05d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddfa628f1cb4d9e82ef21537e293a6691ae1616ec6e786f0c70\
                 cf1c38e31c7238e5";

/// Double-and-add by a big-endian integer: no endomorphism, which holds in the subgroup only.
fn times(point: G2Projective, factor: &[u8]) -> G2Projective {
    let mut out = G2Projective::zero();
    for bit in factor.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        out.double_in_place();
        if bit == 1 {
            out += point;
        }
    }
    out
}

/// Divides a big-endian integer without a remainder.
fn divide(integer: &[u8], divisor: u32) -> Vec<u8> {
    let mut rest = 0_u64;
    let quotient = integer.iter().map(|byte| {
        rest = rest << 8 | u64::from(*byte);
        let digit = rest / u64::from(divisor);
        rest %= u64::from(divisor);
        digit as u8
    });
    let quotient = quotient.collect();
    assert_eq!(rest, 0);
    quotient
}

/// A point of the curve without its part in the subgroup.
fn torsion(start: u64) -> G2Projective {
    let point = (start..).find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(x.into(), 1.into()), true));
    times(point.unwrap().into(), &hex::decode(R).unwrap())
}

/// A point of this prime order.
fn of_order(prime: u32, exponent: u32) -> G2Projective {
    let cofactor = (0..exponent).fold(hex::decode(H.replace(' ', "")).unwrap(), |h, _| divide(&h, prime));
    let found = (0..).map(|k| times(torsion(100 * k), &cofactor)).find(|point| !point.is_zero());
    let mut point = found.unwrap();
    while !times(point, &prime.to_be_bytes()).is_zero() {
        point = times(point, &prime.to_be_bytes());
    }
    point
}

/// A point whose order is the large factor of the cofactor.
fn of_large_order() -> G2Projective {
    let small = SMALL.iter().flat_map(|(prime, exponent)| (0..*exponent).map(|_| *prime));
    small.fold(torsion(7), |point, prime| times(point, &prime.to_be_bytes()))
}

fn hostile() -> Vec<G2Projective> {
    let mut all: Vec<G2Projective> = SMALL.iter().map(|(prime, exponent)| of_order(*prime, *exponent)).collect();
    all.push(of_large_order());
    all
}

fn encode(point: G2Projective) -> OnCurve<G2> {
    let point = point.into_affine();
    let words = [point.x.c1, point.x.c0, point.y.c1, point.y.c0].map(|word| word.into_bigint().to_bytes_be());
    OnCurve::<G2>::from_uncompressed(&words.concat().try_into().unwrap()).unwrap()
}

/// The point that our type has, for arkworks.
fn decode(point: &G2) -> G2Projective {
    let bytes = point.to_uncompressed();
    let word = |k: usize| ark_bls12_381::Fq::from_be_bytes_mod_order(&bytes[48 * k..48 * k + 48]);
    G2Affine::new_unchecked(Fq2::new(word(1), word(0)), Fq2::new(word(3), word(2))).into()
}

fn honest(count: usize) -> (Vec<G2>, Vec<OnCurve<G2>>) {
    let mut rng = ChaCha20Rng::seed_from_u64(count as u64);
    let points: Vec<G2> = (0..count).map(|_| SecretScalar::random(&mut rng).mul_g2()).collect();
    let raw = points.iter().map(|point| OnCurve::<G2>::from_uncompressed(&point.to_uncompressed()).unwrap());
    let raw = raw.collect();
    (points, raw)
}

#[test]
fn the_orders_are_what_they_are_called() {
    for ((prime, _), point) in SMALL.iter().zip(hostile()) {
        assert!(!point.is_zero() && times(point, &prime.to_be_bytes()).is_zero(), "{prime}");
        assert_eq!(encode(point).check(), Err(Decode::NotInSubgroup));
    }
    let large = of_large_order();
    assert!(!large.is_zero() && SMALL.iter().all(|(prime, _)| !times(large, &prime.to_be_bytes()).is_zero()));
}

#[test]
fn honest_points_pass_and_stay_what_they_are() {
    for count in [BATCH_MIN - 1, BATCH_MIN, 700] {
        let (points, raw) = honest(count);
        assert_eq!(check_all(&raw).unwrap(), points, "{count}");
    }
    // All equal, and each with its negative.
    let (points, raw) = honest(1);
    let negative = OnCurve::<G2>::from_uncompressed(&(-points[0]).to_uncompressed()).unwrap();
    let many: Vec<OnCurve<G2>> = (0..400).map(|k| if k % 3 == 0 { negative } else { raw[0] }).collect();
    assert!(check_all(&many).is_ok());
    assert_eq!(check_all::<G1>(&[]), Ok(vec![]));
}

#[test]
fn v2_one_bad_point_of_any_order_is_named() {
    let (points, raw) = honest(1000);
    for part in hostile() {
        for (count, place) in [(BATCH_MIN, 0), (BATCH_MIN, 91), (1000, 999)] {
            let mut raw = raw[..count].to_vec();
            raw[place] = encode(decode(&points[place]) + part);
            assert_eq!(check_all(&raw), Err(NotInSubgroup { index: place }));
            raw[place] = encode(part);
            assert_eq!(check_all(&raw), Err(NotInSubgroup { index: place }));
        }
    }
}

#[test]
fn v2_bad_points_that_cancel_are_found() {
    let (points, raw) = honest(BATCH_MIN + 20);
    for part in hostile() {
        let mut pair = raw.clone();
        pair[5] = encode(decode(&points[5]) + part);
        pair[6] = encode(decode(&points[6]) - part);
        assert_eq!(check_all(&pair), Err(NotInSubgroup { index: 5 }));
        // As many equal ones as the order of the smallest, and all of them.
        for count in [13, raw.len()] {
            let mut many = raw.clone();
            (0..count).for_each(|k| many[k] = encode(decode(&points[k]) + part));
            assert_eq!(check_all(&many), Err(NotInSubgroup { index: 0 }));
        }
    }
}

#[test]
fn every_list_has_its_own_answer() {
    let (points, mut raw) = honest(4 * 60);
    raw[75] = encode(decode(&points[75]) + of_order(13, 2));
    let lists: Vec<&[OnCurve<G2>]> = raw.chunks(60).collect();
    let answers = check_many(&lists);
    for (place, answer) in answers.iter().enumerate() {
        match place {
            1 => assert_eq!(*answer, Err(NotInSubgroup { index: 15 })),
            _ => assert_eq!(answer.as_ref().unwrap(), &points[60 * place..60 * place + 60]),
        }
    }
    assert_eq!(check_many::<G2>(&[&[], &lists[0][..1]]), vec![Ok(vec![]), Ok(vec![points[0]])]);
}

#[test]
fn a_round_is_the_sum_that_it_should_be() {
    let (mut points, _) = honest(300);
    // Equal and opposite ones among them: the additions meet every special case.
    (100..250).for_each(|k| points[k] = if k % 3 == 0 { -points[0] } else { points[k % 2] });
    let affine: Vec<_> = points.iter().map(super::super::group::sealed::Inner::as_affine).collect();
    let negated: Vec<_> = affine.iter().map(negate).collect();
    let digits: Vec<Digits> = (0..300).map(|number| draw(&[7; 32], number)).collect();
    let sum = |round: usize| -> G2 {
        let signed = |digit: u8| Scalar::from_u64(digit.into()) - Scalar::from_u64(6);
        points.iter().zip(&digits).map(|(point, digits)| point.mul(&signed(digits[round]))).sum()
    };
    let mut sums = Sums::<G2>::new();
    assert!(all_in_subgroup::<G2>(&affine));
    for round in [0, 8, 34] {
        let [first, second] = sums.of_rounds((&affine, &negated), &digits, round);
        assert_eq!((first, second), (sum(round), sum(round + 1)));
    }
}

#[test]
fn digits_are_spread_evenly() {
    let mut counts = [[0_u32; BASE as usize]; ROUNDS];
    let draws = 13_000;
    for number in 0..draws {
        for (counts, digit) in counts.iter_mut().zip(draw(&[1; 32], number)) {
            counts[usize::from(digit)] += 1;
        }
    }
    // 1000 each; seven standard deviations are 213.
    assert!(counts.as_flattened().iter().all(|count| count.abs_diff(draws / 13) < 213), "{counts:?}");
}
