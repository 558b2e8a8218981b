//! What a custody refuses, as an error of this program.

use quorumkeep_custody::keeper::Refusal;
use quorumkeep_custody::manifest::{self, RecoverError, ShareFault};
use quorumkeep_custody::records::ReadError;
use quorumkeep_custody::{container, placement, register, scheme, session};
use quorumkeep_server::custody::link::LinkError;
use quorumkeep_server::custody::{DeskError, DirectoryError};

use super::{Code, Failure, display};

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = Code::ALL.iter().find(|code| code.text() == refusal.code());
        Self::new(code.copied().unwrap_or(Code::Refused), display(&refusal))
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(refusal) => refusal.into(),
            error => Self::new(Code::Database, display(&error)),
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        let code = error.refusal().and_then(|text| Code::ALL.iter().find(|code| code.text() == text)).copied();
        match (error, code) {
            (LinkError::Desk(error), _) => error.into(),
            (LinkError::Remote(error), None) => error.into(),
            (LinkError::Remote(error), Some(code)) => Self::new(code, display(&error)),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(Code::Database, error)
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Files(error) => error.into(),
            DirectoryError::KeyFile(error) => error.into(),
            DirectoryError::Store(error) => error.into(),
            DirectoryError::People(error) => Refusal::from(error).into(),
            DirectoryError::Random => Self::new(Code::Failed, error),
            DirectoryError::Read(_) | DirectoryError::Roster => Self::new(Code::Database, error),
            error => Self::new(Code::BadFile, error),
        }
    }
}

impl From<manifest::Error> for Failure {
    fn from(error: manifest::Error) -> Self {
        match error {
            manifest::Error::Scheme(scheme::Error::Key(_)) => Self::new(Code::BadSecret, error),
            manifest::Error::Scheme(_) => Self::new(Code::BadPlan, error),
            error => Refusal::from(error).into(),
        }
    }
}

impl From<placement::Error> for Failure {
    fn from(error: placement::Error) -> Self {
        Self::new(Code::PlacementRefused, error)
    }
}

impl From<ShareFault> for Failure {
    fn from(error: ShareFault) -> Self {
        Self::new(if error == ShareFault::Envelope { Code::EnvelopeMismatch } else { Code::ShareBad }, error)
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        let code = match &error {
            RecoverError::TooFew { .. } => Code::TooFewShares,
            RecoverError::Scheme(_)
            | RecoverError::NotRecognised
            | RecoverError::GaveUp { .. }
            | RecoverError::PublicKey => Code::NotRecognised,
        };
        Self::new(code, error)
    }
}

impl From<session::Error> for Failure {
    fn from(error: session::Error) -> Self {
        let state = matches!(error, session::Error::State(_) | session::Error::NotCommitted);
        Self::new(if state { Code::SessionState } else { Code::SessionRefused }, error)
    }
}

impl From<register::Error> for Failure {
    fn from(error: register::Error) -> Self {
        match error {
            register::Error::People(error) => error.into(),
            register::Error::Unknown(_) => Self::new(Code::GuardianUnknown, error),
            register::Error::Dealer(_) => Self::new(Code::ManifestInvalid, error),
            register::Error::NotApproved(_) => Self::new(Code::GuardianUnapproved, error),
        }
    }
}

impl From<container::Error> for Failure {
    fn from(error: container::Error) -> Self {
        match error {
            container::Error::Io(error) => error.into(),
            container::Error::Open => Self::new(Code::BadFile, error),
        }
    }
}
