//! `quorumkeep audit` as auditors use it: in the folder of a custody server, on exported files, and beside a program that
//! is not ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kit::{Kit, names};
use quorumkeep_audit::{Entry, LogKey, Outcome};
use quorumkeep_store::audit::{TABLES, append};
use rusqlite::Connection;
use serde_json::Value;

const ORIGIN: &str = "quorumkeep.custody/5be10000000000000000000000000000000000000000000000000000000000aa";

/// The folder `custody` of a server, as the custody commands make it.
struct Custody {
    kit: Kit,
    conn: Connection,
    key: LogKey,
}

impl Custody {
    fn new() -> Self {
        Self::in_kit(Kit::new(), "custody")
    }

    fn in_kit(kit: Kit, folder: &str) -> Self {
        fs::create_dir(kit.path(folder)).unwrap();
        let conn = Connection::open(kit.path(folder).join("custody.db")).unwrap();
        let _: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).unwrap();
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        conn.execute_batch(TABLES).unwrap();
        let key = LogKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        fs::write(kit.path(folder).join("audit.vkey"), format!("{}\n", key.verifier().encode())).unwrap();
        Self { kit, conn, key }
    }

    fn with(count: u64) -> Self {
        let mut custody = Self::new();
        (0..count).for_each(|seq| custody.add(entry(seq)));
        custody
    }

    fn add(&mut self, entry: Entry) {
        let tx = self.conn.transaction().unwrap();
        append(&tx, &self.key, &[entry]).unwrap();
        tx.commit().unwrap();
    }

    /// `audit` with the database.
    fn audit(&self, arguments: &[&str]) -> kit::Answer {
        self.kit.run(&[&["audit"], arguments, &["--custody", "custody"]].concat())
    }

    /// `audit` with the exported files.
    fn of_files(&self, arguments: &[&str]) -> kit::Answer {
        self.kit.run(&[&["audit"], arguments, &["--exported", "out", "--key", "custody/audit.vkey"]].concat())
    }

    fn export(&self) -> Value {
        self.audit(&["export", "--out", "out"]).ok()
    }

    /// Verifies, keeps the checkpoint in a file, and gives the answer.
    fn keep(&self, file: &str) -> Value {
        self.audit(&["verify", "--checkpoint-out", file]).ok()
    }
}

fn entry(seq: u64) -> Entry {
    let event = ["backup.generate", "share.deliver", "share.confirm"][seq as usize % 3];
    let mut entry = Entry::new(1_770_000_000_000 + seq, event, "anna");
    entry.approvers = vec!["berta".into()];
    entry.key_id = Some(format!("key-{}", seq % 2));
    entry.share_index = Some(seq as u32);
    entry
}

#[test]
fn a_log_is_verified_shown_exported_and_proved() {
    let mut custody = Custody::with(600);
    let verified = custody.keep("first.checkpoint");
    assert_eq!((&verified["size"], &verified["origin"]), (&600.into(), &ORIGIN.into()));
    custody.add(entry(600));
    let since = custody.audit(&["verify", "--since", "first.checkpoint"]).ok();
    assert_eq!((&since["size"], &since["since"]), (&601.into(), &600.into()));

    assert_eq!(custody.export()["size"], 601);
    let again = custody.export();
    assert_eq!(again["written"], 0);
    assert_eq!(names(&custody.kit.path("out")), ["checkpoint", "tile"]);
    let of_files = custody.of_files(&["verify", "--since", "first.checkpoint"]).ok();
    assert_eq!((&of_files["root"], &of_files["since"]), (&since["root"], &600.into()));

    for (seq, out) in [("0", "a"), ("300", "b"), ("600", "c")] {
        custody.audit(&["prove", "--entry", seq, "--out", out]).ok();
        let proved = custody.of_files(&["prove", "--entry", seq]).ok();
        assert_eq!(proved["proof"].as_str().unwrap(), fs::read_to_string(custody.kit.path(out)).unwrap());
        let checked = custody.kit.run(&["audit", "verify", "--proof", out, "--key", "custody/audit.vkey"]).ok();
        assert_eq!(checked["seq"].to_string(), seq);
        assert_eq!(checked["entry"]["operator"], "anna");
    }
    custody.audit(&["prove", "--entry", "0", "--out", "a"]).fails(4, "file_exists");
    assert!(custody.audit(&["prove", "--entry", "601"]).fails(4, "unknown_entry").contains("601"));
    custody.of_files(&["prove", "--entry", "601"]).fails(4, "unknown_entry");
}

#[test]
fn entries_are_filtered() {
    let custody = Custody::with(600);
    custody.export();
    let seqs = |arguments: &[&str]| {
        let shown = custody.audit(&[&["show"], arguments].concat()).ok();
        let same = custody.of_files(&[&["show"], arguments].concat()).ok();
        assert_eq!(shown, same);
        let entries = shown["entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&[]), (550..600).collect::<Vec<_>>());
    assert_eq!(seqs(&["--from", "3", "--count", "2"]), [3, 4]);
    assert_eq!(seqs(&["--event", "share.confirm", "--count", "3"]), [593, 596, 599]);
    assert_eq!(seqs(&["--event", "share", "--from", "0", "--count", "3"]), [1, 2, 4]);
    assert_eq!(seqs(&["--event", "share", "--key-id", "key-0", "--count", "2"]), [596, 598]);
    assert_eq!(seqs(&["--event", "shar"]), [0; 0]);
    assert_eq!(seqs(&["--from", "600"]), [0; 0]);
}

#[test]
fn p9_changes_of_the_database_are_alarms_that_name_the_entry() {
    let custody = Custody::with(50);
    custody.keep("kept");
    let alarm = |sql: &str, entry: u64| {
        custody.conn.execute_batch(&format!("SAVEPOINT before; {sql}; RELEASE before")).unwrap();
        let answer = custody.audit(&["verify"]);
        assert_eq!(answer.json["entry"], entry, "{}", answer.json);
        answer.fails(5, "audit_damaged");
        custody.audit(&["export", "--out", "out"]).fails(5, "audit_damaged");
        assert!(!custody.kit.path("out").exists());
    };
    alarm("CREATE TABLE copy AS SELECT * FROM audit_entries; DELETE FROM audit_entries WHERE seq >= 40", 40);
    let restore = "DELETE FROM audit_entries; INSERT INTO audit_entries SELECT * FROM copy;";
    alarm(&format!("{restore} DELETE FROM audit_entries WHERE seq = 17"), 17);
    alarm(
        &format!(
            "{restore} UPDATE audit_entries SET entry = CAST(replace(entry, 'anna', 'anne') AS BLOB) WHERE seq = 9"
        ),
        9,
    );
    let swap = "UPDATE audit_entries SET seq = 99 WHERE seq = 5; UPDATE audit_entries SET seq = 5 WHERE seq = 6; \
        UPDATE audit_entries SET seq = 6 WHERE seq = 99";
    alarm(&format!("{restore} {swap}"), 5);
    custody.conn.execute_batch(restore).unwrap();
    custody.audit(&["verify", "--since", "kept"]).ok();
}

#[test]
fn p9_old_files_and_forks_are_alarms() {
    let mut custody = Custody::with(20);
    custody.export();
    custody.conn.execute("VACUUM INTO ?1", [custody.kit.path("old.db").display().to_string()]).unwrap();
    custody.add(entry(20));
    custody.keep("kept");
    // An old copy of the files, and of the database.
    custody.of_files(&["verify"]).ok();
    custody.of_files(&["verify", "--since", "kept"]).fails(5, "audit_forked");
    fs::create_dir(custody.kit.path("replayed")).unwrap();
    fs::rename(custody.kit.path("old.db"), custody.kit.path("replayed/custody.db")).unwrap();
    fs::copy(custody.kit.path("custody/audit.vkey"), custody.kit.path("replayed/audit.vkey")).unwrap();
    let replayed = ["audit", "verify", "--custody", "replayed"];
    custody.kit.run(&replayed).ok();
    let message = custody.kit.run(&[&replayed[..], &["--since", "kept"]].concat()).fails(5, "audit_forked");
    assert!(message.contains("shorter"), "{message}");

    // A second log under the same key.
    let mut fork = Custody::in_kit(Kit::new(), "custody");
    (0..30).for_each(|seq| fork.add(entry(seq + 1)));
    fs::copy(custody.kit.path("kept"), fork.kit.path("kept")).unwrap();
    fork.audit(&["verify"]).ok();
    fork.audit(&["verify", "--since", "kept"]).fails(5, "audit_forked");

    // Another key: not this log at all.
    let other = LogKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    fs::write(custody.kit.path("other.vkey"), other.verifier().encode()).unwrap();
    custody.audit(&["verify", "--key", "other.vkey"]).fails(5, "audit_damaged");
    fork.kit.run(&["audit", "export", "--custody", "custody", "--out", "out"]).ok();
    fs::rename(fork.kit.path("out"), custody.kit.path("out2")).unwrap();
    custody.audit(&["export", "--out", "out2"]).fails(5, "audit_forked");
    custody.audit(&["export", "--out", "."]).fails(4, "audit_other");
}

#[test]
fn p9_a_proof_of_another_entry_is_refused() {
    let custody = Custody::with(9);
    custody.audit(&["prove", "--entry", "4", "--out", "proof"]).ok();
    let text = fs::read_to_string(custody.kit.path("proof")).unwrap();
    let verify = |text: &str| {
        fs::write(custody.kit.path("changed"), text).unwrap();
        custody.kit.run(&["audit", "verify", "--proof", "changed", "--key", "custody/audit.vkey"])
    };
    verify(&text).ok();
    verify(&text.replace("index 4", "index 5")).fails(4, "audit_proof");
    verify(&text.replace("\n9\n", "\n8\n")).fails(4, "audit_proof");
    verify(&text.replace("extra eyJ", "extra fyJ")).fails(4, "audit_proof");
    verify(&text.replace("extra ", "extras ")).fails(3, "bad_file");
    verify("").fails(3, "bad_file");
    verify(&"x".repeat(1 << 20)).fails(3, "bad_file");
}

#[test]
fn p7_nothing_of_an_entry_drives_the_terminal() {
    let mut custody = Custody::new();
    let hostile =
        "x\r\n9999  2026-01-01  share.delete  ok\u{1b}[2K\u{1b}]0;title\u{7}\u{202e}\u{2066}\u{200b}\u{9b}1A\u{7f}\0";
    let mut entry = entry(0);
    entry.operator = hostile.into();
    entry.approvers = vec![hostile.into()];
    entry.key_id = Some(hostile.into());
    entry.reason = Some(hostile.into());
    entry.target = Some(hostile.into());
    entry.details.insert(hostile.into(), hostile.into());
    entry.result = Outcome::Refused;
    custody.add(entry);
    custody.export();
    custody.audit(&["prove", "--entry", "0", "--out", "proof"]).ok();
    for arguments in [
        vec!["show", "--custody", "custody"],
        vec!["show", "--custody", "custody", "--json"],
        vec!["show", "--exported", "out", "--key", "custody/audit.vkey"],
        vec!["prove", "--entry", "0", "--custody", "custody"],
        vec!["verify", "--proof", "proof", "--key", "custody/audit.vkey"],
    ] {
        let output = custody.kit.output(&[&["audit"], arguments.as_slice()].concat());
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let bad = |character: char| {
            let bidi = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}'];
            (character != '\n' && character.is_control()) || bidi.iter().any(|range| range.contains(&character))
        };
        let found = text.chars().find(|character| bad(*character));
        assert_eq!(found, None, "{arguments:?}");
        let forged = text.lines().filter(|line| line.starts_with("9999")).count();
        assert_eq!(forged, 0);
    }
}

#[test]
fn what_is_missing_is_said() {
    let custody = Custody::with(2);
    custody.kit.run(&["audit", "verify"]).fails(2, "usage");
    custody.kit.run(&["audit", "verify", "--exported", "out"]).fails(2, "usage");
    custody.kit.run(&["audit", "verify", "--proof", "p"]).fails(2, "usage");
    custody.kit.run(&["audit", "verify", "--custody", "none"]).fails(3, "file_missing");
    custody.audit(&["verify", "--since", "none"]).fails(3, "file_missing");
    fs::write(custody.kit.path("text"), "no checkpoint").unwrap();
    custody.audit(&["verify", "--since", "text"]).fails(3, "bad_file");
    custody.audit(&["verify", "--key", "text"]).fails(3, "bad_key");
    custody.of_files(&["verify"]).fails(5, "audit_damaged");
    fs::remove_file(custody.kit.path("custody/custody.db")).unwrap();
    custody.audit(&["verify"]).fails(1, "database");
}

/// The Python that has `cryptography`; none if there is none and it is not required.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("QUORUMKEEP_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found =
        Command::new(&python).args(["-c", "import cryptography"]).output().is_ok_and(|run| run.status.success());
    assert!(
        found || std::env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() != Ok("1"),
        "Python with the package cryptography is required and absent"
    );
    if !found {
        eprintln!("skipped: there is no Python with the package cryptography here");
    }
    found.then_some(python)
}

#[test]
fn a_program_that_is_not_ours_verifies_checkpoints_proofs_and_exports() {
    let Some(python) = python() else { return };
    let mut custody = Custody::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verify_log.py");
    let mut size = 0;
    for more in [1_u64, 1, 5, 249, 1, 255, 88] {
        (size..size + more).for_each(|seq| custody.add(entry(seq)));
        size += more;
        let verified = custody.keep("checkpoint");
        custody.export();
        for seq in [0, size / 3, size - 1] {
            custody.audit(&["prove", "--entry", &seq.to_string(), "--out", "proof", "--force"]).ok();
            let files = ["custody/audit.vkey", "checkpoint", "proof", "out"].map(|name| custody.kit.path(name));
            let run = Command::new(&python).arg(script).args(&files).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            let answer: Value = serde_json::from_slice(&run.stdout).unwrap();
            assert_eq!(
                (&answer["size"], &answer["entries"], &answer["index"]),
                (&size.into(), &size.into(), &seq.into())
            );
            assert_eq!(answer["root"], verified["root"]);
            assert_eq!(answer["entry"], serde_json::to_value(entry(seq)).unwrap());
        }
        // It is a judge only if it can say no.
        let proof = fs::read_to_string(custody.kit.path("proof")).unwrap();
        fs::write(custody.kit.path("proof"), proof.replace("extra ey", "extra fy")).unwrap();
        let files = ["custody/audit.vkey", "checkpoint", "proof"].map(|name| custody.kit.path(name));
        assert!(!Command::new(&python).arg(script).args(&files).output().unwrap().status.success());
    }
}
