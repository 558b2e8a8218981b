//! Real processes of the stand-in of TEN.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use quorumkeep_ten::source::{Client, Endpoint, Error, Gateway, Limits, Node};
use serde_json::{Value, json};

use super::kit::Kit;

/// A process that serves.
pub struct Running {
    child: Child,
    pub url: String,
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorumkeep"));
    command.args(["demo", "stand-in-ten", mode]).args(flags).env_clear().envs(environment.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if let Some(address) = line.strip_prefix("listening on ") {
            return Ok(Running { child, url: format!("http://{address}"), log });
        }
        log.push(line);
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    Err(said)
}

impl Running {
    pub fn endpoint(&self, scheme: &str) -> Endpoint {
        self.url.replace("http:", &format!("{scheme}:")).parse().unwrap()
    }

    pub fn node(&self) -> Node {
        Node::new(client(), self.endpoint("http"))
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(client(), &self.endpoint("http")).unwrap()
    }

    /// Can the node read what the network published before?
    pub async fn is_healthy(&self) -> bool {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "ten_health", "params": [] }).to_string();
        let answer = client().post_json(&self.endpoint("http"), request).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["result"]["OverallHealth"].as_bool().unwrap()
    }

    pub async fn write_document(&self, user: &str, text: &'static str) {
        let at = self.endpoint("http").with_path(&format!("/stand-in/documents/{user}"));
        client().post_json(&at, text).await.unwrap();
    }

    /// The document of a user, if the gateway finds and opens it.
    pub async fn document(&self, user: &str) -> Option<String> {
        let at = self.endpoint("http").with_path(&format!("/stand-in/documents/{user}"));
        match client().get(&at).await {
            Ok(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            Err(Error::Status { status: 404, .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The command line as everybody on the machine sees it.
    pub fn command_line(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cmdline", self.child.id())).unwrap()
    }
}

pub fn client() -> Client {
    Client::new(None, Limits::default())
}

pub fn flag(name: &str, value: impl AsRef<Path>) -> String {
    format!("-{name}={}", value.as_ref().display())
}

/// A node with a database in the folder, and what its network has published.
pub fn node(kit: &Kit, database: &str, more: &[&str], environment: &[(&str, &str)]) -> Running {
    let mut flags = vec![flag("db", kit.path(database)), flag("da", kit.path("published"))];
    flags.extend(more.iter().map(|&flag| flag.to_owned()));
    start("node", &flags, environment).unwrap()
}

/// A gateway with a volume of that name, and its documents beside it.
pub fn gateway(kit: &Kit, volume: &str, more: &[&str]) -> Running {
    let mut flags = ["-insideEnclave", "-dbType=cosmosDB"].map(str::to_owned).to_vec();
    flags.extend([flag("data", kit.path(volume)), flag("cosmos", kit.path("documents"))]);
    flags.extend(more.iter().map(|&flag| flag.to_owned()));
    start("gateway", &flags, &[]).unwrap()
}

/// What a server answers under status 200, to `GET` or to `POST`; empty if the status is another.
pub fn http(url: &str, body: Option<&'static str>) -> String {
    let at: Endpoint = url.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        match body {
            Some(body) => client().post_json(&at, body).await,
            None => client().get(&at).await,
        }
    });
    match answer {
        Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Err(Error::Status { .. }) => String::new(),
        Err(error) => panic!("{error}"),
    }
}
