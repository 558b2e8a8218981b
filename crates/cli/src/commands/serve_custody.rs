//! `quorumkeep custody serve`: a custody over HTTP and gRPC.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use quorumkeep_server::custody::DirectoryError;
use quorumkeep_server::custody::service::{self, Settings, StartError};
use quorumkeep_server::http::BindError;
use quorumkeep_server::tls::FileError;

use crate::commands::node::{bind_code, stop_signal};
use crate::failure::{Code, Failure, Result, display};
use crate::net::server_runtime;
use crate::report::Report;

/// Help for `custody serve`.
pub const HELP: &str = "\
Examples:
  quorumkeep custody serve --dir ./custody --listen 127.0.0.1:7400 --plain
  quorumkeep custody serve --dir ./custody --listen 0.0.0.0:7400 --grpc 0.0.0.0:7401 --name custody.example.com
Only one process may have the directory. Clients of gRPC are registered by their certificate: put it into
DIR/clients/NAME.pem; to refuse a client from now on, take the file away.";

/// Arguments of `custody serve`.
#[derive(Args)]
pub struct Serve {
    /// The directory of the custody.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where HTTP listens.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where gRPC listens (infra.v1, mutual TLS); needs a program built with --features grpc.
    #[arg(long, value_name = "ADDRESS:PORT")]
    grpc: Option<SocketAddr>,
    /// HTTP without TLS; only on this machine's own address, such as 127.0.0.1.
    #[arg(long)]
    plain: bool,
    /// The server's certificate in PEM; without it DIR/server.pem, made at the first start.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A host name or address in a certificate that is made; may be repeated.
    #[arg(long = "name", value_name = "HOST", default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<String>,
}

impl Serve {
    /// Serves until it is stopped.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let certificate = self.tls_certificate.clone().zip(self.tls_key.clone());
        let own = certificate.as_ref().map_or_else(|| self.dir.join("server.pem"), |(file, _)| file.clone());
        let secure = !self.plain || self.grpc.is_some();
        let settings = Settings {
            dir: self.dir,
            listen: self.listen,
            plain: self.plain,
            grpc: self.grpc,
            certificate,
            names: self.names,
        };
        server_runtime()?.block_on(async {
            let running = service::start(settings).await.map_err(start_failure)?;
            let scheme = if self.plain { "http" } else { "https" };
            let (custody, url) = (running.custody(), format!("{scheme}://{}", running.local_addr()));
            let mut report = Report::text(format!("custody {custody} is served at {url}"));
            report = report.field("custody", custody).field("url", &url).field("listen", running.local_addr());
            if let Some(grpc) = running.grpc_addr() {
                report = report.line(format!("gRPC at {grpc}")).field("grpc", grpc);
            }
            if secure {
                report = report.field("certificate", own);
            }
            report.print(as_json);
            running.run_until(stop_signal()).await;
            Ok::<_, Failure>(())
        })?;
        Ok(Report::text("stopped").field("stopped", true))
    }
}

fn start_failure(error: StartError) -> Failure {
    let code = match &error {
        StartError::Directory(DirectoryError::Store(_)) => Code::Database,
        StartError::Directory(DirectoryError::Files(error)) | StartError::Certificate(FileError::Files(error))
            if error.is_missing() =>
        {
            Code::FileMissing
        }
        StartError::Directory(_) | StartError::Certificate(_) => Code::BadFile,
        StartError::Bind(BindError::Plain { .. }) => Code::Usage,
        StartError::Bind(error) => bind_code(error),
        StartError::NoGrpc => Code::Usage,
    };
    Failure::new(code, display(&error))
}
