//! The RPCs of `infra.v1`: the same rules for callers that are known by their TLS certificate instead of a signed request.
//!
//! A caller can only fetch what is sealed to the registered key of the guardian he is, and can only submit a share that is the
//! one of the manifest. What counts as confirmed is signed by the guardian all the same.

use quorumkeep_audit::{Entry, Outcome};
use rand_core::CryptoRngCore;

use super::refusal::{OrStop, Step, Stop};
use super::{Answer, Decision, Delivered, Keeper, Refusal, Run, SetRecord};
use crate::bytes::Blob;
use crate::delivery::State as DeliveryState;
use crate::guardian::Recipient;
use crate::keys::Signature;
use crate::names::Name;
use crate::records::{ReadError, Records, Table};
use crate::request::REASON_CHARS_MAX;
use crate::session::{Session, State, Submission, Verdict};
use crate::share;

/// A share of the newest set of a secret, and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRef {
    /// `client_id`: the guardian, as his certificate says.
    pub client: Name,
    /// `key_id`.
    pub key_id: Name,
    /// `node_id`.
    pub node_id: Name,
    /// `share_index`.
    pub index: u8,
}

/// What a client says of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The bytes arrived; proves nothing.
    Received,
    /// The guardian's signature over the receipt.
    Confirmed(Signature),
    /// They did not, or could not be used.
    Failed(String),
}

/// How far a recovery is, as `RecoverMPCShare` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Shares that count.
    pub submitted: usize,
    /// Shares that are needed.
    pub needed: u8,
    /// Approved for the second time, and so handed over or about to be.
    pub committed: bool,
    /// As it is written.
    pub state: &'static str,
}

/// A decision, and what is answered beside it.
pub struct Told<T> {
    /// To be committed first.
    pub decision: Decision,
    /// None if it was refused.
    pub value: Option<T>,
}

impl Keeper<'_> {
    /// `RequestShareDelivery`. `public_key` must be the registered one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn infra_deliver(
        &self,
        records: &dyn Records,
        share: &ShareRef,
        public_key: &[u8],
        now_ms: u64,
    ) -> Result<Told<Delivered>, ReadError> {
        self.told(records, entry("backup.deliver", share, now_ms), now_ms, |run, entry| {
            run.check_public_key(&share.client, public_key)?;
            let id = run.newest(share)?.id;
            entry.generation = Some(id.generation);
            run.deliver_to(&share.client, &id, share.index, entry)
        })
    }

    /// `ConfirmShareDelivery`: the state after it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn infra_confirm(
        &self,
        records: &dyn Records,
        share: &ShareRef,
        word: &Word,
        now_ms: u64,
    ) -> Result<Told<DeliveryState>, ReadError> {
        let event = match word {
            Word::Received => "backup.received",
            Word::Confirmed(_) => "backup.confirm",
            Word::Failed(_) => "backup.fail",
        };
        self.told(records, entry(event, share, now_ms), now_ms, |run, entry| {
            let id = run.newest(share)?.id;
            entry.generation = Some(id.generation);
            match word {
                Word::Received => run.received_by(&share.client, &id, share.index)?,
                Word::Confirmed(receipt) => run.confirm_by(&share.client, &id, share.index, receipt, entry)?,
                Word::Failed(reason) => {
                    entry.details.insert("reason".into(), reason.chars().take(REASON_CHARS_MAX).collect());
                    run.failed_by(&share.client, &id, share.index, reason)?
                }
            };
            let delivery = run.newest(share)?.shares.into_iter().find(|delivery| delivery.index == share.index);
            Ok(delivery.map_or(DeliveryState::Pending, |delivery| delivery.state_at(now_ms)))
        })
    }

    /// `RecoverMPCShare`: gives a share to the open, approved session of the secret, or asks how far it is.
    ///
    /// The share is checked here, sealed to the process of the session at once and kept in no other form.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn infra_recover(
        &self,
        records: &dyn Records,
        (key_id, node_id): (&Name, &Name),
        (client, bytes): (&Name, Option<&[u8]>),
        rng: &mut impl CryptoRngCore,
        now_ms: u64,
    ) -> Result<Told<Progress>, ReadError> {
        let event = if bytes.is_some() { "recovery.submit" } else { "recovery.look" };
        let mut start = Entry::new(now_ms, event, format!("client:{client}"));
        (start.key_id, start.node_id) = (Some(key_id.to_string()), Some(node_id.to_string()));
        self.told(records, start, now_ms, |run, entry| {
            let session = run.latest_session(key_id, node_id)?;
            entry.target = Some(session.id.to_string());
            if let Some(bytes) = bytes {
                run.submit_bare(&session, (client, bytes), rng, entry)?;
            }
            run.progress(&session)
        })
    }

    fn told<T>(
        &self,
        records: &dyn Records,
        mut entry: Entry,
        now_ms: u64,
        work: impl FnOnce(&mut Run<'_>, &mut Entry) -> Step<T>,
    ) -> Result<Told<T>, ReadError> {
        let mut run = self.run(records, now_ms);
        match work(&mut run, &mut entry) {
            Ok(value) => {
                run.entries.push(entry);
                run.prune()?;
                let decision =
                    Decision { answer: Ok(Answer::Done), writes: run.draft.into_writes(), entries: run.entries };
                Ok(Told { decision, value: Some(value) })
            }
            Err(Stop::Read(error)) => Err(error),
            Err(Stop::Refused(refusal)) => {
                (entry.result, entry.reason) = (Outcome::Refused, Some(refusal.code().to_owned()));
                entry.details.insert("message".into(), refusal.to_string());
                let mut run = self.run(records, now_ms);
                run.entries.push(entry);
                run.prune()?;
                let (writes, entries) = (run.draft.into_writes(), run.entries);
                let decision = Decision { answer: Err(refusal), writes, entries };
                Ok(Told { decision, value: None })
            }
        }
    }
}

fn entry(event: &str, share: &ShareRef, now_ms: u64) -> Entry {
    let mut entry = Entry::new(now_ms, event, format!("client:{}", share.client));
    (entry.key_id, entry.node_id) = (Some(share.key_id.to_string()), Some(share.node_id.to_string()));
    entry.share_index = Some(share.index.into());
    entry
}

impl Run<'_> {
    fn check_public_key(&self, client: &Name, public_key: &[u8]) -> Step<()> {
        let guardian = self.guardian(client)?.ok_or_else(|| Refusal::GuardianUnknown(client.clone()))?;
        let same = match &guardian.recipient {
            Recipient::Secp256k1(point) => point.0 == *public_key,
            Recipient::Age(text) => text.as_bytes() == public_key,
        };
        if same { Ok(()) } else { Err(Refusal::PublicKey(client.clone()).into()) }
    }

    fn newest(&self, share: &ShareRef) -> Step<SetRecord> {
        let prefix = format!("{}/{}/", share.key_id, share.node_id);
        let sets = self.draft.list::<SetRecord>(Table::Set, &prefix).or_stop()?;
        let newest = sets.into_iter().last().map(|(_, set)| set);
        Ok(newest.ok_or_else(|| Refusal::UnknownSet(format!("{}/{}", share.key_id, share.node_id)))?)
    }

    /// The live session of a secret, else the last one that was completed.
    fn latest_session(&self, key_id: &Name, node_id: &Name) -> Step<Session> {
        if let Some(live) = self.live_session(key_id, node_id)? {
            return Ok(live);
        }
        let completed = |session: &Session| {
            let of_secret =
                |open: &crate::request::OpenRecovery| open.set.key_id == *key_id && open.set.node_id == *node_id;
            session.state == State::Completed && session.parameters().is_some_and(of_secret)
        };
        let all = self.draft.list::<Session>(Table::Session, "").or_stop()?;
        let last = all.into_iter().map(|(_, session)| session).filter(completed).max_by_key(|done| done.opened_ms);
        Ok(last.ok_or_else(|| Refusal::NoSession(format!("{key_id}/{node_id}")))?)
    }

    fn submit_bare(
        &mut self,
        session: &Session,
        (client, bytes): (&Name, &[u8]),
        rng: &mut impl CryptoRngCore,
        entry: &mut Entry,
    ) -> Step<()> {
        let open = session.parameters().ok_or(Refusal::UnknownSession(session.id))?.clone();
        let manifest = self.manifest(&open.set)?.manifest;
        let (index, bare) = manifest.identify(bytes).map_err(Refusal::Share)?;
        (entry.share_index, entry.generation) = (Some(index.into()), Some(open.set.generation));
        let (place, guardian) = manifest.place(index).ok_or(Refusal::Text("the share"))?;
        if guardian != client {
            return Err(Refusal::NotYours(client.clone(), index).into());
        }
        // The same share again is no second one, and no mistake either; a bad one may be replaced.
        let counts =
            |submission: &Submission| submission.index == index && !matches!(submission.verdict, Verdict::Bad(_));
        if session.submissions.iter().any(counts) {
            return Ok(());
        }
        let plain = session.wrap(share::encode(&place, &bare).ok_or(Refusal::Text("the share"))?);
        let sealed = open.process.recipient.seal(&plain, rng).map_err(Refusal::GuardianKeys)?;
        let guardian = guardian.clone();
        self.submit_by(&guardian, &session.id, index, &Blob(sealed)).map(drop)
    }

    fn progress(&self, session: &Session) -> Step<Progress> {
        let session = self.session(&session.id)?;
        let open = session.parameters().ok_or(Refusal::UnknownSession(session.id))?;
        let state = session.state_at(self.now_ms);
        let needed = self.set(&open.set)?.threshold;
        let committed = matches!(state, State::Committed | State::Completed);
        Ok(Progress { submitted: session.count(), needed, committed, state: state.text() })
    }
}
