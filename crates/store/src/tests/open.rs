//! Every reason not to open has its own error.

use std::os::unix::fs::PermissionsExt;

use zeroize::Zeroizing;

use crate::testing::*;
use crate::{Binding, KekError, Reader, SaltFileKek, SqliteStore, StoreError};

fn created() -> Home {
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    home
}

#[test]
fn a_missing_database_is_not_made() {
    let home = Home::new();
    assert!(matches!(home.error(), StoreError::Missing { .. }));
    assert!(matches!(Reader::open(&home.database()), Err(StoreError::Missing { .. })));
    assert!(crate::files::names(home.path()).unwrap().is_empty());
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let home = created();
    let create = || SqliteStore::create(&home.database(), BINDING, home.kek()).err().unwrap();
    assert!(matches!(create(), StoreError::Exists { .. }));
    assert_eq!(versions(&home.loaded()), [1, 2]);
    std::fs::remove_file(home.database()).unwrap();
    std::os::unix::fs::symlink("elsewhere", home.database()).unwrap();
    assert!(matches!(create(), StoreError::Files(_)));
}

#[test]
fn a_directory_is_made_private_and_one_that_others_write_to_is_refused() {
    let home = Home::new();
    let inner = home.path().join("a/b");
    let path = inner.join("node.db");
    drop(SqliteStore::create(&path, BINDING, kek(&inner)).unwrap());
    for directory in [home.path().join("a"), inner.clone()] {
        assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    std::fs::set_permissions(&inner, PermissionsExt::from_mode(0o770)).unwrap();
    let error = SqliteStore::open(&path, BINDING, kek(&inner)).err().unwrap();
    assert!(error.to_string().contains("0700"), "{error}");
}

#[test]
fn another_file_is_not_a_database() {
    for content in [b"hello, this is a text file and not a database".repeat(100), Vec::new(), vec![0; 8192]] {
        let home = Home::new();
        std::fs::write(home.database(), content).unwrap();
        assert!(matches!(home.error(), StoreError::NotADatabase { .. }));
        assert!(matches!(Reader::open(&home.database()), Err(StoreError::NotADatabase { .. })));
    }
    let home = Home::new();
    home.raw().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(home.error(), StoreError::NotADatabase { .. }));
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let home = created();
    home.raw().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(home.error(), StoreError::NewerSchema { found: 2, known: 1 }));
    assert!(matches!(Reader::open(&home.database()), Err(StoreError::NewerSchema { .. })));
}

#[test]
fn another_network_and_another_operator_are_told_apart() {
    let home = created();
    let error = |binding| SqliteStore::open(&home.database(), binding, home.kek()).err().unwrap();
    assert!(matches!(error(Binding { network: [0; 32], ..BINDING }), StoreError::ForeignNetwork { .. }));
    let foreign = error(Binding { address: [0; 20], ..BINDING });
    assert!(matches!(foreign, StoreError::ForeignNode { .. }));
    assert!(foreign.to_string().contains(&"22".repeat(20)), "{foreign}");
}

#[test]
fn the_wrong_key_a_missing_one_and_a_damaged_one_are_told_apart() {
    let home = created();
    let stranger = Box::new(SaltFileKek::new(home.path(), Zeroizing::new([1; 32])));
    let error = SqliteStore::open(&home.database(), BINDING, stranger).err().unwrap();
    assert!(matches!(error, StoreError::WrongKek { generation: 1 }));
    let salt = home.path().join("kek-1.salt");
    let bytes = std::fs::read(&salt).unwrap();
    std::fs::write(&salt, [5; 32]).unwrap();
    assert!(matches!(home.error(), StoreError::WrongKek { generation: 1 }));
    for wrong in [&bytes[..31], &[&bytes[..], b"x"].concat(), &[0; 1000], b""] {
        std::fs::write(&salt, wrong).unwrap();
        assert!(matches!(home.error(), StoreError::Kek(KekError::Malformed(_))), "{}", wrong.len());
    }
    std::fs::remove_file(&salt).unwrap();
    assert!(matches!(home.error(), StoreError::Kek(KekError::Missing { generation: 1, .. })));
    // None of these attempts destroyed anything.
    std::fs::write(&salt, bytes).unwrap();
    assert_eq!(versions(&home.loaded()), [1, 2]);
}

#[test]
fn the_key_is_the_documented_derivation() {
    let home = created();
    let store = home.open().unwrap();
    let salt = std::fs::read(home.path().join("kek-1.salt")).unwrap();
    let mut key = [0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(Some(&salt), &[0x77; 32]).expand(b"kms-keyshare-encryption", &mut key).unwrap();
    let wrapped = store.kek.wrap(1, b"aad", &[3; 32]).unwrap();
    assert_eq!(*crate::aead::decrypt::<32>(&key, b"aad", &wrapped).unwrap(), [3; 32]);
    assert_eq!(store.kek.current(), 1);
}

#[test]
fn a_damaged_database_is_refused() {
    let home = created();
    let mut bytes = std::fs::read(home.database()).unwrap();
    let page = 4096;
    for at in [page, 2 * page, 5 * page] {
        bytes[at..at + 200].fill(0xee);
    }
    std::fs::write(home.database(), &bytes).unwrap();
    assert!(matches!(home.error(), StoreError::Damaged { .. }));
    std::fs::write(home.database(), &bytes[..page + 100]).unwrap();
    assert!(matches!(home.error(), StoreError::Damaged { .. }));
}

#[test]
fn one_process_at_a_time() {
    let home = created();
    let store = home.open().unwrap();
    let error = home.error();
    let own = std::process::id();
    assert!(matches!(error, StoreError::Locked { process: Some(id), .. } if id == own), "{error}");
    assert!(error.to_string().contains(&own.to_string()), "{error}");
    // Another name of the same directory is the same database.
    let link = Home::new();
    let other = link.path().join("link");
    std::os::unix::fs::symlink(home.path(), &other).unwrap();
    let again = SqliteStore::open(&other.join("node.db"), BINDING, kek(&other));
    assert!(matches!(again.err().unwrap(), StoreError::Locked { .. }));
    assert!(Reader::open(&home.database()).is_ok(), "readers need no lock");
    drop(store);
    assert!(home.open().is_ok());
}

#[test]
fn the_store_may_move_to_a_writer_thread() {
    fn sent<T: Send>(_: &T) {}
    let home = created();
    sent(&home.open().unwrap());
    sent(&Reader::open(&home.database()).unwrap());
}
