//! Small things as upstream does them, mistakes included.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use k256::PublicKey;
use quorumkeep_custody::ecies;
use rand_core::{OsRng, RngCore};

/// `hex.DecodeString` without its error: the bytes before the first digit that is none; the odd last digit is dropped.
pub fn hex_without_error(text: &str) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = Vec::new();
    for pair in text.as_bytes().chunks_exact(2) {
        let [high, low] = pair else { break };
        let (Some(high), Some(low)) = (value(*high), value(*low)) else { break };
        bytes.push(high << 4 | low);
    }
    bytes
}

/// `Hex2BytesFixed`: what there is at the end, zeros in front of it, and no word about it.
pub fn hex_fixed(text: &str) -> [u8; 32] {
    let bytes = hex_without_error(text);
    let mut fixed = [0; 32];
    fixed.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
    fixed
}

/// ECIES as `0x` and hexadecimal.
pub fn sealed(to: &PublicKey, secret: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(ecies::seal(to, secret, &mut OsRng)))
}

/// 32 random bytes.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// AES-256-GCM: nonce, ciphertext, tag.
pub fn encrypt(key: &[u8; 32], text: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; 12];
    OsRng.fill_bytes(&mut nonce);
    let sealed = Aes256Gcm::new(key.into()).encrypt(Nonce::from_slice(&nonce), text).ok()?;
    Some([nonce.as_slice(), &sealed].concat())
}

/// The text; none if the key is another.
pub fn decrypt(key: &[u8; 32], bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = bytes.split_first_chunk::<12>()?;
    Aes256Gcm::new(key.into()).decrypt(Nonce::from_slice(nonce), sealed).ok()
}
