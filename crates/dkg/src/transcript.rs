//! The records of one round after its Announce window, and the result as a pure function of them.
//!
//! ```text
//! (h_announce, h_deal]      first Deal of each dealer counts, even if its content is invalid
//! (h_deal, h_complain]      first Complain of each player per (dealer, core) counts
//!   Pedersen generation only:
//! (h_complain, h_extract]   first Extract of each qualified dealer counts, even if it is invalid
//! (h_extract, h_reconstruct] first Reconstruct of each player per dealer without a valid Extract counts
//! h_cut                     outcome: D, the public polynomial, all public shares, the version id; or Failed
//! (h_cut, h_confirm]        first Confirm of each player counts
//! h_confirm                 active with t valid Confirms (a generation: t + b); or Failed
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::rules;
use quorumkeep_sharing::{Commitment, Index, lagrange};

use crate::block::BlockRef;
use crate::complain::Complain;
use crate::config::Protocol;
use crate::confirm::Confirm;
use crate::deal::{DealFault, RawDeal, VerifiedDeal};
use crate::envelope::Kind;
use crate::extraction::Extraction;
use crate::ids::{Address, Digest};
use crate::info::{Info, RoundKind};
use crate::memory::Memory;
use crate::output::{Output, Parts, PublicShare};
use crate::records::SignedRecord;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It counts.
    Valid,
    /// It does not count, and nobody is to blame: a repeat, early, late, or for another round.
    Skip(&'static str),
    /// Its sender is to blame.
    Fault(FaultKind),
}

/// What somebody did wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Two Deals with different cores in one round.
    #[error("two different deals in one round")]
    Equivocation,
    /// A Deal that counts as never posted.
    #[error("invalid deal: {0}")]
    Deal(DealFault),
    /// A dealing that its player showed to be wrong.
    #[error("a wrong dealing")]
    Dealing,
    /// A complaint about a dealing that is right.
    #[error("a false complaint")]
    FalseComplaint,
    /// An Extract that is not what its dealer committed to.
    #[error("an invalid extraction")]
    Extract,
    /// A published dealing that does not fit the commitments.
    #[error("a wrong dealing was published")]
    Reconstruct,
    /// A Confirm without the share, of another version or of another board.
    #[error("an invalid confirmation")]
    Confirm,
    /// A record whose body is not what its kind says.
    #[error("a malformed record")]
    Malformed,
}

/// Why a round ended without a version. Nobody erases anything but the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Too few players announced.
    #[error("only {found} players announced, {needed} are needed")]
    TooFewPlayers {
        /// How many announced.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// No version has enough holders that announced.
    #[error("too few holders of any version announced")]
    NoSource,
    /// Too few dealers are left.
    #[error("only {found} dealers are left, {needed} are needed")]
    TooFewDealers {
        /// How many are left.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Too few dealers opened their commitments: nothing is reconstructed.
    #[error("only {found} dealers opened their commitments, {needed} are needed")]
    TooFewExtracts {
        /// How many did.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Too few published what they got from a dealer that opened nothing.
    #[error("only {found} dealings of dealer {dealer} were published, {needed} are needed")]
    Reconstruct {
        /// The dealer's index.
        dealer: Index,
        /// How many were published and fit.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The interpolated constant is not the pinned group key.
    #[error("the result is not the pinned group key")]
    WrongGroupKey,
    /// Too few players confirmed.
    #[error("only {found} players confirmed, {needed} are needed")]
    TooFewConfirms {
        /// How many confirmed.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// The Deal of one dealer that counts.
#[derive(Debug, Clone)]
pub struct CountedDeal {
    /// The record.
    pub id: Digest,
    /// Its core, if it could be read.
    pub core: Option<Digest>,
    /// The deal, or why it counts as never posted.
    pub deal: Result<Arc<VerifiedDeal>, DealFault>,
}

/// The records of one round.
#[derive(Clone)]
pub struct Transcript {
    info: Arc<Info>,
    deals: BTreeMap<Address, CountedDeal>,
    complaints: BTreeMap<(Address, Digest), bool>,
    accused: BTreeMap<Address, Digest>,
    extraction: Extraction,
    confirms: BTreeMap<Address, bool>,
    cut: BlockRef,
    outcome: Option<Result<Arc<Output>, Failure>>,
}

impl Transcript {
    /// An empty transcript.
    #[must_use]
    pub fn new(info: Arc<Info>) -> Self {
        Self {
            info,
            deals: BTreeMap::new(),
            complaints: BTreeMap::new(),
            accused: BTreeMap::new(),
            extraction: Extraction::default(),
            confirms: BTreeMap::new(),
            cut: BlockRef::default(),
            outcome: None,
        }
    }

    /// What the round is about.
    #[must_use]
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// The deals that count.
    #[must_use]
    pub fn deals(&self) -> &BTreeMap<Address, CountedDeal> {
        &self.deals
    }

    /// The result, once the last transcript phase is over.
    #[must_use]
    pub fn outcome(&self) -> Option<&Result<Arc<Output>, Failure>> {
        self.outcome.as_ref()
    }

    /// The head at the last block of the last transcript phase.
    #[must_use]
    pub fn cut(&self) -> BlockRef {
        self.cut
    }

    /// Phase 4 of a Pedersen generation.
    #[must_use]
    pub fn extraction(&self) -> &Extraction {
        &self.extraction
    }

    /// The dealers whose dealings are to be published.
    #[must_use]
    pub fn to_reconstruct(&self) -> Vec<&Arc<VerifiedDeal>> {
        self.extraction.to_reconstruct(&self.info, &self.qualified())
    }

    /// Has this operator's Confirm counted?
    #[must_use]
    pub fn has_confirm(&self, sender: &Address) -> bool {
        self.confirms.contains_key(sender)
    }

    /// Has this operator complained about this deal?
    #[must_use]
    pub fn has_complaint(&self, sender: &Address, subject: &Digest) -> bool {
        self.complaints.contains_key(&(*sender, *subject))
    }

    /// Does a Deal count at this height?
    #[must_use]
    pub fn takes_deals(&self, height: u64) -> bool {
        let deadlines = self.info.trigger.deadlines();
        height > deadlines.announce && height <= deadlines.deal
    }

    /// Takes one record at its height.
    pub fn record(&mut self, height: u64, record: &SignedRecord, memory: &Memory) -> Verdict {
        let header = &record.envelope().header;
        if header.digest != self.info.digest() || header.round != self.info.trigger.round() {
            return Verdict::Skip("another round");
        }
        let deadlines = self.info.trigger.deadlines();
        let within = |from: u64, to: u64| height > from && height <= to;
        match header.kind {
            Kind::Deal if within(deadlines.announce, deadlines.deal) => self.record_deal(record, memory),
            Kind::Complain if within(deadlines.deal, deadlines.complain) => self.record_complaint(record, memory),
            Kind::Extract if within(deadlines.complain, deadlines.extract) => self.record_extract(record, memory),
            Kind::Reconstruct if within(deadlines.extract, deadlines.reconstruct) => {
                self.record_reconstruct(record, memory)
            }
            Kind::Confirm if within(deadlines.reconstruct, deadlines.confirm) => self.record_confirm(record, memory),
            _ => Verdict::Skip("not the phase for it"),
        }
    }

    fn record_deal(&mut self, record: &SignedRecord, memory: &Memory) -> Verdict {
        let (info, sender, id) = (self.info.clone(), record.envelope().header.sender, record.id());
        if info.dealer(&sender).is_none() {
            return Verdict::Skip("not a dealer");
        }
        let known = memory.known_deal(id, info.digest());
        // A deal that is known to be valid is not decoded again for its core.
        let raw = known.is_none().then(|| RawDeal::decode(&record.envelope().body));
        let core = match (&known, &raw) {
            (Some(deal), _) => Some(deal.core),
            (None, Some(Ok(raw))) => Some(raw.core(&info.digest(), &sender)),
            _ => None,
        };
        if let Some(counted) = self.deals.get(&sender) {
            if counted.core == core {
                return Verdict::Skip("a repeat");
            }
            if rules::on(rules::Rule::FirstCounts) {
                return Verdict::Fault(FaultKind::Equivocation);
            }
        }
        let verify = || {
            let raw = raw.unwrap_or_else(|| RawDeal::decode(&record.envelope().body));
            raw.map_err(DealFault::Decode)?.verify(&info, &sender)
        };
        let deal = known.map_or_else(|| memory.deal(id, info.digest(), verify), Ok);
        let verdict = deal.as_ref().err().map_or(Verdict::Valid, |fault| Verdict::Fault(FaultKind::Deal(*fault)));
        self.deals.insert(sender, CountedDeal { id, core, deal });
        verdict
    }

    fn record_complaint(&mut self, record: &SignedRecord, memory: &Memory) -> Verdict {
        let sender = record.envelope().header.sender;
        if self.info.player(&sender).is_none() {
            return Verdict::Skip("not a player");
        }
        let Ok(complain) = Complain::decode(&record.envelope().body) else {
            return Verdict::Fault(FaultKind::Malformed);
        };
        let subject = Complain::subject(&complain.dealer, &complain.core);
        if self.complaints.contains_key(&(sender, subject)) {
            return Verdict::Skip("a repeat");
        }
        // Only about Deals that are otherwise valid; never about one that came only peer to peer.
        let Some(CountedDeal { id, deal: Ok(deal), .. }) = self.deals.get(&complain.dealer) else {
            return Verdict::Skip("there is no such valid deal");
        };
        if deal.core != complain.core {
            return Verdict::Skip("about another deal");
        }
        let valid = memory.holds(record.id(), *id, || complain.is_valid(&self.info, &sender, deal));
        self.complaints.insert((sender, subject), valid);
        if !valid {
            return Verdict::Fault(FaultKind::FalseComplaint);
        }
        self.accused.insert(complain.dealer, record.id());
        Verdict::Valid
    }

    fn record_extract(&mut self, record: &SignedRecord, memory: &Memory) -> Verdict {
        let sender = record.envelope().header.sender;
        let deal = self.qualified().into_iter().find(|deal| deal.dealer == sender).cloned();
        self.extraction.record_extract(&self.info, record, deal.as_ref(), memory)
    }

    fn record_reconstruct(&mut self, record: &SignedRecord, memory: &Memory) -> Verdict {
        let qualified: Vec<Arc<VerifiedDeal>> = self.qualified().into_iter().cloned().collect();
        let qualified: Vec<&Arc<VerifiedDeal>> = qualified.iter().collect();
        self.extraction.record_reconstruct(&self.info, record, &qualified, memory)
    }

    fn record_confirm(&mut self, record: &SignedRecord, memory: &Memory) -> Verdict {
        let sender = record.envelope().header.sender;
        let Some(Ok(output)) = &self.outcome else { return Verdict::Skip("there is nothing to confirm") };
        if output.share_of(&sender).is_none() {
            return Verdict::Skip("not a player");
        }
        if self.confirms.contains_key(&sender) {
            return Verdict::Skip("a repeat");
        }
        // What a Confirm is worth depends on the board's cut, too: two boards may give one version.
        let context = Writer::raw().fixed(&output.id().0).u64(self.cut.height).fixed(&self.cut.hash.0).hash();
        let check = || {
            let confirm = Confirm::decode(&record.envelope().body).ok()?;
            Some((confirm.version, confirm.is_valid(&self.info, &sender, output, &self.cut)))
        };
        // One that cannot be read uses up the slot like any other invalid one.
        let valid = memory.vote(record.id(), Digest(context), check).is_some_and(|(_, valid)| valid);
        self.confirms.insert(sender, valid);
        if valid { Verdict::Valid } else { Verdict::Fault(FaultKind::Confirm) }
    }

    /// Ends the last transcript phase at `cut` and computes the result.
    pub fn close(&mut self, cut: BlockRef, memory: &Memory) -> &Result<Arc<Output>, Failure> {
        self.cut = cut;
        let outcome = self.compute(memory);
        self.outcome.insert(outcome)
    }

    /// Dealers that a valid complaint put out, with the record of the complaint.
    #[must_use]
    pub fn accused(&self) -> &BTreeMap<Address, Digest> {
        &self.accused
    }

    /// `D` (reshare) or `QUAL` (DKG): all dealers whose deal is valid and not validly complained of, by index.
    #[must_use]
    pub fn qualified(&self) -> Vec<&Arc<VerifiedDeal>> {
        let innocent =
            |dealer: &Address| !self.accused.contains_key(dealer) || !rules::on(rules::Rule::ComplaintsCount);
        let valid = |dealer: &crate::info::Dealer| {
            let deal = self.deals.get(&dealer.address)?.deal.as_ref().ok()?;
            innocent(&dealer.address).then_some(deal)
        };
        self.info.dealers.iter().filter_map(valid).collect()
    }

    fn compute(&self, memory: &Memory) -> Result<Arc<Output>, Failure> {
        let (info, deals) = (&self.info, self.qualified());
        let (found, needed) = (deals.len(), info.dealers_needed());
        if found < needed {
            return Err(Failure::TooFewDealers { found, needed });
        }
        let cores = deals.iter().fold(Writer::raw().list(found), |writer, deal| writer.fixed(&deal.core.0));
        let (opened, reconstructed) = match info.protocol {
            Protocol::Feldman => (Vec::new(), Vec::new()),
            Protocol::Pedersen => self.extraction.commitments(info, &deals)?,
        };
        let cores = reconstructed.iter().fold(cores.list(reconstructed.len()), |writer, index| writer.u16(index.get()));
        let compute = || Some(output(info, &deals, combine(info, &deals, &opened)?, reconstructed));
        let output = memory.output(Digest(cores.hash()), info.digest(), compute).ok_or(Failure::WrongGroupKey)?;
        let pinned = info.source.as_ref().map(|source| *source.group_key());
        if pinned.is_some_and(|pinned| pinned != *output.group_key()) || output.group_key().is_identity() {
            return Err(Failure::WrongGroupKey);
        }
        Ok(output)
    }

    /// A reshare needs `t`. A generation needs `t + b`: there is no older version to fall back on, and of `t` that only
    /// say that they hold it, `b` may be liars.
    fn confirms_needed(&self, output: &Output) -> usize {
        match self.info.trigger.kind {
            RoundKind::Genesis => output.settle_count(),
            RoundKind::Reshare => usize::from(output.threshold().get()),
        }
    }

    /// How many distinct players proved their share of the result.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.confirms.values().filter(|valid| **valid).count()
    }

    /// Ends the round: active with at least `t` valid Confirms.
    ///
    /// # Errors
    /// Why there is no new version; the candidate is erased.
    pub fn finish(&self) -> Result<Arc<Output>, Failure> {
        let output = match &self.outcome {
            Some(Ok(output)) => output.clone(),
            Some(Err(failure)) => return Err(*failure),
            None => return Err(Failure::NoSource),
        };
        let (found, needed) = (self.confirmed(), self.confirms_needed(&output));
        if found < needed { Err(Failure::TooFewConfirms { found, needed }) } else { Ok(output) }
    }
}

/// DKG: `A = sum C_i` over QUAL, or `sum A_i` where commitments hide. Reshare: `A = sum lambda_i C_i`, Lagrange at 0 over
/// `D`.
fn combine(info: &Info, deals: &[&Arc<VerifiedDeal>], opened: &[Arc<Commitment>]) -> Option<Commitment> {
    let feldman = deals.iter().filter_map(|deal| Some((deal.index, deal.commitment.feldman()?)));
    match (info.trigger.kind, info.protocol) {
        (RoundKind::Genesis, Protocol::Pedersen) => {
            Commitment::sum(&opened.iter().map(Arc::as_ref).collect::<Vec<_>>())
        }
        (RoundKind::Genesis, Protocol::Feldman) => {
            Commitment::sum(&feldman.map(|(_, points)| points).collect::<Vec<_>>())
        }
        (RoundKind::Reshare, _) => lagrange::interpolate_commitments(&feldman.collect::<Vec<_>>()),
    }
    .ok()
}

fn output(info: &Info, deals: &[&Arc<VerifiedDeal>], commitment: Commitment, reconstructed: Vec<Index>) -> Output {
    let indices: Vec<Index> = info.players.iter().map(|player| player.index).collect();
    let points = commitment.evaluate_all(&indices);
    let shares = info.players.iter().zip(points);
    let shares = shares.map(|(player, point)| PublicShare { index: player.index, address: player.address, point });
    Output::new(Parts {
        network: info.trigger.network,
        key: info.trigger.key,
        round: info.trigger.round(),
        info_digest: info.digest(),
        settle_margin: info.trigger.config.settle_margin,
        threshold: info.threshold,
        cores: deals.iter().map(|deal| (deal.index, deal.core)).collect(),
        reconstructed,
        commitment,
        shares: shares.collect(),
    })
}

/// A player's share of the result: `sum s_ij` over QUAL, or `sum lambda_i s_ij` over `D`.
#[must_use]
pub fn combine_share(
    info: &Info,
    dealings: &[(Index, quorumkeep_curves::bls::SecretScalar)],
) -> Option<quorumkeep_curves::bls::SecretScalar> {
    match info.trigger.kind {
        RoundKind::Genesis => {
            let mut all = dealings.iter().map(|(_, dealing)| dealing);
            let first = all.next()?.copy();
            Some(all.fold(first, |sum, dealing| sum.add(dealing)))
        }
        RoundKind::Reshare => {
            let all: Vec<_> = dealings.iter().map(|(index, dealing)| (*index, dealing)).collect();
            lagrange::interpolate_secret(&all).ok()
        }
    }
}

/// A round's result as a pure function of the board: `outcome(info, records)`, with the height of each record and the
/// head at the last transcript block.
///
/// # Errors
/// [`Failure`], the same for everybody who reads the same records.
pub fn outcome(
    info: Arc<Info>,
    records: &[(u64, SignedRecord)],
    cut: BlockRef,
    memory: &Memory,
) -> Result<Arc<Output>, Failure> {
    let mut transcript = Transcript::new(info);
    for (height, record) in records {
        // What does not count, and whose fault that is, changes nothing for the result.
        let _ = transcript.record(*height, record, memory);
    }
    transcript.close(cut, memory).clone()
}
