//! `quorumkeep audit prove`.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_audit::ProofError;

use super::show::describe;
use super::source::Where;
use crate::failure::{Code, Failure, Result};
use crate::output::write;
use crate::report::Report;

/// Arguments of `audit prove`.
#[derive(Args)]
pub struct Prove {
    #[command(flatten)]
    place: Where,
    /// Which entry, counted from 0.
    #[arg(long, value_name = "SEQ")]
    entry: u64,
    /// Where the proof goes, in the format of c2sp.org/tlog-proof [default: it is printed].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace that file.
    #[arg(long, requires = "out")]
    force: bool,
}

impl Prove {
    pub fn run(&self) -> Result<Report> {
        let source = self.place.open()?;
        let proof = source.prove(self.entry)?;
        // A proof that others would refuse is none.
        let damaged = |error: ProofError| Failure::new(Code::AuditDamaged, error);
        let (entry, head) = proof.verify(&source.verifier).map_err(damaged)?;
        let bytes = proof.to_bytes();
        let report = match &self.out {
            Some(out) => {
                write(out, &bytes, 0o644, self.force)?;
                Report::text(describe(&entry)).line(format!("written to {}", out.display())).field("file", out)
            }
            // Printable ASCII and line breaks, but for the dash in front of a signature.
            None => Report::text(String::from_utf8_lossy(&bytes).trim_end()),
        };
        Ok(report
            .field("seq", proof.index)
            .field("size", head.size)
            .field("entry", entry)
            .field("proof", String::from_utf8_lossy(&bytes)))
    }
}
