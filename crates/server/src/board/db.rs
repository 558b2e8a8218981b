//! The orderer's blocks on disk: one SQLite file, one writer, one transaction per block.
//!
//! `synchronous=FULL`: when [`BoardDb::append`] returns, the block survives a loss of power.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorumkeep_dkg::block::{Block, BlockRef};
use quorumkeep_dkg::envelope::{Kind, record_id};
use quorumkeep_dkg::ids::{Digest, NetworkId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

/// The file in the orderer's folder.
pub const FILE: &str = "board.sqlite";
/// What this code writes.
const SCHEMA: i64 = 1;
/// `QKBD`: marks the file as a board.
const APPLICATION: i64 = 0x514b_4244;

const CREATE: &str = "
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), network BLOB NOT NULL, anchor BLOB NOT NULL) STRICT;
CREATE TABLE blocks (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE records (id BLOB PRIMARY KEY, height INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE governance (seq INTEGER PRIMARY KEY, height INTEGER NOT NULL, kind INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
";

/// The board's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Another process has it.
    #[error("{path} is used by another process; an orderer must run only once")]
    Locked {
        /// Where.
        path: PathBuf,
    },
    /// It is not a board.
    #[error("{path} is not a board file")]
    NotABoard {
        /// Where.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error("{path} was written by a newer version (schema {found}, this one knows {known})")]
    Newer {
        /// Where.
        path: PathBuf,
        /// The file's schema.
        found: i64,
        /// The newest known one.
        known: i64,
    },
    /// It is the board of another network or of another first orderer.
    #[error("{path} is the board of network {found}, not of {expected}")]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What was asked for.
        expected: NetworkId,
        /// What it is.
        found: NetworkId,
    },
    /// Blocks are missing or changed.
    #[error("{path} is damaged at height {height}; take it out of service and rebuild it from a node's log")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// The first height at which something is wrong.
        height: u64,
    },
    /// The engine failed, for example because the disk is full.
    #[error("{path}: {source}")]
    Sqlite {
        /// Where.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The lock file failed.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A governed record on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernedRow {
    /// The height of its block.
    pub height: u64,
    /// `Config` or `Genesis`.
    pub kind: Kind,
    /// The encoded envelope.
    pub bytes: Vec<u8>,
}

/// The only writer of a board's file.
pub struct BoardDb {
    connection: Connection,
    path: PathBuf,
    // Released by the system when the process ends, however it ends.
    _lock: File,
}

impl BoardDb {
    /// Opens the board of `network`, or makes an empty one. `anchor` is the key of the first orderer.
    ///
    /// # Errors
    ///
    /// [`DbError`].
    pub fn open(folder: &Path, network: &NetworkId, anchor: &[u8; 32]) -> Result<Self, DbError> {
        let path = folder.join(FILE);
        let lock = lock(&folder.join("board.lock"))?;
        let fail = |source| DbError::Sqlite { path: path.clone(), source };
        let mut connection = Connection::open(&path).map_err(fail)?;
        configure(&connection).map_err(fail)?;
        if connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).map_err(fail)? == 0 {
            create(&mut connection, &path, network, anchor)?;
        }
        check_meta(&connection, &path, network, anchor)?;
        Ok(Self { connection, path, _lock: lock })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fail(&self, source: rusqlite::Error) -> DbError {
        DbError::Sqlite { path: self.path.clone(), source }
    }

    /// Writes one block. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`DbError::Sqlite`]. Whether the block is there is then unknown: the process must not make another one.
    pub fn append(&mut self, block: &Block, hash: &Digest, governed: &[(Kind, Vec<u8>)]) -> Result<(), DbError> {
        write_block(&mut self.connection, block, hash, governed).map_err(|source| self.fail(source))
    }

    /// Is this record on the board?
    ///
    /// # Errors
    ///
    /// [`DbError::Sqlite`].
    pub fn contains(&self, id: &Digest) -> Result<bool, DbError> {
        let mut statement = self.prepare("SELECT 1 FROM records WHERE id = ?1")?;
        statement.exists(params![id.0]).map_err(|source| self.fail(source))
    }

    fn prepare(&self, sql: &str) -> Result<rusqlite::Statement<'_>, DbError> {
        self.connection.prepare(sql).map_err(|source| self.fail(source))
    }

    /// The newest block, if there is one.
    ///
    /// # Errors
    ///
    /// [`DbError::Damaged`] if heights are missing or the block does not decode to its hash; [`DbError::Sqlite`].
    pub fn last(&self, network: &NetworkId) -> Result<Option<(BlockRef, Block)>, DbError> {
        let sql = "SELECT count(*), coalesce(max(height), 0) FROM blocks";
        let counts = self.connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        let (count, height) = counts.map_err(|source| self.fail(source))?;
        let damaged = |height: i64| DbError::Damaged { path: self.path.clone(), height: height.unsigned_abs() };
        if count != height {
            return Err(damaged(height));
        }
        if height == 0 {
            return Ok(None);
        }
        let sql = "SELECT hash, bytes FROM blocks WHERE height = ?1";
        let row =
            self.connection.query_row(sql, [height], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let (hash, bytes) = row.map_err(|source| self.fail(source))?;
        let block = Block::decode(&bytes).map_err(|_| damaged(height))?;
        let reference = block.reference(network);
        let same = reference.hash.0 == hash && i64::try_from(reference.height) == Ok(height);
        if same { Ok(Some((reference, block))) } else { Err(damaged(height)) }
    }

    /// All governed records, in order.
    ///
    /// # Errors
    ///
    /// [`DbError::Sqlite`].
    pub fn governance(&self) -> Result<Vec<GovernedRow>, DbError> {
        governance(&self.connection).map_err(|source| self.fail(source))
    }
}

/// Reads blocks beside the writer. Has its own connection, which cannot write.
pub struct BoardReader {
    connection: Connection,
    path: PathBuf,
}

impl BoardReader {
    /// Opens the board's file for reading.
    ///
    /// # Errors
    ///
    /// [`DbError::Sqlite`].
    pub fn open(folder: &Path) -> Result<Self, DbError> {
        let path = folder.join(FILE);
        let fail = |source| DbError::Sqlite { path: path.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(fail)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(fail)?;
        Ok(Self { connection, path })
    }

    /// Encoded blocks from height `from`: at most `limit`, and no more than `bytes_max` unless the first is larger.
    ///
    /// # Errors
    ///
    /// [`DbError::Sqlite`].
    pub fn blocks(&self, from: u64, limit: usize, bytes_max: usize) -> Result<Vec<Vec<u8>>, DbError> {
        self.read_blocks(from, limit, bytes_max).map_err(|source| DbError::Sqlite { path: self.path.clone(), source })
    }

    fn read_blocks(&self, from: u64, limit: usize, bytes_max: usize) -> rusqlite::Result<Vec<Vec<u8>>> {
        let sql = "SELECT bytes FROM blocks WHERE height >= ?1 ORDER BY height LIMIT ?2";
        let mut statement = self.connection.prepare(sql)?;
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![from, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let (mut blocks, mut total) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get(0)?;
            total += bytes.len();
            if total > bytes_max && !blocks.is_empty() {
                break;
            }
            blocks.push(bytes);
        }
        Ok(blocks)
    }

    /// All governed records, in order.
    ///
    /// # Errors
    ///
    /// [`DbError::Sqlite`].
    pub fn governance(&self) -> Result<Vec<GovernedRow>, DbError> {
        governance(&self.connection).map_err(|source| DbError::Sqlite { path: self.path.clone(), source })
    }
}

fn lock(path: &Path) -> Result<File, DbError> {
    let fail = |source| DbError::Io { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DbError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(fail(source)),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")
}

fn create(connection: &mut Connection, path: &Path, network: &NetworkId, anchor: &[u8; 32]) -> Result<(), DbError> {
    let fail = |source| DbError::Sqlite { path: path.to_owned(), source };
    let tables = "SELECT count(*) FROM sqlite_schema";
    if connection.query_row(tables, [], |row| row.get::<_, i64>(0)).map_err(fail)? != 0 {
        return Err(DbError::NotABoard { path: path.to_owned() });
    }
    let write = |connection: &mut Connection| {
        let transaction = connection.transaction()?;
        transaction.execute_batch(CREATE)?;
        transaction.execute("INSERT INTO meta VALUES (1, ?1, ?2)", params![network.0, anchor])?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()
    };
    write(connection).map_err(fail)
}

fn check_meta(connection: &Connection, path: &Path, network: &NetworkId, anchor: &[u8; 32]) -> Result<(), DbError> {
    let (path, number) =
        (path.to_owned(), |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)));
    let fail = |source| DbError::Sqlite { path: path.clone(), source };
    if number("application_id").map_err(fail)? != APPLICATION {
        return Err(DbError::NotABoard { path });
    }
    let found = number("user_version").map_err(fail)?;
    if found > SCHEMA {
        return Err(DbError::Newer { path, found, known: SCHEMA });
    }
    let sql = "SELECT network, anchor FROM meta";
    let row = connection.query_row(sql, [], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, [u8; 32]>(1)?)));
    let (found, found_anchor) = row.map_err(fail)?;
    if found != network.0 || found_anchor != *anchor {
        return Err(DbError::Foreign { path, expected: *network, found: NetworkId(found) });
    }
    Ok(())
}

fn write_block(
    connection: &mut Connection,
    block: &Block,
    hash: &Digest,
    governed: &[(Kind, Vec<u8>)],
) -> rusqlite::Result<()> {
    let height = i64::try_from(block.height).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, i64::MAX))?;
    let transaction = connection.transaction()?;
    // INSERT without OR REPLACE: a second block at one height is an error, always.
    let sql = "INSERT INTO blocks VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![height, hash.0, block.encode()])?;
    let mut insert = transaction.prepare("INSERT INTO records VALUES (?1, ?2)")?;
    for record in &block.records {
        insert.execute(params![record_id(record).0, height])?;
    }
    drop(insert);
    for (kind, bytes) in governed {
        let sql = "INSERT INTO governance (height, kind, bytes) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, params![height, *kind as u8, bytes])?;
    }
    transaction.commit()
}

fn governance(connection: &Connection) -> rusqlite::Result<Vec<GovernedRow>> {
    let mut statement = connection.prepare("SELECT height, kind, bytes FROM governance ORDER BY seq")?;
    let rows = statement.query_map([], |row| {
        let kind = if row.get::<_, u8>(1)? == Kind::Config as u8 { Kind::Config } else { Kind::Genesis };
        Ok(GovernedRow { height: row.get::<_, i64>(0)?.unsigned_abs(), kind, bytes: row.get(2)? })
    })?;
    rows.collect()
}

/// Is there a block at this height? (for tests and tools that look at a closed board)
///
/// # Errors
///
/// [`DbError::Sqlite`].
pub fn hash_at(folder: &Path, height: u64) -> Result<Option<Digest>, DbError> {
    let reader = BoardReader::open(folder)?;
    let sql = "SELECT hash FROM blocks WHERE height = ?1";
    let height = i64::try_from(height).unwrap_or(i64::MAX);
    let found = reader.connection.query_row(sql, [height], |row| row.get::<_, [u8; 32]>(0)).optional();
    Ok(found.map_err(|source| DbError::Sqlite { path: reader.path.clone(), source })?.map(Digest))
}
