//! A batch, computed: entries and the right edge in, objects and the new edge out [S-1] (85-log.md, "Batch").
//!
//! No store, key or clock: the bytes depend on the entries and their place alone, so a batch computed twice is the same.
//! Not here: whether an entry may be in the log (`admission`), and what is written first (`log`).

use rayon::prelude::*;
use vitrine_spec::edge::Edge;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::tiles::{BundleId, TileError, encode_bundle};
use vitrine_spec::tree::TreeSize;

use crate::head::Object;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, TILE_WIDTH};
use crate::sealed::{self, Span};

/// Below this many entries handing work to other threads costs more than the hashing.
const PARALLEL_FROM: usize = 256;

/// One entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The entry's bytes.
    pub leaf: Vec<u8>,
    /// The sealed record that belongs to it: stored beside it, in the same stage.
    pub record: Option<Vec<u8>>,
}

impl Item {
    /// An entry without a sealed record.
    pub fn of_leaf(leaf: Vec<u8>) -> Item {
        Item { leaf, record: None }
    }

    /// Bytes that count towards the limit of a batch.
    pub fn bytes(&self) -> usize {
        self.leaf.len() + self.record.as_ref().map_or(0, Vec::len)
    }
}

/// Where the next entry goes: the right edge of the tree and the bytes of the last, partial bundle.
#[derive(Debug, Clone)]
pub struct Tip {
    edge: Edge,
    /// Bytes of the last bundle when it is partial, else nothing.
    bundle: Vec<u8>,
}

impl Tip {
    /// Before the first entry.
    pub fn empty() -> Tip {
        Tip { edge: Edge::empty(), bundle: Vec::new() }
    }

    /// The edge of a tree, and its last bundle's bytes, of which only those of a partial one are kept.
    pub fn new(edge: Edge, last_bundle: Vec<u8>) -> Tip {
        let full = edge.size().get().is_multiple_of(TILE_WIDTH as u64);
        Tip { edge, bundle: if full { Vec::new() } else { last_bundle } }
    }

    /// Entries so far.
    pub fn size(&self) -> TreeSize {
        self.edge.size()
    }

    /// Root so far.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }
}

/// Why entries are no batch. All are the caller's mistakes: the limits hold before entries are pooled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More entries than one batch holds.
    #[error("{got} entries in a batch of at most {BATCH_ENTRIES_MAX}")]
    Entries {
        /// Entries given.
        got: usize,
    },
    /// More bytes than one batch holds.
    #[error("{got} bytes in a batch of at most {BATCH_BYTES_MAX}")]
    Bytes {
        /// Bytes given, sealed records included.
        got: usize,
    },
    /// An entry that no bundle can hold, or a tree without room.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// What a batch writes, and the tip after it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Sealed records, then bundles, then tiles: who sees a tile sees its entries, who sees an entry can read its record.
    pub objects: Vec<Object>,
    /// Leaf hash of each entry.
    pub leaf_hashes: Vec<Hash>,
    /// Where the next batch goes on.
    pub tip: Tip,
}

/// Computes a batch [S-1].
pub fn build(tip: &Tip, items: &[Item]) -> Result<Batch, BatchError> {
    if items.len() > BATCH_ENTRIES_MAX {
        return Err(BatchError::Entries { got: items.len() });
    }
    let bytes: usize = items.iter().map(Item::bytes).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(BatchError::Bytes { got: bytes });
    }
    let mut objects = records(tip.size().get(), items);
    let (bundles, last) = bundles(tip, items)?;
    objects.extend(bundles);
    let leaf_hashes = leaf_hashes(items);
    let mut edge = tip.edge.clone();
    objects.extend(edge.append(&leaf_hashes).into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
    Ok(Batch { objects, leaf_hashes, tip: Tip { edge, bundle: last } })
}

fn leaf_hashes(items: &[Item]) -> Vec<Hash> {
    if items.len() < PARALLEL_FROM {
        items.iter().map(|item| leaf_hash(&item.leaf)).collect()
    } else {
        items.par_iter().map(|item| leaf_hash(&item.leaf)).collect()
    }
}

/// The objects of the sealed records: one, two where the batch crosses a multiple of 65,536, none without records [S-29].
fn records(first: u64, items: &[Item]) -> Vec<Object> {
    let records = || (first..).zip(items).filter_map(|(index, item)| Some((index, item.record.as_deref()?)));
    Span::cut(first, first + items.len() as u64)
        .map(|span| (span.path(), sealed::encode(records().filter(|(index, _)| span.holds(*index)))))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect()
}

/// The bundles that are new or grew, and the bytes of the last one when it is partial.
fn bundles(tip: &Tip, items: &[Item]) -> Result<(Vec<Object>, Vec<u8>), BatchError> {
    let old = tip.size().get();
    let new = TreeSize::new(old + items.len() as u64);
    let inside = usize::try_from(old % TILE_WIDTH as u64).unwrap_or(0);
    let (first, others) = items.split_at(items.len().min(TILE_WIDTH - inside));
    let mut bundles = Vec::with_capacity(2 + others.len() / TILE_WIDTH);
    let mut last = tip.bundle.clone();
    let parts = std::iter::once(first).chain(others.chunks(TILE_WIDTH)).filter(|part| !part.is_empty());
    for (index, part) in (old / TILE_WIDTH as u64..).zip(parts) {
        let mut bytes = last;
        bytes.extend(encode_bundle(part.iter().map(|item| item.leaf.as_slice()))?);
        // The tree of size `new` has this bundle, because it has the entries just put into it.
        let id = BundleId::at(index, new).ok_or(TileError::Width { got: 0 })?;
        last = if id.is_full() { Vec::new() } else { bytes.clone() };
        bundles.push((id.path(), bytes));
    }
    Ok((bundles, last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use vitrine_spec::tiles::{TileId, decode_bundle};
    use vitrine_spec::tree::Frontier;

    use super::*;

    fn items(from: u64, count: u64) -> Vec<Item> {
        (from..from + count).map(|n| Item::of_leaf(format!("entry {n}").into_bytes())).collect()
    }

    #[test]
    fn however_entries_are_batched_the_full_objects_are_the_same() {
        // [S-1]
        let mut at_once = BTreeMap::new();
        at_once.extend(build(&Tip::empty(), &items(0, 1000)).unwrap().objects);
        for step in [1, 7, 255, 256, 257] {
            let (mut tip, mut objects) = (Tip::empty(), BTreeMap::new());
            let mut frontier = Frontier::new();
            let mut size = 0;
            while size < 1000 {
                let count = step.min(1000 - size);
                let batch = build(&tip, &items(size, count)).unwrap();
                batch.leaf_hashes.iter().for_each(|hash| frontier.push(*hash));
                objects.extend(batch.objects);
                tip = batch.tip;
                size += count;
                assert_eq!((tip.size().get(), tip.root()), (size, frontier.root()), "step {step}");
            }
            for (path, bytes) in &at_once {
                assert_eq!(objects.get(path), Some(bytes), "step {step} {path}");
            }
        }
        let last = &at_once["tile/entries/003.p/232"];
        assert_eq!(decode_bundle(last, 232).unwrap()[231], b"entry 999");
        assert_eq!(at_once["tile/0/003.p/232"].len(), 232 * 32);
        assert_eq!(at_once.len(), 4 + 4 + 1, "{:?}", at_once.keys());
    }

    #[test]
    fn an_entry_of_the_first_tile_hashes_to_it() {
        let batch = build(&Tip::empty(), &items(0, 3)).unwrap();
        let tile = TileId::new(0, 0, 3).unwrap().path();
        let bytes = &batch.objects.iter().find(|(path, _)| *path == tile).unwrap().1;
        assert_eq!(bytes.get(32..64).unwrap(), leaf_hash(b"entry 1").as_bytes());
    }

    #[test]
    fn sealed_records_come_first_and_count() {
        // [S-29]
        let item = Item { leaf: b"leaf".to_vec(), record: Some(vec![7; 5]) };
        assert_eq!(item.bytes(), 9);
        let batch = build(&Tip::empty(), &[Item::of_leaf(b"charter".to_vec()), item]).unwrap();
        assert_eq!(batch.objects[0], ("sealed/000/0-2".to_owned(), sealed::encode([(1, &[7; 5][..])])));
        assert!(batch.objects[1..].iter().all(|(path, _)| path.starts_with("tile/")));
    }

    #[test]
    fn a_batch_over_a_multiple_of_65536_has_two_objects_of_records() {
        // [S-29]
        let mut tip = Tip::empty();
        for first in (0..65_536 - 256).step_by(8_160) {
            tip = build(&tip, &items(first, 8_160)).unwrap().tip;
        }
        assert_eq!(tip.size().get(), 65_280);
        let mut both = items(65_280, 300);
        for inside in [0, 255, 256, 299] {
            both[inside].record = Some(inside.to_string().into_bytes());
        }
        let objects = build(&tip, &both).unwrap().objects;
        let sealed: Vec<&Object> = objects.iter().filter(|(path, _)| path.starts_with("sealed/")).collect();
        let left = sealed::encode([(65_280, &b"0"[..]), (65_535, b"255")]);
        let right = sealed::encode([(65_536, &b"256"[..]), (65_579, b"299")]);
        assert_eq!(sealed[0], &("sealed/000/65280-65536".to_owned(), left));
        assert_eq!(sealed[1], &("sealed/001/65536-65580".to_owned(), right));
        both[0].record = None;
        both[255].record = None;
        let objects = build(&tip, &both).unwrap().objects;
        assert_eq!(objects.iter().filter(|(path, _)| path.starts_with("sealed/")).count(), 1);
    }

    #[test]
    fn limits_hold() {
        // [S-1]
        let too_many = vec![Item::of_leaf(Vec::new()); BATCH_ENTRIES_MAX + 1];
        assert_eq!(build(&Tip::empty(), &too_many).unwrap_err(), BatchError::Entries { got: BATCH_ENTRIES_MAX + 1 });
        let item = Item { leaf: Vec::new(), record: Some(vec![0; BATCH_BYTES_MAX + 1]) };
        assert_eq!(build(&Tip::empty(), &[item]).unwrap_err(), BatchError::Bytes { got: BATCH_BYTES_MAX + 1 });
        let too_long = [Item::of_leaf(vec![0; 65_536])];
        assert!(matches!(build(&Tip::empty(), &too_long).unwrap_err(), BatchError::Tile(_)));
        assert_eq!(build(&Tip::empty(), &[]).unwrap().objects, []);
    }
}
