//! A small log with two verdicts, three versions of the rules and three corrections: what the section says of them.

use std::collections::BTreeSet;

use vitrine_spec::checkpoint::Origin;
use vitrine_spec::tiles::encode_bundle;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::*;
use crate::audit::copy::Copy;
use crate::audit::seen;
use crate::draft::{Chain, Draft, Reference, Subject};
use crate::world::{NOW, ORIGIN, World, draft, event_key};

const POLICY: &str = "policy.sha256=5555555555555555555555555555555555555555555555555555555555555555";

struct Log {
    world: World,
}

impl Log {
    /// An update at entry 2.
    fn new() -> Log {
        let log = Log { world: World::new() };
        let fields = [
            "purl=pkg:generic/app@1",
            "packageId=app",
            "channel=stable",
            "kind=product",
            "built_here=false",
            "release_seq=1",
        ];
        let sha256 = Hash::of(&1_u32.to_be_bytes()).hex();
        let file = Subject { name: "app".to_owned(), sha256, size: Some(4), produced: None };
        let mut update = draft("update", &fields.map(str::to_owned), vec![file]);
        update.chain = log.next("release");
        log.take(update, &["release"]);
        log
    }

    fn next(&self, issuer: &str) -> Chain {
        let last = self.world.state.borrow().issuer(issuer).unwrap().last;
        last.map_or(Chain::At(1, crate::place::ZEROS.to_owned()), |last| Chain::At(last.seq + 1, last.event_id.hex()))
    }

    fn take(&self, draft: Draft, signers: &[&str]) -> u64 {
        let mut event = draft.event().unwrap();
        signers.iter().for_each(|signer| event.sign(&event_key(signer)).unwrap());
        self.world.append(&event.leaf()).unwrap() as u64
    }

    fn refer(&self, rel: &str, index: u64) -> Reference {
        let event_id = self.world.event(usize::try_from(index).unwrap()).id().hex();
        Reference { rel: rel.to_owned(), event_id, origin: None, at: None }
    }

    fn verdict(&self, fields: &[&str]) -> u64 {
        let mut all = vec!["verifier=https://office.example/verifier", "policy.uri=https://office.example/1", POLICY];
        all.extend(fields);
        let fields: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let mut draft = draft("verdict", &fields, Vec::new());
        draft.issuer = "supervisor".to_owned();
        draft.chain = Chain::Unchained(format!("{:032}", self.world.size()));
        draft.refs = vec![self.refer("about", 2)];
        draft.digests.insert("sha256".to_owned(), Hash::of(&1_u32.to_be_bytes()).hex());
        self.take(draft, &["supervisor"])
    }

    fn rules(&self, fields: &[&str]) -> u64 {
        let mut fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        fields.push("lateness_s=600".to_owned());
        let mut draft = draft("rules", &fields, Vec::new());
        draft.issuer = "operator".to_owned();
        draft.chain = self.next("operator");
        draft.cosigners = vec![event_key("supervisor").vkey().keyid()];
        self.take(draft, &["operator", "supervisor"])
    }

    fn correct(&self, index: u64, fields: &[&str]) -> u64 {
        let mut all = vec!["reason=mistake".to_owned()];
        all.extend(fields.iter().map(|field| format!("fields={field}")));
        let mut draft = draft("correction", &all, Vec::new());
        draft.issuer = "operator".to_owned();
        draft.chain = self.next("operator");
        draft.refs = vec![self.refer("corrects", index)];
        self.take(draft, &["operator"])
    }

    fn section(&self, window: Window, disowned: &[u64]) -> (Section, Vec<DataRules>) {
        let origin = Origin::new(ORIGIN).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copy = Copy::open(folder.path()).unwrap();
        let leaves = self.world.leaves.borrow();
        let size = TreeSize::new(leaves.len() as u64);
        let id = vitrine_spec::tiles::BundleId::at(0, size).unwrap();
        copy.put(&id.path(), &encode_bundle(leaves.iter().map(Vec::as_slice)).unwrap()).unwrap();
        let mut fold = Fold::new(&copy, &origin, size);
        let events: Vec<_> = leaves.iter().map(|leaf| seen::event(leaf, &origin)).collect();
        let mut statements = Statements::new(window);
        for (index, event) in (0..).zip(&events) {
            let event = event.as_ref().unwrap();
            statements.see(&seen::of(index, event), event);
        }
        fold.take(LeafIndex::new(0), &leaves, &events).unwrap();
        assert!(fold.stop.is_none(), "{:?}", fold.stop);
        statements.finish(&mut fold, &disowned.iter().copied().collect::<BTreeSet<_>>()).unwrap()
    }
}

fn texts(section: &Section) -> Vec<(&str, &str)> {
    section.findings.iter().map(|finding| (finding.code.as_str(), finding.text.as_str())).collect()
}

#[test]
fn verdicts_are_named_with_their_result_and_those_that_disagree() {
    //
    let log = Log::new();
    let passed = log.verdict(&["result=PASSED", "levels=SLSA_BUILD_LEVEL_2"]);
    let failed = log.verdict(&["result=FAILED"]);
    let (section, _) = log.section(Window::default(), &[]);
    let found = texts(&section);
    assert_eq!(
        found.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
        ["verdict.passed", "verdict.failed", "verdict.disagree"]
    );
    assert_eq!(
        found[0].1,
        format!(
            "entry {passed}: supervisor epoch 1 says PASSED of 1 files of pkg:generic/app@1 (entry 2); levels: SLSA_BUILD_LEVEL_2; verifier https://office.example/verifier, policy https://office.example/1"
        )
    );
    assert!(found[2].1.contains(&format!("entry {failed} does not")), "{}", found[2].1);
    // A disowned one passes nothing, and what it says against a file counts.
    let codes = |disowned: &[u64]| {
        let (section, _) = log.section(Window::default(), disowned);
        texts(&section).iter().map(|(code, _)| (*code).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[passed]), ["verdict.passed", "verdict.failed"]);
    assert_eq!(codes(&[failed]).len(), 3);
}

#[test]
fn rules_are_named_with_their_day_and_those_that_count_are_given_back() {
    //
    let log = Log::new();
    let day = &clock::show(NOW)[..10];
    let first = log.rules(&["version=1", "effective=2018-11-13", "regions=EU@CH-ZH-1"]);
    let second = log.rules(&["version=2", &format!("effective={day}"), "regions=EU@CH-ZH-1", "regions=US@CH-ZH-1"]);
    let (section, rules) = log.section(Window::default(), &[]);
    let found = texts(&section);
    assert_eq!(found.iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["rules", "rules.backdated", "rules"]);
    assert_eq!(
        found[0].1,
        format!("entry {first}: version 1 of the data rules, in force from 2018-11-13 on: EU at CH-ZH-1")
    );
    assert!(found[2].1.ends_with("EU at CH-ZH-1; US at CH-ZH-1"), "{}", found[2].1);
    assert_eq!(rules.iter().map(|rules| rules.index).collect::<Vec<_>>(), [first, second]);
    let (_, rules) = log.section(Window::default(), &[second]);
    assert_eq!(rules.len(), 1);
    let (section, _) = log.section(Window { from: Some(NOW + 1), to: None }, &[]);
    assert_eq!(texts(&section), []);
}

#[test]
fn of_several_corrections_the_newest_counts_member_by_member() {
    //
    let log = Log::new();
    let first = log.correct(2, &["kind=engine", "purl=pkg:generic/app@2"]);
    let second = log.correct(2, &["kind=module"]);
    let third = log.correct(2, &["kind=config"]);
    let (section, _) = log.section(Window::default(), &[]);
    let head = |entry: u64| {
        format!("entry {entry}: operator epoch 1 corrects entry 2 (update of release epoch 1), reason mistake: ")
    };
    let want = [
        format!("{}kind is \"engine\" (entry {third} counts instead); purl is \"pkg:generic/app@2\"", head(first)),
        format!("{}kind is \"module\" (entry {third} counts instead)", head(second)),
        format!("{}kind is \"config\"", head(third)),
    ];
    assert_eq!(section.findings.iter().map(|finding| finding.text.clone()).collect::<Vec<_>>(), want);
    // A thief's correction never counts.
    let (section, _) = log.section(Window::default(), &[third]);
    assert!(section.findings[0].text.contains(&format!("entry {second} counts instead")), "{:?}", section.findings);
    assert!(section.findings[2].text.ends_with("it is disowned"), "{:?}", section.findings);
}
