//! Phase 3, `Complain`: this dealing of his is wrong, here is the opening that shows it (protocol.md section 3).
//!
//! > Checked by all: subgroup check of S first, then e(S,G2) = e(R,E2), the pad, the dealing against the commitments.
//! > Valid: one is enough, the dealer is out, no answer phase. False: the complainer's Fault.

use quorumkeep_curves::bls::{G1, G2, OnCurve, pairing_eq};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::{rules, tags};

use crate::deal::VerifiedDeal;
use crate::ids::{Address, Digest};
use crate::info::Info;

/// The body of a Complain; its subject is (dealer, core).
#[derive(Debug, Clone)]
pub struct Complain {
    /// Whose dealing is wrong.
    pub dealer: Address,
    /// Which of his deals.
    pub core: Digest,
    /// `S = e*R`.
    pub opening: OnCurve<G1>,
}

impl Complain {
    /// The bytes of a complaint with this opening.
    #[must_use]
    pub fn encode(dealer: &Address, core: &Digest, opening: &[u8; 48]) -> Vec<u8> {
        Writer::new(tags::DKG_COMPLAIN).fixed(&dealer.0).fixed(&core.0).fixed(opening).finish()
    }

    /// Reads one complaint. The opening is checked for its subgroup when the complaint is judged.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_COMPLAIN)?;
        let (dealer, core) = (Address(reader.fixed()?), Digest(reader.fixed()?));
        let opening = reader.point::<G1>()?;
        reader.finish()?;
        Ok(Self { dealer, core, opening })
    }

    /// What a complaint is about: `H(dealer, core)`. One complaint per sender and subject counts.
    #[must_use]
    pub fn subject(dealer: &Address, core: &Digest) -> Digest {
        Digest(Writer::raw().fixed(&dealer.0).fixed(&core.0).hash())
    }

    /// Does the opening show that the dealing of `complainer` is wrong?
    #[must_use]
    pub fn is_valid(&self, info: &Info, complainer: &Address, deal: &VerifiedDeal) -> bool {
        if !rules::on(rules::Rule::ComplaintCheck) {
            return true;
        }
        let Some((_, player)) = info.player(complainer) else { return false };
        // The subgroup first: S + T with T of cofactor order passes the pairing, changes the pad and frames the dealer.
        let Ok(opening) = self.opening.check() else { return false };
        pairing_eq(&opening, &G2::generator(), &deal.r, &player.e2)
            && deal.dealing(info, complainer, &opening).is_none()
    }
}
