//! Vectors of tiles: paths, geometry, bundles, and real tiles of other logs.
//!
//! A CT log's data tile is read by an adapter here; the product has no such entries. Not here: whole logs (`logs`).

use std::collections::BTreeMap;

use serde_json::Value;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::edge::Edge;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::Vkey;
use vitrine_spec::proof::{Tiles, root_from_tiles};
use vitrine_spec::tiles::{
    BundleId, Path, TileId, decode_bundle, encode_bundle, parse_path, partial_width, tile_root, tiles_of,
};
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};

use super::input::{Input, Outcome, array, member, number, unhex, word, words};
use super::note::want;
use super::reason::Reason;
use super::report::{Report, Want};
use crate::oracle::{self, Digest, merkle};

/// Ok when something holds, otherwise why not.
pub(super) fn check(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// `tiles/paths.json`; a `level` that is `entries` is a bundle.
pub(super) fn paths(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let path = word(case, "path")?;
        let got = parse_path(path);
        if let Ok(read) = &got {
            report.same(path, "the path printed", &read.path().as_str(), &path);
            let (level, index, width) = match read {
                Path::Tile(tile) => (Value::from(tile.level()), tile.index(), tile.width()),
                Path::Bundle(bundle) => (Value::from("entries"), bundle.index(), bundle.width()),
            };
            report.same(path, "the level", &level, member(case, "level")?);
            report.same(path, "the index", &index, &number(case, "index")?);
            report.same(path, "the width", &u64::from(width), &number(case, "width")?);
        }
        report.case(path, want(case)?, got.map(|_| ()));
    }
    Ok(())
}

/// `tiles/limits.json`, ours: what no path can say and no bundle can hold.
pub(super) fn limits(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "tiles")? {
        let (level, width) = (number(case, "level")?, number(case, "width")?);
        let small = u8::try_from(level).ok().zip(u16::try_from(width).ok()).ok_or("level or width is too large")?;
        let got = TileId::new(small.0, 0, small.1);
        report.case(&format!("level {level} width {width}"), want(case)?, got.map(|_| ()));
    }
    for case in array(&file, "bundles")? {
        let (hex, width) = (word(case, "hex")?, number(case, "width")?);
        let got = decode_bundle(&unhex(hex)?, u16::try_from(width).map_err(|error| error.to_string())?);
        report.case(&format!("bundle {hex:?} width {width}"), want(case)?, got.map(|_| ()));
    }
    for case in array(&file, "entries")? {
        let bytes = number(case, "bytes")?;
        let entry = vec![0; usize::try_from(bytes).map_err(|error| error.to_string())?];
        let got = encode_bundle(std::iter::once(entry.as_slice()));
        report.case(&format!("entry of {bytes} bytes"), want(case)?, got.map(|_| ()));
    }
    Ok(())
}

/// Tiles made by the oracle.
struct Made(BTreeMap<String, Vec<u8>>);

impl Tiles for Made {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        self.0.get(&id.path()).cloned().ok_or_else(|| format!("no {id}"))
    }
}

/// `tiles/geometry.json`.
pub(super) fn geometry(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "tree_tiles")? {
        let size = TreeSize::new(number(case, "tree_size")?);
        let id = format!("tree of {size}");
        let levels = array(case, "levels")?;
        report.same(&id, "the levels", &tiles_of(size).count(), &levels.len());
        for wanted in levels {
            let level = u8::try_from(number(wanted, "level")?).map_err(|error| error.to_string())?;
            let (full, partial) = (number(wanted, "full_tiles")?, number(wanted, "partial_width")?);
            report.same(&id, "the partial width", &u64::from(partial_width(size, level)), &partial);
            let width = |index| TileId::at(level, index, size).map(|tile| u64::from(tile.width()));
            report.same(&id, "the first tile behind the full ones", &width(full), &Some(partial).filter(|w| *w > 0));
            report.same(
                &id,
                "the last full tile",
                &full.checked_sub(1).and_then(width),
                &full.checked_sub(1).map(|_| 256),
            );
        }
        report.case::<String>(&id, Want::Ok, Ok(()));
    }
    for case in array(&file, "entry_path")? {
        let (index, size) = (LeafIndex::new(number(case, "index")?), TreeSize::new(number(case, "tree_size")?));
        let path = BundleId::holding(index, size).map(|bundle| bundle.path());
        let got = check(path.as_deref() == Some(word(case, "path")?), &format!("{path:?}"));
        report.case(&format!("entry {index} of {size}"), Want::Ok, got);
    }
    for case in array(&file, "node_address")? {
        node_address(case, report)?;
    }
    for case in array(&file, "bundles")? {
        let hex = word(case, "hex")?;
        let id = format!("bundle {hex:?}");
        let bundle = unhex(hex)?;
        let id = id.as_str();
        if word(case, "expect")? == "ok" {
            let entries: Vec<Vec<u8>> = words(case, "entries")?.into_iter().map(String::into_bytes).collect();
            let width = u16::try_from(entries.len()).map_err(|error| error.to_string())?;
            let got = decode_bundle(&bundle, width);
            report.same(id, "the entries", &got.as_ref().ok(), &Some(&entries));
            let again = encode_bundle(entries.iter().map(Vec::as_slice));
            report.same(id, "the bundle encoded", &again.ok(), &Some(bundle));
            report.case(id, Want::Ok, got.map(|_| ()));
        } else {
            // No number of entries makes it a bundle.
            let taken: Vec<u16> = (0..=256).filter(|width| decode_bundle(&bundle, *width).is_ok()).collect();
            report.same(id, "widths that take it", &taken, &Vec::new());
            report.case(id, want(case)?, decode_bundle(&bundle, 1).map(|_| ()));
        }
    }
    Ok(())
}

/// A node of the tree is the root over its neighbours in one tile: 2^`node_level` hashes from `node_index` on at that height.
fn node_address(case: &Value, report: &mut Report) -> Outcome {
    let small = |name: &str| usize::try_from(number(case, name)?).map_err(|error| error.to_string());
    let (height, at) = (small("tree_level")?, small("tree_index")?);
    let id = format!("node {at} at height {height}");
    let size = (at + 1) << height;
    let leaves: Vec<Digest> = (0..size).map(|index| merkle::leaf_hash(&index.to_be_bytes())).collect();
    let made = Made(oracle::tiles::tiles(&leaves).into_iter().collect());
    let wanted = merkle::mth(&leaves[at << height..]);
    let level = u8::try_from(small("tile_level")?).map_err(|error| error.to_string())?;
    let tile = TileId::at(level, number(case, "tile_index")?, TreeSize::new(size as u64)).ok_or("no such tile")?;
    let hashes = Hash::slice_of(&made.tile(tile)?).ok_or("a torn tile")?;
    let (node_height, first) = (small("node_level")?, small("node_index")?);
    let neighbours = hashes.get(first << node_height..(first + 1) << node_height).ok_or("outside the tile")?;
    report.case(&id, Want::Ok, check(*tile_root(neighbours).as_bytes() == wanted, "another hash"));
    Ok(())
}

/// `tiles/navigli2025h2`: level-0 tiles of a CT log, and one of its data tiles.
pub(super) fn navigli(input: &Input, report: &mut Report) -> Outcome {
    let facts: Value = serde_json::from_slice(&input.read("facts.json")?).map_err(|error| error.to_string())?;
    let mut leaves = Vec::new();
    let mut full = BTreeMap::new();
    for index in 0..4 {
        let id = TileId::new(0, index, 256).map_err(|error| error.to_string())?;
        let bytes = input.read(&id.path())?;
        leaves.extend(Hash::slice_of(&bytes).filter(|hashes| hashes.len() == 256).ok_or("not a full tile")?);
        full.insert(index, bytes);
    }
    let level1: Vec<String> = leaves.chunks(256).map(|tile| tile_root(tile).hex()).collect();
    report.case("level 1", Want::Ok, check(level1 == words(&facts, "level1_hashes")?, &format!("{level1:?}")));
    for (size, wanted) in member(&facts, "root_of_first")?.as_object().ok_or("root_of_first is no object")? {
        let first = leaves.get(..size.parse().map_err(|error| format!("{size}: {error}"))?).ok_or("too few leaves")?;
        let mut frontier = Frontier::new();
        frontier.extend(first.iter().copied());
        let mut edge = Edge::empty();
        edge.append(first);
        report.same(size, "the root of the edge", &edge.root().hex().as_str(), &wanted.as_str().unwrap_or_default());
        let root = frontier.root().hex();
        report.case(&format!("root of {size}"), Want::Ok, check(wanted.as_str() == Some(root.as_str()), &root));
    }
    let partial = TileId::new(0, 3, 10).map_err(|error| error.to_string())?;
    let bytes = input.read(&partial.path())?;
    report.same("partial", "its length", &bytes.len(), &partial.bytes());
    report.case("partial", Want::Ok, check(full[&3].starts_with(&bytes), "not the beginning of the full tile"));
    let hashes: Vec<Hash> =
        ct_entries(&input.read("tile/data/003.p/10")?)?.iter().map(|entry| leaf_hash(entry)).collect();
    report.case("data tile", Want::Ok, check(hashes == leaves[768..778], "other leaf hashes"));
    Ok(())
}

/// The `MerkleTreeLeaf`s of a static-ct data tile: version and leaf type (0, 0), then the `TimestampedEntry` as it stands.
fn ct_entries(mut tile: &[u8]) -> Outcome<Vec<Vec<u8>>> {
    fn take<'t>(tile: &mut &'t [u8], bytes: usize) -> Outcome<&'t [u8]> {
        let (taken, rest) = tile.split_at_checked(bytes).ok_or("a data tile ends inside an entry")?;
        *tile = rest;
        Ok(taken)
    }
    fn length(tile: &mut &[u8], bytes: usize) -> Outcome<usize> {
        Ok(take(tile, bytes)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }
    let mut entries = Vec::new();
    while !tile.is_empty() {
        let start = tile;
        take(&mut tile, 8)?; // timestamp
        let precertificate = match length(&mut tile, 2)? {
            0 => false,
            1 => true,
            other => return Err(format!("entry type {other}")),
        };
        if precertificate {
            take(&mut tile, 32)?; // issuer key hash
        }
        let certificate = length(&mut tile, 3)?;
        take(&mut tile, certificate)?;
        let extensions = length(&mut tile, 2)?;
        take(&mut tile, extensions)?;
        entries.push([&[0, 0], &start[..start.len() - tile.len()]].concat());
        if precertificate {
            let submitted = length(&mut tile, 3)?;
            take(&mut tile, submitted)?;
        }
        let fingerprints = length(&mut tile, 2)?;
        take(&mut tile, fingerprints)?;
    }
    Ok(entries)
}

/// A folder whose tiles are read as they are asked for.
pub(super) struct Folder<'i>(pub &'i Input);

impl Tiles for Folder<'_> {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        self.0.read(&id.path())
    }
}

/// `tiles/skylight-mirror`: a tree of 300 entries, cosigned by a mirror.
pub(super) fn skylight(input: &Input, report: &mut Report) -> Outcome {
    let signed = SignedCheckpoint::parse(&input.read("checkpoint")?).map_err(|error| error.to_string())?;
    report.same("checkpoint", "the size", &signed.size(), &TreeSize::new(300));
    let key = Vkey::parse("mirror.example.org+3fb148ef+BAAjjch9GyYz0sJsJx7ALhbdAtz2ov0unbzSl1vMp94O");
    let key = key.map_err(|error| error.to_string())?;
    let line = signed.signatures().first().ok_or("no signature")?;
    let got = cosignature::verify(&key, &signed, line).map_err(|error| error.reason());
    report.case("checkpoint", Want::Ok, got.map(|_| ()));
    let leaves: Vec<Hash> = (0..300).map(|number| leaf_hash(format!("record {number}").as_bytes())).collect();
    let mut edge = Edge::empty();
    let mut tiles = edge.append(&leaves);
    tiles.sort_by_key(|(id, _)| *id);
    for (id, bytes) in tiles {
        let theirs = input.read(&id.path())?;
        report.case(&id.path(), Want::Ok, check(bytes == theirs, "other hashes"));
    }
    let root = root_from_tiles(&Folder(input), signed.size()).map_err(|error| error.to_string())?;
    report.same("root", "of the edge", &edge.root(), signed.root());
    report.case("root", Want::Ok, check(root == *signed.root(), "another root"));
    Ok(())
}
