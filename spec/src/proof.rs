//! Inclusion and consistency proofs: built from tiles, verified without them (docs/10-hash-and-tree.md).
//!
//! RFC 9162, sections 2.1.3 and 2.1.4, over 64-bit sizes. Building trusts the tiles it reads; verifying trusts nothing.
//! Not here: who vouches for a root (`checkpoint`, `policy`).

mod build;
mod verify;

pub use build::{BuildError, Tiles, consistency, inclusion, root_from_tiles, subtrees};
pub(crate) use verify::roots_of;
pub use verify::{ConsistencyError, InclusionError, verify_consistency, verify_inclusion};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::edge::Edge;
    use crate::hash::{Hash, empty_root};
    use crate::tiles::TileId;
    use crate::tree::{LeafIndex, TreeSize};
    use crate::tree::{root_by_definition, test_leaves};
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use core::cell::RefCell;

    /// Tiles in memory that count what is read.
    struct Memory {
        tiles: BTreeMap<TileId, Vec<u8>>,
        read: RefCell<Vec<TileId>>,
    }

    impl Tiles for Memory {
        type Error = String;
        fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
            self.read.borrow_mut().push(id);
            let whole =
                (id.width()..=256).find_map(|width| self.tiles.get(&TileId::new(id.level(), id.index(), width).ok()?));
            whole.map(|bytes| bytes[..id.bytes()].to_vec()).ok_or_else(|| "missing".to_string())
        }
    }

    fn memory(leaves: &[Hash]) -> Memory {
        let mut edge = Edge::empty();
        Memory { tiles: edge.append(leaves).into_iter().collect(), read: RefCell::default() }
    }

    /// PATH of RFC 9162, section 2.1.3.1, word for word.
    fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (mut proof, beside) = match m < k {
            true => (path(m, &leaves[..k]), &leaves[k..]),
            false => (path(m - k, &leaves[k..]), &leaves[..k]),
        };
        proof.push(root_by_definition(beside));
        proof
    }

    /// SUBPROOF of RFC 9162, section 2.1.4.1, word for word.
    fn subproof(m: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if known { Vec::new() } else { alloc::vec![root_by_definition(leaves)] };
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (mut proof, beside) = match m <= k {
            true => (subproof(m, &leaves[..k], known), &leaves[k..]),
            false => (subproof(m - k, &leaves[k..], false), &leaves[..k]),
        };
        proof.push(root_by_definition(beside));
        proof
    }

    fn size(size: usize) -> TreeSize {
        TreeSize::new(size as u64)
    }

    #[test]
    fn proofs_are_those_of_the_definition_and_verify() {
        // [H-10] [H-11] [H-12] [H-13]
        let leaves = test_leaves(70);
        let tiles = memory(&leaves);
        for to in 1..=leaves.len() {
            let root = root_by_definition(&leaves[..to]);
            assert_eq!(root_from_tiles(&tiles, size(to)), Ok(root));
            for index in 0..to {
                let proof = inclusion(&tiles, LeafIndex::new(index as u64), size(to)).unwrap();
                assert_eq!(proof, path(index, &leaves[..to]), "{index} in {to}");
                let verified = verify_inclusion(&leaves[index], LeafIndex::new(index as u64), size(to), &proof, &root);
                assert_eq!(verified, Ok(()));
            }
            for from in 0..=to {
                let proof = consistency(&tiles, size(from), size(to)).unwrap();
                let expected = if from == 0 { Vec::new() } else { subproof(from, &leaves[..to], true) };
                assert_eq!(proof, expected, "{from} to {to}");
                let from_root = root_by_definition(&leaves[..from]);
                assert_eq!(verify_consistency(size(from), &from_root, size(to), &root, &proof), Ok(()));
            }
        }
    }

    #[test]
    fn proofs_across_tile_levels() {
        // [H-10] [H-12] [T-5]
        let leaves = test_leaves(66_000);
        let tiles = memory(&leaves);
        let root = |of: u64| {
            let mut frontier = crate::tree::Frontier::new();
            frontier.extend(leaves[..of as usize].iter().copied());
            frontier.root()
        };
        for (index, of) in [(0, 66_000), (255, 256), (256, 257), (65_535, 65_536), (65_536, 65_537), (65_999, 66_000)] {
            tiles.read.borrow_mut().clear();
            let (index, size) = (LeafIndex::new(index), TreeSize::new(of));
            let proof = inclusion(&tiles, index, size).unwrap();
            let leaf = &leaves[index.get() as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root(of)), Ok(()), "{index} in {size}");
            assert!(tiles.read.borrow().iter().all(|tile| tile.is_within(size)), "only tiles of that tree are read");
            assert!(tiles.read.borrow().len() <= 5, "{index} in {size}: each tile once");
        }
        for (from, to) in [(1, 66_000), (256, 257), (255, 65_536), (65_535, 65_536), (65_536, 66_000), (4_097, 65_793)]
        {
            let proof = consistency(&tiles, TreeSize::new(from), TreeSize::new(to)).unwrap();
            let verified = verify_consistency(TreeSize::new(from), &root(from), TreeSize::new(to), &root(to), &proof);
            assert_eq!(verified, Ok(()), "{from} to {to}");
        }
    }

    #[test]
    fn a_changed_inclusion_proof_fails_for_its_reason() {
        // [H-11]
        let leaves = test_leaves(23);
        let tiles = memory(&leaves);
        let root = root_by_definition(&leaves);
        for index in 0..23_u64 {
            let index = LeafIndex::new(index);
            let leaf = leaves[index.get() as usize];
            let verify = |leaf: &Hash, index, of, proof: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size(of), proof, root)
            };
            let proof = inclusion(&tiles, index, size(23)).unwrap();
            for change in 0..proof.len() {
                let mut changed = proof.clone();
                changed[change] = leaf;
                assert!(matches!(verify(&leaf, index, 23, &changed, &root), Err(InclusionError::RootMismatch { .. })));
                let mut shorter = proof.clone();
                shorter.remove(change);
                let (want, got) = (proof.len(), proof.len() - 1);
                let length = InclusionError::ProofLength { index, size: size(23), want, got };
                assert_eq!(verify(&leaf, index, 23, &shorter, &root), Err(length));
            }
            let longer = [proof.as_slice(), &[leaf]].concat();
            assert!(matches!(verify(&leaf, index, 23, &longer, &root), Err(InclusionError::ProofLength { .. })));
            assert!(verify(&leaf, LeafIndex::new((index.get() + 1) % 23), 23, &proof, &root).is_err());
            assert!(verify(&root, index, 23, &proof, &root).is_err());
            assert!(verify(&leaf, index, 23, &proof, &leaf).is_err());
        }
        let outside = InclusionError::OutsideTree { index: LeafIndex::new(23), size: size(23) };
        assert_eq!(verify_inclusion(&leaves[0], LeafIndex::new(23), size(23), &[], &root), Err(outside));
        let empty = verify_inclusion(&leaves[0], LeafIndex::new(0), size(0), &[], &root);
        assert!(matches!(empty, Err(InclusionError::OutsideTree { .. })));
        assert_eq!(verify_inclusion(&leaves[0], LeafIndex::new(0), size(1), &[], &leaves[0]), Ok(()));
    }

    #[test]
    fn a_changed_consistency_proof_fails_for_its_reason() {
        // [H-13]
        let leaves = test_leaves(33);
        let tiles = memory(&leaves);
        for (from, to) in [(1, 2), (2, 3), (3, 4), (6, 8), (8, 9), (7, 33), (16, 33), (32, 33), (21, 30)] {
            let proof = consistency(&tiles, size(from), size(to)).unwrap();
            let (early, late) = (root_by_definition(&leaves[..from]), root_by_definition(&leaves[..to]));
            let verify = |proof: &[Hash]| verify_consistency(size(from), &early, size(to), &late, proof);
            let shorter = verify(&proof[..proof.len() - 1]);
            assert_eq!(shorter, Err(ConsistencyError::TooShort { got: proof.len() - 1 }), "{from} to {to}");
            assert_eq!(verify(&[]), Err(ConsistencyError::TooShort { got: 0 }), "{from} to {to}");
            let longer = [proof.as_slice(), &[early]].concat();
            let (want, got) = (proof.len(), proof.len() + 1);
            assert_eq!(verify(&longer), Err(ConsistencyError::TooLong { want, got }), "{from} to {to}");
            for change in 0..proof.len() {
                let mut changed = proof.clone();
                changed[change] = Hash::new([1; 32]);
                let refused = verify(&changed);
                assert!(
                    matches!(refused, Err(ConsistencyError::FromMismatch { .. } | ConsistencyError::ToMismatch { .. })),
                    "{from} to {to}: {refused:?}"
                );
            }
            let other = Hash::new([1; 32]);
            let early_wrong = verify_consistency(size(from), &other, size(to), &late, &proof);
            assert!(early_wrong.is_err(), "{from} to {to}");
            let late_wrong = verify_consistency(size(from), &early, size(to), &other, &proof);
            assert_eq!(late_wrong, Err(ConsistencyError::ToMismatch { got: late, want: other }), "{from} to {to}");
        }
    }

    #[test]
    fn sizes_without_a_path() {
        // [H-13]
        let (a, b, empty) = (Hash::new([1; 32]), Hash::new([2; 32]), empty_root());
        let verify = |from, early: &Hash, to, late: &Hash, proof: &[Hash]| {
            verify_consistency(size(from), early, size(to), late, proof)
        };
        assert_eq!(verify(0, &empty, 5, &a, &[]), Ok(()));
        assert_eq!(verify(0, &empty, 0, &empty, &[]), Ok(()));
        assert_eq!(verify(3, &a, 3, &a, &[]), Ok(()));
        assert_eq!(verify(0, &a, 5, &b, &[]), Err(ConsistencyError::EmptyRoot { want: empty, got: a }));
        let two = ConsistencyError::TwoRoots { size: size(0), from: empty, to: a };
        assert_eq!(verify(0, &empty, 0, &a, &[]), Err(two));
        let needless = |from, to| ConsistencyError::NotNeeded { from: size(from), to: size(to), got: 1 };
        assert_eq!(verify(0, &empty, 5, &a, &[a]), Err(needless(0, 5)));
        assert_eq!(verify(3, &a, 3, &a, &[a]), Err(needless(3, 3)));
        assert_eq!(verify(3, &a, 3, &b, &[]), Err(ConsistencyError::TwoRoots { size: size(3), from: a, to: b }));
        let shrinking = ConsistencyError::Shrinking { from: size(4), to: size(3) };
        assert_eq!(verify(4, &a, 3, &a, &[]), Err(shrinking));
        // The largest sizes neither overflow nor panic.
        let most = verify_consistency(TreeSize::new(u64::MAX - 1), &a, TreeSize::new(u64::MAX), &b, &[a; 64]);
        assert!(most.is_err());
        let half = verify_consistency(TreeSize::new(1 << 63), &a, TreeSize::new(u64::MAX), &b, &[a]);
        assert!(matches!(half, Err(ConsistencyError::ToMismatch { .. })), "{half:?}");
        let last = LeafIndex::new(u64::MAX - 1);
        let deepest = verify_inclusion(&a, last, TreeSize::new(u64::MAX), &[a; 63], &b);
        assert!(matches!(deepest, Err(InclusionError::RootMismatch { .. })), "{deepest:?}");
    }

    #[test]
    fn a_store_that_fails_is_named() {
        // [H-10] [H-12]
        let tiles = memory(&test_leaves(3));
        let missing = TileId::new(0, 0, 4).unwrap();
        let refused = inclusion(&tiles, LeafIndex::new(0), size(4));
        assert_eq!(refused, Err(BuildError::Read { tile: missing, source: "missing".to_string() }));
        assert_eq!(refused.unwrap_err().to_string(), "tile/0/000.p/4: missing");
        let outside = inclusion(&tiles, LeafIndex::new(3), size(3));
        assert_eq!(outside, Err(BuildError::OutsideTree { index: LeafIndex::new(3), size: size(3) }));
        let shrinking = consistency(&tiles, size(3), size(2));
        assert_eq!(shrinking, Err(BuildError::Shrinking { from: size(3), to: size(2) }));
        struct Short;
        impl Tiles for Short {
            type Error = String;
            fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
                Ok(alloc::vec![0; id.bytes() - 1])
            }
        }
        let tile = TileId::new(0, 0, 3).unwrap();
        let short = root_from_tiles(&Short, size(3));
        assert_eq!(short, Err(BuildError::Length { tile, want: 96, got: 95 }));
        assert_eq!(root_from_tiles(&Short, size(0)), Ok(empty_root()));
    }
}
