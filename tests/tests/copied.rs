//! `follow` into a simulated disk: every step fails in turn, both ways, and power is lost after each (spec/docs/85-log.md,
//! "Copies").
//!
//! The log that is copied says the same again and again, so that every copy of it must come out the same. Whatever happens
//! to one run, no server opens what it left, and the next run makes the whole copy, which no loss of power takes back.
//! Not here: a log that lies (`vitrine_log_server`), one that goes on meanwhile (`moved`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests")]

#[path = "faults/disk.rs"]
mod disk;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rayon::prelude::*;
use vitrine_log_server::follow::{Options, Report, follow_into};
use vitrine_log_server::open::claim;
use vitrine_log_server::store::{Files, Store};
use vitrine_spec::hash::Hash;
use vitrine_tests::demo::product::now;
use vitrine_tests::harness::accesses::{Accesses, submission};
use vitrine_tests::harness::world::World;

use disk::{Fate, Loss, SimDisk};

const FATES: [Fate; 6] = [
    Fate::Lost,
    Fate::Kept,
    Fate::Power(Loss::All),
    Fate::Power(Loss::Bytes),
    Fate::Power(Loss::Some(1)),
    Fate::Power(Loss::Some(2)),
];

/// What a log answered first, by path.
type Answers = Arc<Mutex<HashMap<String, (StatusCode, Vec<u8>)>>>;

/// A log that says at every path what it said there first.
struct Still {
    runtime: tokio::runtime::Runtime,
    url: String,
}

impl Still {
    fn of(world: &World) -> Still {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let state = (world.url(), reqwest::Client::new(), Answers::default());
        let url = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let router = Router::new().fallback(Still::answer).with_state(state);
            tokio::spawn(async move { axum::serve(listener, router).await });
            url
        });
        Still { runtime, url }
    }

    async fn answer(
        State((url, client, answers)): State<(String, reqwest::Client, Answers)>,
        request: Request,
    ) -> Response {
        let path = request.uri().to_string();
        let known = answers.lock().unwrap().get(&path).cloned();
        let (status, body) = match known {
            Some(known) => known,
            None => {
                let mut asked = client.get(format!("{url}{path}"));
                if let Some(authorization) = request.headers().get(header::AUTHORIZATION) {
                    asked = asked.header(header::AUTHORIZATION, authorization);
                }
                let answer = asked.send().await.unwrap();
                let answer = (answer.status(), answer.bytes().await.unwrap().to_vec());
                answers.lock().unwrap().entry(path).or_insert(answer).clone()
            }
        };
        (status, Body::from(body)).into_response()
    }
}

/// A copy that is made in a simulated disk.
struct Copy<'a> {
    still: &'a Still,
    reader_key: Option<PathBuf>,
}

impl Copy<'_> {
    /// One run on this disk, as a process of its own.
    fn run(&self, disk: &SimDisk, folder: &Path) -> Result<Report, String> {
        let options = Options {
            from: self.still.url.clone(),
            dir: folder.to_owned(),
            charter: None,
            policy: None,
            unwitnessed: false,
            reader_key: self.reader_key.clone(),
        };
        follow_into(Arc::new(Files::new(disk.clone())), &options, &|_| {}).map_err(|error| error.to_string())
    }

    /// Every step in turn.
    fn table(&self) {
        let folder = tempfile::tempdir().unwrap();
        let clean = SimDisk::new();
        self.run(&clean, folder.path()).unwrap();
        let steps = clean.steps();
        clean.lose_power(Loss::All);
        let whole = clean.files();
        assert!(opens(&clean) && steps.len() > 30, "{} steps", steps.len());
        let cases: Vec<_> = (0..steps.len()).flat_map(|step| FATES.map(|fate| (step, fate))).collect();
        cases.into_par_iter().for_each(|(number, fate)| {
            let what = format!("step {number}, {:?}, {fate:?}", steps[number]);
            let folder = tempfile::tempdir().unwrap();
            let disk = SimDisk::new();
            disk.fail_at(number, fate);
            let first = self.run(&disk, folder.path());
            assert!(disk.fired(), "{what}: it did not come");
            disk.restart();
            // What a server would open is whole, whatever is lost now.
            let left = disk.copy();
            left.lose_power(Loss::All);
            let mut kept = left.files();
            // As every server does first.
            kept.retain(|path, _| !path.starts_with("tmp/"));
            assert!(!opens(&left) || kept == whole, "{what}: a server opens {:?}", kept.keys());
            assert!(first.is_err() || opens(&disk), "{what}: a run that succeeded left no copy");

            let again = self.run(&disk, folder.path());
            again.unwrap_or_else(|error| panic!("{what}: the next run: {error}"));
            disk.lose_power(Loss::All);
            assert!(opens(&disk), "{what}");
            assert_eq!(different(&disk.files(), &whole), Vec::<&str>::new(), "{what}");
        });
    }
}

/// Whether a server that takes over opens what is there.
fn opens(disk: &SimDisk) -> bool {
    let store = Files::new(disk.copy());
    let there = |path| store.read(path).unwrap().is_some();
    there("head") && there("checkpoint") && claim(&store, Some("here"), true).is_ok()
}

fn different<'a>(got: &'a BTreeMap<String, Vec<u8>>, want: &'a BTreeMap<String, Vec<u8>>) -> Vec<&'a str> {
    let paths = got.keys().chain(want.keys()).filter(|path| got.get(*path) != want.get(*path));
    paths.map(String::as_str).collect()
}

#[test]
fn a_copy_of_sealed_records_survives_every_step() {
    // [S-45]
    let folder = tempfile::tempdir().unwrap();
    let world = World::create_access(folder.path(), "example.org/access").unwrap();
    let sealed = Accesses::open(&world, "gateway").unwrap().seal(4, now()).unwrap();
    let lines: Vec<String> =
        sealed.iter().map(|signed| String::from_utf8(submission(signed).print()).unwrap()).collect();
    let still = Still::of(&world);
    let answer = still.runtime.block_on(async {
        let request = reqwest::Client::new().post(format!("{}/events", world.url())).body(lines.join("\n"));
        request.header("content-type", "application/x-ndjson").send().await.unwrap().text().await.unwrap()
    });
    assert_eq!(answer.matches("\"index\"").count(), lines.len(), "{answer}");
    Copy { still: &still, reader_key: Some(world.path("supervisor.reader")) }.table();
}

#[test]
fn a_copy_of_attachments_survives_every_step() {
    // [S-45]
    let folder = tempfile::tempdir().unwrap();
    let world = World::create(folder.path(), "example.org/log").unwrap();
    world.open("farm", &["types.build=none", "builders=https://farm.example/farm"]).unwrap();
    let url = world.url();
    for (number, document) in ["the first document", "the second one"].into_iter().enumerate() {
        world.write("app", format!("app {number}")).unwrap();
        world.write("document", document).unwrap();
        let attach = ["attach", "--log", &url, "--key", "farm.key", "--issuer", "farm", "document"];
        world.client(&attach).unwrap().expect_code(0).unwrap();
        let provenance = format!("provenance={}", Hash::of(document.as_bytes()).hex());
        let fields = [
            provenance.as_str(),
            "purl=pkg:generic/app@1.0",
            "source.uri=git:app",
            "source.digest.gitTree=0123456789abcdef0123456789abcdef01234567",
            "builder_id=https://farm.example/farm",
            "build_type=https://farm.example/type",
            "invocation_id=1",
            "started=now",
            "finished=now",
            "build_site=CH-ZH-1",
            "signing_site=CH-ZH-1",
        ];
        let mut more = vec!["--file", "app", "--attach", "text/plain=document"];
        more.extend(fields.iter().flat_map(|field| ["--field", field]));
        let file = format!("build-{number}.json");
        world.event("build", "farm", &file, &more).unwrap();
        world.client(&["event", "sign", "--key", "farm.key", &file]).unwrap().expect_code(0).unwrap();
        world.submit("farm", &[&file]).unwrap();
    }
    Copy { still: &Still::of(&world), reader_key: None }.table();
}
