//! A node: an enclave with its database, and the host's JSON-RPC over HTTP and WebSocket.
//!
//! At the start, in this order: the secret of the database; else the configured one, which is not stored; else, on the
//! genesis sequencer, a new one, which is; else none.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use quorumkeep_curves::hash::{keccak256, keccak256_many};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::upstream::{decrypt, encrypt, hex_fixed, hex_without_error, random, sealed};
use super::{Fatal, Flags, say};

/// RLP of a string of 32 bytes: this, then the bytes.
const RLP_32: u8 = 0xa0;
/// What the host gives to a client as an error without a code of its own.
const SERVER_ERROR: i64 = -32000;
const METHOD_UNKNOWN: i64 = -32601;
const INVALID_REQUEST: i64 = -32600;
/// What every rollup of the stand-in says.
const ROLLUP: &[u8] = b"rollup";

/// An enclave after its start.
struct Enclave {
    secret: Option<Zeroizing<[u8; 32]>>,
    backup_key: String,
    /// Could what the network published before be read?
    healthy: bool,
}

/// Starts the enclave and gives what the host serves.
pub fn router(flags: &Flags) -> Result<Router, Fatal> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let (configured, backup_key) = (variable("ENCLAVE_SHAREDSECRET"), variable("ENCLAVE_BACKUPENCRYPTIONKEY"));
    if variable("ENCLAVE_LOG_LEVEL").parse().unwrap_or(1) >= 3 {
        let config = json!({ "BackupEncryptionKey": backup_key, "SharedSecret": configured });
        say(&format!("INFO Creating enclave service with following config cfg={config}"));
    }
    let database = Path::new(flags.get("db", ".")).join("master_seed");
    let secret = secret(&database, &configured, flags.get("genesis", "false") == "true")?;
    let healthy = secret.as_ref().map_or(Ok(false), |secret| published(flags.get("da", ""), secret))?;
    let enclave = Arc::new(Enclave { secret, backup_key, healthy });
    Ok(Router::new().route("/", get(socket).post(http)).with_state(enclave))
}

fn secret(database: &Path, configured: &str, genesis: bool) -> Result<Option<Zeroizing<[u8; 32]>>, Fatal> {
    if database.exists() {
        let stored = Zeroizing::new(fs::read(database)?);
        let stored = stored.split_first().filter(|(tag, _)| **tag == RLP_32).map(|(_, bytes)| bytes);
        let bytes: [u8; 32] =
            stored.and_then(|bytes| bytes.try_into().ok()).ok_or("MASTER_SEED is no RLP of 32 bytes")?;
        return Ok(Some(Zeroizing::new(bytes)));
    }
    if !configured.is_empty() {
        say("INFO Started node with configured shared secret");
        return Ok(Some(Zeroizing::new(hex_fixed(configured))));
    }
    if !genesis {
        return Ok(None);
    }
    let new = Zeroizing::new(random());
    fs::create_dir_all(database.parent().unwrap_or(Path::new(".")))?;
    fs::write(database, Zeroizing::new([[RLP_32].as_slice(), &*new].concat()))?;
    Ok(Some(new))
}

/// Reads what the network published on L1, or publishes the first of it.
fn published(file: &str, secret: &[u8; 32]) -> Result<bool, Fatal> {
    let key = Zeroizing::new(extended(secret, 0));
    if file.is_empty() {
        return Ok(true);
    }
    if Path::new(file).exists() {
        return Ok(decrypt(&key, &fs::read(file)?).as_deref() == Some(ROLLUP));
    }
    fs::write(file, encrypt(&key, ROLLUP).ok_or("the rollup cannot be encrypted")?)?;
    Ok(true)
}

/// keccak256(keccak256(secret) || purpose).
fn extended(secret: &[u8; 32], purpose: u8) -> [u8; 32] {
    keccak256_many(&[&keccak256(secret), &[purpose]])
}

impl Enclave {
    fn backup(&self) -> Result<Value, String> {
        let secret = self.secret.as_ref().ok_or("shared secret is not initialised")?;
        if self.backup_key.is_empty() {
            return Err("backup encryption key is not configured".to_owned());
        }
        let key = hex_without_error(&self.backup_key);
        if key.is_empty() {
            return Err("invalid backup encryption key format".to_owned());
        }
        let compressed = if key.len() == 33 { k256::PublicKey::from_sec1_bytes(&key).ok() } else { None };
        let key = compressed.ok_or("failed to parse public key invalid public key")?;
        Ok(json!(sealed(&key, secret)))
    }

    fn rpc_key(&self) -> Result<Value, String> {
        let secret = self.secret.as_ref().ok_or("rpc key is not initialised")?;
        let scalar = Zeroizing::new(extended(secret, 1));
        let key = k256::SecretKey::from_slice(&*scalar).map_err(|error| error.to_string())?;
        Ok(json!(STANDARD.encode(key.public_key().to_encoded_point(true).as_bytes())))
    }

    fn answer(&self, request: &[u8]) -> Value {
        let Ok(request) = serde_json::from_slice::<Value>(request) else {
            return reply(&Value::Null, Err((INVALID_REQUEST, "invalid request".to_owned())));
        };
        let id = request.get("id").cloned().unwrap_or(Value::Null);
        let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
        let plain = |result: Result<Value, String>| result.map_err(|text| (SERVER_ERROR, text));
        let result = match method {
            "ten_backupSharedSecret" => plain(self.backup()),
            "ten_rpcKey" => plain(self.rpc_key()),
            "ten_health" => Ok(json!({ "Errors": [], "OverallHealth": self.healthy })),
            _ => Err((METHOD_UNKNOWN, format!("the method {method} does not exist/is not available"))),
        };
        reply(&id, result)
    }
}

fn reply(id: &Value, result: Result<Value, (i64, String)>) -> Value {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    }
}

async fn http(State(enclave): State<Arc<Enclave>>, request: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], enclave.answer(&request).to_string()).into_response()
}

async fn socket(State(enclave): State<Arc<Enclave>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| talk(enclave, socket))
}

async fn talk(enclave: Arc<Enclave>, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(request) = message else { continue };
        let answer = enclave.answer(request.as_str().as_bytes()).to_string();
        if socket.send(Message::text(answer)).await.is_err() {
            return;
        }
    }
}
