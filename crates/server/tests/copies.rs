//! D5 and R10 with real servers, databases and ports: an old folder, and a copy of a folder on another port.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::path::Path;
use std::process::Command;

use quorumkeep_dkg::app::Policy;
use quorumkeep_node::starting::Waiting;
use quorumkeep_node::status::Status;
use quorumkeep_server::node_api::{PartialAnswer, SignBody};
use quorumkeep_server::runtime::{self, NodeOptions};
use support::Network;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

/// Does this node give a partial signature for the newest version that it knows?
async fn signs(network: &Network, index: usize) -> bool {
    let body = SignBody { key: network.key(), app: "app-one".into(), version: None, owner: None };
    network.client(index).post_json::<_, PartialAnswer>("/app/sign", &body).await.is_ok()
}

async fn started() -> Network {
    let network = Network::start(3, 2).await;
    network.genesis().await;
    network.wait(0, "ready", |status| status.ready).await;
    network.register("app-one", Policy::Public).await;
    assert!(signs(&network, 0).await);
    network
}

fn round(status: &Status) -> u64 {
    status.keys[0].active.as_ref().map_or(0, |version| version.round)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d5_an_old_folder_gives_no_partial_signature_before_it_is_noticed() {
    let mut network = started().await;
    network.stop_node(0).await;
    let old = network.dir.path().join("old");
    copy(&network.node_dir(0), &old);
    network.start_node(0).await;
    let now = round(&network.status(1).await);
    network.wait(0, "two rounds later", |status| status.ready && round(status) > now + 34).await;
    network.stop_node(0).await;
    std::fs::remove_dir_all(network.node_dir(0)).unwrap();
    std::fs::rename(&old, network.node_dir(0)).unwrap();

    // With the board away, it cannot notice, and gives nothing.
    network.board.take().unwrap().stop().await;
    network.start_node(0).await;
    assert!(!signs(&network, 0).await, "an old disk signs without the board");
    // It says what it waits for, wherever an operator looks.
    let starting = network.status(0).await.starting.expect("it is starting");
    assert_eq!((starting.waits_for, starting.start_height), (Waiting::Board, None));
    let health: serde_json::Value = network.client(0).get_json("/health").await.unwrap();
    assert_eq!((&health["ok"], &health["ready"]), (&true.into(), &false.into()));
    assert!(health["why"].as_str().unwrap().starts_with("starting: it has not read the board"), "{health}");
    network.start_board().await;
    loop {
        // It is asked as fast as it answers, until it has said that it noticed.
        assert!(!signs(&network, 0).await, "an old disk signs before it is noticed");
        if network.status(0).await.suspended.is_some() {
            break;
        }
    }
    network.wait(0, "serving again", |status| status.ready && status.suspended.is_none()).await;
    assert!(signs(&network, 0).await);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_copy_of_a_folder_on_another_port_is_noticed_before_it_signs() {
    let mut network = started().await;
    // The copy is taken while nothing is written; the node that was there first runs again before the copy starts.
    network.stop_node(0).await;
    let twin = network.dir.path().join("twin");
    copy(&network.node_dir(0), &twin);
    network.start_node(0).await;
    network.wait(0, "ready", |status| status.ready).await;
    let second = runtime::start(NodeOptions {
        dir: twin,
        identity: network.keys[0].copy(),
        network: network.file.clone(),
        listen: ([127, 0, 0, 1], 0).into(),
        board: network.file.board.clone(),
        create: false,
    });
    let second = second.await.unwrap();
    let first = std::mem::replace(&mut network.listen[0], second.local_addr());
    loop {
        assert!(!signs(&network, 0).await, "the copy signs");
        if network.status(0).await.halted {
            break;
        }
    }
    second.shutdown().await;
    network.listen[0] = first;
    assert!(!network.status(0).await.halted, "the node that was there first goes on");
    network.stop().await;
}
