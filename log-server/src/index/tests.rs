//! The index against a real log of real events: looked up, caught up, damaged in every way, rebuilt (85-log.md, "Index").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vitrine_spec::admission::Query;
use vitrine_spec::envelope::{Envelope, EventId, Submission};
use vitrine_spec::hash::Hash;
use vitrine_spec::state::State;
use vitrine_spec::statement::Kind;
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::words::Name;

use super::{CONDEMNED, Index, IndexError, Opened, check_space, open_sled};
use crate::batch::Item;
use crate::fake::{Actor, charter};
use crate::fold;
use crate::init::init;
use crate::keys::LogKeys;
use crate::log::Log;
use crate::store::{Files, OsDisk, Store};
use crate::time::Time;

/// A log of real events, written without a server.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) log: Log,
    pub(crate) store: Arc<dyn Store>,
    operator: Actor,
    supervisor: Actor,
    farm: Actor,
    builds: u64,
}

/// Where the events of [`World::with_accesses`] stand.
pub(crate) struct Accesses {
    /// In order.
    pub(crate) accesses: Vec<u64>,
    /// Of the records of the first access and of the last one, which is in the same batch.
    pub(crate) erasure: u64,
    /// The checkpoint before that batch.
    pub(crate) before: Vec<u8>,
}

impl World {
    /// Charter, the opening of a build farm, and some builds between heartbeats.
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let keys = LogKeys::generate(&folder.path().join("keys"), crate::fake::ORIGIN, None).unwrap();
        let store: Arc<dyn Store> = Arc::new(Files::new(OsDisk::create(&folder.path().join("data")).unwrap()));
        let (mut operator, supervisor) = (Actor::new("operator", 21), Actor::new("supervisor", 22));
        let first = charter(&keys, &mut operator, &supervisor)["envelope"].to_string();
        init(&*store, &keys, first.as_bytes(), Time::now()).unwrap();
        let log = Log::open(Arc::clone(&store), Arc::new(keys), Time::now(), &|_| {}).unwrap();
        let farm = Actor::new("farm", 23);
        let mut world = World { folder, log, store, operator, supervisor, farm, builds: 0 };
        let open = world.farm.open(&world.operator);
        world.add(&[open]);
        world.grow(20);
        world
    }

    /// The same with a gateway, four accesses in two batches, and an erasure of the first and the last.
    pub(crate) fn with_accesses() -> (World, Accesses) {
        let mut world = World::new();
        let mut gateway = Actor::new("gateway", 24);
        let open = gateway.open_gateway(&world.operator);
        world.add(&[open]);
        let first = world.log.size().get();
        let before = [gateway.sealing_key(), world.farm.heartbeat()];
        let accesses: Vec<serde_json::Value> = (1..=3).map(|number| gateway.access(2, number)).collect();
        world.add(&[&before[..], &accesses[..]].concat());
        let before = world.log.published().note.clone();
        let last = gateway.access(2, 4);
        let erasure = world.erasure(&[&accesses[0], &last]);
        world.add(&[last, erasure]);
        (world, Accesses { accesses: vec![first + 2, first + 3, first + 4, first + 5], erasure: first + 6, before })
    }

    /// The gateway as [`World::with_accesses`] leaves its chain.
    pub(crate) fn gateway_after(&self, at: &Accesses) -> Actor {
        let last = self.submission(at.accesses[3]);
        Actor::new("gateway", 24).after(&last)
    }

    /// The operator, whose chain goes on in this world alone.
    pub(crate) fn operator(&self) -> &Actor {
        &self.operator
    }

    /// An erasure of these events, signed by operator and supervisor.
    pub(crate) fn erasure(&mut self, targets: &[&serde_json::Value]) -> serde_json::Value {
        self.operator.erasure(targets, &self.supervisor)
    }

    /// An entry as it was submitted, its sealed record included.
    pub(crate) fn submission(&self, index: u64) -> serde_json::Value {
        let (at, size) = (LeafIndex::new(index), self.log.size());
        let leaf = self.log.reader().entry(at, size).unwrap();
        let record = self.log.reader().records(at, TreeSize::new(index + 1)).next().map(|record| record.unwrap().1);
        let submission = Submission { envelope: Envelope::parse_leaf(&leaf).unwrap(), sealed: record };
        serde_json::from_slice(&submission.print()).unwrap()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A batch of submissions, which the test knows to be admissible.
    pub(crate) fn add(&mut self, submissions: &[serde_json::Value]) {
        self.begin(submissions);
        self.log.publish(&[], Time::now()).unwrap();
    }

    /// The same up to the head, which is not published.
    pub(crate) fn begin(&mut self, submissions: &[serde_json::Value]) {
        let state = self.state();
        let item = |submission: &serde_json::Value| {
            let submission = submission.to_string();
            let mut draft = vitrine_spec::admission::read(submission.as_bytes(), self.log.keys().origin()).unwrap();
            let record = draft.take_record();
            Item { leaf: draft.parse(&state).unwrap().leaf(), record }
        };
        let items: Vec<Item> = submissions.iter().map(item).collect();
        self.log.begin(&items, Time::now()).unwrap();
    }

    /// `count` batches of a heartbeat of the farm, two builds and a heartbeat of the operator.
    pub(crate) fn grow(&mut self, count: u64) {
        for _ in 0..count {
            let build = |world: &mut World| {
                world.builds += 1;
                world.farm.build(world.builds)
            };
            let batch = [self.farm.heartbeat(), build(self), build(self), self.operator.heartbeat()];
            self.add(&batch);
        }
    }

    /// The state by folding everything from entry 0: what every index must come to.
    fn state(&self) -> State {
        let mut state = State::default();
        let size = self.log.size();
        let reader = self.log.reader();
        let leaves: Vec<Vec<u8>> =
            (0..size.get()).map(|index| reader.entry(LeafIndex::new(index), size).unwrap()).collect();
        fold::chunk(&mut state, self.log.keys().origin(), &leaves, |_| Ok::<_, ()>(None)).unwrap();
        state
    }

    pub(crate) fn open(&self) -> Result<(Index, State, Opened), IndexError> {
        let head = self.log.head();
        Index::open(&self.data(), &self.log.reader(), self.log.keys().origin(), (head.size, head.root), &|_| {})
    }

    /// Every look-up of every event, and the state, against the log itself.
    fn check(&self, index: &Index, state: &State) {
        let size = self.log.size();
        assert_eq!(index.size(), size);
        assert_eq!(state.records(), self.state().records());
        let reader = self.log.reader();
        for at in (0..size.get()).map(LeafIndex::new) {
            let leaf = reader.entry(at, size).unwrap();
            let event = vitrine_spec::admission::reread(&leaf, self.log.keys().origin()).unwrap();
            let sealed = event.statement.kind.is_sealed();
            assert_eq!(index.by_id(&event.id).unwrap().map(|logged| logged.index), Some(at).filter(|_| !sealed));
            if let Some((issuer, epoch, seq)) = fold::place(&event) {
                assert_eq!(index.by_position(&issuer, epoch, seq).unwrap().unwrap().index, at);
            }
            for digest in event.statement.subject_sha256() {
                assert_ne!(index.by_digest(&digest).unwrap().contains(&at), sealed);
            }
            for element in &event.statement.subject {
                let found = index.beside(event.statement.kind, &element.digest, size, 10).unwrap();
                let indexed = event.statement.kind == Kind::Charter;
                assert_eq!(found.iter().any(|logged| logged.index == at), indexed, "{at}");
            }
            if let Some(purl) = event.statement.purl() {
                assert_eq!(index.by_purl(purl).unwrap(), [at]);
            }
        }
    }

    /// Closes an index the way a killed process does not: everything durable.
    fn close(index: Index) {
        index.flush().unwrap();
        drop(index);
    }
}

fn data_file(world: &World) -> PathBuf {
    world.data().join("index").join("db")
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn every_event_is_found_and_nothing_else() {
    // [S-15]
    let world = World::new();
    let (index, state, opened) = world.open().unwrap();
    assert_eq!(opened, Opened::Rebuilt("there is none".to_owned()));
    world.check(&index, &state);
    assert!(index.by_id(&EventId::of(b"no event")).unwrap().is_none());
    for (issuer, epoch, seq) in [("farm", 1, 22), ("farm", 2, 1), ("farm", 1, 0), ("far", 1, 1), ("farmer", 1, 1)] {
        assert!(index.by_position(issuer, epoch, seq).unwrap().is_none(), "{issuer} {epoch}/{seq}");
    }
    assert!(index.by_position("farm", 1, u64::MAX).unwrap().is_none());
    assert!(index.by_digest(&Hash::of(b"nothing")).unwrap().is_empty());
    assert!(index.by_purl("pkg:generic/product").unwrap().is_empty(), "a purl is not found by its beginning");
    let queries = [Query::At(Name::new("farm").unwrap(), 1, 1), Query::Attachment(Hash::of(b"file"))];
    let facts = index.facts(&queries).unwrap();
    assert_eq!(facts.get(&queries[0]).unwrap().index, LeafIndex::new(1));
    assert!(facts.attachment(&Hash::of(b"file")).is_none());
}

#[test]
fn sealed_events_cost_one_record_for_a_run_and_erasures_name_them() {
    // [S-33]
    let (mut world, at) = World::with_accesses();
    let (index, state, _) = world.open().unwrap();
    world.check(&index, &state);
    let pairs = |targets: &[u64]| -> Vec<(LeafIndex, LeafIndex)> {
        targets.iter().map(|target| (LeafIndex::new(*target), LeafIndex::new(at.erasure))).collect()
    };
    assert_eq!(index.erased().unwrap(), pairs(&[at.accesses[0], at.accesses[3]]));
    let records = index.shared.db.scan_prefix(b"pgateway\0").count();
    assert_eq!(records, 2, "opening and sealing key, then all accesses, follow each other");
    World::close(index);

    // The same when the index is made anew, and when an erasure comes to an index that has its targets.
    std::fs::remove_dir_all(world.data().join("index")).unwrap();
    let (index, state, _) = world.open().unwrap();
    world.check(&index, &state);
    assert_eq!(index.erased().unwrap(), pairs(&[at.accesses[0], at.accesses[3]]));
    World::close(index);
    let target = world.submission(at.accesses[1]);
    let again = world.erasure(&[&target]);
    world.add(&[again]);
    let (index, state, opened) = world.open().unwrap();
    assert!(matches!(opened, Opened::CaughtUp(_)));
    world.check(&index, &state);
    let found = index.erased().unwrap();
    assert_eq!(found[1], (LeafIndex::new(at.accesses[1]), LeafIndex::new(at.erasure + 1)));
    assert_eq!(found.len(), 3);
}

#[test]
fn an_attachment_is_known_by_the_first_event_that_names_it() {
    // [S-33]
    let mut world = World::new();
    let first = world.log.size().get();
    let (one, two) = (world.farm.build_with(1_000, b"document"), world.farm.build_with(1_001, b"document"));
    world.add(&[one]);
    world.add(&[two]);
    let check = |world: &World| {
        let (index, ..) = world.open().unwrap();
        assert_eq!(index.attachment(&Hash::of(b"document")).unwrap(), Some(LeafIndex::new(first)));
        assert_eq!(index.attachment(&Hash::of(b"another")).unwrap(), None);
        World::close(index);
    };
    check(&world);
    let again = world.farm.build_with(1_002, b"document");
    world.add(&[again]);
    check(&world);
}

#[test]
fn an_index_that_is_behind_catches_up() {
    // [S-15]
    let mut world = World::new();
    let (index, ..) = world.open().unwrap();
    let size = index.size();
    World::close(index);
    world.grow(3);
    let (index, state, opened) = world.open().unwrap();
    assert_eq!(opened, Opened::CaughtUp(size));
    world.check(&index, &state);
}

#[test]
fn an_index_that_is_deleted_truncated_or_of_another_tree_is_rebuilt() {
    // [S-16]
    let mut world = World::new();
    let (index, ..) = world.open().unwrap();
    World::close(index);
    let whole = world.folder.path().join("whole");
    copy_folder(&world.data().join("index"), &whole);
    let restore = |world: &World| {
        std::fs::remove_dir_all(world.data().join("index")).unwrap();
        copy_folder(&whole, &world.data().join("index"));
    };

    std::fs::remove_dir_all(world.data().join("index")).unwrap();
    let (index, state, opened) = world.open().unwrap();
    assert!(matches!(opened, Opened::Rebuilt(_)));
    world.check(&index, &state);
    World::close(index);

    let length = std::fs::metadata(data_file(&world)).unwrap().len();
    let mut rebuilt = 0;
    for keep in [0, 1, 1_000, length / 4, length / 2, length * 3 / 4, length - 1] {
        restore(&world);
        std::fs::OpenOptions::new().write(true).open(data_file(&world)).unwrap().set_len(keep).unwrap();
        let (index, state, opened) = world.open().unwrap_or_else(|error| panic!("cut to {keep}: {error}"));
        rebuilt += usize::from(matches!(opened, Opened::Rebuilt(_)));
        world.check(&index, &state);
        World::close(index);
    }
    assert!(rebuilt >= 4, "{rebuilt} of 7 cuts were noticed; the others cut off what was empty");

    // Ahead of the log, which a restored copy of the folder's objects would be.
    let (index, state, _) = world.open().unwrap();
    let (size, root) = (TreeSize::new(world.log.size().get() + 1), Hash::of(b"ahead"));
    index.apply(&[], &[], &state, size, root).unwrap();
    World::close(index);
    let (index, state, opened) = world.open().unwrap();
    assert!(matches!(&opened, Opened::Rebuilt(reason) if reason.contains("the log has")), "{opened:?}");
    world.check(&index, &state);
    // Of a tree with the same size and another root.
    index.apply(&[], &[], &state, world.log.size(), Hash::of(b"another")).unwrap();
    World::close(index);
    world.grow(1);
    let (index, state, opened) = world.open().unwrap();
    assert!(matches!(&opened, Opened::Rebuilt(reason) if reason.contains("it covers root")), "{opened:?}");
    world.check(&index, &state);
}

#[test]
fn an_index_with_flipped_bits_never_answers_wrongly() {
    // [S-16]: whatever sled makes of a damaged file, open ends with the right answers.
    let world = World::new();
    let (index, ..) = world.open().unwrap();
    World::close(index);
    let whole = world.folder.path().join("whole");
    copy_folder(&world.data().join("index"), &whole);
    let bytes = std::fs::read(data_file(&world)).unwrap();
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut rebuilt = 0;
    let flips = 60;
    for n in 0..flips {
        let at = used[n * (used.len() - 1) / (flips - 1)];
        std::fs::remove_dir_all(world.data().join("index")).unwrap();
        copy_folder(&whole, &world.data().join("index"));
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (n % 8);
        std::fs::write(data_file(&world), damaged).unwrap();
        let (index, state, opened) = world.open().unwrap_or_else(|error| panic!("byte {at}: {error}"));
        rebuilt += usize::from(matches!(opened, Opened::Rebuilt(_)));
        world.check(&index, &state);
        drop(index);
    }
    assert!(rebuilt > flips / 2, "{rebuilt} of {flips} flips were noticed; the others are in what nobody reads");
}

#[test]
fn a_record_that_is_lost_changed_or_added_is_noticed() {
    // [S-16]: below sled's own checks, as a bug of it would do it.
    let (mut world, _) = World::with_accesses();
    let build = world.farm.build_with(1_000, b"document");
    world.add(&[build]);
    let (index, ..) = world.open().unwrap();
    World::close(index);
    let mut seen = BTreeSet::new();
    for (prefix, harm) in [
        (b'e', "remove"),
        (b'p', "change"),
        (b's', "change"),
        (b'd', "remove"),
        (b'u', "add"),
        (b'm', "remove"),
        (b'x', "remove"),
        (b'a', "change"),
        (b'b', "remove"),
    ] {
        let db = open_sled(&sled::Config::default().path(world.data().join("index"))).unwrap();
        let (key, mut value) =
            db.scan_prefix([prefix]).next().unwrap().map(|(key, value)| (key, value.to_vec())).unwrap();
        match harm {
            "remove" => drop(db.remove(&key).unwrap()),
            "add" => drop(db.insert([&key[..], b"more"].concat(), "").unwrap()),
            _ => {
                *value.last_mut().unwrap() ^= 1;
                drop(db.insert(&key, value).unwrap());
            }
        }
        db.flush().unwrap();
        drop(db);
        let (index, state, opened) = world.open().unwrap();
        let Opened::Rebuilt(reason) = opened else { panic!("{} {harm}: not noticed", char::from(prefix)) };
        seen.insert(reason);
        world.check(&index, &state);
        World::close(index);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn an_index_that_failed_in_use_is_rebuilt_by_the_next_open() {
    // [S-16]
    let world = World::new();
    let (index, ..) = world.open().unwrap();
    let error = index.condemning(|| -> Result<(), String> { panic!("as sled does") }).unwrap_err();
    assert!(error.to_string().contains("sled panicked: as sled does"), "{error}");
    assert!(world.data().join(CONDEMNED).exists());
    drop(index);
    let (index, state, opened) = world.open().unwrap();
    assert_eq!(opened, Opened::Rebuilt("it failed while it was in use".to_owned()));
    assert!(!world.data().join(CONDEMNED).exists());
    world.check(&index, &state);
    World::close(index);
    assert!(matches!(world.open().unwrap().2, Opened::CaughtUp(_)));
}

#[test]
fn the_index_is_not_opened_on_a_full_disk() {
    // [S-16]
    let folder = tempfile::tempdir().unwrap();
    check_space(folder.path(), 0).unwrap();
    let error = check_space(folder.path(), u64::MAX).unwrap_err();
    assert!(matches!(error, IndexError::DiskFull { .. }), "{error}");
}

#[test]
fn the_thread_makes_it_durable() {
    // [S-15]
    let mut world = World::new();
    let (index, mut state, _) = world.open().unwrap();
    let thread = index.start_flushing(|error| panic!("{error}")).unwrap();
    let before = world.log.size();
    world.grow(1);
    let reader = world.log.reader();
    let size = world.log.size();
    let leaves: Vec<Vec<u8>> =
        (before.get()..size.get()).map(|at| reader.entry(LeafIndex::new(at), size).unwrap()).collect();
    let folded = fold::chunk(&mut state, world.log.keys().origin(), &leaves, |query| index.find(query)).unwrap();
    index.apply(&folded.entries, &folded.effects, &state, size, world.log.head().root).unwrap();
    drop(thread);
    assert!(!index.shared.dirty.load(std::sync::atomic::Ordering::Acquire));
    world.check(&index, &state);
}
