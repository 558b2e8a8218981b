//! The node's link to the board: reads every block, posts what is due, and sees when the board is another one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use quorumkeep_dkg::block::BlockRef;
use quorumkeep_dkg::ids::NetworkId;
use quorumkeep_node::Event;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::client::Error;
use crate::client::board::BoardClient;
use crate::network::NetworkFile;
use crate::runtime::{RuntimeError, Shared};
use crate::writer::Command;

/// Blocks asked for at a time.
const BLOCKS_MAX: usize = 256;
/// How long the board may wait for a new block before it answers with none.
const WAIT_MS: u64 = 5_000;
/// After so many failed readings in a row the log says so again.
const COMPLAIN_EVERY: u32 = 20;
/// Records that are being posted at a time.
const POSTS_MAX: usize = 32;

/// Whose board it is: the orderer of the configuration in force, or the one that the network file names.
///
/// Either may be ahead: a node that reads the board of a new orderer from its beginning sees the old configuration first,
/// and one that follows the old board sees the new orderer before its operator has changed the file. Who signed a block is
/// the ledger's to check; this is only about who answers.
struct Orderers {
    file: [u8; 32],
    seen: Option<[u8; 32]>,
    prefers_file: bool,
}

impl Orderers {
    /// The key to expect while a configuration names `in_force`.
    fn key(&mut self, in_force: Option<[u8; 32]>) -> [u8; 32] {
        if self.seen != in_force {
            (self.seen, self.prefers_file) = (in_force, self.prefers_file && self.seen.is_none());
        }
        in_force.filter(|_| !self.prefers_file).unwrap_or(self.file)
    }

    /// Somebody else answers: it may be the other one's board.
    fn refused(&mut self) {
        self.prefers_file = !self.prefers_file;
    }
}

struct Current {
    orderers: Orderers,
    client: Option<(VerifyingKey, Arc<BoardClient>)>,
}

/// The board, as this node reaches it.
#[derive(Clone)]
pub struct Link {
    current: Arc<Mutex<Current>>,
    shared: Arc<Shared>,
    file: VerifyingKey,
    socket: String,
    network: NetworkId,
}

impl Link {
    /// A link to the board at `socket`, pinned to the network's orderer.
    ///
    /// # Errors
    /// [`RuntimeError`] if the orderer's key is no key.
    pub fn new(network: &NetworkFile, socket: String, shared: Arc<Shared>) -> Result<Self, RuntimeError> {
        let file = VerifyingKey::from_bytes(&network.orderer());
        let file = file.map_err(|_| RuntimeError::Other("the orderer's key in the network file is no key"))?;
        let prefers_file = network.orderer.is_some();
        let orderers = Orderers { file: network.orderer(), seen: None, prefers_file };
        let current = Arc::new(Mutex::new(Current { orderers, client: None }));
        let link = Self { current, shared, file, socket, network: network.network };
        link.client()?;
        Ok(link)
    }

    /// The client of the orderer that is expected now.
    fn client(&self) -> Result<Arc<BoardClient>, RuntimeError> {
        let in_force = self.shared.config().map(|config| config.orderer);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let key = current.orderers.key(in_force);
        let key = VerifyingKey::from_bytes(&key).unwrap_or(self.file);
        if let Some((_, client)) = current.client.as_ref().filter(|(known, _)| *known == key) {
            return Ok(client.clone());
        }
        let client = Arc::new(BoardClient::new(self.network, key, &self.socket)?);
        current.client = Some((key, client.clone()));
        Ok(client)
    }

    fn failed(&self, error: &Error) {
        if error.pin_error().is_some() {
            self.current.lock().unwrap_or_else(PoisonError::into_inner).orderers.refused();
        }
    }
}

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    Link(#[from] RuntimeError),
}

/// Reads the board for ever and hands every block to the writer.
pub async fn read(link: Link, mut head: BlockRef, commands: mpsc::Sender<Command>, mut stop: watch::Receiver<bool>) {
    let mut failures = 0u32;
    loop {
        let turn = tokio::select! {
            turn = read_once(&link, &mut head, &commands) => turn,
            _ = stop.changed() => return,
        };
        match turn {
            Ok(true) => failures = 0,
            Ok(false) => return,
            Err(error) => {
                if let ReadError::Client(error) = &error {
                    link.failed(error);
                }
                if failures.is_multiple_of(COMPLAIN_EVERY) {
                    tracing::warn!(%error, "the board cannot be read; trying again");
                }
                failures = failures.saturating_add(1);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(50 * u64::from(failures.min(40)))) => {}
                    _ = stop.changed() => return,
                }
            }
        }
    }
}

/// One reading. False: the writer is gone.
async fn read_once(link: &Link, head: &mut BlockRef, commands: &mpsc::Sender<Command>) -> Result<bool, ReadError> {
    let client = link.client()?;
    let blocks = client.blocks(head.height + 1, BLOCKS_MAX, WAIT_MS).await?;
    let Some(last) = blocks.last() else { return Ok(look_at_head(&client, head, commands).await?) };
    let seen = last.reference(&link.network);
    let caught_up = is_caught_up(&client, seen.height, blocks.len()).await;
    let (done, handled) = oneshot::channel();
    let event = Event::Blocks { blocks, caught_up };
    if commands.send(Command::Event(event, Some(done))).await.is_err() || handled.await.is_err() {
        return Ok(false);
    }
    *head = seen;
    Ok(true)
}

/// Is this height the board's end? Acting on the past makes no sense.
///
/// The number of blocks does not tell: an answer also ends before a block that would make it too large. Without a head
/// there is nothing to act on either; the blocks themselves are good.
async fn is_caught_up(client: &BoardClient, height: u64, count: usize) -> bool {
    count < BLOCKS_MAX && client.head().await.is_ok_and(|board| board.height <= height)
}

/// The board has nothing above our head: is it shorter than what we have seen?
async fn look_at_head(client: &BoardClient, head: &BlockRef, commands: &mpsc::Sender<Command>) -> Result<bool, Error> {
    let board = client.head().await?;
    let seen = board.reference();
    if seen.height > head.height || seen == *head {
        return Ok(true);
    }
    let text = format!(
        "the board ends at height {}, but this node has read it up to {}: it is another board, or it was rolled back",
        seen.height, head.height
    );
    let sent = commands.send(Command::Event(Event::BoardLost(text), None)).await.is_ok();
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(sent)
}

/// Posts records for ever. One that fails is not tried again here: the node posts it again while it is due.
pub async fn post(link: Link, mut queue: mpsc::Receiver<Vec<u8>>, mut stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    loop {
        let bytes = tokio::select! {
            bytes = queue.recv(), if running.len() < POSTS_MAX => bytes,
            // Those that are done are taken out while nothing is due.
            Some(_) = running.join_next() => continue,
            _ = stop.changed() => return,
        };
        let (Some(bytes), Ok(client)) = (bytes, link.client()) else { return };
        running.spawn(async move {
            if let Err(error) = client.post(&bytes).await {
                tracing::debug!(%error, "a record was not accepted by the board");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::service::{self, Settings};
    use crate::testkit::{Network, anywhere};

    #[tokio::test]
    async fn r6_a_short_answer_is_not_the_end_of_the_board() {
        let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(2, 1));
        let settings = Settings {
            network: network.id,
            anchor: network.anchor(),
            interval_ms: 25,
            listen: anywhere(),
            limits: Default::default(),
            quota: Default::default(),
        };
        let running = service::start(folder.path(), network.orderer.clone(), settings).await.unwrap();
        let key = network.orderer.verifying_key();
        let client = BoardClient::new(network.id, key, &running.local_addr().to_string()).unwrap();
        client.blocks(3, 1, 5000).await.unwrap();
        assert!(!is_caught_up(&client, 1, 1).await, "one block came, but there are more");
        assert!(is_caught_up(&client, 1_000_000, 1).await);
        assert!(!is_caught_up(&client, 1_000_000, BLOCKS_MAX).await);
        running.stop().await;
        assert!(!is_caught_up(&client, 1_000_000, 1).await, "nobody says so");
    }

    #[test]
    fn the_orderer_in_force_is_expected_and_the_file_when_it_knows_better() {
        let (first, second) = ([1; 32], [2; 32]);
        let mut follows = Orderers { file: first, seen: None, prefers_file: false };
        assert_eq!(follows.key(None), first, "nothing was read yet");
        assert_eq!(follows.key(Some(first)), first);
        assert_eq!(follows.key(Some(second)), second, "the board has named another one");

        let mut rereads = Orderers { file: second, seen: None, prefers_file: true };
        assert_eq!(rereads.key(None), second);
        assert_eq!(rereads.key(Some(first)), second, "the beginning of the new orderer's board");
        rereads.refused();
        assert_eq!(rereads.key(Some(first)), first);
        rereads.refused();
        assert_eq!(rereads.key(Some(first)), second);
    }
}
