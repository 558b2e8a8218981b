//! The orderer: one small service that puts the records of a network into one order (protocol.md section 6).
//!
//! ```text
//! POST record -> screen (decode, network, who) -> verify (signature, no lock held) -> admit (quota) -> pool
//! every T:       pool -> choose (fair between senders) -> sign -> durable -> published
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`orderer`] | the core: no socket, no clock; everything can be tested by calling it |
//! | [`roster`] | who may post: the chain of configurations |
//! | [`pool`], [`budget`] | records that wait, with a quota for each sender, class and round |
//! | [`db`] | blocks on disk (SQLite) |
//! | [`log`] | blocks for readers: the newest in memory, a signal for those who wait |
//! | [`keys`], [`file`](mod@file) | the orderer's key and settings |
//! | [`service`] | HTTP, TLS and the clock around the core |
//!
//! # Restart
//!
//! A block is durable before it or its signature leaves the process, and a process whose disk failed makes no more
//! blocks. So after any crash the orderer goes on from the block that readers may have seen. Records that waited are
//! forgotten: nodes post theirs again until they see them on the board.
//!
//! # Security
//!
//! The orderer can delay or leave out records, which ends in failed rounds. It cannot forge a record, and two blocks at
//! one height are evidence against it. Run one orderer per key: restoring an old disk makes it contradict itself, which
//! nodes notice and refuse.

pub mod budget;
pub mod db;
pub mod file;
pub mod keys;
pub mod log;
pub mod orderer;
pub mod pool;
pub mod roster;
pub mod service;

mod answer;
mod api;

#[cfg(test)]
mod tests;

pub use api::GovernedJson;
pub use db::DbError;
pub use file::BoardFile;
pub use log::SignedHead;
pub use orderer::{Orderer, Refusal, Status};
pub use service::{Running, Settings, StartError};

/// The shortest time between two blocks, in milliseconds.
pub const INTERVAL_MS_MIN: u64 = 20;
