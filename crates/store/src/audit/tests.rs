//! A log, and everything that can be done to it.

mod attacks;
mod exported;

use quorumkeep_audit::{Checkpoint, Entry, LogKey, Outcome};
use rusqlite::Connection;

use super::*;
use crate::StoreError;

const ORIGIN: &str = "quorumkeep.custody/test";

/// A database with a log, in a folder that is removed at the end.
struct Log {
    folder: tempfile::TempDir,
    conn: Connection,
    key: LogKey,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let conn = Connection::open(folder.path().join("custody.db")).unwrap();
        let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        // What is tested is not whether the disk keeps it.
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        conn.execute_batch(TABLES).unwrap();
        conn.execute_batch("CREATE TABLE operations (what TEXT NOT NULL) STRICT").unwrap();
        Self { folder, conn, key: LogKey::from_seed(ORIGIN, &[7; 32]).unwrap() }
    }

    /// With so many entries, one transaction each.
    fn with(count: u64) -> Self {
        let mut log = Self::new();
        (0..count).for_each(|seq| drop(log.add(entry(seq))));
        log
    }

    fn append(&mut self, entries: &[Entry]) -> Result<Head, StoreError> {
        let tx = self.conn.transaction().unwrap();
        let head = append(&tx, &self.key, entries)?;
        tx.commit().unwrap();
        Ok(head)
    }

    fn add(&mut self, entry: Entry) -> Head {
        self.append(&[entry]).unwrap()
    }

    fn verify(&self) -> Result<Verified, AuditFault> {
        verify(&self.conn, self.key.verifier(), &mut |_| {})
    }

    /// Verifies and says which entry is bad first.
    fn first_bad(&self) -> u64 {
        let fault = self.verify().unwrap_err();
        fault.first_bad().unwrap_or_else(|| panic!("no entry: {fault}"))
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::open(&head(&self.conn).unwrap().unwrap().note, self.key.verifier()).unwrap()
    }

    fn change(&self, sql: &str) {
        assert!(self.conn.execute(sql, []).unwrap() > 0, "{sql}");
    }

    fn reader(&self) -> AuditReader {
        AuditReader::open(&self.folder.path().join("custody.db")).unwrap()
    }

    fn continues(&self, old: &Checkpoint) -> Result<(), AuditFault> {
        self.reader().continues(old, &self.verify().unwrap())
    }
}

fn entry(seq: u64) -> Entry {
    let mut entry = Entry::new(1_000 + seq, "share.deliver", "anna");
    entry.key_id = Some(format!("key-{}", seq % 3));
    entry
}

#[test]
fn every_size_verifies_and_every_entry_is_proved() {
    let mut log = Log::new();
    let mut heads = Vec::new();
    for seq in 0..300 {
        let head = log.add(entry(seq));
        assert_eq!(head.size, seq + 1);
        heads.push(Checkpoint::open(&head.note, log.key.verifier()).unwrap());
    }
    let verified = log.verify().unwrap();
    assert_eq!((verified.size, verified.last_ms), (300, 1_299));
    assert_eq!(verified.note, head(&log.conn).unwrap().unwrap().note);
    for seq in 0..300 {
        let (found, head) = prove(&log.conn, seq).unwrap().verify(log.key.verifier()).unwrap();
        assert_eq!((found, head.size), (entry(seq), 300));
    }
    let root = verified.root;
    for old in heads {
        log.continues(&old).unwrap();
        let path = consistency(&log.conn, old.size).unwrap();
        quorumkeep_audit::tree::check_consistency(&path, 300, &root, old.size, &old.root).unwrap();
    }
    assert!(matches!(prove(&log.conn, 300), Err(AuditFault::NoEntry { seq: 300, size: 300 })));
    assert!(matches!(consistency(&log.conn, 301), Err(AuditFault::Forked { .. })));
}

#[test]
fn entries_committed_together_are_one_checkpoint() {
    let mut log = Log::new();
    let entries: Vec<Entry> = (0..40).map(entry).collect();
    assert_eq!(log.append(&entries).unwrap().size, 40);
    log.append(&[]).unwrap();
    let mut one_by_one = Log::with(40);
    assert_eq!(log.verify().unwrap().root, one_by_one.verify().unwrap().root);
    assert_eq!(log.append(&entries[..0]).unwrap().note, one_by_one.append(&[]).unwrap().note);
    log.change("UPDATE audit_entries SET entry = (SELECT entry FROM audit_entries WHERE seq = 8) WHERE seq = 7");
    assert!(matches!(log.verify(), Err(AuditFault::Altered { first: 0, last: 39 })));
}

#[test]
fn what_is_read_is_what_was_written() {
    let log = Log::with(20);
    let records = read(&log.conn, 17, 100).unwrap();
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [17, 18, 19]);
    assert_eq!((&records[0].entry, &records[0].bytes), (&entry(17), &entry(17).to_bytes().unwrap()));
    assert_eq!(read(&log.conn, 20, 1).unwrap(), []);
    assert_eq!(read(&log.conn, u64::MAX, u64::MAX).unwrap(), []);
    assert_eq!(prove(&log.conn, 3).unwrap().entry, read(&log.conn, 3, 1).unwrap()[0].bytes);
}

#[test]
fn a_transaction_that_is_rolled_back_leaves_neither_operation_nor_entry() {
    let mut log = Log::with(5);
    let before = log.verify().unwrap();
    let tx = log.conn.transaction().unwrap();
    tx.execute("INSERT INTO operations (what) VALUES ('released')", []).unwrap();
    append(&tx, &log.key, &[entry(5)]).unwrap();
    tx.rollback().unwrap();
    assert_eq!(log.verify().unwrap(), before);
    let count =
        |log: &Log| log.conn.query_row("SELECT count(*) FROM operations", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&log), 0);
    // And one that is committed leaves both.
    let tx = log.conn.transaction().unwrap();
    tx.execute("INSERT INTO operations (what) VALUES ('released')", []).unwrap();
    append(&tx, &log.key, &[entry(5)]).unwrap();
    tx.commit().unwrap();
    assert_eq!((count(&log), log.verify().unwrap().size), (1, 6));
}

#[test]
fn an_entry_that_cannot_be_recorded_stops_the_operation() {
    let mut log = Log::with(2);
    let mut large = entry(2);
    large.reason = Some("x".repeat(quorumkeep_audit::ENTRY_BYTES_MAX));
    assert!(matches!(log.append(&[entry(2), large]), Err(StoreError::Unrecorded(_))));
    assert_eq!(log.verify().unwrap().size, 2);
}

#[test]
fn a_reader_sees_a_whole_log_while_another_connection_writes() {
    let mut log = Log::with(10);
    let reader = log.reader();
    let tx = log.conn.transaction().unwrap();
    append(&tx, &log.key, &[entry(10)]).unwrap();
    assert_eq!(reader.verify(log.key.verifier(), &mut |_| {}).unwrap().size, 10);
    tx.commit().unwrap();
    assert_eq!(reader.verify(log.key.verifier(), &mut |_| {}).unwrap().size, 11);
    assert_eq!(reader.head().unwrap().size, 11);
}

#[test]
fn progress_is_told() {
    let log = Log::with(1025);
    let mut told = Vec::new();
    verify(&log.conn, log.key.verifier(), &mut |done| told.push(done)).unwrap();
    assert_eq!(told, [1024]);
}

#[test]
fn a_file_without_a_log_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("custody.db");
    assert!(matches!(AuditReader::open(&path), Err(StoreError::Missing { .. })));
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x INTEGER) STRICT").unwrap();
    assert!(matches!(AuditReader::open(&path), Err(StoreError::NoLog { .. })));
    std::fs::write(&path, b"some text that is not a database").unwrap();
    assert!(matches!(AuditReader::open(&path), Err(StoreError::NoLog { .. })));
}

#[test]
fn the_refused_and_the_failed_are_recorded_like_the_done() {
    let mut log = Log::new();
    for result in [Outcome::Ok, Outcome::Refused, Outcome::Failed] {
        let mut entry = entry(1);
        entry.result = result;
        log.add(entry);
    }
    let found: Vec<Outcome> = read(&log.conn, 0, 9).unwrap().into_iter().map(|record| record.entry.result).collect();
    assert_eq!(found, [Outcome::Ok, Outcome::Refused, Outcome::Failed]);
    assert_eq!(log.verify().unwrap().size, 3);
}
