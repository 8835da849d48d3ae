//! Attachments: documents behind events, kept by their digest, up to a gigabyte each [S-40] (85-log.md, "Attachments").
//!
//! They go through the store in pieces, so that none is ever in memory as a whole. One that no published event names yet
//! waits: a small record beside it says who put it and when, which is what its issuer's quota and the sweeper go by. The
//! writer says which are named. Not here: who may put one (`vitrine_spec::request`), what a client sees (`http`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use vitrine_spec::hash::Hash;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::request::AttachRequest;
use vitrine_spec::text::decimal;
use vitrine_spec::words::Name;

use crate::layout;
use crate::limits::{
    ATTACHMENT_KEPT_SECONDS, ATTACHMENT_PIECE_BYTES, ATTACHMENT_SPARED_SECONDS, ATTACHMENTS_COMING_OF_ISSUER_MAX,
    ATTACHMENTS_WAITING_BYTES_MAX, ATTACHMENTS_WAITING_MAX,
};
use crate::stop::Stop;
use crate::store::{Store, StoreError, Unnamed};
use crate::time::Time;

/// First word of the record of an attachment that waits.
const WAITING_WORD: &str = "vitrine attachment 1 ";

/// Why an attachment is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// By the rules.
    #[error("{0}")]
    Refused(Refusal),
    /// The store failed, and with it the process [S-6].
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for PutError {
    fn from(refusal: Refusal) -> PutError {
        PutError::Refused(refusal)
    }
}

/// Why the attachments of a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentsError {
    /// The store failed.
    #[error("{0}; {advice}", advice = .0.advice())]
    Store(#[from] StoreError),
    /// A record that this program did not write.
    #[error("{path} is no record of an attachment ({got}): delete it, its attachment has to be put again")]
    Record {
        /// The object.
        path: String,
        /// What it holds.
        got: String,
    },
    /// It could not be looked up which events name one.
    #[error("look up who names the attachment {sha256}: {reason}", sha256 = .sha256.hex())]
    Look {
        /// The attachment.
        sha256: Hash,
        /// Why not.
        reason: String,
    },
}

impl AttachmentsError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            AttachmentsError::Store(error) => error.stop(),
            AttachmentsError::Record { .. } => Stop::AttachmentRecord,
            AttachmentsError::Look { .. } => Stop::Index,
        }
    }
}

/// An attachment that no published event names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    issuer: Name,
    size: u64,
    since: Time,
}

impl Waiting {
    fn print(&self) -> String {
        format!("{WAITING_WORD}{} {} {}\n", self.issuer, self.size, self.since)
    }

    /// Reads exactly what `print` prints.
    fn parse(bytes: &[u8]) -> Option<Waiting> {
        let text = core::str::from_utf8(bytes).ok()?;
        let mut words = text.strip_prefix(WAITING_WORD)?.strip_suffix('\n')?.split(' ');
        let issuer = Name::new(words.next()?)?;
        let (size, since) = (decimal(words.next()?).ok()?, decimal(words.next()?).ok()?);
        words.next().is_none().then_some(Waiting { issuer, size, since: Time::new(since) })
    }
}

/// True for the bytes of a record of an attachment that waits.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    Waiting::parse(bytes).is_some()
}

/// Size and SHA-256 of an attachment as it is stored; of nothing when it is not there.
pub(crate) fn digest_of(store: &dyn Store, sha256: &Hash) -> Result<(u64, Hash), StoreError> {
    let path = layout::attachment(sha256);
    let (mut digest, mut size) = (Context::new(&SHA256), 0);
    while let Some(piece) = store.read_part(&path, size, ATTACHMENT_PIECE_BYTES)?.filter(|piece| !piece.is_empty()) {
        digest.update(&piece);
        size += piece.len() as u64;
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    Ok((size, Hash::new(bytes)))
}

/// Who names an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A published event.
    Published,
    /// An event that waits for a batch, or for its checkpoint.
    Admitted,
    /// Nobody.
    Nobody,
}

/// Bytes and number of what waits or is on its way.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    bytes: u64,
    count: usize,
}

#[derive(Default)]
struct Inner {
    waiting: BTreeMap<Hash, Waiting>,
    /// What is on its way, by issuer.
    coming: BTreeMap<Name, Share>,
    /// When admission, or a second put, last found one that waits: it is about to be named.
    found: HashMap<Hash, Time>,
    /// What gets its name now: seen, and not durable yet. After a failure it stays, until the log is opened again.
    naming: HashSet<Hash>,
}

impl Inner {
    fn share(&self, issuer: &Name) -> Share {
        let mut share = self.coming.get(issuer).copied().unwrap_or_default();
        for waiting in self.waiting.values().filter(|waiting| waiting.issuer == *issuer) {
            share.bytes = share.bytes.saturating_add(waiting.size);
            share.count += 1;
        }
        share
    }
}

/// The attachments of one log.
pub struct Attachments {
    store: Arc<dyn Store>,
    inner: Mutex<Inner>,
    /// Bytes that stay free, whatever is on its way.
    free_bytes_min: u64,
    /// Hears of the failures after which nothing may be written any more.
    failed: Box<dyn Fn(&StoreError) + Send + Sync>,
}

impl Attachments {
    /// Reads which attachments wait, and makes the names of theirs durable: a killed process may have left some that are
    /// only seen. `failed` hears of every later failure of the store [S-6].
    pub fn open(
        store: Arc<dyn Store>,
        free_bytes_min: u64,
        failed: impl Fn(&StoreError) + Send + Sync + 'static,
    ) -> Result<Attachments, AttachmentsError> {
        let mut waiting = BTreeMap::new();
        let mut folders = BTreeSet::new();
        for name in store.list(layout::WAITING_FOLDER)? {
            let path = layout::join(layout::WAITING_FOLDER, &name);
            let bytes = store.read(&path)?.unwrap_or_default();
            let read = Hash::from_hex(&name).ok().zip(Waiting::parse(&bytes));
            let Some((sha256, record)) = read else {
                let got = String::from_utf8_lossy(&bytes).escape_default().take(100).collect();
                return Err(AttachmentsError::Record { path, got });
            };
            let object = layout::attachment(&sha256);
            // The record comes first and goes last: without its attachment it is what a stop left.
            match store.size(&object)? {
                Some(size) if size == record.size => {
                    folders.insert(layout::folder(&object).to_owned());
                    waiting.insert(sha256, record);
                }
                Some(_) | None => store.delete(&path)?,
            }
        }
        for folder in folders {
            store.sync_folder(&folder)?;
        }
        let inner = Mutex::new(Inner { waiting, ..Inner::default() });
        Ok(Attachments { store, inner, free_bytes_min, failed: Box::new(failed) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a result of the store on, and tells whoever ends the process.
    fn told<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.inspect_err(|error| (self.failed)(error))
    }

    /// The size of an attachment that is here, durably, for an event that names it: the sweeper spares it from now on,
    /// until the event is admitted or refused.
    pub fn find(&self, sha256: &Hash, now: Time) -> Option<u64> {
        {
            let mut inner = self.inner();
            if let Some(size) = inner.waiting.get(sha256).map(|waiting| waiting.size) {
                inner.found.insert(*sha256, now);
                return Some(size);
            }
            if inner.naming.contains(sha256) {
                return None;
            }
        }
        self.size(sha256).unwrap_or_else(|error| {
            tracing::error!(%error, "an attachment could not be looked up");
            None
        })
    }

    /// The size of an attachment that is here.
    pub fn size(&self, sha256: &Hash) -> Result<Option<u64>, StoreError> {
        self.store.size(&layout::attachment(sha256))
    }

    /// Bytes of an attachment from `from` on, at most one piece; empty at its end.
    pub fn piece(&self, sha256: &Hash, from: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read_part(&layout::attachment(sha256), from, ATTACHMENT_PIECE_BYTES)
    }

    /// Attachments and bytes that wait.
    pub fn waiting(&self) -> (usize, u64) {
        let inner = self.inner();
        (inner.waiting.len(), inner.waiting.values().map(|waiting| waiting.size).sum())
    }

    /// Whether what a request asks for is here. One that lost its end is not: it is put anew, over what is left of it.
    fn here(&self, request: &AttachRequest, now: Time) -> Result<bool, StoreError> {
        let size = Some(request.size);
        Ok(self.find(&request.sha256, now) == size && self.told(self.size(&request.sha256))? == size)
    }

    /// Begins to take one. Its bytes count towards the issuer's quota from here on, unless it is here already [S-41].
    pub fn begin(self: &Arc<Self>, request: AttachRequest, now: Time) -> Result<Putting, PutError> {
        let mut putting = Putting {
            attachments: Arc::clone(self),
            object: None,
            counted: None,
            digest: Context::new(&SHA256),
            got: 0,
            request,
        };
        let here = self.here(&putting.request, now)?;
        let mut inner = self.inner();
        let issuer = putting.request.issuer.clone();
        // What is here already has no room to ask for, but it takes a place while it comes.
        let bytes = if here { 0 } else { putting.request.size };
        let places = inner.coming.get(&issuer).map_or(0, |coming| coming.count);
        if places >= ATTACHMENTS_COMING_OF_ISSUER_MAX {
            return Err(PutError::Refused(Refusal::Rate(format!("{places} attachments of {issuer} come in already"))));
        }
        if !here {
            self.check_room(&inner, &putting.request)?;
        }
        let coming = inner.coming.entry(issuer).or_default();
        coming.bytes = coming.bytes.saturating_add(bytes);
        coming.count += 1;
        putting.counted = Some(bytes);
        drop(inner);
        if !here {
            putting.object = Some(self.told(self.store.begin())?);
        }
        Ok(putting)
    }

    /// Whether the issuer's quota and the disk have room for one more.
    fn check_room(&self, inner: &Inner, request: &AttachRequest) -> Result<(), PutError> {
        let Share { bytes, count } = inner.share(&request.issuer);
        let wanted = bytes.saturating_add(request.size);
        if wanted > ATTACHMENTS_WAITING_BYTES_MAX || count >= ATTACHMENTS_WAITING_MAX {
            return Err(PutError::Refused(Refusal::Quota(format!(
                "{} attachments of {bytes} bytes that {} put are named by no published event yet; with this one it \
                 would be {wanted} bytes, at most {ATTACHMENTS_WAITING_MAX} of {ATTACHMENTS_WAITING_BYTES_MAX} bytes \
                 may wait",
                count, request.issuer
            ))));
        }
        // What is on its way may come whole: together it must leave the disk as free as everything else does.
        let on_the_way = inner.coming.values().map(|share| share.bytes).sum::<u64>();
        let least = self.free_bytes_min.saturating_add(on_the_way).saturating_add(request.size);
        match self.told(self.store.free_bytes())?.filter(|free| *free < least) {
            Some(free) => Err(PutError::Refused(Refusal::DiskFull { free, least })),
            None => Ok(()),
        }
    }

    /// Published events name these: they wait no longer.
    pub fn named<'a>(&self, all: impl IntoIterator<Item = &'a Hash>) -> Result<(), StoreError> {
        for sha256 in all {
            let waited = {
                let mut inner = self.inner();
                inner.found.remove(sha256);
                inner.waiting.remove(sha256).is_some()
            };
            if waited {
                self.told(self.store.delete(&layout::waiting(sha256)))?;
            }
        }
        Ok(())
    }

    /// Deletes what has waited for a day and is named by nobody [S-42]; how many. Called by the writer.
    ///
    /// `named` is asked without a lock: what it calls named by nobody may be found by an event at any time, and is spared
    /// then, because finding and deleting exclude each other.
    pub fn sweep(&self, now: Time, named: impl Fn(&Hash) -> Result<Named, String>) -> Result<usize, AttachmentsError> {
        let waiting: Vec<Hash> = self.inner().waiting.keys().copied().collect();
        let mut swept = 0;
        for sha256 in waiting {
            match named(&sha256).map_err(|reason| AttachmentsError::Look { sha256, reason })? {
                Named::Published => self.named([&sha256])?,
                Named::Admitted => {}
                Named::Nobody => swept += usize::from(self.delete_when_due(&sha256, now)?),
            }
        }
        self.inner().found.retain(|_, found| now.since(*found) < ATTACHMENT_SPARED_SECONDS);
        Ok(swept)
    }

    fn delete_when_due(&self, sha256: &Hash, now: Time) -> Result<bool, StoreError> {
        let mut inner = self.inner();
        let due = inner.waiting.get(sha256).is_some_and(|waiting| now.since(waiting.since) >= ATTACHMENT_KEPT_SECONDS);
        let spared = inner.found.get(sha256).is_some_and(|found| now.since(*found) < ATTACHMENT_SPARED_SECONDS);
        if !due || spared {
            return Ok(false);
        }
        let object = layout::attachment(sha256);
        // The record goes last, and durably so: an attachment without one would stay for ever.
        self.told(self.store.delete(&object))?;
        self.told(self.store.sync_folder(layout::folder(&object)))?;
        self.told(self.store.delete(&layout::waiting(sha256)))?;
        inner.waiting.remove(sha256);
        Ok(true)
    }
}

/// An attachment on its way. Dropped before its end it leaves nothing.
pub struct Putting {
    attachments: Arc<Attachments>,
    request: AttachRequest,
    /// `None` when it is here already: then its bytes are only compared.
    object: Option<Unnamed>,
    /// Bytes that count as on their way; `None` before it has a place.
    counted: Option<u64>,
    digest: Context,
    got: u64,
}

impl Putting {
    /// Takes the next bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), PutError> {
        self.got = self.got.saturating_add(bytes.len() as u64);
        if self.got > self.request.size {
            return Err(self.length("more"));
        }
        self.digest.update(bytes);
        match &mut self.object {
            Some(object) => Ok(self.attachments.told(self.attachments.store.append(object, bytes))?),
            None => Ok(()),
        }
    }

    fn length(&self, got: impl std::fmt::Display) -> PutError {
        let why = format!("{got} bytes came, the request is signed for {}", self.request.size);
        PutError::Refused(Refusal::Value { member: "body".to_owned(), why })
    }

    /// Keeps it, durably, when it is what was asked for; false when it was here already.
    pub fn end(mut self, now: Time) -> Result<bool, PutError> {
        if self.got != self.request.size {
            return Err(self.length(self.got));
        }
        let digest = std::mem::replace(&mut self.digest, Context::new(&SHA256)).finish();
        let sha256 = self.request.sha256;
        if digest.as_ref() != sha256.as_bytes() {
            let got = vitrine_spec::text::hex(digest.as_ref());
            let why = format!("its SHA-256 is {got}, the request is signed for {}", sha256.hex());
            return Err(PutError::Refused(Refusal::Value { member: "body".to_owned(), why }));
        }
        let Attachments { store, .. } = &*self.attachments;
        let record = Waiting { issuer: self.request.issuer.clone(), size: self.request.size, since: now };
        let object = match self.object.take() {
            // Another put of it ended first.
            Some(object) if self.attachments.here(&self.request, now)? => {
                self.attachments.told(store.discard(object))?;
                None
            }
            object => object,
        };
        let Some(object) = object else {
            // Put again, it waits for another day: whoever puts it is about to name it.
            let mut inner = self.attachments.inner();
            if let Some(waiting) = inner.waiting.get_mut(&sha256) {
                waiting.since = now;
                let record = waiting.print();
                self.attachments.told(store.put(&layout::waiting(&sha256), record.as_bytes()))?;
            }
            return Ok(false);
        };
        // The record first: a stop in between leaves no attachment that nobody is charged for.
        self.attachments.told(store.put(&layout::waiting(&sha256), record.print().as_bytes()))?;
        self.attachments.inner().naming.insert(sha256);
        self.attachments.told(store.name(object, &layout::attachment(&sha256)))?;
        let mut inner = self.attachments.inner();
        inner.naming.remove(&sha256);
        inner.waiting.insert(sha256, record);
        Ok(true)
    }
}

impl Drop for Putting {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            // `failed` was told; what has no name is deleted at the next open anyway.
            let _ = self.attachments.told(self.attachments.store.discard(object));
        }
        if let Some(bytes) = self.counted {
            let mut inner = self.attachments.inner();
            if let Some(coming) = inner.coming.get_mut(&self.request.issuer) {
                coming.bytes = coming.bytes.saturating_sub(bytes);
                coming.count = coming.count.saturating_sub(1);
                if coming.count == 0 {
                    inner.coming.remove(&self.request.issuer);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::fake::Heard;
    use crate::store::{Files, OsDisk};
    use vitrine_spec::words;

    const DAY: u64 = ATTACHMENT_KEPT_SECONDS;

    struct World {
        folder: tempfile::TempDir,
        attachments: Arc<Attachments>,
    }

    impl World {
        fn new() -> World {
            let folder = tempfile::tempdir().unwrap();
            let attachments = open(folder.path());
            World { folder, attachments }
        }

        fn put(&self, issuer: &str, bytes: &[u8], now: u64) -> Result<bool, PutError> {
            let mut putting = self.attachments.begin(request(issuer, bytes), Time::new(now))?;
            for piece in bytes.chunks(3) {
                putting.add(piece)?;
            }
            putting.end(Time::new(now))
        }

        fn files(&self) -> Vec<String> {
            let store = &self.attachments.store;
            let mut files = Vec::new();
            for folder in store.list(layout::ATTACHMENT_FOLDER).unwrap() {
                let inside = layout::join(layout::ATTACHMENT_FOLDER, folder.trim_end_matches('/'));
                files.extend(store.list(&inside).unwrap().into_iter().map(|name| layout::join(&inside, &name)));
            }
            files.extend(store.list(layout::TEMPORARY_FOLDER).unwrap());
            files
        }
    }

    fn open(folder: &std::path::Path) -> Arc<Attachments> {
        let store = Arc::new(Files::new(OsDisk::create(folder).unwrap()));
        Arc::new(Attachments::open(store, 0, |error| panic!("{error}")).unwrap())
    }

    fn request(issuer: &str, bytes: &[u8]) -> AttachRequest {
        AttachRequest {
            origin: "example.org/log".to_owned(),
            sha256: Hash::of(bytes),
            size: bytes.len() as u64,
            media_type: "text/plain".to_owned(),
            issuer: Name::new(issuer).unwrap(),
            expires: words::Time::new(0),
        }
    }

    fn refused(result: Result<bool, PutError>) -> Refusal {
        match result {
            Err(PutError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_put_is_here_once_and_after_a_restart() {
        // [S-40]
        let world = World::new();
        assert!(world.put("farm", b"a report", 5).unwrap());
        assert!(!world.put("review", b"a report", 6).unwrap(), "here already");
        assert!(world.put("farm", b"", 6).unwrap());
        let sha256 = Hash::of(b"a report");
        for attachments in [&world.attachments, &open(world.folder.path())] {
            assert_eq!(attachments.find(&sha256, Time::new(7)), Some(8));
            assert_eq!(attachments.piece(&sha256, 2).unwrap().unwrap(), b"report");
            assert_eq!(attachments.piece(&sha256, 8).unwrap().unwrap(), b"");
            assert_eq!(attachments.find(&Hash::of(b"other"), Time::new(7)), None);
            assert_eq!(attachments.waiting(), (2, 8));
        }
        let store = &world.attachments.store;
        let record = store.read(&layout::waiting(&sha256)).unwrap().unwrap();
        assert_eq!(record, b"vitrine attachment 1 farm 8 6\n", "the second put renewed it");
        store.delete(&layout::attachment(&sha256)).unwrap();
        assert_eq!(open(world.folder.path()).waiting(), (1, 0), "a record without its attachment is forgotten");
        store.put(&layout::waiting(&sha256), b"vitrine attachment 2 farm 8 6\n").unwrap();
        let error = Attachments::open(Arc::clone(store), 0, |_| {}).err().unwrap();
        assert!(error.to_string().contains("attachment 2 farm"), "{error}");
    }

    #[test]
    fn what_is_named_and_not_durable_yet_is_not_found() {
        // [S-40]: an event admitted for it, or a second put answered, would outlive it
        let folder = tempfile::tempdir().unwrap();
        let here: Arc<Mutex<Option<Arc<Attachments>>>> = Arc::default();
        let taken: Arc<Mutex<Vec<bool>>> = Arc::default();
        let (look, seen) = (Arc::clone(&here), Arc::clone(&taken));
        let sha256 = Hash::of(b"a report");
        let of_it = layout::folder(&layout::attachment(&sha256)).to_owned();
        let disk = Heard::new(OsDisk::create(folder.path()).unwrap(), move |step, path| {
            if (step, path) == ("sync folder", &of_it) {
                let attachments = look.lock().unwrap().clone().unwrap();
                let again = attachments.begin(request("review", b"a report"), Time::new(5)).unwrap();
                seen.lock().unwrap().push(attachments.find(&sha256, Time::new(5)).is_some() || again.object.is_none());
            }
        });
        let attachments =
            Arc::new(Attachments::open(Arc::new(Files::new(disk)), 0, |error| panic!("{error}")).unwrap());
        *here.lock().unwrap() = Some(Arc::clone(&attachments));
        let mut putting = attachments.begin(request("farm", b"a report"), Time::new(5)).unwrap();
        putting.add(b"a report").unwrap();
        assert!(putting.end(Time::new(5)).unwrap());
        assert_eq!(*taken.lock().unwrap(), [false], "asked once, and not here");
        assert_eq!(attachments.find(&sha256, Time::new(5)), Some(8));
        here.lock().unwrap().take();
        let [early, late] = ["farm", "review"].map(|issuer| {
            let mut putting = attachments.begin(request(issuer, b"twice"), Time::new(5)).unwrap();
            putting.add(b"twice").unwrap();
            putting
        });
        let ended = [early, late].map(|putting| putting.end(Time::new(5)).unwrap());
        assert_eq!(ended, [true, false], "what is named by then is not taken for not durable once more");
    }

    #[test]
    fn what_lost_its_end_is_put_again() {
        // [S-40]
        let world = World::new();
        assert!(world.put("farm", b"a report", 5).unwrap());
        let path = layout::attachment(&Hash::of(b"a report"));
        for waits in [true, false] {
            if !waits {
                world.attachments.named([&Hash::of(b"a report")]).unwrap();
            }
            world.attachments.store.put(&path, b"a rep").unwrap();
            assert!(world.put("farm", b"a report", 6).unwrap(), "waits: {waits}");
            assert_eq!(world.attachments.store.read(&path).unwrap().unwrap(), b"a report");
        }
    }

    #[test]
    fn bytes_that_are_not_those_asked_for_leave_nothing() {
        // [S-40]
        let world = World::new();
        for bytes in [&b"a repor"[..], b"a reporT", b"a report.", b""] {
            let mut putting = world.attachments.begin(request("farm", b"a report"), Time::new(5)).unwrap();
            let refusal = match putting.add(bytes) {
                Ok(()) => refused(putting.end(Time::new(5))),
                Err(error) => refused(Err(error)),
            };
            assert_eq!(refusal.code(), "value", "{refusal}");
        }
        drop(world.attachments.begin(request("farm", b"a report"), Time::new(5)).unwrap());
        assert_eq!((world.files(), world.attachments.waiting()), (Vec::new(), (0, 0)));
        assert!(world.attachments.inner().coming.is_empty());
        assert!(world.put("farm", b"a report", 5).unwrap());
        let again = world.attachments.begin(request("farm", b"a report"), Time::new(5)).unwrap();
        assert_eq!(refused(again.end(Time::new(5))).code(), "value", "what is here is compared too");
    }

    #[test]
    fn an_issuer_may_not_fill_the_disk_and_does_not_take_the_share_of_another() {
        // [S-41]
        let world = World::new();
        let large = |issuer: &str, size| AttachRequest { size, ..request(issuer, b"") };
        let now = Time::new(5);
        let half = ATTACHMENTS_WAITING_BYTES_MAX / 2;
        let one = world.attachments.begin(large("farm", half), now).unwrap();
        let _two = world.attachments.begin(large("farm", half), now).unwrap();
        let over = world.attachments.begin(large("farm", 1), now).err().unwrap();
        assert!(matches!(&over, PutError::Refused(Refusal::Quota(why)) if why.contains("2 attachments")), "{over}");
        world.attachments.begin(large("review", half), now).unwrap();
        drop(one);
        world.attachments.begin(large("farm", half), now).unwrap();
        for number in 0..ATTACHMENTS_WAITING_MAX - 1 {
            world.put("farm", &number.to_be_bytes(), 5).unwrap();
        }
        assert_eq!(refused(world.put("farm", b"one more", 5)).code(), "quota");
        world.attachments.named([&Hash::of(&0_usize.to_be_bytes())]).unwrap();
        assert!(world.put("farm", b"one more", 5).unwrap(), "what a published event names counts no more");
    }

    #[test]
    fn what_is_on_its_way_leaves_the_disk_its_space() {
        // [S-25]
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Files::new(OsDisk::create(folder.path()).unwrap()));
        let large = |size| AttachRequest { size, ..request("farm", b"") };
        let attachments = Arc::new(Attachments::open(store, u64::MAX, |error| panic!("{error}")).unwrap());
        let over = attachments.begin(large(1), Time::new(5)).err().unwrap();
        assert!(matches!(&over, PutError::Refused(Refusal::DiskFull { least: u64::MAX, .. })), "{over}");
        assert!(attachments.inner().coming.is_empty());
    }

    #[test]
    fn an_issuer_takes_some_of_the_places_and_not_all() {
        // [S-41]
        let world = World::new();
        let now = Time::new(5);
        world.put("farm", b"here", 5).unwrap();
        let begin = |issuer, bytes: &[u8]| world.attachments.begin(request(issuer, bytes), now);
        let mut open: Vec<Putting> = (0..ATTACHMENTS_COMING_OF_ISSUER_MAX - 1)
            .map(|number| begin("farm", &number.to_be_bytes()).unwrap())
            .collect();
        open.push(begin("farm", b"here").unwrap());
        for bytes in [&b"here"[..], b"new"] {
            let over = begin("farm", bytes).err().unwrap();
            assert!(matches!(&over, PutError::Refused(Refusal::Rate(_))), "{over}");
        }
        begin("review", b"new").unwrap();
        open.pop();
        begin("farm", b"new").unwrap();
        open.clear();
        assert!(world.attachments.inner().coming.is_empty());
    }

    #[test]
    fn what_nobody_names_for_a_day_goes() {
        // [S-42]
        let world = World::new();
        let texts = [&b"published"[..], b"admitted", b"nobody", b"found"];
        for text in texts {
            world.put("farm", text, 1_000).unwrap();
        }
        let [published, admitted, nobody, found] = texts.map(Hash::of);
        let named = |sha256: &Hash| {
            Ok(match sha256 {
                sha256 if *sha256 == published => Named::Published,
                sha256 if *sha256 == admitted => Named::Admitted,
                _ => Named::Nobody,
            })
        };
        let due = 1_000 + DAY;
        assert_eq!(world.attachments.sweep(Time::new(due - 1), named).unwrap(), 0);
        assert_eq!(world.attachments.waiting().0, 3, "the published one waits no longer");
        assert_eq!(world.attachments.find(&found, Time::new(due - 1)), Some(5));
        assert_eq!(world.attachments.sweep(Time::new(due), named).unwrap(), 1);
        let here = |sha256| world.attachments.size(&sha256).unwrap().is_some();
        assert_eq!([published, admitted, nobody, found].map(here), [true, true, false, true]);
        let later = Time::new(due + ATTACHMENT_SPARED_SECONDS);
        assert_eq!(world.attachments.sweep(later, named).unwrap(), 1, "the event that looked for it did not come");
        assert_eq!((world.attachments.waiting().0, world.files().len()), (1, 3));
        let error = world.attachments.sweep(later, |_| Err("no index".to_owned())).unwrap_err();
        assert!(error.to_string().contains("no index"), "{error}");
    }
}
