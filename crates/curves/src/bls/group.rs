//! The groups G1 and G2.

use core::fmt::{Debug, Formatter};
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::sync::OnceLock;

use blst::{blst_p1, blst_p1_affine, blst_p2, blst_p2_affine};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use super::decode::{check_flags, refused};
use super::field::{Affine, wipe};
use super::fixed::Table;
use super::{OnCurve, Scalar, SecretScalar};
use crate::enc::Decode;
use crate::ffi;

pub(crate) mod sealed {
    use super::{Debug, Decode};

    /// The affine form, and what only this crate may do with it.
    pub trait Inner: Sized {
        type Affine: Copy + Debug + PartialEq + super::Affine;
        type Serialized: AsRef<[u8]>;

        /// Whether many subgroup checks at once cost less: the smallest factor of the cofactor must not be too small.
        const BATCHED_CHECKS: bool;

        fn in_subgroup(affine: &Self::Affine) -> bool;
        fn from_affine(affine: &Self::Affine) -> Self;
        fn all_to_affine(points: &[Self]) -> Vec<Self::Affine>;
        fn add_affine(&self, affine: &Self::Affine) -> Self;
        /// The affine form.
        fn as_affine(&self) -> Self::Affine;
        /// The uncompressed form.
        fn serialize(affine: &Self::Affine) -> Self::Serialized;
        fn affine_from_compressed(bytes: &[u8]) -> Result<Self::Affine, Decode>;
        fn affine_from_uncompressed(bytes: &[u8]) -> Result<Self::Affine, Decode>;
    }
}

/// What [`G1`] and [`G2`] have in common, for code that is written once for both.
pub trait Group:
    sealed::Inner
    + Copy
    + Eq
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + core::hash::Hash
    + ConstantTimeEq
    + Zeroize
    + Send
    + Sync
    + 'static
{
    /// Bytes of the compressed form: 48 or 96.
    const COMPRESSED: usize;
    /// Bytes of the uncompressed form: 96 or 192.
    const UNCOMPRESSED: usize;

    /// The standard generator.
    fn generator() -> Self;
    /// The identity.
    fn identity() -> Self;
    /// Whether the point is the identity.
    fn is_identity(&self) -> bool;
    /// `scalar * self`; the time may depend on both.
    fn mul(&self, scalar: &Scalar) -> Self;
    /// `secret * self`, constant-time in the secret.
    fn mul_secret(&self, secret: &SecretScalar) -> Self;
    /// `secret * G` with the generator, constant-time in the secret.
    fn mul_generator(secret: &SecretScalar) -> Self {
        Self::mul_generator_all(&[secret]).pop().unwrap_or_else(Self::identity)
    }
    /// [`Self::mul_generator`] of many secrets, which costs less than each alone.
    fn mul_generator_all(secrets: &[&SecretScalar]) -> Vec<Self>;
    /// `factor * self` by double-and-add; the factor is public.
    fn mul_small(&self, factor: u64) -> Self;
    /// `sum scalars_i * points_i`, public; the shorter list counts.
    fn msm(points: &[Self], scalars: &[Scalar]) -> Self;
    /// The sum of the points.
    fn sum(points: &[Self]) -> Self;
    /// Gives every point affine coordinates inside, with one inversion for all: later additions are cheaper.
    fn normalize(points: &mut [Self]);
    /// Appends the compressed form.
    fn append_compressed(&self, out: &mut Vec<u8>);
    /// Appends the uncompressed form.
    fn append_uncompressed(&self, out: &mut Vec<u8>);
}

pub(crate) fn write_hex(f: &mut Formatter<'_>, bytes: &[u8]) -> core::fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! group {
    ($(#[$doc:meta])* $G:ident, $Point:ty, $Affine:ty, $module:ident, $compressed:literal, $uncompressed:literal,
     $batched:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $G($Point);

        impl $G {
            /// The standard generator.
            #[must_use]
            pub fn generator() -> Self {
                Self(*ffi::$module::generator())
            }

            /// The identity.
            #[must_use]
            pub fn identity() -> Self {
                Self(<$Point>::default())
            }

            /// Whether the point is the identity.
            #[must_use]
            pub fn is_identity(&self) -> bool {
                ffi::$module::is_identity(&self.0)
            }

            /// `scalar * self`.
            ///
            /// # Security
            ///
            /// The time may depend on the scalar: public scalars only.
            #[must_use]
            pub fn mul(&self, scalar: &Scalar) -> Self {
                Self(ffi::$module::mult(&self.0, &ffi::scalar_from_fr(&scalar.0)))
            }

            /// `secret * self`, constant-time in the secret.
            #[must_use]
            pub fn mul_secret(&self, secret: &SecretScalar) -> Self {
                Self(ffi::$module::mult(&self.0, &secret.to_integer()))
            }

            /// `factor * self` by double-and-add: `log2(factor)` doublings instead of 255.
            ///
            /// # Security
            ///
            /// The time depends on the factor: public factors only.
            #[must_use]
            pub fn mul_small(&self, factor: u64) -> Self {
                let (plus, minus) = signed_digits(factor);
                let minus_self = -*self;
                let bits = 128 - plus.leading_zeros();
                // The highest digit is +1: start from it instead of from the identity.
                let mut out = if factor == 0 { Self::identity() } else { *self };
                for bit in (0..bits.saturating_sub(1)).rev() {
                    out = out.double();
                    if plus >> bit & 1 == 1 {
                        out += *self;
                    } else if minus >> bit & 1 == 1 {
                        out += minus_self;
                    }
                }
                out
            }

            /// `2 * self`.
            #[must_use]
            pub fn double(&self) -> Self {
                Self(ffi::$module::double(&self.0))
            }

            #[doc = concat!("The compressed form, ", stringify!($compressed), " bytes.")]
            #[must_use]
            pub fn to_bytes(&self) -> [u8; $compressed] {
                ffi::$module::compress(&ffi::$module::to_affine(&self.0))
            }

            #[doc = concat!("The uncompressed form, ", stringify!($uncompressed), " bytes.")]
            #[must_use]
            pub fn to_uncompressed(&self) -> [u8; $uncompressed] {
                ffi::$module::serialize(&ffi::$module::to_affine(&self.0))
            }

            /// Decodes the compressed form.
            ///
            /// # Errors
            ///
            /// Refuses what is not the one canonical encoding of a point of the subgroup other than the identity.
            pub fn from_bytes(bytes: &[u8; $compressed]) -> Result<Self, Decode> {
                OnCurve::<Self>::from_bytes(bytes)?.check()
            }

            /// Decodes the uncompressed form.
            ///
            /// # Errors
            ///
            /// As [`Self::from_bytes`].
            pub fn from_uncompressed(bytes: &[u8; $uncompressed]) -> Result<Self, Decode> {
                OnCurve::<Self>::from_uncompressed(bytes)?.check()
            }

            /// RFC 9380 `hash_to_curve` (random oracle, SSWU, `expand_message_xmd` with SHA-256).
            #[must_use]
            pub fn hash_to_curve(dst: &[u8], msg: &[u8]) -> Self {
                Self(ffi::$module::hash(dst, msg))
            }

            /// RFC 9380 `encode_to_curve` (non-uniform): for outside formats only.
            #[must_use]
            pub fn encode_to_curve(dst: &[u8], msg: &[u8]) -> Self {
                Self(ffi::$module::encode(dst, msg))
            }

            /// `sum scalars_i * points_i`; the shorter list counts.
            ///
            /// The work depends on the longest scalar, so short coefficients are cheap.
            ///
            /// # Security
            ///
            /// Variable-time: public scalars only.
            #[must_use]
            pub fn msm(points: &[Self], scalars: &[Scalar]) -> Self {
                let terms = points.iter().zip(scalars);
                let (points, scalars): (Vec<$Point>, Vec<[u8; 32]>) = terms
                    .filter(|(point, scalar)| !point.is_identity() && !scalar.is_zero())
                    .map(|(point, scalar)| (point.0, scalar.to_le_bytes()))
                    .unzip();
                if points.is_empty() {
                    return Self::identity();
                }
                let bits = scalars.iter().map(bit_length).max().unwrap_or(0);
                Self(ffi::$module::msm(&Self::affine(&points), &scalars, bits))
            }

            /// The sum of the points.
            #[must_use]
            pub fn sum(points: &[Self]) -> Self {
                if points.len() < BATCH_SUM_MIN {
                    return points.iter().copied().fold(Self::identity(), Add::add);
                }
                let points = points.iter().filter(|point| !point.is_identity());
                let points: Vec<$Point> = points.map(|point| point.0).collect();
                Self(ffi::$module::sum(&Self::affine(&points)))
            }

            /// Gives every point affine coordinates inside, with one inversion for all.
            pub fn normalize(points: &mut [Self]) {
                let mut raw: Vec<$Point> = points.iter().map(|point| point.0).collect();
                let mut affine = Self::affine(&raw);
                for (point, affine) in points.iter_mut().zip(&mut affine) {
                    point.0 = ffi::$module::from_affine(affine);
                    affine.wipe();
                }
                raw.iter_mut().for_each(|point| wipe(&mut [&mut point.x, &mut point.y, &mut point.z]));
            }

            /// The affine forms; nothing is computed when the points have affine coordinates already.
            fn affine(points: &[$Point]) -> Vec<$Affine> {
                let one = ffi::$module::generator().z;
                if points.iter().all(|point| point.z == one) {
                    let copy = |point: &$Point| <$Affine>::from_xy(point.x, point.y);
                    return points.iter().map(copy).collect();
                }
                ffi::$module::all_to_affine(points)
            }

            pub(crate) fn to_affine(self) -> $Affine {
                ffi::$module::to_affine(&self.0)
            }
        }

        impl OnCurve<$G> {
            /// Decodes the compressed form; the subgroup check is still owed.
            ///
            /// # Errors
            ///
            /// Refuses what is not the one canonical encoding of a point on the curve other than the identity.
            pub fn from_bytes(bytes: &[u8; $compressed]) -> Result<Self, Decode> {
                Self::from_slice(bytes)
            }

            /// Decodes the uncompressed form; the subgroup check is still owed.
            ///
            /// # Errors
            ///
            /// As [`Self::from_bytes`].
            pub fn from_uncompressed(bytes: &[u8; $uncompressed]) -> Result<Self, Decode> {
                Self::from_uncompressed_slice(bytes)
            }
        }

        impl sealed::Inner for $G {
            type Affine = $Affine;
            type Serialized = [u8; $uncompressed];

            const BATCHED_CHECKS: bool = $batched;

            fn in_subgroup(affine: &$Affine) -> bool {
                ffi::$module::in_group(affine)
            }

            fn from_affine(affine: &$Affine) -> Self {
                Self(ffi::$module::from_affine(affine))
            }

            fn all_to_affine(points: &[Self]) -> Vec<$Affine> {
                let points: Vec<$Point> = points.iter().map(|point| point.0).collect();
                Self::affine(&points)
            }

            fn add_affine(&self, affine: &$Affine) -> Self {
                Self(ffi::$module::add_affine(&self.0, affine))
            }

            fn as_affine(&self) -> $Affine {
                self.to_affine()
            }

            fn serialize(affine: &$Affine) -> [u8; $uncompressed] {
                ffi::$module::serialize(affine)
            }

            fn affine_from_compressed(bytes: &[u8]) -> Result<$Affine, Decode> {
                let bytes: &[u8; $compressed] = bytes.try_into().map_err(|_| Decode::Truncated)?;
                check_flags(bytes, true)?;
                let affine = ffi::$module::uncompress(bytes).map_err(refused)?;
                // The rule is "one encoding per point"; comparing states it without trusting the decoder.
                if ffi::$module::compress(&affine) == *bytes {
                    Ok(affine)
                } else {
                    Err(Decode::NotCanonical)
                }
            }

            fn affine_from_uncompressed(bytes: &[u8]) -> Result<$Affine, Decode> {
                let bytes: &[u8; $uncompressed] = bytes.try_into().map_err(|_| Decode::Truncated)?;
                check_flags(bytes, false)?;
                let affine = ffi::$module::deserialize(bytes).map_err(refused)?;
                if ffi::$module::serialize(&affine) == *bytes {
                    Ok(affine)
                } else {
                    Err(Decode::NotCanonical)
                }
            }
        }

        impl Group for $G {
            const COMPRESSED: usize = $compressed;
            const UNCOMPRESSED: usize = $uncompressed;

            fn generator() -> Self {
                Self::generator()
            }
            fn identity() -> Self {
                Self::identity()
            }
            fn is_identity(&self) -> bool {
                self.is_identity()
            }
            fn mul(&self, scalar: &Scalar) -> Self {
                self.mul(scalar)
            }
            fn mul_secret(&self, secret: &SecretScalar) -> Self {
                self.mul_secret(secret)
            }
            fn mul_generator_all(secrets: &[&SecretScalar]) -> Vec<Self> {
                static TABLE: OnceLock<Table<$Affine>> = OnceLock::new();
                TABLE.get_or_init(|| Table::new(Self::generator())).mul_all(secrets)
            }
            fn mul_small(&self, factor: u64) -> Self {
                self.mul_small(factor)
            }
            fn msm(points: &[Self], scalars: &[Scalar]) -> Self {
                Self::msm(points, scalars)
            }
            fn sum(points: &[Self]) -> Self {
                Self::sum(points)
            }
            fn normalize(points: &mut [Self]) {
                Self::normalize(points);
            }
            fn append_compressed(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_bytes());
            }
            fn append_uncompressed(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_uncompressed());
            }
        }

        impl PartialEq for $G {
            fn eq(&self, other: &Self) -> bool {
                ffi::$module::is_equal(&self.0, &other.0)
            }
        }

        impl Eq for $G {}

        impl ConstantTimeEq for $G {
            fn ct_eq(&self, other: &Self) -> Choice {
                self.to_bytes().ct_eq(&other.to_bytes())
            }
        }

        impl core::hash::Hash for $G {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                self.to_bytes().hash(state);
            }
        }

        impl Debug for $G {
            fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($G), "("))?;
                write_hex(f, &self.to_bytes())?;
                write!(f, ")")
            }
        }

        impl Zeroize for $G {
            /// Wipes the coordinates; what is left is the identity.
            fn zeroize(&mut self) {
                let Self(point) = self;
                wipe(&mut [&mut point.x, &mut point.y, &mut point.z]);
            }
        }

        impl Add for $G {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                // How a point is represented follows from how it was made, never from a secret.
                if other.0.z == ffi::$module::generator().z {
                    let affine = <$Affine>::from_xy(other.0.x, other.0.y);
                    return Self(ffi::$module::add_affine(&self.0, &affine));
                }
                Self(ffi::$module::add(&self.0, &other.0))
            }
        }

        impl Sub for $G {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                self + -other
            }
        }

        impl Neg for $G {
            type Output = Self;
            fn neg(self) -> Self {
                Self(ffi::$module::neg(&self.0))
            }
        }

        impl AddAssign for $G {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl SubAssign for $G {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl core::iter::Sum for $G {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::identity(), Add::add)
            }
        }
    };
}

group!(
    /// A point of G1, in the subgroup of prime order `r`. 48 bytes compressed, 96 uncompressed.
    G1, blst_p1, blst_p1_affine, g1, 48, 96, false
);
group!(
    /// A point of G2, in the subgroup of prime order `r`. 96 bytes compressed, 192 uncompressed.
    G2, blst_p2, blst_p2_affine, g2, 96, 192, true
);

/// From this many points on, additions that share their inversions are cheaper.
const BATCH_SUM_MIN: usize = 16;

/// The non-adjacent form: positions of the digits +1 and -1 of `factor`, a third of all instead of half.
const fn signed_digits(factor: u64) -> (u128, u128) {
    let (single, triple) = (factor as u128, 3 * factor as u128);
    ((triple & !single) >> 1, (single & !triple) >> 1)
}

/// Position of the highest set bit of a little-endian integer, plus one.
fn bit_length(scalar: &[u8; 32]) -> usize {
    let bytes = scalar.iter().rposition(|byte| *byte != 0);
    bytes.map_or(0, |top| {
        let byte = scalar.get(top).copied().unwrap_or(0);
        8 * top + 8 - byte.leading_zeros() as usize
    })
}
