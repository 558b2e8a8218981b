//! Tests of the crate: a group of nodes in memory, and vectors from outside.

mod drand;
mod eigenx;
mod fo;
mod golden;
mod identity;
mod recover;

#[cfg(feature = "age")]
mod agefile;

use std::path::PathBuf;

use quorumkeep_curves::bls::{G1, G2};
use quorumkeep_sharing::{Index, Polynomial, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::{AppId, AppIdentity, AppKey, PartialSignature, sign_partial};

/// `n` nodes with shares of one key.
pub(crate) struct Nodes {
    pub(crate) threshold: Threshold,
    pub(crate) group_key: G2,
    pub(crate) public_shares: Vec<(Index, G2)>,
    polynomial: Polynomial,
}

impl Nodes {
    pub(crate) fn new(threshold: u16, n: u16, seed: u64) -> Nodes {
        let threshold = Threshold::new(threshold, n).unwrap();
        let polynomial = Polynomial::random(threshold, &mut rng(seed));
        let commitment = polynomial.commit();
        let public_shares = (1..=n).map(|j| (index(j), commitment.evaluate(index(j)))).collect();
        Nodes { threshold, group_key: *commitment.constant(), public_shares, polynomial }
    }

    /// The partial of one node, with its index.
    pub(crate) fn partial(&self, j: u16, q: &G1) -> (Index, PartialSignature) {
        (index(j), sign_partial(&self.polynomial.evaluate(index(j)), q))
    }

    pub(crate) fn partials(&self, indices: &[u16], q: &G1) -> Vec<(Index, PartialSignature)> {
        indices.iter().map(|j| self.partial(*j, q)).collect()
    }

    pub(crate) fn app_key(&self, q: &G1) -> AppKey {
        AppKey::from_bytes(&sign_partial(self.polynomial.constant(), q).expose()).unwrap()
    }
}

pub(crate) fn index(j: u16) -> Index {
    Index::new(j).unwrap()
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn app(name: &str, epoch: u64) -> AppIdentity {
    AppIdentity { network: [1; 32], key_id: [2; 32], app_id: AppId::parse(name).unwrap(), epoch }
}

/// A vector file; `None`, with the reason printed, when it is absent and not required.
pub(crate) fn vectors(path: &str) -> Option<serde_json::Value> {
    let root = std::env::var_os("QUORUMKEEP_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")), PathBuf::from);
    match std::fs::read(root.join(path)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            let required = std::env::var("QUORUMKEEP_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
            assert!(!required, "vectors are required: {path}: {error}");
            eprintln!("skipped: no vectors at {}: {error}", root.join(path).display());
            None
        }
    }
}

/// The hexadecimal text of a field as exactly `N` bytes.
pub(crate) fn hex_field<const N: usize>(value: &serde_json::Value, name: &str) -> Option<[u8; N]> {
    hex::decode(value[name].as_str()?).ok()?.try_into().ok()
}
