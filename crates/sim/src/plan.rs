//! What one network looks like, as a value: sizes, liars and what each of them plays, faults, changes of the roster.
//!
//! The same type is written by hand in tests, drawn from a seed, printed by a run that fails and read back by `--plan`:
//!
//! ```
//! use quorumkeep_sim::plan::Plan;
//! let plan = Plan::new(7, 5).bad_dealing(0, 1).equivocate(3).rounds(2);
//! assert_eq!(Plan::parse(&plan.to_string()).unwrap(), plan);
//! ```
//! Operators are named by their places: `0..n` are the first roster, those that join later get the next numbers. Rounds
//! are counted from 1, which generates the key.

mod words;

use core::fmt;

use quorumkeep_dkg::config::{Protocol, Windows};
use serde::{Deserialize, Serialize};

use crate::strategies::Kind;

/// How hostile disks, wires and machines are, in events per mille.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Some operators and what they play, or what the orderer does (then nobody is named).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// What.
    pub strategy: Kind,
    /// Who.
    pub liars: Vec<usize>,
    /// Against whom, where a strategy asks; anybody, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub victims: Vec<usize>,
    /// Whenever it can, where a strategy otherwise throws dice.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub every_time: bool,
}

/// A change of the configuration or of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A new operator.
    Join,
    /// This operator leaves.
    Leave(usize),
    /// This one leaves and a new one joins, in one step.
    Swap(usize),
    /// An operator that left comes again: the same key, a new index, an empty disk.
    Return(usize),
    /// This operator's disk is lost; it goes on with an empty one.
    LoseDisk(usize),
    /// `t + 1`.
    Raise,
    /// `t - 1`.
    Lower,
    /// As many new operators as there are old ones: refused as soon as there is a key to hand on.
    ReplaceAll,
}

/// A change in the middle of a round; it holds from the next one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// In this round; of several in one round the first is played.
    pub after: u64,
    /// What.
    pub change: Change,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of everything that is not named here: order, delays, keys, the dice of strategies.
    pub seed: u64,
    /// Members of the first roster.
    pub n: usize,
    /// The first threshold.
    pub t: usize,
    /// The settle margin.
    pub b: usize,
    /// Is the key generated with hiding commitments?
    pub pedersen: bool,
    /// Announce, deal, complain, confirm: blocks.
    pub windows: [u32; 4],
    /// Blocks from one round to the next.
    pub interval: u32,
    /// How many players the generation needs.
    pub players_min: usize,
    /// Hostile rounds before the calm.
    pub rounds: u64,
    /// The faults.
    pub faults: Faults,
    /// Who lies, and how.
    pub acts: Vec<Act>,
    /// Changes between rounds.
    pub churn: Vec<Step>,
}

impl fmt::Display for Plan {
    /// One line that [`Plan::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Plan {
    /// A network without liars and faults: Feldman, the default margin, everybody takes part in the generation.
    #[must_use]
    pub fn new(n: usize, t: usize) -> Self {
        Self {
            seed: 1,
            n,
            t,
            b: (n - t).div_ceil(2),
            pedersen: false,
            windows: [3, 3, 3, 3],
            interval: 20,
            players_min: n,
            rounds: 3,
            faults: Faults::default(),
            acts: Vec::new(),
            churn: Vec::new(),
        }
    }

    /// Reads what was printed, and checks it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text).map_err(|error| format!("this is not a plan: {error}"))?;
        plan.check().map(|()| plan)
    }

    /// Sizes that a network can have, and places that exist.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let (n, t, b) = (self.n, self.t, self.b);
        let wrong = |what: String| Err(format!("an impossible plan: {what}"));
        if !(2..=crate::operators::POOL).contains(&n) || t < 2 || t > n || b > n - t {
            return wrong(format!("n = {n}, t = {t}, b = {b}"));
        }
        if !(t + b..=n).contains(&self.players_min) {
            return wrong(format!("players_min = {} is not within t + b = {} and n = {n}", self.players_min, t + b));
        }
        if self.windows.contains(&0) || u64::from(self.interval) < self.window_blocks() {
            return wrong(format!("windows {:?} in an interval of {}", self.windows, self.interval));
        }
        match self.acts.iter().flat_map(|act| &act.liars).find(|place| **place >= n) {
            Some(place) => wrong(format!("there is no operator {place} at the beginning")),
            None => Ok(()),
        }
    }

    /// How the key is generated.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        if self.pedersen { Protocol::Pedersen } else { Protocol::Feldman }
    }

    /// The lengths of the phases.
    #[must_use]
    pub fn lengths(&self) -> Windows {
        let [announce, deal, complain, confirm] = self.windows;
        Windows { announce, deal, complain, confirm }
    }

    /// All windows of a round together.
    #[must_use]
    pub fn window_blocks(&self) -> u64 {
        self.lengths().total(self.protocol())
    }

    /// Everybody who lies.
    #[must_use]
    pub fn liars(&self) -> Vec<usize> {
        let mut liars: Vec<usize> = self.acts.iter().flat_map(|act| act.liars.iter().copied()).collect();
        liars.sort_unstable();
        liars.dedup();
        liars
    }

    /// Honest disks that are lost.
    #[must_use]
    pub fn disks_lost(&self) -> usize {
        let acts = self.acts.iter().map(|act| act.strategy.needs().disks_lost()).sum::<usize>();
        let lost = |step: &&Step| matches!(step.change, Change::LoseDisk(_) | Change::Return(_));
        acts + self.churn.iter().filter(lost).count()
    }

    /// With this played to the end, must a version become active in the calm?
    #[must_use]
    pub fn owes_liveness(&self) -> bool {
        self.acts.iter().all(|act| act.strategy.owes_liveness())
    }

    /// The strategies that are played, by name.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let played: Vec<&str> = self.acts.iter().map(|act| act.strategy.name()).collect();
        if played.is_empty() { vec![Kind::Honest.name()] } else { played }
    }
}
