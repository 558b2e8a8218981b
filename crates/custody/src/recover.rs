//! The key of a set from good shares: which of them are combined, and how much is tried if the dealer lied.
//!
//! Every share was compared with its commitment before, so that with an honest dealer the first group of shares that is tried gives
//! the key, however many there are. A dealer who committed to wrong shares is found out here: a group with such a share gives
//! another key, which is not recognised. With [`Scheme::Vss`] each share was compared with the polynomial, too, and there is
//! nothing to search. Else other groups are tried, but never more than [`GROUPS_MAX`]: among them, for each share, groups
//! without it, so that one wrong share among any number never prevents the recovery.

use zeroize::Zeroizing;

use crate::manifest::{Manifest, RecoverError};
use crate::recogniser;
use crate::scheme::Scheme;

/// Groups of shares that are combined at most.
pub const GROUPS_MAX: usize = 1000;

/// A good share and its index.
type Numbered<'a> = (u8, &'a [u8]);

/// A group of shares, by their places, and the key that it gives.
type Found = Result<(Vec<usize>, Zeroizing<Vec<u8>>), RecoverError>;

/// A key that was recognised.
pub struct Recovered {
    /// The key of the set.
    pub key: Zeroizing<Vec<u8>>,
    /// Shares that are what the dealer committed to, and contradict the key: the dealer lied.
    pub contradicting: Vec<u8>,
}

impl Manifest {
    /// The key of good shares: those that [`Manifest::open`] or [`Manifest::identify`] gave. Nothing is returned that is not
    /// recognised.
    ///
    /// # Errors
    /// [`RecoverError`].
    pub fn recover(&self, shares: &[Numbered<'_>]) -> Result<Zeroizing<Vec<u8>>, RecoverError> {
        Ok(self.recover_named(shares)?.key)
    }

    /// The same, with the shares that contradict the key.
    ///
    /// # Errors
    /// [`RecoverError`].
    pub fn recover_named(&self, shares: &[Numbered<'_>]) -> Result<Recovered, RecoverError> {
        let mut distinct = shares.to_vec();
        distinct.sort_by_key(|(index, _)| *index);
        distinct.dedup_by_key(|(index, _)| *index);
        let (good, needed) = (distinct.len(), self.threshold);
        if needed == 0 || good < usize::from(needed) {
            return Err(RecoverError::TooFew { good, needed });
        }
        let (group, key) = self.search(&distinct).0?;
        let is_secret = self.containers.is_empty();
        if self.public_key.as_ref().is_some_and(|public| is_secret && !public.matches(&key)) {
            return Err(RecoverError::PublicKey);
        }
        let contradicting = self.contradicting(&distinct, &group);
        Ok(Recovered { key, contradicting })
    }

    /// The first group that gives the key, and how many were tried.
    fn search(&self, shares: &[Numbered<'_>]) -> (Found, usize) {
        let most = if self.scheme == Scheme::Vss { 1 } else { GROUPS_MAX };
        let (mut groups, mut tried, mut failed) = (Groups::new(shares.len(), self.threshold.into()), 0, None);
        for group in groups.by_ref().take(most) {
            tried += 1;
            match self.key_of(shares, &group) {
                Ok(key) => return (Ok((group, key)), tried),
                Err(error @ RecoverError::NotRecognised) => failed = Some(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let gave_up = tried == GROUPS_MAX && groups.next().is_some();
        let error =
            if gave_up { RecoverError::GaveUp { tried } } else { failed.unwrap_or(RecoverError::NotRecognised) };
        (Err(error), tried)
    }

    fn key_of(&self, shares: &[Numbered<'_>], group: &[usize]) -> Result<Zeroizing<Vec<u8>>, RecoverError> {
        let chosen: Vec<&[u8]> = group.iter().filter_map(|at| shares.get(*at)).map(|(_, share)| *share).collect();
        let key = self.scheme.combine(self.threshold, &chosen)?;
        let right = recogniser::is_key(&self.key_hash, &self.nonce, &key);
        if right { Ok(key) } else { Err(RecoverError::NotRecognised) }
    }

    /// Each share beside the group takes the place of one in it.
    fn contradicting(&self, shares: &[Numbered<'_>], group: &[usize]) -> Vec<u8> {
        let fits = |at: usize| {
            let other: Vec<usize> = core::iter::once(at).chain(group.iter().skip(1).copied()).collect();
            self.key_of(shares, &other).is_ok()
        };
        let beside = shares.iter().enumerate().filter(|(at, _)| !group.contains(at) && !fits(*at));
        beside.map(|(_, (index, _))| *index).collect()
    }
}

/// Groups of `size` of `count` places: first those that follow each other in a circle, then all, in order.
struct Groups {
    count: usize,
    size: usize,
    turned: usize,
    next: Option<Vec<usize>>,
}

impl Groups {
    fn new(count: usize, size: usize) -> Self {
        // With all in one group there is one.
        let next = (count > size).then(|| (0..size).collect());
        Self { count, size, turned: 0, next }
    }

    fn advance(&self, mut group: Vec<usize>) -> Option<Vec<usize>> {
        let movable = group.iter().enumerate().rposition(|(place, at)| at + self.size < self.count + place)?;
        let first = group.get(movable)? + 1;
        group.iter_mut().skip(movable).zip(first..).for_each(|(at, new)| *at = new);
        Some(group)
    }
}

impl Iterator for Groups {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let circles = if self.count > self.size { self.count } else { 1 };
        if self.turned < circles {
            self.turned += 1;
            return Some((0..self.size).map(|at| (self.turned - 1 + at) % self.count).collect());
        }
        let group = self.next.take()?;
        self.next = self.advance(group.clone());
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::manifest::tests::{new_set_of, numbered};

    /// A set in which the dealer committed to wrong shares.
    fn lies(scheme: Scheme, threshold: u8, count: u8, liars: &[u8]) -> (Manifest, Vec<Zeroizing<Vec<u8>>>) {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let (right, wrong) = ([3; 32], [4; 32]);
        let (manifest, mut shares) = new_set_of(scheme, threshold, count, &right, &mut rng);
        let (_, others) = new_set_of(scheme, threshold, count, &wrong, &mut rng);
        for index in liars {
            let at = usize::from(*index) - 1;
            shares[at].clone_from(&others[at]);
        }
        (manifest, shares)
    }

    #[test]
    fn with_an_honest_dealer_one_group_is_tried() {
        for (scheme, count) in [(Scheme::Shamir, 200), (Scheme::Slip39, 16), (Scheme::Vss, 20)] {
            let (manifest, shares) = lies(scheme, 8, count, &[]);
            let (found, tried) = manifest.search(&numbered(&shares));
            assert_eq!((**found.unwrap().1 == [3; 32], tried), (true, 1), "{scheme:?}");
        }
    }

    #[test]
    fn a_lying_dealers_shares_are_named_and_the_secret_is_recovered() {
        for liars in [&[1][..], &[9], &[1, 2], &[3, 7, 9]] {
            let (manifest, shares) = lies(Scheme::Shamir, 4, 9, liars);
            let found = manifest.recover_named(&numbered(&shares)).unwrap();
            assert_eq!((**found.key == [3; 32], &*found.contradicting), (true, liars));
        }
        let (manifest, shares) = lies(Scheme::Shamir, 128, 255, &[1]);
        let (found, tried) = manifest.search(&numbered(&shares));
        assert!(found.is_ok() && tried == 2, "{tried}");
    }

    /// However he lies, the work is bounded, and it is said that it was not all.
    #[test]
    fn the_search_is_bounded_and_says_so() {
        let liars: Vec<u8> = (1..=60).step_by(4).collect();
        let (manifest, shares) = lies(Scheme::Shamir, 30, 60, &liars);
        let (found, tried) = manifest.search(&numbered(&shares));
        assert_eq!((found.unwrap_err(), tried), (RecoverError::GaveUp { tried: GROUPS_MAX }, GROUPS_MAX));
        // With a polynomial nothing is searched: a share that is not on it was refused before.
        let (manifest, shares) = lies(Scheme::Vss, 3, 6, &[1]);
        let (found, tried) = manifest.search(&numbered(&shares));
        assert_eq!((found.unwrap_err(), tried), (RecoverError::NotRecognised, 1));
    }

    #[test]
    fn groups_are_all_groups() {
        for (count, size) in [(3, 3), (5, 2), (6, 3), (7, 5)] {
            let mut all: Vec<Vec<usize>> = Groups::new(count, size).collect();
            assert!(all.len() < 100);
            all.iter_mut().for_each(|group| group.sort_unstable());
            all.sort();
            all.dedup();
            let expected = (1..=size).fold(1, |product, k| product * (count - size + k) / k);
            assert_eq!(all.len(), expected, "{count} {size}");
        }
    }
}
