//! `event new`: header and body from what a person gives (cli.md; leaf-format.md 3 and 4).
//!
//! Reads files, references and the chain's place, and hands them to `draft`. Not here: signing and sending.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{self, Value};
use vitrine_spec::statement::Kind;

use crate::clock;
use crate::draft::{self, Chain, Draft, Subject};
use crate::event_file::{EventFile, Members};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::given::{attachment, digest, is_sha256, keyid, nonce, produced, public_key, reference, target, wrong_key};
use crate::http::Log;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::place::{Place, ZEROS};

/// The types that are made here, and `access`, which is named to say where it is made.
fn types() -> impl Iterator<Item = PossibleValue> {
    draft::kinds().map(PossibleValue::new).chain([PossibleValue::new(Kind::Access.name()).hide(true)])
}

/// `event new`.
#[derive(Debug, Args)]
#[command(after_help = "\
Charters are made by `charter new`.

The place in the issuer's chain (epoch, seq, prev, and release_seq of an update)
is read with --log, or given with --seq and --prev, or follows an event file with
--after, or is left to `submit`, which asks for it and signs.

Examples:
  log-client event new issuer-open --origin O --issuer farm --vkey farm.vkey \\
    --cosigner operator.vkey --field types.build=none --field heartbeat_s=86400 \\
    --field jurisdiction=CH --field builders=https://example.com/farm --out open.json
    (a release service: --field types.update=strict --field streams=app/stable; a rebuilder:
    --field types.rebuild=none --field independence=third-party. Before it is submitted each
    signs: event sign --key farm.key open.json; event sign --key operator.key open.json)
  log-client event new build --origin O --issuer farm --file app \\
    --field purl=pkg:generic/app@1.2 --field source.uri=https://git.example.com/app \\
    --field source.digest.gitTree=HEX --field builder_id=https://example.com/farm \\
    --field build_type=https://example.com/cargo --field invocation_id=17 \\
    --field started=T --field finished=T --field build_site=CH-ZH-1 \\
    --field signing_site=CH-ZH-1 --out build.json
  log-client event new rebuild --origin O --issuer lab --ref reproduces=build.json \\
    --produced app=out/app --field independence=third-party --out rebuild.json
  log-client event new update --origin O --issuer release --file app \\
    --ref releases=build.json --field purl=pkg:generic/app@1.2 \\
    --field packageId=app --field channel=stable --field kind=product --out update.json
  log-client event new erasure --log URL --issuer operator --cosigner supervisor.vkey \\
    --target 4711 --field reason=data-subject --field authority=\"case 2026/17\" \\
    --field \"places=backup tapes@2027-03-31\" --out erase.json
  log-client event new verdict --origin O --issuer supervisor --ref about=update.json \\
    --ref about=rebuild.json --field result=PASSED --field verifier=https://example.org/verifier \\
    --field policy.uri=https://example.org/policy/3 --field policy.sha256=HEX \\
    --field levels=SLSA_BUILD_LEVEL_2 --out verdict.json
  log-client event new rules --log URL --issuer operator --cosigner supervisor.vkey \\
    --field version=2 --field effective=2020-11-01 --field \"regions=EU:AT,BE,CH@CH-ZH-1,CH-ZH-2\" \\
    --field regions=CA:CA@CH-ZH-1 --field \"exclusions=reads of published statistics\" \\
    --field retention=telemetry@730 --field lateness_s=3600 --out rules-2.json
    (the whole content each time: --body FILE takes that of the version before)
  log-client event new correction --log URL --issuer farm --ref corrects=build.json \\
    --field reason=mistake --field fields=invocation_id=18 --out correct.json
    (of a sealed event the names alone: --field fields=storage_site)")]
pub struct New {
    /// The type
    #[arg(value_name = "TYPE", value_parser = PossibleValuesParser::new(types()))]
    kind: String,
    /// The log it is for; read from --log when not given
    #[arg(long, value_name = "O")]
    origin: Option<String>,
    /// Who says it
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The issuer's epoch; read with --log, else 1
    #[arg(long, value_name = "N")]
    epoch: Option<u32>,
    /// Read the place in the chain from this log
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// The place in the chain
    #[arg(long, value_name = "N", requires = "prev")]
    seq: Option<u64>,
    /// event_id of the event before it, hex
    #[arg(long, value_name = "HEX", requires = "seq")]
    prev: Option<String>,
    /// Place it right after this event file of the same issuer
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seq", "log"])]
    after: Option<PathBuf>,
    /// Put a build, rebuild, code-review or verdict into the chain too: where the issuer's opening says `strict`
    #[arg(long)]
    chained: bool,
    /// When it was recorded
    #[arg(long, value_name = "T", default_value = "now")]
    recorded: String,
    /// The issuer's site, where its opening lists sites
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// Who signs besides the issuer: a keyid, a vkey, or a file with either or with the key
    #[arg(long, value_name = "KEY")]
    cosigner: Vec<String>,
    /// Refers to another event: an event file, or its event_id, with @ORIGIN when it is in another log
    #[arg(long = "ref", value_name = "REL=FILE|HEX[@ORIGIN]")]
    refs: Vec<String>,
    /// A member of the body; a member of a member with a dot; a list by giving it again
    #[arg(long = "field", value_name = "K=V")]
    fields: Vec<String>,
    /// The body, or a part of it, as a JSON file; --field is put on top
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// A file that the event is about: digest and size are taken from it
    #[arg(long = "file", value_name = "[NAME=]PATH")]
    files: Vec<String>,
    /// The same by its digest; for code-review and incident: sha256=HEX, gitTree=HEX, gitCommit=HEX; for verdict: sha256=HEX
    #[arg(long = "subject", value_name = "NAME=SHA256[:SIZE]")]
    subjects: Vec<String>,
    /// rebuild: what was produced for the file NAME, as a file or digest
    #[arg(long, value_name = "NAME=PATH|SHA256")]
    produced: Vec<String>,
    /// issuer-open, issuer-close: the issuer's public key: a vkey, or a file with it or with the key
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
    /// erasure: a record, by its proof or event file, by its index in --log, or as EVENT_ID@ISSUER/EPOCH/SEQ
    #[arg(long = "target", value_name = "FILE|INDEX|ID@PLACE")]
    targets: Vec<String>,
    /// erasure of class `subject`: the pseudonym whose row was deleted from the vendor's table
    #[arg(long, value_name = "TEXT", conflicts_with = "targets")]
    subject_ref: Option<String>,
    /// A document behind it, put into the log with `log-client attach`: digest and size are taken from the file
    #[arg(long = "attach", value_name = "MEDIA/TYPE=PATH")]
    attachments: Vec<String>,
    /// Have the log judge it without writing it
    #[arg(long, requires = "log")]
    check: bool,
    /// Where to write it; standard output when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `event new`.
pub fn run(args: New, out: &Out) -> Result<Exit, Failure> {
    if args.kind == Kind::Access.name() {
        return Err(Failure::usage("event.sealed", "an access is not made by hand: its record is sealed under keys that are never written")
            .side("type", &args.kind)
            .now("log what a system has recorded with `log-client import`; have a system log as it goes with `log-client gateway`"));
    }
    let log = args.log.as_deref().map(Log::new).transpose()?;
    let origin = match (&args.origin, &log) {
        (Some(origin), _) => origin.clone(),
        (None, Some(log)) => origin_of(log)?,
        (None, None) => {
            return Err(Failure::usage("event.origin", "which log is it for?").now("give --origin O, or --log URL"));
        }
    };
    let kind = args.kind.as_str();
    let unchained = draft::unchained_by_default(kind) && !args.chained && args.seq.is_none() && args.after.is_none();
    let mut place = None;
    let (epoch, chain) = if unchained {
        let epoch = match (args.epoch, &log) {
            (Some(epoch), _) => epoch,
            (None, Some(log)) => Place::read(&args.issuer, &log.issuer(&args.issuer)?)?.epoch,
            (None, None) => 1,
        };
        (epoch, Chain::Unchained(nonce()?))
    } else if let (Some(seq), Some(prev)) = (args.seq, &args.prev) {
        (args.epoch.unwrap_or(1), Chain::At(seq, prev.clone()))
    } else if let Some(path) = &args.after {
        let before = EventFile::read(path)?;
        let seq = before.header_int("seq").ok_or_else(|| {
            Failure::usage("event.after", "the event before is in no chain, or has no place yet")
                .side("file", path.display())
        })?;
        let epoch = before.header_int("epoch").and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(1);
        (args.epoch.unwrap_or(epoch), Chain::At(seq + 1, before.id().hex()))
    } else if kind == "issuer-open" {
        (args.epoch.unwrap_or(1), Chain::At(1, ZEROS.to_owned()))
    } else if let Some(log) = &log {
        let read = Place::read(&args.issuer, &log.issuer(&args.issuer)?)?;
        let epoch = read.epoch;
        place = Some(read);
        (args.epoch.unwrap_or(epoch), Chain::Later)
    } else {
        (args.epoch.unwrap_or(1), Chain::Later)
    };
    let mut body = match &args.body {
        Some(path) => {
            let bytes = files::read(path, EVENT_FILE_BYTES_MAX)?;
            json::parse(&bytes).map_err(|error| {
                Failure::usage("event.body", "the body is not strict JSON")
                    .side("file", path.display())
                    .side("reason", error)
            })?
        }
        None => Value::object([]),
    };
    let mut digests = BTreeMap::new();
    let mut subjects = files_of(&args, &mut digests)?;
    if let Some(key) = &args.vkey {
        let vkey = public_key(key)?.ok_or_else(|| wrong_key(key))?;
        if kind == "issuer-open" {
            body.set("vkey", Value::Text(vkey.to_string()));
        } else {
            digests.insert("sha256".to_owned(), draft::key_digest(&vkey.to_string())?);
        }
    }
    if kind == Kind::Erasure.name() {
        erasure(&args, log.as_ref(), &mut body, &mut digests)?;
    } else if kind == Kind::Rules.name() {
        check_supervisor(&args)?;
    }
    if kind != Kind::Erasure.name() && (!args.targets.is_empty() || args.subject_ref.is_some()) {
        return Err(Failure::usage("event.target", "only an erasure has targets").side("type", kind));
    }
    let mut refs = Vec::new();
    for text in &args.refs {
        let (reference, event) = reference(text)?;
        if let Some(event) = event {
            follow(kind, &reference.rel, &event, &mut subjects, &mut body, &args);
        }
        refs.push(reference);
    }
    produced(&args.produced, &mut subjects)?;
    let draft = Draft {
        kind: kind.to_owned(),
        origin,
        issuer: args.issuer.clone(),
        epoch,
        chain,
        recorded: clock::parse(&args.recorded)?,
        site: args.site.clone(),
        cosigners: args.cosigner.iter().map(|text| keyid(text)).collect::<Result<_, _>>()?,
        refs,
        body,
        fields: args.fields.clone(),
        files: subjects,
        digests,
        attachments: args.attachments.iter().map(|text| attachment(text)).collect::<Result<_, _>>()?,
    };
    let mut event = draft.event()?;
    if let Some(place) = &mut place {
        event = place.put(&event, false)?;
    }
    draft::check_members(&event)?;
    if let Some(log) = log.as_ref().filter(|_| args.check) {
        {
            let body = format!("{{\"envelope\":{}}}", event.line());
            log.check(body.into_bytes())
                .map_err(|error| Failure::from(error).side("event", "was judged, not written"))?;
        }
    }
    files::emit(args.out.as_deref(), event.print().as_bytes(), out)?;
    let waits = event.wants_place();
    let where_to = args.out.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let what = if waits { "without its place, which `submit` asks for" } else { "unsigned" };
    let mut report = Report::done("event.new", format!("{kind} by {}, {what}, in {where_to}", args.issuer));
    if args.check {
        report = report.checked("the log would take it now; signatures were not judged");
    }
    if !waits {
        report = report.with("event_id", event.id().hex());
    }
    report = report.with("event", serde_json::from_str::<serde_json::Value>(&event.line()).unwrap_or_default());
    Ok(out.report_beside_data(&report))
}

/// The origin in a log's checkpoint; the log judges every event against its own, so a wrong one is refused there.
pub(super) fn origin_of(log: &Log) -> Result<String, Failure> {
    let note = log.checkpoint()?;
    vitrine_spec::checkpoint::SignedCheckpoint::parse(&note).map(|signed| signed.origin().to_string()).map_err(
        |error| {
            Failure::new(Exit::Unreachable, "answer.not-the-log", "this address does not serve a checkpoint")
                .side("asked", log.url())
                .side("reason", error)
        },
    )
}

/// The types that the supervisor always signs too.
fn check_supervisor(args: &New) -> Result<(), Failure> {
    if args.cosigner.is_empty() {
        return Err(Failure::usage("event.cosigner", "this type is signed by the supervisor too")
            .side("type", &args.kind)
            .side("given", "no --cosigner")
            .now(
                "give --cosigner with the supervisor's key id or vkey; then `event sign` by operator and supervisor",
            ));
    }
    Ok(())
}

/// What an erasure erases: records by their places, or a person by the pseudonym.
fn erasure(
    args: &New,
    log: Option<&Log>,
    body: &mut Value,
    digests: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    check_supervisor(args)?;
    let mut targets = Vec::new();
    for text in &args.targets {
        targets.push(target(text, log)?);
    }
    targets.sort();
    if !targets.is_empty() {
        let list = targets.iter().map(|(id, at)| Value::object([("event_id", id.as_str().into()), ("at", at.value())]));
        body.set("targets", Value::Array(list.collect()));
    }
    if let Some(pseudonym) = &args.subject_ref {
        digests.insert("sha256".to_owned(), Hash::of(pseudonym.as_bytes()).hex());
    }
    Ok(())
}

/// Named files; unnamed digests go to `digests`.
fn files_of(args: &New, digests: &mut BTreeMap<String, String>) -> Result<Vec<Subject>, Failure> {
    let mut found = Vec::new();
    for text in &args.files {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if !Path::new(text).exists() => (Some(name.to_owned()), PathBuf::from(path)),
            Some(_) | None => (None, PathBuf::from(text)),
        };
        let name = match name.or_else(|| path.file_name().map(|name| name.to_string_lossy().into_owned())) {
            Some(name) => name,
            None => {
                return Err(Failure::usage("event.file", "a file has no name")
                    .side("given", text)
                    .now("give --file NAME=PATH"));
            }
        };
        let (sha256, size) = digest(&path)?;
        found.push(Subject { name, sha256, size: Some(size), produced: None });
    }
    for text in &args.subjects {
        let wrong = || {
            Failure::usage("event.subject", "a subject is NAME=SHA256, with :SIZE for an update").side("given", text)
        };
        let (name, rest) = text.rsplit_once('=').ok_or_else(wrong)?;
        if matches!(args.kind.as_str(), "code-review" | "erasure" | "incident" | "issuer-open" | "issuer-close") {
            if !matches!(name, "sha256" | "gitTree" | "gitCommit") {
                return Err(Failure::usage("event.subject", "the subject of this type is a digest without a name")
                    .side("given", text)
                    .side("wanted", "sha256=HEX, gitTree=HEX or gitCommit=HEX"));
            }
            digests.insert(name.to_owned(), rest.to_owned());
            continue;
        }
        if args.kind == Kind::Verdict.name() && name != "sha256" {
            return Err(Failure::usage("event.subject", "the subjects of a verdict are digests without names")
                .side("given", text)
                .side("wanted", "sha256=HEX"));
        }
        let (sha256, size) = match rest.split_once(':') {
            Some((sha256, size)) => (sha256, Some(vitrine_spec::text::decimal(size).map_err(|_| wrong())?)),
            None => (rest, None),
        };
        if !is_sha256(sha256) {
            return Err(wrong().side("wanted", "64 lowercase hexadecimal digits"));
        }
        found.push(Subject { name: name.to_owned(), sha256: sha256.to_owned(), size, produced: None });
    }
    Ok(found)
}

/// Takes from the event referred to what would only be copied by hand.
fn follow(kind: &str, rel: &str, event: &EventFile, subjects: &mut Vec<Subject>, body: &mut Value, args: &New) {
    // A verdict may be about several updates.
    let all = (kind, rel) == ("verdict", "about") && event.kind() == Some(Kind::Update.name());
    let copies = all || matches!((kind, rel), ("rebuild", "reproduces") | ("update-revoke", "revokes"));
    if !copies {
        return;
    }
    let none = if all { args.files.is_empty() && args.subjects.is_empty() } else { subjects.is_empty() };
    if let (true, Some(Value::Array(elements))) = (none, event.statement().get("subject")) {
        {
            for element in elements {
                let sha256 = element.get("digest").and_then(|digest| digest.get("sha256")).and_then(Value::as_text);
                if let (Some(name), Some(sha256)) = (element.get("name").and_then(Value::as_text), sha256) {
                    subjects.push(Subject {
                        name: name.to_owned(),
                        sha256: sha256.to_owned(),
                        size: None,
                        produced: None,
                    });
                }
            }
        }
    }
    let source_given = body.get("source").is_some() || args.fields.iter().any(|field| field.starts_with("source."));
    if let Some(source) = event.body("source").filter(|_| kind == "rebuild" && !source_given) {
        body.set("source", source.clone());
    }
}
