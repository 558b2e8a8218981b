//! Messages to peers: pinned TLS, retried with backoff and jitter. Nothing in an outcome depends on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::Address;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::client::{Backoff, retry};
use crate::client::{Client, Error, Settings};
use crate::runtime::Shared;
use crate::tls::Pin;
use crate::writer::Message;

/// Messages under way at a time.
const IN_FLIGHT_MAX: usize = 256;
/// Of these to one peer: one that does not answer must not hold up what is for the others.
const IN_FLIGHT_EACH: usize = 16;
/// A message is for the running round; after a few seconds the board has it anyway.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2), attempts: 5 };

/// A peer and the places for messages to it.
#[derive(Clone)]
struct Peer {
    client: Client,
    slots: Arc<Semaphore>,
}

/// Sends messages for ever.
pub async fn send(shared: Arc<Shared>, mut queue: mpsc::Receiver<Message>, mut stop: watch::Receiver<bool>) {
    let mut clients: HashMap<(Address, String), Peer> = HashMap::new();
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    loop {
        let message = tokio::select! {
            message = queue.recv() => message,
            _ = stop.changed() => return,
        };
        let Some(message) = message else { return };
        let Some(peer) = peer_of(&shared, &mut clients, &message.to) else { continue };
        // The board has everything that an outcome depends on; a peer that is behind gets the rest from there.
        let Ok(own) = peer.slots.try_acquire_owned() else { continue };
        let client = peer.client;
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        tokio::spawn(async move {
            let path = path_of(&message);
            let post = || client.post(path, message.bytes.clone());
            if let Err(error) = retry(BACKOFF, Error::is_temporary, post).await {
                tracing::debug!(peer = %message.to, %error, "a peer did not take a message");
            }
            drop((own, slot));
        });
    }
}

fn peer_of(shared: &Shared, clients: &mut HashMap<(Address, String), Peer>, to: &Address) -> Option<Peer> {
    let config = shared.config()?;
    let member = config.member(to)?;
    let name = (*to, member.socket.clone());
    if let Some(peer) = clients.get(&name) {
        return Some(peer.clone());
    }
    let pin = Pin::Operator { network: shared.network, address: *to, key: member.key.clone() };
    let client = Client::new(pin, &member.socket, Settings::default()).ok()?;
    let peer = Peer { client, slots: Arc::new(Semaphore::new(IN_FLIGHT_EACH)) };
    // An operator that moved gets a new client; the old one is dropped with its connection.
    clients.retain(|(address, _), _| address != to);
    clients.insert(name, peer.clone());
    Some(peer)
}

fn path_of(message: &Message) -> &'static str {
    let is_ack = Envelope::decode(&message.bytes).is_ok_and(|envelope| envelope.header.kind == Kind::Ack);
    match (message.reshare, is_ack) {
        (false, false) => "/dkg/commitment",
        (false, true) => "/dkg/ack",
        (true, false) => "/reshare/commitment",
        (true, true) => "/reshare/ack",
    }
}
