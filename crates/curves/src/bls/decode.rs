//! Decoded points whose subgroup check is still owed.
//!
//! Decoding a list and checking it are two steps so that the check can be done for many points at once.

use super::{Group, subgroup};
use crate::enc::{Decode, Writer};
use crate::rules::{self, Rule};

/// A point that came from outside: canonically encoded, on the curve, not the identity, its subgroup unchecked.
///
/// # Security
///
/// Nothing can be computed with it. [`OnCurve::check`], [`check_all`] and [`check_many`] are the only ways on, and the only
/// ways from bytes to a point.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct OnCurve<G: Group>(G::Affine);

/// The point at `index` is not in the subgroup of prime order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("point {index} is not in the subgroup of prime order")]
pub struct NotInSubgroup {
    /// Position in the list that was checked.
    pub index: usize,
}

impl From<NotInSubgroup> for Decode {
    fn from(_: NotInSubgroup) -> Self {
        Self::NotInSubgroup
    }
}

impl<G: Group> OnCurve<G> {
    /// Decodes the compressed form, `G::COMPRESSED` bytes.
    ///
    /// # Errors
    ///
    /// Refuses what is not the one canonical encoding of a point on the curve other than the identity.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Decode> {
        G::affine_from_compressed(bytes).map(Self)
    }

    /// Decodes the uncompressed form, `G::UNCOMPRESSED` bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::from_slice`].
    pub fn from_uncompressed_slice(bytes: &[u8]) -> Result<Self, Decode> {
        G::affine_from_uncompressed(bytes).map(Self)
    }

    /// Appends the compressed form, which is what is hashed. Encoding needs no subgroup.
    pub fn write(&self, writer: Writer) -> Writer {
        writer.point(&G::from_affine(&self.0))
    }

    /// The point, after its subgroup check.
    ///
    /// # Errors
    ///
    /// [`Decode::NotInSubgroup`].
    pub fn check(self) -> Result<G, Decode> {
        if rules::on(Rule::SubgroupCheck) && !G::in_subgroup(&self.0) {
            return Err(Decode::NotInSubgroup);
        }
        Ok(G::from_affine(&self.0))
    }
}

/// The points, after their subgroup checks: one by one, or in G2 together if there are many ([`check_many`]).
///
/// # Errors
///
/// [`NotInSubgroup`] with the position of the first point that is not in the subgroup.
pub fn check_all<G: Group>(points: &[OnCurve<G>]) -> Result<Vec<G>, NotInSubgroup> {
    check_many(&[points]).pop().unwrap_or_else(|| Ok(Vec::new()))
}

/// The points of several lists, after their subgroup checks, each list with its own answer.
///
/// Of 112 points of G2 or more all are checked together, which costs a fraction; only if that fails are they checked one
/// by one, to name the bad ones. So a bad point costs at most twice what it would otherwise.
///
/// # Errors
///
/// For a list with points that are not in the subgroup: [`NotInSubgroup`] with the position of the first.
///
/// # Security
///
/// A point outside the subgroup gets through with probability below `2^-128`, per attempt of whoever chooses the points.
pub fn check_many<G: Group>(lists: &[&[OnCurve<G>]]) -> Vec<Result<Vec<G>, NotInSubgroup>> {
    let points = || lists.iter().flat_map(|list| list.iter().map(|point| point.0));
    let many = G::BATCHED_CHECKS && points().count() >= subgroup::BATCH_MIN;
    let trusted =
        many && rules::on(Rule::SubgroupCheck) && subgroup::all_in_subgroup::<G>(&points().collect::<Vec<_>>());
    let of_list = |list: &&[OnCurve<G>]| match trusted {
        true => Ok(list.iter().map(|point| G::from_affine(&point.0)).collect()),
        false => check_each(list),
    };
    lists.iter().map(of_list).collect()
}

fn check_each<G: Group>(points: &[OnCurve<G>]) -> Result<Vec<G>, NotInSubgroup> {
    let checked = points.iter().enumerate();
    checked.map(|(index, point)| point.check().map_err(|_| NotInSubgroup { index })).collect()
}

/// Flag bits of the ZCash format, in the first byte.
const COMPRESSED_FLAG: u8 = 0x80;
const INFINITY_FLAG: u8 = 0x40;
const SIGN_FLAG: u8 = 0x20;

/// Refuses the form and the flags that do not belong to it before blst sees them.
pub(super) fn check_flags(bytes: &[u8], compressed: bool) -> Result<(), Decode> {
    let first = bytes.first().ok_or(Decode::Truncated)?;
    if (first & COMPRESSED_FLAG != 0) != compressed {
        return Err(Decode::NotCanonical);
    }
    if first & INFINITY_FLAG != 0 {
        return Err(Decode::Identity);
    }
    if !compressed && first & SIGN_FLAG != 0 {
        return Err(Decode::NotCanonical);
    }
    Ok(())
}

pub(super) fn refused(error: blst::BLST_ERROR) -> Decode {
    match error {
        blst::BLST_ERROR::BLST_POINT_NOT_ON_CURVE => Decode::NotOnCurve,
        blst::BLST_ERROR::BLST_PK_IS_INFINITY => Decode::Identity,
        _ => Decode::NotCanonical,
    }
}
