//! `quorumkeep status`: operators, versions, rounds and health, asked of every node.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use quorumkeep_node::status::{KeyStatus, Status as NodeStatus};
use quorumkeep_server::session::{NodeReport, Session};
use serde_json::{Value, json};

use crate::failure::{Code, Failure, Result, display};
use crate::net::{Net, block_on};
use crate::report::{Report, print_line};

const PAUSE: Duration = Duration::from_secs(2);
/// What clears a terminal.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Arguments of `status`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  quorumkeep status --network network.json\n  quorumkeep status --network network.json --watch"
)]
pub struct Status {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// Again every two seconds, until it is stopped; with --json one object per line.
    #[arg(long)]
    watch: bool,
}

/// Runs it.
pub fn run(command: &Status, as_json: bool) -> Result<Report> {
    block_on(async {
        let mut net = Net::open(&command.network).await?;
        if command.watch {
            return watch(&mut net.session, as_json).await;
        }
        if net.session.reports().iter().all(|report| report.status().is_none()) {
            return Err(nobody(&net.session));
        }
        Ok(describe(&net.session))
    })
}

async fn watch(session: &mut Session, as_json: bool) -> Result<Report> {
    loop {
        if !as_json {
            print_line(CLEAR);
        }
        describe(session).print(as_json);
        tokio::time::sleep(PAUSE).await;
        // A board that is away for a moment does not end the watch.
        if session.reread().await.is_err() {
            session.refresh().await?;
        }
    }
}

fn nobody(session: &Session) -> Failure {
    let lines = session.reports().iter().map(|report| format!("\n  {}: {}", report.node.address, health(report)));
    Failure::new(Code::Unreachable, format!("no node answers{}", lines.collect::<String>()))
}

fn describe(session: &Session) -> Report {
    let reports = session.reports();
    let ready = reports.iter().filter_map(NodeReport::status).filter(|status| status.ready).count();
    let config = session.config();
    let (t, n) = (config.threshold.get(), config.n());
    let head = reports.iter().filter_map(NodeReport::status).max_by_key(|status| status.height);
    let height = head.map_or(0, |status| status.height);
    let mut report = Report::text(format!(
        "network {}\nconfiguration {}: t = {t} of n = {n}, height {height}, {ready} of {n} nodes ready",
        session.file().network,
        config.sequence
    ))
    .line(operators(reports).to_string());
    if let Some(status) = head {
        report = report.line(keys(status).to_string());
        for alert in status.keys.iter().filter_map(alert) {
            report = report.line(alert);
        }
    }
    let board = session.board_error().map(|error| display(error));
    if let Some(error) = &board {
        report = report.line(format!("the board does not answer: {error}"));
    }
    report
        .field("network", session.file().network)
        .field("sequence", config.sequence)
        .field("config", config.digest())
        .field("threshold", t)
        .field("height", height)
        .field("ready", ready)
        .field("board_error", board)
        .field("nodes", reports.iter().map(node_json).collect::<Vec<_>>())
        .field("keys", head.map(|status| &status.keys))
        .field("apps", head.map(|status| &status.apps))
}

fn node_json(report: &NodeReport) -> Value {
    let (node, status) = (&report.node, report.status());
    json!({
        "index": node.index.get(),
        "address": node.address,
        "socket": node.socket,
        "health": health(report),
        "ready": status.is_some_and(|status| status.ready),
        "height": status.map(|status| status.height),
        "config": status.map(|status| status.config),
        "halted": status.map(|status| status.halted),
        "suspended": status.and_then(|status| status.suspended.clone()),
        "starting": status.and_then(|status| status.starting),
        "held": status.map(held),
    })
}

/// The versions that this node holds.
fn held(status: &NodeStatus) -> Vec<String> {
    let versions = status.keys.iter().flat_map(|key| [&key.active, &key.settled]).flatten();
    let mut held: Vec<String> = versions.filter(|version| version.held).map(|version| version.id.to_string()).collect();
    held.dedup();
    held
}

fn health(report: &NodeReport) -> String {
    match &report.result {
        Err(error) => display(error),
        Ok(status) if status.halted => "HALTED: a person has to look at its log".to_owned(),
        Ok(status) => match (&status.suspended, &status.starting) {
            (Some(reason), _) => format!("not serving: {reason}"),
            (None, Some(starting)) => format!("not serving: {starting}"),
            _ if status.ready => "ready".to_owned(),
            _ if status.keys.iter().all(|key| key.active.is_none()) => "up; no version is active yet".to_owned(),
            _ => "up; holds no share of the active version".to_owned(),
        },
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    table
}

fn operators(reports: &[NodeReport]) -> Table {
    let mut table = table(&["#", "operator", "socket", "height", "holds", "health"]);
    for report in reports {
        let status = report.status();
        let holds = status.map(|status| held(status).iter().map(|id| short(id)).collect::<Vec<_>>().join(" "));
        table.add_row(vec![
            report.node.index.get().to_string(),
            report.node.address.to_string(),
            report.node.socket.clone(),
            status.map_or_else(|| "-".to_owned(), |status| status.height.to_string()),
            holds.unwrap_or_else(|| "-".to_owned()),
            health(report),
        ]);
    }
    table
}

fn keys(status: &NodeStatus) -> Table {
    let mut table = table(&["key", "group key", "active version", "settled", "round", "last round"]);
    for key in &status.keys {
        let version = |version: &Option<quorumkeep_node::status::VersionStatus>| {
            version.as_ref().map_or_else(
                || "-".to_owned(),
                |version| {
                    format!("{} (t = {} of {})", short(&version.id.to_string()), version.threshold, version.players)
                },
            )
        };
        let round = key.round.as_ref().map_or_else(
            || "-".to_owned(),
            |round| {
                format!(
                    "{} {}: {} announced, {} deals, {} confirms",
                    round.round, round.phase, round.announced, round.deals, round.confirms
                )
            },
        );
        table.add_row(vec![
            key.name.clone(),
            key.group_key.as_deref().map_or_else(|| "-".to_owned(), short),
            version(&key.active),
            version(&key.settled),
            round,
            key.last.as_deref().map_or_else(|| "-".to_owned(), shorten),
        ]);
    }
    table
}

/// While the active version is not settled, an older one is kept beside it.
fn alert(key: &KeyStatus) -> Option<String> {
    let (active, settled) = (key.active.as_ref()?, key.settled.as_ref());
    let differs = settled.is_none_or(|settled| settled.id != active.id);
    differs.then(|| {
        format!(
            "ALERT: the active version of \"{}\" is not settled; too few operators have proved their share",
            key.name
        )
    })
}

/// The same text with every long word cut: ids.
fn shorten(text: &str) -> String {
    text.split(' ')
        .map(|word| if word.len() > 40 { short(word) } else { word.to_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first twelve characters.
fn short(text: &str) -> String {
    text.chars().take(12).collect()
}
