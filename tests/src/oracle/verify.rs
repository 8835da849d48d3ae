//! Verification as the numbered steps of RFC 9162 say it: sections 2.1.3.2 and 2.1.4.2.
//!
//! Yes or no. Not here: why not, which is what `spec` adds.

use super::Digest;
use super::merkle::node_hash;

/// Section 2.1.3.2: `hash` is that of entry `leaf_index` in the tree of `tree_size` entries with root `root_hash`.
#[must_use]
pub fn inclusion(
    hash: &Digest,
    leaf_index: u64,
    tree_size: u64,
    inclusion_path: &[Digest],
    root_hash: &Digest,
) -> bool {
    // 1. Compare leaf_index from the inclusion_proof structure against tree_size.
    if leaf_index >= tree_size {
        return false;
    }
    // 2. Set fn to leaf_index and sn to tree_size - 1.
    let (mut f, mut s) = (leaf_index, tree_size - 1);
    // 3. Set r to hash.
    let mut r = *hash;
    // 4. For each value p in the inclusion_path array:
    for p in inclusion_path {
        // a. If sn is 0, then stop the iteration and fail the proof verification.
        if s == 0 {
            return false;
        }
        // b. If LSB(fn) is set, or if fn is equal to sn, then:
        if f & 1 == 1 || f == s {
            // i. Set r to HASH(0x01 || p || r).
            r = node_hash(p, &r);
            // ii. If LSB(fn) is not set, then right-shift both until either LSB(fn) is set or fn is 0.
            if f & 1 == 0 {
                while f & 1 == 0 && f != 0 {
                    f >>= 1;
                    s >>= 1;
                }
            }
        } else {
            // Otherwise: Set r to HASH(0x01 || r || p).
            r = node_hash(&r, p);
        }
        // c. Finally, right-shift both fn and sn one time.
        f >>= 1;
        s >>= 1;
    }
    // 5. Compare sn to 0. Compare r against the root_hash.
    s == 0 && r == *root_hash
}

/// Section 2.1.4.2: the tree of `second` entries begins with that of `first` entries.
///
/// The section begins at `0 < first < second`. Equal sizes need equal roots and no proof. From 0, as c2sp.org/tlog-witness
/// has it, the proof is empty; the root of 0 must be that of the empty tree, and nothing is said of the second root.
#[must_use]
pub fn consistency(
    first: u64,
    first_hash: &Digest,
    second: u64,
    second_hash: &Digest,
    consistency_path: &[Digest],
) -> bool {
    if first > second {
        return false;
    }
    if first == 0 {
        let same = first != second || first_hash == second_hash;
        return consistency_path.is_empty() && *first_hash == super::merkle::mth(&[]) && same;
    }
    if first == second {
        return consistency_path.is_empty() && first_hash == second_hash;
    }
    // 1. If consistency_path is an empty array, stop and fail the proof verification.
    if consistency_path.is_empty() {
        return false;
    }
    // 2. If first is an exact power of 2, then prepend first_hash to the consistency_path array.
    let mut hashes = Vec::new();
    if first.is_power_of_two() {
        hashes.push(*first_hash);
    }
    hashes.extend_from_slice(consistency_path);
    // 3. Set fn to first - 1 and sn to second - 1.
    let (mut f, mut s) = (first - 1, second - 1);
    // 4. If LSB(fn) is set, then right-shift both fn and sn equally until LSB(fn) is not set.
    while f & 1 == 1 {
        f >>= 1;
        s >>= 1;
    }
    // 5. Set both fr and sr to the first value in the consistency_path array.
    let (mut fr, mut sr) = (hashes[0], hashes[0]);
    // 6. For each subsequent value c in the consistency_path array:
    for c in &hashes[1..] {
        // a. If sn is 0, then stop the iteration and fail the proof verification.
        if s == 0 {
            return false;
        }
        // b. If LSB(fn) is set, or if fn is equal to sn, then:
        if f & 1 == 1 || f == s {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            // If LSB(fn) is not set, then right-shift both until either LSB(fn) is set or fn is 0.
            if f & 1 == 0 {
                while f & 1 == 0 && f != 0 {
                    f >>= 1;
                    s >>= 1;
                }
            }
        } else {
            sr = node_hash(&sr, c);
        }
        // c. Finally, right-shift both fn and sn one time.
        f >>= 1;
        s >>= 1;
    }
    // 7. Verify that fr equals first_hash, that sr equals second_hash and that sn is 0.
    fr == *first_hash && sr == *second_hash && s == 0
}
