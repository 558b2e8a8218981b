//! Remembers what was verified: every record is checked once per byte string and known by its hash from then on.
//!
//! What is remembered depends on nothing but the bytes and the `info_digest` (or version id, or deal) that they name, so
//! the memory may be shared: between a node's rounds, between peer delivery and board, between the nodes of a simulation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::deal::{DealFault, VerifiedDeal};
use crate::ids::Digest;

/// After so many facts all are forgotten: the memory saves work and never decides anything.
const FACTS_MAX: usize = 100_000;

#[derive(Clone)]
enum Fact {
    True,
    False,
    Deal(Result<Arc<VerifiedDeal>, DealFault>),
}

/// Shared memory of verified records.
#[derive(Default)]
pub struct Memory {
    facts: Mutex<HashMap<(Digest, Digest), Fact>>,
}

impl Memory {
    fn recall(&self, key: (Digest, Digest)) -> Option<Fact> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn keep(&self, key: (Digest, Digest), fact: Fact) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.len() >= FACTS_MAX {
            facts.clear();
        }
        facts.insert(key, fact);
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
}
