//! BN254: the operators' signing keys, in EigenLayer's formats.
//!
//! | value | bytes |
//! |---|---|
//! | secret key | 32, big-endian, below the group order, not 0 |
//! | public key | `x || y` in G1 (64), then `XA1 || XA0 || YA1 || YA0` in G2 (128): 192, all big-endian |
//! | signature | `x || y` in G1: 64 |
//! | address (without a chain) | the last 20 bytes of keccak256 of the 128 bytes in G2 |
//!
//! A signature is `S = sk * H(m)` with `e(S, G2) = e(H(m), PK2)`. Messages are 32-byte hashes.
//!
//! # Source
//!
//! EigenLayer middleware `BN254.hashToG1`; EIP-196 and EIP-197 for the order of the coordinates.
//!
//! # Security
//!
//! About 100 bits. The arithmetic beneath (arkworks) is not constant-time, so a secret is split into two random-looking
//! parts, fresh for every use, before it meets a point.

mod encoding;
mod keys;
#[cfg(test)]
mod tests;
mod times;

pub use keys::{PublicKey, SecretKey, Signature, verify_batch};

use ark_bn254::{Fq, G1Affine};
use ark_ff::{Field, One, PrimeField};

/// EigenLayer's `BN254.hashToG1`: the first `x` from `hash mod p` upwards with `x^3 + 3` a square; `y` is the root that
/// the exponent `(p + 1) / 4` gives. 64 bytes `x || y`.
#[must_use]
pub fn hash_to_g1(hash: &[u8; 32]) -> [u8; 64] {
    encoding::g1_to_bytes(&map_to_g1(hash))
}

/// # Security
///
/// Variable-time: for public messages only.
fn map_to_g1(hash: &[u8; 32]) -> G1Affine {
    let mut x = Fq::from_be_bytes_mod_order(hash);
    loop {
        let square = x.square() * x + Fq::from(3_u64);
        let y = square.pow(SQRT_EXPONENT);
        if y.square() == square {
            return G1Affine::new_unchecked(x, y);
        }
        x += Fq::one();
    }
}

/// `(p + 1) / 4`.
const SQRT_EXPONENT: [u64; 4] =
    [0x4f08_2305_b61f_3f52, 0x65e0_5aa4_5a1c_72a3, 0x6e14_116d_a060_5617, 0x0c19_139c_b84c_680a];

/// The exponent belongs to this field: `4 e - 1 = p` in the lowest limb.
const _: () = assert!(4_u64.wrapping_mul(SQRT_EXPONENT[0]).wrapping_sub(1) == Fq::MODULUS.0[0]);
