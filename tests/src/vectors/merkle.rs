//! Vectors of trees: inclusion and consistency (ours), subtrees and answers of CT logs (adapter).
//!
//! Words such as `don't care 1` and `WrongLeaf` stand for hashes in these files: they are hashed, so that a case is refused for
//! its own reason and not for their length. An empty hash is refused as what it is.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use vitrine_spec::hash::{Hash, empty_root, leaf_hash, node_hash};
use vitrine_spec::proof::{verify_consistency, verify_inclusion};
use vitrine_spec::text::TextError;
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};

use super::input::{Input, Outcome, array, hash, member, number, unb64, unhex, word, words};
use super::reason::Reason;
use super::report::{Report, Want};
use crate::oracle::{Digest, merkle, subtree};

/// A hash of a case, which may be of a wrong length.
fn read_hash(encoded: &str) -> Outcome<Hash> {
    let bytes = unb64(encoded)?;
    if !bytes.is_empty() && bytes.len() != 32 && bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(Hash::of(&bytes));
    }
    let wrong = || TextError::Length { want: 32, got: bytes.len() }.reason();
    <[u8; 32]>::try_from(bytes.as_slice()).map(Hash::new).map_err(|_| wrong())
}

/// The hashes of a proof, which may be missing or of wrong lengths.
fn read_proof(case: &Value) -> Outcome<Vec<Hash>> {
    match member(case, "proof")? {
        Value::Null => Ok(Vec::new()),
        _ => words(case, "proof")?.iter().map(|text| read_hash(text)).collect(),
    }
}

fn want(case: &Value) -> Outcome<Want<'static>> {
    match member(case, "wantErr")?.as_bool() {
        Some(true) => Ok(Want::Refused),
        Some(false) => Ok(Want::Ok),
        None => Err("wantErr is neither true nor false".to_owned()),
    }
}

/// `merkle/transparency-dev/inclusion/**`.
pub(super) fn inclusion(input: &Input, report: &mut Report) -> Outcome {
    let case = input.json()?;
    let got = (|| {
        let (leaf, root) = (read_hash(word(&case, "leafHash")?)?, read_hash(word(&case, "root")?)?);
        let (index, size) = (number(&case, "leafIdx")?, number(&case, "treeSize")?);
        let proof = read_proof(&case)?;
        verify_inclusion(&leaf, LeafIndex::new(index), TreeSize::new(size), &proof, &root).map_err(|e| e.reason())
    })();
    report.case("", want(&case)?, got);
    Ok(())
}

/// `merkle/transparency-dev/consistency/**`.
pub(super) fn consistency(input: &Input, report: &mut Report) -> Outcome {
    let case = input.json()?;
    let (from, to) = (number(&case, "size1")?, number(&case, "size2")?);
    let got = (|| {
        let (from_root, to_root) = (read_hash(word(&case, "root1")?)?, read_hash(word(&case, "root2")?)?);
        let proof = read_proof(&case)?;
        verify_consistency(TreeSize::new(from), &from_root, TreeSize::new(to), &to_root, &proof).map_err(|e| e.reason())
    })();
    // From size 0 RFC 9162 defines nothing; tlog-witness has an empty proof.
    let want = if from == 0 && to > 0 && read_proof(&case)?.is_empty() { Want::Either } else { want(&case)? };
    report.case("", want, got);
    Ok(())
}

/// `merkle/transparency-dev/subtreeinclusion/**`: the inclusion of ours in a tree of its own, once the subtree is one.
pub(super) fn subtree_inclusion(input: &Input, report: &mut Report) -> Outcome {
    let case = input.json()?;
    let (index, start, end) = (number(&case, "leafIdx")?, number(&case, "start")?, number(&case, "end")?);
    let got = (|| {
        let (leaf, root) = (read_hash(word(&case, "leafHash")?)?, read_hash(word(&case, "root")?)?);
        let proof = read_proof(&case)?;
        let digests: Vec<Digest> = proof.iter().map(|hash| *hash.as_bytes()).collect();
        let oracle = subtree::inclusion(leaf.as_bytes(), index, (start, end), &digests, root.as_bytes());
        let ours = match (subtree::is_valid(start, end), index.checked_sub(start)) {
            (false, _) => Err("subtree:Invalid".to_owned()),
            (true, None) => Err("subtree:OutsideTree".to_owned()),
            (true, Some(offset)) => {
                verify_inclusion(&leaf, LeafIndex::new(offset), TreeSize::new(end - start), &proof, &root)
                    .map_err(|error| error.reason())
            }
        };
        if ours.is_ok() == oracle { ours } else { Err(format!("subtree:Disagree ours {ours:?}, oracle {oracle}")) }
    })();
    report.case("", want(&case)?, got);
    Ok(())
}

/// `merkle/transparency-dev/subtreeconsistency/**`: the oracle; ours beside it where the subtree begins at 0.
pub(super) fn subtree_consistency(input: &Input, report: &mut Report) -> Outcome {
    let case = input.json()?;
    let (start, end, size) = (number(&case, "start")?, number(&case, "end")?, number(&case, "size")?);
    let got = (|| {
        let (part, root) = (read_hash(word(&case, "root1")?)?, read_hash(word(&case, "root2")?)?);
        let proof = read_proof(&case)?;
        let digests: Vec<Digest> = proof.iter().map(|hash| *hash.as_bytes()).collect();
        let oracle = subtree::consistency((start, end), size, &digests, part.as_bytes(), root.as_bytes());
        let ours = match (start, end) {
            (0, 1..) if subtree::is_valid(start, end) => {
                verify_consistency(TreeSize::new(end), &part, TreeSize::new(size), &root, &proof)
                    .map_err(|error| error.reason())
            }
            _ if oracle => Ok(()),
            _ if !subtree::is_valid(start, end) => Err("subtree:Invalid".to_owned()),
            _ if end > size => Err("subtree:OutsideTree".to_owned()),
            _ if start == end && part != empty_root() => Err("subtree:EmptyRoot".to_owned()),
            _ if start == end => Err("subtree:NotNeeded".to_owned()),
            _ => Err("subtree:Mismatch".to_owned()),
        };
        if ours.is_ok() == oracle { ours } else { Err(format!("subtree:Disagree ours {ours:?}, oracle {oracle}")) }
    })();
    report.case("", want(&case)?, got);
    Ok(())
}

/// `merkle/rfc6962-roots.json`.
pub(super) fn roots(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let hash_of = |text: &str| Hash::from_hex(text).map_err(|error| error.to_string());
    let hashes = |texts: &[String]| texts.iter().map(|text| hash_of(text)).collect::<Outcome<Vec<Hash>>>();
    let inputs = words(&file, "leaf_inputs")?;
    let mut row: Vec<Hash> =
        inputs.iter().map(|entry| unhex(entry).map(|entry| leaf_hash(&entry))).collect::<Outcome<_>>()?;
    let leaves = row.clone();
    for (level, wanted) in array(&file, "node_hashes_by_level")?.iter().enumerate() {
        if level > 0 {
            row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        let wanted: Vec<String> = serde_json::from_value(wanted.clone()).map_err(|error| error.to_string())?;
        report.same(&format!("level {level}"), "the row", &row, &hashes(&wanted)?);
    }
    let wanted = hashes(&words(&file, "root_by_tree_size")?)?;
    let mut frontier = Frontier::new();
    for (size, root) in wanted.iter().enumerate() {
        let same = frontier.root() == *root;
        report.case(&format!("size {size}"), Want::Ok, if same { Ok(()) } else { Err("another root".to_owned()) });
        frontier.extend(leaves.get(size).copied());
    }
    Ok(())
}

/// `merkle/mtc-accumulated-subtrees.json`: the oracle alone.
pub(super) fn accumulated(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let most = number(&file, "max_tree_size")?;
    let leaves: Vec<Digest> = (0..most).map(|index| merkle::leaf_hash(&index.to_le_bytes()[..1])).collect();
    let hex = |digest: &Digest| vitrine_spec::text::hex(digest);
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let mut lines = 0;
        let mut sum = Sha256::new();
        for (end, start) in (0..=most).flat_map(|end| (0..=end).map(move |start| (end, start))) {
            let Some(tree) = usize::try_from(start).ok().zip(usize::try_from(end).ok()).map(|(s, e)| &leaves[s..e])
            else {
                return Err(format!("[{start}, {end}) is beyond this machine"));
            };
            if !subtree::is_valid(start, end) || (id.contains("nonempty") && tree.is_empty()) {
                continue;
            }
            if id.starts_with("subtree-hashes") {
                sum.update(format!("[{start}, {end}) {}\n", hex(&merkle::mth(tree))));
                lines += 1;
                continue;
            }
            for index in 0..tree.len() {
                let path: String = merkle::path(index, tree).iter().map(|hash| format!(" {}", hex(hash))).collect();
                sum.update(format!("{} [{start}, {end}){path}\n", start + index as u64));
                lines += 1;
            }
        }
        let same = hex(&sum.finalize().into()) == word(case, "sha256")?;
        report.case(id, Want::Ok, if same { Ok(()) } else { Err(format!("another digest, {lines} lines")) });
        if let Some(wanted) = case.get("lines").and_then(Value::as_u64) {
            report.same(id, "the number of lines", &lines, &wanted);
        }
    }
    Ok(())
}

/// `merkle/sigsum-rs/inclusion-valid.json`.
pub(super) fn sigsum(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for (at, case) in file.as_array().ok_or("not an array")?.iter().enumerate() {
        let proof: Vec<Hash> = words(case, "inclusion_path")?.iter().map(|text| hash(text)).collect::<Outcome<_>>()?;
        let (leaf, root) = (hash(word(case, "leaf_hash")?)?, hash(word(case, "root_hash")?)?);
        let (index, size) = (number(case, "leaf_index")?, number(case, "tree_size")?);
        let got = verify_inclusion(&leaf, LeafIndex::new(index), TreeSize::new(size), &proof, &root);
        report.case(&at.to_string(), Want::Ok, got);
    }
    Ok(())
}

/// `merkle/argon2020`: the answers of a CT log; its signature is ECDSA over a tree head and is not looked at.
pub(super) fn argon(input: &Input, report: &mut Report) -> Outcome {
    let json = |name: &str| -> Outcome<Value> {
        serde_json::from_slice(&input.read(name)?).map_err(|error| format!("{name}: {error}"))
    };
    let proof = |value: &Value, name: &str| -> Outcome<Vec<Hash>> {
        words(value, name)?.iter().map(|text| hash(text)).collect()
    };
    let head = json("get-sth")?;
    let (size, root) = (TreeSize::new(number(&head, "tree_size")?), hash(word(&head, "sha256_root_hash")?)?);
    report.case("get-sth", Want::Ok, if size.get() == 961_984_011 { Ok(()) } else { Err("another size".to_owned()) });
    let entries = json("get-entries-start-10000-end-10000")?;
    let entry = array(&entries, "entries")?.first().ok_or("no entry")?;
    let leaf = leaf_hash(&unb64(word(entry, "leaf_input")?)?);
    let wanted = hash("nCs3mfIydh9x4CKyQ+u2xtmpxmFggA5MLymHwNQSlLg=")?;
    report.case("get-entries", Want::Ok, if leaf == wanted { Ok(()) } else { Err(format!("leaf hash {leaf}")) });
    let by_hash = json("get-proof-by-hash")?;
    let index = LeafIndex::new(number(&by_hash, "leaf_index")?);
    let got = verify_inclusion(&leaf, index, size, &proof(&by_hash, "audit_path")?, &root);
    report.case("get-proof-by-hash", Want::Ok, got);
    let name = "get-sth-consistency-first-3654490-second-961984011";
    let from_root = hash("AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ=")?;
    let path = proof(&json(name)?, "consistency")?;
    let got = verify_consistency(TreeSize::new(3_654_490), &from_root, size, &root, &path);
    report.case("get-sth-consistency", Want::Ok, got);
    Ok(())
}
