//! Placement: which losses a set survives, and who could recover it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::guardian::Guardian;
use crate::names::Name;

/// Entities up to which every coalition is looked at.
const ENTITIES_MAX: usize = 20;

/// A side of the placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The operator of the service.
    Server,
    /// Everybody else.
    Outside,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Server => Self::Outside,
            Self::Outside => Self::Server,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Outside => "outside",
        })
    }
}

/// What the owner of a set believes of its placement. It is checked, never assumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Any so many shares may be lost.
    pub survives_shares: u8,
    /// Each of these sides may be lost as a whole.
    pub survives_sides: BTreeSet<Side>,
    /// Sides that may recover without the other; said aloud.
    pub side_alone: BTreeSet<Side>,
    /// Entities that may recover alone; said aloud.
    pub entity_alone: BTreeSet<Name>,
}

/// What a plan really gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// Shares that recover.
    pub threshold: u8,
    /// All shares.
    pub shares: u8,
    /// Shares at the server.
    pub server: u8,
    /// Shares outside.
    pub outside: u8,
    /// Any so many may be lost.
    pub survives_shares: u8,
    /// The sides that may be lost as a whole.
    pub survives_sides: BTreeSet<Side>,
    /// The sides that recover alone.
    pub side_alone: BTreeSet<Side>,
    /// Shares of every entity.
    pub entities: BTreeMap<Name, u8>,
    /// Entities without which nothing can be recovered.
    pub indispensable: BTreeSet<Name>,
}

/// A plan that is not what it claims, or cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two shares for one guardian: he would be one loss and two shares.
    #[error("{0} is in the plan twice")]
    Twice(Name),
    /// Two guardians with one key are one guardian.
    #[error("{0} and {1} have a key in common")]
    SharedKey(Name, Name),
    /// More entities than coalitions are counted for.
    #[error("more than {ENTITIES_MAX} entities")]
    TooMany,
    /// Fewer losses are survived than claimed.
    #[error(
        "the plan claims to survive the loss of any {claimed} shares, but {shares} shares with threshold {threshold} survive {survives}"
    )]
    Shares {
        /// What is claimed.
        claimed: u8,
        /// What is true.
        survives: u8,
        /// All shares.
        shares: u8,
        /// Shares that recover.
        threshold: u8,
    },
    /// The loss of a side is not survived.
    #[error(
        "the plan claims to survive the loss of the whole {lost} side, but the other has only {left} of {threshold} shares"
    )]
    Side {
        /// The side that would be lost.
        lost: Side,
        /// Shares that would be left.
        left: u8,
        /// Shares that recover.
        threshold: u8,
    },
    /// A side recovers alone, and nobody said so.
    #[error(
        "the {side} side has {shares} shares and needs {threshold}: it could recover alone; say so if that is meant"
    )]
    SideAlone {
        /// Which.
        side: Side,
        /// Its shares.
        shares: u8,
        /// Shares that recover.
        threshold: u8,
    },
    /// An entity recovers alone, and nobody said so.
    #[error("{entity} has {shares} shares and could recover alone; say so if that is meant")]
    EntityAlone {
        /// Which.
        entity: Name,
        /// Its shares.
        shares: u8,
    },
}

/// Looks at a plan: `threshold` of these guardians, one share each.
///
/// # Errors
/// [`Error::Twice`], [`Error::SharedKey`], [`Error::TooMany`].
pub fn analyse(threshold: u8, guardians: &[Guardian]) -> Result<Analysis, Error> {
    check_distinct(guardians)?;
    let shares = guardians.len().try_into().map_err(|_| Error::TooMany)?;
    let mut entities = BTreeMap::<Name, u8>::new();
    guardians.iter().for_each(|guardian| *entities.entry(guardian.entity.clone()).or_default() += 1);
    if entities.len() > ENTITIES_MAX {
        return Err(Error::TooMany);
    }
    let server = guardians.iter().filter(|guardian| guardian.kind.is_server()).count() as u8;
    let outside = shares - server;
    // An entity with a guardian at the server belongs to that side with all that it has.
    let at_server: BTreeSet<&Name> =
        guardians.iter().filter(|guardian| guardian.kind.is_server()).map(|guardian| &guardian.entity).collect();
    let server_side = guardians.iter().filter(|guardian| at_server.contains(&guardian.entity)).count() as u8;
    let sides = [(Side::Server, server_side), (Side::Outside, shares - server_side)];
    let alone: BTreeSet<Side> = sides.iter().filter(|(_, has)| *has >= threshold).map(|(side, _)| *side).collect();
    let survives_sides = alone.iter().map(|side| side.other()).collect();
    let left = |entity: &&Name| shares - entities.get(*entity).copied().unwrap_or(0) < threshold;
    let indispensable = entities.keys().filter(left).cloned().collect();
    Ok(Analysis {
        threshold,
        shares,
        server,
        outside,
        survives_shares: shares.saturating_sub(threshold),
        survives_sides,
        side_alone: alone,
        indispensable,
        entities,
    })
}

fn check_distinct(guardians: &[Guardian]) -> Result<(), Error> {
    for (at, one) in guardians.iter().enumerate() {
        for other in guardians.iter().skip(at + 1) {
            if one.name == other.name {
                return Err(Error::Twice(one.name.clone()));
            }
            if one.recipient == other.recipient || one.signing == other.signing {
                return Err(Error::SharedKey(one.name.clone(), other.name.clone()));
            }
        }
    }
    Ok(())
}

/// Groups that are listed at most; there may be many more.
pub const COALITIONS_MAX: usize = 100;

/// Every group of entities that reaches the threshold and would not without any one of them; small ones first.
fn coalitions(threshold: u8, entities: &BTreeMap<Name, u8>) -> Vec<BTreeSet<Name>> {
    let all: Vec<(&Name, u32)> = entities.iter().map(|(name, shares)| (name, u32::from(*shares))).collect();
    let members = |set: u32| all.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1).map(|(_, entity)| entity);
    let minimal = |set: &u32| {
        let total: u32 = members(*set).map(|(_, shares)| shares).sum();
        total >= u32::from(threshold) && members(*set).all(|(_, shares)| total - shares < u32::from(threshold))
    };
    let mut found: Vec<u32> = (1..1_u32 << all.len()).filter(minimal).collect();
    found.sort_by_key(|set| set.count_ones());
    found.truncate(COALITIONS_MAX);
    found.into_iter().map(|set| members(set).map(|(name, _)| (*name).clone()).collect()).collect()
}

impl Analysis {
    /// Is everything that is claimed true, and everything that is dangerous said?
    ///
    /// # Errors
    /// [`Error`]: the first lie.
    pub fn check(&self, claim: &Claim) -> Result<(), Error> {
        let (threshold, shares) = (self.threshold, self.shares);
        if claim.survives_shares > self.survives_shares {
            let (claimed, survives) = (claim.survives_shares, self.survives_shares);
            return Err(Error::Shares { claimed, survives, shares, threshold });
        }
        if let Some(lost) = claim.survives_sides.difference(&self.survives_sides).next().copied() {
            let left = if lost == Side::Server { self.outside } else { self.server };
            return Err(Error::Side { lost, left, threshold });
        }
        if let Some(side) = self.undeclared_side(claim) {
            let shares = if side == Side::Server { self.server } else { self.outside };
            return Err(Error::SideAlone { side, shares, threshold });
        }
        let alone = |(entity, has): &(&Name, &u8)| **has >= threshold && !claim.entity_alone.contains(*entity);
        match self.entities.iter().find(alone) {
            Some((entity, shares)) => Err(Error::EntityAlone { entity: entity.clone(), shares: *shares }),
            None => Ok(()),
        }
    }

    /// A side that recovers alone is said by name, or by the claim that the other one may be lost: it is the same fact.
    fn undeclared_side(&self, claim: &Claim) -> Option<Side> {
        let said = |side: &Side| claim.side_alone.contains(side) || claim.survives_sides.contains(&side.other());
        self.side_alone.iter().find(|side| !said(side)).copied()
    }

    /// The smallest groups of entities that together recover, at most [`COALITIONS_MAX`]: none of a group could be left out.
    #[must_use]
    pub fn coalitions(&self) -> Vec<BTreeSet<Name>> {
        coalitions(self.threshold, &self.entities)
    }

    /// Does it survive the loss of all shares of these entities?
    #[must_use]
    pub fn survives(&self, lost: &BTreeSet<Name>) -> bool {
        let left: u32 =
            self.entities.iter().filter(|(name, _)| !lost.contains(*name)).map(|(_, has)| u32::from(*has)).sum();
        left >= u32::from(self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guardian::Kind;
    use crate::testing::guardian;

    fn mixed() -> Vec<Guardian> {
        vec![
            guardian("server-1", Kind::Server, "us"),
            guardian("server-2", Kind::Server, "us"),
            guardian("security", Kind::External, "client"),
            guardian("custodian", Kind::External, "bank"),
            guardian("cold", Kind::Paper, "vault"),
        ]
    }

    fn names(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// The default mixed mode, and what upstream's documents say of it that is not true.
    #[test]
    fn mixed_mode_survives_two_losses_but_not_the_outside() {
        let analysis = analyse(3, &mixed()).unwrap();
        assert_eq!((analysis.server, analysis.outside, analysis.survives_shares), (2, 3, 2));
        let claim = Claim { survives_shares: 2, survives_sides: [Side::Server].into(), ..Claim::default() };
        assert_eq!(analysis.check(&claim), Ok(()));
        let either = Claim { survives_sides: [Side::Server, Side::Outside].into(), ..claim.clone() };
        assert_eq!(analysis.check(&either), Err(Error::Side { lost: Side::Outside, left: 2, threshold: 3 }));
        let more = Claim { survives_shares: 3, ..claim };
        assert!(matches!(analysis.check(&more), Err(Error::Shares { claimed: 3, survives: 2, .. })));
        // The server and any one outside; or the three outside.
        assert_eq!(analysis.coalitions().len(), 4);
        assert!(analysis.coalitions().contains(&names(&["bank", "us"])));
        assert_eq!(analysis.coalitions().last(), Some(&names(&["bank", "client", "vault"])));
        assert!(analysis.survives(&names(&["us"])) && !analysis.survives(&names(&["us", "bank"])));
        assert!(analysis.indispensable.is_empty());
    }

    #[test]
    fn who_recovers_alone_has_to_be_said() {
        let analysis = analyse(2, &mixed()).unwrap();
        let claim = Claim { side_alone: [Side::Outside].into(), ..Claim::default() };
        assert!(matches!(analysis.check(&claim), Err(Error::SideAlone { side: Side::Server, shares: 2, .. })));
        let said = Claim { side_alone: [Side::Server, Side::Outside].into(), ..Claim::default() };
        assert!(matches!(analysis.check(&said), Err(Error::EntityAlone { shares: 2, .. })));
        let all = Claim { entity_alone: names(&["us"]), ..said };
        assert_eq!(analysis.check(&all), Ok(()));
        let silent = analyse(3, &mixed()).unwrap().check(&Claim::default());
        assert!(matches!(silent, Err(Error::SideAlone { side: Side::Outside, .. })));
    }

    #[test]
    fn one_party_is_one_guardian() {
        let mut twice = mixed();
        twice[4] = twice[3].clone();
        assert!(matches!(analyse(3, &twice), Err(Error::Twice(_))));
        twice[4].name = "other".parse().unwrap();
        assert!(matches!(analyse(3, &twice), Err(Error::SharedKey(..))));
    }

    #[test]
    fn everybody_needed_is_named() {
        let analysis = analyse(5, &mixed()).unwrap();
        assert_eq!(analysis.indispensable.len(), 4);
        assert_eq!(analysis.coalitions().len(), 1);
    }
}
