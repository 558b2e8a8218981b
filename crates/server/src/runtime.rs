//! A running node: one writer thread that owns the state machine and its store, and around it the tasks that touch the
//! world: reading the board, posting to it, sending to peers, answering requests.
//!
//! ```text
//! board reader --blocks (first)--> +---------------+ --posts--> board poster
//! HTTP handlers --requests-------> | writer thread | --sends--> peer sender
//!                                  +---------------+ --picture (serving, roster)--> HTTP handlers
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use quorumkeep_curves::bn254;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::ids::{Address, NetworkId};
use quorumkeep_dkg::memory::Memory;
use quorumkeep_node::node::Membership;
use quorumkeep_node::serving::Serving;
use quorumkeep_node::{Node, Operator, StartError};
use quorumkeep_store::{Binding, SaltFileKek, SqliteStore, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::http::{BindError, Limits, Server};
use crate::metrics::{HttpMetrics, Metrics};
use crate::network::NetworkFile;
use crate::tls::{self, Certificates, Identity, TlsError};
use crate::{board_link, node_api, peers, writer};

/// The database of a node, in its directory.
pub const DATABASE: &str = "node.sqlite";

/// How a node is run.
pub struct NodeOptions {
    /// Holds the database and the salt of its key-encryption key.
    pub dir: PathBuf,
    /// The operator's BN254 key.
    pub identity: bn254::SecretKey,
    /// The network.
    pub network: NetworkFile,
    /// Where to listen.
    pub listen: SocketAddr,
    /// `host:port` of the board.
    pub board: String,
    /// Is a missing database made? Only where there is none and never was one.
    pub create: bool,
}

/// Why a node does not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the database says.
    #[error(transparent)]
    Start(#[from] StartError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A transaction failed; nothing left the node that rested on it.
    #[error("the node stopped because its database failed: {0}")]
    Commit(String),
    /// The thread that owns the database ended without a reason, which only a bug can do.
    #[error("the node stopped because its writer thread died; its log says why")]
    Writer,
    /// The system.
    #[error("the node cannot start: {0}")]
    System(#[from] std::io::Error),
    /// The key of the database cannot be derived.
    #[error("{0}")]
    Other(&'static str),
}

/// What handlers see of the node: replaced by the writer, read without waiting.
pub struct Shared {
    /// The network.
    pub network: NetworkId,
    /// Who this node is.
    pub operator: Arc<Operator>,
    /// Verified records.
    pub memory: Arc<Memory>,
    serving: RwLock<Arc<Serving>>,
    config: RwLock<Option<Arc<Config>>>,
    keys: RwLock<Arc<Vec<(Address, bn254::PublicKey)>>>,
}

impl Shared {
    pub(crate) fn new(node: &Node, memory: Arc<Memory>) -> Self {
        Self {
            network: *node.ledger().network(),
            operator: node.operator().clone(),
            memory,
            serving: RwLock::new(node.serving()),
            config: RwLock::new(node.ledger().config().cloned()),
            // A restored ledger has its operators already, and `update` acts on a change only.
            keys: RwLock::new(Arc::new(node.ledger().operator_keys())),
        }
    }

    pub(crate) fn update(&self, node: &Node) {
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = node.serving();
        let config = node.ledger().config().cloned();
        let mut current = self.config.write().unwrap_or_else(PoisonError::into_inner);
        let same = current.as_ref().map(|c| c.sequence) == config.as_ref().map(|c| c.sequence);
        if !same {
            let all = node.ledger().operator_keys();
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        }
        *current = config;
    }

    /// What the node can sign with.
    #[must_use]
    pub fn serving(&self) -> Arc<Serving> {
        self.serving.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Option<Arc<Config>> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The BN254 keys of everyone who is or was an operator.
    #[must_use]
    pub fn operators(&self) -> Arc<Vec<(Address, bn254::PublicKey)>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A node that runs until it is told to stop, or its store fails.
pub struct RunningNode {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    failed: oneshot::Receiver<RuntimeError>,
    tasks: Vec<JoinHandle<()>>,
    writer: std::thread::JoinHandle<()>,
}

impl RunningNode {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until `stop` is done or the node fails.
    ///
    /// # Errors
    /// Why the node failed.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), RuntimeError> {
        let result = tokio::select! {
            // Nobody told it to stop: without a word from it, the writer panicked.
            failure = &mut self.failed => Err(failure.unwrap_or(RuntimeError::Writer)),
            () = stop => Ok(()),
        };
        self.shutdown().await;
        result
    }

    /// Stops: no new requests, the writer finishes what it has.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = tokio::time::timeout(Duration::from_secs(6), task).await;
        }
        let _ = tokio::task::spawn_blocking(move || self.writer.join()).await;
    }
}

/// Opens the database, starts the node and listens.
///
/// # Errors
/// [`RuntimeError`].
pub async fn start(options: NodeOptions) -> Result<RunningNode, RuntimeError> {
    tls::install_provider();
    let network = options.network.network;
    let operator = Operator::new(options.identity.copy());
    let store = open_store(&options, &network, operator.address())?;
    let path = options.dir.join(DATABASE);
    let memory = Arc::new(Memory::default());
    let membership = Membership { network, anchor: options.network.anchor() };
    let node = Node::start(operator, membership, store.load()?, memory.clone())?;
    let shared = Arc::new(Shared::new(&node, memory));
    shared.update(&node);

    let metrics = Metrics::default();
    let identity = Identity::Operator { network, key: Arc::new(options.identity) };
    let certificates = Certificates::new(identity, tls::LIFETIME)?;
    let tls_config = tls::server_config(certificates.clone())?;
    let server = Server::bind(options.listen, tls_config, Limits::default(), HttpMetrics::new(&metrics)).await?;
    let address = server.local_addr();

    let (stop, stopped) = watch::channel(false);
    let (blocks, block_queue) = mpsc::channel(16);
    let (requests, request_queue) = mpsc::channel(1024);
    let (posts, post_queue) = mpsc::channel(1024);
    let (sends, send_queue) = mpsc::channel(1024);
    let (fail, failed) = oneshot::channel();
    let head = node.head();
    let api = node_api::Api::new(shared.clone(), requests, path, metrics.clone());
    let writer = writer::Writer::new(node, store, shared.clone(), (posts, sends), &metrics);
    let inbox = writer::Inbox { blocks: block_queue, requests: request_queue };
    let runtime = tokio::runtime::Handle::current();
    let writer = std::thread::Builder::new().name("writer".into()).spawn(move || writer.run(inbox, &runtime, fail))?;
    let link = board_link::Link::new(&options.network, options.board, shared.clone())?;
    let tasks = vec![
        tokio::spawn(certificates.keep_fresh()),
        tokio::spawn(board_link::read(link.clone(), head, blocks, stopped.clone())),
        tokio::spawn(board_link::post(link, post_queue, stopped.clone())),
        tokio::spawn(peers::send(shared, send_queue, stopped.clone())),
        tokio::spawn(server.serve(node_api::router(api), stopped)),
    ];
    Ok(RunningNode { address, stop, failed, tasks, writer })
}

fn open_store(options: &NodeOptions, network: &NetworkId, address: &Address) -> Result<SqliteStore, RuntimeError> {
    quorumkeep_store::files::private_directory(&options.dir).map_err(StoreError::from)?;
    let binding = Binding::new(network, address);
    let kek = Box::new(SaltFileKek::new(&options.dir, options.identity.expose()));
    let path = options.dir.join(DATABASE);
    if path.exists() || !options.create {
        Ok(SqliteStore::open(&path, binding, kek)?)
    } else {
        Ok(SqliteStore::create(&path, binding, kek)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_writer_that_died_without_a_word_is_a_failure() {
        let ((fail, failed), (stop, _)) = (oneshot::channel::<RuntimeError>(), watch::channel(false));
        let writer = std::thread::spawn(move || drop(fail));
        let node = RunningNode { address: crate::testkit::anywhere(), stop, failed, tasks: Vec::new(), writer };
        let ended = node.run_until(std::future::pending()).await;
        assert!(matches!(ended, Err(RuntimeError::Writer)), "{ended:?}");
    }
}
