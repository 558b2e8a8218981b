//! Output files: whole or not there, and never replaced without being asked.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quorumkeep_store::files::{directory_of, sync_directory, write_atomic, write_new};
use tempfile::{Builder, NamedTempFile};

use crate::failure::{Code, Failure, Result};

/// Bytes for standard output that are held back until the whole input is known to be good.
const HELD_BYTES_MAX: usize = 8 << 20;

/// The name that means standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes a small file.
pub fn write(path: &Path, bytes: &[u8], mode: u32, force: bool) -> Result<()> {
    if force {
        write_atomic(path, bytes, mode)?
    } else {
        write_new(path, bytes, mode)?
    }
    Ok(())
}

/// Opens an input file, or standard input. Says how long it is, if that is known.
pub fn open_input(path: &Path) -> Result<(Box<dyn Read>, Option<u64>)> {
    if is_standard(path) {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let fail = |error: io::Error| {
        let code = if error.kind() == io::ErrorKind::NotFound { Code::FileMissing } else { Code::Io };
        Failure::new(code, format!("{}: {error}", path.display()))
    };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(Failure::new(Code::BadFile, format!("{} is a directory", path.display())));
    }
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), length))
}

/// A stream that becomes a file when it is finished, and leaves nothing behind when it is not.
pub enum Output {
    /// A file under a temporary name beside its place.
    File {
        /// The file.
        draft: NamedTempFile,
        /// Its name when it is finished.
        path: PathBuf,
        /// May it replace another?
        force: bool,
    },
    /// Standard output. The first bytes are held back, so that a short input that turns out to be bad writes nothing.
    Standard {
        /// What is held back; none once it had to be written.
        held: Option<Vec<u8>>,
    },
}

impl Output {
    /// An output with the mode of a file that may be read by others, as far as the umask lets them, or only by its owner.
    pub fn create(path: &Path, force: bool, private: bool) -> Result<Self> {
        if is_standard(path) {
            return Ok(Self::Standard { held: Some(Vec::new()) });
        }
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let mode = if private { 0o600 } else { 0o666 };
        let mut builder = Builder::new();
        builder.prefix(".quorumkeep-").permissions(Permissions::from_mode(mode));
        let draft = builder.tempfile_in(directory_of(path));
        let draft = draft.map_err(|error| Failure::new(Code::Io, format!("{}: {error}", path.display())))?;
        Ok(Self::File { draft, path: path.to_owned(), force })
    }

    /// Makes it durable and gives it its name.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Standard { held } => {
                let mut out = io::stdout().lock();
                out.write_all(&held.unwrap_or_default())?;
                Ok(out.flush()?)
            }
            Self::File { draft, path, force } => {
                draft.as_file().sync_all()?;
                let kept = if force { draft.persist(&path) } else { draft.persist_noclobber(&path) };
                kept.map_err(|error| match error.error.kind() {
                    io::ErrorKind::AlreadyExists => exists(&path),
                    _ => Failure::new(Code::Io, format!("{}: {}", path.display(), error.error)),
                })?;
                Ok(sync_directory(directory_of(&path))?)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { draft, .. } => draft.as_file_mut().write(bytes),
            Self::Standard { held } => {
                if let Some(buffer) = held {
                    if buffer.len() + bytes.len() <= HELD_BYTES_MAX {
                        buffer.extend_from_slice(bytes);
                        return Ok(bytes.len());
                    }
                    let buffer = held.take().unwrap_or_default();
                    io::stdout().lock().write_all(&buffer)?;
                }
                io::stdout().lock().write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { draft, .. } => draft.as_file_mut().flush(),
            Self::Standard { held: Some(_) } => Ok(()),
            Self::Standard { held: None } => io::stdout().lock().flush(),
        }
    }
}

fn exists(path: &Path) -> Failure {
    let help = "Choose another path, or replace it with --force.";
    Failure::new(Code::FileExists, format!("{} exists and is not overwritten", path.display())).with_help(help)
}
