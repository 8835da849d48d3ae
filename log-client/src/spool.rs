//! The spool: events that were taken on and are not yet provably logged (cli.md, `submit`).
//!
//! One file per parcel under `pending/`, replaced durably before anything is sent, removed only when every proof in it is
//! stored. Not here: sending (`deliver`), what a record's bytes mean.
//!
//! ```text
//! lock                  held while a submit works here
//! pending/<number>      a version line, then one JSON line per event
//! refused/<event_id>    what the log refused, kept: it may be corrected and signed again
//! superseded/<event_id> what was signed for a place that another event took, kept likewise; of a sealed type with its record,
//!                       which the readers can open when its sealing key is logged
//! evidence/<digest>     answers of a log that misbehaved, verbatim
//! proofs/<event_id>     proofs of events that came on standard input
//! openings/<digest>     what the log showed of an issuer: from it an event can be made while the log does not answer
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::files;
use crate::limits::{BATCH_BYTES_MAX, BATCH_LINES_MAX, EVENT_FILE_BYTES_MAX};

const VERSION: &str = "vitrine spool 1";

/// Bytes of a parcel: a full batch whose payloads stand in JSON once, with a path of 4 kB each.
const PARCEL_BYTES_MAX: u64 = BATCH_BYTES_MAX as u64 + BATCH_LINES_MAX as u64 * 12 * 1024;

/// One event that is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The file it was read from, absolute; none when it came on standard input.
    pub file: Option<PathBuf>,
    /// The file that it is about, where the event was made of that and has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<PathBuf>,
    /// Where its proof goes, absolute; none where whoever sent it takes the proof from the outcome.
    pub proof: Option<PathBuf>,
    /// SHA-256 of that file when it was taken on, hex: recognises the same command run again.
    pub source: String,
    /// The envelope as it will be sent, or without signatures while it has no place.
    pub envelope: String,
    /// Whether the envelope must be put at a new place and signed before it can be sent.
    pub unplaced: bool,
    /// Whether the release_seq of an update was left to the log, and may be given anew.
    pub asks_release: bool,
    /// The sealed record of a sealed type, base64: ciphertext, like everything else that this spool holds of an access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

impl Record {
    /// The file by which people know it.
    pub fn named(&self) -> Option<&PathBuf> {
        self.file.as_ref().or(self.about.as_ref())
    }

    /// What is sent and, when it was refused, kept: `{envelope}`, with `sealed` for a sealed type.
    pub fn submission(&self) -> String {
        match &self.sealed {
            Some(sealed) => format!("{{\"envelope\":{},\"sealed\":\"{sealed}\"}}", self.envelope),
            None => format!("{{\"envelope\":{}}}", self.envelope),
        }
    }

    /// Bytes of its line in a batch, but for the names of the members.
    fn bytes(&self) -> usize {
        self.envelope.len() + self.sealed.as_ref().map_or(0, String::len) + 1
    }

    /// What is kept of it: an event file, or the submission where there is more than the event.
    fn kept(&self) -> String {
        if self.sealed.is_some() { self.submission() } else { self.envelope.clone() }
    }
}

/// What one run of `submit` took on for one log, at most one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    number: u64,
    /// Parcels whose records it has taken over; their files go when its own is written again.
    also: Vec<u64>,
    /// The log's URL.
    pub log: String,
    /// In the order in which they are to be logged.
    pub records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    spool: String,
    log: String,
}

/// An opened and locked spool.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    /// The number of the next parcel: one that was given is never given again, because what became of it may still be on its way.
    next: AtomicU64,
    _lock: File,
}

/// `vitrine/spool` in the user's state folder.
pub fn default_dir() -> Result<PathBuf, Failure> {
    state_dir().map(|state| state.join("spool"))
}

/// `vitrine/gateway/<issuer>` there: a gateway holds its spool as long as it runs.
pub fn gateway_dir(issuer: &str) -> Result<PathBuf, Failure> {
    state_dir().map(|state| state.join("gateway").join(issuer))
}

fn state_dir() -> Result<PathBuf, Failure> {
    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")))
        .map(|state| state.join("vitrine"))
        .ok_or_else(|| {
            Failure::usage("spool.dir", "there is no place for the spool: neither XDG_STATE_HOME nor HOME is set")
                .now("give one with --spool DIR")
        })
}

impl Parcel {
    /// The numbers of what it holds.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.number).chain(self.also.iter().copied())
    }
}

impl Spool {
    /// Opens or makes the spool and locks it, waiting at most `patience` for another process that works there.
    pub fn open(dir: &Path, patience: Duration) -> Result<Spool, Failure> {
        let folders = ["pending", "refused", "superseded", "evidence", "proofs", "openings"].map(|name| dir.join(name));
        for part in [dir.to_owned()].into_iter().chain(folders) {
            DirBuilder::new().recursive(true).mode(0o700).create(&part).map_err(|error| failed(&part, &error))?;
        }
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&path, &error))?;
        let until = Instant::now() + patience;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(&path, &error.into()));
            }
            if Instant::now() >= until {
                return Err(Failure::new(Exit::NotYet, "spool.locked", "another process is working with this spool")
                    .side("spool", dir.display())
                    .side("waited", format!("{} s", patience.as_secs()))
                    .now("run it again when that one has ended, or give another --spool DIR if it is for another issuer; nothing was taken on"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut spool = Spool { dir: dir.to_owned(), next: AtomicU64::new(1), _lock: lock };
        let last = spool.numbers()?.last().copied().unwrap_or_default();
        *spool.next.get_mut() = last.saturating_add(1);
        Ok(spool)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every parcel, oldest first.
    pub fn pending(&self) -> Result<Vec<Parcel>, Failure> {
        self.each()?.collect()
    }

    /// The same one after another: a gateway's spool can hold more than memory.
    pub fn each(&self) -> Result<impl Iterator<Item = Result<Parcel, Failure>> + '_, Failure> {
        Ok(self.numbers()?.into_iter().map(|number| self.read(number)))
    }

    /// The numbers of the parcels, ascending.
    fn numbers(&self) -> Result<Vec<u64>, Failure> {
        let dir = self.dir.join("pending");
        let mut numbers: Vec<u64> = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|error| failed(&dir, &error))? {
            let entry = entry.map_err(|error| failed(&dir, &error))?;
            // A `.tmp` name is a write that did not finish: what it was to replace is still there.
            numbers.extend(entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Takes on events for `log`, in parcels of at most one batch; durable when it returns.
    pub fn add(&self, log: &str, records: Vec<Record>) -> Result<Vec<Parcel>, Failure> {
        let mut parcels: Vec<Parcel> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let next = record.bytes();
            let full = parcels
                .last()
                .is_none_or(|parcel| parcel.records.len() == BATCH_LINES_MAX || bytes + next > BATCH_BYTES_MAX / 2);
            if full {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                parcels.push(Parcel { number, also: Vec::new(), log: log.to_owned(), records: Vec::new() });
                bytes = 0;
            }
            bytes += next;
            if let Some(parcel) = parcels.last_mut() {
                parcel.records.push(record);
            }
        }
        for parcel in &parcels {
            self.store(parcel)?;
        }
        Ok(parcels)
    }

    /// Replaces a parcel by what it holds now; one without records is removed. Durable when it returns.
    pub fn store(&self, parcel: &Parcel) -> Result<(), Failure> {
        let path = self.path(parcel.number);
        if !parcel.records.is_empty() {
            files::replace(&path, self.text(parcel)?.as_bytes())?;
        }
        let mut gone = parcel.also.clone();
        if parcel.records.is_empty() {
            gone.push(parcel.number);
        }
        for number in gone {
            // What another one holds now is removed after it; a stop in between leaves events twice, which a log takes once.
            let path = self.path(number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
                Ok(()) | Err(_) => {}
            }
        }
        files::sync_parent(&path).map_err(|error| failed(&path, &error))
    }

    fn text(&self, parcel: &Parcel) -> Result<String, Failure> {
        let path = self.path(parcel.number);
        let mut text = line(&path, &Header { spool: VERSION.to_owned(), log: parcel.log.clone() })?;
        for record in &parcel.records {
            text.push_str(&line(&path, record)?);
        }
        Ok(text)
    }

    /// The first of the parcels with these numbers and its neighbours of the same log, as far as a batch holds them.
    ///
    /// # Errors
    /// `numbers` is empty, or a parcel cannot be read.
    pub fn gather(&self, numbers: &[u64]) -> Result<Parcel, Failure> {
        let mut numbers = numbers.iter();
        let first = numbers.next().copied().unwrap_or_default();
        let mut gathered = self.read(first)?;
        let size = |parcel: &Parcel| parcel.records.iter().map(Record::bytes).sum::<usize>();
        let mut bytes = size(&gathered);
        for number in numbers {
            let parcel = self.read(*number)?;
            bytes += size(&parcel);
            if parcel.log != gathered.log
                || gathered.records.len() + parcel.records.len() > BATCH_LINES_MAX
                || bytes > BATCH_BYTES_MAX / 2
            {
                break;
            }
            gathered.also.push(parcel.number);
            gathered.records.extend(parcel.records);
        }
        Ok(gathered)
    }

    /// Keeps an event that the log refused.
    pub fn keep_refused(&self, event_id: &str, record: &Record) -> Result<PathBuf, Failure> {
        self.keep("refused", &format!("{event_id}.json"), record.kept().as_bytes())
    }

    /// Keeps an event whose place went to another one.
    pub fn keep_superseded(&self, event_id: &str, record: &Record) -> Result<PathBuf, Failure> {
        self.keep("superseded", &format!("{event_id}.json"), record.kept().as_bytes())
    }

    /// Keeps an answer of a log that misbehaved.
    pub fn keep_evidence(&self, bytes: &[u8]) -> Result<PathBuf, Failure> {
        self.keep("evidence", &vitrine_spec::hash::Hash::of(bytes).hex(), bytes)
    }

    fn keep(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.dir.join(folder).join(name);
        files::replace(&path, bytes)?;
        Ok(path)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join("pending").join(format!("{number:020}"))
    }

    fn read(&self, number: u64) -> Result<Parcel, Failure> {
        let path = self.path(number);
        let damaged = |why: String| {
            Failure::usage("spool.damaged", "a parcel in the spool cannot be read")
                .side("file", path.display())
                .side("reason", why)
                .now("move it away; the events it held are named in it, and their own files are where they were")
        };
        let text = files::read_text(&path, PARCEL_BYTES_MAX + EVENT_FILE_BYTES_MAX)?;
        let mut lines = text.lines();
        let header: Header =
            serde_json::from_str(lines.next().unwrap_or_default()).map_err(|error| damaged(error.to_string()))?;
        if header.spool != VERSION {
            return Err(damaged(format!("version `{}`, this program knows `{VERSION}`", header.spool)));
        }
        let records: Result<Vec<Record>, _> = lines.map(serde_json::from_str).collect();
        Ok(Parcel {
            number,
            also: Vec::new(),
            log: header.log,
            records: records.map_err(|error| damaged(error.to_string()))?,
        })
    }
}

fn line(path: &Path, value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(|error| failed(path, &error.into()))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage("spool.write", "the spool cannot be used").side("path", path.display()).side("system", error)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn record(n: usize) -> Record {
        Record {
            file: Some(PathBuf::from(format!("/tmp/{n}.json"))),
            about: None,
            proof: Some(PathBuf::from(format!("/tmp/{n}.json.tlog-proof"))),
            source: "00".repeat(32),
            envelope: format!("{{\"n\":{n}}}"),
            unplaced: n.is_multiple_of(2),
            asks_release: false,
            sealed: None,
        }
    }

    #[test]
    fn what_was_taken_on_is_there_for_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let first = Spool::open(dir.path(), Duration::ZERO).unwrap();
        first.add("http://a", vec![record(1), record(2)]).unwrap();
        first.add("http://b", vec![record(3)]).unwrap();
        drop(first); // killed here: the lock dies with the process
        let second = Spool::open(dir.path(), Duration::ZERO).unwrap();
        let mut pending = second.pending().unwrap();
        assert_eq!(pending.len(), 2);
        assert_eq!((pending[0].log.as_str(), pending[1].log.as_str()), ("http://a", "http://b"));
        assert_eq!(pending[0].records, [record(1), record(2)]);
        pending[0].records.remove(0);
        second.store(&pending[0]).unwrap();
        assert_eq!(second.pending().unwrap()[0].records, [record(2)]);
        pending[0].records.clear();
        second.store(&pending[0]).unwrap();
        assert_eq!(second.pending().unwrap().len(), 1);
        assert_eq!(second.add("http://a", vec![record(4)]).unwrap()[0].number, 3);
    }

    #[test]
    fn a_number_is_used_once() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Duration::ZERO).unwrap();
        let add = |n| spool.add("http://a", vec![record(n)]).unwrap().remove(0);
        let mut first = add(1);
        first.records.clear();
        spool.store(&first).unwrap();
        assert_eq!(add(2).number, 2, "the fate of the first may still be on its way to whoever added it");
        // What a gathered parcel took over goes with its first write; a later one removes nothing that came after it.
        add(3);
        let mut gathered = spool.gather(&[2, 3]).unwrap();
        gathered.records.remove(0);
        spool.store(&gathered).unwrap();
        let new = add(4);
        gathered.records.clear();
        spool.store(&gathered).unwrap();
        assert_eq!(spool.pending().unwrap(), [new]);
    }

    #[test]
    fn one_submit_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _held = Spool::open(dir.path(), Duration::ZERO).unwrap();
        let failure = Spool::open(dir.path(), Duration::ZERO).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::NotYet, "spool.locked"));
    }

    #[test]
    fn many_events_are_parcels_of_one_batch() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Duration::ZERO).unwrap();
        let parcels = spool.add("http://a", (0..=BATCH_LINES_MAX).map(record).collect()).unwrap();
        assert_eq!(parcels.iter().map(|parcel| parcel.records.len()).collect::<Vec<_>>(), [BATCH_LINES_MAX, 1]);
    }

    #[test]
    fn neighbours_go_together_and_are_forgotten_together() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Duration::ZERO).unwrap();
        for n in 1..=3 {
            spool.add("http://a", vec![record(n)]).unwrap();
        }
        spool.add("http://b", vec![record(4)]).unwrap();
        let mut gathered = spool.gather(&[1, 2, 3, 4]).unwrap();
        assert_eq!(gathered.records.len(), 3);
        assert_eq!(gathered.numbers().collect::<Vec<_>>(), [1, 2, 3], "the fourth is for another log");
        assert_eq!(spool.pending().unwrap().len(), 4, "nothing is written before something changes");
        gathered.records.remove(0);
        spool.store(&gathered).unwrap();
        assert_eq!(spool.pending().unwrap()[0].records, [record(2), record(3)]);
        gathered.records.clear();
        spool.store(&gathered).unwrap();
        assert_eq!(spool.pending().unwrap().len(), 1);
    }

    #[test]
    fn an_unfinished_write_is_not_a_parcel_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Duration::ZERO).unwrap();
        spool.add("http://a", vec![record(1)]).unwrap();
        let path = spool.path(1);
        fs::write(files::beside(&path, "tmp"), b"half").unwrap();
        assert_eq!(spool.pending().unwrap().len(), 1);
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("spool 1", "spool 2")).unwrap();
        let failure = spool.pending().unwrap_err();
        assert_eq!(failure.code, "spool.damaged");
        assert!(failure.to_string().contains(&path.display().to_string()), "{failure}");
    }

    #[test]
    fn what_was_refused_or_superseded_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Duration::ZERO).unwrap();
        let plain = record(1);
        let sealed = Record { sealed: Some("AAAA".to_owned()), ..record(1) };
        for (record, want) in [(plain, "{\"n\":1}"), (sealed, "{\"envelope\":{\"n\":1},\"sealed\":\"AAAA\"}")] {
            for path in [spool.keep_refused("ab", &record).unwrap(), spool.keep_superseded("ab", &record).unwrap()] {
                assert_eq!(fs::read_to_string(path).unwrap(), want);
            }
        }
        assert!(spool.keep_evidence(b"note").unwrap().starts_with(dir.path().join("evidence")));
    }
}
