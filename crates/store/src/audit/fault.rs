//! What a verification finds.

use std::path::PathBuf;

use quorumkeep_audit::{CheckpointError, TreeError};

use crate::StoreError;
use crate::files::FilesError;

/// A log that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many entries.
    pub size: u64,
    /// The root over all of them.
    pub root: [u8; 32],
    /// The signed checkpoint.
    pub note: Vec<u8>,
    /// The time of the last entry, in milliseconds since 1970; 0 without entries.
    pub last_ms: u64,
}

/// What is wrong with a log, and with which entry first. Entries are counted from 0.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// There is no checkpoint.
    #[error("there is no checkpoint: a log has one from its first entry on")]
    NoCheckpoint,
    /// The checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// An entry is not there.
    #[error("entry {seq} is missing; the checkpoint has {size} entries")]
    Missing {
        /// Which.
        seq: u64,
        /// How many entries the checkpoint has.
        size: u64,
    },
    /// There is an entry that the checkpoint does not have.
    #[error("entry {seq} is there, and the checkpoint does not have it: it ends after {size} entries")]
    Longer {
        /// Which.
        seq: u64,
        /// How many entries the checkpoint has.
        size: u64,
    },
    /// An entry is not what was signed.
    #[error("not what was signed, changed, exchanged or inserted: {}", entries(*first, *last))]
    Altered {
        /// The first that may be it.
        first: u64,
        /// The last that may be it: the same, unless entries were committed together.
        last: u64,
    },
    /// What was signed is no entry.
    #[error("entry {seq} is not an entry of a log")]
    Malformed {
        /// Which.
        seq: u64,
    },
    /// The time goes back.
    #[error("entry {seq} is out of order: its time is before that of the entry in front of it")]
    OutOfOrder {
        /// Which.
        seq: u64,
    },
    /// The entries are right, and what is kept of the tree over them is not.
    #[error("the tree is damaged over {}; the entries are as they were signed", entries(*first, *last))]
    Tree {
        /// The first entry under what is damaged.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A file with hashes is not what was signed, so that the entries under it cannot be told apart.
    #[error("{path} is missing or not what was signed, first for {}", entries(*first, *last))]
    Tile {
        /// Which file, in the folder.
        path: String,
        /// The first entry under it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The log does not continue an earlier one: it was shortened, replaced by an old copy, or there are two.
    #[error("the log of {size} entries does not continue the earlier checkpoint of {old} entries: {reason}")]
    Forked {
        /// How many entries the earlier checkpoint has.
        old: u64,
        /// How many this log has.
        size: u64,
        /// Why.
        reason: &'static str,
    },
    /// The folder has something else in it.
    #[error("{} holds another log or other files, and nothing was written into it", path.display())]
    Occupied {
        /// Which folder.
        path: PathBuf,
    },
    /// There is no such entry.
    #[error("there is no entry {seq}: the log has {size}, counted from 0")]
    NoEntry {
        /// Which.
        seq: u64,
        /// How many there are.
        size: u64,
    },
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

fn entries(first: u64, last: u64) -> String {
    if first == last { format!("entry {first}") } else { format!("entries {first} to {last}") }
}

impl AuditFault {
    /// The first entry that is bad, as far as it is known.
    #[must_use]
    pub fn first_bad(&self) -> Option<u64> {
        match self {
            Self::Missing { seq, .. }
            | Self::Longer { seq, .. }
            | Self::Malformed { seq }
            | Self::OutOfOrder { seq } => Some(*seq),
            Self::Altered { first, .. } | Self::Tree { first, .. } | Self::Tile { first, .. } => Some(*first),
            _ => None,
        }
    }
}

impl From<TreeError> for AuditFault {
    fn from(error: TreeError) -> Self {
        Self::Store(error.into())
    }
}

impl From<rusqlite::Error> for AuditFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
