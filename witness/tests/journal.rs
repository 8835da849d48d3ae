//! The journal under damage, loss and faults: what is never forgotten, and what is refused.
//!
//! Cites 55-witness.md (D). Not here: the answers of a sound witness (`answers`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Fate, Log, NOW, World, cosigned, known_size, text};
use std::sync::Arc;
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;
use vitrine_witness::disk::{Disk, OsDisk};
use vitrine_witness::heads::Heads;
use vitrine_witness::journal::{Journal, JournalError, Scan, read};
use vitrine_witness::limits::{COMPACT_BYTES_MIN, HISTORY_MAX, HISTORY_OF_ONE_BYTES_MAX, RECORD_BYTES_MAX};
use vitrine_witness::record::{Entry, JournalId, Record};
use vitrine_witness::{OpenError, Witness, make_journal};

/// A witness that cosigned sizes 1 to `last`, each with its own sync, and was killed.
fn cosigned_to(log: &Log, last: usize) -> World {
    let world = World::new(&[log]);
    let witness = world.open().unwrap();
    for size in 1..=last {
        cosigned(&witness.add_checkpoint(&log.request(size - 1, size)), &log.checkpoint(size));
    }
    drop(witness);
    world
}

/// Offsets at which the journal's frames begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"VWF\x01")).collect()
}

#[test]
fn a_bad_last_frame_is_left_out() {
    // [D-5]
    let log = Log::ed("log.example/one");
    let world = cosigned_to(&log, 3);
    let bytes = world.disk.bytes("journal");
    let last = *frames(&bytes).last().unwrap();
    for cut in [last, last + 1, last + 11, last + 12, last + 100, bytes.len() - 1] {
        let world = world.after_kill();
        world.disk.tamper("journal", |bytes| bytes.truncate(cut));
        assert_eq!(known_size(&world.open().unwrap(), &log), 2, "cut at {cut}");
    }
    for change in [last + 4, last + 8, last + 20, bytes.len() - 1] {
        let world = world.after_kill();
        world.disk.tamper("journal", |bytes| bytes[change] ^= 1);
        assert_eq!(known_size(&world.open().unwrap(), &log), 2, "changed at {change}");
    }
    // Also when the file system had already made the file longer.
    let world = world.after_kill();
    world.disk.tamper("journal", |bytes| bytes[last + 30..].fill(0));
    world.disk.tamper("journal", |bytes| bytes.extend([0; 5_000]));
    let witness = world.open().unwrap();
    assert_eq!(known_size(&witness, &log), 2);
    cosigned(&witness.add_checkpoint(&log.request(2, 4)), &log.checkpoint(4));
    drop(witness);
    assert_eq!(known_size(&world.open().unwrap(), &log), 4);
}

#[test]
fn a_bad_frame_before_a_good_one_is_damage() {
    // [D-6]
    let log = Log::ed("log.example/one");
    let world = cosigned_to(&log, 4);
    let bytes = world.disk.bytes("journal");
    let frames = frames(&bytes);
    for pair in frames.windows(2).take(frames.len() - 1) {
        let (at, next) = (pair[0], pair[1]);
        for change in [at, at + 5, at + 9, at + 12, next - 1] {
            let world = world.after_kill();
            world.disk.tamper("journal", |bytes| bytes[change] ^= 0x10);
            let before = world.disk.bytes("journal");
            let error = world.open().err().unwrap();
            let OpenError::Journal(JournalError::Damaged { offset, good: Some(good) }) = &error else {
                panic!("{error}")
            };
            assert_eq!((*offset, *good), (at as u64, next as u64));
            let message = error.to_string();
            assert!(message.contains(&format!("damaged at byte {at}")), "{message}");
            assert!(message.contains(&format!("one at byte {next}")), "{message}");
            assert!(message.contains("--confirm-state"), "{message}");
            assert_eq!(world.disk.bytes("journal"), before, "evidence of the damage is left alone");
        }
    }
}

#[test]
fn a_cut_in_what_was_complete_is_damage() {
    // [D-6] After a start the journal is one rewritten piece: nothing in it can be an unfinished write.
    let log = Log::ed("log.example/one");
    let world = cosigned_to(&log, 3);
    drop(world.open().unwrap());
    let bytes = world.disk.bytes("journal");
    for cut in [0, 5, 26, 30, bytes.len() / 2, bytes.len() - 1] {
        let world = world.after_kill();
        world.disk.tamper("journal", |bytes| bytes.truncate(cut));
        let error = world.open().err().unwrap();
        let damaged = matches!(error, OpenError::Journal(JournalError::Damaged { good: None, .. }));
        let no_line = matches!(error, OpenError::Journal(JournalError::NotAJournal));
        assert!(if cut < 26 { no_line } else { damaged }, "cut at {cut}: {error}");
    }
    let last = bytes.len() - 1;
    world.disk.tamper("journal", |bytes| bytes[last] ^= 1);
    assert!(matches!(world.open(), Err(OpenError::Journal(JournalError::Damaged { good: None, .. }))));
}

#[test]
fn another_version_is_refused_and_not_cut_off() {
    // [D-4]
    let log = Log::ed("log.example/one");
    let world = cosigned_to(&log, 2);
    let last = *frames(&world.disk.bytes("journal")).last().unwrap();
    world.disk.tamper("journal", |bytes| bytes[last + 3] = 2);
    let error = world.open().err().unwrap();
    let version =
        matches!(error, OpenError::Journal(JournalError::Version { offset, got: 2 }) if offset == last as u64);
    assert!(version, "{error}");
    world.disk.tamper("journal", |bytes| bytes[..26].copy_from_slice(b"vitrine witness journal 2\n"));
    assert!(matches!(world.open(), Err(OpenError::Journal(JournalError::NotAJournal))));
}

#[test]
fn records_that_contradict_each_other_are_damage() {
    // [D-6] [D-7]
    let log = Log::ed("log.example/one");
    let entry = |counter, size| Entry {
        counter,
        origin: log.hash(),
        time: NOW,
        note: log.checkpoint(size).print(),
        cosignatures: String::new(),
    };
    let fork = Entry { note: log.fork(0).checkpoint(5).print(), ..entry(2, 5) };
    let elsewhere = Entry { origin: Hash::of(b"other"), ..entry(2, 6) };
    let no_note = Entry { note: "no note\n".to_owned(), ..entry(2, 6) };
    for (second, reason) in [
        (Record::Cosigned(entry(2, 4)), "size 4 follows size 5"),
        (Record::Cosigned(fork), "at the same size 5"),
        (Record::Cosigned(entry(1, 6)), "record 1 follows record 1"),
        (Record::Cosigned(elsewhere), "the record of another origin"),
        (Record::Cosigned(no_note), "no signature line"),
        (Record::Kept { records: 9 }, "9 records were kept, 1 are there"),
        (Record::Begin { id: JournalId::new([1; 16]), replaces: None }, "a second journal begins"),
    ] {
        let world = World::new(&[&log]);
        let records = [Record::Cosigned(entry(1, 5)), second];
        Journal::create(world.disk.clone(), JournalId::new([7; 16]), None, &records).unwrap();
        let error = world.open().err().unwrap().to_string();
        assert!(error.contains("damaged at byte") && error.contains(reason), "{error}");
    }
}

#[test]
fn a_missing_journal_beside_keys_that_signed() {
    // [D-9] [D-16]
    let (log, other) = (Log::ed("log.example/one"), Log::ed("log.example/two"));
    let world = World::new(&[&log, &other]);
    let fresh = world.after_kill();
    fresh.disk.delete("journal");
    assert!(matches!(fresh.open(), Err(OpenError::NoJournal)), "keys that never signed");
    assert!(!world.marks.has("has-signed"));
    let witness = world.open().unwrap();
    assert!(!world.marks.has("has-signed"), "nothing was signed yet");
    assert_eq!(witness.add_checkpoint(&log.request(1, 5)).status, 409);
    assert!(!world.marks.has("has-signed"));
    cosigned(&witness.add_checkpoint(&log.request(0, 5)), &log.checkpoint(5));
    assert!(world.marks.has("has-signed"));
    drop(witness);

    let confirm = |world: &World, file: &str| {
        let mut setup = world.setup();
        setup.confirm_state = Some(file.as_bytes().to_vec());
        Witness::open(setup)
    };
    let both = log.checkpoint(5).print() + "\n" + &other.checkpoint(2).print();
    assert!(matches!(confirm(&world, &both), Err(OpenError::NothingLost { origins: 1 })));

    // Gone, or made anew by `witness init` with other keys.
    for anew in [false, true] {
        let world = world.after_kill();
        world.disk.delete("journal");
        if anew {
            let disk: Arc<dyn Disk> = world.disk.clone();
            make_journal(&disk).unwrap();
        }
        assert!(matches!(world.open(), Err(OpenError::JournalLost { .. })), "anew: {anew}");
        assert!(matches!(confirm(&world, &log.checkpoint(5).print()), Err(OpenError::Confirm(_))));
        assert!(matches!(world.open(), Err(OpenError::JournalLost { .. })), "a refused file changes nothing");
        drop(confirm(&world, &both).unwrap());
        // No flag from now on, also when nothing was signed in between.
        let witness = world.after_power_loss(0).open().unwrap();
        assert_eq!(witness.checkpoint(&log.hash()).status, 404, "confirmed, not cosigned");
        assert_eq!((known_size(&witness, &log), known_size(&witness, &other)), (5, 2));
        cosigned(&witness.add_checkpoint(&log.request(5, 7)), &log.checkpoint(7));
        assert_eq!(witness.add_checkpoint(&log.fork(2).request(7, 9)).status, 422);
        drop(witness);
        assert!(matches!(confirm(&world, &both), Err(OpenError::NothingLost { origins: 2 })));
    }
}

#[test]
fn a_journal_that_belongs_to_other_keys() {
    // [D-9]
    let log = Log::ed("log.example/one");
    let (first, second) = (cosigned_to(&log, 3), cosigned_to(&log, 5));
    let mixed = World { marks: second.marks.clone(), ..first.clone() };
    assert!(matches!(mixed.open(), Err(OpenError::OtherJournal { .. })));
    // A restored journal goes on with new keys.
    let restored = World { marks: common::SimDisk::new(), ..first };
    let witness = restored.open().unwrap();
    cosigned(&witness.add_checkpoint(&log.request(3, 6)), &log.checkpoint(6));
    second.marks.tamper("has-signed", |bytes| bytes.truncate(10));
    assert!(matches!(second.open(), Err(OpenError::Mark(_))));
}

#[test]
fn what_was_seen_is_made_durable_before_anything_is_served() {
    // [D-2]
    let log = Log::ed("log.example/one");
    let world = cosigned_to(&log, 2).after_kill();
    let witness = world.open().unwrap();
    assert_eq!(
        world.disk.history(),
        [
            "create journal.new",
            "append journal.new",
            "append journal.new",
            "append journal.new",
            "append journal.new",
            "sync journal.new",
            "rename journal.new journal",
            "sync the directory",
        ]
    );
    assert_eq!(known_size(&witness, &log), 2);
    drop(witness);
    assert_eq!(known_size(&world.after_power_loss(0).open().unwrap(), &log), 2);
}

#[test]
fn no_signature_leaves_before_its_record_and_the_mark_are_durable() {
    // [D-3] [D-9] Every step of a whole life, each with every fate, then a kill or a power failure.
    let log = Log::ed("log.example/one");
    let mut cases = 0;
    for on_marks in [false, true] {
        for fate in [Fate::Lost, Fate::Kept, Fate::Half, Fate::PowerAfter] {
            for step in 0.. {
                let world = World::new(&[&log]);
                let faulty = if on_marks { &world.marks } else { &world.disk };
                faulty.plan(step, fate);
                let mut acknowledged = 0;
                if let Ok(witness) = world.open() {
                    for size in 1..=3 {
                        let answer = witness.add_checkpoint(&log.request(size - 1, size));
                        match answer.status {
                            200 => {
                                cosigned(&answer, &log.checkpoint(size));
                                // The power failed before this answer: no packet left any more.
                                if !world.disk.fired() && !world.marks.fired() {
                                    acknowledged = size as u64;
                                }
                            }
                            503 => assert!(faulty.fired(), "step {step} {fate:?}"),
                            other => panic!("{other} at step {step} {fate:?}"),
                        }
                    }
                    witness.close();
                    if faulty.fired() && fate != Fate::PowerAfter {
                        assert!(witness.fatal().is_some(), "step {step} {fate:?}");
                    }
                }
                if !faulty.fired() {
                    break;
                }
                cases += 1;
                for torn in [None, Some(0), Some(1), Some(200), Some(10_000)] {
                    let after = torn.map_or_else(|| world.after_kill(), |torn| world.after_power_loss(torn));
                    assert!(acknowledged == 0 || after.marks.has("has-signed"), "step {step} {fate:?} {torn:?}");
                    let witness = after.open().unwrap_or_else(|error| panic!("step {step} {fate:?} {torn:?}: {error}"));
                    let size = known_size(&witness, &log);
                    assert!(size >= acknowledged && size <= 3, "step {step} {fate:?} {torn:?}: {size}");
                    // And what is known after the start survives a power failure right behind it.
                    let again = after.after_power_loss(0).open().unwrap();
                    assert_eq!(known_size(&again, &log), size, "step {step} {fate:?} {torn:?}");
                    if size > 0 {
                        let size = usize::try_from(size).unwrap();
                        cosigned(&again.add_checkpoint(&log.request(size, size + 2)), &log.checkpoint(size + 2));
                        assert_eq!(again.add_checkpoint(&log.fork(0).request(size + 2, size + 3)).status, 422);
                    }
                }
            }
        }
    }
    // 7 steps at start and 2 for each of three signatures; 5 for the mark; each with four fates.
    assert_eq!(cases, 4 * (7 + 6) + 4 * 5);
}

#[test]
fn after_a_failed_step_nothing_more_is_signed_or_shown() {
    // [D-3]
    let log = Log::ed("log.example/one");
    let world = World::new(&[&log]);
    let witness = world.open().unwrap();
    cosigned(&witness.add_checkpoint(&log.request(0, 5)), &log.checkpoint(5));
    world.disk.plan(1, Fate::Lost);
    let answer = witness.add_checkpoint(&log.request(5, 6));
    assert_eq!((answer.status, answer.retry_after_s), (503, Some(10)));
    assert_eq!(witness.add_checkpoint(&log.request(5, 6)).status, 503);
    witness.close();
    let fatal = witness.fatal().unwrap().to_string();
    assert!(fatal.contains("simulate sync journal") && fatal.contains("start it again"), "{fatal}");
    assert_eq!(witness.checkpoint(&log.hash()).status, 503);
}

#[test]
fn a_record_that_rots_under_a_running_witness_is_not_shown() {
    // [D-8] [W-10]
    let log = Log::ed("log.example/one");
    let world = cosigned_to(&log, 2);
    let witness = world.open().unwrap();
    let at = world.disk.bytes("journal").len() * 3 / 4;
    world.disk.tamper("journal", |bytes| bytes[at] ^= 1);
    let answer = witness.checkpoint(&log.hash());
    assert_eq!(answer.status, 503, "{}", text(&answer));
}

#[test]
fn a_compaction_keeps_every_record_that_counts() {
    // [D-8]
    let disk = common::SimDisk::new();
    let logs: Vec<Log> = (0..3).map(|number| Log::ed(&format!("log.example/{number}"))).collect();
    let id = JournalId::new([7; 16]);
    Journal::create(disk.clone(), id, None, &[]).unwrap();
    let mut heads = Heads::default();
    let scan = Scan::read(disk.clone(), |_, _| Ok(())).unwrap().unwrap();
    let (mut journal, _) = scan.keep(&[]).unwrap();
    let append = |journal: &mut Journal, heads: &mut Heads, record: Record| {
        let places = journal.append(std::slice::from_ref(&record)).unwrap();
        heads.apply(&record, places[0]).unwrap();
    };
    let entry = |counter, log: &Log, size| {
        Record::Cosigned(Entry {
            counter,
            origin: log.hash(),
            time: NOW + size as u64,
            note: log.checkpoint(size).print(),
            cosignatures: "lines\n".to_owned(),
        })
    };
    for size in 1..=30 {
        for log in &logs {
            let counter = journal.next_counter();
            append(&mut journal, &mut heads, entry(counter, log, size));
        }
    }
    let clock = Record::Clock { counter: journal.next_counter(), time: NOW + 3 };
    append(&mut journal, &mut heads, clock);
    let counter = journal.next_counter();
    append(&mut journal, &mut heads, entry(counter, &logs[1], 31));
    assert_eq!(heads.last_signed(), NOW + 31);
    let doubt = |counter, log: &Log| Entry {
        counter,
        origin: log.hash(),
        time: NOW,
        note: log.fork(3).checkpoint(50).print(),
        cosignatures: String::new(),
    };
    for log in &logs[..2] {
        let counter = journal.next_counter();
        append(&mut journal, &mut heads, Record::Doubt(doubt(counter, log)));
    }
    let settled = Record::Settled { counter: journal.next_counter(), origin: logs[0].hash() };
    append(&mut journal, &mut heads, settled);
    for evidence in [b"the first".to_vec(), b"a second".to_vec()] {
        let counter = journal.next_counter();
        append(&mut journal, &mut heads, Record::Frozen { counter, origin: logs[2].hash(), time: NOW, evidence });
    }
    let long = disk.len("journal").unwrap().unwrap();
    assert!(!journal.wants_compaction(|| heads.bytes()), "a small journal is left alone");

    // Three heads, the clock, 29, 30 and 29 earlier checkpoints, a doubt and the first evidence [D-21].
    let old = heads.places();
    assert_eq!(old.len(), 3 + 1 + 88 + 2);
    let prepared = journal.prepare(&old).unwrap();
    let new = journal.replace(prepared).unwrap();
    heads.moved(&old, &new);
    assert!(disk.len("journal").unwrap().unwrap() < long);
    // Appending goes on behind it, and a reader finds the same heads, clock included.
    let counter = journal.next_counter();
    append(&mut journal, &mut heads, entry(counter, &logs[2], 40));
    let mut found = Heads::default();
    let scan = Scan::read(disk.after_power_loss(0), |record, place| found.apply(&record, place)).unwrap().unwrap();
    assert_eq!((scan.id(), scan.cut()), (id, 0));
    for (log, time) in logs.iter().zip([NOW + 3, NOW + 31, NOW + 40]) {
        assert_eq!(found.get(&log.hash()), heads.get(&log.hash()));
        assert_eq!(found.get(&log.hash()).unwrap().time, time);
    }
    assert_eq!(found.last_signed(), NOW + 40);
    for (log, size) in [(&logs[0], 1), (&logs[1], 30), (&logs[2], 30), (&logs[2], 40)] {
        let noted = found.noted(&log.hash(), TreeSize::new(size as u64)).unwrap();
        assert_eq!(noted.root, log.root(size));
        assert!(
            matches!(read(disk.as_ref(), noted.place).unwrap(), Record::Cosigned(entry) if entry.origin == log.hash())
        );
    }
    assert_eq!(found.noted(&logs[0].hash(), TreeSize::new(31)), None);
    assert_eq!(found.doubt(&logs[0].hash()), None);
    assert_eq!(found.doubt(&logs[1].hash()).unwrap().noted.root, logs[1].fork(3).root(50));
    let frozen = read(disk.as_ref(), found.frozen(&logs[2].hash()).unwrap()).unwrap();
    assert!(matches!(frozen, Record::Frozen { evidence, .. } if evidence == b"the first"));
}

#[test]
fn what_is_kept_of_earlier_checkpoints_has_bounds() {
    // [D-21]
    let disk = common::SimDisk::new();
    Journal::create(disk.clone(), JournalId::new([7; 16]), None, &[]).unwrap();
    let (mut journal, _) = Scan::read(disk.clone(), |_, _| Ok(())).unwrap().unwrap().keep(&[]).unwrap();
    let log = Log::ed("log.example/one");
    let mut heads = Heads::default();
    let mut grow = |heads: &mut Heads, size: u64, cosignatures: String| {
        let counter = journal.next_counter();
        let entry = Entry {
            counter,
            origin: log.hash(),
            time: NOW,
            note: log.sign(size, Hash::of(b"root")).print(),
            cosignatures,
        };
        let places = journal.append(&[Record::Cosigned(entry.clone())]).unwrap();
        heads.set(&entry, TreeSize::new(size), Hash::of(b"root"), places[0]).unwrap();
    };
    let kept = |heads: &Heads, size: u64| heads.noted(&log.hash(), TreeSize::new(size)).is_some();
    for size in 1..=HISTORY_MAX as u64 + 3 {
        grow(&mut heads, size, String::new());
    }
    assert_eq!((kept(&heads, 2), kept(&heads, 3), kept(&heads, HISTORY_MAX as u64 + 3)), (false, true, true));
    let long = usize::try_from(HISTORY_OF_ONE_BYTES_MAX / 16).unwrap();
    for size in 2_001..=2_017 {
        grow(&mut heads, size, "x".repeat(long));
    }
    let mut trimmed = Heads::default();
    let mut places = Vec::new();
    Scan::read(disk, |record, place| {
        if let Record::Cosigned(_) = record {
            places.push(place);
        }
        trimmed.apply(&record, place)
    })
    .unwrap()
    .unwrap();
    let two: u64 = places[places.len() - 3..places.len() - 1].iter().map(|place| place.bytes()).sum();
    trimmed.trim(two);
    assert_eq!(
        (kept(&trimmed, 2_014), kept(&trimmed, 2_015), kept(&trimmed, 2_016), kept(&trimmed, 2_017)),
        (false, true, true, true)
    );
    assert_eq!(trimmed.places(), places[places.len() - 3..]);
    // Sixteen behind the newest are a little above 4 MiB.
    assert_eq!((kept(&heads, 2_001), kept(&heads, 2_002), kept(&heads, 2_017)), (false, true, true));
}

#[test]
fn a_running_witness_compacts_its_journal() {
    // [D-8] With the longest notes, so that the limit is met soon.
    let log = Log::ed("log.example/one");
    let (dir, marks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::new(&[&log]);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()));
    make_journal(&disk).unwrap();
    let setup = || {
        let mut setup = world.setup();
        setup.disk = Arc::new(OsDisk::open(dir.path()));
        setup.marks = Arc::new(OsDisk::open(marks.path()));
        setup
    };
    let extended = log.checkpoint(5).text().to_owned() + &format!("{}\n", "x".repeat(200)).repeat(1_200);
    let checkpoint = log.sign_text(&extended);
    let first = AddCheckpoint { old: TreeSize::ZERO, proof: vec![], checkpoint: checkpoint.clone() }.print();
    let again = AddCheckpoint { old: TreeSize::new(5), proof: vec![], checkpoint }.print();
    let witness = Witness::open(setup()).unwrap();
    assert_eq!(witness.add_checkpoint(&first).status, 200);
    let length = || std::fs::metadata(dir.path().join("journal")).unwrap().len();
    let (mut longest, mut now) = (0, NOW);
    while length() >= longest {
        longest = length();
        assert!(longest < COMPACT_BYTES_MIN + 2 * RECORD_BYTES_MAX as u64, "never compacted");
        now += 1;
        world.clock.set(now);
        assert_eq!(witness.add_checkpoint(&again).status, 200);
    }
    // The answer leaves before the file is made shorter: the longest one may not have been seen.
    assert!(longest + RECORD_BYTES_MAX as u64 > COMPACT_BYTES_MIN);
    assert!(length() < 2 * RECORD_BYTES_MAX as u64);
    // Goes on from there, in memory and after a start.
    let shown = witness.checkpoint(&log.hash());
    assert!(shown.status == 200 && text(&shown).starts_with(&extended));
    cosigned(&witness.add_checkpoint(&log.request(5, 6)), &log.checkpoint(6));
    drop(witness);
    let witness = Witness::open(setup()).unwrap();
    assert_eq!(known_size(&witness, &log), 6);
    assert_eq!(cosigned(&witness.add_checkpoint(&log.request(6, 6)), &log.checkpoint(6)), now);
}
