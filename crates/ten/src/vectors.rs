//! Test vectors from outside: the folder in `QUORUMKEEP_VECTORS`, else `shared/vectors` beside the workspace.

use std::path::PathBuf;

use serde_json::Value;

/// The JSON file at `path` below the folder. `None`, said aloud, when the folder is absent; a failure then if
/// `QUORUMKEEP_REQUIRE_VECTORS` is 1.
pub fn load(path: &str) -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("QUORUMKEEP_VECTORS").map_or_else(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join(path)) else {
        let required = std::env::var_os("QUORUMKEEP_REQUIRE_VECTORS").is_some_and(|value| value == "1");
        assert!(!required, "the vectors {path} are required and absent");
        eprintln!("skipped: no vectors at {path}");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// A string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A string of hex digits, with or without `0x`.
pub fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value).trim_start_matches("0x")).unwrap()
}
