//! Identities: application id, epoch, network and key, and the point `Q` they hash to.

use core::fmt;
use core::str::FromStr;

use quorumkeep_curves::bls::G1;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;

use crate::suite::{BLS_SIGNATURE_DST, Suite};

/// The longest application id in bytes.
pub const APP_ID_LEN_MAX: usize = 128;

/// The shortest application id that EigenX accepts, in bytes.
pub const EIGENX_APP_ID_LEN_MIN: usize = 5;

/// Why a text is not an application id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppIdError {
    /// Empty, or longer than [`APP_ID_LEN_MAX`] bytes.
    #[error("an application id has 1 to {APP_ID_LEN_MAX} bytes, not {found}")]
    Length {
        /// Number of bytes found.
        found: usize,
    },
    /// A byte outside `0x21..=0x7e`.
    #[error("an application id is printable ASCII without spaces; byte {position} is not")]
    Character {
        /// Position of the first such byte.
        position: usize,
    },
}

/// An application id: 1 to 128 bytes of printable ASCII without spaces (`0x21..=0x7e`), compared byte for byte.
///
/// # Security
/// The bytes are the identity, so two spellings are two keys. ASCII has one encoding per text; Unicode would add
/// normal forms and look-alikes. Case counts: a checksum address and the same address in lower case are two ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(String);

impl AppId {
    /// Checks length and characters; the only way to an `AppId`.
    ///
    /// # Errors
    /// [`AppIdError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<AppId, AppIdError> {
        if text.is_empty() || text.len() > APP_ID_LEN_MAX {
            return Err(AppIdError::Length { found: text.len() });
        }
        match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(position) => Err(AppIdError::Character { position }),
            None => Ok(AppId(text.to_owned())),
        }
    }

    /// The text, unchanged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppId({})", self.0)
    }
}

impl FromStr for AppId {
    type Err = AppIdError;

    fn from_str(text: &str) -> Result<AppId, AppIdError> {
        AppId::parse(text)
    }
}

/// The ciphertext format of an application; its record names exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// age files; the identity binds network, key and epoch.
    Age,
    /// EigenX ciphertexts; the identity is the raw application id.
    EigenX,
}

impl Format {
    /// Every format, in the order of their codes.
    pub const ALL: [Format; 2] = [Format::Age, Format::EigenX];

    /// The name in records, JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Age => "age",
            Format::EigenX => "eigenx",
        }
    }

    /// The code in encoded records.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Format::Age => 1,
            Format::EigenX => 2,
        }
    }

    /// The format with this code, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.code() == code)
    }

    /// The format with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an application key is for: one application of one key of one network, in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AppIdentity {
    /// Network id.
    pub network: [u8; 32],
    /// Key id.
    pub key_id: [u8; 32],
    /// Application id.
    pub app_id: AppId,
    /// Epoch of the application; a higher one replaces its key.
    pub epoch: u64,
}

impl AppIdentity {
    /// `enc(network, key, app id, epoch)`: injective, 76 bytes and the application id.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        identity(&self.network, &self.key_id, &self.app_id, self.epoch)
    }

    /// `Q`, the point a node signs for this identity in this format.
    ///
    /// # Security
    /// [`Format::EigenX`] is permanent: its identity is the raw application id, without network, key or epoch, under
    /// the BLS signature tag. Whoever held such a key once opens everything ever encrypted to that id under the same
    /// group key, and no epoch replaces it.
    #[must_use]
    pub fn q(&self, format: Format) -> G1 {
        match format {
            Format::Age => hash_identity(&Suite::QUORUMKEEP, &self.bytes()),
            Format::EigenX => hash_eigenx(&self.app_id),
        }
    }
}

/// `enc(network, key, app id, epoch)`, the identity bytes of [`Format::Age`].
///
/// # Source
/// The protocol specification, section "Answers outside the round".
#[must_use]
pub fn identity(network: &[u8; 32], key_id: &[u8; 32], app_id: &AppId, epoch: u64) -> Vec<u8> {
    Writer::raw().fixed(network).fixed(key_id).bytes(app_id.as_str().as_bytes()).u64(epoch).finish()
}

/// `Q = H1(identity)`: RFC 9380 hash to G1 (SSWU, random oracle, SHA-256) under the suite's tag.
#[must_use]
pub fn hash_identity(suite: &Suite, identity: &[u8]) -> G1 {
    G1::hash_to_curve(suite.g1_dst, identity)
}

/// `Q` of an EigenX application: its raw id under the BLS signature tag.
#[must_use]
pub fn hash_eigenx(app_id: &AppId) -> G1 {
    G1::hash_to_curve(BLS_SIGNATURE_DST, app_id.as_str().as_bytes())
}

/// `Q` of a node's readiness self-check: under its own tag, so that it is the identity of no application.
///
/// # Security
/// A partial signature on it MUST NOT leave the node.
#[must_use]
pub fn readiness_q(network: &[u8; 32], key_id: &[u8; 32]) -> G1 {
    let bytes = Writer::raw().fixed(network).fixed(key_id).finish();
    G1::hash_to_curve(tags::IBE_READINESS.as_bytes(), &bytes)
}
