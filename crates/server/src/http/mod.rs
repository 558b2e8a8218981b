//! The HTTP server: TLS, limits on everything, problem documents for everything that fails.
//!
//! ```text
//! accept -> connection caps -> TLS handshake (timeout) -> HTTP/2 or HTTP/1.1 (header limits, idle limit)
//!        -> part of its address -> body (limit, time) -> slot and time for the request -> router
//! ```
//!
//! Limits are keyed on the address of the socket's peer, never on a header that the peer wrote.

mod connection;
mod extract;
mod guard;
mod layers;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use extract::{JsonBody, QueryArgs, RawBody};
pub use guard::{Buckets, Rate, Shares, Source, Strikes, Taken};
pub use layers::Slot;

use crate::metrics::HttpMetrics;

/// The address of the other end of the connection, in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The certificate that the client showed in the handshake, in DER; in the extensions of every request if it showed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Arc<[u8]>);

/// Every bound of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections.
    pub connections: usize,
    /// Open connections of one IPv4 address or IPv6 /64 network.
    pub connections_per_address: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the header of a request (HTTP/1.1).
    pub header: Duration,
    /// Bytes of the header of a request.
    pub header_bytes: usize,
    /// Bytes of the body of a request.
    pub body_bytes: usize,
    /// Time for a request: working, but neither reading the body nor sending the answer.
    pub request: Duration,
    /// Time for the body of a request.
    pub body: Duration,
    /// Requests that are worked on at a time.
    pub requests: usize,
    /// Requests under way of one IPv4 address or IPv6 /64 network: arriving, worked on, or waiting for something.
    pub requests_per_address: usize,
    /// The same for this machine itself, on which a whole network may run.
    pub requests_per_loopback: usize,
    /// Bodies that are being read at a time.
    pub bodies: usize,
    /// Requests at a time in one connection.
    pub requests_per_connection: u32,
    /// A connection without requests is closed after this.
    pub idle: Duration,
    /// A connection is closed after this; clients reconnect.
    pub lifetime: Duration,
    /// How long running requests may go on after a shutdown began.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            body_bytes: 128 * 1024,
            request: Duration::from_secs(30),
            body: Duration::from_secs(10),
            requests: 1024,
            requests_per_address: 64,
            requests_per_loopback: 256,
            bodies: 2048,
            requests_per_connection: 32,
            idle: Duration::from_secs(120),
            lifetime: Duration::from_secs(3600),
            grace: Duration::from_secs(5),
        }
    }
}

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("{address} is in use: stop the other process or choose another port (port 0 takes a free one)")]
    Occupied {
        /// Where.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The port needs rights that this process does not have.
    #[error("{address} may not be used by this user: choose a port above 1023")]
    Denied {
        /// Where.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// Others could listen in.
    #[error(
        "{address} can be reached from other machines, so it needs TLS: give a certificate, or listen at 127.0.0.1"
    )]
    Plain {
        /// Where.
        address: SocketAddr,
    },
    /// Anything else, such as an address that this machine does not have.
    #[error("cannot listen at {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Occupied { address, source },
            io::ErrorKind::PermissionDenied => Self::Denied { address, source },
            _ => Self::Other { address, source },
        }
    }
}

/// A server that listens but does not serve yet, so that its port is known before anything is announced.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: Limits,
    metrics: HttpMetrics,
}

impl Server {
    /// Listens at `address`; port 0 takes a free one, see [`Server::local_addr`].
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub async fn bind(
        address: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
        limits: Limits,
        metrics: HttpMetrics,
    ) -> Result<Self, BindError> {
        Self::listen(address, Some(tls), limits, metrics).await
    }

    /// The same without TLS, at an address that only this machine can reach.
    ///
    /// # Errors
    ///
    /// [`BindError::Plain`] for any other address; [`BindError`].
    pub async fn bind_plain(address: SocketAddr, limits: Limits, metrics: HttpMetrics) -> Result<Self, BindError> {
        if !address.ip().to_canonical().is_loopback() {
            return Err(BindError::Plain { address });
        }
        Self::listen(address, None, limits, metrics).await
    }

    async fn listen(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        limits: Limits,
        metrics: HttpMetrics,
    ) -> Result<Self, BindError> {
        let fail = |source| BindError::new(address, source);
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, tls, limits, metrics })
    }

    /// Where the server listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop` is true or its sender is gone, then lets running requests end within
    /// [`Limits::grace`].
    pub async fn serve(self, router: Router, stop: watch::Receiver<bool>) {
        let router = layers::wrap(router, &self.limits, &self.metrics);
        tracing::info!(address = %self.address, "listening");
        connection::accept_loop(self.listener, self.tls, router, self.limits, self.metrics, stop).await;
        tracing::info!(address = %self.address, "no longer listening");
    }
}
