//! Admission once more, from entry 0 (design-log.md 1): every rule, every signature, in the order of the log.
//!
//! The fold is that of `vitrine_spec::admission`; only its arithmetic is put off to the end of a bundle, where the signatures
//! of all its events are checked at once. Memory: 24 bytes for each event, a state that grows with issuers and streams, and
//! a few bundles that earlier events are read from. Not here: chains seen on their own (`chains`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use rayon::prelude::*;
use vitrine_spec::admission::{self, Facts, Logged, Passed, Query};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::key::Vkey;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::State;
use vitrine_spec::statement::Kind;
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::words::{Name, Read};

use super::copy::Copy;
use super::report::{Finding, Section, Severity};
use super::seen;
use crate::exit::Failure;

/// Bundles that earlier events were read from and that are kept for the next one.
const CACHED_BUNDLES: usize = 16;

/// Where earlier events stand: a hint, which the fetched leaf confirms.
struct Index<'a> {
    copy: &'a Copy,
    origin: &'a Origin,
    size: TreeSize,
    by_id: HashMap<[u8; 16], u64>,
    /// Entries of an epoch's chain, by seq − 1; its unchained ones apart.
    epochs: HashMap<(Name, u32), (Vec<u64>, Vec<u64>)>,
    cache: VecDeque<(u64, Vec<Vec<u8>>)>,
}

impl Index<'_> {
    fn add(&mut self, index: u64, event: &Event) {
        let header = &event.statement.header;
        self.by_id.entry(short(event.id.as_bytes())).or_insert(index);
        let (chained, free) = self.epochs.entry((header.issuer.clone(), header.epoch)).or_default();
        if header.seq.is_some() { chained.push(index) } else { free.push(index) }
    }

    fn look(&mut self, query: &Query) -> Result<Option<Logged>, Failure> {
        let index = match query {
            Query::Id(id) => self.by_id.get(&short(id.as_bytes())).copied(),
            Query::At(issuer, epoch, seq) => self
                .epochs
                .get(&(issuer.clone(), *epoch))
                .and_then(|(chained, _)| chained.get(usize::try_from(seq.checked_sub(1)?).ok()?).copied()),
            Query::Attachment(_) => None,
        };
        let Some(index) = index else { return Ok(None) };
        let Some(event) = self.event(index)? else { return Ok(None) };
        let found = match query {
            Query::Id(id) => event.id == *id,
            Query::At(issuer, epoch, seq) => {
                let header = &event.statement.header;
                header.issuer == *issuer && header.epoch == *epoch && header.seq == Some(*seq)
            }
            Query::Attachment(_) => false,
        };
        Ok(found.then(|| Logged { index: LeafIndex::new(index), event: Arc::new(event) }))
    }

    fn event(&mut self, index: u64) -> Result<Option<Event>, Failure> {
        let (bundle, at) = (index / 256, usize::try_from(index % 256).unwrap_or_default());
        if !self.cache.iter().any(|(cached, _)| *cached == bundle) {
            let Some(id) = BundleId::at(bundle, self.size) else { return Ok(None) };
            let entries = self.copy.bundle(id)?.and_then(|bytes| decode_bundle(&bytes, id.width()).ok());
            self.cache.push_back((bundle, entries.unwrap_or_default()));
            if self.cache.len() > CACHED_BUNDLES {
                self.cache.pop_front();
            }
        }
        let cached = self.cache.iter().find(|(cached, _)| *cached == bundle);
        Ok(cached.and_then(|(_, entries)| entries.get(at)).and_then(|entry| seen::event(entry, self.origin).ok()))
    }
}

fn short(id: &[u8; 32]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(id.split_at(16).0);
    key
}

/// Where the fold stopped.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The entry that admission refuses.
    pub index: u64,
    /// Its bytes.
    pub entry: Vec<u8>,
    /// Why.
    pub refusal: Refusal,
}

/// What is done at an entry of a type that this version does not know.
#[derive(Clone, Debug, Default)]
enum Later {
    /// The fold stops.
    #[default]
    Stops,
    /// It goes on where the issuer stands for the entry; these were passed.
    Passed(Vec<(u64, Passed)>),
}

/// The fold under way.
pub struct Fold<'a> {
    index: Index<'a>,
    later: Later,
    /// The state after the entries folded.
    pub state: State,
    /// The entry at which it stopped, if it did.
    pub stop: Option<Stop>,
    kinds: BTreeMap<Kind, u64>,
    signatures: u64,
}

impl<'a> Fold<'a> {
    /// A fold over the first `size` entries of the copy.
    pub fn new(copy: &'a Copy, origin: &'a Origin, size: TreeSize) -> Fold<'a> {
        let index = Index { copy, origin, size, by_id: HashMap::new(), epochs: HashMap::new(), cache: VecDeque::new() };
        let (state, kinds) = (State::default(), BTreeMap::new());
        Fold { index, later: Later::Stops, state, stop: None, kinds, signatures: 0 }
    }

    /// The same, which passes entries of types that are not known here.
    pub fn passing(copy: &'a Copy, origin: &'a Origin, size: TreeSize) -> Fold<'a> {
        Fold { later: Later::Passed(Vec::new()), ..Fold::new(copy, origin, size) }
    }

    /// The copy holds more entries now.
    pub fn grow(&mut self, size: TreeSize) {
        let whole = self.index.size.get() / 256;
        self.index.cache.retain(|(bundle, _)| *bundle < whole);
        self.index.size = size;
    }

    /// Entries of unknown types that were passed since the last call.
    pub fn passed(&mut self) -> Vec<(u64, Passed)> {
        match &mut self.later {
            Later::Stops => Vec::new(),
            Later::Passed(passed) => core::mem::take(passed),
        }
    }

    /// Takes the next entries with their events, as far as they are some; does nothing after a stop.
    pub fn take(&mut self, start: LeafIndex, entries: &[Vec<u8>], events: &[Read<Event>]) -> Result<(), Failure> {
        if self.stop.is_some() {
            return Ok(());
        }
        let mut arithmetic: Vec<(u64, &[u8], &Event, Vec<Vkey>)> = Vec::with_capacity(entries.len());
        let mut stop = None;
        for ((index, entry), event) in (start.get()..).zip(entries).zip(events) {
            match self.step(index, event)? {
                Ok((event, keys)) => arithmetic.push((index, entry, event, keys)),
                Err(refusal) if self.pass(index, entry, &refusal) => {}
                Err(_) => {
                    stop = Some((index, entry.as_slice()));
                    break;
                }
            }
        }
        self.signatures += arithmetic.iter().map(|(.., keys)| keys.len() as u64).sum::<u64>();
        let wrong = arithmetic.par_iter().find_map_first(|(index, entry, event, keys)| {
            admission::check_signatures(event, keys).err().map(|refusal| (*index, *entry, refusal))
        });
        self.stop = match (wrong, stop) {
            (Some((index, entry, refusal)), _) => Some(Stop { index, entry: entry.to_vec(), refusal }),
            (None, Some((index, entry))) => {
                let refusal = self.refusal(entry)?;
                Some(Stop { index, entry: entry.to_vec(), refusal })
            }
            (None, None) => None,
        };
        Ok(())
    }

    /// One entry without its arithmetic; the keys that its signatures must verify with. The outer error is ours, the inner one
    /// the entry's.
    fn step<'e>(
        &mut self,
        index: u64,
        event: &'e Read<Event>,
    ) -> Result<Result<(&'e Event, Vec<Vkey>), Refusal>, Failure> {
        let event = match event {
            Ok(event) => event,
            Err(refusal) => return Ok(Err(refusal.clone())),
        };
        let mut facts = Facts::default();
        for query in admission::plan(event) {
            let logged = self.index.look(&query)?;
            facts.insert(query, logged);
        }
        if let Some(first) = admission::duplicate(&facts, event) {
            return Ok(Err(Refusal::Malformed(format!("the event is entry {first} already"))));
        }
        let judged = admission::authority(&self.state, event)
            .and_then(|keys| admission::judge(&self.state, &facts, event, None).map(|effects| (keys, effects)));
        Ok(judged.map(|(keys, effects)| {
            self.state.apply(&effects);
            self.index.add(index, event);
            *self.kinds.entry(event.statement.kind).or_default() += 1;
            (event, keys)
        }))
    }

    /// Whether an entry is of a type that is not known here, and was passed.
    fn pass(&mut self, index: u64, entry: &[u8], refusal: &Refusal) -> bool {
        let Later::Passed(all) = &mut self.later else { return false };
        if !matches!(refusal, Refusal::TypeUnknown(_) | Refusal::TypeLater(_)) {
            return false;
        }
        let Ok(passed) = admission::pass(&mut self.state, entry, self.index.origin) else { return false };
        let (chained, free) = self.index.epochs.entry((passed.issuer.clone(), passed.epoch)).or_default();
        if passed.place.is_some() {
            chained.push(index)
        } else {
            free.push(index)
        }
        all.push((index, passed));
        true
    }

    /// Why admission refuses an entry: in its own order of checks, which puts signatures before position.
    fn refusal(&mut self, entry: &[u8]) -> Result<Refusal, Failure> {
        let mut failed = None;
        let mut state = self.state.clone();
        let origin = self.index.origin;
        let folded = admission::fold(&mut state, entry, origin, |query| match self.index.look(query) {
            Ok(logged) => logged,
            Err(failure) => {
                failed = Some(failure);
                None
            }
        });
        match (failed, folded) {
            (Some(failure), _) => Err(failure),
            (None, Err(refusal)) => Ok(refusal),
            (None, Ok(_)) => Ok(Refusal::Malformed("the entry was refused, and then was not".to_owned())),
        }
    }

    /// Entries of an epoch that were disowned, ascending.
    pub fn disowned(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for ((issuer, epoch), (chained, free)) in &self.index.epochs {
            let is = |index: &&u64| self.state.disowned(issuer, *epoch, LeafIndex::new(**index));
            all.extend(chained.iter().chain(free).filter(is).copied());
        }
        all.sort_unstable();
        all
    }

    /// The event that a query names, among the entries folded.
    pub fn look(&mut self, query: &Query) -> Result<Option<Logged>, Failure> {
        self.index.look(query)
    }

    /// The event of an entry that was folded.
    pub fn event(&mut self, index: u64) -> Result<Option<Event>, Failure> {
        self.index.event(index)
    }

    /// An event that was folded, by its identity.
    pub fn find(&mut self, id: EventId) -> Result<Option<Logged>, Failure> {
        self.index.look(&Query::Id(id))
    }

    /// What was checked, and where it stopped.
    pub fn section(&self, size: TreeSize) -> Section {
        let mut section = Section::new("admission");
        let folded = self.stop.as_ref().map_or(size.get(), |stop| stop.index);
        section.checked(format!(
            "{folded} entries judged again by the rules of admission, {} signatures verified",
            self.signatures
        ));
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if !kinds.is_empty() {
            section.checked(format!("they are {}", kinds.join(", ")));
        }
        section.not_checked("attachments: whether the documents that events name exist, and what is in them");
        if let Some(Stop { index, entry, refusal }) = &self.stop {
            let mut finding = Finding::new(
                Severity::Misbehaviour,
                "log.admission",
                format!("entry {index} must not be there ({}): {refusal}", refusal.code()),
            );
            if let Some(seen) = seen::read(*index, entry, self.index.origin) {
                finding.text = format!(
                    "{} epoch {}{}: {}",
                    seen.issuer,
                    seen.epoch,
                    seen.link.map_or_else(String::new, |link| format!(" seq {}", link.seq)),
                    finding.text
                );
                finding = finding.at(seen.place());
            }
            section.found(finding);
            section.not_checked(format!(
                "admission of the {} entries after entry {index}",
                size.get().saturating_sub(index + 1)
            ));
        }
        section
    }
}
