//! What readers see: the published checkpoint, the state at its size, and what the server waits for (85-log.md).
//!
//! The writer swaps checkpoint and state together; nothing provisional is ever here.
//! Not here: how answers look (`http`), who may submit what (`admission`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::watch;
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::TILE_WIDTH;
use vitrine_spec::proof::{self, BuildError, Tiles};
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::State;
use vitrine_spec::tiles::TileId;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::index::Index;
use crate::log::Published;
use crate::metrics::Metrics;
use crate::reader::{ReadError, Reader};
use crate::time::Time;
use crate::witnesses::Witnesses;

/// Tiles kept in memory for proofs: 32 MiB at most.
const TILES_CACHED_MAX: usize = 4_096;

/// How far the server is. Reads work in every step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The index is opened, caught up or rebuilt.
    Index(String),
    /// The rollback guard asks the witnesses.
    Guard(String),
    /// The head of the last run waits for its cosignatures.
    Head(String),
    /// Events are admitted.
    Ready,
    /// This directory signs nothing any more.
    Stopped(String),
    /// SIGTERM came.
    Leaving,
}

impl Step {
    /// One word for `/readyz`.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Index(_) => "index",
            Step::Guard(_) => "guard",
            Step::Head(_) => "head",
            Step::Ready => "ready",
            Step::Stopped(_) => "stopped",
            Step::Leaving => "leaving",
        }
    }

    /// What it waits for, in words.
    pub fn detail(&self) -> &str {
        match self {
            Step::Index(words) | Step::Guard(words) | Step::Head(words) | Step::Stopped(words) => words,
            Step::Ready => "events are admitted",
            Step::Leaving => "the server was told to stop",
        }
    }
}

/// Why admission is closed although the server is ready. Each is looked at every second.
#[derive(Debug, Clone, Default)]
struct Alarms {
    disk: Option<(u64, u64)>,
    clock: Option<(Time, Time)>,
    quorum: Option<String>,
}

/// What all handlers share with the writer.
pub struct View {
    /// The log's origin.
    pub origin: String,
    /// The policy file, verbatim.
    pub policy: String,
    /// The policy's quorum is `none`.
    pub unwitnessed: bool,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whom the server asks; their standings are shown.
    pub witnesses: Arc<Witnesses>,
    reader: Reader,
    published: watch::Sender<Arc<Published>>,
    /// The state at the published size; `None` until a head of this run is published.
    state: RwLock<Option<State>>,
    index: OnceLock<Arc<Index>>,
    /// Entries that the index covers.
    indexed: watch::Sender<TreeSize>,
    step: RwLock<Step>,
    alarms: RwLock<Alarms>,
    head: AtomicU64,
    tiles: Mutex<HashMap<TileId, Arc<[u8]>>>,
}

/// What a view begins with.
pub struct Parts {
    /// The log's origin.
    pub origin: String,
    /// The policy file, verbatim.
    pub policy: String,
    /// The policy's quorum is `none`.
    pub unwitnessed: bool,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whom the server asks.
    pub witnesses: Arc<Witnesses>,
    /// Reads objects.
    pub reader: Reader,
    /// The published checkpoint.
    pub published: Arc<Published>,
    /// Size of the head.
    pub head: TreeSize,
}

impl View {
    /// The view of a log that was just opened: its checkpoint, no index yet.
    pub fn new(parts: Parts) -> View {
        let Parts { origin, policy, unwitnessed, metrics, witnesses, reader, published, head } = parts;
        metrics.unwitnessed.set(i64::from(unwitnessed));
        metrics.published_size.set(published.size.get());
        metrics.head_size.set(head.get());
        View {
            origin,
            policy,
            unwitnessed,
            metrics,
            witnesses,
            reader,
            published: watch::Sender::new(published),
            state: RwLock::new(None),
            index: OnceLock::new(),
            indexed: watch::Sender::new(TreeSize::new(0)),
            step: RwLock::new(Step::Index("opening".to_owned())),
            alarms: RwLock::default(),
            head: AtomicU64::new(head.get()),
            tiles: Mutex::default(),
        }
    }

    /// Reads objects; the caller keeps below the published size.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The published checkpoint.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// Size of the newest signed head.
    pub fn head(&self) -> TreeSize {
        TreeSize::new(self.head.load(Ordering::Acquire))
    }

    /// Says which head is signed.
    pub fn set_head(&self, size: TreeSize) {
        self.head.store(size.get(), Ordering::Release);
        self.metrics.head_size.set(size.get());
    }

    /// Waits until the entry at `index` is published.
    pub async fn wait_for(&self, index: LeafIndex) -> Arc<Published> {
        let mut published = self.published.subscribe();
        match published.wait_for(|published| published.size.get() > index.get()).await {
            Ok(published) => Arc::clone(&published),
            // The sender lives in `self`.
            Err(_) => self.published(),
        }
    }

    /// Swaps the checkpoint and brings the state to its size, seen together by `with_state`.
    pub fn publish(&self, published: Arc<Published>, change: impl FnOnce(&mut Option<State>)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        self.metrics.checkpoints.inc();
        self.metrics.published_size.set(published.size.get());
        self.metrics.published_at.set(Time::now().get());
        self.published.send_replace(published);
    }

    /// Looks at the state and the checkpoint it belongs to; `None` until a head of this run is published.
    pub fn with_state<T>(&self, look: impl FnOnce(&State, Arc<Published>) -> T) -> Option<T> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let published = self.published();
        state.as_ref().map(|state| look(state, published))
    }

    /// The index, once it is open.
    pub fn index(&self) -> Option<&Arc<Index>> {
        self.index.get()
    }

    /// Waits until the index covers a size.
    pub async fn wait_for_index(&self, size: TreeSize) {
        let mut indexed = self.indexed.subscribe();
        // The sender lives in `self`, so this ends only when it is true.
        let _ = indexed.wait_for(|covered| *covered >= size).await;
    }

    /// The index covers this size.
    pub fn set_indexed(&self, size: TreeSize) {
        self.indexed.send_replace(size);
    }

    /// The index is open. Said once.
    pub fn set_index(&self, index: Arc<Index>) {
        self.set_indexed(index.size());
        // A second index could only be a fault of the writer, and the first one stays right.
        let _ = self.index.set(index);
    }

    /// How far the server is.
    pub fn step(&self) -> Step {
        self.step.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how far the server is. `Stopped` and `Leaving` are not left again.
    pub fn set_step(&self, step: Step) {
        let mut now = self.step.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*now, Step::Leaving) || (matches!(*now, Step::Stopped(_)) && step != Step::Leaving) {
            return;
        }
        if *now != step {
            tracing::info!(step = step.name(), "{}", step.detail());
        }
        self.metrics.ready.set(i64::from(step == Step::Ready));
        *now = step;
    }

    /// Free bytes and their least, when there are too few.
    pub fn set_disk(&self, low: Option<(u64, u64)>) {
        let mut alarms = self.alarms.write().unwrap_or_else(PoisonError::into_inner);
        if alarms.disk.is_some() != low.is_some() {
            match low {
                Some((free, least)) => {
                    tracing::error!(free, least, "too little free space: admission stops, reads go on")
                }
                None => tracing::info!("free space again: admission goes on"),
            }
        }
        alarms.disk = low;
    }

    /// The clock and the last signed time, when the clock is too far behind.
    pub fn set_clock(&self, behind: Option<(Time, Time)>) {
        let mut alarms = self.alarms.write().unwrap_or_else(PoisonError::into_inner);
        if alarms.clock.is_some() != behind.is_some() {
            match behind {
                Some((now, last)) => {
                    tracing::error!(%now, %last, "the clock is behind the last signed time: admission stops")
                }
                None => tracing::info!("the clock is right again: admission goes on"),
            }
        }
        alarms.clock = behind;
    }

    /// Which witnesses the head waits for, while it waits for longer than one answer takes.
    pub fn set_quorum(&self, missing: Option<String>) {
        self.alarms.write().unwrap_or_else(PoisonError::into_inner).quorum = missing;
    }

    /// Which witnesses the head waits for.
    pub fn quorum(&self) -> Option<String> {
        self.alarms.read().unwrap_or_else(PoisonError::into_inner).quorum.clone()
    }

    /// Why no event is admitted now, before anything of it is read.
    pub fn closed(&self) -> Option<Refusal> {
        {
            let step = self.step.read().unwrap_or_else(PoisonError::into_inner);
            if *step != Step::Ready {
                return Some(Refusal::Starting(format!("{}: {}", step.name(), step.detail())));
            }
        }
        let alarms = self.alarms.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((free, least)) = alarms.disk {
            return Some(Refusal::DiskFull { free, least });
        }
        alarms.clock.map(|(now, last)| Refusal::Clock { now: now.get(), signed: last.get() })
    }

    /// The audit path of an entry in a tree of at most the published size.
    pub fn inclusion(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, BuildError<ReadError>> {
        proof::inclusion(self, index, size)
    }

    /// The consistency proof between two sizes of at most the published one.
    pub fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, BuildError<ReadError>> {
        proof::consistency(self, from, to)
    }
}

/// Tiles through the cache: proofs of one batch read the same few.
impl Tiles for View {
    type Error = ReadError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.tiles.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(bytes.to_vec());
        }
        let bytes = self.reader.tile(id)?;
        let mut tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        if tiles.len() >= TILES_CACHED_MAX {
            // Partial tiles are of no use once the tree has grown; full ones come back when they are asked for.
            tiles.retain(|id, _| id.width() == TILE_WIDTH);
            if tiles.len() >= TILES_CACHED_MAX {
                tiles.clear();
            }
        }
        tiles.insert(id, Arc::from(bytes.as_slice()));
        Ok(bytes)
    }
}
