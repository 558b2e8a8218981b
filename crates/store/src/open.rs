//! Making and opening a database: lock, pragmas, checks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorumkeep_dkg::ids::{Address, NetworkId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, params};

use crate::error::StoreError;
use crate::files::{self, FilesError};
use crate::schema;
use crate::seal::{Binding, Place, Sealer};

/// How long to wait for a reader that is in the way of a checkpoint.
pub const BUSY: Duration = Duration::from_secs(5);

/// How often, and after which pause, the lock is tried again.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The one row of the table `meta`.
pub struct Meta {
    pub binding: Binding,
    pub generation: u64,
    pub wrapped: Vec<u8>,
}

/// Takes the lock of the database `path` for this process. It ends with the process, however that ends.
pub fn lock(path: &Path) -> Result<File, StoreError> {
    let lock = beside(path, ".lock");
    let options =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(files::PRIVATE).open(&lock);
    let io = |source| StoreError::from(FilesError::Io { action: "lock", path: lock.clone(), source });
    let mut file = options.map_err(io)?;
    match try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { process: holder(&mut file), lock }),
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    // For the message that another process prints; nothing depends on it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Waits a moment for the lock: a process that is just being started holds, until it runs its program, what the process
/// that starts it held, and a process that was killed holds what it held until the system has cleared it away.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    file.try_lock()
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The one path of the file, so that two names of a directory have one lock.
pub fn real_path(path: &Path) -> Result<PathBuf, StoreError> {
    if path.is_symlink() {
        let source = std::io::ErrorKind::InvalidFilename.into();
        return Err(FilesError::Io { action: "use the link", path: path.to_path_buf(), source }.into());
    }
    let directory = files::directory_of(path);
    let real = directory.canonicalize();
    let real = real.map_err(|source| FilesError::Io { action: "find", path: directory.to_path_buf(), source })?;
    Ok(real.join(path.file_name().unwrap_or_default()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

/// Writes a complete, empty database and then gives it its name.
pub fn write_empty(path: &Path, sealer: &Sealer<'_>) -> Result<(), StoreError> {
    write_complete(path, |temporary| write_tables(temporary, sealer))
}

/// Has `write` write a database under a temporary name, and gives it its name when it is complete.
pub fn write_complete(path: &Path, write: impl FnOnce(&Path) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let temporary = files::temporary_name(path)?;
    let written = write(&temporary).and_then(|()| match files::link_new(&temporary, path) {
        Err(FilesError::Exists(path)) => Err(StoreError::Exists { path }),
        linked => Ok(linked?),
    });
    // The second name of the finished database, or what is left of a failure.
    let _ = fs::remove_file(&temporary);
    written?;
    Ok(files::sync_directory(files::directory_of(path))?)
}

fn write_tables(path: &Path, sealer: &Sealer<'_>) -> Result<(), StoreError> {
    create_tables(path, NODE, schema::TABLES, |transaction| {
        let key = crate::aead::random::<32>().map_err(|_| StoreError::Random)?;
        let (binding, generation) = (sealer.binding, schema::to_sql(sealer.generation)?);
        transaction.execute(
            "INSERT INTO meta (id, network, address, generation, wrapped) VALUES (1, ?1, ?2, ?3, ?4)",
            params![binding.network, binding.address, generation, sealer.wrap(&Place::CHECK, &key)?],
        )?;
        Ok(())
    })
}

/// Makes a database with these tables and what `fill` puts into them.
pub fn create_tables(
    path: &Path,
    format: Format,
    tables: &str,
    fill: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    // SQLite would make the file readable for others; its WAL takes over the mode of the database.
    files::write_new(path, &[], files::PRIVATE)?;
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(tables)?;
    transaction.pragma_update(None, "application_id", format.application)?;
    transaction.pragma_update(None, "user_version", format.version)?;
    fill(&transaction)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error.into())
}

/// Removes what a creation that was cut short left behind.
pub fn remove_leftovers(path: &Path) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for found in files::names(files::directory_of(path))? {
        if files::is_temporary_of(&found, &name) {
            files::destroy(&path.with_file_name(found))?;
        }
    }
    Ok(())
}

/// What a database says that it is.
#[derive(Clone, Copy)]
pub struct Format {
    /// `application_id`.
    pub application: i32,
    /// `user_version`.
    pub version: u32,
}

/// The database of a node.
pub const NODE: Format = Format { application: schema::APPLICATION, version: schema::VERSION };

/// Opens a connection that writes.
pub fn connect(path: &Path, format: Format) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    harden(&connection)?;
    check_format(&connection, path, format)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::damaged("the file system cannot keep a write-ahead log; use a local disk"));
    }
    // NORMAL may lose acknowledged commits when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub fn connect_to_read(path: &Path, format: Format) -> Result<Connection, StoreError> {
    let connection = connect_to_read_any(path)?;
    check_format(&connection, path, format)?;
    Ok(connection)
}

/// The same for a database of any format.
pub fn connect_to_read_any(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_path_buf() });
    }
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    harden(&connection)?;
    Ok(connection)
}

fn flags(access: OpenFlags) -> OpenFlags {
    // Without SQLITE_OPEN_CREATE and SQLITE_OPEN_URI: a path is a path, and a missing file stays missing.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn harden(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Sorting must not spill rows into files outside of the directory.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(())
}

/// Is this a database of ours, of a schema that this program knows?
fn check_format(connection: &Connection, path: &Path, format: Format) -> Result<(), StoreError> {
    let foreign = || StoreError::NotADatabase { path: path.to_path_buf() };
    let read = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    let application = read.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => foreign(),
        _ => error.into(),
    })?;
    if application != format.application {
        return Err(foreign());
    }
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        found if found == format.version => Ok(()),
        found if found > format.version => Err(StoreError::NewerSchema { found, known: format.version }),
        found => Err(StoreError::damaged(format!("schema {found} never existed"))),
    }
}

/// The tables that a node cannot do without. The others grow for ever; their rows carry checksums of their own, which are
/// looked at when a row is read.
const CHECKED: [&str; 7] = ["meta", "snapshot", "records", "round_secrets", "shares", "pins", "suspension"];

/// `PRAGMA quick_check` of the tables that matter: every page of theirs is read and its structure checked.
pub fn check_pages(connection: &Connection) -> Result<(), StoreError> {
    for table in CHECKED {
        let found: String = connection.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
        if found != "ok" {
            return Err(StoreError::damaged(found));
        }
    }
    Ok(())
}

/// Reads whose database it is and under which key.
pub fn read_meta(connection: &Connection) -> Result<Meta, StoreError> {
    let sql = "SELECT network, address, generation, wrapped FROM meta WHERE id = 1";
    let row = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    let (network, address, generation, wrapped) = row.map_err(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => StoreError::damaged("the table meta is empty"),
        error => error.into(),
    })?;
    Ok(Meta { binding: Binding { network, address }, generation: schema::from_sql(generation)?, wrapped })
}

/// Is it the database of this node in this network?
pub fn check_binding(meta: &Meta, expected: &Binding) -> Result<(), StoreError> {
    let found = &meta.binding;
    if found.network != expected.network {
        let text = |network| NetworkId(network).to_string();
        return Err(StoreError::ForeignNetwork { found: text(found.network), expected: text(expected.network) });
    }
    if found.address != expected.address {
        let text = |address| Address(address).to_string();
        return Err(StoreError::ForeignNode { found: text(found.address), expected: text(expected.address) });
    }
    Ok(())
}
