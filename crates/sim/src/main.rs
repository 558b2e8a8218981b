//! The command line of the simulator; what it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorumkeep_sim::cli::run()
}
