//! Durable storage in memory, with the rules of the real one: one transaction per batch, nothing is ever replaced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::{Digest, KeyId, VersionId};
use quorumkeep_node::store::{
    Batch, Loaded, OutputRow, OwnRecord, RoundSecret, ShareRow, Store, StoreFailed, Suspension,
};
use zeroize::Zeroizing;

struct Share {
    round: u64,
    index: u16,
    share: SecretScalar,
}

/// What is on one disk.
#[derive(Default)]
pub struct Disk {
    blocks: BTreeMap<u64, Vec<u8>>,
    snapshot: Option<(u64, Vec<u8>)>,
    records: BTreeMap<(KeyId, u64, Kind, Digest), Vec<u8>>,
    secrets: BTreeMap<(KeyId, u64), [u8; 64]>,
    shares: BTreeMap<(KeyId, VersionId), Share>,
    outputs: BTreeMap<(KeyId, VersionId), OutputRow>,
    pins: BTreeMap<KeyId, [u8; 96]>,
    nonces: BTreeMap<Digest, u64>,
    suspension: Option<Suspension>,
}

impl Disk {
    /// A byte for byte copy: a backup, or the disk of a clone.
    pub fn copy(&self) -> Self {
        let share = |row: &Share| Share { round: row.round, index: row.index, share: row.share.copy() };
        Self {
            blocks: self.blocks.clone(),
            snapshot: self.snapshot.clone(),
            records: self.records.clone(),
            secrets: self.secrets.clone(),
            shares: self.shares.iter().map(|(id, row)| (*id, share(row))).collect(),
            outputs: self.outputs.clone(),
            pins: self.pins.clone(),
            nonces: self.nonces.clone(),
            suspension: self.suspension.clone(),
        }
    }

    /// Forgets the board, keeps the key: what an operator does who "starts the board over".
    pub fn forget_board(&mut self) {
        self.blocks.clear();
        self.snapshot = None;
        self.records.clear();
        self.secrets.clear();
    }

    /// Does this disk remember having made this record?
    pub fn remembers(&self, bytes: &[u8]) -> bool {
        self.records.values().any(|own| own == bytes)
    }

    /// The versions whose shares are durable.
    pub fn versions(&self) -> impl Iterator<Item = &(KeyId, VersionId)> {
        self.shares.keys()
    }

    /// A durable share.
    pub fn share(&self, key: &KeyId, version: &VersionId) -> Option<&SecretScalar> {
        self.shares.get(&(*key, *version)).map(|row| &row.share)
    }

    /// An own record that is durable.
    pub fn record(&self, key: &KeyId, round: u64, kind: Kind) -> Option<&Vec<u8>> {
        self.records.get(&(*key, round, kind, Digest::ZERO))
    }

    /// The height of the last block on this disk.
    pub fn height(&self) -> u64 {
        self.blocks.keys().next_back().copied().unwrap_or(0)
    }

    /// The secrets of a round, `e` first.
    pub fn round_secret(&self, key: &KeyId, round: u64) -> Option<&[u8; 64]> {
        self.secrets.get(&(*key, round))
    }

    fn load(&self) -> Loaded {
        let above = self.snapshot.as_ref().map_or(0, |(height, _)| *height);
        let records = self.records.iter().map(|((key, round, kind, subject), bytes)| OwnRecord {
            key: *key,
            round: *round,
            kind: *kind,
            subject: *subject,
            bytes: bytes.clone(),
        });
        let secrets = self.secrets.iter().map(|((key, round), bytes)| RoundSecret {
            key: *key,
            round: *round,
            bytes: Zeroizing::new(*bytes),
        });
        let shares = self.shares.iter().map(|((key, version), row)| ShareRow {
            key: *key,
            version: *version,
            round: row.round,
            index: row.index,
            share: row.share.copy(),
        });
        Loaded {
            snapshot: self.snapshot.clone(),
            blocks: self.blocks.range(above + 1..).map(|(_, bytes)| bytes.clone()).collect(),
            records: records.collect(),
            round_secrets: secrets.collect(),
            shares: shares.collect(),
            pins: self.pins.iter().map(|(key, pin)| (*key, *pin)).collect(),
            suspension: self.suspension.clone(),
        }
    }

    fn refuse(&self, batch: &Batch) -> Result<(), StoreFailed> {
        let record = |r: &OwnRecord| self.records.contains_key(&(r.key, r.round, r.kind, r.subject));
        let pin = |(key, pin): &(KeyId, [u8; 96])| self.pins.get(key).is_some_and(|old| old != pin);
        if batch.blocks.iter().any(|(height, _)| self.blocks.contains_key(height)) {
            return Err(StoreFailed::Exists("a block of this height"));
        }
        if batch.records.iter().any(record) {
            return Err(StoreFailed::Exists("an own record of this round, kind and subject"));
        }
        if batch.round_secrets.iter().any(|row| self.secrets.contains_key(&(row.key, row.round))) {
            return Err(StoreFailed::Exists("the secrets of this round"));
        }
        if batch.shares.iter().any(|row| self.shares.contains_key(&(row.key, row.version))) {
            return Err(StoreFailed::Exists("a share of this version"));
        }
        if batch.pins.iter().any(pin) {
            return Err(StoreFailed::Exists("another group key"));
        }
        if batch.nonces.iter().any(|(nonce, _)| self.nonces.contains_key(nonce)) {
            return Err(StoreFailed::NonceUsed);
        }
        Ok(())
    }

    /// In the order of the fields of [`Batch`]: additions before deletions, as the real engine does it.
    fn apply(&mut self, batch: &Batch) {
        self.blocks.extend(batch.blocks.iter().cloned());
        if let Some(snapshot) = &batch.snapshot {
            self.snapshot = Some(snapshot.clone());
        }
        for record in &batch.records {
            let id = (record.key, record.round, record.kind, record.subject);
            self.records.insert(id, record.bytes.clone());
        }
        for row in &batch.round_secrets {
            self.secrets.insert((row.key, row.round), *row.bytes);
        }
        for (key, round) in &batch.forget_secrets {
            self.secrets.retain(|(own, number), _| own != key || number > round);
        }
        for (key, round) in &batch.forget_records {
            self.records.retain(|(own, number, ..), _| own != key || number >= round);
        }
        for row in &batch.shares {
            let share = Share { round: row.round, index: row.index, share: row.share.copy() };
            self.shares.insert((row.key, row.version), share);
        }
        for (key, keep) in &batch.keep_shares {
            self.shares.retain(|(own, version), _| own != key || keep.contains(version));
        }
        self.outputs.extend(batch.outputs.iter().map(|row| ((row.key, row.version), row.clone())));
        self.pins.extend(batch.pins.iter().copied());
        self.nonces.extend(batch.nonces.iter().copied());
        if let Some(suspension) = &batch.suspension {
            self.suspension = suspension.clone();
        }
    }
}

/// A handle on a disk; it outlives the node that writes to it.
#[derive(Clone, Default)]
pub struct MemStore(Arc<Mutex<Disk>>);

impl MemStore {
    /// A store on this disk.
    pub fn on(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    /// The disk.
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a node finds when it starts.
    pub fn load(&self) -> Loaded {
        self.disk().load()
    }
}

impl Store for MemStore {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreFailed> {
        let mut disk = self.disk();
        disk.refuse(batch)?;
        disk.apply(batch);
        Ok(())
    }
}
