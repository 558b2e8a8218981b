//! What is inside of a backup: 32 bytes, never all zero, and how the right ones are recognised.
//!
//! ```text
//! H        = keccak256(secret)
//! RPC key  = keccak256(H || 0x01)      a private key of secp256k1; `ten_rpcKey` returns its public half in base64
//! data key = keccak256(H || 0x00)      AES-256-GCM of what is published on L1
//! ```
//!
//! # Security
//!
//! A node whose configured secret cannot be read as hexadecimal starts with 32 zero bytes and says nothing; its RPC key is
//! [`RpcKey::OF_ZERO`]. Nothing here makes such a secret.
//!
//! # Source
//!
//! go-ten `go/enclave/crypto/{shared_secret_service,da_enc_service,rpc_key_service}.go`,
//! `tools/walletextension/encryption/encryption.go`.

use std::fmt;
use std::str::FromStr;

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use quorumkeep_curves::hash::{keccak256, keccak256_many};
use quorumkeep_custody::bytes::Hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::key::{BackupKey, BackupPublicKey};

/// Bytes of a network secret and of a gateway's key.
pub const SECRET_BYTES: usize = 32;
/// The random bytes in front of a document of a gateway.
const NONCE: usize = 12;

/// 32 bytes that cannot be such a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    /// Another number of bytes. Upstream would cut or fill them up without a word.
    #[error("the secret has {0} bytes instead of {SECRET_BYTES}")]
    Length(usize),
    /// All zeros: what a node that could not read its configuration runs on.
    #[error("the secret is all zeros, as in a node that could not read its configuration")]
    Zero,
}

/// 32 bytes that were opened; not yet recognised as anybody's. Wiped when dropped.
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    /// What a ciphertext held.
    ///
    /// # Errors
    /// [`NotASecret`].
    pub fn new(bytes: &[u8]) -> Result<Self, NotASecret> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if bytes.len() != SECRET_BYTES {
            return Err(NotASecret::Length(bytes.len()));
        }
        secret.copy_from_slice(bytes);
        if bool::from(secret.ct_eq(&[0; SECRET_BYTES])) { Err(NotASecret::Zero) } else { Ok(Self(secret)) }
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// 64 hex digits in lower case.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }

    /// Is it the same? In constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

/// The secret that all nodes of a network share.
pub struct NetworkSecret(Secret);

impl NetworkSecret {
    /// Of the bytes in the backup of a network.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The bytes.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    /// The public key with which clients encrypt to the network, by which the secret is recognised. None for one secret in 2^128.
    #[must_use]
    pub fn rpc_key(&self) -> Option<RpcKey> {
        let key = BackupKey::from_bytes(&self.derive(1)).ok()?;
        Some(RpcKey(*key.public().as_bytes()))
    }

    /// The key of what the network publishes on L1: AES-256-GCM.
    #[must_use]
    pub fn data_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(0)
    }

    fn derive(&self, purpose: u8) -> Zeroizing<[u8; 32]> {
        let hash = Zeroizing::new(keccak256(self.0.expose()));
        Zeroizing::new(keccak256_many(&[&*hash, &[purpose]]))
    }
}

/// The key with which a gateway encrypts its documents.
pub struct GatewayKey(Secret);

impl GatewayKey {
    /// Of the bytes in the backup of a gateway.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The bytes.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    /// The id under which a gateway with this key stores a user: `HMAC-SHA256(key, user)`.
    #[must_use]
    pub fn document_id(&self, user: &[u8]) -> Hex<32> {
        // A key of any length is a key of HMAC.
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(self.0.expose());
        Hex(mac.map_or([0; 32], |mac| mac.chain_update(user).finalize().into_bytes().into()))
    }

    /// Opens a document as it is stored, in base64: `nonce (12) || ciphertext || tag (16)`. None if it is of another key.
    #[must_use]
    pub fn open_document(&self, data: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(data).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let cipher = Aes256Gcm::new(self.0.expose().into());
        cipher.decrypt(Nonce::from_slice(nonce), sealed).map(Zeroizing::new).ok()
    }
}

/// The RPC key of a network: a compressed point of secp256k1. Public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RpcKey([u8; 33]);

/// Text that is no [`RpcKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a compressed point of secp256k1, in base64 as ten_rpcKey returns it, or in hexadecimal")]
pub struct NotAnRpcKey;

impl RpcKey {
    /// The key of 32 zero bytes: whoever shows it runs on no secret at all.
    pub const OF_ZERO: Self = Self([
        0x03, 0x87, 0x19, 0xf7, 0xd4, 0x14, 0x60, 0x0b, 0x40, 0x3c, 0x64, 0x2b, 0x8d, 0xd8, 0xb3, 0x83, 0x17, 0xbd,
        0x91, 0x27, 0x98, 0xd8, 0x61, 0x8c, 0x89, 0xd7, 0x02, 0xa0, 0x59, 0x65, 0x54, 0x5f, 0x88,
    ]);

    /// A compressed point of the curve.
    ///
    /// # Errors
    /// [`NotAnRpcKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAnRpcKey> {
        let bytes: &[u8; 33] = bytes.try_into().map_err(|_| NotAnRpcKey)?;
        BackupPublicKey::from_bytes(bytes).map(|key| Self(*key.as_bytes())).map_err(|_| NotAnRpcKey)
    }

    /// Is it the key of the all-zero secret?
    #[must_use]
    pub fn is_of_zero(&self) -> bool {
        *self == Self::OF_ZERO
    }
}

/// As `ten_rpcKey` returns it: base64 with padding.
impl fmt::Display for RpcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for RpcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RpcKey {
    type Err = NotAnRpcKey;

    fn from_str(text: &str) -> Result<Self, NotAnRpcKey> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes = hex::decode(digits).ok().or_else(|| STANDARD.decode(text).ok()).ok_or(NotAnRpcKey)?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for RpcKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RpcKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{bytes, load, text};

    #[test]
    fn what_is_derived_from_a_secret() {
        let Some(vectors) = load("ten/ten_derived_vectors.json") else { return };
        let mut zeros = 0;
        for vector in vectors["vectors"].as_array().unwrap() {
            let key: RpcKey = text(&vector["ten_rpcKey_json"]).parse().unwrap();
            assert_eq!(text(&vector["rpc_pubkey_compressed"]).parse(), Ok(key));
            let secret = bytes(&vector["shared_secret"]);
            if secret == [0; 32] {
                zeros += 1;
                assert_eq!(key, RpcKey::OF_ZERO);
                assert_eq!(Secret::new(&secret).err(), Some(NotASecret::Zero));
                continue;
            }
            let secret = NetworkSecret::new(Secret::new(&secret).unwrap());
            assert_eq!(hex::encode(*secret.data_key()), text(&vector["da_aes256_key"]));
            assert_eq!(hex::encode(*secret.derive(1)), text(&vector["rpc_privkey"]));
            assert_eq!(secret.rpc_key(), Some(key));
            assert!(!key.is_of_zero());
            assert_eq!(serde_json::to_value(key).unwrap(), vector["ten_rpcKey_json"]);
        }
        assert_eq!(zeros, 1);
    }

    #[test]
    fn only_32_bytes_that_are_not_all_zero_are_a_secret() {
        for length in [0, 31, 33, 64] {
            assert_eq!(Secret::new(&vec![1; length]).err(), Some(NotASecret::Length(length)));
        }
        let (one, two) = (Secret::new(&[1; 32]).unwrap(), Secret::new(&[2; 32]).unwrap());
        assert!(one.is(&one) && !one.is(&two));
        assert_eq!(*one.to_hex(), "01".repeat(32));
    }

    #[test]
    fn a_document_of_a_gateway_opens_with_its_key_only() {
        let (key, other) = ([1; 32], GatewayKey::new(Secret::new(&[2; 32]).unwrap()));
        let cipher = Aes256Gcm::new((&key).into());
        let sealed = cipher.encrypt(Nonce::from_slice(&[9; 12]), b"a user".as_slice()).unwrap();
        let data = STANDARD.encode([&[9; 12], sealed.as_slice()].concat());
        let key = GatewayKey::new(Secret::new(&key).unwrap());
        assert_eq!(**key.open_document(&data).unwrap(), *b"a user");
        assert!(other.open_document(&data).is_none());
        assert!(key.open_document(&data[4..]).is_none() && key.open_document("").is_none());
        assert_ne!(key.document_id(b"user"), other.document_id(b"user"));
    }
}
