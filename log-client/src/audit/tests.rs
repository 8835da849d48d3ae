//! Audits of a log in memory: honest, cut, rebuilt, forked, silent; each is told apart and named.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::path::Path;

use serde_json::json;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::hash::Hash;
use vitrine_spec::json;
use vitrine_spec::key::KeyKind;
use vitrine_spec::note::Signature;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{Pins, Witnessing};

use super::ask::builds::Builds;
use super::copy::Copy;
use super::engine::{Audited, Question, audit};
use super::report::{Finding, Severity, Window};
use super::source::memory::Memory;
use crate::draft::{Chain, Subject};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::world::{Bend, NOW, ORIGIN, World, charter_event, draft, event_key, seed};

/// A log with a chain of `release` that can be lied about.
struct Log {
    world: World,
    seq: u64,
    prev: String,
    release_seq: u64,
}

impl Log {
    /// The charter, the opening of `release`, and this many updates.
    fn of(updates: u64) -> Log {
        let world = World::new();
        let prev = world.event(1).id().hex();
        let mut log = Log { world, seq: 1, prev, release_seq: 0 };
        for number in 1..=updates {
            let event = log.update(number, NOW);
            log.append(&event);
        }
        log
    }

    fn event(&mut self, kind: &str, recorded: u64, subject: &serde_json::Value, body: &serde_json::Value) -> EventFile {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": format!("https://vitrine.example/{kind}/v0"),
            "predicate": {
                "hdr": {
                    "origin": ORIGIN, "issuer": "release", "epoch": 1, "recorded": recorded,
                    "seq": self.seq + 1, "prev": self.prev,
                },
                "body": body,
            },
        });
        let mut event = EventFile::unsigned(json::parse(statement.to_string().as_bytes()).unwrap());
        event.sign(&event_key("release")).unwrap();
        self.seq += 1;
        self.prev = event.id().hex();
        event
    }

    /// The next update: version `number`, with a file that has `content`.
    fn update_of(&mut self, number: u64, recorded: u64, content: &[u8]) -> EventFile {
        self.release_seq += 1;
        let body = json!({
            "purl": format!("pkg:generic/app@{number}"), "packageId": "app", "channel": "stable", "kind": "product",
            "audience": ["all"], "release_seq": self.release_seq, "built_here": false,
        });
        let subject = json!([{
            "name": "app", "digest": {"sha256": Hash::of(content).hex()}, "annotations": {"size": content.len()},
        }]);
        self.event("update", recorded, &subject, &body)
    }

    fn update(&mut self, number: u64, recorded: u64) -> EventFile {
        self.update_of(number, recorded, &number.to_be_bytes())
    }

    fn append(&self, event: &EventFile) {
        self.world.append(&event.leaf()).unwrap();
    }

    fn leaves(&self) -> Vec<Vec<u8>> {
        self.world.leaves.borrow().clone()
    }

    /// What a server of this log serves.
    fn serve(&self, bend: Option<Bend>) -> Memory {
        let mut memory = Memory::of(&self.leaves());
        memory.objects.insert("checkpoint".into(), self.world.note(bend));
        memory
    }

    /// The same log rebuilt without one entry and signed again.
    fn without(&self, index: usize) -> Memory {
        self.rebuilt(|leaves| drop(leaves.remove(index)))
    }

    /// The same log rebuilt in another way and signed again.
    fn rebuilt(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Memory {
        let before = self.leaves();
        change(&mut self.world.leaves.borrow_mut());
        let memory = self.serve(None);
        *self.world.leaves.borrow_mut() = before;
        memory
    }

    fn trust(&self) -> String {
        format!(
            "charter = \"{}\"\norigin = \"{ORIGIN}\"\n[[issuer]]\nname = \"release\"\nepoch = 1\nvkey = \"{}\"\ntypes = [\"update\"]\n[[stream]]\npackageId = \"app\"\nchannel = \"stable\"\nissuer = \"release\"\nrequire_build = false\n",
            charter_event().id().hex(),
            event_key("release").vkey()
        )
    }

    fn pins(&self) -> Pins {
        pins(self, &self.trust())
    }
}

fn pins(log: &Log, trust: &str) -> Pins {
    Pins::new(log.world.policy(), TrustFile::parse(trust).unwrap(), Witnessing::Required).unwrap()
}

fn run_with(source: &Memory, state: &Path, pins: &Pins, question: &Question) -> Result<Audited, Failure> {
    let copy = Copy::open(state).unwrap();
    audit(source, &copy, pins, question, None, |_, _| ())
}

fn question() -> Question {
    Question { now: Some(NOW), ..Question::default() }
}

fn run(log: &Log, source: &Memory, state: &Path) -> Audited {
    run_with(source, state, &log.pins(), &question()).unwrap()
}

/// Makes the leaf of an event that must not be logged.
type Lie<'a> = &'a dyn Fn(&mut Log) -> Vec<u8>;

/// A code, and issuer and seq of the event that it is about.
type Found<'a> = (&'a str, Option<(&'a str, Option<u64>)>);

/// What was found, the worst first.
fn found(audited: &Audited) -> Vec<Found<'_>> {
    let mut all: Vec<&Finding> = audited.report.sections.iter().flat_map(|section| &section.findings).collect();
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all.iter()
        .map(|finding| {
            let place = finding.place.as_ref().map(|place| (place.issuer.as_str(), place.seq));
            (finding.code.as_str(), place)
        })
        .collect()
}

fn text(audited: &Audited, code: &str) -> String {
    let mut all = audited.report.sections.iter().flat_map(|section| &section.findings);
    all.find(|finding| finding.code == code).map(|finding| finding.text.clone()).unwrap_or_default()
}

fn kept_path() -> String {
    super::kept::path(NOW / 3_600).unwrap()
}

#[test]
fn an_honest_log_has_nothing_to_find_and_every_section_says_what_it_did() {
    let log = Log::of(300);
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &log.serve(None), state.path());
    assert_eq!(found(&audited), []);
    assert_eq!((audited.report.verdict, super::exit(&audited)), ("verified", Exit::Done));
    assert_eq!(audited.report.size, 302);
    assert_eq!(audited.report.root, log.world.signed().root().to_string());
    let names: Vec<&str> = audited.report.sections.iter().map(|section| section.name).collect();
    assert_eq!(
        names,
        [
            "checkpoint",
            "hashes",
            "kept",
            "admission",
            "trust",
            "chains",
            "silence",
            "disowned",
            "digests",
            "rebuilds",
            "times"
        ]
    );
    for section in &audited.report.sections {
        assert!(!section.checked.is_empty() || !section.not_checked.is_empty(), "{} says nothing", section.name);
    }
    let text = audited.report.text();
    assert!(text.contains("302 entries judged again by the rules of admission, 304 signatures verified"), "{text}");
    assert!(text.contains("release epoch 1: seq 1 to 301"), "{text}");
    for limit in crate::output::LIMITS {
        assert!(text.contains(limit), "{text}");
    }
}

#[test]
fn a_second_machine_makes_the_same_report_of_the_same_size_later() {
    let mut log = Log::of(40);
    let first = tempfile::tempdir().unwrap();
    let mut source = log.serve(None);
    let kept = log.world.note(None);
    source.objects.insert(kept_path(), kept.clone());
    let early = run(&log, &source, first.path());
    for number in 41..=600 {
        let event = log.update(number, NOW + 10);
        log.append(&event);
    }
    let second = tempfile::tempdir().unwrap();
    let mut source = log.serve(None);
    source.objects.insert(kept_path(), kept);
    let asked = Question { size: Some(42), now: Some(NOW + 9_999), ..Question::default() };
    let late = run_with(&source, second.path(), &log.pins(), &asked).unwrap();
    assert_eq!(late.report.json().unwrap(), early.report.json().unwrap());
    assert_eq!(late.report.text(), early.report.text());
    // The first machine goes on from its copy, to the same report as a machine without one.
    let (again, fresh) = (run(&log, &source, first.path()), tempfile::tempdir().unwrap());
    assert_eq!(again.run.remembered_size, Some(42));
    assert_eq!(again.report.json().unwrap(), run(&log, &source, fresh.path()).report.json().unwrap());
}

#[test]
fn a_second_audit_reads_only_what_is_new() {
    let mut log = Log::of(600);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    for number in 601..=700 {
        let event = log.update(number, NOW);
        log.append(&event);
    }
    let source = log.serve(None);
    let audited = run(&log, &source, state.path());
    assert_eq!(audited.report.verdict, "verified");
    let asked = source.asked.lock().unwrap();
    let bundles: Vec<&String> = asked.iter().filter(|path| path.starts_with("tile/entries/")).collect();
    // The first one is read for the time at which kept checkpoints begin.
    assert_eq!(bundles, ["tile/entries/000", "tile/entries/002.p/190"]);
}

#[test]
fn a_log_rebuilt_without_one_event_is_named_by_the_copy() {
    let log = Log::of(20);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    let remembered = std::fs::read(state.path().join("checkpoint")).unwrap();
    // Entry 7 is seq 7 of release: entry 1 is its opening.
    for (source, what) in [
        (log.without(7), "log.older"),
        (
            log.rebuilt(|leaves| {
                leaves.remove(7);
                leaves.push(leaves[8].clone());
                leaves.push(leaves[9].clone());
            }),
            "log.fork",
        ),
        (
            log.rebuilt(|leaves| {
                leaves.remove(7);
                leaves.push(leaves[8].clone());
            }),
            "log.fork",
        ),
    ] {
        let audited = run(&log, &source, state.path());
        assert_eq!(super::exit(&audited), Exit::Misbehaved);
        assert_eq!(found(&audited), [(what, None), ("log.missing", Some(("release", Some(7))))]);
        assert!(text(&audited, "log.missing").contains("release epoch 1 seq 7 is no longer in the log"));
        assert_eq!(audited.run.evidence.len(), 2);
        for kept in &audited.run.evidence {
            assert!(SignedCheckpoint::parse(&std::fs::read(state.path().join(kept)).unwrap()).is_ok());
        }
        // The memory stays: a log does not talk its auditor into another history.
        assert_eq!(std::fs::read(state.path().join("checkpoint")).unwrap(), remembered);
    }
}

#[test]
fn a_log_rebuilt_without_one_event_is_named_by_its_chain() {
    let log = Log::of(20);
    for index in [2, 7, 20] {
        let state = tempfile::tempdir().unwrap();
        let audited = run(&log, &log.without(index), state.path());
        assert_eq!(super::exit(&audited), Exit::Misbehaved);
        let seq = index as u64;
        assert_eq!(
            found(&audited),
            [("log.admission", Some(("release", Some(seq + 1)))), ("chain.gap", Some(("release", Some(seq))))],
            "entry {index}"
        );
        assert!(
            text(&audited, "chain.gap")
                .contains(&format!("seq {seq} is missing (event_id {}", log.world.event(index).id().hex()))
        );
        assert!(text(&audited, "log.admission").contains("(position)"), "{}", text(&audited, "log.admission"));
        assert_eq!(audited.run.evidence.len(), 2, "the entry and the checkpoint that covers it");
    }
    // Without the last one nothing is missing yet: the copy alone would know, and the report says so.
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &log.without(21), state.path());
    assert_eq!(found(&audited), []);
    assert!(
        audited.report.text().contains("what came after its last event shows only as silence, or in a remembered copy")
    );
}

#[test]
fn a_log_that_shows_less_than_before_is_named_with_what_is_gone() {
    let log = Log::of(5);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    let audited = run(&log, &log.rebuilt(|leaves| leaves.truncate(5)), state.path());
    let gone = |seq| ("log.missing", Some(("release", Some(seq))));
    assert_eq!(found(&audited), [("log.older", None), gone(5), gone(6)]);
    assert!(text(&audited, "log.older").contains("shows 5 entries, 7 are remembered"));
}

#[test]
fn an_unchained_first_entry_cannot_be_swapped_either() {
    let log = Log::of(3);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    // The tiles are of another tree, the notes differ, the entries are withheld: proof enough.
    let mut source = log.rebuilt(|leaves| leaves.swap(3, 4));
    source.objects.retain(|path, _| !path.starts_with("tile/entries/"));
    let audited = run(&log, &source, state.path());
    assert_eq!((found(&audited), super::exit(&audited)), (vec![("log.fork", None)], Exit::Misbehaved));
    assert!(audited.report.text().contains("which events are missing: the log does not serve an object"));
}

#[test]
fn entries_that_are_not_those_of_the_checkpoint_are_the_logs_fault_and_are_not_remembered() {
    let log = Log::of(3);
    let state = tempfile::tempdir().unwrap();
    let mut source = log.rebuilt(|leaves| leaves.swap(3, 4));
    source.objects.insert("checkpoint".into(), log.world.note(None));
    let audited = run(&log, &source, state.path());
    assert!(found(&audited).contains(&("log.root", None)), "{:?}", found(&audited));
    assert_eq!(super::exit(&audited), Exit::Misbehaved);
    assert!(!state.path().join("checkpoint").exists());
    // An honest answer later is not held back by what the liar sent.
    let audited = run(&log, &log.serve(None), state.path());
    assert_eq!((found(&audited), audited.report.verdict), (vec![], "verified"));
}

#[test]
fn an_event_that_admission_refuses_is_named_with_its_reason() {
    let unsigned_well = |log: &mut Log| {
        let text = String::from_utf8(log.update(3, NOW).leaf()).unwrap();
        let (before, sig) = text.split_once("\"sig\":\"").unwrap();
        let first = if sig.starts_with('A') { "B" } else { "A" };
        format!("{before}\"sig\":\"{first}{}", &sig[1..]).into_bytes()
    };
    let number_left_out = |log: &mut Log| {
        log.release_seq += 1;
        log.update(3, NOW).leaf()
    };
    let earlier = |log: &mut Log| log.update(3, NOW - 7_200).leaf();
    let one_more_signer = |log: &mut Log| {
        let mut event = log.update(3, NOW);
        event.sign(&event_key("operator")).unwrap();
        event.leaf()
    };
    let cases: [(&str, Lie); 4] = [
        ("signature", &unsigned_well),
        ("release-position", &number_left_out),
        ("clock-order", &earlier),
        ("signer-set", &one_more_signer),
    ];
    for (code, make) in cases {
        let mut log = Log::of(2);
        let leaf = make(&mut log);
        log.world.plant(&leaf);
        let state = tempfile::tempdir().unwrap();
        let audited = run(&log, &log.serve(None), state.path());
        assert_eq!(found(&audited), [("log.admission", Some(("release", Some(4))))], "{code}");
        assert!(
            text(&audited, "log.admission").contains(&format!("entry 4 must not be there ({code})")),
            "{}",
            text(&audited, "log.admission")
        );
    }
}

#[test]
fn an_event_logged_twice_and_bytes_that_are_none_are_the_logs_fault() {
    let log = Log::of(2);
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &log.rebuilt(|leaves| leaves.push(leaves[3].clone())), state.path());
    assert_eq!(
        found(&audited),
        [("log.admission", Some(("release", Some(3)))), ("chain.repeat", Some(("release", Some(3))))]
    );
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &log.rebuilt(|leaves| leaves.push(b"rubbish".to_vec())), state.path());
    assert_eq!(found(&audited), [("log.admission", None)]);
    assert!(audited.report.text().contains("1 entries that are not events of this log"));
}

#[test]
fn a_second_digest_of_a_version_is_found_and_both_entries_are_named() {
    let mut log = Log::of(2);
    let event = log.update_of(2, NOW, b"another");
    log.append(&event);
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &log.serve(None), state.path());
    assert_eq!(
        (found(&audited), super::exit(&audited)),
        (vec![("digest.second", Some(("release", Some(4))))], Exit::NotVerified)
    );
    let text = text(&audited, "digest.second");
    assert!(text.contains("entry 3 says") && text.contains("entry 4 says"), "{text}");
    // What is wrong with an issuer is no reason to forget the log.
    assert!(state.path().join("checkpoint").exists());
}

#[test]
fn silence_is_found_and_a_window_narrows_the_report() {
    let mut log = Log::of(1);
    let event = log.update(2, NOW + 86_401 + 50);
    log.append(&event);
    let source = log.serve(None);
    let report = |window: Window| {
        let state = tempfile::tempdir().unwrap();
        run_with(&source, state.path(), &log.pins(), &Question { window, ..question() }).unwrap()
    };
    let all = report(Window::default());
    // The vault, whose longest silence is a day as well, said nothing at all.
    assert_eq!(found(&all), [("silence", Some(("release", Some(3)))), ("silence", Some(("vault", None)))]);
    assert_eq!(super::exit(&all), Exit::NotVerified);
    let before = report(Window { from: Some(NOW - 100), to: Some(NOW) });
    assert_eq!(found(&before), []);
    let inside = report(Window { from: Some(NOW + 10), to: Some(NOW + 86_401) });
    assert_eq!(found(&inside)[0], ("silence", Some(("release", Some(3)))));
}

/// The log's checkpoint, cosigned at this time.
fn note_at(log: &Log, time: u64) -> Vec<u8> {
    let checkpoint = log.world.signed().checkpoint.clone();
    let line = |name: &str, kind: KeyKind| {
        let seed = seed(name, kind);
        let message = cosignature::message(kind, name, time, &checkpoint).unwrap();
        let bytes = match kind {
            KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
            KeyKind::Cosign => cosignature::encode(time, &seed.sign_ed25519(&message).unwrap()),
            KeyKind::MlDsa44 => cosignature::encode(time, &seed.sign_mldsa_deterministic(&message).unwrap()),
        };
        Signature::by(&seed.vkey(), bytes).unwrap()
    };
    let lines = vec![
        line(ORIGIN, KeyKind::Ed25519),
        line(ORIGIN, KeyKind::MlDsa44),
        line("w.example", KeyKind::Cosign),
        line("w.example", KeyKind::MlDsa44),
    ];
    SignedCheckpoint::new(checkpoint, lines).unwrap().print().into_bytes()
}

#[test]
fn silence_up_to_the_checkpoint_is_of_this_run_and_not_of_the_report() {
    let log = Log::of(1);
    let state = tempfile::tempdir().unwrap();
    let mut source = log.serve(None);
    source.objects.insert("checkpoint".into(), note_at(&log, NOW + 86_401));
    let asked = Question { now: Some(NOW + 86_401), ..Question::default() };
    let late = run_with(&source, state.path(), &log.pins(), &asked).unwrap();
    assert_eq!((found(&late), late.report.verdict), (vec![], "verified"));
    let silent: Vec<&str> = late.run.silent_now.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(silent.len(), 2, "release and vault: {silent:?}");
    assert!(silent[0].starts_with("release epoch 1: 86401 s of silence"), "{silent:?}");
    assert_eq!(super::exit(&late), Exit::NotVerified);
    let other = tempfile::tempdir().unwrap();
    let early = run(&log, &log.serve(None), other.path());
    assert_eq!(super::exit(&early), Exit::Done);
    assert_eq!(late.report.json().unwrap(), early.report.json().unwrap());
}

#[test]
fn without_a_quorum_the_audit_is_done_and_the_answer_is_not_yet() {
    let log = Log::of(2);
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &log.serve(Some(Bend::NoWitness)), state.path());
    assert_eq!((found(&audited), super::exit(&audited)), (vec![("quorum", None)], Exit::NotYet));
    assert_eq!(audited.report.verdict, "not-yet");
    assert!(!state.path().join("checkpoint").exists(), "nobody vouches for it, so it is no memory");
}

#[test]
fn a_log_without_its_witnesses_cannot_fork_away_from_the_memory() {
    let log = Log::of(4);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    log.world.leaves.borrow_mut().remove(3);
    let audited = run(&log, &log.serve(Some(Bend::NoWitness)), state.path());
    assert_eq!(found(&audited), [("log.older", None), ("log.missing", Some(("release", Some(3))))]);
    assert_eq!(super::exit(&audited), Exit::Misbehaved);
}

#[test]
fn kept_checkpoints_bound_the_times_and_must_be_prefixes() {
    let mut log = Log::of(1);
    let kept = log.world.note(None); // of three entries
    let fork = {
        let before = log.leaves();
        log.world.leaves.borrow_mut().swap(0, 1);
        let note = log.world.note(None);
        *log.world.leaves.borrow_mut() = before;
        note
    };
    let event = log.update(2, NOW);
    log.append(&event);
    let mut source = log.serve(None);
    source.objects.insert(kept_path(), kept);
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &source, state.path());
    assert_eq!(found(&audited), []);
    let text = audited.report.text();
    assert!(text.contains("1 kept checkpoints of earlier sizes"), "{text}");
    assert!(text.contains("1 kept checkpoints: 0 of 4 entries were logged between two of them, at most 0 s apart, 3 before the first one"), "{text}");
    source.objects.insert(kept_path(), fork);
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &source, state.path());
    assert_eq!(found(&audited), [("log.kept", None)]);
    assert_eq!(super::exit(&audited), Exit::Misbehaved);
    source.objects.insert(kept_path(), log.world.note(Some(Bend::NoWitness))[..80].to_vec());
    let state = tempfile::tempdir().unwrap();
    let audited = run(&log, &source, state.path());
    assert_eq!(found(&audited), [("kept.checkpoint", None)]);
}

#[test]
fn the_logs_story_is_compared_with_the_trust_file() {
    let log = Log::of(1);
    let source = log.serve(None);
    let report = |trust: &str| {
        let state = tempfile::tempdir().unwrap();
        run_with(&source, state.path(), &pins(&log, trust), &question()).unwrap()
    };
    let trust = log.trust();
    let cases = [
        (trust.replace(&charter_event().id().hex(), &"1".repeat(64)), "trust.charter", Severity::Finding),
        (format!("charter_version = 2\n{trust}"), "trust.charter-version", Severity::Finding),
        (
            trust.replace(&event_key("release").vkey().to_string(), &event_key("thief").vkey().to_string()),
            "trust.issuer-key",
            Severity::Finding,
        ),
        (trust.replace("epoch = 1", "epoch = 2"), "trust.issuer-absent", Severity::Note),
        (trust.replace("packageId = \"app\"", "packageId = \"other\""), "trust.stream", Severity::Note),
    ];
    for (trust, code, severity) in cases {
        let audited = report(&trust);
        assert_eq!(found(&audited).iter().map(|(code, _)| *code).collect::<Vec<_>>(), [code]);
        assert_eq!(audited.report.worst(), Some(severity));
    }
}

#[test]
fn what_is_not_the_pinned_log_is_not_audited() {
    let log = Log::of(1);
    let state = tempfile::tempdir().unwrap();
    let failure = |source: &Memory| run_with(source, state.path(), &log.pins(), &question()).unwrap_err();
    let other = failure(&log.serve(Some(Bend::OtherLog)));
    assert_eq!((other.exit, other.code.as_str()), (Exit::NotVerified, "log.signature"));
    let mut source = log.serve(None);
    source.objects.insert("checkpoint".into(), b"<html>".to_vec());
    assert_eq!(failure(&source).code, "log.checkpoint");
    source.objects.remove("checkpoint");
    assert_eq!(failure(&source).exit, Exit::Unreachable);
    let source = log.serve(None);
    let asked = Question { size: Some(4), ..question() };
    let failure = run_with(&source, state.path(), &log.pins(), &asked).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (Exit::Usage, "audit.size"));
}

#[test]
fn a_memory_that_the_trust_folder_does_not_accept_stops_the_audit() {
    let log = Log::of(1);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    std::fs::write(state.path().join("checkpoint"), log.world.note(Some(Bend::OtherLog))).unwrap();
    let failure = run_with(&log.serve(None), state.path(), &log.pins(), &question()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.now.unwrap().contains("new --state"), "never re-based in silence");
}

#[test]
fn the_copy_of_a_release_log_says_which_builds_are_logged() {
    let log = Log::of(300);
    let site = "https://build.example.com/farm";
    let opening = [
        format!("vkey={}", event_key("farm").vkey()),
        "types.build=none".to_owned(),
        "heartbeat_s=86400".to_owned(),
        "jurisdiction=CH".to_owned(),
        format!("builders={site}"),
    ];
    let mut open = draft("issuer-open", &opening, Vec::new());
    open.issuer = "farm".to_owned();
    open.chain = Chain::At(1, "0".repeat(64));
    open.cosigners = vec![event_key("operator").vkey().keyid()];
    let mut open = open.event().unwrap();
    open.sign(&event_key("farm")).unwrap();
    open.sign(&event_key("operator")).unwrap();
    log.append(&open);
    let built = Hash::of(b"scanner");
    let fields = [
        "purl=pkg:generic/scanner@1".to_owned(),
        "source.uri=git+https://git.example.com/scanner".to_owned(),
        format!("source.digest.gitTree={}", "ab".repeat(20)),
        format!("builder_id={site}"),
        "build_type=https://build.example.com/make".to_owned(),
        "invocation_id=1".to_owned(),
        format!("started={NOW}"),
        format!("finished={NOW}"),
        "build_site=CH-ZH-1".to_owned(),
        "signing_site=CH-ZH-1".to_owned(),
    ];
    let file = Subject { name: "scanner".to_owned(), sha256: built.hex(), size: None, produced: None };
    let mut build = draft("build", &fields, vec![file]);
    build.issuer = "farm".to_owned();
    build.chain = Chain::Unchained("11".repeat(16));
    let mut build = build.event().unwrap();
    build.sign(&event_key("farm")).unwrap();
    log.append(&build);
    let state = tempfile::tempdir().unwrap();
    run(&log, &log.serve(None), state.path());
    let builds = Builds::of_copy(state.path()).unwrap();
    assert!(builds.hold(&built.hex()) && !builds.hold(&Hash::of(b"app").hex()));
    let root = log.world.signed().root().to_string();
    assert_eq!(builds.said(), format!("1 digests of the builds in {ORIGIN}, 304 entries with root {root}"));
    // A copy that was bent is no release log any more.
    let path = state.path().join("tile/entries/000");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(
        Builds::of_copy(state.path()).unwrap_err().what,
        "the copy of the release log has another root than its checkpoint"
    );
}
