//! Remembers what was verified: every record is checked once per byte string and known by its hash from then on.
//!
//! What is remembered depends on nothing but the bytes and the `info_digest` (or version id, or deal) that they name, so
//! the memory may be shared: between a node's rounds, between peer delivery and board, between the nodes of a simulation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quorumkeep_curves::enc::Decode;
use quorumkeep_curves::hash::keccak256;

use crate::announce::Announce;
use crate::config::Config;
use crate::deal::{DealFault, VerifiedDeal};
use crate::ids::{Digest, VersionId};
use crate::output::Output;
use quorumkeep_sharing::Commitment;

/// After so many facts all are forgotten: the memory saves work and never decides anything.
const FACTS_MAX: usize = 100_000;
/// And after so many bytes, as far as facts have a size worth counting.
const BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone)]
enum Fact {
    True,
    False,
    Deal(Result<Arc<VerifiedDeal>, DealFault>),
    Config(Arc<Config>),
    Output(Arc<Output>),
    Announce(Option<Arc<Announce>>),
    Vote(Option<(VersionId, bool)>),
    Extract(Option<Arc<Commitment>>),
}

/// Shared memory of verified records.
#[derive(Default)]
pub struct Memory {
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    known: HashMap<(Digest, Digest), Fact>,
    bytes: usize,
}

impl Fact {
    /// About how much memory it takes; a point of G2 takes 288 bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Deal(Ok(deal)) => 288 * deal.commitment.threshold() + 32 * deal.ciphertexts.len(),
            Self::Extract(Some(commitment)) => 288 * commitment.threshold(),
            Self::Output(output) => 288 * (output.commitment().points().len() + output.shares().len()),
            Self::Config(config) => 16 * 1024 * config.n(),
            _ => 1024,
        }
    }
}

impl Memory {
    fn recall(&self, key: (Digest, Digest)) -> Option<Fact> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).known.get(&key).cloned()
    }

    fn keep(&self, key: (Digest, Digest), fact: Fact) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.known.len() >= FACTS_MAX || facts.bytes >= BYTES_MAX {
            *facts = Facts::default();
        }
        facts.bytes += fact.bytes();
        facts.known.insert(key, fact);
    }

    /// Is `check` true of the record `id` in this context? Asked once.
    pub fn holds(&self, id: Digest, context: Digest, check: impl FnOnce() -> bool) -> bool {
        match self.recall((id, context)) {
            Some(Fact::True) => true,
            Some(_) => false,
            None => {
                let holds = check();
                self.keep((id, context), if holds { Fact::True } else { Fact::False });
                holds
            }
        }
    }

    /// What [`Self::holds`] found before, if it was asked.
    #[must_use]
    pub fn known(&self, id: Digest, context: Digest) -> Option<bool> {
        self.recall((id, context)).map(|fact| matches!(fact, Fact::True))
    }

    /// The verified deal of the record `id` under `info_digest`. Verified once.
    ///
    /// # Errors
    /// Why the deal counts as never posted.
    pub fn deal(
        &self,
        id: Digest,
        info_digest: Digest,
        verify: impl FnOnce() -> Result<VerifiedDeal, DealFault>,
    ) -> Result<Arc<VerifiedDeal>, DealFault> {
        if let Some(Fact::Deal(known)) = self.recall((id, info_digest)) {
            return known;
        }
        let verdict = verify().map(Arc::new);
        self.keep((id, info_digest), Fact::Deal(verdict.clone()));
        verdict
    }

    /// The configuration in these bytes. Decoded once: every key of a roster costs two pairings.
    ///
    /// # Errors
    /// [`Decode`].
    pub fn config(&self, bytes: &[u8]) -> Result<Arc<Config>, Decode> {
        let id = (Digest(keccak256(bytes)), Digest::ZERO);
        if let Some(Fact::Config(known)) = self.recall(id) {
            return Ok(known);
        }
        let config = Arc::new(Config::decode(bytes)?);
        self.keep(id, Fact::Config(config.clone()));
        Ok(config)
    }

    /// Remembers a configuration that the caller made itself, so that its bytes need not be decoded. For the simulator.
    ///
    /// # Security
    ///
    /// Its keys are taken as they are: never for a configuration that came from outside.
    #[cfg(feature = "danger_memory")]
    pub fn know_config(&self, config: Config) {
        let id = (Digest(keccak256(&config.encode())), Digest::ZERO);
        self.keep(id, Fact::Config(Arc::new(config)));
    }

    /// The result of these deals under `info_digest`, if they have one. Computed once.
    pub fn output(
        &self,
        deals: Digest,
        info_digest: Digest,
        compute: impl FnOnce() -> Option<Output>,
    ) -> Option<Arc<Output>> {
        if let Some(Fact::Output(known)) = self.recall((deals, info_digest)) {
            return Some(known);
        }
        let output = Arc::new(compute()?);
        self.keep((deals, info_digest), Fact::Output(output.clone()));
        Some(output)
    }

    /// Was the deal of this record verified before, whatever was found?
    #[must_use]
    pub fn is_judged(&self, id: Digest, info_digest: Digest) -> bool {
        matches!(self.recall((id, info_digest)), Some(Fact::Deal(_)))
    }

    /// The deal of this record, if it was verified before and is valid.
    #[must_use]
    pub fn known_deal(&self, id: Digest, info_digest: Digest) -> Option<Arc<VerifiedDeal>> {
        match self.recall((id, info_digest)) {
            Some(Fact::Deal(Ok(deal))) => Some(deal),
            _ => None,
        }
    }

    /// The well-made Announce of this record, if it is one. Decoded and checked once.
    pub fn announce(
        &self,
        id: Digest,
        trigger_digest: Digest,
        check: impl FnOnce() -> Option<Announce>,
    ) -> Option<Arc<Announce>> {
        if let Some(Fact::Announce(known)) = self.recall((id, trigger_digest)) {
            return known;
        }
        let announce = check().map(Arc::new);
        self.keep((id, trigger_digest), Fact::Announce(announce.clone()));
        announce
    }

    /// The commitments that this record opens under the deal `core`, if it does. Verified once.
    pub fn extract(
        &self,
        id: Digest,
        core: Digest,
        check: impl FnOnce() -> Option<Commitment>,
    ) -> Option<Arc<Commitment>> {
        if let Some(Fact::Extract(known)) = self.recall((id, core)) {
            return known;
        }
        let opened = check().map(Arc::new);
        self.keep((id, core), Fact::Extract(opened.clone()));
        opened
    }

    /// The version that this record confirms, and whether it does so validly. None if it cannot be read.
    pub fn vote(
        &self,
        id: Digest,
        context: Digest,
        check: impl FnOnce() -> Option<(VersionId, bool)>,
    ) -> Option<(VersionId, bool)> {
        if let Some(Fact::Vote(known)) = self.recall((id, context)) {
            return known;
        }
        let vote = check();
        self.keep((id, context), Fact::Vote(vote));
        vote
    }
}
