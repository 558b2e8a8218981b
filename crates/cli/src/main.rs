//! Quorumkeep: keys that no single machine holds. The command line, and `age-plugin-quorumkeep`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

mod board_log;
mod cli;
mod commands;
mod custody_link;
mod demo;
mod draft;
mod failure;
mod keyfile;
mod mpc_store;
mod net;
mod operator_file;
mod output;
mod plugin;
mod pointer;
mod progress;
mod report;
mod secrets;
mod source;
mod vss;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::cli::Cli;
use crate::failure::{Code, Failure};
use crate::report::{print_failure, print_line};

fn main() -> ExitCode {
    quorumkeep_server::tls::install_provider();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(machine) = plugin::state_machine(&arguments) {
        logs(None);
        return match plugin::run(&machine) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&Failure::usage(error), false),
        };
    }
    if cfg!(feature = "failpoints") && arguments.iter().any(|argument| argument == "--list-failpoints") {
        quorumkeep_node::failpoints::Point::ALL.iter().for_each(|point| print_line(point.name()));
        return ExitCode::SUCCESS;
    }
    // Asked before the arguments are understood, so that a wrong command line is answered in the wanted form, too.
    let as_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, as_json),
    };
    logs(cli.log);
    match commands::run(cli.command, cli.json) {
        Ok(report) => {
            report.print(cli.json);
            ExitCode::SUCCESS
        }
        Err(failure) => fail(&failure, cli.json),
    }
}

/// Help and version are answers; the rest is a wrong command line.
fn misunderstood(error: &clap::Error, as_json: bool) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print_line(error.to_string().trim_end());
            ExitCode::SUCCESS
        }
        _ if as_json => {
            let text = error.to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text).trim();
            fail(&Failure::usage(message.split("\n\nUsage:").next().unwrap_or(message)), true)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(Code::Usage.exit())
        }
    }
}

fn fail(failure: &Failure, as_json: bool) -> ExitCode {
    print_failure(failure, as_json);
    ExitCode::from(failure.code.exit())
}

/// Logs go to standard error. `--log` wins over `RUST_LOG`; without both, and if the latter cannot be read, warnings are
/// shown.
fn logs(filter: Option<Targets>) {
    let from_environment = || std::env::var("RUST_LOG").ok()?.parse().ok();
    let filter = filter.or_else(from_environment).unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An error means that a subscriber is set already, which only a test can do.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
}
