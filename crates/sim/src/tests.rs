//! Replay, and networks in which nothing may go wrong.

use crate::strategies::Kind;
use crate::world::World;

#[test]
fn one_seed_gives_one_history() {
    for seed in 1..4 {
        let trace = |_| World::new(seed, Kind::Honest, 2, false).run().map(|tally| tally.trace).map_err(|v| v.what);
        assert_eq!(trace(0), trace(1));
    }
}
