//! The node's state machine: blocks, messages and requests in, effects out.
//!
//! | event | leads to |
//! |---|---|
//! | blocks | the ledger moves on; shares are computed, kept and forgotten; own records are due (`duties`) |
//! | a peer's message | a deal is checked early; a receipt goes back. Nothing in an outcome depends on it |
//! | a request with a nonce | the nonce is used up, then the partial signature leaves |
//!
//! Restart: the ledger is restored from its snapshot and the stored blocks above it, without effects, because the effects
//! of every stored block were committed in one transaction with it. What is due is derived from the ledger each time
//! ("is my record on the board?"), so nothing has to be resumed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::rules;
use quorumkeep_dkg::block::{Block, BlockRef};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use quorumkeep_dkg::ledger::Ledger;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_dkg::{announce::Announce, records};
use rand_core::CryptoRngCore;

use crate::effects::{Effects, Level};
use crate::operator::Operator;
use crate::peer::Receipt;
use crate::serving::{Admitted, ServedVersion, Serving};
use crate::starting::Starting;
use crate::store::{Loaded, OwnRecord, Suspension};

/// What names an own record: key, round, kind, subject.
pub(crate) type Subject = (KeyId, u64, Kind, Digest);

/// Something that the node has to deal with.
pub enum Event {
    /// The next blocks of the board, ascending. `caught_up`: there are no more at present, so it makes sense to act.
    Blocks {
        /// The blocks.
        blocks: Vec<Block>,
        /// Is the last of them the board's head?
        caught_up: bool,
    },
    /// The board's head is below or beside what this node has seen.
    BoardLost(String),
    /// An envelope from a peer.
    Peer(Vec<u8>),
    /// A request whose nonce must be made durable before the answer leaves.
    Admitted(Box<Admitted>),
    /// An App record's body to carry to the board.
    Register(KeyId, Vec<u8>),
    /// An encoded record of somebody else's to carry to the board as it is.
    Carry(Vec<u8>),
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The stored ledger or blocks cannot be read.
    #[error("the stored board is damaged at height {0}; restore the database, or start over with an empty one")]
    Damaged(u64),
    /// A stored secret is not what its row says.
    #[error("a stored secret of round {0} is damaged")]
    Secret(u64),
    /// The database belongs to another network.
    #[error("the database belongs to network {0}")]
    ForeignNetwork(NetworkId),
}

/// The network that a node belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Membership {
    /// The one value from outside.
    pub network: NetworkId,
    /// The first orderer's Ed25519 key, which the network id covers.
    pub anchor: [u8; 32],
}

/// A share that is kept.
pub(crate) struct Kept {
    pub(crate) share: SecretScalar,
    /// The boundary height of the version's round.
    pub(crate) round: u64,
    /// Made by this process, which compared it with its public share then; not what came from a disk.
    pub(crate) fits: bool,
}

/// One node.
pub struct Node {
    pub(crate) operator: Arc<Operator>,
    pub(crate) ledger: Ledger,
    pub(crate) memory: Arc<Memory>,
    pub(crate) secrets: BTreeMap<(KeyId, u64), RoundSecrets>,
    pub(crate) journal: BTreeMap<Subject, OwnRecord>,
    pub(crate) posted: BTreeMap<Digest, u64>,
    pub(crate) shares: BTreeMap<(KeyId, VersionId), Kept>,
    pub(crate) pins: BTreeMap<KeyId, [u8; 96]>,
    pub(crate) suspension: Option<Suspension>,
    pub(crate) acks: BTreeMap<(KeyId, u64), BTreeMap<Address, Receipt>>,
    /// Dealers whose deal of the running round came peer to peer: the first of each is looked at.
    pub(crate) early: BTreeSet<(KeyId, u64, Address)>,
    /// The key and round whose Announce window was judged unfit for this node, so that the alarm sounds once.
    pub(crate) sat_out: Option<(KeyId, u64)>,
    pub(crate) starting: Starting,
    serving: Arc<Serving>,
}

impl Node {
    /// A node with what its store has.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        operator: Operator,
        membership: Membership,
        loaded: Loaded,
        memory: Arc<Memory>,
    ) -> Result<Self, StartError> {
        let ledger = restore_ledger(membership, &loaded, &memory)?;
        let operator = Arc::new(operator);
        let mut secrets = BTreeMap::new();
        for row in &loaded.round_secrets {
            let secret = RoundSecrets::from_bytes(&row.bytes).map_err(|_| StartError::Secret(row.round))?;
            secrets.insert((row.key, row.round), secret);
        }
        let journal = loaded.records.into_iter();
        let journal = journal.map(|record| ((record.key, record.round, record.kind, record.subject), record)).collect();
        let shares = loaded.shares.into_iter();
        let shares = shares
            .map(|row| ((row.key, row.version), Kept { share: row.share, round: row.round, fits: false }))
            .collect();
        let serving = Arc::new(Serving {
            network: membership.network,
            operator: operator.clone(),
            versions: BTreeMap::new(),
            active: BTreeMap::new(),
            apps: Arc::default(),
            // Replaced below, before anybody can ask.
            suspended: Some("starting".to_owned()),
        });
        let mut node = Self {
            operator,
            ledger,
            memory,
            secrets,
            journal,
            posted: BTreeMap::new(),
            shares,
            pins: loaded.pins.into_iter().collect(),
            suspension: loaded.suspension,
            acks: BTreeMap::new(),
            early: BTreeSet::new(),
            sat_out: None,
            starting: Starting::default(),
            serving,
        };
        node.refresh_serving();
        Ok(node)
    }

    /// Who this node is.
    #[must_use]
    pub fn operator(&self) -> &Arc<Operator> {
        &self.operator
    }

    /// What the board says, as far as it was read.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The last block read.
    #[must_use]
    pub fn head(&self) -> BlockRef {
        self.ledger.head()
    }

    /// What the node can sign with at present.
    #[must_use]
    pub fn serving(&self) -> Arc<Serving> {
        self.serving.clone()
    }

    /// Why the node does not serve, if it does not.
    #[must_use]
    pub fn suspension(&self) -> Option<&Suspension> {
        self.suspension.as_ref()
    }

    /// Has the node stopped for good, until a person has looked?
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.suspension.as_ref().is_some_and(|suspension| suspension.halted)
    }

    /// The share of a version that this node keeps. For the simulator's oracle.
    #[must_use]
    pub fn share(&self, key: &KeyId, version: &VersionId) -> Option<&SecretScalar> {
        self.shares.get(&(*key, *version)).map(|kept| &kept.share)
    }

    /// The versions whose shares this node keeps.
    pub fn kept_versions(&self) -> impl Iterator<Item = &(KeyId, VersionId)> {
        self.shares.keys()
    }

    /// The secrets of a round, while it runs. For the simulator's liars, who know their own.
    #[must_use]
    pub fn round_secrets(&self, key: &KeyId, round: u64) -> Option<&RoundSecrets> {
        self.secrets.get(&(*key, round))
    }

    /// How many receipts this node has for its own deal of a round.
    #[must_use]
    pub fn receipts(&self, key: &KeyId, round: u64) -> usize {
        self.acks.get(&(*key, round)).map_or(0, BTreeMap::len)
    }

    /// Handles one event. What follows is in `fx` and happens when it is committed.
    pub fn handle(&mut self, event: Event, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        match event {
            Event::Admitted(admitted) => {
                fx.batch.nonces.extend(admitted.nonce);
                fx.answer = Some(admitted.into_partial());
            }
            _ if self.is_halted() => {}
            Event::Blocks { blocks, caught_up } => self.on_blocks(&blocks, caught_up, rng, fx),
            Event::BoardLost(reason) => self.leave_board(reason, fx),
            Event::Peer(bytes) => self.on_peer(&bytes, fx),
            Event::Register(key, body) => fx.posts.push(self.envelope(key, 0, Digest::ZERO, Kind::App, body).encode()),
            Event::Carry(bytes) => fx.posts.push(bytes),
        }
        self.settle_deletions(fx);
    }

    /// A batch adds before it deletes: what it keeps of a key is what is left when the event has been handled.
    fn settle_deletions(&self, fx: &mut Effects) {
        fx.batch.keep_shares.dedup_by_key(|(key, _)| *key);
        for (key, keep) in &mut fx.batch.keep_shares {
            *keep = self.shares.keys().filter(|(own, _)| own == key).map(|(_, version)| *version).collect();
        }
    }

    fn on_blocks(&mut self, blocks: &[Block], caught_up: bool, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        for block in blocks {
            if block.height <= self.head().height {
                continue;
            }
            self.look_for_own_records(block, fx);
            if self.is_halted() {
                return;
            }
            let events = match self.ledger.apply(block, &self.memory) {
                Ok(events) => events,
                Err(alarm) => return self.leave_board(alarm.to_string(), fx),
            };
            fx.batch.blocks.push((block.height, block.encode()));
            for event in &events {
                self.on_ledger_event(event, block.time_ms, rng, fx);
                if self.is_halted() {
                    return;
                }
            }
            if !events.is_empty() {
                self.after_events(fx);
            }
        }
        self.wait_for_objections();
        if caught_up {
            self.show_start(rng, fx);
            self.do_duties(rng, fx);
        }
    }

    fn after_events(&mut self, fx: &mut Effects) {
        if self.ledger.is_at_rest() {
            fx.batch.snapshot = Some((self.head().height, self.ledger.snapshot()));
        }
        self.refresh_serving();
    }

    /// An own record on the board that this node does not remember: its disk was rolled back, it has a twin, or its
    /// identity was stolen (protocol.md section 5).
    fn look_for_own_records(&mut self, block: &Block, fx: &mut Effects) {
        if !rules::on(rules::Rule::OwnRecords) {
            return;
        }
        self.look_for_starts(block, fx);
        for bytes in &block.records {
            let Some((header, body)) = self.foreign_own_record(bytes) else { continue };
            let proves = header == Kind::Announce && Announce::decode(&body).is_ok_and(|a| !a.held.is_empty());
            if header != Kind::Announce || proves {
                self.suspend(
                    "the board has a record of this node that this node does not remember: its disk was rolled back, or \
                     it runs twice"
                        .to_owned(),
                    fx,
                );
            } else {
                let text = "somebody announced in this node's name; its identity key may be stolen".to_owned();
                fx.notice(Level::Alarm, text);
            }
        }
    }

    fn foreign_own_record(&self, bytes: &[u8]) -> Option<(Kind, Vec<u8>)> {
        let envelope = Envelope::decode(bytes).ok()?;
        let header = envelope.header;
        if header.sender != *self.operator.address() || header.network != *self.ledger.network() {
            return None;
        }
        let running = self.ledger.keys().get(&header.key)?.round.as_ref()?;
        if running.trigger().round() != header.round || !is_of_round(header.kind) {
            return None;
        }
        if self.journal.values().any(|own| own.bytes == bytes) {
            return None;
        }
        let record = records::verify(bytes, envelope, &self.memory, |address| self.ledger.operator_key(address))?;
        Some((header.kind, record.envelope().body.clone()))
    }

    pub(crate) fn suspend(&mut self, reason: String, fx: &mut Effects) {
        let newest = self.ledger.keys().values().filter_map(|state| state.round.as_ref());
        let until_round_after = newest.map(|round| round.trigger().round()).max().unwrap_or(self.head().height);
        fx.notice(Level::Alarm, reason.clone());
        let suspension = Suspension { reason, halted: false, until_round_after, serves: false };
        self.suspension = Some(suspension.clone());
        fx.batch.suspension = Some(Some(suspension));
        self.refresh_serving();
    }

    /// Stops for good: this node's view is not the others'. Remembered over a restart.
    pub(crate) fn halt(&mut self, reason: String, fx: &mut Effects) {
        fx.notice(Level::Alarm, reason.clone());
        let suspension = Suspension { reason, halted: true, until_round_after: 0, serves: false };
        self.suspension = Some(suspension.clone());
        fx.batch.suspension = Some(Some(suspension));
        fx.posts.clear();
        self.refresh_serving();
    }

    /// Has no more to do with this board, and goes on signing with what it holds: whoever runs the orderer must not be
    /// able to stop that. A restart looks at the board again.
    fn leave_board(&mut self, reason: String, fx: &mut Effects) {
        // What must not be served for another reason is not served now.
        let serves = self.suspension.as_ref().is_none_or(|suspension| suspension.serves);
        self.halt_for_now(reason, serves, fx);
    }

    /// Does nothing more until it is started again.
    pub(crate) fn halt_for_now(&mut self, reason: String, serves: bool, fx: &mut Effects) {
        fx.notice(Level::Alarm, reason.clone());
        self.suspension = Some(Suspension { reason, halted: true, until_round_after: 0, serves });
        fx.posts.clear();
        self.refresh_serving();
    }

    pub(crate) fn refresh_serving(&mut self) {
        let mut versions = BTreeMap::new();
        let mut active = BTreeMap::new();
        for (key, state) in self.ledger.keys() {
            active.extend(state.versions.active.iter().map(|output| (*key, output.clone())));
            for output in state.versions.kept() {
                let id = output.id();
                // Checked against Y_j once; a share that was served before was checked then.
                let served = match self.serving.versions.get(&id) {
                    Some(served) => Some(served.clone()),
                    None => self.shares.get(&(*key, id)).and_then(|kept| {
                        let make = if kept.fits { ServedVersion::of_fitting } else { ServedVersion::new };
                        make(output, self.operator.address(), kept.share.copy()).map(Arc::new)
                    }),
                };
                versions.extend(served.map(|served| (id, served)));
            }
        }
        let apps = if *self.serving.apps == *self.ledger.apps() {
            self.serving.apps.clone()
        } else {
            Arc::new(self.ledger.apps().clone())
        };
        self.serving = Arc::new(Serving {
            network: *self.ledger.network(),
            operator: self.operator.clone(),
            versions,
            active,
            apps,
            suspended: self.not_serving(),
        });
    }
}

impl Node {
    /// Why no partial signature leaves: a suspension, or a start that the board has not seen yet.
    fn not_serving(&self) -> Option<String> {
        match &self.suspension {
            Some(suspension) if !suspension.serves => Some(suspension.reason.clone()),
            _ if !rules::on(rules::Rule::OwnRecords) => None,
            _ => self.starting().map(|starting| starting.to_string()),
        }
    }
}

fn is_of_round(kind: Kind) -> bool {
    kind == Kind::Announce || kind.is_of_transcript()
}

fn restore_ledger(membership: Membership, loaded: &Loaded, memory: &Memory) -> Result<Ledger, StartError> {
    let mut ledger = match &loaded.snapshot {
        Some((height, bytes)) => Ledger::restore(bytes, memory).map_err(|_| StartError::Damaged(*height))?,
        None => Ledger::new(membership.network, membership.anchor),
    };
    if *ledger.network() != membership.network {
        return Err(StartError::ForeignNetwork(*ledger.network()));
    }
    for bytes in &loaded.blocks {
        let damaged = StartError::Damaged(ledger.head().height + 1);
        let Ok(block) = Block::decode(bytes) else { return Err(damaged) };
        if ledger.apply(&block, memory).is_err() {
            return Err(damaged);
        }
    }
    Ok(ledger)
}
