//! What targets start from: logs folded from the vectors, with the state before each of their entries.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use vitrine_spec::admission::{self, Facts, Logged, Query};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::state::State;
use vitrine_spec::text;
use vitrine_spec::tree::LeafIndex;

/// The access log of our own vectors.
const ACCESS: &[u8] = include_bytes!("../../../spec/vectors/leaves/sealed.json");

/// A log, folded.
pub struct Log {
    /// Its name.
    pub origin: Origin,
    /// The seed of every key that signs in it.
    pub seeds: BTreeMap<String, Seed>,
    events: Vec<Arc<Event>>,
    /// Before each entry, and after the last.
    states: Vec<State>,
    answers: BTreeMap<Query, Logged>,
}

#[derive(Deserialize)]
struct File {
    origin: String,
    seeds: BTreeMap<String, String>,
    leaves: Vec<Leaf>,
}

#[derive(Deserialize)]
struct Leaf {
    leaf: String,
}

impl Log {
    fn fold(file: &[u8]) -> Log {
        let file: File = serde_json::from_slice(file).expect("vectors are JSON");
        let origin = Origin::new(&file.origin).expect("vectors name their log");
        let mut log = Log {
            origin,
            seeds: file.seeds.iter().map(|(keyid, seed)| (keyid.clone(), read_seed(keyid, seed))).collect(),
            events: Vec::new(),
            states: vec![State::default()],
            answers: BTreeMap::new(),
        };
        for (index, leaf) in file.leaves.iter().enumerate() {
            let leaf = text::unb64(&leaf.leaf).expect("a leaf in base64");
            let mut state = log.states.last().cloned().unwrap_or_default();
            let event = admission::fold(&mut state, &leaf, &log.origin, |query| log.answers.get(query).cloned())
                .expect("the vectors hold a sound log");
            let logged = Logged { index: LeafIndex::new(index as u64), event: event.clone() };
            log.answers.insert(Query::Id(event.id), logged.clone());
            if let Some(place) = event.statement.header.place() {
                log.answers.insert(Query::At(place.issuer, place.epoch, place.seq), logged);
            }
            log.events.push(event);
            log.states.push(state);
        }
        log
    }

    /// The states in which an event is judged: where one like it was admitted, and the last.
    pub fn states_for(&self, id: &EventId) -> impl Iterator<Item = &State> {
        // A changed event has another id; the last byte of it picks a state, so that every one is met.
        let at = self.events.iter().position(|event| event.id == *id);
        let at = at.unwrap_or_else(|| usize::from(id.as_bytes()[31]) % self.states.len());
        [at, self.states.len() - 1].into_iter().filter_map(|at| self.states.get(at))
    }

    /// What an event needs to know of the others.
    pub fn facts(&self, event: &Event) -> Facts {
        let mut facts = Facts::default();
        for query in admission::plan(event) {
            let logged = self.answers.get(&query).cloned();
            facts.insert(query, logged);
        }
        facts
    }

    /// After the last entry.
    pub fn state(&self) -> &State {
        self.states.last().expect("there is one before the first entry")
    }
}

fn read_seed(keyid: &str, seed: &str) -> Seed {
    let (name, _) = keyid.split_once('+').expect("a keyid is a name and an id");
    Seed::new(name, KeyKind::Ed25519, text::unhex(seed).expect("a seed in hexadecimal")).expect("a seed")
}

/// The access log of `spec/vectors`, and the log of other people's vectors where those are.
pub fn logs() -> &'static [Log] {
    static LOGS: OnceLock<Vec<Log>> = OnceLock::new();
    LOGS.get_or_init(|| {
        let shared = std::env::var_os("VITRINE_SHARED").map(PathBuf::from).unwrap_or_default();
        let shared = std::fs::read(shared.join("vectors/leaves/log.json"));
        std::iter::once(ACCESS.to_vec()).chain(shared).map(|file| Log::fold(&file)).collect()
    })
}
