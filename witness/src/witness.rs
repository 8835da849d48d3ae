//! The witness as a library: opened from two directories, asked without a socket (55-witness.md).
//!
//! Not here: HTTP (`http`), the command line (`cli`).

use crate::answer::{Answer, NoSignature};
use crate::clock::{self, Clock, ClockError};
use crate::committer::{Committer, Fatal, Job};
use crate::confirm::{self, ConfirmError};
use crate::disk::Disk;
use crate::heads::{Doubt, Head, Heads};
use crate::journal::{self, Journal, JournalError, Place, Scan};
use crate::keys::Keys;
use crate::limits::{HISTORY_BYTES_MAX, IN_FLIGHT_MAX};
use crate::logs::Logs;
use crate::mark::{self, MarkError};
use crate::metrics::Metrics;
use crate::quota::{Quota, Rate};
use crate::record::{Entry, JournalId, Record};
use crate::request;
use crate::round::Found;
use crate::stop::Stop;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tokio::sync::{Notify, oneshot, watch};
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

/// What a witness is made of.
pub struct Setup {
    /// The directory of the journal.
    pub disk: Arc<dyn Disk>,
    /// The directory of the keys, for the "has signed" mark.
    pub marks: Arc<dyn Disk>,
    /// The keys.
    pub keys: Keys,
    /// The logs to cosign.
    pub logs: Logs,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Content of the file of `--confirm-state`.
    pub confirm_state: Option<Vec<u8>>,
    /// `--clock-was-wrong`.
    pub clock_was_wrong: bool,
    /// How often a log may ask whose line in the list does not say so itself [D-50].
    pub rate: Option<Rate>,
}

/// Why a witness does not start. It has signed nothing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No journal, and these keys never signed.
    #[error("there is no journal, and these keys never signed: run `witness init` first")]
    NoJournal,
    /// No journal, or an empty one, but these keys signed.
    #[error(
        "these keys signed from journal {id}, and it is missing or empty here: without it this witness could cosign a \
         fork. Restore exactly that journal if it was never used since; otherwise use new keys (`witness init`), or \
         give one log-signed note per log by --confirm-state FILE"
    )]
    JournalLost {
        /// The journal that the mark names.
        id: String,
    },
    /// The journal is another one than the keys signed from.
    #[error(
        "these keys signed from journal {want}, the journal here is {got}: start with the --dir and --keys that belong \
         together"
    )]
    OtherJournal {
        /// The journal that the mark names.
        want: String,
        /// The journal found.
        got: String,
    },
    /// Something to confirm, and nothing lost.
    #[error("--confirm-state is for a lost journal only; this one is whole and holds {origins} origins: leave it out")]
    NothingLost {
        /// Origins in the journal.
        origins: usize,
    },
    /// The journal.
    #[error("journal: {fault}. Nothing was signed; {advice}", fault = .0, advice = advice(.0))]
    Journal(#[from] JournalError),
    /// The mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// The confirmed state.
    #[error("--confirm-state: {0}")]
    Confirm(#[from] ConfirmError),
    /// A log with this witness's key.
    #[error("--logs names a key of this witness itself as a log's: a witness cannot vouch for itself")]
    OwnLog,
    /// The system has no randomness.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The thread cannot be started.
    #[error("start a thread: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            OpenError::NoJournal => Stop::JournalNone,
            OpenError::JournalLost { .. } => Stop::JournalLost,
            OpenError::OtherJournal { .. } => Stop::JournalOther,
            OpenError::NothingLost { .. } => Stop::JournalWhole,
            OpenError::Journal(error) => error.stop(),
            OpenError::Mark(error) => error.stop(),
            OpenError::Confirm(_) => Stop::Confirm,
            OpenError::OwnLog => Stop::Logs,
            OpenError::Random(_) | OpenError::Thread(_) => Stop::System,
        }
    }
}

/// What a person does about a journal that cannot be used.
fn advice(error: &JournalError) -> &'static str {
    match error {
        JournalError::Disk(_) => "repair the disk or its permissions and start again",
        JournalError::Version { .. } => "nothing here was changed",
        JournalError::NotAJournal | JournalError::Damaged { .. } | JournalError::Record { .. } => {
            "if the disk is sound, move the journal aside and use new keys (`witness init`), or give --confirm-state FILE"
        }
    }
}

/// A running witness. Dropping it ends its thread after the round under way.
pub struct Witness {
    disk: Arc<dyn Disk>,
    heads: Arc<RwLock<Heads>>,
    logs: RwLock<Arc<Logs>>,
    peers: RwLock<Arc<Vec<String>>>,
    asked: Quota<Hash>,
    rate: Option<Rate>,
    checked: AtomicU64,
    in_doubt: Arc<Notify>,
    metrics: Arc<Metrics>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    fatal: watch::Receiver<Option<Arc<Fatal>>>,
}

/// An empty journal for a new witness; what is there already is left as it is. Origins in the journal.
pub fn make_journal(disk: &Arc<dyn Disk>) -> Result<usize, OpenError> {
    let mut heads = Heads::default();
    if Scan::read(Arc::clone(disk), |record, place| heads.apply(&record, place))?.is_none() {
        Journal::create(Arc::clone(disk), new_id()?, None, &[])?;
    }
    Ok(heads.len())
}

fn new_id() -> Result<JournalId, OpenError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(OpenError::Random)?;
    Ok(JournalId::new(id))
}

/// What a witness knows of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its newest checkpoint; `None` when nothing of it was ever cosigned or confirmed.
    pub head: Option<Head>,
    /// A note that is not reconciled with it [D-23].
    pub doubt: Option<Doubt>,
    /// There is evidence against the log [D-22].
    pub frozen: bool,
}

fn note_of(record: Record) -> Option<SignedCheckpoint> {
    match record {
        Record::Cosigned(entry) | Record::Confirmed(entry) | Record::Doubt(entry) => {
            SignedCheckpoint::parse(entry.note.as_bytes()).ok()
        }
        _ => None,
    }
}

impl Witness {
    /// Opens the journal, makes what it holds durable, and starts the thread that signs [D-2].
    pub fn open(setup: Setup) -> Result<Witness, OpenError> {
        let Setup { disk, marks, keys, logs, clock, confirm_state, clock_was_wrong, rate } = setup;
        if logs.shares_key(keys.vkeys()) {
            return Err(OpenError::OwnLog);
        }
        let mark = mark::read(marks.as_ref())?;
        let (mut heads, mut scan) = read_journal(&disk)?;
        if let Some(file) = confirm_state {
            // Only a journal without any checkpoint may be replaced, and only when these keys signed [D-16].
            match (mark, &scan) {
                (None, None) => return Err(OpenError::NoJournal),
                (Some(lost), _) if heads.is_empty() => {
                    let confirmed = confirm::parse(&file, &logs)?;
                    confirmed_journal(&disk, lost, confirmed)?;
                    (heads, scan) = read_journal(&disk)?;
                }
                (_, _) => return Err(OpenError::NothingLost { origins: heads.len() }),
            }
        }
        let scan = match (scan, mark) {
            (None, None) => return Err(OpenError::NoJournal),
            (None, Some(id)) => return Err(OpenError::JournalLost { id: id.hex() }),
            (Some(scan), None) => scan,
            (Some(scan), Some(mark)) if scan.replaces() == Some(mark) => scan,
            (Some(scan), Some(mark)) if scan.id() != mark && !heads.is_empty() => {
                return Err(OpenError::OtherJournal { want: mark.hex(), got: scan.id().hex() });
            }
            // The mark follows the first record: a journal without one is not the journal it names [D-9].
            (Some(_), Some(id)) if heads.is_empty() => return Err(OpenError::JournalLost { id: id.hex() }),
            (Some(scan), Some(_)) => scan,
        };
        if scan.cut() > 0 {
            tracing::warn!(
                "the journal ends in {} bytes of an unfinished write: left out, nothing of it was released",
                scan.cut()
            );
        }
        let marked = mark == Some(scan.id());
        heads.trim(HISTORY_BYTES_MAX);
        let old = heads.places();
        let (mut journal, new) = scan.keep(&old)?;
        heads.moved(&old, &new);
        check_clock(&mut journal, &mut heads, clock.now(), clock_was_wrong)?;

        let metrics = Arc::new(Metrics::new());
        let in_doubt = Arc::new(Notify::new());
        let heads = Arc::new(RwLock::new(heads));
        let keys = Arc::new(keys);
        let (jobs, waiting) = sync_channel::<Job>(IN_FLIGHT_MAX);
        let (stop, fatal) = watch::channel(None);
        let committer = Committer {
            journal,
            heads: Arc::clone(&heads),
            disk: Arc::clone(&disk),
            marks,
            marked,
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
            alarm: None,
            metrics: Arc::clone(&metrics),
            in_doubt: Arc::clone(&in_doubt),
        };
        let run = move || {
            let guard = StopGuard { stop, done: false };
            guard.end(committer.run(&waiting));
        };
        let thread = thread::Builder::new().name("committer".to_owned()).spawn(run).map_err(OpenError::Thread)?;
        Ok(Witness {
            disk,
            heads,
            logs: RwLock::new(Arc::new(logs)),
            peers: RwLock::default(),
            asked: Quota::default(),
            rate,
            checked: AtomicU64::new(0),
            in_doubt,
            metrics,
            keys,
            clock,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            fatal,
        })
    }

    /// Answers one add-checkpoint body; waits for its sync. Not for use inside an async runtime.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        match self.submit(body) {
            Ok(reply) => reply.blocking_recv().unwrap_or_else(|_| NoSignature::Stopped.into()),
            Err(reason) => reason.into(),
        }
    }

    /// As [`Witness::add_checkpoint`], for an async runtime. When the caller goes away, the record may still be kept.
    pub async fn add_checkpoint_async(self: &Arc<Witness>, body: impl AsRef<[u8]> + Send + 'static) -> Answer {
        let witness = Arc::clone(self);
        let stopped = || Answer::from(NoSignature::Stopped);
        match tokio::task::spawn_blocking(move || witness.submit(body.as_ref())).await {
            Ok(Ok(reply)) => reply.await.unwrap_or_else(|_| stopped()),
            Ok(Err(reason)) => reason.into(),
            Err(_) => stopped(),
        }
    }

    /// Returns when a log was refused because a note of it is in doubt, since the last time.
    pub async fn asked_in_doubt(&self) {
        self.in_doubt.notified().await;
    }

    fn submit(&self, body: &[u8]) -> Result<oneshot::Receiver<Answer>, NoSignature> {
        let verified = request::verify(body, self.logs()).map_err(NoSignature::Refused)?;
        // Behind the signature: nobody but the log itself uses up what it may ask [D-50].
        if let Some(rate) = verified.logs.rate(verified.request.checkpoint.origin()).or(self.rate) {
            self.asked.take(verified.origin, rate, Instant::now()).map_err(NoSignature::Often)?;
        }
        let (reply, receiver) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or(NoSignature::Stopped)?;
        match jobs.try_send(Job::Ask { verified, reply }) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(NoSignature::Busy),
            Err(TrySendError::Disconnected(_)) => Err(NoSignature::Stopped),
        }
    }

    /// Keeps a finding; returns when it is durable, or was nothing new. Not for use inside an async runtime.
    pub fn tell(&self, found: Found) {
        let (done, waiting) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A witness that has stopped keeps nothing more; whoever found it finds it again at the next start.
        if jobs.is_some_and(|jobs| jobs.send(Job::Tell { found, done }).is_ok()) {
            let _ = waiting.blocking_recv();
        }
    }

    /// What is known of an origin: its newest checkpoint, a doubt, evidence.
    pub fn standing(&self, origin: &Hash) -> Standing {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        let head = heads.get(origin).copied();
        let doubt = heads.doubt(origin).copied();
        Standing { head, doubt, frozen: heads.frozen(origin).is_some() }
    }

    /// The note of this size, as far back as the journal keeps them [D-21].
    pub fn noted(&self, origin: &Hash, size: TreeSize) -> Option<SignedCheckpoint> {
        self.read(|heads| heads.noted(origin, size).map(|noted| noted.place)).and_then(note_of)
    }

    /// The note in doubt [D-23].
    pub fn doubted(&self, origin: &Hash) -> Option<SignedCheckpoint> {
        self.read(|heads| heads.doubt(origin).map(|doubt| doubt.noted.place)).and_then(note_of)
    }

    /// The origins that are frozen, ascending by hash [D-22].
    pub fn frozen(&self) -> Vec<Hash> {
        let mut origins: Vec<Hash> = self.heads.read().unwrap_or_else(PoisonError::into_inner).all_frozen().collect();
        origins.sort_unstable();
        origins
    }

    /// The evidence file against the origin with this hash [D-22].
    pub fn evidence(&self, origin: &Hash) -> Answer {
        match self.read(|heads| heads.frozen(origin)) {
            Some(Record::Frozen { evidence, .. }) => Answer::file(evidence),
            _ => NoSignature::NoEvidence.into(),
        }
    }

    /// The newest cosigned note and the one in doubt, one after the other [D-23].
    pub fn unreconciled(&self, origin: &Hash) -> Answer {
        let cosigned = self.read(|heads| heads.get(origin).map(|head| head.place)).and_then(note_of);
        match (cosigned, self.doubted(origin)) {
            (Some(cosigned), Some(doubted)) => Answer::ok(format!("{}\n{}", cosigned.print(), doubted.print())),
            _ => NoSignature::NoDoubt.into(),
        }
    }

    /// Reads a record, of which the lock is held while its place is looked up and read: a compaction moves both together.
    fn read(&self, place: impl FnOnce(&Heads) -> Option<Place>) -> Option<Record> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        let read = journal::read(self.disk.as_ref(), place(&heads)?);
        read.inspect_err(|error| tracing::error!("journal: {error}")).ok()
    }

    /// The newest cosigned checkpoint of the origin with this hash, with the log's lines and this witness's own [W-10].
    pub fn checkpoint(&self, origin: &Hash) -> Answer {
        if self.fatal.borrow().is_some() {
            return NoSignature::Stopped.into();
        }
        // The lock is held while reading: a compaction moves records and their places together.
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        let Some(head) = heads.get(origin) else { return NoSignature::Never.into() };
        match journal::read(self.disk.as_ref(), head.place) {
            Ok(Record::Cosigned(entry)) if entry.origin == *origin => Answer::ok(entry.note + &entry.cosignatures),
            Ok(_) => NoSignature::Never.into(),
            Err(error) => {
                tracing::error!("journal: {error}");
                NoSignature::Stopped.into()
            }
        }
    }

    /// Nothing when the witness can sign now, otherwise why not.
    pub fn health(&self) -> Result<(), ClockError> {
        let last = self.heads.read().unwrap_or_else(PoisonError::into_inner).last_signed();
        clock::check(self.clock.now(), last)
    }

    /// Replaces the list of logs; what was cosigned of logs that are no longer named stays.
    pub fn set_logs(&self, logs: Logs) -> Result<(), OpenError> {
        if logs.shares_key(self.keys.vkeys()) {
            return Err(OpenError::OwnLog);
        }
        *self.logs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(logs);
        Ok(())
    }

    /// The logs cosigned now.
    pub fn logs(&self) -> Arc<Logs> {
        Arc::clone(&self.logs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The monitoring prefixes of other witnesses that the cross-check compares with.
    pub fn peers(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.peers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces them.
    pub fn set_peers(&self, peers: Vec<String>) {
        *self.peers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(peers);
    }

    /// When the last round of the cross-check ended, seconds since 1970; 0: none did.
    pub fn checked(&self) -> &AtomicU64 {
        &self.checked
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What its clock says.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The latest time of any cosignature, as far as it counts.
    pub fn last_signed(&self) -> u64 {
        self.heads.read().unwrap_or_else(PoisonError::into_inner).last_signed()
    }

    /// The witness's keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Origins in the journal.
    pub fn origins(&self) -> usize {
        self.heads.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns when a write, a sync or a signature failed: the process must end. Never returns otherwise.
    pub async fn stopped(&self) -> Arc<Fatal> {
        let mut fatal = self.fatal.clone();
        loop {
            if let Some(fatal) = fatal.borrow_and_update().as_ref() {
                return Arc::clone(fatal);
            }
            if fatal.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What stopped the witness, when something did.
    pub fn fatal(&self) -> Option<Arc<Fatal>> {
        self.fatal.borrow().clone()
    }

    /// Takes no more requests, finishes those that wait, and returns when the journal is closed.
    pub fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic was already reported by the guard.
            let _ = thread.join();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.close();
    }
}

/// Reports why the thread ended, also when it panicked.
struct StopGuard {
    stop: watch::Sender<Option<Arc<Fatal>>>,
    done: bool,
}

impl StopGuard {
    fn end(mut self, result: Result<(), Fatal>) {
        self.done = true;
        if let Err(fatal) = result {
            tracing::error!("{fatal}");
            self.stop.send_replace(Some(Arc::new(fatal)));
        }
    }
}

impl Drop for StopGuard {
    fn drop(&mut self) {
        if !self.done {
            self.stop.send_replace(Some(Arc::new(Fatal::Panic)));
        }
    }
}

fn read_journal(disk: &Arc<dyn Disk>) -> Result<(Heads, Option<Scan>), OpenError> {
    let mut heads = Heads::default();
    let scan = Scan::read(Arc::clone(disk), |record, place| heads.apply(&record, place))?;
    Ok((heads, scan))
}

/// A journal that stands for a lost one; it names the lost one, so that a stop before the first signature is no trap.
fn confirmed_journal(
    disk: &Arc<dyn Disk>,
    lost: JournalId,
    confirmed: Vec<confirm::Confirmed>,
) -> Result<(), OpenError> {
    let record = |(counter, confirmed): (u64, confirm::Confirmed)| {
        let confirm::Confirmed { origin, note } = confirmed;
        Record::Confirmed(Entry { counter, origin, time: 0, note, cosignatures: String::new() })
    };
    let records: Vec<Record> = (1..).zip(confirmed).map(record).collect();
    tracing::warn!("the lost journal {} is replaced by {} confirmed checkpoints", lost.hex(), records.len());
    Ok(Journal::create(Arc::clone(disk), new_id()?, Some(lost), &records)?)
}

/// Says when the clock is behind, and accepts it when a person said so [D-12] [D-13].
fn check_clock(journal: &mut Journal, heads: &mut Heads, now: u64, accept: bool) -> Result<(), JournalError> {
    match (clock::check(now, heads.last_signed()), accept) {
        (Err(ClockError::Behind { .. }), true) => {
            let record = Record::Clock { counter: journal.next_counter(), time: now };
            let places = journal.append(std::slice::from_ref(&record))?;
            let last = heads.last_signed();
            places.into_iter().for_each(|place| heads.accept_clock(now, place));
            tracing::warn!("the clock is accepted at {now}: signed times up to {last} no longer count");
        }
        (Err(error), _) => {
            tracing::error!(
                "ALARM: {error}; nothing is signed. Set the clock right; if the last signed time is the wrong one, \
                 start once with --clock-was-wrong"
            );
        }
        (Ok(()), true) => tracing::warn!("--clock-was-wrong is not needed: leave it out from now on"),
        (Ok(()), false) => {}
    }
    Ok(())
}
