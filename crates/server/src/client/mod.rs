//! The client of nodes and of the orderer: HTTP/2 over pinned TLS, one connection per peer, everything bounded.
//!
//! A [`Client`] connects when it is first used and again when the connection is gone. Requests share the connection.
//! Nothing is retried silently: see [`retry`](retry()) for what may be.

pub mod board;
mod error;
mod retry;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

pub use board::BoardClient;
pub use error::{Error, TlsReason};
pub use retry::{Backoff, retry};

use crate::problem::Problem;
use crate::tls::{self, Pin, TlsError};

/// The name in the handshake. It is neither sent nor checked: the pin names the server.
const SERVER_NAME: &str = "quorumkeep.invalid";
/// Bytes of a problem document.
const PROBLEM_BYTES_MAX: usize = 16 * 1024;

/// The bounds of a client.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Time to connect, with the handshake.
    pub connect: Duration,
    /// Time for a request, without connecting.
    pub request: Duration,
    /// Bytes of an answer.
    pub response_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(15), response_bytes: 1024 * 1024 }
    }
}

/// The client of one server. Clones share the connection.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    socket: Arc<str>,
    authority: Authority,
    /// None: without TLS, on this machine only.
    tls: Option<TlsConnector>,
    settings: Settings,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

/// What to ask, with bounds that differ from the client's.
struct Ask {
    method: Method,
    path: String,
    kind: &'static str,
    body: Bytes,
    request: Duration,
    response_bytes: usize,
}

impl Client {
    /// A client of the server at `socket` (`host:port`), which must be the one that `pin` names. Does not connect yet.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if the provider cannot do TLS 1.3.
    pub fn new(pin: Pin, socket: &str, settings: Settings) -> Result<Self, TlsError> {
        Ok(Self::over(Some(tls::client_config(pin)?), socket, settings))
    }

    /// A client of the server that shows exactly this certificate (in DER).
    ///
    /// # Errors
    ///
    /// [`TlsError`] if the provider cannot do TLS 1.3.
    pub fn of_certificate(certificate: Vec<u8>, socket: &str, settings: Settings) -> Result<Self, TlsError> {
        Ok(Self::over(Some(tls::exact_client_config(certificate)?), socket, settings))
    }

    /// A client without TLS, for a server on this machine. None for a socket that is not an address of this machine.
    #[must_use]
    pub fn without_tls(socket: &str, settings: Settings) -> Option<Self> {
        let address: std::net::SocketAddr = socket.parse().ok()?;
        address.ip().to_canonical().is_loopback().then(|| Self::over(None, socket, settings))
    }

    fn over(tls: Option<Arc<rustls::ClientConfig>>, socket: &str, settings: Settings) -> Self {
        let tls = tls.map(TlsConnector::from);
        // Only for the `:authority` of requests, which no server looks at.
        let authority = socket.parse().unwrap_or_else(|_| Authority::from_static(SERVER_NAME));
        let connection = Mutex::new(None);
        Self { inner: Arc::new(Inner { socket: socket.into(), authority, tls, settings, connection }) }
    }

    /// Where the server is.
    #[must_use]
    pub fn socket(&self) -> &str {
        &self.inner.socket
    }

    /// `GET`; the body of a successful answer.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn get(&self, path: &str) -> Result<Bytes, Error> {
        self.ask(self.plain(Method::GET, path)).await
    }

    /// `GET` with its own bounds.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn get_within(&self, path: &str, request: Duration, response_bytes: usize) -> Result<Bytes, Error> {
        self.ask(Ask { request, response_bytes, ..self.plain(Method::GET, path) }).await
    }

    /// `GET` of a JSON value.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.get(path).await?;
        self.parse(&answer)
    }

    /// `POST` of bytes; the body of a successful answer.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Bytes, Error> {
        self.ask(Ask { body: body.into(), ..self.plain(Method::POST, path) }).await
    }

    /// `POST` of a JSON value; the answer is JSON too.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn post_json<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|source| Error::Encode { source })?.into();
        let answer = self.ask(Ask { body, kind: "application/json", ..self.plain(Method::POST, path) }).await?;
        self.parse(&answer)
    }

    fn plain(&self, method: Method, path: &str) -> Ask {
        let Settings { request, response_bytes, .. } = self.inner.settings;
        let (path, kind, body) = (path.to_owned(), "application/octet-stream", Bytes::new());
        Ask { method, path, kind, body, request, response_bytes }
    }

    fn parse<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(answer).map_err(|_| self.malformed("the answer is not the JSON that was expected"))
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Error {
        Error::Malformed { socket: Arc::clone(&self.inner.socket), what }
    }

    async fn ask(&self, ask: Ask) -> Result<Bytes, Error> {
        let inner = &self.inner;
        let (limit, deadline) = (ask.response_bytes, ask.request);
        let request = inner.request(ask)?;
        let mut connection = inner.connection().await?;
        let timed_out = |what| Error::Timeout { socket: Arc::clone(&inner.socket), what };
        let until = Instant::now() + deadline;
        let sent = timeout_at(until, connection.send_request(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(source)) => {
                inner.forget().await;
                return Err(inner.broken(source));
            }
            Err(_) => {
                // A connection that does not answer may be dead; a new one costs little.
                inner.forget().await;
                return Err(timed_out("answer"));
            }
        };
        let status = response.status().as_u16();
        let limit = if response.status().is_success() { limit } else { PROBLEM_BYTES_MAX };
        let body = timeout_at(until, inner.read(response.into_body(), limit)).await;
        let body = body.map_err(|_| timed_out("body"))??;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let problem = Box::new(Problem::from_response(status, &body));
        Err(Error::Status { socket: Arc::clone(&inner.socket), status, problem })
    }
}

impl Inner {
    fn request(&self, ask: Ask) -> Result<Request<Full<Bytes>>, Error> {
        let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(self.authority.clone()).path_and_query(ask.path);
        let built = uri.build().and_then(|uri| {
            let request = Request::builder().method(ask.method).uri(uri);
            request.header(header::CONTENT_TYPE, HeaderValue::from_static(ask.kind)).body(Full::new(ask.body))
        });
        built.map_err(|source| Error::Request { source })
    }

    fn unreachable(&self, source: std::io::Error) -> Error {
        Error::Unreachable { socket: Arc::clone(&self.socket), source }
    }

    fn broken(&self, source: hyper::Error) -> Error {
        Error::Broken { socket: Arc::clone(&self.socket), source }
    }

    /// The open connection, or a new one. Those who come while it is being made wait for it.
    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let mut current = self.connection.lock().await;
        if let Some(open) = current.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        *current = None;
        let until = Instant::now() + self.settings.connect;
        let made = timeout_at(until, self.connect()).await;
        let made = made.map_err(|_| Error::Timeout { socket: Arc::clone(&self.socket), what: "connection" })??;
        Ok(current.insert(made).clone())
    }

    async fn forget(&self) {
        *self.connection.lock().await = None;
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let tcp = TcpStream::connect(&*self.socket).await.map_err(|source| self.unreachable(source))?;
        tcp.set_nodelay(true).map_err(|source| self.unreachable(source))?;
        let Some(connector) = &self.tls else {
            return self.handshake(tcp).await;
        };
        let name = ServerName::try_from(SERVER_NAME).map_err(|_| Error::Internal("server name"))?;
        let tls = connector.connect(name, tcp).await.map_err(|source| Error::handshake(&self.socket, source))?;
        if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(Error::Tls { socket: Arc::clone(&self.socket), reason: TlsReason::NoHttp2 });
        }
        self.handshake(tls).await
    }

    async fn handshake<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_stream_window_size(2 * 1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024)
            .max_header_list_size(16 * 1024);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|source| self.broken(source))?;
        let socket = Arc::clone(&self.socket);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%socket, %error, "connection ended");
            }
        });
        Ok(sender)
    }

    async fn read(&self, body: Incoming, limit: usize) -> Result<Bytes, Error> {
        let too_large = || Error::TooLarge { socket: Arc::clone(&self.socket), max: limit };
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        match Limited::new(body, limit).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(source) => Err(self.broken(*source)),
                Err(_) => Err(Error::Internal("body")),
            },
        }
    }
}
