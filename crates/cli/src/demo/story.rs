//! What the demo does, step by step.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use quorumkeep_dkg::ids::{Address, VersionId};
use quorumkeep_node::status::{KeyStatus, Status};
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::session::Session;
use rand_core::{OsRng, RngCore};
use tokio::runtime::Runtime;

use super::Steps;
use super::stage::{Stage, field, free_ports, poll};
use super::theft::Loot;
use crate::failure::{Code, Failure, Result};
use crate::net::client_runtime;
use crate::secrets;

const OPERATORS: usize = 7;
const THRESHOLD: &str = "5";
/// Blocks of 100 ms; a round of 29 blocks every 30.
const BLOCK_MS: &str = "100";
const INTERVAL: &str = "30";
const WINDOWS: &str = "8,8,5,8";
const WAIT_SECONDS: u64 = 30;

/// The copies, and the versions that they hold shares of.
type Theft = (Vec<Loot>, Vec<VersionId>);

/// The network of the demo. Operators are counted from 1; the eighth joins later.
pub struct Story {
    stage: Stage,
    sockets: Vec<String>,
    board: String,
    passphrase: PathBuf,
    addresses: Vec<Address>,
    runtime: Runtime,
    session: Option<Session>,
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn node(number: usize) -> String {
    format!("node{number}")
}

fn operator(number: usize) -> String {
    format!("op{number}")
}

impl Story {
    /// Does everything.
    pub fn tell(stage: &Stage, steps: &mut Steps, file: Option<&Path>) -> Result<Self> {
        let mut story = Self::begin(stage)?;
        let plain = story.secret_file(file)?;
        steps.step("identities", "eight operators and the orderer make their identities", || story.identities())?;
        steps.step(
            "network",
            "the first configuration of seven operators, t = 5, is drafted and signed by five",
            || story.draft(),
        )?;
        steps.step("start", "the board and seven nodes start: eight processes, TLS, one database each", || {
            story.start()
        })?;
        steps.step("submit", "configuration and permission to generate go to the board", || story.submit())?;
        let group_key = steps.step("dkg", "seven nodes generate a key that none of them holds", || story.generate())?;
        steps.step("register", "the application is registered, for its owner only", || story.register())?;
        steps.step("encrypt", "the file is encrypted with nothing but the public key", || story.encrypt(&plain))?;
        steps.step("decrypt", "the file is opened with partial signatures of five nodes", || story.decrypt(&plain))?;
        steps.step("kill", "kill -9 of nodes 6 and 7: exactly t are left", || story.kill())?;
        steps.step("decrypt_t", "the file is opened by the five that are left", || story.decrypt(&plain))?;
        let (loot, stolen) =
            steps.step("theft", "somebody copies all seven databases and their keys", || story.steal())?;
        steps.step("change", "operator 7 leaves for good, operator 8 joins", || story.change())?;
        steps.step("reshare", "the key is handed on to the new set", || story.reshare(&group_key))?;
        steps.step("decrypt_new", "the same file is opened by the new set", || story.decrypt(&plain))?;
        steps.step("return", "node 6 comes back from its disk and takes part again", || story.come_back())?;
        steps
            .step("forget", "the new version settles, the old ones are deleted everywhere", || story.forget(&stolen))?;
        steps.step("worthless", "the copied databases, with today's key-encryption keys", || story.worthless(&loot))?;
        steps.step("decrypt_last", "and the file still opens", || story.decrypt(&plain))?;
        Ok(story)
    }

    fn begin(stage: &Stage) -> Result<Self> {
        let ports = free_ports(OPERATORS + 2)?;
        let mut sockets: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let board = sockets.pop().unwrap_or_default();
        let mut random = [0u8; 24];
        OsRng.fill_bytes(&mut random);
        let passphrase = stage.write("passphrase", hex::encode(random).as_bytes())?;
        let runtime = client_runtime()?;
        Ok(Self { stage: stage.clone(), sockets, board, passphrase, addresses: Vec::new(), runtime, session: None })
    }

    fn secret_file(&self, file: Option<&Path>) -> Result<PathBuf> {
        match file {
            Some(file) => Ok(fs::canonicalize(file)
                .map_err(|error| Failure::new(Code::FileMissing, format!("{}: {error}", file.display())))?),
            None => self.stage.write("secret", b"What no single machine may hold.\n"),
        }
    }

    /// Where a process of the stage listens.
    pub fn address_of(&self, name: &str) -> String {
        let number = name.strip_prefix("node").and_then(|number| number.parse::<usize>().ok());
        let socket = number.and_then(|number| self.sockets.get(number.wrapping_sub(1)));
        socket.unwrap_or(&self.board).clone()
    }

    /// How to start node 6 again by hand.
    pub fn restart_hint(&self) -> String {
        format!("quorumkeep {}", self.node_command(6).join(" "))
    }

    /// Does `work` for each number, two at a time, and keeps the order.
    fn each<T: Send>(&self, numbers: &[usize], work: impl Fn(&Stage, usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let next = Mutex::new(numbers.iter().copied().enumerate());
        let done = Mutex::new(Vec::new());
        let take = || next.lock().ok().and_then(|mut next| next.next());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some((place, number)) = take() {
                        let result = work(&self.stage, number);
                        if let Ok(mut done) = done.lock() {
                            done.push((place, result));
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    fn identities(&mut self) -> Result<((), String)> {
        let passphrase = text(&self.passphrase);
        let numbers: Vec<usize> = (1..=OPERATORS + 1).collect();
        let answers = self.each(&numbers, |stage, number| {
            let socket = self.sockets.get(number - 1).map_or("", String::as_str);
            let dir = operator(number);
            stage.run(&["operator", "init", "--dir", &dir, "--socket", socket, "--passphrase-file", &passphrase])
        })?;
        let address = |answer: &serde_json::Value| {
            let parsed = field(answer, "address").parse().ok();
            parsed.ok_or_else(|| Failure::new(Code::Failed, "operator init gave no address"))
        };
        self.addresses = answers.iter().map(address).collect::<Result<_>>()?;
        self.stage.run(&["app", "owner-key", "--out", "owner.key"])?;
        let answer = self.stage.run(&["board", "init", "--dir", "board", "--passphrase-file", &passphrase])?;
        let orderer = field(&answer, "orderer").to_owned();
        self.stage.write("orderer.pub", orderer.as_bytes())?;
        Ok(((), "BN254 keys, sealed under a passphrase".to_owned()))
    }

    fn draft(&self) -> Result<((), String)> {
        let orderer = fs::read_to_string(self.stage.path("orderer.pub"))?;
        let files: Vec<String> = (1..=OPERATORS).map(|number| format!("{}/operator.json", operator(number))).collect();
        let mut arguments = vec!["network", "init", "--orderer", &orderer, "--board", &self.board];
        arguments.extend(["--threshold", THRESHOLD, "--interval", INTERVAL, "--windows", WINDOWS, "--out", "."]);
        arguments.push("--operator");
        arguments.extend(files.iter().map(String::as_str));
        let answer = self.stage.run(&arguments)?;
        self.sign("draft.json", &[1, 2, 3, 4, 5])?;
        let network = field(&answer, "network");
        Ok(((), format!("network {network}")))
    }

    /// One draft passes from hand to hand, so the signatures come one after the other.
    fn sign(&self, draft: &str, signers: &[usize]) -> Result<()> {
        for number in signers {
            let (dir, passphrase) = (operator(*number), text(&self.passphrase));
            let fixed = ["network", "sign", "--draft", draft, "--operator-dir", &dir, "--passphrase-file", &passphrase];
            self.stage.run(&fixed)?;
        }
        Ok(())
    }

    fn node_command(&self, number: usize) -> Vec<String> {
        let listen = self.sockets.get(number - 1).cloned().unwrap_or_default();
        let words = ["node", "run", "--dir", &node(number), "--operator-dir", &operator(number), "--listen", &listen];
        let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let rest = ["--network", "network.json", "--passphrase-file", "passphrase"];
        words.extend(rest.iter().map(ToString::to_string));
        words
    }

    fn start_node(&self, stage: &Stage, number: usize) -> Result<()> {
        let words = self.node_command(number);
        stage.spawn(&node(number), &words)
    }

    fn start(&self) -> Result<((), String)> {
        let (passphrase, listen) = (text(&self.passphrase), self.board.as_str());
        let fixed = ["board", "serve", "--dir", "board", "--network", "network.json", "--block-ms", BLOCK_MS];
        let rest = ["--listen", listen, "--passphrase-file", &passphrase];
        self.stage.spawn("board", &[fixed.as_slice(), &rest].concat())?;
        let numbers: Vec<usize> = (1..=OPERATORS).collect();
        self.each(&numbers, |stage, number| self.start_node(stage, number))?;
        Ok(((), format!("board at {}, nodes at {} ..", self.board, self.sockets.first().map_or("", String::as_str))))
    }

    fn submit(&self) -> Result<((), String)> {
        self.stage.run(&["network", "submit", "--draft", "draft.json", "--network", "network.json"])?;
        Ok(((), "in force".to_owned()))
    }

    /// What every node of the roster says; none for those that do not answer.
    fn statuses(&mut self) -> Result<Vec<Option<Status>>> {
        let file = NetworkFile::load(&self.stage.path("network.json"))?;
        // On a slow machine the server may have given up a connection that was idle during the step before.
        let kept = self.session.take();
        let kept = kept.and_then(|mut kept| self.runtime.block_on(kept.reread()).is_ok().then_some(kept));
        let session = match kept {
            Some(session) => session,
            None => self.runtime.block_on(Session::open(file))?,
        };
        let statuses = session.reports().iter().map(|report| report.status().cloned()).collect();
        self.session = Some(session);
        Ok(statuses)
    }

    /// Waits until every node that answers says so of the key, and at least `count` answer.
    fn wait(&mut self, what: &str, count: usize, until: impl Fn(&Status, &KeyStatus) -> bool) -> Result<Status> {
        poll(what, WAIT_SECONDS, || {
            let found: Vec<Status> = self.statuses()?.into_iter().flatten().collect();
            let holds = |status: &Status| status.keys.first().is_some_and(|key| until(status, key));
            let all = found.len() >= count && found.iter().all(holds);
            Ok(if all { found.into_iter().next() } else { None })
        })
    }

    fn generate(&mut self) -> Result<(String, String)> {
        let held = |_: &Status, key: &KeyStatus| key.active.as_ref().is_some_and(|version| version.held);
        let status = self.wait("the key", OPERATORS, held)?;
        let key = status.keys.first().and_then(|key| key.group_key.clone()).unwrap_or_default();
        let shown = format!("group key {}..., {} blocks", key.get(..24).unwrap_or_default(), status.height);
        Ok((key, shown))
    }

    fn register(&self) -> Result<((), String)> {
        let fixed = ["app", "register", "--network", "network.json", "--id", "demo", "--policy", "owner"];
        self.stage.run(&[fixed.as_slice(), &["--owner-key", "owner.key"]].concat())?;
        let answer = self.stage.run(&["recipient", "--network", "network.json", "--app", "demo"])?;
        let recipient = field(&answer, "recipient");
        self.stage.write("recipient", recipient.as_bytes())?;
        Ok(((), format!("recipient {}...", recipient.get(..40).unwrap_or_default())))
    }

    fn encrypt(&self, plain: &Path) -> Result<((), String)> {
        let recipient = fs::read_to_string(self.stage.path("recipient"))?;
        self.stage.run(&["encrypt", "--recipient", &recipient, "--in", &text(plain), "--out", "secret.age"])?;
        let bytes = fs::metadata(self.stage.path("secret.age"))?.len();
        Ok(((), format!("secret.age, an ordinary age file of {bytes} bytes")))
    }

    fn decrypt(&self, plain: &Path) -> Result<((), String)> {
        let fixed = ["decrypt", "--network", "network.json", "--app", "demo", "--owner-key", "owner.key"];
        let rest = ["--in", "secret.age", "--out", "opened", "--force"];
        self.stage.run(&[fixed.as_slice(), &rest].concat())?;
        if !same_contents(plain, &self.stage.path("opened"))? {
            return Err(Failure::new(Code::Failed, "the opened file is not the one that was encrypted"));
        }
        Ok(((), "byte for byte the same".to_owned()))
    }

    fn kill(&self) -> Result<((), String)> {
        [6, 7].iter().for_each(|number| self.stage.kill(&node(*number)));
        Ok(((), "two processes are gone without a word".to_owned()))
    }

    /// Copies everything while the network runs; also says which versions the copies hold.
    fn steal(&mut self) -> Result<(Theft, String)> {
        let mut held: Vec<VersionId> = Vec::new();
        for key in self.statuses()?.iter().flatten().flat_map(|status| &status.keys) {
            held.extend([&key.active, &key.settled].into_iter().flatten().map(|version| version.id));
        }
        let take = |number: usize| {
            let copy = self.stage.path("loot").join(node(number));
            let identity = secrets::load_operator_key(&self.stage.path(&operator(number)), Some(&self.passphrase))?;
            Loot::take(identity, &self.stage.path(&node(number)), copy)
        };
        fs::create_dir(self.stage.path("loot"))?;
        let loot = (1..=OPERATORS).map(take).collect::<Result<Vec<_>>>()?;
        let shares = self.count(&loot, false)?;
        Ok(((loot, held), format!("at this moment they open {shares} shares: enough to have the key")))
    }

    fn count(&self, loot: &[Loot], today: bool) -> Result<usize> {
        let network = NetworkFile::load(&self.stage.path("network.json"))?.network;
        let mut shares = 0;
        for (number, loot) in (1..).zip(loot) {
            let salts = today.then(|| self.stage.path(&node(number)));
            shares += loot.shares(&network, salts.as_deref())?;
        }
        Ok(shares)
    }

    fn change(&mut self) -> Result<((), String)> {
        let leaver = self.addresses.get(6).map(ToString::to_string).unwrap_or_default();
        let fixed =
            ["network", "change", "--network", "network.json", "--threshold", THRESHOLD, "--out", "change.json"];
        self.stage.run(&[fixed.as_slice(), &["--add", "op8/operator.json", "--remove", &leaver]].concat())?;
        self.sign("change.json", &[1, 2, 3, 4, 5])?;
        self.start_node(&self.stage, 8)?;
        self.stage.run(&["network", "submit", "--draft", "change.json", "--network", "network.json"])?;
        // Operator 7 takes its machine down for good: disk, salt and all.
        fs::remove_dir_all(self.stage.path(&node(7)))?;
        Ok(((), "signed by the five that are there".to_owned()))
    }

    fn reshare(&mut self, group_key: &str) -> Result<((), String)> {
        let started = self.wait("the heads", 6, |_, _| true)?.height;
        let new = move |_: &Status, key: &KeyStatus| {
            key.active.as_ref().is_some_and(|version| version.held && version.round >= started && version.players == 6)
        };
        let status = self.wait("the new version", 6, new)?;
        let key = status.keys.first();
        if key.and_then(|key| key.group_key.as_deref()) != Some(group_key) {
            return Err(Failure::new(Code::GroupKeyChanged, "the group key has changed"));
        }
        let version = key.and_then(|key| key.active.as_ref()).map(|version| version.id.to_string());
        let version = version.unwrap_or_default();
        Ok(((), format!("version {}..., the same public key", version.get(..16).unwrap_or_default())))
    }

    fn come_back(&mut self) -> Result<((), String)> {
        self.start_node(&self.stage, 6)?;
        let seven = |status: &Status, key: &KeyStatus| {
            status.ready && key.active.as_ref().is_some_and(|version| version.held && version.players == 7)
        };
        let status = self.wait("all seven again", OPERATORS, seven)?;
        Ok(((), format!("seven of seven hold the newest version at height {}", status.height)))
    }

    fn forget(&mut self, stolen: &[VersionId]) -> Result<((), String)> {
        let stolen = stolen.to_vec();
        let gone = move |_: &Status, key: &KeyStatus| {
            let kept = [&key.active, &key.settled];
            let old = |version: &quorumkeep_node::status::VersionStatus| stolen.contains(&version.id);
            key.settled.as_ref().is_some_and(|version| version.held) && !kept.into_iter().flatten().any(old)
        };
        self.wait("settling", OPERATORS, gone)?;
        Ok(((), "their key-encryption keys were replaced and destroyed".to_owned()))
    }

    fn worthless(&self, loot: &[Loot]) -> Result<((), String)> {
        let shares = self.count(loot, true)?;
        if shares > 0 {
            return Err(Failure::new(Code::Failed, format!("the copies still open {shares} shares")));
        }
        Ok(((), "seven databases and all seven identities: not one share".to_owned()))
    }
}

fn same_contents(a: &Path, b: &Path) -> Result<bool> {
    use std::io::{BufRead, BufReader};
    let (mut a, mut b) = (BufReader::new(fs::File::open(a)?), BufReader::new(fs::File::open(b)?));
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let length = left.len().min(right.len());
        if left.get(..length) != right.get(..length) {
            return Ok(false);
        }
        if length == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        a.consume(length);
        b.consume(length);
    }
}
