//! What a command says when it succeeds: one text for people and one JSON object for programs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The outcome of a command that succeeded.
#[derive(Debug, Default)]
pub struct Report {
    text: String,
    fields: Fields,
}

/// The members of an object, encoded: a large report is not built a second time as a tree of values.
type Fields = BTreeMap<String, String>;

impl Report {
    /// A report that begins with this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), fields: Fields::new() }
    }

    /// One more line for people.
    pub fn line(mut self, line: impl AsRef<str>) -> Self {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line.as_ref());
        self
    }

    /// One more field for programs.
    pub fn field(mut self, name: &str, value: impl Serialize) -> Self {
        self.fields.insert(name.to_owned(), encode(&value));
        self
    }

    /// The same of what is JSON already.
    pub fn json_field(mut self, name: &str, json: String) -> Self {
        self.fields.insert(name.to_owned(), json);
        self
    }

    /// Prints it to standard output. A reader that went away is no failure.
    pub fn print(mut self, as_json: bool) {
        if !as_json {
            if !self.text.is_empty() {
                print_line(&self.text);
            }
            return;
        }
        self.fields.entry("ok".to_owned()).or_insert_with(|| encode(&true));
        print_line(&ascii(&object(&self.fields)));
    }
}

/// Prints a failure: people read standard error, programs one object on standard output. What the command found
/// nonetheless goes to standard output in both forms.
pub fn print_failure(failure: &Failure, as_json: bool) {
    let Failure { code, message, help, report } = failure;
    if as_json {
        let error = json!({ "code": code.text(), "message": message, "help": help });
        let mut fields = Fields::from([("ok".to_owned(), encode(&false)), ("error".to_owned(), encode(&error))]);
        fields.extend(report.iter().flat_map(|report| report.fields.clone()));
        print_line(&ascii(&object(&fields)));
        return;
    }
    if let Some(report) = report {
        print_line(&report.text);
    }
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "error: {message}\n help: {help}\n code: {} (exit status {})", code.text(), code.exit());
}

fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string())
}

fn object(fields: &Fields) -> String {
    let members: Vec<String> = fields.iter().map(|(name, json)| format!("{}:{json}", encode(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// The same JSON in printable ASCII: text of others cannot drive a terminal or turn the direction of text. Outside of its
/// strings JSON has no other characters.
fn ascii(json: &str) -> Cow<'_, str> {
    // Control characters below the space are escaped already, so that only this one is left.
    if json.is_ascii() && !json.contains('\x7f') {
        return json.into();
    }
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        match character {
            ' '..='~' => out.push(character),
            other => other.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out.into()
}

/// One line on standard output.
pub fn print_line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Something to know that is no failure, on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "warning: {text}");
}
