//! Proofs with one change: every change of every small proof, and changes by chance with other sizes and places.
//!
//! Not here: proofs that are right (`oracle`).

use proptest::prelude::*;
use vitrine_spec::hash::Hash;
use vitrine_spec::proof::{verify_consistency, verify_inclusion};
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_tests::oracle::{Digest, merkle, verify};

use super::{hashes, leaves, size};

/// Every proof that differs from this one in one hash: a bit of it, one fewer, one more; and every shorter beginning and end.
fn changes(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        let mut bit = proof.to_vec();
        bit[at][(at * 7) % 32] ^= 1 << (at % 8);
        all.push(bit);
        all.push([&proof[..at], &proof[at + 1..]].concat());
        all.push(proof[..at].to_vec());
        all.push(proof[at + 1..].to_vec());
        if at > 0 && proof[at] != proof[at - 1] {
            let mut exchanged = proof.to_vec();
            exchanged.swap(at, at - 1);
            all.push(exchanged);
        }
    }
    for at in 0..=proof.len() {
        let next = proof.get(at).or(proof.last()).copied();
        for more in [Some([0; 32]), next].into_iter().flatten() {
            all.push([&proof[..at], &[more], &proof[at..]].concat());
        }
    }
    all
}

#[test]
fn every_change_of_every_inclusion_proof() {
    // [H-11]
    let all = leaves(130);
    for count in 1..=130 {
        let tree = &all[..count];
        let root = merkle::mth(tree);
        for index in 0..count {
            for changed in changes(&merkle::path(index, tree)) {
                let (leaf, place) = (Hash::new(tree[index]), LeafIndex::new(index as u64));
                let ours = verify_inclusion(&leaf, place, size(count), &hashes(&changed), &Hash::new(root));
                assert!(ours.is_err(), "entry {index} of {count}: {changed:?}");
            }
        }
    }
}

#[test]
fn every_change_of_every_consistency_proof() {
    // [H-13]
    let all = leaves(130);
    let roots: Vec<Digest> = (0..=130).map(|count| merkle::mth(&all[..count])).collect();
    for to in 0..=130 {
        for from in 0..=to {
            let right = merkle::proof(from, &all[..to]);
            let verify = |from_root: Digest, to_root: Digest, proof: &[Digest]| {
                verify_consistency(size(from), &Hash::new(from_root), size(to), &Hash::new(to_root), &hashes(proof))
            };
            for changed in changes(&right) {
                let ours = verify(roots[from], roots[to], &changed);
                assert!(ours.is_err(), "{from} to {to}: {changed:?}");
            }
            let mut other = roots[from];
            other[31] ^= 0x80;
            assert!(verify(other, roots[to], &right).is_err(), "{from} to {to}: another first root");
            let mut other = roots[to];
            other[0] ^= 1;
            // Of a log that nobody saw, nothing is claimed: any tree goes on from the empty one [H-13].
            assert_eq!(verify(roots[from], other, &right).is_ok(), from == 0 && to > 0, "{from} to {to}: another root");
        }
    }
}

/// One change of a proof: another hash, one more, one fewer, two exchanged, or none.
#[derive(Clone, Debug)]
enum Change {
    None,
    Bit(usize, usize),
    Drop(usize),
    Insert(usize, Digest),
    Repeat(usize),
    Swap(usize, usize),
}

impl Change {
    fn any() -> impl Strategy<Value = Change> {
        prop_oneof![
            Just(Change::None),
            (any::<usize>(), any::<usize>()).prop_map(|(at, bit)| Change::Bit(at, bit)),
            any::<usize>().prop_map(Change::Drop),
            (any::<usize>(), any::<Digest>()).prop_map(|(at, hash)| Change::Insert(at, hash)),
            any::<usize>().prop_map(Change::Repeat),
            (any::<usize>(), any::<usize>()).prop_map(|(at, other)| Change::Swap(at, other)),
        ]
    }

    fn apply(&self, proof: &mut Vec<Digest>) {
        let many = proof.len();
        match *self {
            Change::Insert(at, hash) => proof.insert(at % (many + 1), hash),
            _ if many == 0 => {}
            Change::None => {}
            Change::Bit(at, bit) => proof[at % many][bit / 8 % 32] ^= 1 << (bit % 8),
            Change::Drop(at) => {
                proof.remove(at % many);
            }
            Change::Repeat(at) => proof.insert(at % many, proof[at % many]),
            Change::Swap(at, other) => proof.swap(at % many, other % many),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    /// [H-11] One claim about one entry, changed anywhere: what is not true is refused, and the oracle agrees.
    #[test]
    fn a_changed_inclusion_proof_is_refused(
        entries in 1_usize..=130, index: usize, wrong_index in 0_u64..140, wrong_size in 0_u64..140,
        move_index in prop::bool::weighted(0.3), move_size in prop::bool::weighted(0.3), change in Change::any(),
    ) {
        let all = leaves(entries);
        let index = index % entries;
        let leaf = all[index];
        let root = merkle::mth(&all);
        let mut path = merkle::path(index, &all);
        change.apply(&mut path);
        let claimed_index = if move_index { wrong_index } else { index as u64 };
        let claimed_size = if move_size { wrong_size } else { entries as u64 };
        let ours = verify_inclusion(
            &Hash::new(leaf), LeafIndex::new(claimed_index), TreeSize::new(claimed_size), &hashes(&path), &Hash::new(root),
        );
        prop_assert_eq!(ours.is_ok(), verify::inclusion(&leaf, claimed_index, claimed_size, &path, &root), "{:?}", ours);
        if path != merkle::path(index, &all) {
            prop_assert!(ours.is_err(), "a proof that is not the one of this entry");
        }
        if path == merkle::path(index, &all) && !move_size && claimed_index != index as u64 {
            prop_assert!(ours.is_err(), "another index of the same tree");
        }
    }

    /// [H-13] One claim about two trees, changed anywhere.
    #[test]
    fn a_changed_consistency_proof_is_refused(
        to in 1_usize..=130, from: usize, wrong_from in 0_u64..140, wrong_to in 0_u64..140,
        move_from in prop::bool::weighted(0.2), move_to in prop::bool::weighted(0.2),
        exchange in prop::bool::weighted(0.2), change in Change::any(),
    ) {
        let all = leaves(to);
        let from = from % to + 1;
        let right = merkle::proof(from, &all);
        let mut path = right.clone();
        change.apply(&mut path);
        let (mut from_root, mut to_root) = (merkle::mth(&all[..from]), merkle::mth(&all));
        if exchange {
            std::mem::swap(&mut from_root, &mut to_root);
        }
        let claimed_from = if move_from { wrong_from } else { from as u64 };
        let claimed_to = if move_to { wrong_to } else { to as u64 };
        let ours = verify_consistency(
            TreeSize::new(claimed_from), &Hash::new(from_root),
            TreeSize::new(claimed_to), &Hash::new(to_root), &hashes(&path),
        );
        let oracle = verify::consistency(claimed_from, &from_root, claimed_to, &to_root, &path);
        prop_assert_eq!(ours.is_ok(), oracle, "{:?}", ours);
        if path != right && claimed_from > 0 {
            prop_assert!(ours.is_err(), "a proof that is not the one of these trees");
        }
    }

    /// [H-11] [H-13] Sizes far beyond any tree that can be built: the same answers, and no panic.
    #[test]
    fn huge_sizes_are_judged_alike(
        bits in 0_u32..64, near: u64, other: u64, proof in prop::collection::vec(any::<Digest>(), 0..66), root: Digest,
    ) {
        let size = u64::MAX >> bits;
        let (index, to) = (near & size, other | near);
        let ours = verify_inclusion(
            &Hash::new([1; 32]), LeafIndex::new(index), TreeSize::new(size), &hashes(&proof), &Hash::new(root),
        );
        prop_assert_eq!(ours.is_ok(), verify::inclusion(&[1; 32], index, size, &proof, &root));
        let ours = verify_consistency(
            TreeSize::new(index), &Hash::new([1; 32]), TreeSize::new(to), &Hash::new(root), &hashes(&proof),
        );
        prop_assert_eq!(ours.is_ok(), verify::consistency(index, &[1; 32], to, &root, &proof));
    }
}
