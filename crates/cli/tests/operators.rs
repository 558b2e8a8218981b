//! Operators, networks and drafts: what is made, and every kind of bad input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kit::{Kit, PASSPHRASE};
use serde_json::json;

#[test]
fn an_identity_is_sealed_private_and_never_overwritten() {
    let kit = Kit::new();
    let made = kit.operator(1);
    let (key, public) = (kit.path("op1/operator.key.age"), kit.path("op1/operator.json"));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(kit.path("op1")).unwrap().permissions().mode() & 0o777, 0o700);
    let before = (fs::read(&key).unwrap(), fs::read(&public).unwrap());
    assert!(before.0.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    kit.run(&["operator", "init", "--dir", "op1", "--socket", "127.0.0.1:1"]).fails(4, "file_exists");
    assert_eq!((fs::read(&key).unwrap(), fs::read(&public).unwrap()), before);
    let shown = kit.run(&["operator", "show", "--dir", "op1"]).ok();
    assert_eq!(shown["address"], made["address"]);
}

#[test]
fn without_a_terminal_a_passphrase_must_come_from_a_file() {
    let kit = Kit::new();
    let mut command = kit.command(&["operator", "init", "--dir", "op", "--socket", "a:1", "--json"]);
    let output = command.env_remove("QUORUMKEEP_PASSPHRASE_FILE").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("passphrase_missing"));
    assert!(!kit.path("op").exists());
    fs::write(kit.path("empty"), "\n").unwrap();
    let empty = ["operator", "init", "--dir", "op", "--socket", "a:1", "--passphrase-file", "empty"];
    kit.run(&empty).fails(3, "bad_file");
}

#[test]
fn a_draft_collects_signatures() {
    let kit = Kit::new();
    (1..=4).for_each(|number| drop(kit.operator(number)));
    let made = kit.network(&[1, 2, 3], "net", &["--threshold", "2"]).ok();
    assert_eq!((&made["threshold"], made["network"].as_str().unwrap().len()), (&json!(2), 64));
    fs::copy(kit.path("net/draft.json"), kit.path("copy.json")).unwrap();
    let sign = |draft: &str, dir: &str| kit.run(&["network", "sign", "--draft", draft, "--operator-dir", dir]);
    let signed = sign("net/draft.json", "op1").ok();
    assert_eq!(signed["signed"].as_array().unwrap().len(), 1);
    assert_eq!(sign("net/draft.json", "op1").ok()["signed"], signed["signed"], "twice is once");
    sign("net/draft.json", "op4").fails(4, "not_a_signer");
    sign("copy.json", "op3").ok();
    // Enough signatures in two copies: what is missing is the board.
    let copies = ["network", "submit", "--network", "net/network.json", "--draft", "net/draft.json", "copy.json"];
    kit.run(&copies).fails(6, "unreachable");
    let again = kit.network(&[1, 2, 3], "net", &["--threshold", "2"]);
    again.fails(4, "file_exists");
}

#[test]
fn a_wrong_passphrase_says_so_and_changes_nothing() {
    let kit = Kit::new();
    (1..=2).for_each(|number| drop(kit.operator(number)));
    kit.network(&[1, 2], "net", &[]).ok();
    let before = fs::read(kit.path("net/draft.json")).unwrap();
    let sign = ["network", "sign", "--draft", "net/draft.json", "--operator-dir", "op1", "--passphrase-file", "wrong"];
    kit.run(&sign).fails(3, "wrong_passphrase");
    assert_eq!(fs::read(kit.path("net/draft.json")).unwrap(), before);
    let node = ["node", "init", "--dir", "n1", "--operator-dir", "op1", "--network", "net/network.json"];
    kit.run(&[&node[..], &["--passphrase-file", "wrong"]].concat()).fails(3, "wrong_passphrase");
    assert!(!kit.path("n1").exists());
    fs::set_permissions(kit.path("op1/operator.key.age"), fs::Permissions::from_mode(0o644)).unwrap();
    kit.run(&node).fails(3, "open_file");
}

#[test]
fn a_roster_is_checked() {
    let kit = Kit::new();
    (1..=3).for_each(|number| drop(kit.operator(number)));
    kit.network(&[1, 2, 1], "net", &[]).fails(3, "duplicate_operator");
    let same_socket = ["operator", "init", "--dir", "op9", "--socket", "127.0.0.1:40001"];
    kit.run(&same_socket).ok();
    let message = kit.network(&[1, 2, 9], "net", &[]).fails(3, "duplicate_operator");
    assert!(message.contains("op1/operator.json") && message.contains("socket"), "{message}");
    for threshold in ["0", "1", "4"] {
        let message = kit.network(&[1, 2, 3], "net", &["--threshold", threshold]).fails(3, "threshold");
        assert!(message.contains("1 < t <= 3"), "{message}");
    }
    kit.network(&[1, 2, 3], "net", &["--threshold", "x"]).fails(2, "usage");
    kit.network(&[1, 2, 3], "net", &["--windows", "1,2,3"]).fails(2, "usage");
    kit.network(&[1, 2, 3], "net", &["--windows", "10,10,10,0"]).fails(3, "bad_config");
    kit.network(&[1, 2, 3], "net", &["--windows", "10,10,10,10", "--interval", "39"]).fails(3, "bad_config");
    kit.network(&[1, 2, 3], "net", &["--threshold", "3", "--settle-margin", "1"]).fails(3, "bad_config");
    kit.network(&[1, 2, 3], "net", &["--key-name", "Main Key"]).fails(3, "bad_config");
    kit.network(&[1, 2, 3], "net", &["--players-min", "4"]).fails(3, "bad_config");
    kit.network(&[1, 2, 3], "net", &["--board", "nowhere"]).fails(2, "usage");
    assert!(!kit.path("net").exists(), "nothing is written before everything is checked");
}

#[test]
fn an_altered_operator_file_is_refused() {
    let kit = Kit::new();
    (1..=3).for_each(|number| drop(kit.operator(number)));
    let good = fs::read(kit.path("op2/operator.json")).unwrap();
    let broken = |change: &dyn Fn(&mut serde_json::Value), code: &str| {
        fs::write(kit.path("op2/operator.json"), &good).unwrap();
        kit.edit("op2/operator.json", change);
        kit.network(&[1, 2, 3], "net", &[]).fails(3, code);
    };
    broken(&|json| json["address"] = json!(format!("0x{}", "11".repeat(20))), "bad_operator");
    broken(&|json| json["key"] = json!("00"), "bad_operator");
    let other: serde_json::Value = serde_json::from_slice(&fs::read(kit.path("op1/operator.json")).unwrap()).unwrap();
    broken(&|json| json["possession"] = other["possession"].clone(), "bad_operator");
    broken(&|json| json["stake"] = json!(1), "unknown_field");
    broken(&|json| drop(json.as_object_mut().unwrap().remove("key")), "bad_file");
    fs::write(kit.path("op2/operator.json"), "{").unwrap();
    kit.network(&[1, 2, 3], "net", &[]).fails(3, "bad_file");
    fs::remove_file(kit.path("op2/operator.json")).unwrap();
    kit.network(&[1, 2, 3], "net", &[]).fails(3, "file_missing");
}

#[test]
fn an_altered_network_file_or_draft_is_refused() {
    let kit = Kit::new();
    (1..=3).for_each(|number| drop(kit.operator(number)));
    kit.network(&[1, 2, 3], "net", &[]).ok();
    kit.network(&[1, 2, 3], "other", &[]).ok();
    let good = fs::read(kit.path("net/network.json")).unwrap();
    let broken = |change: &dyn Fn(&mut serde_json::Value), code: &str| {
        fs::write(kit.path("net/network.json"), &good).unwrap();
        kit.edit("net/network.json", change);
        kit.run(&["network", "show", "--network", "net/network.json"]).fails(3, code);
    };
    broken(&|json| json["network"] = json!("11".repeat(32)), "foreign_network");
    broken(&|json| json["treshold"] = json!(2), "unknown_field");
    broken(&|json| json["first_config"] = json!("00"), "bad_file");
    broken(&|json| json["board"] = json!("nowhere"), "bad_file");
    fs::write(kit.path("net/network.json"), &good).unwrap();

    let submit = ["network", "submit", "--draft", "other/draft.json", "--network", "net/network.json", "--wait", "1"];
    kit.run(&submit).fails(3, "foreign_network");
    kit.edit("net/draft.json", |json| json["network"] = json!("11".repeat(32)));
    let sign = ["network", "sign", "--draft", "net/draft.json", "--operator-dir", "op1"];
    kit.run(&sign).fails(3, "foreign_network");
    kit.edit("net/draft.json", |json| json["records"] = json!(["00"]));
    kit.run(&sign).fails(3, "bad_file");
}

#[test]
fn no_secret_is_in_any_answer_or_log() {
    let kit = Kit::new();
    (1..=2).for_each(|number| drop(kit.operator(number)));
    kit.network(&[1, 2], "net", &[]).ok();
    let arguments = ["--log", "trace", "network", "sign", "--draft", "net/draft.json", "--operator-dir", "op1"];
    let output = kit.output(&arguments);
    assert!(output.status.success());
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains(PASSPHRASE));
}

#[test]
fn a_wrong_command_line_is_a_usage_error_in_both_forms() {
    let kit = Kit::new();
    kit.run(&["fly"]).fails(2, "usage");
    kit.run(&["operator", "init"]).fails(2, "usage");
    let people = kit.output(&["fly"]);
    assert_eq!((people.status.code(), people.stdout.len()), (Some(2), 0));
    let help = kit.output(&["network", "init", "--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Example:"));
    let version = kit.run(&["version"]).ok();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}
