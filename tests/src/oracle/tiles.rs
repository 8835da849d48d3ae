//! Tiles, bundles and their paths, from the text of c2sp.org/tlog-tiles.
//!
//! Everything is computed from all leaf hashes again. Not here: HTTP, caching, compression.

use super::Digest;
use super::merkle::mth;

/// A tile or bundle: its path and its bytes.
pub type File = (String, Vec<u8>);

/// `tile/<L>/<N>[.p/<W>]`, or `tile/entries/…` for `level` `None`; `width` 256 is a full one.
///
/// `<N>` is the index in groups of three digits, all but the last with an `x` before them.
#[must_use]
pub fn path(level: Option<u8>, index: u64, width: usize) -> String {
    let level = level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
    let mut digits = index.to_string();
    while !digits.len().is_multiple_of(3) {
        digits.insert(0, '0');
    }
    let mut groups = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let is_last_group = at + 3 >= digits.len();
        if at % 3 == 0 {
            groups.push_str(if is_last_group { "/" } else { "/x" });
        }
        groups.push(digit);
    }
    let partial = if width == 256 { String::new() } else { format!(".p/{width}") };
    format!("tile/{level}{groups}{partial}")
}

/// Every tile of the tree over `leaves`: full tiles, and the partial one of each level.
///
/// The hashes of level 0 are the leaves; a hash of level `l + 1` is the root of a full tile of level `l`.
#[must_use]
pub fn tiles(leaves: &[Digest]) -> Vec<File> {
    let mut files = Vec::new();
    let mut row = leaves.to_vec();
    let mut level = 0;
    while !row.is_empty() {
        for (index, hashes) in (0..).zip(row.chunks(256)) {
            files.push((path(Some(level), index, hashes.len()), hashes.concat()));
        }
        row = row.chunks_exact(256).map(mth).collect();
        level += 1;
    }
    files
}

/// Every bundle of `entries`: each entry behind its length as a big-endian `u16`.
///
/// # Panics
/// When an entry is longer than 65,535 bytes.
#[must_use]
#[expect(clippy::expect_used, reason = "an oracle is given entries that have a place in a bundle")]
pub fn bundles(entries: &[Vec<u8>]) -> Vec<File> {
    let framed = |entry: &Vec<u8>| {
        let length = u16::try_from(entry.len()).expect("an entry is at most 65,535 bytes");
        [&length.to_be_bytes(), entry.as_slice()].concat()
    };
    let bundle = |(index, entries): (u64, &[Vec<u8>])| {
        (path(None, index, entries.len()), entries.iter().flat_map(framed).collect())
    };
    (0..).zip(entries.chunks(256)).map(bundle).collect()
}
