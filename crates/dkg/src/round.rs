//! One attempt of DKG or reshare: the Announce window, what follows from it, and the transcript after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::{bn254, rules};
use quorumkeep_sharing::Threshold;

use crate::announce::Announce;
use crate::confirm::Confirm;
use crate::envelope::Kind;
use crate::ids::{Address, Digest, VersionId};
use crate::info::{Dealer, Info, Player, RoundKind, Trigger};
use crate::memory::Memory;
use crate::output::Output;
use crate::records::SignedRecord;
use crate::transcript::{Failure, FaultKind, Transcript, Verdict};

/// The versions of a key that a round may start from.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// The newest active version.
    pub active: Option<Arc<Output>>,
    /// The newest settled version.
    pub settled: Option<Arc<Output>>,
    /// The source of the round before, if that Failed with `|D| < t_source`.
    pub short: Option<VersionId>,
}

impl Versions {
    /// The versions whose shares a node keeps, announces and serves: the newest settled and the newest active.
    #[must_use]
    pub fn kept(&self) -> Vec<Arc<Output>> {
        let mut kept: Vec<Arc<Output>> = self.active.iter().cloned().collect();
        kept.extend(self.settled.iter().filter(|settled| !kept.contains(settled)).cloned().collect::<Vec<_>>());
        kept
    }

    /// In what order a reshare tries them: the newest active first, unless the round before came up short of dealers
    /// from it. [a liar who complains about his own dealing keeps an unusable version the source for ever]
    fn sources(&self) -> Vec<Arc<Output>> {
        let mut sources = self.kept();
        let first_was_short = sources.first().map(|first| first.id()) == self.short && self.short.is_some();
        if first_was_short && rules::on(rules::Rule::AlternateSource) {
            sources.reverse();
        }
        sources
    }

    fn is_known(&self, version: &VersionId) -> bool {
        self.kept().iter().any(|output| output.id() == *version)
    }
}

/// What a block's phase asks of the participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Records of phase 1 count.
    Announce,
    /// Records of phase 2 count.
    Deal,
    /// Records of phase 3 count.
    Complain,
    /// Records of phase 4 count: what dealers committed to, opened.
    Extract,
    /// Records of phase 4 count: dealings of those that opened nothing.
    Reconstruct,
    /// Records of phase 5 count.
    Confirm,
}

#[derive(Debug, Clone)]
struct Announced {
    id: Digest,
    announce: Arc<Announce>,
    /// The kept versions whose share it proves.
    proves: Vec<VersionId>,
}

/// A running round.
#[derive(Clone)]
pub struct Round {
    trigger: Trigger,
    trigger_digest: Digest,
    announces: BTreeMap<Address, Vec<Announced>>,
    transcript: Option<Transcript>,
    failure: Option<Failure>,
    /// The version that each operator's first Confirm names, whatever it rests on.
    votes: BTreeMap<Address, VersionId>,
}

impl Round {
    /// A round that begins at the trigger's block.
    #[must_use]
    pub fn open(trigger: Trigger) -> Self {
        let trigger_digest = trigger.digest();
        let (announces, votes) = (BTreeMap::new(), BTreeMap::new());
        Self { trigger, trigger_digest, announces, transcript: None, failure: None, votes }
    }

    /// The start.
    #[must_use]
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// What an Announce signs.
    #[must_use]
    pub fn trigger_digest(&self) -> Digest {
        self.trigger_digest
    }

    /// Deals, complaints and confirms, once the Announce window is closed and the round goes on.
    #[must_use]
    pub fn transcript(&self) -> Option<&Transcript> {
        self.transcript.as_ref()
    }

    /// Why the round is already known to fail.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The phase in which a record counts that is included at `height`; none before and after the round.
    #[must_use]
    pub fn phase_at(&self, height: u64) -> Option<Phase> {
        let deadlines = self.trigger.deadlines();
        match height {
            h if h <= self.trigger.round() || h > deadlines.confirm => None,
            h if h <= deadlines.announce => Some(Phase::Announce),
            h if h <= deadlines.deal => Some(Phase::Deal),
            h if h <= deadlines.complain => Some(Phase::Complain),
            h if h <= deadlines.extract => Some(Phase::Extract),
            h if h <= deadlines.reconstruct => Some(Phase::Reconstruct),
            _ => Some(Phase::Confirm),
        }
    }

    /// The records of an operator's Announces, in the order of the board.
    pub fn announces_of(&self, sender: &Address) -> impl Iterator<Item = Digest> {
        self.announces.get(sender).into_iter().flatten().map(|announced| announced.id)
    }

    /// The operators that announced.
    pub fn announced(&self) -> impl Iterator<Item = &Address> {
        self.announces.keys()
    }

    /// Takes one record at its height.
    pub fn record(&mut self, height: u64, record: &SignedRecord, versions: &Versions, memory: &Memory) -> Verdict {
        let (phase, kind) = (self.phase_at(height), record.envelope().header.kind);
        if (phase, kind) == (Some(Phase::Confirm), Kind::Confirm) {
            self.note_vote(record, memory);
        }
        match (phase, kind) {
            (Some(Phase::Announce), Kind::Announce) => self.record_announce(record, versions, memory),
            (Some(_), kind) if kind.is_of_transcript() => match &mut self.transcript {
                Some(transcript) => transcript.record(height, record, memory),
                None => Verdict::Skip("the round has no players"),
            },
            _ => Verdict::Skip("not the phase for it"),
        }
    }

    fn note_vote(&mut self, record: &SignedRecord, memory: &Memory) {
        let sender = record.envelope().header.sender;
        let vote = || Confirm::decode(&record.envelope().body).ok().map(|confirm| (confirm.version, true));
        if self.trigger.config.member(&sender).is_none() || self.votes.contains_key(&sender) {
            return;
        }
        if let Some((version, _)) = memory.vote(record.id(), self.trigger_digest, vote) {
            self.votes.insert(sender, version);
        }
    }

    /// Another version that at least `t` operators confirm: whoever sees this is on another board than they are, or
    /// computes something else. That it may rest on another `info_digest` makes it no less so.
    #[must_use]
    pub fn disagreement(&self) -> Option<VersionId> {
        let outcome = self.transcript.as_ref().and_then(Transcript::outcome);
        let own = outcome.and_then(|outcome| outcome.as_ref().ok()).map(|output| output.id());
        let mut counts: BTreeMap<VersionId, usize> = BTreeMap::new();
        for version in self.votes.values().filter(|version| Some(**version) != own) {
            *counts.entry(*version).or_default() += 1;
        }
        let needed = usize::from(self.trigger.config.threshold.get());
        counts.into_iter().find(|(_, count)| *count >= needed).map(|(version, _)| version)
    }

    fn record_announce(&mut self, record: &SignedRecord, versions: &Versions, memory: &Memory) -> Verdict {
        let header = &record.envelope().header;
        let sender = header.sender;
        if header.digest != self.trigger_digest {
            return Verdict::Skip("another trigger");
        }
        let holds_some = versions.kept().iter().any(|output| output.share_of(&sender).is_some());
        if self.trigger.config.member(&sender).is_none() && !holds_some {
            return Verdict::Skip("neither on the roster nor a holder");
        }
        let digest = self.trigger_digest;
        let check = || {
            let announce = Announce::decode(&record.envelope().body).ok()?;
            let well_made = announce.receive.is_none() || announce.has_valid_receive_key(&digest, &sender);
            well_made.then_some(announce)
        };
        let Some(announce) = memory.announce(record.id(), digest, check) else {
            return Verdict::Fault(FaultKind::Malformed);
        };
        let mut announced = Announced { id: record.id(), announce, proves: Vec::new() };
        let proven = |output: &Arc<Output>| self.proves(&sender, &announced, output, memory).then_some(output.id());
        announced.proves = versions.kept().iter().filter_map(proven).collect();
        let claims = announced.announce.held.iter().any(|held| versions.is_known(&held.version));
        if announced.proves.is_empty() && claims {
            return Verdict::Fault(FaultKind::Malformed);
        }
        self.keep_announce(sender, announced)
    }

    /// Of one sender the first Announce for each set of proven versions is kept, and the first that proves none: all
    /// that can ever count. A thief who posts many cannot crowd the holder out.
    fn keep_announce(&mut self, sender: Address, announced: Announced) -> Verdict {
        let kept = self.announces.entry(sender).or_default();
        if kept.iter().any(|other| other.proves == announced.proves) {
            return Verdict::Skip("a repeat");
        }
        kept.push(announced);
        Verdict::Valid
    }

    /// Does this Announce prove the sender's share of `output`? Asked once per record and version.
    fn proves(&self, sender: &Address, announced: &Announced, output: &Output, memory: &Memory) -> bool {
        let context = Digest(output.id().0);
        memory.holds(announced.id, context, || announced.announce.proves(&self.trigger_digest, sender, output))
    }

    /// Of one sender's Announces the first that proves a share of a settled or the newest active version counts; only if
    /// there is none, his first `rejoin`. [a stolen identity would otherwise become the player]
    fn counting<'a>(
        &'a self,
        sender: &Address,
        list: &'a [Announced],
        versions: &Versions,
        memory: &Memory,
    ) -> Option<&'a Announced> {
        if !rules::on(rules::Rule::ProofBeatsRejoin) {
            return list.first();
        }
        let kept = versions.kept();
        let proving = |announced: &&Announced| kept.iter().any(|output| self.proves(sender, announced, output, memory));
        let rejoin =
            |announced: &&Announced| announced.announce.held.iter().all(|held| !versions.is_known(&held.version));
        list.iter().find(proving).or_else(|| list.iter().find(rejoin))
    }

    fn all_counting(&self, versions: &Versions, memory: &Memory) -> Vec<(Address, Announced)> {
        let announces = self.announces.iter();
        announces
            .filter_map(|(sender, list)| Some((*sender, self.counting(sender, list, versions, memory)?.clone())))
            .collect()
    }

    /// How many operators prove their share of `output` in this Announce window.
    #[must_use]
    pub fn provers(&self, output: &Output, versions: &Versions, memory: &Memory) -> usize {
        let counting = self.all_counting(versions, memory);
        counting.iter().filter(|(sender, announced)| self.proves(sender, announced, output, memory)).count()
    }

    /// Ends the Announce window: players, dealers, source, `info_digest`.
    pub fn close_announce(&mut self, versions: &Versions, players_min: usize, memory: &Memory) {
        let counting = self.all_counting(versions, memory);
        let holders = |output: &Output| -> Vec<Address> {
            let proves = |(sender, announced): &&(Address, Announced)| self.proves(sender, announced, output, memory);
            counting.iter().filter(proves).map(|(sender, _)| *sender).collect()
        };
        match self.fix_info(&counting, versions, players_min, holders) {
            Ok(info) => self.transcript = Some(Transcript::new(Arc::new(info))),
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn fix_info(
        &self,
        counting: &[(Address, Announced)],
        versions: &Versions,
        players_min: usize,
        holders: impl Fn(&Output) -> Vec<Address>,
    ) -> Result<Info, Failure> {
        let players = self.players(counting);
        let config = &self.trigger.config;
        let threshold = if rules::on(rules::Rule::FixedThreshold) {
            config.threshold
        } else {
            shrunken_threshold(players.len(), config.threshold)
        };
        let needed = players_min.max(usize::from(threshold.get()));
        if players.len() < needed {
            return Err(Failure::TooFewPlayers { found: players.len(), needed });
        }
        let (dealers, source) = match self.trigger.kind {
            RoundKind::Genesis => (players.iter().map(Dealer::of_player).collect(), None),
            RoundKind::Reshare => {
                let enough = |source: &Arc<Output>| holders(source).len() >= usize::from(source.threshold().get());
                let source = versions.sources().into_iter().find(enough).ok_or(Failure::NoSource)?;
                (self.dealers(&source, &holders(&source), counting), Some(source))
            }
        };
        let ids = counting.iter().fold(Writer::raw().list(counting.len()), |w, (_, a)| w.fixed(&a.id.0));
        let nonces = nonces(&players, counting);
        Ok(Info::new(self.trigger.clone(), threshold, players, dealers, source, (Digest(ids.hash()), &nonces)))
    }

    /// Members of the roster whose counting Announce has a receive key, ascending by index.
    fn players(&self, counting: &[(Address, Announced)]) -> Vec<Player> {
        let player = |member: &crate::config::Member| {
            let (_, announced) = counting.iter().find(|(sender, _)| *sender == member.address)?;
            let receive = announced.announce.receive.as_ref()?;
            Some(Player {
                index: member.index,
                address: member.address,
                key: member.key.clone(),
                e1: receive.e1,
                e2: receive.e2,
            })
        };
        self.trigger.config.roster.iter().filter_map(player).collect()
    }

    /// All announced holders of the source, never "the first t", ascending by index.
    fn dealers(&self, source: &Output, holders: &[Address], counting: &[(Address, Announced)]) -> Vec<Dealer> {
        let dealer = |share: &crate::output::PublicShare| {
            let announced = counting.iter().any(|(sender, _)| *sender == share.address);
            (announced && holders.contains(&share.address)).then_some(Dealer {
                index: share.index,
                address: share.address,
                constant: Some(share.point),
            })
        };
        source.shares().iter().filter_map(dealer).collect()
    }

    /// Ends the last transcript phase.
    pub fn close_transcript(&mut self, cut: crate::block::BlockRef, memory: &Memory) -> Result<Arc<Output>, Failure> {
        match &mut self.transcript {
            Some(transcript) => transcript.close(cut, memory).clone(),
            None => Err(self.failure.unwrap_or(Failure::NoSource)),
        }
    }

    /// Ends the round.
    ///
    /// # Errors
    /// Why there is no new version.
    pub fn finish(&self) -> Result<Arc<Output>, Failure> {
        match &self.transcript {
            Some(transcript) => transcript.finish(),
            None => Err(self.failure.unwrap_or(Failure::NoSource)),
        }
    }
}

impl Dealer {
    fn of_player(player: &Player) -> Self {
        Self { index: player.index, address: player.address, constant: None }
    }
}

/// The players' parts of the coin flip, in their order.
fn nonces(players: &[Player], counting: &[(Address, Announced)]) -> Vec<[u8; 32]> {
    let announced = |player: &Player| counting.iter().find(|(sender, _)| *sender == player.address);
    players.iter().filter_map(|player| Some(announced(player)?.1.announce.nonce)).collect()
}

/// What the threshold would be if it came from who showed up: the defence `FixedThreshold` is against this.
fn shrunken_threshold(players: usize, fallback: Threshold) -> Threshold {
    let n = u16::try_from(players.max(2)).unwrap_or(u16::MAX);
    Threshold::default_for(n).unwrap_or(fallback)
}

/// The BN254 keys of every operator that was ever on a roster: a leaving operator still deals.
pub(crate) type Operators = BTreeMap<Address, bn254::PublicKey>;
