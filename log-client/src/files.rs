//! Files: bounded reads, replacing writes that are durable when they return, and where the trust directory is (cli.md).
//!
//! Not here: what is in a file, and private keys (`keyfile`).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// Reads a file of at most `max` bytes; `-` is standard input. A missing file is exit 2.
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let bytes = read_judged(path, max)?;
    if bytes.len() as u64 > max {
        return Err(Failure::usage("file.size", "a file is larger than anything of its kind can be")
            .side("file", path.display())
            .side("limit", format!("{max} bytes")));
    }
    Ok(bytes)
}

/// Reads a file that is to be judged: of a longer one `max + 1` bytes, so that its length is part of the verdict, not exit 2.
pub fn read_judged(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(max + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        let failure =
            Failure::usage("file.read", "a file cannot be read").side("file", path.display()).side("system", &error);
        match error.kind() {
            ErrorKind::NotFound => failure.now("check the path"),
            ErrorKind::PermissionDenied => failure.now("run as the user who owns the file"),
            _ => failure,
        }
    })?;
    Ok(bytes)
}

/// Reads a UTF-8 text file of at most `max` bytes.
pub fn read_text(path: &Path, max: u64) -> Result<String, Failure> {
    String::from_utf8(read(path, max)?).map_err(|error| {
        Failure::usage("file.utf8", "a file is not UTF-8 text")
            .side("file", path.display())
            .side("first bad byte", error.utf8_error().valid_up_to())
    })
}

/// Replaces `path` by `bytes`: a temporary file beside it, synced, renamed, the directory synced.
///
/// A stop before the rename leaves the old file and a `.tmp` name; after it the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace_with(path, bytes, 0o644)
}

/// The same for its owner's eyes alone.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace_with(path, bytes, 0o600)
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let temporary = temporary(path);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        // A temporary name that a stop left behind has the mode of then.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    };
    write().map_err(|error| write_failure(path, &error))
}

/// Writes a file that must not exist yet, with `mode`; synced, with its directory.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_parent(path)
    };
    write().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::usage("file.exists", "a file is there already and is not replaced")
            .side("file", path.display())
            .now("choose another name, or move the old file away"),
        _ => write_failure(path, &error),
    })
}

/// Writes the result of a command: to `path`, replacing it, or to standard output when there is none or it is `-`.
pub fn emit(path: Option<&Path>, bytes: &[u8], out: &crate::output::Out) -> Result<(), Failure> {
    emit_with(path, bytes, out, replace)
}

/// The same for its owner's eyes alone: who else sees it, whoever hands it on decides.
pub fn emit_private(path: Option<&Path>, bytes: &[u8], out: &crate::output::Out) -> Result<(), Failure> {
    emit_with(path, bytes, out, replace_private)
}

fn emit_with(
    path: Option<&Path>,
    bytes: &[u8],
    out: &crate::output::Out,
    put: fn(&Path, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match path {
        Some(path) if path != Path::new("-") => put(path, bytes),
        Some(_) | None => {
            out.data(bytes);
            Ok(())
        }
    }
}

/// Makes a name durable: syncs the directory that holds it.
pub fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

/// `FILE` with `.extension` after its whole name: `a.json` becomes `a.json.tlog-proof`.
pub fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn temporary(path: &Path) -> PathBuf {
    beside(path, "tmp")
}

fn write_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage("file.write", "a file cannot be written").side("file", path.display()).side("system", error)
}

/// The trust directory: the one given, else `/etc/vitrine`, else `vitrine` in the user's configuration folder.
///
/// The first that exists; none is exit 2, because there is no trust on first use.
pub fn trust_dir(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let candidates: Vec<PathBuf> = match given {
        Some(dir) => vec![dir.to_owned()],
        None => {
            let config = std::env::var_os("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
            std::iter::once(PathBuf::from("/etc/vitrine")).chain(config.map(|dir| dir.join("vitrine"))).collect()
        }
    };
    if let Some(found) = candidates.iter().find(|dir| dir.is_dir()) {
        return match ["policy", "trust.toml"].iter().find(|name| !found.join(name).exists()) {
            None => Ok(found.clone()),
            Some(missing) => Err(Failure::usage(
                "trust.missing",
                "this is not a trust directory, and nothing is believed on first use",
            )
            .side("folder", found.display())
            .side("it has no", missing)
            .now("give the folder that `log-client trust init` wrote: it holds `policy` and `trust.toml`")),
        };
    }
    let looked: Vec<String> = candidates.iter().map(|dir| dir.display().to_string()).collect();
    Err(Failure::usage("trust.missing", "there is no trust directory, and nothing is believed on first use")
        .side("looked at", looked.join(", "))
        .now("get the charter's fingerprint and the witnesses' policy, then: log-client trust init --log URL --charter FINGERPRINT --policy FILE --out DIR"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_shows_people_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, out) = (dir.path().join("opening.json"), crate::output::Out::new(true));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        emit(Some(&path), b"x", &out).unwrap();
        assert_eq!(mode(), 0o644);
        emit_private(Some(&path), b"x", &out).unwrap();
        assert_eq!(mode(), 0o600, "also in place of one that others could read");
    }

    #[test]
    fn a_folder_without_both_files_is_no_trust_folder_and_says_which_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        for (name, missing) in [("a", "policy"), ("policy", "trust.toml")] {
            fs::write(dir.path().join(name), b"").unwrap();
            let failure = trust_dir(Some(dir.path())).unwrap_err();
            assert_eq!((failure.exit, failure.code.as_str()), (crate::exit::Exit::Usage, "trust.missing"));
            assert!(failure.to_string().contains(missing), "{failure}");
        }
        fs::write(dir.path().join("trust.toml"), b"").unwrap();
        assert_eq!(trust_dir(Some(dir.path())).unwrap(), dir.path());
    }

    #[test]
    fn reads_are_bounded_and_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let failure = read(&path, 4).unwrap_err();
        assert_eq!(failure.code, "file.size");
        assert!(failure.to_string().contains(&path.display().to_string()));
        assert_eq!(read_judged(&path, 3).unwrap(), b"1234", "one byte more than the limit shows that there are more");
        assert_eq!(read(&dir.path().join("b"), 4).unwrap_err().code, "file.read");
        fs::write(&path, [0x61, 0xff]).unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().code, "file.utf8");
    }

    #[test]
    fn a_new_file_has_its_mode_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        create(&path, b"one", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path, b"two", 0o600).unwrap_err().code, "file.exists");
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn replacing_leaves_no_other_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_trust_directory_the_way_to_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let failure = trust_dir(Some(&dir.path().join("none"))).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        assert!(failure.now.unwrap().contains("trust init"));
    }
}
