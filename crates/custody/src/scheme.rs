//! The three ways to share the key of a set.
//!
//! | scheme | share | key |
//! |---|---|---|
//! | `shamir` | `x || y`, 33 bytes: GF(256) byte by byte | 16 to 64 bytes |
//! | `slip39` | a mnemonic of 20 or 33 words | 16 to 32 bytes, an even number |
//! | `vss` | `index || f(index) || f'(index)`, 65 bytes, with public commitments | a scalar of BLS12-381, 32 bytes |

use std::str::FromStr;

use quorumkeep_curves::bls::{G1, OnCurve, SecretScalar};
use quorumkeep_curves::tags;
use quorumkeep_sharing::{HidingCommitment, Index, Polynomial, Threshold, gf256, lagrange, slip39};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bytes::Hex;

/// Bytes of the shortest key: less can be guessed, and commitments to it would be oracles.
pub const KEY_BYTES_MIN: usize = 16;
/// Bytes of the longest key; longer secrets go into a container.
pub const KEY_BYTES_MAX: usize = 64;
/// Members of a SLIP-39 group.
const SLIP39_SHARES_MAX: u8 = slip39::COUNT_MAX;

/// How the key of a set is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Bytes over GF(256).
    Shamir,
    /// Words for people, paper and hardware.
    Slip39,
    /// Over the scalar field of BLS12-381, with commitments: a share can be checked without the dealer.
    Vss,
}

/// A sharing that cannot be made or undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The numbers are impossible for this scheme.
    #[error("{threshold} of {shares} cannot be shared this way: {reason}")]
    Numbers {
        /// Shares that recover.
        threshold: u8,
        /// All shares.
        shares: u8,
        /// Why not.
        reason: &'static str,
    },
    /// The key does not fit the scheme.
    #[error("a key of {0} bytes cannot be shared this way")]
    Key(usize),
    /// A share is not of this scheme. Its place in the list, from 0.
    #[error("share {0} is not of this scheme")]
    Share(usize),
    /// They do not give a key: too few, twice the same, or contradicting each other.
    #[error("the shares do not give a key: {0}")]
    Combine(String),
}

/// The shares of a key, and what is public about them.
pub struct Dealt {
    /// One per index from 1: secret.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
    /// With [`Scheme::Vss`] the commitments to the polynomial, `t` points of 48 bytes; else none.
    pub commitments: Vec<Hex<48>>,
}

impl Scheme {
    /// Can `threshold` of `shares` be shared this way?
    ///
    /// # Errors
    /// [`Error::Numbers`].
    pub fn check(self, threshold: u8, shares: u8) -> Result<(), Error> {
        let reason = match self {
            _ if threshold < 2 => "one share alone would be the secret",
            _ if threshold > shares => "more are needed than there are",
            Self::Slip39 if shares > SLIP39_SHARES_MAX => "SLIP-39 has at most 16 members",
            _ => return Ok(()),
        };
        Err(Error::Numbers { threshold, shares, reason })
    }

    /// A fresh key for this scheme, 32 bytes.
    #[must_use]
    pub fn random_key(self, rng: &mut impl CryptoRngCore) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Vss => SecretScalar::random(rng).expose().to_vec().into(),
            Self::Shamir | Self::Slip39 => {
                let mut key = Zeroizing::new(vec![0; 32]);
                rng.fill_bytes(&mut key);
                key
            }
        }
    }

    /// Shares a key.
    ///
    /// # Errors
    /// [`Error::Numbers`], [`Error::Key`].
    pub fn split(self, key: &[u8], threshold: u8, shares: u8, rng: &mut impl CryptoRngCore) -> Result<Dealt, Error> {
        self.check(threshold, shares)?;
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(Error::Key(key.len()));
        }
        match self {
            Self::Shamir => {
                let dealt = gf256::split(key, threshold, shares, rng).map_err(|_| Error::Key(key.len()))?;
                Ok(Dealt::plain(dealt.iter().map(gf256::Share::encode).collect()))
            }
            Self::Slip39 => split_slip39(key, threshold, shares, rng),
            Self::Vss => split_vss(key, threshold, shares, rng),
        }
    }

    /// Which share this says it is, from 1; none if it is no share of this scheme.
    #[must_use]
    pub fn index_of(self, share: &[u8]) -> Option<u8> {
        match self {
            Self::Shamir | Self::Vss => share.first().copied(),
            Self::Slip39 => {
                let text = core::str::from_utf8(share).ok()?;
                Some(slip39::Share::parse(text).ok()?.header().member + 1)
            }
        }
    }

    /// The key of at least `threshold` shares; more are checked against each other.
    ///
    /// # Errors
    /// [`Error::Share`], [`Error::Combine`].
    pub fn combine(self, threshold: u8, shares: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Shamir => combine_shamir(threshold, shares),
            Self::Slip39 => combine_slip39(shares),
            Self::Vss => combine_vss(threshold, shares),
        }
    }
}

impl FromStr for Scheme {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "shamir" => Ok(Self::Shamir),
            "slip39" => Ok(Self::Slip39),
            "vss" => Ok(Self::Vss),
            _ => Err("expected shamir, slip39 or vss"),
        }
    }
}

impl Dealt {
    fn plain(shares: Vec<Zeroizing<Vec<u8>>>) -> Self {
        Self { shares, commitments: Vec::new() }
    }
}

fn combine_shamir(threshold: u8, shares: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let decode = |(at, share): (usize, &&[u8])| gf256::Share::decode(share).map_err(|_| Error::Share(at));
    let decoded: Vec<_> = shares.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
    gf256::combine(threshold, &decoded).map_err(|error| Error::Combine(error.to_string()))
}

fn passphrase() -> Result<slip39::Passphrase<'static>, Error> {
    slip39::Passphrase::new(b"").map_err(|error| Error::Combine(error.to_string()))
}

fn split_slip39(key: &[u8], threshold: u8, shares: u8, rng: &mut impl CryptoRngCore) -> Result<Dealt, Error> {
    let plan = slip39::Plan::simple(threshold, shares);
    let groups = slip39::split(key, &passphrase()?, &plan, rng).map_err(|_| Error::Key(key.len()))?;
    let bytes = |share: &slip39::Share| Zeroizing::new(share.mnemonic().as_bytes().to_vec());
    Ok(Dealt::plain(groups.iter().flatten().map(bytes).collect()))
}

fn combine_slip39(shares: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let decode = |(at, share): (usize, &&[u8])| {
        let text = core::str::from_utf8(share).ok();
        text.and_then(|text| slip39::Share::parse(text).ok()).ok_or(Error::Share(at))
    };
    let decoded: Vec<_> = shares.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
    let combined = slip39::combine(&decoded, &passphrase()?, slip39::EXPONENT_MAX);
    let combined = combined.map_err(|error| Error::Combine(error.to_string()))?;
    match combined.bad.first() {
        Some(place) => Err(Error::Combine(format!("share {place} contradicts the others"))),
        None => Ok(combined.secret),
    }
}

/// `h`, of which nobody knows the logarithm.
fn vss_base() -> G1 {
    G1::hash_to_curve(tags::CUSTODY_VSS_BASE.as_bytes(), b"h")
}

fn split_vss(key: &[u8], threshold: u8, shares: u8, rng: &mut impl CryptoRngCore) -> Result<Dealt, Error> {
    let wrong = || Error::Key(key.len());
    let constant = scalar(key).ok_or_else(wrong)?;
    let t = Threshold::new(threshold.into(), shares.into()).map_err(|_| wrong())?;
    let (polynomial, blinding) = (Polynomial::with_constant(constant, t, rng), Polynomial::random(t, rng));
    let commitment = HidingCommitment::commit(&polynomial, &blinding, &vss_base()).map_err(|_| wrong())?;
    let share = |number: u8| {
        let index = Index::new(number.into()).ok_or_else(wrong)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(65));
        bytes.push(number);
        bytes.extend_from_slice(&*polynomial.evaluate(index).expose());
        bytes.extend_from_slice(&*blinding.evaluate(index).expose());
        Ok(bytes)
    };
    let commitments = commitment.points().iter().map(|point| Hex(point.to_bytes())).collect();
    Ok(Dealt { shares: (1..=shares).map(share).collect::<Result<_, Error>>()?, commitments })
}

fn scalar(bytes: &[u8]) -> Option<SecretScalar> {
    SecretScalar::from_be_bytes(bytes.try_into().ok()?).ok()
}

fn vss_share(bytes: &[u8]) -> Option<(Index, SecretScalar, SecretScalar)> {
    let (number, rest) = bytes.split_first()?;
    let (value, blinder) = rest.split_at_checked(32)?;
    Some((Index::new(u16::from(*number))?, scalar(value)?, scalar(blinder)?))
}

fn combine_vss(threshold: u8, shares: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let decode = |(at, share): (usize, &&[u8])| vss_share(share).ok_or(Error::Share(at));
    let decoded: Vec<_> = shares.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
    if decoded.len() < usize::from(threshold) {
        return Err(Error::Combine(format!("{} shares, but {threshold} are needed", decoded.len())));
    }
    let points: Vec<_> = decoded.iter().map(|(index, value, _)| (*index, value)).collect();
    let secret = lagrange::interpolate_secret(&points).map_err(|error| Error::Combine(error.to_string()))?;
    Ok(secret.expose().to_vec().into())
}

/// Does a `vss` share lie on the polynomial of these commitments? Anybody who has the share can ask.
#[must_use]
pub fn vss_holds(commitments: &[Hex<48>], share: &[u8]) -> bool {
    let point = |bytes: &Hex<48>| OnCurve::<G1>::from_slice(&bytes.0).ok()?.check().ok();
    let points: Option<Vec<G1>> = commitments.iter().map(point).collect();
    let commitment = points.and_then(|points| HidingCommitment::new(points).ok());
    let (Some(commitment), Some((index, value, blinder))) = (commitment, vss_share(share)) else {
        return false;
    };
    commitment.verify(index, &vss_base(), (&value, &blinder))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const ALL: [Scheme; 3] = [Scheme::Shamir, Scheme::Slip39, Scheme::Vss];

    #[test]
    fn every_subset_of_the_threshold_gives_the_key() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for scheme in ALL {
            let key = scheme.random_key(&mut rng);
            let dealt = scheme.split(&key, 3, 5, &mut rng).unwrap();
            assert_eq!(dealt.shares.len(), 5);
            for out in 0..5_usize {
                for and in out + 1..5 {
                    let some: Vec<&[u8]> =
                        (0..5).filter(|at| *at != out && *at != and).map(|at| dealt.shares[at].as_slice()).collect();
                    assert_eq!(*scheme.combine(3, &some).unwrap(), *key);
                    assert!(scheme.combine(3, &some[..2]).is_err(), "{scheme:?}: two are too few");
                    assert!(scheme.combine(3, &[some[0], some[0], some[1]]).is_err(), "{scheme:?}: B7, one twice");
                }
            }
        }
    }

    #[test]
    fn b4_numbers_that_are_refused() {
        for scheme in ALL {
            for (t, n) in [(0, 3), (1, 1), (1, 3), (4, 3), (2, 0)] {
                assert!(matches!(scheme.check(t, n), Err(Error::Numbers { .. })), "{scheme:?} {t} of {n}");
            }
            assert!(scheme.check(2, 2).is_ok());
        }
        assert!(Scheme::Slip39.check(2, 17).is_err() && Scheme::Shamir.check(2, 255).is_ok());
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        for length in [0, 1, 15, 65] {
            assert_eq!(Scheme::Shamir.split(&vec![1; length], 2, 3, &mut rng).err(), Some(Error::Key(length)));
        }
    }

    #[test]
    fn a_vss_share_can_be_checked_by_its_holder() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let key = Scheme::Vss.random_key(&mut rng);
        let dealt = Scheme::Vss.split(&key, 3, 5, &mut rng).unwrap();
        assert_eq!(dealt.commitments.len(), 3);
        for share in &dealt.shares {
            assert!(vss_holds(&dealt.commitments, share));
            for at in [0, 5, 40, 64] {
                let mut wrong = share.to_vec();
                wrong[at] ^= 1;
                assert!(!vss_holds(&dealt.commitments, &wrong), "byte {at}");
            }
            assert!(!vss_holds(&dealt.commitments[..2], share));
            assert!(!vss_holds(&dealt.commitments, &share[..64]));
        }
        assert!(!vss_holds(&[Hex([0; 48]); 3], &dealt.shares[0]));
    }

    proptest! {
        #[test]
        fn sharing_is_undone(t in 2_u8..6, more in 0_u8..5, seed: u64) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            for scheme in ALL {
                let key = scheme.random_key(&mut rng);
                let dealt = scheme.split(&key, t, t + more, &mut rng).unwrap();
                let last: Vec<&[u8]> = dealt.shares.iter().rev().take(t.into()).map(|share| share.as_slice()).collect();
                prop_assert_eq!(&*scheme.combine(t, &last).unwrap(), &*key);
            }
        }
    }
}
