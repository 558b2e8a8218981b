//! Which files hold a secret that was recovered?

use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::deviates;
use crate::failure::Result;

const DIGITS: usize = 64;

/// Secrets that are looked for, each as it is written and as it is.
#[derive(Default)]
pub struct Traces(Vec<Zeroizing<Vec<u8>>>);

impl Traces {
    /// The 64 digits of a secret in the text of a recovered file.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let runs = text.split(|character: char| !character.is_ascii_hexdigit());
        let digits =
            runs.into_iter().find(|run| run.len() == DIGITS).ok_or_else(|| deviates("a file has no secret"))?;
        let bytes = hex::decode(digits).map_err(|error| deviates(error.to_string()))?;
        self.0.extend([Zeroizing::new(digits.as_bytes().to_vec()), Zeroizing::new(bytes)]);
        Ok(())
    }

    /// All files below a folder that hold one of them.
    pub fn below(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                found.extend(self.below(&path)?);
            } else if self.are_in(&fs::read(&path)?) {
                found.push(path);
            }
        }
        Ok(found)
    }

    fn are_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bytes_are_found_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let digits = "5a".repeat(32);
        let mut traces = Traces::default();
        assert!(traces.add("ENCLAVE_SHAREDSECRET=").is_err());
        traces.add(&format!("ENCLAVE_SHAREDSECRET={digits}\nENCLAVE_LOG_LEVEL=1\n")).unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("clean"), &digits[..62]).unwrap();
        assert!(traces.below(folder.path()).unwrap().is_empty());
        fs::write(folder.path().join("below/digits"), format!("x{digits}y")).unwrap();
        fs::write(folder.path().join("bytes"), [[1].as_slice(), &[0x5a; 32]].concat()).unwrap();
        assert_eq!(traces.below(folder.path()).unwrap().len(), 2);
    }
}
