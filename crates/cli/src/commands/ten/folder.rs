//! Files that are written together: all of them, or none.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use quorumkeep_store::files::{PRIVATE, destroy, private_directory, write_new};

use crate::failure::{Code, Failure, Result};

/// The mode of what may be read by others.
const PUBLIC: u32 = 0o644;

/// New folders and files below one folder. What was not kept is destroyed again.
pub struct NewFiles {
    root: PathBuf,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    kept: bool,
}

impl NewFiles {
    /// Below `root`, which is made if it is not there.
    pub fn below(root: &Path) -> Result<Self> {
        private_directory(root)?;
        Ok(Self { root: root.to_owned(), folders: Vec::new(), files: Vec::new(), kept: false })
    }

    /// A folder that must not be there yet.
    pub fn folder(&mut self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::new(Code::FileExists, format!("{} exists and is not overwritten", path.display()))
            }
            _ => Failure::new(Code::Io, format!("{}: {error}", path.display())),
        })?;
        self.folders.push(path);
        Ok(())
    }

    /// A file that only its owner may read.
    pub fn secret(&mut self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        self.write(name, bytes, PRIVATE)
    }

    /// A file that anybody may read.
    pub fn public(&mut self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        self.write(name, bytes, PUBLIC)
    }

    fn write(&mut self, name: &str, bytes: &[u8], mode: u32) -> Result<PathBuf> {
        let path = self.root.join(name);
        write_new(&path, bytes, mode)?;
        self.files.push(path.clone());
        Ok(path)
    }

    /// All are there.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // The failure that brought us here is the one to tell of.
        for file in &self.files {
            let _ = destroy(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}
