//! What must hold between commitments and share.

use quorumkeep_curves::bls::{Group, Scalar, SecretScalar};

use super::reason::{Reason, Refusal};

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
    pub at: Scalar,
    /// `C_0 .. C_{t-1}`.
    pub commitments: Vec<G>,
    /// The polynomial's value.
    pub share: SecretScalar,
    /// For hiding commitments.
    pub hiding: Option<Hiding<G>>,
    /// For a reshare: the dealer's previous public share.
    pub source: Option<G>,
}

impl<G: Group> Dealing<G> {
    /// `C_0 = Y`, then `share*G (+ blinder*h) = sum x^k C_k`.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.source.is_some_and(|source| self.commitments.first() != Some(&source)) {
            return Err(Refusal::new(Reason::SourceMismatch, "commitments[0]"));
        }
        if self.opening() != self.evaluated() {
            return Err(Refusal::new(Reason::ShareMismatch, "share"));
        }
        Ok(())
    }

    fn opening(&self) -> G {
        let share = G::mul_generator(&self.share);
        self.hiding.as_ref().map_or(share, |hiding| share + hiding.h.mul_secret(&hiding.blinder))
    }

    /// `sum x^k C_k`.
    fn evaluated(&self) -> G {
        let powers = std::iter::successors(Some(Scalar::one()), |power| Some(*power * self.at));
        G::msm(&self.commitments, &powers.take(self.commitments.len()).collect::<Vec<_>>())
    }
}
