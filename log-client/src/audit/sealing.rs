//! Sealing keys as they appear, and where the sealed records of a log are (leaf-format.md 6, "Readers try each sealing key").
//!
//! Sees every entry on the walk. Memory: one key for each sealing key of an issuer, which is one an hour, and three numbers for each
//! bundle that holds accesses. Not here: the records (`records`), whether wraps are those that the charter wants (`fold`).

use std::collections::{BTreeMap, HashMap};

use vitrine_spec::body::Body;
use vitrine_spec::body::sealed::SealingKey;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::event::Event;
use vitrine_spec::limits::{RECORD_BYTES_MAX, SEALING_KEY_S};
use vitrine_spec::text::hex;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::wrap::{ReaderSeed, WindowKey, WrapFor, unwrap};

use super::report::{Finding, Section, Severity, Table, Window};
use super::seen;
use crate::limits::{SEALED_CHUNK_BYTES, SEALED_ENTRIES_MAX, SEALED_HEAD_BYTES};

/// Seconds of an hour: `recorded` of an access is a full one.
const HOUR_S: u64 = 3_600;

/// What a sealing key gave this reader.
#[derive(Clone, Debug)]
pub enum Given {
    /// The key of that hour: the wrap opened, and `check` is its own.
    Key(WindowKey),
    /// A wrap that does not open.
    Bad,
    /// No wrap: it was made for other readers.
    Nothing,
}

/// Which accesses are opened, and which of those the report speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// The window of the report.
    pub window: Window,
    /// Whether what was recorded after the window is opened too: it may have happened in it.
    pub late: bool,
    /// Then the first entry that came after the last kept checkpoint from before the window: from there on `recorded` is no
    /// reason to leave one closed, because an issuer can date its records back.
    pub since: Option<u64>,
}

impl Asked {
    /// Whether the report speaks of an access that was recorded in this hour.
    pub fn reports(&self, recorded: u64) -> bool {
        Window { from: self.first_hour(), to: self.window.to }.holds(recorded)
    }

    /// Whether the access of this entry is opened.
    pub fn opens(&self, index: u64, recorded: u64) -> bool {
        let to = if self.late { None } else { self.window.to };
        Window { from: self.first_hour(), to }.holds(recorded)
            || (self.late && self.since.is_some_and(|since| index >= since))
    }

    /// Whether accesses of the window may be sealed under a key that was recorded then: it is open for an hour.
    fn reports_key(self, recorded: u64) -> bool {
        let ends = recorded.saturating_add(SEALING_KEY_S);
        self.first_hour().is_none_or(|from| ends >= from)
            && self.window.to.is_none_or(|to| recorded - recorded % HOUR_S < to)
    }

    /// The full hour in which the window begins: what happened later in it was recorded in it.
    fn first_hour(self) -> Option<u64> {
        self.window.from.map(|from| from - from % HOUR_S)
    }
}

/// The records of one bundle: how many are to be opened, and the bytes of all, which any answer holds.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bundle: u64,
    opens: u64,
    bytes: u64,
}

/// Entries whose records are read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first entry.
    pub from: u64,
    /// The entry after the last.
    pub to: u64,
    /// Bytes that an honest answer has.
    pub bytes: u64,
}

/// Sealing keys and sums.
pub struct Sealing<'a> {
    origin: &'a Origin,
    reader: Option<(&'a ReaderSeed, [u8; 8])>,
    asked: Asked,
    keys: HashMap<(String, u32, u64), Given>,
    sums: Vec<Sum>,
    accesses: u64,
    apart: u64,
    issuers: BTreeMap<String, u64>,
    opened: u64,
    without: u64,
    section: Section,
}

impl<'a> Sealing<'a> {
    /// Before the first entry; wraps are tried with the key of `reader`, if there is one.
    pub fn new(origin: &'a Origin, reader: Option<&'a ReaderSeed>, asked: Asked) -> Sealing<'a> {
        Sealing {
            origin,
            reader: reader.map(|seed| (seed, seed.key_id())),
            asked,
            keys: HashMap::new(),
            sums: Vec::new(),
            accesses: 0,
            apart: 0,
            issuers: BTreeMap::new(),
            opened: 0,
            without: 0,
            section: Section::new("sealing-keys"),
        }
    }

    /// Takes the next event.
    pub fn see(&mut self, index: u64, event: &Event) {
        if let Body::SealingKey(key) = &event.statement.body {
            self.open(index, event, key);
        }
        let Some(sealed) = event.statement.sealed else { return };
        self.accesses += 1;
        *self.issuers.entry(event.statement.header.issuer.as_str().to_owned()).or_default() += 1;
        let opens = self.asked.opens(index, event.statement.header.recorded.get());
        self.apart += u64::from(!opens);
        let bundle = index / 256;
        if self.sums.last().is_none_or(|sum| sum.bundle != bundle) {
            self.sums.push(Sum { bundle, ..Sum::default() });
        }
        if let Some(sum) = self.sums.last_mut() {
            sum.opens += u64::from(opens);
            // A leaf that admission should have refused may name any size: it does not decide how much is read.
            sum.bytes += sealed.size.min(RECORD_BYTES_MAX as u64) + SEALED_HEAD_BYTES;
        }
    }

    /// Tries this reader's wrap; one that gives no key is this reader's word alone.
    fn open(&mut self, index: u64, event: &Event, key: &SealingKey) {
        let header = &event.statement.header;
        let (issuer, epoch, seq) = (header.issuer.as_str(), header.epoch, header.seq.unwrap_or_default());
        let mut given = Given::Nothing;
        if let Some((seed, id)) = self.reader
            && let Some(found) = key.wraps.iter().find(|found| found.key == id)
        {
            let target = WrapFor { origin: self.origin.as_str(), issuer, epoch, seq, reader: &found.reader };
            given = match unwrap(seed, &target, &found.wrap, &key.check) {
                Ok(window) => Given::Key(window),
                Err(why) => {
                    let text = format!(
                        "{issuer} epoch {epoch} seq {seq}: entry {index} has a wrap for {} ({}) that gives no key: {why}; this is one reader's word, another reader can hand the key over, which `check` judges",
                        found.reader,
                        hex(&id)
                    );
                    if self.asked.reports_key(header.recorded.get()) {
                        let finding = Finding::new(Severity::Finding, "unopenable-key", text);
                        self.section.found(finding.at(seen::of(index, event).place()));
                    }
                    Given::Bad
                }
            };
        }
        match given {
            Given::Key(_) => self.opened += 1,
            Given::Nothing => self.without += 1,
            Given::Bad => {}
        }
        // The first one counts: admission takes no second one at a position, and what a log adds all the same accuses nobody.
        self.keys.entry((issuer.to_owned(), epoch, seq)).or_insert(given);
    }

    /// What the sealing key at a position gave; `None` when the log holds none there.
    pub fn given(&self, issuer: &str, epoch: u32, seq: u64) -> Option<&Given> {
        self.keys.get(&(issuer.to_owned(), epoch, seq))
    }

    /// Which accesses are opened.
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// Whether the log holds anything sealed.
    pub fn is_empty(&self) -> bool {
        self.accesses == 0 && self.keys.is_empty()
    }

    /// Accesses, and how many of them are not opened because of when they were recorded.
    pub fn accesses(&self) -> (u64, u64) {
        (self.accesses, self.apart)
    }

    /// Accesses by issuer, which everybody sees.
    pub fn by_issuer(&self) -> Table {
        let mut table = Table::new("issuer");
        table.rows.clone_from(&self.issuers);
        table
    }

    /// The reads that bring all records to be opened of a log of `size` entries, in order: whole bundles, as many as limits allow.
    pub fn spans(&self, size: TreeSize) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut between = 0u64;
        for sum in &self.sums {
            if sum.opens == 0 {
                between = between.saturating_add(sum.bytes);
                continue;
            }
            let (from, to) = (sum.bundle * 256, ((sum.bundle + 1) * 256).min(size.get()));
            let more = between.saturating_add(sum.bytes);
            between = 0;
            match spans.last_mut() {
                Some(span)
                    if span.bytes.saturating_add(more) <= SEALED_CHUNK_BYTES
                        && to - span.from <= SEALED_ENTRIES_MAX =>
                {
                    span.to = to;
                    span.bytes += more;
                }
                Some(_) | None => spans.push(Span { from, to, bytes: sum.bytes }),
            }
        }
        spans
    }

    /// Ends the section.
    pub fn finish(self) -> Section {
        let (mut section, all) = (self.section, self.keys.len());
        section.checked(format!("{all} sealing keys, of {} issuers with accesses", self.issuers.len()));
        match self.reader {
            Some((_, id)) => {
                section.checked(format!(
                    "{} wraps for the reader's key {} opened, each to the key whose `check` is in the leaf",
                    self.opened,
                    hex(&id)
                ));
                if self.without != 0 {
                    section.not_checked(format!(
                        "{} sealing keys that were made for other readers alone: a reader of that time can hand their keys over",
                        self.without
                    ));
                }
            }
            None => section.not_checked("whether the wraps of sealing keys open: no --reader-key was given"),
        }
        section
    }
}

/// The bundles that a span covers.
pub fn bundles_of(span: Span) -> impl Iterator<Item = u64> {
    (span.from / 256)..span.to.div_ceil(256)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_bundles_within_both_limits() {
        let origin = Origin::new("example.com/log").unwrap();
        let mut sealing = Sealing::new(&origin, None, Asked::default());
        let least = 1_088 + SEALED_HEAD_BYTES;
        let most = 48 + 32 * 1_024 + 16 + SEALED_HEAD_BYTES;
        sealing.sums = vec![
            Sum { bundle: 0, opens: 256, bytes: 256 * most },
            Sum { bundle: 1, opens: 256, bytes: 256 * most },
            Sum { bundle: 2, opens: 256, bytes: 256 * most },
            Sum { bundle: 3, opens: 256, bytes: 256 * most },
            Sum { bundle: 7, opens: 1, bytes: least },
            Sum { bundle: 100, opens: 0, bytes: 10 * least },
            Sum { bundle: 258, opens: 1, bytes: least },
            Sum { bundle: 259, opens: 1, bytes: least },
        ];
        let spans = sealing.spans(TreeSize::new(259 * 256 + 7));
        assert_eq!(
            spans,
            [
                Span { from: 0, to: 3 * 256, bytes: 3 * 256 * most },
                Span { from: 3 * 256, to: 259 * 256, bytes: 256 * most + 12 * least },
                Span { from: 259 * 256, to: 259 * 256 + 7, bytes: least },
            ]
        );
        assert!(spans.iter().all(|span| span.to - span.from <= SEALED_ENTRIES_MAX && span.bytes <= SEALED_CHUNK_BYTES));
        assert_eq!(bundles_of(spans[2]).collect::<Vec<_>>(), [259]);
    }

    #[test]
    fn a_window_opens_its_first_hour_and_what_came_late() {
        let asked = Asked { window: Window { from: Some(7_300), to: Some(14_400) }, ..Asked::default() };
        let late = Asked { late: true, ..asked };
        for (recorded, reports, opens_late) in
            [(3_600, false, false), (7_200, true, true), (10_800, true, true), (14_400, false, true)]
        {
            assert_eq!((asked.reports(recorded), asked.opens(9, recorded)), (reports, reports), "{recorded}");
            assert_eq!((late.reports(recorded), late.opens(9, recorded)), (reports, opens_late), "{recorded}");
        }
        let since = Asked { since: Some(9), ..late };
        assert_eq!([since.opens(8, 0), since.opens(9, 0), since.reports(0)], [false, true, false]);
        assert!(Asked::default().opens(9, 0) && Asked::default().reports_key(0));
        // From the hour before, whose key may still be open, to the end.
        let keys = [3_599, 3_600, 7_200, 14_399, 14_400].map(|recorded| asked.reports_key(recorded));
        assert_eq!(keys, [false, true, true, true, false]);
    }
}
