//! A gateway: a key for its documents, where that comes from, and its backup.
//!
//! At the start, in this order: no key with SQLite; the sealed file, if it opens on this machine, whatever the flag says;
//! else the flag: nothing is fatal, `new` invents a key, `hex:` imports one. Then the key is sealed.
//!
//! Documents are in a folder, as in Cosmos DB: `{"id":hex(HMAC-SHA256(key, user)),"data":base64(nonce || ct || tag)}`. They are
//! written and read at `/stand-in/documents/USER`, which upstream has not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segment, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use quorumkeep_curves::hash::sha256;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::upstream::{decrypt, encrypt, random, sealed};
use super::{Fatal, Flags, say};

type Key = Zeroizing<[u8; 32]>;

struct Gateway {
    key: Option<Key>,
    backup_key: String,
    documents: PathBuf,
}

/// Finds its key and gives what it serves.
pub fn router(flags: &Flags) -> Result<Router, Fatal> {
    let (source, backup_key) = (flags.get("encryptionKeySource", ""), flags.get("backupEncryptionKey", ""));
    if logs_information(flags.get("logLevel", "info")) {
        let config = json!({ "BackupEncryptionKey": backup_key, "EncryptionKeySource": source });
        say(&format!("INFO Starting gateway with config {config}"));
    }
    let (key, documents) = (key(flags, source)?, PathBuf::from(flags.get("cosmos", ".")));
    fs::create_dir_all(&documents)?;
    let gateway = Arc::new(Gateway { key, backup_key: backup_key.to_owned(), documents });
    let router = Router::new()
        .route("/admin/backup-encryption-key/", any(backup))
        .route("/stand-in/documents/{user}", get(read).post(write));
    Ok(router.with_state(gateway))
}

/// The levels of upstream's flag; what it does not know is `info`.
fn logs_information(level: &str) -> bool {
    !matches!(level, "critical" | "error" | "warn")
}

fn key(flags: &Flags, source: &str) -> Result<Option<Key>, Fatal> {
    if flags.get("dbType", "sqlite") == "sqlite" {
        return Ok(None);
    }
    let inside = flags.get("insideEnclave", "false") == "true";
    let file = Path::new(flags.get("data", ".")).join("encryption-key.json");
    // The key of sealing belongs to the machine, as that of SGX to the processor and the signer.
    let machine = Zeroizing::new(sha256(flags.get("machine", "machine-1").as_bytes()));
    if let Some(key) = inside.then(|| unsealed(&file, &machine)).flatten() {
        say("INFO unsealed existing encryption key");
        return Ok(Some(key));
    }
    let key = chosen(source)?;
    if inside {
        seal(&file, &machine, &key)?;
    }
    Ok(Some(key))
}

fn chosen(source: &str) -> Result<Key, Fatal> {
    match (source, source.strip_prefix("hex:")) {
        ("", _) => Err("no sealed encryption key found, and no encryption key source".into()),
        ("new", _) => Ok(Zeroizing::new(random())),
        (_, Some(digits)) => {
            let mut key = Zeroizing::new([0; 32]);
            hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), &mut *key)
                .map_err(|error| format!("invalid hex encryption key: {error}"))?;
            Ok(key)
        }
        (_, None) => Err("the stand-in exchanges no keys with other gateways".into()),
    }
}

fn unsealed(file: &Path, machine: &[u8; 32]) -> Option<Key> {
    let sealed: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let bytes = Zeroizing::new(decrypt(machine, &STANDARD.decode(sealed.get("sealed")?.as_str()?).ok()?)?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn seal(file: &Path, machine: &[u8; 32], key: &Key) -> Result<(), Fatal> {
    let sealed = encrypt(machine, key.as_slice()).ok_or("the key cannot be sealed")?;
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    if file.exists() {
        fs::copy(file, file.with_extension("json.backup"))?;
    }
    Ok(fs::write(file, json!({ "sealed": STANDARD.encode(sealed) }).to_string())?)
}

impl Gateway {
    fn backup(&self) -> Result<String, String> {
        if self.backup_key.is_empty() {
            return Err("backup encryption key not configured - set -backupEncryptionKey flag".to_owned());
        }
        let key = self.key.as_ref().ok_or("no encryption key available to backup")?;
        let digits = self.backup_key.strip_prefix("0x").unwrap_or(&self.backup_key);
        let bytes = hex::decode(digits).map_err(|error| format!("invalid backup public key format: {error}"))?;
        let point = if bytes.len() == 33 { k256::PublicKey::from_sec1_bytes(&bytes).ok() } else { None };
        let point = point.ok_or("invalid backup public key: invalid public key")?;
        Ok(sealed(&point, key))
    }

    fn id(&self, user: &str) -> Option<String> {
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(self.key.as_ref()?.as_slice()).ok()?;
        Some(hex::encode(mac.chain_update(user).finalize().into_bytes()))
    }

    fn write(&self, user: &str, text: &[u8]) -> Option<()> {
        let (id, data) = (self.id(user)?, encrypt(self.key.as_ref()?, text)?);
        let document = json!({ "id": id, "data": STANDARD.encode(data) }).to_string();
        fs::write(self.documents.join(format!("{id}.json")), document).ok()
    }

    fn read(&self, user: &str) -> Option<Vec<u8>> {
        let file = self.documents.join(format!("{}.json", self.id(user)?));
        let document: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        decrypt(self.key.as_ref()?, &STANDARD.decode(document.get("data")?.as_str()?).ok()?)
    }
}

/// Every method, and every answer under status 200.
async fn backup(State(gateway): State<Arc<Gateway>>) -> Response {
    let text = gateway.backup().unwrap_or_else(|error| error);
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text).into_response()
}

async fn read(State(gateway): State<Arc<Gateway>>, Segment(user): Segment<String>) -> Response {
    gateway.read(&user).map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn write(State(gateway): State<Arc<Gateway>>, Segment(user): Segment<String>, text: Bytes) -> StatusCode {
    gateway.write(&user, &text).map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::OK)
}
