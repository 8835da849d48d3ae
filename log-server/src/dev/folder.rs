//! The folder of a development log: what is made once, and what each start writes anew.
//!
//! ```text
//! dev                      a version line: this folder is one
//! log/, keys/              the log's data and keys
//! w1/, w1.keys/, w1.txt    a witness, and what `witness init` printed; so w2 and w3
//! operator.key, supervisor.key, dev.key, access.key     who signs: both sides of the charter, and two open issuers
//! supervisor.reader, second-eye.reader                  who opens sealed records
//! charter.json, open-dev.json, open-access.json         what they signed
//! policy, trust/           for clients and verifiers: both keys of two of three witnesses
//! app                      something to log
//! server.policy, logs.list, address, env                written by each start, but for the list
//! ```
//!
//! It is made under another name and then named, so that a stop leaves no half of one.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vitrine_spec::body::charter::{PROTOCOL, Role};
use vitrine_spec::envelope::{Envelope, EventId, Submission, pae};
use vitrine_spec::event::statement_value;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::{KeyKind, Seed, Vkey};
use vitrine_spec::policy::Policy;
use vitrine_spec::statement::Kind;
use vitrine_spec::text::{b64, hex};
use vitrine_spec::trust::{Fingerprint, TrustFile};
use vitrine_spec::wrap::ReaderSeed;

use super::DevError;
use crate::init;
use crate::keys::{LogKeys, write_private};
use crate::open::{claim, machine_id};
use crate::store::{Files, FolderLock, OsDisk};
use crate::time::Time;

/// The issuer that is open for builds, rebuilds, reviews and updates; its key is `dev.key`.
pub const ISSUER: &str = "dev";
/// The issuer that is open for accesses; another one, because whoever seals is alone in its chain.
pub const ACCESS: &str = "access";
/// The stream of updates: packageId and channel.
pub const STREAM: (&str, &str) = ("app", "stable");
/// The witnesses.
pub(super) const NAMES: [&str; 3] = ["w1", "w2", "w3"];
/// How many of them are needed.
const QUORUM: usize = 2;
/// Who reads sealed records, and as what.
const READERS: [(&str, Role); 2] = [("second-eye", Role::Vault), ("supervisor", Role::Supervisor)];
/// The site of everything; ZZ is no country.
const SITE: &str = "ZZ-DEV-1";
/// The country of the issuers.
const JURISDICTION: &str = "ZZ";
/// Who builds.
const BUILDER: &str = "https://dev.example/builder";
/// The longest silence that an opening can promise: a development log is switched off at night.
const HEARTBEAT_S: i64 = 604_800;

/// The file that makes a folder one of these.
const MARK: &str = "dev";
const VERSION: &str = "vitrine dev 1\n";
/// What an unfinished one holds instead.
const UNFINISHED: &str = "unfinished";

/// A free port of this machine.
pub(super) const LOOPBACK_ANY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// The folder of one development log.
pub(super) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Opens it, or makes it where there is nothing yet.
    pub(super) fn open(dir: &Path, witness: &Path) -> Result<Folder, DevError> {
        let dir = std::path::absolute(dir).map_err(|error| failed(dir, error))?;
        match fs::read(dir.join(MARK)) {
            Ok(mark) if mark == VERSION.as_bytes() => return Ok(Folder { dir }),
            Ok(_) => return Err(DevError::NotOurs(dir)),
            Err(_) => {}
        }
        if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(DevError::NotOurs(dir));
        }
        let mut new = dir.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        if new.exists() {
            if !new.join(UNFINISHED).exists() {
                return Err(DevError::NotOurs(new));
            }
            let _lock = FolderLock::take(&new)?;
            fs::remove_dir_all(&new).map_err(|error| failed(&new, error))?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&new).map_err(|error| failed(&new, error))?;
        let unfinished = Folder { dir: new };
        unfinished.put(UNFINISHED, "")?;
        {
            let _lock = FolderLock::take(&unfinished.dir)?;
            unfinished.fill(witness)?;
        }
        unfinished.put(MARK, VERSION)?;
        fs::remove_file(unfinished.path(UNFINISHED)).map_err(|error| failed(&unfinished.dir, error))?;
        fs::rename(&unfinished.dir, &dir).map_err(|error| failed(&dir, error))?;
        let parent = dir.parent().unwrap_or(Path::new("/"));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| failed(parent, error))?;
        Ok(Folder { dir })
    }

    /// Its path, absolute.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path inside.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes everything that is made once.
    fn fill(&self, witness: &Path) -> Result<(), DevError> {
        let origin = format!("dev.example/{}", hex(&random::<4>()?));
        let keys = LogKeys::generate(&self.path("keys"), &origin, None)?;
        for name in NAMES {
            let printed = self.init_witness(witness, name)?;
            self.put(&format!("{name}.txt"), &printed)?;
        }
        let log: String = keys.log_vkeys().iter().map(|vkey| format!("log {vkey}\n")).collect();
        self.put("logs.list", &log)?;
        let policy = self.policy("all", None)?;
        self.put("policy", &policy)?;

        let [operator, supervisor] = [self.key("operator")?, self.key("supervisor")?];
        let readers = READERS.map(|(name, role)| self.reader(name, role));
        let [first, second] = readers;
        let charter = charter(&keys, &operator, &supervisor, Value::Array(vec![first?, second?]));
        let charter = sign(&charter, &[&operator, &supervisor])?;
        self.put("charter.json", &envelope_text(&charter))?;
        self.init_log(&keys, &charter)?;

        let issuers = [(ISSUER, self.key(ISSUER)?, dev_types()), (ACCESS, self.key(ACCESS)?, access_types())];
        for (name, key, body) in &issuers {
            let opening = sign(&opening(&origin, name, key, &operator, body), &[key, &operator])?;
            self.put(&format!("open-{name}.json"), &envelope_text(&opening))?;
        }
        DirBuilder::new().mode(0o755).create(self.path("trust")).map_err(|error| failed(&self.dir, error))?;
        self.put("trust/policy", &policy)?;
        let roles = [(Role::Operator, &operator), (Role::Supervisor, &supervisor), (Role::Vault, keys.vault())];
        let trust = trust(&origin, &charter.id(), &roles, &issuers);
        TrustFile::parse(&trust).map_err(made("a trust file"))?;
        self.put("trust/trust.toml", &trust)?;
        self.put("app", "#!/bin/sh\necho 'a first release'\n")
    }

    fn init_witness(&self, program: &Path, name: &str) -> Result<String, DevError> {
        let witness = |what: String| DevError::Make { what: "a witness", reason: format!("{name}: {what}") };
        let done = Command::new(program)
            .args(["init", "--dir", name, "--keys", &format!("{name}.keys"), "--name", &format!("{name}.dev.example")])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| witness(error.to_string()))?;
        if !done.status.success() {
            return Err(witness(format!("{} {}", done.status, String::from_utf8_lossy(&done.stderr).trim())));
        }
        String::from_utf8(done.stdout).map_err(|error| witness(error.to_string()))
    }

    /// Begins the log with its charter, as `log-server init` does.
    fn init_log(&self, keys: &LogKeys, charter: &Envelope) -> Result<(), DevError> {
        let data = self.path("log");
        let disk = OsDisk::create(&data).map_err(|error| failed(&data, error))?;
        let _locks = (FolderLock::take(&data)?, FolderLock::take(&self.path("keys"))?);
        let store = Files::new(disk);
        let claim = claim(&store, machine_id().as_deref(), false).map_err(|error| failed(&data, error))?;
        claim.keep(&store).map_err(|error| failed(&data, error))?;
        init::init(&store, keys, &charter.leaf(), Time::now())?;
        Ok(())
    }

    /// A policy: each witness `all` or `any` of its two keys, and their addresses where somebody asks them.
    fn policy(&self, word: &str, urls: Option<&[String]>) -> Result<String, DevError> {
        let mut text = self.text("logs.list")?;
        for (at, name) in NAMES.iter().enumerate() {
            let url = urls.and_then(|urls| urls.get(at)).map_or_else(String::new, |url| format!(" {url}"));
            let own = format!("{name}.dev.example-");
            for line in self.text(&format!("{name}.txt"))?.lines() {
                if let ["witness", line, vkey, ..] = line.split(' ').collect::<Vec<_>>().as_slice()
                    && let Some(kind) = line.strip_prefix(own.as_str())
                {
                    let _ = writeln!(text, "witness {name}-{kind} {vkey}{url}");
                }
            }
            let _ = writeln!(text, "group {name} {word} {name}-ed {name}-pq");
        }
        let _ = writeln!(text, "group q {QUORUM} {}\nquorum q", NAMES.join(" "));
        let policy = Policy::parse(&text).map_err(made("a policy"))?;
        policy.check_one_witness_two_keys().map_err(made("a policy"))?;
        Ok(text)
    }

    /// The policy of the log, for witnesses that listen there.
    pub(super) fn write_server_policy(&self, urls: &[String]) -> Result<(), DevError> {
        self.put("server.policy", &self.policy("any", Some(urls))?)
    }

    /// Where the witnesses listened before.
    pub(super) fn witness_addresses(&self) -> Vec<SocketAddr> {
        let text = fs::read_to_string(self.path("server.policy")).unwrap_or_default();
        let address = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("witness {name}-ed ")))?;
            line.rsplit("http://").next()?.parse().ok()
        };
        NAMES.iter().map(|name| address(name).unwrap_or(LOOPBACK_ANY)).collect()
    }

    /// Where the log listened before, when that is free; else any.
    pub(super) fn address(&self) -> SocketAddr {
        let before = fs::read_to_string(self.path("address")).ok().and_then(|text| text.trim_end().parse().ok());
        before.filter(|address: &SocketAddr| std::net::TcpListener::bind(address).is_ok()).unwrap_or(LOOPBACK_ANY)
    }

    /// Remembers where the log listens.
    pub(super) fn keep_address(&self, address: SocketAddr) -> Result<(), DevError> {
        self.put("address", &format!("{address}\n"))
    }

    /// The submissions that open the issuers; once they are logged they are duplicates.
    pub(super) fn openings(&self) -> Result<Vec<Vec<u8>>, DevError> {
        [ISSUER, ACCESS]
            .iter()
            .map(|name| {
                let file = format!("open-{name}.json");
                let text = self.text(&file)?;
                let envelope = Envelope::parse(text.as_bytes(), 1).map_err(|error| failed(&self.path(&file), error))?;
                Ok(Submission { envelope, sealed: None }.print())
            })
            .collect()
    }

    /// The log's name.
    pub(super) fn origin(&self) -> Result<String, DevError> {
        Ok(LogKeys::load(&self.path("keys"))?.origin().to_string())
    }

    /// What a shell reads so that `log-client log` needs no options.
    pub(super) fn write_environment(&self, url: &str) -> Result<(), DevError> {
        let path = |name: &str| quoted(&self.path(name));
        self.put(
            "env",
            &format!(
                "# For a shell: . {}\nexport VITRINE_LOG={url}\nexport VITRINE_POLICY={}\nexport VITRINE_KEY={}\n\
                 export VITRINE_ISSUER={ISSUER}\nexport VITRINE_SPOOL={}\n",
                path("env"),
                path("policy"),
                path("dev.key"),
                path("spool"),
            ),
        )
    }

    /// The two commands to type next, in a shell.
    pub(super) fn next(&self) -> Vec<String> {
        let app = quoted(&self.path("app"));
        vec![
            format!(". {}", quoted(&self.path("env"))),
            format!(
                "log-client log {app} --purl pkg:generic/{}@0.1 --source-uri https://dev.example/app --source-file {app}",
                STREAM.0
            ),
        ]
    }

    /// Makes and keeps a key that signs events.
    fn key(&self, name: &str) -> Result<Seed, DevError> {
        let seed = Seed::new(&format!("{name}.dev.example"), KeyKind::Ed25519, random()?).map_err(made("a key"))?;
        write_private(&self.path(&format!("{name}.key")), &format!("{}\n", seed.private_text().as_str()))?;
        Ok(seed)
    }

    /// Makes and keeps a reader's two keys; what the charter says of it.
    fn reader(&self, name: &str, role: Role) -> Result<Value, DevError> {
        let sign = Seed::new(name, KeyKind::Ed25519, random()?).map_err(made("a key"))?;
        let seal = ReaderSeed::new(random()?);
        let text = format!("{}\n{}\n", sign.private_text().as_str(), seal.private_text().as_str());
        write_private(&self.path(&format!("{name}.reader")), &text)?;
        Ok(Value::object([
            ("name", name.into()),
            ("role", role.name().into()),
            ("sign", Value::Text(sign.vkey().to_string())),
            ("seal", Value::Text(b64(&seal.public()))),
        ]))
    }

    fn text(&self, name: &str) -> Result<String, DevError> {
        let path = self.path(name);
        fs::read_to_string(&path).map_err(|error| failed(&path, error))
    }

    /// Replaces a file, whole under its name.
    fn put(&self, name: &str, text: &str) -> Result<(), DevError> {
        let (path, new) = (self.path(name), self.path(&format!("{name}.tmp")));
        fs::write(&new, text).and_then(|()| File::open(&new)?.sync_all()).map_err(|error| failed(&new, error))?;
        fs::rename(&new, &path).map_err(|error| failed(&path, error))
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> DevError {
    DevError::File { path: path.to_owned(), reason: error.to_string() }
}

fn made<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> DevError {
    move |error| DevError::Make { what, reason: error.to_string() }
}

fn random<const N: usize>() -> Result<[u8; N], DevError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(made("random bytes"))?;
    Ok(bytes)
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',' | ':' | '@');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A header in a chain's first place.
fn first_header(origin: &str, issuer: &str, cosigner: &Seed) -> Value {
    let now = i64::try_from(Time::now().get()).unwrap_or(i64::MAX);
    Value::object([
        ("origin", origin.into()),
        ("issuer", issuer.into()),
        ("epoch", Value::Int(1)),
        ("seq", Value::Int(1)),
        ("prev", Value::Text(EventId::ZERO.hex())),
        ("recorded", Value::Int(now)),
        ("cosigners", Value::Array(vec![Value::Text(cosigner.vkey().keyid())])),
    ])
}

fn subject(of: &[u8]) -> Value {
    Value::Array(vec![Value::object([("digest", Value::object([("sha256", Value::Text(Hash::of(of).hex()))]))])])
}

/// Types that a log takes.
fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| kind.is_taken() && kind.listed_as() == *kind)
}

fn charter(keys: &LogKeys, operator: &Seed, supervisor: &Seed, readers: Value) -> Value {
    let origin = keys.origin().as_str();
    let holder = |vkey: &Vkey| Value::object([("epoch", Value::Int(1)), ("vkey", Value::Text(vkey.to_string()))]);
    let mut types: Vec<&str> = kinds().map(Kind::name).collect();
    types.sort_unstable();
    let body = Value::object([
        ("version", Value::Int(1)),
        ("protocol", PROTOCOL.into()),
        ("origin", origin.into()),
        ("log_keys", Value::Array(keys.log_vkeys().iter().map(|vkey| Value::Text(vkey.to_string())).collect())),
        ("operator", holder(&operator.vkey())),
        ("supervisor", holder(&supervisor.vkey())),
        ("vault", holder(keys.vault_vkey())),
        ("readers", readers),
        ("types", Value::Array(types.into_iter().map(Value::from).collect())),
        ("raw", Value::Bool(false)),
        ("sites", Value::Array(vec![Value::object([("code", SITE.into()), ("name", "this machine".into())])])),
        ("cosign", Value::object([])),
        ("built_here_only", Value::Bool(false)),
    ]);
    let header = first_header(origin, Role::Operator.name(), supervisor);
    statement_value(Kind::Charter, subject(origin.as_bytes()), header, body, None)
}

/// What the issuer of releases may log.
fn dev_types() -> Value {
    let stream =
        Value::object([("packageId", STREAM.0.into()), ("channel", STREAM.1.into()), ("regional", Value::Bool(false))]);
    Value::object([
        (
            "types",
            Value::object([
                (Kind::Build.name(), "none".into()),
                (Kind::CodeReview.name(), "none".into()),
                (Kind::Rebuild.name(), "none".into()),
                (Kind::Update.name(), "strict".into()),
            ]),
        ),
        ("independence", "vendor".into()),
        ("builders", Value::Array(vec![BUILDER.into()])),
        ("streams", Value::Array(vec![stream])),
    ])
}

/// What the issuer of accesses may log.
fn access_types() -> Value {
    Value::object([("types", Value::object([(Kind::Access.name(), "strict".into())]))])
}

fn opening(origin: &str, issuer: &str, key: &Seed, operator: &Seed, types: &Value) -> Value {
    let vkey = key.vkey();
    let mut members = match types {
        Value::Object(members) => members.clone(),
        _ => Default::default(),
    };
    members.insert("vkey".to_owned(), Value::Text(vkey.to_string()));
    members.insert("heartbeat_s".to_owned(), Value::Int(HEARTBEAT_S));
    members.insert("jurisdiction".to_owned(), JURISDICTION.into());
    members.insert("sites".to_owned(), Value::Array(vec![SITE.into()]));
    let mut header = first_header(origin, issuer, operator);
    if let Value::Object(members) = &mut header {
        members.insert("site".to_owned(), SITE.into());
    }
    statement_value(Kind::IssuerOpen, subject(vkey.public()), header, Value::Object(members), None)
}

fn sign(statement: &Value, signers: &[&Seed]) -> Result<Envelope, DevError> {
    let mut envelope = Envelope { payload: statement.to_jcs(), signatures: Vec::new() };
    for signer in signers {
        let signature = signer.sign_ed25519(&pae(&envelope.payload)).map_err(made("a signature"))?;
        envelope.add(signer.vkey().keyid(), signature);
    }
    Ok(envelope)
}

/// An event file.
fn envelope_text(envelope: &Envelope) -> String {
    String::from_utf8_lossy(&envelope.leaf()).into_owned() + "\n"
}

/// What a verifier pins, as `log-client trust init` would write it.
fn trust(origin: &str, charter: &EventId, roles: &[(Role, &Seed)], issuers: &[(&str, Seed, Value)]) -> String {
    let mut text = format!(
        "# Made by `log-server dev`: a development log, which nobody else has to believe.\n\
         charter = \"{}\"\ncharter_version = 1\norigin = \"{origin}\"\nlog_keys = \"both\"\n",
        Fingerprint::new(charter.0)
    );
    let mut issuer = |name: &str, key: &Seed, types: Vec<&str>| {
        let _ = write!(
            text,
            "\n[[issuer]]\nname = \"{name}\"\nepoch = 1\nvkey = \"{}\"\ntypes = [\"{}\"]\n",
            key.vkey(),
            types.join("\", \"")
        );
    };
    for (name, key, body) in issuers {
        let types = match body.get("types") {
            Some(Value::Object(types)) => types.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        issuer(name, key, types);
    }
    for (role, key) in roles {
        let taken: Vec<Kind> = kinds().collect();
        let types = role.kinds().iter().filter(|kind| taken.contains(kind)).map(|kind| kind.name()).collect();
        issuer(role.name(), key, types);
    }
    let _ = write!(
        text,
        "\n[[stream]]\npackageId = \"{}\"\nchannel = \"{}\"\nissuer = \"{ISSUER}\"\nrequire_build = true\n",
        STREAM.0, STREAM.1
    );
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, word) in [("/a/b-1.c", "/a/b-1.c"), ("/a b", "'/a b'"), ("/it's", r"'/it'\''s'"), ("/$x", "'/$x'")] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| Folder::open(&dir.path().join(name), Path::new("/nowhere/witness")).map(|_| ());
        fs::create_dir(dir.path().join("mine")).unwrap();
        fs::write(dir.path().join("mine/thesis"), "words").unwrap();
        assert!(matches!(open("mine"), Err(DevError::NotOurs(_))));
        fs::create_dir(dir.path().join("x.new")).unwrap();
        assert!(matches!(open("x"), Err(DevError::NotOurs(_))), "nor what only looks like an unfinished one");
        // A stop in the middle leaves an unfinished one, which the next start makes anew.
        for _ in 0..2 {
            assert!(matches!(open("y"), Err(DevError::Make { what: "a witness", .. })));
            assert!(dir.path().join("y.new").join(UNFINISHED).exists() && !dir.path().join("y").exists());
        }
        assert_eq!(fs::read_dir(dir.path().join("mine")).unwrap().count(), 1);
    }
}
