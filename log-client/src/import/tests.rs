//! An import against a log in memory: each record once, whatever stops it in between.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use vitrine_spec::fields::Field;
use vitrine_spec::words::Name;

use super::done::Done;
use super::importer::native_digest;
use super::natives::Natives;
use super::run::{Logged, Run};
use super::{Importer, Kind, Mapping};
use crate::deliver::{Courier, Outcome};
use crate::exit::{Exit, Failure};
use crate::readers;
use crate::spool::Spool;
use crate::world::{Bend, NOW, Watch, World, add_reader, event_key, values};

struct Stage {
    world: World,
    dir: tempfile::TempDir,
    /// The readers change when something is sealed already.
    stale: Cell<bool>,
}

impl Stage {
    fn new() -> Stage {
        Stage { world: World::access(), dir: tempfile::tempdir().unwrap(), stale: Cell::new(false) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A log file of one session whose lines have these numbers; every tenth is no access.
    fn file(&self, name: &str, session: &str, lines: std::ops::RangeInclusive<u64>) -> PathBuf {
        let line = |number: u64| {
            let class =
                if number.is_multiple_of(10) { "MISC,SET,,,SET a = 1" } else { "READ,SELECT,TABLE,eu.t,SELECT 1" };
            let message = format!("AUDIT: SESSION,{number},1,{class},<not logged>,1");
            json!({"timestamp": "2026-11-24 08:00:00.123 UTC", "user": "s-1071", "session_id": session, "line_num": number,
                "vxid": "2/1", "error_severity": "LOG", "message": message})
            .to_string()
        };
        let path = self.path(name);
        fs::write(&path, lines.map(|number| line(number) + "\n").collect::<String>()).unwrap();
        path
    }

    fn spool(&self) -> Spool {
        Spool::open(&self.path("spool"), Duration::ZERO).unwrap()
    }

    fn run(&self, limit: u64, files: &[&Path]) -> (Result<(), Failure>, Logged) {
        let spool = self.spool();
        let (policy, mapping, clock) = (self.world.policy(), Mapping::default(), Watch::default());
        let sealer = || {
            let name = Name::new("gateway").unwrap();
            let made =
                readers::sealer(&self.world, &policy, &self.world.fingerprint(), &name, &event_key("gateway"), NOW);
            if self.stale.take() {
                add_reader(&self.world);
            }
            made.map(|(sealer, _)| sealer)
        };
        let mut run = Run {
            remote: &self.world,
            url: "http://log",
            policy: &policy,
            clock: &clock,
            spool: &spool,
            done: Done::open(spool.dir()).unwrap(),
            natives: Some(Natives::open(&self.path("natives")).unwrap()),
            sealer: &sealer,
            limit,
        };
        let mut importer = Importer::new(Kind::Pgaudit, &mapping, true).unwrap();
        let mut logged = Logged::default();
        let ended = run.all(&mut importer, Kind::Pgaudit, files.iter().copied(), &mut logged, &mut |_| ());
        (ended, logged)
    }

    /// The native_id of every access in the log, in its order.
    fn ids(&self) -> Vec<String> {
        let all = self.world.read_all();
        all.iter().map(|values| values.text(Field::NativeId).unwrap_or_default().to_owned()).collect()
    }

    /// The log holds exactly the accesses of these lines, in their order.
    fn assert_logged(&self, want: &[(&str, u64)]) {
        let mut ids = Vec::new();
        for (session, lines) in want {
            ids.extend((1..=*lines).filter(|n| !n.is_multiple_of(10)).map(|n| format!("{session}:{n}")));
        }
        assert_eq!(self.ids(), ids);
    }

    fn bend(&self, bend: Bend) {
        self.world.bends.borrow_mut().push_back(bend);
    }
}

#[test]
fn the_same_command_again_logs_nothing_twice() {
    let stage = Stage::new();
    let first = stage.file("a.json", "a.1", 1..=25);
    let second = stage.file("b.json", "b.2", 1..=5);
    let (ended, logged) = stage.run(u64::MAX, &[&first, &second]);
    assert_eq!(ended, Ok(()));
    // 23 + 5 accesses and their sealing key, behind the charter and the opening.
    assert_eq!((logged.accesses, logged.first, logged.last), (28, Some(2), Some(30)));
    let (ended, logged) = stage.run(u64::MAX, &[&first, &second]);
    assert_eq!(ended, Ok(()));
    assert_eq!((logged.accesses, logged.before, logged.files_before), (0, 30, 2));
    // A file that was written on, under another name: only what is new.
    let longer = stage.file("c.json", "a.1", 1..=31);
    assert_eq!(stage.run(u64::MAX, &[&longer]).1.accesses, 5);
    assert_eq!(stage.ids().len(), 33);
    assert_eq!(stage.ids().last().unwrap(), "a.1:31");
}

#[test]
fn a_file_that_is_given_twice_is_imported_once() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=5);
    let copy = stage.file("b.json", "a.1", 1..=5);
    let (ended, logged) = stage.run(u64::MAX, &[&file, &file, &copy]);
    assert_eq!((ended, logged.accesses, logged.files_before), (Ok(()), 5, 2));
}

#[test]
fn a_limit_ends_a_run_and_the_next_one_goes_on_there() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=25);
    for (limit, accesses, limited) in [(7, 7, true), (10, 10, true), (6, 6, true), (6, 0, false)] {
        let (ended, logged) = stage.run(limit, &[&file]);
        assert_eq!((ended, logged.accesses, logged.limited), (Ok(()), accesses, limited));
    }
    stage.assert_logged(&[("a.1", 25)]);
}

#[test]
fn the_random_bytes_of_every_digest_are_kept() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=3);
    stage.run(u64::MAX, &[&file]).0.unwrap();
    let mut kept = BTreeMap::new();
    for line in fs::read_to_string(stage.path("natives")).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        kept.insert(line["native_id"].as_str().unwrap().to_owned(), line);
    }
    let text = fs::read_to_string(&file).unwrap();
    for (values, raw) in stage.world.read_all().iter().zip(text.lines()) {
        let line = &kept[values.text(Field::NativeId).unwrap()];
        let salt: [u8; 32] = vitrine_spec::text::unb64_array(line["salt"].as_str().unwrap()).unwrap();
        let digest = native_digest(&salt, raw.as_bytes()).hex();
        assert_eq!(values.text(Field::NativeDigest), Some(digest.as_str()));
        assert_eq!(line["sha256"], digest);
    }
}

#[test]
fn a_log_that_is_away_keeps_the_batch_in_the_spool() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=25);
    // The charter and the issuer are asked for first.
    for bend in [Bend::Busy(503, None), Bend::Lost] {
        stage.bend(bend);
        let failure = stage.run(10, &[&file]).0.unwrap_err();
        assert_eq!(failure.exit, Exit::NotYet, "{failure}");
    }
    let (ended, logged) = stage.run(u64::MAX, &[&file]);
    assert_eq!(ended, Ok(()), "{logged:?}");
    stage.assert_logged(&[("a.1", 25)]);
}

#[test]
fn a_stop_after_the_delivery_and_before_it_was_remembered() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=25);
    stage.bend(Bend::Lost);
    assert_eq!(stage.run(10, &[&file]).0.unwrap_err().code, "import.spooled");
    // Delivered, and killed before anything else.
    let spool = stage.spool();
    let (policy, clock) = (stage.world.policy(), Watch::default());
    for mut parcel in spool.pending().unwrap() {
        let mut outcome = Outcome::default();
        let courier = Courier { remote: &stage.world, policy: &policy, key: None, spool: &spool, clock: &clock };
        courier.deliver(&mut parcel, &mut outcome).unwrap();
        assert_eq!(outcome.delivered.len(), 11);
    }
    drop(spool);
    let (ended, logged) = stage.run(u64::MAX, &[&file]);
    assert_eq!((ended, logged.accesses), (Ok(()), 23));
    stage.assert_logged(&[("a.1", 25)]);
}

#[test]
fn a_stop_while_the_batch_is_being_spooled() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=25);
    stage.bend(Bend::Busy(503, None));
    stage.run(u64::MAX, &[&file]).0.unwrap_err();
    // As it was before the last step: planned, and of the parcel only some events.
    let spool = stage.spool();
    fs::rename(spool.dir().join("sent"), spool.dir().join("planned")).unwrap();
    let mut parcel = spool.pending().unwrap().remove(0);
    parcel.records.truncate(8);
    spool.store(&parcel).unwrap();
    drop(spool);
    assert_eq!(stage.run(u64::MAX, &[&file]).0, Ok(()));
    stage.assert_logged(&[("a.1", 25)]);
    // And with nothing of it spooled.
    let other = stage.file("b.json", "b.2", 1..=9);
    stage.bend(Bend::Busy(503, None));
    stage.run(u64::MAX, &[&other]).0.unwrap_err();
    let spool = stage.spool();
    fs::rename(spool.dir().join("sent"), spool.dir().join("planned")).unwrap();
    let mut parcel = spool.pending().unwrap().remove(0);
    parcel.records.clear();
    spool.store(&parcel).unwrap();
    drop(spool);
    assert_eq!(stage.run(u64::MAX, &[&other]).0, Ok(()));
    stage.assert_logged(&[("a.1", 25), ("b.2", 9)]);
}

#[test]
fn a_place_that_another_writer_took_is_given_up_and_the_records_are_sealed_again() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=25);
    stage.bend(Bend::Busy(503, None));
    assert_eq!(stage.run(12, &[&file]).0.unwrap_err().code, "import.spooled");
    let policy = stage.world.policy();
    let name = Name::new("gateway").unwrap();
    let (mut other, _) =
        readers::sealer(&stage.world, &policy, &stage.world.fingerprint(), &name, &event_key("gateway"), NOW).unwrap();
    for event in other.seal(vec![values("another writer")], vitrine_spec::words::Time::new(NOW)).unwrap() {
        stage.world.submit_signed(&event).unwrap();
    }
    let failure = stage.run(u64::MAX, &[&file]).0.unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (Exit::NotYet, "import.overtaken"));
    assert_eq!(stage.run(u64::MAX, &[&file]).0, Ok(()));
    let mut ids = stage.ids();
    assert_eq!(ids.remove(0), "another writer");
    let want: Vec<String> = (1..=25).filter(|n| n % 10 != 0).map(|n| format!("a.1:{n}")).collect();
    assert_eq!(ids, want);
}

#[test]
fn a_line_that_is_not_finished_is_imported_when_it_is() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=4);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    assert_eq!(stage.run(u64::MAX, &[&file]).1.accesses, 3);
    fs::write(&file, &whole).unwrap();
    assert_eq!(stage.run(u64::MAX, &[&file]).1.accesses, 1);
    stage.assert_logged(&[("a.1", 4)]);
}

#[test]
fn roles_and_line_numbers_go_on_from_what_was_imported_before() {
    let stage = Stage::new();
    let path = stage.path("a.json");
    let line = |number: u64, record: &str| {
        json!({"timestamp": "2026-11-24 08:00:00.123 UTC", "session_id": "a.1", "line_num": number, "vxid": "2/1",
            "message": format!("AUDIT: SESSION,{number},1,{record},<not logged>,1")})
        .to_string()
            + "\n"
    };
    let first = line(1, "MISC,SET,,,SET ROLE support") + &line(2, "READ,SELECT,TABLE,eu.t,SELECT 1");
    fs::write(&path, &first).unwrap();
    stage.run(u64::MAX, &[&path]).0.unwrap();
    fs::write(&path, first + &line(3, "READ,SELECT,TABLE,eu.t,SELECT 1")).unwrap();
    assert_eq!(stage.run(u64::MAX, &[&path]).1.accesses, 1);
    for values in stage.world.read_all() {
        let role = values.get(Field::ActorSession).get("role").and_then(vitrine_spec::json::Value::as_text);
        assert_eq!(role, Some("support"));
    }
}

#[test]
fn a_stray_quote_takes_no_other_line_with_it() {
    let stage = Stage::new();
    let mapping = stage.path("mapping.toml");
    fs::write(&mapping, "[csv.columns]\noccurred_at = \"time\"\nop = \"op\"\nticket = \"note\"\n").unwrap();
    let mapping = Mapping::load(&mapping).unwrap();
    let file = stage.path("register.csv");
    let row = |note: &str| format!("2026-11-24T08:00:00Z,read,{note}\n");
    let rows: String = ["a", "5\" disk", "b", "\"two\nlines\"", "c", "a \"word\"", "7\" disk", "d"].map(row).concat();
    fs::write(&file, "time,op,note\n".to_owned() + &rows).unwrap();
    let mut importer = Importer::new(Kind::Csv, &mapping, false).unwrap();
    let mut reading = importer.open(&file).unwrap();
    let mut notes = Vec::new();
    while let Some(event) = importer.next(&mut reading).unwrap() {
        notes.push(event.values.text(Field::Ticket).unwrap().to_owned());
    }
    assert_eq!(notes, ["a", "5\" disk", "b", "two\u{fffd}lines", "c", "a \"word\"", "7\" disk", "d"]);
    assert_eq!(importer.counts.faults(), 0);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_look_at_each_line() {
    let stage = Stage::new();
    let mapping = stage.path("mapping.toml");
    fs::write(&mapping, "[csv.columns]\noccurred_at = \"time\"\nop = \"op\"\n").unwrap();
    let mapping = Mapping::load(&mapping).unwrap();
    let file = stage.path("register.csv");
    fs::write(&file, "time,op\n\"".to_owned() + &"\n".repeat(2_000_000)).unwrap();
    let mut importer = Importer::new(Kind::Csv, &mapping, false).unwrap();
    let mut reading = importer.open(&file).unwrap();
    assert!(importer.next(&mut reading).unwrap().is_none());
    assert_eq!(importer.counts.faults(), 1);
}

#[test]
fn after_a_refusal_the_same_command_goes_on() {
    let stage = Stage::new();
    let file = stage.file("a.json", "a.1", 1..=5);
    stage.stale.set(true);
    let (ended, logged) = stage.run(u64::MAX, &[&file]);
    assert_eq!((ended.unwrap_err().code.as_str(), logged.accesses), ("sealing-key", 0));
    let (ended, logged) = stage.run(u64::MAX, &[&file]);
    assert_eq!((ended, logged.accesses), (Ok(()), 5));
    stage.assert_logged(&[("a.1", 5)]);
}
