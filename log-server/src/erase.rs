//! Erasing sealed records, once the erasure is published [S-31] (85-log.md, "Sealed records").
//!
//! By whoever owns the log, between two batches, one object at a time: a log goes on while many records wait. Leaves and
//! tiles are not touched. Not here: which records are erased (`index`, `writer`), what an erasure must say (`vitrine_spec`).

use std::collections::BTreeSet;

use vitrine_spec::tree::LeafIndex;

use crate::layout;
use crate::log::Log;
use crate::sealed::{self, Finder, SealedError, Span, Zeroed};
use crate::settle::Fatal;
use crate::store::{Store, StoreError};

/// What one step of erasing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// Records that are zero now, and stay so whatever happens.
    pub done: BTreeSet<LeafIndex>,
    /// Those of them that were not zero before.
    pub anew: BTreeSet<LeafIndex>,
    /// Entries that no object holds a record of: there is nothing to erase, and `fsck` names them.
    pub missing: BTreeSet<LeafIndex>,
    /// Records that stay, because their object is damaged.
    pub damaged: Option<Damaged>,
}

/// An object in which nothing can be erased, nor read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Entries that it stands for and whose records were to be erased.
    pub records: BTreeSet<LeafIndex>,
    /// Its name and what is wrong with it.
    pub reason: String,
}

impl Log {
    /// Erases what is due in one object, that of the first entry in `due`, and takes it out of `due`.
    ///
    /// When one of them is not zero yet, in this order, because a stop may come after any step and open writes stages again:
    /// 1. every object of a stage is durable and every stage is deleted;
    /// 2. durably so, temporary names included: from here on the object is the only copy;
    /// 3. the object is replaced by one with zeros in place of the records, as any other: temporary name, sync, rename,
    ///    sync of its folder.
    ///
    /// A stop before 3 leaves the record, and whoever opens the log erases it before anybody can read it. So does an object
    /// that is damaged: it stays as it is, and the log goes on.
    pub fn erase_next(&mut self, due: &mut BTreeSet<LeafIndex>) -> Result<Erased, Fatal> {
        self.poison.check()?;
        self.try_erase_next(due).map_err(|fatal| self.poison.set(fatal))
    }

    fn try_erase_next(&mut self, due: &mut BTreeSet<LeafIndex>) -> Result<Erased, Fatal> {
        let Some(first) = due.first().copied() else { return Ok(Erased::default()) };
        let Some(span) = self.finder.find(&*self.store, first.get())? else {
            due.remove(&first);
            return Ok(Erased { missing: BTreeSet::from([first]), ..Erased::default() });
        };
        let wanted = take_held(due, span);
        let zeros = match Zeros::read(&*self.store, span, &wanted) {
            Ok(zeros) => zeros,
            // Nothing of it can be read either. It stays for whoever copies it back, and the next start.
            Err(error @ SealedError::Frame { .. }) => {
                let damaged = Some(Damaged { records: wanted, reason: error.to_string() });
                return Ok(Erased { damaged, ..Erased::default() });
            }
            Err(error) => return Err(error.into()),
        };
        // What is zero already was written after steps 1 and 2.
        if !zeros.zeroed.changed.is_empty() {
            self.settler.work()?;
            self.store.sync_folder(layout::STAGE_FOLDER)?;
            self.store.sync_folder(layout::TEMPORARY_FOLDER)?;
        }
        let Zeroed { held, changed } = zeros.keep(&*self.store, &mut self.finder)?;
        Ok(Erased { missing: &wanted - &held, done: held, anew: changed, damaged: None })
    }
}

/// Takes out of `due` what an object stands for; looks at nothing else, because very many may be due.
pub(crate) fn take_held(due: &mut BTreeSet<LeafIndex>, span: Span) -> BTreeSet<LeafIndex> {
    let held: BTreeSet<LeafIndex> = due.range(LeafIndex::new(span.first)..LeafIndex::new(span.end)).copied().collect();
    for index in &held {
        due.remove(index);
    }
    held
}

/// One object with zeros in place of records, in memory.
pub(crate) struct Zeros {
    span: Span,
    bytes: Vec<u8>,
    zeroed: Zeroed,
}

impl Zeros {
    /// Reads the object, and zeroes these records of it.
    pub(crate) fn read(store: &dyn Store, span: Span, wanted: &BTreeSet<LeafIndex>) -> Result<Zeros, SealedError> {
        let path = span.path();
        let Some(mut bytes) = store.read(&path)? else { return Err(SealedError::Missing { path }) };
        let zeroed = sealed::zero(span, &mut bytes, wanted).map_err(|source| SealedError::Frame { path, source })?;
        Ok(Zeros { span, bytes, zeroed })
    }

    /// Makes the zeros durable.
    pub(crate) fn keep(self, store: &dyn Store, finder: &mut Finder) -> Result<Zeroed, StoreError> {
        if self.zeroed.changed.is_empty() {
            // Zeros that are seen may be of a process that was killed before it had synced their name.
            finder.sync(store, self.span)?;
        } else {
            store.put(&self.span.path(), &self.bytes)?;
        }
        Ok(self.zeroed)
    }
}
