//! Provenance as registries serve it: 15 pairs from npm and three from the Bazel registry (spec/docs/74-slsa.md, M).
//!
//! The five whose signature is broken and the one of a wrong signer must be refused, each for its own reason. Not here:
//! attestations that only a test makes (`log-client`, `import::slsa::tests`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use vitrine_log_client::event_file::EventFile;
use vitrine_log_client::exit::Failure;
use vitrine_log_client::import::slsa::artifact::Artifact;
use vitrine_log_client::import::slsa::judged::{Judged, judge};
use vitrine_log_client::import::slsa::provenance::Version;
use vitrine_log_client::spool::{Record, Spool};
use vitrine_spec::hash::Hash;
use vitrine_tests::harness::http;
use vitrine_tests::harness::world::{SITE, World};
use vitrine_tests::shared;

/// The workflows that signed, and what npm's and SLSA's own generator name as builder instead of them.
const BUILDERS: [&str; 10] = [
    "https://github.com/actions/runner",
    "https://github.com/actions/runner/github-hosted",
    "https://github.com/bazel-contrib/.github/.github/workflows/release_ruleset.yaml@refs/tags/v7.1.0",
    "https://github.com/bazel-contrib/publish-to-bcr/.github/workflows/publish.yaml@refs/tags/v0.0.1",
    "https://github.com/laurentsimon/provenance-npm-test/.github/workflows/release.yml",
    "https://github.com/ramonpetgrave64/gundam-visor/.github/workflows/npm-publish.yml",
    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml",
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/builder_nodejs_slsa3.yml@refs/tags/v1.6.0",
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/delegator_lowperms-generic_slsa3.yml@refs/tags/v1.6.0",
    "https://github.com/trishankatdatadog/supreme-goggles/.github/workflows/npm-publish.yml",
];

/// Who signed the one that it should not have.
const WRONG: &str =
    "https://github.com/loosebazooka/aa-test/.github/workflows/malicious_attestation.yaml@refs/heads/main";

/// npm's packages: file, product, which provenance, who built it by the issuer's names.
const PACKAGES: [(&str, &str, Version, usize); 5] = [
    ("gundam-visor-cli-v1-tag", "pkg:npm/gundam-visor@1.0.1", Version::V1, 5),
    ("provenance-npm-test-cli-v02-prega", "pkg:npm/%40laurentsimon/provenance-npm-test@1.0.3", Version::V02, 4),
    ("provenance-npm-test-cli-v1-prega", "pkg:npm/sigstore@2.3.1", Version::V1, 6),
    ("provenance-npm-test-ossf", "pkg:npm/%40laurentsimon/provenance-npm-test@1.0.5", Version::V02, 8),
    ("supreme-googles-cli-v02-tag", "pkg:npm/%40trishankatdatadog/supreme-goggles@1.0.5", Version::V02, 9),
];

/// The Bazel registry's files with the product, and who built it.
const REGISTRY: [(&str, &str, usize); 2] =
    [("MODULE.bazel", "pkg:bazel/rules_lint@1.3.1", 3), ("rules_lint-v1.3.1.tar.gz", "pkg:bazel/rules_lint@1.3.1", 2)];

fn builders() -> Vec<String> {
    BUILDERS.map(str::to_owned).to_vec()
}

fn judge_file(folder: &Path, artifact: &str, provenance: &str) -> Result<Judged, Failure> {
    judge(Artifact::read(&folder.join(artifact))?, &std::fs::read(folder.join(provenance)).unwrap())
}

#[test]
fn npm_pairs_are_judged_by_their_signature() {
    // [M-1] [M-3] [M-4] [M-5] [M-9]
    let Some(folder) = pairs("npm_pairs_are_judged_by_their_signature") else { return };
    for (package, product, version, builder) in PACKAGES {
        for variant in ["", "-invalidsigpub"] {
            let artifact = format!("{package}{variant}.tgz");
            let judged = judge_file(&folder, &artifact, &format!("{artifact}.json")).unwrap();
            assert_eq!((judged.provenance.version, judged.subject.as_str()), (version, product), "{artifact}");
            assert_eq!(judged.unchecked, 1, "{artifact}: npm's publish attestation, whose key is not in the file");
            assert_eq!(judged.builder(&builders()).unwrap(), BUILDERS[builder], "{artifact}");
            let source = judged.provenance.source().unwrap();
            assert_eq!(judged.agrees(&source).unwrap(), None, "{artifact}");
        }
        let artifact = format!("{package}-invalidsigprov.tgz");
        let failure = judge_file(&folder, &artifact, &format!("{artifact}.json")).unwrap_err();
        assert_eq!(failure.code, "slsa.signature", "{artifact}: {failure}");
        // Another artifact than the one it is about.
        let other = judge_file(&folder, "MODULE.bazel", &format!("{package}.tgz.json")).unwrap_err();
        assert_eq!(other.code, "slsa.digest", "{other}");
    }
}

#[test]
fn of_the_registry_only_the_wrong_signer_is_refused_because_builders_do_not_name_it() {
    // [M-9] [M-10]
    let Some(folder) = pairs("of_the_registry_only_the_wrong_signer_is_refused") else { return };
    for (artifact, _, builder) in REGISTRY {
        let judged = judge_file(&folder, artifact, &format!("{artifact}.intoto.jsonl")).unwrap();
        assert_eq!(judged.subject, artifact);
        assert_eq!(judged.builder(&builders()).unwrap(), BUILDERS[builder]);
        assert_eq!(judged.agrees(&judged.provenance.source().unwrap()).unwrap(), None);
    }
    // Signature, digest and statement are as good as those of the right one, which names the same builder.
    let wrong = "MODULE-wrong-signer.bazel";
    let judged = judge_file(&folder, wrong, &format!("{wrong}.intoto.jsonl")).unwrap();
    let right = judge_file(&folder, "MODULE.bazel", "MODULE.bazel.intoto.jsonl").unwrap();
    assert_eq!(judged.provenance, right.provenance);
    let failure = judged.builder(&builders()).unwrap_err();
    assert_eq!(failure.code, "slsa.builder");
    for said in [WRONG, BUILDERS[3], "do not name the workflow that signed"] {
        assert!(failure.to_string().contains(said), "{failure} does not say {said}");
    }
    // It is for that reason alone: to an issuer that named it, it would be a builder, whose run was for another source.
    let named = [builders(), vec![WRONG.to_owned()]].concat();
    assert_eq!(
        judged.builder(&named).unwrap(),
        WRONG,
        "the event would name who signed, not who is said to have built"
    );
    let source = judged.agrees(&judged.provenance.source().unwrap()).unwrap_err();
    assert_eq!(source.code, "slsa.source", "{source}");
}

/// Runs `import slsa` of these files as `farm`.
fn import(world: &World, spool: &str, files: &[PathBuf], more: &[&str], code: i32) -> Json {
    let url = world.url();
    let mut args = vec!["--json", "import", "slsa", "--log", &url, "--policy", "policy", "--key", "farm.key"];
    args.extend(["--issuer", "farm", "--spool", spool, "--build-site", SITE, "--signing-site", SITE]);
    args.extend(more);
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    let outcome = world.client(&args).unwrap().expect_code(code).unwrap();
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {}", outcome.out))
}

/// How many events are in each state, in the order logged, before, refused.
fn states(report: &Json) -> [usize; 3] {
    let events = report["events"].as_array().unwrap();
    ["logged", "before", "refused"].map(|state| events.iter().filter(|event| event["state"] == state).count())
}

/// The event that a proof holds.
fn event_of(path: &Path) -> EventFile {
    let proof = vitrine_spec::tlog_proof::TlogProof::parse(&std::fs::read(path).unwrap()).unwrap();
    EventFile::parse(&proof.extra.unwrap()).unwrap()
}

fn body<'a>(event: &'a EventFile, name: &str) -> &'a str {
    event.body(name).and_then(vitrine_spec::json::Value::as_text).unwrap_or_default()
}

#[test]
fn all_of_them_go_into_a_log_once_and_six_are_refused() {
    // [M-6] [M-11] [M-12]
    let Some(folder) = pairs("all_of_them_go_into_a_log_once_and_six_are_refused") else { return };
    let temporary = tempfile::tempdir().unwrap();
    let mut world = World::create(temporary.path(), "example.com/log").unwrap();
    let fields = BUILDERS.map(|builder| format!("builders={builder}"));
    let fields = [&["types.build=none"][..], &fields.each_ref().map(String::as_str)].concat();
    world.open("farm", &fields).unwrap();
    let start = world.published().unwrap();
    let npm: Vec<PathBuf> = PACKAGES
        .iter()
        .flat_map(|(package, ..)| ["", "-invalidsigprov", "-invalidsigpub"].map(|kind| format!("{package}{kind}.tgz")))
        .map(|name| folder.join(name))
        .collect();

    // No log is asked, and nothing is written.
    let dry = world.client(&[
        "import",
        "slsa",
        "--dry-run",
        "--build-site",
        SITE,
        "--signing-site",
        SITE,
        npm[0].to_str().unwrap(),
    ]);
    let dry = dry.unwrap().expect(0, "1 would be logged").unwrap();
    let line: Json = serde_json::from_str(dry.out.lines().next().unwrap()).unwrap();
    assert_eq!(line["body"]["purl"], PACKAGES[0].1);
    assert_eq!(
        line["body"]["builder_id"],
        format!("{}@refs/tags/v1.0.1", BUILDERS[5]),
        "in full: nobody gave it a name"
    );

    let report = import(&world, "spool", &npm, &[], 1);
    assert_eq!(states(&report), [10, 0, 5], "{report}");
    for event in report["events"].as_array().unwrap() {
        let broken = event["file"].as_str().unwrap().contains("-invalidsigprov");
        assert_eq!(event["state"] == "refused", broken, "{event}");
        assert!(!broken || event["code"] == "slsa.signature", "{event}");
    }
    let not_checked: Vec<&str> = report["not_checked"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    for part in ["certificate: ", "transparency log: ", "publish signature: ", "times: "] {
        assert!(not_checked.iter().any(|line| line.starts_with(part)), "{part} in {not_checked:?}");
    }
    assert_eq!(world.published().unwrap(), start + 10);

    // Again: by what this machine remembers, also when that was damaged; then on one that remembers nothing, with the proofs
    // wanted elsewhere.
    let kept = report_of(&report, &npm[0])["proof"].as_str().unwrap();
    let proof = std::fs::read(kept).unwrap();
    std::fs::write(kept, &proof[..proof.len() / 2]).unwrap();
    assert_eq!(states(&import(&world, "spool", &npm, &[], 1)), [0, 10, 5]);
    assert_eq!(event_of(Path::new(kept)).id().hex(), report_of(&report, &npm[0])["event_id"].as_str().unwrap());
    std::fs::create_dir(world.path("proofs")).unwrap();
    let elsewhere = import(&world, "other-spool", &npm, &["--out", "proofs"], 1);
    assert_eq!(states(&elsewhere), [0, 10, 5]);
    assert_eq!(world.published().unwrap(), start + 10);

    for (package, product, version, builder) in PACKAGES {
        let provenance = std::fs::read(folder.join(format!("{package}.tgz.json"))).unwrap();
        let digest = Hash::of(&provenance).hex();
        let event = event_of(&world.path(&format!("proofs/{package}.tgz.build.tlog-proof")));
        assert_eq!((body(&event, "purl"), body(&event, "builder_id")), (product, BUILDERS[builder]), "{package}");
        assert_eq!(body(&event, "provenance"), digest);
        assert_eq!(event.body("started"), event.body("finished"), "of none of these is a time known");
        let name = format!(
            "{package}.tgz.json; not checked: chain of the certificate, transparency log entry, publish signature; \
             times from the certificate"
        );
        let statement = event.statement().to_jcs();
        assert!(
            String::from_utf8_lossy(&statement).contains(&name),
            "{package}: {}",
            String::from_utf8_lossy(&statement)
        );
        let (status, served) = http::get(&format!("{}/attachments/{digest}", world.url())).unwrap();
        assert_eq!((status, served.as_bytes()), (200, provenance.as_slice()), "{package} {version:?}");
    }

    // The Bazel registry's: of the wrong signer nothing is sent.
    for (artifact, product, builder) in REGISTRY {
        let report = import(&world, "spool", &[folder.join(artifact)], &["--purl", product, "--out", "proofs"], 0);
        assert_eq!(states(&report), [1, 0, 0], "{report}");
        let event = event_of(&world.path(&format!("proofs/{artifact}.build.tlog-proof")));
        assert_eq!((body(&event, "purl"), body(&event, "builder_id")), (product, BUILDERS[builder]));
    }
    let wrong = [folder.join("MODULE-wrong-signer.bazel")];
    let report = import(&world, "spool", &wrong, &["--purl", REGISTRY[0].1], 1);
    assert_eq!(states(&report), [0, 0, 1]);
    let refused = &report["events"][0];
    assert_eq!(
        (&refused["code"], &refused["sides"]["signed by"]),
        (&"slsa.builder".into(), &WRONG.into()),
        "{refused}"
    );
    assert_eq!(world.published().unwrap(), start + 12);
    let digest = Hash::of(&std::fs::read(folder.join("MODULE-wrong-signer.bazel.intoto.jsonl")).unwrap()).hex();
    assert_eq!(http::get(&format!("{}/attachments/{digest}", world.url())).unwrap().0, 404);

    // Killed when it was sent and its proof not stored yet: the same bytes go out again, and it is in the log once.
    let kept = PathBuf::from(report_of(&elsewhere, &npm[0])["proof"].as_str().unwrap());
    let file = kept.with_extension("");
    let envelope =
        std::fs::read_to_string(world.path("spool").join(file.strip_prefix(world.path("other-spool")).unwrap()));
    let record = Record {
        file: Some(file.clone()),
        about: None,
        proof: Some(kept.clone()),
        source: String::new(),
        envelope: envelope.unwrap().trim_end().to_owned(),
        unplaced: false,
        asks_release: false,
        sealed: None,
    };
    std::fs::remove_file(&kept).unwrap();
    let spool = Spool::open(file.parent().unwrap().parent().unwrap(), Duration::ZERO).unwrap();
    spool.add(&world.url(), vec![record]).unwrap();
    drop(spool);
    let again = import(&world, "other-spool", &npm[..1], &[], 0);
    assert_eq!(states(&again), [1, 0, 0], "{again}");
    assert_eq!(report_of(&again, &npm[0])["index"], report_of(&elsewhere, &npm[0])["index"]);
    assert!(kept.is_file());
    assert_eq!(world.published().unwrap(), start + 12);

    world.trust("trust", &[]).unwrap();
    let url = world.url();
    let audit = ["audit", "--log", &url, "--trust", "trust", "--state", "state", "--out", "report"];
    world.client(&audit).unwrap().expect_code(0).unwrap();
    world.stop().unwrap();
}

/// What a report says of a file.
fn report_of<'a>(report: &'a Json, file: &Path) -> &'a Json {
    report["events"].as_array().unwrap().iter().find(|event| event["file"] == file.to_str().unwrap()).unwrap()
}

#[test]
fn an_issuer_whose_builds_are_chained_has_them_in_its_chain() {
    let Some(folder) = pairs("an_issuer_whose_builds_are_chained_has_them_in_its_chain") else { return };
    let temporary = tempfile::tempdir().unwrap();
    let mut world = World::create(temporary.path(), "example.com/log").unwrap();
    let fields = BUILDERS.map(|builder| format!("builders={builder}"));
    let sites = format!("sites={SITE}");
    let fields = [&["types.build=strict", &sites][..], &fields.each_ref().map(String::as_str)].concat();
    world.open_with("farm", &fields, &["--site", SITE]).unwrap();
    let files = PACKAGES.map(|(package, ..)| folder.join(format!("{package}.tgz")));
    let report = import(&world, "spool", &files, &["--out", "."], 0);
    assert_eq!(states(&report), [5, 0, 0], "{report}");
    let mut seqs: Vec<u64> = PACKAGES
        .iter()
        .map(|(package, ..)| {
            let event = event_of(&world.path(&format!("{package}.tgz.build.tlog-proof")));
            assert_eq!(event.header_text("site"), Some(SITE), "the first that its opening lists");
            event.header_int("seq").unwrap()
        })
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, [2, 3, 4, 5, 6]);
    // What only the command line can mend ends before anything is sent, naming both sides.
    let missing = import(&world, "spool", &[folder.join("MODULE.bazel")], &[], 2);
    assert_eq!(missing["code"], "slsa.purl", "{missing}");
    let two = [folder.join("MODULE.bazel"), folder.join("rules_lint-v1.3.1.tar.gz")];
    assert_eq!(import(&world, "spool", &two, &["--purl", REGISTRY[0].1], 2)["code"], "usage");
    assert_eq!(import(&world, "spool", &[world.path("policy")], &[], 2)["code"], "slsa.file");
    world.stop().unwrap();
}

fn pairs(test: &str) -> Option<PathBuf> {
    shared::folder(test).map(|folder| folder.join("data/builds/slsa"))
}
