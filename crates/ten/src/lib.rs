//! TEN: the network secret and the keys of gateways, backed up and brought back.
//!
//! | module | what |
//! |---|---|
//! | [`source`] | what nodes and gateways say, with everything about them bounded and checked |
//! | [`capture`] | one backup taken, with what shows whose it is |
//! | [`check`] | verdicts over what was read |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod capture;
pub mod check;
pub mod source;
