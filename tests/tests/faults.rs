//! Every write, sync, rename and deletion fails in turn, both ways, and power is lost after each (spec/docs/85-log.md).
//!
//! A world is a simulated disk and everything that anybody outside ever saw: released notes, acknowledged entries, kept
//! checkpoints, erased records. Whatever happens at one step, the next open must agree with all of it. Leaves are opaque
//! here: the log does not look into them, and the test says which are erasures. Each table runs for a log without sealed
//! records and for one with them. Not here: the index and admission (`vitrine_log_server`), servers killed by signal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "faults/disk.rs"]
mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use vitrine_log_server::batch::Item;
use vitrine_log_server::init::begin;
use vitrine_log_server::keys::LogKeys;
use vitrine_log_server::log::{Fatal, Log};
use vitrine_log_server::open::OpenError;
use vitrine_log_server::reader::ReadError;
use vitrine_log_server::store::{Files, Store};
use vitrine_log_server::time::Time;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::tiles::BundleId;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use disk::{Dice, Fate, Loss, SimDisk};

/// 2026-11-21T15:59:30Z: half a minute before a new hour.
const START: Time = Time::new(1_795_276_770);
const FATES: [Fate; 7] = [
    Fate::Lost,
    Fate::Kept,
    Fate::Power(Loss::All),
    Fate::Power(Loss::Bytes),
    Fate::Power(Loss::Some(1)),
    Fate::Power(Loss::Some(2)),
    Fate::Power(Loss::Some(3)),
];
const LOSSES: [Loss; 4] = [Loss::All, Loss::Bytes, Loss::Some(4), Loss::Some(5)];

type Root = [u8; 32];
type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);

#[derive(Clone)]
struct World {
    disk: SimDisk,
    keys: Arc<LogKeys>,
    now: Time,
    /// Entries made so far, so that no two are equal.
    made: u64,
    /// Roots of every note that left the machine, by size: two of one size would be a fork.
    released: BTreeMap<u64, Root>,
    /// Entries whose submitters were told their index.
    acknowledged: BTreeMap<u64, Vec<u8>>,
    /// Kept checkpoints that a reader may have seen.
    kept: BTreeMap<String, Vec<u8>>,
    /// The log holds sealed records, and erasures of them.
    sealed: bool,
    /// Entries whose records were erased: somebody was told so.
    erased: BTreeSet<u64>,
    /// Entries whose records are to be erased after the next publication.
    due: BTreeSet<LeafIndex>,
}

/// The sealed record of entry number `made`: two of three have one.
fn record(made: u64) -> Option<Vec<u8>> {
    let repeated = usize::try_from(made % 5 + 1).unwrap();
    (!made.is_multiple_of(3)).then(|| format!("sealed record {made};").repeat(repeated).into_bytes())
}

/// The record that belongs to a leaf, when it is an entry with one.
fn record_of(leaf: &[u8]) -> Option<Vec<u8>> {
    let number = std::str::from_utf8(leaf).unwrap().strip_prefix("entry ")?;
    record(number.parse().unwrap())
}

/// The entries whose records a leaf erases.
fn targets(leaf: &[u8]) -> Vec<u64> {
    let named = std::str::from_utf8(leaf).unwrap().strip_prefix("erase ");
    named.into_iter().flat_map(|named| named.split(' ')).map(|index| index.parse().unwrap()).collect()
}

impl World {
    /// A log with a charter, published at size 1; it may hold sealed records.
    fn new(sealed: bool) -> World {
        let seed = |name, kind, byte| Seed::new(name, kind, [byte; 32]).unwrap();
        let keys = LogKeys::from_seeds(
            &seed("example.org/log", KeyKind::Ed25519, 1),
            &seed("example.org/log", KeyKind::MlDsa44, 2),
            seed("vault.example.org", KeyKind::Ed25519, 3),
        );
        let mut world = World {
            disk: SimDisk::new(),
            keys: Arc::new(keys.unwrap()),
            now: START,
            made: 0,
            released: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            kept: BTreeMap::new(),
            sealed,
            erased: BTreeSet::new(),
            due: BTreeSet::new(),
        };
        begin(&Files::new(world.disk.clone()), &world.keys, b"charter".to_vec(), world.now).unwrap();
        let mut log = world.open().unwrap();
        world.publish(&mut log).unwrap();
        log.close().unwrap();
        world
    }

    /// The same world on a disk of its own.
    fn copy(&self) -> World {
        World { disk: self.disk.copy(), ..self.clone() }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Files::new(self.disk.clone()))
    }

    /// Opens, as a server does: published erasures are repeated. From then on readers see what is published.
    fn open(&mut self) -> Result<Log, OpenError> {
        let mut log = Log::open(self.store(), Arc::clone(&self.keys), self.now, &|_| ())?;
        self.release(&log.published().note);
        self.see_kept();
        if self.sealed {
            // Without power nothing is read either.
            let all = leaves(&log, log.head().size).map_err(|error| match error {
                ReadError::Store(error) => error,
                other => panic!("{other}"),
            })?;
            let published = usize::try_from(log.published().size.get()).unwrap();
            let named = |leaves: &[Vec<u8>]| leaves.iter().flat_map(|leaf| targets(leaf)).map(LeafIndex::new).collect();
            self.due = named(&all[..published]);
            self.erase(&mut log)?;
            // What nobody has published yet is carried out when it is.
            self.due = named(&all[published..]);
        }
        Ok(log)
    }

    /// Carries out the published erasures that are due.
    fn erase(&mut self, log: &mut Log) -> Result<(), Fatal> {
        while !self.due.is_empty() {
            let erased = log.erase_next(&mut self.due)?;
            assert!(erased.missing.is_empty() && erased.damaged.is_none(), "{erased:?}");
            self.erased.extend(erased.done.iter().map(|index| index.get()));
        }
        Ok(())
    }

    /// A note leaves the machine.
    fn release(&mut self, note: &[u8]) {
        let signed = SignedCheckpoint::parse(note).unwrap();
        let (size, root) = (signed.size().get(), *signed.root().as_bytes());
        let before = *self.released.entry(size).or_insert(root);
        assert_eq!(before, root, "two released notes of size {size}");
    }

    fn see_kept(&mut self) {
        let files = self.disk.files();
        let seen = files.into_iter().filter(|(path, _)| path.starts_with("kept/"));
        for (path, bytes) in seen {
            let before = self.kept.entry(path.clone()).or_insert_with(|| bytes.clone());
            assert_eq!(*before, bytes, "{path} changed");
        }
    }

    fn entries(&mut self, count: u64) -> Vec<Item> {
        self.made += count;
        let item = |n| Item { leaf: format!("entry {n}").into_bytes(), record: record(n).filter(|_| self.sealed) };
        (self.made - count..self.made).map(item).collect()
    }

    /// The witnesses see the head, then it is published.
    fn publish(&mut self, log: &mut Log) -> Result<(), Fatal> {
        self.release(&log.head().note.clone());
        let published = log.publish(&[], self.now)?;
        self.release(&published.note);
        self.see_kept();
        Ok(())
    }

    /// One batch from the pool to the answers.
    fn batch(&mut self, log: &mut Log, count: u64) -> Result<(), Fatal> {
        let items = self.entries(count);
        self.add(log, items)
    }

    /// One batch of these entries, and then what it erases.
    fn add(&mut self, log: &mut Log, items: Vec<Item>) -> Result<(), Fatal> {
        self.acknowledge(log, items)?;
        self.erase(log)
    }

    /// One batch of these entries up to the answers.
    fn acknowledge(&mut self, log: &mut Log, items: Vec<Item>) -> Result<(), Fatal> {
        let first = log.size().get();
        log.begin(&items, self.now)?;
        self.publish(log)?;
        self.due.extend(items.iter().flat_map(|item| targets(&item.leaf)).map(LeafIndex::new));
        self.acknowledged.extend((first..).zip(items.into_iter().map(|item| item.leaf)));
        Ok(())
    }

    /// What the fault table of a batch runs: three batches in two hours and an idle signature, with the background work
    /// in between. They fill a tile, so that full and partial objects and new folders are written. In the second one are
    /// erasures of records in the first and in itself, and the third one erases one of them again.
    fn work(&mut self, log: &mut Log) -> Result<(), Fatal> {
        self.batch(log, 254)?;
        self.now = self.now.plus(60);
        let mut items = self.entries(3);
        if self.sealed {
            items.extend(["erase 2 6 255", "erase 9"].map(|leaf| Item::of_leaf(leaf.into())));
        }
        self.add(log, items)?;
        log.settler().work()?;
        log.begin(&[], self.now)?;
        self.publish(log)?;
        self.now = self.now.plus(3_600);
        let mut items = self.entries(1);
        if self.sealed {
            items.push(Item::of_leaf(b"erase 6".to_vec()));
        }
        self.add(log, items)?;
        log.settler().work()
    }

    fn texts(&self) -> BTreeMap<String, String> {
        let files = self.disk.files().into_iter();
        files.map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned())).collect()
    }

    /// No file holds a record that somebody was told is erased.
    fn check_erased(&self, case: &str) {
        // Records are ASCII, and searching text is fast.
        let files: BTreeMap<String, String> = if self.erased.is_empty() { BTreeMap::new() } else { self.texts() };
        for index in &self.erased {
            // Nobody can have learned the index of an entry that was not acknowledged.
            let Some(record) = self.acknowledged.get(index).and_then(|leaf| record_of(leaf)) else { continue };
            let record = String::from_utf8(record).unwrap();
            for (path, text) in &files {
                assert!(!text.contains(&record), "{case}: the erased record of entry {index} is back in {path}");
            }
        }
    }

    /// Every entry of the log that should have a sealed record has it, or zeros when a published erasure names it.
    fn check_records(&mut self, case: &str, log: &Log, all: &[Vec<u8>]) {
        let records: BTreeMap<u64, Vec<u8>> = log
            .reader()
            .records(LeafIndex::new(0), log.head().size)
            .map(|record| record.unwrap_or_else(|error| panic!("{case}: {error}")))
            .collect();
        let published = usize::try_from(log.published().size.get()).unwrap();
        let erased: BTreeSet<u64> = all[..published].iter().flat_map(|leaf| targets(leaf)).collect();
        let want: BTreeMap<u64, Vec<u8>> = (0..)
            .zip(all)
            .filter_map(|(index, leaf)| Some((index, record_of(leaf).filter(|_| self.sealed)?)))
            .map(|(index, record)| (index, if erased.contains(&index) { vec![0; record.len()] } else { record }))
            .collect();
        assert!(records == want, "{case}: records of {:?}, not {:?}", records.keys(), want.keys());
        assert!(erased.is_superset(&self.erased), "{case}: {:?} were erased, {erased:?} are named", self.erased);
        self.erased = erased;
        self.check_erased(case);
    }

    /// Opens and compares with everything that was ever seen outside.
    fn check(&mut self, case: &str) -> Log {
        self.check_erased(&format!("{case}, before open"));
        let log = self.open().unwrap_or_else(|error| panic!("{case}: does not open: {error}"));
        let reader = log.reader();
        let leaves = leaves(&log, log.head().size).unwrap_or_else(|error| panic!("{case}: {error}"));
        self.check_records(case, &log, &leaves);
        let hashes: Vec<Root> = leaves.iter().map(|leaf| oracle_leaf(leaf)).collect();
        assert_eq!(*log.head().root.as_bytes(), oracle_root(&hashes), "{case}: tiles and bundles give the head");
        for (size, root) in &self.released {
            assert!(*size <= log.head().size.get(), "{case}: a released note of size {size} is gone");
            let seen = &hashes[..usize::try_from(*size).unwrap()];
            assert_eq!(oracle_root(seen), *root, "{case}: the released note of size {size} is of another tree");
            let by_tiles = reader.root(TreeSize::new(*size)).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(by_tiles.as_bytes(), root, "{case}: tiles of size {size}");
        }
        for (index, leaf) in &self.acknowledged {
            let got = leaves.get(usize::try_from(*index).unwrap());
            assert_eq!(got, Some(leaf), "{case}: acknowledged entry {index}");
        }
        let files = self.disk.files();
        for (path, bytes) in &self.kept {
            assert_eq!(files.get(path), Some(bytes), "{case}: {path}");
        }
        let left: Vec<&String> =
            files.keys().filter(|path| path.starts_with("tmp/") || path.starts_with("stage/")).collect();
        assert!(left.is_empty(), "{case}: {left:?} after open");
        log
    }

    /// After a fault: opens, lets the note leave, loses power at once, opens again, goes on. Each time everything holds.
    fn check_and_go_on(&mut self, case: &str, losses: &[Loss]) {
        self.disk.restart();
        let mut log = self.check(case);
        self.release(&log.head().note.clone());
        for loss in losses {
            let mut other = self.copy();
            other.disk.lose_power(*loss);
            other.check(&format!("{case}, opened, then power lost ({loss:?})"));
        }
        self.now = self.now.plus(1);
        self.batch(&mut log, 2).unwrap_or_else(|fatal| panic!("{case}: does not go on: {fatal}"));
        log.close().unwrap();
        drop(self.check(&format!("{case}, after going on")));
    }
}

/// The entries below a size.
fn leaves(log: &Log, size: TreeSize) -> Result<Vec<Vec<u8>>, ReadError> {
    let bundles = (0..).map_while(|index| BundleId::at(index, size));
    let entries: Result<Vec<_>, _> = bundles.map(|id| log.reader().entries(id)).collect();
    Ok(entries?.concat())
}

/// RFC 9162, section 2.1.1, by its definition and with a hash function of its own.
fn oracle_root(hashes: &[Root]) -> Root {
    match hashes {
        [] => Sha256::digest(b"").into(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            let node = Sha256::new().chain_update([1]).chain_update(oracle_root(left));
            node.chain_update(oracle_root(right)).finalize().into()
        }
    }
}

fn oracle_leaf(leaf: &[u8]) -> Root {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// Runs every step of `work` with every fate, on worlds of their own, and returns how many faults fired.
fn every_fault(world: &World, work: impl Fn(&mut World) + Sync) -> (usize, usize) {
    let dry = world.copy();
    work(&mut dry.clone());
    let steps = dry.disk.steps();
    let fired: usize = (0..steps.len())
        .into_par_iter()
        .map(|number| {
            let mut fired = 0;
            for fate in FATES {
                let mut world = world.copy();
                world.disk.fail_at(number, fate);
                work(&mut world);
                let case = format!("step {number} ({} {}), {fate:?}", steps[number].name, steps[number].path);
                assert!(world.disk.fired(), "{case} never came");
                fired += 1;
                world.check_and_go_on(&case, &LOSSES[..2]);
            }
            fired
        })
        .sum();
    (steps.len(), fired)
}

#[test]
fn every_step_of_a_batch() {
    // [S-2] [S-4] [S-5] [S-6] [S-7] [S-29] [S-31]
    for (sealed, pinned) in [(false, STEPS_OF_BATCHES), (true, STEPS_OF_SEALED_BATCHES)] {
        let world = World::new(sealed);
        let (steps, fired) = every_fault(&world, |world| {
            // An open of its own comes first; its steps fail too, and are looked at more closely below.
            let Ok(mut log) = world.open() else { return };
            if let Err(fatal) = world.work(&mut log) {
                let again = world.batch(&mut log, 1).unwrap_err();
                assert!(matches!(again, Fatal::Poisoned(_)), "after {fatal} nothing is written: {again}");
            }
        });
        assert_eq!((steps, fired), (pinned, pinned * FATES.len()));
    }
}

/// Pinned: a step more or less is a change of the write order and belongs into 85-log.md.
const STEPS_OF_BATCHES: usize = 125;
/// The same with sealed records and erasures.
const STEPS_OF_SEALED_BATCHES: usize = 153;

/// A world killed with everything unfinished: two stages, of the second only some objects, a temporary name, a
/// checkpoint behind the head, and a stage that no head names.
///
/// With sealed records there is a published erasure besides that nobody has carried out.
fn unfinished(sealed: bool) -> World {
    let mut world = World::new(sealed);
    let mut log = world.open().unwrap();
    let mut items = world.entries(254 - u64::from(sealed));
    items.extend(sealed.then(|| Item::of_leaf(b"erase 2 6".to_vec())));
    world.acknowledge(&mut log, items).unwrap();
    let items = world.entries(3);
    world.disk.fail_when("rename", "tile/entries/001.p/2", Fate::Lost);
    log.begin(&items, world.now).unwrap_err();
    assert!(world.disk.fired());
    let files = world.disk.files();
    for path in ["stage/255", "stage/258", "tile/entries/000", "tile/entries/000.p/255"] {
        assert!(files.contains_key(path), "{path} in {:?}", files.keys());
    }
    assert!(!files.contains_key("tile/0/001.p/2"));
    assert!(files.keys().any(|path| path.starts_with("tmp/")));
    world.disk.restart();
    world.store().put("stage/999", b"whatever an older process left").unwrap();
    world
}

#[test]
fn every_step_of_open() {
    // [S-11] [S-12] [S-13] [S-14] [S-31] [S-32]
    for (sealed, pinned) in [(false, STEPS_OF_OPEN), (true, STEPS_OF_SEALED_OPEN)] {
        let world = unfinished(sealed);
        let (steps, fired) = every_fault(&world, |world| drop(world.open()));
        assert_eq!((steps, fired), (pinned, pinned * FATES.len()));
    }
}

/// Pinned like `STEPS_OF_BATCHES`.
const STEPS_OF_OPEN: usize = 61;
/// The same with sealed records and an erasure that is to be repeated.
const STEPS_OF_SEALED_OPEN: usize = 80;

#[test]
fn to_look_again_at_what_is_zero_writes_nothing() {
    // [S-31]: every start looks at all that was ever erased
    let mut world = World::new(true);
    let mut log = world.open().unwrap();
    let mut items = world.entries(20);
    items.push(Item::of_leaf(b"erase 2 6".to_vec()));
    world.add(&mut log, items).unwrap();
    let looks = [(), ()].map(|()| {
        let before = world.disk.steps().len();
        let mut due = BTreeSet::from([2, 6].map(LeafIndex::new));
        let erased = log.erase_next(&mut due).unwrap();
        assert!(erased.done.len() == 2 && erased.anew.is_empty() && due.is_empty(), "{erased:?}");
        world.disk.steps().split_off(before)
    });
    let names = looks.map(|steps| steps.into_iter().map(|step| (step.name, step.path)).collect::<Vec<_>>());
    assert_eq!(names, [vec![("sync folder", "sealed/000".to_owned())], Vec::new()]);
}

#[test]
fn killed_anywhere_in_a_batch_then_power_lost_anywhere_in_open() {
    // [S-12]: what a killed process left is seen, not yet kept. [S-31]: what it erased as well.
    for sealed in [false, true] {
        let fired = killed_then_power_lost(&World::new(sealed));
        assert!(fired > 1_000, "{fired}");
    }
}

/// Returns how often power was lost.
fn killed_then_power_lost(world: &World) -> usize {
    let run = |world: &mut World| {
        let mut log = world.open().unwrap();
        let start = world.disk.steps().len();
        let mut items = world.entries(300);
        items.extend(world.sealed.then(|| Item::of_leaf(b"erase 2 257 290".to_vec())));
        let result = world.add(&mut log, items).and_then(|()| log.settler().work());
        (start, result)
    };
    let mut dry = world.copy();
    let (start, result) = run(&mut dry);
    result.unwrap();
    let steps = dry.disk.steps();
    (start..steps.len())
        .into_par_iter()
        .map(|number| {
            let mut killed = world.copy();
            killed.disk.fail_at(number, Fate::Kept);
            let _ = run(&mut killed);
            assert!(killed.disk.fired());
            killed.disk.restart();
            let opened = killed.copy();
            drop(opened.clone().open().unwrap());
            let open_steps = opened.disk.steps().len();
            for open_step in 0..open_steps {
                for loss in [Loss::All, Loss::Some(number as u64)] {
                    let mut world = killed.copy();
                    world.disk.fail_at(open_step, Fate::Power(loss));
                    // What open published before the power went was seen outside.
                    if let Ok(log) = world.open() {
                        world.release(&log.head().note.clone());
                    }
                    assert!(world.disk.fired());
                    world.disk.restart();
                    let case =
                        format!("killed at step {number} ({:?}), power lost at {open_step} of open", steps[number]);
                    drop(world.check(&case));
                }
            }
            2 * open_steps
        })
        .sum()
}

#[test]
fn killed_between_the_heads_rename_and_its_sync_then_opened_then_power_lost() {
    // [S-4] [S-12]
    let mut fired = 0;
    for loss in LOSSES {
        let mut world = World::new(false);
        let mut log = world.open().unwrap();
        let items = world.entries(5);
        // Fails but kept: the name is there, no sync has covered it, and the process is gone.
        world.disk.fail_when("rename", "head", Fate::Kept);
        log.begin(&items, world.now).unwrap_err();
        assert!(world.disk.fired());
        drop(log);
        world.disk.restart();
        let forked = world.copy();
        let log = world.check("opened");
        assert_eq!(log.size().get(), 6, "what was seen is kept");
        world.release(&log.head().note.clone());
        world.disk.lose_power(loss);
        let mut log = world.check("opened, then power lost");
        assert_eq!(log.size().get(), 6, "{loss:?}");
        world.batch(&mut log, 1).unwrap();

        // The same without an open in between: then nothing had left the machine, and the batch may be gone.
        let mut world = forked;
        world.disk.lose_power(loss);
        let mut log = world.check("power lost at once");
        world.batch(&mut log, 1).unwrap();
        fired += 1;
    }
    assert_eq!(fired, LOSSES.len());
}

#[test]
fn a_fault_is_noticed_when_the_write_order_is_wrong() {
    // The simulated disk itself: without syncs everything goes, so the tables above can fail.
    let disk = SimDisk::new();
    let store = Files::new(disk.clone());
    store.put("kept/a", b"synced").unwrap();
    store.put_unsynced("tile/a", b"not synced").unwrap();
    let torn = disk.copy();
    disk.lose_power(Loss::All);
    assert_eq!(disk.files().into_keys().collect::<Vec<_>>(), ["kept/a"]);
    torn.lose_power(Loss::Bytes);
    assert_eq!(torn.files().get("tile/a"), Some(&Vec::new()), "the name without its bytes");
    let mut dice = Dice(7);
    assert!((0..100).map(|_| dice.roll(6)).collect::<std::collections::BTreeSet<_>>().len() == 6);
}

#[test]
fn partial_objects_go_after_an_hour_and_nothing_misses_them() {
    // [S-8]
    let mut world = World::new(false);
    let mut log = world.open().unwrap();
    world.batch(&mut log, 254).unwrap();
    world.batch(&mut log, 1).unwrap();
    log.settler().work().unwrap();
    let partials = |world: &World| -> Vec<String> {
        world.disk.files().into_keys().filter(|path| path.contains(".p/") && path.contains("/000.p/")).collect()
    };
    let first = ["tile/0/000.p/1", "tile/0/000.p/255", "tile/entries/000.p/1", "tile/entries/000.p/255"];
    assert_eq!(partials(&world)[..2], first[..2]);
    world.now = world.now.plus(3_599);
    world.batch(&mut log, 1).unwrap();
    log.settler().work().unwrap();
    assert_eq!(partials(&world).len(), 5, "an hour has not passed: {:?}", partials(&world));
    let killed = world.copy();
    world.now = world.now.plus(1);
    world.batch(&mut log, 1).unwrap();
    log.settler().work().unwrap();
    assert_eq!(partials(&world), ["tile/1/000.p/1"], "its full tile is far away");
    drop(log);
    drop(world.check("partial objects deleted"));

    // Another process finds what an earlier one left, and starts its own hour.
    let mut world = killed;
    let mut log = world.open().unwrap();
    log.settler().work().unwrap();
    assert_eq!(partials(&world).len(), 5);
    world.now = world.now.plus(3_600);
    world.batch(&mut log, 1).unwrap();
    log.settler().work().unwrap();
    assert_eq!(partials(&world), ["tile/1/000.p/1"]);

    // And every step of the deleting fails in turn.
    let mut world = World::new(false);
    let mut log = world.open().unwrap();
    world.batch(&mut log, 255).unwrap();
    log.close().unwrap();
    let (steps, fired) = every_fault(&world, |world| {
        let Ok(mut log) = world.open() else { return };
        world.now = world.now.plus(3_600);
        let _ = world.batch(&mut log, 1).and_then(|()| log.settler().work());
    });
    assert!(steps > 20 && fired == steps * FATES.len());
}

#[test]
fn every_step_of_begin() {
    // [S-17]
    let new = World::new(false);
    let disk = SimDisk::new();
    let start = |disk: &SimDisk| begin(&Files::new(disk.clone()), &new.keys, b"charter".to_vec(), START).map(|_| ());
    start(&disk).unwrap();
    let steps = disk.steps();
    let mut fired = 0;
    for number in 0..steps.len() {
        for fate in FATES {
            let disk = SimDisk::new();
            disk.fail_at(number, fate);
            let _ = start(&disk);
            assert!(disk.fired());
            fired += 1;
            disk.restart();
            let mut world = World { disk, ..World::new(false) };
            world.kept.clear();
            world.released.clear();
            let begun = world.disk.files().contains_key("head");
            assert_eq!(world.open().is_ok(), begun, "step {number} {fate:?}");
            if !begun {
                start(&world.disk).unwrap_or_else(|error| panic!("step {number} {fate:?}: {error}"));
            }
            let mut log = world.check("begun");
            world.batch(&mut log, 1).unwrap();
            assert!(start(&world.disk).is_err(), "a log is begun once");
        }
    }
    assert_eq!(fired, STEPS_OF_BEGIN * FATES.len());
}

/// Pinned like `STEPS_OF_BATCHES`.
const STEPS_OF_BEGIN: usize = 15;

#[test]
fn damage_is_refused_by_name() {
    // [S-11] [S-13] [S-14]
    let mut world = World::new(false);
    let mut log = world.open().unwrap();
    world.batch(&mut log, 299).unwrap();
    log.close().unwrap();
    let mut world = world.copy();
    let mut log = world.open().unwrap();
    world.batch(&mut log, 2).unwrap();
    drop(log);
    let flip = |bytes: &mut Vec<u8>| bytes[7] ^= 1;
    let cases: [(&str, Damage, &str); 9] = [
        ("head", &|bytes| bytes[13] = b'2', "version line `vitrine head 2"),
        ("head", &|bytes| *bytes.last_mut().unwrap() = b' ', "head is no checkpoint"),
        ("head", &|bytes| bytes[20] = if bytes[20] == b'0' { b'1' } else { b'0' }, "stage/302 is"),
        ("checkpoint", &|bytes| bytes.truncate(100), "checkpoint is no checkpoint"),
        ("stage/302", &|bytes| bytes.truncate(100), "stage/302: "),
        ("stage/302", &|bytes| *bytes.last_mut().unwrap() ^= 1, "stage/302 is"),
        ("tile/1/000.p/1", &flip, "the tiles lead to root"),
        ("tile/0/001.p/46", &flip, ""),
        ("tile/entries/001.p/46", &flip, ""),
    ];
    let mut refused = 0;
    for (path, change, want) in cases {
        let mut world = world.copy();
        world.disk.damage(path, change);
        match world.open() {
            // An object that a stage holds is written again, whatever is there.
            Ok(_) => assert_eq!(want, "", "{path} damaged and opened"),
            Err(error) => {
                assert!(!want.is_empty() && error.to_string().contains(want), "{path}: {error}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 7);

    // Without the stage nothing repairs the edge.
    let mut log = world.open().unwrap();
    world.batch(&mut log, 1).unwrap();
    log.close().unwrap();
    for (path, want) in [
        ("tile/1/000.p/1", "the tiles lead to root"),
        ("tile/0/001.p/47", "the tiles lead to root"),
        ("tile/entries/001.p/47", "this is damage"),
        ("checkpoint", "no valid signature"),
    ] {
        let mut world = world.copy();
        world.disk.damage(path, |bytes| {
            let at = bytes.len() / 2 - 3;
            bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
        });
        let error = world.open().err().unwrap_or_else(|| panic!("{path} damaged and opened"));
        assert!(error.to_string().contains(want), "{path}: {error}");
    }
    for (gone, want) in [("head", "head is missing beside"), ("checkpoint", "checkpoint is missing beside head")] {
        let mut world = world.copy();
        world.store().delete(gone).unwrap();
        let error = world.open().err().unwrap_or_else(|| panic!("{gone} gone and opened"));
        assert!(error.to_string().contains(want), "{error}");
    }
}
