//! Evidence: what an operator did wrong, for somebody who has nothing but the network id.
//!
//! Evidence is a [`Claim`] and the board log up to the block that shows it. Whoever verifies it reads the log with the same
//! code as a node: every block must be the orderer's and follow the one before, from the first Config, whose hash the network
//! id contains. The claim then holds or it does not; nothing is believed because somebody says so.
//!
//! Only what the accused signed counts against him, so nobody can be framed by replays, by copied values or by records of
//! another round: these are no faults of a round in the first place. Where an orderer that forks could bring an honest
//! operator's record onto a board that it was not made for, the record is no evidence ([`Innocent::OtherBoard`]). A missing
//! record ([`Claim::Missing`]) and two receipts ([`Claim::Receipts`]) are signs, not proofs of fraud: see [`Offence::is_proof`].

mod claim;
mod scan;

use std::sync::Arc;

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::ledger::BoardAlarm;
use quorumkeep_dkg::limits;
use quorumkeep_dkg::transcript::FaultKind;

pub use claim::{Claim, SignedPartial};
pub use scan::{Scanner, scan};

/// Blocks of one piece of evidence: more than thirty years of one per minute.
pub const BLOCKS_MAX: usize = 1 << 24;

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Offence {
    /// A record that breaks the rules of its round.
    #[error("{1} (a record of kind {0:?})")]
    Record(Kind, FaultKind),
    /// A record that was due and is not there.
    #[error("no {0:?} was posted in its window")]
    Missing(Kind),
    /// Receipts for two different deals of one dealer in one round.
    #[error("receipts for two different deals")]
    Receipts,
    /// A signed answer that is no partial signature of the operator's share.
    #[error("a signed answer that is no partial signature under the operator's public share")]
    Partial,
}

impl Offence {
    /// Can only the accused have done it? A missing record may have been withheld by the orderer, and two receipts harm
    /// nobody by themselves.
    #[must_use]
    pub const fn is_proof(&self) -> bool {
        matches!(self, Self::Record(..) | Self::Partial)
    }

    /// A word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Record(_, FaultKind::Equivocation) => "conflicting_deals",
            Self::Record(_, FaultKind::Deal(_)) => "invalid_deal",
            Self::Record(_, FaultKind::Dealing) => "wrong_dealing",
            Self::Record(_, FaultKind::FalseComplaint) => "false_complaint",
            Self::Record(_, FaultKind::Extract) => "invalid_extract",
            Self::Record(_, FaultKind::Reconstruct) => "invalid_reconstruct",
            Self::Record(_, FaultKind::Confirm) => "invalid_confirm",
            Self::Record(_, FaultKind::Malformed) => "malformed_record",
            Self::Missing(_) => "missing_record",
            Self::Receipts => "two_receipts",
            Self::Partial => "wrong_partial",
        }
    }
}

/// Who did what, when. The claim is what evidence is made of.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The operator.
    pub culprit: Address,
    /// What it did.
    pub offence: Offence,
    /// The key that it was about.
    pub key: KeyId,
    /// The block whose reading shows it.
    pub height: u64,
    /// What evidence would claim.
    pub claim: Claim,
}

/// Why evidence shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Innocent {
    /// The log is another network's than the one that was asked about.
    #[error("the evidence is about network {0}")]
    OtherNetwork(NetworkId),
    /// The log does not contain the network's first Config.
    #[error("the board log does not begin with the first configuration of the network")]
    NoConfig,
    /// A block is not the orderer's, or does not follow.
    #[error("the board log is not the network's: {0}")]
    Board(#[from] BoardAlarm),
    /// Reading the log does not show what is claimed.
    #[error("the board log does not show what is claimed")]
    NotShown,
    /// The accused is or was no operator of the network.
    #[error("{0} never was an operator of this network")]
    Stranger(Address),
    /// A signature that should be the accused's is not.
    #[error("the accused did not sign it")]
    NotSigned,
    /// The record may have been made for another board, which only an orderer can have caused.
    #[error("the record names another board, which the orderer may have shown to its sender")]
    OtherBoard,
    /// A version that the log does not contain.
    #[error("the board log contains no such version, or the accused holds no share of it")]
    NoVersion,
    /// The answer is right.
    #[error("the partial signature is right")]
    RightPartial,
    /// The two receipts say the same, or are about different deals or rounds.
    #[error("the two receipts do not contradict each other")]
    NoContradiction,
}

/// A claim and the board log that shows it.
pub struct Evidence {
    /// The network.
    pub network: NetworkId,
    /// What is claimed.
    pub claim: Claim,
    /// The board log from height 1 to the block that shows it, without a gap.
    pub blocks: Vec<Block>,
}

impl Evidence {
    /// Is the claim true? `network` is what the verifier knows from elsewhere.
    ///
    /// # Errors
    /// [`Innocent`]: why it is not shown.
    pub fn verify(&self, network: &NetworkId) -> Result<Finding, Innocent> {
        if self.network != *network {
            return Err(Innocent::OtherNetwork(self.network));
        }
        let mut scanner = Scanner::new(*network, &self.blocks, Arc::default())?;
        let found = scanner.read_all(&self.blocks)?;
        claim::judge(&self.claim, &scanner, found)
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(tags::NODE_EVIDENCE).fixed(&self.network.0);
        let writer = self.claim.write(writer).list(self.blocks.len());
        self.blocks.iter().fold(writer, |writer, block| writer.bytes(&block.encode())).finish()
    }

    /// Reads one piece of evidence; nothing is verified yet.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::NODE_EVIDENCE)?;
        let network = NetworkId(reader.fixed()?);
        let claim = Claim::read(&mut reader)?;
        let count = reader.list(BLOCKS_MAX)?;
        let mut blocks = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            blocks.push(Block::decode(reader.bytes(limits::BLOCK_BYTES_MAX)?)?);
        }
        reader.finish()?;
        Ok(Self { network, claim, blocks })
    }
}

/// Is this the claim's record?
fn is_about(finding: &Finding, record: &Digest) -> bool {
    matches!(&finding.claim, Claim::Record { record: found, .. } if found == record)
}
