//! What can go wrong between this machine and a node or a gateway, by what to do about it.

use std::io;

use super::gateway;
use super::rpc;

/// Every text that [`Error::code`] gives.
pub const CODES: &[&str] = &[
    "url_invalid",
    "source_unreachable",
    "tls_certificate",
    "tls_failed",
    "tls_no_roots",
    "source_timeout",
    "answer_too_large",
    "source_redirects",
    "source_status",
    "source_broken",
    "source_websocket",
    "answer_malformed",
    "node_without_secret",
    "node_refused",
    "method_unknown",
    "gateway_without_key",
    "gateway_encrypt_failed",
    "gateway_refused",
    "contract_refused",
    "backup_key_missing",
    "backup_key_format",
    "backup_key_invalid",
];

/// Characters of somebody else's text that are repeated.
const EXCERPT_CHARS_MAX: usize = 200;

/// Asking failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be asked there.
    #[error("{url} cannot be asked: {why}")]
    Url {
        /// The URL, or what of it may be repeated.
        url: String,
        /// Why not.
        why: &'static str,
    },
    /// Nobody answers there.
    #[error("{at} is unreachable: {source}")]
    Unreachable {
        /// Where.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// The server shows a certificate that is not for this name or from nobody who is trusted.
    #[error("{at} shows a certificate that is refused: {source}")]
    Certificate {
        /// Where.
        at: String,
        /// Why.
        source: rustls::Error,
    },
    /// No TLS with this server.
    #[error("{at} does not speak TLS 1.3 as it should: {source}")]
    Tls {
        /// Where.
        at: String,
        /// Why.
        source: rustls::Error,
    },
    /// TLS is asked for without anything to trust.
    #[error("{at} is within TLS, and no root certificates were given or found")]
    NoRoots {
        /// Where.
        at: String,
    },
    /// It took too long.
    #[error("{at} took too long ({what})")]
    Timeout {
        /// Where.
        at: String,
        /// What was waited for.
        what: &'static str,
    },
    /// The answer is larger than it may be.
    #[error("{at} sent more than {max} bytes")]
    TooLarge {
        /// Where.
        at: String,
        /// The bound.
        max: usize,
    },
    /// The answer is elsewhere. It is not fetched there.
    #[error("{at} answered {status} and sends elsewhere, to {to}; redirects are not followed")]
    Redirect {
        /// Where.
        at: String,
        /// The HTTP status.
        status: u16,
        /// Where it sends to.
        to: String,
    },
    /// An HTTP status that is not 200.
    #[error("{at} answered {status}: {text}")]
    Status {
        /// Where.
        at: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        text: String,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection to {at} broke: {source}")]
    Broken {
        /// Where.
        at: String,
        /// How.
        source: hyper::Error,
    },
    /// It is no WebSocket, or stopped being one.
    #[error("{at} is no WebSocket as it should be: {why}")]
    WebSocket {
        /// Where.
        at: String,
        /// Why.
        why: String,
    },
    /// The answer is not the one that upstream gives.
    #[error("{at} does not answer as {expected}: {text}")]
    Malformed {
        /// Where.
        at: String,
        /// Who was expected.
        expected: &'static str,
        /// The beginning of the answer, or what is wrong with it.
        text: String,
    },
    /// The node says no.
    #[error("the node at {at} says: {refusal}")]
    Node {
        /// Where.
        at: String,
        /// What.
        refusal: rpc::Refusal,
    },
    /// The gateway says no, under status 200.
    #[error("the gateway at {at} says: {refusal}")]
    Gateway {
        /// Where.
        at: String,
        /// What.
        refusal: gateway::Refusal,
    },
    /// The RPC of L1, or the contract, says no.
    #[error("the RPC of L1 at {at} says: {text}")]
    Contract {
        /// Where.
        at: String,
        /// What, with its code.
        text: String,
    },
}

impl Error {
    /// The stable text of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url_invalid",
            Self::Unreachable { .. } => "source_unreachable",
            Self::Certificate { .. } => "tls_certificate",
            Self::Tls { .. } => "tls_failed",
            Self::NoRoots { .. } => "tls_no_roots",
            Self::Timeout { .. } => "source_timeout",
            Self::TooLarge { .. } => "answer_too_large",
            Self::Redirect { .. } => "source_redirects",
            Self::Status { .. } => "source_status",
            Self::Broken { .. } => "source_broken",
            Self::WebSocket { .. } => "source_websocket",
            Self::Malformed { .. } => "answer_malformed",
            Self::Node { refusal, .. } => refusal.code(),
            Self::Gateway { refusal, .. } => refusal.code(),
            Self::Contract { .. } => "contract_refused",
        }
    }

    /// May the same request succeed a little later?
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Node { refusal, .. } => matches!(refusal, rpc::Refusal::NoSecret),
            _ => false,
        }
    }
}

/// The beginning of somebody else's text in printable ASCII: it cannot drive a terminal.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    let mut out: String = text.trim().chars().take(EXCERPT_CHARS_MAX).map(shown).collect();
    if text.trim().chars().nth(EXCERPT_CHARS_MAX).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_short_and_printable() {
        assert_eq!(printable(b" \x1b[2Jno\xff\n"), "?[2Jno?");
        assert_eq!(printable("x".repeat(300).as_bytes()).len(), EXCERPT_CHARS_MAX + 3);
        assert_eq!(printable(b""), "");
    }
}
