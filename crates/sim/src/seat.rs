//! One operator's machine: a disk, a node that may be down, and its view of the board.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::ids::{Address, KeyId, VersionId};
use quorumkeep_node::Node;

use crate::operators::{Identity, pool};
use crate::store::MemStore;

/// One machine.
pub struct Seat {
    /// Its place in the pool of operators.
    pub identity: usize,
    /// Does it follow the protocol?
    pub honest: bool,
    /// Does it run on an old or copied disk, or next to a twin? It still follows the protocol, but with old memories.
    pub stale: bool,
    /// The running node.
    pub node: Option<Node>,
    /// The disk.
    pub store: MemStore,
    /// Which chain it sees.
    pub chain: usize,
    /// When a crashed node starts again.
    pub up_at: u64,
    /// Until when it sees no blocks.
    pub deaf_until: u64,
    /// Until when its posts are lost.
    pub mute_until: u64,
    /// Its disk was exchanged for an older one that lacks records of its own which stand on the board: the newest round
    /// of those that only a holder can have made, and the height of the exchange.
    pub rolled_back: Option<(u64, u64)>,
    /// A liar that threw away what it holds.
    pub forgot: bool,
}

impl Seat {
    /// A machine with an empty disk.
    pub fn new(identity: usize, honest: bool) -> Self {
        Self {
            identity,
            honest,
            stale: false,
            node: None,
            store: MemStore::default(),
            chain: 0,
            up_at: 0,
            deaf_until: 0,
            mute_until: 0,
            rolled_back: None,
            forgot: false,
        }
    }

    /// Who runs it.
    pub fn who(&self) -> &'static Identity {
        let pool = pool();
        &pool[self.identity % pool.len()]
    }

    /// The operator's address.
    pub fn address(&self) -> Address {
        self.who().address
    }

    /// Follows the protocol, with all its memories?
    pub fn is_sound(&self) -> bool {
        self.honest && !self.stale
    }

    /// Is this share on its disk?
    pub fn holds(&self, key: &KeyId, version: &VersionId) -> bool {
        !self.forgot && self.store.disk().share(key, version).is_some()
    }

    /// The share on its disk.
    pub fn share(&self, key: &KeyId, version: &VersionId) -> Option<SecretScalar> {
        self.store.disk().share(key, version).map(SecretScalar::copy)
    }
}
