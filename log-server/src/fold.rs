//! Folding admission over the leaves: what an index rebuild, `fsck` and `init` run (85-log.md, S-16 and S-18).
//!
//! The decisions are `vitrine_spec::admission`'s; this feeds it the facts it asks for. Not here: keeping the result (`index`).

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use vitrine_spec::admission::{self, Facts, Logged, Query};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::key::Vkey;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::words;

use crate::time::Time;

/// A logged event and where it stands.
pub type Entry = (LeafIndex, Arc<Event>);

/// Folded leaves: the events, and what each changed.
#[derive(Debug, Default)]
pub struct Folded {
    /// In the order of the log.
    pub entries: Vec<Entry>,
    /// One for each entry, applied to the state already.
    pub effects: Vec<Effects>,
}

/// Why folding stopped.
#[derive(Debug, thiserror::Error)]
pub enum FoldError<E> {
    /// A leaf that admission refuses: it cannot have been logged by this program.
    #[error("entry {index} is not admissible ({code}): {refusal}", code = refusal.code())]
    Refused {
        /// The entry.
        index: LeafIndex,
        /// Why.
        refusal: Refusal,
    },
    /// A fact could not be looked up.
    #[error("look up what entry {index} names: {source}")]
    Look {
        /// The entry.
        index: LeafIndex,
        /// Why not.
        source: E,
    },
}

/// Events by what admission asks for: id and position. Used for those that no index holds yet.
#[derive(Debug, Default)]
pub struct Recent {
    by_id: HashMap<EventId, Logged>,
    by_place: HashMap<(String, u32, u64), Logged>,
}

impl Recent {
    /// Adds a logged event.
    pub fn insert(&mut self, index: LeafIndex, event: &Arc<Event>) {
        let logged = Logged { index, event: Arc::clone(event) };
        self.by_id.insert(event.id, logged.clone());
        if let Some(place) = place(event) {
            self.by_place.insert(place, logged);
        }
    }

    /// The event that a query names, when it is here.
    pub fn get(&self, query: &Query) -> Option<&Logged> {
        match query {
            Query::Id(id) => self.by_id.get(id),
            Query::At(issuer, epoch, seq) => self.by_place.get(&(issuer.to_string(), *epoch, *seq)),
            Query::Attachment(_) => None,
        }
    }
}

/// Issuer, epoch and seq of a chained event.
pub fn place(event: &Event) -> Option<(String, u32, u64)> {
    let header = &event.statement.header;
    header.seq.map(|seq| (header.issuer.to_string(), header.epoch, seq))
}

/// Folds one leaf that stands on its own, which only entry 0 does; `arrival` is when it came in, if it does now.
pub fn one(state: &mut State, origin: &Origin, leaf: &[u8], arrival: Option<Time>) -> Result<Arc<Event>, Refusal> {
    let event = admission::read_leaf(leaf, origin)?.parse(state)?;
    let keys = admission::authority(state, &event)?;
    admission::check_signatures(&event, &keys)?;
    let effects = admission::judge(state, &Facts::default(), &event, arrival.map(|time| words::Time::new(time.get())))?;
    state.apply(&effects);
    Ok(Arc::new(event))
}

/// Folds leaves from `state.size` on. `look` finds events logged before the first of them.
///
/// Signature arithmetic, nearly all of the work, runs for all leaves at once on all cores after the fold has said which
/// keys count; the state is only to be used when this returns `Ok`.
pub fn chunk<E>(
    state: &mut State,
    origin: &Origin,
    leaves: &[Vec<u8>],
    mut look: impl FnMut(&Query) -> Result<Option<Logged>, E>,
) -> Result<Folded, FoldError<E>> {
    let mut recent = Recent::default();
    let mut folded = Folded::default();
    let mut signers: Vec<Vec<Vkey>> = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let index = LeafIndex::new(state.size.get());
        let refused = |refusal| FoldError::Refused { index, refusal };
        let event = admission::read_leaf(leaf, origin).and_then(|draft| draft.parse(state)).map_err(refused)?;
        let mut facts = Facts::default();
        for query in admission::plan(&event) {
            let logged = match recent.get(&query) {
                Some(logged) => Some(logged.clone()),
                None => look(&query).map_err(|source| FoldError::Look { index, source })?,
            };
            facts.insert(query, logged);
        }
        if let Some(first) = admission::duplicate(&facts, &event) {
            return Err(refused(Refusal::Malformed(format!("the event {} is entry {first} already", event.id))));
        }
        signers.push(admission::authority(state, &event).map_err(refused)?);
        let effects = admission::judge(state, &facts, &event, None).map_err(refused)?;
        state.apply(&effects);
        let event = Arc::new(event);
        recent.insert(index, &event);
        folded.entries.push((index, event));
        folded.effects.push(effects);
    }
    let bad = folded.entries.par_iter().zip(&signers).find_map_first(|((index, event), keys)| {
        admission::check_signatures(event, keys).err().map(|refusal| (*index, refusal))
    });
    match bad {
        None => Ok(folded),
        Some((index, refusal)) => Err(FoldError::Refused { index, refusal }),
    }
}
