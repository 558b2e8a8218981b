//! `quorumkeep slip39 split`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use quorumkeep_sharing::slip39::{Group, Passphrase, Plan, SECRET_BYTES_MAX, Share, split};
use quorumkeep_store::files::{PRIVATE, destroy, read_bounded, write_new};
use rand_core::OsRng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::failure::{Code, Failure, Result};
use crate::report::{Report, warn};

const HELP: &str = "\
Example:
  quorumkeep slip39 split --threshold 2 --shares 3 --secret-file seed.bin --out-dir shares
  quorumkeep slip39 split --group-threshold 2 --group 1of1 --group 2of3 --secret-file seed.bin --out-dir shares
Each file holds one mnemonic. The words are no wallet of their own and no BIP-39 phrase. Give each file to one person, check
with slip39 inspect and slip39 combine that they read back, then destroy the files.";

/// Arguments of `slip39 split`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Split {
    /// How many mnemonics recover the secret.
    #[arg(long, value_name = "T", requires = "shares", required_unless_present = "group")]
    threshold: Option<u8>,
    /// How many mnemonics are made.
    #[arg(long, value_name = "N", requires = "threshold")]
    shares: Option<u8>,
    /// A group of which T of N members are needed, as 2of3; give it once for each group.
    #[arg(long, value_name = "TofN", conflicts_with_all = ["threshold", "shares"])]
    group: Vec<GroupArg>,
    /// How many groups are needed.
    #[arg(long, value_name = "G", requires = "group", default_value_t = 1)]
    group_threshold: u8,
    /// The secret: 16 to 32 bytes as they are, or hexadecimal with --hex.
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The secret file is hexadecimal.
    #[arg(long)]
    hex: bool,
    /// A file with the passphrase that encrypts the secret first [default: the empty passphrase].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The work against guessing the passphrase: 10000 * 2^E iterations.
    #[arg(long, value_name = "E", default_value_t = 1)]
    iteration_exponent: u8,
    /// The folder for the files; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

/// `2of3`.
#[derive(Clone, Copy)]
pub struct GroupArg(Group);

impl FromStr for GroupArg {
    type Err = String;

    fn from_str(text: &str) -> core::result::Result<Self, String> {
        let parse = |number: &str| number.parse().ok();
        let parts = text.split_once("of").and_then(|(t, n)| Some((parse(t)?, parse(n)?)));
        let (threshold, count) = parts.ok_or_else(|| format!("{text} is no group; write it as 2of3"))?;
        Ok(Self(Group { threshold, count }))
    }
}

impl Split {
    /// Splits it.
    pub fn run(self) -> Result<Report> {
        let plan = self.plan();
        plan.check()?;
        let (secret, passphrase) = (self.secret()?, super::passphrase(self.passphrase_file.as_deref())?);
        let set = split(&secret, &Passphrase::new(&passphrase)?, &plan, &mut OsRng)?;
        let shares: Vec<&Share> = set.iter().flatten().collect();
        let paths: Vec<PathBuf> = shares.iter().map(|share| self.path(share)).collect();
        make_folder(&self.out_dir)?;
        write_all(&shares, &paths)?;
        Ok(report(&shares, &paths, &plan))
    }

    fn plan(&self) -> Plan {
        let simple = || vec![Group { threshold: self.threshold.unwrap_or(0), count: self.shares.unwrap_or(0) }];
        let groups: Vec<Group> = self.group.iter().map(|group| group.0).collect();
        let groups = if groups.is_empty() { simple() } else { groups };
        Plan { threshold: self.group_threshold, groups, exponent: self.iteration_exponent }
    }

    fn secret(&self) -> Result<Zeroizing<Vec<u8>>> {
        let bytes = read_bounded(&self.secret_file, 4 * SECRET_BYTES_MAX as u64)?;
        if !self.hex {
            if bytes.trim_ascii().iter().all(u8::is_ascii_hexdigit) {
                warn("the secret file looks like hexadecimal and is taken as it is; if it is, say --hex");
            }
            return Ok(bytes);
        }
        let digits = bytes.trim_ascii();
        let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
        let mut secret = Zeroizing::new(vec![0; digits.len() / 2]);
        hex::decode_to_slice(digits, &mut secret)
            .map_err(|_| Failure::new(Code::BadSecret, "the secret is not hexadecimal"))?;
        Ok(secret)
    }

    fn path(&self, share: &Share) -> PathBuf {
        let header = share.header();
        let member = header.member + 1;
        self.out_dir.join(match self.group.len() {
            0 => format!("share-{member}.txt"),
            _ => format!("group-{}-share-{member}.txt", header.group + 1),
        })
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::new(Code::Io, format!("{}: {error}", folder.display())))
}

/// All files or none.
fn write_all(shares: &[&Share], paths: &[PathBuf]) -> Result<()> {
    for (written, (share, path)) in shares.iter().zip(paths).enumerate() {
        let mut line = share.mnemonic();
        line.push('\n');
        if let Err(error) = write_new(path, line.as_bytes(), PRIVATE) {
            for other in paths.iter().take(written) {
                destroy(other)?;
            }
            return Err(error.into());
        }
    }
    Ok(())
}

fn report(shares: &[&Share], paths: &[PathBuf], plan: &Plan) -> Report {
    let identifier = shares.first().map_or(0, |share| share.header().identifier);
    let rows: Vec<Value> = shares.iter().zip(paths).map(|(share, path)| {
        json!({ "file": path, "group": share.header().group + 1, "member": share.header().member + 1 })
    }).collect();
    let files = paths.iter().map(|path| format!("  {}", path.display()));
    let report = Report::text(format!("set {identifier}: {} mnemonics", shares.len()));
    let report = files
        .fold(report, Report::line)
        .line("Give each to one person; the files are secrets until they are destroyed.");
    report.field("identifier", identifier).field("group_threshold", plan.threshold).field("shares", rows)
}
