//! Watches of a log in memory: told at least once whatever stops them, never begun anew, and what each kind of event is told as.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use tempfile::TempDir;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{Pins, Witnessing};
use vitrine_spec::watched::{Watched, file_key};
use vitrine_spec::words::Name;

use super::alert::Alert;
use super::*;
use crate::audit::source::memory::Memory;
use crate::audit::source::{Source, Want};
use crate::draft::{self, Chain, Reference, Subject};
use crate::event_file::{EventFile, Members};
use crate::world::{Bend, NOW, ORIGIN, World, build, draft, event_key, update};

/// What a sink got, and at which alerts it fails.
#[derive(Clone, Default)]
struct Got {
    alerts: Rc<RefCell<Vec<Alert>>>,
    /// So many are taken, then none.
    takes: Rc<Cell<Option<usize>>>,
}

impl Sink for Got {
    fn name(&self) -> String {
        "test".to_owned()
    }

    fn send(&self, alert: &Alert) -> Result<(), String> {
        match self.takes.get() {
            Some(0) => return Err("full".to_owned()),
            Some(takes) => self.takes.set(Some(takes - 1)),
            None => {}
        }
        self.alerts.borrow_mut().push(alert.clone());
        Ok(())
    }
}

impl Got {
    fn codes(&self) -> Vec<&'static str> {
        self.alerts.borrow().iter().map(|alert| alert.code).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.alerts.borrow().iter().map(|alert| alert.id.clone()).collect()
    }

    /// The alert of a code, of which there is one.
    fn one(&self, code: &str) -> Alert {
        let alerts = self.alerts.borrow();
        let found: Vec<&Alert> = alerts.iter().filter(|alert| alert.code == code).collect();
        assert_eq!(found.len(), 1, "{code}: {alerts:?}");
        found[0].clone()
    }
}

/// Somebody who watches.
struct Desk {
    dir: TempDir,
    got: Got,
    mine: Mine,
}

impl Desk {
    fn new() -> Desk {
        Desk { dir: tempfile::tempdir().unwrap(), got: Got::default(), mine: Mine::default() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn pins(world: &World) -> Pins {
        let trust = format!("charter = \"{}\"\norigin = \"{ORIGIN}\"\n", world.event(0).id().hex());
        Pins::new(world.policy(), TrustFile::parse(&trust).unwrap(), Witnessing::Required).unwrap()
    }

    /// One run: opened, and so many rounds at these times.
    fn run(&self, world: &World, source: &impl Source, start: Option<Start>, times: &[u64]) -> Result<Round, Failure> {
        self.run_seen(world, source, start, None, times)
    }

    fn run_seen(
        &self,
        world: &World,
        source: &impl Source,
        start: Option<Start>,
        seen: Option<&[u8]>,
        times: &[u64],
    ) -> Result<Round, Failure> {
        let (pins, origin) = (Desk::pins(world), Origin::new(ORIGIN).unwrap());
        let state = State::open(self.dir.path())?;
        let sinks = Sinks::new(vec![Box::new(self.got.clone())], Duration::ZERO, |_| ());
        let seen = seen.map(|note| Head::read(note.to_vec(), &pins, None)).transpose()?;
        let ground = Ground { state: &state, pins: &pins, origin: &origin, sinks: &sinks };
        let mut watch = Watch::open(ground, start, seen)?;
        let mut last = Round::default();
        for now in times {
            last = watch.round(source, &self.mine, *now, &|_, _| ())?;
        }
        Ok(last)
    }

    /// Begun, with everything told.
    fn begin(&self, world: &World) -> Round {
        self.run(world, world, Some(Start::All), &[NOW]).unwrap()
    }

    /// Gone on with.
    fn again(&self, world: &World) -> Result<Round, Failure> {
        self.run(world, world, None, &[NOW])
    }

    fn watched(&self) -> Watched {
        Watched::parse(&std::fs::read_to_string(self.path("watched")).unwrap()).unwrap()
    }

    fn evidence(&self) -> Vec<String> {
        let Ok(names) = std::fs::read_dir(self.path("evidence")) else { return Vec::new() };
        let mut names: Vec<String> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn refused(ended: Result<Round, Failure>, exit: Exit, code: &str) -> Failure {
    let failure = ended.unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (exit, code), "{failure}");
    failure
}

fn file(name: &str, bytes: &[u8]) -> Subject {
    Subject { name: name.to_owned(), sha256: Hash::of(bytes).hex(), size: None, produced: None }
}

fn reference(rel: &str, world: &World, index: usize) -> Reference {
    Reference { rel: rel.to_owned(), event_id: world.event(index).id().hex(), origin: None, at: None }
}

/// `release` revokes the update at this index.
fn revoke(world: &World, index: usize) -> usize {
    let sha256 = world.logged(index).statement.subject[0].digest.sha256.unwrap().hex();
    let subject = Subject { sha256, ..file("app", b"") };
    let mut draft = draft("update-revoke", &["reason=security".to_owned()], vec![subject]);
    draft.refs = vec![reference("revokes", world, index)];
    world.log_next(&draft.event().unwrap(), &[])
}

/// The operator closes `release` after its event at this seq, and disowns what came later.
fn close(world: &World, last: usize) -> usize {
    let event = world.event(last);
    let fields = [
        "issuer=release".to_owned(),
        "epoch=1".to_owned(),
        "reason=compromised".to_owned(),
        format!("last.seq={}", event.header_int("seq").unwrap()),
        format!("last.event_id={}", event.id().hex()),
    ];
    let mut draft = draft("issuer-close", &fields, Vec::new());
    draft.issuer = "operator".to_owned();
    draft.cosigners = vec![event_key("supervisor").vkey().keyid()];
    let digest = draft::key_digest(&event_key("release").vkey().to_string()).unwrap();
    draft.digests.insert("sha256".to_owned(), digest);
    world.log_next(&draft.event().unwrap(), &["supervisor"])
}

/// `lab` rebuilds `app` of the build at this index, and gets these bytes.
fn rebuild(world: &World, index: usize, made: &[u8]) -> usize {
    let claimed = world.logged(index).statement.subject[0].digest.sha256.unwrap().hex();
    let subject = Subject { produced: Some(Hash::of(made).hex()), sha256: claimed, ..file("app", b"") };
    let mut draft = draft("rebuild", &["independence=third-party".to_owned()], vec![subject]);
    draft.issuer = "lab".to_owned();
    draft.chain = Chain::Unchained(Hash::of(made).hex()[..32].to_owned());
    draft.refs = vec![reference("reproduces", world, index)];
    draft.body.set("source", world.event(index).body("source").unwrap().clone());
    world.log(draft.event().unwrap())
}

#[test]
fn a_watch_is_begun_by_somebody_and_never_by_itself() {
    let (world, desk) = (World::new(), Desk::new());
    refused(desk.again(&world), Exit::Usage, "watch.no-state");
    let round = desk.begin(&world);
    assert_eq!((round.from, round.to, desk.got.codes()), (0, 2, vec!["issuer.new"]));
    let text = &desk.got.one("issuer.new").text;
    assert!(
        text.starts_with("entry 1: release is a new issuer, for update, with the key release.example.com+"),
        "{text}"
    );
    let ended = desk.run(&world, &world, Some(Start::New), &[NOW]);
    refused(ended, Exit::Usage, "watch.begun");
    let round = desk.again(&world).unwrap();
    assert_eq!((round.from, round.to, round.count()), (2, 2, 0));
    assert_eq!((desk.watched().size, desk.watched().root), (TreeSize::new(2), *world.signed().root()));
}

#[test]
fn what_was_there_before_is_read_and_not_told_when_somebody_says_so() {
    let (world, desk) = (World::new(), Desk::new());
    world.log_next(&update(1, &[]), &[]);
    revoke(&world, 2);
    let round = desk.run(&world, &world, Some(Start::New), &[NOW]).unwrap();
    assert_eq!((round.skipped, round.count(), desk.got.codes().len()), (2, 0, 0));
    assert_eq!(desk.watched().revoked.len(), 1, "verdicts need what was not told");
    world.log_next(&update(2, &[]), &[]);
    revoke(&world, 4);
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["update.revoked"]);
}

#[test]
fn an_update_that_the_vendors_list_does_not_have_is_told() {
    let (world, mut desk) = (World::with_builds(), Desk::new());
    desk.begin(&world);
    desk.got.alerts.borrow_mut().clear();
    let list = desk.dir.path().with_extension("csv");
    let known = Hash::of(&1_u32.to_be_bytes()).hex();
    std::fs::write(&list, format!("purl,file,sha256\npkg:generic/app@1,app,{known}\npkg:generic/app@2,app,{known}\n"))
        .unwrap();
    desk.mine = Mine::new(&[], Some(Releases::read(&list).unwrap()));
    std::fs::remove_file(&list).unwrap();
    world.log_next(&update(1, &[]), &[]); // as listed
    world.log_next(&update(2, &[]), &[]); // with another digest
    world.log_next(&update(3, &[]), &[]); // not listed
    world.log(build(4, &[("app", b"built by somebody")]));
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["update.unknown", "update.unknown", "build.unknown"]);
    let alerts = desk.got.alerts.borrow();
    assert!(
        alerts[0].text.contains(
            "pkg:generic/app@2 in stable, which the list of releases does not have: app (listed with another digest)"
        ),
        "{}",
        alerts[0].text
    );
    assert_eq!(alerts[0].details["files"][0]["listed"][0], known);
    assert!(alerts[2].text.starts_with("entry 7: farm logged a build of pkg:generic/app@4"), "{}", alerts[2].text);
}

#[test]
fn a_package_is_watched_without_a_list_and_no_other_is() {
    let (world, mut desk) = (World::new(), Desk::new());
    desk.mine = Mine::new(&["pkg:generic/other@".to_owned()], None);
    desk.begin(&world);
    world.log_next(&update(1, &[]), &[]);
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["issuer.new"]);
    desk.mine = Mine::new(&["pkg:generic/other@".to_owned(), "pkg:generic/app@".to_owned()], None);
    world.log_next(&update(2, &[]), &[]);
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["issuer.new", "update.unknown"]);
}

#[test]
fn what_a_customer_wants_to_know_is_told_and_written_down() {
    let (world, desk) = (World::with_builds(), Desk::new());
    desk.begin(&world);
    let first = world.log_next(&update(1, &[]), &[]);
    let second = world.log_next(&update(2, &[]), &[]);
    // The same version again, with another file: by hand, as its maker would not.
    let other = update(1, &[]).statement().clone();
    let mut other = EventFile::unsigned(other);
    let mut statement = other.statement().clone();
    let subject = vitrine_spec::json::parse(
        format!(
            r#"[{{"annotations":{{"size":4}},"digest":{{"sha256":"{}"}},"name":"app"}}]"#,
            Hash::of(b"targeted").hex()
        )
        .as_bytes(),
    );
    statement.set("subject", subject.unwrap());
    other = EventFile::unsigned(statement);
    let targeted = world.log_next(&other, &[]);
    let revoked = revoke(&world, second);
    let build = world.log(build(7, &[("app", b"the app")]));
    rebuild(&world, build, b"the app");
    let different = rebuild(&world, build, b"another app");
    desk.got.alerts.borrow_mut().clear();
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["update.second-digest", "update.revoked", "rebuild.different"]);
    let text = desk.got.one("update.second-digest").text;
    assert!(
        text.contains(&format!("entry {first} says")) && text.contains(&format!("entry {targeted} says")),
        "{text}"
    );
    assert_eq!(
        desk.got.one("update.revoked").text,
        format!("entry {revoked}: release revoked the update pkg:generic/app@2 in stable (entry {second}): security")
    );
    let text = desk.got.one("rebuild.different").text;
    assert_eq!(
        text,
        format!(
            "entry {different}: lab (third-party) made the build of pkg:generic/app@7 (entry {build}) again and got other bytes for app"
        )
    );
    let watched = desk.watched();
    let key = file_key("pkg:generic/app@1", "app", "stable");
    let at = |index: usize| LeafIndex::new(index as u64);
    assert_eq!(
        watched.second.iter().map(|(of, index, _)| (*of, *index)).collect::<Vec<_>>(),
        [(key, at(first)), (key, at(targeted))]
    );
    let (_, (index, reason)) = watched.revoked.iter().next().unwrap();
    assert_eq!((*index, reason.as_str()), (at(revoked), "security"));

    // The targeted update was a thief's: its key is closed, and what it logged is disowned.
    let closed = close(&world, second);
    desk.got.alerts.borrow_mut().clear();
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["issuer.closed", "issuer.disowned"]);
    assert_eq!(desk.got.one("issuer.closed").text, format!("entry {closed}: release epoch 1 was closed: compromised"));
    let watched = desk.watched();
    let release = (Name::new("release").unwrap(), 1);
    assert_eq!(watched.disowned[&release], at(second + 1));
    assert_eq!(watched.closed[&release], (at(closed), Name::new("compromised").unwrap()));
    assert!(watched.second.is_empty(), "one of the two is disowned");
    assert_eq!(watched.revoked.len(), 1, "what a disowned event says against something counts");
}

#[test]
fn a_failed_verdict_is_told() {
    let (world, desk) = (World::new(), Desk::new());
    desk.begin(&world);
    let index = world.log_next(&update(1, &[]), &[]);
    let digest = world.logged(index).statement.subject[0].digest.sha256.unwrap().hex();
    world.open("checker", &["types.verdict=none"]);
    for (result, at) in [("PASSED", 1), ("FAILED", 2)] {
        let mut draft = draft("verdict", &[], Vec::new());
        draft.issuer = "checker".to_owned();
        draft.chain = Chain::Unchained(format!("{at:032x}"));
        draft.refs = vec![reference("about", &world, index)];
        draft.body = vitrine_spec::json::parse(
            format!(r#"{{"levels":[],"policy":{{"sha256":"{digest}","uri":"https://example.com/policy"}},"result":"{result}","verifier":"https://example.com/checker"}}"#).as_bytes(),
        )
        .unwrap();
        draft.digests.insert("sha256".to_owned(), digest.clone());
        world.log(draft.event().unwrap());
    }
    desk.got.alerts.borrow_mut().clear();
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["issuer.new", "verdict.failed"]);
    let text = desk.got.one("verdict.failed").text;
    assert_eq!(
        text,
        "entry 5: checker verified the update pkg:generic/app@1 in stable (entry 2), and it FAILED the policy https://example.com/policy"
    );
}

/// A log with something to tell in many places.
fn eventful() -> World {
    let world = World::new();
    for version in 1..6 {
        let index = world.log_next(&update(version, &[]), &[]);
        revoke(&world, index);
    }
    world.open("farm", &["types.build=none", "builders=https://example.com/farm"]);
    world
}

#[test]
fn whatever_alert_is_not_taken_all_of_them_are_told() {
    let world = eventful();
    let all = {
        let desk = Desk::new();
        desk.begin(&world);
        desk.got.ids()
    };
    assert_eq!(all.len(), 7);
    for takes in 0..all.len() {
        // In one process: the next round goes on with what was not taken.
        let desk = Desk::new();
        desk.got.takes.set(Some(takes));
        let failure =
            refused(desk.run(&world, &world, Some(Start::All), &[NOW]), Exit::Unreachable, "alert.undelivered");
        assert!(failure.to_string().contains("full"), "{failure}");
        assert_eq!(desk.watched().size, TreeSize::ZERO, "the position waits");
        desk.got.takes.set(None);
        // In the next one: everything since the position again.
        desk.again(&world).unwrap();
        let ids = desk.got.ids();
        assert_eq!(ids[takes..], all, "after {takes} taken before");
        assert_eq!(desk.watched().size, TreeSize::new(world.size() as u64));
    }
}

#[test]
fn a_sink_that_mends_gets_each_alert_once_from_a_watch_that_went_on() {
    let (world, desk) = (eventful(), Desk::new());
    let (pins, origin) = (Desk::pins(&world), Origin::new(ORIGIN).unwrap());
    let state = State::open(desk.dir.path()).unwrap();
    let sinks = Sinks::new(vec![Box::new(desk.got.clone())], Duration::ZERO, |_| ());
    let ground = Ground { state: &state, pins: &pins, origin: &origin, sinks: &sinks };
    let mut watch = Watch::open(ground, Some(Start::All), None).unwrap();
    desk.got.takes.set(Some(3));
    let round = |watch: &mut Watch<'_>| watch.round(&world, &desk.mine, NOW, &|_, _| ());
    refused(round(&mut watch), Exit::Unreachable, "alert.undelivered");
    refused(round(&mut watch), Exit::Unreachable, "alert.undelivered");
    desk.got.takes.set(None);
    assert_eq!(round(&mut watch).unwrap().count(), 4);
    let ids = desk.got.ids();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (7, 7));
    assert_eq!(desk.watched().size, TreeSize::new(world.size() as u64));
}

#[test]
fn a_stop_between_delivery_and_the_position_tells_twice_and_never_not() {
    let (world, desk) = (eventful(), Desk::new());
    // The position cannot be written: what would be its temporary file is a folder.
    desk.run(&world, &World::new(), Some(Start::All), &[NOW]).unwrap();
    let before = desk.watched();
    desk.got.alerts.borrow_mut().clear();
    std::fs::create_dir(desk.path("watched.tmp")).unwrap();
    refused(desk.again(&world), Exit::Usage, "file.write");
    let first = desk.got.ids();
    assert_eq!((first.len(), desk.watched()), (6, before));
    std::fs::remove_dir(desk.path("watched.tmp")).unwrap();
    desk.again(&world).unwrap();
    assert_eq!(desk.got.ids(), [first.clone(), first].concat());
    desk.again(&world).unwrap();
    assert_eq!(desk.got.ids().len(), 12, "and then no more");
}

/// A log that shows another tree than the world's.
fn rebuilt(world: &World, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Memory {
    let before = world.leaves.borrow().clone();
    change(&mut world.leaves.borrow_mut());
    let mut memory = Memory::of(&world.leaves.borrow());
    memory.objects.insert("checkpoint".into(), world.note(None));
    *world.leaves.borrow_mut() = before;
    memory
}

#[test]
fn a_log_that_contradicts_itself_is_the_end_with_both_sides_kept() {
    let world = eventful();
    for (what, change, code) in [
        ("without one entry", (|leaves| drop(leaves.remove(3))) as fn(&mut Vec<Vec<u8>>), "log.older"),
        ("another one in place", |leaves| leaves[3] = leaves[2].clone(), "log.fork"),
        ("longer, and other", |leaves| leaves.insert(3, leaves[2].clone()), "log.fork"),
        ("shorter", |leaves| leaves.truncate(4), "log.older"),
    ] {
        let desk = Desk::new();
        desk.begin(&world);
        let before = desk.watched();
        desk.got.alerts.borrow_mut().clear();
        let failure = refused(desk.run(&world, &rebuilt(&world, change), None, &[NOW]), Exit::Misbehaved, code);
        assert_eq!(desk.got.codes(), [code], "{what}");
        let evidence = desk.evidence();
        assert_eq!(evidence.len(), 2, "{what}: {evidence:?}");
        assert!(evidence[0].starts_with("received-") && evidence[1].starts_with("remembered-"), "{evidence:?}");
        assert!(evidence.iter().all(|name| failure.to_string().contains(name)), "{failure}");
        assert_eq!(desk.watched(), before, "{what}: nothing is begun anew");
        // And the true log is gone on with.
        desk.again(&world).unwrap();
    }
}

#[test]
fn entries_that_are_not_those_of_the_checkpoint_are_not_told() {
    struct Bent<'a>(&'a World, &'static str);
    impl Source for Bent<'_> {
        fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
            let mut read = Source::read(self.0, wants)?;
            for (want, bytes) in wants.iter().zip(&mut read) {
                if want.path.starts_with("tile/entries/")
                    && let Some(bytes) = bytes
                {
                    let at = match self.1 {
                        "an old entry" => 10,
                        _ => bytes.len() - 10,
                    };
                    bytes[at] ^= 1;
                }
            }
            Ok(read)
        }
    }
    let desk = Desk::new();
    let world = World::new();
    desk.begin(&world);
    world.log_next(&update(1, &[]), &[]);
    revoke(&world, 2);
    desk.got.alerts.borrow_mut().clear();
    for bent in ["an old entry", "a new entry"] {
        refused(desk.run(&world, &Bent(&world, bent), None, &[NOW]), Exit::Misbehaved, "log.root");
        assert_eq!(desk.got.codes(), ["log.root"], "{bent}");
        desk.got.alerts.borrow_mut().clear();
    }
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["update.revoked"]);
}

#[test]
fn an_entry_that_must_not_be_there_is_kept_and_told_and_not_passed() {
    let (world, desk) = (World::new(), Desk::new());
    desk.begin(&world);
    desk.got.alerts.borrow_mut().clear();
    let mut place =
        crate::place::Place::read("release", &crate::batch::Remote::issuer(&world, "release").unwrap()).unwrap();
    let mut forged = place.put(&update(1, &[]), true).unwrap();
    forged.sign(&event_key("operator")).unwrap();
    world.plant(&forged.leaf());
    let failure = refused(desk.again(&world), Exit::Misbehaved, "log.admission");
    assert!(failure.to_string().contains("entry 2, rule signer-set"), "{failure}");
    assert_eq!((desk.got.codes(), desk.watched().size), (vec!["log.admission"], TreeSize::new(2)));
    assert!(desk.evidence().iter().any(|name| name.starts_with("entry-2-")), "{:?}", desk.evidence());
}

/// An event of `release` of a type that nobody here knows, at its next place, and the place after it.
fn later(world: &World, place: &mut crate::place::Place, key: &str) -> EventFile {
    let mut statement = place.clone().put(&update(9, &[]), true).unwrap().statement().clone();
    statement.set("predicateType", "https://vitrine.example/gift/v7".into());
    statement
        .entry("predicate")
        .unwrap()
        .set("body", vitrine_spec::json::Value::object([("what", "nobody knows".into())]));
    let mut event = EventFile::unsigned(statement);
    event.sign(&event_key(key)).unwrap();
    world.leaves.borrow_mut().push(event.leaf());
    place.pass(&event);
    event
}

#[test]
fn an_entry_of_a_later_type_is_told_and_the_scan_goes_on() {
    let (world, desk) = (World::new(), Desk::new());
    desk.begin(&world);
    desk.got.alerts.borrow_mut().clear();
    let mut place =
        crate::place::Place::read("release", &crate::batch::Remote::issuer(&world, "release").unwrap()).unwrap();
    let unknown = later(&world, &mut place, "release");
    let mut next = place.put(&update(1, &[]), true).unwrap();
    next.sign(&event_key("release")).unwrap();
    world.leaves.borrow_mut().push(next.leaf());
    let mut desk = desk;
    desk.mine = Mine::new(&["pkg:generic/app@".to_owned()], None);
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes(), ["entry.unknown", "update.unknown"]);
    let alert = desk.got.one("entry.unknown");
    assert_eq!(alert.about.unwrap().event_id, unknown.id().hex());
    assert!(alert.text.contains("https://vitrine.example/gift/v7"), "{}", alert.text);
    assert_eq!(desk.watched().size, TreeSize::new(4));
    // Opened again, it is read again and not told again.
    desk.again(&world).unwrap();
    assert_eq!(desk.got.codes().len(), 2);
    // What is refused behind it may follow from what it changed: nobody is accused, and nothing is passed.
    let mut forged = place.put(&update(2, &[]), true).unwrap();
    forged.sign(&event_key("operator")).unwrap();
    world.leaves.borrow_mut().push(forged.leaf());
    let failure = refused(desk.again(&world), Exit::NotVerified, "watch.unknown");
    assert!(failure.to_string().contains("earlier entry 2"), "{failure}");
    assert_eq!((desk.watched().size, desk.evidence().len()), (TreeSize::new(4), 0));
}

#[test]
fn an_entry_of_a_later_type_that_nobody_stands_for_is_not_passed() {
    let (world, desk) = (World::new(), Desk::new());
    desk.begin(&world);
    let mut place =
        crate::place::Place::read("release", &crate::batch::Remote::issuer(&world, "release").unwrap()).unwrap();
    later(&world, &mut place, "operator");
    refused(desk.again(&world), Exit::NotVerified, "watch.unknown");
    assert_eq!(desk.watched().size, TreeSize::new(2));
}

#[test]
fn a_state_that_lost_something_is_not_begun_anew() {
    let world = eventful();
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);
    let damage: [Damage<'_>; 7] = [
        ("without watched", &|dir| std::fs::remove_file(dir.join("watched")).unwrap(), "watch.state-lost"),
        ("without checkpoint", &|dir| std::fs::remove_file(dir.join("checkpoint")).unwrap(), "watch.state-lost"),
        ("without entries", &|dir| std::fs::remove_dir_all(dir.join("tile")).unwrap(), "watch.state"),
        (
            "a line left out",
            &|dir| {
                let text = std::fs::read_to_string(dir.join("watched")).unwrap();
                let less: Vec<&str> = text.lines().filter(|line| !line.starts_with("revoked")).collect();
                std::fs::write(dir.join("watched"), less.join("\n") + "\n").unwrap();
            },
            "watch.state",
        ),
        (
            "another size",
            &|dir| {
                let text = std::fs::read_to_string(dir.join("watched")).unwrap();
                std::fs::write(dir.join("watched"), text.replace("size 13", "size 12")).unwrap();
            },
            "watch.state",
        ),
        ("not a text", &|dir| std::fs::write(dir.join("watched"), [0xff]).unwrap(), "watch.state"),
        (
            "a flipped bit",
            &|dir| {
                let path = dir.join("tile/entries/000.p/13");
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[40] ^= 1;
                std::fs::write(path, bytes).unwrap();
            },
            "watch.state",
        ),
    ];
    for (what, damage, code) in damage {
        let desk = Desk::new();
        desk.begin(&world);
        desk.got.alerts.borrow_mut().clear();
        damage(desk.dir.path());
        let failure = refused(desk.again(&world), Exit::Usage, code);
        assert!(failure.now.as_deref().is_some_and(|now| now.contains("--seen")), "{what}: {failure}");
        assert_eq!(desk.got.codes().len(), 0, "{what}");
    }
}

#[test]
fn a_new_watch_goes_on_from_a_checkpoint_that_somebody_kept() {
    let world = World::new();
    world.log_next(&update(1, &[]), &[]);
    let kept = world.note(None);
    world.log_next(&update(2, &[]), &[]);
    let desk = Desk::new();
    desk.run_seen(&world, &world, Some(Start::All), Some(&kept), &[NOW]).unwrap();
    let desk = Desk::new();
    let source = rebuilt(&world, |leaves| leaves[2] = leaves[3].clone());
    let ended = desk.run_seen(&world, &source, Some(Start::All), Some(&kept), &[NOW]);
    refused(ended, Exit::Misbehaved, "log.fork");
}

#[test]
fn a_silence_is_told_once_and_again_when_there_is_another() {
    let (world, desk) = (World::new(), Desk::new());
    desk.begin(&world);
    desk.got.alerts.borrow_mut().clear();
    let silent = NOW + 86_401;
    desk.run(&world, &world, None, &[silent, silent + 60]).unwrap();
    let of_release =
        |desk: &Desk| desk.got.alerts.borrow().iter().filter(|alert| alert.details["issuer"] == "release").count();
    assert_eq!(of_release(&desk), 1, "{:?}", desk.got.codes());
    desk.run(&world, &world, None, &[silent + 120]).unwrap();
    assert_eq!(of_release(&desk), 1, "the folder remembers it");
    // It speaks again: the silence that ended is an alert of that entry, and a later one is told anew.
    let mut spoken = update(1, &[]).statement().clone();
    spoken.entry("predicate").unwrap().entry("hdr").unwrap().set("recorded", crate::event_file::number(silent + 130));
    world.log_next(&EventFile::unsigned(spoken), &[]);
    desk.run(&world, &world, None, &[silent + 140]).unwrap();
    assert_eq!(of_release(&desk), 2);
    assert!(
        desk.got.alerts.borrow().last().unwrap().text.contains("(entry 2)"),
        "{:?}",
        desk.got.alerts.borrow().last()
    );
    desk.run(&world, &world, None, &[silent + 130 + 86_401]).unwrap();
    assert_eq!(of_release(&desk), 3);
}

#[test]
fn too_few_witnesses_are_waited_for() {
    let (world, desk) = (World::new(), Desk::new());
    let mut memory = Memory::of(&world.leaves.borrow());
    memory.objects.insert("checkpoint".into(), world.note(Some(Bend::NoWitness)));
    refused(desk.run(&world, &memory, Some(Start::All), &[NOW]), Exit::NotYet, "quorum");
    assert_eq!(desk.got.codes().len(), 0);
    assert_eq!(desk.run(&world, &world, Some(Start::All), &[NOW]).unwrap().to, 2);
}

#[test]
fn a_fork_that_the_log_alone_signed_is_one_and_what_merely_waits_is_not() {
    let (world, desk) = (eventful(), Desk::new());
    desk.begin(&world);
    desk.got.alerts.borrow_mut().clear();
    let alone = |change: fn(&mut Vec<Vec<u8>>)| {
        let before = world.leaves.borrow().clone();
        change(&mut world.leaves.borrow_mut());
        let mut memory = Memory::of(&world.leaves.borrow());
        memory.objects.insert("checkpoint".into(), world.note(Some(Bend::NoWitness)));
        *world.leaves.borrow_mut() = before;
        desk.run(&world, &memory, None, &[NOW])
    };
    refused(alone(|leaves| leaves.push(leaves[2].clone())), Exit::NotYet, "quorum");
    refused(alone(|leaves| leaves.truncate(4)), Exit::NotYet, "quorum");
    assert_eq!(desk.got.codes().len(), 0);
    refused(alone(|leaves| leaves[3] = leaves[2].clone()), Exit::Misbehaved, "log.fork");
    refused(alone(|leaves| leaves.insert(3, leaves[2].clone())), Exit::Misbehaved, "log.fork");
    assert_eq!(desk.got.codes(), ["log.fork", "log.fork"]);
    assert!(desk.evidence().iter().any(|name| name.starts_with("received-")), "{:?}", desk.evidence());
}

#[test]
fn another_log_is_not_watched_under_the_same_pins() {
    let (world, desk) = (World::new(), Desk::new());
    let other = World::access();
    let (pins, origin) = (Desk::pins(&other), Origin::new(ORIGIN).unwrap());
    let state = State::open(desk.dir.path()).unwrap();
    let sinks = Sinks::new(vec![Box::new(desk.got.clone())], Duration::ZERO, |_| ());
    let ground = Ground { state: &state, pins: &pins, origin: &origin, sinks: &sinks };
    let mut watch = Watch::open(ground, Some(Start::All), None).unwrap();
    let failure = watch.round(&world, &desk.mine, NOW, &|_, _| ()).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (Exit::NotVerified, "trust.charter"));
    assert_eq!(desk.got.codes().len(), 0);
}

#[test]
fn a_log_that_grows_past_bundles_is_read_once_and_leaves_no_beginnings() {
    let (world, desk) = (World::new(), Desk::new());
    desk.begin(&world);
    for (upto, width) in [(200, Some(200)), (256, None), (300, Some(44)), (520, Some(8))] {
        while world.size() < upto {
            let version = u32::try_from(world.size()).unwrap();
            world.log_next(&update(version, &[]), &[]);
        }
        let round = desk.again(&world).unwrap();
        assert_eq!((round.to, desk.watched().root), (upto as u64, *world.signed().root()));
        let last = format!("tile/entries/{:03}.p", upto / 256);
        let names: Vec<String> = match std::fs::read_dir(desk.path(&last)) {
            Ok(names) => names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect(),
            Err(_) => Vec::new(),
        };
        assert_eq!(names, width.into_iter().map(|width: u32| width.to_string()).collect::<Vec<_>>(), "{upto}");
    }
    assert_eq!(desk.got.codes(), ["issuer.new"], "updates of nobody's package are not told");
}
