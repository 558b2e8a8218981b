//! One request over HTTP/1.1 on a connection of its own. Everything has a bound, and a redirect is an answer, not an order.

use std::future::Future;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::Builder;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::{Endpoint, Error, Trust, printable};

/// Headers of an answer.
const HEADERS_MAX: usize = 64;
/// Bytes of the headers of an answer, and of what is read at a time.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answer that is no success, for the message.
const REFUSAL_BYTES_MAX: usize = 4 * 1024;

/// What was waited for if nobody took the connection in time.
pub(crate) const CONNECTION: &str = "connection";

/// The bounds of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time to connect, with name and TLS.
    pub connect: Duration,
    /// Time from the request to the headers of the answer.
    pub headers: Duration,
    /// Time for everything together.
    pub whole: Duration,
    /// Bytes of an answer. What is asked for here has less than a thousand.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), headers: seconds(20), whole: seconds(30), body_bytes: 64 * 1024 }
    }
}

/// A stream to a server, within TLS or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Ends a task with its owner.
struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks servers, within bounds.
#[derive(Clone)]
pub struct Client {
    trust: Option<Trust>,
    limits: Limits,
}

impl Client {
    /// A client that trusts servers within TLS by these roots; without roots it asks none of them.
    #[must_use]
    pub const fn new(trust: Option<Trust>, limits: Limits) -> Self {
        Self { trust, limits }
    }

    /// Its bounds.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// `GET`; the body of an answer with status 200.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&self, at: &Endpoint) -> Result<Bytes, Error> {
        self.ask(at, Method::GET, "text/plain", Bytes::new()).await
    }

    /// `POST` of JSON; the body of an answer with status 200.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn post_json(&self, at: &Endpoint, body: impl Into<Bytes>) -> Result<Bytes, Error> {
        self.ask(at, Method::POST, "application/json", body.into()).await
    }

    async fn ask(&self, at: &Endpoint, method: Method, kind: &'static str, body: Bytes) -> Result<Bytes, Error> {
        let until = Instant::now() + self.limits.whole;
        let stream = self.connect(at, until).await?;
        let broken = |source| Error::Broken { at: at.to_string(), source };
        let mut builder = Builder::new();
        builder.max_headers(HEADERS_MAX).max_header_size(HEADER_BYTES_MAX).max_buf_size(HEADER_BYTES_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let _guard = Guard(tokio::spawn(connection).abort_handle());
        let request = Request::builder()
            .method(method)
            .uri(at.path())
            .header(header::HOST, at.authority())
            .header(header::CONTENT_TYPE, kind)
            .header(header::ACCEPT, "*/*")
            .body(Full::new(body))
            .map_err(|_| Error::Url { url: at.to_string(), why: "its path cannot be asked for" })?;
        let headers = until.min(Instant::now() + self.limits.headers);
        let response = within(headers, at, "headers", sender.send_request(request)).await?.map_err(broken)?;
        within(until, at, "body", self.read(at, response)).await?
    }

    /// Connects, within TLS where the scheme says so.
    pub(super) async fn connect(&self, at: &Endpoint, until: Instant) -> Result<Box<dyn Stream>, Error> {
        let until = until.min(Instant::now() + self.limits.connect);
        let unreachable = |source| Error::Unreachable { at: at.to_string(), source };
        let tcp = within(until, at, CONNECTION, TcpStream::connect(at.host())).await?.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        if !at.scheme().is_tls() {
            return Ok(Box::new(tcp));
        }
        let trust = self.trust.as_ref().ok_or_else(|| Error::NoRoots { at: at.to_string() })?;
        let handshake = TlsConnector::from(trust.config()).connect(at.server_name()?, tcp);
        let tls = within(until, at, "TLS", handshake).await?.map_err(|error| tls_error(at, error))?;
        Ok(Box::new(tls))
    }

    async fn read(&self, at: &Endpoint, response: Response<Incoming>) -> Result<Bytes, Error> {
        let (parts, body) = response.into_parts();
        if parts.status == StatusCode::OK {
            return collect(at, body, self.limits.body_bytes).await;
        }
        if let Some(error) = redirect(at, parts.status, parts.headers.get(header::LOCATION)) {
            return Err(error);
        }
        let text = collect(at, body, REFUSAL_BYTES_MAX.min(self.limits.body_bytes)).await.unwrap_or_default();
        Err(Error::Status { at: at.to_string(), status: parts.status.as_u16(), text: printable(&text) })
    }
}

/// The error that a redirect is; none if the answer is something else.
pub(super) fn redirect(at: &Endpoint, status: StatusCode, to: Option<&header::HeaderValue>) -> Option<Error> {
    let to = to.map_or_else(|| "nowhere".to_owned(), |to| printable(to.as_bytes()));
    status.is_redirection().then(|| Error::Redirect { at: at.to_string(), status: status.as_u16(), to })
}

/// Waits no longer than until then.
pub(super) async fn within<T>(
    until: Instant,
    at: &Endpoint,
    what: &'static str,
    future: impl Future<Output = T>,
) -> Result<T, Error> {
    timeout_at(until, future).await.map_err(|_| Error::Timeout { at: at.to_string(), what })
}

async fn collect(at: &Endpoint, body: Incoming, max: usize) -> Result<Bytes, Error> {
    let too_large = || Error::TooLarge { at: at.to_string(), max };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    match Limited::new(body, max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(source) => Error::Broken { at: at.to_string(), source: *source },
            Err(other) => Error::Malformed {
                at: at.to_string(),
                expected: "an HTTP server",
                text: printable(other.to_string().as_bytes()),
            },
        }),
    }
}

/// Sorts an error of the handshake: the wrong certificate, no TLS, or no connection.
fn tls_error(at: &Endpoint, error: io::Error) -> Error {
    let at = at.to_string();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        None => Error::Unreachable { at, source: error },
        Some(source @ rustls::Error::InvalidCertificate(_)) => Error::Certificate { at, source: source.clone() },
        Some(source) => Error::Tls { at, source: source.clone() },
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
pub(super) mod tests;
