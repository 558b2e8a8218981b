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

/// The coefficients `a_0 .. a_{t-1}` of the polynomial through `t` public points.
///
/// `f = sum_i y_i prod_{j != i} (x - x_j) / (x_i - x_j)`, every product divided out of `prod_j (x - x_j)`: `O(t^2)`.
///
/// # Errors
///
/// [`Error::Duplicate`], [`Error::Empty`].
pub fn coefficients(points: &[(Index, Scalar)]) -> Result<Vec<Scalar>, Error> {
    if points.is_empty() {
        return Err(Error::Empty);
    }
    let xs: Vec<Scalar> = points.iter().map(|(index, _)| index.to_scalar()).collect();
    let vanishing = vanishing(&xs);
    let mut sum = vec![Scalar::zero(); points.len()];
    for (x, (_, y)) in xs.iter().zip(points) {
        let quotient = divide(&vanishing, x);
        let at_x = quotient.iter().rev().fold(Scalar::zero(), |value, coefficient| value * *x + *coefficient);
        let factor = *y * at_x.invert().ok_or(Error::Duplicate)?;
        sum.iter_mut().zip(&quotient).for_each(|(total, coefficient)| *total += factor * *coefficient);
    }
    Ok(sum)
}

/// `prod_j (x - x_j)`, constant first.
fn vanishing(xs: &[Scalar]) -> Vec<Scalar> {
    let mut product = vec![Scalar::one()];
    for x in xs {
        let shifted = core::iter::once(Scalar::zero()).chain(product.iter().copied());
        let scaled = product.iter().map(|coefficient| *coefficient * *x).chain(core::iter::once(Scalar::zero()));
        product = shifted.zip(scaled).map(|(up, down)| up - down).collect();
    }
    product
}

/// `polynomial / (x - root)`, which leaves no remainder: synthetic division from the top.
fn divide(polynomial: &[Scalar], root: &Scalar) -> Vec<Scalar> {
    let mut carry = Scalar::zero();
    let mut quotient: Vec<Scalar> = polynomial
        .iter()
        .skip(1)
        .rev()
        .map(|coefficient| {
            carry = carry * *root + *coefficient;
            carry
        })
        .collect();
    quotient.reverse();
    quotient
}
