//! `kill -9` of nodes, up to two at a time, and sometimes of the board, at random moments of key generation and reshares;
//! each is started again by the command that started it first. Nothing is repaired by hand. After every few kills the
//! whole network is looked at: the group key is what it was, a round that begins only then makes a version that every
//! node holds, and a file opens, before that with the nodes that happen to be there.
//!
//! ```text
//! cargo test --profile ci -p quorumkeep --test kills                           20 kills
//! QUORUMKEEP_KILLS=500 cargo test --profile ci -p quorumkeep --test kills      500 kills
//! ```
//!
//! `QUORUMKEEP_SEED` repeats the choice of processes and pauses; a failing run prints it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{BOARD, Dice, Network, Plan, node};

/// Five nodes, of which two may be down.
const PLAN: Plan = Plan::new(5, 3);
const KILLS: u64 = 20;
/// One round: a kill after a pause of up to this long meets any moment of it.
const ROUND_MS: u64 = PLAN.block_ms * PLAN.interval;
/// Kills between two looks at the whole network.
const LOOK_EVERY: u64 = 5;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Says how to repeat the run, if it ends badly.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat: QUORUMKEEP_SEED={}", self.0);
        }
    }
}

/// A process that is down, and when it comes back.
struct Down {
    name: String,
    until: Instant,
}

struct Killer {
    network: Network,
    dice: Dice,
    down: Vec<Down>,
    group_key: Option<String>,
    encrypted: bool,
    most_down: usize,
}

impl Killer {
    fn new(network: Network, seed: u64) -> Self {
        Self { network, dice: Dice(seed), down: Vec::new(), group_key: None, encrypted: false, most_down: 0 }
    }

    fn pause(&mut self, ms_max: u64) -> Duration {
        Duration::from_millis(self.dice.below(ms_max))
    }

    /// A process that may be killed now: the board every eighth time, else a node, as long as `t` are left.
    fn victim(&mut self) -> Option<String> {
        if self.dice.once_in(8) && self.network.is_running(BOARD) {
            return Some(BOARD.to_owned());
        }
        let running: Vec<String> = (1..=PLAN.n).map(node).filter(|name| self.network.is_running(name)).collect();
        let place = usize::try_from(self.dice.below(u64::try_from(running.len()).unwrap())).unwrap();
        (running.len() > PLAN.t).then(|| running[place].clone())
    }

    /// Kills one process; half of them are started again at once, the others some time within the next round.
    fn kill(&mut self) {
        let victim = loop {
            let wait = self.pause(ROUND_MS / 2);
            std::thread::sleep(wait);
            self.bring_back(false);
            if let Some(victim) = self.victim() {
                break victim;
            }
        };
        self.network.kill(&victim);
        let pause = if self.dice.once_in(2) { Duration::ZERO } else { self.pause(ROUND_MS) };
        self.down.push(Down { name: victim, until: Instant::now() + pause });
        self.most_down = self.most_down.max(self.down.len());
        self.bring_back(false);
    }

    fn bring_back(&mut self, all: bool) {
        let now = Instant::now();
        let (due, down) = self.down.drain(..).partition(|down| all || down.until <= now);
        self.down = down;
        due.into_iter().for_each(|down: Down| self.network.start(&down.name));
    }

    /// A node that was started while the board was away serves only when the board is back.
    fn bring_back_board(&mut self) {
        let (board, nodes) = self.down.drain(..).partition(|down| down.name == BOARD);
        self.down = nodes;
        board.into_iter().for_each(|down: Down| self.network.start(&down.name));
    }

    /// Some nodes may be down: the group key is what it was, and a file opens with the nodes that are there, if `t` of them
    /// hold the active version. One that is up may have missed its round, so with two down there may be one too few.
    fn look(&mut self) {
        self.bring_back_board();
        let status = self.network.status();
        status.iter().for_each(|status| self.check_group_key(status));
        if status.is_none_or(|status| holders(&status) < PLAN.t) {
            self.bring_back(true);
        }
        if self.encrypted {
            self.network.decrypt("kills");
        }
    }

    fn check_group_key(&mut self, status: &Value) {
        let Some(shown) = status["keys"][0]["group_key"].as_str() else { return };
        let known = self.group_key.get_or_insert_with(|| shown.to_owned());
        assert_eq!(known, shown, "the group key has changed");
    }

    /// All are back: a version of a round that begins only now becomes active, all hold it, and the file opens.
    fn come_together(&mut self) {
        self.bring_back(true);
        let height = self.network.wait("an answer", |_| true)["height"].as_u64().unwrap();
        let status = self.network.wait_for_version(height);
        self.check_group_key(&status);
        if !self.encrypted {
            self.network.encrypt("kills", "owner");
            self.encrypted = true;
        }
        self.network.decrypt("kills");
        self.check_logs();
    }

    /// A crash is nothing that a person has to look at: no process panicked, and none raised an alarm but the one that
    /// the protocol wants when too few holders of the newest version were up for a round.
    fn check_logs(&self) {
        let expected = "the older settled one is the source";
        let is_bad = |line: &&str| line.contains("panicked") || (line.contains("ALARM") && !line.contains(expected));
        for name in [BOARD.to_owned()].into_iter().chain((1..=PLAN.n).map(node)) {
            let log = self.network.logged(&name);
            let bad: Vec<&str> = log.lines().filter(is_bad).collect();
            assert!(bad.is_empty(), "{name}: {bad:#?}");
        }
    }
}

/// Nodes that answer and hold the active version.
fn holders(status: &Value) -> usize {
    let active = &status["keys"][0]["active"]["id"];
    let holds = |node: &&Value| node["held"].as_array().is_some_and(|held| held.contains(active));
    status["nodes"].as_array().unwrap().iter().filter(holds).count()
}

#[test]
fn a_network_comes_together_again_after_every_few_kills() {
    let kills = number("QUORUMKEEP_KILLS", KILLS);
    let seed = Seed(number("QUORUMKEEP_SEED", 1));
    let mut network = Network::new(PLAN);
    network.start_all();
    network.submit();
    let started = Instant::now();
    let mut killer = Killer::new(network, seed.0);
    for kill in 1..=kills {
        killer.kill();
        if kill % LOOK_EVERY == 0 || kill == kills {
            killer.look();
            killer.come_together();
            eprintln!("{kill} kills in {} s, at most {} down at a time", started.elapsed().as_secs(), killer.most_down);
        }
    }
}
