//! Between the workers and the clerk: a bounded queue of accesses, and what became of parcels (design.md 5, `gateway`).
//!
//! Not here: what is done with them (`clerk`), HTTP.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use vitrine_spec::envelope::EventId;
use vitrine_spec::fields::Values;

use crate::answer::Proven;
use crate::deliver::Outcome;
use crate::exit::Failure;
use crate::http::Problem;
use crate::limits::GATEWAY_QUEUE_MAX;

/// What a worker is told.
#[derive(Debug)]
pub enum Answer {
    /// All are logged: the proof of each, and its identity.
    Logged(Vec<(EventId, Proven)>),
    /// All are sealed in the spool at these places, and will be logged.
    Spooled(Vec<(u64, EventId)>),
    /// Nothing was promised: why, as a code and in words.
    Unavailable(&'static str, String),
    /// The log refuses them.
    Refused(Box<Problem>),
}

/// Accesses that one request brought.
#[derive(Debug)]
pub struct Ask {
    /// What is to be logged, in the clear: in memory alone, until it is answered.
    pub values: Vec<Values>,
    /// When it came.
    pub since: Instant,
    /// How often it was sealed again.
    pub attempts: u32,
    reply: oneshot::Sender<Answer>,
}

impl Ask {
    /// Answers the worker, who may have gone.
    pub fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer);
    }
}

/// What became of parcels that were carried to the log.
#[derive(Debug)]
pub struct Done {
    /// Their numbers in the spool.
    pub numbers: Vec<u64>,
    /// What was logged and what was refused.
    pub outcome: Outcome,
    /// The failure that ends the gateway, if any.
    pub ended: Result<(), Failure>,
}

/// What the gateway counts, for `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Accesses taken into the queue.
    pub taken: AtomicU64,
    /// Accesses logged and proven.
    pub logged: AtomicU64,
    /// Accesses answered 202.
    pub spooled: AtomicU64,
    /// Accesses answered 503.
    pub denied: AtomicU64,
    /// Requests whose fields were not right.
    pub invalid: AtomicU64,
    /// Accesses that the log refused.
    pub refused: AtomicU64,
    /// Parcels written to the spool.
    pub parcels: AtomicU64,
    /// Sealing keys made.
    pub sealing_keys: AtomicU64,
    /// Heartbeats made.
    pub heartbeats: AtomicU64,
    /// Times at which the log could not answer.
    pub outages: AtomicU64,
}

/// Whether accesses are taken, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The place in the chain is not known yet.
    Starting(String),
    /// The log answers.
    Open,
    /// It does not: why.
    Away(String),
    /// The gateway ends.
    Leaving,
}

#[derive(Debug)]
struct Inner {
    asks: VecDeque<Ask>,
    waiting: usize,
    done: Vec<Done>,
    condition: Condition,
    trouble: Option<(String, Option<String>)>,
    leaving: bool,
    stopped: bool,
    rung: bool,
}

/// The queue and its bell.
#[derive(Debug)]
pub struct Desk {
    inner: Mutex<Inner>,
    bell: Condvar,
    /// What is counted.
    pub counters: Counters,
}

impl Default for Desk {
    fn default() -> Desk {
        let inner = Inner {
            asks: VecDeque::new(),
            waiting: 0,
            done: Vec::new(),
            condition: Condition::Starting("the log was not asked yet".to_owned()),
            trouble: None,
            leaving: false,
            stopped: false,
            rung: false,
        };
        Desk { inner: Mutex::new(inner), bell: Condvar::new(), counters: Counters::default() }
    }
}

/// Adds to a counter.
pub fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

impl Desk {
    /// Takes accesses, or says at once why not.
    pub fn ask(&self, values: Vec<Values>) -> Result<oneshot::Receiver<Answer>, Answer> {
        let mut inner = self.lock();
        if inner.leaving {
            return Err(Answer::Unavailable("leaving", "this gateway is ending".to_owned()));
        }
        if let Condition::Starting(why) = &inner.condition {
            return Err(Answer::Unavailable("starting", why.clone()));
        }
        if inner.waiting + values.len() > GATEWAY_QUEUE_MAX {
            let why = format!("{} accesses wait already, {GATEWAY_QUEUE_MAX} may", inner.waiting);
            return Err(Answer::Unavailable("busy", why));
        }
        let (reply, receiver) = oneshot::channel();
        count(&self.counters.taken, values.len());
        inner.waiting += values.len();
        inner.asks.push_back(Ask { values, since: Instant::now(), attempts: 0, reply });
        self.ring(&mut inner);
        Ok(receiver)
    }

    /// The oldest asks, up to about `most` accesses and at least one ask.
    pub fn take(&self, most: usize) -> Vec<Ask> {
        let mut inner = self.lock();
        let mut taken = Vec::new();
        let mut values = 0;
        while let Some(ask) = inner.asks.front() {
            if values > 0 && values + ask.values.len() > most {
                break;
            }
            values += ask.values.len();
            taken.extend(inner.asks.pop_front());
        }
        inner.waiting -= values;
        taken
    }

    /// Puts asks back that must be sealed again, before all others and in their order.
    pub fn put_back(&self, asks: Vec<Ask>) {
        let mut inner = self.lock();
        for ask in asks.into_iter().rev() {
            inner.waiting += ask.values.len();
            inner.asks.push_front(ask);
        }
        self.ring(&mut inner);
    }

    /// When the oldest ask came that still waits.
    pub fn oldest(&self) -> Option<Instant> {
        self.lock().asks.front().map(|ask| ask.since)
    }

    /// Accesses that wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Says what became of parcels.
    pub fn done(&self, done: Done) {
        let mut inner = self.lock();
        inner.done.push(done);
        inner.trouble = None;
        self.ring(&mut inner);
    }

    /// What became of parcels since the last call.
    pub fn take_done(&self) -> Vec<Done> {
        std::mem::take(&mut self.lock().done)
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        self.ring(&mut self.lock());
    }

    /// Says why the log does not take what is carried to it, with its code where it gave one.
    pub fn trouble(&self, why: String, code: Option<String>) {
        self.lock().trouble = Some((why, code));
    }

    /// The last trouble, while it lasts.
    pub fn last_trouble(&self) -> Option<(String, Option<String>)> {
        self.lock().trouble.clone()
    }

    /// Sets whether accesses are taken.
    pub fn set(&self, condition: Condition) {
        self.lock().condition = condition;
    }

    /// Whether accesses are taken.
    pub fn condition(&self) -> Condition {
        let inner = self.lock();
        if inner.leaving { Condition::Leaving } else { inner.condition.clone() }
    }

    /// No more is taken from now on.
    pub fn leave(&self) {
        let mut inner = self.lock();
        inner.leaving = true;
        self.ring(&mut inner);
    }

    /// Whether no more is taken.
    pub fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// Whoever carries parcels ends after the try that is under way.
    pub fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        self.ring(&mut inner);
    }

    /// Whether carrying ends.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits until somebody rings, at most so long.
    pub fn wait(&self, most: Duration) {
        let inner = self.lock();
        let (mut inner, _) =
            self.bell.wait_timeout_while(inner, most, |inner| !inner.rung).unwrap_or_else(PoisonError::into_inner);
        inner.rung = false;
    }

    /// Waits until carrying ends, at most so long.
    pub fn wait_stopped(&self, most: Duration) {
        let inner = self.lock();
        drop(self.bell.wait_timeout_while(inner, most, |inner| !inner.stopped));
    }

    fn ring(&self, inner: &mut Inner) {
        inner.rung = true;
        self.bell.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
