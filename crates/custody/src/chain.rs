//! The people of now, and the changes that led to them: every change is approved by the people of before.
//!
//! An approval names the last change that its signer knew. So nobody can use it together with a history from which that change
//! was left out: whoever withholds the removal of somebody has to do without everything that was approved by people who knew it.

use crate::bytes::Hash;
use crate::people::{Charter, Roster};
use crate::request::Action;
use crate::session::{Approved, Error};

/// The people of now, and what is known of how they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    custody: Hash,
    roster: Roster,
    changes: Vec<Hash>,
}

impl People {
    /// The people after these changes. Every change names the one before it: none can be left out in the middle, repeated or
    /// moved.
    ///
    /// # Errors
    /// [`Error::Charter`], [`Error::People`], [`Error::History`].
    pub fn of(charter: &Charter, custody: &Hash, history: &[Approved]) -> Result<Self, Error> {
        if charter.id() != *custody {
            return Err(Error::Charter);
        }
        let mut people = Self { custody: *custody, roster: charter.roster()?, changes: Vec::new() };
        for (at, change) in history.iter().enumerate() {
            let action = &change.request.request.action;
            let Action::ChangePeople { after, add, remove } = action else {
                return Err(Error::History(at));
            };
            if *after != people.head() || !change.holds(&people, action.seats()) {
                return Err(Error::History(at));
            }
            people.roster = people.roster.changed(add, remove)?;
            people.changes.push(change.request.request.hash());
        }
        Ok(people)
    }

    /// Those of the keeper, which it has checked when it carried the changes out.
    pub(crate) fn kept(custody: Hash, roster: Roster, history: &[Approved]) -> Self {
        Self { custody, roster, changes: history.iter().map(|change| change.request.request.hash()).collect() }
    }

    /// Of which custody.
    #[must_use]
    pub fn custody(&self) -> &Hash {
        &self.custody
    }

    /// The people of now.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The last change, or the charter: what the next change has to follow, and what approvals name.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.changes.last().copied().unwrap_or(self.custody)
    }

    /// Is this the charter, or one of the changes?
    #[must_use]
    pub fn knows(&self, head: &Hash) -> bool {
        *head == self.custody || self.changes.contains(head)
    }
}
