//! What is removed when its time is over: a few documents with every decision, so that nothing grows for ever and nothing has to
//! run by itself.
//!
//! | what | until |
//! |---|---|
//! | answers to requests, requests that wait or waited, refusals | the request expires: after that it is refused anyway |
//! | sealed shares of a session | the session expires or ends |
//! | sessions | [`SESSION_KEPT_MS`] after that |
//!
//! A clock that is set back brings nothing back: the latest expiry that was removed is kept, and requests that expire before it
//! stay refused.

use quorumkeep_audit::Entry;
use serde::{Deserialize, Serialize};

use super::Run;
use crate::bytes::{Hash, Hex};
use crate::records::{ReadError, Table};
use crate::session::{Session, State};

/// Documents of either kind that one decision removes at most; each adds fewer.
pub const BATCH: usize = 16;
/// How long a session is kept after its shares are gone: 90 days. The audit log keeps what happened for ever.
pub const SESSION_KEPT_MS: u64 = 90 * 24 * 3600 * 1000;
/// The key of the latest expiry that was removed; behind all times.
const MARK: &str = "mark";

/// What a request left behind.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Left {
    /// Its answer, by its number.
    Seen(Hex<16>),
    /// The request itself, which waits or waited for approvals.
    Pending(Hash),
    /// That it was refused.
    Refused(Hash),
}

/// What of a session has had its time.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Over {
    /// Its submitted shares.
    Shares(Hash),
    /// All of it.
    Session(Hash),
}

impl Left {
    fn place(&self) -> (Table, String) {
        match self {
            Self::Seen(id) => (Table::Seen, id.to_string()),
            Self::Pending(hash) => (Table::Pending, hash.to_string()),
            Self::Refused(hash) => (Table::Refused, hash.to_string()),
        }
    }
}

/// Sorted by time: what is before `{now:020}` is over.
fn due(at_ms: u64, table: Table, id: &str) -> String {
    format!("{at_ms:020}/{:02}/{id}", table as u8)
}

impl Run<'_> {
    /// Removes it when the request has expired.
    pub(super) fn until(&mut self, expires_ms: u64, left: &Left) {
        let (table, id) = left.place();
        self.draft.put(Table::Due, &due(expires_ms, table, &id), left);
    }

    /// Forgets the shares of a session when its time is over, and the session later.
    pub(super) fn session_until(&mut self, session: &Session) {
        self.over(session.expires_ms, &Over::Shares(session.id));
        self.over(session.expires_ms.saturating_add(SESSION_KEPT_MS), &Over::Session(session.id));
    }

    fn over(&mut self, at_ms: u64, over: &Over) {
        let (table, id) = match over {
            Over::Shares(id) => (Table::Envelope, id),
            Over::Session(id) => (Table::Session, id),
        };
        self.draft.put(Table::DueSession, &due(at_ms, table, &id.to_string()), over);
    }

    /// Was the answer to a request that expires then perhaps removed?
    pub(super) fn is_forgotten(&self, expires_ms: u64) -> Result<bool, ReadError> {
        Ok(self.draft.get::<u64>(Table::Due, MARK)?.is_some_and(|mark| expires_ms <= mark))
    }

    /// Removes some of what is over.
    pub(super) fn prune(&mut self) -> Result<(), ReadError> {
        let end = format!("{:020}", self.now_ms);
        for (key, over) in self.draft.first::<Over>(Table::DueSession, &end, BATCH)? {
            self.draft.remove(Table::DueSession, &key);
            self.end(&over)?;
        }
        let left = self.draft.first::<Left>(Table::Due, &end, BATCH)?;
        let last = left.last().and_then(|(key, _)| key.split('/').next()?.parse::<u64>().ok());
        for (key, left) in left {
            let (table, id) = left.place();
            self.draft.remove(table, &id);
            self.draft.remove(Table::Due, &key);
        }
        if let Some(last) = last {
            let mark = self.draft.get::<u64>(Table::Due, MARK)?.unwrap_or(0).max(last);
            self.draft.put(Table::Due, MARK, &mark);
        }
        Ok(())
    }

    fn end(&mut self, over: &Over) -> Result<(), ReadError> {
        let (Over::Shares(id) | Over::Session(id)) = over;
        let Some(session) = self.draft.get::<Session>(Table::Session, &id.to_string())? else {
            return Ok(());
        };
        match over {
            Over::Shares(_) => self.end_shares(session),
            // Until somebody ends it, it stands in the way of others for the same secret.
            Over::Session(_) if session.state == State::Committed => {
                self.over(self.now_ms.saturating_add(SESSION_KEPT_MS), over);
            }
            Over::Session(_) => {
                self.retire_process(id, &session);
                self.draft.remove(Table::Session, &id.to_string());
            }
        }
        Ok(())
    }

    /// What is committed may be finished for as long as the process itself would go on: see [`crate::session::Bundle::check`].
    fn end_shares(&mut self, mut session: Session) {
        let lifetime_ms = session.parameters().map_or(0, |open| open.lifetime_ms);
        let last_ms = session.opened.request.request.expires_ms.saturating_add(lifetime_ms);
        if session.state == State::Committed && self.now_ms <= last_ms {
            return self.over(last_ms, &Over::Shares(session.id));
        }
        let shares = session.submissions.iter().filter(|submission| !submission.sealed.0.is_empty()).count();
        let waited = matches!(session.state, State::Open | State::Recognised);
        if !waited && shares == 0 {
            return;
        }
        if waited {
            session.state = State::Expired;
        }
        session.submissions.iter_mut().for_each(|submission| submission.sealed.0.clear());
        self.entries.push(expired(&session, shares, self.now_ms));
        self.draft.put(Table::Session, &session.id.to_string(), &session);
    }
}

fn expired(session: &Session, shares: usize, now_ms: u64) -> Entry {
    let mut entry = Entry::new(now_ms, "recovery.expire", "custody");
    entry.target = Some(session.id.to_string());
    if let Some(open) = session.parameters() {
        (entry.key_id, entry.node_id) = (Some(open.set.key_id.to_string()), Some(open.set.node_id.to_string()));
        entry.generation = Some(open.set.generation);
    }
    entry.details = [("shares_removed".to_owned(), shares.to_string())].into();
    entry
}
