//! How commands reach nodes and gateways, and keys as people write them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use quorumkeep_ten::check::{self, Code as Found, Reader};
use quorumkeep_ten::source::{Client, Limits, POINT_BYTES, Trust};

use crate::failure::Result;

/// Whom to trust and how long to wait.
#[derive(Args)]
pub struct Reach {
    /// Root certificates in PEM for https:// and wss:// [default: SSL_CERT_FILE, or those of the system].
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Seconds for one request with its answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

impl Reach {
    /// The client.
    pub fn client(&self) -> Result<Client> {
        let trust = self.roots.as_deref().map(Trust::file).map_or_else(Trust::system, |trust| trust.map(Some))?;
        let (whole, limits) = (Duration::from_secs(self.timeout), Limits::default());
        let (connect, headers) = (limits.connect.min(whole), limits.headers.min(whole));
        Ok(Client::new(trust, Limits { whole, connect, headers, ..limits }))
    }
}

/// A compressed public key: 66 hexadecimal digits, with `0x` or without, or base64 as `ten_rpcKey` gives it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Point(pub [u8; POINT_BYTES]);

impl FromStr for Point {
    type Err = &'static str;

    fn from_str(text: &str) -> core::result::Result<Self, &'static str> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes = hex::decode(digits).or_else(|_| STANDARD.decode(text)).ok();
        let bytes: Option<[u8; POINT_BYTES]> = bytes.and_then(|bytes| bytes.try_into().ok());
        // A key that is as expected by itself is a point.
        let is_point = |key: &[u8; POINT_BYTES]| {
            check::configured_key("", Reader::Node, Some(&hex::encode(key)), key).code == Found::KeyExpected
        };
        let key =
            bytes.filter(is_point).ok_or("expected a compressed public key of secp256k1: 66 hexadecimal digits")?;
        Ok(Self(key))
    }
}

impl<'de> serde::Deserialize<'de> for Point {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_each_of_its_forms() {
        let digits = "038719f7d414600b403c642b8dd8b38317bd912798d8618c89d702a05965545f88";
        let forms =
            [digits.to_owned(), format!("0x{digits}"), "A4cZ99QUYAtAPGQrjdizgxe9kSeY2GGMidcCoFllVF+I".to_owned()];
        for form in forms {
            assert!(form.parse::<Point>().is_ok_and(|point| point.0 == check::RPC_KEY_OF_ZERO), "{form}");
        }
        for bad in ["", "03", &digits[2..], &"05".repeat(33), "0x"] {
            assert!(bad.parse::<Point>().is_err(), "{bad}");
        }
    }
}
