//! Signing keys of people, guardians and processes: Ed25519 (RFC 8032), verified strictly.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use quorumkeep_curves::tags::{self, Tag};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::bytes::Hex;
use crate::canonical::tagged;

/// A signature, 64 bytes.
pub type Signature = Hex<64>;

/// A public key, 32 bytes. It is checked when it is used: one that is no point, or of small order, verifies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VerifyKey(pub Hex<32>);

impl VerifyKey {
    /// Can it be the key of anybody? False for what is no point of the curve or has a small order.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        VerifyingKey::from_bytes(&self.0.0).is_ok_and(|key| !key.is_weak())
    }

    /// Did the holder of the key sign `SHA-256(tag || 0 || message)`?
    #[must_use]
    pub fn verify(&self, tag: Tag, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        let key = VerifyingKey::from_bytes(&self.0.0);
        key.is_ok_and(|key| key.verify_strict(&tagged(tag, &[message]).0, &signature).is_ok())
    }
}

/// A secret signing key; wiped when it is dropped.
pub struct SignKey(SigningKey);

impl SignKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Its public half.
    #[must_use]
    pub fn verify_key(&self) -> VerifyKey {
        VerifyKey(Hex(self.0.verifying_key().to_bytes()))
    }

    /// Signs `SHA-256(tag || 0 || message)`; the same every time.
    #[must_use]
    pub fn sign(&self, tag: Tag, message: &[u8]) -> Signature {
        Hex(self.0.sign(&tagged(tag, &[message]).0).to_bytes())
    }
}

/// A key derived from a seed, for one purpose.
#[must_use]
pub fn derive(seed: &Zeroizing<[u8; 32]>, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // 32 bytes are far less than what HKDF can give.
    let _ = Hkdf::<Sha256>::new(Some(tags::CUSTODY_KEYS.as_bytes()), &**seed).expand(purpose.as_bytes(), &mut *key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_one_tag_one_message_and_one_key() {
        let key = SignKey::from_seed(&Zeroizing::new([7; 32]));
        let other = SignKey::from_seed(&Zeroizing::new([8; 32])).verify_key();
        let signature = key.sign(tags::CUSTODY_REQUEST, b"m");
        assert!(key.verify_key().is_valid());
        assert!(key.verify_key().verify(tags::CUSTODY_REQUEST, b"m", &signature));
        assert!(!key.verify_key().verify(tags::CUSTODY_RECEIPT, b"m", &signature));
        assert!(!key.verify_key().verify(tags::CUSTODY_REQUEST, b"n", &signature));
        assert!(!other.verify(tags::CUSTODY_REQUEST, b"m", &signature));
    }

    #[test]
    fn a_key_of_small_order_is_nobodys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(!VerifyKey(Hex(identity)).is_valid());
        assert!(!VerifyKey(Hex([0; 32])).verify(tags::CUSTODY_REQUEST, b"m", &Hex([0; 64])));
    }
}
