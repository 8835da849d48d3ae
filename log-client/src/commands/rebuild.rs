//! `rebuild record`: what an independent rebuilder made, against what a logged build says, said in the log (cli.md).
//!
//! Compares SHA-256 digests by file name and logs the outcome, good or bad. A second run of the same command finds what the
//! first one logged. Not here: building, and whether the source is the one that was reviewed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use vitrine_spec::body::Body;
use vitrine_spec::body::charter::Role;
use vitrine_spec::body::files::Outcome;
use vitrine_spec::body::issuer::{Chained, Independence};
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::limits::TLOG_PROOF_BYTES_MAX;
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::{Kind, Rel};
use vitrine_spec::text::decimal;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::words::Name;

use super::attach::{Document, Putter, document};
use super::submit::{Deadline, Sent, record as waiting, send};
use crate::batch::Remote;
use crate::clock;
use crate::deliver::{Clock, Courier};
use crate::draft::{self, Chain, Draft, Reference, Subject};
use crate::event_file::{EventFile, Members};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::found::{self, Found};
use crate::given::{digest, is_sha256, nonce};
use crate::http::Log;
use crate::keyfile;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::place::{Place, Standing};
use crate::policies;
use crate::spool::{self, Spool};

/// `rebuild`.
#[derive(Debug, Subcommand)]
pub enum Rebuild {
    /// Compare what was produced with what a logged build says, and log the outcome
    Record(Box<Record>),
}

/// `rebuild record`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit 0: identical, and logged. Exit 1: logged, and not identical; or the log refused it (`code`
says which). Exit 5: in the spool, run the same command again.

The event goes to FILE of --out, its proof to FILE.tlog-proof. What this issuer has logged
already, with the same files, outcome and documents, is not logged again.

Examples:
  log-client rebuild record --build app.build.tlog-proof --produced out/app \\
    --as lab.key --issuer lab --log URL --policy P
  log-client rebuild record --build 17 --produced out --buildinfo app.buildinfo \\
    --diff diff.html --as lab.key --issuer lab --log URL --policy P
  log-client rebuild record --build 17 --outcome build-failed --build-log build.log \\
    --as lab.key --issuer lab --log URL --policy P")]
pub struct Record {
    /// The build: its event_id, its index in the log, or its proof
    #[arg(long, value_name = "ID|INDEX|FILE.tlog-proof")]
    build: String,
    /// A file that was made, compared by its name; or a folder in which the files of the build are looked for
    #[arg(long, value_name = "[NAME=]PATH")]
    produced: Vec<String>,
    /// Not every file of the build came out: the outcome is `different`
    #[arg(long, requires = "produced")]
    partial: bool,
    /// What came of it when no file did
    #[arg(long, value_name = "O", value_parser = ["build-failed", "not-attempted"], conflicts_with = "produced")]
    outcome: Option<String>,
    /// The rebuilder's private key
    #[arg(long = "as", value_name = "KEY")]
    key: PathBuf,
    /// The rebuilder's name in the log
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The log's address
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Whom to believe that the build, and then the rebuild, is logged
    #[arg(long, value_name = "FILE", env = "VITRINE_POLICY")]
    policy: PathBuf,
    /// The document that describes the environment; it is put into the log and public from then on
    #[arg(long, value_name = "FILE")]
    buildinfo: Option<PathBuf>,
    /// The document that shows the difference
    #[arg(long, value_name = "FILE")]
    diff: Option<PathBuf>,
    /// The build's log
    #[arg(long, value_name = "FILE")]
    build_log: Option<PathBuf>,
    /// When the rebuild began
    #[arg(long, value_name = "T", requires = "finished")]
    started: Option<String>,
    /// When it ended
    #[arg(long, value_name = "T", requires = "started")]
    finished: Option<String>,
    /// The rebuilder's site, where its opening lists more than one
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// Where to write the event; rebuild-BUILD-CONTENT.json in this folder when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the event waits; vitrine/spool in the user's state folder when not given
    #[arg(long, value_name = "DIR", env = "VITRINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Seconds to go on trying
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// Compare and say what would be logged
    #[arg(long)]
    dry_run: bool,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `rebuild`.
pub fn run(command: Rebuild, out: &Out) -> Result<Exit, Failure> {
    let Rebuild::Record(args) = command;
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let key = keyfile::read_event_key(&args.key)?;
    let documents = Documents::read(&args)?;
    let log = Log::new(&args.log)?;
    let maker = Maker { remote: &log, policy: &policy, key: &key, args: &args, now: clock::now() };
    let plan = maker.plan(&documents)?;
    plan.tell(out);
    if args.dry_run {
        return Ok(out.report(&plan.dry()));
    }
    if let Some(logged) = &plan.logged {
        plan.keep(logged)?;
        return Ok(out.report(&plan.report(&Logged::before(logged))));
    }
    plan.check_file()?;
    documents.put(&log, &plan, &key, &args, out)?;
    let dir = args.spool.clone().map_or_else(spool::default_dir, Ok)?;
    let wait = Duration::from_secs(args.wait);
    let spool = Spool::open(&dir, wait)?;
    let clock = Deadline::after(wait);
    let courier = Courier { remote: &log, policy: &policy, key: Some(&key), spool: &spool, clock: &clock };
    Ok(out.report(&plan.deliver(&courier, log.url(), out)?))
}

/// The documents behind a rebuild: the member of the body that names each, and the file.
#[derive(Default)]
struct Documents(Vec<(&'static str, Document)>);

impl Documents {
    fn read(args: &Record) -> Result<Documents, Failure> {
        let given = [("buildinfo", &args.buildinfo), ("diff", &args.diff), ("log", &args.build_log)];
        let mut found = Vec::new();
        for (member, path) in given {
            if let Some(path) = path {
                found.push((member, document(path, media_type(path))?));
            }
        }
        Ok(Documents(found))
    }

    fn put(&self, log: &Log, plan: &Plan, key: &Seed, args: &Record, out: &Out) -> Result<(), Failure> {
        let origin = plan.build.event.statement.header.origin.clone();
        let wait = Duration::from_secs(args.wait);
        let putter = Putter { log, origin, issuer: plan.issuer.clone(), key: key.clone(), wait };
        let bar = out.progress(self.0.iter().map(|(_, document)| document.attached.size).sum(), "bytes sent");
        let put = self.0.iter().try_for_each(|(_, document)| putter.put(document, &bar).map(|_| ()));
        bar.finish_and_clear();
        put
    }
}

/// What a document is, by the end of its name.
fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("json") => "application/json",
        Some("html" | "htm") => "text/html",
        Some("txt" | "log" | "diff" | "patch" | "buildinfo") => "text/plain",
        Some("gz") => "application/gzip",
        Some(_) | None => "application/octet-stream",
    }
}

/// Everything that a plan is made from.
struct Maker<'a, R> {
    remote: &'a R,
    policy: &'a Policy,
    key: &'a Seed,
    args: &'a Record,
    now: u64,
}

/// Where a rebuilder stands.
struct Standpoint {
    epoch: u32,
    independence: Independence,
    /// Whether its rebuilds stand in its chain.
    chained: bool,
    site: Option<String>,
}

/// What is to be logged, and what was.
struct Plan {
    build: Found,
    purl: String,
    issuer: Name,
    files: Vec<Subject>,
    outcome: Outcome,
    event: EventFile,
    /// Where the event goes.
    out: PathBuf,
    /// The same, when the log has it already.
    logged: Option<Found>,
    /// What this issuer has said of this build otherwise: entry and outcome.
    before: Vec<(LeafIndex, &'static str)>,
}

/// A rebuild that is logged.
struct Logged {
    index: LeafIndex,
    event_id: String,
    witnessed: String,
    duplicate: bool,
}

impl Logged {
    fn before(found: &Found) -> Logged {
        Logged {
            index: found.logged.index,
            event_id: found.event.id.hex(),
            witnessed: found.logged.witnessed(),
            duplicate: true,
        }
    }
}

impl<R: Remote> Maker<'_, R> {
    fn plan(&self, documents: &Documents) -> Result<Plan, Failure> {
        let args = self.args;
        let issuer = Name::new(&args.issuer).ok_or_else(|| {
            Failure::usage("rebuild.issuer", "this is not the name of an issuer").side("given", &args.issuer)
        })?;
        let build = self.build()?;
        let Body::Build(body) = &build.event.statement.body else {
            return Err(Failure::refused("rebuild.build", "this entry is not a build")
                .side("given", &args.build)
                .side("it is", build.event.statement.kind)
                .now("give the build: an update names it in its `releases` reference"));
        };
        let purl = body.purl.clone();
        let files = compare(&build.event, &args.produced, args.partial, args.outcome.as_deref())?;
        let outcome = outcome_of(&files, args.outcome.as_deref());
        let event = self.event(&issuer, &build, files.clone(), outcome, documents)?;
        draft::check_members(&event)?;
        let (logged, before) = self.logged(&issuer, &build, &event)?;
        let content = content(&event);
        let short = |hex: &str| hex.get(..8).unwrap_or_default().to_owned();
        let name = format!("rebuild-{}-{}.json", short(&build.event.id.hex()), short(&content.hex()));
        let out = args.out.clone().unwrap_or_else(|| PathBuf::from(name));
        Ok(Plan { build, purl, issuer, files, outcome, event, out, logged, before })
    }

    /// The build, proven.
    fn build(&self) -> Result<Found, Failure> {
        let given = self.args.build.as_str();
        if is_sha256(given) {
            let id =
                EventId(Hash::from_hex(given).map_err(|error| Failure::usage("rebuild.build", error.to_string()))?);
            return found::by_id(self.remote, self.policy, &id, self.now)?.ok_or_else(|| {
                Failure::refused("rebuild.build", "the log shows no event with this event_id")
                    .side("event_id", given)
                    .now("check that --log is the log of the build; `log-client show DIGEST --log URL` finds a file's build")
            });
        }
        if let Ok(index) = decimal(given) {
            return found::at(self.remote, self.policy, LeafIndex::new(index), self.now);
        }
        let bytes = files::read_judged(Path::new(given), TLOG_PROOF_BYTES_MAX as u64)?;
        found::in_file(self.policy, given, &bytes, self.now)
    }

    /// The event, unsigned; without its place when the issuer's opening asks for one.
    fn event(
        &self,
        issuer: &Name,
        build: &Found,
        files: Vec<Subject>,
        outcome: Outcome,
        documents: &Documents,
    ) -> Result<EventFile, Failure> {
        let args = self.args;
        let origin = build.event.statement.header.origin.clone();
        let Standpoint { epoch, independence, chained, site } = self.standing(&origin, issuer)?;
        let mut body =
            Value::object([("outcome", outcome.name().into()), ("independence", independence.name().into())]);
        let logged = EventFile::of(build.event.envelope.clone())
            .map_err(|why| Failure::refused("event.malformed", "the build cannot be read").side("reason", why))?;
        if let Some(source) = logged.body("source") {
            body.set("source", source.clone());
        }
        for (member, document) in &documents.0 {
            body.set(member, document.attached.sha256.as_str().into());
        }
        let mut attachments: Vec<_> = documents.0.iter().map(|(_, document)| document.attached.clone()).collect();
        attachments.sort();
        attachments.dedup_by(|a, b| a.sha256 == b.sha256);
        let mut fields = Vec::new();
        for (name, time) in [("started", &args.started), ("finished", &args.finished)] {
            fields.extend(time.as_ref().map(|time| format!("{name}={time}")));
        }
        let releases = build.event.id.hex();
        Draft {
            kind: Kind::Rebuild.name().to_owned(),
            origin,
            issuer: issuer.to_string(),
            epoch,
            chain: if chained { Chain::Later } else { Chain::Unchained(nonce()?) },
            recorded: self.now,
            site,
            cosigners: Vec::new(),
            refs: vec![Reference { rel: Rel::Reproduces.to_string(), event_id: releases, origin: None, at: None }],
            body,
            fields,
            files,
            digests: std::collections::BTreeMap::new(),
            attachments,
        }
        .event()
    }

    /// Where the rebuilder stands: by the opening that our own key signed.
    fn standing(&self, origin: &str, issuer: &Name) -> Result<Standpoint, Failure> {
        let answer = self.remote.issuer(issuer.as_str())?;
        let vkey = self.key.vkey();
        if Role::of(issuer.as_str()) == Some(Role::Supervisor) {
            let epoch = Place::read(issuer.as_str(), &answer)?.epoch;
            let (independence, site) = (Independence::Supervisor, self.args.site.clone());
            return Ok(Standpoint { epoch, independence, chained: false, site });
        }
        let standing = Standing::read(origin, issuer.as_str(), &vkey, &answer)?;
        let opening = &standing.opening;
        let (Some(mode), Some(independence)) = (opening.types.get(&Kind::Rebuild), opening.independence) else {
            let types: Vec<&str> = opening.types.keys().map(|kind| kind.name()).collect();
            return Err(Failure::refused("rebuild.issuer", "this issuer was not opened for rebuilds")
                .side("issuer", issuer)
                .side("it may log", types.join(", "))
                .now(
                    "the operator opens a rebuilder with: --field types.rebuild=none --field independence=third-party",
                ));
        };
        let site = match (&self.args.site, opening.sites.as_slice()) {
            (Some(site), _) => Some(site.clone()),
            (None, [only]) => Some(only.clone()),
            (None, []) => None,
            (None, several) => {
                return Err(Failure::usage("rebuild.site", "at which of its sites was it rebuilt?")
                    .side("issuer", issuer)
                    .side("sites", several.join(", "))
                    .now("give one with --site"));
            }
        };
        Ok(Standpoint { epoch: standing.epoch, independence, chained: *mode == Chained::Strict, site })
    }

    /// Whether the log shows the same already, and what else this issuer has said of this build.
    #[expect(clippy::type_complexity, reason = "two lists that belong together")]
    fn logged(
        &self,
        issuer: &Name,
        build: &Found,
        event: &EventFile,
    ) -> Result<(Option<Found>, Vec<(LeafIndex, &'static str)>), Failure> {
        let Some(sha256) = build.event.statement.subject.iter().find_map(|file| file.digest.sha256) else {
            return Ok((None, Vec::new()));
        };
        // What the log leaves out here is logged a second time, which changes nothing.
        let (events, _) = found::by_sha256(self.remote, self.policy, &sha256, self.now)?;
        let ((mut same, mut other), own) = ((None, Vec::new()), self.key.vkey());
        for found in events {
            let header = &found.event.statement.header;
            let Body::Rebuild(rebuild) = &found.event.statement.body else { continue };
            let of_build = header.refs_of(Rel::Reproduces).any(|found| found.event_id == build.event.id);
            if header.issuer != *issuer || !of_build {
                continue;
            }
            match EventFile::of(found.event.envelope.clone()) {
                Ok(logged) if content(&logged) == content(event) && found.is_signed_by(&own) => same = Some(found),
                Ok(_) | Err(_) => other.push((found.logged.index, rebuild.outcome.name())),
            }
        }
        Ok((same, other))
    }
}

/// The files of a build, each with what was made of it.
fn compare(build: &Event, given: &[String], partial: bool, outcome: Option<&str>) -> Result<Vec<Subject>, Failure> {
    let mut files: Vec<Subject> = Vec::new();
    for file in &build.statement.subject {
        if let (Some(name), Some(sha256)) = (&file.name, file.digest.sha256) {
            files.push(Subject { name: name.clone(), sha256: sha256.hex(), size: None, produced: None });
        }
    }
    let names = |files: &[Subject], wanted: &dyn Fn(&Subject) -> bool| {
        files.iter().filter(|file| wanted(file)).map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    for text in given {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if !Path::new(text).exists() => (Some(name.to_owned()), Path::new(path)),
            Some(_) | None => (None, Path::new(text.as_str())),
        };
        if name.is_none() && path.is_dir() {
            for file in &mut files {
                let path = path.join(&file.name);
                if path.is_file() {
                    made(file, &path)?;
                }
            }
            continue;
        }
        let own = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.or(own).unwrap_or_default();
        let all = names(&files, &|_| true);
        let Some(file) = files.iter_mut().find(|file| file.name == name) else {
            return Err(Failure::usage("rebuild.produced", "the build holds no file of this name")
                .side("given", &name)
                .side("the build holds", all)
                .now("give it as --produced NAME=PATH when it has another name here"));
        };
        made(file, path)?;
    }
    let missing = names(&files, &|file| file.produced.is_none());
    if outcome.is_none() && files.iter().all(|file| file.produced.is_none()) {
        return Err(Failure::usage("rebuild.produced", "nothing was given of what the rebuild made")
            .side("the build holds", missing)
            .now("give --produced for each file, or --outcome build-failed or not-attempted"));
    }
    if outcome.is_none() && !partial && !missing.is_empty() {
        // A file that was only forgotten must not be logged as a difference.
        return Err(Failure::usage("rebuild.produced", "not every file of the build was given")
            .side("missing", missing)
            .now("give --produced for each; or --partial when the rebuild did not make them, which is logged as `different`"));
    }
    Ok(files)
}

fn made(file: &mut Subject, path: &Path) -> Result<(), Failure> {
    if file.produced.is_some() {
        return Err(Failure::usage("rebuild.produced", "a file was given twice")
            .side("file", &file.name)
            .side("second", path.display()));
    }
    file.produced = Some(digest(path)?.0);
    Ok(())
}

fn is_same(file: &Subject) -> bool {
    file.produced.as_ref() == Some(&file.sha256)
}

fn outcome_of(files: &[Subject], given: Option<&str>) -> Outcome {
    match given.and_then(|given| Outcome::WORDS.iter().find(|(word, _)| *word == given)) {
        Some((_, outcome)) => *outcome,
        None if files.iter().all(is_same) => Outcome::Identical,
        None => Outcome::Different,
    }
}

/// What a rebuild says, without when and at which place it says so: what a second run of a command has again.
fn content(event: &EventFile) -> Hash {
    let of = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
    let mut body = Value::object([]);
    if let Some(Value::Object(members)) = event.statement().get("predicate").and_then(|predicate| predicate.get("body"))
    {
        for (name, value) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "started" | "finished")) {
            body.set(name, value.clone());
        }
    }
    let predicate = event.statement().get("predicate");
    let said = Value::object([
        ("issuer", of(event.header("issuer"))),
        ("refs", of(event.header("refs"))),
        ("subject", of(event.statement().get("subject"))),
        ("body", body),
        ("attachments", of(predicate.and_then(|predicate| predicate.get("attachments")))),
    ]);
    Hash::of(&said.to_jcs())
}

impl Plan {
    fn tell(&self, out: &Out) {
        let header = &self.build.event.statement.header;
        out.head(&format!(
            "build {} by {}, entry {} of {}",
            self.purl, header.issuer, self.build.logged.index, header.origin
        ));
        let rows: Vec<(&str, String)> = self
            .files
            .iter()
            .map(|file| {
                let said = match &file.produced {
                    Some(_) if is_same(file) => format!("identical  {}", file.sha256),
                    Some(produced) => format!("different  {} claimed, {produced} made", file.sha256),
                    None => format!("not made   {} claimed", file.sha256),
                };
                (file.name.as_str(), said)
            })
            .collect();
        out.rows(&rows);
        for (index, outcome) in &self.before {
            out.note(&format!(
                "{} said {outcome} of this build before, with other files or documents: entry {index}",
                self.issuer
            ));
        }
    }

    /// An event in the way where this one goes, which is not the same.
    fn check_file(&self) -> Result<(), Failure> {
        if !self.out.exists() {
            return files::create(&self.out, self.event.print().as_bytes(), 0o644);
        }
        let bytes = files::read(&self.out, EVENT_FILE_BYTES_MAX)?;
        match EventFile::parse(&bytes) {
            // A run that was stopped, or whose event waits in the spool: the same bytes go out again.
            Ok(event) if content(&event) == content(&self.event) => Ok(()),
            Ok(_) | Err(_) => Err(Failure::usage("file.exists", "a file is there already that is not this rebuild")
                .side("file", self.out.display())
                .now("give another --out FILE, or move the old file away; nothing was logged")),
        }
    }

    /// Writes what the log has already beside each other, as if this run had logged it.
    fn keep(&self, logged: &Found) -> Result<(), Failure> {
        self.check_file()?;
        let event = EventFile::of(logged.event.envelope.clone()).map_err(|why| {
            Failure::refused("event.malformed", "the logged rebuild cannot be read").side("reason", why)
        })?;
        files::replace(&files::beside(&self.out, "tlog-proof"), &logged.proven.print())?;
        files::replace(&self.out, event.print().as_bytes())
    }

    /// Delivers the event through the spool; the report says how that ended.
    fn deliver<R: Remote, C: Clock>(
        &self,
        courier: &Courier<'_, R, C>,
        url: &str,
        out: &Out,
    ) -> Result<Report, Failure> {
        let given = waiting(&self.out, courier.spool.dir())?;
        let own = given.file.clone();
        let Sent { outcomes, elsewhere, failed, .. } = send(courier, url, vec![given], out)?;
        let delivered = outcomes.iter().flat_map(|outcome| &outcome.delivered).find(|delivered| delivered.file == own);
        let rejected = outcomes.iter().flat_map(|outcome| &outcome.rejected).find(|rejected| rejected.file == own);
        let mut report = match (delivered, rejected, failed) {
            (Some(delivered), ..) => self.report(&Logged {
                index: delivered.logged.index,
                event_id: delivered.event_id.clone(),
                witnessed: delivered.logged.witnessed(),
                duplicate: delivered.duplicate,
            }),
            (None, Some(rejected), _) => self.with(
                Report::new(
                    Exit::NotVerified,
                    "refused",
                    &rejected.problem.code,
                    format!("the log refused it, {}: {}", rejected.problem.title, rejected.problem.detail),
                )
                .with("kept", rejected.kept.display().to_string()),
            ),
            (None, None, Some(failure)) => return Err(failure),
            (None, None, None) => {
                let why = outcomes.iter().find_map(|outcome| outcome.waiting.as_deref()).unwrap_or_default();
                let dir = courier.spool.dir().display();
                let reason = format!("{}, and not logged yet: it is in the spool ({dir}): {why}", self.summary());
                self.with(Report::new(Exit::NotYet, "spooled", "submit.spooled", reason))
            }
        };
        if elsewhere > 0 {
            report = report.not_checked(format!(
                "{elsewhere} events of earlier runs, still in the spool {}",
                courier.spool.dir().display()
            ));
        }
        Ok(report)
    }

    fn exit(&self) -> Exit {
        if self.outcome == Outcome::Identical { Exit::Done } else { Exit::NotVerified }
    }

    fn summary(&self) -> String {
        let all = self.files.len();
        let files = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        match self.outcome {
            Outcome::Identical if all == 1 => "the file is the one that the build claims".to_owned(),
            Outcome::Identical => format!("all {all} files are those that the build claims"),
            Outcome::Different if all == 1 => "the file is not the one that the build claims".to_owned(),
            Outcome::Different => {
                let other = self.files.iter().filter(|file| !is_same(file)).count();
                format!("{other} of {} not as the build claims", files(all))
            }
            Outcome::BuildFailed => "the rebuild failed, nothing was made".to_owned(),
            Outcome::NotAttempted => "no rebuild was tried".to_owned(),
        }
    }

    fn report(&self, logged: &Logged) -> Report {
        let Logged { index, event_id, witnessed, duplicate } = logged;
        let again = if *duplicate { " already" } else { "" };
        let proof = files::beside(&self.out, "tlog-proof").display().to_string();
        let reason = format!("{}; logged{again} as entry {index}, {witnessed}; proof in {proof}", self.summary());
        let report = Report::new(self.exit(), self.outcome.name(), &self.code(), reason)
            .with("index", index.get())
            .with("event_id", event_id.clone())
            .with("duplicate", *duplicate)
            .with("event", self.out.display().to_string())
            .with("proof", proof);
        self.with(report)
    }

    fn dry(&self) -> Report {
        let would = match &self.logged {
            Some(logged) => format!("logged already as entry {}", logged.logged.index),
            None => format!("{} would log it; nothing was put, written or sent", self.issuer),
        };
        let event = serde_json::from_str::<serde_json::Value>(&self.event.line()).unwrap_or_default();
        let reason = format!("{}; {would}", self.summary());
        self.with(Report::new(self.exit(), self.outcome.name(), &self.code(), reason)).with("draft", event)
    }

    fn code(&self) -> String {
        format!("rebuild.{}", self.outcome.name())
    }

    /// What is true of every end.
    fn with(&self, report: Report) -> Report {
        let build = &self.build;
        let files: Vec<serde_json::Value> = self
            .files
            .iter()
            .map(|file| json!({"name": file.name, "claimed": file.sha256, "produced": file.produced, "identical": is_same(file)}))
            .collect();
        report
            .checked(format!(
                "build: entry {} is in the tree of a checkpoint, {}",
                build.logged.index,
                build.logged.witnessed()
            ))
            .checked(format!(
                "files: SHA-256 of {} against the build's, by name",
                self.files.iter().filter(|file| file.produced.is_some()).count()
            ))
            .not_checked(
                "the build's own signature and its issuer's right to log it: the log did, `audit` does it again",
            )
            .not_checked("how the rebuild was made: this compares what was given")
            .with("outcome", self.outcome.name())
            .with(
                "build",
                json!({"index": build.logged.index.get(), "event_id": build.event.id.hex(), "purl": self.purl}),
            )
            .with("files", files)
    }
}

#[cfg(test)]
mod tests;
