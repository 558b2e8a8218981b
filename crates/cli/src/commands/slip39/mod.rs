//! `quorumkeep slip39`: secrets as sets of words, for people and for a Trezor.

mod combine;
mod inspect;
pub mod pool;
mod split;

use std::path::Path;

use clap::Subcommand;
use quorumkeep_sharing::slip39::{Error, Parse, Passphrase};
use quorumkeep_store::files::read_bounded;
use zeroize::Zeroizing;

use crate::failure::{Code, Failure, Result};
use crate::report::Report;

/// Bytes of a passphrase file.
const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// Commands below `slip39`.
#[derive(Subcommand)]
pub enum Slip39 {
    /// Splits a secret of 16 to 32 bytes into mnemonics, one file for each.
    Split(split::Split),
    /// Combines mnemonics into the secret; surplus ones are checked and bad ones named.
    Combine(combine::Combine),
    /// Says what mnemonics say openly: their set, group and member, what is missing, what is wrong.
    Inspect(inspect::Inspect),
}

/// Runs it.
pub fn run(command: Slip39) -> Result<Report> {
    match command {
        Slip39::Split(split) => split.run(),
        Slip39::Combine(combine) => combine.run(),
        Slip39::Inspect(inspect) => inspect.run(),
    }
}

/// The bytes of a passphrase file without one newline; empty without a file.
pub fn passphrase(file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>> {
    let Some(file) = file else { return Ok(Zeroizing::new(Vec::new())) };
    let mut bytes = read_bounded(file, PASSPHRASE_BYTES_MAX)?;
    for newline in [b'\n', b'\r'] {
        if bytes.last() == Some(&newline) {
            bytes.pop();
        }
    }
    Passphrase::new(&bytes)?;
    Ok(bytes)
}

/// What is wrong with one mnemonic.
const fn parse_code(error: Parse) -> Code {
    match error {
        Parse::UnknownWord(_) => Code::ShareWord,
        Parse::Words(_) => Code::ShareLength,
        Parse::Checksum(_) => Code::ShareChecksum,
        Parse::GroupThreshold { .. } => Code::ShareGroup,
        Parse::Padding => Code::SharePadding,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Threshold { .. } | Error::OneOfMany(_) => Code::BadPlan,
            Error::Secret(_) => Code::BadSecret,
            Error::Exponent { .. } => Code::WorkLimit,
            Error::Passphrase => Code::BadPassphrase,
            Error::Empty | Error::TooFew { .. } => Code::TooFewShares,
            Error::Mixed { .. } => Code::MixedShares,
            Error::Duplicate { .. } => Code::DuplicateShare,
            Error::Digest(_) => Code::ShareDigest,
        };
        Self::new(code, error)
    }
}
