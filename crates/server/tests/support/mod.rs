//! A whole network in one process: the orderer and `n` nodes, each with its own database and port.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bn254;
use quorumkeep_dkg::app::{App, Format, Policy};
use quorumkeep_dkg::config::{Authority, Config, Genesis, Member, Protocol, SUITE_BLS12381_G2, Windows};
use quorumkeep_dkg::config::{governed_header, sign_governed};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_node::status::Status;
use quorumkeep_server::board::service;
use quorumkeep_server::client::{Client, Settings, board::BoardClient};
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::node_api::RegisterBody;
use quorumkeep_server::runtime::{self, NodeOptions, RunningNode};
use quorumkeep_server::tls::Pin;
use quorumkeep_sharing::{Index, Threshold};
use rand_core::{OsRng, RngCore};

pub const KEY_NAME: &str = "main";
pub const BLOCK_MS: u64 = 50;

pub struct Network {
    pub dir: tempfile::TempDir,
    pub keys: Vec<bn254::SecretKey>,
    pub config: Config,
    pub file: NetworkFile,
    pub board: Option<service::Running>,
    pub listen: Vec<SocketAddr>,
    pub nodes: Vec<Option<RunningNode>>,
    pub owner: SigningKey,
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn member(index: u16, key: &bn254::SecretKey, socket: String) -> Member {
    let public = key.public();
    let address = Address::of(&public);
    let possession = key.prove_possession(&address.0);
    Member { index: Index::new(index).unwrap(), address, key: public, possession, socket }
}

pub fn governed(network: NetworkId, key: KeyId, kind: Kind, body: Vec<u8>, keys: &[bn254::SecretKey]) -> Vec<u8> {
    let header = governed_header(network, key, kind);
    let mut envelope = Envelope { header, body, signatures: Vec::new() };
    keys.iter().for_each(|key| sign_governed(&mut envelope, key));
    envelope.encode()
}

impl Network {
    /// Every node listens where the roster says.
    pub async fn start(n: u16, t: u16) -> Self {
        Self::start_with(n, t, true).await
    }

    /// `peers`: false puts sockets into the roster where nobody listens, so that no peer reaches another.
    pub async fn start_with(n: u16, t: u16, peers: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (0..n).map(|_| bn254::SecretKey::random(&mut OsRng)).collect();
        let listen: Vec<SocketAddr> = keys.iter().map(|_| ([127, 0, 0, 1], free_port()).into()).collect();
        let socket =
            |place: usize| if peers { listen[place].to_string() } else { format!("127.0.0.1:{}", free_port()) };
        let roster =
            keys.iter().zip(1..).map(|(key, index)| member(index, key, socket(usize::from(index) - 1))).collect();
        let orderer = SigningKey::generate(&mut OsRng);
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        let config = Config {
            sequence: 0,
            salt,
            previous: Digest::ZERO,
            threshold: Threshold::new(t, n).unwrap(),
            protocol: Protocol::Feldman,
            suite: SUITE_BLS12381_G2,
            interval: 32,
            windows: Windows { announce: 8, deal: 8, complain: 6, confirm: 8 },
            settle_margin: Config::default_settle_margin(usize::from(n), t),
            finality: 0,
            owners: Vec::new(),
            authority: Authority::Roster,
            orderer: orderer.verifying_key().to_bytes(),
            last_index: n,
            roster,
        };
        config.check().unwrap();
        let board_port = free_port();
        let file = NetworkFile::new(config.clone(), format!("127.0.0.1:{board_port}"), KEY_NAME);
        let settings = service::Settings {
            network: file.network,
            anchor: file.anchor(),
            interval_ms: BLOCK_MS,
            listen: ([127, 0, 0, 1], board_port).into(),
            quota: Default::default(),
            limits: Default::default(),
        };
        std::fs::create_dir(dir.path().join("board")).unwrap();
        let board = service::start(&dir.path().join("board"), orderer, settings).await.unwrap();
        let owner = SigningKey::generate(&mut OsRng);
        let nodes = (0..n).map(|_| None).collect();
        let mut network = Self { dir, keys, config, file, board: Some(board), listen, nodes, owner };
        for index in 0..usize::from(n) {
            network.start_node(index).await;
        }
        network
    }

    pub fn node_dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("node-{index}"))
    }

    pub async fn start_node(&mut self, index: usize) {
        let listen = self.listen[index];
        let options = NodeOptions {
            dir: self.node_dir(index),
            identity: self.keys[index].copy(),
            network: self.file.clone(),
            listen,
            board: self.file.board.clone(),
            create: true,
        };
        self.nodes[index] = Some(runtime::start(options).await.unwrap());
    }

    pub async fn stop_node(&mut self, index: usize) {
        if let Some(node) = self.nodes[index].take() {
            node.shutdown().await;
        }
    }

    pub fn board_client(&self) -> BoardClient {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.file.anchor()).unwrap();
        BoardClient::new(self.file.network, key, &self.file.board).unwrap()
    }

    pub async fn genesis(&self) {
        let board = self.board_client();
        let network = self.file.network;
        board.post(&governed(network, KeyId::ZERO, Kind::Config, self.config.encode(), &self.keys)).await.unwrap();
        let genesis = Genesis { name: KEY_NAME.into(), players_min: u16::try_from(self.config.n()).unwrap() };
        // The orderer takes a Genesis only once the configuration is in force.
        tokio::time::sleep(Duration::from_millis(BLOCK_MS * 3)).await;
        board.post(&governed(network, self.key(), Kind::Genesis, genesis.encode(), &self.keys)).await.unwrap();
    }

    pub fn key(&self) -> KeyId {
        KeyId::derive(&self.file.network, KEY_NAME)
    }

    pub fn client(&self, index: usize) -> Client {
        let member = &self.config.roster[index];
        let pin = Pin::Operator { network: self.file.network, address: member.address, key: member.key.clone() };
        Client::new(pin, &self.listen[index].to_string(), Settings::default()).unwrap()
    }

    pub async fn status(&self, index: usize) -> Status {
        self.client(index).get_json("/status").await.unwrap()
    }

    pub async fn wait(&self, index: usize, what: &str, until: impl Fn(&Status) -> bool) -> Status {
        let started = Instant::now();
        loop {
            let status = self.status(index).await;
            if until(&status) {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "node {index} does not reach: {what}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn register(&self, id: &str, policy: Policy) {
        let app = App::sign(&self.file.network, &self.key(), (id, 1), (Format::Age, policy), &self.owner, None);
        let body = RegisterBody { key: self.key(), app: hex::encode(app.encode()) };
        let _: serde_json::Value = self.client(0).post_json("/app/register", &body).await.unwrap();
        for index in (0..self.nodes.len()).filter(|index| self.nodes[*index].is_some()) {
            self.wait(index, "application", |status| {
                status.apps_total > 0 && status.apps.iter().any(|app| app.id == id)
            })
            .await;
        }
    }

    pub async fn stop(mut self) {
        for index in 0..self.nodes.len() {
            self.stop_node(index).await;
        }
        if let Some(board) = self.board.take() {
            board.stop().await;
        }
    }
}
