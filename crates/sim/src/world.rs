//! One network: an orderer, machines, wires, liars and an oracle, all driven by one seeded generator, block by block.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_curves::hash::keccak256_many;
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::envelope::{Envelope, Kind as RecordKind, record_id};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::{Event as LedgerEvent, KeyState, Ledger};
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::round::Round;
use quorumkeep_node::{Effects, Event, Level, Membership, Node};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::chance::{below, happens, shuffle};
use crate::oracle::Oracle;
use crate::orderer::{Chain, Pending};
use crate::plan::Plan;
use crate::seat::Seat;
use crate::strategies::{Kind, Strategy};
use crate::{Violation, governance};

/// How many calm rounds a network gets to recover in.
const CALM_ROUNDS: u64 = 2;
/// One of so many signatures that honest nodes made in front of our eyes is verified all the same.
const VERIFIED_ONE_IN: usize = 16;

/// What came of a network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Rounds that ended.
    pub rounds: u64,
    /// With a version.
    pub activated: u64,
    /// Without one.
    pub failed: u64,
    /// Versions that were settled.
    pub settled: u64,
    /// Faults that the board named.
    pub faults: u64,
    /// Crashes.
    pub crashes: u64,
    /// Alarms that nodes raised.
    pub alarms: u64,
    /// A hash of everything that happened.
    pub trace: [u8; 32],
}

/// An envelope between peers, on its way.
struct Mail {
    due: u64,
    to: Address,
    bytes: Vec<u8>,
}

/// One network.
pub struct World {
    /// The seeded generator.
    pub rng: ChaCha20Rng,
    /// What the network looks like.
    pub plan: Plan,
    /// Signs blocks.
    pub orderer: SigningKey,
    /// The network.
    pub network: NetworkId,
    /// Its key.
    pub key: KeyId,
    /// Verified once for all.
    pub memory: Arc<Memory>,
    /// The board; a second one if the orderer lies.
    pub chains: Vec<Chain>,
    /// The machines.
    pub seats: Vec<Seat>,
    /// The judge.
    pub oracle: Oracle,
    /// The height of the first block that is not the same on all chains.
    pub forked_at: Option<u64>,
    /// Do the nodes look at a board that is not the network's?
    pub is_astray: bool,
    /// Did a node lose a share while it looked at such a board?
    pub lost_astray: bool,
    /// Are the faults over?
    pub calm: bool,
    /// Counts.
    pub tally: Tally,
    /// Tell what happens?
    pub verbose: bool,
    mail: Vec<Mail>,
    strategy: Option<Box<dyn Strategy>>,
}

impl World {
    /// The network of this seed.
    pub fn new(seed: u64, strategy: Kind, rounds: u64, verbose: bool) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng, strategy, rounds);
        if verbose {
            println!("seed {seed}: {plan:?}");
        }
        let start = governance::first(&mut rng, &plan);
        let mut places: Vec<usize> = (0..plan.n).collect();
        shuffle(&mut rng, &mut places);
        let mut seats: Vec<Seat> = start.identities.iter().map(|identity| Seat::new(*identity, true)).collect();
        for place in places.into_iter().take(plan.liars) {
            seats[place].honest = false;
        }
        let mut chain = Chain::new(start.network, start.orderer.verifying_key().to_bytes());
        // The order within a block is seeded, and a Genesis before its Config would be refused: two blocks.
        chain.pool = start.records.into_iter().zip(1..).map(|(bytes, due)| Pending { bytes, due }).collect();
        Self {
            rng,
            orderer: start.orderer,
            network: start.network,
            key: start.key,
            memory: Arc::default(),
            chains: vec![chain],
            seats,
            oracle: Oracle::default(),
            forked_at: None,
            is_astray: false,
            lost_astray: false,
            calm: false,
            tally: Tally::default(),
            verbose,
            mail: Vec::new(),
            strategy: Some(strategy.make()),
            plan,
        }
    }

    /// Runs the hostile rounds, then the calm ones.
    ///
    /// # Errors
    /// An invariant does not hold.
    pub fn run(&mut self) -> Result<Tally, Violation> {
        let interval = u64::from(self.plan.interval);
        // The first boundary comes after one interval without a round.
        for _ in 0..=interval * (self.plan.rounds + 1) {
            self.step()?;
        }
        self.calm_down();
        let from = self.height();
        let mut oracle = std::mem::take(&mut self.oracle);
        oracle.calm_begins(self);
        self.oracle = oracle;
        for _ in from..from + interval * (CALM_ROUNDS + 1) + self.plan.windows.total(self.plan.protocol) {
            self.step()?;
        }
        if self.owes_liveness() {
            self.oracle.check_liveness(self)?;
        }
        Ok(self.tally)
    }

    fn calm_down(&mut self) {
        self.calm = true;
        let height = self.height();
        for seat in &mut self.seats {
            (seat.deaf_until, seat.mute_until) = (0, 0);
            seat.up_at = seat.up_at.min(height);
        }
        self.chains.iter_mut().flat_map(|chain| &mut chain.pool).for_each(|pending| pending.due = 0);
    }

    /// One block.
    fn step(&mut self) -> Result<(), Violation> {
        governance::maybe_change(self);
        self.play(|strategy, world| strategy.before_block(world));
        let mut all = Vec::new();
        for chain in &mut self.chains {
            let events = chain.advance(&self.orderer, &self.memory, &mut self.rng);
            all.push(
                events.map_err(|alarm| Violation::new(format!("the reader refused the orderer's block: {alarm}")))?,
            );
        }
        self.count(&all[0]);
        self.judge(|oracle, world| {
            all.iter().enumerate().try_for_each(|(chain, events)| oracle.read_block(world, chain, events))
        })?;
        self.run_seats()?;
        self.play(|strategy, world| strategy.after_block(world, &all[0]));
        self.judge(|oracle, world| oracle.after_block(world, &all[0]))?;
        self.leave_trace();
        Ok(())
    }

    fn play(&mut self, act: impl FnOnce(&mut dyn Strategy, &mut Self)) {
        if let Some(mut strategy) = self.strategy.take() {
            act(strategy.as_mut(), self);
            self.strategy = Some(strategy);
        }
    }

    fn judge(&mut self, act: impl FnOnce(&mut Oracle, &Self) -> Result<(), Violation>) -> Result<(), Violation> {
        let mut oracle = std::mem::take(&mut self.oracle);
        let verdict = act(&mut oracle, self);
        self.oracle = oracle;
        verdict
    }

    fn count(&mut self, events: &[LedgerEvent]) {
        for event in events {
            match event {
                LedgerEvent::Activated(..) => self.tally.activated += 1,
                LedgerEvent::Failed(..) => self.tally.failed += 1,
                LedgerEvent::Settled(..) => self.tally.settled += 1,
                LedgerEvent::Fault(..) => self.tally.faults += 1,
                _ => {}
            }
            if self.verbose {
                println!("{:>5} {event:?}", self.height());
            }
        }
        self.tally.rounds = self.tally.activated + self.tally.failed;
    }

    fn leave_trace(&mut self) {
        let mut hash = self.tally.trace;
        for chain in &self.chains {
            hash = keccak256_many(&[&hash, &chain.ledger.head().hash.0]);
        }
        for seat in &self.seats {
            let height = seat.node.as_ref().map_or(0, |node| node.head().height);
            hash = keccak256_many(&[&hash, &height.to_be_bytes()]);
            for (_, version) in seat.store.disk().versions() {
                hash = keccak256_many(&[&hash, &version.0]);
            }
        }
        self.tally.trace = hash;
    }

    // What strategies and oracle look at.

    /// The height of the honest chain.
    pub fn height(&self) -> u64 {
        self.chains[0].height()
    }

    /// Is the strategy one that leaves the network alive?
    pub fn owes_liveness(&self) -> bool {
        self.plan.strategy.owes_liveness()
    }

    /// What the honest chain says.
    pub fn ledger(&self) -> &Ledger {
        &self.chains[0].ledger
    }

    /// What it says of the key.
    pub fn state(&self) -> Option<&KeyState> {
        self.ledger().keys().get(&self.key)
    }

    /// The running round.
    pub fn round(&self) -> Option<&Round> {
        self.state()?.round.as_ref()
    }

    /// What the running round is about, once its Announce window is closed.
    pub fn info(&self) -> Option<Arc<Info>> {
        Some(self.round()?.transcript()?.info().clone())
    }

    /// The configuration in force.
    pub fn config(&self) -> Option<Arc<Config>> {
        self.ledger().config().cloned()
    }

    /// The machines of liars.
    pub fn liars(&self) -> Vec<usize> {
        (0..self.seats.len()).filter(|place| !self.seats[*place].honest).collect()
    }

    /// The machines of operators without fault.
    pub fn sound(&self) -> Vec<usize> {
        (0..self.seats.len()).filter(|place| self.seats[*place].is_sound()).collect()
    }

    /// The machine of this operator.
    pub fn seat_of(&self, address: &Address) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.address() == *address)
    }

    /// Puts a record in the next block of every chain, whatever the network does.
    pub fn post_now(&mut self, bytes: &[u8]) {
        let due = self.height() + 1;
        for chain in &mut self.chains {
            chain.pool.push(Pending { bytes: bytes.to_vec(), due });
        }
    }

    /// Puts a record on its way to the board, through a network with faults.
    fn post(&mut self, place: usize, bytes: Vec<u8>) {
        let height = self.height();
        let (censored, mute) = (self.is_censored(&bytes), self.seats[place].mute_until > height);
        if censored || mute {
            return;
        }
        let faults = if self.calm { crate::plan::Faults::default() } else { self.plan.faults };
        if happens(&mut self.rng, faults.lose) {
            return;
        }
        let copies = 1 + usize::from(happens(&mut self.rng, faults.repeat));
        for _ in 0..copies {
            let due = height + 1 + below(&mut self.rng, faults.delay + 1) as u64;
            for chain in &mut self.chains {
                chain.pool.push(Pending { bytes: bytes.clone(), due });
            }
        }
    }

    /// What a node's own code signed and proved a moment ago needs no pairing to be believed; some of it is checked all
    /// the same. What a liar made instead is never believed.
    fn vouch(&mut self, bytes: &[u8]) {
        if below(&mut self.rng, VERIFIED_ONE_IN) == 0 {
            return;
        }
        let id = record_id(bytes);
        self.memory.holds(id, Digest::ZERO, || true);
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        if envelope.header.kind == RecordKind::Announce {
            self.memory.announce(id, envelope.header.digest, || Announce::decode(&envelope.body).ok());
        }
    }

    fn is_censored(&mut self, bytes: &[u8]) -> bool {
        let Ok(envelope) = Envelope::decode(bytes) else { return false };
        let mut censored = false;
        self.play(|strategy, world| censored = strategy.censors(world, &envelope));
        censored
    }

    // Machines.

    fn run_seats(&mut self) -> Result<(), Violation> {
        let mut order: Vec<usize> = (0..self.seats.len()).collect();
        shuffle(&mut self.rng, &mut order);
        for place in order {
            self.disturb(place);
            self.wake(place)?;
            self.deliver_blocks(place)?;
        }
        self.deliver_mail()
    }

    fn disturb(&mut self, place: usize) {
        let (height, faults) = (self.height(), self.plan.faults);
        if self.calm {
            return;
        }
        if happens(&mut self.rng, faults.deaf) {
            self.seats[place].deaf_until = height + 1 + below(&mut self.rng, 2 * self.plan.interval as usize) as u64;
        }
        if happens(&mut self.rng, faults.mute) {
            self.seats[place].mute_until = height + 1 + below(&mut self.rng, self.plan.interval as usize) as u64;
        }
    }

    /// Starts the node of a machine that was down for long enough.
    fn wake(&mut self, place: usize) -> Result<(), Violation> {
        let height = self.height();
        let seat = &mut self.seats[place];
        if seat.node.is_some() || seat.up_at > height {
            return Ok(());
        }
        let anchor = self.orderer.verifying_key().to_bytes();
        let membership = Membership { network: self.network, anchor };
        let node = Node::start(seat.who().operator(), membership, seat.store.load(), self.memory.clone());
        seat.node = Some(node.map_err(|error| Violation::new(format!("a node does not start: {error}")))?);
        Ok(())
    }

    fn deliver_blocks(&mut self, place: usize) -> Result<(), Violation> {
        let seat = &self.seats[place];
        let Some(node) = &seat.node else { return Ok(()) };
        if seat.deaf_until > self.height() || node.is_halted() {
            return Ok(());
        }
        let known = node.head().height as usize;
        let blocks: Vec<Block> = self.chains[seat.chain].blocks.get(known..).unwrap_or_default().to_vec();
        let cut = if blocks.len() > 1 { below(&mut self.rng, blocks.len()) } else { 0 };
        let (first, rest) = blocks.split_at(cut);
        if !first.is_empty() {
            self.handle(place, Event::Blocks { blocks: first.to_vec(), caught_up: false })?;
        }
        self.handle(place, Event::Blocks { blocks: rest.to_vec(), caught_up: true })
    }

    fn deliver_mail(&mut self) -> Result<(), Violation> {
        let height = self.height();
        let (due, later) = self.mail.drain(..).partition(|mail| mail.due <= height);
        self.mail = later;
        let due: Vec<Mail> = due;
        for mail in due {
            let Some(place) = self.seats.iter().position(|seat| seat.address() == mail.to) else { continue };
            self.handle(place, Event::Peer(mail.bytes))?;
        }
        Ok(())
    }

    /// One event, one transaction, and then what may leave; or a crash on either side of the transaction.
    pub fn handle(&mut self, place: usize, event: Event) -> Result<(), Violation> {
        let crash = !self.calm && happens(&mut self.rng, self.plan.faults.crash);
        let before = below(&mut self.rng, 2) == 0;
        let seat = &mut self.seats[place];
        let Some(node) = &mut seat.node else { return Ok(()) };
        let mut fx = Effects::default();
        node.handle(event, &mut self.rng, &mut fx);
        if !(crash && before) {
            let committed = fx
                .commit(&mut seat.store)
                .map_err(|error| Violation::new(format!("the store of {} refused a batch: {error}", seat.address())))?;
            if !crash {
                return self.dispatch(place, committed);
            }
        }
        self.crash(place);
        Ok(())
    }

    /// Kills the node of this machine for a while.
    pub fn crash(&mut self, place: usize) {
        let height = self.height();
        self.tally.crashes += 1;
        let longest = self.plan.interval as usize;
        self.seats[place].node = None;
        self.seats[place].up_at = height + 1 + below(&mut self.rng, longest) as u64;
    }

    fn dispatch(&mut self, place: usize, committed: quorumkeep_node::Committed) -> Result<(), Violation> {
        for notice in committed.notices {
            self.tally.alarms += u64::from(notice.level == Level::Alarm);
            if self.verbose && notice.level != Level::Info {
                println!("{:>5}   seat {place}: {:?} {}", self.height(), notice.level, notice.text);
            }
        }
        self.check_disk(place)?;
        for bytes in committed.posts {
            if self.seats[place].honest {
                self.vouch(&bytes);
                self.post(place, bytes);
            } else {
                self.post_as_liar(place, bytes);
            }
        }
        if self.plan.faults.peers {
            let due = self.height() + below(&mut self.rng, 3) as u64;
            self.mail.extend(committed.sends.into_iter().map(|(to, bytes)| Mail { due, to, bytes }));
        }
        Ok(())
    }

    fn post_as_liar(&mut self, place: usize, bytes: Vec<u8>) {
        let Ok(envelope) = Envelope::decode(&bytes) else { return };
        let mut instead = vec![bytes];
        self.play(|strategy, world| {
            if let Some(other) = strategy.replace(world, place, &envelope) {
                instead = other;
            }
        });
        for bytes in instead {
            self.post(place, bytes);
        }
    }

    /// What a node believes to hold is what its disk holds.
    fn check_disk(&self, place: usize) -> Result<(), Violation> {
        let seat = &self.seats[place];
        let Some(node) = &seat.node else { return Ok(()) };
        let disk = seat.store.disk();
        if node.kept_versions().eq(disk.versions()) {
            return Ok(());
        }
        let (memory, disk) = (node.kept_versions().collect::<Vec<_>>(), disk.versions().collect::<Vec<_>>());
        Err(Violation::new(format!("seat {place} believes to hold {memory:?}, its disk holds {disk:?}")))
    }
}
