//! Seeds for every target: all that the vectors hold, inside each other too.
//!
//! One pool: libFuzzer keeps of it what reaches something new in the target it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use vitrine_spec::hash::Hash;
use vitrine_spec::text;

/// Bytes of a seed, at most; what is longer is only looked into.
const SEED_BYTES_MAX: usize = 1 << 16;
/// How many times something is looked for inside something else: the payload in a leaf in a proof in a file.
const DEPTH_MAX: usize = 6;

/// `seeds TO FROM...`: writes what is in the files and folders `FROM` into the folder `TO`.
pub fn write() {
    let mut paths = std::env::args().skip(1);
    let to = paths.next().expect("a folder to write to");
    let mut found = BTreeSet::new();
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
