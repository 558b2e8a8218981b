//! Errors on the wire: problem documents (RFC 9457) with one enum of stable codes.
//!
//! Programs match on `code`; people read `title` and `detail`. A `detail` never repeats what the request contained.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// Characters of a `detail` that a client keeps.
const DETAIL_CHARS_MAX: usize = 400;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong. The texts are stable: programs depend on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
            /// A code of a newer version, which this one does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl Code {
            /// Every code that this version sends.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown => "unknown",
                }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                    Self::Unknown => 500,
                }
            }

            /// One sentence for people, always the same for one code.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                    Self::Unknown => "A problem that this version does not know.",
                }
            }
        }
    };
}

codes! {
    /// The bytes or parameters are not what the endpoint takes.
    Malformed = "malformed", 400, "The request is malformed.";
    /// The record or request is of another network.
    ForeignNetwork = "foreign_network", 400, "The record belongs to another network.";
    /// A signature does not verify.
    BadSignature = "bad_signature", 403, "A signature is wrong.";
    /// The signer is on no roster.
    UnknownSigner = "unknown_signer", 403, "The signer is on no roster of this network.";
    /// The rules of the network do not allow it.
    Refused = "refused", 403, "The rules of the network do not allow this.";
    /// A rule of a custody does not allow it; `reason` is its code.
    Rule = "rule", 403, "A rule of the custody does not allow this.";
    /// No such path, key, version or application.
    NotFound = "not_found", 404, "There is no such thing here.";
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "The path does not take this method.";
    /// The request took too long to arrive or to be answered.
    Timeout = "timeout", 408, "The request took too long.";
    /// It contradicts what is already there.
    Conflict = "conflict", 409, "The request contradicts what is already there.";
    /// The body is above the limit.
    TooLarge = "too_large", 413, "The body is too large.";
    /// The sender's part of the pool of waiting records is used up.
    PoolFull = "pool_full", 429, "Too many records of this sender wait for a block.";
    /// Too many requests, or too many wrong ones, from one address.
    RateLimited = "rate_limited", 429, "Too many requests from this address.";
    /// The server failed; its log says why.
    Internal = "internal", 500, "The server failed.";
    /// All request slots are taken.
    Busy = "busy", 503, "The server is busy.";
    /// It cannot answer now, but may later.
    NotReady = "not_ready", 503, "The server is not ready.";
    /// Another orderer has taken over.
    Retired = "retired", 503, "Another orderer has taken over this network.";
}

/// An RFC 9457 problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title} {detail}")]
pub struct Problem {
    /// A name of the code as a URI.
    #[serde(rename = "type")]
    pub kind: String,
    /// The title of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to match on.
    pub code: Code,
    /// What is wrong with this request, and what to do. May be empty.
    #[serde(default)]
    pub detail: String,
    /// The stable code of the rule that refused, where a code has many: `self_approval`, of a custody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Problem {
    /// A problem with this code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:quorumkeep:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            reason: None,
        }
    }

    /// The same with the code of the rule that refused.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    /// Reads a problem document that a peer sent; anything else with an error status becomes [`Code::Unknown`].
    #[must_use]
    pub fn from_response(status: u16, body: &[u8]) -> Self {
        let parsed = serde_json::from_slice::<Self>(body);
        let mut problem = parsed.unwrap_or_else(|_| Self::new(Code::Unknown, ""));
        problem.status = status;
        problem.title = printable(&problem.title);
        problem.detail = printable(&problem.detail);
        problem.kind = printable(&problem.kind);
        problem.reason = problem.reason.as_deref().map(printable);
        problem
    }
}

/// A peer's text without control characters, so that it cannot forge lines of a log or terminal commands.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(DETAIL_CHARS_MAX).map(shown).collect()
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // The middleware counts problems by code without reading the body again.
        response.extensions_mut().insert(self.code);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_distinct() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), *code);
            assert!((400..600).contains(&code.status()), "{code:?}");
        }
    }

    #[test]
    fn a_peers_text_cannot_forge_log_lines() {
        let sent = Problem::new(Code::PoolFull, "first\r\n\u{1b}[31msecond".to_owned() + &"x".repeat(1000));
        let read = Problem::from_response(429, &serde_json::to_vec(&sent).unwrap());
        assert_eq!(read.code, Code::PoolFull);
        assert!(!read.detail.chars().any(char::is_control));
        assert_eq!(read.detail.chars().count(), DETAIL_CHARS_MAX);
    }

    #[test]
    fn what_is_no_problem_document_is_unknown() {
        assert_eq!(Problem::from_response(502, b"<html>").code, Code::Unknown);
        let newer = br#"{"type":"x","title":"t","status":400,"code":"not_invented_yet"}"#;
        assert_eq!(Problem::from_response(400, newer).code, Code::Unknown);
    }
}
