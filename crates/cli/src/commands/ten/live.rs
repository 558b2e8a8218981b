//! What can be looked at before a restart: what answers already, and what L1 knows of the enclaves that live.

use clap::Args;
use quorumkeep_ten::preflight::{Answers, Living};
use quorumkeep_ten::source::registry::{Address, Enclave};
use quorumkeep_ten::source::{Client, Endpoint, Node, Registry};

use super::reach::Reach;
use crate::failure::Result;
use crate::net::block_on;

/// Where to look.
#[derive(Args)]
pub struct Live {
    /// The address of a node of the network: it is asked what it runs on, and should be silent; may be given several times.
    #[arg(long, value_name = "URL", conflicts_with = "gateway")]
    node: Vec<Endpoint>,
    /// An RPC of L1: it is asked what the enclave registry knows of enclaves that still live.
    #[arg(long, value_name = "URL", requires_all = ["registry", "enclave_id"], conflicts_with = "gateway")]
    l1_rpc: Option<Endpoint>,
    /// The address of NetworkEnclaveRegistry on L1.
    #[arg(long, value_name = "ADDRESS", requires = "l1_rpc")]
    registry: Option<Address>,
    /// An enclave that still lives, by its address on L1; may be given several times.
    #[arg(long, value_name = "ADDRESS", requires = "l1_rpc")]
    enclave_id: Vec<Address>,
    #[command(flatten)]
    reach: Reach,
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// What answers at which address.
    pub answers: Vec<(String, Answers)>,
    /// What L1 knows; none if it was not asked.
    pub enclaves: Option<Vec<Enclave>>,
}

impl Seen {
    /// The best of what L1 knows.
    pub fn living(&self) -> Option<Living> {
        self.enclaves.as_deref().map(Living::of)
    }
}

impl Live {
    /// Looks. That nothing answers at a node's address is good; an RPC of L1 has to answer.
    pub fn look(&self) -> Result<Seen> {
        if self.node.is_empty() && self.l1_rpc.is_none() {
            return Ok(Seen::default());
        }
        let client = self.reach.client()?;
        block_on(async { Ok(Seen { answers: self.nodes(&client).await, enclaves: self.enclaves(&client).await? }) })
    }

    async fn nodes(&self, client: &Client) -> Vec<(String, Answers)> {
        let mut answers = Vec::with_capacity(self.node.len());
        for at in &self.node {
            let asked = Node::new(client.clone(), at.clone()).rpc_key().await;
            answers.push((at.to_string(), Answers::of(&asked)));
        }
        answers
    }

    async fn enclaves(&self, client: &Client) -> Result<Option<Vec<Enclave>>> {
        let (Some(at), Some(contract)) = (&self.l1_rpc, self.registry) else { return Ok(None) };
        let registry = Registry::new(client.clone(), at.clone(), contract);
        let mut enclaves = Vec::with_capacity(self.enclave_id.len());
        for &enclave in &self.enclave_id {
            enclaves.push(registry.enclave(enclave).await?);
        }
        Ok(Some(enclaves))
    }
}
