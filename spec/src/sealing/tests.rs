//! The worked value of leaf-format.md 8, and what a reader refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::envelope::Envelope;
use crate::event::{sealed_statement_value, statement_value};
use crate::fields::{Field, nothing};
use crate::hash::leaf_hash;
use crate::json::Value;
use crate::key::{KeyKind, Seed};
use crate::opening::Opening;
use crate::statement::{Kind, Sealed};
use crate::text;
use crate::wrap::{ReaderSeed, WrapFor, unwrap, wrap};

fn count<const N: usize>(from: u8) -> [u8; N] {
    core::array::from_fn(|at| from + u8::try_from(at).unwrap())
}

fn values() -> Values {
    let mut values = nothing();
    values[Field::OccurredAt.number()] = "2026-11-21T16:03:01.123Z".into();
    values[Field::Op.number()] = "read".into();
    values[Field::Actor.number()] = "s-1071".into();
    values[Field::ActorLocationCountry.number()] = Value::object([("country", "CH".into()), ("known", "badge".into())]);
    values[Field::ObjectCount.number()] = Value::Int(3);
    values[Field::Outcome.number()] = Value::object([("result", "success".into())]);
    Values::new(values).unwrap()
}

fn header() -> Value {
    Value::object([
        ("epoch", Value::Int(1)),
        ("issuer", "gateway".into()),
        ("origin", "example.com/access".into()),
        ("prev", "11".repeat(32).into()),
        ("recorded", Value::Int(1_795_276_800)),
        ("seq", Value::Int(3)),
        ("site", "CH-ZH-1".into()),
    ])
}

/// An event with these values sealed in a record of `plain`, under the commitment of `committed`.
fn event(committed: &Values, plain: &[u8]) -> (Event, Vec<u8>) {
    let (key, window) = (RecordKey::new(count(0)), WindowKey::new(count(0x20)));
    let commit = commit(&commitments(&key, committed.all()));
    let record = seal(&key, &window, &Context::new(&commit, &header().to_jcs()), plain);
    let sealed = Sealed { key: 2, sha256: Hash::of(&record), size: record.len() as u64 };
    (signed(sealed_statement_value(Kind::Access, header(), &commit, &sealed)), record)
}

fn signed(statement: Value) -> Event {
    let seed = Seed::new("gateway.example.com", KeyKind::Ed25519, count(0x40)).unwrap();
    let mut envelope = Envelope { payload: statement.to_jcs(), signatures: Vec::new() };
    let sig = seed.sign_ed25519(&crate::envelope::pae(&envelope.payload)).unwrap();
    envelope.add(seed.vkey().keyid(), sig);
    Event::read(envelope).unwrap()
}

#[test]
fn the_worked_value() {
    // [R-6] [R-7] [R-8] [R-9] [R-10] [R-11]
    let (key, window) = (RecordKey::new(count(0)), WindowKey::new(count(0x20)));
    let salt = key.salt(Field::Op);
    assert_eq!(text::hex(&salt), "7c0f485e3951ab0564515a4c0bbc95135882d3cbc59717eb86ef198c9975cc60");
    assert_eq!(
        crate::commitment::field_commitment(Field::Op, &salt, &"read".into()).hex(),
        "f28c330766d3506a4f30dac7c6f0d2764711a1cc39b46cbdf610c01778ffa31e"
    );
    let (event, record) = event(&values(), &pad(&values()));
    let commit = event.statement.commit.unwrap();
    assert_eq!(commit.hex(), "c38f3fee2cb5d5e0be027e2b4eba7d7547a6a3c39b401a60f28e00cbacb174a4");
    assert_eq!(Hash::of(&header().to_jcs()).hex(), "a122eebf0f75245c871ede9cf1fc1fbc09c2d6a158a88304800ed2ccde324c11");
    let (slot, ciphertext) = record.split_at(48);
    assert_eq!(ciphertext.len(), 1_040);
    assert_eq!(Hash::of(ciphertext).hex(), "cc0dcbb087f2f71d37136081ccc075f2bcc6f7840010684196d9687c11797719");
    assert_eq!(
        text::hex(slot),
        "a0d9ffa29e2b7c0542a8d4691463c31e7f341a02f90a3d374e9645cdd6d767cc8107204b30293935181d7e18c23d804b"
    );
    assert_eq!(record.len(), 1_088);
    assert_eq!(Hash::of(&record).hex(), "a4f14948a0ca0657a6aa1a0e1871d4c8b9a76a55dc24435a46ac8bc08f50b079");
    assert_eq!(window.check().hex(), "c59d8731186f1cf62f96435d8a18cf81b6fd6e182aa8609fec0a40f1e4c4f200");
    assert_eq!(event.payload().len(), 591);
    assert_eq!(event.id.hex(), "39145885eab6c80e22ee1f297d7a4c6d83b2948bde0b39b7721724c348ba6ebb");
    assert_eq!(event.envelope.signatures[0].keyid, "gateway.example.com+89df0faf");
    assert_eq!(event.leaf().len(), 1_000);
    assert_eq!(
        text::hex(leaf_hash(&event.leaf()).as_bytes()),
        "dcf63d12e18d9e0ff117dfaba6914cf4293219844136a744e04d8a03f385cde6"
    );
    let opened = open(&window, &event, &record).unwrap();
    assert_eq!(opened.values, values());
    let opening = Opening::make(event.id, &opened.key, &opened.values, &[Field::Op, Field::ActorLocationCountry]);
    let printed = opening.print();
    assert_eq!(printed.len(), 1_262);
    assert_eq!(Hash::of(&printed).hex(), "b9e4fb7197bb07b3d4bf6f63a97d27be79b6c9c32544be4171dc2d20a88d9bf2");
    let read = Opening::parse(&printed).unwrap();
    read.verify(&event).unwrap();
    assert_eq!(read.shown().len(), 2);
    assert_eq!(read.shown()[0], (Field::Op, &"read".into()));
}

#[test]
fn the_worked_wrap() {
    // [R-19]
    let (seed, window) = (ReaderSeed::new(count(0)), WindowKey::new(count(0x20)));
    let public = seed.public();
    assert_eq!(Hash::of(&public).hex(), "c9a3565ffde4f72b51661be391ee13e46378d7f06dd5c8bf5af9d2cfb5b8336b");
    assert_eq!(text::hex(&seed.key_id()), "94d672cfc5faf8cb");
    let target = WrapFor { origin: "example.com/access", issuer: "gateway", epoch: 1, seq: 2, reader: "supervisor" };
    let made = wrap(&window, &public, &target, &count(0x60)).unwrap();
    assert_eq!(made.len(), 1_168);
    assert_eq!(Hash::of(&made).hex(), "f8594ea9059a6ae8396542843e180f5bc55d5fc32f9201cd8c9a7abfa6348b86");
    assert_eq!(unwrap(&seed, &target, &made, &window.check()).unwrap().bytes(), window.bytes());

    use crate::wrap::{WrapError, parse_reader_text, reader_text};
    let other = WrapFor { seq: 3, ..target };
    assert_eq!(unwrap(&seed, &other, &made, &window.check()).unwrap_err(), WrapError::Open);
    assert_eq!(unwrap(&ReaderSeed::new([9; 32]), &target, &made, &window.check()).unwrap_err(), WrapError::Open);
    assert_eq!(unwrap(&seed, &target, &made[1..], &window.check()).unwrap_err(), WrapError::Length(1_167));
    let check = WindowKey::new([7; 32]).check();
    assert!(matches!(unwrap(&seed, &target, &made, &check).unwrap_err(), WrapError::Check { .. }));

    let line = reader_text("supervisor", &public);
    assert_eq!(parse_reader_text(&line), Ok(("supervisor".to_string(), public.clone())));
    assert!(parse_reader_text(&line.replace("94d6", "94d7")).unwrap_err().contains("94d672cfc5faf8cb"));
    assert_eq!(ReaderSeed::parse(&seed.private_text()).unwrap().public(), public);
    assert!(ReaderSeed::parse("xwing-seed:AAAA").is_none());
}

#[test]
fn whoever_is_to_blame_is_named() {
    //
    let window = WindowKey::new(count(0x20));
    let (of_leaf, record) = event(&values(), &pad(&values()));
    let opens = |event: &Event, record: &[u8]| open(&window, event, record).unwrap_err();

    let mut damaged = record.clone();
    damaged[100] ^= 1;
    assert!(matches!(opens(&of_leaf, &damaged), OpenError::Mismatch { .. }));
    assert!(matches!(opens(&of_leaf, &record[..record.len() - 1]), OpenError::Mismatch { .. }));
    assert_eq!(opens(&of_leaf, &vec_of_zeros(record.len())), OpenError::Erased);
    assert_eq!(opens(&of_leaf, &damaged).incident(), None);
    assert_eq!(open(&WindowKey::new([9; 32]), &of_leaf, &record).unwrap_err(), OpenError::Slot);

    let mut longer = pad(&values()).to_vec();
    longer.extend([0; 1_024]);
    let (fits, longer_record) = event(&values(), &longer);
    assert_eq!(open(&window, &fits, &longer_record).unwrap().values, values());
    longer[2_000] = 1;
    for (plain, want) in [(longer, OpenError::Padding), (vec_of_zeros(1_024), OpenError::Values)] {
        let (of_leaf, record) = event(&values(), &plain);
        assert_eq!(opens(&of_leaf, &record), want);
        assert_eq!(want.incident(), Some("unopenable"));
    }
    let zeros = vec_of_zeros(1_088);
    let sealed = Sealed { key: 2, sha256: Hash::of(&zeros), size: 1_088 };
    let commit = of_leaf.statement.commit.unwrap();
    let of_zeros = signed(sealed_statement_value(Kind::Access, header(), &commit, &sealed));
    assert_eq!(opens(&of_zeros, &zeros), OpenError::Slot, "an issuer that seals nothing is to blame, not the log");

    let mut other = values().all().clone();
    other[Field::Actor.number()] = "s-1072".into();
    let (of_other, record) = event(&Values::new(other).unwrap(), &pad(&values()));
    assert!(matches!(opens(&of_other, &record), OpenError::Commitment { .. }));

    let heartbeat = statement_value(
        Kind::Heartbeat,
        Value::Array(Vec::from([Value::object([("digest", Value::object([("sha256", "11".repeat(32).into())]))])])),
        header(),
        Value::object([("to", Value::Int(1))]),
        None,
    );
    assert_eq!(opens(&signed(heartbeat), &record), OpenError::NotSealed);
}

fn vec_of_zeros(length: usize) -> Vec<u8> {
    core::iter::repeat_n(0, length).collect()
}
