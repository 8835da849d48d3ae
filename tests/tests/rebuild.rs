//! An independent rebuilder, by real processes: compared, documented, logged, found again (docs/cli.md, `rebuild record`).
//!
//! Not here: what a verdict makes of a rebuild (`scenarios`), and lost answers (unit tests of log-client).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use serde_json::Value;
use vitrine_spec::hash::Hash;
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::Outcome;
use vitrine_tests::harness::world::World;

fn build(world: &World) {
    let mut more = vec!["--file", "app", "--file", "lib"];
    let fields = [
        "purl=pkg:generic/app@1.0",
        "source.uri=git:app",
        "source.digest.gitTree=0123456789abcdef0123456789abcdef01234567",
        "builder_id=https://farm.example/farm",
        "build_type=https://farm.example/type",
        "invocation_id=1",
        "started=now",
        "finished=now",
        "build_site=CH-ZH-1",
        "signing_site=CH-ZH-1",
    ];
    more.extend(fields.iter().flat_map(|field| ["--field", field]));
    world.event("build", "farm", "build.json", &more).unwrap();
    world.submit("farm", &["build.json"]).unwrap();
}

fn record(world: &World, more: &[&str]) -> Outcome {
    let url = world.url();
    let mut args = vec!["rebuild", "record", "--log", &url, "--policy", "policy", "--as", "lab.key", "--issuer", "lab"];
    args.extend(["--build", "build.json.tlog-proof", "--spool", "spool"]);
    args.extend(more);
    world.client(&args).unwrap()
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {}{}", outcome.out, outcome.err))
}

#[test]
fn a_rebuilder_logs_what_came_out_once_with_its_documents() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), "example.com/log").unwrap();
    world.open("farm", &["types.build=none", "builders=https://farm.example/farm"]).unwrap();
    world.open("lab", &["types.rebuild=none", "independence=third-party"]).unwrap();
    for name in ["app", "lib"] {
        world.write(name, format!("the {name}")).unwrap();
    }
    build(&world);
    world.write("app.buildinfo", "Format: 1.0\n").unwrap();
    std::fs::create_dir(world.path("out")).unwrap();
    for name in ["app", "lib"] {
        world.write(&format!("out/{name}"), format!("the {name}")).unwrap();
    }
    let size = world.published().unwrap();

    // First what would be logged, and nothing is.
    record(&world, &["--produced", "out", "--dry-run"]).expect(0, "lab would log it; nothing was put").unwrap();
    assert_eq!(world.published().unwrap(), size);

    let said = record(&world, &["--produced", "out", "--buildinfo", "app.buildinfo", "--out", "same.json", "--json"]);
    let said = json(&said.expect_code(0).unwrap());
    assert_eq!(
        (&said["code"], &said["index"], &said["duplicate"]),
        (&"rebuild.identical".into(), &size.into(), &false.into())
    );
    let document = Hash::of(b"Format: 1.0\n").hex();
    assert_eq!(
        http::get(&format!("{}/attachments/{document}", world.url())).unwrap(),
        (200, "Format: 1.0\n".to_owned())
    );
    world
        .client(&["proof", "verify", "--policy", "policy", "--entry", "same.json", "same.json.tlog-proof"])
        .unwrap()
        .expect_code(0)
        .unwrap();

    // Again, on another machine: nothing is there but the log.
    let again = record(&world, &["--produced", "out", "--buildinfo", "app.buildinfo", "--out", "again.json"]);
    again.expect(0, &format!("logged already as entry {size}")).unwrap();
    assert_eq!(world.read("again.json").unwrap(), world.read("same.json").unwrap());
    assert_eq!(world.published().unwrap(), size + 1);

    // A difference is logged, and said by the exit code.
    world.write("out/lib", "another lib").unwrap();
    let other = record(&world, &["--produced", "out"])
        .expect(1, "different: 1 of 2 files not as the build claims; logged")
        .unwrap();
    assert!(
        other
            .err
            .contains(&format!("lab said identical of this build before, with other files or documents: entry {size}")),
        "{}",
        other.err
    );
    let failed = record(&world, &["--outcome", "build-failed", "--json"]).expect_code(1).unwrap();
    assert_eq!(json(&failed)["code"], "rebuild.build-failed");
    assert_eq!(world.published().unwrap(), size + 3);

    // The customer's verdict hears of it.
    world.open("release", &["types.update=strict", "streams=app/stable"]).unwrap();
    let mut update = vec!["--file", "app", "--file", "lib", "--ref", "releases=build.json"];
    update.extend([
        "--field",
        "purl=pkg:generic/app@1.0",
        "--field",
        "packageId=app",
        "--field",
        "channel=stable",
        "--field",
        "kind=product",
    ]);
    world.event("update", "release", "update.json", &update).unwrap();
    world.submit("release", &["update.json"]).unwrap();
    world.trust("trust", &[]).unwrap();
    let verify = |rebuild: &str| {
        let proofs = ["update.json.tlog-proof", "build.json.tlog-proof", rebuild];
        let mut args = vec!["verify-update", "app", "--trust", "trust"];
        args.extend(proofs.iter().flat_map(|proof| ["--proof", proof]));
        world.client(&args).unwrap()
    };
    verify("same.json.tlog-proof").expect_code(0).unwrap();
    world.stop().unwrap();
}
