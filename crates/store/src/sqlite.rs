//! The database of one node.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::error::StoreError;
use crate::files;
use crate::kek::KekProvider;
use crate::open;
use crate::schema;
use crate::seal::{Binding, Place, Sealer};

/// The database of one node. One process, one writer; [`crate::Reader`] reads beside it.
///
/// `commit` is [`quorumkeep_node::store::Store::commit`].
pub struct SqliteStore {
    pub(crate) connection: Connection,
    pub(crate) binding: Binding,
    pub(crate) kek: Box<dyn KekProvider>,
    pub(crate) generation: u64,
    /// An earlier commit failed: what is on the disk is known only after opening again.
    pub(crate) stopped: bool,
    /// The WAL still holds pages from before a deletion.
    pub(crate) wal_pending: bool,
    /// The key-encryption key before the one in force was not destroyed yet.
    pub(crate) kek_pending: bool,
    // Held until the connection is closed; fields are dropped in this order.
    _lock: File,
}

impl SqliteStore {
    /// Makes the database `path` and its first key-encryption key; the directory is made with mode 0700 if it is missing.
    ///
    /// The database gets its name when it is complete, so that a crash leaves no half of one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is anything of that name, [`crate::KekError::Leftover`] if there are keys without a
    /// database, [`StoreError::Locked`], [`StoreError::Files`].
    pub fn create(path: &Path, binding: Binding, kek: Box<dyn KekProvider>) -> Result<Self, StoreError> {
        files::private_directory(files::directory_of(path))?;
        let path = &open::real_path(path)?;
        let lock = open::lock(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path: path.to_path_buf() });
        }
        let mut kek = kek;
        let generation = kek.create()?;
        let sealer = Sealer { binding: &binding, kek: kek.as_ref(), generation };
        open::write_empty(path, &sealer)?;
        Self::with_lock(path, binding, kek, lock)
    }

    /// Opens the database `path`.
    ///
    /// Its pages are checked, its key-encryption key is tried, and what an interrupted replacement of the key left behind
    /// is destroyed.
    ///
    /// # Errors
    /// One [`StoreError`] for each reason not to open: missing, locked by another process, not a database, of another
    /// network or node, newer schema, wrong or missing key-encryption key, damaged, disk full.
    pub fn open(path: &Path, binding: Binding, kek: Box<dyn KekProvider>) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_path_buf() });
        }
        files::private_directory(files::directory_of(path))?;
        let path = &open::real_path(path)?;
        let lock = open::lock(path)?;
        open::remove_leftovers(path)?;
        Self::with_lock(path, binding, kek, lock)
    }

    fn with_lock(path: &Path, binding: Binding, kek: Box<dyn KekProvider>, lock: File) -> Result<Self, StoreError> {
        let connection = open::connect(path, open::NODE)?;
        open::check_pages(&connection)?;
        let meta = open::read_meta(&connection)?;
        open::check_binding(&meta, &binding)?;
        let mut kek = kek;
        kek.open(meta.generation)?;
        let sealer = Sealer { binding: &binding, kek: kek.as_ref(), generation: meta.generation };
        let wrong = |error| match error {
            StoreError::Unsealed { .. } => StoreError::WrongKek { generation: meta.generation },
            error => error,
        };
        sealer.unwrap(&Place::CHECK, &meta.wrapped).map_err(wrong)?;
        // Only now: the database has said which generation it is, and that key has opened something.
        kek.retain(meta.generation)?;
        let generation = meta.generation;
        let (wal_pending, kek_pending, stopped) = (true, false, false);
        let mut store = Self { connection, binding, kek, generation, stopped, wal_pending, kek_pending, _lock: lock };
        store.finish_erasure();
        Ok(store)
    }

    /// Forgets nonces whose time is over; returns how many.
    ///
    /// # Errors
    /// [`StoreError`]; then the process must stop as after a failed commit.
    pub fn forget_nonces(&mut self, now_ms: u64) -> Result<usize, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let forgotten =
            self.connection.execute("DELETE FROM nonces WHERE forget_ms < ?1", params![schema::to_sql(now_ms)?]);
        self.stopped = forgotten.is_err();
        Ok(forgotten?)
    }

    /// The generation of the key-encryption key in force. It rises with every deletion of a secret.
    #[must_use]
    pub fn kek_generation(&self) -> u64 {
        self.generation
    }

    /// Is something that a commit deleted still to be wiped from the disk? Then the next commit tries again. Alert if this
    /// lasts: a reader does not finish, or the key files cannot be removed.
    #[must_use]
    pub fn is_erasure_pending(&self) -> bool {
        self.wal_pending || self.kek_pending
    }

    /// The path of the database.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.connection.path().map(PathBuf::from).unwrap_or_default()
    }
}
