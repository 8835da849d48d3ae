//! The folder of a watch: what it has read, what it has told, and what it remembers of the log (docs/watch.md).
//!
//! ```text
//! checkpoint   the newest checkpoint that was verified; the copy holds every entry that it covers
//! tile/        the entries, as the log serves them
//! watched      up to which entry every alert was delivered, and what `verify-update --watch-state` needs (docs/94-watched.md)
//! told         silences that were told, so that each is told once
//! evidence/    what contradicts it
//! ```
//!
//! Each is replaced whole: a temporary file, synced, renamed, the folder synced. The order of writes, and what a stop leaves:
//! 1. `tile/`, then `checkpoint`: from here on the log must go on from that tree. `watched` is behind, and catches up;
//! 2. alerts go out. A stop before step 3 delivers those of the last bundle again;
//! 3. `watched`.
//!
//! A `checkpoint` without `watched`, or the reverse, is a folder that lost something, and is never begun anew by itself. Not
//! here: verifying any of it (`engine`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vitrine_spec::limits::WATCHED_BYTES_MAX;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::watched::Watched;

use crate::audit::copy::Copy;
use crate::exit::Failure;
use crate::files;
use crate::limits::TOLD_BYTES_MAX;

/// First line of `told`.
const TOLD: &str = "vitrine watch told 1";

/// An opened, locked folder.
#[derive(Debug)]
pub struct State {
    /// The entries, the remembered checkpoint, the evidence.
    pub copy: Copy,
    dir: PathBuf,
}

/// What a person is told to do about a folder that cannot be gone on with.
const MEND: &str = "nothing is begun anew by itself. If the folder was damaged or partly lost: put it back from a backup, or move it \
                    away and begin in a new one with --start all, and with --seen FILE, a checkpoint of this log from the old \
                    folder or from anybody who kept one, so that a log which changed since is found out";

impl State {
    /// Opens or makes the folder; another process that works there is waited for by nobody.
    pub fn open(dir: &Path) -> Result<State, Failure> {
        Ok(State { copy: Copy::open(dir)?, dir: dir.to_owned() })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was read and told; none in a folder that was never begun.
    ///
    /// # Errors
    /// The file is none that a watch writes.
    pub fn watched(&self) -> Result<Option<Watched>, Failure> {
        let Some(bytes) = self.copy.get("watched")? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| self.damaged("watched", &error.to_string()))?;
        Watched::parse(&text).map(Some).map_err(|error| self.damaged("watched", &error.to_string()))
    }

    /// Writes what was read and told; durable when it returns.
    pub fn put_watched(&self, watched: &Watched) -> Result<(), Failure> {
        let text = watched.print();
        if text.len() > WATCHED_BYTES_MAX {
            return Err(Failure::usage("watch.full", "what verdicts need of this log is more than its file can hold")
                .side("bytes", text.len())
                .side("limit", WATCHED_BYTES_MAX));
        }
        files::replace(&self.dir.join("watched"), text.as_bytes())
    }

    /// Silences that were told. A file that is lost or damaged costs a second alert for each, nothing else.
    pub fn told(&self) -> BTreeSet<String> {
        let text = files::read_text(&self.dir.join("told"), TOLD_BYTES_MAX).unwrap_or_default();
        let mut lines = text.lines();
        if lines.next() == Some(TOLD) { lines.map(str::to_owned).collect() } else { BTreeSet::new() }
    }

    /// Writes what silences were told; durable when it returns.
    pub fn put_told(&self, told: &BTreeSet<String>) -> Result<(), Failure> {
        let lines: String = told.iter().map(|line| format!("{line}\n")).collect();
        files::replace(&self.dir.join("told"), format!("{TOLD}\n{lines}").as_bytes())
    }

    /// A file of the folder that is not what was written.
    pub fn damaged(&self, what: &str, why: &str) -> Failure {
        Failure::usage("watch.state", "the state of this watch is damaged, or is not one")
            .side("file", self.dir.join(what).display())
            .side("reason", why)
            .now(MEND)
    }

    /// Half of the folder is missing.
    pub fn lost(&self, has: &str, lacks: &str) -> Failure {
        Failure::usage("watch.state-lost", "the state of this watch has lost a part of it")
            .side("folder", self.dir.display())
            .side("it holds", has)
            .side("it lacks", lacks)
            .now(MEND)
    }

    /// A folder in which nothing was ever begun, and nobody said to begin.
    pub fn missing(&self) -> Failure {
        Failure::usage("watch.no-state", "there is no state here, and a watch is never begun by itself: a lost one would go unnoticed")
            .side("folder", self.dir.display())
            .now("the first time, add --start all (alerts about everything from entry 0 on) or --start new (only what comes from now on); if there was a watch here, its folder was lost: put it back, or begin with --start all and --seen FILE, a checkpoint of this log that somebody kept")
    }

    /// A folder that was begun already.
    pub fn begun(&self, size: TreeSize) -> Failure {
        Failure::usage("watch.begun", "this watch was begun already, and --start would begin it anew")
            .side("folder", self.dir.display())
            .side("entries read", size)
            .now("leave --start away; or give a new folder with --state")
    }
}
