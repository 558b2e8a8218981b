//! The accept loop and the life of one connection.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::guard::{Shares, Taken};
use super::{Limits, Peer, PeerCertificate};
use crate::metrics::HttpMetrics;

/// The pause after the system refused to accept (too many open files, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections share.
struct Shared {
    /// None: without TLS, on this machine only.
    acceptor: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    metrics: HttpMetrics,
    stop: watch::Receiver<bool>,
}

/// A connection's place; given back when dropped.
struct Place {
    _slot: OwnedSemaphorePermit,
    _source: Taken,
}

pub(super) async fn accept_loop(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    limits: Limits,
    metrics: HttpMetrics,
    mut stop: watch::Receiver<bool>,
) {
    let each = limits.connections_per_address;
    let (slots, counts) = (Arc::new(Semaphore::new(limits.connections)), Shares::new(each, each, limits.connections));
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let (grace, acceptor) = (limits.grace, tls.map(TlsAcceptor::from));
    let shared = Arc::new(Shared { acceptor, router, limits, metrics, stop: stop.clone() });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok((tcp, peer)) => admit(tcp, peer, &slots, &counts, &shared),
            Err(error) => refused(&error).await,
        }
    }
    drop(listener);
    // Every connection holds a slot, so all slots together mean that none is left.
    let _ = tokio::time::timeout(grace, slots.acquire_many(all)).await;
}

/// Waits until the server is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say so, which is the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// An accept that fails must never end the loop: the next one may succeed.
async fn refused(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn admit(tcp: TcpStream, peer: SocketAddr, slots: &Arc<Semaphore>, counts: &Shares, shared: &Arc<Shared>) {
    let slot = Arc::clone(slots).try_acquire_owned().ok();
    let source = counts.take(peer.ip(), 1);
    let (Some(slot), Some(source)) = (slot, source) else {
        shared.metrics.connection_refused();
        tracing::debug!(%peer, "connection refused: too many");
        return;
    };
    let place = Place { _slot: slot, _source: source };
    tokio::spawn(serve(tcp, peer, place, Arc::clone(shared)));
}

async fn serve(tcp: TcpStream, peer: SocketAddr, place: Place, shared: Arc<Shared>) {
    let _place = place;
    let _ = tcp.set_nodelay(true);
    let Some(acceptor) = &shared.acceptor else {
        let _open = shared.metrics.connection_opened();
        return run(tcp, Spoken::Either, Caller { peer, certificate: None }, &shared).await;
    };
    let handshake = tokio::time::timeout(shared.limits.handshake, acceptor.accept(tcp)).await;
    let tls = match handshake {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return handshake_failed(&shared, peer, &error),
        Err(_) => return handshake_failed(&shared, peer, &io::ErrorKind::TimedOut.into()),
    };
    let _open = shared.metrics.connection_opened();
    let session = tls.get_ref().1;
    let spoken = if session.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|shown| PeerCertificate(shown.as_ref().into()));
    run(tls, spoken, Caller { peer, certificate }, &shared).await;
}

/// Whose connection it is.
struct Caller {
    peer: SocketAddr,
    certificate: Option<PeerCertificate>,
}

/// What both sides agreed on in the handshake. Without TLS there is none, and the first bytes decide.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Http1,
    Http2,
    Either,
}

fn handshake_failed(shared: &Shared, peer: SocketAddr, error: &io::Error) {
    shared.metrics.handshake_failed();
    tracing::debug!(%peer, %error, "TLS handshake failed");
}

/// Is the connection in use?
struct Activity {
    running: AtomicU64,
    last: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self { running: AtomicU64::new(0), last: Mutex::new(Instant::now()) }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn idle_for(&self) -> Duration {
        if self.running.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// One running request.
struct Running(Arc<Activity>);

impl Running {
    fn start(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.touch();
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// HTTP/2 if both sides agreed on it in the handshake, else HTTP/1.1; under TLS never a guess from the first bytes.
fn builder(spoken: Spoken, limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(limits.header_bytes.max(8192))
        .max_headers(64);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.requests_per_connection)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    match spoken {
        Spoken::Http1 => builder.http1_only(),
        Spoken::Http2 => builder.http2_only(),
        Spoken::Either => builder,
    }
}

async fn run<S>(stream: S, spoken: Spoken, caller: Caller, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new());
    let (router, counted) = (TowerToHyperService::new(shared.router.clone()), Arc::clone(&activity));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(caller.peer));
        if let Some(certificate) = &caller.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let running = Running::start(&counted);
        let answer = router.call(request);
        async move {
            let _running = running;
            answer.await
        }
    });
    let builder = builder(spoken, &shared.limits);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = expired(shared, &activity) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(shared.limits.grace, connection).await;
    }
}

/// Waits until the connection should be closed: the server stops, nobody uses it, or it is old.
async fn expired(shared: &Shared, activity: &Activity) {
    let (mut stop, limits) = (shared.stop.clone(), &shared.limits);
    let unused = async {
        loop {
            let idle = activity.idle_for();
            if idle >= limits.idle {
                return;
            }
            tokio::time::sleep((limits.idle - idle).max(Duration::from_millis(10))).await;
        }
    };
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = unused => {}
        () = tokio::time::sleep(limits.lifetime) => {}
    }
}
