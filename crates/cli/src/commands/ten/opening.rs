//! Where the key comes from that opens a backup, for commands that open one.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_sharing::slip39::{EXPONENT_MAX, Passphrase, combine};
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::ciphertext::{Ciphertext, NotOpened};
use quorumkeep_ten::identity::Identity;
use quorumkeep_ten::key::{BackupKey, BackupPublicKey};
use quorumkeep_ten::secret::Secret;
use quorumkeep_ten::seed;
use quorumkeep_ten::trezor::{DEVICE_FILE_BYTES_MAX, SessionKey};
use zeroize::Zeroizing;

use super::seed_file;
use crate::commands::slip39;
use crate::failure::{Code, Failure, Result};
use crate::report::warn;

/// Where the key of the backup is.
#[derive(Args)]
#[group(id = "key", multiple = false)]
struct KeyFrom {
    /// The seed or the private key in a file: what a recovery session handed over (an age file, with --identity), what backup
    /// restore recovered, or seed.bin of ten keygen.
    #[arg(long, value_name = "FILE", visible_alias = "sealed-file")]
    seed_file: Option<PathBuf>,
    /// The private backup key: 64 hex digits, or PEM.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// What a device returned for exactly this ciphertext.
    #[arg(long, value_name = "FILE")]
    session_key_file: Option<PathBuf>,
}

/// Words, a seed, a key, or what a device returned.
#[derive(Args)]
pub struct Opening {
    #[command(flatten)]
    words: slip39::pool::Source,
    /// The passphrase of the words [default: the empty one].
    #[arg(long, value_name = "FILE", requires = "shares_file")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    key: KeyFrom,
    /// The age identity that opens the file with the seed, if it is sealed.
    #[arg(long, value_name = "FILE", requires = "seed_file")]
    identity: Option<PathBuf>,
}

/// What opens a ciphertext.
pub enum Opener {
    /// Every ciphertext to this key.
    Key(BackupKey),
    /// One ciphertext.
    Session(SessionKey),
}

/// The words that were given.
pub struct Words {
    /// How many mnemonics.
    pub given: usize,
    /// Those that contradict the others, by their places.
    pub bad: Vec<String>,
}

impl Opening {
    /// Was any of them given? Words that are to be typed do not count.
    pub fn is_given(&self) -> bool {
        self.words.is_given() || self.key_is_given()
    }

    fn key_is_given(&self) -> bool {
        self.key.seed_file.is_some() || self.key.key_file.is_some() || self.key.session_key_file.is_some()
    }

    /// What opens the backups of an identity, recognised by their public key; and the words, if words were given.
    pub fn opener(&self, of: &Identity, expected: Option<&BackupPublicKey>) -> Result<(Opener, Option<Words>)> {
        if self.words.is_given() && self.key_is_given() {
            return Err(Failure::usage("give words or another key, not both"));
        }
        if let Some(path) = &self.key.session_key_file {
            super::warn_if_open(path);
            let session = SessionKey::read(&read_bounded(path, DEVICE_FILE_BYTES_MAX as u64)?)?;
            return Ok((Opener::Session(session), None));
        }
        let expected = expected.ok_or_else(|| {
            Failure::usage("give --card or --backup-key: what is recovered is recognised by the public key")
        })?;
        let (key, words) = self.backup_key(of, expected)?;
        let key = key.ok_or_else(|| {
            let message = format!("what was recovered does not give the backup key {expected} of {of}");
            let help = "Are these the words of this instance, with the right passphrase? Nothing was written.";
            Failure::new(Code::NotRecognised, message).with_help(help)
        })?;
        Ok((Opener::Key(key), words))
    }

    fn backup_key(&self, of: &Identity, expected: &BackupPublicKey) -> Result<(Option<BackupKey>, Option<Words>)> {
        if let Some(path) = &self.key.key_file {
            return Ok((Some(super::load_backup_key(path)?).filter(|key| key.public() == *expected), None));
        }
        let (recovered, words) = match &self.key.seed_file {
            Some(file) => (seed_file::read(file, self.identity.as_deref())?, None),
            None => self.combine().map(|(secret, words)| (secret, Some(words)))?,
        };
        Ok((seed::recognise(recovered, of, expected), words))
    }

    fn combine(&self) -> Result<(Zeroizing<Vec<u8>>, Words)> {
        let passphrase = slip39::passphrase(self.passphrase_file.as_deref())?;
        let (shares, places) = self.words.shares()?;
        let combined = combine(&shares, &Passphrase::new(&passphrase)?, EXPONENT_MAX)?;
        let bad: Vec<String> = combined.bad.iter().filter_map(|place| places.get(place - 1)).cloned().collect();
        for place in &bad {
            warn(&format!("{place}: this mnemonic is not right; it contradicts the others"));
        }
        Ok((combined.secret, Words { given: shares.len(), bad }))
    }
}

impl Opener {
    /// Opens it.
    pub fn open(&self, ciphertext: &Ciphertext) -> core::result::Result<Secret, NotOpened> {
        match self {
            Self::Key(key) => ciphertext.open(key),
            Self::Session(session) => ciphertext.open_with(session),
        }
    }

    /// The same for a command that needs the secret.
    pub fn secret(&self, ciphertext: &Ciphertext) -> Result<Secret> {
        self.open(ciphertext).map_err(|error| match (self, error) {
            (Self::Key(_), NotOpened::Key) => {
                Failure::new(Code::DecryptFailed, "the key is right, but the backup is for another key or was changed")
            }
            (_, error) => error.into(),
        })
    }
}
