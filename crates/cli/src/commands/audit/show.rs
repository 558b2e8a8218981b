//! `quorumkeep audit show`.

use chrono::{DateTime, SecondsFormat};
use clap::Args;
use comfy_table::{Table, presets};
use quorumkeep_audit::{Entry, printable};
use quorumkeep_store::audit::Record;
use serde_json::json;

use super::source::Where;
use crate::failure::Result;
use crate::report::Report;

/// How many entries are read at once.
const STEP: u64 = 1024;

/// Arguments of `audit show`.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    place: Where,
    /// Only events with this name, or whose name begins with it and a dot.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only entries about this key.
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// The first entry, counted from 0 [default: so that the last ones are shown].
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// How many entries at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
}

impl Show {
    pub fn run(&self) -> Result<Report> {
        let source = self.place.open()?;
        let size = source.head()?.size;
        let mut found = Vec::new();
        let unfiltered = self.event.is_none() && self.key_id.is_none();
        let begin = if unfiltered { size.saturating_sub(self.count) } else { 0 };
        let mut next = self.from.unwrap_or(begin);
        while next < size {
            found.extend(source.read(next, STEP)?.into_iter().filter(|record| self.wants(&record.entry)));
            next += STEP;
            match self.from {
                Some(_) if found.len() as u64 >= self.count => break,
                None if found.len() as u64 > 2 * self.count + STEP => self.keep_last(&mut found),
                _ => {}
            }
        }
        if self.from.is_some() {
            found.truncate(self.count as usize)
        } else {
            self.keep_last(&mut found)
        }
        Ok(report(&found, size))
    }

    fn keep_last(&self, found: &mut Vec<Record>) {
        found.drain(..found.len().saturating_sub(self.count as usize));
    }

    fn wants(&self, entry: &Entry) -> bool {
        let of_event = |name: &String| {
            entry.event.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let of_key = |key: &String| entry.key_id.as_ref() == Some(key);
        self.event.as_ref().is_none_or(of_event) && self.key_id.as_ref().is_none_or(of_key)
    }
}

fn report(found: &[Record], size: u64) -> Report {
    let rows: Vec<_> = found.iter().map(|record| json!({ "seq": record.seq, "entry": record.entry })).collect();
    let text = match found.len() {
        0 => format!("no such entries among {size}"),
        some => format!(
            "{}\n{some} of {size} entries; shown as stored, not verified: quorumkeep audit verify",
            table(found)
        ),
    };
    Report::text(text).field("size", size).field("entries", rows)
}

fn table(found: &[Record]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["seq", "time", "event", "result", "who", "what"]);
    for Record { seq, entry, .. } in found {
        table.add_row([
            seq.to_string(),
            time(entry.time_ms),
            printable(&entry.event),
            entry.result.name().to_owned(),
            who(entry),
            what(entry),
        ]);
    }
    table
}

fn who(entry: &Entry) -> String {
    let approvers: Vec<String> = entry.approvers.iter().map(|name| printable(name)).collect();
    match approvers.is_empty() {
        true => printable(&entry.operator),
        false => format!("{} (approved: {})", printable(&entry.operator), approvers.join(", ")),
    }
}

/// Everything else that an entry says, in one line.
fn what(entry: &Entry) -> String {
    let texts = [
        ("key", entry.key_id.clone()),
        ("node", entry.node_id.clone()),
        ("share", entry.share_index.map(|index| index.to_string())),
        ("generation", entry.generation.map(|generation| generation.to_string())),
        ("target", entry.target.clone()),
        ("reason", entry.reason.clone()),
        ("envelope", entry.envelope_sha256.clone()),
        ("request", entry.request_sha256.clone()),
    ];
    let fixed = texts.into_iter().filter_map(|(name, text)| Some(format!("{name} {}", short(&text?))));
    let more = entry.details.iter().map(|(name, text)| format!("{}: {}", printable(name), short(text)));
    fixed.chain(more).collect::<Vec<_>>().join(", ")
}

/// The beginning of a hash or signature, which nobody reads to its end; the JSON has all of it.
fn short(text: &str) -> String {
    let long = text.len() >= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if long { format!("{}...", text.get(..12).unwrap_or_default()) } else { printable(text) }
}

/// An entry in one line, safe for a terminal.
pub fn describe(entry: &Entry) -> String {
    let (time, event, result) = (time(entry.time_ms), printable(&entry.event), entry.result.name());
    format!("{time} {event} {result}, {}: {}", who(entry), what(entry)).trim_end_matches([':', ' ']).to_owned()
}

/// Milliseconds since 1970 as people read them.
pub fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| format!("{ms} ms"), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
