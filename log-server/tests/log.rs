//! The log on a real folder: limits, times, locks, and the thread that settles (spec/docs/85-log.md).
//!
//! Leaves are opaque here. Faults are in the tests crate, on a simulated disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use vitrine_log_server::batch::Item;
use vitrine_log_server::init::{InitError, begin};
use vitrine_log_server::keys::LogKeys;
use vitrine_log_server::limits::{COSIGNATURES_MAX, STAGES_MAX, UNSYNCED_MAX};
use vitrine_log_server::log::{Fatal, Log};
use vitrine_log_server::open::{OpenError, claim};
use vitrine_log_server::store::{Files, OsDisk, Store};
use vitrine_log_server::time::Time;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::note::Signature;
use vitrine_spec::proof::{verify_consistency, verify_inclusion};
use vitrine_spec::tree::{LeafIndex, TreeSize};

const START: Time = Time::new(1_795_276_800);

fn keys() -> Arc<LogKeys> {
    let seed = |name, kind, byte| Seed::new(name, kind, [byte; 32]).unwrap();
    let ed25519 = seed("example.org/log", KeyKind::Ed25519, 1);
    let mldsa = seed("example.org/log", KeyKind::MlDsa44, 2);
    Arc::new(LogKeys::from_seeds(&ed25519, &mldsa, seed("vault.example.org", KeyKind::Ed25519, 3)).unwrap())
}

fn store(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Files::new(OsDisk::create(folder).unwrap()))
}

fn open(folder: &Path) -> Result<Log, OpenError> {
    Log::open(store(folder), keys(), START, &|_| ())
}

fn begun(folder: &Path) -> Log {
    begin(&*store(folder), &keys(), b"charter".to_vec(), START).unwrap();
    open(folder).unwrap()
}

fn items(from: u64, count: u64) -> Vec<Item> {
    (from..from + count).map(|n| Item::of_leaf(format!("entry {n}").into_bytes())).collect()
}

fn cosignatures(log: &Log, count: usize) -> Vec<Signature> {
    let signed = SignedCheckpoint::parse(&log.head().note).unwrap();
    let line = |n: usize| {
        let witness = Seed::new(&format!("w{n}.example"), KeyKind::Cosign, [n as u8; 32]).unwrap();
        let message = cosignature::ed25519_message(signed.text(), START.get());
        let signature = witness.sign_ed25519(&message).unwrap();
        Signature::by(&witness.vkey(), cosignature::encode(START.get(), &signature)).unwrap()
    };
    (0..count).map(line).collect()
}

#[test]
fn a_checkpoint_carries_the_logs_lines_first_and_at_most_sixteen() {
    // [S-9]
    let folder = tempfile::tempdir().unwrap();
    let mut log = begun(folder.path());
    log.begin(&items(1, 2), START).unwrap();
    let lines = cosignatures(&log, COSIGNATURES_MAX);
    let published = log.publish(&lines, START).unwrap();
    let signed = SignedCheckpoint::parse(&published.note).unwrap();
    assert_eq!(signed.signatures().len(), 16);
    assert_eq!(signed.signatures()[2..], lines[..]);
    assert_eq!(signed.verify_log(&keys().log_vkeys()).unwrap().len(), 2);
    assert_eq!(std::fs::read(folder.path().join("checkpoint")).unwrap(), published.note);
    // The hour's first one is kept as it was, late lines or not.
    let kept = log.reader().kept(START).unwrap().unwrap();
    assert_eq!(kept, published.note);
    log.publish(&lines[..3], START).unwrap();
    assert_eq!(log.reader().kept(START).unwrap().unwrap(), kept);
    let error = log.publish(&cosignatures(&log, COSIGNATURES_MAX + 1), START).unwrap_err();
    assert!(matches!(error, Fatal::Cosignatures { got: 15 }), "{error}");
    assert!(matches!(log.begin(&[], START).unwrap_err(), Fatal::Poisoned(_)));
}

#[test]
fn a_signed_time_never_goes_back() {
    // [S-19]
    let folder = tempfile::tempdir().unwrap();
    let mut log = begun(folder.path());
    assert_eq!(log.last_signed(), START);
    log.begin(&items(1, 1), START.plus(500)).unwrap();
    log.begin(&[], START).unwrap();
    assert_eq!(log.last_signed(), START.plus(500));
    drop(log);
    let mut log = open(folder.path()).unwrap();
    assert_eq!(log.last_signed(), START.plus(500), "read from the head");
    log.begin(&items(2, 1), START.plus(7)).unwrap();
    assert_eq!(log.last_signed(), START.plus(500));
    let line = SignedCheckpoint::parse(&log.head().note).unwrap().signatures()[1].clone();
    assert_eq!(cosignature::decode(KeyKind::MlDsa44, &line.bytes).unwrap().0, START.plus(500).get());
    // The hour of a kept checkpoint does not go back either.
    log.publish(&[], START.plus(7)).unwrap();
    assert!(log.reader().kept(START.plus(500)).unwrap().is_some());
}

#[test]
fn what_waits_for_a_sync_is_bounded() {
    // [S-5]
    let folder = tempfile::tempdir().unwrap();
    let mut log = begun(folder.path());
    let stages = || std::fs::read_dir(folder.path().join("stage")).unwrap().count();
    let mut most = 0;
    for n in 0..3 * STAGES_MAX as u64 {
        log.begin(&items(1 + n, 1), START).unwrap();
        most = most.max(stages());
    }
    assert_eq!(most, STAGES_MAX);
    log.begin(&items(100, 16_384), START).unwrap();
    log.begin(&items(16_484, 16_384), START).unwrap();
    log.begin(&items(32_868, 16_384), START).unwrap();
    let objects = 3 * (16_384 / 256) * 2;
    assert!(objects < UNSYNCED_MAX && stages() >= 2, "{} stages", stages());
    log.begin(&items(49_252, 16_384), START).unwrap();
    assert_eq!(stages(), 1, "the fourth large batch waited for the others");
    log.close().unwrap();
    assert_eq!(stages(), 0);
}

#[test]
fn the_thread_settles_and_proofs_verify() {
    // [S-5]
    let folder = tempfile::tempdir().unwrap();
    let mut log = begun(folder.path());
    let thread = log.settler().start(|fatal| panic!("{fatal}")).unwrap();
    let mut size = 1;
    let mut heads = vec![(log.head().size, log.head().root)];
    for count in [1, 255, 3, 700, 65] {
        log.begin(&items(size, count), START).unwrap();
        log.publish(&[], START).unwrap();
        size += count;
        heads.push((log.head().size, log.head().root));
    }
    drop(thread);
    assert_eq!(std::fs::read_dir(folder.path().join("stage")).unwrap().count(), 0, "the thread finished its work");
    drop(log);
    let log = open(folder.path()).unwrap();
    let (to, root) = *heads.last().unwrap();
    let reader = log.reader();
    for (from, from_root) in &heads {
        let proof = reader.consistency(*from, to).unwrap();
        verify_consistency(*from, from_root, to, &root, &proof).unwrap();
    }
    for index in [0, 1, 255, 256, 1_000, to.get() - 1].map(LeafIndex::new) {
        let leaf = reader.entry(index, to).unwrap();
        verify_inclusion(&leaf_hash(&leaf), index, to, &reader.inclusion(index, to).unwrap(), &root).unwrap();
    }
    assert!(reader.entry(LeafIndex::new(to.get()), to).is_err());
    assert!(reader.consistency(to, TreeSize::new(to.get() + 1)).is_err());
}

#[test]
fn a_folder_belongs_to_one_machine_until_a_person_says_otherwise() {
    // [S-10]
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let say = |machine, take_over| claim(&*store, machine, take_over).unwrap().keep(&*store).unwrap();
    say(None, false);
    say(Some("aa"), false);
    say(Some("aa"), false);
    let error = claim(&*store, Some("bb"), false).unwrap_err();
    assert!(error.to_string().contains("--take-over") && error.to_string().contains("(it says aa, "), "{error}");
    let taken = claim(&*store, Some("bb"), true).unwrap();
    assert!(claim(&*store, Some("bb"), false).is_err(), "nothing is said before the guard has passed");
    taken.keep(&*store).unwrap();
    say(Some("bb"), false);
    assert!(claim(&*store, Some("aa"), false).is_err());
}

#[test]
fn what_is_no_log_or_another_log_is_refused() {
    // [S-11] [S-12] [S-17]
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Empty { .. })));
    drop(begun(folder.path()));
    let again = begin(&*store(folder.path()), &keys(), b"charter".to_vec(), START).unwrap_err();
    assert!(matches!(again, InitError::Begun { .. }), "{again}");

    let other = |name: &str, byte| {
        let seed = |kind, byte| Seed::new(name, kind, [byte; 32]).unwrap();
        let vault = Seed::new("vault.example.org", KeyKind::Ed25519, [3; 32]).unwrap();
        Arc::new(LogKeys::from_seeds(&seed(KeyKind::Ed25519, byte), &seed(KeyKind::MlDsa44, 2), vault).unwrap())
    };
    let open_with = |keys| Log::open(store(folder.path()), keys, START, &|_| ()).err().unwrap();
    assert!(matches!(open_with(other("example.org/other", 1)), OpenError::Origin { .. }));
    assert!(matches!(open_with(other("example.org/log", 9)), OpenError::Signature { .. }));

    let strange = tempfile::tempdir().unwrap();
    std::fs::write(strange.path().join("notes.txt"), "mine").unwrap();
    let error = begin(&*store(strange.path()), &keys(), b"charter".to_vec(), START).unwrap_err();
    assert!(matches!(error, InitError::NotEmpty { .. }), "{error}");
    assert_eq!(std::fs::read_dir(strange.path()).unwrap().count(), 1, "nothing was changed");
}
