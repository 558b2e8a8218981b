//! Where a log is: in the database of a custody server, or in exported files.

use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_audit::{Checkpoint, InclusionProof, Verifier};
use quorumkeep_store::audit::{AuditFault, AuditFolder, AuditReader, Head, Record, Verified};
use quorumkeep_store::files::read_bounded;

use crate::failure::{Code, Failure, Result};

/// The database in the folder of a custody server.
pub const DATABASE: &str = "custody.db";

/// The log's public key beside it.
pub const KEY: &str = "audit.vkey";

const KEY_BYTES_MAX: u64 = 4096;

/// Options that say which log.
#[derive(Args)]
pub struct Where {
    /// The folder of a custody server; it may be running.
    #[arg(long, value_name = "DIR")]
    custody: Option<PathBuf>,
    /// An exported log.
    #[arg(long, value_name = "DIR", conflicts_with = "custody", requires = "key")]
    exported: Option<PathBuf>,
    /// The log's public key [default: audit.vkey in the folder of the custody server].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// What reading a log gives.
type Checked<T> = core::result::Result<T, AuditFault>;

/// A log and the key that signs it.
pub struct Source {
    pub verifier: Verifier,
    kind: Kind,
}

enum Kind {
    Database(AuditReader),
    Folder(AuditFolder),
}

impl Where {
    /// The database of a custody server.
    pub fn at(custody: &Path, key: Option<&Path>) -> Self {
        Self { custody: Some(custody.to_owned()), exported: None, key: key.map(Path::to_owned) }
    }

    /// Opens it for reading.
    pub fn open(&self) -> Result<Source> {
        match (&self.custody, &self.exported, &self.key) {
            (Some(custody), ..) => {
                let (verifier, log) = self.open_custody(custody)?;
                Ok(Source { verifier, kind: Kind::Database(log) })
            }
            (None, Some(log), Some(key)) => {
                let verifier = read_key(key)?;
                let kind = Kind::Folder(AuditFolder::open(log, &verifier)?);
                Ok(Source { verifier, kind })
            }
            _ => Err(Failure::usage("give --custody DIR, or --exported DIR and --key FILE")),
        }
    }

    /// Opens the database in this folder.
    pub fn open_custody(&self, custody: &Path) -> Result<(Verifier, AuditReader)> {
        let verifier = read_key(&self.key.clone().unwrap_or_else(|| custody.join(KEY)))?;
        Ok((verifier, AuditReader::open(&custody.join(DATABASE))?))
    }

    /// The key alone.
    pub fn key(&self) -> Result<Verifier> {
        let beside = self.custody.as_ref().map(|custody| custody.join(KEY));
        let path = self.key.clone().or(beside).ok_or_else(|| Failure::usage("give --key FILE"))?;
        read_key(&path)
    }
}

/// Reads a public key.
fn read_key(path: &Path) -> Result<Verifier> {
    let bytes = read_bounded(path, KEY_BYTES_MAX)?;
    let text = core::str::from_utf8(&bytes).unwrap_or_default();
    Verifier::decode(text).map_err(|error| Failure::new(Code::BadKey, error).about(path.display()))
}

impl Source {
    pub fn head(&self) -> Result<Head> {
        match &self.kind {
            Kind::Database(log) => Ok(log.head()?),
            Kind::Folder(log) => Ok(log.head().clone()),
        }
    }

    pub fn read(&self, from: u64, count: u64) -> Checked<Vec<Record>> {
        match &self.kind {
            Kind::Database(log) => log.read(from, count),
            Kind::Folder(log) => log.read(from, count),
        }
    }

    pub fn prove(&self, seq: u64) -> Checked<InclusionProof> {
        match &self.kind {
            Kind::Database(log) => log.prove(seq),
            Kind::Folder(log) => log.prove(seq),
        }
    }

    pub fn continues(&self, old: &Checkpoint, verified: &Verified) -> Checked<()> {
        match &self.kind {
            Kind::Database(log) => log.continues(old, verified),
            Kind::Folder(log) => log.continues(old),
        }
    }

    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Checked<Verified> {
        match &self.kind {
            Kind::Database(log) => log.verify(&self.verifier, progress),
            Kind::Folder(log) => log.verify(progress),
        }
    }
}
