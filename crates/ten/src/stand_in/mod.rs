//! A node and a gateway of TEN for tests and the demo: what upstream says on the wire, what it does with its configuration
//! at the start, and the traps in both. **Nothing here is for a real network.**
//!
//! ```text
//! quorumkeep demo stand-in-ten node    -listen=127.0.0.1:0 -db=DIR [-da=FILE] [-genesis]
//!     ENCLAVE_SHAREDSECRET, ENCLAVE_BACKUPENCRYPTIONKEY, ENCLAVE_LOG_LEVEL (1 errors, 3 information)
//! quorumkeep demo stand-in-ten gateway -listen=127.0.0.1:0 -data=DIR -cosmos=DIR -encryptionKeySource=SOURCE
//!     [-backupEncryptionKey=HEX] [-dbType=cosmosDB|sqlite] [-insideEnclave] [-machine=NAME] [-logLevel=info]
//! ```
//!
//! Both print `listening on ADDRESS` when they serve. Flags are those of Go, as upstream's gateway has them: one dash or two,
//! `=` before the value, and what they are without: no enclave, SQLite, the log level `info`.
//!
//! # Source
//!
//! go-ten `go/enclave/enclave.go`, `go/host/rpc/clientapi/client_api_ten.go`, `tools/walletextension`.

mod gateway;
mod node;
mod upstream;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use axum::Router;
use tokio::net::TcpListener;

/// What ends a stand-in.
pub type Fatal = Box<dyn Error + Send + Sync>;

const NODE_FLAGS: [&str; 4] = ["listen", "db", "da", "genesis"];
const GATEWAY_FLAGS: [&str; 9] = [
    "listen",
    "data",
    "cosmos",
    "encryptionKeySource",
    "backupEncryptionKey",
    "dbType",
    "insideEnclave",
    "machine",
    "logLevel",
];

/// The flags of Go.
struct Flags(BTreeMap<String, String>);

impl Flags {
    fn parse(arguments: impl Iterator<Item = String>, known: &[&str]) -> Result<Self, Fatal> {
        let mut flags = BTreeMap::new();
        for argument in arguments {
            let text = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
            let text = text.ok_or_else(|| format!("{argument} is no flag"))?;
            let (name, value) = text.split_once('=').unwrap_or((text, "true"));
            if !known.contains(&name) {
                return Err(format!("flag provided but not defined: -{name}").into());
            }
            flags.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self(flags))
    }

    /// The value of a flag, or what it is without.
    fn get<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }
}

/// Serves as `node` or as `gateway` until the process is ended.
///
/// # Errors
/// Another mode, an unknown flag, or what would end the real thing at its start.
pub async fn run(mode: &str, arguments: impl Iterator<Item = String>) -> Result<(), Fatal> {
    match mode {
        "node" => {
            let flags = Flags::parse(arguments, &NODE_FLAGS)?;
            serve(&flags, node::router(&flags)?).await
        }
        "gateway" => {
            let flags = Flags::parse(arguments, &GATEWAY_FLAGS)?;
            serve(&flags, gateway::router(&flags)?).await
        }
        other => Err(format!("{other:?} is neither node nor gateway").into()),
    }
}

async fn serve(flags: &Flags, router: Router) -> Result<(), Fatal> {
    let listener = TcpListener::bind(flags.get("listen", "127.0.0.1:0")).await?;
    say(&format!("listening on {}", listener.local_addr()?));
    Ok(axum::serve(listener, router).await?)
}

/// One line of the log.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
