//! `audit`: a verified copy of a log, every hash and every rule again, and a report that another machine can make (cli.md).
//!
//! The report says of each part what was checked and what was not; sealed records are opened with a reader's key. Not here:
//! one record at a time (`commands::open`).

pub mod report;
pub mod access;
pub mod runs;
pub mod source;
pub mod copy;
pub mod walk;
pub mod chains;
pub mod digests;
pub mod times;
pub mod facts;
pub mod kept;
pub mod seen;
pub mod fold;
pub mod fork;
pub mod head;
pub mod pinned;
pub mod erasures;
pub mod statements;
pub mod sealing;
pub mod counts;
pub mod records;
pub mod parts;
pub mod engine;
pub mod ask;
pub mod figures;
pub mod html_text;
pub mod html_plot;
pub mod html;
pub mod written;
#[cfg(test)]
mod html_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use vitrine_spec::checkpoint::Origin;

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::Log;
use crate::keyfile;
use crate::output::{Out, Report};
use crate::sealed_source::ReaderOf;
use crate::verify_update::load_pins;
use access::{Access, AccessSink};
use ask::Asking;
use ask::answer::Answer;
use copy::Copy;
use engine::{Audited, Question, audit};
use figures::Figures;
use records::Reading;
use report::{Severity, Window};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The log's address, the prefix before /checkpoint
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Folder with `policy` and `trust.toml` [default: /etc/vitrine, then the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Folder of the verified copy: what was read once is kept, and what was seen once must stay
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Folder for report.html, report.txt, report.json and run.json
    #[arg(long, value_name = "REPORT_DIR")]
    out: PathBuf,
    /// Audit the first N entries [default: all]
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Report events recorded from this time on
    #[arg(long, value_name = "T0", requires = "to")]
    from: Option<String>,
    /// Report events recorded before this time; silence is measured up to it, or to the latest time in the log
    #[arg(long, value_name = "T1", requires = "from")]
    to: Option<String>,
    /// A reader's private key file: opens every sealed record and checks it against its leaf
    #[arg(long, value_name = "FILE")]
    reader_key: Option<PathBuf>,
    /// Why the records are read; the log writes it down before it sends them
    #[arg(long, value_name = "TEXT", default_value = "SUPERVISOR_AUDIT", requires = "reader_key")]
    purpose: String,
    /// Answer a question of a supervisor: q1 foreign-reads, q3 actor, q7 silence, q8 residency, q9 bulk, q17 vault-reads; may be
    /// given several times, with --from and --to as the period in which something happened
    #[arg(long, value_name = "NAME")]
    ask: Vec<String>,
    /// A parameter of the questions: region=EU home=CH (q1), actor=NAME (q3), rules=FILE region=EU (q8), above=N builds=FILE
    /// builds-state=DIR (q9), late=SECONDS (all)
    #[arg(long, value_name = "K=V", requires = "ask")]
    param: Vec<String>,
    /// Take a policy that says `quorum none`; the report says so
    #[arg(long)]
    unwitnessed: bool,
}

/// Audits a log; exit 0, 1, 2, 3, 4 or 5.
pub fn run(args: Args, out: &Out) -> Exit {
    let ended = go(&args, out).and_then(|(audited, beside)| {
        write(&args, &audited, &beside)?;
        Ok(show(&args, &audited, &beside, out))
    });
    ended.unwrap_or_else(|failure| out.fail(&failure))
}

/// What stands beside the audit: answers, and counts for the plots.
struct Beside {
    answers: Vec<Answer>,
    figures: Figures,
}

/// Everything that looks at opened accesses.
struct Looking {
    asking: Asking,
    figures: Figures,
}

impl AccessSink for Looking {
    fn see(&mut self, access: &Access) {
        self.asking.see(access);
        self.figures.see(access);
    }
}

fn go(args: &Args, out: &Out) -> Result<(Audited, Beside), Failure> {
    let time = |text: &Option<String>| text.as_deref().map(clock::parse).transpose();
    let window = Window { from: time(&args.from)?, to: time(&args.to)? };
    if let (Some(from), Some(to)) = (window.from, window.to)
        && from >= to
    {
        return Err(Failure::usage("audit.window", "the window is empty")
            .side("from", clock::show(from))
            .side("to", clock::show(to)));
    }
    let asking = Asking::new(ask::given::read(&args.ask, &args.param, window)?);
    let mut looking = Looking { asking, figures: Figures::new(window) };
    let pins = load_pins(args.trust.as_deref(), args.unwitnessed)?;
    let key = args.reader_key.as_deref().map(keyfile::read_reader).transpose()?;
    let origin = Origin::new(pins.trust().origin.as_str())
        .map_err(|error| Failure::usage("trust.origin", "the trust file names no origin").side("reason", error))?;
    let log = Log::new(&args.log)?;
    let copy = Copy::open(&args.state)?;
    let question = Question { size: args.size, window, now: Some(clock::now()) };
    let records =
        key.as_ref().map(|key| ReaderOf { log: &log, origin: &origin, sign: &key.sign, purpose: &args.purpose });
    let late = !args.ask.is_empty();
    let reading = key.as_ref().zip(records.as_ref()).map(|(key, records)| Reading {
        key,
        records,
        sink: Some(&mut looking),
        late,
    });
    let bar = out.progress(0, "entries");
    let audited = audit(&log, &copy, &pins, &question, reading, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let (audited, Looking { asking, figures }) = (audited?, looking);
    let answers = asking.finish(&audited.facts);
    Ok((audited, Beside { answers, figures }))
}

fn write(args: &Args, audited: &Audited, beside: &Beside) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.out).map_err(|error| {
        Failure::usage("file.write", "the report cannot be written")
            .side("folder", args.out.display())
            .side("system", error)
    })?;
    let unprintable = |error: serde_json::Error| Failure::usage("audit.report", error.to_string());
    let Audited { report, facts, .. } = audited;
    let written = written::write(report, facts, &beside.figures, &beside.answers).map_err(unprintable)?;
    // What sealed records say is for those who may read them.
    let public = args.reader_key.is_none() && beside.answers.is_empty();
    let put = if public { files::replace } else { files::replace_private };
    put(&args.out.join("report.json"), written.json.as_bytes())?;
    put(&args.out.join("report.txt"), written.text.as_bytes())?;
    put(&args.out.join("report.html"), written.html.as_bytes())?;
    write_rules(&args.out.join("rules.csv"), written.rules.as_deref())?;
    let run = serde_json::to_string_pretty(&audited.run).map_err(unprintable)? + "\n";
    files::replace(&args.out.join("run.json"), run.as_bytes())
}

/// Writes the table of the log's own data rules, which `q8` takes; one of another size does not stay in its place.
fn write_rules(path: &std::path::Path, table: Option<&str>) -> Result<(), Failure> {
    match (table, std::fs::remove_file(path)) {
        (Some(table), _) => files::replace(path, table.as_bytes()),
        (None, Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::usage("file.write", "an older table of rules cannot be removed")
                .side("file", path.display())
                .side("system", error))
        }
        (None, _) => Ok(()),
    }
}

/// The exit code of an audit: the worst finding, those of this run included.
pub fn exit(audited: &Audited) -> Exit {
    let worst = audited.report.worst().max(audited.run.silent_now.iter().map(|finding| finding.severity).max());
    match worst {
        Some(Severity::Misbehaviour) => Exit::Misbehaved,
        Some(Severity::Finding) => Exit::NotVerified,
        Some(Severity::Pending) => Exit::NotYet,
        Some(Severity::Note) | None => Exit::Done,
    }
}

fn show(args: &Args, audited: &Audited, beside: &Beside, out: &Out) -> Exit {
    let (report, run) = (&audited.report, &audited.run);
    for section in &report.sections {
        for finding in &section.findings {
            out.line(&format!("{}  {}: {}", finding.severity.word(), finding.code, finding.text));
        }
        if section.findings_more != 0 {
            out.line(&format!("and {} more in {}", section.findings_more, section.name));
        }
    }
    for finding in &run.silent_now {
        out.line(&format!("{}  {}: {}", finding.severity.word(), finding.code, finding.text));
    }
    for answer in &beside.answers {
        answer.text().lines().for_each(|line| out.line(line));
    }
    let exit = exit(audited);
    // A silence that only this run's clock shows is not in the report, and still decides.
    let (verdict, code, reason) = match run.silent_now.first() {
        Some(silent) if report.worst() < Some(Severity::Finding) => {
            (Exit::NotVerified.word(), silent.code.as_str(), silent.text.as_str())
        }
        _ => (report.verdict, report.code.as_str(), report.reason.as_str()),
    };
    let mut end = Report::new(exit, verdict, code, format!("{}, {} entries: {reason}", report.origin, report.size));
    for section in &report.sections {
        end.checked.extend(section.checked.iter().map(|line| format!("{}: {line}", section.name)));
        end.not_checked.extend(section.not_checked.iter().map(|line| format!("{}: {line}", section.name)));
    }
    end.limits = true;
    end = end.with("report", args.out.join("report.json").display().to_string());
    end = end.with("size", report.size).with("root", report.root.clone());
    if let Ok(sections) = serde_json::to_value(&report.sections) {
        end = end.with("sections", sections);
    }
    if let (false, Ok(answers)) = (beside.answers.is_empty(), serde_json::to_value(&beside.answers)) {
        end = end.with("answers", answers);
    }
    if let Ok(run) = serde_json::to_value(run) {
        end = end.with("run", run);
    }
    let exit = out.report(&end);
    out.line(&format!("report in {}", args.out.display()));
    for kept in &run.evidence {
        out.line(&format!("evidence in {}", args.state.join(kept).display()));
    }
    // The verdict speaks of the log; the answers have the last word.
    if let Some(tally) = ask::answer::tally(&beside.answers) {
        out.line(&tally);
    }
    exit
}
