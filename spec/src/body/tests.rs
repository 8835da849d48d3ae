//! One good body of every type, and what each table refuses.
//!
//! The good ones are also what the tests of admission log. Not here: faults that only a log shows.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;
use std::{format, vec};

use serde_json::{Value as Json, json};

use super::Body;
use crate::hash::Hash;
use crate::json;
use crate::key::{KeyKind, Seed};
use crate::statement::Kind;
use crate::text::b64;

pub(crate) const ORIGIN: &str = "example.com/log";

/// The key with this name; the same one every time.
pub(crate) fn seed(name: &str, kind: KeyKind) -> Seed {
    Seed::new(name, kind, *Hash::of(format!("{name} {}", kind.byte()).as_bytes()).as_bytes()).unwrap()
}

pub(crate) fn vkey(name: &str) -> String {
    seed(name, KeyKind::Ed25519).vkey().to_string()
}

pub(crate) fn digest(number: u8) -> String {
    Hash::new([number; 32]).hex()
}

/// An X-Wing key whose first ML-KEM number is `number` and whose X25519 part is the base point.
fn seal(number: u8) -> String {
    let mut key = [0; 1_216];
    (key[0], key[1_184]) = (number, 9);
    b64(&key)
}

pub(crate) fn reader(name: &str, role: &str, number: u8) -> Json {
    json!({ "name": name, "role": role, "seal": seal(number), "sign": vkey(&format!("{name}.example.org")) })
}

pub(crate) fn charter() -> Json {
    json!({
        "version": 1,
        "protocol": "vitrine/v0",
        "origin": ORIGIN,
        "log_keys": [vkey(ORIGIN), seed(ORIGIN, KeyKind::MlDsa44).vkey().to_string()],
        "operator": { "epoch": 1, "vkey": vkey("operator-1"), "spare": vkey("operator-spare") },
        "supervisor": { "epoch": 1, "vkey": vkey("supervisor-1"), "spare": vkey("supervisor-spare") },
        "vault": { "epoch": 1, "vkey": vkey("vault-1") },
        "readers": [],
        "types": [
            "build", "charter", "code-review", "correction", "heartbeat", "incident", "issuer-close", "issuer-open",
            "rebuild", "rules", "update", "verdict"
        ],
        "raw": false,
        "sites": [{ "code": "CH-ZH-1", "name": "Zürich" }, { "code": "DE-FRA-2", "name": "Frankfurt" }],
        "cosign": { "code-review": ["operator"] },
        "built_here_only": false,
    })
}

pub(crate) fn open(key: &str) -> Json {
    json!({ "vkey": vkey(key), "types": {}, "heartbeat_s": 86_400, "jurisdiction": "CH" })
}

pub(crate) fn open_farm(key: &str) -> Json {
    let mut body = open(key);
    body["types"] = json!({ "build": "none" });
    body["sites"] = json!(["CH-ZH-1", "DE-FRA-2"]);
    body["builders"] = json!(["https://build.example.com/farm"]);
    body
}

pub(crate) fn open_release(key: &str) -> Json {
    let mut body = open(key);
    body["types"] = json!({ "update": "strict" });
    body["streams"] = json!([
        { "packageId": "app", "channel": "regional", "regional": true },
        { "packageId": "app", "channel": "stable", "regional": false },
    ]);
    body
}

pub(crate) fn open_rebuilder(key: &str) -> Json {
    let mut body = open(key);
    body["types"] = json!({ "rebuild": "none" });
    body["independence"] = json!("third-party");
    body
}

pub(crate) fn close() -> Json {
    json!({ "issuer": "farm", "epoch": 1, "reason": "planned", "last": { "seq": 1, "event_id": digest(7) } })
}

pub(crate) fn build() -> Json {
    json!({
        "purl": "pkg:generic/app@1.0.0",
        "source": { "uri": "git+https://git.example.com/app", "digest": { "gitTree": "ab".repeat(20) } },
        "builder_id": "https://build.example.com/farm",
        "build_type": "https://build.example.com/container",
        "invocation_id": "run-1",
        "started": 900,
        "finished": 1_000,
        "build_site": "CH-ZH-1",
        "signing_site": "DE-FRA-2",
    })
}

pub(crate) fn rebuild() -> Json {
    json!({
        "outcome": "identical",
        "independence": "third-party",
        "source": { "uri": "git+https://git.example.com/app", "digest": { "sha256": digest(9) } },
        "started": 900,
        "finished": 1_000,
    })
}

pub(crate) fn review() -> Json {
    json!({
        "centre": "Zürich",
        "organisation": "an office",
        "scope": ["parser", "updater"],
        "method": "two persons",
        "from": "2026-11-02",
        "to": "2026-11-13",
        "outcome": "findings",
        "findings": { "critical": 0, "high": 0, "medium": 1, "low": 2, "info": 0 },
    })
}

pub(crate) fn update() -> Json {
    json!({
        "purl": "pkg:generic/app@1.0.0",
        "packageId": "app",
        "channel": "stable",
        "kind": "engine",
        "audience": ["all"],
        "release_seq": 1,
        "built_here": true,
    })
}

pub(crate) fn revoke() -> Json {
    json!({ "reason": "security" })
}

pub(crate) fn incident() -> Json {
    json!({ "class": "silence", "issuer": "farm" })
}

pub(crate) fn verdict() -> Json {
    json!({
        "result": "PASSED",
        "verifier": "https://office.example.org/verifier",
        "policy": { "uri": "https://office.example.org/policy/1", "sha256": digest(5) },
        "levels": ["SLSA_BUILD_LEVEL_2", "SLSA_SOURCE_LEVEL_1", "office-class-b"],
        "slsa_version": "1.1",
    })
}

pub(crate) fn rules() -> Json {
    json!({
        "version": 1,
        "effective": "2018-11-13",
        "regions": [
            { "region": "CA", "countries": ["CA"], "sites": ["CH-ZH-1"] },
            { "region": "EU", "countries": ["CH", "DE"], "sites": ["CH-ZH-1", "DE-FRA-2"] },
        ],
        "exclusions": ["reads of published statistics"],
        "retention": [{ "category": "account", "days": 366 }, { "category": "telemetry", "days": 730 }],
        "lateness_s": 600,
    })
}

pub(crate) fn correction() -> Json {
    json!({
        "reason": "mistake",
        "fields": [{ "name": "invocation_id", "value": "\"run-2\"" }, { "name": "source.uri" }],
    })
}

fn read(kind: Kind, epoch: u32, body: &Json) -> Result<Body, &'static str> {
    let value = json::parse(body.to_string().as_bytes()).unwrap();
    Body::read(kind, epoch, &value).map_err(|refusal| refusal.code())
}

/// The good body is read; with one member set (`null`: taken away) it is refused with that code, or read (`ok`).
fn faults(kind: Kind, epoch: u32, good: &Json, faults: &[(&str, Json, &str)]) {
    assert!(read(kind, epoch, good).is_ok(), "{kind}: {:?}", read(kind, epoch, good));
    for (pointer, value, want) in faults {
        let mut body = good.clone();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        match body.pointer_mut(parent).unwrap() {
            Json::Array(items) if member == "-" => items.push(value.clone()),
            Json::Array(items) => items[member.parse::<usize>().unwrap()] = value.clone(),
            Json::Object(members) if value.is_null() => assert!(members.remove(member).is_some(), "{pointer}"),
            Json::Object(members) => drop(members.insert(member.to_string(), value.clone())),
            _ => unreachable!("{pointer}"),
        }
        let got = read(kind, epoch, &body).map_or_else(|code| code, |_| "ok");
        assert_eq!(got, *want, "{kind} {pointer} {value}");
    }
    let Json::Object(members) = good else { unreachable!() };
    for name in members.keys() {
        let mut body = good.clone();
        body[name.as_str()] = json!([[]]);
        let got = read(kind, epoch, &body).map_or_else(|code| code, |_| "ok");
        assert!(["malformed", "value"].contains(&got), "{kind} {name} of another type: {got}");
    }
    let mut more = good.clone();
    more["more"] = json!(1);
    assert_eq!(read(kind, epoch, &more), Err("malformed"), "{kind}: a member that no table names");
}

#[test]
fn charter_tables() {
    // [L-14] [L-15] [L-6]
    let mldsa = seed("example.com/other", KeyKind::MlDsa44).vkey().to_string();
    faults(
        Kind::Charter,
        1,
        &charter(),
        &[
            ("/version", json!(2), "malformed"),
            ("/prev", json!(digest(1)), "malformed"),
            ("/protocol", json!("vitrine/v1"), "value"),
            ("/origin", json!("Example.com/log"), "value"),
            ("/origin", json!("cosignature/v1"), "value"),
            ("/log_keys/1", json!(vkey(ORIGIN)), "value"),
            ("/log_keys/1", json!(mldsa), "value"),
            ("/log_keys/-", json!(mldsa), "value"),
            ("/vault/spare", json!(vkey("spare")), "malformed"),
            ("/operator/spare", Json::Null, "ok"),
            ("/operator/vkey", json!("operator-1+00000000+AQ=="), "value"),
            ("/operator/vkey", json!(mldsa), "value"),
            ("/readers", json!([reader("eye", "operator", 1)]), "value"),
            ("/readers", json!([reader("two", "vault", 1), reader("one", "supervisor", 2)]), "value"),
            ("/readers", json!([reader("one", "supervisor", 1), reader("two", "vault", 2)]), "ok"),
            ("/types", json!(["charter"]), "value"),
            ("/types/-", json!("access"), "value"),
            ("/types/-", json!("update-revoke"), "value"),
            ("/types/-", json!("key-change"), "value"),
            ("/raw", json!(true), "value"),
            ("/sites", json!([]), "ok"),
            ("/sites/-", json!({ "code": "CH-ZH-1", "name": "again" }), "value"),
            ("/cosign", json!({}), "ok"),
            ("/cosign/update-revoke", json!(["operator", "supervisor"]), "ok"),
            ("/cosign/update", json!(["supervisor", "operator"]), "value"),
            ("/cosign/update", json!([]), "value"),
            ("/cosign/update", json!(["vault"]), "value"),
            ("/cosign/heartbeat", json!(["operator"]), "value"),
            ("/cosign/charter", json!(["operator"]), "value"),
            (
                "/predecessor",
                json!({ "origin": "example.com/old", "size": 9, "root": digest(1), "evidence": [] }),
                "ok",
            ),
            ("/predecessor", json!({ "origin": "example.com/old", "size": 9, "root": digest(1) }), "malformed"),
            ("/built_here_only", Json::Null, "malformed"),
        ],
    );
    let mut sealed = charter();
    sealed["types"].as_array_mut().unwrap().insert(0, json!("access"));
    sealed["readers"] = json!([reader("one", "supervisor", 1)]);
    assert_eq!(read(Kind::Charter, 1, &sealed), Err("value"), "one reader");
    sealed["readers"] = json!([reader("one", "supervisor", 1), reader("two", "vault", 2)]);
    assert!(read(Kind::Charter, 1, &sealed).is_ok());
    sealed["cosign"] = json!({ "access": ["operator"] });
    assert_eq!(read(Kind::Charter, 1, &sealed), Err("value"), "access is not co-signed");
    let mut raw = charter();
    raw["raw"] = json!(true);
    raw["types"] = json!(["charter"]);
    raw["cosign"] = json!({});
    assert!(read(Kind::Charter, 1, &raw).is_ok());
}

#[test]
fn opening_tables() {
    // [L-16] [L-6]
    faults(
        Kind::IssuerOpen,
        1,
        &open_farm("farm-1"),
        &[
            ("/types", json!({}), "value"),
            ("/types/build", json!("strict"), "ok"),
            ("/types/build", json!("loose"), "value"),
            ("/types/build", json!(1), "malformed"),
            ("/types/heartbeat", json!("strict"), "value"),
            ("/types/update-revoke", json!("strict"), "value"),
            ("/types/rebuild", json!("none"), "malformed"),
            ("/independence", json!("vendor"), "malformed"),
            ("/builders", Json::Null, "malformed"),
            ("/builders", json!(["b", "a"]), "value"),
            ("/streams", json!([{ "packageId": "app", "channel": "stable", "regional": false }]), "malformed"),
            ("/sites", Json::Null, "ok"),
            ("/sites", json!([]), "value"),
            ("/sites", json!(["DE-FRA-2", "CH-ZH-1"]), "ok"),
            ("/sites", json!(["CH-ZH-1", "CH-ZH-1"]), "value"),
            ("/heartbeat_s", json!(59), "value"),
            ("/heartbeat_s", json!(604_801), "value"),
            ("/jurisdiction", json!("ch"), "value"),
            ("/previous", json!({ "seq": 1, "event_id": digest(1) }), "malformed"),
            ("/vkey", json!(seed("example.com/farm", KeyKind::Cosign).vkey().to_string()), "value"),
            ("/vkey", json!(vkey("Farm")), "value"),
        ],
    );
    faults(
        Kind::IssuerOpen,
        1,
        &open_release("release-1"),
        &[
            ("/types/update", json!("none"), "value"),
            ("/streams/-", json!({ "packageId": "app", "channel": "stable", "regional": false }), "value"),
            ("/streams/0/regional", Json::Null, "malformed"),
            ("/streams/0/channel", json!("a"), "value"),
        ],
    );
    faults(Kind::IssuerOpen, 1, &open_rebuilder("rebuilder-1"), &[("/independence", json!("supervisor"), "value")]);
    let mut second = open_farm("farm-2");
    assert_eq!(read(Kind::IssuerOpen, 2, &second), Err("malformed"));
    second["previous"] = json!({ "seq": 1, "event_id": digest(1) });
    assert!(read(Kind::IssuerOpen, 2, &second).is_ok());
}

#[test]
fn closing_tables() {
    // [L-17]
    faults(
        Kind::IssuerClose,
        1,
        &close(),
        &[
            ("/issuer", json!("vault"), "value"),
            ("/issuer", json!("operator"), "value"),
            ("/epoch", json!(0), "value"),
            ("/reason", json!("bored"), "value"),
            ("/last/seq", json!(0), "value"),
            ("/last/event_id", json!("7"), "value"),
            ("/last/more", json!(1), "malformed"),
        ],
    );
}

#[test]
fn build_tables() {
    // [L-18] [L-5] [L-13] [L-22]
    faults(
        Kind::Build,
        1,
        &build(),
        &[
            ("/purl", json!("pkg:generic/app"), "value"),
            ("/purl", json!("pkg:generic/@scope/app?v=@1"), "value"),
            ("/started", json!(1_000), "ok"),
            ("/started", json!(1_001), "value"),
            ("/finished", json!(-1), "value"),
            ("/build_site", json!("CH"), "value"),
            ("/source/digest", json!({}), "value"),
            ("/source/digest/gitCommit", json!("cd".repeat(20)), "ok"),
            ("/source/digest/gitCommit", json!("cd".repeat(32)), "value"),
            ("/source/digest/sha512", json!("cd".repeat(64)), "malformed"),
            ("/invocation_id", json!("a\u{202e}b"), "value"),
            ("/invocation_id", json!("r".repeat(257)), "value"),
            ("/materials", json!({ "count": 3, "sha256": digest(1) }), "ok"),
            ("/materials", json!({ "sha256": digest(1) }), "malformed"),
            ("/sbom", json!(digest(1)), "ok"),
        ],
    );
    let mut body = build();
    body["materials"] = json!({ "count": 3, "sha256": digest(1) });
    (body["sbom"], body["provenance"]) = (json!(digest(2)), json!(digest(3)));
    let named = read(Kind::Build, 1, &body).unwrap().named_attachments();
    assert_eq!(named, [1, 2, 3].map(|number| Hash::new([number; 32])));
}

#[test]
fn rebuild_tables() {
    // [L-19]
    faults(
        Kind::Rebuild,
        1,
        &rebuild(),
        &[
            ("/started", Json::Null, "malformed"),
            ("/finished", Json::Null, "malformed"),
            ("/started", json!(1_001), "value"),
            ("/outcome", json!("nearly"), "value"),
            ("/independence", json!("friend"), "value"),
            ("/log", json!(digest(1)), "ok"),
        ],
    );
    let mut no_times = rebuild();
    let members = no_times.as_object_mut().unwrap();
    members.remove("started");
    members.remove("finished");
    assert!(read(Kind::Rebuild, 1, &no_times).is_ok());
}

#[test]
fn update_and_revoke_tables() {
    // [L-20] [L-21]
    faults(
        Kind::Update,
        1,
        &update(),
        &[
            ("/audience", json!([]), "value"),
            ("/audience", json!(["CH", "all"]), "value"),
            ("/audience", json!(["CH", "EU"]), "ok"),
            ("/audience", json!(["EU", "CH"]), "value"),
            ("/audience", json!(["eu"]), "value"),
            ("/kind", json!("firmware"), "value"),
            ("/release_seq", json!(0), "value"),
            ("/not_before", json!(5), "ok"),
            ("/tuf", json!({ "version": 1, "path": "targets/app" }), "ok"),
            ("/tuf", json!({ "version": 0, "path": "targets/app" }), "value"),
            ("/purl", json!("pkg:generic/app@"), "value"),
        ],
    );
    faults(
        Kind::UpdateRevoke,
        1,
        &revoke(),
        &[("/reason", json!("regret"), "value"), ("/purl", json!("pkg:a@1"), "malformed")],
    );
}

#[test]
fn review_tables() {
    // [L-23] [L-3]
    faults(
        Kind::CodeReview,
        1,
        &review(),
        &[
            ("/purl", json!("pkg:generic/app"), "ok"),
            ("/scope", json!(["updater", "parser"]), "value"),
            ("/from", json!("2026-11-14"), "value"),
            ("/to", json!("2026-11-31"), "value"),
            ("/findings/low", json!("two"), "malformed"),
            ("/findings/low", json!(-2), "value"),
            ("/outcome", json!("fine"), "value"),
        ],
    );
}

#[test]
fn heartbeat_and_incident_tables() {
    // [L-24]
    faults(Kind::Heartbeat, 1, &json!({ "to": 5 }), &[("/to", json!("5"), "malformed"), ("/to", json!(-5), "value")]);
    faults(
        Kind::Incident,
        1,
        &incident(),
        &[
            ("/class", json!("boredom"), "value"),
            ("/issuer", Json::Null, "ok"),
            ("/epoch", json!(1), "malformed"),
            ("/code", json!("clock-order"), "ok"),
            ("/code", json!("no-such-code"), "value"),
        ],
    );
    let mut placed = incident();
    (placed["epoch"], placed["seq"]) = (json!(1), json!(3));
    assert!(read(Kind::Incident, 1, &placed).is_ok());
}

#[test]
fn verdict_tables() {
    // [L-28] [L-22]
    faults(
        Kind::Verdict,
        1,
        &verdict(),
        &[
            ("/result", json!("passed"), "value"),
            ("/result", json!("FAILED"), "ok"),
            ("/verifier", json!(""), "value"),
            ("/verifier", json!("v".repeat(513)), "value"),
            ("/policy/uri", Json::Null, "malformed"),
            ("/policy/sha256", json!("5"), "value"),
            ("/levels", json!([]), "ok"),
            ("/levels", json!(["FAILED"]), "value"),
            ("/levels", json!(["b", "a"]), "value"),
            ("/levels", json!(["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_2"]), "value"),
            ("/levels", json!(["A_LEVEL_1", "A_LEVEL_2"]), "ok"),
            ("/levels/0", json!("a".repeat(65)), "value"),
            ("/levels", json!((0..17).map(|level| format!("{level:02}")).collect::<Vec<_>>()), "value"),
            ("/slsa_version", Json::Null, "ok"),
            ("/slsa_version", json!("1"), "value"),
            ("/slsa_version", json!("1.01"), "value"),
            ("/slsa_version", json!("1.1.0"), "value"),
            ("/report", json!(digest(1)), "ok"),
        ],
    );
    let mut body = verdict();
    body["report"] = json!(digest(1));
    assert_eq!(read(Kind::Verdict, 1, &body).unwrap().named_attachments(), [Hash::new([1; 32])]);
}

#[test]
fn rules_tables() {
    // [L-29] [L-22]
    let region =
        |region: &str, countries: &[&str]| json!({ "region": region, "countries": countries, "sites": ["CH-ZH-1"] });
    faults(
        Kind::Rules,
        1,
        &rules(),
        &[
            ("/version", json!(0), "value"),
            ("/effective", json!("2018-11-31"), "value"),
            ("/regions", json!([]), "value"),
            ("/regions/-", region("AU", &["AU"]), "value"),
            ("/regions/-", region("EU", &[]), "value"),
            ("/regions/-", region("ME", &["AE", "QA"]), "ok"),
            ("/regions/-", region("ME", &["DE"]), "value"),
            ("/regions/-", region("ME", &["QA", "AE"]), "value"),
            ("/regions/-", region("UNKNOWN", &[]), "value"),
            ("/regions/0/region", json!("ca"), "value"),
            ("/regions/0/countries", json!(["Canada"]), "value"),
            ("/regions/0/countries", Json::Null, "malformed"),
            ("/regions/0/sites", json!([]), "value"),
            ("/regions/0/sites", json!(["CH"]), "value"),
            ("/exclusions", json!([]), "ok"),
            ("/exclusions", json!(["b", "a"]), "ok"),
            ("/exclusions", json!(["a", "a"]), "value"),
            ("/retention", json!([]), "ok"),
            ("/retention/0/days", json!(365), "value"),
            ("/retention/0/category", json!("gossip"), "value"),
            ("/retention/-", json!({ "category": "licence", "days": 400 }), "value"),
            ("/lateness_s", json!(-1), "value"),
            ("/lateness_s", Json::Null, "malformed"),
            ("/document", json!(digest(1)), "ok"),
        ],
    );
    let mut body = rules();
    body["document"] = json!(digest(1));
    assert_eq!(read(Kind::Rules, 1, &body).unwrap().named_attachments(), [Hash::new([1; 32])]);
}

#[test]
fn correction_tables() {
    // [L-30]
    let names = |names: &[&str]| json!(names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>());
    faults(
        Kind::Correction,
        1,
        &correction(),
        &[
            ("/reason", json!("regret"), "value"),
            ("/fields", json!([]), "value"),
            ("/fields", names(&["findings.high", "regions[0].sites[12]", "scope[3]"]), "ok"),
            ("/fields", names(&["b", "a"]), "value"),
            ("/fields", names(&["a", "a"]), "value"),
            ("/fields", names(&["a.b c"]), "value"),
            ("/fields", names(&["a..b"]), "value"),
            ("/fields", names(&["a[01]"]), "value"),
            ("/fields", names(&["a[1"]), "value"),
            ("/fields", names(&["a[1]b"]), "value"),
            ("/fields", names(&["0"]), "value"),
            ("/fields", names(&["a[0][1]"]), "ok"),
            ("/fields", names(&["n".repeat(129).as_str()]), "value"),
            ("/fields/0/value", json!("run-2"), "value"),
            ("/fields/0/value", json!("{\"b\":1, \"a\":2}"), "value"),
            ("/fields/0/value", json!("{\"a\":2,\"b\":1}"), "ok"),
            ("/fields/0/value", json!(format!("\"{}\"", "r".repeat(1_023))), "value"),
            ("/fields/0/value", json!(5), "malformed"),
            ("/fields/0/more", json!(5), "malformed"),
        ],
    );
}

#[test]
fn types_of_later_have_no_body_yet() {
    // [L-10]
    let later: Vec<&str> = Kind::ALL
        .iter()
        .filter(|kind| read(**kind, 1, &json!({})) == Err("type-later"))
        .map(|kind| kind.name())
        .collect();
    let want = vec!["access-request", "access-decision", "supervisor-ack", "period-close", "disclosure", "transfer"];
    assert_eq!(later, want);
    assert!(["access-batch", "key-change", "foo"].iter().all(|name| Kind::of(name).is_none()));
}
