//! One byte string per value: JSON with sorted keys, no white space, whole numbers (the part of RFC 8785 that is needed).
//!
//! What is signed or hashed is these bytes. Reading is strict: other bytes for the same value are refused, and so are unknown
//! fields (every type here says `deny_unknown_fields`).

use quorumkeep_curves::tags::Tag;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::bytes::{Hash, Hex};

/// Bytes that are not the one encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// More than what is ever valid.
    #[error("it has more than {0} bytes")]
    TooLong(usize),
    /// Not JSON of this type.
    #[error("it is not what it should be: {0}")]
    Json(String),
    /// JSON of this type, but not its one encoding.
    #[error("it is not in canonical form (sorted keys, no white space)")]
    Form,
}

/// The encoding.
///
/// # Panics
/// Never for the types of this crate: they have text keys and no floating point.
#[must_use]
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // A Value keeps its keys sorted; a struct would keep the order of its fields.
    serde_json::to_value(value).and_then(|value| serde_json::to_vec(&value)).unwrap_or_default()
}

/// The value of at most `max` bytes, one newline behind them tolerated.
///
/// # Errors
/// [`NotCanonical`].
pub fn from_bytes<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, NotCanonical> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.len() > max {
        return Err(NotCanonical::TooLong(max));
    }
    let value: T = serde_json::from_slice(bytes).map_err(|error| NotCanonical::Json(error.to_string()))?;
    if to_bytes(&value) == bytes { Ok(value) } else { Err(NotCanonical::Form) }
}

/// `SHA-256(tag || 0 || encoding)`.
#[must_use]
pub fn hash<T: Serialize>(tag: Tag, value: &T) -> Hash {
    tagged(tag, &[&to_bytes(value)])
}

/// `SHA-256(tag || 0 || parts)`; the parts must not be movable against each other.
#[must_use]
pub fn tagged(tag: Tag, parts: &[&[u8]]) -> Hash {
    let start = Sha256::new().chain_update(tag.as_bytes()).chain_update([0]);
    Hex(parts.iter().fold(start, |hash, part| hash.chain_update(part)).finalize().into())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        b: u64,
        a: String,
    }

    #[test]
    fn there_is_one_encoding_and_others_are_refused() {
        let pair = Pair { b: 1, a: "ä\n".into() };
        let bytes = to_bytes(&pair);
        assert_eq!(bytes, "{\"a\":\"ä\\n\",\"b\":1}".as_bytes());
        assert_eq!(from_bytes::<Pair>(&bytes, 64), Ok(pair));
        for other in ["{\"b\":1,\"a\":\"\"}", "{ \"a\":\"\",\"b\":1}", "{\"a\":\"\\u0061\",\"b\":1}"] {
            assert_eq!(from_bytes::<Pair>(other.as_bytes(), 64), Err(NotCanonical::Form), "{other}");
        }
        for other in
            ["{\"a\":\"\",\"b\":1,\"c\":2}", "{\"a\":\"\",\"b\":1.0}", "{\"a\":\"\",\"a\":\"\",\"b\":1}", "", "[]"]
        {
            assert!(matches!(from_bytes::<Pair>(other.as_bytes(), 64), Err(NotCanonical::Json(_))), "{other}");
        }
        assert_eq!(from_bytes::<Pair>(&[b' '; 65], 64), Err(NotCanonical::TooLong(64)));
    }
}
