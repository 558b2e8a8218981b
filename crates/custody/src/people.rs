//! People, their roles, and what they may do alone or together.

use std::collections::{BTreeMap, BTreeSet};

use quorumkeep_curves::tags;
use serde::{Deserialize, Serialize};

use crate::bytes::Hash;
use crate::canonical;
use crate::keys::VerifyKey;
use crate::names::Name;

/// People of one custody.
pub const PEOPLE_MAX: usize = 256;

/// What a person is trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs backups, deliveries and recoveries; approves nothing.
    Operations,
    /// Approves what is sensitive.
    Security,
    /// Reviews, and approves deletions.
    Compliance,
    /// Answers for the business: approves recoveries and changes of people.
    Owner,
    /// Holds shares.
    Guardian,
    /// Reads the audit log.
    Auditor,
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(text.into())
            .map_err(|_| "expected operations, security, compliance, owner, guardian or auditor")
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name in every record.
    pub name: Name,
    /// What requests and approvals are signed with.
    pub key: VerifyKey,
    /// At least one.
    pub roles: BTreeSet<Role>,
}

/// How a custody begins: its hash is its identity, and everything else follows from requests that people of it signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// 1.
    pub version: u32,
    /// What it is called.
    pub name: Name,
    /// Random, so that no two custodies are the same.
    pub nonce: Hash,
    /// The first people.
    pub people: Vec<Person>,
    /// What signs vouchers.
    pub service: VerifyKey,
}

/// People that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two with one name.
    #[error("{0} is there already")]
    Name(Name),
    /// Two with one key: one party would count as two.
    #[error("{0} and {1} have the same signing key")]
    Key(Name, Name),
    /// The key is none.
    #[error("the signing key of {0} is not valid")]
    BadKey(Name),
    /// Without a role there is nothing to do.
    #[error("{0} has no role")]
    NoRole(Name),
    /// Nobody of that name.
    #[error("there is nobody called {0}")]
    Unknown(Name),
    /// Too many.
    #[error("there are more than {PEOPLE_MAX} people")]
    TooMany,
    /// Nobody could ask, or nobody could approve what he asks.
    #[error(
        "these people could not approve anything: one of operations has to ask, and two others, one owner and one of security, to approve"
    )]
    Stuck,
    /// Another version of the format.
    #[error("the charter has version {0}, not 1")]
    Version(u32),
}

impl Charter {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> Hash {
        canonical::hash(tags::CUSTODY_CHARTER, self)
    }

    /// The people it begins with.
    ///
    /// # Errors
    /// [`Error`].
    pub fn roster(&self) -> Result<Roster, Error> {
        if self.version != 1 {
            return Err(Error::Version(self.version));
        }
        Roster::default().changed(&self.people, &[])
    }
}

/// The people of now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roster(BTreeMap<Name, Person>);

impl Roster {
    /// With `add` in it and without `remove`. Who is replaced is in both.
    ///
    /// # Errors
    /// [`Error`].
    pub fn changed(&self, add: &[Person], remove: &[Name]) -> Result<Self, Error> {
        let mut people = self.0.clone();
        for name in remove {
            people.remove(name).ok_or_else(|| Error::Unknown(name.clone()))?;
        }
        for person in add {
            check(person, &people)?;
            people.insert(person.name.clone(), person.clone());
        }
        if people.len() > PEOPLE_MAX {
            return Err(Error::TooMany);
        }
        let changed = Self(people);
        if changed.can_approve() { Ok(changed) } else { Err(Error::Stuck) }
    }

    /// Somebody.
    #[must_use]
    pub fn person(&self, name: &Name) -> Option<&Person> {
        self.0.get(name)
    }

    /// Everybody, by name.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.0.values()
    }

    /// Has he the role?
    #[must_use]
    pub fn has(&self, name: &Name, role: Role) -> bool {
        self.person(name).is_some_and(|person| person.roles.contains(&role))
    }

    /// Is there somebody who can ask, and two others who can approve it?
    fn can_approve(&self) -> bool {
        let with = |role| self.people().filter(move |person| person.roles.contains(&role)).map(|person| &person.name);
        with(Role::Operations).any(|asks| {
            with(Role::Owner)
                .filter(|owner| *owner != asks)
                .any(|owner| with(Role::Security).any(|security| security != asks && security != owner))
        })
    }
}

fn check(person: &Person, people: &BTreeMap<Name, Person>) -> Result<(), Error> {
    let name = || person.name.clone();
    if people.contains_key(&person.name) {
        return Err(Error::Name(name()));
    }
    if !person.key.is_valid() {
        return Err(Error::BadKey(name()));
    }
    if person.roles.is_empty() {
        return Err(Error::NoRole(name()));
    }
    match people.values().find(|other| other.key == person.key) {
        Some(other) => Err(Error::Key(name(), other.name.clone())),
        None => Ok(()),
    }
}

/// Approvals that an action needs: one person for each seat, who has one of its roles.
pub type Seats = &'static [&'static [Role]];

/// Two people: one who answers for the business and one of security.
pub const TWO: Seats = &[&[Role::Owner], &[Role::Security]];
/// One person of security.
pub const SECURITY: Seats = &[&[Role::Security]];
/// Break-glass: one of the two, and everybody hears of it.
pub const BREAK_GLASS: Seats = &[&[Role::Owner, Role::Security]];
/// Nobody else.
pub const NONE: Seats = &[];

/// Do these distinct people fill all seats, as the roster is now? Who asked does not count, nor does the same person twice.
#[must_use]
pub fn filled(seats: Seats, asked: &Name, approvers: &BTreeSet<Name>, roster: &Roster) -> bool {
    let mut free: Vec<&Name> = approvers.iter().filter(|name| *name != asked).collect();
    fill(seats, &mut free, roster)
}

fn fill(seats: Seats, free: &mut Vec<&Name>, roster: &Roster) -> bool {
    let Some((seat, rest)) = seats.split_first() else {
        return true;
    };
    (0..free.len()).any(|at| {
        let name = free.remove(at);
        let sits = seat.iter().any(|role| roster.has(name, *role)) && fill(rest, free, roster);
        free.insert(at, name);
        sits
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys::SignKey;

    pub fn key(name: &str) -> SignKey {
        let mut seed = Zeroizing::new([0; 32]);
        seed.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        SignKey::from_seed(&seed)
    }

    pub fn person(name: &str, roles: &[Role]) -> Person {
        let roles = roles.iter().copied().collect();
        Person { name: name.parse().unwrap(), key: key(name).verify_key(), roles }
    }

    pub fn people() -> Vec<Person> {
        vec![
            person("olga", &[Role::Operations]),
            person("boris", &[Role::Owner]),
            person("sara", &[Role::Security]),
            person("both", &[Role::Owner, Role::Security, Role::Operations]),
            person("cora", &[Role::Compliance]),
        ]
    }

    fn names(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn p8_seats_are_filled_by_distinct_people_who_did_not_ask() {
        let roster = Roster::default().changed(&people(), &[]).unwrap();
        let filled = |seats, asked: &str, by: &[&str]| filled(seats, &asked.parse().unwrap(), &names(by), &roster);
        assert!(filled(TWO, "olga", &["boris", "sara"]));
        assert!(filled(TWO, "olga", &["both", "sara"]) && filled(TWO, "olga", &["both", "boris"]));
        assert!(!filled(TWO, "olga", &["both"]), "one person with two roles is one person");
        assert!(!filled(TWO, "both", &["both", "sara"]), "who asks does not approve");
        assert!(!filled(TWO, "olga", &["boris", "cora"]) && !filled(TWO, "olga", &["nobody", "sara"]));
        assert!(filled(BREAK_GLASS, "olga", &["boris"]) && !filled(BREAK_GLASS, "olga", &["cora"]));
        assert!(filled(NONE, "olga", &[]) && !filled(SECURITY, "sara", &["sara"]));
    }

    #[test]
    fn p8_one_party_is_one_person() {
        let mut twice = people();
        twice.push(Person { name: "olga-2".parse().unwrap(), ..person("olga", &[Role::Owner]) });
        assert!(matches!(Roster::default().changed(&twice, &[]), Err(Error::Key(..))));
        let roster = Roster::default().changed(&people(), &[]).unwrap();
        assert!(matches!(roster.changed(&[person("olga", &[Role::Owner])], &[]), Err(Error::Name(_))));
        let gone: Vec<Name> = vec!["sara".parse().unwrap(), "both".parse().unwrap()];
        assert_eq!(roster.changed(&[], &gone), Err(Error::Stuck));
        assert!(matches!(roster.changed(&[], &["nobody".parse().unwrap()]), Err(Error::Unknown(_))));
        assert!(matches!(roster.changed(&[person("new", &[])], &[]), Err(Error::NoRole(_))));
    }
}
