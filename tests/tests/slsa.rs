//! Provenance as registries serve it: 15 pairs from npm and three from the Bazel registry (spec/docs/74-slsa.md, M).
//!
//! The five whose signature is broken and the one of a wrong signer must be refused, each for its own reason. Not here:
//! attestations that only a test makes (`log-client`, `import::slsa::tests`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::{Path, PathBuf};

use vitrine_log_client::exit::Failure;
use vitrine_log_client::import::slsa::artifact::Artifact;
use vitrine_log_client::import::slsa::judged::{Judged, judge};
use vitrine_log_client::import::slsa::provenance::Version;
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

fn pairs(test: &str) -> Option<PathBuf> {
    shared::folder(test).map(|folder| folder.join("data/builds/slsa"))
}
