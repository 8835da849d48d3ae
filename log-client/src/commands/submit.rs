//! `submit`: events into the log, each with its proof, none lost on the way (cli.md; design.md 1 and 4).
//!
//! Reads files, fills the spool, delivers, reports. Not here: what happens on the way (`deliver`), the spool's files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use vitrine_spec::envelope::Submission;
use vitrine_spec::hash::Hash;
use vitrine_spec::text::b64;

use crate::batch::Remote;
use crate::clock;
use crate::deliver::{Clock, Courier, Outcome, exit_of};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::Log;
use crate::keyfile;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies;
use crate::spool::{self, Parcel, Record, Spool};

/// `submit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The proof of FILE is written to FILE.tlog-proof once the log has answered with a checkpoint that
the policy accepts.
An event without a place or a signature is placed and signed with --key; FILE then holds it as it
was logged.
Exit 5 means that something is still in the spool: run the same command again, or `submit` without
a file.")]
pub struct Submit {
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Whom to believe that an event is logged
    #[arg(long, value_name = "FILE", env = "VITRINE_POLICY")]
    policy: PathBuf,
    /// The issuer's private key: signs what has no signature at all (what others sign too is signed with `event sign`), and signs again when another event took its place
    #[arg(long, value_name = "FILE", env = "VITRINE_KEY")]
    key: Option<PathBuf>,
    /// Where events wait; vitrine/spool in the user's state folder when not given
    #[arg(long, value_name = "DIR", env = "VITRINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Seconds to go on trying; 0 tries once. One try can take the 60 s that the log waits for its quorum
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// Event files, or - for one on standard input, whose proof goes to standard output; none: what waits in the spool
    files: Vec<PathBuf>,
}

/// A clock whose time is over after a while.
pub(super) struct Deadline(Instant);

impl Deadline {
    /// So much time from now on.
    pub(super) fn after(wait: Duration) -> Deadline {
        Deadline(Instant::now() + wait)
    }
}

impl Clock for Deadline {
    fn now(&self) -> u64 {
        clock::now()
    }

    fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Up to a quarter longer, so that jobs which were refused together do not come again together.
    fn pause(&self, pause: Duration) {
        let mut byte = [0];
        // Without randomness they do.
        let _ = getrandom::fill(&mut byte);
        let longer = pause.saturating_add(pause.mul_f64(f64::from(byte[0]) / 1024.0));
        std::thread::sleep(longer.min(self.left().max(pause)));
    }
}

/// Runs `submit`.
pub fn run(args: Submit, out: &Out) -> Result<Exit, Failure> {
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let key = args.key.as_deref().map(keyfile::read_event_key).transpose()?;
    let log = Log::new(&args.log)?;
    let mut given = Vec::new();
    let dir = match &args.spool {
        Some(dir) => dir.clone(),
        None => spool::default_dir()?,
    };
    for file in &args.files {
        given.push(record(file, &dir)?);
    }
    let wait = Duration::from_secs(args.wait);
    let clock = Deadline::after(wait);
    let spool = Spool::open(&dir, wait)?;
    let courier = Courier { remote: &log, policy: &policy, key: key.as_ref(), spool: &spool, clock: &clock };
    let Sent { outcomes, parcels, elsewhere, failed } = send(&courier, log.url(), given, out)?;
    let mut report = report(&outcomes, &parcels, &spool);
    if elsewhere > 0 {
        report =
            report.not_checked(format!("{elsewhere} of earlier runs, still in the spool {}", spool.dir().display()));
    }
    if args.files.iter().any(|file| file == Path::new("-")) {
        for delivered in
            outcomes.iter().flat_map(|outcome| &outcome.delivered).filter(|delivered| delivered.file.is_none())
        {
            out.data(&delivered.proven.print());
        }
        return Ok(out.report_beside_data(&report));
    }
    for outcome in &outcomes {
        tell(outcome, out);
    }
    failed.map_or_else(|| Ok(out.report(&report)), Err)
}

/// What became of what waited in the spool and of what was given.
pub(super) struct Sent {
    /// Of each parcel, as far as they were tried.
    pub(super) outcomes: Vec<Outcome>,
    /// What of each is still in the spool.
    pub(super) parcels: Vec<Parcel>,
    /// Events of earlier runs that are still there.
    pub(super) elsewhere: usize,
    /// What ended it early.
    pub(super) failed: Option<Failure>,
}

/// Takes events on and delivers them, after what waits for this log already.
pub(super) fn send<R: Remote, C: Clock>(
    courier: &Courier<'_, R, C>,
    url: &str,
    given: Vec<Record>,
    out: &Out,
) -> Result<Sent, Failure> {
    let spool = courier.spool;
    let asked = !given.is_empty();
    let (mut parcels, earlier, known) = take_on(spool, url, given)?;
    let events: u64 = parcels.iter().map(|parcel| parcel.records.len() as u64).sum();
    let bar = out.progress(events, "submitting");
    let mut outcomes = Vec::new();
    let mut failed = None;
    let mut elsewhere = 0;
    for (at, parcel) in parcels.iter_mut().enumerate() {
        let mut outcome = Outcome::default();
        let ended = courier.deliver(parcel, &mut outcome);
        bar.inc((outcome.delivered.len() + outcome.rejected.len()) as u64);
        if let Err(failure) = ended {
            let ours = at >= earlier;
            if at >= known && !outcome.sent && matches!(failure.exit, Exit::Usage | Exit::NotVerified) {
                // Nothing of it left this machine: what was wrong on the command line must not be logged by a later run.
                parcel.records.clear();
                spool.store(parcel)?;
                failed = failed.or(Some(failure.side("events", "not taken on")));
            } else if ours || matches!(failure.exit, Exit::Misbehaved | Exit::Unreachable) {
                failed = Some(failure.side("events", format!("still in the spool {}", spool.dir().display())));
                outcomes.push(outcome);
                break;
            } else {
                // An event of an earlier run, perhaps of another issuer, must not hold up this one.
                out.warn(&format!("an earlier event stays in the spool: {failure}"));
                outcome.waiting = Some(failure.to_string());
            }
        }
        if at < earlier && asked && outcome.waiting.take().is_some() {
            // Said above or below, and still in the spool: it is not what this run was asked for.
            elsewhere += parcel.records.len();
        }
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    Ok(Sent { outcomes, parcels, elsewhere, failed })
}

/// What is to be delivered: what waits for this log already, and what was given and does not wait yet; with the number of
/// parcels that hold nothing of what was given, and of those that were in the spool before.
fn take_on(spool: &Spool, log: &str, given: Vec<Record>) -> Result<(Vec<Parcel>, usize, usize), Failure> {
    let is_given = |waiting: &Record, given: &Record| {
        waiting.envelope == given.envelope || (waiting.file == given.file && waiting.source == given.source)
    };
    let (mut parcels, again): (Vec<Parcel>, Vec<Parcel>) =
        spool.pending()?.into_iter().filter(|parcel| parcel.log == log).partition(|parcel| {
            !parcel.records.iter().any(|waiting| given.iter().any(|record| is_given(waiting, record)))
        });
    let earlier = parcels.len();
    parcels.extend(again);
    let waits =
        |record: &Record| parcels.iter().flat_map(|parcel| &parcel.records).any(|waiting| is_given(waiting, record));
    let new: Vec<Record> = given.iter().filter(|record| !waits(record)).cloned().collect();
    let known = parcels.len();
    parcels.extend(spool.add(log, new)?);
    Ok((parcels, earlier, known))
}

/// An event file on its way; its proof goes beside it.
pub(super) fn record(file: &Path, spool: &Path) -> Result<Record, Failure> {
    let bytes = files::read(file, EVENT_FILE_BYTES_MAX)?;
    let (event, sealed) = parse(file, &bytes)?;
    let wants_place = event.wants_place();
    if wants_place {
        crate::draft::check_members(&event)?;
    }
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|error| {
            Failure::usage("file.path", "a path cannot be made absolute")
                .side("path", path.display())
                .side("system", error)
        })
    };
    let (name, proof) = if file == Path::new("-") {
        (None, absolute(&spool.join("proofs").join(format!("{}.tlog-proof", event.id())))?)
    } else {
        (Some(absolute(file)?), absolute(&files::beside(file, "tlog-proof"))?)
    };
    Ok(Record {
        file: name,
        about: None,
        proof: Some(proof),
        source: Hash::of(&bytes).hex(),
        envelope: event.line(),
        unplaced: wants_place,
        asks_release: event.kind() == Some("update") && event.body("release_seq").is_none(),
        sealed,
    })
}

/// An event file, or for a sealed type what is sent: `{envelope, sealed}`, as a spool keeps it.
fn parse(file: &Path, bytes: &[u8]) -> Result<(EventFile, Option<String>), Failure> {
    if let Ok(Submission { envelope, sealed }) = Submission::parse(bytes, 1) {
        let event = EventFile::of(envelope).map_err(|why| {
            Failure::refused("event.malformed", "this submission holds no event")
                .side("file", file.display())
                .side("reason", why)
        })?;
        return Ok((event, sealed.map(|record| b64(&record))));
    }
    let event = EventFile::parse_named(file, bytes)?;
    if event.is_sealed() {
        return Err(Failure::refused("event.sealed", "an event of this type comes with its sealed record")
            .side("file", file.display())
            .side("type", event.kind().unwrap_or_default())
            .now("accesses are sealed and sent by `import` and `gateway`; a file of theirs is {\"envelope\": …, \"sealed\": …}"));
    }
    Ok((event, None))
}

fn tell(outcome: &Outcome, out: &Out) {
    for delivered in &outcome.delivered {
        let name = delivered.file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        let again = if delivered.duplicate { ", was there already" } else { "" };
        out.line(&format!("{name}: logged at {}{again}, {}", delivered.logged.index, delivered.logged.witnessed()));
    }
    for rejected in &outcome.rejected {
        let name = rejected.file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        out.line(&format!(
            "{name}: refused, {} ({}): {}; kept in {}",
            rejected.problem.title,
            rejected.problem.code,
            rejected.problem.detail,
            rejected.kept.display()
        ));
        if let Some(now) = rejected.now {
            out.line(&format!("  now: {now}"));
        }
    }
}

fn report(outcomes: &[Outcome], parcels: &[Parcel], spool: &Spool) -> Report {
    let delivered: usize = outcomes.iter().map(|outcome| outcome.delivered.len()).sum();
    let rejected: usize = outcomes.iter().map(|outcome| outcome.rejected.len()).sum();
    let spooled: usize = parcels.iter().map(|parcel| parcel.records.len()).sum();
    let exit = exit_of(outcomes);
    let first_problem = outcomes.iter().flat_map(|outcome| &outcome.rejected).next();
    let waiting = outcomes.iter().find_map(|outcome| outcome.waiting.as_deref());
    let (verdict, code, reason) = match (exit, first_problem, waiting) {
        (Exit::Done, _, _) if delivered == 0 => {
            ("done", "submit.nothing".to_owned(), "nothing waits in the spool for this log".to_owned())
        }
        (Exit::Done, _, _) => ("done", "submit.logged".to_owned(), format!("{delivered} logged, each with its proof")),
        (_, Some(rejected_one), _) => (
            "refused",
            rejected_one.problem.code.clone(),
            format!(
                "{rejected} refused, {delivered} logged, {spooled} in the spool; first: {}",
                rejected_one.problem.detail
            ),
        ),
        (_, None, why) => (
            "spooled",
            "submit.spooled".to_owned(),
            format!(
                "{spooled} in the spool ({}), {delivered} logged: {}",
                spool.dir().display(),
                why.unwrap_or_default()
            ),
        ),
    };
    let mut report = Report::new(exit, verdict, &code, reason);
    if delivered > 0 {
        report = report
            .checked("payload: the leaf holds the event that was sent")
            .checked("inclusion: each leaf is in the tree of the checkpoint")
            .checked("quorum: the checkpoint carries the log's and the witnesses' signatures that the policy asks for");
    }
    let events: Vec<serde_json::Value> = outcomes
        .iter()
        .flat_map(|outcome| {
            let logged = outcome.delivered.iter().map(|delivered| {
                json!({"state": "logged", "file": delivered.file, "event_id": delivered.event_id, "index": delivered.logged.index.get(),
                    "duplicate": delivered.duplicate, "proof": delivered.proof})
            });
            let refused = outcome.rejected.iter().map(|rejected| {
                json!({"state": "refused", "file": rejected.file, "event_id": rejected.event_id, "code": rejected.problem.code,
                    "detail": rejected.problem.detail, "kept": rejected.kept, "now": rejected.now})
            });
            logged.chain(refused).collect::<Vec<_>>()
        })
        .chain(parcels.iter().flat_map(|parcel| &parcel.records).map(|record| json!({"state": "spooled", "file": record.named()})))
        .collect();
    report
        .with("logged", delivered)
        .with("refused", rejected)
        .with("spooled", spooled)
        .with("signed_again", outcomes.iter().map(|outcome| outcome.signed_again).sum::<u32>())
        .with("events", events)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{NOW, World, event_key, update, values};
    use vitrine_spec::words::{Name, Time};

    #[test]
    fn a_sealed_event_comes_with_its_record_and_is_sent_as_it_is() {
        let world = World::access();
        let (issuer, key) = (Name::new("gateway").unwrap(), event_key("gateway"));
        let made = crate::readers::sealer(&world, &world.policy(), &world.fingerprint(), &issuer, &key, NOW);
        let signed = made.unwrap().0.seal(vec![values("1")], Time::new(NOW)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kept.json");
        std::fs::write(&file, signed[1].waiting().submission()).unwrap();
        let taken = record(&file, dir.path()).unwrap();
        assert_eq!(taken.submission(), signed[1].waiting().submission());
        assert!(!taken.unplaced);
        std::fs::write(&file, signed[1].waiting().envelope).unwrap();
        assert_eq!(record(&file, dir.path()).unwrap_err().code, "event.sealed");
        std::fs::write(&file, update(1, &[]).print()).unwrap();
        assert_eq!(record(&file, dir.path()).unwrap().sealed, None);
    }
}
