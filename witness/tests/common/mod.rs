//! What the tests of the witness share: a log that signs, a disk that fails on demand, a clock that is set.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

pub mod process;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use vitrine_spec::cosignature;
use vitrine_spec::edge::Edge;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyKind, Seed, Vkey};
use vitrine_spec::note::{Signature, parse_signatures};
use vitrine_spec::proof::{Tiles, consistency};
use vitrine_spec::tiles::TileId;
use vitrine_spec::tree::TreeSize;
use vitrine_witness::clock::Clock;
use vitrine_witness::disk::{Disk, DiskError};
use vitrine_witness::keys::Keys;
use vitrine_witness::logs::Logs;
use vitrine_witness::quota::Rate;
use vitrine_witness::{Answer, OpenError, Setup, Witness, make_journal};

pub const NOW: u64 = 1_800_000_000;
pub const NAME: &str = "witness.example/w1";

/// A log of up to 64 entries with an Ed25519 key, and an ML-DSA-44 one when asked.
#[derive(Clone)]
pub struct Log {
    pub origin: String,
    leaves: Vec<Hash>,
    seeds: Vec<Seed>,
}

impl Log {
    pub fn new(origin: &str, kinds: &[KeyKind]) -> Log {
        let seed = |kind: &KeyKind| Seed::new(origin, *kind, *Hash::of(origin.as_bytes()).as_bytes()).unwrap();
        let leaves = (0..64).map(|index: u8| leaf_hash(&[index])).collect();
        Log { origin: origin.to_owned(), leaves, seeds: kinds.iter().map(seed).collect() }
    }

    pub fn ed(origin: &str) -> Log {
        Log::new(origin, &[KeyKind::Ed25519])
    }

    /// The same log with other entries from `index` on.
    pub fn fork(&self, index: usize) -> Log {
        let mut leaves = self.leaves.clone();
        leaves[index..].iter_mut().for_each(|leaf| *leaf = leaf_hash(leaf.as_bytes()));
        Log { origin: self.origin.clone(), leaves, seeds: self.seeds.clone() }
    }

    pub fn vkeys(&self) -> Vec<Vkey> {
        self.seeds.iter().map(Seed::vkey).collect()
    }

    pub fn lines(&self) -> String {
        self.vkeys().iter().map(|vkey| format!("log {vkey}\n")).collect()
    }

    pub fn hash(&self) -> Hash {
        Hash::of(self.origin.as_bytes())
    }

    pub fn root(&self, size: usize) -> Hash {
        let mut edge = Edge::empty();
        edge.append(&self.leaves[..size]);
        edge.root()
    }

    pub fn sign(&self, size: u64, root: Hash) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(Origin::new(&self.origin).unwrap(), TreeSize::new(size), root);
        let line = |seed: &Seed| {
            let message = cosignature::message(seed.kind(), seed.name(), NOW, &checkpoint).unwrap();
            let bytes = match seed.kind() {
                KeyKind::MlDsa44 => cosignature::encode(NOW, &seed.sign_mldsa_deterministic(&message).unwrap()),
                KeyKind::Ed25519 | KeyKind::Cosign => seed.sign_ed25519(checkpoint.text().as_bytes()).unwrap().to_vec(),
            };
            Signature::by(&seed.vkey(), bytes).unwrap()
        };
        let lines = self.seeds.iter().map(line).collect();
        SignedCheckpoint::new(checkpoint, lines).unwrap()
    }

    /// A checkpoint of this very text, extension lines included, with the Ed25519 key.
    pub fn sign_text(&self, text: &str) -> SignedCheckpoint {
        let seed = self.seeds.iter().find(|seed| seed.kind() == KeyKind::Ed25519).unwrap();
        let line = Signature::by(&seed.vkey(), seed.sign_ed25519(text.as_bytes()).unwrap().to_vec()).unwrap();
        SignedCheckpoint::parse(format!("{text}\n{}", line.line()).as_bytes()).unwrap()
    }

    pub fn checkpoint(&self, size: usize) -> SignedCheckpoint {
        self.sign(size as u64, self.root(size))
    }

    /// The tiles of all entries.
    pub fn tiles(&self) -> impl Tiles<Error = ()> {
        Leaves(&self.leaves)
    }

    pub fn proof(&self, old: usize, size: usize) -> Vec<Hash> {
        consistency(&self.tiles(), TreeSize::new(old as u64), TreeSize::new(size as u64)).unwrap()
    }

    /// A request from a size that no witness here has cosigned.
    pub fn impossible(&self) -> Vec<u8> {
        AddCheckpoint { old: TreeSize::new(63), proof: vec![], checkpoint: self.checkpoint(64) }.print()
    }

    /// An honest request.
    pub fn request(&self, old: usize, size: usize) -> Vec<u8> {
        let (old_size, proof) = (TreeSize::new(old as u64), self.proof(old, size));
        AddCheckpoint { old: old_size, proof, checkpoint: self.checkpoint(size) }.print()
    }
}

struct Leaves<'a>(&'a [Hash]);

impl Tiles for Leaves<'_> {
    type Error = ();
    fn tile(&self, id: TileId) -> Result<Vec<u8>, ()> {
        let end = usize::try_from(id.end().get()).unwrap();
        let written = Edge::empty().append(&self.0[..end]);
        written.into_iter().find(|(tile, _)| *tile == id).map(|(_, bytes)| bytes).ok_or(())
    }
}

/// A clock that is set.
pub struct SetClock(AtomicU64);

impl SetClock {
    pub fn at(now: u64) -> Arc<SetClock> {
        Arc::new(SetClock(AtomicU64::new(now)))
    }

    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What becomes of the step that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reports failure and did nothing.
    Lost,
    /// It reports failure and did everything.
    Kept,
    /// It reports failure and a write did its first half.
    Half,
    /// It is done; then the power fails.
    PowerAfter,
}

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct Sim {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    steps: u64,
    plan: Option<(u64, Fate)>,
    dead: bool,
    history: Vec<String>,
}

/// A directory in memory that knows what is seen and what is durable.
#[derive(Default)]
pub struct SimDisk(Mutex<Sim>);

impl SimDisk {
    pub fn new() -> Arc<SimDisk> {
        Arc::default()
    }

    fn sim(&self) -> MutexGuard<'_, Sim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the step with this number, from 0 on and counted from now, meet its fate.
    pub fn plan(&self, step: u64, fate: Fate) {
        let mut sim = self.sim();
        sim.plan = Some((sim.steps + step, fate));
    }

    /// Steps done or failed so far.
    pub fn steps(&self) -> u64 {
        self.sim().steps
    }

    pub fn fired(&self) -> bool {
        self.sim().dead
    }

    pub fn history(&self) -> Vec<String> {
        self.sim().history.clone()
    }

    /// What a process finds that starts after this one was killed: all that was seen.
    pub fn after_kill(&self) -> Arc<SimDisk> {
        let sim = self.sim();
        let names: BTreeMap<String, usize> = sim.names.clone();
        // What is seen is not durable for that.
        Arc::new(SimDisk(Mutex::new(Sim {
            inodes: sim.inodes.clone(),
            names,
            durable_names: sim.durable_names.clone(),
            ..Sim::default()
        })))
    }

    /// What is left after a power failure: only what was synced, and `torn` bytes more of each file.
    pub fn after_power_loss(&self, torn: usize) -> Arc<SimDisk> {
        let sim = self.sim();
        let keep = |inode: &Inode| {
            let grown = inode.seen.len().min(inode.durable.len() + torn);
            let left = match inode.seen.get(..grown) {
                Some(seen) if seen.starts_with(&inode.durable) => seen.to_vec(),
                _ => inode.durable.clone(),
            };
            Inode { seen: left.clone(), durable: left }
        };
        Arc::new(SimDisk(Mutex::new(Sim {
            inodes: sim.inodes.iter().map(keep).collect(),
            names: sim.durable_names.clone(),
            durable_names: sim.durable_names.clone(),
            ..Sim::default()
        })))
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let sim = self.sim();
        sim.inodes[sim.names[name]].seen.clone()
    }

    pub fn has(&self, name: &str) -> bool {
        self.sim().names.contains_key(name)
    }

    /// Changes a file behind the witness's back, durably.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut sim = self.sim();
        let inode = sim.names[name];
        change(&mut sim.inodes[inode].seen);
        sim.inodes[inode].durable = sim.inodes[inode].seen.clone();
    }

    pub fn delete(&self, name: &str) {
        let mut sim = self.sim();
        sim.names.remove(name);
        sim.durable_names.remove(name);
    }

    fn step(&self, what: String, act: impl Fn(&mut Sim, bool)) -> Result<(), DiskError> {
        let mut sim = self.sim();
        let failed = |why: &str| DiskError { step: "simulate", path: what.clone(), source: io::Error::other(why) };
        if sim.dead {
            return Err(failed("the disk is gone"));
        }
        let number = sim.steps;
        sim.steps += 1;
        sim.history.push(what.clone());
        match sim.plan {
            Some((planned, fate)) if planned == number => {
                sim.dead = true;
                match fate {
                    Fate::Lost => Err(failed("failed, lost")),
                    Fate::Kept => {
                        act(&mut sim, false);
                        Err(failed("failed, kept"))
                    }
                    Fate::Half => {
                        act(&mut sim, true);
                        Err(failed("failed, half done"))
                    }
                    Fate::PowerAfter => {
                        act(&mut sim, false);
                        Ok(())
                    }
                }
            }
            _ => {
                act(&mut sim, false);
                Ok(())
            }
        }
    }
}

impl Disk for SimDisk {
    fn len(&self, name: &str) -> Result<Option<u64>, DiskError> {
        let sim = self.sim();
        Ok(sim.names.get(name).map(|inode| sim.inodes[*inode].seen.len() as u64))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let sim = self.sim();
        let missing = || DiskError { step: "read", path: name.to_owned(), source: io::ErrorKind::NotFound.into() };
        let inode = sim.names.get(name).ok_or_else(missing)?;
        let rest = sim.inodes[*inode].seen.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        buffer[..got].copy_from_slice(&rest[..got]);
        Ok(got)
    }

    fn create(&self, name: &str) -> Result<(), DiskError> {
        self.step(format!("create {name}"), |sim, _| {
            sim.inodes.push(Inode::default());
            let inode = sim.inodes.len() - 1;
            sim.names.insert(name.to_owned(), inode);
        })
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.step(format!("append {name}"), |sim, half| {
            let inode = sim.names[name];
            let bytes = if half { &bytes[..bytes.len() / 2] } else { bytes };
            sim.inodes[inode].seen.extend_from_slice(bytes);
        })
    }

    fn sync(&self, name: &str) -> Result<(), DiskError> {
        self.step(format!("sync {name}"), |sim, half| {
            let inode = sim.names[name];
            let seen = &sim.inodes[inode].seen;
            let reached = if half { (sim.inodes[inode].durable.len() + seen.len()) / 2 } else { seen.len() };
            sim.inodes[inode].durable = seen[..reached].to_vec();
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.step(format!("rename {from} {to}"), |sim, _| {
            let inode = sim.names.remove(from).unwrap();
            sim.names.insert(to.to_owned(), inode);
        })
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.step("sync the directory".to_owned(), |sim, _| sim.durable_names = sim.names.clone())
    }
}

pub fn keys() -> Keys {
    let ed = Seed::new(NAME, KeyKind::Cosign, [4; 32]).unwrap();
    let pq = Seed::new(NAME, KeyKind::MlDsa44, [6; 32]).unwrap();
    Keys::from_seeds(&ed, &pq, "test").unwrap()
}

/// Two directories and a clock: what a witness is opened from.
#[derive(Clone)]
pub struct World {
    pub disk: Arc<SimDisk>,
    pub marks: Arc<SimDisk>,
    pub clock: Arc<SetClock>,
    pub logs: String,
    pub rate: Option<Rate>,
}

impl World {
    /// After `witness init`.
    pub fn new(logs: &[&Log]) -> World {
        let world = World {
            disk: SimDisk::new(),
            marks: SimDisk::new(),
            clock: SetClock::at(NOW),
            logs: logs.iter().map(|log| log.lines()).collect(),
            rate: None,
        };
        let disk: Arc<dyn Disk> = world.disk.clone();
        assert_eq!(make_journal(&disk).unwrap(), 0);
        world
    }

    pub fn setup(&self) -> Setup {
        Setup {
            disk: self.disk.clone(),
            marks: self.marks.clone(),
            keys: keys(),
            logs: Logs::parse(self.logs.as_bytes()).unwrap(),
            clock: self.clock.clone(),
            confirm_state: None,
            clock_was_wrong: false,
            rate: self.rate,
        }
    }

    pub fn open(&self) -> Result<Witness, OpenError> {
        Witness::open(self.setup())
    }

    pub fn after_kill(&self) -> World {
        World { disk: self.disk.after_kill(), marks: self.marks.after_kill(), ..self.clone() }
    }

    pub fn after_power_loss(&self, torn: usize) -> World {
        World { disk: self.disk.after_power_loss(torn), marks: self.marks.after_power_loss(torn), ..self.clone() }
    }
}

/// The size that the witness names as its last one of this log: a request from an impossible old size says so.
pub fn known_size(witness: &Witness, log: &Log) -> u64 {
    let answer = witness.add_checkpoint(&log.impossible());
    assert_eq!(answer.content_type, "text/x.tlog.size", "{}", text(&answer));
    known_size_of(&(answer.status, text(&answer))).unwrap()
}

/// The size in an answer to an impossible request; `None` of a log that is frozen.
pub fn known_size_of((status, body): &(u16, String)) -> Option<u64> {
    match status {
        409 => Some(body.strip_suffix('\n').unwrap().parse().unwrap()),
        403 => None,
        other => panic!("{other}: {body}"),
    }
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// Asserts a 200 whose two lines verify for this checkpoint; the time of both.
pub fn cosigned(answer: &Answer, checkpoint: &SignedCheckpoint) -> u64 {
    assert_eq!(answer.status, 200, "{}", text(answer));
    let lines = parse_signatures(&answer.body).unwrap();
    let keys = keys();
    let times: Vec<u64> =
        lines.iter().zip(keys.vkeys()).map(|(line, key)| cosignature::verify(key, checkpoint, line).unwrap()).collect();
    assert_eq!(times.len(), 2, "one line of each key");
    assert_eq!(times[0], times[1]);
    times[0]
}
