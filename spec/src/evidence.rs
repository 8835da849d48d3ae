//! Evidence: a file that shows two heads of one log which no one tree explains (docs/58-evidence.md).
//!
//! Reading, printing and judging it, and making it from notes whose signatures the caller has verified. Not here: where notes
//! and tiles come from, and what somebody does who has seen a fork.

use crate::checkpoint::{CheckpointError, Origin, SignedCheckpoint};
use crate::hash::{Hash, empty_root};
use crate::key::{KeyKind, Vkey};
use crate::limits::{EVIDENCE_BYTES_MAX, HASH_LINE_BYTES, PROOF_HASHES_MAX};
use crate::note::NoteError;
use crate::proof::{ConsistencyError, verify_consistency};
use crate::text::{Quote, TextError, push};
use crate::tree::TreeSize;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// First line of a file [Y-1].
pub const HEADER: &str = "vitrine-evidence/v0";

/// Why bytes are no evidence file, or one that shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Longer than a file with the longest proof and notes.
    #[error("a file of {got} bytes is above {EVIDENCE_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the file is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Bytes before the first wrong one.
        at: usize,
    },
    /// Another first line.
    #[error("the first line is not {HEADER}")]
    Header,
    /// A second line that is neither empty nor `root`.
    #[error("the second line {0} is neither empty nor `root` and a hash")]
    NoRoot(Quote),
    /// The root line holds no hash.
    #[error("the root line: {0}")]
    Root(TextError),
    /// A line of the proof that is not a hash.
    #[error("hash {line} of the proof: {source}")]
    Hash {
        /// Position in the proof, from 1.
        line: usize,
        /// What is wrong.
        source: TextError,
    },
    /// A longer proof than any tree has.
    #[error("the proof has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// No empty line before the notes.
    #[error("no empty line before the first note")]
    NoNotes,
    /// The first note.
    #[error("the first note: {0}")]
    First(CheckpointError),
    /// The second note.
    #[error("the second note: {0}")]
    Second(CheckpointError),
    /// Two notes of two logs.
    #[error("the first note is of {first}, the second of {second}")]
    Origins {
        /// Origin of the first.
        first: Origin,
        /// Origin of the second.
        second: Origin,
    },
    /// The larger note stands first.
    #[error("the first note has size {first}, the second {second}, which is smaller")]
    Order {
        /// Size of the first.
        first: TreeSize,
        /// Size of the second.
        second: TreeSize,
    },
    /// One note alone that is not of size 0.
    #[error("a note alone shows something at size 0 only, this one has size {size}")]
    Alone {
        /// Its size.
        size: TreeSize,
    },
    /// A note of size 0 before a larger one.
    #[error("a note of size 0 shows nothing about one of size {second}; with a wrong root it stands alone")]
    FromNothing {
        /// Size of the second.
        second: TreeSize,
    },
    /// Notes of unequal sizes without the root and the proof between them.
    #[error("from size {from} to size {to} needs a root and a proof, the file has none")]
    NoProof {
        /// Size of the first.
        from: TreeSize,
        /// Size of the second.
        to: TreeSize,
    },
    /// A root where there are not two sizes.
    #[error("a root and a proof stand between notes of two sizes, here is only size {size}")]
    NotNeeded {
        /// The size.
        size: TreeSize,
    },
    /// No key that could have signed as this log.
    #[error("none of the {given} keys given is of type 0x01 or 0x06 and called {origin}")]
    NoKey {
        /// Keys given.
        given: usize,
        /// The origin of the notes.
        origin: Origin,
    },
    /// The log did not sign the first note.
    #[error("the first note: {0}")]
    FirstUnsigned(NoteError),
    /// The log did not sign the second note.
    #[error("the second note: {0}")]
    SecondUnsigned(NoteError),
    /// A note of size 0 whose root is right.
    #[error("the note of size 0 has the root of the empty tree, {root}")]
    EmptyTree {
        /// SHA-256 of nothing.
        root: Hash,
    },
    /// One size and one root.
    #[error("both notes say size {size} and root {root}")]
    SameHead {
        /// The size.
        size: TreeSize,
        /// The root.
        root: Hash,
    },
    /// The proof does not hold.
    #[error("the proof from root {root}: {source}")]
    Proof {
        /// R', the root that the proof begins with.
        root: Hash,
        /// What is wrong.
        source: ConsistencyError,
    },
    /// The proof holds, and begins with the root of the first note.
    #[error("the tree of size {to} begins with that of size {from} and root {root}: the log only grew")]
    Consistent {
        /// Size of the first.
        from: TreeSize,
        /// Size of the second.
        to: TreeSize,
        /// Root of the first.
        root: Hash,
    },
}

/// What binds the tree of the larger note to a root at the size of the smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// R': the root that the tree of the second note has at the size of the first.
    pub root: Hash,
    /// The consistency proof from it.
    pub path: Vec<Hash>,
}

/// An evidence file. That it parses says nothing: [`Evidence::verify`] judges it.
///
/// Its parts fit each other [Y-2], so what [`Evidence::print`] gives is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    first: SignedCheckpoint,
    second: Option<SignedCheckpoint>,
    proof: Option<Proof>,
}

/// A fork, shown: one log signed both of these heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forked {
    /// The log.
    pub origin: Origin,
    /// Size and root of the first note.
    pub first: (TreeSize, Hash),
    /// Size and root of the second note; of the empty tree for a note that stands alone.
    pub second: (TreeSize, Hash),
    /// The root that the tree of the second note has at the size of the first.
    pub at_first: Hash,
    /// Name and id of each key that signed the first note, in the order of its lines.
    pub first_signers: Vec<String>,
    /// The same of the second note; empty for a note that stands alone.
    pub second_signers: Vec<String>,
}

impl Evidence {
    /// Puts parts together that fit each other [Y-2].
    pub fn new(
        first: SignedCheckpoint,
        second: Option<SignedCheckpoint>,
        proof: Option<Proof>,
    ) -> Result<Evidence, EvidenceError> {
        let from = first.size();
        match (&second, &proof) {
            (None, _) if from != TreeSize::ZERO => return Err(EvidenceError::Alone { size: from }),
            (None, Some(_)) => return Err(EvidenceError::NotNeeded { size: from }),
            (None, None) => {}
            (Some(second), proof) => {
                let to = second.size();
                if first.origin() != second.origin() {
                    let (first, second) = (first.origin().clone(), second.origin().clone());
                    return Err(EvidenceError::Origins { first, second });
                }
                if from > to {
                    return Err(EvidenceError::Order { first: from, second: to });
                }
                if from == TreeSize::ZERO && to > from {
                    return Err(EvidenceError::FromNothing { second: to });
                }
                match proof {
                    None if from < to => return Err(EvidenceError::NoProof { from, to }),
                    Some(_) if from == to => return Err(EvidenceError::NotNeeded { size: from }),
                    Some(proof) if proof.path.len() > PROOF_HASHES_MAX => return Err(EvidenceError::TooManyHashes),
                    None | Some(_) => {}
                }
            }
        }
        Ok(Evidence { first, second, proof })
    }

    /// Reads a file [Y-1] [Y-2].
    pub fn parse(bytes: &[u8]) -> Result<Evidence, EvidenceError> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(EvidenceError::TooLong { got: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|error| EvidenceError::NotUtf8 { at: error.valid_up_to() })?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(EvidenceError::Header)?;
        let (line, rest) = rest.split_once('\n').ok_or(EvidenceError::NoNotes)?;
        let (proof, notes) = match (line, line.strip_prefix("root ")) {
            ("", _) => (None, rest),
            (_, None) => return Err(EvidenceError::NoRoot(Quote::of(line))),
            (_, Some(root)) => {
                let root = Hash::from_b64(root).map_err(EvidenceError::Root)?;
                let (path, rest) = parse_path(rest)?;
                (Some(Proof { root, path }), rest)
            }
        };
        let (first, second) = part(notes);
        let first = SignedCheckpoint::parse(first.as_bytes()).map_err(EvidenceError::First)?;
        let second = second.map(|note| SignedCheckpoint::parse(note.as_bytes()));
        Evidence::new(first, second.transpose().map_err(EvidenceError::Second)?, proof)
    }

    /// The bytes that [`Evidence::parse`] reads [Y-1].
    pub fn print(&self) -> Vec<u8> {
        let first = self.first.print();
        let second = self.second.as_ref().map(SignedCheckpoint::print).unwrap_or_default();
        let mut text = String::with_capacity(96 + PROOF_HASHES_MAX * HASH_LINE_BYTES + first.len() + second.len());
        push(&mut text, format_args!("{HEADER}\n"));
        if let Some(Proof { root, path }) = &self.proof {
            push(&mut text, format_args!("root {root}\n"));
            path.iter().for_each(|hash| push(&mut text, format_args!("{hash}\n")));
        }
        push(&mut text, format_args!("\n{first}"));
        if self.second.is_some() {
            push(&mut text, format_args!("\n{second}"));
        }
        text.into_bytes()
    }

    /// The first note.
    pub fn first(&self) -> &SignedCheckpoint {
        &self.first
    }

    /// The second note; `None` beside a note of size 0 that stands alone.
    pub fn second(&self) -> Option<&SignedCheckpoint> {
        self.second.as_ref()
    }

    /// R' and the proof, between notes of two sizes.
    pub fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// The whole judgement, under the log's keys among those given: a fork, or why the file shows none [Y-3] to [Y-7].
    pub fn verify(&self, keys: &[Vkey]) -> Result<Forked, EvidenceError> {
        let origin = self.first.origin();
        let mut own: Vec<Vkey> = Vec::new();
        for key in keys.iter().filter(|key| signs_as(key, origin)) {
            if !own.contains(key) {
                own.push(key.clone());
            }
        }
        if own.is_empty() {
            return Err(EvidenceError::NoKey { given: keys.len(), origin: origin.clone() });
        }
        let signers = |note: &SignedCheckpoint| -> Result<Vec<String>, NoteError> {
            Ok(note.verify_log(&own)?.into_iter().map(Vkey::keyid).collect())
        };
        let first_signers = signers(&self.first).map_err(EvidenceError::FirstUnsigned)?;
        let second_signers = match &self.second {
            Some(note) => signers(note).map_err(EvidenceError::SecondUnsigned)?,
            None => Vec::new(),
        };
        let head = |note: &SignedCheckpoint| (note.size(), *note.root());
        let first = head(&self.first);
        let second = self.second.as_ref().map_or((TreeSize::ZERO, empty_root()), head);
        let at_first = self.root_at_first(first, second)?;
        Ok(Forked { origin: origin.clone(), first, second, at_first, first_signers, second_signers })
    }

    /// The root of the second tree at the size of the first, when it is proven and another than the first note's.
    fn root_at_first(&self, first: (TreeSize, Hash), second: (TreeSize, Hash)) -> Result<Hash, EvidenceError> {
        let ((from, root), (to, to_root)) = (first, second);
        match &self.proof {
            Some(proof) => {
                let (start, path) = (proof.root, proof.path.as_slice());
                verify_consistency(from, &start, to, &to_root, path)
                    .map_err(|source| EvidenceError::Proof { root: start, source })?;
                if start == root { Err(EvidenceError::Consistent { from, to, root }) } else { Ok(start) } // [Y-5]
            }
            None if root != to_root => Ok(to_root), // [Y-4] [Y-6]
            None if self.second.is_none() => Err(EvidenceError::EmptyTree { root }),
            None => Err(EvidenceError::SameHead { size: from, root }),
        }
    }
}

/// True for a key that signs checkpoints of this origin as their log [Y-3].
fn signs_as(key: &Vkey, origin: &Origin) -> bool {
    matches!(key.kind(), KeyKind::Ed25519 | KeyKind::MlDsa44) && key.name() == origin.as_str()
}

fn parse_path(mut rest: &str) -> Result<(Vec<Hash>, &str), EvidenceError> {
    let mut path = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n').ok_or(EvidenceError::NoNotes)?;
        rest = after;
        if line.is_empty() {
            return Ok((path, rest));
        }
        if path.len() == PROOF_HASHES_MAX {
            return Err(EvidenceError::TooManyHashes);
        }
        path.push(Hash::from_b64(line).map_err(|source| EvidenceError::Hash { line: path.len() + 1, source })?);
    }
}

/// Parts the notes at the second empty line: the first one is inside the first note [Y-1].
fn part(notes: &str) -> (&str, Option<&str>) {
    let mut empty_lines = notes.match_indices("\n\n");
    match empty_lines.nth(1) {
        Some((at, _)) => (&notes[..=at], Some(&notes[at + 2..])),
        None => (notes, None),
    }
}

/// What two notes of one log show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Nothing: one head twice, or the empty tree beside another.
    Same,
    /// A fork, without any proof.
    Forked(Box<Evidence>),
    /// Nothing yet: a proof between these sizes would tell.
    NeedsProof {
        /// Size of the smaller note, at least 1.
        from: TreeSize,
        /// Size of the larger note.
        to: TreeSize,
    },
}

/// Compares two notes of one log; an error for notes of two [Y-8].
///
/// The caller has verified the signatures of both. A note of size 0 with a wrong root accuses alone, whichever it is.
pub fn compare(a: &SignedCheckpoint, b: &SignedCheckpoint) -> Result<Compared, EvidenceError> {
    if a.origin() != b.origin() {
        return Err(EvidenceError::Origins { first: a.origin().clone(), second: b.origin().clone() });
    }
    let wrong_empty = |note: &&SignedCheckpoint| note.size() == TreeSize::ZERO && *note.root() != empty_root();
    if let Some(alone) = [a, b].into_iter().find(wrong_empty) {
        return Evidence::new(alone.clone(), None, None).map(Box::new).map(Compared::Forked);
    }
    let (from, to) = (a.size().min(b.size()), a.size().max(b.size()));
    if from == to && a.root() != b.root() {
        return Evidence::new(a.clone(), Some(b.clone()), None).map(Box::new).map(Compared::Forked);
    }
    Ok(if from == to || from == TreeSize::ZERO { Compared::Same } else { Compared::NeedsProof { from, to } })
}

/// What a proof shows of two notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The larger tree begins with the smaller one.
    Consistent,
    /// It begins with another one.
    Forked(Box<Evidence>),
}

/// Judges two notes of one log with a proof to the root of the larger one; `root` is what its tree has at the smaller size [Y-8].
///
/// An error says that nothing is shown: notes of two logs, notes in the wrong order, a proof that leads elsewhere. Where
/// [`compare`] needs no proof, neither `root` nor `path` is looked at. The caller has verified the signatures of both.
pub fn with_proof(
    smaller: &SignedCheckpoint,
    larger: &SignedCheckpoint,
    root: Hash,
    path: Vec<Hash>,
) -> Result<Judged, EvidenceError> {
    match compare(smaller, larger)? {
        Compared::Same => return Ok(Judged::Consistent),
        Compared::Forked(evidence) => return Ok(Judged::Forked(evidence)),
        Compared::NeedsProof { .. } => {}
    }
    verify_consistency(smaller.size(), &root, larger.size(), larger.root(), &path)
        .map_err(|source| EvidenceError::Proof { root, source })?;
    if root == *smaller.root() {
        return Ok(Judged::Consistent);
    }
    Evidence::new(smaller.clone(), Some(larger.clone()), Some(Proof { root, path })).map(Box::new).map(Judged::Forked)
}

#[cfg(test)]
mod tests;
