//! Feldman commitments.

use quorumkeep_curves::bls::{G2, Group, Scalar, SecretScalar};
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;

use crate::{Error, Index};

/// `C_k = a_k*G2` for `k` in `0..t`: the public image of a polynomial, `t` points.
///
/// It is the commitment of one dealer, or a sum of several: then the constant is the group key and the evaluations are
/// the public shares `Y_i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// `C_0` once more: the list is never empty, and this says so without a branch.
    constant: G2,
    points: Vec<G2>,
}

impl Commitment {
    /// The commitment with these points, `C_0` first.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`].
    pub fn new(points: Vec<G2>) -> Result<Self, Error> {
        let constant = *points.first().ok_or(Error::Empty)?;
        Ok(Self::normalized(constant, points))
    }

    pub(crate) fn from_parts(constant: G2, rest: Vec<G2>) -> Self {
        Self::normalized(constant, core::iter::once(constant).chain(rest).collect())
    }

    /// Affine inside: every evaluation then adds the points with the cheaper formula.
    fn normalized(constant: G2, mut points: Vec<G2>) -> Self {
        G2::normalize(&mut points);
        Self { constant, points }
    }

    /// `C_0 .. C_{t-1}`.
    #[must_use]
    pub fn points(&self) -> &[G2] {
        &self.points
    }

    /// `C_0`: the public image of the shared secret.
    #[must_use]
    pub const fn constant(&self) -> &G2 {
        &self.constant
    }

    /// How many dealings recover: the number of points.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.points.len()
    }

    /// `sum index^k C_k`: the public image of that player's dealing.
    ///
    /// Horner with a small factor: `t - 1` times a few doublings, where powers modulo `r` would cost 255 each.
    #[must_use]
    pub fn evaluate(&self, index: Index) -> G2 {
        let factor = u64::from(index.get());
        let mut coefficients = self.points.iter().rev().copied();
        let highest = coefficients.next().unwrap_or_else(G2::identity);
        coefficients.fold(highest, |sum, point| sum.mul_small(factor) + point)
    }

    /// `sum x^k C_k` at any public point, for outside formats whose points are hashes.
    #[must_use]
    pub fn evaluate_at(&self, x: &Scalar) -> G2 {
        let mut coefficients = self.points.iter().rev().copied();
        let highest = coefficients.next().unwrap_or_else(G2::identity);
        coefficients.fold(highest, |sum, point| sum.mul(x) + point)
    }

    /// [`Self::evaluate`] for many indices.
    ///
    /// When they are `1, 2, ..., n` with `n > t`, only the first `t` are evaluated and the rest follows by forward
    /// differences: `t - 1` additions for each.
    #[must_use]
    pub fn evaluate_all(&self, indices: &[Index]) -> Vec<G2> {
        let t = self.points.len();
        let consecutive = indices.iter().zip(1_u32..).all(|(i, n)| u32::from(i.get()) == n);
        let (first, rest) = match indices.split_at_checked(t) {
            Some(parts) if consecutive => parts,
            _ => (indices, &[][..]),
        };
        let mut values: Vec<G2> = first.iter().map(|index| self.evaluate(*index)).collect();
        if !rest.is_empty() {
            let mut diagonal = Differences::new(&values);
            values.extend(rest.iter().map(|_| diagonal.next_value()));
        }
        G2::normalize(&mut values);
        values
    }

    /// Whether `dealing` is this polynomial's value at `index`: `dealing*G2 == sum index^k C_k`.
    #[must_use]
    pub fn verify(&self, index: Index, dealing: &SecretScalar) -> bool {
        dealing.mul_g2() == self.evaluate(index)
    }

    /// The sum of commitments of equal length: the commitment to the sum of the polynomials.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Length`].
    pub fn sum(commitments: &[&Self]) -> Result<Self, Error> {
        let length = commitments.first().ok_or(Error::Empty)?.points.len();
        if commitments.iter().any(|c| c.points.len() != length) {
            return Err(Error::Length);
        }
        Self::new((0..length).map(|k| G2::sum(&column(commitments, k))).collect())
    }

    /// [`hash_points`] of the points.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash_points(&self.points)
    }
}

/// `C_{i,k}` of every commitment `i`.
pub(crate) fn column(commitments: &[&Commitment], k: usize) -> Vec<G2> {
    let points = commitments.iter().filter_map(|c| c.points.get(k));
    points.copied().collect()
}

/// `H(enc(tag, points))`, the points compressed, as a list.
#[must_use]
pub fn hash_points<G: Group>(points: &[G]) -> [u8; 32] {
    let mut points = points.to_vec();
    G::normalize(&mut points);
    let writer = Writer::new(tags::SHARING_POINTS).list(points.len());
    points.iter().fold(writer, Writer::point).hash()
}

/// The last diagonal of the table of differences of a polynomial's values at consecutive integers.
struct Differences {
    /// `f(x), (∇f)(x), (∇^2 f)(x), ...` at the last known `x`.
    diagonal: Vec<G2>,
}

impl Differences {
    /// From as many consecutive values as the polynomial has coefficients.
    fn new(values: &[G2]) -> Self {
        let mut row = values.to_vec();
        let mut diagonal = Vec::with_capacity(row.len());
        while let Some(last) = row.last() {
            diagonal.push(*last);
            row = row.windows(2).filter_map(difference).collect();
        }
        Self { diagonal }
    }

    /// The next value. The highest difference is constant; each lower one grows by the new one above it.
    fn next_value(&mut self) -> G2 {
        let mut carry = G2::identity();
        for entry in self.diagonal.iter_mut().rev() {
            *entry += carry;
            carry = *entry;
        }
        carry
    }
}

fn difference(pair: &[G2]) -> Option<G2> {
    match pair {
        [a, b] => Some(*b - *a),
        _ => None,
    }
}
