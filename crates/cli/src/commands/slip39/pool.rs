//! Mnemonics from files, or typed at the terminal.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_sharing::slip39::{Parse, Share};
use quorumkeep_store::files::read_bounded;
use zeroize::Zeroizing;

use super::parse_code;
use crate::failure::{Code, Failure, Result};
use crate::report::warn;

/// Bytes of a file of mnemonics.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Mnemonics of one set.
const SHARES_MAX: usize = 256;

/// Where mnemonics come from.
#[derive(Args)]
pub struct Source {
    /// Files of mnemonics, one on a line; blank lines and lines that begin with # are skipped. Without files they are asked
    /// for at the terminal, and not shown.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    shares_file: Vec<PathBuf>,
}

/// A line that was given.
pub struct Line {
    /// The file, if it came from one.
    pub file: Option<PathBuf>,
    /// The line in the file, or the answer at the terminal; from 1.
    pub line: usize,
    /// What it holds.
    pub share: core::result::Result<Share, Parse>,
}

impl Line {
    /// `guardian-a.txt, line 1`.
    pub fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("{}, line {}", file.display(), self.line),
            None => format!("mnemonic {}", self.line),
        }
    }
}

impl Source {
    /// Were files given?
    pub fn is_given(&self) -> bool {
        !self.shares_file.is_empty()
    }

    /// Every line, good or not.
    pub fn lines(&self) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        if self.shares_file.is_empty() {
            ask(&mut lines)?;
        }
        for file in &self.shares_file {
            read(file, &mut lines)?;
        }
        match lines.len() {
            0 => Err(Failure::new(Code::TooFewShares, "there are no mnemonics")),
            1..=SHARES_MAX => Ok(lines),
            many => Err(Failure::new(Code::BadFile, format!("{many} mnemonics; a set has at most {SHARES_MAX}"))),
        }
    }

    /// Every mnemonic with its place.
    pub fn shares(&self) -> Result<(Vec<Share>, Vec<String>)> {
        let (mut shares, mut places) = (Vec::new(), Vec::new());
        for line in self.lines()? {
            let place = line.place();
            shares.push(line.share.map_err(|error| Failure::new(parse_code(error), format!("{place}: {error}")))?);
            places.push(place);
        }
        Ok((shares, places))
    }
}

fn read(file: &Path, lines: &mut Vec<Line>) -> Result<()> {
    let bytes = read_bounded(file, FILE_BYTES_MAX)?;
    let text = core::str::from_utf8(&bytes)
        .map_err(|_| Failure::new(Code::BadFile, format!("{} is no text", file.display())))?;
    for (line, content) in (1..).zip(text.lines()) {
        if !content.trim().is_empty() && !content.starts_with('#') {
            lines.push(Line { file: Some(file.to_owned()), line, share: Share::parse(content) });
        }
    }
    Ok(())
}

/// A mistyped mnemonic is asked for again at once; an empty line ends.
fn ask(lines: &mut Vec<Line>) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for mnemonics; give --shares-file FILE"));
    }
    loop {
        let line = lines.len() + 1;
        let text = Zeroizing::new(rpassword::prompt_password(format!("Mnemonic {line} (not shown; empty to end): "))?);
        if text.trim().is_empty() {
            return Ok(());
        }
        match Share::parse(&text) {
            Ok(share) => lines.push(Line { file: None, line, share: Ok(share) }),
            Err(error) => warn(&format!("{error}; type it again")),
        }
    }
}
