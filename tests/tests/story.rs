//! The thread from one end to the other, by real processes: build, rebuild, update, an offline verdict, and what must fail.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use vitrine_tests::harness::world::World;

#[test]
fn an_update_is_verified_offline() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), "story.example/release").unwrap();
    world.open("farm", &["types.build=none", "builders=https://story.example/farm"]).unwrap();
    world.open("lab", &["types.rebuild=none", "independence=third-party"]).unwrap();
    world.write("streams.json", r#"{"streams":[{"packageId":"app","channel":"stable","regional":false}]}"#).unwrap();
    world.write("app", "the product").unwrap();
    world.stop().unwrap();
}
