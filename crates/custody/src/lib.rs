//! Custody: threshold backups to people and places, recovered under watch.
//!
//! A **secret** is backed up as a **backup set**: a random key is shared among **guardians**, the secret is in a container that
//! the key opens, and a signed, public **manifest** says who holds what and how a right share and the right key are recognised.
//!
//! | module | what |
//! |---|---|
//! | [`scheme`] | the three ways to share a key |
//! | [`commitment`], [`share`] | how a share is recognised, and what is inside an envelope |
//! | [`guardian`], [`ecies`] | who holds shares, and what they are sealed with |
//! | [`register`] | how a dealer and a guardian know that people stand behind the keys that a custody shows them |
//!
//! Nothing here knows a clock, a file or a socket; time and randomness are arguments (but for age, which draws its own).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod bytes;
pub mod canonical;
pub mod chain;
pub mod commitment;
pub mod container;
pub mod delivery;
pub mod ecies;
pub mod guardian;
pub mod keeper;
pub mod keys;
pub mod manifest;
pub mod names;
pub mod people;
pub mod placement;
pub mod recogniser;
pub mod records;
pub mod recover;
pub mod register;
pub mod request;
pub mod scheme;
pub mod session;
pub mod share;
#[cfg(test)]
pub mod testing;
pub mod view;
