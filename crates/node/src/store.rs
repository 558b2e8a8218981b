//! What a node asks of its storage: one transaction per handled event, one load at start (design section 10).
//!
//! The trait lives here, the engines in the crate `store`. `commit` returns only when everything is durable; if it fails,
//! the process stops before anything leaves (a share that is not on disk is never confirmed).

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::{Digest, KeyId, VersionId};
use zeroize::Zeroizing;

/// The secrets of one round: the receive key `e` and the seed of everything the node deals. Sealed at rest.
pub struct RoundSecret {
    /// The key.
    pub key: KeyId,
    /// The boundary height of the round.
    pub round: u64,
    /// `e`, 32 bytes big-endian, and the seed, 32 bytes.
    pub bytes: Zeroizing<[u8; 64]>,
}

/// A share `x_j` of a version. Sealed at rest under its own data key.
pub struct ShareRow {
    /// The key.
    pub key: KeyId,
    /// The version.
    pub version: VersionId,
    /// The boundary height of the version's round.
    pub round: u64,
    /// The player's index.
    pub index: u16,
    /// `x_j`.
    pub share: SecretScalar,
}

/// A record of this node's own, kept before it is posted and posted verbatim again after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRecord {
    /// The key.
    pub key: KeyId,
    /// The boundary height of the round.
    pub round: u64,
    /// What it is.
    pub kind: Kind,
    /// The subject of a complaint; zero for the others.
    pub subject: Digest,
    /// The encoded envelope.
    pub bytes: Vec<u8>,
}

/// The public result of a version, kept for look-ups by id and by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRow {
    /// The key.
    pub key: KeyId,
    /// The version.
    pub version: VersionId,
    /// The boundary height of its round.
    pub round: u64,
    /// The height at which it became active.
    pub active_height: u64,
    /// The orderer's clock at that height, in milliseconds.
    pub active_ms: u64,
    /// The encoded output.
    pub bytes: Vec<u8>,
}

/// Why the node is not serving.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Suspension {
    /// What was found.
    pub reason: String,
    /// `true`: the node does nothing until a person has looked. `false`: it serves again when a version of a round after
    /// `until_round_after` is settled.
    pub halted: bool,
    /// See `halted`.
    pub until_round_after: u64,
    /// Partial signatures are still given: what is wrong is the board, not the shares.
    pub serves: bool,
}

/// Everything that one handled event changes. Applied in one transaction, or not at all.
#[derive(Default)]
pub struct Batch {
    /// Blocks of the board to append: height and encoded block.
    pub blocks: Vec<(u64, Vec<u8>)>,
    /// The ledger at this height; replaces the one before.
    pub snapshot: Option<(u64, Vec<u8>)>,
    /// Own records to keep. An existing (key, round, kind, subject) is never replaced: that is an error.
    pub records: Vec<OwnRecord>,
    /// Secrets of rounds to keep. An existing (key, round) is never replaced: that is an error.
    pub round_secrets: Vec<RoundSecret>,
    /// For each key: delete the secrets of all rounds up to and including this one, and change the key-encryption key.
    pub forget_secrets: Vec<(KeyId, u64)>,
    /// For each key: delete the own records of all rounds before this one.
    pub forget_records: Vec<(KeyId, u64)>,
    /// Shares to keep. An existing (key, version) is never replaced: that is an error.
    pub shares: Vec<ShareRow>,
    /// For each key: delete every share whose version is not in the list, and change the key-encryption key.
    pub keep_shares: Vec<(KeyId, Vec<VersionId>)>,
    /// Public results.
    pub outputs: Vec<OutputRow>,
    /// Group keys to pin (96 bytes compressed). A pin is never replaced by another: that is an error.
    pub pins: Vec<(KeyId, [u8; 96])>,
    /// Nonces used up, with the millisecond after which they may be forgotten. An existing one is an error
    /// ([`StoreFailed::NonceUsed`]) and nothing of the batch is applied.
    pub nonces: Vec<(Digest, u64)>,
    /// The suspension to remember (`Some(None)` lifts it).
    pub suspension: Option<Option<Suspension>>,
    /// Lines for the audit table: milliseconds, text. Public facts only.
    pub audit: Vec<(u64, String)>,
}

impl Batch {
    /// Is there nothing to do?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
            && self.snapshot.is_none()
            && self.records.is_empty()
            && self.round_secrets.is_empty()
            && self.forget_secrets.is_empty()
            && self.forget_records.is_empty()
            && self.shares.is_empty()
            && self.keep_shares.is_empty()
            && self.outputs.is_empty()
            && self.pins.is_empty()
            && self.nonces.is_empty()
            && self.suspension.is_none()
            && self.audit.is_empty()
    }
}

/// What a node finds at start.
#[derive(Default)]
pub struct Loaded {
    /// The newest snapshot of the ledger and its height.
    pub snapshot: Option<(u64, Vec<u8>)>,
    /// The encoded blocks above the snapshot, ascending.
    pub blocks: Vec<Vec<u8>>,
    /// Own records that were not forgotten.
    pub records: Vec<OwnRecord>,
    /// Secrets of rounds that were not forgotten.
    pub round_secrets: Vec<RoundSecret>,
    /// Shares that were not deleted.
    pub shares: Vec<ShareRow>,
    /// Pinned group keys.
    pub pins: Vec<(KeyId, [u8; 96])>,
    /// The suspension, if there is one.
    pub suspension: Option<Suspension>,
}

/// A transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailed {
    /// A nonce of the batch was used before; nothing was applied, and the node goes on.
    #[error("this nonce was used before")]
    NonceUsed,
    /// Something of the batch would replace what must never be replaced.
    #[error("{0} exists and is never replaced")]
    Exists(&'static str),
    /// The engine failed; the process must stop.
    #[error("the database failed: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Durable storage of one node.
pub trait Store: Send {
    /// Applies the batch in one transaction; returns when it is durable.
    ///
    /// # Errors
    /// [`StoreFailed`]; nothing was applied.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreFailed>;
}
