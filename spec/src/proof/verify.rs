//! Inclusion and consistency proofs verified (docs/10-hash-and-tree.md).
//!
//! The algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2, over numbers and hashes alone. Not here: building (`build`).

use crate::hash::{Hash, empty_root, node_hash};
use crate::tree::{LeafIndex, TreeSize};

/// Why an inclusion proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    /// The tree does not hold the entry.
    #[error("index {index} is outside a tree of size {size}")]
    OutsideTree {
        /// The entry.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
    },
    /// More or fewer hashes than the way from the leaf to the root has.
    #[error("the way from index {index} to the root of size {size} has {want} hashes, the proof {got}")]
    ProofLength {
        /// The entry.
        index: LeafIndex,
        /// The tree.
        size: TreeSize,
        /// Hashes on the way.
        want: usize,
        /// Hashes given.
        got: usize,
    },
    /// The proof leads elsewhere.
    #[error("the proof leads to root {got}, the checkpoint says {want}")]
    RootMismatch {
        /// The root computed.
        got: Hash,
        /// The root to be reached.
        want: Hash,
    },
}

/// Verifies that `leaf` is the hash of entry `index` in the tree of `size` entries with this root [H-11].
///
/// RFC 9162, section 2.1.3.2, and the length is checked first. Says nothing about who vouches for the root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InclusionError> {
    let Some(last) = size.last().filter(|_| index.is_in(size)) else {
        return Err(InclusionError::OutsideTree { index, size });
    };
    let want = inclusion_hashes(index.get(), last.get());
    if proof.len() != want {
        return Err(InclusionError::ProofLength { index, size, want, got: proof.len() });
    }
    let (mut node, mut last) = (index.get(), last.get());
    let mut got = *leaf;
    for hash in proof {
        if node & 1 == 1 || node == last {
            got = node_hash(hash, &got);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            got = node_hash(&got, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if got == *root { Ok(()) } else { Err(InclusionError::RootMismatch { got, want: *root }) }
}

/// Siblings on the way from `index` to the root of the tree whose last entry is `last`: one at every height where the
/// ways of both differ, and above that one for every complete subtree to the left.
fn inclusion_hashes(index: u64, last: u64) -> usize {
    let together = u64::BITS - (index ^ last).leading_zeros();
    let to_the_left = last.checked_shr(together).unwrap_or(0).count_ones();
    (together + to_the_left) as usize
}

/// Why a consistency proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    /// The later tree is the smaller one.
    #[error("a tree of size {from} cannot have grown to size {to}")]
    Shrinking {
        /// The earlier size.
        from: TreeSize,
        /// The later size.
        to: TreeSize,
    },
    /// A tree without entries with a root that is not that of the empty tree.
    #[error("the root of a tree of size 0 is {want}, the one given {got}")]
    EmptyRoot {
        /// SHA-256 of nothing.
        want: Hash,
        /// The root given.
        got: Hash,
    },
    /// Hashes where none are needed: from size 0, and between equal sizes.
    #[error("from size {from} to size {to} needs no proof, {got} hashes were given")]
    NotNeeded {
        /// The earlier size.
        from: TreeSize,
        /// The later size.
        to: TreeSize,
        /// Hashes given.
        got: usize,
    },
    /// One size with two roots.
    #[error("size {size} has two roots: {from} and {to}")]
    TwoRoots {
        /// The size.
        size: TreeSize,
        /// The root known.
        from: Hash,
        /// The other root.
        to: Hash,
    },
    /// The proof ends before both roots are reached.
    #[error("the proof ends after {got} hashes, before both roots are reached")]
    TooShort {
        /// Hashes given.
        got: usize,
    },
    /// Hashes are left when the root is reached.
    #[error("the roots are reached after {want} hashes, the proof has {got}")]
    TooLong {
        /// Hashes used.
        want: usize,
        /// Hashes given.
        got: usize,
    },
    /// The proof does not contain the earlier tree.
    #[error("the proof leads to earlier root {got}, the one known is {want}")]
    FromMismatch {
        /// The root computed.
        got: Hash,
        /// The root known.
        want: Hash,
    },
    /// The proof does not lead to the later tree.
    #[error("the proof leads to later root {got}, the checkpoint says {want}")]
    ToMismatch {
        /// The root computed.
        got: Hash,
        /// The root to be reached.
        want: Hash,
    },
}

/// Verifies that the tree of `to` entries begins with the tree of `from` entries [H-13].
///
/// RFC 9162, section 2.1.4.2, with both roots computed and nothing left over. From size 0 the proof is empty, the
/// earlier root is that of the empty tree, and success says nothing about the later root.
pub fn verify_consistency(
    from: TreeSize,
    from_root: &Hash,
    to: TreeSize,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), ConsistencyError> {
    let got = proof.len();
    if from > to {
        return Err(ConsistencyError::Shrinking { from, to });
    }
    if from == TreeSize::ZERO && *from_root != empty_root() {
        return Err(ConsistencyError::EmptyRoot { want: empty_root(), got: *from_root });
    }
    if (from == TreeSize::ZERO || from == to) && got > 0 {
        return Err(ConsistencyError::NotNeeded { from, to, got });
    }
    if from == to && from_root != to_root {
        return Err(ConsistencyError::TwoRoots { size: from, from: *from_root, to: *to_root });
    }
    if from == TreeSize::ZERO || from == to {
        return Ok(());
    }
    let (earlier, later) = roots_of(from, from_root, to, proof)?;
    if earlier != *from_root {
        return Err(ConsistencyError::FromMismatch { got: earlier, want: *from_root });
    }
    if later != *to_root {
        return Err(ConsistencyError::ToMismatch { got: later, want: *to_root });
    }
    Ok(())
}

/// Both roots that a path leads to, for sizes `0 < from < to` [H-13].
///
/// Where `from` is a power of two the path leaves the earlier root out: `opening` stands for it, and is what comes back.
/// Elsewhere it is not looked at.
pub(crate) fn roots_of(
    from: TreeSize,
    opening: &Hash,
    to: TreeSize,
    proof: &[Hash],
) -> Result<(Hash, Hash), ConsistencyError> {
    let got = proof.len();
    let (mut node, mut last) = (from.get().saturating_sub(1), to.get().saturating_sub(1));
    let common = node.trailing_ones();
    (node, last) = (node >> common, last.checked_shr(common).unwrap_or(0));
    // The earlier tree is one complete subtree exactly when nothing is left of `node`: its root then opens the path.
    let (first, path) = match (node, proof.split_first()) {
        (0, _) => (opening, proof),
        (_, Some((first, path))) => (first, path),
        (_, None) => return Err(ConsistencyError::TooShort { got }),
    };
    let (mut earlier, mut later) = (*first, *first);
    for (used, hash) in path.iter().enumerate() {
        if last == 0 {
            return Err(ConsistencyError::TooLong { want: got - path.len() + used, got });
        }
        if node & 1 == 1 || node == last {
            earlier = node_hash(hash, &earlier);
            later = node_hash(hash, &later);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            later = node_hash(&later, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ConsistencyError::TooShort { got });
    }
    Ok((earlier, later))
}
