//! The clerk of a gateway: seals what workers ask for into one chain, in the order in which it is sent (design.md 5).
//!
//! One turn does everything that can be done now. Group commit: while a parcel waits for its proof the next one fills. Every
//! parcel is in the spool before it is sent, and stays there until its fate is known: what was signed for a place goes out again
//! with the same bytes, so that a 409 always means another writer. Not here: sending (`carrier`), HTTP, the queue (`desk`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vitrine_spec::envelope::EventId;
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::Kind;
use vitrine_spec::trust::Fingerprint;
use vitrine_spec::words::{Name, Time};

use super::desk::{Answer, Ask, Condition, Desk, Done, count};
use super::outage::{self, Open, Outage};
use crate::answer::Proven;
use crate::batch::Remote;
use crate::clock;
use crate::deliver::Rejected;
use crate::event_file::{EventFile, int};
use crate::exit::{Exit, Failure};
use crate::limits::{GATEWAY_BATCH_MAX, GATEWAY_PARCELS_MAX};
use crate::output::Out;
use crate::readers;
use crate::sealer::{Sealer, Signed};
use crate::spool::{Record, Spool};

/// How often a refused batch is sealed again for readers that have changed.
const SEAL_ATTEMPTS: u32 = 3;
/// How long the clerk sleeps when nobody rings.
const NAP: Duration = Duration::from_millis(500);
/// How long after an attempt to find the place in the chain the next one comes.
const FIND_PAUSE: Duration = Duration::from_secs(1);
/// How long after a heartbeat that the log refused the next one comes.
const BEAT_PAUSE: Duration = Duration::from_secs(60);

/// Whoever brings parcels of the spool to the log and says what became of them (`Desk::done`), in order.
pub trait Carrier {
    /// Takes on a parcel.
    fn carry(&self, number: u64);
    /// Takes on the draft of an incident, where the operator's key is at hand.
    fn incident(&self, draft: PathBuf);
}

/// How a gateway was told to behave.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's URL.
    pub log: String,
    /// How long an access waits for its proof.
    pub wait: Duration,
    /// Whether accesses are kept while the log cannot answer, instead of denied.
    pub keeps: bool,
    /// Sends at this pace and answers before the log does; none: at once, and the answer is the proof.
    pub cadence: Option<Duration>,
}

/// A time, by the clock that only goes on and by the one on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For pauses.
    pub at: Instant,
    /// For events.
    pub time: Time,
}

/// Everything that a clerk works with.
pub struct Office<'a, R: Remote> {
    /// The log, for questions; parcels go by the carrier.
    pub remote: &'a R,
    /// Whom to believe.
    pub policy: &'a Policy,
    /// What the readers must go back to.
    pub pinned: Fingerprint,
    /// Who seals.
    pub issuer: Name,
    /// Its key.
    pub key: Seed,
    /// Where parcels wait.
    pub spool: &'a Spool,
    /// The workers.
    pub desk: &'a Desk,
    /// Brings parcels to the log.
    pub carrier: &'a dyn Carrier,
    /// Remarks.
    pub out: &'a Out,
    /// How to behave.
    pub settings: Settings,
}

/// A parcel whose fate is not known.
struct Flight {
    number: u64,
    /// When it was handed to the carrier; none while it waits for the next tick.
    sent: Option<Instant>,
    waiting: Vec<Waiting>,
    /// Where it begins.
    first: First,
    /// Whether somebody was told that it will be logged.
    promised: bool,
    /// Up to when everything known was in the chain before it; not known of what an earlier run left.
    before: Option<Time>,
    /// The heartbeat that it ends with, and what that covers.
    beat: Option<(EventId, Time)>,
}

/// Accesses that were promised and cannot be logged, while no incident in the log says so.
struct Loss {
    /// No heartbeat claims to cover anything later; not known before the place in the chain is.
    until: Option<Time>,
    /// The drafts of its incidents that are not logged.
    drafts: BTreeSet<PathBuf>,
}

/// The first place of a parcel.
#[derive(Clone, Copy)]
struct First {
    epoch: u32,
    seq: u64,
    prev: EventId,
}

/// An ask, the events it became, and what is proven of them.
struct Waiting {
    ask: Ask,
    events: Vec<(u64, EventId)>,
    proven: BTreeMap<EventId, Proven>,
}

/// The clerk.
pub struct Clerk<'a, R: Remote> {
    office: Office<'a, R>,
    /// None until the place in the chain is known, and again after the log refused something.
    sealer: Option<Sealer>,
    flights: VecDeque<Flight>,
    heartbeat_s: Option<u64>,
    /// `recorded` of the last event that shows life to the minute: an access shows only its hour.
    pulse: Time,
    /// What the last heartbeat covers, logged or under way.
    covered: Time,
    /// What the last one that is logged covers; remembered in the spool.
    said: Time,
    next_tick: Instant,
    next_beat: Instant,
    next_find: Instant,
    outage: Option<Outage>,
    loss: Option<Loss>,
    leave_by: Option<Instant>,
}

/// What is to be done after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing before somebody rings, or before this has passed.
    Wait(Duration),
    /// Everything was answered: the end.
    Ended,
}

impl<'a, R: Remote> Clerk<'a, R> {
    /// Takes over what waits in the spool; it goes out first.
    ///
    /// # Errors
    /// A spool that cannot be read, or that holds something for another log: nobody else would ever send it.
    pub fn new(office: Office<'a, R>, now: Moment) -> Result<Clerk<'a, R>, Failure> {
        let outage = Outage::read(office.spool.dir())?;
        let lost = outage.as_ref().filter(|outage| outage.refused > 0);
        // From when on is in the note too, but whoever wrote it may not have known the place in the chain.
        let mut loss = lost.map(|_| Loss { until: None, drafts: BTreeSet::new() });
        for Open { draft, lost } in outage::open(office.spool.dir())? {
            if let Some(since) = lost {
                let loss = loss.get_or_insert(Loss { until: None, drafts: BTreeSet::new() });
                loss.until = Some(loss.until.map_or(since, |until| until.min(since)));
                loss.drafts.insert(draft.clone());
            }
            office.carrier.incident(draft);
        }
        let said = outage::said(office.spool.dir());
        let mut clerk = Clerk {
            office,
            sealer: None,
            flights: VecDeque::new(),
            heartbeat_s: None,
            pulse: Time::new(0),
            covered: said,
            said,
            next_tick: now.at,
            next_beat: now.at,
            next_find: now.at,
            outage,
            loss,
            leave_by: None,
        };
        for parcel in clerk.office.spool.each()? {
            let parcel = parcel?;
            if parcel.log != clerk.office.settings.log {
                return Err(Failure::usage(
                    "gateway.other-log",
                    "the spool holds accesses for another address of a log",
                )
                .side("for", &parcel.log)
                .side("--log", &clerk.office.settings.log)
                .side("events", parcel.records.len())
                .side("spool", clerk.office.spool.dir().display())
                .now("give that address, so that they are sent; or another --spool DIR, if they are of another log"));
            }
            let event = |record: &Record| EventFile::parse(record.envelope.as_bytes()).ok();
            let first = parcel.records.first().and_then(event).map_or(First::NONE, |event| First::of(&event));
            let beat = parcel.records.last().and_then(event).filter(|event| event.kind() == Some("heartbeat"));
            let beat = beat.and_then(|event| Some((event.id(), Time::new(event.body("to").and_then(int)?))));
            for number in parcel.numbers() {
                clerk.flights.push_back(Flight {
                    number,
                    sent: Some(now.at),
                    waiting: Vec::new(),
                    first,
                    promised: true,
                    before: None,
                    beat,
                });
                clerk.office.carrier.carry(number);
            }
        }
        Ok(clerk)
    }

    /// Does everything that can be done now.
    ///
    /// # Errors
    /// What ends a gateway: another writer in its chain, a closed issuer, a log that misbehaves. Everybody was answered then.
    pub fn turn(&mut self, now: Moment) -> Result<Turn, Failure> {
        let turned = self.try_turn(now);
        if let Err(failure) = &turned {
            self.office.desk.leave();
            self.deny_all("ended", &failure.to_string());
        }
        turned
    }

    fn try_turn(&mut self, now: Moment) -> Result<Turn, Failure> {
        for done in self.office.desk.take_done() {
            self.settle(done, now)?;
        }
        self.forget_losses();
        if self.sealer.is_none() && self.flights.is_empty() && now.at >= self.next_find {
            self.find_place(now)?;
        }
        if let Some(sealer) = &mut self.sealer {
            sealer.expire(now.time);
        }
        let away = self.away(now);
        self.show(away);
        if away {
            self.answer_waiting(now)?;
        }
        let overdue = |since: Instant| now.at.saturating_duration_since(since) >= self.office.settings.wait;
        if self.sealer.is_none() && self.office.desk.oldest().is_some_and(overdue) {
            self.deny_all("unavailable", "the place in the chain is not known");
        }
        self.take(away, now)?;
        self.tick(now);
        if !self.office.desk.is_leaving() {
            return Ok(Turn::Wait(self.pause(now)));
        }
        let by = *self.leave_by.get_or_insert(now.at + self.office.settings.wait);
        if self.flights.iter().any(|flight| !flight.waiting.is_empty()) || self.office.desk.waiting() > 0 {
            if now.at < by {
                return Ok(Turn::Wait(self.pause(now).min(by - now.at)));
            }
            if self.promises() {
                self.take(true, now)?;
            }
            self.answer_waiting(now)?;
            self.deny_all("leaving", "this gateway is ending");
        } else if !self.flights.is_empty() && now.at < by {
            return Ok(Turn::Wait(self.pause(now).min(by - now.at)));
        }
        Ok(Turn::Ended)
    }

    /// Parcels that are still in the spool.
    pub fn in_spool(&self) -> usize {
        self.flights.len()
    }

    /// Whether workers are answered before the log answers.
    fn promises(&self) -> bool {
        self.office.settings.keeps || self.office.settings.cadence.is_some()
    }

    /// Whether the log does not answer: the oldest parcel waits longer than an access should.
    fn away(&self, now: Moment) -> bool {
        let oldest = self.flights.iter().find_map(|flight| flight.sent);
        oldest.is_some_and(|sent| now.at.saturating_duration_since(sent) >= self.office.settings.wait)
    }

    fn show(&self, away: bool) {
        let trouble = || self.office.desk.last_trouble().map_or_else(|| "no answer yet".to_owned(), |(why, _)| why);
        let condition = match (&self.sealer, away) {
            (None, _) => Condition::Starting(format!("the place in the chain is not known yet: {}", trouble())),
            (Some(_), true) => Condition::Away(trouble()),
            (Some(_), false) => Condition::Open,
        };
        self.office.desk.set(condition);
    }

    /// The log does not answer: those whose accesses are sealed in the spool are told so, all others are denied.
    fn answer_waiting(&mut self, now: Moment) -> Result<(), Failure> {
        let (keeps, trouble) = (self.promises(), self.office.desk.last_trouble());
        let why = trouble.as_ref().map_or_else(|| "it gives no answer".to_owned(), |(why, _)| why.clone());
        let desk = self.office.desk;
        // Before anybody is told: a stop in between leaves the note.
        if let Some(First { epoch, seq, prev }) =
            self.flights.front().map(|flight| flight.first).filter(|_| keeps && self.outage.is_none())
        {
            let code = trouble.and_then(|(_, code)| code);
            let outage = Outage { since: now.time.get(), epoch, seq, prev: prev.hex(), code, refused: 0 };
            outage.write(self.office.spool.dir())?;
            count(&desk.counters.outages, 1);
            self.office.out.warn(&format!("the log cannot answer, accesses are kept in the spool: {why}"));
            self.outage = Some(outage);
        }
        for flight in &mut self.flights {
            for Waiting { ask, events, .. } in flight.waiting.drain(..) {
                if keeps {
                    count(&desk.counters.spooled, events.len());
                    flight.promised = true;
                    ask.answer(Answer::Spooled(events));
                } else {
                    count(&desk.counters.denied, events.len());
                    ask.answer(Answer::Unavailable("unavailable", format!("the log cannot answer now: {why}")));
                }
            }
        }
        if !keeps {
            for ask in desk.take(usize::MAX) {
                count(&desk.counters.denied, ask.values.len());
                ask.answer(Answer::Unavailable("unavailable", format!("the log cannot answer now: {why}")));
            }
        }
        Ok(())
    }

    /// Seals what waits, when the chain is free for it.
    fn take(&mut self, away: bool, now: Moment) -> Result<(), Failure> {
        let free = self.flights.is_empty() || (self.promises() && (away || self.office.settings.cadence.is_some()));
        if self.sealer.is_none() || !free {
            return Ok(());
        }
        loop {
            if self.flights.len() >= GATEWAY_PARCELS_MAX {
                let why = format!("{} parcels are in the spool, no more are taken", self.flights.len());
                for ask in self.office.desk.take(usize::MAX) {
                    count(&self.office.desk.counters.denied, ask.values.len());
                    ask.answer(Answer::Unavailable("disk-full", why.clone()));
                }
                return Ok(());
            }
            let asks = self.office.desk.take(GATEWAY_BATCH_MAX);
            let due = self.heartbeat_due(now);
            if asks.is_empty() && !due {
                return Ok(());
            }
            self.seal(asks, due, now)?;
            if !self.promises() || self.office.desk.waiting() == 0 {
                return Ok(());
            }
        }
    }

    /// Seals asks into a parcel of the spool and hands it on.
    fn seal(&mut self, asks: Vec<Ask>, heartbeat: bool, now: Moment) -> Result<(), Failure> {
        let Some(sealer) = &self.sealer else { return Ok(()) };
        // A copy: what cannot be written to the spool was never in the chain.
        let mut trial = sealer.clone();
        let first = First { epoch: trial.epoch(), seq: trial.next().seq, prev: trial.next().prev };
        let values = asks.iter().flat_map(|ask| ask.values.iter().cloned()).collect();
        let mut events = trial.seal(values, now.time)?;
        let oldest = asks.iter().map(|ask| ask.since).min();
        let before = Some(self.covers(oldest, now));
        let mut beat = None;
        if heartbeat {
            let covered = self.covers(self.office.desk.oldest(), now);
            let event = trial.heartbeat(covered, now.time)?;
            beat = Some((event.event_id, covered));
            events.push(event);
        }
        let records = events.iter().map(Signed::waiting).collect();
        let parcels = match self.office.spool.add(&self.office.settings.log, records) {
            Ok(parcels) => parcels,
            Err(failure) => {
                self.office.out.warn(&format!("nothing was taken: {failure}"));
                for ask in asks {
                    count(&self.office.desk.counters.denied, ask.values.len());
                    ask.answer(Answer::Unavailable("disk-full", failure.to_string()));
                }
                return Ok(());
            }
        };
        let counters = &self.office.desk.counters;
        let of_kind = |kind: Kind| events.iter().filter(|event| event.kind == kind).count();
        count(&counters.parcels, parcels.len());
        count(&counters.sealing_keys, of_kind(Kind::SealingKey));
        count(&counters.heartbeats, of_kind(Kind::Heartbeat));
        if of_kind(Kind::SealingKey) + of_kind(Kind::Heartbeat) > 0 {
            self.pulse = now.time;
        }
        self.covered = beat.map_or(self.covered, |(_, covered)| covered);
        self.sealer = Some(trial);
        let mut accesses = (first.seq..)
            .zip(&events)
            .filter(|(_, event)| event.kind == Kind::Access)
            .map(|(seq, event)| (seq, event.event_id));
        let mut waiting: Vec<Waiting> = asks
            .into_iter()
            .map(|ask| Waiting {
                events: accesses.by_ref().take(ask.values.len()).collect(),
                proven: BTreeMap::new(),
                ask,
            })
            .collect();
        let at_once = self.office.settings.cadence.is_none();
        if !at_once {
            for Waiting { ask, events, .. } in waiting.drain(..) {
                count(&counters.spooled, events.len());
                ask.answer(Answer::Spooled(events));
            }
        }
        let last = parcels.len().saturating_sub(1);
        for (at, parcel) in parcels.iter().enumerate() {
            for number in parcel.numbers() {
                // Who waits, waits for the last parcel: they are delivered in order.
                let waiting = if at == last { std::mem::take(&mut waiting) } else { Vec::new() };
                let sent = at_once.then_some(now.at);
                let beat = beat.filter(|_| at == last);
                self.flights.push_back(Flight { number, sent, waiting, first, promised: !at_once, before, beat });
                if at_once {
                    self.office.carrier.carry(number);
                }
            }
        }
        Ok(())
    }

    /// Sends what waits for the tick.
    fn tick(&mut self, now: Moment) {
        let Some(cadence) = self.office.settings.cadence else { return };
        if now.at < self.next_tick && !self.office.desk.is_leaving() {
            return;
        }
        self.next_tick = now.at + cadence;
        for flight in self.flights.iter_mut().filter(|flight| flight.sent.is_none()) {
            flight.sent = Some(now.at);
            self.office.carrier.carry(flight.number);
        }
    }

    /// Acts on what became of parcels.
    fn settle(&mut self, done: Done, now: Moment) -> Result<(), Failure> {
        let Done { numbers, outcome, ended } = done;
        let numbers: BTreeSet<u64> = numbers.into_iter().collect();
        let mut logged: BTreeMap<String, Proven> =
            outcome.delivered.into_iter().map(|delivered| (delivered.event_id, delivered.proven)).collect();
        for waiting in self.flights.iter_mut().flat_map(|flight| &mut flight.waiting) {
            for (_, id) in &waiting.events {
                waiting.proven.extend(logged.remove(&id.hex()).map(|proven| (*id, proven)));
            }
        }
        let (settled, rest): (VecDeque<Flight>, VecDeque<Flight>) =
            std::mem::take(&mut self.flights).into_iter().partition(|flight| numbers.contains(&flight.number));
        self.flights = rest;
        for (id, covered) in settled.iter().filter_map(|flight| flight.beat) {
            if logged.contains_key(&id.hex()) {
                self.said = self.said.max(covered);
                if let Err(failure) = outage::say(self.office.spool.dir(), self.said) {
                    self.office.out.warn(&format!("what the last heartbeat covers is not remembered: {failure}"));
                }
            } else {
                self.next_beat = now.at + BEAT_PAUSE;
            }
        }
        let promised = settled.iter().any(|flight| flight.promised);
        let (first, before) = settled.front().map_or((First::NONE, None), |flight| (flight.first, flight.before));
        let refusal = outcome.rejected.first();
        let mut again = Vec::new();
        for Waiting { mut ask, events, mut proven } in settled.into_iter().flat_map(|flight| flight.waiting) {
            let proofs: Option<Vec<_>> =
                events.iter().map(|(_, id)| proven.remove(id).map(|proven| (*id, proven))).collect();
            match (proofs, refusal) {
                (Some(proofs), _) => {
                    count(&self.office.desk.counters.logged, proofs.len());
                    ask.answer(Answer::Logged(proofs));
                }
                (None, Some(Rejected { problem, .. }))
                    if problem.code == "sealing-key" && ask.attempts < SEAL_ATTEMPTS && ended.is_ok() =>
                {
                    ask.attempts += 1;
                    again.push(ask);
                }
                (None, Some(Rejected { problem, .. })) if problem.code != "position" => {
                    count(&self.office.desk.counters.refused, events.len());
                    ask.answer(Answer::Refused(Box::new(problem.clone())));
                }
                (None, _) => {
                    count(&self.office.desk.counters.denied, events.len());
                    let why = "it was not logged, because what was sealed before it was not; send it again";
                    ask.answer(Answer::Unavailable("position", why.to_owned()));
                }
            }
        }
        if let (true, Some(rejected)) = (promised, refusal) {
            self.lose(before, &rejected.problem.code, outcome.rejected.len(), now, first)?;
        }
        ended?;
        if let Some(rejected) = refusal {
            self.refused(rejected, outcome.rejected.len(), promised, first)?;
        }
        self.office.desk.put_back(again);
        if self.flights.is_empty() {
            self.end_outage(now)?;
        }
        Ok(())
    }

    /// What was promised cannot be logged: no heartbeat may cover it from now on, and an incident has to say so.
    fn lose(
        &mut self,
        before: Option<Time>,
        code: &str,
        many: usize,
        now: Moment,
        first: First,
    ) -> Result<(), Failure> {
        let loss = self.loss.get_or_insert(Loss { until: before, drafts: BTreeSet::new() });
        loss.until = loss.until.and_then(|until| before.map_or(Some(until), |before| Some(until.min(before))));
        let First { epoch: epoch @ 1.., seq, prev } = first else { return Ok(()) };
        let since = loss.until.map_or(now.time, |until| until.min(now.time)).get();
        let outage = self.outage.get_or_insert(Outage { since, epoch, seq, prev: prev.hex(), code: None, refused: 0 });
        outage.since = outage.since.min(since);
        if outage.refused == 0 {
            outage.code = Some(code.to_owned());
        }
        outage.refused += many;
        outage.write(self.office.spool.dir())
    }

    /// Heartbeats cover everything again once each loss is an incident in the log, whoever logged it.
    fn forget_losses(&mut self) {
        let Some(loss) = &mut self.loss else { return };
        let known = loss.drafts.len();
        loss.drafts.retain(|draft| !outage::is_logged(draft));
        let open = self.outage.as_ref().is_some_and(|outage| outage.refused > 0);
        if loss.drafts.is_empty() && known > 0 && !open {
            self.loss = None;
        }
    }

    /// The log refused events of ours: the chain that was sealed after them is broken, so its place is asked for again.
    ///
    /// `promised`: whether somebody was told that they will be logged.
    fn refused(&mut self, rejected: &Rejected, many: usize, promised: bool, first: First) -> Result<(), Failure> {
        let problem = &rejected.problem;
        // While the place is not known, a taken one follows from the refusal before it or from an earlier run.
        if problem.code == "position" && self.sealer.is_some() {
            return Err(self.second_writer(rejected, first.seq));
        }
        let what = if promised { ", which were kept for later and cannot be logged" } else { "" };
        self.office.out.warn(&format!(
            "the log refused {many} events{what}: {} ({}): {}; kept in {}",
            problem.title,
            problem.code,
            problem.detail,
            rejected.kept.display()
        ));
        self.sealer = None;
        self.covered = self.said;
        let hopeless = ["issuer-unknown", "issuer-closed", "epoch", "type-not-allowed", "signer-set", "signature"];
        if hopeless.contains(&problem.code.as_str()) {
            return Err(Failure::refused(&problem.code, "the log takes nothing more from this issuer")
                .side("issuer", &self.office.issuer)
                .side("the log says", &problem.detail)
                .side("kept in", rejected.kept.display())
                .now("ask the operator; what could not be logged is an incident of class logging-failure"));
        }
        Ok(())
    }

    fn second_writer(&self, rejected: &Rejected, first: u64) -> Failure {
        let problem = &rejected.problem;
        let expected = match (problem.expected_seq, &problem.expected_prev) {
            (Some(seq), Some(prev)) => format!("seq {seq} after event {prev}"),
            _ => problem.detail.clone(),
        };
        let key = self.office.key.vkey().keyid();
        let ours = format!("event {}, sealed from seq {first} on, signed by {key}", rejected.event_id);
        Failure::refused("gateway.second-writer", "another writer uses this issuer's chain: two gateways on one chain")
            .side("issuer", &self.office.issuer)
            .side("this gateway has", ours)
            .side("the log expects", expected)
            .side("kept in", rejected.kept.display())
            .now("one gateway for one issuer: let the workers use the other one, or open another issuer for this one")
    }

    /// Asks the log for the place in the chain and the readers.
    fn find_place(&mut self, now: Moment) -> Result<(), Failure> {
        self.next_find = now.at + FIND_PAUSE;
        let office = &self.office;
        let found =
            readers::sealer(office.remote, office.policy, &office.pinned, &office.issuer, &office.key, now.time.get());
        match found {
            Ok((sealer, standing)) => {
                self.heartbeat_s = Some(standing.opening.heartbeat_s);
                self.pulse = standing.next.recorded;
                if let Some(loss) = &mut self.loss {
                    loss.until.get_or_insert(standing.next.recorded);
                }
                self.sealer = Some(sealer);
                self.end_outage(now)
            }
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::NotYet) => {
                office.desk.trouble(failure.to_string(), None);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Everything that was kept is logged or refused: what has to be said about it is written down.
    fn end_outage(&mut self, now: Moment) -> Result<(), Failure> {
        let Some(sealer) = &self.sealer else { return Ok(()) };
        let Some(mut outage) = self.outage.take() else { return Ok(()) };
        let last = sealer.next().seq.saturating_sub(1);
        let lost = outage.refused > 0;
        if let (true, Some(loss)) = (lost, &mut self.loss) {
            let since = loss.until.map_or(outage.since, |until| until.get().min(outage.since));
            (outage.since, loss.until) = (since, Some(Time::new(since)));
        }
        let draft = outage.draft(self.office.spool.dir(), sealer.origin(), &self.office.issuer, last, now.time)?;
        self.office.out.warn(&format!(
            "what waited in the spool has its fate; the incident to be logged is in {}{}",
            draft.display(),
            if lost { self.held() } else { String::new() }
        ));
        if let (true, Some(loss)) = (lost, &mut self.loss) {
            loss.drafts.insert(draft.clone());
        }
        self.office.carrier.incident(draft);
        Ok(())
    }

    /// Two thirds of the promised interval, so that a slow log breaks no promise.
    fn heartbeat_due(&self, now: Moment) -> bool {
        let due = |interval: u64| now.time.get() >= self.pulse.get().saturating_add(interval / 3 * 2);
        self.heartbeat_s.is_some_and(due) && now.at >= self.next_beat && !self.office.desk.is_leaving()
    }

    /// What heartbeats leave out after a loss, and until when.
    fn held(&self) -> String {
        let until = self.loss.as_ref().and_then(|loss| loss.until).unwrap_or(Time::new(0));
        let until = clock::show(until.get());
        format!("; no heartbeat covers anything later than {until} until it is logged and its proof is beside it")
    }

    /// Up to when everything that this gateway knows of is in the chain: now, or just before the oldest access that waits, and
    /// never later than what is lost; but never earlier than the last heartbeat, which the log would refuse.
    fn covers(&self, oldest: Option<Instant>, now: Moment) -> Time {
        let age = oldest.map_or(0, |since| now.at.saturating_duration_since(since).as_secs() + 1);
        let known = Time::new(now.time.get().saturating_sub(age));
        let until = self.loss.as_ref().and_then(|loss| loss.until);
        until.map_or(known, |until| known.min(until)).max(self.covered)
    }

    /// Until something is due by itself.
    fn pause(&self, now: Moment) -> Duration {
        match self.office.settings.cadence {
            Some(_) => NAP.min(self.next_tick.saturating_duration_since(now.at)),
            None => NAP,
        }
    }

    /// Answers everybody who still waits.
    fn deny_all(&mut self, code: &'static str, why: &str) {
        let desk = self.office.desk;
        let flying = self.flights.iter_mut().flat_map(|flight| flight.waiting.drain(..)).map(|waiting| waiting.ask);
        for ask in flying.chain(desk.take(usize::MAX)) {
            count(&desk.counters.denied, ask.values.len());
            ask.answer(Answer::Unavailable(code, why.to_owned()));
        }
    }
}

impl First {
    /// Not known.
    const NONE: First = First { epoch: 0, seq: 0, prev: EventId::ZERO };

    fn of(event: &EventFile) -> First {
        First {
            epoch: event.header_int("epoch").and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or_default(),
            seq: event.header_int("seq").unwrap_or_default(),
            prev: event.header_text("prev").and_then(EventId::from_hex).unwrap_or(EventId::ZERO),
        }
    }
}
