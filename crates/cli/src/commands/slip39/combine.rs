//! `quorumkeep slip39 combine`.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_sharing::slip39::{EXPONENT_MAX, Passphrase, combine};
use quorumkeep_store::files::{PRIVATE, write_new};
use zeroize::Zeroizing;

use super::pool::Source;
use crate::failure::Result;
use crate::report::{Report, warn};

const HELP: &str = "\
Example:
  quorumkeep slip39 combine --shares-file a.txt b.txt --out seed.bin
All mnemonics that are given are used: those beyond the threshold are checked against the others, and one that contradicts
them is named. A wrong passphrase gives another secret and no error: compare the secret with something that you know of it.";

/// Arguments of `slip39 combine`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Combine {
    #[command(flatten)]
    source: Source,
    /// A file with the passphrase [default: the empty passphrase].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Refuse more work than 10000 * 2^E iterations.
    #[arg(long, value_name = "E", default_value_t = EXPONENT_MAX)]
    iteration_exponent_max: u8,
    /// Where the secret goes: a new file that only you can read.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write the secret in hexadecimal.
    #[arg(long)]
    hex: bool,
}

impl Combine {
    /// Combines them.
    pub fn run(self) -> Result<Report> {
        let passphrase = super::passphrase(self.passphrase_file.as_deref())?;
        let (shares, places) = self.source.shares()?;
        let combined = combine(&shares, &Passphrase::new(&passphrase)?, self.iteration_exponent_max)?;
        let text = Zeroizing::new(hex::encode(&*combined.secret) + "\n");
        let bytes = if self.hex { text.as_bytes() } else { &combined.secret };
        write_new(&self.out, bytes, PRIVATE)?;
        let named = |list: &[usize]| -> Vec<String> {
            list.iter().filter_map(|place| places.get(place - 1).cloned()).collect()
        };
        let (bad, unchecked) = (named(&combined.bad), named(&combined.unchecked));
        bad.iter().for_each(|place| warn(&format!("{place}: this mnemonic is not right; it contradicts the others")));
        unchecked.iter().for_each(|place| warn(&format!("{place}: not checked, its group has too few mnemonics")));
        let bits = combined.secret.len() * 8;
        let report = Report::text(format!("{bits} bits written to {}", self.out.display()));
        Ok(report
            .field("file", &self.out)
            .field("bits", bits)
            .field("shares", places.len())
            .field("bad", bad)
            .field("unchecked", unchecked))
    }
}
