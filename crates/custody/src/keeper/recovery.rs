//! Recovery sessions: open, submit, report, commit, complete.

use super::refusal::{OrStop, Step};
use super::sets::guardian_of;
use super::{Answer, Refusal, Run};
use crate::bytes::{Blob, Hash};
use crate::guardian::{ENVELOPE_BYTES_MAX, Recipient};
use crate::names::Name;
use crate::records::Table;
use crate::request::{By, Findings, OpenRecovery, REASON_CHARS_MAX, Signed};
use crate::session::{Approved, ENDS, LIFETIME_MS_MAX, Session, State, Submission, Verdict};

impl Run<'_> {
    pub(super) fn session(&self, id: &Hash) -> Step<Session> {
        let session = self.draft.get(Table::Session, &id.to_string()).or_stop()?;
        Ok(session.ok_or(Refusal::UnknownSession(*id))?)
    }

    fn keep(&mut self, session: &Session) {
        self.draft.put(Table::Session, &session.id.to_string(), session);
    }

    /// The session that is open for a secret, whatever the generation.
    pub(super) fn live_session(&self, key_id: &Name, node_id: &Name) -> Step<Option<Session>> {
        let of_secret = |session: &Session| {
            session.parameters().is_some_and(|open| open.set.key_id == *key_id && open.set.node_id == *node_id)
        };
        let all = self.draft.list::<Session>(Table::Session, "").or_stop()?;
        let live = all.into_iter().map(|(_, session)| session).filter(|session| session.is_live(self.now_ms));
        Ok(live.into_iter().find(of_secret))
    }

    pub(super) fn open_recovery(&mut self, approved: &Approved, open: &OpenRecovery) -> Step<Answer> {
        self.operations(&approved.request.request.by)?;
        let set = self.set(&open.set)?;
        if set.manifest_hash != open.manifest_hash {
            return Err(Refusal::ManifestHash.into());
        }
        if !open.process.recipient.is_valid() || !open.process.signing.is_valid() || !open.recipient.is_valid() {
            return Err(Refusal::Text("a key of the process or the recipient").into());
        }
        if open.reason.is_empty() || open.reason.chars().count() > REASON_CHARS_MAX {
            return Err(Refusal::Text("the reason").into());
        }
        if open.lifetime_ms == 0 || open.lifetime_ms > LIFETIME_MS_MAX {
            return Err(Refusal::Text("the lifetime of the session").into());
        }
        if matches!(open.recipient, Recipient::Secp256k1(_))
            && !self.manifest(&open.set)?.manifest.containers.is_empty()
        {
            return Err(Refusal::Text("the recipient: containers are sealed to age recipients only; it").into());
        }
        if let Some(other) = self.live_session(&open.set.key_id, &open.set.node_id)? {
            return Err(Refusal::SessionOpen(other.id).into());
        }
        let id = approved.request.request.hash();
        let all = self.draft.list::<Session>(Table::Session, "").or_stop()?;
        let same_key =
            |session: &Session| session.parameters().is_some_and(|other| other.process.signing == open.process.signing);
        if all.iter().any(|(_, session)| session.id != id && same_key(session)) {
            return Err(Refusal::ProcessKey.into());
        }
        let session = Session {
            id: approved.request.request.hash(),
            opened: approved.clone(),
            opened_ms: self.now_ms,
            expires_ms: self.now_ms.saturating_add(open.lifetime_ms),
            state: State::Open,
            submissions: Vec::new(),
            reported: None,
            committed: None,
            ended: None,
            reason: String::new(),
        };
        self.session_until(&session);
        self.keep(&session);
        Ok(Answer::Done)
    }

    /// A session in one of these states.
    fn session_in(&self, id: &Hash, states: &[State]) -> Step<Session> {
        let session = self.session(id)?;
        let state = session.state_at(self.now_ms);
        if states.contains(&state) { Ok(session) } else { Err(Refusal::SessionState(state.text()).into()) }
    }

    pub(super) fn submit(&mut self, by: &By, id: &Hash, index: u8, sealed: &Blob) -> Step<Answer> {
        let guardian = guardian_of(by)?;
        self.submit_by(&guardian, id, index, sealed)
    }

    pub(super) fn submit_by(&mut self, guardian: &Name, id: &Hash, index: u8, sealed: &Blob) -> Step<Answer> {
        let mut session = self.session_in(id, &[State::Open])?;
        let set = session.parameters().map(|open| open.set.clone()).ok_or(Refusal::UnknownSession(*id))?;
        let holds = self.set(&set)?.shares.iter().any(|share| share.index == index && share.guardian == *guardian);
        if !holds {
            return Err(Refusal::NotYours(guardian.clone(), index).into());
        }
        self.check_holder(guardian, &set, index)?;
        if sealed.0.is_empty() || sealed.0.len() > ENVELOPE_BYTES_MAX {
            return Err(Refusal::Text("the sealed share").into());
        }
        // Only a share that was found bad may be given again.
        let same = session.submissions.iter().position(|submission| submission.index == index);
        if let Some(at) = same {
            match session.submissions.get(at).map(|submission| &submission.verdict) {
                Some(Verdict::Bad(_)) => drop(session.submissions.remove(at)),
                _ => return Err(Refusal::Submitted(index).into()),
            }
        }
        let (at_ms, guardian, sealed) = (self.now_ms, guardian.clone(), sealed.clone());
        session.submissions.push(Submission { index, guardian, sealed, at_ms, verdict: Verdict::Unchecked });
        self.keep(&session);
        Ok(Answer::Done)
    }

    /// Only the process of a session speaks for it.
    fn of_process(&self, by: &By, id: &Hash, states: &[State]) -> Step<Session> {
        if *by != By::Process(*id) {
            return Err(Refusal::Requester(by.to_string()).into());
        }
        self.session_in(id, states)
    }

    /// Nobody else gets what was sealed to the process.
    pub(super) fn collect(&mut self, by: &By, id: &Hash) -> Step<Answer> {
        let session = self.of_process(by, id, &[State::Open, State::Recognised, State::Committed])?;
        Ok(Answer::Shares(session.submissions))
    }

    pub(super) fn report(&mut self, signed: &Signed, findings: &Findings) -> Step<Answer> {
        let states = [State::Open, State::Recognised];
        let mut session = self.of_process(&signed.request.by, &findings.session, &states)?;
        if !findings.fits() {
            return Err(Refusal::Text("a list or a reason in the findings").into());
        }
        for submission in &mut session.submissions {
            if findings.good.contains(&submission.index) {
                submission.verdict = Verdict::Good;
            }
            let bad = findings.bad.iter().find(|(index, _)| *index == submission.index);
            if let Some((_, reason)) = bad {
                submission.verdict = Verdict::Bad(reason.clone());
            }
        }
        let set = session.parameters().map(|open| open.set.clone()).ok_or(Refusal::UnknownSession(session.id))?;
        let good = session.submissions.iter().filter(|submission| submission.verdict == Verdict::Good).count();
        let enough = good >= usize::from(self.set(&set)?.threshold);
        session.state = if findings.recovered.is_some() && enough { State::Recognised } else { State::Open };
        session.reported = Some(signed.clone());
        self.keep(&session);
        Ok(Answer::Done)
    }

    /// For what the process found last, and for nothing else.
    pub(super) fn commit_recovery(&mut self, approved: &Approved, findings: &Findings) -> Step<Answer> {
        self.operations(&approved.request.request.by)?;
        let mut session = self.session_in(&findings.session, &[State::Recognised])?;
        if session.findings() != Some(findings) {
            return Err(Refusal::Findings.into());
        }
        session.state = State::Committed;
        session.committed = Some(approved.clone());
        self.keep(&session);
        Ok(Answer::Done)
    }

    /// The process hands over now: from here on nobody ends the session. It says so before it does it, and again after a crash.
    pub(super) fn complete(&mut self, by: &By, id: &Hash) -> Step<Answer> {
        let mut session = self.of_process(by, id, &[State::Committed, State::Completed])?;
        session.state = State::Completed;
        // The shares have done their work; what is sealed to the process is of no use to anybody any more.
        session.submissions.iter_mut().for_each(|submission| submission.sealed.0.clear());
        self.keep(&session);
        Ok(Answer::Done)
    }

    /// Whoever is committed first wins: what the process has completed cannot be ended, and what was ended it cannot complete.
    pub(super) fn abort(&mut self, signed: &Signed, id: &Hash, reason: &str) -> Step<Answer> {
        self.person_with(&signed.request.by, &ENDS, "operations, owner or security")?;
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(Refusal::Text("the reason").into());
        }
        let mut session = self.session_in(id, &[State::Open, State::Recognised, State::Committed])?;
        (session.state, session.reason, session.ended) = (State::Aborted, reason.to_owned(), Some(signed.clone()));
        session.submissions.iter_mut().for_each(|submission| submission.sealed.0.clear());
        self.keep(&session);
        Ok(Answer::Done)
    }
}
