//! Campaigns against scripted witnesses on loopback: every row of the table, and that none stops the others (85-log.md).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use super::*;
use crate::fake::{FakeWitness, MemoryLog, policy, witnesses};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Three witnesses over a log of seven entries, and what their campaigns report.
struct World {
    fakes: Vec<FakeWitness>,
    witnesses: Arc<Witnesses>,
    log: Arc<MemoryLog>,
    reports: UnboundedReceiver<Report>,
    report: Arc<dyn Fn(Report) + Send + Sync>,
    evidence: tempfile::TempDir,
}

async fn world() -> World {
    let mut fakes = Vec::new();
    for (name, byte) in [("w0.example", 10), ("w1.example", 20), ("w2.example", 30)] {
        fakes.push(FakeWitness::start(name, byte).await);
    }
    let log = Arc::new(MemoryLog::of(7, 0));
    let evidence = tempfile::tempdir().unwrap();
    let policy = policy(&[], 2, &fakes.iter().collect::<Vec<_>>());
    let witnesses = witnesses(&policy, Arc::clone(&log) as Arc<dyn Tree>, evidence.path(), &[]);
    let (post, reports) = unbounded_channel();
    let report: Arc<dyn Fn(Report) + Send + Sync> = Arc::new(move |report| drop(post.send(report)));
    World { fakes, witnesses, log, reports, report, evidence }
}

impl World {
    fn ask(&self) -> u64 {
        let campaign = self.witnesses.advance(TreeSize::new(7));
        self.witnesses.campaign(campaign, Arc::new(self.log.head()), &[], &self.report);
        campaign
    }

    async fn next(&mut self) -> Report {
        tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await.unwrap().unwrap()
    }

    /// The policy lines cosigned by the next report.
    async fn cosigned(&mut self) -> Vec<usize> {
        match self.next().await {
            Report::Cosigned { signatures, .. } => signatures.into_iter().map(|(place, _)| place).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn evidence(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.evidence.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().rsplit('-').next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn every_witness_is_asked_once_for_both_keys() {
    let mut world = world().await;
    let campaign = world.ask();
    let mut lines = Vec::new();
    for _ in 0..3 {
        match world.next().await {
            Report::Cosigned { campaign: of, signatures } => {
                assert_eq!(of, campaign);
                lines.extend(signatures.into_iter().map(|(place, _)| place));
            }
            other => panic!("{other:?}"),
        }
    }
    lines.sort_unstable();
    assert_eq!(lines, [0, 1, 2, 3, 4, 5]);
    for fake in &world.fakes {
        assert_eq!(fake.script(|script| script.asked.clone()), [(0, 7)]);
    }
}

#[tokio::test]
async fn a_witness_that_is_elsewhere_gets_a_proof_from_there() {
    // [G-3]
    let mut world = world().await;
    world.fakes[1].script(|script| script.known = 3);
    world.ask();
    for _ in 0..3 {
        world.cosigned().await;
    }
    assert_eq!(world.fakes[1].script(|script| script.asked.clone()), [(0, 7), (3, 7)]);
    assert_eq!(world.witnesses.members[1].standing(), Standing::Cosigned(TreeSize::new(7)));
    world.ask();
    for _ in 0..3 {
        world.cosigned().await;
    }
    let last = world.fakes[1].script(|script| script.asked.last().copied());
    assert_eq!(last, Some((7, 7)), "what it cosigned is remembered");
}

#[tokio::test]
async fn a_witness_that_fails_is_asked_again_and_stops_nobody() {
    let mut world = world().await;
    world.fakes[0].script(|script| script.says = Some((503, "text/plain", b"later".to_vec())));
    world.fakes[2].script(|script| script.delay = Duration::from_secs(60));
    world.ask();
    assert_eq!(world.cosigned().await, [2, 3], "the one that works does not wait for the others");
    world.fakes[0].script(|script| script.says = None);
    assert_eq!(world.cosigned().await, [0, 1]);
    assert!(world.fakes[0].script(|script| script.asked.len()) > 1);
    world.fakes[2].script(|script| script.delay = Duration::ZERO);
    assert_eq!(world.cosigned().await, [4, 5], "after its time-out it is asked again");
}

#[tokio::test]
async fn answers_outside_the_protocol_are_errors() {
    let mut world = world().await;
    let huge = vec![b'x'; WITNESS_BODY_BYTES_MAX + 1];
    world.fakes[0].script(|script| script.says = Some((200, "text/plain", huge)));
    world.fakes[1].script(|script| script.says = Some((307, "text/plain", Vec::new())));
    world.ask();
    assert_eq!(world.cosigned().await, [4, 5]);
    for (at, words) in [(0, "more than"), (1, "redirect")] {
        loop {
            match world.witnesses.members[at].standing() {
                Standing::Failing(why) => {
                    assert!(why.contains(words), "{why}");
                    break;
                }
                Standing::Unasked => tokio::task::yield_now().await,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_claim_without_a_note_puts_the_witness_out_and_the_log_goes_on() {
    // [G-3]
    for says in [(409, "text/x.tlog.size", b"8\n".to_vec()), (422, "text/plain", b"no".to_vec())] {
        let mut world = world().await;
        world.fakes[0].script(|script| script.says = Some(says.clone()));
        world.fakes[1].script(|script| script.delay = Duration::from_millis(200));
        world.fakes[2].script(|script| script.delay = Duration::from_millis(200));
        world.ask();
        assert!(matches!(world.next().await, Report::Hold), "nothing is signed while the claim is looked at");
        assert!(matches!(world.next().await, Report::Release));
        assert_eq!(world.cosigned().await.len(), 2);
        assert_eq!(world.cosigned().await.len(), 2);
        assert!(world.witnesses.members[0].is_out());
        assert_eq!(world.evidence(), ["answer", "request"]);
        world.ask();
        world.cosigned().await;
        world.cosigned().await;
        assert_eq!(world.fakes[0].script(|script| script.asked.len()), 1, "it is not asked again");
    }
}

#[tokio::test]
async fn a_log_signed_note_that_this_log_does_not_contain_stops_it() {
    // [G-2] A longer log of the same key, and one of the same length with other entries.
    for (says, note) in [
        ((409, "text/x.tlog.size", b"8\n".to_vec()), MemoryLog::of(8, 0).head()),
        ((422, "text/plain", Vec::new()), MemoryLog::of(7, 1).head()),
    ] {
        let mut world = world().await;
        let note = note.checkpoint.print().into_bytes();
        world.fakes[0].script(|script| (script.says, script.note) = (Some(says), Some(note)));
        world.fakes[1].script(|script| script.delay = Duration::from_millis(400));
        world.fakes[2].script(|script| script.delay = Duration::from_millis(400));
        world.ask();
        assert!(matches!(world.next().await, Report::Hold));
        match world.next().await {
            Report::Stop(why) => assert!(why.contains("this log signed"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(world.evidence(), ["answer", "note", "request"]);
    }
}

#[tokio::test]
async fn a_note_that_is_part_of_this_log_or_not_signed_by_it_proves_nothing() {
    let ours = MemoryLog::of(4, 0).head().checkpoint.print();
    let unsigned = MemoryLog::of(9, 1).head().checkpoint.print().replace("log.example ", "other.example ");
    for note in [ours, unsigned] {
        let mut world = world().await;
        let says = (409, "text/x.tlog.size", b"8\n".to_vec());
        world.fakes[0].script(|script| (script.says, script.note) = (Some(says), Some(note.clone().into_bytes())));
        world.fakes[1].script(|script| script.delay = Duration::from_millis(400));
        world.fakes[2].script(|script| script.delay = Duration::from_millis(400));
        world.ask();
        assert!(matches!(world.next().await, Report::Hold));
        assert!(matches!(world.next().await, Report::Release), "{note}");
    }
}

#[tokio::test]
async fn a_newer_head_ends_an_older_campaign() {
    let mut world = world().await;
    for fake in &world.fakes {
        fake.script(|script| script.says = Some((503, "text/plain", Vec::new())));
    }
    let first = world.ask();
    while world.fakes.iter().any(|fake| fake.script(|script| script.asked.is_empty())) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = world.ask();
    world.fakes.iter().for_each(|fake| fake.script(|script| script.says = None));
    for _ in 0..3 {
        match world.next().await {
            Report::Cosigned { campaign, .. } => assert_eq!((campaign, campaign > first), (second, true)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn pauses_double_up_to_a_bound() {
    let mut turn = Turn::default();
    let mut pauses = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        for _ in 0..40 {
            let before = Instant::now();
            turn.failed();
            let (pause, after) = (turn.not_before.unwrap(), Instant::now());
            pauses.push((pause - after, pause - before));
        }
    });
    for (at, pause) in [(0, BACK_OFF_FIRST), (1, BACK_OFF_FIRST * 2), (2, BACK_OFF_FIRST * 4), (39, BACK_OFF_MAX)] {
        let (least, most) = pauses[at];
        assert!(least <= pause && pause <= most, "{at}: {least:?} {most:?}");
    }
}

#[test]
fn names_that_no_witness_has_are_refused() {
    let policy = Policy::parse("quorum none\n").unwrap();
    let parts = || Parts {
        origin: Origin::new("log.example").unwrap(),
        log_keys: Vec::new(),
        tree: Arc::new(MemoryLog::of(1, 0)),
        evidence: PathBuf::new(),
        metrics: Arc::new(Metrics::new()),
        wait: Duration::from_secs(1),
    };
    let aside = ["w9".to_owned()];
    assert!(matches!(Witnesses::new(&policy, &aside, &[], parts()), Err(WitnessesError::Unknown { .. })));
    let monitoring = [("w9".to_owned(), "http://x".to_owned())];
    assert!(matches!(Witnesses::new(&policy, &[], &monitoring, parts()), Err(WitnessesError::Unknown { .. })));
}
