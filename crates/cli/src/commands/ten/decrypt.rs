//! `quorumkeep ten decrypt`.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_store::files::{PRIVATE, read_bounded, write_new};
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::secret::SECRET_BYTES;
use quorumkeep_ten::trezor::{DEVICE_FILE_BYTES_MAX, SessionKey};

use crate::failure::{Failure, Result};
use crate::report::Report;

/// Bytes of the longest file with a ciphertext.
const CIPHERTEXT_FILE_BYTES_MAX: u64 = 4096;

const HELP: &str = "\
Examples:
  quorumkeep ten decrypt --key-file backup.pem --in network-secret.hex --out secret.bin
  quorumkeep ten decrypt --session-key-file from-trezor.txt --in network-secret.hex --out secret.bin
The ciphertext is hexadecimal (0x in front or not) or the 145 bytes themselves. The output has the 32 bytes of the secret, and
is a new file that only you can read. Nothing is compared with the network here: ten recover does.";

/// Arguments of `ten decrypt`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Decrypt {
    /// The private backup key: 64 hex digits, or PEM (SEC 1 or PKCS #8).
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "session_key_file",
        conflicts_with = "session_key_file"
    )]
    key_file: Option<PathBuf>,
    /// Instead of a key, what a device returned for exactly this ciphertext.
    #[arg(long, value_name = "FILE")]
    session_key_file: Option<PathBuf>,
    /// The ciphertext.
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where the secret goes: a new file that only you can read.
    #[arg(long = "out", value_name = "FILE")]
    output: PathBuf,
}

impl Decrypt {
    /// Decrypts it.
    pub fn run(self) -> Result<Report> {
        let ciphertext = Ciphertext::from_file(&read_bounded(&self.input, CIPHERTEXT_FILE_BYTES_MAX)?)
            .map_err(|error| Failure::from(error).about(self.input.display()))?;
        let secret = match (&self.key_file, &self.session_key_file) {
            (Some(path), _) => ciphertext.open(&super::load_backup_key(path)?)?,
            (None, Some(path)) => {
                super::warn_if_open(path);
                ciphertext.open_with(&SessionKey::read(&read_bounded(path, DEVICE_FILE_BYTES_MAX as u64)?)?)?
            }
            (None, None) => return Err(Failure::usage("give --key-file or --session-key-file")),
        };
        write_new(&self.output, secret.expose(), PRIVATE)?;
        let report = Report::text(format!("{SECRET_BYTES} bytes written to {}", self.output.display()));
        Ok(report.field("file", &self.output).field("bytes", SECRET_BYTES))
    }
}
