//! What must be true of the shares, which the judge knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorumkeep_curves::bls::{Scalar, SecretScalar};
use quorumkeep_dkg::ids::VersionId;
use quorumkeep_dkg::output::Output;
use quorumkeep_sharing::{Index, lagrange};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::Oracle;
use crate::chance::{between, sample};
use crate::world::World;
use crate::{Violation, subsets};

/// More subsets than this are sampled.
const SUBSETS_MAX: usize = 12;

impl Oracle {
    /// Learns the shares on all disks; each is checked against its public share once its version is active.
    pub(super) fn collect_shares(&mut self, world: &World) -> Result<(), Violation> {
        for seat in &world.seats {
            let disk = seat.store.disk();
            for (key, version) in disk.versions() {
                let Some(output) = self.versions.get(version) else { continue };
                let Some(public) = output.share_of(&seat.address()) else {
                    return Violation::of(format!("{} holds a share of a version it is no player of", seat.address()));
                };
                let known = self.shares.entry(*version).or_default();
                if known.contains_key(&public.index) {
                    continue;
                }
                let Some(share) = disk.share(key, version) else { continue };
                if share.mul_g2() != public.point {
                    return Violation::of(format!("the share of {} does not fit its public share", seat.address()));
                }
                known.insert(public.index, share.copy().declassify());
            }
        }
        Ok(())
    }

    /// Any `t` holders recover the key; no mixture with an older version does.
    pub(super) fn check_recovery(&mut self, output: &Arc<Output>) -> Result<(), Violation> {
        let (id, t) = (output.id(), usize::from(output.threshold().get()));
        let mut rng = ChaCha20Rng::from_seed(id.0);
        let held: Vec<(Index, Scalar)> =
            self.shares.get(&id).into_iter().flatten().map(|(index, share)| (*index, *share)).collect();
        for subset in subsets::of(&held, t, SUBSETS_MAX, &mut rng) {
            self.check_subset(output, &subset)?;
        }
        let older = self.history.iter().rev().find(|version| **version != id).copied();
        older.map_or(Ok(()), |older| self.check_mixture(&held, (older, t), &mut rng))
    }

    fn check_subset(&mut self, output: &Output, subset: &[(Index, Scalar)]) -> Result<(), Violation> {
        let Some(found) = recover(subset) else { return Ok(()) };
        let secret = match self.secret {
            Some(secret) => secret,
            None => {
                let bytes = SecretScalar::from_be_bytes(&found.to_be_bytes());
                let fits = bytes.is_ok_and(|secret| secret.mul_g2() == *output.group_key());
                if !fits {
                    return Violation::of("t shares do not recover the group key".to_owned());
                }
                *self.secret.insert(found)
            }
        };
        if secret == found { Ok(()) } else { Violation::of("two sets of t shares recover different keys".to_owned()) }
    }

    fn check_mixture(
        &self,
        held: &[(Index, Scalar)],
        (older, t): (VersionId, usize),
        rng: &mut ChaCha20Rng,
    ) -> Result<(), Violation> {
        let Some(older) = self.shares.get(&older) else { return Ok(()) };
        let mut mixed = sample(rng, held, t);
        let foreign = between(rng, 1, t - 1);
        let mut exchanged = 0;
        for (index, share) in &mut mixed {
            if let Some(old) = older.get(index).filter(|_| exchanged < foreign) {
                (*share, exchanged) = (*old, exchanged + 1);
            }
        }
        let works = exchanged > 0 && exchanged < t && self.secret.is_some() && recover(&mixed) == self.secret;
        if works { Violation::of("a mixture of two versions recovers the key".to_owned()) } else { Ok(()) }
    }

    /// Once a version was settled, some kept version always has `t` honest holders.
    pub(super) fn check_key_lives(&mut self, world: &World) -> Result<(), Violation> {
        self.is_settled = self.is_settled || world.state().is_some_and(|state| state.versions.active.is_some());
        if world.lost_astray {
            return Violation::of("nodes on an empty board deleted their shares".to_owned());
        }
        // More liars than b is beyond what is claimed.
        if !self.is_settled || world.is_astray || world.liars().len() > world.plan.b {
            return Ok(());
        }
        let kept = world.chains.iter().filter_map(|chain| chain.ledger.keys().get(&world.key));
        let lives = |output: &Arc<Output>| {
            let holders = world.seats.iter().filter(|seat| seat.honest && seat.holds(&world.key, &output.id()));
            let holders: BTreeSet<usize> = holders.map(|seat| seat.identity).collect();
            holders.len() >= usize::from(output.threshold().get())
        };
        if kept.flat_map(|state| state.versions.kept()).any(|output| lives(&output)) {
            return Ok(());
        }
        Violation::of("no kept version has t honest holders: the key is lost".to_owned())
    }
}

impl Oracle {
    /// At least `t` operators hold a version at the moment in which it becomes active.
    pub(super) fn check_holders(&self, world: &World, output: &Output) -> Result<(), Violation> {
        let (id, t) = (output.id(), usize::from(output.threshold().get()));
        // A machine whose disk was exchanged held what it confirmed.
        let holders = world.seats.iter().filter(|seat| seat.stale || seat.holds(&world.key, &id)).count();
        if holders >= t {
            return Ok(());
        }
        Violation::of(format!("version {id} is active, but only {holders} of t = {t} hold it"))
    }

    /// Is there a settled version that so many operators really hold as it takes to settle it?
    fn is_truly_settled(&self, world: &World) -> bool {
        let Some(settled) = world.state().and_then(|state| state.versions.settled.clone()) else { return false };
        let holders = world.seats.iter().filter(|seat| seat.holds(&world.key, &settled.id()));
        holders.count() >= settled.settle_count()
    }
}

fn recover(points: &[(Index, Scalar)]) -> Option<Scalar> {
    let indices: Vec<Index> = points.iter().map(|(index, _)| *index).collect();
    let weights = lagrange::at_zero(&indices).ok()?;
    Some(weights.into_iter().zip(points).map(|(weight, (_, share))| weight * *share).fold(Scalar::zero(), |a, b| a + b))
}
