//! Deliveries to a log in memory whose answers are bent: nothing is lost, nothing is logged twice, nothing is believed.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event_file::Members;
use crate::world::{Bend, ORIGIN, Watch, World, event_key, update};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::tlog_proof::TlogProof;

/// A person's folder, the log, and the spool between them.
struct Desk {
    dir: tempfile::TempDir,
    world: World,
    watch: Watch,
    policy: Policy,
    key: Seed,
}

impl Desk {
    fn new(bends: &[Bend]) -> Desk {
        let world = World::new();
        world.bends.borrow_mut().extend(bends);
        let watch = Watch::default();
        watch.left.set(Duration::from_secs(60));
        Desk { dir: tempfile::tempdir().unwrap(), policy: world.policy(), world, watch, key: event_key("release") }
    }

    fn spool(&self) -> Spool {
        Spool::open(&self.dir.path().join("spool"), Duration::ZERO).unwrap()
    }

    fn record(&self, name: &str, event: &EventFile) -> Record {
        let file = self.dir.path().join(name);
        std::fs::write(&file, event.print()).unwrap();
        Record {
            about: None,
            proof: Some(files::beside(&file, "tlog-proof")),
            source: Hash::of(event.print().as_bytes()).hex(),
            envelope: event.line(),
            unplaced: event.wants_place(),
            asks_release: event.kind() == Some("update") && event.body("release_seq").is_none(),
            sealed: None,
            file: Some(file),
        }
    }

    /// Takes events on and delivers them.
    fn submit(&self, events: &[EventFile]) -> (Result<(), Failure>, Outcome) {
        let spool = self.spool();
        let records = events.iter().enumerate().map(|(at, event)| self.record(&format!("{at}.json"), event)).collect();
        let mut parcels = spool.add("log", records).unwrap();
        self.deliver(&spool, &mut parcels[0])
    }

    /// What a later run does: delivers what is in the spool.
    fn again(&self) -> (Result<(), Failure>, Outcome) {
        let spool = self.spool();
        let mut parcels = spool.pending().unwrap();
        assert_eq!(parcels.len(), 1, "one parcel waits");
        self.deliver(&spool, &mut parcels[0])
    }

    fn deliver(&self, spool: &Spool, parcel: &mut Parcel) -> (Result<(), Failure>, Outcome) {
        let courier =
            Courier { remote: &self.world, policy: &self.policy, key: Some(&self.key), spool, clock: &self.watch };
        let mut outcome = Outcome::default();
        (courier.deliver(parcel, &mut outcome), outcome)
    }

    fn waiting(&self) -> usize {
        self.spool().pending().unwrap().iter().map(|parcel| parcel.records.len()).sum()
    }

    fn kept(&self, folder: &str) -> usize {
        std::fs::read_dir(self.dir.path().join("spool").join(folder)).unwrap().count()
    }

    /// The proof beside a file is of the event in it, and holds under the policy.
    fn check_proof(&self, name: &str, index: u64) {
        let event = EventFile::read(&self.dir.path().join(name)).unwrap();
        let bytes = std::fs::read(self.dir.path().join(format!("{name}.tlog-proof"))).unwrap();
        let sent = Sent { event: &event, key: None, duplicate: false };
        let (logged, _) = answer::submission(&self.policy, sent, &bytes, self.watch.now()).unwrap();
        assert_eq!((logged.index.get(), logged.origin.as_str()), (index, ORIGIN));
    }
}

#[test]
fn an_event_without_a_place_is_placed_signed_and_proven() {
    let desk = Desk::new(&[]);
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert_eq!((outcome.delivered.len(), outcome.rejected.len(), desk.waiting()), (1, 0, 0));
    desk.check_proof("0.json", 2);
    // The file now holds the event as it was logged, so that others can refer to it.
    assert_eq!(desk.world.event(2), EventFile::read(&desk.dir.path().join("0.json")).unwrap());
    assert_eq!(desk.world.event(2).header_int("seq"), Some(2));
    assert_eq!(desk.world.event(2).body("release_seq").and_then(crate::event_file::int), Some(1));
}

#[test]
fn after_a_lost_answer_the_same_bytes_are_sent_again() {
    let desk = Desk::new(&[Bend::Lost]);
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert!(outcome.delivered[0].duplicate, "the first attempt was logged");
    assert_eq!(desk.world.size(), 3, "and is logged once");
    let bodies = desk.world.bodies.borrow();
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
    desk.check_proof("0.json", 2);
}

#[test]
fn a_later_run_finishes_what_an_answer_was_lost_for() {
    let desk = Desk::new(&[Bend::Lost]);
    desk.watch.left.set(Duration::ZERO);
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert!(outcome.waiting.is_some());
    assert_eq!((exit_of(std::slice::from_ref(&outcome)), desk.waiting()), (Exit::NotYet, 1));
    let (ended, outcome) = desk.again();
    ended.unwrap();
    assert!(outcome.delivered[0].duplicate);
    assert_eq!((desk.world.size(), desk.waiting()), (3, 0));
    desk.check_proof("0.json", 2);
}

#[test]
fn a_busy_log_is_asked_again_when_it_says() {
    let desk = Desk::new(&[Bend::Busy(429, Some(7)), Bend::Busy(503, None), Bend::Busy(504, Some(2))]);
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert_eq!(outcome.delivered.len(), 1);
    let pauses: Vec<u64> = desk.watch.pauses.borrow().iter().map(|pause| pause.as_millis() as u64).collect();
    assert_eq!(pauses, [7_000, 500, 2_000]);
}

#[test]
fn a_wait_longer_than_the_time_there_is_leaves_it_in_the_spool() {
    let desk = Desk::new(&[Bend::Busy(503, Some(61))]);
    desk.watch.left.set(Duration::from_secs(30));
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert!(outcome.waiting.unwrap().contains("503"));
    assert_eq!((desk.waiting(), desk.world.size()), (1, 2));
    assert!(desk.watch.pauses.borrow().is_empty(), "no pause that could not end in time");
}

#[test]
fn a_taken_place_is_left_and_the_event_signed_again() {
    let desk = Desk::new(&[]);
    let mut place = Place::read("release", &desk.world.issuer("release").unwrap()).unwrap();
    let mut mine = place.clone().put(&update(1, &[]), false).unwrap();
    let mut other = place.put(&update(2, &[]), false).unwrap();
    other.sign(&desk.key).unwrap();
    desk.world.append(&other.leaf()).unwrap();
    mine.sign(&desk.key).unwrap();
    let spool = desk.spool();
    let record = Record { asks_release: true, ..desk.record("0.json", &mine) };
    let mut parcels = spool.add("log", vec![record]).unwrap();
    let (ended, outcome) = desk.deliver(&spool, &mut parcels[0]);
    drop(spool);
    ended.unwrap();
    assert_eq!((outcome.signed_again, desk.kept("superseded"), desk.waiting()), (1, 1, 0));
    assert_eq!(desk.world.event(3).header_int("seq"), Some(3));
    desk.check_proof("0.json", 3);
}

#[test]
fn a_number_that_the_person_gave_is_not_changed() {
    let desk = Desk::new(&[]);
    let (ended, outcome) = desk.submit(&[update(1, &["release_seq=9"])]);
    ended.unwrap();
    assert_eq!(outcome.rejected[0].problem.code, "release-position");
    assert_eq!((desk.kept("refused"), desk.waiting(), desk.world.size()), (1, 0, 2));
    assert_eq!(exit_of(&[outcome]), Exit::NotVerified);
}

#[test]
fn what_others_must_sign_is_not_moved() {
    let desk = Desk::new(&[]);
    let mut draft = crate::world::draft("heartbeat", &[], Vec::new());
    draft.cosigners = vec![event_key("operator").vkey().keyid()];
    let (ended, outcome) = desk.submit(&[draft.event().unwrap()]);
    let failure = ended.unwrap_err();
    assert_eq!(failure.code, "submit.cosigners");
    assert!(!outcome.sent, "nothing was sent");
}

#[test]
fn the_key_must_be_the_issuers() {
    let desk = Desk { key: event_key("operator"), ..Desk::new(&[]) };
    let failure = desk.submit(&[update(1, &[])]).0.unwrap_err();
    assert_eq!(failure.code, "submit.key");
    assert!(failure.to_string().contains(&event_key("release").vkey().keyid()), "{failure}");
}

#[test]
fn many_events_go_as_one_batch_each_with_its_own_proof() {
    let desk = Desk::new(&[]);
    let events: Vec<EventFile> = (1..=5).map(|version| update(version, &[])).collect();
    let (ended, outcome) = desk.submit(&events);
    ended.unwrap();
    assert_eq!((outcome.delivered.len(), desk.waiting(), desk.world.bodies.borrow().len()), (5, 0, 1));
    for at in 0..5 {
        desk.check_proof(&format!("{at}.json"), 2 + at);
    }
}

#[test]
fn a_refused_line_does_not_take_the_rest_of_its_chain_with_it() {
    let desk = Desk::new(&[]);
    let (ended, outcome) =
        desk.submit(&[update(1, &[]), update(2, &["release_seq=9"]), update(3, &[]), update(4, &[])]);
    ended.unwrap();
    assert_eq!((outcome.delivered.len(), outcome.rejected.len(), desk.waiting()), (3, 1, 0));
    assert_eq!((desk.kept("refused"), desk.kept("superseded")), (1, 2));
    for (name, index) in [("0.json", 2), ("2.json", 3), ("3.json", 4)] {
        desk.check_proof(name, index);
    }
    assert_eq!(exit_of(&[outcome]), Exit::NotVerified);
}

#[test]
fn a_lost_answer_to_a_batch_logs_nothing_twice() {
    let desk = Desk::new(&[Bend::Lost]);
    let (ended, outcome) = desk.submit(&[update(1, &[]), update(2, &[])]);
    ended.unwrap();
    assert!(outcome.delivered.iter().all(|delivered| delivered.duplicate));
    assert_eq!(desk.world.size(), 4);
}

#[test]
fn an_answer_that_does_not_hold_is_never_stored_as_a_proof() {
    for (bend, code, exit) in [
        (Bend::OtherLeaf, "answer.misbehaved", Exit::Misbehaved),
        (Bend::OtherEntry, "answer.misbehaved", Exit::Misbehaved),
        (Bend::WrongPath, "answer.misbehaved", Exit::Misbehaved),
        (Bend::OtherLog, "answer.not-the-log", Exit::Unreachable),
        (Bend::Page, "answer.not-the-log", Exit::Unreachable),
    ] {
        let desk = Desk::new(&[bend]);
        let (ended, outcome) = desk.submit(&[update(1, &[])]);
        let failure = ended.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit), (code, exit), "{bend:?}: {failure}");
        assert!(outcome.delivered.is_empty());
        assert!(!desk.dir.path().join("0.json.tlog-proof").exists(), "{bend:?}");
        assert_eq!(desk.waiting(), 1, "{bend:?}: the event is still in the spool");
        assert_eq!(desk.kept("evidence"), usize::from(exit == Exit::Misbehaved), "{bend:?}");
    }
}

#[test]
fn a_batch_whose_answer_does_not_hold_is_not_believed() {
    for (bend, code) in [
        (Bend::OtherEntry, "answer.misbehaved"),
        (Bend::WrongPath, "answer.misbehaved"),
        (Bend::OtherLog, "answer.not-the-log"),
    ] {
        let desk = Desk::new(&[bend]);
        let failure = desk.submit(&[update(1, &[]), update(2, &[])]).0.unwrap_err();
        assert_eq!(failure.code, code, "{bend:?}: {failure}");
        assert_eq!(desk.waiting(), 2);
        assert!(!desk.dir.path().join("0.json.tlog-proof").exists());
    }
}

#[test]
fn without_a_quorum_nothing_is_acknowledged_until_there_is_one() {
    let desk = Desk::new(&[Bend::NoWitness]);
    desk.watch.left.set(Duration::ZERO);
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert!(outcome.waiting.unwrap().contains("too few witnesses"));
    assert!(!desk.dir.path().join("0.json.tlog-proof").exists());
    let (ended, outcome) = desk.again();
    ended.unwrap();
    assert_eq!((outcome.delivered.len(), desk.waiting()), (1, 0));
    desk.check_proof("0.json", 2);
}

#[test]
fn a_stop_between_proof_and_spool_is_mended_by_the_next_run() {
    let desk = Desk::new(&[]);
    let spool = desk.spool();
    let mut parcels = spool.add("log", vec![desk.record("0.json", &update(1, &[]))]).unwrap();
    desk.deliver(&spool, &mut parcels[0]).0.unwrap();
    // As if killed before the record was removed: the record as it was sent is put back.
    let sent =
        Record { unplaced: false, envelope: desk.world.event(2).line(), ..desk.record("0.json", &desk.world.event(2)) };
    spool.add("log", vec![sent]).unwrap();
    drop(spool);
    let (ended, outcome) = desk.again();
    ended.unwrap();
    assert!(outcome.delivered[0].duplicate);
    assert_eq!((desk.world.size(), desk.waiting()), (3, 0));
}

/// An event of ours that a cosigner signs too, and what was logged of it before with the signature `[7; 64]` of `by`.
fn logged_before(desk: &Desk, by: &Seed) -> (EventFile, Vec<u8>) {
    let operator = event_key("operator");
    let mut statement = update(1, &[]).statement().clone();
    let hdr = statement.entry("predicate").unwrap().entry("hdr").unwrap();
    hdr.set("cosigners", Value::Array(vec![operator.vkey().keyid().into()]));
    let mut place = Place::read("release", &desk.world.issuer("release").unwrap()).unwrap();
    let mut event = place.put(&EventFile::unsigned(statement), false).unwrap();
    for seed in [&desk.key, &operator] {
        event.sign(seed).unwrap();
    }
    let mut other = event.envelope().clone();
    other.signatures.retain(|one| one.keyid != by.vkey().keyid());
    other.add(by.vkey().keyid(), [7; 64]);
    desk.world.plant(&other.leaf());
    (event, other.leaf())
}

#[test]
fn of_one_payload_the_envelope_logged_first_counts() {
    // A key holder can sign one payload twice with different bytes; the identity is the payload's.
    for batch in [false, true] {
        let desk = Desk::new(&[]);
        let (event, leaf) = logged_before(&desk, &event_key("operator"));
        let (ended, outcome) = desk.submit(&vec![event; if batch { 2 } else { 1 }]);
        ended.unwrap();
        assert!(outcome.delivered.iter().all(|delivered| delivered.duplicate));
        let bytes = std::fs::read(desk.dir.path().join("0.json.tlog-proof")).unwrap();
        assert_eq!(TlogProof::parse(&bytes).unwrap().extra.unwrap(), leaf);
    }
}

#[test]
fn our_payload_under_a_signature_that_is_not_ours_is_not_our_event() {
    for batch in [false, true] {
        let desk = Desk::new(&[]);
        let (event, _) = logged_before(&desk, &desk.key);
        let (ended, outcome) = desk.submit(&vec![event; if batch { 2 } else { 1 }]);
        let failure = ended.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit), ("answer.misbehaved", Exit::Misbehaved));
        assert!(failure.to_string().contains("without a valid signature of its issuer"), "{failure}");
        assert!(outcome.delivered.is_empty() && desk.waiting() > 0);
    }
}

/// A log that refuses the place which it names itself: another writer's event is admitted and not published yet, or it lies.
struct Stubborn<'a>(&'a World);

impl Stubborn<'_> {
    const REFUSED: &'static str =
        r#"{"title":"position","status":409,"detail":"seq 2, expected 3","code":"position","expected_seq":3}"#;
}

impl Remote for Stubborn<'_> {
    fn issuer(&self, name: &str) -> Result<Vec<u8>, HttpError> {
        self.0.issuer(name)
    }

    fn charter(&self) -> Result<Vec<u8>, HttpError> {
        self.0.charter()
    }

    fn lookup(&self, query: &str) -> Result<Vec<u8>, HttpError> {
        Remote::lookup(self.0, query)
    }

    fn submit(&self, body: Vec<u8>) -> Result<(Vec<u8>, bool), HttpError> {
        self.0.bodies.borrow_mut().push(body);
        let problem = serde_json::from_str(Self::REFUSED).ok();
        Err(HttpError::Status { url: "log".into(), status: 409, retry_after: None, problem, body: String::new() })
    }

    fn submit_batch(&self, body: Vec<u8>) -> Result<Vec<u8>, HttpError> {
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        self.0.bodies.borrow_mut().push(body);
        let skipped = Self::REFUSED.replace("position", "skipped");
        let answer = |line: usize| {
            let problem = if line == 1 { Self::REFUSED } else { &skipped };
            format!("{{\"line\":{line},\"problem\":{problem}}}\n")
        };
        Ok((1..=lines).map(answer).collect::<String>().into_bytes())
    }

    fn entry(&self, index: vitrine_spec::tree::LeafIndex) -> Result<Vec<u8>, HttpError> {
        Remote::entry(self.0, index)
    }

    fn tile(&self, tile: &vitrine_spec::tiles::TileId) -> Result<Vec<u8>, HttpError> {
        Remote::tile(self.0, tile)
    }
}

#[test]
fn a_log_that_refuses_the_place_it_names_is_waited_for_and_not_for_ever() {
    for events in [vec![update(1, &[])], vec![update(1, &[]), update(2, &[])]] {
        let desk = Desk::new(&[]);
        let spool = desk.spool();
        let records: Vec<Record> =
            events.iter().enumerate().map(|(at, event)| desk.record(&format!("{at}.json"), event)).collect();
        let mut parcels = spool.add("log", records).unwrap();
        let remote = Stubborn(&desk.world);
        let courier =
            Courier { remote: &remote, policy: &desk.policy, key: Some(&desk.key), spool: &spool, clock: &desk.watch };
        let mut outcome = Outcome::default();
        courier.deliver(&mut parcels[0], &mut outcome).unwrap();
        assert!(outcome.waiting.unwrap().contains("the very place"));
        assert_eq!((parcels[0].records.len(), outcome.signed_again), (events.len(), 0));
        let asked = desk.world.bodies.borrow().len();
        assert!((2..=16).contains(&asked), "asked {asked} times in a minute");
        // An honest log, when it has published, takes the same events.
        drop(spool);
        let (ended, outcome) = desk.again();
        ended.unwrap();
        assert_eq!((outcome.delivered.len(), desk.waiting()), (events.len(), 0));
    }
}

#[test]
fn a_log_that_says_at_once_is_not_asked_in_a_rush() {
    let desk = Desk::new(&[Bend::Busy(503, Some(0)); 300]);
    desk.watch.left.set(Duration::from_secs(5));
    let (ended, outcome) = desk.submit(&[update(1, &[])]);
    ended.unwrap();
    assert!(outcome.waiting.is_some());
    assert_eq!(desk.watch.pauses.borrow().len(), 20, "a quarter of a second at least");
}

/// What a gateway sealed, as its spool holds it.
fn sealed(desk: &Desk, many: u32) -> Vec<Record> {
    let issuer = vitrine_spec::words::Name::new("gateway").unwrap();
    let (world, now) = (&desk.world, crate::world::NOW);
    let made = crate::readers::sealer(world, &desk.policy, &world.fingerprint(), &issuer, &desk.key, now);
    let values = (0..many).map(|number| crate::world::values(&number.to_string())).collect();
    let signed = made.unwrap().0.seal(values, vitrine_spec::words::Time::new(now)).unwrap();
    signed.iter().map(crate::sealer::Signed::waiting).collect()
}

fn access_desk(bends: &[Bend]) -> Desk {
    let world = World::access();
    world.bends.borrow_mut().extend(bends);
    Desk { policy: world.policy(), world, key: event_key("gateway"), ..Desk::new(&[]) }
}

#[test]
fn sealed_records_go_with_their_events_and_after_a_lost_answer_unchanged() {
    for many in [1, 3] {
        let desk = access_desk(&[Bend::Lost]);
        let spool = desk.spool();
        let mut parcels = spool.add("log", sealed(&desk, many)).unwrap();
        let (ended, outcome) = desk.deliver(&spool, &mut parcels[0]);
        ended.unwrap();
        assert!(outcome.delivered.iter().all(|delivered| delivered.duplicate && delivered.proof.is_none()));
        assert_eq!(desk.world.read_all().len() as u32, many);
        let bodies = desk.world.bodies.borrow();
        assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
        for delivered in &outcome.delivered {
            let leaf = EventFile::parse(&delivered.proven.leaf).unwrap();
            let sent = Sent { event: &leaf, key: None, duplicate: false };
            answer::submission(&desk.policy, sent, &delivered.proven.print(), desk.watch.now()).unwrap();
        }
    }
}

#[test]
fn a_sealed_record_whose_place_is_taken_is_kept_and_never_moved() {
    let desk = access_desk(&[]);
    let mine = sealed(&desk, 2);
    for other in sealed(&desk, 1) {
        desk.world.submit(other.submission().into_bytes()).unwrap();
    }
    let size = desk.world.size();
    let spool = desk.spool();
    let mut parcels = spool.add("log", mine.clone()).unwrap();
    let (ended, outcome) = desk.deliver(&spool, &mut parcels[0]);
    ended.unwrap();
    assert_eq!((outcome.delivered.len(), outcome.rejected.len(), outcome.signed_again), (0, 3, 0));
    assert_eq!(desk.world.size(), size);
    assert_eq!(
        (outcome.rejected[0].problem.code.as_str(), outcome.rejected[1].problem.code.as_str()),
        ("position", "skipped")
    );
    assert!(outcome.rejected.iter().all(|rejected| rejected.now.unwrap().contains("seal the values again")));
    let kept = std::fs::read_to_string(&outcome.rejected[2].kept).unwrap();
    assert_eq!(
        kept,
        mine[2].submission(),
        "with its record, which the readers can open once its sealing key is logged"
    );
    assert_eq!(spool.pending().unwrap().len(), 0);
    assert_eq!(exit_of(&[outcome]), Exit::NotVerified);
}
