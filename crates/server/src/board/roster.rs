//! Who may post: everybody who is or was on a roster, and the roster as a whole for governed records.
//!
//! The orderer keeps out what could not count; it does not decide what does. Nodes know more (whether enough holders of a
//! key stay, for example) and may refuse a configuration that was accepted here. So a new configuration may follow *any*
//! accepted one, not only the last: a refused one does not stand in the way of the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorumkeep_curves::bn254;
use quorumkeep_dkg::config::{Config, ConfigError, Genesis, check_governed, governed_header};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::limits;

/// Configurations of one network that are accepted. Each needs the signatures of `t` operators.
const CONFIGS_MAX: usize = 4096;

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
}

/// Everybody who may post, and the keys that may be generated.
#[derive(Clone)]
pub struct Roster {
    network: NetworkId,
    configs: Vec<(Digest, Arc<Config>)>,
    operators: BTreeMap<Address, Arc<bn254::PublicKey>>,
    keys: BTreeSet<KeyId>,
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
        Self { network, configs: Vec::new(), operators: BTreeMap::new(), keys: BTreeSet::new() }
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
        let governed = match envelope.header.kind {
            Kind::Config => self.check_config(envelope)?,
            _ => self.check_genesis(envelope)?,
        };
        let key = match &governed {
            Governed::Config(..) => KeyId::ZERO,
            Governed::Genesis(key) => *key,
        };
        if envelope.header != governed_header(self.network, key, envelope.header.kind) {
            return Err(GovernedError::Header);
        }
        Ok(governed)
    }

    fn check_config(&self, envelope: &Envelope) -> Result<Governed, GovernedError> {
        let config = Config::decode(&envelope.body).map_err(ConfigError::from)?;
        let digest = config.digest();
        if self.configs.iter().any(|(known, _)| *known == digest) {
            return Err(GovernedError::Conflict("this configuration is on the board already"));
        }
        if self.configs.len() >= CONFIGS_MAX {
            return Err(GovernedError::Conflict("the network has as many configurations as it can have"));
        }
        let Some((_, last)) = self.configs.last() else {
            config.check_first(&self.network)?;
            check_governed(envelope, &config)?;
            return Ok(Governed::Config(digest, Arc::new(config)));
        };
        let named = self.configs.iter().find(|(known, _)| *known == config.previous);
        let previous = named.map_or(last, |(_, previous)| previous);
        config.check_successor(previous)?;
        check_governed(envelope, previous)?;
        Ok(Governed::Config(digest, Arc::new(config)))
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
        let mut error = ConfigError::Genesis("there is no configuration yet");
        for (_, config) in self.configs.iter().rev() {
            match genesis.check(config).and_then(|()| check_governed(envelope, config)) {
                Ok(()) => return Ok(Governed::Genesis(key)),
                // What the newest configuration says is what people can act on.
                Err(first) if matches!(error, ConfigError::Genesis("there is no configuration yet")) => error = first,
                Err(_) => {}
            }
        }
        Err(error.into())
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
