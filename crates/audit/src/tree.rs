//! The hash tree of RFC 6962 section 2.1: SHA-256, `0x00` before an entry, `0x01` before two hashes.
//!
//! A *node* is the root of a complete subtree: `(level, index)` covers the entries `index * 2^level` to
//! `(index + 1) * 2^level - 1`. A tree of any size is a sequence of such subtrees, from large to small; see [`Frontier`].

use sha2::{Digest, Sha256};

/// A SHA-256 hash, 32 bytes.
pub type Hash = [u8; 32];

/// The largest tree; SQLite counts to it, and no arithmetic here overflows below it.
pub const SIZE_MAX: u64 = 1 << 62;

/// The longest proof of a tree of at most [`SIZE_MAX`] entries.
pub const PROOF_HASHES_MAX: usize = 63;

/// A proof does not hold or cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// There is no such entry or no such smaller tree.
    #[error("the tree has {size} entries: there is no entry or smaller tree {asked}")]
    Range {
        /// The size of the tree.
        size: u64,
        /// What was asked for.
        asked: u64,
    },
    /// The proof does not lead to the root.
    #[error("the proof does not lead to the root")]
    Proof,
}

/// `SHA-256(0x00 || entry)`
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// `SHA-256(0x01 || left || right)`
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree: `SHA-256()`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root of a complete subtree over these hashes, whose number is a power of two.
#[must_use]
pub fn complete_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(&complete_root(left), &complete_root(right))
        }
    }
}

/// The right edge of a tree: all that is needed to append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees that make the tree, from large to small: one for each one in `size`.
    roots: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree of this size.
    ///
    /// # Errors
    /// [`TreeError`] if a tree of this size has another number of complete subtrees.
    pub fn from_parts(size: u64, roots: Vec<Hash>) -> Result<Self, TreeError> {
        if size > SIZE_MAX || roots.len() as u64 != u64::from(size.count_ones()) {
            return Err(TreeError::Range { size, asked: roots.len() as u64 });
        }
        Ok(Self { size, roots })
    }

    /// How many entries the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, from large to small.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Appends the hash of an entry. `node(level, index, hash)` is called for it and for every subtree that it completes.
    ///
    /// # Errors
    /// [`TreeError::Range`] beyond [`SIZE_MAX`], and what `node` returns.
    pub fn push<E: From<TreeError>>(
        &mut self,
        leaf: Hash,
        mut node: impl FnMut(u8, u64, &Hash) -> Result<(), E>,
    ) -> Result<(), E> {
        let index = self.size;
        if index >= SIZE_MAX {
            return Err(TreeError::Range { size: SIZE_MAX, asked: index }.into());
        }
        let mut hash = leaf;
        node(0, index, &hash)?;
        for level in 1..=index.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(&left, &hash);
            // At most 62 levels.
            node(u8::try_from(level).unwrap_or(u8::MAX), index >> level, &hash)?;
        }
        self.roots.push(hash);
        self.size = index + 1;
        Ok(())
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut from_right = self.roots.iter().rev();
        let Some(last) = from_right.next() else { return empty_root() };
        from_right.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Where the nodes of a tree are.
pub trait Nodes {
    /// Why a node cannot be had.
    type Error: From<TreeError>;

    /// The node `(level, index)`; its whole subtree is in the tree.
    ///
    /// # Errors
    /// If it cannot be had.
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the first `size` entries.
///
/// # Errors
/// Those of `nodes`.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range_root(nodes, 0, size) }
}

/// `PATH(index, D[size])` of RFC 6962 section 2.1.1: from the leaf's sibling to the root's child.
///
/// # Errors
/// [`TreeError::Range`], and those of `nodes`.
pub fn inclusion<N: Nodes>(nodes: &mut N, size: u64, index: u64) -> Result<Vec<Hash>, N::Error> {
    if index >= size || size > SIZE_MAX {
        return Err(TreeError::Range { size, asked: index }.into());
    }
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range_root(nodes, middle, high)?);
            high = middle;
        } else {
            path.push(range_root(nodes, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// `PROOF(old, D[size])` of RFC 6962 section 2.1.2; empty if nothing is to be proved (`old` is 0 or `size`).
///
/// # Errors
/// [`TreeError::Range`], and those of `nodes`.
pub fn consistency<N: Nodes>(nodes: &mut N, size: u64, old: u64) -> Result<Vec<Hash>, N::Error> {
    if old > size || size > SIZE_MAX {
        return Err(TreeError::Range { size, asked: old }.into());
    }
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range_root(nodes, middle, high)?);
            high = middle;
        } else {
            path.push(range_root(nodes, low, middle)?);
            low = middle;
        }
    }
    if low > 0 {
        path.push(range_root(nodes, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// Is `leaf` the entry `index` of the tree with this size and root?
///
/// # Errors
/// [`TreeError`] if the proof does not show it.
pub fn check_inclusion(path: &[Hash], size: u64, root: &Hash, index: u64, leaf: &Hash) -> Result<(), TreeError> {
    if index >= size || size > SIZE_MAX {
        return Err(TreeError::Range { size, asked: index });
    }
    // RFC 9162 section 2.1.3.2
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(TreeError::Proof);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(TreeError::Proof) }
}

/// Is the tree of `old` entries with `old_root` the beginning of the tree of `size` entries with `root`?
///
/// # Errors
/// [`TreeError`] if the proof does not show it.
pub fn check_consistency(path: &[Hash], size: u64, root: &Hash, old: u64, old_root: &Hash) -> Result<(), TreeError> {
    if old > size || size > SIZE_MAX {
        return Err(TreeError::Range { size, asked: old });
    }
    if old == 0 || old == size {
        let same = if old == 0 { *old_root == empty_root() } else { old_root == root };
        return if same && path.is_empty() { Ok(()) } else { Err(TreeError::Proof) };
    }
    // RFC 9162 section 2.1.4.2
    let mut path = path.iter();
    let first = if old.is_power_of_two() { *old_root } else { *path.next().ok_or(TreeError::Proof)? };
    let (mut node, mut last) = (old - 1, size - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut of_old, mut of_new) = (first, first);
    for sibling in path {
        if last == 0 {
            return Err(TreeError::Proof);
        }
        if node & 1 == 1 || node == last {
            of_old = node_hash(sibling, &of_old);
            of_new = node_hash(sibling, &of_new);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            of_new = node_hash(&of_new, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 && of_old == *old_root && of_new == *root { Ok(()) } else { Err(TreeError::Proof) }
}

/// The largest power of two smaller than `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root over the entries `low..high`, where `low` is a multiple of the largest power of two in the range.
fn range_root<N: Nodes>(nodes: &mut N, low: u64, high: u64) -> Result<Hash, N::Error> {
    let (mut start, mut complete) = (low, Vec::new());
    while start < high {
        let level = (high - start).ilog2();
        complete.push(nodes.node(u8::try_from(level).unwrap_or(u8::MAX), start >> level)?);
        start += 1 << level;
    }
    let last = complete.pop().unwrap_or_else(empty_root);
    Ok(complete.iter().rev().fold(last, |right, left| node_hash(left, &right)))
}

#[cfg(test)]
mod tests;
