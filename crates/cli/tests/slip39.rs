//! `quorumkeep slip39` as people use it, and beside the Python reference: shares made by one are combined by the other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use kit::{Answer, Kit, names};

const SECRET: &[u8; 32] = b"\x00\x01network secret, 32 bytes ...\xff\n";

/// The Python that has the reference; None if there is none and it is not required.
fn python() -> Option<PathBuf> {
    let python = env::var_os("QUORUMKEEP_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found =
        Command::new(&python).args(["-c", "import shamir_mnemonic"]).output().is_ok_and(|run| run.status.success());
    assert!(
        found || env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() != Ok("1"),
        "the SLIP-39 reference is required and absent"
    );
    if !found {
        eprintln!("skipped: there is no Python with shamir_mnemonic here");
    }
    found.then_some(python)
}

fn reference(python: &Path, script: &str, arguments: &[&str]) -> String {
    let run = Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// The files, in the folder of the kit.
fn split(kit: &Kit, arguments: &[&str]) -> Vec<String> {
    fs::write(kit.path("secret"), SECRET).unwrap();
    let report =
        kit.run(&[&["slip39", "split", "--secret-file", "secret", "--out-dir", "shares"], arguments].concat()).ok();
    report["shares"].as_array().unwrap().iter().map(|share| share["file"].as_str().unwrap().to_owned()).collect()
}

fn combine(kit: &Kit, files: &[&str], more: &[&str]) -> Answer {
    let _ = fs::remove_file(kit.path("out"));
    kit.run(&[&["slip39", "combine", "--out", "out", "--shares-file"], files, more].concat())
}

#[test]
fn shares_made_here_are_combined_by_the_reference() {
    let Some(python) = python() else { return };
    let kit = Kit::new();
    fs::write(kit.path("passphrase"), "TREZOR\n").unwrap();
    let plan = [
        "--group-threshold",
        "2",
        "--group",
        "1of1",
        "--group",
        "2of3",
        "--group",
        "3of5",
        "--iteration-exponent",
        "0",
    ];
    let files = split(&kit, &[plan.as_slice(), &["--passphrase-file", "passphrase"]].concat());
    assert_eq!(files.len(), 9);
    let script = "import sys, shamir_mnemonic as s\n\
        print(s.combine_mnemonics([open(f).read().strip() for f in sys.argv[1:]], b'TREZOR').hex())";
    for places in [[0, 1, 3].as_slice(), &[1, 2, 4, 6, 8], &[0, 5, 7, 8]] {
        let chosen: Vec<PathBuf> = places.iter().map(|place| kit.path(&files[*place])).collect();
        let chosen: Vec<&str> = chosen.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(reference(&python, script, &chosen).trim(), hex::encode(SECRET));
    }
}

#[test]
fn shares_of_the_reference_are_combined_here() {
    let Some(python) = python() else { return };
    let kit = Kit::new();
    let script = "import sys, shamir_mnemonic as s\n\
        g = s.generate_mnemonics(2, [(2, 3), (3, 4)], bytes.fromhex(sys.argv[1]), b'pass phrase', extendable=sys.argv[2] == '1', iteration_exponent=1)\n\
        print('\\n'.join(g[0][1:] + g[1]))";
    fs::write(kit.path("passphrase"), "pass phrase").unwrap();
    for (extendable, length) in [("1", 32), ("0", 32), ("1", 16), ("0", 16)] {
        fs::write(kit.path("lines"), reference(&python, script, &[&hex::encode(&SECRET[..length]), extendable]))
            .unwrap();
        let report = combine(&kit, &["lines"], &["--passphrase-file", "passphrase"]).ok();
        assert_eq!(report["shares"], 6);
        assert_eq!(fs::read(kit.path("out")).unwrap(), SECRET[..length]);
    }
}

#[test]
fn two_of_three_from_files_and_what_can_go_wrong() {
    let kit = Kit::new();
    let files = split(&kit, &["--threshold", "2", "--shares", "3"]);
    combine(&kit, &[&files[2], &files[0]], &[]).ok();
    assert_eq!(fs::read(kit.path("out")).unwrap(), SECRET);
    let refused = |files: &[&str], code: &str| {
        let message = combine(&kit, files, &[]).fails(3, code);
        assert!(!kit.path("out").exists(), "a file was written");
        message
    };
    let write = |name: &str, change: &dyn Fn(&mut Vec<&str>)| {
        let text = fs::read_to_string(kit.path(&files[1])).unwrap();
        let mut words: Vec<&str> = text.split_whitespace().collect();
        change(&mut words);
        fs::write(kit.path(name), words.join(" ")).unwrap();
    };
    refused(&[&files[0]], "too_few_shares");
    refused(&[&files[0], &files[0]], "duplicate_share");
    write("unknown", &|words| words[9] = "bitcoin");
    assert!(refused(&[&files[0], "unknown"], "share_word").contains("unknown, line 1: word 10"));
    write("wrong", &|words| words[12] = if words[12] == "acid" { "academic" } else { "acid" });
    assert!(refused(&[&files[0], "wrong"], "share_checksum").ends_with("look at word 13"));
    write("short", &|words| words.truncate(32));
    refused(&[&files[0], "short"], "share_length");
    fs::write(kit.path("empty"), "# nothing\n\n").unwrap();
    refused(&["empty"], "too_few_shares");
    combine(&kit, &[&files[0], &files[1], &files[2]], &[]).ok();
}

#[test]
fn b2_shares_of_two_sets_do_not_mix() {
    let (kit, other) = (Kit::new(), Kit::new());
    let files = split(&kit, &["--threshold", "2", "--shares", "3"]);
    let foreign = split(&other, &["--threshold", "2", "--shares", "3"]);
    fs::copy(other.path(&foreign[1]), kit.path("foreign")).unwrap();
    let message = combine(&kit, &[&files[0], "foreign", &files[1]], &[]).fails(3, "mixed_shares");
    assert!(message.contains("share 2"), "{message}");
}

#[test]
fn nothing_is_overwritten_and_no_word_is_shown() {
    let kit = Kit::new();
    let files = split(&kit, &["--threshold", "2", "--shares", "3"]);
    let before = fs::read_to_string(kit.path(&files[0])).unwrap();
    let again =
        ["slip39", "split", "--threshold", "2", "--shares", "3", "--secret-file", "secret", "--out-dir", "shares"];
    kit.run(&again).fails(4, "file_exists");
    assert_eq!(fs::read_to_string(kit.path(&files[0])).unwrap(), before);
    for form in ["--json", "--log=debug"] {
        let shown = kit.output(&["slip39", "inspect", form, "--shares-file", &files[0], &files[1]]);
        let shown = String::from_utf8([shown.stdout, shown.stderr].concat()).unwrap();
        let shows = |word: &str| shown.split(|c: char| !c.is_ascii_alphabetic()).any(|part| part == word);
        // A word of the list may stand in a sentence by chance, five of them do not.
        assert!(before.split_whitespace().skip(4).filter(|word| shows(word)).count() < 5, "{shown}");
    }
    let report = kit.run(&["slip39", "inspect", "--shares-file", &files[0], &files[1]]).ok();
    assert_eq!((&report["sets"][0]["recoverable"], &report["shares"][1]["member"]), (&true.into(), &2.into()));
    fs::write(kit.path("secret"), [1; 31]).unwrap();
    kit.run(&again).fails(3, "bad_secret");
    assert_eq!(names(&kit.path("shares")).len(), 3);
}
