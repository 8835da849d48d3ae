//! An event: an envelope whose payload was read by its tables (70-leaves.md, L).
//!
//! Also how clients print one. Not here: whether a log takes it (`admission`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::body::{self, Body};
use crate::envelope::{Envelope, EventId};
use crate::hash::Hash;
use crate::json::{self, Value};
use crate::limits::{PAYLOAD_BYTES_MAX, SEALED_PAYLOAD_BYTES_MAX};
use crate::refusal::Refusal;
pub use crate::statement::check_origin;
use crate::statement::{self, Attachment, Header, Kind, Outer, PREDICATE_BASE, STATEMENT_TYPE, Sealed, Subject};
use crate::words::Read;

/// A statement with its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The type.
    pub kind: Kind,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// Who says it, where in which chain.
    pub header: Header,
    /// What is said.
    pub body: Body,
    /// Documents behind it.
    pub attachments: Vec<Attachment>,
    /// The commitment to the fields; exactly of a sealed type.
    pub commit: Option<Hash>,
    /// The sealed record; exactly of a sealed type.
    pub sealed: Option<Sealed>,
}

impl Statement {
    /// Reads a payload whose origin was checked: type, size, members, in this order.
    pub fn read(payload: &Value, bytes: usize) -> Read<Statement> {
        let kind = statement::kind_of(payload)?;
        if !kind.is_taken() {
            return Err(body::later(kind));
        }
        let most = if kind.is_sealed() { SEALED_PAYLOAD_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
        if bytes > most {
            return Err(Refusal::TooLarge { what: "a payload", got: bytes, most });
        }
        let Outer { kind, subject, header, attachments, commit, sealed, body } = statement::read_outer(payload, kind)?;
        let body = Body::read(kind, header.epoch, body)?;
        Ok(Statement { kind, subject, header, body, attachments, commit, sealed })
    }

    /// Every SHA-256 of the subject, and of a rebuild what was produced.
    pub fn subject_sha256(&self) -> impl Iterator<Item = Hash> + '_ {
        self.subject.iter().flat_map(|element| {
            let produced = element.produced.filter(|produced| element.digest.sha256 != Some(*produced));
            element.digest.sha256.into_iter().chain(produced)
        })
    }

    /// The purl of a build, update or review.
    pub fn purl(&self) -> Option<&str> {
        match &self.body {
            Body::Build(build) => Some(&build.purl),
            Body::Update(update) => Some(&update.purl),
            Body::Review(review) => review.purl.as_deref(),
            Body::Charter(_)
            | Body::Open(_)
            | Body::Close(_)
            | Body::Heartbeat { .. }
            | Body::Rebuild(_)
            | Body::Revoke(_)
            | Body::Incident(_)
            | Body::SealingKey(_)
            | Body::Access
            | Body::Erasure(_)
            | Body::Verdict(_)
            | Body::Rules(_)
            | Body::Correction(_) => None,
        }
    }
}

/// An event: its identity, its envelope, what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// SHA-256 of the PAE.
    pub id: EventId,
    /// Payload and signatures.
    pub envelope: Envelope,
    /// What the payload says.
    pub statement: Statement,
}

impl Event {
    /// The bytes of the leaf.
    pub fn leaf(&self) -> Vec<u8> {
        self.envelope.leaf()
    }

    /// The bytes of the statement.
    pub fn payload(&self) -> &[u8] {
        &self.envelope.payload
    }

    /// The payload as a value; it was read before, so it parses.
    pub fn payload_value(&self) -> Value {
        json::parse(&self.envelope.payload).unwrap_or(Value::Null)
    }

    /// Reads a leaf by its tables alone, whatever log state it was admitted in.
    pub fn read_leaf(leaf: &[u8]) -> Read<Event> {
        let envelope = Envelope::parse_leaf(leaf)?;
        Event::read(envelope)
    }

    /// Reads an envelope by its tables alone.
    pub fn read(envelope: Envelope) -> Read<Event> {
        let payload = parse_payload(&envelope.payload)?;
        let statement = Statement::read(&payload, envelope.payload.len())?;
        Ok(Event { id: envelope.id(), envelope, statement })
    }
}

/// Reads a payload under the strict rules and refuses every spelling but JCS [E-6].
pub fn parse_payload(bytes: &[u8]) -> Read<Value> {
    let read = json::parse_spelled(bytes);
    let (value, spelled) = read.map_err(|error| Refusal::Malformed(format!("payload: {error}")))?;
    if spelled {
        return Ok(value);
    }
    let at = value.to_jcs().iter().zip(bytes).take_while(|(want, got)| want == got).count();
    Err(Refusal::NotCanonical(format!("the payload differs from its JCS spelling from byte {at} on")))
}

/// The value of a statement, for those who write events.
///
/// `header`, `body` and `subject` are what the tables say; nothing is checked here: `admission` and [`Event::read`] do that.
pub fn statement_value(kind: Kind, subject: Value, header: Value, body: Value, attachments: Option<Value>) -> Value {
    let mut predicate = Vec::from([("hdr", header), ("body", body)]);
    predicate.extend(attachments.map(|attachments| ("attachments", attachments)));
    statement_of(kind, subject, predicate)
}

/// As [`statement_value`], for a sealed type: its subject is the record, its body empty.
pub fn sealed_statement_value(kind: Kind, header: Value, commit: &Hash, sealed: &Sealed) -> Value {
    let digest = Value::object([("sha256", sealed.sha256.hex().into())]);
    let subject = Value::Array(Vec::from([Value::object([("digest", digest)])]));
    let predicate = Vec::from([
        ("hdr", header),
        ("body", Value::object([])),
        ("commit", commit.hex().into()),
        ("sealed", sealed.value()),
    ]);
    statement_of(kind, subject, predicate)
}

fn statement_of(kind: Kind, subject: Value, predicate: Vec<(&str, Value)>) -> Value {
    let predicate = predicate.into_iter().map(|(name, value)| (name.to_string(), value));
    Value::object([
        ("_type", STATEMENT_TYPE.into()),
        ("subject", subject),
        ("predicateType", predicate_type(kind).into()),
        ("predicate", Value::Object(predicate.collect())),
    ])
}

/// `predicateType` of a kind.
pub fn predicate_type(kind: Kind) -> String {
    format!("{PREDICATE_BASE}{kind}/v0")
}
