//! How often one caller may ask. Whoever is known counts by himself, everybody else by his address: a stranger takes nothing
//! from those who are known, not even from the same address.

use quorumkeep_custody::keys::VerifyKey;
#[cfg(feature = "grpc")]
use quorumkeep_custody::names::Name;

use crate::http::{Buckets, Peer, Source};

/// Requests of one caller at once.
pub const BURST: u32 = 200;
/// Requests of one caller in a second after that.
pub const PER_SECOND: u32 = 20;

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Known {
    /// By the key that signed.
    Key(VerifyKey),
    /// By his certificate.
    #[cfg(feature = "grpc")]
    Client(Name),
}

/// Who asked how often.
pub(super) struct Callers {
    known: Buckets<Known>,
    strangers: Buckets<Source>,
}

impl Callers {
    pub(super) fn new() -> Self {
        Self { known: Buckets::new(BURST, PER_SECOND), strangers: Buckets::new(BURST, PER_SECOND) }
    }

    /// May whoever signed with this key ask once more?
    pub(super) fn key(&self, key: &VerifyKey) -> bool {
        self.known.take(&Known::Key(*key))
    }

    /// May this client ask once more?
    #[cfg(feature = "grpc")]
    pub(super) fn client(&self, name: &Name) -> bool {
        self.known.take(&Known::Client(name.clone()))
    }

    /// May somebody at this address ask once more?
    pub(super) fn stranger(&self, peer: Peer) -> bool {
        self.strangers.take(&Source::of(peer.0.ip()))
    }
}
