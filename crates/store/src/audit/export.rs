//! The log as files (c2sp.org/tlog-tiles), for people and programs elsewhere.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use quorumkeep_audit::tile::{CHECKPOINT, HEIGHT, Kind, Tile, WIDTH, bundle};
use quorumkeep_audit::{CHECKPOINT_BYTES_MAX, Checkpoint, Verifier};

use super::fault::{AuditFault, Verified};
use super::nodes::StoredNodes;
use super::read::{AuditReader, read, snapshot};
use crate::files::{FilesError, is_temporary_of, names, read_bounded, sync_directory, write_atomic};

/// The mode of an exported file: a log is made to be read.
const READABLE: u32 = 0o644;

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// How many entries the exported log has.
    pub size: u64,
    /// How many files were written.
    pub written: u64,
    /// How many were there already and are right.
    pub kept: u64,
}

/// Writes the log to a folder, after it was verified as a whole. Files that are there are read, kept if they are right and
/// replaced if they are not; the checkpoint comes last, so that what it names is there whenever it is. `progress` is told
/// how many entries were verified.
///
/// # Errors
/// [`AuditFault`]: whatever [`super::verify`] finds; [`AuditFault::Occupied`] if the folder has another log;
/// [`AuditFault::Forked`] if the folder's checkpoint is not of this log's past. Then nothing was written.
pub fn export(
    log: &AuditReader,
    verifier: &Verifier,
    folder: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Exported, AuditFault> {
    let _snapshot = snapshot(log.conn())?;
    let verified = log.verify(verifier, progress)?;
    if let Some(old) = checkpoint_of(folder, verifier)? {
        log.continues(&old, &verified)?;
    }
    let mut writer = Writer { log, folder, exported: Exported { size: verified.size, written: 0, kept: 0 } };
    writer.all(&verified)?;
    Ok(writer.exported)
}

/// The checkpoint that is there; none in a new folder, or after an export that was cut short before its first one.
fn checkpoint_of(folder: &Path, verifier: &Verifier) -> Result<Option<Checkpoint>, AuditFault> {
    let occupied = || AuditFault::Occupied { path: folder.to_owned() };
    match read_bounded(&folder.join(CHECKPOINT), CHECKPOINT_BYTES_MAX as u64) {
        Ok(bytes) => Checkpoint::open(&bytes, verifier).map(Some).map_err(|_| occupied()),
        Err(FilesError::TooLarge { .. }) => Err(occupied()),
        Err(error) if !error.is_missing() => Err(error.into()),
        Err(_) if !folder.exists() => Ok(None),
        Err(_) => match names(folder)?.iter().all(|name| name == "tile" || is_temporary_of(name, CHECKPOINT)) {
            true => Ok(None),
            false => Err(occupied()),
        },
    }
}

struct Writer<'a> {
    log: &'a AuditReader,
    folder: &'a Path,
    exported: Exported,
}

impl Writer<'_> {
    fn all(&mut self, verified: &Verified) -> Result<(), AuditFault> {
        for level in 0..Tile::levels(verified.size) {
            for tile in Tile::of_level(Kind::Hashes { level }, verified.size) {
                let bytes = hashes(self.log, level, &tile)?;
                self.put(&tile.path(), &bytes)?;
            }
        }
        for tile in Tile::of_level(Kind::Entries, verified.size) {
            let bytes = entries(self.log, &tile)?;
            self.put(&tile.path(), &bytes)?;
        }
        self.put(CHECKPOINT, &verified.note)
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), AuditFault> {
        let path = self.folder.join(name);
        match read_bounded(&path, bytes.len() as u64) {
            Ok(there) if there.as_slice() == bytes => {
                self.exported.kept += 1;
                return Ok(());
            }
            Ok(_) | Err(FilesError::TooLarge { .. }) => {}
            Err(error) if error.is_missing() => make_folder(&path)?,
            Err(error) => return Err(error.into()),
        }
        write_atomic(&path, bytes, READABLE)?;
        self.exported.written += 1;
        Ok(())
    }
}

fn hashes(log: &AuditReader, level: u8, tile: &Tile) -> Result<Vec<u8>, AuditFault> {
    let mut nodes = StoredNodes::new(log.conn())?;
    let first = tile.index * u64::from(WIDTH);
    if level == 0 {
        return Ok(nodes.leaves(first, tile.width.into())?.concat());
    }
    let mut bytes = Vec::new();
    for place in first..first + u64::from(tile.width) {
        bytes.extend(nodes.stored(level * HEIGHT, place)?.ok_or(AuditFault::Tree { first: place, last: place })?);
    }
    Ok(bytes)
}

fn entries(log: &AuditReader, tile: &Tile) -> Result<Vec<u8>, AuditFault> {
    let records = read(log.conn(), tile.index * u64::from(WIDTH), tile.width.into())?;
    Ok(bundle(records.iter().map(|record| record.bytes.as_slice())))
}

impl AuditReader {
    /// The file of this name in an exported log (`tile/0/000`, `tile/entries/x001/234.p/7`), made now; none if the log is
    /// not so long. It is read, not verified: that is for whoever takes it, against a signed checkpoint.
    ///
    /// # Errors
    /// [`AuditFault`].
    pub fn tile(&self, path: &str) -> Result<Option<Vec<u8>>, AuditFault> {
        let _snapshot = snapshot(self.conn())?;
        let size = self.head()?.size;
        let Some(tile) = Tile::parse(path).filter(|tile| tile.is_in(size)) else { return Ok(None) };
        match tile.kind {
            Kind::Hashes { level } => hashes(self, level, &tile).map(Some),
            Kind::Entries => entries(self, &tile).map(Some),
        }
    }
}

fn make_folder(of: &Path) -> Result<(), FilesError> {
    let Some(folder) = of.parent().filter(|folder| !folder.is_dir()) else { return Ok(()) };
    let failed = |source| FilesError::Io { action: "make the directory", path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed)?;
    folder.parent().map_or(Ok(()), sync_directory)
}
