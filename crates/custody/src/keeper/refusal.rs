//! Why something is not done. Every reason has a stable code.

use crate::bytes::Hash;
use crate::delivery;
use crate::guardian;
use crate::manifest::{self, ShareFault};
use crate::names::Name;
use crate::people;
use crate::records::ReadError;

/// A request that is not carried out; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Of another custody.
    #[error("the request is for another custody")]
    Custody,
    /// Nobody of that name, or a session that does not exist.
    #[error("{0} is not known here")]
    Requester(String),
    /// Not signed by who asks.
    #[error("the request is not signed by {0}")]
    Signature(String),
    /// The clock of who asks is ahead.
    #[error("the request is from the future: compare the clocks")]
    Future,
    /// Too late.
    #[error("the request has expired")]
    Expired,
    /// Valid for too long.
    #[error("a request is valid for at most 7 days")]
    Lifetime,
    /// Another request had the same number.
    #[error("another request had the same number")]
    Conflict,
    /// He may not.
    #[error("{0} needs the role {1} for this")]
    Role(Name, &'static str),
    /// Who asks does not approve.
    #[error("{0} asked for it and cannot approve it")]
    SelfApproval(Name),
    /// Once is enough.
    #[error("{0} has approved it already")]
    ApprovedAlready(Name),
    /// There is nothing of that hash to approve.
    #[error("no request with this hash waits for approval")]
    NotWaiting,
    /// Another change of people came first.
    #[error("another change of the people was carried out in between: ask again")]
    Overtaken,
    /// The process key was used before.
    #[error("the key of the process belongs to another session: make a new one")]
    ProcessKey,
    /// It was decided.
    #[error("the request is {0} already")]
    Decided(&'static str),
    /// People that cannot be.
    #[error(transparent)]
    People(#[from] people::Error),
    /// Keys that cannot be.
    #[error(transparent)]
    GuardianKeys(#[from] guardian::Error),
    /// A guardian of that name, or with one of these keys, is registered.
    #[error("{0} is registered already, or shares a key with somebody who is")]
    GuardianExists(Name),
    /// Not registered.
    #[error("{0} is not a registered guardian")]
    GuardianUnknown(Name),
    /// He was removed, and perhaps another one has his name now.
    #[error("{0} was removed: his shares are nobody else's, and he gets nothing more")]
    GuardianRemoved(Name),
    /// A key of somebody who left.
    #[error("a key of {0} belonged to {1} and left with him: make new keys")]
    KeyRetired(Name, String),
    /// The manifest has other keys than the register.
    #[error("the manifest has other keys for {0} than the register")]
    GuardianDiffers(Name),
    /// A manifest that cannot be.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// Somebody else's manifest, or of another custody.
    #[error("the manifest is not made by who asks, for this custody")]
    Dealer,
    /// Generations rise by one.
    #[error("the next generation of this secret is {0}")]
    Generation(u32),
    /// The sealed share is not the one of the manifest.
    #[error("envelope {0} is missing, too long, or not the one of the manifest")]
    Envelope(u8),
    /// No such set.
    #[error("there is no backup set {0}")]
    UnknownSet(String),
    /// Somebody else's share.
    #[error("share {1} is not held by {0}")]
    NotYours(Name, u8),
    /// The public key that came with a request is not the registered one.
    #[error("the public key is not the one that is registered for {0}")]
    PublicKey(Name),
    /// A step that the delivery cannot take.
    #[error(transparent)]
    Delivery(#[from] delivery::Error),
    /// The set has another manifest.
    #[error("the manifest hash is not the one of the set")]
    ManifestHash,
    /// No such session.
    #[error("there is no recovery session {0}")]
    UnknownSession(Hash),
    /// There is no approved session for this secret.
    #[error("no approved recovery session is open for {0}")]
    NoSession(String),
    /// One at a time.
    #[error("the recovery session {0} is open for this secret")]
    SessionOpen(Hash),
    /// Not in this state.
    #[error("the recovery session is {0}")]
    SessionState(&'static str),
    /// Not what the process found last.
    #[error("the process has found something else since: look at its findings, and ask again")]
    Findings,
    /// A share that is there.
    #[error("share {0} was submitted already")]
    Submitted(u8),
    /// The submitted bytes are not the share.
    #[error("share refused: {0}")]
    Share(#[from] ShareFault),
    /// A text or ciphertext that is too long or empty.
    #[error("{0} is empty or too long")]
    Text(&'static str),
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Custody => "request_foreign",
            Self::Requester(_) => "requester_unknown",
            Self::Signature(_) => "request_signature",
            Self::Future | Self::Expired | Self::Lifetime => "request_time",
            Self::Conflict => "request_conflict",
            Self::Role(..) => "role_missing",
            Self::SelfApproval(_) => "self_approval",
            Self::ApprovedAlready(_) => "approved_already",
            Self::NotWaiting | Self::Decided(_) => "not_waiting",
            Self::Overtaken => "overtaken",
            Self::ProcessKey => "process_key_used",
            Self::People(_) => "people_invalid",
            Self::GuardianKeys(_) => "guardian_keys",
            Self::GuardianExists(_) => "guardian_exists",
            Self::GuardianUnknown(_) => "guardian_unknown",
            Self::GuardianRemoved(_) => "guardian_removed",
            Self::KeyRetired(..) => "key_retired",
            Self::GuardianDiffers(_) => "guardian_differs",
            Self::Manifest(manifest::Error::Placement(_)) => "placement_refused",
            Self::Manifest(_) | Self::Dealer => "manifest_invalid",
            Self::Generation(_) => "generation_wrong",
            Self::Envelope(_) => "envelope_mismatch",
            Self::UnknownSet(_) => "set_unknown",
            Self::NotYours(..) => "share_not_yours",
            Self::PublicKey(_) => "public_key_differs",
            Self::Delivery(delivery::Error::Receipt) => "receipt_invalid",
            Self::Delivery(delivery::Error::Attempts) => "attempts_exhausted",
            Self::Delivery(_) => "delivery_state",
            Self::ManifestHash => "manifest_differs",
            Self::UnknownSession(_) => "session_unknown",
            Self::NoSession(_) => "session_missing",
            Self::SessionOpen(_) => "session_open",
            Self::SessionState(_) => "session_state",
            Self::Findings => "findings_differ",
            Self::Submitted(_) => "share_submitted",
            Self::Share(_) => "share_bad",
            Self::Text(_) => "text_invalid",
        }
    }
}

/// Why handling stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A rule says no.
    Refused(Refusal),
    /// The records cannot be read; nothing may be concluded.
    Read(ReadError),
}

impl<E: Into<Refusal>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// The result of a step.
pub type Step<T> = Result<T, Stop>;

/// A read that may fail.
pub trait OrStop<T> {
    /// As a [`Step`].
    ///
    /// # Errors
    /// [`Stop::Read`].
    fn or_stop(self) -> Step<T>;
}

impl<T> OrStop<T> for Result<T, ReadError> {
    fn or_stop(self) -> Step<T> {
        self.map_err(Stop::Read)
    }
}
