//! `import`: records of CloudTrail, of CSV, of PostgreSQL with pgaudit into a log, each once (cli.md; docs/import.md).
//!
//! Reads arguments and files' names, runs, reports. Not here: what a record says (`import::*`), builds (`import_slsa`).

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use vitrine_spec::fields::Field;
use vitrine_spec::hash::Hash;
use vitrine_spec::words::Name;

use super::import_slsa;
use crate::clock;
use crate::deliver::Clock;
use crate::exit::{Exit, Failure};
use crate::explain::json_of;
use crate::http::Log;
use crate::import::counts::Counts;
use crate::import::done::Done;
use crate::import::natives::Natives;
use crate::import::run::{Logged, Run};
use crate::import::{Importer, Kind, Mapping};
use crate::keyfile;
use crate::output::{Out, Report};
use crate::policies;
use crate::readers;
use crate::spool::{self, Spool};

/// `import`.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Accesses from AWS CloudTrail
    Cloudtrail(Records),
    /// Accesses from CSV with a header line
    Csv(Records),
    /// Accesses from PostgreSQL with pgaudit, log_destination = jsonlog
    Pgaudit(Records),
    /// Builds from artifacts with their SLSA provenance
    Slsa(import_slsa::Slsa),
}

/// `import` of records.
#[derive(Debug, Args)]
#[command(after_help = "\
What a source does not say is UNKNOWN or null, and counted; what becomes no event is named with its
reason. The same command run again logs nothing twice: a file is recognised by its content, also
when it was renamed, packed or written on since then.
Exit 1 means that records could not be read; everything else was logged.")]
pub struct Records {
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG", required_unless_present = "dry_run")]
    log: Option<String>,
    /// Whom to believe that an event is logged
    #[arg(long, value_name = "FILE", env = "VITRINE_POLICY", required_unless_present = "dry_run")]
    policy: Option<PathBuf>,
    /// The issuer's private key
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    key: Option<PathBuf>,
    /// The issuer that the log knows the key by
    #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
    issuer: Option<String>,
    /// The fingerprint that the readers' keys must go back to; that of the trust directory when not given
    #[arg(long, value_name = "FINGERPRINT")]
    charter: Option<String>,
    /// The trust directory
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// What the source does not say, and the tables for it
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Where the random bytes in the digests of raw records are kept, one JSON line per event
    #[arg(long, value_name = "FILE", required_unless_present_any = ["dry_run", "no_native_digest"])]
    natives: Option<PathBuf>,
    /// Log no digest of raw records
    #[arg(long, conflicts_with = "natives")]
    no_native_digest: bool,
    /// Where events wait, and what was imported is remembered; vitrine/spool in the user's state folder when not given
    #[arg(long, value_name = "DIR", env = "VITRINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Seconds to go on trying while the log takes nothing; 0 tries once
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// At most this many events; the next run goes on there
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print what would be logged as JSON lines, and log nothing
    #[arg(long)]
    dry_run: bool,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// Files in the order in which they were written, plain or gzip; of a directory those of its kind, by name; - for standard input, which is not recognised again
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The time that may be spent on a batch that the log does not take; it begins again with each one that it took.
struct Patience {
    wait: Duration,
    since: Cell<Instant>,
}

impl Clock for Patience {
    fn now(&self) -> u64 {
        clock::now()
    }

    fn left(&self) -> Duration {
        self.wait.saturating_sub(self.since.get().elapsed())
    }

    fn pause(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}

/// Runs `import`.
pub fn run(args: &Import, out: &Out) -> Result<Exit, Failure> {
    match args {
        Import::Cloudtrail(args) => records(args, Kind::CloudTrail, out),
        Import::Csv(args) => records(args, Kind::Csv, out),
        Import::Pgaudit(args) => records(args, Kind::Pgaudit, out),
        Import::Slsa(args) => import_slsa::run(args, out),
    }
}

fn records(args: &Records, kind: Kind, out: &Out) -> Result<Exit, Failure> {
    let mapping = Mapping::load(&args.mapping)?;
    let mut files = Vec::new();
    for path in &args.files {
        expand(path, kind, &mut files)?;
    }
    if args.dry_run { dry_run(args, kind, &mapping, &files, out) } else { log(args, kind, &mapping, &files, out) }
}

/// Prints what would be logged; the digest of a raw record is made of random bytes, so it is left out.
fn dry_run(args: &Records, kind: Kind, mapping: &Mapping, files: &[PathBuf], out: &Out) -> Result<Exit, Failure> {
    let mut importer = Importer::new(kind, mapping, false)?;
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut events = Vec::new();
    'files: for path in files {
        let mut reading = importer.open(path)?;
        loop {
            if importer.counts.events == limit {
                break 'files;
            }
            let Some(event) = importer.next(&mut reading)? else { break };
            let fields: Map<String, Json> = Field::ALL
                .into_iter()
                .map(|field| (field.name().to_owned(), json_of(event.values.get(field))))
                .collect();
            let line = json!({"from": event.line, "fields": fields});
            if out.is_json() {
                events.push(line);
            } else {
                out.data(format!("{line}\n").as_bytes());
            }
        }
    }
    if !out.is_json() {
        told(&importer.counts).iter().for_each(|line| out.note(line));
    }
    warn(&importer, out);
    let counts = &importer.counts;
    let mut report = end(&importer, format!("{} would be logged", counts.events)).with("counts", counts.json());
    if out.is_json() {
        report = report.with("events", events);
    }
    Ok(out.report_beside_data(&report))
}

fn log(args: &Records, kind: Kind, mapping: &Mapping, files: &[PathBuf], out: &Out) -> Result<Exit, Failure> {
    let missing = |what: &str| Failure::usage("usage", format!("{what} is missing")).now("see --help");
    let policy = policies::load(args.policy.as_deref().ok_or_else(|| missing("--policy"))?, args.unwitnessed)?;
    let key = keyfile::read_event_key(args.key.as_deref().ok_or_else(|| missing("--key"))?)?;
    let remote = Log::new(args.log.as_deref().ok_or_else(|| missing("--log"))?)?;
    let issuer = args.issuer.as_deref().ok_or_else(|| missing("--issuer"))?;
    let issuer = Name::new(issuer).ok_or_else(|| {
        Failure::usage("name", "this is not an issuer's name")
            .side("given", issuer)
            .side("wanted", "3 to 64 of a-z, 0-9 and -")
    })?;
    let pinned = readers::pin(args.charter.as_deref(), args.trust.as_deref(), args.unwitnessed)?;
    let dir = match &args.spool {
        Some(dir) => dir.clone(),
        None => spool::default_dir()?,
    };
    // A spool of its own for this log and issuer: nobody else delivers what is in it.
    let log = Hash::of_parts(&[pinned.event_id().as_bytes(), issuer.as_str().as_bytes()]).hex();
    let dir = dir.join("import").join(format!("{issuer}-{}", log.get(..16).unwrap_or_default()));
    let wait = Duration::from_secs(args.wait);
    let clock = Patience { wait, since: Cell::new(Instant::now()) };
    let spool = Spool::open(&dir, wait)?;
    let natives = args.natives.as_deref().map(Natives::open).transpose()?;
    let mut importer = Importer::new(kind, mapping, natives.is_some())?;
    let sealer = || readers::sealer(&remote, &policy, &pinned, &issuer, &key, clock::now()).map(|(sealer, _)| sealer);
    let mut run = Run {
        remote: &remote,
        url: remote.url(),
        policy: &policy,
        clock: &clock,
        done: Done::open(&dir)?,
        spool: &spool,
        natives,
        sealer: &sealer,
        limit: args.limit.unwrap_or(u64::MAX),
    };
    let bar = out.counter("importing");
    let mut logged = Logged::default();
    let paths = files.iter().map(PathBuf::as_path);
    let ended = run.all(&mut importer, kind, paths, &mut logged, &mut |events| {
        clock.since.set(Instant::now());
        bar.inc(events);
    });
    bar.finish_and_clear();
    warn(&importer, out);
    if let Err(failure) = ended {
        return Err(match (logged.first, logged.last) {
            (Some(first), Some(last)) => {
                failure.side("logged by this run", format!("{}, at {first} to {last}", logged.accesses))
            }
            _ => failure.side("logged by this run", logged.accesses),
        });
    }
    let at = match (logged.first, logged.last) {
        (Some(first), Some(last)) => format!(" in entries {first} to {last}, where sealing keys have entries too"),
        _ => String::new(),
    };
    let accesses = if logged.accesses == 1 { "access" } else { "accesses" };
    let mut report = end(&importer, format!("{} {accesses} logged{at}", logged.accesses))
        .with("logged", logged.accesses)
        .with("first", logged.first)
        .with("last", logged.last)
        .with("records_before", logged.before)
        .with("files_before", logged.files_before)
        .with("limited", logged.limited)
        .with("counts", importer.counts.json());
    if logged.accesses > 0 {
        report = report
            .checked("payload: each leaf holds the event that was sent")
            .checked("inclusion: each leaf is in the tree of the checkpoint")
            .checked("quorum: the checkpoint carries the log's and the witnesses' signatures that the policy asks for");
    }
    if logged.before > 0 {
        let line = format!("{} records imported before, {} whole files", logged.before, logged.files_before);
        report = report.not_checked(line);
    }
    if logged.limited {
        report = report.not_checked("the rest of the files: --limit is reached; the same command goes on there");
    }
    told(&importer.counts).iter().for_each(|line| out.line(line));
    Ok(out.report(&report))
}

/// The end of an import that came to its end: faults in records are in the exit code.
fn end(importer: &Importer<'_>, what: String) -> Report {
    match importer.counts.faults() {
        0 => Report::done("import.done", what),
        faults => Report::new(
            Exit::NotVerified,
            "incomplete",
            "import.faults",
            format!("{what}; {faults} records could not be read and are not in the log"),
        ),
    }
}

fn warn(importer: &Importer<'_>, out: &Out) {
    let (warnings, more) = importer.counts.warnings();
    for warning in warnings {
        out.warn(warning);
    }
    if more > 0 {
        out.warn(&format!("{more} more of these"));
    }
}

/// The counts in lines for people.
fn told(counts: &Counts) -> Vec<String> {
    let mut lines = Vec::new();
    if counts.events > 0 {
        let events = if counts.events == 1 { "event" } else { "events" };
        lines.push(format!("fields of {} {events}", counts.events));
        lines.extend(counts.rows().into_iter().map(|(field, text)| format!("  {field:22}  {text}")));
    }
    for (at, (why, group)) in counts.left_out().enumerate() {
        if at == 0 {
            lines.push("left out".to_owned());
        }
        let first = group.first.join(", ");
        let more = if group.records > group.first.len() as u64 { ", …" } else { "" };
        lines.push(format!("  {:6}  {why} ({first}{more})", group.records));
    }
    lines
}

/// A file, or those of a directory and of the ones in it, by name.
fn expand(path: &Path, kind: Kind, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if path == Path::new("-") || !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Failure::usage("file.read", "a directory cannot be read")
            .side("directory", path.display())
            .side("system", error)
    };
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        inside.push(entry.map_err(failed)?.path());
    }
    inside.sort();
    let before = files.len();
    for path in inside {
        let name = path.to_string_lossy();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        if path.is_dir() || name.ends_with(&format!(".{}", kind.extension())) {
            expand_inside(&path, kind, files)?;
        }
    }
    if files.len() == before {
        return Err(Failure::usage("import.files", "a directory holds no file of this kind")
            .side("directory", path.display())
            .side("wanted", format!("*.{0} or *.{0}.gz", kind.extension())));
    }
    Ok(())
}

/// A directory in a directory may be empty.
fn expand_inside(path: &Path, kind: Kind, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    match expand(path, kind, files) {
        Err(failure) if failure.code == "import.files" => Ok(()),
        other => other,
    }
}
