//! A custody, wherever it is: in a directory of this machine, or served at a URL.

use std::path::Path;

use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::manifest::SignedManifest;
use quorumkeep_custody::people::{Charter, Roster};
use quorumkeep_custody::records::ReadError;
use quorumkeep_custody::register::Register;
use quorumkeep_custody::request::{SetId, Signed};
use quorumkeep_custody::session::{Bundle, Session};
use quorumkeep_custody::view::{Overview, WaitingView};

use super::api::SetAnswer;
use super::remote::{Remote, refusal};
use super::service::now_ms;
use super::{Desk, DeskError, DirectoryError};
use crate::client;

/// A custody could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Here.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// There.
    #[error(transparent)]
    Remote(#[from] client::Error),
}

impl LinkError {
    /// The stable code of the rule that refused, if it was one.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Desk(DeskError::Refused(refused)) => Some(refused.code()),
            Self::Desk(_) => None,
            Self::Remote(error) => refusal(error),
        }
    }
}

impl From<ReadError> for LinkError {
    fn from(error: ReadError) -> Self {
        Self::Desk(error.into())
    }
}

/// The way to a custody.
pub enum Link {
    /// The directory is on this machine, and no service runs on it.
    Local(Box<Desk>),
    /// A service.
    Remote(Remote),
}

impl Link {
    /// The custody in this directory, for writing; one process at a time.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn local(path: &Path) -> Result<Self, DirectoryError> {
        Ok(Self::Local(Box::new(Desk::open(path)?)))
    }

    /// A signed request.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn handle(&mut self, signed: &Signed) -> Result<Answer, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.handle(signed, now_ms())?),
            Self::Remote(remote) => Ok(remote.handle(signed).await?),
        }
    }

    /// The identity of the custody. Of a remote one it is what its server says: compare it with the one that you know.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn custody(&self) -> Result<Hash, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.custody()),
            Self::Remote(remote) => Ok(remote.charter().await?.id()),
        }
    }

    /// The charter.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn charter(&self) -> Result<Charter, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().charter()?),
            Self::Remote(remote) => Ok(remote.charter().await?),
        }
    }

    /// The people of now.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn roster(&self) -> Result<Roster, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().roster()?),
            Self::Remote(remote) => Ok(remote.roster().await?),
        }
    }

    /// The registered guardians.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn guardians(&self) -> Result<Vec<Guardian>, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().guardians()?),
            Self::Remote(remote) => Ok(remote.guardians().await?),
        }
    }

    /// The registered guardians with what shows that people stand behind their keys.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn register(&self) -> Result<Register, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().register()?),
            Self::Remote(remote) => Ok(remote.register().await?),
        }
    }

    /// Everything at a glance: the sets whose key begins with `prefix` (`KEY/`, `KEY/NODE/` or nothing).
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn overview(&self, prefix: &str) -> Result<Overview, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().overview(prefix, now_ms())?),
            Self::Remote(remote) => Ok(remote.overview(prefix).await?),
        }
    }

    /// A set with its placement; none if there is no such set.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn set(&self, id: &SetId) -> Result<Option<SetAnswer>, LinkError> {
        match self {
            Self::Local(desk) => Ok(SetAnswer::of(&desk.view(), id, now_ms())?),
            Self::Remote(remote) => Ok(remote.set(id).await?),
        }
    }

    /// The manifest of a set; none if there is no such set.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn manifest(&self, id: &SetId) -> Result<Option<SignedManifest>, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().manifest(id)?),
            Self::Remote(remote) => Ok(remote.manifest(id).await?),
        }
    }

    /// Requests that wait for approvals.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn waiting(&self) -> Result<Vec<WaitingView>, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().waiting(now_ms())?),
            Self::Remote(remote) => Ok(remote.waiting().await?),
        }
    }

    /// A session; none if there is no such session.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn session(&self, id: &Hash) -> Result<Option<Session>, LinkError> {
        Ok(self.bundle(id).await?.map(|bundle| bundle.session))
    }

    /// A session with everything that shows that it is allowed.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn bundle(&self, id: &Hash) -> Result<Option<Bundle>, LinkError> {
        match self {
            Self::Local(desk) => Ok(desk.view().bundle(id)?),
            Self::Remote(remote) => Ok(remote.bundle(id).await?),
        }
    }
}
