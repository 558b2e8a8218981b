//! Coordinates: what blst's plain structs lack.

use blst::{blst_fp, blst_fp2, blst_p1_affine, blst_p2_affine};
use subtle::Choice;
use zeroize::Zeroize;

use crate::ffi;

/// An element of a coordinate field: constant-time arithmetic, and wiping, for which blst has no `Zeroize`.
pub trait Field: Copy + Default + PartialEq {
    /// 1.
    fn one() -> Self;
    /// `self + other`.
    fn plus(&self, other: &Self) -> Self;
    /// `self - other`.
    fn minus(&self, other: &Self) -> Self;
    /// `self * other`.
    fn times(&self, other: &Self) -> Self;
    /// `self^2`.
    fn square(&self) -> Self;
    /// `1 / self`, or 0 for 0.
    fn inverse(&self) -> Self;
    /// `-self` if `negative`.
    fn negate_if(&self, negative: Choice) -> Self;
    /// Overwrites the element.
    fn wipe(&mut self);
}

macro_rules! field {
    ($Field:ty, $module:ident, $group:ident, $wipe:expr) => {
        impl Field for $Field {
            fn one() -> Self {
                ffi::$group::generator().z
            }
            fn plus(&self, other: &Self) -> Self {
                ffi::$module::add(self, other)
            }
            fn minus(&self, other: &Self) -> Self {
                ffi::$module::sub(self, other)
            }
            fn times(&self, other: &Self) -> Self {
                ffi::$module::mul(self, other)
            }
            fn square(&self) -> Self {
                ffi::$module::square(self)
            }
            fn inverse(&self) -> Self {
                ffi::$module::inverse(self)
            }
            fn negate_if(&self, negative: Choice) -> Self {
                ffi::$module::negate_if(self, negative.into())
            }
            fn wipe(&mut self) {
                let wipe: fn(&mut Self) = $wipe;
                wipe(self);
            }
        }
    };
}

field!(blst_fp, fp, g1, |field| field.l.zeroize());
field!(blst_fp2, fp2, g2, |field| field.fp.iter_mut().for_each(Field::wipe));

/// Wipes all of them.
pub(super) fn wipe<F: Field>(coordinates: &mut [&mut F]) {
    coordinates.iter_mut().for_each(|field| field.wipe());
}

/// An affine point; all zero is the identity.
pub trait Affine: Copy + Default + PartialEq {
    /// The field of the coordinates.
    type Field: Field;

    /// From its coordinates.
    fn from_xy(x: Self::Field, y: Self::Field) -> Self;
    /// The coordinates.
    fn xy(&self) -> [&Self::Field; 2];
    /// Whether the point, which is public, is the identity.
    fn is_identity(&self) -> bool {
        self.xy() == [&Self::Field::default(); 2]
    }
    /// `self |= other & mask`, limb by limb.
    fn merge(&mut self, other: &Self, mask: u64);
    /// Negates the point if `negative`, constant-time.
    fn negate_if(&mut self, negative: Choice);
    /// Overwrites the coordinates.
    fn wipe(&mut self);
}

/// Selection by masks.
pub(super) trait Limbs {
    /// `self |= other & mask`, limb by limb.
    fn merge(&mut self, other: &Self, mask: u64);
}

impl Limbs for blst_fp {
    #[inline(always)]
    fn merge(&mut self, other: &Self, mask: u64) {
        for (limb, from) in self.l.iter_mut().zip(&other.l) {
            *limb |= from & mask;
        }
    }
}

impl Limbs for blst_fp2 {
    #[inline(always)]
    fn merge(&mut self, other: &Self, mask: u64) {
        for (part, from) in self.fp.iter_mut().zip(&other.fp) {
            part.merge(from, mask);
        }
    }
}

macro_rules! affine {
    ($Affine:ty, $Field:ty) => {
        impl Affine for $Affine {
            type Field = $Field;

            fn from_xy(x: $Field, y: $Field) -> Self {
                Self { x, y }
            }

            fn xy(&self) -> [&$Field; 2] {
                [&self.x, &self.y]
            }

            #[inline(always)]
            fn merge(&mut self, other: &Self, mask: u64) {
                self.x.merge(&other.x, mask);
                self.y.merge(&other.y, mask);
            }

            fn negate_if(&mut self, negative: Choice) {
                self.y = Field::negate_if(&self.y, negative);
            }

            fn wipe(&mut self) {
                wipe(&mut [&mut self.x, &mut self.y]);
            }
        }
    };
}

affine!(blst_p1_affine, blst_fp);
affine!(blst_p2_affine, blst_fp2);
