//! Event files: a DSSE envelope as `event new` and `charter new` write it and `event sign` fills it in (leaf-format.md 2).
//!
//! Unlike a submission it may have no signatures yet, and its statement no place. Not here: what members a type has
//! (`vitrine_spec::statement`), making a statement (`draft`).

use std::path::Path;

use vitrine_spec::envelope::{Envelope, EventId, pae};
use vitrine_spec::json::{self, Value};
use vitrine_spec::key::Seed;
use vitrine_spec::statement::Kind;

use crate::exit::Failure;
use crate::files;
use crate::limits::EVENT_FILE_BYTES_MAX;

/// An envelope, signed by nobody, some or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFile {
    envelope: Envelope,
    statement: Value,
}

impl EventFile {
    /// An unsigned one.
    pub fn unsigned(statement: Value) -> EventFile {
        EventFile { envelope: Envelope { payload: statement.to_jcs(), signatures: Vec::new() }, statement }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<EventFile, Failure> {
        EventFile::parse_named(path, &files::read(path, EVENT_FILE_BYTES_MAX)?)
    }

    /// Parses what `path` held.
    pub fn parse_named(path: &Path, bytes: &[u8]) -> Result<EventFile, Failure> {
        EventFile::parse(bytes).map_err(|why| {
            Failure::refused("event.malformed", "this is not an event file")
                .side("file", path.display())
                .side("reason", why)
                .now("make one with: log-client event new TYPE --out FILE")
        })
    }

    /// Parses an envelope; the reason is in words.
    pub fn parse(bytes: &[u8]) -> Result<EventFile, String> {
        EventFile::of(Envelope::parse(bytes, 0).map_err(|refusal| refusal.to_string())?)
    }

    /// The event of an envelope; the reason is in words.
    pub fn of(envelope: Envelope) -> Result<EventFile, String> {
        let statement = json::parse(&envelope.payload).map_err(|error| format!("payload: {error}"))?;
        if statement.to_jcs() != envelope.payload {
            return Err("the payload is not in its one spelling (JCS)".to_owned());
        }
        Ok(EventFile { envelope, statement })
    }

    /// The file's bytes: the leaf's spelling and a newline.
    pub fn print(&self) -> String {
        self.line() + "\n"
    }

    /// The envelope in the leaf's spelling.
    pub fn line(&self) -> String {
        String::from_utf8_lossy(&self.envelope.leaf()).into_owned()
    }

    /// The leaf, once everybody has signed.
    pub fn leaf(&self) -> Vec<u8> {
        self.envelope.leaf()
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The identity of the event.
    pub fn id(&self) -> EventId {
        self.envelope.id()
    }

    /// The signed bytes' content.
    pub fn payload(&self) -> &[u8] {
        &self.envelope.payload
    }

    /// The statement.
    pub fn statement(&self) -> &Value {
        &self.statement
    }

    /// Keyids that have signed, sorted.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.envelope.signatures.iter().map(|signature| signature.keyid.as_str())
    }

    /// Whether nobody has signed.
    pub fn is_unsigned(&self) -> bool {
        self.envelope.signatures.is_empty()
    }

    /// Whether it is of a sealed type.
    pub fn is_sealed(&self) -> bool {
        self.kind().and_then(Kind::of).is_some_and(Kind::is_sealed)
    }

    /// Whether its bytes depend on its place in the chain by more than a signature: a sealed record, and the wraps of a sealing
    /// key, can be made for another place only by whoever has the values.
    pub fn is_bound(&self) -> bool {
        self.is_sealed() || self.kind().and_then(Kind::of) == Some(Kind::SealingKey)
    }

    /// Adds a signature; one of the same key is replaced by itself, since Ed25519 gives one per message.
    pub fn sign(&mut self, seed: &Seed) -> Result<(), Failure> {
        let sig = seed.sign_ed25519(&pae(&self.envelope.payload)).map_err(|error| {
            Failure::usage("key.kind", "this key does not sign events")
                .side("key", seed.vkey().keyid())
                .side("rule", error)
        })?;
        self.envelope.add(seed.vkey().keyid(), sig);
        Ok(())
    }

    /// The type, without its version.
    pub fn kind(&self) -> Option<&str> {
        let rest =
            self.statement.get("predicateType")?.as_text()?.strip_prefix(vitrine_spec::statement::PREDICATE_BASE)?;
        rest.split('/').next()
    }

    /// A member of the header.
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.statement.get("predicate")?.get("hdr")?.get(name)
    }

    /// A member of the body.
    pub fn body(&self, name: &str) -> Option<&Value> {
        self.statement.get("predicate")?.get("body")?.get(name)
    }

    /// A text of the header.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(Value::as_text)
    }

    /// A number of the header.
    pub fn header_int(&self, name: &str) -> Option<u64> {
        self.header(name).and_then(int)
    }

    /// The keyids that the header asks for besides the issuer's.
    pub fn cosigners(&self) -> Vec<&str> {
        match self.header("cosigners") {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_text).collect(),
            Some(_) | None => Vec::new(),
        }
    }

    /// Whether the statement waits for its place: chained (no nonce) and without seq or prev, or an update without number.
    pub fn wants_place(&self) -> bool {
        let chained = self.header("nonce").is_none();
        (chained && (self.header("seq").is_none() || self.header("prev").is_none()))
            || (self.kind() == Some("update") && self.body("release_seq").is_none())
    }
}

/// Setting members of a JSON object.
pub trait Members {
    /// A member of an object, an empty object when missing; `None` when the value is no object.
    fn entry(&mut self, name: &str) -> Option<&mut Value>;
    /// Sets a member of an object.
    fn set(&mut self, name: &str, value: Value);
}

impl Members for Value {
    fn entry(&mut self, name: &str) -> Option<&mut Value> {
        match self {
            Value::Object(members) => Some(members.entry(name.to_owned()).or_insert_with(|| Value::object([]))),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(members) = self {
            members.insert(name.to_owned(), value);
        }
    }
}

/// A number from 0, if it is one.
pub fn int(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as a JSON value; one beyond i64 saturates and is refused as `value` by whoever reads it.
pub fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::key::KeyKind;

    fn unsigned() -> EventFile {
        let hdr =
            Value::object([("issuer", "farm".into()), ("cosigners", Value::Array(vec!["a.example+00000000".into()]))]);
        EventFile::unsigned(Value::object([
            ("predicateType", format!("{}build/v0", vitrine_spec::statement::PREDICATE_BASE).into()),
            ("predicate", Value::object([("hdr", hdr), ("body", Value::object([]))])),
        ]))
    }

    #[test]
    fn signing_fills_in_and_signing_again_changes_nothing() {
        let mut event = unsigned();
        assert!(event.is_unsigned());
        assert_eq!(EventFile::parse(event.print().as_bytes()).unwrap(), event);
        let id = event.id();
        for name in ["b.example", "a.example", "b.example"] {
            event.sign(&Seed::new(name, KeyKind::Ed25519, [7; 32]).unwrap()).unwrap();
        }
        assert_eq!(event.id(), id, "the identity is of the payload alone");
        let signers: Vec<&str> = event.signers().collect();
        assert_eq!(signers.len(), 2);
        assert!(signers.is_sorted());
        let read = EventFile::parse(event.print().as_bytes()).unwrap();
        assert_eq!(read, event);
        assert_eq!((read.kind(), read.cosigners()), (Some("build"), vec!["a.example+00000000"]));
    }

    #[test]
    fn another_spelling_of_the_payload_is_not_an_event() {
        let spaced = Envelope { payload: b"{ }".to_vec(), signatures: Vec::new() };
        assert!(EventFile::parse(&spaced.leaf()).unwrap_err().contains("JCS"));
        for bytes in [&b""[..], b"[]", b"{}", b"{\"payload\":\"e30=\"}"] {
            assert!(EventFile::parse(bytes).is_err());
        }
    }

    #[test]
    fn what_has_no_place_says_so() {
        let event = unsigned();
        assert!(event.wants_place());
        let mut statement = event.statement().clone();
        statement.entry("predicate").unwrap().entry("hdr").unwrap().set("nonce", "00".into());
        assert!(!EventFile::unsigned(statement).wants_place());
    }
}
