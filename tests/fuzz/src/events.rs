//! Targets for events: strict JSON, envelopes, leaves, statements, bodies, submissions (docs/60 to docs/80).

use vitrine_spec::admission;
use vitrine_spec::body::Body;
use vitrine_spec::envelope::{Envelope, EventId, SIGNATURES_MAX, Submission, pae};
use vitrine_spec::event::{Event, Statement, parse_payload};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{self, Value};
use vitrine_spec::limits::{ENTRY_BYTES_MAX, PAYLOAD_BYTES_MAX, SUBMISSION_BYTES_MAX};
use vitrine_spec::state::State;
use vitrine_spec::statement::Kind;

use crate::{given, oracle};

/// Takes exactly what serde_json takes under the same rules, as the same value with the same spelling [J-1] [J-7].
pub fn json(bytes: &[u8]) {
    let read = json::parse(bytes);
    assert_eq!(read.as_ref().ok(), oracle::json(bytes).as_ref(), "{read:?}");
    let Ok(value) = read else { return };
    let printed = value.to_jcs();
    assert_eq!(printed, oracle::canonical(bytes));
    assert_eq!(json::parse(&printed), Ok(value));
}

/// Envelopes and submissions print as what is read as the same; a leaf has one spelling [E-3] [E-5].
pub fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::parse(bytes, 0) {
        let leaf = envelope.leaf();
        assert_eq!(Envelope::parse(&leaf, 0).as_ref(), Ok(&envelope));
        assert_eq!(envelope.id(), EventId::of(&envelope.payload));
        assert!(envelope.signatures.len() <= SIGNATURES_MAX);
        assert!(envelope.signatures.is_sorted_by(|a, b| a.keyid < b.keyid));
        assert_eq!(Envelope::parse_leaf(bytes).is_ok(), bytes == leaf && !envelope.signatures.is_empty());
        let mut more = envelope.clone();
        more.add("zzz.example+00000000".into(), [1; 64]);
        assert!(more.signatures.len() > SIGNATURES_MAX || Envelope::parse_leaf(&more.leaf()) == Ok(more));
    }
    if let Ok(submission) = Submission::parse(bytes, 0) {
        assert!(bytes.len() <= SUBMISSION_BYTES_MAX);
        let printed = submission.print();
        assert!(printed.len() > SUBMISSION_BYTES_MAX || Submission::parse(&printed, 0) == Ok(submission));
    }
}

/// A leaf is what its event prints [E-3] [E-6].
pub fn leaf(bytes: &[u8]) {
    let Ok(event) = Event::read_leaf(bytes) else { return };
    assert_eq!(event.leaf(), bytes);
    assert!(bytes.len() <= ENTRY_BYTES_MAX);
    assert_eq!(event.payload_value().to_jcs(), event.payload());
    assert_eq!(*event.id.as_bytes(), *Hash::of(&pae(event.payload())).as_bytes());
    check_statement(event.payload(), &event.statement);
}

/// The same for a payload, which is put into an envelope here; no member may be added anywhere [L-9] [L-12].
pub fn statement(bytes: &[u8]) {
    let Ok(payload) = parse_payload(bytes) else { return };
    assert_eq!(payload.to_jcs(), bytes);
    let Ok(statement) = Statement::read(&payload, bytes.len()) else { return };
    check_statement(bytes, &statement);
    let mut envelope = Envelope { payload: bytes.to_vec(), signatures: Vec::new() };
    envelope.add("key.example+00000000".into(), [0; 64]);
    let event = Event::read_leaf(&envelope.leaf()).expect("a payload that is read makes a leaf that is read");
    assert_eq!(event.statement, statement);
    let objects = count_objects(&payload);
    let mut more = payload;
    put_member(&mut more, &mut (bytes.len() % objects));
    assert!(Statement::read(&more, bytes.len()).is_err(), "{}", String::from_utf8_lossy(&more.to_jcs()));
}

fn check_statement(payload: &[u8], statement: &Statement) {
    let header = &statement.header;
    assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    assert_eq!(header.seq.is_some(), header.prev.is_some());
    assert_eq!(header.seq.is_some(), header.nonce.is_none());
    assert!(header.cosigners.is_sorted());
    assert_eq!(statement.kind.is_sealed(), statement.commit.is_some() && statement.sealed.is_some());
    assert!(statement.attachments.is_sorted_by(|a, b| a.sha256 < b.sha256));
    assert!(Kind::of(statement.kind.name()) == Some(statement.kind) && statement.kind.is_taken());
    let text = String::from_utf8_lossy(payload);
    for named in statement.body.named_attachments().into_iter().chain(statement.subject_sha256()) {
        assert!(text.contains(&named.hex()), "{named:?} stands nowhere");
    }
}

fn count_objects(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(count_objects).sum::<usize>(),
        Value::Array(items) => items.iter().map(count_objects).sum(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) => 0,
    }
}

/// Puts a member that no table has into one of the objects.
fn put_member(value: &mut Value, left: &mut usize) {
    match value {
        Value::Object(members) => {
            if *left == 0 {
                members.insert("~".into(), Value::Null);
            }
            *left = left.wrapping_sub(1);
            members.values_mut().for_each(|value| put_member(value, left));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_member(item, left)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) => {}
    }
}

/// The table of every type: what it takes, it takes with no member more [L-13].
pub fn body(bytes: &[u8]) {
    let Ok(value) = json::parse(bytes) else { return };
    for kind in Kind::ALL {
        for epoch in [1, 2] {
            let Ok(read) = Body::read(*kind, epoch, &value) else { continue };
            let text = String::from_utf8_lossy(bytes);
            assert!(read.named_attachments().iter().all(|named| text.contains(&named.hex())));
            let Value::Object(members) = &value else { panic!("a body is an object") };
            let mut more = members.clone();
            more.insert("~".into(), Value::Null);
            assert!(Body::read(*kind, epoch, &Value::Object(more)).is_err(), "{kind}");
        }
    }
}

/// Submissions and payloads against logs that were folded: what is admitted once is not admitted twice.
pub fn draft(bytes: &[u8]) {
    let mut envelope = Envelope { payload: bytes.to_vec(), signatures: Vec::new() };
    envelope.add("key.example+00000000".into(), [0; 64]);
    let leaf = envelope.leaf();
    for log in given::logs() {
        // A payload goes in as a leaf, which has its sealed record elsewhere.
        let drafts = [admission::read_unsigned(bytes, &log.origin), admission::read_leaf(&leaf, &log.origin)];
        for draft in drafts.into_iter().flatten() {
            let id = draft.id();
            // The last state too: what was admitted then may be a duplicate, out of place or closed by now.
            for state in log.states_for(&id) {
                let Ok(event) = draft.clone().parse(state) else { continue };
                assert_eq!((event.id, event.statement.header.origin.as_str()), (id, log.origin.as_str()));
                judge(state, log, &event);
            }
        }
    }
}

fn judge(state: &State, log: &given::Log, event: &Event) {
    let facts = log.facts(event);
    let effects = match admission::judge_unsigned(state, &facts, event, None) {
        Ok(effects) => effects,
        Err(refusal) => {
            assert!((400..500).contains(&refusal.status()), "{refusal}");
            assert_eq!(refusal.problem().get("code").and_then(Value::as_text), Some(refusal.code()));
            return;
        }
    };
    let mut after = state.clone();
    after.apply(&effects);
    assert_eq!(after.size().get(), state.size().get() + 1);
    let again = State::from_records(after.records()).map(|again| again.records());
    assert_eq!(again, Ok(after.records()));
    if event.statement.header.place().is_some() {
        assert!(admission::judge_unsigned(&after, &facts, event, None).is_err(), "a place was given twice");
    }
}
