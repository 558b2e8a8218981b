//! What goes wrong around a running network: nodes that are gone, another board, another server at a node's place,
//! requests that make no sense. Each gets its code, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::fs;

use serde_json::Value;
use support::{BOARD, Network, PATIENCE, Plan, http, node, poll};

const PLAN: Plan = Plan::new(3, 2);
const NETWORK: [&str; 2] = ["--network", "network.json"];

/// A network with a key, and a file encrypted to the application `mine` of the policy owner; its status.
fn with_a_key() -> (Network, Value) {
    let mut network = Network::new(PLAN);
    network.start_all();
    network.submit();
    let status = network.wait_for_version(0);
    network.encrypt("mine", "owner");
    network.decrypt("mine");
    fs::remove_file(network.path("opened")).unwrap();
    (network, status)
}

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, &NETWORK, more].concat()
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    let (mut network, status) = with_a_key();
    unknown_names(&network);
    only_the_owner(&network);
    http_requests(&network, status["keys"][0]["id"].as_str().unwrap());
    another_server_in_its_place(&mut network);
    too_few_nodes(&mut network);
}

fn unknown_names(network: &Network) {
    let unknown = ["--app", "nobodys"];
    let owner = ["--owner-key", "owner.key"];
    network.run(&with(&["app", "show"], &unknown)).fails(4, "unknown_app");
    network.run(&with(&["recipient"], &unknown)).fails(4, "unknown_app");
    let recover = ["app", "key", "recover", "--app", "nobodys", "--out", "k"];
    network.run(&with(&recover, &owner)).fails(4, "unknown_app");
    let other_key = ["--app", "mine", "--key", "other"];
    network.run(&with(&["app", "show"], &other_key)).fails(4, "unknown_key");
    network
        .run(&with(&["app", "register", "--id", "x", "--policy", "public", "--key", "other"], &owner))
        .fails(4, "unknown_key");
    network.run(&with(&["app", "show", "--app", "not an id"], &[])).fails(3, "bad_app_id");
    assert!(!network.path("k").exists());
}

fn only_the_owner(network: &Network) {
    let decrypt = ["decrypt", "--app", "mine", "--in", "mine.age", "--out", "opened"];
    network.run(&with(&decrypt, &[])).fails(4, "owner_key_needed");
    network.run(&["app", "owner-key", "--out", "other.key"]).ok();
    network.run(&["app", "owner-key", "--out", "owner.key"]).fails(4, "file_exists");
    let other = ["--owner-key", "other.key"];
    let refused = network.run(&with(&decrypt, &other));
    assert_ne!(refused.status, 0, "{}", refused.json);
    let take = ["app", "register", "--id", "mine", "--policy", "public", "--epoch", "1"];
    let refused = network.run(&with(&take, &other));
    assert_ne!(refused.status, 0, "{}", refused.json);
    assert!(!network.path("opened").exists(), "nothing was written");
    // An existing key is not overwritten.
    network.write("k", b"somebody's");
    let recover = ["app", "key", "recover", "--app", "mine", "--owner-key", "owner.key", "--out", "k"];
    network.run(&with(&recover, &[])).fails(4, "file_exists");
    assert_eq!(fs::read(network.path("k")).unwrap(), b"somebody's");
}

fn http_requests(network: &Network, key: &str) {
    let json = "application/json";
    let unknown_app = format!("{{\"key\":\"{key}\",\"app\":\"nobodys\"}}");
    let unknown_field = format!("{{\"key\":\"{key}\",\"app\":\"mine\",\"more\":1}}");
    let posts: [(&str, &str, &[u8], u16, &str); 6] = [
        ("/app/sign", json, unknown_app.as_bytes(), 404, "not_found"),
        ("/app/sign", json, unknown_field.as_bytes(), 400, "malformed"),
        ("/app/sign", json, b"{", 400, "malformed"),
        ("/app/register", json, b"[]", 400, "malformed"),
        ("/dkg/share", "application/octet-stream", b"not an envelope", 400, "malformed"),
        ("/status", json, b"{}", 405, "method_not_allowed"),
    ];
    for (path, kind, body, status, code) in posts {
        let answer = http::post(network, 1, path, kind, body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}: {}", answer.text());
    }
    // Refused by its length alone, before a byte of it was sent.
    let large = b"POST /app/sign HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 40000000\r\n\r\n";
    let answer = http::send(network, 1, large);
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"), "{}", answer.text());
    let foreign = "22".repeat(32);
    let gets = [("/nothing", 404, "not_found"), ("/pubkey", 400, "malformed")];
    for (path, status, code) in gets {
        let answer = http::get(network, 1, path);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}: {}", answer.text());
    }
    let unknown_key = http::get(network, 1, &format!("/pubkey?key={foreign}"));
    assert_eq!((unknown_key.status, unknown_key.code().as_str()), (404, "not_found"));
    let record = http::post(network, 0, "/board/records", "application/octet-stream", b"not a record");
    assert_eq!((record.status, record.code().as_str()), (400, "malformed"));
}

/// The node of operator 2 answers at the address of operator 1: its certificate is not the one of the roster.
fn another_server_in_its_place(network: &mut Network) {
    network.kill(&node(1));
    network.kill(&node(2));
    let listen = network.socket(1);
    let run =
        ["node", "run", "--dir", "node2", "--operator-dir", "op2", "--passphrase-file", "pass", "--listen", &listen];
    network.spawn(&node(2), &with(&run, &[]));
    let status = network
        .wait("the impostor answers", |status| status["nodes"][0]["health"].as_str().unwrap().contains("was expected"));
    assert_eq!(status["nodes"][0]["ready"], false, "{status}");
    refuse_for_lack_of_nodes(network);
    network.kill(&node(2));
    network.start_all();
    network.wait("all are ready", support::all_ready);
    network.decrypt("mine");
}

/// One good node is not enough for anything, and the message says how many are.
fn refuse_for_lack_of_nodes(network: &Network) {
    let answer = network.try_decrypt("mine");
    let error = &answer.json["error"];
    assert_eq!(answer.status, 6, "{error}");
    assert!(["too_few_partials", "unreachable"].contains(&error["code"].as_str().unwrap()), "{error}");
    assert!(error["message"].as_str().unwrap().contains("2 are needed"), "{error}");
}

fn too_few_nodes(network: &mut Network) {
    let before = fs::read(network.path("opened")).unwrap();
    network.kill(&node(1));
    network.decrypt("mine");
    network.kill(&node(3));
    refuse_for_lack_of_nodes(network);
    assert_eq!(fs::read(network.path("opened")).unwrap(), before, "nothing was written");
    network.kill(&node(2));
    network.run(&with(&["status"], &[])).fails(6, "unreachable");
    refuse_for_lack_of_nodes(network);
    network.start_all();
    network.wait("all are ready", support::all_ready);
    network.decrypt("mine");
}

/// Somebody deletes the board's blocks and lets it begin again: the nodes generate no second key, raise an alarm, and go
/// on decrypting, also after a restart.
#[test]
fn r11_an_empty_board_where_a_key_was_known_is_an_alarm() {
    let (mut network, status) = with_a_key();
    let group_key = status["keys"][0]["group_key"].clone();
    network.kill(BOARD);
    for name in support::kit::names(&network.path(BOARD)) {
        if !name.starts_with("orderer.key") {
            fs::remove_file(network.path(BOARD).join(name)).unwrap();
        }
    }
    network.start(BOARD);
    wait_for_alarms(&network, 1);
    network.decrypt("mine");
    // The permission to generate is still signed; posted again, it must not lead to a key.
    network.run(&with(&["network", "submit", "--draft", "draft.json"], &[]));
    network.kill(&node(1));
    network.start(&node(1));
    wait_for_alarms(&network, 2);
    let rounds = 3 * PLAN.interval * PLAN.block_ms;
    std::thread::sleep(std::time::Duration::from_millis(rounds));
    let status = network.status().unwrap();
    assert_eq!(status["keys"][0]["group_key"], group_key);
    let nodes = status["nodes"].as_array().unwrap();
    assert!(
        nodes.iter().all(|node| node["halted"] == true && !node["held"].as_array().unwrap().is_empty()),
        "{status:#}"
    );
    network.decrypt("mine");
}

/// Every node has raised an alarm; node 1 so many times.
fn wait_for_alarms(network: &Network, of_first: usize) {
    let alarms = |number: usize| network.logged(&node(number)).matches("ALARM").count();
    let raised =
        poll(PATIENCE, || (alarms(1) >= of_first && (2..=PLAN.n).all(|number| alarms(number) >= 1)).then_some(()));
    raised.expect("an alarm of every node");
}

/// A node is started with another network's board: it takes nothing from it and, because it cannot know whether its disk is the
/// newest, gives no partial signature. The others go on.
#[test]
fn r7_a_node_does_not_believe_the_board_of_another_network() {
    let (mut network, _) = with_a_key();
    let mut other = Network::new(PLAN);
    other.start_board();
    let (board, listen) = (other.socket(0), network.socket(1));
    // Nothing goes on while node 1 looks elsewhere, or it would lack the version that the others then hold.
    network.kill(BOARD);
    network.kill(&node(1));
    let run =
        ["node", "run", "--dir", "node1", "--operator-dir", "op1", "--passphrase-file", "pass", "--listen", &listen];
    network.spawn(&node(1), &with(&run, &["--board", &board]));
    let refused = poll(PATIENCE, || network.logged(&node(1)).contains("it belongs to network").then_some(()));
    refused.expect("the node says that the board is another network's");
    let status = network.wait("the node answers", |status| status["nodes"][0]["ready"].is_boolean());
    assert_eq!(status["nodes"][0]["ready"], false, "{status}");
    network.decrypt("mine");
    network.kill(&node(1));
    network.start_all();
    let height = network.wait("an answer", |_| true)["height"].as_u64().unwrap();
    network.wait_for_version(height);
    network.decrypt("mine");
}
