//! Backup sets: creation and delivery.

use quorumkeep_audit::Entry;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::refusal::{OrStop, Step};
use super::{Answer, Delivered, Refusal, Run};
use crate::bytes::{Blob, Hash, Hex};
use crate::delivery::{Delivery, Receipt, State, Voucher};
use crate::guardian::ENVELOPE_BYTES_MAX;
use crate::keys::Signature;
use crate::manifest::{Manifest, ShareEntry, SignedManifest};
use crate::names::Name;
use crate::records::Table;
use crate::request::{By, REASON_CHARS_MAX, SetId};

/// What is known of a set beside its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRecord {
    /// Which.
    pub id: SetId,
    /// Its manifest.
    pub manifest_hash: Hash,
    /// When it was made.
    pub created_ms: u64,
    /// Shares that recover.
    pub threshold: u8,
    /// Every share.
    pub shares: Vec<Delivery>,
}

impl SetRecord {
    /// Shares whose guardian signed for them.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.shares.iter().filter(|share| share.state == State::Confirmed).count()
    }

    /// Have enough of them?
    #[must_use]
    pub fn is_recoverable(&self) -> bool {
        self.confirmed() >= usize::from(self.threshold)
    }

    fn share(&mut self, index: u8) -> Option<&mut Delivery> {
        self.shares.get_mut(usize::from(index).checked_sub(1)?)
    }
}

/// The id of a manifest's set.
#[must_use]
pub fn id_of(manifest: &Manifest) -> SetId {
    let Manifest { key_id, node_id, generation, .. } = manifest;
    SetId { key_id: key_id.clone(), node_id: node_id.clone(), generation: *generation }
}

/// The key of a sealed share in the records.
pub(crate) fn envelope_record(set: &SetId, index: u8) -> String {
    format!("{}/{index:03}", set.record())
}

impl Run<'_> {
    pub(super) fn create_set(&mut self, by: &By, signed: &SignedManifest, envelopes: &[Blob]) -> Step<Answer> {
        let dealer = self.operations(by)?;
        signed.check()?;
        let manifest = &signed.manifest;
        let key = self.roster()?.person(&dealer).map(|person| person.key);
        if manifest.dealer != dealer || key != Some(manifest.dealer_key) || manifest.custody != self.keeper.custody {
            return Err(Refusal::Dealer.into());
        }
        let id = id_of(manifest);
        let next = self.next_generation(&id)?;
        if id.generation != next {
            return Err(Refusal::Generation(next).into());
        }
        for (at, entry) in manifest.shares.iter().enumerate() {
            self.check_entry(entry, envelopes.get(at))?;
        }
        if envelopes.len() > manifest.shares.len() {
            return Err(Refusal::Envelope(u8::MAX).into());
        }
        self.keep_set(id, signed, envelopes);
        Ok(Answer::Done)
    }

    fn keep_set(&mut self, id: SetId, signed: &SignedManifest, envelopes: &[Blob]) {
        let manifest = &signed.manifest;
        for (entry, envelope) in manifest.shares.iter().zip(envelopes) {
            self.draft.put(Table::Envelope, &envelope_record(&id, entry.index), envelope);
        }
        let key = id.record();
        self.draft.put(Table::Manifest, &key, signed);
        let record = SetRecord {
            id,
            manifest_hash: manifest.hash(),
            created_ms: self.now_ms,
            threshold: manifest.threshold,
            shares: manifest.shares.iter().map(Delivery::new).collect(),
        };
        self.draft.put(Table::Set, &key, &record);
    }

    fn next_generation(&self, id: &SetId) -> Step<u32> {
        let prefix = format!("{}/{}/", id.key_id, id.node_id);
        let sets = self.draft.list::<SetRecord>(Table::Set, &prefix).or_stop()?;
        Ok(sets.last().map_or(1, |(_, set)| set.id.generation.saturating_add(1)))
    }

    /// The guardian is registered with these keys, and the sealed share is the one of the manifest.
    fn check_entry(&self, entry: &ShareEntry, envelope: Option<&Blob>) -> Step<()> {
        let name = &entry.guardian.name;
        if self.was_removed(name)? {
            return Err(Refusal::GuardianRemoved(name.clone()).into());
        }
        let registered = self.guardian(name)?.ok_or_else(|| Refusal::GuardianUnknown(name.clone()))?;
        if registered != entry.guardian {
            return Err(Refusal::GuardianDiffers(name.clone()).into());
        }
        let fits = |sealed: &&Blob| {
            sealed.0.len() <= ENVELOPE_BYTES_MAX && Hex(Sha256::digest(&sealed.0).into()) == entry.envelope_sha256
        };
        if envelope.filter(fits).is_some() { Ok(()) } else { Err(Refusal::Envelope(entry.index).into()) }
    }

    pub(super) fn set(&self, id: &SetId) -> Step<SetRecord> {
        let set = self.draft.get(Table::Set, &id.record()).or_stop()?;
        Ok(set.ok_or_else(|| Refusal::UnknownSet(id.to_string()))?)
    }

    pub(super) fn manifest(&self, id: &SetId) -> Step<SignedManifest> {
        let manifest = self.draft.get(Table::Manifest, &id.record()).or_stop()?;
        Ok(manifest.ok_or_else(|| Refusal::UnknownSet(id.to_string()))?)
    }

    /// Changes the delivery of a share that belongs to whoever asks.
    fn change_delivery<T>(
        &mut self,
        guardian: &Name,
        id: &SetId,
        index: u8,
        change: impl FnOnce(&mut Delivery, u64) -> Result<T, Refusal>,
    ) -> Step<(SetRecord, T)> {
        let mut set = self.set(id)?;
        self.check_holder(guardian, id, index)?;
        let now_ms = self.now_ms;
        let not_yours = || Refusal::NotYours(guardian.clone(), index);
        let delivery = set.share(index).filter(|share| share.guardian == *guardian).ok_or_else(not_yours)?;
        let changed = change(delivery, now_ms)?;
        self.draft.put(Table::Set, &id.record(), &set);
        Ok((set, changed))
    }

    pub(super) fn deliver(&mut self, by: &By, id: &SetId, index: u8, entry: &mut Entry) -> Step<Answer> {
        let guardian = guardian_of(by)?;
        self.deliver_to(&guardian, id, index, entry).map(|delivered| Answer::Envelope(Box::new(delivered)))
    }

    pub(super) fn deliver_to(&mut self, to: &Name, id: &SetId, index: u8, entry: &mut Entry) -> Step<Delivered> {
        let change = |delivery: &mut Delivery, now_ms| {
            delivery.deliver(now_ms)?;
            Ok((delivery.state, delivery.delivered_ms))
        };
        let (set, (status, delivered_ms)) = self.change_delivery(to, id, index, change)?;
        let envelope: Option<Blob> = self.draft.get(Table::Envelope, &envelope_record(id, index)).or_stop()?;
        let envelope = envelope.ok_or(Refusal::Envelope(index))?;
        let manifest = self.manifest(id)?;
        let envelope_sha256 = Hex(Sha256::digest(&envelope.0).into());
        let voucher = Voucher {
            custody: self.keeper.custody,
            key_id: id.key_id.clone(),
            node_id: id.node_id.clone(),
            generation: id.generation,
            share_index: index,
            recipient: to.clone(),
            manifest_hash: set.manifest_hash,
            envelope_sha256,
            timestamp: delivered_ms / 1000,
            status,
        };
        let signature = voucher.sign(self.keeper.service);
        entry.envelope_sha256 = Some(envelope_sha256.to_string());
        entry.target = Some(to.to_string());
        entry.details.insert("voucher".into(), signature.to_string());
        Ok(Delivered { manifest, envelope, voucher, signature })
    }

    pub(super) fn confirm(
        &mut self,
        by: &By,
        id: &SetId,
        index: u8,
        receipt: &Signature,
        entry: &mut Entry,
    ) -> Step<Answer> {
        let guardian = guardian_of(by)?;
        self.confirm_by(&guardian, id, index, receipt, entry)
    }

    pub(super) fn confirm_by(
        &mut self,
        guardian: &Name,
        id: &SetId,
        index: u8,
        signature: &Signature,
        entry: &mut Entry,
    ) -> Step<Answer> {
        let manifest = self.manifest(id)?.manifest;
        let share = manifest.entry(index).ok_or_else(|| Refusal::NotYours(guardian.clone(), index))?;
        let receipt = Receipt::of(&manifest, share);
        let key = share.guardian.signing;
        let change = |delivery: &mut Delivery, now_ms| Ok(delivery.confirm(&receipt, &key, signature, now_ms)?);
        self.change_delivery(guardian, id, index, change)?;
        entry.envelope_sha256 = Some(share.envelope_sha256.to_string());
        entry.details.insert("receipt".into(), signature.to_string());
        Ok(Answer::Done)
    }

    pub(super) fn received_by(&mut self, guardian: &Name, id: &SetId, index: u8) -> Step<Answer> {
        self.change_delivery(guardian, id, index, |delivery, now_ms| Ok(delivery.received(now_ms)?))?;
        Ok(Answer::Done)
    }

    pub(super) fn report_failure(&mut self, by: &By, id: &SetId, index: u8, reason: &str) -> Step<Answer> {
        let guardian = guardian_of(by)?;
        self.failed_by(&guardian, id, index, reason)
    }

    pub(super) fn failed_by(&mut self, guardian: &Name, id: &SetId, index: u8, reason: &str) -> Step<Answer> {
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(Refusal::Text("the reason").into());
        }
        self.change_delivery(guardian, id, index, |delivery, _| Ok(delivery.fail(reason)?))?;
        Ok(Answer::Done)
    }

    pub(super) fn retry_delivery(&mut self, by: &By, id: &SetId, index: u8) -> Step<Answer> {
        self.operations(by)?;
        let mut set = self.set(id)?;
        set.share(index).ok_or_else(|| Refusal::UnknownSet(format!("{id}, share {index}")))?.retry()?;
        self.draft.put(Table::Set, &id.record(), &set);
        Ok(Answer::Done)
    }
}

pub(super) fn guardian_of(by: &By) -> Step<Name> {
    match by {
        By::Guardian(name) => Ok(name.clone()),
        _ => Err(Refusal::Requester(by.to_string()).into()),
    }
}
