//! Who may post: everybody who is or was on a roster, and the roster as a whole for governed records.
//!
//! The orderer keeps out what could not count; it does not decide what does. Nodes know more (whether enough holders of a
//! key stay, for example) and may refuse a configuration that was accepted here. So a new configuration may follow *any*
//! accepted one, not only the last: a refused one does not stand in the way of the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ed25519_dalek::VerifyingKey;
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Decode, Reader};
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::tags;
use quorumkeep_dkg::app::App;
use quorumkeep_dkg::config::{Config, ConfigError, Genesis, governed_header};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::limits;
use quorumkeep_dkg::start::{self, Start};

/// Configurations of one network that are accepted. Each needs the signatures of `t` operators.
const CONFIGS_MAX: usize = 4096;

/// Accepted configurations that a permission may be signed under: nodes may have refused the newest.
const DECIDING_MAX: usize = 3;
/// Accepted configurations whose rounds may be running.
const ROUNDS_OF_MAX: usize = 8;

/// Why a governed record is refused.
#[derive(Debug, thiserror::Error)]
pub enum GovernedError {
    /// Its own rules.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The board has it already, or something that excludes it.
    #[error("{0}")]
    Conflict(&'static str),
    /// The header says something that a governed record does not.
    #[error("a governed record has no round, no digest and no recipient, and names the key that it is about")]
    Header,
    /// Signed by somebody who does not decide.
    #[error("{0} is no operator of the configuration that decides; only its operators sign")]
    Stranger(Address),
    /// Nobody could go on with such an orderer.
    #[error("{0}")]
    Orderer(&'static str),
}

/// Everybody who may post, and the keys that may be generated.
#[derive(Clone)]
pub struct Roster {
    network: NetworkId,
    configs: Vec<(Digest, Arc<Config>)>,
    operators: BTreeMap<Address, Arc<bn254::PublicKey>>,
    keys: BTreeSet<KeyId>,
    first: Arc<OnceLock<Arc<Config>>>,
}

/// A governed record that was checked against a roster.
pub enum Governed {
    /// A configuration.
    Config(Digest, Arc<Config>),
    /// Permission to generate this key.
    Genesis(KeyId),
}

impl Roster {
    /// Nobody: only the network's first configuration is accepted.
    #[must_use]
    pub fn new(network: NetworkId) -> Self {
        Self { network, configs: Vec::new(), operators: BTreeMap::new(), keys: BTreeSet::new(), first: Arc::default() }
    }

    /// The configuration accepted last.
    #[must_use]
    pub fn config(&self) -> Option<&Arc<Config>> {
        self.configs.last().map(|(_, config)| config)
    }

    /// The key of a present or former operator.
    #[must_use]
    pub fn operator(&self, address: &Address) -> Option<&Arc<bn254::PublicKey>> {
        self.operators.get(address)
    }

    /// How many present and former operators there are.
    #[must_use]
    pub fn operators(&self) -> usize {
        self.operators.len()
    }

    /// Would this governed record be accepted now?
    ///
    /// # Errors
    ///
    /// [`GovernedError`].
    pub fn check(&self, envelope: &Envelope) -> Result<Governed, GovernedError> {
        let kind = envelope.header.kind;
        let key = match kind {
            Kind::Config => KeyId::ZERO,
            _ => KeyId::derive(&self.network, &Genesis::decode(&envelope.body).map_err(ConfigError::from)?.name),
        };
        if envelope.header != governed_header(self.network, key, kind) {
            return Err(GovernedError::Header);
        }
        if kind == Kind::Config { self.check_config(envelope) } else { self.check_genesis(envelope) }
    }

    /// What is cheap first, then the signatures up to the first bad one, and only then what `t` operators stand for: the
    /// keys in a configuration cost several pairings each before anything is known about them.
    fn check_config(&self, envelope: &Envelope) -> Result<Governed, GovernedError> {
        let digest = Digest(keccak256(&envelope.body));
        if self.configs.iter().any(|(known, _)| *known == digest) {
            return Err(GovernedError::Conflict("this configuration is on the board already"));
        }
        if self.configs.len() >= CONFIGS_MAX {
            return Err(GovernedError::Conflict("the network has as many configurations as it can have"));
        }
        let front = Front::read(&envelope.body).map_err(ConfigError::from)?;
        let Some((last_digest, last)) = self.configs.last() else { return self.check_first(envelope, digest, &front) };
        let not_next = || ConfigError::NotSuccessor { expected: last.sequence + 1, previous: *last_digest };
        let named = self.configs.iter().find(|(known, _)| *known == front.previous);
        let (_, previous) = named.filter(|(_, named)| named.sequence + 1 == front.sequence).ok_or_else(not_next)?;
        check_signers(envelope, previous)?;
        let config = Config::decode(&envelope.body).map_err(ConfigError::from)?;
        config.check_successor(previous)?;
        check_orderer(&config, Some(previous))?;
        Ok(Governed::Config(digest, Arc::new(config)))
    }

    /// The network id says which configuration is the first, whoever sends it.
    fn check_first(&self, envelope: &Envelope, digest: Digest, front: &Front) -> Result<Governed, GovernedError> {
        if NetworkId::derive(&front.orderer, &front.salt, &digest) != self.network {
            return Err(ConfigError::NotTheAnchor.into());
        }
        let config = match self.first.get() {
            Some(config) => Arc::clone(config),
            None => {
                let config = Arc::new(Config::decode(&envelope.body).map_err(ConfigError::from)?);
                config.check_first(&self.network)?;
                // Its keys are read once, however many wrong signatures come with it.
                Arc::clone(self.first.get_or_init(|| config))
            }
        };
        check_signers(envelope, &config)?;
        check_orderer(&config, None)?;
        Ok(Governed::Config(digest, config))
    }

    fn check_genesis(&self, envelope: &Envelope) -> Result<Governed, GovernedError> {
        let genesis = Genesis::decode(&envelope.body).map_err(ConfigError::from)?;
        let key = KeyId::derive(&self.network, &genesis.name);
        if self.keys.contains(&key) {
            return Err(GovernedError::Conflict("a key is generated once"));
        }
        if self.keys.len() >= limits::KEYS_MAX {
            return Err(GovernedError::Conflict("the network has as many keys as it can have"));
        }
        let mut error = None;
        for config in self.recent().take(DECIDING_MAX) {
            let allowed = genesis.check(config).map_err(GovernedError::from);
            match allowed.and_then(|()| check_members(envelope, config)) {
                // An operator has one key in all configurations: another one would not make a wrong signature right.
                Ok(()) => {
                    return check_signatures(envelope, config).map(|()| Governed::Genesis(key)).map_err(Into::into);
                }
                // What the newest configuration says is what people can act on.
                Err(first) => error = error.or(Some(first)),
            }
        }
        Err(error.unwrap_or(ConfigError::Genesis("there is no configuration yet").into()))
    }

    /// Accepted configurations, the newest first. Nodes may have refused one, so the last need not be in force.
    fn recent(&self) -> impl Iterator<Item = &Config> {
        self.configs.iter().rev().map(|(_, config)| config.as_ref())
    }

    /// Could this record of an operator count, if his signature is right?
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn can_count(&self, envelope: &Envelope, height: u64) -> Result<(), &'static str> {
        let header = &envelope.header;
        if header.kind == Kind::Start {
            // It must still count in the next block.
            let is_good = Start::of(envelope).is_some() && start::counts_at(header, height + 1);
            return if is_good { Ok(()) } else { Err("this is not the start of a node, or an old one") };
        }
        // As long as no key is known, there is nothing to compare with.
        if !self.keys.is_empty() && !self.keys.contains(&header.key) {
            return Err("there is no such key in this network");
        }
        if header.kind == Kind::App {
            let is_member = self.config().is_some_and(|config| config.member(&header.sender).is_some());
            return match App::decode(&envelope.body) {
                _ if !is_member => Err("applications are carried by operators of the newest configuration only"),
                Ok(_) => Ok(()),
                Err(_) => Err("this is not an application"),
            };
        }
        let boundary = |config: &Config| header.round.is_multiple_of(u64::from(config.interval.max(1)));
        let runs = header.round <= height && header.round >= self.oldest_round(height);
        let fits = runs && self.recent().take(ROUNDS_OF_MAX).any(boundary);
        if fits { Ok(()) } else { Err("no such round is running") }
    }

    /// Rounds before this one are over for the block after `height`.
    #[must_use]
    pub fn oldest_round(&self, height: u64) -> u64 {
        let longest = self.recent().take(ROUNDS_OF_MAX).map(|config| config.windows.total(config.protocol)).max();
        height.saturating_sub(longest.unwrap_or(0))
    }

    /// Takes in what stands on the board.
    pub fn apply(&mut self, governed: Governed) {
        match governed {
            Governed::Config(digest, config) => {
                let keys = config.roster.iter().map(|member| (member.address, Arc::new(member.key.clone())));
                self.operators.extend(keys);
                self.configs.push((digest, config));
            }
            Governed::Genesis(key) => {
                self.keys.insert(key);
            }
        }
    }
}

/// What stands before the roster in a configuration: nothing of it costs anything to read.
struct Front {
    sequence: u64,
    salt: [u8; 32],
    previous: Digest,
    orderer: [u8; 32],
}

impl Front {
    fn read(body: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(body, tags::DKG_CONFIG)?;
        let (sequence, salt, previous) = (reader.u64()?, reader.fixed()?, Digest(reader.fixed()?));
        // Threshold, protocol, suite, interval, four windows, settle margin, finality.
        reader.take(2 + 1 + 2 + 4 + 4 * 4 + 2 + 4)?;
        let owners = reader.list(limits::OWNERS_MAX)?;
        // The owners and the authority.
        reader.take(32 * owners + 1)?;
        Ok(Self { sequence, salt, previous, orderer: reader.fixed()? })
    }
}

/// Members of `config` only, and enough of them. Nothing is verified yet.
fn check_members(envelope: &Envelope, config: &Config) -> Result<(), GovernedError> {
    if let Some((stranger, _)) = envelope.signatures.iter().find(|(address, _)| config.member(address).is_none()) {
        return Err(GovernedError::Stranger(*stranger));
    }
    let (found, needed) = (envelope.signatures.len(), config.threshold.as_usize());
    if found >= needed { Ok(()) } else { Err(ConfigError::Signatures { found, needed }.into()) }
}

/// All signatures, up to the first bad one.
fn check_signatures(envelope: &Envelope, config: &Config) -> Result<(), ConfigError> {
    let hash = envelope.plain_hash();
    let good = |(address, signature): &&(Address, bn254::Signature)| {
        config.member(address).is_some_and(|member| member.key.verify(&hash.0, signature))
    };
    let found = envelope.signatures.iter().take_while(good).count();
    let needed = config.threshold.as_usize();
    if found == envelope.signatures.len() { Ok(()) } else { Err(ConfigError::Signatures { found, needed }) }
}

fn check_signers(envelope: &Envelope, config: &Config) -> Result<(), GovernedError> {
    check_members(envelope, config)?;
    Ok(check_signatures(envelope, config)?)
}

/// Nodes decide together whether a roster is accepted, but the orderer has to know whether it still is the orderer: so it
/// changes alone, and to a key that can sign.
fn check_orderer(config: &Config, previous: Option<&Config>) -> Result<(), GovernedError> {
    if !VerifyingKey::from_bytes(&config.orderer).is_ok_and(|key| !key.is_weak()) {
        return Err(GovernedError::Orderer("the orderer's key is not an Ed25519 key"));
    }
    let both = previous.is_some_and(|last| config.orderer != last.orderer && config.roster != last.roster);
    if both {
        Err(GovernedError::Orderer("a configuration changes the orderer or the roster, not both"))
    } else {
        Ok(())
    }
}
