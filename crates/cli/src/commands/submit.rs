//! `quorumkeep network submit`: a signed draft goes to the board.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorumkeep_dkg::config::Config;
use quorumkeep_dkg::envelope::{Envelope, record_id};
use quorumkeep_dkg::ids::{Digest, KeyId};
use quorumkeep_server::session::Session;
use tokio::time::{Instant, sleep};

use crate::draft::{Draft, Said, said};
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, block_on};
use crate::report::Report;

/// Shown below the options.
pub const HELP: &str = "\
Example:
  quorumkeep network submit --draft draft.json --network network.json
  quorumkeep network submit --draft signed-by-op1.json signed-by-op2.json --network network.json";

const POLL: Duration = Duration::from_millis(150);

/// Arguments of `network submit`.
#[derive(Args)]
pub struct Submit {
    /// The signed draft, or several copies of it with different signatures.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    draft: Vec<PathBuf>,
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// How many seconds to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

impl Submit {
    /// Posts it.
    pub fn run(self) -> Result<Report> {
        let draft = self.merged()?;
        block_on(self.post(draft))
    }

    fn merged(&self) -> Result<Draft> {
        let mut drafts = self.draft.iter().map(|path| Draft::load(path)).collect::<Result<Vec<_>>>()?.into_iter();
        let mut draft = drafts.next().ok_or_else(|| Failure::usage("--draft FILE is missing"))?;
        drafts.try_for_each(|other| draft.merge(other))?;
        Ok(draft)
    }

    async fn post(self, draft: Draft) -> Result<Report> {
        let mut net = Net::open(&self.network).await?;
        let network = net.session.file().network;
        if draft.network != network {
            return Err(Failure::new(
                Code::ForeignNetwork,
                format!("the draft is of network {}, the file of {network}", draft.network),
            ));
        }
        if let Some(error) = net.session.board_error() {
            return Err(Failure::new(Code::Unreachable, error));
        }
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        let wait = Wait { deadline, seconds: self.wait };
        let mut report = Report::text(format!("network {network}"));
        let mut ids = Vec::new();
        for record in &draft.records {
            let line = match said(record)? {
                Said::Config(config) => submit_config(&mut net.session, record, &config, &wait).await?,
                Said::Genesis(genesis) => {
                    draft.check(net.session.config())?;
                    let key = record.header.key;
                    submit_genesis(&mut net.session, record, key, &wait).await?;
                    net.know_key(&genesis.name)?;
                    format!("the key \"{}\" may be generated at the next interval boundary", genesis.name)
                }
            };
            report = report.line(line);
            ids.push(record_id(&record.encode()));
        }
        Ok(report.field("network", network).field("records", ids).field("sequence", net.session.config().sequence))
    }
}

struct Wait {
    deadline: Instant,
    seconds: u64,
}

impl Wait {
    async fn pause(&self, what: &'static str) -> Result<()> {
        if Instant::now() >= self.deadline {
            return Err(Failure::new(Code::TimedOut, format!("{what} within {} s", self.seconds)));
        }
        sleep(POLL).await;
        Ok(())
    }
}

async fn submit_config(session: &mut Session, record: &Envelope, config: &Config, wait: &Wait) -> Result<String> {
    let digest = config.digest();
    let is_first = config.sequence == 0;
    if !is_on_board(session, config) {
        let current = session.config().clone();
        let governing = if is_first { config } else { current.as_ref() };
        if !is_first {
            config.check_successor(governing)?;
        }
        quorumkeep_dkg::config::check_governed(record, governing)?;
        post(session, record).await?;
    }
    while !is_on_board(session, config) {
        wait.pause("the configuration did not appear on the board").await?;
        session.reread().await?;
    }
    if is_first {
        return Ok("the first configuration is on the board".to_owned());
    }
    let height = height_of(session, &digest).await?;
    loop {
        session.refresh().await?;
        if session.reporting(&digest) >= config.threshold.as_usize() {
            return Ok(format!("configuration {} is in force", config.sequence));
        }
        refuse_if_passed_over(session, &digest, height)?;
        wait.pause("the configuration is on the board, but too few nodes report it as in force").await?;
    }
}

fn is_on_board(session: &Session, config: &Config) -> bool {
    if config.sequence == 0 {
        session.governance().is_posted()
    } else {
        session.governance().by_digest(&config.digest()).is_some()
    }
}

/// The height of the block with this configuration.
async fn height_of(session: &Session, digest: &Digest) -> Result<u64> {
    let records = session.board().governance().await?;
    let is_it = |bytes: &[u8]| {
        let envelope = Envelope::decode(bytes).ok()?;
        Some(Config::decode(&envelope.body).ok()?.digest() == *digest)
    };
    let found = records.iter().find(|record| is_it(&record.record) == Some(true));
    Ok(found.map_or(u64::MAX, |record| record.height))
}

/// Nodes that read the block and still have another configuration have refused this one.
fn refuse_if_passed_over(session: &Session, digest: &Digest, height: u64) -> Result<()> {
    let passed = |status: &quorumkeep_node::status::Status| status.height > height && status.config != *digest;
    let refusing =
        session.reports().iter().filter_map(|report| report.status()).filter(|status| passed(status)).count();
    if refusing < session.config().threshold.as_usize() {
        return Ok(());
    }
    let message = format!("{refusing} nodes read the configuration on the board and refuse it");
    let help =
        "Most likely too few holders of a key would stay. Let new operators join first, and remove others later.";
    Err(Failure::new(Code::Refused, message).with_help(help))
}

async fn submit_genesis(session: &mut Session, record: &Envelope, key: KeyId, wait: &Wait) -> Result<()> {
    if !session.governance().has_key(&key) {
        post(session, record).await?;
    }
    while !session.governance().has_key(&key) {
        wait.pause("the permission to generate the key did not appear on the board").await?;
        session.reread().await?;
    }
    Ok(())
}

async fn post(session: &Session, record: &Envelope) -> Result<()> {
    session.board().post(&record.encode()).await?;
    Ok(())
}
