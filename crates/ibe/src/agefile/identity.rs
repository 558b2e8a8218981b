//! The age identity: keys on demand.

use std::io;

use age::DecryptError;
use age_core::format::{FileKey, Stanza};

use super::stanza::{StanzaInfo, Wrapped};
use crate::key::AppKey;

/// The most stanzas of ours that one file may have.
///
/// Each may cost a request to a network; a hostile header must not turn one file into thousands.
pub const STANZAS_MAX: usize = 16;

/// Why a source gave no key.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source does not serve this network, key, application or epoch; another stanza or identity may.
    #[error("no key for this network, key, application and epoch")]
    NotMine,
    /// The source serves it and failed: nodes unreachable, refused by policy, too few partials.
    #[error("the application key could not be obtained: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where application keys come from: a key file, or the nodes.
pub trait AppKeySource {
    /// The key for what the stanza names.
    ///
    /// The stanza's arguments are not authenticated before its file key is known: a source MUST compare network and
    /// key id with its own configuration, and MUST NOT contact an address because a stanza says so.
    ///
    /// # Errors
    /// [`SourceError`].
    fn app_key(&self, request: &StanzaInfo) -> Result<AppKey, SourceError>;
}

/// The source that holds one key.
pub struct FixedKey {
    /// What the key is for.
    pub info: StanzaInfo,
    /// The key.
    pub key: AppKey,
}

impl AppKeySource for FixedKey {
    fn app_key(&self, request: &StanzaInfo) -> Result<AppKey, SourceError> {
        if self.info == *request { Ok(self.key.copy()) } else { Err(SourceError::NotMine) }
    }
}

/// An age identity over a source of application keys.
pub struct Identity {
    source: Box<dyn AppKeySource>,
}

impl Identity {
    /// An identity that asks `source` for every stanza of ours.
    #[must_use]
    pub fn new(source: impl AppKeySource + 'static) -> Identity {
        Identity { source: Box::new(source) }
    }

    /// The file key of one stanza; `None` if it is not for this identity.
    ///
    /// # Errors
    /// `InvalidHeader` for a malformed stanza, `Io` when the source failed, `DecryptionFailed` for everything else.
    fn unwrap_one(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let Ok(wrapped) = Wrapped::parse(stanza)? else { return Some(Err(DecryptError::InvalidHeader)) };
        match self.source.app_key(&wrapped.info) {
            Ok(key) => Some(wrapped.unwrap_file_key(&key).map_err(|_| DecryptError::DecryptionFailed)),
            Err(SourceError::NotMine) => None,
            Err(error) => Some(Err(DecryptError::Io(io::Error::other(error)))),
        }
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_one(stanza)
    }

    /// The first stanza that opens; if none does, the first error.
    ///
    /// A file may be encrypted to several applications, and one that the nodes refuse must not hide one that opens.
    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        if stanzas.iter().filter(|stanza| stanza.tag == super::STANZA_TAG).count() > STANZAS_MAX {
            return Some(Err(DecryptError::InvalidHeader));
        }
        let mut first_error = None;
        for result in stanzas.iter().filter_map(|stanza| self.unwrap_one(stanza)) {
            match result {
                Ok(file_key) => return Some(Ok(file_key)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map(Err)
    }
}
