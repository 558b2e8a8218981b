//! The command line as a whole; each group of commands has its arguments in its own file.

use clap::{Parser, Subcommand};

use crate::commands::{
    app, audit, backup, board, custody, decrypt, encrypt, evidence, identity, network, node, operator, person,
    recipient, slip39, status, ten, vss,
};

/// Keys that no machine holds.
///
/// Operators run nodes that generate one key together and keep it alive; nobody ever has it. Files are encrypted to an
/// application with the public key alone, and opened with partial signatures of any t nodes.
#[derive(Parser)]
#[command(name = "quorumkeep", version, propagate_version = true, max_term_width = 110, after_help = AFTER)]
pub struct Cli {
    /// One JSON object on standard output, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log filter, as in RUST_LOG (info, quorumkeep_server=debug); logs go to standard error.
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<tracing_subscriber::filter::Targets>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
Exit status: 0 ok, 1 failed, 2 usage, 3 bad input, 4 refused, 5 alarm, 6 unreachable.
Passphrases come from --passphrase-file, from the file named by QUORUMKEEP_PASSPHRASE_FILE, or from the terminal.";

/// Every command.
#[derive(Subcommand)]
pub enum Command {
    /// An operator's identity.
    #[command(subcommand)]
    Operator(operator::Operator),
    /// The board: the service that puts the network's records in order.
    #[command(subcommand)]
    Board(board::Board),
    /// Who is in the network: draft, sign and submit its configurations.
    #[command(subcommand)]
    Network(network::Network),
    /// An operator's node.
    #[command(subcommand)]
    Node(node::Node),
    /// Operators, versions, rounds and health.
    Status(status::Status),
    /// Applications: what files are encrypted to.
    #[command(subcommand)]
    App(app::App),
    /// The age recipient of an application.
    Recipient(recipient::Recipient),
    /// The age identity file with which the stock age command decrypts through the network.
    Identity(identity::Identity),
    /// Encrypts a file.
    Encrypt(encrypt::Encrypt),
    /// Decrypts a file, through the network or offline with a recovered application key.
    Decrypt(decrypt::Decrypt),
    /// Who broke the rules, and files that prove it to anybody.
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// The audit log: what was done, by whom, with whose approval.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Verifiable secret sharing, for auditors.
    #[command(subcommand)]
    Vss(vss::Vss),
    /// A custody: its people, and what waits for approval.
    #[command(subcommand)]
    Custody(custody::Custody),
    /// Keys of people.
    #[command(subcommand)]
    Person(person::Person),
    /// Keys of guardians, and their registration.
    #[command(subcommand)]
    Guardian(person::Guardian),
    /// Backups to people and places, and the way back.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Secrets as words on paper: SLIP-39.
    #[command(subcommand)]
    Slip39(slip39::Slip39),
    /// TEN networks: the network secret and the keys of gateways, backed up and brought back.
    #[command(subcommand)]
    Ten(ten::Ten),
    /// The main job, on this machine: real processes, real TLS, real databases.
    Demo(crate::demo::Demo),
    /// The version of this program.
    Version,
}
