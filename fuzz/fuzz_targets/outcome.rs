//! A round with three honest operators and one that is the fuzzer's.
//!
//! The first byte chooses the protocol. The rest is a list of actions of 8 bytes: the fuzzer's operator changes, repeats, withholds and doubles what it posts,
//! signed by it; somebody adds bytes that nobody signed, and copies of others' records with bytes changed; the orderer puts
//! records in another order, offers changed blocks first, and leaves records out.
//!
//! What must hold: two ledgers that read the same blocks agree, with and without a memory of other rounds; a changed block is
//! refused and changes nothing; no honest operator is ever blamed; and unless the orderer left something out, the round ends
//! with a version that every honest dealer is part of and whose public shares are those of the honest players' shares.
#![no_main]
#![allow(missing_docs)]

use libfuzzer_sys::fuzz_target;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::config::Protocol;
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ids::{Address, Digest};
use quorumkeep_dkg::ledger::{Event, Ledger};
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::records;
use quorumkeep_dkg::round::Phase;
use quorumkeep_dkg::transcript::outcome;
use quorumkeep_fuzz::input::Input;
use quorumkeep_fuzz::seeds;
use quorumkeep_fuzz::world::{CULPRIT, World};

const ACTIONS_MAX: usize = 24;
/// Bytes that nobody signed, at most so many at a time.
const JUNK_BYTES_MAX: usize = 4;

/// What happens in one phase.
#[derive(Clone, Copy)]
struct Action {
    phase: usize,
    kind: u8,
    which: u8,
    at: usize,
    bytes: [u8; JUNK_BYTES_MAX],
}

const KINDS: u8 = 13;

/// What an input says.
struct Plan {
    pedersen: bool,
    forget: bool,
    actions: Vec<Action>,
}

fn plan(data: &[u8]) -> Plan {
    let mut input = Input::new(data);
    let first = input.byte();
    let mut actions = Vec::new();
    while !input.is_empty() && actions.len() < ACTIONS_MAX {
        let (first, which, at) = (input.byte(), input.byte(), input.word());
        let mut bytes = [0; JUNK_BYTES_MAX];
        bytes.iter_mut().for_each(|byte| *byte = input.byte());
        actions.push(Action { phase: usize::from(first & 7), kind: (first >> 3) % KINDS, which, at, bytes });
    }
    Plan { pedersen: first & 1 != 0, forget: first & 0b1110 == 0, actions }
}

fn flip(bytes: &mut [u8], at: usize, with: [u8; JUNK_BYTES_MAX]) {
    if bytes.is_empty() {
        return;
    }
    let start = at % bytes.len();
    bytes[start..].iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

/// What is posted in a phase.
struct Posts<'a> {
    world: &'a World,
    records: Vec<Vec<u8>>,
    own: Option<Envelope>,
    changed_blocks: Vec<Action>,
    censored: bool,
}

impl Posts<'_> {
    fn act(&mut self, action: Action) {
        let Action { kind, which, at, bytes, .. } = action;
        let count = self.records.len();
        let place = |at: usize| if count == 0 { 0 } else { at % count };
        match kind {
            0..=2 => self.own_body(|body| flip(body, at, bytes)),
            3 => self.own_body(|body| body.truncate(at % (body.len() + 1))),
            4 => self.own_body(|body| body.extend_from_slice(&bytes)),
            5 => self.own_header(action),
            6 => self.own = None,
            7 if count > 0 => self.records.push(self.records[place(at)].clone()),
            8 if count > 0 => {
                let mut copy = self.records[place(usize::from(which))].clone();
                flip(&mut copy, at, bytes);
                self.records.push(copy);
            }
            9 => self.records.push(bytes[..usize::from(which) % (JUNK_BYTES_MAX + 1)].to_vec()),
            10 if count > 0 => self.records.rotate_left(place(at)),
            11 => self.changed_blocks.push(action),
            12 if count > 0 => {
                self.records.remove(place(at));
                self.censored = true;
            }
            _ => self.records.reverse(),
        }
    }

    /// One more record of the fuzzer's operator, beside the one before.
    fn own_body(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let Some(own) = &self.own else { return };
        let mut body = own.body.clone();
        change(&mut body);
        let changed = self.world.signed(CULPRIT, own.header.clone(), body);
        self.replace(changed);
    }

    fn own_header(&mut self, action: Action) {
        let Some(own) = &self.own else { return };
        let mut header = own.header.clone();
        match action.which % 4 {
            0 => flip(&mut header.digest.0, action.at, action.bytes),
            1 => flip(&mut header.key.0, action.at, action.bytes),
            2 => header.round ^= u64::from(action.bytes[0]),
            _ => flip(&mut header.recipient.0, action.at, action.bytes),
        }
        let changed = self.world.signed(CULPRIT, header, own.body.clone());
        self.replace(changed);
    }

    fn replace(&mut self, changed: Envelope) {
        // Every second time both are posted.
        if let Some(before) = self.own.replace(changed)
            && self.records.len() % 2 == 1
        {
            self.records.push(before.encode());
        }
    }
}

/// Two ledgers that read the same.
struct Pair<'a> {
    world: &'a World,
    one: Ledger,
    other: Ledger,
    shared: &'a Memory,
    fresh: Memory,
    forget: bool,
    honest: [Address; CULPRIT],
    blocks: Vec<Block>,
    events: Vec<Event>,
}

impl Pair<'_> {
    fn apply(&mut self, records: Vec<Vec<u8>>, changed: &[Action]) {
        let block = self.world.block(&self.one, records);
        let bytes = block.encode();
        for action in changed {
            let mut bytes = bytes.clone();
            flip(&mut bytes, action.at, action.bytes);
            let Ok(other) = Block::decode(&bytes) else { continue };
            assert_eq!(other.encode(), bytes);
            assert!(other == block || self.one.apply(&other, self.shared).is_err(), "a changed block was believed");
        }
        let again = Block::decode(&bytes).expect("what was encoded is decoded");
        let memory = if self.forget { &self.fresh } else { self.shared };
        let events = self.one.apply(&block, self.shared).expect("the orderer's block");
        let others = self.other.apply(&again, memory).expect("the orderer's block");
        assert_eq!(format!("{events:?}"), format!("{others:?}"), "two ledgers disagree");
        for event in &events {
            if let Event::Fault(address, kind, _) = event {
                assert!(!self.honest.contains(address), "an honest operator is blamed: {kind}");
            }
        }
        self.events.extend(events);
        self.blocks.push(again);
    }

    /// The function that everything is defined by, from nothing but the records.
    fn check_outcome(&self) {
        let Some(transcript) = self.world.round(&self.one).transcript() else { return };
        let memory = if self.forget { &self.fresh } else { self.shared };
        let mut signed = Vec::new();
        for block in &self.blocks {
            for bytes in &block.records {
                let Ok(envelope) = Envelope::decode(bytes) else { continue };
                let record = records::verify(bytes, envelope, memory, |address| self.one.operator_key(address));
                signed.extend(record.map(|record| (block.height, record)));
            }
        }
        let again = outcome(transcript.info().clone(), &signed, transcript.cut(), memory);
        assert_eq!(Some(&again), transcript.outcome(), "the records say something else than the ledger");
    }
}

fn run(world: &World, shared: &Memory, plan: &Plan) {
    let (one, other) = (world.start.clone(), world.start.clone());
    let honest = [0, 1, 2].map(|place| world.address(place));
    let (blocks, events, forget) = (Vec::new(), Vec::new(), plan.forget);
    let mut pair = Pair { world, one, other, shared, fresh: Memory::default(), forget, honest, blocks, events };
    let mut censored = false;
    for phase in world.phases().iter().copied() {
        let (records, own) = (world.honest(phase, &pair.one), world.culprit(phase, &pair.one));
        let mut posts = Posts { world, records, own, changed_blocks: Vec::new(), censored: false };
        plan.actions.iter().filter(|action| action.phase == phase as usize).for_each(|action| posts.act(*action));
        posts.records.extend(posts.own.map(|own| own.encode()));
        censored |= posts.censored;
        pair.apply(posts.records, &posts.changed_blocks);
        if phase == Phase::Confirm {
            pair.check_outcome();
        }
        pair.apply(Vec::new(), &[]);
    }
    check_end(world, &pair, censored);
}

fn check_end(world: &World, pair: &Pair<'_>, censored: bool) {
    let snapshot = pair.one.snapshot();
    assert_eq!(snapshot, pair.other.snapshot(), "two ledgers disagree at the end");
    let restored = Ledger::restore(&snapshot, pair.shared).expect("a snapshot is restored");
    assert_eq!(restored.snapshot(), snapshot);
    assert_eq!(pair.one.head().height, 2 * world.boundary());
    if censored {
        return;
    }
    let state = &pair.one.keys()[&world.key()];
    let output = state.versions.active.as_ref().expect("three honest operators are enough");
    let dealers: Vec<u16> = output.cores().iter().map(|(index, _): &(_, Digest)| index.get()).collect();
    assert!([1, 2, 3].iter().all(|index| dealers.contains(index)), "an honest dealer was left out: {dealers:?}");
    assert!(output.reconstructed().iter().all(|index| index.get() == 4), "an honest dealer's polynomial is public");
    assert!(pair.events.iter().any(|event| matches!(event, Event::Activated(..))));
}

/// One input for each kind of action in each phase of both protocols.
fn inputs() -> Vec<(String, Vec<u8>)> {
    const REMEMBER: u8 = 2;
    let mut inputs = vec![("nothing".to_owned(), vec![0])];
    let phases = ["announce", "deal", "complain", "extract", "reconstruct", "confirm"];
    for (protocol, name) in [(0, "feldman"), (1, "pedersen")] {
        let mut add = |what: &str, actions: &[u8]| {
            inputs.push((format!("{name}_{what}"), [&[REMEMBER | protocol], actions].concat()));
        };
        for (phase, what) in (0..).zip(phases) {
            let all: Vec<u8> = (0..KINDS).flat_map(|kind| [kind << 3 | phase, 1, 0, 60, 0x01, 0x80, 0, 1]).collect();
            add(what, &all);
        }
        add("nothing", &[]);
        // A dealing that its player cannot open: the ciphertexts follow three commitments.
        let place: u16 = if protocol == 0 { 760 } else { 472 };
        let (at, next) = (place.to_be_bytes(), (place + 30).to_be_bytes());
        add("wrong_dealing", &[1, 0, at[0], at[1], 1, 0, 0, 0]);
        add("both_deals", &[1, 0, at[0], at[1], 1, 0, 0, 0, 1, 0, next[0], next[1], 9, 0, 0, 0]);
        add("changed_block", &[88, 0, 0, 3, 1, 0, 0, 0, 89, 0, 1, 200, 7, 0, 0, 0]);
        add("left_out", &[97, 0, 0, 1, 0, 0, 0, 0]);
        // Dealers open nothing: the fuzzer's own, and one that is left out.
        add("nothing_opened", &[51, 0, 0, 0, 0, 0, 0, 0]);
        add("wrong_opening", &[3, 0, 0, 90, 1, 0, 0, 0]);
        add("extract_left_out", &[99, 0, 0, 1, 0, 0, 0, 0]);
    }
    inputs
}

thread_local! {
    static WORLDS: &'static ([World; 2], Memory) = {
        let worlds = [Protocol::Feldman, Protocol::Pedersen].map(World::new);
        Box::leak(Box::new((worlds, Memory::default())))
    };
}

fuzz_target!(
    init: seeds::write("outcome", inputs),
    |data: &[u8]| {
        let ([feldman, pedersen], memory) = WORLDS.with(|worlds| *worlds);
        let plan = plan(data);
        run(if plan.pedersen { pedersen } else { feldman }, memory, &plan);
    }
);
