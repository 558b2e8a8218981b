//! A gateway of TEN: `/admin/backup-encryption-key/`.
//!
//! Success and every error are plain text under status 200, so only the text says which it is: `0x04` and 288 lower-case
//! hexadecimal digits are a ciphertext, and all else is none.
//!
//! # Source
//!
//! go-ten `tools/walletextension/httpapi/routes.go` (`backupEncryptionKeyRequestHandler`).

use super::{Client, Endpoint, Error, printable};
use crate::ciphertext::Ciphertext;

/// The path; upstream serves it with the slash at the end only.
const PATH: &str = "/admin/backup-encryption-key/";

/// Why a gateway has no backup to give. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It runs without `-backupEncryptionKey`.
    #[error("no backup key is configured (-backupEncryptionKey)")]
    NoBackupKey,
    /// It has no key for its database: with `-dbType=sqlite` there is none.
    #[error("it has no key to back up (no encryption key available to backup)")]
    NoKey,
    /// `-backupEncryptionKey` is no hexadecimal.
    #[error("the configured backup key is not hexadecimal (-backupEncryptionKey)")]
    BackupKeyFormat,
    /// It is no compressed point.
    #[error("the configured backup key is no point of secp256k1 (-backupEncryptionKey)")]
    BackupKeyPoint,
    /// Encrypting failed.
    #[error("it could not encrypt its key")]
    Encrypt,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl Refusal {
    /// The stable text.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoBackupKey => "backup_key_missing",
            Self::NoKey => "gateway_without_key",
            Self::BackupKeyFormat => "backup_key_format",
            Self::BackupKeyPoint => "backup_key_invalid",
            Self::Encrypt => "gateway_encrypt_failed",
            Self::Other(_) => "gateway_refused",
        }
    }

    fn of(text: &str) -> Self {
        let says = |part: &str| text.contains(part);
        match () {
            () if says("backup encryption key not configured") => Self::NoBackupKey,
            () if says("no encryption key available to backup") => Self::NoKey,
            () if says("invalid backup public key format") => Self::BackupKeyFormat,
            () if says("invalid backup public key") => Self::BackupKeyPoint,
            () if says("failed to encrypt backup key") => Self::Encrypt,
            () if text.trim().is_empty() => Self::Other("(nothing)".to_owned()),
            () => Self::Other(printable(text.as_bytes())),
        }
    }
}

/// A gateway.
#[derive(Clone)]
pub struct Gateway {
    client: Client,
    at: Endpoint,
}

impl Gateway {
    /// The gateway at `http://HOST[:PORT]` or `https://`. A path in the URL is one under which it is served.
    ///
    /// # Errors
    /// [`Error::Url`] for a WebSocket or a URL with a query.
    pub fn new(client: Client, at: &Endpoint) -> Result<Self, Error> {
        let fail = |why| Error::Url { url: at.to_string(), why };
        if at.scheme().is_socket() {
            return Err(fail("a gateway gives its backup over http:// and https:// only"));
        }
        if at.path().contains('?') {
            return Err(fail("the URL of a gateway has no query"));
        }
        let base = at.path().trim_end_matches('/');
        let path = if at.path().ends_with(PATH) { at.path().to_owned() } else { format!("{base}{PATH}") };
        Ok(Self { client, at: at.with_path(&path) })
    }

    /// Where it is asked.
    #[must_use]
    pub const fn at(&self) -> &Endpoint {
        &self.at
    }

    /// The key of its database, encrypted to the backup key that it is configured with: the ECIES of go-ethereum.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Gateway`] for what it says under status 200.
    pub async fn backup_encryption_key(&self) -> Result<Ciphertext, Error> {
        let answer = self.client.get(&self.at).await?;
        let text = String::from_utf8_lossy(&answer);
        Ciphertext::from_answer(&text).map_err(|_| self.refused(&text))
    }

    fn refused(&self, text: &str) -> Error {
        if text.starts_with("0x") || text.trim_start().starts_with(['<', '{']) {
            let text = format!("{} bytes that are no ciphertext: {}", text.len(), printable(text.as_bytes()));
            return Error::Malformed { at: self.at.to_string(), expected: "a gateway of TEN", text };
        }
        Error::Gateway { at: self.at.to_string(), refusal: Refusal::of(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{CODES, Limits};

    fn gateway(url: &str) -> Result<Gateway, Error> {
        Gateway::new(Client::new(None, Limits::default()), &url.parse().unwrap())
    }

    #[test]
    fn the_path_is_added_once() {
        for (url, asked) in [
            ("http://a.example", "http://a.example/admin/backup-encryption-key/"),
            ("https://a.example/gw/", "https://a.example/gw/admin/backup-encryption-key/"),
            ("http://a.example/admin/backup-encryption-key/", "http://a.example/admin/backup-encryption-key/"),
        ] {
            assert_eq!(gateway(url).unwrap().at().to_string(), asked);
        }
        assert!(gateway("ws://a.example").is_err() && gateway("http://a.example/?x").is_err());
    }

    #[test]
    fn upstream_texts_have_stable_codes() {
        let gateway = gateway("http://a.example").unwrap();
        for (text, code) in [
            ("backup encryption key not configured - set -backupEncryptionKey flag", "backup_key_missing"),
            ("no encryption key available to backup", "gateway_without_key"),
            ("invalid backup public key format: encoding/hex: odd length hex string", "backup_key_format"),
            ("invalid backup public key: invalid public key", "backup_key_invalid"),
            ("failed to encrypt backup key: x", "gateway_encrypt_failed"),
            ("", "gateway_refused"),
            ("hello", "gateway_refused"),
            ("0x04", "answer_malformed"),
            ("<!doctype html>", "answer_malformed"),
        ] {
            assert_eq!(gateway.refused(text).code(), code, "{text}");
            assert!(CODES.contains(&code), "{code}");
        }
    }
}
