//! `schemathesis` tries a running log by the log's own `/openapi.json`: documented statuses, content types and shapes, no fault.
//!
//! It comes from PyPI (`python`). Where `CI` is set a lack of it fails; elsewhere one line says that it checked nothing. Not
//! here: what an answer means.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::{Path, PathBuf};

use vitrine_tests::demo::product::now;
use vitrine_tests::harness::events::Builds;
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::run;
use vitrine_tests::harness::world::World;
use vitrine_tests::python;

/// How long it may go on trying.
const SECONDS: &str = "30";

fn settings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/schemathesis")
}

#[test]
fn a_running_log_answers_nothing_that_its_document_does_not_tell() {
    // [S-47]
    let Some(programs) = python::said("schemathesis", "/openapi.json by schemathesis") else { return };
    let program = programs.join("schemathesis");
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::create(directory.path(), "openapi.example/log").unwrap();
    let builds = Builds::open(&world, "farm").unwrap();
    let url = world.url();
    for number in 0..3 {
        let build = builds.sign(number, now()).unwrap().print();
        assert_eq!(http::post(&format!("{url}/events"), "application/json", build).unwrap().0, 201);
    }
    let config = settings().join("schemathesis.toml");
    let tries = |document: &str, more: &[&str]| {
        let fixed = ["--config-file", config.to_str().unwrap(), "run", document, "--url", &url];
        run(directory.path(), program.to_str().unwrap(), fixed.iter().chain(more)).unwrap()
    };
    let tried = tries(&format!("{url}/openapi.json"), &["--continue-on-failure", "--max-time", SECONDS]);
    assert_eq!(tried.code, Some(0), "{}\n{}", tried.out, tried.err);
    // The same program finds a status that a document leaves out.
    let mut less: serde_json::Value =
        serde_json::from_str(&http::get(&format!("{url}/openapi.json")).unwrap().1).unwrap();
    let responses = less.pointer_mut("/paths/~1issuers~1{name}/get/responses").unwrap().as_object_mut().unwrap();
    assert!(responses.remove("404").is_some());
    world.write("less.json", less.to_string()).unwrap();
    let found = tries(
        world.path("less.json").to_str().unwrap(),
        &["--include-path", "/issuers/{name}", "--max-failures", "1", "--max-time", "5"],
    );
    assert_eq!(found.code, Some(1), "{}\n{}", found.out, found.err);
    assert!(found.out.contains("Undocumented status code"), "{}", found.out);
    assert_eq!(http::get(&format!("{url}/healthz")).unwrap().0, 200, "it lives");
    world.stop().unwrap();
}
