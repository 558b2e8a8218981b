//! Distributed key generation and resharing as a pure function of an ordered board.
//!
//! Dealers deal, players receive, and everybody reads the same log of signed records; the result of a round depends on
//! nothing else. The normative rules are in the protocol specification; each module names the section that it implements.
//!
//! | phase | record | module |
//! |---|---|---|
//! | | `Config`, `Genesis` | [`config`] |
//! | | `App` | [`app`] |
//! | 1 | `Announce` | [`announce`] |
//! | 2 | `Deal` | [`deal`] |
//! | 3 | `Complain` | [`complain`] |
//! | 4 | `Extract`, `Reconstruct` (Pedersen generation) | [`extract`], [`reconstruct`] |
//! | 5 | `Confirm` | [`confirm`] |
//!
//! [`ledger`] folds blocks ([`block`]) into configurations, keys, applications and rounds ([`round`], [`transcript`]);
//! [`info`] is what a round is about, [`output`] what it results in, [`secret`] what a node must keep to itself.
//! No module knows a socket, a file, a clock or a global source of randomness.
//!
//! # Security
//! Secrecy holds against `t - 1` colluding operators, progress against `n - t` crashed ones. Agreement is the board's: an
//! orderer can censor, which ends in Failed, and can fork the network only together with more than `2t - n - 1`
//! malicious operators.
//!
//! # Source
//! Feldman, "A practical scheme for non-interactive verifiable secret sharing" (FOCS 1987); Pedersen (EUROCRYPT 1991);
//! Gennaro, Jarecki, Krawczyk, Rabin, "Secure Distributed Key Generation for Discrete-Log Based Cryptosystems" (2007).
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::needless_range_loop,
        clippy::wrong_self_convention,
        missing_docs
    )
)]

#[cfg(not(feature = "danger_memory"))]
mod agree;
#[cfg(feature = "danger_memory")]
pub mod agree;
pub mod announce;
pub mod app;
pub mod batch;
pub mod block;
pub mod committed;
pub mod complain;
pub mod config;
pub mod confirm;
pub mod deal;
pub mod envelope;
pub mod extract;
pub mod extraction;
pub mod ids;
pub mod info;
pub mod ledger;
pub mod limits;
pub mod memory;
pub mod output;
pub mod reconstruct;
pub mod records;
pub mod round;
pub mod secret;
pub mod snapshot;
pub mod transcript;

#[cfg(test)]
mod tests;
