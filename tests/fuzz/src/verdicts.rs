//! Targets for what a customer judges by (docs/90): proofs, as one question with the pins of the vectors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Deserialize;
use vitrine_spec::hash::Hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{Code, File, LIMITS, Outcome, Pins, Proof, Witnessing, verify_update};

#[derive(Deserialize)]
struct Vectors {
    policy: String,
    trust: String,
    proofs: BTreeMap<String, String>,
    verdicts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    file: Judged,
}

#[derive(Deserialize)]
struct Judged {
    name: String,
    sha256: String,
    size: u64,
}

struct Given {
    pins: Pins,
    file: Judged,
    sha256: Hash,
    /// The update's and its build's, which together are verified.
    sound: [Vec<u8>; 2],
    /// The leaf of every proof there is.
    leaves: BTreeSet<Vec<u8>>,
}

fn given() -> &'static Given {
    static GIVEN: OnceLock<Given> = OnceLock::new();
    GIVEN.get_or_init(|| {
        let file = include_bytes!("../../../spec/vectors/verdict/updates.json");
        let vectors: Vectors = serde_json::from_slice(file).expect("vectors are JSON");
        let policy = Policy::parse(&vectors.policy).expect("a policy");
        let trust = TrustFile::parse(&vectors.trust).expect("a trust file");
        let pins = Pins::new(policy, trust, Witnessing::Required).expect("they fit");
        let leaf = |proof: &String| TlogProof::parse(proof.as_bytes()).ok()?.extra;
        let leaves = vectors.proofs.values().filter_map(leaf).collect();
        let sound = ["update", "build"].map(|name| vectors.proofs[name].clone().into_bytes());
        let case = vectors.verdicts.into_iter().find(|case| case.id == "build-and-rebuild").expect("a sound case");
        let sha256 = Hash::from_hex(&case.file.sha256).expect("a digest");
        let judged = File { name: &case.file.name, sha256, size: case.file.size };
        let verdict = verify_update(&judged, &sound.each_ref().map(|proof| named(proof)), &pins, None);
        assert_eq!(verdict.code, Code::Verified);
        Given { pins, file: case.file, sha256, sound, leaves }
    })
}

/// Whatever proof is given, alone or beside sound ones, nothing is verified but by a leaf that was logged [V-10].
pub fn verdict(bytes: &[u8]) {
    let given = given();
    let file = File { name: &given.file.name, sha256: given.sha256, size: given.file.size };
    let [update, build] = &given.sound;
    let leaf = TlogProof::parse(bytes).ok().and_then(|proof| proof.extra);
    let mut questions = vec![vec![named(bytes)], vec![named(bytes), named(build)]];
    if leaf.is_some() {
        // Anything else would be refused after the sound ones were read in vain.
        questions.push(vec![named(update), named(build), named(bytes)]);
    }
    for proofs in &questions {
        for now in [None, Some(1_800_000_000)] {
            let verdict = verify_update(&file, proofs, &given.pins, now);
            assert_eq!(verdict.outcome, verdict.code.outcome());
            assert!(Code::ALL.contains(&verdict.code) && !verdict.reason.is_empty());
            assert!(LIMITS.iter().all(|limit| verdict.not_checked.contains(&format!("limit: {limit}"))));
            let logged = leaf.as_ref().is_some_and(|leaf| given.leaves.contains(leaf));
            assert!(verdict.outcome != Outcome::Verified || logged, "verified by a leaf that nobody logged");
        }
    }
}

fn named(bytes: &[u8]) -> Proof<'_> {
    Proof { name: "proof", bytes }
}
