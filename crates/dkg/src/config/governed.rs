//! Records that operators sign together.

use quorumkeep_curves::bn254;

use super::{Config, ConfigError};
use crate::envelope::{Envelope, Header, Kind, signing_hash};
use crate::ids::{Address, Digest, KeyId, NetworkId};

/// The header of a governed record.
#[must_use]
pub fn governed_header(network: NetworkId, key: KeyId, kind: Kind) -> Header {
    Header { network, key, round: 0, digest: Digest::ZERO, kind, sender: Address::ZERO, recipient: Address::ZERO }
}

/// Adds one operator's signature to a governed record; a second one by the same operator changes nothing.
pub fn sign_governed(envelope: &mut Envelope, key: &bn254::SecretKey) {
    let hash = signing_hash(&envelope.header, &Digest(quorumkeep_curves::hash::keccak256(&envelope.body)));
    let address = Address::of(&key.public());
    if let Err(place) = envelope.signatures.binary_search_by_key(&address, |(signer, _)| *signer) {
        envelope.signatures.insert(place, (address, key.sign(&hash.0)));
    }
}

/// Do at least `t` distinct members of `config` sign this governed record?
///
/// # Errors
/// [`ConfigError::Signatures`].
pub fn check_governed(envelope: &Envelope, config: &Config) -> Result<(), ConfigError> {
    let hash = envelope.plain_hash();
    let good = |(address, signature): &&(Address, bn254::Signature)| {
        config.member(address).is_some_and(|member| member.key.verify(&hash.0, signature))
    };
    let found = envelope.signatures.iter().filter(good).count();
    let needed = usize::from(config.threshold.get());
    if found >= needed { Ok(()) } else { Err(ConfigError::Signatures { found, needed }) }
}
