use std::time::{Duration, Instant};

use quorumkeep_dkg::ids::VersionId;
use quorumkeep_node::store::{Batch, OutputRow};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::testing::*;
use crate::{Reader, schema};

#[test]
fn outputs_are_found_by_version_by_time_and_by_age() {
    let home = Home::new();
    let mut store = home.create();
    let foreign = OutputRow { key: OTHER_KEY, ..output(50) };
    commit(&mut store, &Batch { outputs: (1..=20).map(output).chain([foreign.clone()]).collect(), ..Batch::default() });
    let reader = Reader::open(&home.database()).unwrap();
    assert_eq!(reader.output(&KEY, &output(7).version).unwrap(), Some(output(7)));
    assert_eq!(reader.output(&KEY, &VersionId([9; 32])).unwrap(), None);
    assert_eq!(reader.output(&OTHER_KEY, &output(7).version).unwrap(), None);
    for (time, expected) in [(999, None), (1000, Some(1)), (1999, Some(1)), (2000, Some(2)), (u64::MAX, Some(20))] {
        assert_eq!(reader.output_at(&KEY, time).unwrap(), expected.map(output), "{time}");
    }
    assert_eq!(reader.latest_outputs(&KEY, 3).unwrap(), [output(20), output(19), output(18)]);
    assert_eq!(reader.latest_outputs(&KEY, usize::MAX).unwrap().len(), 20);
    assert_eq!(reader.latest_outputs(&OTHER_KEY, 5).unwrap(), [foreign]);
}

#[test]
fn the_output_at_a_time_is_the_one_of_a_plain_search() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let times: Vec<u64> = (0..60).map(|_| u64::from(rng.next_u32() % 100)).collect();
    let outputs: Vec<_> =
        (1..).zip(&times).map(|(number, ms)| OutputRow { active_ms: *ms, ..output(number) }).collect();
    let home = Home::new();
    commit(&mut home.create(), &Batch { outputs: outputs.clone(), ..Batch::default() });
    let reader = Reader::open(&home.database()).unwrap();
    for time in 0..110 {
        let active = outputs.iter().filter(|output| output.active_ms <= time);
        let expected = active.max_by_key(|output| (output.active_ms, output.active_height));
        assert_eq!(reader.output_at(&KEY, time).unwrap().as_ref(), expected);
    }
}

#[test]
fn look_ups_use_an_index_and_sort_nothing() {
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    let reader = Reader::open(&home.database()).unwrap();
    let plan = |sql: &str| {
        let mut statement = reader.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = rusqlite::params![KEY.0, 5];
        let lines = statement.query_map(values, |row| row.get::<_, String>("detail")).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>()
    };
    let by_time = ["SEARCH outputs USING INDEX outputs_by_time (key=? AND active_ms<?)"];
    let by_height = ["SEARCH outputs USING INDEX outputs_by_height (key=?)"];
    let by_version = ["SEARCH outputs USING INDEX sqlite_autoindex_outputs_1 (key=? AND version=?)"];
    assert_eq!(plan(&schema::output_at()), by_time);
    assert_eq!(plan(&schema::latest_outputs()), by_height);
    assert_eq!(plan(&schema::output()), by_version);
}

#[test]
fn ten_thousand_outputs_do_not_slow_the_start() {
    let home = Home::new();
    let mut store = home.create();
    let blocks = (1..=10_000).map(|height| (height, vec![1; 500])).collect();
    let outputs = (1..=10_000).map(output).collect();
    commit(&mut store, &Batch { outputs, blocks, snapshot: Some((10_000, vec![0; 100_000])), ..full_batch_small() });
    drop(store);
    let start = Instant::now();
    let store = home.open().unwrap();
    let loaded = store.load().unwrap();
    let opened = start.elapsed();
    assert_eq!((versions(&loaded), loaded.blocks.len()), (vec![1, 2], 0));
    let reader = Reader::open(&home.database()).unwrap();
    let start = Instant::now();
    for number in 1..=1000 {
        assert_eq!(reader.output_at(&KEY, number * 10_000 + 5).unwrap().unwrap().round, number * 10);
    }
    let each = start.elapsed() / 1000;
    println!("open and load {opened:?}, output_at {each:?}");
    assert!(opened < Duration::from_secs(1), "{opened:?}");
    assert!(each < Duration::from_millis(5), "{each:?}");
}

fn full_batch_small() -> Batch {
    Batch { shares: vec![share(1), share(2)], round_secrets: vec![round_secret(10)], ..Batch::default() }
}

#[test]
fn blocks_and_audit_lines_come_in_order_and_in_pieces() {
    let home = Home::new();
    commit(&mut home.create(), &full_batch());
    let reader = Reader::open(&home.database()).unwrap();
    let heights = |from, limit| reader.blocks(from, limit).unwrap().iter().map(|block| block.0).collect::<Vec<_>>();
    assert_eq!(heights(0, 100), [1, 2, 3, 4, 5]);
    assert_eq!(heights(2, 2), [2, 3]);
    assert!(heights(6, 2).is_empty() && heights(u64::MAX, 2).is_empty() && heights(1, 0).is_empty());
    let lines = reader.audit(10).unwrap();
    assert_eq!(
        lines.iter().map(|line| (line.seq, line.text.as_str())).collect::<Vec<_>>(),
        [(2, "second"), (1, "first")]
    );
    assert_eq!(reader.audit(1).unwrap().len(), 1);
}

#[test]
fn a_reader_sees_every_commit_and_writes_nothing() {
    let home = Home::new();
    let mut store = home.create();
    let reader = Reader::open(&home.database()).unwrap();
    for number in 1..=5 {
        commit(&mut store, &Batch { outputs: vec![output(number)], ..Batch::default() });
        assert_eq!(reader.latest_outputs(&KEY, 1).unwrap(), [output(number)]);
    }
    assert!(reader.connection().execute("DELETE FROM outputs", []).is_err());
}
