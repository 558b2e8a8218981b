//! The secrets of one node in one round: a receive key `e` and a seed, from which everything else follows.
//!
//! Both are durable before the Announce leaves (protocol.md section 5). After a crash the same seed gives the same deal;
//! with another `info_digest` it gives an unrelated one, so that a changed `t` or `P` never repeats a coefficient or pad.

use std::sync::OnceLock;

use hkdf::Hkdf;
use quorumkeep_curves::bls::{G1, SecretScalar};
use quorumkeep_curves::enc::{Decode, Writer};
use quorumkeep_curves::tags;
use rand_core::CryptoRngCore;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ids::Digest;

/// `e` and the seed.
pub struct RoundSecrets {
    receive: SecretScalar,
    /// `e*G1`, once it was asked for.
    receive_key: OnceLock<G1>,
    seed: Zeroizing<[u8; 32]>,
}

impl RoundSecrets {
    /// Fresh secrets for one network, key and round.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        let receive = SecretScalar::random(rng);
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self { receive, receive_key: OnceLock::new(), seed }
    }

    /// `e || seed`, for sealed storage.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        let (head, tail) = bytes.split_at_mut(32);
        head.copy_from_slice(self.receive.expose().as_ref());
        tail.copy_from_slice(self.seed.as_ref());
        bytes
    }

    /// From sealed storage.
    ///
    /// # Errors
    /// [`Decode`] if `e` is not a canonical scalar.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, Decode> {
        let (mut head, mut seed) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        let (e, s) = bytes.split_at(32);
        head.copy_from_slice(e);
        seed.copy_from_slice(s);
        Ok(Self { receive: SecretScalar::from_be_bytes(&head)?, receive_key: OnceLock::new(), seed })
    }

    /// `e`.
    #[must_use]
    pub fn receive(&self) -> &SecretScalar {
        &self.receive
    }

    /// `E1 = e*G1`, which is public. Computed once.
    #[must_use]
    pub fn receive_key(&self) -> &G1 {
        self.receive_key.get_or_init(|| self.receive.mul_g1())
    }

    /// `root = HKDF(seed, digest)`.
    #[must_use]
    pub fn root(&self, digest: &Digest) -> Root {
        Root(Hkdf::new(Some(&digest.0), self.seed.as_ref()))
    }
}

/// The root of everything derived for one `info_digest`.
pub struct Root(Hkdf<Sha256>);

impl Root {
    /// `HKDF(root, label, k)`, 64 bytes reduced.
    #[must_use]
    pub fn scalar(&self, label: &str, k: u32) -> SecretScalar {
        self.expand(&Writer::new(tags::DKG_DERIVE).bytes(label.as_bytes()).u32(k).finish())
    }

    /// A proof nonce: `HKDF(root, label, H(statement), fresh randomness)`, 64 bytes reduced.
    ///
    /// # Security
    /// The randomness keeps a restored snapshot from repeating a nonce, the statement keeps a broken generator from it.
    #[must_use]
    pub fn nonce(&self, label: &str, statement: &[u8], rng: &mut dyn CryptoRngCore) -> SecretScalar {
        let mut fresh = [0u8; 32];
        rng.fill_bytes(&mut fresh);
        let hash = quorumkeep_curves::hash::keccak256(statement);
        let writer = Writer::new(tags::DKG_PROOF_NONCE).bytes(label.as_bytes()).fixed(&hash);
        self.expand(&writer.fixed(&fresh).finish())
    }

    fn expand(&self, info: &[u8]) -> SecretScalar {
        let mut wide = Zeroizing::new([0u8; 64]);
        // 64 bytes are far below HKDF's limit of 8160, so this cannot fail.
        let expanded = self.0.expand(info, wide.as_mut());
        debug_assert!(expanded.is_ok());
        SecretScalar::from_wide(&wide)
    }
}
