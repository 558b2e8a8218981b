//! Encryption and decryption without a network: both formats, and every kind of bad file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use kit::{Kit, names};
use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_ibe::agefile::Recipient;
use quorumkeep_ibe::{AppId, AppIdentity, Format, eigenx, sign_partial};
use rand_core::OsRng;

const APP: &str = "billing";

/// A group of one: its recipient, and the application's key in `FORMAT.key`.
fn group(kit: &Kit) -> (SecretScalar, String) {
    let secret = SecretScalar::random(&mut OsRng);
    let info = AppIdentity { network: [1; 32], key_id: [2; 32], app_id: AppId::parse(APP).unwrap(), epoch: 3 };
    for format in Format::ALL {
        let key = hex::encode(sign_partial(&secret, &info.q(format)).expose());
        fs::write(kit.path(&format!("{format}.key")), format!("0x{key}\n")).unwrap();
    }
    let recipient = Recipient::new(info, secret.mul_g2()).unwrap().to_string();
    (secret, recipient)
}

fn plaintext() -> Vec<u8> {
    (0..300_000u32).map(|number| (number % 251) as u8).collect()
}

/// A kit with `plain`, `age` and `eigenx` in it.
fn files() -> Kit {
    let kit = Kit::new();
    let (secret, recipient) = group(&kit);
    fs::write(kit.path("plain"), plaintext()).unwrap();
    let done = kit.run(&["encrypt", "--recipient", &recipient, "--in", "plain", "--out", "age"]).ok();
    assert_eq!(done["plaintext_bytes"], 300_000);
    let sealed = eigenx::encrypt(&secret.mul_g2(), &AppId::parse(APP).unwrap(), &plaintext(), &mut OsRng).unwrap();
    fs::write(kit.path("eigenx"), sealed).unwrap();
    kit
}

fn decrypt<'a>(format: &'a str, key: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["decrypt", "--app-key", key, "--app-id", APP, "--in", format, "--out", out]
}

#[test]
fn both_formats_open_offline() {
    let kit = files();
    for format in ["age", "eigenx"] {
        let key = format!("{format}.key");
        let done = kit.run(&decrypt(format, &key, "out")).ok();
        assert_eq!(done["format"], format);
        assert_eq!(fs::read(kit.path("out")).unwrap(), plaintext());
        assert_eq!(fs::metadata(kit.path("out")).unwrap().permissions().mode() & 0o777, 0o600);
        let standard = kit.output(&decrypt(format, &key, "-"));
        assert!(standard.status.success() && standard.stdout == plaintext());
        fs::remove_file(kit.path("out")).unwrap();
    }
}

#[test]
fn an_output_is_replaced_only_by_force() {
    let kit = files();
    fs::write(kit.path("out"), "precious").unwrap();
    kit.run(&decrypt("age", "age.key", "out")).fails(4, "file_exists");
    assert_eq!(fs::read(kit.path("out")).unwrap(), b"precious");
    kit.run(&[&decrypt("age", "age.key", "out")[..], &["--force"]].concat()).ok();
    assert_eq!(fs::read(kit.path("out")).unwrap(), plaintext());
    kit.run(&decrypt("age", "age.key", "nowhere/out")).fails(1, "io");
}

#[test]
fn a_truncated_or_altered_file_gives_nothing() {
    let kit = files();
    let before = names(kit.folder.path());
    for format in ["age", "eigenx"] {
        let whole = fs::read(kit.path(format)).unwrap();
        let key = format!("{format}.key");
        let tail = whole.len() - 1;
        for (length, flip) in [(tail, None), (whole.len() / 2, None), (65_536 + 600, None), (whole.len(), Some(tail))] {
            let mut bad = whole[..length].to_vec();
            if let Some(place) = flip {
                bad[place] ^= 1;
            }
            fs::write(kit.path("bad"), bad).unwrap();
            let answer = kit.run(&decrypt("bad", &key, "out"));
            let code = if format == "age" { "bad_ciphertext" } else { "decrypt_failed" };
            answer.fails(3, code);
            let standard = kit.output(&decrypt("bad", &key, "-"));
            assert_eq!((standard.status.code(), standard.stdout.len()), (Some(3), 0), "{format} {length}");
        }
        fs::remove_file(kit.path("bad")).unwrap();
        assert_eq!(names(kit.folder.path()), before, "nothing is left behind");
    }
}

#[test]
fn an_altered_header_fails() {
    let kit = files();
    let whole = fs::read(kit.path("age")).unwrap();
    // One bit in each quarter of the header: version, arguments, body and MAC of the stanza.
    for place in [25, 60, 150, 250, 330] {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        fs::write(kit.path("bad"), bad).unwrap();
        let answer = kit.run(&decrypt("bad", "age.key", "out"));
        assert_eq!(answer.status, 3, "{place}: {}", answer.json);
        assert!(!kit.path("out").exists());
    }
}

#[test]
fn what_is_no_ciphertext_or_no_key_says_so() {
    let kit = files();
    kit.run(&decrypt("plain", "age.key", "out")).fails(3, "bad_ciphertext");
    fs::write(kit.path("empty"), "").unwrap();
    kit.run(&decrypt("empty", "age.key", "out")).fails(3, "bad_ciphertext");
    fs::write(kit.path("armor"), "-----BEGIN AGE ENCRYPTED FILE-----\n").unwrap();
    kit.run(&decrypt("armor", "age.key", "out")).fails(3, "bad_ciphertext");
    kit.run(&decrypt("absent", "age.key", "out")).fails(3, "file_missing");
    kit.run(&decrypt(".", "age.key", "out")).fails(3, "bad_file");
    kit.run(&decrypt("age", "absent", "out")).fails(3, "file_missing");
    kit.run(&decrypt("age", "plain", "out")).fails(3, "bad_file");
    for bad in ["", "00", "zz", &"00".repeat(48), &"ff".repeat(48)] {
        fs::write(kit.path("bad.key"), bad).unwrap();
        kit.run(&decrypt("age", "bad.key", "out")).fails(3, "bad_key");
    }
    // The other format's key, and another application's name.
    kit.run(&decrypt("age", "eigenx.key", "out")).fails(3, "decrypt_failed");
    kit.run(&decrypt("eigenx", "age.key", "out")).fails(3, "decrypt_failed");
    let other = ["decrypt", "--app-key", "age.key", "--app-id", "other", "--in", "age", "--out", "out"];
    let message = kit.run(&other).fails(3, "decrypt_failed");
    assert!(message.contains("application billing in epoch 3"), "{message}");
    let spaces = ["decrypt", "--app-key", "age.key", "--app-id", "a b", "--in", "age", "--out", "out"];
    kit.run(&spaces).fails(3, "bad_app_id");
}

#[test]
fn recipients_are_checked_and_mixed() {
    let kit = files();
    let (_, recipient) = group(&kit);
    let encrypt = |recipient: &str| kit.run(&["encrypt", "--recipient", recipient, "--in", "plain", "--out", "x"]);
    let mut mistyped = recipient.clone();
    mistyped.pop();
    encrypt(&mistyped).fails(3, "bad_recipient");
    encrypt(&recipient.to_uppercase()).fails(3, "bad_recipient");
    encrypt("age1nonsense").fails(3, "bad_recipient");
    kit.run(&["encrypt", "--in", "plain", "--out", "x"]).fails(2, "usage");
    kit.run(&["encrypt", "--recipient", &recipient, "--in", "plain"]).fails(2, "usage");
    let way_out = age::x25519::Identity::generate();
    let second = way_out.to_public().to_string();
    let both = ["encrypt", "--recipient", &recipient, "--recipient", &second, "--in", "plain", "--out", "both"];
    kit.run(&both).ok();
    assert_eq!(age::decrypt(&way_out, &fs::read(kit.path("both")).unwrap()).unwrap(), plaintext());
    kit.run(&decrypt("both", "age.key", "out")).ok();
}

#[test]
fn a_pipe_works_like_a_file() {
    let kit = files();
    let mut child = kit
        .command(&["decrypt", "--app-key", "age.key", "--app-id", APP])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sealed = fs::read(kit.path("age")).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // One byte first: the format is recognised however the bytes arrive.
        stdin.write_all(&sealed[..1]).unwrap();
        stdin.flush().unwrap();
        stdin.write_all(&sealed[1..]).unwrap();
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success() && output.stdout == plaintext());
}

/// The stock `age` (Debian: apt-get install age) encrypts through the plugin; our program opens the result.
#[test]
fn the_stock_age_command_encrypts_through_the_plugin() {
    if Command::new("age").arg("--version").output().is_err() {
        eprintln!("skipped: there is no age command here");
        return;
    }
    let kit = files();
    let (_, recipient) = group(&kit);
    symlink(env!("CARGO_BIN_EXE_quorumkeep"), kit.path("age-plugin-quorumkeep")).unwrap();
    let path = format!("{}:{}", kit.folder.path().display(), std::env::var("PATH").unwrap());
    let mut age = Command::new("age");
    age.args(["-r", &recipient, "-o", "by-age", "plain"]).current_dir(kit.folder.path()).env("PATH", &path);
    let output = age.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kit.run(&decrypt("by-age", "age.key", "out")).ok();
    assert_eq!(fs::read(kit.path("out")).unwrap(), plaintext());
    // An identity that points nowhere is an error of age, not a hang and not a panic.
    fs::write(kit.path("identity"), "AGE-PLUGIN-QUORUMKEEP-1QYQQQQQQQQQQQQQF5X4T6\n").unwrap();
    let mut age = Command::new("age");
    age.args(["-d", "-i", "identity", "by-age"]).current_dir(kit.folder.path()).env("PATH", &path).stdin(Stdio::null());
    let output = age.output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}
