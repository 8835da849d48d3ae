//! Opens every sealed record, recomputes every commitment, and names whose fault it is when one shows nothing
//! (leaf-format.md 6, "To open" and "Who is to blame").
//!
//! Runs after the walk, when each leaf is known to be in the log and every erasure was seen. Entries come from the verified copy,
//! records from the log in spans of bounded size; one span and eight bundles are in memory. Records and keys are written nowhere,
//! but for the first records that accuse somebody. Not here: what the values mean (`counts`, `ask`).

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::event::Event;
use vitrine_spec::fields::Values;
use vitrine_spec::hash::Hash;
use vitrine_spec::sealing::{OpenError, is_erased, open};
use vitrine_spec::state::State as LogState;
use vitrine_spec::statement::Sealed;
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::TreeSize;

use super::access::{Access, AccessSink, Blame, State};
use super::copy::Copy;
use super::counts::Counts;
use super::erasures::{By, Erasures};
use super::report::{Finding, Place, Section, Severity};
use super::sealing::{Given, Sealing, Span, bundles_of};
use super::seen;
use crate::exit::Failure;
use crate::keyfile::ReaderKey;
use crate::limits::RECORD_EVIDENCE_MAX;
use crate::sealed_source::{SealedSource, decode, fault};

/// Bundles whose records are opened at once.
const CHUNK: usize = 8;

/// What an audit needs to open sealed records.
pub struct Reading<'a> {
    /// The reader.
    pub key: &'a ReaderKey,
    /// Where records come from.
    pub records: &'a dyn SealedSource,
    /// Who wants to see what they hold.
    pub sink: Option<&'a mut dyn AccessSink>,
    /// Whether what was recorded after the window is opened too, because it may have happened in it.
    pub late: bool,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("reader", &self.key.sign.vkey().keyid()).finish_non_exhaustive()
    }
}

/// What a record showed, before anybody is blamed.
enum Shown {
    Opened(Values),
    Erased(By),
    /// Named by an erasure, and still served.
    Pending(By),
    Zeros,
    Missing,
    /// Not the record of this leaf.
    Other(OpenError),
    /// The issuer's fault, after the right key.
    Broken(OpenError),
    /// No sealing key at that position.
    NoKey(u64),
    /// A wrap that gave no key.
    BadWrap(u64),
    /// A sealing key made for others.
    NoWrap(u64),
    /// This reader may not ask.
    NotAsked,
}

/// The records of one span.
struct Answer {
    bytes: Vec<u8>,
    found: HashMap<u64, Range<usize>>,
}

/// An access between its entry and its verdict.
struct Judged {
    index: u64,
    event: Event,
    shown: Shown,
    record: Option<Range<usize>>,
}

/// Records that accuse somebody, for `evidence/`.
pub type Accusing = Vec<(u64, Vec<u8>)>;

/// The reading of all records.
pub struct Records<'a> {
    sealing: &'a Sealing<'a>,
    erasures: &'a mut Erasures,
    copy: &'a Copy,
    origin: &'a Origin,
    size: TreeSize,
    /// The entry at which admission stopped: nobody verified the signatures from there on.
    stop: Option<u64>,
    section: Section,
    counts: Counts,
    accusing: Accusing,
    opened: u64,
    erased: u64,
    erased_later: u64,
    bad_wrap: u64,
    no_wrap: u64,
    not_opened: u64,
}

impl<'a> Records<'a> {
    /// After the walk over the first `size` entries; `stop` is the entry at which admission stopped, if it did.
    pub fn new(
        sealing: &'a Sealing<'a>,
        erasures: &'a mut Erasures,
        copy: &'a Copy,
        origin: &'a Origin,
        size: TreeSize,
        stop: Option<u64>,
    ) -> Records<'a> {
        Records {
            sealing,
            erasures,
            copy,
            origin,
            size,
            stop,
            section: Section::new("records"),
            counts: Counts::default(),
            accusing: Vec::new(),
            opened: 0,
            erased: 0,
            erased_later: 0,
            bad_wrap: 0,
            no_wrap: 0,
            not_opened: 0,
        }
    }

    /// Without a reader's key: what was not checked.
    pub fn unread(mut self) -> Section {
        let (all, _) = self.sealing.accesses();
        self.section.counted(self.sealing.by_issuer());
        self.section.not_checked(format!(
            "the sealed records of {all} accesses: no --reader-key was given, so nobody looked whether they are there, open, fit their leaves, or are erased by right"
        ));
        self.section
    }

    /// Reads, opens and judges; `later` gives the erasures after the audited entries, and is asked once at most.
    pub fn read(
        mut self,
        mut reading: Reading<'_>,
        state: &LogState,
        later: &dyn Fn() -> Result<Erasures, Failure>,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(Section, Accusing), Failure> {
        let known = self.check_reader(reading.key, state);
        let mut later_known: Option<Erasures> = None;
        for span in self.sealing.spans(self.size) {
            let answer = if known { Some(self.fetch(reading.records, span)?) } else { None };
            let bundles: Vec<u64> = bundles_of(span).collect();
            for bundles in bundles.chunks(CHUNK) {
                for judged in self.judge(bundles, answer.as_ref())? {
                    let judged = match judged {
                        Ok(judged) => judged,
                        Err(index) => {
                            let text = format!("the answer holds a record of entry {index}, which has none");
                            self.section.found(Finding::new(Severity::Misbehaviour, "record.answer", text));
                            continue;
                        }
                    };
                    let shown = match judged.shown {
                        Shown::Zeros => {
                            let erasures = match &mut later_known {
                                Some(known) => known,
                                unknown => unknown.insert(later()?),
                            };
                            let by = erasures.of(&judged.event.id);
                            self.erased_later += u64::from(by.is_some());
                            by.map_or(Shown::Zeros, |by| Shown::Erased(by.clone()))
                        }
                        shown => shown,
                    };
                    let record = judged.record.and_then(|range| answer.as_ref()?.bytes.get(range));
                    let access = self.verdict(judged.index, &judged.event, shown, record);
                    if let Some(sink) = &mut reading.sink {
                        sink.see(&access);
                    }
                }
            }
            progress(span.to, self.size.get());
        }
        Ok(self.finish(known))
    }

    /// Whether the charter in force names the reader; if not, the log would refuse it, and nothing is asked for.
    fn check_reader(&mut self, key: &ReaderKey, state: &LogState) -> bool {
        let (sign, seal) = (key.sign.vkey(), key.seal.public());
        let found = state.readers().iter().find(|reader| reader.sign == sign && reader.seal == seal);
        match found {
            Some(reader) => {
                self.section.checked(format!("read as {} ({}), {}", reader.name, reader.role.name(), sign.keyid()));
            }
            None => {
                let names: Vec<&str> = state.readers().iter().map(|reader| reader.name.as_str()).collect();
                let text = format!(
                    "the charter in force names the readers {}, none of them with the keys of {}: no record was asked for",
                    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") },
                    sign.keyid()
                );
                self.section.found(Finding::new(Severity::Finding, "reader.unknown", text));
            }
        }
        found.is_some()
    }

    fn fetch(&mut self, records: &dyn SealedSource, span: Span) -> Result<Answer, Failure> {
        let bytes = records.sealed(span.from, span.to, span.bytes)?;
        let found = match decode(&bytes, span.from, span.to) {
            Ok(found) => found.into_iter().collect(),
            Err(why) => {
                let text = format!("the answer for the records of entries {} to {} is none: {why}", span.from, span.to);
                self.section.found(Finding::new(Severity::Misbehaviour, "record.answer", text));
                HashMap::new()
            }
        };
        Ok(Answer { bytes, found })
    }

    /// The accesses of some bundles, opened on all cores, in the order of the log; the index of an entry of another type that
    /// the answer has a record of.
    fn judge(&self, bundles: &[u64], answer: Option<&Answer>) -> Result<Vec<Result<Judged, u64>>, Failure> {
        let mut entries: Vec<(u64, Vec<u8>)> = Vec::new();
        for bundle in bundles {
            let Some(id) = BundleId::at(*bundle, self.size) else { continue };
            let bytes = self.copy.bundle(id)?.unwrap_or_default();
            let some = decode_bundle(&bytes, id.width()).unwrap_or_default();
            entries.extend((id.start().get()..).zip(some));
        }
        let judged: Vec<Option<Result<Judged, u64>>> = entries
            .par_iter()
            .map(|(index, entry)| {
                let record = answer.and_then(|answer| answer.found.get(index)).cloned();
                let event = seen::event(entry, self.origin).ok();
                let Some((event, sealed)) =
                    event.and_then(|event| event.statement.sealed.map(|sealed| (event, sealed)))
                else {
                    return record.map(|_| Err(*index));
                };
                if !self.sealing.asked().opens(*index, event.statement.header.recorded.get()) {
                    return None;
                }
                let shown = match answer {
                    Some(answer) => {
                        self.open(&event, &sealed, record.clone().and_then(|range| answer.bytes.get(range)))
                    }
                    None => Shown::NotAsked,
                };
                Some(Ok(Judged { index: *index, event, shown, record }))
            })
            .collect();
        Ok(judged.into_iter().flatten().collect())
    }

    /// What one record shows: first whether the log served the one of the leaf, then with the key of its hour.
    fn open(&self, event: &Event, sealed: &Sealed, record: Option<&[u8]>) -> Shown {
        let Some(record) = record else { return Shown::Missing };
        let by = self.erasures.of(&event.id);
        let (size, sha256) = (record.len() as u64, Hash::of(record));
        if (size, sha256) != (sealed.size, sealed.sha256) {
            if size == sealed.size && is_erased(record) {
                return by.map_or(Shown::Zeros, |by| Shown::Erased(by.clone()));
            }
            return Shown::Other(OpenError::Mismatch { size, sha256, want_size: sealed.size, want: sealed.sha256 });
        }
        if let Some(by) = by {
            return Shown::Pending(by.clone());
        }
        let header = &event.statement.header;
        let window = match self.sealing.given(header.issuer.as_str(), header.epoch, sealed.key) {
            Some(Given::Key(window)) => window,
            Some(Given::Bad) => return Shown::BadWrap(sealed.key),
            Some(Given::Nothing) => return Shown::NoWrap(sealed.key),
            None => return Shown::NoKey(sealed.key),
        };
        match open(window, event, record) {
            Ok(opened) => Shown::Opened(opened.values),
            Err(error) if error.incident().is_some() => Shown::Broken(error),
            Err(error) => Shown::Other(error),
        }
    }

    /// Counts an access and says whose fault it is.
    fn verdict(&mut self, index: u64, event: &Event, shown: Shown, record: Option<&[u8]>) -> Access {
        let header = &event.statement.header;
        let place = seen::of(index, event).place();
        let recorded = header.recorded.get();
        let reports = self.sealing.asked().reports(recorded);
        let state = match shown {
            Shown::Opened(values) => {
                if reports {
                    self.opened += 1;
                    self.counts.add(header.issuer.as_str(), &values);
                }
                State::Opened(values)
            }
            Shown::Erased(by) => {
                self.erased += u64::from(reports);
                State::Erased { by: by.index, authority: by.authority }
            }
            Shown::Pending(by) => {
                if reports {
                    self.erased += 1;
                    self.erasures.pending(&by, place.clone());
                }
                State::Erased { by: by.index, authority: by.authority }
            }
            shown => {
                let (code, mut blame, mut why) = accuse(&shown);
                if blame == Blame::Issuer && self.stop.is_some_and(|stop| index >= stop) {
                    blame = Blame::Nobody;
                    why.push_str("; admission stopped at an entry before it or at it, so nobody knows who signed it");
                }
                if reports {
                    self.not_opened += 1;
                    self.bad_wrap += u64::from(blame == Blame::Wrap);
                    self.no_wrap += u64::from(matches!(shown, Shown::NoWrap(_)));
                    self.accuse(code, blame, &why, place.clone(), record);
                }
                State::NotOpened { why, blame }
            }
        };
        Access {
            index,
            issuer: header.issuer.as_str().to_owned(),
            epoch: header.epoch,
            seq: header.seq.unwrap_or_default(),
            recorded,
            state,
        }
    }

    /// A finding about one record; what is said once for its sealing key is not said again.
    fn accuse(&mut self, code: &str, blame: Blame, why: &str, place: Place, record: Option<&[u8]>) {
        let severity = match blame {
            Blame::Log => Severity::Misbehaviour,
            Blame::Issuer => Severity::Finding,
            Blame::Wrap | Blame::Nobody => return,
        };
        let shows = match blame {
            Blame::Issuer => "the issuer is to blame, which the key of that hour and the record show to a third party",
            Blame::Log | Blame::Wrap | Blame::Nobody => "the log is to blame",
        };
        let text = format!(
            "{} epoch {} seq {}: entry {}: {why}; {shows}",
            place.issuer,
            place.epoch,
            place.seq.unwrap_or_default(),
            place.index.unwrap_or_default()
        );
        if let (Some(record), Some(index)) = (record, place.index)
            && self.accusing.len() < RECORD_EVIDENCE_MAX
            && !is_erased(record)
        {
            self.accusing.push((index, record.to_vec()));
        }
        self.section.found(Finding::new(severity, code, text).at(place));
    }

    fn finish(mut self, known: bool) -> (Section, Accusing) {
        let (all, apart) = self.sealing.accesses();
        let section = &mut self.section;
        section.counted(self.sealing.by_issuer());
        if known {
            section.checked(format!(
                "{} records opened: each has the digest of its leaf, all 24 commitments follow from its key, each value keeps to its field",
                self.opened
            ));
            section.checked(format!("{} records erased by right, {} not opened", self.erased, self.not_opened));
        } else {
            section.not_checked(format!("{} records: this reader may not read them", self.not_opened));
        }
        if self.erased_later != 0 {
            section.not_checked(format!(
                "{} records are zeros by erasures after the audited entries: whether admission took those, an audit of a larger size says",
                self.erased_later
            ));
        }
        if self.bad_wrap != 0 {
            section.not_checked(format!(
                "{} records under sealing keys whose wrap gave this reader no key: if no reader can hand the key over, they count as not delivered",
                self.bad_wrap
            ));
        }
        if self.no_wrap != 0 {
            section
                .not_checked(format!("{} records under sealing keys that were made for other readers", self.no_wrap));
        }
        if section.findings.iter().any(|finding| finding.severity == Severity::Misbehaviour) {
            section.not_checked(
                "that these answers are the log's own: it does not sign them, and whoever stands on the way can change one; over https that is whoever holds the log's certificate",
            );
        }
        if apart != 0 {
            section.not_checked(format!(
                "{apart} of {all} accesses, recorded outside the window: what happened in it and was recorded later is among them"
            ));
        }
        self.counts.finish(section);
        (self.section, self.accusing)
    }
}

/// The code of a record that shows nothing, who is to blame, and both sides.
fn accuse(shown: &Shown) -> (&'static str, Blame, String) {
    match shown {
        Shown::Missing => ("record.missing", Blame::Log, "the log's answer holds no record for it".to_owned()),
        Shown::Zeros => ("record.zeros", Blame::Log, "the record is zeros, and no erasure names it".to_owned()),
        Shown::NoKey(seq) => {
            ("record.no-key", Blame::Log, format!("it names the sealing key at seq {seq}, the log holds none there"))
        }
        Shown::Other(error) => ("record.other", Blame::Log, fault(error)),
        Shown::Broken(error) => (error.incident().unwrap_or("unopenable"), Blame::Issuer, fault(error)),
        Shown::BadWrap(seq) => (
            "unopenable-key",
            Blame::Wrap,
            format!("the wrap of the sealing key at seq {seq} gives this reader no key"),
        ),
        Shown::NoWrap(seq) => {
            ("record.no-wrap", Blame::Nobody, format!("the sealing key at seq {seq} was made for other readers"))
        }
        Shown::NotAsked | Shown::Opened(_) | Shown::Erased(_) | Shown::Pending(_) => {
            ("reader.unknown", Blame::Nobody, "this reader may not read it".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
