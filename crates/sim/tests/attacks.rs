//! `docs/attacks.md` is true: every attack has a row, every test in it exists, and one of them is named after the attack.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../../../docs/attacks.md");

/// `V1` to `V14`, with the six of `V8`, `R1` to `R15`, `B1` to `B7`, `P4`, `P6` to `P9` and `P11`.
fn attacks() -> BTreeSet<String> {
    let backups = (1..=7).map(|number| format!("B{number}"));
    let people = [4, 6, 7, 8, 9, 11].map(|number| format!("P{number}"));
    let sharing = (1..=14).filter(|number| *number != 8).map(|number| format!("V{number}"));
    let complaints = ('a'..='f').map(|letter| format!("V8{letter}"));
    sharing.chain(complaints).chain((1..=15).map(|number| format!("R{number}"))).chain(backups).chain(people).collect()
}

/// The names of the functions that follow a `#[test]`, in all sources below this folder.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            tests_in(&fs::read_to_string(&path).unwrap(), names);
        }
    }
}

fn tests_in(source: &str, names: &mut BTreeSet<String>) {
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            let signature = lines.by_ref().find(|line| line.contains("fn ")).unwrap_or_default();
            let name = signature.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
            names.extend(name.map(str::to_owned));
        }
    }
}

/// Attack and tests of every row.
fn rows() -> Vec<(String, Vec<String>)> {
    let cells = TABLE.lines().filter(|line| ["| V", "| R", "| B", "| P"].iter().any(|start| line.starts_with(start)));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [attack, _, rule, tests] = cells.as_slice() else { panic!("not four cells: {line}") };
        assert!(!rule.is_empty(), "{attack}");
        let tests = tests.split(", ").map(|test| test.trim_matches('`').to_owned());
        ((*attack).to_owned(), tests.collect())
    };
    cells.map(row).collect()
}

/// Is the attack one of those in front of the name?
fn is_named_after(test: &str, attack: &str) -> bool {
    let attack = attack.to_lowercase();
    let is_attack =
        |part: &&str| part.starts_with(['v', 'r', 'b', 'p']) && part.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    test.split('_').take_while(is_attack).any(|part| part == attack)
}

#[test]
fn every_attack_is_in_the_table_with_a_test_that_exists() {
    let mut names = BTreeSet::new();
    tests_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut names);
    let rows = rows();
    let found: BTreeSet<String> = rows.iter().map(|(attack, _)| attack.clone()).collect();
    assert_eq!((&found, rows.len()), (&attacks(), found.len()));
    for (attack, tests) in &rows {
        let missing: Vec<&String> = tests.iter().filter(|test| !names.contains(*test)).collect();
        assert!(missing.is_empty(), "{attack}: there is no {missing:?}");
        assert!(tests.iter().any(|test| is_named_after(test, attack)), "{attack}: no test is named after it");
    }
}
