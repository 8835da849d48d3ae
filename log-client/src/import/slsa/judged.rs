//! The file against its provenance: every signature, then the digests, then who may build (74-slsa.md, M-3 to M-5, M-9, M-10).
//!
//! Not here: the event of it (`build`).

use super::artifact::Artifact;
use super::bundle;
use super::certificate::Certificate;
use super::provenance::{GIT, Part, Provenance, Source, Subject};
use crate::exit::Failure;

/// An artifact with the one provenance about it, whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The file.
    pub artifact: Artifact,
    /// Who signed.
    pub certificate: Certificate,
    /// What was signed.
    pub provenance: Provenance,
    /// What the file is called there.
    pub subject: String,
    /// Attestations without a certificate, whose signatures nobody checked; npm's publish attestation is one.
    pub unchecked: usize,
}

/// Verifies every signature that has a certificate before anything signed is read, then finds the provenance of the artifact.
///
/// # Errors
/// The first rule that is broken.
pub fn judge(artifact: Artifact, file: &[u8]) -> Result<Judged, Failure> {
    let bundles = bundle::read(file)?;
    let mut signed = Vec::new();
    for bundle in &bundles {
        let Some(der) = &bundle.certificate else { continue };
        let certificate = Certificate::read(bundle.number, der)?;
        certificate.verify(bundle)?;
        signed.push((certificate, bundle));
    }
    if signed.is_empty() {
        return Err(Failure::refused("slsa.certificate", "no signature in the file has its certificate beside it")
            .side("attestations", bundles.len())
            .side("with a certificate", 0)
            .now("give the attestation that the build service signed; a key that is only named cannot be checked"));
    }
    let unchecked = bundles.len() - signed.len();
    let (mut found, mut fault) = (Vec::new(), None);
    for (certificate, bundle) in signed {
        match Provenance::read(bundle) {
            Ok(provenance) => found.push((certificate, provenance)),
            Err(failure) => fault = fault.or(Some(failure)),
        }
    }
    // What else is signed in the file is of no concern where there is a provenance.
    let mut fault = fault.filter(|_| found.is_empty());
    let mut about = Vec::new();
    for (certificate, provenance) in found {
        match subject_of(&provenance, &artifact).map(|subject| subject.name.clone()) {
            Ok(subject) => about.push((certificate, subject, provenance)),
            Err(failure) => fault = fault.or(Some(failure)),
        }
    }
    let several = about.len();
    match (about.pop(), fault) {
        (Some((certificate, subject, provenance)), _) if several == 1 => {
            Ok(Judged { artifact, certificate, provenance, subject, unchecked })
        }
        (None, Some(failure)) => Err(failure),
        _ => {
            Err(Failure::refused("slsa.provenance", "there must be exactly one provenance of the artifact in the file")
                .side("wanted", 1)
                .side("found", several)
                .now("give a file with the one that you stand for"))
        }
    }
}

/// The subject that is the artifact [M-5].
fn subject_of<'a>(provenance: &'a Provenance, artifact: &Artifact) -> Result<&'a Subject, Failure> {
    let mut same = Vec::new();
    let mut other = None;
    for subject in &provenance.subjects {
        let (mut equal, mut differs) = (false, None);
        for (algorithm, digest) in &artifact.digests {
            match subject.digests.get(*algorithm) {
                Some(given) if given == digest => equal = true,
                Some(given) => differs = differs.or(Some((*algorithm, digest, given, &subject.name))),
                None => {}
            }
        }
        match differs {
            None if equal => same.push(subject),
            // Equal in one and not in another: the statement contradicts itself about this very file.
            Some(differs) if equal => return Err(differing(differs)),
            differs => other = other.or(differs),
        }
    }
    match (same.as_slice(), other) {
        ([one], _) => Ok(one),
        ([], Some(differs)) => Err(differing(differs)),
        ([], None) => {
            let given: Vec<&str> =
                provenance.subjects.iter().flat_map(|subject| subject.digests.keys().map(String::as_str)).collect();
            Err(Failure::refused("slsa.digest", "the provenance has no digest that can be compared with the file")
                .side("compared", artifact.digests.each_ref().map(|(algorithm, _)| *algorithm).join(", "))
                .side("in the provenance", given.join(", ")))
        }
        ([one, another, ..], _) => {
            Err(Failure::refused("slsa.subject", "the provenance names the same file twice, and one name is wanted")
                .side("one", &one.name)
                .side("another", &another.name))
        }
    }
}

fn differing((algorithm, file, given, name): (&str, &String, &String, &String)) -> Failure {
    Failure::refused("slsa.digest", "the file is not the one that the provenance is about")
        .side("algorithm", algorithm)
        .side("the file", file)
        .side("the provenance", given)
        .side("its name there", name)
}

/// The name by which `builders` has a builder: as it is, or without what stands behind its last `@`, the version.
fn named<'a>(builders: &'a [String], uri: &str) -> Option<&'a str> {
    let bare = uri.rsplit_once('@').map(|(bare, _)| bare);
    let has = |wanted: &str| builders.iter().find(|builder| *builder == wanted).map(String::as_str);
    has(uri).or_else(|| bare.and_then(has))
}

impl Judged {
    /// The issuer's name for who built: that of the workflow that signed, where the pair of it and of the builder that the
    /// provenance names is known [M-9].
    ///
    /// # Errors
    /// `builders` do not name one of them.
    pub fn builder<'a>(&self, builders: &'a [String]) -> Result<&'a str, Failure> {
        let (signer, builder) = (self.certificate.signer()?, self.provenance.required(Part::Builder)?);
        let unknown = |what: &str| {
            Failure::refused("slsa.builder", format!("the issuer's `builders` do not name {what}"))
                .side("signed by", signer)
                .side("builder in the provenance", builder)
                .side("builders", builders.join(" "))
                .now("a wrong signer is refused for good; what may build for this issuer the operator names in its opening")
        };
        let name = named(builders, signer).ok_or_else(|| unknown("the workflow that signed"))?;
        if builder != signer && named(builders, builder).is_none() {
            return Err(unknown("the builder of the provenance"));
        }
        Ok(name)
    }

    /// Compares the source with what the certificate says of it; what could not be compared, in words [M-10].
    ///
    /// # Errors
    /// It is another repository, or another revision.
    pub fn agrees(&self, source: &Source) -> Result<Option<&'static str>, Failure> {
        let other = |what: &str, certificate: &str, provenance: &str| {
            Failure::refused("slsa.source", format!("the certificate and the provenance name two {what}"))
                .side("certificate", certificate)
                .side("provenance", provenance)
                .now("what signed ran for another source than the one it states")
        };
        let (repository, revision) = (&self.certificate.repository, &self.certificate.revision);
        if let Some(repository) = repository {
            let rest = source.uri.strip_prefix(GIT).unwrap_or(&source.uri).strip_prefix(repository.as_str());
            if rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('@')) {
                return Err(other("repositories", repository, &source.uri));
            }
        }
        let commit = source.digest.get("gitCommit");
        if let (Some(revision), Some(commit)) = (revision, commit)
            && revision != commit
        {
            return Err(other("revisions", revision, commit));
        }
        Ok(match (repository, revision.as_ref().and(commit)) {
            (Some(_), Some(_)) => None,
            _ => Some("source: whether the run was for it; the certificate or the provenance does not say all of it"),
        })
    }
}
