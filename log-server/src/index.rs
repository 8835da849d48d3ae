//! The index: sled behind one door, which can be deleted at any time [S-15], [S-16] (85-log.md, "Index").
//!
//! One tree, keys by prefix, one batch of changes per batch of the log, together with the (size, root) it covers and a sum
//! over all records. What it finds is a hint: the leaf itself is read and compared. It can fail in every way a beta
//! database does (errors, panics, lost or changed records), and each ends in a rebuild from the leaves.
//! Not here: what may be answered from it (`http`), and any object that the log needs to be whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vitrine_spec::admission::{self, Facts, Logged, Query};
use vitrine_spec::body::Body;
use vitrine_spec::body::erasure::Target;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::proof::BuildError;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::statement::{Digests, Kind};
use vitrine_spec::tiles::BundleId;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::fold::{self, Entry, FoldError};
use crate::limits::{
    INDEX_CACHE_BYTES, INDEX_FLUSH_MILLIS, INDEX_FREE_MIN, LOOKUP_HITS_MAX, REBUILD_CHUNK, RECENT_EVENTS_MAX,
};
use crate::open::{Progress, Step};
use crate::reader::{ReadError, Reader};
use crate::stop::Stop;
pub use browse::{Products, Version, product_of};
use records::{
    ATTACHMENT, DIGEST, EMPTY, ERASED, ID, META, Meta, PURL, Runs, STATE, beside, index_of, last_run, prefixed, said,
    scan,
};

mod records;
mod browse;
#[cfg(test)]
pub(crate) mod tests;

/// Beside the index: it failed while it was in use, so the next open rebuilds it.
const CONDEMNED: &str = "index.condemned";
/// Where the index goes that is not used any more; the one before it is deleted.
const ASIDE: &str = "index.aside";

/// Why the index does not work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IndexError {
    /// Less space than it takes to open sled safely [S-16].
    #[error("{path}: {free} bytes are free, the index is opened from {least} on: free some space")]
    DiskFull {
        /// The folder.
        path: String,
        /// Free bytes.
        free: u64,
        /// Bytes that must be free.
        least: u64,
    },
    /// sled said no, or panicked, or holds what we did not write; the next open rebuilds.
    #[error("the index failed ({0}): start again, it is rebuilt from the log")]
    Damaged(String),
    /// A folder or file beside the index.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// The log itself could not be read.
    #[error("read the log: {0}")]
    Log(String),
    /// A leaf that is not admissible: no index can cover it.
    #[error("{0}: the log holds what this program does not admit")]
    Leaf(String),
}

impl IndexError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            IndexError::DiskFull { .. } => Stop::StoreFull,
            IndexError::Damaged(_) | IndexError::File { .. } => Stop::Index,
            IndexError::Log(_) => Stop::LogDamaged,
            IndexError::Leaf(_) => Stop::LogNotAdmissible,
        }
    }
}

impl From<ReadError> for IndexError {
    fn from(error: ReadError) -> IndexError {
        IndexError::Log(error.to_string())
    }
}

impl From<BuildError<ReadError>> for IndexError {
    fn from(error: BuildError<ReadError>) -> IndexError {
        IndexError::Log(error.to_string())
    }
}

/// The last events, so that looking up a fact rarely reads a bundle.
#[derive(Default)]
struct Recent {
    events: BTreeMap<u64, Arc<Event>>,
    order: VecDeque<u64>,
}

impl Recent {
    fn insert(&mut self, index: LeafIndex, event: &Arc<Event>) {
        if self.events.insert(index.get(), Arc::clone(event)).is_none() {
            self.order.push_back(index.get());
        }
        while self.order.len() > RECENT_EVENTS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.events.remove(&oldest);
            }
        }
    }
}

struct Shared {
    db: sled::Db,
    /// Handle of sled's data file: sled's own flush does not make its size durable.
    file: File,
    /// Folder that holds the index folder.
    beside: PathBuf,
    reader: Reader,
    origin: Origin,
    meta: Mutex<Meta>,
    recent: Mutex<Recent>,
    /// Something was applied since the last durable state.
    dirty: AtomicBool,
    stopping: Mutex<bool>,
    wake: Condvar,
}

/// The index of one log, opened. Clones share it.
#[derive(Clone)]
pub struct Index {
    shared: Arc<Shared>,
}

/// How the index came to be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// As it was, up to this size; later entries were added.
    CaughtUp(TreeSize),
    /// Built anew from the leaves, for this reason.
    Rebuilt(String),
}

impl Index {
    /// Opens `<folder>/index` and brings it up to (size, root), the head of the log: catches up, or rebuilds [S-16].
    ///
    /// `reader` is the opened log's. Blocks for as long as a rebuild takes, telling `progress`.
    pub fn open(
        folder: &Path,
        reader: &Reader,
        origin: &Origin,
        head: (TreeSize, Hash),
        progress: Progress<'_>,
    ) -> Result<(Index, State, Opened), IndexError> {
        check_space(folder, INDEX_FREE_MIN)?;
        let path = folder.join(crate::layout::INDEX_FOLDER);
        let condemned = folder.join(CONDEMNED);
        let usable = if condemned.exists() {
            Err("it failed while it was in use".to_owned())
        } else if !path.exists() {
            Err("there is none".to_owned())
        } else {
            Index::try_open(folder, reader, origin, head)
        };
        let (index, mut state, opened) = match usable {
            Ok((index, state)) => {
                let size = index.meta().size;
                (index, state, Opened::CaughtUp(size))
            }
            Err(reason) => {
                set_aside(folder, &path)?;
                let index = Index::create(folder, reader, origin)?;
                remove(&condemned)?;
                (index, State::default(), Opened::Rebuilt(reason))
            }
        };
        index.catch_up(&mut state, head, progress)?;
        index.flush()?;
        Ok((index, state, opened))
    }

    /// The index as it is, when it adds up and covers a prefix of the log; `Err` says why it is of no use.
    fn try_open(
        folder: &Path,
        reader: &Reader,
        origin: &Origin,
        head: (TreeSize, Hash),
    ) -> Result<(Index, State), String> {
        let shared = guarded(|| start(folder, reader, origin)).map_err(|error| error.to_string())?;
        let (meta, state) = guarded(|| scan(&shared.db))?;
        if meta.size > head.0 {
            return Err(format!("it covers {} entries, the log has {}", meta.size, head.0));
        }
        let root = if meta.size == head.0 { Ok(head.1) } else { reader.root(meta.size) };
        let root = root.map_err(|error| error.to_string())?;
        if root != meta.root {
            return Err(format!("it covers root {} at size {}, the log has {root}", meta.root, meta.size));
        }
        if state.size != meta.size {
            return Err(format!("its state is of size {}, it covers {}", state.size, meta.size));
        }
        Ok((Index { shared: Arc::new(Shared { meta: Mutex::new(meta), ..shared }) }, state))
    }

    fn create(folder: &Path, reader: &Reader, origin: &Origin) -> Result<Index, IndexError> {
        let shared = guarded(|| start(folder, reader, origin)).map_err(IndexError::Damaged)?;
        sync_folder(&folder.join(crate::layout::INDEX_FOLDER))?;
        sync_folder(folder)?;
        Ok(Index { shared: Arc::new(shared) })
    }

    /// Folds admission over the leaves that the index does not cover yet.
    fn catch_up(&self, state: &mut State, head: (TreeSize, Hash), progress: Progress<'_>) -> Result<(), IndexError> {
        let reader = &self.shared.reader;
        let from = self.meta().size.get();
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        let mut next = from;
        while next < head.0.get() {
            progress(Step { name: "index", done: next, total: head.0.get() });
            while next < head.0.get() && leaves.len() < REBUILD_CHUNK {
                let width = u64::from(vitrine_spec::limits::TILE_WIDTH);
                let id = BundleId::at(next / width, head.0)
                    .ok_or_else(|| IndexError::Log(format!("entry {next} is outside the log")))?;
                let skip = usize::try_from(next % width).unwrap_or(0);
                leaves.extend(reader.entries(id)?.into_iter().skip(skip));
                next = (next / width * width + u64::from(id.width())).min(head.0.get());
            }
            let folded = fold::chunk(state, &self.shared.origin, &leaves, |query| self.find(query));
            let folded = folded.map_err(|error| match error {
                FoldError::Refused { .. } => IndexError::Leaf(error.to_string()),
                FoldError::Look { source, .. } => source,
            })?;
            let size = TreeSize::new(next);
            let root = if size == head.0 { head.1 } else { reader.root(size)? };
            self.apply(&folded.entries, &folded.effects, state, size, root)?;
            self.flush()?;
            leaves.clear();
        }
        Ok(())
    }

    /// Adds one batch of the log, and says what the index covers then: all or nothing [S-15].
    ///
    /// `after` is the state with all the effects applied, from which the records that they touched are taken.
    pub fn apply(
        &self,
        entries: &[Entry],
        effects: &[Effects],
        after: &State,
        size: TreeSize,
        root: Hash,
    ) -> Result<(), IndexError> {
        let mut meta = locked(&self.shared.meta);
        let mut next = Meta { size, root, ..*meta };
        self.condemning(|| {
            let db = &self.shared.db;
            let mut changes: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let mut runs = Runs::new(db);
            for (key, value) in effects.iter().flat_map(|effects| effects.touched(after)) {
                changes.insert(prefixed(STATE, &[&key]), value);
            }
            for (index, event) in entries {
                let at = index.get().to_be_bytes();
                // Sealed events are many, and found by their place alone [S-33].
                if !event.statement.kind.is_sealed() {
                    changes.insert(prefixed(ID, &[event.id.as_bytes()]), at.to_vec());
                    for digest in event.statement.subject_sha256() {
                        changes.insert(prefixed(DIGEST, &[digest.as_bytes(), &at]), Vec::new());
                    }
                }
                for element in &event.statement.subject {
                    for key in beside(event.statement.kind, &element.digest) {
                        changes.insert([key.as_slice(), &at].concat(), Vec::new());
                    }
                }
                for attachment in &event.statement.attachments {
                    let key = prefixed(ATTACHMENT, &[attachment.sha256.as_bytes()]);
                    if db.get(&key).map_err(said)?.is_none() {
                        changes.entry(key).or_insert_with(|| at.to_vec());
                    }
                }
                if let Some(purl) = event.statement.purl() {
                    changes.insert(prefixed(PURL, &[purl.as_bytes(), &[0], &at]), Vec::new());
                }
                if let Some((issuer, epoch, seq)) = fold::place(event) {
                    runs.add(&issuer, epoch, seq, index.get())?;
                }
                if let Body::Erasure(erasure) = &event.statement.body {
                    for Target { at: place, .. } in erasure.targets() {
                        let target = runs.find(place.issuer.as_str(), place.epoch, place.seq)?;
                        let target = target.ok_or_else(|| format!("{place}, which {index} erases, is not there"))?;
                        changes.insert(prefixed(ERASED, &[&target.to_be_bytes(), &at]), Vec::new());
                    }
                }
            }
            changes.extend(runs.changed);
            let mut batch = sled::Batch::default();
            for (key, value) in changes {
                if let Some(old) = db.get(&key).map_err(said)? {
                    next.remove(&key, &old);
                }
                next.add(&key, &value);
                batch.insert(key, value);
            }
            batch.insert(META, next.encode());
            db.apply_batch(batch).map_err(said)
        })?;
        *meta = next;
        drop(meta);
        let mut recent = locked(&self.shared.recent);
        entries.iter().for_each(|(index, event)| recent.insert(*index, event));
        self.shared.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Makes durable what was applied: sled's flush, then fdatasync of its file, whose size flush leaves out [S-15].
    pub fn flush(&self) -> Result<(), IndexError> {
        if !self.shared.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.condemning(|| {
            self.shared.db.flush().map_err(said)?;
            self.shared.file.sync_data().map_err(|error| format!("sync its file: {error}"))
        })
    }

    /// Starts the thread that calls `flush` every second; `on_error` hears of the first failure, once.
    pub fn start_flushing(&self, on_error: impl FnOnce(IndexError) + Send + 'static) -> std::io::Result<FlushThread> {
        let index = self.clone();
        let handle = std::thread::Builder::new().name("index".to_owned()).spawn(move || {
            loop {
                let stopping = locked(&index.shared.stopping);
                let pause = Duration::from_millis(INDEX_FLUSH_MILLIS);
                let waited = index.shared.wake.wait_timeout_while(stopping, pause, |stopping| !*stopping);
                let stopping = *waited.unwrap_or_else(PoisonError::into_inner).0;
                if let Err(error) = index.flush() {
                    on_error(error);
                    return;
                }
                if stopping {
                    return;
                }
            }
        })?;
        Ok(FlushThread { index: self.clone(), handle: Some(handle) })
    }

    fn meta(&self) -> Meta {
        *locked(&self.shared.meta)
    }

    /// Entries that the index covers.
    pub fn size(&self) -> TreeSize {
        self.meta().size
    }

    /// The facts that a plan names: each found event is read from the log and compared.
    pub fn facts(&self, queries: &[Query]) -> Result<Facts, IndexError> {
        let mut facts = Facts::default();
        for query in queries {
            facts.insert(query.clone(), self.find(query)?);
        }
        Ok(facts)
    }

    /// The event that a query names, if it is logged.
    pub fn find(&self, query: &Query) -> Result<Option<Logged>, IndexError> {
        match query {
            Query::Id(id) => self.by_id(id),
            Query::At(issuer, epoch, seq) => self.by_position(&issuer.to_string(), *epoch, *seq),
            // No event, but an object: whoever stores attachments knows.
            Query::Attachment(_) => Ok(None),
        }
    }

    /// The event of an unsealed type with this id.
    pub fn by_id(&self, id: &EventId) -> Result<Option<Logged>, IndexError> {
        let found = self.condemning(|| self.shared.db.get(prefixed(ID, &[id.as_bytes()])).map_err(said))?;
        let Some(index) = found.as_deref().and_then(index_of) else { return Ok(None) };
        let logged = self.event(index)?;
        if logged.event.id != *id {
            return Err(self.condemn(format!("event {id} is not at {index}")));
        }
        Ok(Some(logged))
    }

    /// The event at this place of a chain.
    pub fn by_position(&self, issuer: &str, epoch: u32, seq: u64) -> Result<Option<Logged>, IndexError> {
        let run = self.condemning(|| last_run(&self.shared.db, issuer, epoch, seq))?;
        let Some(run) = run.filter(|run| seq < run.seq + run.count) else { return Ok(None) };
        let index = LeafIndex::new(run.index + (seq - run.seq));
        let logged = self.event(index)?;
        if fold::place(&logged.event) != Some((issuer.to_owned(), epoch, seq)) {
            return Err(self.condemn(format!("{issuer} {epoch}/{seq} is not at {index}")));
        }
        Ok(Some(logged))
    }

    /// Indices of the events that have this digest as a subject, ascending, at most `LOOKUP_HITS_MAX`.
    pub fn by_digest(&self, digest: &Hash) -> Result<Vec<LeafIndex>, IndexError> {
        self.indices(prefixed(DIGEST, &[digest.as_bytes()]))
    }

    /// Indices of the events that have this purl, ascending, at most `LOOKUP_HITS_MAX`.
    pub fn by_purl(&self, purl: &str) -> Result<Vec<LeafIndex>, IndexError> {
        self.indices(prefixed(PURL, &[purl.as_bytes(), &[0]]))
    }

    /// The events of a type below `size` that share a digest with these as a subject, newest first, at most `most`; of a type
    /// that no bundle finds by digest there are none [B-5].
    pub fn beside(
        &self,
        kind: Kind,
        digests: &Digests,
        size: TreeSize,
        most: usize,
    ) -> Result<Vec<Logged>, IndexError> {
        let mut found: BTreeSet<LeafIndex> = BTreeSet::new();
        self.condemning(|| {
            for prefix in beside(kind, digests) {
                let end = [prefix.as_slice(), &size.get().to_be_bytes()].concat();
                for record in self.shared.db.range(prefix.clone()..end).rev().take(most) {
                    let (key, _) = record.map_err(said)?;
                    found.insert(key.get(prefix.len()..).and_then(index_of).ok_or("a record whose key is too short")?);
                }
            }
            Ok(())
        })?;
        let events = found.into_iter().rev().take(most).map(|index| {
            let logged = self.event(index)?;
            let statement = &logged.event.statement;
            let shares = statement.subject.iter().any(|element| element.digest.shares_one_with(digests));
            if statement.kind == kind && shares {
                return Ok(logged);
            }
            Err(self.condemn(format!("entry {index} is not a {kind} of what it is indexed by")))
        });
        events.collect()
    }

    /// The first event that names an attachment with this digest.
    pub fn attachment(&self, digest: &Hash) -> Result<Option<LeafIndex>, IndexError> {
        let found = self.condemning(|| self.shared.db.get(prefixed(ATTACHMENT, &[digest.as_bytes()])).map_err(said))?;
        Ok(found.as_deref().and_then(index_of))
    }

    /// Every event whose sealed record is erased [S-33], and the erasure that says so: by the first, then by the second.
    pub fn erased(&self) -> Result<Vec<(LeafIndex, LeafIndex)>, IndexError> {
        self.erased_between(0, u64::MAX)
    }

    /// Those of the events `from` to `to`, the last not included.
    pub fn erased_between(&self, from: u64, to: u64) -> Result<Vec<(LeafIndex, LeafIndex)>, IndexError> {
        self.condemning(|| {
            let pair = |key: &[u8]| {
                let (target, erasure) = key.get(1..)?.split_at_checked(8)?;
                Some((index_of(target)?, index_of(erasure)?))
            };
            let key = |target: u64| prefixed(ERASED, &[&target.to_be_bytes()]);
            let records = self.shared.db.range(key(from)..key(to));
            records.map(|record| pair(&record.map_err(said)?.0).ok_or("an erasure that is none".to_owned())).collect()
        })
    }

    fn indices(&self, prefix: Vec<u8>) -> Result<Vec<LeafIndex>, IndexError> {
        self.condemning(|| {
            let mut found = Vec::new();
            for record in self.shared.db.scan_prefix(&prefix).take(LOOKUP_HITS_MAX) {
                let (key, _) = record.map_err(said)?;
                let index = key.get(prefix.len()..).and_then(index_of);
                found.push(index.ok_or("a record whose key is too short")?);
            }
            Ok(found)
        })
    }

    /// The event at an index, from memory or from the log.
    pub fn event(&self, index: LeafIndex) -> Result<Logged, IndexError> {
        let recent = locked(&self.shared.recent).events.get(&index.get()).cloned();
        if let Some(event) = recent {
            return Ok(Logged { index, event });
        }
        let leaf = self.shared.reader.entry(index, self.shared.reader.written())?;
        let event =
            admission::reread(&leaf, &self.shared.origin).map_err(|refusal| IndexError::Leaf(refusal.to_string()))?;
        let event = Arc::new(event);
        locked(&self.shared.recent).insert(index, &event);
        Ok(Logged { index, event })
    }

    /// Does something with sled; an error or a panic there condemns the index.
    fn condemning<T>(&self, work: impl FnOnce() -> Result<T, String>) -> Result<T, IndexError> {
        guarded(work).map_err(|reason| self.condemn(reason))
    }

    /// Makes the next open rebuild the index.
    fn condemn(&self, reason: String) -> IndexError {
        let mark = self.shared.beside.join(CONDEMNED);
        match File::create(&mark).and_then(|file| file.sync_all()) {
            Ok(()) => IndexError::Damaged(reason),
            Err(error) => {
                IndexError::Damaged(format!("{reason}; delete the index folder, {} says {error}", mark.display()))
            }
        }
    }
}

/// The running flush thread; dropping it flushes once more and ends it.
pub struct FlushThread {
    index: Index,
    handle: Option<JoinHandle<()>>,
}

impl Drop for FlushThread {
    fn drop(&mut self) {
        *locked(&self.index.shared.stopping) = true;
        self.index.shared.wake.notify_all();
        if let Some(handle) = self.handle.take() {
            // A panic there has been printed; the index is rebuilt when it does not fit.
            let _ = handle.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what touches sled: a panic there is an answer like an error (dependencies.md A4).
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // Nothing of ours is half-changed by a panic: what sled broke is thrown away as a whole.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("sled panicked: {}", text.unwrap_or_default()))
    })
}

/// Opens sled; the meta is that of an empty index until `scan` has read it.
fn start(folder: &Path, reader: &Reader, origin: &Origin) -> Result<Shared, String> {
    let path = folder.join(crate::layout::INDEX_FOLDER);
    let config = sled::Config::default()
        .path(&path)
        .cache_capacity(INDEX_CACHE_BYTES)
        .flush_every_ms(None)
        .print_profile_on_drop(false);
    let db = open_sled(&config)?;
    let file = File::open(path.join("db")).map_err(|error| format!("open its file: {error}"))?;
    Ok(Shared {
        db,
        file,
        beside: folder.to_owned(),
        reader: reader.clone(),
        origin: origin.clone(),
        meta: Mutex::new(EMPTY),
        recent: Mutex::default(),
        dirty: AtomicBool::new(false),
        stopping: Mutex::new(false),
        wake: Condvar::new(),
    })
}

/// How long a handle of this very process may take to give sled's lock back.
const SLED_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Opens sled. It gives its lock back from a thread of its own, a moment after the last handle is dropped; the folder is
/// locked for this process anyway, so whoever holds sled's lock is about to let go. Any other error counts at once.
fn open_sled(config: &sled::Config) -> Result<sled::Db, String> {
    let until = Instant::now() + SLED_LOCK_WAIT;
    loop {
        match config.open() {
            Err(error) if error.to_string().contains("could not acquire lock") && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other.map_err(said),
        }
    }
}

fn check_space(folder: &Path, least: u64) -> Result<(), IndexError> {
    let file = |reason: String| IndexError::File { path: folder.display().to_string(), reason };
    let stat = rustix::fs::statvfs(folder).map_err(|error| file(error.to_string()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < least {
        return Err(IndexError::DiskFull { path: folder.display().to_string(), free, least });
    }
    Ok(())
}

/// Moves an index that is of no use aside, where a person can look at it; the one moved before is deleted.
fn set_aside(folder: &Path, path: &Path) -> Result<(), IndexError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let aside = folder.join(ASIDE);
    let file = |path: &Path, error: std::io::Error| IndexError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    match std::fs::remove_dir_all(&aside) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(file(&aside, error)),
    }
    std::fs::rename(path, &aside).map_err(|error| file(path, error))
}

fn remove(path: &Path) -> Result<(), IndexError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(IndexError::File { path: path.display().to_string(), reason: error.to_string() }),
    }
}

fn sync_folder(path: &Path) -> Result<(), IndexError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| IndexError::File { path: path.display().to_string(), reason: error.to_string() })
}
