//! `watch`: every leaf of a log, read once, in order, verified; what somebody wants to know of it is told at least once (docs/watch.md).
//!
//! For vendors: what was logged in their name that they did not release. For customers: revocations, second digests, disowned
//! events, failed rebuilds and verdicts. Not here: sealed records, and the report that another machine can make (`audit`).

pub mod alert;
pub mod releases;
pub mod sinks;
pub mod state;
pub mod book;
pub mod engine;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;
use vitrine_spec::checkpoint::Origin;

use crate::audit::head::Head;
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::{Log, Webhook};
use crate::keyfile;
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::output::{Out, Report};
use crate::verify_update::load_pins;
use book::Mine;
use engine::{Ground, Round, Start, Watch};
use releases::Releases;
use sinks::{Sink, Sinks, ToCommand, ToFile, ToOutput, ToWebhook, told};
use state::State;

/// How a folder is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Begin {
    /// Alerts about everything from entry 0 on
    All,
    /// Alerts about what is logged from now on; everything before is read all the same
    New,
}

/// Arguments of `watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An alert is delivered when every place given with --alert-... has confirmed it; only then does
the watch go on. Killed at any point it delivers the last ones again and loses none. Without
such a place, standard output is the place.

Exit codes with --once:
  0  everything up to the log's checkpoint was read and told
  1  an entry that this version cannot judge
  2  the state is missing, lost or damaged, and nothing is begun anew
  3  the log misbehaved; evidence is kept in the state
  4  the log or a place for alerts cannot be reached
  5  too few witnesses so far
Without --once, 1, 4 and 5 are said and tried again.

Examples:
  log-client watch --log URL --trust trust --state watch --start new --once
  log-client watch --log URL --trust trust --state watch \\
    --releases releases.csv --mine pkg:generic/app@ \\
    --alert-command 'mail -s \"release log\" security@example.com'
  log-client watch --log URL --trust trust --state watch --interval 300 \\
    --alert-url https://alerts.example.com/log --alert-key alert.key")]
pub struct Args {
    /// The log's address, the prefix before /checkpoint
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Folder with `policy` and `trust.toml` [default: /etc/vitrine, then the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// The watch's own folder; `verify-update --watch-state` reads it
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Begin the folder, the first time; without it a missing state ends the command
    #[arg(long, value_name = "WHAT")]
    start: Option<Begin>,
    /// A checkpoint of this log that somebody kept: the log must go on from it
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
    /// One round, then end
    #[arg(long)]
    once: bool,
    /// Seconds between two rounds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// Alert of updates and builds of packages whose purl begins so, and that --releases does not have; may be given several times
    #[arg(long, value_name = "PURL-PREFIX")]
    mine: Vec<String>,
    /// What was released: CSV with the head line purl,file,sha256, or JSON; read again at each round
    #[arg(long, value_name = "FILE")]
    releases: Option<PathBuf>,
    /// A command of the shell that gets each alert as one line of JSON on standard input, and confirms it by ending with 0
    #[arg(long, value_name = "CMD")]
    alert_command: Option<String>,
    /// An address that each alert is posted to, signed; any status of success confirms it
    #[arg(long, value_name = "URL", requires = "alert_key")]
    alert_url: Option<String>,
    /// The Ed25519 private key that signs them
    #[arg(long, value_name = "FILE", requires = "alert_url")]
    alert_key: Option<PathBuf>,
    /// A file that each alert is appended to, as one line of JSON
    #[arg(long, value_name = "FILE")]
    alert_file: Option<PathBuf>,
    /// Seconds to go on trying one that is not confirmed
    #[arg(long, value_name = "S", default_value_t = 60)]
    alert_wait: u64,
    /// Take a policy that says `quorum none`; the report says so
    #[arg(long)]
    unwitnessed: bool,
}

/// Watches a log; ends after one round with `--once`, else at what cannot be gone on with.
pub fn run(args: &Args, out: &Out) -> Result<Exit, Failure> {
    let pins = load_pins(args.trust.as_deref(), args.unwitnessed)?;
    let origin = Origin::new(pins.trust().origin.as_str())
        .map_err(|error| Failure::usage("trust.origin", "the trust file names no origin").side("reason", error))?;
    let log = Log::new(&args.log)?;
    let mut mine: Result<Mine, (Failure, bool)> = Ok(mine(args)?);
    let (sinks, own) = sinks(args, out)?;
    let seen = match &args.seen {
        Some(path) => Some(Head::read(files::read(path, CHECKPOINT_BYTES_MAX)?, &pins, None)?),
        None => None,
    };
    let state = State::open(&args.state)?;
    let start = args.start.map(|begin| match begin {
        Begin::All => Start::All,
        Begin::New => Start::New,
    });
    let ground = Ground { state: &state, pins: &pins, origin: &origin, sinks: &sinks };
    let mut watch = Watch::open(ground, start, seen)?;
    loop {
        let bar = out.progress(0, "entries");
        // A list that is just being written must not let everything be told that is in it: then this round is left out.
        let ended = mine.and_then(|mine| {
            let round = watch.round(&log, &mine, clock::now(), &|done, all| {
                bar.set_length(all);
                bar.set_position(done);
            });
            round.map(|round| (round, mine)).map_err(|failure| (failure, true))
        });
        bar.finish_and_clear();
        match ended {
            Ok((round, mine)) => {
                if !own {
                    round.alerts.iter().for_each(|alert| out.line(&told(alert)));
                }
                if args.once {
                    return Ok(out.report(&report(args, &watch, &round, &sinks, &mine)));
                }
                if round.to > round.from || round.count() > 0 {
                    out.note(&said(&watch, &round));
                }
            }
            Err((failure, of_watch))
                if args.once || (of_watch && matches!(failure.exit, Exit::Misbehaved | Exit::Usage)) =>
            {
                return Err(failure);
            }
            Err((failure, _)) => out.warn(&format!("{failure}; tried again in {} s", args.interval)),
        }
        std::thread::sleep(Duration::from_secs(args.interval));
        mine = self::mine(args).map_err(|failure| (failure, false));
    }
}

fn mine(args: &Args) -> Result<Mine, Failure> {
    let releases = args.releases.as_deref().map(Releases::read).transpose()?;
    Ok(Mine::new(&args.mine, releases))
}

/// Where alerts go, and whether that is standard output for want of another place.
fn sinks(args: &Args, out: &Out) -> Result<(Sinks, bool), Failure> {
    let mut all: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(path) = &args.alert_file {
        all.push(Box::new(ToFile { path: path.clone() }));
    }
    if let Some(command) = &args.alert_command {
        all.push(Box::new(ToCommand::new(command.clone())));
    }
    if let (Some(url), Some(key)) = (&args.alert_url, &args.alert_key) {
        let hook = Webhook::new(url)?;
        all.push(Box::new(ToWebhook { hook, key: keyfile::read_event_key(key)? }));
    }
    let own = all.is_empty();
    if own {
        all.push(Box::new(ToOutput { json: out.is_json() }));
    }
    Ok((Sinks::new(all, Duration::from_secs(args.alert_wait), std::thread::sleep), own))
}

fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn entries(count: u64) -> String {
    counted(count, "entry", "entries")
}

fn said(watch: &Watch<'_>, round: &Round) -> String {
    let (size, _) = watch.position();
    let new = round.to.saturating_sub(round.from);
    let alerts = match round.count() {
        0 => "no alert".to_owned(),
        1 => "1 alert delivered".to_owned(),
        count => format!("{count} alerts delivered"),
    };
    let new = if new == 0 { "nothing new".to_owned() } else { format!("{new} of them new") };
    format!("{} read, {new}, {alerts}", entries(size.get()))
}

fn report(args: &Args, watch: &Watch<'_>, round: &Round, sinks: &Sinks, mine: &Mine) -> Report {
    let (size, root) = watch.position();
    let mut report = Report::done("watch", said(watch, round))
        .checked(format!("checkpoint: signed by the log, {}", round.witnessed))
        .checked(format!(
            "entries: all {size} hashed into the tree of the checkpoint, which grew from the one remembered"
        ))
        .checked("admission: every entry judged again by the rules, every signature verified");
    if round.count() > 0 {
        report = report.checked(format!("alerts: each confirmed by {}", sinks.names()));
    }
    match &mine.releases {
        Some(releases) => {
            report = report.checked(format!(
                "releases: new updates and builds of {} against the list of {}",
                mine.prefixes.join(", "),
                counted(releases.len() as u64, "row", "rows")
            ));
        }
        None if mine.prefixes.is_empty() => {
            report = report.not_checked("updates and builds against a list of releases: give --releases or --mine");
        }
        None => {}
    }
    if round.skipped > 0 {
        report = report.not_checked(format!(
            "{} about what was logged before --start new: not sent",
            counted(round.skipped, "alert", "alerts")
        ));
    }
    if watch.unknown() > 0 {
        report = report.not_checked(format!(
            "{} of types that this version does not know, passed: key and place hold, what is said there was not read",
            entries(watch.unknown())
        ));
    }
    report = report
        .not_checked(
            "sealed records and attachments: `audit --reader-key` opens the first, nobody here reads the second",
        )
        .not_checked("what an issuer did not log");
    report.limits = true;
    let delivered: serde_json::Map<String, serde_json::Value> =
        round.delivered.iter().map(|(code, count)| ((*code).to_owned(), (*count).into())).collect();
    report
        .with("log", args.log.clone())
        .with("size", size.get())
        .with("root", root.to_string())
        .with("from", round.from)
        .with("delivered", delivered)
        .with("skipped", round.skipped)
        .with("unknown", watch.unknown())
        .with("alerts", json!(round.alerts))
        .with("watched", args.state.join("watched").display().to_string())
}
