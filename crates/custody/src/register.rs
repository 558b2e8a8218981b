//! The register of guardians: what a dealer seals to, with everything that shows that people stand behind it.
//!
//! Whoever runs a custody could show a dealer keys of his own under the name of a guardian, and would read the share. So every
//! guardian comes with the request that registered him and its approvals. They are checked against the charter, whose hash the
//! dealer has pinned, and against every change of people since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bytes::Hash;
use crate::chain::People;
use crate::guardian::Guardian;
use crate::manifest::Manifest;
use crate::names::Name;
use crate::people::{Charter, Role};
use crate::request::Action;
use crate::session::{self, Approved};

/// The register as a custody shows it; nothing of it is believed before [`Register::check`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Its hash is the identity of the custody.
    pub charter: Charter,
    /// Every change of people since, in order.
    pub history: Vec<Approved>,
    /// The requests that registered the guardians.
    pub guardians: Vec<Approved>,
}

/// What of a register is shown to be right.
pub struct Checked {
    people: People,
    guardians: BTreeMap<Name, Option<Guardian>>,
}

/// A guardian or a dealer behind whom nobody stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Charter and changes of people do not belong together, or to another custody.
    #[error(transparent)]
    People(#[from] session::Error),
    /// There is nobody of that name.
    #[error("{0} is not a registered guardian")]
    Unknown(Name),
    /// There is, but the people of now have not approved these keys, or two of one name are shown.
    #[error("nobody of the people of now stands behind the keys that are shown for {0}")]
    NotApproved(Name),
    /// Whoever made a set may not, or did it with another key or for another custody.
    #[error(
        "the manifest is signed as {0}, and nobody of that name and key has the role operations in this custody now"
    )]
    Dealer(Name),
}

impl Register {
    /// Checks all of it. A guardian whose approval does not hold is one that nobody stands behind.
    ///
    /// # Errors
    /// [`Error::People`].
    pub fn check(&self, custody: &Hash) -> Result<Checked, Error> {
        let people = People::of(&self.charter, custody, &self.history)?;
        let mut guardians = BTreeMap::new();
        for approved in &self.guardians {
            let action = &approved.request.request.action;
            let Action::AddGuardian(guardian) = action else { continue };
            if approved.hides(&people) {
                return Err(session::Error::Withheld.into());
            }
            let holds = guardian.check().is_ok() && approved.holds(&people, action.seats());
            let believed = holds.then(|| guardian.clone());
            // Two of one name: which one is meant, only the custody says.
            guardians.entry(guardian.name.clone()).and_modify(|two| *two = None).or_insert(believed);
        }
        Ok(Checked { people, guardians })
    }
}

impl Checked {
    /// The people of now.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Was the manifest made for this custody by somebody of operations? Its signature is checked elsewhere, with the key in it.
    ///
    /// # Errors
    /// [`Error::Dealer`].
    pub fn dealer(&self, manifest: &Manifest) -> Result<(), Error> {
        let name = &manifest.dealer;
        let roster = self.people.roster();
        let key = roster.person(name).map(|person| person.key);
        let may = roster.has(name, Role::Operations) && key == Some(manifest.dealer_key);
        if may && manifest.custody == *self.people.custody() { Ok(()) } else { Err(Error::Dealer(name.clone())) }
    }

    /// A guardian whose keys people of now approved.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::NotApproved`].
    pub fn guardian(&self, name: &Name) -> Result<&Guardian, Error> {
        let shown = self.guardians.get(name).ok_or_else(|| Error::Unknown(name.clone()))?;
        shown.as_ref().ok_or_else(|| Error::NotApproved(name.clone()))
    }
}
