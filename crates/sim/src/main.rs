//! The real `node` and `dkg` code under a seeded scheduler, with operators that lie.
//!
//! ```text
//! quorumkeep-sim --runs N --rounds R --seed S     N networks, seeds S, S+1, ..; exit 1 on a broken promise
//! quorumkeep-sim --without RULE                   the same without one defence: it must fail
//! ```
//! A run is a pure function of its seed and these arguments. One process removes at most one rule.
// Machines, chains and places are numbered by the simulator itself; a wrong one is a bug that should be loud.
#![allow(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod chance;
mod cli;
#[cfg(test)]
mod evidence_tests;
mod governance;
mod operators;
mod oracle;
mod orderer;
mod plan;
mod seat;
mod store;
mod strategies;
mod subsets;
#[cfg(test)]
mod tests;
mod world;

use std::process::ExitCode;

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

fn main() -> ExitCode {
    cli::run()
}
