//! The stanza `quorumkeep`, without age's traits.

use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::fo::{self, DecryptFailed, Kem};
use crate::identity::{AppId, AppIdentity};
use crate::key::AppKey;
use crate::suite::Suite;

/// The first word of the stanza.
pub const STANZA_TAG: &str = "quorumkeep";

/// What a stanza asks a key for.
pub type StanzaInfo = AppIdentity;

/// A stanza with our tag that is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StanzaError {
    /// Not exactly four arguments, or one of them in another form than the canonical one.
    #[error("a quorumkeep stanza with malformed arguments")]
    Arguments,
    /// The body has not exactly 128 bytes.
    #[error("a quorumkeep stanza with a body of another length")]
    Body,
}

/// One stanza taken apart: for whom, and the encrypted file key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The identity that the file key is encrypted to.
    pub info: StanzaInfo,
    /// The encrypted file key; nothing about it is checked yet.
    pub kem: Kem,
}

impl Wrapped {
    /// Parses a stanza; `None` if its tag is another one.
    ///
    /// # Errors
    /// [`StanzaError`] if tag is ours and the rest is not.
    #[must_use]
    pub fn parse(stanza: &Stanza) -> Option<Result<Wrapped, StanzaError>> {
        (stanza.tag == STANZA_TAG).then(|| Wrapped::from_parts(&stanza.args, &stanza.body))
    }

    /// Parses the arguments after the tag and the decoded body.
    ///
    /// # Errors
    /// [`StanzaError`].
    pub fn from_parts(args: &[impl AsRef<str>], body: &[u8]) -> Result<Wrapped, StanzaError> {
        let info = parse_args(args).ok_or(StanzaError::Arguments)?;
        let kem = Kem::from_bytes(body).map_err(|_| StanzaError::Body)?;
        Ok(Wrapped { info, kem })
    }

    /// The stanza; [`Wrapped::parse`] gives the same value back.
    #[must_use]
    pub fn to_stanza(&self) -> Stanza {
        let args = vec![
            BASE64_STANDARD_NO_PAD.encode(self.info.network),
            BASE64_STANDARD_NO_PAD.encode(self.info.key_id),
            BASE64_STANDARD_NO_PAD.encode(self.info.app_id.as_str()),
            self.info.epoch.to_string(),
        ];
        Stanza { tag: STANZA_TAG.to_owned(), args, body: self.kem.to_bytes().to_vec() }
    }

    /// The file key.
    ///
    /// # Errors
    /// [`DecryptFailed`], for every reason.
    pub fn unwrap_file_key(&self, app_key: &AppKey) -> Result<FileKey, DecryptFailed> {
        let file_key = fo::decrypt(&Suite::QUORUMKEEP, app_key, &self.kem)?;
        Ok(FileKey::init_with_mut(|bytes| bytes.copy_from_slice(&*file_key)))
    }
}

fn parse_args(args: &[impl AsRef<str>]) -> Option<StanzaInfo> {
    let [network, key_id, app_id, epoch] = args else { return None };
    // The strict engine refuses padding and stray bits, so every argument has one encoding.
    let decode = |text: &str| BASE64_STANDARD_NO_PAD.decode(text).ok();
    Some(StanzaInfo {
        network: decode(network.as_ref())?.try_into().ok()?,
        key_id: decode(key_id.as_ref())?.try_into().ok()?,
        app_id: AppId::parse(core::str::from_utf8(&decode(app_id.as_ref())?).ok()?).ok()?,
        epoch: parse_epoch(epoch.as_ref())?,
    })
}

/// Decimal without sign and leading zeros, so that one epoch has one text.
fn parse_epoch(text: &str) -> Option<u64> {
    let epoch: u64 = text.parse().ok()?;
    (epoch.to_string() == text).then_some(epoch)
}
