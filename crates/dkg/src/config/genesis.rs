//! `Genesis` (protocol.md section 1).

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use super::{Config, ConfigError};
use crate::limits;

/// Permission to generate the key of this name, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// 1 to [`limits::KEY_NAME_BYTES_MAX`] bytes of `[a-z0-9._-]`.
    pub name: String,
    /// How many players there must be; `n` unless fewer is named here, never below `t`.
    pub players_min: u16,
}

impl Genesis {
    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(tags::DKG_GENESIS).bytes(self.name.as_bytes()).u16(self.players_min).finish()
    }

    /// Reads one Genesis record's body.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_GENESIS)?;
        let name = String::from_utf8(reader.bytes(limits::KEY_NAME_BYTES_MAX)?.to_vec()).map_err(|_| Decode::Value)?;
        let players_min = reader.u16()?;
        reader.finish()?;
        Ok(Self { name, players_min })
    }

    /// Is this acceptable under `config`?
    ///
    /// # Errors
    /// [`ConfigError::Genesis`] or [`ConfigError::Threshold`].
    pub fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if self.name.is_empty() || self.name.len() > limits::KEY_NAME_BYTES_MAX || !self.name.chars().all(fits) {
            return Err(ConfigError::Genesis("the name of a key has 1 to 64 characters of a-z 0-9 . _ -"));
        }
        let (players, n) = (usize::from(self.players_min), config.n());
        if players < usize::from(config.threshold.get() + config.settle_margin) || players > n {
            return Err(ConfigError::Genesis("the number of players must lie between t + b and n"));
        }
        Ok(())
    }
}
