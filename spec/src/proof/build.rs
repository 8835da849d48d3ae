//! Proofs and roots built from tiles (docs/10-hash-and-tree.md).
//!
//! PATH and SUBPROOF of RFC 9162 as ranges of entries, each range hashed from the fewest tiles. The tiles are believed:
//! whoever builds has verified them, and whoever receives verifies the proof. Not here: verifying (`verify`).

use crate::hash::{Hash, empty_root, node_hash};
use crate::limits::TILE_WIDTH;
use crate::tiles::{TileId, tile_root};
use crate::tree::{LeafIndex, TreeSize, split};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
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

/// The hashes of some subtrees of the tree of `size` entries, as RFC 9162, section 2.1.1, splits it [B-3].
pub fn subtrees<T: Tiles>(tiles: &T, ranges: &[Range<u64>], size: TreeSize) -> Result<Vec<Hash>, BuildError<T::Error>> {
    let mut nodes = Nodes::of(tiles, size);
    ranges.iter().map(|range| nodes.root(range.clone())).collect()
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
