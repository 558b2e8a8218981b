//! `backup status`.

use clap::Args;
use comfy_table::Table;
use quorumkeep_custody::delivery::State;
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::placement;
use quorumkeep_custody::request::SetId;
use quorumkeep_custody::view::{Overview, SetView, ShareView};

use super::create::matrix;
use crate::custody_link::At;
use crate::failure::Result;
use crate::report::Report;

/// Arguments of `backup status`.
#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    at: At,
    /// Only sets of this key.
    #[arg(long, value_name = "NAME")]
    key_id: Option<Name>,
    /// One set with its placement: KEY/NODE/GENERATION.
    #[arg(long, value_name = "SET", conflicts_with = "key_id")]
    set: Option<SetId>,
}

impl Status {
    /// Shows it.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let link = self.at.open()?;
        let prefix = match (&self.key_id, &self.set) {
            (Some(key), _) => format!("{key}/"),
            (_, Some(set)) => set.record(),
            _ => String::new(),
        };
        let overview = link.overview(&prefix)?;
        // The table of many sets is much work for nothing if nobody reads it.
        let text = if as_json { Report::default() } else { overview_text(&overview) };
        let report = text.json_field("status", overview.to_json());
        match &self.set {
            Some(set) => {
                let manifest = link.manifest(set)?.manifest;
                let guardians: Vec<Guardian> = manifest.shares.into_iter().map(|share| share.guardian).collect();
                Ok(matrix(report, &placement::analyse(manifest.threshold, &guardians)?))
            }
            None => Ok(report),
        }
    }
}

fn overview_text(overview: &Overview) -> Report {
    let mut table = Table::new();
    table.set_header(["set", "needed", "confirmed", "state", "shares"]);
    for set in &overview.sets {
        let shares: Vec<String> = set.shares.iter().map(share_text).collect();
        let confirmed = format!("{} of {}", set.confirmed, set.total);
        table.add_row([
            set.set.clone(),
            set.threshold.to_string(),
            confirmed,
            state_text(set).into(),
            shares.join("\n"),
        ]);
    }
    let text = if overview.sets.is_empty() { "there are no backup sets".to_owned() } else { table.to_string() };
    let mut report = Report::text(text);
    let named = |set: &&SetView| set.shares.iter().any(|share| share.removed);
    for set in overview.sets.iter().filter(named) {
        let gone = set.shares.iter().filter(|share| share.removed).map(|share| share.guardian.as_str());
        let gone = gone.collect::<Vec<_>>().join(", ");
        report = report.line(format!("WARNING: {} names {gone}, who was removed: make a new generation", set.set));
    }
    for session in &overview.sessions {
        let alarm = if session.break_glass { "  ALARM: break-glass" } else { "" };
        let state = session.state.text();
        report = report.line(format!(
            "recovery {} of {}: {state}, {} shares{alarm}",
            session.session, session.set, session.submitted
        ));
    }
    if !overview.waiting.is_empty() {
        report =
            report.line(format!("{} requests wait for approval: quorumkeep custody waiting", overview.waiting.len()));
    }
    report
}

fn state_text(set: &SetView) -> &'static str {
    match (set.active, set.recoverable) {
        (true, _) => "active",
        (false, true) => "recoverable",
        (false, false) => "NOT RECOVERABLE",
    }
}

fn share_text(share: &ShareView) -> String {
    let mark = match share.state {
        State::Confirmed => "+",
        State::Delivered => ">",
        State::Pending => ".",
        State::Failed => "!",
    };
    let removed = if share.removed { ", REMOVED" } else { "" };
    format!("{mark} {} {} ({}) {}{removed}", share.index, share.guardian, share.entity, share.state.text())
}
