//! `quorumkeep ten verify`: is the newest backup good, does its source still give the same, and, with a key, does it open?

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use quorumkeep_custody::keys::VerifyKey;
use quorumkeep_custody::names::Name;
use quorumkeep_ten::capture::{self, Capture};
use quorumkeep_ten::card::KeyCard;
use quorumkeep_ten::check::{self, Captured, Code as Found, Finding, Whose};
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::container::Backup;
use quorumkeep_ten::identity::Identity;
use quorumkeep_ten::key::BackupPublicKey;
use quorumkeep_ten::preflight;
use quorumkeep_ten::secret::RpcKey;
use quorumkeep_ten::source::{Endpoint, Gateway, Node};

use super::backup::GatewayArg;
use super::expected::{Expected, verify_key};
use super::opening::{Opener, Opening};
use super::reach::Reach;
use super::shelf::{self, Shelf};
use super::{document, findings};
use crate::custody_link::now_ms;
use crate::failure::{Code, Failure, Result};
use crate::net::block_on;
use crate::report::Report;

const HOUR_MS: u64 = 3_600_000;
const HELP: &str = "\
Examples:
  quorumkeep ten verify --network mainnet --card keys/network-secret/backup-key.json --signer KEY --rpc-key BASE64 \\
      --backup-dir backups --age-hours-max 26 --node http://validator-1:80
  quorumkeep ten verify --network mainnet --gateway gw-01=https://gw-01.example --backup-key 03... --signer KEY \\
      --backup-dir backups
  quorumkeep ten verify --network mainnet --card backup-key.json --signer KEY --rpc-key BASE64 --backup-dir backups \\
      --shares-file alice.txt bob.txt carol.txt
  quorumkeep ten verify --network mainnet --restarted --node http://validator-1:80 --rpc-key BASE64
The first two need nobody's share: without words or a key nothing is opened. The third is a drill: it opens the backup in
memory, recognises the secret, and writes and shows nothing of it; give the words of all guardians, and each is checked. The
fourth is the check after a recovery: does the node run on the secret of the network? Exit status 4: a finding is bad, 5: alarm.";

/// `NAME` or `NAME=URL`.
#[derive(Clone)]
struct GatewayName {
    name: Name,
    at: Option<Endpoint>,
}

impl FromStr for GatewayName {
    type Err = String;

    fn from_str(text: &str) -> core::result::Result<Self, String> {
        if text.contains('=') {
            let GatewayArg { name, at } = text.parse()?;
            return Ok(Self { name, at: Some(at) });
        }
        Ok(Self { name: text.parse().map_err(|error| format!("{text}: {error}"))?, at: None })
    }
}

/// Arguments of `ten verify`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Verify {
    /// The network.
    #[arg(long, value_name = "NAME")]
    network: Name,
    /// The gateway, and where it answers if it is to be asked [default: the secret of the network].
    #[arg(long, value_name = "NAME[=URL]")]
    gateway: Option<GatewayName>,
    /// A node that is asked.
    #[arg(long, value_name = "URL", conflicts_with = "gateway")]
    node: Option<Endpoint>,
    #[command(flatten)]
    expected: Expected,
    /// Who may have signed backups: 64 hex digits; may be given several times.
    #[arg(long, value_name = "KEY", value_parser = verify_key, required_unless_present = "restarted")]
    signer: Vec<VerifyKey>,
    /// The folder of ten backup; the newest backup in it is looked at.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["backup", "restarted"], conflicts_with = "backup")]
    backup_dir: Option<PathBuf>,
    /// After a restart: no backup is looked at, only the RPC key that the node answers with.
    #[arg(long, requires = "node", conflicts_with_all = [
        "gateway", "signer", "backup_dir", "backup", "age_hours_max", "card", "backup_key", "key", "shares_file",
    ])]
    restarted: bool,
    /// One backup instead.
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// The newest backup may be so many hours old.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=87_600))]
    age_hours_max: Option<u64>,
    /// The RPC key of the network, as it is known from elsewhere: base64 as ten_rpcKey answers, or hexadecimal.
    #[arg(long, value_name = "KEY", required_unless_present = "gateway", conflicts_with = "gateway")]
    rpc_key: Option<RpcKey>,
    #[command(flatten)]
    opening: Opening,
    /// A document that the gateway has stored, by which its key is recognised: its JSON, or the data alone.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    document: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// What the checks are about.
struct Subject {
    identity: Identity,
    key: BackupPublicKey,
    card: Option<KeyCard>,
}

impl Verify {
    /// Looks at everything that was given.
    pub fn run(self) -> Result<Report> {
        if self.restarted {
            return self.after_restart();
        }
        let subject = self.subject()?;
        let mut all = Vec::new();
        let kept = self.kept(&subject, &mut all)?;
        let fresh = self.fresh(&mut all)?;
        if let (Some((_, kept)), Some(fresh)) = (&kept, &fresh)
            && kept.ciphertext == fresh.ciphertext
        {
            all.push(Finding::new(&fresh.source, Found::CiphertextShared, "(the kept one, and that of now)"));
        }
        let report = Report::text(format!("{}", subject.identity))
            .field("identity", &subject.identity)
            .field("backup", kept.as_ref().map(|(path, _)| path))
            .field("time_ms", kept.as_ref().map(|(_, backup)| backup.time_ms));
        match self.open(&subject, kept.as_ref().map(|(_, backup)| backup), fresh.as_ref(), &mut all) {
            Ok(()) => findings::conclude(report, &all),
            Err(failure) => Err(failure.with_report(report.field("findings", &all))),
        }
    }

    /// Does the node run on the secret that has this RPC key?
    fn after_restart(&self) -> Result<Report> {
        let (Some(at), Some(pinned)) = (&self.node, &self.rpc_key) else {
            return Err(Failure::usage("give --node and --rpc-key"));
        };
        let client = self.reach.client()?;
        let answers = block_on(async { Ok(Node::new(client, at.clone()).rpc_key().await?) })?;
        let finding = preflight::Finding { about: Some(at.to_string()), ..preflight::after(&answers, pinned) };
        let message = format!("{}: {finding}", finding.code);
        let is_good = finding.level == preflight::Level::Ok;
        let report = Report::text(finding.to_string())
            .field("identity", Identity::network_secret(self.network.clone()))
            .field("rpc_key", answers)
            .field("level", finding.level)
            .field("findings", [finding]);
        if is_good { Ok(report) } else { Err(Failure::new(Code::CheckAlarm, message).with_report(report)) }
    }

    fn subject(&self) -> Result<Subject> {
        let identity = match &self.gateway {
            Some(gateway) => Identity::gateway(self.network.clone(), gateway.name.clone()),
            None => Identity::network_secret(self.network.clone()),
        };
        let card = self.expected.card(&identity)?;
        let key = self.expected.key(&identity)?.ok_or_else(|| Failure::usage("give --card or --backup-key"))?;
        Ok(Subject { identity, key, card })
    }

    /// The backup that is kept, and what is found about it without a key.
    fn kept(&self, subject: &Subject, all: &mut Vec<Finding>) -> Result<Option<(PathBuf, Backup)>> {
        let (found, others) = match (&self.backup, &self.backup_dir) {
            (Some(path), _) => {
                let backup = shelf::load(path, &subject.identity, &self.signer);
                (Some((path.clone(), backup.map_err(|failure| failure.about(path.display()))?)), Vec::new())
            }
            (None, Some(dir)) => {
                let shelf = Shelf::read(dir)?;
                let (newest, bad) = shelf.newest(&subject.identity, &self.signer);
                all.extend(bad);
                (newest, shelf.others(&subject.identity, &self.signer))
            }
            (None, None) => return Err(Failure::usage("give --backup-dir or --backup")),
        };
        match &found {
            Some((path, backup)) => self.judge(subject, &path.display().to_string(), backup, all),
            None => all.push(Finding::new(&subject.identity.to_string(), Found::BackupMissing, "")),
        }
        if let Some((_, backup)) = found.as_ref().filter(|_| !others.is_empty()) {
            all.extend(apart(subject, backup, &others));
        }
        Ok(found)
    }

    fn judge(&self, subject: &Subject, about: &str, backup: &Backup, all: &mut Vec<Finding>) {
        all.push(Finding::new(about, Found::BackupGood, ""));
        all.push(check::said_key(about, &backup.backup_key, &subject.key));
        all.extend(backup.rpc_key.map(|recorded| check::rpc_key(about, &recorded, self.rpc_key.as_ref())));
        let max = self.age_hours_max.map_or(u64::MAX, |hours| hours * HOUR_MS);
        all.push(check::age(about, backup.time_ms, now_ms(), max));
    }

    /// What the source gives now, if there is one to ask.
    fn fresh(&self, all: &mut Vec<Finding>) -> Result<Option<Capture>> {
        let client = self.reach.client()?;
        let gateway = self.gateway.as_ref().and_then(|gateway| gateway.at.as_ref());
        let asked = block_on(async {
            Ok(match (&self.node, gateway) {
                (Some(at), _) => {
                    let node = Node::new(client, at.clone());
                    Some((at.to_string(), capture::network_secret(&node, self.rpc_key.as_ref()).await))
                }
                (None, Some(at)) => Some((at.to_string(), capture::gateway_key(&Gateway::new(client, at)?).await)),
                (None, None) => None,
            })
        })?;
        let Some((source, answer)) = asked else { return Ok(None) };
        match answer {
            Ok(capture) => {
                all.extend(capture.finding.clone());
                Ok(Some(capture))
            }
            Err(capture::Error::Refused(finding)) => {
                all.push(*finding);
                Ok(None)
            }
            Err(error) => {
                all.push(Finding::new(&source, Found::SourceSilent, format!("([{}] {error})", error.code())));
                Ok(None)
            }
        }
    }

    /// The part that needs a key.
    fn open(
        &self,
        subject: &Subject,
        kept: Option<&Backup>,
        fresh: Option<&Capture>,
        all: &mut Vec<Finding>,
    ) -> Result<()> {
        let about = subject.identity.to_string();
        if !self.opening.is_given() {
            all.push(Finding::new(&about, Found::NotOpened, ""));
            return Ok(());
        }
        let (opener, words) = self.opening.opener(&subject.identity, Some(&subject.key))?;
        if let Some(words) = words {
            let of = subject.card.as_ref().and_then(|card| card.words.as_ref()).map_or(0, |words| words.shares);
            all.push(check::shares(&about, words.given, of.into(), &words.bad));
        }
        all.extend(canary(&about, &opener, subject.card.as_ref()));
        let document = self.document.as_deref().map(document::read).transpose()?;
        let whose = match (&self.rpc_key, &document) {
            (Some(pinned), _) => Whose::Network(pinned),
            (None, Some(document)) => Whose::Gateway(document),
            (None, None) => Whose::Nobody,
        };
        let kept = kept.map(|backup| ("the kept backup".to_owned(), &backup.ciphertext));
        // What a device returned opens one ciphertext only.
        let fresh = fresh.filter(|_| matches!(opener, Opener::Key(_)));
        let fresh = fresh.map(|capture| (format!("what {} gives now", capture.source), &capture.ciphertext));
        all.extend(
            kept.into_iter().chain(fresh).map(|(about, ciphertext): (String, &Ciphertext)| {
                check::opened(&about, opener.open(ciphertext), whose)
            }),
        );
        Ok(())
    }
}

fn canary(about: &str, opener: &Opener, card: Option<&KeyCard>) -> Option<Finding> {
    let (Opener::Key(key), Some(card)) = (opener, card) else { return None };
    let opens = card.canary.is_canary(key).unwrap_or(false);
    Some(Finding::new(about, if opens { Found::CanaryOpens } else { Found::CanaryOpensNot }, ""))
}

/// Is this instance kept apart from the others on the shelf?
fn apart(subject: &Subject, backup: &Backup, others: &[(String, Backup)]) -> Vec<Finding> {
    let own = subject.identity.file_name();
    let all = others.iter().map(|(name, backup)| (name.as_str(), backup)).chain([(own.as_str(), backup)]);
    let captured: Vec<Captured<'_>> = all
        .map(|(name, backup)| Captured {
            name,
            source: &backup.source,
            ciphertext: &backup.ciphertext,
            backup_key: &backup.backup_key,
        })
        .collect();
    check::separate(subject.identity.network.as_str(), &captured)
}
