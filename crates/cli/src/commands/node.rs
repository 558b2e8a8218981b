//! `quorumkeep node`: an operator's node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::Address;
use quorumkeep_server::http::BindError;
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::runtime::{self, DATABASE, NodeOptions, RuntimeError};
use quorumkeep_store::files::{names, private_directory};
use quorumkeep_store::{Binding, SaltFileKek, SqliteStore};

use crate::failure::{Code, Failure, Result, display};
use crate::net::server_runtime;
use crate::operator_file::check_socket;
use crate::report::{Report, warn};
use crate::secrets;

/// Commands of `quorumkeep node`.
#[derive(Subcommand)]
pub enum Node {
    /// Makes an empty database for this operator in this network.
    Init(Init),
    /// Runs the node until it is stopped (Ctrl-C or SIGTERM). Makes the database at the very first start.
    #[command(after_help = RUN)]
    Run(Run),
}

const RUN: &str = "\
Example:
  quorumkeep node run --dir ./node1 --operator-dir ./op1 --network network.json --listen 0.0.0.0:7100
A node whose database is missing while its key-encryption salts are still there does not start: its shares would be
gone for good. Bring the database back; do not let the node begin anew.";

/// Which node.
#[derive(Args)]
pub struct Which {
    /// Holds the database and the salt of its key-encryption key; made if it is missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The directory of `operator init`.
    #[arg(long, value_name = "DIR")]
    operator_dir: PathBuf,
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// File with the passphrase of the operator's identity.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `node init`.
#[derive(Args)]
pub struct Init {
    #[command(flatten)]
    which: Which,
}

/// Arguments of `node run`.
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    which: Which,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where the board is, if not where the network file says.
    #[arg(long, value_name = "HOST:PORT")]
    board: Option<String>,
}

/// Runs one of them.
pub fn run(command: Node, as_json: bool) -> Result<Report> {
    match command {
        Node::Init(init) => init.run(),
        Node::Run(run) => run.run(as_json),
    }
}

impl Which {
    fn load(&self) -> Result<(NetworkFile, bn254::SecretKey)> {
        let network = NetworkFile::load(&self.network)?;
        let identity = secrets::load_operator_key(&self.operator_dir, self.passphrase_file.as_deref())?;
        Ok((network, identity))
    }

    /// Is this the very first start? A database that was there before must not be replaced by an empty one.
    fn is_new(&self) -> Result<bool> {
        if self.dir.join(DATABASE).symlink_metadata().is_ok() {
            return Ok(false);
        }
        if !self.dir.exists() {
            return Ok(true);
        }
        let salt = |name: &String| name.starts_with("kek-") && name.ends_with(".salt");
        match names(&self.dir)?.into_iter().find(salt) {
            None => Ok(true),
            Some(salt) => Err(missing_database(&self.dir, &salt)),
        }
    }
}

fn missing_database(dir: &Path, salt: &str) -> Failure {
    let message = format!("{} is missing, but {salt} beside it shows that it was there", dir.join(DATABASE).display());
    let help = "Bring the database back from its disk. If it is lost for good, the share is lost, too: move the salt files \
                away and the node joins again as one without a share.";
    Failure::new(Code::Database, message).with_help(help)
}

impl Init {
    fn run(self) -> Result<Report> {
        let (network, identity) = self.which.load()?;
        if !self.which.is_new()? {
            let message = format!("{} exists and is not overwritten", self.which.dir.join(DATABASE).display());
            return Err(Failure::new(Code::FileExists, message));
        }
        private_directory(&self.which.dir)?;
        let address = Address::of(&identity.public());
        let kek = Box::new(SaltFileKek::new(&self.which.dir, identity.expose()));
        let path = self.which.dir.join(DATABASE);
        SqliteStore::create(&path, Binding::new(&network.network, &address), kek)?;
        let text = format!("{} is ready for operator {address} in network {}", path.display(), network.network);
        Ok(Report::text(text).field("database", path).field("address", address).field("network", network.network))
    }
}

impl Run {
    fn run(self, as_json: bool) -> Result<Report> {
        let (network, identity) = self.which.load()?;
        let create = self.which.is_new()?;
        let (address, id) = (Address::of(&identity.public()), network.network);
        if create {
            warn(&format!("first start: an empty database is made in {}", self.which.dir.display()));
        }
        let board = self.board.clone().unwrap_or_else(|| network.board.clone());
        check_socket(&board)?;
        let (dir, listen) = (self.which.dir, self.listen);
        let options = NodeOptions { dir, identity, network, listen, board, create };
        server_runtime()?.block_on(async {
            let running = runtime::start(options).await.map_err(runtime_failure)?;
            let listen = running.local_addr();
            let report = Report::text(format!("node {address} of network {id} listens on {listen}"));
            report.field("listen", listen).field("address", address).field("network", id).print(as_json);
            running.run_until(stop_signal()).await.map_err(runtime_failure)
        })?;
        Ok(Report::text("stopped").field("stopped", true))
    }
}

fn runtime_failure(error: RuntimeError) -> Failure {
    let code = match &error {
        RuntimeError::Store(_) | RuntimeError::Commit(_) | RuntimeError::Start(_) => Code::Database,
        RuntimeError::Bind(error) => bind_code(error),
        RuntimeError::System(_) => Code::Io,
        _ => Code::Failed,
    };
    Failure::new(code, display(&error))
}

/// A taken port is its own code: it is the one that people meet.
pub fn bind_code(error: &BindError) -> Code {
    if matches!(error, BindError::Occupied { .. }) { Code::AddressInUse } else { Code::Io }
}

/// Ctrl-C or SIGTERM.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
