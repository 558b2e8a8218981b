//! Nodes as a client sees them.

use std::future::Future;
use std::time::Duration;

use quorumkeep_curves::bn254;
use quorumkeep_dkg::config::Member;
use quorumkeep_dkg::ids::{Address, NetworkId};
use quorumkeep_node::status::Status;
use quorumkeep_sharing::Index;
use tokio::task::JoinSet;

use super::error::SessionError;
use crate::client::{Client, Error, Settings};
use crate::tls::Pin;

/// Bounds for one node: a slow one must not hold up the others for long.
const SETTINGS: Settings =
    Settings { connect: Duration::from_secs(4), request: Duration::from_secs(10), response_bytes: 1024 * 1024 };

/// A node, pinned to its operator's key.
#[derive(Clone)]
pub struct NodeClient {
    /// Its index in the roster.
    pub index: Index,
    /// The operator.
    pub address: Address,
    /// The operator's key.
    pub key: bn254::PublicKey,
    /// `host:port`.
    pub socket: String,
    client: Client,
}

impl NodeClient {
    /// The node of a member of a roster.
    pub(crate) fn new(network: &NetworkId, member: &Member) -> Result<Self, SessionError> {
        let (address, key) = (member.address, member.key.clone());
        let pin = Pin::Operator { network: *network, address, key: key.clone() };
        let client = Client::new(pin, &member.socket, SETTINGS)?;
        Ok(Self { index: member.index, address, key, socket: member.socket.clone(), client })
    }

    /// The HTTPS client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// What a node answered to `/status`.
pub struct NodeReport {
    /// Which node.
    pub node: NodeClient,
    /// Its status, or why there is none.
    pub result: Result<Status, Error>,
}

impl NodeReport {
    /// The status, if there is one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.result.as_ref().ok()
    }
}

/// Asks all nodes at once.
pub(crate) async fn statuses(nodes: Vec<NodeClient>) -> Vec<NodeReport> {
    let ask = |node: NodeClient| async move {
        let result: Result<Status, Error> = node.client().get_json("/status").await;
        // The certificate says who answers; the body must say the same.
        let result = match result {
            Ok(status) if status.address != node.address => {
                Err(Error::Malformed { socket: node.socket.as_str().into(), what: "the status is another node's" })
            }
            other => other,
        };
        NodeReport { node, result }
    };
    let mut reports = all(nodes.into_iter().map(ask)).await;
    reports.sort_by_key(|report| report.node.index.get());
    reports
}

/// Runs all futures at once; results in the order of arrival.
pub(crate) async fn all<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut set: JoinSet<F::Output> = futures.collect();
    let mut results = Vec::with_capacity(set.len());
    while let Some(result) = set.join_next().await {
        // A task that panicked gives no answer, like a node that is down.
        results.extend(result.ok());
    }
    results
}
