//! `tlog_tiles` and `signed_note` read and verify other logs, our files and our live server; what is damaged they refuse.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::Path;

use vitrine_spec::key::{KeyKind, Seed};
use vitrine_tests::demo::product::now;
use vitrine_tests::harness::events::Builds;
use vitrine_tests::harness::forge;
use vitrine_tests::harness::world::World;
use vitrine_tests::interop::{self, Reader};
use vitrine_tests::{oracle, shared};

const ORIGIN: &str = "interop.example/log";

/// Bytes of a folder by path.
fn folder(root: &Path) -> impl Fn(&str) -> Result<Vec<u8>, String> {
    let root = root.to_owned();
    move |path| std::fs::read(root.join(path)).map_err(|error| format!("{path}: {error}"))
}

#[test]
fn paths_are_rewritten() {
    for (theirs, ours) in [
        ("tile/8/0/000", "tile/0/000"),
        ("tile/8/data/000.p/7", "tile/entries/000.p/7"),
        ("tile/8/8/x001/000", "tile/8/x001/000"),
    ] {
        assert_eq!(interop::path(theirs), ours);
    }
}

#[test]
fn a_log_of_others_is_read_by_the_same_readers() {
    // So that what they say of ours below means something.
    let Some(vectors) = shared::vectors("a_log_of_others_is_read_by_the_same_readers") else { return };
    let root = vectors.join("logs/tessera-15");
    let vkey = std::fs::read_to_string(root.join("log.vkey")).unwrap();
    let read = Reader::new(folder(&root.join("log"))).verify(vkey.trim_end(), "example.com/log/testdata", 1).unwrap();
    assert_eq!((read.entries.len(), read.entries[0].as_slice(), read.other_signatures), (15, b"one".as_slice(), 0));
}

#[test]
fn our_files_are_read_and_damaged_ones_refused() {
    let keys = [KeyKind::Ed25519, KeyKind::MlDsa44].map(|kind| Seed::new(ORIGIN, kind, [5; 32]).unwrap());
    let vkey = keys[0].vkey().to_string();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for size in [0, 1, 255, 256, 257, 600] {
        let entries: Vec<Vec<u8>> = (0..size).map(|number: usize| number.to_string().into_bytes()).collect();
        let hash = forge::publish(root, ORIGIN, &entries, &keys, 0).unwrap();
        let read = Reader::new(folder(root)).verify(&vkey, ORIGIN, 7).unwrap();
        assert_eq!((read.entries.as_slice(), read.other_signatures), (entries.as_slice(), 1), "size {size}");
        assert_eq!(read.root, *hash.as_bytes());
        let leaves: Vec<oracle::Digest> = entries.iter().map(|entry| oracle::merkle::leaf_hash(entry)).collect();
        assert_eq!(read.root, oracle::merkle::mth(&leaves), "size {size}");
    }
    let other = Seed::new(ORIGIN, KeyKind::Ed25519, [6; 32]).unwrap().vkey().to_string();
    assert!(Reader::new(folder(root)).verify(&other, ORIGIN, 7).is_err(), "another key");
    assert!(Reader::new(folder(root)).verify(&vkey, "interop.example/other", 7).is_err(), "another origin");
    for damaged in
        ["checkpoint", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"]
    {
        let bytes = std::fs::read(root.join(damaged)).unwrap();
        let read = folder(root);
        let flipped = Reader::new(|path: &str| {
            let mut bytes = read(path)?;
            if path == damaged {
                bytes[40] ^= 1; // of a checkpoint, a byte of its root
            }
            Ok(bytes)
        });
        assert!(flipped.verify(&vkey, ORIGIN, 7).is_err(), "one bit of {damaged}");
        let lost = Reader::new(|path: &str| if path == damaged { Err("lost".to_owned()) } else { read(path) });
        let error = lost.verify(&vkey, ORIGIN, 7).unwrap_err();
        assert_eq!(error, "lost", "{damaged} of {} bytes", bytes.len());
    }
}

#[test]
fn our_live_server_is_read_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::create(directory.path(), ORIGIN).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = reqwest::Client::new();
    let get = |path: &str| -> Result<Vec<u8>, String> {
        let url = format!("{}/{path}", world.url());
        runtime.block_on(async {
            let answer = client.get(&url).send().await.map_err(|error| format!("{url}: {error}"))?;
            let answer = answer.error_for_status().map_err(|error| error.to_string())?;
            answer.bytes().await.map(|bytes| bytes.to_vec()).map_err(|error| format!("{url}: {error}"))
        })
    };
    let vkey = forge::key(&world.path("log.keys/log-ed25519.key")).unwrap().vkey().to_string();
    let before = Reader::new(get).verify(&vkey, ORIGIN, 1).unwrap();

    // One batch over a full tile: a full and a partial one, and the first of level 1.
    let builds = Builds::open(&world, "farm").unwrap();
    let lines: Vec<u8> =
        (0..300).flat_map(|number| [builds.sign(number, now()).unwrap().print(), b"\n".to_vec()].concat()).collect();
    let answer = runtime.block_on(async {
        let request = client.post(format!("{}/events", world.url())).header("content-type", "application/x-ndjson");
        request.body(lines).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    });
    assert_eq!(answer.matches("\"event_id\"").count(), 300, "{answer}");
    let after = Reader::new(get).verify(&vkey, ORIGIN, 11).unwrap();
    assert!(after.entries.len() > 300 && after.entries.starts_with(&before.entries), "{} entries", after.entries.len());
    // The log's ML-DSA-44 line and, of two witnesses at least, both.
    assert!(after.other_signatures > 2 * 2, "{} other signatures", after.other_signatures);
    world.stop().unwrap();
}
