//! `quorumkeep operator`: an operator's identity.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorumkeep_store::files::{private_directory, write_new};

use crate::failure::{Code, Failure, Result};
use crate::operator_file::{self, OperatorFile, check_socket};
use crate::report::Report;
use crate::secrets::{self, OPERATOR_KEY};

/// Commands of `quorumkeep operator`.
#[derive(Subcommand)]
pub enum Operator {
    /// Makes a new identity: operator.key.age (secret, sealed under a passphrase) and operator.json (public).
    #[command(after_help = INIT)]
    Init(Init),
    /// Shows the public part of an identity.
    Show(Show),
}

const INIT: &str = "\
Example:
  quorumkeep operator init --dir ./op1 --socket node1.example.org:7100
Then hand ./op1/operator.json to whoever drafts the network. The directory never leaves this machine.";

/// Arguments of `operator init`.
#[derive(Args)]
pub struct Init {
    /// Where to keep the identity; made if it is missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where others reach the node, as host:port.
    #[arg(long, value_name = "HOST:PORT")]
    socket: String,
    /// File with the passphrase.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `operator show`.
#[derive(Args)]
pub struct Show {
    /// The operator's directory.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Runs one of them.
pub fn run(command: Operator) -> Result<Report> {
    match command {
        Operator::Init(init) => init.run(),
        Operator::Show(show) => Ok(describe(&OperatorFile::load(&show.dir.join(operator_file::FILE))?)),
    }
}

impl Init {
    fn run(self) -> Result<Report> {
        check_socket(&self.socket)?;
        // Before the passphrase is asked for: nobody likes to type it for nothing.
        refuse_existing(&self.dir.join(OPERATOR_KEY))?;
        refuse_existing(&self.dir.join(operator_file::FILE))?;
        let passphrase = secrets::new_passphrase(self.passphrase_file.as_deref(), "the operator's identity")?;
        private_directory(&self.dir)?;
        let key = secrets::create_operator_key(&self.dir, &passphrase)?;
        let file = OperatorFile::new(&key, &self.socket)?;
        let path = self.dir.join(operator_file::FILE);
        write_new(&path, file.to_json()?.as_bytes(), 0o644)?;
        let next = format!("\nThe public part is {}: hand it to whoever drafts the network.", path.display());
        Ok(describe(&file).line(next).field("file", path))
    }
}

fn refuse_existing(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let help = "An identity that is lost cannot be replaced: a new one is another operator. Choose another --dir.";
    Err(Failure::new(Code::FileExists, format!("{} exists and is not overwritten", path.display())).with_help(help))
}

fn describe(file: &OperatorFile) -> Report {
    Report::text(format!("operator {}\nsocket   {}", file.address, file.socket))
        .field("address", file.address)
        .field("socket", &file.socket)
        .field("key", &file.key)
}
