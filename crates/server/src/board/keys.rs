//! The orderer's Ed25519 key: 32 bytes in hexadecimal in `orderer.key`, in plain (0600) or sealed under a passphrase.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use crate::files::{self, FileError};
use crate::sealed::{self, Passphrase, SealError};

/// The file in the orderer's folder.
pub const FILE: &str = "orderer.key";

/// The key could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It could not be sealed or opened.
    #[error("{path}: {source}")]
    Seal {
        /// Where.
        path: PathBuf,
        /// Why.
        source: Box<SealError>,
    },
    /// It is sealed, and no passphrase was given.
    #[error("{path} is sealed; give the file with its passphrase")]
    PassphraseNeeded {
        /// Where.
        path: PathBuf,
    },
    /// It is not a key.
    #[error("{path} does not hold 32 bytes in hexadecimal")]
    Malformed {
        /// Where.
        path: PathBuf,
    },
}

/// Makes a new key in `folder`, sealed if there is a passphrase. An existing key is never overwritten.
///
/// # Errors
///
/// [`FileError::Exists`] inside [`KeyError::File`] if there is one already; [`KeyError`].
pub fn create(folder: &Path, passphrase: Option<&Passphrase>) -> Result<SigningKey, KeyError> {
    let path = folder.join(FILE);
    let mut seed = Zeroizing::new([0u8; 32]);
    OsRng.fill_bytes(&mut *seed);
    let text = Zeroizing::new(hex::encode(*seed) + "\n");
    match passphrase {
        None => files::write_new_private(&path, text.as_bytes())?,
        Some(passphrase) => {
            let sealed = sealed::seal(text.as_bytes(), passphrase);
            let sealed = sealed.map_err(|error| KeyError::Seal { path: path.clone(), source: Box::new(error) })?;
            files::write_new_private(&path, &sealed)?;
        }
    }
    Ok(SigningKey::from_bytes(&seed))
}

/// Reads the key in `folder`.
///
/// # Errors
///
/// [`KeyError`]; a missing key, a wrong passphrase and a missing passphrase are told apart.
pub fn load(folder: &Path, passphrase: Option<&Passphrase>) -> Result<SigningKey, KeyError> {
    let path = folder.join(FILE);
    let mut bytes = files::read_private(&path, sealed::SEALED_BYTES_MAX)?;
    if sealed::is_sealed(&bytes) {
        let passphrase = passphrase.ok_or_else(|| KeyError::PassphraseNeeded { path: path.clone() })?;
        bytes = sealed::open(&bytes, passphrase)
            .map_err(|error| KeyError::Seal { path: path.clone(), source: Box::new(error) })?;
    }
    parse(&bytes).ok_or(KeyError::Malformed { path })
}

/// Hexadecimal; `0x` and one newline are tolerated.
fn parse(bytes: &[u8]) -> Option<SigningKey> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_prefix(b"0x").unwrap_or(bytes);
    let mut seed = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(bytes, &mut *seed).ok()?;
    Some(SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let made = create(folder.path(), None).unwrap();
        assert_eq!(load(folder.path(), None).unwrap().to_bytes(), made.to_bytes());
        let again = create(folder.path(), None);
        assert!(matches!(again, Err(KeyError::File(FileError::Exists { .. }))));
        assert_eq!(load(folder.path(), None).unwrap().to_bytes(), made.to_bytes());
    }

    #[test]
    fn a_sealed_key_needs_its_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let right = Passphrase::new("right").unwrap();
        let made = create(folder.path(), Some(&right)).unwrap();
        assert!(matches!(load(folder.path(), None), Err(KeyError::PassphraseNeeded { .. })));
        let wrong = load(folder.path(), Some(&Passphrase::new("wrong").unwrap()));
        let Err(KeyError::Seal { source, .. }) = wrong else { panic!("opened") };
        assert!(matches!(*source, SealError::WrongPassphrase));
        assert_eq!(load(folder.path(), Some(&right)).unwrap().to_bytes(), made.to_bytes());
    }

    #[test]
    fn only_a_key_is_a_key() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path(), None), Err(KeyError::File(FileError::Missing { .. }))));
        files::write_new_private(&folder.path().join(FILE), b"0x1234\n").unwrap();
        assert!(matches!(load(folder.path(), None), Err(KeyError::Malformed { .. })));
    }
}
