//! Killed at random while four issuers submit: nothing acknowledged is missing, no index is given twice, the fold fits. For
//! a log of accesses besides: none is without its sealed record, and a record that was erased never comes back.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vitrine_log_server::sealed;
use vitrine_log_server::store::{Files, OsDisk, Store};
use vitrine_spec::admission::{self, Logged, Query};
use vitrine_spec::body::Body;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::{EventId, Submission};
use vitrine_spec::event::Event;
use vitrine_spec::sealing::is_erased;
use vitrine_spec::state::State;
use vitrine_spec::statement::Place;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;
use vitrine_tests::demo::product::now;
use vitrine_tests::harness::accesses::{Accesses, Erasures, submission};
use vitrine_tests::harness::events::Builds;
use vitrine_tests::harness::forge;
use vitrine_tests::harness::process::{self, run};
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

/// What was acknowledged: event_id → index.
type Acknowledged = Arc<Mutex<BTreeMap<EventId, u64>>>;

/// Sends one submission until it is answered 201 or 200, which acknowledges it; `None` when told to stop before.
async fn deliver(
    client: &reqwest::Client,
    url: &str,
    submission: &Submission,
    stop: &AtomicBool,
    acknowledged: &Acknowledged,
) -> Option<u64> {
    while !stop.load(Ordering::SeqCst) {
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
                let index = TlogProof::parse(&body).unwrap().index.get();
                let before = acknowledged.lock().unwrap().insert(submission.envelope.id(), index);
                assert!(before.is_none_or(|before| before == index), "one event, two places");
                return Some(index);
            }
            429 | 503 | 504 => tokio::time::sleep(Duration::from_millis(5)).await,
            other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
        }
    }
    None
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

/// Submits builds one after another until told to stop.
async fn submit(url: String, builds: Builds, stop: Arc<AtomicBool>, done: Arc<AtomicU64>, acknowledged: Acknowledged) {
    let client = client();
    for number in 0.. {
        let submission = builds.sign(number, now()).unwrap();
        if deliver(&client, &url, &submission, &stop, &acknowledged).await.is_none() {
            return;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

/// A sealed record whose access was acknowledged.
struct Kept {
    id: EventId,
    place: Place,
    record: Vec<u8>,
}

/// Sealed records by index.
type Records = Arc<Mutex<BTreeMap<u64, Kept>>>;

/// Submits accesses one after another, with the sealing keys that they need, until told to stop.
async fn submit_accesses(
    url: String,
    mut accesses: Accesses,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    acknowledged: Acknowledged,
    records: Records,
) {
    let client = client();
    loop {
        for signed in accesses.seal(3, now()).unwrap() {
            let submission = submission(&signed);
            let Some(index) = deliver(&client, &url, &submission, &stop, &acknowledged).await else { return };
            if let Some(record) = signed.record {
                let event = Event::read(signed.envelope).unwrap();
                let place = event.statement.header.place().unwrap();
                records.lock().unwrap().insert(index, Kept { id: event.id, place, record });
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Erases acknowledged records, oldest first, up to four by one event and most of them, until told to stop; tells the indices once it is acknowledged.
async fn erase(
    url: String,
    mut erasures: Erasures,
    stop: Arc<AtomicBool>,
    acknowledged: Acknowledged,
    records: Records,
    erased: Arc<Mutex<BTreeSet<u64>>>,
) {
    let client = client();
    let mut from = 0;
    while !stop.load(Ordering::SeqCst) {
        let next: Vec<(u64, EventId, Place)> = {
            let records = records.lock().unwrap();
            let next = records.range(from..).step_by(3).take(4);
            next.map(|(index, kept)| (*index, kept.id, kept.place.clone())).collect()
        };
        let Some((last, ..)) = next.last() else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        from = last + 1;
        let targets: Vec<(EventId, Place)> = next.iter().map(|(_, id, place)| (*id, place.clone())).collect();
        let submission = erasures.sign(&targets, now()).unwrap();
        if deliver(&client, &url, &submission, &stop, &acknowledged).await.is_none() {
            return;
        }
        erased.lock().unwrap().extend(next.iter().map(|(index, ..)| *index));
    }
}

/// Kills and starts the server again and again, each time after some answers; `look` sees the log in between.
fn kill(world: &mut World, random: &mut Random, done: &AtomicU64, mut look: impl FnMut(&World)) {
    let wait = |world: &World, enough: u64| {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while done.load(Ordering::SeqCst) < enough {
            assert!(std::time::Instant::now() < until, "no answer for a minute: {}", world.read("log.err").unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for _ in 0..KILLS {
        // Some answers after the last start, then a random moment: also in the middle of opening.
        wait(world, done.load(Ordering::SeqCst) + random.below(4));
        look(world);
        std::thread::sleep(Duration::from_micros(random.below(150_000)));
        world.kill_log().unwrap();
        look(world);
    }
    wait(world, done.load(Ordering::SeqCst) + 4);
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
    kill(&mut world, &mut random, &done, |_| ());
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    world.stop().unwrap();

    let fsck = run(&world.folder, "log-server", ["fsck", "--dir", "log"]).unwrap();
    fsck.expect_code(0).unwrap();
    let size = world.published().unwrap();
    let leaves = forge::entries(&world.path("log"), size).unwrap();
    let (state, by_id) = fold(&leaves, "killed.example/log");
    assert_eq!(state.size().get(), size);
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > KILLS, "{} events were acknowledged", acknowledged.len());
    for (id, index) in acknowledged.iter() {
        assert_eq!(by_id.get(id).map(|logged| logged.index.get()), Some(*index), "{id}");
    }
}

/// The sealed records in a log's folder, by index.
fn stored(world: &World) -> BTreeMap<u64, Vec<u8>> {
    let store: Arc<dyn Store> = Arc::new(Files::new(OsDisk::existing(&world.path("log")).unwrap()));
    sealed::Records::new(store, 0, 1 << 20).map(Result::unwrap).collect()
}

/// Files of a log that hold one of these records; tiles and bundles, which are compared otherwise, are left out.
fn holding(folder: &Path, records: &BTreeMap<[u8; 8], u64>) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(if path.ends_with("log/tile") { Vec::new() } else { holding(&path, records) });
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let held = bytes.windows(8).filter_map(|part| records.get(part));
            found.extend(held.map(|index| (path.clone(), *index)));
        }
    }
    found
}

#[test]
fn killed_at_random_no_access_is_without_its_record_and_no_erased_one_comes_back() {
    // [S-29] [S-31] [S-32]
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create_access(folder.path(), "killed.example/access").unwrap();
    let mut random = Random::new();
    let gateways: Vec<Accesses> =
        ["gate-1", "gate-2", "gate-3"].map(|name| Accesses::open(&world, name).unwrap()).into();
    let erasures = Erasures::after_charter(&world).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let acknowledged: Acknowledged = Arc::default();
    let records: Records = Arc::default();
    let erased: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut tasks: Vec<_> = gateways
        .into_iter()
        .map(|accesses| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            let (acknowledged, records) = (Arc::clone(&acknowledged), Arc::clone(&records));
            runtime.spawn(submit_accesses(world.url(), accesses, stop, done, acknowledged, records))
        })
        .collect();
    tasks.push(runtime.spawn(erase(
        world.url(),
        erasures,
        Arc::clone(&stop),
        Arc::clone(&acknowledged),
        Arc::clone(&records),
        Arc::clone(&erased),
    )));

    // Once seen zero, zero for ever: in the middle of opening too.
    let mut gone = BTreeSet::new();
    kill(&mut world, &mut random, &done, |world| {
        let stored = stored(world);
        for index in &gone {
            assert!(is_erased(&stored[index]), "the erased record of entry {index} is back");
        }
        gone.extend(stored.iter().filter(|(_, record)| is_erased(record)).map(|(index, _)| *index));
    });
    let enough = || records.lock().unwrap().len() > KILLS && erased.lock().unwrap().len() > KILLS / 3;
    process::until("enough is logged and erased", || Ok(enough())).unwrap();
    process::until("an erased record is seen as zeros", || {
        gone.extend(stored(&world).iter().filter(|(_, record)| is_erased(record)).map(|(index, _)| *index));
        Ok(!gone.is_empty())
    })
    .unwrap();
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    world.stop().unwrap();

    let fsck = run(&world.folder, "log-server", ["fsck", "--dir", "log", "--json"]).unwrap();
    let fsck = fsck.expect_code(0).unwrap();
    assert!(fsck.out.contains("\"to_erase\":0"), "{}", fsck.out);
    let size = world.published().unwrap();
    let leaves = forge::entries(&world.path("log"), size).unwrap();
    let (_, by_id) = fold(&leaves, "killed.example/access");
    for (id, index) in acknowledged.lock().unwrap().iter() {
        assert_eq!(by_id.get(id).map(|logged| logged.index.get()), Some(*index), "{id}");
    }
    let (stored, records, erased) = (stored(&world), records.lock().unwrap(), erased.lock().unwrap());
    // An erasure whose answer was lost, or whose submitter was told to stop, is carried out all the same.
    let named: BTreeSet<EventId> = by_id
        .values()
        .filter_map(|logged| match &logged.event.statement.body {
            Body::Erasure(erasure) => Some(erasure.targets().iter().map(|target| target.event_id)),
            _ => None,
        })
        .flatten()
        .collect();
    let mut beginnings = BTreeMap::new();
    for (index, Kept { id, record, .. }) in records.iter() {
        let is = &stored[index];
        if named.contains(id) {
            assert!(is.len() == record.len() && is_erased(is), "the record of entry {index} is not erased");
            beginnings.insert(*record.first_chunk().unwrap(), *index);
        } else {
            assert!(is == record, "the record of entry {index} is another");
        }
    }
    assert_eq!(holding(&world.path("log"), &beginnings), [], "erased records");
    assert!(erased.iter().all(|index| named.contains(&records[index].id)));
    assert!(gone.iter().all(|index| is_erased(&stored[index])));
}

/// Folds admission over the leaves; each must be admitted.
fn fold(leaves: &[Vec<u8>], origin: &str) -> (State, BTreeMap<EventId, Logged>) {
    let origin = Origin::new(origin).unwrap();
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
