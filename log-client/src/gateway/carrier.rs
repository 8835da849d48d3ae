//! The keeper of the spool: one thread that brings parcels to the log, in order, until each has its fate (design.md 4).
//!
//! While one try is under way the next parcels gather, and go together. Not here: what follows from a fate (`clerk`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use vitrine_spec::hash::Hash;
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;

use super::clerk::Carrier;
use super::desk::{Desk, Done};
use super::outage;
use crate::batch::Remote;
use crate::clock;
use crate::deliver::{Clock, Courier, Outcome};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::limits::{CARRY_SLICE, EVENT_FILE_BYTES_MAX};
use crate::output::Out;
use crate::spool::{Parcel, Record, Spool};

/// How long the log is left alone after an answer that is not the log's.
const STRANGE_PAUSE: Duration = Duration::from_secs(1);

/// What a keeper is given to do.
#[derive(Debug)]
pub enum Job {
    /// A parcel of the spool.
    Parcel(u64),
    /// The draft of an incident.
    Incident(PathBuf),
}

/// The clerk's end.
#[derive(Debug)]
pub struct Line(pub Sender<Job>);

impl Carrier for Line {
    fn carry(&self, number: u64) {
        let _ = self.0.send(Job::Parcel(number)); // a keeper that ended has said why to the desk
    }

    fn incident(&self, draft: PathBuf) {
        let _ = self.0.send(Job::Incident(draft));
    }
}

/// The keeper. It owns what it works with: a try that is under way when the gateway ends is cut off with the process, and what
/// it carried is in the spool.
pub struct Keeper<R: Remote> {
    /// The log.
    pub remote: R,
    /// Whom to believe.
    pub policy: Policy,
    /// Where parcels are.
    pub spool: Arc<Spool>,
    /// Whom to tell.
    pub desk: Arc<Desk>,
    /// Logs incidents, where it is at hand.
    pub operator: Option<Seed>,
    /// The log's URL, as parcels name it.
    pub log: String,
    /// Remarks.
    pub out: Out,
}

/// One slice of time, cut short when the gateway ends.
struct Slice<'a> {
    desk: &'a Desk,
    until: Instant,
}

impl Clock for Slice<'_> {
    fn now(&self) -> u64 {
        clock::now()
    }

    fn left(&self) -> Duration {
        if self.desk.is_stopped() { Duration::ZERO } else { self.until.saturating_duration_since(Instant::now()) }
    }

    fn pause(&self, pause: Duration) {
        self.desk.wait_stopped(pause);
    }
}

impl<R: Remote> Keeper<R> {
    /// Works until nobody gives it anything, or the gateway ends.
    pub fn run(&self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let (mut numbers, mut drafts) = (Vec::new(), Vec::new());
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                match job {
                    Job::Parcel(number) => numbers.push(number),
                    Job::Incident(draft) => drafts.push(draft),
                }
            }
            let mut rest = numbers.as_slice();
            while !rest.is_empty() && !self.desk.is_stopped() {
                let parcel = match self.spool.gather(rest) {
                    Ok(parcel) => parcel,
                    Err(failure) => {
                        let outcome = Outcome::default();
                        return self.desk.done(Done { numbers: rest.to_vec(), outcome, ended: Err(failure) });
                    }
                };
                rest = rest.get(parcel.numbers().count()..).unwrap_or_default();
                if !self.carry(parcel) {
                    return;
                }
            }
            for draft in drafts {
                self.incident(&draft);
            }
            if self.desk.is_stopped() {
                return;
            }
        }
    }

    /// Delivers one parcel, however long it takes; false when that ended the gateway.
    fn carry(&self, mut parcel: Parcel) -> bool {
        let numbers: Vec<u64> = parcel.numbers().collect();
        let mut outcome = Outcome::default();
        let ended = self.deliver(&self.spool, &mut parcel, &mut outcome, None);
        let goes_on = ended.is_ok();
        if !goes_on || parcel.records.is_empty() {
            self.desk.done(Done { numbers, outcome, ended });
        }
        goes_on
    }

    /// Tries until everything in a parcel has its fate, or the gateway ends.
    fn deliver(
        &self,
        spool: &Spool,
        parcel: &mut Parcel,
        outcome: &mut Outcome,
        key: Option<&Seed>,
    ) -> Result<(), Failure> {
        while !parcel.records.is_empty() && !self.desk.is_stopped() {
            let slice = Slice { desk: &self.desk, until: Instant::now() + CARRY_SLICE };
            let courier = Courier { remote: &self.remote, policy: &self.policy, key, spool, clock: &slice };
            match courier.deliver(parcel, outcome) {
                Ok(()) => {
                    if let Some(why) = outcome.waiting.take() {
                        self.desk.trouble(why, outcome.waiting_code.take());
                    }
                }
                // Not the log, or not now: a proxy's page ends no gateway.
                Err(failure) if failure.exit == Exit::Unreachable => {
                    self.desk.trouble(failure.to_string(), None);
                    self.desk.wait_stopped(STRANGE_PAUSE);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Logs the incident of a draft with the operator's key, or says that somebody has to.
    fn incident(&self, draft: &Path) {
        let by_hand = || {
            self.out.warn(&format!(
                "the operator has still to log it: log-client submit --log {} --policy P --key operator.key {}",
                self.log,
                draft.display()
            ));
        };
        let Some(operator) = &self.operator else { return by_hand() };
        match self.log_incident(draft, operator) {
            Ok(_) if outage::is_logged(draft) => {
                self.out.note(&format!("the incident is logged: {}", draft.display()));
                self.desk.wake();
            }
            Ok(outcome) => {
                for rejected in &outcome.rejected {
                    self.out.warn(&format!("the log refused the incident: {}", rejected.problem.detail));
                }
                by_hand();
            }
            Err(failure) => {
                self.out.warn(&format!("the incident is not logged: {failure}"));
                by_hand();
            }
        }
    }

    fn log_incident(&self, draft: &Path, operator: &Seed) -> Result<Outcome, Failure> {
        // A spool of its own: it is of another issuer, and nothing of the gateway's chain waits for it.
        let spool = Spool::open(&self.spool.dir().join("operator"), Duration::ZERO)?;
        let mut outcome = Outcome::default();
        // What a stop left there first: it may be this very incident, and may be logged already.
        for mut parcel in spool.pending()? {
            self.deliver(&spool, &mut parcel, &mut outcome, Some(operator))?;
        }
        if outage::is_logged(draft) {
            return Ok(outcome);
        }
        let bytes = files::read(draft, EVENT_FILE_BYTES_MAX)?;
        let event = EventFile::parse_named(draft, &bytes)?;
        let record = Record {
            about: None,
            file: Some(draft.to_owned()),
            proof: Some(outage::proof(draft)),
            source: Hash::of(&bytes).hex(),
            envelope: event.line(),
            unplaced: event.wants_place(),
            asks_release: false,
            sealed: None,
        };
        for mut parcel in spool.add(&self.log, vec![record])? {
            self.deliver(&spool, &mut parcel, &mut outcome, Some(operator))?;
        }
        Ok(outcome)
    }
}
