//! The node's link to the board: reads every block, posts what is due, and sees when the board is another one.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use quorumkeep_dkg::block::BlockRef;
use quorumkeep_dkg::ids::NetworkId;
use quorumkeep_node::Event;
use tokio::sync::{mpsc, oneshot, watch};

use crate::client::Error;
use crate::client::board::BoardClient;
use crate::network::NetworkFile;
use crate::runtime::RuntimeError;
use crate::writer::Command;

/// Blocks asked for at a time.
const BLOCKS_MAX: usize = 256;
/// How long the board may wait for a new block before it answers with none.
const WAIT_MS: u64 = 5_000;
/// After so many failed readings in a row the log says so again.
const COMPLAIN_EVERY: u32 = 20;

/// The board, as this node reaches it.
#[derive(Clone)]
pub struct Link {
    client: Arc<BoardClient>,
    network: NetworkId,
}

impl Link {
    /// A link to the board at `socket`, pinned to the network's orderer.
    ///
    /// # Errors
    /// [`RuntimeError`] if the orderer's key is no key.
    pub fn new(network: &NetworkFile, socket: String) -> Result<Self, RuntimeError> {
        let orderer = VerifyingKey::from_bytes(&network.orderer());
        let orderer = orderer.map_err(|_| RuntimeError::Other("the orderer's key in the network file is no key"))?;
        let client = BoardClient::new(network.network, orderer, &socket)?;
        Ok(Self { client: Arc::new(client), network: network.network })
    }
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
async fn read_once(
    link: &Link,
    head: &mut BlockRef,
    commands: &mpsc::Sender<Command>,
) -> Result<bool, Error> {
    let blocks = link.client.blocks(head.height + 1, BLOCKS_MAX, WAIT_MS).await?;
    let Some(last) = blocks.last() else { return look_at_head(link, head, commands).await };
    // A full answer means that there is more; acting on the past makes no sense.
    let caught_up = blocks.len() < BLOCKS_MAX;
    let seen = last.reference(&link.network);
    let (done, handled) = oneshot::channel();
    let event = Event::Blocks { blocks, caught_up };
    if commands.send(Command::Event(event, Some(done))).await.is_err() || handled.await.is_err() {
        return Ok(false);
    }
    *head = seen;
    Ok(true)
}

/// The board has nothing above our head: is it shorter than what we have seen?
async fn look_at_head(
    link: &Link,
    head: &BlockRef,
    commands: &mpsc::Sender<Command>,
) -> Result<bool, Error> {
    let board = link.client.head().await?;
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
    loop {
        let bytes = tokio::select! {
            bytes = queue.recv() => bytes,
            _ = stop.changed() => return,
        };
        let Some(bytes) = bytes else { return };
        let link = link.clone();
        tokio::spawn(async move {
            if let Err(error) = link.client.post(&bytes).await {
                tracing::debug!(%error, "a record was not accepted by the board");
            }
        });
    }
}
