//! `import slsa`: artifacts with their provenance into a log, each as a build, each once (cli.md; docs/import.md; 74-slsa.md).
//!
//! Everything is judged before anything is sent. Then, in this order, a stop after any of them being mended by the same command:
//! 1. the provenance is put, which the log deletes again when no event names it;
//! 2. the event is in the spool: from here the same bytes are sent until their fate is known;
//! 3. its proof is in `proofs/` of the spool under the digest of artifact and provenance: from here it is logged already.
//!
//! Not here: what is verified and what an event says (`import::slsa`), sending (`deliver`), putting (`attach`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use vitrine_spec::body::issuer::Chained;
use vitrine_spec::hash::Hash;
use vitrine_spec::json;
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::Kind;
use vitrine_spec::words::Name;

use super::attach::{Putter, document};
use super::submit::Deadline;
use crate::answer;
use crate::clock;
use crate::deliver::{Courier, Outcome, Rejected};
use crate::draft::{self, Attached, Chain, Draft};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::explain::json_of;
use crate::files;
use crate::found;
use crate::given::nonce;
use crate::http::Log;
use crate::import::slsa::artifact::Artifact;
use crate::import::slsa::build::{Asked, Build, build};
use crate::import::slsa::judged::{Judged, judge};
use crate::import::slsa::known::{Sought, known};
use crate::keyfile;
use crate::limits::{PROOF_BYTES_MAX, PROVENANCE_BYTES_MAX};
use crate::output::{Out, Report};
use crate::place::Standing;
use crate::policies;
use crate::spool::{self, Parcel, Record, Spool};

/// What the file with the provenance is called after the artifact.
const BESIDE: [&str; 4] = ["intoto.jsonl", "sigstore.json", "sigstore", "json"];

/// `import slsa`.
#[derive(Debug, Args)]
#[command(after_help = "\
The provenance of FILE is FILE.intoto.jsonl, FILE.sigstore.json, FILE.sigstore or FILE.json
beside it, or --provenance. Its signature must hold under the certificate in it, its digests
be those of FILE, and the issuer's `builders` name who signed. The chain of the certificate,
the transparency log entry and npm's publish signature are not checked, and the event says so.
The same command run again logs nothing twice. Exit 1 means that files were refused;
everything else was logged.")]
pub struct Slsa {
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
    /// The file with the provenance, for one artifact that has it elsewhere
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// The product, for one artifact whose provenance does not name it by a purl
    #[arg(long, value_name = "P")]
    purl: Option<String>,
    /// Where it was built
    #[arg(long, value_name = "SITE")]
    build_site: String,
    /// Where the product was signed
    #[arg(long, value_name = "SITE")]
    signing_site: String,
    /// The issuer's site, where its opening lists sites; the first of them when not given
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// Write each proof there too, as NAME.build.tlog-proof
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where events wait, and proofs are kept; vitrine/spool in the user's state folder when not given
    #[arg(long, value_name = "DIR", env = "VITRINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Seconds to go on trying while the log takes nothing; 0 tries once
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// Print what would be logged as JSON lines, and log nothing; the issuer's `builders` are not asked for
    #[arg(long)]
    dry_run: bool,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// Artifacts
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// An artifact and its provenance.
struct Pair {
    path: PathBuf,
    provenance: PathBuf,
    /// Digest of the artifact.
    artifact: Hash,
    /// Digest of the provenance.
    sha256: Hash,
    /// The provenance as an attachment.
    file: Attached,
    fate: Fate,
}

/// What is known of a pair so far.
enum Fate {
    /// As good as it can be without a log.
    Good(Box<Judged>),
    /// An event that is to be logged, and what it says.
    Made(EventFile, Box<Build>),
    /// In the log.
    Logged(Logged),
    /// In the spool, and why.
    Waits(String),
    /// Not to be an event, or refused by the log.
    Refused(Failure),
}

#[derive(Clone)]
struct Logged {
    index: u64,
    event_id: String,
    proof: PathBuf,
    /// Whether by this run.
    now: bool,
}

/// Runs `import slsa`.
pub fn run(args: &Slsa, out: &Out) -> Result<Exit, Failure> {
    let pairs: Vec<Pair> = args.files.iter().map(|path| Pair::read(args, path)).collect::<Result<_, _>>()?;
    check(args, &pairs)?;
    let asked =
        Asked { purl: args.purl.clone(), build_site: args.build_site.clone(), signing_site: args.signing_site.clone() };
    if args.dry_run { dry_run(pairs, &asked, out) } else { Import::open(args)?.run(pairs, &asked, out) }
}

/// What one value cannot stand for in several files.
fn check(args: &Slsa, pairs: &[Pair]) -> Result<(), Failure> {
    let one = [("--provenance", args.provenance.is_some()), ("--purl", args.purl.is_some())];
    if let Some((option, _)) = one.into_iter().find(|(_, given)| *given && pairs.len() > 1) {
        return Err(Failure::usage("usage", format!("{option} is for one file"))
            .side("files", pairs.len())
            .now("run it once for each of them"));
    }
    let mut names = BTreeMap::new();
    for pair in pairs.iter().filter(|_| args.out.is_some()) {
        if let Some(other) = names.insert(pair.path.file_name(), &pair.path) {
            return Err(Failure::usage("usage", "two artifacts of one name would have one proof in --out")
                .side("one", other.display())
                .side("another", pair.path.display())
                .now("run it once for each of them, each with its own --out"));
        }
    }
    Ok(())
}

impl Pair {
    /// Reads both files and judges them as far as that needs no log.
    fn read(args: &Slsa, path: &Path) -> Result<Pair, Failure> {
        let provenance = match &args.provenance {
            Some(given) => given.clone(),
            None => beside(path)?,
        };
        let artifact = Artifact::read(path)?;
        let bytes = files::read_judged(&provenance, PROVENANCE_BYTES_MAX)?;
        // One document, or one a line.
        let media_type = if json::parse(&bytes).is_ok() { "application/json" } else { "application/x-ndjson" };
        let sha256 = Hash::of(&bytes);
        let file = Attached {
            sha256: sha256.hex(),
            size: bytes.len() as u64,
            media_type: media_type.to_owned(),
            name: provenance.file_name().map(|name| name.to_string_lossy().into_owned()),
        };
        let digest = artifact.sha256();
        let fate = judge(artifact, &bytes).map_or_else(Fate::Refused, |judged| Fate::Good(Box::new(judged)));
        Ok(Pair { path: path.to_owned(), provenance, artifact: digest, sha256, file, fate })
    }

    /// What became of it, for people.
    fn told(&self) -> String {
        let what = match &self.fate {
            Fate::Good(_) | Fate::Made(..) => "would be logged".to_owned(),
            Fate::Logged(Logged { index, now: true, .. }) => format!("logged at {index}"),
            Fate::Logged(Logged { index, now: false, .. }) => format!("was logged before, at {index}"),
            Fate::Waits(why) => format!("in the spool: {why}"),
            Fate::Refused(failure) => format!("refused ({}): {failure}", failure.code),
        };
        format!("{}: {what}", self.path.display())
    }

    /// The same for programs.
    fn json(&self) -> Json {
        let (state, more) = match &self.fate {
            Fate::Good(_) | Fate::Made(..) => ("good", json!({})),
            Fate::Logged(Logged { index, event_id, proof, now }) => {
                let more = json!({"index": index, "event_id": event_id, "proof": proof});
                (if *now { "logged" } else { "before" }, more)
            }
            Fate::Waits(why) => ("spooled", json!({"reason": why})),
            Fate::Refused(failure) => {
                let sides: serde_json::Map<String, Json> =
                    failure.sides.iter().map(|(label, value)| (label.clone(), value.as_str().into())).collect();
                ("refused", json!({"code": failure.code, "reason": failure.what, "sides": sides}))
            }
        };
        let mut said = json!({"file": self.path, "provenance": self.provenance, "state": state});
        if let (Some(said), Json::Object(more)) = (said.as_object_mut(), more) {
            said.extend(more);
        }
        said
    }
}

/// The provenance beside an artifact.
fn beside(path: &Path) -> Result<PathBuf, Failure> {
    let names = BESIDE.map(|extension| files::beside(path, extension));
    let found: Vec<&PathBuf> = names.iter().filter(|name| name.is_file()).collect();
    match found.as_slice() {
        [one] => Ok(PathBuf::clone(one)),
        [] => Err(Failure::usage("slsa.file", "there is no provenance beside an artifact")
            .side("artifact", path.display())
            .side("looked for", BESIDE.map(|extension| format!("*.{extension}")).join(", "))
            .now("give --provenance FILE")),
        [one, another, ..] => {
            Err(Failure::usage("slsa.file", "there are two files beside an artifact that may be its provenance")
                .side("one", one.display())
                .side("another", another.display())
                .now("give --provenance FILE"))
        }
    }
}

/// Prints what would be logged by an issuer whose `builders` name every signer.
fn dry_run(mut pairs: Vec<Pair>, asked: &Asked, out: &Out) -> Result<Exit, Failure> {
    let mut lines = Vec::new();
    let mut not_checked = vec!["builders: whether the issuer's opening names who signed; no log was asked".to_owned()];
    for pair in &mut pairs {
        let Fate::Good(judged) = &pair.fate else { continue };
        match judged.certificate.signer().and_then(|signer| build(judged, signer, &pair.file, asked)) {
            Ok(build) => {
                lines.push(json!({"file": pair.path, "provenance": pair.provenance, "body": json_of(&build.body),
                    "subject": {"name": build.subject.name, "sha256": build.subject.sha256},
                    "attachment": json_of(&build.attachment.value())}));
                add(&mut not_checked, build.not_checked);
            }
            Err(failure) => pair.fate = refused(pair, failure)?,
        }
    }
    if !out.is_json() {
        lines.iter().for_each(|line| out.data(format!("{line}\n").as_bytes()));
        pairs.iter().filter(|pair| matches!(pair.fate, Fate::Refused(_))).for_each(|pair| out.note(&pair.told()));
    }
    let report = report(&pairs, not_checked, format!("{} would be logged", lines.len())).with("events", lines);
    Ok(out.report_beside_data(&report))
}

/// What is wrong in a file is its fate; what is wrong on the command line ends the command before anything is sent.
fn refused(pair: &Pair, failure: Failure) -> Result<Fate, Failure> {
    match failure.exit {
        Exit::NotVerified => Ok(Fate::Refused(failure)),
        _ => Err(failure.side("file", pair.path.display())),
    }
}

fn add(lines: &mut Vec<String>, more: Vec<String>) {
    for line in more {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

/// A log that builds go into, and what its issuer may log.
struct Import {
    remote: Log,
    policy: Policy,
    key: Seed,
    issuer: Name,
    origin: String,
    standing: Standing,
    site: Option<String>,
    spool: Spool,
    wait: Duration,
    out: Option<PathBuf>,
}

/// What a delivery did, by the events' files.
#[derive(Default)]
struct Sent {
    logged: BTreeMap<PathBuf, Logged>,
    refused: BTreeMap<PathBuf, Failure>,
    waits: BTreeMap<PathBuf, String>,
}

impl Import {
    fn open(args: &Slsa) -> Result<Import, Failure> {
        let missing = |what: &str| Failure::usage("usage", format!("{what} is missing")).now("see --help");
        let policy = policies::load(args.policy.as_deref().ok_or_else(|| missing("--policy"))?, args.unwitnessed)?;
        let key = keyfile::read_event_key(args.key.as_deref().ok_or_else(|| missing("--key"))?)?;
        let remote = Log::new(args.log.as_deref().ok_or_else(|| missing("--log"))?)?;
        let name = args.issuer.as_deref().ok_or_else(|| missing("--issuer"))?;
        let issuer = Name::new(name).ok_or_else(|| {
            Failure::usage("name", "this is not an issuer's name")
                .side("given", name)
                .side("wanted", "3 to 64 of a-z, 0-9 and -")
        })?;
        let (signed, _) = answer::checkpoint(&policy, &remote.checkpoint()?, clock::now())?;
        let origin = signed.origin().to_string();
        // Builders and sites are those of an opening that our own key signed.
        let standing = Standing::read(&origin, name, &key.vkey(), &remote.issuer(name)?)?;
        let dir = match &args.spool {
            Some(dir) => dir.clone(),
            None => spool::default_dir()?,
        };
        let dir = std::path::absolute(&dir).map_err(|error| {
            Failure::usage("file.path", "a path cannot be made absolute")
                .side("path", dir.display())
                .side("system", error)
        })?;
        // A spool of its own for this log and issuer: nobody else delivers what is in it, or logs the same meanwhile.
        let place = Hash::of_parts(&[origin.as_bytes(), b"\n", name.as_bytes()]).hex();
        let dir = dir.join("slsa").join(format!("{issuer}-{}", place.get(..16).unwrap_or_default()));
        let wait = Duration::from_secs(args.wait);
        let spool = Spool::open(&dir, wait)?;
        let site = args.site.clone().or_else(|| standing.opening.sites.first().cloned());
        Ok(Import { remote, policy, key, issuer, origin, standing, site, spool, wait, out: args.out.clone() })
    }

    fn run(&self, mut pairs: Vec<Pair>, asked: &Asked, out: &Out) -> Result<Exit, Failure> {
        let clock = Deadline::after(self.wait);
        let mut sent = Sent::default();
        self.deliver(self.spool.pending()?, &clock, &mut sent)?;
        // It was no verdict on what is asked for now, which is made anew.
        for failure in std::mem::take(&mut sent.refused).into_values() {
            out.warn(&format!("an event of an earlier run was refused ({}): {failure}", failure.code));
        }
        for pair in &mut pairs {
            if let Fate::Good(judged) = &pair.fate {
                pair.fate = match self.found(pair, &sent)? {
                    Some(fate) => fate,
                    None => self.made(pair, judged, asked).or_else(|failure| refused(pair, failure))?,
                };
            }
        }
        let mut not_checked = Vec::new();
        let records = self.put(&pairs, &mut not_checked, out)?;
        let parcels = self.spool.add(self.remote.url(), records.into_values().collect())?;
        self.deliver(parcels, &clock, &mut sent)?;
        for pair in &mut pairs {
            if matches!(pair.fate, Fate::Made(..)) {
                let unknown = || Fate::Waits("the log's answer does not say what became of it".to_owned());
                pair.fate = sent.fate(&self.path_of(pair)).unwrap_or_else(unknown);
            }
        }
        let logged = self.hand_out(&pairs)?;
        if !out.is_json() {
            pairs.iter().for_each(|pair| out.line(&pair.told()));
        }
        let mut report = report(&pairs, not_checked, format!("{logged} logged"));
        if logged > 0 {
            report = report
                .checked("builders: the issuer's opening names who signed")
                .checked("payload: each leaf holds the event that was sent")
                .checked("inclusion: each leaf is in the tree of the checkpoint")
                .checked(
                    "quorum: the checkpoint carries the log's and the witnesses' signatures that the policy asks for",
                );
        }
        Ok(out.report(&report.with("logged", logged).with("events", pairs.iter().map(Pair::json).collect::<Vec<_>>())))
    }

    /// The file of an event, by what makes two builds the same [M-12].
    fn path_of(&self, pair: &Pair) -> PathBuf {
        let name = Hash::of_parts(&[pair.artifact.as_bytes(), pair.sha256.as_bytes()]);
        self.spool.dir().join("proofs").join(format!("{}.json", name.hex()))
    }

    /// What is known of a pair already: by this run, by this machine, by the log.
    fn found(&self, pair: &Pair, sent: &Sent) -> Result<Option<Fate>, Failure> {
        let path = self.path_of(pair);
        if let Some(fate) = sent.fate(&path) {
            return Ok(Some(fate));
        }
        let (proof, now) = (files::beside(&path, "tlog-proof"), clock::now());
        let (epoch, key) = (self.standing.epoch, &self.key.vkey());
        let sought = Sought { issuer: &self.issuer, epoch, key, artifact: pair.artifact, provenance: pair.sha256 };
        // A kept proof that this policy does not take, or that was damaged, is replaced by one that it takes.
        let kept = std::fs::read(&proof).ok();
        let kept = kept.and_then(|bytes| found::in_file(&self.policy, "", &bytes, now).ok());
        let found = match kept.filter(|found| sought.is(&found.event)) {
            Some(found) => found,
            None => {
                let Some(found) = known(&self.remote, &self.policy, &sought, now)? else { return Ok(None) };
                files::replace(&proof, &found.proven.print())?;
                found
            }
        };
        let (index, event_id) = (found.proven.index.get(), found.event.id.hex());
        Ok(Some(Fate::Logged(Logged { index, event_id, proof, now: false })))
    }

    /// The event of a pair that is not in the log.
    fn made(&self, pair: &Pair, judged: &Judged, asked: &Asked) -> Result<Fate, Failure> {
        let Some(chained) = self.standing.opening.types.get(&Kind::Build) else {
            return Err(Failure::usage("type-not-allowed", "this issuer may not log builds")
                .side("issuer", &self.issuer)
                .side(
                    "its types",
                    self.standing.opening.types.keys().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
                ));
        };
        let builder = judged.builder(&self.standing.opening.builders)?;
        let build = build(judged, builder, &pair.file, asked)?;
        let draft = Draft {
            kind: Kind::Build.name().to_owned(),
            origin: self.origin.clone(),
            issuer: self.issuer.to_string(),
            epoch: self.standing.epoch,
            chain: match chained {
                Chained::Strict => Chain::Later,
                Chained::None => Chain::Unchained(nonce()?),
            },
            recorded: clock::now(),
            site: self.site.clone(),
            cosigners: Vec::new(),
            refs: Vec::new(),
            body: build.body.clone(),
            fields: Vec::new(),
            files: vec![build.subject.clone()],
            digests: BTreeMap::new(),
            attachments: vec![build.attachment.clone()],
        };
        let event = draft.event()?;
        // What is wrong with it came out of the files.
        draft::check_members(&event).map_err(|failure| Failure { exit: Exit::NotVerified, ..failure })?;
        Ok(Fate::Made(event, Box::new(build)))
    }

    /// Puts the provenance of each event, and says what is to be sent, by the events' files.
    fn put(
        &self,
        pairs: &[Pair],
        not_checked: &mut Vec<String>,
        out: &Out,
    ) -> Result<BTreeMap<PathBuf, Record>, Failure> {
        let (origin, issuer, key) = (self.origin.clone(), self.issuer.clone(), self.key.clone());
        let putter = Putter { log: &self.remote, origin, issuer, key, wait: self.wait };
        let made: Vec<(&Pair, &EventFile, &Build)> = pairs
            .iter()
            .filter_map(|pair| match &pair.fate {
                Fate::Made(event, build) => Some((pair, event, &**build)),
                _ => None,
            })
            .collect();
        let bar = out.progress(made.iter().map(|(pair, ..)| pair.file.size).sum(), "bytes of provenance");
        let mut records = BTreeMap::new();
        for (pair, event, build) in made {
            let document = document(&pair.provenance, &pair.file.media_type)?;
            if document.attached.sha256 != pair.file.sha256 {
                return Err(Failure::usage("attach.changed", "a file changed since it was judged")
                    .side("before", &pair.file.sha256)
                    .side("now", &document.attached.sha256)
                    .side("file", pair.provenance.display()));
            }
            putter.put(&document, &bar).map_err(|failure| {
                bar.finish_and_clear();
                failure.side("file", pair.provenance.display())
            })?;
            add(not_checked, build.not_checked.clone());
            let path = self.path_of(pair);
            let record = Record {
                about: None,
                proof: Some(files::beside(&path, "tlog-proof")),
                file: Some(path.clone()),
                source: Hash::of(event.payload()).hex(),
                envelope: event.line(),
                unplaced: event.wants_place(),
                asks_release: false,
                sealed: None,
            };
            records.insert(path, record);
        }
        bar.finish_and_clear();
        Ok(records)
    }

    fn deliver(&self, parcels: Vec<Parcel>, clock: &Deadline, sent: &mut Sent) -> Result<(), Failure> {
        let courier =
            Courier { remote: &self.remote, policy: &self.policy, key: Some(&self.key), spool: &self.spool, clock };
        for mut parcel in parcels {
            let mut outcome = Outcome::default();
            let ended = courier.deliver(&mut parcel, &mut outcome);
            sent.note(outcome, &parcel);
            ended.map_err(|failure| {
                failure
                    .side("logged by this run", sent.logged.len())
                    .side("events", format!("still in the spool {}", self.spool.dir().display()))
            })?;
        }
        Ok(())
    }

    /// Writes the proofs to `--out`; how many this run logged.
    fn hand_out(&self, pairs: &[Pair]) -> Result<usize, Failure> {
        let mut count = 0;
        for pair in pairs {
            let Fate::Logged(logged) = &pair.fate else { continue };
            count += usize::from(logged.now);
            if let (Some(dir), Some(name)) = (&self.out, pair.path.file_name()) {
                let to = files::beside(&dir.join(name), "build.tlog-proof");
                files::replace(&to, &files::read(&logged.proof, PROOF_BYTES_MAX)?)?;
            }
        }
        Ok(count)
    }
}

impl Sent {
    /// Notes what became of a parcel, whose rest is in the spool.
    fn note(&mut self, outcome: Outcome, parcel: &Parcel) {
        for delivered in outcome.delivered {
            if let (Some(file), Some(proof)) = (delivered.file, delivered.proof) {
                let (index, event_id) = (delivered.logged.index.get(), delivered.event_id);
                self.logged.insert(file, Logged { index, event_id, proof, now: true });
            }
        }
        for Rejected { file, problem, kept, .. } in outcome.rejected {
            let failure = Failure::refused(&problem.code, "the log refused the event")
                .side("title", problem.title)
                .side("detail", problem.detail)
                .side("kept in", kept.display());
            self.refused.extend(file.map(|file| (file, failure)));
        }
        if let Some(why) = outcome.waiting {
            self.waits.extend(parcel.records.iter().filter_map(|record| Some((record.file.clone()?, why.clone()))));
        }
    }

    fn fate(&self, file: &Path) -> Option<Fate> {
        let logged = self.logged.get(file).map(|logged| Fate::Logged(logged.clone()));
        let refused = || self.refused.get(file).map(|failure| Fate::Refused(failure.clone()));
        logged.or_else(refused).or_else(|| self.waits.get(file).map(|why| Fate::Waits(why.clone())))
    }
}

/// The report on all pairs; `what` was done.
fn report(pairs: &[Pair], not_checked: Vec<String>, what: String) -> Report {
    let (mut refused, mut waits, mut before) = (Vec::new(), Vec::new(), 0);
    for pair in pairs {
        match &pair.fate {
            Fate::Refused(failure) => refused.push(failure),
            Fate::Waits(why) => waits.push(why),
            Fate::Logged(Logged { now: false, .. }) => before += 1,
            Fate::Logged(_) | Fate::Good(_) | Fate::Made(..) => {}
        }
    }
    let mut reason = what;
    let mut more = |count: usize, what: &str| {
        if count > 0 {
            reason = format!("{reason}, {count} {what}");
        }
    };
    more(before, "logged before");
    more(waits.len(), "in the spool");
    more(refused.len(), "refused");
    let mut report = match (refused.first(), waits.first()) {
        (Some(first), _) => {
            Report::new(Exit::NotVerified, "incomplete", &first.code, format!("{reason}; first: {}", first.what))
        }
        (None, Some(why)) => Report::new(Exit::NotYet, "spooled", "import.spooled", format!("{reason}: {why}")),
        (None, None) => Report::done("import.done", reason),
    };
    if pairs.len() > refused.len() {
        report = report
            .checked("signature: each provenance is signed by the key of the certificate beside it")
            .checked("digests: each artifact is the one that its provenance is about");
    }
    if before > 0 {
        report = report.not_checked(format!("{before} logged before: their events are not made again"));
    }
    not_checked.into_iter().fold(report, Report::not_checked).with("refused", refused.len())
}
