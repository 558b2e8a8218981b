//! Evaluation points and thresholds.

use core::num::NonZeroU16;

use quorumkeep_curves::bls::Scalar;

use crate::Error;

/// An evaluation point: a small integer from 1, assigned once to a participant and never used again.
///
/// # Security
///
/// 0 is where the secret lies, so it is not an index. A `u16` cannot wrap modulo the group order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Index(NonZeroU16);

impl Index {
    /// The index with this value; `None` for 0.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The value, never 0.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The value as a scalar.
    #[must_use]
    pub fn to_scalar(self) -> Scalar {
        Scalar::from_u64(u64::from(self.get()))
    }
}

impl core::fmt::Display for Index {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// How many shares recover: `1 < t <= n`.
///
/// # Security
///
/// Secrecy holds against `t - 1` colluders, progress against `n - t` crashed participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Threshold(u16);

impl Threshold {
    /// The threshold `t` among `n` participants.
    ///
    /// # Errors
    ///
    /// [`Error::Threshold`] unless `1 < t <= n`.
    pub const fn new(t: u16, n: u16) -> Result<Self, Error> {
        if t < 2 || t > n {
            return Err(Error::Threshold { t, n });
        }
        Ok(Self(t))
    }

    /// `ceil(2n / 3)`.
    ///
    /// # Errors
    ///
    /// [`Error::Threshold`] for fewer than two participants.
    pub const fn default_for(n: u16) -> Result<Self, Error> {
        // At most n, so no bits are lost.
        Self::new((2 * n as u32).div_ceil(3) as u16, n)
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The value, as a length.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl core::fmt::Display for Threshold {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
