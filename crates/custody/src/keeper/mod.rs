//! The keeper of a custody: signed requests in, a decision out. It has no other way to change anything.
//!
//! A decision is a list of documents to write and of audit entries; they are committed together or not at all, and only then is
//! the answer given. A request that is refused writes its entry only.

mod approvals;
mod infra;
mod prune;
mod recovery;
mod refusal;
mod removal;
mod sets;

use std::collections::BTreeMap;

use quorumkeep_audit::{Entry, EntryError, Outcome};
use serde::{Deserialize, Serialize};

pub use approvals::{Fate, Pending};
pub use infra::{Progress, ShareRef, Told, Word};
use prune::Left;
pub use prune::{BATCH, SESSION_KEPT_MS};
pub use refusal::Refusal;
use refusal::{OrStop, Step, Stop};
pub use removal::Removed;
pub(crate) use sets::envelope_record;
pub use sets::{SetRecord, id_of};

use crate::bytes::{Blob, Hash};
use crate::chain::People;
use crate::delivery::Voucher;
use crate::guardian::Guardian;
use crate::keys::{SignKey, Signature, VerifyKey};
use crate::manifest::SignedManifest;
use crate::names::Name;
use crate::people::{Charter, Role, Roster};
use crate::records::{Draft, ReadError, Records, Table, Writes};
use crate::request::{Action, By, CLOCK_SKEW_MS, LIFETIME_MS_MAX, Request, SealedOutput, Signed};
use crate::session::{self, Approved, Session, Submission};

/// The key of the charter in the records.
pub(crate) const CHARTER: &str = "charter";
/// The key of the roster in the records.
pub(crate) const ROSTER: &str = "roster";

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// It waits for approvals of exactly this hash.
    Waiting {
        /// What approvals name.
        request: Hash,
        /// Who has approved so far.
        approvals: Vec<Name>,
    },
    /// The request of this hash was approved by enough people and carried out.
    CarriedOut {
        /// Which.
        request: Hash,
    },
    /// An envelope.
    Envelope(Box<Delivered>),
    /// What was submitted to a session, for its process.
    Shares(Vec<Submission>),
}

/// A share on its way to its guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// What it belongs to.
    pub manifest: SignedManifest,
    /// The sealed share.
    pub envelope: Blob,
    /// What the service says it did.
    pub voucher: Voucher,
    /// Its signature.
    pub signature: Signature,
}

/// What has to be committed before the answer may be given.
pub struct Decision {
    /// Yes, or why not.
    pub answer: Result<Answer, Refusal>,
    /// Documents.
    pub writes: Writes,
    /// Audit entries. A request that nobody signed leaves none, so that strangers cannot fill the log.
    pub entries: Vec<Entry>,
}

/// A request that was answered.
#[derive(Serialize, Deserialize)]
struct Seen {
    hash: Hash,
    /// None for an envelope or shares: they are fetched again, which changes nothing.
    answer: Option<Answer>,
}

/// The rules of one custody.
pub struct Keeper<'a> {
    /// Its identity: the hash of its charter.
    pub custody: Hash,
    /// Signs vouchers.
    pub service: &'a SignKey,
}

/// The documents and entries with which a custody begins.
///
/// # Errors
/// People that cannot be.
pub fn found(charter: &Charter, now_ms: u64) -> Result<(Writes, Vec<Entry>), crate::people::Error> {
    let roster = charter.roster()?;
    let empty = crate::records::Memory::default();
    let mut draft = Draft::new(&empty);
    draft.put(Table::People, CHARTER, charter);
    draft.put(Table::People, ROSTER, &roster);
    let mut entry = Entry::new(now_ms, "custody.found", "charter");
    entry.target = Some(charter.id().to_string());
    let roles = |roles: &std::collections::BTreeSet<Role>| format!("{roles:?}").to_lowercase();
    entry.details = charter.people.iter().map(|person| (person.name.to_string(), roles(&person.roles))).collect();
    Ok((draft.into_writes(), vec![entry]))
}

/// One request on its way.
pub(crate) struct Run<'a> {
    keeper: &'a Keeper<'a>,
    draft: Draft<'a>,
    now_ms: u64,
    entries: Vec<Entry>,
}

impl Keeper<'_> {
    /// Decides about a signed request.
    ///
    /// # Errors
    /// [`ReadError`]: nothing is decided.
    pub fn handle(&self, records: &dyn Records, signed: &Signed, now_ms: u64) -> Result<Decision, ReadError> {
        let mut run = self.run(records, now_ms);
        match run.authenticate(signed).and_then(|()| run.answered_before(signed)) {
            Err(Stop::Read(error)) => return Err(error),
            Err(Stop::Refused(refusal)) => return Ok(Decision::nothing(Err(refusal))),
            Ok(Some(answer)) => return Ok(Decision::nothing(Ok(answer))),
            Ok(None) => {}
        }
        match run.decide(signed) {
            Err(Stop::Read(error)) => Err(error),
            // Nothing is kept of what was tried.
            Err(Stop::Refused(refusal)) => self.run(records, now_ms).refused(signed, refusal),
            Ok(answer) => {
                run.remember(&signed.request, &answer);
                run.prune()?;
                Ok(Decision { answer: Ok(answer), writes: run.draft.into_writes(), entries: run.entries })
            }
        }
    }

    pub(crate) fn run<'a>(&'a self, records: &'a dyn Records, now_ms: u64) -> Run<'a> {
        Run { keeper: self, draft: Draft::new(records), now_ms, entries: Vec::new() }
    }
}

impl Decision {
    /// An answer that changes nothing and is not recorded.
    fn nothing(answer: Result<Answer, Refusal>) -> Self {
        Self { answer, writes: Writes::new(), entries: Vec::new() }
    }
}

fn refusal_entry(signed: &Signed, refusal: &Refusal, now_ms: u64) -> Entry {
    let mut entry = entry_of(signed, now_ms);
    entry.result = Outcome::Refused;
    entry.reason = Some(refusal.code().to_owned());
    entry.details.insert("message".into(), refusal.to_string());
    entry
}

/// The entry of a request, with what can be said of every one.
pub(crate) fn entry_of(signed: &Signed, now_ms: u64) -> Entry {
    let request = &signed.request;
    let mut entry = Entry::new(now_ms, request.action.event(), request.by.to_string());
    entry.request_sha256 = Some(request.hash().to_string());
    entry.signature = Some(signed.signature.to_string());
    describe(&request.action, &mut entry);
    entry
}

/// An entry that the log can take: what is too long is left out and said to be. A request must not be able to stop the log by
/// what is in it; its hash is in the entry all the same.
#[must_use]
pub fn fitting(mut entry: Entry) -> Entry {
    if matches!(entry.to_bytes(), Err(EntryError::TooLarge)) {
        let count = entry.details.len();
        entry.details = [("left_out".to_owned(), format!("{count} details, too long for an entry"))].into();
    }
    entry
}

fn describe(action: &Action, entry: &mut Entry) {
    let mut set = |set: &crate::request::SetId, index: Option<u8>| {
        entry.key_id = Some(set.key_id.to_string());
        entry.node_id = Some(set.node_id.to_string());
        entry.generation = Some(set.generation);
        entry.share_index = index.map(u32::from);
    };
    let mut reason = None;
    match action {
        Action::CreateSet { manifest, .. } => set(&id_of(&manifest.manifest), None),
        Action::Deliver { set: id, index } | Action::RetryDelivery { set: id, index } => set(id, Some(*index)),
        Action::Confirm { set: id, index, .. } => set(id, Some(*index)),
        Action::ReportFailure { set: id, index, reason: why } => {
            set(id, Some(*index));
            reason = Some(why);
        }
        Action::OpenRecovery(open) => {
            set(&open.set, None);
            reason = Some(&open.reason);
        }
        Action::AddGuardian(guardian) => entry.target = Some(guardian.name.to_string()),
        Action::RemoveGuardian { name, .. } => entry.target = Some(name.to_string()),
        Action::Approve { request, .. } => entry.target = Some(request.to_string()),
        Action::Reject { request, reason: why } => {
            entry.target = Some(request.to_string());
            reason = Some(why);
        }
        Action::SubmitShare { session, index, .. } => {
            entry.target = Some(session.to_string());
            entry.share_index = Some(u32::from(*index));
        }
        Action::AbortRecovery { session, reason: why } => {
            entry.target = Some(session.to_string());
            reason = Some(why);
        }
        Action::Collect { session } | Action::Complete { session } => entry.target = Some(session.to_string()),
        Action::Report(findings) | Action::CommitRecovery { findings } => {
            entry.target = Some(findings.session.to_string());
            entry.details = findings.bad.iter().map(|(index, why)| (format!("share_{index}"), why.clone())).collect();
            let outputs = findings.recovered.iter().flat_map(|recovered| &recovered.outputs);
            let output = |sealed: &SealedOutput| (format!("output_{}", sealed.name), sealed.sha256.to_string());
            entry.details.extend(outputs.map(output));
        }
        Action::ChangePeople { add, remove, .. } => {
            let added = add.iter().map(|person| (person.name.to_string(), "added".to_owned()));
            let removed = remove.iter().map(|name| (name.to_string(), "removed".to_owned()));
            // Who is in both is replaced.
            entry.details = removed.chain(added).collect::<BTreeMap<_, _>>();
        }
    }
    if let Some(reason) = reason {
        entry.details.insert("reason".into(), reason.clone());
    }
}

impl Run<'_> {
    /// Who asks, does he exist, did he sign, and is it now?
    fn authenticate(&self, signed: &Signed) -> Step<()> {
        let request = &signed.request;
        if request.custody != self.keeper.custody {
            return Err(Refusal::Custody.into());
        }
        let key = self.key_of(&request.by)?.ok_or_else(|| Refusal::Requester(request.by.to_string()))?;
        if !signed.is_by(&key) {
            return Err(Refusal::Signature(request.by.to_string()).into());
        }
        if request.at_ms > self.now_ms.saturating_add(CLOCK_SKEW_MS) {
            return Err(Refusal::Future.into());
        }
        if request.expires_ms < self.now_ms || self.is_forgotten(request.expires_ms).or_stop()? {
            return Err(Refusal::Expired.into());
        }
        let long = request.expires_ms.saturating_sub(request.at_ms) > LIFETIME_MS_MAX;
        if long { Err(Refusal::Lifetime.into()) } else { Ok(()) }
    }

    fn key_of(&self, by: &By) -> Step<Option<VerifyKey>> {
        Ok(match by {
            By::Person(name) => self.roster()?.person(name).map(|person| person.key),
            By::Guardian(name) if self.was_removed(name)? => return Err(Refusal::GuardianRemoved(name.clone()).into()),
            By::Guardian(name) => self.guardian(name)?.map(|guardian| guardian.signing),
            By::Process(id) => {
                let session: Option<Session> = self.draft.get(Table::Session, &id.to_string()).or_stop()?;
                session.and_then(|session| Some(session.parameters()?.process.signing))
            }
        })
    }

    fn answered_before(&self, signed: &Signed) -> Step<Option<Answer>> {
        match self.draft.get::<Seen>(Table::Seen, &signed.request.id.to_string()).or_stop()? {
            None => Ok(None),
            Some(seen) if seen.hash == signed.request.hash() => Ok(seen.answer),
            Some(_) => Err(Refusal::Conflict.into()),
        }
    }

    fn remember(&mut self, request: &Request, answer: &Answer) {
        let small = (!matches!(answer, Answer::Envelope(_) | Answer::Shares(_))).then(|| answer.clone());
        self.draft.put(Table::Seen, &request.id.to_string(), &Seen { hash: request.hash(), answer: small });
        self.until(request.expires_ms, &Left::Seen(request.id));
    }

    /// Records a refusal: once for a request, however often it is sent, unless the reason is another one.
    fn refused(mut self, signed: &Signed, refusal: Refusal) -> Result<Decision, ReadError> {
        let hash = signed.request.hash();
        let told = self.draft.get::<String>(Table::Refused, &hash.to_string())?;
        if told.as_deref() == Some(refusal.code()) {
            return Ok(Decision::nothing(Err(refusal)));
        }
        self.draft.put(Table::Refused, &hash.to_string(), &refusal.code());
        self.until(signed.request.expires_ms, &Left::Refused(hash));
        self.entries.push(refusal_entry(signed, &refusal, self.now_ms));
        self.prune()?;
        Ok(Decision { answer: Err(refusal), writes: self.draft.into_writes(), entries: self.entries })
    }

    /// Waits for approvals, or is carried out.
    fn decide(&mut self, signed: &Signed) -> Step<Answer> {
        match &signed.request.action {
            Action::Approve { request, people_head } => return self.approve(signed, request, people_head),
            Action::Reject { request, reason } => return self.reject(signed, request, reason),
            _ => {}
        }
        let approved = Approved { request: signed.clone(), approvals: Vec::new() };
        let seats = self.seats(&signed.request.action)?;
        if seats.is_empty() {
            return self.carry_out(&approved);
        }
        self.wait(approved)
    }

    /// Does what a request asks for; its approvals were counted. The requester must still be allowed to ask.
    fn carry_out(&mut self, approved: &Approved) -> Step<Answer> {
        let request = &approved.request.request;
        self.check_keys(&request.action)?;
        let mut entry = entry_of(&approved.request, self.now_ms);
        entry.approvers = approved.approvals.iter().map(|signed| signed.request.by.to_string()).collect();
        let answer = match &request.action {
            Action::ChangePeople { .. } => self.change_people(approved)?,
            Action::AddGuardian(guardian) => self.add_guardian(approved, guardian)?,
            Action::CreateSet { manifest, envelopes } => self.create_set(&request.by, manifest, envelopes)?,
            Action::Deliver { set, index } => self.deliver(&request.by, set, *index, &mut entry)?,
            Action::Confirm { set, index, receipt } => self.confirm(&request.by, set, *index, receipt, &mut entry)?,
            Action::ReportFailure { set, index, reason } => self.report_failure(&request.by, set, *index, reason)?,
            Action::RetryDelivery { set, index } => self.retry_delivery(&request.by, set, *index)?,
            Action::OpenRecovery(open) => self.open_recovery(approved, open)?,
            Action::SubmitShare { session, index, sealed } => self.submit(&request.by, session, *index, sealed)?,
            Action::Collect { session } => self.collect(&request.by, session)?,
            Action::RemoveGuardian { name, signing } => self.remove_guardian(&request.by, name, signing)?,
            Action::Report(findings) => self.report(&approved.request, findings)?,
            Action::CommitRecovery { findings } => self.commit_recovery(approved, findings)?,
            Action::Complete { session } => self.complete(&request.by, session)?,
            Action::AbortRecovery { session, reason } => self.abort(&approved.request, session, reason)?,
            // Decided before; neither can wait for approvals.
            Action::Approve { .. } | Action::Reject { .. } => return Err(Refusal::NotWaiting.into()),
        };
        self.entries.push(entry);
        Ok(answer)
    }

    pub(crate) fn roster(&self) -> Step<Roster> {
        self.draft
            .get(Table::People, ROSTER)
            .or_stop()?
            .ok_or_else(|| Stop::Read(ReadError("there is no roster".into())))
    }

    pub(crate) fn guardian(&self, name: &Name) -> Step<Option<Guardian>> {
        self.draft.get(Table::Guardian, name.as_str()).or_stop()
    }

    /// A person with one of these roles.
    fn person_with(&self, by: &By, roles: &[Role], text: &'static str) -> Step<Name> {
        let By::Person(name) = by else {
            return Err(Refusal::Requester(by.to_string()).into());
        };
        let roster = self.roster()?;
        if roles.iter().any(|role| roster.has(name, *role)) {
            return Ok(name.clone());
        }
        Err(Refusal::Role(name.clone(), text).into())
    }

    fn operations(&self, by: &By) -> Step<Name> {
        self.person_with(by, &[Role::Operations], "operations")
    }

    /// The new roster is what everybody else finds who folds charter and history; else the change is refused.
    fn change_people(&mut self, approved: &Approved) -> Step<Answer> {
        self.operations(&approved.request.request.by)?;
        let Action::ChangePeople { after, add, remove } = &approved.request.request.action else {
            return Err(Refusal::NotWaiting.into());
        };
        let history = self.history()?;
        if *after != session::head(&self.keeper.custody, &history) {
            return Err(Refusal::Overtaken.into());
        }
        let before = self.roster()?;
        let roster = before.changed(add, remove)?;
        self.retire_people(&before, &roster);
        self.draft.put(Table::People, ROSTER, &roster);
        self.draft.put(Table::History, &format!("{:010}", history.len()), approved);
        Ok(Answer::Done)
    }

    /// The people of now with the changes that led to them.
    pub(crate) fn people(&self) -> Step<People> {
        Ok(People::kept(self.keeper.custody, self.roster()?, &self.history()?))
    }

    fn history(&self) -> Step<Vec<Approved>> {
        Ok(self.draft.list::<Approved>(Table::History, "").or_stop()?.into_iter().map(|(_, change)| change).collect())
    }

    /// The same card again renews the approval: a dealer believes only those that people of now gave.
    fn add_guardian(&mut self, approved: &Approved, guardian: &Guardian) -> Step<Answer> {
        self.operations(&approved.request.request.by)?;
        guardian.check()?;
        let same = |other: &Guardian| {
            let any = other.name == guardian.name || other.recipient == guardian.recipient;
            other != guardian && (any || other.signing == guardian.signing)
        };
        let all = self.draft.list::<Guardian>(Table::Guardian, "").or_stop()?;
        if all.iter().any(|(_, other)| same(other)) {
            return Err(Refusal::GuardianExists(guardian.name.clone()).into());
        }
        self.draft.put(Table::Guardian, guardian.name.as_str(), guardian);
        self.draft.put(Table::Registration, guardian.name.as_str(), approved);
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests;
