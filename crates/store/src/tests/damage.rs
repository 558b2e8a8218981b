//! A disk that changes bits.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::Reader;
use crate::testing::*;

#[test]
fn a_changed_bit_is_found_or_without_effect() {
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    let (pristine, reference) = (std::fs::read(home.database()).unwrap(), summary(&home).unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut found, rounds) = (0, 1000);
    for _ in 0..rounds {
        let mut bytes = pristine.clone();
        let place = rng.next_u32() as usize % bytes.len();
        bytes[place] ^= 1 << (rng.next_u32() % 8);
        let copy = Home::new();
        std::fs::write(copy.database(), &bytes).unwrap();
        std::fs::copy(home.path().join("kek-1.salt"), copy.path().join("kek-1.salt")).unwrap();
        match summary(&copy) {
            Some(read) => assert_eq!(read, reference, "byte {place}"),
            None => found += 1,
        }
    }
    assert!(found > 10, "{found} of {rounds}: the test changes nothing that matters");
}

/// Everything that can be read, or nothing if anything is refused.
fn summary(home: &Home) -> Option<String> {
    let loaded = home.open().ok()?.load().ok()?;
    let reader = Reader::open(&home.database()).ok()?;
    let outputs = reader.latest_outputs(&KEY, 10).ok()?;
    let blocks = reader.blocks(0, 100).ok()?;
    let secrets: Vec<_> = loaded.round_secrets.iter().map(|row| (row.key, row.round, *row.bytes)).collect();
    let shares: Vec<_> =
        loaded.shares.iter().map(|row| (row.key, row.version, row.round, row.index, *row.share.expose())).collect();
    let public = (&loaded.snapshot, &loaded.blocks, &loaded.records, &loaded.pins, &loaded.suspension);
    Some(format!("{public:?} {secrets:?} {shares:?} {outputs:?} {blocks:?}"))
}

#[test]
fn a_changed_public_row_is_refused() {
    let changes = [
        "UPDATE snapshot SET bytes = x'00'",
        "UPDATE snapshot SET height = 4",
        "UPDATE blocks SET bytes = x'00' WHERE height = 4",
        "UPDATE blocks SET height = 9 WHERE height = 4",
        "UPDATE records SET bytes = x'00' WHERE rowid = 1",
        "UPDATE records SET kind = 12 WHERE rowid = 1",
        "UPDATE records SET kind = 99 WHERE rowid = 1",
        "UPDATE records SET subject = zeroblob(31) WHERE rowid = 1",
        "UPDATE pins SET point = zeroblob(96)",
        "UPDATE suspension SET halted = 1",
        "UPDATE suspension SET serves = 0",
        "UPDATE suspension SET until_round_after = -1",
    ];
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    for change in changes {
        let copy = home.image();
        copy.raw().execute_batch(change).unwrap();
        let error = copy.open().unwrap().load().err().unwrap_or_else(|| panic!("{change}"));
        assert!(matches!(error, crate::StoreError::Damaged { .. }), "{change}: {error}");
    }
    home.raw().execute_batch("UPDATE outputs SET active_ms = 1500 WHERE rowid = 1").unwrap();
    assert!(Reader::open(&home.database()).unwrap().output_at(&KEY, 1800).is_err());
}

#[test]
fn a_database_without_its_log_opens_or_says_why_not() {
    // The WAL holds everything since creation; without it the database is the empty one.
    let home = Home::new();
    let mut store = home.create();
    commit(&mut store, &full_batch());
    let copy = home.image();
    std::fs::remove_file(copy.path().join("node.db-wal")).unwrap();
    assert!(copy.loaded().shares.is_empty());
    // A log of another database is not taken for its own.
    let (other, mixed) = (Home::new(), home.image());
    let mut stranger = other.create();
    commit(&mut stranger, &activation());
    std::fs::copy(other.path().join("node.db-wal"), mixed.path().join("node.db-wal")).unwrap();
    if let Ok(store) = mixed.open() {
        assert!(store.load().map_or(true, |loaded| versions(&loaded).len() <= 2));
    }
}
