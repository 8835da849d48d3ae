//! The first charter and later ones: keys, roles, what may change.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;

use serde_json::json;

use crate::admission::world::{World, name, named};
use crate::body::charter::Role;
use crate::body::tests::{self as bodies, digest, vkey};
use crate::key::KeyKind;

#[test]
fn the_first_charter() {
    //
    let world = World::empty();
    world.faults(
        &world.first_charter(),
        &[
            ("of the vault", |made| made.hdr()["issuer"] = json!("vault"), "type-not-allowed"),
            ("epoch 2", |made| made.hdr()["epoch"] = json!(2), "epoch"),
            ("without the supervisor", |made| drop(made.signers.pop()), "signer-set"),
            ("with the vault", |made| made.signers.push("vault-1".into()), "ok"),
            ("seq 2", |made| made.hdr()["seq"] = json!(2), "position"),
            ("another subject", |made| made.subject()[0]["digest"]["sha256"] = json!(digest(1)), "subject"),
            (
                "another log's",
                |made| {
                    made.body()["origin"] = json!("example.com/other");
                    let keys = [KeyKind::Ed25519, KeyKind::MlDsa44];
                    let keys = keys.map(|kind| bodies::seed("example.com/other", kind).vkey().to_string());
                    made.body()["log_keys"] = json!(keys);
                },
                "origin",
            ),
            ("a role in epoch 2", |made| made.body()["vault"]["epoch"] = json!(2), "epoch"),
            (
                "version 2",
                |made| {
                    made.body()["version"] = json!(2);
                    made.body()["prev"] = json!(digest(1));
                },
                "charter-version",
            ),
            ("two roles with one key", |made| made.body()["vault"]["vkey"] = json!(vkey("operator-1")), "key-reused"),
            ("a spare that is a key", |made| made.body()["operator"]["spare"] = json!(vkey("vault-1")), "key-reused"),
            ("the log's key", |made| made.body()["vault"]["vkey"] = json!(vkey(bodies::ORIGIN)), "key-reused"),
            (
                "something before",
                |made| made.body()["operator"]["previous"] = json!({ "seq": 1, "event_id": digest(1) }),
                "malformed",
            ),
            (
                "two readers with one key",
                |made| {
                    let mut readers = [bodies::reader("one", "supervisor", 1), bodies::reader("two", "vault", 2)];
                    readers[1]["seal"] = readers[0]["seal"].clone();
                    made.body()["readers"] = json!(readers);
                },
                "key-reused",
            ),
        ],
    );
}

#[test]
fn a_later_charter_changes_what_it_may() {
    //
    let mut world = World::new();
    let good = world.next_charter();
    world.faults(
        &good,
        &[
            ("without the supervisor", |made| drop(made.signers.pop()), "signer-set"),
            ("version 3", |made| made.body()["version"] = json!(3), "charter-version"),
            ("after another", |made| made.body()["prev"] = json!(digest(1)), "charter-version"),
            (
                "another log key",
                |made| made.body()["log_keys"][0] = json!(bodies::seed("x", KeyKind::Ed25519).vkey().to_string()),
                "value",
            ),
            (
                "raw from now on",
                |made| {
                    made.body()["raw"] = json!(true);
                    made.body()["types"] = json!(["charter"]);
                    made.body()["cosign"] = json!({});
                },
                "value",
            ),
            ("a site less", |made| drop(made.body()["sites"].as_array_mut().unwrap().pop()), "site"),
            ("an epoch without a new key", |made| made.body()["vault"]["epoch"] = json!(2), "epoch"),
            (
                "a new key without an epoch",
                |made| {
                    made.body()["vault"]["vkey"] = json!(vkey("vault-2"));
                    made.signers.push("vault-2".into());
                },
                "epoch",
            ),
            (
                "previous without a new key",
                |made| made.body()["vault"]["previous"] = json!({ "seq": 1, "event_id": digest(1) }),
                "malformed",
            ),
        ],
    );
    world.log(&good);
    let mut dropped = world.next_charter();
    dropped.body()["types"].as_array_mut().unwrap().retain(|kind| kind != "build");
    dropped.body()["built_here_only"] = json!(true);
    world.log(&dropped);
    assert_eq!(world.code(&world.build()), "type-unknown");
    let mut update = world.update(world.events[0].event.id);
    update.drop_hdr("refs");
    update.body()["built_here"] = json!(false);
    assert_eq!(world.code(&update), "value", "only what was built here");
    assert_eq!(world.state.charter.as_ref().unwrap().charter.version, 3);
    assert_eq!(world.state.charter.as_ref().unwrap().first, world.events[0].event.id, "the fingerprint stays");
}

#[test]
fn a_role_changes_hands_by_charter() {
    //
    let mut world = World::new();
    let first = world.log(&world.heartbeat("supervisor"));
    world.log(&world.heartbeat("supervisor"));
    let mut good = world.next_charter();
    good.body()["supervisor"] = json!({ "epoch": 2, "vkey": vkey("supervisor-2"), "previous": named(&first) });
    good.signers.push("supervisor-2".into());
    world.faults(
        &good,
        &[
            ("the new key does not sign", |made| drop(made.signers.pop()), "signer-set"),
            ("the old one does not sign", |made| drop(made.signers.remove(1)), "signer-set"),
            ("the old spare in its place", |made| made.signers[1] = "supervisor-spare".into(), "ok"),
            ("the operator's spare besides", |made| made.signers.push("operator-spare".into()), "signer-set"),
            ("the operator's spare as the issuer", |made| made.signers[0] = "operator-spare".into(), "ok"),
            ("no such event", |made| made.body()["supervisor"]["previous"]["seq"] = json!(3), "previous"),
            (
                "a key of an issuer",
                |made| {
                    made.body()["supervisor"]["vkey"] = json!(vkey("farm-1"));
                    made.signers[2] = "farm-1".into();
                },
                "key-reused",
            ),
            (
                "the old spare as a key",
                |made| {
                    made.body()["supervisor"]["vkey"] = json!(vkey("supervisor-spare"));
                    made.signers[2] = "supervisor-spare".into();
                },
                "key-reused",
            ),
        ],
    );
    world.log(&good);
    assert_eq!(world.disowned(), [5], "the second heartbeat, not the charter");
    let (epoch, opened) = world.state.epoch(&name("supervisor")).unwrap();
    assert_eq!((epoch, opened.vkey.keyid()), (2, bodies::seed("supervisor-2", KeyKind::Ed25519).vkey().keyid()));
    assert_eq!(world.state.role_key(Role::Supervisor).unwrap().to_string(), vkey("supervisor-2"));
    let mut beat = world.heartbeat("supervisor");
    assert_eq!(beat.hdr()["seq"], json!(1));
    assert_eq!(world.code(&beat), "signer-set", "signed by the old key");
    world.keys.insert("supervisor".into(), "supervisor-2".into());
    world.log(&world.heartbeat("supervisor"));
    // The next version repeats neither `previous` nor a key of before.
    let mut next = world.next_charter();
    next.body()["supervisor"] = json!({ "epoch": 2, "vkey": vkey("supervisor-2") });
    assert_eq!(world.code(&next), "ok");
    next.body()["supervisor"] = json!({ "epoch": 3, "vkey": vkey("supervisor-1") });
    next.signers.push("supervisor-1".into());
    assert_eq!(world.code(&next), "key-reused");
}

#[test]
fn the_operator_that_signs_a_charter_may_end_its_own_chain() {
    //
    let mut world = World::new();
    let beat = world.log(&world.heartbeat("operator"));
    world.log(&world.heartbeat("operator"));
    let mut good = world.next_charter();
    good.body()["operator"] = json!({ "epoch": 2, "vkey": vkey("operator-2"), "previous": named(&beat) });
    good.signers.push("operator-2".into());
    world.log(&good);
    // Entry 6 is the charter, of the old epoch and after `previous`: it is not disowned itself.
    assert_eq!(world.disowned(), [5]);
    world.keys.insert("operator".into(), "operator-2".into());
    let mut beat = world.heartbeat("operator");
    assert_eq!((beat.hdr()["epoch"].clone(), beat.hdr()["seq"].clone()), (json!(2), json!(1)));
    world.log(&beat);
}

#[test]
fn a_raw_log_takes_charters_alone() {
    // [A-3] [L-14]
    let mut world = World::empty();
    let mut charter = world.first_charter();
    charter.body()["raw"] = json!(true);
    charter.body()["types"] = json!(["charter"]);
    charter.body()["cosign"] = json!({});
    world.log(&charter);
    assert_eq!(world.code(&world.heartbeat("vault")), "type-unknown");
}
