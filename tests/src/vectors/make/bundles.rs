//! Bundles of a log of seven short entries: what is no bundle, and what is one and does not hold.
//!
//! Nobody's entries are events here. Not here: bundles in a verdict (`drill`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::{ORIGIN, World, log_key};
use crate::oracle::merkle;

/// `bundle/files.json`.
pub(super) fn files() -> Value {
    let mut world = World::default();
    for entry in 0_u8..7 {
        world.raw(vec![b'a' + entry]);
    }
    let leaves: Vec<_> = world.leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
    let text = world.checkpoint();
    let note = format!("{text}\n{}", log_key().line(&text, 0));
    let b64 = |bytes: &[u8]| STANDARD.encode(bytes);
    let entry = |index: usize| format!("entry {index} {}\n", b64(&world.leaves[index]));
    let hash = |from: usize, to: usize| format!("hash {}\n", b64(&merkle::mth(&leaves[from..to])));
    let whole = |lines: &[String]| format!("vitrine.example/bundle@v0\n{}\n{note}", lines.concat());
    let mut cases = Vec::new();
    let mut case =
        |id: &str, expect: &str, bundle: Value| cases.push(json!({"id": id, "expect": expect, "bundle": bundle}));

    case("one-entry", "ok", json!(whole(&[entry(6), hash(0, 4), hash(4, 6)])));
    case("two-entries", "ok", json!(whole(&[entry(1), entry(4), hash(0, 1), hash(2, 4), hash(5, 6), hash(6, 7)])));
    case("all-entries", "ok", json!(whole(&(0..7).map(entry).collect::<Vec<_>>())));

    let two = [entry(1), entry(4), hash(0, 1), hash(2, 4), hash(5, 6), hash(6, 7)];
    let good = whole(&two);
    let changed = |from: &str, to: &str| json!(good.replacen(from, to, 1));
    case("another-version", "fail", changed("@v0", "@v1"));
    case("no-header", "fail", changed("vitrine.example/bundle@v0\n", ""));
    case("blank-behind-the-header", "fail", changed("@v0", "@v0 "));
    case("mark-before-the-header", "fail", json!(format!("\u{feff}{good}")));
    case("another-word", "fail", changed("entry 1", "leaf 1"));
    case("two-blanks", "fail", changed("entry 1 ", "entry 1  "));
    case("entry-without-leaf", "fail", changed(&entry(1), "entry 1\n"));
    case(
        "entry-behind-a-hash",
        "fail",
        json!(whole(&[entry(1), hash(0, 1), entry(4), hash(2, 4), hash(5, 6), hash(6, 7)])),
    );
    case("blank-line-of-a-blank", "fail", changed("\n\n", "\n \n"));
    case("no-empty-line", "fail", json!("vitrine.example/bundle@v0\nentry 1 Yg==\n"));
    case("header-alone", "fail", json!("vitrine.example/bundle@v0\n"));
    case("index-with-a-plus", "fail", changed("entry 1", "entry +1"));
    case("index-with-a-zero", "fail", changed("entry 1", "entry 01"));
    case("index-of-65-bits", "fail", changed("entry 4", "entry 18446744073709551616"));
    case("leaf-without-padding", "fail", changed("entry 1 Yg==", "entry 1 Yg"));
    case("leaf-with-loose-bits", "fail", changed("entry 1 Yg==", "entry 1 Yh=="));
    case("carriage-returns", "fail", json!(good.replace('\n', "\r\n")));
    let digest = b64(&merkle::mth(&leaves[2..4]));
    case("hash-of-31-bytes", "fail", changed(&digest, &b64(&[7; 31])));
    case("hash-in-url-base64", "fail", changed(&digest, &format!("{}-=", &digest[..42])));
    case("no-entries", "fail", json!(whole(&[hash(0, 4), hash(4, 7)])));
    let many: Vec<String> = (0..129).map(|index| format!("entry {index} Yg==\n")).collect();
    case("129-entries", "fail", json!(whole(&many)));
    case("entry-of-no-bytes", "fail", changed("entry 1 Yg==", "entry 1 "));
    // 21,846 times three bytes are 65,538.
    let (before, after) = good.split_once("Yg==").unwrap_or_default();
    case("entry-of-65538-bytes", "fail", json!({"before": before, "repeat": "YWJj", "times": 21_846, "after": after}));
    case("entries-descending", "fail", json!(whole(&[&[entry(4), entry(1)], &two[2..]].concat())));
    case("entry-twice", "fail", json!(whole(&[&[entry(1)], &two[..]].concat())));
    case("entry-outside", "fail", changed("entry 4", "entry 7"));
    case("hash-missing", "fail", json!(whole(&two[..5])));
    case("hash-surplus", "fail", json!(whole(&[&two[..], &[hash(6, 7)]].concat())));
    case("separate-paths", "fail", json!(whole(&[entry(5), entry(6), hash(0, 4), hash(4, 5), hash(4, 6)])));
    case("hashes-swapped", "fail", json!(whole(&[&two[..4], &[two[5].clone(), two[4].clone()]].concat())));
    case("another-leaf", "fail", changed("entry 1 Yg==", "entry 1 Yw=="));
    case("entry-elsewhere", "fail", changed("entry 1", "entry 0"));
    let one = "entry 6 Zw==\n";
    case("no-checkpoint", "fail", json!(format!("vitrine.example/bundle@v0\n{one}{}{}\n", hash(0, 4), hash(4, 6))));
    case("checkpoint-without-signature", "fail", json!(good.replacen(&note, &format!("{text}\n"), 1)));
    case("checkpoint-size-with-a-zero", "fail", changed(&format!("{ORIGIN}\n7"), &format!("{ORIGIN}\n07")));
    case("text-behind-the-checkpoint", "fail", json!(format!("{good}\n")));
    // 128 entries with their longest paths and the longest checkpoint are below 13,000,000.
    case("too-long", "fail", json!({"repeat": " ", "times": 13_000_000}));
    cases.push(json!({"id": "not-utf-8", "expect": "fail", "bundle_b64": b64(&[good.as_bytes(), b"\xff"].concat())}));
    json!({"description": "Bundles (docs/92-bundle.md): read and verified by their places, without a key.", "cases": cases})
}
