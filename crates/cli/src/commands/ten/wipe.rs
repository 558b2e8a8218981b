//! `quorumkeep ten wipe`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use quorumkeep_store::files::destroy;
use quorumkeep_ten::artefact::FILES;

use crate::failure::{Code, Failure, Result};
use crate::report::Report;

/// Arguments of `ten wipe`.
#[derive(Args)]
pub struct Wipe {
    /// The folder of ten recover.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

impl Wipe {
    /// Overwrites and removes what a recovery wrote, and the folder if nothing else is in it.
    pub fn run(self) -> Result<Report> {
        let files: Vec<PathBuf> = FILES.iter().map(|name| self.dir.join(name)).filter(|path| path.is_file()).collect();
        if files.is_empty() {
            let message = format!("{} holds nothing that ten recover wrote", self.dir.display());
            return Err(Failure::new(Code::FileMissing, message));
        }
        for file in &files {
            destroy(file)?;
        }
        let removed = fs::remove_dir(&self.dir).is_ok();
        let report = Report::text(format!("{} files are overwritten and removed", files.len()));
        let report = if removed { report } else { report.line("The folder holds other files, and is left.") };
        Ok(report.field("files", files).field("folder_removed", removed))
    }
}
