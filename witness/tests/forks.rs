//! Logs that show two trees: frozen, in doubt, settled (50-policy-proof-witness.md, 55-witness.md).
//!
//! Asked without a socket. Not here: how the other tree is found (`crosscheck`), whether evidence holds (`vitrine_spec`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Fate, Log, NOW, World, cosigned, known_size, text};
use std::sync::Arc;
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::checkpoint::{Origin, SignedCheckpoint};
use vitrine_spec::evidence::{Compared, Evidence, compare};
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;
use vitrine_witness::Witness;
use vitrine_witness::limits::DOUBT_S;
use vitrine_witness::round::{Finding, Found};

const ORIGIN: &str = "log.example/one";

fn ask(witness: &Witness, old: usize, proof: Vec<Hash>, checkpoint: SignedCheckpoint) -> u16 {
    let body = AddCheckpoint { old: TreeSize::new(old as u64), proof, checkpoint };
    witness.add_checkpoint(&body.print()).status
}

fn tell(witness: &Witness, finding: Finding) {
    witness.tell(Found { origin: Origin::new(ORIGIN).unwrap(), logs: witness.logs(), finding });
}

/// A witness that has cosigned these sizes.
fn grown(log: &Log, sizes: &[usize]) -> (World, Witness) {
    let world = World::new(&[log]);
    let witness = world.open().unwrap();
    let mut old = 0;
    for size in sizes {
        cosigned(&witness.add_checkpoint(&log.request(old, *size)), &log.checkpoint(*size));
        old = *size;
    }
    (world, witness)
}

/// Frozen, with evidence that convinces whoever has the log's key alone.
fn assert_frozen(witness: &Witness, log: &Log, sizes: (u64, u64)) {
    let refused = witness.add_checkpoint(&log.request(5, 20));
    assert_eq!(refused.status, 403, "{}", text(&refused));
    assert!(text(&refused).contains(&format!("{}/evidence", log.hash().hex())), "{}", text(&refused));
    let file = witness.evidence(&log.hash());
    assert_eq!(file.status, 200);
    let forked = Evidence::parse(&file.body).unwrap().verify(&log.vkeys()).unwrap();
    assert_eq!((forked.first.0.get(), forked.second.0.get()), sizes);
    assert_eq!(forked.origin.as_str(), ORIGIN);
    assert_eq!(witness.frozen(), [log.hash()]);
}

fn assert_open(witness: &Witness, log: &Log) {
    assert!(!witness.standing(&log.hash()).frozen);
    assert_eq!(witness.evidence(&log.hash()).status, 404);
}

#[test]
fn another_root_at_the_same_size_freezes_the_log() {
    // [W-7] [W-11] [D-22] [D-24]
    let (world, witness) = grown(&Log::ed(ORIGIN), &[5]);
    let log = Log::ed(ORIGIN);
    assert_open(&witness, &log);
    assert_eq!(ask(&witness, 5, vec![], log.fork(3).checkpoint(5)), 422);
    assert_frozen(&witness, &log, (5, 5));
    // What was cosigned is still shown, and a start changes nothing.
    assert_eq!(witness.checkpoint(&log.hash()).status, 200);
    drop(witness);
    for world in [world.after_kill(), world.after_power_loss(0)] {
        assert_frozen(&world.open().unwrap(), &log, (5, 5));
    }
}

#[test]
fn another_root_at_an_earlier_size_freezes_the_log_though_the_request_is_stale() {
    // [D-21] [D-22]
    let log = Log::ed(ORIGIN);
    let (_, witness) = grown(&log, &[5, 9, 12]);
    assert_eq!(ask(&witness, 0, vec![], log.checkpoint(9)), 409);
    assert_open(&witness, &log);
    assert_eq!(ask(&witness, 0, vec![], log.fork(3).checkpoint(8)), 409);
    assert_open(&witness, &log);
    assert_eq!(ask(&witness, 0, vec![], log.fork(3).checkpoint(9)), 409);
    assert_frozen(&witness, &log, (9, 9));
}

#[test]
fn a_proof_that_leads_from_another_tree_freezes_the_log() {
    // [D-22]: the smaller size is no power of two, so the proof has both roots.
    let log = Log::ed(ORIGIN);
    let (_, witness) = grown(&log, &[5]);
    let fork = log.fork(3);
    assert_eq!(ask(&witness, 5, fork.proof(5, 9), log.checkpoint(9)), 422, "it leads nowhere");
    assert_open(&witness, &log);
    assert_eq!(witness.add_checkpoint(&fork.request(5, 9)).status, 422);
    assert_frozen(&witness, &log, (5, 9));
    let (_, witness) = grown(&log, &[4]);
    assert_eq!(witness.add_checkpoint(&fork.request(4, 9)).status, 422);
    assert_open(&witness, &log);
}

#[test]
fn an_empty_tree_with_another_root_is_evidence_alone() {
    // [W-7] [D-22]
    let log = Log::ed(ORIGIN);
    let (_, witness) = grown(&log, &[]);
    assert_eq!(ask(&witness, 0, vec![], log.sign(0, Hash::of(b"another"))), 422);
    assert_frozen(&witness, &log, (0, 0));
}

#[test]
fn two_of_one_round_are_compared_too() {
    // [D-3] [D-22]
    let log = Log::ed(ORIGIN);
    let world = World::new(&[&log]);
    let witness = Arc::new(world.open().unwrap());
    let bodies: Vec<Vec<u8>> =
        (0..16).map(|at| [log.request(0, 9), log.fork(3).request(0, 9)][at % 2].clone()).collect();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = bodies.iter().map(|body| scope.spawn(|| witness.add_checkpoint(body).status)).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sides: Vec<bool> = [0, 1].map(|side| answers.iter().skip(side).step_by(2).any(|status| *status == 200)).into();
    assert_eq!(sides.iter().filter(|signed| **signed).count(), 1, "{answers:?}");
    assert_frozen(&witness, &log, (9, 9));
}

#[test]
fn evidence_of_others_counts_when_it_verifies_under_the_keys_trusted_now() {
    // [D-22]
    let log = Log::ed(ORIGIN);
    let Ok(Compared::Forked(evidence)) = compare(&log.checkpoint(7), &log.fork(3).checkpoint(7)) else { panic!() };
    let (_, witness) = grown(&log, &[5]);
    let stranger = Log::new(ORIGIN, &[vitrine_spec::key::KeyKind::MlDsa44]);
    let strange = Found {
        origin: Origin::new(ORIGIN).unwrap(),
        logs: Arc::new(vitrine_witness::logs::Logs::parse(stranger.lines().as_bytes()).unwrap()),
        finding: Finding::Fork(*evidence.clone()),
    };
    witness.tell(strange);
    assert_open(&witness, &log);
    tell(&witness, Finding::Fork(*evidence.clone()));
    assert_frozen(&witness, &log, (7, 7));
    // Of a log of which nothing was cosigned, too.
    let (_, witness) = grown(&log, &[]);
    tell(&witness, Finding::Fork(*evidence));
    assert_frozen(&witness, &log, (7, 7));
}

#[test]
fn a_note_that_is_not_reconciled_ends_cosigning_after_a_while() {
    // [D-23] [D-24]
    let log = Log::ed(ORIGIN);
    let (world, witness) = grown(&log, &[5]);
    let other = log.fork(3).checkpoint(11);
    tell(&witness, Finding::Doubt(other.clone()));
    let doubt = witness.standing(&log.hash()).doubt.unwrap();
    assert_eq!((doubt.since, doubt.noted.size.get()), (NOW, 11));
    world.clock.set(NOW + DOUBT_S - 1);
    cosigned(&witness.add_checkpoint(&log.request(5, 6)), &log.checkpoint(6));
    // A second one waits for its turn, and the first one's time goes on.
    tell(&witness, Finding::Doubt(log.fork(3).checkpoint(12)));
    world.clock.set(NOW + DOUBT_S);
    let answer = witness.add_checkpoint(&log.request(6, 7));
    assert_eq!((answer.status, answer.retry_after_s), (503, Some(10)), "{}", text(&answer));
    assert!(text(&answer).contains("size 11"), "{}", text(&answer));
    assert_eq!(known_size(&witness, &log), 6, "refusals of the protocol come before");
    let both = witness.unreconciled(&log.hash());
    assert_eq!((both.status, text(&both)), (200, format!("{}\n{}", log.checkpoint(6).print(), other.print())));
    drop(witness);
    let witness = world.after_power_loss(0).open().unwrap();
    assert_eq!(witness.add_checkpoint(&log.request(6, 7)).status, 503);
    tell(&witness, Finding::Settled { size: TreeSize::new(11), root: log.root(11) });
    assert_eq!(witness.add_checkpoint(&log.request(6, 7)).status, 503, "another tree is no answer");
    tell(&witness, Finding::Settled { size: TreeSize::new(11), root: *other.root() });
    cosigned(&witness.add_checkpoint(&log.request(6, 7)), &log.checkpoint(7));
    assert_eq!(witness.unreconciled(&log.hash()).status, 404);
}

#[test]
fn a_doubt_is_settled_by_a_proof_for_that_very_note_and_turned_into_evidence_by_another_root() {
    // [D-22] [D-23]
    let log = Log::ed(ORIGIN);
    for (other, settled) in [(log.clone(), true), (log.fork(3), false)] {
        let (world, witness) = grown(&log, &[5]);
        tell(&witness, Finding::Doubt(other.checkpoint(12)));
        world.clock.set(NOW + 2 * DOUBT_S);
        assert_eq!(witness.add_checkpoint(&log.request(5, 9)).status, 503);
        let answer = witness.add_checkpoint(&log.request(5, 12));
        if settled {
            cosigned(&answer, &log.checkpoint(12));
            assert_eq!(witness.standing(&log.hash()).doubt, None);
            cosigned(&witness.add_checkpoint(&log.request(12, 13)), &log.checkpoint(13));
        } else {
            assert_eq!(answer.status, 403, "{}", text(&answer));
            assert_frozen(&witness, &log, (12, 12));
        }
    }
}

#[test]
fn a_note_that_is_known_is_no_doubt() {
    // [D-23]
    let log = Log::ed(ORIGIN);
    let (_, witness) = grown(&log, &[5, 9]);
    for size in [5, 9] {
        tell(&witness, Finding::Doubt(log.checkpoint(size)));
        assert_eq!(witness.standing(&log.hash()).doubt, None);
    }
    tell(&witness, Finding::Doubt(log.fork(3).checkpoint(5)));
    assert_frozen(&witness, &log, (5, 5));
}

#[test]
fn no_refusal_leaves_before_its_evidence_is_durable() {
    // [D-3] [D-22]
    let log = Log::ed(ORIGIN);
    for fate in [Fate::Lost, Fate::Kept, Fate::Half, Fate::PowerAfter] {
        for step in 0.. {
            let (world, witness) = grown(&log, &[5]);
            world.disk.plan(step, fate);
            let status = ask(&witness, 5, vec![], log.fork(3).checkpoint(5));
            drop(witness);
            let fired = world.disk.fired();
            let frozen = world.after_power_loss(0).open().unwrap().standing(&log.hash()).frozen;
            assert!(frozen || status == 503, "{fate:?} at step {step}: answered {status}, and forgotten");
            if !fired {
                assert_eq!((status, frozen, step > 1), (422, true, true));
                break;
            }
        }
    }
}
