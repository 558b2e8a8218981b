//! No secret leaves its place: a small network does everything it can do while every process logs at TRACE, and then all
//! that it wrote, said and answered is searched for every secret that it had.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use quorumkeep_curves::bls::{Scalar, SecretScalar};
use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::{Address, VersionId};
use quorumkeep_node::store::Loaded;
use quorumkeep_server::board::keys;
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::node_api::ROUTES;
use quorumkeep_server::sealed::{self, Passphrase};
use quorumkeep_sharing::{Index, lagrange};
use quorumkeep_store::{Binding, SaltFileKek, SqliteStore};
use support::scan::{Scanner, Secret, decimal};
use support::{BOARD, Network, PATIENCE, Plan, http, node, operator, poll};

const PLAN: Plan = Plan { log: "trace", ..Plan::new(3, 2) };
/// So many copies of each database are searched, too.
const COPIES: usize = 10;
/// Stands in requests where it has no business to be, and must be neither answered nor logged.
const IN_REQUESTS: &[u8] = b"Tr0ub4dor-and-3-pasted-by-mistake";

fn read_hex(path: PathBuf) -> Vec<u8> {
    hex::decode(fs::read_to_string(path).unwrap().trim()).unwrap()
}

fn identity(network: &Network, number: usize) -> bn254::SecretKey {
    let file = fs::read(network.path(operator(number)).join("operator.key.age")).unwrap();
    let text = sealed::open(&file, &Passphrase::read(&network.path("pass")).unwrap()).unwrap();
    let bytes: [u8; 32] = hex::decode(text.trim_ascii()).unwrap().try_into().unwrap();
    bn254::SecretKey::from_be_bytes(&bytes).unwrap()
}

/// The public key, which the network file pins.
fn group_key(network: &Network) -> Vec<u8> {
    let file = NetworkFile::load(&network.path("network.json")).unwrap();
    file.keys["main"].pinned().unwrap().to_bytes().to_vec()
}

/// What was in the nodes' stores at different times.
struct Haul {
    folder: tempfile::TempDir,
    identities: Vec<bn254::SecretKey>,
    secrets: BTreeMap<Vec<u8>, Secret>,
    shares: BTreeMap<VersionId, BTreeMap<u16, SecretScalar>>,
    rounds: BTreeSet<u64>,
    looks: usize,
}

impl Haul {
    fn new(network: &Network) -> Self {
        let identities = (1..=PLAN.n).map(|number| identity(network, number)).collect();
        let (secrets, shares) = (BTreeMap::new(), BTreeMap::new());
        Self { folder: tempfile::tempdir().unwrap(), identities, secrets, shares, rounds: BTreeSet::new(), looks: 0 }
    }

    fn add(&mut self, secret: Secret) {
        self.secrets.entry(secret.bytes.clone()).or_insert(secret);
    }

    /// Copies the folder of every node as it is and opens the copies. One that was torn by a write at that moment is of
    /// no use; there are others.
    fn look(&mut self, network: &Network) {
        self.looks += 1;
        for number in 1..=PLAN.n {
            let copy = self.folder.path().join(format!("{}-{}", node(number), self.looks));
            fs::create_dir(&copy).unwrap();
            self.copy(&network.path(node(number)), &copy);
            if let Some(loaded) = self.open(network, number, &copy) {
                self.take(number, loaded);
            }
            if self.looks > COPIES {
                fs::remove_dir_all(copy).unwrap();
            }
        }
    }

    fn copy(&mut self, from: &Path, to: &Path) {
        for name in support::kit::names(from).iter().filter(|name| !name.ends_with(".lock")) {
            // A key file may be replaced while this goes on.
            let Ok(bytes) = fs::read(from.join(name)) else { continue };
            if name.starts_with("kek-") && bytes.len() >= 16 && bytes.iter().any(|byte| *byte != 0) {
                self.add(Secret::new(format!("salt {name}"), &bytes, &[name]));
            }
            fs::write(to.join(name), bytes).unwrap();
        }
    }

    fn open(&self, network: &Network, number: usize, copy: &Path) -> Option<Loaded> {
        let identity = &self.identities[number - 1];
        let file = NetworkFile::load(&network.path("network.json")).unwrap();
        let binding = Binding::new(&file.network, &Address::of(&identity.public()));
        let kek = Box::new(SaltFileKek::new(copy, identity.expose()));
        SqliteStore::open(&copy.join("node.sqlite"), binding, kek).and_then(|store| store.load()).ok()
    }

    fn take(&mut self, number: usize, loaded: Loaded) {
        for row in &loaded.round_secrets {
            self.rounds.insert(row.round);
            let (receive, seed) = row.bytes.split_at(32);
            self.add(Secret::new(format!("receive key of node {number} in round {}", row.round), receive, &[]));
            self.add(Secret::new(format!("seed of node {number} in round {}", row.round), seed, &[]));
        }
        for row in loaded.shares {
            let name = format!("share of node {number} of version {}", row.version);
            self.add(Secret::new(name, row.share.expose().as_ref(), &[]));
            self.shares.entry(row.version).or_default().insert(row.index, row.share);
        }
    }

    /// The secret that no machine holds, from the shares of a version of which there are enough.
    fn group_secret(&self, group_key: &[u8]) -> Secret {
        let enough = self.shares.values().find(|shares| shares.len() >= PLAN.t).unwrap();
        let points: Vec<_> = enough.iter().map(|(index, share)| (Index::new(*index).unwrap(), share)).collect();
        let secret = lagrange::interpolate_secret(&points[..PLAN.t]).unwrap();
        assert_eq!(secret.mul_g2().to_bytes(), group_key, "the shares are what they should be");
        Secret::new("the group's secret", secret.expose().as_ref(), &[])
    }

    /// Looks until secrets of `rounds` rounds and shares of as many versions were seen.
    fn look_until(&mut self, network: &Network, rounds: usize) {
        let seen = poll(PATIENCE, || {
            self.look(network);
            let full = self.shares.values().filter(|shares| shares.len() == PLAN.n).count();
            (self.rounds.len() >= rounds && full >= rounds).then_some(())
        });
        seen.expect("round secrets and shares in the copies");
    }

    /// Everything that must not be found.
    fn secrets(mut self, network: &Network) -> (tempfile::TempDir, Vec<Secret>) {
        let orderer =
            keys::load(&network.path(BOARD), Some(&Passphrase::read(&network.path("pass")).unwrap())).unwrap();
        let mut all = vec![
            self.group_secret(&group_key(network)),
            Secret::new("the passphrase", fs::read(network.path("pass")).unwrap().trim_ascii(), &["pass"]),
            Secret::new("the wrong passphrase", fs::read(network.path("wrong")).unwrap().trim_ascii(), &["wrong"]),
            Secret::new("the owner's key", &read_hex(network.path("owner.key")), &["owner.key"]),
            Secret::new("the application's key", &read_hex(network.path("app.key")), &["app.key"]),
            Secret::new("the plaintext", &fs::read(network.path("secret")).unwrap(), &["secret", "opened"]),
            Secret::new("the orderer's key", &orderer.to_bytes(), &[]),
            Secret::new("something in a request", IN_REQUESTS, &[]),
        ];
        for (place, identity) in self.identities.iter().enumerate() {
            all.push(Secret::new(format!("the identity of operator {}", place + 1), identity.expose().as_ref(), &[]));
        }
        all.extend(std::mem::take(&mut self.secrets).into_values());
        (self.folder, all)
    }
}

/// Asks everything of every server, right and wrong, and keeps the answers.
fn capture_http(network: &Network) {
    let key = &network.status().unwrap()["keys"][0]["id"];
    let key = key.as_str().unwrap();
    let mut answers = File::create(network.path("http-answers")).unwrap();
    let mut keep = |response: http::Response| answers.write_all(&response.bytes).unwrap();
    for path in ["/board/head", "/board/governance", "/board/blocks?from=1&limit=256", "/metrics", "/version", "/ready"]
    {
        keep(http::get(network, 0, path));
    }
    post_nonsense(network, 0, "/board/records", &mut keep);
    for number in 1..=PLAN.n {
        for (method, path) in ROUTES {
            match *method {
                "get" => keep(http::get(network, number, path)),
                _ => post_nonsense(network, number, path, &mut keep),
            }
        }
        keep(http::get(network, number, &format!("/pubkey?key={key}")));
        let request = format!("{{\"key\":\"{key}\",\"app\":\"open\"}}");
        let signed = http::post(network, number, "/app/sign", "application/json", request.as_bytes());
        assert_eq!(signed.status, 200, "{}", signed.text());
        keep(signed);
        let request = format!("{{\"key\":\"{key}\",\"app\":\"scan\"}}");
        let refused = http::post(network, number, "/app/sign", "application/json", request.as_bytes());
        assert_eq!((refused.status, refused.code().as_str()), (403, "refused"), "{}", refused.text());
        keep(refused);
    }
}

fn post_nonsense(network: &Network, number: usize, path: &str, keep: &mut impl FnMut(http::Response)) {
    let canary = String::from_utf8(IN_REQUESTS.to_vec()).unwrap();
    let bodies = [
        canary.clone(),
        format!("{{\"{canary}\":1}}"),
        format!("{{\"key\":\"{canary}\",\"app\":\"scan\"}}"),
        format!("{{\"key\":\"{canary}"),
        format!("{{\"key\":\"{}\",\"app\":\"scan\",\"owner\":{{\"recipient\":\"{canary}\"}}}}", "11".repeat(32)),
    ];
    for body in bodies {
        for kind in ["application/json", "application/octet-stream"] {
            let answer = http::post(network, number, path, kind, body.as_bytes());
            assert!((400..500).contains(&answer.status), "{path}: {}", answer.text());
            keep(answer);
        }
    }
}

/// Command lines and environments of the servers.
fn capture_processes(network: &Network) {
    for name in [BOARD.to_owned()].into_iter().chain((1..=PLAN.n).map(node)) {
        for what in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{}/{what}", network.pid(&name))).unwrap_or_default();
            fs::write(network.path(format!("{name}.{what}")), bytes).unwrap();
        }
    }
}

fn start_with_wrong_passphrases(network: &Network) {
    network.write("wrong", b"what somebody believed to be the passphrase\n");
    let node = ["node", "run", "--dir", "node1", "--operator-dir", "op1", "--listen", "127.0.0.1:0"];
    let with = ["--network", "network.json", "--passphrase-file", "wrong"];
    network.run(&[&node[..], &with].concat()).fails(3, "wrong_passphrase");
    network
        .run(&[&["board", "serve", "--dir", BOARD, "--listen", "127.0.0.1:0"][..], &with].concat())
        .fails(3, "wrong_passphrase");
}

/// Everything that a network does, with a look at its secrets in between.
fn live(network: &mut Network) -> Haul {
    start_with_wrong_passphrases(network);
    network.start_all();
    let mut haul = Haul::new(network);
    network.submit();
    haul.look_until(network, 1);
    network.wait_for_version(0);
    network.encrypt("scan", "owner");
    network.encrypt("open", "public");
    network.decrypt("scan");
    network.decrypt("open");
    let recover = ["app", "key", "recover", "--network", "network.json", "--app", "scan", "--owner-key", "owner.key"];
    network.run(&[&recover[..], &["--out", "app.key"]].concat()).ok();
    capture_http(network);
    capture_processes(network);
    haul.look_until(network, 3);
    // One ends in the middle of something, the others in order.
    network.kill(&node(1));
    (2..=PLAN.n).for_each(|number| network.stop(&node(number)));
    network.stop(BOARD);
    haul
}

#[test]
fn r14_no_secret_is_in_any_log_database_answer_or_output() {
    let mut network = Network::new(PLAN);
    let (copies, secrets) = live(&mut network).secrets(&network);
    let (share, count) =
        (secrets.iter().find(|secret| secret.name.starts_with("share")).unwrap().clone(), secrets.len());
    let scanner = Scanner::new(secrets);
    let (mut found, bytes) = scanner.look_below(&network.path(""));
    let (in_copies, more) = scanner.look_below(copies.path());
    found.extend(in_copies);
    eprintln!("{count} secrets, {} bytes", bytes + more);
    assert!(found.is_empty(), "{found:#?}");

    check_the_search(&network, &scanner, &share);
}

/// The logs are of everything, what is public is found wherever it is, and so is a secret that somebody prints.
fn check_the_search(network: &Network, scanner: &Scanner, share: &Secret) {
    let log = network.logged("node2");
    assert!(log.contains(" TRACE ") && log.contains("h2::") && log.contains("quorumkeep"), "not a log of everything");
    let public = Scanner::new(vec![Secret::new("group key", &group_key(network), &[])]);
    let (found, _) = public.look_below(&network.path(""));
    for (place, kind) in [("node2/node.sqlite", "raw"), ("http-answers", "hex"), ("commands.log", "hex")] {
        let is_there = found.iter().any(|found| found.file.ends_with(place) && found.kind == kind);
        assert!(is_there, "{kind} in {place}: {found:?}");
    }
    let mut file = File::options().append(true).open(network.log("node2")).unwrap();
    writeln!(file, "x = {}", decimal(&share.bytes)).unwrap();
    let (found, _) = scanner.look_below(&network.path(""));
    let planted = found.iter().all(|found| found.secret == share.name && found.kind == "decimal");
    assert!(planted && !found.is_empty(), "{found:?}");
}

#[test]
fn the_search_finds_every_form_of_a_canary() {
    let canary: Vec<u8> = (0..32u8).map(|byte| byte.wrapping_mul(73).wrapping_add(201)).collect();
    let scanner = Scanner::new(vec![Secret::new("canary", &canary, &["home"])]);
    let reversed: Vec<u8> = canary.iter().rev().copied().collect();
    for bytes in [&canary, &reversed] {
        let behind = |before: usize| {
            use base64::Engine as _;
            let padded = [&vec![9; before][..], bytes, &[9; 5]].concat();
            base64::engine::general_purpose::STANDARD.encode(padded).into_bytes()
        };
        let planted = [
            ("raw", bytes.to_vec()),
            ("hex", hex::encode(bytes).into_bytes()),
            ("HEX", hex::encode_upper(bytes).into_bytes()),
            ("list", format!("{bytes:?}").into_bytes()),
            ("decimal", decimal(bytes).into_bytes()),
            ("base64", behind(0)),
            ("base64", behind(1)),
            ("base64", behind(2)),
        ];
        for (kind, text) in planted {
            let log = [b"2026-01-01 INFO share=", &text[..], b" done\n"].concat();
            let found = scanner.look(Path::new("node.log"), &log);
            assert!(found.iter().any(|found| found.kind == kind), "{kind}: {found:?}");
            assert!(scanner.look(Path::new("home"), &log).is_empty());
        }
    }
    let half = format!("share = {}...", hex::encode(&canary[..16]));
    assert!(!scanner.look(Path::new("node.log"), half.as_bytes()).is_empty(), "half of it is found, too");
    let other = canary.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    assert!(scanner.look(Path::new("node.log"), &other).is_empty());
    assert_eq!(decimal(&[1, 0, 0]), "65536");
}

/// A number as it lies in memory while it is computed with: Montgomery's form, `x * 2^256`.
fn in_memory(bytes: &[u8]) -> Vec<u8> {
    let share = Scalar::from_be_bytes(&bytes.try_into().unwrap()).unwrap();
    (0..256).fold(share, |x, _| x + x).to_be_bytes().to_vec()
}

/// What these nodes have in memory that can be written to: heap, stacks, data.
fn memory(network: &Network, number: usize) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let process = PathBuf::from(format!("/proc/{}", network.pid(&node(number))));
    let memory = File::open(process.join("mem")).unwrap();
    let mut all = Vec::new();
    for line in fs::read_to_string(process.join("maps")).unwrap().lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).unwrap());
        let mut region = vec![0; usize::try_from(to - from).unwrap()];
        // A stack may shrink, and a region may go, while this looks.
        if memory.read_exact_at(&mut region, from).is_ok() {
            all.extend(region);
        }
    }
    all
}

/// Shares, seeds and receive keys among these secrets, as they are and as they lie in memory.
fn computed_with<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Vec<Secret> {
    let both = |secret: &Secret| {
        let is_number = !secret.name.starts_with("seed");
        let other = is_number.then(|| Secret::new(secret.name.clone(), &in_memory(&secret.bytes), &[]));
        [Some(secret.clone()), other].into_iter().flatten()
    };
    secrets.filter(|secret| !secret.name.starts_with("salt")).flat_map(both).collect()
}

/// The shares that a node holds are in its memory; those of versions before them, and the secrets of rounds that are over,
/// are not.
#[test]
fn r14_what_was_deleted_is_in_no_nodes_memory() {
    let mut network = Network::new(Plan { log: "info", ..PLAN });
    network.start_all();
    let mut haul = Haul::new(&network);
    network.submit();
    haul.look_until(&network, 3);
    let height = network.wait("an answer", |_| true)["height"].as_u64().unwrap();
    network.wait_for_version(height + 2 * PLAN.interval);
    let mut now = Haul::new(&network);
    now.look_until(&network, 1);
    let memories: Vec<Vec<u8>> = (1..=PLAN.n).map(|number| memory(&network, number)).collect();
    let look = |secrets: Vec<Secret>| -> Vec<_> {
        let scanner = Scanner::new(secrets);
        let look = |(place, memory): (usize, &Vec<u8>)| scanner.look(Path::new(&node(place + 1)), memory);
        memories.iter().enumerate().flat_map(look).collect()
    };
    // A version that is not settled yet keeps the one before it alive.
    let old = computed_with(haul.secrets.values().filter(|secret| !now.secrets.contains_key(&secret.bytes)));
    assert!(old.iter().any(|secret| secret.name.starts_with("share")));
    let held = computed_with(now.secrets.values().filter(|secret| secret.name.starts_with("share")));
    let sizes: Vec<usize> = memories.iter().map(Vec::len).collect();
    assert!(!look(held).is_empty(), "a share that is held is found in {sizes:?} bytes");
    let found = look(old);
    assert!(found.is_empty(), "{found:#?}");
}
