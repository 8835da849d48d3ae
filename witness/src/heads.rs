//! What the journal amounts to: the newest checkpoint of each origin (55-witness.md).
//!
//! In memory only, about 100 bytes an origin, rebuilt from the journal at start. Not here: the file (`journal`).

use crate::journal::Place;
use crate::record::{Entry, Record};
use std::collections::HashMap;
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

/// The newest checkpoint of every origin, and the clock.
#[derive(Debug, Default)]
pub struct Heads {
    origins: HashMap<Hash, Head>,
    clock: Option<Place>,
    last_signed: u64,
}

impl Heads {
    /// The head of the origin with this hash; `None` when nothing of it was ever cosigned or confirmed.
    pub fn get(&self, origin: &Hash) -> Option<&Head> {
        self.origins.get(origin)
    }

    /// Origins in the journal.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// True when the journal holds no origin: nothing was ever cosigned or confirmed.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The latest time of any cosignature, seconds since 1970, as far as the accepted clock lets it count [D-13].
    pub fn last_signed(&self) -> u64 {
        self.last_signed
    }

    /// Takes one record of the journal, in order. Refuses what no witness writes: a tree that shrinks, or changes [D-6].
    pub fn apply(&mut self, record: &Record, place: Place) -> Result<(), String> {
        match record {
            Record::Begin { .. } | Record::Kept { .. } => Ok(()),
            Record::Clock { time, .. } => {
                self.accept_clock(*time, place);
                Ok(())
            }
            Record::Cosigned(entry) | Record::Confirmed(entry) => {
                let signed = SignedCheckpoint::parse(entry.note.as_bytes()).map_err(|error| error.to_string())?;
                if signed.origin().hash() != entry.origin {
                    return Err(format!("the note is of {}, the record of another origin", signed.origin()));
                }
                self.set(entry, signed.size(), *signed.root(), place)
            }
        }
    }

    /// Takes the record of a checkpoint with this size and root.
    pub fn set(&mut self, entry: &Entry, size: TreeSize, root: Hash, place: Place) -> Result<(), String> {
        if let Some(known) = self.origins.get(&entry.origin) {
            if size < known.size {
                return Err(format!("size {size} follows size {}", known.size));
            }
            if size == known.size && root != known.root {
                return Err(format!("root {root} follows root {} at the same size {size}", known.root));
            }
        }
        self.last_signed = self.last_signed.max(entry.time);
        self.origins.insert(entry.origin, Head { size, root, time: entry.time, place });
        Ok(())
    }

    /// Accepts the clock: no earlier time above it counts any more [D-13].
    pub fn accept_clock(&mut self, time: u64, place: Place) {
        self.clock = Some(place);
        self.last_signed = self.last_signed.min(time);
        self.origins.values_mut().for_each(|head| head.time = head.time.min(time));
    }

    /// Places of all records that count, oldest first: what a compaction keeps [D-8].
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.origins.values().map(|head| head.place).chain(self.clock).collect();
        places.sort_unstable_by_key(|place| place.offset());
        places
    }

    /// Bytes of all records that count.
    pub fn bytes(&self) -> u64 {
        self.origins.values().map(|head| head.place).chain(self.clock).map(Place::bytes).sum()
    }

    /// Follows the records of [`Heads::places`] to where a compaction put them, in the same order.
    pub fn moved(&mut self, old: &[Place], new: &[Place]) {
        let by_offset: HashMap<u64, Place> = old.iter().map(|place| place.offset()).zip(new.iter().copied()).collect();
        let follow = |place: &mut Place| {
            if let Some(new) = by_offset.get(&place.offset()) {
                *place = *new;
            }
        };
        self.origins.values_mut().for_each(|head| follow(&mut head.place));
        self.clock.iter_mut().for_each(follow);
    }
}
