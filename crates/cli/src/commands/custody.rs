//! `quorumkeep custody`.

use clap::Subcommand;

use crate::commands::serve_custody::{self, Serve};
use crate::failure::Result;
use crate::report::Report;

/// Commands of `quorumkeep custody`.
#[derive(Subcommand)]
pub enum Custody {
    /// Serves a custody over HTTP and gRPC until it is stopped (Ctrl-C or SIGTERM).
    #[command(after_help = serve_custody::HELP)]
    Serve(Serve),
}

/// Runs one command.
pub fn run(command: Custody, as_json: bool) -> Result<Report> {
    match command {
        Custody::Serve(command) => command.run(as_json),
    }
}
