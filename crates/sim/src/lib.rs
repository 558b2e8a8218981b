//! The real `node` and `dkg` code under a seeded scheduler, with operators that lie.
//!
//! ```text
//! quorumkeep-sim --runs N --rounds R --seed S --faults all   N networks, seeds S, S+1, ..; exit 1 on a broken promise
//! quorumkeep-sim --without RULE                              the same without one defence: it must fail
//! quorumkeep-sim --plan '{..}'                               one network as a failing run printed it
//! ```
//! A network is a value, [`plan::Plan`]: written by hand in a test, drawn from a seed, or read back from a failing run.
//! A run is a pure function of its plan and the rule removed. One process removes at most one rule.
// Machines, chains and places are numbered by the simulator itself; a wrong one is a bug that should be loud.
#![allow(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod chance;
pub mod cli;
pub mod draw;
pub mod governance;
pub mod operators;
pub mod oracle;
pub mod orderer;
pub mod plan;
pub mod report;
pub mod seat;
pub mod store;
pub mod strategies;
pub mod subsets;
#[cfg(test)]
mod tests;
mod vouch;
pub mod world;

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub what: String,
}

impl Violation {
    /// This promise.
    pub fn new(what: String) -> Self {
        Self { what }
    }

    /// This promise, as a result.
    ///
    /// # Errors
    /// Always.
    pub fn of<T>(what: String) -> Result<T, Self> {
        Err(Self { what })
    }
}
