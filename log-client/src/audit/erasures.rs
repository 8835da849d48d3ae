//! Erasures: which records are gone by right, on whose authority, and where copies may still be (leaf-format.md 6, "Erasure").
//!
//! They are public, so every audit names them. An audit of an earlier size also meets what was erased after it: those
//! erasures are looked for among the later entries. Not here: whether a record is zeros (`records`), who had to sign (`fold`).

use std::collections::HashMap;

use vitrine_spec::body::Body;
use vitrine_spec::body::erasure::{Erased, Erasure};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::statement::Place as PlaceOf;
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::facts::{Erased as Fact, Target};
use super::head::includes;
use super::report::{Finding, Place, Section, Severity, Window};
use super::seen;
use super::source::Source;
use super::walk::fetch_bundles;
use crate::exit::Failure;

/// Targets that one finding names; the rest is counted.
const NAMED_MAX: usize = 8;

/// Bundles of later entries that are read at once.
const CHUNK: u64 = 8;

/// By what a record is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The entry of the erasure.
    pub index: u64,
    /// On whose authority.
    pub authority: String,
}

/// The erasures of a log.
#[derive(Debug)]
pub struct Erasures {
    window: Window,
    by_event: HashMap<[u8; 32], By>,
    records: u64,
    subjects: u64,
    facts: Vec<Fact>,
    section: Section,
}

impl Erasures {
    /// None yet; those recorded in `window` are named.
    pub fn new(window: Window) -> Erasures {
        Erasures {
            window,
            by_event: HashMap::new(),
            records: 0,
            subjects: 0,
            facts: Vec::new(),
            section: Section::new("erasures"),
        }
    }

    /// Takes the next event.
    pub fn see(&mut self, index: u64, event: &Event) {
        let Body::Erasure(erasure) = &event.statement.body else { return };
        match &erasure.erased {
            Erased::Records(targets) => self.records += targets.len() as u64,
            Erased::Subject => self.subjects += 1,
        }
        for target in erasure.targets() {
            // Erasing twice is allowed, and the first one did it.
            let by = || By { index, authority: erasure.authority.clone() };
            self.by_event.entry(*target.event_id.as_bytes()).or_insert_with(by);
        }
        let seen = seen::of(index, event);
        self.facts.push(fact(index, seen.recorded, erasure));
        if self.window.holds(seen.recorded) {
            let text = describe(index, event, erasure);
            self.section.found(Finding::new(Severity::Note, "erasure", text).at(seen.place()));
        }
    }

    /// The erasure that names an event.
    pub fn of(&self, event: &EventId) -> Option<&By> {
        self.by_event.get(event.as_bytes())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.records == 0 && self.subjects == 0
    }

    /// A record that an erasure names and that is still served: time can bring that.
    pub fn pending(&mut self, by: &By, place: Place) {
        let text = format!(
            "{} epoch {} seq {}: entry {} is erased by entry {} on the authority of {}, and its record is still served",
            place.issuer,
            place.epoch,
            place.seq.unwrap_or_default(),
            place.index.unwrap_or_default(),
            by.index,
            by.authority
        );
        self.section.found(Finding::new(Severity::Pending, "erasure.pending", text).at(place));
    }

    /// Ends the section; beside it the erasures in the order of the log.
    pub fn finish(mut self) -> (Section, Vec<Fact>) {
        self.section.checked(format!(
            "{} records are named by erasures, {} rows of pseudonyms; leaves, commitments and proofs of all stay",
            self.records, self.subjects
        ));
        self.section.not_checked("the other places that erasures name: whether the copies there are gone by their day");
        (self.section, self.facts)
    }
}

fn fact(index: u64, recorded: u64, erasure: &Erasure) -> Fact {
    let target = |at: &PlaceOf| Target { issuer: at.issuer.as_str().to_owned(), epoch: at.epoch, seq: at.seq };
    Fact {
        index,
        recorded,
        class: match erasure.erased {
            Erased::Records(_) => "record",
            Erased::Subject => "subject",
        },
        reason: erasure.reason.name().to_owned(),
        authority: erasure.authority.clone(),
        targets: erasure.targets().iter().map(|found| target(&found.at)).collect(),
        places: erasure.places.iter().map(|found| (found.place.clone(), found.until.clone())).collect(),
    }
}

fn describe(index: u64, event: &Event, erasure: &Erasure) -> String {
    let what = match &erasure.erased {
        Erased::Records(targets) => {
            let named: Vec<String> = targets.iter().take(NAMED_MAX).map(|target| target.at.to_string()).collect();
            let more = match targets.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            format!("the records of {} events ({}{more})", targets.len(), named.join("; "))
        }
        Erased::Subject => {
            let pseudonym = event.statement.subject.first().and_then(|subject| subject.digest.sha256);
            format!(
                "the row of the pseudonym with SHA-256 {}, whose records stay",
                pseudonym.map_or_else(String::new, |digest: Hash| digest.hex())
            )
        }
    };
    let places: Vec<String> =
        erasure.places.iter().map(|found| format!("{} until {}", found.place, found.until)).collect();
    let places = if places.is_empty() { "none".to_owned() } else { places.join("; ") };
    format!(
        "entry {index} erases {what}, reason {}, on the authority of {}; other places: {places}",
        erasure.reason.name(),
        erasure.authority
    )
}

/// Erasures among the entries `from..to` of a log of `to` entries with this root, each proven to be one of them.
///
/// Whether admission took them, an audit of the larger size says.
pub fn later(
    source: &impl Source,
    origin: &Origin,
    from: TreeSize,
    (to, root): (TreeSize, &Hash),
) -> Result<Erasures, Failure> {
    let mut erasures = Erasures::new(Window::default());
    if from >= to {
        return Ok(erasures);
    }
    let mut bundle = from.get() / 256;
    while bundle < to.get().div_ceil(256) {
        let end = (bundle + CHUNK).min(to.get().div_ceil(256));
        let ids: Vec<BundleId> = (bundle..end).filter_map(|index| BundleId::at(index, to)).collect();
        for (id, bytes) in ids.iter().zip(fetch_bundles(source, to, &ids)?) {
            let entries = decode_bundle(&bytes, id.width()).unwrap_or_default();
            for (index, entry) in (id.start().get()..).zip(&entries) {
                let Ok(event) = seen::event(entry, origin) else { continue };
                if index < from.get() || !matches!(event.statement.body, Body::Erasure(_)) {
                    continue;
                }
                if includes(source, (to, root), LeafIndex::new(index), &leaf_hash(entry))?.is_ok() {
                    erasures.see(index, &event);
                }
            }
        }
        bundle = end;
    }
    Ok(erasures)
}
