//! A request before any state is looked at: parsed, its log known, its signature verified (55-witness.md).
//!
//! The checks are `vitrine_spec::add_checkpoint`'s; none of these needs the journal [W-1]. Not here: growth (`committer`).

use crate::logs::Logs;
use std::sync::Arc;
use vitrine_spec::add_checkpoint::{AddCheckpoint, WitnessRefusal, check_signature};
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::Vkey;

/// A request whose log this witness knows and whose signature it verified.
#[derive(Debug)]
pub struct Verified {
    /// The request.
    pub request: AddCheckpoint,
    /// SHA-256 of its origin line.
    pub origin: Hash,
    /// What the journal keeps: the text and the lines that were verified.
    pub note: String,
    /// The list whose keys verified it.
    pub logs: Arc<Logs>,
}

/// Parses a body and verifies the log's signature; no state is read [W-1].
pub fn verify(body: &[u8], logs: Arc<Logs>) -> Result<Verified, WitnessRefusal> {
    let request = AddCheckpoint::parse(body)?;
    let signed = &request.checkpoint;
    let keys = logs.keys(signed.origin());
    check_signature(&request, keys)?;
    let note = with_lines_of(signed, keys.unwrap_or_default());
    let origin = signed.origin().hash();
    Ok(Verified { request, origin, note, logs })
}

/// The note with one line for each of these keys that signed: lines by anybody else would let strangers fill the journal [D-17].
pub fn with_lines_of(signed: &SignedCheckpoint, keys: &[Vkey]) -> String {
    let mut note = format!("{}\n", signed.text());
    for key in keys {
        if let Some(line) = signed.signatures().iter().find(|line| line.is_by(key)) {
            note.push_str(&line.line());
        }
    }
    note
}
