//! Databases that somebody copied: what do they still open?

use std::path::{Path, PathBuf};

use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::{Address, NetworkId};
use quorumkeep_server::runtime::DATABASE;
use quorumkeep_store::{Binding, SaltFileKek, SqliteStore};

use super::stage::copy_files;
use crate::failure::Result;

/// The disk of one node at the time of the theft, and its operator's identity.
pub struct Loot {
    identity: bn254::SecretKey,
    copy: PathBuf,
}

impl Loot {
    /// Copies everything in the folder of a node: database, its log, and the salt of the key-encryption key.
    pub fn take(identity: bn254::SecretKey, node: &Path, copy: PathBuf) -> Result<Self> {
        copy_files(node, &copy, |name| !name.ends_with(".lock"))?;
        Ok(Self { identity, copy })
    }

    /// How many shares the copied database gives with the salts from `salts` (today's, or the copied ones) and the
    /// operator's own identity: everything that a thief could ever want.
    pub fn shares(&self, network: &NetworkId, salts: Option<&Path>) -> Result<usize> {
        let attempt = self.copy.with_extension(if salts.is_some() { "today" } else { "then" });
        copy_files(&self.copy, &attempt, |name| name.starts_with(DATABASE) || salts.is_none())?;
        if let Some(salts) = salts.filter(|salts| salts.exists()) {
            copy_files(salts, &attempt, |name| name.starts_with("kek-"))?;
        }
        let binding = Binding::new(network, &Address::of(&self.identity.public()));
        let kek = Box::new(SaltFileKek::new(&attempt, self.identity.expose()));
        let opened = SqliteStore::open(&attempt.join(DATABASE), binding, kek).and_then(|store| store.load());
        Ok(opened.map_or(0, |loaded| loaded.shares.len()))
    }
}
