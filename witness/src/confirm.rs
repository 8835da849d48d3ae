//! `--confirm-state`: one log-signed note per origin, for a lost journal (55-witness.md).
//!
//! What a person vouches for: that this witness never cosigned beyond these notes. Not here: when that is asked for
//! (`core`).

use crate::logs::Logs;
use crate::request;
use std::collections::HashMap;
use vitrine_spec::checkpoint::{CheckpointError, SignedCheckpoint};
use vitrine_spec::hash::Hash;
use vitrine_spec::note::NoteError;

/// A confirmed checkpoint: the note with only the log's verified lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// SHA-256 of the origin line.
    pub origin: Hash,
    /// The note.
    pub note: String,
}

/// Why a file confirms nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// Not UTF-8.
    #[error("the file is not UTF-8")]
    NotUtf8,
    /// A note that is no checkpoint.
    #[error("the note at line {line}: {source}")]
    Note {
        /// Its first line, from 1.
        line: usize,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// A checkpoint of a log that `--logs` does not name.
    #[error("the note at line {line} is of {origin}, which --logs does not name")]
    UnknownLog {
        /// Its first line, from 1.
        line: usize,
        /// Its origin.
        origin: String,
    },
    /// Not signed by the log.
    #[error("the note at line {line}, of {origin}: {source}")]
    Signature {
        /// Its first line, from 1.
        line: usize,
        /// Its origin.
        origin: String,
        /// What is wrong with its signatures.
        source: NoteError,
    },
    /// Two notes of one log.
    #[error("the note at line {line} is the second one of {origin}: give the newest one only")]
    Twice {
        /// Its first line, from 1.
        line: usize,
        /// Its origin.
        origin: String,
    },
    /// A log without a note.
    #[error("there is no note of {origin}: give one for each log of --logs, or take that log off the list")]
    Missing {
        /// The origin.
        origin: String,
    },
}

/// Reads notes one after the other, empty lines between them or not; each log of the list must have exactly one [D-16].
pub fn parse(bytes: &[u8], logs: &Logs) -> Result<Vec<Confirmed>, ConfirmError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ConfirmError::NotUtf8)?;
    let mut confirmed: HashMap<String, Confirmed> = HashMap::new();
    for (line, note) in notes(text) {
        let signed = SignedCheckpoint::parse(note.as_bytes()).map_err(|source| ConfirmError::Note { line, source })?;
        let origin = signed.origin();
        let name = origin.as_str().to_owned();
        let Some(keys) = logs.keys(origin) else { return Err(ConfirmError::UnknownLog { line, origin: name }) };
        let signers = signed.verify_log(keys);
        signers.map_err(|source| ConfirmError::Signature { line, origin: name.clone(), source })?;
        let entry = Confirmed { origin: origin.hash(), note: request::with_lines_of(&signed, keys) };
        if confirmed.insert(name.clone(), entry).is_some() {
            return Err(ConfirmError::Twice { line, origin: name });
        }
    }
    let mut missing: Vec<&str> = logs.origins().filter(|origin| !confirmed.contains_key(*origin)).collect();
    missing.sort_unstable();
    match missing.first() {
        Some(origin) => Err(ConfirmError::Missing { origin: (*origin).to_owned() }),
        None => Ok(confirmed.into_values().collect()),
    }
}

/// Splits the file: a note is lines, an empty line, and all signature lines behind it. A checkpoint's text has no empty line.
fn notes(text: &str) -> Vec<(usize, String)> {
    let mut notes: Vec<(usize, String)> = Vec::new();
    let mut signatures = true; // between two notes, an empty line means nothing
    for (index, line) in text.lines().enumerate() {
        match notes.last_mut() {
            Some((_, note)) if signatures && line.starts_with("— ") => note.push_str(&format!("{line}\n")),
            _ if signatures && line.is_empty() => {}
            Some((_, note)) if !signatures => {
                note.push_str(&format!("{line}\n"));
                signatures = line.is_empty();
            }
            _ => {
                notes.push((index + 1, format!("{line}\n")));
                signatures = false;
            }
        }
    }
    notes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::checkpoint::{Checkpoint, Origin};
    use vitrine_spec::key::{KeyKind, Seed};
    use vitrine_spec::note::Signature;
    use vitrine_spec::tree::TreeSize;

    fn note(origin: &str, seed: u8, size: u64) -> String {
        let seed = Seed::new(origin, KeyKind::Ed25519, [seed; 32]).unwrap();
        let checkpoint = Checkpoint::new(Origin::new(origin).unwrap(), TreeSize::new(size), Hash::of(b"root"));
        let signature = seed.sign_ed25519(checkpoint.text().as_bytes()).unwrap();
        let line = Signature::by(&seed.vkey(), signature.to_vec()).unwrap();
        SignedCheckpoint::new(checkpoint, vec![line]).unwrap().print()
    }

    fn logs() -> Logs {
        let line = |name, seed| format!("log {}\n", Seed::new(name, KeyKind::Ed25519, [seed; 32]).unwrap().vkey());
        Logs::parse([line("a.example", 1), line("b.example", 2)].concat().as_bytes()).unwrap()
    }

    #[test]
    fn one_note_of_each_log() {
        // [D-16]
        let (a, b) = (note("a.example", 1, 5), note("b.example", 2, 7));
        for file in [format!("{a}{b}"), format!("\n{b}\n\n{a}\n")] {
            let mut confirmed = parse(file.as_bytes(), &logs()).unwrap();
            confirmed.sort_by_key(|entry| entry.note.clone());
            assert_eq!(confirmed.iter().map(|entry| entry.note.as_str()).collect::<Vec<_>>(), [&a, &b]);
            assert_eq!(confirmed[0].origin, Hash::of(b"a.example"));
        }
        // A line by anybody else is left out.
        let more = format!("{a}— x AAAAAAA=\n{b}");
        assert_eq!(parse(more.as_bytes(), &logs()).unwrap().len(), 2);
        assert!(parse(more.as_bytes(), &logs()).unwrap().iter().all(|entry| !entry.note.contains("— x")));
    }

    #[test]
    fn what_confirms_nothing() {
        // [D-16]
        let (a, b) = (note("a.example", 1, 5), note("b.example", 2, 7));
        let refused = |file: String| parse(file.as_bytes(), &logs()).unwrap_err();
        assert_eq!(refused(a.clone()), ConfirmError::Missing { origin: "b.example".into() });
        assert_eq!(refused(format!("{a}{b}{a}")), ConfirmError::Twice { line: 11, origin: "a.example".into() });
        let c = note("c.example", 3, 1);
        assert_eq!(refused(format!("{a}{c}")), ConfirmError::UnknownLog { line: 6, origin: "c.example".into() });
        let forged = note("b.example", 3, 7);
        assert!(matches!(refused(format!("{a}{forged}")), ConfirmError::Signature { line: 6, .. }));
        assert!(matches!(refused(format!("{a}b.example\n7\n")), ConfirmError::Note { line: 6, .. }));
        assert_eq!(parse(&[0xff], &logs()), Err(ConfirmError::NotUtf8));
        assert!(parse(b"", &Logs::default()).unwrap().is_empty());
    }
}
