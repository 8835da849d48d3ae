//! Sealing accesses for a chain: values in, signed submissions in the order of the chain out (72-sealed.md; leaf-format.md 6).
//!
//! Three steps: keys, commitments and padding of all events at once; then one after another what the event before decides
//! (header, context, slot and ciphertext, payload, identity); then all signatures at once. K and W are never written and leave
//! memory overwritten. Not here: where the chain stands and who reads (`readers`), sending (`deliver`), what a value means.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use vitrine_spec::body::charter::Reader;
use vitrine_spec::body::sealed::{SealingKey, Wrap};
use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::envelope::{Envelope, EventId, pae};
use vitrine_spec::event::{sealed_statement_value, statement_value};
use vitrine_spec::fields::Values;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::limits::{SEALING_KEY_EVENTS, SEALING_KEY_S};
use vitrine_spec::sealing::{Context, pad, seal};
use vitrine_spec::statement::{Kind, Sealed};
use vitrine_spec::text::b64;
use vitrine_spec::words::{Name, Time};
use vitrine_spec::wrap::{WindowKey, WrapFor, reader_key_id, wrap};
use zeroize::Zeroizing;

use crate::event_file::{Members, number};
use crate::exit::Failure;

use crate::place::{Next, digest_subject};
use crate::spool::Record;

/// An event that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The signed envelope.
    pub envelope: Envelope,
    /// The sealed record of an access.
    pub record: Option<Vec<u8>>,
    /// `access`, `sealing-key` or `heartbeat`.
    pub kind: Kind,
    /// Its identity.
    pub event_id: EventId,
}

impl Signed {
    /// The record of a spool: as it will be sent, in its place, its proof taken from the outcome of the delivery.
    pub fn waiting(&self) -> Record {
        let envelope = String::from_utf8_lossy(&self.envelope.leaf()).into_owned();
        Record {
            about: None,
            file: None,
            proof: None,
            source: self.event_id.hex(),
            envelope,
            unplaced: false,
            asks_release: false,
            sealed: self.record.as_ref().map(|record| b64(record)),
        }
    }
}

/// One sealing key of ours: W and the event that wrapped it.
#[derive(Clone)]
struct Window {
    key: WindowKey,
    seq: u64,
    recorded: Time,
    /// By a clock that nobody sets.
    made: Instant,
}

/// Seals and signs for one chain, and knows its next place.
///
/// What it returns must be logged in that order, or the sealer be made anew: each event names the one before it.
#[derive(Clone)]
pub struct Sealer {
    key: Seed,
    origin: String,
    issuer: Name,
    epoch: u32,
    site: Option<String>,
    readers: Vec<Reader>,
    next: Next,
    window: Option<Window>,
}

/// What the parallel half leaves of one event.
struct Prepared {
    key: RecordKey,
    commit: Hash,
    plain: Zeroizing<Vec<u8>>,
}

/// An event without its signature.
struct Unsigned {
    payload: Vec<u8>,
    event_id: EventId,
    record: Option<Vec<u8>>,
    kind: Kind,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} epoch {}, next seq {})", self.issuer, self.epoch, self.next.seq)
    }
}

impl Sealer {
    /// For the open epoch of `issuer`, whose current key is `key`, at its next place.
    ///
    /// `site` is the first that the issuer's opening lists; `readers` are those of the charter in force.
    pub fn new(
        key: Seed,
        origin: String,
        issuer: Name,
        epoch: u32,
        site: Option<String>,
        readers: Vec<Reader>,
        next: Next,
    ) -> Sealer {
        Sealer { key, origin, issuer, epoch, site, readers, next, window: None }
    }

    /// Where the next event goes.
    pub fn next(&self) -> Next {
        self.next
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Drops a W that is an hour old: it stays in memory no longer than that, whether or not another access comes.
    pub fn expire(&mut self, now: Time) {
        if self.window.as_ref().is_some_and(|window| !window.is_young(now, Instant::now())) {
            self.window = None;
        }
    }

    /// Seals one access for each of the values, with a sealing key before them where one is due.
    ///
    /// # Errors
    /// No randomness, or a reader's key that takes no wrap; nothing is used up then.
    pub fn seal(&mut self, values: Vec<Values>, now: Time) -> Result<Vec<Signed>, Failure> {
        let prepared: Vec<Prepared> =
            values.into_par_iter().map(|values| Prepared::new(&values)).collect::<Result<_, _>>()?;
        let (mut next, mut window) = (self.next, self.window.clone());
        let mut unsigned = Vec::with_capacity(prepared.len() + 1);
        for prepared in &prepared {
            let recorded = now.hour().max(next.recorded.hour());
            let open = match window.take().filter(|window| window.fits(now, recorded, next.seq)) {
                Some(window) => window,
                None => {
                    let (window, event) = self.new_window(&next, now.max(next.recorded.hour()))?;
                    next = after(&next, &event, window.recorded);
                    unsigned.push(event);
                    window
                }
            };
            let event = self.access(prepared, &open, &next, recorded);
            next = after(&next, &event, recorded);
            unsigned.push(event);
            window = Some(open);
        }
        let signed = self.sign(unsigned)?;
        (self.next, self.window) = (next, window);
        Ok(signed)
    }

    /// A heartbeat: everything that this issuer knows of up to `to` stands in the chain before it.
    ///
    /// # Errors
    /// A key that does not sign events.
    pub fn heartbeat(&mut self, to: Time, now: Time) -> Result<Signed, Failure> {
        let recorded = now.max(self.next.recorded.hour());
        let body = Value::object([("to", number(to.min(recorded).get()))]);
        let subject = digest_subject(&self.next.prev.hex());
        let event = self.plain_event(Kind::Heartbeat, &self.next, recorded, subject, body);
        let next = after(&self.next, &event, recorded);
        let signed = self.sign(vec![event])?;
        self.next = next;
        signed.into_iter().next().ok_or_else(|| Failure::usage("sealing", "nothing was signed"))
    }

    /// A new W, and the `sealing-key` that wraps it for every reader.
    fn new_window(&self, next: &Next, recorded: Time) -> Result<(Window, Unsigned), Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        let key = WindowKey::new(*bytes);
        let mut wraps = Vec::with_capacity(self.readers.len());
        for reader in &self.readers {
            let target = WrapFor {
                origin: &self.origin,
                issuer: self.issuer.as_str(),
                epoch: self.epoch,
                seq: next.seq,
                reader: &reader.name,
            };
            let mut randomness = Zeroizing::new([0; 64]);
            fill(&mut *randomness)?;
            let wrapped = wrap(&key, &reader.seal, &target, &randomness).map_err(|error| {
                Failure::refused("sealing.reader", "a reader's key takes no wrap")
                    .side("reader", &reader.name)
                    .side("reason", error)
                    .now("the charter in force must name another key for this reader")
            })?;
            wraps.push(Wrap { reader: reader.name.clone(), key: reader_key_id(&reader.seal), wrap: wrapped });
        }
        let body = SealingKey { check: key.check(), wraps };
        let subject = digest_subject(&body.digest().hex());
        let body = body.value();
        let event = self.plain_event(Kind::SealingKey, next, recorded, subject, body);
        Ok((Window { key, seq: next.seq, recorded, made: Instant::now() }, event))
    }

    fn plain_event(&self, kind: Kind, next: &Next, recorded: Time, subject: Value, body: Value) -> Unsigned {
        let header = self.header(next, recorded);
        Unsigned::new(kind, &statement_value(kind, Value::Array(vec![subject]), header, body, None), None)
    }

    fn access(&self, prepared: &Prepared, window: &Window, next: &Next, recorded: Time) -> Unsigned {
        let header = self.header(next, recorded);
        let context = Context::new(&prepared.commit, &header.to_jcs());
        let record = seal(&prepared.key, &window.key, &context, &prepared.plain);
        let sealed = Sealed { key: window.seq, sha256: Hash::of(&record), size: record.len() as u64 };
        let statement = sealed_statement_value(Kind::Access, header, &prepared.commit, &sealed);
        Unsigned::new(Kind::Access, &statement, Some(record))
    }

    fn header(&self, next: &Next, recorded: Time) -> Value {
        let mut header = Value::object([
            ("origin", self.origin.as_str().into()),
            ("issuer", self.issuer.as_str().into()),
            ("epoch", number(self.epoch.into())),
            ("seq", number(next.seq)),
            ("prev", next.prev.hex().into()),
            ("recorded", number(recorded.get())),
        ]);
        if let Some(site) = &self.site {
            header.set("site", site.as_str().into());
        }
        header
    }

    fn sign(&self, unsigned: Vec<Unsigned>) -> Result<Vec<Signed>, Failure> {
        let keyid = self.key.vkey().keyid();
        let signer = self.key.signer().map_err(|error| {
            Failure::usage("key.kind", "this key does not sign events").side("key", &keyid).side("rule", error)
        })?;
        let sign = |event: Unsigned| {
            let sig = signer.sign(&pae(&event.payload));
            let mut envelope = Envelope { payload: event.payload, signatures: Vec::new() };
            envelope.add(keyid.clone(), sig);
            Signed { envelope, record: event.record, kind: event.kind, event_id: event.event_id }
        };
        Ok(unsigned.into_par_iter().map(sign).collect())
    }
}

fn after(next: &Next, event: &Unsigned, recorded: Time) -> Next {
    Next { seq: next.seq + 1, prev: event.event_id, recorded }
}

impl Window {
    /// By both clocks: the one on the wall can be set back, or have been ahead when W was made; the other one can stand still
    /// while the machine sleeps.
    fn is_young(&self, now: Time, at: Instant) -> bool {
        now.get() < self.recorded.get().saturating_add(SEALING_KEY_S)
            && at.saturating_duration_since(self.made) < Duration::from_secs(SEALING_KEY_S)
    }

    /// Whether an event may still use it; W itself is given up after an hour of our own clock.
    fn fits(&self, now: Time, recorded: Time, seq: u64) -> bool {
        self.is_young(now, Instant::now())
            && recorded.get() <= self.recorded.get() + SEALING_KEY_S
            && seq <= self.seq + SEALING_KEY_EVENTS
    }
}

impl Prepared {
    fn new(values: &Values) -> Result<Prepared, Failure> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        let key = RecordKey::new(*bytes);
        let commit = commit(&commitments(&key, values.all()));
        Ok(Prepared { key, commit, plain: pad(values) })
    }
}

impl Unsigned {
    fn new(kind: Kind, statement: &Value, record: Option<Vec<u8>>) -> Unsigned {
        let payload = statement.to_jcs();
        Unsigned { event_id: EventId::of(&payload), payload, record, kind }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::usage("sealing.random", "the system gave no randomness").side("system", error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::readers;
    use crate::world::{NOW, World, event_key, values};

    const HALF_PAST: Time = Time::new(NOW + 1_800);

    fn sealer(world: &World) -> Sealer {
        let issuer = Name::new("gateway").unwrap();
        let key = event_key("gateway");
        readers::sealer(world, &world.policy(), &world.fingerprint(), &issuer, &key, NOW).unwrap().0
    }

    fn some(numbers: std::ops::Range<u32>) -> Vec<Values> {
        numbers.map(|number| values(&number.to_string())).collect()
    }

    fn log(world: &World, signed: &[Signed]) {
        for event in signed {
            world.submit_signed(event).unwrap();
        }
    }

    fn kinds(signed: &[Signed]) -> Vec<&'static str> {
        signed.iter().map(|event| event.kind.name()).collect()
    }

    #[test]
    fn what_is_sealed_is_admitted_and_read_by_every_reader() {
        // [R-6] [R-12] [R-14]
        let world = World::access();
        let mut sealer = sealer(&world);
        let first = sealer.seal(some(0..3), HALF_PAST).unwrap();
        assert_eq!(kinds(&first), ["sealing-key", "access", "access", "access"]);
        let more = sealer.seal(some(3..5), HALF_PAST).unwrap();
        assert_eq!(kinds(&more), ["access", "access"], "one W for the hour");
        let beat = sealer.heartbeat(HALF_PAST, HALF_PAST).unwrap();
        log(&world, &first);
        log(&world, &more);
        log(&world, &[beat]);
        assert_eq!(world.read_all(), some(0..5));
        assert_eq!(sealer.next().seq, 9);
        assert_eq!(world.event(3).header_int("recorded"), Some(NOW), "the full hour");
        assert_eq!(world.event(3).header_text("site"), Some("CH-ZH-1"));
    }

    #[test]
    fn no_two_records_share_a_key_even_of_the_same_values() {
        //
        let world = World::access();
        let signed = sealer(&world).seal(vec![values("x"), values("x")], HALF_PAST).unwrap();
        let records: Vec<&[u8]> = signed.iter().filter_map(|event| event.record.as_deref()).collect();
        assert_eq!(records[0].len(), records[1].len());
        assert_ne!(records[0], records[1]);
        assert_ne!(records[0][48..], records[1][48..]);
    }

    #[test]
    fn a_window_key_is_renewed_each_hour() {
        //
        let world = World::access();
        let mut sealer = sealer(&world);
        log(&world, &sealer.seal(some(0..1), HALF_PAST).unwrap());
        let before = sealer.seal(some(1..2), Time::new(NOW + 1_800 + 3_599)).unwrap();
        assert_eq!(kinds(&before), ["access"]);
        let after = sealer.seal(some(2..3), Time::new(NOW + 1_800 + 3_600)).unwrap();
        assert_eq!(kinds(&after), ["sealing-key", "access"]);
        log(&world, &before);
        log(&world, &after);
        assert_eq!(world.read_all(), some(0..3));
    }

    #[test]
    fn a_window_key_does_not_outlive_its_hour_and_its_events() {
        let made = Instant::now();
        let window = Window { key: WindowKey::new([0; 32]), seq: 2, recorded: Time::new(NOW), made };
        let young = |now, later| window.is_young(Time::new(now), made + Duration::from_secs(later));
        assert!(young(NOW, 3_599) && young(NOW - 86_400, 3_599));
        assert!(!young(NOW, 3_600) && !young(NOW - 86_400, 3_600), "a clock that was set back keeps no key");
        let fits = |now, seq| window.fits(Time::new(now), Time::new(now).hour(), seq);
        assert!(fits(NOW + 3_599, 2 + 65_536));
        assert!(!fits(NOW + 3_600, 3));
        assert!(!fits(NOW, 3 + 65_536));
        let world = World::access();
        let mut sealer = sealer(&world);
        sealer.seal(some(0..1), HALF_PAST).unwrap();
        sealer.expire(Time::new(NOW + 1_800 + 3_599));
        assert!(sealer.window.is_some());
        sealer.expire(Time::new(NOW + 1_800 + 3_600));
        assert!(sealer.window.is_none());
    }

    #[test]
    fn a_clock_that_goes_back_breaks_no_chain() {
        //
        let world = World::access();
        let mut sealer = sealer(&world);
        for now in [NOW + 3_600, NOW + 3_590, NOW + 3_601] {
            log(&world, &sealer.seal(some(0..1), Time::new(now)).unwrap());
            log(&world, &[sealer.heartbeat(Time::new(NOW), Time::new(now)).unwrap()]);
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let world = World::access();
        let mut sealer = sealer(&world);
        sealer.seal(some(0..1), HALF_PAST).unwrap();
        assert_eq!(format!("{sealer:?}"), "Sealer(gateway epoch 1, next seq 4)");
    }
}
