//! `quorumkeep ten backup` and `ten inventory` against real processes of the stand-in, which is built with the feature
//! `stand-in` of quorumkeep-ten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use kit::{Kit, names};
use serde_json::{Value, json};

/// The public keys of the private keys 1 and 2.
const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const OTHER: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

/// The stand-in; none if it is not built and not required.
fn program() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_quorumkeep")).with_file_name("ten-stand-in");
    let found = program.exists();
    let required = env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() == Ok("1");
    assert!(found || !required, "the stand-in is required and not built: --features quorumkeep-ten/stand-in");
    if !found {
        eprintln!("skipped: the stand-in is not built");
    }
    found.then_some(program)
}

struct Running {
    child: Child,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(program: &Path, arguments: &[String], environment: &[(&str, &str)]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().copied()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    Running { child, url: format!("http://{}", address.unwrap()) }
}

/// A genesis node with a database in the folder.
fn node(kit: &Kit, program: &Path, database: &str, secret: &str) -> Running {
    let arguments = ["node".to_owned(), format!("-db={}", kit.path(database).display()), "-genesis".to_owned()];
    start(program, &arguments, &[("ENCLAVE_BACKUPENCRYPTIONKEY", KEY), ("ENCLAVE_SHAREDSECRET", secret)])
}

fn gateway(kit: &Kit, program: &Path, name: &str, more: &[&str]) -> Running {
    let folder = kit.path(name);
    let mut arguments = vec!["gateway".to_owned(), "-encryptionKeySource=new".to_owned()];
    arguments.extend(["-insideEnclave", "-dbType=cosmosDB"].map(str::to_owned));
    arguments.extend(["data", "cosmos"].map(|flag| format!("-{flag}={}", folder.display())));
    arguments.extend(more.iter().map(|&flag| flag.to_owned()));
    start(program, &arguments, &[])
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
    let Some(program) = program() else { return };
    let kit = kit();
    let running = node(&kit, &program, "db", "");
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

    let liar = node(&kit, &program, "liar", "");
    let refused = kit.run(&backup(&["--node", &liar.url, "--backup-key", KEY, "--rpc-key", &pinned]));
    refused.fails(5, "rpc_key_differs");
    let zero = node(&kit, &program, "zero", "0x00");
    kit.run(&backup(&["--node", &zero.url, "--backup-key", KEY])).fails(4, "zero_secret");
    let elsewhere = format!("{}/nothing", running.url);
    kit.run(&backup(&["--node", &elsewhere, "--backup-key", KEY])).fails(6, "source_status");
    drop(running);
    kit.run(&backup(&["--node", &socket, "--backup-key", KEY])).fails(6, "source_unreachable");
    assert_eq!(names(&kit.path("out")).len(), 3, "what was refused left nothing");
}

#[test]
fn the_key_of_a_gateway_is_taken_and_its_texts_are_errors() {
    let Some(program) = program() else { return };
    let kit = kit();
    let good = gateway(&kit, &program, "gw-01", &[&format!("-backupEncryptionKey=0x{OTHER}")]);
    let named = format!("gw-01={}", good.url);
    let taken = kit.run(&backup(&["--gateway", &named, "--backup-key", OTHER])).ok();
    assert!(taken["rpc_key"].is_null() && taken["identity"] == "ten://backup@testnet/gateway/gw-01", "{taken}");
    let bare = gateway(&kit, &program, "gw-02", &[]);
    let named = format!("gw-02={}", bare.url);
    kit.run(&backup(&["--gateway", &named, "--backup-key", OTHER])).fails(4, "backup_key_missing");
    assert_eq!(names(&kit.path("out")).len(), 1);
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
    let Some(program) = program() else { return };
    let kit = kit();
    let running = node(&kit, &program, "db", "");
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
    let Some(program) = program() else { return };
    let kit = kit();
    let running = node(&kit, &program, "db", "");
    let gateway = gateway(&kit, &program, "gw-01", &[&format!("-backupEncryptionKey={OTHER}")]);
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
    let zero = node(&kit, &program, "zero", "0x00");
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
