//! `charter new` and `charter sign`: entry 0, and later versions (cli.md; leaf-format.md 4, "charter").
//!
//! Each side signs offline after it has read its own keys here. Not here: writing entry 0 (`log-server init`).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::statement::{PREDICATE_BASE, STATEMENT_TYPE};
use vitrine_spec::trust::Fingerprint;

use super::event::{check_members, public_key};
use crate::clock;
use crate::event_file::{EventFile, Members, int, number};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::keyfile;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::place::{ZEROS, digest_subject};

const PROTOCOL: &str = "vitrine/v0";

/// Types that every log takes unless it is raw.
const ALWAYS: [&str; 5] = ["charter", "heartbeat", "incident", "issuer-close", "issuer-open"];

/// `charter`.
#[derive(Debug, Subcommand)]
pub enum Charter {
    /// Write a charter, unsigned
    New(Box<New>),
    /// Show every key in a charter and its fingerprint, and sign it with one side's key
    Sign(Sign),
}

/// `charter new`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  log-client charter new --origin example.com/log --log-keys log-keys.txt --operator operator.key.pub \\
      --supervisor supervisor.vkey --vault 'VKEY' --type build --type rebuild --type code-review --type update \\
      --site 'CH-ZH-1=Zurich, data centre 1' --out charter.json
where log-keys.txt holds what `log-server keygen` printed. A KEY is a vkey, or a file that holds a vkey or a private key.
A later version takes everything from the one before: charter new --after charter.json --supervisor NEW ...")]
pub struct New {
    /// The log's name; its keys have it as their key name
    #[arg(long, value_name = "O", required_unless_present = "after")]
    origin: Option<String>,
    /// A key of the log; give both, Ed25519 and ML-DSA-44
    #[arg(long, value_name = "KEY")]
    log_key: Vec<String>,
    /// A file with the log's two vkeys, and the vault's if it has one, as `log-server keygen` prints them
    #[arg(long, value_name = "FILE")]
    log_keys: Option<PathBuf>,
    /// The operator's key
    #[arg(long, value_name = "KEY", required_unless_present = "after")]
    operator: Option<String>,
    /// The supervisor's key
    #[arg(long, value_name = "KEY", required_unless_present = "after")]
    supervisor: Option<String>,
    /// The vault's key, which lies with the log's
    #[arg(long, value_name = "KEY")]
    vault: Option<String>,
    /// A key of the operator that is kept apart and stands in for a lost one
    #[arg(long, value_name = "KEY")]
    operator_spare: Option<String>,
    /// The same of the supervisor
    #[arg(long, value_name = "KEY")]
    supervisor_spare: Option<String>,
    /// A type that the log takes, besides those that every log takes
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// A site that events may name
    #[arg(long = "site", value_name = "CODE=NAME")]
    sites: Vec<String>,
    /// More signers that a type needs
    #[arg(long = "cosign", value_name = "TYPE=operator,supervisor")]
    cosign: Vec<String>,
    /// Refuse updates of what was not built here
    #[arg(long)]
    built_here_only: bool,
    /// The charter in force, for a later version
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Later version: the operator's place in its chain; right after the charter in force when not given
    #[arg(long, value_name = "N", requires_all = ["prev", "after"])]
    seq: Option<u64>,
    /// Later version: event_id of the operator's event before it
    #[arg(long, value_name = "HEX", requires = "seq")]
    prev: Option<String>,
    /// When it was recorded
    #[arg(long, value_name = "T", default_value = "now")]
    recorded: String,
    /// Where to write it; standard output when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `charter sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// Private key file of the operator or the supervisor
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign only this one: the fingerprint that was agreed on
    #[arg(long, value_name = "FINGERPRINT")]
    expect: Option<String>,
    /// Where to write the signed charter, instead of replacing FILE
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The charter
    file: PathBuf,
}

/// Runs `charter`.
pub fn run(command: Charter, out: &Out) -> Result<Exit, Failure> {
    match command {
        Charter::New(args) => new(*args, out),
        Charter::Sign(args) => sign(args, out),
    }
}

fn new(args: New, out: &Out) -> Result<Exit, Failure> {
    let event = match &args.after {
        None => first(&args)?,
        Some(path) => next(&args, &EventFile::read(path)?)?,
    };
    check_members(&event)?;
    files::emit(args.out.as_deref(), event.print().as_bytes(), out)?;
    let version = event.body("version").and_then(int).unwrap_or_default();
    let mut signers: Vec<String> = event.cosigners().iter().map(|keyid| (*keyid).to_owned()).collect();
    signers.insert(0, "the operator".to_owned());
    let reason = format!("charter version {version}, unsigned; to be signed by {}", signers.join(" and "));
    let mut report = Report::done("charter.new", reason);
    if version == 1 {
        report = report.with("fingerprint", Fingerprint::new(event.id().0).to_string());
    }
    report = report
        .with("event_id", event.id().hex())
        .with("event", serde_json::from_str::<serde_json::Value>(&event.line()).unwrap_or_default());
    Ok(out.report_beside_data(&report))
}

fn first(args: &New) -> Result<EventFile, Failure> {
    let origin = args.origin.clone().unwrap_or_default();
    let (log_keys, printed_vault) = log_keys(args, &origin)?;
    let role = |what: &str, key: &Option<String>, spare: &Option<String>| -> Result<Value, Failure> {
        let text = key.as_deref().ok_or_else(|| {
            Failure::usage("charter.key", "a key is missing").side("missing", what).now(format!("give --{what} KEY"))
        })?;
        let mut value = Value::object([("epoch", Value::Int(1)), ("vkey", Value::Text(event_vkey(text)?.to_string()))]);
        if let Some(spare) = spare {
            value.set("spare", Value::Text(event_vkey(spare)?.to_string()));
        }
        Ok(value)
    };
    let vault = args.vault.clone().or(printed_vault);
    let operator = role("operator", &args.operator, &args.operator_spare)?;
    let supervisor = role("supervisor", &args.supervisor, &args.supervisor_spare)?;
    let mut types: Vec<&str> = args.types.iter().map(String::as_str).chain(ALWAYS).collect();
    types.sort_unstable();
    types.dedup();
    let cosigner = keyid_of(supervisor.get("vkey"));
    let body = Value::object([
        ("version", Value::Int(1)),
        ("protocol", PROTOCOL.into()),
        ("origin", origin.as_str().into()),
        ("log_keys", Value::Array(log_keys.iter().map(|vkey| Value::Text(vkey.to_string())).collect())),
        ("operator", operator),
        ("supervisor", supervisor),
        ("vault", role("vault", &vault, &None)?),
        ("readers", Value::Array(Vec::new())),
        ("types", Value::Array(types.into_iter().map(Value::from).collect())),
        ("raw", Value::Bool(false)),
        ("sites", sites(&args.sites, None)?),
        ("cosign", cosign(&args.cosign, None)?),
        ("built_here_only", Value::Bool(args.built_here_only)),
    ]);
    let hdr = header(&origin, 1, 1, ZEROS, clock::parse(&args.recorded)?, vec![cosigner]);
    Ok(statement(&origin, hdr, body))
}

/// A later version: the whole content again, with what was given changed.
fn next(args: &New, before: &EventFile) -> Result<EventFile, Failure> {
    if before.kind() != Some("charter") {
        return Err(Failure::usage("charter.after", "the file is not a charter").side("type", before.kind().unwrap_or("none")));
    }
    let old = before.statement().get("predicate").and_then(|predicate| predicate.get("body")).cloned();
    let mut body = old.clone().unwrap_or_else(|| Value::object([]));
    let origin = before.header_text("origin").unwrap_or_default().to_owned();
    if args.origin.as_ref().is_some_and(|given| *given != origin) || !args.log_key.is_empty() || args.log_keys.is_some() {
        return Err(Failure::usage("charter.after", "origin and log keys stay the same as long as the log lives")
            .side("charter", &origin)
            .now("leave --origin, --log-key and --log-keys out; another log is a new charter"));
    }
    let version = body.get("version").and_then(int).unwrap_or_default();
    body.set("version", number(version + 1));
    body.set("prev", Value::Text(before.id().hex()));
    let mut cosigners = vec![keyid_of(body.get("supervisor").and_then(|role| role.get("vkey")))];
    for (role, key, spare) in [
        ("operator", &args.operator, &args.operator_spare),
        ("supervisor", &args.supervisor, &args.supervisor_spare),
        ("vault", &args.vault, &None),
    ] {
        let Some(value) = body.entry(role) else { continue };
        if let Some(key) = key {
            let vkey = event_vkey(key)?;
            if value.get("vkey").and_then(Value::as_text) != Some(&vkey.to_string()) {
                let epoch = value.get("epoch").and_then(int).unwrap_or_default();
                value.set("epoch", number(epoch + 1));
                value.set("vkey", Value::Text(vkey.to_string()));
                cosigners.push(vkey.keyid());
            }
        }
        if let Some(spare) = spare {
            value.set("spare", Value::Text(event_vkey(spare)?.to_string()));
        }
    }
    if !args.types.is_empty() {
        let mut types: Vec<String> = args.types.clone();
        types.extend(ALWAYS.map(str::to_owned));
        if let Some(Value::Array(old)) = body.get("types") {
            types.extend(old.iter().filter_map(Value::as_text).map(str::to_owned));
        }
        types.sort();
        types.dedup();
        body.set("types", Value::Array(types.into_iter().map(Value::Text).collect()));
    }
    let site_list = sites(&args.sites, body.get("sites"))?;
    body.set("sites", site_list);
    if !args.cosign.is_empty() {
        let map = cosign(&args.cosign, body.get("cosign"))?;
        body.set("cosign", map);
    }
    if args.built_here_only {
        body.set("built_here_only", Value::Bool(true));
    }
    let (seq, prev) = match (args.seq, &args.prev) {
        (Some(seq), Some(prev)) => (seq, prev.clone()),
        _ => (before.header_int("seq").unwrap_or_default() + 1, before.id().hex()),
    };
    let epoch = old.as_ref().and_then(|old| old.get("operator")).and_then(|role| role.get("epoch")).and_then(int).unwrap_or(1);
    let operator = keyid_of(old.as_ref().and_then(|old| old.get("operator")).and_then(|role| role.get("vkey")));
    cosigners.retain(|keyid| *keyid != operator);
    let hdr = header(&origin, epoch, seq, &prev, clock::parse(&args.recorded)?, cosigners);
    Ok(statement(&origin, hdr, body))
}

fn header(origin: &str, epoch: u64, seq: u64, prev: &str, recorded: u64, mut cosigners: Vec<String>) -> Value {
    cosigners.sort();
    cosigners.dedup();
    Value::object([
        ("origin", origin.into()),
        ("issuer", "operator".into()),
        ("epoch", number(epoch)),
        ("seq", number(seq)),
        ("prev", prev.into()),
        ("recorded", number(recorded)),
        ("cosigners", Value::Array(cosigners.into_iter().map(Value::Text).collect())),
    ])
}

fn statement(origin: &str, hdr: Value, body: Value) -> EventFile {
    EventFile::unsigned(Value::object([
        ("_type", STATEMENT_TYPE.into()),
        ("subject", Value::Array(vec![digest_subject(&Hash::of(origin.as_bytes()).hex())])),
        ("predicateType", format!("{PREDICATE_BASE}charter/v0").into()),
        ("predicate", Value::object([("hdr", hdr), ("body", body)])),
    ]))
}

/// The log's two keys in their order, and the vault's where a file of `log-server keygen` has it.
fn log_keys(args: &New, origin: &str) -> Result<(Vec<Vkey>, Option<String>), Failure> {
    let mut keys: Vec<Vkey> = Vec::new();
    for text in &args.log_key {
        keys.push(public_key(text)?.ok_or_else(|| Failure::usage("charter.key", "this is not a vkey").side("given", text))?);
    }
    let mut vault = None;
    if let Some(path) = &args.log_keys {
        for word in files::read_text(path, EVENT_FILE_BYTES_MAX)?.split_ascii_whitespace() {
            match Vkey::parse(word) {
                Ok(vkey) if vkey.name() == origin => keys.push(vkey),
                Ok(vkey) if vkey.kind() == KeyKind::Ed25519 => vault = Some(vkey.to_string()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    keys.sort_by_key(|vkey| vkey.kind().byte());
    keys.dedup_by_key(|vkey| vkey.to_string());
    let kinds: Vec<KeyKind> = keys.iter().map(Vkey::kind).collect();
    if kinds != [KeyKind::Ed25519, KeyKind::MlDsa44] || keys.iter().any(|vkey| vkey.name() != origin) {
        let given: Vec<String> = keys.iter().map(|vkey| format!("{} (0x{:02x})", vkey.keyid(), vkey.kind().byte())).collect();
        return Err(Failure::usage("charter.log-keys", "a log has two keys, Ed25519 (0x01) and ML-DSA-44 (0x06), with its origin as their name")
            .side("origin", origin)
            .side("given", if given.is_empty() { "none".to_owned() } else { given.join(", ") })
            .now("log-server keygen --keys DIR --origin O prints them; give --log-keys FILE with what it printed"));
    }
    Ok((keys, vault))
}

fn event_vkey(text: &str) -> Result<Vkey, Failure> {
    public_key(text)?.filter(|vkey| vkey.kind() == KeyKind::Ed25519).ok_or_else(|| {
        Failure::usage("charter.key", "this is no Ed25519 key")
            .side("given", text)
            .now("give a vkey, or a file with a vkey or a private key: log-client key new --name N --out FILE")
    })
}

fn sites(given: &[String], old: Option<&Value>) -> Result<Value, Failure> {
    let mut list = match old {
        Some(Value::Array(list)) => list.clone(),
        Some(_) | None => Vec::new(),
    };
    for text in given {
        let (code, name) = text.split_once('=').ok_or_else(|| {
            Failure::usage("charter.site", "a site is CODE=NAME").side("given", text).now("for example --site 'CH-ZH-1=Zurich 1'")
        })?;
        list.retain(|site| site.get("code").and_then(Value::as_text) != Some(code));
        list.push(Value::object([("code", code.into()), ("name", name.into())]));
    }
    list.sort_by(|a, b| a.get("code").and_then(Value::as_text).cmp(&b.get("code").and_then(Value::as_text)));
    Ok(Value::Array(list))
}

fn cosign(given: &[String], old: Option<&Value>) -> Result<Value, Failure> {
    let mut map = old.cloned().unwrap_or_else(|| Value::object([]));
    for text in given {
        let (kind, roles) = text.split_once('=').ok_or_else(|| {
            Failure::usage("charter.cosign", "more signers are TYPE=operator,supervisor").side("given", text)
        })?;
        let mut roles: Vec<&str> = roles.split(',').collect();
        roles.sort_unstable();
        map.set(kind, Value::Array(roles.into_iter().map(Value::from).collect()));
    }
    Ok(map)
}

fn keyid_of(vkey: Option<&Value>) -> String {
    vkey.and_then(Value::as_text).and_then(|text| Vkey::parse(text).ok()).map(|vkey| vkey.keyid()).unwrap_or_default()
}

/// Every key of a charter: what it is for, its vkey.
pub fn keys_of(event: &EventFile) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    if let Some(Value::Array(list)) = event.body("log_keys") {
        keys.extend(list.iter().filter_map(Value::as_text).map(|vkey| ("log".to_owned(), vkey.to_owned())));
    }
    for role in ["operator", "supervisor", "vault"] {
        for (member, suffix) in [("vkey", ""), ("spare", " spare")] {
            if let Some(vkey) = event.body(role).and_then(|value| value.get(member)).and_then(Value::as_text) {
                keys.push((format!("{role}{suffix}"), vkey.to_owned()));
            }
        }
    }
    if let Some(Value::Array(readers)) = event.body("readers") {
        for reader in readers {
            let of = |name: &str| reader.get(name).and_then(Value::as_text).unwrap_or_default();
            keys.push((format!("reader {}", of("name")), of("sign").to_owned()));
        }
    }
    keys
}

fn sign(args: Sign, out: &Out) -> Result<Exit, Failure> {
    let seed = keyfile::read_event_key(&args.key)?;
    let vkey = seed.vkey();
    let mut event = EventFile::read(&args.file)?;
    if event.kind() != Some("charter") {
        return Err(Failure::refused("charter.kind", "this is not a charter")
            .side("file", args.file.display())
            .side("type", event.kind().unwrap_or("none"))
            .now("other events are signed by `event sign`"));
    }
    check_members(&event)?;
    let id = event.id();
    let version = event.body("version").and_then(int).unwrap_or_default();
    let fingerprint = Fingerprint::new(id.0).to_string();
    show(&event, &fingerprint, version, &vkey, out);
    if let Some(expected) = &args.expect {
        let agreed = Fingerprint::parse(expected)
            .map_err(|error| Failure::usage("charter.fingerprint", "this is not a fingerprint").side("reason", error))?;
        if *agreed.event_id() != id.0 {
            return Err(Failure::refused("charter.fingerprint", "this is not the charter that was agreed on")
                .side("agreed", agreed)
                .side("this one", &fingerprint)
                .now("do not sign; find out who changed it"));
        }
    }
    let own: Vec<String> =
        keys_of(&event).into_iter().filter(|(_, text)| *text == vkey.to_string()).map(|(role, _)| role).collect();
    let among_cosigners = event.cosigners().contains(&vkey.keyid().as_str());
    if own.is_empty() && (version == 1 || !(among_cosigners || event.signers().count() <= event.cosigners().len())) {
        return Err(Failure::refused("charter.own-key", "this charter does not name your key")
            .side("your key", vkey.keyid())
            .side("operator", keyid_of(event.body("operator").and_then(|role| role.get("vkey"))))
            .side("supervisor", keyid_of(event.body("supervisor").and_then(|role| role.get("vkey"))))
            .now("do not sign: either the file names another key for your side, or this is the wrong key file"));
    }
    if version == 1 && !own.iter().any(|role| role == "operator" || role == "supervisor") {
        return Err(Failure::refused("charter.own-key", "the first charter is signed by operator and supervisor alone")
            .side("your key", vkey.keyid())
            .side("its role here", own.join(", ")));
    }
    event.sign(&seed)?;
    files::emit(Some(args.out.as_deref().unwrap_or(&args.file)), event.print().as_bytes(), out)?;
    let signers: Vec<&str> = event.signers().collect();
    let waiting = event.cosigners().len() + 1 - signers.len().min(event.cosigners().len() + 1);
    let role = if own.is_empty() { "a key of the version before".to_owned() } else { own.join(", ") };
    let rest = match waiting {
        0 => "all have signed".to_owned(),
        1 => "one signature is missing".to_owned(),
        n => format!("{n} signatures are missing"),
    };
    let report = Report::done("charter.signed", format!("signed as {role} by {}; {rest}", vkey.keyid()))
        .checked(format!("your key is in it as {role}"))
        .not_checked("the other keys: compare them with what their owners told you")
        .with("fingerprint", fingerprint)
        .with("version", version)
        .with("signers", signers.iter().map(|signer| serde_json::Value::from(*signer)).collect::<Vec<_>>());
    Ok(out.report(&report))
}

/// Shows everything that the signature stands under.
fn show(event: &EventFile, fingerprint: &str, version: u64, own: &Vkey, out: &Out) {
    out.head(&format!("charter of {}, version {version}", event.header_text("origin").unwrap_or_default()));
    let rows: Vec<(String, String)> = keys_of(event)
        .into_iter()
        .map(|(role, text)| {
            let mark = if text == own.to_string() { "   <- your key" } else { "" };
            // An ML-DSA key has 1.8 kB: its name, hash and fingerprint say as much to a person.
            let shown = if text.len() > 200 {
                let digest = Vkey::parse(&text).map(|vkey| Hash::of(vkey.public()).hex()).unwrap_or_default();
                format!("{} ML-DSA-44, SHA-256 of the key {digest}", keyid_of(Some(&Value::Text(text.clone()))))
            } else {
                text
            };
            (role, format!("{shown}{mark}"))
        })
        .collect();
    out.rows(&rows);
    let list = |name: &str| match event.body(name) {
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| match value.as_text() {
                Some(text) => text.to_owned(),
                None => value.get("code").and_then(Value::as_text).unwrap_or_default().to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        Some(_) | None => String::new(),
    };
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    out.rows(&[
        ("types", list("types")),
        ("sites", none(list("sites"))),
        ("readers", none(event.body("readers").map_or_else(String::new, |value| match value {
            Value::Array(readers) if !readers.is_empty() => readers.len().to_string(),
            _ => String::new(),
        }))),
        ("more signers", event.body("cosign").map_or_else(String::new, |value| String::from_utf8_lossy(&value.to_jcs()).into_owned())),
        ("built here only", event.body("built_here_only").map_or_else(String::new, |value| String::from_utf8_lossy(&value.to_jcs()).into_owned())),
        ("recorded", event.header_int("recorded").map_or_else(String::new, clock::show)),
        (if version == 1 { "fingerprint" } else { "event_id" }, fingerprint.to_owned()),
    ]);
}
