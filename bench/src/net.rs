//! A real network for a benchmark: one process per node and one for the orderer, driven by the built program.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::report::Failure;

/// Clock ticks per second of `/proc/PID/stat`; 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a network is made of.
pub struct Plan {
    /// The program `quorumkeep`.
    pub binary: PathBuf,
    /// `n`.
    pub operators: usize,
    /// `t`; two thirds if none is given.
    pub threshold: Option<u16>,
    /// Milliseconds between blocks.
    pub block_ms: u64,
    /// Blocks of each phase.
    pub window: u32,
    /// Blocks from one round to the next.
    pub interval: u32,
    /// The processor that the first node is kept on, if it matters.
    pub first_node_on: Option<usize>,
}

/// A running network; dropping it ends its processes and removes its folder.
pub struct Network {
    home: tempfile::TempDir,
    binary: PathBuf,
    board: Child,
    nodes: Vec<Child>,
    sockets: Vec<String>,
}

impl Network {
    /// Makes identities, drafts and signs the configuration, starts everything and submits.
    pub fn start(plan: &Plan) -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join("passphrase"), "benchmark")?;
        let mut ports = free_sockets(plan.operators + 1)?;
        let board_socket = ports.pop().ok_or("no ports")?;
        let tool = |args: &[&str]| run(&plan.binary, home.path(), args);
        for (number, socket) in ports.iter().enumerate() {
            tool(&["operator", "init", "--dir", &format!("op{number}"), "--socket", socket])?;
        }
        let orderer = tool(&["board", "init", "--dir", "board"])?;
        draft(plan, home.path(), orderer["orderer"].as_str().ok_or("no orderer key")?, &board_socket)?;
        let block_ms = plan.block_ms.to_string();
        let serve = ["board", "serve", "--dir", "board", "--listen", &board_socket, "--network", "net/network.json"];
        let serve = [&serve[..], &["--block-ms", &block_ms]].concat();
        let board = spawn(&plan.binary, home.path(), "board.log", None, &serve)?;
        let binary = plan.binary.clone();
        let mut network = Self { home, binary, board, nodes: Vec::new(), sockets: ports };
        for number in 0..plan.operators {
            network.start_node(number, plan.first_node_on.filter(|_| number == 0))?;
        }
        network.submit()?;
        Ok(network)
    }

    fn start_node(&mut self, number: usize, processor: Option<usize>) -> Result<(), Failure> {
        let (dir, operator) = (format!("node{number}"), format!("op{number}"));
        let socket = self.sockets.get(number).ok_or("no socket")?;
        let args = ["node", "run", "--dir", &dir, "--operator-dir", &operator, "--network", "net/network.json"];
        let args = [&args[..], &["--listen", socket]].concat();
        self.nodes.push(spawn(&self.binary, self.home.path(), &format!("{dir}.log"), processor, &args)?);
        Ok(())
    }

    fn submit(&self) -> Result<(), Failure> {
        let args = ["network", "submit", "--draft", "net/draft.json", "--network", "net/network.json"];
        retry(Duration::from_secs(60), || self.tool(&args).map(|_| ()))
    }

    /// Runs one command of the program in the network's folder and reads its JSON.
    pub fn tool(&self, args: &[&str]) -> Result<Value, Failure> {
        run(&self.binary, self.home.path(), args)
    }

    /// Waits until every node could sign.
    pub fn wait_ready(&self, within: Duration) -> Result<(), Failure> {
        let wanted = self.nodes.len() as u64;
        retry(within, || match self.tool(&["status", "--network", "net/network.json"])?["ready"].as_u64() {
            Some(ready) if ready == wanted => Ok(()),
            other => Err(format!("{other:?} of {wanted} nodes are ready").into()),
        })
    }

    /// The network's folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where node `number` listens.
    pub fn socket(&self, number: usize) -> Result<&str, Failure> {
        Ok(self.sockets.get(number).ok_or("no such node")?)
    }

    /// Ends everything but the first node, which goes on signing.
    pub fn leave_first_alone(&mut self) {
        end(&mut self.board);
        self.nodes.iter_mut().skip(1).for_each(end);
    }

    /// Processor seconds that all nodes have used.
    pub fn node_cpu_seconds(&self) -> f64 {
        self.nodes.iter().map(|node| cpu_seconds(node.id()).unwrap_or(0.0)).sum()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(end);
        end(&mut self.board);
    }
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

fn draft(plan: &Plan, home: &Path, orderer: &str, board: &str) -> Result<(), Failure> {
    let operators: Vec<String> = (0..plan.operators).map(|number| format!("op{number}/operator.json")).collect();
    let (window, interval) = (plan.window, plan.interval.to_string());
    let windows = format!("{window},{window},{window},{window}");
    let mut args = vec!["network", "init", "--orderer", orderer, "--board", board, "--out", "net", "--operator"];
    args.extend(operators.iter().map(String::as_str));
    args.extend(["--windows", &windows, "--interval", &interval]);
    let threshold = plan.threshold.map(|t| t.to_string());
    if let Some(t) = &threshold {
        args.extend(["--threshold", t]);
    }
    let needed = run(&plan.binary, home, &args)?["threshold"].as_u64().ok_or("no threshold")?;
    for number in 0..needed {
        let operator = format!("op{number}");
        run(&plan.binary, home, &["network", "sign", "--draft", "net/draft.json", "--operator-dir", &operator])?;
    }
    Ok(())
}

/// Sockets on loopback that nobody listens on.
fn free_sockets(count: usize) -> Result<Vec<String>, Failure> {
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    Ok(held.iter().map(|socket| socket.local_addr().map(|at| at.to_string())).collect::<Result<_, _>>()?)
}

fn command(binary: &Path, home: &Path, args: &[&str], processor: Option<usize>) -> Command {
    let mut command = match processor {
        Some(processor) => {
            let mut pinned = Command::new("taskset");
            pinned.args(["-c", &processor.to_string()]).arg(binary);
            pinned
        }
        None => Command::new(binary),
    };
    command.args(args).current_dir(home).env("QUORUMKEEP_PASSPHRASE_FILE", home.join("passphrase"));
    command.stdin(Stdio::null());
    command
}

fn run(binary: &Path, home: &Path, args: &[&str]) -> Result<Value, Failure> {
    let output = command(binary, home, args, None).arg("--json").output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if output.status.success() {
        return Ok(answer);
    }
    Err(format!("quorumkeep {}: {}", args.join(" "), answer["error"]["message"].as_str().unwrap_or("it failed")).into())
}

fn spawn(binary: &Path, home: &Path, log: &str, processor: Option<usize>, args: &[&str]) -> Result<Child, Failure> {
    let log = File::create(home.join(log))?;
    Ok(command(binary, home, args, processor).stdout(log.try_clone()?).stderr(log).spawn()?)
}

/// Tries until it works; then the last failure counts.
fn retry(within: Duration, mut what: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let until = Instant::now() + within;
    loop {
        match what() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// User and system time of a process.
fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}
