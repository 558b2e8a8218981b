//! A network in one process: generation, signing, resharing, through real TLS and real databases.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use quorumkeep_curves::bls::G1;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::app::Policy;
use quorumkeep_dkg::config::Protocol;
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::Digest;
use quorumkeep_dkg::output::Output;
use quorumkeep_ibe::{AppId, AppIdentity, Format, PartialSignature, recover};
use quorumkeep_node::status::AppStatus;
use quorumkeep_server::node_api::{PartialAnswer, PubkeyAnswer, RegisterBody, SignBody};
use quorumkeep_server::problem::Code;
use quorumkeep_sharing::Index;
use support::Network;

async fn output(network: &Network, index: usize) -> Output {
    let path = format!("/pubkey?key={}", network.key());
    let answer: PubkeyAnswer = network.client(index).get_json(&path).await.unwrap();
    let output = Output::decode(&hex::decode(&answer.output).unwrap()).unwrap();
    assert_eq!(output.id(), answer.version);
    output
}

fn q(network: &Network, app: &str) -> G1 {
    let app_id = AppId::parse(app).unwrap();
    AppIdentity { network: network.file.network.0, key_id: network.key().0, app_id, epoch: 1 }.q(Format::Age)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_signs_and_is_handed_on() {
    let mut network = Network::start(4, 3).await;
    network.genesis().await;
    let first = network.wait(0, "active", |status| status.keys.iter().any(|key| key.active.is_some())).await;
    let version = first.keys[0].active.clone().unwrap();
    assert!(version.held);

    network.register("app-one", Policy::Public).await;
    let path = |id: &str| format!("/app?key={}&id={id}", network.key());
    let seen: AppStatus = network.client(2).get_json(&path("app-one")).await.unwrap();
    assert_eq!((seen.id.as_str(), seen.epoch, seen.policy.as_str()), ("app-one", 1, "public"));
    let unknown = network.client(2).get_json::<AppStatus>(&path("app-two")).await.unwrap_err();
    assert_eq!(unknown.code(), Some(Code::NotFound));
    let output = output(&network, 1).await;
    let mut partials = Vec::new();
    for index in 0..3 {
        let version = Some(output.id());
        let body = SignBody { key: network.key(), app: "app-one".into(), version, owner: None };
        let answer: PartialAnswer = network.client(index).post_json("/app/sign", &body).await.unwrap();
        let bytes = hex::decode(&answer.partial).unwrap().try_into().unwrap();
        partials.push((Index::new(answer.index).unwrap(), PartialSignature::from_bytes(&bytes).unwrap()));
    }
    let shares: Vec<_> = output.shares().iter().map(|share| (share.index, share.point)).collect();
    let key = recover(output.threshold(), &q(&network, "app-one"), output.group_key(), &shares, &partials);
    assert!(key.is_ok());

    // The next rounds hand the key on; a node that was away comes back from its disk.
    network.stop_node(3).await;
    network.wait(0, "handed on", |s| s.keys[0].active.as_ref().unwrap().round > version.round + 32).await;
    network.start_node(3).await;
    let back = network.wait(3, "back", |s| s.keys[0].active.as_ref().is_some_and(|v| v.held && s.ready)).await;
    assert_eq!(back.keys[0].group_key, first.keys[0].group_key);

    // It knows the operators from its disk: what it is sent is not a stranger's.
    network.stop_node(3).await;
    network.board.take().unwrap().stop().await;
    network.start_node(3).await;
    let header = Header {
        network: network.file.network,
        key: network.key(),
        round: 0,
        digest: Digest::ZERO,
        kind: Kind::Ack,
        sender: network.config.roster[0].address,
        recipient: network.config.roster[3].address,
    };
    let receipt = Envelope::signed(header, vec![1], &Digest(keccak256(&[1])), &network.keys[0]);
    network.client(3).post("/dkg/ack", receipt.encode()).await.unwrap();
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_rounds_complete_through_the_board_when_no_peer_reaches_another() {
    let network = Network::start_with(4, 3, false).await;
    network.genesis().await;
    let made = network.wait(0, "active", |status| status.keys.iter().any(|key| key.active.is_some())).await;
    let round = made.keys[0].active.as_ref().unwrap().round;
    let later = network.wait(1, "handed on", |s| s.keys[0].active.as_ref().is_some_and(|v| v.round > round)).await;
    assert_eq!(later.keys[0].group_key, made.keys[0].group_key);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_by_pedersens_protocol_and_handed_on_by_feldmans() {
    let network = Network::start_as(4, 3, true, Protocol::Pedersen).await;
    network.genesis().await;
    let made = network.wait(0, "active", |status| status.keys.iter().any(|key| key.active.is_some())).await;
    let round = made.keys[0].active.as_ref().unwrap().round;
    assert!(output(&network, 1).await.reconstructed().is_empty());
    let later = network.wait(1, "handed on", |s| s.keys[0].active.as_ref().is_some_and(|v| v.round > round)).await;
    assert_eq!(later.keys[0].group_key, made.keys[0].group_key);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_give_receipts_for_a_deal() {
    let network = Network::start(4, 3).await;
    network.genesis().await;
    let receipts = |status: &quorumkeep_node::status::Status| {
        status.keys.iter().any(|key| key.round.as_ref().is_some_and(|round| round.receipts >= 2))
    };
    network.wait(0, "receipts", receipts).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_registers_so_often_and_no_more() {
    let network = Network::start(2, 2).await;
    let mut codes = Vec::new();
    for _ in 0..12 {
        let body = RegisterBody { key: network.key(), app: "00".into() };
        let answer = network.client(0).post_json::<_, serde_json::Value>("/app/register", &body).await;
        codes.push(answer.unwrap_err().code().unwrap());
    }
    assert_eq!(codes[..10], [Code::Malformed; 10]);
    assert_eq!(codes[10..], [Code::RateLimited; 2]);
    network.stop().await;
}
