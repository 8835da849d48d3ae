//! Digests of builds that are logged: a list, or the verified copy of a release log (q9).
//!
//! A copy is read whole: its root must be the one that its remembered checkpoint says, and every entry is judged again; a disowned
//! build is none. Not here: judging a build, and whose log it is, which the answer says.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;
use vitrine_spec::body::Body;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::tiles::decode_bundle;
use vitrine_spec::tree::Frontier;
use vitrine_spec::words::Read;

use super::super::copy::{Copy, bundles_of};
use super::super::fold::Fold;
use super::super::seen;
use crate::exit::Failure;
use crate::files;

/// Bytes of a list: a million digests with names.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Digests, and where they are from.
#[derive(Clone, Debug)]
pub struct Builds {
    digests: HashSet<[u8; 32]>,
    from: String,
}

impl Builds {
    /// Digests from a place that the answer names.
    pub fn new(digests: impl IntoIterator<Item = [u8; 32]>, from: &str) -> Builds {
        Builds { digests: digests.into_iter().collect(), from: from.to_owned() }
    }

    /// Whether a digest is one of them, in hexadecimal.
    pub fn hold(&self, build: &str) -> bool {
        Hash::from_hex(build).is_ok_and(|digest| self.digests.contains(digest.as_bytes()))
    }

    /// Where they are from, and how many they are.
    pub fn said(&self) -> String {
        format!("{} digests of {}", self.digests.len(), self.from)
    }

    /// Reads a list as `sha256sum` prints it: a digest first in each line, anything after a blank; `#` lines are skipped.
    pub fn of_list(path: &Path) -> Result<Builds, Failure> {
        let text = files::read_text(path, LIST_BYTES_MAX)?;
        let mut digests = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
            let digest = Hash::from_hex(word).map_err(|error| {
                Failure::usage("ask.builds", format!("line {} of the list of builds begins with no SHA-256", at + 1))
                    .side("file", path.display())
                    .side("reason", error)
            })?;
            digests.push(*digest.as_bytes());
        }
        Ok(Builds::new(digests, &format!("a list with SHA-256 {}", Hash::of(text.as_bytes()).hex())))
    }

    /// Reads every build in the verified copy that `audit` of a release log keeps in its `--state`.
    pub fn of_copy(dir: &Path) -> Result<Builds, Failure> {
        let wrong = |why: &str| {
            Failure::usage("ask.builds", format!("the copy of the release log {why}"))
                .side("state", dir.display())
                .now("audit the release log with --state at this folder first")
        };
        if !dir.is_dir() {
            return Err(wrong("is not there"));
        }
        let copy = Copy::open(dir)?;
        let note = copy.remembered()?.ok_or_else(|| wrong("remembers no checkpoint"))?;
        let head =
            SignedCheckpoint::parse(&note).map_err(|error| wrong("holds no checkpoint").side("reason", error))?;
        let (origin, size) = (head.origin(), head.size());
        let (mut built, mut frontier, mut fold) = (Vec::new(), Frontier::new(), Fold::new(&copy, origin, size));
        for id in bundles_of(size) {
            let bytes = copy.bundle(id)?.ok_or_else(|| wrong("lacks entries").side("object", id.path()))?;
            let entries =
                decode_bundle(&bytes, id.width()).map_err(|_| wrong("is damaged").side("object", id.path()))?;
            entries.iter().for_each(|entry| frontier.push(leaf_hash(entry)));
            let events: Vec<Read<Event>> = entries.par_iter().map(|entry| seen::event(entry, origin)).collect();
            for (index, event) in (id.start().get()..).zip(&events) {
                let Ok(event) = event else { continue };
                if matches!(event.statement.body, Body::Build(_)) {
                    let digests = event.statement.subject.iter().filter_map(|file| file.digest.sha256);
                    built.extend(digests.map(|digest| (index, *digest.as_bytes())));
                }
            }
            fold.take(id.start(), &entries, &events)?;
        }
        let root = frontier.root();
        if root != *head.root() {
            return Err(wrong("has another root than its checkpoint")
                .side("copy", root)
                .side("checkpoint", head.root()));
        }
        if let Some(stop) = &fold.stop {
            return Err(wrong("holds what admission refuses").side("entry", stop.index).side("reason", &stop.refusal));
        }
        let disowned: HashSet<u64> = fold.disowned().into_iter().collect();
        let digests = built.into_iter().filter(|(index, _)| !disowned.contains(index)).map(|(_, digest)| digest);
        Ok(Builds::new(digests, &format!("the builds in {origin}, {size} entries with root {root}")))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_sha256sum_prints_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("builds");
        let digest = Hash::of(b"build");
        std::fs::write(&path, format!("# analysers\n{}  scanner.tar\n\n{}\n", digest.hex(), Hash::of(b"two").hex()))
            .unwrap();
        let builds = Builds::of_list(&path).unwrap();
        assert!(builds.hold(&digest.hex()) && !builds.hold(&Hash::of(b"three").hex()));
        assert!(builds.said().starts_with("2 digests of a list with SHA-256 "), "{}", builds.said());
        std::fs::write(&path, "scanner.tar\n").unwrap();
        assert_eq!(Builds::of_list(&path).unwrap_err().what, "line 1 of the list of builds begins with no SHA-256");
    }

    #[test]
    fn a_folder_without_a_copy_is_no_release_log() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("nothing");
        assert_eq!(Builds::of_copy(&missing).unwrap_err().what, "the copy of the release log is not there");
        assert!(!missing.exists(), "a question makes no folder");
    }
}
