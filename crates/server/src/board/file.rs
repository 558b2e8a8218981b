//! The settings of an orderer: `board.json` in its folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorumkeep_dkg::ids::{Digest, NetworkId};
use serde::{Deserialize, Serialize};

use super::INTERVAL_MS_MIN;
use crate::files::{self, FileError};

/// The file in the orderer's folder.
pub const FILE: &str = "board.json";
const BYTES_MAX: u64 = 64 * 1024;

/// The settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what it should be.
    #[error("{path}: {source}")]
    Malformed {
        /// Where.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Blocks would come too fast.
    #[error("the interval between blocks is {found} ms; it must be at least {min} ms", min = INTERVAL_MS_MIN)]
    Interval {
        /// What was asked for.
        found: u64,
    },
}

/// What an orderer is told from outside, besides its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardFile {
    /// The network.
    pub network: NetworkId,
    /// The Ed25519 key of the network's first orderer; another than this orderer's own if it replaces that one.
    pub anchor: Digest,
    /// `T`: milliseconds between two blocks.
    pub interval_ms: u64,
    /// Where to listen.
    pub listen: SocketAddr,
}

impl BoardFile {
    /// Writes new settings into `folder`.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]; existing settings are not overwritten.
    pub fn create(&self, folder: &Path) -> Result<(), SettingsError> {
        self.check()?;
        let path = folder.join(FILE);
        let text = serde_json::to_vec_pretty(self);
        let text = text.map_err(|source| SettingsError::Malformed { path: path.clone(), source })?;
        Ok(files::write_new_private(&path, &text)?)
    }

    /// Reads the settings in `folder`.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]; a field that is not known is an error.
    pub fn load(folder: &Path) -> Result<Self, SettingsError> {
        let path = folder.join(FILE);
        let bytes = files::read_bounded(&path, BYTES_MAX)?;
        let read: Self = serde_json::from_slice(&bytes).map_err(|source| SettingsError::Malformed { path, source })?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let found = self.interval_ms;
        if found < INTERVAL_MS_MIN { Err(SettingsError::Interval { found }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_and_unknown_fields_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = BoardFile {
            network: NetworkId([1; 32]),
            anchor: Digest([2; 32]),
            interval_ms: 200,
            listen: "127.0.0.1:0".parse().unwrap(),
        };
        file.create(folder.path()).unwrap();
        assert_eq!(BoardFile::load(folder.path()).unwrap(), file);
        let other = tempfile::tempdir().unwrap();
        let text = serde_json::to_string(&file).unwrap().replacen('{', "{\"x\":1,", 1);
        std::fs::write(other.path().join(FILE), text).unwrap();
        assert!(matches!(BoardFile::load(other.path()), Err(SettingsError::Malformed { .. })));
        file.interval_ms = 19;
        assert!(matches!(file.create(other.path()), Err(SettingsError::Interval { found: 19 })));
    }
}
