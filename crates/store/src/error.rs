//! What can go wrong with a database, and what to do about it.

use std::path::PathBuf;

use quorumkeep_audit::EntryError;
use quorumkeep_node::store::StoreFailed;

use crate::files::FilesError;
use crate::kek::KekError;

/// A database could not be created, opened, read or written. The texts say what to do; none carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no database where one was expected.
    #[error("there is no database at {}: give the data directory of an initialised node, or initialise this one first", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// There is a database where none was expected.
    #[error("there is a database at {} already, and it is never overwritten: open it, or choose another directory", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a database of a Quorumkeep node: check the path; if it is the right one, the file is damaged", path.display())]
    NotADatabase {
        /// Where.
        path: PathBuf,
    },
    /// Another process has the database open.
    #[error("another process{} has this database open (it holds {}): stop it first; two nodes on one database would lose shares", holder(*process), lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
        /// The process that holds it, if it said so.
        process: Option<u32>,
    },
    /// The database belongs to another network.
    #[error("this database belongs to network {found}, not to {expected}: check the data directory and the network id")]
    ForeignNetwork {
        /// The network of the database.
        found: String,
        /// The network that was asked for.
        expected: String,
    },
    /// The database belongs to another node of the network.
    #[error(
        "this database belongs to operator {found}, not to {expected}: check the data directory and the identity file"
    )]
    ForeignNode {
        /// The operator of the database.
        found: String,
        /// The operator that was asked for.
        expected: String,
    },
    /// A later release wrote the database.
    #[error("this database has schema {found}, and this program knows schemas up to {known}: use the newer program")]
    NewerSchema {
        /// The schema of the database.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The key-encryption key opens nothing.
    #[error(
        "the key-encryption key of generation {generation} does not open this database: the identity file or the salt file is \
         another one, or the database is an older copy; put back the files that belong together"
    )]
    WrongKek {
        /// The generation that the database names.
        generation: u64,
    },
    /// A sealed value does not open although the key-encryption key is the right one.
    #[error(
        "{what} does not open: the row was damaged, or moved here from another place. Keep the directory for inspection; a node \
         that starts with an empty one rejoins in the next round"
    )]
    Unsealed {
        /// What did not open.
        what: &'static str,
    },
    /// The database is damaged.
    #[error(
        "the database is damaged ({what}): check the disk. Keep the directory for inspection; a node that starts with an empty one \
         reads the board again and rejoins in the next round"
    )]
    Damaged {
        /// What was found.
        what: String,
    },
    /// There is no room.
    #[error(
        "the disk is full; nothing was lost: free some space, then do it again (a node or service: start it again)"
    )]
    DiskFull,
    /// A number is too large for the engine's 63 bits.
    #[error("a number does not fit into the database")]
    Range,
    /// An earlier commit failed, so that the state of the disk is not known.
    #[error("an earlier commit failed; the process must stop and open the database again")]
    Stopped,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
    /// The key-encryption key's provider failed.
    #[error(transparent)]
    Kek(KekError),
    /// A file could not be read or written.
    #[error(transparent)]
    Files(FilesError),
    /// The database has no audit log.
    #[error("{} has no audit log: give the folder of a custody server, or check the path", path.display())]
    NoLog {
        /// Where.
        path: PathBuf,
    },
    /// An entry cannot be written into the audit log, so that what it records must not happen.
    #[error("the audit log cannot record it, so that it is not done: {0}")]
    Unrecorded(#[from] EntryError),
    /// The engine failed in another way.
    #[error("SQLite: {0}")]
    Engine(#[source] rusqlite::Error),
}

fn holder(process: Option<u32>) -> String {
    process.map(|id| format!(" (id {id})")).unwrap_or_default()
}

impl StoreError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl From<FilesError> for StoreError {
    fn from(error: FilesError) -> Self {
        if error.is_disk_full() { Self::DiskFull } else { Self::Files(error) }
    }
}

impl From<KekError> for StoreError {
    fn from(error: KekError) -> Self {
        match error {
            KekError::Files(error) => error.into(),
            KekError::Random => Self::Random,
            error => Self::Kek(error),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            _ if has_no_room_for_its_index(&error) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::damaged(error.to_string()),
            _ if is_conversion(&error) => Self::damaged("a value of another type or size"),
            _ => Self::Engine(error),
        }
    }
}

/// The index of the write-ahead log (`-shm`) could not be made as large as it has to be.
fn has_no_room_for_its_index(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// A stored value was not of the type that the schema gives it.
fn is_conversion(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    matches!(error, E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..))
}

/// For the trait: the engine failed and the process must stop.
pub(crate) fn engine(error: impl Into<StoreError>) -> StoreFailed {
    StoreFailed::Engine(Box::new(error.into()))
}
