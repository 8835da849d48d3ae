//! Subtrees of draft-ietf-plants-merkle-tree-certs, sections 4.1 to 4.4, for the vectors alone: the product has none.
//!
//! A subtree `[start, end)` is empty, or begins at a multiple of the smallest power of two that is not below its length.
//! Consistency is verified by walking the recursion that makes the proof, from its end. Not here: building such proofs.

use super::Digest;
use super::merkle::{mth, node_hash};
use super::verify;

/// True when `[start, end)` is a subtree: section 4.1, the text that has empty ones.
#[must_use]
pub fn is_valid(start: u64, end: u64) -> bool {
    start <= end && (end - start).checked_next_power_of_two().is_some_and(|unit| start.is_multiple_of(unit))
}

/// Entry `index` with this hash is in the subtree with this hash: an inclusion proof in a tree of `end - start` entries.
#[must_use]
pub fn inclusion(hash: &Digest, index: u64, (start, end): (u64, u64), proof: &[Digest], subtree_hash: &Digest) -> bool {
    is_valid(start, end)
        && (start..end).contains(&index)
        && verify::inclusion(hash, index - start, end - start, proof, subtree_hash)
}

/// The subtree with this hash is part of the tree of `size` entries with this root.
#[must_use]
pub fn consistency(
    (start, end): (u64, u64),
    size: u64,
    proof: &[Digest],
    subtree_hash: &Digest,
    root: &Digest,
) -> bool {
    if !is_valid(start, end) || end > size {
        return false;
    }
    if start == end {
        return proof.is_empty() && *subtree_hash == mth(&[]);
    }
    let mut rest = proof.to_vec();
    let Some((subtree, whole)) = walk((start, end), size, true, subtree_hash, &mut rest) else { return false };
    rest.is_empty() && subtree == *subtree_hash && whole == *root
}

/// `SUBTREE_SUBPROOF(start, end, D_n, b)` backwards: the hash of the subtree's part in here and that of all `n` entries.
fn walk((start, end): (u64, u64), n: u64, b: bool, known: &Digest, rest: &mut Vec<Digest>) -> Option<(Digest, Digest)> {
    if start == 0 && end == n {
        let hash = if b { *known } else { rest.pop()? };
        return Some((hash, hash));
    }
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    let sibling = rest.pop()?;
    if end <= k {
        let (subtree, left) = walk((start, end), k, b, known, rest)?;
        Some((subtree, node_hash(&left, &sibling)))
    } else if start >= k {
        let (subtree, right) = walk((start - k, end - k), n - k, b, known, rest)?;
        Some((subtree, node_hash(&sibling, &right)))
    } else {
        // start < k < end: the subtree begins at 0, and all of the left side is in it.
        let (part, right) = walk((0, end - k), n - k, false, known, rest)?;
        Some((node_hash(&sibling, &part), node_hash(&sibling, &right)))
    }
}
