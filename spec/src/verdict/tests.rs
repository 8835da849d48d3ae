//! The verdicts on a small log: what is verified, and each refusal for its reason (90-verdict.md).

mod gate;

use std::prelude::v1::*;

use alloc::collections::BTreeSet;
use std::{format, vec};

use serde_json::json;

use super::world::*;
use super::*;
use crate::hash::Hash;
use crate::key::KeyKind;
use crate::policy::Policy;
use crate::text::b64;

const BOTH: [KeyKind; 2] = [KeyKind::Ed25519, KeyKind::MlDsa44];

/// A log with a review, a build, an identical rebuild and the update of `BYTES`.
struct Log {
    world: World,
    review: u64,
    build: u64,
    rebuild: u64,
    update: u64,
}

fn log() -> Log {
    let mut world = World::default();
    world.review(json!({"gitTree": "b".repeat(40)}), "no-finding"); // of something else
    let review = world.review(source()["digest"].clone(), "no-finding");
    let build = world.build();
    let rebuild = world.rebuild("rebuilder", "identical");
    let update = world.update(&[build]);
    Log { world, review, build, rebuild, update }
}

fn verify(proofs: &[Vec<u8>]) -> Verdict {
    verify_update(&Question::new(file(), &named(proofs), &Trust::default().pins(), Some(NOW)))
}

fn verify_with(trust: &Trust, proofs: &[Vec<u8>]) -> Verdict {
    verify_update(&Question::new(file(), &named(proofs), &trust.pins(), Some(NOW)))
}

impl Log {
    fn proofs(&self, indices: &[u64]) -> Vec<Vec<u8>> {
        indices.iter().map(|index| self.world.proof(*index)).collect()
    }
}

fn has(lines: &[String], start: &str) -> bool {
    lines.iter().any(|line| line.starts_with(start))
}

/// The verdict has this code, its reason holds the words, and what every verdict says is there.
#[track_caller]
fn assert_code(verdict: &Verdict, code: Code, words: &[&str]) {
    assert_eq!(verdict.code, code, "{verdict:#?}");
    assert_eq!(verdict.outcome, code.outcome());
    for word in words {
        assert!(verdict.reason.contains(word), "{word} is not in: {}", verdict.reason);
    }
    for limit in LIMITS {
        assert!(verdict.not_checked.contains(&format!("limit: {limit}")), "{verdict:#?}"); // [V-30]
    }
    assert!(has(&verdict.not_checked, "format: experimental"), "{verdict:#?}"); // [V-30]
    assert_eq!(has(&verdict.not_checked, "rest: "), code != Code::Verified, "{verdict:#?}");
}

#[test]
fn an_update_with_build_rebuild_and_review_is_verified() {
    // [V-10] [V-13] [V-14] [V-15] [V-18] [V-19] [V-21] [V-22] [V-26] [V-27] [V-28] [V-33]
    let log = log();
    let verdict = verify(&log.proofs(&[log.update, log.build, log.rebuild, log.review]));
    assert_code(&verdict, Code::Verified, &["app.deb", PURL, "release 1", "stable", ORIGIN, "release"]);
    assert!(
        has(&verdict.checked, "rebuild: entry 3 (rebuild of rebuilder) (third-party): app.deb identical"),
        "{verdict:#?}"
    );
    assert!(
        has(&verdict.checked, "review: entry 1 (code-review of supervisor) by Example Review: no-finding"),
        "{verdict:#?}"
    );
    assert!(
        has(&verdict.checked, "build: entry 2 (build of farm) made 1 of 1 files from source sha256"),
        "{verdict:#?}"
    );
    assert!(
        has(
            &verdict.checked,
            "witnesses: the quorum holds by w1-ed, w1-pq, w3-ed, w3-pq, complete 2027-01-15T07:59:00Z, 60 s ago"
        ),
        "{verdict:#?}"
    );
    assert!(has(&verdict.not_checked, "charter: "), "{verdict:#?}"); // [V-31]
    // The same question has the same answer.
    assert_eq!(verdict, verify(&log.proofs(&[log.update, log.build, log.rebuild, log.review])));
}

#[test]
fn what_is_not_given_is_said_and_what_is_required_is_not_taken_from_what_is_given() {
    // [V-10] [V-27] [V-28]
    let log = log();
    let verdict = verify(&log.proofs(&[log.update, log.build]));
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.not_checked, "rebuild: none was given"), "{verdict:#?}");
    assert!(has(&verdict.not_checked, "review: none was given of source sha256"), "{verdict:#?}");
    assert!(!has(&verdict.checked, "rebuild: ") && !has(&verdict.checked, "review: "), "{verdict:#?}");
}

#[test]
fn one_flipped_bit_in_the_file_is_refused_with_both_digests() {
    // [V-21]
    let log = log();
    let mut bytes = BYTES.to_vec();
    bytes[3] ^= 1;
    let flipped = File { sha256: Hash::of(&bytes), ..file() };
    let verdict = verify_update(&Question::new(
        flipped,
        &named(&log.proofs(&[log.update, log.build])),
        &Trust::default().pins(),
        Some(NOW),
    ));
    assert_code(&verdict, Code::FileDigest, &[&Hash::of(&bytes).hex(), &Hash::of(BYTES).hex()]);
    let longer = File { size: 11, ..file() };
    let verdict =
        verify_update(&Question::new(longer, &named(&log.proofs(&[log.update])), &Trust::default().pins(), Some(NOW)));
    assert_code(&verdict, Code::FileSize, &["has 11 bytes", "says 10"]);
    assert_code(&verify(&log.proofs(&[log.build])), Code::UpdateMissing, &["entry 2 (build of farm)"]);
    assert_code(&verify(&[]), Code::UpdateMissing, &["nothing"]);
}

#[test]
fn a_proof_of_another_entry_is_refused() {
    // [V-11] [V-14]
    let log = log();
    let checkpoint = log.world.checkpoint(&BOTH, &TWO);
    let leaf = |index: u64| log.world.leaves[usize::try_from(index).unwrap()].clone();
    let other = log.world.proof_in(log.build, &leaf(log.update), &checkpoint);
    assert_code(&verify(&[other]), Code::Inclusion, &["a: "]);
    // The `extra` line is not authenticated: a changed leaf is not in the tree.
    let mut changed = leaf(log.update);
    let at = changed.len() / 2;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = log.world.proof_in(log.update, &changed, &checkpoint);
    assert_code(&verify(&[changed]), Code::Inclusion, &[]);
    // A broken proof refuses, however good the others are.
    let mut proofs = log.proofs(&[log.update, log.build, log.rebuild]);
    proofs[2] = log.world.proof_in(log.rebuild, &leaf(log.review), &checkpoint);
    assert_code(&verify(&proofs), Code::Inclusion, &["c: "]);
}

#[test]
fn no_flipped_bit_of_a_proof_is_verified() {
    // [V-11] [V-13] [V-14] [V-15]
    let log = log();
    let good = log.proofs(&[log.update, log.build]);
    assert_code(&verify(&good), Code::Verified, &[]);
    let mut codes = BTreeSet::new();
    for at in (0..good[0].len()).step_by(41) {
        let mut bad = good.clone();
        bad[0][at] ^= 1 << (at % 8);
        let verdict = verify(&bad);
        assert_ne!(verdict.outcome, Outcome::Verified, "bit {} of byte {at}", at % 8);
        codes.insert(verdict.code);
    }
    assert!(codes.len() > 4, "{codes:?}");
}

#[test]
fn what_is_no_proof_is_malformed() {
    // [V-11]
    let log = log();
    let good = String::from_utf8(log.world.proof(log.update)).unwrap();
    let without_leaf: String = good.split_inclusive('\n').filter(|line| !line.starts_with("extra ")).collect();
    assert_code(&verify(&[without_leaf.into_bytes()]), Code::ProofMalformed, &["extra"]);
    for bad in [String::new(), "hello".into(), good.replace("@v1", "@v2"), good.replace("index 4", "index 04")] {
        assert_code(&verify(&[bad.into_bytes()]), Code::ProofMalformed, &["a: not a tlog-proof"]);
    }
}

#[test]
fn a_log_that_the_trust_file_does_not_name_is_refused() {
    // [V-12]
    let log = log();
    let trust = Trust { origin: "log.example/other".into(), ..Trust::default() };
    let policy = policy_text("q");
    let mut other = String::new();
    for kind in BOTH {
        other += &format!("log {}\n", seed("log.example/other", kind).vkey());
    }
    let policy: String =
        policy.lines().filter(|line| !line.starts_with("log ")).map(|line| format!("{line}\n")).collect();
    let pins = Pins::new(Policy::parse(other + &policy).unwrap(), trust.file(), Witnessing::Required).unwrap();
    let verdict = verify_update(&Question::new(file(), &named(&log.proofs(&[log.update])), &pins, Some(NOW)));
    assert_code(&verdict, Code::OriginUnknown, &[ORIGIN, "log.example/other"]);
}

#[test]
fn both_of_the_logs_signatures_are_needed_unless_the_trust_file_says_less() {
    // [V-4] [V-13]
    let log = log();
    let leaf = &log.world.leaves[usize::try_from(log.update).unwrap()];
    let build = &log.world.leaves[usize::try_from(log.build).unwrap()];
    for (keys, word, both, only) in [
        (KeyKind::Ed25519, "ed", Code::LogSignature, Code::Verified),
        (KeyKind::MlDsa44, "pq", Code::LogSignature, Code::Verified),
    ] {
        let checkpoint = log.world.checkpoint(&[keys], &TWO);
        let proofs =
            [log.world.proof_in(log.update, leaf, &checkpoint), log.world.proof_in(log.build, build, &checkpoint)];
        assert_code(&verify(&proofs), both, &["log_keys = \"both\""]);
        assert_code(&verify_with(&Trust { log_keys: word, ..Trust::default() }, &proofs), only, &[]);
    }
    let none = log.world.checkpoint(&[], &TWO);
    assert_code(&verify(&[log.world.proof_in(log.update, leaf, &none)]), Code::LogSignature, &[]);
    // A signature over another text, beside a good one.
    let mut grown = log.world.clone();
    grown.build();
    let wrong: Vec<_> = grown.checkpoint(&[KeyKind::Ed25519], &[]).signatures().to_vec();
    let right = log.world.checkpoint(&[KeyKind::MlDsa44], &TWO);
    let mixed = crate::checkpoint::SignedCheckpoint::new(
        right.checkpoint.clone(),
        right.signatures().iter().cloned().chain(wrong).collect(),
    )
    .unwrap();
    assert_code(&verify(&[log.world.proof_in(log.update, leaf, &mixed)]), Code::LogSignature, &[]);
}

#[test]
fn a_quorum_short_by_one_is_not_yet() {
    // [V-15]
    let log = log();
    let leaf = &log.world.leaves[usize::try_from(log.update).unwrap()];
    let short = log.world.checkpoint(&BOTH, &[(2, NOW)]);
    let build = log.world.proof(log.build);
    let verdict = verify(&[log.world.proof_in(log.update, leaf, &short), build.clone()]);
    assert_code(&verdict, Code::Quorum, &["w1-ed", "w3-pq"]);
    assert_eq!(verdict.outcome, Outcome::NotYet);
    // A cosignature of the far future does not count; without a clock it does.
    let ahead = log.world.checkpoint(&BOTH, &[(1, NOW), (2, NOW + 301)]);
    let proofs = [log.world.proof_in(log.update, leaf, &ahead), build];
    assert_code(&verify(&proofs), Code::Quorum, &[]);
    let timeless = verify_update(&Question::new(file(), &named(&proofs), &Trust::default().pins(), None));
    assert_code(&timeless, Code::Verified, &[]);
    // Something wrong is said before something missing.
    let other = File { sha256: Hash::of(b"x"), ..file() };
    let verdict = verify_update(&Question::new(other, &named(&proofs), &Trust::default().pins(), Some(NOW)));
    assert_code(&verdict, Code::FileDigest, &[]);
}

#[test]
fn a_wrong_line_of_a_known_witness_refuses_the_checkpoint() {
    // [V-15]
    let log = log();
    let mut grown = log.world.clone();
    grown.build();
    let right = log.world.checkpoint(&BOTH, &TWO);
    let wrong: Vec<_> = grown.checkpoint(&[], &[(2, NOW)]).signatures().to_vec();
    let mixed = crate::checkpoint::SignedCheckpoint::new(
        right.checkpoint.clone(),
        right.signatures().iter().cloned().chain(wrong).collect(),
    )
    .unwrap();
    let leaf = &log.world.leaves[usize::try_from(log.update).unwrap()];
    assert_code(&verify(&[log.world.proof_in(log.update, leaf, &mixed)]), Code::Cosignature, &["w2-ed"]);
}

#[test]
fn two_trees_of_one_size_are_a_fork_and_two_sizes_are_said() {
    // [V-16]
    let log = log();
    let mut fork = log.world.clone();
    fork.leaves[0] = fork.leaves[1].clone();
    let verdict = verify(&[log.world.proof(log.update), fork.proof(log.build)]);
    assert_code(&verdict, Code::CheckpointFork, &["two trees of 5 entries"]);
    let same_entry = verify(&[log.world.proof(log.update), log.world.proof(log.build), fork.proof(log.build)]);
    assert_code(&same_entry, Code::CheckpointFork, &["two trees of 5 entries"]);
    let mut grown = log.world.clone();
    grown.rebuild("rebuilder", "build-failed");
    let verdict = verify(&[log.world.proof(log.update), grown.proof(log.build)]);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.not_checked, "checkpoints: that those of 5 and 6 entries"), "{verdict:#?}");
}

#[test]
fn a_leaf_that_is_no_event_of_this_log_is_refused() {
    // [V-12] [V-17]
    let mut log = log();
    let mut other = log.world.clone();
    other.leaves.push(b"{}".to_vec());
    other.ids.push(String::new());
    let last = other.leaves.len() as u64 - 1;
    assert_code(&verify(&[other.proof(last)]), Code::EventMalformed, &["malformed"]);
    // The same envelope in another spelling.
    let mut spaced = log.world.clone();
    let leaf = spaced.leaves[usize::try_from(log.update).unwrap()].clone();
    spaced.leaves.push([b"{ ".as_slice(), &leaf[1..]].concat());
    spaced.ids.push(String::new());
    assert_code(&verify(&[spaced.proof(last)]), Code::EventMalformed, &["spelling"]);
    let later =
        log.world.event("release", "transfer", json!([{"digest": {"sha256": "0".repeat(64)}}]), json!({}), json!({}));
    assert_code(&verify(&[log.world.proof(later)]), Code::EventUnknown, &["type-later"]);
    let unknown = log.world.event("release", "upgrade", json!([]), json!({}), json!({}));
    assert_code(&verify(&[log.world.proof(unknown)]), Code::EventUnknown, &["type-unknown"]);
    let foreign = log.world.event(
        "release",
        "heartbeat",
        json!([{"digest": {"sha256": "0".repeat(64)}}]),
        json!({"to": 1}),
        json!({"origin": "log.example/other"}),
    );
    assert_code(&verify(&[log.world.proof(foreign)]), Code::EventOrigin, &["log.example/other", ORIGIN]);
}

#[test]
fn signers_are_the_issuer_and_the_cosigners_and_nobody_else() {
    // [V-18]
    let mut world = World::default();
    let build = world.build();
    let update = world.update(&[build]);
    let envelope = |index: u64| -> serde_json::Value {
        serde_json::from_slice(&world.leaves[usize::try_from(index).unwrap()]).unwrap()
    };
    let with = |signatures: serde_json::Value| {
        let mut changed = world.clone();
        let mut value = envelope(update);
        value["signatures"] = signatures;
        changed.leaves[usize::try_from(update).unwrap()] = serde_json_canonicalizer::to_vec(&value).unwrap();
        verify(&[changed.proof(update), changed.proof(build)])
    };
    let own = envelope(update)["signatures"][0].clone();
    let keyid = |issuer: &str| issuer_seed(issuer).vkey().keyid();
    assert_code(&with(json!([own])), Code::Verified, &[]);
    let other = json!({"keyid": keyid("farm"), "sig": own["sig"]});
    assert_code(&with(json!([other, own])), Code::EventSigners, &["2 signatures"]);
    assert_code(&with(json!([other])), Code::EventSigners, &[&keyid("farm"), &keyid("release")]);
    let wrong = json!({"keyid": keyid("release"), "sig": b64(&[7; 64])});
    assert_code(&with(json!([wrong])), Code::EventSignature, &[&keyid("release")]);
}

#[test]
fn cosigners_sign_too_and_one_without_a_line_is_said() {
    // [V-18]
    for (cosigner, known) in [("supervisor", true), ("stranger", false)] {
        let mut world = World::default();
        let build = world.build();
        let keyid = issuer_seed(cosigner).vkey().keyid();
        let place = world.update(&[build]);
        let body = serde_json::from_slice::<serde_json::Value>(&world.leaves[usize::try_from(place).unwrap()]).unwrap();
        let payload = crate::text::unb64(body["payload"].as_str().unwrap()).unwrap();
        let statement: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let refs = statement["predicate"]["hdr"]["refs"].clone();
        let event = |world: &mut World| {
            world.event(
                "release",
                "update",
                statement["subject"].clone(),
                statement["predicate"]["body"].clone(),
                json!({"refs": refs, "cosigners": [keyid]}),
            )
        };
        let update = event(&mut world);
        let verdict = verify(&[world.proof(update), world.proof(build)]);
        assert_code(&verdict, Code::Verified, &[]);
        assert_eq!(has(&verdict.not_checked, &format!("signature: of {keyid}")), !known, "{verdict:#?}");
        // The cosigner's signature is missing.
        let at = usize::try_from(update).unwrap();
        let mut value: serde_json::Value = serde_json::from_slice(&world.leaves[at]).unwrap();
        value["signatures"].as_array_mut().unwrap().retain(|signature| signature["keyid"] != json!(keyid));
        world.leaves[at] = serde_json_canonicalizer::to_vec(&value).unwrap();
        let verdict = verify(&[world.proof(update), world.proof(build)]);
        assert_code(&verdict, Code::EventSigners, &[&keyid, "did not sign"]);
    }
}

#[test]
fn only_issuers_of_the_trust_file_support_a_yes() {
    // [V-5] [V-19]
    let log = log();
    let proofs = log.proofs(&[log.update, log.build]);
    let mut trust = Trust::default();
    trust.issuers.retain(|(name, ..)| *name != "release");
    trust.issuers.push(("other", "\"update\"", None));
    trust.streams = vec![(PACKAGE, "stable", "other", true)];
    assert_code(&verify_with(&trust, &proofs), Code::IssuerUnknown, &["names no issuer release"]);
    let mut trust = Trust::default();
    trust.issuers[0].1 = "\"build\"";
    trust.issuers[1].1 = "\"build\", \"update\"";
    trust.streams = vec![(PACKAGE, "stable", "farm", true)];
    assert_code(&verify_with(&trust, &proofs), Code::IssuerType, &["say build, not update"]);
    // The build's issuer is missing: the update's build does not count.
    let mut trust = Trust::default();
    trust.issuers.retain(|(name, ..)| *name != "farm");
    assert_code(
        &verify_with(&trust, &proofs),
        Code::IssuerUnknown,
        &["entry 2 (build of farm)", "names no issuer farm"],
    );
}

#[test]
fn a_disowned_key_supports_no_yes_from_its_index_on() {
    // [V-6] [V-20]
    let log = log();
    let proofs = log.proofs(&[log.update, log.build]);
    let until = |issuer: usize, index: u64| {
        let mut trust = Trust::default();
        trust.issuers[issuer].2 = Some(index);
        verify_with(&trust, &proofs)
    };
    assert_code(&until(0, log.update), Code::IssuerDisowned, &["entry 4 (update of release)", "from entry 4 on"]);
    assert_code(&until(0, log.update + 1), Code::Verified, &[]);
    assert_code(&until(1, log.build), Code::IssuerDisowned, &["entry 2 (build of farm)"]);
}

#[test]
fn streams_are_those_of_the_trust_file() {
    // [V-7] [V-22]
    let log = log();
    let proofs = log.proofs(&[log.update, log.build]);
    let stream = |package, channel, issuer| {
        let mut trust = Trust::default();
        trust.issuers[1].1 = "\"build\", \"update\"";
        trust.streams = vec![(package, channel, issuer, true)];
        verify_with(&trust, &proofs)
    };
    assert_code(&stream(PACKAGE, "beta", "release"), Code::StreamUnknown, &[PACKAGE, "stable"]);
    assert_code(&stream("pkg:deb/debian/other", "stable", "release"), Code::StreamUnknown, &[PACKAGE]);
    assert_code(&stream(PACKAGE, "stable", "farm"), Code::StreamIssuer, &["to farm"]);
}

#[test]
fn a_build_is_required_unless_the_stream_says_otherwise() {
    // [V-8] [V-26]
    let log = log();
    let only = log.proofs(&[log.update]);
    assert_code(&verify(&only), Code::BuildMissing, &["app.deb", "names 1 builds, 0 of them"]);
    let mut lax = Trust::default();
    lax.streams[0].3 = false;
    let verdict = verify_with(&lax, &only);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.not_checked, "build: no proven build holds app.deb"), "{verdict:#?}");
    // A build that the update does not name counts for nothing.
    let mut world = log.world.clone();
    let another = world.build_of("farm", json!([subject("app.deb", BYTES), subject("z", b"z")]));
    let verdict = verify(&[world.proof(log.update), world.proof(another)]);
    assert_code(&verdict, Code::BuildMissing, &[]);
    let verdict = verify(&[world.proof(log.update), world.proof(log.build), world.proof(another)]);
    assert!(
        has(&verdict.not_checked, "build: entry 5 (build of farm) is not one that the update names"),
        "{verdict:#?}"
    );
}

#[test]
fn every_digest_of_the_update_is_a_subject_of_a_build() {
    // [V-26]
    let mut world = World::default();
    let build = world.build();
    let rest = world.build_of("farm", json!([subject("rules.deb", b"rules")]));
    let update = world.update_with(&[build, rest], |subjects, _| {
        let mut second = subject("rules.deb", b"rules");
        second["annotations"] = json!({"size": 5});
        subjects.as_array_mut().unwrap().push(second);
    });
    let proofs: Vec<_> = [update, build, rest].iter().map(|index| world.proof(*index)).collect();
    assert_code(&verify(&proofs[..2]), Code::BuildMissing, &["rules.deb", "names 2 builds, 1 of them"]);
    assert_code(&verify(&proofs), Code::Verified, &[]);
}

#[test]
fn an_update_that_was_not_built_here_reports_no_build() {
    // [V-26]
    let mut world = World::default();
    let build = world.build();
    let update = world.update(&[]);
    let proofs = [world.proof(update), world.proof(build)];
    assert_code(&verify(&proofs), Code::BuildNotHere, &["built_here: false", "requires a build"]);
    let mut lax = Trust::default();
    lax.streams[0].3 = false;
    let verdict = verify_with(&lax, &proofs);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(!has(&verdict.checked, "build: "), "{verdict:#?}");
    assert!(has(&verdict.not_checked, "build: the update says that it was not built here"), "{verdict:#?}");
}

#[test]
fn a_rebuild_that_says_different_refuses_whoever_says_it() {
    // [V-20] [V-27]
    for issuer in ["rebuilder", "stranger"] {
        let mut log = log();
        let different = log.world.rebuild(issuer, "different");
        let proofs = log.proofs(&[log.update, log.build, log.rebuild, different]);
        let words = [issuer, "third-party", "different", &Hash::of(BYTES).hex(), &Hash::of(b"other").hex()];
        assert_code(&verify(&proofs), Code::RebuildDifferent, &words);
        // However disowned.
        let mut trust = Trust::default();
        trust.issuers[2].2 = Some(0);
        assert_code(&verify_with(&trust, &proofs), Code::RebuildDifferent, &words);
    }
}

#[test]
fn a_rebuild_counts_for_the_update_only_when_its_issuer_does() {
    // [V-19] [V-20] [V-27]
    let mut log = log();
    let failed = log.world.rebuild("rebuilder", "build-failed");
    let stranger = log.world.rebuild("stranger", "identical");
    let verdict = verify(&log.proofs(&[log.update, log.build, failed, stranger]));
    assert_code(&verdict, Code::Verified, &[]);
    assert!(!has(&verdict.checked, "rebuild: "), "{verdict:#?}");
    assert!(
        has(&verdict.not_checked, "rebuild: entry 5 (rebuild of rebuilder) (third-party): app.deb build-failed"),
        "{verdict:#?}"
    );
    assert!(verdict.not_checked.iter().any(|line| line.contains("names no issuer stranger")), "{verdict:#?}");
}

#[test]
fn a_review_is_matched_by_the_source_and_a_contradiction_is_no_match() {
    // [V-28]
    let mut log = log();
    let by_tree = log.world.review(json!({"gitTree": "a".repeat(40)}), "findings");
    let torn = log.world.review(json!({"gitTree": "a".repeat(40), "sha256": "0".repeat(64)}), "no-finding");
    let verdict = verify(&log.proofs(&[log.update, log.build, by_tree, torn]));
    assert_code(&verdict, Code::Verified, &[]);
    assert!(
        verdict
            .checked
            .iter()
            .any(|line| line.contains("findings, critical 0, high 1") && line.ends_with("(matched by SHA-1 alone)")),
        "{verdict:#?}"
    );
    assert!(
        has(
            &verdict.not_checked,
            "review: entry 6 (code-review of supervisor) is not of the source of a build that counts"
        ),
        "{verdict:#?}"
    );
    assert_eq!(verdict.checked.iter().filter(|line| line.starts_with("review: ")).count(), 1);
}

#[test]
fn a_revoked_update_is_refused() {
    // [V-24]
    let mut log = log();
    let id = log.world.id(log.update).to_string();
    let revoke = |world: &mut World, id: &str| {
        let refs = json!([{"rel": "revokes", "event_id": id}]);
        world.event(
            "release",
            "update-revoke",
            json!([subject("app.deb", BYTES)]),
            json!({"reason": "security"}),
            json!({"refs": refs}),
        )
    };
    let other = revoke(&mut log.world, &"1".repeat(64));
    let own = revoke(&mut log.world, &id);
    let verdict = verify(&log.proofs(&[log.update, log.build, other]));
    assert_code(&verdict, Code::Verified, &[]);
    assert!(
        has(&verdict.not_checked, "revocation: entry 5 (update-revoke of release) is of another update"),
        "{verdict:#?}"
    );
    assert_code(&verify(&log.proofs(&[log.update, log.build, own])), Code::UpdateRevoked, &["security", "entry 6"]);
}

#[test]
fn a_second_digest_is_refused_and_a_disowned_one_is_only_named() {
    // [V-21] [V-25]
    let mut log = log();
    let second = log.world.update_with(&[log.build], |subjects, _| {
        subjects[0]["digest"]["sha256"] = json!(Hash::of(b"another").hex());
    });
    let proofs = log.proofs(&[log.update, log.build, second]);
    let words = ["two digests", "entry 4 says", "entry 5 (update of release) says", &Hash::of(b"another").hex()];
    assert_code(&verify(&proofs), Code::UpdateSecondDigest, &words);
    let mut trust = Trust::default();
    trust.issuers[0].2 = Some(second);
    let verdict = verify_with(&trust, &proofs);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(
        has(&verdict.not_checked, "update: entry 5 (update of release), disowned is of other files"),
        "{verdict:#?}"
    );
}

#[test]
fn before_its_date_an_update_is_not_yet() {
    // [V-23]
    let mut world = World::default();
    let build = world.build();
    let update = world.update_with(&[build], |_, body| body["not_before"] = json!(NOW + 5));
    let proofs = [world.proof(update), world.proof(build)];
    let at = |now| verify_update(&Question::new(file(), &named(&proofs), &Trust::default().pins(), now));
    assert_code(&at(Some(NOW + 4)), Code::UpdateNotBefore, &["2027-01-15T08:00:05Z", "2027-01-15T08:00:04Z"]);
    assert_code(&at(Some(NOW + 5)), Code::Verified, &[]);
    let timeless = at(None);
    assert_code(&timeless, Code::Verified, &[]);
    assert!(has(&timeless.not_checked, "time: not to be installed before 2027-01-15T08:00:05Z"), "{timeless:#?}");
}

#[test]
fn a_reference_to_another_log_is_said() {
    // [V-29]
    let mut world = World::default();
    let refs = json!([{"rel": "reviewed", "event_id": "2".repeat(64), "origin": "log.example/reviews"}]);
    let body = json!({
        "purl": PURL, "source": source(), "builder_id": "b", "build_type": "t", "invocation_id": "i",
        "started": 1, "finished": 2, "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
    });
    let build = world.event("farm", "build", json!([subject("app.deb", BYTES)]), body, json!({"refs": refs}));
    let update = world.update(&[build]);
    let verdict = verify(&[world.proof(update), world.proof(build)]);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(
        verdict.not_checked.iter().any(|line| line.contains("in another log, log.example/reviews")),
        "{verdict:#?}"
    );
}

#[test]
fn unwitnessed_is_taken_only_when_asked_for_and_is_said() {
    // [V-9] [V-15]
    let log = log();
    let policy = Policy::parse(policy_text("none")).unwrap();
    let trust = Trust::default().file();
    let refused = Pins::new(policy.clone(), trust.clone(), Witnessing::Required).map(|_| ()).unwrap_err();
    assert_eq!(refused, PinsError::QuorumNone);
    let pins = Pins::new(policy, trust, Witnessing::Unwitnessed).unwrap();
    assert!(pins.unwitnessed());
    let verdict =
        verify_update(&Question::new(file(), &named(&log.proofs(&[log.update, log.build])), &pins, Some(NOW)));
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.not_checked, "witnesses: unwitnessed"), "{verdict:#?}");
    assert!(!has(&verdict.checked, "witnesses: "), "{verdict:#?}");
}

#[test]
fn policy_and_trust_file_must_fit() {
    // [V-9]
    let trust = Trust::default().file();
    let twice = policy_text("q")
        .replace("group q 2 w1 w2 w3", "")
        .replace("group w1 all w1-ed w1-pq\n", "")
        .replace("quorum q", "group q 2 w1-ed w1-pq w2 w3\nquorum q");
    let error = Pins::new(Policy::parse(twice).unwrap(), trust.clone(), Witnessing::Required).map(|_| ()).unwrap_err();
    assert!(matches!(&error, PinsError::Policy(_)), "{error}");
    assert!(error.to_string().contains("w1-ed") && error.to_string().contains("w1-pq"), "{error}");
    let mldsa = format!("log {}\n", seed(ORIGIN, KeyKind::MlDsa44).vkey());
    let error = Pins::new(Policy::parse(policy_text("q").replace(&mldsa, "")).unwrap(), trust, Witnessing::Required)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("policy has no `log` line for {ORIGIN} with a key of type 0x06, trust file has log_keys = \"both\"")
    );
}

/// A charter with the keys of this world.
fn charter() -> serde_json::Value {
    let holder = |name: &str| json!({"epoch": 1, "vkey": issuer_seed(name).vkey().to_string()});
    json!({
        "version": 1, "protocol": "vitrine/v0", "origin": ORIGIN,
        "log_keys": [seed(ORIGIN, KeyKind::Ed25519).vkey().to_string(), seed(ORIGIN, KeyKind::MlDsa44).vkey().to_string()],
        "operator": holder("operator"), "supervisor": holder("supervisor"), "vault": holder("vault"),
        "readers": [], "types": ["charter", "heartbeat", "incident", "issuer-close", "issuer-open", "update"],
        "raw": false, "sites": [], "cosign": {}, "built_here_only": false,
    })
}

#[test]
fn the_first_charter_is_the_pinned_one() {
    // [V-2] [V-31]
    let mut world = World::default();
    let subject = json!([{"digest": {"sha256": Hash::of(ORIGIN.as_bytes()).hex()}}]);
    let first = world.event("operator", "charter", subject, charter(), json!({}));
    let build = world.build();
    let update = world.update(&[build]);
    let proofs = [world.proof(update), world.proof(build), world.proof(first)];
    assert_code(&verify(&proofs), Code::Charter, &["0000 0000"]);
    let trust = Trust { charter: world.id(first).to_string(), ..Trust::default() };
    let verdict = verify_with(&trust, &proofs);
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.checked, "charter: entry 0 has the pinned fingerprint"), "{verdict:#?}");
}

#[test]
fn a_signed_event_is_judged_without_its_log() {
    // [V-32]
    let log = log();
    let leaf = &log.world.leaves[usize::try_from(log.update).unwrap()];
    let trust = Trust::default();
    let verdict = verify_event(leaf, &trust.pins());
    assert_code(&verdict, Code::Verified, &["an event of type update of release", ORIGIN]);
    assert!(has(&verdict.not_checked, "log: whether the event is in it"), "{verdict:#?}");
    let pretty = serde_json::to_vec_pretty(&serde_json::from_slice::<serde_json::Value>(leaf).unwrap()).unwrap();
    assert_code(&verify_event(&pretty, &trust.pins()), Code::Verified, &[]);
    let mut disowned = trust.clone();
    disowned.issuers[0].2 = Some(0);
    let verdict = verify_event(leaf, &disowned.pins());
    assert_code(&verdict, Code::Verified, &[]);
    assert!(has(&verdict.not_checked, "issuer: that it stands before entry 0"), "{verdict:#?}");
    let mut foreign = log.world.clone();
    let subject = json!([{"digest": {"sha256": "0".repeat(64)}}]);
    let at = foreign.event("release", "heartbeat", subject, json!({"to": 1}), json!({"origin": "log.example/other"}));
    let leaf = &foreign.leaves[usize::try_from(at).unwrap()];
    assert_code(&verify_event(leaf, &trust.pins()), Code::EventOrigin, &["log.example/other"]);
    let leaf = &log.world.leaves[usize::try_from(log.update).unwrap()];
    let mut value: serde_json::Value = serde_json::from_slice(leaf).unwrap();
    value["signatures"][0]["sig"] = json!(b64(&[9; 64]));
    assert_code(&verify_event(&serde_json::to_vec(&value).unwrap(), &trust.pins()), Code::EventSignature, &[]);
    value["signatures"] = json!([]);
    assert_code(&verify_event(&serde_json::to_vec(&value).unwrap(), &trust.pins()), Code::EventMalformed, &[]);
    let mut nobody = trust;
    nobody.issuers.retain(|(name, ..)| *name != "release");
    nobody.streams.clear();
    assert_code(&verify_event(leaf, &nobody.pins()), Code::IssuerUnknown, &[]);
}

#[test]
fn every_code_has_its_own_word_and_a_test_here() {
    let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    let source = [include_str!("tests.rs"), include_str!("tests/gate.rs")].concat();
    for code in Code::ALL {
        assert!(source.contains(&format!("Code::{code:?}")), "{code:?} is in no test");
    }
}

#[test]
fn json_has_exactly_the_five_members() {
    let log = log();
    let value = serde_json::to_value(verify(&log.proofs(&[log.update]))).unwrap();
    let members: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(members, ["checked", "code", "not_checked", "reason", "verdict"]);
    assert_eq!((value["verdict"].as_str(), value["code"].as_str()), (Some("not-verified"), Some("build.missing")));
}
