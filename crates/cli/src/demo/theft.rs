//! Databases that somebody copied: what do they still open?

use std::path::{Path, PathBuf};

use quorumkeep_dkg::ids::{Address, NetworkId};
use quorumkeep_server::runtime::DATABASE;
use quorumkeep_store::{Binding, SaltFileKek, SqliteStore};

use super::stage::copy_files;
use crate::failure::Result;
use crate::secrets;

/// The disk of one node at the time of the theft.
pub struct Loot {
    /// Which operator.
    pub operator: String,
    copy: PathBuf,
}

impl Loot {
    /// Copies everything in the folder of a node: database, its log, and the salt of the key-encryption key.
    pub fn take(operator: &str, node: &Path, copy: PathBuf) -> Result<Self> {
        copy_files(node, &copy, |name| !name.ends_with(".lock"))?;
        Ok(Self { operator: operator.to_owned(), copy })
    }

    /// How many shares the copied database gives with the salts from `salts` (today's, or the copied ones) and the
    /// operator's own identity and passphrase: everything that a thief could ever want.
    pub fn shares(&self, network: &NetworkId, operator: &Path, passphrase: &Path, salts: Option<&Path>) -> Result<usize> {
        let attempt = self.copy.with_extension(if salts.is_some() { "today" } else { "then" });
        copy_files(&self.copy, &attempt, |name| name.starts_with(DATABASE) || salts.is_none())?;
        if let Some(salts) = salts.filter(|salts| salts.exists()) {
            copy_files(salts, &attempt, |name| name.starts_with("kek-"))?;
        }
        let identity = secrets::load_operator_key(operator, Some(passphrase))?;
        let binding = Binding::new(network, &Address::of(&identity.public()));
        let kek = Box::new(SaltFileKek::new(&attempt, identity.expose()));
        let opened = SqliteStore::open(&attempt.join(DATABASE), binding, kek).and_then(|store| store.load());
        Ok(opened.map_or(0, |loaded| loaded.shares.len()))
    }
}
