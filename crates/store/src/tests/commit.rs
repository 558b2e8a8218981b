use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::Digest;
use quorumkeep_node::store::{Batch, Store, StoreFailed};

use crate::StoreError;
use crate::testing::*;

#[test]
fn what_was_committed_is_loaded_again() {
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    let loaded = home.loaded();
    let batch = full_batch();
    assert_eq!(loaded.snapshot, batch.snapshot);
    assert_eq!(loaded.blocks, [b"block 4".to_vec(), b"block 5".to_vec()]);
    assert_eq!(loaded.records, batch.records);
    assert_eq!(rounds(&loaded), [10, 20]);
    assert_eq!(versions(&loaded), [1, 2]);
    assert_eq!(loaded.pins, batch.pins);
    assert_eq!(loaded.suspension, Some(suspension()));
}

#[test]
fn an_empty_database_loads_nothing_and_an_empty_batch_changes_nothing() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &Batch::default());
    let loaded = store.load().unwrap();
    assert!(loaded.snapshot.is_none() && loaded.blocks.is_empty() && loaded.shares.is_empty());
    assert_eq!(store.kek_generation(), 1);
}

#[test]
fn nothing_is_ever_replaced_and_nothing_of_the_batch_is_applied() {
    let refused = [
        Batch { blocks: vec![(2, b"another".to_vec())], ..Batch::default() },
        Batch { records: vec![record(10, Kind::Deal)], ..Batch::default() },
        Batch { round_secrets: vec![round_secret(10)], ..Batch::default() },
        Batch { shares: vec![share(1)], ..Batch::default() },
        Batch { outputs: vec![quorumkeep_node::store::OutputRow { bytes: vec![], ..output(1) }], ..Batch::default() },
        Batch { pins: vec![(KEY, [8; 96])], ..Batch::default() },
        Batch { shares: vec![share(9), share(9)], ..Batch::default() },
    ];
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    for (number, batch) in refused.into_iter().enumerate() {
        let before = dump(&home);
        // The deletion must not happen either.
        let batch = Batch {
            audit: vec![(9, "no".into())],
            keep_shares: vec![(KEY, vec![])],
            snapshot: Some((9, vec![])),
            ..batch
        };
        let failed = store.commit(&batch).unwrap_err();
        assert!(matches!(failed, StoreFailed::Exists(_)), "{number}: {failed}");
        assert_eq!(dump(&home), before, "{number}");
    }
    assert_eq!(home.salts(), ["kek-1.salt"]);
    // The store goes on.
    commit(&mut store, &activation());
    assert_eq!(versions(&store.load().unwrap()), [2, 3]);
}

/// Every row of every table, as text.
fn dump(home: &Home) -> Vec<String> {
    let raw = home.raw();
    let mut tables = raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut rows = Vec::new();
    for name in names {
        let mut statement = raw.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let width = statement.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let cells: Vec<_> = (0..width).map(|i| row.get::<_, rusqlite::types::Value>(i).unwrap()).collect();
            Ok(format!("{name} {cells:?}"))
        };
        rows.extend(statement.query_map([], text).unwrap().map(Result::unwrap));
    }
    rows
}

#[test]
fn the_same_output_and_the_same_pin_again_are_no_error() {
    let home = Home::new();
    let mut store = home.create();
    let batch = Batch { outputs: vec![output(1)], pins: vec![(KEY, [7; 96])], ..Batch::default() };
    commit(&mut store, &batch);
    commit(&mut store, &batch);
}

#[test]
fn a_used_nonce_refuses_the_whole_batch_and_the_store_goes_on() {
    let home = Home::new();
    let mut store = home.create();
    let nonces = vec![(Digest([1; 32]), 500)];
    commit(&mut store, &Batch { nonces: nonces.clone(), ..Batch::default() });
    let again = Batch { shares: vec![share(1)], nonces: nonces.clone(), ..Batch::default() };
    assert!(matches!(store.commit(&again), Err(StoreFailed::NonceUsed)));
    assert!(versions(&store.load().unwrap()).is_empty());
    // Also after a restart.
    drop(store);
    let mut store = home.open().unwrap();
    assert!(matches!(store.commit(&again), Err(StoreFailed::NonceUsed)));
    // Twice in one batch.
    let twice = Batch { nonces: vec![(Digest([2; 32]), 1), (Digest([2; 32]), 1)], ..Batch::default() };
    assert!(matches!(store.commit(&twice), Err(StoreFailed::NonceUsed)));
    assert_eq!(store.forget_nonces(500).unwrap(), 0);
    assert_eq!(store.forget_nonces(501).unwrap(), 1);
    commit(&mut store, &again);
    commit(&mut store, &Batch { nonces: vec![(Digest([3; 32]), u64::MAX)], ..Batch::default() });
    assert_eq!(store.forget_nonces(i64::MAX as u64).unwrap(), 1);
}

#[test]
fn an_activation_happens_whole() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    commit(&mut store, &activation());
    for loaded in [store.load().unwrap(), {
        drop(store);
        home.loaded()
    }] {
        assert_eq!(versions(&loaded), [2, 3]);
        assert_eq!(rounds(&loaded), [20]);
        assert_eq!(loaded.records.len(), 2, "records outlive the secrets of their round");
    }
}

#[test]
fn deletions_reach_exactly_what_they_name() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let mut foreign = share(9);
    foreign.key = OTHER_KEY;
    let mut foreign_secret = round_secret(10);
    foreign_secret.key = OTHER_KEY;
    let records = vec![record(9, Kind::Deal), record(11, Kind::Deal)];
    commit(
        &mut store,
        &Batch { shares: vec![foreign], round_secrets: vec![foreign_secret], records, ..Batch::default() },
    );
    commit(&mut store, &Batch { forget_records: vec![(KEY, 10)], ..Batch::default() });
    let left: Vec<u64> = store.load().unwrap().records.iter().map(|record| record.round).collect();
    assert_eq!(left, [10, 10, 11], "before the round, not in it");
    commit(
        &mut store,
        &Batch { forget_secrets: vec![(KEY, 10)], keep_shares: vec![(KEY, vec![])], ..Batch::default() },
    );
    let loaded = store.load().unwrap();
    assert_eq!(loaded.shares.iter().map(|row| row.key).collect::<Vec<_>>(), [OTHER_KEY]);
    let secrets: Vec<_> = loaded.round_secrets.iter().map(|row| (row.key, row.round)).collect();
    assert_eq!(secrets, [(KEY, 20), (OTHER_KEY, 10)]);
    let all = Batch {
        forget_secrets: vec![(KEY, u64::MAX), (OTHER_KEY, u64::MAX)],
        forget_records: vec![(KEY, u64::MAX)],
        ..Batch::default()
    };
    commit(&mut store, &all);
    let loaded = store.load().unwrap();
    assert!(loaded.round_secrets.is_empty() && loaded.records.is_empty());
}

#[test]
fn the_key_is_replaced_when_a_secret_was_deleted_and_only_then() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let keep_all = Batch { keep_shares: vec![(KEY, vec![version(1), version(2)])], ..Batch::default() };
    commit(&mut store, &keep_all);
    commit(&mut store, &Batch { forget_secrets: vec![(KEY, 9)], forget_records: vec![(KEY, 99)], ..Batch::default() });
    assert_eq!((store.kek_generation(), home.salts()), (1, vec!["kek-1.salt".into()]));
    commit(&mut store, &Batch { forget_secrets: vec![(KEY, 10)], ..Batch::default() });
    assert_eq!((store.kek_generation(), home.salts()), (2, vec!["kek-2.salt".into()]));
    commit(&mut store, &Batch { keep_shares: vec![(KEY, vec![version(2)])], ..Batch::default() });
    assert_eq!((store.kek_generation(), home.salts()), (3, vec!["kek-3.salt".into()]));
    assert!(!store.is_erasure_pending());
    drop(store);
    assert_eq!(home.open().unwrap().kek_generation(), 3);
}

#[test]
fn a_suspension_is_set_replaced_and_lifted() {
    let home = Home::new();
    let mut store = home.create();
    let halted = quorumkeep_node::store::Suspension { halted: true, ..suspension() };
    for state in [Some(suspension()), Some(halted), None] {
        commit(&mut store, &Batch { suspension: Some(state.clone()), ..Batch::default() });
        assert_eq!(store.load().unwrap().suspension, state);
    }
}

#[test]
fn r14_no_secret_reaches_a_file_and_all_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    for secret in [&share_bytes(1)[..], &share_bytes(2)[..], &secret_bytes(10)[..], &[0x77; 32][..]] {
        assert!(!home.has_bytes(secret));
        assert!(!home.has_bytes(hex::encode(secret).as_bytes()));
    }
    assert!(home.has_bytes(b"block 5"), "the search finds what is there");
    let names = crate::files::names(home.path()).unwrap();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let mode = home.path().join(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn r14_what_is_deleted_is_gone_from_the_files() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let row = home.raw().query_row("SELECT wrapped, value FROM shares WHERE version = ?1", [version(1).0], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let (wrapped, value) = row.unwrap();
    let salt = std::fs::read(home.path().join("kek-1.salt")).unwrap();
    assert!(home.has_bytes(&wrapped) && home.has_bytes(&value) && home.has_bytes(&salt));
    commit(&mut store, &activation());
    assert!(!home.has_bytes(&wrapped) && !home.has_bytes(&value) && !home.has_bytes(&salt));
    assert_eq!(home.path().join("node.db-wal").metadata().unwrap().len(), 0);
}

#[test]
fn a_reader_in_the_way_delays_the_wiping_of_the_wal_but_not_of_the_key() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    store.connection.busy_timeout(std::time::Duration::from_millis(10)).unwrap();
    let raw = home.raw();
    raw.execute_batch("BEGIN; SELECT count(*) FROM shares").unwrap();
    let count: i64 = raw.query_row("SELECT count(*) FROM shares", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2);
    commit(&mut store, &activation());
    assert!(store.is_erasure_pending());
    assert_eq!(home.salts(), ["kek-2.salt"]);
    raw.execute_batch("COMMIT").unwrap();
    commit(&mut store, &Batch::default());
    assert!(!store.is_erasure_pending());
}

#[test]
fn a_number_above_63_bits_stops_the_store() {
    let home = Home::new();
    let mut store = home.create();
    let failed = store.commit(&Batch { blocks: vec![(u64::MAX, vec![])], ..Batch::default() }).unwrap_err();
    assert!(matches!(engine_error(failed), StoreError::Range));
    let failed = store.commit(&full_batch()).unwrap_err();
    assert!(matches!(engine_error(failed), StoreError::Stopped));
    assert!(matches!(store.forget_nonces(1), Err(StoreError::Stopped)));
    drop(store);
    commit(&mut home.open().unwrap(), &full_batch());
}

#[test]
fn a_full_disk_loses_nothing() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    let failed = store.commit(&Batch { snapshot: Some((4, vec![1; 100_000])), ..activation() }).unwrap_err();
    assert!(matches!(engine_error(failed), StoreError::DiskFull));
    drop(store);
    let loaded = home.loaded();
    assert_eq!((versions(&loaded), rounds(&loaded)), (vec![1, 2], vec![10, 20]));
}
