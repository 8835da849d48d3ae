//! A time in which accesses were kept because the log could not answer, and the incident that says so (leaf-format.md 4).
//!
//! Only vault, operator and supervisor log incidents, so a gateway writes a draft: an event of the operator, unsigned and
//! without its place, and beside it in words what the body cannot hold. Not here: logging it (`carrier`).
//!
//! ```text
//! covered                                       what the last heartbeat that is logged covers
//! outage.json                                   the one that lasts
//! incidents/<what>-<issuer>-<epoch>-<first>-<last>.json  the draft, not logged before .tlog-proof is beside it; .txt the words
//! ```
//!
//! `<what>` is `late-<now>`, or where accesses are lost `lost-<since>-<now>`.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vitrine_spec::body::charter::Role;
use vitrine_spec::json::Value;
use vitrine_spec::statement::Kind;
use vitrine_spec::words::{Name, Time};

use crate::clock;
use crate::draft::{Chain, Draft, check_members};
use crate::exit::Failure;
use crate::files;
use crate::limits::KEY_FILE_BYTES_MAX;

/// An outage that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// When it was noticed.
    pub since: u64,
    /// The epoch of the chain; 0 when it was not known.
    pub epoch: u32,
    /// The first position that waited.
    pub seq: u64,
    /// The event before it, hex.
    pub prev: String,
    /// What the log said, where it said something.
    pub code: Option<String>,
    /// How many events that waited in the spool it refused.
    #[serde(default)]
    pub refused: usize,
}

impl Outage {
    /// The one that an earlier run left.
    pub fn read(spool: &Path) -> Result<Option<Outage>, Failure> {
        let path = path(spool);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&path, KEY_FILE_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Failure::usage("spool.damaged", "the note about an outage cannot be read")
                .side("file", path.display())
                .side("reason", error)
                .now("write the incident by hand from what it says, and move the file away")
        })
    }

    /// Remembers it; durable when it returns.
    pub fn write(&self, spool: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string(self)
            .map_err(|error| Failure::usage("spool.write", "the note about an outage").side("reason", error))?;
        files::replace(&path(spool), format!("{text}\n").as_bytes())
    }

    /// Writes the draft of the incident and forgets the outage: `last` is the last position of the chain now.
    pub fn draft(&self, spool: &Path, origin: &str, issuer: &Name, last: u64, now: Time) -> Result<PathBuf, Failure> {
        let mut body = Value::object([
            ("class", "logging-failure".into()),
            ("issuer", issuer.as_str().into()),
            ("epoch", crate::event_file::number(self.epoch.into())),
            ("seq", crate::event_file::number(self.seq)),
        ]);
        let draft = |body: &Value| {
            Draft {
                kind: Kind::Incident.name().to_owned(),
                origin: origin.to_owned(),
                issuer: Role::Operator.name().to_owned(),
                epoch: 1,
                chain: Chain::Later,
                recorded: now.get(),
                site: None,
                cosigners: Vec::new(),
                refs: Vec::new(),
                body: body.clone(),
                fields: Vec::new(),
                files: Vec::new(),
                digests: BTreeMap::from([("sha256".to_owned(), self.prev.clone())]),
                attachments: Vec::new(),
            }
            .event()
        };
        let plain = draft(&body)?;
        let mut event = plain.clone();
        if let Some(code) = &self.code {
            // Only the codes of the table stand in an incident; what else a log says is in the words.
            crate::event_file::Members::set(&mut body, "code", code.as_str().into());
            event = draft(&body)?;
            if check_members(&event).is_err() {
                event = plain;
            }
        }
        check_members(&event)?;
        let folder = folder(spool);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
            Failure::usage("spool.write", "the spool cannot be used")
                .side("path", folder.display())
                .side("system", error)
        })?;
        let what = match self.refused {
            0 => format!("late-{}", now.get()),
            _ => format!("lost-{}-{}", self.since, now.get()),
        };
        let file = folder.join(format!("{what}-{issuer}-{}-{}-{last}.json", self.epoch, self.seq));
        let code = self.code.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
        let (since, now) = (clock::show(self.since), clock::show(now.get()));
        let words = match self.refused {
            0 => format!(
                "logging-failure: {issuer} epoch {}, events {} to {last}, sealed from {since} to {now} while the log could not answer{code}; logged late.\n",
                self.epoch, self.seq
            ),
            refused => format!(
                "logging-failure: {issuer} epoch {}, from seq {} on, from {since} to {now}: {refused} events that waited in the spool were refused{code} and are not in the log; they are in {} and {}, where the readers can open them.\n",
                self.epoch,
                self.seq,
                spool.join("refused").display(),
                spool.join("superseded").display(),
            ),
        };
        files::replace(&file.with_extension("txt"), words.as_bytes())?;
        files::replace(&file, event.print().as_bytes())?;
        let path = path(spool);
        std::fs::remove_file(&path).and_then(|()| files::sync_parent(&path)).map_err(|error| {
            Failure::usage("spool.write", "the spool cannot be used").side("path", path.display()).side("system", error)
        })?;
        Ok(file)
    }
}

/// The draft of an incident that is not logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its file.
    pub draft: PathBuf,
    /// For one about accesses that are lost: up to when none is.
    pub lost: Option<Time>,
}

/// The drafts in a spool that are not logged, by name.
pub fn open(spool: &Path) -> Result<Vec<Open>, Failure> {
    let folder = folder(spool);
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect()),
    };
    let mut drafts: Vec<PathBuf> = entries.map_err(|error| {
        Failure::usage("spool.write", "the spool cannot be used").side("path", folder.display()).side("system", error)
    })?;
    drafts.retain(|draft| draft.extension().is_some_and(|end| end == "json") && !is_logged(draft));
    drafts.sort_unstable();
    let lost = |draft: &Path| {
        let (since, _) = draft.file_name()?.to_str()?.strip_prefix("lost-")?.split_once('-')?;
        since.parse().ok().map(Time::new)
    };
    Ok(drafts.into_iter().map(|draft| Open { lost: lost(&draft), draft }).collect())
}

/// Whether the incident of a draft is logged: whoever logs it stores the proof beside it.
pub fn is_logged(draft: &Path) -> bool {
    proof(draft).exists()
}

/// Where the proof of a draft goes.
pub fn proof(draft: &Path) -> PathBuf {
    files::beside(draft, "tlog-proof")
}

/// What the last heartbeat that is logged covers; 0 when that is not known.
pub fn said(spool: &Path) -> Time {
    let text = files::read_text(&spool.join("covered"), KEY_FILE_BYTES_MAX).unwrap_or_default();
    Time::new(text.trim().parse().unwrap_or_default())
}

/// Remembers it.
pub fn say(spool: &Path, covered: Time) -> Result<(), Failure> {
    files::replace(&spool.join("covered"), format!("{}\n", covered.get()).as_bytes())
}

fn folder(spool: &Path) -> PathBuf {
    spool.join("incidents")
}

fn path(spool: &Path) -> PathBuf {
    spool.join("outage.json")
}
