//! Look-ups beside the writer: a connection of their own that cannot write.

use std::path::Path;

use quorumkeep_dkg::ids::{KeyId, VersionId};
use quorumkeep_node::store::OutputRow;
use rusqlite::{Connection, Params, Row, params};

use crate::commit::output_sum;
use crate::error::StoreError;
use crate::load::{collect, read_block, same};
use crate::open;
use crate::schema::{self, from_sql};

/// The most rows that one call gives.
const ROWS_MAX: usize = 10_000;

/// A line of the audit table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When, in milliseconds.
    pub ms: u64,
    /// What.
    pub text: String,
}

/// Reads public rows. It needs no key and sees what is committed; it opens no secret.
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the database `path` for reading, beside the process that writes.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::NotADatabase`], [`StoreError::NewerSchema`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: open::connect_to_read(path, open::NODE)? })
    }

    /// The output of exactly this version.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the row is not as it was written.
    pub fn output(&self, key: &KeyId, version: &VersionId) -> Result<Option<OutputRow>, StoreError> {
        Ok(self.outputs(&schema::output(), params![key.0, version.0])?.pop())
    }

    /// The output of the version that was active at `time_ms`: the last that became active by then. O(log n).
    ///
    /// # Errors
    /// As [`Reader::output`].
    pub fn output_at(&self, key: &KeyId, time_ms: u64) -> Result<Option<OutputRow>, StoreError> {
        let time = i64::try_from(time_ms).unwrap_or(i64::MAX);
        Ok(self.outputs(&schema::output_at(), params![key.0, time])?.pop())
    }

    /// The newest `limit` outputs by height, newest first.
    ///
    /// # Errors
    /// As [`Reader::output`].
    pub fn latest_outputs(&self, key: &KeyId, limit: usize) -> Result<Vec<OutputRow>, StoreError> {
        self.outputs(&schema::latest_outputs(), params![key.0, bound(limit)])
    }

    fn outputs(&self, sql: &str, values: impl Params) -> Result<Vec<OutputRow>, StoreError> {
        collect(&self.connection, sql, values, read_output)
    }

    /// Blocks from the height `from`, ascending, at most `limit`.
    ///
    /// # Errors
    /// As [`Reader::output`].
    pub fn blocks(&self, from: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let sql = "SELECT height, bytes, sum FROM blocks WHERE height >= ?1 ORDER BY height LIMIT ?2";
        collect(&self.connection, sql, params![from, bound(limit)], read_block)
    }

    /// The newest `limit` lines of the audit table, newest first.
    ///
    /// # Errors
    /// As [`Reader::output`].
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditLine>, StoreError> {
        let sql = "SELECT seq, ms, text FROM audit ORDER BY seq DESC LIMIT ?1";
        collect(&self.connection, sql, params![bound(limit)], |row| {
            Ok(AuditLine { seq: from_sql(row.get(0)?)?, ms: from_sql(row.get(1)?)?, text: row.get(2)? })
        })
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit.min(ROWS_MAX)).unwrap_or(0)
}

fn read_output(row: &Row<'_>) -> Result<OutputRow, StoreError> {
    let output = OutputRow {
        key: KeyId(row.get(0)?),
        version: VersionId(row.get(1)?),
        round: from_sql(row.get(2)?)?,
        active_height: from_sql(row.get(3)?)?,
        active_ms: from_sql(row.get(4)?)?,
        bytes: row.get(5)?,
    };
    same(row.get(6)?, output_sum(&output), "an output")?;
    Ok(output)
}
