//! The point that a dealer and a player agree on: `S = r*E1 = e*R`.

use quorumkeep_curves::bls::{G1, SecretScalar};
use zeroize::Zeroizing;

/// `secret * theirs` for all of theirs, affine inside: encoding them costs one inversion in all.
pub(crate) fn agree_all<'a>(secret: &SecretScalar, theirs: impl Iterator<Item = &'a G1>) -> Zeroizing<Vec<G1>> {
    let mut points = Zeroizing::new(theirs.map(|theirs| agree(secret, theirs)).collect::<Vec<_>>());
    G1::normalize(&mut points);
    points
}

/// `secret * theirs`.
#[cfg(not(feature = "danger_memory"))]
pub(crate) fn agree(secret: &SecretScalar, theirs: &G1) -> G1 {
    theirs.mul_secret(secret)
}

#[cfg(feature = "danger_memory")]
pub(crate) use shared::agree;
#[cfg(feature = "danger_memory")]
pub use shared::share;

/// In the simulator dealer and player are one process, which computes their point once.
#[cfg(feature = "danger_memory")]
mod shared {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{G1, SecretScalar};

    /// After so many points all are forgotten.
    const POINTS_MAX: usize = 10_000;
    /// How few pairs are computed by both sides all the same.
    const BOTH_ONE_IN: u8 = 64;

    static IS_SHARED: AtomicBool = AtomicBool::new(false);

    thread_local! {
        static OWN: RefCell<HashMap<[u8; 32], [u8; 48]>> = RefCell::default();
        static AGREED: RefCell<HashMap<[[u8; 48]; 2], G1>> = RefCell::default();
    }

    /// From now on every thread keeps the points that its dealers and players agree on.
    ///
    /// # Security
    /// For the simulator only: secrets lie around.
    pub fn share() {
        IS_SHARED.store(true, Ordering::Relaxed);
    }

    /// `secret * theirs`.
    pub(crate) fn agree(secret: &SecretScalar, theirs: &G1) -> G1 {
        if !IS_SHARED.load(Ordering::Relaxed) {
            return theirs.mul_secret(secret);
        }
        let mut pair = [own_point(secret), theirs.to_bytes()];
        pair.sort_unstable();
        if pair.iter().fold(0, |sum: u8, point| sum.wrapping_add(point.last().copied().unwrap_or(0))) % BOTH_ONE_IN == 0
        {
            return theirs.mul_secret(secret);
        }
        recall(&AGREED, pair, || theirs.mul_secret(secret))
    }

    /// `secret * G1`.
    fn own_point(secret: &SecretScalar) -> [u8; 48] {
        recall(&OWN, *secret.expose(), || secret.mul_g1().to_bytes())
    }

    type Memo<K, V> = std::thread::LocalKey<RefCell<HashMap<K, V>>>;

    fn recall<K: Eq + std::hash::Hash, V: Copy>(memo: &'static Memo<K, V>, key: K, compute: impl FnOnce() -> V) -> V {
        memo.with_borrow_mut(|known| {
            if known.len() >= POINTS_MAX {
                known.clear();
            }
            *known.entry(key).or_insert_with(compute)
        })
    }
}
