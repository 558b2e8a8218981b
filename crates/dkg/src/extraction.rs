//! What phase 4 of a Pedersen generation found: every qualified dealer's `A_0..A_{t-1}`, opened or reconstructed.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorumkeep_curves::bls::{Scalar, SecretScalar};
use quorumkeep_curves::rules;
use quorumkeep_sharing::{Commitment, Index, Polynomial, lagrange};

use crate::deal::VerifiedDeal;
use crate::extract::Extract;
use crate::ids::Address;
use crate::info::Info;
use crate::memory::Memory;
use crate::reconstruct::Reconstruct;
use crate::records::SignedRecord;
use crate::transcript::{Failure, FaultKind, Verdict};

/// The records of phase 4.
#[derive(Clone, Default)]
pub struct Extraction {
    /// The first Extract of each dealer; None if it is invalid.
    extracts: BTreeMap<Address, Option<Arc<Commitment>>>,
    /// The first Reconstruct of each player per dealer; None if it is invalid.
    published: BTreeMap<Address, BTreeMap<Address, Option<(Index, Scalar)>>>,
}

impl Extraction {
    /// Has this dealer's Extract counted?
    #[must_use]
    pub fn has_extract(&self, dealer: &Address) -> bool {
        self.extracts.contains_key(dealer)
    }

    /// Has this player's dealing from `dealer` counted?
    #[must_use]
    pub fn has_published(&self, player: &Address, dealer: &Address) -> bool {
        self.published.get(dealer).is_some_and(|players| players.contains_key(player))
    }

    /// What this dealer's Extract opened, if it is valid.
    #[must_use]
    pub fn opened(&self, dealer: &Address) -> Option<&Arc<Commitment>> {
        self.extracts.get(dealer)?.as_ref()
    }

    /// The dealers of QUAL without a valid Extract, if they may be reconstructed: at least `t` others opened theirs.
    #[must_use]
    pub fn to_reconstruct<'a>(&self, info: &Info, qualified: &[&'a Arc<VerifiedDeal>]) -> Vec<&'a Arc<VerifiedDeal>> {
        let missing = qualified.iter().filter(|deal| self.opened(&deal.dealer).is_none()).copied();
        if self.is_open(info, qualified) { missing.collect() } else { Vec::new() }
    }

    fn is_open(&self, info: &Info, qualified: &[&Arc<VerifiedDeal>]) -> bool {
        self.count(qualified) >= usize::from(info.threshold.get()) || !rules::on(rules::Rule::GuardedReconstruct)
    }

    fn count(&self, qualified: &[&Arc<VerifiedDeal>]) -> usize {
        qualified.iter().filter(|deal| self.opened(&deal.dealer).is_some()).count()
    }

    /// Takes an Extract within its window. The first of a dealer counts, even if it is invalid.
    pub(crate) fn record_extract(
        &mut self,
        info: &Info,
        record: &SignedRecord,
        deal: Option<&Arc<VerifiedDeal>>,
        memory: &Memory,
    ) -> Verdict {
        let sender = record.envelope().header.sender;
        let Some(deal) = deal else { return Verdict::Skip("not a qualified dealer") };
        if self.has_extract(&sender) {
            return Verdict::Skip("a repeat");
        }
        let check = || Extract::decode(&record.envelope().body).ok()?.verify(info, &sender, deal);
        let opened = memory.extract(record.id(), deal.core, check);
        let valid = opened.is_some();
        self.extracts.insert(sender, opened);
        if valid { Verdict::Valid } else { Verdict::Fault(FaultKind::Extract) }
    }

    /// Takes a Reconstruct within its window. The first of a player for a dealer counts, even if it is invalid.
    pub(crate) fn record_reconstruct(
        &mut self,
        info: &Info,
        record: &SignedRecord,
        qualified: &[&Arc<VerifiedDeal>],
        memory: &Memory,
    ) -> Verdict {
        let sender = record.envelope().header.sender;
        let Some((_, player)) = info.player(&sender) else { return Verdict::Skip("not a player") };
        let Ok(published) = Reconstruct::decode(&record.envelope().body) else {
            return Verdict::Fault(FaultKind::Malformed);
        };
        let due = self.to_reconstruct(info, qualified);
        let Some(deal) = due.iter().find(|deal| deal.dealer == published.dealer) else {
            return Verdict::Skip("there is nothing to reconstruct");
        };
        if self.has_published(&sender, &published.dealer) {
            return Verdict::Skip("a repeat");
        }
        let valid = memory.holds(record.id(), deal.core, || published.is_valid(info, &sender, deal));
        let found = valid.then_some((player.index, published.share));
        self.published.entry(published.dealer).or_default().insert(sender, found);
        if valid { Verdict::Valid } else { Verdict::Fault(FaultKind::Reconstruct) }
    }

    /// `A_0..A_{t-1}` of every dealer in QUAL, and the indices of those that were reconstructed. Nobody is dropped.
    ///
    /// # Errors
    /// [`Failure::TooFewExtracts`], [`Failure::Reconstruct`].
    pub(crate) fn commitments(
        &self,
        info: &Info,
        qualified: &[&Arc<VerifiedDeal>],
    ) -> Result<(Vec<Arc<Commitment>>, Vec<Index>), Failure> {
        if !self.is_open(info, qualified) {
            let needed = usize::from(info.threshold.get());
            return Err(Failure::TooFewExtracts { found: self.count(qualified), needed });
        }
        let (mut all, mut reconstructed) = (Vec::with_capacity(qualified.len()), Vec::new());
        for deal in qualified {
            all.push(match self.opened(&deal.dealer) {
                Some(opened) => opened.clone(),
                None => {
                    reconstructed.push(deal.index);
                    Arc::new(self.reconstruct(info, deal)?)
                }
            });
        }
        Ok((all, reconstructed))
    }

    /// From the `t` lowest indices whose dealings satisfy the Pedersen equation.
    fn reconstruct(&self, info: &Info, deal: &VerifiedDeal) -> Result<Commitment, Failure> {
        let needed = usize::from(info.threshold.get());
        let mut points: Vec<(Index, Scalar)> =
            self.published.get(&deal.dealer).into_iter().flat_map(BTreeMap::values).flatten().copied().collect();
        points.sort_by_key(|(index, _)| *index);
        let failure = Failure::Reconstruct { dealer: deal.index, found: points.len(), needed };
        points.truncate(needed);
        if points.len() < needed {
            return Err(failure);
        }
        let coefficients = lagrange::coefficients(&points).map_err(|_| failure)?;
        let polynomial = Polynomial::from_coefficients(coefficients.iter().map(SecretScalar::from_public).collect());
        polynomial.map(|polynomial| polynomial.commit()).map_err(|_| failure)
    }
}
