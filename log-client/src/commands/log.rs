//! `log`: the one command of a release job (cli.md). Makes the event of a file, signs, chains, submits, and writes the proof.
//!
//! The same command again gives the same proof: what is logged, or waits in the spool, is not made a second time. Not here: what
//! happens on the way (`submit`, `deliver`), what the event is recognised by (`wanted`), the source (`checkout`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use vitrine_spec::body::issuer::Chained;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::limits::TLOG_PROOF_BYTES_MAX;
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::{Kind, Rel};
use vitrine_spec::words::Name;

use super::submit::{Deadline, Sent, send};
use crate::batch::Remote;
use crate::deliver::{Clock, Courier, pause_before};
use crate::draft::{self, Chain, Draft, Reference, Subject};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::explain::json_of;
use crate::files;
use crate::found::{self, Found};
use crate::given::{attachment, digest, nonce};
use crate::http::Log;
use crate::keyfile;
use crate::limits::{ENTRY_BYTES_MAX, RELEASES_MAX};
use crate::output::{Out, Report};
use crate::place::{Opened, Place};
use crate::policies;
use crate::spool::{self, Record, Spool};
use crate::verify_update::build_ending;
use checkout::Checkout;
use wanted::Wanted;

mod checkout;
mod wanted;

/// `log`.
#[derive(Debug, Args)]
#[command(after_help = "\
The proof goes to FILE.tlog-proof; with an update the proofs of the builds that it releases go to
FILE.build.tlog-proof. The same command again writes the same proof and logs nothing twice.
Exit 5: the log cannot answer yet, the event is in the spool; run the same command again, or
`submit`.

Examples, with VITRINE_LOG, VITRINE_POLICY and VITRINE_KEY set, in the git checkout that FILE was
built from:
  log-client log app --purl pkg:generic/app@1.2
  log-client log app --purl pkg:generic/app@1.2 --type update --channel stable
  log-client log rules.zip --purl pkg:generic/rules@77 --type update --not-built-here \\
    --field kind=detection-db")]
pub struct LogFile {
    /// What was built, or is released
    file: PathBuf,
    /// What it is, with its version: pkg:generic/app@1.2
    #[arg(long, value_name = "PURL")]
    purl: String,
    /// What is said of it
    #[arg(long = "type", value_enum, default_value = "build")]
    kind: Type,
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Whom to believe that an event is logged
    #[arg(long, value_name = "FILE", env = "VITRINE_POLICY")]
    policy: PathBuf,
    /// The issuer's private key
    #[arg(long, value_name = "FILE", env = "VITRINE_KEY")]
    key: PathBuf,
    /// The issuer; the key's name up to its first dot when not given
    #[arg(long, value_name = "NAME", env = "VITRINE_ISSUER")]
    issuer: Option<String>,
    /// The file's name in the event; that of FILE when not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// build: where the source is; the checkout's remote when not given
    #[arg(long, value_name = "URI", env = "VITRINE_SOURCE_URI")]
    source_uri: Option<String>,
    /// build: the source's git tree; the checkout's when no digest of the source is given
    #[arg(long, value_name = "HEX", env = "VITRINE_GIT_TREE")]
    git_tree: Option<String>,
    /// build: the source's git commit
    #[arg(long, value_name = "HEX", env = "VITRINE_GIT_COMMIT")]
    git_commit: Option<String>,
    /// build: the source is this one file, such as an archive
    #[arg(long, value_name = "PATH")]
    source_file: Option<PathBuf>,
    /// build: who built it; the issuer's builder when it has one
    #[arg(long, value_name = "URI", env = "VITRINE_BUILDER")]
    builder: Option<String>,
    /// build: how it was built; the builder's URI when not given
    #[arg(long, value_name = "URI", env = "VITRINE_BUILD_TYPE")]
    build_type: Option<String>,
    /// build: which run; that of GitHub, GitLab or Jenkins when not given
    #[arg(long, value_name = "ID", env = "VITRINE_INVOCATION")]
    invocation: Option<String>,
    /// build: when it began; when FILE was written when not given
    #[arg(long, value_name = "T")]
    started: Option<String>,
    /// build: when it ended; when FILE was written when not given
    #[arg(long, value_name = "T")]
    finished: Option<String>,
    /// Where it was built and signed; the first site of the issuer's opening when not given
    #[arg(long, value_name = "SITE", env = "VITRINE_SITE")]
    site: Option<String>,
    /// update: the packageId of its stream; not needed where the issuer has one, or one of the purl's name
    #[arg(long, value_name = "ID", env = "VITRINE_PACKAGE")]
    package: Option<String>,
    /// update: the channel of its stream; not needed where there is one, or `stable`
    #[arg(long, value_name = "NAME", env = "VITRINE_CHANNEL")]
    channel: Option<String>,
    /// update: release it without a build in this log
    #[arg(long)]
    not_built_here: bool,
    /// A member of the body that has no option here, as in `event new`
    #[arg(long = "field", value_name = "K=V")]
    fields: Vec<String>,
    /// A document behind it, put into the log with `attach`
    #[arg(long = "attach", value_name = "MEDIA/TYPE=PATH")]
    attachments: Vec<String>,
    /// Where the proof goes; FILE.tlog-proof when not given
    #[arg(long, value_name = "PATH")]
    proof: Option<PathBuf>,
    /// Show the event, have the log judge it, and log nothing
    #[arg(long)]
    dry_run: bool,
    /// Where events wait; vitrine/spool in the user's state folder when not given
    #[arg(long, value_name = "DIR", env = "VITRINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Seconds to go on trying; 0 tries once
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// What can be said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    /// It was built from a source
    Build,
    /// It is released to customers
    Update,
}

impl LogFile {
    /// What is empty was not given: a job that passes on a variable which nobody has set sets it to nothing.
    fn without_empty(mut self) -> LogFile {
        let texts = [
            &mut self.issuer,
            &mut self.name,
            &mut self.source_uri,
            &mut self.git_tree,
            &mut self.git_commit,
            &mut self.builder,
            &mut self.build_type,
            &mut self.invocation,
            &mut self.site,
            &mut self.package,
            &mut self.channel,
        ];
        texts.into_iter().for_each(|text| *text = text.take().filter(|text| !text.is_empty()));
        self.spool = self.spool.filter(|path| !path.as_os_str().is_empty());
        self
    }
}

/// Runs `log`.
pub fn run(args: LogFile, out: &Out) -> Result<Exit, Failure> {
    let args = args.without_empty();
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let key = keyfile::read_event_key(&args.key)?;
    let log = Log::new(&args.log)?;
    let (sha256, size) = digest(&args.file)?;
    let issuer = issuer_of(&args, &key)?;
    let wait = Duration::from_secs(args.wait);
    let clock = Deadline::after(wait);
    let job = Job { remote: &log, policy: &policy, key: &key, args: &args, clock: &clock, issuer, sha256, size };
    if args.dry_run {
        return job.dry_run(&log, out);
    }
    let dir = args.spool.clone().map_or_else(spool::default_dir, Ok)?;
    let spool = Spool::open(&dir, wait)?;
    job.run(&spool, log.url(), out).map(|report| out.report(&report))
}

/// The name that the log knows the key by.
fn issuer_of(args: &LogFile, key: &Seed) -> Result<Name, Failure> {
    let name = args.issuer.as_deref().unwrap_or_else(|| key.name().split('.').next().unwrap_or_default());
    Name::new(name).ok_or_else(|| {
        Failure::usage("name", "this is not an issuer's name")
            .side(if args.issuer.is_some() { "given" } else { "from the key's name" }, name)
            .side("wanted", "3 to 64 of a-z, 0-9 and -")
            .now("give --issuer NAME, or set VITRINE_ISSUER")
    })
}

/// One run.
struct Job<'a, R: Remote, C: Clock> {
    remote: &'a R,
    policy: &'a Policy,
    key: &'a Seed,
    args: &'a LogFile,
    clock: &'a C,
    issuer: Name,
    sha256: String,
    size: u64,
}

/// What the log has of it.
enum Logged {
    /// The event itself.
    Already(Box<Found>),
    /// Not it, but these builds.
    Not(Vec<Found>),
    /// It does not answer, for this reason.
    Unknown(Failure),
}

impl<R: Remote, C: Clock> Job<'_, R, C> {
    fn run(&self, spool: &Spool, url: &str, out: &Out) -> Result<Report, Failure> {
        let opened = self.opening(Some(&self.kept_opening(spool, url)))?;
        let wanted = self.wanted(&opened)?;
        if let Some((found, path)) = self.there(&wanted, &opened) {
            return Ok(self.done(&wanted, &opened, &Ended::before(&found), &path, out));
        }
        let waiting = waiting(spool, url, &wanted)?;
        let logged = self.logged(&wanted, &opened)?;
        let (record, unknown) = match (logged, waiting) {
            (Logged::Already(found), waiting) => {
                self.keep_builds(&self.builds_of(&found)?)?;
                files::replace(&self.proof_path(), &found.proven.print())?;
                if waiting.is_some() {
                    // This very event, or one that was logged from elsewhere while it waited: once is enough.
                    forget(spool, url, &wanted)?;
                }
                return Ok(self.done(&wanted, &opened, &Ended::before(&found), &self.proof_path(), out));
            }
            (Logged::Not(builds), Some(waiting)) => {
                self.keep_builds(&builds)?;
                (waiting, None)
            }
            (Logged::Not(builds), None) => {
                let event = self.event(&opened, &wanted, &builds, out)?;
                draft::check_members(&event)?;
                self.keep_builds(&builds)?;
                (self.record(&event, &wanted)?, None)
            }
            (Logged::Unknown(why), Some(waiting)) => (waiting, Some(why)),
            (Logged::Unknown(why), None) => {
                let builds = self.own_builds(&wanted);
                let event = self.event(&opened, &wanted, &builds, out)?;
                draft::check_members(&event)?;
                self.keep_builds(&builds)?;
                let record = self.record(&event, &wanted)?;
                spool.add(url, vec![record.clone()])?;
                (record, Some(why))
            }
        };
        if let Some(why) = unknown {
            // What was not looked for could be logged a second time.
            return Ok(self.spooled(&wanted, spool, &why.to_string()));
        }
        self.deliver(spool, url, record, &wanted, &opened, out)
    }

    /// The event in a proof that lies beside the file already, with everything that belongs to it.
    fn there(&self, wanted: &Wanted, opened: &Opened) -> Option<(Found, PathBuf)> {
        let (own, build) = (self.proof_path(), self.build_path(0));
        let is = |event: &Event| wanted.is(event) && self.is_signed(event, opened);
        if wanted.kind == Kind::Build {
            // An update that was logged since has put its build's proof aside.
            let paths = if self.args.proof.is_some() { vec![own] } else { vec![own, build] };
            return paths.into_iter().find_map(|path| self.beside(&path, is).map(|found| (found, path)));
        }
        let found = self.beside(&own, is)?;
        let refs = found.event.statement.header.refs_of(Rel::Releases);
        let named: Vec<EventId> = refs.filter(|named| named.origin.is_none()).map(|named| named.event_id).collect();
        let there = |at: usize| self.beside(&self.build_path(at), |build| named.contains(&build.id)).is_some();
        (0..named.len()).all(there).then_some((found, own))
    }

    /// Whether this job's key signed it: an answer may show what was never signed. Of an earlier key nothing is known here.
    fn is_signed(&self, event: &Event, opened: &Opened) -> bool {
        event.statement.header.epoch < opened.epoch || found::is_signed_by(event, &self.key.vkey())
    }

    /// Sends what is in the spool, and this record.
    fn deliver(
        &self,
        spool: &Spool,
        url: &str,
        record: Record,
        wanted: &Wanted,
        opened: &Opened,
        out: &Out,
    ) -> Result<Report, Failure> {
        let courier =
            Courier { remote: self.remote, policy: self.policy, key: Some(self.key), spool, clock: self.clock };
        let source = record.source.clone();
        let Sent { outcomes, elsewhere, failed, .. } = send(&courier, url, vec![record], out)?;
        let delivered = outcomes.iter().flat_map(|outcome| &outcome.delivered).find(|one| one.source == source);
        let rejected = outcomes.iter().flat_map(|outcome| &outcome.rejected).find(|one| one.source == source);
        let report = match (delivered, rejected, failed) {
            (Some(delivered), ..) => {
                let path = self.proof_path();
                if delivered.proof.as_deref() != Some(&absolute(&path)?) {
                    files::replace(&path, &delivered.proven.print())?;
                }
                let ended = Ended {
                    index: delivered.logged.index.get(),
                    event_id: delivered.event_id.clone(),
                    witnessed: delivered.logged.witnessed(),
                    duplicate: delivered.duplicate,
                };
                self.done(wanted, opened, &ended, &path, out)
            }
            (None, Some(rejected), _) => {
                let problem = &rejected.problem;
                let reason = format!("the log refused it, {}: {}", problem.title, problem.detail);
                Report::new(Exit::NotVerified, "refused", &problem.code, reason)
                    .with("kept", rejected.kept.display().to_string())
            }
            (None, None, Some(failure)) => return Err(failure),
            (None, None, None) => {
                let why = outcomes.iter().find_map(|outcome| outcome.waiting.as_deref()).unwrap_or_default();
                self.spooled(wanted, spool, why)
            }
        };
        Ok(match elsewhere {
            0 => report,
            _ => report.not_checked(format!(
                "{elsewhere} events of earlier runs, still in the spool {}",
                spool.dir().display()
            )),
        })
    }

    /// The issuer's opening: what the log shows now, else what it showed before.
    fn opening(&self, kept: Option<&Path>) -> Result<Opened, Failure> {
        let name = self.issuer.as_str();
        let before = kept.and_then(|path| files::read(path, ENTRY_BYTES_MAX).ok());
        let before = before.and_then(|leaf| Opened::of_leaf(name, &self.key.vkey(), leaf).ok());
        let mut attempt = 0;
        let opened = loop {
            let error = match self.remote.issuer(name) {
                Ok(answer) => break Opened::read(name, &self.key.vkey(), &answer)?,
                Err(error) => error,
            };
            if error.is_not_found() {
                return Err(Failure::refused("issuer-unknown", "this issuer was never opened in this log")
                    .side("issuer", name)
                    .side("log", &self.args.log)
                    .now(format!(
                        "log-client onboard --issuer {name} says what to do; or give the right name with --issuer"
                    )));
            }
            if let (true, Some(before)) = (error.is_transient(), before.clone()) {
                break before;
            }
            match pause_before(attempt, None, self.clock.left()).filter(|_| error.is_transient()) {
                Some(pause) => self.clock.pause(pause),
                None => {
                    return Err(Failure::from(error)
                        .side("events", "nothing was taken on: what this issuer may log is not known here yet"));
                }
            }
            attempt += 1;
        };
        let logs: Vec<&str> = self.policy.logs.iter().map(|log| log.vkey.name()).collect();
        if !logs.is_empty() && !logs.contains(&opened.origin.as_str()) {
            return Err(Failure::new(
                Exit::Unreachable,
                "answer.not-the-log",
                "the issuer was opened in another log than the policy's",
            )
            .side("opened in", &opened.origin)
            .side("policy", logs.join(", "))
            .now("check that --log and --policy are of the same log"));
        }
        if let Some(path) = kept.filter(|path| std::fs::read(path).ok().as_ref() != Some(&opened.leaf)) {
            files::replace(path, &opened.leaf)?;
        }
        Ok(opened)
    }

    /// Where an opening is kept, so that an event can be made while the log does not answer.
    fn kept_opening(&self, spool: &Spool, url: &str) -> PathBuf {
        let of = Hash::of_parts(&[url.as_bytes(), b"\n", self.issuer.as_str().as_bytes()]).hex();
        spool.dir().join("openings").join(of)
    }

    /// What is to be in the log.
    fn wanted(&self, opened: &Opened) -> Result<Wanted, Failure> {
        let kind = match self.args.kind {
            Type::Build => Kind::Build,
            Type::Update => Kind::Update,
        };
        if !opened.open.types.contains_key(&kind) {
            let types: Vec<&str> = opened.open.types.keys().map(|kind| kind.name()).collect();
            return Err(Failure::usage("type-not-allowed", "the issuer was not opened for this type")
                .side("issuer", &self.issuer)
                .side("wanted", kind)
                .side("it may log", types.join(", "))
                .now("take the key of an issuer that may, or have the operator open one: log-client onboard --help"));
        }
        if self.args.not_built_here && kind == Kind::Build {
            return Err(Failure::usage("log.not-built-here", "--not-built-here is said of an update")
                .now("leave it out, or give --type update"));
        }
        let (package, channel) = (self.args.package.as_deref(), self.args.channel.as_deref());
        let stream = match kind {
            Kind::Update => Some(wanted::stream(&opened.open, &self.args.purl, package, channel)?),
            _ => None,
        };
        let sha256 = Hash::from_hex(&self.sha256).map_err(|error| Failure::usage("file.read", error.to_string()))?;
        Ok(Wanted { kind, issuer: self.issuer.clone(), sha256, purl: self.args.purl.clone(), stream })
    }

    /// What the log has, as often as it takes to hear it.
    fn logged(&self, wanted: &Wanted, opened: &Opened) -> Result<Logged, Failure> {
        let mut attempt = 0;
        loop {
            let why = match found::by_sha256(self.remote, self.policy, &wanted.sha256, self.clock.now()) {
                Ok((found, _)) => {
                    let own = |found: &&Found| wanted.is(&found.event) && self.is_signed(&found.event, opened);
                    if let Some(already) = found.iter().find(own) {
                        return Ok(Logged::Already(Box::new(already.clone())));
                    }
                    return Ok(Logged::Not(found.into_iter().filter(|one| wanted.is_built_by(&one.event)).collect()));
                }
                Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::NotYet) => failure,
                Err(failure) => return Err(failure),
            };
            match pause_before(attempt, None, self.clock.left()) {
                Some(pause) => self.clock.pause(pause),
                None => return Ok(Logged::Unknown(why)),
            }
            attempt += 1;
        }
    }

    /// Builds whose proofs lie beside the file: what there is while the log does not answer.
    fn own_builds(&self, wanted: &Wanted) -> Vec<Found> {
        let paths = [self.build_path(0), self.proof_path(), files::beside(&self.args.file, "tlog-proof")];
        let found = paths.iter().find_map(|path| self.beside(path, |event| wanted.is_built_by(event)));
        found.into_iter().collect()
    }

    /// The event of a proof that lies there, if it is the one meant.
    fn beside(&self, path: &Path, is: impl Fn(&Event) -> bool) -> Option<Found> {
        let bytes = files::read(path, TLOG_PROOF_BYTES_MAX as u64).ok()?;
        let found = found::in_file(self.policy, &path.display().to_string(), &bytes, self.clock.now()).ok()?;
        is(&found.event).then_some(found)
    }

    /// The builds that a logged update releases.
    fn builds_of(&self, update: &Found) -> Result<Vec<Found>, Failure> {
        let mut builds = Vec::new();
        for reference in update.event.statement.header.refs_of(Rel::Releases) {
            if reference.origin.is_none() {
                builds.extend(found::by_id(self.remote, self.policy, &reference.event_id, self.clock.now())?);
            }
        }
        Ok(builds)
    }

    /// Writes the proofs of the builds of an update, which a verifier asks for too.
    fn keep_builds(&self, builds: &[Found]) -> Result<(), Failure> {
        if self.args.kind == Type::Build {
            return Ok(());
        }
        builds.iter().enumerate().try_for_each(|(at, build)| {
            let path = self.build_path(at);
            let there = self.beside(&path, |event| event.id == build.event.id);
            if there.is_some() { Ok(()) } else { files::replace(&path, &build.proven.print()) }
        })
    }

    fn build_path(&self, at: usize) -> PathBuf {
        files::beside(&self.args.file, &build_ending(at))
    }

    fn proof_path(&self) -> PathBuf {
        self.args.proof.clone().unwrap_or_else(|| files::beside(&self.args.file, "tlog-proof"))
    }

    /// The event, without its place where it is chained.
    fn event(&self, opened: &Opened, wanted: &Wanted, builds: &[Found], out: &Out) -> Result<EventFile, Failure> {
        let args = self.args;
        let now = self.clock.now();
        let name = match (&args.name, args.file.file_name()) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => name.to_string_lossy().into_owned(),
            (None, None) => {
                return Err(Failure::usage("event.file", "a file has no name")
                    .side("given", args.file.display())
                    .now("give --name NAME"));
            }
        };
        let open = &opened.open;
        let mut refs = Vec::new();
        let mut fields = vec![format!("purl={}", args.purl)];
        match wanted.kind {
            Kind::Update => {
                let (package, channel) = wanted.stream.clone().unwrap_or_default();
                fields.extend([format!("packageId={package}"), format!("channel={channel}")]);
                if !args.fields.iter().any(|field| field.starts_with("kind=")) {
                    fields.push("kind=product".to_owned());
                }
                if !args.not_built_here {
                    refs = self.references(builds)?;
                }
            }
            _ => fields.extend(self.build_fields(opened, now, out)?),
        }
        fields.extend(args.fields.iter().cloned());
        let chained = open.types.get(&wanted.kind) == Some(&Chained::Strict);
        Draft {
            kind: wanted.kind.name().to_owned(),
            origin: opened.origin.clone(),
            issuer: self.issuer.to_string(),
            epoch: opened.epoch,
            chain: if chained { Chain::Later } else { Chain::Unchained(nonce()?) },
            recorded: now,
            site: if open.sites.is_empty() { None } else { self.site(opened).ok() },
            cosigners: Vec::new(),
            refs,
            body: Value::object([]),
            fields,
            files: vec![Subject { name, sha256: self.sha256.clone(), size: Some(self.size), produced: None }],
            digests: BTreeMap::new(),
            attachments: args.attachments.iter().map(|text| attachment(text)).collect::<Result<_, _>>()?,
        }
        .event()
    }

    /// The builds as an update refers to them; the latest where there are more than it can hold.
    fn references(&self, builds: &[Found]) -> Result<Vec<Reference>, Failure> {
        if builds.is_empty() {
            return Err(Failure::refused("log.no-build", "the log shows no build of this file as this product")
                .side("SHA-256", &self.sha256)
                .side("purl", &self.args.purl)
                .now("log its build first, the same command with --type build; or release it with --not-built-here"));
        }
        let reference = |build: &Found| Reference {
            rel: Rel::Releases.to_string(),
            event_id: build.event.id.hex(),
            origin: None,
            at: None,
        };
        Ok(builds.iter().rev().take(RELEASES_MAX).map(reference).collect())
    }

    fn build_fields(&self, opened: &Opened, now: u64, out: &Out) -> Result<Vec<String>, Failure> {
        let args = self.args;
        let mut digests: Vec<(&str, String)> = Vec::new();
        digests.extend(args.git_tree.clone().map(|tree| ("gitTree", tree)));
        digests.extend(args.git_commit.clone().map(|commit| ("gitCommit", commit)));
        if let Some(path) = &args.source_file {
            digests.push(("sha256", digest(path)?.0));
        }
        let complete = args.source_uri.is_some() && !digests.is_empty();
        let checkout = if complete { None } else { Checkout::here() };
        if digests.is_empty() && checkout.as_ref().is_some_and(|checkout| checkout.changed) {
            out.warn(
                "files of this checkout were changed since HEAD: what was built is not the source that the event names",
            );
        }
        let mut fields = checkout::source(args.source_uri.as_deref(), &digests, checkout.as_ref())?;
        let builders = &opened.open.builders;
        let builder = match (&args.builder, builders.as_slice()) {
            (Some(builder), _) => builder.clone(),
            (None, [builder]) => builder.clone(),
            (None, _) => {
                return Err(Failure::usage("log.builder", "the issuer has more than one builder")
                    .side("issuer", &self.issuer)
                    .side("builders", builders.join(", "))
                    .now("give --builder URI, or set VITRINE_BUILDER"));
            }
        };
        let site = self.site(opened)?;
        let invocation = args.invocation.clone().or_else(invocation).unwrap_or_else(|| format!("manual-{now}"));
        let written = || args.file.metadata().and_then(|file| file.modified()).ok();
        let written =
            written().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(now, |time| time.as_secs());
        let finished = args.finished.clone().unwrap_or_else(|| written.min(now).to_string());
        fields.extend([
            format!("builder_id={builder}"),
            format!("build_type={}", args.build_type.as_ref().unwrap_or(&builder)),
            format!("invocation_id={invocation}"),
            format!("started={}", args.started.as_ref().unwrap_or(&finished)),
            format!("finished={finished}"),
            format!("build_site={site}"),
            format!("signing_site={site}"),
        ]);
        Ok(fields)
    }

    fn site(&self, opened: &Opened) -> Result<String, Failure> {
        self.args.site.clone().or_else(|| opened.open.sites.first().cloned()).ok_or_else(|| {
            Failure::usage("site", "a build says where it was built, and the issuer's opening names no site")
                .side("issuer", &self.issuer)
                .now("give --site SITE, or set VITRINE_SITE; the log's charter lists its sites")
        })
    }

    fn record(&self, event: &EventFile, wanted: &Wanted) -> Result<Record, Failure> {
        Ok(Record {
            file: None,
            about: Some(absolute(&self.args.file)?),
            proof: Some(absolute(&self.proof_path())?),
            source: wanted.source(),
            envelope: event.line(),
            unplaced: event.wants_place(),
            asks_release: event.kind() == Some(Kind::Update.name()) && event.body("release_seq").is_none(),
            sealed: None,
        })
    }

    /// Shows the event, and what the log says of it.
    fn dry_run(&self, log: &Log, out: &Out) -> Result<Exit, Failure> {
        let opened = self.opening(None)?;
        let wanted = self.wanted(&opened)?;
        let builds = match self.logged(&wanted, &opened)? {
            Logged::Already(found) => {
                let reason = format!("{} is logged already as entry {}", self.what(&wanted), found.logged.index);
                return Ok(out.report(&Report::done("log.logged", reason).with("index", found.logged.index.get())));
            }
            Logged::Not(builds) => builds,
            Logged::Unknown(why) => return Err(why),
        };
        let mut event = self.event(&opened, &wanted, &builds, out)?;
        draft::check_members(&event)?;
        if event.wants_place() {
            event =
                Place::read(self.issuer.as_str(), &self.remote.issuer(self.issuer.as_str())?)?.put(&event, false)?;
        }
        log.check(format!("{{\"envelope\":{}}}", event.line()).into_bytes())
            .map_err(|error| Failure::from(error).side("event", "was judged, not written"))?;
        let shown = serde_json::to_string_pretty(&json_of(event.statement())).unwrap_or_default();
        out.data(format!("{shown}\n").as_bytes());
        let report = Report::done("log.dry-run", format!("{} would be logged by {}", self.what(&wanted), self.issuer))
            .checked("the log would take it now; signatures were not judged")
            .with("event", serde_json::from_str::<serde_json::Value>(&event.line()).unwrap_or_default());
        Ok(out.report_beside_data(&report))
    }

    /// `build of app (pkg:generic/app@1.2)`.
    fn what(&self, wanted: &Wanted) -> String {
        let name = self.args.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match &wanted.stream {
            Some((package, channel)) => {
                format!("{} of {name} ({}) in {package} {channel}", wanted.kind, wanted.purl)
            }
            None => format!("{} of {name} ({})", wanted.kind, wanted.purl),
        }
    }

    fn done(&self, wanted: &Wanted, opened: &Opened, ended: &Ended, path: &Path, out: &Out) -> Report {
        let again = if ended.duplicate { " already" } else { "" };
        let reason = format!(
            "{} is logged{again} as entry {}, {}; proof in {}{}",
            self.what(wanted),
            ended.index,
            ended.witnessed,
            path.display(),
            self.proofs_of_builds(wanted)
        );
        if !out.is_json() {
            let file = self.args.file.display();
            match wanted.kind {
                Kind::Build if opened.open.types.contains_key(&Kind::Update) => {
                    out.note("next, to release it: the same command with --type update");
                }
                Kind::Update if self.args.proof.is_none() => {
                    out.note(&format!("next, as a customer does: log-client verify-update {file} --trust DIR"));
                }
                _ => {}
            }
        }
        Report::done("log.logged", reason)
            .checked("payload: the leaf holds this event, of this file")
            .checked("inclusion: the leaf is in the tree of the checkpoint")
            .checked("quorum: the checkpoint carries the log's and the witnesses' signatures that the policy asks for")
            .with("index", ended.index)
            .with("event_id", ended.event_id.clone())
            .with("duplicate", ended.duplicate)
            .with("proof", path.display().to_string())
    }

    /// Where those of the builds are that an update releases; they lie beside the file.
    fn proofs_of_builds(&self, wanted: &Wanted) -> String {
        let there = |at: &usize| self.build_path(*at).exists();
        let builds = match wanted.kind {
            Kind::Update if !self.args.not_built_here => (0..RELEASES_MAX).take_while(there).count(),
            _ => 0,
        };
        match builds {
            0 => String::new(),
            1 => format!(", of its build in {}", self.build_path(0).display()),
            _ => format!(", of its {builds} builds from {} on", self.build_path(0).display()),
        }
    }

    fn spooled(&self, wanted: &Wanted, spool: &Spool, why: &str) -> Report {
        let dir = spool.dir().display().to_string();
        let reason = format!("{} is not logged yet: it is in the spool ({dir}): {why}", self.what(wanted));
        Report::new(Exit::NotYet, "spooled", "submit.spooled", reason).with("spool", dir)
    }
}

/// An event that is logged.
struct Ended {
    index: u64,
    event_id: String,
    witnessed: String,
    duplicate: bool,
}

impl Ended {
    fn before(found: &Found) -> Ended {
        Ended {
            index: found.logged.index.get(),
            event_id: found.event.id.hex(),
            witnessed: found.logged.witnessed(),
            duplicate: true,
        }
    }
}

/// The run of whatever builds here, as it calls it.
fn invocation() -> Option<String> {
    ["GITHUB_RUN_ID", "CI_JOB_ID", "BUILD_TAG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
}

/// What waits in the spool for this.
fn waiting(spool: &Spool, url: &str, wanted: &Wanted) -> Result<Option<Record>, Failure> {
    let source = wanted.source();
    let parcels = spool.pending()?.into_iter().filter(|parcel| parcel.log == url);
    Ok(parcels.flat_map(|parcel| parcel.records).find(|record| record.source == source))
}

/// Takes it out of the spool.
fn forget(spool: &Spool, url: &str, wanted: &Wanted) -> Result<(), Failure> {
    let source = wanted.source();
    for mut parcel in spool.pending()?.into_iter().filter(|parcel| parcel.log == url) {
        let before = parcel.records.len();
        parcel.records.retain(|record| record.source != source);
        if parcel.records.len() < before {
            spool.store(&parcel)?;
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::usage("file.path", "a path cannot be made absolute").side("path", path.display()).side("system", error)
    })
}
