//! The release of the drill: a log with two charters, builds, rebuilds, a review, the update and a verdict; bundles of it.
//!
//! Beside it the log holds another product. Not here: what is wrong in a case.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::world::{BYTES, Key, NOW, ORIGIN, PURL, World, issuer, sha256, source, subject};
use super::trust::Trust;
use super::{Case, Drill};
use crate::oracle::{Digest, merkle, messages};

/// The second file of the update.
pub(super) const DATA: &[u8] = b"its data";
/// A file of another product.
pub(super) const OTHER: &[u8] = b"another product";

/// The log, and where the entries of the release are.
#[derive(Clone)]
pub(super) struct Release {
    pub(super) world: World,
    pub(super) charters: [usize; 2],
    pub(super) builds: [usize; 2],
    pub(super) rebuilds: [usize; 3],
    pub(super) review: usize,
    pub(super) update: usize,
    pub(super) verdict: usize,
    /// The other product's build and update.
    pub(super) other: [usize; 2],
}

/// Who signs a checkpoint, each at its time.
pub(super) type Signers = Vec<(Key, u64)>;

/// The log with both keys.
pub(super) fn log(origin: &str) -> Signers {
    vec![(Key::new(origin), 0), (Key::mldsa(origin), NOW - 90)]
}

/// A witness with both keys.
pub(super) fn witness(number: usize) -> Signers {
    let (name, time) = (format!("witness{number}.example.net"), NOW - 75 + 15 * number as u64);
    vec![(Key::cosigner(&name), time), (Key::mldsa(&name), time)]
}

/// The log and two of the three witnesses.
pub(super) fn two() -> Signers {
    [log(ORIGIN), witness(1), witness(3)].concat()
}

/// A checkpoint with its signatures.
pub(super) fn signed(text: &str, signers: &Signers) -> String {
    let lines: String = signers.iter().map(|(key, time)| key.line(text, *time)).collect();
    format!("{text}\n{lines}")
}

/// The hashes of a bundle, from their definition [B-3]; `first` is the index of the first leaf.
fn beside(first: usize, leaves: &[Digest], indices: &[usize]) -> Vec<Digest> {
    if !indices.iter().any(|index| (first..first + leaves.len()).contains(index)) {
        return vec![merkle::mth(leaves)];
    }
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(merkle::split(leaves.len()));
    [beside(first, left, indices), beside(first + left.len(), right, indices)].concat()
}

/// A bundle of these entries with this note.
pub(super) fn bundle_with(world: &World, indices: &[usize], note: &str) -> String {
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    let leaves: Vec<Digest> = world.leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
    let entry = |index: &usize| format!("entry {index} {}\n", STANDARD.encode(&world.leaves[*index]));
    let entries: String = indices.iter().map(entry).collect();
    let hashes: String =
        beside(0, &leaves, &indices).iter().map(|hash| format!("hash {}\n", STANDARD.encode(hash))).collect();
    format!("vitrine.example/bundle@v0\n{entries}{hashes}\n{note}")
}

/// A bundle of these entries, with the log and two witnesses.
pub(super) fn bundle(world: &World, indices: &[usize]) -> String {
    bundle_with(world, indices, &signed(&world.checkpoint(), &two()))
}

/// A bundle without witnesses, where what is wrong comes long before the quorum.
pub(super) fn short(world: &World, indices: &[usize]) -> String {
    bundle_with(world, indices, &signed(&world.checkpoint(), &log(ORIGIN)))
}

/// The checkpoint of a log of some origin with these leaves.
pub(super) fn checkpoint(world: &World, origin: &str) -> String {
    let leaves: Vec<Digest> = world.leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
    messages::checkpoint(origin, leaves.len() as u64, &merkle::mth(&leaves), &[])
}

/// A charter of the drill's log.
pub(super) fn charter(origin: &str) -> Value {
    let holder = |name: &str| json!({"epoch": 1, "vkey": issuer(name).vkey()});
    json!({
        "version": 1, "protocol": "vitrine/v0", "origin": origin,
        "log_keys": [Key::new(origin).vkey(), Key::mldsa(origin).vkey()],
        "operator": holder("operator"), "supervisor": holder("supervisor"), "vault": holder("vault"), "readers": [],
        "types": ["build", "charter", "code-review", "heartbeat", "incident", "issuer-close", "issuer-open", "rebuild", "update", "verdict"],
        "raw": false, "sites": [], "cosign": {}, "built_here_only": false,
    })
}

/// What a charter is about.
pub(super) fn about(origin: &str) -> Value {
    json!([{"digest": {"sha256": sha256(origin.as_bytes())}}])
}

/// Logs version 2 of the charter, which gives the supervisor a new key, with the signatures of these.
pub(super) fn second_charter(world: &mut World, first: usize, signers: &[&str]) -> usize {
    let mut later = charter(ORIGIN);
    later["version"] = json!(2);
    later["prev"] = json!(world.id(first));
    later["supervisor"] = json!({"epoch": 2, "vkey": issuer("supervisor-two").vkey()});
    let mut keyids: Vec<String> = signers.iter().map(|name| issuer(name).keyid()).collect();
    keyids.sort();
    let keys: Vec<Key> = [&["operator"], signers].concat().into_iter().map(issuer).collect();
    world.signed("operator", "charter", about(ORIGIN), later, json!({"cosigners": keyids}), &keys)
}

/// The body of a build.
fn made(number: usize) -> Value {
    json!({
        "purl": PURL, "source": source(), "builder_id": "https://farm.example.com/1",
        "build_type": "https://example.com/make", "invocation_id": number.to_string(), "started": NOW - 2_000,
        "finished": NOW - 1_500, "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
    })
}

/// Logs a build of one file in the log of some origin.
pub(super) fn build(world: &mut World, origin: &str, name: &str, bytes: &[u8]) -> usize {
    let number = world.leaves.len();
    world.event("farm", "build", json!([subject(name, bytes)]), made(number), json!({"origin": origin}))
}

/// Logs a build of one file from another source.
pub(super) fn build_from(world: &mut World, source: &Value, name: &str, bytes: &[u8]) -> usize {
    let mut body = made(world.leaves.len());
    body["source"] = source.clone();
    world.event("farm", "build", json!([subject(name, bytes)]), body, json!({}))
}

/// Logs a rebuild of both files.
pub(super) fn rebuild(world: &mut World, by: &str, independence: &str, outcome: &str) -> usize {
    let files = [("app.bin", BYTES), ("app.dat", DATA)].map(|(name, bytes)| {
        let mut file = subject(name, bytes);
        match outcome {
            "identical" => file["annotations"] = json!({"produced": sha256(bytes)}),
            "different" => file["annotations"] = json!({"produced": sha256(&[bytes, b" and more"].concat())}),
            _ => {}
        }
        file
    });
    let body = json!({"outcome": outcome, "independence": independence, "source": source()});
    world.event(by, "rebuild", json!(files), body, json!({}))
}

/// Logs a review of a source.
pub(super) fn review(world: &mut World, digest: Value, outcome: &str, critical: u64) -> usize {
    let body = json!({
        "centre": "Zürich", "organisation": "Example Review", "scope": ["app"], "method": "reading",
        "from": "2026-01-01", "to": "2026-02-01", "outcome": outcome,
        "findings": {"critical": critical, "high": 0, "medium": 0, "low": 0, "info": 0},
    });
    world.event("centre", "code-review", json!([{"digest": digest}]), body, json!({}))
}

/// Logs an update of both files; `change` may turn its subject, body and header into others.
pub(super) fn update(
    world: &mut World,
    builds: &[usize],
    change: impl FnOnce(&mut Value, &mut Value, &mut Value),
) -> usize {
    let mut files = json!([subject("app.bin", BYTES), subject("app.dat", DATA)]);
    files[0]["annotations"] = json!({"size": BYTES.len()});
    files[1]["annotations"] = json!({"size": DATA.len()});
    let mut body = json!({
        "purl": PURL, "packageId": super::super::world::PACKAGE, "channel": "stable", "kind": "product",
        "audience": ["all"], "release_seq": 7, "built_here": true,
    });
    let mut ids: Vec<String> = builds.iter().map(|build| world.id(*build)).collect();
    ids.sort();
    let refs: Vec<Value> = ids.iter().map(|id| json!({"rel": "releases", "event_id": id})).collect();
    let mut header = json!({"refs": refs});
    change(&mut files, &mut body, &mut header);
    world.event("release", "update", files, body, header)
}

/// Logs a verdict of the supervisor in an epoch about the files of an update.
pub(super) fn verdict(world: &mut World, epoch: u32, result: &str, update: usize) -> usize {
    let body = json!({
        "result": result, "verifier": "https://supervisor.example.com/1",
        "policy": {"uri": "https://supervisor.example.com/policy", "sha256": sha256(b"policy")}, "levels": [],
    });
    let mut files: Vec<String> = [BYTES, DATA].map(sha256).to_vec();
    files.sort();
    let files: Vec<Value> = files.iter().map(|sha256| json!({"digest": {"sha256": sha256}})).collect();
    let header = json!({"epoch": epoch, "refs": [{"rel": "about", "event_id": world.id(update)}]});
    let key = if epoch == 1 { "supervisor" } else { "supervisor-two" };
    world.signed("supervisor", "verdict", json!(files), body, header, &[issuer(key)])
}

impl Release {
    pub(super) fn new() -> Release {
        let mut world = World::default();
        let first = world.event("operator", "charter", about(ORIGIN), charter(ORIGIN), json!({}));
        let second = second_charter(&mut world, first, &["supervisor", "supervisor-two"]);
        let mut other = [build(&mut world, ORIGIN, "other.bin", OTHER), 0];
        let builds =
            [("app.bin", BYTES), ("app.dat", DATA)].map(|(name, bytes)| build(&mut world, ORIGIN, name, bytes));
        let review = review(&mut world, source()["digest"].clone(), "no-finding", 0);
        other[1] = update(&mut world, &other[..1], |files, body, _| {
            *files = json!([subject("other.bin", OTHER)]);
            files[0]["annotations"] = json!({"size": OTHER.len()});
            body["purl"] = json!("pkg:generic/other@3");
            body["packageId"] = json!("pkg:generic/other");
        });
        let update = update(&mut world, &builds, |_, _, _| ());
        let who = [("rebuilder-one", "third-party"), ("rebuilder-two", "third-party"), ("supervisor", "supervisor")];
        let rebuilds = who.map(|(name, independence)| rebuild(&mut world, name, independence, "identical"));
        let verdict = verdict(&mut world, 2, "PASSED", update);
        build(&mut world, ORIGIN, "later.bin", b"a later one");
        Release { world, charters: [first, second], builds, rebuilds, review, update, verdict, other }
    }

    /// The entries of the full bundle.
    pub(super) fn full(&self) -> Vec<usize> {
        let some = [self.charters.as_slice(), &self.builds, &self.rebuilds].concat();
        [some, vec![self.review, self.update, self.verdict]].concat()
    }

    /// The update and its builds.
    pub(super) fn plain(&self) -> Vec<usize> {
        [self.builds.as_slice(), &[self.update]].concat()
    }

    /// The fingerprint of the charter.
    pub(super) fn fingerprint(&self) -> String {
        self.world.id(self.charters[0])
    }

    /// The trust file that asks for everything.
    pub(super) fn trust(&self) -> Trust {
        Trust::full(&self.fingerprint())
    }

    /// The lines `origin`, `size` and `root` of a machine's own notes about this log.
    pub(super) fn head(&self) -> Vec<String> {
        self.world
            .checkpoint()
            .lines()
            .zip(["origin", "size", "root"])
            .map(|(line, name)| format!("{name} {line}"))
            .collect()
    }

    /// The files of the good cases, and these.
    pub(super) fn files(&self, drill: &mut Drill) {
        let mut flipped = BYTES.to_vec();
        flipped[4] ^= 1;
        for (name, bytes) in
            [("app.bin", BYTES), ("app.dat", DATA), ("other.bin", OTHER), ("flipped/app.bin", flipped.as_slice())]
        {
            drill.files.insert(format!("files/{name}"), bytes.to_vec());
        }
        let everybody = [log(ORIGIN), witness(1), witness(2), witness(3)].concat();
        let note = signed(&self.world.checkpoint(), &everybody);
        drill.bundle("full", bundle_with(&self.world, &self.full(), &note));
        drill.bundle("plain", bundle(&self.world, &self.plain()));
        drill.trust("full", &self.trust());
        drill.trust("plain", &Trust::plain());
        drill.case(Case::new(
            "full",
            "verified",
            "one update with two builds, three rebuilds, a review, a verdict and two charters",
        ));
        drill.case(Case::new("full-second-file", "verified", "the other file of the update").file("app.dat"));
        drill.case(Case::plain("plain", "verified", "an update with its builds, and nothing more is asked for"));
        drill.case(
            Case::plain("more-than-is-asked-for", "verified", "what is not asked for does no harm")
                .bundle("full")
                .trust("pinned"),
        );
        let text = signed(&self.world.checkpoint(), &two());
        for (name, index) in [("update", self.update), ("build-one", self.builds[0]), ("build-two", self.builds[1])] {
            drill.proof(name, self.world.proof_with(index, &self.world.leaves[index], &text));
        }
        drill.case(Case::plain("separate-proofs", "verified", "the same by tlog-proofs").proofs(&[
            "update",
            "build-one",
            "build-two",
        ]));
        let both = Case {
            bundles: vec!["plain"],
            ..Case::plain("given-twice", "verified", "what is given twice counts once")
        };
        drill.case(Case { proofs: vec!["update", "build-two"], ..both });
        drill.case(Case {
            now: None,
            ..Case::new("no-time", "verified", "without a time nothing is too old or too early")
        });
    }
}
