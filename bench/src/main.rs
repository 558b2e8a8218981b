//! Benchmarks of Quorumkeep, each beside what it is measured against, in one run on the same cores.
//!
//! | subcommand | what against what |
//! |---|---|
//! | `store` | opening a database with 10,000 versions, and look-ups among them by time |
//! | `sign` | `POST /app/sign` through HTTPS against the bare cryptography of one answer |
//! | `dkg-http` | rounds of real networks of 5 to 15 processes: time from trigger to active, processor time |
//! | `dkg` | one node's work in a key generation and a reshare against `commonware-cryptography` |
//! | `growth` | the same for more and more operators, and the exponent |
//! | `ibe` | partial signatures, recovery of an application key, encryption against `commonware-cryptography` |
//! | `file` | our age recipient against age's own X25519 recipient; `--large`: resident memory for 4 GiB |
//! | `audit` | appending to the audit log against bare commits of the same database; proofs and verification of 1,000,000 entries |
//! | `custody` | the state of 10,000 backup sets, in the process and by `backup status` |
//! | `slip39` | SLIP-39 split and combine against the Python reference |
//! | `ten` | opening a TEN backup (ECIES) against its one multiplication on secp256k1 |
//! | `ten-recover` | a network and 100 gateways from two shares each, a process each |
//!
//! Every figure is the median of at least 7 rounds, with the smallest and the largest; peers are interleaved round by
//! round, so that a busy machine disturbs both. `--json` prints one object for machines.

mod audit;
mod custody;
mod dkg;
mod dkg_http;
mod file;
mod ibe;
mod net;
mod report;
mod sign;
mod slip39;
mod store;
mod ten;
mod ten_recover;

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
    /// Partial signatures through HTTPS.
    Sign(sign::Arguments),
    /// Rounds of real networks on loopback.
    DkgHttp(dkg_http::Arguments),
    /// One node's work in a key generation and in a reshare.
    Dkg(dkg::Arguments),
    /// Key generation for more and more operators.
    Growth(dkg::growth::Arguments),
    /// Partial signatures, application keys, encryption to an application.
    Ibe(ibe::Arguments),
    /// Appending to the audit log, proofs, verification.
    Audit(audit::Arguments),
    /// The state of many backup sets at a glance.
    Custody(custody::Arguments),
    /// Mnemonics of SLIP-39.
    Slip39(slip39::Arguments),
    /// Opening backups of a TEN network.
    Ten(ten::Arguments),
    /// A network and its gateways from two shares each.
    TenRecover(ten_recover::Arguments),
    /// What `sign` is measured against, in a process of its own.
    #[command(hide = true)]
    SignFloor {
        /// How long.
        seconds: u64,
    },
    /// The process whose memory `dkg` measures.
    #[command(hide = true)]
    DkgMemory {
        /// Operators.
        n: u16,
    },
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
        Command::Sign(options) => sign::run(options, rounds),
        Command::DkgHttp(options) => dkg_http::run(options, rounds),
        Command::Dkg(options) => dkg::run(options, rounds),
        Command::Growth(options) => dkg::growth::run(options, rounds),
        Command::Ibe(options) => ibe::run(options, rounds),
        Command::Audit(options) => audit::run(options, rounds),
        Command::Custody(options) => custody::run(options, rounds),
        Command::Slip39(options) => slip39::run(options, rounds),
        Command::Ten(options) => ten::run(options, rounds),
        Command::TenRecover(options) => ten_recover::run(options, rounds),
        Command::DkgMemory { n } => return dkg::child(*n),
        Command::SignFloor { seconds } => {
            println!("{}", sign::floor(*seconds).unwrap_or(f64::NAN));
            return ExitCode::SUCCESS;
        }
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
