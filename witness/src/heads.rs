//! What the journal amounts to: what this witness knows of each origin (55-witness.md).
//!
//! In memory only, rebuilt from the journal at start: about 150 bytes an origin and 56 for each earlier checkpoint. Not here:
//! the file (`journal`).

use crate::journal::Place;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_MAX, HISTORY_OF_ONE_BYTES_MAX};
use crate::record::{Entry, Record};
use std::collections::{HashMap, VecDeque};
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

/// The newest checkpoint of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Entries in its tree.
    pub size: TreeSize,
    /// Root of that tree.
    pub root: Hash,
    /// Time of the last cosignature, seconds since 1970; 0 when none counts.
    pub time: u64,
    /// Its record.
    pub place: Place,
}

/// A checkpoint of the log that is in the journal, whoever it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Entries in its tree.
    pub size: TreeSize,
    /// Root of that tree.
    pub root: Hash,
    /// Its record.
    pub place: Place,
}

/// A note of the log that could not be reconciled with the one cosigned [D-23].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// When it was first seen, seconds since 1970.
    pub since: u64,
    /// The note.
    pub noted: Noted,
}

/// What is known of one origin.
#[derive(Debug, Default)]
struct Known {
    head: Option<Head>,
    /// Earlier checkpoints, oldest first: sizes rise.
    past: VecDeque<Noted>,
    past_bytes: u64,
    doubt: Option<Box<Doubt>>,
    frozen: Option<Box<Place>>,
}

impl Known {
    /// The head becomes the past when a larger tree follows it [D-21].
    fn grow(&mut self, head: Head) {
        let old = self.head.replace(head).filter(|old| old.size < head.size);
        let Some(Head { size, root, place, .. }) = old else { return };
        self.past.push_back(Noted { size, root, place });
        self.past_bytes = self.past_bytes.saturating_add(place.bytes());
        while self.past.len() > HISTORY_MAX || self.past_bytes > HISTORY_OF_ONE_BYTES_MAX {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let bytes = self.past.pop_front().map_or(0, |noted| noted.place.bytes());
        self.past_bytes = self.past_bytes.saturating_sub(bytes);
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let past = self.past.iter().map(|noted| noted.place);
        let doubt = self.doubt.iter().map(|doubt| doubt.noted.place);
        let head = self.head.iter().map(|head| head.place);
        head.chain(past).chain(doubt).chain(self.frozen.iter().map(|place| **place))
    }

    fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        let past = self.past.iter_mut().map(|noted| &mut noted.place);
        let doubt = self.doubt.iter_mut().map(|doubt| &mut doubt.noted.place);
        let head = self.head.iter_mut().map(|head| &mut head.place);
        head.chain(past).chain(doubt).chain(self.frozen.iter_mut().map(|place| &mut **place))
    }
}

/// What is known of every origin, and the clock.
#[derive(Debug, Default)]
pub struct Heads {
    origins: HashMap<Hash, Known>,
    clock: Option<Place>,
    last_signed: u64,
}

impl Heads {
    /// The head of the origin with this hash; `None` when nothing of it was ever cosigned or confirmed.
    pub fn get(&self, origin: &Hash) -> Option<&Head> {
        self.origins.get(origin)?.head.as_ref()
    }

    /// The checkpoint of this size, as far back as the journal keeps them [D-21].
    pub fn noted(&self, origin: &Hash, size: TreeSize) -> Option<Noted> {
        let known = self.origins.get(origin)?;
        let head = known.head.map(|Head { size, root, place, .. }| Noted { size, root, place });
        head.filter(|head| head.size == size).or_else(|| {
            let at = known.past.binary_search_by_key(&size, |noted| noted.size).ok()?;
            known.past.get(at).copied()
        })
    }

    /// The note that could not be reconciled so far [D-23].
    pub fn doubt(&self, origin: &Hash) -> Option<&Doubt> {
        self.origins.get(origin)?.doubt.as_deref()
    }

    /// The record of the evidence against a log [D-22].
    pub fn frozen(&self, origin: &Hash) -> Option<Place> {
        self.origins.get(origin)?.frozen.as_deref().copied()
    }

    /// The origins that are frozen, in no order.
    pub fn all_frozen(&self) -> impl Iterator<Item = Hash> {
        self.origins.iter().filter(|(_, known)| known.frozen.is_some()).map(|(origin, _)| *origin)
    }

    /// Origins with a checkpoint in the journal.
    pub fn len(&self) -> usize {
        self.origins.values().filter(|known| known.head.is_some()).count()
    }

    /// True when nothing was ever cosigned or confirmed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The latest time of any cosignature, seconds since 1970, as far as the accepted clock lets it count [D-13].
    pub fn last_signed(&self) -> u64 {
        self.last_signed
    }

    /// Takes one record of the journal, in order. Refuses what no witness writes: a tree that shrinks, or changes [D-6].
    pub fn apply(&mut self, record: &Record, place: Place) -> Result<(), String> {
        match record {
            Record::Begin { .. } | Record::Kept { .. } => {}
            Record::Clock { time, .. } => self.accept_clock(*time, place),
            Record::Cosigned(entry) | Record::Confirmed(entry) => {
                let (size, root) = tree_of(entry)?;
                self.set(entry, size, root, place)?;
            }
            Record::Doubt(entry) => {
                let (size, root) = tree_of(entry)?;
                let doubt = Doubt { since: entry.time, noted: Noted { size, root, place } };
                self.origins.entry(entry.origin).or_default().doubt = Some(Box::new(doubt));
            }
            Record::Settled { origin, .. } => self.origins.entry(*origin).or_default().doubt = None,
            Record::Frozen { origin, .. } => {
                // The first evidence stays: there is no unfreezing, and no second freezing.
                self.origins.entry(*origin).or_default().frozen.get_or_insert_with(|| Box::new(place));
            }
        }
        Ok(())
    }

    /// Takes the record of a checkpoint with this size and root.
    pub fn set(&mut self, entry: &Entry, size: TreeSize, root: Hash, place: Place) -> Result<(), String> {
        let known = self.origins.entry(entry.origin).or_default();
        if let Some(head) = &known.head {
            if size < head.size {
                return Err(format!("size {size} follows size {}", head.size));
            }
            if size == head.size && root != head.root {
                return Err(format!("root {root} follows root {} at the same size {size}", head.root));
            }
        }
        self.last_signed = self.last_signed.max(entry.time);
        known.grow(Head { size, root, time: entry.time, place });
        Ok(())
    }

    /// Accepts the clock: no earlier time above it counts any more [D-13].
    pub fn accept_clock(&mut self, time: u64, place: Place) {
        self.clock = Some(place);
        self.last_signed = self.last_signed.min(time);
        self.origins
            .values_mut()
            .filter_map(|known| known.head.as_mut())
            .for_each(|head| head.time = head.time.min(time));
    }

    /// Forgets the oldest of the earlier checkpoints beyond what all origins may have together, `most` bytes [D-21].
    pub fn trim(&mut self, most: u64) {
        let mut past: Vec<(Place, Hash)> = Vec::new();
        for (origin, known) in &self.origins {
            past.extend(known.past.iter().map(|noted| (noted.place, *origin)));
        }
        let mut bytes: u64 = past.iter().map(|(place, _)| place.bytes()).sum();
        past.sort_unstable_by_key(|(place, _)| place.offset());
        for (place, origin) in past {
            if bytes <= most {
                return;
            }
            bytes = bytes.saturating_sub(place.bytes());
            self.origins.entry(origin).and_modify(Known::forget);
        }
    }

    /// Places of all records that count, oldest first: what a compaction keeps [D-8].
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.all_places().collect();
        places.sort_unstable_by_key(|place| place.offset());
        places
    }

    fn all_places(&self) -> impl Iterator<Item = Place> {
        self.origins.values().flat_map(Known::places).chain(self.clock)
    }

    /// Bytes of all records that a compaction would keep.
    pub fn bytes(&self) -> u64 {
        let past: u64 = self.origins.values().map(|known| known.past_bytes).sum();
        let all: u64 = self.all_places().map(Place::bytes).sum();
        all.saturating_sub(past.saturating_sub(HISTORY_BYTES_MAX))
    }

    /// Follows the records of [`Heads::places`] to where a compaction put them, in the same order.
    pub fn moved(&mut self, old: &[Place], new: &[Place]) {
        let by_offset: HashMap<u64, Place> = old.iter().map(|place| place.offset()).zip(new.iter().copied()).collect();
        let follow = |place: &mut Place| {
            if let Some(new) = by_offset.get(&place.offset()) {
                *place = *new;
            }
        };
        self.origins.values_mut().flat_map(Known::places_mut).for_each(follow);
        self.clock.iter_mut().for_each(follow);
    }
}

/// The tree of an entry's note, which is of the entry's origin.
fn tree_of(entry: &Entry) -> Result<(TreeSize, Hash), String> {
    let signed = SignedCheckpoint::parse(entry.note.as_bytes()).map_err(|error| error.to_string())?;
    if signed.origin().hash() != entry.origin {
        return Err(format!("the note is of {}, the record of another origin", signed.origin()));
    }
    Ok((signed.size(), *signed.root()))
}
