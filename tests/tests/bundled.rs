//! From a build to a customer's verdict by one file: `bundle`, then `verify-update` with every server stopped (docs/cli.md).
//!
//! Not here: what a bundle holds (tests of log-server), and every reason for a no (tests of spec).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::fs;

use serde_json::Value;
use vitrine_spec::bundle::Bundle;
use vitrine_spec::hash::Hash;
use vitrine_tests::demo::product::day;
use vitrine_tests::harness::process::Outcome;
use vitrine_tests::harness::world::World;

const TREE: &str = "0123456789abcdef0123456789abcdef01234567";

fn fields<'a>(fields: &[&'a str]) -> Vec<&'a str> {
    fields.iter().flat_map(|field| ["--field", field]).collect()
}

/// `app` of a folder goes into the log: its build from the reviewed tree, then the update as release.
fn release(world: &World, folder: &str, version: &str) {
    let (file, purl) = (format!("app={folder}/app"), format!("purl=pkg:generic/app@{version}"));
    fs::create_dir_all(world.path(folder)).unwrap();
    world.write(&format!("{folder}/app"), format!("app {version}")).unwrap();
    let (build, update) = (format!("build-{folder}.json"), format!("update-{folder}.json"));
    let tree = format!("source.digest.gitTree={TREE}");
    let mut more = vec!["--file", &file];
    more.extend(fields(&[&purl, "source.uri=git:app", &tree, "builder_id=https://farm.example/farm"]));
    more.extend(fields(&["build_type=https://farm.example/type", "invocation_id=1", "started=now", "finished=now"]));
    more.extend(fields(&["build_site=CH-ZH-1", "signing_site=CH-ZH-1"]));
    world.event("build", "farm", &build, &more).unwrap();
    world.submit("farm", &[&build]).unwrap();
    let releases = format!("releases={build}");
    let mut more = vec!["--file", &file, "--ref", &releases];
    more.extend(fields(&[&purl, "packageId=app", "channel=stable", "kind=product"]));
    world.event("update", "release", &update, &more).unwrap();
    world.submit("release", &[&update]).unwrap();
}

fn rebuild(world: &World, folder: &str) {
    let (url, build) = (world.url(), format!("build-{folder}.json.tlog-proof"));
    let (made, event) = (format!("{folder}/app"), format!("rebuild-{folder}.json"));
    let mut args = vec!["rebuild", "record", "--log", &url, "--policy", "policy", "--as", "lab.key", "--issuer", "lab"];
    args.extend(["--build", &build, "--produced", &made, "--spool", "spool-lab", "--out", &event]);
    world.client(&args).unwrap().expect_code(0).unwrap();
}

fn review(world: &World) {
    let (tree, from, to) = (format!("gitTree={TREE}"), format!("from={}", day()), format!("to={}", day()));
    let mut more = vec!["--subject", tree.as_str()];
    more.extend(fields(&["centre=Zurich", "organisation=Example", "method=read", "outcome=no-finding", "scope=all"]));
    more.extend(fields(&[&from, &to, "findings.critical=0", "findings.high=0", "findings.medium=0"]));
    more.extend(fields(&["findings.low=0", "findings.info=0"]));
    world.event("code-review", "supervisor", "review.json", &more).unwrap();
    world.submit("supervisor", &["review.json"]).unwrap();
}

fn bundle(world: &World, more: &[&str]) -> Outcome {
    let url = world.url();
    world.client(&[&["bundle", "--log", &url, "--trust", "trust"], more].concat()).unwrap()
}

fn verify(world: &World, more: &[&str]) -> Outcome {
    world.client(&[&["verify-update", "--trust", "trust"], more].concat()).unwrap()
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {}{}", outcome.out, outcome.err))
}

/// The `event_id` of an entry of a bundle.
fn event_id(bundle: &Bundle, kind: &str) -> (u64, String) {
    let found = bundle.entries.iter().find_map(|(index, leaf)| {
        let event = vitrine_spec::event::Event::read_leaf(leaf).unwrap();
        (event.statement.kind.name() == kind).then(|| (index.get(), event.id.hex()))
    });
    found.unwrap()
}

#[test]
fn an_update_is_verified_offline_by_the_one_file_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), "example.com/log").unwrap();
    world.open("farm", &["types.build=none", "builders=https://farm.example/farm"]).unwrap();
    world.open("lab", &["types.rebuild=none", "independence=third-party"]).unwrap();
    world.open("release", &["types.update=strict", "streams=app/stable"]).unwrap();
    world.trust("trust", &["--rebuilds", "1", "--require-review"]).unwrap();
    assert!(world.read("trust/trust.toml").unwrap().contains("rebuilds = 1\n"));
    release(&world, "one", "1.0");
    review(&world);

    // Nobody has rebuilt it yet: what there is is kept, and is not enough.
    let early = bundle(&world, &["one/app", "--json"]).expect_code(5).unwrap();
    assert_eq!(json(&early)["code"], "rebuild.pending");
    assert_eq!(json(&early)["bundle"], "one/app.vitrine");
    verify(&world, &["one/app"]).expect(5, "was rebuilt identically by 0 of").unwrap();
    rebuild(&world, "one");
    bundle(&world, &["one/app"]).expect(0, "verified: app is pkg:generic/app@1.0 release 1 in stable").unwrap();

    // By the digest alone, of a file that is not here.
    release(&world, "two", "1.1");
    rebuild(&world, "two");
    let hex = Hash::of(b"app 1.1").hex();
    let by_digest = bundle(&world, &["--sha256", &hex, "--out", "two/app.vitrine"]).expect_code(0).unwrap();
    assert!(by_digest.out.contains("only its SHA-256 was given"), "{}", by_digest.out);

    // What is no update of this log, or of another trust file, is not kept.
    world.write("other", "another file").unwrap();
    let none = bundle(&world, &["other", "--json"]).expect_code(1).unwrap();
    assert_eq!(json(&none)["code"], "bundle.none");
    let url = world.url();
    world.client(&["bundle", "--log", &url, "--trust", "trust"]).unwrap().expect_code(2).unwrap();
    bundle(&world, &["--sha256", "abc"]).expect(2, "this is no SHA-256").unwrap();
    fs::create_dir(world.path("strict")).unwrap();
    fs::copy(world.path("trust/policy"), world.path("strict/policy")).unwrap();
    let strict =
        world.read("trust/trust.toml").unwrap().replace("rebuilds = 1\n", "rebuilds = 1\nmin_release_seq = 2\n");
    world.write("strict/trust.toml", strict).unwrap();
    let refused = world.client(&["bundle", "one/app", "--log", &url, "--trust", "strict", "--out", "kept.vitrine"]);
    refused.unwrap().expect(1, "is release 1, the trust file takes 2 and later").unwrap();
    assert!(!world.path("kept.vitrine").exists());
    world.stop().unwrap();

    // Everything is stopped.
    let verdict = verify(&world, &["one/app"]).expect_code(0).unwrap();
    for line in ["app was rebuilt identically by lab", "review: ", "build: ", "charter: entry 0 has the"] {
        assert!(verdict.out.contains(line), "{line} is not in {}", verdict.out);
    }

    // A floor that the second release has raised.
    verify(&world, &["one/app", "--floor", "floor"]).expect_code(0).unwrap();
    verify(&world, &["two/app", "--floor", "floor"]).expect_code(0).unwrap();
    assert!(world.read("floor").unwrap().contains("release 2 stable app\n"));
    verify(&world, &["one/app", "--floor", "floor"]).expect(1, "this machine has verified 2 and later").unwrap();

    // A watch that has read of a revocation.
    let read = Bundle::parse(&fs::read(world.path("one/app.vitrine")).unwrap()).unwrap();
    let (index, update) = event_id(&read, "update");
    let text = |revoked: &str| {
        let (size, root) = (1_000, Hash::of(b"root"));
        format!("vitrine.example/watched@v0\norigin example.com/log\nsize {size}\nroot {root}\n{revoked}")
    };
    fs::create_dir(world.path("watch")).unwrap();
    world.write("watch/watched", text("")).unwrap();
    verify(&world, &["one/app", "--watch-state", "watch"]).expect_code(0).unwrap();
    world.write("watch/watched", text(&format!("revoked {update} {} security\n", index + 1))).unwrap();
    let revoked = verify(&world, &["one/app", "--watch-state", "watch", "--json"]).expect_code(1).unwrap();
    assert_eq!(json(&revoked)["code"], "update.revoked");
    verify(&world, &["two/app", "--watch-state", "watch"]).expect_code(0).unwrap();
}

#[test]
fn a_folder_of_updates_has_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), "example.com/log").unwrap();
    world.open("farm", &["types.build=none", "builders=https://farm.example/farm"]).unwrap();
    world.open("release", &["types.update=strict", "streams=app/stable"]).unwrap();
    world.trust("trust", &[]).unwrap();
    fs::create_dir(world.path("mirror")).unwrap();
    for (name, version) in [("one", "1.0"), ("two", "1.1")] {
        release(&world, name, version);
        bundle(&world, &[&format!("{name}/app")]).expect_code(0).unwrap();
        for end in ["", ".vitrine"] {
            fs::copy(world.path(&format!("{name}/app{end}")), world.path(&format!("mirror/app-{version}{end}")))
                .unwrap();
        }
    }
    world.stop().unwrap();
    world.write("mirror/README", "no update").unwrap();
    let all = verify(&world, &["mirror", "--floor", "floor", "--csv", "table.csv"]);
    let all = all.expect(0, "2 of 2 files are verified; 1 without evidence").unwrap();
    let row = all.out.lines().find(|line| line.starts_with("app-1.0 ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["app-1.0", "verified", "verified", "app", "stable", "1"]);
    assert!(world.read("floor").unwrap().contains("release 2 stable app\n"), "raised when all were judged");
    assert_eq!(world.read("table.csv").unwrap().lines().count(), 3);

    // The worst of them is the end: the floor refuses the first, a bit the second.
    world.write("mirror/app-1.1", "app 1.1 ").unwrap();
    let bad = verify(&world, &["mirror", "--floor", "floor", "--json"]).expect_code(1).unwrap();
    let said = json(&bad);
    let codes: Vec<&str> = said["files"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["update.below-floor", "file.digest"]);
    assert_eq!(said["without_evidence"], serde_json::json!(["README"]));
}
