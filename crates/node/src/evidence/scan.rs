//! Reading a board log for what somebody did wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::confirm::Confirm;
use quorumkeep_dkg::envelope::{Envelope, Header, Kind, record_id};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::{Event, Ledger};
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::records;
use quorumkeep_dkg::round::Round;
use quorumkeep_dkg::transcript::FaultKind;

use super::{Claim, Finding, Innocent, Offence};

/// A ledger that remembers what it saw go by.
pub struct Scanner {
    ledger: Ledger,
    memory: Arc<Memory>,
    versions: BTreeMap<VersionId, Arc<Output>>,
    /// Who posted an Announce, a Deal or a Confirm in the running round of a key.
    posted: BTreeMap<KeyId, BTreeSet<(Kind, Address)>>,
    /// The complaints of running rounds, and the key that each is about.
    complaints: BTreeMap<Digest, KeyId>,
    /// Faulty records that do not blame their sender.
    of_other_board: BTreeSet<Digest>,
}

/// Everything that this log shows, in its order.
///
/// # Errors
/// [`Innocent`]: the log is not this network's.
pub fn scan(network: NetworkId, blocks: &[Block]) -> Result<Vec<Finding>, Innocent> {
    let mut scanner = Scanner::new(network, blocks, Arc::default())?;
    let mut found = Vec::new();
    for block in blocks {
        found.extend(scanner.read(block)?);
    }
    Ok(found)
}

impl Scanner {
    /// Finds the first Config, whose hash the network id contains, and with it the orderer's key. `memory` may be shared with
    /// other readers of the same records.
    ///
    /// # Errors
    /// [`Innocent::NoConfig`].
    pub fn new(network: NetworkId, blocks: &[Block], memory: Arc<Memory>) -> Result<Self, Innocent> {
        let records = blocks.iter().flat_map(|block| &block.records);
        let first = records.filter_map(|bytes| config_in(bytes)).find(|config| config.network_id() == network);
        let anchor = first.ok_or(Innocent::NoConfig)?.orderer;
        Ok(Self {
            ledger: Ledger::new(network, anchor),
            memory,
            versions: BTreeMap::new(),
            posted: BTreeMap::new(),
            complaints: BTreeMap::new(),
            of_other_board: BTreeSet::new(),
        })
    }

    /// What was read so far.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A version that became active.
    #[must_use]
    pub fn version(&self, id: &VersionId) -> Option<&Arc<Output>> {
        self.versions.get(id)
    }

    /// Was this faulty record perhaps made for another board?
    #[must_use]
    pub fn is_of_other_board(&self, record: &Digest) -> bool {
        self.of_other_board.contains(record)
    }

    /// Reads the next block.
    ///
    /// # Errors
    /// [`Innocent::Board`]: it is not the next block of this board.
    pub fn read(&mut self, block: &Block) -> Result<Vec<Finding>, Innocent> {
        let unconfirmed = self.confirms_missing_after(block);
        let foreign = self.foreign_records(block);
        let events = self.ledger.apply(block, &self.memory)?;
        self.note(block);
        let mut found = Vec::new();
        for event in events {
            match event {
                Event::Fault(culprit, kind, record) if foreign.contains(&record) => {
                    tracing::debug!(%culprit, %kind, "no evidence: the record may have been made for another board");
                    self.of_other_board.insert(record);
                }
                Event::Fault(culprit, kind, record) => found.extend(self.fault(block, culprit, kind, record)),
                Event::Announced(key, round) => found.extend(self.announces_missing(&key, round)),
                Event::Dealt(key, round) => found.extend(self.deals_missing(&key, round)),
                Event::Activated(_, output) => {
                    self.versions.insert(output.id(), output);
                }
                Event::Opened(key, _) => {
                    self.posted.remove(&key);
                    self.complaints.retain(|_, about| *about != key);
                }
                _ => {}
            }
        }
        found.extend(unconfirmed);
        Ok(found)
    }

    /// The record that shows it, in this block or, for a wrong dealing, in one before.
    fn fault(&self, block: &Block, culprit: Address, kind: FaultKind, record: Digest) -> Option<Finding> {
        let envelope = block.records.iter().find(|bytes| record_id(bytes) == record);
        let envelope = envelope.and_then(|bytes| Envelope::decode(bytes).ok());
        let of = envelope.as_ref().map_or(Kind::Complain, |envelope| envelope.header.kind);
        let key = match &envelope {
            Some(envelope) => envelope.header.key,
            None => *self.complaints.get(&record)?,
        };
        let (offence, claim) = (Offence::Record(of, kind), Claim::Record { record, culprit });
        Some(Finding { culprit, offence, key, height: block.height, claim })
    }

    /// Confirms whose cut is not this board's, and Announces that can be read: their sender may have seen another board.
    fn foreign_records(&self, block: &Block) -> BTreeSet<Digest> {
        let is_foreign = |envelope: &Envelope| match envelope.header.kind {
            Kind::Announce => Announce::decode(&envelope.body).is_ok(),
            Kind::Confirm => {
                let Ok(confirm) = Confirm::decode(&envelope.body) else { return false };
                let round = self.ledger.keys().get(&envelope.header.key).and_then(|state| state.round.as_ref());
                let cut = round.and_then(|round| round.transcript()).map(|transcript| transcript.cut());
                cut != Some(confirm.cut)
            }
            _ => false,
        };
        let decoded = block.records.iter().filter_map(|bytes| Some((record_id(bytes), Envelope::decode(bytes).ok()?)));
        decoded.filter(|(_, envelope)| is_foreign(envelope)).map(|(id, _)| id).collect()
    }

    /// Remembers who dealt and confirmed, whatever it was worth, and what complaints are about.
    fn note(&mut self, block: &Block) {
        let found = self.posts(block);
        for (key, kind, sender) in found {
            self.posted.entry(key).or_default().insert((kind, sender));
        }
        for bytes in &block.records {
            if let Some(envelope) =
                Envelope::decode(bytes).ok().filter(|envelope| envelope.header.kind == Kind::Complain)
            {
                self.complaints.insert(record_id(bytes), envelope.header.key);
            }
        }
    }

    /// The signed Announces, Deals and Confirms of running rounds in this block.
    fn posts(&self, block: &Block) -> Vec<(KeyId, Kind, Address)> {
        let envelopes = block.records.iter().filter_map(|bytes| Envelope::decode(bytes).ok());
        let counts = |envelope: &Envelope| {
            let header = &envelope.header;
            self.is_due(header)
                && self.ledger.operator_key(&header.sender).is_some_and(|key| records::is_signed_by(envelope, key))
        };
        let counting = envelopes.filter(|envelope| counts(envelope));
        counting.map(|envelope| (envelope.header.key, envelope.header.kind, envelope.header.sender)).collect()
    }

    fn info(&self, key: &KeyId) -> Option<&Arc<Info>> {
        Some(self.round(key)?.transcript()?.info())
    }

    /// Is it of a kind that can be missing, and of the running round?
    fn is_due(&self, header: &Header) -> bool {
        match header.kind {
            Kind::Announce => self.round(&header.key).is_some_and(|round| round.trigger_digest() == header.digest),
            Kind::Deal | Kind::Confirm => self.info(&header.key).is_some_and(|info| info.digest() == header.digest),
            _ => false,
        }
    }

    fn round(&self, key: &KeyId) -> Option<&Round> {
        self.ledger.keys().get(key)?.round.as_ref()
    }

    fn has_posted(&self, key: &KeyId, kind: Kind, who: &Address) -> bool {
        self.posted.get(key).is_some_and(|posted| posted.contains(&(kind, *who)))
    }

    fn announces_missing(&self, key: &KeyId, round: u64) -> Vec<Finding> {
        let Some(running) = self.round(key) else { return Vec::new() };
        let roster = running.trigger().config.roster.iter().map(|member| member.address);
        let silent = roster.filter(|member| !self.has_posted(key, Kind::Announce, member));
        let height = self.ledger.head().height;
        silent.map(|culprit| self.missing((culprit, Kind::Announce), (key, round), height)).collect()
    }

    fn deals_missing(&self, key: &KeyId, round: u64) -> Vec<Finding> {
        let Some(info) = self.info(key) else { return Vec::new() };
        let silent = info.dealers.iter().map(|dealer| dealer.address);
        let silent = silent.filter(|dealer| !self.has_posted(key, Kind::Deal, dealer));
        silent.map(|culprit| self.missing((culprit, Kind::Deal), (key, round), self.ledger.head().height)).collect()
    }

    /// At the end of a Confirm window, and before the round is forgotten: who confirmed neither before nor in this block.
    fn confirms_missing_after(&self, block: &Block) -> Vec<Finding> {
        let now = self.posts(block);
        let mut found = Vec::new();
        for (key, state) in self.ledger.keys() {
            let Some(round) = state.round.as_ref().filter(|r| r.trigger().deadlines().confirm == block.height) else {
                continue;
            };
            let Some(Ok(output)) = round.transcript().and_then(|transcript| transcript.outcome()) else { continue };
            let posted =
                |who: &Address| self.has_posted(key, Kind::Confirm, who) || now.contains(&(*key, Kind::Confirm, *who));
            let silent = output.shares().iter().map(|share| share.address).filter(|who| !posted(who));
            let number = round.trigger().round();
            found.extend(silent.map(|who| self.missing((who, Kind::Confirm), (key, number), block.height)));
        }
        found
    }

    fn missing(&self, (culprit, kind): (Address, Kind), (key, round): (&KeyId, u64), height: u64) -> Finding {
        let (key, offence) = (*key, Offence::Missing(kind));
        Finding { culprit, offence, key, height, claim: Claim::Missing { culprit, kind, round, key } }
    }
}

fn config_in(bytes: &[u8]) -> Option<Config> {
    let envelope = Envelope::decode(bytes).ok()?;
    if envelope.header.kind != Kind::Config { None } else { Config::decode(&envelope.body).ok() }
}
