//! `age1quorumkeep1...`: network, key, group key, application and epoch in one string.

use std::collections::HashSet;
use std::{fmt, io};

use age_core::format::{FileKey, Stanza};
use age_core::primitives::{bech32_decode, bech32_encode};
use age_core::secrecy::ExposeSecret;
use bech32::Hrp;
use quorumkeep_curves::bls::G2;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use rand_core::{CryptoRngCore, OsRng};

use super::stanza::{StanzaInfo, Wrapped};
use crate::fo::{self, EncryptError, Encryptor, MESSAGE_LEN};
use crate::identity::{APP_ID_LEN_MAX, AppId, AppIdError, Format};
use crate::suite::Suite;

/// The human-readable part of a recipient.
pub const RECIPIENT_HRP: &str = "age1quorumkeep";

const HRP: Hrp = Hrp::parse_unchecked(RECIPIENT_HRP);
const PAYLOAD_VERSION: u8 = 1;

/// Why a text is not a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRecipientError {
    /// Not Bech32, or its checksum is wrong.
    #[error("not a Bech32 string, or mistyped")]
    Bech32,
    /// Another human-readable part, or capital letters.
    #[error("a recipient starts with {RECIPIENT_HRP}1 in lower case")]
    Prefix,
    /// A payload version this program does not know.
    #[error("recipient version {0} is not known")]
    Version(u8),
    /// The payload is malformed.
    #[error("malformed recipient: {0}")]
    Payload(#[source] Decode),
    /// The group key is not a point of the subgroup, or is the identity.
    #[error("the group key of the recipient is invalid: {0}")]
    GroupKey(#[source] Decode),
    /// The application id breaks a rule.
    #[error("the application id of the recipient is invalid: {0}")]
    AppId(#[from] AppIdError),
}

/// An application as a recipient.
///
/// # Security
/// Whoever hands over a recipient chooses the group key, and with another group key he reads the file. Compare the
/// group key with one pinned out of band.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    info: StanzaInfo,
    group_key: G2,
}

impl Recipient {
    /// A recipient for one application under a group key.
    ///
    /// # Errors
    /// [`EncryptError::NeutralElement`] if the group key is the identity.
    pub fn new(info: StanzaInfo, group_key: G2) -> Result<Recipient, EncryptError> {
        if group_key.is_identity() {
            return Err(EncryptError::NeutralElement);
        }
        Ok(Recipient { info, group_key })
    }

    /// Network, key, application and epoch.
    #[must_use]
    pub fn info(&self) -> &StanzaInfo {
        &self.info
    }

    /// The group key.
    #[must_use]
    pub fn group_key(&self) -> &G2 {
        &self.group_key
    }

    /// The bytes inside the Bech32 string: version, network, key id, group key (96), epoch, application id.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        Writer::raw()
            .u8(PAYLOAD_VERSION)
            .fixed(&self.info.network)
            .fixed(&self.info.key_id)
            .fixed(&self.group_key.to_bytes())
            .u64(self.info.epoch)
            .bytes(self.info.app_id.as_str().as_bytes())
            .finish()
    }

    /// Parses what [`Recipient::to_payload`] wrote; age hands these bytes to a plugin.
    ///
    /// # Errors
    /// [`ParseRecipientError`], never `Bech32` or `Prefix`.
    pub fn from_payload(bytes: &[u8]) -> Result<Recipient, ParseRecipientError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8().map_err(ParseRecipientError::Payload)?;
        if version != PAYLOAD_VERSION {
            return Err(ParseRecipientError::Version(version));
        }
        let fields = read_fields(&mut reader).map_err(ParseRecipientError::Payload)?;
        reader.finish().map_err(ParseRecipientError::Payload)?;
        let group_key = G2::from_bytes(&fields.group_key).map_err(ParseRecipientError::GroupKey)?;
        let text = core::str::from_utf8(fields.app_id).map_err(|_| ParseRecipientError::Payload(Decode::Value))?;
        let app_id = AppId::parse(text)?;
        let (network, key_id, epoch) = (fields.network, fields.key_id, fields.epoch);
        Ok(Recipient { info: StanzaInfo { network, key_id, app_id, epoch }, group_key })
    }

    /// Encrypts a file key; the result becomes one stanza.
    ///
    /// # Errors
    /// [`EncryptError`], which no checked recipient meets in practice.
    pub fn wrap(&self, file_key: &[u8; MESSAGE_LEN], rng: &mut dyn CryptoRngCore) -> Result<Wrapped, EncryptError> {
        let q = self.info.q(Format::Age);
        let kem = fo::encrypt(&Suite::QUORUMKEEP, &self.group_key, &q, file_key, rng)?;
        Ok(Wrapped { info: self.info.clone(), kem })
    }

    /// Does the pairing of this recipient once, for many files.
    ///
    /// # Errors
    /// [`EncryptError::NeutralElement`].
    pub fn prepare(&self) -> Result<PreparedRecipient, EncryptError> {
        let encryptor = Encryptor::new(Suite::QUORUMKEEP, &self.group_key, &self.info.q(Format::Age))?;
        Ok(PreparedRecipient { info: self.info.clone(), encryptor })
    }
}

struct Fields<'a> {
    network: [u8; 32],
    key_id: [u8; 32],
    group_key: [u8; 96],
    epoch: u64,
    app_id: &'a [u8],
}

fn read_fields<'a>(reader: &mut Reader<'a>) -> Result<Fields<'a>, Decode> {
    Ok(Fields {
        network: reader.fixed()?,
        key_id: reader.fixed()?,
        group_key: reader.fixed()?,
        epoch: reader.u64()?,
        app_id: reader.bytes(APP_ID_LEN_MAX)?,
    })
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32_encode(HRP, &self.to_payload()))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::str::FromStr for Recipient {
    type Err = ParseRecipientError;

    fn from_str(text: &str) -> Result<Recipient, ParseRecipientError> {
        // Bech32 reads capitals too; one recipient has one spelling here.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseRecipientError::Prefix);
        }
        let bytes: Vec<u8> = bech32_decode(
            text,
            |_| ParseRecipientError::Bech32,
            |hrp| if hrp == HRP { Ok(()) } else { Err(ParseRecipientError::Prefix) },
            |_, bytes| Ok(bytes.collect()),
        )?;
        Recipient::from_payload(&bytes)
    }
}

impl age::Recipient for Recipient {
    /// One stanza and no labels: the stanza asks nothing of the others, so a break-glass X25519 recipient may stand
    /// beside it. `postquantum` would be untrue, and its absence rightly keeps this recipient out of such files.
    ///
    /// Randomness is the operating system's, because age's trait has no argument for it; [`Recipient::wrap`] has.
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        stanzas(self.wrap(file_key.expose_secret(), &mut OsRng))
    }
}

/// A recipient that keeps `e(Q, Y)`.
#[derive(Clone)]
pub struct PreparedRecipient {
    info: StanzaInfo,
    encryptor: Encryptor,
}

impl PreparedRecipient {
    /// [`Recipient::wrap`] without a pairing.
    ///
    /// # Errors
    /// As [`Recipient::wrap`].
    pub fn wrap(&self, file_key: &[u8; MESSAGE_LEN], rng: &mut dyn CryptoRngCore) -> Result<Wrapped, EncryptError> {
        let kem = self.encryptor.encrypt(file_key, rng)?;
        Ok(Wrapped { info: self.info.clone(), kem })
    }
}

impl age::Recipient for PreparedRecipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        stanzas(self.wrap(file_key.expose_secret(), &mut OsRng))
    }
}

fn stanzas(wrapped: Result<Wrapped, EncryptError>) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
    let wrapped = wrapped.map_err(|error| age::EncryptError::Io(io::Error::other(error)))?;
    Ok((vec![wrapped.to_stanza()], HashSet::new()))
}
