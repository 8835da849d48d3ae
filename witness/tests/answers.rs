//! Every answer of add-checkpoint and of the monitoring prefix, asked without a socket.
//!
//! Cites 50-policy-proof-witness.md (W) and 55-witness.md (D). Not here: HTTP (`http`), damage and faults (`journal`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Log, NOW, World, cosigned, keys, known_size, text};
use std::sync::Arc;
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::tree::TreeSize;
use vitrine_witness::logs::Logs;
use vitrine_witness::{OpenError, Witness};

/// A request made by hand.
fn old(old: usize, proof: Vec<Hash>, checkpoint: SignedCheckpoint) -> Vec<u8> {
    AddCheckpoint { old: TreeSize::new(old as u64), proof, checkpoint }.print()
}

#[test]
fn a_log_grows_and_each_checkpoint_gets_both_cosignatures() {
    // [W-8] [D-10]
    let log = Log::new("log.example/one", &[KeyKind::Ed25519, KeyKind::MlDsa44]);
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    for (old, size) in [(0, 0), (0, 5), (5, 5), (5, 20), (20, 21)] {
        let answer = witness.add_checkpoint(&log.request(old, size));
        assert_eq!(cosigned(&answer, &log.checkpoint(size)), NOW, "{old} to {size}");
        assert_eq!(answer.content_type, "text/plain; charset=utf-8");
        assert_eq!(known_size(&witness, &log), size as u64);
    }
}

#[test]
fn each_refusal_in_the_order_of_the_protocol() {
    // [W-1] [W-2] [W-3] [W-4] [W-5] [W-6] [W-7] [W-9] [W-11]
    let log = Log::ed("log.example/one");
    let stranger = Log::ed("log.example/two");
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    let status = |body: &[u8]| witness.add_checkpoint(body).status;

    assert_eq!(status(b"old 0\n"), 400);
    assert_eq!(status(&stranger.request(0, 5)), 404);
    // An unknown origin is 404 before a wrong signature is 403.
    let forged = |log: &Log| {
        String::from_utf8(log.request(0, 5)).unwrap().replace("log.example/one\n5\n", "log.example/one\n6\n")
    };
    assert_eq!(status(forged(&log).as_bytes()), 403);
    // Nobody learns a size without the log's signature: 403 also where 409 would follow.
    cosigned(&witness.add_checkpoint(&log.request(0, 5)), &log.checkpoint(5));
    assert_eq!(status(forged(&log).as_bytes()), 403);

    assert_eq!(status(&old(9, vec![], log.checkpoint(8))), 400);
    let stale = witness.add_checkpoint(&log.request(3, 8));
    assert_eq!((stale.status, stale.content_type, text(&stale).as_str()), (409, "text/x.tlog.size", "5\n"));
    assert_eq!(status(&log.request(0, 5)), 409);

    assert_eq!(status(&old(5, vec![], log.checkpoint(9))), 422);
    assert_eq!(status(&old(5, log.fork(3).proof(5, 9), log.checkpoint(9))), 422);
    let mut long = log.proof(5, 9);
    long.push(Hash::of(b"more"));
    assert_eq!(status(&old(5, long, log.checkpoint(9))), 422);
    assert_eq!(known_size(&witness, &log), 5);
    cosigned(&witness.add_checkpoint(&log.request(5, 9)), &log.checkpoint(9));
    // Of a log that showed another tree nothing more is compared.
    assert_eq!(status(&old(9, vec![], log.fork(3).checkpoint(9))), 422);
    assert_eq!(status(&old(9, vec![], log.checkpoint(8))), 403);
    assert_eq!(status(forged(&log).as_bytes()), 403);
    assert_eq!(status(b"old 0\n"), 400);
}

#[test]
fn from_nothing() {
    // [W-6] [W-7]
    let log = Log::ed("log.example/one");
    let witness = World::new(&[&log]).open().unwrap();
    assert_eq!(witness.add_checkpoint(&old(0, vec![Hash::of(b"x")], log.checkpoint(5))).status, 422);
    let answer = witness.add_checkpoint(&log.request(2, 5));
    assert_eq!((answer.status, text(&answer).as_str()), (409, "0\n"));
    assert_eq!(witness.add_checkpoint(&old(0, vec![], log.sign(0, Hash::of(b"x")))).status, 422);
}

#[test]
fn a_known_keys_bad_line_beside_a_good_one() {
    // [W-4]
    let log = Log::new("log.example/one", &[KeyKind::Ed25519, KeyKind::MlDsa44]);
    let witness = World::new(&[&log]).open().unwrap();
    let good = log.checkpoint(5);
    let other = log.checkpoint(6);
    for bad in 0..2 {
        let mut lines = good.signatures().to_vec();
        lines[bad] = other.signatures()[bad].clone();
        let mixed = SignedCheckpoint::new(good.checkpoint.clone(), lines).unwrap();
        assert_eq!(witness.add_checkpoint(&old(0, vec![], mixed)).status, 403);
    }
    for alone in 0..2 {
        let one = SignedCheckpoint::new(good.checkpoint.clone(), vec![good.signatures()[alone].clone()]).unwrap();
        let size = [0, 5][alone];
        cosigned(&witness.add_checkpoint(&old(size, vec![], one.clone())), &one);
    }
}

#[test]
fn the_monitoring_prefix_shows_what_was_answered() {
    // [W-10] [D-17]
    let log = Log::new("log.example/one", &[KeyKind::Ed25519, KeyKind::MlDsa44]);
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    assert_eq!(witness.checkpoint(&log.hash()).status, 404);
    // A line by a stranger is not served again, and not kept.
    let body = String::from_utf8(log.request(0, 5)).unwrap() + "— stranger AAAAAAA=\n";
    let answer = witness.add_checkpoint(body.as_bytes());
    cosigned(&answer, &log.checkpoint(5));
    let expected = log.checkpoint(5).print() + &text(&answer);
    let shown = witness.checkpoint(&log.hash());
    assert_eq!((shown.status, text(&shown)), (200, expected.clone()));
    let signed = SignedCheckpoint::parse(expected.as_bytes()).unwrap();
    let all: Vec<Vkey> = log.vkeys().into_iter().chain(keys().vkeys().iter().cloned()).collect();
    assert_eq!(signed.verify_log(&all).unwrap().len(), 4);
    // The same after a restart, and when the log is no longer on the list.
    drop(witness);
    let witness = World { logs: Log::ed("log.example/two").lines(), ..world.after_power_loss(0) }.open().unwrap();
    assert_eq!(text(&witness.checkpoint(&log.hash())), expected);
    assert_eq!(witness.add_checkpoint(&log.request(5, 6)).status, 404);
}

#[test]
fn the_same_checkpoint_in_the_same_second_is_written_once() {
    // [D-14]
    let log = Log::ed("log.example/one");
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    let first = witness.add_checkpoint(&log.request(0, 5));
    let steps = world.disk.steps();
    assert_eq!(witness.add_checkpoint(&log.request(5, 5)), first);
    assert_eq!(world.disk.steps(), steps);
    world.clock.set(NOW + 1);
    let later = witness.add_checkpoint(&log.request(5, 5));
    assert_eq!(cosigned(&later, &log.checkpoint(5)), NOW + 1);
    assert_eq!(world.disk.steps(), steps + 2);
    assert_eq!(text(&witness.checkpoint(&log.hash())), log.checkpoint(5).print() + &text(&later));
}

#[test]
fn the_clock_jumps() {
    // [D-11] [D-12] [D-13]
    let (log, other) = (Log::ed("log.example/one"), Log::ed("log.example/two"));
    let world = World::new(&[&log, &other]);
    let witness = world.open().unwrap();
    let ask = |witness: &Witness, log: &Log, old, size| witness.add_checkpoint(&log.request(old, size));
    assert_eq!(cosigned(&ask(&witness, &log, 0, 1), &log.checkpoint(1)), NOW);
    // A little behind: an origin's time never goes back, another origin's is the clock's.
    world.clock.set(NOW - 300);
    assert_eq!(cosigned(&ask(&witness, &log, 1, 2), &log.checkpoint(2)), NOW);
    assert_eq!(cosigned(&ask(&witness, &other, 0, 1), &other.checkpoint(1)), NOW - 300);
    // Too far behind: nothing is signed for anybody; refusals of the protocol come first.
    world.clock.set(NOW - 301);
    let refused = ask(&witness, &log, 2, 3);
    assert_eq!((refused.status, refused.retry_after_s), (503, Some(60)));
    assert!(text(&refused).contains("301 s behind"), "{}", text(&refused));
    assert_eq!(ask(&witness, &other, 1, 2).status, 503);
    assert_eq!(ask(&witness, &log, 0, 3).status, 409);
    assert!(witness.health().is_err());
    // It lasts as long as the clock is wrong, restarts included.
    drop(witness);
    let witness = world.open().unwrap();
    assert_eq!(ask(&witness, &log, 2, 3).status, 503);
    world.clock.set(NOW);
    assert_eq!(cosigned(&ask(&witness, &log, 2, 3), &log.checkpoint(3)), NOW);
    assert!(witness.health().is_ok());
    // One jump ahead must not silence a witness for ever.
    world.clock.set(NOW + 1_000_000);
    assert_eq!(cosigned(&ask(&witness, &log, 3, 4), &log.checkpoint(4)), NOW + 1_000_000);
    world.clock.set(NOW + 10);
    assert_eq!(ask(&witness, &log, 4, 5).status, 503);
    drop(witness);
    let mut setup = world.setup();
    setup.clock_was_wrong = true;
    let witness = Witness::open(setup).unwrap();
    assert_eq!(cosigned(&ask(&witness, &log, 4, 5), &log.checkpoint(5)), NOW + 10);
    // Accepted once and for good: the next start needs no flag, and a rewritten journal remembers.
    for _ in 0..2 {
        drop(world.open().unwrap());
    }
    let witness = world.open().unwrap();
    world.clock.set(NOW + 11);
    assert_eq!(cosigned(&ask(&witness, &other, 1, 2), &other.checkpoint(2)), NOW + 11);
    assert_eq!(cosigned(&ask(&witness, &log, 5, 6), &log.checkpoint(6)), NOW + 11);
}

#[test]
fn a_clock_at_nought_signs_nothing() {
    // [D-12]
    let log = Log::ed("log.example/one");
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    world.clock.set(0);
    assert_eq!(witness.add_checkpoint(&log.request(0, 5)).status, 503);
}

#[test]
fn sixteen_requests_for_one_origin_at_one_time() {
    // [W-8] [D-3]
    let log = Log::ed("log.example/one");
    let world = World::new(&[&log]);
    let witness = Arc::new(world.open().unwrap());
    for round in 0..3 {
        let from = round * 20;
        // All start from the same size, to sizes of their own: exactly one can win, the others are told its size.
        let requests: Vec<(usize, Vec<u8>)> =
            (from + 1..=from + 16).map(|size| (size, log.request(from, size))).collect();
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> =
                requests.iter().map(|(size, body)| (*size, scope.spawn(|| witness.add_checkpoint(body)))).collect();
            asking.into_iter().map(|(size, thread)| (size, thread.join().unwrap())).collect()
        });
        let won: Vec<usize> =
            answers.iter().filter(|(_, answer)| answer.status == 200).map(|(size, _)| *size).collect();
        assert_eq!(won.len(), 1, "{won:?}");
        for (size, answer) in answers.iter().filter(|(_, answer)| answer.status != 200) {
            assert_eq!((answer.status, text(answer)), (409, format!("{}\n", won[0])), "size {size}");
        }
        assert_eq!(known_size(&witness, &log), won[0] as u64);
        cosigned(&witness.add_checkpoint(&log.request(won[0], from + 20)), &log.checkpoint(from + 20));
    }
}

#[test]
fn many_origins_share_syncs_and_each_gets_its_own_lines() {
    // [D-3]
    let logs: Vec<Log> = (0..40).map(|number| Log::ed(&format!("log.example/{number}"))).collect();
    let world = World::new(&logs.iter().collect::<Vec<_>>());
    let witness = world.open().unwrap();
    std::thread::scope(|scope| {
        for log in &logs {
            let witness = &witness;
            scope.spawn(move || cosigned(&witness.add_checkpoint(&log.request(0, 7)), &log.checkpoint(7)));
        }
    });
    assert_eq!(witness.origins(), 40);
    drop(witness);
    let witness = world.after_power_loss(0).open().unwrap();
    for log in &logs {
        assert_eq!(known_size(&witness, log), 7);
    }
}

#[test]
fn lists_of_logs_are_replaced_and_never_name_the_witness() {
    // [D-15]
    let (log, other) = (Log::ed("log.example/one"), Log::ed("log.example/two"));
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    cosigned(&witness.add_checkpoint(&log.request(0, 5)), &log.checkpoint(5));
    assert_eq!(witness.add_checkpoint(&other.request(0, 5)).status, 404);
    witness.set_logs(Logs::parse(other.lines().as_bytes()).unwrap()).unwrap();
    assert_eq!(witness.add_checkpoint(&log.request(5, 6)).status, 404);
    cosigned(&witness.add_checkpoint(&other.request(0, 5)), &other.checkpoint(5));
    // Back on the list, it goes on where it was.
    witness.set_logs(Logs::parse((log.lines() + &other.lines()).as_bytes()).unwrap()).unwrap();
    assert_eq!(witness.add_checkpoint(&log.request(0, 6)).status, 409);
    cosigned(&witness.add_checkpoint(&log.request(5, 6)), &log.checkpoint(6));

    let own = Vkey::new("log.example/own", KeyKind::MlDsa44, keys().vkeys()[1].public()).unwrap();
    let list = || Logs::parse(format!("log {own}\n").as_bytes()).unwrap();
    assert!(matches!(witness.set_logs(list()), Err(OpenError::OwnLog)));
    let mut setup = World::new(&[]).setup();
    setup.logs = list();
    assert!(matches!(Witness::open(setup), Err(OpenError::OwnLog)));
}
