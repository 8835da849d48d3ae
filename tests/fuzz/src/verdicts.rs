//! Targets for what a customer judges by (docs/90, docs/92, docs/94): bundles, what a machine knows, and verdicts with the pins
//! of the vectors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Deserialize;
use vitrine_spec::bundle::{Bundle, ranges};
use vitrine_spec::checkpoint::{Checkpoint, SignedCheckpoint};
use vitrine_spec::floor::{Floor, Raise};
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::{ENTRY_BYTES_MAX, FLOOR_BYTES_MAX, RELEASE_BYTES_MAX, RELEASE_ENTRIES_MAX};
use vitrine_spec::policy::Policy;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{Code, File, LIMITS, Outcome, Pins, Proof, Question, Witnessing, verify_update};
use vitrine_spec::watched::Watched;
use vitrine_spec::words::Name;

use crate::oracle;

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
    /// Every leaf that the keys of the pinned log have shown in a tree: the proofs' and the drill's, which is of the same keys.
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
        let mut leaves: BTreeSet<Vec<u8>> = vectors.proofs.values().filter_map(leaf).collect();
        let drill = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors/drill/bundles");
        for bundle in std::fs::read_dir(drill).expect("the drill is there") {
            let bytes = std::fs::read(bundle.expect("its folder is read").path()).expect("a bundle is read");
            let Ok(bundle) = Bundle::parse(&bytes) else { continue };
            let signed = bundle.verify_places().is_ok_and(|checkpoint| pins.judge(&checkpoint, None).is_ok());
            leaves.extend(bundle.entries.into_iter().map(|(_, leaf)| leaf).filter(|_| signed));
        }
        let sound = ["update", "build"].map(|name| vectors.proofs[name].clone().into_bytes());
        let case = vectors.verdicts.into_iter().find(|case| case.id == "build-and-rebuild").expect("a sound case");
        let sha256 = Hash::from_hex(&case.file.sha256).expect("a digest");
        let judged = File { name: &case.file.name, sha256, size: case.file.size };
        let proofs = sound.each_ref().map(|proof| named(proof));
        let verdict = verify_update(&Question::new(judged, &proofs, &pins, None));
        assert_eq!(verdict.code, Code::Verified);
        Given { pins, file: case.file, sha256, sound, leaves }
    })
}

/// Whatever proof or bundle is given, alone or beside sound ones, nothing is verified but by a leaf that was logged [V-10].
pub fn verdict(bytes: &[u8]) {
    let given = given();
    let file = File { name: &given.file.name, sha256: given.sha256, size: given.file.size };
    let [update, build] = &given.sound;
    let of_proof = TlogProof::parse(bytes).ok().and_then(|proof| proof.extra).map(|leaf| vec![leaf]);
    let of_bundle = || Bundle::parse(bytes).map(|bundle| bundle.entries.into_iter().map(|(_, leaf)| leaf).collect());
    let leaves = of_proof.or_else(|| of_bundle().ok()).unwrap_or_default();
    let mut questions = vec![
        (vec![named(bytes)], vec![]),
        (vec![named(bytes), named(build)], vec![]),
        (vec![], vec![named(bytes)]),
        (vec![named(build)], vec![named(bytes)]),
    ];
    if !leaves.is_empty() {
        // Anything else would be refused after the sound ones were read in vain.
        questions.push((vec![named(update), named(build), named(bytes)], vec![]));
        questions.push((vec![named(update), named(build)], vec![named(bytes)]));
    }
    for (proofs, bundles) in &questions {
        for now in [None, Some(1_800_000_000)] {
            let verdict = verify_update(&Question { bundles, ..Question::new(file, proofs, &given.pins, now) });
            assert_eq!(verdict.outcome, verdict.code.outcome());
            assert!(Code::ALL.contains(&verdict.code) && !verdict.reason.is_empty());
            assert!(LIMITS.iter().all(|limit| verdict.not_checked.contains(&format!("limit: {limit}"))));
            assert_eq!(verdict.raise.is_some(), verdict.outcome == Outcome::Verified);
            let logged = !leaves.is_empty() && leaves.iter().all(|leaf| given.leaves.contains(leaf));
            assert!(verdict.outcome != Outcome::Verified || logged, "verified by a leaf that nobody logged");
        }
    }
}

/// A bundle prints as it was read; its entries have their places exactly when the definition of the tree says so [B-1] [B-3].
pub fn bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::parse(bytes) else { return };
    assert_eq!(bundle.print(), bytes);
    assert!(bytes.len() <= RELEASE_BYTES_MAX && (1..=RELEASE_ENTRIES_MAX).contains(&bundle.entries.len()));
    assert!(bundle.entries.is_sorted_by(|a, b| a.0 < b.0));
    assert!(bundle.entries.iter().all(|(_, leaf)| (1..=ENTRY_BYTES_MAX).contains(&leaf.len())));
    let signed = bundle.signed_checkpoint().unwrap();
    let size = signed.size();
    let root = oracle::bundle(size.get(), &bundle.entries, &bundle.hashes);
    assert_eq!(bundle.verify_places().is_ok(), root == Some(*signed.root()));
    let indices: Vec<LeafIndex> = bundle.entries.iter().map(|(index, _)| *index).collect();
    if indices.iter().all(|index| index.is_in(size)) {
        let without = ranges(&indices, size);
        assert_eq!(root.is_some(), without.len() == bundle.hashes.len());
        let covered: u64 = without.iter().map(|range| range.end - range.start).sum();
        assert_eq!(covered + indices.len() as u64, size.get());
        assert!(without.is_sorted_by(|a, b| a.end <= b.start));
    }
    // The same entries under the root that they lead to have their places.
    if let Some(root) = root {
        let checkpoint = Checkpoint { root, ..signed.checkpoint };
        let checkpoint = SignedCheckpoint::new(checkpoint, signed.note.signatures).unwrap().print().into_bytes();
        assert!(Bundle { checkpoint, ..bundle }.verify_places().is_ok());
    }
}

/// What a watch has read prints as it was read [O-1] [O-2].
pub fn watched(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(watched) = Watched::parse(text) else { return };
    assert_eq!(watched.print(), text);
    for ((issuer, epoch), from) in &watched.disowned {
        assert!(watched.disowns(issuer.as_str(), *epoch, *from));
        let before = from.get().checked_sub(1).map(LeafIndex::new);
        assert!(before.is_none_or(|before| !watched.disowns(issuer.as_str(), *epoch, before)));
    }
}

/// A floor prints as it was read, and never falls [V-44].
pub fn floor(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(floor) = Floor::parse(text) else { return };
    assert_eq!(floor.print(), text);
    assert!(text.len() <= FLOOR_BYTES_MAX);
    let channel = Name::new("stable").unwrap();
    for release_seq in [1, 7, u64::MAX] {
        let (size, root) = (TreeSize::new(release_seq), Hash::of(bytes));
        let mut after = floor.clone();
        after.raise(&Raise { size, root, package_id: "app".into(), channel: channel.clone(), release_seq });
        assert!(after.size >= floor.size && after.size >= size);
        assert!(after.release("app", &channel) >= floor.release("app", &channel).max(Some(release_seq)));
        assert_eq!(Floor::parse(&after.print()), Ok(after));
    }
}

fn named(bytes: &[u8]) -> Proof<'_> {
    Proof { name: "proof", bytes }
}
