//! For tests: a witness that follows a script, a tree in memory whose log signs heads, people who sign events, and a disk that
//! says what is done to it (85-log.md).
//!
//! The witness checks nothing but the old size: what it says is the test's choice. Not here: a real witness, which the
//! end-to-end tests run.

#![allow(clippy::unwrap_used, reason = "for tests, which report by panicking")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use vitrine_spec::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::cosignature::{encode, message};
use vitrine_spec::edge::Edge;
use vitrine_spec::envelope::pae;
use vitrine_spec::fields::{Field, Values, nothing};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyKind, Seed, Vkey};
use vitrine_spec::note::Signature;
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::{self, Tiles};
use vitrine_spec::sealing::{Context, pad, seal};
use vitrine_spec::text::{b64, hex, unb64};
use vitrine_spec::tiles::TileId;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::wrap::{ReaderSeed, SEALING_ALG, WindowKey, WrapFor, wrap};

use crate::keys::LogKeys;
use crate::metrics::Metrics;
use crate::store::{Disk, OsDisk};
use crate::time::Time;
use crate::witnesses::{Asking, Parts, Tree, Witnesses};

/// The origin of every log in these tests.
pub(crate) const ORIGIN: &str = "log.example";

fn seed(name: &str, kind: KeyKind, byte: u8) -> Seed {
    Seed::new(name, kind, [byte; 32]).unwrap()
}

fn signed(seed: &Seed, time: u64, checkpoint: &Checkpoint) -> Signature {
    let message = message(seed.kind(), seed.name(), time, checkpoint).unwrap();
    let bytes = match seed.kind() {
        KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
        KeyKind::Cosign => encode(time, &seed.sign_ed25519(&message).unwrap()),
        KeyKind::MlDsa44 => encode(time, &seed.sign_mldsa_deterministic(&message).unwrap()),
    };
    Signature::by(&seed.vkey(), bytes).unwrap()
}

/// What a fake witness does with the next questions.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The size it cosigned last.
    pub known: u64,
    /// What it answers instead, until it is taken away: status, content type, body.
    pub says: Option<(u16, &'static str, Vec<u8>)>,
    /// How long it waits before each answer.
    pub delay: Duration,
    /// What it serves at its monitoring prefix.
    pub note: Option<Vec<u8>>,
    /// Old and new size of every question so far.
    pub asked: Vec<(u64, u64)>,
    /// Questions to its monitoring prefix.
    pub read: usize,
}

/// A witness on loopback with two keys.
pub(crate) struct FakeWitness {
    /// Its submission and monitoring prefix.
    pub url: String,
    seeds: Arc<[Seed; 2]>,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeWitness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Behind {
    seeds: Arc<[Seed; 2]>,
    script: Arc<Mutex<Script>>,
}

impl FakeWitness {
    /// Starts a witness of this name; its keys follow from `byte`.
    pub(crate) async fn start(name: &str, byte: u8) -> FakeWitness {
        let seeds = Arc::new([seed(name, KeyKind::Cosign, byte), seed(name, KeyKind::MlDsa44, byte + 1)]);
        let script = Arc::new(Mutex::new(Script::default()));
        let behind = Behind { seeds: Arc::clone(&seeds), script: Arc::clone(&script) };
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/{origin}/checkpoint", get(checkpoint))
            .with_state(behind);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        FakeWitness { url, seeds, script, task }
    }

    /// Reads or changes the script.
    pub(crate) fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().unwrap())
    }

    /// The keys as a policy names them.
    pub(crate) fn vkeys(&self) -> [Vkey; 2] {
        [self.seeds[0].vkey(), self.seeds[1].vkey()]
    }
}

async fn add_checkpoint(State(behind): State<Behind>, body: Bytes) -> Response {
    let text = std::str::from_utf8(&body).unwrap();
    let (head, note) = text.split_once("\n\n").unwrap();
    let old: u64 = head.lines().next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
    let asked = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    let size = asked.size().get();
    let (delay, says) = {
        let mut script = behind.script.lock().unwrap();
        script.asked.push((old, size));
        (script.delay, script.says.clone())
    };
    tokio::time::sleep(delay).await;
    if let Some((status, content_type, body)) = says {
        let status = StatusCode::from_u16(status).unwrap();
        return (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
    }
    let mut script = behind.script.lock().unwrap();
    if old != script.known {
        let body = format!("{}\n", script.known);
        return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "text/x.tlog.size")], body).into_response();
    }
    script.known = size;
    let now = Time::now().get();
    let lines: String = behind.seeds.iter().map(|seed| signed(seed, now, &asked.checkpoint).line()).collect();
    lines.into_response()
}

async fn checkpoint(State(behind): State<Behind>) -> Response {
    let mut script = behind.script.lock().unwrap();
    script.read += 1;
    match &script.note {
        Some(note) => note.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A policy of these logs with these witnesses: each `any` of its two keys, and this many of them.
pub(crate) fn policy(logs: &[Vkey], quorum: usize, witnesses: &[&FakeWitness]) -> Policy {
    let mut text: String = logs.iter().map(|log| format!("log {log}\n")).collect();
    let mut groups = Vec::new();
    for (at, witness) in witnesses.iter().enumerate() {
        for (kind, vkey) in ["ed", "pq"].iter().zip(witness.vkeys()) {
            text.push_str(&format!("witness w{at}-{kind} {vkey} {}\n", witness.url));
        }
        text.push_str(&format!("group w{at} any w{at}-ed w{at}-pq\n"));
        groups.push(format!("w{at}"));
    }
    text.push_str(&format!("group q {quorum} {}\nquorum q\n", groups.join(" ")));
    Policy::parse(&text).unwrap()
}

/// A log in memory: tiles by id, roots by size.
#[derive(Default)]
pub(crate) struct MemoryLog {
    edge: Option<Edge>,
    tiles: BTreeMap<String, Vec<u8>>,
    fork: u8,
}

impl MemoryLog {
    /// A log with this many entries; logs with another `fork` hold other entries.
    pub(crate) fn of(size: u64, fork: u8) -> MemoryLog {
        let mut log = MemoryLog { edge: Some(Edge::empty()), fork, ..MemoryLog::default() };
        (0..size).for_each(|_| log.grow());
        log
    }

    /// Adds one entry.
    pub(crate) fn grow(&mut self) {
        let edge = self.edge.as_mut().unwrap();
        let leaf = leaf_hash(format!("entry {} of {}", edge.size(), self.fork).as_bytes());
        for (id, bytes) in edge.append(&[leaf]) {
            self.tiles.insert(id.path(), bytes);
        }
    }

    /// The head, signed by the log's Ed25519 key.
    pub(crate) fn head(&self) -> Asking {
        let edge = self.edge.as_ref().unwrap();
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), edge.size(), edge.root());
        let line = signed(&seed(ORIGIN, KeyKind::Ed25519, 1), 0, &checkpoint);
        Asking { checkpoint: SignedCheckpoint::new(checkpoint, vec![line]).unwrap() }
    }
}

impl Tiles for MemoryLog {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        self.tiles.get(&id.path()).cloned().ok_or_else(|| format!("{id} is missing"))
    }
}

impl Tree for MemoryLog {
    fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, String> {
        proof::consistency(self, from, to).map_err(|error| error.to_string())
    }

    fn root(&self, size: TreeSize) -> Result<Hash, String> {
        proof::root_from_tiles(self, size).map_err(|error| error.to_string())
    }
}

/// The log's keys, as a policy and a note at a monitoring prefix need them.
pub(crate) fn log_keys() -> Vec<Vkey> {
    vec![seed(ORIGIN, KeyKind::Ed25519, 1).vkey()]
}

/// Witnesses of a policy over a tree, with short time-outs.
pub(crate) fn witnesses(
    policy: &Policy,
    tree: Arc<dyn Tree>,
    evidence: &std::path::Path,
    aside: &[String],
) -> Arc<Witnesses> {
    let parts = Parts {
        origin: Origin::new(ORIGIN).unwrap(),
        log_keys: log_keys(),
        tree,
        evidence: evidence.to_owned(),
        metrics: Arc::new(Metrics::new()),
        wait: Duration::from_millis(500),
    };
    Arc::new(Witnesses::new(policy, aside, &[], parts).unwrap())
}

/// Somebody who signs events: name, key, and where its chain stands.
pub(crate) struct Actor {
    name: &'static str,
    seed: Seed,
    seq: u64,
    prev: String,
}

impl Actor {
    /// An actor whose chain is empty.
    pub(crate) fn new(name: &'static str, byte: u8) -> Actor {
        Actor { name, seed: seed(&format!("{name}.example"), KeyKind::Ed25519, byte), seq: 0, prev: "0".repeat(64) }
    }

    /// The same, its chain going on after an event of it.
    pub(crate) fn after(self, submission: &Value) -> Actor {
        let payload = unb64(submission["envelope"]["payload"].as_str().unwrap()).unwrap();
        let statement: Value = serde_json::from_slice(&payload).unwrap();
        let seq = statement["predicate"]["hdr"]["seq"].as_u64().unwrap();
        Actor { seq, prev: Hash::of(&pae(&payload)).hex(), ..self }
    }

    /// Its key.
    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    fn header(&mut self, chained: bool, nonce: u64, cosigners: &[&Actor]) -> Value {
        let mut header = json!({"origin": ORIGIN, "issuer": self.name, "epoch": 1, "recorded": Time::now().get()});
        if chained {
            self.seq += 1;
            header["seq"] = json!(self.seq);
            header["prev"] = json!(self.prev);
        } else {
            header["nonce"] = json!(format!("{nonce:032x}"));
        }
        if !cosigners.is_empty() {
            let mut keyids: Vec<String> = cosigners.iter().map(|actor| actor.seed.vkey().keyid()).collect();
            keyids.sort();
            header["cosigners"] = json!(keyids);
        }
        header
    }

    /// Signs an event with its cosigners; a chained one moves the chain on. The submission as its client sends it.
    fn event(&mut self, kind: &str, subject: Value, header: Value, body: Value, cosigners: &[&Actor]) -> Value {
        self.signed(&statement(kind, subject, header, body), cosigners)
    }

    /// Signs a statement.
    fn signed(&mut self, statement: &Value, cosigners: &[&Actor]) -> Value {
        let payload = json_of_spec(statement);
        let pae = pae(&payload);
        if statement["predicate"]["hdr"]["seq"].is_u64() {
            self.prev = Hash::of(&pae).hex();
        }
        let mut signatures: Vec<(String, String)> = std::iter::once(&self.seed)
            .chain(cosigners.iter().map(|actor| &actor.seed))
            .map(|seed| (seed.vkey().keyid(), b64(&seed.sign_ed25519(&pae).unwrap())))
            .collect();
        signatures.sort();
        let signatures: Vec<Value> =
            signatures.into_iter().map(|(keyid, sig)| json!({"keyid": keyid, "sig": sig})).collect();
        json!({"envelope": {
            "payloadType": "application/vnd.in-toto+json", "payload": b64(&payload), "signatures": signatures,
        }})
    }

    /// A heartbeat, chained.
    pub(crate) fn heartbeat(&mut self) -> Value {
        let subject = json!([{"digest": {"sha256": self.prev}}]);
        let header = self.header(true, 0, &[]);
        let body = json!({"to": header["recorded"]});
        self.event("heartbeat", subject, header, body, &[])
    }

    /// The event that opens it, for builds.
    pub(crate) fn open(&mut self, operator: &Actor) -> Value {
        let vkey = self.seed.vkey();
        let subject = json!([{"digest": {"sha256": Hash::of(vkey.public()).hex()}}]);
        let header = self.header(true, 0, &[operator]);
        let body = json!({
            "vkey": vkey.to_string(), "types": {"build": "none"}, "heartbeat_s": 3600, "jurisdiction": "CH",
            "builders": ["https://builder.example/1"],
        });
        self.event("issuer-open", subject, header, body, &[operator])
    }

    /// The event that opens it with these types and what belongs to them.
    pub(crate) fn open_with(&mut self, operator: &Actor, types: Value, more: Value) -> Value {
        let vkey = self.seed.vkey();
        let subject = json!([{"digest": {"sha256": Hash::of(vkey.public()).hex()}}]);
        let header = self.header(true, 0, &[operator]);
        let mut body = json!({"vkey": vkey.to_string(), "types": types, "heartbeat_s": 3600, "jurisdiction": "CH"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.event("issuer-open", subject, header, body, &[operator])
    }

    /// Any event that nobody else signs; `nonce` makes one that is in no chain.
    pub(crate) fn say(&mut self, kind: &str, nonce: Option<u64>, subject: Value, refs: Value, body: Value) -> Value {
        let mut header = self.header(nonce.is_none(), nonce.unwrap_or(0), &[]);
        if refs.as_array().is_some_and(|refs| !refs.is_empty()) {
            header["refs"] = refs;
        }
        self.event(kind, subject, header, body, &[])
    }

    /// The event that opens it, for accesses at one site.
    pub(crate) fn open_gateway(&mut self, operator: &Actor) -> Value {
        let vkey = self.seed.vkey();
        let subject = json!([{"digest": {"sha256": Hash::of(vkey.public()).hex()}}]);
        let mut header = self.header(true, 0, &[operator]);
        header["site"] = json!("CH-ZH-1");
        let body = json!({
            "vkey": vkey.to_string(), "types": {"access": "strict"}, "heartbeat_s": 3600, "jurisdiction": "CH",
            "sites": ["CH-ZH-1"],
        });
        self.event("issuer-open", subject, header, body, &[operator])
    }

    /// A sealing key for both readers; the window key follows from its `seq`.
    pub(crate) fn sealing_key(&mut self) -> Value {
        let mut header = self.header(true, 0, &[]);
        header["site"] = json!("CH-ZH-1");
        let (window, seq) = (window_key(self.seq), self.seq);
        let wraps = readers().map(|(name, seed)| {
            let target = WrapFor { origin: ORIGIN, issuer: self.name, epoch: 1, seq, reader: name };
            wrap(&window, &seed.public(), &target, &[7; 64]).map(|wrap| (name, seed.key_id(), wrap)).unwrap()
        });
        let joined: Vec<&[u8]> = wraps.iter().map(|(.., wrap)| wrap.as_slice()).collect();
        let subject = json!([{"digest": {"sha256": Hash::of(&joined.concat()).hex()}}]);
        let wraps = wraps.map(|(name, id, wrap)| json!({"reader": name, "key": hex(&id), "wrap": b64(&wrap)}));
        let body = json!({"alg": SEALING_ALG, "check": window.check().hex(), "wraps": wraps});
        self.event("sealing-key", subject, header, body, &[])
    }

    /// An access under the sealing key at `key`; every `number` is another native id and another K.
    pub(crate) fn access(&mut self, key: u64, number: u64) -> Value {
        let mut header = self.header(true, 0, &[]);
        header["site"] = json!("CH-ZH-1");
        header["recorded"] = json!(Time::now().get() / 3_600 * 3_600);
        let mut values = nothing();
        values[Field::OccurredAt.number()] = "2026-11-21T16:03:01.123Z".into();
        values[Field::Op.number()] = "read".into();
        values[Field::Outcome.number()] = vitrine_spec::json::Value::object([("result", "success".into())]);
        values[Field::NativeId.number()] = number.to_string().as_str().into();
        let values = Values::new(values).unwrap();
        let record_key = RecordKey::new(*Hash::of(format!("K of {} {number}", self.name).as_bytes()).as_bytes());
        let commit = commit(&commitments(&record_key, values.all()));
        let context = Context::new(&commit, &json_of_spec(&header));
        let record = seal(&record_key, &window_key(key), &context, &pad(&values));
        let sha256 = Hash::of(&record).hex();
        let mut statement = statement("access", json!([{"digest": {"sha256": sha256}}]), header, json!({}));
        statement["predicate"]["commit"] = json!(commit.hex());
        statement["predicate"]["sealed"] = json!({"key": key, "sha256": sha256, "size": record.len()});
        let mut submission = self.signed(&statement, &[]);
        submission["sealed"] = json!(b64(&record));
        submission
    }

    /// The erasure of the records of these events, which an authority ordered; signed by the supervisor too.
    pub(crate) fn erasure(&mut self, targets: &[&Value], supervisor: &Actor) -> Value {
        let mut targets: Vec<Value> = targets
            .iter()
            .map(|submission| {
                let payload = unb64(submission["envelope"]["payload"].as_str().unwrap()).unwrap();
                let statement: Value = serde_json::from_slice(&payload).unwrap();
                let header = &statement["predicate"]["hdr"];
                let at = json!({"issuer": header["issuer"], "epoch": header["epoch"], "seq": header["seq"]});
                json!({"event_id": Hash::of(&pae(&payload)).hex(), "at": at})
            })
            .collect();
        targets.sort_by_key(|target| target["event_id"].as_str().unwrap().to_owned());
        let subject = targets.iter().map(|target| json!({"digest": {"sha256": target["event_id"]}})).collect();
        let body = json!({
            "class": "record", "reason": "authority", "authority": "order 7", "targets": targets, "places": [],
        });
        let header = self.header(true, 0, &[supervisor]);
        self.event("erasure", Value::Array(subject), header, body, &[supervisor])
    }

    /// A build of one file; every `number` is another file and nonce.
    pub(crate) fn build(&mut self, number: u64) -> Value {
        let statement = self.build_statement(number);
        self.signed(&statement, &[])
    }

    /// A build of a file with this name, of a product with this purl.
    pub(crate) fn build_of(&mut self, number: u64, purl: &str, file: &str) -> Value {
        let mut statement = self.build_statement(number);
        statement["predicate"]["body"]["purl"] = json!(purl);
        statement["subject"][0]["name"] = json!(file);
        self.signed(&statement, &[])
    }

    /// A build with a document of these bytes behind it.
    pub(crate) fn build_with(&mut self, number: u64, document: &[u8]) -> Value {
        let mut statement = self.build_statement(number);
        statement["predicate"]["attachments"] = json!([{
            "sha256": Hash::of(document).hex(), "size": document.len(), "media_type": "text/plain",
        }]);
        self.signed(&statement, &[])
    }

    fn build_statement(&mut self, number: u64) -> Value {
        let digest = Hash::of(&number.to_be_bytes()).hex();
        let header = self.header(false, number, &[]);
        let body = json!({
            "purl": format!("pkg:generic/product@{number}"),
            "source": {"uri": "https://git.example/product", "digest": {"gitCommit": "1".repeat(40)}},
            "builder_id": "https://builder.example/1", "build_type": "https://builder.example/type",
            "invocation_id": "run", "started": header["recorded"], "finished": header["recorded"],
            "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
        });
        statement("build", json!([{"name": "file", "digest": {"sha256": digest}}]), header, body)
    }
}

/// A statement without what only sealed types have.
fn statement(kind: &str, subject: Value, header: Value, body: Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": format!("https://vitrine.example/{kind}/v0"),
        "predicate": {"hdr": header, "body": body},
    })
}

/// The readers of every charter in these tests: their names and their sealing keys.
pub(crate) fn readers() -> [(&'static str, ReaderSeed); 2] {
    [("supervisor", ReaderSeed::new([91; 32])), ("vault", ReaderSeed::new([92; 32]))]
}

/// The key that signs the requests of a reader.
pub(crate) fn reader_sign(name: &str) -> Seed {
    let (_, seal) = readers().into_iter().find(|(reader, _)| *reader == name).unwrap();
    seed(&format!("{name}.reader.example"), KeyKind::Ed25519, seal.key_id()[0])
}

/// The window key of the sealing key at a place of a chain.
pub(crate) fn window_key(seq: u64) -> WindowKey {
    WindowKey::new(*Hash::of(&seq.to_be_bytes()).as_bytes())
}

fn json_of_spec(value: &Value) -> Vec<u8> {
    vitrine_spec::json::parse(value.to_string().as_bytes()).unwrap().to_jcs()
}

/// The charter of a log with these keys, signed by operator and supervisor.
pub(crate) fn charter(keys: &LogKeys, operator: &mut Actor, supervisor: &Actor) -> Value {
    let body = charter_body(keys, operator, supervisor);
    signed_charter(body, operator, supervisor)
}

/// The second charter, in which the supervisor's reader signs with another key.
pub(crate) fn second_charter(keys: &LogKeys, operator: &mut Actor, supervisor: &Actor, sign: &Seed) -> Value {
    let mut body = charter_body(keys, operator, supervisor);
    body["version"] = json!(2);
    body["prev"] = json!(operator.prev);
    body["readers"][0]["sign"] = json!(sign.vkey().to_string());
    signed_charter(body, operator, supervisor)
}

fn charter_body(keys: &LogKeys, operator: &Actor, supervisor: &Actor) -> Value {
    let role = |seed: &Seed| json!({"epoch": 1, "vkey": seed.vkey().to_string()});
    let readers = readers().map(|(name, seal)| {
        let sign = reader_sign(name);
        json!({"name": name, "role": name, "sign": sign.vkey().to_string(), "seal": b64(&seal.public())})
    });
    json!({
        "version": 1, "protocol": "vitrine/v0", "origin": ORIGIN,
        "log_keys": keys.log_vkeys().map(|vkey| vkey.to_string()),
        "operator": role(&operator.seed), "supervisor": role(&supervisor.seed), "vault": role(keys.vault()),
        "readers": readers,
        "types": [
            "access", "build", "charter", "code-review", "correction", "erasure", "heartbeat", "incident", "issuer-close",
            "issuer-open", "rebuild", "update", "verdict",
        ],
        "raw": false, "sites": [{"code": "CH-ZH-1", "name": "Zurich"}], "cosign": {}, "built_here_only": false,
    })
}

fn signed_charter(body: Value, operator: &mut Actor, supervisor: &Actor) -> Value {
    let subject = json!([{"digest": {"sha256": Hash::of(ORIGIN.as_bytes()).hex()}}]);
    let header = operator.header(true, 0, &[supervisor]);
    operator.event("charter", subject, header, body, &[supervisor])
}

/// Hears of a step and its path.
type Hear = Box<dyn Fn(&'static str, &str) + Send + Sync>;

/// A disk that says what is done to it, before it is.
pub(crate) struct Heard {
    disk: OsDisk,
    hear: Hear,
}

impl Heard {
    pub(crate) fn new(disk: OsDisk, hear: impl Fn(&'static str, &str) + Send + Sync + 'static) -> Heard {
        Heard { disk, hear: Box::new(hear) }
    }
}

impl Disk for Heard {
    type File = <OsDisk as Disk>::File;

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Disk::list(&self.disk, folder)
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        (self.hear)("make folder", folder);
        self.disk.make_folder(folder)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<Self::File> {
        (self.hear)("write", path);
        self.disk.write(path, bytes)
    }

    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(file, bytes)
    }

    fn read_part(&self, path: &str, from: u64, length: usize) -> io::Result<Vec<u8>> {
        self.disk.read_part(path, from, length)
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        self.disk.size(path)
    }

    fn sync_file(&self, file: &Self::File) -> io::Result<()> {
        self.disk.sync_file(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (self.hear)("rename", to);
        self.disk.rename(from, to)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        (self.hear)("sync folder", folder);
        self.disk.sync_folder(folder)
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        (self.hear)("delete", path);
        self.disk.delete(path)
    }

    fn delete_folder(&self, folder: &str) -> io::Result<()> {
        (self.hear)("delete folder", folder);
        self.disk.delete_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        self.disk.free_bytes()
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}
