//! One node at a time: before it serves, a node says on the board that it has started, and waits for an objection
//! (protocol.md section 5).
//!
//! ```text
//! start -> read the board to its end -> Start on the board -> ALONE_BLOCKS more blocks without an objection -> serve
//!                |                                                       |
//!        own records that the                              a second copy of this node reads the
//!        disk does not remember: suspended                 Start and objects: halted
//! ```

use std::collections::BTreeMap;

use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::{Digest, KeyId};
use quorumkeep_dkg::records;
use quorumkeep_dkg::start::Start;
use rand_core::CryptoRngCore;

use crate::effects::{Effects, Level};
use crate::node::Node;

/// Blocks that a node waits for an objection after its Start stands on the board. Whoever objects needs one to read the
/// Start and one to be heard; the rest is for slow machines.
pub const ALONE_BLOCKS: u64 = 5;
/// Other copies that are objected to at a time; more are one alarm already.
const OBJECTIONS_MAX: usize = 16;
/// Blocks for which own Starts are remembered: one that is not on the board by then will not come.
const REMEMBERED_BLOCKS: u64 = 100_000;

/// Why a node that has just started gives no partial signature.
pub const STARTING: &str = "it has just started, and waits until the board shows that no second copy of it runs";

/// What this process knows of its own start. Nothing of it outlives the process.
#[derive(Default)]
pub(crate) struct Starting {
    /// Names this process; drawn when it has read the board for the first time.
    instance: Option<Digest>,
    /// The encoded Start.
    record: Vec<u8>,
    /// The height of the block with it.
    seen: Option<u64>,
    /// Nobody objected.
    is_alone: bool,
    /// Objections that are not on the board yet, by the instance that they object to.
    objections: BTreeMap<Digest, Vec<u8>>,
}

impl Node {
    /// Has the board shown that this process is the only one of its node?
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.starting.is_alone
    }

    /// Says that this process has started, and what it objects to, until it stands on the board.
    pub(crate) fn show_start(&mut self, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        if self.ledger.operator_key(self.operator.address()).is_none() {
            return;
        }
        if self.starting.instance.is_none() {
            let mut instance = [0; 32];
            rng.fill_bytes(&mut instance);
            self.starting.instance = Some(Digest(instance));
            self.starting.record = self.make_start(Digest::ZERO, fx);
            self.forget_starts(fx);
        }
        self.post_unless(self.starting.seen.is_some(), self.starting.record.clone(), fx);
        for bytes in self.starting.objections.values().cloned().collect::<Vec<_>>() {
            self.post_unless(false, bytes, fx);
        }
    }

    /// A Start of this process, durable before it leaves, so that a restart knows it for its own.
    fn make_start(&mut self, other: Digest, fx: &mut Effects) -> Vec<u8> {
        let instance = self.starting.instance.unwrap_or_default();
        let (height, body) = (self.head().height, Start { instance, other }.encode());
        let bytes = self.envelope(KeyId::ZERO, height, Digest::ZERO, Kind::Start, body).encode();
        let subject = if other == Digest::ZERO { instance } else { other };
        self.keep_record(KeyId::ZERO, height, Kind::Start, subject, bytes.clone(), fx);
        bytes
    }

    fn forget_starts(&mut self, fx: &mut Effects) {
        let oldest = self.head().height.saturating_sub(REMEMBERED_BLOCKS);
        self.journal.retain(|(key, number, ..), _| *key != KeyId::ZERO || *number >= oldest);
        fx.batch.forget_records.push((KeyId::ZERO, oldest));
    }

    /// Looks for Starts in this node's name.
    pub(crate) fn look_for_starts(&mut self, block: &Block, fx: &mut Effects) {
        for bytes in &block.records {
            let Some(start) = self.own_start(bytes) else { continue };
            let id = record_id(bytes);
            if id == record_id(&self.starting.record) {
                self.starting.seen.get_or_insert(block.height);
            } else if Some(start.instance) == self.starting.instance {
                self.starting.objections.remove(&start.other);
            } else if self.starting.instance == Some(start.other) {
                return self.give_way(fx);
            } else if !self.journal.values().any(|own| record_id(&own.bytes) == id) {
                self.on_other_start(&start, fx);
            }
        }
    }

    /// A well-signed Start in this node's name.
    fn own_start(&self, bytes: &[u8]) -> Option<Start> {
        let envelope = Envelope::decode(bytes).ok()?;
        let header = envelope.header;
        let is_own = header.sender == *self.operator.address() && header.network == *self.ledger.network();
        if !is_own || header.kind != Kind::Start {
            return None;
        }
        let record = records::verify(bytes, envelope, &self.memory, |address| self.ledger.operator_key(address))?;
        Start::decode(&record.envelope().body).ok()
    }

    /// Another process says that it is this node. Before this one has shown itself, that was in the past: its disk is older
    /// than the other's. After that, the other came later and has to go.
    fn on_other_start(&mut self, start: &Start, fx: &mut Effects) {
        if self.starting.seen.is_none() {
            if self.suspension.is_none() {
                let text = "the board has a start of this node that its disk does not remember: the disk was rolled back, or a \
                            copy of it is in use";
                self.suspend(text.to_owned(), fx);
            }
            return;
        }
        let is_new = start.other == Digest::ZERO && !self.starting.objections.contains_key(&start.instance);
        if is_new && self.starting.objections.len() < OBJECTIONS_MAX {
            fx.notice(Level::Alarm, "a second copy of this node has started; this one objects".to_owned());
            let bytes = self.make_start(start.instance, fx);
            self.starting.objections.insert(start.instance, bytes);
        }
    }

    /// The copy that was there before goes on; this one does nothing more. Not remembered: a restart asks again.
    fn give_way(&mut self, fx: &mut Effects) {
        let text = "another copy of this node runs already and has objected: this one stops. Stop one of the two for good; then \
                    start the other again";
        self.halt_for_now(text.to_owned(), false, fx);
    }

    /// After enough blocks without an objection, this process is the node.
    pub(crate) fn wait_for_objections(&mut self) {
        let waited = self.starting.seen.is_some_and(|seen| self.head().height >= seen + ALONE_BLOCKS);
        if waited && !self.starting.is_alone {
            self.starting.is_alone = true;
            self.refresh_serving();
        }
    }
}
