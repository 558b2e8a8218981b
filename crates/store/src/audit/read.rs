//! Reading the log.

use std::path::Path;

use quorumkeep_audit::tree::{self, Hash, check_consistency, check_inclusion, leaf_hash};
use quorumkeep_audit::{Checkpoint, Entry, Frontier, InclusionProof, Verifier};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::fault::{AuditFault, Verified};
use super::nodes::StoredNodes;
use crate::StoreError;
use crate::open::connect_to_read_any;
use crate::schema::{from_sql, to_sql};

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root over all of them.
    pub root: Hash,
    /// The signed checkpoint, as others read it.
    pub note: Vec<u8>,
}

/// An entry where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which, counted from 0.
    pub seq: u64,
    /// What is hashed.
    pub bytes: Vec<u8>,
    /// What it says.
    pub entry: Entry,
}

/// The one row of `audit_head`.
pub struct HeadRow {
    edge: Vec<u8>,
    pub last_ms: u64,
    pub note: Vec<u8>,
    /// The number of the last entry, which is of the other table.
    pub last_seq: Option<u64>,
}

impl HeadRow {
    pub fn load(conn: &Connection) -> Result<Option<Self>, StoreError> {
        let sql = "SELECT edge, last_ms, note, (SELECT max(seq) FROM audit_entries) FROM audit_head WHERE id = 1";
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<i64>>(3)?));
        let Some((edge, last_ms, note, last_seq)) = conn.query_row(sql, [], columns).optional()? else {
            return Ok(None);
        };
        Ok(Some(Self { edge, last_ms: from_sql(last_ms)?, note, last_seq: last_seq.map(from_sql).transpose()? }))
    }

    /// The edge of a tree of this size, if it is one.
    pub fn edge(&self, size: u64) -> Option<Frontier> {
        let (roots, rest) = self.edge.as_chunks::<32>();
        if !rest.is_empty() {
            return None;
        }
        Frontier::from_parts(size, roots.to_vec()).ok()
    }
}

/// One state of the database for several reads, unless the caller has one already.
pub(super) fn snapshot(conn: &Connection) -> Result<Option<Transaction<'_>>, StoreError> {
    if conn.is_autocommit() { Ok(Some(conn.unchecked_transaction()?)) } else { Ok(None) }
}

/// The end of the log; none before its first entry. It is read, not verified.
///
/// # Errors
/// [`StoreError`].
pub fn head(conn: &Connection) -> Result<Option<Head>, StoreError> {
    let Some(row) = HeadRow::load(conn)? else { return Ok(None) };
    let read = Checkpoint::unverified(&row.note);
    let Checkpoint { size, root, .. } = read.map_err(|error| StoreError::damaged(error.to_string()))?;
    Ok(Some(Head { size, root, note: row.note }))
}

/// At most `count` entries, from `from` on.
///
/// # Errors
/// [`AuditFault::Malformed`] names an entry that cannot be read.
pub fn read(conn: &Connection, from: u64, count: u64) -> Result<Vec<Record>, AuditFault> {
    let sql = "SELECT seq, entry FROM audit_entries WHERE seq >= ?1 AND seq < ?2 ORDER BY seq";
    let mut statement = conn.prepare(sql)?;
    let end = from.saturating_add(count).min(tree::SIZE_MAX);
    let mut rows = statement.query(params![to_sql(from.min(end))?, to_sql(end)?])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(Record::new(from_sql(row.get(0)?)?, row.get(1)?)?);
    }
    Ok(records)
}

impl Record {
    pub(super) fn new(seq: u64, bytes: Vec<u8>) -> Result<Self, AuditFault> {
        let entry = Entry::from_bytes(&bytes).map_err(|_| AuditFault::Malformed { seq })?;
        Ok(Self { seq, bytes, entry })
    }
}

/// Proves that the entry `seq` is in the log as its checkpoint has it.
///
/// # Errors
/// [`AuditFault::NoEntry`]; [`AuditFault::Altered`] if what is stored does not prove it.
pub fn prove(conn: &Connection, seq: u64) -> Result<InclusionProof, AuditFault> {
    let _snapshot = snapshot(conn)?;
    let head = head(conn)?.ok_or(AuditFault::NoCheckpoint)?;
    if seq >= head.size {
        return Err(AuditFault::NoEntry { seq, size: head.size });
    }
    let Some(record) = read(conn, seq, 1)?.pop() else {
        return Err(AuditFault::Missing { seq, size: head.size });
    };
    let path = tree::inclusion(&mut StoredNodes::new(conn)?, head.size, seq)?;
    checked_proof(head, record, path)
}

/// A proof that was checked, because nothing that is stored is believed.
pub(super) fn checked_proof(head: Head, record: Record, path: Vec<Hash>) -> Result<InclusionProof, AuditFault> {
    let Record { seq, bytes, .. } = record;
    check_inclusion(&path, head.size, &head.root, seq, &leaf_hash(&bytes))
        .map_err(|_| AuditFault::Altered { first: seq, last: seq })?;
    Ok(InclusionProof { index: seq, entry: bytes, path, checkpoint: head.note })
}

/// `PROOF(old_size, D[size])`: that the log of `old_size` entries is the beginning of this one.
///
/// # Errors
/// [`AuditFault::Forked`] if this log is shorter; [`AuditFault::Tree`] if a node is missing.
pub fn consistency(conn: &Connection, old_size: u64) -> Result<Vec<Hash>, AuditFault> {
    let _snapshot = snapshot(conn)?;
    let head = head(conn)?.ok_or(AuditFault::NoCheckpoint)?;
    longer(&head, old_size)?;
    tree::consistency(&mut StoredNodes::new(conn)?, head.size, old_size)
}

pub(super) fn longer(head: &Head, old: u64) -> Result<(), AuditFault> {
    if old <= head.size {
        return Ok(());
    }
    Err(AuditFault::Forked { old, size: head.size, reason: "it is shorter" })
}

/// Is the log that ends with `head` a continuation of `old`? `path` is the proof.
pub(super) fn continues(head: &Head, old: &Checkpoint, path: &[Hash]) -> Result<(), AuditFault> {
    let reason = "it has other entries there";
    check_consistency(path, head.size, &head.root, old.size, &old.root).map_err(|_| AuditFault::Forked {
        old: old.size,
        size: head.size,
        reason,
    })
}

/// A log in a database that another process may be writing to.
pub struct AuditReader {
    conn: Connection,
}

impl AuditReader {
    /// Opens the database for reading only.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError`] if it is no database, or one without a log.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let conn = connect_to_read_any(path)?;
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'audit_head'";
        let found = conn.query_row(sql, [], |row| row.get::<_, u32>(0));
        match found.map_err(StoreError::from) {
            Ok(1) => Ok(Self { conn }),
            Ok(_) | Err(StoreError::Damaged { .. }) => Err(StoreError::NoLog { path: path.to_path_buf() }),
            Err(error) => Err(error),
        }
    }

    /// As [`head`].
    ///
    /// # Errors
    /// Those of [`head`], and [`AuditFault::NoCheckpoint`].
    pub fn head(&self) -> Result<Head, AuditFault> {
        head(&self.conn)?.ok_or(AuditFault::NoCheckpoint)
    }

    /// As [`read`].
    ///
    /// # Errors
    /// Those of [`read`].
    pub fn read(&self, from: u64, count: u64) -> Result<Vec<Record>, AuditFault> {
        read(&self.conn, from, count)
    }

    /// As [`prove`].
    ///
    /// # Errors
    /// Those of [`prove`].
    pub fn prove(&self, seq: u64) -> Result<InclusionProof, AuditFault> {
        prove(&self.conn, seq)
    }

    /// As [`super::verify`].
    ///
    /// # Errors
    /// Those of [`super::verify`].
    pub fn verify(&self, verifier: &Verifier, progress: &mut dyn FnMut(u64)) -> Result<Verified, AuditFault> {
        super::verify(&self.conn, verifier, progress)
    }

    /// Proves that the log, as it was verified, continues an earlier checkpoint of it.
    ///
    /// # Errors
    /// [`AuditFault::Forked`].
    pub fn continues(&self, old: &Checkpoint, verified: &Verified) -> Result<(), AuditFault> {
        let head = Head { size: verified.size, root: verified.root, note: Vec::new() };
        longer(&head, old.size)?;
        let path = tree::consistency(&mut StoredNodes::new(&self.conn)?, head.size, old.size)?;
        continues(&head, old, &path)
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }
}
