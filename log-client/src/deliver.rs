//! Delivering a parcel: place, sign, send, judge the answer, store the proof, and only then forget (cli.md, `submit`).
//!
//! The spool is written before each step whose loss would matter:
//! 1. the event as given is stored (by `commands::submit`): a stop from here on loses nothing;
//! 2. placed and signed bytes replace it before they are sent: after a time-out the same bytes go out again;
//! 3. the proof is stored beside the event's file, and the file itself when its bytes changed;
//! 4. the record is removed.
//!
//! Not here: which events (`commands::submit`), what a proof must hold (`answer`, `batch`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;

use crate::answer::{self, AnswerFault, Logged, Proven, Sent};
use crate::batch::{self, BatchFault, Fate, Remote};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::{HttpError, Problem};
use crate::limits::{PAUSE_MAX, PAUSE_MIN, REPLACE_ATTEMPTS};
use crate::place::{Place, Told};
use crate::spool::{Parcel, Record, Spool};

/// An event that is provably logged, its proof stored.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Its file, where it had one.
    pub file: Option<PathBuf>,
    /// What recognises the command that took it on.
    pub source: String,
    /// Where its proof was stored, where it was.
    pub proof: Option<PathBuf>,
    /// The proof.
    pub proven: Proven,
    /// Its identity, hex.
    pub event_id: String,
    /// Where in which tree, and who vouched.
    pub logged: Logged,
    /// Whether it had been logged before.
    pub duplicate: bool,
}

/// An event that the log refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Its file, where it had one.
    pub file: Option<PathBuf>,
    /// What recognises the command that took it on.
    pub source: String,
    /// Its identity, hex.
    pub event_id: String,
    /// What the log said.
    pub problem: Problem,
    /// Where it is kept.
    pub kept: PathBuf,
    /// What can be done about it, where the log's words do not say it.
    pub now: Option<&'static str>,
}

/// What is said of a sealed event whose place went to another one.
const SEAL_AGAIN: &str = "its seal depends on its place, so it is not sent again: seal the values again where they are; \
                          what is kept can be opened by the readers if its sealing key is logged";

/// What became of a parcel; its rest is in the spool.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Logged.
    pub delivered: Vec<Delivered>,
    /// Refused.
    pub rejected: Vec<Rejected>,
    /// Events signed again for a newer place.
    pub signed_again: u32,
    /// Whether anything was sent.
    pub sent: bool,
    /// Why the rest is not logged yet.
    pub waiting: Option<String>,
    /// The code of that, where the log gave one.
    pub waiting_code: Option<String>,
}

/// Time, so that a test needs none.
pub trait Clock {
    /// Seconds since 1970.
    fn now(&self) -> u64;
    /// What is left of the time that may be spent.
    fn left(&self) -> Duration;
    /// Waits.
    fn pause(&self, pause: Duration);
}

/// Everything that a delivery uses.
pub struct Courier<'a, R: Remote, C: Clock> {
    /// The log.
    pub remote: &'a R,
    /// Whom to believe.
    pub policy: &'a Policy,
    /// The issuer's key, to sign and to sign again.
    pub key: Option<&'a Seed>,
    /// Where records are kept.
    pub spool: &'a Spool,
    /// Time.
    pub clock: &'a C,
}

/// By issuer, what refusals said of its place.
type Places = BTreeMap<String, Told>;

/// What one attempt did.
enum Step {
    /// Something changed: go on at once.
    Onward,
    /// Nothing now.
    Later(Later),
}

/// Why nothing can be done now.
#[derive(Default)]
struct Later {
    why: String,
    /// How long the log asks to wait.
    pause: Option<Duration>,
    /// The code that it gave.
    code: Option<String>,
}

impl<R: Remote, C: Clock> Courier<'_, R, C> {
    /// Delivers what can be delivered in the time there is; `outcome` tells what was done, also before a failure.
    pub fn deliver(&self, parcel: &mut Parcel, outcome: &mut Outcome) -> Result<(), Failure> {
        let mut attempt = 0;
        let mut told = BTreeMap::new();
        while !parcel.records.is_empty() {
            let step = match self.place(parcel, &told, outcome)? {
                Step::Onward => self.send(parcel, &mut told, outcome)?,
                later => later,
            };
            if parcel.records.is_empty() {
                break;
            }
            let Later { why, pause, code } = match step {
                Step::Onward if outcome.signed_again < REPLACE_ATTEMPTS + parcel.records.len() as u32 => continue,
                Step::Onward => Later { why: "another writer takes every place first".to_owned(), ..Later::default() },
                Step::Later(later) => later,
            };
            let Some(pause) = pause_before(attempt, pause, self.clock.left()) else {
                (outcome.waiting, outcome.waiting_code) = (Some(why), code);
                break;
            };
            attempt += 1;
            self.clock.pause(pause);
        }
        Ok(())
    }

    /// Puts every record that has no place at one and signs what is unsigned; stored when it returns.
    fn place(&self, parcel: &mut Parcel, told: &Places, outcome: &mut Outcome) -> Result<Step, Failure> {
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        let (mut changed, mut moved, mut kept) = (false, false, false);
        for at in 0..parcel.records.len() {
            let Some(record) = parcel.records.get(at) else { continue };
            let event = event_of(record)?;
            let issuer = event.header_text("issuer").unwrap_or_default().to_owned();
            if !record.unplaced {
                if let Some(place) = places.get_mut(&issuer) {
                    place.pass(&event);
                }
                if !event.is_unsigned() {
                    continue;
                }
            }
            let key = self.key.ok_or_else(|| {
                Failure::usage("submit.key", "an event is not signed, and no key was given")
                    .side("event", name_of(record))
                    .side("issuer", &issuer)
                    .now("give the issuer's key with --key FILE")
            })?;
            let mut placed = if record.unplaced {
                if !event.cosigners().is_empty() {
                    return Err(Failure::refused(
                        "submit.cosigners",
                        "the place of this event is taken or not known, and others must sign it again",
                    )
                    .side("event", name_of(record))
                    .side("cosigners", event.cosigners().join(", "))
                    .now("make it again with `event new --log URL`, have everybody sign, and submit that"));
                }
                if !places.contains_key(&issuer) {
                    let answer = match self.remote.issuer(&issuer) {
                        Ok(answer) => answer,
                        Err(error) if error.is_transient() => return Ok(later(&error)),
                        Err(error) => return Err(Failure::from(error)),
                    };
                    let mut place = Place::read(&issuer, &answer)?;
                    told.get(&issuer).into_iter().for_each(|told| place.told(told));
                    if place.vkey != key.vkey().to_string() {
                        return Err(Failure::usage("submit.key", "the key given is not the issuer's current one")
                            .side("issuer", &issuer)
                            .side("given", key.vkey().keyid())
                            .side("current", keyid_of(&place.vkey))
                            .now("give the current key with --key FILE"));
                    }
                    places.insert(issuer.clone(), place);
                }
                let Some(place) = places.get_mut(&issuer) else { continue };
                place.put(&event, record.asks_release)?
            } else {
                event.clone()
            };
            placed.sign(key)?;
            if record.unplaced && !event.is_unsigned() && placed.id() != event.id() {
                self.spool.keep_superseded(&event.id().hex(), record)?;
                outcome.signed_again += 1;
                moved = true;
            } else if record.unplaced && !event.is_unsigned() {
                kept = true;
            } else {
                moved = true;
            }
            if let Some(record) = parcel.records.get_mut(at) {
                record.envelope = placed.line();
                record.unplaced = false;
            }
            changed = true;
        }
        if changed {
            self.spool.store(parcel)?;
        }
        if kept && !moved {
            // What another writer has put there is not published yet, or the log contradicts itself: time can mend the first.
            let why = "the log refuses the very place that it names".to_owned();
            return Ok(Step::Later(Later { why, ..Later::default() }));
        }
        Ok(Step::Onward)
    }

    fn send(&self, parcel: &mut Parcel, told: &mut Places, outcome: &mut Outcome) -> Result<Step, Failure> {
        let events: Vec<EventFile> = parcel.records.iter().map(event_of).collect::<Result<_, _>>()?;
        outcome.sent = true;
        let answered = match events.as_slice() {
            [event] => {
                let body = parcel.records.first().map(Record::submission).unwrap_or_default();
                match self.remote.submit(body.into_bytes()) {
                    Ok((bytes, duplicate)) => {
                        let sent = Sent { event, key: self.key, duplicate };
                        match answer::submission(self.policy, sent, &bytes, self.clock.now()) {
                            Ok((logged, proven)) => {
                                Ok(vec![(0, Fate::Logged(Box::new(logged), Box::new(proven), duplicate))])
                            }
                            Err(fault) => return self.fault(fault, &bytes),
                        }
                    }
                    Err(error) => Err(error),
                }
            }
            many => {
                let lines: String = parcel.records.iter().map(|record| record.submission() + "\n").collect();
                match self.remote.submit_batch(lines.into_bytes()) {
                    Ok(bytes) => {
                        match batch::read(self.remote, self.policy, self.clock.now(), many, self.key, &bytes) {
                            Ok(fates) => Ok(fates),
                            Err(BatchFault::Answer(fault)) => return self.fault(fault, &bytes),
                            Err(BatchFault::Http(error)) => return Ok(later(&error)),
                        }
                    }
                    Err(error) => Err(error),
                }
            }
        };
        let fates = match answered {
            Ok(fates) => fates,
            Err(error) if error.is_transient() => return Ok(later(&error)),
            Err(HttpError::Status { problem: Some(problem), .. }) if events.len() == 1 => {
                vec![(0, Fate::Problem(*problem))]
            }
            Err(error) => {
                return Err(Failure::from(error));
            }
        };
        self.settle(parcel, &events, fates, told, outcome)
    }

    /// A fault in an answer: wait for witnesses, or end the command with the answer kept.
    fn fault(&self, fault: AnswerFault, bytes: &[u8]) -> Result<Step, Failure> {
        match fault {
            AnswerFault::Quorum(_) => Ok(Step::Later(Later { why: fault.to_string(), ..Later::default() })),
            AnswerFault::NotTheLog(_) => Err(Failure::from(fault)),
            AnswerFault::Misbehaved(_) => {
                let kept = self.spool.keep_evidence(bytes)?;
                Err(Failure::from(fault).side("answer kept in", kept.display()))
            }
        }
    }

    /// Acts on the fate of each record: proofs first, then the spool.
    fn settle(
        &self,
        parcel: &mut Parcel,
        events: &[EventFile],
        fates: Vec<(usize, Fate)>,
        told: &mut Places,
        outcome: &mut Outcome,
    ) -> Result<Step, Failure> {
        let mut gone = BTreeSet::new();
        let mut broken_chains = BTreeSet::new();
        let mut later_reason: Option<Later> = None;
        let wait = |problem: Problem| Later { why: problem.detail, pause: None, code: Some(problem.code) };
        for (at, fate) in fates {
            let (Some(record), Some(event)) = (parcel.records.get_mut(at), events.get(at)) else { continue };
            let issuer = event.header_text("issuer").unwrap_or_default().to_owned();
            match fate {
                Fate::Logged(logged, proven, duplicate) => {
                    if let Some(path) = &record.proof {
                        files::replace(path, &proven.print())?;
                    }
                    if let (Some(file), None) = (&record.file, &record.sealed) {
                        let bytes = event.print();
                        if std::fs::read(file).ok().as_deref() != Some(bytes.as_bytes()) {
                            files::replace(file, bytes.as_bytes())?;
                        }
                    }
                    gone.insert(at);
                    outcome.delivered.push(Delivered {
                        file: record.named().cloned(),
                        source: record.source.clone(),
                        proof: record.proof.clone(),
                        proven: *proven,
                        event_id: event.id().hex(),
                        logged: *logged,
                        duplicate,
                    });
                }
                Fate::Problem(problem) => {
                    let bound = event.is_bound();
                    let movable = self.key.is_some_and(|key| event.signers().eq([key.vkey().keyid().as_str()]))
                        && event.cosigners().is_empty()
                        && !bound;
                    let chained = event.header("nonce").is_none();
                    let overtaken = match problem.code.as_str() {
                        "position" => bound,
                        "skipped" => bound && broken_chains.contains(&issuer),
                        _ => false,
                    };
                    if overtaken {
                        broken_chains.insert(issuer);
                        let event_id = event.id().hex();
                        let kept = self.spool.keep_superseded(&event_id, record)?;
                        let now = Some(SEAL_AGAIN);
                        let (file, source) = (record.named().cloned(), record.source.clone());
                        outcome.rejected.push(Rejected { file, source, event_id, problem, kept, now });
                        gone.insert(at);
                        continue;
                    }
                    told.entry(issuer.clone()).or_default().hear(event, &problem);
                    match problem.code.as_str() {
                        "skipped" => {
                            if movable && chained && broken_chains.contains(&issuer) {
                                record.unplaced = true;
                            }
                            later_reason.get_or_insert_with(|| wait(problem));
                        }
                        "rate" | "quota" | "quorum-unavailable" | "disk-full" | "starting" | "clock" | "pending" => {
                            later_reason.get_or_insert_with(|| wait(problem));
                        }
                        "position" if movable && chained => {
                            record.unplaced = true;
                            broken_chains.insert(issuer);
                        }
                        "release-position" if movable && record.asks_release => {
                            record.unplaced = true;
                            broken_chains.insert(issuer);
                        }
                        _ => {
                            if chained {
                                broken_chains.insert(issuer);
                            }
                            let event_id = event.id().hex();
                            let kept = self.spool.keep_refused(&event_id, record)?;
                            let (file, source) = (record.named().cloned(), record.source.clone());
                            outcome.rejected.push(Rejected { file, source, event_id, problem, kept, now: None });
                            gone.insert(at);
                        }
                    }
                }
            }
        }
        let replaced = parcel.records.iter().any(|record| record.unplaced);
        let progress = !gone.is_empty() || replaced;
        if progress {
            let mut at = 0;
            parcel.records.retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
            self.spool.store(parcel)?;
        }
        Ok(match later_reason {
            Some(later) if !progress => Step::Later(later),
            Some(_) | None => Step::Onward,
        })
    }
}

/// How long to wait before an attempt after `attempt` others; none when `left` is too short for it.
///
/// As long as the log asks, but never in a rush, or 0.25, 0.5, 1, 2, 4, 8, 8 … seconds, the last one cut to what is left.
pub fn pause_before(attempt: u32, asked: Option<Duration>, left: Duration) -> Option<Duration> {
    let pause =
        asked.map_or_else(|| (PAUSE_MIN * (1 << attempt.min(5))).min(left), |asked| asked.clamp(PAUSE_MIN, PAUSE_MAX));
    (!left.is_zero() && pause <= left).then_some(pause)
}

fn later(error: &HttpError) -> Step {
    let pause = match error {
        HttpError::Status { retry_after, .. } => *retry_after,
        HttpError::Address { .. }
        | HttpError::Unreachable { .. }
        | HttpError::BrokenOff { .. }
        | HttpError::TooLarge { .. } => None,
    };
    let why = match error {
        HttpError::Status { problem: Some(problem), status, .. } => {
            format!("{status} {}: {}", problem.code, problem.detail)
        }
        other => other.to_string(),
    };
    let code = match error {
        HttpError::Status { problem: Some(problem), .. } => Some(problem.code.clone()),
        _ => None,
    };
    Step::Later(Later { why, pause, code })
}

fn event_of(record: &Record) -> Result<EventFile, Failure> {
    EventFile::parse(record.envelope.as_bytes()).map_err(|why| {
        Failure::usage("spool.damaged", "an event in the spool cannot be read")
            .side("event", name_of(record))
            .side("reason", why)
    })
}

fn name_of(record: &Record) -> String {
    record.named().map_or_else(|| "standard input".to_owned(), |file| file.display().to_string())
}

fn keyid_of(vkey: &str) -> String {
    vitrine_spec::key::Vkey::parse(vkey).map_or_else(|_| vkey.to_owned(), |vkey| vkey.keyid())
}

/// The end of a run over many parcels: the worst of its parts.
pub fn exit_of(outcomes: &[Outcome]) -> Exit {
    if outcomes.iter().any(|outcome| !outcome.rejected.is_empty()) {
        Exit::NotVerified
    } else if outcomes.iter().any(|outcome| outcome.waiting.is_some()) {
        Exit::NotYet
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests;
