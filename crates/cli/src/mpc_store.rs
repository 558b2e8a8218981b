//! The key-share files of go-mpc-infra: `BASE/KEY/NODE.enc` and `BASE/KEY/NODE.keydata.enc`.
//!
//! A file is `nonce (12) || AES-256-GCM(share) with tag (16)`, without associated data, under
//! `scrypt(password, "mpc-key-share-salt", N = 32768, r = 8, p = 1)`.
//!
//! # Security
//! The format does not say whose file it is: two files of one store can be exchanged. That is why a recovered share is compared
//! with its public key before it is written, and why nothing that is there is replaced.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit};
use quorumkeep_custody::names::Name;
use quorumkeep_store::files::{PRIVATE, private_directory, write_new};
use rand_core::{OsRng, RngCore};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::failure::{Code, Failure, Result};

/// Bytes of the longest file: save-data of a large GG20 group is far below.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
const NONCE: usize = 12;
const SALT: &[u8] = b"mpc-key-share-salt";

/// A store and its password.
pub struct MpcStore {
    base: PathBuf,
    cipher: Aes256Gcm,
}

/// What is kept for one node.
pub struct Files {
    /// `NODE.enc`.
    pub share: Zeroizing<Vec<u8>>,
    /// `NODE.keydata.enc`, if there is one.
    pub keydata: Option<Zeroizing<Vec<u8>>>,
}

impl MpcStore {
    /// The store below `base`.
    pub fn open(base: &Path, password_file: &Path) -> Result<Self> {
        let bytes = quorumkeep_server::files::read_bounded(password_file, 1024)?;
        let password = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if password.is_empty() {
            return Err(Failure::new(Code::BadPassphrase, "the password of the store is empty"));
        }
        let mut key = Zeroizing::new([0; 32]);
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Failed, error);
        let cost = scrypt::Params::new(15, 8, 1, 32).map_err(|error| wrong(&error))?;
        scrypt::scrypt(password, SALT, &cost, &mut *key).map_err(|error| wrong(&error))?;
        Ok(Self { base: base.to_owned(), cipher: Aes256Gcm::new((&*key).into()) })
    }

    fn path(&self, key_id: &Name, node_id: &Name, end: &str) -> PathBuf {
        self.base.join(key_id.as_str()).join(format!("{node_id}{end}"))
    }

    /// Reads what is kept for a node.
    pub fn read(&self, key_id: &Name, node_id: &Name) -> Result<Files> {
        let share = self.read_file(&self.path(key_id, node_id, ".enc"))?;
        let keydata = self.path(key_id, node_id, ".keydata.enc");
        let keydata = keydata.symlink_metadata().is_ok().then(|| self.read_file(&keydata)).transpose()?;
        Ok(Files { share, keydata })
    }

    fn read_file(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
        let about = |error: std::io::Error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            Failure::new(
                if missing { Code::FileMissing } else { Code::BadFile },
                format!("{}: {error}", path.display()),
            )
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(about)?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(about)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).unwrap_or((&[0; NONCE], &[]));
        let opened = self.cipher.decrypt(nonce.into(), sealed).ok().filter(|_| bytes.len() as u64 <= FILE_BYTES_MAX);
        let wrong = || Failure::new(Code::BadFile, format!("{} does not open with this password", path.display()));
        opened.map(Zeroizing::new).ok_or_else(wrong)
    }

    /// Writes what is kept for a node, mode 0600; the save-data first. What is there is not replaced.
    pub fn write(&self, key_id: &Name, node_id: &Name, files: &Files) -> Result<Vec<PathBuf>> {
        private_directory(&self.base)?;
        private_directory(&self.base.join(key_id.as_str()))?;
        let mut written = Vec::new();
        let keydata = files.keydata.as_ref().map(|keydata| (".keydata.enc", keydata));
        let all: Vec<_> = keydata.into_iter().chain([(".enc", &files.share)]).collect();
        let mut missing = Vec::new();
        for (end, plain) in all {
            let path = self.path(key_id, node_id, end);
            if path.symlink_metadata().is_err() {
                missing.push((end, plain));
                continue;
            }
            // What a crash left half is completed: the same secret may be there.
            if *self.read_file(&path)? != **plain {
                let message = format!("{} exists and is not overwritten", path.display());
                return Err(Failure::new(Code::FileExists, message));
            }
        }
        for (end, plain) in missing {
            let mut nonce = [0; NONCE];
            OsRng.try_fill_bytes(&mut nonce).map_err(|error| Failure::new(Code::Failed, error))?;
            let sealed = self.cipher.encrypt((&nonce).into(), plain.as_slice());
            let sealed = sealed.map_err(|error| Failure::new(Code::Failed, error))?;
            let path = self.path(key_id, node_id, end);
            write_new(&path, &[&nonce[..], &sealed].concat(), PRIVATE)?;
            written.push(path);
        }
        Ok(written)
    }
}
