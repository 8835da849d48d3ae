//! Targets for the sealed half: openings, records, wraps, signed requests (docs/72, docs/77).

use std::sync::OnceLock;

use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::envelope::{Envelope, pae_of};
use vitrine_spec::event::{Event, sealed_statement_value};
use vitrine_spec::fields::{FIELDS, Values, instant_ms, nothing, print_instant};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{self, Value};
use vitrine_spec::limits::{ATTACHMENT_BYTES_MAX, READ_ENTRIES_MAX, READ_EXPIRES_S, SLOT_BYTES, STEP_BYTES, TAG_BYTES};
use vitrine_spec::opening::Opening;
use vitrine_spec::request::{ATTACH_TYPE, READ_TYPE, check_attach, check_read};
use vitrine_spec::sealing::{self, Context, OpenError};
use vitrine_spec::statement::{Kind, Sealed, is_record_size};
use vitrine_spec::text;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::words::Time;
use vitrine_spec::wrap::{self, ReaderSeed, WindowKey, WrapFor};

use crate::given;

/// An opening prints as it was read, and shows something [R-9].
pub fn opening(bytes: &[u8]) {
    let Ok(opening) = Opening::parse(bytes) else { return };
    assert_eq!(opening.print(), bytes);
    assert_eq!(Opening::parse(bytes).map(|again| again.commit()), Ok(opening.commit()));
    assert!(!opening.shown().is_empty() && opening.broken().len() <= opening.shown().len());
    for (field, value) in opening.shown() {
        if let Some(ms) = value.as_text().and_then(instant_ms) {
            assert_eq!(print_instant(ms).as_deref(), value.as_text(), "{field}");
        }
    }
}

/// What the leaf of an access says of its record.
fn access(commit: &Hash, record: &[u8]) -> Event {
    let hdr = br#"{"epoch":1,"issuer":"gateway","origin":"vitrine.example/access","prev":"698cae3d3bd87c84d43e5a3c2ad33d5b27643e0550d1a6e709c9166ac9880296","recorded":1795276800,"seq":3,"site":"CH-ZH-1"}"#;
    let sealed = Sealed { key: 2, sha256: Hash::of(record), size: record.len() as u64 };
    let value = sealed_statement_value(Kind::Access, json::parse(hdr).unwrap(), commit, &sealed);
    let mut envelope = Envelope { payload: value.to_jcs(), signatures: Vec::new() };
    envelope.add("key.example+00000000".into(), [0; 64]);
    Event::read(envelope).expect("an access of this form is read")
}

/// A record opens exactly when its text is the padded JCS of 24 values of the table [R-13] [R-16].
///
/// The bytes are the plain text that an issuer seals with its own keys; the bare bytes as a record never open.
pub fn record(bytes: &[u8]) {
    let (key, window) = (RecordKey::new([1; 32]), WindowKey::new([2; 32]));
    if is_record_size(bytes.len() as u64) {
        let refused = sealing::open(&window, &access(&Hash::of(b""), bytes), bytes).map(|_| ());
        assert_eq!(refused, Err(OpenError::Slot));
    }
    let steps = (4 + bytes.len()).next_multiple_of(STEP_BYTES);
    if !is_record_size((SLOT_BYTES + steps + TAG_BYTES) as u64) {
        return;
    }
    let mut plain = (bytes.len() as u32).to_be_bytes().to_vec();
    plain.extend_from_slice(bytes);
    plain.resize(steps, 0);
    let values: Option<[Value; FIELDS]> = match json::parse(bytes) {
        Ok(Value::Array(items)) if Value::Array(items.clone()).to_jcs() == bytes => items.try_into().ok(),
        _ => None,
    };
    let committed = commit(&commitments(&key, values.as_ref().unwrap_or(&nothing())));
    // The digest stands in the header's event, not in the header: the context does not depend on the record.
    let context = Context::of(&access(&committed, &[])).or_else(|| Some(Context::new(&committed, b"")));
    let record = sealing::seal(&key, &window, &context.unwrap(), &plain);
    let event = access(&committed, &record);
    match (sealing::open(&window, &event, &record), values) {
        (Ok(opened), Some(values)) => {
            assert_eq!(opened.values.all(), &values);
            assert_eq!(opened.values.to_value().to_jcs(), bytes);
            let at = opened.values.occurred_at_ms();
            assert_eq!(print_instant(at).and_then(|text| instant_ms(&text)), Some(at));
            assert_eq!(*sealing::pad(&opened.values), plain);
        }
        (Err(OpenError::Value(_)), Some(values)) => assert!(Values::new(values).is_err()),
        (Err(OpenError::Values), None) => {}
        (other, values) => panic!("{other:?} of {values:?}"),
    }
    let mut changed = record;
    changed[bytes.len() % steps] ^= 1;
    let event = access(&committed, &changed);
    assert!(sealing::open(&window, &event, &changed).is_err(), "one bit of the record was changed");
}

/// The wrap of the vectors opens for its reader, and nothing else does [R-19] [R-21].
pub fn wrap(bytes: &[u8]) {
    static GIVEN: OnceLock<(ReaderSeed, Hash, Vec<u8>)> = OnceLock::new();
    let (seed, check, sound) = GIVEN.get_or_init(|| {
        let file = include_bytes!("../../../spec/vectors/sealed/wraps.json");
        let file: serde_json::Value = serde_json::from_slice(file).expect("vectors are JSON");
        let member = |name: &str| file["cases"][0][name].as_str().expect("a text");
        let seed = ReaderSeed::new(text::unhex(member("seed")).expect("a seed"));
        (seed, Hash::from_hex(member("check")).expect("a digest"), text::unb64(member("wrap")).expect("a wrap"))
    });
    let target = WrapFor { origin: "example.com/access", issuer: "gateway", epoch: 1, seq: 2, reader: "supervisor" };
    assert_eq!(wrap::unwrap(seed, &target, bytes, check).is_ok(), bytes == sound);
}

/// A request is granted for what it is signed for, within the limits, and is spelled as its signer spells it [Q-1] to [Q-8].
///
/// The bytes are the value of `Authorization`, or a payload that is signed here with the key of each reader and issuer.
pub fn request(bytes: &[u8]) {
    for log in given::logs() {
        if let Ok(given) = std::str::from_utf8(bytes) {
            check(log, given, None);
        }
        let Ok(payload) = json::parse(bytes) else { continue };
        if payload.get("origin").and_then(Value::as_text) != Some(log.origin.as_str()) {
            continue;
        }
        for seed in log.seeds.values() {
            let sign = |payload_type| {
                let mut envelope = Envelope { payload: bytes.to_vec(), signatures: Vec::new() };
                let message = pae_of(payload_type, bytes);
                envelope.add(seed.vkey().keyid(), seed.sign_ed25519(&message).expect("an Ed25519 key"));
                format!("DSSE {}", text::b64(&envelope.value_of(payload_type).to_jcs()))
            };
            check(log, &sign(READ_TYPE), Some(&payload));
            check(log, &sign(ATTACH_TYPE), Some(&payload));
        }
    }
}

fn check(log: &given::Log, authorization: &str, payload: Option<&Value>) {
    let int = |name: &str, otherwise: u64| match payload.and_then(|payload| payload.get(name)) {
        Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(otherwise),
        _ => otherwise,
    };
    let sha256 = payload.and_then(|payload| payload.get("sha256")).and_then(Value::as_text);
    let sha256 = sha256.and_then(|text| Hash::from_hex(text).ok()).unwrap_or_else(|| Hash::of(b""));
    let (from, to, published) = (int("from", 3), int("to", 9), TreeSize::new(1 << 40));
    let now = Time::new(int("expires", 1_795_284_100).saturating_sub(100));
    let granted = check_read(authorization, log.state(), &log.origin, from, to, published, now);
    if let Ok(granted) = granted {
        let request = granted.request;
        assert_eq!((request.from, request.to, request.origin.as_str()), (from, to, log.origin.as_str()));
        assert!(from < to && to - from <= READ_ENTRIES_MAX && to <= published.get());
        assert!(request.expires >= now && request.expires.get() <= now.get() + READ_EXPIRES_S);
        if let (Some(seed), Some(_)) = (log.seeds.get(&granted.reader.sign.keyid()), payload) {
            assert_eq!(request.authorization(seed).as_deref(), Ok(authorization));
        }
    }
    if let Ok(request) = check_attach(authorization, log.state(), &log.origin, &sha256, now) {
        assert!(request.sha256 == sha256 && request.size <= ATTACHMENT_BYTES_MAX && request.expires >= now);
        let (_, opened) = log.state().epoch(&request.issuer).expect("it was opened");
        if let (Some(seed), Some(_)) = (log.seeds.get(&opened.vkey.keyid()), payload) {
            assert_eq!(request.authorization(seed).as_deref(), Ok(authorization));
        }
    }
}
