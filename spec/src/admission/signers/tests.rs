//! Openings, closings, and what they disown.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;

use serde_json::json;

use crate::admission::world::{NOW, World, named};
use crate::body::tests::{self as bodies, digest};
use crate::hash::Hash;
use crate::key::KeyKind;

#[test]
fn an_opening_brings_a_new_key() {
    //
    let world = World::new();
    let mut body = bodies::open_release("gate-1");
    body["streams"] = json!([{ "packageId": "other", "channel": "stable", "regional": false }]);
    body["sites"] = json!(["CH-ZH-1"]);
    let good = world.opening("gate", "gate-1", body);
    world.faults(
        &good,
        &[
            ("a role", |made| made.hdr()["issuer"] = json!("vault"), "type-not-allowed"),
            (
                "a role in another epoch",
                |made| {
                    made.hdr()["issuer"] = json!("vault");
                    made.hdr()["epoch"] = json!(2);
                    made.body()["previous"] = json!({ "seq": 1, "event_id": digest(1) });
                },
                "type-not-allowed",
            ),
            ("a taken name", |made| made.hdr()["issuer"] = json!("farm"), "epoch"),
            ("without the operator", |made| drop(made.signers.pop()), "signer-set"),
            ("without its own key", |made| drop(made.signers.remove(0)), "signer-set"),
            ("another subject", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(1)), "subject"),
            ("an unlisted site", |made| made.body()["sites"] = json!(["CH-ZH-1", "FR-PAR-1"]), "site"),
            ("no site in the header", |made| made.drop_hdr("site"), "site"),
            ("a type the log does not take", |made| made.body()["types"]["access"] = json!("strict"), "value"),
            (
                "the stream of another",
                |made| made.body()["streams"] = json!([{ "packageId": "app", "channel": "stable", "regional": false }]),
                "stream",
            ),
        ],
    );
    // The key of another issuer, of a role, of the log, a spare: registered once, for ever.
    for key in ["farm-1", "vault-1", bodies::ORIGIN, "operator-spare"] {
        let mut body = bodies::open_rebuilder(key);
        body["jurisdiction"] = json!("DE");
        assert_eq!(world.code(&world.opening("gate", key, body)), "key-reused", "{key}");
    }
    // The same public key under another name.
    let twin =
        crate::key::Seed::new("twin", KeyKind::Ed25519, *bodies::seed("farm-1", KeyKind::Ed25519).seed()).unwrap();
    assert_eq!(world.state.owner(&twin.vkey().keyid()), None);
    assert_eq!(world.state.owner_of_public(twin.vkey().public()), Some("farm"));
}

#[test]
fn a_key_changes_with_the_old_one_or_the_supervisor() {
    //
    let mut world = World::new();
    let first = world.log(&world.heartbeat("release"));
    let last = world.log(&world.heartbeat("release"));
    let mut body = bodies::open_release("release-2");
    body["previous"] = named(&last);
    let mut good = world.opening("release", "release-2", body);
    good.signers.push("release-1".into());
    world.faults(
        &good,
        &[
            ("operator alone", |made| drop(made.signers.pop()), "signer-set"),
            ("the supervisor in place of the old key", |made| made.signers[2] = "supervisor-1".into(), "ok"),
            ("no event of it", |made| made.body()["previous"]["seq"] = json!(9), "previous"),
            ("another event", |made| made.body()["previous"]["event_id"] = json!(digest(1)), "previous"),
            ("nothing", |made| drop(made.body().as_object_mut().unwrap().remove("previous")), "malformed"),
            ("an epoch too far", |made| made.hdr()["epoch"] = json!(3), "epoch"),
        ],
    );
    // An earlier event disowns the later one: the supervisor signs.
    let mut earlier = good.clone();
    earlier.body()["previous"] = named(&first);
    assert_eq!(world.code(&earlier), "signer-set");
    earlier.signers.push("supervisor-1".into());
    let mut disowning = world.clone();
    disowning.log(&earlier);
    assert_eq!(disowning.disowned(), [5]);
    assert_eq!(disowning.events[5].event.id, last.id);
    // The newest event disowns nothing; the old epoch is over and the old key is nobody's.
    world.log(&good);
    assert!(world.disowned().is_empty());
    let mut old = world.heartbeat("release");
    old.hdr()["epoch"] = json!(1);
    assert_eq!(world.code(&old), "epoch");
    world.keys.insert("release".into(), "release-2".into());
    world.faults(
        &world.heartbeat("release"),
        &[
            ("the old key", |made| made.signers[0] = "release-1".into(), "signer-set"),
            ("the old key as cosigner", |made| made.signers.push("release-1".into()), "signer-set"),
        ],
    );
    // Back to the key of an epoch before the last one.
    let mut body = bodies::open_release("release-1");
    body["previous"] = named(&world.events[6].event);
    let mut back = world.opening("release", "release-1", body);
    back.signers.push("release-2".into());
    assert_eq!(world.code(&back), "key-reused");
}

#[test]
fn a_key_that_stays_needs_the_operator_alone() {
    //
    let mut world = World::new();
    let mut body = bodies::open_farm("farm-1");
    body["previous"] = named(&world.events[1].event);
    body["heartbeat_s"] = json!(3_600);
    let good = world.opening("farm", "farm-1", body);
    assert_eq!(world.code(&good), "ok");
    // An unchained event of that epoch after `previous` is disowned too.
    let build = world.log(&world.build());
    assert!(world.refusal(&good).to_string().contains("disowning it needs the supervisor"));
    let mut both = good.clone();
    both.signers.push("supervisor-1".into());
    world.log(&both);
    assert_eq!(world.disowned(), [4]);
    assert_eq!(world.events[4].event.id, build.id);
    assert_eq!(world.state.issuer("farm").unwrap().heartbeat_s, Some(3_600));
    // A disowned build is still a build for admission.
    let update = world.update(build.id);
    assert_eq!(world.code(&update), "ok");
}

#[test]
fn closing_and_opening_again() {
    //
    let mut world = World::new();
    let opened = world.events[3].event.clone();
    world.faults(
        &world.closing("rebuilder", &opened),
        &[
            ("nobody", |made| made.body()["issuer"] = json!("nobody"), "issuer-unknown"),
            ("another epoch", |made| made.body()["epoch"] = json!(2), "epoch"),
            ("no event of it", |made| made.body()["last"]["event_id"] = json!(digest(1)), "previous"),
            ("another subject", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(1)), "subject"),
            ("with its key", |made| made.signers.push("rebuilder-1".into()), "ok"),
        ],
    );
    let build = world.log(&world.build());
    world.log(&world.rebuild(build.id));
    let mut close = world.closing("rebuilder", &opened);
    assert_eq!(world.code(&close), "signer-set", "an unchained event stands at a larger index");
    close.signers.push("rebuilder-1".into());
    assert_eq!(world.code(&close), "signer-set", "its own key does not disown");
    close.signers.push("supervisor-1".into());
    close.body()["reason"] = json!("compromised");
    world.log(&close);
    assert_eq!(world.disowned(), [5]);
    let mut rebuild = world.rebuild(build.id);
    rebuild.hdr()["nonce"] = json!("ff".repeat(16));
    assert_eq!(world.code(&rebuild), "issuer-closed");
    assert_eq!(world.code(&world.heartbeat("rebuilder")), "issuer-closed");
    let mut again = world.closing("rebuilder", &opened);
    again.signers.push("supervisor-1".into());
    assert_eq!(world.code(&again), "issuer-closed");
    let mut cosigned = world.heartbeat("farm");
    cosigned.signers.push("rebuilder-1".into());
    assert_eq!(world.code(&cosigned), "signer-set");
    // Opened again: a new key, since this one was stolen, and exactly the `last` of the closing.
    let again = |key: &str, signer: &str| {
        let mut body = bodies::open_rebuilder(key);
        body["previous"] = named(&opened);
        let mut made = world.opening("rebuilder", key, body);
        made.signers.push(signer.into());
        made
    };
    assert_eq!(world.code(&again("rebuilder-1", "supervisor-1")), "key-reused");
    assert_eq!(world.code(&again("rebuilder-2", "rebuilder-1")), "signer-set");
    let mut good = again("rebuilder-2", "supervisor-1");
    let mut alone = good.clone();
    alone.signers.pop();
    assert_eq!(world.code(&alone), "signer-set");
    good.body()["previous"]["seq"] = json!(2);
    assert_eq!(world.code(&good), "previous");
    let good = again("rebuilder-2", "supervisor-1");
    world.log(&good);
    assert_eq!(world.disowned(), [5], "what the closing disowned stays so");
    let view = world.state.issuer("rebuilder").unwrap();
    assert_eq!((view.epoch, view.open), (2, true));
}

#[test]
fn after_a_planned_closing_the_key_may_stay_and_last_is_the_only_previous() {
    //
    let mut world = World::new();
    let first = world.log(&world.heartbeat("release"));
    let last = world.log(&world.heartbeat("release"));
    world.log(&world.closing("release", &last));
    // Its streams are free: the next release number goes on all the same.
    let mut body = bodies::open_release("gate-1");
    body["jurisdiction"] = json!("FR");
    assert_eq!(world.code(&world.opening("gate", "gate-1", body)), "ok");
    let mut body = bodies::open_release("release-1");
    body["previous"] = named(&first);
    let mut good = world.opening("release", "release-1", body);
    good.signers.push("supervisor-1".into());
    assert_eq!(world.code(&good), "previous");
    good.body()["previous"] = named(&last);
    good.signers.pop();
    world.log(&good);
    let mut beat = world.heartbeat("release");
    assert_eq!(beat.hdr()["seq"], json!(2));
    assert_eq!(world.code(&beat), "ok");
}

#[test]
fn after_a_theft_the_old_key_vouches_for_nothing() {
    //
    for (reason, want) in [("planned", "ok"), ("replaced", "ok"), ("lost", "ok"), ("compromised", "signer-set")] {
        let mut world = World::new();
        let opened = world.events[2].event.clone();
        let mut close = world.closing("release", &opened);
        close.body()["reason"] = json!(reason);
        world.log(&close);
        let mut body = bodies::open_release("release-2");
        body["previous"] = named(&opened);
        let mut again = world.opening("release", "release-2", body);
        again.signers.push("release-1".into());
        assert_eq!(world.code(&again), want, "{reason}");
        again.signers[2] = "supervisor-1".into();
        assert_eq!(world.code(&again), "ok", "{reason}");
    }
}

#[test]
fn what_shells_ask_of_an_issuer() {
    //
    let mut world = World::new();
    let build = world.log(&world.build());
    let update = world.log(&world.update(build.id));
    let view = world.state.issuer("release").unwrap();
    assert_eq!(view.last.unwrap().event_id, update.id);
    assert_eq!(view.last.unwrap().recorded.get(), NOW);
    let streams: Vec<_> = view.streams.iter().map(|(stream, next)| (stream.channel.as_str(), *next)).collect();
    assert_eq!(streams, [("regional", 1), ("stable", 2)]);
    assert_eq!(view.opened_at, world.events[2].index);
    let vault = world.state.issuer("vault").unwrap();
    assert_eq!((vault.heartbeat_s, vault.types.len()), (Some(86_400), 2), "heartbeat and incident; no access here");
    assert!(world.state.issuer("nobody").is_none() && world.state.issuer("-").is_none());
    let keyid = bodies::seed("farm-1", KeyKind::Ed25519).vkey().keyid();
    assert_eq!(world.state.current_key(&keyid).unwrap().keyid(), keyid);
    assert!(world.state.current_key("farm-1+00000000").is_none());
    assert_eq!(world.state.charter.as_ref().unwrap().first, world.events[0].event.id);
    assert_eq!(Hash::of(bodies::ORIGIN.as_bytes()), world.events[0].event.statement.subject[0].digest.sha256.unwrap());
}
