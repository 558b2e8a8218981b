//! Recovery sessions: who may get which secret through which process, and how far it is.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bytes::{Blob, Hash};
use crate::chain::People;
use crate::keeper::id_of;
use crate::manifest::SignedManifest;
use crate::names::Name;
use crate::people::{self, Charter, Role, Seats};
use crate::request::{self, Action, By, Findings, OpenRecovery, Recovered, Signed};

/// Who may end a session.
pub const ENDS: [Role; 3] = [Role::Operations, Role::Owner, Role::Security];
/// The longest time a session may be open: 7 days.
pub const LIFETIME_MS_MAX: u64 = 7 * 24 * 3600 * 1000;

/// A request that was carried out, and who approved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// The request.
    pub request: Signed,
    /// Requests of the kind [`Action::Approve`] for its hash.
    pub approvals: Vec<Signed>,
}

/// What the process found out about a submitted share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing yet.
    Unchecked,
    /// It is the right share.
    Good,
    /// It is not, and why.
    Bad(String),
}

/// A share that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Which share.
    pub index: u8,
    /// Whose.
    pub guardian: Name,
    /// Sealed to the process; empty for everybody but the process: [`Action::Collect`].
    pub sealed: Blob,
    /// When.
    pub at_ms: u64,
    /// What the process says of it.
    pub verdict: Verdict,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Approved; shares are accepted.
    Open,
    /// The process has recovered the right secret; it waits for the second approval.
    Recognised,
    /// The process may hand it over.
    Committed,
    /// It does, or has.
    Completed,
    /// Ended without a result.
    Aborted,
    /// Out of time.
    Expired,
}

impl State {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Recognised => "recognised",
            Self::Committed => "committed",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
        }
    }
}

/// A recovery session. Its id is the hash of the approved request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The hash of the request that opened it.
    pub id: Hash,
    /// That request, and who approved it.
    pub opened: Approved,
    /// When it was approved.
    pub opened_ms: u64,
    /// Until when shares are accepted.
    pub expires_ms: u64,
    /// How far it is; ask [`Session::state_at`].
    pub state: State,
    /// The shares so far, one for each index.
    pub submissions: Vec<Submission>,
    /// What the process found last, signed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Signed>,
    /// The second approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Approved>,
    /// The request that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Signed>,
    /// Why it was aborted.
    pub reason: String,
}

impl Session {
    /// Its parameters; none if the request is of another kind, which the keeper never stores.
    #[must_use]
    pub fn parameters(&self) -> Option<&OpenRecovery> {
        match &self.opened.request.request.action {
            Action::OpenRecovery(open) => Some(open),
            _ => None,
        }
    }

    /// What the process found, if it was the one of this session that signed it.
    #[must_use]
    pub fn findings(&self) -> Option<&Findings> {
        let reported = self.reported.as_ref()?;
        let request = &reported.request;
        let own = request.by == By::Process(self.id) && request.custody == self.opened.request.request.custody;
        match &request.action {
            Action::Report(findings) if own && findings.session == self.id => {
                reported.is_by(&self.parameters()?.process.signing).then_some(findings)
            }
            _ => None,
        }
    }

    /// How far it is at a time. What is committed does not expire.
    #[must_use]
    pub fn state_at(&self, now_ms: u64) -> State {
        let waits = matches!(self.state, State::Open | State::Recognised);
        if waits && now_ms > self.expires_ms { State::Expired } else { self.state }
    }

    /// Does it stand in the way of another session for the same secret?
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        matches!(self.state_at(now_ms), State::Open | State::Recognised | State::Committed)
    }

    /// What a guardian seals to the process: the id of the session, then what was in his envelope. A share that was given to one
    /// session is of no use in another.
    #[must_use]
    pub fn wrap(&self, bound: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 + bound.len()));
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&bound);
        bytes
    }

    /// What was wrapped for this session; none if it was for another.
    #[must_use]
    pub fn unwrap<'a>(&self, plain: &'a [u8]) -> Option<&'a [u8]> {
        plain.strip_prefix(&self.id.0)
    }

    /// Shares that count: not those that are known to be bad.
    #[must_use]
    pub fn count(&self) -> usize {
        self.submissions.iter().filter(|submission| !matches!(submission.verdict, Verdict::Bad(_))).count()
    }
}

/// A session with everything that shows that it is allowed, beginning with the charter. Whoever pins the identity of the custody
/// needs to trust nothing else: the process checks it before it opens a share, a guardian before he gives one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Its hash is the identity of the custody.
    pub charter: Charter,
    /// Every change of people since, in order.
    pub history: Vec<Approved>,
    /// What is recovered.
    pub manifest: SignedManifest,
    /// The session.
    pub session: Session,
}

/// A session that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Of another custody.
    #[error("the charter is not the one of the custody that is pinned")]
    Charter,
    /// People that cannot be.
    #[error(transparent)]
    People(#[from] people::Error),
    /// A change of people without its approvals.
    #[error("change {0} of the people is not signed and approved as it must be")]
    History(usize),
    /// The history of people was cut.
    #[error("an approval names a change of the people that is not shown: somebody withholds it")]
    Withheld,
    /// The session was not opened by approval.
    #[error("the session is not signed and approved as it must be")]
    NotApproved,
    /// The manifest is damaged, or not the one of the session.
    #[error("the manifest is not the one that was approved")]
    Manifest,
    /// Out of time or ended.
    #[error("the session is {}", .0.text())]
    State(State),
    /// What was approved is not what the process signed.
    #[error("what was approved is not what the process of this session found")]
    Findings,
    /// The secret may not be handed over yet.
    #[error("the second approval is missing")]
    NotCommitted,
}

impl Approved {
    /// Is it signed by somebody who may, and approved by people who may, as the roster is? What was approved before somebody
    /// was removed is approved no more.
    #[must_use]
    pub fn holds(&self, people: &People, seats: Seats) -> bool {
        let hash = self.request.request.hash();
        let Some(asked) = person_of(&self.request, people) else {
            return false;
        };
        // The keeper asks the same when it carries a request out: only operations asks for what others approve.
        if !people.roster().has(asked, Role::Operations) || self.hides(people) {
            return false;
        }
        let until_ms = self.request.request.expires_ms;
        let approves = |signed: &Signed| {
            let named = matches!(&signed.request.action, Action::Approve { request, .. } if *request == hash);
            named && signed.request.at_ms <= until_ms
        };
        let by = self.approvals.iter().filter(|signed| approves(signed));
        let approvers = by.filter_map(|signed| person_of(signed, people).cloned()).collect();
        people::filled(seats, asked, &approvers, people.roster())
    }

    /// Did somebody who approved it know a change of people that is not among these?
    #[must_use]
    pub fn hides(&self, people: &People) -> bool {
        let unknown = |signed: &Signed| match &signed.request.action {
            Action::Approve { people_head, .. } => !people.knows(people_head),
            _ => false,
        };
        self.approvals.iter().any(unknown)
    }
}

/// Whose signature it is, if he is in the roster.
fn person_of<'a>(signed: &'a Signed, people: &People) -> Option<&'a Name> {
    let By::Person(name) = &signed.request.by else {
        return None;
    };
    let person = people.roster().person(name).filter(|_| signed.request.custody == *people.custody())?;
    signed.is_by(&person.key).then_some(name)
}

impl Bundle {
    /// The people of now, if every change was approved by those of before.
    ///
    /// # Errors
    /// [`Error::Charter`], [`Error::People`], [`Error::History`].
    pub fn people(&self, custody: &Hash) -> Result<People, Error> {
        People::of(&self.charter, custody, &self.history)
    }

    /// Is the session allowed, and may shares be given to it now?
    ///
    /// # Errors
    /// [`Error`].
    pub fn check(&self, custody: &Hash, now_ms: u64) -> Result<&OpenRecovery, Error> {
        self.check_in(custody, now_ms, &[State::Open, State::Recognised, State::Committed])
    }

    /// Is the session allowed, in time, and in one of these states?
    ///
    /// # Errors
    /// [`Error`].
    pub fn check_in(&self, custody: &Hash, now_ms: u64, states: &[State]) -> Result<&OpenRecovery, Error> {
        let parameters = self.check_opened(custody)?;
        // What the session says of its times is not signed; the request is.
        let request = &self.session.opened.request.request;
        let waited_ms = request.expires_ms.saturating_sub(request.at_ms);
        let too_long = waited_ms > request::LIFETIME_MS_MAX || parameters.lifetime_ms > LIFETIME_MS_MAX;
        if too_long || now_ms > request.expires_ms.saturating_add(parameters.lifetime_ms) {
            return Err(Error::State(State::Expired));
        }
        let state = self.session.state_at(now_ms);
        if states.contains(&state) { Ok(parameters) } else { Err(Error::State(state)) }
    }

    /// Who ended the session, if somebody did who may. A host that only says so is not believed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ended_by(&self, custody: &Hash) -> Result<Option<&Name>, Error> {
        let people = self.people(custody)?;
        let Some(signed) = &self.session.ended else { return Ok(None) };
        let names = matches!(&signed.request.action,
            Action::AbortRecovery { session, .. } if *session == self.session.id);
        let may = |name: &&Name| ENDS.iter().any(|role| people.roster().has(name, *role));
        Ok(person_of(signed, &people).filter(may).filter(|_| names))
    }

    /// Was the session opened as it must be? Says nothing of its time and state.
    ///
    /// # Errors
    /// [`Error`].
    pub fn check_opened(&self, custody: &Hash) -> Result<&OpenRecovery, Error> {
        let people = self.people(custody)?;
        let request = &self.session.opened.request.request;
        let Action::OpenRecovery(open) = &request.action else {
            return Err(Error::NotApproved);
        };
        if self.session.opened.hides(&people) {
            return Err(Error::Withheld);
        }
        let approved = self.session.opened.holds(&people, request.action.seats());
        if !approved || request.hash() != self.session.id {
            return Err(Error::NotApproved);
        }
        let manifest = &self.manifest.manifest;
        let same = manifest.hash() == open.manifest_hash && manifest.custody == *custody && id_of(manifest) == open.set;
        if same && self.manifest.check().is_ok() { Ok(open) } else { Err(Error::Manifest) }
    }

    /// What may be handed over: what the process itself found, and two people approved.
    ///
    /// # Errors
    /// [`Error`].
    pub fn check_committed(&self, custody: &Hash) -> Result<&Recovered, Error> {
        let open = self.check_opened(custody)?;
        let committed = self.session.committed.as_ref().ok_or(Error::NotCommitted)?;
        let Action::CommitRecovery { findings } = &committed.request.request.action else {
            return Err(Error::NotCommitted);
        };
        if self.session.findings() != Some(findings) {
            return Err(Error::Findings);
        }
        let people = self.people(custody)?;
        if committed.hides(&people) {
            return Err(Error::Withheld);
        }
        let approved = committed.holds(&people, commit_seats(open));
        findings.recovered.as_ref().filter(|_| approved).ok_or(Error::NotCommitted)
    }
}

/// The approvals that the commit of a session needs: as many as its opening.
#[must_use]
pub fn commit_seats(open: &OpenRecovery) -> Seats {
    if open.break_glass { people::BREAK_GLASS } else { people::TWO }
}

/// What the next change of people has to follow: the last change, or the charter.
#[must_use]
pub fn head(custody: &Hash, history: &[Approved]) -> Hash {
    history.last().map_or(*custody, |change| change.request.request.hash())
}
