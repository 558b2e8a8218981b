//! Public scalars.

use core::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use blst::blst_fr;

use crate::enc::{Decode, Writer};
use crate::ffi;
use crate::hash::keccak256_many;
use crate::tags::Tag;

/// A public element of the scalar field: an integer modulo `r`, always reduced. 32 bytes big-endian outside.
///
/// # Security
///
/// Operations may take time that depends on the value. Secrets are [`crate::bls::SecretScalar`].
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scalar(pub(crate) blst_fr);

impl Scalar {
    /// 0.
    #[must_use]
    pub fn zero() -> Self {
        Self::default()
    }

    /// 1.
    #[must_use]
    pub fn one() -> Self {
        Self::from_u64(1)
    }

    /// The scalar with this value.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        Self::reduce(&value.to_be_bytes())
    }

    /// Decodes 32 big-endian bytes.
    ///
    /// # Errors
    ///
    /// [`Decode::ScalarRange`] for an integer that is not below `r`.
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, Decode> {
        let integer = ffi::scalar_from_be(bytes);
        if !ffi::scalar_is_canonical(&integer) {
            return Err(Decode::ScalarRange);
        }
        let mut out = blst_fr::default();
        ffi::fr_from_scalar(&mut out, &integer);
        Ok(Self(out))
    }

    /// `bytes mod r`, for outside formats that reduce. The protocol never reduces what it receives.
    #[must_use]
    pub fn reduce_be(bytes: &[u8; 32]) -> Self {
        Self::reduce(bytes)
    }

    /// `bytes mod r` of 64 big-endian bytes; uniform up to `2^-257` when the bytes are.
    #[must_use]
    pub fn reduce_be_wide(bytes: &[u8; 64]) -> Self {
        Self::reduce(bytes)
    }

    fn reduce(bytes: &[u8]) -> Self {
        let mut out = blst_fr::default();
        ffi::fr_from_scalar(&mut out, &ffi::scalar_reduce_be(bytes));
        Self(out)
    }

    /// 32 big-endian bytes, below `r`.
    #[must_use]
    pub fn to_be_bytes(&self) -> [u8; 32] {
        *ffi::scalar_to_be(&ffi::scalar_from_fr(&self.0))
    }

    /// 32 little-endian bytes, as the multi-scalar multiplication reads them.
    pub(crate) fn to_le_bytes(self) -> [u8; 32] {
        ffi::scalar_from_fr(&self.0).b
    }

    /// Whether the scalar is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::zero()
    }

    /// `1 / self`, or `None` for 0.
    #[must_use]
    pub fn invert(&self) -> Option<Self> {
        if self.is_zero() {
            return None;
        }
        let mut out = blst_fr::default();
        ffi::fr_inverse_public(&mut out, &self.0);
        Some(Self(out))
    }

    /// `self^exponent`.
    #[must_use]
    pub fn pow(&self, exponent: u64) -> Self {
        let mut out = Self::one();
        for bit in (0..64 - exponent.leading_zeros()).rev() {
            out *= out;
            if exponent >> bit & 1 == 1 {
                out *= *self;
            }
        }
        out
    }
}

impl core::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Scalar(")?;
        super::group::write_hex(f, &self.to_be_bytes())?;
        write!(f, ")")
    }
}

impl core::hash::Hash for Scalar {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.to_be_bytes().hash(state);
    }
}

impl From<u64> for Scalar {
    fn from(value: u64) -> Self {
        Self::from_u64(value)
    }
}

macro_rules! operator {
    ($Trait:ident, $method:ident, $Assign:ident, $assign:ident, $function:ident) => {
        impl $Trait for Scalar {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                let mut out = blst_fr::default();
                ffi::$function(&mut out, &self.0, &other.0);
                Self(out)
            }
        }
        impl $Assign for Scalar {
            fn $assign(&mut self, other: Self) {
                *self = $Trait::$method(*self, other);
            }
        }
    };
}

operator!(Add, add, AddAssign, add_assign, fr_add);
operator!(Sub, sub, SubAssign, sub_assign, fr_sub);
operator!(Mul, mul, MulAssign, mul_assign, fr_mul);

impl Neg for Scalar {
    type Output = Self;
    fn neg(self) -> Self {
        let mut out = blst_fr::default();
        ffi::fr_neg(&mut out, &self.0);
        Self(out)
    }
}

impl core::iter::Sum for Scalar {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::zero(), Add::add)
    }
}

impl core::iter::Product for Scalar {
    fn product<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::one(), Mul::mul)
    }
}

/// `hash_to_scalar(tag, bytes) = (H(d || 0) || H(d || 1)) mod r` with `d = H(enc(tag, bytes))`.
///
/// 64 bytes are reduced, so the result is uniform up to `2^-257` in the random oracle model. keccak256 twice rather
/// than one SHA-512, so that a contract can recompute a challenge cheaply.
#[must_use]
pub fn hash_to_scalar(tag: Tag, bytes: &[u8]) -> Scalar {
    let digest = Writer::new(tag).bytes(bytes).hash();
    let mut wide = [0; 64];
    for (half, counter) in wide.chunks_exact_mut(32).zip(0_u8..) {
        half.copy_from_slice(&keccak256_many(&[&digest, &[counter]]));
    }
    Scalar::reduce_be_wide(&wide)
}
