//! `onboard`: what a new issuer does before it can log, done as far as one side can do it (cli.md).
//!
//! Makes the key and the opening, signs it, says who else signs and what each types; with the operator's key it does that too.
//! The same command again goes on where it was. Not here: the form of an opening (`draft`), sending (`submit`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use vitrine_spec::body::charter::Role;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::Kind;
use vitrine_spec::words::{Name, is_keyid};

use super::event_new::origin_of;
use super::submit::{Deadline, Sent, record, send};
use crate::clock;
use crate::deliver::Courier;
use crate::draft::{self, Chain, Draft, unchained_by_default};
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::explain::event_rows;
use crate::files;
use crate::http::Log;
use crate::keyfile;
use crate::output::{Out, Report};
use crate::place::{Opened, Place, ZEROS};
use crate::policies;
use crate::spool::{self, Spool};

/// `onboard`.
#[derive(Debug, Args)]
#[command(after_help = "\
Makes NAME.key and open-NAME.json, signs the opening, and says who else signs it and what each
types. With the operator's key (of a development log: vitrine-dev/operator.key) it signs for the
operator too, and submits.

Examples, with VITRINE_LOG and VITRINE_POLICY set:
  log-client onboard --issuer farm --type build --builder https://example.com/farm \\
    --jurisdiction CH --site CH-ZH-1
  log-client onboard --issuer release --type update --stream app/stable --stream app/beta \\
    --jurisdiction CH
  log-client onboard --issuer lab --type rebuild --independence third-party --jurisdiction DE
  log-client onboard --issuer gateway --type access --site CH-ZH-1 --jurisdiction CH")]
pub struct Onboard {
    /// What the log is to know it by: 3 to 64 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// What it is to log; `=strict` puts builds, rebuilds, reviews and verdicts into its chain too
    #[arg(long = "type", value_name = "TYPE[=strict]", required = true)]
    types: Vec<String>,
    /// build: a builder that it speaks for
    #[arg(long = "builder", value_name = "URI")]
    builders: Vec<String>,
    /// update: a stream that it releases in
    #[arg(long = "stream", value_name = "PACKAGE/CHANNEL[/regional]")]
    streams: Vec<String>,
    /// rebuild: what it is to the vendor
    #[arg(long, value_name = "WORD", value_parser = ["vendor", "third-party"])]
    independence: Option<String>,
    /// A site of the charter where it works
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<String>,
    /// Under which country's law
    #[arg(long, value_name = "CC")]
    jurisdiction: String,
    /// The longest silence that it promises, seconds
    #[arg(long, value_name = "S", default_value_t = 86_400)]
    heartbeat: u64,
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Whom to believe that the opening is logged
    #[arg(long, value_name = "FILE", env = "VITRINE_POLICY")]
    policy: PathBuf,
    /// Its private key; made when missing, NAME.key when not given
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the opening goes; open-NAME.json when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The operator's private key: sign for the operator too, and submit
    #[arg(long, value_name = "FILE")]
    operator_key: Option<PathBuf>,
    /// More who sign, where the charter asks for it: a keyid
    #[arg(long = "cosigner", value_name = "KEYID")]
    cosigners: Vec<String>,
    /// Where the opening waits while the log does not answer; vitrine/spool in the user's state folder when not given
    #[arg(long, value_name = "DIR", env = "VITRINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Seconds to go on trying
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `onboard`.
pub fn run(args: &Onboard, out: &Out) -> Result<Exit, Failure> {
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let name = Name::new(&args.issuer).filter(|name| Role::of(name.as_str()).is_none()).ok_or_else(|| {
        Failure::usage("name", "this cannot be the name of a new issuer")
            .side("given", &args.issuer)
            .side("wanted", "3 to 64 of a-z, 0-9 and -; operator, supervisor and vault are the charter's")
    })?;
    let log = Log::new(&args.log)?;
    let origin = origin(&log, &policy)?;
    let key_path = args.key.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.key")));
    let operator_key = args.operator_key.as_deref().map(keyfile::read_event_key).transpose()?;
    let (key, new) = own_key(&key_path, &name, &origin)?;
    match log.issuer(name.as_str()) {
        Ok(answer) => return opened(args, &name, &key, &answer, out),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(Failure::from(error)),
    }
    let operator = match &operator_key {
        Some(key) => key.vkey().keyid(),
        None => operator_of(&log)?,
    };
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("open-{name}.json")));
    let mut event = opening(args, &name, &origin, &key, &operator)?;
    draft::check_members(&event)?;
    event = there_already(&path, event)?;
    let body = format!("{{\"envelope\":{}}}", EventFile::unsigned(event.statement().clone()).line());
    log.check(body.into_bytes()).map_err(|error| Failure::from(error).side("opening", "was judged, not written"))?;
    if new {
        keyfile::create(&key_path, &key)?;
        out.line(&format!("made {}: the key of {name}, mode 0600; keep it where {name} works", key_path.display()));
    }
    event.sign(&key)?;
    if let Some(operator) = &operator_key {
        event.sign(operator)?;
    }
    files::replace(&path, event.print().as_bytes())?;
    out.rows(&event_rows(&event));
    let missing: Vec<&str> =
        event.cosigners().into_iter().filter(|keyid| event.signers().all(|signer| signer != *keyid)).collect();
    let report = if missing.is_empty() {
        submit(args, &log, &policy, &path, out)?
    } else {
        out.head("Who signs, and what they type");
        for keyid in &missing {
            let whose = if *keyid == operator { "the operator" } else { "a cosigner" };
            out.line(&format!("  {whose}, {keyid}, is sent {}, reads it, and types", path.display()));
            out.line(&format!("    log-client event sign --key THEIR.key {}", shell_word(&path)));
        }
        out.line("  whoever has it then types");
        out.line(&format!(
            "    log-client submit --log {} --policy {} {}",
            args.log,
            shell_word(&args.policy),
            shell_word(&path)
        ));
        let reason = format!("the opening of {name} is in {}, signed by {}", path.display(), key.vkey().keyid());
        Report::new(Exit::Done, "done", "onboard.signed", format!("{reason}; still to sign: {}", missing.join(", ")))
    };
    let done = report.exit == Exit::Done;
    if done {
        next(args, &name, &key_path, out);
    }
    let report = report
        .with("key", key_path.display().to_string())
        .with("vkey", key.vkey().to_string())
        .with("opening", path.display().to_string())
        .with("missing", missing.iter().map(|keyid| serde_json::Value::from(*keyid)).collect::<Vec<_>>());
    Ok(out.report(&report))
}

/// What comes after the opening is logged.
fn next(args: &Onboard, name: &Name, key: &Path, out: &Out) {
    let logs = |kind: Kind| args.types.iter().any(|given| given.split('=').next() == Some(kind.name()));
    if logs(Kind::Build) || logs(Kind::Update) {
        let kind = if logs(Kind::Build) { "" } else { " --type update" };
        out.line("When it is logged, its job types");
        out.line(&format!(
            "    export VITRINE_LOG={} VITRINE_POLICY={} VITRINE_KEY={} VITRINE_ISSUER={name}",
            args.log,
            shell_word(&args.policy),
            shell_word(key)
        ));
        out.line(&format!("    log-client log FILE --purl pkg:generic/NAME@VERSION{kind}"));
    }
    out.line("Verifiers believe it once their trust file names it: log-client trust init, into a new folder.");
}

/// Signs nothing more: sends what all have signed.
fn submit(args: &Onboard, log: &Log, policy: &Policy, path: &Path, out: &Out) -> Result<Report, Failure> {
    let dir = args.spool.clone().map_or_else(spool::default_dir, Ok)?;
    let wait = Duration::from_secs(args.wait);
    let clock = Deadline::after(wait);
    let spool = Spool::open(&dir, wait)?;
    let courier = Courier { remote: log, policy, key: None, spool: &spool, clock: &clock };
    let given = record(path, &dir)?;
    let own = given.file.clone();
    let Sent { outcomes, failed, .. } = send(&courier, log.url(), vec![given], out)?;
    let delivered = outcomes.iter().flat_map(|outcome| &outcome.delivered).find(|one| one.file == own);
    let rejected = outcomes.iter().flat_map(|outcome| &outcome.rejected).find(|one| one.file == own);
    match (delivered, rejected, failed) {
        (Some(one), ..) => {
            let reason = format!(
                "{} is open: entry {}, {}; proof in {}",
                args.issuer,
                one.logged.index,
                one.logged.witnessed(),
                files::beside(path, "tlog-proof").display()
            );
            Ok(Report::done("onboard.opened", reason).with("index", one.logged.index.get()))
        }
        (None, Some(one), _) => {
            let reason = format!("the log refused it, {}: {}", one.problem.title, one.problem.detail);
            Ok(Report::new(Exit::NotVerified, "refused", &one.problem.code, reason))
        }
        (None, None, Some(failure)) => Err(failure),
        (None, None, None) => {
            let why = outcomes.iter().find_map(|outcome| outcome.waiting.as_deref()).unwrap_or_default();
            let reason = format!("the opening is in the spool ({}): {why}", dir.display());
            Ok(Report::new(Exit::NotYet, "spooled", "submit.spooled", reason))
        }
    }
}

/// The log's name, which must be one of the policy's.
fn origin(log: &Log, policy: &Policy) -> Result<String, Failure> {
    let origin = origin_of(log)?;
    let known: Vec<&str> = policy.logs.iter().map(|log| log.vkey.name()).collect();
    if known.is_empty() || known.contains(&origin.as_str()) {
        return Ok(origin);
    }
    Err(Failure::new(Exit::Unreachable, "answer.not-the-log", "the policy is of another log")
        .side("log", origin)
        .side("policy", known.join(", "))
        .now("check that --log and --policy are of the same log"))
}

/// Its key, and whether it is new and not written yet.
fn own_key(path: &Path, name: &Name, origin: &str) -> Result<(Seed, bool), Failure> {
    if path.exists() {
        return Ok((keyfile::read_event_key(path)?, false));
    }
    let host = origin.split('/').next().unwrap_or(origin);
    Ok((keyfile::generate(&format!("{name}.{host}"))?, true))
}

/// The issuer is there: it is this one, or the name is taken.
fn opened(args: &Onboard, name: &Name, key: &Seed, answer: &[u8], out: &Out) -> Result<Exit, Failure> {
    let place = Place::read(name.as_str(), answer).map_err(|failure| {
        failure.now("an issuer that was closed is opened again with: log-client event new issuer-open --epoch N")
    })?;
    if place.vkey != key.vkey().to_string() {
        return Err(Failure::refused("onboard.taken", "this log has an issuer of this name, with another key")
            .side("issuer", name)
            .side("its key", &place.vkey)
            .side("this key", key.vkey().keyid())
            .now("take another --issuer NAME, or the right --key FILE"));
    }
    let types = Opened::read(name.as_str(), &key.vkey(), answer)?.open.types;
    let types: Vec<&str> = types.keys().map(|kind| kind.name()).collect();
    let reason = format!("{name} is open already, epoch {}, for {}", place.epoch, types.join(", "));
    Ok(out.report(&Report::done("onboard.opened", reason).with("issuer", args.issuer.clone())))
}

/// The keyid of the operator, as the log says it: whoever it is has to sign, and the log refuses a wrong one.
fn operator_of(log: &Log) -> Result<String, Failure> {
    let name = Role::Operator.name();
    let place = Place::read(name, &log.issuer(name)?)?;
    let vkey = vitrine_spec::key::Vkey::parse(&place.vkey).map_err(|error| {
        Failure::new(Exit::Unreachable, "issuers.malformed", "the log names no key of its operator")
            .side("reason", error)
    })?;
    Ok(vkey.keyid())
}

/// The opening, unsigned: what `event new issuer-open` makes of the same.
fn opening(args: &Onboard, name: &Name, origin: &str, key: &Seed, operator: &str) -> Result<EventFile, Failure> {
    let mut fields = vec![
        format!("vkey={}", key.vkey()),
        format!("heartbeat_s={}", args.heartbeat),
        format!("jurisdiction={}", args.jurisdiction),
    ];
    for given in &args.types {
        let (kind, mode) = match given.split_once('=') {
            Some((kind, mode)) => (kind, mode),
            None if unchained_by_default(given) => (given.as_str(), "none"),
            None => (given.as_str(), "strict"),
        };
        fields.push(format!("types.{kind}={mode}"));
    }
    let logs = |kind: Kind| args.types.iter().any(|given| given.split('=').next() == Some(kind.name()));
    for (kind, option, given) in [
        (Kind::Build, "--builder URI", !args.builders.is_empty()),
        (Kind::Update, "--stream PACKAGE/CHANNEL", !args.streams.is_empty()),
        (Kind::Rebuild, "--independence WORD", args.independence.is_some()),
    ] {
        if logs(kind) != given {
            return Err(Failure::usage("onboard.options", "what is given does not fit the types")
                .side("types", args.types.join(", "))
                .side(if given { "given" } else { "missing" }, option)
                .now(format!("{option} is given exactly with --type {kind}")));
        }
    }
    let listed = [("builders", &args.builders), ("streams", &args.streams), ("sites", &args.sites)];
    fields
        .extend(listed.into_iter().flat_map(|(name, given)| given.iter().map(move |value| format!("{name}={value}"))));
    fields.extend(args.independence.iter().map(|word| format!("independence={word}")));
    if let Some(wrong) = args.cosigners.iter().find(|keyid| !is_keyid(keyid)) {
        return Err(Failure::usage("event.cosigner", "this is not a keyid").side("given", wrong));
    }
    Draft {
        kind: Kind::IssuerOpen.name().to_owned(),
        origin: origin.to_owned(),
        issuer: name.to_string(),
        epoch: 1,
        chain: Chain::At(1, ZEROS.to_owned()),
        recorded: clock::now(),
        site: args.sites.first().cloned(),
        cosigners: std::iter::once(operator.to_owned()).chain(args.cosigners.iter().cloned()).collect(),
        refs: Vec::new(),
        body: Value::object([]),
        fields,
        files: Vec::new(),
        digests: BTreeMap::new(),
        attachments: Vec::new(),
    }
    .event()
}

/// The opening that lies there, signatures and all, when it says the same; else this one.
fn there_already(path: &Path, event: EventFile) -> Result<EventFile, Failure> {
    if !path.exists() {
        return Ok(event);
    }
    let before = EventFile::read(path)?;
    let parts = |event: &EventFile| {
        let predicate = event.statement().get("predicate").and_then(|predicate| predicate.get("body")).cloned();
        let hdr = ["origin", "issuer", "epoch", "site", "cosigners"].map(|name| event.header(name).cloned());
        (event.kind().map(str::to_owned), predicate, hdr)
    };
    if parts(&before) == parts(&event) {
        return Ok(before);
    }
    Err(Failure::usage("file.exists", "another event lies where the opening goes")
        .side("file", path.display())
        .now("give another --out FILE, or move it away if nobody has signed it; nothing was changed"))
}

/// A path as one word of a shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',' | ':' | '@');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
