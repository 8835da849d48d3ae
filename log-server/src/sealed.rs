//! Sealed records: the objects that hold them beside the leaves [S-29] (85-log.md, "Sealed records").
//!
//! A batch has one object for its records, two when it crosses a multiple of 65,536 entries. What a record says is not
//! looked at. Not here: when objects are written (`batch`, `log`) and erased (`erase`), whether a record is its leaf's
//! (`fsck`), who may read one (`http`).

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use vitrine_spec::limits::{RECORD_BYTES_MAX, TILE_WIDTH};
use vitrine_spec::sealing::is_erased;
use vitrine_spec::text::decimal;
use vitrine_spec::tiles::BundleId;
use vitrine_spec::tree::LeafIndex;

use crate::layout;
use crate::limits::SEALED_GROUP_ENTRIES;
use crate::stop::Stop;
use crate::store::{Store, StoreError};

/// Bytes before each record: its index as u64 and its length as u32, big-endian.
pub(crate) const FRAME_BYTES: usize = 8 + 4;

/// Why bytes are no object of sealed records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No record at all: such an object is never written.
    #[error("it holds no record")]
    Empty,
    /// The bytes end inside a frame or a record.
    #[error("it ends inside what begins at byte {at}")]
    Truncated {
        /// Where the frame begins.
        at: usize,
    },
    /// A record longer than any, or none.
    #[error("the record of entry {index} has {got} bytes instead of 1 to {RECORD_BYTES_MAX}")]
    Length {
        /// The entry.
        index: u64,
        /// Bytes that the frame says.
        got: u32,
    },
    /// Records out of order, or two of one entry.
    #[error("the record of entry {index} stands behind that of entry {before}")]
    Order {
        /// The entry.
        index: u64,
        /// The entry before.
        before: u64,
    },
    /// A record of an entry that the object's name does not cover.
    #[error("the record of entry {index} stands in the object of the entries {first} to {end}, the last not included")]
    Outside {
        /// The entry.
        index: u64,
        /// First entry by the name.
        first: u64,
        /// Entry after the last by the name.
        end: u64,
    },
}

/// Why sealed records could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealedError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object went away after its name was listed.
    #[error("{path} is missing")]
    Missing {
        /// The object.
        path: String,
    },
    /// An object that is not in its format.
    #[error("{path}: {source}; this is damage, copy the object back")]
    Frame {
        /// The object.
        path: String,
        /// What is wrong with it.
        source: FrameError,
    },
}

impl SealedError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            SealedError::Store(error) => error.stop(),
            SealedError::Missing { .. } | SealedError::Frame { .. } => Stop::SealedDamaged,
        }
    }
}

/// The entries that an object stands for, half open: those of its batch inside one group of 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first entry.
    pub first: u64,
    /// The entry after its last.
    pub end: u64,
}

impl Span {
    /// The spans of the entries `first` to `end`, cut at multiples of 65,536.
    pub fn cut(first: u64, end: u64) -> impl Iterator<Item = Span> {
        let mut next = first;
        std::iter::from_fn(move || {
            let span = Span { first: next, end: end.min(group_end(next)) };
            next = span.end;
            (span.first < span.end).then_some(span)
        })
    }

    /// True for an entry of it.
    pub fn holds(&self, index: u64) -> bool {
        (self.first..self.end).contains(&index)
    }

    /// `sealed/<first / 65536 as a tile's number>/<first>-<end>`.
    pub fn path(&self) -> String {
        path(self.first, self.end)
    }

    /// Reads the one spelling of a path.
    pub fn parse(path: &str) -> Option<Span> {
        let (first, end) = path.rsplit_once('/')?.1.split_once('-')?;
        let span = Span { first: decimal(first).ok()?, end: decimal(end).ok()? };
        let whole = span.first < span.end && span.end <= group_end(span.first);
        (whole && span.path() == path).then_some(span)
    }
}

/// The entry after the last of the group that an entry is in.
fn group_end(index: u64) -> u64 {
    (index / SEALED_GROUP_ENTRIES + 1).saturating_mul(SEALED_GROUP_ENTRIES)
}

/// The folder of the objects of a group of 65,536 entries.
fn folder(group: u64) -> String {
    // The spelling of a tile's number [T-1].
    let numbered = BundleId::new(group, TILE_WIDTH).map(|id| id.path()).unwrap_or_default();
    let number = numbered.strip_prefix("tile/entries/").unwrap_or_default();
    layout::join(layout::SEALED_FOLDER, number)
}

/// The path of the object for the entries `first` to `end`, which are in one group.
pub fn path(first: u64, end: u64) -> String {
    format!("{}/{first}-{end}", folder(first / SEALED_GROUP_ENTRIES))
}

/// The bytes of an object: per record its index as u64, its length as u32, itself, in order of index.
pub fn encode<'a>(records: impl IntoIterator<Item = (u64, &'a [u8])>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, record) in records {
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(record);
    }
    bytes
}

/// The first record of bytes that may go on: its index and itself; `None` when it is not whole yet.
pub(crate) fn first(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, FrameError> {
    let Some((index, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let (index, got) = (u64::from_be_bytes(*index), u32::from_be_bytes(*length));
    let length = usize::try_from(got).ok().filter(|length| (1..=RECORD_BYTES_MAX).contains(length));
    Ok(rest.get(..length.ok_or(FrameError::Length { index, got })?).map(|record| (index, record)))
}

/// Where each record stands in an object, by index.
pub fn decode(bytes: &[u8]) -> Result<Vec<(u64, Range<usize>)>, FrameError> {
    let mut records: Vec<(u64, Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let whole = first(bytes.get(at..).unwrap_or_default())?;
        let (index, record) = whole.ok_or(FrameError::Truncated { at })?;
        if let Some((before, _)) = records.last().filter(|(before, _)| *before >= index) {
            return Err(FrameError::Order { index, before: *before });
        }
        let start = at + FRAME_BYTES;
        at = start + record.len();
        records.push((index, start..at));
    }
    if records.is_empty() { Err(FrameError::Empty) } else { Ok(records) }
}

/// As [`decode`], of the object that stands for `span`.
pub fn decode_span(span: Span, bytes: &[u8]) -> Result<Vec<(u64, Range<usize>)>, FrameError> {
    let records = decode(bytes)?;
    match records.iter().find(|(index, _)| !span.holds(*index)) {
        Some((index, _)) => Err(FrameError::Outside { index: *index, first: span.first, end: span.end }),
        None => Ok(records),
    }
}

/// Which records were overwritten with zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zeroed {
    /// Those that the object holds.
    pub held: BTreeSet<LeafIndex>,
    /// Those of them that were not zero before.
    pub changed: BTreeSet<LeafIndex>,
}

/// Overwrites those of the wanted records that an object holds with zeros, length kept.
pub fn zero(span: Span, bytes: &mut [u8], wanted: &BTreeSet<LeafIndex>) -> Result<Zeroed, FrameError> {
    let mut zeroed = Zeroed::default();
    for (index, place) in decode_span(span, bytes)? {
        let index = LeafIndex::new(index);
        if !wanted.contains(&index) {
            continue;
        }
        let record = bytes.get_mut(place).unwrap_or_default();
        if !is_erased(record) {
            record.fill(0);
            zeroed.changed.insert(index);
        }
        zeroed.held.insert(index);
    }
    Ok(zeroed)
}

/// Finds objects, and keeps the names of the group it looked at last: to list a full group takes longer than to read one of
/// its objects. For whoever alone adds objects.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    spans: Vec<Span>,
    /// The names of the group were made durable since it was listed.
    synced: bool,
}

impl Finder {
    /// The object that stands for an entry, when there is one.
    pub fn find(&mut self, store: &dyn Store, index: u64) -> Result<Option<Span>, StoreError> {
        if let Some(span) = self.known(index) {
            return Ok(Some(span));
        }
        *self = Finder { spans: spans(store, index / SEALED_GROUP_ENTRIES)?, synced: false };
        Ok(self.known(index))
    }

    /// Makes durable what the group of an object that was found holds: once, because whoever writes an object later makes it
    /// durable itself.
    pub fn sync(&mut self, store: &dyn Store, found: Span) -> Result<(), StoreError> {
        if !self.synced {
            store.sync_folder(layout::folder(&found.path()))?;
            self.synced = true;
        }
        Ok(())
    }

    fn known(&self, index: u64) -> Option<Span> {
        let after = self.spans.partition_point(|span| span.first <= index);
        self.spans.get(after.checked_sub(1)?).copied().filter(|span| span.holds(index))
    }
}

/// The entry after the last that an object of the group of `first` stands for; `None` when it has no object.
pub(crate) fn end_of(store: &dyn Store, first: u64) -> Result<Option<u64>, StoreError> {
    Ok(spans(store, first / SEALED_GROUP_ENTRIES)?.last().map(|span| span.end))
}

/// The objects of a group, in order. A name that no object has is left to `fsck`.
fn spans(store: &dyn Store, group: u64) -> Result<Vec<Span>, StoreError> {
    let folder = folder(group);
    let names = store.list(&folder)?;
    let mut spans: Vec<Span> = names.iter().filter_map(|name| Span::parse(&layout::join(&folder, name))).collect();
    spans.sort_unstable();
    Ok(spans)
}

/// The sealed records of the entries `from` to `to`, in order, object by object: one object is in memory at a time.
pub struct Records {
    store: Arc<dyn Store>,
    from: u64,
    to: u64,
    /// The next group to list.
    group: u64,
    /// Objects of the group listed last that were not read yet.
    spans: VecDeque<Span>,
    bytes: Vec<u8>,
    places: VecDeque<(u64, Range<usize>)>,
}

impl Records {
    /// Reads nothing yet; `to` is half open.
    pub fn new(store: Arc<dyn Store>, from: u64, to: u64) -> Records {
        let group = from / SEALED_GROUP_ENTRIES;
        Records { store, from, to, group, spans: VecDeque::new(), bytes: Vec::new(), places: VecDeque::new() }
    }

    fn advance(&mut self) -> Result<Option<(u64, Vec<u8>)>, SealedError> {
        loop {
            while let Some((index, place)) = self.places.pop_front() {
                if (self.from..self.to).contains(&index) {
                    return Ok(Some((index, self.bytes.get(place).unwrap_or_default().to_vec())));
                }
            }
            if let Some(span) = self.spans.pop_front() {
                let path = span.path();
                let Some(bytes) = self.store.read(&path)? else { return Err(SealedError::Missing { path }) };
                let places = decode_span(span, &bytes).map_err(|source| SealedError::Frame { path, source })?;
                (self.bytes, self.places) = (bytes, places.into());
                continue;
            }
            if self.group.saturating_mul(SEALED_GROUP_ENTRIES) >= self.to {
                return Ok(None);
            }
            let (from, to) = (self.from, self.to);
            let inside = |span: &Span| span.first < to && from < span.end;
            self.spans = spans(&*self.store, self.group)?.into_iter().filter(inside).collect();
            self.group += 1;
        }
    }
}

/// After an error there is nothing more.
impl Iterator for Records {
    type Item = Result<(u64, Vec<u8>), SealedError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.to = self.from;
            self.spans.clear();
            self.places.clear();
        }
        next.transpose()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::{Files, OsDisk};

    fn object() -> Vec<u8> {
        encode([(5, &b"five"[..]), (7, &b"seven"[..])])
    }

    #[test]
    fn an_object_has_one_spelling_and_no_other_bytes() {
        // [S-29]
        let bytes = object();
        assert_eq!(bytes[..16], *b"\0\0\0\0\0\0\0\x05\0\0\0\x04five");
        assert_eq!(decode(&bytes).unwrap(), [(5, 12..16), (7, 28..33)]);
        assert_eq!(decode(&[]), Err(FrameError::Empty));
        for end in 1..bytes.len() {
            assert_eq!(decode(&bytes[..end]).is_ok(), end == 16, "cut at {end}");
        }
        assert_eq!(decode(&encode([(7, &b"a"[..]), (5, b"b")])), Err(FrameError::Order { index: 5, before: 7 }));
        assert_eq!(decode(&encode([(7, &b"a"[..]), (7, b"b")])), Err(FrameError::Order { index: 7, before: 7 }));
        assert_eq!(decode(&encode([(7, &b""[..])])), Err(FrameError::Length { index: 7, got: 0 }));
        let long = vec![0; RECORD_BYTES_MAX + 1];
        assert_eq!(decode(&encode([(7, &long[..])])), Err(FrameError::Length { index: 7, got: long.len() as u32 }));
        assert!(decode(&encode([(7, &long[1..])])).is_ok());
        let narrow = decode_span(Span { first: 5, end: 7 }, &bytes);
        assert_eq!(narrow, Err(FrameError::Outside { index: 7, first: 5, end: 7 }));
        assert!(decode_span(Span { first: 5, end: 8 }, &bytes).is_ok());
    }

    #[test]
    fn a_path_has_one_spelling_and_stays_in_its_group() {
        // [S-29]
        assert_eq!(path(0, 3), "sealed/000/0-3");
        assert_eq!(path(65_536, 131_072), "sealed/001/65536-131072");
        assert_eq!(path(65_536 * 1_067 + 2, 65_536 * 1_067 + 4), "sealed/x001/067/69926914-69926916");
        let cut: Vec<String> = Span::cut(65_000, 131_073).map(|span| span.path()).collect();
        assert_eq!(cut, ["sealed/000/65000-65536", "sealed/001/65536-131072", "sealed/002/131072-131073"]);
        assert_eq!(Span::cut(65_536, 65_536).count(), 0);
        for span in Span::cut(65_000, 131_073) {
            assert_eq!(Span::parse(&span.path()), Some(span));
        }
        for other in [
            "sealed/000/3-3",
            "sealed/000/03-4",
            "sealed/000/3-65537",
            "sealed/001/3-4",
            "sealed/0/3-4",
            "sealed/000/3",
            "sealed/000/3-4-5",
            "other/000/3-4",
            "sealed/000/3-4/",
        ] {
            assert_eq!(Span::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_record_is_zeroed_in_its_place_and_no_other_byte_changes() {
        // [S-31]
        let span = Span { first: 0, end: 10 };
        let (mut bytes, before) = (object(), object());
        let [wanted, held] = [vec![6, 7], vec![7]].map(|all| BTreeSet::from_iter(all.into_iter().map(LeafIndex::new)));
        let zeroed = zero(span, &mut bytes, &wanted).unwrap();
        assert_eq!(zeroed, Zeroed { held: held.clone(), changed: held.clone() });
        assert_eq!((&bytes[..28], &bytes[28..]), (&before[..28], &[0; 5][..]));
        assert_eq!(zero(span, &mut bytes, &wanted).unwrap(), Zeroed { held, changed: BTreeSet::new() });
        assert!(zero(span, &mut bytes[..20], &wanted).is_err());
    }

    #[test]
    fn records_come_in_order_from_objects_of_every_group() {
        // [S-29]
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Files::new(OsDisk::create(folder.path()).unwrap()));
        let held = [0, 9, 10, 65_535, 65_536, 65_540, 200_000];
        // Sorted by name, 10-65536 would stand before 9-10.
        for (first, end) in [(0, 5), (9, 10), (10, 65_536), (65_536, 65_540), (65_540, 65_541), (200_000, 200_001)] {
            let inside = held.iter().filter(|index| (first..end).contains(*index));
            let texts: Vec<(u64, Vec<u8>)> = inside.map(|index| (*index, index.to_string().into_bytes())).collect();
            let bytes = encode(texts.iter().map(|(index, text)| (*index, text.as_slice())));
            store.put(&path(first, end), &bytes).unwrap();
        }
        let read = |from, to| -> Vec<u64> {
            let records = Records::new(Arc::clone(&store), from, to).map(Result::unwrap);
            records.inspect(|(index, bytes)| assert_eq!(*bytes, index.to_string().into_bytes())).map(|r| r.0).collect()
        };
        assert_eq!(read(0, 1 << 20), held);
        for from in [0, 1, 9, 10, 11, 65_535, 65_536, 65_537, 199_999, 200_000, 200_001] {
            for to in [0, 1, 10, 65_536, 65_537, 200_000, 200_001] {
                let want: Vec<u64> = held.iter().copied().filter(|index| (from..to).contains(index)).collect();
                assert_eq!(read(from, to), want, "{from} to {to}");
            }
        }
        let mut finder = Finder::default();
        assert_eq!(finder.find(&*store, 9).unwrap(), Some(Span { first: 9, end: 10 }));
        assert_eq!(finder.find(&*store, 100).unwrap(), Some(Span { first: 10, end: 65_536 }));
        assert_eq!(finder.find(&*store, 7).unwrap(), None);
        assert_eq!(finder.find(&*store, 70_000).unwrap(), None);
        assert_eq!(finder.find(&*store, 9).unwrap(), Some(Span { first: 9, end: 10 }));
        store.delete(&path(10, 65_536)).unwrap();
        assert!(finder.find(&*store, 100).unwrap().is_some(), "a group is not listed again for each of its objects");
        store.put(&path(7, 8), &encode([(7, &b"7"[..])])).unwrap();
        assert_eq!(
            finder.find(&*store, 7).unwrap(),
            Some(Span { first: 7, end: 8 }),
            "but for one that it did not have"
        );
        assert_eq!(finder.find(&*store, 100).unwrap(), None);

        let span = finder.find(&*store, 7).unwrap().unwrap();
        finder.sync(&*store, span).unwrap();
        let group = folder.path().join("sealed/000");
        std::fs::rename(&group, folder.path().join("aside")).unwrap();
        std::fs::write(&group, b"no folder").unwrap();
        finder.sync(&*store, span).unwrap();
        assert!(Finder::default().sync(&*store, span).is_err(), "a group is not synced again for each of its objects");
        std::fs::remove_file(&group).unwrap();
        std::fs::rename(folder.path().join("aside"), &group).unwrap();

        store.put(&path(65_536, 65_540), b"torn").unwrap();
        let mut records = Records::new(Arc::clone(&store), 0, 1 << 20);
        let error = records.find_map(Result::err).unwrap();
        assert!(error.to_string().starts_with("sealed/001/65536-65540: it ends inside"), "{error}");
        assert!(records.next().is_none());
    }
}
