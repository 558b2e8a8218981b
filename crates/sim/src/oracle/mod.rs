//! The judge: knows every secret, sees every board, and says which promise was broken.
//!
//! | part | promises |
//! |---|---|
//! | [`board`](self) | the first record counts; honest dealers are in `D`; openings unveil no honest dealing; a holder deals |
//! | [`secrets`] | shares fit, every `t` of them recover the key, no mixture does; the key never changes or vanishes |
//! | [`agreement`] | nodes that read the same blocks say the same; nobody without fault halts |
//! | [`liveness`] | in the calm a round succeeds within two |

mod agreement;
mod board;
mod liveness;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorumkeep_curves::bls::{G2, Scalar};
use quorumkeep_dkg::ids::{Address, Digest, VersionId};
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::output::Output;
use quorumkeep_sharing::Index;

use crate::Violation;
use crate::world::World;

/// What the judge remembers.
#[derive(Default)]
pub struct Oracle {
    /// Points whose discrete logarithm the liars know.
    pub known_to_liars: Vec<G2>,
    info: Option<Arc<Info>>,
    first_deals: BTreeMap<Address, Digest>,
    in_time: BTreeSet<Address>,
    complaints: Vec<(Address, Address)>,
    honest_points: BTreeMap<[u8; 48], Address>,
    configs: BTreeMap<u64, Digest>,
    versions: BTreeMap<VersionId, Arc<Output>>,
    history: Vec<VersionId>,
    shares: BTreeMap<VersionId, BTreeMap<Index, Scalar>>,
    group_key: Option<G2>,
    secret: Option<Scalar>,
    is_settled: bool,
    calm: liveness::Calm,
}

impl Oracle {
    /// Looks at a block that nobody has handled yet.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn read_block(&mut self, world: &World, chain: usize, events: &[Event]) -> Result<(), Violation> {
        if chain == 0 {
            self.read_records(world);
            self.read_config(world)?;
            self.count_rounds(world, events)?;
        }
        for event in events {
            match event {
                Event::Announced(..) if chain == 0 => self.check_announced(world)?,
                Event::Dealt(..) if chain == 0 => self.check_dealt(world)?,
                Event::Result(..) if chain == 0 => self.check_result(world)?,
                Event::Activated(_, output) => {
                    self.check_holders(world, output)?;
                    self.check_activated(output)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks at the machines after they handled a block.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn after_block(&mut self, world: &World, events: &[Event]) -> Result<(), Violation> {
        self.collect_shares(world)?;
        for event in events {
            if let Event::Activated(_, output) = event {
                self.check_recovery(output)?;
            }
        }
        self.check_agreement(world)?;
        self.check_key_lives(world)
    }
}
