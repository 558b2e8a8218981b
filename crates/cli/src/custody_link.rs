//! How commands reach a custody, and sign what they ask of it.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::manifest::SignedManifest;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::Roster;
use quorumkeep_custody::placement::Analysis;
use quorumkeep_custody::request::{Action, By, Request, SetId};
use quorumkeep_custody::session::Bundle;
use quorumkeep_custody::view::Overview;
use quorumkeep_server::custody::Desk;
use rand_core::{OsRng, RngCore};

use crate::failure::{Code, Failure, Result};
use crate::keyfile::KeyFile;

/// Where the custody is.
#[derive(Args)]
pub struct At {
    /// The directory of the custody.
    #[arg(long, value_name = "DIR")]
    custody: PathBuf,
}

/// Who asks.
#[derive(Args)]
pub struct As {
    /// The key file with which the request is signed.
    #[arg(long = "as", value_name = "FILE")]
    key: PathBuf,
    /// The passphrase of that file, if it is sealed.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// How long a request waits for its approvals unless said otherwise: a day.
const REQUEST_LIFETIME_MS: u64 = 24 * 3600 * 1000;

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

impl As {
    /// The key.
    pub fn load(&self) -> Result<KeyFile> {
        KeyFile::load(&self.key, self.passphrase_file.as_deref())
    }
}

impl At {
    /// Opens it.
    pub fn open(&self) -> Result<Link> {
        Ok(Link(Desk::open(&self.custody)?))
    }
}

/// A custody that can be asked.
pub struct Link(Desk);

impl Link {
    /// Its identity.
    pub fn custody(&self) -> Hash {
        self.0.custody()
    }

    /// Signs an action as the owner of a key file and has it decided.
    pub fn ask(&mut self, key: &KeyFile, action: Action) -> Result<Answer> {
        self.ask_as(key.by()?, key, action)
    }

    /// The same for the process of a session.
    pub fn ask_as(&mut self, by: By, key: &KeyFile, action: Action) -> Result<Answer> {
        let mut id = Hex([0; 16]);
        OsRng.try_fill_bytes(&mut id.0).map_err(|error| Failure::new(Code::Failed, error))?;
        let at_ms = now_ms();
        let expires_ms = at_ms + REQUEST_LIFETIME_MS;
        let request = Request { custody: self.custody(), id, by, at_ms, expires_ms, action };
        Ok(self.0.handle(&request.sign(&key.signing()), now_ms())?)
    }

    /// Everything at a glance; `prefix` is `KEY/`, `KEY/NODE/` or nothing.
    pub fn overview(&self, prefix: &str) -> Result<Overview> {
        Ok(self.0.view().overview(prefix, now_ms())?)
    }

    /// The people of now.
    pub fn roster(&self) -> Result<Roster> {
        Ok(self.0.view().roster()?)
    }

    /// The registered guardians.
    pub fn guardians(&self) -> Result<Vec<Guardian>> {
        Ok(self.0.view().guardians()?)
    }

    /// The manifest of a set.
    pub fn manifest(&self, set: &SetId) -> Result<SignedManifest> {
        let missing = || Failure::new(Code::SetUnknown, format!("there is no backup set {set}"));
        self.0.view().manifest(set)?.ok_or_else(missing)
    }

    /// The placement of a set.
    pub fn analysis(&self, set: &SetId) -> Result<Option<Analysis>> {
        Ok(self.0.view().analysis(set)?)
    }

    /// The next generation of a secret.
    pub fn next_generation(&self, key_id: &Name, node_id: &Name) -> Result<u32> {
        let newest = self.0.view().newest(key_id, node_id)?;
        Ok(newest.map_or(1, |set| set.id.generation.saturating_add(1)))
    }

    /// A session with what shows that it is allowed.
    pub fn bundle(&self, session: &Hash) -> Result<Bundle> {
        let missing = || Failure::new(Code::SessionUnknown, format!("there is no recovery session {session}"));
        self.0.view().bundle(session)?.ok_or_else(missing)
    }
}
