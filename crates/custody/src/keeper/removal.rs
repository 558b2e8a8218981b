//! Who leaves: guardians are removed, and no key that left comes back.
//!
//! A removed guardian can do nothing here any more and gets nothing new. Sets that name him stay as they are, and say so. Somebody
//! of his name may be registered with other keys, and is another guardian: he gets nothing of what was made for the first.
//! What somebody signed or approved before he left would count again with his key, so that it is never registered again, for
//! whomever.

use serde::{Deserialize, Serialize};

use super::refusal::{OrStop, Step};
use super::{Answer, Refusal, Run};
use crate::bytes::Hash;
use crate::guardian::{Guardian, Recipient};
use crate::keys::VerifyKey;
use crate::names::Name;
use crate::people::Roster;
use crate::records::Table;
use crate::request::{Action, By, SetId};
use crate::session::Session;

/// A guardian who was removed; of several with one name the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// As he was registered.
    pub guardian: Guardian,
    /// When.
    pub at_ms: u64,
}

/// Whose key it was.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retired {
    of: String,
}

fn signing_record(key: &VerifyKey) -> String {
    format!("sign/{}", key.0)
}

fn sealing_record(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Age(text) => format!("seal/{text}"),
        Recipient::Secp256k1(point) => format!("seal/{point}"),
    }
}

impl Run<'_> {
    /// Nobody gets a key that left, or that another session had.
    pub(super) fn check_keys(&self, action: &Action) -> Step<()> {
        match action {
            Action::AddGuardian(guardian) => {
                self.check_retired(&signing_record(&guardian.signing), &guardian.name)?;
                self.check_retired(&sealing_record(&guardian.recipient), &guardian.name)
            }
            Action::ChangePeople { add, .. } => {
                add.iter().try_for_each(|person| self.check_retired(&signing_record(&person.key), &person.name))
            }
            Action::OpenRecovery(open) if self.retired(&signing_record(&open.process.signing))?.is_some() => {
                Err(Refusal::ProcessKey.into())
            }
            _ => Ok(()),
        }
    }

    fn retired(&self, record: &str) -> Step<Option<Retired>> {
        self.draft.get(Table::Retired, record).or_stop()
    }

    fn check_retired(&self, record: &str, name: &Name) -> Step<()> {
        match self.retired(record)? {
            Some(Retired { of }) => Err(Refusal::KeyRetired(name.clone(), of).into()),
            None => Ok(()),
        }
    }

    fn retire(&mut self, record: &str, of: &By) {
        self.draft.put(Table::Retired, record, &Retired { of: of.to_string() });
    }

    /// The keys of people who are in the first roster and not in the second.
    pub(super) fn retire_people(&mut self, before: &Roster, after: &Roster) {
        let stays = |key: &VerifyKey| after.people().any(|person| person.key == *key);
        for person in before.people().filter(|person| !stays(&person.key)) {
            self.retire(&signing_record(&person.key), &By::Person(person.name.clone()));
        }
    }

    /// The key of the process of a session that is forgotten.
    pub(super) fn retire_process(&mut self, id: &Hash, session: &Session) {
        if let Some(open) = session.parameters() {
            self.retire(&signing_record(&open.process.signing), &By::Process(*id));
        }
    }

    /// Removes exactly the guardian with this key: one who was registered under his name since is another one.
    pub(super) fn remove_guardian(&mut self, by: &By, name: &Name, signing: &VerifyKey) -> Step<Answer> {
        self.operations(by)?;
        let guardian = self.guardian(name)?.filter(|guardian| guardian.signing == *signing);
        let guardian = guardian.ok_or_else(|| Refusal::GuardianUnknown(name.clone()))?;
        let of = By::Guardian(name.clone());
        self.retire(&signing_record(&guardian.signing), &of);
        self.retire(&sealing_record(&guardian.recipient), &of);
        self.draft.remove(Table::Guardian, name.as_str());
        self.draft.remove(Table::Registration, name.as_str());
        self.draft.put(Table::Removed, name.as_str(), &Removed { guardian, at_ms: self.now_ms });
        Ok(Answer::Done)
    }

    /// Was a guardian of this name removed, who is nobody's successor yet?
    pub(super) fn was_removed(&self, name: &Name) -> Step<bool> {
        let gone: Option<Removed> = self.draft.get(Table::Removed, name.as_str()).or_stop()?;
        Ok(gone.is_some() && self.guardian(name)?.is_none())
    }

    /// Is who is registered under this name the one that the share was made for?
    pub(super) fn check_holder(&self, name: &Name, set: &SetId, index: u8) -> Step<()> {
        let manifest = self.manifest(set)?.manifest;
        let not_yours = || Refusal::NotYours(name.clone(), index);
        let entry = manifest.entry(index).filter(|entry| entry.guardian.name == *name).ok_or_else(not_yours)?;
        match self.guardian(name)? {
            Some(registered) if registered == entry.guardian => Ok(()),
            _ => Err(Refusal::GuardianRemoved(name.clone()).into()),
        }
    }
}
