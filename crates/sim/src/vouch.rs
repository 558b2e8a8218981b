//! What needs no pairing to be believed: signatures and proofs that were made by the nodes' own code in front of our eyes.
//!
//! One in [`VERIFIED_ONE_IN`] is verified all the same, by everybody's own code. What a liar made instead of what its node
//! wanted is never believed, but for its signature, which [`crate::strategies`] make with the operator's real key.

use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::rules;
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::batch;
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::config::{Config, check_governed};
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::{Address, Digest};
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_node::Node;

use crate::chance::below;
use crate::world::World;

/// How few of those that could be believed are verified.
const VERIFIED_ONE_IN: usize = 64;

/// This configuration was made of operators whose proofs of possession the pool's maker has checked.
pub fn config(memory: &Memory, config: Config) {
    let digest = config.digest();
    if !usize::from(digest.0[0]).is_multiple_of(VERIFIED_ONE_IN) {
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

/// The signature of a record that was made with its sender's key a moment ago.
pub fn signature(memory: &Memory, bytes: &[u8]) {
    let id = record_id(bytes);
    if !usize::from(id.0[0]).is_multiple_of(VERIFIED_ONE_IN) {
        memory.holds(id, Digest::ZERO, || true);
    }
}

impl World {
    /// The signature of a record that the simulator made with an operator's key.
    pub(crate) fn vouch_signature(&mut self, bytes: &[u8]) {
        if below(&mut self.rng, VERIFIED_ONE_IN) != 0 {
            self.memory.holds(record_id(bytes), Digest::ZERO, || true);
        }
    }

    /// A record that a node's own code made: its signature, and the proofs in it.
    pub(crate) fn vouch(&mut self, place: usize, bytes: &[u8]) {
        if below(&mut self.rng, VERIFIED_ONE_IN) == 0 {
            return;
        }
        let id = record_id(bytes);
        self.memory.holds(id, Digest::ZERO, || true);
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        match envelope.header.kind {
            Kind::Announce => self.vouch_announce(place, id, &envelope),
            Kind::Deal => {
                let _ = self.vouch_deal(place, id, &envelope);
            }
            Kind::Confirm => {
                let _ = self.vouch_confirm(place, id, &envelope);
            }
            _ => {}
        }
    }

    fn vouch_announce(&self, place: usize, id: Digest, envelope: &Envelope) {
        let decode = || rules::believing(|| Announce::decode(&envelope.body).ok());
        let announce = self.memory.announce(id, envelope.header.digest, decode);
        let seat = &self.seats[place];
        for held in announce.iter().flat_map(|announce| &announce.held) {
            // Of a version that this machine holds on its disk.
            if seat.is_sound() && seat.holds(&self.key, &held.version) {
                self.memory.holds(id, Digest(held.version.0), || true);
            }
        }
    }

    /// The points and proofs of a deal for what the node's own board announced.
    fn vouch_deal(&self, place: usize, id: Digest, envelope: &Envelope) -> Option<()> {
        let info = transcript(self.seats[place].node.as_ref()?, self)?.info();
        (info.digest() == envelope.header.digest).then(|| batch::believe(info, id, envelope, &self.memory))?
    }

    /// A Confirm of what the node's own board gives; another board has another cut, and asks for itself.
    fn vouch_confirm(&self, place: usize, id: Digest, envelope: &Envelope) -> Option<()> {
        let seat = &self.seats[place];
        let transcript = transcript(seat.node.as_ref().filter(|_| !seat.stale)?, self)?;
        let output = transcript.outcome()?.as_ref().ok()?;
        let cut = transcript.cut();
        let fits = transcript.info().digest() == envelope.header.digest && seat.holds(&self.key, &output.id());
        let context = Writer::raw().fixed(&output.id().0).u64(cut.height).fixed(&cut.hash.0).hash();
        fits.then(|| self.memory.vote(id, Digest(context), || Some((output.id(), true))))?;
        Some(())
    }

    /// That dealings fit which their dealers' own code made: what a node asks itself in the Complain window.
    pub(crate) fn vouch_dealings(&mut self, events: &[Event]) {
        if self.chains.len() > 1 || !events.iter().any(|event| matches!(event, Event::Dealt(..))) {
            return;
        }
        for place in self.sound() {
            if below(&mut self.rng, VERIFIED_ONE_IN) != 0 {
                let _ = self.vouch_dealings_for(place);
            }
        }
        // A liar's node asks itself the same; what it then says is the strategy's.
        let chance = self.ledger().head().hash.0;
        for place in (0..self.seats.len()).filter(|place| !self.seats[*place].is_sound()) {
            if !usize::from(chance[place % chance.len()]).is_multiple_of(VERIFIED_ONE_IN) {
                let _ = self.vouch_dealings_for(place);
            }
        }
    }

    fn vouch_dealings_for(&self, place: usize) -> Option<()> {
        let (info, me) = (self.info()?, self.seats[place].address());
        let transcript = self.round()?.transcript()?;
        let valid = transcript.deals().values().filter_map(|counted| Some((counted.id, counted.deal.as_ref().ok()?)));
        let (mut cores, mut all_own) = (Writer::raw().fixed(&me.0), true);
        for (id, deal) in valid {
            cores = cores.fixed(&deal.core.0);
            if self.is_in_journal(&deal.dealer, info.trigger.round(), id) {
                self.memory.holds(deal.core, Complain::subject(&me, &deal.core), || true);
            } else {
                all_own = false;
            }
        }
        // With others among them each is looked at by itself.
        self.memory.holds(Digest(cores.hash()), info.digest(), || all_own);
        Some(())
    }

    /// Did this dealer's own code make this Deal?
    fn is_in_journal(&self, dealer: &Address, round: u64, id: Digest) -> bool {
        self.seats.iter().filter(|seat| seat.address() == *dealer).any(|seat| {
            seat.store.disk().record(&self.key, round, Kind::Deal).is_some_and(|bytes| record_id(bytes) == id)
        })
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
