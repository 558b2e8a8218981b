//! AES-256-GCM-SIV (RFC 8452) with a random nonce in front: `nonce (12) || ciphertext || tag (16)`.
//!
//! Data keys are used once and key-encryption keys a few thousand times. Should a nonce repeat all the same, GCM-SIV
//! shows only whether two messages were equal.

use aes_gcm_siv::aead::{AeadInPlace, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

/// No random bytes.
pub struct NoRandom;

/// `N` bytes of the operating system.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandom> {
    let mut bytes = Zeroizing::new([0u8; N]);
    OsRng.try_fill_bytes(bytes.as_mut()).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// Seals `plain` under `key`, bound to `aad`.
pub fn encrypt(key: &[u8; 32], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoRandom> {
    let nonce = random::<12>()?;
    // The plaintext stands only in this buffer, which is encrypted where it is.
    let mut body = Zeroizing::new(plain.to_vec());
    let cipher = Aes256GcmSiv::new(key.into());
    // The one error is a message of more than 2^36 bytes.
    let tag =
        cipher.encrypt_in_place_detached(Nonce::from_slice(nonce.as_ref()), aad, &mut body).map_err(|_| NoRandom)?;
    Ok([nonce.as_ref(), body.as_slice(), tag.as_slice()].concat())
}

/// Opens exactly `N` bytes; `None` says nothing about why not.
pub fn decrypt<const N: usize>(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    let (nonce, rest) = sealed.split_first_chunk::<12>()?;
    let (body, tag) = rest.split_last_chunk::<16>()?;
    let mut plain = Zeroizing::new(<[u8; N]>::try_from(body).ok()?);
    let cipher = Aes256GcmSiv::new(key.into());
    let opened = cipher.decrypt_in_place_detached(Nonce::from_slice(nonce), aad, plain.as_mut(), Tag::from_slice(tag));
    opened.ok().map(|()| plain)
}
