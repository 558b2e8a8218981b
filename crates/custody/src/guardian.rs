//! Guardians: who holds a share, and the keys with which it is sealed to them and with which they answer.

use std::io::{Read, Write};
use std::str::FromStr;

use bech32::{Bech32, Hrp};
use k256::elliptic_curve::ops::ReduceNonZero;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{NonZeroScalar, PublicKey, U256};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bytes::Hex;
use crate::ecies;
use crate::keys::{self, SignKey, VerifyKey};
use crate::names::Name;

/// Bytes of the longest envelope.
pub const ENVELOPE_BYTES_MAX: usize = 8192;

/// Where a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// On the side of the operator of the service.
    Server,
    /// With somebody else, on a machine or a hardware device.
    External,
    /// With somebody else, written down.
    Paper,
}

impl Kind {
    /// The side of the placement it counts for.
    #[must_use]
    pub fn is_server(self) -> bool {
        self == Self::Server
    }
}

/// The public encryption key of a guardian.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipient {
    /// An X25519 recipient of age, `age1...`.
    Age(String),
    /// A point of secp256k1, uncompressed, 65 bytes: [`crate::ecies`].
    Secp256k1(Hex<65>),
}

/// The public half of a guardian, as it is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardian {
    /// His name.
    pub name: Name,
    /// Where he keeps shares.
    pub kind: Kind,
    /// The organisation he acts for: two guardians of one entity are one party.
    pub entity: Name,
    /// What his shares are sealed to.
    pub recipient: Recipient,
    /// What his receipts and answers are signed with.
    pub signing: VerifyKey,
}

/// Something about a guardian's keys is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The encryption key is none.
    #[error("the encryption key of {0} is not valid")]
    Recipient(Name),
    /// The signing key is none.
    #[error("the signing key of {0} is not valid")]
    Signing(Name),
    /// Sealing failed.
    #[error("nothing could be sealed to this recipient")]
    Seal,
    /// It does not open with this key.
    #[error("it was changed, or it is for somebody else")]
    Open,
    /// Longer than anything that is sealed here.
    #[error("it is too long")]
    TooLong,
}

impl Guardian {
    /// Are the keys such that he can open and sign?
    ///
    /// # Errors
    /// [`Error::Recipient`], [`Error::Signing`].
    pub fn check(&self) -> Result<(), Error> {
        if !self.recipient.is_valid() {
            return Err(Error::Recipient(self.name.clone()));
        }
        if self.signing.is_valid() { Ok(()) } else { Err(Error::Signing(self.name.clone())) }
    }
}

impl Recipient {
    /// Is it a key to which something can be sealed?
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match self {
            Self::Age(text) => age::x25519::Recipient::from_str(text).is_ok_and(|parsed| parsed.to_string() == *text),
            Self::Secp256k1(point) => self.point(point).is_some(),
        }
    }

    fn point(&self, bytes: &Hex<65>) -> Option<PublicKey> {
        let uncompressed = bytes.0.first() == Some(&4);
        PublicKey::from_sec1_bytes(&bytes.0).ok().filter(|_| uncompressed)
    }

    /// Seals a short message. age draws its own randomness from the operating system.
    ///
    /// # Errors
    /// [`Error::Seal`] if the key is none.
    pub fn seal(&self, message: &[u8], rng: &mut impl CryptoRngCore) -> Result<Vec<u8>, Error> {
        match self {
            Self::Age(text) => {
                let recipient = age::x25519::Recipient::from_str(text).map_err(|_| Error::Seal)?;
                seal_age(&recipient, message).ok_or(Error::Seal)
            }
            Self::Secp256k1(bytes) => Ok(ecies::seal(&self.point(bytes).ok_or(Error::Seal)?, message, rng)),
        }
    }
}

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let recipient = if text.starts_with("age1") {
            Self::Age(text.to_owned())
        } else {
            let mut bytes = [0; 65];
            let wrong = "expected age1..., or 65 bytes of an uncompressed secp256k1 point in hexadecimal";
            hex::decode_to_slice(text.trim_start_matches("0x"), &mut bytes).map_err(|_| wrong)?;
            Self::Secp256k1(Hex(bytes))
        };
        if recipient.is_valid() { Ok(recipient) } else { Err("this is not a valid public key".into()) }
    }
}

fn seal_age(recipient: &age::x25519::Recipient, message: &[u8]) -> Option<Vec<u8>> {
    let encryptor = age::Encryptor::with_recipients(core::iter::once(recipient as _)).ok()?;
    let mut sealed = Vec::with_capacity(message.len() + 256);
    let mut writer = encryptor.wrap_output(&mut sealed).ok()?;
    writer.write_all(message).ok()?;
    writer.finish().ok()?;
    Some(sealed)
}

/// The secret half of a guardian or a process: one seed, from which all keys are derived.
pub struct GuardianKey {
    seed: Zeroizing<[u8; 32]>,
}

impl GuardianKey {
    /// The keys of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { seed }
    }

    /// His signing key.
    #[must_use]
    pub fn signing(&self) -> SignKey {
        SignKey::from_seed(&self.derive("sign"))
    }

    /// His age recipient.
    #[must_use]
    pub fn age_recipient(&self) -> Recipient {
        Recipient::Age(self.age_identity().map(|identity| identity.to_public().to_string()).unwrap_or_default())
    }

    /// His secp256k1 recipient.
    #[must_use]
    pub fn secp256k1_recipient(&self) -> Recipient {
        let point = PublicKey::from_secret_scalar(&self.scalar()).to_encoded_point(false);
        let mut bytes = [0; 65];
        bytes.iter_mut().zip(point.as_bytes()).for_each(|(to, from)| *to = *from);
        Recipient::Secp256k1(Hex(bytes))
    }

    /// Opens what was sealed to `recipient`, which must be one of the two of this key.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Open`].
    pub fn open(&self, recipient: &Recipient, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if sealed.len() > ENVELOPE_BYTES_MAX {
            return Err(Error::TooLong);
        }
        match recipient {
            Recipient::Age(_) => open_age(&self.age_identity().ok_or(Error::Open)?, sealed).ok_or(Error::Open),
            Recipient::Secp256k1(_) => ecies::open(&self.scalar(), sealed).map_err(|_| Error::Open),
        }
    }

    fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        keys::derive(&self.seed, purpose)
    }

    fn age_identity(&self) -> Option<age::x25519::Identity> {
        age_identity(&self.derive("age"))
    }

    fn scalar(&self) -> NonZeroScalar {
        <NonZeroScalar as ReduceNonZero<U256>>::reduce_nonzero_bytes(&(*self.derive("secp256k1")).into())
    }
}

/// The age identity whose X25519 secret is these bytes.
pub(crate) fn age_identity(secret: &Zeroizing<[u8; 32]>) -> Option<age::x25519::Identity> {
    let text = bech32::encode_upper::<Bech32>(Hrp::parse_unchecked("age-secret-key-"), &**secret).map(Zeroizing::new);
    text.ok()?.parse().ok()
}

fn open_age(identity: &age::x25519::Identity, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let decryptor = age::Decryptor::new_buffered(sealed).ok().filter(|decryptor| !decryptor.is_scrypt())?;
    let mut reader = decryptor.decrypt(core::iter::once(identity as _)).ok()?;
    // Never longer than what is sealed, so that the buffer does not grow and leave copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut message).ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    fn key(byte: u8) -> GuardianKey {
        GuardianKey::from_seed(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn both_kinds_of_recipient_open_only_for_their_key() {
        for recipient in [key(1).age_recipient(), key(1).secp256k1_recipient()] {
            assert!(recipient.is_valid());
            let sealed = recipient.seal(b"a share", &mut OsRng).unwrap();
            assert_eq!(**key(1).open(&recipient, &sealed).unwrap(), *b"a share");
            assert_eq!(key(2).open(&recipient, &sealed).unwrap_err(), Error::Open);
            for length in 0..sealed.len() {
                assert!(key(1).open(&recipient, &sealed[..length]).is_err(), "{length}");
            }
            let mut changed = sealed.clone();
            for at in 0..sealed.len() {
                changed[at] ^= 1;
                assert!(key(1).open(&recipient, &changed).is_err(), "byte {at}");
                changed[at] ^= 1;
            }
        }
        assert_eq!(key(1).open(&key(1).age_recipient(), &[0; ENVELOPE_BYTES_MAX + 1]).unwrap_err(), Error::TooLong);
    }

    #[test]
    fn recipients_that_are_none() {
        let good = match key(1).secp256k1_recipient() {
            Recipient::Secp256k1(point) => point,
            Recipient::Age(_) => unreachable!(),
        };
        let mut off = good;
        off.0[64] ^= 1;
        let mut compressed = good;
        compressed.0[0] = 2;
        for bad in [off, compressed, Hex([0; 65])] {
            assert!(!Recipient::Secp256k1(bad).is_valid());
        }
        for bad in ["", "age1", "age1qqqq", "AGE-SECRET-KEY-1"] {
            assert!(!Recipient::Age(bad.into()).is_valid(), "{bad}");
        }
    }
}
