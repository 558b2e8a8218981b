//! Blocks of the orderer: signed, chained, one every `T` even if empty (protocol.md section 6).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use crate::envelope::record_id;
use crate::ids::{Digest, NetworkId};
use crate::limits;

/// A height and the hash of the block there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BlockRef {
    /// The height; 0 is before the first block.
    pub height: u64,
    /// Its hash.
    pub hash: Digest,
}

impl BlockRef {
    /// The head of the empty board of a network: height 0.
    #[must_use]
    pub fn origin(network: &NetworkId) -> Self {
        let hash = Digest(Writer::new(tags::BOARD_ORIGIN).fixed(&network.0).hash());
        Self { height: 0, hash }
    }
}

/// One block: what the orderer put in order at one height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// From 1.
    pub height: u64,
    /// The orderer's clock in milliseconds since 1970. For people and for look-ups by time; no outcome depends on it.
    pub time_ms: u64,
    /// The hash of the block below.
    pub previous: Digest,
    /// Encoded records, in order.
    pub records: Vec<Vec<u8>>,
    /// Ed25519 by the orderer over the block's hash, 64 bytes.
    pub signature: [u8; 64],
}

impl Block {
    /// A signed block on top of `head`.
    #[must_use]
    pub fn sign(network: &NetworkId, head: &BlockRef, time_ms: u64, records: Vec<Vec<u8>>, key: &SigningKey) -> Self {
        let mut block = Self { height: head.height + 1, time_ms, previous: head.hash, records, signature: [0; 64] };
        block.signature = key.sign(&block.hash(network).0).to_bytes();
        block
    }

    /// The ids of the records, in order.
    #[must_use]
    pub fn record_ids(&self) -> Vec<Digest> {
        self.records.iter().map(|record| record_id(record)).collect()
    }

    /// `H(enc(tag, network, height, time, previous, [H(record)]))`.
    #[must_use]
    pub fn hash(&self, network: &NetworkId) -> Digest {
        self.hash_with(network, &self.record_ids())
    }

    /// [`Self::hash`] with [`Self::record_ids`] that were hashed before.
    pub(crate) fn hash_with(&self, network: &NetworkId, ids: &[Digest]) -> Digest {
        let mut writer = Writer::new(tags::BOARD_BLOCK).fixed(&network.0).u64(self.height).u64(self.time_ms);
        writer = writer.fixed(&self.previous.0).list(ids.len());
        for id in ids {
            writer = writer.fixed(&id.0);
        }
        Digest(writer.hash())
    }

    /// This block's height and hash.
    #[must_use]
    pub fn reference(&self, network: &NetworkId) -> BlockRef {
        BlockRef { height: self.height, hash: self.hash(network) }
    }

    /// Did this orderer sign this block for this network?
    #[must_use]
    pub fn is_signed_by(&self, network: &NetworkId, orderer: &VerifyingKey) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        orderer.verify_strict(&self.hash(network).0, &signature).is_ok()
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::BOARD_BLOCK).u64(self.height).u64(self.time_ms);
        writer = writer.fixed(&self.previous.0).list(self.records.len());
        for record in &self.records {
            writer = writer.bytes(record);
        }
        writer.fixed(&self.signature).finish()
    }

    /// Reads one block of at most [`limits::BLOCK_BYTES_MAX`] bytes. The signature is not checked here.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        if bytes.len() > limits::BLOCK_BYTES_MAX {
            return Err(Decode::TooLong);
        }
        let mut reader = Reader::tagged(bytes, tags::BOARD_BLOCK)?;
        let (height, time_ms) = (reader.u64()?, reader.u64()?);
        let previous = Digest(reader.fixed()?);
        let count = reader.list(limits::BLOCK_RECORDS_MAX)?;
        let mut records = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            records.push(reader.bytes(limits::RECORD_BYTES_MAX)?.to_vec());
        }
        let signature = reader.fixed()?;
        reader.finish()?;
        Ok(Self { height, time_ms, previous, records, signature })
    }
}
