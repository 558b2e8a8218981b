//! `quorumkeep ten backup` and `ten inventory` against real processes of the stand-in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;
#[path = "kit/stand_in.rs"]
mod stand_in;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kit::{Kit, names};
use serde_json::{Value, json};
use stand_in::Running;

/// The public keys of the private keys 1 and 2.
const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const OTHER: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

/// A genesis node of a network of its own.
fn node(kit: &Kit, database: &str, secret: &str) -> Running {
    let published = format!("-da={}", kit.path(&format!("{database}-published")).display());
    let environment = [("ENCLAVE_BACKUPENCRYPTIONKEY", KEY), ("ENCLAVE_SHAREDSECRET", secret)];
    stand_in::node(kit, database, &["-genesis", &published], &environment)
}

fn gateway(kit: &Kit, name: &str, more: &[&str]) -> Running {
    stand_in::gateway(kit, name, &[&["-encryptionKeySource=new"], more].concat())
}

fn kit() -> Kit {
    let kit = Kit::new();
    kit.run(&["person", "new", "anna", "--role", "operations", "--out", "anna.key", "--card", "anna.json"]).ok();
    kit
}

/// The arguments of a backup, with what differs.
fn backup<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["ten", "backup", "--network", "testnet", "--as", "anna.key", "--out-dir", "out"], more].concat()
}

#[test]
fn the_network_secret_is_taken_and_pinned() {
    let kit = kit();
    let running = node(&kit, "db", "");
    let first = kit.run(&backup(&["--node", &running.url, "--backup-key", KEY])).ok();
    assert_eq!(first["finding"]["code"], "rpc_key_unpinned");
    let pinned = first["rpc_key"].as_str().unwrap().to_owned();
    let socket = running.url.replace("http:", "ws:");
    for url in [&running.url, &socket] {
        let again = kit.run(&backup(&["--node", url, "--backup-key", KEY, "--rpc-key", &pinned])).ok();
        assert_eq!(again["finding"]["code"], "rpc_key_pinned");
    }
    let files = names(&kit.path("out"));
    assert_eq!(files.len(), 3);
    let file = fs::read(kit.path("out").join(&files[0])).unwrap();
    let signed: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(signed["backup"]["identity"], "ten://backup@testnet/network-secret");
    assert_eq!(signed["backup"]["source"], format!("{}/", running.url));

    let liar = node(&kit, "liar", "");
    let refused = kit.run(&backup(&["--node", &liar.url, "--backup-key", KEY, "--rpc-key", &pinned]));
    refused.fails(5, "rpc_key_differs");
    let zero = node(&kit, "zero", "0x00");
    kit.run(&backup(&["--node", &zero.url, "--backup-key", KEY])).fails(4, "zero_secret");
    let elsewhere = format!("{}/nothing", running.url);
    kit.run(&backup(&["--node", &elsewhere, "--backup-key", KEY])).fails(6, "source_status");
    drop(running);
    kit.run(&backup(&["--node", &socket, "--backup-key", KEY])).fails(6, "source_unreachable");
    assert_eq!(names(&kit.path("out")).len(), 3, "what was refused left nothing");
}

#[test]
fn the_key_of_a_gateway_is_taken_and_its_texts_are_errors() {
    let kit = kit();
    let good = gateway(&kit, "gw-01", &[&format!("-backupEncryptionKey=0x{OTHER}")]);
    let named = format!("gw-01={}", good.url);
    let taken = kit.run(&backup(&["--gateway", &named, "--backup-key", OTHER])).ok();
    assert!(taken["rpc_key"].is_null() && taken["identity"] == "ten://backup@testnet/gateway/gw-01", "{taken}");
    let bare = gateway(&kit, "gw-02", &[]);
    let named = format!("gw-02={}", bare.url);
    kit.run(&backup(&["--gateway", &named, "--backup-key", OTHER])).fails(4, "backup_key_missing");
    assert_eq!(names(&kit.path("out")).len(), 1);
}

/// A server that answers everybody with this text; its address.
fn server(text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(text.as_bytes());
        }
    });
    address.to_string()
}

/// What is not upstream's answer is an error that says which, and nothing is kept of it.
#[test]
fn answers_that_are_none_are_refused_with_the_reason() {
    let kit = kit();
    let ok =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let zeros = format!("0x{}", "00".repeat(145));
    for (answer, status, code) in [
        (
            "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n".to_owned(),
            4,
            "source_redirects",
        ),
        ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_owned(), 6, "source_status"),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(), 6, "source_broken"),
        (ok(&"x".repeat(100_000)), 4, "answer_too_large"),
        (ok("<!doctype html>"), 4, "answer_malformed"),
        (ok(&zeros), 4, "answer_malformed"),
        (ok("0x04"), 4, "answer_malformed"),
        (ok("no encryption key available to backup"), 4, "gateway_without_key"),
        (ok(""), 4, "gateway_refused"),
    ] {
        let gateway = format!("gw-01=http://{}", server(answer.clone()));
        eprintln!("{answer:.60}");
        kit.run(&backup(&["--gateway", &gateway, "--backup-key", OTHER])).fails(status, code);
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = format!("http://{}", silent.local_addr().unwrap());
    kit.run(&backup(&["--node", &node, "--backup-key", KEY, "--timeout", "1"])).fails(6, "source_timeout");
    let plain = format!("https://{}", server("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()));
    fs::write(kit.path("roots.pem"), "no certificate").unwrap();
    let bad_roots = ["--node", &plain, "--backup-key", KEY, "--roots", "roots.pem"];
    kit.run(&backup(&bad_roots)).fails(3, "bad_file");
    assert!(names(&kit.path("out")).is_empty(), "nothing was kept");
}

#[test]
fn a_wrong_command_line_is_said_so() {
    let kit = kit();
    for more in [
        &["--backup-key", KEY][..],
        &["--backup-key", "00", "--node", "http://a.example"],
        &["--backup-key", KEY, "--node", "a.example"],
        &["--backup-key", KEY, "--node", "http://u:p@a.example"],
        &["--backup-key", KEY, "--gateway", "gw=ws://a.example"],
        &["--backup-key", KEY, "--node", "http://a.example", "--gateway", "gw=http://a.example"],
        &["--backup-key", KEY, "--node", "http://a.example", "--every", "0s"],
    ] {
        kit.run(&backup(more)).fails(2, "usage");
    }
}

#[test]
fn backups_are_taken_again_and_again_until_it_is_stopped() {
    let kit = kit();
    let running = node(&kit, "db", "");
    let arguments = backup(&["--node", &running.url, "--backup-key", KEY, "--every", "1s", "--json"]);
    let mut service = kit.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while !kit.path("out").exists() || names(&kit.path("out")).len() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(60), "no second backup");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").arg(service.id().to_string()).status().unwrap().success());
    assert!(service.wait().unwrap().success());
}

#[test]
fn an_inventory_names_what_is_not_as_it_should_be() {
    let kit = kit();
    let running = node(&kit, "db", "");
    let gateway = gateway(&kit, "gw-01", &[&format!("-backupEncryptionKey={OTHER}")]);
    let plan = |node: &str, configured: &str| {
        let plan = json!({
            "network": "testnet",
            "backup_key": KEY,
            "nodes": [{ "name": "n-1", "url": node, "configured": configured }],
            "gateways": [{ "name": "gw-01", "url": gateway.url, "backup_key": OTHER, "configured": OTHER }],
        });
        fs::write(kit.path("plan.json"), plan.to_string()).unwrap();
        kit.run(&["ten", "inventory", "--plan", "plan.json"])
    };
    let codes = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };
    let good = plan(&running.url, KEY).ok();
    assert_eq!(codes(&good), ["key_expected", "rpc_key_unpinned", "key_expected", "network_one", "separate"]);

    let prefixed = plan(&running.url, &format!("0x{KEY}"));
    assert!(codes(&prefixed.json).contains(&"key_prefix".to_owned()));
    prefixed.fails(4, "check_failed");
    let taken = plan(&running.url, OTHER);
    assert!(codes(&taken.json).contains(&"key_other".to_owned()));
    taken.fails(5, "check_alarm");
    let zero = node(&kit, "zero", "0x00");
    let open = plan(&zero.url, KEY);
    assert!(codes(&open.json).contains(&"zero_secret".to_owned()));
    open.fails(5, "check_alarm");
    drop(zero);
    drop(running);
    let lost = plan("http://127.0.0.1:1", KEY);
    assert_eq!(lost.json["members"][0]["error"]["code"], "source_unreachable");
    lost.fails(4, "check_failed");
    fs::write(kit.path("plan.json"), r#"{"network":"x","backup_keys":"y"}"#).unwrap();
    kit.run(&["ten", "inventory", "--plan", "plan.json"]).fails(3, "unknown_field");
}
