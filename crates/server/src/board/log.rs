//! Blocks for readers: what is durable and published. The newest stay in memory; whoever waits is woken.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock};

use axum::body::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;
use quorumkeep_dkg::block::BlockRef;
use quorumkeep_dkg::ids::{Digest, NetworkId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::db::{BoardReader, DbError, GovernedRow};

/// Blocks that stay in memory.
const RECENT_BLOCKS_MAX: usize = 1024;
/// Bytes of the blocks that stay in memory.
const RECENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of one answer, unless its first block is larger.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Blocks of one answer.
pub const ANSWER_BLOCKS_MAX: usize = 1000;

/// The newest height and hash, signed by the orderer. Two different ones at one height are evidence against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The network.
    pub network: NetworkId,
    /// The height; 0 on an empty board.
    pub height: u64,
    /// The hash of the block at that height.
    pub hash: Digest,
    /// The time in that block, in milliseconds since 1970; 0 on an empty board.
    pub time_ms: u64,
    /// Ed25519 over `H(enc(tag, network, height, hash))`, 64 bytes in hexadecimal.
    #[serde(with = "signature_hex")]
    pub signature: [u8; 64],
}

impl SignedHead {
    /// Signs a head.
    #[must_use]
    pub fn sign(network: &NetworkId, head: &BlockRef, time_ms: u64, key: &SigningKey) -> Self {
        let signature = key.sign(&signed_hash(network, head)).to_bytes();
        Self { network: *network, height: head.height, hash: head.hash, time_ms, signature }
    }

    /// Height and hash.
    #[must_use]
    pub fn reference(&self) -> BlockRef {
        BlockRef { height: self.height, hash: self.hash }
    }

    /// Did this orderer sign it? The time is not covered.
    #[must_use]
    pub fn is_signed_by(&self, orderer: &VerifyingKey) -> bool {
        let hash = signed_hash(&self.network, &self.reference());
        orderer.verify_strict(&hash, &Signature::from_bytes(&self.signature)).is_ok()
    }
}

fn signed_hash(network: &NetworkId, head: &BlockRef) -> [u8; 32] {
    Writer::new(tags::BOARD_HEAD).fixed(&network.0).u64(head.height).fixed(&head.hash.0).hash()
}

mod signature_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 64], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).map_err(D::Error::custom)?;
        Ok(bytes)
    }
}

#[derive(Default)]
struct Recent {
    /// The height of the first one.
    from: u64,
    blocks: VecDeque<Bytes>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, height: u64, block: Bytes) {
        if self.blocks.is_empty() {
            self.from = height;
        }
        self.bytes += block.len();
        self.blocks.push_back(block);
        while self.blocks.len() > RECENT_BLOCKS_MAX || (self.bytes > RECENT_BYTES_MAX && self.blocks.len() > 1) {
            if let Some(oldest) = self.blocks.pop_front() {
                self.bytes -= oldest.len();
                self.from += 1;
            }
        }
    }

    fn get(&self, from: u64, limit: usize) -> Option<Vec<Bytes>> {
        let skip = usize::try_from(from.checked_sub(self.from)?).ok()?;
        let mut total = 0;
        let first = self.blocks.get(skip)?.clone();
        let fits = |block: &&Bytes| {
            total += block.len();
            total + first.len() <= ANSWER_BYTES_MAX
        };
        let rest = self.blocks.iter().skip(skip + 1).take(limit.saturating_sub(1)).take_while(fits).cloned();
        let rest: Vec<_> = rest.collect();
        Some(std::iter::once(first).chain(rest).collect())
    }
}

/// The published blocks.
pub struct Log {
    recent: RwLock<Recent>,
    reader: Mutex<BoardReader>,
    head: watch::Sender<SignedHead>,
}

impl Log {
    pub(super) fn open(folder: &Path, head: SignedHead) -> Result<Self, DbError> {
        let reader = Mutex::new(BoardReader::open(folder)?);
        Ok(Self { recent: RwLock::default(), reader, head: watch::Sender::new(head) })
    }

    /// Shows a block to readers. It must be durable.
    pub(super) fn publish(&self, head: SignedHead, block: Bytes) {
        self.recent.write().unwrap_or_else(PoisonError::into_inner).push(head.height, block);
        self.head.send_replace(head);
    }

    /// The newest head.
    #[must_use]
    pub fn head(&self) -> SignedHead {
        self.head.borrow().clone()
    }

    /// Follows the newest head.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<SignedHead> {
        self.head.subscribe()
    }

    /// Encoded blocks from height `from` (at least 1): at most `limit` and [`ANSWER_BYTES_MAX`]. May read the disk.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub fn blocks(&self, from: u64, limit: usize) -> Result<Vec<Bytes>, DbError> {
        let head = self.head().height;
        let limit = limit.min(ANSWER_BLOCKS_MAX).min(usize::try_from(head.saturating_sub(from) + 1).unwrap_or(0));
        if from > head || limit == 0 {
            return Ok(Vec::new());
        }
        if let Some(blocks) = self.recent.read().unwrap_or_else(PoisonError::into_inner).get(from, limit) {
            return Ok(blocks);
        }
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(reader.blocks(from, limit, ANSWER_BYTES_MAX)?.into_iter().map(Bytes::from).collect())
    }

    /// All governed records on the board, in order. Reads the disk.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub fn governance(&self) -> Result<Vec<GovernedRow>, DbError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = reader.governance()?;
        // The writer may be one block ahead of what is published.
        let head = self.head().height;
        rows.retain(|row| row.height <= head);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_blocks_are_bounded_and_answered_in_order() {
        let mut recent = Recent::default();
        for height in 1..=5000u64 {
            recent.push(height, Bytes::from(height.to_be_bytes().to_vec()));
        }
        assert_eq!(recent.blocks.len(), RECENT_BLOCKS_MAX);
        assert_eq!(recent.get(3976, 10), None, "the older ones are on disk");
        let got = recent.get(3977, 3).unwrap();
        assert_eq!(got, [3977u64, 3978, 3979].map(|height| Bytes::from(height.to_be_bytes().to_vec())));
        assert_eq!(recent.get(5001, 1), None);
    }

    #[test]
    fn one_answer_has_a_bound_but_at_least_one_block() {
        let mut recent = Recent::default();
        for height in 1..=4 {
            recent.push(height, Bytes::from(vec![0; ANSWER_BYTES_MAX / 2]));
        }
        assert_eq!(recent.get(1, 10).unwrap().len(), 2);
        recent.push(5, Bytes::from(vec![0; ANSWER_BYTES_MAX * 2]));
        assert_eq!(recent.get(5, 10).unwrap().len(), 1);
    }

    #[test]
    fn a_head_is_signed_with_its_network_and_height() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let head = BlockRef { height: 3, hash: Digest([9; 32]) };
        let signed = SignedHead::sign(&NetworkId([1; 32]), &head, 5, &key);
        assert!(signed.is_signed_by(&key.verifying_key()));
        assert!(!SignedHead { height: 4, ..signed.clone() }.is_signed_by(&key.verifying_key()));
        assert!(!SignedHead { network: NetworkId([2; 32]), ..signed.clone() }.is_signed_by(&key.verifying_key()));
        let json = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<SignedHead>(&json).unwrap(), signed);
    }
}
