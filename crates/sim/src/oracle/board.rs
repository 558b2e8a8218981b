//! What must be true of the records and of what is made of them.

use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::Address;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::records;
use quorumkeep_dkg::secret::RoundSecrets;
use std::sync::Arc;

use super::Oracle;
use crate::Violation;
use crate::world::World;

impl Oracle {
    /// Remembers the first Deal of everyone, and who complained about whom. Decides for itself what is in time.
    pub(super) fn read_records(&mut self, world: &World) {
        let Some(block) = world.chains[0].blocks.last() else { return };
        let Some(info) = self.info.clone() else { return };
        let deadlines = info.trigger.deadlines();
        for bytes in &block.records {
            let Ok(envelope) = Envelope::decode(bytes) else { continue };
            let header = envelope.header;
            if header.digest != info.digest() {
                continue;
            }
            let ledger = world.ledger();
            let Some(record) = records::verify(bytes, envelope, &world.memory, |a| ledger.operator_key(a)) else {
                continue;
            };
            let within = |from: u64, to: u64| block.height > from && block.height <= to;
            match header.kind {
                Kind::Deal if within(deadlines.announce, deadlines.deal) => {
                    self.first_deals.entry(header.sender).or_insert(record.id());
                }
                Kind::Complain if within(deadlines.deal, deadlines.complain) => {
                    if let Ok(complain) = Complain::decode(&record.envelope().body) {
                        self.complaints.push((header.sender, complain.dealer));
                    }
                }
                _ => {}
            }
        }
    }

    /// A used sequence number of a configuration is never used again.
    pub(super) fn read_config(&mut self, world: &World) -> Result<(), Violation> {
        let Some(config) = world.ledger().config() else { return Ok(()) };
        let digest = world.ledger().config_digest();
        let last = self.configs.last_key_value().map(|(sequence, _)| *sequence);
        let known = *self.configs.entry(config.sequence).or_insert(digest);
        if known != digest || last.is_some_and(|last| last > config.sequence) {
            return Violation::of(format!("configuration {} came into force a second time", config.sequence));
        }
        Ok(())
    }

    /// Who deals holds the source; who announced in time with a proof is the player of his own identity.
    pub(super) fn check_announced(&mut self, world: &World) -> Result<(), Violation> {
        self.first_deals.clear();
        self.in_time.clear();
        self.complaints.clear();
        self.info = world.info();
        let Some(info) = self.info.clone() else { return Ok(()) };
        if let Some(source) = &info.source {
            for dealer in &info.dealers {
                if !self.could_hold(world, &dealer.address, source) {
                    return Violation::of(format!("{} deals from a version that it does not hold", dealer.address));
                }
            }
        }
        let round = info.trigger.round();
        for place in world.sound() {
            let seat = &world.seats[place];
            let disk = seat.store.disk();
            let Some(bytes) = disk.record(&world.key, round, Kind::Announce) else { continue };
            let Some((_, player)) = info.player(&seat.address()) else { continue };
            let on_board =
                world.round().is_some_and(|r| r.announces_of(&seat.address()).any(|id| id == record_id(bytes)));
            let proves = self.proves_something(world, bytes);
            let secrets = disk.round_secret(&world.key, round).and_then(|bytes| RoundSecrets::from_bytes(bytes).ok());
            let own = secrets.is_some_and(|secrets| secrets.receive().mul_g1() == player.e1);
            if on_board && proves && !own {
                return Violation::of(format!("somebody else receives the share of {}", seat.address()));
            }
        }
        Ok(())
    }

    /// Does this Announce name a version that is kept?
    fn proves_something(&self, world: &World, bytes: &[u8]) -> bool {
        let Ok(announce) = Envelope::decode(bytes).and_then(|envelope| Announce::decode(&envelope.body)) else {
            return false;
        };
        let kept = world.state().map(|state| state.versions.kept()).unwrap_or_default();
        announce.held.iter().any(|held| kept.iter().any(|output| output.id() == held.version))
    }

    /// A machine whose disk was exchanged may have announced while it still held.
    fn could_hold(&self, world: &World, address: &Address, source: &Arc<Output>) -> bool {
        world
            .seats
            .iter()
            .any(|seat| seat.address() == *address && (seat.stale || seat.holds(&world.key, &source.id())))
    }

    /// A dealer's first Deal is the one that counts.
    pub(super) fn check_dealt(&mut self, world: &World) -> Result<(), Violation> {
        let Some(transcript) = world.round().and_then(|round| round.transcript()) else { return Ok(()) };
        for (dealer, counted) in transcript.deals() {
            if self.first_deals.get(dealer).is_some_and(|first| *first != counted.id) {
                return Violation::of(format!("the second deal of {dealer} replaced its first"));
            }
        }
        let round = transcript.info().trigger.round();
        for place in world.sound() {
            let seat = &world.seats[place];
            let disk = seat.store.disk();
            let Some(bytes) = disk.record(&world.key, round, Kind::Deal) else { continue };
            if self.first_deals.get(&seat.address()) == Some(&record_id(bytes)) {
                self.in_time.insert(seat.address());
                let counted = transcript.deals().get(&seat.address()).and_then(|counted| counted.deal.as_ref().ok());
                let Some(deal) = counted else {
                    return Violation::of(format!("the deal of the honest {} does not count", seat.address()));
                };
                self.honest_points.insert(deal.r.to_bytes(), seat.address());
            }
        }
        Ok(())
    }

    /// Honest dealers are in `D`, who was shown to have dealt wrongly is not, and no opening unveils an honest dealing.
    pub(super) fn check_result(&mut self, world: &World) -> Result<(), Violation> {
        let Some(transcript) = world.round().and_then(|round| round.transcript()) else { return Ok(()) };
        let info = transcript.info();
        for (complainer, dealer) in &self.complaints {
            let is_sound = world.seat_of(complainer).is_some_and(|seat| seat.is_sound());
            let Some(Ok(deal)) = transcript.deals().get(dealer).map(|counted| &counted.deal) else { continue };
            let owner = self.honest_points.get(&deal.r.to_bytes());
            if is_sound && let Some(owner) = owner.filter(|owner| *owner != dealer) {
                return Violation::of(format!(
                    "the opening by {complainer} unveils what the honest {owner} dealt to it"
                ));
            }
        }
        if let Some(framed) = self.in_time.iter().find(|dealer| transcript.accused().contains_key(dealer)) {
            return Violation::of(format!("the honest dealer {framed} was put out by a complaint"));
        }
        let Some(Ok(output)) = transcript.outcome() else { return Ok(()) };
        if self.known_to_liars.contains(output.group_key()) {
            return Violation::of("the liars know the secret key of the candidate".to_owned());
        }
        let secret = output.cores().len() - output.reconstructed().len();
        if secret < usize::from(output.threshold().get()) {
            return Violation::of(format!("everybody knows the polynomials of all dealers but {secret}"));
        }
        for dealer in &info.dealers {
            let is_in = output.cores().iter().any(|(index, _)| *index == dealer.index);
            if self.in_time.contains(&dealer.address) && !is_in {
                return Violation::of(format!("the honest dealer {} is not in D", dealer.address));
            }
            let accused = self.complaints.iter().any(|(complainer, accused)| {
                *accused == dealer.address && world.seat_of(complainer).is_some_and(|seat| seat.is_sound())
            });
            if accused && is_in {
                return Violation::of(format!("{} dealt wrongly to an honest player and is in D", dealer.address));
            }
        }
        Ok(())
    }

    /// The threshold is the roster's, the key is the key.
    pub(super) fn check_activated(&mut self, output: &Arc<Output>) -> Result<(), Violation> {
        if let Some(info) = self.info.as_ref().filter(|info| info.trigger.round() == output.round()) {
            let (is, should) = (output.threshold().get(), info.trigger.config.threshold.get());
            if is != should {
                return Violation::of(format!("an active version has t = {is}, its configuration says {should}"));
            }
        }
        let key = *self.group_key.get_or_insert(*output.group_key());
        if key != *output.group_key() {
            return Violation::of("the group key changed".to_owned());
        }
        self.versions.insert(output.id(), output.clone());
        if self.history.last() != Some(&output.id()) {
            self.history.push(output.id());
        }
        Ok(())
    }
}
