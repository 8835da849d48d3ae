//! The demo's thread with small files, by real processes: what is logged, verified offline, refused, found, and held.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::process::{Command, Stdio};

use vitrine_tests::demo::product::{
    Product, digest, index_of, log_product, log_rebuild, open_issuers, update_file, verify,
};
use vitrine_tests::demo::show::Show;
use vitrine_tests::demo::{customer, debian, forgeries, killing, refusals};
use vitrine_tests::harness::process::{self, binaries, until};
use vitrine_tests::harness::world::World;

/// A review of something else.
const LATE: [&str; 26] = [
    "--subject",
    "gitTree=0123456789abcdef0123456789abcdef01234567",
    "--field",
    "centre=Zurich",
    "--field",
    "organisation=The supervisor",
    "--field",
    "method=reading",
    "--field",
    "outcome=no-finding",
    "--field",
    "scope=all",
    "--field",
    "from=2026-01-01",
    "--field",
    "to=2026-02-01",
    "--field",
    "findings.critical=0",
    "--field",
    "findings.high=0",
    "--field",
    "findings.medium=0",
    "--field",
    "findings.low=0",
    "--field",
    "findings.info=0",
];

#[test]
fn the_thread_from_one_end_to_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = Show::new(false);
    let mut world = World::create(folder.path(), "story.example/release").unwrap();
    for (name, text) in [("log-client", "a client"), ("witness", "a witness")] {
        std::fs::create_dir_all(world.path("built")).unwrap();
        world.write(&format!("built/{name}"), text).unwrap();
    }
    let product = Product {
        purl: "pkg:generic/vitrine@0.1.0".to_owned(),
        tree: "89abcdef89abcdef89abcdef89abcdef89abcdef".to_owned(),
        source: "git:story".to_owned(),
        files: vec![world.path("built/log-client"), world.path("built/witness")],
    };
    open_issuers(&world, &product).unwrap();
    log_product(&world, &show, &product).unwrap();
    let produced = digest(&product.files[1]).unwrap();
    assert_eq!(log_rebuild(&world, &product, &product.files[1], &produced, "rebuild.json").unwrap(), "identical");
    debian::log_archive(&world, &show).unwrap();
    debian::log_rebuilds(&world, &show).unwrap();
    world.trust("trust", &[]).unwrap();
    let audit = forgeries::audit(&world, &world.url(), "trust", "state", "report").unwrap();
    audit.expect_code(0).unwrap();
    customer::pin(&world, &[]).unwrap();
    world.trust("debian", &["--issuer", "archive", "--issuer", "lab", "--rebuilds", "1"]).unwrap();
    customer::ship(&world, &product.files[1]).unwrap();

    world.stop().unwrap();
    let verdict = verify(&world, &product.files[1], "trust", &["--proof", "rebuild.json.tlog-proof"]).unwrap();
    let verdict = verdict.expect(0, "verified").unwrap();
    for word in ["identical", "quorum", "farm", "experimental"] {
        assert!(verdict.out.contains(word), "{word}: {}", verdict.out);
    }
    debian::judge(&world, &mut show, "debian").unwrap();
    customer::ask(&world, &mut show, &product.files[1]).unwrap();
    for number in 0..3 {
        world.start_witness(number).unwrap();
    }
    world.start_log(&[]).unwrap();

    killing::in_the_middle(&mut world, &mut show, 8, 2).unwrap();
    let index = index_of(&world, &update_file("log-client")).unwrap();
    forgeries::rebuilt_without_an_event(&world, &mut show, "trust", index, 2).unwrap();
    refusals::all(&world, &mut show, &product).unwrap();

    forgeries::fork(&world, &mut show).unwrap();
    // The log goes no further, and says why.
    world.event("code-review", "supervisor", "late.json", &LATE).unwrap();
    let mut late = Command::new(binaries().join("log-client"))
        .args(["submit", "--log", &world.url(), "--policy", "policy", "--key", "supervisor.key", "late.json"])
        .current_dir(&world.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the log says why it cannot publish", || {
        let status = process::run(&world.folder, "log-server", ["status", "--url", &world.url()])?;
        Ok(status.out.contains("showed two trees and is frozen here for ever"))
    })
    .unwrap();
    late.kill().unwrap();
    late.wait().unwrap();
    world.stop().unwrap();
}
