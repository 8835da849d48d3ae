//! `build`, `rebuild`, `update` and `update-revoke`: what is said of files (leaf-format.md 4).
//!
//! Not here: the files themselves, which are the subject, and what their references must hold (`admission`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::issuer::Independence;
use crate::hash::Hash;
use crate::json::UINT_MAX;
use crate::refusal::Refusal;
use crate::statement::{Digests, Subject};
use crate::words::{self, Members, Name, Read, Time, value};

/// The source that something was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub uri: String,
    /// What it is.
    pub digest: Digests,
}

impl Source {
    fn read(members: &mut Members<'_>) -> Read<Source> {
        members.object("source", |source| {
            Ok(Source { uri: source.str("uri", 512)?, digest: Digests::read(source, "digest", true)? })
        })
    }
}

/// The body of `build`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// What was built, with its version.
    pub purl: String,
    /// From what.
    pub source: Source,
    /// By which builder.
    pub builder_id: String,
    /// How.
    pub build_type: String,
    /// Which run.
    pub invocation_id: String,
    /// Begin.
    pub started: Time,
    /// End.
    pub finished: Time,
    /// Where it was built.
    pub build_site: String,
    /// Where it was signed.
    pub signing_site: String,
    /// The key that signs the product.
    pub signing_key: Option<String>,
    /// The attachment that lists the materials.
    pub materials: Option<Hash>,
    /// The attachment that is the SBOM.
    pub sbom: Option<Hash>,
    /// The attachment that is the provenance.
    pub provenance: Option<Hash>,
}

impl Build {
    /// Reads the table [L-18].
    pub fn read(members: &mut Members<'_>) -> Read<Build> {
        let build = Build {
            purl: members.word("purl", "a purl with a version", words::is_versioned_purl)?,
            source: Source::read(members)?,
            builder_id: members.str("builder_id", 512)?,
            build_type: members.str("build_type", 512)?,
            invocation_id: members.str("invocation_id", 256)?,
            started: members.time("started")?,
            finished: members.time("finished")?,
            build_site: members.word("build_site", "a site such as CH-ZH-1", words::is_site)?,
            signing_site: members.word("signing_site", "a site such as CH-ZH-1", words::is_site)?,
            signing_key: members.opt_str("signing_key", 256)?,
            materials: members.opt_object("materials", |materials| {
                materials.int("count", 0, UINT_MAX)?;
                materials.sha256("sha256")
            })?,
            sbom: members.opt_sha256("sbom")?,
            provenance: members.opt_sha256("provenance")?,
        };
        check_order(build.started, build.finished)?;
        Ok(build)
    }
}

fn check_order(started: Time, finished: Time) -> Read<()> {
    if started <= finished {
        Ok(())
    } else {
        value("body.finished", format!("{finished} is before started, {started}"))
    }
}

/// What came of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every file came out as claimed.
    Identical,
    /// Some files came out, and not all as claimed.
    Different,
    /// Nothing came out.
    BuildFailed,
    /// Nobody tried.
    NotAttempted,
}

impl Outcome {
    /// The words of a leaf.
    pub const WORDS: [(&'static str, Outcome); 4] = [
        ("identical", Outcome::Identical),
        ("different", Outcome::Different),
        ("build-failed", Outcome::BuildFailed),
        ("not-attempted", Outcome::NotAttempted),
    ];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Identical => "identical",
            Outcome::Different => "different",
            Outcome::BuildFailed => "build-failed",
            Outcome::NotAttempted => "not-attempted",
        }
    }
}

/// The body of `rebuild`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// What came of it.
    pub outcome: Outcome,
    /// Who tried, to the vendor.
    pub independence: Independence,
    /// From what.
    pub source: Source,
    /// Begin and end.
    pub period: Option<(Time, Time)>,
    /// The attachment that describes the environment.
    pub buildinfo: Option<Hash>,
    /// The attachment that shows the difference.
    pub diff: Option<Hash>,
    /// The attachment that is the build's log.
    pub log: Option<Hash>,
}

impl Rebuild {
    /// Reads the table [L-19].
    pub fn read(members: &mut Members<'_>) -> Read<Rebuild> {
        if members.has("started") != members.has("finished") {
            return Err(Refusal::Malformed("body.started and body.finished are there both or not at all".into()));
        }
        let period = match (members.opt_time("started")?, members.opt_time("finished")?) {
            (Some(started), Some(finished)) => {
                check_order(started, finished)?;
                Some((started, finished))
            }
            _ => None,
        };
        Ok(Rebuild {
            outcome: members.one_of("outcome", &Outcome::WORDS)?,
            independence: members.one_of("independence", &Independence::WORDS)?,
            source: Source::read(members)?,
            period,
            buildinfo: members.opt_sha256("buildinfo")?,
            diff: members.opt_sha256("diff")?,
            log: members.opt_sha256("log")?,
        })
    }

    /// Refuses an outcome that the files contradict [L-19].
    pub fn check(&self, subject: &[Subject]) -> Read<()> {
        let produced = subject.iter().filter(|file| file.produced.is_some()).count();
        let equal =
            subject.iter().filter(|file| file.produced.is_some() && file.produced == file.digest.sha256).count();
        let fits = match self.outcome {
            Outcome::Identical => equal == subject.len(),
            Outcome::Different => produced > 0 && equal < subject.len(),
            Outcome::BuildFailed | Outcome::NotAttempted => produced == 0,
        };
        if fits {
            Ok(())
        } else {
            Err(Refusal::Outcome(format!(
                "the outcome is {}, of {} files {produced} were produced and {equal} of them are as claimed",
                self.outcome.name(),
                subject.len()
            )))
        }
    }
}

/// For whom an update is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody.
    All,
    /// These regions.
    Regions(Vec<String>),
}

/// The body of `update`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What it is, with its version.
    pub purl: String,
    /// The stream's package.
    pub package_id: String,
    /// The stream's channel.
    pub channel: Name,
    /// `product`, `module`, `engine`, `detection-db` or `config`.
    pub kind: &'static str,
    /// For whom.
    pub audience: Audience,
    /// The number in its stream.
    pub release_seq: u64,
    /// A build of this log holds its files.
    pub built_here: bool,
    /// Not to be installed before.
    pub not_before: Option<Time>,
    /// Version and path of the TUF target.
    pub tuf: Option<(u64, String)>,
}

impl Update {
    /// Reads the table [L-20].
    pub fn read(members: &mut Members<'_>) -> Read<Update> {
        const KINDS: [(&str, &str); 5] = [
            ("product", "product"),
            ("module", "module"),
            ("engine", "engine"),
            ("detection-db", "detection-db"),
            ("config", "config"),
        ];
        let fits = |text: &str| text == "all" || words::is_region(text);
        Ok(Update {
            purl: members.word("purl", "a purl with a version", words::is_versioned_purl)?,
            package_id: members.str("packageId", 128)?,
            channel: members.name("channel")?,
            kind: members.one_of("kind", &KINDS)?,
            audience: {
                let at = members.at("audience");
                let audience = members.texts("audience", (1, 64), true, "a region, or all alone", fits)?;
                match audience.iter().any(|text| text == "all") {
                    true if audience.len() > 1 => return value(at, "all stands alone"),
                    true => Audience::All,
                    false => Audience::Regions(audience),
                }
            },
            release_seq: members.int("release_seq", 1, UINT_MAX)?,
            built_here: members.bool("built_here")?,
            not_before: members.opt_time("not_before")?,
            tuf: members.opt_object("tuf", |tuf| Ok((tuf.int("version", 1, UINT_MAX)?, tuf.str("path", 512)?)))?,
        })
    }
}

/// The body of `update-revoke`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    /// `defect`, `security`, `key`, `legal` or `mistake`.
    pub reason: &'static str,
}

impl Revoke {
    /// Reads the table [L-21].
    pub fn read(members: &mut Members<'_>) -> Read<Revoke> {
        const REASONS: [(&str, &str); 5] = [
            ("defect", "defect"),
            ("security", "security"),
            ("key", "key"),
            ("legal", "legal"),
            ("mistake", "mistake"),
        ];
        Ok(Revoke { reason: members.one_of("reason", &REASONS)? })
    }
}
