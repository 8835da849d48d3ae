//! `follow` against a server that runs: everything it holds is in the copy, and nothing that is not proven (85-log.md, "Copies").

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

use super::*;
use crate::fake::reader_sign;
use crate::follow::{FollowError, Options, Report, follow};
use crate::fsck::fsck;
use crate::listener::{self, Limits};
use crate::open::{OpenError, claim};
use crate::sealed::Records;

/// What is answered at a path in place of the true bytes; `None` is no answer.
type Lie = Box<dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

impl Server {
    /// Listens on loopback until the test ends.
    async fn listen(&self) -> String {
        self.listen_with(self.router.clone()).await
    }

    /// Listens as a log that lies.
    async fn lie(&self, lie: Lie) -> String {
        let lie = Arc::new(lie);
        let router = self.router.clone().layer(from_fn(move |request: Request<Body>, next: Next| {
            let lie = Arc::clone(&lie);
            async move {
                let path = request.uri().path().to_owned();
                let (mut parts, body) = next.run(request).await.into_parts();
                let bytes = to_bytes(body, 64 << 20).await.unwrap().to_vec();
                if !parts.status.is_success() {
                    return Response::from_parts(parts, Body::from(bytes));
                }
                parts.headers.remove("content-length");
                match lie(&path, bytes) {
                    Some(bytes) => Response::from_parts(parts, Body::from(bytes)),
                    None => StatusCode::BAD_GATEWAY.into_response(),
                }
            }
        }));
        self.listen_with(router).await
    }

    async fn listen_with(&self, router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let limits = Limits { connections: 64, head_wait: Duration::from_secs(30), leave_wait: Duration::from_secs(1) };
        let (leave, left) = tokio::sync::watch::channel(false);
        let metrics = Arc::clone(&self.view.metrics);
        tokio::spawn(async move {
            listener::serve(listener, router, limits, metrics, left).await;
            drop(leave);
        });
        url
    }

    async fn attach(&self, farm: &Actor, document: &[u8]) {
        let put = vitrine_spec::request::AttachRequest {
            origin: ORIGIN.to_owned(),
            sha256: Hash::of(document),
            size: document.len() as u64,
            media_type: "text/plain".to_owned(),
            issuer: vitrine_spec::words::Name::new("farm").unwrap(),
            expires: vitrine_spec::words::Time::new(Time::now().get() + 60),
        };
        let request = Request::put(format!("/attachments/{}", Hash::of(document).hex()))
            .header("authorization", put.authorization(farm.seed()).unwrap())
            .body(Body::from(document.to_vec()))
            .unwrap();
        assert_eq!(self.send(request).await.status, 201);
    }

    fn options(&self, url: &str, dir: &Path) -> Options {
        let key = self.dir.path().join("reader.key");
        std::fs::write(&key, format!("{}\nxwing-seed:unread\n", reader_sign("supervisor").private_text().as_str()))
            .unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        Options {
            from: url.to_owned(),
            dir: dir.to_owned(),
            charter: None,
            policy: None,
            unwitnessed: false,
            reader_key: Some(key),
        }
    }
}

async fn run(options: &Options) -> Result<Report, FollowError> {
    let options = options.clone();
    tokio::task::spawn_blocking(move || follow(&options, &|_| {})).await.unwrap()
}

/// What a server has from an opened copy: its size, and the sealed records by index.
fn opened(dir: &Path, keys: &Arc<LogKeys>) -> (u64, Vec<(u64, Vec<u8>)>) {
    let store: Arc<dyn Store> = Arc::new(Files::new(OsDisk::existing(dir).unwrap()));
    let report = fsck(Arc::clone(&store), &|_| {}).unwrap();
    assert_eq!(
        report.findings.len(),
        0,
        "{:?}",
        report.findings.iter().map(|f| (&f.path, &f.what)).collect::<Vec<_>>()
    );
    let log = Log::open(Arc::clone(&store), Arc::clone(keys), Time::now(), &|_| {}).unwrap();
    assert_eq!(log.published().size, log.size());
    let records = Records::new(store, 0, log.size().get()).map(Result::unwrap).collect();
    (log.size().get(), records)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_all_of_a_running_log_and_catches_up() {
    // [S-45]
    let mut server = server(Setting::default()).await;
    let (mut gateway, accesses) = server.gateway(3).await;
    let mut farm = server.farm().await;
    let document = b"a document";
    server.attach(&farm, document).await;
    assert_eq!(server.submit(&farm.build_with(1, document)).await.status, 201);
    let lines: Vec<String> = (10..310).map(|number| farm.build(number).to_string()).collect();
    server.submit_lines(&lines).await;
    let size = server.view.published().size.get();

    let url = server.listen().await;
    let dir = server.dir.path().join("copy");
    let options = server.options(&url, &dir);
    let unread = run(&Options { reader_key: None, ..options.clone() }).await.unwrap_err();
    assert!(matches!(unread, FollowError::ReaderKey { index: 3 }) && unread.exit_code() == 2, "{unread}");
    let store = Files::new(OsDisk::existing(&dir).unwrap());
    let refused = claim(&store, Some("here"), true).unwrap_err();
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");

    let report = run(&options).await.unwrap();
    assert_eq!((report.before.get(), report.records, report.reads, report.attachments), (0, 4, 1, 1), "{report:?}");
    assert_eq!(report.size.get(), size + 2, "with the access that the copy itself made, and its sealing key");
    assert_eq!((report.size, report.remote), (server.view.published().size, Some(report.size)));
    assert!(report.kept >= 1);
    assert!(matches!(claim(&store, Some("here"), false).unwrap_err(), OpenError::Copy { .. }));
    let again = run(&options).await.unwrap();
    assert_eq!((again.size, again.records, again.reads), (report.size, 0, 0), "nothing is asked for twice");

    // More events, and an erasure of what was copied.
    let supervisor = &server.supervisor;
    let erasure = server.operator.erasure(&[&accesses[1]], supervisor);
    assert_eq!(server.submit(&erasure).await.status, 201);
    assert_eq!(server.submit(&gateway.access(2, 9)).await.status, 201);
    let more = run(&options).await.unwrap();
    assert_eq!((more.before, more.records, more.reads), (report.size, 2, 1), "{more:?}");
    let (copied, records) = opened(&dir, &server.keys);
    assert_eq!(copied, server.view.published().size.get());
    let of_log: Vec<(u64, Vec<u8>)> =
        Records::new(Arc::clone(&server.app.store), 0, copied).map(Result::unwrap).collect();
    assert_eq!(records, of_log);
    let zero: Vec<u64> = records.iter().filter(|(_, r)| r.iter().all(|b| *b == 0)).map(|(index, _)| *index).collect();
    assert_eq!((zero, records.len()), (vec![4], 6));
    let attachment = format!("attachment/{}/{}", &Hash::of(document).hex()[..2], Hash::of(document).hex());
    assert_eq!(store.read(&attachment).unwrap().unwrap(), document);
    claim(&store, Some("here"), true).unwrap().keep(&store).unwrap();
    let _ = claim(&store, Some("here"), false).unwrap();
    let of_a_log = run(&options).await.unwrap_err();
    assert!(of_a_log.to_string().contains("holds a log and not a copy") && of_a_log.exit_code() == 2, "{of_a_log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_of_records_goes_with_the_next() {
    // [S-45]: no erasure would find it
    let server = server(Setting::default()).await;
    server.gateway(1).await;
    let (url, dir) = (server.listen().await, server.dir.path().join("copy"));
    let options = server.options(&url, &dir);
    run(&options).await.unwrap();
    let left = dir.join("tmp/77");
    std::fs::write(&left, b"a record").unwrap();
    run(&options).await.unwrap();
    assert!(!left.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_does_not_extend_the_copy_is_refused_with_both_sizes() {
    // [S-45]
    let first = server(Setting::default()).await;
    let mut farm = first.farm().await;
    for number in 0..3 {
        assert_eq!(first.submit(&farm.build(number)).await.status, 201);
    }
    let dir = first.dir.path().join("copy");
    let options = first.options(&first.listen().await, &dir);
    let copied = run(&options).await.unwrap();
    assert_eq!(copied.size.get(), 5);

    let like = Some((Arc::clone(&first.keys), first.charter.clone()));
    let second = server(Setting { like, ..Setting::default() }).await;
    let other = Options { from: second.listen().await, ..options.clone() };
    let mut review = Actor::new("farm", 50);
    assert_eq!(second.submit(&review.open(&second.operator)).await.status, 201);
    let older = run(&other).await.unwrap_err();
    assert!(older.to_string().contains("has 5 entries, the log 2") && older.exit_code() == 3, "{older}");
    for number in 10..16 {
        assert_eq!(second.submit(&review.build(number)).await.status, 201);
    }
    let forked = run(&other).await.unwrap_err();
    assert!(forked.to_string().contains("has 5 entries") && forked.to_string().contains("the log 8"), "{forked}");
    assert_eq!(forked.exit_code(), 3);
    assert_eq!(std::fs::read_dir(dir.join("evidence")).unwrap().count(), 2, "both checkpoints are kept");
    assert_eq!(run(&options).await.unwrap().size.get(), 5, "the copy is as it was");

    let third = server(Setting::default()).await;
    third.published(1).await;
    let stranger = run(&Options { from: third.listen().await, ..options.clone() }).await.unwrap_err();
    assert!(matches!(stranger, FollowError::Charter { .. }) && stranger.exit_code() == 1, "{stranger}");
    let pinned = Options { charter: Some(Hash::of(b"another")), dir: first.dir.path().join("pinned"), ..options };
    let another = run(&pinned).await.unwrap_err();
    assert!(matches!(another, FollowError::Charter { .. }) && another.exit_code() == 1, "{another}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_that_lies_answers_is_not_in_the_copy() {
    // [S-45]
    let server = server(Setting::default()).await;
    server.gateway(2).await;
    let mut farm = server.farm().await;
    server.attach(&farm, b"a document").await;
    assert_eq!(server.submit(&farm.build_with(1, b"a document")).await.status, 201);
    let like = Some((Arc::clone(&server.keys), server.charter.clone()));
    let other = super::server(Setting { like, ..Setting::default() }).await;
    other.farm().await;
    other.published(2).await;
    let forked = other.get("/checkpoint").await.body;

    let changed = |of: &'static str| -> Lie {
        Box::new(move |path, mut bytes| {
            if let Some(last) = bytes.last_mut().filter(|_| path.starts_with(of)) {
                *last ^= 1;
            }
            Some(bytes)
        })
    };
    let lies: Vec<(&str, Lie, &str, usize)> = vec![
        ("entries", changed("/tile/entries/"), "are not those of its checkpoint", 1),
        ("record", changed("/sealed/"), "the sealed record of entry", 1),
        ("attachment", changed("/attachments/"), "bytes of another digest", 1),
        (
            "kept",
            Box::new(move |path, bytes| Some(if path.starts_with("/kept/") { forked.clone() } else { bytes })),
            "at size 2, the entries give",
            2,
        ),
        ("checkpoint", changed("/checkpoint"), "/checkpoint: ", 0),
    ];
    for (name, lie, words, evidence) in lies {
        let dir = server.dir.path().join(name);
        let options = server.options(&server.lie(lie).await, &dir);
        let error = run(&options).await.unwrap_err();
        assert!(error.to_string().contains(words) && error.exit_code() == 3, "{name}: {error}");
        for path in ["head", "checkpoint"] {
            assert!(!dir.join(path).exists(), "{name}: {path}");
        }
        let kept = std::fs::read_dir(dir.join("evidence")).map_or(0, Iterator::count);
        assert_eq!(kept, evidence, "{name}: what the log signed is kept, when it signed it");

        // Nothing of the lie is left.
        let honest = Options { from: server.listen().await, ..options };
        let report = run(&honest).await.unwrap();
        assert_eq!(report.remote, Some(report.size), "{name}");
        opened(&dir, &server.keys);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_whole_is_one_although_the_log_answers_no_more() {
    // [S-45]
    let server = server(Setting::default()).await;
    server.published(1).await;
    let asked = AtomicUsize::new(0);
    let first =
        move |path: &str, bytes| (path != "/checkpoint" || asked.fetch_add(1, Ordering::SeqCst) == 0).then_some(bytes);
    let dir = server.dir.path().join("copy");
    let report = run(&server.options(&server.lie(Box::new(first)).await, &dir)).await.unwrap();
    assert_eq!((report.size.get(), report.remote), (1, None));
    opened(&dir, &server.keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_count_when_a_policy_is_given() {
    // [S-45]
    let server = server(Setting::default()).await;
    server.published(1).await;
    let url = server.listen().await;
    let options = server.options(&url, &server.dir.path().join("copy"));
    let file = server.dir.path().join("policy");
    let policy = |text: String| {
        std::fs::write(&file, text).unwrap();
        Options { policy: Some(file.clone()), ..options.clone() }
    };
    let log: String = server.keys.log_vkeys().iter().map(|key| format!("log {key}\n")).collect();
    let stranger = vitrine_spec::key::Seed::new("x.example", vitrine_spec::key::KeyKind::Cosign, [99; 32]).unwrap();
    let unwitnessed = run(&policy(format!("{log}witness x {}\nquorum x\n", stranger.vkey()))).await.unwrap_err();
    assert!(matches!(unwitnessed, FollowError::Witnesses { .. }) && unwitnessed.exit_code() == 1, "{unwitnessed}");
    let none = run(&policy(format!("{log}quorum none\n"))).await.unwrap_err();
    assert!(none.to_string().contains("--unwitnessed") && none.exit_code() == 2, "{none}");
    let first = &server.fakes[0].vkeys()[0];
    assert_eq!(run(&policy(format!("{log}witness w {first}\nquorum w\n"))).await.unwrap().size.get(), 1);
}
