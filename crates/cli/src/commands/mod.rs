//! One file for each group of commands. A command gives a [`Report`] or a failure and prints nothing else, except
//! servers, which say where they listen, and `--watch`.

pub mod app;
pub mod audit;
pub mod backup;
pub mod board;
pub mod change;
pub mod custody;
pub mod decrypt;
pub mod encrypt;
pub mod evidence;
pub mod identity;
pub mod network;
pub mod new_key;
pub mod node;
pub mod operator;
pub mod person;
pub mod recipient;
pub mod serve_custody;
pub mod slip39;
pub mod status;
pub mod submit;
pub mod ten;
pub mod vss;

use crate::cli::Command;
use crate::failure::Result;
use crate::report::Report;

/// Runs one command.
pub fn run(command: Command, as_json: bool) -> Result<Report> {
    match command {
        Command::Operator(command) => operator::run(command),
        Command::Board(command) => board::run(command, as_json),
        Command::Network(command) => network::run(command),
        Command::Node(command) => node::run(command, as_json),
        Command::Status(command) => status::run(&command, as_json),
        Command::App(command) => app::run(command),
        Command::Recipient(command) => recipient::run(&command),
        Command::Identity(command) => identity::run(&command),
        Command::Encrypt(command) => encrypt::run(&command, as_json),
        Command::Decrypt(command) => decrypt::run(&command, as_json),
        Command::Evidence(command) => evidence::run(&command, as_json),
        Command::Audit(command) => audit::run(&command, as_json),
        Command::Vss(command) => vss::run(command),
        Command::Person(command) => person::run(command),
        Command::Guardian(command) => person::run_guardian(command),
        Command::Backup(command) => backup::run(command, as_json),
        Command::Slip39(command) => slip39::run(command),
        Command::Ten(command) => ten::run(command, as_json),
        Command::Custody(command) => custody::run(command, as_json),
        Command::Demo(command) => crate::demo::run(command, as_json),
        Command::Version => Ok(version()),
    }
}

fn version() -> Report {
    let version = env!("CARGO_PKG_VERSION");
    let protocol = quorumkeep_dkg::envelope::PROTOCOL_VERSION;
    let text = format!("quorumkeep {version} (protocol {protocol})");
    Report::text(text).field("version", version).field("protocol", protocol)
}
