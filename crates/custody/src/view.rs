//! What people look at: coverage, waiting requests, sessions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bytes::{Blob, Hash};
use crate::delivery::{Delivery, State};
use crate::guardian::Guardian;
use crate::keeper::{CHARTER, Fate, Pending, ROSTER, Removed, SetRecord, envelope_record};
use crate::keys::VerifyKey;
use crate::manifest::SignedManifest;
use crate::names::Name;
use crate::people::{Charter, Roster};
use crate::placement::{self, Analysis};
use crate::records::{Draft, ReadError, Records, Table};
use crate::register::Register;
use crate::request::{By, SetId, Signed};
use crate::session::{self, Approved, Bundle, Session};

/// A share as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareView {
    /// Which.
    pub index: u8,
    /// Whose.
    pub guardian: Name,
    /// For whom he acts.
    pub entity: Name,
    /// At the server?
    pub server: bool,
    /// Where it is, now.
    pub state: State,
    /// Deliveries so far.
    pub attempts: u32,
    /// The last one; 0: none.
    pub delivered_ms: u64,
    /// The receipt; 0: none.
    pub confirmed_ms: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Its guardian was removed: it counts for nothing here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// A set as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetView {
    /// `KEY/NODE/GENERATION`.
    pub set: String,
    /// Its parts.
    #[serde(flatten)]
    pub id: SetId,
    /// Its manifest.
    pub manifest_hash: Hash,
    /// When it was made.
    pub created_ms: u64,
    /// Shares that recover.
    pub threshold: u8,
    /// All shares.
    pub total: usize,
    /// Shares with a receipt, of guardians who were not removed.
    pub confirmed: usize,
    /// Receipts for all: the set is active.
    pub active: bool,
    /// Receipts for enough.
    pub recoverable: bool,
    /// Every share.
    pub shares: Vec<ShareView>,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// What approvals name.
    pub request: Hash,
    /// What is asked.
    pub event: String,
    /// Who asked.
    pub by: String,
    /// Who has approved.
    pub approvals: Vec<String>,
    /// Until when.
    pub expires_ms: u64,
    /// The request itself: what is approved is this, byte for byte.
    pub content: crate::request::Request,
}

impl WaitingView {
    /// Is what is shown what the hash says? Whoever approves looks at the content, and signs its hash.
    #[must_use]
    pub fn is_what_it_says(&self) -> bool {
        let said = (self.request, self.event.as_str(), self.by.as_str(), self.expires_ms);
        let content = &self.content;
        said == (content.hash(), content.action.event(), content.by.to_string().as_str(), content.expires_ms)
    }
}

/// A session as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub session: Hash,
    /// What is recovered.
    pub set: String,
    /// How far it is.
    pub state: session::State,
    /// With one approval: an alarm.
    pub break_glass: bool,
    /// Shares that count so far.
    pub submitted: usize,
    /// Shares that are needed.
    pub needed: u8,
    /// Shares that were found bad, and why.
    pub bad: Vec<(u8, String)>,
    /// Until when shares are accepted.
    pub expires_ms: u64,
}

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The identity of the custody.
    pub custody: Hash,
    /// Its name.
    pub name: Name,
    /// Every set, in order.
    pub sets: Vec<SetView>,
    /// What waits for approval.
    pub waiting: Vec<WaitingView>,
    /// Sessions that are not over, and every break-glass one.
    pub sessions: Vec<SessionView>,
    /// Guardians.
    pub guardians: usize,
    /// Sets that can be recovered.
    pub recoverable: usize,
    /// What the next change of people has to name.
    pub people_head: Hash,
}

impl Overview {
    /// The same as JSON. Not generic, so that it is compiled here, where what computes is optimised: there may be 10 MB of it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Looks at the records of a custody.
pub struct View<'a>(Draft<'a>);

impl<'a> View<'a> {
    /// Of these records.
    #[must_use]
    pub fn new(records: &'a dyn Records) -> Self {
        Self(Draft::new(records))
    }

    /// The charter.
    ///
    /// # Errors
    /// [`ReadError`], also if there is none.
    pub fn charter(&self) -> Result<Charter, ReadError> {
        self.0.get(Table::People, CHARTER)?.ok_or_else(|| ReadError("there is no charter".into()))
    }

    /// The people of now.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn roster(&self) -> Result<Roster, ReadError> {
        Ok(self.0.get(Table::People, ROSTER)?.unwrap_or_default())
    }

    /// The key with which somebody signs, if he is known.
    fn key_of(&self, by: &By) -> Result<Option<VerifyKey>, ReadError> {
        Ok(match by {
            By::Person(name) => self.roster()?.person(name).map(|person| person.key),
            By::Guardian(name) => {
                self.0.get::<Guardian>(Table::Guardian, name.as_str())?.map(|guardian| guardian.signing)
            }
            By::Process(id) => self.session(id)?.and_then(|session| Some(session.parameters()?.process.signing)),
        })
    }

    /// The key of who signed a request that is new here and of now; none for everything else. Signatures of others can be read
    /// and sent again by anybody, so that what was answered or refused before says nothing of who sends it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn author(&self, signed: &Signed, custody: &Hash, now_ms: u64) -> Result<Option<VerifyKey>, ReadError> {
        let request = &signed.request;
        if request.custody != *custody || !request.is_of(now_ms) {
            return Ok(None);
        }
        let known = |table, key: &str| self.0.get::<serde::de::IgnoredAny>(table, key);
        let before =
            known(Table::Seen, &request.id.to_string())?.or(known(Table::Refused, &request.hash().to_string())?);
        if before.is_some() {
            return Ok(None);
        }
        Ok(self.key_of(&request.by)?.filter(|key| signed.is_by(key)))
    }

    /// The registered guardians.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn guardians(&self) -> Result<Vec<Guardian>, ReadError> {
        Ok(self.0.list(Table::Guardian, "")?.into_iter().map(|(_, guardian)| guardian).collect())
    }

    /// The registered guardians with everything that shows that people stand behind their keys.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn register(&self) -> Result<Register, ReadError> {
        let mut guardians = Vec::new();
        for guardian in self.guardians()? {
            guardians.extend(self.0.get::<Approved>(Table::Registration, guardian.name.as_str())?);
        }
        Ok(Register { charter: self.charter()?, history: self.history()?, guardians })
    }

    /// The sets whose key begins so (`KEY/`, `KEY/NODE/` or nothing).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn sets(&self, prefix: &str, now_ms: u64) -> Result<Vec<SetView>, ReadError> {
        let sets = self.0.list::<SetRecord>(Table::Set, prefix)?;
        let gone: BTreeSet<Name> =
            self.0.list::<Removed>(Table::Removed, "")?.into_iter().map(|(_, removed)| removed.guardian.name).collect();
        sets.into_iter().map(|(_, set)| Ok(set_view(&set, &self.removed_of(&set, &gone)?, now_ms))).collect()
    }

    /// The shares of a set whose guardians were removed. Somebody who has the name now is not the one of the manifest.
    fn removed_of(&self, set: &SetRecord, gone: &BTreeSet<Name>) -> Result<BTreeSet<u8>, ReadError> {
        // Manifests are long; they are read only for sets with such a name.
        if !set.shares.iter().any(|share| gone.contains(&share.guardian)) {
            return Ok(BTreeSet::new());
        }
        let mut removed = BTreeSet::new();
        for entry in self.manifest(&set.id)?.into_iter().flat_map(|signed| signed.manifest.shares) {
            let registered: Option<Guardian> = self.0.get(Table::Guardian, entry.guardian.name.as_str())?;
            if registered != Some(entry.guardian) {
                removed.insert(entry.index);
            }
        }
        Ok(removed)
    }

    /// The newest set of a secret.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn newest(&self, key_id: &Name, node_id: &Name) -> Result<Option<SetRecord>, ReadError> {
        let all = self.0.list::<SetRecord>(Table::Set, &format!("{key_id}/{node_id}/"))?;
        Ok(all.into_iter().last().map(|(_, set)| set))
    }

    /// The manifest of a set.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn manifest(&self, set: &SetId) -> Result<Option<SignedManifest>, ReadError> {
        self.0.get(Table::Manifest, &set.record())
    }

    /// The sealed share of a set, for an export.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn envelope(&self, set: &SetId, index: u8) -> Result<Option<Blob>, ReadError> {
        self.0.get(Table::Envelope, &envelope_record(set, index))
    }

    /// What the placement of a set really gives.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn analysis(&self, set: &SetId) -> Result<Option<Analysis>, ReadError> {
        let Some(signed) = self.manifest(set)? else {
            return Ok(None);
        };
        let guardians: Vec<Guardian> = signed.manifest.shares.into_iter().map(|share| share.guardian).collect();
        Ok(placement::analyse(signed.manifest.threshold, &guardians).ok())
    }

    /// Requests that wait.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn waiting(&self, now_ms: u64) -> Result<Vec<WaitingView>, ReadError> {
        let all = self.0.list::<Pending>(Table::Pending, "")?.into_iter().map(|(_, pending)| pending);
        let waits =
            |pending: &Pending| pending.fate == Fate::Waiting && pending.approved.request.request.expires_ms >= now_ms;
        Ok(all.filter(waits).map(waiting_view).collect())
    }

    /// A session, without the sealed shares: those are for its process alone.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn session(&self, id: &Hash) -> Result<Option<Session>, ReadError> {
        Ok(self.0.get(Table::Session, &id.to_string())?.map(without_shares))
    }

    /// Every session, without the sealed shares.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn sessions(&self) -> Result<Vec<Session>, ReadError> {
        Ok(self.0.list(Table::Session, "")?.into_iter().map(|(_, session)| without_shares(session)).collect())
    }

    /// A session with everything that shows that it is allowed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn bundle(&self, id: &Hash) -> Result<Option<Bundle>, ReadError> {
        let Some(session) = self.session(id)? else {
            return Ok(None);
        };
        let set = session.parameters().map(|open| open.set.clone());
        let manifest = set.map(|set| self.manifest(&set)).transpose()?.flatten();
        let Some(manifest) = manifest else {
            return Ok(None);
        };
        Ok(Some(Bundle { charter: self.charter()?, history: self.history()?, manifest, session }))
    }

    /// Every change of people.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn history(&self) -> Result<Vec<Approved>, ReadError> {
        Ok(self.0.list(Table::History, "")?.into_iter().map(|(_, change)| change).collect())
    }

    /// Everything at a glance.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn overview(&self, prefix: &str, now_ms: u64) -> Result<Overview, ReadError> {
        let (charter, sets) = (self.charter()?, self.sets(prefix, now_ms)?);
        let shown = |view: &SessionView| {
            view.break_glass
                || matches!(view.state, session::State::Open | session::State::Recognised | session::State::Committed)
        };
        let mut sessions = Vec::new();
        for session in self.sessions()? {
            let set = session.parameters().map(|open| open.set.record()).unwrap_or_default();
            let needed = self.0.get::<SetRecord>(Table::Set, &set)?.map_or(0, |set| set.threshold);
            sessions.extend(session_view(&session, needed, now_ms));
        }
        let recoverable: BTreeSet<(&Name, &Name)> =
            sets.iter().filter(|set| set.recoverable).map(|set| (&set.id.key_id, &set.id.node_id)).collect();
        Ok(Overview {
            custody: charter.id(),
            name: charter.name.clone(),
            waiting: self.waiting(now_ms)?,
            sessions: sessions.into_iter().filter(shown).collect(),
            guardians: self.guardians()?.len(),
            recoverable: recoverable.len(),
            people_head: session::head(&charter.id(), &self.history()?),
            sets,
        })
    }
}

fn without_shares(mut session: Session) -> Session {
    session.submissions.iter_mut().for_each(|submission| submission.sealed.0.clear());
    session
}

/// A set as it is shown; the guardians of these shares were removed.
#[must_use]
pub fn set_view(set: &SetRecord, removed: &BTreeSet<u8>, now_ms: u64) -> SetView {
    let counts = |share: &&Delivery| share.state == State::Confirmed && !removed.contains(&share.index);
    let confirmed = set.shares.iter().filter(counts).count();
    SetView {
        set: set.id.to_string(),
        manifest_hash: set.manifest_hash,
        created_ms: set.created_ms,
        threshold: set.threshold,
        total: set.shares.len(),
        confirmed,
        active: confirmed == set.shares.len(),
        recoverable: confirmed >= usize::from(set.threshold),
        id: set.id.clone(),
        shares: set.shares.iter().map(|share| share_view(share, removed.contains(&share.index), now_ms)).collect(),
    }
}

fn share_view(share: &Delivery, removed: bool, now_ms: u64) -> ShareView {
    ShareView {
        state: share.state_at(now_ms),
        index: share.index,
        guardian: share.guardian.clone(),
        entity: share.entity.clone(),
        server: share.server,
        attempts: share.attempts,
        delivered_ms: share.delivered_ms,
        confirmed_ms: share.confirmed_ms,
        reason: share.reason.clone(),
        removed,
    }
}

fn waiting_view(pending: Pending) -> WaitingView {
    let request = pending.approved.request.request;
    WaitingView {
        request: request.hash(),
        event: request.action.event().to_owned(),
        by: request.by.to_string(),
        approvals: pending.approved.approvals.iter().map(|signed| signed.request.by.to_string()).collect(),
        expires_ms: request.expires_ms,
        content: request,
    }
}

/// A session as it is shown.
#[must_use]
pub fn session_view(session: &Session, needed: u8, now_ms: u64) -> Option<SessionView> {
    let open = session.parameters()?;
    let bad = |submission: &session::Submission| match &submission.verdict {
        session::Verdict::Bad(reason) => Some((submission.index, reason.clone())),
        _ => None,
    };
    Some(SessionView {
        session: session.id,
        set: open.set.to_string(),
        state: session.state_at(now_ms),
        break_glass: open.break_glass,
        submitted: session.count(),
        needed,
        bad: session.submissions.iter().filter_map(bad).collect(),
        expires_ms: session.expires_ms,
    })
}
