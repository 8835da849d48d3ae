//! Builds, rebuilds, reviews, updates, revocations, and the references between them.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;

use serde_json::json;

use crate::admission::world::{NOW, World};
use crate::body::tests::{self as bodies, digest};
use crate::refusal::Refusal;

#[test]
fn a_build() {
    // [A-20] [L-13] [L-8]
    let mut world = World::new();
    world.faults(
        &world.build(),
        &[
            ("another's builder", |made| made.body()["builder_id"] = json!("https://elsewhere"), "value"),
            ("finished after it was recorded", |made| made.body()["finished"] = json!(NOW + 61), "value"),
            ("finished in the minute after", |made| made.body()["finished"] = json!(NOW + 60), "ok"),
            ("built nowhere", |made| made.body()["build_site"] = json!("FR-PAR-1"), "site"),
            ("signed nowhere", |made| made.body()["signing_site"] = json!("FR-PAR-1"), "site"),
            (
                "a file without a name",
                |made| drop(made.subject()[0].as_object_mut().unwrap().remove("name")),
                "malformed",
            ),
            ("files out of order", |made| made.subject()[0]["name"] = json!("zlib"), "value"),
            ("one name twice", |made| made.subject()[1]["name"] = json!("app"), "value"),
            ("a git tree", |made| made.subject()[0]["digest"] = json!({ "gitTree": "ab".repeat(20) }), "malformed"),
            ("a note on a file", |made| made.subject()[0]["annotations"] = json!({ "size": 1 }), "malformed"),
        ],
    );
    world.log(&world.build());
}

#[test]
fn a_rebuild() {
    // [A-21] [A-25] [L-19]
    let mut world = World::new();
    let build = world.log(&world.build());
    world.faults(
        &world.rebuild(build.id),
        &[
            ("more independent than it is", |made| made.body()["independence"] = json!("vendor"), "value"),
            ("finished later", |made| made.body()["finished"] = json!(NOW + 61), "value"),
            ("not what came out", |made| made.body()["outcome"] = json!("different"), "outcome"),
            ("something came out", |made| made.body()["outcome"] = json!("build-failed"), "outcome"),
            (
                "nothing came out",
                |made| drop(made.subject()[0].as_object_mut().unwrap().remove("annotations")),
                "outcome",
            ),
            (
                "another came out",
                |made| {
                    made.body()["outcome"] = json!("different");
                    made.subject()[0]["annotations"]["produced"] = json!(digest(3));
                },
                "ok",
            ),
            (
                "a file of no build",
                |made| {
                    made.subject()[0]["digest"]["sha256"] = json!(digest(8));
                    made.subject()[0]["annotations"]["produced"] = json!(digest(8));
                },
                "not-in-build",
            ),
            ("no build named", |made| made.drop_hdr("refs"), "ok"),
        ],
    );
    // The supervisor's own.
    let mut own = world.rebuild(build.id);
    own.hdr()["issuer"] = json!("supervisor");
    own.signers = Vec::from(["supervisor-1".into()]);
    assert_eq!(world.code(&own), "value");
    own.body()["independence"] = json!("supervisor");
    assert_eq!(world.code(&own), "ok");
}

#[test]
fn an_update() {
    //
    let mut world = World::new();
    let build = world.log(&world.build());
    world.faults(
        &world.update(build.id),
        &[
            ("no stream", |made| made.body()["packageId"] = json!("other"), "stream"),
            ("for some in a stream for all", |made| made.body()["audience"] = json!(["CH"]), "stream"),
            ("a hole", |made| made.body()["release_seq"] = json!(2), "release-position"),
            ("built here, by no build", |made| made.drop_hdr("refs"), "ref-kind"),
            ("built elsewhere, by a build", |made| made.body()["built_here"] = json!(false), "ref-kind"),
            (
                "a file that no build has",
                |made| made.subject()[0]["digest"]["sha256"] = json!(digest(8)),
                "not-in-build",
            ),
            ("no size", |made| drop(made.subject()[0].as_object_mut().unwrap().remove("annotations")), "malformed"),
            (
                "for some in a regional stream",
                |made| {
                    made.body()["audience"] = json!(["CH"]);
                    made.body()["channel"] = json!("regional");
                },
                "ok",
            ),
        ],
    );
    world.log(&world.update(build.id));
    let mut again = world.update(build.id);
    again.body()["release_seq"] = json!(1);
    assert_eq!(world.refusal(&again), Refusal::ReleasePosition { got: 1, want: 2 });
    // Each channel counts for itself.
    again.body()["channel"] = json!("regional");
    assert_eq!(world.code(&again), "ok");
    // A second digest for one purl, file and channel is logged: refusing would hide it.
    let mut other = world.update(build.id);
    other.subject()[0]["digest"]["sha256"] = json!(digest(2));
    world.log(&other);
}

#[test]
fn references_lead_where_they_may() {
    //
    let mut world = World::new();
    let review = world.log(&world.review());
    let build = world.log(&world.build());
    let beat = world.log(&world.heartbeat("farm"));
    let mut reviewed = world.build();
    reviewed.refer("reviewed", review.id);
    world.faults(
        &reviewed,
        &[
            ("from another type", |made| made.hdr()["refs"][0]["rel"] = json!("follows"), "ref-kind"),
            ("no relation", |made| made.hdr()["refs"][0]["rel"] = json!("likes"), "value"),
            ("nothing there", |made| made.hdr()["refs"][0]["event_id"] = json!(digest(9)), "ref-missing"),
            (
                "nothing there, in another log",
                |made| {
                    made.hdr()["refs"][0]["event_id"] = json!(digest(9));
                    made.hdr()["refs"][0]["origin"] = json!("example.com/other");
                },
                "ok",
            ),
            ("this log as another", |made| made.hdr()["refs"][0]["origin"] = json!(bodies::ORIGIN), "ref-kind"),
            ("no log", |made| made.hdr()["refs"][0]["origin"] = json!("Other"), "value"),
            (
                "the place of what is not sealed",
                |made| made.hdr()["refs"][0]["at"] = json!({ "issuer": "supervisor", "epoch": 1, "seq": 1 }),
                "ref-kind",
            ),
        ],
    );
    let mut wrong = world.build();
    wrong.refer("reviewed", build.id);
    assert_eq!(world.code(&wrong), "ref-kind", "a build is no review");
    let mut plain = world.incident("vault");
    plain.refer("about", beat.id);
    assert_eq!(world.code(&plain), "ok");
    plain.hdr()["refs"][0]["at"] = json!({ "issuer": "farm", "epoch": 1, "seq": 2 });
    assert!(world.refusal(&plain).to_string().contains("sealed types alone"), "its own place, but it is not sealed");
    // `at` with another event there: not a hole in the log, but the wrong place.
    let mut displaced = world.incident("vault");
    displaced.refer("about", crate::envelope::EventId(crate::hash::Hash::new([9; 32])));
    displaced.hdr()["refs"][0]["at"] = json!({ "issuer": "farm", "epoch": 1, "seq": 2 });
    assert_eq!(world.code(&displaced), "ref-kind");
    displaced.hdr()["refs"][0]["at"]["seq"] = json!(3);
    assert_eq!(world.code(&displaced), "ref-missing");
    // Another log's only with `reviewed` and `about`.
    let mut foreign = world.update(build.id);
    foreign.hdr()["refs"][0]["origin"] = json!("example.com/other");
    assert_eq!(world.code(&foreign), "malformed");
    // As often as it may.
    let mut about = world.incident("vault");
    for event in [&review, &build, &beat, &world.events[0].event] {
        about.refer("about", event.id);
    }
    assert_eq!(world.code(&about), "ok");
    about.refer("about", world.events[1].event.id);
    assert_eq!(world.code(&about), "ref-kind");
    let mut twice = world.rebuild(build.id);
    twice.refer("reproduces", review.id);
    assert_eq!(world.code(&twice), "ref-kind");
    // A review follows one of its own issuer.
    let mut follows = world.review();
    follows.hdr()["nonce"] = json!("ff".repeat(16));
    follows.refer("follows", review.id);
    assert_eq!(world.code(&follows), "ok");
}

#[test]
fn a_review() {
    // [L-23] [L-13]
    let world = World::new();
    world.faults(
        &world.review(),
        &[
            (
                "findings, and none counted",
                |made| {
                    made.body()["findings"]["medium"] = json!(0);
                    made.body()["findings"]["low"] = json!(0);
                },
                "outcome",
            ),
            ("no finding, and some counted", |made| made.body()["outcome"] = json!("no-finding"), "outcome"),
            ("inconclusive, and some counted", |made| made.body()["outcome"] = json!("inconclusive"), "ok"),
            ("a tree of git", |made| made.subject()[0]["digest"] = json!({ "gitTree": "ab".repeat(20) }), "ok"),
            ("nothing", |made| made.subject()[0]["digest"] = json!({}), "value"),
            (
                "two revisions",
                |made| {
                    let other = json!({ "digest": { "sha256": digest(2) } });
                    made.subject().as_array_mut().unwrap().push(other);
                },
                "subject",
            ),
        ],
    );
}

#[test]
fn a_revocation() {
    //
    let mut world = World::new();
    let build = world.log(&world.build());
    let update = world.log(&world.update(build.id));
    let good = world.revoke(update.id);
    world.faults(
        &good,
        &[
            ("of nothing", |made| made.drop_hdr("refs"), "ref-kind"),
            ("of what is not there", |made| made.hdr()["refs"][0]["event_id"] = json!(digest(9)), "ref-missing"),
            ("of another file", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(2)), "subject"),
            (
                "of a file more",
                |made| {
                    let more = json!({ "name": "lib", "digest": { "sha256": digest(2) } });
                    made.subject().as_array_mut().unwrap().push(more);
                },
                "subject",
            ),
        ],
    );
    let mut of_build = world.revoke(build.id);
    assert_eq!(world.code(&of_build), "ref-kind");
    of_build.refer("replaced-by", build.id);
    assert_eq!(world.code(&of_build), "ref-kind");
    let mut replaced = good.clone();
    let second = world.log(&world.update(build.id));
    replaced.hdr()["seq"] = json!(4);
    replaced.hdr()["prev"] = json!(second.id.hex());
    replaced.refer("replaced-by", second.id);
    world.log(&replaced);
    // An issuer without that stream.
    let mut body = bodies::open_release("gate-1");
    body["streams"] = json!([{ "packageId": "other", "channel": "stable", "regional": false }]);
    world.log(&world.opening("gate", "gate-1", body));
    let mut foreign = world.made("update-revoke", "gate", bodies::revoke());
    *foreign.subject() = json!([{ "name": "app", "digest": { "sha256": digest(1) } }]);
    foreign.refer("revokes", update.id);
    assert_eq!(world.code(&foreign), "stream");
}

#[test]
fn an_incident_has_one_subject() {
    // [L-24] [L-13]
    let world = World::new();
    world.faults(
        &world.incident("vault"),
        &[
            (
                "two",
                |made| {
                    let other = json!({ "digest": { "sha256": digest(2) } });
                    made.subject().as_array_mut().unwrap().push(other);
                },
                "subject",
            ),
            ("none", |made| *made.subject() = json!([]), "subject"),
        ],
    );
}
