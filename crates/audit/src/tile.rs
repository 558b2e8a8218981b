//! The files of an exported log (c2sp.org/tlog-tiles): `checkpoint`, hashes in `tile/<level>/<index>` and entries in
//! `tile/entries/<index>`, 256 in each; the last of each level may be partial, `.p/<width>`.

use std::fmt::Write;

use crate::entry::ENTRY_BYTES_MAX;
use crate::tree::Hash;

/// The name of the file with the signed checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// How many hashes or entries a full tile has.
pub const WIDTH: u16 = 256;

/// How many levels of the tree a tile spans.
pub const HEIGHT: u8 = 8;

/// The largest bundle of entries.
pub const BUNDLE_BYTES_MAX: usize = WIDTH as usize * (2 + ENTRY_BYTES_MAX);

/// What is in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Hashes: nodes of the tree's level `8 * level`.
    Hashes {
        /// The level of the tile.
        level: u8,
    },
    /// Entries.
    Entries,
}

/// One file of hashes or entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// What is in it.
    pub kind: Kind,
    /// Which of its level, counted from 0.
    pub index: u64,
    /// How many, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The tiles of a level in a tree of `size` entries, the last of them perhaps partial.
    pub fn of_level(kind: Kind, size: u64) -> impl Iterator<Item = Self> {
        let level = match kind {
            Kind::Hashes { level } => u32::from(level),
            Kind::Entries => 0,
        };
        let nodes = size.checked_shr(level * u32::from(HEIGHT)).unwrap_or(0);
        let (full, rest) = (nodes / u64::from(WIDTH), nodes % u64::from(WIDTH));
        let partial = (rest > 0).then_some((full, rest));
        let all = (0..full).map(|index| (index, u64::from(WIDTH))).chain(partial);
        all.map(move |(index, width)| Self { kind, index, width: u16::try_from(width).unwrap_or(WIDTH) })
    }

    /// How many levels of tiles a tree of `size` entries has.
    #[must_use]
    pub fn levels(size: u64) -> u8 {
        (0..HEIGHT).take_while(|level| size >> (u32::from(*level) * u32::from(HEIGHT)) > 0).count() as u8
    }

    /// The tile of this name; none for any other text.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes { level: level.parse().ok().filter(|level| *level < HEIGHT)? },
        };
        let (rest, width) = match rest.split_once(".p/") {
            Some((rest, width)) => (rest, width.parse().ok().filter(|width| *width > 0)?),
            None => (rest, WIDTH),
        };
        let index = rest.split('/').try_fold(0u64, |index, group| {
            let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok().filter(|group| *group < 1000)?;
            index.checked_mul(1000)?.checked_add(group)
        })?;
        let tile = Self { kind, index, width };
        (tile.path() == path).then_some(tile)
    }

    /// Is it in a tree of `size` entries?
    #[must_use]
    pub fn is_in(&self, size: u64) -> bool {
        let level = match self.kind {
            Kind::Hashes { level } => u32::from(level),
            Kind::Entries => 0,
        };
        let nodes = size.checked_shr(level * u32::from(HEIGHT)).unwrap_or(0);
        let end = self.index.checked_mul(u64::from(WIDTH)).and_then(|first| first.checked_add(u64::from(self.width)));
        end.is_some_and(|end| end <= nodes)
    }

    /// Its name in the folder.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = match self.kind {
            Kind::Hashes { level } => format!("tile/{level}"),
            Kind::Entries => "tile/entries".to_owned(),
        };
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            // Writing to a string cannot fail.
            let _ = write!(path, "/{}{group:03}", if place > 0 { "x" } else { "" });
        }
        if self.width < WIDTH {
            let _ = write!(path, ".p/{}", self.width);
        }
        path
    }
}

/// The hashes of a tile; none if the bytes are not exactly `width` hashes.
#[must_use]
pub fn parse_hashes(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == usize::from(width)).then(|| hashes.to_vec())
}

/// A bundle: each entry after its length, 2 bytes, big-endian.
#[must_use]
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        // An entry has at most 16 KiB.
        bytes.extend(u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(entry);
    }
    bytes
}

/// The entries of a bundle, as many as there are whole ones, at most 256; says whether nothing is left over.
#[must_use]
pub fn parse_bundle(mut bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut entries = Vec::new();
    while entries.len() < usize::from(WIDTH) {
        let Some((length, rest)) = bytes.split_first_chunk() else { break };
        let Some((entry, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))) else { break };
        entries.push(entry);
        bytes = rest;
    }
    (entries, bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let path = |kind, index, width| Tile { kind, index, width }.path();
        assert_eq!(path(Kind::Hashes { level: 0 }, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(Kind::Hashes { level: 1 }, 0, 17), "tile/1/000.p/17");
        assert_eq!(path(Kind::Entries, 273, 112), "tile/entries/273.p/112");
        assert_eq!(path(Kind::Entries, 1000, 256), "tile/entries/x001/000");
    }

    #[test]
    fn only_the_one_name_of_a_tile_is_read() {
        for good in ["tile/0/x001/x234/067", "tile/1/000.p/17", "tile/entries/273.p/112", "tile/7/999"] {
            assert_eq!(Tile::parse(good).map(|tile| tile.path()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "tile",
            "tile/0",
            "tile/0/0",
            "tile/8/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/00/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/../000",
            "tile/entries/000/",
            "tile/0/+01",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
        let is_in = |path, size| Tile::parse(path).is_some_and(|tile| tile.is_in(size));
        assert!(is_in("tile/0/000.p/17", 17) && !is_in("tile/0/000.p/18", 17) && is_in("tile/1/000.p/1", 256));
        assert!(!is_in("tile/1/000.p/1", 255) && !is_in("tile/0/000", 255) && is_in("tile/entries/000", 300));
    }

    #[test]
    fn a_tree_of_70000_entries_has_the_tiles_of_the_specification() {
        let widths = |kind| -> Vec<u16> { Tile::of_level(kind, 70_000).map(|tile| tile.width).collect() };
        let level = |level| widths(Kind::Hashes { level });
        assert_eq!((level(0).len(), level(0)[272], level(0)[273]), (274, 256, 112));
        assert_eq!((level(1), level(2), level(3)), (vec![256, 17], vec![1], vec![]));
        assert_eq!((Tile::levels(70_000), Tile::levels(0), Tile::levels(1), Tile::levels(256)), (3, 0, 1, 2));
        assert_eq!(Tile::of_level(Kind::Hashes { level: 1 }, 256).collect::<Vec<_>>().len(), 1);
    }

    #[test]
    fn bundles_come_back_and_cut_ones_are_noticed() {
        let entries: [&[u8]; 3] = [b"one", b"", b"three"];
        let bytes = bundle(entries);
        assert_eq!(parse_bundle(&bytes), (entries.to_vec(), true));
        assert_eq!(parse_bundle(&bytes[..bytes.len() - 1]), (entries[..2].to_vec(), false));
        assert_eq!(parse_bundle(&[]), (vec![], true));
        assert!(!parse_bundle(&vec![0; 2 * 256 + 2]).1);
        assert_eq!(parse_hashes(&[1; 64], 2), Some(vec![[1; 32]; 2]));
        assert_eq!((parse_hashes(&[1; 64], 1), parse_hashes(&[1; 63], 2)), (None, None));
    }
}
