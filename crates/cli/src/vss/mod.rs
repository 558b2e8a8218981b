//! Verifiable sharing for auditors: is this share a value of the committed polynomial, and of the right one?
//!
//! | module | what |
//! |---|---|
//! | [`reason`] | the stable reasons |
//! | [`fields`] | one item of the file, field by field |
//! | [`equation`] | what must hold between them |
//!
//! `docs/vss-check.md` describes the file. Items are judged one by one: nothing that is wrong with one of them stops the
//! others.
//!
//! # Security
//!
//! A share is borrowed from the caller's buffer, which wipes itself, until it is a [`SecretScalar`]; no message and no
//! answer contains a value of a field.
//!
//! # Source
//!
//! Feldman 1987; Pedersen 1991; for reshares Desmedt and Jajodia 1997.
//!
//! [`SecretScalar`]: quorumkeep_curves::bls::SecretScalar

mod equation;
mod fields;
mod reason;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{Code, Failure};
use fields::Raw;
pub use reason::Refusal;

/// Longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 8 << 20;
/// Most items of a file.
pub const ITEMS_MAX: usize = 4096;
/// Highest threshold, and so the most commitments of an item; as many public shares are read for a reshare.
pub const THRESHOLD_MAX: usize = 1024;
/// Most players of an item.
pub const PLAYERS_MAX: usize = 4096;

/// What became of one item.
pub struct Verdict {
    /// The item's own name for itself.
    pub label: Option<String>,
    /// Nothing, or why it is not valid.
    pub result: Result<(), Refusal>,
}

/// Judges every item of a file.
///
/// # Errors
///
/// The file is no JSON object, or its list has no items or more than [`ITEMS_MAX`].
pub fn check(file: &[u8]) -> Result<Vec<Verdict>, Failure> {
    Ok(items(file)?.into_iter().map(fields::judge).collect())
}

/// The whole file is one item, unless it has a field `items`.
fn items(file: &[u8]) -> Result<Vec<&RawValue>, Failure> {
    let whole: &RawValue = serde_json::from_slice(file).map_err(|error| malformed("it is not JSON", &error))?;
    if !whole.get().starts_with('{') {
        return Err(Failure::new(Code::BadFile, "the file cannot be read: it is not one JSON object"));
    }
    let probe = serde_json::from_str::<Probe<'_>>(whole.get());
    if probe.map_err(|error| malformed("\"items\" stands twice", &error))?.items.0.is_none() {
        return Ok(vec![whole]);
    }
    let list = serde_json::from_str::<List<'_>>(whole.get());
    let items = list.map_err(|error| refused_list(&error))?.items;
    if items.is_empty() || items.len() > ITEMS_MAX {
        let message = format!("the file has {} items, and 1 to {ITEMS_MAX} are checked", items.len());
        return Err(Failure::new(Code::BadFile, message));
    }
    Ok(items)
}

/// Is there a list?
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Probe<'a> {
    #[serde(default)]
    items: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// The parser's own text could repeat what stands in the file.
fn malformed(what: &str, error: &serde_json::Error) -> Failure {
    let message = format!("the file cannot be read: {what} (line {}, column {})", error.line(), error.column());
    Failure::new(Code::BadFile, message)
}

fn refused_list(error: &serde_json::Error) -> Failure {
    match reason::unknown_field(error) {
        Some(name) => Failure::new(Code::UnknownField, format!("beside \"items\", the file has {name}")),
        None => malformed("\"items\" is not one list", error),
    }
}
