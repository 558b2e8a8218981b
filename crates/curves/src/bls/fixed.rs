//! `secret * G` for the generator, from a table, constant-time.
//!
//! The scalar is made odd and written with 43 odd digits, `k = sum d_i 64^i` with `d_i` in `-63, -61 .. 63`; row `i` of the
//! table holds `j * 64^i * G` for `j = 1, 3 .. 63`. The product is 43 additions and no doubling. No digit is 0, so the
//! additions can share their inversions ([`super::chords`]): those of one scalar, and of many at once. The table (129 KiB
//! in G1, 258 KiB in G2) is made at the first use.
//!
//! # Security
//!
//! No branch and no address depends on the scalar: every entry of a row is read for every digit, the sign is applied by
//! selection. The additions with shared inversions are wrong for equal and for opposite points, which do not come up:
//! sums of the digits `i..j` and `j..k` are odd multiples of `64^i` and of `64^j`, hence not 0, and as integers below
//! `64^j` and from `64^j` on. So they differ, and their sum is not 0, as integers; modulo `r` as well, because both
//! together are at most `2^255 < 2r`, because `r` is odd, and because no sum or difference of two that leave out `d_0` is
//! odd. What brings `d_0` and the highest digit together, and the step back from the odd scalar, are complete additions.
//!
//! # Source
//!
//! Joye, Tunstall: Exponent recoding and regular exponentiation algorithms (AFRICACRYPT 2009): the odd digits.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::field::Affine;
use super::{Group, SecretScalar, chords};

/// Bits of a digit.
const WIDTH: usize = 6;
/// Digits of a scalar: 43 * 6 > 255.
const DIGITS: usize = 43;
/// Entries of a row.
const ENTRIES: usize = 1 << (WIDTH - 1);

/// Scalars whose additions share inversions: their points take 129 KiB in G2.
const TOGETHER: usize = 16;

/// The rows for one generator.
pub struct Table<A> {
    rows: Vec<[A; ENTRIES]>,
    minus_generator: A,
}

impl<A: Affine> Table<A> {
    /// The table of `generator`.
    pub fn new<G: Group<Affine = A>>(generator: G) -> Self {
        let next = |base: &G| Some(base.mul_small(1 << WIDTH));
        let rows = core::iter::successors(Some(generator), next).take(DIGITS).map(row).collect();
        Self { rows, minus_generator: (-generator).as_affine() }
    }

    /// `secret * generator` for every secret.
    pub fn mul_all<G: Group<Affine = A>>(&self, secrets: &[&SecretScalar]) -> Vec<G> {
        secrets.chunks(TOGETHER).flat_map(|secrets| self.mul_chunk(secrets)).collect()
    }

    fn mul_chunk<G: Group<Affine = A>>(&self, secrets: &[&SecretScalar]) -> Vec<G> {
        let recoded: Vec<Digits> = secrets.iter().map(|secret| Digits::of(secret)).collect();
        let points =
            |digits: &Digits| self.rows.iter().zip(&*digits.odd).map(|(row, digit)| select(row, *digit)).collect();
        let sums = chords::secret_sums::<G>(recoded.iter().map(points).collect());
        sums.iter().zip(&recoded).map(|(sum, digits)| self.step_back(sum, digits.is_even)).collect()
    }

    /// `sum - generator` if the scalar was even.
    fn step_back<G: Group<Affine = A>>(&self, sum: &G, is_even: Choice) -> G {
        let mut correction = A::default();
        correction.merge(&self.minus_generator, mask(is_even));
        sum.add_affine(&correction)
    }
}

/// `base, 3 * base .. 63 * base`.
fn row<G: Group>(base: G) -> [G::Affine; ENTRIES] {
    let twice = base + base;
    let multiples: Vec<G> = core::iter::successors(Some(base), |last| Some(*last + twice)).take(ENTRIES).collect();
    let mut row = [G::Affine::default(); ENTRIES];
    for (entry, affine) in row.iter_mut().zip(G::all_to_affine(&multiples)) {
        *entry = affine;
    }
    row
}

fn mask(choice: Choice) -> u64 {
    u64::from(choice.unwrap_u8()).wrapping_neg()
}

/// `digit * 64^i * G` from row `i`, where `digit` is `2 * window - 63`.
fn select<A: Affine>(row: &[A; ENTRIES], window: u8) -> A {
    // Windows from 32 on are the positive digits 1, 3 .. 63, those below are -1, -3 .. -63 from 31 down.
    let negative = Choice::from((window >> (WIDTH - 1) ^ 1) & 1);
    let place = u8::conditional_select(&window, &!window, negative) & (ENTRIES as u8 - 1);
    let mut out = A::default();
    for (entry, j) in row.iter().zip(0_u8..) {
        out.merge(entry, mask(place.ct_eq(&j)));
    }
    out.negate_if(negative);
    out
}

/// The digits of `k | 1`, and whether `k` was even.
struct Digits {
    /// The windows `u_i`, lowest first, that stand for the odd digits `2 u_i - 63`.
    odd: Zeroizing<[u8; DIGITS]>,
    is_even: Choice,
}

impl Digits {
    /// With `U = (k - 1)/2 + 2^257 = sum u_i 64^i` the digits give `2U - (64^43 - 1) = k`.
    fn of(secret: &SecretScalar) -> Self {
        let scalar = secret.to_integer();
        let byte = |at: usize| u16::from(scalar.b.get(at).copied().unwrap_or(0));
        let mut odd = Zeroizing::new([0; DIGITS]);
        for (position, window) in odd.iter_mut().enumerate() {
            // The lowest bit of k is left out.
            let bit = position * WIDTH + 1;
            *window = ((byte(bit / 8) | byte(bit / 8 + 1) << 8) >> (bit % 8) & 63) as u8;
        }
        if let Some(highest) = odd.last_mut() {
            *highest |= ENTRIES as u8;
        }
        Self { odd, is_even: Choice::from(!(byte(0) as u8) & 1) }
    }
}
