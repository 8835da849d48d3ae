//! Reading tiles, bundles, entries and proofs from the store [S-8] (85-log.md).
//!
//! A reader may run beside the writer: objects are whole under their names, and a partial one that was deleted meanwhile
//! is the first part of the full one. Not here: what a client may see, which ends at the published size (`http`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vitrine_spec::hash::Hash;
use vitrine_spec::proof::{self, BuildError, Tiles};
use vitrine_spec::tiles::{BundleId, TileError, TileId, encode_bundle, entries};
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::layout;
use crate::sealed::Records;
use crate::store::{Store, StoreError};
use crate::time::Time;

/// Why an object could not be read, or is not what its name says.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object that a tree of the size asked for has is not there.
    #[error("{path} is missing")]
    Missing {
        /// The object.
        path: String,
    },
    /// A tile of another length than its width says.
    #[error("{path} has {got} bytes instead of {want}")]
    Length {
        /// The object.
        path: String,
        /// Bytes that it should have.
        want: usize,
        /// Bytes that it has.
        got: usize,
    },
    /// A bundle that does not hold the entries its name says.
    #[error("{path}: {source}")]
    Bundle {
        /// The object.
        path: String,
        /// What is wrong with it.
        source: TileError,
    },
    /// An index or size beyond the tree that was named.
    #[error("{got} is outside a tree of size {size}")]
    Outside {
        /// The index or size asked for.
        got: u64,
        /// The tree.
        size: TreeSize,
    },
}

/// Reads the objects of one log. Cheap to clone; every method may be called from any thread.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    /// Entries whose tiles and bundles are written, by which a partial object that was never written for the size
    /// asked for is cut from the one that was.
    written: Arc<AtomicU64>,
}

impl Reader {
    /// A reader of a store whose objects are written up to `written` entries.
    pub fn new(store: Arc<dyn Store>, written: TreeSize) -> Reader {
        Reader { store, written: Arc::new(AtomicU64::new(written.get())) }
    }

    /// Says that objects are written up to this size; sizes only grow.
    pub(crate) fn advance(&self, written: TreeSize) {
        self.written.store(written.get(), Ordering::Release);
    }

    /// Entries whose objects are written.
    pub fn written(&self) -> TreeSize {
        TreeSize::new(self.written.load(Ordering::Acquire))
    }

    /// The bytes of a tile: `width` hashes.
    pub fn tile(&self, id: TileId) -> Result<Vec<u8>, ReadError> {
        let at_written =
            |written| TileId::at(id.level(), id.index(), written).filter(|other| other.width() > id.width());
        let (path, mut bytes, width) = match self.read_any(&id.path(), &id.full().path(), id.is_full())? {
            Found::Exact(bytes) => (id.path(), bytes, id.width()),
            Found::Full(bytes) => (id.full().path(), bytes, id.full().width()),
            Found::Neither => {
                self.read_wider(&id.path(), |written| at_written(written).map(|id| (id.path(), id.width())))?
            }
        };
        let want = usize::from(width) * vitrine_spec::limits::HASH_BYTES;
        if bytes.len() != want {
            return Err(ReadError::Length { path, want, got: bytes.len() });
        }
        bytes.truncate(id.bytes());
        Ok(bytes)
    }

    /// The bytes of a bundle: `width` entries, nothing left over.
    pub fn bundle(&self, id: BundleId) -> Result<Vec<u8>, ReadError> {
        let at_written = |written| BundleId::at(id.index(), written).filter(|other| other.width() > id.width());
        let (path, bytes, width) = match self.read_any(&id.path(), &id.full().path(), id.is_full())? {
            Found::Exact(bytes) => (id.path(), bytes, id.width()),
            Found::Full(bytes) => (id.full().path(), bytes, id.full().width()),
            Found::Neither => {
                self.read_wider(&id.path(), |written| at_written(written).map(|id| (id.path(), id.width())))?
            }
        };
        let all = entries(&bytes, width).map_err(|source| ReadError::Bundle { path: path.clone(), source })?;
        if width == id.width() {
            return Ok(bytes);
        }
        let first = all.into_iter().take(usize::from(id.width()));
        encode_bundle(first).map_err(|source| ReadError::Bundle { path, source })
    }

    /// The entries of a bundle, in order.
    pub fn entries(&self, id: BundleId) -> Result<Vec<Vec<u8>>, ReadError> {
        let bytes = self.bundle(id)?;
        let all = entries(&bytes, id.width()).map_err(|source| ReadError::Bundle { path: id.path(), source })?;
        Ok(all.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// One entry of a tree of `size` entries.
    pub fn entry(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<u8>, ReadError> {
        let outside = ReadError::Outside { got: index.get(), size };
        let id = BundleId::holding(index, size).ok_or(outside.clone())?;
        let bytes = self.bundle(id)?;
        let all = entries(&bytes, id.width()).map_err(|source| ReadError::Bundle { path: id.path(), source })?;
        let inside = usize::try_from(index.get() - id.start().get()).map_err(|_| outside.clone())?;
        all.get(inside).map(|entry| entry.to_vec()).ok_or(outside)
    }

    /// The audit path of an entry in the tree of `size` entries.
    pub fn inclusion(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, BuildError<ReadError>> {
        proof::inclusion(self, index, size)
    }

    /// The consistency proof between two sizes.
    pub fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, BuildError<ReadError>> {
        proof::consistency(self, from, to)
    }

    /// The root of the tree of `size` entries, from the stored tiles.
    pub fn root(&self, size: TreeSize) -> Result<Hash, BuildError<ReadError>> {
        proof::root_from_tiles(self, size)
    }

    /// The checkpoint kept for the UTC hour of `time`, when there is one.
    pub fn kept(&self, time: Time) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read(&layout::kept(time))
    }

    /// The object at a path, when there is one.
    pub fn object(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read(path)
    }

    /// The sealed records of the entries `from` to `to`, half open.
    pub fn records(&self, from: LeafIndex, to: TreeSize) -> Records {
        Records::new(Arc::clone(&self.store), from.get(), to.get())
    }

    fn read_any(&self, exact: &str, full: &str, is_full: bool) -> Result<Found, ReadError> {
        if let Some(bytes) = self.store.read(exact)? {
            return Ok(Found::Exact(bytes));
        }
        if is_full {
            return Err(ReadError::Missing { path: exact.to_owned() });
        }
        Ok(self.store.read(full)?.map_or(Found::Neither, Found::Full))
    }

    /// Reads the object that the written size has in place of `path`. The writer may have gone on between the look at
    /// the size and the read, and `settle` may have deleted what it went past: so until the size stands still.
    fn read_wider(
        &self,
        path: &str,
        at: impl Fn(TreeSize) -> Option<(String, u16)>,
    ) -> Result<(String, Vec<u8>, u16), ReadError> {
        let mut written = self.written();
        loop {
            let missing = ReadError::Missing { path: path.to_owned() };
            let (wider, width) = at(written).ok_or(missing.clone())?;
            if let Some(bytes) = self.store.read(&wider)? {
                return Ok((wider, bytes, width));
            }
            let now = self.written();
            if now == written {
                return Err(missing);
            }
            written = now;
        }
    }
}

enum Found {
    Exact(Vec<u8>),
    Full(Vec<u8>),
    Neither,
}

impl Tiles for Reader {
    type Error = ReadError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, ReadError> {
        Reader::tile(self, id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::batch::{Item, Tip, build};
    use crate::store::{Files, OsDisk};

    fn filled(folder: &std::path::Path, steps: &[u64]) -> (Arc<dyn Store>, Reader, Vec<Vec<u8>>) {
        let store: Arc<dyn Store> = Arc::new(Files::new(OsDisk::create(folder).unwrap()));
        let (mut tip, mut leaves) = (Tip::empty(), Vec::new());
        for step in steps {
            let from = leaves.len();
            leaves.extend((0..*step).map(|n| format!("entry {}", from as u64 + n).into_bytes()));
            let items: Vec<Item> = leaves[from..].iter().cloned().map(Item::of_leaf).collect();
            let batch = build(&tip, &items).unwrap();
            for (path, bytes) in &batch.objects {
                store.put_unsynced(path, bytes).unwrap();
            }
            tip = batch.tip;
        }
        let reader = Reader::new(Arc::clone(&store), tip.size());
        (store, reader, leaves)
    }

    #[test]
    fn every_size_is_readable_whatever_was_batched_and_deleted() {
        // [S-8]
        let folder = tempfile::tempdir().unwrap();
        let (store, reader, leaves) = filled(folder.path(), &[3, 200, 57, 5, 2]);
        store.delete("tile/0/000.p/3").unwrap();
        store.delete("tile/entries/000.p/3").unwrap();
        for size in 1..=leaves.len() as u64 {
            let size = TreeSize::new(size);
            let mut frontier = vitrine_spec::tree::Frontier::new();
            for (index, leaf) in leaves.iter().enumerate().take(size.get() as usize) {
                frontier.push(vitrine_spec::hash::leaf_hash(leaf));
                if index % 37 == 0 {
                    assert_eq!(reader.entry(LeafIndex::new(index as u64), size).unwrap(), *leaf);
                }
            }
            assert_eq!(reader.root(size).unwrap(), frontier.root(), "size {size}");
            assert!(matches!(reader.entry(LeafIndex::new(size.get()), size), Err(ReadError::Outside { .. })));
        }
    }

    #[test]
    fn a_damaged_object_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (store, reader, _) = filled(folder.path(), &[300]);
        store.put("tile/0/000", &[0; 31]).unwrap();
        let error = reader.tile(TileId::new(0, 0, 256).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "tile/0/000 has 31 bytes instead of 8192");
        store.delete("tile/entries/000").unwrap();
        let error = reader.bundle(BundleId::new(0, 256).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "tile/entries/000 is missing");
        store.put("tile/entries/001.p/44", &[0, 9]).unwrap();
        let error = reader.bundle(BundleId::new(1, 44).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("tile/entries/001.p/44: "), "{error}");
    }
}
