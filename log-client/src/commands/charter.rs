//! `charter new`: entry 0, and later versions (cli.md; leaf-format.md 4, "charter").
//!
//! Not here: signing it (`charter_sign`), writing entry 0 (`log-server init`).

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use vitrine_spec::body::charter::PROTOCOL;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::statement::{Kind, PREDICATE_BASE, STATEMENT_TYPE};
use vitrine_spec::text::b64;
use vitrine_spec::trust::Fingerprint;

use super::charter_sign::{self, Sign, keyid_of};
use crate::clock;
use crate::draft::check_members;
use crate::event_file::{EventFile, Members, int, number};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::given::{self, is_sha256, public_key};
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::place::{ZEROS, digest_subject};

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
  log-client charter new --origin example.com/log --log-keys log-keys.txt --operator operator.vkey \\
      --supervisor supervisor.vkey --vault 'VKEY' \\
      --type build --type rebuild --type code-review --type update \\
      --site 'CH-ZH-1=Zurich, data centre 1' --out charter.json
where log-keys.txt holds what `log-server keygen` printed. A KEY is a vkey, or a file that holds
a vkey or a private key.
A log that takes accesses names its readers, two at least, each by what `key new --kind reader`
wrote or printed:
  --type access --type erasure \\
      --reader supervisor:supervisor:reader.key --reader vault:vault:vault-reader.pub
A later version takes everything from the one before:
  log-client charter new --after charter.json --supervisor NEW ...")]
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
    /// Who may open sealed records; ROLE is supervisor or vault, FILE holds its keys. In a later version also one that takes
    /// the place of the reader of that name
    #[arg(long = "reader", value_name = "NAME:ROLE:FILE")]
    readers: Vec<String>,
    /// Later version: a reader who is none any more
    #[arg(long = "no-reader", value_name = "NAME", requires = "after")]
    no_readers: Vec<String>,
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
    /// Later version: the last event of a changed key that counts; later ones of it are disowned
    #[arg(long = "previous", value_name = "ROLE=SEQ:EVENT_ID", requires = "after")]
    previous: Vec<String>,
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

/// Runs `charter`.
pub fn run(command: Charter, out: &Out) -> Result<Exit, Failure> {
    match command {
        Charter::New(args) => new(*args, out),
        Charter::Sign(args) => charter_sign::run(args, out),
    }
}

fn new(args: New, out: &Out) -> Result<Exit, Failure> {
    let event = match &args.after {
        None => first(&args)?,
        Some(path) => next(&args, &EventFile::read(path)?)?,
    };
    check_readers(&event)?;
    check_members(&event)?;
    files::emit(args.out.as_deref(), event.print().as_bytes(), out)?;
    let version = event.body("version").and_then(int).unwrap_or_default();
    let mut signers: Vec<String> = event.cosigners().iter().map(|keyid| (*keyid).to_owned()).collect();
    signers.insert(0, "the operator".to_owned());
    let fingerprint = Fingerprint::new(event.id().0);
    let reason =
        format!("charter version {version}, {fingerprint}, unsigned; to be signed by {}", signers.join(" and "));
    let mut report = Report::done("charter.new", reason);
    if version == 1 {
        report = report.with("fingerprint", fingerprint.to_string());
    }
    report = report
        .with("event_id", event.id().hex())
        .with("event", serde_json::from_str::<serde_json::Value>(&event.line()).unwrap_or_default());
    Ok(out.report_beside_data(&report))
}

/// The first version.
pub(crate) fn first(args: &New) -> Result<EventFile, Failure> {
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
        ("readers", readers(&args.readers, &[], None)?),
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
        return Err(
            Failure::usage("charter.after", "the file is not a charter").side("type", before.kind().unwrap_or("none"))
        );
    }
    let old = before.statement().get("predicate").and_then(|predicate| predicate.get("body")).cloned();
    let mut body = old.clone().unwrap_or_else(|| Value::object([]));
    let origin = before.header_text("origin").unwrap_or_default().to_owned();
    if args.origin.as_ref().is_some_and(|given| *given != origin) || !args.log_key.is_empty() || args.log_keys.is_some()
    {
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
        if let Value::Object(members) = value {
            members.remove("previous"); // of the version that changed the key, and of that one alone
        }
        let mut changed = false;
        if let Some(key) = key {
            let vkey = event_vkey(key)?;
            if value.get("vkey").and_then(Value::as_text) != Some(&vkey.to_string()) {
                let epoch = value.get("epoch").and_then(int).unwrap_or_default();
                value.set("epoch", number(epoch + 1));
                value.set("vkey", Value::Text(vkey.to_string()));
                cosigners.push(vkey.keyid());
                changed = true;
            }
        }
        if let Some(named) = previous_of(&args.previous, role)? {
            if !changed {
                return Err(Failure::usage("charter.previous", "--previous is for a role whose key changes here")
                    .side("role", role)
                    .now(format!("give its new key too: --{role} KEY")));
            }
            value.set("previous", named);
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
    let reader_list = readers(&args.readers, &args.no_readers, body.get("readers"))?;
    body.set("readers", reader_list);
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
    let epoch =
        old.as_ref().and_then(|old| old.get("operator")).and_then(|role| role.get("epoch")).and_then(int).unwrap_or(1);
    let operator = keyid_of(old.as_ref().and_then(|old| old.get("operator")).and_then(|role| role.get("vkey")));
    cosigners.retain(|keyid| *keyid != operator);
    let hdr = header(&origin, epoch, seq, &prev, clock::parse(&args.recorded)?, cosigners);
    Ok(statement(&origin, hdr, body))
}

/// `ROLE=SEQ:EVENT_ID` of this role.
fn previous_of(given: &[String], role: &str) -> Result<Option<Value>, Failure> {
    let mut named = None;
    for text in given {
        let wrong = || {
            Failure::usage("charter.previous", "the last event that counts is ROLE=SEQ:EVENT_ID")
                .side("given", text)
                .side("roles", "operator supervisor vault")
        };
        let (name, event) = text.split_once('=').ok_or_else(wrong)?;
        let (seq, event_id) = event.split_once(':').ok_or_else(wrong)?;
        let seq = vitrine_spec::text::decimal(seq).map_err(|_| wrong())?;
        if !["operator", "supervisor", "vault"].contains(&name) || !is_sha256(event_id) {
            return Err(wrong());
        }
        if name == role {
            named = Some(Value::object([("seq", number(seq)), ("event_id", event_id.into())]));
        }
    }
    Ok(named)
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
        keys.push(
            public_key(text)?.ok_or_else(|| Failure::usage("charter.key", "this is not a vkey").side("given", text))?,
        );
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
        let given: Vec<String> =
            keys.iter().map(|vkey| format!("{} (0x{:02x})", vkey.keyid(), vkey.kind().byte())).collect();
        return Err(Failure::usage(
            "charter.log-keys",
            "a log has two keys, Ed25519 (0x01) and ML-DSA-44 (0x06), with its origin as their name",
        )
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

/// `NAME:ROLE:FILE` each, sorted by name.
fn readers(given: &[String], gone: &[String], old: Option<&Value>) -> Result<Value, Failure> {
    let mut list = match old {
        Some(Value::Array(list)) => list.clone(),
        Some(_) | None => Vec::new(),
    };
    let is = |reader: &Value, name: &str| reader.get("name").and_then(Value::as_text) == Some(name);
    for name in gone {
        if !list.iter().any(|reader| is(reader, name)) {
            return Err(Failure::usage("charter.reader", "the charter before has no such reader").side("given", name));
        }
        list.retain(|reader| !is(reader, name));
    }
    for text in given {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [name, role, file] = parts.as_slice() else {
            return Err(Failure::usage("charter.reader", "a reader is NAME:ROLE:FILE")
                .side("given", text)
                .side("roles", "supervisor vault")
                .now("for example --reader supervisor:supervisor:reader.key"));
        };
        let (sign, seal) = given::reader(Path::new(file))?;
        list.retain(|reader| !is(reader, name));
        list.push(Value::object([
            ("name", (*name).into()),
            ("role", (*role).into()),
            ("sign", Value::Text(sign.to_string())),
            ("seal", Value::Text(b64(&seal))),
        ]));
    }
    list.sort_by(|a, b| a.get("name").and_then(Value::as_text).cmp(&b.get("name").and_then(Value::as_text)));
    Ok(Value::Array(list))
}

/// A sealed type has two readers at least: what one of them alone says about a wrap proves nothing.
fn check_readers(event: &EventFile) -> Result<(), Failure> {
    let count = |name: &str| match event.body(name) {
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) | None => &[],
    };
    let sealed =
        count("types").iter().filter_map(Value::as_text).find(|name| Kind::of(name).is_some_and(Kind::is_sealed));
    let readers = count("readers").len();
    match sealed {
        Some(kind) if readers < 2 => Err(Failure::usage("charter.readers", "a log with sealed records has at least two readers")
            .side("type", kind)
            .side("readers", readers)
            .now("name them: --reader NAME:ROLE:FILE, each with a key of its own: log-client key new --kind reader --name N --out FILE")),
        Some(_) | None => Ok(()),
    }
}

fn sites(given: &[String], old: Option<&Value>) -> Result<Value, Failure> {
    let mut list = match old {
        Some(Value::Array(list)) => list.clone(),
        Some(_) | None => Vec::new(),
    };
    for text in given {
        let (code, name) = text.split_once('=').ok_or_else(|| {
            Failure::usage("charter.site", "a site is CODE=NAME")
                .side("given", text)
                .now("for example --site 'CH-ZH-1=Zurich 1'")
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::keyfile;
    use crate::world::{access_charter, charter_event, event_key};
    use clap::Parser;

    #[derive(Parser)]
    struct NewArgs {
        #[command(flatten)]
        new: New,
    }

    fn after(before: &EventFile, more: &[&str]) -> Result<EventFile, Failure> {
        let args = NewArgs::parse_from(["new", "--after", "unused"].iter().chain(more)).new;
        let event = next(&args, before)?;
        check_readers(&event)?;
        check_members(&event)?;
        Ok(event)
    }

    #[test]
    fn a_later_version_says_everything_again_and_who_must_sign() {
        let first = charter_event();
        let new = event_key("new-supervisor").vkey();
        let second = after(&first, &["--supervisor", &new.to_string()]).unwrap();
        assert_eq!(second.body("version").and_then(int), Some(2));
        assert_eq!(second.body("prev").and_then(Value::as_text).unwrap(), first.id().hex());
        assert_eq!(second.body("supervisor").unwrap().get("epoch").and_then(int), Some(2));
        for same in ["log_keys", "operator", "vault", "types", "sites"] {
            assert_eq!(second.body(same), first.body(same), "{same}");
        }
        let mut signers = vec![new.keyid(), event_key("supervisor").vkey().keyid()];
        signers.sort();
        assert_eq!(second.cosigners(), signers);
        assert_eq!(
            (second.header_int("seq"), second.header_text("prev").unwrap()),
            (Some(2), first.id().hex().as_str())
        );
    }

    #[test]
    fn what_disowns_stands_in_the_version_that_changes_the_key_alone() {
        let first = charter_event();
        let new = event_key("new-supervisor").vkey().to_string();
        let previous = format!("supervisor=1:{}", "1".repeat(64));
        let second = after(&first, &["--supervisor", &new, "--previous", &previous]).unwrap();
        assert!(second.body("supervisor").unwrap().get("previous").is_some());
        let third = after(&second, &["--site", "CH-BE-1=Bern"]).unwrap();
        assert!(third.body("supervisor").unwrap().get("previous").is_none());
        let failure = after(&first, &["--previous", &previous]).unwrap_err();
        assert_eq!(failure.code, "charter.previous", "no key changes");
    }

    #[test]
    fn readers_join_change_and_leave_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let new = keyfile::generate_reader("auditor").unwrap();
        let public = file("auditor.pub", &new.public_text());
        let names = |event: &EventFile| match event.body("readers") {
            Some(Value::Array(list)) => {
                list.iter().map(|r| r.get("name").and_then(Value::as_text).unwrap().to_owned()).collect()
            }
            _ => Vec::new(),
        };
        let first = access_charter();
        let auditor = format!("auditor:supervisor:{public}");
        let second = after(&first, &["--reader", &auditor]).unwrap();
        assert_eq!(names(&second), ["auditor", "supervisor-1", "vault-1"]);
        let third = after(&second, &["--no-reader", "auditor"]).unwrap();
        assert_eq!(third.body("readers"), first.body("readers"));
        let changed = after(&first, &["--reader", &format!("vault-1:vault:{public}")]).unwrap();
        assert_eq!(names(&changed), ["supervisor-1", "vault-1"]);
        assert_ne!(changed.body("readers"), first.body("readers"));
        let alone = after(&first, &["--no-reader", "vault-1"]).unwrap_err();
        assert_eq!(alone.code, "charter.readers", "what one reader alone says about a wrap proves nothing");
        for (wrong, code) in [
            (["--reader", "auditor:supervisor"], "charter.reader"),
            (["--no-reader", "nobody"], "charter.reader"),
            (
                ["--reader", &format!("auditor:supervisor:{}", file("k", &format!("{}\n", event_key("x").vkey())))],
                "reader.key",
            ),
            (["--reader", &format!("auditor:operator:{public}")], "value"),
        ] {
            assert_eq!(after(&first, &wrong).unwrap_err().code, code, "{wrong:?}");
        }
        let sealed = after(&charter_event(), &["--type", "access"]).unwrap_err();
        assert_eq!(sealed.code, "charter.readers");
    }

    #[test]
    fn origin_and_log_keys_never_change() {
        for more in [["--origin", "example.com/other"], ["--log-key", "x"]] {
            assert_eq!(after(&charter_event(), &more).unwrap_err().code, "charter.after");
        }
    }
}
