//! Sealed records on their way into a copy: each is compared with its leaf before it is written [S-45] (85-log.md, "Copies").
//!
//! Objects are cut by bytes, so that none is larger than a server reads at once. Not here: asking for them (`follow`).

use std::collections::{BTreeMap, BTreeSet};

use vitrine_spec::hash::Hash;
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
        let zero = long && record.iter().all(|byte| *byte == 0);
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
