//! One directory and what is done to it: each method is one step that can fail (55-witness.md).
//!
//! Everything durable goes through [`Disk`], so that tests can let each write, sync and rename fail lost, fail kept, or
//! be followed by a power loss. Not here: what the bytes mean (`frame`, `journal`), and how a failure ends the process.

use crate::stop::Stop;
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A step on a directory that failed: what, on which file, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("{step} {path}: {source}")]
pub struct DiskError {
    /// What was tried: `write`, `sync`, …
    pub step: &'static str,
    /// The file or directory.
    pub path: String,
    /// What the system says.
    pub source: io::Error,
}

impl DiskError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        Stop::of_io(&self.source)
    }
}

/// One directory. Names are plain file names; a name is opened once and kept open, so that no failed sync is forgotten.
pub trait Disk: Send + Sync {
    /// Bytes of a file; `None` when there is none of that name.
    fn len(&self, name: &str) -> Result<Option<u64>, DiskError>;
    /// Fills `buffer` from `offset`; the number of bytes read, smaller only at the end of the file.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError>;
    /// Makes an empty file, or empties the one there is.
    fn create(&self, name: &str) -> Result<(), DiskError>;
    /// Writes behind the last byte. After an error any prefix of `bytes` may be there.
    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;
    /// Makes the bytes of a file durable (fdatasync).
    fn sync(&self, name: &str) -> Result<(), DiskError>;
    /// Gives the file `from` the name `to`, which loses its old file.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;
    /// Makes the names in the directory durable.
    fn sync_dir(&self) -> Result<(), DiskError>;
}

/// Reads a whole small file; `None` when it is missing, an error above `max` bytes.
pub fn read_small(disk: &dyn Disk, name: &str, max: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let Some(length) = disk.len(name)? else { return Ok(None) };
    let room = usize::try_from(length).ok().filter(|_| length <= max).ok_or_else(|| DiskError {
        step: "read",
        path: name.to_owned(),
        source: io::Error::other(format!("{length} bytes, at most {max} expected")),
    })?;
    let mut bytes = vec![0; room];
    let got = disk.read_at(name, 0, &mut bytes)?;
    bytes.truncate(got);
    Ok(Some(bytes))
}

/// Replaces a whole small file durably: a temporary name, sync, rename, directory sync. A stop leaves the old or the new.
pub fn replace_small(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let fresh = format!("{name}.new");
    disk.create(&fresh)?;
    disk.append(&fresh, bytes)?;
    disk.sync(&fresh)?;
    disk.rename(&fresh, name)?;
    disk.sync_dir()
}

/// A directory of this machine.
#[derive(Debug)]
pub struct OsDisk {
    dir: PathBuf,
    files: Mutex<HashMap<String, Arc<File>>>,
    /// Held while the process lives; the system releases it when the process dies.
    lock: Option<File>,
}

/// Why a directory cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{dir} is in use by another witness: end that one first, two on one directory could sign a fork")]
    Taken {
        /// The directory.
        dir: String,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl OsDisk {
    /// Opens a directory that exists, without taking it.
    pub fn open(dir: &Path) -> OsDisk {
        OsDisk { dir: dir.to_owned(), files: Mutex::default(), lock: None }
    }

    /// Opens a directory and takes the lock file in it for as long as this value lives [D-1].
    pub fn lock(dir: &Path) -> Result<OsDisk, LockError> {
        let mut disk = OsDisk::open(dir);
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| disk.error("open", "lock", source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Taken { dir: dir.display().to_string() }),
            Err(TryLockError::Error(source)) => return Err(disk.error("lock", "lock", source).into()),
        }
        disk.lock = Some(lock);
        Ok(disk)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<String, Arc<File>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, step: &'static str, name: &str, source: io::Error) -> DiskError {
        DiskError { step, path: self.dir.join(name).display().to_string(), source }
    }

    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        let mut files = self.files();
        if let Some(file) = files.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(OpenOptions::new().read(true).append(true).open(self.dir.join(name))?);
        files.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

impl Disk for OsDisk {
    fn len(&self, name: &str) -> Result<Option<u64>, DiskError> {
        match std::fs::metadata(self.dir.join(name)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("read", name, error)),
        }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let mut read = || {
            let file = self.file(name)?;
            let (mut done, mut at) = (0, offset);
            while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, at) {
                    Ok(0) => break,
                    Ok(got) => {
                        done += got;
                        at += got as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        };
        read().map_err(|source| self.error("read", name, source))
    }

    fn create(&self, name: &str) -> Result<(), DiskError> {
        let path = self.dir.join(name);
        let open = || {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)
        };
        let file = open().map_err(|source| self.error("create", name, source))?;
        self.files().insert(name.to_owned(), Arc::new(file));
        Ok(())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let append = || self.file(name)?.as_ref().write_all(bytes);
        append().map_err(|source| self.error("write", name, source))
    }

    fn sync(&self, name: &str) -> Result<(), DiskError> {
        let sync = || self.file(name)?.sync_data();
        sync().map_err(|source| self.error("sync", name, source))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut files = self.files();
        std::fs::rename(self.dir.join(from), self.dir.join(to))
            .map_err(|source| self.error("rename to", to, source))?;
        files.remove(to);
        if let Some(file) = files.remove(from) {
            files.insert(to.to_owned(), file);
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        let sync = || File::open(&self.dir)?.sync_all();
        sync().map_err(|source| self.error("sync", "", source))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_handle_through_a_rename() {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path());
        assert_eq!(disk.len("a").unwrap(), None);
        disk.create("a").unwrap();
        disk.append("a", b"one").unwrap();
        disk.create("b").unwrap();
        disk.append("b", b"two").unwrap();
        disk.sync("b").unwrap();
        disk.rename("b", "a").unwrap();
        disk.sync_dir().unwrap();
        disk.append("a", b" three").unwrap();
        let mut buffer = [0; 20];
        assert_eq!(disk.read_at("a", 1, &mut buffer).unwrap(), 8);
        assert_eq!(&buffer[..8], b"wo three");
        assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"two three");
        assert_eq!(disk.len("b").unwrap(), None);
        assert!(disk.append("b", b"x").is_err());
    }

    #[test]
    fn small_files_are_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path());
        assert_eq!(read_small(&disk, "mark", 10).unwrap(), None);
        replace_small(&disk, "mark", b"first").unwrap();
        replace_small(&disk, "mark", b"second").unwrap();
        assert_eq!(read_small(&disk, "mark", 10).unwrap().unwrap(), b"second");
        let error = read_small(&disk, "mark", 5).unwrap_err();
        assert_eq!(error.to_string(), "read mark: 6 bytes, at most 5 expected");
    }

    #[test]
    fn a_directory_is_taken_once() {
        // [D-1]
        let dir = tempfile::tempdir().unwrap();
        let first = OsDisk::lock(dir.path()).unwrap();
        assert!(matches!(OsDisk::lock(dir.path()), Err(LockError::Taken { .. })));
        drop(first);
        OsDisk::lock(dir.path()).unwrap();
    }
}
