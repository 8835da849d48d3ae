//! Sealed events through admission, over a real index: the record travels with the leaf, whatever comes twice (85-log.md).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use serde_json::{Value, json};
use vitrine_spec::hash::Hash;
use vitrine_spec::text::{b64, unb64};
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::{Admission, Lookup, NotTaken, Place};
use crate::fake::Actor;
use crate::index::tests::World;
use crate::metrics::Metrics;

/// Admission over a log with accesses, and who signs.
struct Test {
    admission: Admission,
    gateway: Actor,
    _world: World,
}

impl Test {
    /// A gateway that is open and has a sealing key at seq 2.
    fn new() -> Test {
        let mut world = World::new();
        let mut gateway = Actor::new("gateway", 24);
        let open = gateway.open_gateway(world.operator());
        world.add(&[open, gateway.sealing_key()]);
        Test { admission: over(&world), gateway, _world: world }
    }

    fn submit(&self, submission: &Value) -> Result<Place, &'static str> {
        self.admission.submit(submission.to_string().as_bytes()).map_err(|error| match error {
            NotTaken::Refused(refusal) => refusal.code(),
            NotTaken::Failed(why) => panic!("{why}"),
        })
    }
}

/// Admission at the head of a log; one attachment is stored.
fn over(world: &World) -> Admission {
    let (index, state, _) = world.open().unwrap();
    Admission::new(
        world.log.keys().origin().clone(),
        state,
        Arc::new(index) as Arc<dyn Lookup>,
        Box::new(|digest| (*digest == Hash::of(b"known")).then_some(5)),
        Arc::new(Metrics::new()),
        Box::new(|| ()),
    )
}

fn record(submission: &Value) -> Vec<u8> {
    unb64(submission["sealed"].as_str().unwrap()).unwrap()
}

fn without_record(submission: &Value) -> Value {
    json!({"envelope": submission["envelope"]})
}

#[test]
fn a_record_travels_with_its_leaf_and_counts() {
    // [S-29]
    let mut test = Test::new();
    let access = test.gateway.access(2, 1);
    assert!(!test.submit(&access).unwrap().duplicate);
    let (leaf, bytes) = {
        let inner = test.admission.read();
        (inner.pool[0].item.leaf.len(), inner.pool_bytes)
    };
    assert_eq!(bytes, leaf + record(&access).len());
    let [taken] = &test.admission.take()[..] else { panic!("one event was admitted") };
    assert_eq!(taken.item.record, Some(record(&access)));
    assert_eq!(test.admission.read().pool_bytes, 0);
}

#[test]
fn a_duplicate_needs_no_record_and_never_loses_the_first() {
    // [S-26] [S-29]
    let mut test = Test::new();
    let access = test.gateway.access(2, 1);
    let place = test.submit(&access).unwrap();
    let mut other = access.clone();
    other["sealed"] = json!(b64(b"another record"));
    for again in [&access, &without_record(&access), &other] {
        let found = test.submit(again).unwrap();
        assert!(found.duplicate && found.index == place.index);
    }
    let lines: Vec<String> = [&other, &access].iter().map(|line| line.to_string()).collect();
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let answers = test.admission.submit_lines(&lines).unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|place| place.duplicate)), "{answers:?}");
    let taken = test.admission.take();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].item.record, Some(record(&access)));
}

#[test]
fn a_record_that_is_not_the_leafs_leaves_nothing_behind() {
    //
    let mut test = Test::new();
    let access = test.gateway.access(2, 1);
    let mut other = access.clone();
    let mut bytes = record(&access);
    bytes[100] ^= 1;
    other["sealed"] = json!(b64(&bytes));
    assert_eq!(test.submit(&other).unwrap_err(), "sealed-mismatch");
    assert_eq!(test.submit(&without_record(&access)).unwrap_err(), "malformed");
    assert!(test.admission.is_empty());
    test.submit(&access).unwrap();
    assert_eq!(test.admission.take()[0].item.record, Some(record(&access)));
}

#[test]
fn a_duplicate_of_a_sealed_event_is_found_by_its_place_when_pool_and_batches_have_forgotten_it() {
    // [S-26] [S-33]: whatever else is wrong with it by now.
    let (world, at) = World::with_accesses();
    let access = world.submission(at.accesses[1]);
    let admission = over(&world);
    let mut forged = access.clone();
    forged["envelope"]["signatures"][0]["sig"] = json!(b64(&[7; 64]));
    let mut wrong = access.clone();
    wrong["sealed"] = json!(b64(b"another record"));
    for again in [access, forged, wrong] {
        let place = admission.submit(again.to_string().as_bytes()).unwrap();
        assert!(place.duplicate);
        assert_eq!(place.index, LeafIndex::new(at.accesses[1]));
    }
    // Another event at a taken position is no duplicate.
    let mut gateway = Actor::new("gateway", 24);
    let _ = (gateway.open_gateway(world.operator()), gateway.sealing_key());
    let other = gateway.access(2, 1_000);
    assert!(matches!(
        admission.submit(other.to_string().as_bytes()),
        Err(NotTaken::Refused(refusal)) if refusal.code() == "position"
    ));
}

#[test]
fn an_erasure_knows_the_entries_of_its_targets() {
    // [S-31]
    let (mut world, at) = World::with_accesses();
    let logged = world.submission(at.accesses[2]);
    let mut gateway = world.gateway_after(&at);
    let admission = over(&world);
    let pooled = gateway.access(2, 5);
    admission.submit(pooled.to_string().as_bytes()).unwrap();
    let erasure = world.erasure(&[&logged, &pooled]);
    admission.submit(erasure.to_string().as_bytes()).unwrap();
    let taken = admission.take();
    let size = world.log.size().get();
    let mut erases = taken[1].erases.clone();
    erases.sort();
    assert_eq!(erases, [LeafIndex::new(at.accesses[2]), LeafIndex::new(size)]);
    assert_eq!(taken[0].erases, []);
}

#[test]
fn an_attachment_must_be_stored_and_as_long_as_it_says() {
    //
    let test = Test::new();
    let mut farm = Actor::new("farm", 23);
    let (known, unknown) = (farm.build_with(2_000, b"known"), farm.build_with(2_001, b"unknown"));
    assert_eq!(test.submit(&unknown).unwrap_err(), "attachment-missing");
    test.submit(&known).unwrap();
    assert_eq!(test.admission.take().len(), 1);
    assert_eq!(test.admission.lookup.covered(), TreeSize::new(test.admission.read().next - 1));
}
