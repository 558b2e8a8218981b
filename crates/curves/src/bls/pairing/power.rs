//! Powers in the target group with a secret exponent.
//!
//! With `z = |x|` of the curve's parameter `x < 0` and `s = s_0 + s_1 z + s_2 z^2 + s_3 z^3`, `s_k < z < 2^64`, the power
//! is a product of four powers of 64 bits, because `g^p = g^x` for every `g` of order `r` makes `g^(z^k)` a Frobenius
//! map and a conjugation. That needs 64 squarings where the plain method needs 252.
//!
//! # Source
//!
//! Galbraith, Scott: Exponentiation in pairing-friendly groups using homomorphisms.

use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use super::{Gt, select};
use crate::bls::SecretScalar;
use crate::ffi::gt;

/// `z = |x|`, the absolute value of the curve's parameter.
const Z: u64 = 0xd201_0000_0001_0000;

/// `g^secret`.
pub(super) fn pow(g: &Gt, secret: &SecretScalar) -> Gt {
    let digits = digits(secret);
    let mut table = products(g);
    let mut out = Gt::one();
    for bit in (0..64).rev() {
        out.0 = gt::square(&out.0);
        let row = digits.iter().rev().fold(0, |row, digit| (row << 1) | ((digit >> bit) & 1) as u8);
        let mut factor = select(&table, row);
        out = out.mul(&factor);
        factor.zeroize();
    }
    table.zeroize();
    out
}

/// Row `m` is the product of the `g^(z^k)` for the bits `k` of `m`.
fn products(g: &Gt) -> [Gt; 16] {
    let powers =
        [g.0, gt::conjugate(gt::frobenius(&g.0, 1)), gt::frobenius(&g.0, 2), gt::conjugate(gt::frobenius(&g.0, 3))];
    let mut table = [Gt::one(); 16];
    for (k, power) in powers.into_iter().enumerate() {
        let (low, high) = table.split_at_mut(1 << k);
        high.iter_mut().zip(low).for_each(|(to, from)| *to = from.mul(&Gt(power)));
    }
    table
}

/// The digits of the secret in base `z`, lowest first.
fn digits(secret: &SecretScalar) -> Zeroizing<[u64; 4]> {
    let bytes = secret.expose();
    let mut rest = Zeroizing::new([0; 4]);
    for (limb, chunk) in rest.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |limb, byte| (limb << 8) | u64::from(*byte));
    }
    let mut digits = Zeroizing::new([0; 4]);
    digits.iter_mut().for_each(|digit| *digit = divide(&mut rest));
    digits
}

/// Divides the limbs (highest first) by `z` in place and gives the remainder, in constant time: long division by bits,
/// since a machine's division takes longer for some operands.
fn divide(limbs: &mut [u64; 4]) -> u64 {
    let mut remainder = 0_u128;
    for limb in limbs {
        let mut quotient = 0;
        for bit in (0..64).rev() {
            remainder = (remainder << 1) | u128::from((*limb >> bit) & 1);
            let less = remainder.wrapping_sub(u128::from(Z));
            let borrow = Choice::from((less >> 127) as u8);
            remainder = u128::conditional_select(&less, &remainder, borrow);
            quotient = (quotient << 1) | u64::from((!borrow).unwrap_u8());
        }
        *limb = quotient;
    }
    // Below `z`, so no bits are lost.
    remainder as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bls::{G1, G2, pairing};

    #[test]
    fn edges_of_the_digits() {
        let (g1, g2) = (G1::generator(), G2::generator());
        let g = pairing(&g1, &g2);
        let mut z = [0; 32];
        z[24..].copy_from_slice(&Z.to_be_bytes());
        let z = SecretScalar::from_be_bytes(&z).unwrap();
        let one = SecretScalar::from_public(&crate::bls::Scalar::one());
        let z2 = z.mul(&z);
        let z3 = z2.mul(&z);
        for s in [
            one.copy(),
            one.neg(),
            z.copy(),
            z.sub(&one),
            z.add(&one),
            z2.copy(),
            z2.sub(&one),
            z3.copy(),
            z3.sub(&one),
        ] {
            assert!(pow(&g, &s) == pairing(&g1.mul_secret(&s), &g2));
        }
        assert!(pow(&g, &SecretScalar::zero()) == Gt::one());
        // r - 1 = z^4 - z^2.
        assert_eq!(*digits(&one.neg()), [0, 0, Z - 1, Z - 1]);
    }
}
