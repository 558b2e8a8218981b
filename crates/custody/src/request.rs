//! Signed requests: everything that changes a custody is one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use quorumkeep_curves::tags;
use serde::{Deserialize, Serialize};

use crate::bytes::{Blob, Hash, Hex};
use crate::canonical;
use crate::guardian::{Guardian, Recipient};
use crate::keys::{SignKey, Signature, VerifyKey};
use crate::manifest::{CONTAINERS_MAX, SignedManifest};
use crate::names::{Name, NotAName};
use crate::people::{self, Person, Seats};

/// Bytes of the longest request: a set of 255 guardians.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a request may wait for its approvals: 7 days.
pub const LIFETIME_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// How far the clocks of two machines may be apart: 5 minutes.
pub const CLOCK_SKEW_MS: u64 = 5 * 60 * 1000;
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 500;

/// Names a backup set: `KEY/NODE/GENERATION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetId {
    /// The key that is backed up.
    pub key_id: Name,
    /// Whose.
    pub node_id: Name,
    /// From 1.
    pub generation: u32,
}

impl SetId {
    /// Its key in the records; in the order of generations.
    #[must_use]
    pub fn record(&self) -> String {
        format!("{}/{}/{:010}", self.key_id, self.node_id, self.generation)
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.key_id, self.node_id, self.generation)
    }
}

impl FromStr for SetId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected KEY/NODE/GENERATION".to_owned();
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or_else(wrong);
        let (key, node, generation) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(wrong());
        }
        let name = |text: &str| text.parse().map_err(|error: NotAName| error.to_string());
        let generation = generation.parse().map_err(|_| wrong())?;
        Ok(Self { key_id: name(key)?, node_id: name(node)?, generation })
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A person of the roster.
    Person(Name),
    /// A registered guardian.
    Guardian(Name),
    /// The isolated process of a recovery session.
    Process(Hash),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => write!(f, "person:{name}"),
            Self::Guardian(name) => write!(f, "guardian:{name}"),
            Self::Process(session) => write!(f, "process:{session}"),
        }
    }
}

/// The public keys of the process that combines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What guardians seal their shares to.
    pub recipient: Recipient,
    /// What it signs its findings with.
    pub signing: VerifyKey,
}

/// The parameters of a recovery; two people approve their hash before the first share is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRecovery {
    /// What is recovered.
    pub set: SetId,
    /// Exactly this manifest.
    pub manifest_hash: Hash,
    /// The process that combines.
    pub process: Process,
    /// Who gets the secret: it is sealed to this key and nobody else.
    pub recipient: Recipient,
    /// How long shares are accepted after the approval.
    pub lifetime_ms: u64,
    /// Why: ticket and risk, for the audit log.
    pub reason: String,
    /// With one approval instead of two, and an alarm.
    pub break_glass: bool,
}

/// What a process found in the submissions of its session. It signs them; two people approve exactly these before anything is
/// handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// The session.
    pub session: Hash,
    /// Shares that are right.
    pub good: Vec<u8>,
    /// Shares that are not, and why.
    pub bad: Vec<(u8, String)>,
    /// The secret was recovered, recognised and sealed; none: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}

/// A secret that was recovered, as far as everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// By what it was recognised.
    pub recognised: BTreeSet<Recognised>,
    /// What is handed over, and nothing else.
    pub outputs: Vec<SealedOutput>,
}

/// By what a secret was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recognised {
    /// The key of the set is the one of the manifest.
    Key,
    /// Every container of the manifest opened, to its end.
    Containers,
    /// The secret is the private half of the public key of the manifest.
    PublicKey,
}

/// A file that is sealed to the recipient of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedOutput {
    /// The container it was, or `secret`.
    pub name: Name,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

impl Findings {
    /// Is all of it as long as it may be?
    #[must_use]
    pub fn fits(&self) -> bool {
        let shares = self.good.len() <= usize::from(u8::MAX) && self.bad.len() <= usize::from(u8::MAX);
        let texts = self.bad.iter().all(|(_, why)| why.chars().count() <= REASON_CHARS_MAX);
        let outputs = self.recovered.as_ref().is_none_or(|recovered| recovered.outputs.len() <= CONTAINERS_MAX);
        shares && texts && outputs
    }
}

/// What is asked. Requests come one at a time; a box around the larger ones would save nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Action {
    /// Changes who is in the roster.
    ChangePeople {
        /// The request of the change before it, or the identity of the custody: [`crate::session::head`].
        after: Hash,
        /// Newcomers, and whoever gets another key or other roles.
        add: Vec<Person>,
        /// Who leaves, or is replaced.
        remove: Vec<Name>,
    },
    /// Registers a guardian.
    AddGuardian(Guardian),
    /// Removes a guardian.
    RemoveGuardian {
        /// His name.
        name: Name,
        /// His signing key: who is registered under his name since is not meant.
        signing: VerifyKey,
    },
    /// A new backup set.
    CreateSet {
        /// Signed by who asks.
        manifest: SignedManifest,
        /// In the order of the indices.
        envelopes: Vec<Blob>,
    },
    /// A guardian fetches his envelope.
    Deliver {
        /// Of which set.
        set: SetId,
        /// Which share.
        index: u8,
    },
    /// A guardian has checked his share.
    Confirm {
        /// Of which set.
        set: SetId,
        /// Which share.
        index: u8,
        /// His signature over the receipt: [`crate::delivery::Receipt`].
        receipt: Signature,
    },
    /// A guardian could not use what he got.
    ReportFailure {
        /// Of which set.
        set: SetId,
        /// Which share.
        index: u8,
        /// Why.
        reason: String,
    },
    /// Lets the delivery of a share begin again after too many attempts.
    RetryDelivery {
        /// Of which set.
        set: SetId,
        /// Which share.
        index: u8,
    },
    /// Approves a waiting request: exactly this one.
    Approve {
        /// Its hash.
        request: Hash,
        /// The last change of people that the approver knows: [`crate::chain::People::head`].
        people_head: Hash,
    },
    /// Refuses a waiting request for good.
    Reject {
        /// Its hash.
        request: Hash,
        /// Why.
        reason: String,
    },
    /// Opens a recovery session.
    OpenRecovery(OpenRecovery),
    /// A guardian gives his share to the process of a session.
    SubmitShare {
        /// The session.
        session: Hash,
        /// Which share.
        index: u8,
        /// The share, sealed to the process.
        sealed: Blob,
    },
    /// The process takes the shares that were submitted.
    Collect {
        /// The session.
        session: Hash,
    },
    /// The process says what it found.
    Report(Findings),
    /// Lets the process hand over what it found: exactly these outputs.
    CommitRecovery {
        /// What the process signed.
        findings: Findings,
    },
    /// The process hands it over now; it cannot be ended any more.
    Complete {
        /// The session.
        session: Hash,
    },
    /// Ends a session without a result.
    AbortRecovery {
        /// The session.
        session: Hash,
        /// Why.
        reason: String,
    },
}

impl Action {
    /// The name of the event in the audit log.
    #[must_use]
    pub fn event(&self) -> &'static str {
        match self {
            Self::ChangePeople { .. } => "people.change",
            Self::AddGuardian(_) => "guardian.add",
            Self::RemoveGuardian { .. } => "guardian.remove",
            Self::CreateSet { .. } => "backup.create",
            Self::Deliver { .. } => "backup.deliver",
            Self::Confirm { .. } => "backup.confirm",
            Self::ReportFailure { .. } => "backup.fail",
            Self::RetryDelivery { .. } => "backup.retry",
            Self::Approve { .. } => "request.approve",
            Self::Reject { .. } => "request.reject",
            Self::OpenRecovery(open) if open.break_glass => "recovery.break_glass",
            Self::OpenRecovery(_) => "recovery.open",
            Self::SubmitShare { .. } => "recovery.submit",
            Self::Collect { .. } => "recovery.collect",
            Self::Report(_) => "recovery.report",
            Self::CommitRecovery { .. } => "recovery.commit",
            Self::Complete { .. } => "recovery.complete",
            Self::AbortRecovery { .. } => "recovery.abort",
        }
    }

    /// The approvals it needs beside the request itself. Those of a commit depend on its session.
    #[must_use]
    pub fn seats(&self) -> Seats {
        match self {
            Self::ChangePeople { .. } | Self::CommitRecovery { .. } => people::TWO,
            Self::OpenRecovery(open) if open.break_glass => people::BREAK_GLASS,
            Self::OpenRecovery(_) => people::TWO,
            Self::AddGuardian(_) | Self::RemoveGuardian { .. } => people::SECURITY,
            _ => people::NONE,
        }
    }
}

/// A request as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Which custody.
    pub custody: Hash,
    /// Random: a repeated request gets the answer of the first, another one under the same number is refused.
    pub id: Hex<16>,
    /// Who asks.
    pub by: By,
    /// When.
    pub at_ms: u64,
    /// Until when it counts.
    pub expires_ms: u64,
    /// What.
    pub action: Action,
}

/// A request and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// What is signed.
    pub request: Request,
    /// By the key of who asks.
    pub signature: Signature,
}

impl Request {
    /// Signs it.
    #[must_use]
    pub fn sign(self, key: &SignKey) -> Signed {
        let signature = key.sign(tags::CUSTODY_REQUEST, &canonical::to_bytes(&self));
        Signed { request: self, signature }
    }

    /// May it be carried out at this time?
    #[must_use]
    pub fn is_of(&self, now_ms: u64) -> bool {
        let begun = self.at_ms <= now_ms.saturating_add(CLOCK_SKEW_MS) && now_ms <= self.expires_ms;
        begun && self.expires_ms.saturating_sub(self.at_ms) <= LIFETIME_MS_MAX
    }

    /// Its identity: what approvals name.
    #[must_use]
    pub fn hash(&self) -> Hash {
        canonical::hash(tags::CUSTODY_REQUEST, self)
    }
}

impl Signed {
    /// Reads a request of at most [`REQUEST_BYTES_MAX`].
    ///
    /// # Errors
    /// [`canonical::NotCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, canonical::NotCanonical> {
        canonical::from_bytes(bytes, REQUEST_BYTES_MAX)
    }

    /// Is it signed with this key?
    #[must_use]
    pub fn is_by(&self, key: &VerifyKey) -> bool {
        key.verify(tags::CUSTODY_REQUEST, &canonical::to_bytes(&self.request), &self.signature)
    }
}
