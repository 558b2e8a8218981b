//! What a node and a gateway give away: go-ethereum's ECIES of exactly 32 bytes, so exactly 145.
//!
//! Every call makes another one, so that two are never compared with each other.

use std::fmt;

use quorumkeep_curves::tags;
use quorumkeep_custody::bytes::Hex;
use quorumkeep_custody::{canonical, ecies};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};

use crate::key::{BackupKey, BackupPublicKey};
use crate::secret::{NotASecret, SECRET_BYTES, Secret};
use crate::trezor::SessionKey;

/// Bytes of a ciphertext.
pub const CIPHERTEXT_BYTES: usize = ecies::OVERHEAD + SECRET_BYTES;
/// Bytes of the ephemeral point.
const POINT: usize = 65;

/// Text or bytes that are no ciphertext of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotACiphertext {
    /// Not hexadecimal, or not all of it.
    #[error("expected {CIPHERTEXT_BYTES} bytes in hexadecimal, with 0x in front or without")]
    Hex,
    /// Another number of bytes.
    #[error("the ciphertext has {0} bytes instead of {CIPHERTEXT_BYTES}")]
    Length(usize),
    /// It does not begin with an uncompressed point of the curve.
    #[error("the ciphertext does not begin with an uncompressed point of secp256k1")]
    Point,
}

/// A ciphertext that gives no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// Changed, or for another key.
    #[error("the ciphertext was changed, or is for another backup key")]
    Key,
    /// It held something that is no secret.
    #[error(transparent)]
    Secret(#[from] NotASecret),
}

/// One encrypted secret; public.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Hex<145>", into = "Hex<145>")]
pub struct Ciphertext([u8; CIPHERTEXT_BYTES]);

impl Ciphertext {
    /// The bytes.
    ///
    /// # Errors
    /// [`NotACiphertext::Length`], [`NotACiphertext::Point`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotACiphertext> {
        let fixed: [u8; CIPHERTEXT_BYTES] = bytes.try_into().map_err(|_| NotACiphertext::Length(bytes.len()))?;
        let point = fixed.first_chunk::<POINT>().filter(|point| point.first() == Some(&4));
        let is_point = point.is_some_and(|point| k256::PublicKey::from_sec1_bytes(point).is_ok());
        if is_point { Ok(Self(fixed)) } else { Err(NotACiphertext::Point) }
    }

    /// Hexadecimal in either case, with or without `0x`, as a whole.
    ///
    /// # Errors
    /// [`NotACiphertext`].
    pub fn from_hex(text: &str) -> Result<Self, NotACiphertext> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len().is_multiple_of(2) && digits.len() != 2 * CIPHERTEXT_BYTES && is_hex(digits) {
            return Err(NotACiphertext::Length(digits.len() / 2));
        }
        let mut bytes = [0; CIPHERTEXT_BYTES];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NotACiphertext::Hex)?;
        Self::from_bytes(&bytes)
    }

    /// What a file holds: the bytes as they are, or hexadecimal with white space around it.
    ///
    /// # Errors
    /// [`NotACiphertext`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, NotACiphertext> {
        if bytes.len() == CIPHERTEXT_BYTES && bytes.first() == Some(&4) {
            return Self::from_bytes(bytes);
        }
        Self::from_hex(core::str::from_utf8(bytes).map_err(|_| NotACiphertext::Hex)?.trim())
    }

    /// What a node or a gateway answers: `0x` and 290 digits in lower case, nothing else. A gateway answers errors in the same
    /// way, as text under HTTP 200.
    ///
    /// # Errors
    /// [`NotACiphertext`].
    pub fn from_answer(text: &str) -> Result<Self, NotACiphertext> {
        let digits = text.strip_prefix("0x").ok_or(NotACiphertext::Hex)?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) || digits.starts_with("0x") {
            return Err(NotACiphertext::Hex);
        }
        Self::from_hex(digits)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; CIPHERTEXT_BYTES] {
        &self.0
    }

    /// The ephemeral point, 65 bytes: what a device is given as the public key of its peer.
    #[must_use]
    pub fn peer(&self) -> &[u8] {
        self.0.get(..POINT).unwrap_or_default()
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, key: &BackupKey) -> Result<Secret, NotOpened> {
        let opened = ecies::open(&key.scalar(), &self.0).map_err(|_| NotOpened::Key)?;
        Ok(Secret::new(&opened)?)
    }

    /// Opens it with what a device returned for [`Ciphertext::peer`].
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open_with(&self, session: &SessionKey) -> Result<Secret, NotOpened> {
        let opened = ecies::open_agreed(session.x(), &self.0).map_err(|_| NotOpened::Key)?;
        Ok(Secret::new(&opened)?)
    }

    /// Encrypts a secret, as a node does.
    #[must_use]
    pub fn seal(to: &BackupPublicKey, secret: &Secret, rng: &mut impl CryptoRngCore) -> Option<Self> {
        Self::from_bytes(&ecies::seal(&to.point()?, secret.expose(), rng)).ok()
    }

    /// Encrypts a value that everybody knows. Whoever opens it has the backup key, and learns nothing.
    #[must_use]
    pub fn canary(to: &BackupPublicKey, rng: &mut impl CryptoRngCore) -> Option<Self> {
        Self::seal(to, &canary(to)?, rng)
    }

    /// Does it open, and to the value of a canary?
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn is_canary(&self, key: &BackupKey) -> Result<bool, NotOpened> {
        let opened = self.open(key)?;
        Ok(canary(&key.public()).is_some_and(|known| known.is(&opened)))
    }
}

fn canary(to: &BackupPublicKey) -> Option<Secret> {
    Secret::new(&canonical::tagged(tags::TEN_CANARY, &[to.as_bytes()]).0).ok()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As a node answers: `0x` and lower-case hexadecimal.
impl fmt::Display for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<Hex<CIPHERTEXT_BYTES>> for Ciphertext {
    type Error = NotACiphertext;

    fn try_from(bytes: Hex<CIPHERTEXT_BYTES>) -> Result<Self, NotACiphertext> {
        Self::from_bytes(&bytes.0)
    }
}

impl From<Ciphertext> for Hex<CIPHERTEXT_BYTES> {
    fn from(ciphertext: Ciphertext) -> Self {
        Self(ciphertext.0)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::vectors::{bytes, load, text};

    fn key(byte: u8) -> BackupKey {
        BackupKey::from_bytes(&[byte; 32]).unwrap()
    }

    /// The secret of the vectors, opened with the key and with what a Trezor returns.
    #[test]
    fn both_modes_open_the_vectors() {
        let Some(vectors) = load("ten/e2e_slip39_slip17_ecies.json") else { return };
        for vector in vectors["vectors"].as_array().unwrap() {
            let ciphertext = Ciphertext::from_answer(text(&vector["ciphertext"])).unwrap();
            assert_eq!(ciphertext.to_string(), text(&vector["ciphertext"]));
            let key = BackupKey::read(text(&vector["backup_privkey"]).as_bytes()).unwrap();
            let session = SessionKey::read(text(&vector["trezor_session_key"]).as_bytes()).unwrap();
            for opened in [ciphertext.open(&key), ciphertext.open_with(&session)] {
                assert_eq!(opened.unwrap().expose().to_vec(), bytes(&vector["secret"]));
            }
        }
    }

    #[test]
    fn the_ten_shaped_vectors_of_ecies() {
        let Some(vectors) = load("ten/ecies_vectors.json") else { return };
        let of_ten = vectors.as_array().unwrap().iter().filter(|vector| vector.get("z").is_some());
        for vector in of_ten {
            let ciphertext = Ciphertext::from_hex(text(&vector["ct"])).unwrap();
            let key = BackupKey::read(text(&vector["priv"]).as_bytes()).unwrap();
            assert_eq!(ciphertext.open(&key).unwrap().expose().to_vec(), bytes(&vector["pt"]));
        }
    }

    #[test]
    fn forms_that_are_read_and_forms_that_are_not() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let secret = Secret::new(&[7; 32]).unwrap();
        let good = Ciphertext::seal(&key(1).public(), &secret, &mut rng).unwrap();
        let answer = good.to_string();
        let (bare, upper, line) = (&answer[2..], answer[2..].to_uppercase(), format!("{answer}\r\n"));
        for file in [answer.as_bytes(), bare.as_bytes(), upper.as_bytes(), line.as_bytes(), good.as_bytes()] {
            assert_eq!(Ciphertext::from_file(file), Ok(good.clone()));
        }
        assert_eq!(Ciphertext::from_answer(&answer), Ok(good.clone()));
        for bad in [bare, &line, &format!("0x{upper}"), &format!("0x{answer}"), &format!("{answer} "), "", "0x"] {
            assert!(Ciphertext::from_answer(bad).is_err(), "{bad}");
        }
        let length = |count: usize| Err(NotACiphertext::Length(count));
        assert_eq!(Ciphertext::from_file(&good.as_bytes()[..144]), Err(NotACiphertext::Hex));
        assert_eq!(Ciphertext::from_hex(&bare[2..]), length(144));
        assert_eq!(Ciphertext::from_hex(&format!("{bare}00")), length(146));
        assert_eq!(Ciphertext::from_hex(&bare[1..]), Err(NotACiphertext::Hex));
        assert_eq!(Ciphertext::from_hex(&bare.replacen("04", "02", 1)), Err(NotACiphertext::Point));
        let gateway_error = "backup encryption key not configured - set -backupEncryptionKey flag";
        assert_eq!(Ciphertext::from_answer(gateway_error), Err(NotACiphertext::Hex));
    }

    #[test]
    fn nothing_but_the_right_key_and_32_bytes_open() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let secret = Secret::new(&[7; 32]).unwrap();
        let sealed = Ciphertext::seal(&key(1).public(), &secret, &mut rng).unwrap();
        assert!(sealed.open(&key(1)).unwrap().is(&secret));
        assert_eq!(sealed.open(&key(2)).err(), Some(NotOpened::Key));
        let zero = ecies::seal(&key(1).public().point().unwrap(), &[0; 32], &mut rng);
        let zero = Ciphertext::from_bytes(&zero).unwrap();
        assert_eq!(zero.open(&key(1)).err(), Some(NotOpened::Secret(NotASecret::Zero)));
        for at in 0..CIPHERTEXT_BYTES {
            let mut changed = *sealed.as_bytes();
            changed[at] ^= 1;
            let opened = Ciphertext::from_bytes(&changed).map(|changed| changed.open(&key(1)).is_ok());
            assert_ne!(opened, Ok(true), "byte {at}");
        }
    }

    #[test]
    fn a_canary_shows_that_the_key_opens() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let canary = Ciphertext::canary(&key(1).public(), &mut rng).unwrap();
        assert_eq!(canary.is_canary(&key(1)), Ok(true));
        assert_eq!(canary.is_canary(&key(2)), Err(NotOpened::Key));
        let real = Ciphertext::seal(&key(1).public(), &Secret::new(&[7; 32]).unwrap(), &mut rng).unwrap();
        assert_eq!(real.is_canary(&key(1)), Ok(false));
    }
}
