//! Counting per peer address: what is in use, what is done how often, and requests that failed a signature check.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered at a time.
const ADDRESSES_MAX: usize = 4096;

/// Who an address counts as: an IPv6 peer owns at least a /64 network, so that is what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
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

/// Something of which each source has a part: connections, requests under way, bytes that are being sent.
///
/// This machine itself has another part: a whole network may run on one.
#[derive(Debug, Clone)]
pub struct Shares {
    each: usize,
    local: usize,
    total: usize,
    used: Arc<Mutex<Used>>,
}

#[derive(Debug, Default)]
struct Used {
    total: usize,
    by: HashMap<Source, usize>,
}

impl Shares {
    /// `each` for a source, `local` for this machine, `total` for all together.
    #[must_use]
    pub fn new(each: usize, local: usize, total: usize) -> Self {
        Self { each, local, total, used: Arc::default() }
    }

    /// Takes `amount`, unless the source or all together would have too much.
    #[must_use]
    pub fn take(&self, address: IpAddr, amount: usize) -> Option<Taken> {
        let (source, mut used) = (Source::of(address), self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let max = if source.0.is_loopback() { self.local } else { self.each };
        let own = used.by.get(&source).map_or(amount, |own| own.saturating_add(amount));
        let total = used.total.saturating_add(amount);
        if own > max || total > self.total {
            return None;
        }
        used.total = total;
        used.by.insert(source, own);
        Some(Taken { shares: self.clone(), source, amount })
    }
}

/// What was taken; dropping it gives it back.
#[derive(Debug)]
pub struct Taken {
    shares: Shares,
    source: Source,
    amount: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut used = self.shares.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.total = used.total.saturating_sub(self.amount);
        if let Some(own) = used.by.get_mut(&self.source) {
            *own = own.saturating_sub(self.amount);
            if *own == 0 {
                used.by.remove(&self.source);
            }
        }
    }
}

/// How often something may be done within a window of time, by one source and by all together.
#[derive(Debug, Clone)]
pub struct Rate {
    each: Strikes,
    all: Strikes,
}

impl Rate {
    /// At most `each` times for a source and `all` times together within `window`.
    #[must_use]
    pub fn new(each: u32, all: u32, window: Duration) -> Self {
        Self { each: Strikes::new(each, window), all: Strikes::new(all, window) }
    }

    /// May this address do it once more? Counts it if so.
    #[must_use]
    pub fn take_one(&self, address: IpAddr) -> bool {
        let free = self.each.allows(address);
        if free {
            self.each.add(address);
        }
        free
    }

    /// May it be done once more at all? Counts it if so.
    #[must_use]
    pub fn take_any(&self) -> bool {
        let nobody = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let free = self.all.allows(nobody);
        if free {
            self.all.add(nobody);
        }
        free
    }
}

/// What is left in a bucket, and when that was counted.
type Level = (Instant, f64);

/// How often callers may ask: so often at once, and then so often a second. Callers are whatever tells them apart.
///
/// Of more callers than are remembered the new ones have one bucket together, until others have been quiet for long enough.
#[derive(Debug, Clone)]
pub struct Buckets<K> {
    burst: f64,
    per_second: f64,
    // None: whoever is not remembered.
    levels: Arc<Mutex<HashMap<Option<K>, Level>>>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// `burst` at once, `per_second` after that.
    #[must_use]
    pub fn new(burst: u32, per_second: u32) -> Self {
        Self { burst: burst.into(), per_second: per_second.into(), levels: Arc::default() }
    }

    /// May this caller ask once more? Counts it if so.
    #[must_use]
    pub fn take(&self, caller: &K) -> bool {
        self.take_at(caller, Instant::now())
    }

    fn take_at(&self, caller: &K, now: Instant) -> bool {
        let level = |(since, left): &Level| {
            (left + now.saturating_duration_since(*since).as_secs_f64() * self.per_second).min(self.burst)
        };
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place = Some(caller.clone());
        if levels.len() >= ADDRESSES_MAX && !levels.contains_key(&place) {
            levels.retain(|_, known| level(known) < self.burst);
            if levels.len() >= ADDRESSES_MAX {
                place = None;
            }
        }
        let left = levels.get(&place).map_or(self.burst, level);
        let free = left >= 1.0;
        levels.insert(place, (now, if free { left - 1.0 } else { left }));
        free
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
    fn every_source_has_its_part_and_gives_it_back() {
        let shares = Shares::new(2, 3, 4);
        let [one, two, here] = ["10.0.0.1", "10.0.0.2", "127.0.0.1"].map(|text| text.parse().unwrap());
        let first = shares.take(one, 1).unwrap();
        let second = shares.take(one, 1).unwrap();
        assert!(shares.take(one, 1).is_none());
        let other = shares.take(two, 2).unwrap();
        assert!(shares.take(here, 1).is_none(), "all together have four");
        drop((first, other));
        assert!(shares.take(one, 2).is_none());
        assert!(shares.take(one, 1).is_some());
        assert!(shares.take(here, 3).is_some(), "a whole network may run on one machine");
        drop(second);
        assert!(shares.used.lock().unwrap().by.is_empty());
    }

    #[test]
    fn a_rate_is_for_each_and_for_all() {
        let rate = Rate::new(2, 3, Duration::from_secs(60));
        let [one, two] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        assert_eq!([rate.take_one(one), rate.take_one(one), rate.take_one(one)], [true, true, false]);
        assert!(rate.take_one(two));
        assert_eq!([0; 4].map(|_| rate.take_any()), [true, true, true, false]);
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let (buckets, start) = (Buckets::new(3, 2), Instant::now());
        let take = |caller: u32, ms: u64| buckets.take_at(&caller, start + Duration::from_millis(ms));
        assert_eq!([0; 4].map(|_| take(1, 0)), [true, true, true, false]);
        assert!(take(2, 0), "another caller has another bucket");
        assert!(!take(1, 400) && take(1, 500) && !take(1, 600), "two a second");
        assert_eq!([0; 4].map(|_| take(1, 60_000)), [true, true, true, false], "never more than at the start");
    }

    /// As many strangers as they like take neither memory nor the buckets of those who are known.
    #[test]
    fn strangers_beyond_number_share_one_bucket() {
        let (buckets, now) = (Buckets::new(2, 1), Instant::now());
        assert!(buckets.take_at(&0, now));
        let strangers = u32::try_from(ADDRESSES_MAX).unwrap() + 100;
        let admitted = (1..strangers).filter(|caller| buckets.take_at(caller, now)).count();
        assert_eq!(admitted, ADDRESSES_MAX - 1 + 2);
        assert_eq!(buckets.levels.lock().unwrap().len(), ADDRESSES_MAX + 1);
        assert!(buckets.take_at(&0, now) && !buckets.take_at(&0, now));
        let later = now + Duration::from_secs(60);
        assert!(buckets.take_at(&strangers, later));
        assert_eq!(buckets.levels.lock().unwrap().len(), 1, "whoever is quiet is forgotten");
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
