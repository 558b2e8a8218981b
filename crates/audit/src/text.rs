//! Text of others: how it is stored, and how it is shown.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

/// Text as a terminal may show it: control characters (line breaks and ANSI escapes among them), bidirectional and other
/// format characters, and what has no glyph are written as `\u{..}`, and a backslash as two.
///
/// # Security
/// The result has no character that moves the cursor, changes colours or the direction of text, or begins a new line, so
/// that no entry can look like another one.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' => out.push(character),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// JSON in printable ASCII: no white space, and every character outside of `0x20..=0x7e` as `\uXXXX`.
pub(crate) fn to_ascii_json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(512);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Ascii))?;
    Ok(bytes)
}

/// Writes what `serde_json` hands it; only characters are written in another way.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(is_printable) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            match u8::try_from(character) {
                Ok(byte) if is_printable(byte) => writer.write_all(&[byte])?,
                _ => character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?,
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let byte = match escape {
            CharEscape::Quote => return writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => return writer.write_all(b"\\\\"),
            CharEscape::Solidus => b'/',
            CharEscape::Backspace => 0x08,
            CharEscape::FormFeed => 0x0c,
            CharEscape::LineFeed => b'\n',
            CharEscape::CarriageReturn => b'\r',
            CharEscape::Tab => b'\t',
            CharEscape::AsciiControl(byte) => byte,
        };
        write!(writer, "\\u{byte:04x}")
    }
}

fn is_printable(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p7_what_is_shown_has_no_control_and_no_bidi_character() {
        let text = "a\r\n\x1b[31mred\x07\u{202e}evil\u{2066}\u{200b}\u{feff}\u{9b}2J\u{2028}\u{e0041}\\n ü € 鍵 \"x\"";
        let shown = printable(text);
        assert_eq!(
            shown,
            "a\\r\\n\\u{1b}[31mred\\u{7}\\u{202e}evil\\u{2066}\\u{200b}\\u{feff}\\u{9b}2J\\u{2028}\\u{e0041}\\\\n ü € 鍵 \"x\""
        );
        assert!(!shown.chars().any(char::is_control));
    }

    #[test]
    fn p7_stored_text_is_printable_ascii_and_comes_back() {
        let text = "\u{0}\t\n\u{7f}\u{85}\u{202e}/\"\\ü\u{1f511}\u{e0001}";
        let bytes = to_ascii_json(&text).unwrap();
        assert!(bytes.iter().all(|byte| is_printable(*byte)));
        assert_eq!(
            core::str::from_utf8(&bytes).unwrap(),
            r#""\u0000\u0009\u000a\u007f\u0085\u202e/\"\\\u00fc\ud83d\udd11\udb40\udc01""#
        );
        assert_eq!(serde_json::from_slice::<String>(&bytes).unwrap(), text);
    }
}
