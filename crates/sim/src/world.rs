//! One network: an orderer, machines, wires, liars and an oracle, all driven by one seeded generator, block by block.

mod views;

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_curves::hash::keccak256_many;
use quorumkeep_curves::rules::{Rule, on};
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::ledger::Event as LedgerEvent;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_node::{Effects, Event, Level, Membership, Node};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::chance::{below, happens, shuffle};
use crate::oracle::Oracle;
use crate::orderer::{Chain, Pending};
use crate::plan::{Act, Faults, Plan};
use crate::report::{Recorder, Report, predict};
use crate::seat::Seat;
use crate::strategies::Strategy;
use crate::{Violation, governance, vouch};

/// How many calm rounds a network gets to recover in.
const CALM_ROUNDS: u64 = 2;

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
    /// How each round ended.
    pub reports: Vec<Report>,
    /// A configuration without anybody of the one before, posted while there was a key to hand on.
    pub replaced_all: Option<Digest>,
    /// Why governed records were refused.
    pub refused: Vec<String>,
    recorder: Recorder,
    mail: Vec<Mail>,
    /// One per act of the plan; not there while it plays.
    strategies: Vec<Option<Box<dyn Strategy>>>,
    /// The act whose strategy plays.
    playing: usize,
}

impl World {
    /// The network of this plan.
    #[must_use]
    pub fn new(plan: Plan, verbose: bool) -> Self {
        quorumkeep_dkg::agree::share();
        let mut rng = ChaCha20Rng::seed_from_u64(plan.seed);
        if verbose {
            println!("{plan}");
        }
        let memory = Arc::default();
        let start = governance::first(&mut rng, &plan, &memory);
        let mut seats: Vec<Seat> = start.identities.iter().map(|identity| Seat::new(*identity, true)).collect();
        for place in plan.liars() {
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
            memory,
            chains: vec![chain],
            seats,
            oracle: Oracle::default(),
            forked_at: None,
            is_astray: false,
            lost_astray: false,
            calm: false,
            tally: Tally::default(),
            verbose,
            reports: Vec::new(),
            replaced_all: None,
            refused: Vec::new(),
            recorder: Recorder::default(),
            mail: Vec::new(),
            strategies: plan.acts.iter().map(|act| Some(act.strategy.make())).collect(),
            playing: 0,
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
        if self.state().is_none() {
            return Violation::of(
                "the first configuration or the permission to generate the key was refused".to_owned(),
            );
        }
        self.calm_down();
        let from = self.height();
        let mut oracle = std::mem::take(&mut self.oracle);
        oracle.calm_begins(self);
        self.oracle = oracle;
        for _ in from..from + interval * (CALM_ROUNDS + 1) + self.plan.window_blocks() {
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
        self.play_all(|strategy, world| strategy.before_block(world));
        let mut all = Vec::new();
        for chain in &mut self.chains {
            let events = chain.advance(&self.orderer, &self.memory, &mut self.rng);
            all.push(
                events.map_err(|alarm| Violation::new(format!("the reader refused the orderer's block: {alarm}")))?,
            );
        }
        self.count(&all[0]);
        self.vouch_dealings(&all[0]);
        self.record(&all[0])?;
        self.judge(|oracle, world| {
            all.iter().enumerate().try_for_each(|(chain, events)| oracle.read_block(world, chain, events))
        })?;
        self.run_seats()?;
        self.play_all(|strategy, world| strategy.after_block(world, &all[0]));
        self.judge(|oracle, world| oracle.after_block(world, &all[0]))?;
        self.leave_trace();
        Ok(())
    }

    fn play_all(&mut self, mut act: impl FnMut(&mut dyn Strategy, &mut Self)) {
        (0..self.strategies.len()).for_each(|number| self.play(number, &mut act));
    }

    fn play(&mut self, number: usize, act: &mut impl FnMut(&mut dyn Strategy, &mut Self)) {
        if let Some(mut strategy) = self.strategies[number].take() {
            self.playing = number;
            act(strategy.as_mut(), self);
            self.strategies[number] = Some(strategy);
        }
    }

    /// The act that plays.
    #[must_use]
    pub fn act(&self) -> &Act {
        &self.plan.acts[self.playing]
    }

    /// The machines of its liars.
    #[must_use]
    pub fn mine(&self) -> Vec<usize> {
        self.act().liars.clone()
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
                LedgerEvent::Refused(_, reason) => self.refused.push(reason.clone()),
                _ => {}
            }
            if self.verbose {
                println!("{:>5} {event:?}", self.height());
            }
        }
        self.tally.rounds = self.tally.activated + self.tally.failed;
    }

    /// What became of the round, and whether that was to be expected.
    fn record(&mut self, events: &[LedgerEvent]) -> Result<(), Violation> {
        let mut recorder = std::mem::take(&mut self.recorder);
        let ended = recorder.read(self, events);
        self.recorder = recorder;
        for report in ended {
            // Without a defence it is the harm that must be found, not the first difference.
            let expected = predict(&self.plan, report.number).filter(|_| !self.calm && Rule::ALL.into_iter().all(on));
            expected.map_or(Ok(()), |expected| report.compare(&expected))?;
            self.reports.push(report);
        }
        Ok(())
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
        let faults = if self.calm { Faults::default() } else { self.plan.faults };
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

    fn is_censored(&mut self, bytes: &[u8]) -> bool {
        let Ok(envelope) = Envelope::decode(bytes) else { return false };
        let mut censored = false;
        self.play_all(|strategy, world| censored |= strategy.censors(world, &envelope));
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
                self.vouch(place, &bytes);
                self.post(place, bytes);
            } else {
                self.post_as_liar(place, bytes);
            }
        }
        if self.plan.faults.peers {
            // One record goes to many.
            for sent in committed.sends.chunk_by(|(_, one), (_, next)| one == next) {
                sent.first().into_iter().for_each(|(_, bytes)| vouch::signature(&self.memory, bytes));
            }
            let due = self.height() + below(&mut self.rng, 3) as u64;
            self.mail.extend(committed.sends.into_iter().map(|(to, bytes)| Mail { due, to, bytes }));
        }
        Ok(())
    }

    fn post_as_liar(&mut self, place: usize, bytes: Vec<u8>) {
        let Ok(envelope) = Envelope::decode(&bytes) else { return };
        let (own_bytes, mut instead) = (bytes.clone(), vec![bytes]);
        let own = self.plan.acts.iter().position(|act| act.liars.contains(&place));
        if let Some(number) = own {
            self.play(number, &mut |strategy, world| {
                if let Some(other) = strategy.replace(world, place, &envelope) {
                    instead = other;
                }
            });
        }
        for bytes in &instead {
            if *bytes == own_bytes { self.vouch(place, bytes) } else { self.vouch_signature(bytes) }
        }
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
