//! What one network looks like: sizes, liars, faults. Everything follows from the seed.

use quorumkeep_dkg::config::{Protocol, Windows};
use rand_chacha::ChaCha20Rng;

use crate::chance::{below, between, pick};
use crate::strategies::{Kind, Needs};

/// How hostile disks, wires and machines are, in events per mille.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Of all posts: lost.
    pub lose: usize,
    /// Of all posts: twice on the board.
    pub repeat: usize,
    /// Posts wait up to so many blocks.
    pub delay: usize,
    /// Of all commits: the node dies before or after it.
    pub crash: usize,
    /// Of all blocks and nodes: the node sees no block for a while.
    pub deaf: usize,
    /// Of all blocks and nodes: what the node posts is lost for a while.
    pub mute: usize,
    /// Deliver messages between peers?
    pub peers: bool,
    /// Of all rounds: the configuration changes.
    pub change: usize,
}

/// One network.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Members of the first roster.
    pub n: usize,
    /// The first threshold.
    pub t: usize,
    /// The settle margin.
    pub b: usize,
    /// Liars.
    pub liars: usize,
    /// How the key is generated.
    pub protocol: Protocol,
    /// The windows.
    pub windows: Windows,
    /// Blocks from one round to the next.
    pub interval: u32,
    /// The faults.
    pub faults: Faults,
    /// What the liars do.
    pub strategy: Kind,
    /// Hostile rounds before the calm.
    pub rounds: u64,
    /// How many players the generation needs.
    pub players_min: usize,
}

impl Plan {
    /// Draws a network.
    pub fn draw(rng: &mut ChaCha20Rng, strategy: Kind, rounds: u64) -> Self {
        let needs = strategy.needs();
        let (n, t) = sizes(rng, &needs);
        let spare = (n - t).min(t - 1);
        let liars = match needs {
            Needs::Nobody => 0,
            Needs::Rogues => n - t + 1,
            Needs::Some => between(rng, 1, spare),
            Needs::Half => between(rng, 0, spare - 1),
            Needs::Orderer => between(rng, 0, spare.min(2 * t - n - 1)),
        };
        let default = (n - t).div_ceil(2);
        let b = default.max(liars + needs.disks_lost()).min(n - t);
        let windows = Windows {
            announce: between(rng, 3, 4) as u32,
            deal: between(rng, 3, 4) as u32,
            complain: between(rng, 2, 3) as u32,
            confirm: between(rng, 3, 4) as u32,
        };
        let either = if below(rng, 2) == 0 { Protocol::Feldman } else { Protocol::Pedersen };
        let protocol = strategy.wants_protocol().unwrap_or(either);
        let interval = windows.total(protocol) as u32 + below(rng, 4) as u32;
        let faults = if strategy.wants_quiet() { Faults::default() } else { faults(rng) };
        let players_min = if strategy.plays_in_genesis() { t } else { between(rng, t, n - liars).max(t) };
        Self { n, t, b, liars, protocol, windows, interval, faults, strategy, rounds, players_min }
    }
}

/// `(n, t)`: the default threshold two times of three.
fn sizes(rng: &mut ChaCha20Rng, needs: &Needs) -> (usize, usize) {
    loop {
        let n = between(rng, 4, 10);
        let default = (2 * n).div_ceil(3);
        let t = if below(rng, 3) < 2 { default } else { between(rng, 2, n) };
        let fits = match needs {
            Needs::Nobody => true,
            Needs::Rogues => n - t + 1 < t,
            Needs::Half | Needs::Some => n > t && t > 2,
            Needs::Orderer => n > t && 2 * t > n,
        };
        if fits {
            return (n, t);
        }
    }
}

fn faults(rng: &mut ChaCha20Rng) -> Faults {
    Faults {
        lose: pick(rng, &[0, 0, 30, 100]).unwrap_or(0),
        repeat: pick(rng, &[0, 100]).unwrap_or(0),
        delay: pick(rng, &[0, 0, 1, 2]).unwrap_or(0),
        crash: pick(rng, &[0, 5, 20]).unwrap_or(0),
        deaf: pick(rng, &[0, 10, 30]).unwrap_or(0),
        mute: pick(rng, &[0, 0, 10]).unwrap_or(0),
        peers: below(rng, 8) == 0,
        change: pick(rng, &[0, 0, 150, 400]).unwrap_or(0),
    }
}
