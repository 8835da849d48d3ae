//! Admission on a small log: each rule with events that break it alone, and what is left behind by those that are taken.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;

use std::format;

use serde_json::json;

use super::world::{Made, NOW, Spoil, World, ZEROS, name, origin};
use super::*;
use crate::body::tests::{self as bodies, digest};
use crate::key::KeyKind;
use crate::statement::Kind;

#[test]
fn the_first_check_that_fails_is_reported() {
    // [A-1] [E-6] [L-10] [L-11] [L-12] [X-2]
    let mut world = World::new();
    let build = world.log(&world.build());
    let mut made = world.update(build.id);
    assert_eq!(world.code(&made), "ok");
    // From the last check to the first: each fault is added to those before, and hides them.
    let faults: [(&str, Spoil); 19] = [
        ("release-position", |made| made.body()["release_seq"] = json!(9)),
        ("stream", |made| made.body()["channel"] = json!("nowhere")),
        ("ref-missing", |made| made.hdr()["refs"][0]["event_id"] = json!(digest(77))),
        ("ref-kind", |made| made.hdr()["refs"][0]["rel"] = json!("about")),
        ("site", |made| made.hdr()["site"] = json!("CH-ZH-1")),
        ("clock-order", |made| made.hdr()["recorded"] = json!(NOW - 2)),
        ("too-early", |made| made.hdr()["recorded"] = json!(NOW + 61)),
        ("attachment-missing", |made| {
            made.statement["predicate"]["attachments"] = json!([{ "sha256": digest(5), "size": 1, "media_type": "a" }]);
        }),
        ("position", |made| made.hdr()["seq"] = json!(7)),
        ("signature", |made| made.liar = Some("release-1".into())),
        ("signer-set", |made| made.signers.push("stranger".into())),
        ("type-not-allowed", |made| made.hdr()["issuer"] = json!("vault")),
        ("epoch", |made| made.hdr()["epoch"] = json!(2)),
        ("issuer-unknown", |made| made.hdr()["issuer"] = json!("nobody")),
        ("value", |made| made.body()["purl"] = json!("app")),
        ("malformed", |made| made.hdr()["more"] = json!(1)),
        ("too-large", |made| made.body()["more"] = json!("m".repeat(40_000))),
        ("type-later", |made| made.statement["predicateType"] = json!("https://vitrine.example/transfer/v0")),
        ("type-unknown", |made| made.statement["predicateType"] = json!("https://vitrine.example/gift/v0")),
    ];
    for (want, spoil) in faults {
        spoil(&mut made);
        assert_eq!(world.code(&made), want);
    }
    made.hdr()["origin"] = json!("example.com/other");
    assert_eq!(world.code(&made), "origin");
    made.spaced = true;
    assert_eq!(world.code(&made), "not-canonical");
    assert_eq!(world.submit(b"{\"envelope\":{}}", NOW).unwrap_err().code(), "malformed");
}

#[test]
fn nothing_is_taken_before_a_charter() {
    // [A-3] [A-15]
    let empty = World::empty();
    for made in [empty.heartbeat("operator"), empty.opening("farm", "farm-1", bodies::open_farm("farm-1"))] {
        assert_eq!(empty.code(&made), "type-unknown");
    }
    let mut later = empty.heartbeat("operator");
    later.statement["predicateType"] = json!("https://vitrine.example/transfer/v0");
    assert_eq!(empty.code(&later), "type-later");
    assert_eq!(empty.code(&empty.first_charter()), "ok");
}

#[test]
fn a_type_that_the_charter_does_not_take_is_unknown() {
    // [A-3]
    let mut world = World::empty();
    let mut charter = world.first_charter();
    charter.body()["types"] = json!(["charter", "heartbeat", "incident", "issuer-close", "issuer-open"]);
    charter.body()["cosign"] = json!({});
    world.log(&charter);
    assert_eq!(world.code(&world.review()), "type-unknown");
    assert_eq!(world.code(&world.heartbeat("supervisor")), "ok");
}

#[test]
fn what_stands_in_a_chain_has_a_place_and_all_else_a_nonce() {
    // [A-3]
    let mut world = World::new();
    let nonce = |made: &mut Made| {
        made.drop_hdr("seq");
        made.drop_hdr("prev");
        made.hdr()["nonce"] = json!("00".repeat(16));
    };
    let place = |made: &mut Made| {
        made.drop_hdr("nonce");
        (made.hdr()["seq"], made.hdr()["prev"]) = (json!(2), json!(world.events[1].event.id.hex()));
    };
    let mut heartbeat = world.heartbeat("farm");
    nonce(&mut heartbeat);
    assert_eq!(world.code(&heartbeat), "malformed");
    let mut build = world.build();
    assert_eq!(world.code(&build), "ok");
    build.hdr()["seq"] = json!(2);
    assert_eq!(world.code(&build), "malformed", "a nonce and a seq");
    build.hdr().as_object_mut().unwrap().remove("seq");
    place(&mut build);
    assert_eq!(world.code(&build), "malformed", "the opening says none");
    // An event of another epoch is not measured by this epoch's opening.
    let last = world.log(&world.heartbeat("farm"));
    let mut strict = bodies::open_farm("farm-1");
    strict["types"]["build"] = json!("strict");
    strict["previous"] = super::world::named(&last);
    let open = world.opening("farm", "farm-1", strict);
    world.log(&open);
    let mut old = world.build();
    old.hdr()["epoch"] = json!(1);
    assert_eq!(world.code(&old), "epoch");
    assert_eq!(world.code(&world.build()), "malformed", "the new opening says strict");
}

#[test]
fn a_duplicate_is_found_before_any_rule() {
    // [A-4] [A-5]
    let mut world = World::new();
    let made = world.heartbeat("farm");
    let event = world.log(&made);
    let again = read(&made.submission(), &origin()).unwrap().parse(&world.state).unwrap();
    let facts = world.facts(&again);
    assert_eq!(duplicate(&facts, &again), Some(world.events[4].index));
    // By its place alone, as the pool finds it.
    let mut by_place = Facts::default();
    let place = again.statement.header.place().unwrap();
    by_place.insert(Query::At(place.issuer, place.epoch, place.seq), world.events[4].clone());
    assert_eq!(duplicate(&by_place, &again), Some(world.events[4].index));
    assert_eq!(duplicate(&Facts::default(), &again), None);
    let mut state = world.state.clone();
    let refused = fold(&mut state, &event.leaf(), &origin(), |query| world.look(query)).unwrap_err();
    assert!(refused.to_string().contains("entry 4 already"), "{refused}");
    assert_eq!(state, world.state, "a refused entry leaves nothing behind");
    // Another event for the same place.
    let mut other = made;
    other.body()["to"] = json!(NOW - 1);
    assert_eq!(world.code(&other), "position");
}

#[test]
fn a_plan_names_every_fact() {
    // [A-4]
    let mut world = World::new();
    let build = world.log(&world.build());
    let mut made = world.update(build.id);
    made.hdr()["refs"][0]["at"] = json!({ "issuer": "farm", "epoch": 1, "seq": 1 });
    made.statement["predicate"]["attachments"] = json!([{ "sha256": digest(5), "size": 1, "media_type": "a" }]);
    let event = read(&made.submission(), &origin()).unwrap().parse(&world.state).unwrap();
    let want = [
        Query::Id(event.id),
        Query::At(name("release"), 1, 2),
        Query::Id(build.id),
        Query::At(name("farm"), 1, 1),
        Query::Attachment(crate::hash::Hash::new([5; 32])),
    ];
    assert_eq!(plan(&event), want);
    let close = world.closing("farm", &world.events[1].event.clone());
    let event = read(&close.submission(), &origin()).unwrap().parse(&world.state).unwrap();
    assert!(plan(&event).contains(&Query::At(name("farm"), 1, 1)));
}

#[test]
fn who_may_log_and_who_may_not() {
    // [A-6]
    let world = World::new();
    let foreign = |made: &mut Made, issuer: &str| {
        made.hdr()["issuer"] = json!(issuer);
        made.signers[0] = format!("{issuer}-1");
    };
    let mut nobody = world.heartbeat("farm");
    foreign(&mut nobody, "nobody");
    assert_eq!(world.code(&nobody), "issuer-unknown");
    let mut epoch = world.heartbeat("farm");
    epoch.hdr()["epoch"] = json!(2);
    assert_eq!(world.refusal(&epoch), Refusal::Epoch { issuer: "farm".into(), got: 2, want: 1 });
    for issuer in ["farm", "release", "operator"] {
        let mut build = world.rebuild(world.events[0].event.id);
        foreign(&mut build, issuer);
        assert_eq!(world.code(&build), "type-not-allowed", "{issuer}");
    }
    assert_eq!(world.code(&world.incident("farm")), "type-not-allowed");
    for issuer in ["operator", "supervisor", "vault"] {
        assert_eq!(world.code(&world.incident(issuer)), "ok", "{issuer}");
    }
    let mut by_vault = world.closing("farm", &world.events[1].event);
    foreign(&mut by_vault, "vault");
    assert_eq!(world.code(&by_vault), "type-not-allowed");
}

#[test]
fn each_signer_is_asked_for_and_signs_once() {
    // [A-7] [A-8] [A-9]
    let world = World::new();
    world.faults(
        &world.heartbeat("farm"),
        &[
            ("not of the issuer", |made| made.signers[0] = "release-1".into(), "signer-set"),
            ("a key nobody knows", |made| made.signers.push("stranger".into()), "signer-set"),
            ("a spare", |made| made.signers.push("supervisor-spare".into()), "signer-set"),
            ("another issuer, by the way", |made| made.signers.push("release-1".into()), "ok"),
            ("the vault, by the way", |made| made.signers.push("vault-1".into()), "ok"),
            ("another message", |made| made.liar = Some("farm-1".into()), "signature"),
            (
                "its own key as cosigner",
                |made| {
                    let own = bodies::seed("farm-1", KeyKind::Ed25519).vkey().keyid();
                    made.hdr()["cosigners"] = json!([own]);
                },
                "signer-set",
            ),
            (
                "a cosigner who did not sign",
                |made| {
                    let other = bodies::seed("release-1", KeyKind::Ed25519).vkey().keyid();
                    made.hdr()["cosigners"] = json!([other]);
                },
                "signer-set",
            ),
        ],
    );
    let mut hidden = world.heartbeat("farm");
    hidden.signers.push("release-1".into());
    hidden.statement["predicate"]["hdr"]["cosigners"] =
        json!([bodies::seed("vault-1", KeyKind::Ed25519).vkey().keyid()]);
    assert_eq!(world.code(&hidden), "signer-set", "signed by another one than it names");
    let mut review = world.review();
    assert_eq!(world.code(&review), "ok");
    review.signers.pop();
    assert!(world.refusal(&review).to_string().contains("operator, as the charter in force says"));
}

#[test]
fn without_signatures_all_else_is_judged() {
    // [A-7]
    let world = World::new();
    let unsigned = |made: &Made| {
        let mut envelope = made.envelope();
        envelope.signatures.clear();
        Submission { envelope, sealed: None }.print()
    };
    let judged = |made: &Made| {
        let event = read_unsigned(&unsigned(made), &origin()).unwrap().parse(&world.state).unwrap();
        judge_unsigned(&world.state, &world.facts(&event), &event, Some(Time::new(NOW)))
    };
    let mut made = world.heartbeat("farm");
    assert_eq!(read(&unsigned(&made), &origin()).unwrap_err().code(), "malformed");
    assert!(judged(&made).is_ok());
    made.hdr()["seq"] = json!(9);
    assert_eq!(judged(&made).unwrap_err().code(), "position");
    let mut opening = world.opening("gate", "gate-1", bodies::open_rebuilder("gate-1"));
    assert!(judged(&opening).is_ok());
    opening.signers.pop();
    assert_eq!(judged(&opening).unwrap_err().code(), "signer-set", "the operator is not among those who shall sign");
}

#[test]
fn a_chain_goes_on_where_it_ends() {
    // [A-10]
    let mut world = World::new();
    let first = world.log(&world.heartbeat("farm"));
    let mut gap = world.heartbeat("farm");
    gap.hdr()["seq"] = json!(4);
    let refusal = world.refusal(&gap);
    let want = (3, first.id.0);
    assert_eq!(refusal, Refusal::Position { got: (4, first.id.0), want });
    assert_eq!(refusal.problem().get("expected_prev").unwrap().as_text(), Some(first.id.hex().as_str()));
    let mut fork = world.heartbeat("farm");
    fork.hdr()["prev"] = json!(ZEROS);
    assert_eq!(world.code(&fork), "position");
    let mut opening = world.opening("gate", "gate-1", bodies::open_rebuilder("gate-1"));
    opening.hdr()["seq"] = json!(2);
    assert_eq!(world.code(&opening), "position");
    // Unchained events take no part, but for the newest entry of their issuer.
    let build = world.log(&world.build());
    let view = world.state.issuer("farm").unwrap();
    assert_eq!(view.last.unwrap().event_id, first.id);
    assert_eq!(view.newest, Some(world.events[5].index));
    assert_eq!(world.events[5].event.id, build.id);
    assert_eq!(world.code(&world.heartbeat("farm")), "ok");
}

#[test]
fn clocks_and_sites_of_a_header() {
    // [A-12] [A-13]
    let mut world = World::new();
    let hour = NOW - NOW % 3_600;
    world.log(&world.heartbeat("farm"));
    world.faults(
        &world.heartbeat("farm"),
        &[
            ("61 s ahead", |made| made.hdr()["recorded"] = json!(NOW + 61), "too-early"),
            ("60 s ahead", |made| made.hdr()["recorded"] = json!(NOW + 60), "ok"),
            ("the hour before", |made| made.hdr()["recorded"] = json!(NOW - NOW % 3_600 - 1), "clock-order"),
            ("no site", |made| made.drop_hdr("site"), "site"),
            ("a site of the charter, not of the opening", |made| made.hdr()["site"] = json!("FR-PAR-1"), "site"),
            ("the other site", |made| made.hdr()["site"] = json!("DE-FRA-2"), "ok"),
        ],
    );
    let mut early = world.heartbeat("farm");
    early.hdr()["recorded"] = json!(hour);
    early.body()["to"] = json!(hour);
    assert_eq!(world.code(&early), "clock-order", "to goes back");
    let mut none = world.heartbeat("release");
    assert_eq!(world.code(&none), "ok");
    none.hdr()["site"] = json!("CH-ZH-1");
    assert_eq!(world.code(&none), "site");
    // Clocks of many workers on one chain: back within the hour, never before it.
    world.log(&world.incident("vault"));
    let mut back = world.incident("vault");
    back.hdr()["recorded"] = json!(hour);
    assert!(hour < NOW);
    assert_eq!(world.code(&back), "ok");
    back.hdr()["recorded"] = json!(hour - 1);
    assert_eq!(world.code(&back), "clock-order");
    // The future is no matter of the fold.
    let mut ahead = world.heartbeat("farm");
    ahead.hdr()["recorded"] = json!(NOW + 9_999);
    let mut state = world.state.clone();
    assert!(fold(&mut state, &ahead.envelope().leaf(), &origin(), |query| world.look(query)).is_ok());
}

#[test]
fn attachments_are_there_when_an_event_arrives() {
    // [A-14] [L-22]
    let mut world = World::new();
    let mut made = world.build();
    made.body()["sbom"] = json!(digest(5));
    assert_eq!(world.code(&made), "attachment-missing", "the body names what is not listed");
    made.statement["predicate"]["attachments"] =
        json!([{ "sha256": digest(5), "size": 12, "media_type": "text/plain" }]);
    assert_eq!(world.code(&made), "attachment-missing", "listed, not here");
    world.attachments.insert(crate::hash::Hash::new([5; 32]), 11);
    assert!(world.refusal(&made).to_string().contains("has 11 bytes, the event says 12"));
    let mut state = world.state.clone();
    let folded = fold(&mut state, &made.envelope().leaf(), &origin(), |query| world.look(query));
    assert!(folded.is_ok(), "the fold does not look");
    world.attachments.insert(crate::hash::Hash::new([5; 32]), 12);
    world.log(&made);
}

#[test]
fn a_heartbeat_takes_nothing_back() {
    // [A-19]
    let mut world = World::new();
    world.log(&world.heartbeat("farm"));
    world.faults(
        &world.heartbeat("farm"),
        &[
            ("after recorded", |made| made.body()["to"] = json!(NOW + 1), "clock-order"),
            ("before the last one", |made| made.body()["to"] = json!(NOW - 1), "clock-order"),
            ("of another event", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(3)), "subject"),
            (
                "two",
                |made| made.subject().as_array_mut().unwrap().push(json!({ "digest": { "sha256": digest(3) } })),
                "subject",
            ),
            ("none", |made| *made.subject() = json!([]), "subject"),
            ("with a name", |made| made.subject()[0]["name"] = json!("app"), "malformed"),
        ],
    );
}

#[test]
fn a_sealed_record_comes_with_no_type_that_is_not_sealed() {
    // [E-5] [A-28]
    let world = World::new();
    let mut made = world.heartbeat("farm");
    made.sealed = Some(Vec::from([1, 2, 3]));
    assert_eq!(world.code(&made), "malformed");
}

#[test]
fn records_are_the_whole_state() {
    // [A-2] [A-11]
    let mut world = World::new();
    let build = world.log(&world.build());
    let before = world.state.records().len();
    for _ in 0..20 {
        world.log(&world.heartbeat("farm"));
        let mut made = world.update(build.id);
        made.hdr()["recorded"] = json!(NOW);
        world.log(&made);
    }
    // One record for the stream: events alone do not grow it.
    assert_eq!(world.state.records().len(), before + 1);
    let bad = |key: &[u8], value: &[u8]| State::from_records([(key.to_vec(), value.to_vec())]).unwrap_err();
    assert!(bad(b"what", b"{}").contains("what"));
    assert!(bad(b"size", b"{").contains("size"));
    assert!(bad(b"chain\0farm\0x", b"{}").contains("epoch"));
    assert!(bad(b"size", br#"{"size":1,"more":2}"#).contains("more"));
    assert_eq!(State::from_records([]).unwrap(), State::default());
}

#[test]
fn kinds_and_their_chains() {
    // [A-3] [L-9]
    assert!(!chained(Kind::Build, None) && chained(Kind::Build, Some(Chained::Strict)) && chained(Kind::Update, None));
    let made = World::new().heartbeat("farm");
    let event = Event::read(made.envelope()).unwrap();
    let parsed = event.payload_value();
    let part = |name: &str| parsed.get("predicate").unwrap().get(name).unwrap().clone();
    let again = event::statement_value(
        Kind::Heartbeat,
        parsed.get("subject").unwrap().clone(),
        part("hdr"),
        part("body"),
        None,
    );
    assert_eq!(again.to_jcs(), event.payload(), "what a client prints is what was read");
    assert_eq!(reread(&event.leaf(), &origin()).unwrap(), event);
    assert_eq!(origin_of(&event.leaf()).unwrap(), origin());
    assert_eq!(reread(&event.leaf(), &Origin::new("example.com/b").unwrap()).unwrap_err().code(), "origin");
    assert_eq!(format!("{}", event.statement.kind), "heartbeat");
}

#[test]
fn a_leaf_of_a_later_type_is_passed_when_its_issuer_stands_for_it() {
    // [A-40]
    let mut world = World::new();
    world.log(&world.build());
    let later = |world: &World, spoil: Spoil| {
        let mut made = world.heartbeat("farm");
        made.statement["predicateType"] = json!("https://vitrine.example/gift/v3");
        *made.body() = json!({"nobody": ["knows", "it"]});
        made.hdr()["more"] = json!(true);
        spoil(&mut made);
        let mut state = world.state.clone();
        let passed = pass(&mut state, &made.envelope().leaf(), &origin());
        (passed, state, made)
    };
    let (passed, state, made) = later(&world, |_| ());
    let passed = passed.unwrap();
    assert_eq!((passed.issuer.as_str(), passed.kind.as_str()), ("farm", "https://vitrine.example/gift/v3"));
    assert_eq!(passed.id, made.envelope().id());
    let last = state.chain(&name("farm"), 1).last.unwrap();
    assert_eq!((Some((last.seq, last.event_id)), state.size.get()), (Some((2, passed.id)), world.state.size.get() + 1));
    // What the same issuer logs next follows it.
    world.state = state;
    assert_eq!(world.code(&world.heartbeat("farm")), "ok");
    for (want, spoil) in [
        (
            "type-not-allowed",
            (|made| made.statement["predicateType"] = json!("https://vitrine.example/update/v0")) as Spoil,
        ),
        ("malformed", |made| made.drop_hdr("recorded")),
        ("issuer-unknown", |made| made.hdr()["issuer"] = json!("nobody")),
        ("epoch", |made| made.hdr()["epoch"] = json!(2)),
        ("signature", |made| made.liar = Some("farm-1".into())),
        ("position", |made| made.hdr()["seq"] = json!(9)),
        ("origin", |made| made.hdr()["origin"] = json!("example.com/other")),
    ] {
        let before = world.state.clone();
        let (refused, after, _) = later(&world, spoil);
        assert_eq!((refused.unwrap_err().code(), after == before), (want, true));
    }
}
