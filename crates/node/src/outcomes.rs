//! What a node does about what the board says: compute shares, keep, forget, serve again.

use std::sync::Arc;

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::rules;
use quorumkeep_dkg::confirm::{self, Confirm};
use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::{Digest, KeyId, VersionId};
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_dkg::transcript::{Transcript, combine_share};
use quorumkeep_sharing::Index;
use rand_core::CryptoRngCore;

use crate::effects::{Effects, Level};
use crate::node::{Kept, Node};
use crate::store::{OutputRow, ShareRow};

impl Node {
    pub(crate) fn on_ledger_event(
        &mut self,
        event: &Event,
        time_ms: u64,
        rng: &mut dyn CryptoRngCore,
        fx: &mut Effects,
    ) {
        match event {
            Event::Result(key, round) => self.on_result(key, *round, rng, fx),
            Event::Activated(key, output) => self.on_activated(key, output, time_ms, fx),
            Event::Settled(key, version) => self.on_settled(key, version, fx),
            Event::Failed(key, round, failure) => {
                fx.notice(Level::Warn, format!("round {round} failed: {failure}"));
                self.forget_round(key, *round, fx);
                self.prune(key, fx);
            }
            Event::Disagreement(_, round, other) => {
                self.halt(
                    format!("round {round}: a quorum confirmed version {other}, which this board does not give"),
                    fx,
                );
            }
            Event::Fault(culprit, kind, record) => {
                fx.notice(Level::Warn, format!("fault of {culprit}: {kind} (record {record})"));
            }
            Event::Refused(kind, reason) => fx.notice(Level::Warn, format!("a {kind:?} record was refused: {reason}")),
            Event::Config(digest) => fx.notice(Level::Info, format!("configuration {digest} is in force")),
            Event::Genesis(key) => fx.notice(Level::Info, format!("key {key} may be generated")),
            Event::App(_, id) => fx.notice(Level::Info, format!("application {id} registered")),
            Event::Opened(key, round) => fx.batch.forget_records.push((*key, *round)),
            Event::Announced(key, round) => self.on_announced(key, *round, fx),
            Event::Dealt(..) => {}
        }
        if let Event::Opened(key, round) = event {
            self.journal.retain(|(own, number, ..), _| own != key || number >= round);
            self.acks.retain(|(own, number), _| own != key || number >= round);
            self.early.retain(|(own, number, _)| own != key || number >= round);
        }
    }

    /// The last transcript phase is over: the share becomes durable, the round's secrets go, the Confirm may leave.
    fn on_result(&mut self, key: &KeyId, round: u64, rng: &mut dyn CryptoRngCore, fx: &mut Effects) {
        let Some(made) = self.make_share(key, round, rng, fx) else { return };
        let (output, share, confirm) = made;
        let (version, body) = (output.id(), confirm.encode());
        let digest = self.info_digest(key).unwrap_or_default();
        let row = ShareRow { key: *key, version, round, index: share.0.get(), share: share.1.copy() };
        fx.batch.shares.push(row);
        self.shares.insert((*key, version), Kept { share: share.1, round, fits: true });
        let envelope = self.envelope(*key, round, digest, Kind::Confirm, body);
        self.keep_record(*key, round, Kind::Confirm, Digest::ZERO, envelope.encode(), fx);
        self.forget_round(key, round, fx);
    }

    fn info_digest(&self, key: &KeyId) -> Option<Digest> {
        Some(self.transcript(key)?.info().digest())
    }

    pub(crate) fn transcript(&self, key: &KeyId) -> Option<&Transcript> {
        self.ledger.keys().get(key)?.round.as_ref()?.transcript()
    }

    fn make_share(
        &self,
        key: &KeyId,
        round: u64,
        rng: &mut dyn CryptoRngCore,
        fx: &mut Effects,
    ) -> Option<(Arc<Output>, (Index, SecretScalar), Confirm)> {
        let transcript = self.transcript(key)?;
        let (info, output) = (transcript.info(), transcript.outcome()?.as_ref().ok()?);
        let public = *output.share_of(self.operator.address())?;
        let secrets = self.secrets.get(&(*key, round))?;
        if !self.is_own_receive_key(info, secrets) {
            return None;
        }
        let share = self.open_all(transcript, secrets.receive()).and_then(|dealings| combine_share(info, &dealings));
        let Some(share) = share.filter(|share| share.mul_g2() == public.point) else {
            fx.notice(Level::Alarm, format!("round {round}: this node's share does not fit its public share"));
            return None;
        };
        let cut = transcript.cut();
        let context = confirm::proof_context(info, self.operator.address(), &output.id(), &cut);
        let nonce = secrets.root(&info.digest()).nonce("confirm", &context, rng);
        let confirm = Confirm::build(info, self.operator.address(), output, cut, &share, nonce);
        Some((output.clone(), (public.index, share), confirm))
    }

    pub(crate) fn is_own_receive_key(&self, info: &Info, secrets: &RoundSecrets) -> bool {
        info.player(self.operator.address()).is_some_and(|(_, player)| player.e1 == *secrets.receive_key())
    }

    /// This node's dealings from everyone in `D`. Each was checked when the deals were in; here only their sum is, against
    /// `Y_j`, so that one whose complaint was not heard is still found.
    fn open_all(&self, transcript: &Transcript, receive: &SecretScalar) -> Option<Vec<(Index, SecretScalar)>> {
        let (info, address) = (transcript.info(), self.operator.address());
        let open = |deal: &&Arc<quorumkeep_dkg::deal::VerifiedDeal>| {
            deal.decrypt(info, address, receive).map(|dealing| (deal.index, dealing.share))
        };
        transcript.qualified().iter().map(open).collect()
    }

    fn on_activated(&mut self, key: &KeyId, output: &Arc<Output>, time_ms: u64, fx: &mut Effects) {
        let group_key = output.group_key().to_bytes();
        match self.pins.get(key) {
            Some(pinned) if *pinned != group_key && rules::on(rules::Rule::PinnedKeyRefuses) => {
                return self.halt("the board gives another group key than the one this node has pinned".to_owned(), fx);
            }
            Some(_) => {}
            None => {
                self.pins.insert(*key, group_key);
                fx.batch.pins.push((*key, group_key));
            }
        }
        fx.batch.outputs.push(OutputRow {
            key: *key,
            version: output.id(),
            round: output.round(),
            active_height: self.head().height,
            active_ms: time_ms,
            bytes: output.encode(),
        });
        let held = if self.shares.contains_key(&(*key, output.id())) { "held" } else { "not held" };
        fx.notice(Level::Info, format!("version {} is active, its share is {held}", output.id()));
        self.forget_round(key, output.round(), fx);
        self.prune(key, fx);
    }

    fn on_settled(&mut self, key: &KeyId, version: &VersionId, fx: &mut Effects) {
        fx.notice(Level::Info, format!("version {version} is settled"));
        let over =
            self.suspension.as_ref().is_some_and(|suspension| self.all_settled_after(suspension.until_round_after));
        if over && !self.is_halted() {
            self.suspension = None;
            fx.batch.suspension = Some(None);
            fx.notice(Level::Warn, "a newer version is settled: this node serves again".to_owned());
        }
        self.prune(key, fx);
    }

    /// Is the newest settled version of every key younger than this round?
    fn all_settled_after(&self, round: u64) -> bool {
        let mut keys = self.ledger.keys().values().filter(|state| state.versions.active.is_some());
        keys.all(|state| state.versions.settled.as_ref().is_some_and(|output| output.round() > round))
    }

    /// What somebody should look at when the players and the source are fixed.
    fn on_announced(&self, key: &KeyId, round: u64, fx: &mut Effects) {
        let Some(info) = self.transcript(key).map(Transcript::info) else { return };
        let (players, n) = (info.players.len(), info.trigger.config.n());
        if players < n {
            fx.notice(Level::Warn, format!("round {round}: only {players} of {n} operators take part"));
        }
        let versions = self.ledger.keys().get(key).map(|state| &state.versions);
        let Some((versions, source)) = versions.zip(info.source.as_ref()) else { return };
        if versions.active.as_ref() != Some(source) {
            let text =
                format!("round {round}: the newest version cannot be handed on; the older settled one is the source");
            fx.notice(Level::Alarm, text);
        }
        if versions.active != versions.settled {
            fx.notice(Level::Warn, format!("round {round}: the newest active version is not settled"));
        }
    }

    fn forget_round(&mut self, key: &KeyId, round: u64, fx: &mut Effects) {
        let had = self.secrets.keys().any(|(own, number)| own == key && *number <= round);
        self.secrets.retain(|(own, number), _| own != key || *number > round);
        if had {
            fx.batch.forget_secrets.push((*key, round));
        }
    }

    /// Deletes every share but those of the newest settled and the newest active version, and of the running candidate.
    ///
    /// A board that does not know the key which this node has pinned is not the board of its network, or not yet read to
    /// the end: nothing is deleted on its word, and never a share of a round that it has not come to.
    fn prune(&mut self, key: &KeyId, fx: &mut Effects) {
        let Some(state) = self.ledger.keys().get(key) else { return };
        if state.versions.active.is_none() && self.pins.contains_key(key) {
            return;
        }
        let mut keep: Vec<VersionId> = state.versions.kept().iter().map(|output| output.id()).collect();
        let candidate = state.round.as_ref().and_then(|round| round.transcript());
        keep.extend(candidate.and_then(|t| Some(t.outcome()?.as_ref().ok()?.id())));
        let (before, height) = (self.shares.len(), self.head().height);
        self.shares.retain(|(own, version), kept| own != key || keep.contains(version) || kept.round > height);
        if self.shares.len() < before {
            // The list itself is written when the whole batch is known.
            fx.batch.keep_shares.push((*key, Vec::new()));
        }
    }
}
