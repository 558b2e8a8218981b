//! A small network in one process: the node's own code on SQLite, an orderer that puts what was posted in order, and nodes
//! that die at named points and start again from what their disk held at that moment.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bn254;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::app::{App, Format, Policy};
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::config::{
    Authority, Config, Genesis, Member, Protocol, SUITE_BLS12381_G2, Windows, governed_header, sign_governed,
};
use quorumkeep_dkg::confirm::Confirm;
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::ledger::Ledger;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::start::Start;
use quorumkeep_node::evidence::scan;
use quorumkeep_node::failpoints::{Point, watch};
use quorumkeep_node::node::Membership;
use quorumkeep_node::serving::{SignError, SignRequest};
use quorumkeep_node::store::{Loaded, Store, StoreFailed};
use quorumkeep_node::{Effects, Event, Level, Node, Operator};
use quorumkeep_sharing::{Index, Threshold};
use quorumkeep_store::{Binding, SaltFileKek, SqliteStore};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const N: u16 = 3;
const T: u16 = 2;
const WINDOWS: Windows = Windows { announce: 3, deal: 3, complain: 2, confirm: 3 };
pub const APP: &str = "app";

/// Where a process is to die: at the nth passage of a point.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    pub point: Point,
    pub nth: u64,
}

/// The payload of the unwinding that stands for a death.
struct Died;

pub struct Live {
    pub node: Node,
    pub store: Box<dyn Store>,
}

/// One machine.
pub struct Seat {
    secret: bn254::SecretKey,
    pub home: tempfile::TempDir,
    pub live: Option<Live>,
}

impl Seat {
    fn new(secret: bn254::SecretKey, home: tempfile::TempDir) -> Self {
        Self { secret, home, live: None }
    }

    pub fn node(&self) -> &Node {
        &self.live.as_ref().unwrap().node
    }

    pub fn address(&self) -> Address {
        Address::of(&self.secret.public())
    }
}

pub struct Net {
    rng: ChaCha8Rng,
    orderer: SigningKey,
    config: Config,
    id: NetworkId,
    pub key: KeyId,
    memory: Arc<Memory>,
    pub ledger: Ledger,
    pub blocks: Vec<Block>,
    pool: Vec<Vec<u8>>,
    mail: Vec<(Address, Vec<u8>)>,
    pub seats: Vec<Seat>,
    pub alarms: Vec<String>,
    /// Who is to die, and where.
    fate: Option<(usize, Fate)>,
    passed: Rc<Cell<u64>>,
    pub deaths: usize,
    /// Records that the orderer leaves out.
    pub withheld: fn(&Envelope) -> bool,
    /// Records that the orderer puts into the next block, whether they stand on the board or not.
    pub replayed: Vec<Vec<u8>>,
}

/// Copies a folder as it is, with a process of its own: closing a copied file here would end SQLite's locks.
pub fn image(home: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp").arg("-a").arg(home.join(".")).arg(copy.path()).status().unwrap();
    assert!(status.success());
    copy
}

fn member(index: u16, key: &bn254::SecretKey) -> Member {
    let public = key.public();
    let address = Address::of(&public);
    let (possession, socket) = (key.prove_possession(&address.0), format!("127.0.0.1:{}", 9000 + index));
    Member { index: Index::new(index).unwrap(), address, key: public, possession, socket }
}

impl Net {
    /// Three operators, of which two have the key; the records that begin it are on the board.
    pub fn new(seed: u64, protocol: Protocol) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let orderer = SigningKey::generate(&mut rng);
        let keys: Vec<_> = (0..N).map(|_| bn254::SecretKey::random(&mut rng)).collect();
        let config = Config {
            sequence: 0,
            salt: [7; 32],
            previous: Digest::ZERO,
            threshold: Threshold::new(T, N).unwrap(),
            protocol,
            suite: SUITE_BLS12381_G2,
            interval: u32::try_from(WINDOWS.total(protocol)).unwrap() + 1,
            windows: WINDOWS,
            settle_margin: 0,
            finality: 0,
            owners: Vec::new(),
            authority: Authority::Roster,
            orderer: orderer.verifying_key().to_bytes(),
            last_index: N,
            roster: keys.iter().zip(1..).map(|(key, index)| member(index, key)).collect(),
        };
        let id = config.network_id();
        let seats = keys.iter().map(|key| Seat::new(key.copy(), tempfile::tempdir().unwrap())).collect();
        let mut net = Self {
            rng,
            ledger: Ledger::new(id, orderer.verifying_key().to_bytes()),
            orderer,
            id,
            key: KeyId::derive(&id, "main"),
            config,
            memory: Arc::default(),
            blocks: Vec::new(),
            pool: Vec::new(),
            mail: Vec::new(),
            seats,
            alarms: Vec::new(),
            fate: None,
            passed: Rc::default(),
            deaths: 0,
            withheld: |_| false,
            replayed: Vec::new(),
        };
        net.begin(&keys);
        net
    }

    fn begin(&mut self, keys: &[bn254::SecretKey]) {
        for place in 0..self.seats.len() {
            let store =
                SqliteStore::create(&database(&self.seats[place]), self.binding(place), self.kek(place)).unwrap();
            self.start_on(place, store.load().unwrap(), Box::new(store));
        }
        let first = governed(self.id, KeyId::ZERO, Kind::Config, self.config.encode(), keys);
        self.pool.push(first);
        self.step();
        let genesis = Genesis { name: "main".into(), players_min: N };
        self.pool.push(governed(self.id, self.key, Kind::Genesis, genesis.encode(), keys));
    }

    fn binding(&self, place: usize) -> Binding {
        Binding::new(&self.id, &self.seats[place].address())
    }

    fn kek(&self, place: usize) -> Box<SaltFileKek> {
        let seat = &self.seats[place];
        Box::new(SaltFileKek::new(seat.home.path(), seat.secret.expose()))
    }

    /// Opens the database of this machine.
    pub fn open(&self, place: usize) -> SqliteStore {
        SqliteStore::open(&database(&self.seats[place]), self.binding(place), self.kek(place)).unwrap()
    }

    /// Starts the node of this machine on what its store holds.
    pub fn start(&mut self, place: usize) {
        let store = self.open(place);
        let loaded = store.load().unwrap();
        self.check_durable(place, &loaded);
        self.start_on(place, loaded, Box::new(store));
    }

    pub fn start_on(&mut self, place: usize, loaded: Loaded, store: Box<dyn Store>) {
        let operator = Operator::new(self.seats[place].secret.copy());
        let membership = Membership { network: self.id, anchor: self.orderer.verifying_key().to_bytes() };
        let node = Node::start(operator, membership, loaded, self.memory.clone()).unwrap();
        self.seats[place].live = Some(Live { node, store });
    }

    /// A second machine with the identity of `place`, on this folder.
    pub fn add_copy(&mut self, place: usize, home: tempfile::TempDir) -> usize {
        let secret = self.seats[place].secret.copy();
        self.seats.push(Seat::new(secret, home));
        self.seats.len() - 1
    }

    /// From now on, this machine dies where it is its fate, once.
    pub fn doom(&mut self, place: usize, fate: Fate) {
        self.fate = Some((place, fate));
        self.passed.set(0);
    }

    pub fn interval(&self) -> u64 {
        u64::from(self.config.interval)
    }

    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub fn active(&self) -> Option<Arc<Output>> {
        self.ledger.keys().get(&self.key)?.versions.active.clone()
    }

    pub fn active_round(&self) -> u64 {
        self.active().map_or(0, |output| output.round())
    }

    /// One block, read by everybody, and the mail.
    pub fn step(&mut self) {
        self.make_block();
        for place in 0..self.seats.len() {
            self.read_blocks(place, usize::MAX);
        }
        for (to, bytes) in std::mem::take(&mut self.mail) {
            if let Some(place) = self.seats.iter().position(|seat| seat.address() == to) {
                self.handle(place, Event::Peer(bytes));
            }
        }
    }

    /// The blocks of the last rounds: nothing older is posted or asked for.
    fn recent(&self) -> &[Block] {
        let from = self.height().saturating_sub(4 * self.interval());
        &self.blocks[usize::try_from(from).unwrap()..]
    }

    /// As the orderer does it: the same bytes stand on the board once.
    pub fn make_block(&mut self) {
        let pool = std::mem::take(&mut self.pool);
        let mut known: BTreeSet<&Vec<u8>> = self.recent().iter().flat_map(|block| &block.records).collect();
        let is_posted = |bytes: &&Vec<u8>| !(self.withheld)(&Envelope::decode(bytes).unwrap());
        let mut records: Vec<_> = pool.iter().filter(is_posted).filter(|bytes| known.insert(bytes)).cloned().collect();
        records.append(&mut self.replayed);
        let time_ms = 1_700_000_000_000 + self.height();
        let block = Block::sign(&self.id, &self.ledger.head(), time_ms, records, &self.orderer);
        self.ledger.apply(&block, &self.memory).unwrap();
        self.blocks.push(block);
    }

    /// At most `count` of the blocks that this machine has not read.
    pub fn read_blocks(&mut self, place: usize, count: usize) {
        let Some(live) = &self.seats[place].live else { return };
        let known = usize::try_from(live.node.head().height).unwrap();
        let blocks: Vec<Block> = self.blocks.iter().skip(known).take(count).cloned().collect();
        let caught_up = known + blocks.len() == self.blocks.len();
        self.handle(place, Event::Blocks { blocks, caught_up });
    }

    /// One event, one transaction, and then what may leave; all of it up to the point where this machine dies.
    pub fn handle(&mut self, place: usize, event: Event) {
        let snapshot = self.arm(place);
        let Some(live) = &mut self.seats[place].live else { return };
        let (pool, mail, alarms) = (RefCell::new(&mut self.pool), RefCell::new(&mut self.mail), &mut self.alarms);
        let rng = &mut self.rng;
        let done = catch_unwind(AssertUnwindSafe(|| -> Result<(), StoreFailed> {
            let mut effects = Effects::default();
            live.node.handle(event, rng, &mut effects);
            let committed = effects.commit(live.store.as_mut())?;
            let loud = committed.notices.iter().filter(|notice| notice.level == Level::Alarm);
            alarms.extend(loud.map(|notice| format!("{place}: {}", notice.text)));
            committed.release(|bytes| pool.borrow_mut().push(bytes), |to, bytes| mail.borrow_mut().push((to, bytes)));
            Ok(())
        }));
        watch(None);
        match done {
            Ok(Ok(())) => {}
            // The process ends before anything leaves; nobody starts it again here.
            Ok(Err(_)) => self.seats[place].live = None,
            Err(payload) if payload.is::<Died>() => self.bury(place, snapshot.take().unwrap()),
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Watches this machine if it is to die; what its disk held then is in the cell.
    fn arm(&self, place: usize) -> Rc<RefCell<Option<tempfile::TempDir>>> {
        let snapshot = Rc::new(RefCell::new(None));
        let Some((_, fate)) = self.fate.filter(|(victim, _)| *victim == place) else { return snapshot };
        let (cell, passed) = (Rc::clone(&snapshot), Rc::clone(&self.passed));
        let home = self.seats[place].home.path().to_owned();
        watch(Some(Box::new(move |point| {
            passed.set(passed.get() + u64::from(point == fate.point));
            if point == fate.point && passed.get() == fate.nth {
                *cell.borrow_mut() = Some(image(&home));
                resume_unwind(Box::new(Died));
            }
        })));
        snapshot
    }

    /// The process is gone; the disk is what it was at that moment. It starts again at once.
    fn bury(&mut self, place: usize, disk: tempfile::TempDir) {
        self.seats[place].live = None;
        self.seats[place].home = disk;
        self.fate = None;
        self.deaths += 1;
        self.start(place);
    }

    /// The records of this machine's operator on the board, or on their way to it.
    fn records_of(&self, place: usize) -> Vec<(Envelope, &Vec<u8>)> {
        let all = self.recent().iter().flat_map(|block| &block.records).chain(&self.pool);
        let address = self.seats[place].address();
        let own = all.filter_map(|bytes| Some((Envelope::decode(bytes).ok()?, bytes)));
        own.filter(|(envelope, _)| envelope.header.sender == address).collect()
    }

    /// The Starts of this machine's operator that stand on the board.
    pub fn starts_of(&self, place: usize) -> Vec<(Start, Vec<u8>)> {
        let address = self.seats[place].address();
        let own = |bytes: &&Vec<u8>| Envelope::decode(bytes).unwrap().header.sender == address;
        let records = self.blocks.iter().flat_map(|block| &block.records).filter(own);
        records.filter_map(|bytes| Some((Start::of(&Envelope::decode(bytes).unwrap())?, bytes.clone()))).collect()
    }

    /// The height of the block with the last of them.
    pub fn height_of_start(&self, place: usize) -> Option<u64> {
        let (_, last) = self.starts_of(place).pop()?;
        self.blocks.iter().find(|block| block.records.contains(&last)).map(|block| block.height)
    }

    /// An objection by this machine's operator, made now.
    pub fn objection(&self, place: usize, other: Digest) -> Vec<u8> {
        let body = Start { instance: Digest([9; 32]), other }.encode();
        let header = Header {
            network: self.id,
            key: KeyId::ZERO,
            round: self.height(),
            digest: other,
            kind: Kind::Start,
            sender: self.seats[place].address(),
            recipient: Address::ZERO,
        };
        let hash = Digest(keccak256(&body));
        Envelope::signed(header, body, &hash, &self.seats[place].secret).encode()
    }

    /// Whoever reads the board finds nothing that an operator could be blamed for.
    pub fn check_innocent(&self) {
        let found = scan(self.id, &self.blocks).unwrap();
        let proofs: Vec<_> = found.iter().filter(|finding| finding.offence.is_proof()).collect();
        assert!(proofs.is_empty(), "{proofs:?}");
    }

    /// What has left of the running round is on the disk, and behind every Confirm there is its share.
    fn check_durable(&self, place: usize, loaded: &Loaded) {
        let running = self.ledger.keys().get(&self.key).and_then(|state| state.round.as_ref());
        let Some(round) = running.map(|round| round.trigger().round()) else { return };
        for (envelope, bytes) in self.records_of(place) {
            if envelope.header.round != round || envelope.header.kind == Kind::Start {
                continue;
            }
            assert!(
                loaded.records.iter().any(|own| own.bytes == *bytes),
                "{:?} left, and is forgotten",
                envelope.header
            );
            if envelope.header.kind == Kind::Confirm {
                let version = Confirm::decode(&envelope.body).unwrap().version;
                assert!(loaded.shares.iter().any(|row| row.version == version), "confirmed, and no share on the disk");
            }
        }
    }

    /// Nobody said two things of one kind in one round.
    pub fn check_verbatim(&self) {
        for place in 0..self.seats.len() {
            let mut said: BTreeMap<(u64, Kind), &Vec<u8>> = BTreeMap::new();
            for (envelope, bytes) in self.records_of(place) {
                if matches!(envelope.header.kind, Kind::Announce | Kind::Deal | Kind::Extract | Kind::Confirm) {
                    let first = said.entry((envelope.header.round, envelope.header.kind)).or_insert(bytes);
                    assert_eq!(*first, bytes, "{place} said two things: {:?}", envelope.header);
                }
            }
        }
    }

    /// All have read the same, hold the share of the newest version, and can sign with it; nobody raised an alarm.
    pub fn check_converged(&self) {
        let active = self.active().expect("no version is active");
        for seat in &self.seats {
            let node = seat.node();
            assert_eq!(node.head(), self.ledger.head());
            let own = node.ledger().keys()[&self.key].versions.active.clone().unwrap();
            assert_eq!(own.id(), active.id(), "two results of one round");
            let share = node.share(&self.key, &active.id()).expect("the share of the newest version is not held");
            assert_eq!(share.mul_g2(), active.share_of(&seat.address()).unwrap().point);
            assert!(node.serving().is_ready(), "{:?}", node.serving().suspended);
        }
        assert_eq!(self.alarms, Vec::<String>::new());
        self.check_innocent();
        self.check_verbatim();
    }

    pub fn run(&mut self, blocks: u64) {
        (0..blocks).for_each(|_| self.step());
    }

    /// Blocks until a version of a round after `round` is active.
    pub fn run_until_active_after(&mut self, round: u64) {
        let last = self.height() + 4 * self.interval();
        while self.active_round() <= round {
            assert!(self.height() < last, "no version of a round after {round} becomes active");
            self.step();
        }
    }

    /// Registers an application that everybody may have partial signatures for.
    pub fn register(&mut self) {
        let owner = SigningKey::generate(&mut self.rng);
        let app = App::sign(&self.id, &self.key, (APP, 1), (Format::Age, Policy::Public), &owner, None);
        self.handle(0, Event::Register(self.key, app.encode()));
        self.run(2);
    }

    /// Asks for a partial signature: for the newest version, and for every version that this machine keeps.
    pub fn signs(&self, place: usize) -> Result<(), SignError> {
        let node = self.seats[place].node();
        let kept = node.kept_versions().map(|(_, version)| Some(*version));
        let mut last = Err(SignError::NoActiveVersion);
        for version in kept.chain([None]) {
            let request = SignRequest { key: self.key, app: APP.into(), version, owner: None };
            last = node.serving().sign(&request, 0).map(drop);
            if last.is_ok() {
                break;
            }
        }
        last
    }
}

fn database(seat: &Seat) -> std::path::PathBuf {
    seat.home.path().join("node.sqlite")
}

fn governed(network: NetworkId, key: KeyId, kind: Kind, body: Vec<u8>, keys: &[bn254::SecretKey]) -> Vec<u8> {
    let mut envelope = Envelope { header: governed_header(network, key, kind), body, signatures: Vec::new() };
    keys.iter().for_each(|key| sign_governed(&mut envelope, key));
    envelope.encode()
}
