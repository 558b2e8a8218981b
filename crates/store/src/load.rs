//! What a node finds at start. Outputs, old blocks, nonces and the audit table stay where they are.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::{Digest, KeyId, VersionId};
use quorumkeep_node::store::{Loaded, OwnRecord, RoundSecret, ShareRow, Suspension};
use rusqlite::{Params, Row};

use crate::commit::{record_sum, suspension_sum};
use crate::error::StoreError;
use crate::schema::{from_sql, to_sql};
use crate::seal::{Place, Sealed, Sealer, checksum};
use crate::sqlite::SqliteStore;

impl SqliteStore {
    /// Reads what the node starts from; every row is checked, every secret opened.
    ///
    /// # Errors
    /// [`StoreError::Unsealed`] and [`StoreError::Damaged`] if a row is not as it was written.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let snapshot = self.load_snapshot()?;
        Ok(Loaded {
            blocks: self.load_blocks(snapshot.as_ref().map(|(height, _)| *height))?,
            snapshot,
            records: self.load_records()?,
            round_secrets: self.load_round_secrets()?,
            shares: self.load_shares()?,
            pins: self.load_pins()?,
            suspension: self.load_suspension()?,
        })
    }

    fn sealer(&self) -> Sealer<'_> {
        Sealer { binding: &self.binding, kek: self.kek.as_ref(), generation: self.generation }
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        collect(&self.connection, sql, values, read)
    }

    fn load_snapshot(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let found = self.rows("SELECT height, bytes, sum FROM snapshot", [], |row| {
            let (height, bytes): (u64, Vec<u8>) = (from_sql(row.get(0)?)?, row.get(1)?);
            same(row.get(2)?, checksum("snapshot", &[&height.to_be_bytes(), &bytes]), "the snapshot")?;
            Ok((height, bytes))
        })?;
        Ok(found.into_iter().next())
    }

    fn load_blocks(&self, above: Option<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let from = above.map_or(Ok(0), |height| to_sql(height.saturating_add(1)))?;
        let sql = "SELECT height, bytes, sum FROM blocks WHERE height >= ?1 ORDER BY height";
        self.rows(sql, [from], |row| read_block(row).map(|(_, bytes)| bytes))
    }

    fn load_records(&self) -> Result<Vec<OwnRecord>, StoreError> {
        let sql = "SELECT key, round, kind, subject, bytes, sum FROM records ORDER BY key, round, kind, subject";
        self.rows(sql, [], |row| {
            let kind = Kind::from_u8(row.get(2)?).map_err(|_| StoreError::damaged("an own record"))?;
            let record = OwnRecord {
                key: KeyId(row.get(0)?),
                round: from_sql(row.get(1)?)?,
                kind,
                subject: Digest(row.get(3)?),
                bytes: row.get(4)?,
            };
            same(row.get(5)?, record_sum(&record), "an own record")?;
            Ok(record)
        })
    }

    fn load_round_secrets(&self) -> Result<Vec<RoundSecret>, StoreError> {
        self.rows("SELECT key, round, wrapped, value FROM round_secrets ORDER BY key, round", [], |row| {
            let (key, round): ([u8; 32], u64) = (row.get(0)?, from_sql(row.get(1)?)?);
            let sealed = Sealed { wrapped: row.get(2)?, value: row.get(3)? };
            let bytes = self.sealer().open(&Place::round_secret(key, round), &sealed)?;
            Ok(RoundSecret { key: KeyId(key), round, bytes })
        })
    }

    fn load_shares(&self) -> Result<Vec<ShareRow>, StoreError> {
        let sql = "SELECT key, version, round, player, wrapped, value FROM shares ORDER BY key, round, version";
        self.rows(sql, [], |row| {
            let (key, version, round, index) = (row.get(0)?, row.get(1)?, from_sql(row.get(2)?)?, row.get(3)?);
            let sealed = Sealed { wrapped: row.get(4)?, value: row.get(5)? };
            let bytes = self.sealer().open::<32>(&Place::share(key, version, round, index), &sealed)?;
            let share = SecretScalar::from_be_bytes(&bytes).map_err(|_| StoreError::Unsealed { what: "a share" })?;
            Ok(ShareRow { key: KeyId(key), version: VersionId(version), round, index, share })
        })
    }

    fn load_pins(&self) -> Result<Vec<(KeyId, [u8; 96])>, StoreError> {
        self.rows("SELECT key, point, sum FROM pins ORDER BY key", [], |row| {
            let (key, point): ([u8; 32], [u8; 96]) = (row.get(0)?, row.get(1)?);
            same(row.get(2)?, checksum("pins", &[&key, &point]), "a pinned group key")?;
            Ok((KeyId(key), point))
        })
    }

    fn load_suspension(&self) -> Result<Option<Suspension>, StoreError> {
        let found = self.rows("SELECT reason, halted, until_round_after, serves, sum FROM suspension", [], |row| {
            let (reason, halted, serves) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let found = Suspension { reason, halted, until_round_after: from_sql(row.get(2)?)?, serves };
            same(row.get(4)?, suspension_sum(&found), "the suspension")?;
            Ok(found)
        })?;
        Ok(found.into_iter().next())
    }
}

/// Runs a query and reads every row.
pub fn collect<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A row of `SELECT height, bytes, sum FROM blocks`.
pub fn read_block(row: &Row<'_>) -> Result<(u64, Vec<u8>), StoreError> {
    let (height, bytes): (u64, Vec<u8>) = (from_sql(row.get(0)?)?, row.get(1)?);
    same(row.get(2)?, checksum("blocks", &[&height.to_be_bytes(), &bytes]), "a block")?;
    Ok((height, bytes))
}

/// Is the row as it was written?
pub fn same(found: [u8; 32], computed: [u8; 32], what: &str) -> Result<(), StoreError> {
    if found == computed { Ok(()) } else { Err(StoreError::damaged(format!("the checksum of {what}"))) }
}
