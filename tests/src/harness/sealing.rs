//! Accesses that are sealed by hand, with keys that a test knows: what an issuer could do wrong, and what its records are.
//!
//! Made with the key files of a [`super::world::World`] and the functions of `spec`. Not here: sealing as it should be
//! (`log-client`).

use vitrine_log_client::place::Next;
use vitrine_log_client::sealer::Sealer;
use vitrine_spec::body::Body;
use vitrine_spec::body::charter::Reader;
use vitrine_spec::body::sealed::{SealingKey, Wrap};
use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::envelope::{Envelope, EventId, Submission, pae};
use vitrine_spec::event::{Event, sealed_statement_value, statement_value};
use vitrine_spec::fields::{Field, Values, nothing};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::sealing::{Context, pad, seal};
use vitrine_spec::statement::{Kind, Sealed};
use vitrine_spec::words::Name;
use vitrine_spec::wrap::{WindowKey, WrapFor, reader_key_id, wrap};

use super::forge;
use super::world::{SITE, World};

/// The events of a log, from its data directory, with their indices.
///
/// # Errors
/// What cannot be read.
pub fn events(world: &World) -> Result<Vec<Event>, String> {
    let size = world.published()?;
    let leaves = forge::entries(&world.path("log"), size)?;
    leaves.iter().map(|leaf| Event::read_leaf(leaf).map_err(|refusal| refusal.to_string())).collect()
}

/// The values of an access: what happened, when, and whatever else is given.
///
/// # Errors
/// The field whose value is none.
pub fn values(occurred_at: &str, op: &str, more: &[(Field, Value)]) -> Result<Values, String> {
    let mut all = nothing();
    all[Field::OccurredAt.number()] = occurred_at.into();
    all[Field::Op.number()] = op.into();
    all[Field::Outcome.number()] = Value::object([("result", "success".into())]);
    for (field, value) in more {
        all[field.number()] = value.clone();
    }
    Values::new(all).map_err(|error| error.to_string())
}

/// Where the chain of an open issuer stands, and to whom it seals.
struct Standing {
    key: Seed,
    readers: Vec<Reader>,
    next: Next,
}

impl Standing {
    fn of(world: &World, issuer: &str) -> Result<Standing, String> {
        let events = events(world)?;
        let Some(Body::Charter(charter)) = events.first().map(|event| &event.statement.body) else {
            return Err("entry 0 is no charter".to_owned());
        };
        let own = |event: &&Event| event.statement.header.issuer.as_str() == issuer;
        let last = events.iter().rev().find(own).ok_or_else(|| format!("{issuer} has logged nothing"))?;
        let seq = last.statement.header.seq.ok_or_else(|| format!("{issuer} has no chain"))?;
        Ok(Standing {
            key: forge::key(&world.path(&format!("{issuer}.key")))?,
            readers: charter.readers.clone(),
            next: Next { seq: seq + 1, prev: last.id, recorded: last.statement.header.recorded },
        })
    }
}

/// What the client seals with, without a client process: for benchmarks that need many.
///
/// # Errors
/// What cannot be read, or an issuer that has logged nothing.
pub fn sealer(world: &World, issuer: &str) -> Result<Sealer, String> {
    let Standing { key, readers, next } = Standing::of(world, issuer)?;
    let name = Name::new(issuer).ok_or_else(|| format!("{issuer} is no name"))?;
    Ok(Sealer::new(key, world.origin.clone(), name, 1, Some(SITE.to_owned()), readers, next))
}

/// An issuer whose chain is written by hand.
pub struct ByHand {
    key: Seed,
    origin: String,
    issuer: String,
    readers: Vec<Reader>,
    seq: u64,
    prev: EventId,
}

impl ByHand {
    /// Goes on after the last logged event of an open issuer.
    ///
    /// # Errors
    /// What cannot be read, or an issuer that has logged nothing.
    pub fn after(world: &World, issuer: &str) -> Result<ByHand, String> {
        let Standing { key, readers, next } = Standing::of(world, issuer)?;
        let (origin, issuer) = (world.origin.clone(), issuer.to_owned());
        Ok(ByHand { key, origin, issuer, readers, seq: next.seq, prev: next.prev })
    }

    /// A sealing key and one access under it, whose record says `said` and whose leaf commits to `committed`.
    ///
    /// # Errors
    /// A key that cannot sign, or to which nothing can be wrapped.
    pub fn access(&mut self, committed: &Values, said: &Values, recorded: u64) -> Result<[Submission; 2], String> {
        let (record_key, window) = (RecordKey::new(fresh()?), WindowKey::new(fresh()?));
        let seq = self.seq;
        let wraps = self.readers.iter().map(|reader| {
            let target = WrapFor { origin: &self.origin, issuer: &self.issuer, epoch: 1, seq, reader: &reader.name };
            let wrapped = wrap(&window, &reader.seal, &target, &fresh()?).map_err(|e| e.to_string())?;
            Ok(Wrap { reader: reader.name.clone(), key: reader_key_id(&reader.seal), wrap: wrapped })
        });
        let body = SealingKey { check: window.check(), wraps: wraps.collect::<Result<_, String>>()? };
        let subject = Value::object([("digest", Value::object([("sha256", body.digest().hex().into())]))]);
        let header = self.header(recorded);
        let key = statement_value(Kind::SealingKey, Value::Array(vec![subject]), header, body.value(), None);
        let key = self.sign(&key, None)?;

        let (header, commit) =
            (self.header(recorded / 3_600 * 3_600), commit(&commitments(&record_key, committed.all())));
        let record = seal(&record_key, &window, &Context::new(&commit, &header.to_jcs()), &pad(said));
        let sealed = Sealed { key: seq, sha256: Hash::of(&record), size: record.len() as u64 };
        let access = sealed_statement_value(Kind::Access, header, &commit, &sealed);
        Ok([key, self.sign(&access, Some(record))?])
    }

    fn header(&self, recorded: u64) -> Value {
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Value::object([
            ("origin", self.origin.as_str().into()),
            ("issuer", self.issuer.as_str().into()),
            ("epoch", Value::Int(1)),
            ("seq", int(self.seq)),
            ("prev", self.prev.hex().into()),
            ("recorded", int(recorded)),
            ("site", SITE.into()),
        ])
    }

    /// Signs the next event of the chain.
    fn sign(&mut self, statement: &Value, record: Option<Vec<u8>>) -> Result<Submission, String> {
        let payload = statement.to_jcs();
        let message = pae(&payload);
        let signature = self.key.sign_ed25519(&message).map_err(|e| e.to_string())?;
        let mut envelope = Envelope { payload, signatures: Vec::new() };
        envelope.add(self.key.vkey().keyid(), signature);
        (self.seq, self.prev) = (self.seq + 1, EventId(Hash::of(&message)));
        Ok(Submission { envelope, sealed: record })
    }
}

/// Random bytes.
///
/// # Errors
/// When the system gives none.
pub fn fresh<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}
