//! The statement of an event: kinds, subject, header, references, attachments (70-leaves.md, L; leaf-format.md 3).
//!
//! in-toto Statement v1 with members of ours and no others. Not here: the bodies (`body`), rules that need the log (`admission`).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display};

use crate::checkpoint::Origin;
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::json::{UINT_MAX, Value};
use crate::limits::{RECORD_BYTES_MAX, SLOT_BYTES, STEP_BYTES, TAG_BYTES};
use crate::refusal::Refusal;
use crate::text::{self, Quote};
use crate::words::{self, Members, Name, Read, Time, value};

/// `_type` of every statement [L-9].
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What stands before `<type>/v0` in `predicateType` [L-9]; replaced before 1.0 by a base that its owner holds.
pub const PREDICATE_BASE: &str = "https://vitrine.example/";
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),* $(,)?) => {
        /// The types of events [L-10].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind),* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// The type name.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),* }
            }
        }
    };
}

kinds! {
    /// Who runs the log, who supervises, who reads, what it takes.
    Charter = "charter",
    /// An issuer joins, or changes its key.
    IssuerOpen = "issuer-open",
    /// An issuer leaves.
    IssuerClose = "issuer-close",
    /// Nothing is missing in a chain up to a time.
    Heartbeat = "heartbeat",
    /// Artifacts were built.
    Build = "build",
    /// Somebody tried to reproduce artifacts.
    Rebuild = "rebuild",
    /// A source revision was reviewed.
    CodeReview = "code-review",
    /// Files go to customers.
    Update = "update",
    /// Files are called back.
    UpdateRevoke = "update-revoke",
    /// Something is wrong with an issuer, a record or a witness.
    Incident = "incident",
    /// Of the access log: keys that records are sealed with.
    SealingKey = "sealing-key",
    /// Of the access log: an access to customer data.
    Access = "access",
    /// An update was verified against a policy.
    Verdict = "verdict",
    /// The data rules in force.
    Rules = "rules",
    /// A correction of an earlier event.
    Correction = "correction",
    /// A sealed record is erased.
    Erasure = "erasure",
    /// Somebody asks for access.
    AccessRequest = "access-request",
    /// The answer to such a request.
    AccessDecision = "access-decision",
    /// The supervisor has seen something.
    SupervisorAck = "supervisor-ack",
    /// A period is complete.
    PeriodClose = "period-close",
    /// Data were disclosed.
    Disclosure = "disclosure",
    /// Operator or supervisor change hands.
    Transfer = "transfer",
}

impl Kind {
    /// The kind of a type name.
    pub fn of(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// True for a type that this version takes; the others are refused `type-later` [L-10].
    pub const fn is_taken(self) -> bool {
        matches!(
            self,
            Kind::Charter
                | Kind::IssuerOpen
                | Kind::IssuerClose
                | Kind::Heartbeat
                | Kind::Build
                | Kind::Rebuild
                | Kind::CodeReview
                | Kind::Update
                | Kind::UpdateRevoke
                | Kind::Incident
                | Kind::SealingKey
                | Kind::Access
                | Kind::Erasure
                | Kind::Verdict
                | Kind::Rules
                | Kind::Correction
        )
    }

    /// True for a type whose content is sealed.
    pub const fn is_sealed(self) -> bool {
        matches!(self, Kind::Access | Kind::AccessRequest | Kind::AccessDecision | Kind::Disclosure)
    }

    /// True for a type that stands in no chain unless an opening says so.
    pub const fn is_free(self) -> bool {
        matches!(self, Kind::Build | Kind::Rebuild | Kind::CodeReview | Kind::Verdict)
    }

    /// The type that brings this one along: an issuer of the one may log the other.
    pub const fn listed_as(self) -> Kind {
        match self {
            Kind::SealingKey => Kind::Access,
            Kind::UpdateRevoke => Kind::Update,
            other => other,
        }
    }

    /// True when its subject is files, with names.
    const fn has_files(self) -> bool {
        matches!(self, Kind::Build | Kind::Rebuild | Kind::Update | Kind::UpdateRevoke)
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Digests of one thing; at least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: Option<Hash>,
    /// A git commit of a SHA-1 repository: 40 digits.
    pub git_commit: Option<String>,
    /// A git tree of a SHA-1 repository: 40 digits.
    pub git_tree: Option<String>,
}

impl Digests {
    /// Reads the object `name`; `git` allows `gitCommit` and `gitTree` [L-13].
    pub fn read(members: &mut Members<'_>, name: &str, git: bool) -> Read<Digests> {
        let at = members.at(name);
        members.object(name, |digest| {
            let hex40 = |text: &str| text::unhex::<20>(text).is_ok();
            if !git {
                return Ok(Digests { sha256: Some(digest.sha256("sha256")?), ..Digests::default() });
            }
            let found = Digests {
                sha256: digest.opt_sha256("sha256")?,
                git_commit: digest.opt_word("gitCommit", "40 lowercase hexadecimal digits", hex40)?,
                git_tree: digest.opt_word("gitTree", "40 lowercase hexadecimal digits", hex40)?,
            };
            if found == Digests::default() {
                return value(at, "holds none of sha256, gitCommit, gitTree");
            }
            Ok(found)
        })
    }

    /// True when one digest is equal in both.
    pub fn shares_one_with(&self, other: &Digests) -> bool {
        fn equal<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_some() && one == other
        }
        equal(self.sha256.as_ref(), other.sha256.as_ref())
            || equal(self.git_commit.as_ref(), other.git_commit.as_ref())
            || equal(self.git_tree.as_ref(), other.git_tree.as_ref())
    }
}

/// One element of the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The file name; files only.
    pub name: Option<String>,
    /// What it is.
    pub digest: Digests,
    /// Of an update: bytes of the file.
    pub size: Option<u64>,
    /// Of a rebuild: what was produced.
    pub produced: Option<Hash>,
}

/// The place of an event in a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The issuer.
    pub issuer: Name,
    /// Its epoch.
    pub epoch: u32,
    /// The position in the chain.
    pub seq: u64,
}

impl Place {
    /// Reads `{issuer, epoch, seq}`.
    pub fn read(members: &mut Members<'_>) -> Read<Place> {
        let issuer = members.name("issuer")?;
        let epoch = u32::try_from(members.int("epoch", 1, u64::from(u32::MAX))?).unwrap_or(u32::MAX);
        Ok(Place { issuer, epoch, seq: members.int("seq", 1, UINT_MAX)? })
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {} of {}, epoch {}", self.seq, self.issuer, self.epoch)
    }
}

/// A logged, chained event that another one names: `{seq, event_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The position in its chain.
    pub seq: u64,
    /// The event there.
    pub event_id: EventId,
}

impl Named {
    /// Reads `{seq, event_id}`.
    pub fn read(members: &mut Members<'_>) -> Read<Named> {
        Ok(Named { seq: members.int("seq", 1, UINT_MAX)?, event_id: EventId(members.sha256("event_id")?) })
    }
}

/// How an event refers to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rel {
    /// `about`
    About,
    /// `corrects`
    Corrects,
    /// `follows`
    Follows,
    /// `releases`
    Releases,
    /// `replaced-by`
    ReplacedBy,
    /// `reproduces`
    Reproduces,
    /// `reviewed`
    Reviewed,
    /// `revokes`
    Revokes,
}

const RELS: [(&str, Rel); 8] = [
    ("about", Rel::About),
    ("corrects", Rel::Corrects),
    ("follows", Rel::Follows),
    ("releases", Rel::Releases),
    ("replaced-by", Rel::ReplacedBy),
    ("reproduces", Rel::Reproduces),
    ("reviewed", Rel::Reviewed),
    ("revokes", Rel::Revokes),
];

impl Display for Rel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(RELS.iter().find(|(_, rel)| rel == self).map_or("", |(name, _)| name))
    }
}

/// A reference to another event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// The relation.
    pub rel: Rel,
    /// The event.
    pub event_id: EventId,
    /// Its place, when it is of a sealed type.
    pub at: Option<Place>,
    /// Its log, when that is another one.
    pub origin: Option<String>,
}

/// The header of every event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The log.
    pub origin: String,
    /// Who says it.
    pub issuer: Name,
    /// The issuer's epoch.
    pub epoch: u32,
    /// The position in the chain; none for an unchained event.
    pub seq: Option<u64>,
    /// The event before; there exactly when `seq` is.
    pub prev: Option<EventId>,
    /// 32 digits; there exactly when `seq` is not.
    pub nonce: Option<String>,
    /// When the issuer says it was recorded.
    pub recorded: Time,
    /// Where.
    pub site: Option<String>,
    /// Who else signs: keyids, sorted.
    pub cosigners: Vec<String>,
    /// References, sorted by (rel, event_id).
    pub refs: Vec<Ref>,
}

impl Header {
    /// The place in the chain, when it has one.
    pub fn place(&self) -> Option<Place> {
        self.seq.map(|seq| Place { issuer: self.issuer.clone(), epoch: self.epoch, seq })
    }

    /// The references of one relation.
    pub fn refs_of(&self, rel: Rel) -> impl Iterator<Item = &Ref> {
        self.refs.iter().filter(move |found| found.rel == rel)
    }
}

/// A document behind an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its bytes.
    pub size: u64,
    /// What it is.
    pub media_type: String,
    /// A name for people.
    pub name: Option<String>,
}

/// The member `sealed` of a sealed type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The position of the sealing key in the issuer's chain.
    pub key: u64,
    /// SHA-256 of the sealed record.
    pub sha256: Hash,
    /// Its bytes.
    pub size: u64,
}

impl Sealed {
    /// Reads the table [L-26].
    pub fn read(members: &mut Members<'_>) -> Read<Sealed> {
        Ok(Sealed {
            key: members.int("key", 1, UINT_MAX)?,
            sha256: members.sha256("sha256")?,
            size: members.int("size", 0, UINT_MAX)?,
        })
    }

    /// The object of a leaf.
    pub fn value(&self) -> Value {
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Value::object([("key", int(self.key)), ("sha256", self.sha256.hex().into()), ("size", int(self.size))])
    }
}

/// True for the size of some sealed record: 48 + 1024·k + 16 with k from 1 to 32 [R-15].
pub const fn is_record_size(bytes: u64) -> bool {
    const LEAST: u64 = (SLOT_BYTES + STEP_BYTES + TAG_BYTES) as u64;
    bytes >= LEAST && bytes <= RECORD_BYTES_MAX as u64 && (bytes - LEAST).is_multiple_of(STEP_BYTES as u64)
}

/// The parts of a statement around its body, and the body as a value.
#[derive(Debug)]
pub struct Outer<'a> {
    /// The type.
    pub kind: Kind,
    /// The subject.
    pub subject: Vec<Subject>,
    /// The header.
    pub header: Header,
    /// The attachments, sorted by digest; never of a sealed type.
    pub attachments: Vec<Attachment>,
    /// The commitment to the fields; exactly of a sealed type.
    pub commit: Option<Hash>,
    /// The sealed record; exactly of a sealed type.
    pub sealed: Option<Sealed>,
    /// The body, not read yet.
    pub body: &'a Value,
}

/// `hdr.origin`, looked at before anything else of a payload [L-11].
pub fn check_origin(payload: &Value, origin: &Origin) -> Read<()> {
    let got =
        payload.get("predicate").and_then(|p| p.get("hdr")).and_then(|h| h.get("origin")).and_then(Value::as_text);
    if got == Some(origin.as_str()) {
        Ok(())
    } else {
        Err(Refusal::Origin { got: got.unwrap_or("no log at all").to_owned(), want: origin.as_str().to_owned() })
    }
}

/// The type of a payload [L-10].
pub fn kind_of(payload: &Value) -> Read<Kind> {
    let text = match payload.get("predicateType") {
        Some(Value::Text(text)) => text,
        Some(other) => return Err(Refusal::Malformed(format!("predicateType is {}, not a text", other.kind()))),
        None => return Err(Refusal::Malformed("predicateType is missing".to_owned())),
    };
    text.strip_prefix(PREDICATE_BASE)
        .and_then(|rest| rest.strip_suffix("/v0"))
        .and_then(Kind::of)
        .ok_or_else(|| Refusal::TypeUnknown(format!("{} is no type of this log", Quote::of(text))))
}

/// Reads everything of a statement but its body, by the tables of leaf-format.md 3 [L-7].
pub fn read_outer(payload: &Value, kind: Kind) -> Read<Outer<'_>> {
    let mut statement = Members::of("", payload)?;
    let kind_text = statement.text("_type")?;
    if kind_text != STATEMENT_TYPE {
        return value("_type", format!("{} is not {STATEMENT_TYPE}", Quote::of(kind_text)));
    }
    statement.text("predicateType")?;
    let subject = read_subject(&mut statement, kind)?;
    let outer = statement.object("predicate", |predicate| {
        let header = predicate.object("hdr", |members| read_header(members, kind))?;
        let body = predicate.req("body")?;
        let (mut commit, mut sealed, mut attachments) = (None, None, Vec::new());
        if kind.is_sealed() {
            commit = Some(predicate.sha256("commit")?);
            sealed = Some(predicate.object("sealed", Sealed::read)?);
        } else if predicate.has("attachments") {
            attachments = read_attachments(predicate)?;
        }
        Ok(Outer { kind, subject, header, attachments, commit, sealed, body })
    })?;
    statement.done()?;
    Ok(outer)
}

fn read_subject(statement: &mut Members<'_>, kind: Kind) -> Read<Vec<Subject>> {
    // How many belong there is said per type, and refused as `subject`.
    let subject = statement.objects("subject", (0, usize::MAX), |element| {
        let name = if kind.has_files() { Some(element.str("name", 128)?) } else { None };
        let digest = Digests::read(element, "digest", kind == Kind::CodeReview)?;
        let mut found = Subject { name, digest, size: None, produced: None };
        match kind {
            Kind::Update => {
                found.size = Some(element.object("annotations", |notes| notes.int("size", 0, UINT_MAX))?);
            }
            Kind::Rebuild => {
                found.produced = element.opt_object("annotations", |notes| notes.sha256("produced"))?;
            }
            _ => {}
        }
        Ok(found)
    })?;
    if subject.is_empty() {
        return Err(Refusal::Subject("the subject is empty".to_owned()));
    }
    let names: Vec<&str> = subject.iter().filter_map(|element| element.name.as_deref()).collect();
    words::check_sorted("subject", &names)?;
    if kind == Kind::Verdict {
        words::check_sorted("subject", &subject.iter().map(|element| element.digest.sha256).collect::<Vec<_>>())?;
    }
    Ok(subject)
}

fn read_header(members: &mut Members<'_>, kind: Kind) -> Read<Header> {
    let origin = members.text("origin")?.to_owned();
    let issuer = members.name("issuer")?;
    let epoch = u32::try_from(members.int("epoch", 1, u64::from(u32::MAX))?).unwrap_or(u32::MAX);
    let chained = members.has("seq") || members.has("prev");
    let (mut seq, mut prev, mut nonce) = (None, None, None);
    if chained {
        seq = Some(members.int("seq", 1, UINT_MAX)?);
        prev = Some(EventId(members.sha256("prev")?));
    } else {
        nonce = Some(members.word("nonce", "32 lowercase hexadecimal digits", |text| text::unhex::<16>(text).is_ok())?);
    }
    let recorded = members.time("recorded")?;
    let site = members.opt_word("site", "a site such as CH-ZH-1", words::is_site)?;
    let cosigners = if members.has("cosigners") {
        members.texts("cosigners", (1, 8), true, "<key name>+<8 hexadecimal digits>", words::is_keyid)?
    } else {
        Vec::new()
    };
    // Of a sealed type they are no member: links of accesses are committed, not public.
    let refs = if members.has("refs") && !kind.is_sealed() { read_refs(members)? } else { Vec::new() };
    Ok(Header { origin, issuer, epoch, seq, prev, nonce, recorded, site, cosigners, refs })
}

fn read_refs(members: &mut Members<'_>) -> Read<Vec<Ref>> {
    let path = members.at("refs");
    let refs = members.objects("refs", (1, 16), |found| {
        let rel = found.one_of("rel", &RELS)?;
        let event_id = EventId(found.sha256("event_id")?);
        let at = found.opt_object("at", Place::read)?;
        if found.has("origin") && !matches!(rel, Rel::Reviewed | Rel::About) {
            return Err(Refusal::Malformed(format!("{} stands with the relation {rel}", found.at("origin"))));
        }
        let origin = found.opt_word("origin", "the origin of a log", |text| {
            Origin::new(text).is_ok_and(|origin| origin.is_for_our_logs())
        })?;
        Ok(Ref { rel, event_id, at, origin })
    })?;
    let keys: Vec<_> = refs.iter().map(|found| (found.rel, found.event_id)).collect();
    words::check_sorted(&path, &keys)?;
    Ok(refs)
}

fn read_attachments(predicate: &mut Members<'_>) -> Read<Vec<Attachment>> {
    let path = predicate.at("attachments");
    let attachments = predicate.objects("attachments", (1, 16), |found| {
        Ok(Attachment {
            sha256: found.sha256("sha256")?,
            size: found.int("size", 0, 1 << 30)?,
            media_type: found.str("media_type", 100)?,
            name: found.opt_str("name", 256)?,
        })
    })?;
    let keys: Vec<_> = attachments.iter().map(|found| found.sha256).collect();
    words::check_sorted(&path, &keys)?;
    Ok(attachments)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::json;
    use alloc::string::ToString;

    const HEARTBEAT: &str = r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"body":{"to":5},"hdr":{"epoch":1,"issuer":"farm","origin":"example.com/log","prev":"0000000000000000000000000000000000000000000000000000000000000000","recorded":5,"seq":1}},"predicateType":"https://vitrine.example/heartbeat/v0","subject":[{"digest":{"sha256":"0000000000000000000000000000000000000000000000000000000000000000"}}]}"#;

    fn code(text: &str) -> &'static str {
        let value = json::parse(text.as_bytes()).unwrap();
        let refused = check_origin(&value, &Origin::new("example.com/log").unwrap())
            .and_then(|()| kind_of(&value))
            .and_then(|kind| read_outer(&value, kind).map(|_| ()));
        refused.map_or_else(|refusal| refusal.code(), |()| "ok")
    }

    #[test]
    fn a_statement_and_its_faults() {
        // [L-9] [L-10] [L-11] [L-13]
        assert_eq!(code(HEARTBEAT), "ok");
        let faults = [
            ("Statement/v1", "Statement/v0.1", "value"),
            ("/heartbeat/v0", "/heartbeat/v1", "type-unknown"),
            ("/heartbeat/v0", "/foo/v0", "type-unknown"),
            ("example.com/log", "example.com/lag", "origin"),
            ("\"origin\":\"example.com/log\",", "", "origin"),
            ("\"recorded\":5,", "", "malformed"),
            ("\"seq\":1", "\"nonce\":\"00112233445566778899aabbccddeeff\"", "malformed"),
            ("\"epoch\":1", "\"epoch\":0", "value"),
            ("\"recorded\":5", "\"recorded\":5,\"site\":\"ch\"", "value"),
            ("[{\"digest\"", "[{\"name\":\"a\",\"digest\"", "malformed"),
            ("{\"sha256\"", "{\"gitTree\"", "malformed"),
            ("\"body\":{\"to\":5}", "\"body\":{\"to\":5},\"sealed\":{}", "malformed"),
        ];
        for (from, to, want) in faults {
            let text = HEARTBEAT.replace(from, to);
            assert_ne!(text, HEARTBEAT);
            assert_eq!(code(&text), want, "{to}");
        }
        let none = HEARTBEAT.split("\"subject\":").next().unwrap().to_string() + "\"subject\":[]}";
        assert_eq!(code(&none), "subject");
    }
}
