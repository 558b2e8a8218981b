//! BLS12-381 and BN254: scalars, points, pairing, hash-to-curve, encodings; checked decoding is the only way in.
//!
//! | module | what |
//! |---|---|
//! | [`bls`] | BLS12-381: [`bls::Scalar`], [`bls::SecretScalar`], [`bls::G1`], [`bls::G2`], [`bls::Gt`], pairings, hash-to-curve |
//! | [`bn254`] | BN254 operator keys and signatures in EigenLayer's formats |
//! | [`schnorr`] | non-interactive proofs of knowledge of a discrete logarithm |
//! | [`enc`] | the one injective encoding of everything that is hashed, signed or stored |
//! | [`tags`] | every domain separation tag of the product |
//! | [`hash`] | keccak256 and SHA-256 |
//! | [`rules`] | the defences of the protocol that the simulator may remove one by one |
//!
//! # Security
//!
//! A value of type [`bls::G1`] or [`bls::G2`] is in the subgroup of prime order `r`: the decoders check it, and no
//! operation leaves the subgroup. Points whose subgroup check is still owed are [`bls::OnCurve`], which can do nothing
//! but be checked. Secrets are [`bls::SecretScalar`] and [`bn254::SecretKey`]: no `Debug`, no `Clone`, zeroized on drop.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

pub mod bls;
pub mod bn254;
pub mod enc;
mod ffi;
pub mod hash;
pub mod rules;
pub mod schnorr;
pub mod tags;
#[cfg(test)]
mod vectors;

pub use enc::Decode;
