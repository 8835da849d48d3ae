//! Forked logs against witnesses that see another side each, over HTTP on this machine (55-witness.md).
//!
//! Not here: what one witness does with a finding (`forks`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use common::{Log, NOW, World, cosigned, text};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use vitrine_spec::evidence::{Compared, Evidence, compare};
use vitrine_spec::key::KeyKind;
use vitrine_spec::proof::Tiles as _;
use vitrine_spec::tiles::TileId;
use vitrine_witness::crosscheck::CrossCheck;
use vitrine_witness::limits::DOUBT_S;
use vitrine_witness::logs::Logs;
use vitrine_witness::{Witness, http};

const ORIGIN: &str = "log.example/one";

/// What the log's own address shows: the tree of one side, to a size, with or without its tiles.
#[derive(Clone)]
struct Shown {
    log: Log,
    size: usize,
    tiles: bool,
}

type Showing = Arc<Mutex<Option<Shown>>>;

/// Serves text at paths, for ever, on a port of its own.
fn serve(runtime: &Runtime, router: Router) -> String {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn log_server(runtime: &Runtime) -> (String, Showing) {
    async fn shown(State(showing): State<Showing>, Path(path): Path<String>) -> Result<Vec<u8>, StatusCode> {
        let shown = showing.lock().unwrap().clone().ok_or(StatusCode::NOT_FOUND)?;
        if path == "checkpoint" {
            return Ok(shown.log.checkpoint(shown.size).print().into_bytes());
        }
        let tile = TileId::parse(&path).map_err(|_| StatusCode::NOT_FOUND)?;
        let served = shown.tiles && usize::try_from(tile.end().get()).is_ok_and(|end| end <= shown.size);
        served.then(|| shown.log.tiles().tile(tile).ok()).flatten().ok_or(StatusCode::NOT_FOUND)
    }
    let showing = Showing::default();
    let url = serve(runtime, Router::new().route("/{*path}", get(shown)).with_state(Arc::clone(&showing)));
    (url, showing)
}

/// Witnesses that serve, of a log at one address, each with the others as peers.
struct Parties {
    runtime: Runtime,
    log: Log,
    showing: Showing,
    worlds: Vec<World>,
    witnesses: Vec<Arc<Witness>>,
    checks: Vec<Arc<CrossCheck>>,
}

impl Parties {
    /// As many witnesses as there are sides, each of which has cosigned its side to this size.
    fn new(sides: &[(Log, usize)], feed: bool) -> Parties {
        let runtime = Runtime::new().unwrap();
        let log = Log::ed(ORIGIN);
        let (log_url, showing) = log_server(&runtime);
        let mut worlds = Vec::new();
        let mut witnesses = Vec::new();
        let mut urls = Vec::new();
        for (side, size) in sides {
            let mut world = World::new(&[&log]);
            world.logs = log.vkeys().iter().map(|vkey| format!("log {vkey} {log_url}\n")).collect();
            let witness = Arc::new(world.open().unwrap());
            if *size > 0 {
                cosigned(&witness.add_checkpoint(&side.request(0, *size)), &side.checkpoint(*size));
            }
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            urls.push(format!("http://{}", listener.local_addr().unwrap()));
            let serving = http::serve(listener, Arc::clone(&witness), None, std::future::pending());
            runtime.spawn(serving);
            worlds.push(world);
            witnesses.push(witness);
        }
        let checks = witnesses
            .iter()
            .zip(&urls)
            .map(|(witness, own)| {
                witness.set_peers(urls.iter().filter(|url| *url != own).cloned().collect());
                Arc::new(CrossCheck::new(Arc::clone(witness), feed).unwrap())
            })
            .collect();
        Parties { runtime, log, showing, worlds, witnesses, checks }
    }

    fn show(&self, log: &Log, size: usize, tiles: bool) {
        *self.showing.lock().unwrap() = Some(Shown { log: log.clone(), size, tiles });
    }

    /// One round of each.
    fn round(&self) {
        self.checks.iter().for_each(|check| self.runtime.block_on(check.round()));
    }

    fn later(&self, seconds: u64) {
        self.worlds.iter().for_each(|world| world.clock.set(NOW + seconds));
    }

    fn frozen(&self) -> Vec<bool> {
        self.witnesses.iter().map(|witness| witness.standing(&self.log.hash()).frozen).collect()
    }

    /// The evidence of each, judged with the log's key alone: both sizes.
    fn evidence(&self) -> Vec<(u64, u64)> {
        let judge = |witness: &Arc<Witness>| {
            let file = witness.evidence(&self.log.hash());
            let forked = Evidence::parse(&file.body).unwrap().verify(&self.log.vkeys()).unwrap();
            (forked.first.0.get(), forked.second.0.get())
        };
        self.witnesses.iter().map(judge).collect()
    }
}

#[test]
fn three_sides_of_one_size() {
    // [D-22] [D-25]: no proof is needed, and nothing of the log's address.
    let log = Log::ed(ORIGIN);
    let parties = Parties::new(&[(log.clone(), 9), (log.fork(3), 9), (log.fork(5), 9)], false);
    parties.round();
    assert_eq!(parties.frozen(), [true; 3]);
    assert_eq!(parties.evidence(), [(9, 9); 3]);
    let refused = parties.witnesses[0].add_checkpoint(&log.request(9, 12));
    assert_eq!(refused.status, 403, "{}", text(&refused));
}

#[test]
fn two_sides_of_two_sizes_where_the_larger_is_served() {
    // [D-25]
    let log = Log::ed(ORIGIN);
    let parties = Parties::new(&[(log.clone(), 9), (log.fork(3), 12), (log.clone(), 7)], false);
    parties.show(&log.fork(3), 12, true);
    parties.round();
    assert_eq!(parties.frozen(), [true; 3]);
    // Also when the smaller one is a power of two, of which a proof does not hold the root.
    let parties = Parties::new(&[(log.clone(), 8), (log.fork(3), 12)], false);
    parties.show(&log.fork(3), 12, true);
    parties.round();
    assert_eq!((parties.frozen(), parties.evidence()), (vec![true; 2], vec![(8, 12); 2]));
    // The larger side's tiles are gone, and the other side has grown beyond it.
    let parties = Parties::new(&[(log.clone(), 9), (log.fork(3), 12)], false);
    parties.show(&log, 20, true);
    parties.round();
    assert_eq!((parties.frozen(), parties.evidence()), (vec![true; 2], vec![(12, 20); 2]));
}

#[test]
fn the_tiles_of_the_other_side_are_withheld() {
    // [D-23] [D-25]
    let log = Log::ed(ORIGIN);
    let other = log.fork(3);
    let parties = Parties::new(&[(log.clone(), 9), (other.clone(), 12)], false);
    parties.show(&log, 9, true);
    parties.round();
    parties.later(DOUBT_S);
    parties.round();
    for (witness, side, size) in [(&parties.witnesses[0], &log, 9), (&parties.witnesses[1], &other, 12)] {
        let answer = witness.add_checkpoint(&side.request(size, 14));
        assert_eq!(answer.status, 503, "{}", text(&answer));
        assert_eq!(witness.evidence(&log.hash()).status, 404, "there is no file without a proof");
        assert_eq!(witness.unreconciled(&log.hash()).status, 200);
    }
    assert_eq!(parties.frozen(), [false; 2]);
    // Served at last, they are evidence.
    parties.show(&other, 12, true);
    parties.round();
    assert_eq!((parties.frozen(), parties.evidence()), (vec![true; 2], vec![(9, 12); 2]));
}

#[test]
fn tiles_that_come_late_settle_it() {
    // [D-23] [D-25]
    let log = Log::ed(ORIGIN);
    let parties = Parties::new(&[(log.clone(), 9), (log.clone(), 12)], false);
    parties.show(&log, 12, false);
    parties.round();
    parties.later(2 * DOUBT_S);
    let answer = parties.witnesses[0].add_checkpoint(&log.request(9, 10));
    assert_eq!(answer.status, 503, "{}", text(&answer));
    parties.show(&log, 12, true);
    parties.round();
    assert!(parties.witnesses.iter().all(|witness| witness.standing(&log.hash()).doubt.is_none()));
    assert_eq!(parties.witnesses[0].add_checkpoint(&log.request(9, 10)).status, 200);
    // Larger, smaller and equal sizes of one history are no doubt.
    parties.show(&log, 40, true);
    parties.round();
    assert!(parties.witnesses.iter().all(|witness| witness.standing(&log.hash()).doubt.is_none()));
    assert_eq!(parties.frozen(), [false; 2]);
}

#[test]
fn a_log_that_is_back_need_not_wait_for_the_next_round() {
    // [D-23] [D-25]
    let log = Log::ed(ORIGIN);
    let parties = Parties::new(&[(log.clone(), 9), (log.clone(), 12)], false);
    parties.round();
    parties.later(2 * DOUBT_S);
    // The first round of this one ends before the log serves anything; the next is an hour away.
    let check = Arc::clone(&parties.checks[0]);
    let running = parties.runtime.spawn(check.run(Duration::from_secs(3_600)));
    parties.runtime.block_on(async {
        while parties.witnesses[0].metrics().cross_checks.get() < 2 {
            tokio::task::yield_now().await;
        }
    });
    parties.show(&log, 12, true);
    let answers = parties.runtime.block_on(async {
        let mut answers = Vec::new();
        while answers.last() != Some(&200) {
            answers.push(parties.witnesses[0].add_checkpoint_async(log.request(9, 10)).await.status);
            tokio::task::yield_now().await;
        }
        answers
    });
    assert_eq!(answers[0], 503);
    running.abort();
}

#[test]
fn peers_that_lie_are_not_believed() {
    // [D-25] [D-27]
    let log = Log::ed(ORIGIN);
    let stranger = Log::new(ORIGIN, &[KeyKind::MlDsa44]);
    let another = Log::ed("log.example/two");
    let runtime = Runtime::new().unwrap();
    let hash = log.hash().hex();
    let Ok(Compared::Forked(forged)) = compare(&stranger.checkpoint(9), &stranger.fork(3).checkpoint(9)) else {
        panic!()
    };
    let Ok(Compared::Forked(foreign)) = compare(&another.checkpoint(9), &another.fork(3).checkpoint(9)) else {
        panic!()
    };
    let mut agreeing = log.checkpoint(9).print();
    agreeing.push_str("— nobody AAAAAAA=\n");
    let lies: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (stranger.fork(3).checkpoint(9).print().into_bytes(), forged.print()),
        (another.checkpoint(9).print().into_bytes(), foreign.print()),
        (b"nothing of the kind".to_vec(), b"vitrine-evidence/v0\n".to_vec()),
        (vec![b'x'; 4 << 20], vec![b'x'; 4 << 20]),
        (agreeing.into_bytes(), log.checkpoint(9).print().into_bytes()),
    ];
    let told = lies.len();
    let peers: Vec<String> = lies
        .into_iter()
        .map(|(note, evidence)| {
            let list = format!("{hash}\nnonsense\n{}\n", another.hash().hex());
            let router = Router::new()
                .route(&format!("/{hash}/checkpoint"), get(move || async move { note }))
                .route(&format!("/{hash}/evidence"), get(move || async move { evidence }))
                .route("/evidence", get(move || async move { list }));
            serve(&runtime, router)
        })
        .chain(["http://127.0.0.1:1".to_owned()])
        .collect();
    let world = World::new(&[&log]);
    let witness = Arc::new(world.open().unwrap());
    cosigned(&witness.add_checkpoint(&log.request(0, 9)), &log.checkpoint(9));
    witness.set_peers(peers);
    let check = Arc::new(CrossCheck::new(Arc::clone(&witness), false).unwrap());
    runtime.block_on(check.round());
    let standing = witness.standing(&log.hash());
    assert!(!standing.frozen && standing.doubt.is_none());
    assert_eq!(witness.metrics().notes.get(), 1, "the one that the log had signed");
    assert!(witness.metrics().failures.get() >= told as u64);
    cosigned(&witness.add_checkpoint(&log.request(9, 12)), &log.checkpoint(12));
}

#[test]
fn evidence_goes_from_witness_to_witness() {
    // [D-27]
    let log = Log::ed(ORIGIN);
    let parties = Parties::new(&[(log.clone(), 9), (log.clone(), 9), (log.clone(), 0)], false);
    let request = log.fork(3).request(9, 12);
    assert_eq!(parties.witnesses[0].add_checkpoint(&request).status, 422);
    assert_eq!(parties.frozen(), [true, false, false]);
    parties.round();
    assert_eq!((parties.frozen(), parties.evidence()), (vec![true; 3], vec![(9, 12); 3]));
}

#[test]
fn a_feeder_cosigns_what_the_log_publishes() {
    // [D-28]
    let log = Log::new(ORIGIN, &[KeyKind::Ed25519]);
    let parties = Parties::new(&[(log.clone(), 0)], true);
    let size = || parties.witnesses[0].standing(&log.hash()).head.map(|head| head.size.get());
    parties.round();
    assert_eq!(size(), None, "nothing is published");
    for shown in [5, 5, 20, 33] {
        parties.show(&log, shown, true);
        parties.round();
        assert_eq!(size(), Some(shown as u64));
    }
    parties.show(&log, 40, false);
    parties.round();
    assert_eq!(size(), Some(33), "without tiles there is no proof");
    parties.show(&log.fork(3), 50, true);
    parties.round();
    assert_eq!((size(), parties.frozen()), (Some(33), vec![true]));
}

#[test]
fn a_log_without_an_address_is_compared_at_equal_sizes_alone() {
    // [D-25]
    let log = Log::ed(ORIGIN);
    let mut parties = Parties::new(&[(log.clone(), 9), (log.fork(3), 12)], false);
    for (witness, world) in parties.witnesses.iter().zip(&mut parties.worlds) {
        world.logs = log.lines();
        witness.set_logs(Logs::parse(world.logs.as_bytes()).unwrap()).unwrap();
    }
    parties.show(&log.fork(3), 12, true);
    parties.round();
    assert_eq!(parties.frozen(), [false; 2]);
    assert!(parties.witnesses.iter().all(|witness| witness.standing(&log.hash()).doubt.is_none()));
}
