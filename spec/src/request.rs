//! Signed requests that are never leaves: to read sealed records, to put an attachment (77-requests.md, Q; leaf-format.md 7).
//!
//! Made by clients, judged by the log. Not here: that a read is logged before a byte leaves, quotas (the log server).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::body::charter::Reader;
use crate::checkpoint::Origin;
use crate::envelope::{Envelope, pae_of};
use crate::event::parse_payload;
use crate::hash::Hash;
use crate::json::{UINT_MAX, Value};
use crate::key::{KeyError, Seed, Vkey};
use crate::limits::{ATTACH_EXPIRES_S, ATTACHMENT_BYTES_MAX, READ_ENTRIES_MAX, READ_EXPIRES_S, REQUEST_BYTES_MAX};
use crate::refusal::Refusal;
use crate::state::State;
use crate::text::{self, Quote};
use crate::tree::TreeSize;
use crate::words::{Members, Name, Read, Time, value};

/// Payload type of a read request.
pub const READ_TYPE: &str = "application/vnd.vitrine.read+json";
/// Payload type of an attach request.
pub const ATTACH_TYPE: &str = "application/vnd.vitrine.attach+json";
const SCHEME: &str = "DSSE ";
/// A reader asks for the sealed records of entries `from` to `to`, half open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The log.
    pub origin: String,
    /// The first entry.
    pub from: u64,
    /// The entry after the last.
    pub to: u64,
    /// Why, in words.
    pub purpose: String,
    /// Until when it may be used.
    pub expires: Time,
}

/// An issuer puts an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// The log.
    pub origin: String,
    /// SHA-256 of the attachment.
    pub sha256: Hash,
    /// Its bytes.
    pub size: u64,
    /// What it is.
    pub media_type: String,
    /// Who puts it.
    pub issuer: Name,
    /// Until when it may be used.
    pub expires: Time,
}

/// A read request that may be answered.
#[derive(Clone, Debug)]
pub struct Granted<'a> {
    /// Who asks.
    pub reader: &'a Reader,
    /// For what.
    pub request: ReadRequest,
    /// SHA-256 of the PAE: what the vault logs as `native_id`.
    pub id: Hash,
}

fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn authorization(payload_type: &str, payload: Vec<u8>, key: &Seed) -> Result<String, KeyError> {
    let sig = key.sign_ed25519(&pae_of(payload_type, &payload))?;
    let mut envelope = Envelope { payload, signatures: Vec::new() };
    envelope.add(key.vkey().keyid(), sig);
    Ok(format!("{SCHEME}{}", text::b64(&envelope.value_of(payload_type).to_jcs())))
}

impl ReadRequest {
    fn payload(&self) -> Vec<u8> {
        Value::object([
            ("expires", int(self.expires.get())),
            ("from", int(self.from)),
            ("origin", self.origin.as_str().into()),
            ("purpose", self.purpose.as_str().into()),
            ("to", int(self.to)),
        ])
        .to_jcs()
    }

    /// The value of `Authorization`, signed with a reader's signing key.
    ///
    /// # Errors
    /// A key that signs something else.
    pub fn authorization(&self, key: &Seed) -> Result<String, KeyError> {
        authorization(READ_TYPE, self.payload(), key)
    }
}

impl AttachRequest {
    fn payload(&self) -> Vec<u8> {
        Value::object([
            ("expires", int(self.expires.get())),
            ("issuer", self.issuer.as_str().into()),
            ("media_type", self.media_type.as_str().into()),
            ("origin", self.origin.as_str().into()),
            ("sha256", self.sha256.hex().into()),
            ("size", int(self.size)),
        ])
        .to_jcs()
    }

    /// The value of `Authorization`, signed with the issuer's current key.
    ///
    /// # Errors
    /// A key that signs something else.
    pub fn authorization(&self, key: &Seed) -> Result<String, KeyError> {
        authorization(ATTACH_TYPE, self.payload(), key)
    }
}

/// A request whose envelope was read: one signature, JCS, this log's origin.
struct Signed {
    envelope: Envelope,
    payload: Value,
    message: Vec<u8>,
}

impl Signed {
    fn parse(authorization: &str, payload_type: &str, origin: &Origin) -> Read<Signed> {
        let malformed = |why: String| Refusal::Malformed(format!("Authorization: {why}"));
        let Some(encoded) = authorization.strip_prefix(SCHEME) else {
            return Err(malformed("it is not DSSE and the base64 of an envelope".into()));
        };
        let bytes = text::unb64(encoded).map_err(|error| malformed(error.to_string()))?;
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(Refusal::TooLarge { what: "a request", got: bytes.len(), most: REQUEST_BYTES_MAX });
        }
        let envelope = Envelope::parse_of(&bytes, payload_type, 1)?;
        if envelope.signatures.len() != 1 {
            return Err(malformed(format!("{} signatures, a request has one", envelope.signatures.len())));
        }
        let payload = parse_payload(&envelope.payload)?;
        let got = payload.get("origin").and_then(Value::as_text);
        if got != Some(origin.as_str()) {
            return Err(match got {
                None => Refusal::Malformed("payload: origin is missing or no text".into()),
                Some(got) => Refusal::Origin { got: got.to_string(), want: origin.as_str().to_string() },
            });
        }
        let message = pae_of(payload_type, &envelope.payload);
        Ok(Signed { envelope, payload, message })
    }

    fn keyid(&self) -> &str {
        self.envelope.signatures.first().map_or("", |signature| &signature.keyid)
    }

    fn verify(&self, key: &Vkey) -> Read<()> {
        match self.envelope.signatures.first() {
            Some(found) if key.verify(&self.message, &found.sig) => Ok(()),
            _ => Err(Refusal::Signature { keyid: self.keyid().to_string() }),
        }
    }
}

/// `expires` is not past and not further ahead than `most` seconds.
fn check_expires(expires: Time, now: Time, most: u64) -> Read<()> {
    if expires.get() >= now.get() && expires.get() <= now.get().saturating_add(most) {
        return Ok(());
    }
    Err(Refusal::Expired(format!("expires is {expires}, it is {now}; it must lie in the next {most} s")))
}

/// Judges a request for `/sealed/<from>-<to>`; `published` is the size that readers see.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_read<'a>(
    authorization: &str,
    state: &'a State,
    origin: &Origin,
    from: u64,
    to: u64,
    published: TreeSize,
    now: Time,
) -> Read<Granted<'a>> {
    let signed = Signed::parse(authorization, READ_TYPE, origin)?;
    let mut members = Members::of("payload", &signed.payload)?;
    let request = ReadRequest {
        origin: members.text("origin")?.to_string(),
        from: members.int("from", 0, UINT_MAX)?,
        to: members.int("to", 0, UINT_MAX)?,
        purpose: members.str("purpose", 256)?,
        expires: members.time("expires")?,
    };
    members.done()?;
    if request.from >= request.to || request.to - request.from > READ_ENTRIES_MAX {
        return value(
            "payload.to",
            format!("{} to {} is not a range of 1 to {READ_ENTRIES_MAX} entries", request.from, request.to),
        );
    }
    if (request.from, request.to) != (from, to) {
        return value(
            "payload.from",
            format!("the request is signed for {}-{}, the path says {from}-{to}", request.from, request.to),
        );
    }
    let reader = state.readers().iter().find(|reader| reader.sign.keyid() == signed.keyid());
    let reader = reader.ok_or_else(|| {
        Refusal::ReaderUnknown(format!("{} signs for no reader of the charter in force", Quote::of(signed.keyid())))
    })?;
    signed.verify(&reader.sign)?;
    check_expires(request.expires, now, READ_EXPIRES_S)?;
    if request.to > published.get() {
        return Err(Refusal::Range(format!("{from}-{to} is asked for, {published} entries are published")));
    }
    Ok(Granted { reader, request, id: Hash::of(&signed.message) })
}

/// Judges a request to put `/attachments/<sha256>`.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_attach(
    authorization: &str,
    state: &State,
    origin: &Origin,
    sha256: &Hash,
    now: Time,
) -> Read<AttachRequest> {
    let signed = Signed::parse(authorization, ATTACH_TYPE, origin)?;
    let mut members = Members::of("payload", &signed.payload)?;
    let request = AttachRequest {
        origin: members.text("origin")?.to_string(),
        sha256: members.sha256("sha256")?,
        size: members.int("size", 0, ATTACHMENT_BYTES_MAX)?,
        media_type: members.str("media_type", 100)?,
        issuer: members.name("issuer")?,
        expires: members.time("expires")?,
    };
    members.done()?;
    if request.sha256 != *sha256 {
        return value(
            "payload.sha256",
            format!("the request is signed for {}, the path says {}", request.sha256.hex(), sha256.hex()),
        );
    }
    let Some((_, opened)) = state.epoch(&request.issuer) else {
        return Err(Refusal::IssuerUnknown(format!("{} was never opened in this log", request.issuer)));
    };
    if let Some(closed) = &opened.closed {
        return Err(Refusal::IssuerClosed(format!("{} was closed by entry {}", request.issuer, closed.at)));
    }
    let want = opened.vkey.keyid();
    if signed.keyid() != want {
        return Err(Refusal::SignerSet(format!(
            "signed by {}, the key of {} is {want}",
            signed.keyid(),
            request.issuer
        )));
    }
    signed.verify(&opened.vkey)?;
    check_expires(request.expires, now, ATTACH_EXPIRES_S)?;
    Ok(request)
}
