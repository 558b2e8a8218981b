//! Pedersen commitments: nothing about the polynomial is public until it is extracted.

use quorumkeep_curves::bls::{G1, Scalar, SecretScalar};
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::schnorr::batch_coefficient;
use quorumkeep_curves::tags;
use zeroize::Zeroizing;

use crate::{Error, Index, Polynomial};

/// `C_k = a_k*G1 + b_k*h` for `k` in `0..t`: `t` points. Perfectly hiding; binding while nobody knows `log h`.
///
/// Pedersen, "Non-Interactive and Information-Theoretic Secure Verifiable Secret Sharing" (CRYPTO 1991).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HidingCommitment(Vec<G1>);

/// A dealing under a hiding commitment: `s = f(i)` and `s' = f'(i)`.
pub type HidingDealing<'a> = (&'a SecretScalar, &'a SecretScalar);

impl HidingCommitment {
    /// The commitment with these points, `C_0` first.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`].
    pub fn new(mut points: Vec<G1>) -> Result<Self, Error> {
        if points.is_empty() {
            return Err(Error::Empty);
        }
        G1::normalize(&mut points);
        Ok(Self(points))
    }

    /// The commitment to `polynomial` under `blinding`, which has as many coefficients.
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn commit(polynomial: &Polynomial, blinding: &Polynomial, h: &G1) -> Result<Self, Error> {
        if polynomial.threshold() != blinding.threshold() {
            return Err(Error::Length);
        }
        let pairs = polynomial.coefficients().zip(blinding.coefficients());
        Self::new(pairs.map(|(a, b)| a.mul_g1() + h.mul_secret(b)).collect())
    }

    /// `C_0 .. C_{t-1}`.
    #[must_use]
    pub fn points(&self) -> &[G1] {
        &self.0
    }

    /// How many dealings recover: the number of points.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.0.len()
    }

    /// `sum index^k C_k`.
    #[must_use]
    pub fn evaluate(&self, index: Index) -> G1 {
        let factor = u64::from(index.get());
        let mut coefficients = self.0.iter().rev().copied();
        let highest = coefficients.next().unwrap_or_else(G1::identity);
        coefficients.fold(highest, |sum, point| sum.mul_small(factor) + point)
    }

    /// Whether this is the dealing of that player: `s*G1 + s'*h == sum index^k C_k`.
    #[must_use]
    pub fn verify(&self, index: Index, h: &G1, (dealing, blinder): HidingDealing<'_>) -> bool {
        dealing.mul_g1() + h.mul_secret(blinder) == self.evaluate(index)
    }
}

/// Checks the dealings that one player received under hiding commitments, all in one equation.
///
/// # Security
///
/// As [`crate::verify_dealings`]: the 128-bit factors are hashed from both sides of every equation.
#[must_use]
pub fn hiding_dealings_hold(index: Index, h: &G1, dealings: &[(&HidingCommitment, HidingDealing<'_>)]) -> bool {
    let mut images: Vec<G1> = dealings.iter().map(|(commitment, _)| commitment.evaluate(index)).collect();
    G1::normalize(&mut images);
    let seed = batch_seed(index, &images, dealings);
    let rho: Vec<Scalar> = (0_u32..).take(images.len()).map(|number| batch_coefficient(&seed, number)).collect();
    let (mut sum, mut blinders) = (SecretScalar::zero(), SecretScalar::zero());
    for ((_, (dealing, blinder)), rho) in dealings.iter().zip(&rho) {
        sum = sum.add(&dealing.mul_public(rho));
        blinders = blinders.add(&blinder.mul_public(rho));
    }
    sum.mul_g1() + h.mul_secret(&blinders) == G1::msm(&images, &rho)
}

fn batch_seed(index: Index, images: &[G1], dealings: &[(&HidingCommitment, HidingDealing<'_>)]) -> [u8; 32] {
    let mut writer = Writer::new(tags::SHARING_HIDING_BATCH).u16(index.get()).list(images.len());
    writer = images.iter().fold(writer, Writer::point);
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * dealings.len()));
    for (_, (dealing, blinder)) in dealings {
        bytes.extend_from_slice(&*dealing.expose());
        bytes.extend_from_slice(&*blinder.expose());
    }
    writer.fixed(&quorumkeep_curves::hash::keccak256(&bytes)).hash()
}
