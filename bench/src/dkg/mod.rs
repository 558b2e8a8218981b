//! Key generation and resharing: one node of ours against one of `commonware-cryptography`, in turns, on one thread.
//!
//! | row | ours | the peer |
//! |---|---|---|
//! | node | own deal and its signature; all records: decoding, BN254 signatures, subgroup checks, proofs; own dealings decrypted and verified; result with all public shares | `Dealer::start`, one decoding of every `DealerPubMsg`, `dealer_message` and `receive_player_ack` for everybody, `Player::finalize`, all public shares |
//! | verify | `verify_dealings` of all `n` | `dealer_message` of all `n`, with the signature of the acknowledgement |
//! | public_shares | `Commitment::evaluate_all` | `precompute_partial_publics` |
//! | dealing | polynomial, commitments, encryption for everybody, proofs | `Dealer::start`: no encryption, no proofs |
//!
//! The peer's messages come through channels that encrypt and authenticate; that work is not counted for it.

pub mod growth;
mod memory;
mod ours;
mod peer;
mod plot;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::report::{Failure, Report, Samples};
pub use memory::child;
use ours::Ours;
use peer::Peer;

/// What `bench dkg` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Numbers of operators.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50, 100])]
    n: Vec<u16>,
    /// Leaves out the memory of a node.
    #[arg(long)]
    no_memory: bool,
}

/// Generation of a key, or handing it on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Distributed key generation.
    Generation,
    /// Resharing among the same operators.
    Reshare,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Generation, Self::Reshare];

    fn name(self) -> &'static str {
        match self {
            Self::Generation => "dkg",
            Self::Reshare => "reshare",
        }
    }
}

/// Milliseconds of every phase.
#[derive(Default)]
pub struct Times(BTreeMap<&'static str, Samples>);

impl Times {
    fn push(&mut self, phase: &'static str, value: f64) {
        self.0.entry(phase).or_default().push(value);
    }

    /// The median of a phase in milliseconds.
    pub fn median(&self, phase: &str) -> f64 {
        self.0.get(phase).map_or(f64::NAN, Samples::median)
    }
}

/// The peer's threshold, `n - floor((n - 1) / 3)`: both use it.
pub fn threshold(n: u16) -> u16 {
    n - (n - 1) / 3
}

fn millis(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// Rounds of both in turns: our times and the peer's.
pub fn measure(kind: Kind, n: u16, rounds: usize) -> Result<(Times, Times), Failure> {
    let (ours, mut peer) = (Ours::new(kind, n)?, Peer::new(kind, n)?);
    let (mut our_times, mut peer_times) = (Times::default(), Times::default());
    // Tables are made at the first use; that belongs to no round.
    ours.round(&mut Times::default())?;
    peer.round(&mut Times::default())?;
    for _ in 0..rounds {
        ours.round(&mut our_times)?;
        peer.round(&mut peer_times)?;
    }
    Ok((our_times, peer_times))
}

/// Rounds of ours alone.
pub fn measure_ours(kind: Kind, n: u16, rounds: usize) -> Result<Times, Failure> {
    let (ours, mut times) = (Ours::new(kind, n)?, Times::default());
    ours.round(&mut Times::default())?;
    (0..rounds).try_for_each(|_| ours.round(&mut times))?;
    Ok(times)
}

/// Both kinds of rounds for every `n`.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut report = Report::new("dkg");
    for n in &arguments.n {
        for kind in Kind::ALL {
            let (ours, peer) = measure(kind, *n, rounds)?;
            let name = format!("{}_{n}", kind.name());
            for (phase, samples) in &ours.0 {
                report.samples(&format!("{name}_{phase}_ms"), samples);
                if let Some(theirs) = peer.0.get(phase) {
                    report.samples(&format!("{name}_{phase}_peer_ms"), theirs);
                    report.figure(&format!("{name}_{phase}_ratio"), samples.median() / theirs.median());
                }
            }
        }
    }
    if !arguments.no_memory {
        report.figure("memory_100_mib", memory::peak(100)?);
    }
    Ok(report)
}
