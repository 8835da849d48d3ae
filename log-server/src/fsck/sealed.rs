//! Every object of sealed records against the leaves, which come in order as the objects do [S-30] (85-log.md).
//!
//! Only what does not fit is kept in memory, and what is zero. Not here: whether a leaf is admissible (`fsck`), what a
//! record says, which only its readers can see.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use vitrine_spec::body::Body;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::sealing::is_erased;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::{Report, Seen, walk};
use crate::layout;
use crate::sealed::{Span, decode_span};
use crate::store::{Store, StoreError};

/// The object that is being read.
#[derive(Default)]
struct Open {
    path: String,
    bytes: Vec<u8>,
    /// Records that no leaf has asked for yet.
    places: VecDeque<(u64, Range<usize>)>,
    /// It could not be read: what is missing of it is said already.
    broken: bool,
}

/// Leaves without a record, one after another.
struct Missing {
    first: u64,
    last: u64,
    count: u64,
    /// The object that should hold them, or the folder in which there is none.
    path: String,
}

/// The sealed records of a log, as far as the leaves were looked at.
#[derive(Default)]
pub(super) struct Sealed {
    /// Objects to the right, in order.
    spans: VecDeque<Span>,
    open: Option<(Span, Open)>,
    missing: Option<Missing>,
    /// Entries whose record is zero and should not be, with its object.
    zeros: BTreeMap<u64, String>,
    /// Entries whose record an erasure names, with the first that does.
    named: BTreeMap<u64, u64>,
}

impl Sealed {
    /// Lists the objects of a log of this size.
    pub(super) fn new(store: &dyn Store, size: TreeSize, report: &mut Report) -> Result<Sealed, StoreError> {
        let mut spans = Vec::new();
        for path in walk(store, layout::SEALED_FOLDER)? {
            match Span::parse(&path) {
                Some(span) if span.end <= size.get() => spans.push(span),
                Some(_) => report.find(path, format!("it ends beyond the head's size {size}")),
                None => report.find(path, "no object of sealed records has this name"),
            }
        }
        spans.sort_unstable();
        for (left, right) in spans.iter().zip(spans.iter().skip(1)) {
            if right.first < left.end {
                report.find(right.path(), format!("it stands for entries that {} stands for too", left.path()));
            }
        }
        Ok(Sealed { spans: spans.into(), ..Sealed::default() })
    }

    /// Compares one leaf with its record; leaves come in order.
    pub(super) fn check(
        &mut self,
        store: &dyn Store,
        index: LeafIndex,
        event: &Event,
        seen: &Seen,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        if let Body::Erasure(erasure) = &event.statement.body {
            for target in erasure.targets() {
                let place = (target.at.issuer.to_string(), target.at.epoch, target.at.seq);
                // Admission has found every target before this entry.
                if let Some(target) = seen.places.get(&place) {
                    self.named.entry(target.get()).or_insert(index.get());
                }
            }
        }
        let Some(sealed) = event.statement.sealed else { return Ok(()) };
        let index = index.get();
        self.advance(store, index, report)?;
        let Some((_, open)) = self.open.as_mut().filter(|(span, _)| span.holds(index)) else {
            let folder = Span { first: index, end: index + 1 }.path();
            self.lacks(index, layout::folder(&folder).to_owned(), report);
            return Ok(());
        };
        skip(open, index, report);
        match open.places.pop_front_if(|(held, _)| *held == index) {
            Some((_, place)) => {
                let record = open.bytes.get(place).unwrap_or_default();
                report.records += 1;
                if (Hash::of(record), record.len() as u64) == (sealed.sha256, sealed.size) {
                    // As the leaf says, whatever its bytes are.
                } else if record.len() as u64 == sealed.size && is_erased(record) {
                    self.zeros.insert(index, open.path.clone());
                } else {
                    let (path, got) = (open.path.clone(), (record.len(), Hash::of(record).hex()));
                    let want = (sealed.size, sealed.sha256.hex());
                    report.find(
                        path,
                        format!(
                            "the record of entry {index} has {} bytes and SHA-256 {}, the leaf names {} bytes and {}",
                            got.0, got.1, want.0, want.1
                        ),
                    );
                }
            }
            None if open.broken => {}
            None => {
                let path = open.path.clone();
                self.lacks(index, path, report);
            }
        }
        Ok(())
    }

    /// After the last leaf: what is left over, and what is zero without a published erasure.
    pub(super) fn finish(
        &mut self,
        store: &dyn Store,
        published: TreeSize,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        self.advance(store, u64::MAX, report)?;
        self.tell_missing(report);
        let published: BTreeSet<u64> =
            self.named.iter().filter(|(_, erasure)| **erasure < published.get()).map(|(target, _)| *target).collect();
        for (index, path) in self.zeros.iter().filter(|(index, _)| !published.contains(index)) {
            report.find(path, format!("the record of entry {index} is zeros, and no published erasure names it"));
        }
        report.erased = self.zeros.len() as u64;
        report.to_erase = published.iter().filter(|index| !self.zeros.contains_key(index)).count() as u64;
        Ok(())
    }

    /// Opens the object that holds `index`, or would; everything to the left of it is done with.
    fn advance(&mut self, store: &dyn Store, index: u64, report: &mut Report) -> Result<(), StoreError> {
        while self.open.as_ref().is_none_or(|(span, _)| span.end <= index) {
            if let Some((_, mut left)) = self.open.take() {
                skip(&mut left, u64::MAX, report);
            }
            let Some(span) = self.spans.pop_front_if(|span| span.first <= index) else { return Ok(()) };
            let mut open = Open { path: span.path(), ..Open::default() };
            report.sealed += 1;
            open.bytes = store.read(&open.path)?.unwrap_or_default();
            match decode_span(span, &open.bytes) {
                Ok(places) => open.places = places.into(),
                Err(error) => {
                    report.find(&open.path, error);
                    open.broken = true;
                }
            }
            self.open = Some((span, open));
        }
        Ok(())
    }

    /// An entry has no record.
    fn lacks(&mut self, index: u64, path: String, report: &mut Report) {
        if let Some(missing) = self.missing.as_mut().filter(|missing| missing.path == path) {
            (missing.last, missing.count) = (index, missing.count + 1);
            return;
        }
        self.tell_missing(report);
        self.missing = Some(Missing { first: index, last: index, count: 1, path });
    }

    /// Tells what no later leaf has told.
    pub(super) fn tell_missing(&mut self, report: &mut Report) {
        let Some(Missing { first, last, count, path }) = self.missing.take() else { return };
        let what = if count == 1 {
            format!("entry {first} has no sealed record")
        } else {
            format!("{count} entries between {first} and {last} have no sealed record")
        };
        report.find(path, what);
    }
}

/// Records of entries before `index` that no leaf asked for.
fn skip(open: &mut Open, index: u64, report: &mut Report) {
    while let Some((surplus, _)) = open.places.pop_front_if(|(held, _)| *held < index) {
        report.find(&open.path, format!("it holds a record of entry {surplus}, which is of no sealed type"));
    }
}
