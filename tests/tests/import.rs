//! Importers on real records: 1,448 events of CloudTrail, and an audit log of PostgreSQL, kept and fresh (docs/import.md).
//!
//! The fresh log needs PostgreSQL with pgaudit: where `CI` is set its lack is a failure, elsewhere a line says it. Not here:
//! what stops in the middle of an import (`log-client`, `import::tests`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use vitrine_log_client::import::counts::Counts;
use vitrine_log_client::import::{Imported, Importer, Kind, Mapping};
use vitrine_spec::fields::{Field, Values};
use vitrine_spec::json::Value;
use vitrine_tests::harness::world::World;
use vitrine_tests::shared;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/pgaudit").join(name)
}

/// Everything in these files, with digests.
fn import(kind: Kind, mapping: &Mapping, files: &[PathBuf]) -> (Vec<Imported>, Counts) {
    let mut importer = Importer::new(kind, mapping, true).unwrap();
    let mut events = Vec::new();
    for file in files {
        let mut reading = importer.open(file).unwrap();
        while let Some(event) = importer.next(&mut reading).unwrap() {
            assert!(Values::new(event.values.all().clone()).is_ok(), "{}", event.line);
            assert!(event.values.text(Field::NativeDigest).is_some());
            events.push(event);
        }
    }
    assert_eq!(importer.counts.events, events.len() as u64);
    (events, importer.counts)
}

fn member<'a>(values: &'a Values, field: Field, name: &str) -> &'a str {
    values.get(field).get(name).and_then(Value::as_text).unwrap_or_default()
}

/// How many events of these have each value of this.
fn count<'a>(
    events: impl IntoIterator<Item = &'a Imported>,
    of: impl Fn(&'a Values) -> &'a str,
) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(of(&event.values)).or_insert(0) += 1;
    }
    counts
}

#[test]
fn cloudtrail_fills_nine_fields() {
    let Some(shared) = shared::folder("cloudtrail_fills_nine_fields") else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(shared.join("data/access/cloudtrail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let (events, counts) = import(Kind::CloudTrail, &Mapping::default(), &files);
    assert_eq!(events.len(), 1_448);
    assert_eq!(counts.left_out().count(), 0);
    assert_eq!(["read", "store", "delete", "alter"].map(|op| counts.op(op)), [1_172, 174, 60, 42]);
    assert_eq!(["success", "error", "refused"].map(|result| counts.result(result)), [1_280, 112, 56]);
    let natively = [
        (Field::OccurredAt, 1_448),
        (Field::Op, 1_448),
        (Field::NativeOp, 1_448),
        (Field::Actor, 1_448),
        (Field::ActorSession, 1_430), // 18 events of services have no credentials
        (Field::StorageSite, 1_448),
        (Field::Outcome, 1_448),
        (Field::NativeId, 1_448),
        (Field::NativeDigest, 1_448),
        (Field::Automated, 16), // services of the cloud itself
    ];
    for field in Field::ALL {
        let want = natively.iter().find(|(native, _)| *native == field).map_or(0, |(_, known)| *known);
        assert_eq!(counts.known(field), want, "{field}");
    }
    assert_eq!(counts.unknown(Field::Purpose), 1_448);
    assert_eq!(counts.unknown(Field::ActorLocationCountry), 1_448);
}

/// The numbers of `samples/pgaudit/README.md`, which hold for a fresh log as well.
fn assert_as_its_page_says(events: &[Imported], counts: &Counts) {
    assert_eq!(events.len(), 1_661);
    assert_eq!(counts.faults(), 0);
    assert_eq!(counts.warnings().0, Vec::<String>::new());
    assert_eq!(["read", "store", "alter", "delete", "destroy"].map(|op| counts.op(op)), [768, 602, 286, 4, 1]);
    assert_eq!(["success", "refused", "error"].map(|result| counts.result(result)), [1_655, 5, 1]);

    // Q1: reads of EU customers' data by staff outside Switzerland.
    let abroad = |event: &&Imported| {
        event.values.text(Field::Op) == Some("read")
            && event.values.text(Field::SubjectRegion) == Some("EU")
            && !["", "CH", "ZZ"].contains(&member(&event.values, Field::ActorLocationCountry, "country"))
    };
    let found: Vec<&Imported> = events.iter().filter(abroad).collect();
    let by_actor = count(found.iter().copied(), |values| values.text(Field::Actor).unwrap_or_default());
    assert_eq!(by_actor, BTreeMap::from([("s-1090", 84), ("s-2043", 162), ("s-3007", 123)]));
    let by_result = count(found, |values| member(values, Field::Outcome, "result"));
    assert_eq!(by_result, BTreeMap::from([("error", 1), ("refused", 3), ("success", 365)]));

    let nobody = events.iter().filter(|event| member(&event.values, Field::ActorLocationCountry, "country") == "ZZ");
    let nobody = count(nobody, |values| values.text(Field::Actor).unwrap_or_default());
    assert_eq!(nobody, BTreeMap::from([("s-4010", 100)]));

    // Q8: what is stored where.
    let sites = count(events, |values| values.text(Field::StorageSite).unwrap_or_default());
    assert_eq!(sites, BTreeMap::from([("CH-ZH-1", 1_242), ("CH-ZH-2", 355), ("SG-SG-1", 62), ("UNKNOWN", 2)]));
    let abroad = events.iter().filter(|event| event.values.text(Field::StorageSite) == Some("SG-SG-1"));
    let abroad = count(abroad, |values| values.text(Field::Dataset).unwrap_or_default());
    assert_eq!(abroad, BTreeMap::from([("jp-sample-files", 62)]));

    // Q9: bulk reads, and what programs are.
    let mut bulk: Vec<(&str, i64)> = events
        .iter()
        .filter_map(|event| match event.values.get(Field::ObjectCount) {
            Value::Int(objects) if *objects >= 500 => Some((event.values.text(Field::Actor)?, *objects)),
            _ => None,
        })
        .collect();
    bulk.sort_unstable();
    assert_eq!(bulk, [("s-1090", 839), ("service:report", 1_200), ("service:report", 1_437)]);
    let builds = events.iter().filter(|event| !member(&event.values, Field::Automated, "build").is_empty());
    let builds = count(builds, |values| values.text(Field::Actor).unwrap_or_default());
    assert_eq!(builds, BTreeMap::from([("service:classifier", 560), ("service:ingest", 600)]));

    // The role that was taken, and never in place of who took it.
    let roles = count(events, |values| member(values, Field::ActorSession, "role"));
    assert_eq!(roles, BTreeMap::from([("", 1_553), ("analyst", 88), ("owner", 11), ("privacy", 6), ("support", 3)]));
    // `SET LOCAL ROLE` ends with its transaction.
    let local = events.iter().filter(|event| event.values.text(Field::Actor) == Some("s-1072"));
    let local = count(local, |values| member(values, Field::ActorSession, "role"));
    assert_eq!(local, BTreeMap::from([("analyst", 1), ("privacy", 6)]));

    let left_out: BTreeMap<&str, u64> = counts
        .left_out()
        .map(|(why, group)| (why, group.records))
        .filter(|(why, _)| !why.starts_with("a line of"))
        .collect();
    assert_eq!(
        left_out,
        BTreeMap::from([
            ("COPY of a query: the same act as the read before it", 1),
            ("MISC/RESET reads and writes no data", 41),
            ("MISC/SET reads and writes no data", 45),
            ("READ/PREPARE reads nothing; EXECUTE has its own record", 1),
            ("error 42501 of SET: no data is concerned", 1),
            ("error 42703: nothing was read or written", 1),
        ])
    );
}

#[test]
fn the_sample_says_what_its_page_says() {
    let mapping = Mapping::load(&sample("mapping.toml")).unwrap();
    let (events, counts) = import(Kind::Pgaudit, &mapping, &[sample("audit.json")]);
    assert_as_its_page_says(&events, &counts);
    let lines = std::fs::read_to_string(sample("audit.json")).unwrap().lines().count() as u64;
    let left_out: u64 = counts.left_out().map(|(_, group)| group.records).sum();
    assert_eq!(counts.events + left_out, lines, "each line is an event or is named");
}

/// What a log says but for times, processes and sessions: the lines of clients, in order.
fn statements(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let clients = lines.filter(|line| line.get("user").is_some());
    clients
        .map(|line| {
            let parts =
                ["user", "application_name", "line_num", "ps", "error_severity", "state_code", "message", "statement"];
            parts.map(|part| line.get(part).map(Json::to_string).unwrap_or_default()).join(" ")
        })
        .collect()
}

#[test]
fn a_fresh_log_is_like_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.json");
    let made = Command::new(sample("make")).arg(&fresh).output().unwrap();
    // 3: the script says what is not installed.
    if made.status.code() == Some(3) {
        assert!(std::env::var_os("CI").is_none(), "CI is set: {}", String::from_utf8_lossy(&made.stderr));
        writeln!(std::io::stdout().lock(), "import: no fresh log: PostgreSQL with pgaudit is not installed").unwrap();
        return;
    }
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (kept, new) = (statements(&sample("audit.json")), statements(&fresh));
    for (number, (kept, new)) in kept.iter().zip(&new).enumerate() {
        assert_eq!(kept, new, "line {number} of clients");
    }
    assert_eq!(kept.len(), new.len());
    let mapping = Mapping::load(&sample("mapping.toml")).unwrap();
    let (events, counts) = import(Kind::Pgaudit, &mapping, &[fresh]);
    assert_as_its_page_says(&events, &counts);
}

#[test]
fn an_imported_log_is_opened_by_its_reader_and_imported_once() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::create_access(folder.path(), "example.com/access").unwrap();
    world.open("gateway", &["types.access=strict"]).unwrap();
    let (url, mapping, audit) = (world.url(), sample("mapping.toml"), sample("audit.json"));
    let (mapping, audit) = (mapping.to_str().unwrap(), audit.to_str().unwrap());
    let import = |more: &[&str]| {
        let mut args = vec!["import", "pgaudit", "--log", &url, "--policy", "policy", "--key", "gateway.key", "--json"];
        args.extend(["--issuer", "gateway", "--charter", &world.fingerprint, "--mapping", mapping, "--spool", "spool"]);
        args.extend(more);
        args.push(audit);
        let outcome = world.client(&args).unwrap().expect_code(0).unwrap();
        let report: Json = serde_json::from_str(&outcome.out).unwrap();
        ["logged", "first", "last", "records_before"].map(|name| report[name].as_u64())
    };
    let natives = ["--natives", "natives.ndjson"];
    let [logged, first, last, before] = import(&[&natives[..], &["--limit", "1000"]].concat());
    assert_eq!((logged, before), (Some(1_000), Some(0)));
    assert_eq!(last, first.map(|first| first + 1_000), "the first is the sealing key");
    let [logged, next, end, before] = import(&natives);
    assert_eq!((logged, before), (Some(661), Some(1_000)));
    assert_eq!(next, last.map(|last| last + 1));
    assert_eq!(end, next.map(|next| next + 661), "one more sealing key: W is never stored");
    assert_eq!(import(&natives), [Some(0), None, None, Some(1_756)]);
    assert_eq!(world.read("natives.ndjson").unwrap().lines().count(), 1_661);

    world.trust("trust", &[]).unwrap();
    let args = ["audit", "--log", &url, "--trust", "trust", "--state", "state", "--out", "report"];
    let rules = format!("rules={}", sample("rules.csv").display());
    let ask = ["--ask", "q1", "--ask", "q8", "--ask", "q9", "--param", &rules, "--param", "above=499"];
    let more = [&["--reader-key", "supervisor.reader", "--json"][..], &ask[..]].concat();
    let audited = world.client(&[&args[..], &more[..]].concat()).unwrap().expect_code(0).unwrap();
    assert!(audited.out.contains("1661 records opened"), "{}", audited.out);
    let report = world.read("report/report.txt").unwrap();
    let answers: Vec<&str> =
        report.lines().filter_map(|line| line.trim().strip_prefix("answer ")).map(str::trim).collect();
    assert_eq!(
        answers,
        [
            "369 found, 2 cannot be decided, NOT complete",
            "62 found, 2 cannot be decided, NOT complete",
            "3 found, 7 cannot be decided, NOT complete",
        ]
    );
}

#[test]
fn damaged_lines_are_events_or_named_and_never_a_panic() {
    let mapping = Mapping::load(&sample("mapping.toml")).unwrap();
    let mut bytes = std::fs::read(sample("audit.json")).unwrap();
    // A byte of every 997 becomes another one; line ends stay where they are.
    let damage = [b'"', b'\\', 0xff, b',', b'{', b'0', 0x1b, b'n'];
    for (at, byte) in bytes.iter_mut().enumerate().filter(|(_, byte)| **byte != b'\n').step_by(997) {
        *byte = damage[at / 997 % damage.len()];
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.json");
    std::fs::write(&file, &bytes).unwrap();
    let (events, counts) = import(Kind::Pgaudit, &mapping, &[file]);
    let left_out: u64 = counts.left_out().map(|(_, group)| group.records).sum();
    assert_eq!(events.len() as u64 + left_out, 1_756);
    assert!(counts.faults() > 100 && !events.is_empty(), "{} faults, {} events", counts.faults(), events.len());
}
