//! The `build` of an artifact with its provenance (74-slsa.md, M-6 to M-8, M-11; leaf-format.md 4).
//!
//! Not here: header, chain and signature of the event (`commands::import_slsa`).

use std::collections::BTreeMap;

use vitrine_spec::json::Value;
use vitrine_spec::words::is_text;

use super::judged::Judged;
use super::provenance::Part;
use crate::draft::{self, Attached};
use crate::event_file::number;
use crate::exit::Failure;

/// What neither file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The product, where the provenance does not name it by a purl.
    pub purl: Option<String>,
    /// Where it was built.
    pub build_site: String,
    /// Where the product was signed.
    pub signing_site: String,
}

/// What an event says of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The body.
    pub body: Value,
    /// The artifact.
    pub subject: draft::Subject,
    /// The file with the provenance.
    pub attachment: Attached,
    /// What was not checked, a line each.
    pub not_checked: Vec<String>,
}

/// The build of `judged` by the builder of this name; `file` is the attachment, with its file name.
///
/// # Errors
/// A member that a build needs is missing, or contradicts what was given.
pub fn build(judged: &Judged, builder: &str, file: &Attached, asked: &Asked) -> Result<Build, Failure> {
    let Judged { artifact, certificate, provenance, subject, unchecked } = judged;
    let source = provenance.source()?;
    let uncompared = judged.agrees(&source)?;
    let invocation = provenance.text(Part::Invocation).or(certificate.run.as_deref());
    let invocation = invocation.map_or_else(|| provenance.required(Part::Invocation), Ok)?;
    let finished = provenance.time(Part::Finished)?;
    let started = provenance.time(Part::Started)?;
    // A certificate is asked for when the build is done [M-8].
    let (start, end) = match (started, finished) {
        (Some(started), Some(finished)) => (started, finished),
        (started, finished) => {
            let end = finished.unwrap_or(certificate.not_before);
            (started.unwrap_or(end), end)
        }
    };
    let timed = started.is_some() && finished.is_some();
    let digests: BTreeMap<String, Value> =
        source.digest.iter().map(|(name, digest)| ((*name).to_owned(), digest.as_str().into())).collect();
    let mut members = vec![
        ("purl", purl(subject, asked.purl.as_deref())?.into()),
        ("source", Value::object([("uri", source.uri.as_str().into()), ("digest", Value::Object(digests))])),
        ("builder_id", builder.into()),
        ("build_type", provenance.required(Part::BuildType)?.into()),
        ("invocation_id", invocation.into()),
        ("started", number(start)),
        ("finished", number(end)),
        ("build_site", asked.build_site.as_str().into()),
        ("signing_site", asked.signing_site.as_str().into()),
        ("provenance", file.sha256.as_str().into()),
    ];
    let materials = provenance.materials();
    if materials > 0 {
        let list = Value::object([("count", number(materials as u64)), ("sha256", file.sha256.as_str().into())]);
        members.push(("materials", list));
    }
    let body = Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let attachment = Attached { name: Some(name(file, *unchecked, timed)?), ..file.clone() };
    let subject =
        draft::Subject { name: artifact.name.clone(), sha256: artifact.sha256().hex(), size: None, produced: None };
    let mut not_checked = vec![
        "certificate: its chain and when it was in force; whoever made the file could have made it".to_owned(),
        "transparency log: the entry that the file shows".to_owned(),
    ];
    if *unchecked > 0 {
        not_checked.push(format!("publish signature: {unchecked} of the file's attestations, without a certificate"));
    }
    if !timed {
        not_checked
            .push("times: the provenance does not say both; the certificate's first second stands in".to_owned());
    }
    not_checked.extend(uncompared.map(str::to_owned));
    Ok(Build { body, subject, attachment, not_checked })
}

/// The product: what the provenance calls the file, where that is a purl, else what was given.
fn purl(subject: &str, given: Option<&str>) -> Result<String, Failure> {
    let named = Some(subject).filter(|name| name.starts_with("pkg:"));
    match (named, given) {
        (Some(named), Some(given)) if named != given => {
            Err(Failure::refused("slsa.purl", "the provenance is about another product than the one given")
                .side("the provenance", named)
                .side("given", given))
        }
        (None, None) => Err(Failure::usage("slsa.purl", "the provenance does not say which product this is")
            .side("its name for the file", subject)
            .side("given", "no --purl")
            .now("give --purl pkg:TYPE/NAME@VERSION, for one file at a time")),
        (named, given) => Ok(named.or(given).unwrap_or_default().to_owned()),
    }
}

/// The name of the attachment, which says in the log itself what nobody checked [M-11].
fn name(file: &Attached, unchecked: usize, timed: bool) -> Result<String, Failure> {
    let mut name = file.name.clone().unwrap_or_default();
    name.push_str("; not checked: chain of the certificate, transparency log entry");
    if unchecked > 0 {
        name.push_str(", publish signature");
    }
    if !timed {
        name.push_str("; times from the certificate");
    }
    if is_text(&name, 256) {
        return Ok(name);
    }
    Err(Failure::usage("attach.name", "an event cannot hold the name of this file with what was not checked")
        .side("name", &name)
        .side("rule", "256 bytes at most, without control characters")
        .now("give the file a shorter name"))
}
