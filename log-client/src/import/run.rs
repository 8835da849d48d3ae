//! An import: batch after batch is read, sealed, spooled, delivered and remembered, each record once (docs/import.md).
//!
//! What a stop at any point leaves is mended by the next run; the order of writes is in `done`. Not here: the command line.

use std::collections::BTreeSet;
use std::path::Path;

use vitrine_spec::fields::Values;
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::Kind as EventKind;
use vitrine_spec::words::Time;

use super::done::{Done, Mark, Step};
use super::importer::{Imported, Importer, Kind, Place};
use super::natives::Natives;
use crate::batch::Remote;
use crate::deliver::{Clock, Courier, Outcome};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::limits::IMPORT_BATCH;
use crate::sealer::{Sealer, Signed};
use crate::spool::{Parcel, Record, Spool};

/// Everything that an import uses.
pub struct Run<'a, R: Remote, C: Clock> {
    /// The log.
    pub remote: &'a R,
    /// Its address, as the spool has it.
    pub url: &'a str,
    /// Whom to believe.
    pub policy: &'a Policy,
    /// Time.
    pub clock: &'a C,
    /// This log's and issuer's own spool.
    pub spool: &'a Spool,
    /// What was imported.
    pub done: Done,
    /// Where the random bytes of digests go.
    pub natives: Option<Natives>,
    /// Makes the sealer when the first batch is ready.
    pub sealer: &'a dyn Fn() -> Result<Sealer, Failure>,
    /// How many events this run may log.
    pub limit: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Accesses logged by this run, those that waited in the spool included.
    pub accesses: u64,
    /// The first index of them, and of their sealing keys.
    pub first: Option<u64>,
    /// The last one.
    pub last: Option<u64>,
    /// Records that were imported before.
    pub before: u64,
    /// Files that were imported before to their end as it is now.
    pub files_before: u64,
    /// Whether the limit ended the import before the files' end.
    pub limited: bool,
}

/// Events that wait to be logged together.
#[derive(Default)]
struct Batch {
    events: Vec<Imported>,
    steps: Vec<Step>,
}

impl<R: Remote, C: Clock> Run<'_, R, C> {
    /// Imports the files in this order; `seen` is told how many became durable, and 0 when a batch is on its way. What was logged
    /// is in `logged`, also before a failure.
    pub fn all<'p>(
        &mut self,
        importer: &mut Importer<'_>,
        kind: Kind,
        files: impl IntoIterator<Item = &'p Path>,
        logged: &mut Logged,
        seen: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut sealer = None;
        self.resume(logged)?;
        let mut batch = Batch::default();
        let mut events = 0;
        for path in files {
            let mut known = self.done.find(kind, path)?;
            if batch
                .steps
                .iter()
                .filter_map(|step| step.mark.as_ref())
                .any(|mark| Some(&mark.key) == known.key.as_ref())
            {
                // It is the same file as one of this batch, or begins like it: only what is remembered can be told apart.
                self.flush(&mut sealer, &mut batch, logged, seen)?;
                known = self.done.find(kind, path)?;
            }
            let mut reading = importer.open(path)?;
            let skipped = known.mark.as_ref().map_or(0, |mark| mark.records);
            importer.skip(&mut reading, skipped)?;
            logged.before += skipped;
            let mark = |place: Place| known.key.as_deref().map(|key| Mark::at(key, place));
            let mut any = false;
            loop {
                if events == self.limit {
                    logged.limited = true;
                    break;
                }
                let Some(event) = importer.next(&mut reading)? else { break };
                any = true;
                events += 1;
                batch.steps.push(Step { event: None, mark: mark(event.place), line: event.line.clone() });
                batch.events.push(event);
                if batch.events.len() == IMPORT_BATCH {
                    self.flush(&mut sealer, &mut batch, logged, seen)?;
                }
            }
            if logged.limited {
                break;
            }
            logged.files_before += u64::from(!any && skipped > 0);
            // The end of the file, whose last records may have become no event.
            let end = mark(reading.place()).filter(|end| Some(end) != known.mark.as_ref());
            batch.steps.push(Step { event: None, mark: end, line: String::new() });
        }
        self.flush(&mut sealer, &mut batch, logged, seen)
    }

    /// What a stop left in the spool, first.
    fn resume(&mut self, logged: &mut Logged) -> Result<(), Failure> {
        let pending = self.spool.pending()?;
        let mut ids = BTreeSet::new();
        for record in pending.iter().flat_map(|parcel| &parcel.records) {
            ids.insert(id_of(record)?);
        }
        let steps = self.done.left(&ids)?.unwrap_or_default();
        self.finish(pending, &steps, logged, &mut |_| ())
    }

    /// Seals, spools, delivers and remembers a batch; empty when it returns.
    fn flush(
        &mut self,
        sealer: &mut Option<Sealer>,
        batch: &mut Batch,
        logged: &mut Logged,
        seen: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let Batch { events, steps } = std::mem::take(batch);
        if events.is_empty() {
            // Nothing to send: only the ends of files whose records were all left out, or are logged.
            return self.settle(&steps, logged, seen);
        }
        let sealer = match sealer {
            Some(sealer) => sealer,
            none => none.insert((self.sealer)()?),
        };
        let values: Vec<Values> = events.iter().map(|event| event.values.clone()).collect();
        let signed = sealer.seal(values, Time::new(self.clock.now()))?;
        if let Some(natives) = &mut self.natives {
            natives.add(&events)?;
        }
        let steps = of_signed(steps, &signed);
        let records = signed.iter().map(Signed::waiting).collect();
        self.done.plan(&steps)?;
        let parcels = self.spool.add(self.url, records)?;
        self.done.sent()?;
        seen(0);
        self.finish(parcels, &steps, logged, seen)
    }

    /// Delivers the parcels of a batch and remembers it, also after a refusal, when nothing of it is in the spool.
    fn finish(
        &mut self,
        parcels: Vec<Parcel>,
        steps: &[Step],
        logged: &mut Logged,
        seen: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let ended = self.deliver(parcels, logged);
        if ended.is_err() && !self.spool.pending().is_ok_and(|parcels| parcels.is_empty()) {
            return ended;
        }
        let settled = self.settle(steps, logged, seen);
        ended.and(settled)
    }

    fn settle(&mut self, steps: &[Step], logged: &mut Logged, seen: &mut dyn FnMut(u64)) -> Result<(), Failure> {
        let (accesses, refused) = self.done.settle(steps)?;
        logged.accesses += accesses;
        seen(accesses);
        match refused {
            None => Ok(()),
            Some(step) => Err(Failure::new(Exit::NotYet, "import.overtaken", "the log did not take all of a batch")
                .side("logged before", accesses)
                .side("first not taken", if step.line.is_empty() { "a sealing key" } else { &step.line })
                .side("kept in", self.spool.dir().display())
                .now("run the same command again: it goes on there; an issuer's chain has one writer at a time")),
        }
    }

    /// Delivers parcels; what is refused or waits ends the import, and the next run goes on there.
    fn deliver(&self, parcels: Vec<Parcel>, logged: &mut Logged) -> Result<(), Failure> {
        let courier =
            Courier { remote: self.remote, policy: self.policy, key: None, spool: self.spool, clock: self.clock };
        for mut parcel in parcels {
            let mut outcome = Outcome::default();
            let ended = courier.deliver(&mut parcel, &mut outcome);
            for delivered in &outcome.delivered {
                let index = delivered.logged.index.get();
                logged.first = Some(logged.first.map_or(index, |first| first.min(index)));
                logged.last = Some(logged.last.map_or(index, |last| last.max(index)));
            }
            ended?;
            let overtaken = |code: &str| matches!(code, "position" | "skipped");
            if let Some(other) = outcome.rejected.iter().find(|rejected| !overtaken(&rejected.problem.code)) {
                return Err(Failure::refused(&other.problem.code, "the log refused an access")
                    .side("title", &other.problem.title)
                    .side("detail", &other.problem.detail)
                    .side("kept in", other.kept.display())
                    .now("nothing after it was logged; the same command goes on there when the cause is mended"));
            }
            if let Some(why) = outcome.waiting {
                return Err(Failure::new(Exit::NotYet, "import.spooled", "a batch is in the spool and not logged yet")
                    .side("events", parcel.records.len())
                    .side("reason", why)
                    .side("spool", self.spool.dir().display())
                    .now("run the same command again later: nothing is lost, and nothing is logged twice"));
            }
        }
        Ok(())
    }
}

/// The steps with the events that stand for them, and steps for sealing keys where they come.
fn of_signed(steps: Vec<Step>, signed: &[Signed]) -> Vec<Step> {
    let mut all = Vec::with_capacity(steps.len() + 1);
    let mut steps = steps.into_iter().peekable();
    for event in signed {
        // The end of a file needs what comes before it, and nothing of its own.
        while let Some(end) = steps.next_if(|step| step.line.is_empty()) {
            all.push(end);
        }
        let id = Some(event.event_id.hex());
        match event.kind {
            EventKind::Access => all.extend(steps.next().map(|step| Step { event: id, ..step })),
            _ => all.push(Step { event: id, mark: None, line: String::new() }),
        }
    }
    all.extend(steps);
    all
}

fn id_of(record: &Record) -> Result<String, Failure> {
    EventFile::parse(record.envelope.as_bytes())
        .map(|event| event.id().hex())
        .map_err(|why| Failure::usage("spool.damaged", "an event in the spool cannot be read").side("reason", why))
}
