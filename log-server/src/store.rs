//! Where objects are kept: named bytes, replaced whole (85-log.md).
//!
//! Two traits. `Store` is all that the log knows; an object store of many machines can stand behind it. `Disk` is what
//! the one implementation of today, `Files`, does to a file system: one primitive per visible step, so that a simulated
//! disk can fail each of them or lose power right after it.
//! Not here: what the objects mean (`layout`, `head`), when they are synced (`settle`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::layout;
use crate::stop::Stop;

/// What was being done when a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reading an object.
    Read,
    /// Listing a folder.
    List,
    /// Making a folder.
    MakeFolder,
    /// Writing the bytes of an object under a temporary name.
    Write,
    /// Making written bytes durable.
    SyncFile,
    /// Giving an object its name.
    Rename,
    /// Making names durable.
    SyncFolder,
    /// Deleting an object.
    Delete,
    /// Taking the lock that keeps a second process out.
    Lock,
    /// Asking how much space is free.
    FreeSpace,
}

impl Action {
    /// The action as a verb.
    pub fn verb(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::List => "list",
            Action::MakeFolder => "make folder",
            Action::Write => "write",
            Action::SyncFile => "sync",
            Action::Rename => "rename to",
            Action::SyncFolder => "sync folder",
            Action::Delete => "delete",
            Action::Lock => "lock",
            Action::FreeSpace => "ask for the free space of",
        }
    }
}

/// A store did not do what was asked: what, to which object, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} {path}: {source}", action.verb())]
pub struct StoreError {
    /// What was being done.
    pub action: Action,
    /// The object, or folder, with the store's own place before it.
    pub path: String,
    /// What the system said.
    pub source: Arc<io::Error>,
}

impl StoreError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        Stop::of_io(&self.source)
    }

    /// What a person does about it, in one sentence.
    pub fn advice(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space, then start again; nothing acknowledged is lost"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "let this user write there, then start again; nothing acknowledged is lost"
            }
            _ => "check the disk (dmesg, smartctl), then start again: opening repairs what was left unfinished",
        }
    }
}

/// An object on its way: bytes without a name yet.
#[derive(Debug)]
pub struct Unnamed(u64);

/// Named bytes, each object replaced whole. A path is `folder/…/name`, in ASCII, never with `..`.
///
/// A failed call leaves a state that is unknown: the only recovery is to open the log again [S-6].
pub trait Store: Send + Sync + 'static {
    /// The object's bytes, or `None` when there is none.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The names in a folder, sorted; a name of a folder ends in `/`. Empty when there is no such folder. `""` is the root.
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError>;

    /// Replaces an object; when this returns `Ok`, no loss of power takes it back [S-2].
    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Replaces an object: readers see all of it, but a loss of power may take it back until `sync` names it [S-2].
    fn put_unsynced(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes durable what `put_unsynced` wrote under these paths: bytes, names and new folders [S-5].
    fn sync(&self, paths: &[String]) -> Result<(), StoreError>;

    /// Makes durable which names a folder, and every folder on the way to it, holds. Nothing to do when it is missing.
    fn sync_folder(&self, folder: &str) -> Result<(), StoreError>;

    /// Deletes an object; a loss of power may bring it back. Nothing to do when it is missing.
    fn delete(&self, path: &str) -> Result<(), StoreError>;

    /// Deletes a folder that holds nothing any more; nothing to do when it holds something or is missing.
    fn delete_folder(&self, folder: &str) -> Result<(), StoreError>;

    /// Bytes of the object from `from` on, at most `length`; fewer at its end. `None` when there is no object.
    fn read_part(&self, path: &str, from: u64, length: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// The object's size in bytes, or `None` when there is none.
    fn size(&self, path: &str) -> Result<Option<u64>, StoreError>;

    /// Begins an object whose bytes come in pieces. It has no name, and whatever has none at open is deleted.
    fn begin(&self) -> Result<Unnamed, StoreError>;

    /// Adds bytes at the end of an object without a name.
    fn append(&self, object: &mut Unnamed, bytes: &[u8]) -> Result<(), StoreError>;

    /// Gives the object its name, over whatever has it; durable as after `put`.
    fn name(&self, object: Unnamed, path: &str) -> Result<(), StoreError>;

    /// Drops an object that gets no name.
    fn discard(&self, object: Unnamed) -> Result<(), StoreError>;

    /// Free bytes, where the store has such a bound.
    fn free_bytes(&self) -> Result<Option<u64>, StoreError>;

    /// Where this is, for messages.
    fn place(&self) -> String;
}

/// What `Files` does to a file system. One call is one step: it can fail, and power can be lost right after it.
///
/// Paths are relative to the root, which exists; `""` is the root itself.
pub trait Disk: Send + Sync + 'static {
    /// A file that was written and is not known to be durable. It is held open: a file opened anew could miss
    /// the error of an earlier write-back.
    type File: Send;

    /// All bytes of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Names in a folder in any order; names of folders end in `/`.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes one folder, whose parent exists.
    fn make_folder(&self, folder: &str) -> io::Result<()>;
    /// Creates or truncates a file, mode 0644, and writes these bytes.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<Self::File>;
    /// Adds bytes at the end of a file.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Bytes of a file from `from` on, at most `length`, fewer at its end.
    fn read_part(&self, path: &str, from: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Bytes that a file has.
    fn size(&self, path: &str) -> io::Result<u64>;
    /// fdatasync.
    fn sync_file(&self, file: &Self::File) -> io::Result<()>;
    /// Renames within the disk, over whatever is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// fsync of a folder.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
    /// Removes a file.
    fn delete(&self, path: &str) -> io::Result<()>;
    /// Removes an empty folder.
    fn delete_folder(&self, folder: &str) -> io::Result<()>;
    /// Free bytes for this user.
    fn free_bytes(&self) -> io::Result<Option<u64>>;
    /// Where this is, for messages.
    fn place(&self) -> String;
}

/// Objects as files of one folder: temporary name, fdatasync, rename, fsync of the folder [S-2].
///
/// A folder counts as durable only when *this* process has synced its parent: that a folder is there says nothing,
/// a killed process may have made it [S-2].
pub struct Files<D: Disk> {
    disk: D,
    /// Number of the next temporary name; nothing else uses `tmp/`.
    next_temporary: AtomicU64,
    /// Folders that are there, and whether their own name is durable: their parent was synced after they were made.
    folders: Mutex<HashMap<String, bool>>,
    /// Written by `put_unsynced` and not yet synced.
    unsynced: Mutex<BTreeMap<String, D::File>>,
    /// Objects that come in pieces, by the number of their temporary name.
    unnamed: Mutex<HashMap<u64, D::File>>,
}

impl<D: Disk> Files<D> {
    /// A store on this disk. Touches nothing.
    pub fn new(disk: D) -> Files<D> {
        Files {
            disk,
            next_temporary: AtomicU64::new(0),
            folders: Mutex::new(HashMap::new()),
            unsynced: Mutex::new(BTreeMap::new()),
            unnamed: Mutex::new(HashMap::new()),
        }
    }

    fn fail(&self, action: Action, path: &str, source: io::Error) -> StoreError {
        StoreError { action, path: format!("{}/{path}", self.disk.place()), source: Arc::new(source) }
    }

    /// Makes the folders on the way to `path` that are missing.
    fn make_folders(&self, path: &str) -> Result<(), StoreError> {
        for folder in layout::folders(path) {
            if locked(&self.folders).contains_key(folder) {
                continue;
            }
            match self.disk.make_folder(folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.fail(Action::MakeFolder, folder, error)),
            }
            locked(&self.folders).entry(folder.to_owned()).or_insert(false);
        }
        Ok(())
    }

    /// Writes under a temporary name; the rename is the caller's next step but one.
    fn write_temporary(&self, path: &str, bytes: &[u8]) -> Result<(String, D::File), StoreError> {
        self.make_folders(path)?;
        let (number, file) = self.write_next_temporary(bytes)?;
        Ok((layout::temporary(number), file))
    }

    fn write_next_temporary(&self, bytes: &[u8]) -> Result<(u64, D::File), StoreError> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = layout::temporary(number);
        self.make_folders(&temporary)?;
        let file = self.disk.write(&temporary, bytes).map_err(|error| self.fail(Action::Write, &temporary, error))?;
        Ok((number, file))
    }

    /// The file of an object without a name. It is missing only when an earlier `append` failed.
    fn take_unnamed(&self, object: &Unnamed) -> Result<(String, D::File), StoreError> {
        let temporary = layout::temporary(object.0);
        match locked(&self.unnamed).remove(&object.0) {
            Some(file) => Ok((temporary, file)),
            None => Err(self.fail(Action::Write, &temporary, io::Error::other("writing it failed before"))),
        }
    }

    fn rename(&self, temporary: &str, path: &str) -> Result<(), StoreError> {
        self.disk.rename(temporary, path).map_err(|error| self.fail(Action::Rename, path, error))
    }

    /// Syncs the folder of each path, and the parent of each folder on the way that is not known to be durable.
    fn sync_folders<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
        let mut to_sync: BTreeSet<&str> = BTreeSet::new();
        let mut made_durable: Vec<&str> = Vec::new();
        for path in paths {
            to_sync.insert(layout::folder(path));
            for folder in layout::folders(path) {
                if locked(&self.folders).get(folder) != Some(&true) {
                    to_sync.insert(layout::folder(folder));
                    made_durable.push(folder);
                }
            }
        }
        for folder in to_sync {
            self.disk.sync_folder(folder).map_err(|error| self.fail(Action::SyncFolder, folder, error))?;
        }
        locked(&self.folders).extend(made_durable.into_iter().map(|folder| (folder.to_owned(), true)));
        Ok(())
    }
}

/// A lock whose data no panic can leave half-changed: every holder does one map operation.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> Store for Files<D> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.disk.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fail(Action::Read, path, error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        match self.disk.list(folder) {
            Ok(mut names) => {
                names.sort_unstable();
                Ok(names)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.fail(Action::List, folder, error)),
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (temporary, file) = self.write_temporary(path, bytes)?;
        self.disk.sync_file(&file).map_err(|error| self.fail(Action::SyncFile, &temporary, error))?;
        self.rename(&temporary, path)?;
        self.sync_folders([path].into_iter())
    }

    fn put_unsynced(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (temporary, file) = self.write_temporary(path, bytes)?;
        self.rename(&temporary, path)?;
        locked(&self.unsynced).insert(path.to_owned(), file);
        Ok(())
    }

    fn sync(&self, paths: &[String]) -> Result<(), StoreError> {
        for path in paths {
            let file = locked(&self.unsynced).remove(path);
            if let Some(file) = file {
                self.disk.sync_file(&file).map_err(|error| self.fail(Action::SyncFile, path, error))?;
            }
        }
        self.sync_folders(paths.iter().map(String::as_str))
    }

    fn sync_folder(&self, folder: &str) -> Result<(), StoreError> {
        // An empty folder counts: what was deleted from it must not come back.
        match self.disk.list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.fail(Action::List, folder, error)),
            Ok(_) => {}
        }
        // Any name in the folder stands for it: only the folders on the way matter.
        self.sync_folders([layout::join(folder, "any").as_str()].into_iter())
    }

    fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.disk.delete(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.fail(Action::Delete, path, error)),
        }
    }

    fn delete_folder(&self, folder: &str) -> Result<(), StoreError> {
        match self.disk.delete_folder(folder) {
            Ok(()) => {
                // Made again later, it is a new name that nothing has synced.
                locked(&self.folders).remove(folder);
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(error) => Err(self.fail(Action::Delete, folder, error)),
        }
    }

    fn read_part(&self, path: &str, from: u64, length: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.disk.read_part(path, from, length) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fail(Action::Read, path, error)),
        }
    }

    fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        match self.disk.size(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fail(Action::Read, path, error)),
        }
    }

    fn begin(&self) -> Result<Unnamed, StoreError> {
        let (number, file) = self.write_next_temporary(&[])?;
        locked(&self.unnamed).insert(number, file);
        Ok(Unnamed(number))
    }

    fn append(&self, object: &mut Unnamed, bytes: &[u8]) -> Result<(), StoreError> {
        let (temporary, mut file) = self.take_unnamed(object)?;
        self.disk.append(&mut file, bytes).map_err(|error| self.fail(Action::Write, &temporary, error))?;
        locked(&self.unnamed).insert(object.0, file);
        Ok(())
    }

    fn name(&self, object: Unnamed, path: &str) -> Result<(), StoreError> {
        self.make_folders(path)?;
        let (temporary, file) = self.take_unnamed(&object)?;
        self.disk.sync_file(&file).map_err(|error| self.fail(Action::SyncFile, &temporary, error))?;
        self.rename(&temporary, path)?;
        self.sync_folders([path].into_iter())
    }

    fn discard(&self, object: Unnamed) -> Result<(), StoreError> {
        let (temporary, _) = self.take_unnamed(&object)?;
        self.disk.delete(&temporary).map_err(|error| self.fail(Action::Delete, &temporary, error))
    }

    fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.disk.free_bytes().map_err(|error| self.fail(Action::FreeSpace, "", error))
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}

/// A folder of the operating system's file system.
#[derive(Debug)]
pub struct OsDisk {
    root: PathBuf,
}

impl OsDisk {
    /// The folder, made with everything on the way when missing; its own name is made durable either way [S-2].
    pub fn create(root: &Path) -> Result<OsDisk, StoreError> {
        let fail = |action, path: &Path, source| StoreError {
            action,
            path: path.display().to_string(),
            source: Arc::new(source),
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(root)
            .map_err(|error| fail(Action::MakeFolder, root, error))?;
        let whole = root.canonicalize().map_err(|error| fail(Action::Read, root, error))?;
        for folder in whole.ancestors().skip(1) {
            // A folder above that this user may not open was there before: only folders of one's own can be new.
            match File::open(folder).and_then(|file| file.sync_all()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                // Some file systems at the very top (overlays, read-only roots) take no fsync of a folder.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::ReadOnlyFilesystem) => {}
                Err(error) => return Err(fail(Action::SyncFolder, folder, error)),
            }
        }
        Ok(OsDisk { root: root.to_owned() })
    }

    /// The folder, which exists.
    pub fn existing(root: &Path) -> Result<OsDisk, StoreError> {
        let lacking =
            |source| StoreError { action: Action::Read, path: root.display().to_string(), source: Arc::new(source) };
        let metadata = std::fs::metadata(root).map_err(lacking)?;
        if !metadata.is_dir() {
            return Err(lacking(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        Ok(OsDisk { root: root.to_owned() })
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

impl Disk for OsDisk {
    type File = File;

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.at(path))?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(length);
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.at(folder))? {
            let entry = entry?;
            // Our names are ASCII; a foreign one is shown as well as can be, so that `fsck` can name it.
            let mut name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                name.push('/');
            }
            names.push(name);
        }
        Ok(names)
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o755).create(self.at(folder))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(self.at(path))?;
        file.write_all(bytes)?;
        Ok(file)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn read_part(&self, path: &str, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.at(path))?;
        file.seek(io::SeekFrom::Start(from))?;
        let mut bytes = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        Ok(std::fs::metadata(self.at(path))?.len())
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.at(from), self.at(to))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.at(folder))?.sync_all()
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.at(path))
    }

    fn delete_folder(&self, folder: &str) -> io::Result<()> {
        std::fs::remove_dir(self.at(folder))
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }
}

/// A folder that no other process can take while this value lives: an OS lock, gone with the process [S-10].
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `<folder>/lock`, or says that another process holds it.
    pub fn take(folder: &Path) -> Result<FolderLock, LockError> {
        let path = folder.join("lock");
        let fail = |source: io::Error| {
            LockError::Store(StoreError {
                action: Action::Lock,
                path: path.display().to_string(),
                source: Arc::new(source),
            })
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LockError::Missing { folder: folder.display().to_string() },
            _ => fail(error),
        })?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                Err(LockError::Held { folder: folder.display().to_string() })
            }
            Err(error) => Err(fail(error.into())),
        }
    }
}

/// Why a folder could not be locked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    /// Another process is using the folder.
    #[error("{folder} is in use by another process (it holds {folder}/lock): two servers never run on one folder")]
    Held {
        /// The folder.
        folder: String,
    },
    /// There is no such folder.
    #[error("{folder} is not there, so it holds no log: give the folder that `log-server init` made")]
    Missing {
        /// The folder.
        folder: String,
    },
    /// The lock file could not be opened or locked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LockError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            LockError::Held { .. } => Stop::FolderInUse,
            LockError::Missing { .. } => Stop::LogEmpty,
            LockError::Store(error) => error.stop(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_replaced_whole_and_leaves_no_temporary_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = Files::new(OsDisk::create(&folder.path().join("a/b")).unwrap());
        store.put("tile/0/000.p/5", b"one").unwrap();
        store.put("tile/0/000.p/5", b"two").unwrap();
        store.put_unsynced("tile/0/001", b"three").unwrap();
        store.sync(&["tile/0/001".to_owned()]).unwrap();
        assert_eq!(store.read("tile/0/000.p/5").unwrap().unwrap(), b"two");
        assert_eq!(store.list("tile/0").unwrap(), ["000.p/", "001"]);
        assert_eq!(store.list(layout::TEMPORARY_FOLDER).unwrap(), Vec::<String>::new());
        assert_eq!(store.read("tile/0/002").unwrap(), None);
        store.delete_folder("tile/0/000.p").unwrap();
        assert_eq!(store.list("tile/0/000.p").unwrap(), ["5"], "a folder that holds something stays");
        store.delete("tile/0/000.p/5").unwrap();
        store.delete("tile/0/000.p/5").unwrap();
        store.delete_folder("tile/0/000.p").unwrap();
        assert_eq!(store.list("tile/0").unwrap(), ["001"]);
    }

    #[test]
    fn an_object_that_comes_in_pieces_has_no_name_before_its_end() {
        // [S-2]
        let folder = tempfile::tempdir().unwrap();
        let store = Files::new(OsDisk::create(folder.path()).unwrap());
        let (mut object, mut other) = (store.begin().unwrap(), store.begin().unwrap());
        for piece in [&b"one "[..], b"", b"two"] {
            store.append(&mut object, piece).unwrap();
            store.append(&mut other, b"other").unwrap();
        }
        assert_eq!((store.list("").unwrap(), store.size("a/b").unwrap()), (vec!["tmp/".to_owned()], None));
        store.name(object, "a/b").unwrap();
        store.discard(other).unwrap();
        assert_eq!((store.size("a/b").unwrap(), store.read("a/b").unwrap().unwrap()), (Some(7), b"one two".to_vec()));
        assert_eq!(store.list(layout::TEMPORARY_FOLDER).unwrap(), Vec::<String>::new());
        let part = |from, length| store.read_part("a/b", from, length).unwrap().unwrap();
        assert_eq!((part(0, 3), part(4, 100), part(7, 1)), (b"one".to_vec(), b"two".to_vec(), Vec::new()));
        assert_eq!(store.read_part("a/c", 0, 1).unwrap(), None);
    }

    #[test]
    fn a_folder_is_locked_once() {
        // [S-10]
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(FolderLock::take(folder.path()), Err(LockError::Held { .. })));
        let missing = FolderLock::take(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.stop(), Stop::LogEmpty, "{missing}");
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }

    #[test]
    fn an_error_names_object_reason_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let store = Files::new(OsDisk::create(folder.path()).unwrap());
        store.put("stage/1", b"x").unwrap();
        let error = store.put("stage/1/inner", b"x").unwrap_err();
        assert!(error.to_string().starts_with("rename to "), "{error}");
        assert!(error.to_string().contains("/stage/1/inner: "), "{error}");
        assert!(error.advice().contains("start again"));
    }
}
