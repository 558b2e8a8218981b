//! Boards and nodes that must not start, and boards that must not be believed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use kit::Kit;
use serde_json::Value;

/// A server that ends with the test.
struct Server {
    child: Child,
    listen: String,
}

impl Server {
    /// Starts it on a free port and waits until it says where it listens.
    fn start(kit: &Kit, arguments: &[&str]) -> Self {
        let mut with = arguments.to_vec();
        with.extend(["--listen", "127.0.0.1:0", "--json"]);
        let mut child = kit.command(&with).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let json: Value = serde_json::from_str(&line).unwrap();
        Self { child, listen: json["listen"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn network(kit: &Kit) {
    (1..=2).for_each(|number| drop(kit.operator(number)));
    kit.network(&[1, 2], "net", &[]).ok();
}

const NODE: [&str; 8] = ["node", "run", "--dir", "n1", "--operator-dir", "op1", "--network", "net/network.json"];

#[test]
fn an_occupied_port_says_so() {
    let kit = Kit::new();
    network(&kit);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = ["--listen", &address];
    let board = ["board", "serve", "--dir", "board", "--network", "net/network.json"];
    let message = kit.run(&[&board[..], &listen].concat()).fails(1, "address_in_use");
    assert!(message.contains(&address), "{message}");
    kit.run(&[&NODE[..], &listen].concat()).fails(1, "address_in_use");
    let fast = ["--listen", "127.0.0.1:0", "--block-ms", "1"];
    kit.run(&[&board[..], &fast].concat()).fails(2, "usage");
}

#[test]
fn a_lost_foreign_or_damaged_database_is_not_replaced() {
    let kit = Kit::new();
    network(&kit);
    kit.network(&[1, 2], "other", &[]).ok();
    let init = |operator: &str, network: &str| {
        kit.run(&["node", "init", "--dir", "n1", "--operator-dir", operator, "--network", network])
    };
    init("op1", "net/network.json").ok();
    init("op1", "net/network.json").fails(4, "file_exists");
    let run = |operator: &str, network: &str| {
        kit.run(&[
            "node",
            "run",
            "--dir",
            "n1",
            "--operator-dir",
            operator,
            "--network",
            network,
            "--listen",
            "127.0.0.1:0",
        ])
    };
    run("op2", "net/network.json").fails(1, "database");
    run("op1", "other/network.json").fails(1, "database");
    let database = kit.path("n1/node.sqlite");
    let good = fs::read(&database).unwrap();
    fs::write(&database, "this is no database").unwrap();
    run("op1", "net/network.json").fails(1, "database");
    assert_eq!(fs::read(&database).unwrap(), b"this is no database");
    fs::remove_file(&database).unwrap();
    let message = run("op1", "net/network.json").fails(1, "database");
    assert!(message.contains("kek-"), "{message}");
    assert!(!database.exists());
    init("op1", "net/network.json").fails(1, "database");
    fs::write(&database, good).unwrap();
    let _node = Server::start(&kit, &NODE);
    run("op1", "net/network.json").fails(1, "database");
}

#[test]
fn r7_a_board_of_another_network_is_an_alarm() {
    let (kit, other) = (Kit::new(), Kit::new());
    network(&kit);
    let board =
        Server::start(&kit, &["board", "serve", "--dir", "board", "--network", "net/network.json", "--block-ms", "50"]);
    (1..=2).for_each(|number| drop(other.operator(number)));
    other.network(&[1, 2], "net", &["--board", &board.listen]).ok();
    other.run(&["network", "show", "--network", "net/network.json"]).fails(5, "foreign_board");
    // The same board, and its own network: it has no configuration yet, and that is no alarm.
    kit.edit("net/network.json", |json| json["board"] = board.listen.clone().into());
    let shown = kit.run(&["network", "show", "--network", "net/network.json"]).ok();
    assert_eq!(shown["posted"], false);
    kit.run(&["status", "--network", "net/network.json"]).fails(6, "unreachable");
    let unsigned = ["network", "submit", "--draft", "net/draft.json", "--network", "net/network.json"];
    kit.run(&unsigned).fails(4, "too_few_signatures");
    for operator in ["op1", "op2"] {
        kit.run(&["network", "sign", "--draft", "net/draft.json", "--operator-dir", operator]).ok();
    }
    kit.run(&unsigned).ok();
    kit.run(&unsigned).ok();
    assert_eq!(kit.run(&["network", "show", "--network", "net/network.json"]).ok()["posted"], true);
}

#[test]
fn a_board_starts_with_its_own_key_only() {
    let kit = Kit::new();
    network(&kit);
    kit.run(&["board", "init", "--dir", "board"]).fails(4, "file_exists");
    kit.run(&["board", "init", "--dir", "second"]).ok();
    let listen = ["--network", "net/network.json", "--listen", "127.0.0.1:0"];
    kit.run(&[&["board", "serve", "--dir", "second"][..], &listen].concat()).fails(3, "bad_key");
    kit.run(&[&["board", "serve", "--dir", "third"][..], &listen].concat()).fails(3, "file_missing");
    kit.run(&["board", "init", "--dir", "sealed", "--passphrase-file", "pass"]).ok();
    let wrong = [&["board", "serve", "--dir", "sealed", "--passphrase-file", "wrong"][..], &listen].concat();
    kit.run(&wrong).fails(3, "wrong_passphrase");
}
