//! A round of a watch: the checkpoint, the entries behind it, their alerts, and only then the position (docs/watch.md).
//!
//! Nothing that the log serves is told before it is part of a tree that the policy accepts and that grew from the remembered
//! one. Reads through `Source`, so that a log in memory can stand in. Not here: the command line, and when a round is made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::{Frontier, TreeSize};
use vitrine_spec::verdict::Pins;
use vitrine_spec::watched::Watched;

use super::alert::Alert;
use super::book::{Book, Mine};
use super::sinks::Sinks;
use super::state::State;
use crate::audit::copy::bundles_of;
use crate::audit::fork;
use crate::audit::head::{Head, contradiction};
use crate::audit::report::Finding;
use crate::audit::source::{Source, read_one};
use crate::audit::walk::fetch_bundles;
use crate::exit::{Exit, Failure};
use crate::limits::{ALERTS_SHOWN_MAX, CHECKPOINT_BYTES_MAX, OLDER_ATTEMPTS, PAUSE_MIN};

/// Bundles that are read at once: 8 × 16 MiB at the very most.
const CHUNK: usize = 8;

/// How a folder is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Everything from entry 0 on is told.
    All,
    /// What the log holds at the first round is read and not told.
    New,
}

/// What one round did.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Entries that were read before it.
    pub from: u64,
    /// Entries that are read now.
    pub to: u64,
    /// Alerts delivered, by code.
    pub delivered: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub alerts: Vec<Alert>,
    /// Alerts about what was there before the watch, which were not asked for.
    pub skipped: u64,
    /// Who vouches for the tree.
    pub witnessed: String,
}

impl Round {
    /// How many alerts were delivered.
    pub fn count(&self) -> u64 {
        self.delivered.values().sum()
    }

    fn add(&mut self, alert: Alert) {
        *self.delivered.entry(alert.code).or_default() += 1;
        if self.alerts.len() < ALERTS_SHOWN_MAX {
            self.alerts.push(alert);
        }
    }
}

/// What a watch rests on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Its folder.
    pub state: &'a State,
    /// What is pinned.
    pub pins: &'a Pins,
    /// The log's name.
    pub origin: &'a Origin,
    /// Where alerts go.
    pub sinks: &'a Sinks,
}

/// A watch under way.
pub struct Watch<'a> {
    ground: Ground<'a>,
    book: Book<'a>,
    /// The newest verified checkpoint; the copy holds all that it covers.
    head: Option<Head>,
    /// The tree of it.
    tail: Frontier,
    /// Up to where everything was told.
    position: Watched,
    /// Alerts of entries that the book has read, and that were not delivered yet.
    pending: Vec<Alert>,
    told: BTreeSet<String>,
    /// The first round of `Start::New` is not behind us.
    quiet: bool,
    /// A checkpoint that the log must go on from, although this folder never saw it.
    seen: Option<Head>,
}

impl<'a> Watch<'a> {
    /// Opens the folder, or begins it; every entry that it holds is hashed again.
    ///
    /// # Errors
    /// There is no state and no `start`; there is one and a `start`; a part of it is lost or damaged.
    pub fn open(ground: Ground<'a>, start: Option<Start>, seen: Option<Head>) -> Result<Watch<'a>, Failure> {
        let Ground { state, pins, origin, .. } = ground;
        let remembered = state.copy.remembered()?;
        let position = match (state.watched()?, &remembered) {
            (None, None) => {
                if start.is_none() {
                    return Err(state.missing());
                }
                let nothing = Watched::nothing(origin.clone());
                state.put_watched(&nothing)?;
                nothing
            }
            (None, Some(_)) => return Err(state.lost("a checkpoint", "watched: up to where everything was told")),
            (Some(watched), None) if watched.size.get() > 0 => {
                return Err(state.lost("watched", "the checkpoint that it was read up to"));
            }
            (Some(watched), _) => watched,
        };
        if start.is_some() && position.size.get() > 0 {
            return Err(state.begun(position.size));
        }
        if position.origin != *origin {
            return Err(Failure::usage("watch.origin", "this state is of another log")
                .side("state", &position.origin)
                .side("trust file", origin)
                .now("give each log a --state of its own"));
        }
        let head = match remembered {
            None => None,
            Some(bytes) => Some(Head::read(bytes, pins, None).map_err(|failure| Failure {
                exit: Exit::Usage,
                what: "the remembered checkpoint of --state cannot be used".into(),
                now: Some("this state was kept under another trust folder, or is damaged; keep it, and begin a new one with --start".into()),
                ..failure
            })?),
        };
        let mut watch = Watch {
            ground,
            book: Book::new(&state.copy, origin),
            head,
            tail: Frontier::new(),
            position,
            pending: Vec::new(),
            told: state.told(),
            quiet: start == Some(Start::New),
            seen,
        };
        watch.check_copy()?;
        Ok(watch)
    }

    /// The copy, hashed from entry 0, against the remembered checkpoint and the position.
    fn check_copy(&mut self) -> Result<(), Failure> {
        let state = self.ground.state;
        let Some(head) = &self.head else { return Ok(()) };
        let size = head.signed.size();
        if self.position.size > size {
            let why = format!("{} entries were told, the checkpoint covers {size}", self.position.size);
            return Err(state.damaged("watched", &why));
        }
        let mut at_position = (self.position.size.get() == 0).then(|| self.tail.root());
        for id in bundles_of(size) {
            let entries = entries_of(state, id)?;
            for entry in &entries {
                self.tail.push(leaf_hash(entry));
                if self.tail.size() == self.position.size {
                    at_position = Some(self.tail.root());
                }
            }
        }
        if self.tail.root() != *head.signed.root() {
            let why =
                format!("its entries have the root {}, the checkpoint says {}", self.tail.root(), head.signed.root());
            return Err(state.damaged("tile", &why));
        }
        if at_position != Some(self.position.root) {
            return Err(state.damaged("watched", "its root is not that of the entries"));
        }
        self.book.grow(size);
        Ok(())
    }

    /// One round; `read` is told how many entries were read, and of how many.
    ///
    /// # Errors
    /// Exit 3: the log misbehaved; both sides are kept, and the sinks were told. Exit 4 and 5: nothing is lost, the next round
    /// goes on. Exit 1: something that this version cannot judge.
    pub fn round(
        &mut self,
        source: &impl Source,
        mine: &Mine,
        now: u64,
        read: &dyn Fn(u64, u64),
    ) -> Result<Round, Failure> {
        let mut round = Round { from: self.position.size.get(), ..Round::default() };
        // What an earlier round, or run, has verified and not told.
        self.catch_up(mine, &mut round)?;
        let head = self.current(source, now)?;
        round.witnessed = witnessed(&head, self.ground.pins);
        let known = self.head.as_ref().map_or(TreeSize::ZERO, |head| head.signed.size());
        if head.signed.size() > known {
            self.fetch(source, head, read)?;
        }
        self.catch_up(mine, &mut round)?;
        self.quiet = false;
        self.tell_silences(now, &mut round)?;
        round.to = self.position.size.get();
        Ok(round)
    }

    /// The log's checkpoint, once it is shown to go on from the remembered one.
    fn current(&self, source: &impl Source, now: u64) -> Result<Head, Failure> {
        let mut attempt = 0;
        loop {
            let bytes = read_one(source, "checkpoint".into(), CHECKPOINT_BYTES_MAX)?
                .ok_or_else(|| Failure::new(Exit::Unreachable, "log.checkpoint", "the log shows no checkpoint"))?;
            let head = Head::read(bytes, self.ground.pins, Some(now))?;
            if let Some(short) = &head.witnessed.short {
                // What the log signed convicts it without anybody beside it; that it cannot be compared now does not.
                for remembered in [&self.head, &self.seen].into_iter().flatten() {
                    if let Ok(Some(finding)) = contradiction(source, remembered, &head)
                        && finding.code == "log.fork"
                    {
                        return Err(self.contradicted(source, remembered, &head, &finding)?);
                    }
                }
                return Err(Failure::new(
                    Exit::NotYet,
                    "quorum",
                    "too few witnesses have signed the log's checkpoint so far",
                )
                .side("log", self.ground.origin)
                .side("reason", &short.reason)
                .now("run it again later; nothing was missed: the watch goes on where it is"));
            }
            let before = [&self.head, &self.seen].into_iter().flatten();
            let mut found = None;
            for remembered in before {
                found = contradiction(source, remembered, &head)?.map(|finding| (remembered, finding));
                if found.is_some() {
                    break;
                }
            }
            match found {
                None => return Ok(head),
                // A cache on the way may be some seconds behind.
                Some((_, finding)) if finding.code == "log.older" && attempt < OLDER_ATTEMPTS => {
                    self.ground.sinks.pause(PAUSE_MIN * (1 << attempt));
                    attempt += 1;
                }
                Some((remembered, finding)) => return Err(self.contradicted(source, remembered, &head, &finding)?),
            }
        }
    }

    /// Keeps both checkpoints, says what is missing now, and tells the sinks.
    fn contradicted(
        &self,
        source: &impl Source,
        remembered: &Head,
        head: &Head,
        finding: &Finding,
    ) -> Result<Failure, Failure> {
        let Ground { state, origin, .. } = self.ground;
        let mut kept = Vec::new();
        for (what, note) in [("remembered", remembered), ("received", head)] {
            let path = state.copy.keep_evidence(&note.name(what), &note.bytes)?;
            kept.push(path.display().to_string());
        }
        let (before, after) = (remembered.signed.size(), head.signed.size());
        let missing = match fork::name_missing(source, &state.copy, origin, before, after) {
            Ok(section) => section.findings.iter().map(|finding| finding.text.clone()).take(16).collect(),
            // The notes alone are proof.
            Err(_) => Vec::new(),
        };
        let code = if finding.code == "log.older" { "log.older" } else { "log.fork" };
        let mut failure = Failure::new(Exit::Misbehaved, code, format!("the log contradicts itself: {}", finding.text))
            .side("log", origin);
        for missing in &missing {
            failure = failure.side("missing", missing);
        }
        for kept in &kept {
            failure = failure.side("kept", kept);
        }
        let alert = Alert::new(origin.as_str(), code, &format!("{after} {}", head.signed.root()), failure.what.clone())
            .with("remembered", json!({"size": before.get(), "root": remembered.signed.root().to_string()}))
            .with("received", json!({"size": after.get(), "root": head.signed.root().to_string()}))
            .with("missing", missing)
            .with("evidence", kept);
        Ok(self.accuse(&alert, failure))
    }

    /// Tells the sinks what the failure says; whether they took it is said beside it.
    fn accuse(&self, alert: &Alert, failure: Failure) -> Failure {
        let failure = match self.ground.sinks.deliver(alert) {
            Ok(()) => failure,
            Err(undelivered) => failure.side("alert", format!("not delivered: {undelivered}")),
        };
        if failure.now.is_some() {
            return failure;
        }
        failure.now(
            "tell the supervisor and the witnesses, and hand them both files of evidence; this watch does not go on",
        )
    }

    /// Brings the entries behind a checkpoint into the copy, hashed into its tree; then remembers it.
    fn fetch(&mut self, source: &impl Source, head: Head, read: &dyn Fn(u64, u64)) -> Result<(), Failure> {
        let Ground { state, .. } = self.ground;
        let (old, size) = (self.tail.size().get(), head.signed.size());
        let first = usize::try_from(old / 256).unwrap_or(usize::MAX);
        let mut tail = self.tail.clone();
        let mut ids = bundles_of(size).skip(first);
        loop {
            let chunk: Vec<BundleId> = ids.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            for (id, bytes) in chunk.iter().zip(fetch_bundles(source, size, &chunk)?) {
                let Ok(entries) = decode_bundle(&bytes, id.width()) else {
                    return Err(self.not_its_entries(&head, &bytes, &format!("{} does not parse", id.path()))?);
                };
                let own = old.checked_sub(id.start().get()).filter(|own| *own > 0);
                if let Some(own) = own.and_then(|own| usize::try_from(own).ok())
                    && let Some(before) = BundleId::at(id.index(), TreeSize::new(old))
                    && entries.get(..own) != Some(entries_of(state, before)?.as_slice())
                {
                    return Err(self.not_its_entries(
                        &head,
                        &bytes,
                        &format!("{} begins otherwise than before", id.path()),
                    )?);
                }
                entries
                    .iter()
                    .skip(usize::try_from(own.unwrap_or(0)).unwrap_or(0))
                    .for_each(|entry| tail.push(leaf_hash(entry)));
                state.copy.put(&id.path(), &bytes)?;
                read(tail.size().get().saturating_sub(old), size.get().saturating_sub(old));
            }
        }
        if tail.root() != *head.signed.root() {
            for id in bundles_of(size).skip(first) {
                if Some(id) != BundleId::at(id.index(), TreeSize::new(old)) {
                    state.copy.set_aside(&id.path())?;
                }
            }
            let why = format!(
                "they have the root {}, the checkpoint of {size} entries says {}",
                tail.root(),
                head.signed.root()
            );
            return Err(self.not_its_entries(&head, &head.bytes, &why)?);
        }
        state.copy.remember(&head.bytes)?;
        if let Some(last) = BundleId::at(old / 256, size) {
            state.copy.prune(last)?;
        }
        self.tail = tail;
        self.head = Some(head);
        self.seen = None;
        self.book.grow(size);
        Ok(())
    }

    /// The entries that the log serves are not those of its checkpoint.
    fn not_its_entries(&self, head: &Head, bytes: &[u8], why: &str) -> Result<Failure, Failure> {
        let Ground { state, origin, .. } = self.ground;
        let received = state.copy.keep_evidence(&head.name("received"), &head.bytes)?;
        let bundle = state.copy.keep_evidence("bundle", bytes)?;
        let failure = Failure::new(
            Exit::Misbehaved,
            "log.root",
            "the entries that the log serves are not those that its checkpoint covers",
        )
        .side("log", origin)
        .side("found", why)
        .side("kept", received.display())
        .side("kept", bundle.display());
        let key = format!("{} {}", head.signed.size(), head.signed.root());
        let alert = Alert::new(origin.as_str(), "log.root", &key, failure.to_string());
        Ok(self.accuse(&alert, failure))
    }

    /// Reads what the copy holds and the book has not, tells it, and moves the position behind it.
    fn catch_up(&mut self, mine: &Mine, round: &mut Round) -> Result<(), Failure> {
        let Ground { state, pins, .. } = self.ground;
        self.flush(round)?;
        let Some(size) = self.head.as_ref().map(|head| head.signed.size()) else { return Ok(()) };
        while self.book.size() < size {
            let at = self.book.size().get();
            let Some(id) = BundleId::at(at / 256, size) else { break };
            let entries = entries_of(state, id)?;
            let start = id.start().get();
            let told = self.position.size.get();
            // What was told before ends at the position, which may lie within a bundle.
            let end = if told > at { told.min(start + entries.len() as u64) } else { start + entries.len() as u64 };
            let part = |index: u64| usize::try_from(index.saturating_sub(start)).unwrap_or(usize::MAX);
            let some = entries.get(part(at)..part(end)).unwrap_or_default();
            let alerts = match self.book.take(some, mine, &pins.trust().charter) {
                Ok(alerts) => alerts,
                Err(failure) if failure.exit == Exit::Misbehaved => return Err(self.broken(failure)?),
                Err(failure) => return Err(failure),
            };
            if end <= told {
                if end == told && self.book.watched() != self.position {
                    return Err(state.damaged("watched", "it is not what the entries up to there give"));
                }
                continue;
            }
            let last = self.book.size() == size;
            if self.quiet {
                round.skipped += alerts.len() as u64;
            } else {
                self.pending = alerts;
            }
            let any = !self.pending.is_empty();
            self.flush(round)?;
            self.position = self.book.watched();
            if any || last {
                state.put_watched(&self.position)?;
            }
        }
        Ok(())
    }

    /// An entry that admission refuses: kept, told, and the end.
    fn broken(&self, mut failure: Failure) -> Result<Failure, Failure> {
        let Ground { state, origin, .. } = self.ground;
        let mut kept = Vec::new();
        if let Some(stop) = self.book.stop() {
            kept.push(state.copy.keep_evidence(&format!("entry-{}", stop.index), &stop.entry)?);
        }
        if let Some(head) = &self.head {
            kept.push(state.copy.keep_evidence(&head.name("received"), &head.bytes)?);
        }
        for kept in kept {
            failure = failure.side("kept", kept.display());
        }
        let key = self.book.stop().map_or_else(String::new, |stop| stop.index.to_string());
        let alert = Alert::new(origin.as_str(), "log.admission", &key, failure.to_string());
        Ok(self.accuse(&alert, failure))
    }

    /// Delivers what is pending, in order; what was not delivered stays.
    fn flush(&mut self, round: &mut Round) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        while let Some(alert) = self.pending.first() {
            self.ground.sinks.deliver(alert)?;
            round.add(self.pending.remove(0));
        }
        // Everything that the book has read was told: also where an earlier round ended before it could say so.
        self.position = self.book.watched();
        self.ground.state.put_watched(&self.position)
    }

    /// Issuers that are silent now, each once.
    fn tell_silences(&mut self, now: u64, round: &mut Round) -> Result<(), Failure> {
        let silent = self.book.silent(now);
        let open: BTreeSet<String> = silent.iter().map(|(key, _)| key.clone()).collect();
        let before = self.told.len();
        self.told.retain(|key| open.contains(key));
        let mut changed = self.told.len() != before;
        for (key, alert) in silent {
            if self.told.contains(&key) {
                continue;
            }
            if let Err(failure) = self.ground.sinks.deliver(&alert) {
                if changed {
                    self.ground.state.put_told(&self.told)?;
                }
                return Err(failure);
            }
            round.add(alert);
            self.told.insert(key);
            changed = true;
        }
        if changed { self.ground.state.put_told(&self.told) } else { Ok(()) }
    }

    /// Entries of types that are not known here, in all that was read.
    pub fn unknown(&self) -> u64 {
        self.book.unknown()
    }

    /// Size and root up to which everything was told.
    pub fn position(&self) -> (TreeSize, Hash) {
        (self.position.size, self.position.root)
    }
}

/// The entries of a bundle of the copy, which was verified.
fn entries_of(state: &State, id: BundleId) -> Result<Vec<Vec<u8>>, Failure> {
    let path = id.path();
    let bytes = state.copy.bundle(id)?.ok_or_else(|| state.damaged(&path, "it is missing"))?;
    decode_bundle(&bytes, id.width()).map_err(|error| state.damaged(&path, &error.to_string()))
}

fn witnessed(head: &Head, pins: &Pins) -> String {
    match (head.witnessed.time, pins.unwitnessed()) {
        (Some(time), false) => {
            let names: Vec<String> = head.witnessed.cosigners.iter().map(ToString::to_string).collect();
            format!("cosigned by {}, complete at {}", names.join(" "), crate::clock::show(time))
        }
        (None, _) | (_, true) => "unwitnessed: the policy says `quorum none`".to_owned(),
    }
}
