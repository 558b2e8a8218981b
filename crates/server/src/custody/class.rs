//! What kind of no a refusal is: the same for HTTP and gRPC.

use quorumkeep_custody::delivery;
use quorumkeep_custody::keeper::Refusal;

use super::DeskError;
use crate::problem::{Code, Problem};

/// A kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What was sent can never be right.
    Malformed,
    /// Nobody who is known signed it, or not now.
    Unauthenticated,
    /// Who asks may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// Not in the state that things are in.
    State,
    /// It is there already.
    Exists,
    /// Too often.
    Exhausted,
}

impl Class {
    /// The kind of a refusal.
    #[must_use]
    pub fn of(refusal: &Refusal) -> Self {
        use Refusal as R;
        match refusal {
            R::Requester(_) | R::Signature(_) | R::Future | R::Expired | R::Lifetime => Self::Unauthenticated,
            R::Custody
            | R::Role(..)
            | R::SelfApproval(_)
            | R::NotYours(..)
            | R::PublicKey(_)
            | R::GuardianRemoved(_) => Self::Forbidden,
            R::GuardianUnknown(_) | R::UnknownSet(_) | R::UnknownSession(_) | R::NotWaiting => Self::NotFound,
            R::Conflict | R::ApprovedAlready(_) | R::GuardianExists(_) | R::SessionOpen(_) | R::Submitted(_) => {
                Self::Exists
            }
            R::Delivery(delivery::Error::Attempts) => Self::Exhausted,
            R::Delivery(delivery::Error::Receipt) => Self::Malformed,
            R::Decided(_)
            | R::Overtaken
            | R::ProcessKey
            | R::KeyRetired(..)
            | R::Delivery(_)
            | R::Generation(_)
            | R::ManifestHash
            | R::NoSession(_)
            | R::Findings
            | R::SessionState(_) => Self::State,
            R::People(_)
            | R::GuardianKeys(_)
            | R::GuardianDiffers(_)
            | R::Manifest(_)
            | R::Dealer
            | R::Envelope(_)
            | R::Share(_)
            | R::Text(_) => Self::Malformed,
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Malformed => Code::Malformed,
            Self::Unauthenticated | Self::Forbidden => Code::Rule,
            Self::NotFound => Code::NotFound,
            Self::State | Self::Exists | Self::Exhausted => Code::Conflict,
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(refusal) => {
                Self::new(Class::of(&refusal).code(), refusal.to_string()).because(refusal.code())
            }
            // Paths and details of the disk are for the operator of this machine.
            error => {
                tracing::error!(%error, "the custody's database failed");
                Self::new(Code::Internal, "Nothing was done.")
            }
        }
    }
}
