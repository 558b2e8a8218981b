//! Everything again, from the entries.

use quorumkeep_audit::tree::leaf_hash;
use quorumkeep_audit::{Checkpoint, Entry, Frontier, Verifier};
use rusqlite::{Connection, Row, params};

use super::STORED_LEVEL;
use super::fault::{AuditFault, Verified};
use super::nodes::StoredNodes;
use super::read::{HeadRow, snapshot};
use crate::schema::to_sql;

/// After so many entries the next signature is verified, so that a change is found without beginning again.
const STRIDE: u64 = 1024;

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
        while let Some(row) = rows.next()? {
            if let Err(fault) = self.step(row) {
                // An entry further in front may be the reason.
                return Err(self.locate(self.edge.size())?.unwrap_or(fault));
            }
            if self.edge.size().is_multiple_of(STRIDE) {
                progress(self.edge.size());
            }
        }
        if self.edge.size() < self.size {
            let fault = AuditFault::Missing { seq: self.edge.size(), size: self.size };
            return Err(self.locate(self.edge.size())?.unwrap_or(fault));
        }
        Ok(())
    }

    fn step(&mut self, row: &Row<'_>) -> Result<(), AuditFault> {
        let expected = self.edge.size();
        // A negative number is no place in a log: something was put in front of it.
        let seq = u64::try_from(row.get::<_, i64>(0)?).map_err(|_| AuditFault::Longer { seq: 0, size: self.size })?;
        if seq >= self.size {
            let missing = expected < self.size;
            let longer = AuditFault::Longer { seq, size: self.size };
            return Err(if missing { AuditFault::Missing { seq: expected, size: self.size } } else { longer });
        }
        if seq != expected {
            return Err(AuditFault::Missing { seq: expected, size: self.size });
        }
        let bytes = row.get_ref(1)?.as_blob().map_err(|_| AuditFault::Malformed { seq })?;
        let entry = Entry::from_bytes(bytes).map_err(|_| AuditFault::Malformed { seq })?;
        if entry.time_ms < self.last_ms {
            return Err(AuditFault::OutOfOrder { seq });
        }
        self.push(bytes)?;
        self.last_ms = entry.time_ms;
        self.sample(row)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), AuditFault> {
        let (nodes, damaged) = (&mut self.nodes, &mut self.damaged);
        self.edge.push(leaf_hash(bytes), |level, place, hash| {
            if level >= STORED_LEVEL && nodes.stored(level, place)? != Some(*hash) {
                let (first, last) = (place << level, ((place + 1) << level) - 1);
                damaged.get_or_insert(AuditFault::Tree { first, last });
            }
            Ok(())
        })
    }

    /// Verifies the signature of this row if the last one is far behind.
    fn sample(&mut self, row: &Row<'_>) -> Result<(), AuditFault> {
        if self.edge.size() - self.good.size() < STRIDE {
            return Ok(());
        }
        let Ok(Some(signature)) = row.get_ref(2)?.as_blob_or_null() else { return Ok(()) };
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
