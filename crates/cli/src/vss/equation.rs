//! What must hold between commitments and share.

use quorumkeep_curves::bls::{G1, G2, Group, SecretScalar};
use quorumkeep_sharing::{Commitment, Index};

use super::fields::At;
use super::reason::{Reason, Refusal};

/// A group that dealers commit in.
pub trait Opened: Group {
    /// May commitments be hiding?
    const HIDING: bool;

    /// `sum x^k C_k`.
    fn evaluate(commitments: &[Self], at: At) -> Self;
}

impl Opened for G2 {
    const HIDING: bool = false;

    /// As the network itself evaluates what its dealers commit to.
    fn evaluate(commitments: &[Self], at: At) -> Self {
        let Ok(commitment) = Commitment::new(commitments.to_vec()) else { return Self::identity() };
        let index = match at {
            At::Index(index) => u16::try_from(index).ok().and_then(Index::new),
            At::Point(_) => None,
        };
        index.map_or_else(|| commitment.evaluate_at(&at.scalar()), |index| commitment.evaluate(index))
    }
}

impl Opened for G1 {
    const HIDING: bool = true;

    /// Horner. Where the sharing crate has hiding commitments, they evaluate as well.
    fn evaluate(commitments: &[Self], at: At) -> Self {
        let mut coefficients = commitments.iter().rev().copied();
        let highest = coefficients.next().unwrap_or_else(Self::identity);
        coefficients.fold(highest, |sum, point| match at {
            At::Index(index) => sum.mul_small(u64::from(index)) + point,
            At::Point(x) => sum.mul(&x) + point,
        })
    }
}

/// What makes a commitment hiding.
pub struct Hiding<G> {
    /// The second generator.
    pub h: G,
    /// The value of the second polynomial.
    pub blinder: SecretScalar,
}

/// What one player got from one dealer; the number of commitments is the threshold.
pub struct Dealing<G> {
    /// Where the polynomial is evaluated.
    pub at: At,
    /// `C_0 .. C_{t-1}`.
    pub commitments: Vec<G>,
    /// The polynomial's value.
    pub share: SecretScalar,
    /// For hiding commitments.
    pub hiding: Option<Hiding<G>>,
    /// For a reshare: the dealer's previous public share.
    pub source: Option<G>,
}

impl<G: Opened> Dealing<G> {
    /// `C_0 = Y`, then `share*G (+ blinder*h) = sum x^k C_k`.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.source.is_some_and(|source| self.commitments.first() != Some(&source)) {
            return Err(Refusal::new(Reason::SourceMismatch, "commitments[0]"));
        }
        if self.opening() != G::evaluate(&self.commitments, self.at) {
            return Err(Refusal::new(Reason::ShareMismatch, "share"));
        }
        Ok(())
    }

    fn opening(&self) -> G {
        let share = G::mul_generator(&self.share);
        self.hiding.as_ref().map_or(share, |hiding| share + hiding.h.mul_secret(&hiding.blinder))
    }
}
