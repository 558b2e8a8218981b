//! Recovery of an application key from partial signatures.
//!
//! Optimistic: interpolate any `t` partials and check the result once against the group key. Only if that fails are
//! the partials verified against their public shares; the bad ones are named and the good ones go on. So a client pays
//! two pairings in the ordinary case, and one liar can delay but never hide.

use quorumkeep_curves::bls::{G1, G2, Scalar, pairing_eq};
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::schnorr::batch_coefficient;
use quorumkeep_curves::tags;
use quorumkeep_sharing::{Index, Threshold, lagrange};
use zeroize::{Zeroize, Zeroizing};

use crate::key::{AppKey, PartialSignature, verify_partial};

/// Why no application key came out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Fewer distinct indices than the threshold.
    #[error("{have} partial signatures, {need} are needed")]
    TooFew {
        /// Distinct indices given.
        have: usize,
        /// The threshold.
        need: u16,
    },
    /// One index occurs twice, among the partials or among the public shares.
    #[error("index {} occurs twice", .index.get())]
    Duplicate {
        /// The index.
        index: Index,
    },
    /// A partial of an index without a public share.
    #[error("index {} has no public share in this version", .index.get())]
    Unknown {
        /// The index.
        index: Index,
    },
    /// Too few partials remain after the bad ones are put aside.
    #[error("{} bad partial signatures, too few good ones remain", .culprits.len())]
    Bad {
        /// Who sent a partial that does not verify against his public share, in ascending order.
        culprits: Vec<Index>,
    },
    /// The partials verify but do not make the group's key: public shares and group key are not of one version.
    #[error("the public shares do not belong to the group key")]
    GroupKey,
}

/// A recovered key and who tried to prevent it.
pub struct Recovered {
    /// The application key, verified against the group key.
    pub key: AppKey,
    /// Senders of bad partials, in ascending order; empty if nobody had to be looked at.
    pub culprits: Vec<Index>,
}

/// `sigma = sum lambda_j sigma_j`, verified by `e(sigma, G2) = e(Q, Y)`.
///
/// `public_shares` are the `Y_j` of all players of *one* version, whose constant is `group_key`.
///
/// # Errors
/// See [`RecoverError`]. Bad partials are an error only if fewer than `threshold` good ones remain; [`recover_named`]
/// names them in the other case too.
pub fn recover(
    threshold: Threshold,
    q: &G1,
    group_key: &G2,
    public_shares: &[(Index, G2)],
    partials: &[(Index, PartialSignature)],
) -> Result<AppKey, RecoverError> {
    recover_named(threshold, q, group_key, public_shares, partials).map(|recovered| recovered.key)
}

/// [`recover`], naming the senders of bad partials also when the key came out in spite of them.
///
/// # Errors
/// See [`RecoverError`].
pub fn recover_named(
    threshold: Threshold,
    q: &G1,
    group_key: &G2,
    public_shares: &[(Index, G2)],
    partials: &[(Index, PartialSignature)],
) -> Result<Recovered, RecoverError> {
    let need = threshold.get();
    let with_shares = match_shares(public_shares, partials)?;
    if with_shares.len() < usize::from(need) {
        return Err(RecoverError::TooFew { have: with_shares.len(), need });
    }
    if let Some(key) = interpolate(need, q, group_key, &with_shares) {
        return Ok(Recovered { key, culprits: Vec::new() });
    }
    let mut culprits = Vec::new();
    name_bad(q, &with_shares, &mut culprits);
    let good: Vec<Item<'_>> = with_shares.into_iter().filter(|item| !culprits.contains(&item.index)).collect();
    if good.len() < usize::from(need) {
        return Err(RecoverError::Bad { culprits });
    }
    match interpolate(need, q, group_key, &good) {
        Some(key) => Ok(Recovered { key, culprits }),
        None => Err(RecoverError::GroupKey),
    }
}

/// A partial beside the public share it answers to.
struct Item<'a> {
    index: Index,
    public_share: &'a G2,
    partial: &'a PartialSignature,
}

/// Pairs every partial with its public share, in ascending order of index; refuses repeated and unknown indices.
fn match_shares<'a>(
    public_shares: &'a [(Index, G2)],
    partials: &'a [(Index, PartialSignature)],
) -> Result<Vec<Item<'a>>, RecoverError> {
    let shares = sorted_distinct(public_shares)?;
    let partials = sorted_distinct(partials)?;
    partials
        .into_iter()
        .map(|(index, partial)| {
            let found = shares.binary_search_by_key(&index.get(), |(held, _)| held.get());
            let public_share = found.ok().and_then(|position| shares.get(position)).map(|(_, share)| *share);
            public_share
                .map(|public_share| Item { index, public_share, partial })
                .ok_or(RecoverError::Unknown { index })
        })
        .collect()
}

/// The items by ascending index, once each.
fn sorted_distinct<T>(items: &[(Index, T)]) -> Result<Vec<(Index, &T)>, RecoverError> {
    let mut sorted: Vec<(Index, &T)> = items.iter().map(|(index, item)| (*index, item)).collect();
    sorted.sort_by_key(|(index, _)| index.get());
    for pair in sorted.windows(2) {
        if let [(left, _), (right, _)] = pair
            && left == right
        {
            return Err(RecoverError::Duplicate { index: *left });
        }
    }
    Ok(sorted)
}

/// From this many partials on, combinations of both halves cost less than the verification of each.
const HALVE_MIN: usize = 8;

/// Appends the senders of bad partials, in the order of the items, of which one is bad: halves without a bad one are
/// passed over at once, so that one liar among `t` costs about `2 log2 t` verifications; as many liars as there can be
/// cost twice `t`. If none is bad after all, none is named.
fn name_bad(q: &G1, items: &[Item<'_>], culprits: &mut Vec<Index>) {
    if items.len() < HALVE_MIN {
        let bad = items.iter().filter(|item| !verify_partial(item.public_share, q, item.partial));
        culprits.extend(bad.map(|item| item.index));
        return;
    }
    let (left, right) = items.split_at(items.len() / 2);
    let left_holds = all_hold(q, left);
    if !left_holds {
        name_bad(q, left, culprits);
    }
    // What is bad and not on the left is on the right.
    if left_holds || !all_hold(q, right) {
        name_bad(q, right, culprits);
    }
}

/// `e(sum rho_j sigma_j, G2) = e(Q, sum rho_j Y_j)`, the 128-bit `rho_j` hashed from all of it: a bad partial passes with
/// probability `2^-128` per attempt of whoever sends it.
fn all_hold(q: &G1, items: &[Item<'_>]) -> bool {
    if q.is_identity() || items.iter().any(|item| item.public_share.is_identity()) {
        return false;
    }
    let writer = Writer::new(tags::IBE_PARTIALS_BATCH).point(q).list(items.len());
    let write = |writer: Writer, item: &Item<'_>| writer.point(item.public_share).fixed(&*item.partial.expose());
    let preimage = Zeroizing::new(items.iter().fold(writer, write).finish());
    let seed = keccak256(&preimage);
    let rho: Vec<Scalar> = (0_u32..).take(items.len()).map(|number| batch_coefficient(&seed, number)).collect();
    let partials: Zeroizing<Vec<G1>> = Zeroizing::new(items.iter().map(|item| *item.partial.point()).collect());
    let shares: Vec<G2> = items.iter().map(|item| *item.public_share).collect();
    pairing_eq(&G1::msm(&partials, &rho), &G2::generator(), q, &G2::msm(&shares, &rho))
}

/// The first `need` items at zero, if the result is the key of `q` under the group key.
fn interpolate(need: u16, q: &G1, group_key: &G2, items: &[Item<'_>]) -> Option<AppKey> {
    let chosen = items.iter().take(usize::from(need)).map(|item| (item.index, *item.partial.point()));
    let mut chosen: Vec<(Index, G1)> = chosen.collect();
    let sum = lagrange::interpolate_g1(&chosen);
    chosen.iter_mut().for_each(|(_, point)| point.zeroize());
    let key = AppKey::from_point(sum.ok()?);
    key.verify(q, group_key).then_some(key)
}
