//! Subsets of a given size: all of them if they are few, else some.

use rand_chacha::ChaCha20Rng;

use crate::chance::sample;

/// The subsets of `size` elements, at most `max` of them.
pub fn of<T: Copy>(list: &[T], size: usize, max: usize, rng: &mut ChaCha20Rng) -> Vec<Vec<T>> {
    if size > list.len() {
        return Vec::new();
    }
    let mut count = 1usize;
    for k in 0..size {
        count = count.saturating_mul(list.len() - k) / (k + 1);
    }
    if count > max {
        return (0..max).map(|_| sample(rng, list, size)).collect();
    }
    let masks = 0u32..1 << list.len();
    let chosen = masks.filter(|mask| mask.count_ones() as usize == size);
    let select = |mask: u32| list.iter().enumerate().filter(move |(k, _)| mask >> k & 1 == 1).map(|(_, x)| *x);
    chosen.map(|mask| select(mask).collect()).collect()
}
