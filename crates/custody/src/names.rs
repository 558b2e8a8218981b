//! Names that people and other systems give: short, and harmless in paths, logs and pages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of the longest name.
pub const NAME_CHARS_MAX: usize = 64;

/// A name: 1 to 64 of `a-z`, `0-9` and `-`, a letter or digit first. Key ids, node ids, people and guardians have one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Text that is no [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {NAME_CHARS_MAX} characters of a-z, 0-9 and -, a letter or digit first")]
pub struct NotAName;

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let starts = text.bytes().next().is_some_and(plain);
        let whole = text.len() <= NAME_CHARS_MAX && text.bytes().all(|byte| plain(byte) || byte == b'-');
        if starts && whole { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P6: nothing that could be a path, another case, or something that looks like another name.
    #[test]
    fn p6_names_are_harmless_in_paths() {
        for good in ["a", "server-proxy-1", "client-42", "0", &"a".repeat(64)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "-a",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "A",
            "a b",
            "a\0",
            "a.enc",
            "a\n",
            "\u{202e}a",
            "ä",
            "a%2f",
            "~",
            &long,
        ] {
            assert_eq!(bad.parse::<Name>(), Err(NotAName), "{bad:?}");
        }
    }
}
