//! One record of the log.
//!
//! # Encoding
//!
//! A JSON object in printable ASCII: names in the order of their bytes, no white space, numbers without sign, fraction or
//! exponent, absent fields left out, every character outside of `0x20..=0x7e` as `\uXXXX` (lower-case digits, pairs of
//! surrogates above U+FFFF). There is one encoding of an entry; a decoder that would write other bytes refuses it. Text of
//! others is therefore stored as it was given, but a line of the log is always one line, and nothing in it can drive a
//! terminal or turn the direction of text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text::to_ascii_json;

/// The largest encoding of an entry.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;

/// The longest name of an event.
const EVENT_BYTES_MAX: usize = 64;

/// The largest number that every reader of JSON keeps exactly: `2^53 - 1`, which as a time is in the year 287396.
const TIME_MS_MAX: u64 = (1 << 53) - 1;

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// A rule or a person did not allow it.
    Refused,
    /// It was allowed, and it could not be done.
    Failed,
}

impl Outcome {
    /// As it stands in the encoding.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One record: who did what to which secret, who approved, and what became of it. No field is for secrets.
// The order of the fields is the order of their names, because that is the order in which they are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// More about this event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// SHA-256 of the envelope that was handed out or taken in, 64 lower-case hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_sha256: Option<String>,
    /// What happened: 1 to 64 of `a-z 0-9 . _ -`.
    pub event: String,
    /// The version of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Which secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Of which node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// Who did it.
    pub operator: String,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of the request that was approved, 64 lower-case hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sha256: Option<String>,
    /// What became of it.
    pub result: Outcome,
    /// Which share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_index: Option<u32>,
    /// The signature over the envelope or the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// To whom or what it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When, in milliseconds since 1970 (UTC). In a log it never goes back.
    pub time_ms: u64,
}

/// An entry cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It is too large.
    #[error("an audit entry is larger than {ENTRY_BYTES_MAX} bytes")]
    TooLarge,
    /// The event has no proper name.
    #[error("the event of an audit entry is 1 to {EVENT_BYTES_MAX} of a-z, 0-9, '.', '_' and '-'")]
    Event,
    /// A required text is empty.
    #[error("the operator of an audit entry is empty")]
    Operator,
    /// A hash is no hash.
    #[error("{0} of an audit entry is not 64 lower-case hex digits")]
    Hash(&'static str),
    /// The time is out of range.
    #[error("the time of an audit entry is later than the year 287396")]
    Time,
    /// The bytes are not an entry.
    #[error("these bytes are not an audit entry")]
    Malformed(#[source] serde_json::Error),
    /// The bytes are an entry in another than its one encoding.
    #[error("this audit entry is not in its one encoding")]
    NotCanonical,
}

impl Entry {
    /// An event that was done, with every other field absent.
    #[must_use]
    pub fn new(time_ms: u64, event: impl Into<String>, operator: impl Into<String>) -> Self {
        Self {
            approvers: Vec::new(),
            details: BTreeMap::new(),
            envelope_sha256: None,
            event: event.into(),
            generation: None,
            key_id: None,
            node_id: None,
            operator: operator.into(),
            reason: None,
            request_sha256: None,
            result: Outcome::Ok,
            share_index: None,
            signature: None,
            target: None,
            time_ms,
        }
    }

    /// The one encoding: what is hashed into the tree.
    ///
    /// # Errors
    /// [`EntryError`] if a field breaks its rule or the whole is larger than [`ENTRY_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let bytes = to_ascii_json(self).map_err(EntryError::Malformed)?;
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge);
        }
        Ok(bytes)
    }

    /// Reads an entry of at most [`ENTRY_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`EntryError`] for anything but what [`Entry::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge);
        }
        let entry: Self = serde_json::from_slice(bytes).map_err(EntryError::Malformed)?;
        if entry.to_bytes()? != bytes {
            return Err(EntryError::NotCanonical);
        }
        Ok(entry)
    }

    fn check(&self) -> Result<(), EntryError> {
        let of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if !(1..=EVENT_BYTES_MAX).contains(&self.event.len()) || !self.event.bytes().all(of_a_name) {
            return Err(EntryError::Event);
        }
        if self.operator.is_empty() {
            return Err(EntryError::Operator);
        }
        if self.time_ms > TIME_MS_MAX {
            return Err(EntryError::Time);
        }
        check_hash("envelope_sha256", self.envelope_sha256.as_deref())?;
        check_hash("request_sha256", self.request_sha256.as_deref())
    }
}

fn check_hash(field: &'static str, hash: Option<&str>) -> Result<(), EntryError> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match hash {
        Some(hash) if hash.len() != 64 || !hash.bytes().all(digit) => Err(EntryError::Hash(field)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> Entry {
        let mut entry = Entry::new(1_770_000_000_123, "share.deliver", "anna");
        entry.approvers = vec!["berta".into(), "carl".into()];
        entry.details.insert("medium".into(), "paper".into());
        entry.envelope_sha256 = Some("ab".repeat(32));
        entry.generation = Some(2);
        entry.key_id = Some("main".into());
        entry.node_id = Some("server-proxy-1".into());
        entry.reason = Some("no answer".into());
        entry.request_sha256 = Some("01".repeat(32));
        entry.result = Outcome::Failed;
        entry.share_index = Some(3);
        entry.signature = Some("c2ln".into());
        entry.target = Some("custodian-2".into());
        entry
    }

    #[test]
    fn the_encoding_is_frozen() {
        let small = Entry::new(7, "backup.generate", "anna").to_bytes().unwrap();
        assert_eq!(small, br#"{"event":"backup.generate","operator":"anna","result":"ok","time_ms":7}"#);
        let (a, b) = ("ab".repeat(32), "01".repeat(32));
        let expected = format!(
            r#"{{"approvers":["berta","carl"],"details":{{"medium":"paper"}},"envelope_sha256":"{a}","event":"share.deliver","generation":2,"key_id":"main","node_id":"server-proxy-1","operator":"anna","reason":"no answer","request_sha256":"{b}","result":"failed","share_index":3,"signature":"c2ln","target":"custodian-2","time_ms":1770000000123}}"#
        );
        let bytes = full().to_bytes().unwrap();
        assert_eq!(core::str::from_utf8(&bytes).unwrap(), expected);
        assert_eq!(Entry::from_bytes(&bytes).unwrap(), full());
    }

    #[test]
    fn fields_that_break_a_rule_are_refused() {
        let refused = |change: fn(&mut Entry)| {
            let mut entry = full();
            change(&mut entry);
            entry.to_bytes().unwrap_err()
        };
        assert!(matches!(refused(|entry| entry.event = "Share deliver".into()), EntryError::Event));
        assert!(matches!(refused(|entry| entry.event = String::new()), EntryError::Event));
        assert!(matches!(refused(|entry| entry.event = "x".repeat(65)), EntryError::Event));
        assert!(matches!(refused(|entry| entry.operator = String::new()), EntryError::Operator));
        assert!(matches!(refused(|entry| entry.time_ms = 1 << 53), EntryError::Time));
        assert!(matches!(refused(|entry| entry.envelope_sha256 = Some("AB".repeat(32))), EntryError::Hash(_)));
        assert!(matches!(refused(|entry| entry.request_sha256 = Some("ab".into())), EntryError::Hash(_)));
        assert!(matches!(refused(|entry| entry.reason = Some("x".repeat(ENTRY_BYTES_MAX))), EntryError::TooLarge));
    }

    #[test]
    fn other_encodings_are_refused() {
        let good = r#"{"event":"x","operator":"a","result":"ok","time_ms":7}"#;
        Entry::from_bytes(good.as_bytes()).unwrap();
        for bad in [
            r#"{"event":"x","operator":"a","result":"ok","time_ms":7} "#,
            r#"{"event": "x","operator":"a","result":"ok","time_ms":7}"#,
            r#"{"operator":"a","event":"x","result":"ok","time_ms":7}"#,
            r#"{"event":"x","operator":"\u0061","result":"ok","time_ms":7}"#,
            r#"{"event":"x","operator":"ü","result":"ok","time_ms":7}"#,
            r#"{"event":"x","operator":"\u00FC","result":"ok","time_ms":7}"#,
            r#"{"event":"x","operator":"\n","result":"ok","time_ms":7}"#,
            r#"{"event":"x","operator":"a","result":"ok","time_ms":7.0}"#,
            r#"{"event":"x","operator":"a","result":"ok","time_ms":-7}"#,
            r#"{"event":"x","event":"x","operator":"a","result":"ok","time_ms":7}"#,
            r#"{"details":{"a":"1","a":"1"},"event":"x","operator":"a","result":"ok","time_ms":7}"#,
            r#"{"details":{"b":"1","a":"1"},"event":"x","operator":"a","result":"ok","time_ms":7}"#,
            r#"{"approvers":[],"event":"x","operator":"a","result":"ok","time_ms":7}"#,
            r#"{"event":"x","key_id":null,"operator":"a","result":"ok","time_ms":7}"#,
            r#"{"event":"x","operator":"a","result":"good","time_ms":7}"#,
            r#"{"event":"x","operator":"a","result":"ok","secret":"s","time_ms":7}"#,
            r#"["x"]"#,
            "",
        ] {
            assert!(Entry::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(matches!(Entry::from_bytes(&[b' '; ENTRY_BYTES_MAX + 1]), Err(EntryError::TooLarge)));
    }

    proptest! {
        #[test]
        fn p7_any_text_comes_back_and_is_one_line_of_ascii(operator in "\\PC{1,8}|.{1,8}|[\\x00-\\x1f\u{202a}-\u{202e}]{1,8}", reason in any::<String>(), name in any::<String>()) {
            let mut entry = Entry::new(1, "x", operator);
            entry.reason = Some(reason);
            entry.details.insert(name, "\r\n{\"event\":\"forged\"}".into());
            let bytes = entry.to_bytes().unwrap();
            prop_assert!(bytes.iter().all(|byte| (0x20..=0x7e).contains(byte)));
            prop_assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry);
        }
    }
}
