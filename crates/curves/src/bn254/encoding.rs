//! Coordinates as 32 big-endian bytes, canonical only.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};

use crate::enc::Decode;

fn limbs(bytes: &[u8; 32]) -> BigInt<4> {
    let mut out = [0; 4];
    let (words, _) = bytes.as_chunks::<8>();
    for (limb, word) in out.iter_mut().rev().zip(words) {
        *limb = u64::from_be_bytes(*word);
    }
    BigInt::new(out)
}

fn integer_to_bytes(integer: BigInt<4>) -> [u8; 32] {
    let mut out = [0; 32];
    for (word, limb) in out.chunks_exact_mut(8).zip(integer.0.iter().rev()) {
        word.copy_from_slice(&limb.to_be_bytes());
    }
    out
}

fn fq_from_bytes(bytes: &[u8; 32]) -> Result<Fq, Decode> {
    Fq::from_bigint(limbs(bytes)).ok_or(Decode::NotCanonical)
}

fn fq_to_bytes(value: Fq) -> [u8; 32] {
    integer_to_bytes(value.into_bigint())
}

pub(super) fn fr_from_bytes(bytes: &[u8; 32]) -> Result<Fr, Decode> {
    Fr::from_bigint(limbs(bytes)).ok_or(Decode::ScalarRange)
}

pub(super) fn fr_to_bytes(value: Fr) -> [u8; 32] {
    integer_to_bytes(value.into_bigint())
}

/// `x || y`; the identity cannot occur and would be all zero, as in the EVM.
pub(super) fn g1_to_bytes(point: &G1Affine) -> [u8; 64] {
    let (x, y) = point.xy().unwrap_or_default();
    join([x, y].map(fq_to_bytes))
}

/// `XA1 || XA0 || YA1 || YA0`.
pub(super) fn g2_to_bytes(point: &G2Affine) -> [u8; 128] {
    let (x, y) = point.xy().unwrap_or_default();
    join([x.c1, x.c0, y.c1, y.c0].map(fq_to_bytes))
}

fn join<const N: usize, const M: usize>(words: [[u8; 32]; N]) -> [u8; M] {
    let mut out = [0; M];
    for (chunk, word) in out.chunks_exact_mut(32).zip(&words) {
        chunk.copy_from_slice(word);
    }
    out
}

/// On the curve, canonical, not the identity. G1 has cofactor 1: no subgroup to check.
pub(super) fn g1_from_bytes(bytes: &[u8; 64]) -> Result<G1Affine, Decode> {
    let (words, _) = bytes.as_chunks::<32>();
    let [x, y] = words else {
        return Err(Decode::Truncated);
    };
    if bytes == &[0; 64] {
        return Err(Decode::Identity);
    }
    let point = G1Affine::new_unchecked(fq_from_bytes(x)?, fq_from_bytes(y)?);
    if !point.is_on_curve() {
        return Err(Decode::NotOnCurve);
    }
    Ok(point)
}

/// On the curve, in the subgroup, canonical, not the identity.
pub(super) fn g2_from_bytes(bytes: &[u8; 128]) -> Result<G2Affine, Decode> {
    let (words, _) = bytes.as_chunks::<32>();
    let [x1, x0, y1, y0] = words else {
        return Err(Decode::Truncated);
    };
    if bytes == &[0; 128] {
        return Err(Decode::Identity);
    }
    let x = Fq2::new(fq_from_bytes(x0)?, fq_from_bytes(x1)?);
    let y = Fq2::new(fq_from_bytes(y0)?, fq_from_bytes(y1)?);
    let point = G2Affine::new_unchecked(x, y);
    if !point.is_on_curve() {
        return Err(Decode::NotOnCurve);
    }
    if !point.is_in_correct_subgroup_assuming_on_curve() {
        return Err(Decode::NotInSubgroup);
    }
    Ok(point)
}
