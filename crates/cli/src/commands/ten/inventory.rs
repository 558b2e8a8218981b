//! `quorumkeep ten inventory`: does everything of a network run as its backups need it?

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use quorumkeep_custody::names::Name;
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::capture::{self, Capture};
use quorumkeep_ten::check::{self, Captured, Code, Finding, Reader};
use quorumkeep_ten::key::BackupPublicKey;
use quorumkeep_ten::secret::RpcKey;
use quorumkeep_ten::source::{Client, Endpoint, Error, Gateway, Node};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::findings;
use super::reach::Reach;
use crate::failure::{self, Failure, Result, json_error};
use crate::net::block_on;
use crate::report::Report;

/// Bytes of a plan.
const PLAN_BYTES_MAX: u64 = 1024 * 1024;
/// Nodes and gateways of a plan.
const MEMBERS_MAX: usize = 1000;
/// Of them asked at once: those that do not answer cost a time limit each.
const AT_ONCE: usize = 32;
const HELP: &str = "\
Example:
  quorumkeep ten inventory --plan mainnet.json --json
The plan says what should be: {\"network\":\"mainnet\",\"rpc_key\":\"03...\",\"backup_key\":\"02...\",
  \"nodes\":[{\"name\":\"validator-1\",\"url\":\"http://validator-1:80\",\"configured\":\"02...\"}],
  \"gateways\":[{\"name\":\"gw-01\",\"url\":\"https://gw-01.example\",\"backup_key\":\"03...\",\"configured\":\"03...\"}]}
`configured` is what the deployment says (ENCLAVE_BACKUPENCRYPTIONKEY, -backupEncryptionKey), as it is written there; nothing
that runs tells it. Nothing secret is read or shown. Exit status 4: something is not as it should be, 5: alarm.";

/// Arguments of `ten inventory`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Inventory {
    /// What should be, in JSON.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

/// What should be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    network: Name,
    /// The RPC key that the network is known to have.
    rpc_key: Option<RpcKey>,
    /// The backup key of the network secret.
    backup_key: BackupPublicKey,
    nodes: Vec<NodePlan>,
    #[serde(default)]
    gateways: Vec<GatewayPlan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodePlan {
    name: Name,
    url: String,
    configured: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayPlan {
    name: Name,
    url: String,
    backup_key: BackupPublicKey,
    configured: Option<String>,
}

/// One node or gateway, asked.
struct Seen {
    name: String,
    kind: &'static str,
    backup_key: BackupPublicKey,
    findings: Vec<Finding>,
    answer: core::result::Result<Capture, capture::Error>,
}

impl Inventory {
    /// Asks everything that the plan names, several at a time.
    pub fn run(self) -> Result<Report> {
        let plan = Arc::new(self.read()?);
        let client = self.reach.client()?;
        let seen = block_on(ask_all(&plan, &client))?;
        conclude(&plan, &seen)
    }

    fn read(&self) -> Result<Plan> {
        let path = self.plan.display().to_string();
        let bytes = read_bounded(&self.plan, PLAN_BYTES_MAX)?;
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| json_error(&path, &error))?;
        let fail = |why: &str| Err(Failure::new(failure::Code::BadFile, format!("{path}: {why}")));
        let mut names: Vec<String> = plan.nodes.iter().map(|node| node.name.to_string()).collect();
        names.extend(plan.gateways.iter().map(|gateway| format!("gateway/{}", gateway.name)));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        match () {
            () if count == 0 => fail("it names no node and no gateway"),
            () if count > MEMBERS_MAX => fail("it names too many nodes and gateways"),
            () if names.len() != count => fail("a name stands twice"),
            () => Ok(plan),
        }
    }
}

/// Asks nodes and gateways; the answers are in the order of the plan.
async fn ask_all(plan: &Arc<Plan>, client: &Client) -> Result<Vec<Seen>> {
    let (mut asked, at_once) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for place in 0..plan.nodes.len() + plan.gateways.len() {
        let (plan, client, at_once) = (Arc::clone(plan), client.clone(), Arc::clone(&at_once));
        asked.spawn(async move {
            // It is never closed.
            let _turn = at_once.acquire().await;
            (place, ask(&client, &plan, place).await)
        });
    }
    let mut seen = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        let (place, one) = answer.map_err(|error| Failure::new(failure::Code::Failed, error))?;
        seen.extend(one.map(|one| (place, one)));
    }
    Ok(seen.into_values().collect())
}

/// The node, or behind all nodes the gateway, at this place of the plan.
async fn ask(client: &Client, plan: &Plan, place: usize) -> Option<Seen> {
    match plan.nodes.get(place) {
        Some(node) => Some(ask_node(client, plan, node).await),
        None => Some(ask_gateway(client, plan.gateways.get(place - plan.nodes.len())?).await),
    }
}

fn endpoint(url: &str) -> core::result::Result<Endpoint, Error> {
    url.parse()
}

async fn ask_node(client: &Client, plan: &Plan, node: &NodePlan) -> Seen {
    let name = node.name.to_string();
    let backup_key = plan.backup_key;
    let mut findings = vec![check::configured_key(&name, Reader::Node, node.configured.as_deref(), &backup_key)];
    let answer = match endpoint(&node.url) {
        Ok(at) => capture::network_secret(&Node::new(client.clone(), at), plan.rpc_key.as_ref()).await,
        Err(error) => Err(error.into()),
    };
    findings.extend(answer.as_ref().ok().and_then(|capture| capture.finding.clone()));
    Seen { name, kind: "node", backup_key, findings, answer }
}

async fn ask_gateway(client: &Client, gateway: &GatewayPlan) -> Seen {
    let name = format!("gateway/{}", gateway.name);
    let backup_key = gateway.backup_key;
    let findings = vec![check::configured_key(&name, Reader::Gateway, gateway.configured.as_deref(), &backup_key)];
    let asked = endpoint(&gateway.url).and_then(|at| Gateway::new(client.clone(), &at));
    let answer = match asked {
        Ok(gateway) => capture::gateway_key(&gateway).await,
        Err(error) => Err(error.into()),
    };
    Seen { name, kind: "gateway", backup_key, findings, answer }
}

/// All findings: of each by itself, and of all together.
fn judge(plan: &Plan, seen: &[Seen]) -> Vec<Finding> {
    let mut all: Vec<Finding> = seen.iter().flat_map(|one| one.findings.clone()).collect();
    all.extend(seen.iter().filter_map(|one| Some(refusal(&one.name, one.answer.as_ref().err()?))));
    let network = plan.network.as_str();
    let given = || seen.iter().filter_map(|one| Some((one, one.answer.as_ref().ok()?)));
    let keys: Vec<(&str, RpcKey)> =
        given().filter_map(|(one, capture)| Some((one.name.as_str(), capture.rpc_key?))).collect();
    all.push(check::same_network(network, &keys));
    // All nodes have one secret and one backup key; gateways are kept apart from them and from each other.
    let mut nodes = given().filter(|(one, _)| one.kind == "node").take(1).collect::<Vec<_>>();
    nodes.extend(given().filter(|(one, _)| one.kind == "gateway"));
    let captured: Vec<Captured<'_>> = nodes
        .iter()
        .map(|(one, capture)| Captured {
            name: &one.name,
            source: &capture.source,
            ciphertext: &capture.ciphertext,
            backup_key: &one.backup_key,
        })
        .collect();
    all.extend(check::separate(network, &captured));
    all
}

/// Why there is no backup.
fn refusal(name: &str, error: &capture::Error) -> Finding {
    match error {
        capture::Error::Refused(finding) => Finding { about: name.to_owned(), ..(**finding).clone() },
        error => Finding::new(name, Code::SourceSilent, format!("([{}] {error})", error.code())),
    }
}

fn conclude(plan: &Plan, seen: &[Seen]) -> Result<Report> {
    let silent = seen.iter().filter(|one| one.answer.is_err()).count();
    let report = Report::text(format!("network {}: {} asked, {silent} gave no backup", plan.network, seen.len()))
        .field("network", &plan.network)
        .field("members", seen.iter().map(member).collect::<Vec<_>>());
    findings::conclude(report, &judge(plan, seen))
}

fn member(one: &Seen) -> Value {
    let error = one.answer.as_ref().err().map(|error| json!({ "code": error.code(), "message": error.to_string() }));
    json!({
        "name": one.name,
        "kind": one.kind,
        "source": one.answer.as_ref().ok().map(|capture| &capture.source),
        "rpc_key": one.answer.as_ref().ok().and_then(|capture| capture.rpc_key),
        "error": error,
    })
}
