//! Making a statement from what a person gives: fields, files, references (leaf-format.md 3 and 4).
//!
//! Gives texts their JSON type by member, sorts what is sorted, derives what follows. Whether the
//! result is an event, `vitrine_spec::event` says. Not here: files and the network (`given`, `commands::event_new`).

use std::collections::BTreeMap;

use vitrine_spec::event::Statement;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{self, Value};
use vitrine_spec::statement::{PREDICATE_BASE, STATEMENT_TYPE};
use vitrine_spec::wrap::SEALING_ALG;

use crate::clock;
use crate::event_file::{EventFile, Members, number};
use crate::exit::Failure;
use crate::place::{Place, ZEROS, digest_subject};

/// How the text of a member becomes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Text,
    Int,
    Bool,
    Time,
    /// Repeated fields, sorted by bytes.
    Sorted,
    /// Repeated fields, in the order given.
    Listed,
    /// `packageId/channel`, with `/regional` where it is; repeated, sorted.
    Streams,
    /// `PLACE@DATE`; repeated, in the order given.
    Places,
    /// `REGION[:COUNTRY,…]@SITE,…`; repeated, sorted; a region given again is replaced.
    Regions,
    /// `CATEGORY@DAYS`; repeated, sorted; a category given again is replaced.
    Retention,
    /// `NAME[=VALUE]`, the value as JSON or, when it is none, a text; repeated, sorted.
    Corrected,
    /// Members with names of their own (`types.build=none`).
    Named,
}

use Word::{Bool, Corrected, Int, Listed, Named, Places, Regions, Retention, Sorted, Streams, Text, Time};

const SOURCE: [(&str, Word); 4] = [
    ("source.uri", Text),
    ("source.digest.sha256", Text),
    ("source.digest.gitCommit", Text),
    ("source.digest.gitTree", Text),
];

/// Members of each body, as leaf-format.md 4 has them.
const BODIES: [(&str, &[(&str, Word)]); 14] = [
    (
        "build",
        &[
            ("purl", Text),
            SOURCE[0],
            SOURCE[1],
            SOURCE[2],
            SOURCE[3],
            ("builder_id", Text),
            ("build_type", Text),
            ("invocation_id", Text),
            ("started", Time),
            ("finished", Time),
            ("build_site", Text),
            ("signing_site", Text),
            ("signing_key", Text),
            ("materials.count", Int),
            ("materials.sha256", Text),
            ("sbom", Text),
            ("provenance", Text),
        ],
    ),
    (
        "code-review",
        &[
            ("purl", Text),
            ("centre", Text),
            ("organisation", Text),
            ("scope", Sorted),
            ("method", Text),
            ("from", Text),
            ("to", Text),
            ("outcome", Text),
            ("findings.critical", Int),
            ("findings.high", Int),
            ("findings.medium", Int),
            ("findings.low", Int),
            ("findings.info", Int),
            ("report", Text),
        ],
    ),
    ("correction", &[("reason", Text), ("fields", Corrected)]),
    ("erasure", &[("class", Text), ("reason", Text), ("authority", Text), ("places", Places)]),
    ("heartbeat", &[("to", Time)]),
    ("incident", &[("class", Text), ("issuer", Text), ("epoch", Int), ("seq", Int), ("code", Text)]),
    ("issuer-close", &[("issuer", Text), ("epoch", Int), ("reason", Text), ("last.seq", Int), ("last.event_id", Text)]),
    (
        "issuer-open",
        &[
            ("vkey", Text),
            ("types", Named),
            ("heartbeat_s", Int),
            ("sites", Listed),
            ("jurisdiction", Text),
            ("independence", Text),
            ("builders", Sorted),
            ("streams", Streams),
            ("previous.seq", Int),
            ("previous.event_id", Text),
        ],
    ),
    (
        "rebuild",
        &[
            ("outcome", Text),
            ("independence", Text),
            SOURCE[0],
            SOURCE[1],
            SOURCE[2],
            SOURCE[3],
            ("started", Time),
            ("finished", Time),
            ("buildinfo", Text),
            ("diff", Text),
            ("log", Text),
        ],
    ),
    (
        "rules",
        &[
            ("version", Int),
            ("effective", Text),
            ("regions", Regions),
            ("exclusions", Listed),
            ("retention", Retention),
            ("lateness_s", Int),
            ("document", Text),
        ],
    ),
    ("sealing-key", &[("alg", Text), ("check", Text)]),
    (
        "update",
        &[
            ("purl", Text),
            ("packageId", Text),
            ("channel", Text),
            ("kind", Text),
            ("audience", Sorted),
            ("release_seq", Int),
            ("built_here", Bool),
            ("not_before", Time),
            ("tuf.version", Int),
            ("tuf.path", Text),
        ],
    ),
    ("update-revoke", &[("reason", Text)]),
    (
        "verdict",
        &[
            ("result", Text),
            ("verifier", Text),
            ("policy.uri", Text),
            ("policy.sha256", Text),
            ("levels", Sorted),
            ("slsa_version", Text),
            ("report", Text),
        ],
    ),
];

/// Types that `event new` makes.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    BODIES.iter().map(|(kind, _)| *kind)
}

/// Types that are unchained unless the issuer's opening says otherwise.
pub fn unchained_by_default(kind: &str) -> bool {
    matches!(kind, "build" | "rebuild" | "code-review" | "verdict")
}

/// A file that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// SHA-256, hex.
    pub sha256: String,
    /// Its size, where known.
    pub size: Option<u64>,
    /// What a rebuild produced, where it did.
    pub produced: Option<String>,
}

/// The place of an event of a sealed type, by which a log finds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The issuer.
    pub issuer: String,
    /// Its epoch.
    pub epoch: u64,
    /// The position.
    pub seq: u64,
}

impl At {
    /// `{issuer, epoch, seq}`.
    pub fn value(&self) -> Value {
        Value::object([
            ("issuer", Value::Text(self.issuer.clone())),
            ("epoch", number(self.epoch)),
            ("seq", number(self.seq)),
        ])
    }
}

/// A reference to another event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The relation.
    pub rel: String,
    /// The event, hex.
    pub event_id: String,
    /// The other log, where it is not this one.
    pub origin: Option<String>,
    /// Its place, where it is of a sealed type.
    pub at: Option<At>,
}

/// A document behind the event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// SHA-256, hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
    /// Its file name.
    pub name: Option<String>,
}

impl Attached {
    /// `{sha256, size, media_type, name}`, as it stands in an event.
    pub fn value(&self) -> Value {
        let mut value = Value::object([
            ("sha256", Value::Text(self.sha256.clone())),
            ("size", number(self.size)),
            ("media_type", Value::Text(self.media_type.clone())),
        ]);
        if let Some(name) = &self.name {
            value.set("name", Value::Text(name.clone()));
        }
        value
    }
}

/// Where the event stands in the issuer's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// In no chain: a random nonce, hex.
    Unchained(String),
    /// In the chain, at a place that `submit` asks for.
    Later,
    /// At this place.
    At(u64, String),
}

/// Everything that was given.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The type.
    pub kind: String,
    /// Header members.
    pub origin: String,
    /// The issuer's name.
    pub issuer: String,
    /// Its epoch.
    pub epoch: u32,
    /// Its place.
    pub chain: Chain,
    /// When it was recorded.
    pub recorded: u64,
    /// The site, where the opening lists some.
    pub site: Option<String>,
    /// Keyids of cosigners.
    pub cosigners: Vec<String>,
    /// References.
    pub refs: Vec<Reference>,
    /// The body to begin with.
    pub body: Value,
    /// Fields on top of it, `K=V`.
    pub fields: Vec<String>,
    /// Named files.
    pub files: Vec<Subject>,
    /// The digests of the one unnamed subject: algorithm → hex.
    pub digests: BTreeMap<String, String>,
    /// Documents.
    pub attachments: Vec<Attached>,
}

impl Draft {
    /// The unsigned event.
    pub fn event(mut self) -> Result<EventFile, Failure> {
        let body = self.full_body()?;
        let subject = self.subject(&body)?;
        let mut predicate = Value::object([("hdr", self.header()), ("body", body)]);
        if !self.attachments.is_empty() {
            self.attachments.sort();
            predicate.set("attachments", Value::Array(self.attachments.iter().map(Attached::value).collect()));
        }
        Ok(EventFile::unsigned(Value::object([
            ("_type", Value::Text(STATEMENT_TYPE.to_owned())),
            ("subject", subject),
            ("predicateType", Value::Text(format!("{PREDICATE_BASE}{}/v0", self.kind))),
            ("predicate", predicate),
        ])))
    }

    fn header(&mut self) -> Value {
        let mut hdr = Value::object([
            ("origin", Value::Text(self.origin.clone())),
            ("issuer", Value::Text(self.issuer.clone())),
            ("epoch", number(self.epoch.into())),
            ("recorded", number(self.recorded)),
        ]);
        match &self.chain {
            Chain::Unchained(nonce) => hdr.set("nonce", Value::Text(nonce.clone())),
            Chain::Later => {}
            Chain::At(seq, prev) => {
                hdr.set("seq", number(*seq));
                hdr.set("prev", Value::Text(prev.clone()));
            }
        }
        if let Some(site) = &self.site {
            hdr.set("site", Value::Text(site.clone()));
        }
        if !self.cosigners.is_empty() {
            self.cosigners.sort();
            self.cosigners.dedup();
            hdr.set("cosigners", Value::Array(self.cosigners.iter().cloned().map(Value::Text).collect()));
        }
        if !self.refs.is_empty() {
            self.refs.sort();
            self.refs.dedup();
            hdr.set("refs", Value::Array(self.refs.iter().map(reference).collect()));
        }
        hdr
    }

    /// The body with the fields, and with what follows from the rest where nothing was said.
    fn full_body(&self) -> Result<Value, Failure> {
        let mut body = self.body.clone();
        for field in &self.fields {
            put_field(&self.kind, &mut body, field)?;
        }
        let mut default = |name: &str, value: Value| {
            if body.get(name).is_none() {
                body.set(name, value);
            }
        };
        match self.kind.as_str() {
            "erasure" => {
                default(
                    "class",
                    Value::Text(if targets(&self.body).is_empty() { "subject" } else { "record" }.to_owned()),
                );
                default("places", Value::Array(Vec::new()));
            }
            "heartbeat" => default("to", number(self.recorded)),
            "rules" => {
                default("version", Value::Int(1));
                default("exclusions", Value::Array(Vec::new()));
                default("retention", Value::Array(Vec::new()));
            }
            "verdict" => default("levels", Value::Array(Vec::new())),
            "sealing-key" => default("alg", Value::Text(SEALING_ALG.to_owned())),
            "update" => {
                default("audience", Value::Array(vec![Value::Text("all".to_owned())]));
                default("built_here", Value::Bool(self.refs.iter().any(|reference| reference.rel == "releases")));
            }
            "rebuild" => {
                if let Some(outcome) = outcome(&self.files) {
                    default("outcome", Value::Text(outcome.to_owned()));
                }
            }
            "code-review" => {
                let none = ["critical", "high", "medium", "low", "info"].map(|level| (level, Value::Int(0)));
                if body.get("outcome").and_then(Value::as_text) == Some("no-finding") {
                    if body.get("findings").is_none() {
                        body.set("findings", Value::object(none));
                    }
                } else if let Some(findings) =
                    body.entry("findings").filter(|value| matches!(value, Value::Object(given) if !given.is_empty()))
                {
                    for (level, zero) in none {
                        if findings.get(level).is_none() {
                            findings.set(level, zero);
                        }
                    }
                } else if let Value::Object(members) = &mut body {
                    members.remove("findings"); // nothing was said of them: the rule will say so
                }
            }
            _ => {}
        }
        Ok(body)
    }

    fn subject(&mut self, body: &Value) -> Result<Value, Failure> {
        let kind = self.kind.as_str();
        match kind {
            "build" | "rebuild" | "update" | "update-revoke" => {
                if !self.digests.is_empty() {
                    return Err(Failure::usage("event.subject", "the files of this type have names")
                        .side("type", kind)
                        .side("given", "a digest without a name")
                        .now("give --file PATH, or --subject NAME=SHA256"));
                }
                if self.files.is_empty() {
                    return Err(Failure::usage("event.subject", "this type is about files, and none was given")
                        .side("type", kind)
                        .now("give --file PATH, or --subject NAME=SHA256"));
                }
                self.files.sort_by(|a, b| a.name.cmp(&b.name));
                let elements: Result<Vec<Value>, Failure> =
                    self.files.iter().map(|file| file_subject(kind, file)).collect();
                Ok(Value::Array(elements?))
            }
            "verdict" if !self.files.is_empty() => {
                let mut digests: Vec<&str> = self.files.iter().map(|file| file.sha256.as_str()).collect();
                digests.sort_unstable();
                digests.dedup();
                Ok(Value::Array(digests.into_iter().map(digest_subject).collect()))
            }
            _ => {
                if !self.files.is_empty() {
                    return Err(Failure::usage("event.subject", "this type is not about named files")
                        .side("type", kind)
                        .side("given", self.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", "))
                        .now(if kind == "code-review" {
                            "give --subject gitTree=HEX, gitCommit=HEX or sha256=HEX"
                        } else {
                            "leave --file out"
                        }));
                }
                let digests = match kind {
                    "erasure" if !targets(body).is_empty() => {
                        return Ok(Value::Array(targets(body).into_iter().map(digest_subject).collect()));
                    }
                    "sealing-key" => BTreeMap::from([("sha256".to_owned(), wraps_digest(body)?)]),
                    "rules" => BTreeMap::from([("sha256".to_owned(), Hash::of(&body.to_jcs()).hex())]),
                    "correction" => {
                        let corrected = self.refs.iter().find(|reference| reference.rel == "corrects");
                        corrected.map(|found| ("sha256".to_owned(), found.event_id.clone())).into_iter().collect()
                    }
                    "heartbeat" => {
                        let prev = match &self.chain {
                            Chain::At(_, prev) => prev.clone(),
                            Chain::Later | Chain::Unchained(_) => ZEROS.to_owned(),
                        };
                        return Ok(Value::Array(vec![digest_subject(&prev)]));
                    }
                    "issuer-open" => match body.get("vkey").and_then(Value::as_text) {
                        Some(vkey) => BTreeMap::from([("sha256".to_owned(), key_digest(vkey)?)]),
                        None => self.digests.clone(),
                    },
                    _ => self.digests.clone(),
                };
                if digests.is_empty() {
                    let now = match kind {
                        "code-review" => {
                            "give the reviewed revision: --subject gitTree=HEX, gitCommit=HEX or sha256=HEX"
                        }
                        "erasure" => "give the records with --target, or the person's pseudonym with --subject-ref",
                        "correction" => "give the event that is wrong: --ref corrects=FILE|HEX",
                        "verdict" => {
                            "give the update: --ref about=update.json, or its files with --file or --subject sha256=HEX"
                        }
                        "issuer-close" => "give the closed issuer's public key: --vkey VKEY",
                        "issuer-open" => "give the issuer's public key: --vkey VKEY",
                        _ => "give what it is about: --subject sha256=HEX",
                    };
                    return Err(Failure::usage("event.subject", "nothing says what this event is about")
                        .side("type", kind)
                        .now(now));
                }
                let digest = digests.into_iter().map(|(name, value)| (name, Value::Text(value))).collect();
                Ok(Value::Array(vec![Value::object([("digest", Value::Object(digest))])]))
            }
        }
    }
}

/// SHA-256 of the 32 bytes of a vkey's public key, hex.
pub fn key_digest(vkey: &str) -> Result<String, Failure> {
    vitrine_spec::key::Vkey::parse(vkey)
        .map(|vkey| Hash::of(vkey.public()).hex())
        .map_err(|error| Failure::usage("vkey", "this is not a verifier key").side("given", vkey).side("rule", error))
}

/// The event_ids of an erasure's targets, in order.
fn targets(body: &Value) -> Vec<&str> {
    match body.get("targets") {
        Some(Value::Array(targets)) => {
            targets.iter().filter_map(|target| target.get("event_id").and_then(Value::as_text)).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// SHA-256 of the wraps of a sealing key, joined in order, hex.
fn wraps_digest(body: &Value) -> Result<String, Failure> {
    let none = || {
        Failure::usage("event.sealing-key", "a sealing key holds the wraps of its W, and W is in the memory of whoever seals")
            .now("`import` and `gateway` make sealing keys; give --body FILE with `check` and `wraps` when another program seals")
    };
    let Some(Value::Array(wraps)) = body.get("wraps") else { return Err(none()) };
    let mut joined = Vec::new();
    for wrap in wraps {
        let text = wrap.get("wrap").and_then(Value::as_text).ok_or_else(none)?;
        joined.extend(vitrine_spec::text::unb64(text).map_err(|error| none().side("reason", error))?);
    }
    Ok(Hash::of(&joined).hex())
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
            hour: 0,
        };
        judged = place.put(event, false)?;
    }
    Statement::read(judged.statement(), judged.payload().len()).map(|_| ()).map_err(|refusal| {
        Failure::usage(refusal.code(), "the log would refuse this event")
            .side("rule", refusal)
            .now("correct what was given; nothing was written")
    })
}

/// The outcome that follows from what was produced; none when nothing was.
fn outcome(files: &[Subject]) -> Option<&'static str> {
    if files.iter().all(|file| file.produced.is_none()) {
        return None; // `build-failed` or `not-attempted`: only the person knows
    }
    let identical = files.iter().all(|file| file.produced.as_ref() == Some(&file.sha256));
    Some(if identical { "identical" } else { "different" })
}

fn file_subject(kind: &str, file: &Subject) -> Result<Value, Failure> {
    let mut element = digest_subject(&file.sha256);
    element.set("name", Value::Text(file.name.clone()));
    match (kind, file.size, &file.produced) {
        ("update", Some(size), _) => element.set("annotations", Value::object([("size", number(size))])),
        ("update", None, _) => {
            return Err(Failure::usage("event.subject", "an update says the size of each file")
                .side("file", &file.name)
                .now("give --file PATH, or --subject NAME=SHA256:SIZE"));
        }
        ("rebuild", _, Some(produced)) => {
            element.set("annotations", Value::object([("produced", Value::Text(produced.clone()))]));
        }
        _ => {}
    }
    Ok(element)
}

fn reference(reference: &Reference) -> Value {
    let mut value = Value::object([
        ("rel", Value::Text(reference.rel.clone())),
        ("event_id", Value::Text(reference.event_id.clone())),
    ]);
    if let Some(at) = &reference.at {
        value.set("at", at.value());
    }
    if let Some(origin) = &reference.origin {
        value.set("origin", Value::Text(origin.clone()));
    }
    value
}

/// Puts one `K=V` into a body, in the JSON type that the member has.
fn put_field(kind: &str, body: &mut Value, field: &str) -> Result<(), Failure> {
    let (path, given) = field.split_once('=').ok_or_else(|| {
        Failure::usage("event.field", "a field is not NAME=VALUE")
            .side("given", field)
            .now("for example --field channel=stable")
    })?;
    let members = BODIES.iter().find(|(name, _)| *name == kind).map(|(_, members)| *members).unwrap_or_default();
    let top = path.split('.').next().unwrap_or(path);
    let word = members.iter().find(|(name, word)| *name == path || (*word == Named && *name == top && path != top));
    let Some((_, word)) = word else {
        let known: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        return Err(Failure::usage("event.field", "this type has no such member")
            .side("given", path)
            .side("type", kind)
            .side("members", known.join(" "))
            .now("take one of the members; header members have their own options (--site, --recorded, --cosigner)"));
    };
    let wrong = |wanted: &str| {
        Failure::usage("event.field", "a field's value is not of its kind").side("field", field).side("wanted", wanted)
    };
    let mut at = body;
    let mut names: Vec<&str> = path.split('.').collect();
    let last = names.pop().unwrap_or(path);
    for name in names {
        at = at.entry(name).ok_or_else(|| wrong("a member of an object"))?;
    }
    let value = match word {
        Text | Named => Value::Text(given.to_owned()),
        Int => number(vitrine_spec::text::decimal(given).map_err(|_| wrong("a number from 0, without leading zeros"))?),
        Bool => match given {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(wrong("true or false")),
        },
        Time => number(clock::parse(given)?),
        Sorted | Listed => {
            let mut list = listed(at, last);
            list.push(Value::Text(given.to_owned()));
            if *word == Sorted {
                list.sort_by(|a, b| a.as_text().cmp(&b.as_text()));
                list.dedup();
            }
            Value::Array(list)
        }
        Places => {
            let (place, until) =
                given.rsplit_once('@').ok_or_else(|| wrong("PLACE@DATE, the day by which it is gone there"))?;
            let mut list = listed(at, last);
            list.push(Value::object([
                ("place", Value::Text(place.to_owned())),
                ("until", Value::Text(until.to_owned())),
            ]));
            Value::Array(list)
        }
        Regions => {
            let (region, sites) =
                given.rsplit_once('@').ok_or_else(|| wrong("REGION[:COUNTRY,…]@SITE,…, such as EU:AT,BE@CH-ZH-1"))?;
            let (region, countries) = region.split_once(':').unwrap_or((region, ""));
            let list =
                Value::object([("region", region.into()), ("countries", commas(countries)), ("sites", commas(sites))]);
            put_by(listed(at, last), "region", list)
        }
        Retention => {
            let wanted = || wrong("CATEGORY@DAYS, such as telemetry@730");
            let (category, days) = given.rsplit_once('@').ok_or_else(wanted)?;
            let days = number(vitrine_spec::text::decimal(days).map_err(|_| wanted())?);
            put_by(listed(at, last), "category", Value::object([("category", category.into()), ("days", days)]))
        }
        Corrected => {
            let (name, new) = given.split_once('=').map_or((given, None), |(name, new)| (name, Some(new)));
            let mut corrected = Value::object([("name", name.into())]);
            if let Some(new) = new {
                let new = json::parse(new.as_bytes()).unwrap_or_else(|_| Value::Text(new.to_owned()));
                corrected.set("value", Value::Text(String::from_utf8_lossy(&new.to_jcs()).into_owned()));
            }
            put_by(listed(at, last), "name", corrected)
        }
        Streams => {
            let (stream, regional) = match given.strip_suffix("/regional") {
                Some(stream) => (stream, true),
                None => (given, false),
            };
            let (package, channel) =
                stream.rsplit_once('/').ok_or_else(|| wrong("packageId/channel, with /regional where it is"))?;
            let mut list = listed(at, last);
            list.push(Value::object([
                ("packageId", Value::Text(package.to_owned())),
                ("channel", Value::Text(channel.to_owned())),
                ("regional", Value::Bool(regional)),
            ]));
            let of =
                |value: &Value, name: &str| value.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
            list.sort_by_key(|value| (of(value, "packageId"), of(value, "channel")));
            Value::Array(list)
        }
    };
    at.set(last, value);
    Ok(())
}

/// The list that a member holds already.
fn listed(of: &Value, name: &str) -> Vec<Value> {
    match of.get(name) {
        Some(Value::Array(list)) => list.clone(),
        Some(_) | None => Vec::new(),
    }
}

/// Words between commas, sorted.
fn commas(text: &str) -> Value {
    let mut words: Vec<&str> = text.split(',').filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    Value::Array(words.into_iter().map(Value::from).collect())
}

/// A list sorted by the member `name`, with `new` in place of what has the same one.
fn put_by(mut list: Vec<Value>, name: &str, new: Value) -> Value {
    let of = |value: &Value| value.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    list.retain(|value| of(value) != of(&new));
    list.push(new);
    list.sort_by_key(of);
    Value::Array(list)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn draft(kind: &str, fields: &[&str]) -> Draft {
        Draft {
            kind: kind.to_owned(),
            origin: "example.com/log".to_owned(),
            issuer: "farm".to_owned(),
            epoch: 1,
            chain: Chain::Later,
            recorded: 1_795_276_800,
            site: None,
            cosigners: Vec::new(),
            refs: Vec::new(),
            body: Value::object([]),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            files: Vec::new(),
            digests: BTreeMap::new(),
            attachments: Vec::new(),
        }
    }

    fn file(name: &str, digit: &str, produced: Option<&str>) -> Subject {
        Subject {
            name: name.to_owned(),
            sha256: digit.repeat(64),
            size: Some(3),
            produced: produced.map(|digit| digit.repeat(64)),
        }
    }

    #[test]
    fn a_field_has_the_type_of_its_member() {
        let mut update = draft(
            "update",
            &["purl=pkg:a/b@1", "release_seq=7", "built_here=false", "audience=EU", "audience=CH", "tuf.version=3"],
        );
        update.files = vec![file("b", "1", None), file("a", "2", None)];
        let event = update.event().unwrap();
        assert_eq!(event.body("release_seq"), Some(&Value::Int(7)));
        assert_eq!(event.body("built_here"), Some(&Value::Bool(false)));
        assert_eq!(
            event.body("audience"),
            Some(&Value::Array(vec![Value::Text("CH".into()), Value::Text("EU".into())]))
        );
        assert_eq!(event.body("tuf").unwrap().get("version"), Some(&Value::Int(3)));
        let Some(Value::Array(subjects)) = event.statement().get("subject") else { unreachable!("subject") };
        assert_eq!(
            subjects.iter().filter_map(|s| s.get("name").and_then(Value::as_text)).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(subjects[0].get("annotations").unwrap().get("size"), Some(&Value::Int(3)));
    }

    #[test]
    fn a_member_that_the_type_lacks_is_named_with_those_it_has() {
        let failure = draft("heartbeat", &["too=1"]).event().unwrap_err();
        assert_eq!(failure.code, "event.field");
        assert!(failure.sides.iter().any(|(label, value)| label == "members" && value == "to"), "{failure}");
        for (kind, field) in [
            ("update", "release_seq=x"),
            ("update", "built_here=yes"),
            ("heartbeat", "to=soon"),
            ("update", "channel"),
            ("issuer-open", "streams=a"),
        ] {
            assert!(draft(kind, &[field]).event().is_err(), "{field}");
        }
    }

    #[test]
    fn the_outcome_of_a_rebuild_follows_from_what_was_produced() {
        for (produced, want) in [
            (vec![Some("1"), Some("1")], Some("identical")),
            (vec![Some("1"), Some("2")], Some("different")),
            (vec![Some("1"), None], Some("different")),
            (vec![None, None], None),
        ] {
            let mut rebuild = draft("rebuild", &[]);
            rebuild.files = produced.iter().enumerate().map(|(n, digit)| file(&format!("f{n}"), "1", *digit)).collect();
            let event = rebuild.event().unwrap();
            assert_eq!(event.body("outcome").and_then(Value::as_text), want, "{produced:?}");
        }
    }

    #[test]
    fn an_update_is_built_here_when_it_releases_a_build() {
        let mut update = draft("update", &[]);
        update.files = vec![file("a", "1", None)];
        assert_eq!(update.clone().event().unwrap().body("built_here"), Some(&Value::Bool(false)));
        update.refs = vec![Reference { rel: "releases".into(), event_id: "1".repeat(64), origin: None, at: None }];
        assert_eq!(update.event().unwrap().body("built_here"), Some(&Value::Bool(true)));
    }

    #[test]
    fn a_review_without_findings_says_zero_and_another_needs_them() {
        let review = |fields: &[&str]| {
            let mut review = draft("code-review", fields);
            review.digests = BTreeMap::from([("gitTree".to_owned(), "1".repeat(40))]);
            review.event().unwrap()
        };
        assert_eq!(review(&["outcome=no-finding"]).body("findings").unwrap().get("high"), Some(&Value::Int(0)));
        assert_eq!(review(&["outcome=findings"]).body("findings"), None);
        let some = review(&["outcome=findings", "findings.low=2"]);
        assert_eq!(some.body("findings").unwrap().get("low"), Some(&Value::Int(2)));
        assert_eq!(some.body("findings").unwrap().get("info"), Some(&Value::Int(0)));
    }

    #[test]
    fn an_erasure_is_about_its_targets_or_about_a_person() {
        let mut records = draft(
            "erasure",
            &["reason=retention", "authority=case 7", "places=tapes@2027-03-31", "places=mirror@2026-12-01"],
        );
        let at = At { issuer: "gateway".to_owned(), epoch: 1, seq: 3 };
        let target = |digit: &str| Value::object([("event_id", digit.repeat(64).into()), ("at", at.value())]);
        records.body.set("targets", Value::Array(vec![target("1"), target("2")]));
        records.issuer = "operator".to_owned();
        let event = records.event().unwrap();
        check_members(&event).unwrap();
        assert_eq!(event.body("class").and_then(Value::as_text), Some("record"));
        let subject = ["1", "2"].map(|digit| digest_subject(&digit.repeat(64)));
        assert_eq!(event.statement().get("subject"), Some(&Value::Array(subject.to_vec())));
        let Some(Value::Array(places)) = event.body("places") else { unreachable!("places") };
        assert_eq!(places[0].get("place").and_then(Value::as_text), Some("tapes"), "in the order given");
        let mut person = draft("erasure", &["reason=data-subject", "authority=case 8"]);
        person.digests = BTreeMap::from([("sha256".to_owned(), "3".repeat(64))]);
        let event = person.event().unwrap();
        check_members(&event).unwrap();
        assert_eq!(event.body("class").and_then(Value::as_text), Some("subject"));
        assert!(draft("erasure", &["places=tapes"]).event().is_err());
    }

    #[test]
    fn data_rules_are_about_their_own_body() {
        let mut rules = draft(
            "rules",
            &[
                "effective=2020-11-01",
                "regions=EU:DE,AT@CH-ZH-2,CH-ZH-1",
                "regions=CA@CH-ZH-1",
                "regions=CA:CA@CH-ZH-2",
                "retention=telemetry@730",
                "retention=account@366",
                "exclusions=b",
                "exclusions=a",
                "lateness_s=600",
            ],
        );
        rules.issuer = "operator".to_owned();
        let event = rules.event().unwrap();
        check_members(&event).unwrap();
        let body = event.statement().get("predicate").unwrap().get("body").unwrap();
        assert_eq!(
            String::from_utf8(body.to_jcs()).unwrap(),
            r#"{"effective":"2020-11-01","exclusions":["b","a"],"lateness_s":600,"regions":[{"countries":["CA"],"region":"CA","sites":["CH-ZH-2"]},{"countries":["AT","DE"],"region":"EU","sites":["CH-ZH-1","CH-ZH-2"]}],"retention":[{"category":"account","days":366},{"category":"telemetry","days":730}],"version":1}"#
        );
        let subject = digest_subject(&Hash::of(&body.to_jcs()).hex());
        assert_eq!(event.statement().get("subject"), Some(&Value::Array(vec![subject])));
        for field in ["regions=EU", "retention=account", "retention=account@year"] {
            assert_eq!(draft("rules", &[field]).event().unwrap_err().code, "event.field", "{field}");
        }
    }

    #[test]
    fn a_correction_is_about_the_event_that_it_corrects() {
        let mut correction = draft(
            "correction",
            &["reason=mistake", "fields=outcome=different", "fields=findings.high=2", "fields=log"],
        );
        let failure = correction.clone().event().unwrap_err();
        assert!(failure.now.unwrap().contains("--ref corrects="), "nothing to correct");
        correction.refs = vec![Reference { rel: "corrects".into(), event_id: "1".repeat(64), origin: None, at: None }];
        let event = correction.event().unwrap();
        check_members(&event).unwrap();
        assert_eq!(
            String::from_utf8(event.body("fields").unwrap().to_jcs()).unwrap(),
            r#"[{"name":"findings.high","value":"2"},{"name":"log"},{"name":"outcome","value":"\"different\""}]"#
        );
        let subject = digest_subject(&"1".repeat(64));
        assert_eq!(event.statement().get("subject"), Some(&Value::Array(vec![subject])));
    }

    #[test]
    fn a_verdict_is_about_digests_without_names() {
        let digest = format!("policy.sha256={}", "5".repeat(64));
        let mut verdict = draft(
            "verdict",
            &["result=PASSED", "verifier=https://v.example", "policy.uri=https://v.example/1", &digest],
        );
        verdict.chain = Chain::Unchained("0".repeat(32));
        assert_eq!(verdict.clone().event().unwrap_err().code, "event.subject");
        verdict.files = vec![file("b", "2", None), file("a", "1", None), file("c", "2", None)];
        let event = verdict.event().unwrap();
        check_members(&event).unwrap();
        assert_eq!(event.body("levels"), Some(&Value::Array(Vec::new())));
        let subject = ["1", "2"].map(|digit| digest_subject(&digit.repeat(64)));
        assert_eq!(event.statement().get("subject"), Some(&Value::Array(subject.to_vec())));
    }

    #[test]
    fn a_sealing_key_needs_its_wraps() {
        let failure = draft("sealing-key", &[]).event().unwrap_err();
        assert_eq!(failure.code, "event.sealing-key");
    }

    #[test]
    fn streams_and_types_of_an_opening() {
        let vkey = crate::keyfile::generate("farm.example.com").unwrap().vkey().to_string();
        let open = draft(
            "issuer-open",
            &[&format!("vkey={vkey}"), "types.update=strict", "streams=b/stable", "streams=a/beta/regional"],
        );
        let event = open.event().unwrap();
        assert_eq!(event.body("types").unwrap().get("update").and_then(Value::as_text), Some("strict"));
        let Some(Value::Array(streams)) = event.body("streams") else { unreachable!("streams") };
        assert_eq!(streams[0].get("packageId").and_then(Value::as_text), Some("a"));
        assert_eq!(streams[0].get("regional"), Some(&Value::Bool(true)));
        assert_eq!(streams[1].get("regional"), Some(&Value::Bool(false)));
    }

    #[test]
    fn what_an_event_is_about_must_be_said() {
        for kind in ["build", "update", "code-review", "incident", "issuer-close", "issuer-open"] {
            let failure = draft(kind, &[]).event().unwrap_err();
            assert_eq!(failure.code, "event.subject", "{kind}");
            assert!(failure.now.is_some());
        }
    }
}
