//! Appending to the log.

use quorumkeep_audit::tree::leaf_hash;
use quorumkeep_audit::{Checkpoint, Entry, Frontier, LogKey};
use rusqlite::{Transaction, params};

use super::STORED_LEVEL;
use super::read::{Head, HeadRow};
use crate::StoreError;
use crate::schema::to_sql;

/// Appends entries and signs the new head, all in the caller's transaction: whoever commits it commits the operation and
/// its record, or neither.
///
/// An entry whose time is before the last one's gets that one's time, and its own in the detail `clock_ms`.
///
/// # Errors
/// [`StoreError::Unrecorded`] for an entry that breaks a rule; [`StoreError::Damaged`] if the log does not end with a head
/// that this key signed. After an error the transaction MUST be rolled back.
pub fn append(tx: &Transaction<'_>, key: &LogKey, entries: &[Entry]) -> Result<Head, StoreError> {
    Appender::default().append(tx, key, entries)
}

/// Appends again and again without verifying the signature of its own last head each time. Everything else is looked at as
/// [`append`] does: what is remembered is that this key signed these bytes, which stays true whatever becomes of the
/// transaction.
#[derive(Default)]
pub struct Appender {
    /// A checkpoint, and the public key that it was signed with.
    signed: Option<(Vec<u8>, String)>,
}

impl Appender {
    /// As [`append`].
    ///
    /// # Errors
    /// Those of [`append`].
    pub fn append(&mut self, tx: &Transaction<'_>, key: &LogKey, entries: &[Entry]) -> Result<Head, StoreError> {
        let old = HeadRow::load(tx)?;
        let (edge, last_ms) = match &old {
            Some(head) => (head.trusted_edge(&self.believe(&head.note, key)?)?, head.last_ms),
            None => (empty(tx)?, 0),
        };
        let head = append_to(tx, key, edge, last_ms, entries)?;
        self.signed = Some((head.note.clone(), key.verifier().encode().to_owned()));
        Ok(head)
    }

    /// The checkpoint in these bytes, if the key signed them.
    fn believe(&self, note: &[u8], key: &LogKey) -> Result<Checkpoint, StoreError> {
        let known = |(bytes, by): &(Vec<u8>, String)| bytes == note && by == key.verifier().encode();
        let read = match self.signed.as_ref().is_some_and(known) {
            true => Checkpoint::unverified(note),
            false => Checkpoint::open(note, key.verifier()),
        };
        read.map_err(|error| StoreError::damaged(format!("the audit log: {error}")))
    }
}

fn append_to(
    tx: &Transaction<'_>,
    key: &LogKey,
    mut edge: Frontier,
    mut last_ms: u64,
    entries: &[Entry],
) -> Result<Head, StoreError> {
    let (first, mut encoded) = (edge.size(), Vec::with_capacity(entries.len()));
    for entry in entries {
        let entry = in_order(entry, last_ms);
        last_ms = entry.time_ms;
        let bytes = entry.to_bytes()?;
        edge.push(leaf_hash(&bytes), |level, place, hash| match level {
            STORED_LEVEL.. => insert_node(tx, level, place, hash),
            _ => Ok(()),
        })?;
        encoded.push(bytes);
    }
    let head = sign(key, &edge)?;
    insert_entries(tx, first, &encoded, &head)?;
    let sql = "INSERT OR REPLACE INTO audit_head (id, edge, last_ms, note) VALUES (1, ?1, ?2, ?3)";
    tx.prepare(sql)?.execute(params![edge.roots().concat(), to_sql(last_ms)?, head.note])?;
    Ok(head)
}

/// The rows of the entries, the last of them with the signature over the head.
fn insert_entries(tx: &Transaction<'_>, first: u64, encoded: &[Vec<u8>], head: &Head) -> Result<(), StoreError> {
    let signature = Checkpoint::bare_signature(&head.note);
    let mut insert = tx.prepare("INSERT INTO audit_entries (seq, entry, signature) VALUES (?1, ?2, ?3)")?;
    for (seq, bytes) in (first..).zip(encoded) {
        let signature = signature.as_ref().filter(|_| seq + 1 == head.size);
        insert.execute(params![to_sql(seq)?, bytes, signature]).map_err(taken)?;
    }
    Ok(())
}

/// The entry with a time that is not before the last one's.
fn in_order(entry: &Entry, last_ms: u64) -> Entry {
    let mut entry = entry.clone();
    if entry.time_ms < last_ms {
        entry.details.insert("clock_ms".to_owned(), entry.time_ms.to_string());
        entry.time_ms = last_ms;
    }
    entry
}

/// A log without a head has no entries either: somebody removed its head otherwise.
fn empty(tx: &Transaction<'_>) -> Result<Frontier, StoreError> {
    match tx.query_row("SELECT EXISTS (SELECT 1 FROM audit_entries)", [], |row| row.get(0))? {
        false => Ok(Frontier::default()),
        true => Err(StoreError::damaged("the audit log has entries and no checkpoint")),
    }
}

/// A row that is there already was not put there by us.
fn taken(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => {
            StoreError::damaged("the audit log goes on after its checkpoint")
        }
        _ => error.into(),
    }
}

fn insert_node(tx: &Transaction<'_>, level: u8, place: u64, hash: &[u8; 32]) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_nodes (level, place, hash) VALUES (?1, ?2, ?3)";
    tx.prepare(sql)?.execute(params![level, to_sql(place)?, hash]).map_err(taken)?;
    Ok(())
}

fn sign(key: &LogKey, edge: &Frontier) -> Result<Head, StoreError> {
    let (size, root) = (edge.size(), edge.root());
    let note = Checkpoint::sign(key, size, root).map_err(|error| StoreError::damaged(error.to_string()))?;
    Ok(Head { size, root, note })
}

impl HeadRow {
    /// The edge, if it leads to this checkpoint and the entries end where it says.
    fn trusted_edge(&self, head: &Checkpoint) -> Result<Frontier, StoreError> {
        let edge = self.edge(head.size).filter(|edge| edge.root() == head.root);
        let edge = edge.ok_or_else(|| StoreError::damaged("the edge of the audit log is not its checkpoint's"))?;
        if self.last_seq != head.size.checked_sub(1) {
            return Err(StoreError::damaged("the audit log does not end where its checkpoint says"));
        }
        Ok(edge)
    }
}

impl From<quorumkeep_audit::TreeError> for StoreError {
    fn from(error: quorumkeep_audit::TreeError) -> Self {
        Self::damaged(format!("the audit log: {error}"))
    }
}
