//! `quorumkeep ten backup`: what a node or a gateway encrypts to its backup key, taken and kept as a signed file.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use quorumkeep_custody::names::Name;
use quorumkeep_store::files::write_new;
use quorumkeep_ten::capture::{self, Capture};
use quorumkeep_ten::container::{Backup as Container, Origin};
use quorumkeep_ten::identity::Identity;
use quorumkeep_ten::key::BackupPublicKey;
use quorumkeep_ten::secret::RpcKey;
use quorumkeep_ten::source::{Endpoint, Gateway, Node};

use super::reach::Reach;
use super::shelf;
use crate::commands::node::stop_signal;
use crate::custody_link::{As, now_ms};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::KeyFile;
use crate::net::block_on;
use crate::report::{Report, print_failure};

/// After a failure a backup is tried again, each time after twice as long, until the interval is over.
const RETRY: Duration = Duration::from_secs(10);
/// The mode of a file that holds nothing secret.
const PUBLIC: u32 = 0o644;
const HELP: &str = "\
Examples:
  quorumkeep ten backup --network mainnet --node http://validator-1:80 --backup-key 02... --rpc-key 03... \\
      --as backup.key --out-dir backups
  quorumkeep ten backup --network mainnet --gateway gw-01=https://gw-01.example --backup-key 03... \\
      --as backup.key --out-dir backups --every 6h
What is written is not secret: only the holders of the backup key's shares can open it. Copy it to where a disaster does not
reach. Without --rpc-key nobody can tell whose secret it is: take it once from ten_rpcKey of nodes that you trust, and keep it.";

/// Arguments of `ten backup`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Backup {
    /// The network, as in the identity of its backup keys.
    #[arg(long, value_name = "NAME")]
    network: Name,
    /// The major version of the network; each has its own secret.
    #[arg(long, value_name = "N", default_value_t = 1)]
    major_version: u32,
    /// A node that has the network secret: http://, https://, ws:// or wss://.
    #[arg(long, value_name = "URL", required_unless_present = "gateway", conflicts_with = "gateway")]
    node: Option<Endpoint>,
    /// A gateway whose key is to be backed up: http:// or https://.
    #[arg(long, value_name = "NAME=URL")]
    gateway: Option<GatewayArg>,
    /// The public backup key that it is configured with.
    #[arg(long, value_name = "HEX")]
    backup_key: BackupPublicKey,
    /// The RPC key that the network is known to have, in hexadecimal or base64; another one is refused.
    #[arg(long, value_name = "KEY", conflicts_with = "gateway")]
    rpc_key: Option<RpcKey>,
    #[command(flatten)]
    by: As,
    /// The folder for the files; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// Again after this time (30s, 15m, 6h, 1d), until it is stopped; a failure is said, does not end it, and is
    /// tried again earlier.
    #[arg(long, value_name = "INTERVAL")]
    every: Option<Interval>,
    #[command(flatten)]
    reach: Reach,
}

/// `NAME=URL`.
#[derive(Clone)]
pub struct GatewayArg {
    /// Its name, which is in the identity of its backup key.
    pub name: Name,
    /// Where it answers.
    pub at: Endpoint,
}

impl FromStr for GatewayArg {
    type Err = String;

    fn from_str(text: &str) -> core::result::Result<Self, String> {
        let (name, url) = text.split_once('=').ok_or("write it as NAME=URL")?;
        let at = url.parse().map_err(|error: quorumkeep_ten::source::Error| error.to_string())?;
        Ok(Self { name: name.parse().map_err(|error| format!("{name}: {error}"))?, at })
    }
}

/// `30s`, `15m`, `6h`, `1d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> core::result::Result<Self, &'static str> {
        const WRONG: &str = "write it as 30s, 15m, 6h or 1d, up to a year";
        const YEAR: u64 = 366 * 24 * 3600;
        let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 24 * 3600)];
        let (number, seconds) =
            units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds))).ok_or(WRONG)?;
        let plain = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| plain).ok_or(WRONG)?;
        let total = number.checked_mul(seconds).filter(|total| (1..=YEAR).contains(total)).ok_or(WRONG)?;
        Ok(Self(Duration::from_secs(total)))
    }
}

/// How long until the next backup, after so many failures in a row.
fn pause(interval: Duration, failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => interval,
        Some(before) => RETRY.saturating_mul(2_u32.saturating_pow(before)).min(interval),
    }
}

impl Backup {
    /// Takes one backup, or one after the other.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let key = self.by.load()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.out_dir);
        made.map_err(|error| Failure::new(Code::Io, format!("{}: {error}", self.out_dir.display())))?;
        block_on(async {
            match self.every {
                None => self.once(&key).await,
                Some(interval) => self.again(&key, interval.0, as_json).await,
            }
        })
    }

    async fn again(&self, key: &KeyFile, interval: Duration, as_json: bool) -> Result<Report> {
        let stop = stop_signal();
        tokio::pin!(stop);
        let mut failures = 0;
        loop {
            let round = async {
                match self.once(key).await {
                    Ok(report) => {
                        report.print(as_json);
                        failures = 0;
                    }
                    Err(failure) => {
                        print_failure(&failure, as_json);
                        failures += 1;
                    }
                }
                tokio::time::sleep(pause(interval, failures)).await;
            };
            tokio::select! {
                () = &mut stop => return Ok(Report::text("stopped").field("stopped", true)),
                () = round => {}
            }
        }
    }

    async fn once(&self, key: &KeyFile) -> Result<Report> {
        let (identity, capture) = (self.identity(), self.capture().await?);
        let time_ms = now_ms();
        let path = self.out_dir.join(shelf::file_name(&identity, time_ms)?);
        write_new(&path, &self.signed(identity.clone(), &capture, time_ms, key)?, PUBLIC)?;
        let report = Report::text(format!("{identity}, from {}: {}", capture.source, path.display()));
        let report = capture.finding.iter().fold(report, |report, finding| report.line(finding.to_string()));
        Ok(report
            .field("file", &path)
            .field("identity", &identity)
            .field("source", &capture.source)
            .field("time_ms", time_ms)
            .field("rpc_key", capture.rpc_key)
            .field("finding", &capture.finding))
    }

    fn identity(&self) -> Identity {
        match &self.gateway {
            Some(gateway) => Identity::gateway(self.network.clone(), gateway.name.clone()),
            None => Identity::network_secret(self.network.clone()),
        }
    }

    /// The file: the container, signed as the owner of a key file.
    fn signed(&self, identity: Identity, capture: &Capture, time_ms: u64, key: &KeyFile) -> Result<Vec<u8>> {
        let of = (identity, self.major_version);
        let origin = Origin { source: capture.source.clone(), time_ms };
        let backup = Container::new(of, self.backup_key, capture.ciphertext.clone(), capture.rpc_key, origin)?;
        Ok(backup.sign(&key.signing()).to_file())
    }

    async fn capture(&self) -> Result<Capture> {
        let client = self.reach.client()?;
        match (&self.node, &self.gateway) {
            (Some(at), _) => Ok(capture::network_secret(&Node::new(client, at.clone()), self.rpc_key.as_ref()).await?),
            (None, Some(gateway)) => Ok(capture::gateway_key(&Gateway::new(client, &gateway.at)?).await?),
            (None, None) => Err(Failure::usage("give --node URL or --gateway NAME=URL")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("6h", 21_600), ("1d", 86_400), ("366d", 31_622_400)] {
            assert_eq!(text.parse(), Ok(Interval(Duration::from_secs(seconds))), "{text}");
        }
        for bad in ["", "0s", "s", "5", "-1s", "+1s", "1.5h", "367d", "9999999999999999999d", "1w", "1 s"] {
            assert!(bad.parse::<Interval>().is_err(), "{bad}");
        }
    }

    #[test]
    fn failures_are_tried_again_earlier_and_then_less_often() {
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
        assert_eq!([0, 1, 2, 3].map(|failures| pause(day, failures)), [day, RETRY, RETRY * 2, RETRY * 4]);
        assert_eq!(pause(day, u32::MAX), day);
        assert_eq!([0, 1, 9].map(|failures| pause(second, failures)), [second; 3]);
    }

    #[test]
    fn a_gateway_has_a_name_and_a_url() {
        assert!("gw-01=http://gw.example".parse::<GatewayArg>().is_ok());
        for bad in ["http://gw.example", "=http://gw.example", "gw-01=", "GW=http://gw.example", "gw-01=gw.example"] {
            assert!(bad.parse::<GatewayArg>().is_err(), "{bad}");
        }
    }
}
