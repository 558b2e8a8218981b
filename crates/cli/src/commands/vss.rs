//! `quorumkeep vss check`: for auditors of this network or of another one.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::failure::{Code, Failure, Result};
use crate::output::open_input;
use crate::report::Report;
use crate::vss::{self, FILE_BYTES_MAX, Verdict};

/// Commands below `vss`.
#[derive(Subcommand)]
pub enum Vss {
    /// Checks shares against commitments: Feldman and Pedersen, new sharings and reshares, one verdict for each item.
    Check(Check),
}

/// Arguments of `vss check`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Check {
    /// JSON: one item, or a list of them under "items"; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const HELP: &str = "\
An item has: threshold, index or point, commitments (compressed points), share (64 hexadecimal digits, big-endian); for
hiding commitments h and blinder; for a reshare previous; as wanted players and label. docs/vss-check.md describes them.
Every item is answered with valid or one stable reason. The exit status is 0 if all are valid and 1 if one is not.
The file holds secrets; they are never printed. Keep it readable by yourself only.";

/// Runs it.
pub fn run(command: Vss) -> Result<Report> {
    let Vss::Check(Check { file }) = command;
    let bytes = read(&file)?;
    let verdicts = vss::check(&bytes).map_err(|failure| failure.about(file.display()))?;
    let invalid = verdicts.iter().filter(|verdict| verdict.result.is_err()).count();
    let report = report(&verdicts, invalid);
    if invalid == 0 {
        return Ok(report);
    }
    let message = format!("{invalid} of {} items are not valid", verdicts.len());
    Err(Failure::new(Code::NotValid, message).with_report(report))
}

/// The whole file. The buffer has its final size from the start, so that it is never moved and leaves no copy behind.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    const SPARE: usize = 64;
    let (input, _) = open_input(path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + SPARE));
    input.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("{} has more than {FILE_BYTES_MAX} bytes", path.display());
        return Err(Failure::new(Code::BadFile, message));
    }
    Ok(bytes)
}

fn report(verdicts: &[Verdict], invalid: usize) -> Report {
    let lines = verdicts.iter().enumerate().map(|(item, verdict)| line(item, verdict));
    let items: Vec<Value> = verdicts.iter().enumerate().map(|(item, verdict)| object(item, verdict)).collect();
    let report = lines.fold(Report::default(), Report::line);
    report.field("valid", verdicts.len() - invalid).field("invalid", invalid).field("items", items)
}

/// `items[3] (dealer 2): wrong_length: commitments: There are ...`
fn line(item: usize, verdict: &Verdict) -> String {
    let label = verdict.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    let result = match &verdict.result {
        Ok(()) => "valid".to_owned(),
        Err(refusal) if refusal.field.is_empty() => format!("{}: {}", refusal.reason.text(), refusal.message),
        Err(refusal) => format!("{}: {}: {}", refusal.reason.text(), refusal.field, refusal.message),
    };
    format!("items[{item}]{label}: {result}")
}

fn object(item: usize, verdict: &Verdict) -> Value {
    let mut object = json!({ "item": item });
    let mut set = |name: &str, value: &str| {
        if let Some(fields) = object.as_object_mut() {
            fields.insert(name.to_owned(), Value::from(value));
        }
    };
    if let Some(label) = &verdict.label {
        set("label", label);
    }
    match &verdict.result {
        Ok(()) => set("result", "valid"),
        Err(refusal) => {
            set("result", refusal.reason.text());
            set("field", &refusal.field);
            set("message", &refusal.message);
        }
    }
    object
}
