//! Admission: from the bytes of a submission to a place in the pool, or a refusal [A-1] (70-admission.md, 85-log.md).
//!
//! Spelling, schema and signatures are checked before the lock, in parallel; facts are fetched before it and only what was
//! not found and may have come since is looked at again, in the entries of the pool and of the batches under way. Under
//! the lock `judge` decides and its effects are applied. The state here is provisional: it never goes back, because
//! whatever could take an admitted event away ends the process. The sealed record of an event travels with its leaf.
//! Not here: what is admitted (`vitrine_spec::admission`), waiting for the checkpoint (`http`), batches (`writer`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rayon::prelude::*;
use vitrine_spec::admission::{self, Draft, Facts, Logged, Query};
use vitrine_spec::body::Body;
use vitrine_spec::body::erasure::Target;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::{EventId, Submission};
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::Vkey;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::words::{Name, Time as EventTime};

use crate::batch::Item;
use crate::config::{JUDGE_LINES, POOL_BYTES_MAX, POOL_ENTRIES_MAX, VERIFY_LINES};
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
use crate::metrics::{Code, Metrics};
use crate::time::Time;

/// Where facts come from that are not in the pool: the index.
pub trait Lookup: Send + Sync {
    /// The logged event that a query names, if it is there.
    fn find(&self, query: &Query) -> Result<Option<Logged>, String>;
    /// Entries that the answers cover: everything below was looked at.
    fn covered(&self) -> TreeSize;
}

/// Says how many bytes an attachment has that is stored here.
pub type Attachments = Box<dyn Fn(&Hash) -> Option<u64> + Send + Sync>;

/// An admitted event on its way into the log.
pub struct Admitted {
    /// Its index.
    pub index: LeafIndex,
    /// The event.
    pub event: Arc<Event>,
    /// What it changes.
    pub effects: Effects,
    /// Its leaf and the sealed record that is stored beside it.
    pub item: Item,
    /// The entries whose sealed records it erases.
    pub erases: Vec<LeafIndex>,
}

/// The answer to a submission that was taken, now or before.
#[derive(Debug, Clone)]
pub struct Place {
    /// The index of the entry.
    pub index: LeafIndex,
    /// The event that is there: of a duplicate, the one that was logged first.
    pub event: Arc<Event>,
    /// The hash of the entry.
    pub leaf_hash: Hash,
    /// It was there already.
    pub duplicate: bool,
}

/// A position in a chain.
type Position = (Name, u32, u64);

struct Inner {
    /// The state with everything admitted.
    state: State,
    /// The index of the next entry.
    next: u64,
    pool: VecDeque<Admitted>,
    pool_bytes: usize,
    /// Entries from `recent_from` on, in order: pool, under way, and the batch that the index took last.
    recent: VecDeque<Logged>,
    recent_from: u64,
    /// What the index had covered the last time it said so.
    covered: u64,
    by_id: HashMap<EventId, Logged>,
    by_position: HashMap<Position, Logged>,
    leaving: bool,
    entries_max: usize,
}

/// Admission of one log.
pub struct Admission {
    origin: Origin,
    inner: RwLock<Inner>,
    lookup: Arc<dyn Lookup>,
    attachments: Attachments,
    /// Tells the writer that the pool is no longer empty.
    wake: Box<dyn Fn() + Send + Sync>,
    metrics: Arc<Metrics>,
}

/// A submission whose spelling, schema and signers are right; its signatures are not checked yet.
struct Read {
    event: Event,
    /// The sealed record that came with it.
    record: Option<Vec<u8>>,
    keys: Vec<Vkey>,
    /// What the index covered before the event itself was looked up.
    covered: TreeSize,
}

/// A submission that is ready for the lock.
struct Ready {
    event: Arc<Event>,
    leaf: Vec<u8>,
    record: Option<Vec<u8>>,
    leaf_hash: Hash,
    plan: Vec<Query>,
    facts: Facts,
    /// What the index covered before the facts were fetched.
    covered: TreeSize,
}

/// What reading a submission gave.
enum Reading {
    Read(Box<Read>),
    Duplicate(Logged),
    Refused(Refusal, Option<(Name, u32)>),
}

/// Why a submission was not taken, or could not be judged.
#[derive(Debug)]
pub enum NotTaken {
    /// By the rules, or for lack of room.
    Refused(Refusal),
    /// The index failed: the process is about to end.
    Failed(String),
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> Self {
        NotTaken::Refused(refusal)
    }
}

impl Admission {
    /// Admission over the state at the head's size; the index covers everything below it.
    pub fn new(
        origin: Origin,
        state: State,
        lookup: Arc<dyn Lookup>,
        attachments: Attachments,
        metrics: Arc<Metrics>,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Admission {
        let next = state.size.get();
        let inner = Inner {
            state,
            next,
            pool: VecDeque::new(),
            pool_bytes: 0,
            recent: VecDeque::new(),
            recent_from: next,
            covered: next,
            by_id: HashMap::new(),
            by_position: HashMap::new(),
            leaving: false,
            entries_max: POOL_ENTRIES_MAX,
        };
        Admission { origin, inner: RwLock::new(inner), lookup, attachments, wake, metrics }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing more is taken now, before anything of it is read: the pool is full, or the server leaves.
    pub fn full(&self) -> Option<Refusal> {
        self.read().full(0)
    }

    /// Nothing more is taken from here on.
    pub fn leave(&self) {
        self.write().leaving = true;
    }

    /// The log's origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The attachments that events name which are in the pool, in a batch under way or were indexed last.
    pub fn named(&self) -> HashSet<Hash> {
        let inner = self.read();
        inner.recent.iter().flat_map(|logged| &logged.event.statement.attachments).map(|found| found.sha256).collect()
    }

    /// Looks at the provisional state, for what the server itself wants to log.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.read().state)
    }

    /// Takes the next batch off the pool: at most 16,384 entries and 32 MiB.
    pub fn take(&self) -> Vec<Admitted> {
        let mut inner = self.write();
        let (mut count, mut bytes) = (0, 0);
        for admitted in inner.pool.iter().take(BATCH_ENTRIES_MAX) {
            bytes += admitted.item.bytes();
            if count > 0 && bytes > BATCH_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let taken: Vec<Admitted> = inner.pool.drain(..count).collect();
        inner.pool_bytes -= taken.iter().map(|admitted| admitted.item.bytes()).sum::<usize>();
        self.show(&inner);
        taken
    }

    /// Whether nothing waits for a batch.
    pub fn is_empty(&self) -> bool {
        self.read().pool.is_empty()
    }

    /// The index covers everything below `covered`: what it covered before is forgotten here.
    ///
    /// One batch is kept longer than needed, so that facts fetched just before need not be fetched again.
    pub fn indexed(&self, covered: TreeSize) {
        let mut inner = self.write();
        let before = inner.covered;
        while inner.recent_from < before {
            let Some(logged) = inner.recent.pop_front() else { break };
            inner.recent_from += 1;
            inner.by_id.remove(&logged.event.id);
            if let Some(position) = position(&logged.event) {
                inner.by_position.remove(&position);
            }
        }
        inner.covered = covered.get();
    }

    /// Admits one submission.
    pub fn submit(&self, submission: &[u8]) -> Result<Place, NotTaken> {
        let result = self.submit_one(submission);
        self.count(&result);
        result
    }

    fn submit_one(&self, submission: &[u8]) -> Result<Place, NotTaken> {
        let read = match self.look(submission)? {
            Reading::Read(read) => read,
            Reading::Duplicate(logged) => return Ok(Place::of(logged)),
            Reading::Refused(refusal, _) => return Err(refusal.into()),
        };
        admission::check_signatures(&read.event, &read.keys)?;
        let mut ready = self.ready(read.event, read.record, read.covered)?;
        loop {
            let decided = {
                let mut inner = self.write();
                let decided = inner.decide(ready, Time::now());
                self.show(&inner);
                decided
            };
            match decided {
                Decided::Taken(place, was_empty) => {
                    self.after(was_empty);
                    return Ok(place);
                }
                Decided::Refused(refusal) => return Err(refusal.into()),
                Decided::Again(stale) => ready = self.again(*stale)?,
            }
        }
    }

    /// Judges a submission without signatures and writes nothing.
    pub fn check(&self, submission: &[u8]) -> Result<Arc<Event>, NotTaken> {
        let mut draft = admission::read_unsigned(submission, &self.origin)?;
        let record = draft.take_record();
        let event = draft.parse(&self.read().state)?;
        let mut ready = self.ready(event, record, TreeSize::new(0))?;
        ready = self.again(ready)?;
        loop {
            let inner = self.read();
            if inner.recent_from > ready.covered.get() {
                drop(inner);
                ready = self.again(ready)?;
                continue;
            }
            inner.overlay(&mut ready);
            admission::judge_unsigned(&inner.state, &ready.facts, &ready.event, Some(arrival(Time::now())))?;
            return Ok(ready.event);
        }
    }

    /// Admits the lines of one body in their order. The answers have the lines' order and number.
    ///
    /// Signers are looked up in the state of now, before the first line is judged. After the first bad signature all later
    /// lines are skipped; after another refusal the later lines of the same chain.
    pub fn submit_lines(&self, lines: &[&[u8]]) -> Result<Vec<Result<Place, Refusal>>, NotTaken> {
        let readings: Vec<Result<Reading, NotTaken>> = lines.par_iter().map(|line| self.look(line)).collect();
        let mut readings = readings.into_iter().collect::<Result<VecDeque<_>, _>>()?;
        let mut answers: Vec<Result<Place, Refusal>> = Vec::with_capacity(lines.len());
        let mut broken: HashSet<(Name, u32)> = HashSet::new();
        let mut forged = false;
        while !readings.is_empty() && !forged {
            let group: Vec<Reading> = readings.drain(..readings.len().min(VERIFY_LINES)).collect();
            let mut checked: VecDeque<Checked> = self.check_group(group)?;
            // What comes after a bad signature is not even judged.
            if let Some(at) = checked.iter().position(|line| matches!(line, Checked::Forged(_))) {
                forged = true;
                let after = checked.split_off(at + 1);
                self.judge_group(checked, &mut broken, &mut answers)?;
                answers.extend(after.iter().map(|_| Err(Refusal::Skipped)));
            } else {
                self.judge_group(checked, &mut broken, &mut answers)?;
            }
        }
        answers.extend(readings.iter().map(|_| Err(Refusal::Skipped)));
        for answer in &answers {
            self.count_one(answer.as_ref().err(), answer.as_ref().ok());
        }
        Ok(answers)
    }

    /// Checks the signatures of a group in parallel and fetches its facts.
    fn check_group(&self, group: Vec<Reading>) -> Result<VecDeque<Checked>, NotTaken> {
        let checked: Vec<Result<Checked, NotTaken>> = group
            .into_par_iter()
            .map(|reading| match reading {
                Reading::Duplicate(logged) => Ok(Checked::Duplicate(logged)),
                Reading::Refused(refusal, chain) => Ok(Checked::Refused(refusal, chain)),
                Reading::Read(read) => match admission::check_signatures(&read.event, &read.keys) {
                    Ok(()) => {
                        self.ready(read.event, read.record, read.covered).map(|ready| Checked::Ready(Box::new(ready)))
                    }
                    Err(refusal) => Ok(Checked::Forged(refusal)),
                },
            })
            .collect();
        checked.into_iter().collect()
    }

    /// Judges a group in order, a few lines under each hold of the lock.
    fn judge_group(
        &self,
        mut group: VecDeque<Checked>,
        broken: &mut HashSet<(Name, u32)>,
        answers: &mut Vec<Result<Place, Refusal>>,
    ) -> Result<(), NotTaken> {
        let now = Time::now();
        while !group.is_empty() {
            let mut again = None;
            let mut wake = false;
            {
                let mut inner = self.write();
                for _ in 0..JUDGE_LINES {
                    let Some(line) = group.pop_front() else { break };
                    let ready = match line {
                        Checked::Ready(ready) => ready,
                        Checked::Duplicate(logged) => {
                            answers.push(Ok(Place::of(logged)));
                            continue;
                        }
                        Checked::Forged(refusal) => {
                            answers.push(Err(refusal));
                            continue;
                        }
                        Checked::Refused(refusal, chain) => {
                            broken.extend(chain);
                            answers.push(Err(refusal));
                            continue;
                        }
                    };
                    let chain = chain(&ready.event);
                    if chain.as_ref().is_some_and(|chain| broken.contains(chain)) {
                        answers.push(Err(Refusal::Skipped));
                        continue;
                    }
                    match inner.decide(*ready, now) {
                        Decided::Taken(place, was_empty) => {
                            wake |= was_empty;
                            answers.push(Ok(place));
                        }
                        Decided::Refused(refusal) => {
                            broken.extend(chain);
                            answers.push(Err(refusal));
                        }
                        Decided::Again(stale) => {
                            again = Some(stale);
                            break;
                        }
                    }
                }
                self.show(&inner);
            }
            self.after(wake);
            if let Some(stale) = again {
                group.push_front(Checked::Ready(Box::new(self.again(*stale)?)));
            }
        }
        Ok(())
    }

    /// Spelling, duplicate, schema, signers: everything before the arithmetic.
    fn look(&self, submission: &[u8]) -> Result<Reading, NotTaken> {
        let mut draft: Draft = match admission::read(submission, &self.origin) {
            Ok(draft) => draft,
            Err(refusal) => return Ok(Reading::Refused(refusal, None)),
        };
        let id = draft.id();
        let covered = self.lookup.covered();
        if let Some(logged) = self.read().by_id.get(&id) {
            return Ok(Reading::Duplicate(logged.clone()));
        }
        let query = Query::Id(id);
        if let Some(logged) = self.lookup.find(&query).map_err(NotTaken::Failed)? {
            return Ok(Reading::Duplicate(logged));
        }
        let record = draft.take_record();
        let read = {
            let inner = self.read();
            draft.parse(&inner.state).map_err(|refusal| (refusal, None)).and_then(|event| {
                match admission::authority(&inner.state, &event) {
                    Ok(keys) => Ok((event, keys)),
                    Err(refusal) => Err((refusal, chain(&event))),
                }
            })
        };
        let place = match &read {
            Ok((event, _)) => sealed_place(event),
            // A duplicate is one whatever else is wrong with it now.
            Err(_) => read_alone(submission).as_ref().and_then(sealed_place),
        };
        if let Some(place) = place
            && let Some(logged) = self.lookup.find(&place).map_err(NotTaken::Failed)?
            && logged.event.id == id
        {
            return Ok(Reading::Duplicate(logged));
        }
        match read {
            Ok((event, keys)) => Ok(Reading::Read(Box::new(Read { event, record, keys, covered }))),
            Err((refusal, chain)) => Ok(Reading::Refused(refusal, chain)),
        }
    }

    /// Leaf, plan and facts of an event which the index did not have itself when it covered `covered`.
    fn ready(&self, event: Event, record: Option<Vec<u8>>, covered: TreeSize) -> Result<Ready, NotTaken> {
        let leaf = event.leaf();
        let plan = admission::plan(&event);
        let leaf_hash = leaf_hash(&leaf);
        let mut facts = Facts::default();
        record.iter().for_each(|record| facts.insert_record(record));
        let mut ready = Ready { event: Arc::new(event), leaf, record, leaf_hash, plan, facts, covered };
        self.look_up(&mut ready, false)?;
        Ok(ready)
    }

    /// Fetches the facts again, because the index has moved on by more than the overlay remembers.
    fn again(&self, mut ready: Ready) -> Result<Ready, NotTaken> {
        ready.covered = self.lookup.covered();
        self.look_up(&mut ready, true)?;
        Ok(ready)
    }

    /// Asks the index for what pool and batches under way do not know: a fact found is permanent, wherever it was found.
    fn look_up(&self, ready: &mut Ready, itself: bool) -> Result<(), NotTaken> {
        self.read().overlay(ready);
        let own = [Some(Query::Id(ready.event.id)), sealed_place(&ready.event)];
        let asked = |query: &Query| !itself && own.iter().flatten().any(|own| own == query);
        let open = ready.plan.iter().filter(|query| ready.facts.get(query).is_none() && !asked(query));
        let open: Vec<Query> = open.cloned().collect();
        for query in open {
            if let Query::Attachment(digest) = &query {
                if let Some(size) = (self.attachments)(digest) {
                    ready.facts.insert_attachment(*digest, size);
                }
                continue;
            }
            let logged = self.lookup.find(&query).map_err(NotTaken::Failed)?;
            ready.facts.insert(query, logged);
        }
        Ok(())
    }

    fn after(&self, was_empty: bool) {
        if was_empty {
            (self.wake)();
        }
    }

    fn show(&self, inner: &Inner) {
        self.metrics.pool_entries.set(i64::try_from(inner.pool.len()).unwrap_or(i64::MAX));
        self.metrics.pool_bytes.set(i64::try_from(inner.pool_bytes).unwrap_or(i64::MAX));
    }

    fn count(&self, result: &Result<Place, NotTaken>) {
        match result {
            Ok(place) => self.count_one(None, Some(place)),
            Err(NotTaken::Refused(refusal)) => self.count_one(Some(refusal), None),
            Err(NotTaken::Failed(_)) => {}
        }
    }

    fn count_one(&self, refusal: Option<&Refusal>, place: Option<&Place>) {
        if let Some(refusal) = refusal {
            self.metrics.refused.get_or_create(&Code { code: refusal.code() }).inc();
        }
        match place {
            Some(place) if place.duplicate => self.metrics.duplicates.inc(),
            Some(_) => self.metrics.admitted.inc(),
            None => 0,
        };
    }
}

/// A line of a body after the arithmetic.
enum Checked {
    Ready(Box<Ready>),
    Duplicate(Logged),
    Forged(Refusal),
    Refused(Refusal, Option<(Name, u32)>),
}

enum Decided {
    /// Taken, and whether the pool was empty before.
    Taken(Place, bool),
    Refused(Refusal),
    /// The index has taken more than one batch since the facts were fetched.
    Again(Box<Ready>),
}

impl Inner {
    fn full(&self, more: usize) -> Option<Refusal> {
        if self.leaving {
            return Some(Refusal::Starting("the server was told to stop; submit again in a moment".to_owned()));
        }
        let (entries, bytes) = (self.pool.len(), self.pool_bytes + more);
        (entries >= self.entries_max || bytes > POOL_BYTES_MAX).then(|| {
            Refusal::QuorumUnavailable(format!(
                "{entries} entries of {bytes} bytes wait for a checkpoint, at most {} of {POOL_BYTES_MAX} bytes may",
                self.entries_max
            ))
        })
    }

    /// Adds what pool and batches under way know to the facts of the index.
    fn overlay(&self, ready: &mut Ready) {
        for query in &ready.plan {
            let logged = match query {
                Query::Id(id) => self.by_id.get(id),
                Query::At(issuer, epoch, seq) => self.by_position.get(&(issuer.clone(), *epoch, *seq)),
                Query::Attachment(_) => None, // found before the lock, or not here
            };
            if let Some(logged) = logged {
                ready.facts.insert(query.clone(), logged.clone());
            }
        }
    }

    /// The decision under the lock: duplicate, `judge`, and the place in the pool [S-26].
    fn decide(&mut self, mut ready: Ready, now: Time) -> Decided {
        if self.recent_from > ready.covered.get() {
            return Decided::Again(Box::new(ready));
        }
        self.overlay(&mut ready);
        if let Some(logged) = same(&ready) {
            return Decided::Taken(Place::of(logged), false);
        }
        let item = Item { leaf: ready.leaf, record: ready.record };
        if let Some(refusal) = self.full(item.bytes()) {
            return Decided::Refused(refusal);
        }
        let effects = match admission::judge(&self.state, &ready.facts, &ready.event, Some(arrival(now))) {
            Ok(effects) => effects,
            Err(refusal) => return Decided::Refused(refusal),
        };
        self.state.apply(&effects);
        let index = LeafIndex::new(self.next);
        self.next += 1;
        let logged = Logged { index, event: Arc::clone(&ready.event) };
        self.by_id.insert(ready.event.id, logged.clone());
        if let Some(position) = position(&ready.event) {
            self.by_position.insert(position, logged.clone());
        }
        self.recent.push_back(logged);
        let erases = erases(&ready.event, &ready.facts);
        self.pool_bytes += item.bytes();
        let was_empty = self.pool.is_empty();
        self.pool.push_back(Admitted { index, event: Arc::clone(&ready.event), effects, item, erases });
        Decided::Taken(Place { index, event: ready.event, leaf_hash: ready.leaf_hash, duplicate: false }, was_empty)
    }
}

impl Place {
    fn of(logged: Logged) -> Place {
        let leaf_hash = leaf_hash(&logged.event.leaf());
        Place { index: logged.index, event: logged.event, leaf_hash, duplicate: true }
    }
}

/// The entry that this event already is: found by its id or at its position.
fn same(ready: &Ready) -> Option<Logged> {
    let index = admission::duplicate(&ready.facts, &ready.event)?;
    Some(Logged { index, event: Arc::clone(&ready.event) })
}

/// The place of an event of a sealed type, by which the index finds it: it has no record of its id [S-33].
fn sealed_place(event: &Event) -> Option<Query> {
    let place = event.statement.header.place().filter(|_| event.statement.kind.is_sealed())?;
    Some(Query::At(place.issuer, place.epoch, place.seq))
}

/// The event of a submission by its tables alone, whatever this log takes now.
fn read_alone(submission: &[u8]) -> Option<Event> {
    Event::read(Submission::parse(submission, 1).ok()?.envelope).ok()
}

/// The entries whose sealed records an event erases; admission found them all.
fn erases(event: &Event, facts: &Facts) -> Vec<LeafIndex> {
    let Body::Erasure(erasure) = &event.statement.body else { return Vec::new() };
    let at = |target: &Target| Query::At(target.at.issuer.clone(), target.at.epoch, target.at.seq);
    erasure.targets().iter().filter_map(|target| facts.get(&at(target))).map(|logged| logged.index).collect()
}

fn position(event: &Event) -> Option<Position> {
    let header = &event.statement.header;
    header.seq.map(|seq| (header.issuer.clone(), header.epoch, seq))
}

fn chain(event: &Event) -> Option<(Name, u32)> {
    let header = &event.statement.header;
    header.seq.map(|_| (header.issuer.clone(), header.epoch))
}

fn arrival(now: Time) -> EventTime {
    EventTime::new(now.get())
}

#[cfg(test)]
impl Admission {
    /// The same with room for fewer entries.
    pub(crate) fn with_pool_entries_max(self, entries: usize) -> Admission {
        self.write().entries_max = entries;
        self
    }
}

#[cfg(test)]
mod tests;
