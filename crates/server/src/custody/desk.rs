//! The desk of a custody: requests are decided one after the other, committed, and only then answered.

use std::path::Path;

use quorumkeep_audit::LogKey;
use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::chain::People;
use quorumkeep_custody::delivery;
use quorumkeep_custody::keeper::{
    Answer, Decision, Delivered, Keeper, Progress, Refusal, ShareRef, Told, Word, fitting,
};
use quorumkeep_custody::keys::SignKey;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::Charter;
use quorumkeep_custody::records::ReadError;
use quorumkeep_custody::request::Signed;
use quorumkeep_custody::view::View;
use quorumkeep_store::StoreError;
use quorumkeep_store::custody::CustodyStore;
use rand_core::OsRng;

use super::directory::{CustodyDir, DirectoryError};

/// What is not answered with yes.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The records cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written, or not be recorded: then it was not done.
    #[error("nothing was done, because it could not be recorded: {0}")]
    Store(#[from] StoreError),
}

/// Nobody is believed to have a role because a document says so.
fn check_people(view: &View<'_>, charter: &Charter) -> Result<(), DirectoryError> {
    let read = |error: ReadError| DirectoryError::Read(error);
    let history = view.history().map_err(read)?;
    let people = People::of(charter, &charter.id(), &history).map_err(|_| DirectoryError::Roster)?;
    let same = view.charter().map_err(read)? == *charter && view.roster().map_err(read)? == *people.roster();
    if same { Ok(()) } else { Err(DirectoryError::Roster) }
}

/// The one writer of a custody.
pub struct Desk {
    custody: Hash,
    service: SignKey,
    log: LogKey,
    store: CustodyStore,
}

impl Desk {
    /// Opens a custody for writing; one process at a time.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let directory = CustodyDir::open(path)?;
        let store = CustodyStore::open(&directory.database())?;
        let (custody, service, log) = (directory.custody(), directory.service_key(), directory.log_key());
        check_people(&View::new(&store), directory.charter())?;
        Ok(Self { custody, service, log, store })
    }

    /// The identity of the custody.
    #[must_use]
    pub fn custody(&self) -> Hash {
        self.custody
    }

    /// What there is to see.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(&self.store)
    }

    /// A signed request.
    ///
    /// # Errors
    /// [`DeskError`]; a refused request is recorded, too.
    pub fn handle(&mut self, signed: &Signed, now_ms: u64) -> Result<Answer, DeskError> {
        let decision = self.keeper().handle(&self.store, signed, now_ms)?;
        self.commit(decision)
    }

    /// `RequestShareDelivery` of `infra.v1`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn infra_deliver(&mut self, share: &ShareRef, public_key: &[u8], now_ms: u64) -> Result<Delivered, DeskError> {
        let told = self.keeper().infra_deliver(&self.store, share, public_key, now_ms)?;
        self.tell(told)
    }

    /// `ConfirmShareDelivery` of `infra.v1`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn infra_confirm(&mut self, share: &ShareRef, word: &Word, now_ms: u64) -> Result<delivery::State, DeskError> {
        let told = self.keeper().infra_confirm(&self.store, share, word, now_ms)?;
        self.tell(told)
    }

    /// `RecoverMPCShare` of `infra.v1`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn infra_recover(
        &mut self,
        secret: (&Name, &Name),
        client: (&Name, Option<&[u8]>),
        now_ms: u64,
    ) -> Result<Progress, DeskError> {
        let told = self.keeper().infra_recover(&self.store, secret, client, &mut OsRng, now_ms)?;
        self.tell(told)
    }

    fn keeper(&self) -> Keeper<'_> {
        Keeper { custody: self.custody, service: &self.service }
    }

    fn tell<T>(&mut self, told: Told<T>) -> Result<T, DeskError> {
        self.commit(told.decision)?;
        told.value.ok_or_else(|| DeskError::Read(ReadError("a decision without a value".into())))
    }

    fn commit(&mut self, decision: Decision) -> Result<Answer, DeskError> {
        let entries: Vec<_> = decision.entries.into_iter().map(fitting).collect();
        self.store.commit(&decision.writes, &self.log, &entries)?;
        Ok(decision.answer?)
    }
}
