//! The vault: the log server's own issuer (85-log.md). Its heartbeats bound how long the log can have been silent, and before
//! a sealed record leaves, an access of the vault says who asked for it and why.
//!
//! Its key lies with the log's keys, its chain goes on from the state of the log, its events are admitted like any other.
//! The key that seals its accesses is in memory alone, for an hour at most, and is wrapped for the charter's readers.
//! Not here: whether a request may be answered (`vitrine_spec::request`), waiting for the checkpoint and sending (`http`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vitrine_spec::body::charter::Role;
use vitrine_spec::body::sealed::{SealingKey, Wrap};
use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::envelope::{Envelope, Submission, pae};
use vitrine_spec::event::{sealed_statement_value, statement_value};
use vitrine_spec::fields::{self, Field, Values};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::limits::SEALING_KEY_S;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::request::Granted;
use vitrine_spec::sealing::{self, Context};
use vitrine_spec::state::State;
use vitrine_spec::statement::{Kind, Sealed};
use vitrine_spec::words;
use vitrine_spec::wrap::{self, ENCAPSULATION_RANDOMNESS_BYTES, WindowKey, WrapFor};
use zeroize::Zeroizing;

use crate::admission::{Admission, NotTaken, Place};
use crate::keys::LogKeys;
use crate::time::Time;
use crate::view::{Step, View};

/// The issuer's name, which every charter opens.
pub const VAULT: &str = "vault";

/// The dataset of the vault's accesses: the sealed records of this log.
const DATASET: &str = "vault";
/// What was done, in the words of the interface.
const READ: &str = "GET /sealed";

/// Pause after a heartbeat that was not taken.
const RETRY: Duration = Duration::from_secs(30);
/// Longest pause between two looks at the clock: a suspended machine must not sleep past its heartbeat.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the vault has to say next, by the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A heartbeat in so many seconds; 0 is now.
    Heartbeat(u64),
    /// Nothing, for this reason.
    Nothing(String),
}

/// When the next heartbeat is due: in half the interval that the charter promises after the last event of the chain,
/// and at once in the first look of a run [S-21].
pub fn next(state: &State, vault: &str, first: bool, now: Time) -> Next {
    let Some(issuer) = state.issuer(VAULT) else {
        return Next::Nothing("this log's charter opens no vault".to_owned());
    };
    if !issuer.open || issuer.vkey.to_string() != vault {
        return Next::Nothing(format!(
            "the charter in force names the vault key {}, the key folder holds {vault}",
            issuer.vkey
        ));
    }
    let Some(interval) = issuer.heartbeat_s else {
        return Next::Nothing("the charter in force asks for no heartbeats".to_owned());
    };
    let last = issuer.last.map(|last| last.recorded.get());
    match last {
        Some(last) if !first => Next::Heartbeat((last + interval / 2).saturating_sub(now.get())),
        Some(_) | None => Next::Heartbeat(0),
    }
}

/// Where the vault's chain goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    epoch: u32,
    seq: u64,
    prev: String,
    /// Full hour of the event before it: `recorded` is not below it.
    hour: u64,
}

impl Link {
    /// `None` when the state has no vault.
    fn of(state: &State) -> Option<Link> {
        let issuer = state.issuer(VAULT)?;
        Some(match &issuer.last {
            Some(last) => Link {
                epoch: issuer.epoch,
                seq: last.seq + 1,
                prev: last.event_id.to_string(),
                hour: full_hour(last.recorded.get()),
            },
            None => Link { epoch: issuer.epoch, seq: 1, prev: "0".repeat(64), hour: 0 },
        })
    }

    fn header(&self, origin: &str, recorded: u64) -> Value {
        Value::object([
            ("origin", origin.into()),
            ("issuer", VAULT.into()),
            ("epoch", int(u64::from(self.epoch))),
            ("seq", int(self.seq)),
            ("prev", self.prev.as_str().into()),
            ("recorded", int(recorded)),
        ])
    }
}

fn full_hour(seconds: u64) -> u64 {
    seconds - seconds % 3_600
}

fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A subject of one digest.
fn subject(sha256: &str) -> Value {
    Value::Array(vec![Value::object([("digest", Value::object([("sha256", sha256.into())]))])])
}

/// The submission of a heartbeat: everything that the vault knows of up to `now` stands before it.
///
/// `None` when the state has no vault.
pub fn heartbeat(state: &State, origin: &str, seed: &Seed, now: Time) -> Option<Vec<u8>> {
    let link = Link::of(state)?;
    let body = Value::object([("to", int(now.get()))]);
    let header = link.header(origin, now.get());
    submission(&statement_value(Kind::Heartbeat, subject(&link.prev), header, body, None), seed, None)
}

/// The submission of a sealing key: W wrapped for each reader of the charter in force.
///
/// `randomness` gives what each wrap takes. `None` when the state has no vault, or a reader's key is none.
fn sealing_key(
    state: &State,
    origin: &str,
    seed: &Seed,
    window: &WindowKey,
    randomness: &[Zeroizing<[u8; ENCAPSULATION_RANDOMNESS_BYTES]>],
    now: Time,
) -> Option<Vec<u8>> {
    let link = Link::of(state)?;
    let wraps = state.readers().iter().zip(randomness).map(|(reader, randomness)| {
        let for_whom = WrapFor { origin, issuer: VAULT, epoch: link.epoch, seq: link.seq, reader: &reader.name };
        let wrap = wrap::wrap(window, &reader.seal, &for_whom, randomness).ok()?;
        Some(Wrap { reader: reader.name.clone(), key: wrap::reader_key_id(&reader.seal), wrap })
    });
    let body = SealingKey { check: window.check(), wraps: wraps.collect::<Option<_>>()? };
    let header = link.header(origin, now.get().max(link.hour));
    submission(
        &statement_value(Kind::SealingKey, subject(&body.digest().hex()), header, body.value(), None),
        seed,
        None,
    )
}

/// The submission of an access, and its sealed record.
///
/// `sealing_key` is the position of the key that `window` is of. `None` when the state has no vault.
fn access(
    state: &State,
    origin: &str,
    seed: &Seed,
    (window, sealing_key): (&WindowKey, u64),
    key: &RecordKey,
    values: &Values,
    now: Time,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let link = Link::of(state)?;
    let header = link.header(origin, full_hour(now.get()).max(link.hour));
    let commit = commit(&commitments(key, values.all()));
    let context = Context::new(&commit, &header.to_jcs());
    let record = sealing::seal(key, window, &context, &sealing::pad(values));
    let sealed = Sealed { key: sealing_key, sha256: Hash::of(&record), size: record.len() as u64 };
    let statement = sealed_statement_value(Kind::Access, header, &commit, &sealed);
    Some((submission(&statement, seed, Some(record.clone()))?, record))
}

/// Signs a statement as its only signer and prints the submission.
fn submission(statement: &Value, seed: &Seed, sealed: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let payload = statement.to_jcs();
    let signature = seed.sign_ed25519(&pae(&payload)).ok()?;
    let mut envelope = Envelope { payload, signatures: Vec::new() };
    envelope.add(seed.vkey().keyid(), signature);
    Some(Submission { envelope, sealed }.print())
}

/// A read of sealed records that was granted: what the vault logs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Name of the reader.
    pub reader: String,
    /// Whose reader it is.
    pub role: Role,
    /// The reader's own words.
    pub purpose: String,
    /// First entry.
    pub from: u64,
    /// Entry after the last.
    pub to: u64,
    /// SHA-256 of what was signed.
    pub id: Hash,
}

impl Reading {
    /// Of a request that was granted.
    pub fn of(granted: &Granted<'_>) -> Reading {
        Reading {
            reader: granted.reader.name.clone(),
            role: granted.reader.role,
            purpose: granted.request.purpose.clone(),
            from: granted.request.from,
            to: granted.request.to,
            id: granted.id,
        }
    }

    /// The 24 values of its access. The reader's words stand as the session: the occasion that it names; the range stands
    /// with the outcome.
    fn values(&self, now_ms: u64) -> Option<Values> {
        let purpose = match self.role {
            Role::Supervisor => "SUPERVISOR_AUDIT",
            Role::Vault | Role::Operator => "PROVIDER_REVIEW",
        };
        let native = format!("200 {}-{}", self.from, self.to);
        let mut values = fields::nothing();
        for (field, value) in [
            (Field::OccurredAt, fields::print_instant(i64::try_from(now_ms).ok()?)?.into()),
            (Field::Op, "read".into()),
            (Field::NativeOp, READ.into()),
            (Field::Actor, self.reader.as_str().into()),
            (
                Field::ActorSession,
                Value::object([("role", self.role.name().into()), ("session", self.purpose.as_str().into())]),
            ),
            (Field::Dataset, DATASET.into()),
            (Field::ObjectCount, int(self.to - self.from)),
            (Field::Purpose, purpose.into()),
            (Field::Outcome, Value::object([("native", native.into()), ("result", "success".into())])),
            (Field::NativeId, self.id.hex().into()),
        ] {
            *values.get_mut(field.number())? = value;
        }
        Values::new(values).ok()
    }
}

/// W and where its sealing key stands [S-44]. Wiped from memory when it is dropped.
struct Window {
    key: WindowKey,
    epoch: u32,
    seq: u64,
    recorded: u64,
    /// By a clock that nobody sets.
    made: Instant,
}

/// An access of the vault on its way into the log.
#[derive(Debug)]
pub struct Accessed {
    /// Its entry.
    pub place: Place,
    /// Its sealed record.
    pub record: Vec<u8>,
}

/// The log server as an issuer: one event at a time.
pub struct Vault {
    keys: Arc<LogKeys>,
    admission: Arc<Admission>,
    /// Held while an event is made and submitted: the next one stands behind it.
    window: Mutex<Option<Window>>,
}

impl Vault {
    /// The vault of these keys.
    pub fn new(keys: Arc<LogKeys>, admission: Arc<Admission>) -> Vault {
        Vault { keys, admission, window: Mutex::new(None) }
    }

    fn window(&self) -> MutexGuard<'_, Option<Window>> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn origin(&self) -> &str {
        self.keys.origin().as_str()
    }

    /// Logs a heartbeat.
    pub fn heartbeat(&self, now: Time) -> Result<Place, NotTaken> {
        let _one_at_a_time = self.window();
        let made = self.admission.with_state(|state| heartbeat(state, self.origin(), self.keys.vault(), now));
        self.admission.submit(&made.ok_or_else(|| NotTaken::Failed("this log has no vault".to_owned()))?)
    }

    /// Logs that records are about to be read; nothing may leave before this event is published.
    pub fn access(&self, reading: &Reading, now_ms: u64) -> Result<Accessed, NotTaken> {
        let failed = |what: &str| NotTaken::Failed(format!("the vault could not {what}"));
        let values = reading.values(now_ms).ok_or_else(|| failed("describe a read"))?;
        let now = Time::new(now_ms / 1_000);
        let mut window = self.window();
        let mut again = true;
        loop {
            let open = match window.take().filter(|window| self.is_open(window, now)) {
                Some(open) => Ok(open),
                None => self.open_window(now),
            };
            let open = match open {
                Err(NotTaken::Refused(Refusal::SealingKey(_))) if again => {
                    again = false;
                    continue;
                }
                other => other?,
            };
            let key = RecordKey::new(*random()?);
            let made = self.admission.with_state(|state| {
                access(state, self.origin(), self.keys.vault(), (&open.key, open.seq), &key, &values, now)
            });
            let (submission, record) = made.ok_or_else(|| failed("sign an access"))?;
            match self.admission.submit(&submission) {
                Ok(place) => {
                    *window = Some(open);
                    return Ok(Accessed { place, record });
                }
                // The readers changed, or the hour ended, since the key was looked at.
                Err(NotTaken::Refused(Refusal::SealingKey(_))) if again => again = false,
                Err(not_taken) => {
                    // The next access looks at it again.
                    *window = Some(open);
                    return Err(not_taken);
                }
            }
        }
    }

    /// Whether the next access may still use this key.
    fn is_open(&self, window: &Window, now: Time) -> bool {
        self.admission.with_state(|state| {
            let (Some(link), Some(name)) = (Link::of(state), words::Name::new(VAULT)) else { return false };
            let recorded = words::Time::new(full_hour(now.get()).max(link.hour));
            let open = state.sealing_key(&name, link.epoch, recorded, link.seq);
            window.epoch == link.epoch
                && open.is_ok_and(|open| open.seq == window.seq)
                && !window.is_old(now, Instant::now())
        })
    }

    /// Makes W and logs its sealing key.
    fn open_window(&self, now: Time) -> Result<Window, NotTaken> {
        let key = WindowKey::new(*random()?);
        let count = self.admission.with_state(|state| state.readers().len());
        let randomness = (0..count).map(|_| random()).collect::<Result<Vec<_>, _>>()?;
        let made = self
            .admission
            .with_state(|state| sealing_key(state, self.origin(), self.keys.vault(), &key, &randomness, now));
        let place = self.admission.submit(&made.ok_or_else(|| {
            NotTaken::Failed("the vault could not wrap a key for the readers of the charter".to_owned())
        })?)?;
        let header = &place.event.statement.header;
        let (epoch, seq, recorded) = (header.epoch, header.seq.unwrap_or(0), header.recorded.get());
        Ok(Window { key, epoch, seq, recorded, made: Instant::now() })
    }

    /// Forgets a key that has served its hour.
    fn forget_old(&self, now: Time) {
        let mut window = self.window();
        if window.as_ref().is_some_and(|window| window.is_old(now, Instant::now())) {
            *window = None;
        }
    }
}

impl Window {
    /// W is in memory for an hour at most [S-44], by both clocks: the one on the wall can be set back, the other one can stand
    /// still while the machine sleeps.
    fn is_old(&self, now: Time, at: Instant) -> bool {
        now.get() > self.recorded.saturating_add(SEALING_KEY_S)
            || at.saturating_duration_since(self.made) > Duration::from_secs(SEALING_KEY_S)
    }
}

/// Wiped when it is dropped: whoever has what a wrap took opens the wrap, and with it the hour.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, NotTaken> {
    let mut bytes = Zeroizing::new([0; N]);
    match getrandom::fill(&mut *bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(NotTaken::Failed(format!("the system gave no randomness: {error}"))),
    }
}

/// Logs heartbeats, and forgets old keys, until the server leaves.
pub async fn run(vault: Arc<Vault>, view: Arc<View>, mut leave: watch::Receiver<bool>) {
    let vkey = vault.keys.vault_vkey().to_string();
    let mut first = true;
    let mut said = String::new();
    loop {
        vault.forget_old(Time::now());
        let pause = match vault.admission.with_state(|state| next(state, &vkey, first, Time::now())) {
            // While admission is closed a heartbeat would be refused like anything else.
            Next::Heartbeat(0) if view.closed().is_none() => {
                let vault = Arc::clone(&vault);
                let logged = tokio::task::spawn_blocking(move || vault.heartbeat(Time::now())).await;
                match logged {
                    Ok(Ok(_)) => {
                        first = false;
                        continue;
                    }
                    Ok(Err(NotTaken::Refused(refusal))) => {
                        tracing::error!("the vault's heartbeat was not logged: {}: {refusal}", refusal.code());
                    }
                    Ok(Err(NotTaken::Failed(why))) => tracing::error!("the vault's heartbeat was not logged: {why}"),
                    Err(error) => tracing::error!("the vault's heartbeat was not logged: {error}"),
                }
                RETRY
            }
            Next::Heartbeat(0) if view.step() == Step::Ready => RETRY,
            Next::Heartbeat(0) => Duration::from_millis(100),
            Next::Heartbeat(seconds) => Duration::from_secs(seconds).min(LOOK_EVERY),
            Next::Nothing(why) => {
                if said != why {
                    tracing::warn!("no heartbeats: {why}");
                    said = why;
                }
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = leave.wait_for(|left| *left) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::fake::{Actor, ORIGIN, charter};
    use crate::fold;
    use vitrine_spec::admission::{self, Facts};
    use vitrine_spec::checkpoint::Origin;

    const DAY: u64 = 86_400;

    /// The state after the charter.
    fn begun(keys: &LogKeys) -> State {
        let (mut operator, supervisor) = (Actor::new("operator", 40), Actor::new("supervisor", 41));
        let charter = charter(keys, &mut operator, &supervisor)["envelope"].to_string();
        let draft = admission::read_envelope(charter.as_bytes(), keys.origin()).unwrap();
        let leaf = draft.parse(&State::default()).unwrap().leaf();
        let mut state = State::default();
        fold::one(&mut state, keys.origin(), &leaf, Some(Time::now())).unwrap();
        state
    }

    /// Admits a submission as the log would.
    fn admit(state: &mut State, submission: &[u8], now: Time) {
        let event = admission::read(submission, &Origin::new(ORIGIN).unwrap()).unwrap().parse(state).unwrap();
        let keys = admission::authority(state, &event).unwrap();
        admission::check_signatures(&event, &keys).unwrap();
        let arrival = vitrine_spec::words::Time::new(now.get());
        let effects = admission::judge(state, &Facts::default(), &event, Some(arrival)).unwrap();
        state.apply(&effects);
    }

    #[test]
    fn heartbeats_come_at_the_start_and_at_half_the_interval() {
        // [S-21]
        let dir = tempfile::tempdir().unwrap();
        let keys = LogKeys::generate(dir.path(), ORIGIN, None).unwrap();
        let vault = keys.vault_vkey().to_string();
        let mut state = begun(&keys);
        let now = Time::now();
        assert_eq!(
            next(&state, &vault, false, now),
            Next::Heartbeat(0),
            "a chain without events has been silent too long"
        );
        for (at, seq) in [(now, 1), (now.plus(DAY), 2)] {
            let submission = heartbeat(&state, ORIGIN, keys.vault(), at).unwrap();
            admit(&mut state, &submission, at);
            assert_eq!(state.issuer(VAULT).unwrap().last.unwrap().seq, seq, "the chain goes on");
            assert_eq!(next(&state, &vault, true, at), Next::Heartbeat(0), "each start says that the log is there");
            assert_eq!(next(&state, &vault, false, at), Next::Heartbeat(DAY / 2));
            assert_eq!(next(&state, &vault, false, at.plus(DAY / 2 - 1)), Next::Heartbeat(1));
            assert_eq!(next(&state, &vault, false, at.plus(DAY)), Next::Heartbeat(0));
        }
    }

    #[test]
    fn a_vault_whose_key_is_not_the_charters_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let keys = LogKeys::generate(&dir.path().join("a"), ORIGIN, None).unwrap();
        let other = LogKeys::generate(&dir.path().join("b"), ORIGIN, None).unwrap();
        let other = other.vault_vkey().to_string();
        match next(&begun(&keys), &other, true, Time::now()) {
            Next::Nothing(why) => {
                assert!(why.contains(&other) && why.contains(&keys.vault_vkey().to_string()), "{why}")
            }
            Next::Heartbeat(seconds) => unreachable!("a heartbeat in {seconds} s by a key that nobody registered"),
        }
        assert!(matches!(next(&State::default(), &other, true, Time::now()), Next::Nothing(_)));
        assert_eq!(heartbeat(&State::default(), ORIGIN, keys.vault(), Time::now()), None);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_key() {
        // [S-44]
        let made = Instant::now();
        let window = Window { key: WindowKey::new([0; 32]), epoch: 1, seq: 2, recorded: 86_400, made };
        let old = |now, later| window.is_old(Time::new(now), made + Duration::from_secs(later));
        assert_eq!(
            [old(90_000, 3_600), old(90_001, 0), old(80_000, 3_600), old(80_000, 3_601)],
            [false, true, false, true]
        );
    }

    #[test]
    fn an_access_is_sealed_for_the_readers_and_an_hour_has_one_key() {
        // [S-43] [S-44]
        let dir = tempfile::tempdir().unwrap();
        let keys = Arc::new(LogKeys::generate(dir.path(), ORIGIN, None).unwrap());
        let lookup = Arc::new(Nothing);
        let admission = Admission::new(
            keys.origin().clone(),
            begun(&keys),
            lookup,
            Box::new(|_| None),
            Arc::new(crate::metrics::Metrics::new()),
            Box::new(|| {}),
        );
        let vault = Vault::new(Arc::clone(&keys), Arc::new(admission));
        let reading = |number: u8| Reading {
            reader: "vault".to_owned(),
            role: Role::Vault,
            purpose: "a look".to_owned(),
            from: 3,
            to: 9,
            id: Hash::of(&[number]),
        };
        // `recorded` may be a minute ahead of the clock, no more: the hour is counted backwards from it.
        let now = Time::now().get() * 1_000;
        let seqs = |from: u64, number| {
            let event = vault.access(&reading(number), from).unwrap().place.event;
            (event.statement.header.seq.unwrap(), event.statement.sealed.unwrap().key)
        };
        let hours = |count: u64| now - count * 3_600_000;
        assert_eq!(seqs(hours(3), 1), (2, 1), "the sealing key comes first");
        assert_eq!(seqs(hours(3) + 1_000, 2), (3, 1));
        assert_eq!(vault.heartbeat(Time::new(hours(2) / 1_000)).unwrap().event.statement.header.seq, Some(4));
        assert_eq!(seqs(hours(1), 3), (6, 5), "after more than an hour another key");
        assert_eq!(seqs(hours(1), 4), (7, 5));
        vault.forget_old(Time::new(hours(0) / 1_000 + 60));
        assert!(vault.window().is_none(), "its hour is over");
        assert_eq!(seqs(now, 5), (9, 8), "nobody has the old one any more");
        let values = reading(1).values(now).unwrap();
        assert_eq!(values.text(Field::Purpose), Some("PROVIDER_REVIEW"));
        assert_eq!(*values.get(Field::ObjectCount), Value::Int(6));
    }

    #[test]
    fn an_access_for_which_there_is_no_room_costs_no_key() {
        // [S-44]
        let dir = tempfile::tempdir().unwrap();
        let keys = Arc::new(LogKeys::generate(dir.path(), ORIGIN, None).unwrap());
        let admission = Arc::new(
            Admission::new(
                keys.origin().clone(),
                begun(&keys),
                Arc::new(Nothing),
                Box::new(|_| None),
                Arc::new(crate::metrics::Metrics::new()),
                Box::new(|| {}),
            )
            .with_pool_entries_max(1),
        );
        let vault = Vault::new(keys, Arc::clone(&admission));
        let reading = |number: u8| Reading {
            reader: "vault".to_owned(),
            role: Role::Vault,
            purpose: "a look".to_owned(),
            from: 3,
            to: 9,
            id: Hash::of(&[number]),
        };
        let now = Time::now().get() * 1_000;
        let full = vault.access(&reading(1), now).unwrap_err();
        assert!(matches!(full, NotTaken::Refused(Refusal::QuorumUnavailable(_))), "{full:?}");
        assert_eq!(admission.take().len(), 1, "the sealing key");
        let event = vault.access(&reading(1), now).unwrap().place.event;
        assert_eq!((event.statement.header.seq.unwrap(), event.statement.sealed.unwrap().key), (2, 1));
    }

    /// An index of nothing: all that is logged is in the pool.
    struct Nothing;

    impl crate::admission::Lookup for Nothing {
        fn find(&self, _: &admission::Query) -> Result<Option<admission::Logged>, String> {
            Ok(None)
        }

        fn covered(&self) -> vitrine_spec::tree::TreeSize {
            vitrine_spec::tree::TreeSize::new(1)
        }
    }
}
