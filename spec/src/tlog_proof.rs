//! Proofs that travel alone: entry, index, path and checkpoint in one file (docs/50-policy-proof-witness.md).
//!
//! Reads and prints c2sp.org/tlog-proof; ours carry the leaf in the `extra` line. Not here: which logs and witnesses are
//! trusted (`policy`), and what a leaf says (`event`).

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::hash::{Hash, leaf_hash};
use crate::limits::{ENTRY_BYTES_MAX, HASH_LINE_BYTES, PROOF_HASHES_MAX, TLOG_PROOF_BYTES_MAX};
use crate::proof::{InclusionError, verify_inclusion};
use crate::text::{self, TextError, push};
use crate::tree::LeafIndex;
use alloc::string::String;
use alloc::vec::Vec;

/// First line of a proof [F-1].
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why bytes are no tlog-proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than a proof with the longest leaf and checkpoint.
    #[error("a proof of {got} bytes is above {TLOG_PROOF_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the proof is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Bytes before the first wrong one.
        at: usize,
    },
    /// Another first line.
    #[error("the first line is not {HEADER}")]
    Header,
    /// An `extra` line that is not base64.
    #[error("the extra line: {0}")]
    Extra(TextError),
    /// An `extra` line with nothing in it, which is to be left out.
    #[error("the extra line is empty")]
    EmptyExtra,
    /// More extra data than a leaf may have.
    #[error("extra data of {got} bytes is above {ENTRY_BYTES_MAX}")]
    ExtraTooLong {
        /// Bytes given.
        got: usize,
    },
    /// No line `index <decimal>` where it belongs.
    #[error("no index line where it belongs")]
    NoIndex,
    /// An index that is not a number.
    #[error("the index: {0}")]
    Index(TextError),
    /// A line of the path that is not a hash.
    #[error("hash {line} of the path: {source}")]
    Hash {
        /// Position in the path, from 1.
        line: usize,
        /// What is wrong.
        source: TextError,
    },
    /// A longer path than any tree has.
    #[error("the path has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// No empty line behind the path.
    #[error("no empty line between the path and the checkpoint")]
    NoCheckpoint,
    /// What stands behind the empty line.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// An entry's place in a log, and the checkpoint that the place is proven in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Data that nothing authenticates by itself; ours is the leaf, which the path binds to the root.
    pub extra: Option<Vec<u8>>,
    /// The position of the entry.
    pub index: LeafIndex,
    /// The inclusion proof, sibling of the leaf first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, byte for byte.
    pub checkpoint: Vec<u8>,
}

/// Why an entry is not where a proof says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The checkpoint cannot be read.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead to the checkpoint's root.
    #[error(transparent)]
    Inclusion(#[from] InclusionError),
}

impl TlogProof {
    /// Reads a proof; the checkpoint in it must parse as well [F-1].
    pub fn parse(bytes: &[u8]) -> Result<TlogProof, TlogProofError> {
        Ok(TlogProof::parse_signed(bytes)?.0)
    }

    /// Reads a proof and its checkpoint [F-1].
    pub fn parse_signed(bytes: &[u8]) -> Result<(TlogProof, SignedCheckpoint), TlogProofError> {
        if bytes.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong { got: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|error| TlogProofError::NotUtf8 { at: error.valid_up_to() })?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(TlogProofError::Header)?;
        let (extra, rest) = match rest.strip_prefix("extra ") {
            None => (None, rest),
            Some(rest) => {
                let (encoded, rest) = rest.split_once('\n').ok_or(TlogProofError::NoIndex)?;
                (Some(parse_extra(encoded)?), rest)
            }
        };
        let rest = rest.strip_prefix("index ").ok_or(TlogProofError::NoIndex)?;
        let (index, mut rest) = rest.split_once('\n').ok_or(TlogProofError::NoCheckpoint)?;
        let index = LeafIndex::new(text::decimal(index).map_err(TlogProofError::Index)?);
        let mut hashes = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(TlogProofError::NoCheckpoint)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(TlogProofError::TooManyHashes);
            }
            let wrong = |source| TlogProofError::Hash { line: hashes.len() + 1, source };
            hashes.push(Hash::from_b64(line).map_err(wrong)?);
        }
        let signed = SignedCheckpoint::parse(rest.as_bytes())?;
        Ok((TlogProof { extra, index, hashes, checkpoint: rest.as_bytes().to_vec() }, signed))
    }

    /// The bytes that [`TlogProof::parse`] reads [F-1].
    pub fn print(&self) -> Vec<u8> {
        print(self.extra.as_deref(), self.index, &self.hashes, &self.checkpoint)
    }

    /// The checkpoint read.
    pub fn signed_checkpoint(&self) -> Result<SignedCheckpoint, CheckpointError> {
        SignedCheckpoint::parse(&self.checkpoint)
    }

    /// Verifies that the entry with this leaf hash is at the index in the checkpoint's tree, and gives the checkpoint [F-2].
    ///
    /// Says nothing about who signed the checkpoint: that is for [`crate::policy::Policy::verify`].
    pub fn verify_place(&self, leaf: &Hash) -> Result<SignedCheckpoint, PlaceError> {
        let signed = self.signed_checkpoint()?;
        self.verify_place_in(&signed, leaf)?;
        Ok(signed)
    }

    /// The same in its checkpoint, when that was read already.
    pub fn verify_place_in(&self, signed: &SignedCheckpoint, leaf: &Hash) -> Result<(), InclusionError> {
        verify_inclusion(leaf, self.index, signed.size(), &self.hashes, signed.root())
    }

    /// The leaf hash of the extra data; `None` when there is none [F-3].
    pub fn extra_leaf_hash(&self) -> Option<Hash> {
        self.extra.as_deref().map(leaf_hash)
    }
}

fn parse_extra(encoded: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = text::unb64(encoded).map_err(TlogProofError::Extra)?;
    match extra.len() {
        0 => Err(TlogProofError::EmptyExtra),
        1..=ENTRY_BYTES_MAX => Ok(extra),
        got => Err(TlogProofError::ExtraTooLong { got }),
    }
}

/// Prints a proof from its parts, without copies of them; an empty `extra` is left out [F-1].
pub fn print(extra: Option<&[u8]>, index: LeafIndex, hashes: &[Hash], checkpoint: &[u8]) -> Vec<u8> {
    let extra = extra.filter(|extra| !extra.is_empty());
    let extra_bytes = extra.map_or(0, |extra| extra.len().div_ceil(3) * 4);
    let mut text = String::with_capacity(64 + extra_bytes + hashes.len() * HASH_LINE_BYTES + checkpoint.len());
    push(&mut text, format_args!("{HEADER}\n"));
    if let Some(extra) = extra {
        push(&mut text, format_args!("extra {}\n", text::b64(extra)));
    }
    push(&mut text, format_args!("index {index}\n"));
    hashes.iter().for_each(|hash| push(&mut text, format_args!("{hash}\n")));
    text.push('\n');
    let mut proof = text.into_bytes();
    proof.extend_from_slice(checkpoint);
    proof
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, Origin};
    use crate::key::{KeyKind, Seed};
    use crate::note::{NoteError, Signature};
    use crate::text::Quote;
    use crate::tree::{TreeSize, root_by_definition};
    use alloc::format;

    /// The third of five entries, `entry 0` to `entry 4`.
    fn proof(extra: Option<&[u8]>) -> TlogProof {
        let leaves: Vec<Hash> = (0..5).map(|index| leaf_hash(format!("entry {index}").as_bytes())).collect();
        let hashes = alloc::vec![leaves[3], crate::hash::node_hash(&leaves[0], &leaves[1]), leaves[4],];
        let seed = Seed::new("log.example", KeyKind::Ed25519, [5; 32]).unwrap();
        let root = root_by_definition(&leaves);
        let checkpoint = Checkpoint::new(Origin::new("log.example").unwrap(), TreeSize::new(5), root);
        let signature = seed.sign_ed25519(checkpoint.text().as_bytes()).unwrap().to_vec();
        let lines = alloc::vec![Signature::by(&seed.vkey(), signature).unwrap()];
        let checkpoint = SignedCheckpoint::new(checkpoint, lines).unwrap().print().into_bytes();
        TlogProof { extra: extra.map(<[u8]>::to_vec), index: LeafIndex::new(2), hashes, checkpoint }
    }

    #[test]
    fn a_proof_has_one_spelling() {
        // [F-1]
        for extra in [None, Some(b"entry 2".as_slice())] {
            let proof = proof(extra);
            let printed = proof.print();
            assert_eq!(TlogProof::parse(&printed).unwrap(), proof);
            let text = String::from_utf8(printed).unwrap();
            let head = match extra {
                None => "c2sp.org/tlog-proof@v1\nindex 2\n",
                Some(_) => "c2sp.org/tlog-proof@v1\nextra ZW50cnkgMg==\nindex 2\n",
            };
            assert!(text.starts_with(head), "{text}");
            assert!(text.contains("\n\nlog.example\n5\n"), "{text}");
        }
        assert_eq!(proof(Some(b"")).print(), proof(None).print());
    }

    #[test]
    fn what_is_no_proof() {
        // [F-1]
        let text = String::from_utf8(proof(Some(b"entry 2")).print()).unwrap();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            TlogProof::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(refused("@v1", "@v2"), TlogProofError::Header);
        assert_eq!(refused("@v1\n", "@v1\r\n"), TlogProofError::Header);
        assert_eq!(refused("extra ZW50cnkgMg==\n", "extra \n"), TlogProofError::EmptyExtra);
        let spare = TlogProofError::Extra(TextError::Base64(Quote::of("ZW50cnkgMh==")));
        assert_eq!(refused("cnkgMg==", "cnkgMh=="), spare);
        assert_eq!(refused("extra ", "extra  "), TlogProofError::Extra(TextError::Base64(Quote::of(" ZW50cnkgMg=="))));
        assert_eq!(refused("index 2\n", ""), TlogProofError::NoIndex);
        assert_eq!(refused("index 2\n", "Index 2\n"), TlogProofError::NoIndex);
        assert!(matches!(refused("index 2", "index 02"), TlogProofError::Index(_)));
        assert!(matches!(refused("index 2", "index -2"), TlogProofError::Index(_)));
        assert!(matches!(refused("index 2\n", "index 2\nx"), TlogProofError::Hash { line: 1, .. }));
        assert!(matches!(refused("index 2\n", "index 2\n\n"), TlogProofError::Checkpoint(_)));
        let many = format!("index 2\n{}", format!("{}\n", Hash::new([0; 32])).repeat(PROOF_HASHES_MAX));
        assert_eq!(refused("index 2\n", &many), TlogProofError::TooManyHashes);
        assert!(matches!(refused("\n\nlog.example\n", "\nlog.example\n"), TlogProofError::Hash { line: 4, .. }));
        let cut = text.split("\n\n").next().unwrap();
        assert_eq!(TlogProof::parse(format!("{cut}\n").as_bytes()), Err(TlogProofError::NoCheckpoint));
        let unsigned = TlogProofError::Checkpoint(CheckpointError::Note(NoteError::NoSignatures));
        assert_eq!(TlogProof::parse(format!("{cut}\n\n").as_bytes()), Err(unsigned));
        assert_eq!(TlogProof::parse(b"c2sp\xff"), Err(TlogProofError::NotUtf8 { at: 4 }));
        let long = alloc::vec![b'a'; TLOG_PROOF_BYTES_MAX + 1];
        assert_eq!(TlogProof::parse(&long), Err(TlogProofError::TooLong { got: TLOG_PROOF_BYTES_MAX + 1 }));
        let long = print(Some(&alloc::vec![0; ENTRY_BYTES_MAX + 1]), LeafIndex::new(2), &[], b"");
        assert_eq!(TlogProof::parse(&long), Err(TlogProofError::ExtraTooLong { got: ENTRY_BYTES_MAX + 1 }));
        let longest = print(Some(&alloc::vec![0; ENTRY_BYTES_MAX]), LeafIndex::new(2), &[], &proof(None).checkpoint);
        assert!(TlogProof::parse(&longest).is_ok());
    }

    #[test]
    fn an_entry_is_where_the_proof_says_and_nowhere_else() {
        // [F-2] [F-3]
        let proof = proof(Some(b"entry 2"));
        let leaf = proof.extra_leaf_hash().unwrap();
        assert_eq!(leaf, leaf_hash(b"entry 2"));
        assert_eq!(proof.verify_place(&leaf).unwrap().size(), TreeSize::new(5));
        let other = proof.verify_place(&leaf_hash(b"entry 3"));
        assert!(matches!(other, Err(PlaceError::Inclusion(InclusionError::RootMismatch { .. }))));
        for (index, fits) in [(0, false), (1, false), (2, true), (3, false), (4, false), (5, false)] {
            let moved = TlogProof { index: LeafIndex::new(index), ..proof.clone() };
            assert_eq!(moved.verify_place(&leaf).is_ok(), fits, "{index}");
        }
        let broken = TlogProof { checkpoint: b"log.example\n".to_vec(), ..proof };
        assert!(matches!(broken.verify_place(&leaf), Err(PlaceError::Checkpoint(_))));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_printed_alike_and_nothing_panics(edits in proptest::collection::vec((proptest::arbitrary::any::<proptest::sample::Index>(), proptest::arbitrary::any::<u8>()), 0..4), cut in proptest::arbitrary::any::<proptest::sample::Index>()) {
            // [F-1]
            let mut bytes = proof(Some(b"entry 2")).print();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [bytes.as_slice(), &bytes[..cut.index(bytes.len())]] {
                if let Ok(read) = TlogProof::parse(bytes) {
                    proptest::prop_assert_eq!(read.print(), bytes);
                }
            }
        }
    }
}
