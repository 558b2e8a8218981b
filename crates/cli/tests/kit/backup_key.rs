//! A backup key whose private half a test has, and what is derived from a secret.
#![allow(dead_code)]

use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{NonZeroScalar, PublicKey, SecretKey};
use quorumkeep_curves::hash::{keccak256, keccak256_many};
use quorumkeep_custody::ecies;
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::secret::RpcKey;

/// A key pair for backups.
pub struct BackupKey(SecretKey);

impl BackupKey {
    pub fn new(seed: u8) -> Self {
        Self(SecretKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn public(&self) -> String {
        hex::encode(self.0.public_key().to_encoded_point(true).as_bytes())
    }

    /// What is inside of a backup; none if it is for another key.
    pub fn open(&self, ciphertext: &Ciphertext) -> Option<[u8; 32]> {
        let scalar = NonZeroScalar::from(&self.0);
        ecies::open(&scalar, ciphertext.as_bytes()).ok().map(|secret| secret.as_slice().try_into().unwrap())
    }

    /// Makes a ciphertext for this key, as anybody can.
    pub fn seal(&self, secret: &[u8; 32]) -> Ciphertext {
        let public: PublicKey = self.0.public_key();
        Ciphertext::from_bytes(&ecies::seal(&public, secret, &mut rand_core::OsRng)).unwrap()
    }
}

/// The RPC key of a network secret (go-ten `go/enclave/crypto/rpc_key_service.go`).
pub fn rpc_key_of(secret: &[u8; 32]) -> RpcKey {
    let scalar = keccak256_many(&[&keccak256(secret), &[1]]);
    let key = SecretKey::from_slice(&scalar).unwrap().public_key().to_encoded_point(true);
    RpcKey::from_bytes(key.as_bytes()).unwrap()
}
