//! The directory of a custody.

use std::path::{Path, PathBuf};

use quorumkeep_audit::LogKey;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::canonical::{self, NotCanonical};
use quorumkeep_custody::keeper;
use quorumkeep_custody::keys::{SignKey, derive};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::{self, Charter, Person};
use quorumkeep_custody::records::ReadError;
use quorumkeep_store::StoreError;
use quorumkeep_store::custody::CustodyStore;
use quorumkeep_store::files::{self, FilesError};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use crate::files::{FileError, read_private};

/// Bytes of the longest charter.
const CHARTER_BYTES_MAX: usize = 256 * 1024;
/// 32 bytes in hexadecimal, and a newline.
const KEY_BYTES_MAX: u64 = 80;

/// A directory that is none of a custody, or cannot be made into one.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A file cannot be read or written, or is there already.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The key may be read by others, or is not there.
    #[error(transparent)]
    KeyFile(#[from] FileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The charter is none.
    #[error("charter.json: {0}")]
    Charter(#[from] NotCanonical),
    /// People that cannot be.
    #[error(transparent)]
    People(#[from] people::Error),
    /// The key is none.
    #[error("service.key does not hold 32 bytes in hexadecimal")]
    Key,
    /// The key is of another custody.
    #[error("service.key does not belong to charter.json: the files are of two custodies")]
    ForeignKey,
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The roster is not what charter and history give.
    #[error("the people in the database are not those that the charter and its approved changes give")]
    Roster,
    /// The operating system has no randomness.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// The files of a custody, without its database.
pub struct CustodyDir {
    path: PathBuf,
    charter: Charter,
    seed: Zeroizing<[u8; 32]>,
}

impl CustodyDir {
    /// Makes a custody: keys, charter, database. Nothing that is there is overwritten.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn init(path: &Path, name: Name, people: Vec<Person>, now_ms: u64) -> Result<Self, DirectoryError> {
        files::private_directory(path)?;
        let (mut seed, mut nonce) = (Zeroizing::new([0; 32]), Hex([0; 32]));
        OsRng.try_fill_bytes(&mut *seed).map_err(|_| DirectoryError::Random)?;
        OsRng.try_fill_bytes(&mut nonce.0).map_err(|_| DirectoryError::Random)?;
        let service = SignKey::from_seed(&derive(&seed, "service")).verify_key();
        let charter = Charter { version: 1, name, nonce, people, service };
        let (writes, entries) = keeper::found(&charter, now_ms)?;
        let directory = Self { path: path.to_owned(), charter, seed };
        let database = directory.database();
        if database.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path: database }.into());
        }
        directory.write_files()?;
        CustodyStore::create(&database, &writes, &directory.log_key(), &entries)?;
        Ok(directory)
    }

    /// The database comes last: a directory without one is what a crash left, and is begun again by hand.
    fn write_files(&self) -> Result<(), DirectoryError> {
        let key = Zeroizing::new(hex::encode(*self.seed) + "\n");
        files::write_new(&self.path.join("service.key"), key.as_bytes(), files::PRIVATE)?;
        let charter = [canonical::to_bytes(&self.charter), b"\n".to_vec()].concat();
        files::write_new(&self.path.join("charter.json"), &charter, 0o644)?;
        let vkey = format!("{}\n", self.log_key().verifier().encode());
        files::write_new(&self.path.join("audit.vkey"), vkey.as_bytes(), 0o644)?;
        Ok(())
    }

    /// Reads the files of a custody.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let bytes = files::read_bounded(&path.join("charter.json"), CHARTER_BYTES_MAX as u64)?;
        let charter: Charter = canonical::from_bytes(&bytes, CHARTER_BYTES_MAX)?;
        let text = read_private(&path.join("service.key"), KEY_BYTES_MAX)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.strip_suffix(b"\n").unwrap_or(&text), &mut *seed).map_err(|_| DirectoryError::Key)?;
        let directory = Self { path: path.to_owned(), charter, seed };
        let own = directory.service_key().verify_key() == directory.charter.service;
        if own { Ok(directory) } else { Err(DirectoryError::ForeignKey) }
    }

    /// The identity of the custody.
    #[must_use]
    pub fn custody(&self) -> Hash {
        self.charter.id()
    }

    /// Who it began with.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("custody.db")
    }

    /// Signs vouchers.
    #[must_use]
    pub fn service_key(&self) -> SignKey {
        SignKey::from_seed(&derive(&self.seed, "service"))
    }

    /// Signs the checkpoints of the audit log.
    #[must_use]
    pub fn log_key(&self) -> LogKey {
        let origin = format!("quorumkeep.custody/{}", self.custody());
        let seed = derive(&self.seed, "audit");
        // The origin is short, ASCII and without spaces.
        LogKey::from_seed(&origin, &seed).unwrap_or_else(|_| unreachable!("the origin is a valid name"))
    }
}
