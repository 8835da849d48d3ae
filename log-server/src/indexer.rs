//! The thread that brings the index up to the head behind the writer [S-28] (85-log.md).
//!
//! An acknowledgement needs objects and cosignatures, not the index; so the index takes a batch while the witnesses are
//! asked, the checkpoint is published and the next batch begins. It is never more than a few batches behind, and look-ups
//! wait for it. Not here: the records of the index (`index`), what pool and batches remember until then (`admission`).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use vitrine_spec::hash::Hash;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::TreeSize;

use crate::admission::Admission;
use crate::fold::Entry;
use crate::index::Index;
use crate::metrics::Stage;
use crate::view::View;

/// Batches that may wait for the index; the next one then waits for it.
const WAITING_MAX: usize = 1;

/// One batch of the log, as the index takes it.
pub struct Job {
    /// Its events, in order.
    pub entries: Vec<Entry>,
    /// What each of them changes.
    pub effects: Arc<Vec<Effects>>,
    /// Size of the log with this batch.
    pub size: TreeSize,
    /// Root of the log with this batch.
    pub root: Hash,
}

/// The running thread; dropping it lets it finish what waits, and then ends it.
pub struct Indexer {
    jobs: Option<SyncSender<Job>>,
    handle: Option<JoinHandle<()>>,
}

impl Indexer {
    /// Starts the thread. `state` is that of the index; `on_error` hears of the first failure, after which nothing is taken.
    pub fn start(
        index: Arc<Index>,
        admission: Arc<Admission>,
        view: Arc<View>,
        state: State,
        on_error: impl FnOnce(String) + Send + 'static,
    ) -> std::io::Result<Indexer> {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let handle = std::thread::Builder::new().name("indexer".to_owned()).spawn(move || {
            if let Err(error) = work(&index, &admission, &view, state, &waiting) {
                on_error(error);
            }
        })?;
        Ok(Indexer { jobs: Some(jobs), handle: Some(handle) })
    }

    /// Hands over a batch, waiting while too many wait; `false` when the thread has ended.
    pub fn add(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

fn work(
    index: &Index,
    admission: &Admission,
    view: &View,
    mut state: State,
    waiting: &Receiver<Job>,
) -> Result<(), String> {
    while let Ok(Job { entries, effects, size, root }) = waiting.recv() {
        let started = Instant::now();
        effects.iter().for_each(|effects| state.apply(effects));
        index.apply(&entries, &effects, &state, size, root).map_err(|error| error.to_string())?;
        // Only now may admission forget these events: whoever does not find them there finds them in the index.
        admission.indexed(size);
        view.set_indexed(size);
        let steps = &view.metrics.steps;
        steps.get_or_create(&Stage { step: "index" }).observe(started.elapsed().as_secs_f64());
    }
    Ok(())
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(handle) = self.handle.take() {
            // A panic there has been printed; the next start catches up or rebuilds.
            let _ = handle.join();
        }
    }
}
