//! One level of sharing: `T` of `N` values with a digest, as it is used for groups and for members.

use hmac::{Hmac, Mac};
use rand_core::CryptoRngCore;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::gf256::{interpolate, random_bytes};

const SECRET: u8 = 255;
const DIGEST: u8 = 254;
const DIGEST_BYTES: usize = 4;

/// A value at its index.
pub(super) type Point<'a> = (u8, &'a [u8]);

/// `n` values at 0..n; with `t = 1` each is the secret itself.
pub(super) fn share(secret: &[u8], t: u8, n: u8, rng: &mut impl CryptoRngCore) -> Vec<Zeroizing<Vec<u8>>> {
    if t == 1 {
        return (0..n).map(|_| Zeroizing::new(secret.to_vec())).collect();
    }
    let random = t - 2;
    let digest = with_digest(&random_bytes(secret.len() - DIGEST_BYTES, rng), secret);
    let mut values: Vec<_> = (0..random).map(|_| random_bytes(secret.len(), rng)).collect();
    let given: Vec<Zeroizing<Vec<u8>>> = values.clone();
    let mut base: Vec<Point<'_>> = (0..).zip(given.iter().map(|value| value.as_slice())).collect();
    base.extend([(DIGEST, digest.as_slice()), (SECRET, secret)]);
    // The indices are distinct and the values of one length.
    values.extend((random..n).filter_map(|x| interpolate(&base, x).ok()));
    values
}

/// `HMAC(R, S)[..4] || R`.
fn with_digest(random: &[u8], secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(secret.len()));
    bytes.extend_from_slice(&digest(random, secret));
    bytes.extend_from_slice(random);
    bytes
}

fn digest(random: &[u8], secret: &[u8]) -> [u8; DIGEST_BYTES] {
    // A key of any length is a key of HMAC.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(random) else { return [0; DIGEST_BYTES] };
    let hash: [u8; 32] = mac.chain_update(secret).finalize().into_bytes().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// The secret, and the places of the points that contradict it. The points have distinct indices and one length, and there are
/// at least `t`. None if no `t` of them have a right digest.
pub(super) fn recover(t: u8, points: &[Point<'_>]) -> Option<(Zeroizing<Vec<u8>>, Vec<usize>)> {
    let (_, first) = points.first()?;
    if t == 1 {
        let same = points.iter().all(|(_, value)| bool::from(value.ct_eq(first)));
        return same.then(|| (Zeroizing::new(first.to_vec()), Vec::new()));
    }
    let mut subset: Vec<usize> = (0..usize::from(t)).collect();
    loop {
        let chosen: Vec<Point<'_>> = subset.iter().filter_map(|place| points.get(*place).copied()).collect();
        if let Some(secret) = open(&chosen) {
            let bad = |place: &usize| !points.get(*place).is_some_and(|point| lies_on(&chosen, *point));
            return Some((secret, (0..points.len()).filter(bad).collect()));
        }
        advance(&mut subset, points.len())?;
    }
}

fn open(points: &[Point<'_>]) -> Option<Zeroizing<Vec<u8>>> {
    let secret = interpolate(points, SECRET).ok()?;
    let digest_share = interpolate(points, DIGEST).ok()?;
    let (stated, random) = digest_share.split_at_checked(DIGEST_BYTES)?;
    bool::from(digest(random, &secret).ct_eq(stated)).then_some(secret)
}

fn lies_on(points: &[Point<'_>], (x, value): Point<'_>) -> bool {
    interpolate(points, x).is_ok_and(|expected| expected.ct_eq(value).into())
}

/// The next choice of as many places below `n`, in order; None after the last.
fn advance(subset: &mut [usize], n: usize) -> Option<()> {
    let t = subset.len();
    let movable = (0..t).rev().find(|place| subset.get(*place).is_some_and(|value| value + t < n + place))?;
    let next = subset.get(movable)? + 1;
    subset.iter_mut().skip(movable).zip(next..).for_each(|(value, new)| *value = new);
    Some(())
}
