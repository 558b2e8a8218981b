//! `quorumkeep board`: the orderer.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorumkeep_server::board::service::{self, Settings};
use quorumkeep_server::board::{StartError, keys};
use quorumkeep_server::http::Limits;
use quorumkeep_server::network::NetworkFile;
use quorumkeep_store::files::private_directory;

use crate::commands::node::{bind_code, stop_signal};
use crate::failure::{Code, Failure, Result, display};
use crate::net::server_runtime;
use crate::report::Report;
use crate::secrets;

/// Commands of `quorumkeep board`.
#[derive(Subcommand)]
pub enum Board {
    /// Makes the orderer's key and prints its public part, which `network init` wants.
    #[command(after_help = "Example:\n  quorumkeep board init --dir ./board")]
    Init(Init),
    /// Runs the board until it is stopped (Ctrl-C or SIGTERM).
    #[command(after_help = SERVE)]
    Serve(Serve),
}

const SERVE: &str = "\
Example:
  quorumkeep board serve --dir ./board --listen 0.0.0.0:7000 --network network.json --block-ms 1000
Every window and interval of the network is counted in these blocks.";

/// Arguments of `board init`.
#[derive(Args)]
pub struct Init {
    /// Where to keep the key; made if it is missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// File with a passphrase to seal the key under; without it the key is protected by its file mode alone.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `board serve`.
#[derive(Args)]
pub struct Serve {
    /// The directory of `board init`; the blocks go there, too.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// Milliseconds between two blocks, at least 20.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    block_ms: u64,
    /// File with the passphrase, if the key is sealed.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Runs one of them.
pub fn run(command: Board, as_json: bool) -> Result<Report> {
    match command {
        Board::Init(init) => init.run(),
        Board::Serve(serve) => serve.run(as_json),
    }
}

impl Init {
    fn run(self) -> Result<Report> {
        let file = self.passphrase_file.as_deref();
        let passphrase = file.map(|file| secrets::passphrase(Some(file), "the orderer's key")).transpose()?;
        private_directory(&self.dir)?;
        let key = keys::create(&self.dir, passphrase.as_ref())?;
        let public = hex::encode(key.verifying_key().to_bytes());
        let text = format!("orderer {public}\nGive this key to: quorumkeep network init --orderer {public}");
        Ok(Report::text(text).field("orderer", public).field("file", self.dir.join(keys::FILE)))
    }
}

impl Serve {
    fn run(self, as_json: bool) -> Result<Report> {
        let network = NetworkFile::load(&self.network)?;
        let key = match keys::load(&self.dir, None) {
            Err(keys::KeyError::PassphraseNeeded { .. }) => {
                let passphrase = secrets::passphrase(self.passphrase_file.as_deref(), "the orderer's key")?;
                keys::load(&self.dir, Some(&passphrase))?
            }
            key => key?,
        };
        let settings = Settings {
            network: network.network,
            anchor: network.anchor(),
            interval_ms: self.block_ms,
            listen: self.listen,
            limits: Limits::default(),
            quota: Default::default(),
        };
        server_runtime()?.block_on(async {
            let mut running = service::start(&self.dir, key, settings).await.map_err(start_failure)?;
            let address = running.local_addr();
            let height = running.log().head().height;
            let text = format!("board of network {} listens on {address}, height {height}", network.network);
            Report::text(text).field("listen", address).field("height", height).print(as_json);
            let failed = tokio::select! {
                failed = running.failed() => failed,
                () = stop_signal() => Ok(()),
            };
            running.stop().await;
            failed.map_err(|error| Failure::new(Code::Database, display(&error)))
        })?;
        Ok(Report::text("stopped").field("stopped", true))
    }
}

fn start_failure(error: StartError) -> Failure {
    let code = match &error {
        StartError::Db(_) => Code::Database,
        StartError::Bind(error) => bind_code(error),
        StartError::Tls(_) => Code::Failed,
        StartError::Interval { .. } => Code::Usage,
        StartError::OtherKey => Code::BadKey,
    };
    Failure::new(code, display(&error))
}
