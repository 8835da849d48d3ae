//! The answer to a batch: each line judged, each index proven by the tiles that cover it (design.md 4).
//!
//! Not here: what is done about it (`deliver`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::{BuildError, Tiles, inclusion, verify_inclusion};
use vitrine_spec::tiles::TileId;
use vitrine_spec::tree::LeafIndex;

use crate::answer::{self, AnswerFault, Logged, Proven, Sent};
use crate::event_file::EventFile;
use crate::http::{HttpError, Log, Problem};
use crate::limits::CHARTER_BYTES_MAX;

/// The log as a parcel needs it.
pub trait Remote {
    /// `GET /issuers/<name>`.
    fn issuer(&self, name: &str) -> Result<Vec<u8>, HttpError>;
    /// `GET /charter`.
    fn charter(&self) -> Result<Vec<u8>, HttpError>;
    /// `GET /lookup`; the caller's words are hex, names and numbers.
    fn lookup(&self, query: &str) -> Result<Vec<u8>, HttpError>;
    /// `POST /events` of one event; with whether it had been logged before.
    fn submit(&self, body: Vec<u8>) -> Result<(Vec<u8>, bool), HttpError>;
    /// `POST /events` of many lines.
    fn submit_batch(&self, body: Vec<u8>) -> Result<Vec<u8>, HttpError>;
    /// One entry.
    fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, HttpError>;
    /// One tile.
    fn tile(&self, tile: &TileId) -> Result<Vec<u8>, HttpError>;
}

impl Remote for Log {
    fn issuer(&self, name: &str) -> Result<Vec<u8>, HttpError> {
        Log::issuer(self, name)
    }

    fn charter(&self) -> Result<Vec<u8>, HttpError> {
        self.get("charter", CHARTER_BYTES_MAX)
    }

    fn lookup(&self, query: &str) -> Result<Vec<u8>, HttpError> {
        Log::lookup(self, query)
    }

    fn submit(&self, body: Vec<u8>) -> Result<(Vec<u8>, bool), HttpError> {
        Log::submit(self, body).map(|answer| (answer.body, answer.status == 200))
    }

    fn submit_batch(&self, body: Vec<u8>) -> Result<Vec<u8>, HttpError> {
        Log::submit_batch(self, body).map(|answer| answer.body)
    }

    fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, HttpError> {
        Log::entry(self, index)
    }

    fn tile(&self, tile: &TileId) -> Result<Vec<u8>, HttpError> {
        Log::tile(self, tile)
    }
}

/// One line of the answer to a batch.
#[derive(Debug, Deserialize)]
struct Line {
    line: Option<usize>,
    event_id: Option<String>,
    index: Option<u64>,
    leaf_hash: Option<String>,
    #[serde(default)]
    duplicate: bool,
    problem: Option<Problem>,
    checkpoint: Option<String>,
}

/// The fate of one record after an attempt.
#[derive(Debug)]
pub enum Fate {
    /// Logged: where, its proof, and whether it had been logged before.
    Logged(Box<Logged>, Box<Proven>, bool),
    /// Not logged.
    Problem(Problem),
}

/// Why the answer to a batch cannot be used.
#[derive(Debug)]
pub enum BatchFault {
    /// It does not hold.
    Answer(AnswerFault),
    /// What would prove it could not be fetched.
    Http(HttpError),
}

/// Tiles over the network, each asked for once.
struct CachedTiles<'a, R: Remote> {
    remote: &'a R,
    cache: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl<R: Remote> Tiles for CachedTiles<'_, R> {
    type Error = HttpError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, HttpError> {
        let path = id.path();
        if let Some(bytes) = self.cache.borrow().get(&path) {
            return Ok(bytes.clone());
        }
        let bytes = self.remote.tile(&id)?;
        self.cache.borrow_mut().insert(path, bytes.clone());
        Ok(bytes)
    }
}

/// Reads the answer to a batch and proves each of its lines by the tiles that cover it.
pub fn read<R: Remote>(
    remote: &R,
    policy: &Policy,
    now: u64,
    events: &[EventFile],
    key: Option<&Seed>,
    bytes: &[u8],
) -> Result<Vec<(usize, Fate)>, BatchFault> {
    let not_the_log = |why: String| BatchFault::Answer(AnswerFault::NotTheLog(why));
    let text = std::str::from_utf8(bytes).map_err(|error| not_the_log(error.to_string()))?;
    let mut lines: Vec<Option<Line>> = events.iter().map(|_| None).collect();
    let mut note = None;
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).map_err(|error| not_the_log(error.to_string()))?;
        if let Some(checkpoint) = line.checkpoint {
            note = Some(checkpoint);
            continue;
        }
        let slot = line.line.and_then(|number| lines.get_mut(number.checked_sub(1)?));
        let slot =
            slot.ok_or_else(|| not_the_log("a line of the answer belongs to no line that was sent".to_owned()))?;
        *slot = Some(line);
    }
    let mut fates = Vec::new();
    let mut claims = Vec::new();
    for (at, line) in lines.into_iter().enumerate() {
        let line = line.ok_or_else(|| not_the_log(format!("line {} has no answer", at + 1)))?;
        match (line.problem, line.index) {
            (Some(problem), _) => fates.push((at, Fate::Problem(problem))),
            (None, Some(index)) => {
                claims.push((at, LeafIndex::new(index), line.event_id, line.leaf_hash, line.duplicate))
            }
            (None, None) => return Err(not_the_log(format!("line {} says neither index nor problem", at + 1))),
        }
    }
    if !claims.is_empty() {
        let note = note.ok_or_else(|| not_the_log("no checkpoint ends the answer".to_owned()))?;
        let (signed, verified) = answer::checkpoint(policy, note.as_bytes(), now).map_err(BatchFault::Answer)?;
        let note: Arc<[u8]> = note.into_bytes().into();
        let tiles = CachedTiles { remote, cache: RefCell::new(BTreeMap::new()) };
        for (at, index, event_id, claimed, duplicate) in claims {
            let Some(event) = events.get(at) else { continue };
            let misbehaved =
                |why: String| BatchFault::Answer(AnswerFault::Misbehaved(format!("line {}: {why}", at + 1)));
            if event_id.as_deref() != Some(event.id().hex().as_str()) {
                return Err(misbehaved(format!(
                    "event {} was sent, event {} answered",
                    event.id(),
                    event_id.unwrap_or_default()
                )));
            }
            let mut leaf = event.leaf();
            if claimed.as_deref().map(Hash::from_b64) != Some(Ok(leaf_hash(&leaf))) {
                leaf = remote.entry(index).map_err(BatchFault::Http)?;
                answer::same_event(&leaf, Sent { event, key, duplicate }).map_err(BatchFault::Answer)?;
            }
            let hashes = inclusion(&tiles, index, signed.size()).map_err(|error| match error {
                BuildError::Read { source, .. } => BatchFault::Http(source),
                other => misbehaved(other.to_string()),
            })?;
            verify_inclusion(&leaf_hash(&leaf), index, signed.size(), &hashes, signed.root())
                .map_err(|error| misbehaved(error.to_string()))?;
            let logged =
                Logged { index, size: signed.size(), verified: verified.clone(), origin: signed.origin().to_string() };
            let proven = Proven { leaf, index, hashes, note: Arc::clone(&note) };
            fates.push((at, Fate::Logged(Box::new(logged), Box::new(proven), duplicate)));
        }
    }
    fates.sort_by_key(|(at, _)| *at);
    Ok(fates)
}
