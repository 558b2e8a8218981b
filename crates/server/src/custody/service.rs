//! A custody as a service: HTTP, and gRPC if it is built in. One process writes; a second one on the same directory is refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::records::ReadError;
use quorumkeep_custody::request::REQUEST_BYTES_MAX;
use quorumkeep_custody::view::View;
use quorumkeep_store::StoreError;
use quorumkeep_store::custody::CustodyReader;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::callers::Callers;
use super::{Desk, DeskError, DirectoryError, api};
use crate::http::{BindError, Limits, Server};
use crate::metrics::{HttpMetrics, Metrics};
use crate::tls::{self, Certified, FileError};

/// What a service runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the custody.
    pub dir: PathBuf,
    /// Where HTTP listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// HTTP without TLS; `listen` must be an address of this machine alone.
    pub plain: bool,
    /// Where gRPC listens, if it does.
    pub grpc: Option<SocketAddr>,
    /// Certificate and key of the server; without them `server.pem` and `server.key` of the directory, made if missing.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Names and addresses in a certificate that is made.
    pub names: Vec<String>,
}

/// The service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory is none of a custody, or another process has it.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] FileError),
    /// gRPC is wanted and not there.
    #[error("this program was built without gRPC: build it with --features grpc")]
    NoGrpc,
}

/// What the handlers share.
pub(super) struct Shared {
    desk: Mutex<Desk>,
    custody: Hash,
    database: PathBuf,
    failed: AtomicBool,
    pub(super) callers: Callers,
    pub(super) metrics: Metrics,
}

impl Shared {
    /// The only way to change something. Blocks the thread; what is asked at the same time is decided one after the other.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Desk, u64) -> Result<T, DeskError>) -> Result<T, DeskError> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut desk, now_ms());
        if matches!(done, Err(DeskError::Store(_))) {
            self.failed.store(true, Ordering::Release);
        }
        done
    }

    /// Did a commit fail? Then nothing is written any more until the service is started again.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Reads on a connection of its own: never waits for who writes.
    pub(super) fn read<T>(&self, work: impl FnOnce(&View<'_>, u64) -> Result<T, ReadError>) -> Result<T, DeskError> {
        let reader = CustodyReader::open(&self.database)?;
        Ok(work(&View::new(&reader), now_ms())?)
    }

    pub(super) fn custody(&self) -> Hash {
        self.custody
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A service that runs. Dropping it stops it without waiting.
pub struct Running {
    custody: Hash,
    http: SocketAddr,
    grpc: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

/// Starts the service of a custody.
///
/// # Errors
/// [`StartError`].
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    tls::install_provider();
    if settings.grpc.is_some() && !cfg!(feature = "grpc") {
        return Err(StartError::NoGrpc);
    }
    let desk = Desk::open(&settings.dir)?;
    let (custody, metrics) = (desk.custody(), Metrics::default());
    let database = settings.dir.join("custody.db");
    let (desk, failed, callers) = (Mutex::new(desk), AtomicBool::new(false), Callers::new());
    let shared = Arc::new(Shared { desk, custody, database, failed, callers, metrics });
    let http_metrics = HttpMetrics::new(&shared.metrics);
    let (stop, stopping) = watch::channel(false);
    let server = bind(&settings, http_metrics.clone()).await?;
    let http = server.local_addr();
    let mut servers = Vec::new();
    let grpc = grpc_server(&settings, &shared, http_metrics, &stopping, &mut servers).await?;
    servers.push(tokio::spawn(server.serve(api::routes(shared), stopping)));
    Ok(Running { custody, http, grpc, stop, servers })
}

async fn bind(settings: &Settings, metrics: HttpMetrics) -> Result<Server, StartError> {
    // One address never has all places, and this machine not either.
    let (requests_per_address, requests_per_loopback) = (16, 48);
    let (body_bytes, bodies, requests) = (REQUEST_BYTES_MAX, 64, 64);
    let limits =
        Limits { body_bytes, bodies, requests, requests_per_address, requests_per_loopback, ..Limits::default() };
    if settings.plain {
        return Ok(Server::bind_plain(settings.listen, limits, metrics).await?);
    }
    let config = certified(settings)?.server_config(None).map_err(FileError::from)?;
    Ok(Server::bind(settings.listen, config, limits, metrics).await?)
}

/// The server's certificate: the given one, or its own.
fn certified(settings: &Settings) -> Result<Certified, FileError> {
    let own = || (settings.dir.join("server.pem"), settings.dir.join("server.key"));
    let (certificate, key) = settings.certificate.clone().unwrap_or_else(own);
    if settings.certificate.is_none() && certificate.symlink_metadata().is_err() {
        tls::make_certificate(&certificate, &key, &settings.names)?;
    }
    Certified::read(&certificate, &key)
}

#[cfg(feature = "grpc")]
async fn grpc_server(
    settings: &Settings,
    shared: &Arc<Shared>,
    metrics: HttpMetrics,
    stopping: &watch::Receiver<bool>,
    servers: &mut Vec<JoinHandle<()>>,
) -> Result<Option<SocketAddr>, StartError> {
    use super::{Clients, grpc};
    let Some(address) = settings.grpc else { return Ok(None) };
    let clients = Clients::of(&settings.dir).map_err(FileError::from)?;
    let config = certified(settings)?.server_config(Some(Arc::new(clients.clone()))).map_err(FileError::from)?;
    // Twice the longest message: what is a little too long gets the status of gRPC, what is far too long that of HTTP.
    let limits = Limits { body_bytes: 2 * grpc::MESSAGE_BYTES_MAX, requests: 64, ..Limits::default() };
    let server = Server::bind(address, config, limits, metrics).await?;
    let address = server.local_addr();
    servers.push(tokio::spawn(server.serve(grpc::routes(Arc::clone(shared), clients), stopping.clone())));
    Ok(Some(address))
}

#[cfg(not(feature = "grpc"))]
async fn grpc_server(
    _settings: &Settings,
    _shared: &Arc<Shared>,
    _metrics: HttpMetrics,
    _stopping: &watch::Receiver<bool>,
    _servers: &mut Vec<JoinHandle<()>>,
) -> Result<Option<SocketAddr>, StartError> {
    Ok(None)
}

impl Running {
    /// The identity of the custody.
    #[must_use]
    pub fn custody(&self) -> Hash {
        self.custody
    }

    /// Where HTTP listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where gRPC listens.
    #[must_use]
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc
    }

    /// Serves until `stopped`, then lets running requests end.
    pub async fn run_until(mut self, stopped: impl Future<Output = ()>) {
        stopped.await;
        self.stop.send_replace(true);
        for server in &mut self.servers {
            let _ = tokio::time::timeout(Duration::from_secs(30), server).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Directory(error.into())
    }
}
