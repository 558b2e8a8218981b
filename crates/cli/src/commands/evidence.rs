//! `quorumkeep evidence`: who broke the rules, and files that prove it to anybody.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::ids::NetworkId;
use quorumkeep_node::evidence::{Claim, Evidence as Proof, Finding, Innocent, scan};
use quorumkeep_server::network::NetworkFile;
use quorumkeep_store::files::{read_bounded, write_new};
use serde_json::{Value, json};

use crate::board_log;
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, block_on};
use crate::report::Report;

/// Bytes of one file of evidence: the log of several years.
const EVIDENCE_BYTES_MAX: u64 = 2 << 30;

/// Bytes of a file with two receipts.
const RECEIPTS_BYTES_MAX: u64 = 64 * 1024;

/// `quorumkeep evidence`.
#[derive(Subcommand)]
pub enum Evidence {
    /// Reads the whole board and lists who broke which rule, and who did not post what was due.
    List(List),
    /// Shows one entry of the list, and writes it to a file that others can verify.
    Show(Show),
    /// Makes evidence of two receipts that one operator signed for different deals of one dealer.
    Receipts(Receipts),
    /// Verifies a file of evidence with nothing but the network id; asks nobody.
    Verify(Verify),
}

/// Arguments of `evidence list`.
#[derive(Args)]
pub struct List {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// Proofs of fraud only, without records that were merely missing.
    #[arg(long)]
    proofs: bool,
}

/// Arguments of `evidence show`.
#[derive(Args)]
pub struct Show {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// The id that the list gives, or enough of its beginning.
    #[arg(long, value_name = "ID")]
    id: String,
    /// Where the evidence goes: the claim and the board log that shows it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `evidence receipts`.
#[derive(Args)]
pub struct Receipts {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// A file with two receipts in hexadecimal, between white space, as a node's alarm has them.
    #[arg(long, value_name = "FILE")]
    receipts: PathBuf,
    /// Where the evidence goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `evidence verify`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Verify {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The network id that you know, in hexadecimal.
    #[arg(long, value_name = "ID", conflicts_with = "network")]
    network_id: Option<String>,
    /// The network file that you trust.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
}

const HELP: &str = "\
Example:
  quorumkeep evidence verify 0x12ab.evidence --network-id 5be1... --json
Exit status 0: the file shows what it claims; proof says whether only the accused can have done it. 4: it does not, and the
message says why. Without a network id the one in the file is taken: then compare it with the one that you know.";

/// Runs it.
pub fn run(command: &Evidence, as_json: bool) -> Result<Report> {
    match command {
        Evidence::List(list) => block_on(list.run(as_json)),
        Evidence::Show(show) => block_on(show.run(as_json)),
        Evidence::Receipts(receipts) => block_on(receipts.run(as_json)),
        Evidence::Verify(verify) => verify.run(),
    }
}

/// What the board of this network shows, and its log.
async fn find(net: &Net, as_json: bool) -> Result<(Vec<Block>, Vec<Finding>)> {
    let blocks = board_log::read(&net.session, as_json).await?;
    let found = scan(net.session.file().network, &blocks).map_err(not_shown)?;
    Ok((blocks, found))
}

impl List {
    async fn run(&self, as_json: bool) -> Result<Report> {
        let net = Net::open(&self.network).await?;
        let (blocks, mut found) = find(&net, as_json).await?;
        found.retain(|finding| finding.offence.is_proof() || !self.proofs);
        let rows: Vec<Value> = found.iter().map(describe).collect();
        let text = match found.len() {
            0 => format!("{} blocks: nobody broke a rule", blocks.len()),
            some => format!("{} blocks, {some} findings\n{}", blocks.len(), table(&found)),
        };
        Ok(Report::text(text).field("blocks", blocks.len()).field("findings", rows))
    }
}

impl Show {
    async fn run(&self, as_json: bool) -> Result<Report> {
        let net = Net::open(&self.network).await?;
        let (mut blocks, found) = find(&net, as_json).await?;
        let finding = self.pick(found)?;
        let mut report = report(&finding);
        if let Some(out) = &self.out {
            blocks.truncate(usize::try_from(finding.height).unwrap_or(usize::MAX));
            let proof = Proof { network: net.session.file().network, claim: finding.claim, blocks };
            write_new(out, &proof.encode(), 0o644)?;
            report = report.line(format!("written to {}", out.display())).field("file", out);
        }
        Ok(report)
    }

    fn pick(&self, found: Vec<Finding>) -> Result<Finding> {
        let wanted = self.id.trim_start_matches("0x").to_ascii_lowercase();
        let mut fitting = found.into_iter().filter(|finding| finding.claim.id().to_string().starts_with(&wanted));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Failure::new(Code::NoFinding, format!("the board shows nothing with the id {wanted}"))),
            _ => Err(Failure::usage(format!("several findings begin with {wanted}; give more of the id"))),
        }
    }
}

impl Receipts {
    async fn run(&self, as_json: bool) -> Result<Report> {
        let (first, second) = self.read()?;
        let net = Net::open(&self.network).await?;
        let (network, blocks) = (net.session.file().network, board_log::read(&net.session, as_json).await?);
        let proof = Proof { network, claim: Claim::Receipts { first, second }, blocks };
        let finding = proof.verify(&network).map_err(not_shown)?;
        write_new(&self.out, &proof.encode(), 0o644)?;
        Ok(report(&finding).line(format!("written to {}", self.out.display())).field("file", &self.out))
    }

    fn read(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let bad = || Failure::new(Code::BadFile, format!("{} does not hold two receipts", self.receipts.display()));
        let bytes = read_bounded(&self.receipts, RECEIPTS_BYTES_MAX)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| bad())?;
        let mut receipts = text.split_ascii_whitespace().map(|word| hex::decode(word).map_err(|_| bad()));
        match (receipts.next(), receipts.next(), receipts.next()) {
            (Some(first), Some(second), None) => Ok((first?, second?)),
            _ => Err(bad()),
        }
    }
}

impl Verify {
    fn run(&self) -> Result<Report> {
        let bytes = read_bounded(&self.file, EVIDENCE_BYTES_MAX)?;
        let proof = Proof::decode(&bytes)
            .map_err(|error| Failure::new(Code::BadFile, format!("{} is no evidence: {error}", self.file.display())))?;
        let known = self.known_network()?;
        let network = known.unwrap_or(proof.network);
        let finding = proof.verify(&network).map_err(not_shown)?;
        let note = match known {
            Some(_) => format!("of network {network}"),
            None => format!("of network {network}: is that the network that you mean?"),
        };
        Ok(report(&finding)
            .line(note)
            .field("network", network)
            .field("network_known", known.is_some())
            .field("blocks", proof.blocks.len()))
    }

    fn known_network(&self) -> Result<Option<NetworkId>> {
        if let Some(path) = &self.network {
            return Ok(Some(NetworkFile::load(path)?.network));
        }
        let Some(text) = &self.network_id else { return Ok(None) };
        let mut id = [0; 32];
        hex::decode_to_slice(text.trim_start_matches("0x"), &mut id)
            .map_err(|_| Failure::usage("a network id is 32 bytes in hexadecimal"))?;
        Ok(Some(NetworkId(id)))
    }
}

fn not_shown(reason: Innocent) -> Failure {
    Failure::new(Code::NotShown, reason)
}

fn describe(finding: &Finding) -> Value {
    json!({
        "id": finding.claim.id(),
        "culprit": finding.culprit,
        "offence": finding.offence.code(),
        "message": finding.offence.to_string(),
        "proof": finding.offence.is_proof(),
        "key": finding.key,
        "height": finding.height,
    })
}

fn report(finding: &Finding) -> Report {
    let weight = if finding.offence.is_proof() {
        "proof: only the accused can have done it"
    } else {
        "a sign, no proof: the orderer may have withheld it"
    };
    let text = format!("{}: {}\nat height {}, key {}", finding.culprit, finding.offence, finding.height, finding.key);
    let report = Report::text(text).line(weight);
    let Value::Object(fields) = describe(finding) else { return report };
    fields.into_iter().fold(report, |report, (name, value)| report.field(&name, value))
}

fn table(found: &[Finding]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["id", "height", "operator", "what", "proof"]);
    for finding in found {
        let proof = if finding.offence.is_proof() { "yes" } else { "no" };
        table.add_row([
            finding.claim.id().to_string().chars().take(12).collect(),
            finding.height.to_string(),
            finding.culprit.to_string(),
            finding.offence.to_string(),
            proof.to_owned(),
        ]);
    }
    table
}
