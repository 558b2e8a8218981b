//! The audit log: what was done, by whom, approved by whom, in a log that nobody can change unnoticed.
//!
//! The log is a transparency log in the formats of C2SP, so that programs that are not ours verify it: a hash tree as in
//! RFC 6962 section 2.1, [checkpoints](Checkpoint) as signed notes (c2sp.org/tlog-checkpoint), [tiles](tile)
//! (c2sp.org/tlog-tiles) and [proofs](InclusionProof) as text (c2sp.org/tlog-proof).
//!
//! | module | what |
//! |---|---|
//! | [`Entry`] | one record: canonical JSON in printable ASCII, bounded, strict |
//! | [`LogKey`], [`Verifier`] | the log's Ed25519 key, and its public part as C2SP writes it |
//! | [`Checkpoint`] | the tree's size and root, signed |
//! | [`tree`] | hashes, the right edge that grows, proofs of inclusion and of consistency |
//! | [`InclusionProof`] | one entry, its proof and the checkpoint in one file |
//! | [`tile`] | names and contents of the files of an exported log |
//!
//! This crate knows no clock, file or database: `store` keeps the log.
//!
//! # Security
//!
//! A checkpoint commits its signer to every entry before it. Whoever has an earlier checkpoint, or has seen it signed by a
//! witness, notices entries that were changed, removed, inserted or put in another order, and two logs under one key.
//! Against the holder of the log's key alone, without any earlier checkpoint elsewhere, a log proves nothing: export it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

mod checkpoint;
mod entry;
mod key;
mod proof;
mod text;
pub mod tile;
pub mod tree;

pub use checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, CheckpointError};
pub use entry::{ENTRY_BYTES_MAX, Entry, EntryError, Outcome};
pub use key::{KeyError, LogKey, Verifier};
pub use proof::{InclusionProof, PROOF_BYTES_MAX, ProofError};
pub use text::printable;
pub use tree::{Frontier, Hash, TreeError};
