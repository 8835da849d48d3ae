//! The tree of RFC 9162, sections 2.1.1 to 2.1.4, word by word: `MTH`, `PATH`, `PROOF`, `SUBPROOF`.
//!
//! Recursion over slices of leaf hashes; nothing is remembered between two calls. Not here: verification (`verify`).

use sha2::{Digest as _, Sha256};

use super::Digest;

/// `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The largest power of two smaller than `n`, which is 2 or more: `k < n <= 2k`.
#[must_use]
pub fn split(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}

/// `MTH(D_n)`, section 2.1.1, over leaf hashes.
#[must_use]
pub fn mth(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// `PATH(m, D_n)`, section 2.1.3.1, for `m < n`.
#[must_use]
pub fn path(m: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
    path.push(sibling);
    path
}

/// `PROOF(m, D_n)`, section 2.1.4.1, for `0 < m < n`; empty for `m = 0` and `m = n`, as c2sp.org/tlog-witness has it.
#[must_use]
pub fn proof(m: usize, leaves: &[Digest]) -> Vec<Digest> {
    if m == 0 || m == leaves.len() { Vec::new() } else { subproof(m, leaves, true) }
}

/// `SUBPROOF(m, D_n, b)`, section 2.1.4.1; `b`: the verifier knows the hash of this subtree.
fn subproof(m: usize, leaves: &[Digest], b: bool) -> Vec<Digest> {
    if m == leaves.len() {
        return if b { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) =
        if m <= k { (subproof(m, left, b), mth(right)) } else { (subproof(m - k, right, false), mth(left)) };
    proof.push(sibling);
    proof
}
