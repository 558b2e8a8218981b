//! The secret of a pool of shares.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::cipher::{Passphrase, decrypt};
use super::recover::{Point, recover};
use super::{Error, Field, Header, Share};

/// The highest exponent that is accepted from outside unless more is allowed: about a second of work. 15 would be a minute.
pub const EXPONENT_MAX: u8 = 10;

/// What a pool of shares gives. Places count from 1.
pub struct Combined {
    /// The master secret. Another passphrase gives another one; compare it with what is known of it.
    pub secret: Zeroizing<Vec<u8>>,
    /// Shares that contradict the others: damaged, or of another set with the same identifier.
    pub bad: Vec<usize>,
    /// Shares that could not be checked: their group has too few members.
    pub unchecked: Vec<usize>,
}

/// A share and its place in the pool.
type Placed<'a> = (usize, &'a Share);

/// Decrypts what at least a threshold of shares of one set hold. Surplus shares are checked against the others: whatever
/// threshold has a right digest wins, and those that contradict it are named.
///
/// # Errors
/// [`Error`]; nothing is decrypted before all shares are known to be of one set, nor with more than `exponent_max`.
pub fn combine(shares: &[Share], passphrase: &Passphrase<'_>, exponent_max: u8) -> Result<Combined, Error> {
    let header = check_set(shares)?;
    let (exponent, most) = (header.exponent, exponent_max);
    if exponent > most {
        return Err(Error::Exponent { exponent, most });
    }
    let groups = groups(shares)?;
    let needed = usize::from(header.group_threshold);
    let (complete, short): (Vec<_>, Vec<_>) = groups.into_values().partition(|group| missing(group).is_none());
    if complete.len() < needed {
        let groups = short.iter().filter_map(|group| missing(group)).collect();
        return Err(Error::TooFew { complete: complete.len(), needed, groups });
    }
    let (encrypted, mut bad) = recover_groups(&header, &complete)?;
    bad.sort_unstable();
    let mut unchecked: Vec<usize> = short.iter().flatten().map(|(place, _)| *place).collect();
    unchecked.sort_unstable();
    Ok(Combined { secret: decrypt(&encrypted, passphrase, header.setting()), bad, unchecked })
}

/// Groups whose own digest is wrong count as missing; the others are checked against each other.
fn recover_groups(header: &Header, groups: &[Vec<Placed<'_>>]) -> Result<(Zeroizing<Vec<u8>>, Vec<usize>), Error> {
    let (mut bad, mut values, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups {
        let points: Vec<Point<'_>> =
            group.iter().map(|(_, share)| (share.header.member, share.value.as_slice())).collect();
        let threshold = group.first().map_or(1, |(_, share)| share.header.member_threshold);
        match recover(threshold, &points) {
            Some((value, contradicting)) => {
                bad.extend(contradicting.iter().filter_map(|at| Some(group.get(*at)?.0)));
                values.push((group, value));
            }
            None => wrong.extend(places(group)),
        }
    }
    let points: Vec<Point<'_>> =
        values.iter().filter_map(|(group, value)| Some((group.first()?.1.header.group, value.as_slice()))).collect();
    if points.len() < usize::from(header.group_threshold) {
        return Err(Error::Digest(wrong));
    }
    let all = || values.iter().flat_map(|(group, _)| places(group)).collect();
    let (encrypted, contradicting) = recover(header.group_threshold, &points).ok_or_else(|| Error::Digest(all()))?;
    bad.extend(contradicting.iter().filter_map(|at| values.get(*at)).flat_map(|(group, _)| places(group)));
    bad.extend(wrong);
    Ok((encrypted, bad))
}

fn places(group: &[Placed<'_>]) -> Vec<usize> {
    group.iter().map(|(place, _)| *place).collect()
}

/// The header that all shares have but for their place in it.
fn check_set(shares: &[Share]) -> Result<Header, Error> {
    let first = shares.first().ok_or(Error::Empty)?.header;
    type Read = fn(&Share) -> usize;
    let common: [(Field, Read); 6] = [
        (Field::Identifier, |share| share.header.identifier.into()),
        (Field::Extendable, |share| share.header.extendable.into()),
        (Field::Exponent, |share| share.header.exponent.into()),
        (Field::GroupThreshold, |share| share.header.group_threshold.into()),
        (Field::GroupCount, |share| share.header.group_count.into()),
        (Field::Length, |share| share.value.len()),
    ];
    let pool: Vec<Placed<'_>> = (1..).zip(shares).collect();
    common.into_iter().try_for_each(|(field, read)| check_same(field, read, &pool))?;
    Ok(first)
}

/// Names the shares that differ from what most have.
fn check_same(field: Field, read: fn(&Share) -> usize, pool: &[Placed<'_>]) -> Result<(), Error> {
    let mut votes = BTreeMap::<usize, usize>::new();
    pool.iter().for_each(|(_, share)| *votes.entry(read(share)).or_default() += 1);
    // Of equally many the value of the first share counts.
    let most = pool.iter().map(|(_, share)| read(share)).rev().max_by_key(|value| votes.get(value).copied());
    let differs = |(_, share): &&Placed<'_>| Some(read(share)) != most;
    let shares: Vec<usize> = pool.iter().filter(differs).map(|(place, _)| *place).collect();
    if shares.is_empty() { Ok(()) } else { Err(Error::Mixed { field, shares }) }
}

/// By group; nobody is in it twice, and all members state the same threshold.
fn groups(shares: &[Share]) -> Result<BTreeMap<u8, Vec<Placed<'_>>>, Error> {
    let mut groups = BTreeMap::<u8, Vec<Placed<'_>>>::new();
    for (place, share) in (1..).zip(shares) {
        let group = groups.entry(share.header.group).or_default();
        if let Some((first, _)) = group.iter().find(|(_, other)| other.header.member == share.header.member) {
            return Err(Error::Duplicate { first: *first, second: place });
        }
        group.push((place, share));
    }
    for group in groups.values() {
        check_same(Field::MemberThreshold, |share| share.header.member_threshold.into(), group)?;
    }
    Ok(groups)
}

/// A group with too few members: its number from 1, how many it has and needs.
fn missing(group: &[Placed<'_>]) -> Option<(u8, usize, usize)> {
    let (_, first) = group.first()?;
    let needed = usize::from(first.header.member_threshold);
    (group.len() < needed).then(|| (first.header.group + 1, group.len(), needed))
}
