//! The one thread that decides, signs and writes (55-witness.md).
//!
//! It alone owns the journal, so check and record are one step for an origin [W-8] [D-3]. Each round takes every request and
//! finding that waits, in this order:
//! 1. each is judged (`round`): what is signed, what else is to be kept, what is refused;
//! 2. the accepted ones are signed, in parallel; nobody has a signature yet;
//! 3. one frame with all records is appended and synced: from here they are the state, whatever happens;
//! 4. the first time, the "has signed" mark is written and synced;
//! 5. memory is brought up to date, and every answer leaves.
//!
//! A failed step ends the thread and with it the process: what is on the disk is unknown, and opening again is the only
//! recovery there is. Not here: verifying the log's signature (`request`), which needs no state.

use crate::answer::Answer;
use crate::clock::{Clock, ClockError};
use crate::disk::{Disk, DiskError};
use crate::heads::Heads;
use crate::journal::{Journal, JournalError};
use crate::keys::{Keys, SignError};
use crate::limits::{FRAME_BYTES_MAX, HISTORY_BYTES_MAX, RECORD_BYTES_MAX};
use crate::mark;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::request::Verified;
use crate::round::{Decision, Found, Round, Signed};
use crate::stop::Stop;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How often one and the same alarm is repeated.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// What waits for its round, and who waits for the end of it.
pub(crate) enum Job {
    /// A request.
    Ask { verified: Verified, reply: oneshot::Sender<Answer> },
    /// A finding about a log.
    Tell { found: Found, done: oneshot::Sender<()> },
}

impl Job {
    /// Bytes of its records at most, evidence aside, for which there is room in every frame.
    fn bytes(&self) -> usize {
        match self {
            Job::Ask { verified, .. } => RECORD_BYTES_MAX.min(verified.note.len() + 16 * 1024),
            Job::Tell { .. } => RECORD_BYTES_MAX,
        }
    }
}

/// Why the witness stopped. Nothing that was not synced has left.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The journal could not be written.
    #[error("{0}; the witness stops: repair the disk and start it again, nothing it signed is lost")]
    Journal(#[from] JournalError),
    /// The mark could not be written.
    #[error("{0}; the witness stops: repair the disk and start it again, nothing it signed is lost")]
    Mark(#[from] DiskError),
    /// Nothing was signed.
    #[error("{0}; the witness stops: this is a fault of the machine or of this build")]
    Sign(#[from] SignError),
    /// Memory and journal contradict each other.
    #[error("the newest record contradicts the state: {0}; the witness stops, this is a bug")]
    State(String),
    /// The thread panicked.
    #[error("the thread that signs ended without saying why; the witness stops, this is a bug")]
    Panic,
}

impl Fatal {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            Fatal::Journal(error) => error.stop(),
            Fatal::Mark(error) => error.stop(),
            Fatal::Sign(_) => Stop::KeysSign,
            Fatal::State(_) | Fatal::Panic => Stop::Program,
        }
    }
}

pub(crate) struct Committer {
    pub(crate) journal: Journal,
    pub(crate) heads: Arc<RwLock<Heads>>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) marks: Arc<dyn Disk>,
    pub(crate) marked: bool,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) alarm: Option<Instant>,
    pub(crate) metrics: Arc<Metrics>,
    /// Told when a log is refused because a note of it is in doubt.
    pub(crate) in_doubt: Arc<Notify>,
}

impl Committer {
    /// Rounds until every sender is gone, or a step fails.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) -> Result<(), Fatal> {
        while let Ok(first) = jobs.recv() {
            // A frame has room for the longest record as long as this much of it is free.
            let mut room = FRAME_BYTES_MAX.saturating_sub(2 * RECORD_BYTES_MAX).saturating_sub(first.bytes());
            let mut round = vec![first];
            while room > 0 {
                let Ok(job) = jobs.try_recv() else { break };
                room = room.saturating_sub(job.bytes());
                round.push(job);
            }
            self.round(round)?;
            self.compact()?;
        }
        Ok(())
    }

    fn round(&mut self, jobs: Vec<Job>) -> Result<(), Fatal> {
        let (mut asked, mut told) = (Vec::with_capacity(jobs.len()), Vec::new());
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        let mut round = Round::new(&heads, self.disk.as_ref(), self.clock.now());
        for job in jobs {
            match job {
                Job::Ask { verified, reply } => asked.push((round.ask(verified)?, reply)),
                Job::Tell { found, done } => {
                    round.tell(&found)?;
                    told.push(done);
                }
            }
        }
        let Round { mut records, signed, alarm, in_doubt, .. } = round;
        drop(heads);
        if let Some(error) = alarm {
            self.raise(error);
        }
        if in_doubt {
            self.in_doubt.notify_one();
        }

        let lines = sign_all(&self.keys, &signed)?;
        for (new, lines) in signed.iter().zip(&lines) {
            if let Some(Record::Cosigned(entry)) = records.get_mut(new.record) {
                entry.cosignatures.clone_from(lines);
            }
        }
        self.keep(&mut records, &signed)?;

        // Who waited may have gone; the records stay.
        for (decision, reply) in asked {
            let answer = match decision {
                Decision::No(answer) => answer,
                Decision::Again(lines) => Answer::ok(lines),
                Decision::Sign(index) => Answer::ok(lines.get(index).cloned().unwrap_or_default()),
            };
            let _ = reply.send(answer);
        }
        for done in told {
            let _ = done.send(());
        }
        Ok(())
    }

    /// Makes the round's records durable, then the mark, then memory. No answer left before [D-3] [D-9].
    fn keep(&mut self, records: &mut [Record], signed: &[Signed]) -> Result<(), Fatal> {
        if records.is_empty() {
            return Ok(());
        }
        records.iter_mut().for_each(|record| record.set_counter(self.journal.next_counter()));
        let begun = Instant::now();
        let places = self.journal.append(records)?;
        self.metrics.write_seconds.observe(begun.elapsed().as_secs_f64());
        self.metrics.writes.inc();
        self.metrics.cosigned.inc_by(signed.len() as u64);
        if !self.marked && !signed.is_empty() {
            mark::write(self.marks.as_ref(), self.journal.id())?;
            self.marked = true;
        }
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = signed.iter().map(|new| new.known);
        for (record, place) in records.iter().zip(places) {
            match (record, &mut known) {
                (Record::Cosigned(entry), known) => {
                    let known =
                        known.next().ok_or_else(|| Fatal::State("a record that nobody asked for".to_owned()))?;
                    heads.set(entry, known.size, known.root, place)
                }
                (record, _) => heads.apply(record, place),
            }
            .map_err(Fatal::State)?;
        }
        Ok(())
    }

    /// Rewrites the journal without superseded records when most of it is such [D-8]. Requests wait meanwhile.
    fn compact(&mut self) -> Result<(), Fatal> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        if !self.journal.wants_compaction(|| heads.bytes()) {
            return Ok(());
        }
        drop(heads);
        self.heads.write().unwrap_or_else(PoisonError::into_inner).trim(HISTORY_BYTES_MAX);
        let old = self.heads.read().unwrap_or_else(PoisonError::into_inner).places();
        let prepared = self.journal.prepare(&old)?;
        // Readers look up a place and read it under one lock: none sees the new file with an old place.
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        let new = self.journal.replace(prepared)?;
        heads.moved(&old, &new);
        Ok(())
    }

    fn raise(&mut self, error: ClockError) {
        if self.alarm.is_none_or(|last| last.elapsed() >= ALARM_EVERY) {
            self.alarm = Some(Instant::now());
            tracing::error!(
                "ALARM: {error}; nothing is signed. Set the clock right; if the last signed time is the wrong one, \
                 restart once with --clock-was-wrong"
            );
        }
    }
}

/// Signs every checkpoint at its time, on all processors.
fn sign_all(keys: &Keys, work: &[Signed]) -> Result<Vec<String>, SignError> {
    let sign = |part: &[Signed]| -> Result<Vec<String>, SignError> {
        part.iter().map(|new| keys.cosign(&new.checkpoint, new.time)).collect()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(work.len());
    if threads < 2 {
        return sign(work);
    }
    let parts: Vec<Result<Vec<String>, SignError>> = thread::scope(|scope| {
        let started: Vec<_> =
            work.chunks(work.len().div_ceil(threads)).map(|part| scope.spawn(move || sign(part))).collect();
        started.into_iter().map(|thread| thread.join().unwrap_or(Err(SignError::Library))).collect()
    });
    let mut lines = Vec::with_capacity(work.len());
    for part in parts {
        lines.extend(part?);
    }
    Ok(lines)
}
