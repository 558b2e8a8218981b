//! The pairing `e: G1 x G2 -> Gt`.
//!
//! The final exponentiation has the exponent `3 (p^12 - 1) / r`, as in most libraries of this curve.

use blst::{blst_fp12, blst_p1_affine, blst_p2_affine};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::field::{Field, Limbs};
use super::{G1, G2, SecretScalar};
use crate::ffi::gt;

mod power;
mod prepared;

pub use prepared::{PreparedG2, pairing_eq_prepared, pairing_prepared};

/// An element of the target group, of order `r`.
///
/// # Security
///
/// It may be a secret (the mask of an encryption), so there is no `Debug`, and it can be wiped.
#[derive(Clone, Copy)]
pub struct Gt(blst_fp12);

impl Gt {
    /// 1.
    #[must_use]
    pub fn one() -> Self {
        Self(gt::one())
    }

    /// `self * other`.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        Self(gt::mul(&self.0, &other.0))
    }

    /// `self^secret`, constant-time in the secret: four digits of 64 bits at once, every table row read for every bit.
    #[must_use]
    pub fn pow_secret(&self, secret: &SecretScalar) -> Self {
        power::pow(self, secret)
    }

    /// 576 bytes in the order of drand (kyber over kilic's library): 12 coordinates of 48 bytes big-endian, the highest
    /// first at every level of the tower. It is the same order as gnark's.
    #[must_use]
    pub fn to_drand_bytes(&self) -> [u8; 576] {
        self.to_gnark_bytes()
    }

    /// 576 bytes in the order of gnark-crypto: `C1.B2.A1, C1.B2.A0, C1.B1.A1, ..., C0.B0.A0`, each 48 bytes big-endian.
    #[must_use]
    pub fn to_gnark_bytes(&self) -> [u8; 576] {
        let mut out = [0; 576];
        let coordinates = self.0.fp6.iter().rev().flat_map(|c| c.fp2.iter().rev());
        let coordinates = coordinates.flat_map(|b| b.fp.iter().rev());
        for (chunk, coordinate) in out.chunks_exact_mut(48).zip(coordinates) {
            chunk.copy_from_slice(&gt::coordinate(coordinate));
        }
        out
    }

    /// The same as [`Gt::to_drand_bytes`]: the order of everything the product hashes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 576] {
        self.to_drand_bytes()
    }
}

/// `table[index]`, reading every row.
fn select(table: &[Gt; 16], index: u8) -> Gt {
    // All zero; the default of blst's type is 1.
    let mut out = blst_fp12 { fp6: Default::default() };
    for (row, number) in table.iter().zip(0_u8..) {
        let mask = u64::from(number.ct_eq(&index).unwrap_u8()).wrapping_neg();
        for (part, from) in out.fp6.iter_mut().zip(&row.0.fp6) {
            for (part, from) in part.fp2.iter_mut().zip(&from.fp2) {
                part.merge(from, mask);
            }
        }
    }
    Gt(out)
}

impl PartialEq for Gt {
    fn eq(&self, other: &Self) -> bool {
        gt::is_equal(&self.0, &other.0)
    }
}

impl Eq for Gt {}

impl Zeroize for Gt {
    fn zeroize(&mut self) {
        let fp2 = self.0.fp6.iter_mut().flat_map(|c| c.fp2.iter_mut());
        fp2.for_each(Field::wipe);
    }
}

/// `e(p, q)`; 1 when either is the identity.
#[must_use]
pub fn pairing(p: &G1, q: &G2) -> Gt {
    product(&[(*p, *q)])
}

/// Whether `e(a, b) == e(c, d)`.
#[must_use]
pub fn pairing_eq(a: &G1, b: &G2, c: &G1, d: &G2) -> bool {
    multi_pairing_is_one(&[(*a, *b), (-*c, *d)])
}

/// Whether the product of all `e(p_i, q_i)` is 1: one shared Miller loop and one final exponentiation.
#[must_use]
pub fn multi_pairing_is_one(pairs: &[(G1, G2)]) -> bool {
    product(pairs) == Gt::one()
}

fn product(pairs: &[(G1, G2)]) -> Gt {
    // A pair with the identity contributes 1, and blst's loop over several pairs does not know the identity.
    let pairs = pairs.iter().filter(|(p, q)| !p.is_identity() && !q.is_identity());
    let (points1, points2): (Vec<blst_p1_affine>, Vec<blst_p2_affine>) =
        pairs.map(|(p, q)| (p.to_affine(), q.to_affine())).unzip();
    Gt(gt::multi_pairing(&points1, &points2))
}
