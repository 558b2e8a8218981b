//! Identity-based encryption of a 16-byte message, secure against chosen ciphertexts.
//!
//! Boneh and Franklin's FullIdent with the Fujisaki-Okamoto transform, public keys in G2 and identities in G1, exactly
//! as drand's timelock has it:
//!
//! ```text
//! sigma   16 random bytes
//! r     = H3(sigma, msg)
//! U     = r * G2                        96 bytes, compressed
//! V     = sigma XOR H2(e(Q, Y)^r)       16 bytes
//! W     = msg   XOR H4(sigma)           16 bytes
//! ```
//!
//! `H2(g) = SHA-256(tag || g)[..16]` with `g` in kyber's byte order; `H4(sigma) = SHA-256(tag || sigma)[..16]`.
//! `H3`: `seed = SHA-256(tag || sigma || msg)`; for `i = 1, 2, ...` the first `SHA-256(le16(i) || seed)` that, with its
//! first byte shifted right by one bit, is a scalar below the group order.
//!
//! # Security
//! One error for every failure ([`DecryptFailed`]): a decryptor that told "bad point" from "bad mask" would be an
//! oracle. `U` must be a point of the subgroup and not the identity; `U == r * G2` is compared last, in constant time.
//!
//! # Source
//! Boneh, Franklin: Identity-based encryption from the Weil pairing, section 4.2; `drand/kyber` `encrypt/ibe`
//! `EncryptCCAonG2`, `DecryptCCAonG2`; `drand/tlock` for the layout `U || V || W`.

use quorumkeep_curves::bls::{G1, G2, Gt, SecretScalar, pairing};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::key::AppKey;
use crate::suite::Suite;

/// Bytes of a message: an age file key.
pub const MESSAGE_LEN: usize = 16;

/// Bytes of an encoded [`Kem`]: `U || V || W`.
pub const KEM_LEN: usize = 128;

type Block = Zeroizing<[u8; MESSAGE_LEN]>;

/// The one error of decryption, whatever was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct DecryptFailed;

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// The group key or `Q` is the identity: the mask would be known to everybody.
    #[error("the group key or the identity point is the neutral element")]
    NeutralElement,
    /// `H3` found no scalar in 65,534 attempts; happens with probability below 2^-200,000.
    #[error("no scalar could be derived")]
    NoScalar,
}

/// A ciphertext `(U, V, W)` as bytes; nothing about them is checked before [`decrypt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kem {
    /// `r * G2`, compressed.
    pub u: [u8; 96],
    /// `sigma` under the mask of the pairing value.
    pub v: [u8; MESSAGE_LEN],
    /// The message under the mask of `sigma`.
    pub w: [u8; MESSAGE_LEN],
}

impl Kem {
    /// `U || V || W`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; KEM_LEN] {
        let mut bytes = [0; KEM_LEN];
        let parts = self.u.iter().chain(&self.v).chain(&self.w);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Splits exactly [`KEM_LEN`] bytes.
    ///
    /// # Errors
    /// [`DecryptFailed`] for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Kem, DecryptFailed> {
        let (u, rest) = bytes.split_first_chunk().ok_or(DecryptFailed)?;
        let (v, rest) = rest.split_first_chunk().ok_or(DecryptFailed)?;
        let w = rest.try_into().map_err(|_| DecryptFailed)?;
        Ok(Kem { u: *u, v: *v, w })
    }
}

/// Encrypts `msg` to the identity `q` under `group_key`.
///
/// For many messages to one identity [`Encryptor`] is quicker.
///
/// # Errors
/// [`EncryptError`].
pub fn encrypt(
    suite: &Suite,
    group_key: &G2,
    q: &G1,
    msg: &[u8; MESSAGE_LEN],
    rng: &mut dyn CryptoRngCore,
) -> Result<Kem, EncryptError> {
    refuse_neutral(group_key, q)?;
    // e(Q, Y)^r = e(r*Q, Y): one multiplication in G1 costs less than one power in Gt.
    seal(suite, msg, rng, |r| pairing(&Zeroizing::new(q.mul_secret(r)), group_key))
}

/// An encryptor for one identity that keeps `g = e(Q, Y)`.
#[derive(Clone)]
pub struct Encryptor {
    suite: Suite,
    g: Gt,
}

impl Encryptor {
    /// Computes `g = e(Q, Y)` once.
    ///
    /// # Errors
    /// [`EncryptError::NeutralElement`].
    pub fn new(suite: Suite, group_key: &G2, q: &G1) -> Result<Encryptor, EncryptError> {
        refuse_neutral(group_key, q)?;
        Ok(Encryptor { suite, g: pairing(q, group_key) })
    }

    /// [`encrypt`] without a pairing.
    ///
    /// # Errors
    /// [`EncryptError`].
    pub fn encrypt(&self, msg: &[u8; MESSAGE_LEN], rng: &mut dyn CryptoRngCore) -> Result<Kem, EncryptError> {
        seal(&self.suite, msg, rng, |r| self.g.pow_secret(r))
    }
}

/// Decrypts with the application key.
///
/// # Errors
/// [`DecryptFailed`], for every reason.
pub fn decrypt(suite: &Suite, app_key: &AppKey, kem: &Kem) -> Result<Block, DecryptFailed> {
    let u = G2::from_bytes(&kem.u).map_err(|_| DecryptFailed)?;
    // > 1. Compute sigma = V XOR H2(e(rP,private))
    let sigma = xor(&kem.v, &h2(suite, &Zeroizing::new(pairing(app_key.point(), &u))));
    // > 2. Compute M = W XOR H4(sigma)
    let msg = xor(&kem.w, &h4(suite, &sigma));
    // > 3. Check U = rP
    let r = h3(suite, &sigma, &msg).ok_or(DecryptFailed)?;
    let again = Zeroizing::new(r.mul_g2().to_bytes());
    if bool::from(again.ct_eq(&kem.u)) { Ok(msg) } else { Err(DecryptFailed) }
}

fn refuse_neutral(group_key: &G2, q: &G1) -> Result<(), EncryptError> {
    if group_key.is_identity() || q.is_identity() { Err(EncryptError::NeutralElement) } else { Ok(()) }
}

/// The common half of encryption; `mask(r)` is `e(Q, Y)^r`.
fn seal(
    suite: &Suite,
    msg: &[u8; MESSAGE_LEN],
    rng: &mut dyn CryptoRngCore,
    mask: impl FnOnce(&SecretScalar) -> Gt,
) -> Result<Kem, EncryptError> {
    let mut sigma: Block = Zeroizing::new([0; MESSAGE_LEN]);
    rng.fill_bytes(&mut *sigma);
    let r = h3(suite, &sigma, msg).ok_or(EncryptError::NoScalar)?;
    Ok(Kem {
        u: r.mul_g2().to_bytes(),
        v: *xor(&sigma, &h2(suite, &Zeroizing::new(mask(&r)))),
        w: *xor(msg, &h4(suite, &sigma)),
    })
}

fn h2(suite: &Suite, g: &Gt) -> Block {
    let bytes = Zeroizing::new(g.to_drand_bytes());
    truncate(&digest(&[suite.h2, &*bytes]))
}

fn h3(suite: &Suite, sigma: &[u8; MESSAGE_LEN], msg: &[u8; MESSAGE_LEN]) -> Option<SecretScalar> {
    let seed = digest(&[suite.h3, sigma, msg]);
    (1..u16::MAX).find_map(|attempt| {
        let mut candidate = digest(&[&attempt.to_le_bytes(), &*seed]);
        // 256 bits hashed, 255 bits in a scalar: the first bit goes, the rest decides about acceptance.
        if let Some(first) = candidate.first_mut() {
            *first >>= 1;
        }
        SecretScalar::from_be_bytes(&candidate).ok()
    })
}

fn h4(suite: &Suite, sigma: &[u8; MESSAGE_LEN]) -> Block {
    truncate(&digest(&[suite.h4, sigma]))
}

fn digest(parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Zeroizing::new(hasher.finalize().into())
}

/// The first 16 bytes.
fn truncate(hash: &[u8; 32]) -> Block {
    let mut out = Zeroizing::new([0; MESSAGE_LEN]);
    out.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    out
}

fn xor(left: &[u8; MESSAGE_LEN], right: &[u8; MESSAGE_LEN]) -> Block {
    let mut out = Zeroizing::new(*left);
    out.iter_mut().zip(right).for_each(|(to, from)| *to ^= from);
    out
}
