//! The routes over a real log, index and writer, with fake witnesses; no socket of our own (85-log.md).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::{verify_consistency, verify_inclusion};
use vitrine_spec::text::unb64;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::{App, router};
use crate::admission::Admission;
use crate::attachments::Attachments;
use crate::fake::{Actor, FakeWitness, ORIGIN, charter, policy};
use crate::guard::Cosigned;
use crate::index::Index;
use crate::init::init;
use crate::keys::LogKeys;
use crate::limits::CLOCK_BEHIND_MAX_SECONDS;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::store::{Files, OsDisk, Store};
use crate::time::Time;
use crate::vault::Vault;
use crate::view::{self, View};
use crate::witnesses::{self, Witnesses};
use crate::writer::{self, Wake, Writer};

mod bundles;
mod described;
mod documents;
mod explored;
mod following;
mod sealed;

/// A log server without sockets: two witnesses, both needed.
struct Server {
    router: Router,
    app: Arc<App>,
    view: Arc<View>,
    policy: Policy,
    keys: Arc<LogKeys>,
    fakes: Vec<FakeWitness>,
    operator: Actor,
    supervisor: Actor,
    charter: Value,
    post: Sender<Wake>,
    writer: Option<std::thread::JoinHandle<Result<(), writer::Ended>>>,
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.post.send(Wake::Leave).unwrap();
        let ended = self.writer.take().unwrap().join().unwrap();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn text_lossy(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The refusal's code, after the answer's own status and type were compared with it.
    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(problem["detail"].as_str().unwrap().len() > 5, "{problem}");
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// What differs between servers of the tests.
struct Setting {
    witnesses: usize,
    quorum: usize,
    pool_entries_max: usize,
    wait: Duration,
    sealed_wait: Duration,
    admission: bool,
    /// Seconds by which the last signed time is ahead of the clock, and whether a person accepts the clock.
    signed_ahead: u64,
    accept_clock: bool,
    /// Keys and charter of another server, to fork its log.
    like: Option<(Arc<LogKeys>, Value)>,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            witnesses: 2,
            quorum: 2,
            pool_entries_max: 1_000,
            wait: Duration::from_secs(20),
            sealed_wait: Duration::from_secs(60),
            admission: true,
            signed_ahead: 0,
            accept_clock: false,
            like: None,
        }
    }
}

async fn server(setting: Setting) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let (mut operator, supervisor) = (Actor::new("operator", 40), Actor::new("supervisor", 41));
    let (keys, charter) = setting.like.unwrap_or_else(|| {
        let keys = LogKeys::generate(&dir.path().join("keys"), ORIGIN, None).unwrap();
        let charter = charter(&keys, &mut operator, &supervisor);
        (Arc::new(keys), charter)
    });
    let operator = Actor::new("operator", 40).after(&charter);
    let data = dir.path().join("data");
    let store: Arc<dyn Store> = Arc::new(Files::new(OsDisk::create(&data).unwrap()));
    init(&*store, &keys, charter["envelope"].to_string().as_bytes(), Time::now()).unwrap();
    let mut log = Log::open(Arc::clone(&store), Arc::clone(&keys), Time::now(), &|_| {}).unwrap();
    if setting.signed_ahead > 0 {
        log.begin(&[], Time::now().plus(setting.signed_ahead)).unwrap();
    }
    if setting.accept_clock {
        log.accept_clock(Time::now());
    }
    let mut fakes = Vec::new();
    for at in 0..setting.witnesses {
        fakes.push(FakeWitness::start(&format!("w{at}.example"), 10 * (at as u8 + 1)).await);
    }
    let policy = match setting.witnesses {
        0 => Policy::parse("quorum none\n").unwrap(),
        _ => policy(&keys.log_vkeys(), setting.quorum, &fakes.iter().collect::<Vec<_>>()),
    };
    let metrics = Arc::new(Metrics::new());
    let parts = witnesses::Parts {
        origin: keys.origin().clone(),
        log_keys: keys.log_vkeys().to_vec(),
        tree: Arc::new(log.reader()),
        evidence: data.join("evidence"),
        metrics: Arc::clone(&metrics),
        wait: Duration::from_secs(5),
    };
    let witnesses = Arc::new(Witnesses::new(&policy, &[], &[], parts).unwrap());
    let view = Arc::new(View::new(view::Parts {
        origin: ORIGIN.to_owned(),
        policy: "the policy\n".to_owned(),
        unwitnessed: policy.is_quorum_none(),
        metrics: Arc::clone(&metrics),
        witnesses: Arc::clone(&witnesses),
        reader: log.reader(),
        published: log.published(),
        head: log.size(),
    }));
    let head = Arc::clone(log.head());
    let (index, state, _) = Index::open(&data, &log.reader(), keys.origin(), (head.size, head.root), &|_| {}).unwrap();
    let index = Arc::new(index);
    view.set_index(Arc::clone(&index));
    let (post, mailbox) = channel();
    let wake = post.clone();
    let attachments = Arc::new(Attachments::open(Arc::clone(&store), 0, |error| panic!("{error}")).unwrap());
    let found = Arc::clone(&attachments);
    let admission = Arc::new(
        Admission::new(
            keys.origin().clone(),
            state.clone(),
            Arc::clone(&index) as Arc<dyn crate::admission::Lookup>,
            Box::new(move |sha256| found.find(sha256, Time::now())),
            metrics,
            Box::new(move || wake.send(Wake::Pool).unwrap_or(())),
        )
        .with_pool_entries_max(setting.pool_entries_max),
    );
    let mut app = App::new(Arc::clone(&view), store, Arc::clone(&attachments));
    app.submit_wait = setting.wait;
    app.sealed_wait = setting.sealed_wait;
    let app = Arc::new(app);
    if setting.admission {
        assert!(app.admission.set(Arc::clone(&admission)).is_ok());
        assert!(app.vault.set(Arc::new(Vault::new(Arc::clone(&keys), Arc::clone(&admission)))).is_ok());
    }
    let parts = writer::Parts {
        log,
        index,
        admission,
        view: Arc::clone(&view),
        attachments,
        witnesses,
        policy: policy.clone(),
        state,
        cosigned: Cosigned::default(),
        erases: Vec::new(),
        batch_every: Duration::from_millis(5),
        free_bytes_min: 0,
        sign_at_once: setting.accept_clock,
        evidence: data.join("evidence"),
        runtime: tokio::runtime::Handle::current(),
    };
    let writer = Writer::new(parts, mailbox, post.clone()).unwrap();
    let writer = Some(std::thread::spawn(move || writer.run()));
    let router = router(Arc::clone(&app));
    while view.step() != view::Step::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Server { router, app, view, policy, keys, fakes, operator, supervisor, charter, post, writer, dir }
}

impl Server {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::post(path).header("content-type", content_type).body(body.into()).unwrap()).await
    }

    async fn metrics(&self) -> String {
        self.get("/metrics").await.text()
    }

    async fn submit(&self, event: &Value) -> Answer {
        self.post("/events", "application/json", event.to_string()).await
    }

    async fn submit_lines(&self, lines: &[String]) -> Vec<Value> {
        let answer = self.post("/events", "application/x-ndjson", lines.join("\n")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the first head is published, which readers of state need.
    async fn published(&self, size: u64) {
        let index = LeafIndex::new(size - 1);
        tokio::time::timeout(Duration::from_secs(20), self.view.wait_for(index)).await.unwrap();
    }

    /// An issuer of builds, opened.
    async fn farm(&self) -> Actor {
        let mut farm = Actor::new("farm", 50);
        let opened = self.submit(&farm.open(&self.operator)).await;
        assert_eq!(opened.status, 201, "{}", opened.text());
        farm
    }

    /// An issuer of accesses, opened, with a sealing key and this many accesses under it: the entries from 1 on.
    async fn gateway(&self, accesses: u64) -> (Actor, Vec<Value>) {
        let mut gateway = Actor::new("gateway", 51);
        assert_eq!(self.submit(&gateway.open_gateway(&self.operator)).await.status, 201);
        let mut lines = vec![gateway.sealing_key()];
        lines.extend((0..accesses).map(|number| gateway.access(2, number)));
        let texts: Vec<String> = lines.iter().map(Value::to_string).collect();
        let answers = self.submit_lines(&texts).await;
        assert_eq!(answers[lines.len() - 1]["index"], lines.len() + 1, "the last access");
        (gateway, lines.split_off(1))
    }

    /// A proof that holds offline; the entry's index.
    fn verify(&self, proof: &[u8]) -> (LeafIndex, Vec<u8>) {
        let proof = TlogProof::parse(proof).unwrap();
        let leaf = proof.extra.clone().unwrap();
        let checkpoint = SignedCheckpoint::parse(&proof.checkpoint).unwrap();
        checkpoint.verify_log(&self.keys.log_vkeys()).unwrap();
        self.policy.verify(&checkpoint, None).unwrap();
        verify_inclusion(&leaf_hash(&leaf), proof.index, checkpoint.size(), &proof.hashes, checkpoint.root()).unwrap();
        (proof.index, leaf)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_proof_and_a_duplicate_gets_the_same_place() {
    // [S-23] [S-26]
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let build = farm.build(1);
    let answer = server.submit(&build).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::CREATED, "text/plain; charset=utf-8"));
    let (index, leaf) = server.verify(&answer.body);
    assert_eq!(index.get(), 2);
    // The same event in another spelling of its envelope.
    let again = serde_json::to_string_pretty(&build).unwrap();
    let answer = server.post("/events", "application/json; charset=utf-8", again).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(server.verify(&answer.body), (index, leaf.clone()));
    assert_eq!(server.get("/events/2").await.body, leaf);
    let proof = server.get("/events/2.tlog-proof").await;
    assert_eq!(server.verify(&proof.body), (index, leaf));
    assert_eq!(server.get("/events/3").await.code(), "not-found");
    assert_eq!(server.get("/events/02").await.code(), "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_with_one_event_wait_for_one_place() {
    let server = server(Setting::default()).await;
    let build = server.farm().await.build(1);
    let (a, b) = tokio::join!(server.submit(&build), server.submit(&build));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    assert_eq!(server.verify(&a.body).0, server.verify(&b.body).0);
    assert_eq!(server.view.published().size.get(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_its_code_and_what_was_expected() {
    let mut server = server(Setting::default()).await;
    let beat = server.operator.heartbeat();
    assert_eq!(server.submit(&beat).await.status, 201);
    let skipped = server.operator.heartbeat();
    let late = server.operator.heartbeat();
    let answer = server.submit(&late).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "position"));
    assert_eq!(answer.json()["expected_seq"], 3);
    assert_eq!(server.submit(&skipped).await.status, 201);
    assert_eq!(server.submit(&late).await.status, 201, "a refused event has spent nothing");
    let stranger = Actor::new("stranger", 60).build(1);
    assert_eq!(server.submit(&stranger).await.code(), "issuer-unknown");
    assert_eq!(server.post("/events", "application/json", "{}").await.code(), "malformed");
    let mut forged = server.farm().await.build(9);
    forged["envelope"]["signatures"][0]["sig"] = json!(vitrine_spec::text::b64(&[0; 64]));
    assert_eq!(server.submit(&forged).await.code(), "signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_judged_in_order_and_a_broken_chain_is_skipped() {
    let mut server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let beats: Vec<String> = (0..4).map(|_| server.operator.heartbeat().to_string()).collect();
    let lines = [
        farm.build(1).to_string(),
        beats[0].clone(),
        beats[2].clone(), // its predecessor is missing
        beats[3].clone(),
        "{\"envelope\":".to_owned(),
        farm.build(2).to_string(),
        farm.build(1).to_string(), // another signature over the same payload is the same event
    ];
    let answers = server.submit_lines(&lines).await;
    assert_eq!(answers.len(), 8);
    let code = |at: usize| answers[at]["problem"]["code"].as_str().unwrap_or("").to_owned();
    assert_eq!((code(2), code(3), code(4)), ("position".to_owned(), "skipped".to_owned(), "malformed".to_owned()));
    assert_eq!(answers[2]["problem"]["expected_seq"], 3);
    let places: Vec<_> = [0, 1, 5, 6].iter().map(|at| answers[*at]["index"].as_u64().unwrap()).collect();
    assert_eq!(places, [2, 3, 4, 2]);
    assert_eq!((&answers[0]["duplicate"], &answers[6]["duplicate"]), (&json!(false), &json!(true)));
    for (at, answer) in answers[..7].iter().enumerate() {
        assert_eq!(answer["line"], at + 1);
    }
    let checkpoint = SignedCheckpoint::parse(answers[7]["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    server.policy.verify(&checkpoint, None).unwrap();
    for at in [0, 1, 5, 6] {
        let index = answers[at]["index"].as_u64().unwrap();
        let leaf = server.get(&format!("/events/{index}")).await.body;
        assert_eq!(answers[at]["leaf_hash"], leaf_hash(&leaf).to_string());
        let proof = server.get(&format!("/proof/inclusion?index={index}&size={}", checkpoint.size())).await.json();
        let hashes = hashes(&proof["hashes"]);
        verify_inclusion(&leaf_hash(&leaf), LeafIndex::new(index), checkpoint.size(), &hashes, checkpoint.root())
            .unwrap();
    }
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(|hash| Hash::from_b64(hash.as_str().unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_bad_signature_nothing_more_is_looked_at() {
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let mut forged = farm.build(2);
    forged["envelope"]["signatures"][0]["sig"] = json!(vitrine_spec::text::b64(&[7; 64]));
    let lines = [farm.build(1).to_string(), forged.to_string(), farm.build(3).to_string()];
    let answers = server.submit_lines(&lines).await;
    assert_eq!(answers[0]["index"], 2);
    assert_eq!(answers[1]["problem"]["code"], "signature");
    assert_eq!(answers[2]["problem"]["code"], "skipped");
    assert_eq!(answers.len(), 4);
    let nothing = server.submit_lines(&[forged.to_string()]).await;
    assert_eq!(nothing.len(), 1, "nothing was taken, so there is no checkpoint to show");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_judges_and_writes_nothing() {
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let mut build = farm.build(1);
    build["envelope"]["signatures"] = json!([]);
    let answer = server.post("/events?check=1", "application/json", build.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((&answer.json()["check"], &answer.json()["kind"]), (&json!("accepted"), &json!("build")));
    assert_eq!(server.get("/events/2").await.status, 404);
    build["envelope"]["payload"] = json!("e30=");
    assert_eq!(server.post("/events?check=1", "application/json", build.to_string()).await.status.as_u16() / 100, 4);
    assert_eq!(server.post("/events?check=2", "application/json", build.to_string()).await.code(), "request");
    assert_eq!(server.view.published().size.get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_end_at_the_published_size() {
    // [S-22]
    let server = server(Setting::default()).await;
    server.published(1).await;
    let tile = server.get("/tile/0/000.p/1").await;
    assert_eq!((tile.status.as_u16(), tile.body.len()), (200, 32));
    assert_eq!(tile.header("content-type"), "application/octet-stream");
    assert_eq!(tile.header("cache-control"), "public, max-age=31536000, immutable");
    let bundle = server.get("/tile/entries/000.p/1").await;
    assert_eq!(leaf_hash(&bundle.body[2..]).as_bytes()[..], tile.body[..]);
    let checkpoint = server.get("/checkpoint").await;
    assert_eq!(checkpoint.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(checkpoint.header("cache-control"), "no-cache");
    // A head that no witness cosigned: its tiles are there, and nobody sees them.
    server.fakes[0].script(|script| script.says = Some((503, "text/plain", Vec::new())));
    let open = Actor::new("farm", 50).open(&server.operator);
    let waiting = server.submit(&open);
    tokio::pin!(waiting);
    while server.view.head().get() < 2 {
        tokio::select! {
            _ = &mut waiting => panic!("acknowledged without a quorum"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    for path in [
        "/tile/0/000.p/2",
        "/tile/entries/000.p/2",
        "/tile/0/000",
        "/tile/1/000.p/1",
        "/tile/0/0",
        "/tile/x",
        "/kept/2026/13/01/00",
        "/kept/2000/01/01/00",
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (404, "no-store"), "{path}");
    }
    for path in
        ["/events/1", "/proof/inclusion?index=1", "/proof/inclusion?index=0&size=2", "/proof/consistency?from=1&to=2"]
    {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    let found = server.get("/lookup?issuer=farm&epoch=1&seq=1").await.json();
    assert_eq!((&found["size"], &found["entries"], &found["complete"]), (&json!(1), &json!([]), &json!("unproven")));
    assert_eq!(server.get("/issuers/farm").await.status, 404);
    server.fakes[0].script(|script| script.says = None);
    assert_eq!(waiting.await.status, 201);
    assert_eq!(server.get("/tile/0/000.p/2").await.body.len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_carry_their_proofs() {
    // [S-28] Each follows an acknowledgement at once, whether the index has the batch yet or not.
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    server.submit(&farm.build(7)).await;
    let digest = Hash::of(&7u64.to_be_bytes()).hex();
    let answers = [
        server.get(&format!("/lookup?sha256={digest}")).await.json(),
        server.get("/lookup?purl=pkg:generic/product@7").await.json(),
    ];
    for answer in &answers {
        assert_eq!((&answer["complete"], &answer["more"]), (&json!("unproven"), &json!(false)));
        assert_eq!(answer["entries"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!(answer["entries"][0]["index"], 2);
        holds(answer, &answer["entries"][0]);
    }
    let id = answers[0]["entries"][0]["event_id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/lookup?event_id={id}")).await.json()["entries"][0]["index"], 2);
    assert_eq!(server.get("/lookup?issuer=farm&epoch=1&seq=1").await.json()["entries"][0]["index"], 1);
    assert_eq!(server.get("/lookup?issuer=farm&epoch=1&seq=2").await.json()["entries"], json!([]));
    for wrong in ["", "?sha256=AB", "?sha256=00&purl=x", "?issuer=farm", "?epoch=1&seq=1&issuer=farm&more=1"] {
        assert_eq!(server.get(&format!("/lookup{wrong}")).await.code(), "request", "{wrong}");
    }
    let issuer = server.get("/issuers/farm").await.json();
    assert_eq!(
        (&issuer["epoch"], &issuer["open"], &issuer["types"]),
        (&json!(1), &json!(true), &json!({"build": "none"}))
    );
    assert_eq!(issuer["vkey"], farm.seed().vkey().to_string());
    assert_eq!((&issuer["last"]["seq"], &issuer["last"]["index"]), (&json!(1), &json!(1)));
    holds(&issuer, &issuer["last"]);
    holds(&issuer, &issuer["opened"]);
    let charter = server.get("/charter").await.json();
    assert_eq!((&charter["index"], &charter["first"]["index"]), (&json!(0), &json!(0)));
    assert_eq!(charter["fingerprint"].as_str().unwrap().replace(' ', ""), charter["event_id"].as_str().unwrap());
    holds(&charter, &charter["first"]);
    let proof = server.get("/proof/consistency?from=1&to=3").await.json();
    let (one, three) = (root(&server, 1).await, root(&server, 3).await);
    verify_consistency(TreeSize::new(1), &one, TreeSize::new(3), &three, &hashes(&proof["hashes"])).unwrap();
    assert_eq!(server.get("/policy").await.text(), "the policy\n");
}

/// The entry's proof holds in the answer's own checkpoint.
fn holds(answer: &Value, entry: &Value) {
    let checkpoint = SignedCheckpoint::parse(answer["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    let leaf = leaf_hash(&unb64(entry["leaf"].as_str().unwrap()).unwrap());
    let index = LeafIndex::new(entry["index"].as_u64().unwrap());
    verify_inclusion(&leaf, index, checkpoint.size(), &hashes(&entry["hashes"]), checkpoint.root()).unwrap();
}

async fn root(server: &Server, size: u64) -> Hash {
    server.view.reader().root(TreeSize::new(size)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_a_request_ends_as_pending_and_a_retry_gets_its_place() {
    // [S-23]
    let server = server(Setting { wait: Duration::from_secs(3), ..Setting::default() }).await;
    server.published(1).await;
    server.fakes[1].script(|script| script.says = Some((503, "text/plain", b"no".to_vec())));
    let open = Actor::new("farm", 50).open(&server.operator);
    let answer = server.submit(&open).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "pending"));
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.json().get("index").is_none());
    server.fakes[1].script(|script| script.says = None);
    server.published(2).await;
    let answer = server.submit(&open).await;
    assert_eq!((answer.status.as_u16(), server.verify(&answer.body).0.get()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_cosignature_is_merged_into_the_checkpoint() {
    // [S-24]
    let server = server(Setting { witnesses: 3, ..Setting::default() }).await;
    server.published(1).await;
    server.fakes[2].script(|script| script.says = Some((503, "text/plain", b"later".to_vec())));
    assert_eq!(server.submit(&Actor::new("farm", 50).open(&server.operator)).await.status, 201);
    let lines = async || server.get("/checkpoint").await.text().matches("\n— ").count();
    assert_eq!(lines().await, 2 + 4, "the quorum is two of three, each with two keys");
    server.fakes[2].script(|script| script.says = None);
    let merged = async {
        while lines().await != 2 + 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), merged).await.unwrap();
    let checkpoint = SignedCheckpoint::parse(&server.get("/checkpoint").await.body).unwrap();
    let names: Vec<&str> = checkpoint.signatures().iter().map(|line| line.name.as_str()).collect();
    let want = [ORIGIN, ORIGIN, "w0.example", "w0.example", "w1.example", "w1.example", "w2.example", "w2.example"];
    assert_eq!(names, want, "the log first, then the order of the policy");
    assert_eq!(checkpoint.size().get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_refuses_before_the_body_is_read() {
    // [S-25]
    let server = server(Setting { pool_entries_max: 1, ..Setting::default() }).await;
    let mut farm = server.farm().await;
    let builds = [farm.build(1), farm.build(2), farm.build(3)];
    server.fakes[0].script(|script| script.says = Some((503, "text/plain", Vec::new())));
    let until = async |reached: &dyn Fn() -> bool| {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    // One is in the batch that waits for its quorum, one is in the pool, and that is full.
    let story = async {
        until(&|| server.view.head().get() == 3).await;
        let full = async {
            until(&|| server.view.metrics.pool_entries.get() == 1).await;
            let answer = server.post("/events", "application/json", Body::new(Endless)).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "quorum-unavailable"));
            assert_eq!(answer.header("retry-after"), "1");
            server.fakes[0].script(|script| script.says = None);
        };
        tokio::join!(server.submit(&builds[1]), full).0
    };
    let (first, second) = tokio::join!(server.submit(&builds[0]), story);
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(server.submit(&builds[2]).await.status, 201);
}

/// A body that nobody may read.
struct Endless;

impl axum::body::HttpBody for Endless {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        panic!("the body was read")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_closes_admission_is_named_and_reads_go_on() {
    // [S-25] [S-27]
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let build = farm.build(1);
    let body = || Body::new(Endless);
    server.view.set_disk(Some((5, 10)));
    assert_eq!(server.post("/events", "application/json", body()).await.code(), "disk-full");
    assert_eq!(server.get("/readyz").await.status, 503);
    server.view.set_disk(None);
    server.view.set_clock(Some((Time::new(1_000), Time::new(2_000))));
    assert_eq!(server.post("/events", "application/json", body()).await.code(), "clock");
    assert_eq!(server.get("/checkpoint").await.status, 200);
    server.view.set_clock(None);
    assert_eq!(server.get("/readyz").await.json()["ready"], true);
    assert_eq!(server.submit(&build).await.status, 201);
    server.view.set_step(view::Step::Leaving);
    assert_eq!(server.post("/events", "application/json", body()).await.code(), "starting");
    assert_eq!(server.get("/readyz").await.json()["step"], "leaving");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_behind_signs_nothing_until_a_person_accepts_it() {
    // [S-27]
    let ahead = CLOCK_BEHIND_MAX_SECONDS + 60;
    let refusing = server(Setting { signed_ahead: ahead, ..Setting::default() }).await;
    refusing.published(1).await;
    while refusing.view.closed().is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let open = Actor::new("farm", 50).open(&refusing.operator);
    assert_eq!(refusing.submit(&open).await.code(), "clock");
    assert_eq!(refusing.view.head().get(), 1);
    let near = server(Setting { signed_ahead: CLOCK_BEHIND_MAX_SECONDS - 60, ..Setting::default() }).await;
    near.farm().await;
    let accepted = server(Setting { signed_ahead: ahead, accept_clock: true, ..Setting::default() }).await;
    // The head is signed anew at once, so that the directory forgets the wrong time.
    while accepted.view.metrics.heads.get() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(accepted.view.head().get(), 1);
    accepted.farm().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_admission_is_open_events_are_refused_as_starting() {
    let server = server(Setting { admission: false, ..Setting::default() }).await;
    server.published(1).await;
    assert_eq!(server.post("/events", "application/json", Body::new(Endless)).await.code(), "starting");
    assert_eq!(server.get("/tile/0/000.p/1").await.status, 200);
    assert!(server.app.admission.get().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_request_has_its_problem() {
    let server = server(Setting::default()).await;
    server.published(1).await;
    assert_eq!(server.post("/events", "text/plain", "{}").await.code(), "media-type");
    assert_eq!(server.post("/events", "application/json", "x".repeat(128 * 1024 + 1)).await.code(), "too-large");
    let lines = "{}\n".repeat(4_097);
    assert_eq!(server.post("/events", "application/x-ndjson", lines).await.code(), "too-large");
    assert_eq!(server.get("/nothing").await.code(), "not-found");
    let delete = Request::delete("/checkpoint").body(Body::empty()).unwrap();
    let answer = server.send(delete).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "method"));
    assert_eq!(server.get("/issuers/nobody").await.code(), "not-found");
    assert_eq!(server.get("/healthz").await.text(), "ok\n");
    assert!(server.get("/metrics").await.text().contains("vitrine_log_requests_total"));
    assert!(server.get("/").await.text().contains(ORIGIN));
    assert_eq!(server.get("/checkpoint").await.header("vitrine-unwitnessed"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwitnessed_log_says_so_in_every_answer() {
    // [G-6]
    let server = server(Setting { witnesses: 0, ..Setting::default() }).await;
    let mut farm = server.farm().await;
    let answer = server.submit(&farm.build(1)).await;
    assert_eq!((answer.status.as_u16(), answer.header("vitrine-unwitnessed")), (201, "true"));
    assert_eq!(server.get("/checkpoint").await.header("vitrine-unwitnessed"), "true");
    assert_eq!(server.get("/readyz").await.json()["unwitnessed"], true);
    assert_eq!(server.get("/issuers/farm").await.json()["unwitnessed"], true);
    assert!(server.get("/").await.text().contains("UNWITNESSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_checkpoint_of_an_hour_is_kept() {
    let server = server(Setting::default()).await;
    server.published(1).await;
    let kept = server.get(&format!("/kept/{}", Time::now().hour())).await;
    assert_eq!(kept.status, 200);
    assert_eq!(kept.header("cache-control"), "public, max-age=31536000, immutable");
    let first = SignedCheckpoint::parse(&kept.body).unwrap();
    server.farm().await;
    assert_eq!(first.size().get(), 1);
    assert_eq!(server.get(&format!("/kept/{}", Time::now().hour())).await.body, kept.body);
}
