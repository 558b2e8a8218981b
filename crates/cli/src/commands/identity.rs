//! `quorumkeep identity`: the identity file for the stock `age` command.

use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_server::network::NetworkFile;

use crate::failure::{Code, Failure, Result};
use crate::output;
use crate::pointer::Pointer;
use crate::report::Report;
use crate::secrets::load_owner_key;

/// Arguments of `identity`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Identity {
    /// The network file; the identity holds its path.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// The owner's key file, for applications with the policy owner; the identity holds its path, not the key.
    #[arg(long, value_name = "FILE")]
    owner_key: Option<PathBuf>,
    /// Write it to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace that file.
    #[arg(long)]
    force: bool,
}

const HELP: &str = "\
Example:
  ln -s \"$(command -v quorumkeep)\" ~/.local/bin/age-plugin-quorumkeep      (once; any directory in PATH)
  quorumkeep identity --network network.json --owner-key owner.key --out billing.identity
  age -d -i billing.identity -o secret.txt secret.age";

/// Runs it.
pub fn run(command: &Identity) -> Result<Report> {
    NetworkFile::load(&command.network)?;
    if let Some(owner) = &command.owner_key {
        load_owner_key(owner)?;
    }
    let owner_key = command.owner_key.as_deref().map(absolute).transpose()?;
    let identity = Pointer { network: absolute(&command.network)?, owner_key }.encode();
    let text = format!("# quorumkeep: {}\n{identity}", command.network.display());
    let report = match &command.out {
        None => Report::text(text),
        Some(path) => {
            output::write(path, (text + "\n").as_bytes(), 0o600, command.force)?;
            Report::text(format!("the identity is in {}", path.display())).field("file", path)
        }
    };
    Ok(report.field("identity", identity))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Failure::new(Code::Io, format!("{}: {error}", path.display())))
}
