//! Admission as a fold: histories by chance are judged on arrival, and every other way to the state comes to the same one.
//!
//! What is refused is refused for the reason that a model expects, on arrival and in the fold. Not here: the server
//! (`killed`), single rules (`spec`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use vitrine_spec::admission::{self, Facts, Logged, Query};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::{EventId, Submission};
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::words::{Name, Time};

#[path = "fold/steps.rs"]
mod steps;
#[path = "fold/model.rs"]
mod model;

use model::{Made, Model, ORIGIN};
use steps::{Fault, Happening, Pause, Sent, Step, Window, Wraps};

fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

/// Logged events, found as an index finds them.
#[derive(Clone, Default)]
struct Entries {
    all: Vec<Logged>,
    by_query: BTreeMap<Query, usize>,
}

impl Entries {
    fn push(&mut self, event: Arc<Event>) {
        if let Some(place) = event.statement.header.place() {
            let query = Query::At(place.issuer, place.epoch, place.seq);
            assert_eq!(self.by_query.insert(query, self.all.len()), None, "a place is taken once");
        }
        assert_eq!(self.by_query.insert(Query::Id(event.id), self.all.len()), None, "an event is logged once");
        self.all.push(Logged { index: LeafIndex::new(self.all.len() as u64), event });
    }

    fn look(&self, query: &Query) -> Option<Logged> {
        self.by_query.get(query).map(|place| self.all[*place].clone())
    }

    fn facts(&self, event: &Event) -> Facts {
        let mut facts = Facts::default();
        for query in admission::plan(event) {
            let found = self.look(&query);
            facts.insert(query, found);
        }
        facts
    }

    fn leaves(&self) -> impl Iterator<Item = Vec<u8>> {
        self.all.iter().map(|logged| logged.event.leaf())
    }
}

/// A log in memory, by the way of a server, and what an index keeps of it.
#[derive(Default)]
struct Log {
    state: State,
    entries: Entries,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What came beside each entry.
    sealed: Vec<Option<Vec<u8>>>,
    /// The state after every entry.
    states: Vec<State>,
}

impl Log {
    fn judge(&self, submission: &[u8], now: u64) -> Result<(Event, Option<Vec<u8>>, Effects), Refusal> {
        let mut draft = admission::read(submission, &origin())?;
        let record = draft.take_record();
        let event = draft.parse(&self.state)?;
        let mut facts = self.entries.facts(&event);
        if let Some(record) = &record {
            facts.insert_record(record);
        }
        assert_eq!(admission::duplicate(&facts, &event), None, "{} was not logged before", event.id);
        let keys = admission::authority(&self.state, &event)?;
        admission::check_signatures(&event, &keys)?;
        let effects = admission::judge(&self.state, &facts, &event, Some(Time::new(now)))?;
        Ok((event, record, effects))
    }

    fn submit(&mut self, made: &Made) -> Result<(), Refusal> {
        let (event, record, effects) = self.judge(&made.submission, made.now)?;
        self.state.apply(&effects);
        self.records.extend(effects.touched(&self.state));
        self.entries.push(Arc::new(event));
        self.sealed.push(record);
        self.states.push(self.state.clone());
        Ok(())
    }
}

/// A log by the way of an audit: nothing but leaves.
#[derive(Clone, Default)]
struct Fold {
    state: State,
    entries: Entries,
}

impl Fold {
    fn take(&mut self, leaf: &[u8]) -> Result<(), Refusal> {
        let entries = &self.entries;
        let event = admission::fold(&mut self.state, leaf, &origin(), |query| entries.look(query))?;
        self.entries.push(event);
        Ok(())
    }
}

/// What the histories of a run were about: types and what came of them, and what else must have happened.
type Seen = RefCell<BTreeMap<(&'static str, &'static str), usize>>;

fn leaf(made: &Made) -> Vec<u8> {
    Submission::parse(&made.submission, 1).unwrap().envelope.leaf()
}

/// Lets a history happen; the fold goes along, one leaf behind.
fn happen(steps: &[Happening], seen: &Seen) -> (Log, Model) {
    let (mut log, mut fold) = (Log::default(), Fold::default());
    let (mut model, charter) = Model::new();
    let mut one = |model: &mut Model, made: &Made, what: &dyn std::fmt::Debug| {
        let before = fold.clone();
        let (got, folded) = (log.submit(made), fold.take(&leaf(made)));
        let got = got.as_ref().map_err(|refusal| (refusal.code(), refusal.to_string()));
        let folded = folded.as_ref().map_err(|refusal| (refusal.code(), refusal.to_string()));
        assert_eq!(got.as_ref().err().map(|(code, _)| *code), made.want, "on arrival, {what:?}: {got:?}");
        assert_eq!(
            folded.as_ref().err().map(|(code, _)| *code),
            made.want_of_leaf,
            "in the fold, {what:?}: {folded:?}"
        );
        if made.want == made.want_of_leaf {
            assert_eq!(got, folded, "arrival and fold, {what:?}");
        } else {
            // Nothing is wrong with the leaf: what came with it, or when, is.
            fold = before.clone();
        }
        assert_eq!(log.state, fold.state, "after {what:?}");
        match made.want {
            Some(_) => assert_eq!(fold.state, before.state, "a refused event leaves nothing behind"),
            None => model.taken(made),
        }
        *seen.borrow_mut().entry((made.kind, made.want.unwrap_or("taken"))).or_default() += 1;
    };
    one(&mut model, &charter, &"the charter");
    for step in steps {
        let made = model.next(&step.0, step.1, step.2);
        one(&mut model, &made, step);
    }
    (log, model)
}

/// The leaves from entry 0 and the records of an index come to the state of the server, at every size.
fn same_state(log: &Log, pause: usize) {
    let mut fold = Fold::default();
    for (leaf, state) in log.entries.leaves().zip(&log.states) {
        fold.take(&leaf).unwrap();
        assert_eq!(fold.state, *state, "size {}", state.size());
    }
    let records: BTreeMap<_, _> = log.state.records().into_iter().collect();
    assert_eq!(records.len(), log.state.records().len(), "one record for a key");
    assert_eq!(records, log.records, "what events touched adds up");
    assert_eq!(State::from_records(log.records.clone()).as_ref(), Ok(&log.state));
    // An index that stopped anywhere goes on from its records.
    let mut fold = Fold::default();
    for (place, leaf) in log.entries.leaves().enumerate() {
        if place == pause {
            fold.state = State::from_records(fold.state.records()).unwrap();
        }
        fold.take(&leaf).unwrap();
    }
    assert_eq!(fold.state, log.state);
}

/// Whatever happened since, every logged event is found again, by its id or by its place alone, and no fold takes it.
fn every_duplicate(log: &Log) {
    for (logged, record) in log.entries.all.iter().zip(&log.sealed) {
        let submission = Submission { envelope: logged.event.envelope.clone(), sealed: record.clone() }.print();
        let draft = admission::read(&submission, &origin()).unwrap();
        assert_eq!(draft.id(), logged.event.id);
        let event = draft.parse(&log.state).unwrap();
        assert_eq!(admission::duplicate(&log.entries.facts(&event), &event), Some(logged.index));
        let mut queries = vec![Query::Id(event.id)];
        queries.extend(event.statement.header.place().map(|place| Query::At(place.issuer, place.epoch, place.seq)));
        for query in queries {
            let mut facts = Facts::default();
            assert!(admission::plan(&event).contains(&query), "{query:?} is asked for");
            facts.insert(query.clone(), log.entries.look(&query));
            assert_eq!(admission::duplicate(&facts, &event), Some(logged.index), "by {query:?}");
        }
        assert_eq!(admission::duplicate(&Facts::default(), &event), None);
        let mut fold = Fold { state: log.state.clone(), entries: log.entries.clone() };
        let refusal = fold.take(&event.leaf()).unwrap_err();
        assert!(refusal.to_string().contains(&format!("is entry {} already", logged.index)), "{refusal}");
        assert_eq!(fold.state, log.state);
    }
}

/// Entries are disowned exactly as the model has it.
fn same_disowned(log: &Log, model: &Model, seen: &Seen) {
    let mut count = 0;
    for (index, issuer, epoch, disowned) in model.entries() {
        let (name, epoch) = (Name::new(issuer).unwrap(), u32::try_from(epoch).unwrap());
        assert_eq!(
            log.state.disowned(&name, epoch, LeafIndex::new(index)),
            disowned,
            "entry {index} of {issuer}, {epoch}"
        );
        *seen.borrow_mut().entry(("any", "disowned")).or_default() += usize::from(disowned);
        count += 1;
    }
    assert_eq!(count, log.entries.all.len());
}

/// What must have happened: histories in which nothing does prove nothing.
const MUST_HAPPEN: [(&str, &[&str]); 5] = [
    (
        "any",
        &[
            "taken",
            "disowned",
            "issuer-unknown",
            "issuer-closed",
            "epoch",
            "type-not-allowed",
            "signature",
            "position",
            "ref-missing",
            "key-reused",
            "stream",
            "release-position",
            "previous",
            "signer-set",
            "clock-order",
            "too-early",
            "site",
            "malformed",
            "value",
            "subject",
        ],
    ),
    ("charter", &["taken", "key-reused", "value"]),
    ("sealing-key", &["taken", "sealing-key", "subject", "type-not-allowed"]),
    ("access", &["taken", "sealing-key", "sealed-mismatch", "malformed", "value", "subject", "type-not-allowed"]),
    ("erasure", &["taken", "signer-set", "ref-missing", "ref-kind", "value", "subject", "type-not-allowed"]),
];

#[test]
fn every_way_to_the_state_comes_to_the_same() {
    // [A-2] [A-4] [A-5] [A-11] [A-26] [A-27] [A-28] [A-29]
    let told = std::env::var("VITRINE_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = told.unwrap_or_else(|| getrandom::u64().unwrap());
    println!("VITRINE_SEED={seed}");
    let seen = Seen::default();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, Hash::of(&seed.to_be_bytes()).as_bytes());
    let histories = (steps::history(120), any::<prop::sample::Index>());
    let run = TestRunner::new_with_rng(config, rng).run(&histories, |(steps, pause)| {
        let (log, model) = happen(&steps, &seen);
        same_state(&log, pause.index(log.entries.all.len()));
        every_duplicate(&log);
        same_disowned(&log, &model, &seen);
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("VITRINE_SEED={seed}: {failure}"));
    let mut seen = seen.into_inner();
    for ((_, code), times) in seen.clone() {
        *seen.entry(("any", code)).or_default() += times;
    }
    for (kind, codes) in MUST_HAPPEN {
        for code in codes {
            assert!(seen.get(&(kind, *code)).is_some_and(|times| *times > 0), "{kind}: no {code}: {seen:?}");
        }
    }
}

#[test]
fn a_sealing_key_is_closed_after_so_many_events() {
    //
    let (mut model, charter) = Model::new();
    let mut log = Log::default();
    log.submit(&charter).unwrap();
    model.taken(&charter);
    let key = model.next(&Step::SealingKey { who: 2, wraps: Wraps::Right }, Fault::None, Pause::Minute);
    log.submit(&key).unwrap();
    model.taken(&key);
    for (events, want) in [(65_534, None), (65_535, None), (65_536, Some("sealing-key")), (65_537, Some("sealing-key"))]
    {
        // Each of them would be a signature: the chain's record is set forward instead, to after so many events.
        let records = log.state.records().into_iter().map(|(name, value)| {
            let mut record: serde_json::Value = serde_json::from_slice(&value).unwrap();
            if name == b"chain\0vault\x001" {
                assert_eq!((&record["seq"], &record["sealing_seq"]), (&1.into(), &1.into()));
                record["seq"] = (1 + events).into();
            }
            (name, serde_json_canonicalizer::to_vec(&record).unwrap())
        });
        let mut there = Log { state: State::from_records(records).unwrap(), ..Log::default() };
        let mut model = model.clone();
        model.set_forward("vault", events);
        let step = Step::Access { who: 2, window: Window::Newest, sent: Sent::Right(1), on_the_hour: true };
        let made = model.next(&step, Fault::None, Pause::Minute);
        assert_eq!(made.want, want);
        let mut fold = Fold { state: there.state.clone(), ..Fold::default() };
        let code = |result: Result<(), Refusal>| result.err().map(|refusal| refusal.code());
        assert_eq!((code(there.submit(&made)), code(fold.take(&leaf(&made)))), (want, want), "{events}");
    }
}

#[test]
fn a_leaf_changed_left_out_or_moved_is_not_folded() {
    //
    let (mut model, charter) = Model::new();
    let mut log = Log::default();
    log.submit(&charter).unwrap();
    model.taken(&charter);
    for _ in 0..3 {
        let made = model.next(&Step::Beat { who: 6 }, Fault::None, Pause::Minute);
        log.submit(&made).unwrap();
        model.taken(&made);
    }
    let leaves: Vec<Vec<u8>> = log.entries.leaves().collect();
    let folded = |leaves: &[&Vec<u8>]| {
        let mut fold = Fold::default();
        leaves.iter().try_for_each(|leaf| fold.take(leaf)).map_err(|refusal| refusal.code())
    };
    let [zero, one, two, three] = [0, 1, 2, 3].map(|place| &leaves[place]);
    assert_eq!(folded(&[zero, one, two, three]), Ok(()));
    assert_eq!(folded(&[zero, two, three]), Err("position"));
    assert_eq!(folded(&[zero, two, one, three]), Err("position"));
    assert_eq!(folded(&[one, two, three]), Err("type-unknown"));
    assert_eq!(folded(&[zero, one, one]), Err("malformed"));
    let ids: Vec<EventId> = log.entries.all.iter().map(|logged| logged.event.id).collect();
    for place in 0..two.len() {
        let mut spoiled = two.clone();
        spoiled[place] ^= 1;
        let mut fold = Fold::default();
        fold.take(zero).unwrap();
        fold.take(one).unwrap();
        assert!(fold.take(&spoiled).is_err(), "a bit of byte {place} of {}", ids[2]);
    }
}
