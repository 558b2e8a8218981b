//! What a round is about: everything that dealers and players sign, fixed when the Announce window closes.

use std::sync::Arc;

use quorumkeep_curves::bls::{G1, G2};
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;
use quorumkeep_sharing::{Index, Threshold};

use crate::block::BlockRef;
use crate::config::{Config, Protocol, Windows};
use crate::deal::ciphertexts_each;
use crate::ids::{Address, Digest, KeyId, NetworkId};
use crate::output::Output;

/// Generation of a key, or handing it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RoundKind {
    /// Distributed key generation.
    Genesis = 1,
    /// Resharing of a version that exists.
    Reshare = 2,
}

/// The last height of each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Phase 1.
    pub announce: u64,
    /// Phase 2.
    pub deal: u64,
    /// Phase 3.
    pub complain: u64,
    /// Phase 4 of a Pedersen generation, its first part; else the same as `complain`.
    pub extract: u64,
    /// Phase 4 of a Pedersen generation, its second part; else the same as `complain`. The last of the transcript.
    pub reconstruct: u64,
    /// Phase 5.
    pub confirm: u64,
}

impl Deadlines {
    /// The deadlines of a round that was triggered at `height`.
    #[must_use]
    pub fn after(height: u64, windows: &Windows, protocol: Protocol) -> Self {
        let announce = height + u64::from(windows.announce);
        let deal = announce + u64::from(windows.deal);
        let complain = deal + u64::from(windows.complain);
        let (extract, reconstruct) = match protocol {
            Protocol::Feldman => (complain, complain),
            Protocol::Pedersen => {
                let extract = complain + u64::from(windows.deal);
                (extract, extract + u64::from(windows.complain))
            }
        };
        Self { announce, deal, complain, extract, reconstruct, confirm: reconstruct + u64::from(windows.confirm) }
    }
}

/// The start of a round: what an Announce signs.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The network.
    pub network: NetworkId,
    /// The key.
    pub key: KeyId,
    /// Generation or resharing.
    pub kind: RoundKind,
    /// The boundary: its height is the round's number.
    pub block: BlockRef,
    /// The configuration at the boundary.
    pub config: Arc<Config>,
    /// The digest of `config`.
    pub config_digest: Digest,
}

impl Trigger {
    /// The number of the round.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.block.height
    }

    /// `trigger_digest = H(enc(tag, network, key, round, kind, config digest, trigger height and hash))`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let writer = Writer::new(tags::DKG_TRIGGER_DIGEST).fixed(&self.network.0).fixed(&self.key.0);
        let writer = writer.u64(self.round()).u8(self.kind as u8).fixed(&self.config_digest.0);
        Digest(writer.u64(self.block.height).fixed(&self.block.hash.0).hash())
    }

    /// How the round shares: a reshare is always Feldman.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.kind {
            RoundKind::Genesis => self.config.protocol,
            RoundKind::Reshare => Protocol::Feldman,
        }
    }

    /// The last heights of the phases.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        Deadlines::after(self.block.height, &self.config.windows, self.protocol())
    }
}

/// Who receives a share.
#[derive(Debug, Clone)]
pub struct Player {
    /// The evaluation point.
    pub index: Index,
    /// The operator.
    pub address: Address,
    /// BN254.
    pub key: bn254::PublicKey,
    /// `E1 = e*G1`.
    pub e1: G1,
    /// `E2 = e*G2`.
    pub e2: G2,
}

/// Who deals.
#[derive(Debug, Clone)]
pub struct Dealer {
    /// His index as a player of the source, or of the roster in a DKG.
    pub index: Index,
    /// The operator; the hash of his BN254 key.
    pub address: Address,
    /// `Y_i` of the source: what his `C_0` must be. None in a DKG.
    pub constant: Option<G2>,
}

/// Everything that a round depends on.
#[derive(Debug, Clone)]
pub struct Info {
    /// The start.
    pub trigger: Trigger,
    /// How the key is generated; a reshare is always Feldman.
    pub protocol: Protocol,
    /// `t` of the roster at the trigger, never of who showed up.
    pub threshold: Threshold,
    /// Ascending by index.
    pub players: Vec<Player>,
    /// Ascending by index.
    pub dealers: Vec<Dealer>,
    /// The version that is handed on.
    pub source: Option<Arc<Output>>,
    /// The hash of the Announces that count.
    pub announces: Digest,
    /// The second generator of a Pedersen generation, whose logarithm nobody knows.
    pub h: Option<G1>,
    digest: Digest,
}

impl Info {
    /// Fixes what the round is about and computes `info_digest`.
    #[must_use]
    pub fn new(
        trigger: Trigger,
        threshold: Threshold,
        players: Vec<Player>,
        dealers: Vec<Dealer>,
        source: Option<Arc<Output>>,
        (announces, nonces): (Digest, &[[u8; 32]]),
    ) -> Self {
        let (protocol, digest) = (trigger.protocol(), Digest::ZERO);
        let h = (protocol == Protocol::Pedersen).then(|| hiding_base(&trigger, nonces));
        let mut info = Self { trigger, protocol, threshold, players, dealers, source, announces, h, digest };
        info.digest = info.compute_digest();
        info
    }

    /// `info_digest`: what every record after Announce signs.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// `H(enc(tag, network, key, round, kind, protocol, suite, config digest, trigger, deadlines, n, t, players, source
    /// version or 0, h or empty, dealers, announces))`.
    fn compute_digest(&self) -> Digest {
        let (trigger, config) = (&self.trigger, &self.trigger.config);
        let mut writer = Writer::new(tags::DKG_INFO_DIGEST).fixed(&trigger.network.0).fixed(&trigger.key.0);
        writer = writer.u64(trigger.round()).u8(trigger.kind as u8).u8(self.protocol as u8).u16(config.suite);
        writer = writer.fixed(&trigger.config_digest.0).u64(trigger.block.height).fixed(&trigger.block.hash.0);
        let deadlines = trigger.deadlines();
        let phases = [deadlines.announce, deadlines.deal, deadlines.complain, deadlines.extract];
        for height in phases.into_iter().chain([deadlines.reconstruct, deadlines.confirm]) {
            writer = writer.u64(height);
        }
        writer = writer.list(config.n()).u16(self.threshold.get()).list(self.players.len());
        for player in &self.players {
            writer = writer.fixed(&player.address.0).u16(player.index.get()).fixed(&player.key.to_bytes());
            writer = writer.fixed(&player.e1.to_bytes()).fixed(&player.e2.to_bytes());
        }
        let source = self.source.as_ref().map_or([0; 32], |source| source.id().0);
        let h = self.h.map(|h| h.to_bytes().to_vec()).unwrap_or_default();
        writer = writer.fixed(&source).bytes(&h).list(self.dealers.len());
        for dealer in &self.dealers {
            writer = writer.u16(dealer.index.get()).fixed(&dealer.address.0);
        }
        Digest(writer.fixed(&self.announces.0).hash())
    }

    /// Does every dealer prove that it knows `a_0`? Where commitments hide, the link proof does; a reshare deals a share.
    #[must_use]
    pub fn proves_constant(&self) -> bool {
        self.trigger.kind == RoundKind::Genesis && self.protocol == Protocol::Feldman
    }

    /// How many ciphertexts of 32 bytes each player gets from each dealer.
    #[must_use]
    pub fn ciphertexts_each(&self) -> usize {
        ciphertexts_each(self.protocol)
    }

    /// The player with this address, and his place.
    #[must_use]
    pub fn player(&self, address: &Address) -> Option<(usize, &Player)> {
        self.players.iter().enumerate().find(|(_, player)| player.address == *address)
    }

    /// The dealer with this address.
    #[must_use]
    pub fn dealer(&self, address: &Address) -> Option<&Dealer> {
        self.dealers.iter().find(|dealer| dealer.address == *address)
    }

    /// How many dealers a result needs: `t` in a DKG, the source's `t` in a reshare.
    #[must_use]
    pub fn dealers_needed(&self) -> usize {
        let threshold = self.source.as_ref().map_or(self.threshold, |source| source.threshold());
        usize::from(threshold.get())
    }
}

/// `h = hash_to_curve(tag, network, key, round, ordered nonces)`: the coin flip of all players. Grinding it is useless,
/// because no choice of inputs gives a point of known logarithm.
fn hiding_base(trigger: &Trigger, nonces: &[[u8; 32]]) -> G1 {
    let writer = Writer::raw().fixed(&trigger.network.0).fixed(&trigger.key.0).u64(trigger.round()).list(nonces.len());
    let message = nonces.iter().fold(writer, |writer, nonce| writer.fixed(nonce)).finish();
    G1::hash_to_curve(tags::DKG_HIDING_BASE.as_bytes(), &message)
}
