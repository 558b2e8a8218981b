//! The tree of a log in a database.

use quorumkeep_audit::tree::{Hash, Nodes, complete_root, leaf_hash};
use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::STORED_LEVEL;
use super::fault::AuditFault;
use crate::StoreError;
use crate::schema::to_sql;

/// Nodes as the tables have them: not believed, so that every proof is checked before it is given.
pub struct StoredNodes<'a> {
    node: Statement<'a>,
    entries: Statement<'a>,
}

impl Nodes for StoredNodes<'_> {
    type Error = AuditFault;

    fn node(&mut self, level: u8, place: u64) -> Result<Hash, AuditFault> {
        match level {
            STORED_LEVEL.. => self.stored(level, place)?.ok_or_else(|| missing(level, place)),
            _ => self.computed(level, place),
        }
    }
}

impl<'a> StoredNodes<'a> {
    pub fn new(conn: &'a Connection) -> Result<Self, StoreError> {
        let node = conn.prepare("SELECT hash FROM audit_nodes WHERE level = ?1 AND place = ?2")?;
        let entries = conn.prepare("SELECT entry FROM audit_entries WHERE seq >= ?1 AND seq < ?2 ORDER BY seq")?;
        Ok(Self { node, entries })
    }

    /// A node of the table.
    pub fn stored(&mut self, level: u8, place: u64) -> Result<Option<Hash>, StoreError> {
        Ok(self.node.query_row(params![level, to_sql(place)?], |row| row.get(0)).optional()?)
    }

    /// The hashes of the entries `first` to `first + count - 1`, as far as they are there.
    pub fn leaves(&mut self, first: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
        let range = params![to_sql(first)?, to_sql(first.saturating_add(count))?];
        let hash = |row: &rusqlite::Row<'_>| Ok(leaf_hash(row.get_ref(0)?.as_blob()?));
        let hashes: Result<Vec<Hash>, _> = self.entries.query_map(range, hash)?.collect();
        Ok(hashes?)
    }

    fn computed(&mut self, level: u8, place: u64) -> Result<Hash, AuditFault> {
        let leaves = self.leaves(place << level, 1 << level)?;
        if leaves.len() != 1 << level {
            return Err(missing(level, place));
        }
        Ok(complete_root(&leaves))
    }
}

fn missing(level: u8, place: u64) -> AuditFault {
    AuditFault::Tree { first: place << level, last: ((place + 1) << level) - 1 }
}
