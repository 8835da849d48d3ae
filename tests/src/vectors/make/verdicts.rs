//! One update, and what a customer is told about it: every code of a verdict by one change of a good case.
//!
//! Not here: what the verdicts say beside their code; the tests of `spec::verdict` read the sentences.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::world::{BYTES, Key, NOW, ORIGIN, PACKAGE, World, issuer, log_key, policy, sha256, subject, witness};

/// The trust file of the good case, by its parts.
struct Trust {
    charter: String,
    /// Issuer, types, and the index from which on it is disowned.
    issuers: Vec<(&'static str, &'static str, Option<usize>)>,
    /// packageId, channel, issuer.
    stream: (&'static str, &'static str, &'static str),
}

impl Trust {
    fn good() -> Trust {
        let issuers =
            vec![("release", "\"update\"", None), ("farm", "\"build\"", None), ("rebuilder", "\"rebuild\"", None)];
        Trust { charter: "0".repeat(64), issuers, stream: (PACKAGE, "stable", "release") }
    }

    fn text(&self) -> String {
        let mut text = format!("charter = \"{}\"\norigin = \"{ORIGIN}\"\nlog_keys = \"ed\"\n", self.charter);
        for (name, types, until) in &self.issuers {
            let vkey = issuer(name).vkey();
            text += &format!("[[issuer]]\nname = \"{name}\"\nepoch = 1\nvkey = \"{vkey}\"\ntypes = [{types}]\n");
            if let Some(until) = until {
                text += &format!("until = {until}\n");
            }
        }
        let (package, channel, issuer) = self.stream;
        text + &format!("[[stream]]\npackageId = \"{package}\"\nchannel = \"{channel}\"\nissuer = \"{issuer}\"\n")
    }
}

/// The file with its cases so far.
struct Cases {
    proofs: Map<String, Value>,
    verdicts: Vec<Value>,
}

impl Cases {
    fn proof(&mut self, name: &str, text: String) {
        self.proofs.insert(name.to_owned(), text.into());
    }

    fn case(&mut self, id: &str, verdict: &str, code: &str, proofs: &[&str], change: Value) {
        let mut case = json!({
            "id": id, "verdict": verdict, "code": code, "proofs": proofs, "now": NOW,
            "file": {"name": "app.bin", "sha256": sha256(BYTES), "size": BYTES.len()},
        });
        if let Some(change) = change.as_object() {
            change.iter().for_each(|(member, value)| case[member] = value.clone());
        }
        self.verdicts.push(case);
    }

    fn refused(&mut self, id: &str, code: &str, proofs: &[&str], change: Value) {
        self.case(id, "not-verified", code, proofs, change);
    }
}

/// `verdict/updates.json`.
pub(super) fn updates() -> Value {
    let mut cases = Cases { proofs: Map::new(), verdicts: Vec::new() };
    let mut world = World::default();
    let build = world.build(json!([subject("app.bin", BYTES)]));
    let rebuild = world.rebuild("identical", BYTES);
    let update = world.update(&[build], |_, _| {});
    for (name, index) in [("build", build), ("rebuild", rebuild), ("update", update)] {
        cases.proof(name, world.proof(index));
    }
    cases.case("build-and-rebuild", "verified", "verified", &["update", "build", "rebuild"], json!({}));
    cases.case("build-alone", "verified", "verified", &["update", "build"], json!({}));
    files(&mut cases);
    proofs(&mut cases, &world, update);
    checkpoints(&mut cases, &world, build, update);
    leaves(&mut cases, &world, update);
    trusted(&mut cases, update);
    said(&mut cases, &world, build, update);
    json!({
        "description": "Verdicts about one file, by proofs that the cases name, under `policy` and `trust` (those of the case first). \
                        Every key is the Ed25519 key whose seed is SHA-256 of its name.",
        "policy": policy(ORIGIN),
        "trust": Trust::good().text(),
        "proofs": cases.proofs,
        "verdicts": cases.verdicts,
    })
}

/// The file is not the one of the update, or there is no update.
fn files(cases: &mut Cases) {
    let other = json!({"file": {"name": "app.bin", "sha256": sha256(b"the updatf"), "size": BYTES.len()}});
    cases.refused("one-flipped-bit", "file.digest", &["update", "build"], other);
    let longer = json!({"file": {"name": "app.bin", "sha256": sha256(BYTES), "size": BYTES.len() + 1}});
    cases.refused("another-size", "file.size", &["update", "build"], longer);
    cases.refused("no-proof", "update.missing", &[], json!({}));
    cases.refused("build-without-update", "update.missing", &["build"], json!({}));
    cases.refused("update-without-its-build", "build.missing", &["update"], json!({}));
}

/// A proof is none, or of another entry.
fn proofs(cases: &mut Cases, world: &World, update: usize) {
    let good = world.proof(update);
    let without: String = good.split_inclusive('\n').filter(|line| !line.starts_with("extra ")).collect();
    cases.proof("update without its leaf", without);
    cases.refused("no-leaf-in-the-proof", "proof.malformed", &["update without its leaf", "build"], json!({}));
    cases.proof("not a proof", "hello\n".to_owned());
    cases.refused("a-good-proof-and-a-bad-one", "proof.malformed", &["update", "build", "not a proof"], json!({}));
    cases.proof("update at the place of another entry", world.proof_with(0, &world.leaves[update], &world.note()));
    let moved = ["update at the place of another entry", "build"];
    cases.refused("proof-of-another-entry", "inclusion", &moved, json!({}));
}

/// The checkpoint is of another log, is wrongly signed, forks, or has too few witnesses.
fn checkpoints(cases: &mut Cases, world: &World, build: usize, update: usize) {
    let text = world.checkpoint();
    let with =
        |lines: &[String]| world.proof_with(update, &world.leaves[update], &format!("{text}\n{}", lines.concat()));
    let (w1, w3) = (witness(1).line(&text, NOW - 60), witness(3).line(&text, NOW - 30));
    let mut grown = world.clone();
    grown.build(json!([subject("other.bin", b"other")]));
    let elsewhere = grown.checkpoint();

    let other_trust = Trust::good().text().replace(ORIGIN, "log.example/other");
    let pins = json!({"policy": policy("log.example/other"), "trust": other_trust});
    cases.refused("log-that-the-trust-file-does-not-name", "origin.unknown", &["update", "build"], pins);
    cases.proof("update, not signed by the log", with(&[w1.clone(), w3.clone()]));
    cases.refused("no-log-signature", "log.signature", &["update, not signed by the log", "build"], json!({}));
    cases
        .proof("update, log signature of another tree", with(&[log_key().line(&elsewhere, 0), w1.clone(), w3.clone()]));
    cases.refused(
        "wrong-log-signature",
        "log.signature",
        &["update, log signature of another tree", "build"],
        json!({}),
    );
    let log = log_key().line(&text, 0);
    let wrong = witness(2).line(&elsewhere, NOW);
    cases.proof("update, one wrong cosignature of three", with(&[log.clone(), w1.clone(), wrong, w3]));
    cases.refused("wrong-cosignature", "cosignature", &["update, one wrong cosignature of three", "build"], json!({}));
    cases.proof("update, one witness", with(&[log.clone(), w1.clone()]));
    cases.case("quorum-short-by-one", "not-yet", "quorum", &["update, one witness", "build"], json!({}));
    let ahead = witness(2).line(&text, NOW + 301);
    cases.proof("update, one witness too far ahead", with(&[log, w1, ahead]));
    cases.case(
        "cosignature-of-the-future",
        "not-yet",
        "quorum",
        &["update, one witness too far ahead", "build"],
        json!({}),
    );
    let mut fork = world.clone();
    fork.leaves.swap(1, 2);
    cases.proof("build in another tree of that size", fork.proof(build));
    cases.refused("fork", "checkpoint.fork", &["update", "build in another tree of that size"], json!({}));
}

/// The leaf is in the tree, and is no event of this log, or is not rightly signed.
fn leaves(cases: &mut Cases, world: &World, update: usize) {
    let mut spoilt = world.clone();
    let braces = spoilt.raw(b"{}".to_vec());
    let spaced = spoilt.raw([b"{ ".as_slice(), &world.leaves[update][1..]].concat());
    let none = json!([{"digest": {"sha256": "0".repeat(64)}}]);
    let later = spoilt.event("release", "transfer", none.clone(), json!({}), json!({}));
    let nothing = spoilt.event("release", "upgrade", none.clone(), json!({}), json!({}));
    let foreign = spoilt.event("release", "heartbeat", none, json!({"to": 1}), json!({"origin": "log.example/other"}));
    for (id, code, index) in [
        ("leaf-of-no-event", "event.malformed", braces),
        ("leaf-in-another-spelling", "event.malformed", spaced),
        ("type-of-a-later-version", "event.unknown", later),
        ("type-that-nobody-defines", "event.unknown", nothing),
        ("event-of-another-log", "event.origin", foreign),
    ] {
        cases.proof(id, spoilt.proof(index));
        cases.refused(id, code, &["update", "build", id], json!({}));
    }
    let envelope: Value = serde_json::from_slice(&world.leaves[update]).unwrap_or_default();
    let own = envelope["signatures"][0].clone();
    let signature = |key: &Key, sig: Value| json!({"keyid": key.keyid(), "sig": sig});
    let (farm, release) = (issuer("farm"), issuer("release"));
    for (id, code, signatures) in [
        ("one-signature-too-many", "event.signers", json!([signature(&farm, own["sig"].clone()), own])),
        ("signed-by-somebody-else", "event.signers", json!([signature(&farm, own["sig"].clone())])),
        (
            "signature-that-does-not-verify",
            "event.signature",
            json!([signature(&release, json!(STANDARD.encode([7; 64])))]),
        ),
    ] {
        let mut changed = world.clone();
        let mut leaf = envelope.clone();
        leaf["signatures"] = signatures;
        changed.leaves[update] = serde_json_canonicalizer::to_vec(&leaf).unwrap_or_default();
        cases.proof(id, changed.proof(update));
        cases.refused(id, code, &[id], json!({}));
    }
}

/// The trust file does not want it.
fn trusted(cases: &mut Cases, update: usize) {
    let both = ["update", "build"];
    let with = |change: fn(&mut Trust)| {
        let mut trust = Trust::good();
        change(&mut trust);
        json!({"trust": trust.text()})
    };
    let unknown = with(|trust| {
        trust.issuers[0].0 = "other";
        trust.stream.2 = "other";
    });
    cases.refused("issuer-that-the-trust-file-does-not-name", "issuer.unknown", &both, unknown);
    let another_type = with(|trust| {
        trust.issuers[0].1 = "\"build\"";
        trust.issuers[1].1 = "\"build\", \"update\"";
        trust.stream.2 = "farm";
    });
    cases.refused("issuer-of-another-type", "issuer.type", &both, another_type);
    let mut disowned = Trust::good();
    disowned.issuers[0].2 = Some(update);
    cases.refused("logged-after-the-key-was-disowned", "issuer.disowned", &both, json!({"trust": disowned.text()}));
    disowned.issuers[0].2 = Some(update + 1);
    let before = json!({"trust": disowned.text()});
    cases.case("logged-before-the-key-was-disowned", "verified", "verified", &both, before);
    cases.refused("another-channel", "stream.unknown", &both, with(|trust| trust.stream.1 = "beta"));
    let holder = with(|trust| {
        trust.issuers[1].1 = "\"build\", \"update\"";
        trust.stream.2 = "farm";
    });
    cases.refused("stream-of-another-issuer", "stream.issuer", &both, holder);
}

/// Other events of the log speak against it.
fn said(cases: &mut Cases, world: &World, build: usize, update: usize) {
    let mut later = world.clone();
    let different = later.rebuild("different", b"other bytes");
    let refs = json!([{"rel": "revokes", "event_id": later.id(update)}]);
    let revoked = json!([subject("app.bin", BYTES)]);
    let revoke = later.event("release", "update-revoke", revoked, json!({"reason": "security"}), json!({"refs": refs}));
    let second = later.update(&[build], |subjects, _| {
        subjects[0]["digest"]["sha256"] = json!(sha256(b"another file"));
    });
    for (id, code, index) in [
        ("rebuild-that-differs", "rebuild.different", different),
        ("revoked", "update.revoked", revoke),
        ("second-digest", "update.second-digest", second),
    ] {
        cases.proof(id, later.proof(index));
        cases.refused(id, code, &["update", "build", id], json!({}));
    }
    let mut elsewhere = World::default();
    let build = elsewhere.build(json!([subject("app.bin", BYTES)]));
    let imported = elsewhere.update(&[], |_, _| {});
    cases.proof("not built here", elsewhere.proof(imported));
    cases.refused("not-built-here", "build.not-here", &["not built here"], json!({}));
    let dated = elsewhere.update(&[build], |_, body| body["not_before"] = json!(NOW + 5));
    cases.proof("dated update", elsewhere.proof(dated));
    cases.proof("its build", elsewhere.proof(build));
    cases.case("too-early-to-install", "not-yet", "update.not-before", &["dated update", "its build"], json!({}));
    let then = json!({"now": NOW + 5});
    cases.case("on-its-day", "verified", "verified", &["dated update", "its build"], then);
    charter(cases);
}

/// The first charter, pinned and not pinned.
fn charter(cases: &mut Cases) {
    let mut world = World::default();
    let holder = |name: &str| json!({"epoch": 1, "vkey": issuer(name).vkey()});
    // An ML-DSA-44 key of zeros: nothing is signed with it here, and a vkey of that type is any 1,312 bytes.
    let mldsa = crate::oracle::messages::vkey(ORIGIN, 6, &[0; 1_312]);
    let body = json!({
        "version": 1, "protocol": "vitrine/v0", "origin": ORIGIN, "log_keys": [log_key().vkey(), mldsa],
        "operator": holder("operator"), "supervisor": holder("supervisor"), "vault": holder("vault"), "readers": [],
        "types": ["build", "charter", "heartbeat", "incident", "issuer-close", "issuer-open", "update"],
        "raw": false, "sites": [], "cosign": {}, "built_here_only": false,
    });
    let origin = json!([{"digest": {"sha256": sha256(ORIGIN.as_bytes())}}]);
    let first = world.event("operator", "charter", origin, body, json!({}));
    let build = world.build(json!([subject("app.bin", BYTES)]));
    let update = world.update(&[build], |_, _| {});
    for (name, index) in [("charter", first), ("build behind a charter", build), ("update behind a charter", update)] {
        cases.proof(name, world.proof(index));
    }
    let given = ["update behind a charter", "build behind a charter", "charter"];
    cases.refused("charter-that-is-not-pinned", "charter", &given, json!({}));
    let trust = Trust { charter: world.id(first), ..Trust::good() };
    cases.case("charter-that-is-pinned", "verified", "verified", &given, json!({"trust": trust.text()}));
}
