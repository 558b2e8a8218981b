//! The audit log in a database and in a folder.
//!
//! | function | what |
//! |---|---|
//! | [`append`], [`Appender`] | entries, tree and the signed checkpoint, in the caller's transaction |
//! | [`head`], [`read`], [`prove`], [`consistency`] | what is there, and proofs of it |
//! | [`verify`] | everything computed again from the entries; the first bad entry is named |
//! | [`AuditReader`] | the same on a connection of its own that never writes, beside a running writer |
//! | [`export`], [`AuditFolder`] | the log as files (c2sp.org/tlog-tiles) |
//!
//! # Rows
//!
//! Appending an entry writes its row, the one row of the head, and one row of `audit_nodes` for every 16 entries on
//! average: nodes of the tree from level 4 up are kept, those below are computed from at most 16 entries. A row of an
//! entry keeps the log's signature over the head that it was committed under. Nothing is believed because of it; when the
//! tree does not lead to the checkpoint, these signatures say which entry is the first that was changed.
//!
//! # Failing closed
//!
//! An operation and its entry are one transaction. If the entry cannot be written, the operation is not done; if the
//! process is killed, both are there or none. [`append`] refuses to go on after a head that the log's key did not sign.
//!
//! # Time
//!
//! The times of a log never go back. If the clock does, an entry gets the time of the one before it, and the clock's own
//! time in its detail `clock_ms`: nothing is refused because of a clock, and everybody sees it.

mod append;
mod export;
mod fault;
mod folder;
mod nodes;
mod read;
mod verify;

pub use append::{Appender, append};
pub use export::{Exported, export};
pub use fault::{AuditFault, Verified};
pub use folder::AuditFolder;
pub use read::{AuditReader, Head, Record, consistency, head, prove, read};
pub use verify::verify;

/// The tables of a log. `audit_entries.signature` is the log's, over the head after that entry; entries that were
/// committed together have one, at the last of them.
pub const TABLES: &str = "
CREATE TABLE audit_entries (
    seq INTEGER PRIMARY KEY,
    entry BLOB NOT NULL,
    signature BLOB
) STRICT;
CREATE TABLE audit_nodes (
    level INTEGER NOT NULL,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    edge BLOB NOT NULL,
    last_ms INTEGER NOT NULL,
    note BLOB NOT NULL
) STRICT;
";

/// The lowest level of the tree of which nodes are kept in the table.
const STORED_LEVEL: u8 = 4;

#[cfg(test)]
mod tests;
