//! What is inside an envelope: a share that says which one it is.
//!
//! ```text
//! "QKSH" || 1 || binding (32) || generation (4) || index (1) || share || SHA-256(everything before) (32)
//! ```
//!
//! `binding` is the hash of set, generation, index and guardian ([`Place::hash`]), so that an envelope of another set,
//! generation or guardian is named as such when it is opened. The checksum tells a share that was copied wrong from one that
//! was made wrong; whether it is the right share, the commitment in the manifest says.

use quorumkeep_curves::tags;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::bytes::Hash;
use crate::canonical;
use crate::commitment::SHARE_BYTES_MAX;
use crate::names::Name;

const MAGIC: &[u8] = b"QKSH\x01";
const SUM: usize = 32;
const HEAD: usize = MAGIC.len() + 32 + 4 + 1;

/// What names a share.
#[derive(Debug, Serialize)]
pub struct Place<'a> {
    /// The custody.
    pub custody: Hash,
    /// The key.
    pub key_id: &'a Name,
    /// Whose share of the key.
    pub node_id: &'a Name,
    /// Rises with every set of the same key and node.
    pub generation: u32,
    /// The random number of the set.
    pub nonce: Hash,
    /// From 1.
    pub index: u8,
    /// Who keeps it.
    pub guardian: &'a Name,
}

impl Place<'_> {
    /// The binding of a share, and the context of its commitment.
    #[must_use]
    pub fn hash(&self) -> Hash {
        canonical::hash(tags::CUSTODY_SHARE, self)
    }
}

/// Bytes that are not the share they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No share of this program.
    #[error("this is not a share")]
    Format,
    /// Cut or changed.
    #[error("the checksum of the share is wrong: it was changed or cut")]
    Checksum,
    /// Of another generation.
    #[error("this share is of generation {0}")]
    Generation(u32),
    /// Of another set or another guardian.
    #[error("this share is of another set or for another guardian")]
    Foreign,
    /// Another index than the manifest says.
    #[error("this share has the index {0}")]
    Index(u8),
}

/// The plaintext of an envelope: secret. None if the share is empty or too long.
#[must_use]
pub fn encode(place: &Place<'_>, share: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if share.is_empty() || share.len() > SHARE_BYTES_MAX {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + share.len() + SUM));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&place.hash().0);
    bytes.extend_from_slice(&place.generation.to_be_bytes());
    bytes.push(place.index);
    bytes.extend_from_slice(share);
    let sum = Sha256::digest(&*bytes);
    bytes.extend_from_slice(&sum);
    Some(bytes)
}

/// Is this the plaintext of an envelope, and not a bare share?
#[must_use]
pub fn is_bound(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The share of a plaintext, if it is the one of this place.
///
/// # Errors
/// [`Error`].
pub fn decode(bytes: &[u8], place: &Place<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (body, sum) = bytes.split_last_chunk::<SUM>().ok_or(Error::Format)?;
    let rest = body.strip_prefix(MAGIC).ok_or(Error::Format)?;
    if !bool::from(Sha256::digest(body).as_slice().ct_eq(sum)) {
        return Err(Error::Checksum);
    }
    let (binding, rest) = rest.split_first_chunk::<32>().ok_or(Error::Format)?;
    let (generation, rest) = rest.split_first_chunk::<4>().ok_or(Error::Format)?;
    let (index, share) = rest.split_first().ok_or(Error::Format)?;
    let generation = u32::from_be_bytes(*generation);
    if generation != place.generation {
        return Err(Error::Generation(generation));
    }
    if *index != place.index {
        return Err(Error::Index(*index));
    }
    if *binding != place.hash().0 {
        return Err(Error::Foreign);
    }
    let fits = (1..=SHARE_BYTES_MAX).contains(&share.len());
    if fits { Ok(share.to_vec().into()) } else { Err(Error::Format) }
}

/// The index that a plaintext says, if it is one.
#[must_use]
pub fn index_of(bytes: &[u8]) -> Option<u8> {
    bytes.strip_prefix(MAGIC)?.get(32 + 4).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Hex;

    #[test]
    fn b2_a_share_says_which_one_it_is() {
        let names: Vec<Name> = ["k", "n", "g", "h"].iter().map(|name| name.parse().unwrap()).collect();
        let place = |generation, nonce, index, guardian: usize| Place {
            custody: Hex([1; 32]),
            key_id: &names[0],
            node_id: &names[1],
            generation,
            nonce: Hex([nonce; 32]),
            index,
            guardian: &names[guardian],
        };
        let bytes = encode(&place(1, 1, 2, 2), b"share").unwrap();
        assert!(is_bound(&bytes) && index_of(&bytes) == Some(2));
        assert_eq!(**decode(&bytes, &place(1, 1, 2, 2)).unwrap(), *b"share");
        assert_eq!(decode(&bytes, &place(2, 1, 2, 2)).unwrap_err(), Error::Generation(1));
        assert_eq!(decode(&bytes, &place(1, 1, 3, 2)).unwrap_err(), Error::Index(2));
        assert_eq!(decode(&bytes, &place(1, 2, 2, 2)).unwrap_err(), Error::Foreign);
        assert_eq!(decode(&bytes, &place(1, 1, 2, 3)).unwrap_err(), Error::Foreign);
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let expected = if at < MAGIC.len() { Error::Format } else { Error::Checksum };
            assert_eq!(decode(&changed, &place(1, 1, 2, 2)).unwrap_err(), expected, "byte {at}");
            assert!(decode(&bytes[..at], &place(1, 1, 2, 2)).is_err(), "{at} bytes");
        }
        assert!(encode(&place(1, 1, 2, 2), &[]).is_none());
        assert!(encode(&place(1, 1, 2, 2), &[0; SHARE_BYTES_MAX + 1]).is_none());
    }
}
