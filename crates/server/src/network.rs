//! The network file: what a user or an operator is given from outside to find and to trust one network.
//!
//! ```json
//! {
//!   "network": "64 hex",
//!   "first_config": "hex of the first configuration",
//!   "board": "host:port",
//!   "orderer": "64 hex; absent unless the first orderer was replaced",
//!   "keys": { "main": { "id": "64 hex", "group_key": "192 hex; absent until it is pinned" } }
//! }
//! ```
//!
//! The network id pins everything else: the first configuration hashes to it together with the first orderer's key and
//! the salt inside. A group key is pinned at first use and never replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quorumkeep_curves::bls::G2;
use quorumkeep_dkg::config::{Config, ConfigError, is_socket};
use quorumkeep_dkg::ids::{Digest, KeyId, NetworkId};
use quorumkeep_store::files::{FilesError, write_atomic, write_new};
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

/// Bytes of a network file: a roster of 250 in hexadecimal and 64 keys fit.
const BYTES_MAX: u64 = 1024 * 1024;
/// A network file has nothing secret in it.
const MODE: u32 = 0o644;

/// The network file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] FilesError),
    /// It is not the JSON that it should be.
    #[error("{path} is not a network file: {source}")]
    Json {
        /// Where.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A field is not what it should be.
    #[error("{path} is not a usable network file: {what}")]
    Field {
        /// Where.
        path: PathBuf,
        /// Which field, and what is wrong with it.
        what: String,
    },
    /// The first configuration is not that of the network.
    #[error("{path}: {source}")]
    Config {
        /// Where.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
}

/// A network key never changes, but another one was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the group key of \"{name}\" is pinned to {pinned}, and the network now shows {found}")]
pub struct PinnedKeyDiffers {
    /// The name of the key.
    pub name: String,
    /// What the file says, hexadecimal.
    pub pinned: String,
    /// What was seen, hexadecimal.
    pub found: String,
}

/// A key of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkKey {
    /// Its id.
    pub id: KeyId,
    /// `A_0`, 96 bytes compressed in hexadecimal; absent until it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_key: Option<String>,
}

impl NetworkKey {
    /// The pinned group key.
    #[must_use]
    pub fn pinned(&self) -> Option<G2> {
        parse_group_key(self.group_key.as_deref()?)
    }
}

/// What is given from outside; see the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFile {
    /// The network id.
    pub network: NetworkId,
    /// The first configuration.
    pub first_config: Config,
    /// `host:port` of the board.
    pub board: String,
    /// The Ed25519 key of the present orderer, if it is not the first any more.
    pub orderer: Option<[u8; 32]>,
    /// The keys of the network by name.
    pub keys: BTreeMap<String, NetworkKey>,
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    network: NetworkId,
    first_config: String,
    board: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    orderer: Option<Digest>,
    #[serde(default)]
    keys: BTreeMap<String, NetworkKey>,
}

impl NetworkFile {
    /// The file of a network that begins with `first_config`, with one key.
    #[must_use]
    pub fn new(first_config: Config, board: String, key_name: &str) -> Self {
        let network = first_config.network_id();
        let key = NetworkKey { id: KeyId::derive(&network, key_name), group_key: None };
        Self { network, first_config, board, orderer: None, keys: BTreeMap::from([(key_name.to_owned(), key)]) }
    }

    /// The Ed25519 key of the network's first orderer.
    #[must_use]
    pub fn anchor(&self) -> [u8; 32] {
        self.first_config.orderer
    }

    /// The Ed25519 key of the orderer to talk to.
    #[must_use]
    pub fn orderer(&self) -> [u8; 32] {
        self.orderer.unwrap_or_else(|| self.anchor())
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// [`NetworkError`]; a field that is not known is an error.
    pub fn load(path: &Path) -> Result<Self, NetworkError> {
        let bytes = files::read_bounded(path, BYTES_MAX)?;
        let json = |source| NetworkError::Json { path: path.to_owned(), source };
        let text: Text = serde_json::from_slice(&bytes).map_err(json)?;
        let field = |what: &str| NetworkError::Field { path: path.to_owned(), what: what.to_owned() };
        let config = hex::decode(&text.first_config).map_err(|_| field("first_config is not hexadecimal"))?;
        let config = Config::decode(&config).map_err(|error| field(&format!("first_config: {error}")))?;
        let file = Self {
            network: text.network,
            first_config: config,
            board: text.board,
            orderer: text.orderer.map(|key| key.0),
            keys: text.keys,
        };
        file.check_config().map_err(|source| NetworkError::Config { path: path.to_owned(), source })?;
        file.check_fields().map_err(|what| field(&what))?;
        Ok(file)
    }

    /// Is the first configuration the one that the network id names?
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn check_config(&self) -> Result<(), ConfigError> {
        self.first_config.check_first(&self.network)
    }

    fn check_fields(&self) -> Result<(), String> {
        if !is_socket(&self.board) {
            return Err(format!("board is \"{}\" and not of the form host:port", self.board));
        }
        for (name, key) in &self.keys {
            if key.id != KeyId::derive(&self.network, name) {
                return Err(format!("keys.{name}.id is not the id of a key of this name in this network"));
            }
            if key.group_key.is_some() && key.pinned().is_none() {
                return Err(format!("keys.{name}.group_key is not a point of the group"));
            }
        }
        Ok(())
    }

    /// Writes the file in one step, replacing what is there.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), NetworkError> {
        Ok(write_atomic(path, &self.to_json(path)?, MODE)?)
    }

    /// Writes a new file in one step.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Write`] if there is one already.
    pub fn create(&self, path: &Path) -> Result<(), NetworkError> {
        Ok(write_new(path, &self.to_json(path)?, MODE)?)
    }

    fn to_json(&self, path: &Path) -> Result<Vec<u8>, NetworkError> {
        let text = Text {
            network: self.network,
            first_config: hex::encode(self.first_config.encode()),
            board: self.board.clone(),
            orderer: self.orderer.map(Digest),
            keys: self.keys.clone(),
        };
        let json = |source| NetworkError::Json { path: path.to_owned(), source };
        let mut bytes = serde_json::to_vec_pretty(&text).map_err(json)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Adds the key of this name, nothing pinned. Says whether it is new.
    pub fn add_key(&mut self, name: &str) -> bool {
        let id = KeyId::derive(&self.network, name);
        let is_new = !self.keys.contains_key(name);
        self.keys.entry(name.to_owned()).or_insert(NetworkKey { id, group_key: None });
        is_new
    }

    /// Takes `group_key` for the key `name`, or compares it with the one pinned before. Says whether it is new.
    ///
    /// # Errors
    ///
    /// [`PinnedKeyDiffers`]: an alarm. Nothing changes.
    pub fn pin(&mut self, name: &str, group_key: &G2) -> Result<bool, PinnedKeyDiffers> {
        self.add_key(name);
        let Some(key) = self.keys.get_mut(name) else { return Ok(false) };
        match key.pinned() {
            Some(pinned) if pinned == *group_key => Ok(false),
            Some(pinned) => Err(PinnedKeyDiffers {
                name: name.to_owned(),
                pinned: hex::encode(pinned.to_bytes()),
                found: hex::encode(group_key.to_bytes()),
            }),
            None => {
                key.group_key = Some(hex::encode(group_key.to_bytes()));
                Ok(true)
            }
        }
    }
}

fn parse_group_key(text: &str) -> Option<G2> {
    let bytes: [u8; 96] = hex::decode(text).ok()?.try_into().ok()?;
    G2::from_bytes(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use quorumkeep_curves::bls::Scalar;
    use quorumkeep_curves::bn254;
    use quorumkeep_dkg::config::{Authority, Member, Protocol, SUITE_BLS12381_G2, Windows};
    use quorumkeep_dkg::ids::Address;
    use quorumkeep_sharing::{Index, Threshold};
    use rand_core::OsRng;

    use super::*;

    fn config() -> Config {
        let member = |index: u16| {
            let secret = bn254::SecretKey::random(&mut OsRng);
            let address = Address::of(&secret.public());
            Member {
                index: Index::new(index).unwrap(),
                address,
                possession: secret.prove_possession(&address.0),
                key: secret.public(),
                socket: format!("127.0.0.1:{index}"),
            }
        };
        Config {
            sequence: 0,
            salt: [7; 32],
            previous: Digest::ZERO,
            threshold: Threshold::new(2, 3).unwrap(),
            protocol: Protocol::Feldman,
            suite: SUITE_BLS12381_G2,
            interval: 40,
            windows: Windows { announce: 10, deal: 10, complain: 10, confirm: 10 },
            settle_margin: 1,
            finality: 0,
            owners: Vec::new(),
            authority: Authority::Roster,
            orderer: [9; 32],
            last_index: 3,
            roster: vec![member(1), member(2), member(3)],
        }
    }

    #[test]
    fn a_file_is_read_back_and_pins_its_key_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        let mut file = NetworkFile::new(config(), "127.0.0.1:9000".to_owned(), "main");
        file.create(&path).unwrap();
        assert_eq!(NetworkFile::load(&path).unwrap(), file);
        assert!(matches!(file.create(&path), Err(NetworkError::Write(FilesError::Exists(_)))));
        let point = |value| G2::generator().mul(&Scalar::from_u64(value));
        assert!(file.pin("main", &point(5)).unwrap());
        assert!(!file.pin("main", &point(5)).unwrap());
        file.save(&path).unwrap();
        let mut read = NetworkFile::load(&path).unwrap();
        let error = read.pin("main", &point(6)).unwrap_err();
        assert_eq!(error.pinned, hex::encode(point(5).to_bytes()));
        assert_eq!(read, file, "nothing changes");
    }

    #[test]
    fn what_does_not_belong_to_the_network_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        NetworkFile::new(config(), "127.0.0.1:9000".to_owned(), "main").create(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let broken = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = json.clone();
            change(&mut json);
            std::fs::write(&path, json.to_string()).unwrap();
            NetworkFile::load(&path).unwrap_err()
        };
        let foreign = broken(&|json| json["network"] = "11".repeat(32).into());
        assert!(matches!(foreign, NetworkError::Config { source: ConfigError::NotTheAnchor, .. }));
        assert!(matches!(broken(&|json| json["extra"] = 1.into()), NetworkError::Json { .. }));
        assert!(matches!(broken(&|json| json["board"] = "nowhere".into()), NetworkError::Field { .. }));
        assert!(matches!(broken(&|json| json["keys"]["main"]["group_key"] = "00".into()), NetworkError::Field { .. }));
        assert!(matches!(
            broken(&|json| json["keys"]["other"] = json["keys"]["main"].clone()),
            NetworkError::Field { .. }
        ));
    }
}
