//! Rounds without a node: the rules of the protocol one by one, and the bytes of every record.

mod announces;
mod attacks;
mod batch;
mod config;
mod encodings;
mod frozen;
mod ledger;
mod pedersen;
mod phases;
mod reshare;
mod rosters;
mod rounds;

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bn254;
use quorumkeep_sharing::{Index, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::announce::Announce;
use crate::block::Block;
use crate::config::{Authority, Config, Genesis, Member, Protocol, SUITE_BLS12381_G2, Windows};
use crate::config::{governed_header, sign_governed};
use crate::envelope::{Envelope, Header, Kind};
use crate::ids::{Address, Digest, KeyId, NetworkId};
use crate::ledger::{Event, Ledger};
use crate::memory::Memory;
use crate::secret::RoundSecrets;

/// `n` operators and an orderer, with the ledger that follows from what is posted.
pub struct World {
    pub rng: ChaCha20Rng,
    pub keys: Vec<bn254::SecretKey>,
    pub config: Config,
    pub network: NetworkId,
    pub orderer: SigningKey,
    pub ledger: Ledger,
    pub memory: Memory,
    pub pending: Vec<Vec<u8>>,
    pub blocks: Vec<Block>,
}

pub const NAME: &str = "main";

pub fn member(index: u16, key: &bn254::SecretKey) -> Member {
    let public = key.public();
    let address = Address::of(&public);
    let possession = key.prove_possession(&address.0);
    let socket = format!("127.0.0.1:{}", 7000 + index);
    Member { index: Index::new(index).unwrap(), address, key: public, possession, socket }
}

impl World {
    pub fn new(n: u16, t: u16, seed: u64) -> Self {
        Self::with_margin(n, t, Config::default_settle_margin(usize::from(n), t), seed)
    }

    pub fn with_margin(n: u16, t: u16, settle_margin: u16, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let keys: Vec<_> = (0..n).map(|_| bn254::SecretKey::random(&mut rng)).collect();
        let orderer = SigningKey::from_bytes(&[7; 32]);
        let config = Config {
            sequence: 0,
            salt: [3; 32],
            previous: Digest::ZERO,
            threshold: Threshold::new(t, n).unwrap(),
            protocol: Protocol::Feldman,
            suite: SUITE_BLS12381_G2,
            interval: 8,
            windows: Windows { announce: 2, deal: 2, complain: 2, confirm: 2 },
            settle_margin,
            finality: 0,
            owners: Vec::new(),
            authority: Authority::Roster,
            orderer: orderer.verifying_key().to_bytes(),
            last_index: n,
            roster: keys.iter().zip(1..).map(|(key, index)| member(index, key)).collect(),
        };
        let network = config.network_id();
        let ledger = Ledger::new(network, config.orderer);
        let memory = Memory::default();
        Self { rng, keys, config, network, orderer, ledger, memory, pending: Vec::new(), blocks: Vec::new() }
    }

    /// A network that generates its keys by Pedersen's protocol: a round takes 12 blocks.
    pub fn pedersen(n: u16, t: u16, seed: u64) -> Self {
        let mut world = Self::new(n, t, seed);
        world.config.protocol = Protocol::Pedersen;
        world.config.interval = 12;
        world.network = world.config.network_id();
        world.ledger = Ledger::new(world.network, world.config.orderer);
        world
    }

    pub fn key(&self) -> KeyId {
        KeyId::derive(&self.network, NAME)
    }

    pub fn address(&self, place: usize) -> Address {
        Address::of(&self.keys[place].public())
    }

    pub fn governed(&self, key: KeyId, kind: Kind, body: Vec<u8>, signers: usize) -> Vec<u8> {
        let header = governed_header(self.network, key, kind);
        let mut envelope = Envelope { header, body, signatures: Vec::new() };
        self.keys.iter().take(signers).for_each(|key| sign_governed(&mut envelope, key));
        envelope.encode()
    }

    /// Configuration and permission to generate, each in a block of its own.
    pub fn begin(&mut self) {
        let all = self.keys.len();
        self.pending.push(self.governed(KeyId::ZERO, Kind::Config, self.config.encode(), all));
        self.block();
        let genesis = Genesis { name: NAME.into(), players_min: u16::try_from(all).unwrap() };
        self.pending.push(self.governed(self.key(), Kind::Genesis, genesis.encode(), all));
        self.block();
    }

    pub fn block(&mut self) -> Vec<Event> {
        let records = std::mem::take(&mut self.pending);
        let block = Block::sign(&self.network, &self.ledger.head(), 1000, records, &self.orderer);
        let events = self.ledger.apply(&block, &self.memory).unwrap();
        assert_eq!(self.ledger.head(), block.reference(&self.network));
        assert_eq!(self.ledger.head().height, block.height);
        self.blocks.push(block);
        events
    }

    pub fn to_height(&mut self, height: u64) -> Vec<Event> {
        let mut events = Vec::new();
        while self.ledger.head().height < height {
            events.extend(self.block());
        }
        events
    }

    pub fn record(&self, place: usize, kind: Kind, digest: Digest, body: Vec<u8>) -> Vec<u8> {
        let round = self.round().trigger().round();
        let header = Header {
            network: self.network,
            key: self.key(),
            round,
            digest,
            kind,
            sender: self.address(place),
            recipient: Address::ZERO,
        };
        let hash = Digest(quorumkeep_curves::hash::keccak256(&body));
        Envelope::signed(header, body, &hash, &self.keys[place]).encode()
    }

    pub fn round(&self) -> &crate::round::Round {
        self.ledger.keys()[&self.key()].round.as_ref().unwrap()
    }

    pub fn info(&self) -> Arc<crate::info::Info> {
        self.round().transcript().unwrap().info().clone()
    }

    /// Everybody announces without holding anything; gives everybody's secrets.
    pub fn announce_all(&mut self) -> Vec<RoundSecrets> {
        let head = self.ledger.head();
        let mut secrets = Vec::new();
        for place in 0..self.keys.len() {
            let secret = RoundSecrets::generate(&mut self.rng);
            let (trigger, address) = (self.round().trigger().clone(), self.address(place));
            let announce = Announce::build(&trigger, &address, &secret, &[], (true, head), &mut self.rng);
            let digest = self.round().trigger_digest();
            self.pending.push(self.record(place, Kind::Announce, digest, announce.encode()));
            secrets.push(secret);
        }
        secrets
    }
}
