//! What a statement says: in-toto v0.1 and v1 with SLSA provenance v0.2 and v1, by one table (74-slsa.md, M-4, M-6 to M-8).
//!
//! Members that the table does not name are not read. Not here: signatures (`certificate`), the file (`judged`).

use std::collections::BTreeMap;

use vitrine_spec::json::{self, Value};

use super::bundle::Bundle;
use super::{at, list, text};
use crate::clock;
use crate::exit::Failure;

/// The payload type of what is read [M-4].
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Its `_type`, either one.
pub const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];

/// Which provenance it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SLSA provenance v0.2.
    V02,
    /// SLSA provenance v1.
    V1,
}

impl Version {
    /// Both.
    pub const ALL: [Version; 2] = [Version::V02, Version::V1];

    /// Its `predicateType`.
    pub const fn predicate_type(self) -> &'static str {
        match self {
            Version::V02 => "https://slsa.dev/provenance/v0.2",
            Version::V1 => "https://slsa.dev/provenance/v1",
        }
    }
}

/// What a build needs of a provenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The builder that it names.
    Builder,
    /// How it was built.
    BuildType,
    /// Which run.
    Invocation,
    /// Begin.
    Started,
    /// End.
    Finished,
    /// What it was built from.
    Source,
    /// Everything that went in.
    Materials,
}

/// A row of the table [M-6]: the part, the member of a build's body, and the paths below `predicate` in v0.2 and v1.
pub const TABLE: [(Part, &str, &str, &str); 7] = [
    (Part::Builder, "builder_id", "builder.id", "runDetails.builder.id"),
    (Part::BuildType, "build_type", "buildType", "buildDefinition.buildType"),
    (Part::Invocation, "invocation_id", "metadata.buildInvocationId", "runDetails.metadata.invocationId"),
    (Part::Started, "started", "metadata.buildStartedOn", "runDetails.metadata.startedOn"),
    (Part::Finished, "finished", "metadata.buildFinishedOn", "runDetails.metadata.finishedOn"),
    (Part::Source, "source", "invocation.configSource", "buildDefinition.resolvedDependencies"),
    (Part::Materials, "materials", "materials", "buildDefinition.resolvedDependencies"),
];

impl Part {
    /// Where it is, below `predicate`.
    pub fn path(self, version: Version) -> &'static str {
        let row = TABLE.iter().find(|(part, ..)| *part == self);
        row.map_or("", |(_, _, v02, v1)| match version {
            Version::V02 => v02,
            Version::V1 => v1,
        })
    }
}

/// One of what a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name, a purl or a file's.
    pub name: String,
    /// Algorithm → digest.
    pub digests: BTreeMap<String, String>,
}

/// A statement with provenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Which it is.
    pub version: Version,
    /// What it is about.
    pub subjects: Vec<Subject>,
    predicate: Value,
}

/// The source, as a build names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub uri: String,
    /// What it is: `gitCommit`, `gitTree`, `sha256`.
    pub digest: BTreeMap<&'static str, String>,
}

impl Provenance {
    /// The provenance in a payload [M-4].
    ///
    /// # Errors
    /// The payload is of another type, no strict JSON, no in-toto statement, or one with another predicate.
    pub fn read(bundle: &Bundle) -> Result<Provenance, Failure> {
        if bundle.payload_type != PAYLOAD_TYPE {
            return Err(Failure::refused("slsa.payload-type", "what is signed is not an in-toto statement")
                .side("attestation", bundle.number)
                .side("wanted", PAYLOAD_TYPE)
                .side("found", &bundle.payload_type));
        }
        let wrong = |wanted: &str, found: String| {
            Failure::refused("slsa.statement", "what is signed is not an in-toto statement")
                .side("attestation", bundle.number)
                .side("wanted", wanted)
                .side("found", found)
        };
        let statement = json::parse(&bundle.payload).map_err(|error| wrong("strict JSON", error.to_string()))?;
        let kind = text(&statement, "_type").unwrap_or_default();
        if !STATEMENTS.contains(&kind) {
            return Err(wrong(&format!("`_type` {}", STATEMENTS.join(" or ")), format!("`{kind}`")));
        }
        let predicate_type = text(&statement, "predicateType").unwrap_or_default();
        let version = Version::ALL.into_iter().find(|version| version.predicate_type() == predicate_type);
        let version = version.ok_or_else(|| {
            Failure::refused("slsa.predicate-type", "the statement is no SLSA provenance of a version that is known")
                .side("attestation", bundle.number)
                .side("wanted", Version::ALL.map(Version::predicate_type).join(" or "))
                .side("found", format!("`{predicate_type}`"))
        })?;
        let subjects: Option<Vec<Subject>> = list(&statement, "subject").iter().map(subject).collect();
        let subjects = subjects.filter(|subjects| !subjects.is_empty()).ok_or_else(|| {
            wrong("`subject`, each with a `name` and a `digest` of texts", "another form, or none".to_owned())
        })?;
        let predicate = at(&statement, "predicate").cloned().unwrap_or(Value::Null);
        Ok(Provenance { version, subjects, predicate })
    }

    /// A text of the table.
    pub fn text(&self, part: Part) -> Option<&str> {
        text(&self.predicate, part.path(self.version))
    }

    /// A text without which there is no build.
    ///
    /// # Errors
    /// It is not there.
    pub fn required(&self, part: Part) -> Result<&str, Failure> {
        self.text(part).ok_or_else(|| self.missing(part, "a text"))
    }

    /// A time of the table, seconds since 1970 [M-8].
    ///
    /// # Errors
    /// It is there and no time.
    pub fn time(&self, part: Part) -> Result<Option<u64>, Failure> {
        let Some(found) = at(&self.predicate, part.path(self.version)) else { return Ok(None) };
        let time = found.as_text().and_then(clock::timestamp);
        time.map(Some).ok_or_else(|| self.missing(part, "a time of RFC 3339"))
    }

    /// How many materials it lists.
    pub fn materials(&self) -> usize {
        list(&self.predicate, Part::Materials.path(self.version)).len()
    }

    /// What it was built from [M-7].
    ///
    /// # Errors
    /// It does not say, or does so twice, or without a digest that a build can hold.
    pub fn source(&self) -> Result<Source, Failure> {
        let path = Part::Source.path(self.version);
        let found = match self.version {
            Version::V02 => at(&self.predicate, path).ok_or_else(|| self.missing(Part::Source, "the source"))?,
            Version::V1 => self.dependency(list(&self.predicate, path))?,
        };
        let uri = text(found, "uri").ok_or_else(|| self.missing(Part::Source, "the source's `uri`"))?;
        let mut digest = BTreeMap::new();
        for (given, name) in
            [("gitCommit", "gitCommit"), ("sha1", "gitCommit"), ("gitTree", "gitTree"), ("sha256", "sha256")]
        {
            let Some(value) = text(found, &format!("digest.{given}")) else { continue };
            // The SHA-1 of a git source is that of its commit.
            if given == "sha1" && !uri.starts_with(GIT) {
                continue;
            }
            if let Some(other) = digest.insert(name, value.to_owned()).filter(|other| other != value) {
                return Err(Failure::refused("slsa.source", "the provenance gives two revisions of its source")
                    .side("gitCommit", other)
                    .side("sha1", value));
            }
        }
        if digest.is_empty() {
            return Err(
                self.missing(Part::Source, "a digest of the source, `gitCommit`, `sha1`, `gitTree` or `sha256`")
            );
        }
        Ok(Source { uri: uri.to_owned(), digest })
    }

    /// Which dependency is the source: the only one from git, or the one that the workflow's own parameters name.
    fn dependency<'a>(&self, all: &'a [Value]) -> Result<&'a Value, Failure> {
        let uri = |one: &Value| text(one, "uri").unwrap_or_default().to_owned();
        let mut sources: Vec<&Value> = all.iter().filter(|one| uri(one).starts_with(GIT)).collect();
        if sources.len() > 1 {
            let given = |name: &str| {
                text(&self.predicate, &format!("buildDefinition.externalParameters.workflow.{name}"))
                    .unwrap_or_default()
            };
            let own = format!("{GIT}{}@{}", given("repository"), given("ref"));
            sources.retain(|one| uri(one) == own);
        }
        match sources.as_slice() {
            [source] => Ok(source),
            sources => {
                let wanted = format!("exactly one source `{GIT}…`, or one that the workflow names");
                Err(self.lacks(Part::Source, &wanted, &format!("{} of {} dependencies", sources.len(), all.len())))
            }
        }
    }

    fn missing(&self, part: Part, wanted: &str) -> Failure {
        let found = match at(&self.predicate, part.path(self.version)) {
            None => "nothing".to_owned(),
            Some(Value::Text(text)) => format!("`{text}`"),
            Some(value) => value.kind().to_owned(),
        };
        self.lacks(part, wanted, &found)
    }

    fn lacks(&self, part: Part, wanted: &str, found: &str) -> Failure {
        let (path, version) = (part.path(self.version), self.version.predicate_type());
        Failure::refused("slsa.member", "the provenance does not say what a build needs")
            .side("wanted", format!("{wanted} at `predicate.{path}` of {version}"))
            .side("found", found)
    }
}

/// How the URI of a git source begins.
pub const GIT: &str = "git+";

fn subject(value: &Value) -> Option<Subject> {
    let Some(Value::Object(given)) = value.get("digest") else { return None };
    let digests: Option<BTreeMap<String, String>> =
        given.iter().map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned()))).collect();
    Some(Subject { name: text(value, "name").unwrap_or_default().to_owned(), digests: digests? })
}
