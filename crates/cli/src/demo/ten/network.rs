//! The network that is lost: processes of the stand-in on loopback, their volumes, and what survives elsewhere.
//!
//! ```text
//! volumes/NAME   the disk of each process                      lost
//! published      what the network has written to L1            survives
//! cosmos         the documents of the gateways' users          survive, in a database elsewhere
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::Future;

use quorumkeep_store::files::private_directory;
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::secret::RpcKey;
use quorumkeep_ten::source::{Client, Endpoint, Error, Limits, Node};
use serde_json::{Value, json};

use super::super::stage::Stage;
use crate::failure::{Code, Failure, Result};
use crate::net::block_on;

/// Where every process has its volume.
pub const VOLUMES: &str = "volumes";
/// The documents of all gateways.
const DOCUMENTS: &str = "cosmos";
/// What the network publishes.
pub const PUBLISHED: &str = "-da=published";

/// Processes of the stand-in, by name.
pub struct Network {
    stage: Stage,
    urls: BTreeMap<String, String>,
}

fn wrong(name: &str, what: &str) -> Failure {
    Failure::new(Code::Failed, format!("{name} {what}"))
}

impl Network {
    /// Nothing runs yet.
    pub fn new(stage: &Stage) -> Self {
        Self { stage: stage.clone(), urls: BTreeMap::new() }
    }

    /// The URL of a process.
    pub fn url(&self, name: &str) -> &str {
        self.urls.get(name).map_or("", String::as_str)
    }

    fn at(&self, name: &str) -> Result<Endpoint> {
        Ok(self.url(name).parse()?)
    }

    /// Starts a node with the volume of its name.
    pub fn node(&mut self, name: &str, flags: &[&str], settings: &[(&str, &str)]) -> Result<()> {
        let volume = format!("-db={VOLUMES}/{name}");
        let url = self.stage.stand_in(name, &[&["node", &volume], flags].concat(), settings)?;
        self.urls.insert(name.to_owned(), url);
        Ok(())
    }

    /// Starts a gateway with the volume of its name.
    pub fn gateway(&mut self, name: &str, flags: &[&str]) -> Result<()> {
        let (volume, documents) = (format!("-data={VOLUMES}/{name}"), format!("-cosmos={DOCUMENTS}"));
        let fixed = ["gateway", "-insideEnclave", "-dbType=cosmosDB", &volume, &documents];
        let url = self.stage.stand_in(name, &[&fixed, flags].concat(), &[])?;
        self.urls.insert(name.to_owned(), url);
        Ok(())
    }

    /// Ends one of them.
    pub fn stop(&mut self, name: &str) {
        self.stage.kill(name);
        self.urls.remove(name);
    }

    /// Every process gone with `kill -9`, every volume deleted. Gives how many processes there were.
    pub fn lose(&mut self) -> Result<usize> {
        let count = self.stage.processes().len();
        self.stage.kill_all();
        fs::remove_dir_all(self.stage.path(VOLUMES))?;
        for url in std::mem::take(&mut self.urls).values() {
            let answer = asked(client().get(&url.parse()?))?;
            if !matches!(answer, Err(Error::Unreachable { .. })) {
                return Err(wrong(url, "still answers"));
            }
        }
        Ok(count)
    }

    /// A new and empty volume of that name.
    pub fn volume(&self, name: &str) -> Result<String> {
        let volume = format!("{VOLUMES}/{name}");
        private_directory(&self.stage.path(&volume))?;
        Ok(volume)
    }

    /// Gives one node the secret of another, as the exchange over L1 does, which the stand-in has not.
    pub fn exchange(&self, from: &str, to: &str) -> Result<()> {
        let seed = |name| self.stage.path(VOLUMES).join(name).join("master_seed");
        fs::copy(seed(from), seed(to))?;
        Ok(())
    }

    /// The RPC key of a node.
    pub fn rpc_key(&self, name: &str) -> Result<RpcKey> {
        Ok(asked(Node::new(client(), self.at(name)?).rpc_key())??)
    }

    /// What anybody gets who asks a node for its backup.
    pub fn ciphertext(&self, name: &str) -> Result<Ciphertext> {
        Ok(asked(Node::new(client(), self.at(name)?).backup_shared_secret())??)
    }

    /// Can the node read what the network published?
    pub fn is_healthy(&self, name: &str) -> Result<bool> {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "ten_health", "params": [] }).to_string();
        let answer = asked(client().post_json(&self.at(name)?, question))??;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        let healthy = answer.pointer("/result/OverallHealth").and_then(Value::as_bool);
        healthy.ok_or_else(|| wrong(name, "says nothing of its health"))
    }

    /// A user stores a document in a gateway. Gives the file in the database of all gateways.
    pub fn store(&self, gateway: &str, user: &str, text: &str) -> Result<String> {
        let before = self.documents()?;
        asked(client().post_json(&self.document(gateway, user)?, text.to_owned()))??;
        let new = self.documents()?.difference(&before).next().cloned();
        new.map(|name| format!("{DOCUMENTS}/{name}")).ok_or_else(|| wrong(gateway, "stored no document"))
    }

    /// A user's document, if the gateway finds and opens it.
    pub fn read(&self, gateway: &str, user: &str) -> Result<Option<String>> {
        match asked(client().get(&self.document(gateway, user)?))? {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Err(Error::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn document(&self, gateway: &str, user: &str) -> Result<Endpoint> {
        Ok(self.at(gateway)?.with_path(&format!("/stand-in/documents/{user}")))
    }

    fn documents(&self) -> Result<BTreeSet<String>> {
        let entries = fs::read_dir(self.stage.path(DOCUMENTS))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

fn client() -> Client {
    Client::new(None, Limits::default())
}

/// Waits for an answer.
fn asked<T>(question: impl Future<Output = core::result::Result<T, Error>>) -> Result<core::result::Result<T, Error>> {
    block_on(async { Ok(question.await) })
}
