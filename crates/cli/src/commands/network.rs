//! `quorumkeep network`: who is in the network.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand};
use quorumkeep_dkg::config::{Authority, Config, Genesis, Protocol, SUITE_BLS12381_G2, Windows};
use quorumkeep_dkg::ids::Digest;
use quorumkeep_server::network::NetworkFile;
use quorumkeep_sharing::{Index, Threshold};
use quorumkeep_store::files::write_atomic;
use rand_core::{OsRng, RngCore};
use serde_json::json;

use super::change::Change;
use super::new_key::NewKey;
use super::submit::Submit;
use crate::draft::Draft;
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, block_on};
use crate::operator_file::{OperatorFile, check_socket, from_hex};
use crate::report::Report;
use crate::{output, secrets};

/// Commands of `quorumkeep network`.
#[derive(Subcommand)]
pub enum Network {
    /// Drafts the first configuration and the permission to generate a key; prints the network id.
    #[command(after_help = INIT)]
    Init(Init),
    /// Adds one operator's signatures to a draft.
    #[command(after_help = SIGN)]
    Sign(Sign),
    /// Posts a draft that enough operators signed, and waits until it is in force.
    #[command(after_help = super::submit::HELP)]
    Submit(Submit),
    /// Drafts the next configuration: operators join and leave, the threshold and the timing change.
    #[command(after_help = super::change::HELP)]
    Change(Change),
    /// Drafts the permission to generate one more key.
    #[command(after_help = super::new_key::HELP)]
    Key(NewKey),
    /// Shows the configuration in force.
    Show(Show),
}

const INIT: &str = "\
Example:
  quorumkeep network init --operator op1.json op2.json op3.json op4.json op5.json --threshold 3 \\
    --orderer \"$(cat orderer.hex)\" --board board.example.org:7000 --out ./network
Everyone gets network.json; draft.json goes from operator to operator (quorumkeep network sign).";

const SIGN: &str = "\
Example:
  quorumkeep network sign --draft draft.json --operator-dir ./op1
Read what is printed: it is what you sign. Copies that different operators signed can be submitted together.";

/// Arguments of `network init`.
#[derive(Args)]
pub struct Init {
    /// The operators' public parts (operator.json); they get the indices 1, 2, 3, ... in this order.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    operator: Vec<PathBuf>,
    /// The orderer's public key, 64 hex digits, from `board init`.
    #[arg(long, value_name = "KEY")]
    orderer: String,
    /// Where everybody reaches the board.
    #[arg(long, value_name = "HOST:PORT")]
    board: String,
    /// How many shares recover, 1 < t <= n [default: two thirds of the operators, rounded up].
    #[arg(long, value_name = "T")]
    threshold: Option<u16>,
    /// A round starts every so many blocks; it must hold all windows.
    #[arg(long, value_name = "BLOCKS", default_value_t = 600)]
    interval: u32,
    /// How keys are generated: pedersen takes one Deal and one Complain window more, and nobody can bias the key.
    #[arg(long, value_enum, value_name = "NAME", default_value = "feldman")]
    protocol: ProtocolArg,
    /// Blocks of the phases Announce, Deal, Complain, Confirm.
    #[arg(long, value_name = "A,D,C,F", default_value = "30,30,30,30")]
    windows: WindowsArg,
    /// So many proofs beyond t settle a version, at most n - t [default: half of n - t, rounded up].
    #[arg(long, value_name = "B")]
    settle_margin: Option<u16>,
    /// The name of the key to generate.
    #[arg(long, value_name = "NAME", default_value = "main")]
    key_name: String,
    /// How many operators must take part in its generation, t + b to n [default: all].
    #[arg(long, value_name = "N")]
    players_min: Option<u16>,
    /// Ed25519 keys of the network's owners, 64 hex digits each.
    #[arg(long, value_name = "KEY", num_args = 1..)]
    owner: Vec<String>,
    /// Where network.json and draft.json go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The protocol on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ProtocolArg {
    /// Feldman's, with a proof of knowledge of every constant.
    Feldman,
    /// New-DKG of Gennaro, Jarecki, Krawczyk and Rabin.
    Pedersen,
}

impl From<ProtocolArg> for Protocol {
    fn from(argument: ProtocolArg) -> Self {
        match argument {
            ProtocolArg::Feldman => Self::Feldman,
            ProtocolArg::Pedersen => Self::Pedersen,
        }
    }
}

/// Lengths of the phases on the command line.
#[derive(Clone, Copy)]
pub struct WindowsArg(pub Windows);

impl FromStr for WindowsArg {
    type Err = &'static str;

    fn from_str(text: &str) -> core::result::Result<Self, Self::Err> {
        let numbers: core::result::Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([announce, deal, complain, confirm]) => {
                Ok(Self(Windows { announce: *announce, deal: *deal, complain: *complain, confirm: *confirm }))
            }
            _ => Err("four numbers of blocks, as in 30,30,30,30"),
        }
    }
}

/// Arguments of `network sign`.
#[derive(Args)]
pub struct Sign {
    /// The draft; it is replaced by one with your signatures.
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// The directory of `operator init`.
    #[arg(long, value_name = "DIR")]
    operator_dir: PathBuf,
    /// File with the passphrase of the operator's identity.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Arguments of `network show`.
#[derive(Args)]
pub struct Show {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
}

/// Runs one of them.
pub fn run(command: Network) -> Result<Report> {
    match command {
        Network::Init(init) => init.run(),
        Network::Sign(sign) => sign.run(),
        Network::Submit(submit) => submit.run(),
        Network::Change(change) => change.run(),
        Network::Key(key) => key.run(),
        Network::Show(show) => block_on(show.run()),
    }
}

impl Init {
    fn run(self) -> Result<Report> {
        check_socket(&self.board)?;
        let config = self.config()?;
        config.check()?;
        let n = u16::try_from(config.n()).unwrap_or(u16::MAX);
        let genesis = Genesis { name: self.key_name.clone(), players_min: self.players_min.unwrap_or(n) };
        genesis.check(&config)?;
        let file = NetworkFile::new(config, self.board, &self.key_name);
        let draft = Draft::new(file.network, &file.first_config).with_config(&file.first_config).with_genesis(&genesis);
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::new(Code::Io, format!("{}: {error}", self.out.display())))?;
        let (network_path, draft_path) = (self.out.join("network.json"), self.out.join("draft.json"));
        for path in [&network_path, &draft_path] {
            if path.symlink_metadata().is_ok() {
                return Err(Failure::new(
                    Code::FileExists,
                    format!("{} exists and is not overwritten", path.display()),
                ));
            }
        }
        output::write(&draft_path, draft.to_json()?.as_bytes(), 0o644, false)?;
        file.create(&network_path)?;
        let next = format!(
            "\nGive {} to everyone, and let {} of the operators run:\n  quorumkeep network sign --draft {} --operator-dir DIR",
            network_path.display(),
            draft.signers.needed,
            draft_path.display()
        );
        let report = Report::text(format!("network {}", file.network)).line(draft.describe().join("\n")).line(next);
        Ok(report
            .field("network", file.network)
            .field("threshold", draft.signers.needed)
            .field("operators", &draft.signers.operators)
            .field("network_file", network_path)
            .field("draft_file", draft_path))
    }

    fn config(&self) -> Result<Config> {
        let operators = self.operator.iter().map(|path| OperatorFile::load(path)).collect::<Result<Vec<_>>>()?;
        refuse_doubles(&self.operator, &operators)?;
        let n = u16::try_from(operators.len()).map_err(|_| Failure::new(Code::BadConfig, "too many operators"))?;
        let threshold = threshold(self.threshold, n)?;
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        let member = |(index, operator): (u16, &OperatorFile)| operator.member(index_of(index)?);
        Ok(Config {
            sequence: 0,
            salt,
            previous: Digest::ZERO,
            threshold,
            protocol: self.protocol.into(),
            suite: SUITE_BLS12381_G2,
            interval: self.interval,
            windows: self.windows.0,
            settle_margin: self
                .settle_margin
                .unwrap_or_else(|| Config::default_settle_margin(n.into(), threshold.get())),
            finality: 0,
            owners: self.owner.iter().map(|key| ed25519_key(key, "--owner")).collect::<Result<_>>()?,
            authority: Authority::Roster,
            orderer: ed25519_key(&self.orderer, "--orderer")?,
            last_index: n,
            roster: (1..).zip(&operators).map(member).collect::<Result<_>>()?,
        })
    }
}

/// The same operator, key or socket twice, said with the names of the files.
fn refuse_doubles(paths: &[PathBuf], operators: &[OperatorFile]) -> Result<()> {
    for (place, (path, operator)) in paths.iter().zip(operators).enumerate() {
        for (before, other) in paths.iter().zip(operators).take(place) {
            let what = match operator {
                _ if operator.address == other.address => "operator",
                _ if operator.socket == other.socket => "socket",
                _ => continue,
            };
            let (path, before): (&Path, &Path) = (path, before);
            let message = format!("{} and {} have the same {what}", before.display(), path.display());
            return Err(Failure::new(Code::DuplicateOperator, message));
        }
    }
    Ok(())
}

/// The threshold that was asked for, or the default.
pub fn threshold(asked: Option<u16>, n: u16) -> Result<Threshold> {
    let threshold = match asked {
        Some(t) => Threshold::new(t, n),
        None => Threshold::default_for(n),
    };
    let t = asked.map_or("the default".to_owned(), |t| format!("t = {t}"));
    threshold.map_err(|_| Failure::new(Code::Threshold, format!("the threshold must satisfy 1 < t <= {n}, not {t}")))
}

/// An index of a roster.
pub fn index_of(index: u16) -> Result<Index> {
    Index::new(index).ok_or_else(|| Failure::new(Code::BadConfig, "all indices are used up"))
}

fn ed25519_key(text: &str, option: &str) -> Result<[u8; 32]> {
    let key = from_hex::<32>(text.trim()).filter(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).is_ok());
    key.ok_or_else(|| Failure::new(Code::BadKey, format!("{option} is not an Ed25519 key of 64 hex digits")))
}

impl Sign {
    fn run(self) -> Result<Report> {
        let mut draft = Draft::load(&self.draft)?;
        let key = secrets::load_operator_key(&self.operator_dir, self.passphrase_file.as_deref())?;
        draft.sign(&key)?;
        write_atomic(&self.draft, draft.to_json()?.as_bytes(), 0o644)?;
        let (signed, needed) = (draft.signed(), draft.signers.needed);
        let next = match usize::from(needed).saturating_sub(signed.len()) {
            0 => "\nEnough operators signed; post it with: quorumkeep network submit".to_owned(),
            1 => "\n1 more signature is needed.".to_owned(),
            missing => format!("\n{missing} more signatures are needed."),
        };
        let report =
            Report::text(format!("signed for network {}", draft.network)).line(draft.describe().join("\n")).line(next);
        Ok(report.field("network", draft.network).field("signed", signed).field("needed", needed))
    }
}

impl Show {
    async fn run(self) -> Result<Report> {
        let net = Net::open(&self.network).await?;
        let (session, config) = (&net.session, net.session.config());
        let draft = Draft::new(session.file().network, config).with_config(config);
        let posted = if session.governance().is_posted() { "" } else { " (not on the board yet)" };
        let mut report =
            Report::text(format!("network {}{posted}", session.file().network)).line(draft.describe().join("\n"));
        for (name, key) in &session.file().keys {
            let pinned = key.group_key.as_deref().unwrap_or("not pinned yet");
            report = report.line(format!("key \"{name}\" {}\n  group key {pinned}", key.id));
        }
        let roster: Vec<_> = config
            .roster
            .iter()
            .map(|member| json!({ "index": member.index.get(), "address": member.address, "socket": member.socket }))
            .collect();
        Ok(report
            .field("network", session.file().network)
            .field("posted", session.governance().is_posted())
            .field("sequence", config.sequence)
            .field("config", config.digest())
            .field("threshold", config.threshold.get())
            .field("settle_margin", config.settle_margin)
            .field("protocol", config.protocol.name())
            .field("interval", config.interval)
            .field(
                "windows",
                [config.windows.announce, config.windows.deal, config.windows.complain, config.windows.confirm],
            )
            .field("operators", roster)
            .field("keys", &session.file().keys))
    }
}

/// Writes a draft that nobody signed yet, and reports what it says and how it goes on.
pub(super) fn publish(draft: &Draft, out: &Path) -> Result<Report> {
    output::write(out, draft.to_json()?.as_bytes(), 0o644, false)?;
    let (needed, file) = (draft.signers.needed, out.display());
    let hint = format!(
        "\n{needed} of the operators of today sign it: quorumkeep network sign --draft {file} --operator-dir DIR"
    );
    let report = Report::text(format!("network {}", draft.network)).line(draft.describe().join("\n")).line(hint);
    Ok(report.field("network", draft.network).field("needed", needed).field("draft_file", out))
}
