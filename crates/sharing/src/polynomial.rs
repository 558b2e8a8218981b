//! Secret polynomials.

use quorumkeep_curves::bls::{G2, Group, Scalar, SecretScalar};
use rand_core::CryptoRngCore;

use crate::{Commitment, Error, Index, Threshold};

/// `f(x) = a_0 + a_1 x + ... + a_{t-1} x^(t-1)`, every coefficient secret.
///
/// # Security
///
/// No `Debug` or `Clone`; every coefficient is zeroized on drop. Evaluation is constant-time in the coefficients.
pub struct Polynomial {
    /// `a_0`, the secret that is shared.
    constant: SecretScalar,
    /// `a_1 ..`.
    higher: Vec<SecretScalar>,
}

impl Polynomial {
    /// The polynomial with these coefficients, `a_0` first; their number is the threshold.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`].
    pub fn from_coefficients(coefficients: Vec<SecretScalar>) -> Result<Self, Error> {
        let mut coefficients = coefficients.into_iter();
        let constant = coefficients.next().ok_or(Error::Empty)?;
        let higher = coefficients.collect();
        Ok(Self { constant, higher })
    }

    /// A uniform polynomial with `t` coefficients.
    #[must_use]
    pub fn random(t: Threshold, rng: &mut dyn CryptoRngCore) -> Self {
        let constant = SecretScalar::random(rng);
        Self::with_constant(constant, t, rng)
    }

    /// A uniform polynomial with `t` coefficients and `f(0) = constant`.
    #[must_use]
    pub fn with_constant(constant: SecretScalar, t: Threshold, rng: &mut dyn CryptoRngCore) -> Self {
        let higher = (1..t.get()).map(|_| SecretScalar::random(rng)).collect();
        Self { constant, higher }
    }

    /// `f(index)`: the dealing of that player.
    #[must_use]
    pub fn evaluate(&self, index: Index) -> SecretScalar {
        self.evaluate_at(&index.to_scalar())
    }

    /// `f(x)` at a public point, for outside formats whose points are hashes.
    ///
    /// # Security
    ///
    /// `f(0)` is the secret: the caller refuses a point that is 0 modulo the group order.
    #[must_use]
    pub fn evaluate_at(&self, x: &Scalar) -> SecretScalar {
        let mut out = SecretScalar::zero();
        for coefficient in self.higher.iter().rev() {
            out = out.add(coefficient).mul_public(x);
        }
        out.add(&self.constant)
    }

    /// `C_k = a_k*G2`.
    #[must_use]
    pub fn commit(&self) -> Commitment {
        let coefficients: Vec<&SecretScalar> = self.coefficients().collect();
        let mut points = G2::mul_generator_all(&coefficients).into_iter();
        Commitment::from_parts(points.next().unwrap_or_else(G2::identity), points.collect())
    }

    /// `a_0 .. a_{t-1}`.
    pub fn coefficients(&self) -> impl Iterator<Item = &SecretScalar> {
        core::iter::once(&self.constant).chain(&self.higher)
    }

    /// `a_0`.
    #[must_use]
    pub const fn constant(&self) -> &SecretScalar {
        &self.constant
    }

    /// How many dealings recover `a_0`.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.higher.len() + 1
    }
}
