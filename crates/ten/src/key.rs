//! Backup keys: the secp256k1 key to which a node or a gateway encrypts what it must not lose.

use std::fmt;
use std::str::FromStr;

use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{NonZeroScalar, SecretKey};
use pkcs8::ObjectIdentifier;
use pkcs8::der::{Decode, SecretDocument};
use quorumkeep_custody::bytes::Hex;
use sec1::EcPrivateKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of the longest file with a private key.
pub const KEY_FILE_BYTES_MAX: usize = 16 * 1024;
/// `id-ecPublicKey` of RFC 5480.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256k1` of SEC 2.
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const SEC1_BEGIN: &str = "-----BEGIN EC PRIVATE KEY-----";
const PKCS8_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";

/// A file or text that holds no backup key. It says nothing of what is in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither hexadecimal nor PEM of a private key.
    #[error("expected 64 hex digits, or a private key in PEM (SEC 1 or PKCS #8)")]
    Text,
    /// PEM of something else, encrypted, or damaged.
    #[error("the PEM does not hold an unencrypted private key of an elliptic curve")]
    Pem,
    /// A key of another curve.
    #[error("the key is not one of secp256k1")]
    Curve,
    /// Zero, or not below the order of the group.
    #[error("the number is no private key of secp256k1")]
    Range,
    /// Not a compressed point.
    #[error("expected the 66 hex digits of a compressed point of secp256k1")]
    Public,
}

/// The private half; wiped when it is dropped.
pub struct BackupKey(SecretKey);

impl BackupKey {
    /// The key of a number, 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`Error::Range`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        SecretKey::from_bytes(bytes.into()).map(Self).map_err(|_| Error::Range)
    }

    /// The key in a file: 64 hex digits (`0x` and white space around them tolerated), or PEM as OpenSSL writes it, with a block
    /// of parameters in front or without.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let text = core::str::from_utf8(file).map_err(|_| Error::Text)?.trim();
        if text.len() > KEY_FILE_BYTES_MAX {
            return Err(Error::Text);
        }
        if let Some(at) = text.find(SEC1_BEGIN) {
            return Self::from_sec1(document(text.get(at..), "EC PRIVATE KEY")?.as_bytes());
        }
        if let Some(at) = text.find(PKCS8_BEGIN) {
            return Self::from_pkcs8(document(text.get(at..), "PRIVATE KEY")?.as_bytes());
        }
        let mut bytes = Zeroizing::new([0; 32]);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, &mut *bytes)
            .map_err(|_| if text.starts_with("-----") { Error::Pem } else { Error::Text })?;
        Self::from_bytes(&bytes)
    }

    fn from_sec1(der: &[u8]) -> Result<Self, Error> {
        let key = EcPrivateKey::from_der(der).map_err(|_| Error::Pem)?;
        if key.parameters.is_some_and(|parameters| parameters.named_curve() != Some(SECP256K1)) {
            return Err(Error::Curve);
        }
        SecretKey::from_sec1_der(der).map(Self).map_err(|_| Error::Range)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let info = pkcs8::PrivateKeyInfo::from_der(der).map_err(|_| Error::Pem)?;
        info.algorithm.assert_oids(EC_PUBLIC_KEY, SECP256K1).map_err(|_| Error::Curve)?;
        Self::from_sec1(info.private_key)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> BackupPublicKey {
        BackupPublicKey::of(&self.0.public_key())
    }

    /// What ECIES needs.
    pub(crate) fn scalar(&self) -> Zeroizing<NonZeroScalar> {
        Zeroizing::new(self.0.to_nonzero_scalar())
    }
}

/// The one document of PEM text with this label. What a command would do with the text around it does not matter here.
fn document(pem: Option<&str>, label: &str) -> Result<SecretDocument, Error> {
    let end = format!("-----END {label}-----");
    let pem = pem.and_then(|text| text.find(&end).and_then(|at| text.get(..at + end.len()))).ok_or(Error::Pem)?;
    let (found, document) = SecretDocument::from_pem(pem).map_err(|_| Error::Pem)?;
    if found == label { Ok(document) } else { Err(Error::Pem) }
}

/// The public half: a compressed point, 33 bytes, in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Hex<33>", into = "Hex<33>")]
pub struct BackupPublicKey([u8; 33]);

impl BackupPublicKey {
    fn of(key: &k256::PublicKey) -> Self {
        let mut bytes = [0; 33];
        bytes.iter_mut().zip(key.to_encoded_point(true).as_bytes()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// A compressed point of the curve.
    ///
    /// # Errors
    /// [`Error::Public`].
    pub fn from_bytes(bytes: &[u8; 33]) -> Result<Self, Error> {
        k256::PublicKey::from_sec1_bytes(bytes).map(|key| Self::of(&key)).map_err(|_| Error::Public)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// The point; it was one when this was made.
    pub(crate) fn point(&self) -> Option<k256::PublicKey> {
        k256::PublicKey::from_sec1_bytes(&self.0).ok()
    }

    /// `enclave.backupEncryptionKey` of a node, which must not begin with `0x`: an environment variable.
    #[must_use]
    pub fn node_setting(&self) -> String {
        format!("ENCLAVE_BACKUPENCRYPTIONKEY={self}")
    }

    /// The flag of a gateway.
    #[must_use]
    pub fn gateway_setting(&self) -> String {
        format!("-backupEncryptionKey={self}")
    }
}

impl fmt::Display for BackupPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hex(self.0), f)
    }
}

impl FromStr for BackupPublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 33];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).map_err(|_| Error::Public)?;
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<Hex<33>> for BackupPublicKey {
    type Error = Error;

    fn try_from(bytes: Hex<33>) -> Result<Self, Error> {
        Self::from_bytes(&bytes.0)
    }
}

impl From<BackupPublicKey> for Hex<33> {
    fn from(key: BackupPublicKey) -> Self {
        Hex(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138";
    const HEX: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
    // The same key, written by OpenSSL 3: ec -outform PEM, and pkcs8 -topk8 -nocrypt.
    const SEC1: &str = include_str!("../tests/data/sec1.pem");
    const PKCS8: &str = include_str!("../tests/data/pkcs8.pem");
    const OTHER_CURVE: &str = include_str!("../tests/data/p256.pem");
    const OTHER_CURVE_PKCS8: &str = include_str!("../tests/data/p256-pkcs8.pem");
    const ENCRYPTED: &str = include_str!("../tests/data/encrypted.pem");

    #[test]
    fn one_key_in_every_form() {
        let with_parameters =
            format!("-----BEGIN EC PARAMETERS-----\nBgUrgQQACg==\n-----END EC PARAMETERS-----\n{SEC1}");
        let (prefixed, line, upper) = (format!("0x{HEX}"), format!("{HEX}\n"), HEX.to_uppercase());
        let crlf = SEC1.replace('\n', "\r\n");
        for text in [HEX, &prefixed, &line, &upper, SEC1, &with_parameters, &crlf, PKCS8] {
            let key = BackupKey::read(text.as_bytes());
            assert_eq!(key.map(|key| key.public().to_string()), Ok(PUBLIC.to_owned()), "{text}");
        }
        let public: BackupPublicKey = PUBLIC.parse().unwrap();
        assert_eq!(public.node_setting(), format!("ENCLAVE_BACKUPENCRYPTIONKEY={PUBLIC}"));
        assert_eq!(public.gateway_setting(), format!("-backupEncryptionKey={PUBLIC}"));
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let (zero, order) = ("0".repeat(64), "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        let (short, damaged) = (&HEX[..62], SEC1.replacen("MHQ", "MHR", 1));
        for (text, error) in [
            ("", Error::Text),
            (short, Error::Text),
            ("0x", Error::Text),
            (zero.as_str(), Error::Range),
            (order, Error::Range),
            (OTHER_CURVE, Error::Curve),
            (OTHER_CURVE_PKCS8, Error::Curve),
            (ENCRYPTED, Error::Pem),
            (&SEC1[..60], Error::Pem),
            (damaged.as_str(), Error::Pem),
        ] {
            assert_eq!(BackupKey::read(text.as_bytes()).err(), Some(error), "{text}");
        }
        for bad in ["", "02", &PUBLIC[2..], &format!("04{}", &PUBLIC[2..]), &format!("{PUBLIC}00"), &"00".repeat(33)] {
            assert_eq!(bad.parse::<BackupPublicKey>(), Err(Error::Public), "{bad}");
        }
    }
}
