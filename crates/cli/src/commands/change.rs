//! `quorumkeep network change`: the successor of the configuration in force.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_dkg::config::{Config, Member};
use quorumkeep_dkg::ids::Address;

use super::network::{ProtocolArg, WindowsArg, index_of, publish, threshold};
use crate::draft::Draft;
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, block_on};
use crate::operator_file::OperatorFile;
use crate::report::{Report, warn};

/// Shown below the options.
pub const HELP: &str = "\
Example:
  quorumkeep network change --network network.json --add op8.json --remove 0x12ab... --threshold 5 --out change.json
  quorumkeep network sign --draft change.json --operator-dir ./op1     (at least t operators of today)
  quorumkeep network submit --draft change.json --network network.json
The key stays the same: at the next interval boundary its shares are dealt anew to the operators of the new configuration.
Who leaves must keep the node running until a version without it is settled.";

/// Arguments of `network change`.
#[derive(Args)]
pub struct Change {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// Operators that join (operator.json). One that is a member already gets its new socket.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    add: Vec<PathBuf>,
    /// Addresses of operators that leave.
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    remove: Vec<Address>,
    /// How many shares recover from now on [default: as before].
    #[arg(long, value_name = "T")]
    threshold: Option<u16>,
    /// A round starts every so many blocks [default: as before].
    #[arg(long, value_name = "BLOCKS")]
    interval: Option<u32>,
    /// How the next keys are generated; those that exist are handed on as before [default: as before].
    #[arg(long, value_enum, value_name = "NAME")]
    protocol: Option<ProtocolArg>,
    /// Blocks of the phases Announce, Deal, Complain, Confirm [default: as before].
    #[arg(long, value_name = "A,D,C,F")]
    windows: Option<WindowsArg>,
    /// So many proofs beyond t settle a version [default: half of n - t, rounded up].
    #[arg(long, value_name = "B")]
    settle_margin: Option<u16>,
    /// Where the draft goes.
    #[arg(long, value_name = "FILE", default_value = "change.json")]
    out: PathBuf,
}

impl Change {
    /// Drafts it.
    pub fn run(self) -> Result<Report> {
        block_on(self.draft())
    }

    async fn draft(self) -> Result<Report> {
        let added = self.add.iter().map(|path| OperatorFile::load(path)).collect::<Result<Vec<_>>>()?;
        let net = Net::open_with_board(&self.network).await?;
        if !net.session.governance().is_posted() {
            let message = "the board has no configuration yet; submit the first one before changing it";
            return Err(Failure::new(Code::Refused, message));
        }
        let current = net.session.config();
        let next = self.successor(current, &added)?;
        next.check_successor(current)?;
        check_holders_stay(&net, &next).await?;
        let draft = Draft::new(net.session.file().network, current).with_config(&next);
        let joined: Vec<Address> = next.roster.iter().map(|member| member.address).collect();
        let report = publish(&draft, &self.out)?.field("sequence", next.sequence).field("config", next.digest());
        Ok(report.field("threshold", next.threshold.get()).field("operators", joined))
    }

    fn successor(&self, current: &Config, added: &[OperatorFile]) -> Result<Config> {
        let mut next = current.clone();
        for address in &self.remove {
            if next.member(address).is_none() {
                return Err(Failure::new(Code::BadOperator, format!("{address} is not in the configuration in force")));
            }
            next.roster.retain(|member| member.address != *address);
        }
        for operator in added {
            join(&mut next, operator)?;
        }
        let n = u16::try_from(next.n()).map_err(|_| Failure::new(Code::BadConfig, "too many operators"))?;
        next.threshold = threshold(Some(self.threshold.unwrap_or(current.threshold.get())), n)?;
        next.sequence = current.sequence + 1;
        next.previous = current.digest();
        next.protocol = self.protocol.map_or(current.protocol, Into::into);
        next.interval = self.interval.unwrap_or(current.interval);
        next.windows = self.windows.map_or(current.windows, |windows| windows.0);
        let margin = || Config::default_settle_margin(n.into(), next.threshold.get());
        next.settle_margin = self.settle_margin.unwrap_or_else(margin);
        if next.roster == current.roster && self.is_empty() {
            return Err(Failure::usage(
                "nothing changes; say what with --add, --remove, --threshold, --protocol, --interval or --windows",
            ));
        }
        Ok(next)
    }

    fn is_empty(&self) -> bool {
        let timing = self.interval.is_none() && self.windows.is_none() && self.protocol.is_none();
        timing && self.threshold.is_none() && self.settle_margin.is_none()
    }
}

/// A new operator gets an index that nobody had; a member keeps its own and gets its new socket.
fn join(next: &mut Config, operator: &OperatorFile) -> Result<()> {
    if let Some(member) = next.roster.iter_mut().find(|member| member.address == operator.address) {
        if member.socket == operator.socket {
            let message = format!("operator {} is in the configuration already", operator.address);
            return Err(Failure::new(Code::DuplicateOperator, message));
        }
        member.socket.clone_from(&operator.socket);
        return Ok(());
    }
    let index =
        next.last_index.checked_add(1).ok_or_else(|| Failure::new(Code::BadConfig, "all indices are used up"))?;
    let member: Member = operator.member(index_of(index)?)?;
    next.last_index = index;
    next.roster.push(member);
    Ok(())
}

/// The nodes refuse a roster that keeps fewer than `t` holders of a key; better to hear it before everybody signs.
async fn check_holders_stay(net: &Net, next: &Config) -> Result<()> {
    for name in net.session.file().keys.keys() {
        match net.session.agree(name).await {
            Ok(agreement) => {
                let holders = agreement.output.shares();
                let stay = holders.iter().filter(|share| next.member(&share.address).is_some()).count();
                let needed = agreement.output.threshold().get();
                if stay < usize::from(needed) {
                    let message = format!(
                        "only {stay} holders of the key \"{name}\" would stay, but {needed} are needed to hand it on"
                    );
                    let help = "Let the new operators join first; remove the others once the new version is settled.";
                    return Err(Failure::new(Code::Refused, message).with_help(help));
                }
            }
            Err(error) => warn(&format!("it is not checked whether enough holders of \"{name}\" stay: {error}")),
        }
    }
    Ok(())
}
