//! Shamir's sharing of byte strings over `GF(2^8) = GF(2)[z]/(z^8 + z^4 + z^3 + z + 1)`, byte by byte.
//!
//! The shares of a plain sharing are `x || y`, 1 + L bytes for a secret of L bytes, `x` from 1 to `n`; it is the layout of
//! HashiCorp Vault turned round and that of vsss-rs and go-mpc-infra. Nothing in it shows that a share is right: whoever keeps
//! shares keeps a commitment to each beside them, or checks the surplus as [`combine`] does.
//!
//! # Security
//!
//! Every multiplication is of a secret by a public number (an `x` or a Lagrange coefficient) and takes the same time for all
//! values; there are no tables (CVE-2023-25000).
//!
//! # Source
//!
//! Shamir 1979; FIPS 197 section 4.2 for the field.

use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a secret that is shared directly; more goes into an encrypted container whose key is shared.
pub const SECRET_BYTES_MAX: usize = 4096;

/// Why bytes cannot be shared or combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `2 <= t <= n <= 255`.
    #[error("the threshold {t} is not in 2..={n}")]
    Threshold {
        /// Shares that recover.
        t: u8,
        /// All shares.
        n: u8,
    },
    /// No secret, or more than [`SECRET_BYTES_MAX`].
    #[error("a secret has 1 to {SECRET_BYTES_MAX} bytes, not {0}")]
    Secret(usize),
    /// A share is shorter than two bytes or too long, or the shares differ in length.
    #[error("a share has a wrong length")]
    Length,
    /// The evaluation point 0 is the secret itself.
    #[error("a share has the index 0")]
    Zero,
    /// Two shares have the same index.
    #[error("two shares have the index {0}")]
    Duplicate(u8),
    /// Fewer shares than the threshold.
    #[error("{given} shares, but {needed} are needed")]
    TooFew {
        /// How many there are.
        given: usize,
        /// The threshold.
        needed: usize,
    },
    /// A share beyond the threshold does not lie on the polynomial of the others: one of them is wrong.
    #[error("the share with index {0} contradicts the others")]
    Contradiction(u8),
}

/// One share: secret.
pub struct Share {
    x: u8,
    y: Zeroizing<Vec<u8>>,
}

impl Share {
    /// Reads `x || y`.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Zero`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((0, _)) => Err(Error::Zero),
            Some((x, y)) if (1..=SECRET_BYTES_MAX).contains(&y.len()) => Ok(Self { x: *x, y: y.to_vec().into() }),
            _ => Err(Error::Length),
        }
    }

    /// `x || y`: the index, then as many bytes as the secret has.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + self.y.len()));
        bytes.push(self.x);
        bytes.extend_from_slice(&self.y);
        bytes
    }

    /// The index, from 1 to 255; public.
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.x
    }

    /// The value at the index: secret.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.y
    }
}

/// `n` shares of which any `t` recover.
///
/// # Errors
/// [`Error::Threshold`], [`Error::Secret`].
pub fn split(secret: &[u8], t: u8, n: u8, rng: &mut impl CryptoRngCore) -> Result<Vec<Share>, Error> {
    if t < 2 || t > n {
        return Err(Error::Threshold { t, n });
    }
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
        return Err(Error::Secret(secret.len()));
    }
    let random = (1..t).map(|_| random_bytes(secret.len(), rng));
    let coefficients: Vec<_> = core::iter::once(Zeroizing::new(secret.to_vec())).chain(random).collect();
    Ok((1..=n).map(|x| Share { x, y: evaluate(&coefficients, x) }).collect())
}

/// The secret of at least `t` shares. Shares beyond the threshold must agree with the first `t`.
///
/// # Errors
/// [`Error`]; with [`Error::Contradiction`] any of the shares may be the wrong one.
pub fn combine(t: u8, shares: &[Share]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if t < 2 {
        return Err(Error::Threshold { t, n: u8::MAX });
    }
    let (given, needed) = (shares.len(), usize::from(t));
    let points: Vec<(u8, &[u8])> = shares.iter().map(|share| (share.x, share.value())).collect();
    let Some((base, surplus)) = points.split_at_checked(needed) else {
        return Err(Error::TooFew { given, needed });
    };
    check_points(&points)?;
    for (x, value) in surplus {
        if !bool::from(interpolate(base, *x)?.ct_eq(value)) {
            return Err(Error::Contradiction(*x));
        }
    }
    interpolate(base, 0)
}

/// The value at `at` of the polynomial of lowest degree through these points; constant-time in their values.
///
/// # Errors
/// [`Error::Duplicate`], [`Error::Length`], [`Error::TooFew`] without points.
pub fn interpolate(points: &[(u8, &[u8])], at: u8) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (_, first) = points.first().ok_or(Error::TooFew { given: 0, needed: 1 })?;
    check_points(points)?;
    let mut sum = Zeroizing::new(vec![0; first.len()]);
    for (x, value) in points {
        add_product(&mut sum, value, coefficient(points, *x, at));
    }
    Ok(sum)
}

fn check_points(points: &[(u8, &[u8])]) -> Result<(), Error> {
    let mut seen = [false; 256];
    for (x, value) in points {
        if value.len() != points.first().map_or(0, |(_, first)| first.len()) {
            return Err(Error::Length);
        }
        if let Some(seen) = seen.get_mut(usize::from(*x))
            && core::mem::replace(seen, true)
        {
            return Err(Error::Duplicate(*x));
        }
    }
    Ok(())
}

/// `prod (at - x_j) / (x - x_j)` over the other points: public.
fn coefficient(points: &[(u8, &[u8])], x: u8, at: u8) -> u8 {
    let others = points.iter().map(|(other, _)| *other).filter(|other| *other != x);
    let (above, below) = others.fold((1, 1), |(above, below), other| (mul(above, at ^ other), mul(below, x ^ other)));
    mul(above, inverse(below))
}

/// `sum c_k x^k`, byte by byte.
fn evaluate(coefficients: &[Zeroizing<Vec<u8>>], x: u8) -> Zeroizing<Vec<u8>> {
    let length = coefficients.first().map_or(0, |constant| constant.len());
    let (mut sum, mut power) = (Zeroizing::new(vec![0; length]), 1);
    for coefficient in coefficients {
        add_product(&mut sum, coefficient, power);
        power = mul(power, x);
    }
    sum
}

/// `sum += factor * value`, each byte by itself.
fn add_product(sum: &mut [u8], value: &[u8], factor: u8) {
    for (sum, byte) in sum.iter_mut().zip(value) {
        *sum ^= mul(*byte, factor);
    }
}

/// The product, without tables or branches.
const fn mul(mut a: u8, b: u8) -> u8 {
    let (mut product, mut bit) = (0, 0);
    while bit < 8 {
        product ^= a & 0u8.wrapping_sub(b >> bit & 1);
        a = a << 1 ^ (0x1b & 0u8.wrapping_sub(a >> 7));
        bit += 1;
    }
    product
}

/// `a^254`, which is 0 for 0.
fn inverse(a: u8) -> u8 {
    let square = mul(a, a);
    let (power, _) = (1..7).fold((square, square), |(power, square), _| {
        let square = mul(square, square);
        (mul(power, square), square)
    });
    power
}

pub(crate) fn random_bytes(length: usize, rng: &mut impl CryptoRngCore) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    rng.fill_bytes(&mut bytes);
    bytes
}
