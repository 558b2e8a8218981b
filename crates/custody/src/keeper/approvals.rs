//! Requests that wait: approvals are counted as people, for exactly one hash, until enough of the right ones gave theirs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::prune::Left;
use super::refusal::{OrStop, Step};
use super::{Answer, Refusal, Run, entry_of};
use crate::bytes::Hash;
use crate::names::Name;
use crate::people::{self, Role, Roster, Seats};
use crate::records::Table;
use crate::request::{Action, By, REASON_CHARS_MAX, Signed};
use crate::session::{Approved, commit_seats};

/// What became of a waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It waits.
    Waiting,
    /// It was carried out.
    Done,
    /// Somebody said no.
    Rejected,
}

/// A waiting request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// It, and the approvals so far.
    pub approved: Approved,
    /// What became of it.
    pub fate: Fate,
}

impl Run<'_> {
    pub(super) fn seats(&self, action: &Action) -> Step<Seats> {
        match action {
            Action::CommitRecovery { findings } => {
                let session = self.session(&findings.session)?;
                Ok(session.parameters().map_or(people::TWO, commit_seats))
            }
            action => Ok(action.seats()),
        }
    }

    /// Keeps a request until it is approved. What could not be carried out now is refused now.
    pub(super) fn wait(&mut self, approved: Approved) -> Step<Answer> {
        let hash = approved.request.request.hash();
        let mut trial = Run { keeper: self.keeper, draft: self.draft.copy(), now_ms: self.now_ms, entries: Vec::new() };
        trial.carry_out(&approved)?;
        let mut entry = entry_of(&approved.request, self.now_ms);
        entry.event.push_str(".ask");
        self.entries.push(entry);
        self.until(approved.request.request.expires_ms, &Left::Pending(hash));
        self.draft.put(Table::Pending, &hash.to_string(), &Pending { approved, fate: Fate::Waiting });
        Ok(Answer::Waiting { request: hash, approvals: Vec::new() })
    }

    fn waiting(&self, hash: &Hash) -> Step<Pending> {
        let pending: Option<Pending> = self.draft.get(Table::Pending, &hash.to_string()).or_stop()?;
        let pending = pending.ok_or(Refusal::NotWaiting)?;
        match pending.fate {
            Fate::Done => Err(Refusal::Decided("carried out").into()),
            Fate::Rejected => Err(Refusal::Decided("rejected").into()),
            Fate::Waiting if pending.approved.request.request.expires_ms < self.now_ms => {
                Err(Refusal::Decided("expired").into())
            }
            Fate::Waiting => Ok(pending),
        }
    }

    /// Counts an approval; the one that fills the last seat carries the request out, in the same commit.
    /// It must name the last change of people: who knows an older state only looks again.
    pub(super) fn approve(&mut self, signed: &Signed, hash: &Hash, people_head: &Hash) -> Step<Answer> {
        let mut pending = self.waiting(hash)?;
        let asked = requester(&pending.approved)?;
        let seats = self.seats(&pending.approved.request.request.action)?;
        let people = self.people()?;
        let roster = people.roster();
        let approver = approver(&signed.request.by, &asked, seats, roster)?;
        if *people_head != people.head() {
            return Err(Refusal::Overtaken.into());
        }
        let current = current(&pending.approved, roster);
        if current.contains(&approver) {
            return Err(Refusal::ApprovedAlready(approver).into());
        }
        pending.approved.approvals.retain(|old| named(old).is_some_and(|name| current.contains(name)));
        pending.approved.approvals.push(signed.clone());
        self.entries.push(entry_of(signed, self.now_ms));
        let approvers: BTreeSet<Name> = current.into_iter().chain([approver]).collect();
        // What the keeper carries out is what everybody else finds approved, with the keys of now.
        let answer = if pending.approved.holds(&people, seats) {
            self.carry_out(&pending.approved)?;
            pending.fate = Fate::Done;
            Answer::CarriedOut { request: *hash }
        } else {
            Answer::Waiting { request: *hash, approvals: approvers.into_iter().collect() }
        };
        self.draft.put(Table::Pending, &hash.to_string(), &pending);
        Ok(answer)
    }

    /// Whoever could approve it, or asked for it, may end it.
    pub(super) fn reject(&mut self, signed: &Signed, hash: &Hash, reason: &str) -> Step<Answer> {
        let mut pending = self.waiting(hash)?;
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(Refusal::Text("the reason").into());
        }
        let asked = requester(&pending.approved)?;
        if signed.request.by != By::Person(asked) {
            self.person_with(&signed.request.by, &[Role::Owner, Role::Security], "owner or security")?;
        }
        pending.fate = Fate::Rejected;
        self.entries.push(entry_of(signed, self.now_ms));
        self.draft.put(Table::Pending, &hash.to_string(), &pending);
        Ok(Answer::Done)
    }
}

fn named(signed: &Signed) -> Option<&Name> {
    match &signed.request.by {
        By::Person(name) => Some(name),
        _ => None,
    }
}

fn requester(approved: &Approved) -> Step<Name> {
    let by = &approved.request.request.by;
    Ok(named(&approved.request).cloned().ok_or_else(|| Refusal::Requester(by.to_string()))?)
}

/// Somebody else than who asked, with a role that one of the seats wants.
fn approver(by: &By, asked: &Name, seats: Seats, roster: &Roster) -> Step<Name> {
    let By::Person(name) = by else {
        return Err(Refusal::Requester(by.to_string()).into());
    };
    if name == asked {
        return Err(Refusal::SelfApproval(name.clone()).into());
    }
    let may = seats.iter().any(|seat| seat.iter().any(|role| roster.has(name, *role)));
    if may { Ok(name.clone()) } else { Err(Refusal::Role(name.clone(), "owner or security").into()) }
}

/// Who has approved with the key that he has now. Who left, or got another key, approves again.
fn current(approved: &Approved, roster: &Roster) -> BTreeSet<Name> {
    let valid = |signed: &&Signed| {
        named(signed).and_then(|name| roster.person(name)).is_some_and(|person| signed.is_by(&person.key))
    };
    approved.approvals.iter().filter(valid).filter_map(|signed| named(signed).cloned()).collect()
}
