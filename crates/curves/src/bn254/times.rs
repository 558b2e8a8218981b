//! Products with the parts of a split secret, in one pass.
//!
//! Both scalars are written with 64 digits from 1 to 16, `k - C = sum (d_i - 1) 16^i` with `C = sum 16^i`, and share the
//! doublings and the table of `P .. 16 P` (Straus). No digit is 0, so the order of doublings and additions is always the
//! same: 252 and 128, where two products by double-and-add take 508 and about 254.
//!
//! # Security
//!
//! Which entry of the table is read depends on the scalars: for parts that are random and used once.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, MontFp, PrimeField, Zero};
use zeroize::{Zeroize, Zeroizing};

/// Bits of a digit.
const WIDTH: usize = 4;
/// Digits of a scalar.
const DIGITS: usize = 64;
/// `sum 16^i` over all digits, modulo the group order.
const OFFSET: Fr = MontFp!("7719472615821079694904732333912527190217998977709370935963838933860875309329");

/// `(k_0 + k_1) * point`.
pub(super) fn sum_of_products(point: G1Affine, scalars: [&Fr; 2]) -> G1Affine {
    let table = multiples(point);
    let digits = scalars.map(|scalar| digits(*scalar));
    let mut sum = G1Projective::zero();
    for position in (0..DIGITS).rev() {
        for _ in 0..WIDTH {
            sum.double_in_place();
        }
        for entry in digits.iter().filter_map(|digits| table.get(usize::from(*digits.get(position)?))) {
            sum += entry;
        }
    }
    let product = sum.into_affine();
    sum.zeroize();
    product
}

/// `P, 2 P .. 16 P`.
fn multiples(point: G1Affine) -> Vec<G1Affine> {
    let next = |last: &G1Projective| Some(*last + point);
    let all: Vec<G1Projective> = core::iter::successors(Some(point.into()), next).take(1 << WIDTH).collect();
    G1Projective::normalize_batch(&all)
}

/// The digits less one, lowest first.
fn digits(scalar: Fr) -> Zeroizing<[u8; DIGITS]> {
    let mut shifted = scalar - OFFSET;
    let mut integer = shifted.into_bigint();
    let mut digits = Zeroizing::new([0; DIGITS]);
    for (position, digit) in digits.iter_mut().enumerate() {
        let limb = integer.0.get(position / 16).copied().unwrap_or(0);
        *digit = (limb >> (position % 16 * WIDTH)) as u8 & 15;
    }
    shifted.zeroize();
    integer.zeroize();
    digits
}
