//! Documents behind events, by real processes: put, named, read back; and what is refused on the way (spec/docs/85-log.md,
//! "Attachments").
//!
//! Not here: a disk that fails (`attachments`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use serde_json::Value;
use vitrine_log_client::event_file::EventFile;
use vitrine_spec::hash::Hash;
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::Outcome;
use vitrine_tests::harness::world::World;

const PROVENANCE: &str = r#"{"buildDefinition":{"buildType":"https://farm.example/farm"}}"#;

fn attach(world: &World, issuer: &str, key: &str, more: &[&str]) -> Outcome {
    let url = world.url();
    let mut args = vec!["attach", "--log", &url, "--key", key, "--issuer", issuer];
    args.extend(more);
    world.client(&args).unwrap()
}

/// A build with its provenance, made by hand.
fn build(world: &World, file: &str, provenance: &str, attachment: &str) {
    let name = format!("provenance={provenance}");
    let mut more = vec!["--file", "app", "--attach", attachment, "--field", &name];
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
    world.event("build", "farm", file, &more).unwrap();
}

#[test]
fn a_document_is_put_named_by_a_build_and_read_back() {
    // [S-40] [A-14]
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), "example.com/log").unwrap();
    world.open("farm", &["types.build=none", "builders=https://farm.example/farm"]).unwrap();
    world.write("app", "the app").unwrap();
    world.write("provenance.json", PROVENANCE).unwrap();
    // Longer than what is sent, gathered and read at once.
    let long: String = ('a'..='z').cycle().take(9 << 20).collect();
    world.write("build log", &long).unwrap();
    let (digest, long_digest) = (Hash::of(PROVENANCE.as_bytes()).hex(), Hash::of(long.as_bytes()).hex());

    // Without it the build is refused, and stays unlogged.
    build(&world, "build.json", &digest, "application/json=provenance.json");
    world.client(&["event", "sign", "--key", "farm.key", "build.json"]).unwrap().expect_code(0).unwrap();
    let url = world.url();
    let submit = ["submit", "--log", &url, "--policy", "policy", "--spool", "spool", "build.json"];
    world.client(&submit).unwrap().expect(1, "attachment-missing").unwrap();

    // Another's key, and a name that is no issuer: said as it is, also when the log does not read a long file to its end.
    world.key("other").unwrap();
    for file in ["provenance.json", "build log"] {
        attach(&world, "farm", "other.key", &["--wait", "0", file]).expect(1, "signer-set").unwrap();
        attach(&world, "nobody", "farm.key", &["--wait", "0", file]).expect(1, "issuer-unknown").unwrap();
    }

    let put = attach(&world, "farm", "farm.key", &["--media-type", "application/json", "provenance.json"]);
    let put = put.expect(0, "1 stored now").unwrap();
    assert_eq!(put.out, format!("{digest} {} application/json provenance.json\n", PROVENANCE.len()));
    let both = attach(&world, "farm", "farm.key", &["--json", "build log", "provenance.json"]).expect_code(0).unwrap();
    let both: Value = serde_json::from_str(&both.out).unwrap();
    let new: Vec<_> = both["files"].as_array().unwrap().iter().map(|file| file["new"].as_bool().unwrap()).collect();
    assert_eq!(new, [true, false], "{both}");
    let listed = |digest: &str| both["attachments"].as_array().unwrap().iter().find(|one| one["sha256"] == digest);
    assert_eq!(listed(&long_digest).unwrap()["name"], "build log");
    let attachment = format!("{url}/attachments/{digest}");
    assert_eq!(http::get(&attachment).unwrap().0, 404, "no event names it yet");

    let logged = world.client(&submit).unwrap().expect_code(0).unwrap();
    assert_eq!(http::get(&attachment).unwrap(), (200, PROVENANCE.to_owned()), "{}", logged.out);
    let show = world.client(&["show", &digest, "--log", &url]).unwrap().expect(0, "first to name this").unwrap();
    let row = format!("{digest} {} bytes, application/json, provenance.json", PROVENANCE.len());
    assert!(show.out.contains(&row), "{}", show.out);
    world.client(&["show", "build.json"]).unwrap().expect(0, &row).unwrap();

    // What `attach --json` says is what an event holds.
    let again = attach(&world, "farm", "farm.key", &["--media-type", "application/json", "--json", "provenance.json"]);
    let said: Value = serde_json::from_str(&again.expect_code(0).unwrap().out).unwrap();
    let event = EventFile::read(&world.path("build.json")).unwrap();
    let held = event.statement().get("predicate").unwrap().get("attachments").unwrap().to_jcs();
    assert_eq!(said["attachments"], serde_json::from_slice::<Value>(&held).unwrap());

    build(&world, "second.json", &long_digest, "text/plain=build log");
    world.submit("farm", &["second.json"]).unwrap();
    let (status, text) = http::get(&format!("{url}/attachments/{long_digest}")).unwrap();
    assert!(status == 200 && text == long, "{status}, {} bytes", text.len());

    world.trust("trust", &[]).unwrap();
    let audit = ["audit", "--log", &url, "--trust", "trust", "--state", "state", "--out", "report"];
    world.client(&audit).unwrap().expect(0, "attachments: whether the documents").unwrap();
    world.stop().unwrap();
    world.server(&["fsck", "--dir", "log"]).unwrap().expect(0, "clean").unwrap();
}
