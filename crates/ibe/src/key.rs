//! Partial signatures and application keys: points of G1 that are secrets.

use quorumkeep_curves::bls::{G1, G2, PreparedG2, SecretScalar, pairing_eq, pairing_eq_prepared};
use quorumkeep_curves::enc::Decode;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `sigma_j = x_j * Q`, one node's part of an application key.
///
/// # Security
/// `t` of them are the application key, so a partial is key material under every policy but `public`: no `Debug`, no
/// `Clone` without asking for it ([`PartialSignature::copy`]), overwritten on drop.
pub struct PartialSignature(G1);

impl PartialSignature {
    /// Decodes 48 bytes: canonical, on the curve, in the subgroup, not the identity.
    ///
    /// # Errors
    /// [`Decode`], without detail about the bytes.
    pub fn from_bytes(bytes: &[u8; 48]) -> Result<PartialSignature, Decode> {
        G1::from_bytes(bytes).map(PartialSignature)
    }

    /// The compressed point, 48 bytes, for the encrypted answer.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 48]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// A second owner of the same partial.
    #[must_use]
    pub fn copy(&self) -> PartialSignature {
        PartialSignature(self.0)
    }

    pub(crate) fn point(&self) -> &G1 {
        &self.0
    }
}

impl Drop for PartialSignature {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for PartialSignature {}

/// `sigma = x * Q`, the key of one application under the group key `Y = x * G2`.
///
/// # Security
/// Opens everything encrypted to its identity: no `Debug`, `Clone` or `Serialize`, overwritten on drop.
pub struct AppKey(G1);

impl AppKey {
    /// Decodes 48 bytes: canonical, on the curve, in the subgroup, not the identity.
    ///
    /// # Errors
    /// [`Decode`], without detail about the bytes.
    pub fn from_bytes(bytes: &[u8; 48]) -> Result<AppKey, Decode> {
        G1::from_bytes(bytes).map(AppKey)
    }

    /// The compressed point, 48 bytes, for a key file.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 48]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// A second owner of the same key.
    #[must_use]
    pub fn copy(&self) -> AppKey {
        AppKey(self.0)
    }

    /// `e(sigma, G2) = e(Q, Y)`: whether this is the key of the identity `q` under the group key.
    #[must_use]
    pub fn verify(&self, q: &G1, group_key: &G2) -> bool {
        !q.is_identity() && pairing_eq(&self.0, &G2::generator(), q, group_key)
    }

    pub(crate) fn from_point(point: G1) -> AppKey {
        AppKey(point)
    }

    pub(crate) fn point(&self) -> &G1 {
        &self.0
    }
}

impl Drop for AppKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for AppKey {}

/// `sigma_j = x_j * Q`, in constant time.
///
/// # Security
/// `q` MUST be a hash of an identity ([`crate::AppIdentity::q`]), never a point from outside: a product of the share
/// with a chosen point is a part of the key of whatever that point is the hash of.
#[must_use]
pub fn sign_partial(share: &SecretScalar, q: &G1) -> PartialSignature {
    PartialSignature(q.mul_secret(share))
}

/// `e(sigma_j, G2) = e(Q, Y_j)`: whether the holder of the public share `Y_j` made this partial for `q`.
#[must_use]
pub fn verify_partial(public_share: &G2, q: &G1, partial: &PartialSignature) -> bool {
    // With `Q` or `Y_j` the identity the equation would accept the identity as a partial of anything.
    !q.is_identity() && !public_share.is_identity() && pairing_eq(partial.point(), &G2::generator(), q, public_share)
}

/// A public share that many partials are verified against: a verification then costs about a tenth less. 20 KiB.
#[derive(Clone)]
pub struct PreparedShare(Option<PreparedG2>);

impl PreparedShare {
    /// Prepares `Y_j`.
    #[must_use]
    pub fn new(public_share: &G2) -> PreparedShare {
        PreparedShare((!public_share.is_identity()).then(|| PreparedG2::new(public_share)))
    }

    /// As [`verify_partial`].
    #[must_use]
    pub fn verify(&self, q: &G1, partial: &PartialSignature) -> bool {
        let Some(share) = &self.0 else { return false };
        !q.is_identity() && pairing_eq_prepared(partial.point(), PreparedG2::generator(), q, share)
    }
}
