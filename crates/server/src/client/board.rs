//! The client of the orderer.

use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use quorumkeep_curves::enc::Reader;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::record_id;
use quorumkeep_dkg::ids::NetworkId;
use quorumkeep_dkg::limits;

pub use crate::board::GovernedJson;
use crate::board::SignedHead;
pub use crate::board::orderer::{Posted, Status};

use super::{Client, Error, Settings};
use crate::tls::{Pin, TlsError};

/// Bytes of an answer with blocks: one of the largest size, or several smaller ones.
const BLOCKS_BYTES_MAX: usize = limits::BLOCK_BYTES_MAX + 64 * 1024;
/// Bytes of the governance of a network: hexadecimal of a few hundred configurations.
const GOVERNANCE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time for an answer with blocks, beyond the time that was asked to wait.
const BLOCKS_TIME: Duration = Duration::from_secs(30);

/// A governed record as the board has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernedRecord {
    /// The height of its block.
    pub height: u64,
    /// The encoded envelope.
    pub record: Vec<u8>,
}

/// The client of a network's orderer. Clones share the connection.
#[derive(Clone)]
pub struct BoardClient {
    client: Client,
    network: NetworkId,
    key: VerifyingKey,
}

impl BoardClient {
    /// A client of the orderer with this key, at `socket` (`host:port`).
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn new(network: NetworkId, key: VerifyingKey, socket: &str) -> Result<Self, TlsError> {
        let client = Client::new(Pin::Orderer { network, key }, socket, Settings::default())?;
        Ok(Self { client, network, key })
    }

    /// The plain client, for `/health` and the like.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Posts an encoded record. Posting it again does no harm.
    ///
    /// # Errors
    ///
    /// [`Error`]; what the board refuses is [`Error::Status`].
    pub async fn post(&self, record: &[u8]) -> Result<Posted, Error> {
        let answer = self.client.post("/board/records", record.to_vec()).await?;
        let posted: Posted = self.client.parse(&answer)?;
        if posted.id != record_id(record) {
            return Err(self.client.malformed("the board answered about another record"));
        }
        Ok(posted)
    }

    /// At most `limit` blocks from height `from` (at least 1), waiting up to `wait_ms` (at most 10 000) for the first.
    /// Their heights are right; who signed them is for the reader to check.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn blocks(&self, from: u64, limit: usize, wait_ms: u64) -> Result<Vec<Block>, Error> {
        let path = format!("/board/blocks?from={from}&limit={limit}&wait_ms={wait_ms}");
        let time = BLOCKS_TIME + Duration::from_millis(wait_ms);
        let answer = self.client.get_within(&path, time, BLOCKS_BYTES_MAX).await?;
        parse_blocks(&answer, from, limit).ok_or_else(|| self.client.malformed("the board sent malformed blocks"))
    }

    /// The newest head, signed by the orderer.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is another network's or its signature is wrong; [`Error`].
    pub async fn head(&self) -> Result<SignedHead, Error> {
        let head: SignedHead = self.client.get_json("/board/head").await?;
        if head.network != self.network || !head.is_signed_by(&self.key) {
            return Err(self.client.malformed("the board's head is not signed for this network"));
        }
        Ok(head)
    }

    /// All Config and Genesis records on the board, in order. Only their own signatures say that they are right.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn governance(&self) -> Result<Vec<GovernedRecord>, Error> {
        let answer = self.client.get_within("/board/governance", BLOCKS_TIME, GOVERNANCE_BYTES_MAX).await?;
        let rows: Vec<GovernedJson> = self.client.parse(&answer)?;
        let read =
            |row: GovernedJson| Some(GovernedRecord { height: row.height, record: hex::decode(row.record).ok()? });
        let rows: Option<Vec<_>> = rows.into_iter().map(read).collect();
        rows.ok_or_else(|| self.client.malformed("the board sent malformed records"))
    }
}

/// Blocks of consecutive heights from `from`, at most `limit`, as `GET /board/blocks` frames them. Their signatures are not
/// looked at. None for anything else.
#[must_use]
pub fn parse_blocks(bytes: &[u8], from: u64, limit: usize) -> Option<Vec<Block>> {
    let mut reader = Reader::new(bytes);
    let mut blocks = Vec::new();
    while reader.remaining() > 0 {
        let block = Block::decode(reader.bytes(limits::BLOCK_BYTES_MAX).ok()?).ok()?;
        let expected = from.checked_add(u64::try_from(blocks.len()).ok()?)?;
        if block.height != expected || blocks.len() >= limit {
            return None;
        }
        blocks.push(block);
    }
    Some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use quorumkeep_curves::enc::Writer;
    use quorumkeep_dkg::block::BlockRef;

    #[test]
    fn blocks_must_be_whole_and_consecutive() {
        let (network, key) = (NetworkId([1; 32]), SigningKey::from_bytes(&[2; 32]));
        let first = Block::sign(&network, &BlockRef::origin(&network), 1, vec![], &key);
        let second = Block::sign(&network, &first.reference(&network), 2, vec![vec![1, 2, 3]], &key);
        let both = Writer::raw().bytes(&first.encode()).bytes(&second.encode()).finish();
        assert_eq!(parse_blocks(&both, 1, 10), Some(vec![first.clone(), second.clone()]));
        assert_eq!(parse_blocks(&[], 1, 10), Some(vec![]));
        assert_eq!(parse_blocks(&both, 2, 10), None, "not the heights that were asked for");
        assert_eq!(parse_blocks(&both, 1, 1), None, "more than asked for");
        assert_eq!(parse_blocks(&both[..both.len() - 1], 1, 10), None, "cut");
        let swapped = Writer::raw().bytes(&second.encode()).bytes(&first.encode()).finish();
        assert_eq!(parse_blocks(&swapped, 1, 10), None);
    }
}
