//! Durable storage: SQLite, sealed values, key-encryption keys.
//!
//! | module | what |
//! |---|---|
//! | [`SqliteStore`] | one database of one node: create, open, load, commit |
//! | [`Reader`] | look-ups on a connection of their own that never writes |
//! | [`KekProvider`], [`SaltFileKek`] | keys that wrap the data keys and live outside the database |
//! | [`audit`] | the audit log: entries and their hash tree, in the transaction of whoever did what they record |
//! | [`custody`] | one custody: its documents and its audit log, committed together |
//! | [`files`] | files that are written whole or not at all |
//!
//! # Layout of a data directory
//!
//! | file | what |
//! |---|---|
//! | the database, `-wal`, `-shm` | SQLite in WAL mode |
//! | the database's name + `.lock` | held by the one process that may write |
//! | `kek-<generation>.salt` | 32 random bytes; with the operator's identity they give the key-encryption key |
//!
//! # Sealing
//!
//! Every secret value is sealed with AES-256-GCM-SIV under a random data key of its own, and the data key is wrapped with
//! AES-256-GCM-SIV under the key-encryption key. The associated data of both binds the format, the network, the node, the
//! kind, the key, the version, the round and the index: a row that was moved does not open. Public rows carry a checksum.
//!
//! # Forgetting
//!
//! A commit that deletes a secret replaces the key-encryption key. Each step leaves files that open:
//!
//! ```text
//! apply the batch     in an open transaction
//! salt g+1            written and durable                  crash here: g is in force, g+1 is removed at open
//! rewrap all, COMMIT  the database now says g+1            crash here: g+1 is in force, g is removed at open
//! checkpoint          the WAL is emptied, free pages are zero
//! salt g              overwritten and removed
//! ```
//!
//! # Security
//!
//! What is claimed: a copy of the database from before a deletion, with today's directory and the operator's identity,
//! opens nothing. What is not claimed: anything against someone who copied the database *and* the salt of that time and
//! holds the identity, or against someone who puts back a complete older directory (the node sees that on the board).
//! Checksums of public rows find faults of the disk, not an attacker who can write to it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

mod aead;
pub mod audit;
mod commit;
pub mod custody;
mod error;
pub mod files;
mod kek;
mod load;
mod open;
mod reader;
mod rotate;
mod schema;
mod seal;
mod sqlite;

use quorumkeep_node::failpoints::{self, Point};

pub use error::StoreError;
pub use kek::{KekError, KekProvider, SaltFileKek};
pub use reader::{AuditLine, Reader};
pub use seal::Binding;
pub use sqlite::SqliteStore;

/// Passes a fail point.
fn point(point: Point) {
    failpoints::hit(point);
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
