//! Where the next event of an issuer goes: what `/issuers/<name>` says, put into a statement (design-events.md 2).
//!
//! The answer is a convenience and is not believed: a wrong place is refused by the log, never logged. What goes into headers
//! for good, the site, comes from an opening that the issuer itself signed.
//! Not here: asking (`http`), signing.

use std::collections::BTreeMap;

use serde::Deserialize;
use vitrine_spec::body::Body;
use vitrine_spec::body::issuer::Open;
use vitrine_spec::envelope::{EventId, pae};
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{INT_MAX, Value};
use vitrine_spec::key::Vkey;
use vitrine_spec::text::unb64;
use vitrine_spec::words::Time;

use crate::event_file::{EventFile, Members, int, number};
use crate::exit::Failure;
use crate::http::Problem;

/// What `prev` is at seq 1.
pub const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A number that is not counted on from: a parcel of 4,096 events must still fit below the largest integer of JSON.
const SEQ_MAX: u64 = INT_MAX.unsigned_abs() - 4_096;

/// Where one issuer's chain and streams stand, advanced as events are placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The epoch that is open.
    pub epoch: u32,
    /// The key that is current.
    pub vkey: String,
    /// The next seq.
    pub seq: u64,
    /// The event before it, hex.
    pub prev: String,
    /// (packageId, channel) → next release_seq.
    pub releases: BTreeMap<(String, String), u64>,
    /// Full hour of the event before it: nothing after it in the chain is recorded earlier [A-12].
    pub hour: u64,
}

/// The answer of `GET /issuers/<name>`, as far as a place needs it.
#[derive(Debug, Deserialize)]
struct Answer {
    epoch: u32,
    vkey: String,
    open: bool,
    last: Option<Last>,
    #[serde(default)]
    streams: Vec<Stream>,
    opened: Option<Opening>,
}

#[derive(Debug, Deserialize)]
struct Last {
    seq: u64,
    event_id: String,
    #[serde(default)]
    recorded: u64,
}

#[derive(Debug, Deserialize)]
struct Opening {
    leaf: String,
}

#[derive(Debug, Deserialize)]
struct Stream {
    #[serde(rename = "packageId")]
    package_id: String,
    channel: String,
    next_release_seq: u64,
}

/// Where the next event of a chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its number.
    pub seq: u64,
    /// The event before it.
    pub prev: EventId,
    /// `recorded` of the event before it, 0 when there is none: an event is not below its full hour [A-12].
    pub recorded: Time,
}

/// What an issuer may log: its opening, which its own key signed.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The log that it opens it in.
    pub origin: String,
    /// The epoch that it opens.
    pub epoch: u32,
    /// What it says.
    pub open: Open,
    /// The entry.
    pub leaf: Vec<u8>,
}

/// What the log says of an issuer that seals: the next place unproven, everything else by an opening that our own key signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The epoch that is open.
    pub epoch: u32,
    /// Where the next event goes.
    pub next: Next,
    /// Its opening.
    pub opening: Open,
}

impl Standing {
    /// Reads the answer of `/issuers/<name>` for whoever holds `key`.
    ///
    /// # Errors
    /// It is none; the issuer has another key; the opening is not the one of this log, issuer and epoch that this key signed.
    pub fn read(origin: &str, name: &str, key: &Vkey, answer: &[u8]) -> Result<Standing, Failure> {
        let (place, opened, recorded) = Opened::with_place(name, key, answer)?;
        if opened.origin != origin {
            return Err(no_opening(name, "it is of another log, issuer or epoch"));
        }
        let prev = EventId::from_hex(&place.prev).ok_or_else(|| no_opening(name, "the last event has no identity"))?;
        Ok(Standing {
            epoch: place.epoch,
            next: Next { seq: place.seq, prev, recorded: Time::new(recorded) },
            opening: opened.open,
        })
    }
}

fn no_opening(name: &str, why: &str) -> Failure {
    Failure::new(
        crate::exit::Exit::Unreachable,
        "issuers.malformed",
        "the log's answer about an issuer holds no opening of it",
    )
    .side("issuer", name)
    .side("reason", why)
}

impl Opened {
    /// Reads the answer of `/issuers/<name>` for whoever holds `key`.
    ///
    /// # Errors
    /// It is none; the issuer has another key; the opening is not the one of this issuer and epoch that this key signed.
    pub fn read(name: &str, key: &Vkey, answer: &[u8]) -> Result<Opened, Failure> {
        Opened::with_place(name, key, answer).map(|(_, opened, _)| opened)
    }

    /// The same with the issuer's place, and when the event before it was recorded.
    fn with_place(name: &str, key: &Vkey, answer: &[u8]) -> Result<(Place, Opened, u64), Failure> {
        let (place, answer) = Place::read_all(name, answer)?;
        if place.vkey != key.to_string() {
            return Err(Failure::usage("submit.key", "the key given is not the issuer's current one")
                .side("issuer", name)
                .side("given", key.keyid())
                .side("current", &place.vkey)
                .now("give the current key with --key FILE"));
        }
        let leaf = answer.opened.and_then(|opened| unb64(&opened.leaf).ok());
        let opened = Opened::of_leaf(name, key, leaf.ok_or_else(|| no_opening(name, "it is no event"))?)?;
        if opened.epoch != place.epoch {
            return Err(no_opening(name, "it is of another log, issuer or epoch"));
        }
        Ok((place, opened, answer.last.map_or(0, |last| last.recorded)))
    }

    /// Reads an opening that was kept.
    pub fn of_leaf(name: &str, key: &Vkey, leaf: Vec<u8>) -> Result<Opened, Failure> {
        let event = Event::read_leaf(&leaf).map_err(|_| no_opening(name, "it is no event"))?;
        let message = pae(event.payload());
        let mut signatures = event.envelope.signatures.iter();
        let signed = signatures.any(|one| one.keyid == key.keyid() && key.verify(&message, &one.sig));
        let header = event.statement.header;
        let Body::Open(open) = event.statement.body else { return Err(no_opening(name, "it is of another type")) };
        if header.issuer.as_str() != name {
            return Err(no_opening(name, "it is of another log, issuer or epoch"));
        }
        if !signed {
            return Err(no_opening(name, "it is not signed by the issuer's key"));
        }
        Ok(Opened { origin: header.origin, epoch: header.epoch, open: *open, leaf })
    }
}

/// A place that the log named when it refused another one: of events that it has taken, whether they are published yet or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    next: Option<(u64, String)>,
    releases: BTreeMap<(String, String), u64>,
}

impl Told {
    /// Takes what a refusal of `event` names; the latest word counts.
    pub fn hear(&mut self, event: &EventFile, problem: &Problem) {
        if let (Some(seq), Some(prev)) = (problem.expected_seq, &problem.expected_prev)
            && seq < SEQ_MAX
            && Hash::from_hex(prev).is_ok()
        {
            self.next = Some((seq, prev.clone()));
        }
        if let Some(next) = problem.expected_release_seq.filter(|next| *next < SEQ_MAX) {
            self.releases.insert(stream_of(event), next);
        }
    }
}

/// packageId and channel of an update.
fn stream_of(event: &EventFile) -> (String, String) {
    let of = |name: &str| event.body(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    (of("packageId"), of("channel"))
}

impl Place {
    /// Reads the answer of `/issuers/<name>`.
    pub fn read(name: &str, answer: &[u8]) -> Result<Place, Failure> {
        Place::read_all(name, answer).map(|(place, _)| place)
    }

    fn read_all(name: &str, answer: &[u8]) -> Result<(Place, Answer), Failure> {
        let malformed = |why: String| {
            Failure::new(
                crate::exit::Exit::Unreachable,
                "issuers.malformed",
                "the log's answer about an issuer is not one",
            )
            .side("issuer", name)
            .side("reason", why)
            .now("check that the address is the log's; or give --seq and --prev")
        };
        let answer: Answer = serde_json::from_slice(answer).map_err(|error| malformed(error.to_string()))?;
        // What is signed for this place must be an event, whatever the answer says.
        if let Some(last) = &answer.last {
            Hash::from_hex(&last.event_id).map_err(|error| malformed(format!("last.event_id: {error}")))?;
        }
        let seq = answer.last.as_ref().map(|last| last.seq);
        if seq.into_iter().chain(answer.streams.iter().map(|stream| stream.next_release_seq)).any(|at| at >= SEQ_MAX) {
            return Err(malformed("a sequence number that leaves no room for the next".to_owned()));
        }
        if !answer.open {
            return Err(Failure::refused("issuer-closed", "this issuer is closed and takes no more events")
                .side("issuer", name)
                .side("last epoch", answer.epoch)
                .now("the operator opens it again with: log-client event new issuer-open --epoch N"));
        }
        let (seq, prev) =
            answer.last.as_ref().map_or((1, ZEROS.to_owned()), |last| (last.seq + 1, last.event_id.clone()));
        let releases = answer
            .streams
            .iter()
            .map(|stream| ((stream.package_id.clone(), stream.channel.clone()), stream.next_release_seq))
            .collect();
        let hour = answer.last.as_ref().map_or(0, |last| Time::new(last.recorded).hour().get());
        Ok((Place { epoch: answer.epoch, vkey: answer.vkey.clone(), seq, prev, releases, hour }, answer))
    }

    /// Goes on to where a refusal said that the chain and its streams are.
    pub fn told(&mut self, told: &Told) {
        if let Some((seq, prev)) = told.next.as_ref().filter(|(seq, _)| *seq > self.seq) {
            (self.seq, self.prev) = (*seq, prev.clone());
        }
        for (stream, next) in &mut self.releases {
            if let Some(later) = told.releases.get(stream) {
                *next = (*next).max(*later);
            }
        }
    }

    /// Puts an event at this place and advances past it; `renumber` also replaces a release_seq that is there.
    ///
    /// Takes the signatures off, since they were for another payload.
    pub fn put(&mut self, event: &EventFile, renumber: bool) -> Result<EventFile, Failure> {
        let mut statement = event.statement().clone();
        let kind = event.kind().unwrap_or_default().to_owned();
        let chained = event.header("nonce").is_none();
        if let Some(hdr) = statement.entry("predicate").and_then(|predicate| predicate.entry("hdr")) {
            hdr.set("epoch", number(self.epoch.into()));
            if chained {
                hdr.set("seq", number(self.seq));
                hdr.set("prev", Value::Text(self.prev.clone()));
                if hdr.get("recorded").and_then(int).is_some_and(|recorded| recorded < self.hour) {
                    // It waited here while others were logged: it is in the chain after them, and not earlier than their hour.
                    hdr.set("recorded", number(self.hour));
                }
            }
        }
        if kind == "heartbeat" {
            statement.set("subject", Value::Array(vec![digest_subject(&self.prev)]));
        }
        if kind == "update" && (renumber || event.body("release_seq").is_none()) {
            let stream = stream_of(event);
            let Some(next) = self.releases.get_mut(&stream) else {
                return Err(Failure::refused("stream", "this stream is not one of the issuer's")
                    .side("stream", format!("{} {}", stream.0, stream.1))
                    .side("issuer has", names(&self.releases))
                    .now("correct packageId and channel; streams are given in issuer-open"));
            };
            if let Some(body) = statement.entry("predicate").and_then(|predicate| predicate.entry("body")) {
                body.set("release_seq", number(*next));
            }
            *next += 1;
        } else if let Some(given) = event.body("release_seq").and_then(int) {
            self.releases.insert(stream_of(event), given + 1);
        }
        let placed = EventFile::unsigned(statement);
        if chained {
            self.seq += 1;
            self.prev = placed.id().to_string();
        }
        Ok(placed)
    }

    /// Advances past an event that has its place already.
    pub fn pass(&mut self, event: &EventFile) {
        if let Some(seq) = event.header_int("seq").filter(|seq| *seq >= self.seq) {
            self.seq = seq + 1;
            self.prev = event.id().to_string();
        }
    }
}

/// A subject of one digest without a name.
pub fn digest_subject(sha256: &str) -> Value {
    Value::object([("digest", Value::object([("sha256", Value::Text(sha256.to_owned()))]))])
}

fn names(releases: &BTreeMap<(String, String), u64>) -> String {
    if releases.is_empty() {
        return "no streams".to_owned();
    }
    releases.keys().map(|(package, channel)| format!("{package} {channel}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{draft, update};

    const OPEN: &[u8] = br#"{"epoch":2,"vkey":"k","open":true,"last":null,"streams":[{"packageId":"app","channel":"stable","next_release_seq":4}],"size":9}"#;

    #[test]
    fn events_follow_one_another() {
        let mut place = Place::read("release", OPEN).unwrap();
        let first = place.put(&update(1, &[]), false).unwrap();
        let beat = place.put(&draft("heartbeat", &[], Vec::new()).event().unwrap(), false).unwrap();
        let second = place.put(&update(2, &[]), false).unwrap();
        let seqs = [&first, &beat, &second].map(|event| event.header_int("seq").unwrap());
        assert_eq!(seqs, [1, 2, 3]);
        assert_eq!(first.header_text("prev"), Some(ZEROS));
        assert_eq!(second.header_text("prev").unwrap(), beat.id().hex());
        assert_eq!([&first, &second].map(|event| event.body("release_seq").and_then(int)), [Some(4), Some(5)]);
        assert_eq!(first.header_int("epoch"), Some(2));
        // A heartbeat's subject is the event before it.
        assert_eq!(beat.statement().get("subject"), Some(&Value::Array(vec![digest_subject(&first.id().hex())])));
    }

    #[test]
    fn a_number_given_stays_unless_it_was_the_logs_to_give() {
        let mut place = Place::read("release", OPEN).unwrap();
        let given = update(1, &["release_seq=9"]);
        assert_eq!(place.clone().put(&given, false).unwrap().body("release_seq").and_then(int), Some(9));
        assert_eq!(place.put(&given, true).unwrap().body("release_seq").and_then(int), Some(4));
    }

    #[test]
    fn a_place_that_a_refusal_names_is_ahead_of_what_is_published() {
        let problem = |seq, prev: &str, release| Problem {
            expected_seq: seq,
            expected_prev: Some(prev.to_owned()),
            expected_release_seq: release,
            ..Problem::default()
        };
        let (prev, event) = ("1".repeat(64), update(1, &[]));
        let put = |told: &Told| {
            let mut place = Place::read("release", OPEN).unwrap();
            place.told(told);
            let placed = place.put(&event, true).unwrap();
            (placed.header_int("seq").unwrap(), placed.body("release_seq").and_then(int).unwrap())
        };
        let mut told = Told::default();
        assert_eq!(put(&told), (1, 4));
        told.hear(&event, &problem(Some(9), &prev, None));
        told.hear(&event, &problem(None, "", Some(6)));
        assert_eq!(put(&told), (9, 6), "both are remembered: one refusal names one of them");
        // A log that lost what it had not published names an earlier place, and what is published counts.
        told.hear(&event, &problem(Some(1), ZEROS, Some(3)));
        assert_eq!(put(&told), (1, 4));
        for nonsense in [problem(Some(u64::MAX), &prev, Some(u64::MAX)), problem(Some(7), "x", None)] {
            told.hear(&event, &nonsense);
            assert_eq!(put(&told), (1, 4));
        }
    }

    #[test]
    fn what_waited_is_not_recorded_before_the_hour_of_what_was_logged_meanwhile() {
        // [A-12]
        let event = update(1, &[]);
        let before = event.header_int("recorded").unwrap();
        let put = |last: u64| {
            let last = format!(r#""last":{{"seq":7,"event_id":"{ZEROS}","recorded":{last}}}"#);
            let open = String::from_utf8(OPEN.to_vec()).unwrap().replace(r#""last":null"#, &last);
            Place::read("release", open.as_bytes()).unwrap().put(&event, false).unwrap().header_int("recorded").unwrap()
        };
        assert_eq!(put(before - 7_200), before);
        assert_eq!(put(before + 7_200 + 5), (before + 7_200 + 5) / 3_600 * 3_600);
    }

    #[test]
    fn what_cannot_be_placed_says_why() {
        let closed = String::from_utf8(OPEN.to_vec()).unwrap().replace("true", "false");
        assert_eq!(Place::read("release", closed.as_bytes()).unwrap_err().code, "issuer-closed");
        assert_eq!(Place::read("release", b"<html>").unwrap_err().code, "issuers.malformed");
        let last = |seq: u64, id: &str| {
            let last = format!(r#""last":{{"seq":{seq},"event_id":"{id}"}}"#);
            let open = String::from_utf8(OPEN.to_vec()).unwrap().replace(r#""last":null"#, &last);
            Place::read("release", open.as_bytes())
        };
        assert_eq!(last(7, ZEROS).unwrap().seq, 8);
        for (seq, id) in [(u64::MAX, ZEROS), (INT_MAX.unsigned_abs(), ZEROS), (7, "x"), (7, ""), (7, "0a\\n")] {
            assert_eq!(last(seq, id).unwrap_err().code, "issuers.malformed", "{seq} {id}");
        }
        let stream = String::from_utf8(OPEN.to_vec()).unwrap().replace(":4}", ":18446744073709551615}");
        assert_eq!(Place::read("release", stream.as_bytes()).unwrap_err().code, "issuers.malformed");
        let mut place = Place::read("release", OPEN).unwrap();
        place.releases.clear();
        assert_eq!(place.put(&update(1, &[]), false).unwrap_err().code, "stream");
    }
}
