//! A log as files (c2sp.org/tlog-tiles), exported by us or by another program.

use std::path::{Path, PathBuf};

use quorumkeep_audit::tile::{BUNDLE_BYTES_MAX, CHECKPOINT, HEIGHT, Kind, Tile, WIDTH, parse_bundle, parse_hashes};
use quorumkeep_audit::tree::{self, Hash, Nodes, complete_root, leaf_hash};
use quorumkeep_audit::{CHECKPOINT_BYTES_MAX, Checkpoint, Entry, InclusionProof, Verifier};

use super::fault::{AuditFault, Verified};
use super::read::{Head, Record, checked_proof, continues, longer};
use crate::files::{FilesError, read_bounded};

/// Entries of a bundle, at most 256.
const BUNDLE: u64 = WIDTH as u64;

/// An exported log. Nothing of it is believed but the checkpoint, which was verified.
pub struct AuditFolder {
    path: PathBuf,
    head: Head,
}

impl AuditFolder {
    /// Reads the checkpoint and verifies its signature.
    ///
    /// # Errors
    /// [`AuditFault::NoCheckpoint`], [`AuditFault::Checkpoint`], [`AuditFault::Files`].
    pub fn open(path: &Path, verifier: &Verifier) -> Result<Self, AuditFault> {
        let note = match read_bounded(&path.join(CHECKPOINT), CHECKPOINT_BYTES_MAX as u64) {
            Err(error) if error.is_missing() => return Err(AuditFault::NoCheckpoint),
            read => read?.to_vec(),
        };
        let Checkpoint { size, root, .. } = Checkpoint::open(&note, verifier)?;
        Ok(Self { path: path.to_owned(), head: Head { size, root, note } })
    }

    /// The end of the log.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// At most `count` entries, from `from` on.
    ///
    /// # Errors
    /// [`AuditFault::Missing`], [`AuditFault::Malformed`] name an entry.
    pub fn read(&self, from: u64, count: u64) -> Result<Vec<Record>, AuditFault> {
        let end = from.saturating_add(count).min(self.head.size);
        let mut records = Vec::new();
        for tile in Tile::of_level(Kind::Entries, self.head.size).skip((from / BUNDLE) as usize) {
            let first = tile.index * BUNDLE;
            if first >= end {
                break;
            }
            for (seq, bytes) in (first..).zip(self.entries(&tile)?) {
                if (from..end).contains(&seq) {
                    records.push(Record::new(seq, bytes)?);
                }
            }
        }
        Ok(records)
    }

    /// Proves that the entry `seq` is in the log.
    ///
    /// # Errors
    /// [`AuditFault::NoEntry`]; [`AuditFault`] if the files do not prove it.
    pub fn prove(&self, seq: u64) -> Result<InclusionProof, AuditFault> {
        if seq >= self.head.size {
            return Err(AuditFault::NoEntry { seq, size: self.head.size });
        }
        let record = self.read(seq, 1)?.pop().ok_or(AuditFault::Missing { seq, size: self.head.size })?;
        let path = tree::inclusion(&mut self.nodes(), self.head.size, seq)?;
        checked_proof(self.head.clone(), record, path)
    }

    /// Proves that the log continues an earlier checkpoint of it.
    ///
    /// # Errors
    /// [`AuditFault::Forked`]; [`AuditFault::Tile`] for a file that is not there.
    pub fn continues(&self, old: &Checkpoint) -> Result<(), AuditFault> {
        longer(&self.head, old.size)?;
        let path = tree::consistency(&mut self.nodes(), self.head.size, old.size)?;
        continues(&self.head, old, &path)
    }

    /// Computes the whole log again. The files with hashes are checked from the root down, so that what an entry is
    /// compared with is known to be what was signed.
    ///
    /// # Errors
    /// [`AuditFault`] names the first bad entry, or the file with hashes that keeps it from being named.
    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Verified, AuditFault> {
        self.check_edge()?;
        (1..Tile::levels(self.head.size)).rev().try_for_each(|level| self.check_below(level))?;
        let mut last_ms = 0;
        for tile in Tile::of_level(Kind::Entries, self.head.size) {
            last_ms = self.check_bundle(&tile, last_ms)?;
            progress(tile.index * BUNDLE + u64::from(tile.width));
        }
        let Head { size, root, note } = self.head.clone();
        Ok(Verified { size, root, note, last_ms })
    }

    /// Do the last tiles of all levels make the root?
    fn check_edge(&self) -> Result<(), AuditFault> {
        if tree::root(&mut self.nodes(), self.head.size)? == self.head.root {
            return Ok(());
        }
        let path = "one of the last tiles".to_owned();
        Err(AuditFault::Tile { path, first: 0, last: self.head.size.saturating_sub(1) })
    }

    /// Is every full tile below this level what its hash in this level says?
    fn check_below(&self, level: u8) -> Result<(), AuditFault> {
        for above in Tile::of_level(Kind::Hashes { level }, self.head.size) {
            let hashes = self.hashes(&above)?;
            for (index, hash) in (above.index * BUNDLE..).zip(hashes) {
                let below = Tile { kind: Kind::Hashes { level: level - 1 }, index, width: WIDTH };
                if complete_root(&self.hashes(&below)?) != hash {
                    return Err(self.bad(&below));
                }
            }
        }
        Ok(())
    }

    fn check_bundle(&self, tile: &Tile, mut last_ms: u64) -> Result<u64, AuditFault> {
        let hashes = self.hashes(&Tile { kind: Kind::Hashes { level: 0 }, ..*tile })?;
        let bytes = self.bundle(tile)?;
        let (entries, whole) = parse_bundle(&bytes);
        for (place, hash) in hashes.iter().enumerate() {
            let seq = tile.index * BUNDLE + place as u64;
            let Some(entry) = entries.get(place) else {
                return Err(AuditFault::Missing { seq, size: self.head.size });
            };
            if leaf_hash(entry) != *hash {
                return Err(AuditFault::Altered { first: seq, last: seq });
            }
            let entry = Entry::from_bytes(entry).map_err(|_| AuditFault::Malformed { seq })?;
            if entry.time_ms < last_ms {
                return Err(AuditFault::OutOfOrder { seq });
            }
            last_ms = entry.time_ms;
        }
        if entries.len() > hashes.len() || !whole {
            let seq = tile.index * BUNDLE + u64::from(tile.width);
            return Err(AuditFault::Longer { seq, size: self.head.size });
        }
        Ok(last_ms)
    }

    fn entries(&self, tile: &Tile) -> Result<Vec<Vec<u8>>, AuditFault> {
        let bytes = self.bundle(tile)?;
        Ok(parse_bundle(&bytes).0.into_iter().map(<[u8]>::to_vec).collect())
    }

    fn bundle(&self, tile: &Tile) -> Result<Vec<u8>, AuditFault> {
        let missing = || AuditFault::Missing { seq: tile.index * BUNDLE, size: self.head.size };
        self.file(tile, BUNDLE_BYTES_MAX)?.ok_or_else(missing)
    }

    fn hashes(&self, tile: &Tile) -> Result<Vec<Hash>, AuditFault> {
        let bytes = self.file(tile, 32 * usize::from(WIDTH))?;
        bytes.and_then(|bytes| parse_hashes(&bytes, tile.width)).ok_or_else(|| self.bad(tile))
    }

    /// The bytes of a tile; none if there is no such file or a larger one.
    fn file(&self, tile: &Tile, max: usize) -> Result<Option<Vec<u8>>, AuditFault> {
        match read_bounded(&self.path.join(tile.path()), max as u64) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(FilesError::TooLarge { .. }) => Ok(None),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn bad(&self, tile: &Tile) -> AuditFault {
        let level = match tile.kind {
            Kind::Hashes { level } => level,
            Kind::Entries => 0,
        };
        let span = u32::from(level) * u32::from(HEIGHT);
        let first = (tile.index * BUNDLE) << span;
        let end = first.saturating_add(u64::from(tile.width) << span).min(self.head.size);
        AuditFault::Tile { path: tile.path(), first, last: end.saturating_sub(1) }
    }

    fn nodes(&self) -> FolderNodes<'_> {
        FolderNodes { folder: self, kept: None }
    }
}

/// Nodes of the tree from the files with hashes; the last file is kept, because the next node is often in it.
struct FolderNodes<'a> {
    folder: &'a AuditFolder,
    kept: Option<(Tile, Vec<Hash>)>,
}

impl Nodes for FolderNodes<'_> {
    type Error = AuditFault;

    fn node(&mut self, level: u8, place: u64) -> Result<Hash, AuditFault> {
        let (row, height) = (level / HEIGHT, level % HEIGHT);
        let first = place << height;
        let kind = Kind::Hashes { level: row };
        let in_row = self.folder.head.size >> (u32::from(row) * u32::from(HEIGHT));
        let index = first / BUNDLE;
        let width = u16::try_from((in_row - index * BUNDLE).min(BUNDLE)).unwrap_or(WIDTH);
        let tile = Tile { kind, index, width };
        let hashes = match self.kept.take() {
            Some((kept, hashes)) if kept == tile => hashes,
            _ => self.folder.hashes(&tile)?,
        };
        let start = (first % BUNDLE) as usize;
        let root = hashes.get(start..start + (1 << height)).map(complete_root);
        self.kept = Some((tile, hashes));
        root.ok_or_else(|| self.folder.bad(&tile))
    }
}
