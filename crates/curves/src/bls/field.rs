//! Coordinates: what blst's plain structs lack.

use blst::{blst_fp, blst_fp2, blst_p1_affine, blst_p2_affine};
use subtle::Choice;
use zeroize::Zeroize;

use super::fixed::Entry;
use crate::ffi;

/// An affine point from its coordinates.
pub(super) trait FromXy<F> {
    fn from_xy(x: F, y: F) -> Self;
}

impl FromXy<blst_fp> for blst_p1_affine {
    fn from_xy(x: blst_fp, y: blst_fp) -> Self {
        Self { x, y }
    }
}

impl FromXy<blst_fp2> for blst_p2_affine {
    fn from_xy(x: blst_fp2, y: blst_fp2) -> Self {
        Self { x, y }
    }
}

/// Field elements that can be wiped; blst gives them no `Zeroize`.
pub(super) trait Wipe {
    fn wipe(&mut self);
}

impl Wipe for blst_fp {
    fn wipe(&mut self) {
        self.l.zeroize();
    }
}

impl Wipe for blst_fp2 {
    fn wipe(&mut self) {
        self.fp.iter_mut().for_each(Wipe::wipe);
    }
}

/// Wipes all of them.
pub(super) fn wipe<F: Wipe>(coordinates: &mut [&mut F]) {
    coordinates.iter_mut().for_each(|field| field.wipe());
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

macro_rules! entry {
    ($Affine:ty, $negate:path) => {
        impl Entry for $Affine {
            #[inline(always)]
            fn merge(&mut self, other: &Self, mask: u64) {
                self.x.merge(&other.x, mask);
                self.y.merge(&other.y, mask);
            }

            fn negate_if(&mut self, negative: Choice) {
                self.y = $negate(&self.y, negative.into());
            }

            fn wipe(&mut self) {
                wipe(&mut [&mut self.x, &mut self.y]);
            }
        }
    };
}

entry!(blst_p1_affine, ffi::fp_negate_if);
entry!(blst_p2_affine, ffi::fp2_negate_if);
