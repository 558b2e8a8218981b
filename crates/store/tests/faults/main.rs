//! What a node's death, its disk and its copies can do to a network: every fail point, a full disk and a failing `fsync`,
//! old disks and clones, in one process, with the node's own code on SQLite. Seeded; nothing depends on time.
//!
//! | test | attack or fault |
//! |---|---|
//! | `r9_*` | a process dies at every named fail point of a generation and of a reshare |
//! | `d4_*` | the disk is full, `fsync` fails |
//! | `d5_*` | an old database comes back |
//! | `r10_*` | one database on two hosts |
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod copies;
mod disk;
mod matrix;
mod net;
