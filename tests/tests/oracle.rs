//! `spec` against the oracle and against `ct-merkle`: every tree up to 300 entries, every proof up to 130, every mutation.
//!
//! Exhaustive where sizes are small, by chance where they are not; a failure prints its smallest case. Not here: other
//! people's vectors (`vectors`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use vitrine_spec::checkpoint::{Checkpoint, Origin};
use vitrine_spec::edge::Edge;
use vitrine_spec::hash::{Hash, leaf_hash, node_hash};
use vitrine_spec::key::{KeyId, KeyKind, Vkey};
use vitrine_spec::proof::{self, Tiles, verify_consistency, verify_inclusion};
use vitrine_spec::tiles::{self, BundleId, TileId};
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};
use vitrine_spec::{cosignature, envelope, note};
use vitrine_tests::oracle::{self, Digest, merkle, messages, subtree, verify};

#[path = "oracle/changed.rs"]
mod changed;
#[path = "oracle/json.rs"]
mod json;

/// Entries of 0 to 12 bytes; the empty one is among them.
fn entry(index: usize) -> Vec<u8> {
    let text = format!("entry {index}");
    text.as_bytes()[..index % (text.len() + 1)].to_vec()
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|index| merkle::leaf_hash(&[entry(index), index.to_be_bytes().to_vec()].concat())).collect()
}

fn hashes(digests: &[Digest]) -> Vec<Hash> {
    digests.iter().map(|digest| Hash::new(*digest)).collect()
}

fn digests(hashes: &[Hash]) -> Vec<Digest> {
    hashes.iter().map(|hash| *hash.as_bytes()).collect()
}

/// The tiles of one tree, as the oracle makes them; a wider tile is no answer to a request for a narrower one.
struct Store(BTreeMap<String, Vec<u8>>);

impl Store {
    fn of(leaves: &[Digest]) -> Store {
        Store(oracle::tiles::tiles(leaves).into_iter().collect())
    }
}

impl Tiles for Store {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        self.0.get(&id.path()).cloned().ok_or_else(|| format!("{id} is not a tile of this tree"))
    }
}

fn size(entries: usize) -> TreeSize {
    TreeSize::new(entries as u64)
}

#[test]
fn hashes_and_roots() {
    // [H-1] [H-2] [H-3] [H-4] [H-8] [H-9]
    for length in [0, 1, 31, 32, 33, 63, 64, 65, 1_000, 65_535] {
        let bytes = vec![0x5a; length];
        assert_eq!(*leaf_hash(&bytes).as_bytes(), merkle::leaf_hash(&bytes), "{length} bytes");
    }
    let all = leaves(300);
    let mut frontier = Frontier::new();
    let mut edge = Edge::empty();
    let mut third: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    for (count, leaf) in all.iter().chain([&[0; 32]]).enumerate() {
        let root = merkle::mth(&all[..count]);
        assert_eq!(*frontier.root().as_bytes(), root, "frontier, size {count}");
        assert_eq!(*edge.root().as_bytes(), root, "edge, size {count}");
        let from_tiles = proof::root_from_tiles(&Store::of(&all[..count]), size(count)).unwrap();
        assert_eq!(*from_tiles.as_bytes(), root, "tiles, size {count}");
        if count > 0 {
            assert_eq!(third.root().as_bytes().as_slice(), root, "ct-merkle, size {count}");
        }
        frontier.push(Hash::new(*leaf));
        edge.append(&[Hash::new(*leaf)]);
        third.push([entry(count), count.to_be_bytes().to_vec()].concat());
    }
    assert_eq!(*node_hash(&Hash::new(all[0]), &Hash::new(all[1])).as_bytes(), merkle::node_hash(&all[0], &all[1]));
}

#[test]
fn every_inclusion_proof() {
    // [H-10] [H-11]
    let all = leaves(130);
    for count in 1..=130 {
        let tree = &all[..count];
        let root = merkle::mth(tree);
        let store = Store::of(tree);
        for index in 0..count {
            let path = merkle::path(index, tree);
            let built = proof::inclusion(&store, LeafIndex::new(index as u64), size(count)).unwrap();
            assert_eq!(digests(&built), path, "entry {index} of {count}");
            assert!(verify::inclusion(&tree[index], index as u64, count as u64, &path, &root), "oracle");
            let (leaf, root) = (Hash::new(tree[index]), Hash::new(root));
            verify_inclusion(&leaf, LeafIndex::new(index as u64), size(count), &built, &root).unwrap();
        }
    }
}

#[test]
fn every_consistency_proof() {
    // [H-12] [H-13]
    let all = leaves(130);
    for to in 0..=130 {
        let store = Store::of(&all[..to]);
        let to_root = merkle::mth(&all[..to]);
        for from in 0..=to {
            let path = merkle::proof(from, &all[..to]);
            let from_root = merkle::mth(&all[..from]);
            let built = proof::consistency(&store, size(from), size(to)).unwrap();
            assert_eq!(digests(&built), path, "{from} to {to}");
            assert!(verify::consistency(from as u64, &from_root, to as u64, &to_root, &path), "oracle, {from} to {to}");
            verify_consistency(size(from), &Hash::new(from_root), size(to), &Hash::new(to_root), &built).unwrap();
        }
    }
}

#[test]
fn a_third_library_makes_and_takes_the_same_proofs() {
    // ct-merkle numbers the additions, not the later size. [H-10] [H-11] [H-12] [H-13]
    let all = leaves(70);
    let mut third: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    let mut roots = Vec::new();
    for count in 1..=70_usize {
        third.push([entry(count - 1), (count - 1).to_be_bytes().to_vec()].concat());
        roots.push(third.root());
        let root = Hash::new(merkle::mth(&all[..count]));
        for index in 0..count {
            let bytes = third.prove_inclusion(index).as_bytes().to_vec();
            let path = Hash::slice_of(&bytes).unwrap();
            assert_eq!(digests(&path), merkle::path(index, &all[..count]), "entry {index} of {count}");
            verify_inclusion(&Hash::new(all[index]), LeafIndex::new(index as u64), size(count), &path, &root).unwrap();
        }
        for from in 1..=count {
            let theirs = third.prove_consistency(count - from);
            let path = Hash::slice_of(theirs.as_bytes()).unwrap();
            let from_root = Hash::new(merkle::mth(&all[..from]));
            assert_eq!(digests(&path), merkle::proof(from, &all[..count]), "{from} to {count}");
            verify_consistency(size(from), &from_root, size(count), &root, &path).unwrap();
            third.root().verify_consistency(&roots[from - 1], &theirs).unwrap();
        }
    }
}

#[test]
fn tiles_and_bundles_of_every_size() {
    // [T-1] [T-2] [T-4] [T-5] [T-6] [T-7]
    let all = leaves(600);
    let entries: Vec<Vec<u8>> = (0..600).map(entry).collect();
    for count in (0..=300).chain([511, 512, 513, 600]) {
        let tree = &all[..count];
        let wanted: BTreeMap<String, Vec<u8>> = oracle::tiles::tiles(tree).into_iter().collect();
        let mut edge = Edge::empty();
        let written = edge.append(&hashes(tree));
        let got: BTreeMap<String, Vec<u8>> = written.iter().map(|(id, bytes)| (id.path(), bytes.clone())).collect();
        assert_eq!(got, wanted, "size {count}");
        assert_eq!(written.len(), wanted.len(), "size {count}: a tile is given once");
        for path in wanted.keys() {
            assert_eq!(TileId::parse(path).unwrap().path(), *path);
        }
        let right: Vec<String> = tiles::tiles_of(size(count)).map(|tile| tile.path()).collect();
        assert!(right.iter().all(|path| wanted.contains_key(path)), "size {count}: {right:?}");
        let levels: std::collections::BTreeSet<&str> =
            wanted.keys().filter_map(|path| path.split('/').nth(1)).collect();
        assert_eq!(right.len(), levels.len(), "size {count}: one rightmost tile for each level");
        for (path, bytes) in oracle::tiles::bundles(&entries[..count]) {
            let bundle = BundleId::parse(&path).unwrap();
            assert_eq!(bundle.path(), path);
            assert_eq!(BundleId::at(bundle.index(), size(count)), Some(bundle), "size {count}");
            let start = usize::try_from(bundle.start().get()).unwrap();
            let inside = &entries[start..start + usize::from(bundle.width())];
            assert_eq!(tiles::encode_bundle(inside.iter().map(Vec::as_slice)).unwrap(), bytes, "{path}");
            assert_eq!(tiles::decode_bundle(&bytes, bundle.width()).unwrap(), inside, "{path}");
        }
    }
}

#[test]
fn a_tree_that_grows_by_any_steps_has_the_same_tiles() {
    // [T-7]
    let all = leaves(520);
    for steps in [vec![1, 254, 1, 1, 255, 8], vec![256, 256, 8], vec![300, 220], vec![7; 74]] {
        let mut store = BTreeMap::new();
        let mut edge = Edge::empty();
        let mut done = 0;
        for step in steps {
            store.extend(
                edge.append(&hashes(&all[done..done + step])).into_iter().map(|(id, bytes)| (id.path(), bytes)),
            );
            done += step;
            for (path, bytes) in oracle::tiles::tiles(&all[..done]) {
                assert_eq!(store.get(&path), Some(&bytes), "{path} at size {done}");
            }
            let again = Edge::load(size(done), |id| store.get(&id.path()).cloned().ok_or("not there")).unwrap();
            assert_eq!(again, edge, "size {done}");
        }
    }
}

#[test]
fn the_third_level_begins_at_65_536() {
    // [T-1] [T-2] [T-4] [T-7] [H-10] [H-12] Odd batches up to, onto and over both boundaries of a tile of tiles.
    let all = leaves(66_049);
    let entries: Vec<Vec<u8>> = (0..all.len()).map(entry).collect();
    let mut store = BTreeMap::new();
    let mut edge = Edge::empty();
    let mut done = 0;
    for step in [255, 65_025, 255, 1, 1, 511, 1] {
        let written = edge.append(&hashes(&all[done..done + step]));
        store.extend(written.into_iter().map(|(id, bytes)| (id.path(), bytes)));
        done += step;
        if done < 65_535 {
            continue;
        }
        let tree = &all[..done];
        let wanted = Store::of(tree);
        for (path, bytes) in &wanted.0 {
            assert!(store.get(path) == Some(bytes), "{path} at size {done}");
        }
        let mut at_once = Edge::empty();
        let written: BTreeMap<_, _> =
            at_once.append(&hashes(tree)).into_iter().map(|(id, bytes)| (id.path(), bytes)).collect();
        assert!(written == wanted.0, "all at once, size {done}");
        let again = Edge::load(size(done), |id| store.get(&id.path()).cloned().ok_or("not there")).unwrap();
        assert!(at_once == edge && again == edge, "size {done}");
        assert_eq!(*edge.root().as_bytes(), merkle::mth(tree), "size {done}");
        assert_eq!(tiles::tiles_of(size(done)).count(), if done < 65_536 { 2 } else { 3 }, "levels of size {done}");
        for index in [0, 255, 256, 65_279, 65_280, done - 1] {
            let built = proof::inclusion(&wanted, LeafIndex::new(index as u64), size(done)).unwrap();
            assert_eq!(digests(&built), merkle::path(index, tree), "entry {index} of {done}");
        }
        for from in [1, 256, 257, 65_280, 65_535, done.min(65_536), done - 1] {
            let built = proof::consistency(&wanted, size(from), size(done)).unwrap();
            assert_eq!(digests(&built), merkle::proof(from, tree), "{from} to {done}");
        }
        for (path, bytes) in oracle::tiles::bundles(&entries[..done]).into_iter().skip(254) {
            let bundle = BundleId::parse(&path).unwrap();
            assert_eq!(BundleId::at(bundle.index(), size(done)), Some(bundle), "size {done}");
            let start = usize::try_from(bundle.start().get()).unwrap();
            assert_eq!(
                tiles::decode_bundle(&bytes, bundle.width()).unwrap(),
                entries[start..start + usize::from(bundle.width())]
            );
        }
    }
    assert_eq!(done, all.len());
}

#[test]
fn tile_roots_and_large_paths() {
    // [T-1] [T-5] The tree inside a tile is computed by another library than the rest.
    let all = leaves(256);
    for width in 1..=256 {
        assert_eq!(*tiles::tile_root(&hashes(&all[..width])).as_bytes(), merkle::mth(&all[..width]), "width {width}");
    }
    for index in [0, 1, 9, 99, 100, 999, 1_000, 1_234_067, 999_999, 1_000_000, u64::MAX / 256, u64::MAX] {
        for (level, width) in [(0, 256), (1, 1), (7, 255), (63, 256)] {
            let path = oracle::tiles::path(Some(level), index, width);
            let id = TileId::new(level, index, u16::try_from(width).unwrap()).unwrap();
            assert_eq!(id.path(), path);
            assert_eq!(TileId::parse(&path), Ok(id));
        }
        let path = oracle::tiles::path(None, index, 17);
        assert_eq!(BundleId::parse(&path), Ok(BundleId::new(index, 17).unwrap()), "{path}");
    }
}

#[test]
fn what_keys_sign() {
    // [N-2] [N-3] [N-6] [K-1] [C-2] [C-3] [C-4] [E-1]
    let point = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
    for (kind, key) in [
        (KeyKind::Ed25519, point.as_bytes().to_vec()),
        (KeyKind::Cosign, point.as_bytes().to_vec()),
        (KeyKind::MlDsa44, vec![9; 1_312]),
    ] {
        for name in ["a", "example.com/log", "Ein Name\u{2014}mit Strich".split(' ').next().unwrap()] {
            let text = messages::vkey(name, kind.byte(), &key);
            let vkey = Vkey::parse(&text).unwrap();
            assert_eq!(vkey.to_string(), text);
            assert_eq!(vkey.id(), KeyId::new(messages::key_id(name, kind.byte(), &key)));
            let line = note::Signature::by(&vkey, vec![1, 2, 3]).unwrap().line();
            assert_eq!(line, messages::line(name, messages::key_id(name, kind.byte(), &key), &[1, 2, 3]));
        }
    }
    let root = [0xab; 32];
    for (number, extensions) in [(0, vec![]), (u64::MAX, vec!["one", "two lines"])] {
        let text = messages::checkpoint("example.com/log", number, &root, &extensions);
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!((checkpoint.size.get(), *checkpoint.root.as_bytes()), (number, root));
        assert_eq!(checkpoint.origin, Origin::new("example.com/log").unwrap());
        assert_eq!(checkpoint.extensions, extensions);
        assert_eq!(checkpoint.text(), text);
        for time in [0, 1_679_315_147, i64::MAX as u64] {
            assert_eq!(cosignature::ed25519_message(&text, time), messages::cosignature_v1(&text, time));
        }
    }
    for (cosigner, origin) in
        [("w", "o"), ("witness.example.com/1", "example.com/log"), (&"n".repeat(255), &"o".repeat(255))]
    {
        for (time, start, end) in [(0, 0, 0), (1_679_315_147, 0, 20_852_163), (0, 256, 512), (u64::MAX, 0, u64::MAX)] {
            let ours = cosignature::mldsa_message(cosigner, time, origin, start, end, &Hash::new(root));
            assert_eq!(ours, Some(messages::subtree_v1(cosigner, time, origin, (start, end), &root)));
        }
    }
    for (kind, body) in [("", ""), ("http://example.com/HelloWorld", "hello world"), ("é", "€"), ("a b", "1 2")] {
        assert_eq!(envelope::pae_of(kind, body.as_bytes()), messages::pae(kind, body.as_bytes()));
    }
}

#[test]
fn the_oracle_can_say_no() {
    // An oracle that agrees with everything is none.
    let all = leaves(13);
    let root = merkle::mth(&all);
    let path = merkle::path(5, &all);
    assert!(!verify::inclusion(&all[4], 5, 13, &path, &root));
    assert!(!verify::inclusion(&all[5], 5, 13, &path[1..], &root));
    assert!(!verify::inclusion(&all[5], 13, 13, &path, &root));
    let proof = merkle::proof(5, &all);
    assert!(verify::consistency(5, &merkle::mth(&all[..5]), 13, &root, &proof));
    assert!(!verify::consistency(6, &merkle::mth(&all[..6]), 13, &root, &proof));
    assert!(!verify::consistency(5, &root, 13, &root, &proof));
    assert!(subtree::is_valid(4, 8) && subtree::is_valid(4, 7) && !subtree::is_valid(2, 5) && subtree::is_valid(3, 3));
    assert!(!subtree::consistency((4, 6), 13, &proof, &merkle::mth(&all[4..6]), &root));
    assert!(oracle::json::is_canonical(br#"{"a":1,"b":[]}"#) && !oracle::json::is_canonical(br#"{"b":[],"a":1}"#));
}
