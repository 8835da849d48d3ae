//! A small log for the tests of verdicts: its keys, witnesses, issuers and entries, and proofs of them.
//!
//! Entries are made from JSON by the oracle of the tests, not by the code under test. Not here: admission; the log of this
//! world takes everything.

use std::prelude::v1::*;

use alloc::collections::BTreeMap;
use std::{format, vec};

use serde_json::{Value, json};

use super::{File, Pins, Proof, Witnessing};
use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use crate::cosignature;
use crate::hash::{Hash, leaf_hash, node_hash};
use crate::key::{KeyKind, Seed};
use crate::note::Signature;
use crate::policy::Policy;
use crate::text::{b64, hex};
use crate::tree::TreeSize;
use crate::trust::TrustFile;

pub(super) const ORIGIN: &str = "log.example/release";
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const PURL: &str = "pkg:deb/debian/app@1.2";
pub(super) const PACKAGE: &str = "pkg:deb/debian/app";

/// Which witnesses sign a checkpoint, by number from 1, and when.
pub(super) const TWO: [(u8, u64); 2] = [(1, NOW - 60), (3, NOW - 30)];

/// The file that is judged.
pub(super) const BYTES: &[u8] = b"the update";

pub(super) fn seed(name: &str, kind: KeyKind) -> Seed {
    let seed = Hash::of(format!("{name} {}", kind.byte()).as_bytes());
    Seed::new(name, kind, *seed.as_bytes()).unwrap()
}

pub(super) fn issuer_seed(issuer: &str) -> Seed {
    seed(&format!("{issuer}.example.com"), KeyKind::Ed25519)
}

fn sign(seed: &Seed, time: u64, checkpoint: &Checkpoint) -> Signature {
    let message = cosignature::message(seed.kind(), seed.name(), time, checkpoint).unwrap();
    let bytes = match seed.kind() {
        KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
        KeyKind::Cosign => cosignature::encode(time, &seed.sign_ed25519(&message).unwrap()),
        KeyKind::MlDsa44 => cosignature::encode(time, &seed.sign_mldsa_deterministic(&message).unwrap()),
    };
    Signature::by(&seed.vkey(), bytes).unwrap()
}

fn witness(number: u8, kind: KeyKind) -> Seed {
    seed(&format!("witness{number}.example.net"), kind)
}

/// 2 of 3 witnesses, each with both keys.
pub(super) fn policy_text(quorum: &str) -> String {
    let mut text = String::new();
    for kind in [KeyKind::Ed25519, KeyKind::MlDsa44] {
        text += &format!("log {}\n", seed(ORIGIN, kind).vkey());
    }
    for number in 1..=3 {
        text += &format!("witness w{number}-ed {}\n", witness(number, KeyKind::Cosign).vkey());
        text += &format!("witness w{number}-pq {}\n", witness(number, KeyKind::MlDsa44).vkey());
        text += &format!("group w{number} all w{number}-ed w{number}-pq\n");
    }
    text + &format!("group q 2 w1 w2 w3\nquorum {quorum}\n")
}

/// What the verifier pins; a test changes lines of it.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) charter: String,
    pub(super) origin: String,
    pub(super) log_keys: &'static str,
    /// Issuer, types, until.
    pub(super) issuers: Vec<(&'static str, &'static str, Option<u64>)>,
    /// packageId, channel, issuer, require_build.
    pub(super) streams: Vec<(&'static str, &'static str, &'static str, bool)>,
    /// More lines at the top, and of the last stream.
    pub(super) more: [String; 2],
    /// What issuers are, by name.
    pub(super) independence: Vec<(&'static str, &'static str)>,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust {
            charter: "0".repeat(64),
            origin: ORIGIN.into(),
            log_keys: "both",
            issuers: vec![
                ("release", "\"update\"", None),
                ("farm", "\"build\"", None),
                ("rebuilder", "\"rebuild\"", None),
                ("supervisor", "\"code-review\"", None),
            ],
            streams: vec![(PACKAGE, "stable", "release", true)],
            more: [String::new(), String::new()],
            independence: Vec::new(),
        }
    }
}

impl Trust {
    pub(super) fn file(&self) -> TrustFile {
        let mut text =
            format!("charter = \"{}\"\norigin = \"{}\"\nlog_keys = \"{}\"\n", self.charter, self.origin, self.log_keys);
        text += &self.more[0];
        for (name, types, until) in &self.issuers {
            let vkey = issuer_seed(name).vkey();
            text += &format!("[[issuer]]\nname = \"{name}\"\nepoch = 1\nvkey = \"{vkey}\"\ntypes = [{types}]\n");
            if let Some(until) = until {
                text += &format!("until = {until}\n");
            }
            for (_, word) in self.independence.iter().filter(|(of, _)| of == name) {
                text += &format!("independence = \"{word}\"\n");
            }
        }
        for (package, channel, issuer, build) in &self.streams {
            text += &format!(
                "[[stream]]\npackageId = \"{package}\"\nchannel = \"{channel}\"\nissuer = \"{issuer}\"\nrequire_build = {build}\n"
            );
        }
        TrustFile::parse(&(text + &self.more[1])).unwrap()
    }

    pub(super) fn pins(&self) -> Pins {
        Pins::new(Policy::parse(policy_text("q")).unwrap(), self.file(), Witnessing::Required).unwrap()
    }
}

/// The log.
#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) ids: Vec<String>,
    chains: BTreeMap<String, (u64, String)>,
}

/// A subject of an event.
pub(super) fn subject(name: &str, bytes: &[u8]) -> Value {
    json!({"name": name, "digest": {"sha256": Hash::of(bytes).hex()}})
}

pub(super) fn source() -> Value {
    json!({"uri": "git+https://example.com/app", "digest": {"gitTree": "a".repeat(40), "sha256": Hash::of(b"source").hex()}})
}

impl World {
    /// Logs a statement signed by these issuers; gives its index.
    pub(super) fn log(&mut self, statement: &Value, signers: &[&str]) -> u64 {
        let payload = serde_json_canonicalizer::to_vec(statement).unwrap();
        let mut pae = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).into_bytes();
        pae.extend_from_slice(&payload);
        let mut signatures: Vec<(String, String)> = signers
            .iter()
            .map(|issuer| (issuer_seed(issuer).vkey().keyid(), b64(&issuer_seed(issuer).sign_ed25519(&pae).unwrap())))
            .collect();
        signatures.sort();
        let signatures: Vec<Value> =
            signatures.into_iter().map(|(keyid, sig)| json!({"keyid": keyid, "sig": sig})).collect();
        let envelope = json!({
            "payload": b64(&payload), "payloadType": "application/vnd.in-toto+json", "signatures": signatures
        });
        self.leaves.push(serde_json_canonicalizer::to_vec(&envelope).unwrap());
        self.ids.push(Hash::of(&pae).hex());
        self.leaves.len() as u64 - 1
    }

    /// Logs an event with its header; `rest` holds members of the header beyond the place.
    pub(super) fn event(&mut self, issuer: &str, kind: &str, subject: Value, body: Value, rest: Value) -> u64 {
        let mut hdr = json!({"origin": ORIGIN, "issuer": issuer, "epoch": 1, "recorded": NOW - 1_000});
        if matches!(kind, "build" | "rebuild" | "code-review" | "verdict") {
            hdr["nonce"] = json!(hex(Hash::of(&[self.leaves.len() as u8]).as_bytes())[..32]);
        } else {
            let (seq, prev) = self.chains.get(issuer).cloned().unwrap_or((0, "0".repeat(64)));
            hdr["seq"] = json!(seq + 1);
            hdr["prev"] = json!(prev);
        }
        let mut signers = vec![issuer];
        for (name, value) in rest.as_object().unwrap() {
            hdr[name] = value.clone();
        }
        let cosigners =
            ["release", "farm", "rebuilder", "supervisor", "supervisor2", "vault", "operator2", "spare", "stranger"];
        for keyid in rest["cosigners"].as_array().into_iter().flatten() {
            signers.extend(cosigners.iter().filter(|name| issuer_seed(name).vkey().keyid() == *keyid));
        }
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": format!("https://vitrine.example/{kind}/v0"),
            "predicate": {"hdr": hdr, "body": body},
        });
        let index = self.log(&statement, &signers);
        if hdr.get("seq").is_some() {
            let id = self.ids[usize::try_from(index).unwrap()].clone();
            self.chains.insert(issuer.into(), (hdr["seq"].as_u64().unwrap(), id));
        }
        index
    }

    pub(super) fn id(&self, index: u64) -> &str {
        &self.ids[usize::try_from(index).unwrap()]
    }

    pub(super) fn review(&mut self, digest: Value, outcome: &str) -> u64 {
        let high = u64::from(outcome == "findings");
        let body = json!({
            "centre": "Zürich", "organisation": "Example Review", "scope": ["app"], "method": "reading",
            "from": "2026-01-01", "to": "2026-02-01", "outcome": outcome,
            "findings": {"critical": 0, "high": high, "medium": 0, "low": 0, "info": 0},
        });
        self.event("supervisor", "code-review", json!([{"digest": digest}]), body, json!({}))
    }

    pub(super) fn build_of(&mut self, issuer: &str, subjects: Value) -> u64 {
        let body = json!({
            "purl": PURL, "source": source(), "builder_id": "https://farm.example.com/1", "build_type": "https://example.com/make",
            "invocation_id": "42", "started": NOW - 2_000, "finished": NOW - 1_500, "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
        });
        self.event(issuer, "build", subjects, body, json!({}))
    }

    pub(super) fn build(&mut self) -> u64 {
        self.build_of("farm", json!([subject("app.deb", BYTES)]))
    }

    pub(super) fn rebuild(&mut self, issuer: &str, outcome: &str) -> u64 {
        let mut subject = subject("app.deb", BYTES);
        match outcome {
            "identical" => subject["annotations"] = json!({"produced": Hash::of(BYTES).hex()}),
            "different" => subject["annotations"] = json!({"produced": Hash::of(b"other").hex()}),
            _ => {}
        }
        let body = json!({"outcome": outcome, "independence": "third-party", "source": source()});
        self.event(issuer, "rebuild", json!([subject]), body, json!({}))
    }

    /// A verdict of an issuer about the file, and what it relies on.
    pub(super) fn verdict(&mut self, issuer: &str, result: &str, update: u64) -> u64 {
        let body = json!({
            "result": result, "verifier": "https://supervisor.example.com/1",
            "policy": {"uri": "https://supervisor.example.com/policy", "sha256": Hash::of(b"policy").hex()}, "levels": [],
        });
        let refs = json!([{"rel": "about", "event_id": self.id(update)}]);
        let subject = json!([{"digest": {"sha256": Hash::of(BYTES).hex()}}]);
        self.event(issuer, "verdict", subject, body, json!({"refs": refs}))
    }

    /// An update of `BYTES` that releases these builds; `change` may turn its statement into another one.
    pub(super) fn update_with(&mut self, builds: &[u64], change: impl FnOnce(&mut Value, &mut Value)) -> u64 {
        let mut file = subject("app.deb", BYTES);
        file["annotations"] = json!({"size": BYTES.len()});
        let mut subjects = json!([file]);
        let mut body = json!({
            "purl": PURL, "packageId": PACKAGE, "channel": "stable", "kind": "product", "audience": ["all"],
            "release_seq": 1, "built_here": !builds.is_empty(),
        });
        let mut refs: Vec<&str> = builds.iter().map(|build| self.id(*build)).collect();
        refs.sort_unstable();
        let refs: Vec<Value> = refs.iter().map(|id| json!({"rel": "releases", "event_id": id})).collect();
        let rest = if refs.is_empty() { json!({}) } else { json!({"refs": refs}) };
        change(&mut subjects, &mut body);
        self.event("release", "update", subjects, body, rest)
    }

    pub(super) fn update(&mut self, builds: &[u64]) -> u64 {
        self.update_with(builds, |_, _| {})
    }

    fn hashes(&self) -> Vec<Hash> {
        self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    pub(super) fn checkpoint(&self, log: &[KeyKind], witnesses: &[(u8, u64)]) -> SignedCheckpoint {
        let size = TreeSize::new(self.leaves.len() as u64);
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), size, mth(&self.hashes()));
        let mut lines: Vec<Signature> =
            log.iter().map(|kind| sign(&seed(ORIGIN, *kind), NOW - 90, &checkpoint)).collect();
        for (number, time) in witnesses {
            for kind in [KeyKind::Cosign, KeyKind::MlDsa44] {
                lines.push(sign(&witness(*number, kind), *time, &checkpoint));
            }
        }
        SignedCheckpoint::new(checkpoint, lines).unwrap()
    }

    /// A tlog-proof of an entry, with this leaf in its `extra` line, in this checkpoint.
    pub(super) fn proof_in(&self, index: u64, leaf: &[u8], checkpoint: &SignedCheckpoint) -> Vec<u8> {
        let mut text = format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n", b64(leaf));
        for hash in path(usize::try_from(index).unwrap(), &self.hashes()) {
            text += &format!("{hash}\n");
        }
        text += "\n";
        text += &checkpoint.print();
        text.into_bytes()
    }

    /// A bundle of these entries, ascending, in this checkpoint.
    pub(super) fn bundle_in(&self, indices: &[u64], checkpoint: &SignedCheckpoint) -> Vec<u8> {
        let mut text = String::from("vitrine.example/bundle@v0\n");
        for index in indices {
            text += &format!("entry {index} {}\n", b64(&self.leaves[usize::try_from(*index).unwrap()]));
        }
        let indices: Vec<usize> = indices.iter().map(|index| usize::try_from(*index).unwrap()).collect();
        for hash in beside(0, &self.hashes(), &indices) {
            text += &format!("hash {hash}\n");
        }
        (text + "\n" + &checkpoint.print()).into_bytes()
    }

    /// The same as the log hands it out.
    pub(super) fn bundle(&self, indices: &[u64]) -> Vec<u8> {
        self.bundle_in(indices, &self.checkpoint(&[KeyKind::Ed25519, KeyKind::MlDsa44], &TWO))
    }

    /// The same as the log hands it out: both of its signatures, two of three witnesses.
    pub(super) fn proof(&self, index: u64) -> Vec<u8> {
        let checkpoint = self.checkpoint(&[KeyKind::Ed25519, KeyKind::MlDsa44], &TWO);
        self.proof_in(index, &self.leaves[usize::try_from(index).unwrap()], &checkpoint)
    }
}

/// RFC 9162 2.1.1, from its definition.
fn mth(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of(b""),
        [one] => *one,
        many => {
            let k = many.len().next_power_of_two() / 2;
            node_hash(&mth(&many[..k]), &mth(&many[k..]))
        }
    }
}

/// The hashes of a bundle, from their definition [B-3]; `first` is the index of the first of `hashes`.
fn beside(first: usize, hashes: &[Hash], indices: &[usize]) -> Vec<Hash> {
    if !indices.iter().any(|index| (first..first + hashes.len()).contains(index)) {
        return vec![mth(hashes)];
    }
    if hashes.len() == 1 {
        return Vec::new();
    }
    let k = hashes.len().next_power_of_two() / 2;
    let mut all = beside(first, &hashes[..k], indices);
    all.extend(beside(first + k, &hashes[k..], indices));
    all
}

/// RFC 9162 2.1.3.1, from its definition.
fn path(m: usize, hashes: &[Hash]) -> Vec<Hash> {
    if hashes.len() < 2 {
        return Vec::new();
    }
    let k = hashes.len().next_power_of_two() / 2;
    let (mut path, sibling) =
        if m < k { (path(m, &hashes[..k]), mth(&hashes[k..])) } else { (path(m - k, &hashes[k..]), mth(&hashes[..k])) };
    path.push(sibling);
    path
}

/// The file that is judged.
pub(super) fn file() -> File<'static> {
    File { name: "app.deb", sha256: Hash::of(BYTES), size: BYTES.len() as u64 }
}

/// Proofs with their names.
pub(super) fn named(proofs: &[Vec<u8>]) -> Vec<Proof<'_>> {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    NAMES.iter().zip(proofs).map(|(name, bytes)| Proof { name, bytes }).collect()
}
