//! What a trust file may ask for besides a build, bundles, the floor and the watch, each with its refusal (90-verdict.md, V-34 to V-49).

use std::prelude::v1::*;

use std::{format, vec};

use serde_json::{Value, json};

use super::super::world::*;
use super::super::*;
use super::{Log, assert_code, charter, has, log};
use crate::bundle::Bundle;
use crate::checkpoint::Origin;
use crate::envelope::EventId;
use crate::floor::Floor;
use crate::hash::Hash;
use crate::key::KeyKind;
use crate::tree::{LeafIndex, TreeSize};
use crate::watched::{Watched, file_key};
use crate::words::Name;

/// A trust file that asks for more of its stream.
fn asking(more: &str) -> Trust {
    let mut trust = Trust::default();
    trust.more[1] = more.into();
    trust.issuers.push(("rebuilder2", "\"rebuild\"", None));
    trust.issuers.push(("auditor", "\"verdict\"", None));
    trust
}

fn judge(trust: &Trust, proofs: &[Vec<u8>], now: Option<u64>) -> Verdict {
    verify_update(&Question::new(file(), &named(proofs), &trust.pins(), now))
}

fn judge_bundle(trust: &Trust, bundle: &[u8], floor: Option<&Floor>, watched: Option<&Watched>) -> Verdict {
    let pins = trust.pins();
    let bundles = [Proof { name: "app.vitrine", bytes: bundle }];
    let question =
        Question { file: file(), proofs: &[], bundles: &bundles, pins: &pins, now: Some(NOW), floor, watched };
    verify_update(&question)
}

#[test]
fn a_bundle_says_what_its_proofs_say() {
    // [V-11] [B-4]
    let log = log();
    let all = [log.review, log.build, log.rebuild, log.update];
    let bundle = log.world.bundle(&all);
    let by_bundle = judge_bundle(&Trust::default(), &bundle, None, None);
    assert_code(&by_bundle, Code::Verified, &["app.deb", "release 1"]);
    assert_eq!(by_bundle, judge(&Trust::default(), &log.proofs(&all), Some(NOW)));
    // Given twice it counts once.
    let pins = Trust::default().pins();
    let (proofs, bundles) =
        (log.proofs(&all), [Proof { name: "b", bytes: &bundle }, Proof { name: "c", bytes: &bundle }]);
    let proofs = named(&proofs);
    let question = Question { bundles: &bundles, ..Question::new(file(), &proofs, &pins, Some(NOW)) };
    assert_eq!(by_bundle, verify_update(&question));
}

#[test]
fn a_checkpoint_short_of_the_quorum_is_said_though_another_shows_the_same() {
    // [V-11] [V-15]
    let log = log();
    let all = [log.build, log.update];
    let good = log.world.bundle(&all);
    let short = log.world.bundle_in(&all, &log.world.checkpoint(&[KeyKind::Ed25519, KeyKind::MlDsa44], &TWO[..1]));
    let pins = Trust::default().pins();
    for order in [[&good, &short], [&short, &good]] {
        let bundles = order.map(|bytes| Proof { name: "b", bytes });
        let question = Question { bundles: &bundles, ..Question::new(file(), &[], &pins, Some(NOW)) };
        assert_code(&verify_update(&question), Code::Quorum, &[]);
    }
}

#[test]
fn a_bundle_that_does_not_hold_is_refused_whatever_else_is_given() {
    // [V-11] [V-14] [B-4]
    let log = log();
    let good = String::from_utf8(log.world.bundle(&[log.build, log.update])).unwrap();
    let refused = |text: String| judge_bundle(&Trust::default(), text.as_bytes(), None, None);
    assert_code(&refused(good.replacen("@v0", "@v1", 1)), Code::BundleMalformed, &["app.vitrine", "first line"]);
    assert_code(&refused(good.replacen("entry 2 ", "entry 1 ", 1)), Code::Inclusion, &["app.vitrine"]);
    let mut read = Bundle::parse(good.as_bytes()).unwrap();
    read.hashes.swap(0, 1);
    assert_code(&refused(String::from_utf8(read.print()).unwrap()), Code::Inclusion, &["root"]);
    read.hashes.pop();
    assert_code(&refused(String::from_utf8(read.print()).unwrap()), Code::Inclusion, &["hashes"]);
    let pins = Trust::default().pins();
    let (proofs, bundles) = (log.proofs(&[log.update, log.build]), [Proof { name: "b", bytes: b"x" }]);
    let proofs = named(&proofs);
    let question = Question { bundles: &bundles, ..Question::new(file(), &proofs, &pins, Some(NOW)) };
    assert_code(&verify_update(&question), Code::BundleMalformed, &["b: "]);
    for at in (0..good.len()).step_by(61) {
        let mut bad = good.clone().into_bytes();
        bad[at] ^= 1 << (at % 8);
        let verdict = judge_bundle(&Trust::default(), &bad, None, None);
        assert_ne!(verdict.outcome, Outcome::Verified, "bit {} of byte {at}", at % 8);
    }
}

#[test]
fn an_update_for_some_regions_needs_a_regional_stream_and_the_region() {
    // [V-35]
    let mut world = World::default();
    let build = world.build();
    let update = world.update_with(&[build], |_, body| body["audience"] = json!(["CH", "DE"]));
    let proofs = [world.proof(update), world.proof(build)];
    let with = |region: &str, regional: bool| {
        let mut trust = asking(if regional { "regional = true\n" } else { "" });
        trust.more[0] = if region.is_empty() { String::new() } else { format!("region = \"{region}\"\n") };
        judge(&trust, &proofs, Some(NOW))
    };
    assert_code(&with("CH", false), Code::UpdateAudience, &["CH, DE", "for everybody alone"]);
    assert_code(&with("", true), Code::UpdateAudience, &["names no region"]);
    assert_code(&with("FR", true), Code::UpdateAudience, &["region is FR"]);
    let verdict = with("DE", true);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(verdict.checked.iter().any(|line| line.ends_with("for CH, DE only")), "{verdict:#?}");
    // For everybody is for every region.
    let everybody = log();
    let mut trust = asking("regional = true\n");
    trust.more[0] = "region = \"FR\"\n".into();
    let verdict = judge(&trust, &everybody.proofs(&[everybody.update, everybody.build]), Some(NOW));
    assert_code(&verdict, Code::Verified, &[]);
}

#[test]
fn a_release_below_a_floor_is_refused_and_a_verified_one_raises_it() {
    // [V-36] [V-44] [V-45]
    let mut world = World::default();
    let build = world.build();
    let update = world.update_with(&[build], |_, body| body["release_seq"] = json!(5));
    let bundle = world.bundle(&[build, update]);
    let trust = |least: u64| asking(&format!("min_release_seq = {least}\n"));
    assert_code(
        &judge_bundle(&trust(6), &bundle, None, None),
        Code::UpdateBelowFloor,
        &["release 5", "trust file takes 6"],
    );
    let verdict = judge_bundle(&trust(5), &bundle, None, None);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.not_checked, "rollback: whether this machine"), "{verdict:#?}");
    let mut floor = Floor::nothing(Origin::new(ORIGIN).unwrap());
    let verdict = judge_bundle(&trust(0), &bundle, Some(&floor), None);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.checked, "rollback: this machine has verified no release"), "{verdict:#?}");
    floor.raise(&verdict.raise.unwrap());
    let stable = Name::new("stable").unwrap();
    assert_eq!((floor.release(PACKAGE, &stable), floor.size), (Some(5), TreeSize::new(2)));
    let again = judge_bundle(&trust(0), &bundle, Some(&floor), None);
    assert_code(&again, Code::Verified, &[]);
    assert!(has(&again.checked, "rollback: this machine has verified release 5"), "{again:#?}");
    floor.raise(&crate::floor::Raise { release_seq: 6, ..again.raise.unwrap() });
    let refused = judge_bundle(&trust(0), &bundle, Some(&floor), None);
    assert_code(&refused, Code::UpdateBelowFloor, &["release 5", "this machine has verified 6"]);
    assert_eq!(refused.raise, None);
    // A floor of another log, and one that saw another tree of that size.
    let other = Floor::nothing(Origin::new("log.example/other").unwrap());
    assert_code(
        &judge_bundle(&trust(0), &bundle, Some(&other), None),
        Code::OriginUnknown,
        &["floor", "log.example/other"],
    );
    let mut forked = Floor::nothing(Origin::new(ORIGIN).unwrap());
    (forked.size, forked.root) = (TreeSize::new(2), Hash::of(b"other"));
    let verdict = judge_bundle(&trust(0), &bundle, Some(&forked), None);
    assert_code(&verdict, Code::CheckpointFork, &["two trees of 2 entries"]); // [V-16]
}

#[test]
fn only_the_builders_of_the_stream_count() {
    // [V-37]
    let log = log();
    let proofs = log.proofs(&[log.update, log.build]);
    assert_code(&judge(&asking("builders = [\"farm\"]\n"), &proofs, Some(NOW)), Code::Verified, &[]);
    let mut trust = asking("builders = [\"farm2\"]\n");
    trust.issuers.push(("farm2", "\"build\"", None));
    assert_code(&judge(&trust, &proofs, Some(NOW)), Code::IssuerType, &["farm", "farm2"]);
}

/// A log with `more` rebuilds: issuer, outcome.
fn rebuilt(more: &[(&str, &str)]) -> (Log, Vec<Vec<u8>>) {
    let mut log = log();
    let mut indices = vec![log.update, log.build];
    for (issuer, outcome) in more {
        indices.push(log.world.rebuild(issuer, outcome));
    }
    let proofs = log.proofs(&indices);
    (log, proofs)
}

#[test]
fn a_quorum_of_rebuilds_is_reached_waited_for_or_lost() {
    // [V-38]
    let code = |more: &[(&str, &str)], asked: &str| {
        let (_, proofs) = rebuilt(more);
        judge(&asking(asked), &proofs, Some(NOW))
    };
    let both = [("rebuilder", "identical"), ("rebuilder2", "identical")];
    let verdict = code(&both, "rebuilds = 2\n");
    assert_code(&verdict, Code::Verified, &[]);
    assert!(
        has(
            &verdict.checked,
            "rebuild: app.deb was rebuilt identically by rebuilder, rebuilder2; at least 2 asked for, of 2 who count"
        ),
        "{verdict:#?}"
    );
    // One issuer twice is one issuer.
    let twice = [("rebuilder", "identical"), ("rebuilder", "identical")];
    let verdict = code(&twice, "rebuilds = 2\n");
    assert_code(&verdict, Code::RebuildPending, &["by 1 of the 2"]);
    assert_eq!(verdict.outcome, Outcome::NotYet);
    assert_code(&code(&[], "rebuilds = 1\n"), Code::RebuildPending, &["by 0 of the 1"]);
    assert_code(&code(&[("rebuilder", "not-attempted")], "rebuilds = 2\n"), Code::RebuildPending, &[]);
    // Who did not succeed cannot make up the number, unless the same issuer did later.
    let lost = [("rebuilder", "build-failed"), ("rebuilder2", "identical")];
    let verdict = code(&lost, "rebuilds = 2\n");
    assert_code(&verdict, Code::RebuildFailed, &["by 1 of the 2", "rebuilder"]);
    assert_eq!(verdict.outcome, Outcome::NotVerified);
    let mended = [("rebuilder", "build-failed"), ("rebuilder2", "identical"), ("rebuilder", "identical")];
    assert_code(&code(&mended, "rebuilds = 2\n"), Code::Verified, &[]);
    assert_code(&code(&lost, "rebuilds = 1\n"), Code::Verified, &[]);
    // Those whom the stream does not name do not count.
    assert_code(&code(&both, "rebuilds = 1\nrebuilders = [\"rebuilder2\"]\n"), Code::Verified, &[]);
    let other = code(&both[..1], "rebuilds = 1\nrebuilders = [\"rebuilder2\"]\n");
    assert_code(&other, Code::RebuildPending, &[]);
    assert!(has(&other.not_checked, "rebuild: entry 5 (rebuild of rebuilder)"), "{other:#?}");
}

#[test]
fn a_rebuild_counts_as_independent_as_its_issuer_is_pinned() {
    // [V-34] [V-38]
    let (_, proofs) = rebuilt(&[("rebuilder", "identical")]);
    let with = |word: &'static str, asked: &str| {
        let mut trust = asking(asked);
        trust.independence.push(("rebuilder", word));
        judge(&trust, &proofs, Some(NOW))
    };
    assert_code(&with("third-party", "rebuilds = 1\n"), Code::Verified, &[]);
    let verdict = with("supervisor", "rebuilds = 1\n");
    assert_code(&verdict, Code::RebuildPending, &[]);
    assert!(
        verdict.not_checked.iter().any(|line| line.contains("says third-party, the trust file supervisor")),
        "{verdict:#?}"
    );
    // The vendor's own counts where the stream names it, and nowhere else.
    let mut world = log().world;
    let mut own = subject("app.deb", BYTES);
    own["annotations"] = json!({"produced": Hash::of(BYTES).hex()});
    let body = json!({"outcome": "identical", "independence": "vendor", "source": source()});
    let rebuild = world.event("rebuilder", "rebuild", json!([own]), body, json!({}));
    let proofs = [world.proof(4), world.proof(2), world.proof(rebuild)];
    let verdict = judge(&asking("rebuilds = 1\n"), &proofs, Some(NOW));
    assert_code(&verdict, Code::RebuildPending, &[]);
    assert!(verdict.not_checked.iter().any(|line| line.contains("the vendor's own")), "{verdict:#?}");
    assert_code(
        &judge(&asking("rebuilds = 1\nrebuilders = [\"rebuilder\"]\n"), &proofs, Some(NOW)),
        Code::Verified,
        &[],
    );
}

#[test]
fn a_rebuild_from_another_source_says_nothing_of_the_one_that_the_build_names() {
    // [V-38]
    let mut log = log();
    let with = |world: &mut World, source: Value| {
        let mut own = subject("app.deb", BYTES);
        own["annotations"] = json!({"produced": Hash::of(BYTES).hex()});
        let source = json!({"uri": "git+https://example.com/fork", "digest": source});
        let body = json!({"outcome": "identical", "independence": "third-party", "source": source});
        let rebuild = world.event("rebuilder", "rebuild", json!([own]), body, json!({}));
        let proofs = [world.proof(log.update), world.proof(log.build), world.proof(rebuild)];
        judge(&asking("rebuilds = 1\n"), &proofs, Some(NOW))
    };
    let tree = source()["digest"]["gitTree"].clone();
    for other in [
        json!({"sha256": Hash::of(b"another source").hex()}),
        json!({"gitTree": tree, "sha256": Hash::of(b"another source").hex()}),
        json!({"gitCommit": "b".repeat(40)}),
    ] {
        let verdict = with(&mut log.world, other);
        assert_code(&verdict, Code::RebuildPending, &["by 0 of the 1"]);
        assert!(
            verdict.not_checked.iter().any(|line| line.contains("of app.deb it does not count: it is from source")),
            "{verdict:#?}"
        );
    }
    assert_code(&with(&mut log.world, json!({"gitTree": tree})), Code::Verified, &[]);
}

#[test]
fn different_beyond_what_is_borne_refuses() {
    // [V-39]
    let one = [("rebuilder", "different"), ("rebuilder", "different")];
    let (_, proofs) = rebuilt(&one);
    assert_code(&judge(&asking(""), &proofs, Some(NOW)), Code::RebuildDifferent, &["rebuilder"]);
    let borne = judge(&asking("different_max = 1\n"), &proofs, Some(NOW));
    assert_code(&borne, Code::Verified, &[]);
    assert!(borne.not_checked.iter().any(|line| line.contains("the outcome is different")), "{borne:#?}");
    let (_, proofs) = rebuilt(&[("rebuilder", "different"), ("rebuilder2", "different")]);
    let verdict = judge(&asking("different_max = 1\n"), &proofs, Some(NOW));
    assert_code(&verdict, Code::RebuildDifferent, &["bears 1, 2 issuers"]);
}

#[test]
fn a_review_of_that_very_source_is_required_where_the_stream_says_so() {
    // [V-40]
    let log = log();
    let asked = asking("require_review = true\n");
    let with = |indices: &[u64]| judge(&asked, &log.proofs(indices), Some(NOW));
    assert_code(&with(&[log.update, log.build, log.review]), Code::Verified, &[]);
    assert_code(&with(&[log.update, log.build]), Code::ReviewPending, &["source sha256"]);
    assert_code(&with(&[log.update, log.build, 0]), Code::ReviewPending, &[]); // entry 0 reviews something else
    let mut trust = asking("require_review = true\nreviewers = [\"auditor\"]\n");
    trust.issuers.last_mut().unwrap().1 = "\"code-review\", \"verdict\"";
    let verdict = judge(&trust, &log.proofs(&[log.update, log.build, log.review]), Some(NOW));
    assert_code(&verdict, Code::ReviewPending, &[]);
    let mut world = log.world.clone();
    let nobody_can_say = world.review(source()["digest"].clone(), "inconclusive");
    let proofs = [world.proof(log.update), world.proof(log.build), world.proof(nobody_can_say)];
    assert_code(&judge(&asked, &proofs, Some(NOW)), Code::ReviewPending, &[]);
    let body = json!({
        "centre": "Zürich", "organisation": "Example Review", "scope": ["app"], "method": "reading",
        "from": "2026-01-01", "to": "2026-02-01", "outcome": "findings",
        "findings": {"critical": 1, "high": 0, "medium": 0, "low": 0, "info": 0},
    });
    let critical = world.event("stranger", "code-review", json!([{"digest": source()["digest"]}]), body, json!({}));
    let proofs = [world.proof(log.update), world.proof(log.build), world.proof(log.review), world.proof(critical)];
    assert_code(&judge(&asked, &proofs, Some(NOW)), Code::ReviewFindings, &["critical 1"]);
    assert_code(&judge(&asking(""), &proofs, Some(NOW)), Code::Verified, &[]);
}

#[test]
fn a_verdict_is_required_where_the_stream_says_so_and_a_failed_one_refuses_everywhere() {
    // [V-41]
    let mut log = log();
    let passed = log.world.verdict("auditor", "PASSED", log.update);
    let failed = log.world.verdict("auditor", "FAILED", log.update);
    let mended = log.world.verdict("auditor", "PASSED", log.update);
    let foreign = log.world.verdict("stranger", "PASSED", log.update);
    let with = |more: &[u64], asked: &str| {
        let indices: Vec<u64> = [log.update, log.build].iter().chain(more).copied().collect();
        judge(&asking(asked), &log.proofs(&indices), Some(NOW))
    };
    let asked = "require_verdict = true\n";
    let verdict = with(&[passed], asked);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.checked, "verdict: entry 5 (verdict of auditor) says PASSED"), "{verdict:#?}");
    assert_code(&with(&[], asked), Code::VerdictPending, &["app.deb"]);
    assert_code(&with(&[foreign], asked), Code::VerdictPending, &[]);
    for asked in [asked, ""] {
        assert_code(&with(&[passed, failed], asked), Code::VerdictFailed, &["entry 6 (verdict of auditor)"]);
        assert_code(&with(&[failed, passed], asked), Code::VerdictFailed, &[]);
        assert_code(&with(&[passed, failed, mended], asked), Code::Verified, &[]);
    }
    // Another issuer's word takes none back.
    assert_code(&with(&[failed, foreign], ""), Code::VerdictFailed, &[]);
    let named = judge(
        &asking("require_verdict = true\nverdicts_by = [\"auditor\"]\n"),
        &log.proofs(&[log.update, log.build, passed]),
        Some(NOW),
    );
    assert_code(&named, Code::Verified, &[]);
}

#[test]
fn a_passed_that_does_not_count_takes_no_failed_back() {
    // [V-20] [V-41]
    let mut log = log();
    let failed = log.world.verdict("auditor", "FAILED", log.update);
    let passed = log.world.verdict("auditor", "PASSED", log.update);
    let bundle = log.world.bundle(&[log.build, log.update, failed, passed]);
    let judge = |trust: &Trust, watched: Option<&Watched>| judge_bundle(trust, &bundle, None, watched);
    assert_code(&judge(&asking(""), None), Code::Verified, &[]);
    // The key was stolen between the two.
    let mut stolen = asking("");
    stolen.issuers.last_mut().unwrap().2 = Some(passed);
    assert_code(&judge(&stolen, None), Code::VerdictFailed, &[]);
    let key = (Name::new("auditor").unwrap(), 1);
    let watched = watched(&log, |read| _ = read.disowned.insert(key, LeafIndex::new(passed)));
    assert_code(&judge(&asking(""), Some(&watched)), Code::VerdictFailed, &[]);
    // Nobody here knows who signed it, or the stream does not ask them.
    let mut unknown = asking("");
    unknown.issuers.pop();
    assert_code(&judge(&unknown, None), Code::VerdictFailed, &[]);
    let mut unasked = asking("verdicts_by = [\"auditor2\"]\n");
    unasked.issuers.push(("auditor2", "\"verdict\"", None));
    assert_code(&judge(&unasked, None), Code::VerdictFailed, &[]);
}

#[test]
fn what_is_missing_may_come_until_the_time_is_over() {
    // [V-42] [V-49]
    let log = log();
    let proofs = log.proofs(&[log.update, log.build]);
    let recorded = NOW - 1_000;
    for (asked, pending, missing) in [
        ("rebuilds = 1\n", Code::RebuildPending, Code::RebuildMissing),
        ("require_review = true\n", Code::ReviewPending, Code::ReviewMissing),
        ("require_verdict = true\n", Code::VerdictPending, Code::VerdictMissing),
    ] {
        let trust = asking(&format!("{asked}wait_s = 1000\n"));
        assert_code(&judge(&trust, &proofs, Some(recorded + 1_000)), pending, &[]);
        let over = judge(&trust, &proofs, Some(recorded + 1_001));
        assert_code(&over, missing, &["time that the trust file gives"]);
        assert_eq!(over.outcome, Outcome::NotVerified);
        assert_code(&judge(&trust, &proofs, None), pending, &[]);
        assert_code(&judge(&asking(asked), &proofs, Some(u64::MAX)), pending, &[]);
    }
    // Something wrong is said before something missing, and the first of several that are missing.
    let all = asking("rebuilds = 1\nrequire_review = true\nrequire_verdict = true\n");
    assert_code(&judge(&all, &proofs, Some(NOW)), Code::ReviewPending, &[]);
    let mut low = all.clone();
    low.more[1] += "min_release_seq = 2\n";
    assert_code(&judge(&low, &proofs, Some(NOW)), Code::UpdateBelowFloor, &[]);
}

#[test]
fn a_checkpoint_may_be_as_old_as_the_trust_file_says() {
    // [V-43]
    let log = log();
    let proofs = log.proofs(&[log.update, log.build]);
    let mut trust = Trust::default();
    trust.more[0] = "max_age_s = 100\n".into();
    // The quorum was complete 60 seconds before now.
    assert_code(&judge(&trust, &proofs, Some(NOW + 40)), Code::Verified, &[]);
    assert_code(&judge(&trust, &proofs, Some(NOW + 41)), Code::CheckpointStale, &["101 s old", "bears 100 s"]);
    let timeless = judge(&trust, &proofs, None);
    assert_code(&timeless, Code::Verified, &[]);
    assert!(has(&timeless.not_checked, "age: "), "{timeless:#?}");
    // Nobody but the log says when it was made.
    let policy = crate::policy::Policy::parse(policy_text("none")).unwrap();
    let pins = Pins::new(policy, trust.file(), Witnessing::Unwitnessed).unwrap();
    let unwitnessed = verify_update(&Question::new(file(), &named(&proofs), &pins, Some(NOW)));
    assert_code(&unwitnessed, Code::CheckpointStale, &["no witness says"]);
}

/// A log with a charter, and a later one: what it changes, and who signs.
fn charters(change: impl FnOnce(&mut Value), cosigners: &[&str]) -> (World, Vec<u64>, Trust) {
    let mut world = World::default();
    let origin = json!([{"digest": {"sha256": Hash::of(ORIGIN.as_bytes()).hex()}}]);
    let first = world.event("operator", "charter", origin.clone(), charter(), json!({}));
    let mut later = charter();
    later["version"] = json!(2);
    later["prev"] = json!(world.id(first));
    change(&mut later);
    let mut keys: Vec<String> = cosigners.iter().map(|name| issuer_seed(name).vkey().keyid()).collect();
    keys.sort();
    let second = world.event("operator", "charter", origin, later, json!({"cosigners": keys}));
    let build = world.build();
    let update = world.update(&[build]);
    let mut trust = asking("");
    trust.charter = world.id(first).into();
    trust.more[0] = "charter_version = 2\n".into();
    (world, vec![first, second, build, update], trust)
}

fn new_supervisor(later: &mut Value) {
    later["supervisor"] = json!({"epoch": 2, "vkey": issuer_seed("supervisor2").vkey().to_string()});
}

#[test]
fn charters_are_followed_from_the_pinned_one() {
    // [V-3] [V-46]
    let (world, indices, trust) = charters(|_| (), &["supervisor"]);
    let verdict = judge_bundle(&trust, &world.bundle(&indices), None, None);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.checked, "charter: entry 1 (charter of operator) is version 2"), "{verdict:#?}");
    let old = judge_bundle(&trust, &world.bundle(&[0, 2, 3]), None, None);
    assert_code(&old, Code::CharterVersion, &["version 2", "version 1 is the latest"]);
    assert_code(&judge_bundle(&trust, &world.bundle(&[2, 3]), None, None), Code::CharterVersion, &["none was shown"]);
    let mut first = trust.clone();
    first.more[0] = String::new();
    let apart = judge_bundle(&first, &world.bundle(&[1, 2, 3]), None, None);
    assert_code(&apart, Code::Verified, &[]);
    assert!(has(&apart.not_checked, "charter: entry 1 (charter of operator) is version 2, without"), "{apart:#?}");
}

#[test]
fn a_charter_is_followed_with_exactly_its_signers() {
    // [V-18] [V-46]
    let (world, indices, trust) = charters(|_| (), &["supervisor"]);
    let resigned = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut changed = world.clone();
        let mut leaf: Value = serde_json::from_slice(&changed.leaves[1]).unwrap();
        let mut signatures = leaf["signatures"].as_array().unwrap().clone();
        change(&mut signatures);
        leaf["signatures"] = json!(signatures);
        changed.leaves[1] = serde_json_canonicalizer::to_vec(&leaf).unwrap();
        judge_bundle(&trust, &changed.bundle(&indices), None, None)
    };
    assert_code(&resigned(&|_| ()), Code::Verified, &[]);
    let supervisor = issuer_seed("supervisor").vkey().keyid();
    let without = resigned(&|all| all.retain(|one| one["keyid"] != json!(supervisor)));
    assert_code(&without, Code::EventSigners, &["entry 1", &supervisor]);
    let more = resigned(&|all| {
        let stranger = json!({"keyid": issuer_seed("stranger").vkey().keyid(), "sig": all[0]["sig"]});
        all.push(stranger);
        all.sort_by_key(|one| one["keyid"].as_str().unwrap().to_string());
    });
    assert_code(&more, Code::EventSigners, &["2 signatures"]);
}

#[test]
fn whoever_else_signed_a_followed_charter_is_checked_or_said() {
    // [V-18] [V-46]
    for (cosigner, known) in [("farm", true), ("stranger", false)] {
        let (world, indices, trust) = charters(|_| (), &["supervisor", cosigner]);
        let keyid = issuer_seed(cosigner).vkey().keyid();
        let verdict = judge_bundle(&trust, &world.bundle(&indices), None, None);
        assert_code(&verdict, Code::Verified, &[]);
        let said = has(&verdict.not_checked, &format!("signature: of {keyid} on entry 1 (charter of operator)"));
        assert_eq!(said, !known, "{verdict:#?}");
        let mut changed = world;
        let mut leaf: Value = serde_json::from_slice(&changed.leaves[1]).unwrap();
        let signatures = leaf["signatures"].as_array_mut().unwrap();
        signatures.iter_mut().find(|one| one["keyid"] == json!(keyid)).unwrap()["sig"] =
            json!(crate::text::b64(&[7; 64]));
        changed.leaves[1] = serde_json_canonicalizer::to_vec(&leaf).unwrap();
        let verdict = judge_bundle(&trust, &changed.bundle(&indices), None, None);
        match known {
            true => assert_code(&verdict, Code::EventSignature, &["entry 1", &keyid]),
            false => assert_code(&verdict, Code::Verified, &[]),
        }
    }
}

#[test]
fn what_contradicts_itself_is_no_event() {
    // [V-17]
    let mut world = log().world;
    let body = json!({"outcome": "identical", "independence": "third-party", "source": source()});
    let silent = world.event("rebuilder", "rebuild", json!([subject("app.deb", BYTES)]), body.clone(), json!({}));
    let mut other = subject("app.deb", BYTES);
    other["annotations"] = json!({"produced": Hash::of(b"other").hex()});
    let other = world.event("rebuilder", "rebuild", json!([other]), body, json!({}));
    for rebuild in [silent, other] {
        let proofs = [4, 2, rebuild].map(|index| world.proof(index));
        assert_code(&judge(&asking("rebuilds = 1\n"), &proofs, Some(NOW)), Code::EventMalformed, &["outcome"]);
    }
}

#[test]
fn a_revocation_is_said_before_a_second_digest_and_what_is_lost_before_what_is_late() {
    // [V-24] [V-25] [V-38] [V-42]
    let mut log = log();
    let second = log.world.update_with(&[log.build], |subjects, _| {
        subjects[0]["digest"]["sha256"] = json!(Hash::of(b"another").hex());
    });
    let refs = json!({"refs": [{"rel": "revokes", "event_id": log.world.id(log.update)}]});
    let files = json!([subject("app.deb", BYTES)]);
    let revoke = log.world.event("release", "update-revoke", files, json!({"reason": "defect"}), refs);
    let proofs = log.proofs(&[log.update, log.build, second, revoke]);
    assert_code(&judge(&Trust::default(), &proofs, Some(NOW)), Code::UpdateRevoked, &["defect"]);
    let (_, proofs) = rebuilt(&[("rebuilder", "build-failed"), ("rebuilder2", "build-failed")]);
    let asked = asking("rebuilds = 1\nrequire_review = true\nwait_s = 1\n");
    assert_code(&judge(&asked, &proofs, Some(NOW)), Code::RebuildFailed, &[]);
}

#[test]
fn two_charters_after_one_are_refused_however_signed() {
    // [V-46]
    let (mut world, mut indices, trust) = charters(|_| (), &["supervisor"]);
    let mut twin = charter();
    twin["version"] = json!(2);
    twin["prev"] = json!(world.id(indices[0]));
    twin["built_here_only"] = json!(true);
    let origin = json!([{"digest": {"sha256": Hash::of(ORIGIN.as_bytes()).hex()}}]);
    let cosigners = json!({"cosigners": [issuer_seed("supervisor").vkey().keyid()]});
    indices.push(world.event("operator", "charter", origin, twin, cosigners));
    let verdict = judge_bundle(&trust, &world.bundle(&indices), None, None);
    assert_code(&verdict, Code::Charter, &["entry 1", "entry 4", "both follow version 1"]);
}

#[test]
fn of_several_updates_of_a_file_the_newest_that_counts_is_judged() {
    // [V-21]
    let mut world = World::default();
    let build = world.build();
    let beta = world.update_with(&[build], |_, body| body["channel"] = json!("beta"));
    let old = world.update(&[build]);
    let new = world.update_with(&[build], |_, body| body["release_seq"] = json!(2));
    let trust = Trust::default();
    for order in [[beta, old, new], [new, old, beta]] {
        let proofs: Vec<Vec<u8>> = order.iter().chain([&build]).map(|index| world.proof(*index)).collect();
        let verdict = judge(&trust, &proofs, Some(NOW));
        assert_code(&verdict, Code::Verified, &["release 2 in stable"]);
        assert!(has(&verdict.not_checked, "update: entry 1 (update of release) holds this file too"), "{verdict:#?}");
    }
    // What a thief of the key logged later takes no update's place.
    let mut disowned = trust.clone();
    disowned.issuers[0].2 = Some(new);
    let proofs = [beta, old, new, build].map(|index| world.proof(index));
    assert_code(&judge(&disowned, &proofs, Some(NOW)), Code::Verified, &["release 1 in stable"]);
    let only = [world.proof(beta), world.proof(build)];
    assert_code(&judge(&trust, &only, Some(NOW)), Code::StreamUnknown, &["beta"]);
}

#[test]
fn a_later_charter_that_is_not_rightly_signed_is_refused() {
    // [V-46]
    let refused = |change: fn(&mut Value), cosigners: &[&str]| {
        let (world, indices, trust) = charters(change, cosigners);
        judge_bundle(&trust, &world.bundle(&indices), None, None)
    };
    assert_code(&refused(|_| (), &["farm"]), Code::Charter, &["supervisor of version 1 did not sign"]);
    assert_code(&refused(new_supervisor, &["supervisor"]), Code::Charter, &["new key of supervisor did not sign"]);
    let same_epoch = |later: &mut Value| {
        new_supervisor(later);
        later["supervisor"]["epoch"] = json!(1);
    };
    assert_code(&refused(same_epoch, &["supervisor", "supervisor2"]), Code::Charter, &["epoch 1 after epoch 1"]);
    let skipped = |later: &mut Value| later["version"] = json!(3);
    assert_code(&refused(skipped, &["supervisor"]), Code::Charter, &["version 3", "version 1"]);
}

#[test]
fn a_new_key_of_a_role_says_what_the_old_one_might() {
    // [V-46]
    let (mut world, mut indices, mut trust) = charters(new_supervisor, &["supervisor", "supervisor2"]);
    let update = indices[3];
    trust.more[1] = "require_verdict = true\nverdicts_by = [\"supervisor\"]\n".into();
    trust.issuers.iter_mut().find(|(name, ..)| *name == "supervisor").unwrap().1 = "\"code-review\", \"verdict\"";
    // Signed by the new key, in the new epoch.
    let body = json!({
        "result": "PASSED", "verifier": "https://supervisor.example.com/1",
        "policy": {"uri": "https://supervisor.example.com/policy", "sha256": Hash::of(b"policy").hex()}, "levels": [],
    });
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": Hash::of(BYTES).hex()}}],
        "predicateType": "https://vitrine.example/verdict/v0",
        "predicate": {"hdr": {
            "origin": ORIGIN, "issuer": "supervisor", "epoch": 2, "recorded": NOW - 900, "nonce": "1".repeat(32),
            "refs": [{"rel": "about", "event_id": world.id(update)}],
        }, "body": body},
    });
    indices.push(world.log(&statement, &["supervisor2"]));
    let verdict = judge_bundle(&trust, &world.bundle(&indices), None, None);
    assert_code(&verdict, Code::Verified, &[]);
    // Without the charter that names the key nobody knows it.
    trust.more[0] = String::new();
    let without: Vec<u64> = indices.iter().copied().filter(|index| *index != indices[1]).collect();
    assert_code(&judge_bundle(&trust, &world.bundle(&without), None, None), Code::VerdictPending, &[]);
    // A trust file that has another key for that epoch is right, and the log is wrong.
    let mut other = trust.clone();
    other.issuers.retain(|(name, ..)| *name != "supervisor");
    let lines = format!(
        "\n[[issuer]]\nname = \"supervisor\"\nepoch = 2\nvkey = \"{}\"\ntypes = [\"verdict\"]\n",
        issuer_seed("stranger").vkey()
    );
    other.more[1] = "require_verdict = true\nverdicts_by = [\"supervisor\"]\n".to_string() + &lines;
    let verdict = judge_bundle(&other, &world.bundle(&indices[..4]), None, None);
    assert_code(&verdict, Code::Charter, &["supervisor epoch 2", &issuer_seed("stranger").vkey().to_string()]);
}

#[test]
fn an_epoch_before_the_trust_file_s_is_not_taken_from_a_charter() {
    // [V-46]
    let (mut world, mut indices, mut trust) = charters(new_supervisor, &["supervisor", "supervisor2"]);
    indices.push(world.verdict("supervisor", "PASSED", indices[3]));
    let lines = |epoch: u32, key: &str| {
        let vkey = issuer_seed(key).vkey();
        format!("\n[[issuer]]\nname = \"supervisor\"\nepoch = {epoch}\nvkey = \"{vkey}\"\ntypes = [\"verdict\"]\n")
    };
    trust.issuers.retain(|(name, ..)| *name != "supervisor");
    let asked = "require_verdict = true\nverdicts_by = [\"supervisor\"]\n".to_string();
    let judge = |trust: &Trust| judge_bundle(trust, &world.bundle(&indices), None, None);
    trust.more[1] = asked.clone() + &lines(1, "supervisor");
    assert_code(&judge(&trust), Code::Verified, &[]);
    trust.more[1] = asked + &lines(2, "supervisor2");
    assert_code(&judge(&trust), Code::VerdictPending, &[]);
}

#[test]
fn a_charter_gives_no_role_the_key_of_another_issuer() {
    // [V-5] [V-46]
    let farm = |later: &mut Value| {
        later["supervisor"] = json!({"epoch": 2, "vkey": issuer_seed("farm").vkey().to_string()});
    };
    let (world, indices, trust) = charters(farm, &["supervisor", "farm"]);
    let verdict = judge_bundle(&trust, &world.bundle(&indices), None, None);
    assert_code(&verdict, Code::Charter, &["supervisor epoch 2", "the trust file has for farm"]);
}

#[test]
fn a_charter_that_two_trees_show_is_one_and_every_entry_0_is_the_pinned_one() {
    // [V-11] [V-31] [V-46]
    let (mut world, indices, trust) = charters(|_| (), &["supervisor"]);
    let early = world.bundle(&indices);
    world.build();
    let late = world.bundle(&indices);
    let pins = trust.pins();
    let judge =
        |bundles: &[Proof<'_>]| verify_update(&Question { bundles, ..Question::new(file(), &[], &pins, Some(NOW)) });
    let verdict = judge(&[Proof { name: "a", bytes: &early }, Proof { name: "b", bytes: &late }]);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(!has(&verdict.not_checked, "charter: entry"), "{verdict:#?}");
    let mut body = charter();
    body["sites"] = json!([{"code": "CH-ZH-1", "name": "Zürich"}]);
    let about = json!([{"digest": {"sha256": Hash::of(ORIGIN.as_bytes()).hex()}}]);
    let mut forked = World::default();
    let first = forked.event("operator", "charter", about, body, json!({}));
    let forked = forked.bundle(&[first]);
    let verdict = judge(&[Proof { name: "a", bytes: &early }, Proof { name: "b", bytes: &forked }]);
    assert_code(&verdict, Code::Charter, &["entry 0 has fingerprint"]);
}

/// A watch that has read everything, and what it found.
fn watched(log: &Log, change: impl FnOnce(&mut Watched)) -> Watched {
    let checkpoint = log.world.checkpoint(&[], &TWO);
    let mut watched = Watched::nothing(Origin::new(ORIGIN).unwrap());
    (watched.size, watched.root) = (checkpoint.size(), *checkpoint.root());
    change(&mut watched);
    watched
}

#[test]
fn what_a_watch_has_read_counts() {
    // [V-47]
    let log = log();
    let bundle = log.world.bundle(&[log.build, log.update]);
    let id = EventId::from_hex(log.world.id(log.update)).unwrap();
    let judge = |watched: &Watched| judge_bundle(&Trust::default(), &bundle, None, Some(watched));
    let nothing = judge(&watched(&log, |_| ()));
    assert_code(&nothing, Code::Verified, &[]);
    assert!(
        has(&nothing.checked, "watched: no revocation, second digest or disowning of it in the first 5"),
        "{nothing:#?}"
    );
    assert!(has(&nothing.not_checked, "watched: what was logged from entry 5 on"), "{nothing:#?}");
    let at = LeafIndex::new;
    let name = |text| Name::new(text).unwrap();
    let revoked = watched(&log, |read| _ = read.revoked.insert(id, (at(9), name("security"))));
    assert_code(&judge(&revoked), Code::UpdateRevoked, &["entry 9", "security"]);
    let key = file_key(PURL, "app.deb", "stable");
    let second = watched(&log, |read| {
        read.second.insert((key, at(log.update), Hash::of(BYTES)));
        read.second.insert((key, at(8), Hash::of(b"for you alone")));
    });
    assert_code(&judge(&second), Code::UpdateSecondDigest, &["entry 8", &Hash::of(b"for you alone").hex()]);
    let disowned = watched(&log, |read| _ = read.disowned.insert((name("release"), 1), at(log.update)));
    assert_code(&judge(&disowned), Code::IssuerDisowned, &["release epoch 1"]);
    let later = watched(&log, |read| _ = read.disowned.insert((name("release"), 1), at(log.update + 1)));
    assert_code(&judge(&later), Code::Verified, &[]);
    let no_build = watched(&log, |read| _ = read.disowned.insert((name("farm"), 1), at(log.build)));
    assert_code(&judge(&no_build), Code::IssuerDisowned, &["farm"]);
    let closed = watched(&log, |read| _ = read.closed.insert((name("release"), 1), (at(7), name("planned"))));
    let verdict = judge(&closed);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.checked, "issuer: release epoch 1 was closed by entry 7 (planned)"), "{verdict:#?}");
    let before = watched(&log, |read| _ = read.closed.insert((name("release"), 1), (at(1), name("planned"))));
    assert_code(&judge(&before), Code::IssuerDisowned, &["closed by entry 1"]);
    let fork = watched(&log, |read| read.root = Hash::of(b"other"));
    assert_code(&judge(&fork), Code::CheckpointFork, &["5 entries"]);
    let elsewhere = Watched::nothing(Origin::new("log.example/other").unwrap());
    assert_code(&judge(&elsewhere), Code::OriginUnknown, &["watch"]);
}

#[test]
fn a_development_log_is_called_one() {
    // [V-48]
    let origin = "dev.example/log";
    let policy = policy_text("q").replace(
        &seed(ORIGIN, KeyKind::Ed25519).vkey().to_string(),
        &seed(origin, KeyKind::Ed25519).vkey().to_string(),
    );
    let policy = policy.replace(
        &seed(ORIGIN, KeyKind::MlDsa44).vkey().to_string(),
        &seed(origin, KeyKind::MlDsa44).vkey().to_string(),
    );
    let trust = Trust { origin: origin.into(), ..Trust::default() };
    let pins = Pins::new(crate::policy::Policy::parse(policy).unwrap(), trust.file(), Witnessing::Required).unwrap();
    let log = log();
    let verdict = verify_update(&Question::new(file(), &named(&log.proofs(&[log.update])), &pins, Some(NOW)));
    assert!(has(&verdict.not_checked, "log: a development log"), "{verdict:#?}");
    let verdict = judge(&Trust::default(), &log.proofs(&[log.update, log.build]), Some(NOW));
    assert!(!has(&verdict.not_checked, "log: a development log"), "{verdict:#?}");
}
