//! BLS12-381 over blst.
//!
//! | type | what |
//! |---|---|
//! | [`Scalar`] | a public element of the scalar field, canonical below `r` |
//! | [`SecretScalar`] | a secret one: constant-time, zeroized on drop, never printed, copied only by [`SecretScalar::copy`] |
//! | [`G1`], [`G2`] | elements of the subgroups of prime order, and nothing else |
//! | [`OnCurve`] | a decoded point whose subgroup check is still owed |
//! | [`Gt`] | the target group |
//!
//! # Source
//!
//! Encodings: the ZCash format (flags in the top three bits). Hash-to-curve: RFC 9380, SSWU, SHA-256.

mod chords;
mod decode;
mod field;
mod fixed;
mod group;
mod pairing;
mod scalar;
mod secret;
mod subgroup;
#[cfg(test)]
mod tests;

pub use decode::{NotInSubgroup, OnCurve, check_all, check_many};
pub(crate) use group::write_hex;
pub use group::{G1, G2, Group};
pub use pairing::{Gt, PreparedG2, multi_pairing_is_one, pairing, pairing_eq, pairing_eq_prepared, pairing_prepared};
pub use scalar::{Scalar, hash_to_scalar};
pub use secret::SecretScalar;
