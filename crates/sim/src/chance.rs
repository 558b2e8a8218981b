//! Seeded choices.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

/// A number below `bound`; 0 if there is none.
pub fn below(rng: &mut ChaCha20Rng, bound: usize) -> usize {
    if bound == 0 { 0 } else { (rng.next_u64() % bound as u64) as usize }
}

/// A number of `low..=high`.
pub fn between(rng: &mut ChaCha20Rng, low: usize, high: usize) -> usize {
    low + below(rng, high.saturating_sub(low) + 1)
}

/// True `per_mille` times of a thousand.
pub fn happens(rng: &mut ChaCha20Rng, per_mille: usize) -> bool {
    below(rng, 1000) < per_mille
}

/// One of these.
pub fn pick<T: Copy>(rng: &mut ChaCha20Rng, list: &[T]) -> Option<T> {
    list.get(below(rng, list.len())).copied()
}

/// Any order.
pub fn shuffle<T>(rng: &mut ChaCha20Rng, list: &mut [T]) {
    for last in (1..list.len()).rev() {
        list.swap(last, below(rng, last + 1));
    }
}

/// `count` different ones, in any order.
pub fn sample<T: Copy>(rng: &mut ChaCha20Rng, list: &[T], count: usize) -> Vec<T> {
    let mut all = list.to_vec();
    shuffle(rng, &mut all);
    all.truncate(count);
    all
}
