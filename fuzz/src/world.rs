//! A network of four operators of whom any three recover, on a board in memory.
//!
//! Operators 1 to 3 are honest: they post what follows from what they see. Operator 4 is the fuzzer's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::bn254;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::config::{
    Authority, Config, Genesis, Member, Protocol, SUITE_BLS12381_G2, Windows, governed_header, sign_governed,
};
use quorumkeep_dkg::confirm::Confirm;
use quorumkeep_dkg::deal::{self, VerifiedDeal};
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::Ledger;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::records;
use quorumkeep_dkg::round::Round;
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_dkg::transcript::combine_share;
use quorumkeep_sharing::{Index, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Operators.
pub const N: u16 = 4;
/// How many recover; no fewer are honest.
pub const T: u16 = 3;
/// The fuzzer's operator, counted from 0.
pub const CULPRIT: usize = 3;
/// The name of the key.
pub const NAME: &str = "main";
/// The round that is looked at begins here.
pub const BOUNDARY: u64 = 8;
/// After so many different transcripts, what honest operators said about them is forgotten.
const REMEMBERED_MAX: usize = 64;

type Known<T> = RefCell<HashMap<Digest, T>>;

/// The network, with its first round just opened.
pub struct World {
    /// The operators' keys.
    pub keys: Vec<bn254::SecretKey>,
    /// The first configuration.
    pub config: Config,
    /// The network.
    pub network: NetworkId,
    /// Signs blocks.
    pub orderer: SigningKey,
    /// The ledger when the round opened.
    pub start: Ledger,
    /// The blocks up to there.
    pub blocks: Vec<Block>,
    /// Every operator's secrets of the round.
    pub secrets: Vec<RoundSecrets>,
    announces: Vec<Envelope>,
    /// By info: the honest operators' deals, and the other one's.
    deals: Known<(Vec<Vec<u8>>, Envelope)>,
    /// By version and operator.
    shares: Known<Option<Arc<SecretScalar>>>,
}

/// Deterministic randomness for one purpose.
fn rng(label: &[u8]) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(keccak256(label))
}

fn member(index: u16, key: &bn254::SecretKey) -> Member {
    let public = key.public();
    let address = Address::of(&public);
    let possession = key.prove_possession(&address.0);
    let socket = format!("127.0.0.1:{}", 7000 + index);
    Member { index: Index::new(index).expect("not 0"), address, key: public, possession, socket }
}

fn first_config(keys: &[bn254::SecretKey], orderer: &SigningKey) -> Config {
    Config {
        sequence: 0,
        salt: [3; 32],
        previous: Digest::ZERO,
        threshold: Threshold::new(T, N).expect("in range"),
        protocol: Protocol::Feldman,
        suite: SUITE_BLS12381_G2,
        interval: 8,
        windows: Windows { announce: 2, deal: 2, complain: 2, confirm: 2 },
        settle_margin: 0,
        finality: 0,
        owners: Vec::new(),
        authority: Authority::Roster,
        orderer: orderer.verifying_key().to_bytes(),
        last_index: N,
        roster: keys.iter().zip(1..).map(|(key, index)| member(index, key)).collect(),
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// The network, the same each time.
    #[must_use]
    pub fn new() -> Self {
        let mut random = rng(b"keys");
        let keys: Vec<_> = (0..N).map(|_| bn254::SecretKey::random(&mut random)).collect();
        let orderer = SigningKey::from_bytes(&[7; 32]);
        let config = first_config(&keys, &orderer);
        let network = config.network_id();
        let start = Ledger::new(network, config.orderer);
        let secrets = keys.iter().map(|_| RoundSecrets::generate(&mut random)).collect();
        let (deals, shares) = (RefCell::default(), RefCell::default());
        let (announces, blocks) = (Vec::new(), Vec::new());
        let mut world = Self { keys, config, network, orderer, start, blocks, secrets, announces, deals, shares };
        world.begin();
        world.announces = (0..world.keys.len()).map(|place| world.announce(place)).collect();
        world
    }

    fn begin(&mut self) {
        let memory = Memory::default();
        let config = self.governed(KeyId::ZERO, Kind::Config, self.config.encode());
        let genesis = self.governed(self.key(), Kind::Genesis, Genesis { name: NAME.into(), players_min: T }.encode());
        for height in 1..=BOUNDARY {
            let records = match height {
                1 => vec![config.encode()],
                2 => vec![genesis.encode()],
                _ => Vec::new(),
            };
            let block = self.block(&self.start, records);
            self.start.apply(&block, &memory).expect("the board begins");
            self.blocks.push(block);
        }
        assert!(self.start.keys()[&self.key()].round.is_some(), "a round opened");
    }

    /// The network's key.
    #[must_use]
    pub fn key(&self) -> KeyId {
        KeyId::derive(&self.network, NAME)
    }

    /// An operator's address.
    #[must_use]
    pub fn address(&self, place: usize) -> Address {
        Address::of(&self.keys[place].public())
    }

    /// A governed record that everybody signed.
    #[must_use]
    pub fn governed(&self, key: KeyId, kind: Kind, body: Vec<u8>) -> Envelope {
        let mut envelope = Envelope { header: governed_header(self.network, key, kind), body, signatures: Vec::new() };
        self.keys.iter().for_each(|key| sign_governed(&mut envelope, key));
        envelope
    }

    /// The next block.
    #[must_use]
    pub fn block(&self, ledger: &Ledger, records: Vec<Vec<u8>>) -> Block {
        Block::sign(&self.network, &ledger.head(), 1000, records, &self.orderer)
    }

    /// The round that runs.
    ///
    /// # Panics
    /// If none runs.
    #[must_use]
    pub fn round<'a>(&self, ledger: &'a Ledger) -> &'a Round {
        ledger.keys()[&self.key()].round.as_ref().expect("a round runs")
    }

    /// Signs whatever stands in header and body.
    #[must_use]
    pub fn signed(&self, place: usize, header: Header, body: Vec<u8>) -> Envelope {
        let draft = Envelope { header, body, signatures: Vec::new() };
        let hash = records::body_hash(&draft).unwrap_or_default();
        Envelope::signed(draft.header, draft.body, &hash, &self.keys[place])
    }

    fn record(&self, place: usize, kind: Kind, digest: Digest, body: Vec<u8>) -> Envelope {
        let header = Header {
            network: self.network,
            key: self.key(),
            round: BOUNDARY,
            digest,
            kind,
            sender: self.address(place),
            recipient: Address::ZERO,
        };
        self.signed(place, header, body)
    }

    // --- What an operator posts in each phase.

    fn announce(&self, place: usize) -> Envelope {
        let trigger = self.round(&self.start).trigger();
        let (secret, head) = (&self.secrets[place], self.start.head());
        let mut random = rng(&[b'a', place as u8]);
        let announce = Announce::build(trigger, &self.address(place), secret, &[], (true, head), &mut random);
        self.record(place, Kind::Announce, trigger.digest(), announce.encode())
    }

    fn deal(&self, place: usize, info: &Info) -> Envelope {
        let mut random = rng(&[&info.digest().0[..], &[b'd', place as u8]].concat());
        let address = self.address(place);
        let plain = deal::plain(info, &address, &self.secrets[place], None, &mut random).expect("a threshold above 1");
        deal::seal(info, &address, &plain, &self.keys[place])
    }

    /// A complaint for a dealing that does not open, as an honest player makes it. That those of honest dealers open, the
    /// shares show.
    fn complaints(&self, place: usize, info: &Info, deals: &[Arc<VerifiedDeal>]) -> Vec<Envelope> {
        let (address, receive) = (self.address(place), self.secrets[place].receive());
        let complain = |deal: &Arc<VerifiedDeal>| {
            let opening = deal.open(info, &address, receive).err()?;
            let body = Complain::encode(&deal.dealer, &deal.core, &opening.0);
            Some(self.record(place, Kind::Complain, info.digest(), body))
        };
        deals.iter().filter(|deal| deal.dealer == self.address(CULPRIT)).filter_map(complain).collect()
    }

    fn false_complaint(&self, info: &Info, deals: &[Arc<VerifiedDeal>]) -> Option<Envelope> {
        let deal = deals.iter().find(|deal| deal.dealer == self.address(0))?;
        let opening = deal.r.mul_secret(self.secrets[CULPRIT].receive()).to_bytes();
        let body = Complain::encode(&deal.dealer, &deal.core, &opening);
        Some(self.record(CULPRIT, Kind::Complain, info.digest(), body))
    }

    /// The operator's share of the result. It must be the one of which everybody sees the public image.
    fn share(&self, place: usize, ledger: &Ledger, output: &Output) -> Option<SecretScalar> {
        let transcript = self.round(ledger).transcript()?;
        let (info, address) = (transcript.info(), self.address(place));
        let open = |deal: &&Arc<VerifiedDeal>| {
            let dealing = deal.open(info, &address, self.secrets[place].receive()).ok();
            Some((deal.index, dealing?))
        };
        let dealings: Option<Vec<_>> = transcript.qualified().iter().map(open).collect();
        let share = combine_share(info, &dealings?)?;
        let public = output.share_of(&address)?;
        assert!(share.mul_g2() == public.point, "the share of operator {} is not its public share", place + 1);
        Some(share)
    }

    fn confirm(&self, place: usize, ledger: &Ledger, output: &Output) -> Option<Envelope> {
        let transcript = self.round(ledger).transcript()?;
        let (info, version) = (transcript.info(), output.id());
        let whose = Digest(keccak256(&[&version.0[..], &[place as u8]].concat()));
        let share = remembered(&self.shares, whose, || self.share(place, ledger, output).map(Arc::new))?;
        let mut random = rng(&[&version.0[..], &transcript.cut().hash.0, &[place as u8]].concat());
        let nonce = SecretScalar::random(&mut random);
        let body = Confirm::build(info, &self.address(place), output, transcript.cut(), &share, nonce).encode();
        Some(self.record(place, Kind::Confirm, info.digest(), body))
    }

    /// Everybody's deals under this info: the honest operators' and the other one's.
    fn all_deals(&self, info: &Info) -> (Vec<Vec<u8>>, Envelope) {
        let honest = || (0..CULPRIT).map(|place| self.deal(place, info).encode()).collect();
        remembered(&self.deals, info.digest(), || (honest(), self.deal(CULPRIT, info)))
    }

    /// What the honest operators post now; `phase` counts from 0.
    #[must_use]
    pub fn honest(&self, phase: usize, ledger: &Ledger) -> Vec<Vec<u8>> {
        let transcript = self.round(ledger).transcript();
        match (phase, transcript) {
            (0, _) => self.announces[..CULPRIT].iter().map(Envelope::encode).collect(),
            (1, Some(transcript)) => self.all_deals(transcript.info()).0,
            (2, Some(transcript)) => {
                let deals = valid(transcript.deals());
                let all = (0..CULPRIT).flat_map(|place| self.complaints(place, transcript.info(), &deals));
                all.map(|envelope| envelope.encode()).collect()
            }
            (3, Some(transcript)) => {
                let Some(Ok(output)) = transcript.outcome() else { return Vec::new() };
                (0..CULPRIT).filter_map(|place| Some(self.confirm(place, ledger, output)?.encode())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the fuzzer's operator would post if it were honest, and a complaint that is false.
    #[must_use]
    pub fn culprit(&self, phase: usize, ledger: &Ledger) -> Option<Envelope> {
        let transcript = self.round(ledger).transcript();
        match (phase, transcript) {
            (0, _) => self.announces.get(CULPRIT).cloned(),
            (1, Some(transcript)) if transcript.info().dealer(&self.address(CULPRIT)).is_some() => {
                Some(self.all_deals(transcript.info()).1)
            }
            (2, Some(transcript)) => self.false_complaint(transcript.info(), &valid(transcript.deals())),
            (3, Some(transcript)) => {
                let Some(Ok(output)) = transcript.outcome() else { return None };
                self.confirm(CULPRIT, ledger, output)
            }
            _ => None,
        }
    }
}

fn valid(
    deals: &std::collections::BTreeMap<Address, quorumkeep_dkg::transcript::CountedDeal>,
) -> Vec<Arc<VerifiedDeal>> {
    deals.values().filter_map(|counted| counted.deal.clone().ok()).collect()
}

fn remembered<T: Clone>(known: &Known<T>, of: Digest, make: impl FnOnce() -> T) -> T {
    if let Some(value) = known.borrow().get(&of) {
        return value.clone();
    }
    let value = make();
    let mut known = known.borrow_mut();
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(of, value.clone());
    value
}
