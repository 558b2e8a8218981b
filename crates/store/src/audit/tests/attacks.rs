//! Whoever can write to the database, without the log's key.

use super::*;

/// More than one stride of signatures, so that a change is looked for from the last one that was verified.
const MANY: u64 = 2_500;

#[test]
fn p9_an_edited_entry_is_named() {
    for seq in [0, 1, 700, 1023, 1024, 2047, 2048, MANY - 1] {
        let log = Log::with(MANY);
        log.change(&format!(
            "UPDATE audit_entries SET entry = CAST(replace(entry, 'anna', 'anne') AS BLOB) WHERE seq = {seq}"
        ));
        assert_eq!(log.first_bad(), seq);
        assert!(prove(&log.conn, seq).is_err(), "a proof of a changed entry");
    }
}

#[test]
fn p9_an_edited_entry_is_named_although_the_tree_was_recomputed() {
    let log = Log::with(MANY);
    log.change("UPDATE audit_entries SET entry = CAST(replace(entry, 'anna', 'anne') AS BLOB) WHERE seq = 1500");
    // The attacker repairs what is kept of the tree, and the edge; the checkpoint cannot be repaired without the key.
    let mut forged = Log::new();
    let records: Vec<Vec<u8>> = {
        let mut statement = log.conn.prepare("SELECT entry FROM audit_entries ORDER BY seq").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    forged.key = LogKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let entries: Vec<Entry> = records.iter().map(|bytes| Entry::from_bytes(bytes).unwrap()).collect();
    forged.append(&entries).unwrap();
    let path = forged.folder.path().join("custody.db").display().to_string();
    log.conn.execute("ATTACH ?1 AS forged", [path]).unwrap();
    log.conn
        .execute_batch(
            "DELETE FROM main.audit_nodes; INSERT INTO main.audit_nodes SELECT * FROM forged.audit_nodes;
        UPDATE main.audit_head SET edge = (SELECT edge FROM forged.audit_head)",
        )
        .unwrap();
    assert!(matches!(log.verify(), Err(AuditFault::Altered { first: 1500, last: 1500 })));
    // With the forged checkpoint it is another key's log.
    log.change("UPDATE main.audit_head SET note = (SELECT note FROM forged.audit_head)");
    assert!(matches!(log.verify(), Err(AuditFault::Checkpoint(_))));
}

#[test]
fn p9_a_deleted_tail_is_named() {
    let mut log = Log::with(MANY);
    log.change("DELETE FROM audit_entries WHERE seq >= 2100");
    assert!(matches!(log.verify(), Err(AuditFault::Missing { seq: 2100, size: MANY })));
    // Nothing is appended to such a log.
    assert!(matches!(log.append(&[entry(MANY)]), Err(StoreError::Damaged { .. })));
}

#[test]
fn p9_a_tail_deleted_with_its_checkpoint_is_shown_by_an_earlier_one() {
    let mut log = Log::with(50);
    let backup: (Vec<u8>, i64, Vec<u8>) = log
        .conn
        .query_row("SELECT edge, last_ms, note FROM audit_head", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    (50..60).for_each(|seq| drop(log.add(entry(seq))));
    let kept = log.checkpoint();
    log.change("DELETE FROM audit_entries WHERE seq >= 50");
    log.conn.execute("UPDATE audit_head SET edge = ?1, last_ms = ?2, note = ?3", backup).unwrap();
    // By itself it is the log of that time; whoever kept a checkpoint sees that it was longer.
    assert_eq!(log.verify().unwrap().size, 50);
    let fault = log.continues(&kept).unwrap_err();
    assert!(matches!(fault, AuditFault::Forked { old: 60, size: 50, reason: "it is shorter" }));
}

#[test]
fn p9_a_dropped_entry_in_the_middle_is_named() {
    let log = Log::with(MANY);
    log.change("DELETE FROM audit_entries WHERE seq = 1200");
    assert!(matches!(log.verify(), Err(AuditFault::Missing { seq: 1200, size: MANY })));
    // Moved together, so that no number is missing.
    log.change("UPDATE audit_entries SET seq = -seq WHERE seq > 1200");
    log.change("UPDATE audit_entries SET seq = -seq - 1 WHERE seq < 0");
    assert_eq!(log.first_bad(), 1200);
}

#[test]
fn p9_swapped_entries_are_named() {
    let log = Log::with(MANY);
    log.change("UPDATE audit_entries SET seq = -1 WHERE seq = 1100");
    log.change("UPDATE audit_entries SET seq = 1100 WHERE seq = 1900");
    log.change("UPDATE audit_entries SET seq = 1900 WHERE seq = -1");
    assert_eq!(log.first_bad(), 1100);
}

#[test]
fn p9_an_inserted_entry_is_named() {
    let mut log = Log::with(100);
    log.conn
        .execute("INSERT INTO audit_entries SELECT 100, entry, signature FROM audit_entries WHERE seq = 99", [])
        .unwrap();
    assert!(matches!(log.verify(), Err(AuditFault::Longer { seq: 100, size: 100 })));
    assert!(matches!(log.append(&[entry(100)]), Err(StoreError::Damaged { .. })));
    log.change("UPDATE audit_entries SET seq = -5 WHERE seq = 100");
    assert!(matches!(log.verify(), Err(AuditFault::Longer { .. })));
}

#[test]
fn p9_an_old_file_in_place_of_the_log_is_shown_by_an_earlier_checkpoint() {
    let mut log = Log::with(30);
    let copy = log.folder.path().join("old.db");
    log.conn.execute("VACUUM INTO ?1", [copy.display().to_string()]).unwrap();
    (30..40).for_each(|seq| drop(log.add(entry(seq))));
    let old = AuditReader::open(&copy).unwrap();
    let verified = old.verify(log.key.verifier(), &mut |_| {}).unwrap();
    assert!(matches!(old.continues(&log.checkpoint(), &verified), Err(AuditFault::Forked { old: 40, size: 30, .. })));
}

#[test]
fn p9_two_logs_under_one_key_are_shown_by_their_checkpoints() {
    let (mut one, mut other) = (Log::with(20), Log::with(20));
    one.add(entry(20));
    let mut different = entry(20);
    different.operator = "berta".into();
    other.add(different);
    (21..30).for_each(|seq| drop((one.add(entry(seq)), other.add(entry(seq)))));
    one.continues(&one.checkpoint()).unwrap();
    assert!(matches!(one.continues(&other.checkpoint()), Err(AuditFault::Forked { old: 30, size: 30, .. })));
    one.add(entry(30));
    assert!(matches!(one.continues(&other.checkpoint()), Err(AuditFault::Forked { old: 30, size: 31, .. })));
}

#[test]
fn p9_a_clock_set_back_is_seen_and_stops_nothing() {
    let mut log = Log::with(3);
    log.add(Entry::new(17, "drill", "anna"));
    log.add(Entry::new(5_000, "drill", "anna"));
    let records = read(&log.conn, 3, 2).unwrap();
    assert_eq!(records[0].entry.time_ms, 1_002);
    assert_eq!(records[0].entry.details["clock_ms"], "17");
    assert_eq!((records[1].entry.time_ms, records[1].entry.details.len()), (5_000, 0));
    assert_eq!(log.verify().unwrap().last_ms, 5_000);
}

#[test]
fn p9_times_that_go_back_are_named_even_if_the_key_signed_them() {
    let mut log = Log::with(3);
    // A program that has the key and does not keep the rule: its own edge says that the last time was 0.
    log.change("UPDATE audit_head SET last_ms = 0");
    log.add(Entry::new(1, "drill", "anna"));
    assert!(matches!(log.verify(), Err(AuditFault::OutOfOrder { seq: 3 })));
}

#[test]
fn p9_a_lost_checkpoint_is_noticed() {
    let mut log = Log::with(3);
    log.change("DELETE FROM audit_head");
    assert!(matches!(log.verify(), Err(AuditFault::NoCheckpoint)));
    assert!(matches!(log.append(&[entry(3)]), Err(StoreError::Damaged { .. })));
    let empty = Log::new();
    assert!(matches!(empty.verify(), Err(AuditFault::NoCheckpoint)));
}

#[test]
fn p9_a_log_of_another_key_is_not_continued() {
    let mut log = Log::with(3);
    log.key = LogKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    assert!(matches!(log.append(&[entry(3)]), Err(StoreError::Damaged { .. })));
    assert!(matches!(log.verify(), Err(AuditFault::Checkpoint(_))));
}

#[test]
fn p9_damage_of_the_tree_and_of_signatures_is_named() {
    let log = Log::with(MANY);
    log.change("UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 4 AND place = 10");
    assert!(matches!(log.verify(), Err(AuditFault::Tree { first: 160, last: 175 })));
    let log = Log::with(MANY);
    log.change("UPDATE audit_head SET edge = zeroblob(32 * 6)");
    assert!(matches!(log.verify(), Err(AuditFault::Tree { .. })));
    let log = Log::with(MANY);
    log.change("UPDATE audit_entries SET signature = zeroblob(64) WHERE seq = 1023");
    assert!(matches!(log.verify(), Err(AuditFault::Altered { first: 1023, last: 1023 })));
}

#[test]
fn p9_an_edit_is_found_without_the_signatures_of_the_entries() {
    let log = Log::with(MANY);
    log.change("UPDATE audit_entries SET signature = NULL");
    log.verify().unwrap();
    log.change("UPDATE audit_entries SET entry = CAST(replace(entry, 'anna', 'anne') AS BLOB) WHERE seq = 2000");
    // Without them it is known that, but not where.
    assert!(matches!(log.verify(), Err(AuditFault::Altered { first: 0, last: 2499 })));
}

#[test]
fn p7_forged_lines_stay_one_entry() {
    let mut log = Log::new();
    let mut forged = entry(0);
    forged.reason = Some("x\r\n{\"event\":\"share.delete\"}\n\u{1b}[2K\u{202e}".into());
    forged.operator = "anna\",\"result\":\"ok".into();
    log.add(forged.clone());
    let records = read(&log.conn, 0, 9).unwrap();
    assert_eq!((records.len(), &records[0].entry), (1, &forged));
    assert!(records[0].bytes.iter().all(|byte| (0x20..=0x7e).contains(byte)));
}

/// What an appender remembers spares it a signature; whatever else is wrong with the head is found as without it.
#[test]
fn p9_an_appender_believes_only_what_its_key_signed() {
    let mut log = Log::new();
    let mut appender = Appender::default();
    for seq in 0..3 {
        let tx = log.conn.transaction().unwrap();
        appender.append(&tx, &log.key, &[entry(seq)]).unwrap();
        // One that is rolled back: the head is again the one before.
        if seq != 1 {
            tx.commit().unwrap();
        }
    }
    assert_eq!(log.verify().unwrap().size, 2);
    let mut refused = |key: &LogKey, change: &str| {
        let tx = log.conn.transaction().unwrap();
        assert_eq!(tx.execute(change, []).unwrap(), 1, "{change}");
        matches!(appender.append(&tx, key, &[entry(9)]), Err(StoreError::Damaged { .. }))
    };
    let other = LogKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    assert!(refused(&other, "INSERT INTO operations VALUES ('x')"), "another key");
    for change in [
        "UPDATE audit_head SET note = CAST(replace(note, char(10) || '2' || char(10), char(10) || '3' || char(10)) AS BLOB)",
        "UPDATE audit_head SET edge = zeroblob(32)",
        "DELETE FROM audit_entries WHERE seq = 1",
        "INSERT INTO audit_entries (seq, entry) SELECT 2, entry FROM audit_entries WHERE seq = 1",
        "DELETE FROM audit_head",
    ] {
        assert!(refused(&log.key, change), "{change}");
    }
    assert!(!refused(&log.key, "INSERT INTO operations VALUES ('x')"), "as it was committed");
}
