//! The one thread that decides, signs and writes (55-witness.md).
//!
//! It alone owns the journal, so check and record are one step for an origin [W-8] [D-3]. Each round takes every request
//! that waits, in this order:
//! 1. each is judged against the newest checkpoint of its origin, those accepted a moment ago included;
//! 2. the accepted ones are signed, in parallel; nobody has a signature yet;
//! 3. one frame with all of them is appended and synced: from here they are the state, whatever happens;
//! 4. the first time, the "has signed" mark is written and synced;
//! 5. memory is brought up to date, and every answer leaves.
//!
//! A failed step ends the thread and with it the process: what is on the disk is unknown, and opening again is the only
//! recovery there is. Not here: verifying the log's signature (`request`), which needs no state.

use crate::answer::{Answer, NoSignature};
use crate::clock::{self, Clock, ClockError};
use crate::disk::{Disk, DiskError};
use crate::heads::Heads;
use crate::journal::{self, Journal, JournalError};
use crate::keys::{Keys, SignError};
use crate::limits::{FRAME_BYTES_MAX, RECORD_BYTES_MAX};
use crate::mark;
use crate::record::{Entry, Record};
use crate::request::Verified;
use crate::stop::Stop;
use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vitrine_spec::add_checkpoint::{Known, WitnessRefusal, check_growth};
use vitrine_spec::hash::Hash;

/// How often one and the same alarm is repeated.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// A request that waits for its round, and who waits for the answer.
pub(crate) struct Job {
    pub(crate) verified: Verified,
    pub(crate) reply: oneshot::Sender<Answer>,
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
}

/// What was decided about one request of a round.
enum Decision {
    /// No signature.
    No(Answer),
    /// The lines of an earlier answer: the same checkpoint in the same second [D-14].
    Again(String),
    /// The record with this position in the round.
    Sign(usize),
}

/// A checkpoint accepted in this round.
struct Accepted {
    known: Known,
    time: u64,
}

impl Committer {
    /// Rounds until every sender is gone, or a step fails.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) -> Result<(), Fatal> {
        while let Ok(first) = jobs.recv() {
            // A frame has room for the longest record as long as this much of it is free.
            let mut room = FRAME_BYTES_MAX.saturating_sub(2 * RECORD_BYTES_MAX);
            let mut round = vec![first];
            while room > 0 {
                let Ok(job) = jobs.try_recv() else { break };
                room = room.saturating_sub(RECORD_BYTES_MAX.min(job.verified.note.len() + 16 * 1024));
                round.push(job);
            }
            self.round(round)?;
            self.compact()?;
        }
        Ok(())
    }

    fn round(&mut self, jobs: Vec<Job>) -> Result<(), Fatal> {
        let now = self.clock.now();
        let mut accepted: Vec<Accepted> = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        let mut decisions = Vec::with_capacity(jobs.len());
        // Where in `accepted` and `entries` the newest checkpoint of an origin is.
        let mut newest: HashMap<Hash, usize> = HashMap::new();
        let mut to_sign = Vec::new();
        let mut replies = Vec::with_capacity(jobs.len());
        for Job { verified, reply } in jobs {
            replies.push(reply);
            let ahead = newest.get(&verified.origin).and_then(|index| accepted.get(*index).map(|new| (*index, new)));
            let decision = match self.judge(&verified, ahead.map(|(_, new)| new), now) {
                Err(reason) => Decision::No(reason.into()),
                Ok(new) => {
                    let same =
                        |entry: &Entry| entry.time == new.time && is_of(entry, verified.request.checkpoint.text());
                    let waiting = ahead.filter(|(index, _)| entries.get(*index).is_some_and(same));
                    let answered = match ahead {
                        Some(_) => None,
                        None => self.answered(&verified.origin, &new, same)?,
                    };
                    match waiting {
                        Some((index, _)) => Decision::Sign(index),
                        None => match answered {
                            Some(lines) => Decision::Again(lines),
                            None => {
                                newest.insert(verified.origin, entries.len());
                                entries.push(Entry {
                                    counter: self.journal.next_counter(),
                                    origin: verified.origin,
                                    time: new.time,
                                    note: verified.note,
                                    cosignatures: String::new(),
                                });
                                to_sign.push(verified.request.checkpoint);
                                accepted.push(new);
                                Decision::Sign(entries.len() - 1)
                            }
                        },
                    }
                }
            };
            decisions.push(decision);
        }

        let lines = sign_all(&self.keys, &to_sign, &entries)?;
        for (entry, lines) in entries.iter_mut().zip(&lines) {
            entry.cosignatures.clone_from(lines);
        }
        self.keep(&accepted, &entries)?;

        for (decision, reply) in decisions.into_iter().zip(replies) {
            let answer = match decision {
                Decision::No(answer) => answer,
                Decision::Again(lines) => Answer::ok(lines),
                Decision::Sign(index) => Answer::ok(lines.get(index).cloned().unwrap_or_default()),
            };
            // The asker may have gone; the record stays.
            let _ = reply.send(answer);
        }
        Ok(())
    }

    /// Decides one request: growth, clock, time [W-5] [W-6] [W-7] [D-11] [D-12].
    fn judge(&mut self, verified: &Verified, ahead: Option<&Accepted>, now: u64) -> Result<Accepted, NoSignature> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        let head = heads.get(&verified.origin);
        let known = ahead.map(|new| new.known).or(head.map(|head| Known { size: head.size, root: head.root }));
        let known = check_growth(&verified.request, known.as_ref()).map_err(|refusal| {
            report(&refusal, verified);
            NoSignature::Refused(refusal)
        })?;
        let last_of_origin = ahead.map(|new| new.time).or(head.map(|head| head.time)).unwrap_or(0);
        let last_signed = heads.last_signed();
        drop(heads);
        clock::check(now, last_signed).map_err(|error| {
            self.raise(error);
            NoSignature::Clock(error)
        })?;
        Ok(Accepted { known, time: clock::time_of(now, last_of_origin) })
    }

    /// The lines already answered for the newest checkpoint on disk, when `same` says that it is this one.
    fn answered(
        &self,
        origin: &Hash,
        new: &Accepted,
        same: impl Fn(&Entry) -> bool,
    ) -> Result<Option<String>, JournalError> {
        let head = self.heads.read().unwrap_or_else(PoisonError::into_inner).get(origin).copied();
        let Some(head) = head.filter(|head| head.size == new.known.size && head.time == new.time) else {
            return Ok(None);
        };
        match journal::read(self.disk.as_ref(), head.place)? {
            Record::Cosigned(entry) if same(&entry) => Ok(Some(entry.cosignatures)),
            _ => Ok(None),
        }
    }

    /// Makes the round's records durable, then the mark, then memory. No signature left before [D-3] [D-9].
    fn keep(&mut self, accepted: &[Accepted], entries: &[Entry]) -> Result<(), Fatal> {
        if entries.is_empty() {
            return Ok(());
        }
        let records: Vec<Record> = entries.iter().cloned().map(Record::Cosigned).collect();
        let places = self.journal.append(&records)?;
        if !self.marked {
            mark::write(self.marks.as_ref(), self.journal.id())?;
            self.marked = true;
        }
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        for ((entry, new), place) in entries.iter().zip(accepted).zip(places) {
            heads.set(entry, new.known.size, new.known.root, place).map_err(Fatal::State)?;
        }
        Ok(())
    }

    /// Rewrites the journal without superseded records when most of it is such [D-8]. Requests wait meanwhile.
    fn compact(&mut self) -> Result<(), Fatal> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        if !self.journal.wants_compaction(heads.bytes()) {
            return Ok(());
        }
        let old = heads.places();
        drop(heads);
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

/// A known log that shows something it could not show by mistake alone is worth an operator's look.
fn report(refusal: &WitnessRefusal, verified: &Verified) {
    let origin = verified.request.checkpoint.origin();
    match refusal {
        WitnessRefusal::EmptyRoot { .. } | WitnessRefusal::Proof(_) | WitnessRefusal::OtherRoot { .. } => {
            tracing::warn!("{origin} showed a signed checkpoint that does not continue the one cosigned: {refusal}");
        }
        WitnessRefusal::Malformed(_)
        | WitnessRefusal::UnknownOrigin(_)
        | WitnessRefusal::Unsigned(_)
        | WitnessRefusal::OldAboveSize { .. }
        | WitnessRefusal::Stale { .. } => tracing::debug!("{origin}: {refusal}"),
    }
}

/// True when the note is a checkpoint with exactly this text; cosignatures cover nothing else of it.
fn is_of(entry: &Entry, text: &str) -> bool {
    entry.note.strip_prefix(text).is_some_and(|lines| lines.starts_with('\n'))
}

/// Signs every checkpoint at the time of its entry, on all processors.
fn sign_all(
    keys: &Keys,
    checkpoints: &[vitrine_spec::checkpoint::SignedCheckpoint],
    entries: &[Entry],
) -> Result<Vec<String>, SignError> {
    let work: Vec<_> = checkpoints.iter().zip(entries).collect();
    let sign = |part: &[(&vitrine_spec::checkpoint::SignedCheckpoint, &Entry)]| -> Result<Vec<String>, SignError> {
        part.iter().map(|(checkpoint, entry)| keys.cosign(checkpoint, entry.time)).collect()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(work.len());
    if threads < 2 {
        return sign(&work);
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
