//! Subgroup checks of many points of G2 at once.
//!
//! The curve has `r * h` points with `h = 13^2 * 23^2 * 2713 * 11953 * 262069 * q`, so a point outside the subgroup has a
//! part `T != 0` whose order divides `h` and is at least 13. Every round draws a digit `d_i` of `-6..=6` for every point
//! and checks `sum d_i P_i` alone. Let `T_i != 0` and take a character `chi` of the group of order `h` with
//! `chi(T_i) != 1`: its order at `T_i` is at least 13. However the other digits fall, at most one of the 13 values of
//! `d_i` makes `chi` of the sum 1, since two of them differ by less than 13. So a round overlooks `T_i` with probability
//! at most 1/13, and all 36 independent ones with at most `13^-36 < 2^-133`.
//!
//! Two rounds share their additions: points with the same pair of digits, up to the sign, go to one of 84 sums.
//!
//! # Security
//!
//! The digits are hashed from all points: the answer is a function of the input, and whoever chooses the points has to
//! try about `2^133` sets of them. Digits are integers modulo 13 of 64-bit words, which makes no digit likelier than
//! `1/13` by a factor of more than `1 + 2^-30` for nine digits together. Nothing here uses the endomorphism on a point
//! whose subgroup is unknown, but for blst's own check.
//!
//! # Source
//!
//! Bellare, Garay, Rabin: Fast batch verification for modular exponentiation and digital signatures (the bucket test);
//! El Housni, Guillevic, Piellard: Co-factor clearing and subgroup membership testing on pairing-friendly curves.

use super::field::Affine;
use super::{Group, chords};
use crate::enc::Writer;
use crate::hash::keccak256_many;
use crate::tags;

/// Below this number of points, checking each costs less.
pub(super) const BATCH_MIN: usize = 160;
/// From this number on, pairs of rounds cost less than single ones.
const PAIRS_MIN: usize = 1 << 10;
/// Rounds: `13^-36 < 2^-133`.
const ROUNDS: usize = 36;
/// The smallest prime factor of the cofactor of G2.
const BASE: u8 = 13;
/// The pair of digits `(0, 0)`, as a number; the negative of the pair `k` is `2 * ZERO - k`.
const ZERO: u8 = 84;

/// The digits of one point, each in `0..13` for `-6..=6`.
type Digits = [u8; ROUNDS];

/// Whether all points, which are on the curve, are in the subgroup of prime order.
pub(super) fn all_in_subgroup<G: Group>(points: &[G::Affine]) -> bool {
    let seed = seed::<G>(points);
    let digits: Vec<Digits> = (0_u32..).take(points.len()).map(|number| draw(&seed, number)).collect();
    let negated: Vec<G::Affine> = points.iter().map(negate).collect();
    let step = if points.len() < PAIRS_MIN { 1 } else { 2 };
    (0..ROUNDS).step_by(step).all(|round| {
        let sums = sums((points, &negated), &digits, (round, step));
        let [first, second] = combinations::<G>(&sums);
        in_subgroup(&second) && (step == 1 || in_subgroup(&first))
    })
}

fn in_subgroup<G: Group>(point: &G) -> bool {
    point.is_identity() || G::in_subgroup(&point.as_affine())
}

fn negate<A: Affine>(point: &A) -> A {
    let mut out = *point;
    out.negate_if(1.into());
    out
}

fn seed<G: Group>(points: &[G::Affine]) -> [u8; 32] {
    let writer = Writer::new(tags::BLS_SUBGROUP).list(points.len());
    points.iter().fold(writer, |writer, point| writer.fixed(G::serialize(point).as_ref())).hash()
}

/// The digits of a point: nine from each 64-bit word of a hash.
fn draw(seed: &[u8; 32], number: u32) -> Digits {
    let hash = keccak256_many(&[seed, &number.to_be_bytes()]);
    let mut digits = [0; ROUNDS];
    for (nine, word) in digits.chunks_exact_mut(ROUNDS / 4).zip(hash.as_chunks::<8>().0) {
        let mut rest = u64::from_be_bytes(*word);
        for digit in nine {
            *digit = (rest % u64::from(BASE)) as u8;
            rest /= u64::from(BASE);
        }
    }
    digits
}

/// For every pair of digits after `(0, 0)` the sum of the points with this pair, and of the negatives of those with its
/// negative. A single round is a pair whose first digit is 0.
fn sums<A: Affine>((points, negated): (&[A], &[A]), digits: &[Digits], round: (usize, usize)) -> Vec<A> {
    let mut buckets: Vec<Vec<A>> = vec![Vec::new(); usize::from(ZERO)];
    for ((point, negated), digits) in points.iter().zip(negated).zip(digits) {
        let pair = pair(digits, round);
        let (place, point) = if pair > ZERO { (pair - ZERO, point) } else { (ZERO - pair, negated) };
        // The pair (0, 0) has no bucket: place 0 - 1 is none.
        if let Some(bucket) = usize::from(place).checked_sub(1).and_then(|place| buckets.get_mut(place)) {
            bucket.push(*point);
        }
    }
    chords::public_sums(buckets)
}

/// The digits of a round, or of two, as a number of `0..169`.
fn pair(digits: &Digits, (round, step): (usize, usize)) -> u8 {
    let digit = |round: usize| digits.get(round).copied().unwrap_or(BASE / 2);
    match step {
        1 => BASE / 2 * BASE + digit(round),
        _ => digit(round) * BASE + digit(round + 1),
    }
}

/// `sum a S_(a,b)` and `sum b S_(a,b)`.
fn combinations<G: Group>(sums: &[G::Affine]) -> [G; 2] {
    let mut by_digit = vec![Vec::new(); 2 * usize::from(BASE)];
    for (sum, pair) in sums.iter().zip(ZERO + 1..) {
        for place in [pair / BASE, BASE + pair % BASE] {
            if let Some(list) = by_digit.get_mut(usize::from(place)) {
                list.push(*sum);
            }
        }
    }
    let by_digit: Vec<G> = chords::public_sums(by_digit).iter().map(G::from_affine).collect();
    let (first, second) = by_digit.split_at(usize::from(BASE));
    [weighted(first), weighted(second)]
}

/// `sum d S_d` for `d` in `-6..=6`.
fn weighted<G: Group>(sums: &[G]) -> G {
    let (low, high) = sums.split_at(usize::from(BASE / 2));
    let (mut running, mut total) = (G::identity(), G::identity());
    // From 6 down to 1: the running sum counts S_d d times.
    for (negative, positive) in low.iter().zip(high.iter().rev()) {
        running = running + *positive - *negative;
        total += running;
    }
    total
}

#[cfg(test)]
mod tests;
