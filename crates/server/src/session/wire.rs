//! The JSON that nodes send and take.

use quorumkeep_dkg::ids::{Address, KeyId, NetworkId, VersionId};
use serde::{Deserialize, Serialize};

/// The answer to `GET /pubkey`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PubkeyAnswer {
    /// The network.
    pub network: NetworkId,
    /// The key.
    pub key: KeyId,
    /// The version.
    pub version: VersionId,
    /// `Output::encode`, hexadecimal.
    pub output: String,
    /// Who signs.
    pub node: Address,
    /// BN254 over `H(enc(tag, network, key, version id))`, hexadecimal.
    pub signature: String,
}

/// The body of `POST /app/sign`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignBody {
    /// The key.
    pub key: KeyId,
    /// The application.
    pub app: String,
    /// A version by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// For the policy `owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerBody>,
}

/// The owner's signature under a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OwnerBody {
    /// A one-time age X25519 recipient.
    pub recipient: String,
    /// 32 bytes, hexadecimal.
    pub nonce: String,
    /// Milliseconds since 1970.
    pub expires_ms: u64,
    /// Ed25519, 64 bytes, hexadecimal.
    pub signature: String,
}

/// A partial signature in the clear: the answer under the policy `public`, or what is sealed under `owner`.
#[derive(Deserialize)]
pub struct PartialAnswer {
    /// The version that it belongs to.
    pub version: VersionId,
    /// The node's index in that version.
    pub index: u16,
    /// The node.
    pub node: Address,
    /// 48 bytes, hexadecimal.
    pub partial: zeroize::Zeroizing<String>,
    /// BN254, 64 bytes, hexadecimal.
    pub signature: String,
}

/// The answer under the policy `owner`.
#[derive(Debug, Clone, Deserialize)]
pub struct SealedAnswer {
    /// The version.
    pub version: VersionId,
    /// The node.
    pub node: Address,
    /// An age file to the request's recipient, base64.
    pub sealed: String,
}

/// The body of `POST /app/register`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisterBody {
    /// The key.
    pub key: KeyId,
    /// `App::encode`, hexadecimal.
    pub app: String,
}

/// The answer to `POST /app/register`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisterAnswer {
    /// The id of the record, hexadecimal.
    pub record: String,
}
