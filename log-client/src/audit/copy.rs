//! The verified copy that the audit keeps in `--state`: a static log of its own, and what was remembered (design.md 5).
//!
//! Layout: `checkpoint` is the remembered one, `tile/` and `kept/` are as the log serves them, `evidence/` holds what
//! contradicts it. Objects are put by rename; `checkpoint` last, after everything that it covers is synced, so a stop anywhere
//! leaves the older memory with a copy that is at least as long. Nothing is deleted here but
//! the beginnings of bundles that are there whole: damaged objects are moved aside.
//! Not here: believing anything (`walk` recomputes every hash at every run).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use vitrine_spec::text::hex;
use vitrine_spec::tiles::BundleId;
use vitrine_spec::tree::TreeSize;

use crate::exit::Failure;

/// An opened, locked copy.
#[derive(Debug)]
pub struct Copy {
    dir: PathBuf,
    _lock: File,
}

impl Copy {
    /// Opens or creates the copy in `dir`; a second audit on it is refused while this one runs.
    pub fn open(dir: &Path) -> Result<Copy, Failure> {
        let io = |error: &io::Error| state_failure(dir, error);
        fs::create_dir_all(dir).map_err(|error| io(&error))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("lock"))
            .map_err(|error| io(&error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::usage("audit.state", "another audit or watch is running on this state")
                .side("state", dir.display())
        })?;
        Ok(Copy { dir: dir.to_owned(), _lock: lock })
    }

    /// The remembered checkpoint, verbatim.
    pub fn remembered(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.get("checkpoint")
    }

    /// Remembers a checkpoint; everything put before is durable first.
    pub fn remember(&self, note: &[u8]) -> Result<(), Failure> {
        let path = self.dir.join("checkpoint");
        self.sync().and_then(|()| put(&path, note, true)).map_err(|error| state_failure(&path, &error))
    }

    /// The bytes of an object of the copy.
    pub fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let file = self.dir.join(path);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(state_failure(&file, &error)),
        }
    }

    /// Puts an object by rename; durable with the next `remember`.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let file = self.dir.join(path);
        put(&file, bytes, false).map_err(|error| state_failure(&file, &error))
    }

    /// Moves a damaged object to `damaged/`, where a person can look at it.
    pub fn set_aside(&self, path: &str) -> Result<(), Failure> {
        let to = self.dir.join("damaged").join(path);
        let moved = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::rename(self.dir.join(path), &to));
        match moved {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(state_failure(&to, &error)),
        }
    }

    /// Keeps bytes that contradict the copy, under their own digest, durable when it returns; gives the path.
    pub fn keep_evidence(&self, what: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let digest = hex(vitrine_spec::hash::Hash::of(bytes).as_bytes());
        let file = self.dir.join("evidence").join(format!("{what}-{}", digest.get(..16).unwrap_or(&digest)));
        put(&file, bytes, true).map_err(|error| state_failure(&file, &error))?;
        Ok(file)
    }

    /// Bytes of the bundle with this index that covers a tree of `size`: its own width, or the start of a wider one.
    pub fn bundle(&self, bundle: BundleId) -> Result<Option<Vec<u8>>, Failure> {
        for id in [bundle, bundle.full()].into_iter().chain(self.wider(bundle)?) {
            if let Some(bytes) = self.get(&id.path())?
                && let Some(bytes) = bundle_prefix(&bytes, id.width(), bundle.width())
            {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Partial bundles of the copy at the same index that hold more entries.
    fn wider(&self, bundle: BundleId) -> Result<Vec<BundleId>, Failure> {
        let folder = self.dir.join(format!("{}.p", bundle.full().path()));
        let names = match fs::read_dir(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(state_failure(&folder, &error)),
        };
        let mut wider = Vec::new();
        for name in names {
            let name = name.map_err(|error| state_failure(&folder, &error))?.file_name();
            let width = name.to_str().and_then(|name| name.parse().ok()).filter(|width| *width > bundle.width());
            wider.extend(width.and_then(|width| BundleId::new(bundle.index(), width).ok()));
        }
        Ok(wider)
    }

    /// Removes partial bundles that are the beginning of this one, which is durable.
    pub fn prune(&self, bundle: BundleId) -> Result<(), Failure> {
        let folder = self.dir.join(format!("{}.p", bundle.full().path()));
        let names = match fs::read_dir(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(state_failure(&folder, &error)),
        };
        for name in names {
            let name = name.map_err(|error| state_failure(&folder, &error))?;
            let width: Option<u16> = name.file_name().to_str().and_then(|name| name.parse().ok());
            if width.is_some_and(|width| width < bundle.width()) {
                fs::remove_file(name.path()).map_err(|error| state_failure(&name.path(), &error))?;
            }
        }
        Ok(())
    }

    /// Makes everything durable that was put: one sync of the file system that holds the copy.
    fn sync(&self) -> io::Result<()> {
        rustix::fs::syncfs(File::open(&self.dir)?).map_err(io::Error::from)
    }
}

/// The first `want` entries of a bundle of `width` entries; `None` when it is not one.
pub fn bundle_prefix(bytes: &[u8], width: u16, want: u16) -> Option<Vec<u8>> {
    if width == want {
        return Some(bytes.to_vec());
    }
    let entries = vitrine_spec::tiles::entries(bytes, width).ok()?;
    let entries = entries.get(..usize::from(want))?;
    vitrine_spec::tiles::encode_bundle(entries.iter().copied()).ok()
}

/// The bundles of a tree, in order.
pub fn bundles_of(size: TreeSize) -> impl Iterator<Item = BundleId> {
    (0..size.get().div_ceil(256)).filter_map(move |index| BundleId::at(index, size))
}

fn put(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(dir)?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    if durable {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn state_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::usage("audit.state", "the state cannot be used")
        .side("path", path.display())
        .side("error", error)
        .now("free space or fix permissions, then run the same command again: it goes on where it stopped")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn bundle(entries: &[&str]) -> Vec<u8> {
        vitrine_spec::tiles::encode_bundle(entries.iter().map(|entry| entry.as_bytes())).unwrap()
    }

    #[test]
    fn the_memory_survives_and_a_second_audit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        assert_eq!(copy.remembered().unwrap(), None);
        copy.remember(b"one").unwrap();
        copy.remember(b"two").unwrap();
        assert_eq!(Copy::open(dir.path()).unwrap_err().code, "audit.state");
        drop(copy);
        assert_eq!(Copy::open(dir.path()).unwrap().remembered().unwrap().as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn a_wider_bundle_gives_the_narrower_one() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        let names: Vec<String> = (0..256).map(|n| n.to_string()).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let narrow = BundleId::new(0, 3).unwrap();
        assert_eq!(copy.bundle(narrow).unwrap(), None);
        copy.put(&BundleId::new(0, 5).unwrap().path(), &bundle(&all[..5])).unwrap();
        assert_eq!(copy.bundle(narrow).unwrap(), Some(bundle(&["0", "1", "2"])));
        copy.set_aside(&BundleId::new(0, 5).unwrap().path()).unwrap();
        copy.put(&narrow.full().path(), &bundle(&all)).unwrap();
        assert_eq!(copy.bundle(narrow).unwrap(), Some(bundle(&["0", "1", "2"])));
        copy.put(&narrow.full().path(), b"damaged").unwrap();
        assert_eq!(copy.bundle(narrow).unwrap(), None);
        copy.set_aside(&narrow.full().path()).unwrap();
        assert_eq!(copy.get(&narrow.full().path()).unwrap(), None);
        assert!(dir.path().join("damaged").join(narrow.full().path()).exists());
    }

    #[test]
    fn evidence_keeps_two_different_things_apart() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        let a = copy.keep_evidence("received", b"a").unwrap();
        let b = copy.keep_evidence("received", b"b").unwrap();
        assert_ne!(a, b);
        assert_eq!(fs::read(a).unwrap(), b"a");
    }

    #[test]
    fn the_bundles_of_a_tree_cover_it_once() {
        for size in [0, 1, 255, 256, 257, 512, 700] {
            let widths: u64 = bundles_of(TreeSize::new(size)).map(|bundle| u64::from(bundle.width())).sum();
            assert_eq!(widths, size);
        }
    }
}
