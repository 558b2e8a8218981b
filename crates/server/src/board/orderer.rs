//! The core of the orderer: a pool, a chain of blocks, and the order in which things become true. No socket, no clock.

use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use ed25519_dalek::SigningKey;
use quorumkeep_curves::bn254;
use quorumkeep_dkg::block::{Block, BlockRef};
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::{Address, Digest, NetworkId};
use quorumkeep_dkg::{limits, records};
use quorumkeep_node::failpoints::{self, Point};
use serde::{Deserialize, Serialize};

use super::db::{BoardDb, DbError};
use super::log::{Log, SignedHead};
use super::pool::{Full, Pool, Quota, Waiting};
use super::roster::{GovernedError, Roster};

/// Why a record is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is larger than any record.
    #[error("a record has at most {max} bytes", max = limits::RECORD_BYTES_MAX)]
    TooLarge,
    /// It is not an envelope.
    #[error("the record cannot be decoded")]
    Malformed,
    /// It is for another network.
    #[error("this is the board of network {ours}")]
    ForeignNetwork {
        /// The board's network.
        ours: NetworkId,
    },
    /// Its kind goes from node to node only.
    #[error("a message of this kind does not belong on the board")]
    NotARecord,
    /// Its sender is and was no operator.
    #[error("{sender} is and was no operator of this network")]
    UnknownSigner {
        /// Who.
        sender: Address,
    },
    /// It is not signed by its sender.
    #[error("the signature is not the sender's")]
    BadSignature,
    /// It can count nowhere: it would only fill the board.
    #[error("{0}")]
    CannotCount(&'static str),
    /// A governed record that the rules do not allow.
    #[error(transparent)]
    Governed(#[from] GovernedError),
    /// The sender has used up its part of the pool.
    #[error("enough records of {sender} wait already, or were taken for this round; post again later")]
    Full {
        /// Who.
        sender: Address,
    },
    /// No more blocks are made here.
    #[error("another orderer has taken over this network")]
    Retired,
    /// The disk failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// No block was made.
#[derive(Debug, thiserror::Error)]
pub enum OrdererError {
    /// The configuration names another orderer for the next block.
    #[error("the network's configuration names another orderer; this one only answers readers")]
    Retired,
    /// An earlier block may or may not be on the disk; making another one could contradict it.
    #[error("the orderer stopped after its disk failed; restart it when the disk is good")]
    Stopped,
    /// The disk failed now.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A block from elsewhere was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It does not follow the newest block.
    #[error("block {height} does not follow block {head}")]
    NotNext {
        /// Its height.
        height: u64,
        /// The newest height here.
        head: u64,
    },
    /// The orderer of its time did not sign it.
    #[error("block {height} is not signed by the orderer")]
    Forged {
        /// Its height.
        height: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It waits for a block. It is forgotten if the orderer stops now: post it again until it is known.
    Pending,
    /// It is on the board.
    Known,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// `H(bytes)`.
    pub id: Digest,
    /// Where it is.
    pub status: Status,
}

/// The result of a first look at a record.
pub enum Screened {
    /// The board has it already.
    Done(Posted),
    /// Its signatures must be checked.
    Unverified(Box<Unverified>),
}

/// A record that is new and could be right. Checking its signatures needs no orderer, so nothing waits for it.
pub struct Unverified {
    id: Digest,
    envelope: Envelope,
    bytes: Arc<[u8]>,
    by: By,
}

enum By {
    Operator(Arc<bn254::PublicKey>),
    Roster(Arc<Roster>),
}

/// A record whose signatures are right. Made by [`Unverified::verify`] only.
pub struct Verified(Waiting);

impl Unverified {
    /// Checks the signatures: one or two pairings.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadSignature`], [`Refusal::Governed`].
    pub fn verify(self) -> Result<Verified, Refusal> {
        match &self.by {
            By::Operator(key) if records::is_signed_by(&self.envelope, key) => {}
            By::Operator(_) => return Err(Refusal::BadSignature),
            By::Roster(roster) => drop(roster.check(&self.envelope)?),
        }
        Ok(Verified(Waiting { id: self.id, header: self.envelope.header, bytes: self.bytes }))
    }
}

/// The orderer of one network.
pub struct Orderer {
    network: NetworkId,
    anchor: [u8; 32],
    key: SigningKey,
    db: BoardDb,
    roster: Arc<Roster>,
    pool: Pool,
    log: Arc<Log>,
    head: BlockRef,
    time_ms: u64,
    stopped: bool,
}

impl Orderer {
    /// Goes on from what is on the disk in `folder`, or begins an empty board. `anchor` is the Ed25519 key of the
    /// network's first orderer, which is the own key unless this orderer replaces that one.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub fn open(
        folder: &Path,
        network: NetworkId,
        anchor: [u8; 32],
        key: SigningKey,
        quota: Quota,
    ) -> Result<Self, DbError> {
        let db = BoardDb::open(folder, &network, &anchor)?;
        let mut roster = Roster::new(network);
        for row in db.governance()? {
            let damaged = || DbError::Damaged { path: db.path().to_owned(), height: row.height };
            let envelope = Envelope::decode(&row.bytes).map_err(|_| damaged())?;
            let governed = roster.check(&envelope).map_err(|_| damaged())?;
            roster.apply(governed);
        }
        let (head, time_ms) = match db.last(&network)? {
            Some((head, block)) => (head, block.time_ms),
            None => (BlockRef::origin(&network), 0),
        };
        let log = Arc::new(Log::open(folder, SignedHead::sign(&network, &head, time_ms, &key))?);
        let (roster, pool) = (Arc::new(roster), Pool::new(quota));
        Ok(Self { network, anchor, key, db, roster, pool, log, head, time_ms, stopped: false })
    }

    /// The published blocks.
    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Who may post.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How many records wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.len()
    }

    /// The key that must sign the next block.
    fn signer(&self) -> [u8; 32] {
        self.roster.config().map_or(self.anchor, |config| config.orderer)
    }

    /// Does the configuration name another orderer?
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.signer() != self.key.verifying_key().to_bytes()
    }

    /// A first look at a record: everything but its signatures.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn screen(&self, bytes: &[u8]) -> Result<Screened, Refusal> {
        if bytes.len() > limits::RECORD_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let id = record_id(bytes);
        if let Some(posted) = self.find(&id)? {
            return Ok(Screened::Done(posted));
        }
        if self.is_retired() {
            return Err(Refusal::Retired);
        }
        let envelope = Envelope::decode(bytes).map_err(|_| Refusal::Malformed)?;
        let by = self.who(&envelope)?;
        let sender = envelope.header.sender;
        let room = self.pool.check_room(&envelope.header, bytes.len(), self.roster.operators());
        room.map_err(|Full| Refusal::Full { sender })?;
        Ok(Screened::Unverified(Box::new(Unverified { id, envelope, bytes: bytes.into(), by })))
    }

    fn find(&self, id: &Digest) -> Result<Option<Posted>, DbError> {
        let status = if self.pool.contains(id) {
            Status::Pending
        } else if self.db.contains(id)? {
            Status::Known
        } else {
            return Ok(None);
        };
        Ok(Some(Posted { id: *id, status }))
    }

    /// Whose signature the record needs.
    fn who(&self, envelope: &Envelope) -> Result<By, Refusal> {
        if envelope.header.network != self.network {
            return Err(Refusal::ForeignNetwork { ours: self.network });
        }
        let kind = envelope.header.kind;
        if kind == Kind::Ack {
            return Err(Refusal::NotARecord);
        }
        if kind.is_governed() {
            return Ok(By::Roster(Arc::clone(&self.roster)));
        }
        let sender = envelope.header.sender;
        let key = self.roster.operator(&sender).ok_or(Refusal::UnknownSigner { sender })?;
        self.roster.can_count(envelope, self.head.height).map_err(Refusal::CannotCount)?;
        Ok(By::Operator(Arc::clone(key)))
    }

    /// Puts a verified record into the pool.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`], [`Refusal::Db`].
    pub fn admit(&mut self, record: Verified) -> Result<Posted, Refusal> {
        let Verified(record) = record;
        // The same bytes may have come twice at a time; a record must never stand on the board twice.
        if let Some(posted) = self.find(&record.id)? {
            return Ok(posted);
        }
        let posted = Posted { id: record.id, status: Status::Pending };
        let sender = record.header.sender;
        self.pool.add(record, self.roster.operators()).map_err(|Full| Refusal::Full { sender })?;
        Ok(posted)
    }

    /// [`Orderer::screen`], [`Unverified::verify`] and [`Orderer::admit`] in one.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn post(&mut self, bytes: &[u8]) -> Result<Posted, Refusal> {
        match self.screen(bytes)? {
            Screened::Done(posted) => Ok(posted),
            Screened::Unverified(record) => self.admit(record.verify()?),
        }
    }

    /// Makes the next block from the records that wait, even from none. When this returns, the block is durable and
    /// published.
    ///
    /// # Errors
    ///
    /// [`OrdererError`]. After a failure of the disk no more blocks are made.
    pub fn make_block(&mut self, now_ms: u64) -> Result<SignedHead, OrdererError> {
        if self.stopped {
            return Err(OrdererError::Stopped);
        }
        if self.is_retired() {
            return Err(OrdererError::Retired);
        }
        let chosen = self.choose();
        let records = chosen.iter().map(|record| record.bytes.to_vec()).collect();
        let block = Block::sign(&self.network, &self.head, now_ms.max(self.time_ms), records, &self.key);
        let head = self.commit(&block)?;
        self.pool.remove(chosen.iter().map(|record| &record.id));
        self.pool.forget_before(self.roster.oldest_round(head.height), head.height);
        Ok(head)
    }

    /// The records of the next block. Governed records that have become wrong are dropped.
    fn choose(&mut self) -> Vec<Waiting> {
        let mut roster = Arc::clone(&self.roster);
        let mut chosen = self.pool.choose(self.head.height);
        let mut stale = Vec::new();
        chosen.retain(|record| {
            let good = !record.header.sender.is_zero() || fold(&mut roster, &record.bytes).is_some();
            if !good {
                stale.push(record.id);
            }
            good
        });
        self.pool.remove(&stale);
        chosen
    }

    /// Makes the block durable, then true here, then public. Until it is durable, nothing outside has seen the block or
    /// its signature.
    fn commit(&mut self, block: &Block) -> Result<SignedHead, DbError> {
        let mut roster = Arc::clone(&self.roster);
        let governed = |record: &Vec<u8>| Some((fold(&mut roster, record)?, record.clone()));
        let governed: Vec<_> = block.records.iter().filter_map(governed).collect();
        let reference = block.reference(&self.network);
        self.stopped = true;
        failpoints::hit(Point::BoardCommitBefore);
        self.db.append(block, &reference.hash, &governed)?;
        failpoints::hit(Point::BoardCommitAfter);
        self.stopped = false;
        (self.roster, self.head, self.time_ms) = (roster, reference, block.time_ms);
        let head = SignedHead::sign(&self.network, &self.head, self.time_ms, &self.key);
        self.log.publish(head.clone(), Bytes::from(block.encode()));
        Ok(head)
    }

    /// Takes over a block from the log of a node, to rebuild a lost board.
    ///
    /// # Errors
    ///
    /// [`ImportError`]: it is not the next block, or not signed by the orderer of its time.
    pub fn import(&mut self, block: &Block) -> Result<(), ImportError> {
        let (height, head) = (block.height, self.head.height);
        if height != head + 1 || block.previous != self.head.hash {
            return Err(ImportError::NotNext { height, head });
        }
        let signer = ed25519_dalek::VerifyingKey::from_bytes(&self.signer());
        if !signer.is_ok_and(|signer| block.is_signed_by(&self.network, &signer)) {
            return Err(ImportError::Forged { height });
        }
        self.commit(block)?;
        Ok(())
    }
}

/// Takes a governed record into the roster. `None` if it is not one, or not a right one.
fn fold(roster: &mut Arc<Roster>, bytes: &[u8]) -> Option<Kind> {
    let envelope = Envelope::decode(bytes).ok().filter(|envelope| envelope.header.kind.is_governed())?;
    let governed = roster.check(&envelope).ok()?;
    Arc::make_mut(roster).apply(governed);
    Some(envelope.header.kind)
}
