//! What can go wrong between two machines, by what to do about it.

use std::io;
use std::sync::Arc;

use crate::problem::{Code, Problem};
use crate::tls::{PinError, pin_error};

/// Why TLS failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsReason {
    /// The server is not the one that the roster names.
    #[error("{0}")]
    Pin(#[from] PinError),
    /// The two sides have no version or cipher in common, or one of them broke the protocol.
    #[error("{0}; is it a quorumkeep server?")]
    Protocol(#[from] rustls::Error),
    /// The server does not speak HTTP/2.
    #[error("it does not speak HTTP/2; it is not a quorumkeep server")]
    NoHttp2,
}

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("{socket} is unreachable: {source}; is the server running, and does the roster name its socket?")]
    Unreachable {
        /// Where.
        socket: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// Somebody answers, but not the one who was expected.
    #[error("{socket} is refused: {reason}")]
    Tls {
        /// Where.
        socket: Arc<str>,
        /// Why.
        reason: TlsReason,
    },
    /// The server says that it cannot or will not.
    #[error("{socket} answered {status} {}: {problem}", problem.code.as_str())]
    Status {
        /// Where.
        socket: Arc<str>,
        /// The HTTP status.
        status: u16,
        /// What the server says.
        problem: Box<Problem>,
    },
    /// The answer is larger than it may be.
    #[error("{socket} sent more than {max} bytes")]
    TooLarge {
        /// Where.
        socket: Arc<str>,
        /// The limit.
        max: usize,
    },
    /// The time is over.
    #[error("{socket} took too long ({what})")]
    Timeout {
        /// Where.
        socket: Arc<str>,
        /// What was waited for.
        what: &'static str,
    },
    /// The connection broke while it was used.
    #[error("the connection to {socket} broke: {source}")]
    Broken {
        /// Where.
        socket: Arc<str>,
        /// How.
        source: hyper::Error,
    },
    /// The answer makes no sense.
    #[error("{socket}: {what}")]
    Malformed {
        /// Where.
        socket: Arc<str>,
        /// What was expected.
        what: &'static str,
    },
    /// The request cannot be built: a bug of the caller.
    #[error("the request is not valid: {source}")]
    Request {
        /// Why.
        source: axum::http::Error,
    },
    /// The body cannot be written as JSON: a bug of the caller.
    #[error("the request cannot be written as JSON: {source}")]
    Encode {
        /// Why.
        source: serde_json::Error,
    },
    /// A bug of the client.
    #[error("the client failed: {0}")]
    Internal(&'static str),
}

impl Error {
    /// Sorts an error of the handshake: a wrong server, or no server.
    pub(super) fn handshake(socket: &Arc<str>, source: io::Error) -> Self {
        let socket = Arc::clone(socket);
        let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            None => Self::Unreachable { socket, source },
            Some(error) => {
                let reason = pin_error(error).cloned().map_or_else(|| error.clone().into(), TlsReason::from);
                Self::Tls { socket, reason }
            }
        }
    }

    /// Can the same request succeed a little later, without anybody doing anything?
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 502..=504),
            _ => false,
        }
    }

    /// The code of the problem document, if the server answered one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Status { problem, .. } => Some(problem.code),
            _ => None,
        }
    }

    /// Why the server was refused, if it is not the pinned one.
    #[must_use]
    pub fn pin_error(&self) -> Option<&PinError> {
        match self {
            Self::Tls { reason: TlsReason::Pin(error), .. } => Some(error),
            _ => None,
        }
    }
}
