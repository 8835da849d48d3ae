//! The access log's thread, by real processes: logged and sealed, opened again, asked, shown, erased, and what is named.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::Path;

use vitrine_tests::demo::imported::{self, Source};
use vitrine_tests::demo::show::Show;
use vitrine_tests::demo::{access, wronged};
use vitrine_tests::harness::world::World;
use vitrine_tests::shared;

/// CloudTrail events beside the project.
const CLOUDTRAIL: usize = 1_448;

#[test]
fn the_thread_from_one_end_to_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = Show::new(false);
    let (mut releases, mut world) =
        World::create_two(folder.path(), "story.example/release", "story.example/access").unwrap();
    access::open_issuers(&world).unwrap();
    world.trust("trust", &[]).unwrap();
    let source = Source::sample(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let records = imported::import(&world, &mut show, &source).unwrap();
    imported::opened(&world, &mut show, &records).unwrap();

    let gateway = access::start_gateway(&world, access::GATEWAY).unwrap();
    let index = access::before_it_is_made(&world, &mut show, &gateway).unwrap();
    access::found_by_question(&world, &mut show, index).unwrap();
    access::shown_to_others(&world, &mut show, index).unwrap();
    access::erased(&world, &mut show, &gateway).unwrap();
    assert!(gateway.stop().unwrap().success());
    wronged::withheld(&world, &mut show).unwrap();
    wronged::sealed_wrongly(&world, &mut show).unwrap();
    world.stop().unwrap();
    releases.stop().unwrap();
}

#[test]
fn every_cloudtrail_event_comes_out_as_it_went_in() {
    let Some(shared) = shared::folder("every_cloudtrail_event_comes_out_as_it_went_in") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut show = Show::new(false);
    let mut world = World::create_access(folder.path(), "cloud.example/access").unwrap();
    access::open_issuers(&world).unwrap();
    world.trust("trust", &[]).unwrap();
    let source = Source::cloudtrail(&world, &shared.join("data/access/cloudtrail")).unwrap();
    let records = imported::import(&world, &mut show, &source).unwrap();
    assert_eq!(records.records.len(), CLOUDTRAIL);
    imported::opened(&world, &mut show, &records).unwrap();
    world.stop().unwrap();
}
