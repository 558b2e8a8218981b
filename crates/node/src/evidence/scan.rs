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
    Scanner::new(network, blocks, Arc::default())?.read_all(blocks)
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
        let records = decoded(block);
        self.note(&records);
        let unconfirmed = self.confirms_missing(block.height);
        let foreign: BTreeSet<Digest> = records.iter().filter(|r| self.is_foreign(&r.envelope)).map(|r| r.id).collect();
        let events = self.ledger.apply(block, &self.memory)?;
        let mut found = Vec::new();
        for event in events {
            match event {
                Event::Fault(culprit, kind, record) if foreign.contains(&record) => {
                    tracing::debug!(%culprit, %kind, "no evidence: the record may have been made for another board");
                    self.of_other_board.insert(record);
                }
                Event::Fault(culprit, kind, record) => found.extend(self.fault(&records, culprit, kind, record)),
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

    /// Reads all of them and collects what they show.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&mut self, blocks: &[Block]) -> Result<Vec<Finding>, Innocent> {
        let mut found = Vec::new();
        for block in blocks {
            found.extend(self.read(block)?);
        }
        Ok(found)
    }

    /// The record that shows it, in the block just read or, for a wrong dealing, in one before.
    fn fault(&self, records: &[Record], culprit: Address, kind: FaultKind, record: Digest) -> Option<Finding> {
        let header = records.iter().find(|read| read.id == record).map(|read| &read.envelope.header);
        let (of, key) = match header {
            Some(header) => (header.kind, header.key),
            None => (Kind::Complain, *self.complaints.get(&record)?),
        };
        let (offence, claim) = (Offence::Record(of, kind), Claim::Record { record, culprit });
        Some(Finding { culprit, offence, key, height: self.ledger.head().height, claim })
    }

    /// Confirms whose cut is not this board's, and Announces that can be read: their sender may have seen another board.
    fn is_foreign(&self, envelope: &Envelope) -> bool {
        match envelope.header.kind {
            Kind::Announce => Announce::decode(&envelope.body).is_ok(),
            Kind::Confirm => {
                let Ok(confirm) = Confirm::decode(&envelope.body) else { return false };
                let round = self.ledger.keys().get(&envelope.header.key).and_then(|state| state.round.as_ref());
                let cut = round.and_then(|round| round.transcript()).map(|transcript| transcript.cut());
                cut != Some(confirm.cut)
            }
            _ => false,
        }
    }

    /// Remembers who announced, dealt and confirmed, whatever it was worth, and what complaints are about.
    fn note(&mut self, records: &[Record]) {
        let due: Vec<&Record> = records.iter().filter(|record| self.is_post(record)).collect();
        for record in due {
            let header = &record.envelope.header;
            self.posted.entry(header.key).or_default().insert((header.kind, header.sender));
        }
        let complaints = records.iter().filter(|record| record.envelope.header.kind == Kind::Complain);
        self.complaints.extend(complaints.map(|record| (record.id, record.envelope.header.key)));
    }

    /// Is it a signed Announce, Deal or Confirm of a running round?
    fn is_post(&self, record: &Record) -> bool {
        let key_of = |who: &Address| self.ledger.operator_key(who);
        self.is_due(&record.envelope.header) && records::is_signed(record.id, &record.envelope, &self.memory, key_of)
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

    /// At the end of a Confirm window, before the round is forgotten: who did not confirm.
    fn confirms_missing(&self, height: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        for (key, state) in self.ledger.keys() {
            let Some(round) = state.round.as_ref().filter(|r| r.trigger().deadlines().confirm == height) else {
                continue;
            };
            let Some(Ok(output)) = round.transcript().and_then(|transcript| transcript.outcome()) else { continue };
            let holders = output.shares().iter().map(|share| share.address);
            let silent = holders.filter(|who| !self.has_posted(key, Kind::Confirm, who));
            let number = round.trigger().round();
            found.extend(silent.map(|who| self.missing((who, Kind::Confirm), (key, number), height)));
        }
        found
    }

    fn missing(&self, (culprit, kind): (Address, Kind), (key, round): (&KeyId, u64), height: u64) -> Finding {
        let (key, offence) = (*key, Offence::Missing(kind));
        Finding { culprit, offence, key, height, claim: Claim::Missing { culprit, kind, round, key } }
    }
}

/// A record of the block that is being read.
struct Record {
    id: Digest,
    envelope: Envelope,
}

/// Those that can be decoded.
fn decoded(block: &Block) -> Vec<Record> {
    let read = |bytes: &Vec<u8>| Some(Record { id: record_id(bytes), envelope: Envelope::decode(bytes).ok()? });
    block.records.iter().filter_map(read).collect()
}

fn config_in(bytes: &[u8]) -> Option<Config> {
    let envelope = Envelope::decode(bytes).ok()?;
    if envelope.header.kind != Kind::Config { None } else { Config::decode(&envelope.body).ok() }
}
