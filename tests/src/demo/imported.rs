//! Real records of accesses become sealed events, and come out of the log again as they went in.
//!
//! What went in is what `import --dry-run` prints; what comes out is what a reader's key opens. Not here: accesses that are
//! logged before they are made (`access`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use vitrine_spec::fields::Field;

use super::show::Show;
use crate::harness::process::Outcome;
use crate::harness::world::World;

/// The issuer of imported records.
pub const SOURCE: &str = "database";

/// The files of a source.
#[derive(Clone, Debug)]
pub struct Source {
    kind: &'static str,
    mapping: PathBuf,
    files: PathBuf,
}

/// A mapping for CloudTrail: its regions as sites, all else is not known.
const CLOUD: &str =
    "sites = { us-east-1 = \"US-VA-1\", us-east-2 = \"US-OH-1\", us-west-1 = \"US-CA-1\", us-west-2 = \"US-OR-1\" }\n";

impl Source {
    /// The committed log of PostgreSQL with pgaudit: an invented vendor's day, in the project's folder.
    #[must_use]
    pub fn sample(root: &Path) -> Source {
        let folder = root.join("tests/samples/pgaudit");
        Source { kind: "pgaudit", mapping: folder.join("mapping.toml"), files: folder.join("audit.json") }
    }

    /// A folder of CloudTrail files.
    ///
    /// # Errors
    /// When the mapping cannot be written into the world.
    pub fn cloudtrail(world: &World, files: &Path) -> Result<Source, String> {
        world.write("cloudtrail.toml", CLOUD)?;
        Ok(Source { kind: "cloudtrail", mapping: world.path("cloudtrail.toml"), files: files.to_owned() })
    }

    /// The arguments of `import` that say what is read.
    fn read(&self) -> [String; 4] {
        [
            self.kind.to_owned(),
            "--mapping".to_owned(),
            self.mapping.display().to_string(),
            self.files.display().to_string(),
        ]
    }
}

/// The 24 fields of a record by name, without those that are `null`.
pub type Fields = Map<String, Value>;

/// What was imported.
#[derive(Debug)]
pub struct Imported {
    /// The fields of each record, in the order of the log; `native_digest`, which is made of random bytes, is left out.
    pub records: Vec<Fields>,
    /// The first index of theirs, that of their sealing key included.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

/// Reads the JSON that a command printed.
pub(super) fn document(outcome: &Outcome) -> Result<Value, String> {
    serde_json::from_str(&outcome.out).map_err(|e| format!("{}: {e}\n{}", outcome.line, outcome.out))
}

/// Imports every record, each once: a second run logs nothing.
///
/// # Errors
/// What was not as it should be.
pub fn import(world: &World, show: &mut Show, source: &Source) -> Result<Imported, String> {
    let read = source.read();
    let read: Vec<&str> = read.iter().map(String::as_str).collect();
    let dry = world.client(&[&["--json", "import"], read.as_slice(), &["--dry-run"]].concat())?.expect_code(0)?;
    let dry = document(&dry)?;
    let events = dry["events"].as_array().ok_or("import --dry-run prints no events")?;
    let records: Vec<Fields> = events.iter().filter_map(|event| event["fields"].as_object()).map(given).collect();

    let (url, key, print) = (world.url(), format!("{SOURCE}.key"), world.fingerprint.clone());
    let mut args = vec!["--json", "import"];
    args.extend(&read);
    args.extend(["--log", &url, "--policy", "policy", "--key", &key, "--issuer", SOURCE]);
    args.extend(["--charter", &print, "--natives", "natives.jsonl", "--spool", "spool-import"]);
    let logged = document(&world.client(&args)?.expect_code(0)?)?;
    let number = |name: &str| logged[name].as_u64().ok_or_else(|| format!("import says no {name}: {logged}"));
    let (count, first, last) = (number("logged")?, number("first")?, number("last")?);
    if count != records.len() as u64 {
        return Err(format!("{count} records are logged, {} were read", records.len()));
    }
    show.good(&format!("{count} records of {} logged and sealed, entries {first} to {last}", source.kind));
    for line in told(&logged["counts"]) {
        show.good(&line);
    }
    let again = document(&world.client(&args)?.expect_code(0)?)?;
    if again["logged"] != 0 {
        return Err(format!("the same import again logs {}", again["logged"]));
    }
    show.good("the same import again logs nothing");
    show.sum(format!(
        "logged       {count} access records of {} in the access log, each sealed for {} readers",
        source.kind,
        crate::harness::world::READERS.len()
    ));
    Ok(Imported { records, first, last })
}

/// Fields that say something; what else stands in a row of an answer is no field.
fn given(fields: &Fields) -> Fields {
    let says = |(name, value): &(&String, &Value)| {
        Field::of(name).is_some_and(|field| field != Field::NativeDigest) && !value.is_null()
    };
    fields.iter().filter(says).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What an import counts: what the source does not say, and what became no event.
fn told(counts: &Value) -> Vec<String> {
    let fields = counts["fields"].as_object().into_iter().flatten();
    let unknown: Vec<String> = fields
        .filter_map(|(name, row)| Some((name, row["unknown"].as_u64().filter(|count| *count > 0)?)))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let left_out = counts["left_out"].as_array().into_iter().flatten();
    let mut lines = vec![format!("UNKNOWN where the source does not say: {}", unknown.join(", "))];
    lines.extend(
        left_out.map(|group| {
            format!("no event: {} records, {}", group["records"], group["why"].as_str().unwrap_or_default())
        }),
    );
    lines
}

/// Audits with the supervisor's key; `more` goes on the command line.
///
/// # Errors
/// When the command cannot be started.
pub fn audit(world: &World, state: &str, report: &str, more: &[&str]) -> Result<Outcome, String> {
    let url = world.url();
    let mut args = vec!["audit", "--log", &url, "--trust", "trust", "--state", state, "--out", report];
    args.extend(["--reader-key", "supervisor.reader"]);
    args.extend(more);
    world.client(&args)
}

/// The report of an audit.
pub(super) fn report(world: &World, name: &str) -> Result<Value, String> {
    serde_json::from_str(&world.read(&format!("{name}/report.json"))?).map_err(|e| format!("{name}: {e}"))
}

/// The answer to a question in a report.
pub(super) fn answer<'a>(report: &'a Value, question: &str) -> Result<&'a Value, String> {
    let answers = report["answers"].as_array().map(Vec::as_slice).unwrap_or_default();
    answers.iter().find(|answer| answer["question"] == question).ok_or_else(|| format!("no answer to {question}"))
}

/// Opens every record with the supervisor's key and compares its fields with those that were imported.
///
/// The audit opens them all and is asked for what every actor did; a record without an actor is opened by itself.
///
/// # Errors
/// A record that does not open, or says something else.
pub fn opened(world: &World, show: &mut Show, imported: &Imported) -> Result<(), String> {
    let actors: BTreeSet<String> = imported
        .records
        .iter()
        .filter_map(|fields| fields.get("actor").and_then(Value::as_str))
        .map(|actor| format!("actor={actor}"))
        .collect();
    let mut question = vec!["--ask", "actor"];
    question.extend(actors.iter().flat_map(|actor| ["--param", actor.as_str()]));
    audit(world, "state", "report-opened", &question)?.expect_code(0)?;
    let report = report(world, "report-opened")?;
    let rows = answer(&report, "q3")?["rows"].as_array().ok_or("the answer has no rows")?;
    let own = rows.iter().filter(|row| row["issuer"] == SOURCE);
    let found: Vec<Fields> = own.filter_map(|row| row["fields"].as_object()).map(given).collect();
    let (named, nameless): (Vec<&Fields>, Vec<&Fields>) =
        imported.records.iter().partition(|fields| fields.contains_key("actor"));
    compare(&found.iter().collect::<Vec<_>>(), &named)?;

    let shown: BTreeSet<u64> = rows.iter().filter_map(|row| row["index"].as_u64()).collect();
    let rest = (imported.first..=imported.last).filter(|index| !shown.contains(index));
    let mut alone = Vec::new();
    for index in rest {
        // A sealing key stands among the records, and has none.
        let opened = document(&open(world, index, &[])?)?;
        if let Some(fields) = opened["fields"].as_object() {
            alone.push(given(fields));
        }
    }
    compare(&alone.iter().collect::<Vec<_>>(), &nameless)?;
    show.good(&format!("the supervisor's key opens all {}, and each says what was imported", imported.records.len()));
    show.sum(format!(
        "opened       all {} again with the supervisor's key, every field as it was imported",
        imported.records.len()
    ));
    Ok(())
}

/// Runs `open` of one entry.
pub(super) fn open(world: &World, index: u64, more: &[&str]) -> Result<Outcome, String> {
    let (url, index) = (world.url(), index.to_string());
    let args = ["--json", "open", &index, "--log", &url, "--reader-key", "supervisor.reader"];
    world.client(&[&args, more].concat())
}

fn compare(found: &[&Fields], wanted: &[&Fields]) -> Result<(), String> {
    if let Some((number, (found, wanted))) =
        found.iter().zip(wanted).enumerate().find(|(_, (found, wanted))| found != wanted)
    {
        return Err(format!("record {number} was imported as\n  {wanted:?}\nand opens as\n  {found:?}"));
    }
    if found.len() != wanted.len() {
        return Err(format!("{} records were imported, {} open", wanted.len(), found.len()));
    }
    Ok(())
}
