//! The database of one custody: documents and audit log, committed together or not at all.

use std::fs::File;
use std::path::Path;

use quorumkeep_audit::{Entry, LogKey};
use quorumkeep_custody::records::{ReadError, Records, Table, Writes};
use quorumkeep_node::failpoints::Point;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::audit::{self, Appender};
use crate::error::StoreError;
use crate::files;
use crate::open::{self, Format};

/// "QKCU".
const FORMAT: Format = Format { application: 0x514b_4355, version: 1 };

const TABLES: &str = "
CREATE TABLE documents (
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
";

/// The database of one custody. One process writes; others may read beside it with [`CustodyReader`].
pub struct CustodyStore {
    connection: Connection,
    log: Appender,
    // A failed commit: what is on the disk is known only after opening again.
    stopped: bool,
    // Held until the connection is closed; fields are dropped in this order.
    _lock: File,
}

/// Reads the documents of a custody, beside a running writer.
pub struct CustodyReader(Connection);

impl CustodyStore {
    /// Makes the database with what a custody begins with; it gets its name when it is complete.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; nothing is ever overwritten.
    pub fn create(path: &Path, writes: &Writes, key: &LogKey, entries: &[Entry]) -> Result<Self, StoreError> {
        files::private_directory(files::directory_of(path))?;
        let path = &open::real_path(path)?;
        let lock = open::lock(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path: path.to_path_buf() });
        }
        let tables = [TABLES, audit::TABLES].concat();
        open::write_complete(path, |temporary| {
            open::create_tables(temporary, FORMAT, &tables, |transaction| {
                write(transaction, writes)?;
                audit::append(transaction, key, entries).map(drop)
            })
        })?;
        Ok(Self { connection: open::connect(path, FORMAT)?, log: Appender::default(), stopped: false, _lock: lock })
    }

    /// Opens the database.
    ///
    /// # Errors
    /// [`StoreError`]: missing, locked by another process, something else, damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_path_buf() });
        }
        files::private_directory(files::directory_of(path))?;
        let path = &open::real_path(path)?;
        let lock = open::lock(path)?;
        open::remove_leftovers(path)?;
        Ok(Self { connection: open::connect(path, FORMAT)?, log: Appender::default(), stopped: false, _lock: lock })
    }

    /// Commits documents and the entries that record why, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was written, and nothing is written any more until the database is opened again.
    pub fn commit(&mut self, writes: &Writes, key: &LogKey, entries: &[Entry]) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        // An entry that cannot be written is a mistake of whoever made it, not of the disk.
        entries.iter().try_for_each(|entry| entry.to_bytes().map(drop))?;
        let committed = self.try_commit(writes, key, entries);
        self.stopped = committed.is_err();
        committed
    }

    fn try_commit(&mut self, writes: &Writes, key: &LogKey, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            // Nothing is ever done that is not recorded.
            return if writes.is_empty() {
                Ok(())
            } else {
                Err(StoreError::damaged("a change without an audit entry"))
            };
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write(&transaction, writes)?;
        self.log.append(&transaction, key, entries)?;
        points(entries, true);
        transaction.commit()?;
        points(entries, false);
        Ok(())
    }
}

/// Passes the fail points of what is recorded.
fn points(entries: &[Entry], before: bool) {
    let (commit, pairs) = match before {
        true => (Point::CustodyCommitBefore, 0),
        false => (Point::CustodyCommitAfter, 1),
    };
    crate::point(commit);
    for entry in entries {
        let both = match entry.event.as_str() {
            "backup.deliver" => [Point::CustodyDeliverBefore, Point::CustodyDeliverAfter],
            "backup.confirm" => [Point::CustodyConfirmBefore, Point::CustodyConfirmAfter],
            "recovery.open" | "recovery.break_glass" => [Point::CustodyOpenBefore, Point::CustodyOpenAfter],
            "recovery.submit" => [Point::CustodySubmitBefore, Point::CustodySubmitAfter],
            "recovery.commit" => [Point::CustodyReleaseBefore, Point::CustodyReleaseAfter],
            _ => continue,
        };
        both.get(pairs).copied().into_iter().for_each(crate::point);
    }
}

fn write(transaction: &Transaction<'_>, writes: &Writes) -> Result<(), StoreError> {
    let sql = "INSERT INTO documents (kind, key, value) VALUES (?1, ?2, ?3) \
               ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value";
    let (mut put, mut remove) =
        (transaction.prepare(sql)?, transaction.prepare("DELETE FROM documents WHERE kind = ?1 AND key = ?2")?);
    for ((table, key), value) in writes {
        match value {
            Some(value) => put.execute(params![*table as i64, key, value])?,
            None => remove.execute(params![*table as i64, key])?,
        };
    }
    Ok(())
}

impl CustodyReader {
    /// Opens the database for reading only.
    ///
    /// # Errors
    /// [`StoreError`]: missing, something else, damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(open::connect_to_read(path, FORMAT)?))
    }
}

impl Records for CustodyStore {
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        get(&self.connection, table, key)
    }

    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        list(&self.connection, table, prefix)
    }

    fn first(&self, table: Table, end: &str, count: usize) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        first(&self.connection, table, end, count)
    }
}

impl Records for CustodyReader {
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        get(&self.0, table, key)
    }

    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        list(&self.0, table, prefix)
    }

    fn first(&self, table: Table, end: &str, count: usize) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        first(&self.0, table, end, count)
    }
}

fn failed(error: rusqlite::Error) -> ReadError {
    ReadError(StoreError::from(error).to_string())
}

fn get(connection: &Connection, table: Table, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let statement = connection.prepare("SELECT value FROM documents WHERE kind = ?1 AND key = ?2");
    let read = statement.and_then(|mut found| found.query_row(params![table as i64, key], |row| row.get(0)).optional());
    read.map_err(failed)
}

fn list(connection: &Connection, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    // Keys are ASCII: what begins with the prefix lies between it and the prefix followed by the highest ASCII character.
    let sql = "SELECT key, value FROM documents WHERE kind = ?1 AND key >= ?2 AND key < ?3 ORDER BY key";
    let end = format!("{prefix}\u{7f}");
    let rows = connection.prepare(sql).and_then(|mut statement| {
        let rows = statement.query_map(params![table as i64, prefix, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    });
    rows.map_err(failed)
}

fn first(connection: &Connection, table: Table, end: &str, count: usize) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let sql = "SELECT key, value FROM documents WHERE kind = ?1 AND key < ?2 ORDER BY key LIMIT ?3";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = connection.prepare(sql).and_then(|mut statement| {
        let rows = statement.query_map(params![table as i64, end, count], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    });
    rows.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LogKey {
        LogKey::from_seed("quorumkeep.custody/test", &[7; 32]).unwrap()
    }

    fn writes(number: u8) -> Writes {
        [((Table::Guardian, format!("g{number}")), Some(vec![number]))].into()
    }

    fn entry() -> Entry {
        Entry::new(1, "guardian.add", "person:olga")
    }

    #[test]
    fn what_is_committed_is_there_and_nothing_is_made_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("custody.db");
        let mut store = CustodyStore::create(&path, &writes(1), &key(), &[entry()]).unwrap();
        assert!(matches!(CustodyStore::open(&path), Err(StoreError::Locked { .. })));
        store.commit(&writes(2), &key(), &[entry()]).unwrap();
        drop(store);
        assert!(matches!(CustodyStore::create(&path, &writes(1), &key(), &[entry()]), Err(StoreError::Exists { .. })));
        let store = CustodyStore::open(&path).unwrap();
        assert_eq!(store.get(Table::Guardian, "g2").unwrap(), Some(vec![2]));
        assert_eq!(store.get(Table::Set, "g2").unwrap(), None);
        let reader = CustodyReader::open(&path).unwrap();
        assert_eq!(reader.list(Table::Guardian, "g").unwrap(), [("g1".into(), vec![1]), ("g2".into(), vec![2])]);
        assert_eq!(reader.list(Table::Guardian, "g2").unwrap().len(), 1);
        assert_eq!(audit::head(&store.connection).unwrap().unwrap().size, 2);
    }

    #[test]
    fn what_is_removed_is_gone_and_the_first_are_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("custody.db");
        let mut store = CustodyStore::create(&path, &writes(1), &key(), &[entry()]).unwrap();
        (2..=4).for_each(|number| store.commit(&writes(number), &key(), &[entry()]).unwrap());
        let keys = |found: Vec<(String, Vec<u8>)>| found.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(store.first(Table::Guardian, "g4", 2).unwrap()), ["g1", "g2"]);
        let removed: Writes =
            [((Table::Guardian, "g1".to_owned()), None), ((Table::Set, "g2".to_owned()), None)].into();
        store.commit(&removed, &key(), &[entry()]).unwrap();
        assert_eq!(store.get(Table::Guardian, "g1").unwrap(), None);
        assert_eq!(keys(store.first(Table::Guardian, "g4", 9).unwrap()), ["g2", "g3"]);
        assert!(keys(CustodyReader::open(&path).unwrap().first(Table::Guardian, "g2", 9).unwrap()).is_empty());
    }

    #[test]
    fn p9_what_cannot_be_recorded_is_not_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("custody.db");
        let mut store = CustodyStore::create(&path, &writes(1), &key(), &[entry()]).unwrap();
        let mut forged = entry();
        forged.event = "a b".into();
        assert!(store.commit(&writes(2), &key(), &[forged]).is_err());
        assert_eq!(store.get(Table::Guardian, "g2").unwrap(), None);
        store.commit(&writes(3), &key(), &[entry()]).unwrap();
        assert!(store.commit(&writes(3), &key(), &[]).is_err(), "a change without an entry");
    }
}
