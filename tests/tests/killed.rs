//! Killed at random while four issuers submit: nothing acknowledged is missing, no index is given twice, the fold fits.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vitrine_spec::admission::{self, Logged, Query};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::state::State;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;
use vitrine_tests::demo::product::now;
use vitrine_tests::harness::events::Builds;
use vitrine_tests::harness::forge;
use vitrine_tests::harness::process::run;
use vitrine_tests::harness::world::World;

/// Times the server is killed.
const KILLS: usize = 30;

/// A small generator whose seed is printed, so that a run can be repeated as far as the machine allows.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let seed = std::env::var("VITRINE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(now);
        println!("VITRINE_SEED={seed}");
        Random(seed)
    }

    /// The next number below `bound` (an LCG with the constants of MMIX, high bits).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Submits builds one after another until told to stop; what is answered 201 or 200 is acknowledged.
async fn submit(
    url: String,
    builds: Builds,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    acknowledged: Arc<Mutex<BTreeMap<EventId, u64>>>,
) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let submission = builds.sign(number, now()).unwrap();
        let request =
            client.post(format!("{url}/events")).header("content-type", "application/json").body(submission.print());
        let Ok(answer) = request.send().await else {
            // The server is down: the same event again once it listens.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.bytes().await else { continue };
        match status {
            200 | 201 => {
                let proof = TlogProof::parse(&body).unwrap();
                let before = acknowledged.lock().unwrap().insert(submission.envelope.id(), proof.index.get());
                assert!(before.is_none_or(|before| before == proof.index.get()), "one event, two places");
                done.fetch_add(1, Ordering::SeqCst);
                number += 1;
            }
            429 | 503 | 504 => tokio::time::sleep(Duration::from_millis(5)).await,
            other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

#[test]
fn killed_at_random_nothing_is_lost() {
    // [S-1]
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), "killed.example/log").unwrap();
    let mut random = Random::new();
    let issuers: Vec<Builds> =
        ["farm-1", "farm-2", "farm-3", "farm-4"].map(|name| Builds::open(&world, name).unwrap()).into();
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tasks: Vec<_> = issuers
        .into_iter()
        .map(|builds| {
            runtime.spawn(submit(world.url(), builds, Arc::clone(&stop), Arc::clone(&done), Arc::clone(&acknowledged)))
        })
        .collect();
    for _ in 0..KILLS {
        // Some answers after the last start, then a random moment: also in the middle of opening.
        let (enough, until) =
            (done.load(Ordering::SeqCst) + random.below(4), std::time::Instant::now() + Duration::from_secs(60));
        while done.load(Ordering::SeqCst) < enough {
            assert!(std::time::Instant::now() < until, "no answer for a minute: {}", world.read("log.err").unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.below(150_000)));
        world.kill_log().unwrap();
    }
    let (enough, until) = (done.load(Ordering::SeqCst) + 4, std::time::Instant::now() + Duration::from_secs(60));
    while done.load(Ordering::SeqCst) < enough {
        assert!(
            std::time::Instant::now() < until,
            "no answer after the last start: {}",
            world.read("log.err").unwrap()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    world.stop().unwrap();

    let fsck = run(&world.folder, "log-server", ["fsck", "--dir", "log"]).unwrap();
    fsck.expect_code(0).unwrap();
    let size = world.published().unwrap();
    let leaves = forge::entries(&world.path("log"), size).unwrap();
    let (state, by_id) = fold(&leaves);
    assert_eq!(state.size().get(), size);
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > KILLS, "{} events were acknowledged", acknowledged.len());
    for (id, index) in acknowledged.iter() {
        assert_eq!(by_id.get(id).map(|logged| logged.index.get()), Some(*index), "{id}");
    }
}

/// Folds admission over the leaves; each must be admitted.
fn fold(leaves: &[Vec<u8>]) -> (State, BTreeMap<EventId, Logged>) {
    let origin = Origin::new("killed.example/log").unwrap();
    let mut state = State::default();
    let (mut by_id, mut by_place) = (BTreeMap::<EventId, Logged>::new(), BTreeMap::new());
    for (number, leaf) in leaves.iter().enumerate() {
        let event = admission::fold(&mut state, leaf, &origin, |query| match query {
            Query::Id(id) => by_id.get(id).cloned(),
            Query::At(issuer, epoch, seq) => by_place.get(&(issuer.clone(), *epoch, *seq)).cloned(),
            Query::Attachment(_) => None,
        });
        let event = event.unwrap_or_else(|refusal| panic!("entry {number}: {} {refusal}", refusal.code()));
        let logged = Logged { index: LeafIndex::new(number.try_into().unwrap()), event };
        if let Some(place) = logged.event.statement.header.place() {
            by_place.insert((place.issuer, place.epoch, place.seq), logged.clone());
        }
        assert!(by_id.insert(logged.event.id, logged).is_none(), "entry {number} was logged before");
    }
    (state, by_id)
}
