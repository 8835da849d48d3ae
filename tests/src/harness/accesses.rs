//! Sealed accesses and their erasures without a client process: for tests and benchmarks that need many.
//!
//! Not here: opening a record again, which readers do.

use vitrine_log_client::sealer::{Sealer, Signed};
use vitrine_spec::envelope::{Envelope, EventId, Submission, pae};
use vitrine_spec::event::{Event, statement_value};
use vitrine_spec::fields::{Field, Values, print_instant};
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::statement::{Kind, Place};
use vitrine_spec::words::Time;

use super::forge;
use super::sealing;
use super::world::World;

/// The event in a file of a world, which is signed and has its place.
fn event(world: &World, file: &str) -> Result<Event, String> {
    let envelope = Envelope::parse(world.read(file)?.as_bytes(), 1).map_err(|e| format!("{file}: {e}"))?;
    Event::read(envelope).map_err(|e| format!("{file}: {e}"))
}

/// Seals the accesses of one issuer.
pub struct Accesses {
    sealer: Sealer,
    issuer: String,
    made: u64,
}

impl Accesses {
    /// Opens the issuer, with one site.
    ///
    /// # Errors
    /// The command that did not succeed, or a file that it should have left.
    pub fn open(world: &World, issuer: &str) -> Result<Accesses, String> {
        world.open_accesses(issuer)?;
        let sealer = sealing::sealer(world, issuer)?;
        Ok(Accesses { sealer, issuer: issuer.to_owned(), made: 0 })
    }

    /// The next `count` accesses of the chain, recorded at `now`, and a sealing key before them when one is due.
    ///
    /// # Errors
    /// What the sealer says.
    pub fn seal(&mut self, count: u64, now: u64) -> Result<Vec<Signed>, String> {
        let values = (self.made..self.made + count).map(|number| self.values(number, now)).collect::<Result<_, _>>()?;
        self.made += count;
        self.sealer.seal(values, Time::new(now)).map_err(|failure| failure.to_string())
    }

    fn values(&self, number: u64, now: u64) -> Result<Values, String> {
        let at = i64::try_from(now).ok().and_then(|seconds| print_instant(seconds * 1_000));
        let known = [
            (Field::Actor, "service:nightly".into()),
            (Field::NativeId, format!("{}-{number}", self.issuer).as_str().into()),
        ];
        sealing::values(&at.ok_or("no such time")?, "read", &known)
    }
}

/// What is sent of a signed event.
#[must_use]
pub fn submission(signed: &Signed) -> Submission {
    Submission { envelope: signed.envelope.clone(), sealed: signed.record.clone() }
}

/// Signs erasures as operator and supervisor, in the operator's chain.
pub struct Erasures {
    operator: Seed,
    supervisor: Seed,
    origin: String,
    seq: u64,
    prev: EventId,
}

impl Erasures {
    /// After the charter, which is the operator's only event so far.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn after_charter(world: &World) -> Result<Erasures, String> {
        let key = |role: &str| forge::key(&world.path(&format!("{role}.key")));
        let (operator, supervisor) = (key("operator")?, key("supervisor")?);
        let prev = event(world, "charter.json")?.id;
        Ok(Erasures { operator, supervisor, origin: world.origin.clone(), seq: 1, prev })
    }

    /// The next erasure of the chain, which an authority ordered: of the records of these events.
    ///
    /// # Errors
    /// When a key cannot sign.
    pub fn sign(&mut self, targets: &[(EventId, Place)], recorded: u64) -> Result<Submission, String> {
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let mut targets = targets.to_vec();
        targets.sort();
        let digest = |(id, _): &(EventId, Place)| {
            Value::object([("digest", Value::object([("sha256", id.hex().as_str().into())]))])
        };
        let target = |(id, at): &(EventId, Place)| {
            let at = [("issuer", at.issuer.as_str().into()), ("epoch", int(u64::from(at.epoch))), ("seq", int(at.seq))];
            Value::object([("event_id", id.hex().as_str().into()), ("at", Value::object(at))])
        };
        let body = Value::object([
            ("class", "record".into()),
            ("reason", "authority".into()),
            ("authority", "order of a court".into()),
            ("targets", Value::Array(targets.iter().map(target).collect())),
            ("places", Value::Array(Vec::new())),
        ]);
        let header = Value::object([
            ("origin", self.origin.as_str().into()),
            ("issuer", "operator".into()),
            ("epoch", Value::Int(1)),
            ("seq", int(self.seq + 1)),
            ("prev", self.prev.hex().as_str().into()),
            ("recorded", int(recorded)),
            ("cosigners", Value::Array(vec![self.supervisor.vkey().keyid().as_str().into()])),
        ]);
        let subject = Value::Array(targets.iter().map(digest).collect());
        let payload = statement_value(Kind::Erasure, subject, header, body, None).to_jcs();
        let mut envelope = Envelope { payload, signatures: Vec::new() };
        for key in [&self.operator, &self.supervisor] {
            let signature = key.sign_ed25519(&pae(&envelope.payload)).map_err(|e| e.to_string())?;
            envelope.add(key.vkey().keyid(), signature);
        }
        (self.seq, self.prev) = (self.seq + 1, envelope.id());
        Ok(Submission { envelope, sealed: None })
    }
}
