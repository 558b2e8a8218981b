//! Lagrange coefficients with cleared denominators.

use quorumkeep_curves::bls::{Group, Scalar};

use crate::{Error, Index, lagrange};

/// Above this index the table of primes would cost more than short weights save.
const SMALL_INDEX_MAX: u16 = 1024;

/// `lambda_i = sign_i * w_i / L`, the `w_i` short integers where the indices allow it.
pub struct Weights {
    /// `(sign_i is negative, w_i)`.
    terms: Vec<(bool, Scalar)>,
    /// `1 / L`, or `None` for `L = 1`.
    scale: Option<Scalar>,
}

impl Weights {
    /// # Errors
    ///
    /// [`Error::Duplicate`], [`Error::Empty`].
    pub fn new(indices: &[Index]) -> Result<Self, Error> {
        let highest = indices.iter().copied().max().ok_or(Error::Empty)?.get();
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        if sorted.array_windows().any(|[a, b]| a == b) {
            return Err(Error::Duplicate);
        }
        if highest <= SMALL_INDEX_MAX
            && let Some(weights) = Self::short(indices, highest)
        {
            return Ok(weights);
        }
        let lambdas = lagrange::at_zero(indices)?;
        let terms = lambdas.into_iter().map(|lambda| (false, lambda)).collect();
        Ok(Self { terms, scale: None })
    }

    /// `sum lambda_i points_i`.
    pub fn combine<G: Group>(&self, points: &[G]) -> G {
        let signed = points.iter().zip(&self.terms);
        let signed = signed.map(|(point, (negative, _))| if *negative { -*point } else { *point });
        let points: Vec<G> = signed.collect();
        let weights: Vec<Scalar> = self.terms.iter().map(|(_, weight)| *weight).collect();
        let sum = G::msm(&points, &weights);
        self.scale.map_or(sum, |scale| sum.mul(&scale))
    }

    /// The weights from the prime factors of the `lambda_i`; `None` if a weight would not be shorter than `r`.
    fn short(indices: &[Index], highest: u16) -> Option<Self> {
        let primes = Primes::up_to(highest);
        let rows: Vec<Vec<i32>> = indices.iter().map(|i| primes.exponents(*i, indices)).collect();
        // The smallest exponent of each prime over all lambda_i: what L must cancel, or what all have in common.
        let width = primes.primes.len();
        let lowest = |k: usize| rows.iter().filter_map(|row| row.get(k)).min().copied();
        let common: Vec<i32> = (0..width).map(|k| lowest(k).unwrap_or(0)).collect();
        let weight = |(row, index): (&Vec<i32>, &Index)| {
            let exponents = row.iter().zip(&common).map(|(e, c)| e - c);
            let smaller = indices.iter().filter(|other| *other < index).count();
            Some((smaller % 2 == 1, primes.product(exponents)?))
        };
        let terms: Option<Vec<_>> = rows.iter().zip(indices).map(weight).collect();
        let up = primes.product(common.iter().map(|c| (*c).max(0)))?;
        let down = primes.product(common.iter().map(|c| (-*c).max(0)))?;
        let scale = (up != down).then(|| Some(up * down.invert()?));
        Some(Self { terms: terms?, scale: scale.flatten() })
    }
}

/// The primes up to a bound, and for every integer up to it the position of its smallest prime factor.
struct Primes {
    primes: Vec<u16>,
    smallest_factor: Vec<u16>,
}

impl Primes {
    fn up_to(bound: u16) -> Self {
        let mut primes = Vec::new();
        let mut smallest_factor = vec![u16::MAX; usize::from(bound) + 1];
        for n in 2..=bound {
            if smallest_factor.get(usize::from(n)) != Some(&u16::MAX) {
                continue;
            }
            let position = u16::try_from(primes.len()).unwrap_or(u16::MAX);
            primes.push(n);
            let multiples = smallest_factor.iter_mut().skip(usize::from(n));
            for entry in multiples.step_by(usize::from(n)) {
                *entry = (*entry).min(position);
            }
        }
        Self { primes, smallest_factor }
    }

    /// Exponents of the primes in `|lambda_i| = prod_{j != i} x_j / |x_j - x_i|`.
    fn exponents(&self, index: Index, indices: &[Index]) -> Vec<i32> {
        let mut row = vec![0; self.primes.len()];
        for other in indices.iter().filter(|other| **other != index) {
            self.factor(other.get(), 1, &mut row);
            self.factor(other.get().abs_diff(index.get()), -1, &mut row);
        }
        row
    }

    /// Adds `sign` for every prime factor of `n`.
    fn factor(&self, mut n: u16, sign: i32, row: &mut [i32]) {
        while n > 1 {
            let position = self.smallest_factor.get(usize::from(n));
            let position = usize::from(position.copied().unwrap_or(u16::MAX));
            let (Some(prime), Some(entry)) = (self.primes.get(position), row.get_mut(position)) else {
                return;
            };
            *entry += sign;
            n /= prime;
        }
    }

    /// `prod primes_k^exponents_k`, or `None` if it might not be below `2^254`.
    fn product(&self, exponents: impl Iterator<Item = i32>) -> Option<Scalar> {
        let mut out = Scalar::one();
        let mut bits = 0;
        // Machine words are filled first: a weight has few of them and many prime factors.
        let mut word = 1_u64;
        for (prime, exponent) in self.primes.iter().zip(exponents) {
            for _ in 0..u32::try_from(exponent).ok()? {
                let prime = u64::from(*prime);
                word = word.checked_mul(prime).unwrap_or_else(|| {
                    out *= Scalar::from_u64(word);
                    bits += 64 - word.leading_zeros();
                    prime
                });
            }
        }
        bits += 64 - word.leading_zeros();
        (bits < 254).then(|| out * Scalar::from_u64(word))
    }
}

#[cfg(test)]
mod tests;
