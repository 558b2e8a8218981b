//! What the tests of this crate share: a network of a few operators, servers on free ports, records.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use ed25519_dalek::SigningKey;
use quorumkeep_curves::bn254;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::config::{
    Authority, Config, Genesis, Member, Protocol, SUITE_BLS12381_G2, Windows, governed_header, sign_governed,
};
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_sharing::{Index, Threshold};
use rand_core::{OsRng, RngCore};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Client, Settings};
use crate::http::{Limits, Server};
use crate::metrics::{HttpMetrics, Metrics};
use crate::tls::{self, Certificates, Identity, LIFETIME, Pin};

pub(crate) fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) struct Network {
    pub(crate) orderer: SigningKey,
    pub(crate) keys: Vec<Arc<bn254::SecretKey>>,
    pub(crate) config: Config,
    pub(crate) id: NetworkId,
}

pub(crate) fn member(index: u16, key: &bn254::SecretKey) -> Member {
    let public = key.public();
    let address = Address::of(&public);
    let possession = key.prove_possession(&address.0);
    let socket = format!("127.0.0.1:{}", 9000 + index);
    Member { index: Index::new(index).unwrap(), address, key: public, possession, socket }
}

impl Network {
    pub(crate) fn new(n: u16, salt: u8) -> Self {
        let mut seed = [0; 32];
        OsRng.fill_bytes(&mut seed);
        let orderer = SigningKey::from_bytes(&seed);
        let keys: Vec<_> = (0..n).map(|_| Arc::new(bn254::SecretKey::random(&mut OsRng))).collect();
        let roster = keys.iter().zip(1..).map(|(key, index)| member(index, key)).collect();
        let config = Config {
            sequence: 0,
            salt: [salt; 32],
            previous: Digest::ZERO,
            threshold: Threshold::new(2, n).unwrap(),
            protocol: Protocol::Feldman,
            suite: SUITE_BLS12381_G2,
            interval: 4000,
            // So long that no test outlasts its round.
            windows: Windows { announce: 1000, deal: 1000, complain: 1000, confirm: 1000 },
            settle_margin: 0,
            finality: 0,
            owners: vec![],
            authority: Authority::Roster,
            orderer: orderer.verifying_key().to_bytes(),
            last_index: n,
            roster,
        };
        let id = config.network_id();
        Self { orderer, keys, config, id }
    }

    pub(crate) fn anchor(&self) -> [u8; 32] {
        self.orderer.verifying_key().to_bytes()
    }

    pub(crate) fn first_config(&self) -> Vec<u8> {
        self.governed(Kind::Config, KeyId::ZERO, self.config.encode())
    }

    /// A governed record, signed by all operators.
    pub(crate) fn governed(&self, kind: Kind, key: KeyId, body: Vec<u8>) -> Vec<u8> {
        self.governed_by(self.keys.len(), kind, key, body)
    }

    /// A governed record, signed by the first `count` operators.
    pub(crate) fn governed_by(&self, count: usize, kind: Kind, key: KeyId, body: Vec<u8>) -> Vec<u8> {
        let header = governed_header(self.id, key, kind);
        let mut envelope = Envelope { header, body, signatures: vec![] };
        self.keys.iter().take(count).for_each(|key| sign_governed(&mut envelope, key));
        envelope.encode()
    }

    pub(crate) fn genesis(&self, name: &str) -> Vec<u8> {
        let genesis = Genesis { name: name.to_owned(), players_min: 2 };
        self.governed(Kind::Genesis, KeyId::derive(&self.id, name), genesis.encode())
    }

    /// An ordinary record of an operator; what is in it does not matter to the board.
    pub(crate) fn record(&self, sender: usize, number: u64, body: &[u8]) -> Vec<u8> {
        record_for(self.id, &self.keys[sender], number, body)
    }

    pub(crate) fn identity(&self, sender: usize) -> Identity {
        Identity::Operator { network: self.id, key: Arc::clone(&self.keys[sender]) }
    }

    pub(crate) fn orderer_identity(&self) -> Identity {
        Identity::Orderer { network: self.id, key: Arc::new(self.orderer.clone()) }
    }

    pub(crate) fn pin(&self, sender: usize) -> Pin {
        let key = self.keys[sender].public();
        Pin::Operator { network: self.id, address: Address::of(&key), key }
    }

    pub(crate) fn orderer_pin(&self) -> Pin {
        Pin::Orderer { network: self.id, key: self.orderer.verifying_key() }
    }
}

pub(crate) fn record_for(network: NetworkId, key: &bn254::SecretKey, number: u64, body: &[u8]) -> Vec<u8> {
    let header = Header {
        network,
        key: KeyId::ZERO,
        round: 0,
        digest: Digest(keccak256(&number.to_be_bytes())),
        kind: Kind::Announce,
        sender: Address::of(&key.public()),
        recipient: Address::ZERO,
    };
    Envelope::signed(header, body.to_vec(), &Digest(keccak256(body)), key).encode()
}

/// A server that runs until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn serve_at(
    address: SocketAddr,
    certificates: Arc<Certificates>,
    router: Router,
    limits: Limits,
) -> Served {
    tls::install_provider();
    let metrics = Metrics::default();
    let http = HttpMetrics::new(&metrics);
    let server = Server::bind(address, tls::server_config(certificates).unwrap(), limits, http).await.unwrap();
    let (stop, stopping) = watch::channel(false);
    let address = server.local_addr();
    Served { address, metrics, stop, task: tokio::spawn(server.serve(router, stopping)) }
}

pub(crate) async fn serve(network: &Network, router: Router, limits: Limits) -> Served {
    let certificates = Certificates::new(network.identity(0), LIFETIME).unwrap();
    serve_at(anywhere(), certificates, router, limits).await
}

pub(crate) fn client(pin: Pin, address: SocketAddr) -> Client {
    tls::install_provider();
    Client::new(pin, &address.to_string(), Settings::default()).unwrap()
}
