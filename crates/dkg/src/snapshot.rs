//! The ledger as bytes, so that a node starts without reading the whole board again.
//!
//! Taken only when no round has records yet ([`Ledger::is_at_rest`]); the blocks above it are read again, without
//! effects. The bytes come from the node's own disk and carry no secrets.

use std::sync::Arc;

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use crate::app::App;
use crate::block::BlockRef;
use crate::config::Genesis;
use crate::ids::{Digest, KeyId, NetworkId, VersionId};
use crate::info::{RoundKind, Trigger};
use crate::ledger::{KeyState, Ledger};
use crate::limits;
use crate::memory::Memory;
use crate::output::Output;
use crate::round::{Round, Versions};

const PART_BYTES_MAX: usize = 1 << 20;
const COUNT_MAX: usize = 1 << 20;

impl Ledger {
    /// Is every running round without records, so that a snapshot says everything?
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let fresh = |round: &Round| round.trigger().round() == self.head.height;
        self.keys.values().all(|state| state.round.as_ref().is_none_or(fresh))
    }

    /// The bytes of a ledger that is at rest.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::DKG_LEDGER).fixed(&self.network.0).fixed(&self.anchor);
        writer = writer.u64(self.head.height).fixed(&self.head.hash.0).list(self.configs.len());
        for config in &self.configs {
            writer = writer.bytes(&config.encode());
        }
        writer = writer.list(self.keys.len());
        for (key, state) in &self.keys {
            writer = write_key(writer.fixed(&key.0), state);
        }
        writer = writer.list(self.apps.len());
        for ((key, _), app) in &self.apps {
            writer = writer.fixed(&key.0).bytes(&app.encode());
        }
        writer.finish()
    }

    /// Reads a ledger that was at rest.
    ///
    /// # Errors
    /// [`Decode`] if the bytes are damaged.
    pub fn restore(bytes: &[u8], memory: &Memory) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_LEDGER)?;
        let mut ledger = Self::new(NetworkId(reader.fixed()?), reader.fixed()?);
        ledger.head = BlockRef { height: reader.u64()?, hash: Digest(reader.fixed()?) };
        for _ in 0..reader.list(COUNT_MAX)? {
            let config = memory.config(reader.bytes(PART_BYTES_MAX)?)?;
            ledger.operators.extend(config.roster.iter().map(|member| (member.address, member.key.clone())));
            ledger.config_digest = config.digest();
            ledger.configs.push(config);
        }
        for _ in 0..reader.list(limits::KEYS_MAX)? {
            let key = KeyId(reader.fixed()?);
            let state = ledger.read_key(key, &mut reader)?;
            ledger.keys.insert(key, state);
        }
        for _ in 0..reader.list(COUNT_MAX)? {
            let key = KeyId(reader.fixed()?);
            let app = App::decode(reader.bytes(PART_BYTES_MAX)?)?;
            ledger.apps.insert((key, app.id.clone()), app);
        }
        reader.finish()?;
        Ok(ledger)
    }

    fn read_key(&self, key: KeyId, reader: &mut Reader<'_>) -> Result<KeyState, Decode> {
        let genesis = Genesis::decode(reader.bytes(PART_BYTES_MAX)?)?;
        let (active, settled) = (read_output(reader)?, read_output(reader)?);
        let short = Some(VersionId(reader.fixed()?)).filter(|version| !version.is_zero());
        let active_since = (reader.u64()?, reader.u64()?);
        let is_open = reader.u8()? == 1;
        // One allocation for both if they are the same version.
        let settled = if settled == active { active.clone() } else { settled };
        let versions = Versions { active, settled, short };
        let round = if is_open { Some(self.reopened(key, &versions)?) } else { None };
        Ok(KeyState { genesis, versions, active_since, round, last: None })
    }

    /// A round that was open and empty began at the head.
    fn reopened(&self, key: KeyId, versions: &Versions) -> Result<Round, Decode> {
        let config = self.config().cloned().ok_or(Decode::Value)?;
        let kind = if versions.active.is_some() { RoundKind::Reshare } else { RoundKind::Genesis };
        let (network, block, config_digest) = (self.network, self.head, self.config_digest);
        Ok(Round::open(Trigger { network, key, kind, block, config, config_digest }))
    }
}

fn write_key(writer: Writer, state: &KeyState) -> Writer {
    let versions = &state.versions;
    let writer = writer.bytes(&state.genesis.encode());
    let writer = write_output(write_output(writer, versions.active.as_ref()), versions.settled.as_ref());
    let writer = writer.fixed(&versions.short.unwrap_or_default().0);
    let (height, time_ms) = state.active_since;
    writer.u64(height).u64(time_ms).u8(u8::from(state.round.is_some()))
}

fn write_output(writer: Writer, output: Option<&Arc<Output>>) -> Writer {
    writer.bytes(&output.map(|output| output.encode()).unwrap_or_default())
}

fn read_output(reader: &mut Reader<'_>) -> Result<Option<Arc<Output>>, Decode> {
    match reader.bytes(PART_BYTES_MAX)? {
        [] => Ok(None),
        bytes => Ok(Some(Arc::new(Output::decode(bytes)?))),
    }
}
