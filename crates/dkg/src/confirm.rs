//! Phase 5, `Confirm`: my share of this version is durable, and here is the proof that I hold it (protocol.md section 3).

use quorumkeep_curves::bls::{G2, SecretScalar};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::schnorr::{self, Proof};
use quorumkeep_curves::{rules, tags};

use crate::block::BlockRef;
use crate::ids::{Address, Digest, VersionId};
use crate::info::Info;
use crate::output::Output;

/// The body of a Confirm.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// The version that the sender computed.
    pub version: VersionId,
    /// The board's head at the last block of the last transcript phase, as the sender sees it.
    pub cut: BlockRef,
    /// Of `x'_j` for `Y'_j`.
    pub proof: Proof<G2>,
}

impl Confirm {
    /// Makes a Confirm of a share that fits its public share; `nonce` is fresh.
    #[must_use]
    pub fn build(
        info: &Info,
        sender: &Address,
        output: &Output,
        cut: BlockRef,
        share: &SecretScalar,
        nonce: SecretScalar,
    ) -> Self {
        let context = proof_context(info, sender, &output.id(), &cut);
        let public = output.share_of(sender).map_or_else(|| share.mul_g2(), |share| share.point);
        let proof = schnorr::prove(tags::DKG_CONFIRM_PROOF, &context, share, &public, nonce);
        Self { version: output.id(), cut, proof }
    }

    /// Is this a proof of the sender's share of `output`, on this board?
    #[must_use]
    pub fn is_valid(&self, info: &Info, sender: &Address, output: &Output, cut: &BlockRef) -> bool {
        let Some(share) = output.share_of(sender) else { return false };
        if self.version != output.id() || (self.cut != *cut && rules::on(rules::Rule::CutHead)) {
            return false;
        }
        let context = proof_context(info, sender, &self.version, &self.cut);
        !rules::on(rules::Rule::ConfirmProof)
            || schnorr::verify(tags::DKG_CONFIRM_PROOF, &context, &share.point, &self.proof)
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(tags::DKG_CONFIRM).fixed(&self.version.0).u64(self.cut.height);
        self.proof.write(writer.fixed(&self.cut.hash.0)).finish()
    }

    /// Reads one Confirm; all points are checked.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_CONFIRM)?;
        let version = VersionId(reader.fixed()?);
        let cut = BlockRef { height: reader.u64()?, hash: Digest(reader.fixed()?) };
        let proof = Proof::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { version, cut, proof })
    }
}

/// What the proof of a Confirm is bound to; also names its nonce.
#[must_use]
pub fn proof_context(info: &Info, sender: &Address, version: &VersionId, cut: &BlockRef) -> Vec<u8> {
    let writer = Writer::raw().fixed(&info.digest().0).fixed(&sender.0).fixed(&version.0);
    writer.u64(cut.height).fixed(&cut.hash.0).finish()
}
