//! Killed a hundred times under load: nothing is signed ahead of the journal, and no log gets cosignatures of two trees.
//!
//! Every answer is kept and all of a log are compared. Cites 55-witness.md (D). Not here: power failures (`journal`, `forks`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::process::{PATIENCE, Place, post};
use common::{Log, known_size_of};
use rustix::process::Signal;
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{SystemTime, UNIX_EPOCH};
use vitrine_spec::cosignature;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::note::parse_signatures;

const KILLS: u64 = 100;

/// A log that shows two sides, and who got cosignatures for which sizes of them.
struct Shown {
    sides: [Log; 2],
    cosigned: Mutex<Vec<(usize, usize)>>,
}

/// Grows one side until nobody answers; the answers are kept.
fn grow(shown: &Shown, side: usize, address: &str, keys: &[Vkey], answered: &Sender<()>) {
    let (log, mut old) = (&shown.sides[side], 0);
    while old < 60 {
        let new = old + 1 + (old + side) % 3;
        match post(address, &log.request(old, new)) {
            Some((200, lines)) => {
                let checkpoint = log.checkpoint(new);
                let lines = parse_signatures(lines.as_bytes()).unwrap();
                assert_eq!(lines.len(), keys.len());
                for (line, key) in lines.iter().zip(keys) {
                    cosignature::verify(key, &checkpoint, line).unwrap();
                }
                shown.cosigned.lock().unwrap().push((side, new));
                let _ = answered.send(());
                old = new;
            }
            Some((409, size)) => old = size.trim().parse().unwrap(),
            // The other side was first.
            Some((403 | 422, _)) | None => return,
            Some((status, text)) => panic!("{status}: {text}"),
        }
    }
}

#[test]
fn a_hundred_kills_under_load() {
    // [D-3] [D-5] [D-22] [W-8]
    let mut random = std::env::var("VITRINE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    println!("VITRINE_SEED={random}");
    let mut below = |bound: u64| {
        random = u64::wrapping_mul(random, 6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let place = Place::new();
    let init = place.init();
    let keys: Vec<Vkey> = init
        .lines()
        .filter_map(|line| line.strip_prefix("witness ")?.split(' ').nth(1))
        .map(|vkey| Vkey::parse(vkey).unwrap())
        .collect();
    assert_eq!(keys.len(), 2);
    let all: Vec<[Shown; 3]> = (0..KILLS)
        .map(|round| {
            [0, 1, 2].map(|number| {
                let log = Log::new(&format!("log.example/{round}/{number}"), &[KeyKind::Ed25519]);
                // The third one forks, from its first entry on.
                let other = if number == 2 { log.fork(0) } else { log.clone() };
                Shown { sides: [log, other], cosigned: Mutex::default() }
            })
        })
        .collect();
    let lines: String = all.iter().flatten().map(|shown| shown.sides[0].lines()).collect();
    fs::write(place.path("logs"), lines).unwrap();

    let mut answers = 0;
    for (round, logs) in all.iter().enumerate() {
        let running = place.serve(&["--cross-check-every", "0"]);
        std::thread::scope(|scope| {
            let (answered, answers) = channel();
            for shown in logs {
                for side in 0..2 {
                    let (address, keys, answered) = (&running.address, &keys, answered.clone());
                    scope.spawn(move || grow(shown, side, address, keys, &answered));
                }
            }
            drop(answered);
            // Somewhere in the middle of what the others have under way.
            for _ in 0..1 + below(40) {
                let _ = answers.recv_timeout(PATIENCE);
            }
            running.signal(Signal::KILL);
        });
        drop(running);
        let again = place.serve(&["--cross-check-every", "0"]);
        for shown in all.iter().take(round + 1).flatten().rev().take(6) {
            let cosigned = shown.cosigned.lock().unwrap();
            let sides: Vec<usize> = cosigned.iter().map(|(side, _)| *side).collect();
            let forks = shown.sides[0].root(1) != shown.sides[1].root(1);
            assert!(!forks || sides.windows(2).all(|pair| pair[0] == pair[1]), "two trees: {cosigned:?}");
            let largest = cosigned.iter().map(|(_, size)| *size).max().unwrap_or(0);
            let side = &shown.sides[sides.first().copied().unwrap_or(0)];
            match known_size_of(&again.post(&side.impossible())) {
                Some(known) => assert!(known >= largest as u64, "signed {largest}, remembered {known}"),
                None => assert!(forks, "only a log that forks is frozen"),
            }
            answers += 1;
        }
        assert_eq!(again.end(Signal::TERM), Some(0));
    }
    let cosigned: usize = all.iter().flatten().map(|shown| shown.cosigned.lock().unwrap().len()).sum();
    println!("{cosigned} cosignatures in {KILLS} lives, {answers} logs looked at after a kill");
    assert!(cosigned as u64 > KILLS, "the load was none");
}
