//! The call add-checkpoint: its body, and what a witness answers (docs/50-policy-proof-witness.md).
//!
//! The order of checks of c2sp.org/tlog-witness in pure steps [W-1]: [`AddCheckpoint::parse`], [`check_signature`], and
//! only then, with what the witness remembers, [`check_growth`]. Not here: keeping that memory, signing, and HTTP.

use crate::checkpoint::{CheckpointError, Origin, SignedCheckpoint};
use crate::evidence::{Compared, Evidence, Judged, compare, with_proof};
use crate::hash::{Hash, empty_root};
use crate::key::Vkey;
use crate::limits::{ADD_CHECKPOINT_BYTES_MAX, HASH_LINE_BYTES, PROOF_HASHES_MAX};
use crate::note::NoteError;
use crate::proof::{ConsistencyError, roots_of, verify_consistency};
use crate::text::{self, Quote, TextError, push};
use crate::tree::TreeSize;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Why a body is no add-checkpoint request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than a request with the longest proof and note.
    #[error("a body of {got} bytes is above {ADD_CHECKPOINT_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the body is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Bytes before the first wrong one.
        at: usize,
    },
    /// The first line is not `old` and a size.
    #[error("the first line {0} does not begin with `old `")]
    NoOld(Quote),
    /// The old size is not a number.
    #[error("the old size: {0}")]
    Old(TextError),
    /// A proof line that is not a hash.
    #[error("proof line {line}: {source}")]
    Hash {
        /// Position among the proof lines, from 1.
        line: usize,
        /// What is wrong.
        source: TextError,
    },
    /// More proof lines than a path can have.
    #[error("more than {PROOF_HASHES_MAX} proof lines")]
    TooManyHashes,
    /// No empty line behind the proof lines.
    #[error("no empty line between the proof and the checkpoint")]
    NoCheckpoint,
    /// What stands behind the empty line.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// A request: the checkpoint, and the proof that it continues the one of size `old`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the sender believes the witness cosigned last.
    pub old: TreeSize,
    /// The consistency proof from `old` to the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint with the log's signatures.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// Reads a request body [W-2].
    pub fn parse(body: &[u8]) -> Result<AddCheckpoint, RequestError> {
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(RequestError::TooLong { got: body.len() });
        }
        let body = core::str::from_utf8(body).map_err(|error| RequestError::NotUtf8 { at: error.valid_up_to() })?;
        let (first, mut rest) = body.split_once('\n').ok_or(RequestError::NoCheckpoint)?;
        let old = first.strip_prefix("old ").ok_or_else(|| RequestError::NoOld(Quote::of(first)))?;
        let old = TreeSize::new(text::decimal(old).map_err(RequestError::Old)?);
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(RequestError::NoCheckpoint)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if proof.len() == PROOF_HASHES_MAX {
                return Err(RequestError::TooManyHashes);
            }
            let wrong = |source| RequestError::Hash { line: proof.len() + 1, source };
            proof.push(Hash::from_b64(line).map_err(wrong)?);
        }
        Ok(AddCheckpoint { old, proof, checkpoint: SignedCheckpoint::parse(rest.as_bytes())? })
    }

    /// The body that [`AddCheckpoint::parse`] reads [W-2].
    pub fn print(&self) -> Vec<u8> {
        let note = self.checkpoint.print();
        let mut body = String::with_capacity(32 + self.proof.len() * HASH_LINE_BYTES + note.len());
        push(&mut body, format_args!("old {}\n", self.old));
        self.proof.iter().for_each(|hash| push(&mut body, format_args!("{hash}\n")));
        body.push('\n');
        body.push_str(&note);
        body.into_bytes()
    }
}

/// The latest checkpoint of an origin that a witness cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its size.
    pub size: TreeSize,
    /// Its root.
    pub root: Hash,
}

/// Why a witness does not cosign, in the order in which it looks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// The body cannot be read.
    #[error("{0}")]
    Malformed(#[from] RequestError),
    /// The witness follows no log of this origin.
    #[error("no log {0} is followed here")]
    UnknownOrigin(Origin),
    /// No line by a key of the log, or one that does not verify.
    #[error("{0}")]
    Unsigned(NoteError),
    /// The old size is above the size of the checkpoint.
    #[error("old size {old} is above the checkpoint's size {size}")]
    OldAboveSize {
        /// The old size.
        old: TreeSize,
        /// The size of the checkpoint.
        size: TreeSize,
    },
    /// The old size is not that of the checkpoint cosigned last.
    #[error("old size {old}, the checkpoint cosigned last has {known}")]
    Stale {
        /// The old size given.
        old: TreeSize,
        /// The size cosigned last; 0 when there is none.
        known: TreeSize,
    },
    /// Size 0 with another root than that of the empty tree.
    #[error("the root of a tree of size 0 is {want}, the checkpoint says {got}")]
    EmptyRoot {
        /// SHA-256 of nothing.
        want: Hash,
        /// The root given.
        got: Hash,
    },
    /// The proof does not lead from the known tree to the new one.
    #[error("consistency proof: {0}")]
    Proof(ConsistencyError),
    /// The size is known, with another root: the log shows two trees.
    #[error("size {size} was cosigned with root {known}, the checkpoint says {got}")]
    OtherRoot {
        /// The size of both.
        size: TreeSize,
        /// The root cosigned.
        known: Hash,
        /// The root given.
        got: Hash,
    },
}

impl WitnessRefusal {
    /// The HTTP status [W-9].
    pub const fn status(&self) -> u16 {
        match self {
            WitnessRefusal::Malformed(_) => 400,           // [W-2]
            WitnessRefusal::UnknownOrigin(_) => 404,       // [W-3]
            WitnessRefusal::Unsigned(_) => 403,            // [W-4]
            WitnessRefusal::OldAboveSize { .. } => 400,    // [W-5]
            WitnessRefusal::Stale { .. } => 409,           // [W-6]
            WitnessRefusal::EmptyRoot { .. }               // [W-7]
            | WitnessRefusal::Proof(_)
            | WitnessRefusal::OtherRoot { .. } => 422,
        }
    }

    /// The type of the body [W-9].
    pub const fn content_type(&self) -> &'static str {
        match self {
            WitnessRefusal::Stale { .. } => "text/x.tlog.size",
            WitnessRefusal::Malformed(_)
            | WitnessRefusal::UnknownOrigin(_)
            | WitnessRefusal::Unsigned(_)
            | WitnessRefusal::OldAboveSize { .. }
            | WitnessRefusal::EmptyRoot { .. }
            | WitnessRefusal::Proof(_)
            | WitnessRefusal::OtherRoot { .. } => "text/plain; charset=utf-8",
        }
    }

    /// The body: the size cosigned last for a 409, otherwise the reason; a newline ends it [W-9].
    pub fn body(&self) -> String {
        match self {
            WitnessRefusal::Stale { known, .. } => format!("{known}\n"),
            WitnessRefusal::Malformed(_)
            | WitnessRefusal::UnknownOrigin(_)
            | WitnessRefusal::Unsigned(_)
            | WitnessRefusal::OldAboveSize { .. }
            | WitnessRefusal::EmptyRoot { .. }
            | WitnessRefusal::Proof(_)
            | WitnessRefusal::OtherRoot { .. } => self.to_string() + "\n",
        }
    }
}

/// The keys of the log that signed the checkpoint, out of those trusted for its origin; `None` for an unknown origin.
///
/// Needs no memory of earlier checkpoints, so that nobody without the log's key makes a witness look any up [W-3] [W-4].
pub fn check_signature<'k>(request: &AddCheckpoint, keys: Option<&'k [Vkey]>) -> Result<Vec<&'k Vkey>, WitnessRefusal> {
    let keys = keys.ok_or_else(|| WitnessRefusal::UnknownOrigin(request.checkpoint.origin().clone()))?;
    request.checkpoint.verify_log(keys).map_err(WitnessRefusal::Unsigned)
}

/// What the witness has to remember before it cosigns, given what it remembers now; for requests that
/// [`check_signature`] accepted [W-5] [W-6] [W-7].
pub fn check_growth(request: &AddCheckpoint, known: Option<&Known>) -> Result<Known, WitnessRefusal> {
    let old = request.old;
    let new = Known { size: request.checkpoint.size(), root: *request.checkpoint.root() };
    if old > new.size {
        return Err(WitnessRefusal::OldAboveSize { old, size: new.size });
    }
    let known = known.copied().unwrap_or_else(|| Known { size: TreeSize::ZERO, root: empty_root() });
    if old != known.size {
        return Err(WitnessRefusal::Stale { old, known: known.size });
    }
    if new.size == TreeSize::ZERO && new.root != empty_root() {
        return Err(WitnessRefusal::EmptyRoot { want: empty_root(), got: new.root });
    }
    match verify_consistency(known.size, &known.root, new.size, &new.root, &request.proof) {
        Ok(()) => Ok(new),
        Err(ConsistencyError::TwoRoots { size, from, to }) => {
            Err(WitnessRefusal::OtherRoot { size, known: from, got: to })
        }
        Err(error) => Err(WitnessRefusal::Proof(error)),
    }
}

/// The fork that a request shows beside a note of the same log, for requests that [`check_signature`] accepted [Y-9].
///
/// The caller has verified `known`, too. From a size that is a power of two a path says nothing of the earlier root: `None`
/// there means that a proof from tiles is needed, as everywhere else.
pub fn accuses(request: &AddCheckpoint, known: &SignedCheckpoint) -> Option<Evidence> {
    let (from, to) = match compare(known, &request.checkpoint).ok()? {
        Compared::Same => return None,
        Compared::Forked(evidence) => return Some(*evidence),
        Compared::NeedsProof { from, to } => (from, to),
    };
    if request.old != known.size() || from != known.size() || from.get().is_power_of_two() {
        return None;
    }
    let (root, _) = roots_of(from, known.root(), to, &request.proof).ok()?;
    match with_proof(known, &request.checkpoint, root, request.proof.clone()).ok()? {
        Judged::Consistent => None,
        Judged::Forked(evidence) => Some(*evidence),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::edge::Edge;
    use crate::key::{KeyKind, Seed};
    use crate::note::Signature;
    use crate::proof::{Tiles, consistency};
    use crate::tiles::TileId;
    use crate::tree::{root_by_definition, test_leaves};

    struct Leaves(Vec<Hash>);

    impl Tiles for Leaves {
        type Error = ();
        fn tile(&self, id: TileId) -> Result<Vec<u8>, ()> {
            let written = Edge::empty().append(&self.0[..id.end().get() as usize]);
            written.into_iter().find(|(tile, _)| *tile == id).map(|(_, bytes)| bytes).ok_or(())
        }
    }

    fn seed() -> Seed {
        Seed::new("log.example", KeyKind::Ed25519, [8; 32]).unwrap()
    }

    fn signed(size: u64, root: Hash) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(Origin::new("log.example").unwrap(), TreeSize::new(size), root);
        let signature = seed().sign_ed25519(checkpoint.text().as_bytes()).unwrap().to_vec();
        SignedCheckpoint::new(checkpoint, alloc::vec![Signature::by(&seed().vkey(), signature).unwrap()]).unwrap()
    }

    fn known(size: usize) -> Known {
        Known { size: TreeSize::new(size as u64), root: root_by_definition(&test_leaves(9)[..size]) }
    }

    /// An honest request from one size of the tree of nine leaves to another.
    fn request(old: usize, size: usize) -> AddCheckpoint {
        let (old, new) = (TreeSize::new(old as u64), known(size));
        let proof = consistency(&Leaves(test_leaves(9)), old, new.size).unwrap();
        AddCheckpoint { old, proof, checkpoint: signed(new.size.get(), new.root) }
    }

    #[test]
    fn a_body_has_one_spelling() {
        // [W-2]
        for (old, size) in [(0, 0), (0, 5), (3, 7), (7, 9), (9, 9)] {
            let request = request(old, size);
            let body = request.print();
            assert_eq!(AddCheckpoint::parse(&body).unwrap(), request);
            assert!(body.starts_with(format!("old {old}\n").as_bytes()));
        }
        let text = String::from_utf8(request(3, 7).print()).unwrap();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            AddCheckpoint::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(refused("old 3", "3"), RequestError::NoOld(Quote::of("3")));
        for old in ["old ", "old x", "old 03", "old -3", "old  3", "old 3 "] {
            assert!(matches!(refused("old 3", old), RequestError::Old(_)), "{old}");
        }
        assert!(matches!(refused("old 3\n", "old 3\n423ed\n"), RequestError::Hash { line: 1, .. }));
        assert!(matches!(refused("\n\nlog", "\nlog"), RequestError::Hash { line: 5, .. }));
        assert!(matches!(refused("7\n", "seven\n"), RequestError::Checkpoint(CheckpointError::Size(_))));
        let unsigned = text.rsplit_once("\n\n").unwrap().0.to_string() + "\n";
        let no_note = RequestError::Checkpoint(CheckpointError::Note(NoteError::NoSignatures));
        assert_eq!(AddCheckpoint::parse(unsigned.as_bytes()), Err(no_note));
        assert_eq!(AddCheckpoint::parse(b"old 3\n"), Err(RequestError::NoCheckpoint));
        assert_eq!(AddCheckpoint::parse(b"old 3"), Err(RequestError::NoCheckpoint));
        assert_eq!(AddCheckpoint::parse(b"old \xff"), Err(RequestError::NotUtf8 { at: 4 }));
        let long = alloc::vec![b'a'; ADD_CHECKPOINT_BYTES_MAX + 1];
        let too_long = RequestError::TooLong { got: ADD_CHECKPOINT_BYTES_MAX + 1 };
        assert_eq!(AddCheckpoint::parse(&long), Err(too_long));
        let hash = format!("{}\n", Hash::new([0; 32]));
        for (count, accepted) in [(PROOF_HASHES_MAX, true), (PROOF_HASHES_MAX + 1, false)] {
            let body = String::from_utf8(request(0, 5).print()).unwrap();
            let body = body.replacen("old 0\n", &format!("old 0\n{}", hash.repeat(count)), 1);
            match AddCheckpoint::parse(body.as_bytes()) {
                Ok(request) => assert!(accepted && request.proof.len() == count),
                Err(error) => assert!(!accepted && error == RequestError::TooManyHashes),
            }
        }
    }

    #[test]
    fn origin_and_signature_come_before_memory() {
        // [W-1] [W-3] [W-4]
        let keys = [seed().vkey()];
        let request = request(0, 5);
        assert_eq!(check_signature(&request, Some(&keys)), Ok(alloc::vec![&keys[0]]));
        let origin = request.checkpoint.origin().clone();
        assert_eq!(check_signature(&request, None), Err(WitnessRefusal::UnknownOrigin(origin)));
        let others = [Seed::new("log.example", KeyKind::Ed25519, [9; 32]).unwrap().vkey()];
        let unsigned = WitnessRefusal::Unsigned(NoteError::Unsigned { lines: 1, keys: 1 });
        assert_eq!(check_signature(&request, Some(&others)), Err(unsigned));
        let mut bad = request.clone();
        let mut line = bad.checkpoint.note.signatures[0].clone();
        line.bytes[9] ^= 1;
        bad.checkpoint.note.signatures.push(line);
        let keyid = keys[0].keyid();
        let refused = WitnessRefusal::Unsigned(NoteError::BadSignature { keyid });
        assert_eq!(check_signature(&bad, Some(&keys)), Err(refused), "beside a good line");
    }

    #[test]
    fn growth_is_accepted_and_nothing_else() {
        // [W-1] [W-5] [W-6] [W-7]
        for size in 0..=9 {
            assert_eq!(check_growth(&request(0, size), None), Ok(known(size)));
            for old in 0..=size {
                assert_eq!(check_growth(&request(old, size), Some(&known(old))), Ok(known(size)));
            }
        }
        let mut above = request(3, 5);
        above.old = TreeSize::new(6);
        let refused = WitnessRefusal::OldAboveSize { old: TreeSize::new(6), size: TreeSize::new(5) };
        assert_eq!(check_growth(&above, Some(&known(6))), Err(refused.clone()));
        assert_eq!(check_growth(&above, Some(&known(3))), Err(refused), "before the memory is compared");
        let stale = |old, known| WitnessRefusal::Stale { old: TreeSize::new(old), known: TreeSize::new(known) };
        assert_eq!(check_growth(&request(3, 7), Some(&known(5))), Err(stale(3, 5)));
        assert_eq!(check_growth(&request(3, 7), None), Err(stale(3, 0)));
        let (want, got) = (empty_root(), Hash::new([1; 32]));
        let empty = AddCheckpoint { checkpoint: signed(0, got), ..request(0, 0) };
        assert_eq!(check_growth(&empty, None), Err(WitnessRefusal::EmptyRoot { want, got }));
        let mut needless = request(0, 5);
        needless.proof.push(got);
        let proof = |request: &AddCheckpoint, size| match check_growth(request, Some(&known(size))) {
            Err(WitnessRefusal::Proof(error)) => error,
            other => panic!("{other:?}"),
        };
        let (from, to) = (TreeSize::ZERO, TreeSize::new(5));
        assert_eq!(proof(&needless, 0), ConsistencyError::NotNeeded { from, to, got: 1 });
        let mut missing = request(3, 7);
        missing.proof.clear();
        assert_eq!(proof(&missing, 3), ConsistencyError::TooShort { got: 0 });
        // A forked tree of the right size with the honest proof.
        let forked = AddCheckpoint { checkpoint: signed(7, got), ..request(3, 7) };
        assert!(matches!(proof(&forked, 3), ConsistencyError::ToMismatch { .. }));
        let two = AddCheckpoint { checkpoint: signed(7, got), ..request(7, 7) };
        let refused = WitnessRefusal::OtherRoot { size: TreeSize::new(7), known: known(7).root, got };
        assert_eq!(check_growth(&two, Some(&known(7))), Err(refused));
        let mut both = two;
        both.proof.push(got);
        assert!(matches!(proof(&both, 7), ConsistencyError::NotNeeded { .. }), "the proof is looked at first");
    }

    #[test]
    fn a_refused_request_accuses_by_its_own_path_or_not_at_all() {
        // [Y-9]
        let note = |size: u64| signed(size, known(size as usize).root);
        let other = Hash::new([1; 32]);
        for size in 1..=9_usize {
            for old in 1..=size {
                let (request, keys) = (request(old, size), [seed().vkey()]);
                assert_eq!(accuses(&request, &note(old as u64)), None, "{old} to {size} is honest");
                let forked = signed(old as u64, other);
                let shown = accuses(&request, &forked).map(|evidence| evidence.verify(&keys).unwrap());
                // Without the root in the path, which a full earlier tree leaves out, nothing is shown.
                let is_shown = old == size || !old.is_power_of_two();
                assert_eq!(shown.is_some(), is_shown, "{old} to {size}");
                if let Some(shown) = shown {
                    assert_eq!((shown.first.1, shown.at_first), (other, known(old).root));
                }
                let elsewhere = AddCheckpoint { checkpoint: signed(size as u64, other), ..request };
                let two_roots = old == size;
                assert_eq!(accuses(&elsewhere, &note(old as u64)).is_some(), two_roots, "a path that leads elsewhere");
            }
        }
        // A path from another size than that of the note, and a note that is larger.
        let path_of_three = request(3, 7);
        assert_eq!(accuses(&path_of_three, &signed(5, other)), None);
        assert_eq!(accuses(&path_of_three, &signed(9, other)), None);
        assert_eq!(accuses(&AddCheckpoint { old: TreeSize::new(9), ..path_of_three }, &signed(9, other)), None);
        let empty = AddCheckpoint { checkpoint: signed(0, other), ..request(0, 0) };
        let shown = accuses(&empty, &note(5)).unwrap().verify(&[seed().vkey()]).unwrap();
        assert_eq!((shown.first, shown.second), ((TreeSize::ZERO, other), (TreeSize::ZERO, empty_root())));
        assert_eq!(accuses(&request(0, 5), &note(0)), None);
    }

    #[test]
    fn every_refusal_has_its_status_and_body() {
        // [W-9]
        let (old, size) = (TreeSize::new(3), TreeSize::new(5));
        let (want, got) = (empty_root(), Hash::new([1; 32]));
        for (refusal, status) in [
            (WitnessRefusal::Malformed(RequestError::NoCheckpoint), 400),
            (WitnessRefusal::UnknownOrigin(Origin::new("log.example").unwrap()), 404),
            (WitnessRefusal::Unsigned(NoteError::NoSignatures), 403),
            (WitnessRefusal::OldAboveSize { old, size }, 400),
            (WitnessRefusal::Stale { old, known: size }, 409),
            (WitnessRefusal::EmptyRoot { want, got }, 422),
            (WitnessRefusal::Proof(ConsistencyError::TooShort { got: 0 }), 422),
            (WitnessRefusal::OtherRoot { size, known: want, got }, 422),
        ] {
            assert_eq!(refusal.status(), status, "{refusal}");
            let (body, kind) = match status {
                409 => ("5\n".to_string(), "text/x.tlog.size"),
                _ => (format!("{refusal}\n"), "text/plain; charset=utf-8"),
            };
            assert_eq!((refusal.body(), refusal.content_type()), (body, kind));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_printed_alike_and_nothing_panics(edits in proptest::collection::vec((proptest::arbitrary::any::<proptest::sample::Index>(), proptest::arbitrary::any::<u8>()), 0..4), cut in proptest::arbitrary::any::<proptest::sample::Index>()) {
            // [W-2] [N-6] [K-1]
            let mut bytes = request(3, 7).print();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [bytes.as_slice(), &bytes[..cut.index(bytes.len())]] {
                if let Ok(read) = AddCheckpoint::parse(bytes) {
                    proptest::prop_assert_eq!(read.print(), bytes);
                }
            }
        }
    }
}
