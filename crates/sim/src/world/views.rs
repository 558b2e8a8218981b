//! What strategies and oracle look at.

use std::sync::Arc;

use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::ids::Address;
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::{KeyState, Ledger};
use quorumkeep_dkg::round::Round;

use super::World;
use crate::seat::Seat;

impl World {
    /// The height of the honest chain.
    pub fn height(&self) -> u64 {
        self.chains[0].height()
    }

    /// Is the strategy one that leaves the network alive?
    pub fn owes_liveness(&self) -> bool {
        self.plan.owes_liveness()
    }

    /// What the honest chain says.
    pub fn ledger(&self) -> &Ledger {
        &self.chains[0].ledger
    }

    /// What it says of the key.
    pub fn state(&self) -> Option<&KeyState> {
        self.ledger().keys().get(&self.key)
    }

    /// The running round.
    pub fn round(&self) -> Option<&Round> {
        self.state()?.round.as_ref()
    }

    /// What the running round is about, once its Announce window is closed.
    pub fn info(&self) -> Option<Arc<Info>> {
        Some(self.round()?.transcript()?.info().clone())
    }

    /// The configuration in force.
    pub fn config(&self) -> Option<Arc<Config>> {
        self.ledger().config().cloned()
    }

    /// The machines of liars.
    pub fn liars(&self) -> Vec<usize> {
        (0..self.seats.len()).filter(|place| !self.seats[*place].honest).collect()
    }

    /// The machines of operators without fault.
    pub fn sound(&self) -> Vec<usize> {
        (0..self.seats.len()).filter(|place| self.seats[*place].is_sound()).collect()
    }

    /// The machine of this operator.
    pub fn seat_of(&self, address: &Address) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.address() == *address)
    }
}
