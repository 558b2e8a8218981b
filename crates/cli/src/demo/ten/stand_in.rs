//! The hidden command behind which the stand-in of TEN is.

use clap::Args;
use quorumkeep_ten::stand_in;

use crate::failure::{Code, Failure, Result};
use crate::net::server_runtime;
use crate::report::Report;

/// Arguments of `demo stand-in-ten`: upstream's, so that they are not this program's to understand.
#[derive(Args)]
pub struct StandIn {
    /// node or gateway.
    mode: String,
    /// Flags in Go's form; `quorumkeep_ten::stand_in` says which.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<String>,
}

impl StandIn {
    /// Serves until the process is ended.
    pub fn run(self) -> Result<Report> {
        let ended = server_runtime()?.block_on(stand_in::run(&self.mode, self.flags.into_iter()));
        ended.map(|()| Report::default()).map_err(|error| Failure::new(Code::Failed, error.to_string()))
    }
}
