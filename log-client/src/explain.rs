//! Saying what bytes are, for a person (cli.md, `show`).
//!
//! Pure; explains and verifies nothing. Not here: reading files and the network (`commands::show`).

use std::collections::BTreeSet;

use vitrine_spec::bundle::Bundle;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::evidence::Evidence;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::json::Value;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::note::{Note, Signature};
use vitrine_spec::opening::Opening;
use vitrine_spec::policy::Policy;
use vitrine_spec::text::{hex, unb64};
use vitrine_spec::tiles::{self, Path as TilePath, decode_bundle};
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::trust::{Fingerprint, TrustFile, TrustedStream};
use vitrine_spec::wrap::{reader_key_id, reader_text};

use crate::clock;
use crate::event_file::{EventFile, int};
use crate::keyfile::{self, ReaderPublic};
use crate::policies;

/// Label and value.
pub type Rows = Vec<(String, String)>;

/// What something is.
#[derive(Debug)]
pub struct Shown {
    /// One word for scripts.
    pub kind: &'static str,
    /// One line.
    pub head: String,
    /// The rest.
    pub rows: Rows,
}

/// Says what bytes are; `name` helps with what has no mark of its own.
pub fn classify(name: &str, bytes: &[u8]) -> Option<Shown> {
    if let Ok(proof) = TlogProof::parse(bytes) {
        return Some(show_proof(&proof));
    }
    if let Ok(bundle) = Bundle::parse(bytes) {
        return Some(show_bundle(&bundle));
    }
    if let Ok(evidence) = Evidence::parse(bytes) {
        return Some(show_evidence(&evidence));
    }
    if let Ok(event) = EventFile::parse(bytes) {
        let head = format!("event: {}", event.kind().unwrap_or("of no known type"));
        return Some(Shown { kind: "event", head, rows: event_rows(&event) });
    }
    if let Ok(signed) = SignedCheckpoint::parse(bytes) {
        return Some(Shown {
            kind: "checkpoint",
            head: format!("checkpoint of {}", signed.origin()),
            rows: checkpoint_rows(&signed),
        });
    }
    if let Ok(note) = Note::parse(bytes) {
        let mut rows: Rows = note.text.lines().map(|line| ("text".to_owned(), line.to_owned())).collect();
        rows.extend(note.signatures.iter().map(signature_row));
        return Some(Shown { kind: "note", head: "signed note".to_owned(), rows });
    }
    if let Some(path) = tile_path(name) {
        return show_tile(&path, bytes);
    }
    if let Ok(opening) = Opening::parse(bytes) {
        return Some(show_opening(&opening));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    if let Some(Ok(reader)) = ReaderPublic::parse(text) {
        return Some(reader_rows("reader", "public side of a reader's key", &reader.sign, &reader.name, &reader.seal));
    }
    if let Ok(vkey) = Vkey::parse(text.trim_end_matches('\n')) {
        return Some(key_rows("vkey", "public key", &vkey));
    }
    if let Ok(policy) = Policy::parse(bytes) {
        return Some(show_policy(&policy));
    }
    if let Ok(trust) = TrustFile::parse(text) {
        return Some(show_trust(&trust));
    }
    if text.starts_with("{\"spool\":") {
        return Some(show_parcel(text));
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let head = match (value.get("code"), value.get("detail"), value.get("_type")) {
        (Some(code), Some(_), _) => format!("problem: {}", code.as_str().unwrap_or_default()),
        (_, _, Some(_)) => "statement without an envelope".to_owned(),
        _ => "JSON".to_owned(),
    };
    let rows = value.as_object()?.iter().map(|(name, value)| {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), shown)
    });
    Some(Shown { kind: "json", head, rows: rows.collect() })
}

fn show_evidence(evidence: &Evidence) -> Shown {
    let mut rows = Rows::new();
    if let Some(proof) = evidence.proof() {
        rows.push(("proof".to_owned(), format!("{} hashes from root {}", proof.path.len(), proof.root)));
    }
    for note in std::iter::once(evidence.first()).chain(evidence.second()) {
        rows.extend(checkpoint_rows(note));
    }
    Shown { kind: "evidence", head: format!("evidence against {}", evidence.first().origin()), rows }
}

/// The tile or bundle that a file or address is named after.
fn tile_path(name: &str) -> Option<TilePath> {
    let at = name.rfind("tile/")?;
    tiles::parse_path(name.get(at..)?).ok()
}

fn show_tile(path: &TilePath, bytes: &[u8]) -> Option<Shown> {
    match path {
        TilePath::Tile(tile) => {
            let hashes = Hash::slice_of(bytes).filter(|_| bytes.len() == tile.bytes())?;
            let rows = hashes.iter().enumerate().map(|(at, hash)| (format!("hash {at}"), hash.to_string()));
            Some(Shown {
                kind: "tile",
                head: format!("tile: {} hashes of level {}, index {}", hashes.len(), tile.level(), tile.index()),
                rows: rows.collect(),
            })
        }
        TilePath::Bundle(bundle) => {
            let entries = decode_bundle(bytes, bundle.width()).ok()?;
            let first = bundle.start().get();
            let rows = entries.iter().zip(first..).map(|(entry, index)| (format!("entry {index}"), one_line(entry)));
            Some(Shown {
                kind: "bundle",
                head: format!("entry bundle: {} entries from {first}", entries.len()),
                rows: rows.collect(),
            })
        }
    }
}

/// A leaf in one line.
pub fn one_line(leaf: &[u8]) -> String {
    match EventFile::parse(leaf) {
        Ok(event) => {
            let of = |name: &str| event.header_text(name).unwrap_or("?").to_owned();
            let place = event.header_int("seq").map_or_else(String::new, |seq| format!(" seq {seq}"));
            format!("{} by {}{place}, event {}", event.kind().unwrap_or("?"), of("issuer"), event.id())
        }
        Err(_) => format!("{} bytes that are no event, leaf hash {}", leaf.len(), leaf_hash(leaf)),
    }
}

fn show_bundle(bundle: &Bundle) -> Shown {
    let mut rows: Rows =
        bundle.entries.iter().map(|(index, leaf)| (format!("entry {index}"), one_line(leaf))).collect();
    rows.push(("hashes".to_owned(), bundle.hashes.len().to_string()));
    if let Ok(signed) = bundle.signed_checkpoint() {
        rows.extend(checkpoint_rows(&signed));
    }
    Shown { kind: "release", head: format!("bundle of {} entries with their proof", bundle.entries.len()), rows }
}

fn show_proof(proof: &TlogProof) -> Shown {
    let mut rows = vec![
        ("index".to_owned(), proof.index.to_string()),
        ("path".to_owned(), format!("{} hashes", proof.hashes.len())),
    ];
    if let Ok(signed) = SignedCheckpoint::parse(&proof.checkpoint) {
        rows.extend(checkpoint_rows(&signed));
    }
    let mut head = format!("tlog-proof of entry {}", proof.index);
    if let Some(leaf) = &proof.extra {
        rows.push(("leaf hash".to_owned(), leaf_hash(leaf).to_string()));
        match EventFile::parse(leaf) {
            Ok(event) => {
                head = format!("{head}: {}", event.kind().unwrap_or("an event of no known type"));
                rows.extend(event_rows(&event));
            }
            Err(why) => rows.push(("leaf".to_owned(), format!("{} bytes that are no event: {why}", leaf.len()))),
        }
    }
    Shown { kind: "proof", head, rows }
}

fn checkpoint_rows(signed: &SignedCheckpoint) -> Rows {
    let mut rows = vec![
        ("origin".to_owned(), signed.origin().to_string()),
        ("size".to_owned(), signed.size().to_string()),
        ("root".to_owned(), signed.root().to_string()),
    ];
    rows.extend(signed.checkpoint.extensions.iter().map(|line| ("extension".to_owned(), line.clone())));
    rows.extend(signed.signatures().iter().map(signature_row));
    rows
}

/// A signature line: whose it says it is, and the time in it where its length is that of a cosignature.
fn signature_row(line: &Signature) -> (String, String) {
    let cosigned = [(KeyKind::Cosign, "Ed25519 cosignature"), (KeyKind::MlDsa44, "ML-DSA-44 cosignature")]
        .into_iter()
        .find_map(|(kind, word)| cosignature::decode(kind, &line.bytes).map(|(time, _)| (word, time)));
    let what = match cosigned {
        Some((word, 0)) => format!("{word}, no time"),
        Some((word, time)) => format!("{word} of {}", clock::show(time)),
        None if line.bytes.len() == 64 => "Ed25519 signature".to_owned(),
        None => format!("{} bytes of an unknown kind", line.bytes.len()),
    };
    ("signature".to_owned(), format!("{}+{} {what}", line.name, line.id))
}

/// An event, for a person: header, what it is about, body, signers.
pub fn event_rows(event: &EventFile) -> Rows {
    let mut rows: Rows = Vec::new();
    let mut push = |label: &str, value: String| rows.push((label.to_owned(), value));
    if event.wants_place() {
        push("event_id", "none yet: it has no place in its chain".to_owned());
    } else {
        push("event_id", event.id().hex());
    }
    if event.kind() == Some("charter") && event.body("version").and_then(int) == Some(1) {
        push("fingerprint", Fingerprint::new(event.id().0).to_string());
    }
    push("type", event.kind().unwrap_or("unknown").to_owned());
    for (label, value) in members(event.statement().get("predicate").and_then(|predicate| predicate.get("hdr"))) {
        let value = if label == "recorded" { event.header_int("recorded").map_or(value, clock::show) } else { value };
        push(&label, value);
    }
    if let Some(Value::Array(subjects)) = event.statement().get("subject") {
        for subject in subjects {
            let digests: Vec<String> =
                members(subject.get("digest")).into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
            let mut line = digests.join(" ");
            if let Some(name) = subject.get("name").and_then(Value::as_text) {
                line = format!("{name} {line}");
            }
            if let Some(size) = subject.get("annotations").and_then(|annotations| annotations.get("size")).and_then(int)
            {
                line = format!("{line}, {size} bytes");
            }
            if let Some(produced) =
                subject.get("annotations").and_then(|annotations| annotations.get("produced")).and_then(Value::as_text)
            {
                line = format!("{line}, produced {produced}");
            }
            push("about", line);
        }
    }
    let predicate = event.statement().get("predicate");
    for (label, value) in members(predicate.and_then(|predicate| predicate.get("body"))) {
        // A reader's or a wrap's 1.2 kB say nothing to a person; who they are for does.
        match (label.as_str(), event.body(&label)) {
            ("readers" | "wraps", Some(Value::Array(list))) => {
                list.iter().for_each(|of| push(label.trim_end_matches('s'), key_holder(of)));
            }
            ("regions" | "retention" | "fields", Some(Value::Array(list))) => {
                list.iter().for_each(|of| push(label.trim_end_matches('s'), rule_or_member(of)));
            }
            _ => push(&label, value),
        }
    }
    if let Some(commit) = predicate.and_then(|predicate| predicate.get("commit")).and_then(Value::as_text) {
        push("commit", commit.to_owned());
    }
    for (label, value) in members(predicate.and_then(|predicate| predicate.get("sealed"))) {
        push(&format!("sealed {label}"), value);
    }
    rows.extend(attachment_rows(event));
    let mut push = |label: &str, value: String| rows.push((label.to_owned(), value));
    let signers: Vec<&str> = event.signers().collect();
    push("signed by", if signers.is_empty() { "nobody yet".to_owned() } else { signers.join(" ") });
    rows
}

/// The documents behind an event.
pub fn attachment_rows(event: &EventFile) -> Rows {
    let Some(Value::Array(attachments)) =
        event.statement().get("predicate").and_then(|predicate| predicate.get("attachments"))
    else {
        return Vec::new();
    };
    let row = |attachment: &Value| {
        let text = |name: &str| attachment.get(name).and_then(Value::as_text).unwrap_or("?");
        let size = attachment.get("size").and_then(int).map_or_else(|| "?".to_owned(), |size| size.to_string());
        let name = attachment.get("name").and_then(Value::as_text).map_or_else(String::new, |name| format!(", {name}"));
        ("attachment".to_owned(), format!("{} {size} bytes, {}{name}", text("sha256"), text("media_type")))
    };
    attachments.iter().map(row).collect()
}

/// A reader of a charter, or of a wrap: its name, role, signing key, and the id of its sealing key.
fn key_holder(of: &Value) -> String {
    let text = |name: &str| of.get(name).and_then(Value::as_text);
    let name = text("name").or(text("reader")).unwrap_or("?");
    let role =
        text("role").map_or_else(String::new, |role| format!(" ({role}), signs as {}", text("sign").unwrap_or("?")));
    let sealed_to = text("seal").and_then(|seal| unb64(seal).ok()).map(|seal| hex(&reader_key_id(&seal)));
    let id = sealed_to.or(text("key").map(str::to_owned)).unwrap_or_default();
    format!("{name}{role}, opens with X-Wing {id}")
}

/// A region or a retention of data rules, or a corrected member.
fn rule_or_member(of: &Value) -> String {
    let text = |name: &str| of.get(name).and_then(Value::as_text);
    let words = |name: &str| match of.get(name) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_text).collect::<Vec<_>>().join(" "),
        Some(_) | None => String::new(),
    };
    if let Some(region) = text("region") {
        let countries = words("countries");
        let of = if countries.is_empty() { String::new() } else { format!(" ({countries})") };
        return format!("{region}{of} at {}", words("sites"));
    }
    if let Some(category) = text("category") {
        return format!("{category} {} days", of.get("days").and_then(int).unwrap_or_default());
    }
    let new = text("value").map_or_else(|| "is wrong".to_owned(), |new| format!("is {new}"));
    format!("{} {new}", text("name").unwrap_or("?"))
}

fn show_opening(opening: &Opening) -> Shown {
    let shown = opening.shown();
    let mut rows = vec![("event_id".to_owned(), opening.event_id.hex())];
    rows.extend(shown.iter().map(|(field, value)| (field.name().to_owned(), value_text(value))));
    Shown { kind: "opening", head: format!("opening: {} of 24 fields of one access", shown.len()), rows }
}

/// A value as a person reads it: a text without its quotes, anything else as JSON.
pub fn value_text(value: &Value) -> String {
    value.as_text().map_or_else(|| String::from_utf8_lossy(&value.to_jcs()).into_owned(), str::to_owned)
}

/// The spec's JSON as serde's, for scripts.
pub fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) => (*int).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(json_of).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), json_of(value))).collect(),
    }
}

fn members(value: Option<&Value>) -> Rows {
    match value {
        Some(Value::Object(members)) => members.iter().map(|(name, value)| (name.clone(), value_text(value))).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// A key.
pub fn key_rows(kind: &'static str, what: &str, vkey: &Vkey) -> Shown {
    Shown {
        kind,
        head: format!("{what}: {}", vkey.keyid()),
        rows: vec![
            ("name".to_owned(), vkey.name().to_owned()),
            ("kind".to_owned(), keyfile::kind_name(vkey.kind()).to_owned()),
            ("vkey".to_owned(), vkey.to_string()),
        ],
    }
}

/// A reader's two keys.
pub fn reader_rows(kind: &'static str, what: &str, sign: &Vkey, name: &str, seal: &[u8]) -> Shown {
    let mut shown = key_rows(kind, what, sign);
    shown.rows.push(("opens with".to_owned(), format!("X-Wing {}", hex(&reader_key_id(seal)))));
    shown.rows.push(("xwing".to_owned(), reader_text(name, seal)));
    shown
}

fn show_policy(policy: &Policy) -> Shown {
    let mut rows: Rows = policy.logs.iter().map(|log| ("log".to_owned(), log.vkey.keyid())).collect();
    rows.extend(policy.witnesses.iter().map(|witness| (format!("witness {}", witness.name), witness.vkey.keyid())));
    if let Err(fault) = policy.check_one_witness_two_keys() {
        rows.push(("refused".to_owned(), fault.to_string()));
    }
    Shown { kind: "policy", head: format!("policy: {}", policies::summary(policy)), rows }
}

fn show_trust(trust: &TrustFile) -> Shown {
    Shown { kind: "trust", head: format!("trust file for {}", trust.origin), rows: trust_rows(trust) }
}

/// What a trust file pins and asks for, in words.
pub fn trust_rows(trust: &TrustFile) -> Rows {
    let mut rows = vec![
        ("charter".to_owned(), trust.charter.to_string()),
        ("charter version".to_owned(), format!("at least {}", trust.charter_version)),
        ("log keys".to_owned(), trust.log_keys.word().to_owned()),
    ];
    if let Some(region) = &trust.region {
        rows.push(("region".to_owned(), format!("{region}: updates for other regions alone are refused")));
    }
    let age = trust.max_age_s.map_or("of any age".to_owned(), |most| format!("at most {} old", lasting(most)));
    rows.push(("checkpoints".to_owned(), age));
    for issuer in trust.issuers() {
        let types: Vec<&str> = issuer.types.iter().map(String::as_str).collect();
        let independence =
            issuer.independence.map_or_else(String::new, |found| format!(", rebuilds as {}", found.name()));
        let until = issuer.until.map_or_else(String::new, |until| format!(", disowned from index {until}"));
        rows.push((
            format!("issuer {} {}", issuer.name, issuer.epoch),
            format!("{} {}{independence}{until}", issuer.vkey.keyid(), types.join(" ")),
        ));
    }
    for stream in trust.streams() {
        rows.push((format!("stream {} {}", stream.package_id, stream.channel), asked_of(stream, trust).join("; ")));
    }
    rows
}

/// What an update of a stream must have, one clause each.
fn asked_of(stream: &TrustedStream, trust: &TrustFile) -> Vec<String> {
    let of = |kind: &str, list: Option<&BTreeSet<String>>| Vec::from_iter(trust.parties(kind, list)).join(", ");
    let mut asked = vec![format!("released by {}", stream.issuer)];
    if stream.min_release_seq > 0 {
        asked.push(format!("release {} or later", stream.min_release_seq));
    }
    if stream.regional {
        asked.push("may be for some regions alone".to_owned());
    }
    match stream.require_build {
        true => asked.push(format!("a build of every file by {}", of("build", stream.builders.as_ref()))),
        false => asked.push("no build".to_owned()),
    }
    let rebuilders = Vec::from_iter(trust.rebuilders(stream)).join(", ");
    if stream.rebuilds > 0 {
        asked.push(format!("every file rebuilt identically by {} of {rebuilders}", stream.rebuilds));
    } else {
        asked.push("no rebuild".to_owned());
    }
    match stream.different_max {
        0 => asked.push("refused when anybody rebuilt it differently".to_owned()),
        most => asked.push(format!("refused when more than {most} rebuilt it differently")),
    }
    if stream.require_review {
        asked.push(format!("a review of the source by {}", of("code-review", stream.reviewers.as_ref())));
    }
    if stream.require_verdict {
        asked.push(format!("a verdict PASSED of {}", of("verdict", stream.verdicts_by.as_ref())));
    }
    if let Some(wait) = stream.wait_s {
        asked.push(format!("what is missing may come within {}", lasting(wait)));
    }
    asked
}

/// A length of time in its largest whole unit.
fn lasting(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (length, unit) = units.into_iter().find(|(length, _)| seconds.is_multiple_of(*length)).unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn show_parcel(text: &str) -> Shown {
    let rows = text.lines().skip(1).filter_map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        let event = EventFile::parse(record["envelope"].as_str()?.as_bytes()).ok()?;
        Some((record["file"].as_str().unwrap_or("-").to_owned(), one_line(event.line().as_bytes())))
    });
    Shown {
        kind: "spool",
        head: "spool parcel: events that are not provably logged yet".to_owned(),
        rows: rows.collect(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::commitment::RecordKey;
    use vitrine_spec::fields::Field;
    use vitrine_spec::key::Seed;
    use vitrine_spec::tiles::encode_bundle;
    use vitrine_spec::tree::LeafIndex;

    fn kind_of(name: &str, bytes: &[u8]) -> Option<&'static str> {
        classify(name, bytes).map(|shown| shown.kind)
    }

    #[test]
    fn everything_is_called_what_it_is() {
        let seed = Seed::new("example.com/log", KeyKind::Ed25519, [1; 32]).unwrap();
        let sign = |text: &str| {
            let signature = Signature::by(&seed.vkey(), seed.sign_ed25519(text.as_bytes()).unwrap().to_vec()).unwrap();
            Note::new(text.to_owned(), vec![signature]).unwrap().print()
        };
        let checkpoint = sign(&format!("example.com/log\n1\n{}\n", leaf_hash(b"x")));
        let proof = TlogProof {
            extra: Some(b"x".to_vec()),
            index: LeafIndex::new(0),
            hashes: Vec::new(),
            checkpoint: checkpoint.clone().into_bytes(),
        };
        let release = Bundle {
            entries: vec![(LeafIndex::new(0), b"x".to_vec())],
            hashes: Vec::new(),
            checkpoint: checkpoint.clone().into_bytes(),
        };
        let event = EventFile::unsigned(Value::object([]));
        let (event_id, event) = (event.id(), event.print());
        let bundle = encode_bundle([&b"x"[..], b"yz"].into_iter()).unwrap();
        let reader = keyfile::generate_reader("supervisor-1").unwrap();
        let opening = {
            let values = crate::world::values("one");
            Opening::make(event_id, &RecordKey::new([1; 32]), &values, &[Field::Op])
        };
        let other = sign(&format!("example.com/log\n1\n{}\n", leaf_hash(b"y")));
        let evidence = format!("vitrine-evidence/v0\n\n{checkpoint}\n{other}");
        for (name, bytes, want) in [
            ("a", proof.print(), "proof"),
            ("a", evidence.into_bytes(), "evidence"),
            ("a", release.print(), "release"),
            ("a", checkpoint.into_bytes(), "checkpoint"),
            ("a", sign("hello\n").into_bytes(), "note"),
            ("a", event.into_bytes(), "event"),
            ("a", seed.vkey().to_string().into_bytes(), "vkey"),
            ("a", reader.public_text().into_bytes(), "reader"),
            ("a", opening.print(), "opening"),
            ("a", b"quorum none\n".to_vec(), "policy"),
            ("http://log.example/tile/0/000.p/2", vec![0; 64], "tile"),
            ("dir/tile/entries/000.p/2", bundle, "bundle"),
            ("a", br#"{"code":"position","detail":"x"}"#.to_vec(), "json"),
        ] {
            assert_eq!(kind_of(name, &bytes), Some(want), "{name} {want}");
        }
        for (name, bytes) in
            [("a", &b"\xff"[..]), ("a", b"hello"), ("a", b""), ("http://log.example/tile/0/000.p/2", &[0; 63])]
        {
            assert_eq!(kind_of(name, bytes), None, "{name} {bytes:?}");
        }
    }

    #[test]
    fn rules_and_corrections_are_shown_line_by_line() {
        let shown = |kind: &str, fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            let mut draft = crate::world::draft(kind, &fields, Vec::new());
            draft.digests.insert("sha256".to_owned(), "1".repeat(64));
            draft.refs = vec![crate::draft::Reference {
                rel: "corrects".into(),
                event_id: "1".repeat(64),
                origin: None,
                at: None,
            }];
            event_rows(&draft.event().unwrap())
        };
        let rows = shown("rules", &["regions=EU:CH,AT@CH-ZH-1,CH-ZH-2", "regions=US@CH-ZH-1", "retention=account@366"]);
        for (label, value) in [
            ("region", "EU (AT CH) at CH-ZH-1 CH-ZH-2"),
            ("region", "US at CH-ZH-1"),
            ("retention", "account 366 days"),
        ] {
            assert!(rows.contains(&(label.to_owned(), value.to_owned())), "{label} {value}: {rows:?}");
        }
        let rows = shown("correction", &["fields=outcome=different", "fields=log"]);
        for value in ["outcome is \"different\"", "log is wrong"] {
            assert!(rows.contains(&("field".to_owned(), value.to_owned())), "{value}: {rows:?}");
        }
    }

    #[test]
    fn readers_are_shown_by_name_and_id_and_not_by_their_keys() {
        let rows = event_rows(&crate::world::access_charter());
        let readers: Vec<&str> =
            rows.iter().filter(|(label, _)| label == "reader").map(|(_, value)| value.as_str()).collect();
        assert_eq!(readers.len(), 2);
        let id = hex(&crate::world::readers()[0].1.key_id());
        assert!(readers[0].starts_with("supervisor-1 (supervisor), signs as supervisor-1.example.com+"), "{readers:?}");
        assert!(readers[0].ends_with(&format!("opens with X-Wing {id}")), "{readers:?}");
    }
}
