//! `kill -9` of nodes at seeded random moments of key generation and resharing, in a real network of processes. Each killed
//! node is started again by its own command; nothing is repaired by hand; at the end all of them hold one version of the
//! key that there was from the beginning.
//!
//! `QUORUMKEEP_KILLS` (20) is the number of kills, `QUORUMKEEP_KILL_SEED` (1) chooses victims and moments.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kit::Kit;
use serde_json::Value;

const OPERATORS: usize = 7;
const NETWORK: &str = "net/network.json";
/// Rounds of 4 seconds: four windows of 8 blocks of 100 ms, and some rest.
const TIMING: [&str; 4] = ["--interval", "40", "--windows", "8,8,8,8"];
/// After the last kill: time for a few rounds without one, on a busy machine.
const CALM: Duration = Duration::from_secs(90);

/// SplitMix64: the victims and moments of a seed are the same for ever.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Ended with the test, whatever becomes of it.
struct Process(Child);

impl Process {
    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Network {
    kit: Kit,
    sockets: Vec<String>,
    board_socket: String,
    nodes: Vec<Process>,
    _board: Option<Process>,
}

impl Network {
    fn start() -> Self {
        let held: Vec<TcpListener> = (0..=OPERATORS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let mut sockets: Vec<String> = held.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
        drop(held);
        let (kit, board_socket) = (Kit::new(), sockets.pop().unwrap());
        let mut network = Self { kit, sockets, board_socket, nodes: Vec::new(), _board: None };
        network.draft();
        let serve = ["board", "serve", "--dir", "board", "--network", NETWORK, "--block-ms", "100", "--listen"];
        network._board = Some(network.spawn("board", &[&serve[..], &[&network.board_socket]].concat()));
        network.nodes = (0..OPERATORS).map(|number| network.node(number)).collect();
        network
    }

    fn draft(&self) {
        let kit = &self.kit;
        for (number, socket) in self.sockets.iter().enumerate() {
            kit.run(&["operator", "init", "--dir", &format!("op{number}"), "--socket", socket]).ok();
        }
        let files: Vec<String> = (0..OPERATORS).map(|number| format!("op{number}/operator.json")).collect();
        let orderer = kit.orderer();
        let mut init = vec!["network", "init", "--orderer", &orderer, "--board", &self.board_socket, "--out", "net"];
        init.extend(TIMING);
        init.push("--operator");
        init.extend(files.iter().map(String::as_str));
        let needed = kit.run(&init).ok()["threshold"].as_u64().unwrap();
        for number in 0..needed {
            let operator = format!("op{number}");
            kit.run(&["network", "sign", "--draft", "net/draft.json", "--operator-dir", &operator]).ok();
        }
    }

    /// Logs are appended to, so that they tell the whole story.
    fn spawn(&self, name: &str, arguments: &[&str]) -> Process {
        let log = File::options().create(true).append(true).open(self.kit.path(&format!("{name}.log"))).unwrap();
        let mut command = self.kit.command(arguments);
        Process(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn node(&self, number: usize) -> Process {
        let (dir, operator) = (format!("node{number}"), format!("op{number}"));
        let run = ["node", "run", "--dir", &dir, "--operator-dir", &operator, "--network", NETWORK, "--listen"];
        self.spawn(&dir, &[&run[..], &[&self.sockets[number]]].concat())
    }

    fn status(&self) -> Value {
        self.kit.run(&["status", "--network", NETWORK]).json
    }

    /// Polls until `done` says so of the network's status.
    fn wait_until(&self, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + CALM;
        loop {
            let status = self.status();
            if done(&status) {
                return status;
            }
            assert!(Instant::now() < until, "not within {CALM:?}: {what}\n{status:#}\n{}", self.logs());
            sleep(Duration::from_millis(300));
        }
    }

    fn logs(&self) -> String {
        let tail = |name: &String| {
            let text = fs::read_to_string(self.kit.path(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(15)..].join("\n"))
        };
        kit::names(self.kit.folder.path()).iter().filter(|name| name.ends_with(".log")).map(tail).collect()
    }
}

/// All nodes are there, agree on one active and settled version, and none of them stopped serving.
fn has_converged(status: &Value) -> bool {
    let key = &status["keys"][0];
    let (active, settled) = (&key["active"]["id"], &key["settled"]["id"]);
    let holds = |node: &Value| {
        let held = node["held"].as_array().is_some_and(|held| held.contains(active));
        held && node["ready"] == true && node["halted"] == false && node["suspended"].is_null()
    };
    status["ready"] == OPERATORS && active == settled && status["nodes"].as_array().unwrap().iter().all(holds)
}

#[test]
fn killed_nodes_converge_and_nothing_is_repaired_by_hand() {
    let (kills, seed) = (setting("QUORUMKEEP_KILLS", 20), setting("QUORUMKEEP_KILL_SEED", 1));
    eprintln!("{kills} kills, seed {seed}");
    let mut chance = Chance(seed);
    let mut network = Network::start();
    let submit = ["network", "submit", "--draft", "net/draft.json", "--network", NETWORK];
    let until = Instant::now() + CALM;
    while network.kit.run(&submit).status != 0 {
        assert!(Instant::now() < until, "{}", network.logs());
        sleep(Duration::from_millis(200));
    }
    // A quarter of the kills falls into the generation of the key, the rest into rounds that hand it on.
    for kill in 0..kills {
        if kill == kills / 4 {
            network.wait_until("the key is generated", |status| !status["keys"][0]["active"].is_null());
            fs::write(network.kit.path("plain"), "what must open at the end").unwrap();
            network.kit.run(&["app", "owner-key", "--out", "owner.key"]).ok();
            let app = ["app", "register", "--network", NETWORK, "--id", "kept", "--policy", "public"];
            network.kit.run(&[&app[..], &["--owner-key", "owner.key"]].concat()).ok();
            let encrypt = ["encrypt", "--network", NETWORK, "--app", "kept", "--in", "plain", "--out", "sealed"];
            network.kit.run(&encrypt).ok();
        }
        sleep(Duration::from_millis(chance.below(1_500)));
        let victim = usize::try_from(chance.below(OPERATORS as u64)).unwrap();
        network.nodes[victim].kill();
        sleep(Duration::from_millis(chance.below(800)));
        network.nodes[victim] = network.node(victim);
    }
    let status = network.wait_until("all nodes hold one settled version", has_converged);
    let decrypt = ["decrypt", "--network", NETWORK, "--in", "sealed", "--out", "opened"];
    network.kit.run(&decrypt).ok();
    assert_eq!(fs::read(network.kit.path("opened")).unwrap(), b"what must open at the end");
    // One group key from the beginning to the end: the pinned one, or `decrypt` had raised an alarm.
    eprintln!("converged at height {}, round {}", status["height"], status["keys"][0]["active"]["round"]);
}
