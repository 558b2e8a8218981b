//! The one module with `unsafe`: thin safe wrappers over the C functions of blst.
//!
//! The wrappers add nothing but types: fixed-size references instead of pointers, values instead of out-parameters.
//! What blst leaves to its caller (subgroup checks, canonical flags, the identity) is done in [`crate::bls`].
//!
//! # Security
//!
//! `mult` is constant-time in the scalar. `msm` is not: public scalars only. `mult` in G2 uses the endomorphism, so a
//! point outside the subgroup gives a wrong result; unchecked points must not reach it.
#![allow(unsafe_code)]

use core::ptr;

use blst::{
    BLST_ERROR, blst_fp, blst_fp6, blst_fp12, blst_fr, blst_p1, blst_p1_affine, blst_p2, blst_p2_affine, blst_scalar,
};
use zeroize::Zeroizing;

mod field;
pub use field::{fp, fp2};

/// An integer below `2^256` from 32 big-endian bytes, not reduced.
pub fn scalar_from_be(bytes: &[u8; 32]) -> blst_scalar {
    let mut out = blst_scalar::default();
    // SAFETY: `out` is valid for writes and `bytes` for 32 reads.
    unsafe { blst::blst_scalar_from_bendian(&raw mut out, bytes.as_ptr()) };
    out
}

/// `bytes mod r`, big-endian, of any length.
pub fn scalar_reduce_be(bytes: &[u8]) -> blst_scalar {
    let mut out = blst_scalar::default();
    // SAFETY: `bytes` is valid for `len` reads. The result only says whether the scalar is zero.
    unsafe { blst::blst_scalar_from_be_bytes(&raw mut out, bytes.as_ptr(), bytes.len()) };
    out
}

/// Whether the integer is below `r`.
pub fn scalar_is_canonical(scalar: &blst_scalar) -> bool {
    // SAFETY: one valid read.
    unsafe { blst::blst_scalar_fr_check(scalar) }
}

/// 32 big-endian bytes.
pub fn scalar_to_be(scalar: &blst_scalar) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // SAFETY: `out` is valid for 32 writes.
    unsafe { blst::blst_bendian_from_scalar(out.as_mut_ptr(), scalar) };
    out
}

/// The integer as an element of the scalar field.
pub fn fr_from_scalar(out: &mut blst_fr, scalar: &blst_scalar) {
    // SAFETY: both references are valid.
    unsafe { blst::blst_fr_from_scalar(out, scalar) };
}

/// The field element as an integer below `r`, in the form that `mult` takes.
pub fn scalar_from_fr(fr: &blst_fr) -> blst_scalar {
    let mut out = blst_scalar::default();
    // SAFETY: both are valid.
    unsafe { blst::blst_scalar_from_fr(&raw mut out, fr) };
    out
}

/// `out = a + b`.
pub fn fr_add(out: &mut blst_fr, a: &blst_fr, b: &blst_fr) {
    // SAFETY: the references are valid; blst reads its inputs before it writes.
    unsafe { blst::blst_fr_add(out, a, b) };
}

/// `out = a - b`.
pub fn fr_sub(out: &mut blst_fr, a: &blst_fr, b: &blst_fr) {
    // SAFETY: as above.
    unsafe { blst::blst_fr_sub(out, a, b) };
}

/// `out = a * b`.
pub fn fr_mul(out: &mut blst_fr, a: &blst_fr, b: &blst_fr) {
    // SAFETY: as above.
    unsafe { blst::blst_fr_mul(out, a, b) };
}

/// `out = -a`.
pub fn fr_neg(out: &mut blst_fr, a: &blst_fr) {
    // SAFETY: as above.
    unsafe { blst::blst_fr_cneg(out, a, true) };
}

/// `out = 1/a`, or 0 for 0. Variable-time.
pub fn fr_inverse_public(out: &mut blst_fr, a: &blst_fr) {
    // SAFETY: as above.
    unsafe { blst::blst_fr_eucl_inverse(out, a) };
}

/// `out = 1/a`, or 0 for 0. Constant-time.
pub fn fr_inverse(out: &mut blst_fr, a: &blst_fr) {
    // SAFETY: as above.
    unsafe { blst::blst_fr_inverse(out, a) };
}

/// RFC 9380 `expand_message_xmd` with SHA-256, over the code that hash-to-curve uses.
#[cfg(test)]
pub fn expand_message_xmd(out: &mut [u8], msg: &[u8], dst: &[u8]) {
    // SAFETY: the pointers are valid for their lengths.
    unsafe {
        blst::blst_expand_message_xmd(out.as_mut_ptr(), out.len(), msg.as_ptr(), msg.len(), dst.as_ptr(), dst.len());
    }
}

macro_rules! group {
    ($module:ident, $Point:ty, $Affine:ty, $compressed:literal, $uncompressed:literal,
     $generator:ident, $add:ident, $add_affine:ident, $double:ident, $cneg:ident, $mult:ident,
     $is_equal:ident, $is_inf:ident, $to_affine:ident, $from_affine:ident, $all_to_affine:ident,
     $in_group:ident, $uncompress:ident, $deserialize:ident, $compress:ident, $serialize:ident,
     $hash:ident, $encode:ident, $msm:ident, $msm_scratch:ident, $sum:ident) => {
        /// The functions of one group.
        pub mod $module {
            use super::*;

            /// The standard generator, with `Z = 1`.
            pub fn generator() -> &'static $Point {
                // SAFETY: blst returns a pointer to a constant.
                unsafe { &*blst::$generator() }
            }

            /// `a + b`, complete.
            pub fn add(a: &$Point, b: &$Point) -> $Point {
                let mut out = <$Point>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$add(&raw mut out, a, b) };
                out
            }

            /// `a + b`, complete.
            pub fn add_affine(a: &$Point, b: &$Affine) -> $Point {
                let mut out = <$Point>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$add_affine(&raw mut out, a, b) };
                out
            }

            /// `2a`.
            pub fn double(a: &$Point) -> $Point {
                let mut out = <$Point>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$double(&raw mut out, a) };
                out
            }

            /// `-a`.
            pub fn neg(a: &$Point) -> $Point {
                let mut out = *a;
                // SAFETY: one valid reference.
                unsafe { blst::$cneg(&raw mut out, true) };
                out
            }

            /// `scalar * point`, constant-time in the scalar. The point must be in the subgroup.
            pub fn mult(point: &$Point, scalar: &blst_scalar) -> $Point {
                let mut out = <$Point>::default();
                // SAFETY: the scalar has 32 bytes, and 255 bits are read.
                unsafe { blst::$mult(&raw mut out, point, scalar.b.as_ptr(), 255) };
                out
            }

            /// Equality as group elements.
            pub fn is_equal(a: &$Point, b: &$Point) -> bool {
                // SAFETY: the references are valid.
                unsafe { blst::$is_equal(a, b) }
            }

            /// Whether the point is the identity.
            pub fn is_identity(a: &$Point) -> bool {
                // SAFETY: one valid reference.
                unsafe { blst::$is_inf(a) }
            }

            /// The affine form; all zero for the identity.
            pub fn to_affine(a: &$Point) -> $Affine {
                let mut out = <$Affine>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$to_affine(&raw mut out, a) };
                out
            }

            /// The point with `Z = 1`, or the identity for all zero.
            pub fn from_affine(a: &$Affine) -> $Point {
                let mut out = <$Point>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$from_affine(&raw mut out, a) };
                out
            }

            /// The affine forms, with one inversion for all.
            pub fn all_to_affine(points: &[$Point]) -> Vec<$Affine> {
                let mut out = vec![<$Affine>::default(); points.len()];
                if points.is_empty() {
                    return out;
                }
                let list = [points.as_ptr(), ptr::null()];
                // SAFETY: a null second pointer means that the points follow each other; `out` has room for all.
                unsafe { blst::$all_to_affine(out.as_mut_ptr(), list.as_ptr(), points.len()) };
                out
            }

            /// Whether a point on the curve is in the subgroup of prime order.
            pub fn in_group(a: &$Affine) -> bool {
                // SAFETY: one valid reference.
                unsafe { blst::$in_group(a) }
            }

            /// Decodes the compressed form; checks the field range and the curve equation only.
            pub fn uncompress(bytes: &[u8; $compressed]) -> Result<$Affine, BLST_ERROR> {
                let mut out = <$Affine>::default();
                // SAFETY: the array has the length of the compressed form.
                match unsafe { blst::$uncompress(&raw mut out, bytes.as_ptr()) } {
                    BLST_ERROR::BLST_SUCCESS => Ok(out),
                    error => Err(error),
                }
            }

            /// Decodes the uncompressed form; checks the field range and the curve equation only.
            pub fn deserialize(bytes: &[u8; $uncompressed]) -> Result<$Affine, BLST_ERROR> {
                let mut out = <$Affine>::default();
                // SAFETY: the array has the length of the uncompressed form, and the compressed one is shorter.
                match unsafe { blst::$deserialize(&raw mut out, bytes.as_ptr()) } {
                    BLST_ERROR::BLST_SUCCESS => Ok(out),
                    error => Err(error),
                }
            }

            /// The compressed form.
            pub fn compress(a: &$Affine) -> [u8; $compressed] {
                let mut out = [0; $compressed];
                // SAFETY: `out` has the length of the compressed form.
                unsafe { blst::$compress(out.as_mut_ptr(), a) };
                out
            }

            /// The uncompressed form.
            pub fn serialize(a: &$Affine) -> [u8; $uncompressed] {
                let mut out = [0; $uncompressed];
                // SAFETY: `out` has the length of the uncompressed form.
                unsafe { blst::$serialize(out.as_mut_ptr(), a) };
                out
            }

            /// RFC 9380 `hash_to_curve` (random oracle).
            pub fn hash(dst: &[u8], msg: &[u8]) -> $Point {
                let mut out = <$Point>::default();
                let (m, d) = (msg.as_ptr(), dst.as_ptr());
                // SAFETY: the pointers are valid for their lengths; there is no augmentation.
                unsafe {
                    blst::$hash(&raw mut out, m, msg.len(), d, dst.len(), ptr::null(), 0);
                }
                out
            }

            /// RFC 9380 `encode_to_curve` (non-uniform).
            pub fn encode(dst: &[u8], msg: &[u8]) -> $Point {
                let mut out = <$Point>::default();
                let (m, d) = (msg.as_ptr(), dst.as_ptr());
                // SAFETY: the pointers are valid for their lengths; there is no augmentation.
                unsafe {
                    blst::$encode(&raw mut out, m, msg.len(), d, dst.len(), ptr::null(), 0);
                }
                out
            }

            /// `sum scalars_i * points_i` over the low `bits` bits of the scalars (little-endian). Variable-time.
            ///
            /// Neither list may be empty and no point the identity; the shorter list counts.
            pub fn msm(points: &[$Affine], scalars: &[[u8; 32]], bits: usize) -> $Point {
                let mut out = <$Point>::default();
                let n = points.len().min(scalars.len());
                // SAFETY: a pure function of `n`.
                let bytes = unsafe { blst::$msm_scratch(n) };
                let mut scratch = vec![0_u64; bytes.div_ceil(8)];
                let bits = bits.clamp(1, 255);
                let packed = pack(scalars.get(..n).unwrap_or_default(), bits.div_ceil(8));
                let points = [points.as_ptr(), ptr::null()];
                let scalars = [packed.as_ptr(), ptr::null()];
                // SAFETY: null second pointers mean `n` consecutive points, and `n` scalars of `ceil(bits / 8)` bytes
                // each, as `pack` laid them out; the scratch has the size that blst asked for.
                unsafe {
                    blst::$msm(&raw mut out, points.as_ptr(), n, scalars.as_ptr(), bits, scratch.as_mut_ptr());
                }
                out
            }

            /// The sum of points, none of them the identity, with batched affine additions.
            pub fn sum(points: &[$Affine]) -> $Point {
                let mut out = <$Point>::default();
                if points.is_empty() {
                    return out;
                }
                let list = [points.as_ptr(), ptr::null()];
                // SAFETY: a null second pointer means that the points follow each other.
                unsafe { blst::$sum(&raw mut out, list.as_ptr(), points.len()) };
                out
            }
        }
    };
}

/// The low `width` bytes of each little-endian scalar, one after the other.
fn pack(scalars: &[[u8; 32]], width: usize) -> Vec<u8> {
    let low = scalars.iter().filter_map(|scalar| scalar.get(..width));
    low.flatten().copied().collect()
}

group!(
    g1,
    blst_p1,
    blst_p1_affine,
    48,
    96,
    blst_p1_generator,
    blst_p1_add_or_double,
    blst_p1_add_or_double_affine,
    blst_p1_double,
    blst_p1_cneg,
    blst_p1_mult,
    blst_p1_is_equal,
    blst_p1_is_inf,
    blst_p1_to_affine,
    blst_p1_from_affine,
    blst_p1s_to_affine,
    blst_p1_affine_in_g1,
    blst_p1_uncompress,
    blst_p1_deserialize,
    blst_p1_affine_compress,
    blst_p1_affine_serialize,
    blst_hash_to_g1,
    blst_encode_to_g1,
    blst_p1s_mult_pippenger,
    blst_p1s_mult_pippenger_scratch_sizeof,
    blst_p1s_add
);

group!(
    g2,
    blst_p2,
    blst_p2_affine,
    96,
    192,
    blst_p2_generator,
    blst_p2_add_or_double,
    blst_p2_add_or_double_affine,
    blst_p2_double,
    blst_p2_cneg,
    blst_p2_mult,
    blst_p2_is_equal,
    blst_p2_is_inf,
    blst_p2_to_affine,
    blst_p2_from_affine,
    blst_p2s_to_affine,
    blst_p2_affine_in_g2,
    blst_p2_uncompress,
    blst_p2_deserialize,
    blst_p2_affine_compress,
    blst_p2_affine_serialize,
    blst_hash_to_g2,
    blst_encode_to_g2,
    blst_p2s_mult_pippenger,
    blst_p2s_mult_pippenger_scratch_sizeof,
    blst_p2s_add
);

/// The functions of the target group.
pub mod gt {
    use super::*;

    /// The final exponentiation of the product of the Miller loops over pairs without the identity.
    pub fn multi_pairing(points1: &[blst_p1_affine], points2: &[blst_p2_affine]) -> blst_fp12 {
        let n = points1.len().min(points2.len());
        if n == 0 {
            return one();
        }
        let mut loops = blst_fp12::default();
        let mut out = blst_fp12::default();
        let list1 = [points1.as_ptr(), ptr::null()];
        let list2 = [points2.as_ptr(), ptr::null()];
        // SAFETY: null second pointers mean `n` consecutive points in both lists.
        unsafe {
            blst::blst_miller_loop_n(&raw mut loops, list2.as_ptr(), list1.as_ptr(), n);
            blst::blst_final_exp(&raw mut out, &raw const loops);
        }
        out
    }

    /// Lines of a Miller loop.
    pub const LINES: usize = 68;

    /// The lines of the Miller loop of a point other than the identity.
    pub fn lines(point: &blst_p2_affine) -> [blst_fp6; LINES] {
        let mut out = [blst_fp6::default(); LINES];
        // SAFETY: `out` has room for the lines.
        unsafe { blst::blst_precompute_lines(out.as_mut_ptr(), point) };
        out
    }

    /// The Miller loop along these lines at a point other than the identity.
    pub fn miller_loop(lines: &[blst_fp6; LINES], point: &blst_p1_affine) -> blst_fp12 {
        let mut out = blst_fp12::default();
        // SAFETY: the lines are as many as are read.
        unsafe { blst::blst_miller_loop_lines(&raw mut out, lines.as_ptr(), point) };
        out
    }

    /// The final exponentiation.
    pub fn final_exp(value: &blst_fp12) -> blst_fp12 {
        let mut out = blst_fp12::default();
        // SAFETY: the references are valid.
        unsafe { blst::blst_final_exp(&raw mut out, value) };
        out
    }

    /// 1.
    pub fn one() -> blst_fp12 {
        // SAFETY: blst returns a pointer to a constant.
        unsafe { *blst::blst_fp12_one() }
    }

    /// `a * b`.
    pub fn mul(a: &blst_fp12, b: &blst_fp12) -> blst_fp12 {
        let mut out = blst_fp12::default();
        // SAFETY: the references are valid.
        unsafe { blst::blst_fp12_mul(&raw mut out, a, b) };
        out
    }

    /// `a^2` for `a` in the cyclotomic subgroup, where every pairing lies.
    pub fn square(a: &blst_fp12) -> blst_fp12 {
        let mut out = blst_fp12::default();
        // SAFETY: the references are valid.
        unsafe { blst::blst_fp12_cyclotomic_sqr(&raw mut out, a) };
        out
    }

    /// `a^(p^n)` for `n` of 1, 2 or 3.
    pub fn frobenius(a: &blst_fp12, n: usize) -> blst_fp12 {
        let mut out = blst_fp12::default();
        // SAFETY: the references are valid.
        unsafe { blst::blst_fp12_frobenius_map(&raw mut out, a, n) };
        out
    }

    /// `a^(p^6)`, the inverse in the cyclotomic subgroup.
    pub fn conjugate(mut a: blst_fp12) -> blst_fp12 {
        // SAFETY: the reference is valid.
        unsafe { blst::blst_fp12_conjugate(&raw mut a) };
        a
    }

    /// Equality.
    pub fn is_equal(a: &blst_fp12, b: &blst_fp12) -> bool {
        // SAFETY: the references are valid.
        unsafe { blst::blst_fp12_is_equal(a, b) }
    }

    /// 48 big-endian bytes of a coordinate.
    pub fn coordinate(fp: &blst_fp) -> [u8; 48] {
        let mut out = [0; 48];
        // SAFETY: `out` is valid for 48 writes.
        unsafe { blst::blst_bendian_from_fp(out.as_mut_ptr(), fp) };
        out
    }
}
