//! EigenX ciphertexts, read and written byte for byte.
//!
//! ```text
//! "IBE" || 0x01 || C1 = r*G2 (96) || nonce (12) || AES-256-GCM ciphertext || tag (16)
//! key = HKDF-SHA256(ikm = e(Q, Y)^r (576 bytes), salt, info = "IBE-encryption|v1|" || app id)
//! aad = app id || 0x01 || C1
//! ```
//!
//! # Security
//! Kept for interoperation, weaker than [`crate::fo`]: no Fujisaki-Okamoto check, no key commitment, and the identity
//! is the raw application id, so its key can never be replaced. Use it only for applications that need the format.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use quorumkeep_curves::bls::{G1, G2, Gt, Scalar, SecretScalar, pairing};
use quorumkeep_sharing::{Threshold, lagrange};
use rand_core::CryptoRngCore;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::fo::DecryptFailed;
use crate::identity::{AppId, EIGENX_APP_ID_LEN_MIN, hash_eigenx};
use crate::key::{AppKey, PartialSignature};

/// The first bytes of every EigenX ciphertext.
pub const MAGIC: [u8; 4] = *b"IBE\x01";

/// Bytes a ciphertext has more than its plaintext.
pub const OVERHEAD: usize = 128;

/// The longest plaintext that is written or read, in bytes.
pub const PLAINTEXT_LEN_MAX: usize = 64 << 20;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const HKDF_SALT: &[u8] = b"eigenx-kms-go-ibe-encryption";
const HKDF_INFO: &[u8] = b"IBE-encryption|v1|";

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// EigenX wants at least five bytes of application id.
    #[error("an EigenX application id has at least {EIGENX_APP_ID_LEN_MIN} bytes")]
    ShortAppId,
    /// The group key is the identity: the key would be known to everybody.
    #[error("the group key is the neutral element")]
    NeutralElement,
    /// More than [`PLAINTEXT_LEN_MAX`] bytes.
    #[error("the plaintext is longer than {PLAINTEXT_LEN_MAX} bytes")]
    PlaintextLength,
    /// The cipher refused.
    #[error("the cipher failed")]
    Cipher,
}

/// Encrypts `plaintext` to the application under `group_key`.
///
/// # Errors
/// [`EncryptError`].
pub fn encrypt(
    group_key: &G2,
    app_id: &AppId,
    plaintext: &[u8],
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<u8>, EncryptError> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    encrypt_with(group_key, app_id, plaintext, &SecretScalar::random(rng), &nonce)
}

/// [`encrypt`] with given randomness: a pair used twice reveals both plaintexts, so only vectors may choose it.
pub(crate) fn encrypt_with(
    group_key: &G2,
    app_id: &AppId,
    plaintext: &[u8],
    r: &SecretScalar,
    nonce: &[u8; NONCE_LEN],
) -> Result<Vec<u8>, EncryptError> {
    if app_id.as_str().len() < EIGENX_APP_ID_LEN_MIN {
        return Err(EncryptError::ShortAppId);
    }
    if group_key.is_identity() {
        return Err(EncryptError::NeutralElement);
    }
    if plaintext.len() > PLAINTEXT_LEN_MAX {
        return Err(EncryptError::PlaintextLength);
    }
    let c1 = r.mul_g2().to_bytes();
    let g = Zeroizing::new(pairing(&Zeroizing::new(hash_eigenx(app_id).mul_secret(r)), group_key));
    let aad = associated_data(app_id, &c1);
    let sealed = cipher(&g, app_id)
        .ok_or(EncryptError::Cipher)?
        .encrypt(Nonce::from_slice(nonce), Payload { msg: plaintext, aad: &aad })
        .map_err(|_| EncryptError::Cipher)?;
    Ok([&MAGIC[..], &c1, nonce, &sealed].concat())
}

/// Decrypts with the application key.
///
/// # Errors
/// [`DecryptFailed`], for every reason: magic, length, point, identity or tag.
pub fn decrypt(app_key: &AppKey, app_id: &AppId, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptFailed> {
    let (magic, rest) = ciphertext.split_first_chunk().ok_or(DecryptFailed)?;
    let (c1, rest) = rest.split_first_chunk::<96>().ok_or(DecryptFailed)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(DecryptFailed)?;
    if *magic != MAGIC || sealed.len() < TAG_LEN || sealed.len() > PLAINTEXT_LEN_MAX + TAG_LEN {
        return Err(DecryptFailed);
    }
    let u = G2::from_bytes(c1).map_err(|_| DecryptFailed)?;
    let aad = associated_data(app_id, c1);
    let g = Zeroizing::new(pairing(app_key.point(), &u));
    cipher(&g, app_id)
        .ok_or(DecryptFailed)?
        .decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad: &aad })
        .map(Zeroizing::new)
        .map_err(|_| DecryptFailed)
}

/// `sigma = sum lambda_j sigma_j` over arbitrary evaluation points, verified by `e(sigma, G2) = e(Q, Y)`.
///
/// EigenX evaluates at `keccak256(address) mod r`. It publishes no public shares, so a bad partial can be noticed here
/// but not named; the first `threshold` entries are used.
///
/// # Errors
/// [`DecryptFailed`] if there are fewer than `threshold` distinct points or the result is not the application's key.
pub fn recover(
    threshold: Threshold,
    app_id: &AppId,
    group_key: &G2,
    partials: &[(Scalar, PartialSignature)],
) -> Result<AppKey, DecryptFailed> {
    let chosen = partials.get(..usize::from(threshold.get())).ok_or(DecryptFailed)?;
    let points: Vec<Scalar> = chosen.iter().map(|(point, _)| *point).collect();
    let weights = lagrange::at_zero_scalars(&points).map_err(|_| DecryptFailed)?;
    let terms = chosen.iter().zip(&weights).map(|((_, partial), weight)| partial.point().mul(weight));
    let key = AppKey::from_point(terms.fold(G1::identity(), |sum, term| sum + term));
    if key.verify(&hash_eigenx(app_id), group_key) { Ok(key) } else { Err(DecryptFailed) }
}

/// `app id || 0x01 || C1`.
pub(crate) fn associated_data(app_id: &AppId, c1: &[u8; 96]) -> Vec<u8> {
    [app_id.as_str().as_bytes(), &[VERSION], c1].concat()
}

/// The 32-byte AES key of a pairing value.
pub(crate) fn content_key(g: &Gt, app_id: &AppId) -> Option<Zeroizing<[u8; 32]>> {
    let ikm = Zeroizing::new(g.to_gnark_bytes());
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(HKDF_SALT), &*ikm)
        .expand_multi_info(&[HKDF_INFO, app_id.as_str().as_bytes()], &mut *key)
        .ok()?;
    Some(key)
}

fn cipher(g: &Gt, app_id: &AppId) -> Option<Aes256Gcm> {
    let key = content_key(g, app_id)?;
    Aes256Gcm::new_from_slice(&*key).ok()
}
