//! `quorumkeep audit export`.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_store::audit::export;

use super::source::Where;
use crate::failure::Result;
use crate::progress::Progress;
use crate::report::Report;

/// Arguments of `audit export`.
#[derive(Args)]
pub struct Export {
    /// The folder of a custody server; it may be running.
    #[arg(long, value_name = "DIR")]
    custody: PathBuf,
    /// The log's public key [default: audit.vkey in the folder of the custody server].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The folder for the files; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    pub fn run(&self, as_json: bool) -> Result<Report> {
        let (verifier, log) = Where::at(&self.custody, self.key.as_deref()).open_custody(&self.custody)?;
        let mut progress = Progress::counting("verifying", "entries", Some(log.head()?.size), as_json);
        let exported = export(&log, &verifier, &self.out, &mut |done| progress.set(done))?;
        drop(progress);
        let text = format!("{} entries are in {}", exported.size, self.out.display());
        Ok(Report::text(text)
            .line(format!("{} files written, {} were right", exported.written, exported.kept))
            .field("size", exported.size)
            .field("written", exported.written)
            .field("kept", exported.kept)
            .field("folder", &self.out))
    }
}
