//! The orderer as a process: the core behind HTTP and TLS, and the clock that makes a block every `T`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use quorumkeep_dkg::ids::NetworkId;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::log::Log;
use super::orderer::{Orderer, OrdererError, Posted, Refusal, Screened};
use super::pool::Quota;
use super::{BoardFile, DbError, INTERVAL_MS_MIN, api};
use crate::http::{BindError, Limits, Server, Shares, Strikes};
use crate::metrics::{HttpMetrics, Label, Metrics};
use crate::tls::{self, Certificates, Identity, TlsError};

/// Wrong signatures of one address within [`STRIKES_WINDOW`], before it has to wait.
const STRIKES_MAX: u32 = 200;
const STRIKES_WINDOW: Duration = Duration::from_secs(10);

/// Readers of one address that may wait for a block; of this machine; of all.
const WAITS_EACH: usize = 8;
const WAITS_LOCAL: usize = 256;
const WAITS_MAX: usize = 4096;
/// Bytes of blocks on their way to one address, to this machine, to all. The largest block must fit.
const ANSWERS_EACH: usize = 64 * 1024 * 1024;
const ANSWERS_LOCAL: usize = 256 * 1024 * 1024;
const ANSWERS_MAX: usize = 512 * 1024 * 1024;

/// What an orderer runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The network.
    pub network: NetworkId,
    /// The Ed25519 key of the network's first orderer.
    pub anchor: [u8; 32],
    /// `T` in milliseconds, at least [`INTERVAL_MS_MIN`].
    pub interval_ms: u64,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bounds of the HTTP server.
    pub limits: Limits,
    /// The bounds of the pool.
    pub quota: Quota,
}

impl From<BoardFile> for Settings {
    fn from(file: BoardFile) -> Self {
        let BoardFile { network, anchor, interval_ms, listen } = file;
        let (limits, quota) = (Limits::default(), Quota::default());
        Self { network, anchor: anchor.0, interval_ms, listen, limits, quota }
    }
}

/// The orderer did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Blocks would come too fast.
    #[error("the interval between blocks is {found} ms; it must be at least {min} ms", min = INTERVAL_MS_MIN)]
    Interval {
        /// What was asked for.
        found: u64,
    },
    /// The key is another one than the network's orderer has.
    #[error(
        "orderer.key is not the key of this network's orderer; an empty board can be started by the first orderer only"
    )]
    OtherKey,
}

struct BoardMetrics {
    all: Metrics,
    height: Gauge,
    waiting: Gauge,
    posted: Family<Label, Counter>,
}

impl BoardMetrics {
    fn new() -> Self {
        let all = Metrics::default();
        let height = all.gauge("board_height", "Height of the newest block");
        let waiting = all.gauge("board_waiting", "Records that wait for a block");
        let posted = all.counters("board_posted", "Records posted, by what became of them");
        Self { all, height, waiting, posted }
    }
}

/// What the handlers share.
pub(super) struct Shared {
    orderer: Mutex<Orderer>,
    pub(super) log: Arc<Log>,
    pub(super) strikes: Strikes,
    /// Readers that wait for a block.
    pub(super) waits: Shares,
    /// Bytes of blocks on their way to readers.
    pub(super) answers: Shares,
    /// Signatures are checked by as many threads as there are processors, so that readers are always answered.
    pub(super) checks: Semaphore,
    pub(super) stop: watch::Receiver<bool>,
    interval: Duration,
    metrics: BoardMetrics,
}

impl Shared {
    fn orderer(&self) -> MutexGuard<'_, Orderer> {
        self.orderer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record. Blocks the thread; the lock is not held while signatures are checked.
    pub(super) fn post(&self, bytes: &[u8]) -> Result<Posted, Refusal> {
        let screened = self.orderer().screen(bytes)?;
        match screened {
            Screened::Done(posted) => Ok(posted),
            Screened::Unverified(record) => {
                let verified = record.verify()?;
                self.orderer().admit(verified)
            }
        }
    }

    pub(super) fn count(&self, outcome: &'static str) {
        self.metrics.posted.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics.all
    }

    /// Are blocks being made?
    pub(super) fn is_ready(&self) -> bool {
        let head = self.log.head();
        let patience = self.interval * 5 + Duration::from_secs(2);
        head.height > 0
            && now_ms().saturating_sub(head.time_ms) < u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) -> Result<(), OrdererError> {
        let mut orderer = self.orderer();
        let head = orderer.make_block(now_ms())?;
        self.metrics.height.set(i64::try_from(head.height).unwrap_or(i64::MAX));
        self.metrics.waiting.set(i64::try_from(orderer.waiting()).unwrap_or(i64::MAX));
        tracing::trace!(height = head.height, "block");
        Ok(())
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An orderer that runs. Dropping it stops it without waiting.
pub struct Running {
    address: SocketAddr,
    log: Arc<Log>,
    stop: watch::Sender<bool>,
    blocks: JoinHandle<Result<(), OrdererError>>,
    server: JoinHandle<()>,
    renewal: JoinHandle<()>,
}

/// Starts the orderer whose files are in `folder`.
///
/// # Errors
///
/// [`StartError`].
pub async fn start(folder: &Path, key: SigningKey, settings: Settings) -> Result<Running, StartError> {
    tls::install_provider();
    if settings.interval_ms < INTERVAL_MS_MIN {
        return Err(StartError::Interval { found: settings.interval_ms });
    }
    let Settings { network, anchor, listen, quota, limits, .. } = settings;
    let orderer = Orderer::open(folder, network, anchor, key.clone(), quota)?;
    if orderer.is_retired() && orderer.log().head().height == 0 {
        return Err(StartError::OtherKey);
    }
    let identity = Identity::Orderer { network, key: Arc::new(key) };
    let certificates = Certificates::new(identity, tls::LIFETIME)?;
    let metrics = BoardMetrics::new();
    let http = HttpMetrics::new(&metrics.all);
    let server = Server::bind(listen, tls::server_config(Arc::clone(&certificates))?, limits, http).await?;
    let (stop, stopping) = watch::channel(false);
    let (log, address) = (Arc::clone(orderer.log()), server.local_addr());
    let shared = Arc::new(Shared {
        orderer: Mutex::new(orderer),
        log: Arc::clone(&log),
        strikes: Strikes::new(STRIKES_MAX, STRIKES_WINDOW),
        waits: Shares::new(WAITS_EACH, WAITS_LOCAL, WAITS_MAX),
        answers: Shares::new(ANSWERS_EACH, ANSWERS_LOCAL, ANSWERS_MAX),
        checks: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
        stop: stopping.clone(),
        interval: Duration::from_millis(settings.interval_ms),
        metrics,
    });
    tracing::info!(%network, %address, height = log.head().height, interval_ms = settings.interval_ms, "orderer starts");
    let server = tokio::spawn(server.serve(api::routes(Arc::clone(&shared)), stopping.clone()));
    let blocks = tokio::spawn(make_blocks(shared, stopping));
    let renewal = tokio::spawn(certificates.keep_fresh());
    Ok(Running { address, log, stop, blocks, server, renewal })
}

async fn make_blocks(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) -> Result<(), OrdererError> {
    let mut clock = interval_at(Instant::now() + shared.interval, shared.interval);
    // After a stall the next block comes a whole interval later: nodes count blocks that come too fast as an attack.
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        let ticking = Arc::clone(&shared);
        match tokio::task::spawn_blocking(move || ticking.tick()).await {
            Ok(Ok(())) => {}
            Ok(Err(OrdererError::Retired)) => {
                tracing::warn!("another orderer has taken over; this one only answers readers");
                let _ = stop.wait_for(|stop| *stop).await;
                return Ok(());
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "no more blocks are made");
                return Err(error);
            }
            Err(error) => {
                tracing::error!(%error, "no more blocks are made: the orderer's thread died");
                return Err(OrdererError::Stopped);
            }
        }
    }
}

impl Running {
    /// Where the orderer listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The published blocks.
    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Waits until no more blocks are made although nobody asked the orderer to stop. Returns only if something failed.
    /// May be dropped and called again.
    ///
    /// # Errors
    ///
    /// [`OrdererError`]. The process should end then.
    pub async fn failed(&mut self) -> Result<(), OrdererError> {
        (&mut self.blocks).await.unwrap_or(Err(OrdererError::Stopped))
    }

    /// Stops: no more blocks, running requests end, the file is closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if !self.blocks.is_finished() {
            let _ = (&mut self.blocks).await;
        }
        let _ = (&mut self.server).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.renewal.abort();
    }
}
