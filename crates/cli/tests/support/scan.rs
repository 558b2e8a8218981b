//! Looks for known secrets in everything that a network has written, in every form in which a program prints bytes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Half of a secret is found, too: logs cut long values.
const PIECE: usize = 16;
/// Every form is longer than this; what is looked up first.
const HEAD: usize = 8;

/// Something that must be nowhere but in files of these names.
#[derive(Clone)]
pub struct Secret {
    pub name: String,
    pub bytes: Vec<u8>,
    pub homes: Vec<String>,
}

impl Secret {
    pub fn new(name: impl Into<String>, bytes: &[u8], homes: &[&str]) -> Self {
        assert!(bytes.len() >= PIECE, "too short to be told from chance");
        let homes = homes.iter().map(ToString::to_string).collect();
        Self { name: name.into(), bytes: bytes.to_vec(), homes }
    }
}

/// A form of a piece of a secret.
struct Form {
    secret: usize,
    kind: &'static str,
    bytes: Vec<u8>,
}

/// Finds many secrets in one pass.
pub struct Scanner {
    secrets: Vec<Secret>,
    forms: Vec<Form>,
    heads: HashMap<[u8; HEAD], Vec<usize>>,
    /// Which first two bytes any form has.
    starts: Vec<bool>,
}

/// A secret where it must not be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub secret: String,
    pub kind: &'static str,
    pub file: PathBuf,
    pub offset: usize,
}

impl Scanner {
    pub fn new(secrets: Vec<Secret>) -> Self {
        let mut scanner = Self { secrets, forms: Vec::new(), heads: HashMap::new(), starts: vec![false; 1 << 16] };
        for (place, secret) in scanner.secrets.iter().enumerate() {
            let forms = forms_of(&secret.bytes).into_iter();
            scanner.forms.extend(forms.map(|(kind, bytes)| Form { secret: place, kind, bytes }));
        }
        for (place, form) in scanner.forms.iter().enumerate() {
            scanner.heads.entry(head(&form.bytes)).or_default().push(place);
            scanner.starts[start(&form.bytes)] = true;
        }
        scanner
    }

    /// Every secret in `text`, which is what `file` holds.
    pub fn look(&self, file: &Path, text: &[u8]) -> Vec<Found> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for offset in 0..text.len().saturating_sub(HEAD - 1) {
            let rest = &text[offset..];
            if !self.starts[start(rest)] {
                continue;
            }
            for form in self.heads.get(&head(rest)).into_iter().flatten().map(|place| &self.forms[*place]) {
                let secret = &self.secrets[form.secret];
                if rest.starts_with(&form.bytes) && !secret.homes.contains(&name) {
                    let (secret, file) = (secret.name.clone(), file.to_owned());
                    found.push(Found { secret, kind: form.kind, file, offset });
                }
            }
        }
        found
    }

    /// Every secret in every file below `folder`, and how many bytes were looked at.
    pub fn look_below(&self, folder: &Path) -> (Vec<Found>, u64) {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for file in files_below(folder) {
            let text = fs::read(&file).unwrap();
            bytes += text.len() as u64;
            found.extend(self.look(&file, &text));
        }
        (found, bytes)
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

fn head(bytes: &[u8]) -> [u8; HEAD] {
    bytes[..HEAD].try_into().unwrap()
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// The forms in which these bytes could be written: halves, both byte orders, and the number as a whole.
pub fn forms_of(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let reversed: Vec<u8> = secret.iter().rev().copied().collect();
    let mut forms = Vec::new();
    for (whole, is_number) in [(secret, true), (&reversed, secret.len() == 32)] {
        for piece in [&whole[..PIECE], &whole[whole.len() - PIECE..]] {
            let hexadecimal = hex::encode(piece);
            forms.push(("raw", piece.to_vec()));
            forms.push(("HEX", hexadecimal.to_uppercase().into_bytes()));
            forms.push(("hex", hexadecimal.into_bytes()));
            let list =
                |separator: &str| piece.iter().map(u8::to_string).collect::<Vec<_>>().join(separator).into_bytes();
            forms.push(("list", list(", ")));
            forms.push(("list", list(",")));
            for before in 0..3 {
                let encoded = base64_inside(piece, before);
                forms.push(("base64url", encoded.replace('+', "-").replace('/', "_").into_bytes()));
                forms.push(("base64", encoded.into_bytes()));
            }
        }
        if is_number {
            forms.push(("decimal", decimal(whole).into_bytes()));
        }
    }
    forms.sort();
    forms.dedup_by(|a, b| a.1 == b.1);
    forms
}

/// The characters of base64 that these bytes alone decide, behind so many others.
fn base64_inside(bytes: &[u8], before: usize) -> String {
    let padded = [&vec![0; before][..], bytes].concat();
    let encoded = STANDARD_NO_PAD.encode(&padded);
    encoded[[0, 2, 3][before]..padded.len() / 3 * 4].to_owned()
}

/// A big-endian number in decimal digits.
pub fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}
