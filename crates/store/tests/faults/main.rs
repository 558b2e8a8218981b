//! What a node's death, its disk and its copies can do to a network: every fail point, a full disk and a failing `fsync`,
//! old disks and clones, in one process, with the node's own code on SQLite. Seeded; nothing depends on time.
//!
//! | test | attack or fault |
//! |---|---|
//! | `r9_*` | a process dies at every named fail point of a generation and of a reshare |
//! | `d4_*` | the disk is full, `fsync` fails |
//! | `d5_*` | an old database comes back |
//! | `r10_*` | one database on two hosts |
//!
//! What needs real processes, files or sockets is elsewhere under the same names: `r9_*` of the board's points and `d4_*`,
//! `d5_*`, `r10_*` with servers in the crate `server` (a full disk is a small tmpfs there), a process that aborts at every
//! point of the store in this crate's unit tests, and `kill -9` at random moments in `crates/cli/tests/kills.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod copies;
mod disk;
mod matrix;
mod net;
