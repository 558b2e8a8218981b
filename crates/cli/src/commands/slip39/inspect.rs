//! `quorumkeep slip39 inspect`.

use std::collections::BTreeMap;

use clap::Args;
use quorumkeep_sharing::slip39::{Header, Share};
use serde_json::{Value, json};

use super::parse_code;
use super::pool::{Line, Source};
use crate::failure::{Code, Failure, Result};
use crate::report::Report;

/// Arguments of `slip39 inspect`.
#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    source: Source,
}

/// The mnemonics that can belong together: what is equal in all of a set.
type SetOf = (u16, bool, u8, u8, u8, usize);

impl Inspect {
    /// Says what they say openly.
    pub fn run(self) -> Result<Report> {
        let lines = self.source.lines()?;
        let shares: Vec<&Share> = lines.iter().filter_map(|line| line.share.as_ref().ok()).collect();
        let sets = sets(&shares);
        let wrong = lines.len() - shares.len();
        let report = lines.iter().map(describe).fold(Report::default(), Report::line);
        let report =
            sets.iter().filter_map(|set| set.get("summary")?.as_str().map(str::to_owned)).fold(report, Report::line);
        let rows: Vec<Value> = lines.iter().map(row).collect();
        let report = report.field("shares", rows).field("sets", sets);
        if wrong == 0 {
            return Ok(report);
        }
        Err(Failure::new(Code::NotValid, format!("{wrong} of {} mnemonics are not valid", lines.len()))
            .with_report(report))
    }
}

fn describe(line: &Line) -> String {
    match &line.share {
        Err(error) => format!("{}: {error}", line.place()),
        Ok(share) => {
            let Header { identifier, group, group_count, member, member_threshold, .. } = share.header();
            let (group, member) = (group + 1, member + 1);
            let of = if *group_count == 1 { String::new() } else { format!(", group {group} of {group_count}") };
            format!(
                "{}: set {identifier}{of}, member {member}, {member_threshold} are needed, {} bits",
                line.place(),
                share.bits()
            )
        }
    }
}

fn row(line: &Line) -> Value {
    let place = json!({ "file": line.file, "line": line.line });
    let Value::Object(mut row) = place else { return place };
    let fields = match &line.share {
        Err(error) => json!({ "valid": false, "code": parse_code(*error).text(), "message": error.to_string() }),
        Ok(share) => {
            let header = share.header();
            json!({
                "valid": true, "identifier": header.identifier, "extendable": header.extendable,
                "iteration_exponent": header.exponent, "group": header.group + 1, "group_threshold": header.group_threshold,
                "group_count": header.group_count, "member": header.member + 1,
                "member_threshold": header.member_threshold, "bits": share.bits(),
            })
        }
    };
    if let Value::Object(fields) = fields {
        row.extend(fields);
    }
    Value::Object(row)
}

/// Of each set: which groups have enough distinct members.
fn sets(shares: &[&Share]) -> Vec<Value> {
    let mut sets = BTreeMap::<SetOf, BTreeMap<u8, BTreeMap<u8, u8>>>::new();
    for share in shares {
        let Header { identifier, extendable, exponent, group_threshold, group_count, .. } = *share.header();
        let set =
            sets.entry((identifier, extendable, exponent, group_threshold, group_count, share.bits())).or_default();
        set.entry(share.header().group).or_default().insert(share.header().member, share.header().member_threshold);
    }
    sets.iter().map(|(set, groups)| describe_set(set, groups)).collect()
}

fn describe_set((identifier, _, _, needed, count, _): &SetOf, groups: &BTreeMap<u8, BTreeMap<u8, u8>>) -> Value {
    let threshold = |members: &BTreeMap<u8, u8>| members.values().copied().max().unwrap_or(1);
    let is_complete = |members: &&BTreeMap<u8, u8>| members.len() >= usize::from(threshold(members));
    let complete = groups.values().filter(is_complete).count();
    let recovers = complete >= usize::from(*needed);
    let rows: Vec<Value> = groups
        .iter()
        .map(|(group, members)| json!({ "group": group + 1, "have": members.len(), "need": threshold(members) }))
        .collect();
    let verdict = if recovers { "enough to recover" } else { "not enough to recover" };
    let summary = format!("set {identifier}: {complete} complete groups, {needed} of {count} are needed: {verdict}");
    json!({ "identifier": identifier, "groups": rows, "group_threshold": needed, "recoverable": recovers, "summary": summary })
}
