//! What the node owes to the board at its present height, derived from the ledger each time.
//!
//! A duty is done when the node's record stands on the board. Until then it is posted, byte for byte the same, every few
//! blocks. A record is durable before it is posted for the first time.

use std::sync::Arc;

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::rules;
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::deal::{self, Dealing, VerifiedDeal};
use quorumkeep_dkg::envelope::{Envelope, Header, Kind, record_id};
use quorumkeep_dkg::extract::PlainExtract;
use quorumkeep_dkg::ids::{Address, Digest, KeyId};
use quorumkeep_dkg::info::{Info, RoundKind};
use quorumkeep_dkg::reconstruct::Reconstruct;
use quorumkeep_dkg::round::{Phase, Round};
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_sharing::{hiding_dealings_hold, verify_dealings};
use rand_core::CryptoRngCore;

use crate::effects::{Effects, Level};
use crate::node::Node;
use crate::store::{OwnRecord, RoundSecret};

/// Blocks after which a record that is not on the board is posted again.
const REPOST_BLOCKS: u64 = 3;

impl Node {
    pub(crate) fn do_duties(&mut self, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        let next = self.head().height + 1;
        let running = self.ledger.keys().iter();
        let due: Vec<(KeyId, Phase)> =
            running.filter_map(|(key, state)| Some((*key, state.round.as_ref()?.phase_at(next)?))).collect();
        for (key, phase) in due {
            match phase {
                Phase::Announce => self.announce(&key, rng, fx),
                Phase::Deal => self.deal(&key, rng, fx),
                Phase::Complain => self.complain(&key, fx),
                Phase::Extract => self.extract(&key, rng, fx),
                Phase::Reconstruct => self.reconstruct(&key, fx),
                Phase::Confirm => self.confirm(&key, fx),
            }
        }
    }

    fn round(&self, key: &KeyId) -> Option<&Round> {
        self.ledger.keys().get(key)?.round.as_ref()
    }

    fn announce(&mut self, key: &KeyId, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        let Some(round) = self.round(key) else { return };
        let (number, me) = (round.trigger().round(), *self.operator.address());
        if let Some(own) = self.journal.get(&(*key, number, Kind::Announce, Digest::ZERO)) {
            let bytes = own.bytes.clone();
            let id = record_id(&bytes);
            let on_board = round.announces_of(&me).any(|other| other == id);
            return self.post_unless(on_board, bytes, fx);
        }
        if !self.may_announce(key, number, fx) {
            return;
        }
        let secrets = RoundSecrets::generate(rng);
        let Some(announce) = self.make_announce(key, &secrets, rng) else { return };
        let Some(digest) = self.round(key).map(Round::trigger_digest) else { return };
        let bytes = self.envelope(*key, number, digest, Kind::Announce, announce.encode()).encode();
        fx.batch.round_secrets.push(RoundSecret { key: *key, round: number, bytes: secrets.to_bytes() });
        self.secrets.insert((*key, number), secrets);
        self.keep_record(*key, number, Kind::Announce, Digest::ZERO, bytes.clone(), fx);
        self.post_unless(false, bytes, fx);
    }

    /// A node that has a group key pinned never takes part in generating that key again: an empty or wrong board would
    /// silently replace the master key.
    fn may_announce(&mut self, key: &KeyId, number: u64, fx: &mut Effects) -> bool {
        let Some(round) = self.round(key) else { return false };
        let generates = round.trigger().kind == RoundKind::Genesis;
        if generates && self.pins.contains_key(key) && rules::on(rules::Rule::PinnedKeyRefuses) {
            let text =
                "this board wants to generate a key that this node already has: it is not the board of this network";
            if self.sat_out != Some((*key, number)) {
                self.sat_out = Some((*key, number));
                fx.notice(Level::Alarm, text.to_owned());
            }
            return false;
        }
        true
    }

    fn make_announce(&self, key: &KeyId, secrets: &RoundSecrets, rng: &mut dyn CryptoRngCore) -> Option<Announce> {
        let (state, round) = (self.ledger.keys().get(key)?, self.round(key)?);
        let me = self.operator.address();
        let receives = round.trigger().config.member(me).is_some();
        let kept = state.versions.kept();
        let held: Vec<_> = kept
            .iter()
            .filter(|output| output.share_of(me).is_some())
            .filter_map(|output| Some((output.as_ref(), &self.shares.get(&(*key, output.id()))?.share)))
            .collect();
        if !receives && held.is_empty() {
            return None;
        }
        Some(Announce::build(round.trigger(), me, secrets, &held, (receives, self.head()), rng))
    }

    fn deal(&mut self, key: &KeyId, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        let Some(transcript) = self.transcript(key) else { return };
        let (info, me) = (transcript.info().clone(), *self.operator.address());
        let number = info.trigger.round();
        if info.dealer(&me).is_none() {
            return;
        }
        let on_board = transcript.deals().get(&me).map(|counted| counted.id);
        if let Some(own) = self.journal.get(&(*key, number, Kind::Deal, Digest::ZERO)) {
            let bytes = own.bytes.clone();
            return self.post_unless(on_board.is_some(), bytes, fx);
        }
        if on_board.is_some() {
            return;
        }
        let Some(secrets) = self.secrets.get(&(*key, number)) else { return };
        if info.player(&me).is_some() && !self.is_own_receive_key(&info, secrets) {
            return self.sit_out(key, number, fx);
        }
        let constant = match &info.source {
            Some(source) => match self.shares.get(&(*key, source.id())) {
                Some(kept) => Some(&kept.share),
                None => return,
            },
            None => None,
        };
        let Some(deal) = deal::build(&info, &me, secrets, constant, self.operator.key(), rng) else { return };
        let bytes = deal.encode();
        self.keep_record(*key, number, Kind::Deal, Digest::ZERO, bytes.clone(), fx);
        // The same deal goes to the players early; the board's is the one that counts.
        fx.sends.extend(info.players.iter().filter(|p| p.address != me).map(|p| (p.address, bytes.clone())));
        self.post_unless(false, bytes, fx);
    }

    /// The Announce that counts has an `E` that this node does not hold: it takes no further part in this round.
    fn sit_out(&mut self, key: &KeyId, number: u64, fx: &mut Effects) {
        if self.sat_out != Some((*key, number)) {
            self.sat_out = Some((*key, number));
            let text = format!("round {number}: the board has a receive key of this node that this node does not hold");
            fx.notice(Level::Alarm, text);
        }
    }

    fn complain(&mut self, key: &KeyId, fx: &mut Effects) {
        for (dealer, core, opening) in self.wrong_dealings(key) {
            let Some(transcript) = self.transcript(key) else { return };
            let (digest, number) = (transcript.info().digest(), transcript.info().trigger.round());
            let (me, subject) = (*self.operator.address(), Complain::subject(&dealer, &core));
            let on_board = transcript.has_complaint(&me, &subject);
            let bytes = match self.journal.get(&(*key, number, Kind::Complain, subject)) {
                Some(own) => own.bytes.clone(),
                None => {
                    let body = Complain::encode(&dealer, &core, &opening);
                    let bytes = self.envelope(*key, number, digest, Kind::Complain, body).encode();
                    self.keep_record(*key, number, Kind::Complain, subject, bytes.clone(), fx);
                    bytes
                }
            };
            self.post_unless(on_board, bytes, fx);
        }
    }

    /// Deals on the board, valid otherwise, whose dealing for this node is wrong, with the openings that show it.
    fn wrong_dealings(&self, key: &KeyId) -> Vec<(Address, Digest, [u8; 48])> {
        let Some(transcript) = self.transcript(key) else { return Vec::new() };
        let (info, me) = (transcript.info(), self.operator.address());
        let Some(secrets) = self.secrets.get(&(*key, info.trigger.round())) else { return Vec::new() };
        if !self.is_own_receive_key(info, secrets) {
            return Vec::new();
        }
        let deals = transcript.deals().values().filter_map(|counted| counted.deal.as_ref().ok());
        let deals: Vec<&Arc<VerifiedDeal>> = deals.collect();
        let cores = deals.iter().fold(Writer::raw().fixed(&me.0), |writer, deal| writer.fixed(&deal.core.0));
        // Asked again with every block of the window; opened once, and all in one equation if they are right.
        let all_fit = || self.all_fit(info, &deals, secrets.receive());
        if self.memory.holds(Digest(cores.hash()), info.digest(), all_fit) {
            return Vec::new();
        }
        let wrong = |deal: &&Arc<VerifiedDeal>| {
            let subject = Complain::subject(me, &deal.core);
            if self.memory.holds(deal.core, subject, || deal.open(info, me, secrets.receive()).is_ok()) {
                return None;
            }
            let opening = deal.open(info, me, secrets.receive()).err()?.0;
            Some((deal.dealer, deal.core, opening))
        };
        deals.iter().filter_map(wrong).collect()
    }

    fn all_fit(&self, info: &Info, deals: &[&Arc<VerifiedDeal>], receive: &SecretScalar) -> bool {
        let me = self.operator.address();
        let Some((_, player)) = info.player(me) else { return false };
        let dealings: Option<Vec<Dealing>> = deals.iter().map(|deal| deal.decrypt(info, me, receive)).collect();
        let Some(dealings) = dealings else { return false };
        let pairs = deals.iter().zip(&dealings);
        match info.h {
            None => {
                let pairs = pairs.filter_map(|(deal, dealing)| Some((deal.commitment.feldman()?, &dealing.share)));
                verify_dealings(player.index, &pairs.collect::<Vec<_>>()).is_ok()
            }
            Some(h) => {
                let hidden = pairs.filter_map(|(deal, dealing)| {
                    Some((deal.commitment.pedersen()?, (&dealing.share, dealing.blinder.as_ref()?)))
                });
                let hidden: Vec<_> = hidden.collect();
                hidden.len() == deals.len() && hiding_dealings_hold(player.index, &h, &hidden)
            }
        }
    }

    /// A dealer of QUAL opens its commitments, byte for byte the same each time.
    fn extract(&mut self, key: &KeyId, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        let Some(transcript) = self.transcript(key) else { return };
        let (info, me) = (transcript.info().clone(), *self.operator.address());
        let number = info.trigger.round();
        let on_board = transcript.extraction().has_extract(&me);
        if let Some(own) = self.journal.get(&(*key, number, Kind::Extract, Digest::ZERO)) {
            let bytes = own.bytes.clone();
            return self.post_unless(on_board, bytes, fx);
        }
        let Some(deal) = transcript.qualified().into_iter().find(|deal| deal.dealer == me) else { return };
        let Some(secrets) = self.secrets.get(&(*key, number)) else { return };
        let Some(extract) = PlainExtract::build(&info, &me, deal, secrets, rng) else { return };
        let bytes = self.envelope(*key, number, info.digest(), Kind::Extract, extract.encode()).encode();
        self.keep_record(*key, number, Kind::Extract, Digest::ZERO, bytes.clone(), fx);
        self.post_unless(on_board, bytes, fx);
    }

    /// What this node got from dealers that opened nothing becomes public, if the board shows that it may.
    fn reconstruct(&mut self, key: &KeyId, fx: &mut Effects) {
        let Some(transcript) = self.transcript(key) else { return };
        let (info, me) = (transcript.info().clone(), *self.operator.address());
        let number = info.trigger.round();
        for (dealer, bytes) in self.published(key) {
            let Some(transcript) = self.transcript(key) else { return };
            let on_board = transcript.extraction().has_published(&me, &dealer);
            let subject = Reconstruct::subject(&dealer);
            if !self.journal.contains_key(&(*key, number, Kind::Reconstruct, subject)) {
                self.keep_record(*key, number, Kind::Reconstruct, subject, bytes.clone(), fx);
            }
            self.post_unless(on_board, bytes, fx);
        }
    }

    /// The Reconstruct that this node owes for each dealer: as it was made before, or made now.
    fn published(&self, key: &KeyId) -> Vec<(Address, Vec<u8>)> {
        let Some(transcript) = self.transcript(key) else { return Vec::new() };
        let (info, me) = (transcript.info(), self.operator.address());
        let number = info.trigger.round();
        let Some(secrets) = self.secrets.get(&(*key, number)) else { return Vec::new() };
        let publish = |deal: &Arc<VerifiedDeal>| {
            let subject = Reconstruct::subject(&deal.dealer);
            if let Some(own) = self.journal.get(&(*key, number, Kind::Reconstruct, subject)) {
                return Some((deal.dealer, own.bytes.clone()));
            }
            let dealing = deal.open(info, me, secrets.receive()).ok()?;
            let body = Reconstruct::publish(deal.dealer, dealing)?.encode();
            Some((deal.dealer, self.envelope(*key, number, info.digest(), Kind::Reconstruct, body).encode()))
        };
        transcript.to_reconstruct().into_iter().filter_map(publish).collect()
    }

    fn confirm(&mut self, key: &KeyId, fx: &mut Effects) {
        let Some(transcript) = self.transcript(key) else { return };
        let number = transcript.info().trigger.round();
        let on_board = transcript.has_confirm(self.operator.address());
        if let Some(own) = self.journal.get(&(*key, number, Kind::Confirm, Digest::ZERO)) {
            let bytes = own.bytes.clone();
            self.post_unless(on_board, bytes, fx);
        }
    }

    pub(crate) fn envelope(&self, key: KeyId, round: u64, digest: Digest, kind: Kind, body: Vec<u8>) -> Envelope {
        let header = Header {
            network: *self.ledger.network(),
            key,
            round,
            digest,
            kind,
            sender: *self.operator.address(),
            recipient: Address::ZERO,
        };
        let hash = Digest(quorumkeep_curves::hash::keccak256(&body));
        Envelope::signed(header, body, &hash, self.operator.key())
    }

    pub(crate) fn keep_record(
        &mut self,
        key: KeyId,
        round: u64,
        kind: Kind,
        subject: Digest,
        bytes: Vec<u8>,
        fx: &mut Effects,
    ) {
        let record = OwnRecord { key, round, kind, subject, bytes };
        fx.batch.records.push(record.clone());
        self.journal.insert((key, round, kind, subject), record);
    }

    fn post_unless(&mut self, on_board: bool, bytes: Vec<u8>, fx: &mut Effects) {
        let (id, height) = (record_id(&bytes), self.head().height);
        if on_board {
            self.posted.remove(&id);
            return;
        }
        if self.posted.get(&id).is_none_or(|last| height >= last + REPOST_BLOCKS) {
            self.posted.insert(id, height);
            fx.posts.push(bytes);
        }
    }
}
