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
use serde_json::{Value, json};

use super::jsonrpc::{self, METHOD_UNKNOWN, Reply};
use super::{Client, Endpoint, Error, printable};
use crate::ciphertext::Ciphertext;
use crate::secret::RpcKey;

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
        self.said(jsonrpc::call(&self.client, &self.at, EXPECTED, method, &json!([])).await?)
    }

    fn said(&self, reply: Reply) -> Result<Value, Error> {
        match reply {
            Reply::Result(result) => Ok(result),
            Reply::Refused { code, text } => {
                Err(Error::Node { at: self.at.to_string(), refusal: Refusal::of(code, &text) })
            }
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

    #[test]
    fn upstream_texts_have_stable_codes() {
        let node = Node::new(Client::new(None, Limits::default()), "http://a.example".parse().unwrap());
        for (code, text, stable) in [
            (-32000, "shared secret is not initialised", "node_without_secret"),
            (-32000, "rpc error: code = Unknown desc = backup encryption key is not configured", "backup_key_missing"),
            (-32000, "invalid backup encryption key format", "backup_key_format"),
            (-32000, "failed to parse public key invalid public key", "backup_key_invalid"),
            (-32000, "something new", "node_refused"),
            (METHOD_UNKNOWN, "the method x does not exist", "method_unknown"),
        ] {
            let error = node.said(Reply::Refused { code, text: text.to_owned() }).unwrap_err();
            assert_eq!(error.code(), stable, "{text}");
            assert!(CODES.contains(&stable), "{stable}");
        }
    }
}
