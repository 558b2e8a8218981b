//! What a node says of itself: public facts, for people and machines.

use quorumkeep_dkg::app::App;
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use quorumkeep_dkg::ledger::KeyState;
use quorumkeep_dkg::round::Phase;
use serde::{Deserialize, Serialize};

use crate::node::Node;
use crate::starting::StartingStatus;

/// Applications that a [`Status`] lists: strangers can register as many as they like.
pub const APPS_SHOWN_MAX: usize = 100;

/// One operator of the configuration in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperatorStatus {
    /// The evaluation point.
    pub index: u16,
    /// The operator.
    pub address: Address,
    /// `host:port`.
    pub socket: String,
}

/// A version of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionStatus {
    /// The version id.
    pub id: VersionId,
    /// The round that made it.
    pub round: u64,
    /// `t`.
    pub threshold: u16,
    /// `|P|`.
    pub players: usize,
    /// Does this node hold its share?
    pub held: bool,
}

/// A running round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoundStatus {
    /// The boundary height.
    pub round: u64,
    /// `announce`, `deal`, `complain`, `extract`, `reconstruct` or `confirm`.
    pub phase: String,
    /// Operators that announced.
    pub announced: usize,
    /// Deals on the board.
    pub deals: usize,
    /// Valid confirms on the board.
    pub confirms: usize,
    /// Receipts for this node's deal.
    pub receipts: usize,
}

/// A key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: KeyId,
    /// The group's public key, 96 bytes compressed in hexadecimal.
    pub group_key: Option<String>,
    /// The newest active version.
    pub active: Option<VersionStatus>,
    /// The newest settled version.
    pub settled: Option<VersionStatus>,
    /// The running round.
    pub round: Option<RoundStatus>,
    /// How the last round ended.
    pub last: Option<String>,
}

/// An application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppStatus {
    /// The key it belongs to.
    pub key: KeyId,
    /// Its id.
    pub id: String,
    /// Its epoch.
    pub epoch: u64,
    /// `age` or `eigenx`.
    pub format: String,
    /// `attested`, `owner` or `public`.
    pub policy: String,
}

impl AppStatus {
    /// What is said of `app`.
    #[must_use]
    pub fn new(key: &KeyId, app: &App) -> Self {
        Self {
            key: *key,
            id: app.id.clone(),
            epoch: app.epoch,
            format: format!("{:?}", app.format).to_lowercase(),
            policy: format!("{:?}", app.policy).to_lowercase(),
        }
    }
}

/// The whole picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The network.
    pub network: NetworkId,
    /// This node.
    pub address: Address,
    /// The height read.
    pub height: u64,
    /// The head read.
    pub head: Digest,
    /// The configuration in force.
    pub config: Digest,
    /// Its sequence number.
    pub config_sequence: Option<u64>,
    /// `t` of the configuration.
    pub threshold: Option<u16>,
    /// The roster.
    pub operators: Vec<OperatorStatus>,
    /// The keys.
    pub keys: Vec<KeyStatus>,
    /// The first [`APPS_SHOWN_MAX`] applications; `GET /app` tells of any.
    pub apps: Vec<AppStatus>,
    /// How many applications there are.
    #[serde(default)]
    pub apps_total: usize,
    /// Could this node produce a valid partial signature of every active version?
    pub ready: bool,
    /// Why it does not serve, if it does not.
    pub suspended: Option<String>,
    /// Has it stopped until a person has looked?
    pub halted: bool,
    /// How far it has come since its start, until it serves.
    #[serde(default)]
    pub starting: Option<StartingStatus>,
}

impl Node {
    /// What this node says of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let config = self.ledger.config();
        let operators = config.iter().flat_map(|config| &config.roster).map(|member| OperatorStatus {
            index: member.index.get(),
            address: member.address,
            socket: member.socket.clone(),
        });
        let apps = self.ledger.apps().iter().take(APPS_SHOWN_MAX).map(|((key, _), app)| AppStatus::new(key, app));
        Status {
            network: *self.ledger.network(),
            address: *self.operator.address(),
            height: self.head().height,
            head: self.head().hash,
            config: self.ledger.config_digest(),
            config_sequence: config.map(|config| config.sequence),
            threshold: config.map(|config| config.threshold.get()),
            operators: operators.collect(),
            keys: self.ledger.keys().iter().map(|(key, state)| self.key_status(key, state)).collect(),
            apps: apps.collect(),
            apps_total: self.ledger.apps().len(),
            ready: self.serving().is_ready(),
            suspended: self.suspension.as_ref().map(|suspension| suspension.reason.clone()),
            halted: self.is_halted(),
            starting: self.starting(),
        }
    }

    fn key_status(&self, key: &KeyId, state: &KeyState) -> KeyStatus {
        let version = |output: &std::sync::Arc<quorumkeep_dkg::output::Output>| VersionStatus {
            id: output.id(),
            round: output.round(),
            threshold: output.threshold().get(),
            players: output.shares().len(),
            held: self.shares.contains_key(&(*key, output.id())),
        };
        let last = state.last.as_ref().map(|(round, result)| match result {
            Ok(version) => format!("round {round}: version {version}"),
            Err(failure) => format!("round {round} failed: {failure}"),
        });
        KeyStatus {
            name: state.genesis.name.clone(),
            id: *key,
            group_key: state.group_key().map(|point| hex::encode(point.to_bytes())),
            active: state.versions.active.as_ref().map(version),
            settled: state.versions.settled.as_ref().map(version),
            round: self.round_status(key, state),
            last,
        }
    }

    fn round_status(&self, key: &KeyId, state: &KeyState) -> Option<RoundStatus> {
        let round = state.round.as_ref()?;
        let number = round.trigger().round();
        let phase = match round.phase_at(self.head().height + 1)? {
            Phase::Announce => "announce",
            Phase::Deal => "deal",
            Phase::Complain => "complain",
            Phase::Extract => "extract",
            Phase::Reconstruct => "reconstruct",
            Phase::Confirm => "confirm",
        };
        Some(RoundStatus {
            round: number,
            phase: phase.to_owned(),
            announced: round.announced().count(),
            deals: round.transcript().map_or(0, |transcript| transcript.deals().len()),
            confirms: round.transcript().map_or(0, |transcript| transcript.confirmed()),
            receipts: self.receipts(key, number),
        })
    }
}
