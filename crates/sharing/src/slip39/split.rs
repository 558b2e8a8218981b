//! A new set.

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::cipher::{Passphrase, encrypt};
use super::recover::share;
use super::{COUNT_MAX, Error, Header, SECRET_BYTES_MAX, SECRET_BYTES_MIN, Share};

/// The highest exponent that four bits hold.
const EXPONENT_MAX: u8 = 15;

/// How the share of one group is shared among its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Members that are needed.
    pub threshold: u8,
    /// Members; 1 if the threshold is 1.
    pub count: u8,
}

/// How a secret is shared.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Groups that are needed.
    pub threshold: u8,
    /// The groups, 1 to 16.
    pub groups: Vec<Group>,
    /// The work against guessing a passphrase is `10000 * 2^e` iterations.
    pub exponent: u8,
}

impl Plan {
    /// One group, `t` of `n`, with the exponent of the reference.
    #[must_use]
    pub fn simple(t: u8, n: u8) -> Self {
        Self { threshold: 1, groups: vec![Group { threshold: t, count: n }], exponent: 1 }
    }

    /// Can it be carried out?
    ///
    /// # Errors
    /// [`Error::Threshold`], [`Error::OneOfMany`], [`Error::Exponent`].
    pub fn check(&self) -> Result<(), Error> {
        check_threshold(self.threshold, self.groups.len())?;
        for group in &self.groups {
            check_threshold(group.threshold, group.count.into())?;
            if group.threshold == 1 && group.count > 1 {
                return Err(Error::OneOfMany(group.count));
            }
        }
        let (exponent, most) = (self.exponent, EXPONENT_MAX);
        if exponent > most { Err(Error::Exponent { exponent, most }) } else { Ok(()) }
    }
}

fn check_threshold(t: u8, n: usize) -> Result<(), Error> {
    if t == 0 || usize::from(t) > n || n > usize::from(COUNT_MAX) { Err(Error::Threshold { t, n }) } else { Ok(()) }
}

/// Encrypts and shares a secret: the shares of each group. New sets are extendable.
///
/// # Errors
/// [`Error`]: a plan that cannot be carried out, a secret that is not 128 to 256 bits of an even number of bytes.
pub fn split(
    secret: &[u8],
    passphrase: &Passphrase<'_>,
    plan: &Plan,
    rng: &mut impl CryptoRngCore,
) -> Result<Vec<Vec<Share>>, Error> {
    plan.check()?;
    if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) || secret.len() % 2 == 1 {
        return Err(Error::Secret(secret.len()));
    }
    let group_count = plan.groups.len() as u8;
    let mut header = Header {
        identifier: rng.next_u32() as u16 & 0x7fff,
        extendable: true,
        exponent: plan.exponent,
        group: 0,
        group_threshold: plan.threshold,
        group_count,
        member: 0,
        member_threshold: 1,
    };
    let encrypted = encrypt(secret, passphrase, header.setting());
    let values = share(&encrypted, plan.threshold, group_count, rng);
    let mut groups = Vec::with_capacity(values.len());
    for ((number, group), value) in (0..).zip(&plan.groups).zip(values) {
        (header.group, header.member_threshold) = (number, group.threshold);
        groups.push(members(header, &share(&value, group.threshold, group.count, rng)));
    }
    Ok(groups)
}

fn members(header: Header, values: &[Zeroizing<Vec<u8>>]) -> Vec<Share> {
    (0..)
        .zip(values)
        .map(|(member, value)| Share { header: Header { member, ..header }, value: value.clone() })
        .collect()
}
