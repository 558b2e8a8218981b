//! Lagrange interpolation at 0.
//!
//! `f(0) = sum lambda_i f(x_i)` with `lambda_i = prod_{j != i} x_j / (x_j - x_i)`.
//!
//! Points are interpolated with cleared denominators: for small indices the `lambda_i` have a small common denominator
//! `L`, so `w_i = L lambda_i` are short integers; a sum with short factors and one multiplication by `1/L` cost less
//! than a sum with 255-bit factors.

use quorumkeep_curves::bls::{G1, G2, Group, Scalar, SecretScalar};

use crate::commitment::column;
use crate::weights::Weights;
use crate::{Commitment, Error, Index};

/// `lambda_i` at 0 for these indices, in their order.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Empty`].
pub fn at_zero(indices: &[Index]) -> Result<Vec<Scalar>, Error> {
    let points: Vec<Scalar> = indices.iter().map(|index| index.to_scalar()).collect();
    at_zero_scalars(&points)
}

/// `lambda_i` at 0 for any evaluation points, for outside formats whose points are hashes.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Zero`], [`Error::Empty`].
pub fn at_zero_scalars(points: &[Scalar]) -> Result<Vec<Scalar>, Error> {
    if points.is_empty() {
        return Err(Error::Empty);
    }
    if points.iter().any(Scalar::is_zero) {
        return Err(Error::Zero);
    }
    let product: Scalar = points.iter().copied().product();
    let coefficient = |(position, x): (usize, &Scalar)| {
        let others = points.iter().enumerate().filter(|(j, _)| *j != position);
        let differences: Scalar = others.map(|(_, y)| *y - *x).product();
        // lambda_i = (prod_j x_j) / (x_i prod_{j != i} (x_j - x_i))
        let denominator = (*x * differences).invert().ok_or(Error::Duplicate)?;
        Ok(product * denominator)
    };
    points.iter().enumerate().map(coefficient).collect()
}

/// The point at 0 of the polynomial through these points of G1.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Empty`].
pub fn interpolate_g1(points: &[(Index, G1)]) -> Result<G1, Error> {
    interpolate(points)
}

/// The point at 0 of the polynomial through these points of G2.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Empty`].
pub fn interpolate_g2(points: &[(Index, G2)]) -> Result<G2, Error> {
    interpolate(points)
}

fn interpolate<G: Group>(points: &[(Index, G)]) -> Result<G, Error> {
    let (indices, points): (Vec<Index>, Vec<G>) = points.iter().copied().unzip();
    Ok(Weights::new(&indices)?.combine(&points))
}

/// `C'_k = sum lambda_i C_{i,k}`: the commitment after a reshare, from those of its dealers.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Empty`], [`Error::Length`] when the commitments differ in length.
pub fn interpolate_commitments(commitments: &[(Index, &Commitment)]) -> Result<Commitment, Error> {
    let (indices, commitments): (Vec<Index>, Vec<&Commitment>) = commitments.iter().copied().unzip();
    let length = commitments.first().ok_or(Error::Empty)?.threshold();
    if commitments.iter().any(|c| c.threshold() != length) {
        return Err(Error::Length);
    }
    let weights = Weights::new(&indices)?;
    let combine = |k| weights.combine(&column(&commitments, k));
    Commitment::new((0..length).map(combine).collect())
}

/// `f(0)` from shares or dealings: the secret itself.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Empty`].
///
/// # Security
///
/// Constant-time in the secrets. The result is a master secret or a new share; think before calling.
pub fn interpolate_secret(shares: &[(Index, &SecretScalar)]) -> Result<SecretScalar, Error> {
    let indices: Vec<Index> = shares.iter().map(|(index, _)| *index).collect();
    let lambdas = at_zero(&indices)?;
    let terms = shares.iter().zip(&lambdas);
    Ok(terms.fold(SecretScalar::zero(), |sum, ((_, share), lambda)| sum.add(&share.mul_public(lambda))))
}
