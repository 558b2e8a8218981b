//! Records on the board: decoded, with the signature of a known operator, remembered by hash.

use quorumkeep_curves::bn254;
use quorumkeep_curves::hash::keccak256;

use crate::deal;
use crate::envelope::{Envelope, Kind, record_id, signing_hash};
use crate::ids::Digest;
use crate::memory::Memory;

/// A record whose sender signed it. Made by [`verify`] only.
#[derive(Debug, Clone)]
pub struct SignedRecord {
    id: Digest,
    envelope: Envelope,
}

impl SignedRecord {
    /// `H(bytes)`.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Header and body.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

/// Did this key sign the envelope as its sender?
#[must_use]
pub fn is_signed_by(envelope: &Envelope, key: &bn254::PublicKey) -> bool {
    let [(address, signature)] = envelope.signatures.as_slice() else { return false };
    let Some(body_hash) = body_hash(envelope) else { return false };
    address.0 == key.address() && key.verify(&signing_hash(&envelope.header, &body_hash).0, signature)
}

/// What stands for `H(body)` in the payload of this kind.
#[must_use]
pub fn body_hash(envelope: &Envelope) -> Option<Digest> {
    match envelope.header.kind {
        Kind::Deal => deal::body_hash(&envelope.body).ok(),
        _ => Some(Digest(keccak256(&envelope.body))),
    }
}

/// The record in `bytes` if `key_of` knows its sender and he signed it.
pub fn verify<'k>(
    bytes: &[u8],
    envelope: Envelope,
    memory: &Memory,
    key_of: impl FnOnce(&crate::ids::Address) -> Option<&'k bn254::PublicKey>,
) -> Option<SignedRecord> {
    verify_known(record_id(bytes), envelope, memory, key_of)
}

/// [`verify`] of the record with this id.
///
/// # Security
/// The envelope is the one in the bytes that `id` is the hash of.
pub(crate) fn verify_known<'k>(
    id: Digest,
    envelope: Envelope,
    memory: &Memory,
    key_of: impl FnOnce(&crate::ids::Address) -> Option<&'k bn254::PublicKey>,
) -> Option<SignedRecord> {
    is_signed(id, &envelope, memory, key_of).then_some(SignedRecord { id, envelope })
}

/// Does `key_of` know the sender of the record with this id, and did he sign it?
pub fn is_signed<'k>(
    id: Digest,
    envelope: &Envelope,
    memory: &Memory,
    key_of: impl FnOnce(&crate::ids::Address) -> Option<&'k bn254::PublicKey>,
) -> bool {
    // The address is the hash of the key, so the bytes alone decide.
    key_of(&envelope.header.sender).is_some_and(|key| memory.holds(id, Digest::ZERO, || is_signed_by(envelope, key)))
}
