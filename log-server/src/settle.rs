//! Making written objects durable in the background, and deleting what is no longer needed [S-5], [S-8] (85-log.md).
//!
//! The stages that are there are a short write-ahead log: a stage goes only when everything it holds is durable, and
//! only as the oldest one. One place does that, `Settler::work`; a thread calls it in a server, a test calls it itself.
//! Not here: writing objects (`log`), repairing after a stop (`open`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use vitrine_spec::tiles::{BundleId, Path, TileId, parse_path};
use vitrine_spec::tree::TreeSize;

use crate::batch::BatchError;
use crate::layout;
use crate::limits::{COSIGNATURES_MAX, PARTIAL_GAP_MAX, PARTIAL_KEPT_SECONDS, STAGES_MAX, UNSYNCED_MAX};
use crate::sealed::SealedError;
use crate::stop::Stop;
use crate::store::{Store, StoreError};
use crate::time::Time;

/// Why nothing more can be written: the process ends with exit code 4 and opening again is the recovery [S-6].
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fatal {
    /// The store failed; the state after it is unknown.
    #[error("{0}; {advice}", advice = .0.advice())]
    Store(#[from] StoreError),
    /// Entries that are no batch.
    #[error("{0}: this is a fault of the program")]
    Batch(#[from] BatchError),
    /// A signature could not be made.
    #[error("sign a checkpoint with {key}: the key or the library refused; check the key files, then start again")]
    Sign {
        /// The keyid.
        key: String,
    },
    /// An object of sealed records, in which one is to be erased, that cannot be read.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// More cosignatures than a checkpoint has lines for.
    #[error("{got} cosignatures in a checkpoint of at most {COSIGNATURES_MAX}: this is a fault of the program")]
    Cosignatures {
        /// Cosignatures given.
        got: usize,
    },
    /// Nothing was tried, because something failed before.
    #[error("nothing is written any more since: {0}")]
    Poisoned(Arc<Fatal>),
}

impl Fatal {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            Fatal::Store(error) => error.stop(),
            Fatal::Sealed(error) => error.stop(),
            Fatal::Sign { .. } => Stop::KeysSign,
            Fatal::Batch(_) | Fatal::Cosignatures { .. } => Stop::Program,
            Fatal::Poisoned(first) => first.stop(),
        }
    }
}

/// The first failure, shared by everything that writes: after it nothing writes [S-6].
#[derive(Debug, Clone, Default)]
pub(crate) struct Poison(Arc<OnceLock<Arc<Fatal>>>);

impl Poison {
    /// `Ok` while nothing has failed.
    pub(crate) fn check(&self) -> Result<(), Fatal> {
        self.0.get().map_or(Ok(()), |fatal| Err(Fatal::Poisoned(Arc::clone(fatal))))
    }

    /// Remembers a failure and hands it on.
    pub(crate) fn set(&self, fatal: Fatal) -> Fatal {
        // The first failure counts; a second one is its consequence.
        let _ = self.0.set(Arc::new(fatal.clone()));
        fatal
    }
}

/// The objects of one stage, written and not yet durable.
struct Group {
    stage: String,
    paths: Vec<String>,
}

#[derive(Default)]
struct Queue {
    /// Oldest first.
    groups: VecDeque<Group>,
    /// Folders of partial objects whose full one is not published yet, with the size that publishes it.
    partials: BTreeMap<String, TreeSize>,
    /// Folders of partial objects to be deleted, with the time from which they may be: earliest first.
    due: VecDeque<(Time, String)>,
    /// Latest time that anybody has said.
    now: Time,
    stopping: bool,
}

struct Shared {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Held while working, so that stages are deleted in order whoever calls.
    working: Mutex<()>,
    poison: Poison,
}

/// Syncs groups of objects and deletes stages and partial objects. Clones share one queue.
#[derive(Clone)]
pub struct Settler {
    shared: Arc<Shared>,
}

impl Settler {
    pub(crate) fn new(store: Arc<dyn Store>, poison: Poison) -> Settler {
        Settler {
            shared: Arc::new(Shared {
                store,
                queue: Mutex::new(Queue::default()),
                wake: Condvar::new(),
                working: Mutex::new(()),
                poison,
            }),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the objects that a stage holds, which are written; the stage is deleted when they are durable.
    pub(crate) fn add(&self, stage: String, paths: Vec<String>) {
        let mut queue = self.queue();
        for path in &paths {
            if let Some((folder, end)) = partial_folder(path) {
                queue.partials.insert(folder, end);
            }
        }
        queue.groups.push_back(Group { stage, paths });
        self.shared.wake.notify_all();
    }

    /// Says that `size` entries are published at `now`: from then on an hour passes for their partial objects [S-8].
    pub(crate) fn published(&self, size: TreeSize, now: Time) {
        let mut queue = self.queue();
        queue.now = queue.now.max(now);
        let due = queue.now.plus(PARTIAL_KEPT_SECONDS);
        let full: Vec<String> =
            queue.partials.iter().filter(|(_, end)| **end <= size).map(|(folder, _)| folder.clone()).collect();
        for folder in full {
            queue.partials.remove(&folder);
            queue.due.push_back((due, folder));
        }
        self.shared.wake.notify_all();
    }

    /// True when a batch of `objects` more may be written before anything else is synced [S-5].
    pub(crate) fn has_room(&self, objects: usize) -> bool {
        let queue = self.queue();
        let waiting: usize = queue.groups.iter().map(|group| group.paths.len()).sum();
        queue.groups.is_empty() || (queue.groups.len() < STAGES_MAX && waiting + objects <= UNSYNCED_MAX)
    }

    /// Does all that can be done now: syncs what waits, deletes stages oldest first, deletes partial objects that are due.
    ///
    /// A stop in between leaves stages whose objects are durable, which open writes again to no effect.
    pub fn work(&self) -> Result<(), Fatal> {
        let _one_at_a_time = self.shared.working.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.poison.check()?;
        self.sync_and_delete().map_err(|error| self.shared.poison.set(error.into()))
    }

    fn sync_and_delete(&self) -> Result<(), StoreError> {
        let store = &self.shared.store;
        let (stages, paths) = {
            let queue = self.queue();
            let stages: Vec<String> = queue.groups.iter().map(|group| group.stage.clone()).collect();
            let paths: BTreeSet<String> = queue.groups.iter().flat_map(|group| group.paths.iter().cloned()).collect();
            (stages, paths)
        };
        store.sync(&Vec::from_iter(paths))?;
        for stage in stages {
            store.delete(&stage)?;
            self.queue().groups.pop_front();
        }
        loop {
            let folder = {
                let mut queue = self.queue();
                let now = queue.now;
                match queue.due.front() {
                    Some((due, _)) if *due <= now => queue.due.pop_front().map(|(_, folder)| folder),
                    Some(_) | None => None,
                }
            };
            let Some(folder) = folder else { return Ok(()) };
            for name in store.list(&folder)? {
                store.delete(&layout::join(&folder, &name))?;
            }
            store.delete_folder(&folder)?;
        }
    }

    /// Looks for partial objects that earlier processes left, from the right edge to the left. They were deleted oldest
    /// first, and no batch jumps over more than `PARTIAL_GAP_MAX` tiles, so a longer gap ends the search.
    pub(crate) fn find_partials(&self, head: TreeSize, published: TreeSize, now: Time) -> Result<(), StoreError> {
        let mut found: Vec<(u64, String, TreeSize)> = Vec::new();
        for level in 0..=7 {
            let last = TileId::at(level, 0, head).and_then(|_| {
                let hashes = head.get().checked_shr(8 * u32::from(level))?;
                hashes.checked_sub(1).map(|last| last / u64::from(vitrine_spec::limits::TILE_WIDTH))
            });
            let Some(last) = last else { break };
            let mut gap = 0;
            for index in (0..=last).rev() {
                let mut here = Vec::new();
                // Width 1 stands for every partial one: they share a folder.
                if let Ok(tile) = TileId::new(level, index, 1) {
                    here.push(tile.path());
                }
                if let (0, Ok(bundle)) = (level, BundleId::new(index, 1)) {
                    here.push(bundle.path());
                }
                let mut any = false;
                for path in here {
                    let Some((folder, end)) = partial_folder(&path) else { continue };
                    if !self.shared.store.list(&folder)?.is_empty() {
                        found.push((end.get(), folder, end));
                        any = true;
                    }
                }
                gap = if any || index == last { 0 } else { gap + 1 };
                if gap > PARTIAL_GAP_MAX {
                    break;
                }
            }
        }
        found.sort_unstable();
        self.queue().partials.extend(found.into_iter().map(|(_, folder, end)| (folder, end)));
        self.published(published, now);
        Ok(())
    }

    /// Starts the thread that works whenever there is something to do; `on_fatal` hears of the first failure, once.
    pub fn start(&self, on_fatal: impl FnOnce(Fatal) + Send + 'static) -> std::io::Result<SettlerThread> {
        let settler = self.clone();
        let handle = std::thread::Builder::new().name("settle".to_owned()).spawn(move || {
            loop {
                let stopping = {
                    let queue = settler.queue();
                    let idle = |queue: &mut Queue| {
                        let due = queue.due.front().is_some_and(|(due, _)| *due <= queue.now);
                        queue.groups.is_empty() && !due && !queue.stopping
                    };
                    let waited = settler.shared.wake.wait_timeout_while(queue, Duration::from_secs(60), idle);
                    waited.unwrap_or_else(PoisonError::into_inner).0.stopping
                };
                if let Err(fatal) = settler.work() {
                    on_fatal(fatal);
                    return;
                }
                if stopping {
                    return;
                }
            }
        })?;
        Ok(SettlerThread { settler: self.clone(), handle: Some(handle) })
    }
}

/// The running thread of a settler; dropping it lets it finish what waits, and then ends it.
pub struct SettlerThread {
    settler: Settler,
    handle: Option<JoinHandle<()>>,
}

impl Drop for SettlerThread {
    fn drop(&mut self) {
        self.settler.queue().stopping = true;
        self.settler.shared.wake.notify_all();
        if let Some(handle) = self.handle.take() {
            // A panic there has been printed, and what it left is repaired at open.
            let _ = handle.join();
        }
    }
}

/// The folder of a partial tile or bundle, and the size at which its full one is there; `None` for every other object.
fn partial_folder(path: &str) -> Option<(String, TreeSize)> {
    let end = match parse_path(path).ok()? {
        Path::Tile(tile) if !tile.is_full() => tile.full().end(),
        Path::Bundle(bundle) if !bundle.is_full() => bundle.full().end(),
        Path::Tile(_) | Path::Bundle(_) => return None,
    };
    Some((layout::folder(path).to_owned(), end))
}
