//! Polynomials, thresholds, Lagrange interpolation, Feldman commitments over BLS12-381.
//!
//! A secret `a_0` is the constant of a polynomial `f` of degree `t - 1`; player `i` gets the dealing `f(i)`; any `t`
//! dealings recover `a_0` and fewer say nothing about it. The commitment `C_k = a_k*G2` lets everybody check a dealing:
//! `f(i)*G2 == sum i^k C_k`.
//!
//! | type | what |
//! |---|---|
//! | [`Index`] | an evaluation point: a small integer, never 0 |
//! | [`Threshold`] | how many shares recover; the degree is not public |
//! | [`Polynomial`] | secret coefficients |
//! | [`Commitment`] | their public image |
//! | [`HidingCommitment`] | a commitment that says nothing about them |
//! | [`gf256`] | Shamir's sharing of byte strings |
//! | [`slip39`] | sets of mnemonics for people |
//! | [`lagrange`] | coefficients at 0, and interpolation of points, commitments and secrets |
//!
//! # Security
//!
//! Dealings are [`SecretScalar`]s: whoever sends one MUST encrypt it for its player. Everything that touches secrets is
//! constant-time in them; indices, thresholds and commitments are public.
//!
//! # Source
//!
//! Shamir 1979; Feldman 1987; Pedersen 1991.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

mod commitment;
mod dealings;
pub mod gf256;
mod hiding;
mod index;
pub mod lagrange;
mod polynomial;
pub mod slip39;
#[cfg(test)]
mod tests;
mod weights;

pub use commitment::{Commitment, hash_points};
pub use dealings::verify_dealings;
pub use hiding::{HidingCommitment, HidingDealing, hiding_dealings_hold};
pub use index::{Index, Threshold};
pub use polynomial::Polynomial;
pub use quorumkeep_curves::bls::SecretScalar;

/// A caller's mistake: the arguments do not describe a sharing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `1 < t <= n`.
    #[error("the threshold {t} is not in 2..={n}")]
    Threshold {
        /// Shares that recover.
        t: u16,
        /// Participants.
        n: u16,
    },
    /// No coefficients, points or shares.
    #[error("nothing was given")]
    Empty,
    /// Commitments of different lengths.
    #[error("the commitments have different lengths")]
    Length,
    /// Two evaluation points are equal, modulo the group order.
    #[error("an evaluation point occurs twice")]
    Duplicate,
    /// An evaluation point is 0 modulo the group order, where the secret lies.
    #[error("an evaluation point is zero")]
    Zero,
}
