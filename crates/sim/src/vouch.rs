//! What needs no pairing to be believed: signatures and proofs that were made by the nodes' own code in front of our eyes.
//!
//! One in [`VERIFIED_ONE_IN`] is verified all the same, by everybody's own code. What a liar made instead of what its node
//! wanted is never believed, but for its signature, which [`crate::strategies`] make with the operator's real key.

use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::config::{Config, check_governed};
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::Digest;
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_node::Node;

use crate::chance::below;
use crate::world::World;

/// How few of those that could be believed are verified.
const VERIFIED_ONE_IN: usize = 16;

/// This configuration was made of operators whose proofs of possession the pool's maker has checked.
pub fn config(memory: &Memory, config: Config) {
    let digest = config.digest();
    if digest.0[0] as usize % VERIFIED_ONE_IN != 0 && !config.roster.is_empty() {
        memory.know_config(config);
        memory.holds(digest, digest, || true);
    }
}

/// This governed record was signed by enough operators of the configuration that decides.
pub fn governed(memory: &Memory, bytes: &[u8], decides: &Config, digest: Digest) {
    let id = record_id(bytes);
    let is_verified = usize::from(id.0[0]).is_multiple_of(VERIFIED_ONE_IN);
    let Ok(envelope) = Envelope::decode(bytes) else { return };
    memory.holds(id, digest, || !is_verified || check_governed(&envelope, decides).is_ok());
}

impl World {
    /// The signature of a record that the simulator made with an operator's key.
    pub(crate) fn vouch_signature(&mut self, bytes: &[u8]) {
        if below(&mut self.rng, VERIFIED_ONE_IN) != 0 {
            self.memory.holds(record_id(bytes), Digest::ZERO, || true);
        }
    }

    /// A record of an honest node: its signature, and the proofs in it.
    pub(crate) fn vouch(&mut self, place: usize, bytes: &[u8]) {
        if below(&mut self.rng, VERIFIED_ONE_IN) == 0 {
            return;
        }
        let id = record_id(bytes);
        self.memory.holds(id, Digest::ZERO, || true);
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        match envelope.header.kind {
            Kind::Announce => self.vouch_announce(place, id, &envelope),
            Kind::Confirm => {
                let _ = self.vouch_confirm(place, id, &envelope);
            }
            _ => {}
        }
    }

    fn vouch_announce(&self, place: usize, id: Digest, envelope: &Envelope) {
        let announce = self.memory.announce(id, envelope.header.digest, || Announce::decode(&envelope.body).ok());
        let seat = &self.seats[place];
        for held in announce.iter().flat_map(|announce| &announce.held) {
            // Of a version that this machine holds on its disk.
            if seat.is_sound() && seat.holds(&self.key, &held.version) {
                self.memory.holds(id, Digest(held.version.0), || true);
            }
        }
    }

    /// A Confirm of what the node's own board gives; another board has another cut, and asks for itself.
    fn vouch_confirm(&self, place: usize, id: Digest, envelope: &Envelope) -> Option<()> {
        let seat = &self.seats[place];
        let transcript = transcript(seat.node.as_ref().filter(|_| seat.is_sound())?, self)?;
        let output = transcript.outcome()?.as_ref().ok()?;
        let cut = transcript.cut();
        let fits = transcript.info().digest() == envelope.header.digest && seat.holds(&self.key, &output.id());
        let context = Writer::raw().fixed(&output.id().0).u64(cut.height).fixed(&cut.hash.0).hash();
        fits.then(|| self.memory.vote(id, Digest(context), || Some((output.id(), true))))?;
        Some(())
    }

    /// The orderer's signatures, and that the dealings of honest dealers fit.
    pub(crate) fn vouch_blocks(&mut self) {
        for place in self.sound() {
            if below(&mut self.rng, VERIFIED_ONE_IN) != 0 {
                self.vouch_dealings(place);
            }
        }
    }

    /// What a node asks itself in the Complain window, if all deals are those of sound nodes.
    fn vouch_dealings(&self, place: usize) -> Option<()> {
        let deals_closed = |info: &Info| info.trigger.deadlines().deal == self.height();
        let info = self.info().filter(|info| deals_closed(info))?;
        let me = self.seats[place].address();
        let transcript = self.round()?.transcript()?;
        let valid: Vec<_> = transcript.deals().values().filter_map(|counted| counted.deal.as_ref().ok()).collect();
        if self.chains.len() > 1 || !valid.iter().all(|deal| self.is_own_deal(deal)) {
            return None;
        }
        let cores = valid.iter().fold(Writer::raw().fixed(&me.0), |writer, deal| writer.fixed(&deal.core.0));
        self.memory.holds(Digest(cores.hash()), info.digest(), || true);
        Some(())
    }

    /// Is this what the honest dealer's own node has in its journal?
    fn is_own_deal(&self, deal: &quorumkeep_dkg::deal::VerifiedDeal) -> bool {
        let id = |round: u64, seat: &crate::seat::Seat| {
            seat.store.disk().record(&self.key, round, Kind::Deal).map(|bytes| record_id(bytes))
        };
        let Some(round) = self.round() else { return false };
        let counted = round.transcript().and_then(|transcript| transcript.deals().get(&deal.dealer)).map(|c| c.id);
        self.seat_of(&deal.dealer)
            .is_some_and(|seat| seat.is_sound() && id(round.trigger().round(), seat) == counted && counted.is_some())
    }
}

fn transcript<'a>(node: &'a Node, world: &World) -> Option<&'a quorumkeep_dkg::transcript::Transcript> {
    node.ledger().keys().get(&world.key)?.round.as_ref()?.transcript()
}

/// The signature of a block that the simulator's orderer signed a moment ago.
pub fn block(memory: &Memory, hash: Digest, signature: &[u8; 64]) {
    if !usize::from(hash.0[0]).is_multiple_of(VERIFIED_ONE_IN) {
        memory.holds(hash, Digest(keccak256(signature)), || true);
    }
}
