//! Rows, files and whole databases that are moved to where they do not belong.

use rusqlite::{Connection, params};

use crate::testing::*;
use crate::{Binding, SqliteStore, StoreError};

const ROWS: [(&str, i64); 4] = [("round_secrets", 1), ("round_secrets", 2), ("shares", 1), ("shares", 2)];

type Cells = (Vec<u8>, Vec<u8>);

fn cells(raw: &Connection, (table, row): (&str, i64)) -> Cells {
    let sql = format!("SELECT wrapped, value FROM {table} WHERE rowid = ?1");
    raw.query_row(&sql, [row], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn put(raw: &Connection, (table, row): (&str, i64), cells: (&[u8], &[u8])) {
    let sql = format!("UPDATE {table} SET wrapped = ?2, value = ?3 WHERE rowid = ?1");
    assert_eq!(raw.execute(&sql, params![row, cells.0, cells.1]).unwrap(), 1);
}

fn refuses(store: &SqliteStore, what: &str) {
    let error = store.load().err().unwrap_or_else(|| panic!("{what} was accepted"));
    assert!(matches!(error, StoreError::Unsealed { .. }), "{what}: {error}");
}

#[test]
fn every_pair_of_sealed_rows_is_refused_when_swapped() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let raw = home.raw();
    for (i, a) in ROWS.into_iter().enumerate() {
        for b in ROWS.into_iter().skip(i + 1) {
            let (of_a, of_b) = (cells(&raw, a), cells(&raw, b));
            for (wrapped, value) in [(true, true), (true, false), (false, true)] {
                let mix = |own: &Cells, other: &Cells| {
                    let pick =
                        |is_other, own: &Vec<u8>, other: &Vec<u8>| if is_other { other.clone() } else { own.clone() };
                    (pick(wrapped, &own.0, &other.0), pick(value, &own.1, &other.1))
                };
                let (in_a, in_b) = (mix(&of_a, &of_b), mix(&of_b, &of_a));
                put(&raw, a, (&in_a.0, &in_a.1));
                refuses(&store, &format!("{a:?} with {b:?}"));
                put(&raw, b, (&in_b.0, &in_b.1));
                refuses(&store, &format!("{a:?} and {b:?} swapped"));
                put(&raw, a, (&of_a.0, &of_a.1));
                put(&raw, b, (&of_b.0, &of_b.1));
            }
        }
    }
    assert_eq!(versions(&store.load().unwrap()), [1, 2]);
}

#[test]
fn a_changed_column_or_length_of_a_sealed_row_is_refused() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let changes = [
        "UPDATE shares SET player = 4 WHERE rowid = 1",
        "UPDATE shares SET round = 9 WHERE rowid = 1",
        "UPDATE shares SET version = zeroblob(32) WHERE rowid = 1",
        "UPDATE shares SET key = zeroblob(32) WHERE rowid = 1",
        "UPDATE shares SET value = zeroblob(0) WHERE rowid = 1",
        "UPDATE shares SET value = substr(value, 1, 59) WHERE rowid = 1",
        "UPDATE shares SET value = CAST(value || x'00' AS BLOB) WHERE rowid = 1",
        "UPDATE shares SET wrapped = substr(wrapped, 1, 20) WHERE rowid = 1",
        "UPDATE round_secrets SET round = 11 WHERE rowid = 1",
        "UPDATE round_secrets SET key = zeroblob(32) WHERE rowid = 1",
    ];
    for change in changes {
        let copy = home.image();
        copy.raw().execute_batch(change).unwrap();
        refuses(&copy.open().unwrap(), change);
    }
    assert_eq!(versions(&store.load().unwrap()), [1, 2]);
}

#[test]
fn every_part_of_the_binding_counts_by_itself() {
    use crate::seal::{Place, Purpose, Sealer};
    let home = Home::new();
    let store = home.create();
    fn sealer<'a>(store: &'a SqliteStore, binding: &'a Binding) -> Sealer<'a> {
        Sealer { binding, kek: store.kek.as_ref(), generation: 1 }
    }
    let place = Place::share(KEY.0, version(1).0, 7, 3);
    let sealed = sealer(&store, &BINDING).seal(&place, &[5; 32]).unwrap();
    let places = [
        Place { purpose: Purpose::RoundSecret, ..place },
        Place { key: OTHER_KEY.0, ..place },
        Place { version: version(2).0, ..place },
        Place { round: 8, ..place },
        Place { index: 4, ..place },
    ];
    for other in places {
        assert!(sealer(&store, &BINDING).open::<32>(&other, &sealed).is_err(), "{other:?}");
    }
    for other in [Binding { network: [0; 32], ..BINDING }, Binding { address: [0; 20], ..BINDING }] {
        assert!(sealer(&store, &other).open::<32>(&place, &sealed).is_err(), "{other:?}");
    }
    assert!(sealer(&store, &BINDING).open::<31>(&place, &sealed).is_err());
    assert_eq!(*sealer(&store, &BINDING).open::<32>(&place, &sealed).unwrap(), [5; 32]);
    let again = sealer(&store, &BINDING).seal(&place, &[5; 32]).unwrap();
    assert!(again.wrapped != sealed.wrapped && again.value != sealed.value, "a new data key and nonce each time");
}

#[test]
fn a_row_of_another_node_or_network_is_refused() {
    for foreign in [Binding { address: [9; 20], ..BINDING }, Binding { network: [9; 32], ..BINDING }] {
        // The same identity, the same salt, the same row: only the binding differs.
        let (home, other) = (Home::new(), Home::new());
        let mut store = home.create();
        commit(&mut store, &full_batch());
        drop(SqliteStore::create(&other.database(), foreign, other.kek()).unwrap());
        std::fs::copy(home.path().join("kek-1.salt"), other.path().join("kek-1.salt")).unwrap();
        let raw = other.raw();
        raw.execute("UPDATE meta SET network = ?1, address = ?2", params![BINDING.network, BINDING.address]).unwrap();
        let wrapped: Vec<u8> = home.raw().query_row("SELECT wrapped FROM meta", [], |row| row.get(0)).unwrap();
        raw.execute("UPDATE meta SET wrapped = ?1", [wrapped]).unwrap();
        let mut stranger = other.open().unwrap();
        commit(&mut stranger, &full_batch());
        assert_eq!(versions(&stranger.load().unwrap()), [1, 2]);
        // Now the row that was sealed under the other binding.
        let sealer = crate::seal::Sealer { binding: &foreign, kek: stranger.kek.as_ref(), generation: 1 };
        let place = crate::seal::Place::share(KEY.0, version(1).0, 1, 3);
        let sealed = sealer.seal(&place, &share_bytes(1)).unwrap();
        put(&raw, ("shares", 1), (&sealed.wrapped, &sealed.value));
        refuses(&stranger, "a row of another binding");
    }
}

#[test]
fn a_row_from_before_a_deletion_is_refused() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let old = cells(&home.raw(), ("shares", 2));
    commit(&mut store, &activation());
    let new = cells(&home.raw(), ("shares", 2));
    assert_eq!(old.1, new.1, "the value stays, only its key is wrapped again");
    put(&home.raw(), ("shares", 2), (&old.0, &old.1));
    refuses(&store, "the row of the old generation");
}

/// The claim of the crate: a database copied before a deletion opens with nothing that is there afterwards.
#[test]
fn r14_a_copied_database_opens_nothing_after_a_deletion() {
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let copy = home.image();
    commit(&mut store, &activation());
    let old_salt = std::fs::read(copy.path().join("kek-1.salt")).unwrap();
    let new_salt = std::fs::read(home.path().join("kek-2.salt")).unwrap();
    let place = |salt: &[u8], name: &str| {
        for found in copy.salts() {
            std::fs::remove_file(copy.path().join(found)).unwrap();
        }
        std::fs::write(copy.path().join(name), salt).unwrap();
    };
    assert!(copy.path().join("node.db-wal").metadata().unwrap().len() > 0, "the copy has a WAL");

    place(&new_salt, "kek-2.salt");
    assert!(matches!(copy.error(), StoreError::Kek(crate::KekError::Missing { generation: 1, .. })));
    place(&new_salt, "kek-1.salt");
    assert!(matches!(copy.error(), StoreError::WrongKek { generation: 1 }));
    opens_nothing(&copy);

    // It can be opened with the salt of its time, so the refusals above are not for another reason.
    place(&old_salt, "kek-1.salt");
    assert_eq!(versions(&copy.loaded()), [1, 2]);
}

/// Tries every row under the key that is there, past the checks of `open`.
fn opens_nothing(copy: &Home) {
    let raw = copy.raw();
    for generation in [1, 2] {
        let mut kek = copy.kek();
        std::fs::copy(copy.path().join("kek-1.salt"), copy.path().join("kek-2.salt")).unwrap();
        kek.open(generation).unwrap();
        let sealer = crate::seal::Sealer { binding: &BINDING, kek: kek.as_ref(), generation };
        for (row, number) in [(1, 1u8), (2, 2)] {
            let place = crate::seal::Place::share(KEY.0, version(number).0, u64::from(number), 3);
            assert!(sealer.unwrap(&place, &cells(&raw, ("shares", row)).0).is_err());
        }
        for (row, round) in [(1, 10), (2, 20)] {
            let place = crate::seal::Place::round_secret(KEY.0, round);
            assert!(sealer.unwrap(&place, &cells(&raw, ("round_secrets", row)).0).is_err());
        }
    }
}
