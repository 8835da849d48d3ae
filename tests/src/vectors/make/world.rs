//! A small log for made vectors: keys from names, events from JSON, checkpoints with signatures, proofs.
//!
//! The log takes everything that it is given. Not here: what the vectors are about.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use ml_dsa::{Keypair as _, MlDsa44};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::oracle::{Digest, merkle, messages};

/// The origin of the log.
pub(super) const ORIGIN: &str = "log.example/release";
/// The time of the verifier.
pub(super) const NOW: u64 = 1_800_000_000;
/// What is released.
pub(super) const PACKAGE: &str = "pkg:generic/app";
/// One release of it.
pub(super) const PURL: &str = "pkg:generic/app@1.2";
/// The file that is judged.
pub(super) const BYTES: &[u8] = b"the update";

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key whose seed is SHA-256 of its name: for vectors, and for nothing else.
#[derive(Clone)]
pub(super) struct Key {
    name: String,
    kind: u8,
    seed: [u8; 32],
}

impl Key {
    /// A 0x01 key.
    pub(super) fn new(name: &str) -> Key {
        Key { name: name.to_owned(), kind: 1, seed: Sha256::digest(name).into() }
    }

    /// A 0x04 key.
    pub(super) fn cosigner(name: &str) -> Key {
        Key { kind: 4, ..Key::new(name) }
    }

    /// A 0x06 key.
    pub(super) fn mldsa(name: &str) -> Key {
        Key { kind: 6, ..Key::new(name) }
    }

    fn mldsa_key(&self) -> ml_dsa::SigningKey<MlDsa44> {
        ml_dsa::SigningKey::from_seed(&self.seed.into())
    }

    fn public(&self) -> Vec<u8> {
        match self.kind {
            6 => self.mldsa_key().verifying_key().encode().to_vec(),
            _ => SigningKey::from_bytes(&self.seed).verifying_key().to_bytes().to_vec(),
        }
    }

    /// The signature of exactly a message; that of ML-DSA-44 is the deterministic one.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self.kind {
            6 => ml_dsa::signature::Signer::sign(&self.mldsa_key(), message).encode().to_vec(),
            _ => SigningKey::from_bytes(&self.seed).sign(message).to_bytes().to_vec(),
        }
    }

    fn id(&self) -> [u8; 4] {
        messages::key_id(&self.name, self.kind, &self.public())
    }

    /// The vkey.
    pub(super) fn vkey(&self) -> String {
        messages::vkey(&self.name, self.kind, &self.public())
    }

    /// Its first two parts.
    pub(super) fn keyid(&self) -> String {
        let id: String = self.id().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}+{id}", self.name)
    }

    /// The signature line under a checkpoint; a time is for cosigners.
    pub(super) fn line(&self, checkpoint: &str, time: u64) -> String {
        let timed = |message: &[u8]| [time.to_be_bytes().as_slice(), &self.sign(message)].concat();
        let signature = match self.kind {
            1 => self.sign(checkpoint.as_bytes()),
            4 => timed(&messages::cosignature_v1(checkpoint, time)),
            _ => timed(&self.subtree(checkpoint, time)),
        };
        messages::line(&self.name, self.id(), &signature)
    }

    /// What a 0x06 key signs of a checkpoint: origin, size and root of its first three lines.
    #[expect(clippy::expect_used, reason = "checkpoints of this file have three lines")]
    fn subtree(&self, checkpoint: &str, time: u64) -> Vec<u8> {
        let [origin, size, root] = checkpoint.lines().collect::<Vec<_>>()[..] else { return Vec::new() };
        let root: Digest = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).expect("a root");
        messages::subtree_v1(&self.name, time, origin, (0, size.parse().expect("a size")), &root)
    }
}

/// The key of the log.
pub(super) fn log_key() -> Key {
    Key::new(ORIGIN)
}

/// The key of witness 1, 2 or 3.
pub(super) fn witness(number: usize) -> Key {
    Key::cosigner(&format!("witness{number}.example.net"))
}

/// The key of an issuer.
pub(super) fn issuer(name: &str) -> Key {
    Key::new(&format!("{name}.example.com"))
}

/// Two of the three witnesses under one log.
pub(super) fn policy(origin: &str) -> String {
    let mut lines = vec![format!("log {}", Key::new(origin).vkey())];
    lines.extend((1..=3).map(|number| format!("witness w{number} {}", witness(number).vkey())));
    lines.push("group q 2 w1 w2 w3\nquorum q\n".to_owned());
    lines.join("\n")
}

/// The log so far.
#[derive(Clone, Default)]
pub(super) struct World {
    /// Its leaves.
    pub(super) leaves: Vec<Vec<u8>>,
    ids: Vec<String>,
    chains: BTreeMap<String, (u64, String)>,
}

/// A file as a subject.
pub(super) fn subject(name: &str, bytes: &[u8]) -> Value {
    json!({"name": name, "digest": {"sha256": sha256(bytes)}})
}

/// What all builds are made from.
pub(super) fn source() -> Value {
    json!({"uri": "git+https://example.com/app", "digest": {"sha256": sha256(b"source")}})
}

#[expect(clippy::expect_used, reason = "JSON of this file has a canonical spelling")]
fn jcs(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("a value has a canonical spelling")
}

impl World {
    /// The event_id of an entry.
    pub(super) fn id(&self, index: usize) -> String {
        self.ids[index].clone()
    }

    /// Logs bytes that are no event.
    pub(super) fn raw(&mut self, leaf: Vec<u8>) -> usize {
        self.leaves.push(leaf);
        self.ids.push(String::new());
        self.leaves.len() - 1
    }

    /// The log with another leaf at an index, before anything signs it.
    pub(super) fn with_leaf(&self, index: usize, leaf: Vec<u8>) -> World {
        let mut world = self.clone();
        world.leaves[index] = leaf;
        world
    }

    /// Logs an event, signed by its issuer; `header` holds what its header has beside the place.
    pub(super) fn event(&mut self, name: &str, kind: &str, subject: Value, body: Value, header: Value) -> usize {
        self.signed(name, kind, subject, body, header, &[issuer(name)])
    }

    /// Logs an event of an issuer with these signatures.
    pub(super) fn signed(
        &mut self,
        name: &str,
        kind: &str,
        subject: Value,
        body: Value,
        header: Value,
        keys: &[Key],
    ) -> usize {
        let mut hdr = json!({"origin": ORIGIN, "issuer": name, "epoch": 1, "recorded": NOW - 1_000});
        let chained = !matches!(kind, "build" | "rebuild" | "code-review" | "verdict");
        if chained {
            let (seq, prev) = self.chains.get(name).cloned().unwrap_or((0, "0".repeat(64)));
            hdr["seq"] = json!(seq + 1);
            hdr["prev"] = json!(prev);
        } else {
            hdr["nonce"] = json!(sha256(&self.leaves.len().to_be_bytes())[..32]);
        }
        if let Some(more) = header.as_object() {
            more.iter().for_each(|(member, value)| hdr[member] = value.clone());
        }
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": format!("https://vitrine.example/{kind}/v0"),
            "predicate": {"hdr": hdr, "body": body},
        });
        let payload = jcs(&statement);
        let pae = messages::pae("application/vnd.in-toto+json", &payload);
        let mut signatures: Vec<(String, String)> =
            keys.iter().map(|key| (key.keyid(), STANDARD.encode(key.sign(&pae)))).collect();
        signatures.sort();
        let signatures: Vec<Value> =
            signatures.into_iter().map(|(keyid, sig)| json!({"keyid": keyid, "sig": sig})).collect();
        self.leaves.push(jcs(&json!({
            "payload": STANDARD.encode(payload),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": signatures,
        })));
        self.ids.push(sha256(&pae));
        if chained {
            let seq = hdr["seq"].as_u64().unwrap_or_default();
            self.chains.insert(name.to_owned(), (seq, self.ids[self.ids.len() - 1].clone()));
        }
        self.leaves.len() - 1
    }

    /// A build of files.
    pub(super) fn build(&mut self, subjects: Value) -> usize {
        let body = json!({
            "purl": PURL, "source": source(), "builder_id": "https://farm.example.com/1",
            "build_type": "https://example.com/make", "invocation_id": "42", "started": NOW - 2_000,
            "finished": NOW - 1_500, "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
        });
        self.event("farm", "build", subjects, body, json!({}))
    }

    /// A rebuild of the file, by a third party.
    pub(super) fn rebuild(&mut self, outcome: &str, produced: &[u8]) -> usize {
        let mut file = subject("app.bin", BYTES);
        file["annotations"] = json!({"produced": sha256(produced)});
        let body = json!({"outcome": outcome, "independence": "third-party", "source": source()});
        self.event("rebuilder", "rebuild", json!([file]), body, json!({}))
    }

    /// An update of the file that releases some builds; `change` may turn it into another one.
    pub(super) fn update(&mut self, builds: &[usize], change: impl FnOnce(&mut Value, &mut Value)) -> usize {
        let mut file = subject("app.bin", BYTES);
        file["annotations"] = json!({"size": BYTES.len()});
        let mut subjects = json!([file]);
        let mut body = json!({
            "purl": PURL, "packageId": PACKAGE, "channel": "stable", "kind": "product", "audience": ["all"],
            "release_seq": 1, "built_here": !builds.is_empty(),
        });
        change(&mut subjects, &mut body);
        let mut ids: Vec<String> = builds.iter().map(|build| self.id(*build)).collect();
        ids.sort();
        let refs: Vec<Value> = ids.iter().map(|id| json!({"rel": "releases", "event_id": id})).collect();
        let header = if refs.is_empty() { json!({}) } else { json!({"refs": refs}) };
        self.event("release", "update", subjects, body, header)
    }

    /// The text of the checkpoint of all leaves.
    pub(super) fn checkpoint(&self) -> String {
        let hashes: Vec<_> = self.leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
        messages::checkpoint(ORIGIN, hashes.len() as u64, &merkle::mth(&hashes), &[])
    }

    /// The checkpoint, signed by the log and by witnesses 1 and 3.
    pub(super) fn note(&self) -> String {
        let text = self.checkpoint();
        let lines = [log_key().line(&text, 0), witness(1).line(&text, NOW - 60), witness(3).line(&text, NOW - 30)];
        format!("{text}\n{}", lines.concat())
    }

    /// A tlog-proof of an entry with some leaf and note.
    pub(super) fn proof_with(&self, index: usize, leaf: &[u8], note: &str) -> String {
        let hashes: Vec<_> = self.leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
        let path: String = merkle::path(index, &hashes).iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n{path}\n{note}", STANDARD.encode(leaf))
    }

    /// The tlog-proof of an entry.
    pub(super) fn proof(&self, index: usize) -> String {
        self.proof_with(index, &self.leaves[index], &self.note())
    }
}
