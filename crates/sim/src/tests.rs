//! Replay.

use crate::strategies::Kind;
use crate::world::World;

fn trace(seed: u64, kind: Kind) -> [u8; 32] {
    let mut world = World::new(seed, kind, 2, false);
    world.run().map_err(|violation| violation.what).unwrap().trace
}

#[test]
fn one_seed_gives_one_history() {
    for (seed, kind) in [(1, Kind::Honest), (2, Kind::BadDealing), (3, Kind::CloneNode)] {
        assert_eq!(trace(seed, kind), trace(seed, kind));
        assert_ne!(trace(seed, kind), trace(seed + 1, kind));
    }
}
