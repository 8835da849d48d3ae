//! Bundles: an update and what stands behind it in one file, `FILE.vitrine` (docs/92-bundle.md).
//!
//! Entries of one tree with one path for all of them, and the checkpoint once. Not here: what the entries say (`verdict`), and
//! the bundles of entries that tlog-tiles serves (`tiles`).

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::hash::{Hash, leaf_hash, node_hash};
use crate::limits::{ENTRY_BYTES_MAX, PROOF_HASHES_MAX, RELEASE_BYTES_MAX, RELEASE_ENTRIES_MAX};
use crate::proof::{BuildError, Tiles, subtrees};
use crate::text::{self, TextError, push};
use crate::tree::{LeafIndex, TreeSize, split};

/// First line of a bundle [B-1].
pub const HEADER: &str = "vitrine.example/bundle@v0";

/// Why bytes are no bundle, or one that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Longer than the longest bundle.
    #[error("a bundle of {got} bytes is above {RELEASE_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the bundle is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Bytes before the first wrong one.
        at: usize,
    },
    /// Another first line.
    #[error("the first line is not {HEADER}")]
    Header,
    /// A line that is neither an entry nor a hash where one belongs.
    #[error("line {line} is no `entry`, `hash` or empty line in its place")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A number or base64 that has another spelling.
    #[error("line {line}: {source}")]
    Text {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        source: TextError,
    },
    /// No entry at all.
    #[error("a bundle has 1 to {RELEASE_ENTRIES_MAX} entries, this one none")]
    Empty,
    /// More entries than one bundle has.
    #[error("a bundle has 1 to {RELEASE_ENTRIES_MAX} entries, this one more")]
    TooManyEntries,
    /// An entry of no or too many bytes.
    #[error("entry {index} has {got} bytes, 1 to {ENTRY_BYTES_MAX} are possible")]
    EntryBytes {
        /// The entry.
        index: LeafIndex,
        /// Its bytes.
        got: usize,
    },
    /// Entries in another order than that of the log.
    #[error("entry {index} stands after entry {before}")]
    Order {
        /// The entry.
        index: LeafIndex,
        /// The one before it in the file.
        before: LeafIndex,
    },
    /// The tree does not hold an entry.
    #[error("entry {index} is outside a tree of size {size}")]
    OutsideTree {
        /// The entry.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// More or fewer hashes than the entries need.
    #[error("the paths of {entries} entries in a tree of size {size} take {want} hashes, the bundle has {got}")]
    Hashes {
        /// Entries in the bundle.
        entries: usize,
        /// The tree.
        size: TreeSize,
        /// Hashes needed.
        want: usize,
        /// Hashes given.
        got: usize,
    },
    /// The entries and hashes lead elsewhere.
    #[error("the entries lead to root {got}, the checkpoint says {want}")]
    RootMismatch {
        /// The root computed.
        got: Hash,
        /// The root to be reached.
        want: Hash,
    },
    /// What stands behind the empty line.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// Entries of one tree, and what proves their places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The entries with their bytes, ascending by index.
    pub entries: Vec<(LeafIndex, Vec<u8>)>,
    /// The hashes of the largest subtrees without any of these entries, from the left to the right.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, byte for byte.
    pub checkpoint: Vec<u8>,
}

impl Bundle {
    /// Reads a bundle; the checkpoint in it must parse as well [B-1] [B-2].
    pub fn parse(bytes: &[u8]) -> Result<Bundle, BundleError> {
        Ok(Bundle::parse_signed(bytes)?.0)
    }

    /// Reads a bundle and its checkpoint [B-1] [B-2].
    pub fn parse_signed(bytes: &[u8]) -> Result<(Bundle, SignedCheckpoint), BundleError> {
        if bytes.len() > RELEASE_BYTES_MAX {
            return Err(BundleError::TooLong { got: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|error| BundleError::NotUtf8 { at: error.valid_up_to() })?;
        let mut rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(BundleError::Header)?;
        let mut entries: Vec<(LeafIndex, Vec<u8>)> = Vec::new();
        let mut hashes = Vec::new();
        for line in 2.. {
            let (words, after) = rest.split_once('\n').ok_or(BundleError::Line { line })?;
            rest = after;
            let wrong = |source| BundleError::Text { line, source };
            if words.is_empty() {
                break;
            } else if let Some(hash) = words.strip_prefix("hash ") {
                if hashes.len() == RELEASE_ENTRIES_MAX * PROOF_HASHES_MAX {
                    return Err(BundleError::Line { line });
                }
                hashes.push(Hash::from_b64(hash).map_err(wrong)?);
            } else if let Some(entry) = words.strip_prefix("entry ").filter(|_| hashes.is_empty()) {
                let (index, leaf) = entry.split_once(' ').ok_or(BundleError::Line { line })?;
                let index = LeafIndex::new(text::decimal(index).map_err(wrong)?);
                let leaf = text::unb64(leaf).map_err(wrong)?;
                if leaf.is_empty() || leaf.len() > ENTRY_BYTES_MAX {
                    return Err(BundleError::EntryBytes { index, got: leaf.len() });
                }
                if let Some((before, _)) = entries.last()
                    && *before >= index
                {
                    return Err(BundleError::Order { index, before: *before });
                }
                if entries.len() == RELEASE_ENTRIES_MAX {
                    return Err(BundleError::TooManyEntries);
                }
                entries.push((index, leaf));
            } else {
                return Err(BundleError::Line { line });
            }
        }
        if entries.is_empty() {
            return Err(BundleError::Empty);
        }
        let signed = SignedCheckpoint::parse(rest.as_bytes())?;
        Ok((Bundle { entries, hashes, checkpoint: rest.as_bytes().to_vec() }, signed))
    }

    /// The bytes that [`Bundle::parse`] reads [B-1].
    pub fn print(&self) -> Vec<u8> {
        let mut text = String::new();
        push(&mut text, format_args!("{HEADER}\n"));
        for (index, leaf) in &self.entries {
            push(&mut text, format_args!("entry {index} {}\n", text::b64(leaf)));
        }
        self.hashes.iter().for_each(|hash| push(&mut text, format_args!("hash {hash}\n")));
        text.push('\n');
        let mut bundle = text.into_bytes();
        bundle.extend_from_slice(&self.checkpoint);
        bundle
    }

    /// A bundle of these entries, ascending by index, in the tree of a checkpoint's `size` [B-3].
    pub fn make<T: Tiles>(
        entries: Vec<(LeafIndex, Vec<u8>)>,
        size: TreeSize,
        checkpoint: Vec<u8>,
        tiles: &T,
    ) -> Result<Bundle, BuildError<T::Error>> {
        let indices: Vec<LeafIndex> = entries.iter().map(|(index, _)| *index).collect();
        if let Some(index) = indices.iter().find(|index| !index.is_in(size)) {
            return Err(BuildError::OutsideTree { index: *index, size });
        }
        let hashes = subtrees(tiles, &ranges(&indices, size), size)?;
        Ok(Bundle { entries, hashes, checkpoint })
    }

    /// The checkpoint read.
    pub fn signed_checkpoint(&self) -> Result<SignedCheckpoint, BundleError> {
        Ok(SignedCheckpoint::parse(&self.checkpoint)?)
    }

    /// Verifies that every entry is at its index in the checkpoint's tree, and gives the checkpoint [B-3].
    ///
    /// Says nothing about who signed the checkpoint: that is for [`crate::policy::Policy::verify`].
    pub fn verify_places(&self) -> Result<SignedCheckpoint, BundleError> {
        let signed = self.signed_checkpoint()?;
        self.verify_places_in(&signed)?;
        Ok(signed)
    }

    /// The same in its checkpoint, when that was read already.
    pub fn verify_places_in(&self, signed: &SignedCheckpoint) -> Result<(), BundleError> {
        let size = signed.size();
        if let Some((index, _)) = self.entries.iter().find(|(index, _)| !index.is_in(size)) {
            return Err(BundleError::OutsideTree { index: *index, size });
        }
        let indices: Vec<LeafIndex> = self.entries.iter().map(|(index, _)| *index).collect();
        let want = ranges(&indices, size).len();
        if want != self.hashes.len() {
            return Err(BundleError::Hashes { entries: indices.len(), size, want, got: self.hashes.len() });
        }
        let mut hashes = self.hashes.iter();
        let got = root(0..size.get(), &self.entries, &mut hashes);
        if got == *signed.root() { Ok(()) } else { Err(BundleError::RootMismatch { got, want: *signed.root() }) }
    }
}

/// The largest subtrees of the tree of `size` entries without any of these, ascending, from the left to the right [B-3].
pub fn ranges(indices: &[LeafIndex], size: TreeSize) -> Vec<Range<u64>> {
    fn walk(tree: Range<u64>, inside: &[LeafIndex], found: &mut Vec<Range<u64>>) {
        let entries = tree.end - tree.start;
        if inside.is_empty() {
            found.push(tree);
        } else if entries > 1 {
            let middle = tree.start + split(entries);
            let (left, right) = inside.split_at(inside.partition_point(|index| index.get() < middle));
            walk(tree.start..middle, left, found);
            walk(middle..tree.end, right, found);
        }
    }
    let mut found = Vec::new();
    if size != TreeSize::ZERO {
        walk(0..size.get(), indices, &mut found);
    }
    found
}

/// MTH of RFC 9162, section 2.1.1, over a range whose subtrees without an entry are taken from `hashes`: 64 calls deep at most.
fn root(tree: Range<u64>, inside: &[(LeafIndex, Vec<u8>)], hashes: &mut core::slice::Iter<'_, Hash>) -> Hash {
    match inside {
        // Their number was compared: none is missing.
        [] => hashes.next().copied().unwrap_or_else(crate::hash::empty_root),
        [(_, leaf)] if tree.end - tree.start == 1 => leaf_hash(leaf),
        _ => {
            let middle = tree.start + split(tree.end - tree.start);
            let (left, right) = inside.split_at(inside.partition_point(|(index, _)| index.get() < middle));
            let left = root(tree.start..middle, left, hashes);
            node_hash(&left, &root(middle..tree.end, right, hashes))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, Origin};
    use crate::edge::Edge;
    use crate::key::{KeyKind, Seed};
    use crate::note::Signature;
    use crate::tiles::TileId;
    use crate::tree::root_by_definition;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::ToString;

    struct Memory(BTreeMap<TileId, Vec<u8>>);

    impl Tiles for Memory {
        type Error = String;
        fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
            self.0.get(&id).cloned().ok_or_else(|| "missing".to_string())
        }
    }

    fn leaf(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn bundle(indices: &[u64], size: u64) -> Bundle {
        let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&leaf(index))).collect();
        let tiles = Memory(Edge::empty().append(&leaves).into_iter().collect());
        let seed = Seed::new("log.example", KeyKind::Ed25519, [5; 32]).unwrap();
        let origin = Origin::new("log.example").unwrap();
        let checkpoint = Checkpoint::new(origin, TreeSize::new(size), root_by_definition(&leaves));
        let signature = seed.sign_ed25519(checkpoint.text().as_bytes()).unwrap().to_vec();
        let lines = alloc::vec![Signature::by(&seed.vkey(), signature).unwrap()];
        let checkpoint = SignedCheckpoint::new(checkpoint, lines).unwrap().print().into_bytes();
        let entries = indices.iter().map(|index| (LeafIndex::new(*index), leaf(*index))).collect();
        Bundle::make(entries, TreeSize::new(size), checkpoint, &tiles).unwrap()
    }

    #[test]
    fn a_bundle_has_one_spelling() {
        // [B-1]
        let bundle = bundle(&[0, 3], 5);
        let printed = bundle.print();
        assert_eq!(Bundle::parse(&printed).unwrap(), bundle);
        let text = String::from_utf8(printed).unwrap();
        let [one, two, four] = [1, 2, 4].map(|index| leaf_hash(&leaf(index)));
        let head = format!(
            "{HEADER}\nentry 0 ZW50cnkgMA==\nentry 3 ZW50cnkgMw==\nhash {one}\nhash {two}\nhash {four}\n\nlog.example\n5\n"
        );
        assert!(text.starts_with(&head), "{text}");
    }

    #[test]
    fn every_set_of_entries_holds_in_every_small_tree() {
        // [B-3]
        for size in 1..=9_u64 {
            for set in 1..1_u32 << size {
                let indices: Vec<u64> = (0..size).filter(|index| set >> index & 1 == 1).collect();
                let bundle = bundle(&indices, size);
                assert_eq!(bundle.verify_places().unwrap().size(), TreeSize::new(size));
                let paths: usize = indices.len() * 64;
                assert!(bundle.hashes.len() <= paths);
                for number in 0..bundle.entries.len() {
                    let mut wrong = bundle.clone();
                    wrong.entries[number].1 = b"other".to_vec();
                    assert!(matches!(wrong.verify_places(), Err(BundleError::RootMismatch { .. })), "{indices:?}");
                }
                for number in 0..bundle.hashes.len() {
                    let mut wrong = bundle.clone();
                    wrong.hashes[number] = Hash::new([7; 32]);
                    assert!(matches!(wrong.verify_places(), Err(BundleError::RootMismatch { .. })), "{indices:?}");
                    wrong.hashes.remove(number);
                    assert!(matches!(wrong.verify_places(), Err(BundleError::Hashes { .. })), "{indices:?}");
                }
                let mut more = bundle.clone();
                more.hashes.push(Hash::new([7; 32]));
                assert!(matches!(more.verify_places(), Err(BundleError::Hashes { .. })));
            }
        }
    }

    #[test]
    fn an_entry_elsewhere_does_not_hold() {
        // [B-3]
        let bundle = bundle(&[2, 600], 700);
        assert!(bundle.verify_places().is_ok());
        for index in [0, 1, 3, 599, 601] {
            let mut moved = bundle.clone();
            moved.entries[usize::from(index > 3)].0 = LeafIndex::new(index);
            assert!(moved.verify_places().is_err(), "{index}");
        }
        let mut outside = bundle;
        outside.entries[1].0 = LeafIndex::new(700);
        let size = TreeSize::new(700);
        assert_eq!(outside.verify_places(), Err(BundleError::OutsideTree { index: LeafIndex::new(700), size }));
    }

    #[test]
    fn the_largest_tree_is_walked_without_a_hitch() {
        // [B-3]: the deepest of all trees, with entries at both ends.
        let size = TreeSize::new(u64::MAX);
        let indices = [LeafIndex::new(0), LeafIndex::new(u64::MAX - 1)];
        let found = ranges(&indices, size);
        assert!(found.len() <= 2 * PROOF_HASHES_MAX, "{}", found.len());
        let covered: u64 = found.iter().map(|range| range.end - range.start).sum();
        assert_eq!(covered, u64::MAX - 2);
        assert_eq!(ranges(&indices[..1], TreeSize::new(1)), []);
        assert_eq!(ranges(&[], TreeSize::ZERO), []);
    }

    #[test]
    fn what_is_no_bundle() {
        // [B-1] [B-2]
        let text = String::from_utf8(bundle(&[0, 3], 5).print()).unwrap();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Bundle::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(refused("@v0", "@v1"), BundleError::Header);
        assert_eq!(refused("@v0\n", "@v0\r\n"), BundleError::Header);
        assert_eq!(refused("entry 0 ", "Entry 0 "), BundleError::Line { line: 2 });
        assert_eq!(refused("entry 0 ", "entry 0"), BundleError::Line { line: 2 });
        assert!(matches!(refused("entry 0 ", "entry 00 "), BundleError::Text { line: 2, .. }));
        assert!(matches!(refused("MA==", "MB=="), BundleError::Text { line: 2, .. }));
        assert!(matches!(refused("entry 0 ZW", "entry 0  ZW"), BundleError::Text { line: 2, .. }));
        assert!(matches!(refused("hash ", "hash  "), BundleError::Text { line: 4, .. }));
        let index = LeafIndex::new(3);
        assert_eq!(refused("entry 0", "entry 3"), BundleError::Order { index, before: index });
        assert_eq!(refused("entry 0", "entry 4"), BundleError::Order { index, before: LeafIndex::new(4) });
        assert_eq!(refused("ZW50cnkgMA==", ""), BundleError::EntryBytes { index: LeafIndex::new(0), got: 0 });
        assert_eq!(refused("entry 0 ZW50cnkgMA==\nentry 3 ZW50cnkgMw==\n", ""), BundleError::Empty);
        let swapped = text.replacen("entry 3 ZW50cnkgMw==\n", "", 1).replacen("\n\n", "\nentry 3 ZW50cnkgMw==\n\n", 1);
        assert_eq!(Bundle::parse(swapped.as_bytes()), Err(BundleError::Line { line: 6 }));
        assert!(matches!(refused("\n\nlog.example\n5", "\n\nlog.example\n05"), BundleError::Checkpoint(_)));
        assert_eq!(Bundle::parse(format!("{HEADER}\nentry 0 ZQ==").as_bytes()), Err(BundleError::Line { line: 2 }));
        assert_eq!(Bundle::parse(b"vit\xff"), Err(BundleError::NotUtf8 { at: 3 }));
        let long = alloc::vec![b'a'; RELEASE_BYTES_MAX + 1];
        assert_eq!(Bundle::parse(&long), Err(BundleError::TooLong { got: RELEASE_BYTES_MAX + 1 }));
        let mut many = bundle(&[0], 1);
        many.entries = (0..=RELEASE_ENTRIES_MAX as u64).map(|index| (LeafIndex::new(index), b"e".to_vec())).collect();
        assert_eq!(Bundle::parse(&many.print()), Err(BundleError::TooManyEntries));
        many.entries.pop();
        assert!(Bundle::parse(&many.print()).is_ok());
        many.hashes = alloc::vec![Hash::new([0; 32]); RELEASE_ENTRIES_MAX * PROOF_HASHES_MAX + 1];
        let line = 2 + RELEASE_ENTRIES_MAX + RELEASE_ENTRIES_MAX * PROOF_HASHES_MAX;
        assert_eq!(Bundle::parse(&many.print()), Err(BundleError::Line { line }));
        many.entries = alloc::vec![(LeafIndex::new(0), alloc::vec![0; ENTRY_BYTES_MAX + 1])];
        let bytes = BundleError::EntryBytes { index: LeafIndex::new(0), got: ENTRY_BYTES_MAX + 1 };
        assert_eq!(Bundle::parse(&many.print()), Err(bytes));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_printed_alike_and_nothing_panics(edits in proptest::collection::vec((proptest::arbitrary::any::<proptest::sample::Index>(), proptest::arbitrary::any::<u8>()), 0..4), cut in proptest::arbitrary::any::<proptest::sample::Index>()) {
            // [B-1]
            let mut bytes = bundle(&[1, 3], 7).print();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [bytes.as_slice(), &bytes[..cut.index(bytes.len())]] {
                if let Ok(read) = Bundle::parse(bytes) {
                    proptest::prop_assert_eq!(read.print(), bytes);
                    let _ = read.verify_places();
                }
            }
        }
    }
}
