//! `quorumkeep ten`: the secret of a TEN network and the keys of its gateways.

mod backup;
mod decrypt;
mod document;
mod expected;
mod findings;
mod folder;
mod inventory;
mod keygen;
mod live;
mod opening;
mod reach;
mod recover;
mod seed_file;
mod shelf;
mod verify;
mod wipe;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Subcommand;
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::key::{BackupKey, KEY_FILE_BYTES_MAX};

use crate::failure::{Failure, Result};
use crate::report::{Report, warn};

/// Commands below `ten`.
#[derive(Subcommand)]
pub enum Ten {
    /// Makes backup keys: seeds as SLIP-39 words for guardians, and the public keys that nodes and gateways are given.
    Keygen(Box<keygen::Keygen>),
    /// Decrypts what a node or a gateway gave away: 145 bytes to a file with the 32 bytes of the secret.
    Decrypt(decrypt::Decrypt),
    /// Takes what a node or a gateway encrypts to its backup key, and keeps it as a signed file.
    Backup(Box<backup::Backup>),
    /// Does everything of a network run as its backups need it? Nothing secret is read.
    Inventory(inventory::Inventory),
    /// Is the newest backup good, does its source still give the same, and, with a key, does it open? Nothing secret is written.
    Verify(Box<verify::Verify>),
    /// Recovers a secret with words, a recovery session or a device, and writes what a restart needs.
    Recover(Box<recover::Recover>),
    /// Overwrites and removes the files of a recovery.
    Wipe(wipe::Wipe),
}

/// Runs it.
pub fn run(command: Ten, as_json: bool) -> Result<Report> {
    match command {
        Ten::Keygen(command) => command.run(),
        Ten::Decrypt(command) => command.run(),
        Ten::Backup(command) => command.run(as_json),
        Ten::Inventory(command) => command.run(),
        Ten::Verify(command) => command.run(),
        Ten::Recover(command) => command.run(),
        Ten::Wipe(command) => command.run(),
    }
}

/// Reads a private backup key; hexadecimal or PEM.
fn load_backup_key(path: &Path) -> Result<BackupKey> {
    warn_if_open(path);
    let bytes = read_bounded(path, KEY_FILE_BYTES_MAX as u64)?;
    BackupKey::read(&bytes).map_err(|error| Failure::from(error).about(path.display()))
}

/// Keys come from many programs, so that the mode of the file does not stop a recovery.
fn warn_if_open(path: &Path) {
    let open = path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if open {
        warn(&format!("{} may be read by others; run: chmod 600 FILE", path.display()));
    }
}
