//! `quorumkeep network key`: one more key of a network.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_dkg::config::Genesis;
use quorumkeep_dkg::ids::KeyId;

use super::network::publish;
use crate::draft::Draft;
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, block_on};
use crate::report::Report;

/// Shown below the options.
pub const HELP: &str = "\
Example:
  quorumkeep network key --network network.json --name vault --out vault.json
  quorumkeep network sign --draft vault.json --operator-dir ./op1     (at least t operators of today)
  quorumkeep network submit --draft vault.json --network network.json
It is generated at the next interval boundary, by the protocol of the configuration in force; to migrate from feldman to
pedersen, run quorumkeep network change --protocol pedersen first. The keys that exist are handed on as before.";

/// Arguments of `network key`.
#[derive(Args)]
pub struct NewKey {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// The name of the new key.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How many operators must take part in its generation, t + b to n [default: all].
    #[arg(long, value_name = "N")]
    players_min: Option<u16>,
    /// Where the draft goes.
    #[arg(long, value_name = "FILE", default_value = "key.json")]
    out: PathBuf,
}

impl NewKey {
    /// Drafts it.
    pub fn run(self) -> Result<Report> {
        block_on(self.draft())
    }

    async fn draft(self) -> Result<Report> {
        let net = Net::open_with_board(&self.network).await?;
        let (network, config) = (net.session.file().network, net.session.config());
        let key = KeyId::derive(&network, &self.name);
        if net.session.governance().has_key(&key) {
            return Err(Failure::new(
                Code::Refused,
                format!("the key \"{}\" exists; a key is generated once", self.name),
            ));
        }
        let n = u16::try_from(config.n()).unwrap_or(u16::MAX);
        let genesis = Genesis { name: self.name, players_min: self.players_min.unwrap_or(n) };
        genesis.check(config)?;
        let draft = Draft::new(network, config).with_genesis(&genesis);
        let report = publish(&draft, &self.out)?.field("name", genesis.name).field("key", key);
        Ok(report.field("protocol", config.protocol.name()))
    }
}
