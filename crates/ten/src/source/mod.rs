//! Where ciphertexts come from: nodes over JSON-RPC, gateways over HTTP.
//!
//! ```text
//! endpoint  http://HOST[:PORT]/PATH, https://, ws://, wss://
//! http      connect (TLS 1.3) -> headers -> body, each with its time, the body with its bound
//! ws        the same stream, upgraded
//! rpc       ten_backupSharedSecret, ten_rpcKey                         over http or ws
//! gateway   /admin/backup-encryption-key/                              over http
//! ```
//!
//! # Security
//!
//! Neither a node nor a gateway of TEN shows who it is: `http://` and `ws://` are what upstream serves, and a ciphertext does
//! not say who made it. Whoever sits between can serve a ciphertext of a secret of his own. What comes from here is
//! believed only after [`crate::check`] compared it with a value that was pinned elsewhere. Redirects are never followed.
//!
//! # Source
//!
//! go-ten `go/host/rpc/clientapi/client_api_ten.go`, `go/enclave/enclave_admin_service.go`,
//! `tools/walletextension/httpapi/routes.go`.

mod endpoint;
mod error;
pub mod gateway;
pub mod http;
pub mod rpc;
mod trust;
mod ws;

pub use endpoint::{Endpoint, Scheme};
pub use error::{CODES, Error, printable};
pub use gateway::Gateway;
pub use http::{Client, Limits};
pub use rpc::Node;
pub use trust::{Trust, TrustError};

/// Bytes of the ECIES ciphertext of 32 bytes.
pub const CIPHERTEXT_BYTES: usize = 145;
/// Bytes of a compressed point of secp256k1.
pub const POINT_BYTES: usize = 33;

/// `^0x[0-9a-f]{290}$`, an uncompressed point in front (`04`): what nodes and gateways write, and nothing else.
fn ciphertext(text: &str) -> Option<[u8; CIPHERTEXT_BYTES]> {
    let digits = text.strip_prefix("0x")?;
    if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; CIPHERTEXT_BYTES];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    (bytes.first() == Some(&4)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ciphertext_is_written_in_one_way() {
        let good = format!("0x04{}", "a1".repeat(144));
        assert_eq!(ciphertext(&good).map(|bytes| (bytes[0], bytes[144])), Some((4, 0xa1)));
        let bad = [
            good[2..].to_owned(),
            good.to_uppercase(),
            good.replace('a', "A"),
            good.replacen("04", "02", 1),
            format!("{good}\n"),
            format!(" {good}"),
            format!("{good}00"),
            good[..290].to_owned(),
            good[..291].to_owned(),
            good.replacen("a1", "g1", 1),
            format!("0x{good}"),
            String::new(),
            "0x".to_owned(),
        ];
        bad.iter().for_each(|text| assert!(ciphertext(text).is_none(), "{text:?}"));
    }
}
