//! Key-encryption keys: outside the database, replaced and destroyed with every deletion of a secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::aead;
use crate::files::{self, FilesError};

/// `info` of the derivation; shared with other implementations that keep a key file beside an operator identity.
const INFO: &[u8] = b"kms-keyshare-encryption";

/// A key-encryption key is not there or not usable.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The key of this generation is gone.
    #[error(
        "the key-encryption key of generation {generation} is not there ({place}): an older copy of a database cannot be opened after a \
         deletion. Put back the files that belong together; without them the node starts with an empty directory and rejoins in \
         the next round"
    )]
    Missing {
        /// The generation that was asked for.
        generation: u64,
        /// Where it was looked for.
        place: String,
    },
    /// There are keys of an earlier database.
    #[error(
        "{place} is there without its database: put the database back, or move the file away if no share depends on it"
    )]
    Leftover {
        /// What was found.
        place: String,
    },
    /// The key file is not one.
    #[error("{} is not a salt file of 32 bytes: put back the right file", .0.display())]
    Malformed(PathBuf),
    /// The data key does not open under this key.
    #[error("a data key does not open")]
    Refused,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl From<aead::NoRandom> for KekError {
    fn from(_: aead::NoRandom) -> Self {
        Self::Random
    }
}

/// Keeps the keys that wrap the data keys of a database.
///
/// The database names the generation in force. While the key is being replaced there are two; the provider destroys the
/// other one when it is told which to retain.
pub trait KekProvider: Send {
    /// The generation in force; 0 before there is one.
    fn current(&self) -> u64;

    /// Makes the first key, durably, and returns its generation.
    ///
    /// # Errors
    /// [`KekError::Leftover`] if there are keys already: they may be all that opens a database that is elsewhere.
    fn create(&mut self) -> Result<u64, KekError>;

    /// Makes the key of `generation` usable and the one in force.
    ///
    /// # Errors
    /// [`KekError::Missing`], [`KekError::Malformed`].
    fn open(&mut self, generation: u64) -> Result<(), KekError>;

    /// Makes the next key beside the one in force, durably, and returns its generation. It is in force after
    /// [`KekProvider::retain`].
    ///
    /// # Errors
    /// [`KekError`]; the key in force is untouched.
    fn rotate(&mut self) -> Result<u64, KekError>;

    /// Puts the key of `generation` in force and destroys every other. May be repeated.
    ///
    /// # Errors
    /// [`KekError`]; the key of `generation` is usable all the same.
    fn retain(&mut self, generation: u64) -> Result<(), KekError>;

    /// Wraps a data key, bound to `aad`.
    ///
    /// # Errors
    /// [`KekError`].
    fn wrap(&self, generation: u64, aad: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, KekError>;

    /// Opens a data key.
    ///
    /// # Errors
    /// [`KekError::Refused`] without a reason.
    fn unwrap(&self, generation: u64, aad: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KekError>;
}

/// `KEK_g = HKDF-SHA256(ikm = operator identity, salt = file kek-<g>.salt, info = "kms-keyshare-encryption")`.
///
/// The identity alone opens nothing and the salt alone opens nothing. Destroying the salt destroys the key.
pub struct SaltFileKek {
    directory: PathBuf,
    identity: Zeroizing<[u8; 32]>,
    current: u64,
    keys: BTreeMap<u64, Zeroizing<[u8; 32]>>,
}

impl SaltFileKek {
    /// Keys in `directory`, derived from the secret of the operator's identity.
    #[must_use]
    pub fn new(directory: &Path, identity: Zeroizing<[u8; 32]>) -> Self {
        Self { directory: directory.to_path_buf(), identity, current: 0, keys: BTreeMap::new() }
    }

    fn path(&self, generation: u64) -> PathBuf {
        self.directory.join(salt_name(generation))
    }

    fn derive(&self, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0u8; 32]);
        // 32 bytes are far below the limit of HKDF, 255 * 32; there is no other error.
        let expanded = Hkdf::<Sha256>::new(Some(salt), self.identity.as_ref()).expand(INFO, key.as_mut());
        debug_assert!(expanded.is_ok());
        key
    }

    fn make(&mut self, generation: u64, write: WriteFile) -> Result<u64, KekError> {
        let salt = aead::random::<32>()?;
        write(&self.path(generation), salt.as_ref(), files::PRIVATE)?;
        let key = self.derive(&salt);
        self.keys.insert(generation, key);
        Ok(generation)
    }

    fn key(&self, generation: u64) -> Result<&[u8; 32], KekError> {
        let key = self.keys.get(&generation).ok_or_else(|| self.missing(generation))?;
        Ok(key)
    }

    fn missing(&self, generation: u64) -> KekError {
        KekError::Missing { generation, place: self.path(generation).display().to_string() }
    }
}

type WriteFile = fn(&Path, &[u8], u32) -> Result<(), FilesError>;

fn salt_name(generation: u64) -> String {
    format!("kek-{generation}.salt")
}

/// The generation of a salt file's name, and nothing for `kek-007.salt`.
fn generation_of(name: &str) -> Option<u64> {
    let generation = name.strip_prefix("kek-")?.strip_suffix(".salt")?.parse().ok()?;
    (salt_name(generation) == name).then_some(generation)
}

/// Is this what a crash left of the writing of a salt file?
fn is_cut_short(name: &str) -> bool {
    let of = name.strip_prefix('.').and_then(|rest| rest.split_once(".tmp-")).map(|(of, _)| of);
    of.is_some_and(|of| generation_of(of).is_some() && files::is_temporary_of(name, of))
}

impl KekProvider for SaltFileKek {
    fn current(&self) -> u64 {
        self.current
    }

    fn create(&mut self) -> Result<u64, KekError> {
        let names = files::names(&self.directory)?;
        if let Some(name) = names.iter().find(|name| generation_of(name).is_some()) {
            return Err(KekError::Leftover { place: self.directory.join(name).display().to_string() });
        }
        self.current = self.make(1, files::write_new)?;
        Ok(self.current)
    }

    fn open(&mut self, generation: u64) -> Result<(), KekError> {
        let path = self.path(generation);
        let bytes = files::read_bounded(&path, 64).map_err(|error| match error {
            _ if error.is_missing() => self.missing(generation),
            FilesError::TooLarge { path, .. } => KekError::Malformed(path),
            error => KekError::Files(error),
        })?;
        let salt: Zeroizing<[u8; 32]> =
            Zeroizing::new(bytes.as_slice().try_into().map_err(|_| KekError::Malformed(path))?);
        let key = self.derive(&salt);
        self.keys.insert(generation, key);
        self.current = generation;
        Ok(())
    }

    fn rotate(&mut self) -> Result<u64, KekError> {
        // A file of that generation can only be what an interrupted rotation left; no committed row depends on it.
        self.make(self.current + 1, files::write_atomic)
    }

    fn retain(&mut self, generation: u64) -> Result<(), KekError> {
        self.key(generation)?;
        self.keys.retain(|other, _| *other == generation);
        self.current = generation;
        for name in files::names(&self.directory)? {
            let other = generation_of(&name).is_some_and(|found| found != generation);
            if other || is_cut_short(&name) {
                files::destroy(&self.directory.join(name))?;
            }
        }
        Ok(())
    }

    fn wrap(&self, generation: u64, aad: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, KekError> {
        Ok(aead::encrypt(self.key(generation)?, aad, key)?)
    }

    fn unwrap(&self, generation: u64, aad: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KekError> {
        aead::decrypt(self.key(generation)?, aad, wrapped).ok_or(KekError::Refused)
    }
}
