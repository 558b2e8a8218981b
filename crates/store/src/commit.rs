//! One transaction per batch.
//!
//! The parts are applied in the order of the fields of [`Batch`]: additions before deletions. So `keep_shares`,
//! `forget_secrets` and `forget_records` see what the same batch added.

use quorumkeep_dkg::ids::{KeyId, VersionId};
use quorumkeep_node::store::{Batch, OutputRow, OwnRecord, RoundSecret, ShareRow, Store, StoreFailed, Suspension};
use rusqlite::{Params, Transaction, TransactionBehavior, params};

use crate::error::{StoreError, engine};
use crate::schema::to_sql;
use crate::seal::{Place, Sealer, checksum};
use crate::sqlite::SqliteStore;
use crate::{Point, point, rotate};

impl Store for SqliteStore {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreFailed> {
        if self.stopped {
            return Err(engine(StoreError::Stopped));
        }
        self.finish_erasure();
        if batch.is_empty() {
            return Ok(());
        }
        let done = self.transact(batch);
        // A commit that failed in the engine may or may not be on the disk; only opening again tells.
        self.stopped = matches!(done, Err(StoreFailed::Engine(_)));
        if let Some(generation) = done? {
            self.rotated(generation);
        }
        Ok(())
    }
}

impl SqliteStore {
    /// Applies the batch; returns the new generation of the key-encryption key if a secret was deleted.
    fn transact(&mut self, batch: &Batch) -> Result<Option<u64>, StoreFailed> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(engine)?;
        let sealer = Sealer { binding: &self.binding, kek: self.kek.as_ref(), generation: self.generation };
        let apply = Apply { transaction: &transaction, sealer };
        let has_erased = apply.all(batch)?;
        let next = if has_erased {
            let next = self.kek.rotate().map_err(engine)?;
            point(Point::StoreRotateSaltWritten);
            let old = Sealer { binding: &self.binding, kek: self.kek.as_ref(), generation: self.generation };
            rotate::rewrap(&transaction, &old, next).map_err(engine)?;
            Some(next)
        } else {
            None
        };
        point(Point::StoreCommitBefore);
        transaction.commit().map_err(engine)?;
        point(Point::StoreCommitAfter);
        Ok(next)
    }
}

/// The parts of a batch, in an open transaction.
struct Apply<'a> {
    transaction: &'a Transaction<'a>,
    sealer: Sealer<'a>,
}

impl Apply<'_> {
    /// Applies all parts; `true` if a secret was deleted.
    fn all(&self, batch: &Batch) -> Result<bool, StoreFailed> {
        for (height, bytes) in &batch.blocks {
            self.block(*height, bytes)?;
        }
        if let Some((height, bytes)) = &batch.snapshot {
            self.snapshot(*height, bytes)?;
        }
        batch.records.iter().try_for_each(|record| self.record(record))?;
        batch.round_secrets.iter().try_for_each(|secret| self.round_secret(secret))?;
        let mut erased = 0;
        for (key, round) in &batch.forget_secrets {
            erased += self.forget_secrets(key, *round)?;
        }
        for (key, round) in &batch.forget_records {
            self.forget_records(key, *round)?;
        }
        batch.shares.iter().try_for_each(|share| self.share(share))?;
        for (key, versions) in &batch.keep_shares {
            erased += self.keep_shares(key, versions)?;
        }
        batch.outputs.iter().try_for_each(|output| self.output(output))?;
        batch.pins.iter().try_for_each(|(key, point)| self.pin(key, point))?;
        for (nonce, forget_ms) in &batch.nonces {
            self.nonce(&nonce.0, *forget_ms)?;
        }
        if let Some(suspension) = &batch.suspension {
            self.suspension(suspension.as_ref())?;
        }
        batch.audit.iter().try_for_each(|(ms, text)| self.audit(*ms, text))?;
        Ok(erased > 0)
    }

    /// Inserts a row that must not be there yet.
    fn insert(&self, sql: &str, values: impl Params, refused: StoreFailed) -> Result<(), StoreFailed> {
        match self.transaction.execute(sql, values) {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Err(refused),
            Err(error) => Err(engine(error)),
        }
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<usize, StoreFailed> {
        self.transaction.execute(sql, values).map_err(engine)
    }

    fn block(&self, height: u64, bytes: &[u8]) -> Result<(), StoreFailed> {
        let sum = checksum("blocks", &[&height.to_be_bytes(), bytes]);
        let sql = "INSERT INTO blocks (height, bytes, sum) VALUES (?1, ?2, ?3)";
        self.insert(sql, params![number(height)?, bytes, sum], StoreFailed::Exists("a block of this height"))
    }

    fn snapshot(&self, height: u64, bytes: &[u8]) -> Result<(), StoreFailed> {
        let sum = checksum("snapshot", &[&height.to_be_bytes(), bytes]);
        let sql = "INSERT OR REPLACE INTO snapshot (id, height, bytes, sum) VALUES (1, ?1, ?2, ?3)";
        self.run(sql, params![number(height)?, bytes, sum]).map(drop)
    }

    fn record(&self, record: &OwnRecord) -> Result<(), StoreFailed> {
        let kind = record.kind as u8;
        let sum = record_sum(record);
        let sql = "INSERT INTO records (key, round, kind, subject, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![record.key.0, number(record.round)?, kind, record.subject.0, record.bytes, sum];
        self.insert(sql, values, StoreFailed::Exists("an own record of this round, kind and subject"))
    }

    fn round_secret(&self, secret: &RoundSecret) -> Result<(), StoreFailed> {
        let place = Place::round_secret(secret.key.0, secret.round);
        let sealed = self.sealer.seal(&place, secret.bytes.as_ref()).map_err(engine)?;
        let sql = "INSERT INTO round_secrets (key, round, wrapped, value) VALUES (?1, ?2, ?3, ?4)";
        let values = params![secret.key.0, number(secret.round)?, sealed.wrapped, sealed.value];
        self.insert(sql, values, StoreFailed::Exists("the secret of this round"))
    }

    /// Deletes the secrets of all rounds up to and including this one; returns how many.
    fn forget_secrets(&self, key: &KeyId, round: u64) -> Result<usize, StoreFailed> {
        // A bound above the engine's numbers means all rounds.
        let round = i64::try_from(round).unwrap_or(i64::MAX);
        self.run("DELETE FROM round_secrets WHERE key = ?1 AND round <= ?2", params![key.0, round])
    }

    /// Deletes the own records of all rounds before this one.
    fn forget_records(&self, key: &KeyId, round: u64) -> Result<(), StoreFailed> {
        let last = i64::try_from(round).map_or(i64::MAX, |round| round - 1);
        self.run("DELETE FROM records WHERE key = ?1 AND round <= ?2", params![key.0, last]).map(drop)
    }

    fn share(&self, share: &ShareRow) -> Result<(), StoreFailed> {
        let place = Place::share(share.key.0, share.version.0, share.round, share.index);
        let sealed = self.sealer.seal(&place, share.share.expose().as_ref()).map_err(engine)?;
        let sql = "INSERT INTO shares (key, version, round, player, wrapped, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let round = number(share.round)?;
        let values = params![share.key.0, share.version.0, round, share.index, sealed.wrapped, sealed.value];
        self.insert(sql, values, StoreFailed::Exists("the share of this version"))
    }

    /// Deletes the shares of all versions of `key` but these; returns how many.
    fn keep_shares(&self, key: &KeyId, versions: &[VersionId]) -> Result<usize, StoreFailed> {
        let mut erased = 0;
        for version in self.held(key).map_err(engine)? {
            if !versions.contains(&version) {
                erased += self.run("DELETE FROM shares WHERE key = ?1 AND version = ?2", params![key.0, version.0])?;
            }
        }
        Ok(erased)
    }

    fn held(&self, key: &KeyId) -> Result<Vec<VersionId>, rusqlite::Error> {
        let mut statement = self.transaction.prepare("SELECT version FROM shares WHERE key = ?1")?;
        statement.query_map(params![key.0], |row| row.get(0).map(VersionId))?.collect()
    }

    /// The public result of a version: the same again is no error, another is.
    fn output(&self, output: &OutputRow) -> Result<(), StoreFailed> {
        let sum = output_sum(output);
        let sql = "INSERT INTO outputs (key, version, round, active_height, active_ms, bytes, sum) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (key, version) DO NOTHING";
        let (round, height, ms) = (number(output.round)?, number(output.active_height)?, number(output.active_ms)?);
        let added = self.run(sql, params![output.key.0, output.version.0, round, height, ms, output.bytes, sum])?;
        let same = "SELECT sum = ?3 FROM outputs WHERE key = ?1 AND version = ?2";
        if added == 1 || self.holds(same, params![output.key.0, output.version.0, sum])? {
            return Ok(());
        }
        Err(StoreFailed::Exists("another output of this version"))
    }

    /// A group key: the same again is no error, another is.
    fn pin(&self, key: &KeyId, point: &[u8; 96]) -> Result<(), StoreFailed> {
        let sum = checksum("pins", &[&key.0, point]);
        let sql = "INSERT INTO pins (key, point, sum) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING";
        let added = self.run(sql, params![key.0, point, sum])?;
        if added == 1 || self.holds("SELECT point = ?2 FROM pins WHERE key = ?1", params![key.0, point])? {
            return Ok(());
        }
        Err(StoreFailed::Exists("another group key of this key"))
    }

    fn holds(&self, sql: &str, values: impl Params) -> Result<bool, StoreFailed> {
        self.transaction.query_row(sql, values, |row| row.get(0)).map_err(engine)
    }

    fn nonce(&self, nonce: &[u8; 32], forget_ms: u64) -> Result<(), StoreFailed> {
        // A time above the engine's numbers means never.
        let forget_ms = i64::try_from(forget_ms).unwrap_or(i64::MAX);
        let sql = "INSERT INTO nonces (nonce, forget_ms) VALUES (?1, ?2)";
        self.insert(sql, params![nonce, forget_ms], StoreFailed::NonceUsed)
    }

    fn suspension(&self, suspension: Option<&Suspension>) -> Result<(), StoreFailed> {
        self.run("DELETE FROM suspension", [])?;
        let Some(found) = suspension else { return Ok(()) };
        let sql = "INSERT INTO suspension (id, reason, halted, until_round_after, serves, sum) VALUES (1, ?1, ?2, ?3, ?4, ?5)";
        let until = number(found.until_round_after)?;
        self.run(sql, params![found.reason, found.halted, until, found.serves, suspension_sum(found)]).map(drop)
    }

    fn audit(&self, ms: u64, text: &str) -> Result<(), StoreFailed> {
        self.run("INSERT INTO audit (ms, text) VALUES (?1, ?2)", params![number(ms)?, text]).map(drop)
    }
}

fn number(value: u64) -> Result<i64, StoreFailed> {
    to_sql(value).map_err(engine)
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_ROWID | SQLITE_CONSTRAINT_UNIQUE))
}

pub fn record_sum(record: &OwnRecord) -> [u8; 32] {
    let (round, kind) = (record.round.to_be_bytes(), [record.kind as u8]);
    checksum("records", &[&record.key.0, &round, &kind, &record.subject.0, &record.bytes])
}

pub fn output_sum(output: &OutputRow) -> [u8; 32] {
    let numbers = [output.round, output.active_height, output.active_ms].map(u64::to_be_bytes);
    checksum("outputs", &[&output.key.0, &output.version.0, numbers.as_flattened(), &output.bytes])
}

pub fn suspension_sum(suspension: &Suspension) -> [u8; 32] {
    let until = suspension.until_round_after.to_be_bytes();
    let flags = [u8::from(suspension.halted), u8::from(suspension.serves)];
    checksum("suspension", &[suspension.reason.as_bytes(), &flags, &until])
}
