//! Subgroup checks of many points of G2 at once.
//!
//! The curve has `r * h` points with `h = 13^2 * 23^2 * 2713 * 11953 * 262069 * q`, so a point outside the subgroup has a
//! part `T != 0` whose order divides `h` and is at least 13. Every round draws a digit `d_i` of `-6..=6` for every point
//! and checks `sum d_i P_i` alone. Let `T_i != 0` and take a character `chi` of the group of order `h` with
//! `chi(T_i) != 1`: its order at `T_i` is at least 13. However the other digits fall, at most one of the 13 values of
//! `d_i` makes `chi` of the sum 1, since two of them differ by less than 13. So a round overlooks `T_i` with probability
//! at most 1/13, and all 36 independent ones with at most `13^-36 < 2^-133`.
//!
//! Two rounds share their additions: points with the same pair of digits, up to the sign, go to one of 84 sums. The
//! additions of all sums share their inversions ([`super::chords`]).
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
pub(super) const BATCH_MIN: usize = 112;
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
    let mut sums = Sums::<G>::new();
    (0..ROUNDS).step_by(2).all(|round| sums.of_rounds((points, &negated), &digits, round).iter().all(in_subgroup))
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

/// The sums of one pair of rounds after the other, in the same memory.
struct Sums<G: Group> {
    /// For every pair of digits after `(0, 0)`: the points with this pair, and the negatives of those with its negative.
    by_pair: Vec<Vec<G::Affine>>,
    /// For every digit of the first and of the second round.
    by_digit: Vec<Vec<G::Affine>>,
    adder: chords::PublicSums<G::Affine>,
}

impl<G: Group> Sums<G> {
    fn new() -> Self {
        let lists = |count: u8| vec![Vec::new(); usize::from(count)];
        Self { by_pair: lists(ZERO), by_digit: lists(2 * BASE), adder: chords::PublicSums::new() }
    }

    /// The sum of round `round`, and of the next.
    fn of_rounds(
        &mut self,
        (points, negated): (&[G::Affine], &[G::Affine]),
        digits: &[Digits],
        round: usize,
    ) -> [G; 2] {
        self.by_pair.iter_mut().chain(&mut self.by_digit).for_each(Vec::clear);
        for ((point, negated), digits) in points.iter().zip(negated).zip(digits) {
            let pair = pair(digits, round);
            let (place, point) = if pair > ZERO { (pair - ZERO, point) } else { (ZERO - pair, negated) };
            // The pair (0, 0) has no list: place 0 - 1 is none.
            if let Some(list) = usize::from(place).checked_sub(1).and_then(|place| self.by_pair.get_mut(place)) {
                list.push(*point);
            }
        }
        self.adder.reduce(&mut self.by_pair);
        self.combinations()
    }

    /// `sum a S_(a,b)` and `sum b S_(a,b)`.
    fn combinations(&mut self) -> [G; 2] {
        for (sum, pair) in self.by_pair.iter().zip(ZERO + 1..) {
            for place in [pair / BASE, BASE + pair % BASE] {
                if let Some(list) = self.by_digit.get_mut(usize::from(place)) {
                    list.extend(sum);
                }
            }
        }
        self.adder.reduce(&mut self.by_digit);
        let (first, second) = self.by_digit.split_at(usize::from(BASE));
        [first, second].map(weighted)
    }
}

/// The digits of a round and the next, as a number of `0..169`.
fn pair(digits: &Digits, round: usize) -> u8 {
    let digit = |round: usize| digits.get(round).copied().unwrap_or(BASE / 2);
    digit(round) * BASE + digit(round + 1)
}

/// `sum d S_d` for `d` in `-6..=6`; an empty list is the identity.
fn weighted<G: Group>(sums: &[Vec<G::Affine>]) -> G {
    let sum = |list: &Vec<G::Affine>| list.first().map_or_else(G::identity, G::from_affine);
    let (low, high) = sums.split_at(usize::from(BASE / 2));
    let (mut running, mut total) = (G::identity(), G::identity());
    // From 6 down to 1: the running sum counts S_d d times.
    for (negative, positive) in low.iter().zip(high.iter().rev()) {
        running = running + sum(positive) - sum(negative);
        total += running;
    }
    total
}

#[cfg(test)]
mod tests;
