//! ECIES of go-ethereum on secp256k1, so that hardware and Ethereum tools can open what is sealed here.
//!
//! ```text
//! z  = x(r*PK)                                   32 bytes
//! K  = SHA256(00000001 || z || s1)
//! Ke = K[0..16], Km = SHA256(K[16..32])
//! c  = AES-128-CTR(Ke, iv, m)
//! out = 04||X||Y (65) || iv (16) || c || HMAC-SHA256(Km, iv || c || s2) (32)
//! ```
//!
//! `s1` and `s2` are empty, as TEN uses it: 113 bytes more than the message.
//!
//! # Security
//!
//! The MAC does not cover the ephemeral point: another point gives other keys. What is inside must say for whom it is.
//!
//! # Source
//!
//! go-ethereum `crypto/ecies`, `ECIES_AES128_SHA256`; SEC 1 section 5.1.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{NonZeroScalar, PublicKey};
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const POINT: usize = 65;
const IV: usize = 16;
const TAG: usize = 32;

/// Bytes that a sealed message has more than the message.
pub const OVERHEAD: usize = POINT + IV + TAG;

/// A message that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shorter than [`OVERHEAD`].
    #[error("the ciphertext is too short")]
    Length,
    /// The ephemeral point is not an uncompressed point of the curve.
    #[error("the ephemeral point is not on the curve")]
    Point,
    /// Changed, or sealed to another key.
    #[error("the ciphertext was changed, or is for another key")]
    Mac,
}

/// Seals `message` to a public key.
#[must_use]
pub fn seal(to: &PublicKey, message: &[u8], rng: &mut impl CryptoRngCore) -> Vec<u8> {
    let ephemeral = NonZeroScalar::random(&mut *rng);
    let mut iv = [0; IV];
    rng.fill_bytes(&mut iv);
    seal_with(to, message, &ephemeral, &iv)
}

fn seal_with(to: &PublicKey, message: &[u8], ephemeral: &NonZeroScalar, iv: &[u8; IV]) -> Vec<u8> {
    let point = PublicKey::from_secret_scalar(ephemeral).to_encoded_point(false);
    let keys = Keys::agree(ephemeral, to);
    let mut sealed = Vec::with_capacity(OVERHEAD + message.len());
    sealed.extend_from_slice(point.as_bytes());
    sealed.extend_from_slice(iv);
    let mut text = Zeroizing::new(message.to_vec());
    keys.cipher(iv).apply_keystream(&mut text);
    sealed.extend_from_slice(&text);
    let tag = keys.mac(iv, &text, &[]).finalize().into_bytes();
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens what was sealed to the public key of `secret`. The tag is compared in constant time before anything is decrypted.
///
/// # Errors
/// [`Error`].
pub fn open(secret: &NonZeroScalar, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parts = Parts::of(sealed)?;
    parts.open(&Keys::agree(secret, &parts.point), &[])
}

/// Opens it with `z = x(d*R)`, 32 bytes, where a device that keeps the secret `d` for itself has given `d*R`.
///
/// # Errors
/// [`Error`].
pub fn open_agreed(z: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    Parts::of(sealed)?.open(&Keys::derive(z), &[])
}

/// A sealed message, taken apart.
struct Parts<'a> {
    point: PublicKey,
    iv: &'a [u8; IV],
    text: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Result<Self, Error> {
        let (point, rest) = sealed.split_at_checked(POINT).ok_or(Error::Length)?;
        let (iv, rest) = rest.split_first_chunk::<IV>().ok_or(Error::Length)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(Error::Length)?;
        if point.first() != Some(&4) {
            return Err(Error::Point);
        }
        let point = PublicKey::from_sec1_bytes(point).map_err(|_| Error::Point)?;
        Ok(Self { point, iv, text, tag })
    }

    fn open(&self, keys: &Keys, s2: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        keys.mac(self.iv, self.text, s2).verify_slice(self.tag).map_err(|_| Error::Mac)?;
        let mut message = Zeroizing::new(self.text.to_vec());
        keys.cipher(self.iv).apply_keystream(&mut message);
        Ok(message)
    }
}

struct Keys {
    encryption: Zeroizing<[u8; 16]>,
    mac: Zeroizing<[u8; 64]>,
}

impl Keys {
    fn agree(secret: &NonZeroScalar, public: &PublicKey) -> Self {
        Self::derive(k256::ecdh::diffie_hellman(secret, public.as_affine()).raw_secret_bytes())
    }

    fn derive(z: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(1_u32.to_be_bytes()).chain_update(z);
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
        let (encryption, mac) = key.split_at(16);
        // HMAC fills a short key up to its block with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block.iter_mut().zip(Sha256::digest(mac)).for_each(|(to, from)| *to = from);
        let mut half = Zeroizing::new([0; 16]);
        half.copy_from_slice(encryption);
        Self { encryption: half, mac: block }
    }

    fn cipher(&self, iv: &[u8; IV]) -> Ctr128BE<Aes128> {
        Ctr128BE::new((&*self.encryption).into(), iv.into())
    }

    fn mac(&self, iv: &[u8; IV], text: &[u8], s2: &[u8]) -> Hmac<Sha256> {
        let start = <Hmac<Sha256> as Mac>::new((&*self.mac).into());
        start.chain_update(iv).chain_update(text).chain_update(s2)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_sealed_message_opens_and_a_changed_one_does_not() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let secret = NonZeroScalar::random(&mut rng);
        let sealed = seal(&PublicKey::from_secret_scalar(&secret), b"a share", &mut rng);
        assert_eq!(sealed.len(), OVERHEAD + 7);
        assert_eq!(**open(&secret, &sealed).unwrap(), *b"a share");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&secret, &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(open(&secret, &sealed[..length]).is_err(), "{length} bytes");
        }
        let other = NonZeroScalar::random(&mut rng);
        assert_eq!(open(&other, &sealed).unwrap_err(), Error::Mac);
    }

    /// The messages of go-ethereum's own tests (EIP-8), and two with fixed randomness, byte for byte.
    #[test]
    fn vectors_of_go_ethereum() {
        let Some(vectors) = vectors("ten/ecies_vectors.json") else { return };
        let bytes = |value: &serde_json::Value| hex::decode(value.as_str().unwrap()).unwrap();
        for vector in vectors.as_array().unwrap() {
            let scalar = |name: &str| NonZeroScalar::try_from(bytes(&vector[name]).as_slice()).unwrap();
            let (secret, sealed, message) = (scalar("priv"), bytes(&vector["ct"]), bytes(&vector["pt"]));
            let parts = Parts::of(&sealed).unwrap();
            let opened = parts.open(&Keys::agree(&secret, &parts.point), &bytes(&vector["s2"])).unwrap();
            assert_eq!(*opened, message, "{}", vector["name"]);
            if vector.get("z").is_none() {
                continue;
            }
            let z: [u8; 32] = bytes(&vector["z"]).try_into().unwrap();
            let iv: [u8; IV] = bytes(&vector["iv"]).try_into().unwrap();
            assert_eq!(*open(&secret, &sealed).unwrap(), message);
            assert_eq!(*open_agreed(&z, &sealed).unwrap(), message);
            let again = seal_with(&PublicKey::from_secret_scalar(&secret), &message, &scalar("eph_priv"), &iv);
            assert_eq!(again, sealed);
        }
    }

    fn vectors(path: &str) -> Option<serde_json::Value> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
        let folder = std::env::var_os("QUORUMKEEP_VECTORS").map_or_else(|| beside.into(), std::path::PathBuf::from);
        let Ok(text) = std::fs::read_to_string(folder.join(path)) else {
            let required = std::env::var_os("QUORUMKEEP_REQUIRE_VECTORS").is_some_and(|value| value == "1");
            assert!(!required, "the vectors {path} are required and absent");
            eprintln!("skipped: no vectors at {path}");
            return None;
        };
        Some(serde_json::from_str(&text).unwrap())
    }
}
