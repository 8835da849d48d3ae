//! Inclusion and consistency proofs: built from tiles, verified without them (docs/10-hash-and-tree.md).
//!
//! RFC 9162, sections 2.1.3 and 2.1.4, over 64-bit sizes. Building trusts the tiles it reads; verifying trusts nothing.
//! Not here: who vouches for a root (`checkpoint`, `policy`).

use crate::hash::{Hash, empty_root, node_hash};
use crate::limits::TILE_WIDTH;
use crate::tiles::{TileId, tile_root};
use crate::tree::{LeafIndex, TreeSize, split};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

/// Where tiles come from.
pub trait Tiles {
    /// Why a tile could not be had.
    type Error;

    /// The bytes of one tile: `width` hashes of 32 bytes, as `id` says, also when a fuller tile is there.
    fn tile(&self, id: TileId) -> Result<Vec<u8>, Self::Error>;
}

/// Why a proof or a root could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError<E> {
    /// The tree does not hold the entry.
    #[error("index {index} is outside a tree of size {size}")]
    OutsideTree {
        /// The entry asked for.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// The later tree is the smaller one.
    #[error("a tree of size {from} cannot have grown to size {to}")]
    Shrinking {
        /// The earlier size.
        from: TreeSize,
        /// The later size.
        to: TreeSize,
    },
    /// A tile could not be had.
    #[error("{tile}: {source}")]
    Read {
        /// The tile asked for.
        tile: TileId,
        /// What the store said.
        source: E,
    },
    /// A tile of another length than its width says.
    #[error("{tile} has {want} bytes, the store gave {got}")]
    Length {
        /// The tile asked for.
        tile: TileId,
        /// Bytes of a tile of this width.
        want: usize,
        /// Bytes given.
        got: usize,
    },
}

/// Reads nodes of a tree of one size, each tile once.
struct Nodes<'t, T: Tiles> {
    tiles: &'t T,
    size: TreeSize,
    read: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<'t, T: Tiles> Nodes<'t, T> {
    fn of(tiles: &'t T, size: TreeSize) -> Nodes<'t, T> {
        Nodes { tiles, size, read: BTreeMap::new() }
    }

    /// Root over the entries of `range`, which begins at a multiple of a power of two not below its length [H-8].
    fn root(&mut self, range: Range<u64>) -> Result<Hash, BuildError<T::Error>> {
        let mut complete = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let height = (range.end - start).ilog2();
            complete.push(self.complete(start, height)?);
            start += 1 << height;
        }
        let from_the_right = complete.into_iter().rev();
        Ok(from_the_right.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root))
    }

    /// Root over the 2^`height` entries from `start`: some neighbours in one tile [T-5].
    fn complete(&mut self, start: u64, height: u32) -> Result<Hash, BuildError<T::Error>> {
        let level = height / 8;
        let first = start >> (8 * level);
        let offset = (first % u64::from(TILE_WIDTH)) as usize;
        let count = 1 << (height % 8);
        let hashes = self.tile(level as u8, first / u64::from(TILE_WIDTH))?;
        // The tile reaches to the end of the tree, and so past every node of the tree that begins in it.
        Ok(tile_root(hashes.get(offset..offset + count).unwrap_or(&[])))
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], BuildError<T::Error>> {
        use alloc::collections::btree_map::Entry;
        match self.read.entry((level, index)) {
            Entry::Occupied(read) => Ok(read.into_mut()),
            Entry::Vacant(place) => {
                // Only nodes of the tree are asked for, and their tiles are in the tree.
                let Some(tile) = TileId::at(level, index, self.size) else { return Ok(&[]) };
                let bytes = self.tiles.tile(tile).map_err(|source| BuildError::Read { tile, source })?;
                match Hash::slice_of(&bytes) {
                    Some(hashes) if hashes.len() == usize::from(tile.width()) => Ok(place.insert(hashes)),
                    Some(_) | None => Err(BuildError::Length { tile, want: tile.bytes(), got: bytes.len() }),
                }
            }
        }
    }
}

/// Root of the first `size` entries, from at most 8 tiles [H-8].
pub fn root_from_tiles<T: Tiles>(tiles: &T, size: TreeSize) -> Result<Hash, BuildError<T::Error>> {
    Nodes::of(tiles, size).root(0..size.get())
}

/// The inclusion proof of entry `index` in the tree of `size` entries, sibling of the leaf first [H-10].
pub fn inclusion<T: Tiles>(tiles: &T, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, BuildError<T::Error>> {
    if !index.is_in(size) {
        return Err(BuildError::OutsideTree { index, size });
    }
    let mut nodes = Nodes::of(tiles, size);
    let mut tree = 0..size.get();
    let mut path = Vec::new();
    while tree.end - tree.start > 1 {
        let middle = tree.start + split(tree.end - tree.start);
        let (inside, beside) = match index.get() < middle {
            true => (tree.start..middle, middle..tree.end),
            false => (middle..tree.end, tree.start..middle),
        };
        path.push(beside);
        tree = inside;
    }
    path.into_iter().rev().map(|range| nodes.root(range)).collect()
}

/// The consistency proof between the trees of `from` and `to` entries; empty from 0 and between equal sizes [H-12].
pub fn consistency<T: Tiles>(tiles: &T, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, BuildError<T::Error>> {
    if from > to {
        return Err(BuildError::Shrinking { from, to });
    }
    if from == TreeSize::ZERO || from == to {
        return Ok(Vec::new());
    }
    let mut nodes = Nodes::of(tiles, to);
    let mut tree = 0..to.get();
    let mut path = Vec::new();
    // SUBPROOF of RFC 9162, section 2.1.4.1: down to the subtree that ends where the earlier tree ends.
    while tree.end != from.get() {
        let middle = tree.start + split(tree.end - tree.start);
        let (inside, beside) = match from.get() <= middle {
            true => (tree.start..middle, middle..tree.end),
            false => (middle..tree.end, tree.start..middle),
        };
        path.push(beside);
        tree = inside;
    }
    if tree.start > 0 {
        path.push(tree); // otherwise it is the whole earlier tree, whose root the verifier has
    }
    path.into_iter().rev().map(|range| nodes.root(range)).collect()
}

/// Why an inclusion proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    /// The tree does not hold the entry.
    #[error("index {index} is outside a tree of size {size}")]
    OutsideTree {
        /// The entry.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// More or fewer hashes than the way from the leaf to the root has.
    #[error("the way from index {index} to the root of size {size} has {want} hashes, the proof {got}")]
    ProofLength {
        /// The entry.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
        /// Hashes on the way.
        want: usize,
        /// Hashes given.
        got: usize,
    },
    /// The proof leads elsewhere.
    #[error("the proof leads to root {got}, the checkpoint says {want}")]
    RootMismatch {
        /// The root computed.
        got: Hash,
        /// The root to be reached.
        want: Hash,
    },
}

/// Verifies that `leaf` is the hash of entry `index` in the tree of `size` entries with this root [H-11].
///
/// RFC 9162, section 2.1.3.2, and the length is checked first. Says nothing about who vouches for the root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InclusionError> {
    let Some(last) = size.last().filter(|_| index.is_in(size)) else {
        return Err(InclusionError::OutsideTree { index, size });
    };
    let want = inclusion_hashes(index.get(), last.get());
    if proof.len() != want {
        return Err(InclusionError::ProofLength { index, size, want, got: proof.len() });
    }
    let (mut node, mut last) = (index.get(), last.get());
    let mut got = *leaf;
    for hash in proof {
        if node & 1 == 1 || node == last {
            got = node_hash(hash, &got);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            got = node_hash(&got, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if got == *root { Ok(()) } else { Err(InclusionError::RootMismatch { got, want: *root }) }
}

/// Siblings on the way from `index` to the root of the tree whose last entry is `last`: one at every height where the
/// ways of both differ, and above that one for every complete subtree to the left.
fn inclusion_hashes(index: u64, last: u64) -> usize {
    let together = u64::BITS - (index ^ last).leading_zeros();
    let to_the_left = last.checked_shr(together).unwrap_or(0).count_ones();
    (together + to_the_left) as usize
}

/// Why a consistency proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    /// The later tree is the smaller one.
    #[error("a tree of size {from} cannot have grown to size {to}")]
    Shrinking {
        /// The earlier size.
        from: TreeSize,
        /// The later size.
        to: TreeSize,
    },
    /// A tree without entries with a root that is not that of the empty tree.
    #[error("the root of a tree of size 0 is {want}, the one given {got}")]
    EmptyRoot {
        /// SHA-256 of nothing.
        want: Hash,
        /// The root given.
        got: Hash,
    },
    /// Hashes where none are needed: from size 0, and between equal sizes.
    #[error("from size {from} to size {to} needs no proof, {got} hashes were given")]
    NotNeeded {
        /// The earlier size.
        from: TreeSize,
        /// The later size.
        to: TreeSize,
        /// Hashes given.
        got: usize,
    },
    /// One size with two roots.
    #[error("size {size} has two roots: {from} and {to}")]
    TwoRoots {
        /// The size.
        size: TreeSize,
        /// The root known.
        from: Hash,
        /// The other root.
        to: Hash,
    },
    /// The proof ends before both roots are reached.
    #[error("the proof ends after {got} hashes, before both roots are reached")]
    TooShort {
        /// Hashes given.
        got: usize,
    },
    /// Hashes are left when the root is reached.
    #[error("the roots are reached after {want} hashes, the proof has {got}")]
    TooLong {
        /// Hashes used.
        want: usize,
        /// Hashes given.
        got: usize,
    },
    /// The proof does not contain the earlier tree.
    #[error("the proof leads to earlier root {got}, the one known is {want}")]
    FromMismatch {
        /// The root computed.
        got: Hash,
        /// The root known.
        want: Hash,
    },
    /// The proof does not lead to the later tree.
    #[error("the proof leads to later root {got}, the checkpoint says {want}")]
    ToMismatch {
        /// The root computed.
        got: Hash,
        /// The root to be reached.
        want: Hash,
    },
}

/// Verifies that the tree of `to` entries begins with the tree of `from` entries [H-13].
///
/// RFC 9162, section 2.1.4.2, with both roots computed and nothing left over. From size 0 the proof is empty, the
/// earlier root is that of the empty tree, and success says nothing about the later root.
pub fn verify_consistency(
    from: TreeSize,
    from_root: &Hash,
    to: TreeSize,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), ConsistencyError> {
    let got = proof.len();
    if from > to {
        return Err(ConsistencyError::Shrinking { from, to });
    }
    if from == TreeSize::ZERO && *from_root != empty_root() {
        return Err(ConsistencyError::EmptyRoot { want: empty_root(), got: *from_root });
    }
    if (from == TreeSize::ZERO || from == to) && got > 0 {
        return Err(ConsistencyError::NotNeeded { from, to, got });
    }
    if from == to && from_root != to_root {
        return Err(ConsistencyError::TwoRoots { size: from, from: *from_root, to: *to_root });
    }
    if from == TreeSize::ZERO || from == to {
        return Ok(());
    }
    let (mut node, mut last) = (from.get() - 1, to.get() - 1);
    let common = node.trailing_ones();
    (node, last) = (node >> common, last.checked_shr(common).unwrap_or(0));
    // The earlier tree is one complete subtree exactly when nothing is left of `node`: its root then opens the path.
    let (first, path) = match (node, proof.split_first()) {
        (0, _) => (from_root, proof),
        (_, Some((first, path))) => (first, path),
        (_, None) => return Err(ConsistencyError::TooShort { got }),
    };
    let (mut earlier, mut later) = (*first, *first);
    for (used, hash) in path.iter().enumerate() {
        if last == 0 {
            return Err(ConsistencyError::TooLong { want: got - path.len() + used, got });
        }
        if node & 1 == 1 || node == last {
            earlier = node_hash(hash, &earlier);
            later = node_hash(hash, &later);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            later = node_hash(&later, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ConsistencyError::TooShort { got });
    }
    if earlier != *from_root {
        return Err(ConsistencyError::FromMismatch { got: earlier, want: *from_root });
    }
    if later != *to_root {
        return Err(ConsistencyError::ToMismatch { got: later, want: *to_root });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::edge::Edge;
    use crate::tree::{root_by_definition, test_leaves};
    use alloc::string::{String, ToString};
    use core::cell::RefCell;

    /// Tiles in memory that count what is read.
    struct Memory {
        tiles: BTreeMap<TileId, Vec<u8>>,
        read: RefCell<Vec<TileId>>,
    }

    impl Tiles for Memory {
        type Error = String;
        fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
            self.read.borrow_mut().push(id);
            let whole =
                (id.width()..=256).find_map(|width| self.tiles.get(&TileId::new(id.level(), id.index(), width).ok()?));
            whole.map(|bytes| bytes[..id.bytes()].to_vec()).ok_or_else(|| "missing".to_string())
        }
    }

    fn memory(leaves: &[Hash]) -> Memory {
        let mut edge = Edge::empty();
        Memory { tiles: edge.append(leaves).into_iter().collect(), read: RefCell::default() }
    }

    /// PATH of RFC 9162, section 2.1.3.1, word for word.
    fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (mut proof, beside) = match m < k {
            true => (path(m, &leaves[..k]), &leaves[k..]),
            false => (path(m - k, &leaves[k..]), &leaves[..k]),
        };
        proof.push(root_by_definition(beside));
        proof
    }

    /// SUBPROOF of RFC 9162, section 2.1.4.1, word for word.
    fn subproof(m: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if known { Vec::new() } else { alloc::vec![root_by_definition(leaves)] };
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (mut proof, beside) = match m <= k {
            true => (subproof(m, &leaves[..k], known), &leaves[k..]),
            false => (subproof(m - k, &leaves[k..], false), &leaves[..k]),
        };
        proof.push(root_by_definition(beside));
        proof
    }

    fn size(size: usize) -> TreeSize {
        TreeSize::new(size as u64)
    }

    #[test]
    fn proofs_are_those_of_the_definition_and_verify() {
        // [H-10] [H-11] [H-12] [H-13]
        let leaves = test_leaves(70);
        let tiles = memory(&leaves);
        for to in 1..=leaves.len() {
            let root = root_by_definition(&leaves[..to]);
            assert_eq!(root_from_tiles(&tiles, size(to)), Ok(root));
            for index in 0..to {
                let proof = inclusion(&tiles, LeafIndex::new(index as u64), size(to)).unwrap();
                assert_eq!(proof, path(index, &leaves[..to]), "{index} in {to}");
                let verified = verify_inclusion(&leaves[index], LeafIndex::new(index as u64), size(to), &proof, &root);
                assert_eq!(verified, Ok(()));
            }
            for from in 0..=to {
                let proof = consistency(&tiles, size(from), size(to)).unwrap();
                let expected = if from == 0 { Vec::new() } else { subproof(from, &leaves[..to], true) };
                assert_eq!(proof, expected, "{from} to {to}");
                let from_root = root_by_definition(&leaves[..from]);
                assert_eq!(verify_consistency(size(from), &from_root, size(to), &root, &proof), Ok(()));
            }
        }
    }

    #[test]
    fn proofs_across_tile_levels() {
        // [H-10] [H-12] [T-5]
        let leaves = test_leaves(66_000);
        let tiles = memory(&leaves);
        let root = |of: u64| {
            let mut frontier = crate::tree::Frontier::new();
            frontier.extend(leaves[..of as usize].iter().copied());
            frontier.root()
        };
        for (index, of) in [(0, 66_000), (255, 256), (256, 257), (65_535, 65_536), (65_536, 65_537), (65_999, 66_000)] {
            tiles.read.borrow_mut().clear();
            let (index, size) = (LeafIndex::new(index), TreeSize::new(of));
            let proof = inclusion(&tiles, index, size).unwrap();
            let leaf = &leaves[index.get() as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root(of)), Ok(()), "{index} in {size}");
            assert!(tiles.read.borrow().iter().all(|tile| tile.is_within(size)), "only tiles of that tree are read");
            assert!(tiles.read.borrow().len() <= 5, "{index} in {size}: each tile once");
        }
        for (from, to) in [(1, 66_000), (256, 257), (255, 65_536), (65_535, 65_536), (65_536, 66_000), (4_097, 65_793)]
        {
            let proof = consistency(&tiles, TreeSize::new(from), TreeSize::new(to)).unwrap();
            let verified = verify_consistency(TreeSize::new(from), &root(from), TreeSize::new(to), &root(to), &proof);
            assert_eq!(verified, Ok(()), "{from} to {to}");
        }
    }

    #[test]
    fn a_changed_inclusion_proof_fails_for_its_reason() {
        // [H-11]
        let leaves = test_leaves(23);
        let tiles = memory(&leaves);
        let root = root_by_definition(&leaves);
        for index in 0..23_u64 {
            let index = LeafIndex::new(index);
            let leaf = leaves[index.get() as usize];
            let verify = |leaf: &Hash, index, of, proof: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size(of), proof, root)
            };
            let proof = inclusion(&tiles, index, size(23)).unwrap();
            for change in 0..proof.len() {
                let mut changed = proof.clone();
                changed[change] = leaf;
                assert!(matches!(verify(&leaf, index, 23, &changed, &root), Err(InclusionError::RootMismatch { .. })));
                let mut shorter = proof.clone();
                shorter.remove(change);
                let (want, got) = (proof.len(), proof.len() - 1);
                let length = InclusionError::ProofLength { index, size: size(23), want, got };
                assert_eq!(verify(&leaf, index, 23, &shorter, &root), Err(length));
            }
            let longer = [proof.as_slice(), &[leaf]].concat();
            assert!(matches!(verify(&leaf, index, 23, &longer, &root), Err(InclusionError::ProofLength { .. })));
            assert!(verify(&leaf, LeafIndex::new((index.get() + 1) % 23), 23, &proof, &root).is_err());
            assert!(verify(&root, index, 23, &proof, &root).is_err());
            assert!(verify(&leaf, index, 23, &proof, &leaf).is_err());
        }
        let outside = InclusionError::OutsideTree { index: LeafIndex::new(23), size: size(23) };
        assert_eq!(verify_inclusion(&leaves[0], LeafIndex::new(23), size(23), &[], &root), Err(outside));
        let empty = verify_inclusion(&leaves[0], LeafIndex::new(0), size(0), &[], &root);
        assert!(matches!(empty, Err(InclusionError::OutsideTree { .. })));
        assert_eq!(verify_inclusion(&leaves[0], LeafIndex::new(0), size(1), &[], &leaves[0]), Ok(()));
    }

    #[test]
    fn a_changed_consistency_proof_fails_for_its_reason() {
        // [H-13]
        let leaves = test_leaves(33);
        let tiles = memory(&leaves);
        for (from, to) in [(1, 2), (2, 3), (3, 4), (6, 8), (8, 9), (7, 33), (16, 33), (32, 33), (21, 30)] {
            let proof = consistency(&tiles, size(from), size(to)).unwrap();
            let (early, late) = (root_by_definition(&leaves[..from]), root_by_definition(&leaves[..to]));
            let verify = |proof: &[Hash]| verify_consistency(size(from), &early, size(to), &late, proof);
            let shorter = verify(&proof[..proof.len() - 1]);
            assert_eq!(shorter, Err(ConsistencyError::TooShort { got: proof.len() - 1 }), "{from} to {to}");
            assert_eq!(verify(&[]), Err(ConsistencyError::TooShort { got: 0 }), "{from} to {to}");
            let longer = [proof.as_slice(), &[early]].concat();
            let (want, got) = (proof.len(), proof.len() + 1);
            assert_eq!(verify(&longer), Err(ConsistencyError::TooLong { want, got }), "{from} to {to}");
            for change in 0..proof.len() {
                let mut changed = proof.clone();
                changed[change] = Hash::new([1; 32]);
                let refused = verify(&changed);
                assert!(
                    matches!(refused, Err(ConsistencyError::FromMismatch { .. } | ConsistencyError::ToMismatch { .. })),
                    "{from} to {to}: {refused:?}"
                );
            }
            let other = Hash::new([1; 32]);
            let early_wrong = verify_consistency(size(from), &other, size(to), &late, &proof);
            assert!(early_wrong.is_err(), "{from} to {to}");
            let late_wrong = verify_consistency(size(from), &early, size(to), &other, &proof);
            assert_eq!(late_wrong, Err(ConsistencyError::ToMismatch { got: late, want: other }), "{from} to {to}");
        }
    }

    #[test]
    fn sizes_without_a_path() {
        // [H-13]
        let (a, b, empty) = (Hash::new([1; 32]), Hash::new([2; 32]), empty_root());
        let verify = |from, early: &Hash, to, late: &Hash, proof: &[Hash]| {
            verify_consistency(size(from), early, size(to), late, proof)
        };
        assert_eq!(verify(0, &empty, 5, &a, &[]), Ok(()));
        assert_eq!(verify(0, &empty, 0, &empty, &[]), Ok(()));
        assert_eq!(verify(3, &a, 3, &a, &[]), Ok(()));
        assert_eq!(verify(0, &a, 5, &b, &[]), Err(ConsistencyError::EmptyRoot { want: empty, got: a }));
        let two = ConsistencyError::TwoRoots { size: size(0), from: empty, to: a };
        assert_eq!(verify(0, &empty, 0, &a, &[]), Err(two));
        let needless = |from, to| ConsistencyError::NotNeeded { from: size(from), to: size(to), got: 1 };
        assert_eq!(verify(0, &empty, 5, &a, &[a]), Err(needless(0, 5)));
        assert_eq!(verify(3, &a, 3, &a, &[a]), Err(needless(3, 3)));
        assert_eq!(verify(3, &a, 3, &b, &[]), Err(ConsistencyError::TwoRoots { size: size(3), from: a, to: b }));
        let shrinking = ConsistencyError::Shrinking { from: size(4), to: size(3) };
        assert_eq!(verify(4, &a, 3, &a, &[]), Err(shrinking));
        // The largest sizes neither overflow nor panic.
        let most = verify_consistency(TreeSize::new(u64::MAX - 1), &a, TreeSize::new(u64::MAX), &b, &[a; 64]);
        assert!(most.is_err());
        let half = verify_consistency(TreeSize::new(1 << 63), &a, TreeSize::new(u64::MAX), &b, &[a]);
        assert!(matches!(half, Err(ConsistencyError::ToMismatch { .. })), "{half:?}");
        let last = LeafIndex::new(u64::MAX - 1);
        let deepest = verify_inclusion(&a, last, TreeSize::new(u64::MAX), &[a; 63], &b);
        assert!(matches!(deepest, Err(InclusionError::RootMismatch { .. })), "{deepest:?}");
    }

    #[test]
    fn a_store_that_fails_is_named() {
        // [H-10] [H-12]
        let tiles = memory(&test_leaves(3));
        let missing = TileId::new(0, 0, 4).unwrap();
        let refused = inclusion(&tiles, LeafIndex::new(0), size(4));
        assert_eq!(refused, Err(BuildError::Read { tile: missing, source: "missing".to_string() }));
        assert_eq!(refused.unwrap_err().to_string(), "tile/0/000.p/4: missing");
        let outside = inclusion(&tiles, LeafIndex::new(3), size(3));
        assert_eq!(outside, Err(BuildError::OutsideTree { index: LeafIndex::new(3), size: size(3) }));
        let shrinking = consistency(&tiles, size(3), size(2));
        assert_eq!(shrinking, Err(BuildError::Shrinking { from: size(3), to: size(2) }));
        struct Short;
        impl Tiles for Short {
            type Error = String;
            fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
                Ok(alloc::vec![0; id.bytes() - 1])
            }
        }
        let tile = TileId::new(0, 0, 3).unwrap();
        let short = root_from_tiles(&Short, size(3));
        assert_eq!(short, Err(BuildError::Length { tile, want: 96, got: 95 }));
        assert_eq!(root_from_tiles(&Short, size(0)), Ok(empty_root()));
    }
}
