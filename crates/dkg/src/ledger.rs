//! The board, folded: configurations, keys, applications, the running rounds and what became of them.
//!
//! Every node and every client that reads the same blocks has the same ledger. It knows no secrets, no clock and no
//! local configuration but the network id and the key of the first orderer.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;

use crate::app::App;
use crate::batch;
use crate::block::{Block, BlockRef};
use crate::config::{Config, ConfigError, Genesis, check_governed, governed_header};
use crate::envelope::{Envelope, Kind, record_id};
use crate::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use crate::info::{RoundKind, Trigger};
use crate::limits;
use crate::memory::Memory;
use crate::output::Output;
use crate::records::{self, SignedRecord};
use crate::round::{Operators, Round, Versions};
use crate::transcript::{Failure, FaultKind, Verdict};
use quorumkeep_curves::rules;

/// One key of the network.
#[derive(Clone)]
pub struct KeyState {
    /// Its name and how many players its generation needs.
    pub genesis: Genesis,
    /// The newest active and the newest settled version.
    pub versions: Versions,
    /// When the newest active version became active: height and the orderer's clock.
    pub active_since: (u64, u64),
    /// The running round.
    pub round: Option<Round>,
    /// How the last round ended.
    pub last: Option<(u64, Result<VersionId, Failure>)>,
}

impl KeyState {
    /// The group's public key, once a version is active. It never changes.
    #[must_use]
    pub fn group_key(&self) -> Option<&quorumkeep_curves::bls::G2> {
        self.versions.active.as_ref().map(|output| output.group_key())
    }
}

/// Something that a block changed.
#[derive(Debug, Clone)]
pub enum Event {
    /// A configuration is in force from here on.
    Config(Digest),
    /// A key may be generated.
    Genesis(KeyId),
    /// An application was registered or changed.
    App(KeyId, String),
    /// A round began at this height.
    Opened(KeyId, u64),
    /// The Announce window closed; the transcript has begun, or the round is known to fail.
    Announced(KeyId, u64),
    /// The Deal window closed: time to check dealings and to complain.
    Dealt(KeyId, u64),
    /// The last transcript phase closed: time to compute the share, or there is no result.
    Result(KeyId, u64),
    /// A version became active.
    Activated(KeyId, Arc<Output>),
    /// A version became settled.
    Settled(KeyId, VersionId),
    /// A round ended without a version.
    Failed(KeyId, u64, Failure),
    /// At least `t` players confirmed another version than the one this board gives.
    Disagreement(KeyId, u64, VersionId),
    /// Somebody broke the rules; the record that shows it.
    Fault(Address, FaultKind, Digest),
    /// A governed record or an App record was refused.
    Refused(Kind, String),
}

/// The board is not the one that was seen before, or not the network's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoardAlarm {
    /// A block does not follow the last head seen.
    #[error(
        "block {height} does not follow the head seen at height {seen}: another board, or one that was rolled back"
    )]
    NotOurChain {
        /// The block's height.
        height: u64,
        /// The height of the last head seen.
        seen: u64,
    },
    /// A block's time is no time.
    #[error("block {height} has an impossible time")]
    Time {
        /// The block's height.
        height: u64,
    },
    /// A block is not signed by the network's orderer.
    #[error("block {height} is not signed by the network's orderer")]
    Forged {
        /// The block's height.
        height: u64,
    },
}

/// The year 9999: later times are refused, so that they fit into every database and calendar.
const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// Everything that follows from the blocks read so far.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) network: NetworkId,
    pub(crate) anchor: [u8; 32],
    pub(crate) head: BlockRef,
    pub(crate) configs: Vec<Arc<Config>>,
    pub(crate) config_digest: Digest,
    pub(crate) operators: Operators,
    pub(crate) keys: BTreeMap<KeyId, KeyState>,
    pub(crate) apps: BTreeMap<(KeyId, String), App>,
}

impl Ledger {
    /// The ledger of an empty board. `anchor` is the Ed25519 key of the network's first orderer.
    #[must_use]
    pub fn new(network: NetworkId, anchor: [u8; 32]) -> Self {
        Self {
            network,
            anchor,
            head: BlockRef::origin(&network),
            configs: Vec::new(),
            config_digest: Digest::ZERO,
            operators: BTreeMap::new(),
            keys: BTreeMap::new(),
            apps: BTreeMap::new(),
        }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The last block read.
    #[must_use]
    pub fn head(&self) -> BlockRef {
        self.head
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Option<&Arc<Config>> {
        self.configs.last()
    }

    /// The digest of the configuration in force.
    #[must_use]
    pub fn config_digest(&self) -> Digest {
        self.config_digest
    }

    /// All keys.
    #[must_use]
    pub fn keys(&self) -> &BTreeMap<KeyId, KeyState> {
        &self.keys
    }

    /// All applications.
    #[must_use]
    pub fn apps(&self) -> &BTreeMap<(KeyId, String), App> {
        &self.apps
    }

    /// The BN254 key of everyone who is or was an operator.
    #[must_use]
    pub fn operator_key(&self, address: &Address) -> Option<&quorumkeep_curves::bn254::PublicKey> {
        self.operators.get(address)
    }

    /// The BN254 keys of everyone who is or was an operator.
    #[must_use]
    pub fn operator_keys(&self) -> Vec<(Address, quorumkeep_curves::bn254::PublicKey)> {
        self.operators.iter().map(|(address, key)| (*address, key.clone())).collect()
    }

    /// The Ed25519 key that signs the next block.
    #[must_use]
    pub fn orderer(&self) -> &[u8; 32] {
        self.config().map_or(&self.anchor, |config| &config.orderer)
    }

    /// Reads the next block.
    ///
    /// # Errors
    /// [`BoardAlarm`]: the block does not extend what was seen, or the orderer did not sign it. Nothing changes.
    pub fn apply(&mut self, block: &Block, memory: &Memory) -> Result<Vec<Event>, BoardAlarm> {
        let (height, seen) = (block.height, self.head.height);
        if height != seen + 1 || block.previous != self.head.hash {
            return Err(BoardAlarm::NotOurChain { height, seen });
        }
        if block.time_ms > TIME_MS_MAX {
            return Err(BoardAlarm::Time { height });
        }
        let ids = block.record_ids();
        let reference = BlockRef { height, hash: block.hash_with(&self.network, &ids) };
        let is_signed =
            || VerifyingKey::from_bytes(self.orderer()).is_ok_and(|key| block.is_signed_by(&self.network, &key));
        if !memory.holds(reference.hash, Digest(block_context(block)), is_signed) {
            return Err(BoardAlarm::Forged { height });
        }
        self.head = reference;
        let mut events = Vec::new();
        let records: Vec<(Digest, &[u8])> = ids.into_iter().zip(block.records.iter().map(Vec::as_slice)).collect();
        self.check_deals(height, &records, memory);
        for record in records {
            self.record(record, memory, &mut events);
        }
        self.close_phases(block.time_ms, memory, &mut events);
        self.open_rounds(&mut events);
        Ok(events)
    }

    /// The deals of the block for every open round, together; what is found is remembered.
    fn check_deals(&self, height: u64, records: &[(Digest, &[u8])], memory: &Memory) {
        let rounds = self.keys.values().filter_map(|key| key.round.as_ref()?.transcript());
        for transcript in rounds.filter(|transcript| transcript.takes_deals(height)) {
            // Who dealt in an earlier block has dealt.
            let fresh = |address: &&Address| !transcript.deals().contains_key(*address);
            let key_of = |address: &Address| self.operators.get(Some(address).filter(fresh)?);
            batch::check_deals_of(transcript.info(), records, memory, key_of);
        }
    }

    fn record(&mut self, (id, bytes): (Digest, &[u8]), memory: &Memory, events: &mut Vec<Event>) {
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        if envelope.header.network != self.network {
            return;
        }
        let kind = envelope.header.kind;
        let refused = match kind {
            Kind::Config => self.record_config(&envelope, memory, events).err().map(|error| error.to_string()),
            Kind::Genesis => self.record_genesis(&envelope, memory, events).err().map(|error| error.to_string()),
            _ => {
                let operators = &self.operators;
                let Some(record) = records::verify_known(id, envelope, memory, |address| operators.get(address)) else {
                    return;
                };
                if kind == Kind::App {
                    self.record_app(&record, events).err().map(str::to_owned)
                } else {
                    self.record_round(&record, memory, events);
                    None
                }
            }
        };
        events.extend(refused.map(|reason| Event::Refused(kind, reason)));
    }

    fn record_config(
        &mut self,
        envelope: &Envelope,
        memory: &Memory,
        events: &mut Vec<Event>,
    ) -> Result<(), ConfigError> {
        if envelope.header != governed_header(self.network, KeyId::ZERO, Kind::Config) {
            return Err(ConfigError::Genesis("a Config record has no key, round, digest or recipient"));
        }
        let config = memory.config(&envelope.body)?;
        let digest = config.digest();
        match self.config() {
            None => {
                config.begins(&self.network)?;
                check_config(&config, digest, memory)?;
                check_signers(envelope, (&config, digest), memory)?;
            }
            Some(current) => {
                config.follows(current)?;
                check_config(&config, digest, memory)?;
                check_signers(envelope, (current, self.config_digest), memory)?;
                self.check_holders_stay(&config)?;
            }
        }
        self.config_digest = digest;
        self.operators.extend(config.roster.iter().map(|member| (member.address, member.key.clone())));
        self.configs.push(config);
        events.push(Event::Config(self.config_digest));
        Ok(())
    }

    /// A roster change that leaves fewer than `t_source` possible dealers is refused.
    fn check_holders_stay(&self, config: &Config) -> Result<(), ConfigError> {
        for output in self.keys.values().flat_map(|key| key.versions.kept()) {
            let stay = output.shares().iter().filter(|share| config.member(&share.address).is_some()).count();
            let needed = output.threshold().get();
            if stay < usize::from(needed) {
                return Err(ConfigError::TooFewStay { stay, needed });
            }
        }
        Ok(())
    }

    fn record_genesis(
        &mut self,
        envelope: &Envelope,
        memory: &Memory,
        events: &mut Vec<Event>,
    ) -> Result<(), ConfigError> {
        let config = self.config().ok_or(ConfigError::Genesis("there is no configuration yet"))?;
        check_signers(envelope, (config, self.config_digest), memory)?;
        let genesis = Genesis::decode(&envelope.body)?;
        genesis.check(config)?;
        let key = KeyId::derive(&self.network, &genesis.name);
        if envelope.header != governed_header(self.network, key, Kind::Genesis) {
            return Err(ConfigError::Genesis("a Genesis record names its key, and no round, digest or recipient"));
        }
        if self.keys.contains_key(&key) {
            return Err(ConfigError::Genesis("a key is generated once"));
        }
        if self.keys.len() >= limits::KEYS_MAX {
            return Err(ConfigError::Genesis("the network has as many keys as it can have"));
        }
        let (versions, active_since) = (Versions::default(), (0, 0));
        self.keys.insert(key, KeyState { genesis, versions, active_since, round: None, last: None });
        events.push(Event::Genesis(key));
        Ok(())
    }

    fn record_app(&mut self, record: &SignedRecord, events: &mut Vec<Event>) -> Result<(), &'static str> {
        let key = record.envelope().header.key;
        if !self.keys.contains_key(&key) {
            return Err("there is no such key");
        }
        let app = App::decode(&record.envelope().body).map_err(|_| "the record is malformed")?;
        let id = (key, app.id.clone());
        let before = self.apps.get(&id);
        if before == Some(&app) {
            return Ok(());
        }
        if before.is_none() && self.apps.len() >= limits::APPS_MAX {
            return Err("the network has as many applications as it can have");
        }
        app.check(&self.network, &key, before)?;
        events.push(Event::App(key, app.id.clone()));
        self.apps.insert(id, app);
        Ok(())
    }

    fn record_round(&mut self, record: &SignedRecord, memory: &Memory, events: &mut Vec<Event>) {
        let (height, header) = (self.head.height, &record.envelope().header);
        let Some(state) = self.keys.get_mut(&header.key) else { return };
        let Some(round) = state.round.as_mut().filter(|round| round.trigger().round() == header.round) else { return };
        match round.record(height, record, &state.versions, memory) {
            Verdict::Valid | Verdict::Skip(_) => {}
            Verdict::Fault(kind) => events.push(Event::Fault(header.sender, kind, record.id())),
        }
    }

    fn close_phases(&mut self, time_ms: u64, memory: &Memory, events: &mut Vec<Event>) {
        let head = self.head;
        for (key, state) in &mut self.keys {
            let Some(round) = &state.round else { continue };
            let (deadlines, number) = (round.trigger().deadlines(), round.trigger().round());
            match head.height {
                h if h == deadlines.announce => {
                    state.close_announce(key, memory, events);
                    events.push(Event::Announced(*key, number));
                }
                h if h == deadlines.deal => events.push(Event::Dealt(*key, number)),
                h if h == deadlines.reconstruct => {
                    state.close_transcript(head, memory, events);
                    events.push(Event::Result(*key, number));
                }
                h if h == deadlines.confirm => state.finish(key, (head.height, time_ms), events),
                _ => {}
            }
        }
    }

    fn open_rounds(&mut self, events: &mut Vec<Event>) {
        let Some(config) = self.config().cloned() else { return };
        if !self.head.height.is_multiple_of(u64::from(config.interval.max(1))) {
            return;
        }
        for (key, state) in self.keys.iter_mut().filter(|(_, state)| state.round.is_none()) {
            let has_key = state.versions.active.is_some();
            let kind = if has_key { RoundKind::Reshare } else { RoundKind::Genesis };
            state.round = Some(Round::open(Trigger {
                network: self.network,
                key: *key,
                kind,
                block: self.head,
                config: config.clone(),
                config_digest: self.config_digest,
            }));
            events.push(Event::Opened(*key, self.head.height));
        }
    }
}

/// What a configuration says by itself is checked once: every proof of possession costs two pairings.
fn check_config(config: &Config, digest: Digest, memory: &Memory) -> Result<(), ConfigError> {
    let holds = memory.holds(digest, digest, || config.check().is_ok());
    if holds { Ok(()) } else { config.check() }
}

/// The signatures of a governed record under the configuration that decides, checked once.
fn check_signers(envelope: &Envelope, decides: (&Config, Digest), memory: &Memory) -> Result<(), ConfigError> {
    let (config, digest) = decides;
    let holds = memory.holds(record_id(&envelope.encode()), digest, || check_governed(envelope, config).is_ok());
    if holds { Ok(()) } else { check_governed(envelope, config) }
}

/// The signature is outside of a block's hash, so a verdict is remembered for both together.
fn block_context(block: &Block) -> [u8; 32] {
    quorumkeep_curves::hash::keccak256(&block.signature)
}

impl KeyState {
    fn close_announce(&mut self, key: &KeyId, memory: &Memory, events: &mut Vec<Event>) {
        let Some(round) = &self.round else { return };
        let players_min = match round.trigger().kind {
            RoundKind::Genesis => usize::from(self.genesis.players_min),
            RoundKind::Reshare => 0,
        };
        // A later Announce phase settles the newest active version, too. It does so before the source is chosen: an older
        // version that is deleted by it cannot be dealt from any more.
        if let Some(active) = self.versions.active.clone()
            && round.provers(&active, &self.versions, memory) >= active.settle_count()
        {
            self.settle(key, &active, events);
        }
        if let Some(round) = &mut self.round {
            round.close_announce(&self.versions, players_min, memory);
        }
    }

    fn settle(&mut self, key: &KeyId, version: &Arc<Output>, events: &mut Vec<Event>) {
        if self.versions.settled.as_ref() != Some(version) {
            self.versions.settled = Some(version.clone());
            events.push(Event::Settled(*key, version.id()));
        }
    }

    fn close_transcript(&mut self, cut: BlockRef, memory: &Memory, events: &mut Vec<Event>) {
        let Some(round) = &mut self.round else { return };
        let result = round.close_transcript(cut, memory);
        let Some(transcript) = round.transcript() else { return };
        for (dealer, record) in transcript.accused() {
            events.push(Event::Fault(*dealer, FaultKind::Dealing, *record));
        }
        let source = transcript.info().source.as_ref().map(|source| source.id());
        self.versions.short = match result {
            Err(Failure::TooFewDealers { .. }) => source,
            _ => None,
        };
    }

    fn finish(&mut self, key: &KeyId, now: (u64, u64), events: &mut Vec<Event>) {
        let Some(round) = self.round.take() else { return };
        let number = round.trigger().round();
        let result = round.finish();
        self.last = Some((number, result.as_ref().map(|output| output.id()).map_err(|failure| *failure)));
        match result {
            Ok(output) => self.activate(key, output, now, events),
            Err(failure) => events.push(Event::Failed(*key, number, failure)),
        }
        // Last, so that what this board says is complete before a node stops believing it.
        if let Some(other) = round.disagreement() {
            events.push(Event::Disagreement(*key, number, other));
        }
    }

    fn activate(&mut self, key: &KeyId, output: Arc<Output>, now: (u64, u64), events: &mut Vec<Event>) {
        let before = self.versions.active.replace(output.clone());
        if !rules::on(rules::Rule::SettledKeep) {
            // "Active and previous", read literally: what the rule of settling replaces.
            self.versions.settled = before.clone().or_else(|| Some(output.clone()));
        }
        self.active_since = now;
        events.push(Event::Activated(*key, output.clone()));
        // Confirms settle what was generated: it has `t + b` of them, and there is no older version to forget. They settle
        // nothing else: an orderer that shows them to some nodes only would make these forget the version before while the
        // others erase the new one. The next Announces are bound to the head with the Confirms in it.
        if before.is_none() {
            self.settle(key, &output, events);
        }
    }
}
