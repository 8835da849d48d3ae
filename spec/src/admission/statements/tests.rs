//! Verdicts, data rules, corrections: one fault each, and what they change.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;

use serde_json::json;

use crate::admission::world::{World, name};
use crate::body::tests::{self as bodies, digest};

/// A log with an update of one file, its build, and an update of another product.
fn updated() -> World {
    let mut world = World::new();
    let build = world.log(&world.build());
    world.log(&world.update(build.id));
    world
}

#[test]
fn a_verdict() {
    // [A-34] [A-35] [L-28]
    let mut world = updated();
    let build = world.events[4].event.id;
    let update = world.events[5].event.id;
    let mut second = world.update(build);
    second.body()["purl"] = json!("pkg:generic/app@1.0.1");
    let second = world.log(&second);
    let mut same = world.update(build);
    same.body()["channel"] = json!("regional");
    same.body()["release_seq"] = json!(1);
    same.subject()[0]["digest"]["sha256"] = json!(digest(2));
    let same = world.log(&same);
    let mut good = world.verdict(update);
    good.refer("about", build);
    world.faults(
        &good,
        &[
            ("about nothing", |made| made.drop_hdr("refs"), "ref-kind"),
            ("no file of the update", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(2)), "subject"),
            ("a named file", |made| made.subject()[0]["name"] = json!("app"), "malformed"),
            (
                "one file twice",
                |made| {
                    let file = made.subject()[0].clone();
                    made.subject().as_array_mut().unwrap().push(file);
                },
                "value",
            ),
            ("an empty subject", |made| *made.subject() = json!([]), "subject"),
            ("levels that failed", |made| made.body()["result"] = json!("FAILED"), "outcome"),
            (
                "failed, no level",
                |made| {
                    made.body()["result"] = json!("FAILED");
                    made.body()["levels"] = json!([]);
                },
                "ok",
            ),
            ("a report that nobody put", |made| made.body()["report"] = json!(digest(1)), "attachment-missing"),
            (
                "of the operator",
                |made| {
                    made.hdr()["issuer"] = json!("operator");
                    made.signers = vec!["operator-1".into()];
                },
                "type-not-allowed",
            ),
        ],
    );
    let mut of_a_build = world.verdict(build);
    assert_eq!(world.code(&of_a_build), "ref-kind", "about no update");
    of_a_build.refer("about", second.id);
    assert_eq!(world.code(&of_a_build), "ok");
    of_a_build.refer("about", update);
    assert_eq!(world.code(&of_a_build), "ref-kind", "about two products");
    // Two updates of one purl; a file of either.
    good.refer("about", same.id);
    *good.subject() = json!([{ "digest": { "sha256": digest(1) } }, { "digest": { "sha256": digest(2) } }]);
    assert_eq!(world.code(&good), "ok");
    good.subject().as_array_mut().unwrap().reverse();
    assert_eq!(world.code(&good), "value", "not sorted");
    good.subject().as_array_mut().unwrap().reverse();
    // An update of another log is not looked up, and is none of this one.
    let mut elsewhere = world.verdict(update);
    elsewhere.hdr()["refs"][0]["origin"] = json!("example.com/other");
    assert_eq!(world.code(&elsewhere), "ref-kind");
    world.log(&good);
}

#[test]
fn an_issuer_that_was_opened_for_verdicts() {
    //
    let mut world = updated();
    let update = world.events[5].event.id;
    let mut body = bodies::open("office-1");
    body["types"] = json!({ "verdict": "none" });
    world.log(&world.opening("office", "office-1", body));
    let mut verdict = world.verdict(update);
    verdict.hdr()["issuer"] = json!("office");
    verdict.signers = vec!["office-1".into()];
    world.log(&verdict);
    // A charter may ask for the supervisor beside.
    let mut charter = world.next_charter();
    charter.body()["cosign"]["verdict"] = json!(["supervisor"]);
    world.log(&charter);
    verdict.hdr()["nonce"] = json!("00000000000000000000000000000001");
    assert_eq!(world.code(&verdict), "signer-set");
    verdict.signers.push("supervisor-1".into());
    world.log(&verdict);
}

#[test]
fn data_rules() {
    // [A-36] [A-37] [L-29]
    let mut world = World::new();
    world.faults(
        &world.rules(),
        &[
            ("without the supervisor", |made| drop(made.signers.pop()), "signer-set"),
            (
                "the supervisor alone",
                |made| {
                    made.hdr()["issuer"] = json!("supervisor");
                    made.signers = vec!["supervisor-1".into()];
                },
                "type-not-allowed",
            ),
            (
                "version 2",
                |made| {
                    made.body()["version"] = json!(2);
                    made.subject_of_body();
                },
                "value",
            ),
            ("another subject", |made| made.body()["lateness_s"] = json!(601), "subject"),
        ],
    );
    assert_eq!(world.state.rules, None);
    let first = world.log(&world.rules());
    let newest = world.state.rules.clone().unwrap();
    assert_eq!((newest.id, newest.version, newest.effective.as_str()), (first.id, 1, "2018-11-13"));
    let mut next = world.rules();
    next.body()["effective"] = json!("2018-11-12");
    next.subject_of_body();
    assert_eq!(world.code(&next), "value", "in force earlier");
    for day in ["2018-11-13", "2020-11-01"] {
        next = world.rules();
        next.body()["effective"] = json!(day);
        next.subject_of_body();
        world.log(&next);
        assert_eq!(world.state.rules.as_ref().unwrap().effective, day);
    }
    assert_eq!(world.state.rules.as_ref().unwrap().version, 3);
    next.body()["lateness_s"] = json!(1);
    assert_eq!(world.code(&next), "position", "the version before once more");
}

#[test]
fn a_correction() {
    // [A-38] [A-39] [L-30]
    let mut world = updated();
    let build = world.events[4].event.id;
    let opening = world.events[1].event.id;
    let charter = world.events[0].event.id;
    world.faults(
        &world.correction("operator", build),
        &[
            ("of nothing", |made| made.drop_hdr("refs"), "ref-kind"),
            ("of what is not there", |made| made.hdr()["refs"][0]["event_id"] = json!(digest(9)), "ref-missing"),
            ("another subject", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(9)), "subject"),
            (
                "unchained",
                |made| {
                    made.drop_hdr("seq");
                    made.drop_hdr("prev");
                    made.hdr()["nonce"] = json!("0123456789abcdef0123456789abcdef");
                },
                "malformed",
            ),
            ("in another log", |made| made.hdr()["refs"][0]["origin"] = json!("example.com/other"), "malformed"),
            (
                "of the vault",
                |made| {
                    made.hdr()["issuer"] = json!("vault");
                    made.signers = vec!["vault-1".into()];
                },
                "type-not-allowed",
            ),
        ],
    );
    let mut two = world.correction("operator", build);
    two.refer("corrects", world.events[5].event.id);
    assert_eq!(world.code(&two), "ref-kind", "two events");
    let rules = world.log(&world.rules()).id;
    let beat = world.log(&world.heartbeat("farm"));
    let closing = world.closing("farm", &beat);
    let closing = world.log(&closing).id;
    let correction = world.log(&world.correction("supervisor", build)).id;
    for (what, id) in
        [("charter", charter), ("opening", opening), ("closing", closing), ("rules", rules), ("correction", correction)]
    {
        assert_eq!(world.code(&world.correction("operator", id)), "ref-kind", "{what}");
    }
    // The newest counts, so one event may be corrected again.
    let before = world.state.clone();
    world.log(&world.correction("operator", build));
    assert_eq!(world.state.rules, before.rules);
    assert_eq!(world.state.last_release("app", &name("stable")), before.last_release("app", &name("stable")));
}

#[test]
fn an_opened_issuer_corrects_its_own() {
    //
    let mut world = updated();
    let build = world.events[4].event.id;
    let mut body = bodies::open_rebuilder("office-1");
    body["types"]["correction"] = json!("strict");
    world.log(&world.opening("office", "office-1", body));
    assert_eq!(world.code(&world.correction("rebuilder", build)), "type-not-allowed");
    assert_eq!(world.code(&world.correction("office", build)), "ref-kind");
    let mut rebuild = world.rebuild(build);
    rebuild.hdr()["issuer"] = json!("office");
    rebuild.signers = vec!["office-1".into()];
    let rebuild = world.log(&rebuild).id;
    world.log(&world.correction("office", rebuild));
    // Of an epoch before, too.
    let last = world.events.last().unwrap().event.clone();
    let mut body = bodies::open("office-2");
    body["types"] = json!({ "correction": "strict" });
    body["previous"] = crate::admission::world::named(&last);
    let mut again = world.opening("office", "office-2", body);
    again.signers.push("office-1".into());
    world.log(&again);
    world.keys.insert("office".into(), "office-2".into());
    world.log(&world.correction("office", rebuild));
}
