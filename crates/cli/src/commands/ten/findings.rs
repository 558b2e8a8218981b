//! What was found, as an answer: the worst finding decides about the exit status.

use quorumkeep_ten::check::{self, Finding, Level};

use crate::failure::{Code, Failure, Result};
use crate::report::Report;

/// Adds the findings to a report, which becomes a failure if one of them is bad.
pub fn conclude(report: Report, findings: &[Finding]) -> Result<Report> {
    let report = findings.iter().fold(report, |report, finding| report.line(finding.to_string()));
    let report = report.field("findings", findings).field("level", check::worst(findings));
    let code = match check::worst(findings) {
        Level::Alarm => Code::CheckAlarm,
        Level::Failed => Code::CheckFailed,
        Level::Ok | Level::Unknown => return Ok(report),
    };
    let bad = findings.iter().filter(|finding| finding.level >= Level::Failed).count();
    Err(Failure::new(code, format!("{bad} of {} findings are bad", findings.len())).with_report(report))
}
