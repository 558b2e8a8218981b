//! How commands reach nodes and gateways.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorumkeep_ten::source::{Client, Limits, Trust};

use crate::failure::Result;

/// Whom to trust and how long to wait.
#[derive(Args)]
pub struct Reach {
    /// Root certificates in PEM for https:// and wss:// [default: SSL_CERT_FILE, or those of the system].
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Seconds for one request with its answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

impl Reach {
    /// The client.
    pub fn client(&self) -> Result<Client> {
        let trust = self.roots.as_deref().map(Trust::file).map_or_else(Trust::system, |trust| trust.map(Some))?;
        let (whole, limits) = (Duration::from_secs(self.timeout), Limits::default());
        let (connect, headers) = (limits.connect.min(whole), limits.headers.min(whole));
        Ok(Client::new(trust, Limits { whole, connect, headers, ..limits }))
    }
}
