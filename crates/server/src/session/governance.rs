//! The chain of configurations, folded from the board's governed records.
//!
//! Nodes know more than a client (whether enough holders of a key stay) and may refuse a configuration that is well formed
//! and well signed. So all acceptable ones are kept, and what the nodes report says which of them is in force.

use std::sync::Arc;

use quorumkeep_dkg::config::{Config, Genesis, Member, check_governed};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId};

use super::error::SessionError;
use super::nodes::NodeReport;
use crate::client::board::GovernedRecord;
use crate::network::NetworkFile;

/// Configurations that a client reads.
const CONFIGS_MAX: usize = 4096;

/// What the board says about who governs the network.
#[derive(Debug, Clone)]
pub struct Governance {
    configs: Vec<(Digest, Arc<Config>)>,
    newest: (Digest, Arc<Config>),
    keys: Vec<(KeyId, Genesis)>,
    is_posted: bool,
}

impl Governance {
    /// What is known without a board: the first configuration.
    #[must_use]
    pub fn first(file: &NetworkFile) -> Self {
        let first = Arc::new(file.first_config.clone());
        let newest = (first.digest(), first);
        Self { configs: vec![newest.clone()], newest, keys: Vec::new(), is_posted: false }
    }

    /// Folds the board's governed records. What is not acceptable is left out, as every node does.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooManyConfigs`].
    pub fn fold(file: &NetworkFile, records: &[GovernedRecord]) -> Result<Self, SessionError> {
        let mut governance = Self::first(file);
        for record in records {
            let Ok(envelope) = Envelope::decode(&record.record) else { continue };
            if envelope.header.network != file.network {
                continue;
            }
            match envelope.header.kind {
                Kind::Config => governance.config(&envelope)?,
                Kind::Genesis => governance.genesis(&envelope),
                _ => {}
            }
        }
        Ok(governance)
    }

    fn config(&mut self, envelope: &Envelope) -> Result<(), SessionError> {
        let Ok(config) = Config::decode(&envelope.body) else { return Ok(()) };
        let digest = config.digest();
        if let Some((_, known)) = self.configs.iter().find(|(known, _)| *known == digest) {
            // Only the first is known before it is read.
            self.is_posted |= check_governed(envelope, known).is_ok();
            return Ok(());
        }
        if self.configs.len() >= CONFIGS_MAX {
            return Err(SessionError::TooManyConfigs { max: CONFIGS_MAX });
        }
        if self.is_acceptable(envelope, &config) {
            let next = (digest, Arc::new(config));
            if next.1.previous == self.newest.0 {
                self.newest = next.clone();
            }
            self.configs.push(next);
        }
        Ok(())
    }

    fn is_acceptable(&self, envelope: &Envelope, config: &Config) -> bool {
        let Some(previous) = self.by_digest(&config.previous) else { return false };
        config.check_successor(previous).is_ok() && check_governed(envelope, previous).is_ok()
    }

    fn genesis(&mut self, envelope: &Envelope) {
        let Ok(genesis) = Genesis::decode(&envelope.body) else { return };
        let signed = |(_, config): &(Digest, Arc<Config>)| check_governed(envelope, config).is_ok();
        if self.configs.iter().any(signed) {
            self.keys.push((envelope.header.key, genesis));
        }
    }

    /// Does the board show the network's first configuration?
    #[must_use]
    pub fn is_posted(&self) -> bool {
        self.is_posted
    }

    /// The end of the chain, if every configuration on it was accepted.
    #[must_use]
    pub fn newest(&self) -> &Arc<Config> {
        &self.newest.1
    }

    /// The highest sequence number of a configuration that the board shows.
    #[must_use]
    pub fn sequence_max(&self) -> u64 {
        self.configs.iter().map(|(_, config)| config.sequence).max().unwrap_or(0)
    }

    /// The configuration with this digest.
    #[must_use]
    pub fn by_digest(&self, digest: &Digest) -> Option<&Arc<Config>> {
        self.configs.iter().find(|(known, _)| known == digest).map(|(_, config)| config)
    }

    /// Is this key on the board?
    #[must_use]
    pub fn has_key(&self, key: &KeyId) -> bool {
        self.keys.iter().any(|(known, _)| known == key)
    }

    /// All keys with their names.
    #[must_use]
    pub fn keys(&self) -> &[(KeyId, Genesis)] {
        &self.keys
    }

    /// The newest entry of everyone who is or was on a roster.
    #[must_use]
    pub fn member(&self, address: &Address) -> Option<&Member> {
        self.configs.iter().rev().find_map(|(_, config)| config.member(address))
    }

    /// The newest configuration that `t` of its own operators report as in force.
    #[must_use]
    pub fn in_force(&self, reports: &[NodeReport]) -> Option<Arc<Config>> {
        let supported = |(digest, config): &&(Digest, Arc<Config>)| {
            let by_member = |report: &&NodeReport| {
                config.member(&report.node.address).is_some()
                    && report.status().is_some_and(|status| status.config == *digest)
            };
            reports.iter().filter(by_member).count() >= config.threshold.as_usize()
        };
        self.configs
            .iter()
            .filter(supported)
            .max_by_key(|(_, config)| config.sequence)
            .map(|(_, config)| config.clone())
    }
}
