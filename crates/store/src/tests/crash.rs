//! The process dies between any two steps.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use quorumkeep_node::failpoints::{Point, watch};
use quorumkeep_node::store::{Batch, Store};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::testing::*;

/// A store that is about to activate version 3, delete version 1 and forget round 10.
fn prepared() -> Home {
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    home
}

/// It opens, holds either all of the batch or nothing of it, keeps one key, and works.
fn check(home: &Home, point: &str, happened: bool) {
    let mut store = home.open().unwrap_or_else(|error| panic!("{point}: {error}"));
    let loaded = store.load().unwrap();
    let expected = if happened { (vec![2, 3], vec![20]) } else { (vec![1, 2], vec![10, 20]) };
    assert_eq!((versions(&loaded), rounds(&loaded)), expected, "{point}");
    let generation = if happened { 2 } else { 1 };
    assert_eq!(store.kek_generation(), generation, "{point}");
    assert_eq!(home.salts(), [format!("kek-{generation}.salt")], "{point}");
    assert!(!store.is_erasure_pending());
    if !happened {
        commit(&mut store, &activation());
    }
    commit(&mut store, &Batch { keep_shares: vec![(KEY, vec![version(3)])], ..Batch::default() });
    drop(store);
    assert_eq!(versions(&home.loaded()), [3], "{point}");
}

/// Is the batch on the disk at this point?
fn is_after_commit(point: &str) -> bool {
    !["store.rotate.salt_written", "store.commit.before"].contains(&point)
}

#[test]
fn the_files_open_as_they_are_at_every_step_of_a_replacement() {
    let home = prepared();
    let mut store = home.open().unwrap();
    let images = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&images);
    let source = home.path().to_path_buf();
    watch(Some(Box::new(move |point| {
        let copy = Home::new();
        copy_files(&source, copy.path());
        seen.borrow_mut().push((point, copy));
    })));
    commit(&mut store, &activation());
    watch(None);
    let images = images.take();
    let names: Vec<_> = images.iter().map(|(point, _)| *point).collect();
    let order = [
        Point::StoreRotateSaltWritten,
        Point::StoreCommitBefore,
        Point::StoreCommitAfter,
        Point::StoreRotateCommitted,
        Point::StoreRotateCheckpointed,
        Point::StoreRotateOldSaltRemoved,
    ];
    assert_eq!(names, order);
    let both = images[0].1.salts();
    assert_eq!(both, ["kek-1.salt", "kek-2.salt"], "the image shows the step between");
    for (point, image) in images {
        // The shared memory of the WAL is not on the disk after a loss of power.
        let without = image.image();
        let _ = std::fs::remove_file(without.path().join("node.db-shm"));
        check(&image, point.name(), is_after_commit(point.name()));
        check(&without, point.name(), is_after_commit(point.name()));
    }
}

/// Not a test: what the child processes run.
#[test]
#[ignore = "runs in child processes of other tests"]
fn child() {
    let Some(directory) = std::env::var_os("STORE_TEST_DIRECTORY").map(std::path::PathBuf::from) else { return };
    let path = directory.join("node.db");
    let mut store = crate::SqliteStore::open(&path, BINDING, kek(&directory)).unwrap();
    if std::env::var_os("STORE_TEST_LOOP").is_none() {
        commit(&mut store, &activation());
        return;
    }
    // One share in, all others out, as fast as it goes; a line for each that was acknowledged.
    let first = versions(&store.load().unwrap()).into_iter().max().unwrap();
    for number in first + 1..=u8::MAX {
        let keep = vec![version(number - 1), version(number)];
        commit(&mut store, &Batch { shares: vec![share(number)], keep_shares: vec![(KEY, keep)], ..Batch::default() });
        println!("acknowledged {number}");
    }
}

/// The signal of `abort`.
const ABORTED: i32 = 6;

fn run_child(home: &Home) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::crash::child", "--ignored", "--nocapture"]);
    command.env("STORE_TEST_DIRECTORY", home.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

#[test]
fn a_process_that_aborts_at_any_point_leaves_a_store_that_opens() {
    for point in Point::ALL.iter().map(|point| point.name()).filter(|name| name.starts_with("store.")) {
        let home = prepared();
        let status = run_child(&home).env("QUORUMKEEP_FAILPOINT", point).status().unwrap();
        assert_eq!(status.signal(), Some(ABORTED), "{point} was not passed: {status}");
        check(&home, point, is_after_commit(point));
    }
    // A second time only, a misspelt name, and none.
    for (point, dies) in
        [("store.commit.before:2", false), ("store.comit.before", true), ("store.commit.before:0", true)]
    {
        let home = prepared();
        let status = run_child(&home).env("QUORUMKEEP_FAILPOINT", point).status().unwrap();
        assert_eq!(status.signal(), dies.then_some(ABORTED), "{point}: {status}");
        check(&home, point, !dies);
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let home = Home::new();
    commit(&mut home.create(), &Batch { shares: vec![share(1)], ..Batch::default() });
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut reached, mut rounds) = (1u8, 0);
    while reached < 200 && rounds < 25 {
        let mut process = run_child(&home).env("STORE_TEST_LOOP", "1").spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut acknowledged = reached;
        let mut note = |line: &str| {
            acknowledged = line.strip_prefix("acknowledged ").map_or(acknowledged, |number| number.parse().unwrap());
            acknowledged
        };
        // It has begun; from here on, any moment will do.
        while note(&lines.next().unwrap().unwrap()) == reached {}
        std::thread::sleep(Duration::from_micros(u64::from(rng.next_u32() % 30_000)));
        process.kill().unwrap();
        process.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| {
            note(&line);
        });
        let store = home.open().unwrap();
        let held = versions(&store.load().unwrap());
        let newest = *held.last().unwrap();
        assert!(newest == acknowledged || newest == acknowledged + 1, "{held:?}, acknowledged {acknowledged}");
        assert_eq!(held, [newest - 1, newest]);
        assert_eq!(home.salts().len(), 1);
        (reached, rounds) = (newest, rounds + 1);
    }
    assert!(rounds >= 3);
}

#[test]
fn a_creation_that_was_cut_short_is_refused_or_done_again() {
    // Without the database but with its key: it could be the key of a database that is elsewhere.
    let home = Home::new();
    drop(home.create());
    std::fs::remove_file(home.database()).unwrap();
    let again = crate::SqliteStore::create(&home.database(), BINDING, home.kek());
    assert!(matches!(again.err().unwrap(), crate::StoreError::Kek(crate::KekError::Leftover { .. })));
    // With leftovers of temporary names.
    let home = prepared();
    for name in [".node.db.tmp-00", ".kek-2.salt.tmp-00", ".kek-x.salt.tmp-00", "node.db.bak"] {
        std::fs::write(home.path().join(name), b"x").unwrap();
    }
    drop(home.open().unwrap());
    let names = crate::files::names(home.path()).unwrap();
    let left: Vec<_> = names.iter().filter(|name| name.contains("tmp") || name.contains("bak")).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_failed_commit_is_never_tried_again() {
    let home = prepared();
    let mut store = home.open().unwrap();
    // The directory of the salt files is gone: the key cannot be replaced, so nothing may be deleted.
    let broken = home.path().join("nowhere");
    store.kek = kek(&broken);
    assert!(store.commit(&activation()).is_err());
    assert!(matches!(engine_error(store.commit(&activation()).unwrap_err()), crate::StoreError::Stopped));
    drop(store);
    check(&home, "failed", false);
}

#[test]
fn d4_a_full_disk_fails_the_commit_and_nothing_is_lost() {
    let home = prepared();
    let mut store = home.open().unwrap();
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let large = Batch { blocks: vec![(100, vec![7; 1 << 20])], ..activation() };
    let error = engine_error(store.commit(&large).unwrap_err());
    assert!(matches!(error, crate::StoreError::DiskFull), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(matches!(engine_error(store.commit(&activation()).unwrap_err()), crate::StoreError::Stopped));
    drop(store);
    check(&home, "full", false);
}
