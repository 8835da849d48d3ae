//! What `fsck` says of a whole log, and of each damage done to one (85-log.md, "Begin and check").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use vitrine_spec::tree::LeafIndex;

use super::fsck;
use crate::index::tests::World;
use crate::sealed;
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

/// What is done to the records of an object.
type Change<'a> = &'a dyn Fn(&mut Vec<(u64, Vec<u8>)>);

/// A log with sealed records, of which two are erased, and nothing left to settle.
fn erased() -> (World, crate::index::tests::Accesses) {
    let (mut world, at) = World::with_accesses();
    let mut due = BTreeSet::from([at.accesses[0], at.accesses[3]].map(LeafIndex::new));
    while !due.is_empty() {
        let erased = world.log.erase_next(&mut due).unwrap();
        assert_eq!((erased.done.len(), erased.anew.len(), erased.missing.len()), (1, 1, 0));
    }
    (world, at)
}

#[test]
fn every_sealed_record_is_compared_with_its_leaf() {
    // [S-30]
    let (world, _) = World::with_accesses();
    let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.sealed, report.records, report.erased, report.to_erase), (2, 4, 0, 2));

    let (world, _) = erased();
    let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.sealed, report.records, report.erased, report.to_erase), (2, 4, 2, 0));
}

#[test]
fn an_erasure_that_is_not_published_erases_nothing() {
    // [S-30] [S-31]
    let (world, at) = erased();
    assert_eq!(fsck(Arc::clone(&world.store), &|_| {}).unwrap().findings, []);
    world.store.put("checkpoint", &at.before).unwrap();
    let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
    let told: Vec<&str> = report.findings.iter().map(|found| found.what.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|what| what.ends_with("is zeros, and no published erasure names it")), "{told:?}");
}

#[test]
fn each_damage_of_sealed_records_is_found_where_it_is() {
    // [S-30]
    let (world, at) = erased();
    let [first, second, third, last] = at.accesses[..] else { unreachable!("four accesses") };
    let (left, right) = (sealed::path(first - 2, third + 1), sealed::path(last, last + 2));
    let bytes = world.store.read(&left).unwrap().unwrap();
    let records: Vec<(u64, Vec<u8>)> =
        sealed::decode(&bytes).unwrap().into_iter().map(|(index, place)| (index, bytes[place].to_vec())).collect();
    let object = |change: Change<'_>| {
        let mut records = records.clone();
        change(&mut records);
        sealed::encode(records.iter().map(|(index, bytes)| (*index, bytes.as_slice())))
    };
    let surplus = |index: u64| sealed::encode([(index, &b"surplus"[..])]);
    let size = world.log.size().get();
    let cases: Vec<(String, Option<Vec<u8>>, &str)> = vec![
        (left.clone(), Some(object(&|records| records[1].1[500] ^= 1)), "the leaf names"),
        (left.clone(), Some(object(&|records| records[2].1.push(0))), "the leaf names"),
        (left.clone(), Some(object(&|records| records[0].1.push(0))), "the leaf names"),
        (left.clone(), Some(object(&|records| records[1].1.fill(0))), "is zeros, and no published erasure names it"),
        (left.clone(), Some(object(&|records| drop(records.remove(1)))), "has no sealed record"),
        (left.clone(), Some(object(&|records| records.insert(0, (first - 1, vec![1])))), "which is of no sealed type"),
        (left.clone(), Some(object(&|records| records.swap(0, 1))), "stands behind"),
        (
            left.clone(),
            Some(object(&|records| records.push((third + 1, vec![1])))),
            "stands in the object of the entries",
        ),
        (left.clone(), Some(bytes[..bytes.len() - 1].to_vec()), "it ends inside"),
        (left.clone(), Some(Vec::new()), "it holds no record"),
        (left.clone(), None, "3 entries between"),
        (right.clone(), None, "has no sealed record"),
        (sealed::path(0, 1), Some(surplus(0)), "which is of no sealed type"),
        (sealed::path(size - 1, size), Some(surplus(size - 1)), "stands for entries that"),
        (sealed::path(size, size + 1), Some(surplus(size)), "it ends beyond the head's size"),
        ("sealed/000/notes".to_owned(), Some(b"mine".to_vec()), "no object of sealed records has this name"),
    ];
    for (path, damaged, want) in cases {
        let before = world.store.read(&path).unwrap();
        match damaged {
            Some(bytes) => world.store.put(&path, &bytes).unwrap(),
            None => world.store.delete(&path).unwrap(),
        }
        let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
        let found = report.findings.iter().any(|found| path.starts_with(&found.path) && found.what.contains(want));
        assert!(found, "{path} {want}: {:?}", report.findings);
        assert!(report.findings.len() <= 2, "{path}: {:?}", report.findings);
        match before {
            Some(bytes) => world.store.put(&path, &bytes).unwrap(),
            None => world.store.delete(&path).unwrap(),
        }
    }
    let report = fsck(Arc::clone(&world.store), &|_| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(records[1].0, second);
}
