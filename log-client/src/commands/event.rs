//! `event new`, `event sign`, `event verify` (cli.md; leaf-format.md 2 to 4).
//!
//! Reads files, references and the chain's place, and hands them to `draft`. Not here: sending (`submit`), charters.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sha2::{Digest, Sha256};
use vitrine_spec::event::Statement;
use vitrine_spec::json::{self, Value};
use vitrine_spec::key::Vkey;
use vitrine_spec::text::hex;

use crate::clock;
use crate::draft::{self, Attached, Chain, Draft, Reference, Subject};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::Log;
use crate::keyfile;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::place::{Place, ZEROS};
use crate::verify_update;

/// `event`.
#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Make an event: header and body, its files digested, ready to be signed or submitted
    New(Box<New>),
    /// Sign an event file; shows what is signed
    Sign(Sign),
    /// Say whether an event is signed by those whom the trust file names; offline
    Verify(Verify),
}

/// `event new`.
#[derive(Debug, Args)]
#[command(after_help = "\
TYPE is one of: build code-review heartbeat incident issuer-close issuer-open rebuild update update-revoke
(charters are made by `charter new`).

The place in the issuer's chain (epoch, seq, prev, and release_seq of an update) is read with --log, or given with
--seq and --prev, or follows an event file with --after, or is left to `submit`, which asks and signs.

Examples:
  log-client event new build --origin example.com/log --issuer farm --file target/app \\
      --field purl=pkg:generic/app@1.2 --field source.uri=https://git.example.com/app \\
      --field source.digest.gitTree=$(git rev-parse HEAD^{tree}) --field builder_id=https://example.com/farm \\
      --field build_type=https://example.com/cargo --field invocation_id=17 --field started=T --field finished=T \\
      --field build_site=CH-ZH-1 --field signing_site=CH-ZH-1 --out build.json
  log-client event new rebuild --origin example.com/log --issuer lab --ref reproduces=build.json --produced app=out/app \\
      --field independence=third-party --out rebuild.json
  log-client event new update --origin example.com/log --issuer release --file app --ref releases=build.json \\
      --field purl=pkg:generic/app@1.2 --field packageId=app --field channel=stable --field kind=product --out update.json
  log-client event new issuer-open --origin example.com/log --issuer farm --vkey farm.key --cosigner operator.key \\
      --field types.build=none --field heartbeat_s=86400 --field jurisdiction=CH --field builders=https://example.com/farm")]
pub struct New {
    /// The type
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(draft::kinds()))]
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
    /// Put a build, rebuild or code-review into the chain too: where the issuer's opening says `strict`
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
    /// The same by its digest; for code-review and incident: sha256=HEX, gitTree=HEX, gitCommit=HEX
    #[arg(long = "subject", value_name = "NAME=SHA256[:SIZE]")]
    subjects: Vec<String>,
    /// rebuild: what was produced for the file NAME, as a file or digest
    #[arg(long, value_name = "NAME=PATH|SHA256")]
    produced: Vec<String>,
    /// issuer-open, issuer-close: the issuer's public key: a vkey, or a file with it or with the key
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
    /// A document behind it: digest and size are taken from the file
    #[arg(long = "attach", value_name = "MEDIA/TYPE=PATH")]
    attachments: Vec<String>,
    /// Have the log judge it without writing it
    #[arg(long, requires = "log")]
    check: bool,
    /// Where to write it; standard output when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `event sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// Private key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write the signed event, instead of replacing FILE
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The event
    file: PathBuf,
}

/// `event verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Directory with policy and trust.toml
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// The event
    file: PathBuf,
}

/// Runs `event`.
pub fn run(command: EventCommand, out: &Out) -> Result<Exit, Failure> {
    match command {
        EventCommand::New(args) => new(*args, out),
        EventCommand::Sign(args) => sign(args, out),
        EventCommand::Verify(args) => verify(args, out),
    }
}

fn new(args: New, out: &Out) -> Result<Exit, Failure> {
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
            Failure::usage("event.after", "the event before is in no chain, or has no place yet").side("file", path.display())
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
                Failure::usage("event.body", "the body is not strict JSON").side("file", path.display()).side("reason", error)
            })?
        }
        None => Value::object([]),
    };
    let mut digests = BTreeMap::new();
    let mut subjects = files_of(&args, &mut digests)?;
    if let Some(key) = &args.vkey {
        let vkey = public_key(key)?.ok_or_else(|| wrong_key(key))?;
        if kind == "issuer-open" {
            crate::event_file::Members::set(&mut body, "vkey", Value::Text(vkey.to_string()));
        } else {
            digests.insert("sha256".to_owned(), draft::key_digest(&vkey.to_string())?);
        }
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
    check_members(&event)?;
    if args.check {
        if let Some(log) = &log {
            let body = format!("{{\"envelope\":{}}}", event.line());
            log.check(body.into_bytes()).map_err(|error| Failure::from(error).side("event", "was judged, not written"))?;
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
fn origin_of(log: &Log) -> Result<String, Failure> {
    let note = log.checkpoint()?;
    vitrine_spec::checkpoint::SignedCheckpoint::parse(&note).map(|signed| signed.origin().to_string()).map_err(|error| {
        Failure::new(Exit::Unreachable, "answer.not-the-log", "this address does not serve a checkpoint")
            .side("asked", log.url())
            .side("reason", error)
    })
}

/// Judges the members of a statement; one that waits for its place is judged as if it were the first.
pub fn check_members(event: &EventFile) -> Result<(), Failure> {
    let mut judged = event.clone();
    if event.wants_place() {
        let stream = |name: &str| event.body(name).and_then(Value::as_text).unwrap_or_default().to_owned();
        let epoch = event.header_int("epoch").and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(1);
        let mut place = Place {
            epoch,
            vkey: String::new(),
            seq: 1,
            prev: ZEROS.to_owned(),
            releases: BTreeMap::from([((stream("packageId"), stream("channel")), 1)]),
        };
        judged = place.put(event, false)?;
    }
    Statement::read(judged.statement(), judged.payload().len()).map(|_| ()).map_err(|refusal| {
        Failure::usage(refusal.code(), "the log would refuse this event")
            .side("rule", refusal)
            .now("correct what was given; nothing was written")
    })
}

/// 16 random bytes, hex.
fn nonce() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::usage("event.random", "the system gave no randomness").side("system", error))?;
    Ok(hex(&bytes))
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
            None => return Err(Failure::usage("event.file", "a file has no name").side("given", text).now("give --file NAME=PATH")),
        };
        let (sha256, size) = digest(&path)?;
        found.push(Subject { name, sha256, size: Some(size), produced: None });
    }
    for text in &args.subjects {
        let wrong = || {
            Failure::usage("event.subject", "a subject is NAME=SHA256, with :SIZE for an update").side("given", text)
        };
        let (name, rest) = text.rsplit_once('=').ok_or_else(wrong)?;
        if matches!(args.kind.as_str(), "code-review" | "incident" | "issuer-open" | "issuer-close") {
            if !matches!(name, "sha256" | "gitTree" | "gitCommit") {
                return Err(Failure::usage("event.subject", "the subject of this type is a digest without a name")
                    .side("given", text)
                    .side("wanted", "sha256=HEX, gitTree=HEX or gitCommit=HEX"));
            }
            digests.insert(name.to_owned(), rest.to_owned());
            continue;
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

/// SHA-256 and size of a file of any size.
pub fn digest(path: &Path) -> Result<(String, u64), Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage("file.read", "a file cannot be read").side("file", path.display()).side("system", error)
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((hex(&hasher.finalize()), size));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `REL=FILE` or `REL=HEX[@ORIGIN]`; the event, where it was a file.
fn reference(text: &str) -> Result<(Reference, Option<EventFile>), Failure> {
    let (rel, target) = text.split_once('=').ok_or_else(|| {
        Failure::usage("event.ref", "a reference is REL=FILE or REL=EVENT_ID").side("given", text).now("for example --ref releases=build.json")
    })?;
    let (id, origin) = match target.split_once('@') {
        Some((id, origin)) if is_sha256(id) => (id, Some(origin.to_owned())),
        Some(_) | None => (target, None),
    };
    if is_sha256(id) {
        return Ok((Reference { rel: rel.to_owned(), event_id: id.to_owned(), origin }, None));
    }
    let event = EventFile::read(Path::new(target))?;
    if event.wants_place() {
        return Err(Failure::usage("event.ref", "the event referred to has no place yet, so its event_id is not known")
            .side("file", target)
            .now("submit it first; `submit` writes the event as logged back into its file"));
    }
    Ok((Reference { rel: rel.to_owned(), event_id: event.id().hex(), origin: None }, Some(event)))
}

/// Takes from the event referred to what would only be copied by hand.
fn follow(kind: &str, rel: &str, event: &EventFile, subjects: &mut Vec<Subject>, body: &mut Value, args: &New) {
    let copies = matches!((kind, rel), ("rebuild", "reproduces") | ("update-revoke", "revokes"));
    if !copies {
        return;
    }
    if subjects.is_empty() {
        if let Some(Value::Array(elements)) = event.statement().get("subject") {
            for element in elements {
                let sha256 = element.get("digest").and_then(|digest| digest.get("sha256")).and_then(Value::as_text);
                if let (Some(name), Some(sha256)) = (element.get("name").and_then(Value::as_text), sha256) {
                    subjects.push(Subject { name: name.to_owned(), sha256: sha256.to_owned(), size: None, produced: None });
                }
            }
        }
    }
    let source_given = body.get("source").is_some() || args.fields.iter().any(|field| field.starts_with("source."));
    if kind == "rebuild" && !source_given {
        if let Some(source) = event.body("source") {
            crate::event_file::Members::set(body, "source", source.clone());
        }
    }
}

fn produced(given: &[String], subjects: &mut [Subject]) -> Result<(), Failure> {
    for text in given {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::usage("event.produced", "what was produced is NAME=PATH or NAME=SHA256").side("given", text)
        })?;
        let names: Vec<String> = subjects.iter().map(|subject| subject.name.clone()).collect();
        let subject = subjects.iter_mut().find(|subject| subject.name == name).ok_or_else(|| {
            Failure::usage("event.produced", "no such file was to be reproduced")
                .side("given", name)
                .side("files", names.join(", "))
                .now("name the files with --ref reproduces=build.json or --subject NAME=SHA256")
        })?;
        subject.produced = Some(if is_sha256(value) { value.to_owned() } else { digest(Path::new(value))?.0 });
    }
    Ok(())
}

fn attachment(text: &str) -> Result<Attached, Failure> {
    let (media_type, path) = text.split_once('=').ok_or_else(|| {
        Failure::usage("event.attach", "an attachment is MEDIA/TYPE=PATH")
            .side("given", text)
            .now("for example --attach application/json=provenance.json")
    })?;
    let (sha256, size) = digest(Path::new(path))?;
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Attached { sha256, size, media_type: media_type.to_owned(), name })
}

/// A vkey from its text, from a file that holds it, or from a private key file.
pub fn public_key(text: &str) -> Result<Option<Vkey>, Failure> {
    if let Ok(vkey) = Vkey::parse(text) {
        return Ok(Some(vkey));
    }
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(None);
    }
    let held = files::read_text(path, crate::limits::KEY_FILE_BYTES_MAX)?;
    if held.starts_with("PRIVATE+KEY+") {
        return Ok(Some(keyfile::read(path)?.vkey()));
    }
    Ok(Vkey::parse(held.trim_end_matches('\n')).ok())
}

/// A keyid from its text, or from whatever `public_key` takes.
pub fn keyid(text: &str) -> Result<String, Failure> {
    if vitrine_spec::words::is_keyid(text) {
        return Ok(text.to_owned());
    }
    public_key(text)?.map(|vkey| vkey.keyid()).ok_or_else(|| wrong_key(text))
}

fn wrong_key(text: &str) -> Failure {
    Failure::usage("event.key", "this is neither a vkey nor a file with a key")
        .side("given", text)
        .now("give a vkey, or a file with a vkey or a private key")
}

fn sign(args: Sign, out: &Out) -> Result<Exit, Failure> {
    let seed = keyfile::read_event_key(&args.key)?;
    let mut event = EventFile::read(&args.file)?;
    if event.kind() == Some("charter") {
        return Err(Failure::usage("event.sign", "a charter is signed by `charter sign`, which shows the keys in it")
            .side("file", args.file.display())
            .now(format!("log-client charter sign --key {} {}", args.key.display(), args.file.display())));
    }
    if event.wants_place() {
        return Err(Failure::refused("event.no-place", "the event has no place in its chain yet, so there is nothing to sign")
            .side("file", args.file.display())
            .side("missing", "hdr.seq and hdr.prev, or release_seq")
            .now("submit it with --key, which asks for the place and signs; or make it again with --log URL or --seq and --prev"));
    }
    check_members(&event)?;
    let keyid = seed.vkey().keyid();
    let role = if event.cosigners().contains(&keyid.as_str()) { "cosigner" } else { "issuer" };
    if role == "issuer" {
        let other = event.signers().find(|signer| *signer != keyid && !event.cosigners().contains(signer));
        if let Some(other) = other {
            return Err(Failure::refused("signer-set", "the issuer's signature is there already, and this key is not among the cosigners")
                .side("issuer's", other)
                .side("this key", &keyid)
                .side("cosigners", if event.cosigners().is_empty() { "none".to_owned() } else { event.cosigners().join(", ") })
                .now("name this key with --cosigner when making the event, or sign with the right key"));
        }
    }
    show_signed(&event, out);
    event.sign(&seed)?;
    files::emit(Some(args.out.as_deref().unwrap_or(&args.file)), event.print().as_bytes(), out)?;
    let signers: Vec<&str> = event.signers().collect();
    let missing: Vec<&str> = event.cosigners().into_iter().filter(|cosigner| !signers.contains(cosigner)).collect();
    let issuer_signed = signers.iter().any(|signer| !event.cosigners().contains(signer));
    let mut waiting: Vec<String> = missing.iter().map(|keyid| (*keyid).to_owned()).collect();
    if !issuer_signed {
        waiting.push(format!("the key of issuer {}", event.header_text("issuer").unwrap_or_default()));
    }
    let rest = if waiting.is_empty() { "all have signed".to_owned() } else { format!("still to sign: {}", waiting.join(", ")) };
    let report = Report::done("event.signed", format!("signed as {role} by {keyid}; {rest}"))
        .with("event_id", event.id().hex())
        .with("signers", signers.iter().map(|signer| serde_json::Value::from(*signer)).collect::<Vec<_>>())
        .with("missing", waiting);
    Ok(out.report_beside_data(&report))
}

/// Shows a person what a signature will stand under.
fn show_signed(event: &EventFile, out: &Out) {
    if out.is_json() {
        return;
    }
    for (label, value) in super::show::event_rows(event) {
        out.note(&format!("  {label:12} {value}"));
    }
}

fn verify(args: Verify, out: &Out) -> Result<Exit, Failure> {
    let dir = files::trust_dir(args.trust.as_deref())?;
    let pins = verify_update::load_pins(Some(&dir), args.unwitnessed)?;
    let bytes = files::read(&args.file, EVENT_FILE_BYTES_MAX)?;
    let verdict = vitrine_spec::verdict::verify_event(&bytes, pins.trust());
    Ok(verify_update::print(verdict, out))
}

