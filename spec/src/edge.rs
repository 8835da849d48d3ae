//! The right edge of a tree as tiles, for appending (docs/20-tiles.md).
//!
//! Holds the partial tile of every level, at most 8 × 255 hashes. Not here: where the tiles are kept, and whether the
//! bytes loaded are the right ones: compare [`Edge::root`] with the head.

use crate::hash::{Hash, empty_root};
use crate::limits::TILE_WIDTH;
use crate::tiles::{TileId, encode_tile, partial_width, tile_root};
use crate::tree::TreeSize;
use alloc::vec::Vec;

/// Levels of tiles that a tree of 2^64 − 1 entries has.
const LEVELS: usize = 8;

/// Why an edge could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError<E> {
    /// The store did not give the tile.
    #[error("{tile}: {source}")]
    Read {
        /// The tile asked for.
        tile: TileId,
        /// What the store said.
        source: E,
    },
    /// A tile of another length than its width says.
    #[error("{tile} has {want} bytes, the store holds {got}")]
    Length {
        /// The tile asked for.
        tile: TileId,
        /// Bytes of a tile of this width.
        want: usize,
        /// Bytes given.
        got: usize,
    },
}

/// The partial tiles of a tree, from which it grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// Hashes of the partial tile at each level; their number is the base-256 digit of the size there.
    levels: [Vec<Hash>; LEVELS],
}

impl Edge {
    /// The edge of the empty tree.
    pub fn empty() -> Edge {
        Edge::default()
    }

    /// Reads the partial tiles of a tree of `size` entries, one call each; full tiles are not needed [T-7].
    pub fn load<E>(size: TreeSize, mut read: impl FnMut(&TileId) -> Result<Vec<u8>, E>) -> Result<Edge, EdgeError<E>> {
        let mut edge = Edge { size: size.get(), ..Edge::default() };
        for tile in crate::tiles::tiles_of(size).filter(|tile| !tile.is_full()) {
            let bytes = read(&tile).map_err(|source| EdgeError::Read { tile, source })?;
            match Hash::slice_of(&bytes) {
                Some(hashes) if hashes.len() == usize::from(tile.width()) => {
                    edge.levels[usize::from(tile.level())] = hashes;
                }
                Some(_) | None => return Err(EdgeError::Length { tile, want: tile.bytes(), got: bytes.len() }),
            }
        }
        Ok(edge)
    }

    /// Entries in the tree.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.size)
    }

    /// Root of the tree [H-8]. Cannot fail.
    pub fn root(&self) -> Hash {
        let mut right: Option<Hash> = None;
        for level in self.levels.iter().filter(|level| !level.is_empty()) {
            // What lies to the right is smaller than any hash of this level, so it stands where the next hash will.
            let mut row = Vec::with_capacity(level.len() + 1);
            row.extend_from_slice(level);
            row.extend(right);
            right = Some(tile_root(&row));
        }
        right.unwrap_or_else(empty_root)
    }

    /// Appends leaf hashes and gives every tile that is new or grew, as it is after the last of them [T-7].
    ///
    /// Lower levels come first and, in a level, lower indices; a tile that became full comes once, full. What a tree of
    /// the new size needs is this and the tiles it had. Sizes end at 2^64 − 1, which no log reaches.
    pub fn append(&mut self, leaf_hashes: &[Hash]) -> Vec<(TileId, Vec<u8>)> {
        let full = usize::from(TILE_WIDTH);
        let mut written = Vec::with_capacity(leaf_hashes.len() / full + 4);
        let mut carried: Vec<Hash> = Vec::new();
        for level in 0..LEVELS {
            let new: &[Hash] = if level == 0 { leaf_hashes } else { &carried };
            if new.is_empty() {
                break;
            }
            let number = u8::try_from(level).unwrap_or(u8::MAX);
            let mut index = self.size.checked_shr(8 * (u32::from(number) + 1)).unwrap_or(0);
            let mut above = Vec::with_capacity(new.len() / full + 1);
            let mut rest = new;
            let row = &mut self.levels[level];
            while !rest.is_empty() {
                let (fits, after) = rest.split_at(rest.len().min(full - row.len()));
                row.extend_from_slice(fits);
                rest = after;
                let width = u16::try_from(row.len()).unwrap_or(TILE_WIDTH);
                written.extend(TileId::new(number, index, width).ok().map(|tile| (tile, encode_tile(row))));
                if row.len() == full {
                    above.push(tile_root(row));
                    row.clear();
                    index += 1;
                }
            }
            carried = above;
        }
        self.size += leaf_hashes.len() as u64;
        debug_assert!(
            (0..8).all(|level| self.levels[level].len() == usize::from(partial_width(self.size(), level as u8)))
        );
        written
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::tiles::tiles_of;
    use crate::tree::{Frontier, test_leaves};
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};

    type Store = BTreeMap<TileId, Vec<u8>>;

    /// Every tile of the tree from the definition of tlog-tiles: hash `i` of level `l` is the root of 256^l entries.
    fn tiles_by_definition(leaves: &[Hash]) -> Store {
        let mut tiles = Store::new();
        let mut row = leaves.to_vec();
        for level in 0..3 {
            for (index, chunk) in row.chunks(256).enumerate() {
                let tile = TileId::new(level, index as u64, chunk.len() as u16).unwrap();
                tiles.insert(tile, encode_tile(chunk));
            }
            row = row.chunks_exact(256).map(tile_root).collect();
        }
        tiles
    }

    #[test]
    fn appending_writes_the_tiles_of_the_tree() {
        // [T-2] [T-4] [T-7]
        let leaves = test_leaves(70_000);
        let mut edge = Edge::empty();
        let mut store = Store::new();
        let mut frontier = Frontier::new();
        let mut from = 0;
        for step in [0, 1, 254, 1, 1, 255, 256, 257, 300, 16_384, 20_000, 32_291] {
            let batch = &leaves[from..from + step];
            let written = edge.append(batch);
            from += step;
            frontier.extend(batch.iter().copied());
            assert_eq!((edge.root(), edge.size()), (frontier.root(), frontier.size()), "size {from}");
            for (tile, bytes) in written {
                assert!(tile.is_within(edge.size()), "{tile}");
                assert_eq!(store.insert(tile, bytes), None, "{tile} was written twice");
            }
            let expected = tiles_by_definition(&leaves[..from]);
            assert!(expected.iter().all(|(tile, bytes)| store.get(tile) == Some(bytes)), "size {from}");
            let loaded = Edge::load(edge.size(), |tile| store.get(tile).cloned().ok_or(())).unwrap();
            assert_eq!(loaded, edge, "size {from}");
        }
        assert_eq!(from, leaves.len());
    }

    #[test]
    fn only_what_is_new_or_grew_is_given() {
        // [T-7]
        let leaves = test_leaves(515);
        let mut edge = Edge::empty();
        let paths = |written: Vec<(TileId, Vec<u8>)>| -> Vec<String> {
            written.into_iter().map(|(tile, _)| tile.path()).collect()
        };
        assert_eq!(paths(edge.append(&leaves[..255])), ["tile/0/000.p/255"]);
        assert_eq!(paths(edge.append(&leaves[255..258])), ["tile/0/000", "tile/0/001.p/2", "tile/1/000.p/1"]);
        assert_eq!(paths(edge.append(&leaves[258..259])), ["tile/0/001.p/3"]);
        assert_eq!(paths(edge.append(&leaves[259..515])), ["tile/0/001", "tile/0/002.p/3", "tile/1/000.p/2"]);
        assert_eq!(paths(edge.append(&[])), Vec::<String>::new());
        let edge_tiles: Vec<String> = tiles_of(edge.size()).map(|tile| tile.path()).collect();
        assert_eq!(edge_tiles, ["tile/0/002.p/3", "tile/1/000.p/2"]);
    }

    #[test]
    fn a_tile_of_another_length_is_not_taken() {
        // [T-7]
        let tile = TileId::new(0, 0, 3).unwrap();
        for got in [0, 95, 97, 64, 128] {
            let loaded = Edge::load(TreeSize::new(3), |_| Ok::<_, String>(alloc::vec![0; got]));
            assert_eq!(loaded, Err(EdgeError::Length { tile, want: 96, got }));
        }
        let silent = Edge::load(TreeSize::new(3), |_| Err("gone".to_string()));
        assert_eq!(silent.unwrap_err().to_string(), "tile/0/000.p/3: gone");
        let never = Edge::load(TreeSize::new(256 * 256), |tile| Err(*tile)).unwrap_err();
        let only = TileId::new(2, 0, 1).unwrap();
        assert_eq!(never, EdgeError::Read { tile: only, source: only });
        assert_eq!(Edge::empty().root(), empty_root());
        let mut one = Edge::empty();
        one.append(&[leaf_hash(b"one")]);
        assert_eq!(one.root(), leaf_hash(b"one"));
    }
}
