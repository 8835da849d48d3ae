//! Each question over rows made by hand: found, not found, cannot be decided, and when an answer is complete.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use vitrine_spec::fields::{Field, Values, instant_ms, nothing};
use vitrine_spec::json::Value;

use super::super::access::{Access, AccessSink, Blame, State, occurred};
use super::super::chains::{Link, Seen, Silent};
use super::super::facts::Facts;
use super::super::report::{Finding, Severity, Window};
use super::super::times::Bound;
use super::answer::Answer;
use super::asked::Asked;
use super::builds::Builds;
use super::filter::Filter;
use super::q1::ForeignReads;
use super::q3::ByActor;
use super::q7::Silences;
use super::q8::{Residency, read_rules};
use super::q9::Bulk;
use super::q17::VaultReads;
use super::whole::Reach;

pub(in crate::audit) const HOUR: u64 = 3_600;
const NONE: [u64; 0] = [];
pub(in crate::audit) const DAY: u64 = 86_400;
/// 2026-07-01T00:00:00Z and 2026-10-01T00:00:00Z.
pub(in crate::audit) const FROM: u64 = 1_782_864_000;
pub(in crate::audit) const TO: u64 = 1_790_812_800;
pub(in crate::audit) const WINDOW: Window = Window { from: Some(FROM), to: Some(TO) };
const REACH: Reach = Reach { window: WINDOW, late_s: DAY };

/// An object as the record holds it.
pub(in crate::audit) fn object(text: &str) -> Value {
    vitrine_spec::json::parse(text.as_bytes()).unwrap()
}

/// A read in July that succeeded, with these fields besides.
fn values(fields: &[(Field, Value)]) -> Values {
    let mut values = nothing();
    values[Field::OccurredAt.number()] = "2026-07-15T10:20:30.000Z".into();
    values[Field::Op.number()] = "read".into();
    values[Field::Outcome.number()] = object(r#"{"result":"success"}"#);
    for (field, value) in fields {
        values[field.number()] = value.clone();
    }
    Values::new(values).unwrap()
}

/// It is in the log in the hour in which it happened.
pub(in crate::audit) fn access(index: u64, fields: &[(Field, Value)]) -> Access {
    let values = values(fields);
    let recorded = occurred(&values) / HOUR * HOUR;
    Access { index, issuer: "gateway".into(), epoch: 1, seq: index, recorded, state: State::Opened(values) }
}

pub(in crate::audit) fn unopened(index: u64, recorded: u64, why: &str) -> Access {
    let state = State::NotOpened { why: why.into(), blame: Blame::Issuer };
    Access { state, recorded, ..access(index, &[]) }
}

/// Headers of a log that held the rows, from before the period to after it.
pub(in crate::audit) fn facts(rows: &[Access]) -> Facts {
    let bounds = [Bound { size: 2, time: FROM - HOUR }, Bound { size: 900, time: TO + DAY }];
    let mut facts = Facts::new(WINDOW, &bounds);
    let seen = |index: u64, kind: &'static str, issuer: &str, seq: u64, recorded: u64| Seen {
        index,
        id: [0; 32],
        kind,
        issuer: issuer.into(),
        epoch: 1,
        link: Some(Link { seq, prev: [0; 32] }),
        recorded,
    };
    facts.open(&seen(0, "charter", "operator", 1, FROM - DAY), ("vault", 1), Some(DAY), true);
    facts.see(&seen(0, "charter", "operator", 1, FROM - DAY));
    facts.open(&seen(1, "issuer-open", "gateway", 1, FROM - DAY), ("gateway", 1), Some(HOUR), true);
    facts.see(&seen(1, "issuer-open", "gateway", 1, FROM - DAY));
    facts.see(&seen(2, "heartbeat", "vault", 1, FROM - HOUR));
    for row in rows {
        facts.see(&seen(row.index, "access", &row.issuer, row.seq, row.recorded));
    }
    facts.see(&seen(950, "heartbeat", "gateway", 950, TO));
    facts.see(&seen(951, "heartbeat", "vault", 951, TO + HOUR));
    (facts.size, facts.root, facts.witnessed) = (1_000, "root".into(), true);
    facts
}

pub(in crate::audit) fn ask_of(filter: impl Filter + 'static, rows: &[Access], facts: &Facts) -> Answer {
    let mut asked = Asked::new(Box::new(filter), REACH);
    rows.iter().for_each(|row| asked.see(row));
    asked.finish(facts)
}

fn ask(filter: impl Filter + 'static, rows: &[Access]) -> Answer {
    ask_of(filter, rows, &facts(rows))
}

fn found(answer: &Answer) -> Vec<u64> {
    answer.rows.iter().filter_map(|row| row.index).collect()
}

/// Why, and the runs of entries.
fn open(answer: &Answer) -> Vec<(&str, String)> {
    answer.not_answered.iter().map(|open| (open.why.as_str(), open.indices.show())).collect()
}

fn against(answer: &Answer) -> Vec<&str> {
    answer.because.iter().filter(|because| !because.holds).map(|because| because.text.as_str()).collect()
}

pub(in crate::audit) fn at(country: &str, known: &str) -> (Field, Value) {
    (Field::ActorLocationCountry, object(&format!(r#"{{"country":"{country}","known":"{known}"}}"#)))
}

pub(in crate::audit) fn of(region: &str) -> (Field, Value) {
    (Field::SubjectRegion, region.into())
}

pub(in crate::audit) fn q1() -> ForeignReads {
    ForeignReads { regions: vec!["EU".into()], home: vec!["CH".into()] }
}

#[test]
fn q1_finds_foreign_reads_and_nothing_else() {
    let rows = [
        access(10, &[of("EU"), at("RU", "badge")]),
        access(11, &[of("EU"), at("CH", "badge")]),
        access(12, &[of("US"), at("RU", "badge")]),
        access(13, &[of("EU"), at("RU", "network"), (Field::Op, "store".into())]),
        access(14, &[of("EU"), at("US", "none")]),
        access(15, &[of("EU"), at("RU", "badge"), (Field::OccurredAt, "2026-10-01T00:00:00.000Z".into())]),
        access(16, &[of("EU"), at("RU", "badge"), (Field::OccurredAt, "2026-09-30T23:59:59.999Z".into())]),
        access(17, &[of("EU"), at("RU", "badge"), (Field::Outcome, object(r#"{"result":"refused"}"#))]),
    ];
    let answer = ask(q1(), &rows);
    assert_eq!(found(&answer), [10, 14, 16, 17]);
    assert_eq!(open(&answer), []);
    assert!(answer.complete, "{:?}", against(&answer));
    assert_eq!(answer.rows[0].cell("actor_location_country"), "RU, by badge");
    assert_eq!(answer.rows[3].cell("outcome"), "refused");
}

#[test]
fn q1_lists_what_it_cannot_decide_unless_another_field_decides() {
    let service = (Field::Actor, "service:scanner".into());
    let automated = |text: &str| (Field::Automated, object(text));
    let build = "ab".repeat(32);
    let code = automated(&format!(r#"{{"automated":true,"build":"{build}"}}"#));
    let rows = [
        access(10, &[of("EU")]),
        access(11, &[of("EU"), at("ZZ", "none")]),
        access(12, &[of("EU"), at("CH", "none")]),
        access(13, &[of("UNKNOWN"), at("RU", "badge")]),
        access(14, &[of("MIXED"), at("RU", "badge")]),
        access(15, &[at("RU", "badge")]),
        access(16, &[at("CH", "badge")]),            // at home: whoever's data
        access(17, &[of("US")]),                     // other data: wherever
        access(18, &[(Field::Op, "delete".into())]), // no read
        access(19, &[]),
        access(20, &[of("EU"), service.clone(), code.clone()]), // code has no place, and is no staff
        access(21, &[of("EU"), service.clone(), code, at("RU", "network")]),
        access(22, &[of("EU-DE"), at("RU", "badge")]),
        access(23, &[of("EUX"), at("RU", "badge")]),
        access(24, &[of("EU"), service]), // said to be code, and not which
        access(25, &[of("EU"), automated(r#"{"automated":true}"#)]),
        access(26, &[of("EU"), automated(&format!(r#"{{"automated":false,"build":"{build}"}}"#))]),
    ];
    let answer = ask(q1(), &rows);
    assert_eq!(found(&answer), [21], "a place outside counts, whoever is said to have been there");
    assert_eq!(
        open(&answer),
        [
            ("actor_location_country is CH, and nothing says how that is known", "12".to_owned()),
            ("actor_location_country is ZZ, unknown", "11".to_owned()),
            ("actor_location_country is null", "10, 26".to_owned()),
            ("actor_location_country is null, and no build says which code it was", "24 to 25".to_owned()),
            ("subject_region is EU-DE", "22".to_owned()),
            ("subject_region is MIXED", "14".to_owned()),
            ("subject_region is UNKNOWN", "13".to_owned()),
            ("subject_region is null", "15".to_owned()),
            ("subject_region is null, actor_location_country is null", "19".to_owned()),
        ]
    );
    assert_eq!(answer.aside[0].indices.show(), "20");
    assert!(!answer.complete);
    assert_eq!(
        against(&answer),
        ["11 of 17 sealed records that can be about the period cannot be decided; they are listed"]
    );
}

#[test]
fn q1_and_its_like_do_not_ask_about_reads_of_the_log_itself() {
    let rows = [Access { issuer: "vault".into(), ..access(10, &[]) }];
    for answer in [ask(q1(), &rows), ask(Bulk { above: 0, builds: Some(Builds::new([], "x")) }, &rows)] {
        assert_eq!((found(&answer), open(&answer)), (vec![], vec![]));
        assert!(answer.complete, "{:?}", against(&answer));
    }
}

#[test]
fn a_record_that_shows_nothing_is_open_exactly_when_it_may_be_about_the_period() {
    let erased = |index, recorded| Access {
        state: State::Erased { by: 99, authority: "order 7/2026".into() },
        recorded,
        ..access(index, &[])
    };
    let rows = [
        unopened(1, FROM - HOUR, "bad slot"), // its hour ended before, and it was in the log then
        unopened(10, FROM - HOUR, "bad slot"), // its hour ended before, and it came later
        unopened(11, FROM, "bad slot"),
        erased(12, FROM + HOUR),
        unopened(13, TO + DAY - HOUR, "bad slot"),
        unopened(14, TO + DAY, "bad slot"), // later than the bound
    ];
    let answer = ask(q1(), &rows);
    assert_eq!(
        open(&answer),
        [
            ("its record did not open (the issuer): bad slot", "10 to 11, 13".to_owned()),
            ("its record was erased: order 7/2026", "12".to_owned()),
        ]
    );
    let after = "1 records from after the bound that show nothing are taken to be of a later period: entries 14";
    assert!(answer.because.iter().any(|because| because.holds && because.text == after), "{:?}", answer.because);
}

#[test]
fn an_access_that_nobody_showed_is_open_too() {
    let rows = [access(10, &[of("US")]), access(11, &[of("US")]), access(12, &[of("US")])];
    let answer = ask_of(q1(), &rows[..1], &facts(&rows));
    assert_eq!(open(&answer).len(), 1);
    assert_eq!(answer.not_answered[0].indices.show(), "11 to 12");
    assert!(answer.not_answered[0].why.starts_with("its record was not read"));
    assert!(!answer.complete);
}

#[test]
fn an_answer_is_complete_only_with_the_log_around_it() {
    let rows = [access(10, &[of("US")])];
    let whole = facts(&rows);
    assert!(ask_of(q1(), &rows, &whole).complete);
    let gateway = ("gateway".to_owned(), 1);
    let mut cases: Vec<(Facts, &str)> = Vec::new();
    let mut case = |change: &dyn Fn(&mut Facts), why: &'static str| {
        let mut facts = whole.clone();
        change(&mut facts);
        cases.push((facts, why));
    };
    case(&|facts| facts.misbehaved = true, "the log misbehaved");
    case(&|facts| facts.witnessed = false, "no quorum of witnesses");
    case(
        &|facts| facts.bounds.retain(|bound| bound.size != 2),
        "no kept checkpoint is from 2026-07-01T00:00:00Z or earlier",
    );
    case(
        &|facts| facts.bounds.retain(|bound| bound.size == 2),
        "no kept checkpoint of fewer than 1000 entries is from 2026-10-02",
    );
    case(&|facts| facts.began = Some(FROM), "the log began at 2026-07-01T00:00:00Z, after the period did");
    case(
        &|facts| facts.lanes.get_mut(&gateway).unwrap().after = None,
        "gateway epoch 1: the last event is position 950, entry 950",
    );
    case(
        &|facts| {
            let finding = Finding::new(Severity::Misbehaviour, "chain.gap", "gap");
            let link = Some(Link { seq: 12, prev: [0; 32] });
            let seen = Seen {
                index: 12,
                id: [0; 32],
                kind: "access",
                issuer: "gateway".into(),
                epoch: 1,
                link,
                recorded: FROM + HOUR,
            };
            facts.broke(&seen, &finding);
        },
        "gateway epoch 1: the chain breaks at entry 12 (chain.gap)",
    );
    for (facts, why) in cases {
        let answer = ask_of(q1(), &rows, &facts);
        assert!(!answer.complete, "{why}");
        let against = against(&answer);
        assert!(against.len() == 1 && against[0].starts_with(why), "{why}: {against:?}");
    }
    // A source that was closed in the period needs nothing after it.
    let mut closed = whole.clone();
    let lane = closed.lanes.get_mut(&gateway).unwrap();
    (lane.after, lane.closed) = (None, Some(TO - HOUR));
    assert!(ask_of(q1(), &rows, &closed).complete);
}

#[test]
fn a_record_later_than_the_bound_is_found_and_takes_the_completeness() {
    let mut recorded_late = access(10, &[of("EU"), at("RU", "badge")]);
    recorded_late.recorded = TO + DAY;
    // The checkpoint after the period covers 900 entries: whatever it says, it came after that.
    let backdated = access(900, &[of("EU"), at("RU", "badge")]);
    for late in [recorded_late, backdated] {
        let answer = ask(q1(), std::slice::from_ref(&late));
        assert_eq!(found(&answer), [late.index]);
        assert!(!answer.complete);
        let text = "1 records of the period came more than 86400 s after its end";
        assert!(against(&answer)[0].starts_with(text), "{:?}", against(&answer));
    }
    let in_time = access(899, &[of("EU"), at("RU", "badge")]);
    assert!(ask(q1(), &[in_time]).complete);
}

#[test]
fn an_issuer_that_dates_its_records_back_hides_none() {
    // The checkpoint before the period covers 2 entries: what came later can be about the period, whatever its issuer says.
    let back = |index, fields: &[(Field, Value)]| Access { recorded: FROM - 30 * DAY, ..access(index, fields) };
    let rows = [back(10, &[of("EU"), at("RU", "badge")]), back(11, &[of("US")])];
    let answer = ask(q1(), &rows);
    assert_eq!(found(&answer), [10]);
    assert!(answer.complete, "{:?}", against(&answer));
    let said = |answer: &Answer| answer.because.iter().any(|because| because.text.starts_with("each of the 2 sealed"));
    assert!(said(&answer), "{:?}", answer.because);
    // Not shown to the question, as an audit of the period alone did it.
    let answer = ask_of(q1(), &rows[1..], &facts(&rows));
    assert_eq!(open(&answer).len(), 1);
    assert_eq!(answer.not_answered[0].indices.show(), "10");
    assert!(!answer.complete);
}

#[test]
fn an_issuer_that_says_another_time_hides_nothing_that_it_recorded_in_the_period() {
    let happened = |text: &str| (Field::OccurredAt, Value::from(text));
    let recorded = |index, text: &str| Access {
        recorded: FROM + 40 * DAY,
        ..access(index, &[of("EU"), at("RU", "badge"), happened(text)])
    };
    let rows = [
        recorded(10, "1970-01-01T00:00:00.000Z"),
        recorded(11, "2026-06-30T23:59:59.999Z"),
        recorded(12, "2031-01-01T00:00:00.000Z"),
        Access { recorded: FROM, ..recorded(13, "2026-06-30T23:59:59.999Z") }, // within the bound: of the period before
        Access { recorded: FROM - DAY, ..recorded(14, "2031-01-01T00:00:00.000Z") },
    ];
    let answer = ask(q1(), &rows);
    assert_eq!(found(&answer), NONE);
    assert_eq!(answer.aside.len(), 1);
    assert_eq!(answer.aside[0].indices.show(), "10 to 11");
    assert_eq!(
        open(&answer),
        [("recorded in the period, and says that it happened after it was recorded", "12".to_owned())]
    );
    assert!(!answer.complete);
    let other = ask(ForeignReads { regions: vec!["CA".into()], ..q1() }, &rows);
    assert_eq!((open(&other), other.aside.len(), other.complete), (vec![], 0, true), "another field decides");
    let silences = ask(Silences { late_s: DAY }, &rows);
    let what: Vec<(String, Option<u64>)> = silences.rows.iter().map(|row| (row.cell("what"), row.index)).collect();
    assert_eq!(what, [("late", Some(10)), ("late", Some(11)), ("ahead", Some(12))].map(|(w, i)| (w.to_owned(), i)));
}

#[test]
fn without_a_period_an_answer_speaks_of_the_entries() {
    let rows = [access(10, &[of("EU"), at("RU", "badge")])];
    let mut asked = Asked::new(Box::new(q1()), Reach { window: Window::default(), late_s: DAY });
    asked.see(&rows[0]);
    let answer = asked.finish(&Facts { window: Window::default(), bounds: Vec::new(), ..facts(&rows) });
    assert!(answer.complete, "{:?}", against(&answer));
    assert_eq!(answer.period(), "all entries, whenever they happened");
}

#[test]
fn q3_finds_an_actor_by_name_session_and_role() {
    let actor = |name: &str| (Field::Actor, Value::from(name));
    let session = |text: &str| (Field::ActorSession, object(text));
    let rows = [
        access(10, &[actor("s-1071"), (Field::Op, "alter".into())]),
        access(11, &[actor("s-10710")]),
        access(12, &[actor("s-2"), session(r#"{"role":"s-1071","session":"x"}"#)]),
        access(13, &[session(r#"{"session":"s-1071"}"#)]),
        access(14, &[session(r#"{"session":"x"}"#)]),
        access(15, &[]),
        Access { issuer: "vault".into(), ..access(16, &[actor("s-1071")]) },
    ];
    let answer = ask(ByActor { actors: vec!["s-1071".into()] }, &rows);
    assert_eq!(found(&answer), [10, 12, 13, 16]);
    let named: Vec<String> = answer.rows.iter().map(|row| row.cell("named")).collect();
    assert_eq!(named, ["actor", "role", "session", "actor"]);
    assert_eq!(open(&answer), [("actor is null", "14 to 15".to_owned())]);
    let rows = [
        access(10, &[actor("S-1071")]),
        access(11, &[actor("s-1071 ")]),
        access(12, &[actor("UNKNOWN")]),
        access(13, &[actor("s-2"), session(r#"{"session":"S-1071"}"#)]),
    ];
    let answer = ask(ByActor { actors: vec!["s-1071".into()] }, &rows);
    assert_eq!(
        open(&answer),
        [("actor is UNKNOWN", "12".to_owned()), ("an actor that is spelled almost so", "10 to 11, 13".to_owned())]
    );
    assert_eq!(found(&ask(ByActor { actors: vec!["nobody".into()] }, &rows)), NONE);
}

#[test]
fn q7_finds_what_chains_and_times_show() {
    let at = |text: &str| (Field::OccurredAt, Value::from(text));
    let mut late = access(20, &[at("2026-07-15T10:20:30.000Z")]);
    late.recorded += DAY + HOUR;
    let mut ahead = access(21, &[at("2026-07-15T10:20:30.000Z")]);
    ahead.recorded -= 2 * HOUR;
    let rows = [access(19, &[]), late, ahead];
    let mut facts = facts(&rows);
    let seen = |index, epoch| Seen {
        index,
        id: [0; 32],
        kind: "access",
        issuer: "gateway".into(),
        epoch,
        link: Some(Link { seq: 40, prev: [0; 32] }),
        recorded: FROM + 5 * DAY,
    };
    facts.broke(&seen(30, 1), &Finding::new(Severity::Misbehaviour, "chain.gap", "seq 38 to 39 are missing"));
    facts.silent("gateway", 1, Silent { from: FROM - DAY, until: FROM - HOUR }, Some(5)); // before the period
    facts.silent("gateway", 1, Silent { from: FROM + DAY, until: FROM + 2 * DAY }, Some(31));
    facts.close("gateway", 1, FROM + 6 * DAY);
    facts.open(&seen(32, 2), ("gateway", 2), Some(HOUR), true);
    let answer = ask_of(Silences { late_s: DAY }, &rows, &facts);
    let what: Vec<(String, Option<u64>)> = answer.rows.iter().map(|row| (row.cell("what"), row.index)).collect();
    let expected = [
        ("ended", None),
        ("gap", Some(30)),
        ("silence", Some(31)),
        ("reset", Some(32)),
        ("late", Some(20)),
        ("ahead", Some(21)),
    ];
    assert_eq!(what, expected.map(|(what, index)| (what.to_owned(), index)));
    assert_eq!(answer.rows[2].cell("text"), "86400 s of silence, 3600 are allowed");
    assert!(!answer.complete, "a chain that breaks is not complete");
}

#[test]
fn q7_finds_heartbeats_that_were_written_afterwards() {
    let rows = [access(19, &[])];
    let mut facts = facts(&rows);
    let beat = |index: u64, recorded| Seen {
        index,
        id: [0; 32],
        kind: "heartbeat",
        issuer: "gateway".into(),
        epoch: 1,
        link: Some(Link { seq: index, prev: [0; 32] }),
        recorded,
    };
    for (index, after) in [(40, FROM + 3 * DAY), (41, FROM + 3 * DAY), (43, FROM + 4 * DAY)] {
        facts.late(&beat(index, FROM + index * HOUR), after);
    }
    let answer = ask_of(Silences { late_s: DAY }, &rows, &facts);
    let what: Vec<(String, Option<u64>)> = answer.rows.iter().map(|row| (row.cell("what"), row.index)).collect();
    assert_eq!(what, [("logged late".to_owned(), Some(40)), ("logged late".to_owned(), Some(43))]);
    assert!(answer.rows[0].cell("text").starts_with("positions 40 to 41 were not in the log at 2026-07-04"));
}

#[test]
fn q7_of_a_quiet_period_finds_nothing_and_an_unopened_record_may_be_late() {
    let rows = [access(19, &[]), unopened(20, FROM + HOUR, "bad slot")];
    let answer = ask(Silences { late_s: DAY }, &rows);
    assert_eq!(found(&answer), NONE);
    assert_eq!(open(&answer), [("its record did not open (the issuer): bad slot", "20".to_owned())]);
    assert!(ask(Silences { late_s: DAY }, &rows[..1]).complete);
}

pub(in crate::audit) fn q8(regions: &[&str]) -> Residency {
    let rules = "region,site,from,until\nEU,CH-*,2018-11-13,\nUS,US-NY-1,2018-01-01,2026-08-01\nUS,CH-ZH-1,2026-08-01,\nCA,CH-ZH-1,2027-01-01,\n";
    Residency {
        regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        rules: read_rules(rules).unwrap(),
    }
}

fn stored(site: &str) -> (Field, Value) {
    (Field::StorageSite, site.into())
}

#[test]
fn q8_finds_data_at_a_site_that_was_not_allowed_on_that_day() {
    let august = (Field::OccurredAt, Value::from("2026-08-01T00:00:00.000Z"));
    let rows = [
        access(10, &[of("EU"), stored("DE-FRA-1"), (Field::Op, "store".into())]),
        access(11, &[of("EU"), stored("CH-GE-2")]),
        access(12, &[of("US"), stored("US-NY-1")]),
        access(13, &[of("US"), stored("US-NY-1"), august.clone()]),
        access(14, &[of("US"), stored("CH-ZH-1"), august]),
        access(15, &[of("CA"), stored("US-NY-1")]), // before its rule
        access(16, &[of("JP"), stored("JP-TK-1")]), // no rule at all
    ];
    let answer = ask(q8(&[]), &rows);
    assert_eq!(found(&answer), [10, 13]);
    assert_eq!(answer.rows[0].cell("allowed"), "CH-*");
    assert_eq!(answer.aside[0].indices.show(), "15 to 16");
    assert!(answer.complete, "{:?}", against(&answer));
    assert_eq!(found(&ask(q8(&["US"]), &rows)), [13]);
}

#[test]
fn q8_leaves_open_what_the_record_leaves_open() {
    let rows = [
        access(10, &[of("EU")]),
        access(11, &[of("EU"), stored("UNKNOWN")]),
        access(12, &[of("MIXED"), stored("CH-ZH-1")]), // the US rule of July forbids it
        access(13, &[of("MIXED"), stored("CH-ZH-1"), (Field::OccurredAt, "2026-08-02T00:00:00.000Z".into())]),
        access(14, &[stored("DE-FRA-1")]),
        access(15, &[]),
        access(16, &[of("JP")]), // no rule for it, wherever it was
        access(17, &[of("EU-DE"), stored("DE-FRA-1")]),
    ];
    let answer = ask(q8(&[]), &rows);
    assert_eq!(found(&answer), NONE);
    assert_eq!(
        open(&answer),
        [
            ("storage_site is UNKNOWN", "11".to_owned()),
            ("storage_site is null", "10".to_owned()),
            ("subject_region is EU-DE", "17".to_owned()),
            ("subject_region is MIXED", "12".to_owned()),
            ("subject_region is null", "14".to_owned()),
            ("subject_region is null, storage_site is null", "15".to_owned()),
        ]
    );
}

fn code(text: &str) -> (Field, Value) {
    (Field::Automated, object(text))
}

fn objects(count: i64) -> (Field, Value) {
    (Field::ObjectCount, count.into())
}

#[test]
fn q9_finds_bulk_reads_and_code_without_a_logged_build() {
    let (known, unknown) = ("11".repeat(32), "22".repeat(32));
    let build = |digest: &str| code(&format!(r#"{{"automated":true,"build":"{digest}"}}"#));
    let by_hand = code(r#"{"automated":false}"#);
    let rows = [
        access(10, &[objects(1_001), by_hand.clone()]),
        access(11, &[objects(1_000), by_hand.clone()]),
        access(12, &[objects(5), build(&known)]),
        access(13, &[objects(5), build(&unknown)]),
        access(14, &[objects(2_000), build(&unknown)]),
        access(15, &[objects(5_000), by_hand.clone(), (Field::Op, "store".into())]),
        access(16, &[by_hand]),
        access(17, &[objects(5), code(r#"{"automated":true}"#)]),
        access(18, &[objects(5)]),
        access(19, &[objects(5), (Field::Actor, "service:scanner".into())]),
        access(20, &[objects(9_999)]), // found, whatever else is not known
    ];
    let builds = Some(Builds::new([[0x11; 32]], "test"));
    let answer = ask(Bulk { above: 1_000, builds }, &rows);
    assert_eq!(found(&answer), [10, 13, 14, 20]);
    assert_eq!(answer.rows[2].cell("finding"), "more than 1000 objects, build not in the log");
    assert_eq!(
        open(&answer),
        [
            ("automated code that names no build", "17, 19".to_owned()),
            ("automated is null", "18".to_owned()),
            ("object_count is null", "16".to_owned()),
        ]
    );
    let without = ask(Bulk { above: 1_000, builds: None }, &rows[..2]);
    assert_eq!(found(&without), [10]);
    assert!(against(&without)[0].starts_with("reads by automated code were not compared"), "{:?}", against(&without));
}

#[test]
fn q17_finds_every_read_of_the_vault() {
    let vault = |index, state| Access { issuer: "vault".into(), state, ..access(index, &[]) };
    let opened = |index| vault(index, State::Opened(values(&[(Field::Actor, "reader:supervisor".into())])));
    let rows =
        [opened(10), access(11, &[]), vault(12, State::NotOpened { why: "no wrap".into(), blame: Blame::Nobody })];
    let answer = ask(VaultReads, &rows);
    assert_eq!(found(&answer), [10]);
    assert_eq!(answer.rows[0].cell("actor"), "reader:supervisor");
    assert_eq!(open(&answer), [("its record did not open (nobody): no wrap", "12".to_owned())]);
    assert_eq!(found(&ask(VaultReads, &rows[1..2])), NONE);
}

#[test]
fn rows_that_are_too_much_for_memory_are_counted() {
    let rows: Vec<Access> = (10..14).map(|index| access(index, &[of("EU"), at("RU", "badge")])).collect();
    let mut asked = Asked::new(Box::new(q1()), REACH);
    asked.room = 400;
    rows.iter().for_each(|row| asked.see(row));
    let answer = asked.finish(&facts(&rows));
    assert_eq!((found(&answer), answer.found()), (vec![10, 11], 4));
    assert!(against(&answer)[0].starts_with("2 more were found than one answer holds"), "{:?}", against(&answer));
}

#[test]
fn disowned_rows_say_so() {
    let rows = [access(10, &[of("EU"), at("RU", "badge")])];
    let mut facts = facts(&rows);
    facts.disowned.insert(10);
    let answer = ask_of(q1(), &rows, &facts);
    assert_eq!(answer.rows[0].cell("issuer"), "gateway (disowned)");
}

#[test]
fn an_answer_is_one_document_and_one_table() {
    let hostile = "x\u{1b}]0;<script>";
    let rows =
        [access(10, &[of("EU"), at("RU", "badge"), (Field::Actor, "s-1".into())]), unopened(11, FROM + HOUR, hostile)];
    let answer = ask(q1(), &rows);
    let json = serde_json::to_value(&answer).unwrap();
    let members: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for member in ["question", "parameters", "window", "rows", "not_answered", "complete", "because"] {
        assert!(members.contains(&member), "{members:?}");
    }
    assert_eq!(json["rows"][0]["index"], 10);
    assert_eq!(json["rows"][0]["fields"]["actor_location_country"]["country"], "RU");
    assert_eq!(json["not_answered"][0]["indices"], serde_json::json!([[11, 11]]));
    let text = answer.text();
    assert!(text.contains("answer       1 found, 1 cannot be decided, NOT complete"), "{text}");
    assert!(text.contains("Entry  When                      Who  Where, known by"), "{text}");
    assert!(text.contains("10     2026-07-15T10:20:30.000Z  s-1  RU, by badge"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(instant_ms("2026-07-15T10:20:30.000Z").is_some_and(|ms| WINDOW.holds(ms.unsigned_abs() / 1_000)));
}
