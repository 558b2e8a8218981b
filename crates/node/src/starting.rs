//! One node at a time: before it serves, a node says on the board that it has started, and waits for an objection
//! (protocol.md section 5).
//!
//! ```text
//! start -> read the board to its end -> Start on the board -> ALONE_BLOCKS more blocks without an objection -> serve
//!                |                                                       |
//!        own records that the                              a second copy of this node reads the
//!        disk does not remember: suspended                 Start and objects: halted
//! ```
//!
//! Which of two copies goes on is decided by the board alone, and both read it: the one that was there, if its objection
//! stands on the board within [`ALONE_BLOCKS`] of the other's Start; else the other, which serves from then on.

use std::collections::BTreeMap;

use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::{Digest, KeyId};
use quorumkeep_dkg::records;
use quorumkeep_dkg::start::{START_BLOCKS, Start, counts_at};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};

use crate::effects::{Effects, Level};
use crate::node::Node;

/// Blocks that a node waits for an objection after its Start stands on the board. Whoever objects needs one to read the
/// Start and one to be heard; the rest is for slow machines.
pub const ALONE_BLOCKS: u64 = 5;
/// Other copies that are objected to at a time; more are one alarm already.
const OBJECTIONS_MAX: usize = 16;

/// What this process knows of its own start. Nothing of it outlives the process.
#[derive(Default)]
pub(crate) struct Starting {
    /// Names this process; drawn when it has read the board for the first time.
    instance: Option<Digest>,
    /// The encoded Start, and the height that it names.
    record: (Vec<u8>, u64),
    /// The height of the block with it.
    seen: Option<u64>,
    /// Nobody objected.
    is_alone: bool,
    /// Objections that are not on the board yet, by the instance that they object to.
    objections: BTreeMap<Digest, Objection>,
    /// No configuration that was read names this operator.
    is_stranger: bool,
}

struct Objection {
    /// The height of the block with the other copy's Start.
    heard: u64,
    bytes: Vec<u8>,
}

/// What a node that has just started waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// The end of the board.
    Board,
    /// A configuration that names this operator.
    Roster,
    /// A block with this node's Start.
    Start,
    /// Blocks without an objection.
    Objections,
}

/// How far a node that has just started has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartingStatus {
    /// What it waits for.
    pub waits_for: Waiting,
    /// The height of the block with its Start, once there is one.
    pub start_height: Option<u64>,
    /// Blocks that have to come before it serves; at least, as long as its Start is not on the board.
    pub blocks_missing: u64,
}

impl core::fmt::Display for StartingStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let missing = self.blocks_missing;
        match (self.waits_for, self.start_height) {
            (Waiting::Board, _) => f.write_str("starting: it has not read the board to its end"),
            (Waiting::Roster, _) => f.write_str("starting: no configuration that it has read names this operator"),
            (_, None) => {
                write!(f, "starting: waiting for its Start to stand on the board, and {ALONE_BLOCKS} blocks after it")
            }
            (_, Some(height)) => {
                write!(
                    f,
                    "starting: waiting after its Start at height {height}, {missing} of {ALONE_BLOCKS} blocks are missing"
                )
            }
        }
    }
}

impl Node {
    /// Has the board shown that this process is the only one of its node?
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.starting.is_alone
    }

    /// How far this process has come, until [`Self::is_alone`].
    #[must_use]
    pub fn starting(&self) -> Option<StartingStatus> {
        if self.starting.is_alone {
            return None;
        }
        let waits_for = match (self.starting.instance, self.starting.seen) {
            (_, Some(_)) => Waiting::Objections,
            (Some(_), None) => Waiting::Start,
            (None, None) if self.starting.is_stranger => Waiting::Roster,
            (None, None) => Waiting::Board,
        };
        let last = self.starting.seen.unwrap_or(self.head().height + 1) + ALONE_BLOCKS;
        let blocks_missing = last.saturating_sub(self.head().height);
        Some(StartingStatus { waits_for, start_height: self.starting.seen, blocks_missing })
    }

    /// Says that this process has started, and what it objects to, until it stands on the board.
    pub(crate) fn show_start(&mut self, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        self.starting.is_stranger = self.ledger.operator_key(self.operator.address()).is_none();
        if self.starting.is_stranger {
            return;
        }
        if self.starting.instance.is_none() {
            let mut instance = [0; 32];
            rng.fill_bytes(&mut instance);
            self.starting.instance = Some(Digest(instance));
            self.forget_starts(fx);
        }
        if self.starting.seen.is_none() {
            self.post_start(fx);
        }
        for bytes in self.starting.objections.values().map(|own| own.bytes.clone()).collect::<Vec<_>>() {
            self.post_unless(false, bytes, fx);
        }
    }

    /// One that the next block could not count any more is made again, with the height of today.
    fn post_start(&mut self, fx: &mut Effects) {
        let (bytes, made) = &self.starting.record;
        if bytes.is_empty() || self.head().height >= made + START_BLOCKS {
            self.starting.record = (self.make_start(Digest::ZERO, fx), self.head().height);
        }
        self.post_unless(false, self.starting.record.0.clone(), fx);
    }

    /// A Start of this process, durable before it leaves, so that a restart knows it for its own.
    fn make_start(&mut self, other: Digest, fx: &mut Effects) -> Vec<u8> {
        let instance = self.starting.instance.unwrap_or_default();
        let (height, body) = (self.head().height, Start { instance, other }.encode());
        let bytes = self.envelope(KeyId::ZERO, height, other, Kind::Start, body).encode();
        let subject = if other == Digest::ZERO { instance } else { other };
        self.keep_record(KeyId::ZERO, height, Kind::Start, subject, bytes.clone(), fx);
        bytes
    }

    /// Own Starts that count in no block which is still to come.
    fn forget_starts(&mut self, fx: &mut Effects) {
        let oldest = self.head().height.saturating_sub(START_BLOCKS);
        self.journal.retain(|(key, number, ..), _| *key != KeyId::ZERO || *number >= oldest);
        fx.batch.forget_records.push((KeyId::ZERO, oldest));
    }

    /// Looks for Starts in this node's name.
    pub(crate) fn look_for_starts(&mut self, block: &Block, fx: &mut Effects) {
        for bytes in &block.records {
            let Some(start) = self.own_start(bytes, block.height) else { continue };
            let id = record_id(bytes);
            self.posted.remove(&id);
            if id == record_id(&self.starting.record.0) {
                self.starting.seen.get_or_insert(block.height);
            } else if Some(start.instance) == self.starting.instance {
                self.starting.objections.remove(&start.other);
            } else if self.starting.instance == Some(start.other) {
                if self.is_in_time(block.height) {
                    return self.give_way(OBJECTED, fx);
                }
            } else if !self.journal.values().any(|own| record_id(&own.bytes) == id) {
                self.on_other_start(&start, block.height, fx);
            }
        }
        if self.starting.objections.values().any(|own| block.height >= own.heard + ALONE_BLOCKS) {
            self.give_way(UNHEARD, fx);
        }
    }

    /// A well-signed Start in this node's name that counts in the block of this height.
    fn own_start(&self, bytes: &[u8], height: u64) -> Option<Start> {
        let envelope = Envelope::decode(bytes).ok()?;
        let header = envelope.header;
        let is_own = header.sender == *self.operator.address() && header.network == *self.ledger.network();
        if !is_own || header.kind != Kind::Start || !counts_at(&header, height) {
            return None;
        }
        let record = records::verify(bytes, envelope, &self.memory, |address| self.ledger.operator_key(address))?;
        Start::of(record.envelope())
    }

    /// An objection that comes after this process has begun to serve is one of a copy that has stopped.
    fn is_in_time(&self, height: u64) -> bool {
        self.starting.seen.is_none_or(|seen| height <= seen + ALONE_BLOCKS)
    }

    /// Another process says that it is this node. Before this one has shown itself, that was in the past: its disk is older
    /// than the other's. After that, the other came later and has to go.
    fn on_other_start(&mut self, start: &Start, height: u64, fx: &mut Effects) {
        if self.starting.seen.is_none() {
            if self.suspension.is_none() {
                self.suspend(UNKNOWN.to_owned(), fx);
            }
            return;
        }
        let is_new = start.is_plain() && !self.starting.objections.contains_key(&start.instance);
        if is_new && self.starting.objections.len() < OBJECTIONS_MAX {
            fx.notice(Level::Alarm, "a second copy of this node has started; this one objects".to_owned());
            let bytes = self.make_start(start.instance, fx);
            self.starting.objections.insert(start.instance, Objection { heard: height, bytes });
        }
    }

    /// The other copy goes on; this one does nothing more. Not remembered: a restart asks again.
    fn give_way(&mut self, why: &str, fx: &mut Effects) {
        let text = format!("{why}: this one stops. Stop one of the two for good, then start the other again");
        self.halt_for_now(text, false, fx);
    }

    /// After enough blocks without an objection, this process is the node.
    pub(crate) fn wait_for_objections(&mut self) {
        if self.starting.is_alone {
            return;
        }
        self.starting.is_alone = self.starting.seen.is_some_and(|seen| self.head().height >= seen + ALONE_BLOCKS);
        self.refresh_serving();
    }
}

/// Why a disk is not trusted.
const UNKNOWN: &str = "the board has a start of this node that its disk does not remember: the disk was rolled back, or a \
                       copy of it is in use";
/// Why a copy gives way that came second.
const OBJECTED: &str = "another copy of this node runs already and has objected";
/// Why a copy gives way that was there first.
const UNHEARD: &str =
    "another copy of this node has started, and the objection of this one did not reach the board in time";
