//! The orderer: puts pending records in order, with seeded delays, losses, repetitions and permutations.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::ids::NetworkId;
use quorumkeep_dkg::ledger::{BoardAlarm, Event, Ledger};
use quorumkeep_dkg::memory::Memory;
use rand_chacha::ChaCha20Rng;

use crate::{chance, vouch};

/// One record that waits for its block.
pub struct Pending {
    /// The encoded record.
    pub bytes: Vec<u8>,
    /// The first height at which it may be included.
    pub due: u64,
}

/// One chain of blocks with the ledger of somebody who only reads.
pub struct Chain {
    /// From height 1.
    pub blocks: Vec<Block>,
    /// What the blocks say.
    pub ledger: Ledger,
    /// Records that wait.
    pub pool: Vec<Pending>,
    /// Added to the clock: two chains differ by it from the first block after their fork.
    pub skew_ms: u64,
}

impl Chain {
    /// An empty board.
    pub fn new(network: NetworkId, anchor: [u8; 32]) -> Self {
        Self { blocks: Vec::new(), ledger: Ledger::new(network, anchor), pool: Vec::new(), skew_ms: 0 }
    }

    /// The board as it is, to go on in two ways.
    pub fn fork(&self) -> Self {
        let pool = self.pool.iter().map(|p| Pending { bytes: p.bytes.clone(), due: p.due });
        Self {
            blocks: self.blocks.clone(),
            ledger: self.ledger.clone(),
            pool: pool.collect(),
            skew_ms: self.skew_ms + 1,
        }
    }

    /// The height of the head.
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Puts what is due in a block; what comes in one block comes in any order.
    ///
    /// # Errors
    /// The reader refuses the orderer's own block: a bug.
    pub fn advance(
        &mut self,
        key: &SigningKey,
        memory: &Arc<Memory>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<Event>, BoardAlarm> {
        let next = self.height() + 1;
        let (mut due, later): (Vec<Pending>, Vec<Pending>) = self.pool.drain(..).partition(|p| p.due <= next);
        self.pool = later;
        chance::shuffle(rng, &mut due);
        let records = due.into_iter().map(|pending| pending.bytes).collect();
        let time_ms = 1_700_000_000_000 + next * 100 + self.skew_ms;
        let block = Block::sign(self.ledger.network(), &self.ledger.head(), time_ms, records, key);
        vouch::block(memory, block.reference(self.ledger.network()).hash, &block.signature);
        let events = self.ledger.apply(&block, memory)?;
        self.blocks.push(block);
        Ok(events)
    }
}
