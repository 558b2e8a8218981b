//! What a client does with a network: who is in it, which group key, and an application's key from partial signatures.
//!
//! ```text
//! network file -> board: Config chain -> nodes: /status (which Config is in force)
//!              -> nodes: /pubkey   (t signed answers name one group key; pinned at first use)
//!              -> nodes: /app/sign (partials of one version, each verified against its Y_j) -> e(sigma,G2) = e(Q,mpk)
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`governance`] | the Config chain, folded from the board |
//! | [`agreement`] | group key and version that `t` operators sign |
//! | [`application`] | epoch, format and policy that `t` operators report |
//! | [`partials`] | partial signatures of one version, to an application key |
//! | [`error`] | what can go wrong, by what to do |
//!
//! # Security
//!
//! Every node is pinned to its BN254 key in the Config chain, which hangs on the network id. The board can withhold a new
//! Config, not invent one. Fewer than `t` operators can neither show another group key nor an application's older epoch. A node that reports a newer
//! Config than the board shows is believed at once: nothing goes on with operators who may be out of office, and no group
//! key is pinned while the board is not read.
//! Nothing here writes a file: whoever gets a new group key pins it ([`crate::network::NetworkFile::pin`]).

pub mod agreement;
pub mod application;
pub mod error;
pub mod governance;
mod nodes;
pub mod partials;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::ids::{Address, Digest, KeyId};

use crate::client::BoardClient;
use crate::network::NetworkFile;

pub use agreement::Agreement;
pub use application::Application;
pub use error::{Answer, Outcome, SessionError};
pub use governance::Governance;
pub use nodes::{NodeClient, NodeReport};
pub use partials::{AppKeyRequest, ReleasedKey};

/// A client of one network.
pub struct Session {
    file: NetworkFile,
    board: BoardClient,
    governance: Governance,
    in_force: Arc<Config>,
    reports: Vec<NodeReport>,
    board_error: Option<crate::client::Error>,
}

impl Session {
    /// Reads the governance of the network and asks every node for its status.
    ///
    /// A board that cannot be reached is no error as long as the network still has its first configuration: nodes answer
    /// without it. [`Session::board_error`] tells.
    ///
    /// # Errors
    ///
    /// [`SessionError::ForeignBoard`] and [`SessionError::Board`].
    pub async fn open(file: NetworkFile) -> Result<Self, SessionError> {
        let board = Self::board_of(&file)?;
        let (governance, board_error) = match board.governance().await {
            Ok(records) => (Governance::fold(&file, &records)?, None),
            Err(error) if error.pin_error().is_some() => return Err(SessionError::ForeignBoard(error)),
            Err(error) => (Governance::first(&file), Some(error)),
        };
        let in_force = governance.newest().clone();
        let mut session = Self { file, board, governance, in_force, reports: Vec::new(), board_error };
        session.refresh().await?;
        Ok(session)
    }

    /// The client of the network's board, with the key that the file pins.
    ///
    /// # Errors
    ///
    /// [`SessionError::OrdererKey`], [`SessionError::Tls`].
    pub fn board_of(file: &NetworkFile) -> Result<BoardClient, SessionError> {
        let key = VerifyingKey::from_bytes(&file.orderer()).map_err(|_| SessionError::OrdererKey)?;
        Ok(BoardClient::new(file.network, key, &file.board)?)
    }

    /// Asks every node for its status again, and looks which configuration is in force.
    ///
    /// Nodes may know a configuration that the board was read a moment too early for, so it is read once more.
    ///
    /// # Errors
    ///
    /// [`SessionError::Tls`], [`SessionError::StaleGovernance`].
    pub async fn refresh(&mut self) -> Result<(), SessionError> {
        self.ask_all().await?;
        let known = self.governance.sequence_max();
        let ahead = |report: &NodeReport| report.status().is_some_and(|status| status.config_sequence > Some(known));
        if !self.reports.iter().any(ahead) {
            return Ok(());
        }
        if let Ok(records) = self.board.governance().await {
            self.governance = Governance::fold(&self.file, &records)?;
            self.board_error = None;
            self.ask_all().await?;
        }
        self.check_governance()
    }

    /// Does nobody report a configuration that the board did not show?
    ///
    /// One is enough while the board was not read. When it was, and twice, it takes `t`: fewer may all be liars, who could
    /// otherwise keep every client away.
    fn check_governance(&self) -> Result<(), SessionError> {
        let known = self.governance.sequence_max();
        let newer = |report: &NodeReport| {
            let reported = report.status()?.config_sequence?;
            (reported > known).then_some((report.node.address, reported))
        };
        let newer: Vec<_> = self.reports.iter().filter_map(newer).collect();
        let enough = if self.board_error.is_some() { 1 } else { usize::from(self.in_force.threshold.get()) };
        match newer.first() {
            Some((node, reported)) if newer.len() >= enough => {
                Err(SessionError::StaleGovernance { node: *node, reported: *reported, known })
            }
            _ => Ok(()),
        }
    }

    async fn ask_all(&mut self) -> Result<(), SessionError> {
        let asked = self.members_of(&self.in_force.clone())?;
        self.reports = nodes::statuses(asked).await;
        let reported = self.governance.in_force(&self.reports).unwrap_or_else(|| self.governance.newest().clone());
        if reported.digest() != self.in_force.digest() {
            self.in_force = reported;
            let asked = self.members_of(&self.in_force.clone())?;
            self.reports = nodes::statuses(asked).await;
        }
        Ok(())
    }

    /// Reads the board again, then [`Session::refresh`].
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub async fn reread(&mut self) -> Result<(), SessionError> {
        let records = self.board.governance().await.map_err(SessionError::Board)?;
        self.governance = Governance::fold(&self.file, &records)?;
        self.board_error = None;
        self.refresh().await
    }

    /// The network file.
    #[must_use]
    pub fn file(&self) -> &NetworkFile {
        &self.file
    }

    /// The board.
    #[must_use]
    pub fn board(&self) -> &BoardClient {
        &self.board
    }

    /// Why the board was not read, if it was not.
    #[must_use]
    pub fn board_error(&self) -> Option<&crate::client::Error> {
        self.board_error.as_ref()
    }

    /// All configurations that the board shows.
    #[must_use]
    pub fn governance(&self) -> &Governance {
        &self.governance
    }

    /// The configuration that `t` of its nodes report as in force; the newest of the board if they do not answer.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.in_force
    }

    /// What the nodes answered, in the order of the roster.
    #[must_use]
    pub fn reports(&self) -> &[NodeReport] {
        &self.reports
    }

    /// How many nodes report this configuration as the one in force.
    #[must_use]
    pub fn reporting(&self, config: &Digest) -> usize {
        self.reports.iter().filter_map(|report| report.status()).filter(|status| status.config == *config).count()
    }

    /// The id of the key of this name.
    #[must_use]
    pub fn key_id(&self, name: &str) -> KeyId {
        KeyId::derive(&self.file.network, name)
    }

    /// `t` of the configuration in force.
    pub(crate) fn threshold(&self) -> usize {
        self.in_force.threshold.as_usize()
    }

    fn members_of(&self, config: &Config) -> Result<Vec<NodeClient>, SessionError> {
        config.roster.iter().map(|member| NodeClient::new(&self.file.network, member)).collect()
    }

    /// A client of the node of everyone who is or was an operator.
    pub(crate) fn node(&self, address: &Address) -> Option<NodeClient> {
        let known = self.reports.iter().find(|report| report.node.address == *address);
        if let Some(report) = known {
            return Some(report.node.clone());
        }
        NodeClient::new(&self.file.network, self.governance.member(address)?).ok()
    }
}
