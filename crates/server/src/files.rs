//! Small private files: never overwritten, never half written, never read by others, never larger than expected.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It exists and is not replaced.
    #[error("{path} exists and is not overwritten; move it away if you are sure that nothing needs it")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// It does not exist.
    #[error("{path} does not exist")]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{path} may be read by others; run: chmod 600 {path}")]
    Open {
        /// Where.
        path: PathBuf,
    },
    /// It is larger than it could be.
    #[error("{path} has more than {max} bytes; it is not the file that was expected")]
    TooLarge {
        /// Where.
        path: PathBuf,
        /// The limit.
        max: u64,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Io { path, source },
        }
    }
}

/// Writes a new file that only its owner may read (0600). After a crash it is either whole or not there.
///
/// # Errors
///
/// [`FileError::Exists`] if anything is there already; [`FileError`] for what the system refuses.
pub fn write_new_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = folder.join(format!(".draft-{:016x}", OsRng.next_u64()));
    let fail = |source| FileError::io(path, source);
    write_draft(&draft, bytes).map_err(fail)?;
    // Unlike a rename, a link never replaces what is there.
    let linked = fs::hard_link(&draft, path);
    let removed = fs::remove_file(&draft);
    linked.and(removed).map_err(fail)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
}

fn write_draft(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
///
/// [`FileError::TooLarge`], [`FileError::Missing`], or what the system refuses.
pub fn read_bounded(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let fail = |source| FileError::io(path, source);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(max.min(4096)).unwrap_or(4096)));
    let file = File::open(path).map_err(fail)?;
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > max {
        return Err(FileError::TooLarge { path: path.to_owned(), max });
    }
    Ok(bytes)
}

/// Reads a secret file of at most `max` bytes that only its owner may read.
///
/// # Errors
///
/// As [`read_bounded`], and [`FileError::Open`].
pub fn read_private(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mode = fs::metadata(path).map_err(|source| FileError::io(path, source))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(FileError::Open { path: path.to_owned() });
    }
    read_bounded(path, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_written_once_and_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_new_private(&path, b"one").unwrap();
        assert!(matches!(write_new_private(&path, b"two"), Err(FileError::Exists { .. })));
        assert_eq!(*read_private(&path, 3).unwrap(), b"one");
        assert!(matches!(read_private(&path, 2), Err(FileError::TooLarge { max: 2, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&path, 3), Err(FileError::Open { .. })));
        assert!(matches!(read_bounded(&folder.path().join("none"), 3), Err(FileError::Missing { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
