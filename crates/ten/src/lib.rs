//! TEN: the secret of a network and the keys of its gateways, backed up and brought back.
//!
//! A node and a gateway encrypt what they must not lose to a **backup key** (go-ethereum's ECIES, always 145 bytes). Its private
//! half is derived from a **seed** that exists only as SLIP-39 words with guardians, or in a Trezor; both derive the same keys.
//!
//! | module | what |
//! |---|---|
//! | [`identity`] | what is backed up: the secret of a network, or the key of one gateway |
//! | [`seed`], [`key`] | words to seed to backup key (SLIP-39, BIP-32, SLIP-17); keys from hexadecimal and PEM |
//! | [`secret`] | what is inside: 32 bytes, and how the right ones are recognised |
//! | [`ciphertext`] | the 145 bytes, opened with a backup key or with what a device returns |
//! | [`container`] | one backup as a signed, public file |
//! | [`card`] | what is public about a backup key |
//! | [`artefact`], [`preflight`] | what a restart needs, in upstream's exact forms, and what must be true before and after it |
//! | [`source`] | what nodes and gateways say, with everything about them bounded and checked |
//! | [`capture`] | one backup taken, with what shows whose it is |
//! | [`check`] | verdicts over what was read |
//! | [`trezor`] | what a device prints |
//! | `stand_in` | a node and a gateway for tests and the demo, with the feature `stand-in` |
//!
//! # Security
//!
//! Secrets are types without `Debug`, `Clone` or `Serialize`, wiped when they are dropped. ECIES says nothing about its sender:
//! whoever answers in the place of a node can serve a secret of his own. Only the RPC key, which is derived from the secret and
//! known from elsewhere, tells them apart.
//!
//! # Source
//!
//! ten-protocol/go-ten at 80863f5d0a17: `go/enclave/crypto`, `go/enclave/enclave.go`, `tools/walletextension`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

pub mod artefact;
pub mod capture;
pub mod card;
pub mod check;
pub mod ciphertext;
pub mod container;
pub mod identity;
pub mod key;
pub mod preflight;
pub mod secret;
pub mod seed;
pub mod source;
#[cfg(feature = "stand-in")]
pub mod stand_in;
pub mod trezor;
#[cfg(test)]
mod vectors;
