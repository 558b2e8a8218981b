//! `quorumkeep audit verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_audit::{
    CHECKPOINT_BYTES_MAX, Checkpoint, CheckpointError, InclusionProof, PROOF_BYTES_MAX, ProofError, Verifier,
};
use quorumkeep_store::audit::Verified;
use quorumkeep_store::files::read_bounded;

use super::show::{describe, time};
use super::source::{Source, Where};
use crate::failure::{Code, Failure, Result};
use crate::progress::Progress;
use crate::report::Report;

/// Arguments of `audit verify`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Verify {
    #[command(flatten)]
    place: Where,
    /// An earlier checkpoint of this log: it must be continued. Keep one elsewhere after each verification.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Writes the checkpoint that was verified, for the next time.
    #[arg(long, value_name = "FILE")]
    checkpoint_out: Option<PathBuf>,
    /// A proof of one entry from `audit prove`, instead of a log.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["custody", "exported", "since", "checkpoint_out"])]
    proof: Option<PathBuf>,
}

const HELP: &str = "\
Example:
  quorumkeep audit verify --custody DIR --since last.checkpoint --checkpoint-out new.checkpoint
  quorumkeep audit verify --proof entry.tlog-proof --key audit.vkey
Exit status 5: the log was changed, and the message names the first bad entry; or it does not continue the earlier
checkpoint. Without --since nobody can tell a log that was shortened or replaced as a whole by its own holder.";

impl Verify {
    pub fn run(&self, as_json: bool) -> Result<Report> {
        if let Some(proof) = &self.proof {
            return verify_proof(proof, &self.place.key()?);
        }
        let source = self.place.open()?;
        let since = self.since.as_deref().map(|path| read_earlier(path, &source.verifier)).transpose()?;
        let verified = verify_all(&source, as_json)?;
        if let Some(since) = &since {
            source.continues(since, &verified)?;
        }
        if let Some(out) = &self.checkpoint_out {
            crate::output::write(out, &verified.note, 0o644, true)?;
        }
        Ok(report(&source, &verified, since.as_ref()))
    }
}

fn verify_all(source: &Source, as_json: bool) -> Result<Verified> {
    let mut progress = Progress::counting("verifying", "entries", Some(source.head()?.size), as_json);
    let verified = source.verify(&mut |done| progress.set(done))?;
    Ok(verified)
}

/// An earlier checkpoint that this log's key did not sign means that this log is another one.
fn read_earlier(path: &Path, verifier: &Verifier) -> Result<Checkpoint> {
    let bytes = read_bounded(path, CHECKPOINT_BYTES_MAX as u64)?;
    Checkpoint::open(&bytes, verifier).map_err(|error| {
        let code = match error {
            CheckpointError::Malformed => Code::BadFile,
            _ => Code::AuditForked,
        };
        Failure::new(code, error).about(path.display())
    })
}

fn report(source: &Source, verified: &Verified, since: Option<&Checkpoint>) -> Report {
    let root = hex::encode(verified.root);
    let text = format!("the log {} holds: {} entries, root {root}", source.verifier.origin(), verified.size);
    let report = Report::text(text)
        .field("origin", source.verifier.origin())
        .field("size", verified.size)
        .field("root", root)
        .field("last_ms", verified.last_ms);
    let report = match verified.last_ms {
        0 => report,
        last => report.line(format!("the last entry is of {}", time(last))),
    };
    match since {
        Some(old) => {
            report.line(format!("it continues the earlier checkpoint of {} entries", old.size)).field("since", old.size)
        }
        None => report.line("not compared with an earlier checkpoint: give --since FILE if you have one"),
    }
}

fn verify_proof(path: &Path, verifier: &Verifier) -> Result<Report> {
    let bytes = read_bounded(path, PROOF_BYTES_MAX as u64)?;
    let failure = |error: ProofError| {
        let code = match error {
            ProofError::Malformed | ProofError::Checkpoint(CheckpointError::Malformed) => Code::BadFile,
            _ => Code::AuditProof,
        };
        Failure::new(code, error).about(path.display())
    };
    let proof = InclusionProof::from_bytes(&bytes).map_err(failure)?;
    let (entry, head) = proof.verify(verifier).map_err(failure)?;
    let text = format!("entry {} of the log {}, which has {} entries:", proof.index, head.origin, head.size);
    Ok(Report::text(text)
        .line(describe(&entry))
        .field("origin", head.origin)
        .field("size", head.size)
        .field("seq", proof.index)
        .field("entry", entry))
}
