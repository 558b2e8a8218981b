//! Counting per peer address: open connections, and requests that failed a signature check.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered at a time.
const ADDRESSES_MAX: usize = 4096;

/// Who an address counts as: an IPv6 peer owns at least a /64 network, so that is what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let mut octets = v6.octets();
                octets.iter_mut().skip(8).for_each(|byte| *byte = 0);
                Self(IpAddr::V6(Ipv6Addr::from(octets)))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// How many connections each source has.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Arc<Mutex<HashMap<Source, usize>>>);

impl Counts {
    /// Counts one more connection of `source`, unless it has `max` already.
    pub(super) fn enter(&self, source: Source, max: usize) -> Option<Entered> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Entered { counts: self.clone(), source })
    }
}

/// One counted connection; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Entered {
    counts: Counts,
    source: Source,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// Remembers which addresses sent things whose refusal was expensive (a wrong signature costs a pairing).
///
/// After `max` strikes within `window` an address is blocked until its window ends.
#[derive(Debug, Clone)]
pub struct Strikes {
    max: u32,
    window: Duration,
    seen: Arc<Mutex<HashMap<Source, (Instant, u32)>>>,
}

impl Strikes {
    /// At most `max` per `window`.
    #[must_use]
    pub fn new(max: u32, window: Duration) -> Self {
        Self { max, window, seen: Arc::default() }
    }

    /// May this address go on?
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&Source::of(address)).is_none_or(|(since, count)| since.elapsed() >= self.window || *count < self.max)
    }

    /// Counts one.
    pub fn add(&self, address: IpAddr) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= ADDRESSES_MAX {
            seen.retain(|_, (since, _)| since.elapsed() < self.window);
        }
        let source = Source::of(address);
        if seen.len() >= ADDRESSES_MAX && !seen.contains_key(&source) {
            return;
        }
        let entry = seen.entry(source).or_insert_with(|| (Instant::now(), 0));
        if entry.0.elapsed() >= self.window {
            *entry = (Instant::now(), 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_per_source_and_given_back() {
        let counts = Counts::default();
        let source = Source::of("10.0.0.1".parse().unwrap());
        let first = counts.enter(source, 2).unwrap();
        let _second = counts.enter(source, 2).unwrap();
        assert!(counts.enter(source, 2).is_none());
        assert!(counts.enter(Source::of("10.0.0.2".parse().unwrap()), 2).is_some());
        drop(first);
        assert!(counts.enter(source, 2).is_some());
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn strikes_end_with_their_window() {
        let strikes = Strikes::new(2, Duration::from_millis(50));
        let address = "10.0.0.1".parse().unwrap();
        strikes.add(address);
        assert!(strikes.allows(address));
        strikes.add(address);
        assert!(!strikes.allows(address));
        assert!(strikes.allows("10.0.0.2".parse().unwrap()));
        std::thread::sleep(Duration::from_millis(60));
        assert!(strikes.allows(address));
    }
}
