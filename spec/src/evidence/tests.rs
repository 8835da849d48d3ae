//! Tests of evidence: what is one file, what shows a fork, and what must not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::checkpoint::Checkpoint;
use crate::cosignature::{self, message};
use crate::edge::Edge;
use crate::key::Seed;
use crate::note::Signature;
use crate::proof::{Tiles, consistency};
use crate::tiles::TileId;
use crate::tree::{root_by_definition, test_leaves};
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

const ORIGIN: &str = "log.example/one";

struct Leaves(Vec<Hash>);

impl Tiles for Leaves {
    type Error = ();
    fn tile(&self, id: TileId) -> Result<Vec<u8>, ()> {
        let written = Edge::empty().append(&self.0[..id.end().get() as usize]);
        written.into_iter().find(|(tile, _)| *tile == id).map(|(_, bytes)| bytes).ok_or(())
    }
}

fn seed(name: &str, kind: KeyKind) -> Seed {
    Seed::new(name, kind, [8; 32]).unwrap()
}

fn log() -> Seed {
    seed(ORIGIN, KeyKind::Ed25519)
}

fn line(seed: &Seed, checkpoint: &Checkpoint) -> Signature {
    let message = message(seed.kind(), seed.name(), 7, checkpoint).unwrap();
    let bytes = match seed.kind() {
        KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
        KeyKind::Cosign => cosignature::encode(7, &seed.sign_ed25519(&message).unwrap()),
        KeyKind::MlDsa44 => cosignature::encode(7, &seed.sign_mldsa_deterministic(&message).unwrap()),
    };
    Signature::by(&seed.vkey(), bytes).unwrap()
}

fn note_of(origin: &str, size: u64, root: Hash, seeds: &[Seed]) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(Origin::new(origin).unwrap(), TreeSize::new(size), root);
    let lines = seeds.iter().map(|seed| line(seed, &checkpoint)).collect();
    SignedCheckpoint::new(checkpoint, lines).unwrap()
}

fn note(size: u64, root: Hash) -> SignedCheckpoint {
    note_of(ORIGIN, size, root, &[log()])
}

fn root(size: u64) -> Hash {
    root_by_definition(&test_leaves(12)[..size as usize])
}

fn path(from: u64, to: u64) -> Vec<Hash> {
    consistency(&Leaves(test_leaves(12)), TreeSize::new(from), TreeSize::new(to)).unwrap()
}

const OTHER: Hash = Hash::new([1; 32]);

/// A fork at two sizes: the first note has another root than the tree of the second.
fn forked(from: u64, to: u64) -> Evidence {
    match with_proof(&note(from, OTHER), &note(to, root(to)), root(from), path(from, to)).unwrap() {
        Judged::Forked(evidence) => *evidence,
        Judged::Consistent => panic!("{from} and {to} are consistent"),
    }
}

fn keys() -> [Vkey; 1] {
    [log().vkey()]
}

#[test]
fn a_file_has_one_spelling_and_parts_that_fit() {
    // [Y-1] [Y-2]
    let two = Evidence::new(note(4, OTHER), Some(note(4, root(4))), None).unwrap();
    let alone = Evidence::new(note(0, OTHER), None, None).unwrap();
    for evidence in [forked(3, 7), forked(4, 8), two.clone(), alone] {
        let bytes = evidence.print();
        assert_eq!(Evidence::parse(&bytes).as_ref(), Ok(&evidence));
        for end in 0..bytes.len() {
            let cut = Evidence::parse(&bytes[..end]);
            assert!(cut.is_err(), "{end} of {} bytes", bytes.len());
        }
        let longer = [bytes.as_slice(), b"\n"].concat();
        assert!(Evidence::parse(&longer).is_err());
        let third = [bytes.as_slice(), b"\n", note(4, root(4)).print().as_bytes()].concat();
        assert!(Evidence::parse(&third).is_err(), "a note more");
    }
    let (a, b) = (note(3, OTHER), note(7, root(7)));
    let proof = || Some(Proof { root: root(3), path: path(3, 7) });
    let sizes = |from, to| (TreeSize::new(from), TreeSize::new(to));
    let (from, to) = sizes(3, 7);
    assert_eq!(
        Evidence::new(b.clone(), Some(a.clone()), proof()),
        Err(EvidenceError::Order { first: to, second: from })
    );
    assert_eq!(Evidence::new(a.clone(), Some(b.clone()), None), Err(EvidenceError::NoProof { from, to }));
    assert_eq!(Evidence::new(a.clone(), Some(a.clone()), proof()), Err(EvidenceError::NotNeeded { size: from }));
    assert_eq!(Evidence::new(a.clone(), None, None), Err(EvidenceError::Alone { size: from }));
    let not_needed = EvidenceError::NotNeeded { size: TreeSize::ZERO };
    assert_eq!(Evidence::new(note(0, OTHER), None, proof()), Err(not_needed));
    let from_nothing = Err(EvidenceError::FromNothing { second: to });
    assert_eq!(Evidence::new(note(0, OTHER), Some(b.clone()), proof()), from_nothing);
    let stranger = note_of("other.example", 7, root(7), &[log()]);
    let origins = Evidence::new(a.clone(), Some(stranger), proof());
    assert!(matches!(origins, Err(EvidenceError::Origins { .. })));
    let long = Some(Proof { root: root(3), path: vec![OTHER; PROOF_HASHES_MAX + 1] });
    assert_eq!(Evidence::new(a, Some(b), long), Err(EvidenceError::TooManyHashes));
    let text = String::from_utf8(two.print()).unwrap();
    assert_eq!(Evidence::parse(text.replace("v0", "v1").as_bytes()), Err(EvidenceError::Header));
    let crossed = text.replacen("\n\n", "\nroot x\n\n", 1);
    assert!(matches!(Evidence::parse(crossed.as_bytes()), Err(EvidenceError::Root(_))));
    let word = text.replacen("\n\n", "\nrout x\n\n", 1);
    assert_eq!(Evidence::parse(word.as_bytes()), Err(EvidenceError::NoRoot(Quote::of("rout x"))));
    let long = vec![b'a'; EVIDENCE_BYTES_MAX + 1];
    assert_eq!(Evidence::parse(&long), Err(EvidenceError::TooLong { got: EVIDENCE_BYTES_MAX + 1 }));
}

#[test]
fn a_fork_is_shown_at_every_pair_of_sizes_and_an_honest_log_never() {
    // [Y-4] [Y-5] [Y-7] [Y-8]
    for to in 1..=12 {
        for from in 1..=to {
            let (honest, larger) = (note(from, root(from)), note(to, root(to)));
            let judged = with_proof(&honest, &larger, root(from), path(from, to));
            assert_eq!(judged, Ok(Judged::Consistent), "{from} to {to}");
            if from == to {
                assert_eq!(compare(&honest, &larger), Ok(Compared::Same));
                let Ok(Compared::Forked(evidence)) = compare(&note(from, OTHER), &larger) else { panic!("{from}") };
                let shown = evidence.verify(&keys()).unwrap();
                assert_eq!((shown.first.1, shown.second.1, shown.at_first), (OTHER, root(to), root(to)));
                let same = Evidence::new(honest, Some(larger), None).unwrap().verify(&keys());
                assert_eq!(same, Err(EvidenceError::SameHead { size: TreeSize::new(to), root: root(to) }));
                continue;
            }
            let sizes = (TreeSize::new(from), TreeSize::new(to));
            let needed = Compared::NeedsProof { from: sizes.0, to: sizes.1 };
            assert_eq!(compare(&honest, &larger), Ok(needed.clone()));
            assert_eq!(compare(&larger, &honest), Ok(needed));
            let evidence = forked(from, to);
            let shown = evidence.verify(&keys()).unwrap();
            assert_eq!((shown.first, shown.second), ((sizes.0, OTHER), (sizes.1, root(to))));
            assert_eq!((shown.at_first, shown.first_signers), (root(from), vec![keys()[0].keyid()]));
            assert_eq!(shown.second_signers.len(), 1);
            // The honest pair with its own proof, and with every other root in its place.
            let file = |first: &SignedCheckpoint, root, path| {
                Evidence::new(first.clone(), Some(larger.clone()), Some(Proof { root, path })).unwrap().verify(&keys())
            };
            assert!(matches!(file(&honest, root(from), path(from, to)), Err(EvidenceError::Consistent { .. })));
            assert!(matches!(file(&honest, OTHER, path(from, to)), Err(EvidenceError::Proof { .. })), "{from} to {to}");
            // R' of the file is A.root: never a fork, also where a path leaves it out.
            assert!(matches!(file(&note(from, OTHER), OTHER, path(from, to)), Err(EvidenceError::Proof { .. })));
            let longer = [path(from, to), vec![OTHER]].concat();
            let shorter = path(from, to)[1..].to_vec();
            for wrong in [longer, shorter, Vec::new()] {
                let refused = file(&note(from, OTHER), root(from), wrong.clone());
                assert!(matches!(refused, Err(EvidenceError::Proof { .. })), "{from} to {to}: {refused:?}");
                let refused = with_proof(&note(from, OTHER), &larger, root(from), wrong);
                assert!(matches!(refused, Err(EvidenceError::Proof { .. })));
            }
        }
    }
}

#[test]
fn size_0_stands_alone() {
    // [Y-6] [Y-8]
    let (empty, wrong) = (note(0, empty_root()), note(0, OTHER));
    for other in [&empty, &wrong, &note(5, root(5))] {
        for pair in [(&wrong, other), (other, &wrong)] {
            let Ok(Compared::Forked(evidence)) = compare(pair.0, pair.1) else { panic!("{other:?}") };
            assert_eq!((evidence.first(), evidence.second(), evidence.proof()), (&wrong, None, None));
            let shown = evidence.verify(&keys()).unwrap();
            assert_eq!((shown.first, shown.second), ((TreeSize::ZERO, OTHER), (TreeSize::ZERO, empty_root())));
            assert_eq!((shown.at_first, shown.second_signers.len()), (empty_root(), 0));
        }
    }
    assert_eq!(compare(&empty, &note(5, root(5))), Ok(Compared::Same));
    assert_eq!(with_proof(&empty, &note(5, root(5)), OTHER, Vec::new()), Ok(Judged::Consistent));
    let right = Evidence::new(empty, None, None).unwrap().verify(&keys());
    assert_eq!(right, Err(EvidenceError::EmptyTree { root: empty_root() }));
}

#[test]
fn the_log_itself_signed_both_notes() {
    // [Y-3] [Y-7]
    let (pq, witness) = (seed(ORIGIN, KeyKind::MlDsa44), seed("w.example", KeyKind::Cosign));
    let as_witness = seed(ORIGIN, KeyKind::Cosign);
    let renamed = seed("log.example/two", KeyKind::Ed25519);
    let file = |first: &[Seed], second: &[Seed]| {
        let (first, second) = (note_of(ORIGIN, 4, OTHER, first), note_of(ORIGIN, 4, root(4), second));
        Evidence::new(first, Some(second), None).unwrap()
    };
    let both = [log().vkey(), pq.vkey()];
    // Each note by another key of the log, beside lines of others.
    let shown = file(&[witness.clone(), log()], &[pq.clone(), renamed.clone()]).verify(&both).unwrap();
    assert_eq!((shown.first_signers, shown.second_signers), (vec![both[0].keyid()], vec![both[1].keyid()]));
    // A key given twice is one key, and keys of others change nothing.
    let given = [witness.vkey(), log().vkey(), renamed.vkey(), log().vkey(), as_witness.vkey()];
    assert!(file(&[log()], &[log()]).verify(&given).is_ok());
    let unsigned = |lines| NoteError::Unsigned { lines, keys: 1 };
    let refused = file(&[log()], core::slice::from_ref(&witness)).verify(&given);
    assert_eq!(refused, Err(EvidenceError::SecondUnsigned(unsigned(1))), "a witness signed it");
    let refused = file(&[renamed.clone(), as_witness.clone()], &[log()]).verify(&given);
    assert_eq!(refused, Err(EvidenceError::FirstUnsigned(unsigned(2))), "under another name, or as a cosigner");
    let refused = file(&[log()], &[log()]).verify(&[witness.vkey(), renamed.vkey(), as_witness.vkey()]);
    let origin = Origin::new(ORIGIN).unwrap();
    assert_eq!(refused, Err(EvidenceError::NoKey { given: 3, origin }));
    // A wrong line beside the right one, by a key that is given or not.
    let wrong = line(&pq, &Checkpoint::new(Origin::new(ORIGIN).unwrap(), TreeSize::new(5), OTHER));
    let first = note(4, OTHER);
    let lines = vec![first.signatures()[0].clone(), wrong];
    let first = SignedCheckpoint::new(first.checkpoint, lines).unwrap();
    let evidence = Evidence::new(first, Some(note(4, root(4))), None).unwrap();
    assert!(evidence.verify(&keys()).is_ok(), "nobody given wrote that line");
    let keyid = pq.vkey().keyid();
    assert_eq!(evidence.verify(&both), Err(EvidenceError::FirstUnsigned(NoteError::BadSignature { keyid })));
}

#[test]
fn extension_lines_and_other_origins_show_nothing() {
    // [Y-3] [Y-7]
    let mut extended = Checkpoint::new(Origin::new(ORIGIN).unwrap(), TreeSize::new(4), root(4));
    extended.extensions.push("more".to_string());
    let lines = vec![line(&log(), &extended)];
    let extended = SignedCheckpoint::new(extended, lines).unwrap();
    assert_eq!(compare(&note(4, root(4)), &extended), Ok(Compared::Same));
    let refused = Evidence::new(note(4, root(4)), Some(extended.clone()), None).unwrap().verify(&keys());
    assert!(matches!(refused, Err(EvidenceError::SameHead { .. })));
    let Ok(Compared::Forked(evidence)) = compare(&note(4, OTHER), &extended) else { panic!("another root") };
    let bytes = evidence.print();
    assert!(String::from_utf8(bytes.clone()).unwrap().contains(&format!("{}\nmore\n\n", root(4))));
    assert!(Evidence::parse(&bytes).unwrap().verify(&keys()).is_ok());
    let stranger = note_of("log.example/two", 4, OTHER, &[log()]);
    assert!(matches!(compare(&note(4, root(4)), &stranger), Err(EvidenceError::Origins { .. })));
    let judged = with_proof(&note(3, root(3)), &stranger, root(3), path(3, 4));
    assert!(matches!(judged, Err(EvidenceError::Origins { .. })));
}
