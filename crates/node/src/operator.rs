//! Who this node is.

use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::Address;

/// The operator that runs this node: a BN254 key and the address that is its hash.
pub struct Operator {
    address: Address,
    key: bn254::SecretKey,
}

impl Operator {
    /// The operator with this key.
    #[must_use]
    pub fn new(key: bn254::SecretKey) -> Self {
        Self { address: Address::of(&key.public()), key }
    }

    /// A second holder of the same key: two nodes of one process, or the same node started again.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { address: self.address, key: self.key.copy() }
    }

    /// The last 20 bytes of the hash of the key.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The signing key.
    #[must_use]
    pub fn key(&self) -> &bn254::SecretKey {
        &self.key
    }
}
