//! Files that are written whole or not at all, readable by their owner only.
//!
//! The order is always: a temporary name in the same directory, the bytes, `fsync` of the file, the final name, `fsync` of
//! the directory. After a crash the final name holds the old bytes or the new ones, never a part. An error of `fsync` is
//! never tried again: the kernel may have dropped the pages, and a second call would succeed without them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

/// The mode of a file that only its owner may read and write.
pub const PRIVATE: u32 = 0o600;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file is there and must not be replaced.
    #[error("{} exists and is not overwritten: remove it first if it is not needed, or choose another name", .0.display())]
    Exists(PathBuf),
    /// The file is larger than anything that belongs there.
    #[error("{} is larger than {max} bytes: this is another file than the one that belongs there", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The largest size.
        max: u64,
    },
    /// Others may write to the directory.
    #[error("others than its owner may write to the directory {}: give it the mode 0700, or choose another one", .0.display())]
    OpenDirectory(PathBuf),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl FilesError {
    /// Was there no room?
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if no_room(source.kind()))
    }

    /// Was there no such file?
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}

fn no_room(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        kind if no_room(kind) => "; free some space and try again",
        ErrorKind::PermissionDenied => "; the file must belong to the user that runs the program",
        ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        _ => "",
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FilesError {
    let path = path.to_path_buf();
    move |source| FilesError::Io { action, path, source }
}

/// Writes `bytes` to `path`, replacing what is there, in one step that a crash cannot split.
///
/// # Errors
/// [`FilesError::Io`]; the old file is untouched.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FilesError> {
    let temporary = Temporary::write(path, bytes, mode)?;
    fs::rename(&temporary.path, path).map_err(failed("write", path))?;
    temporary.keep();
    sync_directory(directory_of(path))
}

/// Writes `bytes` to the new file `path`, in one step that a crash cannot split.
///
/// # Errors
/// [`FilesError::Exists`] if there is a file, a link or anything else of that name; [`FilesError::Io`].
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FilesError> {
    let temporary = Temporary::write(path, bytes, mode)?;
    link_new(&temporary.path, path)?;
    drop(temporary);
    sync_directory(directory_of(path))
}

/// Gives the finished file `from` the new name `to` as well; never replaces.
pub(crate) fn link_new(from: &Path, to: &Path) -> Result<(), FilesError> {
    fs::hard_link(from, to).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => FilesError::Exists(to.to_path_buf()),
        _ => failed("write", to)(source),
    })
}

/// Reads a file of at most `max` bytes; the buffer is wiped when it is dropped.
///
/// # Errors
/// [`FilesError::TooLarge`], [`FilesError::Io`].
pub fn read_bounded(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FilesError> {
    let file = File::open(path).map_err(failed("read", path))?;
    // One allocation: a buffer that grows leaves copies behind that nobody wipes.
    let room = usize::try_from(max).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > max {
        return Err(FilesError::TooLarge { path: path.to_path_buf(), max });
    }
    Ok(bytes)
}

/// Makes the directory with mode 0700 (and its parents) if it is missing.
///
/// # Errors
/// [`FilesError::OpenDirectory`] if it exists and others may write to it; [`FilesError::Io`].
pub fn private_directory(path: &Path) -> Result<(), FilesError> {
    if !path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the directory", path))?;
        sync_directory(directory_of(path))?;
    }
    let mode = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(FilesError::OpenDirectory(path.to_path_buf()));
    }
    Ok(())
}

/// Overwrites a file with zeros and removes it, durably. A missing file is no error.
///
/// # Security
/// A disk may keep the old blocks all the same (flash, snapshots, journals). This is the last of several measures.
///
/// # Errors
/// [`FilesError::Io`].
pub fn destroy(path: &Path) -> Result<(), FilesError> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("open", path)(error)),
    };
    overwrite(&mut file).map_err(failed("overwrite", path))?;
    fs::remove_file(path).map_err(failed("remove", path))?;
    sync_directory(directory_of(path))
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.rewind()?;
    io::copy(&mut io::repeat(0).take(length), file)?;
    file.sync_all()
}

/// The names in a directory.
///
/// # Errors
/// [`FilesError::Io`].
pub fn names(directory: &Path) -> Result<Vec<String>, FilesError> {
    let entries = fs::read_dir(directory).map_err(failed("read", directory))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", directory))?;
        // Names that are not Unicode are nobody's of ours.
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// The directory of a file: `.` for a bare name.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`FilesError::Io`].
pub fn sync_directory(directory: &Path) -> Result<(), FilesError> {
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed("sync", directory))
}

/// Does this name look like a leftover of a write of `name` that a crash cut short?
pub(crate) fn is_temporary_of(name: &str, of: &str) -> bool {
    name.strip_prefix('.').and_then(|rest| rest.strip_prefix(of)).is_some_and(|rest| rest.starts_with(".tmp-"))
}

/// A temporary name beside `path` that nothing else uses.
pub(crate) fn temporary_name(path: &Path) -> Result<PathBuf, FilesError> {
    let mut random = [0u8; 8];
    let no_random = |_| failed("find a name for", path)(ErrorKind::Other.into());
    OsRng.try_fill_bytes(&mut random).map_err(no_random)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.tmp-{}", hex::encode(random))))
}

/// A finished and durable file under a temporary name; removed on drop unless it was renamed.
struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<Self, FilesError> {
        let temporary = Self { path: temporary_name(path)?, renamed: false };
        let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary.path);
        let mut file = open.map_err(failed("write", path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))?;
        Ok(temporary)
    }

    fn keep(mut self) {
        self.renamed = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // After a link this removes the second name; after a failure it is the best that can be done.
            let _ = fs::remove_file(&self.path);
        }
    }
}
