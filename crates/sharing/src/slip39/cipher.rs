//! The encryption of the master secret: four Feistel rounds with PBKDF2-HMAC-SHA256.

use sha2::Sha256;
use zeroize::Zeroizing;

use super::Error;

const ROUNDS: u8 = 4;
const BASE_ITERATIONS: u32 = 10_000;

/// A passphrase, perhaps empty: printable ASCII only.
pub struct Passphrase<'a>(&'a [u8]);

impl<'a> Passphrase<'a> {
    /// No passphrase.
    pub const EMPTY: Self = Self(b"");

    /// Checks its characters.
    ///
    /// # Errors
    /// [`Error::Passphrase`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.iter().all(|byte| (32..=126).contains(byte)) { Ok(Self(bytes)) } else { Err(Error::Passphrase) }
    }
}

/// What encryption depends on beside passphrase and secret.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub identifier: u16,
    pub extendable: bool,
    pub exponent: u8,
}

/// Iterations of PBKDF2 for one secret: `10000 * 2^e`.
#[must_use]
pub const fn iterations(exponent: u8) -> u32 {
    BASE_ITERATIONS << exponent
}

pub(super) fn encrypt(secret: &[u8], passphrase: &Passphrase<'_>, setting: Setting) -> Zeroizing<Vec<u8>> {
    feistel(secret, passphrase, setting, 0..ROUNDS)
}

pub(super) fn decrypt(encrypted: &[u8], passphrase: &Passphrase<'_>, setting: Setting) -> Zeroizing<Vec<u8>> {
    feistel(encrypted, passphrase, setting, (0..ROUNDS).rev())
}

fn feistel(
    input: &[u8],
    passphrase: &Passphrase<'_>,
    setting: Setting,
    rounds: impl Iterator<Item = u8>,
) -> Zeroizing<Vec<u8>> {
    let (left, right) = input.split_at(input.len() / 2);
    let (mut left, mut right) = (Zeroizing::new(left.to_vec()), Zeroizing::new(right.to_vec()));
    for round in rounds {
        let mask = round_function(round, passphrase, setting, &right);
        left.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
        core::mem::swap(&mut left, &mut right);
    }
    let mut output = Zeroizing::new(Vec::with_capacity(input.len()));
    output.extend_from_slice(&right);
    output.extend_from_slice(&left);
    output
}

/// `PBKDF2(round || passphrase, prefix || R, 2500 * 2^e)`; an extendable set has no prefix.
fn round_function(round: u8, passphrase: &Passphrase<'_>, setting: Setting, right: &[u8]) -> Zeroizing<Vec<u8>> {
    let password = Zeroizing::new([&[round], passphrase.0].concat());
    let prefix = [b"shamir".as_slice(), &setting.identifier.to_be_bytes()].concat();
    let salt = Zeroizing::new([if setting.extendable { &[] } else { prefix.as_slice() }, right].concat());
    let mut mask = Zeroizing::new(vec![0; right.len()]);
    pbkdf2::pbkdf2_hmac::<Sha256>(&password, &salt, iterations(setting.exponent) / u32::from(ROUNDS), &mut mask);
    mask
}
