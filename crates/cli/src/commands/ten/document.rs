//! A document of a gateway, by which its key is recognised.

use std::path::Path;

use quorumkeep_store::files::read_bounded;
use serde_json::Value;

use crate::failure::{Code, Failure, Result};

/// Bytes of the longest document.
const BYTES_MAX: u64 = 4 << 20;

/// The encrypted data of a document, in base64: the file is its JSON, or the data alone.
pub fn read(path: &Path) -> Result<String> {
    let bytes = read_bounded(path, BYTES_MAX)?;
    let text = core::str::from_utf8(&bytes)
        .map_err(|_| Failure::new(Code::BadFile, format!("{} is no text", path.display())))?;
    let json: Option<Value> = serde_json::from_str(text).ok();
    let data = json.as_ref().and_then(|json| json.get("data")?.as_str()).unwrap_or(text);
    Ok(data.trim().to_owned())
}
