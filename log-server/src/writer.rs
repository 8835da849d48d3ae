//! The writer: the one thread that owns the log, and the only place where a batch begins or is published (85-log.md).
//!
//! One loop over one mailbox. A batch begins when the head is published, the pool is not empty and the last batch began
//! long enough ago; it is published when the policy's quorum of cosignatures is there. Late cosignatures are merged until
//! the next batch begins. Not here: the order of writes (`log`), asking (`witnesses`), judging (`admission`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use vitrine_spec::hash::Hash;
use vitrine_spec::note::Signature;
use vitrine_spec::policy::{LineName, Policy};
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::LeafIndex;

use crate::admission::{Admission, Admitted};
use crate::attachments::{Attachments, AttachmentsError, Named};
use crate::batch::Item;
use crate::config::{LEAVE_WAIT, SIGN_ANEW_EVERY, SWEEP_EVERY, WATCH_EVERY, WITNESS_WAIT};
use crate::erase::Erased;
use crate::guard::{Cosigned, mark, old_directory};
use crate::index::Index;
use crate::indexer::{Indexer, Job};
use crate::limits::{CLOCK_BEHIND_MAX_SECONDS, COSIGNATURES_MAX};
use crate::log::{Fatal, Log};
use crate::metrics::{Metrics, Outcome, Stage};
use crate::stop::Stop;
use crate::time::Time;
use crate::view::{Step, View};
use crate::witnesses::{Asking, Report, Standing, Witnesses};

/// What the writer is told.
#[derive(Debug)]
pub enum Wake {
    /// The pool is no longer empty.
    Pool,
    /// A campaign learned something.
    Report(Report),
    /// Something that writes beside the writer failed.
    Fatal(Fatal),
    /// The index failed beside the writer.
    IndexFailed(String),
    /// SIGTERM: publish what was admitted, then end.
    Leave,
}

/// Why the writer ended before it was told to: the process ends with exit code 4.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// A write, a sync or a signature failed.
    #[error(transparent)]
    Log(#[from] Fatal),
    /// The index failed. It is derived: the next start rebuilds it.
    #[error("the index failed: {0}; start the server again, it rebuilds the index if it must")]
    Index(String),
    /// A fault of this program.
    #[error("{0}: this is a fault of the program")]
    Program(&'static str),
}

impl Ended {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            Ended::Log(error) => error.stop(),
            Ended::Index(_) => Stop::Index,
            Ended::Program(_) => Stop::Program,
        }
    }
}

/// What the writer is made of.
pub struct Parts {
    /// The opened log.
    pub log: Log,
    /// Its index, which covers the head.
    pub index: Arc<Index>,
    /// Where batches come from.
    pub admission: Arc<Admission>,
    /// What readers see.
    pub view: Arc<View>,
    /// Attachments, which wait for an event that names them.
    pub attachments: Arc<Attachments>,
    /// Whom to ask.
    pub witnesses: Arc<Witnesses>,
    /// Whose cosignatures make a quorum.
    pub policy: Policy,
    /// The state at the head's size.
    pub state: State,
    /// The guard's cosignatures of the head.
    pub cosigned: Cosigned,
    /// Entries whose sealed records the head erases, as soon as it is published.
    pub erases: Vec<LeafIndex>,
    /// Shortest time between the starts of two batches.
    pub batch_every: Duration,
    /// Free bytes under which admission stops.
    pub free_bytes_min: u64,
    /// A head is signed at once, because a person accepted the clock.
    pub sign_at_once: bool,
    /// Where it is marked that this directory must not sign.
    pub evidence: PathBuf,
    /// The runtime that campaigns run on.
    pub runtime: tokio::runtime::Handle,
}

/// The head's way to its publication.
struct Current {
    campaign: u64,
    /// By place in the policy: the order of the published lines.
    signatures: BTreeMap<usize, Signature>,
    /// Signatures came that the published checkpoint does not have.
    changed: bool,
    published: bool,
    /// What the published state lacks of this head.
    effects: Arc<Vec<Effects>>,
    /// Entries whose sealed records this head erases, once it is published.
    erases: Vec<LeafIndex>,
    /// Attachments that its events name.
    names: Vec<Hash>,
    begun: Instant,
}

/// The thread that owns the log.
pub struct Writer {
    parts: Parts,
    mailbox: Receiver<Wake>,
    report: Arc<dyn Fn(Report) + Send + Sync>,
    current: Current,
    /// The state at the head's size, until the first publication of this run takes it.
    first: Option<State>,
    indexer: Indexer,
    /// Entries whose sealed records are to be erased: the erasure is published.
    due: BTreeSet<LeafIndex>,
    /// Claims that are being settled.
    holds: usize,
    stopped: bool,
    leaving: Option<Instant>,
    last_begin: Option<Instant>,
    last_signed: Option<Instant>,
    watched: Option<Instant>,
    swept: Option<Instant>,
    clock_behind: bool,
}

impl Writer {
    /// A writer whose head is not published yet in this run. `sender` posts to `mailbox`.
    pub fn new(parts: Parts, mailbox: Receiver<Wake>, sender: Sender<Wake>) -> std::io::Result<Writer> {
        // Nobody reads the mailbox any more only when the process ends.
        let failed = sender.clone();
        let indexer = Indexer::start(
            Arc::clone(&parts.index),
            Arc::clone(&parts.admission),
            Arc::clone(&parts.view),
            parts.state.clone(),
            move |why| drop(failed.send(Wake::IndexFailed(why))),
        )?;
        let report: Arc<dyn Fn(Report) + Send + Sync> = Arc::new(move |report| drop(sender.send(Wake::Report(report))));
        let current = Current {
            campaign: 0,
            signatures: parts.cosigned.signatures.iter().cloned().collect(),
            changed: true,
            published: false,
            effects: Arc::default(),
            erases: parts.erases.clone(),
            names: Vec::new(),
            begun: Instant::now(),
        };
        let last_signed = (!parts.sign_at_once).then(Instant::now);
        Ok(Writer {
            first: Some(parts.state.clone()),
            indexer,
            parts,
            mailbox,
            report,
            current,
            due: BTreeSet::new(),
            holds: 0,
            stopped: false,
            leaving: None,
            last_begin: None,
            last_signed,
            watched: None,
            swept: None,
            clock_behind: false,
        })
    }

    /// Works until it is told to leave, or something failed.
    pub fn run(mut self) -> Result<(), Ended> {
        let done = std::mem::take(&mut self.parts.cosigned.members);
        self.ask(&done)?;
        self.parts.view.set_step(Step::Ready);
        loop {
            self.watch()?;
            self.publish_if_due()?;
            self.begin_if_due()?;
            self.publish_if_due()?; // a policy without witnesses has its quorum at once
            self.erase_if_due()?;
            self.sweep_if_due()?;
            if self.may_leave() {
                return self.close();
            }
            match self.mailbox.recv_timeout(self.patience()) {
                Ok(wake) => self.hear(wake)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Ended::Program("the writer's mailbox is closed")),
            }
            while let Ok(wake) = self.mailbox.try_recv() {
                self.hear(wake)?;
            }
        }
    }

    fn hear(&mut self, wake: Wake) -> Result<(), Ended> {
        match wake {
            Wake::Pool => {}
            Wake::Fatal(fatal) => return Err(fatal.into()),
            Wake::IndexFailed(why) => return Err(Ended::Index(why)),
            Wake::Leave => {
                self.leaving.get_or_insert_with(Instant::now);
                self.parts.admission.leave();
            }
            Wake::Report(Report::Cosigned { campaign, signatures }) if campaign == self.current.campaign => {
                self.current.signatures.extend(signatures);
                self.current.changed = true;
            }
            Wake::Report(Report::Cosigned { .. }) => {} // of an older head
            Wake::Report(Report::Hold) => self.holds += 1,
            Wake::Report(Report::Release) => self.holds = self.holds.saturating_sub(1),
            Wake::Report(Report::Stop(why)) => {
                tracing::error!("{}", old_directory(&why));
                if let Err(error) = mark(&self.parts.evidence, &why) {
                    tracing::error!(%error, "this directory could not be marked: do not start it again");
                }
                self.parts.view.set_step(Step::Stopped(old_directory(&why)));
                self.stopped = true;
            }
        }
        Ok(())
    }

    /// How long the mailbox may be silent before there is something to do.
    fn patience(&self) -> Duration {
        if !self.due.is_empty() {
            return Duration::ZERO;
        }
        let waits_for_turn =
            self.current.published && !self.parts.admission.is_empty() && !self.stopped && self.holds == 0;
        match self.last_begin {
            Some(begun) if waits_for_turn => self.parts.batch_every.saturating_sub(begun.elapsed()).min(WATCH_EVERY),
            _ => WATCH_EVERY,
        }
    }

    /// Free space, clock, a quorum that is missing: once a second.
    fn watch(&mut self) -> Result<(), Ended> {
        if self.watched.is_some_and(|watched| watched.elapsed() < WATCH_EVERY) {
            return Ok(());
        }
        self.watched = Some(Instant::now());
        let view = &self.parts.view;
        if let Some(free) = self.parts.log.store.free_bytes().map_err(Fatal::from)? {
            view.metrics.free_bytes.set(free);
            let least = self.parts.free_bytes_min;
            view.set_disk((free < least).then_some((free, least)));
        }
        let (now, last) = (Time::now(), self.parts.log.last_signed());
        self.clock_behind = last.since(now) > CLOCK_BEHIND_MAX_SECONDS;
        view.set_clock(self.clock_behind.then_some((now, last)));
        let waits = !self.current.published && self.current.begun.elapsed() > WITNESS_WAIT;
        view.set_quorum(waits.then(|| self.missing()));
        Ok(())
    }

    /// Who did not cosign the head, and why.
    fn missing(&self) -> String {
        let mut words = vec![format!("the head of size {} waits for its quorum", self.parts.log.size())];
        for member in &self.parts.witnesses.members {
            if !member.lines.iter().any(|line| self.current.signatures.contains_key(line)) {
                let standing = match member.standing() {
                    Standing::Cosigned(size) => format!("cosigned size {size} last"),
                    other => other.to_string(),
                };
                words.push(format!("{}: {standing}", member.name));
            }
        }
        words.join("; ")
    }

    fn quorum_holds(&self) -> bool {
        quorum_of(&self.parts.policy, self.current.signatures.keys())
    }

    /// Publishes the head when its quorum holds [S-23], and again when late cosignatures came [S-24].
    fn publish_if_due(&mut self) -> Result<(), Ended> {
        if self.stopped || self.holds > 0 || !self.current.changed || !self.quorum_holds() {
            return Ok(());
        }
        let steps = &self.parts.view.metrics.steps;
        if !self.current.published {
            steps.get_or_create(&Stage { step: "witnesses" }).observe(self.current.begun.elapsed().as_secs_f64());
        }
        let started = Instant::now();
        let signatures = lines(&self.parts.policy, &self.current.signatures);
        let published = self.parts.log.publish(&signatures, Time::now())?;
        steps.get_or_create(&Stage { step: "publish" }).observe(started.elapsed().as_secs_f64());
        self.parts.attachments.named(&std::mem::take(&mut self.current.names)).map_err(Fatal::from)?;
        let (first, effects) = (self.first.take(), std::mem::take(&mut self.current.effects));
        self.parts.view.publish(published, move |state| {
            if let Some(first) = first {
                *state = Some(first);
            }
            if let Some(state) = state {
                effects.iter().for_each(|effects| state.apply(effects));
            }
        });
        self.current.changed = false;
        self.current.published = true;
        self.due.append(&mut std::mem::take(&mut self.current.erases).into_iter().collect());
        self.parts.view.set_quorum(None);
        Ok(())
    }

    /// Forgets what waits of attachments that a published event names, and deletes what nobody names after a day [S-42].
    fn sweep_if_due(&mut self) -> Result<(), Ended> {
        if self.stopped || self.swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            return Ok(());
        }
        self.swept = Some(Instant::now());
        let Parts { admission, index, view, attachments, .. } = &self.parts;
        let published = view.published().size;
        // The pool first: what leaves it is in the index by then. What comes to it was found, and is spared.
        let admitted = admission.named();
        let swept = attachments.sweep(Time::now(), |sha256| {
            let first = index.attachment(sha256).map_err(|error| error.to_string())?;
            Ok(match first {
                Some(first) if first.get() < published.get() => Named::Published,
                Some(_) => Named::Admitted,
                None if admitted.contains(sha256) => Named::Admitted,
                None => Named::Nobody,
            })
        });
        let swept = swept.map_err(|error| match error {
            AttachmentsError::Store(error) => Ended::Log(Fatal::from(error)),
            AttachmentsError::Look { .. } | AttachmentsError::Record { .. } => Ended::Index(error.to_string()),
        })?;
        if swept > 0 {
            tracing::info!("{swept} attachments deleted that no event named within a day");
            let outcome = Outcome { outcome: "swept" };
            view.metrics.attachments.get_or_create(&outcome).inc_by(swept as u64);
        }
        let (waiting, bytes) = attachments.waiting();
        view.metrics.attachments_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        view.metrics.attachments_waiting_bytes.set(bytes);
        Ok(())
    }

    /// Erases what is due in one object of sealed records; the batches that wait come between two [S-31].
    fn erase_if_due(&mut self) -> Result<(), Ended> {
        if !self.due.is_empty() {
            let erased = self.parts.log.erase_next(&mut self.due)?;
            count(&self.parts.view.metrics, &erased);
            tell(&erased);
        }
        self.parts.view.metrics.erasures_due.set(i64::try_from(self.due.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Begins a batch, or signs the same tree anew, when it is time [S-24]; never by a clock that is behind [S-27].
    fn begin_if_due(&mut self) -> Result<(), Ended> {
        if self.stopped || self.holds > 0 || !self.current.published || self.clock_behind {
            return Ok(());
        }
        let pool = !self.parts.admission.is_empty();
        let anew = self.leaving.is_none() && self.last_signed.is_none_or(|signed| signed.elapsed() >= SIGN_ANEW_EVERY);
        let rested = self.last_begin.is_none_or(|begun| begun.elapsed() >= self.parts.batch_every);
        if !((pool && rested) || anew) {
            return Ok(());
        }
        let (mut entries, mut effects, mut items) = (Vec::new(), Vec::new(), Vec::new());
        let (mut erases, mut names) = (Vec::new(), Vec::new());
        for admitted in self.parts.admission.take() {
            let Admitted { index, event, effects: change, item, erases: targets } = admitted;
            names.extend(event.statement.attachments.iter().map(|attachment| attachment.sha256));
            entries.push((index, event));
            effects.push(change);
            items.push(item);
            erases.extend(targets);
        }
        self.begin(&items)?;
        self.current.effects = Arc::new(effects);
        self.current.erases = erases;
        self.current.names = names;
        self.ask(&[])?;
        if entries.is_empty() {
            return Ok(());
        }
        let head = self.parts.log.head();
        let job = Job { entries, effects: Arc::clone(&self.current.effects), size: head.size, root: head.root };
        // Blocks while the index is too far behind: the log may not outrun it for ever [S-28].
        if self.indexer.add(job) {
            return Ok(());
        }
        // It says why before it ends.
        while let Ok(wake) = self.mailbox.try_recv() {
            self.hear(wake)?;
        }
        Err(Ended::Index("its thread panicked, as said above".to_owned()))
    }

    fn begin(&mut self, items: &[Item]) -> Result<(), Ended> {
        let started = Instant::now();
        self.parts.log.begin(items, Time::now())?;
        self.last_signed = Some(started);
        if !items.is_empty() {
            self.last_begin = Some(started);
        }
        let metrics = &self.parts.view.metrics;
        metrics.heads.inc();
        metrics.steps.get_or_create(&Stage { step: "begin" }).observe(started.elapsed().as_secs_f64());
        self.parts.view.set_head(self.parts.log.size());
        Ok(())
    }

    /// Starts the campaign of the head. `done` are members that cosigned it already.
    fn ask(&mut self, done: &[usize]) -> Result<(), Ended> {
        let asking = Asking::of(self.parts.log.head()).ok_or(Ended::Program("our own note does not parse"))?;
        let kept = if done.is_empty() { BTreeMap::new() } else { std::mem::take(&mut self.current.signatures) };
        self.current = Current {
            campaign: self.parts.witnesses.advance(asking.size()),
            signatures: kept,
            changed: true,
            published: false,
            effects: std::mem::take(&mut self.current.effects),
            erases: std::mem::take(&mut self.current.erases),
            names: std::mem::take(&mut self.current.names),
            begun: Instant::now(),
        };
        let _inside = self.parts.runtime.enter();
        self.parts.witnesses.campaign(self.current.campaign, Arc::new(asking), done, &self.report);
        Ok(())
    }

    /// Whether the writer was told to leave and nothing admitted waits any more, or has waited long enough.
    fn may_leave(&self) -> bool {
        self.leaving.is_some_and(|since| {
            let done = self.current.published && self.parts.admission.is_empty() && self.due.is_empty();
            done || self.stopped || since.elapsed() >= LEAVE_WAIT
        })
    }

    fn close(self) -> Result<(), Ended> {
        if !self.current.published {
            tracing::warn!("{}; it is part of the log and is published after the next start", self.missing());
        }
        if !self.due.is_empty() {
            tracing::warn!(
                "{} records are not erased yet; the next start erases them before they can be read",
                self.due.len()
            );
        }
        // What waits for the index comes first, then its flush.
        drop(self.indexer);
        self.parts.index.flush().map_err(|error| Ended::Index(error.to_string()))?;
        self.parts.log.close()?;
        Ok(())
    }
}

/// Erases every record that a published erasure names and that is not zero; `heard` hears how many are left to look at
/// and what was done. The entries whose records are to be erased when the head is published [S-32].
pub fn erase_published(log: &mut Log, index: &Index, heard: impl Fn(usize, &Erased)) -> Result<Vec<LeafIndex>, Ended> {
    let published = log.published().size.get();
    let named = index.erased().map_err(|error| Ended::Index(error.to_string()))?;
    let (due, later): (Vec<_>, Vec<_>) = named.into_iter().partition(|(_, erasure)| erasure.get() < published);
    let mut due: BTreeSet<LeafIndex> = due.into_iter().map(|(target, _)| target).collect();
    while !due.is_empty() {
        let erased = log.erase_next(&mut due)?;
        heard(due.len(), &erased);
        tell(&erased);
    }
    Ok(later.into_iter().map(|(target, _)| target).collect())
}

/// Counts what was erased, and what was not.
pub fn count(metrics: &Metrics, erased: &Erased) {
    metrics.erased_records.inc_by(erased.anew.len() as u64);
    metrics.not_erased_records.inc_by(erased.damaged.as_ref().map_or(0, |damaged| damaged.records.len() as u64));
}

/// Tells the operator what was erased, by index alone.
fn tell(erased: &Erased) {
    let shown = |of: &BTreeSet<LeafIndex>| {
        of.first().zip(of.last()).map(|(first, last)| format!("{} between the entries {first} and {last}", of.len()))
    };
    if let Some(shown) = shown(&erased.anew) {
        tracing::info!("sealed records erased: {shown}");
    }
    if let Some(shown) = shown(&erased.missing) {
        tracing::error!("sealed records missing that were to be erased: {shown}; run `log-server fsck`");
    }
    if let Some(damaged) = &erased.damaged {
        let shown = shown(&damaged.records).unwrap_or_default();
        tracing::error!(
            "sealed records not erased: {shown}: {}, then start the server again, which erases them",
            damaged.reason
        );
    }
}

/// Whether the lines at these places fulfil the policy's quorum.
fn quorum_of<'a>(policy: &Policy, places: impl Iterator<Item = &'a usize>) -> bool {
    let valid: BTreeSet<LineName> =
        places.filter_map(|place| policy.witnesses.get(*place)).map(|line| line.name.clone()).collect();
    policy.satisfied(&valid)
}

/// The cosignatures of a checkpoint in policy order [S-9]: all of them, or, when there are more than it has room for,
/// without the last ones that the quorum can do without.
fn lines(policy: &Policy, signatures: &BTreeMap<usize, Signature>) -> Vec<Signature> {
    let mut kept: BTreeSet<usize> = signatures.keys().copied().collect();
    for place in signatures.keys().rev() {
        if kept.len() <= COSIGNATURES_MAX {
            break;
        }
        kept.remove(place);
        if !quorum_of(policy, kept.iter()) {
            kept.insert(*place);
        }
    }
    kept.iter().filter_map(|place| signatures.get(place)).cloned().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::fsck::fsck;
    use crate::index::tests::World;
    use crate::sealed::Finder;
    use vitrine_spec::key::{KeyKind, Seed};
    use vitrine_spec::sealing::is_erased;

    #[test]
    fn a_checkpoint_with_more_cosignatures_than_room_keeps_a_quorum_in_policy_order() {
        // [S-9]
        let seeds: Vec<Seed> =
            (0..20).map(|at| Seed::new(&format!("w{at}.example"), KeyKind::Cosign, [at; 32]).unwrap()).collect();
        let mut text = String::new();
        for (at, seed) in seeds.iter().enumerate() {
            text.push_str(&format!("witness w{at} {}\n", seed.vkey()));
        }
        text.push_str("group first any w0 w1 w2\ngroup last any w17 w18 w19\ngroup q all first last\nquorum q\n");
        let policy = Policy::parse(&text).unwrap();
        let signatures: BTreeMap<usize, Signature> = seeds
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != 18)
            .map(|(at, seed)| (at, Signature::by(&seed.vkey(), vec![1; 72]).unwrap()))
            .collect();
        let kept: Vec<String> = lines(&policy, &signatures).iter().map(|line| line.name.clone()).collect();
        assert_eq!(kept.len(), COSIGNATURES_MAX);
        assert!(kept.contains(&"w17.example".to_owned()), "the quorum needs one of the last three: {kept:?}");
        assert_eq!(kept[..13], (0..13).map(|at| format!("w{at}.example")).collect::<Vec<_>>());
        let few: BTreeMap<usize, Signature> = signatures.into_iter().take(3).collect();
        assert_eq!(lines(&policy, &few).len(), 3);
        assert!(!quorum_of(&policy, few.keys()));
    }

    #[test]
    fn what_a_published_erasure_names_is_zero_before_anything_can_read_it_and_the_rest_waits() {
        // [S-32]
        let (mut world, at) = World::with_accesses();
        let zeros = |world: &World| -> Vec<u64> {
            let records = world.log.reader().records(LeafIndex::new(0), world.log.size()).map(Result::unwrap);
            records.filter(|(_, record)| is_erased(record)).map(|(index, _)| index).collect()
        };
        assert!(zeros(&world).is_empty());
        let (index, ..) = world.open().unwrap();
        assert_eq!(erase_published(&mut world.log, &index, |_, _| ()).unwrap(), []);
        assert_eq!(zeros(&world), [at.accesses[0], at.accesses[3]]);
        drop(index);

        // A head that nobody has published erases nothing yet, also what it names a second time.
        let (first, second) = (world.submission(at.accesses[0]), world.submission(at.accesses[1]));
        let erasure = world.erasure(&[&first, &second]);
        world.begin(&[erasure]);
        let (index, ..) = world.open().unwrap();
        let later = erase_published(&mut world.log, &index, |_, _| ()).unwrap();
        assert_eq!(later, [at.accesses[0], at.accesses[1]].map(LeafIndex::new));
        assert_eq!(zeros(&world), [at.accesses[0], at.accesses[3]]);
        world.log.publish(&[], Time::now()).unwrap();
        assert_eq!(erase_published(&mut world.log, &index, |_, _| ()).unwrap(), []);
        assert_eq!(zeros(&world), [at.accesses[0], at.accesses[1], at.accesses[3]]);
    }

    #[test]
    fn a_damaged_object_keeps_its_records_and_ends_no_log_and_a_later_start_erases_them() {
        // [S-31] [S-32]
        let (mut world, at) = World::with_accesses();
        let path = Finder::default().find(&*world.store, at.accesses[0]).unwrap().unwrap().path();
        let whole = world.store.read(&path).unwrap().unwrap();
        let torn = &whole[..whole.len() - 1];
        world.store.put(&path, torn).unwrap();
        let zeros = |world: &World, from: u64| -> Vec<u64> {
            let records = world.log.reader().records(LeafIndex::new(from), world.log.size()).map(Result::unwrap);
            records.filter(|(_, record)| is_erased(record)).map(|(index, _)| index).collect()
        };
        let (index, ..) = world.open().unwrap();
        let damaged = std::cell::RefCell::new(Vec::new());
        let heard = |_, erased: &Erased| damaged.borrow_mut().extend(erased.damaged.clone());
        assert_eq!(erase_published(&mut world.log, &index, heard).unwrap(), []);
        let damaged = damaged.into_inner();
        assert_eq!(damaged.len(), 1, "{damaged:?}");
        assert_eq!(damaged[0].records, BTreeSet::from([LeafIndex::new(at.accesses[0])]));
        assert!(damaged[0].reason.starts_with(&format!("{path}: it ends inside")), "{damaged:?}");
        assert_eq!(zeros(&world, at.accesses[3]), [at.accesses[3]], "the other object");
        assert_eq!(world.store.read(&path).unwrap().unwrap(), torn, "what may be copied from is as it was");
        let mut records = world.log.reader().records(LeafIndex::new(0), world.log.size());
        assert!(records.next().unwrap().is_err(), "nothing of it is read");
        let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
        assert!(report.findings.iter().any(|found| found.path == path), "{:?}", report.findings);
        assert_eq!(report.to_erase, 1);
        world.grow(1);
        drop(index);

        world.store.put(&path, &whole).unwrap();
        let (index, ..) = world.open().unwrap();
        assert_eq!(erase_published(&mut world.log, &index, |_, _| ()).unwrap(), []);
        assert_eq!(zeros(&world, 0), [at.accesses[0], at.accesses[3]]);
    }
}
