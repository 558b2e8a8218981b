//! Replacing the key-encryption key (see the crate's documentation for the order and what a crash leaves).

use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, params};

use crate::error::StoreError;
use crate::open;
use crate::schema::{from_sql, to_sql};
use crate::seal::{Place, Sealer};
use crate::sqlite::SqliteStore;
use crate::{Point, point};

/// Wraps every data key again, under the generation `next`, and puts it in force with the transaction.
pub fn rewrap(transaction: &Transaction<'_>, old: &Sealer<'_>, next: u64) -> Result<(), StoreError> {
    let new = Sealer { binding: old.binding, kek: old.kek, generation: next };
    let meta = open::read_meta(transaction)?;
    let check = new.wrap(&Place::CHECK, &*old.unwrap(&Place::CHECK, &meta.wrapped)?)?;
    transaction.execute("UPDATE meta SET generation = ?1, wrapped = ?2", params![to_sql(next)?, check])?;
    let secrets = wrapped(transaction, "SELECT rowid, wrapped, key, round FROM round_secrets", |row| {
        Ok(Place::round_secret(row.get(2)?, from_sql(row.get(3)?)?))
    })?;
    for (row, place, bytes) in secrets {
        let again = new.wrap(&place, &*old.unwrap(&place, &bytes)?)?;
        transaction.execute("UPDATE round_secrets SET wrapped = ?2 WHERE rowid = ?1", params![row, again])?;
    }
    let shares = wrapped(transaction, "SELECT rowid, wrapped, key, version, round, player FROM shares", |row| {
        Ok(Place::share(row.get(2)?, row.get(3)?, from_sql(row.get(4)?)?, row.get(5)?))
    })?;
    for (row, place, bytes) in shares {
        let again = new.wrap(&place, &*old.unwrap(&place, &bytes)?)?;
        transaction.execute("UPDATE shares SET wrapped = ?2 WHERE rowid = ?1", params![row, again])?;
    }
    Ok(())
}

/// How long a checkpoint waits for a reader; what it could not empty, the next commit tries again.
const CHECKPOINT_BUSY: Duration = Duration::from_millis(100);

type PlaceOf = fn(&Row<'_>) -> Result<Place, StoreError>;

/// The row ids, places and wrapped data keys of a table.
fn wrapped(connection: &Connection, sql: &str, place: PlaceOf) -> Result<Vec<(i64, Place, Vec<u8>)>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, place(row)?, row.get(1)?));
    }
    Ok(found)
}

impl SqliteStore {
    /// The transaction that put `generation` in force is durable: what it deleted is now wiped.
    ///
    /// Nothing here can fail the commit, for it has happened. What does not succeed is tried again with the next one.
    pub(crate) fn rotated(&mut self, generation: u64) {
        self.generation = generation;
        self.wal_pending = true;
        self.kek_pending = true;
        point(Point::StoreRotateCommitted);
        self.empty_wal();
        point(Point::StoreRotateCheckpointed);
        self.destroy_old_kek();
        point(Point::StoreRotateOldSaltRemoved);
    }

    /// Tries again what an earlier commit could not wipe.
    pub(crate) fn finish_erasure(&mut self) {
        self.empty_wal();
        self.destroy_old_kek();
    }

    /// Moves all pages of the WAL into the database and truncates it.
    fn empty_wal(&mut self) {
        if !self.wal_pending {
            return;
        }
        // The writer of the node waits here: a reader that does not finish must not hold it up with every commit.
        let busy = self.connection.busy_timeout(CHECKPOINT_BUSY).and_then(|()| {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        });
        if let Err(error) = self.connection.busy_timeout(open::BUSY) {
            tracing::error!(%error, "the time to wait for readers was not restored");
        }
        match busy {
            Ok(0) => self.wal_pending = false,
            Ok(_) => {
                tracing::warn!("a reader keeps the write-ahead log from being emptied; the next commit tries again")
            }
            Err(error) => tracing::error!(%error, "the write-ahead log was not emptied; the next commit tries again"),
        }
    }

    fn destroy_old_kek(&mut self) {
        if !self.kek_pending {
            return;
        }
        match self.kek.retain(self.generation) {
            Ok(()) => self.kek_pending = false,
            Err(error) => {
                tracing::error!(%error, "an old key-encryption key was not destroyed; the next commit tries again")
            }
        }
    }
}
