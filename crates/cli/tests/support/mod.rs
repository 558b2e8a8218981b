//! A real network for black-box tests: a board and nodes as processes of the program, which can be killed and started
//! again, and commands with everything that they said.
#![allow(dead_code)]

pub mod http;
pub mod scan;

#[path = "../kit/mod.rs"]
pub mod kit;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kit::Answer;
use serde_json::Value;

/// How long anything may take on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(150);
pub const BOARD: &str = "board";

/// The size and the clock of a network.
#[derive(Clone, Copy)]
pub struct Plan {
    pub n: usize,
    pub t: usize,
    /// Fewest players of the first round.
    pub players_min: usize,
    pub block_ms: u64,
    /// Blocks between two rounds.
    pub interval: u64,
    pub windows: &'static str,
    /// `--log` of every process.
    pub log: &'static str,
}

impl Plan {
    /// Rounds of 2.6 s.
    pub const fn new(n: usize, t: usize) -> Self {
        Self {
            n,
            t,
            players_min: t + (n - t).div_ceil(2),
            block_ms: 100,
            interval: 26,
            windows: "7,7,4,7",
            log: "info",
        }
    }
}

/// The network. Its processes end with it; if the test failed, its folder stays.
pub struct Network {
    pub plan: Plan,
    folder: Option<tempfile::TempDir>,
    root: PathBuf,
    ports: u16,
    running: BTreeMap<String, Child>,
}

pub fn node(number: usize) -> String {
    format!("node{number}")
}

pub fn operator(number: usize) -> String {
    format!("op{number}")
}

impl Network {
    /// Identities, a network file and a signed draft. Nothing runs yet.
    pub fn new(plan: Plan) -> Self {
        let folder = tempfile::Builder::new().prefix("quorumkeep-test-").tempdir().unwrap();
        let root = folder.path().to_owned();
        let network = Self { plan, folder: Some(folder), root, ports: free_ports(), running: BTreeMap::new() };
        network.write("pass", b"the passphrase of every operator here\n");
        network.write("secret", b"What no single machine may hold.\n");
        network.identities();
        network.draft();
        network
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Where node `number` listens; 0 is the board.
    pub fn socket(&self, number: usize) -> String {
        format!("127.0.0.1:{}", self.ports + u16::try_from(number).unwrap())
    }

    /// Operators 1 to n, the owner of an application, and the orderer, all at once.
    fn identities(&self) {
        std::thread::scope(|scope| {
            for number in 1..=self.plan.n {
                scope.spawn(move || self.identity(number));
            }
        });
        self.run(&["app", "owner-key", "--out", "owner.key"]).ok();
    }

    /// Makes the identity of one operator.
    pub fn identity(&self, number: usize) -> Value {
        let (dir, socket) = (operator(number), self.socket(number));
        self.run(&["operator", "init", "--dir", &dir, "--socket", &socket, "--passphrase-file", "pass"]).ok()
    }

    /// The address of an operator.
    pub fn identity_address(&self, number: usize) -> String {
        let public = fs::read(self.path(operator(number)).join("operator.json")).unwrap();
        let public: Value = serde_json::from_slice(&public).unwrap();
        public["address"].as_str().unwrap().to_owned()
    }

    fn draft(&self) {
        let made = self.run(&["board", "init", "--dir", BOARD, "--passphrase-file", "pass"]).ok();
        let Plan { n, t, players_min, interval, windows, .. } = self.plan;
        let files: Vec<String> = (1..=n).map(|number| format!("op{number}/operator.json")).collect();
        let (t, players, interval) = (t.to_string(), players_min.to_string(), interval.to_string());
        let (orderer, board) = (made["orderer"].as_str().unwrap(), self.socket(0));
        let mut arguments = vec!["network", "init", "--orderer", orderer, "--board", &board, "--out", "."];
        arguments.extend(["--threshold", &t, "--players-min", &players, "--interval", &interval]);
        arguments.extend(["--windows", windows, "--operator"]);
        arguments.extend(files.iter().map(String::as_str));
        self.run(&arguments).ok();
        for number in 1..=n {
            let dir = operator(number);
            self.run(&[
                "network",
                "sign",
                "--draft",
                "draft.json",
                "--operator-dir",
                &dir,
                "--passphrase-file",
                "pass",
            ])
            .ok();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorumkeep"));
        command.args(arguments).args(["--json", "--log", self.plan.log]).current_dir(&self.root).stdin(Stdio::null());
        command.env_remove("RUST_LOG").env_remove("QUORUMKEEP_PASSPHRASE_FILE");
        command
    }

    /// Runs a command to its end. What it says is appended to `commands.log`, too.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().unwrap();
        let mut log = File::options().create(true).append(true).open(self.path("commands.log")).unwrap();
        let all = [arguments.join(" ").as_bytes(), b"\n", &output.stdout, &output.stderr].concat();
        log.write_all(&all).unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(stdout.lines().last().unwrap_or("")).unwrap_or(Value::Null);
        let stderr: String = String::from_utf8_lossy(&output.stderr).lines().rev().take(3).collect();
        Answer { status: output.status.code().unwrap_or(-1), json, stderr }
    }

    /// Starts a server; its output and logs go to `NAME.log`.
    pub fn spawn(&mut self, name: &str, arguments: &[&str]) {
        assert!(!self.is_running(name), "{name} runs already");
        let log = File::options().create(true).append(true).open(self.log(name)).unwrap();
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(log.try_clone().unwrap()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        self.running.insert(name.to_owned(), child);
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || copy_lines(BufReader::new(out), log, &said));
        let listens = heard.recv_timeout(PATIENCE).is_ok();
        assert!(listens, "{name} did not start: {}", self.last_lines(name, 3));
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.path(format!("{name}.log"))
    }

    /// What a process has logged in all its lives.
    pub fn logged(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.log(name)).unwrap_or_default()).into_owned()
    }

    fn last_lines(&self, name: &str, count: usize) -> String {
        let log = self.logged(name);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    pub fn start_board(&mut self) {
        let (listen, ms) = (self.socket(0), self.plan.block_ms.to_string());
        let fixed = ["board", "serve", "--dir", BOARD, "--network", "network.json", "--passphrase-file", "pass"];
        self.spawn(BOARD, &[&fixed[..], &["--listen", &listen, "--block-ms", &ms]].concat());
    }

    pub fn start_node(&mut self, number: usize) {
        let (dir, who, listen) = (node(number), operator(number), self.socket(number));
        let fixed = ["node", "run", "--dir", &dir, "--operator-dir", &who, "--listen", &listen];
        self.spawn(&dir, &[&fixed[..], &["--network", "network.json", "--passphrase-file", "pass"]].concat());
    }

    /// Starts a process by its name.
    pub fn start(&mut self, name: &str) {
        match name.strip_prefix("node") {
            Some(number) => self.start_node(number.parse().unwrap()),
            None => self.start_board(),
        }
    }

    /// Starts everything that does not run.
    pub fn start_all(&mut self) {
        let names = [BOARD.to_owned()].into_iter().chain((1..=self.plan.n).map(node));
        for name in names.collect::<Vec<_>>() {
            if !self.is_running(&name) {
                self.start(&name);
            }
        }
    }

    pub fn submit(&self) {
        self.run(&["network", "submit", "--draft", "draft.json", "--network", "network.json"]).ok();
    }

    pub fn is_running(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    pub fn pid(&self, name: &str) -> u32 {
        self.running[name].id()
    }

    /// `kill -9`. A process that was gone before is a failure: nobody told it to go.
    pub fn kill(&mut self, name: &str) {
        let mut child = self.running.remove(name).unwrap();
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{name} ended by itself: {}", self.last_lines(name, 3));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub fn stop(&mut self, name: &str) {
        let mut child = self.running.remove(name).unwrap();
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let ended = poll(PATIENCE, || child.try_wait().unwrap());
        assert!(ended.is_some_and(|status| status.success()), "{name} did not stop well: {ended:?}");
    }

    /// `status --json`, if a node answers.
    pub fn status(&self) -> Option<Value> {
        let answer = self.run(&["status", "--network", "network.json"]);
        (answer.status == 0).then_some(answer.json)
    }

    /// Asks for the status until it is as wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = poll(PATIENCE, || {
            let status = self.status()?;
            let good = wanted(&status);
            last = status;
            good.then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{what}: not within {} s; last status {last:#}", PATIENCE.as_secs()))
    }

    /// Waits until all nodes hold the share of a version that was made after height `after`; gives the status.
    #[track_caller]
    pub fn wait_for_version(&self, after: u64) -> Value {
        self.wait("a new version that all nodes hold", |status| {
            let active = &status["keys"][0]["active"];
            let is_new = active["round"].as_u64().is_some_and(|round| round >= after);
            let full = active["players"].as_u64() == u64::try_from(self.plan.n).ok();
            is_new && full && all_ready(status) && all_hold(status, &active["id"])
        })
    }

    /// Registers an application and encrypts the file `secret` to it, as `APP.age`.
    pub fn encrypt(&self, app: &str, policy: &str) {
        let register = ["app", "register", "--network", "network.json", "--id", app, "--policy", policy];
        self.run(&[&register[..], &["--owner-key", "owner.key"]].concat()).ok();
        let recipient = self.run(&["recipient", "--network", "network.json", "--app", app]).ok();
        let recipient = recipient["recipient"].as_str().unwrap();
        self.run(&["encrypt", "--recipient", recipient, "--in", "secret", "--out", &format!("{app}.age")]).ok();
    }

    /// Decrypts `APP.age` through the network and compares. A version that is becoming active, or a node that
    /// is starting, may be in the way for a moment.
    #[track_caller]
    pub fn decrypt(&self, app: &str) {
        let done = poll(PATIENCE, || {
            let answer = self.try_decrypt(app);
            let again = matches!(
                answer.json["error"]["code"].as_str(),
                Some("mixed_versions" | "too_few_partials" | "unreachable")
            );
            (!again).then_some(answer)
        });
        done.expect("the file does not open").ok();
        assert_eq!(fs::read(self.path("opened")).unwrap(), fs::read(self.path("secret")).unwrap());
    }

    pub fn try_decrypt(&self, app: &str) -> Answer {
        let input = format!("{app}.age");
        let fixed = ["decrypt", "--network", "network.json", "--app", app, "--owner-key", "owner.key"];
        self.run(&[&fixed[..], &["--in", &input, "--out", "opened", "--force"]].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("everything is in {}", folder.keep().display());
        }
    }
}

/// Is every node of the roster there, with the share of every active version, and nothing held against it?
pub fn all_ready(status: &Value) -> bool {
    let nodes = status["nodes"].as_array().unwrap();
    let good = |node: &Value| node["ready"] == true && node["halted"] == false && node["suspended"].is_null();
    nodes.iter().all(good)
}

/// Whether every node that answered holds a share of the version `id`; a node may be a block behind the one that
/// reported it.
fn all_hold(status: &Value, id: &Value) -> bool {
    let nodes = status["nodes"].as_array().unwrap();
    nodes.iter().all(|node| node["held"].as_array().is_some_and(|held| held.contains(id)))
}

/// Tries until there is something.
pub fn poll<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if started.elapsed() > patience {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

fn copy_lines(mut out: impl BufRead, mut log: File, said: &mpsc::Sender<()>) {
    let mut line = Vec::new();
    while matches!(out.read_until(b'\n', &mut line), Ok(1..)) {
        let _ = log.write_all(&line);
        let _ = said.send(());
        line.clear();
    }
}

/// Sixteen ports in a row that nobody uses, below those that the system gives to clients: a killed server must find its
/// port free when it comes back. No two networks of this process get the same ones, and those of others seldom try to.
fn free_ports() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 600 * 7) as u16;
    let is_free = |first: &u16| (*first..*first + 16).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    let mut candidates = (0..600).map(|_| 22_000 + (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % 600 * 16);
    candidates.find(is_free).expect("sixteen free ports in a row")
}

/// Random numbers that a seed repeats (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `below` - 1.
    pub fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
