//! What a backup must be: to which key, and by whom.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_custody::bytes::Hex;
use quorumkeep_custody::keys::VerifyKey;
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::card::{CARD_BYTES_MAX, KeyCard};
use quorumkeep_ten::identity::Identity;
use quorumkeep_ten::key::BackupPublicKey;

use crate::failure::{Code, Failure, Result};

/// The backup key.
#[derive(Args)]
pub struct Expected {
    /// The public file of the backup key, from ten keygen.
    #[arg(long, value_name = "FILE", conflicts_with = "backup_key")]
    card: Option<PathBuf>,
    /// The public backup key instead.
    #[arg(long, value_name = "HEX")]
    backup_key: Option<BackupPublicKey>,
}

impl Expected {
    /// The card, which must be of this identity; none if none was given.
    pub fn card(&self, identity: &Identity) -> Result<Option<KeyCard>> {
        let Some(path) = &self.card else { return Ok(None) };
        let bad = |error| Failure::new(Code::BadFile, format!("{}: {error}", path.display()));
        let card = KeyCard::from_file(&read_bounded(path, CARD_BYTES_MAX as u64)?).map_err(bad)?;
        if card.identity != *identity {
            let message = format!("{} is of {}, not of {identity}", path.display(), card.identity);
            return Err(Failure::new(Code::OtherInstance, message));
        }
        Ok(Some(card))
    }

    /// The key, of the card or as it was given.
    pub fn key(&self, identity: &Identity) -> Result<Option<BackupPublicKey>> {
        Ok(self.card(identity)?.map(|card| card.backup_key).or(self.backup_key))
    }
}

/// A verification key of somebody, 64 hex digits.
pub fn verify_key(text: &str) -> core::result::Result<VerifyKey, String> {
    let key = VerifyKey(text.parse::<Hex<32>>().map_err(|error| error.to_string())?);
    if key.is_valid() { Ok(key) } else { Err("this is nobody's key".into()) }
}
