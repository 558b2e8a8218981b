//! The coordinate fields, constant-time.

use blst::{blst_fp, blst_fp2};

macro_rules! field {
    ($module:ident, $Field:ty, $add:ident, $sub:ident, $mul:ident, $sqr:ident, $inverse:ident, $cneg:ident) => {
        /// The functions of one field.
        pub mod $module {
            use super::*;

            /// `a + b`.
            pub fn add(a: &$Field, b: &$Field) -> $Field {
                let mut out = <$Field>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$add(&raw mut out, a, b) };
                out
            }

            /// `a - b`.
            pub fn sub(a: &$Field, b: &$Field) -> $Field {
                let mut out = <$Field>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$sub(&raw mut out, a, b) };
                out
            }

            /// `a * b`.
            pub fn mul(a: &$Field, b: &$Field) -> $Field {
                let mut out = <$Field>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$mul(&raw mut out, a, b) };
                out
            }

            /// `a^2`.
            pub fn square(a: &$Field) -> $Field {
                let mut out = <$Field>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$sqr(&raw mut out, a) };
                out
            }

            /// `1 / a`, or 0 for 0.
            pub fn inverse(a: &$Field) -> $Field {
                let mut out = <$Field>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$inverse(&raw mut out, a) };
                out
            }

            /// `-a` if `negative`, else `a`.
            pub fn negate_if(a: &$Field, negative: bool) -> $Field {
                let mut out = <$Field>::default();
                // SAFETY: the references are valid.
                unsafe { blst::$cneg(&raw mut out, a, negative) };
                out
            }
        }
    };
}

field!(fp, blst_fp, blst_fp_add, blst_fp_sub, blst_fp_mul, blst_fp_sqr, blst_fp_inverse, blst_fp_cneg);
field!(fp2, blst_fp2, blst_fp2_add, blst_fp2_sub, blst_fp2_mul, blst_fp2_sqr, blst_fp2_inverse, blst_fp2_cneg);
