//! Benchmarks of Quorumkeep, each beside what it is measured against, in one run on the same cores.
//!
//! | subcommand | what against what |
//! |---|---|
//! | `store` | opening a database with 10,000 versions, and look-ups among them by time |
//! | `file` | our age recipient against age's own X25519 recipient; `--large`: resident memory for 4 GiB |
//!
//! Every figure is the median of at least 7 rounds, with the smallest and the largest; peers are interleaved round by
//! round, so that a busy machine disturbs both. `--json` prints one object for machines.

mod file;
mod report;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::Report;

/// Benchmarks of Quorumkeep.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// Rounds of every measurement; at least 7 for a figure that is quoted.
    #[arg(long, global = true, default_value_t = 7)]
    rounds: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start of a node's database, look-ups by time.
    Store(store::Arguments),
    /// Encryption and decryption of files.
    File(file::Arguments),
    /// The process that `file --large` measures.
    #[command(hide = true)]
    LargeChild {
        /// Mebibytes.
        mebibytes: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let rounds = arguments.rounds.max(1);
    let result = match &arguments.command {
        Command::Store(options) => store::run(options, rounds),
        Command::File(options) => file::run(options, rounds),
        Command::LargeChild { mebibytes } => return file::large_child(*mebibytes),
    };
    match result {
        Ok(report) => {
            print_report(&report, arguments.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_report(report: &Report, json: bool) {
    if json { println!("{}", report.to_json()) } else { print!("{report}") }
}
