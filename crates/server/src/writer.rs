//! The one thread that owns the node and its store: handle, commit, only then let anything out.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ids::Address;
use quorumkeep_dkg::info::RoundKind;
use quorumkeep_node::failpoints;
use quorumkeep_node::serving::{Partial, SignError};
use quorumkeep_node::store::{Store, StoreFailed};
use quorumkeep_node::{Committed, Effects, Event, Level, Node};
use rand_core::OsRng;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::runtime::{RuntimeError, Shared};

/// What the writer is asked to do.
pub enum Command {
    /// Handle an event; the sender of `done` is told when its effects are committed.
    Event(Event, Option<oneshot::Sender<()>>),
    /// Handle a request whose nonce must be durable; the answer leaves after that.
    Sign(Event, oneshot::Sender<Result<Partial, SignError>>),
    /// Look at the node.
    Query(Box<dyn FnOnce(&Node) + Send>),
}

/// A message for a peer.
pub struct Message {
    /// To whom.
    pub to: Address,
    /// Does it belong to a reshare?
    pub reshare: bool,
    /// The envelope.
    pub bytes: Vec<u8>,
}

/// The writer thread.
pub struct Writer {
    node: Node,
    store: Box<dyn Store>,
    shared: Arc<Shared>,
    posts: mpsc::Sender<Vec<u8>>,
    sends: mpsc::Sender<Message>,
    gauges: Gauges,
}

struct Gauges {
    height: Gauge,
    shares: Gauge,
    ready: Gauge,
    suspended: Gauge,
    commits: Counter,
    alarms: Counter,
    warnings: Counter,
}

impl Writer {
    /// A writer for this node.
    pub fn new(
        node: Node,
        store: Box<dyn Store>,
        shared: Arc<Shared>,
        (posts, sends): (mpsc::Sender<Vec<u8>>, mpsc::Sender<Message>),
        metrics: &Metrics,
    ) -> Self {
        let gauges = Gauges {
            height: metrics.gauge("board_height", "Height of the board that this node has read"),
            shares: metrics.gauge("shares_kept", "Versions whose share this node keeps"),
            ready: metrics.gauge("ready", "1 if this node can sign with every active version"),
            suspended: metrics.gauge("suspended", "1 if this node has stopped or does not serve"),
            commits: metrics.counter("commits", "Transactions committed"),
            alarms: metrics.counter("alarms", "Broken invariants: somebody must look"),
            warnings: metrics.counter("warnings", "Faults of operators, failed rounds, refused records"),
        };
        Self { node, store, shared, posts, sends, gauges }
    }

    /// Runs until all senders of commands are gone, or a commit fails.
    pub fn run(mut self, mut inbox: mpsc::Receiver<Command>, fail: oneshot::Sender<RuntimeError>) {
        while let Some(command) = inbox.blocking_recv() {
            if let Err(failure) = self.obey(command) {
                tracing::error!(error = %failure, "the store failed: the node stops before anything leaves");
                let _ = fail.send(RuntimeError::Commit(failure.to_string()));
                return;
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), StoreFailed> {
        match command {
            Command::Query(look) => look(&self.node),
            Command::Event(event, done) => {
                let committed = self.handle(event)?;
                self.release(committed);
                if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            Command::Sign(event, answer) => match self.handle(event) {
                Ok(committed) => {
                    let partial = committed.answer.ok_or(SignError::UnknownVersion);
                    let _ = answer.send(partial);
                }
                Err(StoreFailed::NonceUsed) => {
                    let _ = answer.send(Err(SignError::Replayed));
                }
                Err(failure) => return Err(failure),
            },
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<Committed, StoreFailed> {
        let mut effects = Effects::default();
        self.node.handle(event, &mut OsRng, &mut effects);
        effects.stamp(now_ms());
        let committed = effects.commit(self.store.as_mut())?;
        self.gauges.commits.inc();
        self.shared.update(&self.node);
        self.measure();
        Ok(committed)
    }

    fn measure(&self) {
        let flag = |is: bool| i64::from(is);
        self.gauges.height.set(i64::try_from(self.node.head().height).unwrap_or(i64::MAX));
        self.gauges.shares.set(i64::try_from(self.node.kept_versions().count()).unwrap_or(i64::MAX));
        self.gauges.ready.set(flag(self.node.serving().is_ready()));
        self.gauges.suspended.set(flag(self.node.suspension().is_some()));
    }

    fn release(&self, committed: Committed) {
        for notice in committed.notices {
            match notice.level {
                Level::Info => tracing::info!(height = self.node.head().height, "{}", notice.text),
                Level::Warn => {
                    self.gauges.warnings.inc();
                    tracing::warn!(height = self.node.head().height, "{}", notice.text);
                }
                Level::Alarm => {
                    self.gauges.alarms.inc();
                    tracing::error!(height = self.node.head().height, "ALARM: {}", notice.text);
                }
            }
        }
        for bytes in committed.posts {
            failpoints::hit("node.post.before");
            // A full queue loses nothing: what is not on the board after some blocks is posted again.
            let _ = self.posts.try_send(bytes);
            failpoints::hit("node.post.after");
        }
        for (to, bytes) in committed.sends {
            failpoints::hit("node.send.before");
            let _ = self.sends.try_send(Message { to, reshare: self.is_reshare(&bytes), bytes });
            failpoints::hit("node.send.after");
        }
    }

    fn is_reshare(&self, bytes: &[u8]) -> bool {
        let Ok(envelope) = Envelope::decode(bytes) else { return false };
        let round = self.node.ledger().keys().get(&envelope.header.key).and_then(|state| state.round.as_ref());
        round.is_some_and(|round| round.trigger().kind == RoundKind::Reshare)
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
