//! What `fsck` says of a whole log, and of each damage done to one (85-log.md, "Begin and check").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use super::fsck;
use crate::index::tests::World;
use crate::time::Time;

/// What is done to the bytes of an object.
type Damage = fn(&mut Vec<u8>);

#[test]
fn a_log_that_was_not_tampered_with_is_clean() {
    // [S-18]
    let mut world = World::new();
    let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.published), (world.log.size().get(), world.log.size().get()));
    assert!(report.stages > 0, "nothing has settled: the stages count as written");
    assert!(report.tiles > 20 && report.bundles > 20 && report.kept >= 1, "{report:?}");
    assert_eq!(report.origin, crate::fake::ORIGIN);

    // Behind one of the stages' objects the disk may hold anything.
    let newest = format!("tile/entries/000.p/{}", world.log.size());
    let bytes = world.store.read(&newest).unwrap().unwrap();
    world.store.put(&newest, b"torn").unwrap();
    assert_eq!(fsck(Arc::clone(&world.store), &|_| {}).unwrap().findings, []);
    world.store.put(&newest, &bytes).unwrap();

    world.grow(1);
    world.log.settler().work().unwrap();
    let clean = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
    assert_eq!((clean.stages, clean.findings), (0, Vec::new()));
}

#[test]
fn each_damage_is_found_where_it_is() {
    // [S-18]
    let world = World::new();
    world.log.settler().work().unwrap();
    let size = world.log.size().get();
    let kept = format!("kept/{}", Time::now().hour());
    let kept = if world.store.read(&kept).unwrap().is_some() {
        kept
    } else {
        format!("kept/{}", Time::new(Time::now().get() - 3_600).hour())
    };
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    };
    let cases: Vec<(String, Damage, String)> = vec![
        (format!("tile/entries/000.p/{size}"), flip, format!("tile/0/000.p/{size}")),
        (format!("tile/0/000.p/{size}"), flip, format!("tile/0/000.p/{size}")),
        ("tile/entries/000.p/2".to_owned(), flip, "tile/entries/000.p/2".to_owned()),
        ("tile/0/000.p/6".to_owned(), |bytes| bytes.truncate(32), "tile/0/000.p/6".to_owned()),
        ("checkpoint".to_owned(), flip, "checkpoint".to_owned()),
        ("head".to_owned(), flip, "head".to_owned()),
        (kept.clone(), flip, kept),
        ("kept/2026/13/01/00".to_owned(), |bytes| bytes.extend(b"none"), "kept/2026/13/01/00".to_owned()),
        (format!("tile/0/000.p/{}", size + 1), |bytes| bytes.extend([0; 32]), format!("tile/0/000.p/{}", size + 1)),
        ("tile/0/notes".to_owned(), |bytes| bytes.extend(b"mine"), "tile/0/notes".to_owned()),
    ];
    let count = cases.len();
    let mut found = 0;
    for (path, change, want) in cases {
        let before = world.store.read(&path).unwrap();
        let mut bytes = before.clone().unwrap_or_default();
        change(&mut bytes);
        world.store.put(&path, &bytes).unwrap();
        let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
        let names: Vec<&str> = report.findings.iter().map(|finding| finding.path.as_str()).collect();
        assert!(names.contains(&want.as_str()), "{path}: {:?}", report.findings);
        found += 1;
        match before {
            Some(bytes) => world.store.put(&path, &bytes).unwrap(),
            None => world.store.delete(&path).unwrap(),
        }
    }
    assert_eq!(found, count);
    assert_eq!(fsck(Arc::clone(&world.store), &|_| {}).unwrap().findings, []);
}
