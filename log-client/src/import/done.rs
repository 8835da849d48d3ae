//! What was imported: of which file which first bytes, so that no record is logged twice and none is lost (docs/import.md).
//!
//! A file is recognised by its first record and by the digest of the bytes that were imported: under another name, packed or
//! written on since then it is the same file. A batch goes through three steps, and a stop after any of them is mended at the
//! next start:
//! 1. `planned`: which events are about to be spooled, each with the place that its file was read to;
//! 2. the spool holds them all, and `planned` is renamed to `sent`: from here an event that is neither in the spool nor kept as
//!    refused is logged;
//! 3. when the spool is empty, the places of the logged ones go into `imported`, and `sent` is removed.
//!
//! Not here: the spool and its lock, which this shares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vitrine_spec::hash::Hash;

use super::importer::{Kind, Place};
use super::lines::{Input, Prefix};
use crate::exit::Failure;
use crate::files;
use crate::limits::IMPORT_WHOLE_BYTES_MAX;

/// How far a file was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Its first record, by digest, hex.
    pub key: String,
    /// How many bytes, unpacked.
    pub bytes: u64,
    /// SHA-256 of them, hex.
    pub sha256: String,
    /// How many records.
    pub records: u64,
}

impl Mark {
    /// The mark of a place in the file with this key.
    pub fn at(key: &str, place: Place) -> Mark {
        let Place { prefix: Prefix { bytes, sha256 }, records } = place;
        Mark { key: key.to_owned(), bytes, sha256: sha256.hex(), records }
    }
}

/// One step of a batch, in the order of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The event that must be logged for it; none: nothing, only what comes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// How far its file is imported then; none for an event that is of no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Where the record is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub line: String,
}

/// What was imported into one log by one issuer.
#[derive(Debug)]
pub struct Done {
    dir: PathBuf,
    marks: BTreeMap<String, Vec<Mark>>,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its key; none for one that cannot be recognised again, such as standard input.
    pub key: Option<String>,
    /// The longest part of it that was imported.
    pub mark: Option<Mark>,
}

impl Done {
    /// Reads what was imported; `dir` is a spool's directory, and the spool is locked.
    pub fn open(dir: &Path) -> Result<Done, Failure> {
        let mut done = Done { dir: dir.to_owned(), marks: BTreeMap::new() };
        let path = done.path("imported");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(&path, &error)),
        };
        // A stop may have cut the last line: what it would have said is still in `sent`.
        let whole = text.rfind('\n').map_or("", |end| text.get(..=end).unwrap_or_default());
        if whole.len() < text.len() {
            files::replace(&path, whole.as_bytes())?;
        }
        for line in whole.lines() {
            let mark: Mark = serde_json::from_str(line).map_err(|error| damaged(&path, &error))?;
            done.marks.entry(mark.key.clone()).or_default().push(mark);
        }
        Ok(done)
    }

    /// What is known of a file: reads it as far as it was imported.
    pub fn find(&self, kind: Kind, path: &Path) -> Result<Known, Failure> {
        if path == Path::new("-") {
            return Ok(Known { key: None, mark: None });
        }
        let mut input = Input::open(path)?;
        match kind {
            Kind::CloudTrail => input.read_to(IMPORT_WHOLE_BYTES_MAX)?,
            // Two lines: many files of one system have the header in common.
            Kind::Csv => {
                input.line()?;
                input.line()?;
            }
            Kind::Pgaudit => {
                input.line()?;
            }
        }
        let key = Hash::of_parts(&[kind.name().as_bytes(), b"\0", input.prefix().sha256.as_bytes()]).hex();
        let mut marks = self.marks.get(&key).cloned().unwrap_or_default();
        marks.sort_by_key(|mark| (mark.bytes, mark.records));
        let mut known = None;
        for mark in marks {
            input.read_to(mark.bytes)?;
            let prefix = input.prefix();
            if prefix.bytes == mark.bytes && prefix.sha256.hex() == mark.sha256 {
                known = Some(mark);
            }
        }
        Ok(Known { key: Some(key), mark: known })
    }

    /// Step 1.
    pub fn plan(&self, steps: &[Step]) -> Result<(), Failure> {
        let path = self.path("planned");
        let text = serde_json::to_string(steps).map_err(|error| damaged(&path, &error))?;
        files::replace(&path, text.as_bytes())
    }

    /// Step 2.
    pub fn sent(&self) -> Result<(), Failure> {
        let path = self.path("sent");
        fs::rename(self.path("planned"), &path)
            .and_then(|()| files::sync_parent(&path))
            .map_err(|error| failed(&path, &error))
    }

    /// Step 3, once nothing of the batch is in the spool: takes over the places up to the first event that was refused.
    /// Returns how many accesses are logged, and the step of the first that is not.
    pub fn settle(&mut self, steps: &[Step]) -> Result<(u64, Option<Step>), Failure> {
        let mut last: BTreeMap<String, Mark> = BTreeMap::new();
        let (mut logged, mut refused) = (0, None);
        for step in steps {
            if let Some(event) = &step.event {
                if self.was_refused(event) {
                    refused = Some(step.clone());
                    break;
                }
                logged += u64::from(!step.line.is_empty());
            }
            if let Some(mark) = &step.mark {
                last.insert(mark.key.clone(), mark.clone());
            }
        }
        self.add(last.into_values().collect())?;
        self.forget("sent")?;
        Ok((logged, refused))
    }

    /// The batch that a stop left: its steps as far as they were spooled. `pending`: the events in the spool.
    pub fn left(&self, pending: &BTreeSet<String>) -> Result<Option<Vec<Step>>, Failure> {
        if let Some(steps) = self.steps("sent")? {
            return Ok(Some(steps));
        }
        let Some(mut steps) = self.steps("planned")? else { return Ok(None) };
        // Stopped before all of it was spooled: nothing was sent, and what is not in the spool is read from its file again.
        let spooled = steps.iter().take_while(|step| step.event.as_ref().is_none_or(|event| pending.contains(event)));
        let spooled = spooled.count();
        steps.truncate(spooled);
        if !steps.iter().any(|step| step.event.is_some()) {
            self.forget("planned")?;
            return Ok(None);
        }
        self.plan(&steps)?;
        self.sent()?;
        Ok(Some(steps))
    }

    /// Whether the spool keeps an event that the log did not take.
    fn was_refused(&self, event: &str) -> bool {
        ["refused", "superseded"].iter().any(|kept| self.dir.join(kept).join(format!("{event}.json")).exists())
    }

    fn steps(&self, name: &str) -> Result<Option<Vec<Step>>, Failure> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(&path, &error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    fn add(&mut self, marks: Vec<Mark>) -> Result<(), Failure> {
        if marks.is_empty() {
            return Ok(());
        }
        let path = self.path("imported");
        let mut text = String::new();
        for mark in &marks {
            text.push_str(&serde_json::to_string(mark).map_err(|error| damaged(&path, &error))?);
            text.push('\n');
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()))
            .and_then(|()| files::sync_parent(&path))
            .map_err(|error| failed(&path, &error))?;
        for mark in marks {
            self.marks.entry(mark.key.clone()).or_default().push(mark);
        }
        Ok(())
    }

    fn forget(&self, name: &str) -> Result<(), Failure> {
        let path = self.path(name);
        match fs::remove_file(&path).and_then(|()| files::sync_parent(&path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage("import.state", "what was imported cannot be remembered")
        .side("path", path.display())
        .side("system", error)
}

fn damaged(path: &Path, error: &serde_json::Error) -> Failure {
    Failure::usage("import.state", "what was imported cannot be read")
        .side("path", path.display())
        .side("reason", error)
        .now("without it records would be logged twice: compare with the log before you move it away")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn step(event: &str, mark: Option<Mark>) -> Step {
        Step { event: Some(event.to_owned()), mark, line: "a line 1".to_owned() }
    }

    /// The mark of the first `bytes` bytes of a file.
    fn mark(done: &Done, path: &Path, bytes: u64, records: u64) -> Mark {
        let mut input = Input::open(path).unwrap();
        input.read_to(bytes).unwrap();
        let key = done.find(Kind::Pgaudit, path).unwrap().key.unwrap();
        Mark::at(&key, Place { prefix: input.prefix(), records })
    }

    #[test]
    fn a_file_is_known_by_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "a", "one\ntwo\n");
        let mut done = Done::open(dir.path()).unwrap();
        assert_eq!(done.find(Kind::Pgaudit, &path).unwrap().mark, None);
        let marks = [mark(&done, &path, 4, 1), mark(&done, &path, 8, 2)];
        done.add(marks.to_vec()).unwrap();
        let done = Done::open(dir.path()).unwrap();
        let known = |path: &Path| done.find(Kind::Pgaudit, path).unwrap().mark.map(|mark| mark.records);
        // Under another name, written on, changed behind the first record, another file.
        assert_eq!(known(&file(dir.path(), "b", "one\ntwo\n")), Some(2));
        assert_eq!(known(&file(dir.path(), "c", "one\ntwo\nthree\n")), Some(2));
        assert_eq!(known(&file(dir.path(), "d", "one\nTWO\n")), Some(1));
        assert_eq!(known(&file(dir.path(), "e", "two\none\n")), None);
        assert_eq!(done.find(Kind::CloudTrail, &path).unwrap().mark, None);
        assert_eq!(done.find(Kind::Pgaudit, Path::new("-")).unwrap(), Known { key: None, mark: None });
    }

    #[test]
    fn a_stop_before_all_is_spooled_leaves_what_is_spooled() {
        let dir = tempfile::tempdir().unwrap();
        let done = Done::open(dir.path()).unwrap();
        let steps = [step("aa", None), step("bb", None), step("cc", None)];
        done.plan(&steps).unwrap();
        let pending = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<String>>();
        assert_eq!(done.left(&pending(&["aa", "bb"])).unwrap().unwrap(), steps[..2]);
        // It counts as sent from then on.
        assert_eq!(done.left(&pending(&[])).unwrap().unwrap(), steps[..2]);
        done.forget("sent").unwrap();
        done.plan(&steps).unwrap();
        assert_eq!(done.left(&pending(&[])).unwrap(), None);
        assert_eq!(done.left(&pending(&["aa"])).unwrap(), None, "the plan is gone");
    }

    #[test]
    fn the_places_up_to_the_first_refused_event_count() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("superseded")).unwrap();
        let path = file(dir.path(), "a", "one\ntwo\nthree\n");
        let mut done = Done::open(dir.path()).unwrap();
        let steps = [
            Step { event: Some("key".to_owned()), mark: None, line: String::new() },
            step("aa", Some(mark(&done, &path, 4, 1))),
            step("bb", Some(mark(&done, &path, 8, 2))),
        ];
        done.plan(&steps).unwrap();
        done.sent().unwrap();
        file(&dir.path().join("superseded"), "bb.json", "{}");
        let (logged, refused) = done.settle(&steps).unwrap();
        assert_eq!((logged, refused), (1, Some(steps[2].clone())));
        assert_eq!(done.find(Kind::Pgaudit, &path).unwrap().mark.unwrap().records, 1);
        assert_eq!(done.left(&BTreeSet::new()).unwrap(), None);
    }

    #[test]
    fn a_line_that_a_stop_cut_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "a", "one\ntwo\n");
        let mut done = Done::open(dir.path()).unwrap();
        let (first, second) = (mark(&done, &path, 4, 1), mark(&done, &path, 8, 2));
        done.add(vec![first]).unwrap();
        let imported = dir.path().join("imported");
        let text = fs::read_to_string(&imported).unwrap();
        fs::write(&imported, format!("{text}{{\"key\":\"ab")).unwrap();
        let mut done = Done::open(dir.path()).unwrap();
        assert_eq!(done.find(Kind::Pgaudit, &path).unwrap().mark.unwrap().records, 1);
        done.add(vec![second]).unwrap();
        assert_eq!(Done::open(dir.path()).unwrap().find(Kind::Pgaudit, &path).unwrap().mark.unwrap().records, 2);
        fs::write(&imported, "nonsense\n").unwrap();
        assert_eq!(Done::open(dir.path()).unwrap_err().code, "import.state");
    }
}
