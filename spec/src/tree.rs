//! Sizes, indices and the frontier of a growing tree (docs/10-hash-and-tree.md).
//!
//! Arithmetic and a compact range: enough to follow a log entry by entry with 64 hashes of memory. Not here: stored
//! hashes (`tiles`, `edge`) and proofs (`proof`).

use crate::hash::{Hash, empty_root, node_hash};
use alloc::vec::Vec;
use core::fmt::{self, Display};
use serde::{Deserialize, Serialize};

/// Count of entries in a tree; its last entry has index `size - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(u64);

impl TreeSize {
    /// The tree without entries.
    pub const ZERO: TreeSize = TreeSize(0);

    /// Takes a count of entries.
    pub const fn new(entries: u64) -> TreeSize {
        TreeSize(entries)
    }

    /// The count.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The index of the last entry; `None` in the empty tree.
    pub const fn last(self) -> Option<LeafIndex> {
        match self.0.checked_sub(1) {
            Some(index) => Some(LeafIndex(index)),
            None => None,
        }
    }
}

impl Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// Zero-based position of an entry, which is in a tree when `index < size`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafIndex(u64);

impl LeafIndex {
    /// Takes a zero-based position.
    pub const fn new(index: u64) -> LeafIndex {
        LeafIndex(index)
    }

    /// The position.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// True when a tree of `size` entries holds this one.
    pub const fn is_in(self, size: TreeSize) -> bool {
        self.0 < size.0
    }
}

impl Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// Largest power of two below `entries`, which is 2 or more: where RFC 9162, section 2.1.1, splits a tree [H-8].
pub(crate) const fn split(entries: u64) -> u64 {
    debug_assert!(entries > 1);
    1 << (entries - 1).ilog2()
}

/// The complete subtrees of a tree, from the largest at the left to the smallest at the right [H-9].
///
/// One hash per bit set in the size, so pushing costs two node hashes at most on average and the root at most 63.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub const fn new() -> Frontier {
        Frontier { size: 0, roots: Vec::new() }
    }

    /// Takes the hashes that [`Frontier::roots`] gave at this size; `None` when their number is not that of the bits set.
    pub fn from_parts(size: TreeSize, roots: Vec<Hash>) -> Option<Frontier> {
        (size.0.count_ones() as usize == roots.len()).then_some(Frontier { size: size.0, roots })
    }

    /// Appends the hash of the next leaf. Sizes end at 2^64 − 1, which no caller reaches by pushing.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The root of the tree so far [H-8]. Cannot fail.
    pub fn root(&self) -> Hash {
        let from_the_right = self.roots.iter().rev().copied();
        from_the_right.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// Entries so far.
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// The roots of the complete subtrees, left to right.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }
}

impl Extend<Hash> for Frontier {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// The root from the definition, for tests of the modules below.
#[cfg(test)]
pub(crate) fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&root_by_definition(&leaves[..k]), &root_by_definition(&leaves[k..]))
        }
    }
}

/// `count` distinct leaf hashes, for tests of the modules below.
#[cfg(test)]
pub(crate) fn test_leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| crate::hash::leaf_hash(&index.to_be_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frontier_follows_the_definition() {
        // [H-8] [H-9]
        let leaves = test_leaves(600);
        let mut frontier = Frontier::new();
        for size in 0..=leaves.len() {
            assert_eq!(frontier.root(), root_by_definition(&leaves[..size]), "size {size}");
            assert_eq!(frontier.size().get(), size as u64);
            assert_eq!(frontier.roots().len() as u32, size.count_ones());
            let again = Frontier::from_parts(frontier.size(), frontier.roots().to_vec());
            assert_eq!(again.as_ref(), Some(&frontier));
            if let Some(leaf) = leaves.get(size) {
                frontier.push(*leaf);
            }
        }
        assert_eq!(Frontier::from_parts(TreeSize::new(4), leaves[..2].to_vec()), None);
    }

    #[test]
    fn roots_of_the_reference_tree() {
        // The eight-entry tree used across Certificate Transparency. [H-8]
        let inputs: [&[u8]; 8] = [
            b"",
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let mut frontier = Frontier::new();
        frontier.extend(inputs.iter().map(|entry| crate::hash::leaf_hash(entry)));
        assert_eq!(frontier.root().hex(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn splits_and_bounds() {
        // [H-8]
        for (entries, at) in [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (u64::MAX, 1 << 63)] {
            assert_eq!(split(entries), at, "{entries}");
        }
        assert_eq!(TreeSize::ZERO.last(), None);
        assert_eq!(TreeSize::new(3).last(), Some(LeafIndex::new(2)));
        assert!(LeafIndex::new(2).is_in(TreeSize::new(3)) && !LeafIndex::new(3).is_in(TreeSize::new(3)));
    }
}
