//! Seeds for every target: all that the vectors hold, inside each other too.
//!
//! One pool: libFuzzer keeps of it what reaches something new in the target it runs. One of each file that the vectors may
//! not hold is made here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use vitrine_spec::bundle::Bundle;
use vitrine_spec::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use vitrine_spec::edge::Edge;
use vitrine_spec::envelope::EventId;
use vitrine_spec::floor::{Floor, Raise};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::note::Signature;
use vitrine_spec::proof::Tiles;
use vitrine_spec::text;
use vitrine_spec::tiles::TileId;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::watched::Watched;
use vitrine_spec::words::Name;

/// Bytes of a seed, at most; what is longer is only looked into.
const SEED_BYTES_MAX: usize = 1 << 16;
/// How many times something is looked for inside something else: the payload in a leaf in a proof in a file.
const DEPTH_MAX: usize = 6;

/// `seeds TO FROM...`: writes what is in the files and folders `FROM` into the folder `TO`.
pub fn write() {
    let mut paths = std::env::args().skip(1);
    let to = paths.next().expect("a folder to write to");
    let mut found = made();
    for from in paths {
        read(Path::new(&from), &mut found);
    }
    assert!(found.len() > 1_000, "only {} seeds: have the vectors moved?", found.len());
    fs::create_dir_all(&to).expect("the folder can be made");
    for seed in &found {
        let name = Hash::of(seed).hex();
        fs::write(Path::new(&to).join(&name[..32]), seed).expect("a seed can be written");
    }
    println!("{} seeds in {to}", found.len());
}

/// A bundle of three entries, what a watch wrote, a floor.
fn made() -> BTreeSet<Vec<u8>> {
    struct Written(BTreeMap<TileId, Vec<u8>>);
    impl Tiles for Written {
        type Error = TileId;
        fn tile(&self, id: TileId) -> Result<Vec<u8>, TileId> {
            self.0.get(&id).cloned().ok_or(id)
        }
    }
    let leaf = |index: u64| (LeafIndex::new(index), format!("entry {index}").into_bytes());
    let leaves: Vec<Hash> = (0..21).map(|index| leaf_hash(&leaf(index).1)).collect();
    let mut edge = Edge::empty();
    let written = Written(edge.append(&leaves).into_iter().collect());
    let origin = Origin::new("log.example").expect("an origin");
    let seed = Seed::new("log.example", KeyKind::Ed25519, [5; 32]).expect("a seed");
    let checkpoint = Checkpoint::new(origin.clone(), edge.size(), edge.root());
    let signature = seed.sign_ed25519(checkpoint.text().as_bytes()).expect("an Ed25519 key").to_vec();
    let line = Signature::by(&seed.vkey(), signature).expect("a signature");
    let signed = SignedCheckpoint::new(checkpoint, vec![line]).expect("one signature").print().into_bytes();
    let bundle =
        Bundle::make([3, 4, 18].map(leaf).to_vec(), edge.size(), signed, &written).expect("all tiles are there");

    let name = |text: &str| Name::new(text).expect("a name");
    let mut watched = Watched { size: edge.size(), root: edge.root(), ..Watched::nothing(origin.clone()) };
    watched.revoked.insert(EventId::of(b"1"), (LeafIndex::new(5), name("defect")));
    watched.disowned.insert((name("release"), 1), LeafIndex::new(7));
    watched.closed.insert((name("farm"), 2), (LeafIndex::new(9), name("compromise")));
    watched.second.insert((Hash::of(b"2"), LeafIndex::new(11), Hash::of(b"3")));
    let mut floor = Floor::nothing(origin);
    for (package_id, release_seq) in [("pkg:deb/app", 7), ("rules with blanks", 3)] {
        let (size, root, channel) = (edge.size(), edge.root(), name("stable"));
        floor.raise(&Raise { size, root, package_id: package_id.into(), channel, release_seq });
    }
    [bundle.print(), watched.print().into_bytes(), floor.print().into_bytes()].into()
}

fn read(path: &Path, found: &mut BTreeSet<Vec<u8>>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder lists") {
            read(&entry.expect("a folder lists").path(), found);
        }
    } else {
        take(&fs::read(path).expect("a file is read"), DEPTH_MAX, found);
    }
}

fn take(bytes: &[u8], depth: usize, found: &mut BTreeSet<Vec<u8>>) {
    if bytes.is_empty() || depth == 0 || (bytes.len() <= SEED_BYTES_MAX && !found.insert(bytes.to_vec())) {
        return;
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        look(&value, depth, found);
        return;
    }
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    // Lines of JSON, keys in a policy, the leaf in a proof, the envelope of a request.
    for line in given.lines().filter(|line| line.starts_with('{')) {
        take(line.as_bytes(), depth - 1, found);
    }
    for word in given.split_ascii_whitespace().filter(|word| word.len() >= 24) {
        if word.matches('+').count() >= 2 && word.len() < given.trim().len() {
            take(word.as_bytes(), depth - 1, found);
        }
        if let Ok(inside) = text::unb64(word) {
            take(&inside, depth - 1, found);
        }
    }
}

fn look(value: &Value, depth: usize, found: &mut BTreeSet<Vec<u8>>) {
    match value {
        Value::String(text) => {
            take(text.as_bytes(), depth - 1, found);
            if text.len() >= 16 && text.len() % 2 == 0 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
                let pairs = text.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
                let bytes: Vec<u8> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
                take(&bytes, depth - 1, found);
            }
        }
        Value::Array(items) => {
            // The values of a record.
            if items.len() == 24 {
                found.insert(serde_json::to_vec(value).expect("a value prints"));
            }
            items.iter().for_each(|item| look(item, depth, found));
        }
        Value::Object(members) => {
            for name in ["body", "submission", "envelope", "opening"] {
                if let Some(inside) = members.get(name).filter(|inside| inside.is_object()) {
                    found.insert(serde_json::to_vec(inside).expect("a value prints"));
                }
            }
            members.values().for_each(|member| look(member, depth, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
