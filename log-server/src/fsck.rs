//! Reading every object and naming each that does not fit [S-18] (85-log.md, "Begin and check").
//!
//! Changes nothing: stages that open would write again are read as if it had. Not here: repairing, which only open and
//! a copy of the folder do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::prelude::*;
use vitrine_spec::admission::{self, Logged, Query};
use vitrine_spec::checkpoint::{Origin, SignedCheckpoint};
use vitrine_spec::edge::Edge;
use vitrine_spec::envelope::EventId;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::limits::TILE_WIDTH;
use vitrine_spec::state::State;
use vitrine_spec::tiles::{BundleId, Path, parse_path};
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::fold;
use crate::head::Head;
use crate::keys::LogVkeys;
use crate::layout;
use crate::limits::BATCH_ENTRIES_MAX;
use crate::log::SignedHead;
use crate::open::{OpenError, Progress, Step, both, log_signed, read_head, read_stage, stages_to};
use crate::reader::Reader;
use crate::store::{Action, Store, StoreError, Unnamed};
use crate::time::Time;
use attachments::Attachments;
use sealed::Sealed;

mod attachments;
mod sealed;
#[cfg(test)]
mod tests;

/// An object that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The object.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was read, and what did not fit.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The log's name; empty when not even the head could be read.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Entries of the published checkpoint.
    pub published: u64,
    /// Bundles read.
    pub bundles: u64,
    /// Tiles read, partial ones included.
    pub tiles: u64,
    /// Kept checkpoints read.
    pub kept: u64,
    /// Stages whose objects the next open writes again.
    pub stages: u64,
    /// Objects of sealed records read.
    pub sealed: u64,
    /// Sealed records compared with their leaves.
    pub records: u64,
    /// Sealed records that are zero.
    pub erased: u64,
    /// Records of published erasures that the next open makes zero.
    pub to_erase: u64,
    /// Attachments read.
    pub attachments: u64,
    /// Nothing here means: clean.
    pub findings: Vec<Finding>,
}

impl Report {
    fn find(&mut self, path: impl Into<String>, what: impl ToString) {
        self.findings.push(Finding { path: path.into(), what: what.to_string() });
    }
}

/// Reads everything; the caller holds the folder's lock, so that nothing changes meanwhile.
///
/// `Err` only when the store itself cannot be read: everything wrong with objects is a finding.
pub fn fsck(store: Arc<dyn Store>, progress: Progress<'_>) -> Result<Report, StoreError> {
    let mut report = Report::default();
    match check(store, progress, &mut report) {
        Ok(()) => Ok(report),
        Err(OpenError::Store(error)) => Err(error),
        Err(error) => {
            report.find(layout::HEAD, error);
            Ok(report)
        }
    }
}

fn check(store: Arc<dyn Store>, progress: Progress<'_>, report: &mut Report) -> Result<(), OpenError> {
    let (head_bytes, checkpoint) = both(&*store)?;
    let (claimed, stage) = claimed(&head_bytes)?;
    let stages = stages_to(&*store, &claimed, stage)?;
    report.stages = stages.len() as u64;
    let store: Arc<dyn Store> = Arc::new(AsOpened::new(store, &stages)?);
    let reader = Reader::new(Arc::clone(&store), claimed.size);
    report.size = claimed.size.get();

    let Some(keys) = keys_of_charter(&reader, claimed.size, report) else { return Ok(()) };
    report.origin = keys.origin.to_string();
    let (head, _) = read_head(&head_bytes, &keys)?;

    let mut sealed = Sealed::new(&*store, head.size, report)?;
    let mut attachments = Attachments::default();
    let beside = (&mut sealed, &mut attachments);
    let complete = check_entries(&*store, &reader, &keys.origin, &head, beside, progress, report)?;
    let published = check_note(&reader, layout::CHECKPOINT, &checkpoint, &keys, &head, report);
    report.published = published.map_or(0, TreeSize::get);
    if complete {
        // A checkpoint that does not fit says nothing about what is published.
        sealed.finish(&*store, published.unwrap_or(head.size), report)?;
        attachments.finish(&*store, report)?;
    } else {
        sealed.tell_missing(report);
    }
    check_kept(&*store, &reader, &keys, &head, report)?;
    check_partials(&*store, &reader, &head, report)
}

/// What `head` says, before anybody has checked it: enough to find the charter, whose keys then check it.
fn claimed(bytes: &[u8]) -> Result<(SignedHead, Hash), OpenError> {
    let path = || layout::HEAD.to_owned();
    let head = Head::decode(bytes).map_err(|source| OpenError::Format { path: path(), source })?;
    let signed = SignedCheckpoint::parse(&head.note)
        .map_err(|error| OpenError::Note { path: path(), reason: error.to_string() })?;
    let (size, root) = (signed.size(), *signed.root());
    Ok((SignedHead { size, root, time: Time::default(), note: head.note }, head.stage))
}

/// The log's keys as entry 0 names them.
fn keys_of_charter(reader: &Reader, size: TreeSize, report: &mut Report) -> Option<LogVkeys> {
    let path = BundleId::holding(LeafIndex::new(0), size).map(|id| id.path()).unwrap_or_default();
    let leaf = reader.entry(LeafIndex::new(0), size).map_err(|error| report.find(&path, error)).ok()?;
    let mut state = State::default();
    let origin = admission::origin_of(&leaf).map_err(|refusal| report.find(&path, refusal)).ok()?;
    fold::one(&mut state, &origin, &leaf, None).map_err(|refusal| report.find(&path, refusal)).ok()?;
    let [ed25519, mldsa] = state.charter.as_ref()?.charter.log_keys.clone();
    Some(LogVkeys { origin, ed25519, mldsa })
}

/// Every bundle and tile, every leaf by admission, and with it its sealed record and what it names; whether that was every leaf.
fn check_entries(
    store: &dyn Store,
    reader: &Reader,
    origin: &Origin,
    head: &SignedHead,
    (sealed, attachments): (&mut Sealed, &mut Attachments),
    progress: Progress<'_>,
    report: &mut Report,
) -> Result<bool, StoreError> {
    let mut edge = Edge::empty();
    let mut seen = Seen::default();
    let mut state = State::default();
    let mut admissible = true;
    let last = head.size.get().div_ceil(u64::from(TILE_WIDTH));
    let bundles_at_once = (BATCH_ENTRIES_MAX as u64) / u64::from(TILE_WIDTH);
    let mut next = 0;
    while next < last {
        progress(Step { name: "entries", done: edge.size().get(), total: head.size.get() });
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        let end = last.min(next + bundles_at_once);
        for index in next..end {
            let Some(id) = BundleId::at(index, head.size) else { return Ok(false) };
            match reader.entries(id) {
                Ok(entries) => leaves.extend(entries),
                // Without its entries nothing to the right can be checked.
                Err(error) => {
                    report.find(id.path(), error);
                    return Ok(false);
                }
            }
            report.bundles += 1;
        }
        next = end;
        let first = edge.size();
        let hashes: Vec<Hash> = leaves.par_iter().map(|leaf| leaf_hash(leaf)).collect();
        for (tile, bytes) in edge.append(&hashes) {
            // A partial tile in the middle is only the state in between.
            if !tile.is_full() && next < last {
                continue;
            }
            report.tiles += 1;
            match reader.tile(tile) {
                Ok(stored) if stored == bytes => {}
                Ok(_) => report.find(tile.path(), "its hashes are not those of the entries"),
                Err(error) => report.find(tile.path(), error),
            }
        }
        if admissible {
            let folded = fold::chunk(&mut state, origin, &leaves, |query| seen.find(query, reader, origin, head.size));
            match folded {
                Ok(folded) => {
                    for entry in &folded.entries {
                        seen.insert(entry);
                        sealed.check(store, entry.0, &entry.1, &seen, report)?;
                        attachments.see(entry.0, &entry.1);
                    }
                }
                Err(error) => {
                    admissible = false;
                    let path = BundleId::holding(LeafIndex::new(first.get()), head.size).map(|id| id.path());
                    report.find(path.unwrap_or_default(), error);
                }
            }
        }
    }
    if edge.root() != head.root {
        report.find(layout::HEAD, format!("its root is {}, that of the entries {}", head.root, edge.root()));
    }
    Ok(admissible)
}

/// Where events stand, by what admission asks for: the whole log at some sixty bytes an event.
#[derive(Default)]
struct Seen {
    ids: HashMap<EventId, LeafIndex>,
    places: HashMap<(String, u32, u64), LeafIndex>,
}

impl Seen {
    fn insert(&mut self, (index, event): &fold::Entry) {
        self.ids.insert(event.id, *index);
        if let Some(place) = fold::place(event) {
            self.places.insert(place, *index);
        }
    }

    fn find(&self, query: &Query, reader: &Reader, origin: &Origin, size: TreeSize) -> Result<Option<Logged>, String> {
        let index = match query {
            Query::Id(id) => self.ids.get(id),
            Query::At(issuer, epoch, seq) => self.places.get(&(issuer.to_string(), *epoch, *seq)),
            Query::Attachment(_) => None,
        };
        let Some(index) = index else { return Ok(None) };
        let leaf = reader.entry(*index, size).map_err(|error| error.to_string())?;
        let event = admission::reread(&leaf, origin).map_err(|refusal| refusal.to_string())?;
        Ok(Some(Logged { index: *index, event: Arc::new(event) }))
    }
}

/// A checkpoint of this log: signed by it, and of a tree that the head's is an extension of. Its size, if so.
fn check_note(
    reader: &Reader,
    path: &str,
    bytes: &[u8],
    keys: &LogVkeys,
    head: &SignedHead,
    report: &mut Report,
) -> Option<TreeSize> {
    let signed = log_signed(path, bytes, keys).map_err(|error| report.find(path, error)).ok()?;
    let (size, root) = (signed.size(), *signed.root());
    if size > head.size {
        report.find(path, format!("its size is {size}, that of the head {}", head.size));
        return None;
    }
    match reader.root(size) {
        Ok(of_tiles) if of_tiles == root => Some(size),
        Ok(of_tiles) => {
            report.find(path, format!("its root at size {size} is {root}, that of the tiles {of_tiles}"));
            None
        }
        Err(error) => {
            report.find(path, error);
            None
        }
    }
}

/// Every kept checkpoint, in the order of the hours: sizes never fall.
fn check_kept(
    store: &dyn Store,
    reader: &Reader,
    keys: &LogVkeys,
    head: &SignedHead,
    report: &mut Report,
) -> Result<(), OpenError> {
    let mut before = TreeSize::ZERO;
    for path in walk(store, layout::KEPT_FOLDER)? {
        let Some(bytes) = store.read(&path)? else { continue };
        report.kept += 1;
        let hour = path.strip_prefix("kept/").unwrap_or_default();
        if Time::of_hour(hour).is_none() {
            report.find(&path, "its name is no hour");
        }
        let Some(size) = check_note(reader, &path, &bytes, keys, head, report) else { continue };
        if size < before {
            report.find(&path, format!("its size is {size}, an earlier hour has {before}"));
        }
        before = before.max(size);
    }
    Ok(())
}

/// Every other object under `tile/`: partial ones of earlier sizes are the first part of what is there now.
fn check_partials(store: &dyn Store, reader: &Reader, head: &SignedHead, report: &mut Report) -> Result<(), OpenError> {
    for path in walk(store, layout::TILE_FOLDER)? {
        let Ok(object) = parse_path(&path) else {
            report.find(path, "no tile or bundle has this name");
            continue;
        };
        if !object.is_within(head.size) {
            report.find(path, format!("it ends beyond the head's size {}", head.size));
            continue;
        }
        let (now, own) = match object {
            Path::Tile(tile) if !tile.is_full() => {
                report.tiles += 1;
                let now = vitrine_spec::tiles::TileId::at(tile.level(), tile.index(), head.size);
                (now.map(|now| reader.tile(now)), store.read(&path)?)
            }
            Path::Bundle(bundle) if !bundle.is_full() => {
                report.bundles += 1;
                let now = BundleId::at(bundle.index(), head.size);
                (now.map(|now| reader.bundle(now)), store.read(&path)?)
            }
            // Full ones were compared with the entries.
            Path::Tile(_) | Path::Bundle(_) => continue,
        };
        let complete = match (object, &own) {
            (Path::Tile(tile), Some(own)) => own.len() == tile.bytes(),
            (Path::Bundle(bundle), Some(own)) => vitrine_spec::tiles::entries(own, bundle.width()).is_ok(),
            (_, None) => false,
        };
        match (now, own) {
            (Some(Ok(now)), Some(own)) if complete && now.starts_with(&own) => {}
            (Some(Ok(_)), _) => report.find(path, "it is not the first part of what is there now"),
            (Some(Err(error)), _) => report.find(path, error),
            (None, _) => report.find(path, "it ends beyond the head"),
        }
    }
    Ok(())
}

/// Every object in a folder and below, by name.
fn walk(store: &dyn Store, folder: &str) -> Result<Vec<String>, StoreError> {
    let mut objects = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in store.list(&folder)? {
            match name.strip_suffix('/') {
                Some(inner) => folders.push(layout::join(&folder, inner)),
                None => objects.push(layout::join(&folder, &name)),
            }
        }
    }
    objects.sort_unstable();
    Ok(objects)
}

/// A store as open would leave it: the objects of stages stand in front. It refuses every change.
struct AsOpened {
    store: Arc<dyn Store>,
    objects: BTreeMap<String, Vec<u8>>,
}

impl AsOpened {
    fn new(store: Arc<dyn Store>, stages: &[TreeSize]) -> Result<AsOpened, OpenError> {
        let mut objects = BTreeMap::new();
        for size in stages.iter().rev() {
            if let Some((stage, _)) = read_stage(&*store, *size)? {
                objects.extend(stage.objects);
            }
        }
        Ok(AsOpened { store, objects })
    }

    fn refuse(&self, action: Action, path: &str) -> StoreError {
        let source = Arc::new(std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem));
        StoreError { action, path: path.to_owned(), source }
    }
}

impl Store for AsOpened {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.objects.get(path).map_or_else(|| self.store.read(path), |bytes| Ok(Some(bytes.clone())))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut names = self.store.list(folder)?;
        let prefix = layout::join(folder, "");
        for path in self.objects.keys() {
            let Some(rest) = path.strip_prefix(&prefix) else { continue };
            names.push(rest.split_once('/').map_or(rest.to_owned(), |(inner, _)| format!("{inner}/")));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn put(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(self.refuse(Action::Write, path))
    }

    fn put_unsynced(&self, path: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(self.refuse(Action::Write, path))
    }

    fn sync(&self, paths: &[String]) -> Result<(), StoreError> {
        Err(self.refuse(Action::SyncFile, paths.first().map_or("", String::as_str)))
    }

    fn sync_folder(&self, folder: &str) -> Result<(), StoreError> {
        Err(self.refuse(Action::SyncFolder, folder))
    }

    fn delete(&self, path: &str) -> Result<(), StoreError> {
        Err(self.refuse(Action::Delete, path))
    }

    fn delete_folder(&self, folder: &str) -> Result<(), StoreError> {
        Err(self.refuse(Action::Delete, folder))
    }

    fn read_part(&self, path: &str, from: u64, length: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.objects.get(path) else { return self.store.read_part(path, from, length) };
        let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        Ok(Some(rest.get(..length).unwrap_or(rest).to_vec()))
    }

    fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        self.objects.get(path).map_or_else(|| self.store.size(path), |bytes| Ok(Some(bytes.len() as u64)))
    }

    fn begin(&self) -> Result<Unnamed, StoreError> {
        Err(self.refuse(Action::Write, layout::TEMPORARY_FOLDER))
    }

    fn append(&self, _: &mut Unnamed, _: &[u8]) -> Result<(), StoreError> {
        Err(self.refuse(Action::Write, layout::TEMPORARY_FOLDER))
    }

    fn name(&self, _: Unnamed, path: &str) -> Result<(), StoreError> {
        Err(self.refuse(Action::Write, path))
    }

    fn discard(&self, _: Unnamed) -> Result<(), StoreError> {
        Err(self.refuse(Action::Delete, layout::TEMPORARY_FOLDER))
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.store.free_bytes()
    }

    fn place(&self) -> String {
        self.store.place()
    }
}
