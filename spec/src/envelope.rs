//! The DSSE envelope: what is signed, the identity of an event, the bytes of a leaf (60-json-envelope.md, E; DSSE v1).
//!
//! Everything wrong with an envelope is `malformed`. Not here: what the payload says, whether a signature verifies.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::json::{self, Value};
use crate::limits::SUBMISSION_BYTES_MAX;
use crate::refusal::Refusal;
use crate::text::{self, Quote};
use crate::words::{self, Members, Read};

/// The payload type of every event [E-1].
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Signatures of one envelope: the issuer's and up to eight cosigners' [E-4].
pub const SIGNATURES_MAX: usize = 9;

/// The identity of an event: SHA-256 of its PAE [E-2].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Hash);

impl EventId {
    /// What stands for "none before" in `prev`: 32 zero bytes.
    pub const ZERO: EventId = EventId(Hash::new([0; 32]));

    /// The id of a payload.
    pub fn of(payload: &[u8]) -> EventId {
        EventId(Hash::of(&pae(payload)))
    }

    /// Reads 64 lowercase hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<EventId> {
        Hash::from_hex(text).ok().map(EventId)
    }

    /// 64 lowercase hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.hex()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.hex())
    }
}

impl Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

/// What is signed: `DSSEv1 28 application/vnd.in-toto+json <length> <payload>` [E-1].
pub fn pae(payload: &[u8]) -> Vec<u8> {
    pae_of(PAYLOAD_TYPE, payload)
}

/// The pre-authentication encoding of any payload type: `DSSEv1 <length> <type> <length> <payload>` [E-1].
pub fn pae_of(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// One signature of an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Sig {
    /// `<key name>+<hex8>`.
    pub keyid: String,
    /// Ed25519 over the PAE.
    pub sig: [u8; 64],
}

impl Debug for Sig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sig({})", self.keyid)
    }
}

/// A payload and its signatures, sorted by keyid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The bytes of the statement.
    pub payload: Vec<u8>,
    /// Ascending by keyid, none twice.
    pub signatures: Vec<Sig>,
}

/// What a client sends: an envelope, and the sealed record of a sealed type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The envelope.
    pub envelope: Envelope,
    /// The bytes of the sealed record.
    pub sealed: Option<Vec<u8>>,
}

impl Submission {
    /// Reads `{envelope}` or `{envelope, sealed}` in any spelling of strict JSON [E-5]; `least` signatures must be there.
    pub fn parse(bytes: &[u8], least: usize) -> Read<Submission> {
        if bytes.len() > SUBMISSION_BYTES_MAX {
            return Err(Refusal::TooLarge { what: "a submission", got: bytes.len(), most: SUBMISSION_BYTES_MAX });
        }
        let value = json::parse(bytes).map_err(|error| Refusal::Malformed(format!("submission: {error}")))?;
        let mut members = Members::of("", &value)?;
        let envelope = Envelope::read(members.req("envelope")?, PAYLOAD_TYPE, least)?;
        let sealed = match members.opt_text("sealed")? {
            Some(text) => Some(text::unb64(text).map_err(|error| Refusal::Malformed(format!("sealed: {error}")))?),
            None => None,
        };
        members.done()?;
        Ok(Submission { envelope, sealed })
    }

    /// The text that is sent.
    pub fn print(&self) -> Vec<u8> {
        let mut members = Vec::from([("envelope".to_string(), self.envelope.value())]);
        if let Some(sealed) = &self.sealed {
            members.push(("sealed".to_string(), text::b64(sealed).into()));
        }
        Value::Object(members.into_iter().collect()).to_jcs()
    }
}

impl Envelope {
    /// Reads the JSON of an envelope in any spelling [E-5]; `least` signatures must be there.
    pub fn parse(bytes: &[u8], least: usize) -> Read<Envelope> {
        Envelope::parse_of(bytes, PAYLOAD_TYPE, least)
    }

    /// As [`Envelope::parse`], of another payload type than that of events.
    pub fn parse_of(bytes: &[u8], payload_type: &str, least: usize) -> Read<Envelope> {
        let value = json::parse(bytes).map_err(|error| Refusal::Malformed(format!("envelope: {error}")))?;
        Envelope::read(&value, payload_type, least)
    }

    /// Reads the bytes of a leaf: exactly what [`Envelope::leaf`] prints [E-3].
    pub fn parse_leaf(leaf: &[u8]) -> Read<Envelope> {
        if let Some(envelope) = core::str::from_utf8(leaf).ok().and_then(Envelope::spelled) {
            return Ok(envelope);
        }
        let envelope = Envelope::parse(leaf, 1)?;
        if envelope.leaf() == leaf {
            Ok(envelope)
        } else {
            Err(Refusal::Malformed("the leaf is not the one spelling of its envelope".to_string()))
        }
    }

    /// Reads a leaf as it is printed, without a tree of values; nothing at all when a character is another one, or escaped.
    fn spelled(leaf: &str) -> Option<Envelope> {
        let (payload, mut rest) = leaf.strip_prefix("{\"payload\":\"")?.split_once('"')?;
        rest = rest
            .strip_prefix(",\"payloadType\":\"")?
            .strip_prefix(PAYLOAD_TYPE)?
            .strip_prefix("\",\"signatures\":[")?;
        let mut signatures: Vec<Sig> = Vec::new();
        loop {
            let (keyid, after) = rest.strip_prefix("{\"keyid\":\"")?.split_once('"')?;
            let (sig, after) = after.strip_prefix(",\"sig\":\"")?.split_once('"')?;
            let in_order = signatures.last().is_none_or(|before| before.keyid.as_str() < keyid);
            if !in_order || !words::is_keyid(keyid) || signatures.len() == SIGNATURES_MAX {
                return None;
            }
            signatures.push(Sig { keyid: keyid.to_string(), sig: text::unb64_array(sig).ok()? });
            rest = after.strip_prefix('}')?;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None if rest == "]}" => return Some(Envelope { payload: text::unb64(payload).ok()?, signatures }),
                None => return None,
            }
        }
    }

    fn read(value: &Value, want_type: &str, least: usize) -> Read<Envelope> {
        let read = || {
            let mut members = Members::of("envelope", value)?;
            let payload_type = members.text("payloadType")?;
            if payload_type != want_type {
                return words::value("envelope.payloadType", format!("{} is not {want_type}", Quote::of(payload_type)));
            }
            let payload = match text::unb64(members.text("payload")?) {
                Ok(payload) => payload,
                Err(error) => return words::value("envelope.payload", error),
            };
            let signatures = members.objects("signatures", (least, SIGNATURES_MAX), |signature| {
                let keyid = signature.word("keyid", "<key name>+<8 hexadecimal digits>", words::is_keyid)?;
                let sig = match text::unb64_array(signature.text("sig")?) {
                    Ok(sig) => sig,
                    Err(error) => return words::value(signature.at("sig"), error),
                };
                Ok(Sig { keyid, sig })
            })?;
            let keyids: Vec<&str> = signatures.iter().map(|signature| signature.keyid.as_str()).collect();
            words::check_sorted("envelope.signatures", &keyids)?;
            members.done()?;
            Ok(Envelope { payload, signatures })
        };
        // Whatever is wrong with an envelope has one code.
        read().map_err(|refusal| match refusal {
            Refusal::Value { member, why } => Refusal::Malformed(format!("{member}: {why}")),
            other => other,
        })
    }

    /// The id of its payload.
    pub fn id(&self) -> EventId {
        EventId::of(&self.payload)
    }

    /// The JSON value.
    pub fn value(&self) -> Value {
        self.value_of(PAYLOAD_TYPE)
    }

    /// As [`Envelope::value`], of another payload type than that of events.
    pub fn value_of(&self, payload_type: &str) -> Value {
        let signatures = self
            .signatures
            .iter()
            .map(|signature| {
                Value::object([("keyid", signature.keyid.as_str().into()), ("sig", text::b64(&signature.sig).into())])
            })
            .collect();
        Value::object([
            ("payload", text::b64(&self.payload).into()),
            ("payloadType", payload_type.into()),
            ("signatures", Value::Array(signatures)),
        ])
    }

    /// The bytes of the leaf: JCS of the envelope [E-3].
    pub fn leaf(&self) -> Vec<u8> {
        self.value().to_jcs()
    }

    /// Adds a signature, or replaces the one of that keyid, and keeps the order.
    pub fn add(&mut self, keyid: String, sig: [u8; 64]) {
        self.signatures.retain(|signature| signature.keyid != keyid);
        let at = self.signatures.partition_point(|signature| signature.keyid < keyid);
        self.signatures.insert(at, Sig { keyid, sig });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        let mut envelope = Envelope { payload: b"{}".to_vec(), signatures: Vec::new() };
        envelope.add("b.example+00000002".to_string(), [2; 64]);
        envelope.add("a.example+00000001".to_string(), [1; 64]);
        envelope
    }

    #[test]
    fn what_is_signed() {
        // [E-1] [E-2]
        assert_eq!(pae(b"{}"), b"DSSEv1 28 application/vnd.in-toto+json 2 {}");
        assert_eq!(EventId::of(b"{}").0, Hash::of(b"DSSEv1 28 application/vnd.in-toto+json 2 {}"));
        assert_eq!(
            pae_of("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn a_leaf_has_one_spelling() {
        // [E-3]
        let leaf = envelope().leaf();
        assert!(leaf.starts_with(b"{\"payload\":\"e30=\",\"payloadType\":"));
        assert_eq!(Envelope::parse_leaf(&leaf).unwrap(), envelope());
        let mut spaced = leaf.clone();
        spaced.insert(1, b' ');
        assert_eq!(Envelope::parse_leaf(&spaced).unwrap_err().code(), "malformed");
        assert_eq!(Envelope::parse(&spaced, 1).unwrap(), envelope());
    }

    proptest::proptest! {
        #[test]
        fn a_leaf_is_read_the_short_way_exactly_when_it_is_printed_so(
            edits in proptest::collection::vec((proptest::arbitrary::any::<proptest::sample::Index>(), "[ -~]{0,2}", 0..3_usize), 0..3),
        ) {
            // [E-3]
            let mut text = String::from_utf8(envelope().leaf()).unwrap();
            for (at, with, remove) in edits {
                let at = at.index(text.len());
                text.replace_range(at..text.len().min(at + remove), &with);
            }
            let long = Envelope::parse(text.as_bytes(), 1).ok().filter(|envelope| envelope.leaf() == text.as_bytes());
            proptest::prop_assert_eq!(Envelope::spelled(&text), long);
        }
    }

    #[test]
    fn everything_wrong_is_malformed() {
        // [E-4] [E-5]
        let good = String::from_utf8(Submission { envelope: envelope(), sealed: None }.print()).unwrap();
        assert!(Submission::parse(good.as_bytes(), 1).is_ok());
        let faults = [
            good.replace("e30=", "e31="),
            good.replace("in-toto+json", "in-toto"),
            good.replace("a.example", "c.example"),
            good.replace("a.example+00000001", "b.example+00000002"),
            good.replace("+00000001", "+0000000A"),
            good.replace("payloadType", "payloadtype"),
            good.replace("{\"envelope\"", "{\"more\":1,\"envelope\""),
            good.replace("\"sig\":\"AQ", "\"sig\":\"AQAB"),
        ];
        for text in faults {
            assert_ne!(text, good);
            assert_eq!(Submission::parse(text.as_bytes(), 1).unwrap_err().code(), "malformed", "{text}");
        }
        let mut none = envelope();
        none.signatures.clear();
        let text = Submission { envelope: none, sealed: None }.print();
        assert_eq!(Submission::parse(&text, 1).unwrap_err().code(), "malformed");
        assert!(Submission::parse(&text, 0).is_ok());
        let large = alloc::vec![b' '; SUBMISSION_BYTES_MAX + 1];
        assert_eq!(Submission::parse(&large, 1).unwrap_err().code(), "too-large");
    }
}
