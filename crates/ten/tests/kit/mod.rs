//! Real processes of the stand-in, and what an operator has beside them.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{NonZeroScalar, PublicKey, SecretKey};
use quorumkeep_curves::hash::{keccak256, keccak256_many};
use quorumkeep_custody::ecies;
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::secret::RpcKey;
use quorumkeep_ten::source::{Client, Endpoint, Error, Gateway, Limits, Node};
use serde_json::{Value, json};

/// A process that serves.
pub struct Running {
    child: Child,
    pub address: String,
    /// What it logged before it served.
    pub log: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one; the error is what it says before it ends.
pub fn start(mode: &str, flags: &[String], environment: &[(&str, &str)]) -> Result<Running, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ten-stand-in"));
    command.arg(mode).args(flags).env_clear().envs(environment.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if let Some(address) = line.strip_prefix("listening on ") {
            return Ok(Running { child, address: address.to_owned(), log });
        }
        log.push(line);
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    Err(said)
}

impl Running {
    pub fn url(&self, scheme: &str) -> Endpoint {
        format!("{scheme}://{}", self.address).parse().unwrap()
    }

    pub fn node(&self) -> Node {
        Node::new(client(), self.url("http"))
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(client(), &self.url("http")).unwrap()
    }

    /// Can the node read what the network published before?
    pub async fn is_healthy(&self) -> bool {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "ten_health", "params": [] }).to_string();
        let answer = client().post_json(&self.url("http"), request).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["result"]["OverallHealth"].as_bool().unwrap()
    }

    pub async fn write_document(&self, user: &str, text: &'static str) {
        let at = self.url("http").with_path(&format!("/stand-in/documents/{user}"));
        client().post_json(&at, text).await.unwrap();
    }

    /// The document of a user, if the gateway finds and opens it.
    pub async fn document(&self, user: &str) -> Option<String> {
        let at = self.url("http").with_path(&format!("/stand-in/documents/{user}"));
        match client().get(&at).await {
            Ok(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            Err(Error::Status { status: 404, .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The command line as everybody on the machine sees it.
    pub fn command_line(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/cmdline", self.child.id())).unwrap()
    }
}

pub fn client() -> Client {
    Client::new(None, Limits::default())
}

/// A key pair for backups.
pub struct BackupKey(SecretKey);

impl BackupKey {
    pub fn new(seed: u8) -> Self {
        Self(SecretKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn public(&self) -> String {
        hex::encode(self.0.public_key().to_encoded_point(true).as_bytes())
    }

    /// What is inside of a backup; none if it is for another key.
    pub fn open(&self, ciphertext: &Ciphertext) -> Option<[u8; 32]> {
        let scalar = NonZeroScalar::from(&self.0);
        ecies::open(&scalar, ciphertext.as_bytes()).ok().map(|secret| secret.as_slice().try_into().unwrap())
    }

    /// Makes a ciphertext for this key, as anybody can.
    pub fn seal(&self, secret: &[u8; 32]) -> Ciphertext {
        let public: PublicKey = self.0.public_key();
        Ciphertext::from_bytes(&ecies::seal(&public, secret, &mut rand_core::OsRng)).unwrap()
    }
}

/// The RPC key of a network secret (go-ten `go/enclave/crypto/rpc_key_service.go`).
pub fn rpc_key_of(secret: &[u8; 32]) -> RpcKey {
    let scalar = keccak256_many(&[&keccak256(secret), &[1]]);
    let key = SecretKey::from_slice(&scalar).unwrap().public_key().to_encoded_point(true);
    RpcKey::from_bytes(key.as_bytes()).unwrap()
}

pub fn flag(name: &str, value: impl AsRef<Path>) -> String {
    format!("-{name}={}", value.as_ref().display())
}
