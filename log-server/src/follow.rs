//! `log-server follow`: a verified copy of a running log, with which `serve --take-over` goes on elsewhere [S-45]
//! (85-log.md, "Copies").
//!
//! Everything is checked before it is kept: the log's signatures, every hash, admission folded again, each record against
//! its leaf. Objects come first, then head, then checkpoint, so that a stop leaves a copy that no server opens and that the
//! next run goes on with. Not here: the log's private keys, which a person moves; the rollback guard, which the server runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::Seed;
use vitrine_spec::limits::{BUNDLE_BYTES_MAX, NOTE_BYTES_MAX};
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::verify_consistency;
use vitrine_spec::request::ReadRequest;
use vitrine_spec::state::State;
use vitrine_spec::statement::Sealed;
use vitrine_spec::text::unb64;
use vitrine_spec::tiles::{BundleId, entries};
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::words;

use crate::batch::{self, Item, Tip};
use crate::config::{FOLLOW_AT_ONCE_MAX, FOLLOW_ROUNDS_MAX, READ_REQUEST_SECONDS};
use crate::erase::{self, Zeros};
use crate::fold;
use crate::guard::evidence_folder;
use crate::head::{Head, NO_STAGE};
use crate::index::{Index, IndexError};
use crate::keys::{LogVkeys, read_signing_key};
use crate::layout;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, TILE_WIDTH};
use crate::log::SignedHead;
use crate::open::{OpenError, Progress, Step, check_edge, delete_all, log_signed};
use crate::reader::Reader;
use crate::sealed::{self, Finder, Span};
use crate::store::{Files, FolderLock, OsDisk, Store};
use crate::time::Time;
pub use copy::{CopyError, Place};
use error::EXIT_MISBEHAVED;
pub use error::FollowError;
use incoming::Incoming;
use remote::Remote;
pub use remote::RemoteError;

mod copy;
mod error;
mod incoming;
mod remote;

/// What to copy, from where, to where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The log's URL.
    pub from: String,
    /// The folder of the copy.
    pub dir: PathBuf,
    /// The charter's fingerprint, as 64 hexadecimal digits.
    pub charter: Option<Hash>,
    /// The policy file whose quorum a checkpoint must have.
    pub policy: Option<PathBuf>,
    /// A person accepts a policy whose quorum is `none`.
    pub unwitnessed: bool,
    /// A reader's key file, of whose first line requests for sealed records are signed.
    pub reader_key: Option<PathBuf>,
}

/// What a copy holds, and what was done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log.
    pub origin: String,
    /// The event_id of its first charter, 64 hexadecimal digits.
    pub fingerprint: String,
    /// Entries.
    pub size: TreeSize,
    /// Root of their tree.
    pub root: Hash,
    /// Entries that the copy had before.
    pub before: TreeSize,
    /// Sealed records written.
    pub records: u64,
    /// Requests for sealed records, each of which is an access in the log.
    pub reads: u64,
    /// Attachments written.
    pub attachments: u64,
    /// Kept checkpoints written.
    pub kept: u64,
    /// Entries of the log when this ended: more than the copy has when the log went on meanwhile. `None` when it did not
    /// answer any more.
    pub remote: Option<TreeSize>,
}

/// Makes a copy, or brings one up to what the log shows now.
pub fn follow(options: &Options, progress: Progress<'_>) -> Result<Report, FollowError> {
    let disk = OsDisk::create(&options.dir)?;
    let _lock = FolderLock::take(&options.dir)?;
    follow_into(Arc::new(Files::new(disk)), options, progress)
}

/// As [`follow`], with the objects in a store of the caller's choice; the folder of the options has index and evidence.
pub fn follow_into(store: Arc<dyn Store>, options: &Options, progress: Progress<'_>) -> Result<Report, FollowError> {
    let policy = options.policy.as_deref().map(|path| read_policy(path, options.unwitnessed)).transpose()?;
    let reader_key = options.reader_key.as_deref().map(read_signing_key).transpose()?;
    let standing = copy::standing(&*store)?;
    let remote = Remote::new(&options.from)?;
    let first = copy::first(&store, &standing)?;
    let (keys, fingerprint, opened) = charter(&remote, options.charter.as_ref().or(first.as_ref()))?;
    let complete = match &standing.head {
        Some(note) => {
            let signed = log_signed(layout::HEAD, note, &keys)?;
            Place { size: signed.size(), root: *signed.root() }
        }
        None => Place::empty(),
    };
    let fetched = standing.fetched.filter(|fetched| fetched.size >= complete.size).unwrap_or(complete);
    let mut following = Following {
        report: Report {
            origin: keys.origin.to_string(),
            fingerprint,
            size: complete.size,
            root: complete.root,
            before: complete.size,
            records: 0,
            reads: 0,
            attachments: 0,
            kept: 0,
            remote: None,
        },
        options,
        progress,
        store,
        remote,
        keys,
        policy,
        reader_key,
        opened,
        complete,
        fetched,
        held: BTreeMap::new(),
        shown: Vec::new(),
    };
    let run = following.run();
    if run.as_ref().is_err_and(|error| error.exit_code() == EXIT_MISBEHAVED) {
        following.keep();
    }
    run.map(|()| following.report)
}

fn read_policy(path: &Path, unwitnessed: bool) -> Result<Policy, FollowError> {
    let wrong = |reason: String| FollowError::Policy { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let policy = Policy::parse(&text).map_err(|error| wrong(error.to_string()))?;
    if policy.is_quorum_none() && !unwitnessed {
        return Err(wrong("quorum none: nothing is witnessed; add --unwitnessed if this is meant".to_owned()));
    }
    Ok(policy)
}

/// The keys that the log's own entry 0 names, its fingerprint, and when it was recorded.
fn charter(remote: &Remote, wanted: Option<&Hash>) -> Result<(LogVkeys, String, Time), FollowError> {
    let url = remote.url().to_owned();
    let refused = |reason: String| FollowError::Admission { url: url.clone(), reason };
    let leaf = remote.get("events/0", vitrine_spec::limits::ENTRY_BYTES_MAX)?;
    let origin = vitrine_spec::admission::origin_of(&leaf).map_err(|refusal| refused(format!("entry 0: {refusal}")))?;
    let mut state = State::default();
    let event =
        fold::one(&mut state, &origin, &leaf, None).map_err(|refusal| refused(format!("entry 0: {refusal}")))?;
    let got = event.id.hex();
    if let Some(wanted) = wanted.filter(|wanted| wanted.hex() != got) {
        return Err(FollowError::Charter { url, got, want: wanted.hex() });
    }
    let charter = state.charter.as_ref().ok_or_else(|| refused("entry 0 is no charter".to_owned()))?;
    let [ed25519, mldsa] = charter.charter.log_keys.clone();
    let opened = Time::new(event.statement.header.recorded.get());
    Ok((LogVkeys { origin, ed25519, mldsa }, got, opened))
}

struct Following<'a> {
    options: &'a Options,
    progress: Progress<'a>,
    store: Arc<dyn Store>,
    remote: Remote,
    /// Whose checkpoints count.
    keys: LogVkeys,
    policy: Option<Policy>,
    reader_key: Option<Seed>,
    /// When the charter was recorded: no checkpoint was kept before.
    opened: Time,
    /// The head of the copy: everything below is here.
    complete: Place,
    /// Bundles and tiles are here up to this place.
    fetched: Place,
    /// Records of the accesses that our own reads made, which no other answer holds without one more access.
    held: BTreeMap<u64, Vec<u8>>,
    /// What the log signed and this round is about: what it is held to when something does not fit.
    shown: Vec<SignedCheckpoint>,
    report: Report,
}

impl Following<'_> {
    /// Rounds until a checkpoint is whole here and nothing was read for it: a read of sealed records adds to the log.
    fn run(&mut self) -> Result<(), FollowError> {
        for round in 1.. {
            let last = round >= FOLLOW_ROUNDS_MAX;
            match self.round() {
                Ok(reads) if reads == 0 || last => break,
                // A record that was erased since the checkpoint: the next one has the erasure.
                Ok(_) | Err(FollowError::Zero { .. }) if !last => {}
                Ok(_) => break,
                Err(error) => return Err(error),
            }
        }
        self.report.remote = match self.checkpoint() {
            Ok((_, signed)) => Some(signed.size()),
            // The copy is whole all the same.
            Err(FollowError::Remote(error)) => {
                tracing::warn!(%error, "how far the log is by now is not known");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Keeps what the log signed beside the copy, as evidence of what else it showed.
    fn keep(&self) {
        let folder = evidence_folder(&self.options.dir);
        for signed in &self.shown {
            let name = format!("followed-{}-{}", signed.size(), signed.root().hex().get(..16).unwrap_or_default());
            let path = folder.join(name);
            match std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, signed.print())) {
                Ok(()) => tracing::warn!("the log's checkpoint is kept in {}", path.display()),
                Err(error) => tracing::error!(%error, "the log's checkpoint could not be kept in {}", path.display()),
            }
        }
    }

    /// Copies the log as one checkpoint shows it; how often sealed records were asked for.
    fn round(&mut self) -> Result<u64, FollowError> {
        let (note, target) = self.checkpoint()?;
        let size = target.size();
        self.extends(&self.fetched, &target)?;
        self.entries(&target)?;
        let reader = Reader::new(Arc::clone(&self.store), size);
        let origin = self.keys.origin.clone();
        let opened = Index::open(&self.options.dir, &reader, &origin, (size, *target.root()), self.progress);
        let (index, _, _) = opened.map_err(|error| match error {
            IndexError::Leaf(reason) => FollowError::Admission { url: self.url(), reason },
            other => FollowError::Index(other),
        })?;
        let reads = self.report.reads;
        self.records(&index, &reader, size)?;
        self.attachments(&reader, size)?;
        self.kept(&reader, size)?;
        self.commit(&note, &target)?;
        Ok(self.report.reads - reads)
    }

    fn url(&self) -> String {
        self.remote.url().to_owned()
    }

    fn step(&self, name: &'static str, done: u64, total: u64) {
        (self.progress)(Step { name, done, total });
    }

    /// The published checkpoint, with the log's signatures and the policy's quorum.
    fn checkpoint(&mut self) -> Result<(Vec<u8>, SignedCheckpoint), FollowError> {
        let path = layout::CHECKPOINT;
        self.shown.clear();
        let note = self.remote.get(path, NOTE_BYTES_MAX)?;
        let signed = log_signed(path, &note, &self.keys).map_err(|error| self.note(path, error))?;
        self.shown.push(signed.clone());
        if let Some(policy) = &self.policy {
            let now = Some(Time::now().get());
            policy
                .verify(&signed, now)
                .map_err(|refusal| FollowError::Witnesses { url: self.url(), reason: refusal.to_string() })?;
        }
        Ok((note, signed))
    }

    fn note(&self, path: &str, reason: impl std::fmt::Display) -> FollowError {
        FollowError::Note { url: self.url(), path: path.to_owned(), reason: reason.to_string() }
    }

    /// The tree of `target` begins with the tree at `place`, by a proof of the log.
    fn extends(&self, place: &Place, target: &SignedCheckpoint) -> Result<(), FollowError> {
        if place.size > target.size() {
            return Err(FollowError::Older { url: self.url(), copy: place.size, remote: target.size() });
        }
        let proof = if place.size == TreeSize::ZERO || place.size == target.size() {
            Vec::new()
        } else {
            self.remote.consistency(place.size, target.size())?
        };
        let checked = verify_consistency(place.size, &place.root, target.size(), target.root(), &proof);
        checked.map_err(|error| FollowError::Forked {
            url: self.url(),
            copy: Box::new(*place),
            remote: Box::new(Place { size: target.size(), root: *target.root() }),
            reason: error.to_string(),
        })
    }

    /// Bundles, and the tiles that they give, up to the checkpoint: each group is proven to be a part of it, then durable.
    fn entries(&mut self, target: &SignedCheckpoint) -> Result<(), FollowError> {
        let size = target.size();
        if self.fetched.size == size {
            return Ok(());
        }
        let reader = Reader::new(Arc::clone(&self.store), self.fetched.size);
        let head =
            SignedHead { size: self.fetched.size, root: self.fetched.root, time: Time::default(), note: Vec::new() };
        let mut tip = if head.size == TreeSize::ZERO { Tip::empty() } else { check_edge(&reader, &head)? };
        while tip.size() < size {
            self.step("copy entries", tip.size().get(), size.get());
            let from = tip.size();
            let items = self.next_items(from, size)?;
            let built = batch::build(&tip, &items)?;
            let place = Place { size: built.tip.size(), root: built.tip.root() };
            self.extends(&place, target).map_err(|error| match error {
                FollowError::Forked { url, reason, .. } => FollowError::Entries { url, from, to: place.size, reason },
                other => other,
            })?;
            for (path, bytes) in &built.objects {
                self.store.put_unsynced(path, bytes)?;
            }
            let paths: Vec<String> = built.objects.into_iter().map(|(path, _)| path).collect();
            self.store.sync(&paths)?;
            copy::set_progress(&*self.store, &place)?;
            self.fetched = place;
            tip = built.tip;
        }
        Ok(())
    }

    /// The entries from `from` on, as many as one batch holds.
    fn next_items(&self, from: TreeSize, size: TreeSize) -> Result<Vec<Item>, FollowError> {
        let width = TILE_WIDTH as u64;
        let mut items = Vec::new();
        let (mut next, mut bytes) = (from.get(), 0);
        while next < size.get() && items.len() < BATCH_ENTRIES_MAX {
            let first = next / width;
            let room = (BATCH_ENTRIES_MAX - items.len()).div_ceil(TILE_WIDTH).min(FOLLOW_AT_ONCE_MAX);
            let ids: Vec<BundleId> = (first..).map_while(|index| BundleId::at(index, size)).take(room).collect();
            let paths: Vec<String> = ids.iter().map(BundleId::path).collect();
            let bundles = self.remote.many(&paths, BUNDLE_BYTES_MAX)?;
            for (id, bundle) in ids.iter().zip(bundles) {
                let wrong = |reason: String| FollowError::Entries {
                    url: self.url(),
                    from: TreeSize::new(id.start().get()),
                    to: id.end(),
                    reason,
                };
                let bundle = bundle.ok_or_else(|| wrong(format!("{} is not there", id.path())))?;
                let held = entries(&bundle, id.width()).map_err(|error| wrong(error.to_string()))?;
                let skipped = usize::try_from(next - id.start().get()).unwrap_or(usize::MAX);
                let held: Vec<Item> = held.into_iter().skip(skipped).map(|e| Item::of_leaf(e.to_vec())).collect();
                let more: usize = held.iter().map(Item::bytes).sum();
                if items.len() + held.len() > BATCH_ENTRIES_MAX || bytes + more > BATCH_BYTES_MAX {
                    return Ok(items);
                }
                next += held.len() as u64;
                bytes += more;
                items.extend(held);
            }
        }
        Ok(items)
    }

    /// Events of the entries `from` to `to`, from the bundles that are here.
    fn events(
        &self,
        reader: &Reader,
        (from, to): (u64, u64),
        mut each: impl FnMut(u64, Event) -> Result<(), FollowError>,
    ) -> Result<(), FollowError> {
        let mut next = from;
        while next < to {
            let Some(id) = BundleId::holding(LeafIndex::new(next), TreeSize::new(to)) else { return Ok(()) };
            let skipped = usize::try_from(next - id.start().get()).unwrap_or(usize::MAX);
            for leaf in reader.entries(id)?.into_iter().skip(skipped) {
                let event = Event::read_leaf(&leaf).map_err(|refusal| FollowError::Admission {
                    url: self.url(),
                    reason: format!("entry {next}: {refusal}"),
                })?;
                each(next, event)?;
                next += 1;
            }
        }
        Ok(())
    }

    /// The sealed records up to the checkpoint, and zeros in those that an erasure names by now.
    fn records(&mut self, index: &Index, reader: &Reader, size: TreeSize) -> Result<(), FollowError> {
        let erased = index.erased().map_err(FollowError::Index)?;
        let erased: BTreeSet<LeafIndex> = erased.into_iter().map(|(target, _)| target).collect();
        self.erase(&erased)?;
        let mut next = self.records_end()?;
        while next < size.get() {
            self.step("copy sealed records", next, size.get());
            let Some(span) = Span::cut(next, size.get()).next() else { return Ok(()) };
            let mut wanted: BTreeMap<u64, Sealed> = BTreeMap::new();
            self.events(reader, (span.first, span.end), |index, event| {
                wanted.extend(event.statement.sealed.map(|sealed| (index, sealed)));
                Ok(())
            })?;
            if let Some(first) = wanted.keys().next().copied() {
                let mut incoming =
                    Incoming::new(&*self.store, self.remote.url(), Span { first, ..span }, &wanted, &erased, size);
                if wanted.keys().all(|index| self.held.contains_key(index)) {
                    for (index, record) in &self.held {
                        if wanted.contains_key(index) {
                            incoming.take(*index, record)?;
                        }
                    }
                    self.report.records += incoming.end()?;
                } else {
                    let access = self.read(first, span.end, &mut incoming)?;
                    self.report.records += incoming.end()?;
                    self.held.extend(access);
                    self.report.reads += 1;
                }
            }
            next = span.end;
        }
        Ok(())
    }

    /// Reads records from the log; the access that the log made of it, when it gave that.
    fn read(&self, from: u64, to: u64, incoming: &mut Incoming<'_>) -> Result<Option<(u64, Vec<u8>)>, FollowError> {
        let key = self.reader_key.as_ref().ok_or(FollowError::ReaderKey { index: from })?;
        let authorization = || {
            let expires = words::Time::new(Time::now().plus(READ_REQUEST_SECONDS).get());
            let origin = self.keys.origin.to_string();
            let request = ReadRequest { origin, from, to, purpose: "follow: a copy of this log".to_owned(), expires };
            // A key that signs no requests is refused by the log in its own words.
            request.authorization(key).ok()
        };
        let path = format!("sealed/{from}-{to}");
        let headers = self.remote.stream(&path, authorization, |bytes| incoming.add(bytes))?;
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let index = text(crate::http::ACCESS).and_then(|text| text.parse().ok());
        let record = text(crate::http::ACCESS_RECORD).and_then(|text| unb64(text).ok());
        Ok(index.zip(record))
    }

    /// Where the sealed records end that were copied, in this run or one before it.
    fn records_end(&self) -> Result<u64, FollowError> {
        let mut end = self.complete.size.get();
        for span in Span::cut(end, self.fetched.size.get()) {
            if let Some(last) = sealed::end_of(&*self.store, span.first)? {
                // What is seen may be of a run that was killed before it had synced the name.
                self.store.sync_folder(layout::folder(&span.path()))?;
                end = last.max(end);
            }
        }
        Ok(end)
    }

    /// Overwrites records that were copied before the erasure was published. What a copy that was killed left under a
    /// temporary name may be such a record, and no loss of power may bring it back [S-31].
    fn erase(&self, erased: &BTreeSet<LeafIndex>) -> Result<(), FollowError> {
        delete_all(&*self.store, layout::TEMPORARY_FOLDER)?;
        self.store.sync_folder(layout::TEMPORARY_FOLDER)?;
        let mut finder = Finder::default();
        let mut due = erased.clone();
        while let Some(first) = due.first().copied() {
            match finder.find(&*self.store, first.get())? {
                Some(span) => {
                    let wanted = erase::take_held(&mut due, span);
                    Zeros::read(&*self.store, span, &wanted)?.keep(&*self.store, &mut finder)?;
                }
                None => drop(due.remove(&first)),
            }
        }
        Ok(())
    }

    /// Attachments that the new entries name.
    fn attachments(&mut self, reader: &Reader, size: TreeSize) -> Result<(), FollowError> {
        let mut named: BTreeMap<Hash, u64> = BTreeMap::new();
        self.events(reader, (self.complete.size.get(), size.get()), |_, event| {
            named.extend(event.statement.attachments.iter().map(|found| (found.sha256, found.size)));
            Ok(())
        })?;
        let total = named.len() as u64;
        let mut seen = BTreeSet::new();
        for (done, (sha256, size)) in (0..).zip(named) {
            self.step("copy attachments", done, total);
            let path = layout::attachment(&sha256);
            if self.store.size(&path)? == Some(size) {
                seen.insert(layout::folder(&path).to_owned());
            } else {
                self.attachment(&sha256, size)?;
                self.report.attachments += 1;
            }
        }
        // A run that was killed may have left one whose name no sync covers.
        seen.iter().try_for_each(|folder| Ok(self.store.sync_folder(folder)?))
    }

    fn attachment(&self, sha256: &Hash, size: u64) -> Result<(), FollowError> {
        let wrong = |reason: String| FollowError::Attachment { url: self.url(), sha256: sha256.hex(), reason };
        let mut digest = Context::new(&SHA256);
        let mut got: u64 = 0;
        let mut object = self.store.begin()?;
        let path = format!("attachments/{}", sha256.hex());
        let taken = self.remote.stream(
            &path,
            || None,
            |bytes| {
                got += bytes.len() as u64;
                if got > size {
                    return Err(wrong(format!("more than the {size} bytes that its event names")));
                }
                digest.update(bytes);
                Ok(self.store.append(&mut object, bytes)?)
            },
        );
        let fits = match taken {
            Ok(_) if got == size && digest.finish().as_ref() == sha256.as_bytes() => Ok(()),
            Ok(_) => Err(wrong(format!("{got} bytes of another digest, its event names {size} bytes"))),
            Err(error) => Err(error),
        };
        match fits {
            Ok(()) => Ok(self.store.name(object, &layout::attachment(sha256))?),
            Err(error) => {
                self.store.discard(object)?;
                Err(error)
            }
        }
    }

    /// The first checkpoint of each hour, up to the copied size.
    fn kept(&mut self, reader: &Reader, size: TreeSize) -> Result<(), FollowError> {
        const HOUR: u64 = 3_600;
        // A charter may be recorded a minute after the clock of its log, and this clock may be behind.
        let opened = Time::new(self.opened.get().saturating_sub(HOUR));
        let newest = copy::newest_kept(&*self.store)?;
        if let Some(newest) = newest {
            // They come in order: only the newest may be of a run that was killed before it had synced the name.
            self.store.sync_folder(layout::folder(&layout::kept(newest)))?;
        }
        let from = newest.unwrap_or(opened);
        let hours: Vec<Time> =
            (from.get() / HOUR..=Time::now().get() / HOUR + 1).map(|hour| Time::new(hour * HOUR)).collect();
        let total = hours.len() as u64;
        let mut done = 0;
        for hours in hours.chunks(FOLLOW_AT_ONCE_MAX * 4) {
            self.step("copy kept checkpoints", done, total);
            let paths: Vec<String> = hours.iter().map(|hour| layout::kept(*hour)).collect();
            for (path, note) in paths.iter().zip(self.remote.many(&paths, NOTE_BYTES_MAX)?) {
                let Some(note) = note.filter(|_| self.store.size(path).is_ok_and(|size| size.is_none())) else {
                    continue;
                };
                let signed = log_signed(path, &note, &self.keys).map_err(|error| self.note(path, error))?;
                if signed.size() > size {
                    return Ok(()); // of the next round, or the next run
                }
                let want = reader.root(signed.size()).map_err(|error| OpenError::Edge { reason: error.to_string() })?;
                if want != *signed.root() {
                    let (size, got) = (signed.size(), *signed.root());
                    self.shown.push(signed);
                    return Err(FollowError::Kept { url: self.url(), path: path.clone(), size, got, want });
                }
                self.store.put(path, &note)?;
                self.report.kept += 1;
            }
            done += hours.len() as u64;
        }
        Ok(())
    }

    /// Head, then checkpoint: from here on a server opens the copy.
    fn commit(&mut self, note: &[u8], target: &SignedCheckpoint) -> Result<(), FollowError> {
        let own = [&self.keys.ed25519, &self.keys.mldsa];
        let lines = target.signatures().iter().filter(|line| own.iter().any(|key| line.is_by(key))).cloned();
        let head = SignedCheckpoint::new(target.checkpoint.clone(), lines.collect());
        let head = head.map_err(|error| self.note(layout::CHECKPOINT, error))?;
        let head = Head { stage: NO_STAGE, note: head.print().into_bytes() };
        self.store.put(layout::HEAD, &head.encode())?;
        self.store.put(layout::CHECKPOINT, note)?;
        copy::finish(&*self.store)?;
        self.complete = Place { size: target.size(), root: *target.root() };
        (self.report.size, self.report.root) = (target.size(), *target.root());
        Ok(())
    }
}
