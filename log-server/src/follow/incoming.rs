//! Sealed records on their way into a copy: each is compared with its leaf before it is written [S-45] (85-log.md, "Copies").
//!
//! Objects are cut by bytes, so that none is larger than a server reads at once. Not here: asking for them (`follow`).

use std::collections::{BTreeMap, BTreeSet};

use vitrine_spec::hash::Hash;
use vitrine_spec::sealing::is_erased;
use vitrine_spec::statement::Sealed;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::error::FollowError;
use crate::limits::SEALED_OBJECT_BYTES;
use crate::sealed::{self, FrameError, Span};
use crate::store::Store;

/// Records on their way from the log into objects.
pub(super) struct Incoming<'a> {
    store: &'a dyn Store,
    url: &'a str,
    span: Span,
    wanted: &'a BTreeMap<u64, Sealed>,
    erased: &'a BTreeSet<LeafIndex>,
    size: TreeSize,
    /// Bytes that are not a whole frame yet.
    rest: Vec<u8>,
    /// Frames of the next object, which begins at the span's first entry.
    object: Vec<u8>,
    taken: u64,
    /// Entries below were looked at.
    next: u64,
}

impl<'a> Incoming<'a> {
    /// Records for the entries of `span`, those of `wanted`, as a log of `size` entries has them.
    pub(super) fn new(
        store: &'a dyn Store,
        url: &'a str,
        span: Span,
        wanted: &'a BTreeMap<u64, Sealed>,
        erased: &'a BTreeSet<LeafIndex>,
        size: TreeSize,
    ) -> Incoming<'a> {
        Incoming {
            store,
            url,
            span,
            wanted,
            erased,
            size,
            rest: Vec::new(),
            object: Vec::new(),
            taken: 0,
            next: span.first,
        }
    }

    fn wrong(&self, index: u64, reason: impl Into<String>) -> FollowError {
        FollowError::Record { url: self.url.to_owned(), index, reason: reason.into() }
    }

    /// Takes the next bytes of an answer.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), FollowError> {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        loop {
            match sealed::first(rest.get(at..).unwrap_or_default()) {
                Ok(Some((index, record))) => {
                    self.take(index, record)?;
                    at += sealed::FRAME_BYTES + record.len();
                }
                Ok(None) => break,
                Err(error @ FrameError::Length { index, .. }) => return Err(self.wrong(index, error.to_string())),
                Err(error) => return Err(self.wrong(self.next, error.to_string())),
            }
        }
        self.rest = rest.get(at..).unwrap_or_default().to_vec();
        Ok(())
    }

    /// Takes one record, which must be the next that is wanted and what its leaf says.
    pub(super) fn take(&mut self, index: u64, record: &[u8]) -> Result<(), FollowError> {
        let Some(sealed) = self.wanted.get(&index).filter(|_| index >= self.next) else {
            return Err(self.wrong(index, "it was not asked for, or came twice"));
        };
        if let Some((missing, _)) = self.wanted.range(self.next..index).next() {
            return Err(self.wrong(*missing, format!("it is missing, that of entry {index} came")));
        }
        let long = record.len() as u64 == sealed.size;
        let fits = long && Hash::of(record) == sealed.sha256;
        let zero = long && is_erased(record);
        let erased = self.erased.contains(&LeafIndex::new(index));
        if !fits && zero && !erased {
            return Err(FollowError::Zero { url: self.url.to_owned(), index, size: self.size });
        }
        if !fits && !zero {
            let (got, want) = (Hash::of(record).hex(), sealed.sha256.hex());
            let lengths = format!("{} bytes with SHA-256 {got}, the leaf says {}", record.len(), sealed.size);
            return Err(self.wrong(index, format!("{lengths} with {want}")));
        }
        let zeros = vec![0; if erased { record.len() } else { 0 }];
        let kept = if erased { zeros.as_slice() } else { record };
        self.object.extend(sealed::encode([(index, kept)]));
        self.next = index + 1;
        self.taken += 1;
        if self.object.len() >= SEALED_OBJECT_BYTES {
            self.write(index + 1)?;
        }
        Ok(())
    }

    /// Writes an object for the entries up to `end`.
    fn write(&mut self, end: u64) -> Result<(), FollowError> {
        let object = std::mem::take(&mut self.object);
        if !object.is_empty() {
            self.store.put(&sealed::path(self.span.first, end), &object)?;
        }
        self.span.first = end;
        Ok(())
    }

    /// Nothing more comes: how many were taken.
    pub(super) fn end(mut self) -> Result<u64, FollowError> {
        if !self.rest.is_empty() {
            return Err(self.wrong(self.next, "the answer ends inside it"));
        }
        if let Some((missing, _)) = self.wanted.range(self.next..).next() {
            return Err(self.wrong(*missing, "it is missing"));
        }
        self.write(self.span.end)?;
        Ok(self.taken)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::store::{Files, OsDisk};

    /// The span of entries 3 to 9, of which 4, 5 and 7 have records; the record of 5 may be erased.
    struct World {
        folder: tempfile::TempDir,
        records: Vec<(u64, Vec<u8>)>,
        wanted: BTreeMap<u64, Sealed>,
    }

    impl World {
        fn new() -> World {
            let records: Vec<(u64, Vec<u8>)> =
                [4, 5, 7].map(|index| (index, format!("the record of entry {index}").into_bytes())).into();
            let of = |record: &[u8]| Sealed { key: 0, sha256: Hash::of(record), size: record.len() as u64 };
            let wanted = records.iter().map(|(index, record)| (*index, of(record))).collect();
            World { folder: tempfile::tempdir().unwrap(), records, wanted }
        }

        /// The bytes of an answer of these records.
        fn answer(&self, change: impl FnOnce(&mut Vec<(u64, Vec<u8>)>)) -> Vec<u8> {
            let mut records = self.records.clone();
            change(&mut records);
            sealed::encode(records.iter().map(|(index, record)| (*index, record.as_slice())))
        }

        /// What becomes of an answer that comes in pieces of this length: how many records, and the objects.
        fn take(&self, answer: &[u8], piece: usize, erased: &[u64]) -> Result<(u64, Vec<u8>), FollowError> {
            let store = Files::new(OsDisk::create(self.folder.path()).unwrap());
            let path = sealed::path(4, 9);
            store.delete(&path).unwrap();
            let erased = erased.iter().copied().map(LeafIndex::new).collect();
            let (span, size) = (Span { first: 4, end: 9 }, TreeSize::new(9));
            let mut incoming = Incoming::new(&store, "url", span, &self.wanted, &erased, size);
            let taken = answer.chunks(piece).try_for_each(|bytes| incoming.add(bytes)).and_then(|()| incoming.end());
            let object = store.read(&path).unwrap();
            match taken {
                Ok(taken) => Ok((taken, object.unwrap())),
                Err(error) => {
                    assert_eq!((object, error.exit_code()), (None, 3), "{error}");
                    Err(error)
                }
            }
        }
    }

    /// Changes of an answer, by name, and words of the error.
    type Lie = (&'static str, fn(&mut Vec<(u64, Vec<u8>)>), &'static str);

    #[test]
    fn what_is_not_the_leafs_is_not_written() {
        // [S-45]
        let world = World::new();
        let whole = world.answer(|_| {});
        let lies: [Lie; 9] = [
            ("another byte", |records| records[1].1[3] ^= 1, "entry 5 from url: 21 bytes with SHA-256"),
            ("another length", |records| records[0].1.push(b'!'), "entry 4 from url: 22 bytes with SHA-256"),
            ("surplus", |records| records.insert(2, (6, b"mine".to_vec())), "entry 6 from url: it was not asked for"),
            ("surplus at the end", |records| records.push((8, b"mine".to_vec())), "entry 8 from url: it was not asked"),
            (
                "twice",
                |records| records.insert(1, records[0].clone()),
                "entry 4 from url: it was not asked for, or came",
            ),
            ("out of order", |records| records.swap(0, 1), "entry 4 from url: it is missing, that of entry 5 came"),
            ("missing", |records| drop(records.remove(1)), "entry 5 from url: it is missing, that of entry 7 came"),
            ("missing at the end", |records| drop(records.pop()), "entry 7 from url: it is missing"),
            ("empty", |records| records[2].1.clear(), "entry 7 from url: the record of entry 7 has 0 bytes"),
        ];
        for piece in [1, 7, 1_000] {
            assert_eq!(world.take(&whole, piece, &[]).unwrap(), (3, whole.clone()));
            for (lie, change, words) in lies {
                let error = world.take(&world.answer(change), piece, &[]).unwrap_err();
                assert!(matches!(error, FollowError::Record { .. }), "{lie}: {error}");
                assert!(error.to_string().contains(words), "{lie}: {error}");
            }
            for cut in 1..whole.len() {
                let error = world.take(&whole[..cut], piece, &[]).unwrap_err();
                assert!(matches!(error, FollowError::Record { .. }), "cut at {cut}: {error}");
            }
        }
    }

    #[test]
    fn zeros_are_for_records_that_an_erasure_names_and_nothing_else() {
        // [S-45] [S-31]
        let world = World::new();
        let whole = world.answer(|_| {});
        let zeros = world.answer(|records| records[1].1.fill(0));
        let error = world.take(&zeros, 7, &[]).unwrap_err();
        assert!(matches!(error, FollowError::Zero { index: 5, .. }), "{error}");
        let error = world.take(&zeros, 7, &[4, 7]).unwrap_err();
        assert!(matches!(error, FollowError::Zero { index: 5, .. }), "{error}");
        assert_eq!(world.take(&zeros, 7, &[5]).unwrap(), (3, zeros.clone()));
        assert_eq!(world.take(&whole, 7, &[5]).unwrap(), (3, zeros), "the log may not have erased it yet");
        for (lie, change) in [
            ("zeros of another length", (|records| records[1].1 = vec![0; 20]) as fn(&mut Vec<(u64, Vec<u8>)>)),
            ("half zeros", |records| records[1].1[..10].fill(0)),
        ] {
            let error = world.take(&world.answer(change), 7, &[5]).unwrap_err();
            assert!(matches!(error, FollowError::Record { index: 5, .. }), "{lie}: {error}");
        }
    }
}
