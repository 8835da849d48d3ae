//! Opening a log: the only recovery there is (85-log.md, "Open").
//!
//! Whatever a killed process, a full disk or a loss of power left is made whole here, or refused with its name.
//! Not here: the locks (`store`), erasures that a stop left undone (`erase`), the index (`index`), the rollback guard
//! (`guard`).

use std::sync::Arc;

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::edge::Edge;
use vitrine_spec::hash::{Hash, empty_root, leaf_hash};
use vitrine_spec::key::KeyKind;
use vitrine_spec::proof;
use vitrine_spec::text::hex;
use vitrine_spec::tiles::BundleId;
use vitrine_spec::tree::TreeSize;

use crate::batch::Tip;
use crate::head::{Head, HeadError, Stage};
use crate::keys::{LogKeys, LogVkeys};
use crate::layout;
use crate::limits::HEAD_BYTES_MAX;
use crate::log::{Log, Published, SignedHead};
use crate::reader::Reader;
use crate::sealed::Finder;
use crate::settle::{Fatal, Poison, Settler};
use crate::stop::Stop;
use crate::store::{Store, StoreError};
use crate::time::Time;

/// Why a log does not open. Nothing was signed, and nothing deleted that a head leads to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error("{0}; {advice}", advice = .0.advice())]
    Store(#[from] StoreError),
    /// Writing the repaired objects failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// There is nothing here.
    #[error("{place} holds no log: begin one with `log-server init`")]
    Empty {
        /// The folder.
        place: String,
    },
    /// An object that must be there is not [S-11].
    #[error(
        "{place}/{object} is missing beside {beside}: this is damage, or an init that was interrupted; \
         copy the object back, or repeat `log-server init` if the log never ran"
    )]
    Missing {
        /// The folder.
        place: String,
        /// What is missing.
        object: &'static str,
        /// What is there.
        beside: String,
    },
    /// An object that is not in its format [S-3].
    #[error("{path}: {source}")]
    Format {
        /// The object.
        path: String,
        /// What is wrong with it.
        source: HeadError,
    },
    /// An object that is no log-signed note.
    #[error("{path} is no checkpoint: {reason}")]
    Note {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys are those of another log.
    #[error("{path} is of the log {got}, the keys are of {want}: give the folders of one log")]
    Origin {
        /// The object.
        path: String,
        /// Origin found.
        got: String,
        /// Origin of the keys.
        want: String,
    },
    /// A signature of the log's own is missing or bad [S-12].
    #[error("{path} has no valid signature of {key}: the key folder is another log's, or the object is damaged")]
    Signature {
        /// The object.
        path: String,
        /// The key whose signature is missing or bad.
        key: String,
    },
    /// A stage that is not the one its follower, or the head, names [S-13].
    #[error("{path} is {got}, but what follows it names {want}: this is damage, copy the object back")]
    Stage {
        /// The stage.
        path: String,
        /// What it is.
        got: String,
        /// What it should be.
        want: String,
    },
    /// Tiles that do not lead to the head [S-14].
    #[error(
        "the tiles lead to root {got} at size {size}, {path} says {want}: run `log-server fsck` to find the object"
    )]
    Root {
        /// The object that says otherwise.
        path: String,
        /// The size.
        size: TreeSize,
        /// Root of the tiles.
        got: Hash,
        /// Root in the object.
        want: Hash,
    },
    /// A tile or bundle that is missing or damaged [S-14].
    #[error("the right edge cannot be read: {reason}")]
    Edge {
        /// What is wrong, with the object's name.
        reason: String,
    },
    /// The last bundle holds another entry than its tile says [S-14].
    #[error("entry {index} in {bundle} hashes to {got}, {tile} says {want}: this is damage, copy the objects back")]
    Entry {
        /// Index of the entry.
        index: u64,
        /// The bundle.
        bundle: String,
        /// The tile.
        tile: String,
        /// Hash of the entry.
        got: Hash,
        /// Hash in the tile.
        want: Hash,
    },
    /// A checkpoint ahead of the head [S-14].
    #[error("checkpoint has size {got}, head only {head}: this folder lost entries, copy a newer one back")]
    Ahead {
        /// Size of the checkpoint.
        got: TreeSize,
        /// Size of the head.
        head: TreeSize,
    },
    /// The folder was last used on another machine [S-10].
    #[error(
        "{place} was last used on another machine (it says {got}, this one is {want}): if no server uses it there, \
         nor a copy of it, add --take-over"
    )]
    Machine {
        /// The folder.
        place: String,
        /// What the folder says.
        got: String,
        /// This machine.
        want: String,
    },
    /// A copy of a log that may run elsewhere [S-45].
    #[error(
        "{place} is a copy that `log-server follow` made: if the server it was copied from is stopped for good, and its \
         keys are here, add --take-over"
    )]
    Copy {
        /// The folder.
        place: String,
    },
    /// A copy that is not whole [S-45].
    #[error("{place} is a copy that is not finished: run `log-server follow` again until it says that it is")]
    Unfinished {
        /// The folder.
        place: String,
    },
}

impl OpenError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            OpenError::Store(error) => error.stop(),
            OpenError::Fatal(error) => error.stop(),
            OpenError::Empty { .. } => Stop::LogEmpty,
            OpenError::Format { source: HeadError::Version { .. }, .. } => Stop::LogVersion,
            OpenError::Missing { .. }
            | OpenError::Format { .. }
            | OpenError::Note { .. }
            | OpenError::Stage { .. }
            | OpenError::Root { .. }
            | OpenError::Edge { .. }
            | OpenError::Entry { .. } => Stop::LogDamaged,
            OpenError::Origin { .. } | OpenError::Signature { .. } => Stop::LogOther,
            OpenError::Ahead { .. } => Stop::LogLostEntries,
            OpenError::Machine { .. } => Stop::OtherMachine,
            OpenError::Copy { .. } => Stop::Copy,
            OpenError::Unfinished { .. } => Stop::CopyUnfinished,
        }
    }
}

/// What stands in place of a machine in a copy that `follow` made: it goes on nowhere until a person says so [S-45].
pub(crate) const COPY_LINE: &str = "vitrine machine 1 copy\n";

/// How far opening is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is being done, in a few words.
    pub name: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do; 0 when that is not known.
    pub total: u64,
}

/// Hears how far opening is.
pub type Progress<'a> = &'a (dyn Fn(Step) + Sync);

/// The name of this machine as the folder remembers it: a digest of machine-id, which is not to be shown as it is.
/// `None` where the system has none.
pub fn machine_id() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| Hash::of(format!("vitrine machine {id}").as_bytes()).hex())
}

/// What the folder says of its machine once this one uses it.
#[derive(Debug)]
#[must_use = "the folder says the same as before until it is kept"]
pub enum Claim {
    /// What it says already.
    Said,
    /// Another line.
    Line(String),
    /// Nothing: nobody can say where it is used, but it is no copy any more.
    Nothing,
}

impl Claim {
    /// Says it, durably. A server does so when the guard has passed: a start that ended before is to be told again that this
    /// is a take-over, because then every witness must answer [G-5].
    pub fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        match self {
            Claim::Said => Ok(()),
            Claim::Line(line) => store.put(layout::MACHINE, line.as_bytes()),
            Claim::Nothing => store.delete(layout::MACHINE).and_then(|()| store.sync_folder("")),
        }
    }
}

/// Takes the folder for this machine [S-10]: refuses one last used on another, unless a person says to take it over.
/// The caller holds the folder's lock.
pub fn claim(store: &dyn Store, machine: Option<&str>, take_over: bool) -> Result<Claim, OpenError> {
    if store.read(layout::FOLLOW)?.is_some() {
        return Err(OpenError::Unfinished { place: store.place() });
    }
    let copied = store.read(layout::MACHINE)?.is_some_and(|bytes| bytes == COPY_LINE.as_bytes());
    if copied && !take_over {
        return Err(OpenError::Copy { place: store.place() });
    }
    let Some(machine) = machine else {
        return Ok(if copied { Claim::Nothing } else { Claim::Said });
    };
    let line = format!("vitrine machine 1 {machine}\n");
    match store.read(layout::MACHINE)? {
        Some(bytes) if bytes == line.as_bytes() => return Ok(Claim::Said),
        Some(bytes) if !take_over => {
            let text = String::from_utf8_lossy(&bytes);
            let got = text.strip_prefix("vitrine machine 1 ").unwrap_or(&text);
            return Err(OpenError::Machine {
                place: store.place(),
                got: got.trim_end().escape_default().take(64).collect(),
                want: machine.to_owned(),
            });
        }
        Some(_) | None => {}
    }
    Ok(Claim::Line(line))
}

impl Log {
    /// Steps 2 to 4 of opening (design: "Open"); the caller has locked the folders and claimed them [S-10].
    ///
    /// In this order, because a stop may come after any step, and because nothing may leave the machine that a loss of
    /// power can take back:
    /// 1. `head` verifies under our own keys and is written again, durably;
    /// 2. the stages that lead to it are written again, oldest first, synced, deleted; other stages are deleted;
    /// 3. the right edge hashes to the head, the last bundle to its tile;
    /// 4. `checkpoint` is a prefix of it and is written again.
    pub fn open(
        store: Arc<dyn Store>,
        keys: Arc<LogKeys>,
        now: Time,
        progress: Progress<'_>,
    ) -> Result<Log, OpenError> {
        let step = |name| progress(Step { name, done: 0, total: 0 });
        step("read head");
        let (head_bytes, checkpoint_bytes) = both(&*store)?;
        let (head, stage) = read_head(&head_bytes, keys.vkeys())?;
        let checkpoint = read_checkpoint(&checkpoint_bytes, keys.vkeys())?;
        let stages = stages_to(&*store, &head, stage)?;

        // A killed process may have left a head, or a kept checkpoint, whose name no sync covers [S-12].
        store.put(layout::HEAD, &head_bytes)?;
        store.sync_folder(&newest_kept_folder(&*store)?)?;

        delete_temporary(&*store)?;
        let poison = Poison::default();
        let settler = Settler::new(Arc::clone(&store), poison.clone());
        let total = stages.len() as u64;
        for (done, size) in stages.iter().rev().enumerate() {
            progress(Step { name: "write stages again", done: done as u64, total });
            write_again(&*store, &settler, *size)?;
        }
        delete_all(&*store, layout::STAGE_FOLDER)?;

        step("check the right edge");
        let reader = Reader::new(Arc::clone(&store), head.size);
        let tip = check_edge(&reader, &head)?;

        step("check the checkpoint");
        if checkpoint.size > head.size {
            return Err(OpenError::Ahead { got: checkpoint.size, head: head.size });
        }
        let root = reader.root(checkpoint.size).map_err(|error| OpenError::Edge { reason: error.to_string() })?;
        if root != checkpoint.root {
            let path = layout::CHECKPOINT.to_owned();
            return Err(OpenError::Root { path, size: checkpoint.size, got: root, want: checkpoint.root });
        }
        // Readers see it from here on, so it must not go back either.
        store.put(layout::CHECKPOINT, &checkpoint_bytes)?;
        settler.find_partials(head.size, checkpoint.size, now)?;
        Ok(Log {
            store,
            keys,
            tip,
            head: Arc::new(head),
            stage,
            published: Arc::new(checkpoint),
            published_at: Time::default(),
            kept_hour: None,
            reader,
            settler,
            poison,
            finder: Finder::default(),
        })
    }
}

/// `head` and `checkpoint`, or why there are not both [S-11].
pub(crate) fn both(store: &dyn Store) -> Result<(Vec<u8>, Vec<u8>), OpenError> {
    let missing = |object, beside: String| OpenError::Missing { place: store.place(), object, beside };
    let Some(head) = store.read(layout::HEAD)? else {
        const OURS: [&str; 5] = [layout::CHECKPOINT, "kept/", "sealed/", "stage/", "tile/"];
        let beside = store.list("")?.into_iter().find(|name| OURS.contains(&name.as_str()));
        return Err(match beside {
            Some(beside) => missing(layout::HEAD, beside),
            None => OpenError::Empty { place: store.place() },
        });
    };
    match store.read(layout::CHECKPOINT)? {
        Some(checkpoint) => Ok((head, checkpoint)),
        None => Err(missing(layout::CHECKPOINT, layout::HEAD.to_owned())),
    }
}

/// The head, and the digest of its stage.
pub(crate) fn read_head(bytes: &[u8], keys: &LogVkeys) -> Result<(SignedHead, Hash), OpenError> {
    let path = layout::HEAD;
    if bytes.len() > HEAD_BYTES_MAX {
        let reason = format!("it has {} bytes of at most {HEAD_BYTES_MAX}", bytes.len());
        return Err(OpenError::Note { path: path.to_owned(), reason });
    }
    let head = Head::decode(bytes).map_err(|source| OpenError::Format { path: path.to_owned(), source })?;
    let signed = log_signed(path, &head.note, keys)?;
    let own = signed.signatures().iter().find(|line| line.is_by(&keys.mldsa));
    let time = own.and_then(|line| cosignature::decode(KeyKind::MlDsa44, &line.bytes)).map(|(time, _)| time);
    let lacking = || OpenError::Signature { path: path.to_owned(), key: keys.mldsa.keyid() };
    let time = Time::new(time.ok_or_else(lacking)?);
    let (size, root) = (signed.size(), *signed.root());
    Ok((SignedHead { size, root, time, note: head.note }, head.stage))
}

pub(crate) fn read_checkpoint(bytes: &[u8], keys: &LogVkeys) -> Result<Published, OpenError> {
    let signed = log_signed(layout::CHECKPOINT, bytes, keys)?;
    Ok(Published { size: signed.size(), root: *signed.root(), note: bytes.to_vec() })
}

/// A checkpoint of this log with both of its valid signatures [S-12].
pub(crate) fn log_signed(path: &str, bytes: &[u8], keys: &LogVkeys) -> Result<SignedCheckpoint, OpenError> {
    let no_note = |reason: String| OpenError::Note { path: path.to_owned(), reason };
    let signed = SignedCheckpoint::parse(bytes).map_err(|error| no_note(error.to_string()))?;
    if *signed.origin() != keys.origin {
        return Err(OpenError::Origin {
            path: path.to_owned(),
            got: signed.origin().to_string(),
            want: keys.origin.to_string(),
        });
    }
    for key in [&keys.ed25519, &keys.mldsa] {
        let lacking = || OpenError::Signature { path: path.to_owned(), key: key.keyid() };
        let valid = signed.verify_log(core::slice::from_ref(key)).map_err(|_| lacking())?;
        if valid.is_empty() {
            return Err(lacking());
        }
    }
    Ok(signed)
}

/// Sizes of the stages that lead to the head and are there, newest first [S-13].
pub(crate) fn stages_to(store: &dyn Store, head: &SignedHead, digest: Hash) -> Result<Vec<TreeSize>, OpenError> {
    let mut sizes = Vec::new();
    let (mut digest, mut place) = (digest, (head.size, head.root));
    // Sizes strictly fall, so this ends.
    while let Some((stage, got)) = read_stage(store, place.0)? {
        let path = layout::stage(place.0);
        if got != digest {
            return Err(OpenError::Stage { path, got: hex(got.as_bytes()), want: hex(digest.as_bytes()) });
        }
        if stage.new != place || stage.base.0 >= stage.new.0 {
            let got = format!("{} {} from {} {}", stage.new.0, stage.new.1, stage.base.0, stage.base.1);
            return Err(OpenError::Stage { path, got, want: format!("{} {}", place.0, place.1) });
        }
        sizes.push(place.0);
        (digest, place) = (stage.previous, stage.base);
    }
    Ok(sizes)
}

/// A stage and its SHA-256; `None` when it is not there.
pub(crate) fn read_stage(store: &dyn Store, size: TreeSize) -> Result<Option<(Stage, Hash)>, OpenError> {
    let path = layout::stage(size);
    let Some(bytes) = store.read(&path)? else { return Ok(None) };
    let stage = Stage::decode(&bytes).map_err(|source| OpenError::Format { path, source })?;
    Ok(Some((stage, Hash::of(&bytes))))
}

/// Writes the objects of a stage over whatever is there: a name can survive a loss of power without its bytes.
fn write_again(store: &dyn Store, settler: &Settler, size: TreeSize) -> Result<(), OpenError> {
    let Some((stage, _)) = read_stage(store, size)? else { return Ok(()) };
    for (path, bytes) in &stage.objects {
        store.put_unsynced(path, bytes)?;
    }
    settler.add(layout::stage(size), stage.objects.into_iter().map(|(path, _)| path).collect());
    Ok(settler.work()?)
}

/// Deletes what has no name: a stop, or an attachment that did not come whole, left it.
pub fn delete_temporary(store: &dyn Store) -> Result<(), StoreError> {
    delete_all(store, layout::TEMPORARY_FOLDER)
}

/// Deletes every object in a folder.
pub(crate) fn delete_all(store: &dyn Store, folder: &str) -> Result<(), StoreError> {
    store.list(folder)?.iter().try_for_each(|name| store.delete(&layout::join(folder, name)))
}

/// The folder of the newest kept checkpoint, or as much of the way to it as there is.
fn newest_kept_folder(store: &dyn Store) -> Result<String, StoreError> {
    let mut folder = layout::KEPT_FOLDER.to_owned();
    loop {
        let newest = store.list(&folder)?.into_iter().rfind(|name| name.ends_with('/'));
        match newest {
            Some(name) => folder = layout::join(&folder, name.trim_end_matches('/')),
            None => return Ok(folder),
        }
    }
}

/// Loads the right edge and checks it against the head, and the last bundle against its tile [S-14].
pub(crate) fn check_edge(reader: &Reader, head: &SignedHead) -> Result<Tip, OpenError> {
    let broken = |reason: String| OpenError::Edge { reason };
    let edge = Edge::load(head.size, |tile| reader.tile(*tile)).map_err(|error| broken(error.to_string()))?;
    if edge.root() != head.root {
        let (got, want) = (edge.root(), head.root);
        return Err(OpenError::Root { path: layout::HEAD.to_owned(), size: head.size, got, want });
    }
    let Some((last, id)) = head.size.last().and_then(|last| Some((last, BundleId::holding(last, head.size)?))) else {
        return Ok(Tip::empty());
    };
    let bytes = reader.bundle(id).map_err(|error| broken(error.to_string()))?;
    let leaf = check_bundle(reader, id, &bytes)?;
    // The edge is the partial tiles alone; this also covers the full tile that ends where the tree ends.
    let path = reader.inclusion(last, head.size).map_err(|error| broken(error.to_string()))?;
    proof::verify_inclusion(&leaf, last, head.size, &path, &head.root)
        .map_err(|error| broken(format!("{}: {error}", id.hashes())))?;
    Ok(Tip::new(edge, bytes))
}

/// The entries of a bundle hash to its level-0 tile; the hash of the last one.
fn check_bundle(reader: &Reader, id: BundleId, bytes: &[u8]) -> Result<Hash, OpenError> {
    let broken = |reason: String| OpenError::Edge { reason };
    let entries = vitrine_spec::tiles::entries(bytes, id.width()).map_err(|error| broken(format!("{id}: {error}")))?;
    let tile = reader.tile(id.hashes()).map_err(|error| broken(error.to_string()))?;
    let hashes = Hash::slice_of(&tile).unwrap_or_default();
    let mut last = empty_root();
    for ((index, entry), want) in (id.start().get()..).zip(entries).zip(hashes) {
        let got = leaf_hash(entry);
        if got != want {
            return Err(OpenError::Entry { index, bundle: id.path(), tile: id.hashes().path(), got, want });
        }
        last = got;
    }
    Ok(last)
}
