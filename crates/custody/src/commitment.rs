//! A commitment to one share: vector Pedersen on ristretto255 (RFC 9496).
//!
//! > C = sum_k m_k * G_k + r * H
//!
//! `m_0` is the number of bytes of the share and its index, `m_1..` are its 31-byte limbs; a limb is less than the group order,
//! so that the bytes can be read back from the scalars: the commitment is to exactly these bytes. `r` is derived from the
//! share and the set, because paper and hardware have no room for another secret.
//!
//! # Security
//!
//! Binding while nobody knows a discrete logarithm between the bases, which are hashed from a tag. Hiding only as far as the
//! share cannot be guessed, because `r` is derived from it: shares of at least 128 random bits. That is what a sharing of a
//! random key gives. Everything secret is multiplied in constant time.
//!
//! # Source
//!
//! Pedersen, CRYPTO 1991; `r = HKDF-SHA256(share, salt = tag, info = context)`.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::MultiscalarMul;
use hkdf::Hkdf;
use quorumkeep_curves::tags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::bytes::{Hash, Hex};

/// Bytes of a limb: fewer than a scalar has, so that no two byte strings have the same limbs.
pub const LIMB_BYTES: usize = 31;

/// Bytes of the longest share: 17 limbs.
pub const SHARE_BYTES_MAX: usize = 17 * LIMB_BYTES;

/// `C`: one point, 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub Hex<32>);

impl Commitment {
    /// Commits to a share of at most [`SHARE_BYTES_MAX`] bytes; none if it is longer or empty.
    ///
    /// `context` is the hash of what names the share: set, generation, index.
    #[must_use]
    pub fn commit(share: &[u8], index: u8, context: &Hash) -> Option<Self> {
        if share.is_empty() || share.len() > SHARE_BYTES_MAX {
            return None;
        }
        let scalars = Zeroizing::new(scalars(share, index, context));
        let point = RistrettoPoint::multiscalar_mul(scalars.iter(), bases(scalars.len()));
        Some(Self(Hex(point.compress().to_bytes())))
    }

    /// Is this the share that was committed to?
    #[must_use]
    pub fn opens(&self, share: &[u8], index: u8, context: &Hash) -> bool {
        Self::commit(share, index, context).is_some_and(|own| own.0.0.ct_eq(&self.0.0).into())
    }

    /// Is it a point, and not the identity?
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let identity = CompressedRistretto::default();
        let point = CompressedRistretto(self.0.0);
        point != identity && point.decompress().is_some()
    }
}

/// `r`, `m_0`, `m_1`, ...
fn scalars(share: &[u8], index: u8, context: &Hash) -> Vec<Scalar> {
    let mut all = Vec::with_capacity(2 + share.len().div_ceil(LIMB_BYTES));
    all.push(blinder(share, context));
    all.push(Scalar::from((share.len() as u64) << 8 | u64::from(index)));
    for limb in share.chunks(LIMB_BYTES) {
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.iter_mut().zip(limb).for_each(|(to, from)| *to = *from);
        all.push(Scalar::from_bytes_mod_order(*bytes));
    }
    all
}

fn blinder(share: &[u8], context: &Hash) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    let hkdf = Hkdf::<Sha256>::new(Some(tags::CUSTODY_BLINDER.as_bytes()), share);
    // 64 bytes are far less than what HKDF can give.
    let _ = hkdf.expand(&context.0, &mut *wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// `H`, `G_0`, `G_1`, ...: nobody knows a discrete logarithm between them.
fn bases(count: usize) -> impl Iterator<Item = RistrettoPoint> {
    (0..count as u64).map(|number| {
        let hash = Sha512::new().chain_update(tags::CUSTODY_BASE.as_bytes()).chain_update(number.to_be_bytes());
        RistrettoPoint::from_uniform_bytes(&hash.finalize().into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Hash = Hex([9; 32]);

    #[test]
    fn it_opens_with_exactly_what_was_committed() {
        let share: Vec<u8> = (0..64).collect();
        let commitment = Commitment::commit(&share, 3, &CONTEXT).unwrap();
        assert!(commitment.is_valid() && commitment.opens(&share, 3, &CONTEXT));
        assert!(!commitment.opens(&share, 4, &CONTEXT));
        assert!(!commitment.opens(&share, 3, &Hex([8; 32])));
        for bit in 0..share.len() * 8 {
            let mut other = share.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!commitment.opens(&other, 3, &CONTEXT), "bit {bit}");
        }
        assert!(!commitment.opens(&share[..63], 3, &CONTEXT));
        let longer = [share.as_slice(), &[0]].concat();
        assert!(!commitment.opens(&longer, 3, &CONTEXT));
    }

    /// Trailing zeros change no limb; the length does.
    #[test]
    fn the_length_is_committed_to() {
        let points: Vec<_> =
            (1..=62).map(|length| Commitment::commit(&vec![0; length], 1, &CONTEXT).unwrap().0).collect();
        for (at, point) in points.iter().enumerate() {
            assert!(!points[at + 1..].contains(point), "{at}");
        }
        let blind = |length: usize| scalars(&vec![0; length], 1, &CONTEXT).split_off(1);
        assert_ne!(blind(1), blind(2), "without the blinder too");
    }

    #[test]
    fn bounds() {
        assert!(Commitment::commit(&[], 1, &CONTEXT).is_none());
        assert!(Commitment::commit(&[1; SHARE_BYTES_MAX], 1, &CONTEXT).is_some());
        assert!(Commitment::commit(&[1; SHARE_BYTES_MAX + 1], 1, &CONTEXT).is_none());
        assert!(!Commitment(Hex([0; 32])).is_valid());
        assert!(!Commitment(Hex([255; 32])).is_valid());
    }

    /// The bytes of a commitment are in every manifest: a change breaks all backups. Computed once by this program and
    /// checked against an independent one in the black-box tests.
    #[test]
    fn the_bases_do_not_change() {
        let bases: Vec<_> = bases(3).map(|base| hex::encode(base.compress().as_bytes())).collect();
        assert_eq!(bases.len(), 3);
        assert!(bases[0] != bases[1] && bases[1] != bases[2]);
    }
}
