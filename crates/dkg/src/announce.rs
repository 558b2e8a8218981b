//! Phase 1, `Announce`: I take part, here is a fresh receive key, and here is what I hold (protocol.md section 3).
//!
//! The receive key is `E1 = e*G1`, `E2 = e*G2` with a Schnorr proof of `e`; what is held is proved share by share
//! against `Y_j`. Operators that leave announce without a receive key: they deal, but receive nothing.

use quorumkeep_curves::bls::{G1, G2, SecretScalar, pairing_eq};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::schnorr::{self, Proof};
use quorumkeep_curves::{rules, tags};
use rand_core::CryptoRngCore;

use crate::block::BlockRef;
use crate::ids::{Address, Digest, VersionId};
use crate::info::Trigger;
use crate::limits;
use crate::output::Output;
use crate::secret::RoundSecrets;

/// `E1`, `E2` and the proof of `e`.
#[derive(Debug, Clone)]
pub struct ReceiveKey {
    /// `E1 = e*G1`.
    pub e1: G1,
    /// `E2 = e*G2`.
    pub e2: G2,
    /// Of `e` for `E1`.
    pub proof: Proof<G1>,
}

/// A version that the sender holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Which.
    pub version: VersionId,
    /// Of `x_j` for `Y_j`.
    pub proof: Proof<G2>,
}

/// The body of an Announce.
#[derive(Debug, Clone)]
pub struct Announce {
    /// None: the sender deals only.
    pub receive: Option<ReceiveKey>,
    /// The sender's part of the coin flip.
    pub nonce: [u8; 32],
    /// At most two versions; none means `rejoin`.
    pub held: Vec<Held>,
    /// The last head that the sender saw.
    pub last_head: BlockRef,
}

impl Announce {
    /// Makes an Announce. `shares` are the versions held; `receives` is false for an operator that leaves.
    #[must_use]
    pub fn build(
        trigger: &Trigger,
        sender: &Address,
        secrets: &RoundSecrets,
        shares: &[(&Output, &SecretScalar)],
        (receives, last_head): (bool, BlockRef),
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let digest = trigger.digest();
        let root = secrets.root(&digest);
        let receive = receives.then(|| {
            let (e1, e2) = (*secrets.receive_key(), secrets.receive().mul_g2());
            let context = receive_context(&digest, sender, &e1, &e2);
            let nonce = root.nonce("announce", &context, rng);
            let proof = schnorr::prove(tags::DKG_ANNOUNCE_PROOF, &context, secrets.receive(), &e1, nonce);
            ReceiveKey { e1, e2, proof }
        });
        let prove = |(output, share): &(&Output, &SecretScalar)| {
            let context = held_context(&digest, sender, &output.id());
            let nonce = root.nonce("held", &context, rng);
            // A share that is kept was found to fit its public share.
            let public = output.share_of(sender).map_or_else(|| share.mul_g2(), |share| share.point);
            let proof = schnorr::prove(tags::DKG_HOLDING_PROOF, &context, share, &public, nonce);
            Held { version: output.id(), proof }
        };
        let held = shares.iter().map(prove).collect();
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        Self { receive, nonce, held, last_head }
    }

    /// Is the receive key well made? Context: the trigger and sender that the header names.
    #[must_use]
    pub fn has_valid_receive_key(&self, trigger_digest: &Digest, sender: &Address) -> bool {
        let Some(ReceiveKey { e1, e2, proof }) = &self.receive else { return false };
        let context = receive_context(trigger_digest, sender, e1, e2);
        pairing_eq(e1, &G2::generator(), &G1::generator(), e2)
            && schnorr::verify(tags::DKG_ANNOUNCE_PROOF, &context, e1, proof)
    }

    /// Does the sender prove that he holds his share of `output`?
    #[must_use]
    pub fn proves(&self, trigger_digest: &Digest, sender: &Address, output: &Output) -> bool {
        let Some(share) = output.share_of(sender) else { return false };
        let Some(held) = self.held.iter().find(|held| held.version == output.id()) else { return false };
        let context = held_context(trigger_digest, sender, &output.id());
        !rules::on(rules::Rule::AnnounceProof)
            || schnorr::verify(tags::DKG_HOLDING_PROOF, &context, &share.point, &held.proof)
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::DKG_ANNOUNCE).u8(u8::from(self.receive.is_some()));
        if let Some(ReceiveKey { e1, e2, proof }) = &self.receive {
            writer = proof.write(writer.point(e1).point(e2));
        }
        writer = writer.fixed(&self.nonce).list(self.held.len());
        for held in &self.held {
            writer = held.proof.write(writer.fixed(&held.version.0));
        }
        writer.u64(self.last_head.height).fixed(&self.last_head.hash.0).finish()
    }

    /// Reads one Announce; all points are checked.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_ANNOUNCE)?;
        let receive = match reader.u8()? {
            0 => None,
            1 => Some(ReceiveKey {
                e1: reader.point::<G1>()?.check()?,
                e2: reader.point::<G2>()?.check()?,
                proof: Proof::read(&mut reader)?,
            }),
            _ => return Err(Decode::Value),
        };
        let nonce = reader.fixed()?;
        let count = reader.list(limits::HELD_VERSIONS_MAX)?;
        let read = |reader: &mut Reader<'_>| {
            Ok::<_, Decode>(Held { version: VersionId(reader.fixed()?), proof: Proof::read(reader)? })
        };
        let held = (0..count).map(|_| read(&mut reader)).collect::<Result<_, _>>()?;
        let last_head = BlockRef { height: reader.u64()?, hash: Digest(reader.fixed()?) };
        reader.finish()?;
        Ok(Self { receive, nonce, held, last_head })
    }
}

/// `(trigger digest (network, key, round, kind), player, E1, E2)`.
fn receive_context(trigger: &Digest, player: &Address, e1: &G1, e2: &G2) -> Vec<u8> {
    Writer::raw().fixed(&trigger.0).fixed(&player.0).point(e1).point(e2).finish()
}

/// `(trigger digest, player, version)`.
fn held_context(trigger: &Digest, player: &Address, version: &VersionId) -> Vec<u8> {
    Writer::raw().fixed(&trigger.0).fixed(&player.0).fixed(&version.0).finish()
}
