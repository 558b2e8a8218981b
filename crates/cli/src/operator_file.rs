//! `operator.json`: the public part of an operator, which it hands to whoever drafts a configuration.

use std::path::Path;

use quorumkeep_curves::bn254;
use quorumkeep_dkg::config::{Member, is_socket};
use quorumkeep_dkg::ids::Address;
use quorumkeep_server::files::read_bounded;
use quorumkeep_sharing::Index;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure, Result, json_error};

/// The file in the operator's directory.
pub const FILE: &str = "operator.json";
const BYTES_MAX: u64 = 16 * 1024;

/// What others need to know of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorFile {
    /// The address, which is the hash of the key.
    pub address: Address,
    /// BN254 in G1 and G2, 192 bytes in hexadecimal.
    pub key: String,
    /// Proof of possession over address and both keys, 64 bytes in hexadecimal.
    pub possession: String,
    /// `host:port` of the node.
    pub socket: String,
}

impl OperatorFile {
    /// The public part of this key.
    pub fn new(key: &bn254::SecretKey, socket: &str) -> Result<Self> {
        check_socket(socket)?;
        let public = key.public();
        let address = Address::of(&public);
        Ok(Self {
            address,
            key: hex::encode(public.to_bytes()),
            possession: hex::encode(key.prove_possession(&address.0).to_bytes()),
            socket: socket.to_owned(),
        })
    }

    /// Reads a file; every field is checked.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, BYTES_MAX)?;
        let file: Self =
            serde_json::from_slice(&bytes).map_err(|error| json_error(&path.display().to_string(), &error))?;
        // The index is not part of the file; any will do to check the rest.
        file.member(Index::new(1).ok_or_else(|| bad("index"))?).map_err(|error| error.about(path.display()))?;
        Ok(file)
    }

    /// JSON, one newline at the end.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::new(Code::Failed, error))?;
        Ok(text + "\n")
    }

    /// The member of a roster with this index.
    pub fn member(&self, index: Index) -> Result<Member> {
        check_socket(&self.socket)?;
        let key = from_hex::<192>(&self.key).and_then(|bytes| bn254::PublicKey::from_bytes(&bytes).ok());
        let key = key.ok_or_else(|| bad("the key is not a BN254 key"))?;
        let possession = from_hex::<64>(&self.possession).and_then(|bytes| bn254::Signature::from_bytes(&bytes).ok());
        let possession = possession.ok_or_else(|| bad("the proof of possession is malformed"))?;
        if Address::of(&key) != self.address {
            return Err(bad("the address does not belong to the key"));
        }
        if !key.verify_possession(&self.address.0, &possession) {
            return Err(bad("the proof of possession is wrong"));
        }
        Ok(Member { index, address: self.address, key, possession, socket: self.socket.clone() })
    }
}

fn bad(what: &str) -> Failure {
    Failure::new(Code::BadOperator, what)
}

/// `host:port`, or a usage error.
pub fn check_socket(socket: &str) -> Result<()> {
    if is_socket(socket) {
        return Ok(());
    }
    Err(Failure::usage(format!("\"{socket}\" is not of the form host:port")))
}

/// Exactly `N` bytes of hexadecimal.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()?.try_into().ok()
}
