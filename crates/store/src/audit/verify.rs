//! Everything again, from the entries.

use std::num::NonZero;
use std::panic::resume_unwind;

use quorumkeep_audit::tree::{Hash, leaf_hash};
use quorumkeep_audit::{Checkpoint, Entry, Frontier, Verifier};
use rusqlite::{Connection, Row, Rows, params};

use super::STORED_LEVEL;
use super::fault::{AuditFault, Verified};
use super::nodes::StoredNodes;
use super::read::{HeadRow, snapshot};
use crate::schema::to_sql;

/// After so many entries the next signature is verified, so that a change is found without beginning again.
const STRIDE: u64 = 1024;

/// Rows that are read at once, so that all processors share what an entry costs by itself.
const CHUNK_ROWS: usize = 4096;
/// The same in bytes: what is held in memory, but for one entry.
const CHUNK_BYTES: usize = 4 << 20;

/// A row of the log.
struct Stored {
    seq: i64,
    bytes: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

/// What an entry is by itself.
struct Looked {
    time_ms: u64,
    leaf: Hash,
}

impl Stored {
    fn of(row: &Row<'_>) -> Result<Self, AuditFault> {
        let blob = |column| row.get_ref(column).map(|value| value.as_blob().ok().map(<[u8]>::to_vec));
        Ok(Self { seq: row.get(0)?, bytes: blob(1)?, signature: blob(2)? })
    }

    /// None if it is no entry.
    fn look(&self) -> Option<Looked> {
        let bytes = self.bytes.as_deref()?;
        let entry = Entry::from_bytes(bytes).ok()?;
        Some(Looked { time_ms: entry.time_ms, leaf: leaf_hash(bytes) })
    }
}

/// The next rows, none at the end.
fn chunk(rows: &mut Rows<'_>) -> Result<Vec<Stored>, AuditFault> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
        let Some(row) = rows.next()? else { break };
        let stored = Stored::of(row)?;
        bytes += stored.bytes.as_ref().map_or(0, Vec::len);
        chunk.push(stored);
    }
    Ok(chunk)
}

/// Looks at every row, with so many threads; in the order of the rows.
fn look_at(rows: &[Stored], threads: usize) -> Vec<Option<Looked>> {
    let look = |part: &[Stored]| part.iter().map(Stored::look).collect::<Vec<_>>();
    let part = rows.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = rows.chunks(part).map(|part| scope.spawn(move || look(part))).collect();
        let ended = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.flatten().collect()
    })
}

/// Computes the whole log again: the form of every entry, their order, the tree, the root that the checkpoint signs, and
/// what is kept for appending and for proofs. `progress` is told from time to time how many entries are done.
///
/// # Errors
/// [`AuditFault`] names the first bad entry. An entry was committed with a signature of its own, which finds it; entries
/// that were committed together are found together.
pub fn verify(conn: &Connection, verifier: &Verifier, progress: &mut dyn FnMut(u64)) -> Result<Verified, AuditFault> {
    let _snapshot = snapshot(conn)?;
    let row = HeadRow::load(conn)?.ok_or(AuditFault::NoCheckpoint)?;
    let head = Checkpoint::open(&row.note, verifier)?;
    let mut walk = Walk::new(conn, verifier, head.size)?;
    walk.all(progress)?;
    if walk.edge.root() != head.root {
        return Err(walk.locate(head.size)?.unwrap_or_else(|| walk.unknown(head.size)));
    }
    // The entries are right, so that it is the table that is not.
    if let Some(damaged) = walk.damaged {
        return Err(damaged);
    }
    if row.edge(head.size).as_ref() != Some(&walk.edge) || row.last_ms != walk.last_ms {
        return Err(AuditFault::Tree { first: 0, last: head.size.saturating_sub(1) });
    }
    Ok(Verified { size: head.size, root: head.root, note: row.note, last_ms: walk.last_ms })
}

/// A pass over the entries.
struct Walk<'a> {
    conn: &'a Connection,
    nodes: StoredNodes<'a>,
    verifier: &'a Verifier,
    size: u64,
    edge: Frontier,
    last_ms: u64,
    /// The first node of the table that is not what the entries make.
    damaged: Option<AuditFault>,
    /// The edge at the last signature that was verified.
    good: Frontier,
}

impl<'a> Walk<'a> {
    fn new(conn: &'a Connection, verifier: &'a Verifier, size: u64) -> Result<Self, AuditFault> {
        let (nodes, edge) = (StoredNodes::new(conn)?, Frontier::default());
        Ok(Self { conn, nodes, verifier, size, edge, last_ms: 0, damaged: None, good: Frontier::default() })
    }

    fn all(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), AuditFault> {
        let mut statement = self.conn.prepare("SELECT seq, entry, signature FROM audit_entries ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        loop {
            let stored = chunk(&mut rows)?;
            if stored.is_empty() {
                break;
            }
            for (stored, looked) in stored.iter().zip(look_at(&stored, threads)) {
                if let Err(fault) = self.step(stored, looked) {
                    // An entry further in front may be the reason.
                    return Err(self.locate(self.edge.size())?.unwrap_or(fault));
                }
                if self.edge.size().is_multiple_of(STRIDE) {
                    progress(self.edge.size());
                }
            }
        }
        if self.edge.size() < self.size {
            let fault = AuditFault::Missing { seq: self.edge.size(), size: self.size };
            return Err(self.locate(self.edge.size())?.unwrap_or(fault));
        }
        Ok(())
    }

    fn step(&mut self, stored: &Stored, looked: Option<Looked>) -> Result<(), AuditFault> {
        let expected = self.edge.size();
        // A negative number is no place in a log: something was put in front of it.
        let seq = u64::try_from(stored.seq).map_err(|_| AuditFault::Longer { seq: 0, size: self.size })?;
        if seq >= self.size {
            let missing = expected < self.size;
            let longer = AuditFault::Longer { seq, size: self.size };
            return Err(if missing { AuditFault::Missing { seq: expected, size: self.size } } else { longer });
        }
        if seq != expected {
            return Err(AuditFault::Missing { seq: expected, size: self.size });
        }
        let looked = looked.ok_or(AuditFault::Malformed { seq })?;
        if looked.time_ms < self.last_ms {
            return Err(AuditFault::OutOfOrder { seq });
        }
        self.push(looked.leaf)?;
        self.last_ms = looked.time_ms;
        self.sample(stored.signature.as_deref())
    }

    fn push(&mut self, leaf: Hash) -> Result<(), AuditFault> {
        let (nodes, damaged) = (&mut self.nodes, &mut self.damaged);
        self.edge.push(leaf, |level, place, hash| {
            if level >= STORED_LEVEL && nodes.stored(level, place)? != Some(*hash) {
                let (first, last) = (place << level, ((place + 1) << level) - 1);
                damaged.get_or_insert(AuditFault::Tree { first, last });
            }
            Ok(())
        })
    }

    /// Verifies the signature of this row if the last one is far behind.
    fn sample(&mut self, signature: Option<&[u8]>) -> Result<(), AuditFault> {
        if self.edge.size() - self.good.size() < STRIDE {
            return Ok(());
        }
        let Some(signature) = signature else { return Ok(()) };
        if !Checkpoint::signed_by(self.verifier, self.edge.size(), self.edge.root(), signature) {
            return Err(self.unknown(self.edge.size()));
        }
        self.good = self.edge.clone();
        Ok(())
    }

    /// Some entry after the last good signature and before `end`.
    fn unknown(&self, end: u64) -> AuditFault {
        let first = self.good.size();
        AuditFault::Altered { first, last: end.saturating_sub(1).max(first) }
    }

    /// Verifies every signature after the last good one and before `end`. The first that does not fit is that of the entry
    /// that was changed, or of entries that were committed with it.
    fn locate(&self, end: u64) -> Result<Option<AuditFault>, AuditFault> {
        let mut edge = self.good.clone();
        let mut first = edge.size();
        let sql = "SELECT entry, signature FROM audit_entries WHERE seq >= ?1 AND seq < ?2 ORDER BY seq";
        let mut statement = self.conn.prepare(sql)?;
        let mut rows = statement.query(params![to_sql(first)?, to_sql(end)?])?;
        while let Some(row) = rows.next()? {
            let seq = edge.size();
            edge.push::<AuditFault>(leaf_hash(row.get_ref(0)?.as_blob().unwrap_or_default()), |_, _, _| Ok(()))?;
            let Ok(Some(signature)) = row.get_ref(1)?.as_blob_or_null() else { continue };
            if !Checkpoint::signed_by(self.verifier, edge.size(), edge.root(), signature) {
                return Ok(Some(AuditFault::Altered { first, last: seq }));
            }
            first = edge.size();
        }
        Ok(None)
    }
}
