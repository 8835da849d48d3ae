//! Tiles and bundles: which hash and which entry is in which file (docs/20-tiles.md).
//!
//! Paths, geometry, the framing of entries and the tree inside one tile. Not here: reading a store and trusting its
//! bytes (`edge`, `proof`).

use crate::hash::{Hash, empty_root, node_hash};
use crate::limits::{ENTRY_BYTES_MAX, HASH_BYTES, TILE_LEVEL_MAX, TILE_WIDTH};
use crate::text::{Quote, push};
use crate::tree::{LeafIndex, TreeSize};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display};

/// Why a path, a tile or a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path is not the one spelling of a tile or bundle.
    #[error("{0} is not a tile or bundle path")]
    Path(Quote),
    /// A level that no path names.
    #[error("tile level {got} is above {TILE_LEVEL_MAX}")]
    Level {
        /// The level given.
        got: u8,
    },
    /// A width outside 1 to 256.
    #[error("tile width {got} is not in 1 to {TILE_WIDTH}")]
    Width {
        /// The width given.
        got: u16,
    },
    /// An entry that its two-byte length cannot describe.
    #[error("an entry of {got} bytes is above {ENTRY_BYTES_MAX}")]
    EntryTooLong {
        /// Bytes of the entry.
        got: usize,
    },
    /// A bundle ends inside a length or an entry.
    #[error("the bundle ends inside entry {entry}")]
    Truncated {
        /// Zero-based position of that entry in the bundle.
        entry: u16,
    },
    /// A bundle goes on after its last entry.
    #[error("{got} bytes follow entry {width} of {width}")]
    LeftOver {
        /// Entries that belong in the bundle.
        width: u16,
        /// Bytes after the last of them.
        got: usize,
    },
}

/// Names a tile: `width` hashes, each the root of 256^`level` entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

/// Names an entry bundle: `width` entries from entry `256 * index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    index: u64,
    width: u16,
}

/// What a path below `tile/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Hashes.
    Tile(TileId),
    /// Entries.
    Bundle(BundleId),
}

impl TileId {
    /// Takes level (0 to 63), index and width (1 to 256) [T-1].
    pub fn new(level: u8, index: u64, width: u16) -> Result<TileId, TileError> {
        match level {
            0..=TILE_LEVEL_MAX => Ok(TileId { level, index, width: checked_width(width)? }),
            _ => Err(TileError::Level { got: level }),
        }
    }

    /// Height of the tile: its hashes stand for 256^level entries each.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Position of the tile in its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes in the tile, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Bytes of the tile.
    pub const fn bytes(&self) -> usize {
        self.width as usize * HASH_BYTES
    }

    /// `tile/<L>/<N>[.p/<W>]`, without a leading slash [T-1].
    pub fn path(&self) -> String {
        let mut path = String::from("tile/");
        push(&mut path, self.level);
        path.push('/');
        push_index(&mut path, self.index, self.width);
        path
    }

    /// Reads the one spelling of a tile path [T-1].
    pub fn parse(path: &str) -> Result<TileId, TileError> {
        match parse_path(path)? {
            Path::Tile(tile) => Ok(tile),
            Path::Bundle(_) => Err(TileError::Path(Quote::of(path))),
        }
    }

    /// The smallest tree that has this tile; 2^64 − 1 for a tile beyond every tree (see [`TileId::is_within`]) [T-3].
    pub fn end(&self) -> TreeSize {
        TreeSize::new(u64::try_from(self.end_exact()).unwrap_or(u64::MAX))
    }

    /// True when a tree of `size` entries has this tile, or a fuller one at the same place [T-3].
    pub fn is_within(&self, size: TreeSize) -> bool {
        self.end_exact() <= u128::from(size.get())
    }

    /// `(256 * index + width) * 256^level`, at most 2^128 − 1 even where the level alone is beyond a `u64`.
    fn end_exact(&self) -> u128 {
        let hashes = u128::from(self.index) * u128::from(TILE_WIDTH) + u128::from(self.width);
        let shift = 8 * u32::from(self.level);
        if hashes.leading_zeros() >= shift && shift < u128::BITS { hashes << shift } else { u128::MAX }
    }

    /// The full tile at the same place.
    pub const fn full(self) -> TileId {
        TileId { width: TILE_WIDTH, ..self }
    }

    /// True when no hash can be added.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The tile at `level` and `index` in a tree of `size` entries: full, partial, or `None` [T-4].
    pub fn at(level: u8, index: u64, size: TreeSize) -> Option<TileId> {
        let hashes = hashes_at(size, level);
        let width = hashes.checked_sub(index.checked_mul(u64::from(TILE_WIDTH))?)?.min(u64::from(TILE_WIDTH));
        TileId::new(level, index, u16::try_from(width).ok()?).ok()
    }
}

impl BundleId {
    /// Takes index and width (1 to 256) [T-1].
    pub fn new(index: u64, width: u16) -> Result<BundleId, TileError> {
        Ok(BundleId { index, width: checked_width(width)? })
    }

    /// Position of the bundle.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Entries in the bundle, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// `tile/entries/<N>[.p/<W>]`, without a leading slash [T-1].
    pub fn path(&self) -> String {
        let mut path = String::from("tile/entries/");
        push_index(&mut path, self.index, self.width);
        path
    }

    /// Reads the one spelling of a bundle path [T-1].
    pub fn parse(path: &str) -> Result<BundleId, TileError> {
        match parse_path(path)? {
            Path::Bundle(bundle) => Ok(bundle),
            Path::Tile(_) => Err(TileError::Path(Quote::of(path))),
        }
    }

    /// Index of the first entry; 2^64 − 1 for a bundle beyond every tree.
    pub fn start(&self) -> LeafIndex {
        LeafIndex::new(self.index.saturating_mul(u64::from(TILE_WIDTH)))
    }

    /// The smallest tree that has this bundle; 2^64 − 1 for one beyond every tree [T-3].
    pub fn end(&self) -> TreeSize {
        self.hashes().end()
    }

    /// True when a tree of `size` entries has this bundle, or a fuller one at the same place [T-3].
    pub fn is_within(&self, size: TreeSize) -> bool {
        self.hashes().is_within(size)
    }

    /// The full bundle at the same place.
    pub const fn full(self) -> BundleId {
        BundleId { width: TILE_WIDTH, ..self }
    }

    /// True when no entry can be added.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The bundle that holds entry `index` in a tree of `size` entries; `None` when the tree does not hold it [T-4].
    pub fn holding(index: LeafIndex, size: TreeSize) -> Option<BundleId> {
        BundleId::at(index.get() / u64::from(TILE_WIDTH), size).filter(|_| index.is_in(size))
    }

    /// The bundle at `index` in a tree of `size` entries: full, partial, or `None` [T-4].
    pub fn at(index: u64, size: TreeSize) -> Option<BundleId> {
        TileId::at(0, index, size).map(|tile| BundleId { index, width: tile.width })
    }

    /// The level-0 tile with the leaf hashes of these entries.
    pub const fn hashes(&self) -> TileId {
        TileId { level: 0, index: self.index, width: self.width }
    }
}

impl Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.path())
    }
}

impl Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.path())
    }
}

impl Path {
    /// The one spelling of the path [T-1].
    pub fn path(&self) -> String {
        match self {
            Path::Tile(tile) => tile.path(),
            Path::Bundle(bundle) => bundle.path(),
        }
    }

    /// See [`TileId::is_within`] [T-3].
    pub fn is_within(&self, size: TreeSize) -> bool {
        match self {
            Path::Tile(tile) => tile.is_within(size),
            Path::Bundle(bundle) => bundle.is_within(size),
        }
    }
}

/// Reads a path such as `tile/0/x001/x234/067.p/89` or `tile/entries/000`, without a leading slash [T-1].
pub fn parse_path(path: &str) -> Result<Path, TileError> {
    read_path(path).filter(|read| read.path() == path).ok_or_else(|| TileError::Path(Quote::of(path)))
}

/// Reads more spellings than one; `parse_path` prints what was read and compares.
fn read_path(path: &str) -> Option<Path> {
    let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
    let (digits, width) = match place.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok().filter(|width| *width < TILE_WIDTH)?),
        None => (place, TILE_WIDTH),
    };
    let index = digits.split('/').try_fold(0_u64, |index, group| {
        let group = group.strip_prefix('x').unwrap_or(group);
        index.checked_mul(1_000)?.checked_add(group.parse().ok().filter(|group| *group < 1_000)?)
    })?;
    match level {
        "entries" => BundleId::new(index, width).ok().map(Path::Bundle),
        _ => TileId::new(level.parse().ok()?, index, width).ok().map(Path::Tile),
    }
}

/// Appends `<N>[.p/<W>]`: groups of three digits, an `x` before all but the last.
fn push_index(path: &mut String, index: u64, width: u16) {
    let mut unit = 1_u64;
    while index / unit >= 1_000 {
        unit *= 1_000;
    }
    loop {
        let group = index / unit % 1_000;
        push(path, format_args!("{}{group:03}", if unit > 1 { "x" } else { "" }));
        if unit == 1 {
            break;
        }
        path.push('/');
        unit /= 1_000;
    }
    if width < TILE_WIDTH {
        push(path, format_args!(".p/{width}"));
    }
}

fn checked_width(width: u16) -> Result<u16, TileError> {
    match width {
        1..=TILE_WIDTH => Ok(width),
        _ => Err(TileError::Width { got: width }),
    }
}

/// Hashes that a tree of `size` entries has at tile level `level`: `floor(size / 256^level)` [T-4].
pub(crate) fn hashes_at(size: TreeSize, level: u8) -> u64 {
    size.get().checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Hashes in the partial tile at `level` of a tree of `size` entries, 0 to 255; 0 when there is none.
///
/// `floor(size / 256^level) mod 256` [T-4]: the base-256 digit of `size` at `level`. Cannot fail.
pub fn partial_width(size: TreeSize, level: u8) -> u16 {
    size.get().to_le_bytes().get(usize::from(level)).copied().map_or(0, u16::from)
}

/// The rightmost tile of every level of a tree, from level 0 up: partial, or full where the level ends in one [T-4].
pub fn tiles_of(size: TreeSize) -> impl Iterator<Item = TileId> {
    (0..8).filter_map(move |level| {
        let last = hashes_at(size, level).checked_sub(1)?;
        TileId::at(level, last / u64::from(TILE_WIDTH), size)
    })
}

/// The nodes inside one tile, for `rs_merkle`: only how two hashes meet is ours.
#[derive(Clone)]
struct InsideTile;

impl rs_merkle::Hasher for InsideTile {
    type Hash = [u8; HASH_BYTES];

    fn hash(data: &[u8]) -> Self::Hash {
        *Hash::of(data).as_bytes()
    }

    /// A node [H-3]; without a right neighbour the left one moves up, which is how RFC 9162 splits [H-8].
    fn concat_and_hash(left: &Self::Hash, right: Option<&Self::Hash>) -> Self::Hash {
        match right {
            Some(right) => *node_hash(&Hash::new(*left), &Hash::new(*right)).as_bytes(),
            None => *left,
        }
    }
}

/// Root of the tree over the hashes of one tile, or of a part of it; the empty root without any [T-5].
///
/// At most 256 hashes belong in a tile; more would be hashed as one tree all the same. Cannot fail.
pub fn tile_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let bytes: Vec<_> = hashes.iter().map(|hash| *hash.as_bytes()).collect();
            let tree = rs_merkle::PartialTree::<InsideTile>::from_leaves(&bytes);
            // `from_leaves` errs only when a node has no left child, which a full row of leaves rules out.
            tree.ok().and_then(|tree| tree.root().copied()).map_or_else(empty_root, Hash::new)
        }
    }
}

/// The bytes of a tile with these hashes [T-2].
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hashes.len() * HASH_BYTES);
    hashes.iter().for_each(|hash| bytes.extend_from_slice(hash.as_bytes()));
    bytes
}

/// Appends one entry to a bundle: its length as a big-endian `u16`, then its bytes [T-6].
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong { got: entry.len() })?;
    bundle.reserve(2 + entry.len());
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The bytes of a bundle with these entries [T-6].
pub fn encode_bundle<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    for entry in entries {
        push_entry(&mut bundle, entry)?;
    }
    Ok(bundle)
}

/// The entries of a bundle of `width` entries, borrowed; nothing may be missing or left over [T-6].
pub fn entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut rest = bundle;
    let mut entries = Vec::with_capacity(usize::from(width));
    for entry in 0..width {
        let truncated = TileError::Truncated { entry };
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(|| truncated.clone())?;
        let (bytes, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(truncated)?;
        entries.push(bytes);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(TileError::LeftOver { width, got: rest.len() }) }
}

/// The entries of a bundle of `width` entries; nothing may be missing or left over [T-6].
pub fn decode_bundle(bundle: &[u8], width: u16) -> Result<Vec<Vec<u8>>, TileError> {
    Ok(entries(bundle, width)?.into_iter().map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tree::{root_by_definition, test_leaves};
    use alloc::vec;

    #[test]
    fn paths_have_one_spelling() {
        // [T-1]
        for (path, level, index, width) in [
            ("tile/0/000", 0, 0, 256),
            ("tile/0/000.p/255", 0, 0, 255),
            ("tile/0/x001/x234/067.p/1", 0, 1_234_067, 1),
            ("tile/63/x999/999", 63, 999_999, 256),
            ("tile/7/x018/x446/x744/x073/x709/x551/615", 7, u64::MAX, 256),
        ] {
            let tile = TileId::new(level, index, width).unwrap();
            assert_eq!(tile.path(), path);
            assert_eq!(parse_path(path), Ok(Path::Tile(tile)));
            assert_eq!(TileId::parse(path), Ok(tile));
            assert!(BundleId::parse(path).is_err());
        }
        let bundle = BundleId::new(123_456_789, 9).unwrap();
        assert_eq!(bundle.path(), "tile/entries/x123/x456/789.p/9");
        assert_eq!(BundleId::parse("tile/entries/x123/x456/789.p/9"), Ok(bundle));
        for wrong in [
            "",
            "/tile/0/000",
            "tile/0/000/",
            "tile/00/000",
            "tile/+1/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/067",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/x001/x002",
            "tile/0/+01",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/2",
            "tile/entries/",
            "tile/data/000",
            "tile/8/0/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(parse_path(wrong), Err(TileError::Path(Quote::of(wrong))), "{wrong}");
        }
        assert_eq!(TileId::new(64, 0, 1), Err(TileError::Level { got: 64 }));
        assert_eq!(TileId::new(0, 0, 0), Err(TileError::Width { got: 0 }));
        assert_eq!(BundleId::new(0, 257), Err(TileError::Width { got: 257 }));
    }

    #[test]
    fn the_tiles_of_a_tree() {
        // The example of tlog-tiles, "Partial Tiles": 70,000 entries. [T-4]
        let edge: Vec<String> = tiles_of(TreeSize::new(70_000)).map(|tile| tile.path()).collect();
        assert_eq!(edge, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        let edge: Vec<String> = tiles_of(TreeSize::new(256)).map(|tile| tile.path()).collect();
        assert_eq!(edge, ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(tiles_of(TreeSize::ZERO).count(), 0);
        assert_eq!(tiles_of(TreeSize::new(u64::MAX)).count(), 8);
        assert_eq!(partial_width(TreeSize::new(70_000), 0), 112);
        assert_eq!(partial_width(TreeSize::new(70_000), 1), 17);
        assert_eq!(partial_width(TreeSize::new(70_000), 63), 0);
        for tile in tiles_of(TreeSize::new(70_000)) {
            assert_eq!(tile.is_full(), partial_width(TreeSize::new(70_000), tile.level()) == 0);
        }
    }

    #[test]
    fn where_a_tile_ends() {
        // [T-3]
        let size = TreeSize::new(70_000);
        for tile in tiles_of(size) {
            assert!(tile.is_within(size), "{tile}");
            assert!(!tile.is_within(TreeSize::new(tile.end().get() - 1)), "{tile}");
        }
        assert_eq!(TileId::new(1, 1, 17).unwrap().end(), TreeSize::new((256 + 17) * 256));
        let beyond = TileId::new(15, 455_667, 256).unwrap();
        assert_eq!(beyond.end(), TreeSize::new(u64::MAX));
        assert!(!beyond.is_within(TreeSize::new(u64::MAX)));
        assert!(!TileId::new(63, u64::MAX, 1).unwrap().is_within(TreeSize::new(u64::MAX)));
        assert!(!TileId::new(16, 0, 1).unwrap().is_within(TreeSize::new(u64::MAX)));
        assert!(BundleId::new(0, 256).unwrap().is_within(TreeSize::new(256)));
        assert!(!BundleId::new(0, 256).unwrap().is_within(TreeSize::new(255)));
    }

    #[test]
    fn which_bundle_holds_an_entry() {
        // [T-4]
        let at = |index, size| BundleId::holding(LeafIndex::new(index), TreeSize::new(size));
        assert_eq!(at(251, 255), BundleId::new(0, 255).ok());
        assert_eq!(at(3, 257), BundleId::new(0, 256).ok());
        assert_eq!(at(256, 257), BundleId::new(1, 1).ok());
        assert_eq!(at(257, 257), None);
        assert_eq!(at(256, 256), None);
        assert_eq!(at(1, 257).unwrap().hashes().path(), "tile/0/000");
        assert_eq!(at(256, 257).unwrap().start(), LeafIndex::new(256));
        assert_eq!(BundleId::at(1, TreeSize::new(300)), BundleId::new(1, 44).ok());
        assert_eq!(TileId::at(1, 0, TreeSize::new(255)), None);
        assert_eq!(BundleId::new(1, 44).unwrap().full(), BundleId::new(1, 256).unwrap());
        assert_eq!(TileId::new(2, 1, 44).unwrap().full(), TileId::new(2, 1, 256).unwrap());
    }

    #[test]
    fn the_tree_inside_a_tile() {
        // `rs_merkle` with our nodes, against the definition, at every width. [T-5] [H-8]
        let leaves = test_leaves(256);
        for width in 0..=256 {
            assert_eq!(tile_root(&leaves[..width]), root_by_definition(&leaves[..width]), "width {width}");
        }
    }

    #[test]
    fn bundles_hold_exactly_their_entries() {
        // [T-6]
        let bundle = encode_bundle([b"".as_slice(), b"a", b"bc"].into_iter()).unwrap();
        assert_eq!(bundle, [0, 0, 0, 1, b'a', 0, 2, b'b', b'c']);
        assert_eq!(decode_bundle(&bundle, 3), Ok(vec![vec![], b"a".to_vec(), b"bc".to_vec()]));
        assert_eq!(entries(&bundle, 2), Err(TileError::LeftOver { width: 2, got: 4 }));
        assert_eq!(entries(&bundle, 4), Err(TileError::Truncated { entry: 3 }));
        assert_eq!(entries(&bundle[..8], 3), Err(TileError::Truncated { entry: 2 }));
        assert_eq!(entries(&bundle[..1], 1), Err(TileError::Truncated { entry: 0 }));
        assert_eq!(entries(&[], 0), Ok(vec![]));
        let longest = vec![7; ENTRY_BYTES_MAX];
        assert_eq!(encode_bundle([longest.as_slice()].into_iter()).unwrap().len(), 2 + ENTRY_BYTES_MAX);
        let too_long = vec![7; ENTRY_BYTES_MAX + 1];
        let refused = encode_bundle([too_long.as_slice()].into_iter());
        assert_eq!(refused, Err(TileError::EntryTooLong { got: ENTRY_BYTES_MAX + 1 }));
    }

    #[test]
    fn a_tile_is_its_hashes_side_by_side() {
        // [T-2]
        let leaves = test_leaves(3);
        let bytes = encode_tile(&leaves);
        assert_eq!(bytes.len(), TileId::new(0, 0, 3).unwrap().bytes());
        assert_eq!(Hash::slice_of(&bytes), Some(leaves));
    }

    proptest::proptest! {
        #[test]
        fn a_path_that_is_read_is_printed_alike(path in "tile/(entries|[0-9]{1,2})(/x[0-9]{3}){0,3}/[0-9]{3}(\\.p/[0-9]{1,3})?") {
            // [T-1]
            if let Ok(read) = parse_path(&path) {
                proptest::prop_assert_eq!(read.path(), path);
            }
        }

        #[test]
        fn a_bundle_that_is_read_is_written_alike(bytes in proptest::collection::vec(0_u8..4, 0..40), width in 0_u16..8) {
            // [T-6]
            if let Ok(read) = entries(&bytes, width) {
                proptest::prop_assert_eq!(read.len(), usize::from(width));
                proptest::prop_assert_eq!(encode_bundle(read.into_iter()), Ok(bytes));
            }
        }
    }
}
