//! The one thread that owns the node and its store: handle, commit, only then let anything out.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ids::Address;
use quorumkeep_dkg::info::RoundKind;
use quorumkeep_node::serving::{EXPIRY_MS_MAX, Partial, SignError};
use quorumkeep_node::store::StoreFailed;
use quorumkeep_node::{Committed, Effects, Event, Level, Node};
use quorumkeep_store::{SqliteStore, StoreError};
use rand_core::OsRng;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::runtime::{RuntimeError, Shared};

/// How often used nonces are looked through.
const PRUNE_EVERY_MS: u64 = 60_000;
/// How long a used nonce is kept after its request expired.
const NONCE_MARGIN_MS: u64 = 2 * EXPIRY_MS_MAX;

/// What the writer is asked to do.
pub enum Command {
    /// Handle an event; the sender of `done` is told when its effects are committed.
    Event(Event, Option<oneshot::Sender<()>>),
    /// Handle a request whose nonce must be durable; the answer leaves after that.
    Sign(Event, oneshot::Sender<Result<Partial, SignError>>),
    /// Look at the node.
    Query(Box<dyn FnOnce(&Node) + Send>),
}

/// What waits for the writer. Blocks go first: strangers' requests must not keep the node from the board.
pub struct Inbox {
    /// From the board.
    pub blocks: mpsc::Receiver<Command>,
    /// From HTTP handlers.
    pub requests: mpsc::Receiver<Command>,
}

impl Inbox {
    /// The next command; none when all senders are gone.
    async fn next(&mut self) -> Option<Command> {
        tokio::select! {
            biased;
            Some(command) = self.blocks.recv() => Some(command),
            Some(command) = self.requests.recv() => Some(command),
            else => None,
        }
    }
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
    store: SqliteStore,
    shared: Arc<Shared>,
    posts: mpsc::Sender<Vec<u8>>,
    sends: mpsc::Sender<Message>,
    gauges: Gauges,
    pruned_ms: u64,
}

struct Gauges {
    height: Gauge,
    shares: Gauge,
    ready: Gauge,
    suspended: Gauge,
    starting: Gauge,
    commits: Counter,
    alarms: Counter,
    warnings: Counter,
    erasure: Gauge,
}

impl Writer {
    /// A writer for this node.
    pub fn new(
        node: Node,
        store: SqliteStore,
        shared: Arc<Shared>,
        (posts, sends): (mpsc::Sender<Vec<u8>>, mpsc::Sender<Message>),
        metrics: &Metrics,
    ) -> Self {
        let gauges = Gauges {
            height: metrics.gauge("board_height", "Height of the board that this node has read"),
            shares: metrics.gauge("shares_kept", "Versions whose share this node keeps"),
            ready: metrics.gauge("ready", "1 if this node can sign with every active version"),
            suspended: metrics.gauge("suspended", "1 if this node has stopped or does not serve"),
            starting: metrics
                .gauge("starting_blocks", "Blocks that a node that was started waits for before it serves"),
            commits: metrics.counter("commits", "Transactions committed"),
            alarms: metrics.counter("alarms", "Broken invariants: somebody must look"),
            warnings: metrics.counter("warnings", "Faults of operators, failed rounds, refused records"),
            erasure: metrics.gauge("erasure_pending", "1 while a deleted secret is not yet wiped from the disk"),
        };
        Self { node, store, shared, posts, sends, gauges, pruned_ms: 0 }
    }

    /// Runs until all senders of commands are gone, or a commit fails.
    pub fn run(mut self, mut inbox: Inbox, runtime: &Handle, fail: oneshot::Sender<RuntimeError>) {
        while let Some(command) = runtime.block_on(inbox.next()) {
            let failed = match self.obey(command) {
                Ok(()) => self.prune_nonces(now_ms()).err().map(|failure| failure.to_string()),
                Err(failure) => Some(failure.to_string()),
            };
            if let Some(failure) = failed {
                tracing::error!(error = %failure, "the store failed: the node stops before anything leaves");
                let _ = fail.send(RuntimeError::Commit(failure));
                return;
            }
        }
    }

    /// Forgets nonces that no clock error can bring back, every minute.
    fn prune_nonces(&mut self, now_ms: u64) -> Result<(), StoreError> {
        if now_ms.saturating_sub(self.pruned_ms) < PRUNE_EVERY_MS {
            return Ok(());
        }
        self.pruned_ms = now_ms;
        let forgotten = self.store.forget_nonces(now_ms.saturating_sub(NONCE_MARGIN_MS))?;
        if forgotten > 0 {
            tracing::debug!(forgotten, "used nonces were forgotten");
        }
        Ok(())
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
        let committed = effects.commit(&mut self.store)?;
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
        let missing = self.node.starting().map_or(0, |starting| starting.blocks_missing);
        self.gauges.starting.set(i64::try_from(missing).unwrap_or(i64::MAX));
        self.gauges.erasure.set(flag(self.store.is_erasure_pending()));
    }

    fn release(&self, committed: Committed) {
        for notice in &committed.notices {
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
        let post = |bytes| {
            // A full queue loses nothing: what is not on the board after some blocks is posted again.
            let _ = self.posts.try_send(bytes);
        };
        let send = |to, bytes: Vec<u8>| {
            let _ = self.sends.try_send(Message { to, reshare: self.is_reshare(&bytes), bytes });
        };
        committed.release(post, send);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &'static str, seen: &mpsc::UnboundedSender<&'static str>) -> Command {
        let seen = seen.clone();
        Command::Query(Box::new(move |_| {
            let _ = seen.send(name);
        }))
    }

    #[tokio::test]
    async fn blocks_go_before_requests_and_the_end_is_the_end_of_both() {
        let (blocks, block_queue) = mpsc::channel(8);
        let (requests, request_queue) = mpsc::channel(8);
        let mut inbox = Inbox { blocks: block_queue, requests: request_queue };
        let (seen, _names) = mpsc::unbounded_channel();
        for _ in 0..3 {
            requests.send(named("request", &seen)).await.unwrap();
        }
        let (done, _handled) = oneshot::channel();
        blocks.send(Command::Event(Event::Carry(Vec::new()), Some(done))).await.unwrap();
        assert!(matches!(inbox.next().await, Some(Command::Event(..))), "the block first");
        drop(blocks);
        for _ in 0..3 {
            assert!(matches!(inbox.next().await, Some(Command::Query(_))));
        }
        drop(requests);
        assert!(inbox.next().await.is_none());
    }
}
