//! How the right secret is recognised, without saying anything about it.

use curve25519_dalek::edwards::EdwardsPoint;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use quorumkeep_curves::bls::{G1, SecretScalar};
use quorumkeep_curves::tags;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::bytes::{Hash, Hex};
use crate::canonical::tagged;

/// `SHA-256(tag || 0 || context || key)`: recognises the key of a set, which is random.
///
/// # Security
/// A hash of something that can be guessed is an oracle for it. This is only ever taken of at least 128 random bits.
#[must_use]
pub fn key_hash(context: &Hash, key: &[u8]) -> Hash {
    tagged(tags::CUSTODY_RECOGNISER, &[&context.0, key])
}

/// Is this the key? Compared in constant time.
#[must_use]
pub fn is_key(hash: &Hash, context: &Hash, key: &[u8]) -> bool {
    key_hash(context, key).0.ct_eq(&hash.0).into()
}

/// The public key of a secret that is a scalar, big-endian. What is backed up is compared with it before anything is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublicKey {
    /// secp256k1, compressed.
    Secp256k1(Hex<33>),
    /// The curve of Ed25519: the scalar times the base point (not the key of an RFC 8032 seed).
    Ed25519(Hex<32>),
    /// BLS12-381 G1, compressed.
    Bls12381g1(Hex<48>),
}

impl PublicKey {
    /// Is `secret` its private half? Shorter ones are filled up with zeros in front.
    #[must_use]
    pub fn matches(&self, secret: &[u8]) -> bool {
        self.of_same_kind(secret).is_some_and(|own| own == *self)
    }

    fn of_same_kind(&self, secret: &[u8]) -> Option<Self> {
        let missing = 32_usize.checked_sub(secret.len())?;
        let mut scalar = zeroize::Zeroizing::new([0; 32]);
        scalar.iter_mut().skip(missing).zip(secret).for_each(|(to, from)| *to = *from);
        match self {
            Self::Secp256k1(_) => {
                let key = k256::SecretKey::from_slice(&*scalar).ok()?;
                let point = key.public_key().to_encoded_point(true);
                Some(Self::Secp256k1(Hex(point.as_bytes().try_into().ok()?)))
            }
            Self::Ed25519(_) => {
                scalar.reverse();
                let scalar = curve25519_dalek::Scalar::from_canonical_bytes(*scalar).into_option()?;
                Some(Self::Ed25519(Hex(EdwardsPoint::mul_base(&scalar).compress().to_bytes())))
            }
            Self::Bls12381g1(_) => {
                let scalar = SecretScalar::from_be_bytes(&scalar).ok()?;
                let point: G1 = scalar.mul_g1();
                Some(Self::Bls12381g1(Hex(point.to_bytes())))
            }
        }
    }
}

impl std::str::FromStr for PublicKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected secp256k1:HEX (33 bytes), ed25519:HEX (32 bytes) or bls12381g1:HEX (48 bytes)";
        let (kind, hex) = text.split_once(':').ok_or(wrong)?;
        let key = serde_json::json!({ kind: hex });
        serde_json::from_value(key).map_err(|_| wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_keys_of_one() {
        let mut one = [0; 32];
        one[31] = 1;
        let generators = [
            "secp256k1:0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            "ed25519:5866666666666666666666666666666666666666666666666666666666666666",
            "bls12381g1:97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
        ];
        for text in generators {
            let key: PublicKey = text.parse().unwrap();
            assert!(key.matches(&one) && key.matches(&[1]), "{text}");
            let mut two = one;
            two[31] = 2;
            assert!(!key.matches(&two) && !key.matches(&[0; 32]) && !key.matches(&[255; 32]) && !key.matches(&[1; 33]));
        }
        for bad in ["", "secp256k1", "secp256k1:00", "rsa:00"] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_recognised_in_its_context_only() {
        let (context, other) = (Hex([1; 32]), Hex([2; 32]));
        let hash = key_hash(&context, &[7; 32]);
        assert!(is_key(&hash, &context, &[7; 32]));
        assert!(!is_key(&hash, &other, &[7; 32]) && !is_key(&hash, &context, &[7; 31]));
    }
}
