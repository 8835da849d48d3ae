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
use crate::store::Store;

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
    /// In this order, because a stop may come after any step and open writes stages again:
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
        self.settler.work()?;
        self.store.sync_folder(layout::STAGE_FOLDER)?;
        self.store.sync_folder(layout::TEMPORARY_FOLDER)?;

        let wanted = take_held(due, span);
        let Zeroed { held, changed } = match zero(&*self.store, &mut self.finder, span, &wanted) {
            Ok(zeroed) => zeroed,
            // Nothing of it can be read either. It stays for whoever copies it back, and the next start.
            Err(error @ SealedError::Frame { .. }) => {
                let damaged = Some(Damaged { records: wanted, reason: error.to_string() });
                return Ok(Erased { damaged, ..Erased::default() });
            }
            Err(error) => return Err(error.into()),
        };
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

/// Zeroes records of one object, durably.
pub(crate) fn zero(
    store: &dyn Store,
    finder: &mut Finder,
    span: Span,
    wanted: &BTreeSet<LeafIndex>,
) -> Result<Zeroed, SealedError> {
    let path = span.path();
    let Some(mut bytes) = store.read(&path)? else { return Err(SealedError::Missing { path }) };
    let zeroed = sealed::zero(span, &mut bytes, wanted);
    let zeroed = zeroed.map_err(|source| SealedError::Frame { path: path.clone(), source })?;
    if zeroed.changed.is_empty() {
        // Zeros that are seen may be of a process that was killed before it had synced their name.
        finder.sync(store, span)?;
    } else {
        store.put(&path, &bytes)?;
    }
    Ok(zeroed)
}
