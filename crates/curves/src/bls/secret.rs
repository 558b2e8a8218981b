//! Secret scalars.

use blst::blst_fr;
use rand_core::CryptoRngCore;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use super::{G1, G2, Group, Scalar};
use crate::enc::Decode;
use crate::ffi;

/// A secret element of the scalar field: a share, a coefficient, a nonce.
///
/// # Security
///
/// Constant-time operations, zeroized on drop. There is no `Debug`, `Clone`, `Display` or `Serialize`, so that a derive
/// on a struct that holds one does not compile; the ways out are [`SecretScalar::expose`], [`SecretScalar::copy`] and
/// [`SecretScalar::declassify`], to be searched for in a review. A move may leave the old place in memory unwiped, as
/// everywhere in Rust.
pub struct SecretScalar(blst_fr);

impl SecretScalar {
    const fn blank() -> Self {
        Self(blst_fr { l: [0; 4] })
    }

    /// 0: the neutral element of sums.
    #[must_use]
    pub const fn zero() -> Self {
        Self::blank()
    }

    /// A uniform scalar from 64 random bytes.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRngCore) -> Self {
        let mut wide = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut *wide);
        Self::from_wide(&wide)
    }

    /// `bytes mod r` of 64 big-endian bytes: uniform up to `2^-257` when the bytes are.
    #[must_use]
    pub fn from_wide(bytes: &[u8; 64]) -> Self {
        let mut out = Self::blank();
        ffi::fr_from_scalar(&mut out.0, &ffi::scalar_reduce_be(bytes));
        out
    }

    /// Decodes 32 big-endian bytes.
    ///
    /// # Errors
    ///
    /// [`Decode::ScalarRange`] for an integer that is not below `r`: never reduced.
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, Decode> {
        let integer = ffi::scalar_from_be(bytes);
        if !ffi::scalar_is_canonical(&integer) {
            return Err(Decode::ScalarRange);
        }
        let mut out = Self::blank();
        ffi::fr_from_scalar(&mut out.0, &integer);
        Ok(out)
    }

    /// A secret with the value of a public scalar.
    #[must_use]
    pub const fn from_public(scalar: &Scalar) -> Self {
        Self(scalar.0)
    }

    /// 32 big-endian bytes, wiped when dropped. For encryption and storage only.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        ffi::scalar_to_be(&ffi::scalar_from_fr(&self.0))
    }

    /// A second copy of the secret, made on purpose.
    #[must_use]
    pub const fn copy(&self) -> Self {
        Self(self.0)
    }

    /// The scalar as a public value.
    ///
    /// # Security
    ///
    /// For values that the protocol publishes: the response of a proof, a reconstructed dealing.
    #[must_use]
    pub fn declassify(self) -> Scalar {
        Scalar(self.0)
    }

    /// `self + other`.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let mut out = Self::blank();
        ffi::fr_add(&mut out.0, &self.0, &other.0);
        out
    }

    /// `self - other`.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        let mut out = Self::blank();
        ffi::fr_sub(&mut out.0, &self.0, &other.0);
        out
    }

    /// `self * other`.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        let mut out = Self::blank();
        ffi::fr_mul(&mut out.0, &self.0, &other.0);
        out
    }

    /// `self + other` with a public scalar.
    #[must_use]
    pub fn add_public(&self, other: &Scalar) -> Self {
        let mut out = Self::blank();
        ffi::fr_add(&mut out.0, &self.0, &other.0);
        out
    }

    /// `self * other` with a public scalar.
    #[must_use]
    pub fn mul_public(&self, other: &Scalar) -> Self {
        let mut out = Self::blank();
        ffi::fr_mul(&mut out.0, &self.0, &other.0);
        out
    }

    /// `-self`.
    #[must_use]
    pub fn neg(&self) -> Self {
        let mut out = Self::blank();
        ffi::fr_neg(&mut out.0, &self.0);
        out
    }

    /// `1 / self`; 0 for 0.
    #[must_use]
    pub fn invert(&self) -> Self {
        let mut out = Self::blank();
        ffi::fr_inverse(&mut out.0, &self.0);
        out
    }

    /// Whether the secret is 0.
    #[must_use]
    pub fn is_zero(&self) -> Choice {
        self.ct_eq(&Self::blank())
    }

    /// `self * G` with the generator of G1.
    #[must_use]
    pub fn mul_g1(&self) -> G1 {
        self.mul_generator()
    }

    /// `self * G` with the generator of G2.
    #[must_use]
    pub fn mul_g2(&self) -> G2 {
        self.mul_generator()
    }

    /// `self * G` with the generator of either group.
    #[must_use]
    pub fn mul_generator<G: Group>(&self) -> G {
        G::mul_generator(self)
    }

    /// The integer, in the form that the multiplications take; it wipes itself.
    pub(crate) fn to_integer(&self) -> blst::blst_scalar {
        ffi::scalar_from_fr(&self.0)
    }
}

impl ConstantTimeEq for SecretScalar {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.l.ct_eq(&other.0.l)
    }
}

impl Zeroize for SecretScalar {
    fn zeroize(&mut self) {
        self.0.l.zeroize();
    }
}

impl Drop for SecretScalar {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl zeroize::ZeroizeOnDrop for SecretScalar {}
