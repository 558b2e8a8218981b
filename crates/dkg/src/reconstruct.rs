//! Phase 4 of a Pedersen generation, second part: a player publishes its dealing from a dealer that opened nothing.
//!
//! New-DKG of Gennaro, Jarecki, Krawczyk and Rabin, step 4(c):
//!
//! > For parties P_i who receive at least one valid complaint, the other parties run the reconstruction phase of
//! > Pedersen-VSS to compute z_i, f_i(z), A_ik in the clear.
//!
//! Here: of dealers without a valid Extract, and only if at least `t` dealers posted valid ones. [else an orderer that
//! censors the Extracts gets the master key published]

use quorumkeep_curves::bls::{Scalar, SecretScalar};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use crate::deal::{Dealing, VerifiedDeal};
use crate::ids::{Address, Digest};
use crate::info::Info;

/// The body of a Reconstruct: `(s_ij, s'_ij)`, public from now on.
#[derive(Debug, Clone)]
pub struct Reconstruct {
    /// Whose dealing this is.
    pub dealer: Address,
    /// `s_ij`.
    pub share: Scalar,
    /// `s'_ij`.
    pub blinder: Scalar,
}

impl Reconstruct {
    /// Publishes a dealing. None if it has no blinder: a Feldman dealing is never published.
    #[must_use]
    pub fn publish(dealer: Address, dealing: Dealing) -> Option<Self> {
        Some(Self { dealer, share: dealing.share.declassify(), blinder: dealing.blinder?.declassify() })
    }

    /// What a Reconstruct is about: one per sender and dealer counts.
    #[must_use]
    pub fn subject(dealer: &Address) -> Digest {
        Digest(Writer::raw().fixed(&dealer.0).hash())
    }

    /// One byte string per value: 20 + 64 bytes after the tag.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(tags::DKG_RECONSTRUCT).fixed(&self.dealer.0);
        writer.scalar(&self.share).scalar(&self.blinder).finish()
    }

    /// Reads one Reconstruct.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value; scalars not below `r`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_RECONSTRUCT)?;
        let dealer = Address(reader.fixed()?);
        let (share, blinder) = (reader.scalar()?, reader.scalar()?);
        reader.finish()?;
        Ok(Self { dealer, share, blinder })
    }

    /// Is this the dealing that `deal` promises `sender`?
    #[must_use]
    pub fn is_valid(&self, info: &Info, sender: &Address, deal: &VerifiedDeal) -> bool {
        let Some((_, player)) = info.player(sender) else { return false };
        let public = |scalar: &Scalar| SecretScalar::from_public(scalar);
        let dealing = Dealing { share: public(&self.share), blinder: Some(public(&self.blinder)) };
        deal.fits(info, player.index, &dealing)
    }
}
