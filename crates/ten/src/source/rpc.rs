//! A node of TEN: JSON-RPC 2.0 over HTTP or WebSocket.
//!
//! ```text
//! {"jsonrpc":"2.0","id":1,"method":"ten_backupSharedSecret","params":[]}  ->  "0x<290 hex>"   ECIES of the network secret
//! {"jsonrpc":"2.0","id":1,"method":"ten_rpcKey","params":[]}              ->  "<base64>"      33 bytes, compressed
//! ```
//!
//! Every node that has the secret answers, and every answer has fresh randomness: two ciphertexts of one secret differ.
//!
//! # Source
//!
//! go-ten `go/host/rpc/clientapi/client_api_ten.go`, `go/enclave/enclave_admin_service.go` (`BackupSharedSecret`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Endpoint, Error, printable, ws};
use crate::ciphertext::Ciphertext;
use crate::secret::RpcKey;

/// The code of JSON-RPC 2.0 for a method that is not there.
const METHOD_UNKNOWN: i64 = -32601;
/// The number of every request: there is one on each connection.
const ID: u64 = 1;
const EXPECTED: &str = "a node of TEN";

/// Why a node has no backup to give. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node waits for the network secret, or never got one.
    #[error("it has no network secret yet (shared secret is not initialised)")]
    NoSecret,
    /// `enclave.backupEncryptionKey` is empty.
    #[error("no backup key is configured (ENCLAVE_BACKUPENCRYPTIONKEY)")]
    NoBackupKey,
    /// It is not 33 bytes of hexadecimal; `0x` in front is enough for that.
    #[error("the configured backup key is not 66 hexadecimal digits without 0x (ENCLAVE_BACKUPENCRYPTIONKEY)")]
    BackupKeyFormat,
    /// It is no compressed point.
    #[error("the configured backup key is no point of secp256k1 (ENCLAVE_BACKUPENCRYPTIONKEY)")]
    BackupKeyPoint,
    /// A node from before December 2025, or no node of TEN.
    #[error("it does not know the method; it is no node of TEN, or one that is too old for backups")]
    UnknownMethod,
    /// Something else.
    #[error("{text} (code {code})")]
    Other {
        /// The code of JSON-RPC.
        code: i64,
        /// Its text.
        text: String,
    },
}

impl Refusal {
    /// The stable text.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSecret => "node_without_secret",
            Self::NoBackupKey => "backup_key_missing",
            Self::BackupKeyFormat => "backup_key_format",
            Self::BackupKeyPoint => "backup_key_invalid",
            Self::UnknownMethod => "method_unknown",
            Self::Other { .. } => "node_refused",
        }
    }

    /// Upstream's errors are plain texts, with what the layers between added around them.
    fn of(code: i64, text: &str) -> Self {
        let says = |part: &str| text.contains(part);
        match () {
            () if says("shared secret is not initialised") => Self::NoSecret,
            () if says("backup encryption key is not configured") => Self::NoBackupKey,
            () if says("invalid backup encryption key format") => Self::BackupKeyFormat,
            () if says("failed to parse public key") => Self::BackupKeyPoint,
            () if code == METHOD_UNKNOWN => Self::UnknownMethod,
            () => Self::Other { code, text: printable(text.as_bytes()) },
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    jsonrpc: String,
    id: Value,
    result: Option<Value>,
    error: Option<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(default)]
    code: i64,
    message: String,
}

/// A node.
#[derive(Clone)]
pub struct Node {
    client: Client,
    at: Endpoint,
}

impl Node {
    /// The node at a URL. Does not connect yet.
    #[must_use]
    pub const fn new(client: Client, at: Endpoint) -> Self {
        Self { client, at }
    }

    /// Where it is.
    #[must_use]
    pub const fn at(&self) -> &Endpoint {
        &self.at
    }

    /// The network secret, encrypted to the backup key that the node is configured with: the ECIES of go-ethereum.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn backup_shared_secret(&self) -> Result<Ciphertext, Error> {
        let result = self.call("ten_backupSharedSecret").await?;
        let text = result.as_str().ok_or_else(|| self.malformed("the result is no string"))?;
        Ciphertext::from_answer(text).map_err(|error| self.malformed(&error.to_string()))
    }

    /// The compressed public key that clients encrypt to. It is derived from the network secret, and shows which one that is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rpc_key(&self) -> Result<RpcKey, Error> {
        let result = self.call("ten_rpcKey").await?;
        let key = result.as_str().and_then(|text| STANDARD.decode(text).ok());
        let key = key.and_then(|bytes| RpcKey::from_bytes(&bytes).ok());
        key.ok_or_else(|| self.malformed("the RPC key is not a compressed point of secp256k1 in base64"))
    }

    async fn call(&self, method: &str) -> Result<Value, Error> {
        let request = json!({ "jsonrpc": "2.0", "id": ID, "method": method, "params": [] }).to_string();
        let answer = if self.at.scheme().is_socket() {
            ws::ask(&self.client, &self.at, request).await?
        } else {
            self.client.post_json(&self.at, request).await?
        };
        self.read(&answer)
    }

    fn read(&self, answer: &Bytes) -> Result<Value, Error> {
        let reply: Reply = serde_json::from_slice(answer).map_err(|_| self.malformed(&printable(answer)))?;
        if reply.jsonrpc != "2.0" || reply.id != json!(ID) {
            return Err(self.malformed("it answers another question"));
        }
        match (reply.result, reply.error) {
            (Some(result), None) => Ok(result),
            (None, Some(Refused { code, message })) => {
                Err(Error::Node { at: self.at.to_string(), refusal: Refusal::of(code, &message) })
            }
            _ => Err(self.malformed("there is not one of result and error")),
        }
    }

    fn malformed(&self, text: &str) -> Error {
        Error::Malformed { at: self.at.to_string(), expected: EXPECTED, text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{CODES, Limits};

    fn read(answer: &str) -> Result<Value, Error> {
        let node = Node::new(Client::new(None, Limits::default()), "http://a.example".parse().unwrap());
        node.read(&Bytes::copy_from_slice(answer.as_bytes()))
    }

    #[test]
    fn upstream_texts_have_stable_codes() {
        for (text, code) in [
            ("shared secret is not initialised", "node_without_secret"),
            ("rpc error: code = Unknown desc = backup encryption key is not configured", "backup_key_missing"),
            ("invalid backup encryption key format", "backup_key_format"),
            ("failed to parse public key invalid public key", "backup_key_invalid"),
            ("something new", "node_refused"),
        ] {
            let answer = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32000, "message": text } });
            assert_eq!(read(&answer.to_string()).unwrap_err().code(), code, "{text}");
            assert!(CODES.contains(&code), "{code}");
        }
        let unknown = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method x does not exist"}}"#;
        assert_eq!(read(unknown).unwrap_err().code(), "method_unknown");
    }

    #[test]
    fn an_answer_is_an_answer_to_the_question() {
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":"x"}"#).unwrap(), json!("x"));
        for bad in [
            "",
            "0x04",
            "<html>",
            r#"{"jsonrpc":"2.0","id":2,"result":"x"}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":"x"}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":"x","error":{"code":1,"message":""}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":"x"}]"#,
        ] {
            assert_eq!(read(bad).unwrap_err().code(), "answer_malformed", "{bad}");
        }
    }
}
