//! `quorumkeep audit`: the log of what was done, verified by anybody.

mod export;
mod faults;
mod prove;
mod show;
mod source;
mod verify;

use clap::Subcommand;

use crate::failure::Result;
use crate::report::Report;

/// `quorumkeep audit`.
#[derive(Subcommand)]
pub enum Audit {
    /// Computes the whole log again and names the first bad entry; or verifies the proof of one entry.
    Verify(verify::Verify),
    /// Shows entries.
    Show(show::Show),
    /// Writes the log as files that other programs read (C2SP tlog-tiles); repeated, it writes what is new.
    Export(export::Export),
    /// Proves to anybody with the log's public key that an entry is in the log.
    Prove(prove::Prove),
}

/// Runs it.
pub fn run(command: &Audit, as_json: bool) -> Result<Report> {
    match command {
        Audit::Verify(verify) => verify.run(as_json),
        Audit::Show(show) => show.run(),
        Audit::Export(export) => export.run(as_json),
        Audit::Prove(prove) => prove.run(),
    }
}
