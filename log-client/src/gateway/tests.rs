//! A clerk, its workers and a log in memory: what is answered, what is kept, and what ends a gateway.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::Receiver;
use vitrine_spec::envelope::EventId;
use vitrine_spec::fields::Values;
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;
use vitrine_spec::words::{Name, Time};

use super::carrier::{Job, Keeper};
use super::clerk::{Carrier, Clerk, Moment, Office, Settings, Turn};
use super::desk::{Answer, Condition, Desk, Done};
use super::outage::Outage;
use crate::answer;
use crate::deliver::{Courier, Outcome, Rejected};
use crate::event_file::EventFile;
use crate::exit::Failure;
use crate::http::Problem;
use crate::output::Out;
use crate::place::ZEROS;
use crate::sealer::Sealer;
use crate::spool::{Record, Spool};
use crate::world::{NOW, ORIGIN, Watch, World, add_reader, event_key, values};

/// Delivers as soon as it is given something, while the log is up.
struct Porter<'a> {
    world: &'a World,
    policy: &'a Policy,
    spool: &'a Spool,
    desk: &'a Desk,
    up: Cell<bool>,
    parcels: RefCell<Vec<u64>>,
    drafts: RefCell<Vec<PathBuf>>,
}

impl Porter<'_> {
    fn flush(&self) {
        if !self.up.get() {
            return self.desk.trouble("503 quorum-unavailable: 1 of 2".into(), Some("quorum-unavailable".into()));
        }
        let numbers = self.parcels.take();
        let mut rest = numbers.as_slice();
        while !rest.is_empty() {
            let mut parcel = self.spool.gather(rest).unwrap();
            rest = &rest[parcel.numbers().count()..];
            let watch = Watch::default();
            let courier =
                Courier { remote: self.world, policy: self.policy, key: None, spool: self.spool, clock: &watch };
            let numbers = parcel.numbers().collect();
            let mut outcome = Outcome::default();
            let ended = courier.deliver(&mut parcel, &mut outcome);
            assert!(parcel.records.is_empty() || ended.is_err());
            self.desk.done(Done { numbers, outcome, ended });
        }
    }
}

impl Carrier for Porter<'_> {
    fn carry(&self, number: u64) {
        self.parcels.borrow_mut().push(number);
        self.flush();
    }

    fn incident(&self, draft: PathBuf) {
        self.drafts.borrow_mut().push(draft);
    }
}

/// A machine with a spool, and the log beside it.
struct Machine {
    dir: tempfile::TempDir,
    world: World,
    policy: Policy,
    desk: Arc<Desk>,
    out: Out,
    start: Instant,
}

const WAIT: Duration = Duration::from_secs(10);

impl Machine {
    fn new() -> Machine {
        let world = World::access();
        let (dir, desk) = (tempfile::tempdir().unwrap(), Arc::default());
        Machine { dir, policy: world.policy(), world, desk, out: Out::new(true), start: Instant::now() }
    }

    fn spool(&self) -> Spool {
        Spool::open(self.dir.path(), Duration::ZERO).unwrap()
    }

    fn porter<'a>(&'a self, spool: &'a Spool) -> Porter<'a> {
        Porter {
            world: &self.world,
            policy: &self.policy,
            spool,
            desk: &self.desk,
            up: Cell::new(true),
            parcels: RefCell::default(),
            drafts: RefCell::default(),
        }
    }

    fn at(&self, seconds: u64) -> Moment {
        Moment { at: self.start + Duration::from_secs(seconds), time: Time::new(NOW + 60 + seconds) }
    }

    fn clerk<'a>(&'a self, porter: &'a Porter<'a>, keeps: bool, cadence: Option<u64>) -> Clerk<'a, World> {
        let office = self.office(porter, keeps, cadence);
        let mut clerk = Clerk::new(office, self.at(0)).unwrap();
        clerk.turn(self.at(0)).unwrap();
        clerk
    }

    fn office<'a>(&'a self, porter: &'a Porter<'a>, keeps: bool, cadence: Option<u64>) -> Office<'a, World> {
        Office {
            remote: &self.world,
            policy: &self.policy,
            pinned: self.world.fingerprint(),
            issuer: Name::new("gateway").unwrap(),
            key: event_key("gateway"),
            spool: porter.spool,
            desk: &self.desk,
            carrier: porter,
            out: &self.out,
            settings: Settings { log: "log".into(), wait: WAIT, keeps, cadence: cadence.map(Duration::from_secs) },
        }
    }

    fn ask(&self, ids: &[&str]) -> Receiver<Answer> {
        self.desk.ask(ids.iter().map(|id| values(id)).collect()).unwrap()
    }

    /// The proofs hold under the policy, each of the event that was answered.
    fn check(&self, answer: Answer, many: usize) -> Vec<u64> {
        let Answer::Logged(events) = answer else { panic!("{answer:?}") };
        assert_eq!(events.len(), many);
        let check = |(id, proven): &(EventId, answer::Proven)| {
            let leaf = EventFile::parse(&proven.leaf).unwrap();
            assert_eq!(leaf.id(), *id);
            let sent = answer::Sent { event: &leaf, key: None, duplicate: false };
            let (logged, _) = answer::submission(&self.policy, sent, &proven.print(), NOW).unwrap();
            logged.index.get()
        };
        events.iter().map(check).collect()
    }

    fn read(&self) -> Vec<Values> {
        self.world.read_all()
    }
}

fn some(ids: &[&str]) -> Vec<Values> {
    ids.iter().map(|id| values(id)).collect()
}

fn spooled(answer: Answer) -> Vec<u64> {
    let Answer::Spooled(events) = answer else { panic!("{answer:?}") };
    events.into_iter().map(|(seq, _)| seq).collect()
}

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Unavailable(code, _) => code,
        Answer::Refused(problem) => &problem.code,
        Answer::Logged(_) | Answer::Spooled(_) => "taken",
    }
}

/// A heartbeat of another process that has the same key.
fn other_writer(world: &World) {
    let issuer = Name::new("gateway").unwrap();
    let key = event_key("gateway");
    let made = crate::readers::sealer(world, &world.policy(), &world.fingerprint(), &issuer, &key, NOW);
    let mut sealer: Sealer = made.unwrap().0;
    let beat = sealer.heartbeat(Time::new(NOW), Time::new(NOW)).unwrap();
    world.submit_signed(&beat).unwrap();
}

#[test]
fn the_answer_is_the_proof_and_many_workers_share_a_batch() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, None);
    assert_eq!(machine.desk.condition(), Condition::Open);
    let (mut one, mut two, mut three) = (machine.ask(&["1"]), machine.ask(&["2", "3"]), machine.ask(&["4"]));
    clerk.turn(machine.at(1)).unwrap();
    clerk.turn(machine.at(1)).unwrap();
    assert_eq!(machine.check(one.try_recv().unwrap(), 1), [3]);
    assert_eq!(machine.check(two.try_recv().unwrap(), 2), [4, 5]);
    assert_eq!(machine.check(three.try_recv().unwrap(), 1), [6]);
    assert_eq!(machine.read(), some(&["1", "2", "3", "4"]));
    assert_eq!(machine.world.bodies.borrow().len(), 1, "one batch");
    assert_eq!(spool.pending().unwrap().len(), 0);
}

#[test]
fn when_the_log_cannot_answer_an_access_is_denied_and_what_was_sent_goes_out_unchanged() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, None);
    porter.up.set(false);
    let mut first = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    assert!(first.try_recv().is_err(), "it waits for its proof");
    clerk.turn(machine.at(11)).unwrap();
    assert_eq!(code(&first.try_recv().unwrap()), "unavailable");
    assert!(matches!(machine.desk.condition(), Condition::Away(why) if why.contains("quorum-unavailable")));
    let mut second = machine.ask(&["2"]);
    clerk.turn(machine.at(12)).unwrap();
    assert_eq!(code(&second.try_recv().unwrap()), "unavailable", "at once");
    porter.up.set(true);
    porter.flush();
    let mut third = machine.ask(&["3"]);
    clerk.turn(machine.at(13)).unwrap();
    clerk.turn(machine.at(13)).unwrap();
    assert_eq!(machine.check(third.try_recv().unwrap(), 1).len(), 1);
    assert_eq!(machine.read(), some(&["1", "3"]), "the denied one that was sent is logged, the other was never sealed");
    assert!(porter.drafts.borrow().is_empty(), "nothing was promised, so nothing failed");
}

#[test]
fn when_told_to_keep_them_accesses_are_sealed_in_the_spool_and_logged_late_with_an_incident() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, true, None);
    porter.up.set(false);
    let mut first = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    clerk.turn(machine.at(11)).unwrap();
    assert_eq!(spooled(first.try_recv().unwrap()), [3]);
    for (at, id, seq) in [(12, "2", 4), (3_661, "3", 7)] {
        let mut more = machine.ask(&[id]);
        clerk.turn(machine.at(at)).unwrap();
        clerk.turn(machine.at(at)).unwrap();
        // An hour later W is renewed, and a heartbeat was due, though nothing is sent.
        assert!(spooled(more.try_recv().unwrap())[0] <= seq);
    }
    let text = std::fs::read_to_string(machine.dir.path().join("outage.json")).unwrap();
    assert!(text.contains("quorum-unavailable"), "{text}");
    porter.up.set(true);
    porter.flush();
    clerk.turn(machine.at(3_700)).unwrap();
    assert_eq!(machine.read(), some(&["1", "2", "3"]));
    let drafts = porter.drafts.borrow();
    let draft = EventFile::read(&drafts[0]).unwrap();
    assert!(draft.is_unsigned() && draft.wants_place());
    assert_eq!(
        (draft.body("seq").and_then(crate::event_file::int), draft.header_text("issuer")),
        (Some(2), Some("operator"))
    );
    assert_eq!(draft.body("code").unwrap().as_text(), Some("quorum-unavailable"));
    let words = std::fs::read_to_string(drafts[0].with_extension("txt")).unwrap();
    assert!(words.contains("gateway epoch 1, events 2 to "), "{words}");
    assert!(!machine.dir.path().join("outage.json").exists());
    // The operator can log it as it is.
    let operator = event_key("operator");
    let record = Record {
        about: None,
        file: None,
        proof: None,
        source: String::new(),
        envelope: draft.line(),
        unplaced: true,
        asks_release: false,
        sealed: None,
    };
    let mut parcel = spool.add("log", vec![record]).unwrap().remove(0);
    let watch = Watch::default();
    let key: Option<&Seed> = Some(&operator);
    let courier = Courier { remote: &machine.world, policy: &machine.policy, key, spool: &spool, clock: &watch };
    let mut outcome = Outcome::default();
    courier.deliver(&mut parcel, &mut outcome).unwrap();
    assert_eq!((outcome.delivered.len(), outcome.rejected.len()), (1, 0));
}

#[test]
fn a_second_gateway_on_the_chain_ends_this_one_and_both_are_named() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, None);
    other_writer(&machine.world);
    let mut ask = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    let failure: Failure = clerk.turn(machine.at(1)).unwrap_err();
    assert_eq!(failure.code, "gateway.second-writer");
    let text = failure.to_string();
    assert!(text.contains("sealed from seq 2 on") && text.contains("seq 3 after event"), "{text}");
    assert_eq!(code(&ask.try_recv().unwrap()), "position");
    assert!(matches!(machine.desk.ask(some(&["2"])), Err(Answer::Unavailable("leaving", _))));
    assert_eq!(std::fs::read_dir(machine.dir.path().join("superseded")).unwrap().count(), 2, "kept");
    assert!(machine.read().is_empty());
}

#[test]
fn when_the_readers_change_the_values_are_sealed_again_for_them() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, None);
    for id in ["1", "2"] {
        let mut ask = machine.ask(&[id]);
        for _ in 0..4 {
            clerk.turn(machine.at(2)).unwrap();
        }
        machine.check(ask.try_recv().unwrap(), 1);
        add_reader(&machine.world);
    }
    assert_eq!(machine.read(), some(&["1", "2"]));
    let keys = (0..machine.world.size()).filter(|at| machine.world.event(*at).kind() == Some("sealing-key"));
    assert_eq!(keys.count(), 2);
}

#[test]
fn what_a_killed_gateway_left_goes_out_first() {
    let machine = Machine::new();
    let spool = machine.spool();
    {
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, true, None);
        porter.up.set(false);
        machine.ask(&["1"]);
        clerk.turn(machine.at(1)).unwrap();
    } // killed: the worker has no answer
    let next = Machine { desk: Arc::default(), ..machine };
    let porter = next.porter(&spool);
    let mut clerk = next.clerk(&porter, true, None);
    let mut ask = next.ask(&["2"]);
    for _ in 0..2 {
        clerk.turn(next.at(20)).unwrap();
    }
    next.check(ask.try_recv().unwrap(), 1);
    assert_eq!(next.read(), some(&["1", "2"]));
    assert_eq!(clerk.in_spool(), 0);
}

#[test]
fn what_a_killed_gateway_left_for_a_place_that_is_taken_is_kept_and_ends_nothing() {
    let machine = Machine::new();
    let spool = machine.spool();
    {
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, true, None);
        porter.up.set(false);
        machine.ask(&["1"]);
        clerk.turn(machine.at(1)).unwrap();
    }
    other_writer(&machine.world);
    let next = Machine { desk: Arc::default(), ..machine };
    let porter = next.porter(&spool);
    let mut clerk = next.clerk(&porter, true, None);
    clerk.turn(next.at(2)).unwrap();
    let mut ask = next.ask(&["2"]);
    for _ in 0..2 {
        clerk.turn(next.at(3)).unwrap();
    }
    next.check(ask.try_recv().unwrap(), 1);
    assert_eq!(std::fs::read_dir(next.dir.path().join("superseded")).unwrap().count(), 2);
}

#[test]
fn what_was_promised_is_not_left_behind_when_the_log_has_another_address() {
    let machine = Machine::new();
    let spool = machine.spool();
    {
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, true, None);
        porter.up.set(false);
        machine.ask(&["1"]);
        clerk.turn(machine.at(1)).unwrap();
    }
    let next = Machine { desk: Arc::default(), ..machine };
    let porter = next.porter(&spool);
    let mut office = next.office(&porter, true, None);
    office.settings.log = "https://moved.example".into();
    let failure = Clerk::new(office, next.at(2)).err().unwrap();
    assert_eq!(failure.code, "gateway.other-log");
    assert!(failure.to_string().contains("https://moved.example"), "{failure}");
    assert_eq!(spool.pending().unwrap().len(), 1);
}

#[test]
fn a_promised_access_that_the_log_refuses_is_an_incident() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, Some(60));
    let mut ask = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    assert_eq!(spooled(ask.try_recv().unwrap()), [3]);
    add_reader(&machine.world); // before the tick: what was sealed for the readers of then is refused
    for at in [61, 61, 62, 62] {
        clerk.turn(machine.at(at)).unwrap();
    }
    assert!(machine.read().is_empty());
    let drafts = porter.drafts.borrow();
    assert_eq!(drafts.len(), 1);
    let draft = EventFile::read(&drafts[0]).unwrap();
    assert_eq!(draft.body("class").unwrap().as_text(), Some("logging-failure"));
    assert_eq!(draft.body("code").unwrap().as_text(), Some("sealing-key"));
    assert_eq!(draft.body("seq").and_then(crate::event_file::int), Some(2));
    let words = std::fs::read_to_string(drafts[0].with_extension("txt")).unwrap();
    assert!(
        words.contains("2 events that waited in the spool were refused") && !words.contains("logged late"),
        "{words}"
    );
}

#[test]
fn after_a_loss_no_heartbeat_covers_it_before_the_incident_is_logged() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, Some(60));
    let last_beat = || {
        let beat = (0..machine.world.size()).rev().map(|at| machine.world.event(at));
        let mut beat = beat.filter(|event| event.kind() == Some("heartbeat"));
        beat.next().and_then(|event| event.body("to").and_then(crate::event_file::int))
    };
    let mut ask = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    spooled(ask.try_recv().unwrap());
    add_reader(&machine.world);
    for at in [61, 61, 62, 62, 2_500, 2_600, 2_600] {
        clerk.turn(machine.at(at)).unwrap();
    }
    let held = last_beat().unwrap();
    assert!(held < NOW + 61, "{held} is after the access that was lost");
    for at in [5_000, 5_100, 5_100] {
        clerk.turn(machine.at(at)).unwrap();
    }
    assert_eq!(last_beat(), Some(held), "it shows life, and claims nothing more");
    std::fs::write(crate::files::beside(&porter.drafts.borrow()[0], "tlog-proof"), "by whoever has the key").unwrap();
    for at in [8_000, 8_100, 8_100] {
        clerk.turn(machine.at(at)).unwrap();
    }
    assert_eq!(last_beat(), Some(NOW + 8_060));
}

#[test]
fn what_a_killed_gateway_left_and_the_log_refuses_is_covered_by_no_heartbeat() {
    let machine = Machine::new();
    let spool = machine.spool();
    {
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, true, None);
        porter.up.set(false);
        machine.ask(&["1"]);
        clerk.turn(machine.at(1)).unwrap();
    }
    add_reader(&machine.world);
    let next = Machine { desk: Arc::default(), ..machine };
    let porter = next.porter(&spool);
    let mut clerk = next.clerk(&porter, true, None);
    for at in [2, 3, 2_500, 2_500, 2_501] {
        clerk.turn(next.at(at)).unwrap();
    }
    let beat = next.world.event(next.world.size() - 1);
    assert_eq!(beat.kind(), Some("heartbeat"));
    assert!(beat.body("to").and_then(crate::event_file::int).unwrap() <= NOW + 60);
}

#[test]
fn a_loss_outlives_a_restart_and_its_incident_is_tried_again() {
    let machine = Machine::new();
    let spool = machine.spool();
    let drafts = {
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, false, Some(60));
        // Two in a row, at the same place.
        for at in [1, 101] {
            spooled({
                let mut ask = machine.ask(&["1"]);
                clerk.turn(machine.at(at)).unwrap();
                ask.try_recv().unwrap()
            });
            add_reader(&machine.world);
            for more in [60, 60, 61, 61] {
                clerk.turn(machine.at(at + more)).unwrap();
            }
        }
        porter.drafts.take()
    };
    assert_eq!(drafts.len(), 2);
    assert!(drafts[0] != drafts[1] && drafts.iter().all(|draft| draft.exists()));
    let next = Machine { desk: Arc::default(), ..machine };
    let porter = next.porter(&spool);
    let mut clerk = next.clerk(&porter, false, Some(60));
    assert_eq!(*porter.drafts.borrow(), drafts);
    let mut beat = |at| {
        for at in [at, at + 100, at + 100] {
            clerk.turn(next.at(at)).unwrap();
        }
        let beat = next.world.event(next.world.size() - 1);
        assert_eq!(beat.kind(), Some("heartbeat"));
        beat.body("to").and_then(crate::event_file::int).unwrap()
    };
    assert!(beat(2_500) < NOW + 61, "what was lost is not covered");
    for (draft, covered) in [(&drafts[0], false), (&drafts[1], true)] {
        std::fs::write(crate::files::beside(draft, "tlog-proof"), "").unwrap();
        let at = if covered { 8_000 } else { 5_200 };
        assert_eq!(beat(at) > NOW + 5_000, covered, "both must be logged");
    }
    let last = Machine { desk: Arc::default(), ..next };
    let porter = last.porter(&spool);
    last.clerk(&porter, false, Some(60));
    assert!(porter.drafts.borrow().is_empty(), "they are logged");
}

#[test]
fn an_incident_that_a_stop_left_on_its_way_is_logged_once() {
    let machine = Machine::new();
    let (policy, desk, spool) = (machine.world.policy(), Arc::clone(&machine.desk), Arc::new(machine.spool()));
    let outage = Outage { since: NOW, epoch: 1, seq: 2, prev: ZEROS.into(), code: None, refused: 1 };
    outage.write(spool.dir()).unwrap();
    let draft = outage.draft(spool.dir(), ORIGIN, &Name::new("gateway").unwrap(), 2, Time::new(NOW)).unwrap();
    let record = Record {
        about: None,
        file: Some(draft.clone()),
        proof: Some(crate::files::beside(&draft, "tlog-proof")),
        source: String::new(),
        envelope: EventFile::read(&draft).unwrap().line(),
        unplaced: true,
        asks_release: false,
        sealed: None,
    };
    let operators = Spool::open(&spool.dir().join("operator"), Duration::ZERO).unwrap();
    operators.add("log", vec![record]).unwrap();
    drop(operators);
    let (log, operator) = ("log".to_owned(), Some(event_key("operator")));
    let keeper = Keeper { remote: machine.world, policy, spool, desk, operator, log, out: Out::new(true) };
    let (line, jobs) = std::sync::mpsc::channel();
    line.send(Job::Incident(draft.clone())).unwrap();
    drop(line);
    let size = keeper.remote.size();
    keeper.run(&jobs);
    assert_eq!(keeper.remote.size(), size + 1);
    let operators = Spool::open(&keeper.spool.dir().join("operator"), Duration::ZERO).unwrap();
    assert!(operators.pending().unwrap().is_empty());
    assert!(crate::files::beside(&draft, "tlog-proof").exists());
}

#[test]
fn what_is_lost_is_noted_before_the_gateway_ends() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, Some(60));
    let mut ask = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    spooled(ask.try_recv().unwrap());
    let problem = Problem { code: "sealing-key".into(), ..Problem::default() };
    let (event_id, kept) = ("00".repeat(32), PathBuf::from("refused"));
    let outcome = Outcome {
        rejected: vec![Rejected { file: None, source: String::new(), event_id, problem, kept, now: None }],
        ..Outcome::default()
    };
    let numbers = spool.pending().unwrap()[0].numbers().collect();
    machine.desk.done(Done { numbers, outcome, ended: Err(Failure::usage("end", "the end")) });
    assert_eq!(clerk.turn(machine.at(2)).unwrap_err().code, "end");
    let text = std::fs::read_to_string(machine.dir.path().join("outage.json")).unwrap();
    assert!(text.contains("\"refused\":1"), "{text}");
}

#[test]
fn nobody_is_told_that_an_access_is_kept_before_the_outage_is_noted() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, true, None);
    porter.up.set(false);
    let mut ask = machine.ask(&["1"]);
    clerk.turn(machine.at(1)).unwrap();
    std::fs::create_dir(machine.dir.path().join("outage.json")).unwrap();
    clerk.turn(machine.at(11)).unwrap_err();
    assert_eq!(code(&ask.try_recv().unwrap()), "ended");
}

#[test]
fn a_heartbeat_takes_nothing_back_after_a_loss_and_a_restart() {
    let machine = Machine::new();
    let spool = machine.spool();
    let last = |world: &World| world.event(world.size() - 1);
    let to = |beat: &EventFile| beat.body("to").and_then(crate::event_file::int).unwrap();
    {
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, true, None);
        for _ in 0..3 {
            clerk.turn(machine.at(2_400)).unwrap();
        }
        assert_eq!(to(&last(&machine.world)), NOW + 2_460);
        // The last event shows an hour that began before that.
        let _logged = machine.ask(&["1"]);
        clerk.turn(machine.at(2_500)).unwrap();
        clerk.turn(machine.at(2_500)).unwrap();
        porter.up.set(false);
        let _kept = machine.ask(&["2"]);
        clerk.turn(machine.at(2_510)).unwrap();
    }
    add_reader(&machine.world);
    let next = Machine { desk: Arc::default(), ..machine };
    let porter = next.porter(&spool);
    let mut clerk = next.clerk(&porter, true, None);
    for at in [2_600, 2_601, 5_100, 5_101, 5_102] {
        clerk.turn(next.at(at)).unwrap();
    }
    let beat = last(&next.world);
    assert_eq!((beat.kind(), to(&beat)), (Some("heartbeat"), NOW + 2_460));
}

#[test]
fn a_refused_heartbeat_is_not_tried_again_at_once() {
    let machine = Machine::new();
    let spool = machine.spool();
    let (issuer, key) = (Name::new("gateway").unwrap(), event_key("gateway"));
    let world = &machine.world;
    let made = crate::readers::sealer(world, &world.policy(), &world.fingerprint(), &issuer, &key, NOW);
    // Another machine said more than this one may after what it lost.
    let later = Time::new(NOW + 3_000);
    world.submit_signed(&made.unwrap().0.heartbeat(later, later).unwrap()).unwrap();
    let outage = Outage { since: NOW, epoch: 1, seq: 2, prev: ZEROS.into(), code: None, refused: 1 };
    outage.write(spool.dir()).unwrap();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, true, None);
    for (at, tries) in [(5_400, 1), (5_430, 1), (5_459, 1), (5_460, 2), (5_519, 2)] {
        for _ in 0..3 {
            clerk.turn(machine.at(at)).unwrap();
        }
        assert_eq!(machine.world.bodies.borrow().len(), tries, "{at}");
    }
}

#[test]
fn an_idle_gateway_shows_life_before_it_has_to() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, None);
    let size = machine.world.size();
    clerk.turn(machine.at(2_000)).unwrap();
    assert_eq!(machine.world.size(), size, "3,600 s are promised, two thirds have not passed");
    for _ in 0..3 {
        clerk.turn(machine.at(2_400)).unwrap();
    }
    assert_eq!(machine.world.size(), size + 1);
    let beat = machine.world.event(size);
    assert_eq!((beat.kind(), beat.body("to").and_then(crate::event_file::int)), (Some("heartbeat"), Some(NOW + 2_460)));
}

#[test]
fn a_gateway_that_ends_answers_everybody() {
    for keeps in [false, true] {
        let machine = Machine::new();
        let spool = machine.spool();
        let porter = machine.porter(&spool);
        let mut clerk = machine.clerk(&porter, keeps, None);
        porter.up.set(false);
        let mut flying = machine.ask(&["1"]);
        clerk.turn(machine.at(1)).unwrap();
        let mut queued = machine.ask(&["2"]);
        machine.desk.leave();
        assert!(matches!(clerk.turn(machine.at(2)).unwrap(), Turn::Wait(_)));
        assert_eq!(clerk.turn(machine.at(13)).unwrap(), Turn::Ended);
        let answers = [flying.try_recv().unwrap(), queued.try_recv().unwrap()];
        if keeps {
            assert_eq!(answers.map(spooled), [[3], [4]]);
            assert_eq!(spool.pending().unwrap().len(), 2);
        } else {
            assert_eq!(answers.each_ref().map(code), ["unavailable", "unavailable"]);
        }
    }
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, None);
    machine.desk.leave();
    assert_eq!(clerk.turn(machine.at(1)).unwrap(), Turn::Ended, "an idle one ends at once");
}

#[test]
fn at_a_cadence_workers_are_answered_at_once_and_the_log_at_the_tick() {
    let machine = Machine::new();
    let spool = machine.spool();
    let porter = machine.porter(&spool);
    let mut clerk = machine.clerk(&porter, false, Some(60));
    let mut answers = Vec::new();
    for (at, id) in [(1, "1"), (2, "2"), (30, "3")] {
        let mut ask = machine.ask(&[id]);
        clerk.turn(machine.at(at)).unwrap();
        answers.extend(spooled(ask.try_recv().unwrap()));
    }
    assert_eq!(answers, [3, 4, 5]);
    assert!(machine.read().is_empty(), "nothing was sent yet");
    clerk.turn(machine.at(61)).unwrap();
    clerk.turn(machine.at(61)).unwrap();
    assert_eq!(machine.read(), some(&["1", "2", "3"]));
    assert_eq!(clerk.in_spool(), 0);
    assert!(porter.drafts.borrow().is_empty(), "late by plan is no failure");
}

#[test]
fn the_queue_is_bounded_and_closed_until_the_place_is_known() {
    let machine = Machine::new();
    assert!(matches!(machine.desk.ask(some(&["1"])), Err(Answer::Unavailable("starting", _))));
    machine.desk.set(Condition::Open);
    let many = vec![values("x"); 1_024];
    let kept: Vec<_> = (0..4).map(|_| machine.desk.ask(many.clone()).unwrap()).collect();
    assert!(matches!(machine.desk.ask(some(&["1"])), Err(Answer::Unavailable("busy", _))));
    assert_eq!(machine.desk.take(2_048).len(), 2);
    assert_eq!(machine.desk.waiting(), 2_048);
    drop(kept);
}
