//! What stands behind an update: builds, rebuilds, reviews, verdicts (90-verdict.md, V-26 to V-28, V-37 to V-42).
//!
//! What is asked for comes from the stream's line alone. What is missing and can still come is "not yet", and is kept until
//! nothing else is wrong. Not here: what was said against the update (`against`).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::case::{Case, digest, name_of};
use super::proven::Proven;
use super::{Account, Code, Fault};
use crate::body::Body;
use crate::body::files::{Build, Outcome};
use crate::body::issuer::Independence;
use crate::body::review::{Review, ReviewOutcome};
use crate::body::verdict::VerdictResult;
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::statement::{Digests, Subject};
use crate::trust::TrustedStream;

/// What an update waits for; the first of it is the reason when nothing else is wrong [V-42] [V-49].
pub(super) struct Pending {
    first: Option<Fault>,
    /// The time is over for which the trust file lets a release wait.
    overdue: bool,
}

impl Pending {
    /// Nothing yet; `now` against the time that the stream's line gives a release.
    pub(super) fn new(case: &Case<'_>, stream: &TrustedStream) -> Pending {
        let recorded = case.update.event.statement.header.recorded.get();
        let until = stream.wait_s.map(|wait| recorded.saturating_add(wait));
        let overdue = until.zip(case.question.now).is_some_and(|(until, now)| now > until);
        Pending { first: None, overdue }
    }

    /// Something that was asked for is not there: wait for it, or no longer.
    fn miss(&mut self, pending: Code, missing: Code, reason: String) {
        self.wait(match self.overdue {
            true => Fault::new(missing, format!("{reason}, and the time that the trust file gives a release is over")),
            false => Fault::new(pending, reason),
        });
    }

    /// What was waited for long enough is a "no", once nothing else behind the update is wrong [V-42].
    pub(super) fn in_time(&self) -> Result<(), Fault> {
        self.first.clone().filter(|_| self.overdue).map_or(Ok(()), Err)
    }

    /// Keeps a reason to wait, unless there is one already.
    pub(super) fn wait(&mut self, fault: Fault) {
        self.first.get_or_insert(fault);
    }

    /// The first reason to wait.
    pub(super) fn end(self) -> Result<(), Fault> {
        self.first.map_or(Ok(()), Err)
    }
}

impl<'a> Case<'a> {
    /// The builds that the update names, whether they hold all its files, and the reviews of their sources [V-26].
    ///
    /// Gives those that count: what they were built from is what has to be rebuilt.
    pub(super) fn builds(
        &self,
        stream: &TrustedStream,
        pending: &mut Pending,
        account: &mut Account,
    ) -> Result<Vec<(&'a Proven, &'a Build)>, Fault> {
        if !self.body.built_here {
            if stream.require_build {
                let reason = format!(
                    "{} says built_here: false, the trust file requires a build for {} {}",
                    self.update.what(),
                    stream.package_id,
                    stream.channel
                );
                return Err(Fault::new(Code::BuildNotHere, reason)); // [V-8]
            }
            account.not_checked("build: the update says that it was not built here");
            return Ok(Vec::new());
        }
        let named: Vec<EventId> = self.releases().collect();
        let mut good = Vec::new();
        let mut why_not: Option<Fault> = None;
        for proof in self.others().filter(|proof| named.contains(&proof.event.id)) {
            let Body::Build(build) = &proof.event.statement.body else { continue };
            match self.counts(proof, stream.builders.as_ref(), "builders") {
                Ok(()) => good.push((proof, build)),
                Err(fault) => {
                    account.not_checked(format!("build: {}", fault.reason));
                    why_not = why_not.or(Some(fault));
                }
            }
        }
        let missing = self.files().iter().find(|file| !good.iter().any(|(proof, _)| made(proof, file)));
        if let Some(file) = missing {
            let reason = format!(
                "no proven build holds {} {}; the update names {} builds, {} of them were proven",
                name_of(file),
                digest(file),
                named.len(),
                good.len()
            );
            if stream.require_build {
                return Err(why_not.unwrap_or_else(|| Fault::new(Code::BuildMissing, reason)));
            }
            account.not_checked(format!("build: {reason}; the trust file does not require one"));
        }
        for (proof, build) in &good {
            account.checked(format!(
                "build: {} made {} of {} files from {} by {} in {}",
                proof.what(),
                self.files().iter().filter(|file| made(proof, file)).count(),
                self.files().len(),
                show(&build.source.digest),
                build.builder_id,
                build.build_site
            ));
            self.reviews(proof, build, stream, pending, account)?;
        }
        if !good.is_empty() {
            account.not_checked("build: the source itself, and the provenance and SBOM that the build names");
        }
        Ok(good)
    }

    /// Whether an event supports a "yes" of this stream [V-19] [V-20] [V-37].
    fn counts(&self, proof: &Proven, list: Option<&BTreeSet<String>>, key: &str) -> Result<(), Fault> {
        let line = self.support(proof)?;
        match list.filter(|list| !list.contains(&line.name)) {
            None => Ok(()),
            Some(list) => {
                let named: Vec<&str> = list.iter().map(String::as_str).collect();
                let reason = format!("{}: the stream's {key} are {}", proof.what(), named.join(", "));
                Err(Fault::new(Code::IssuerType, reason))
            }
        }
    }

    /// The reviews of a build's source, matched by digest [V-28] [V-40].
    fn reviews(
        &self,
        build: &Proven,
        body: &Build,
        stream: &TrustedStream,
        pending: &mut Pending,
        account: &mut Account,
    ) -> Result<(), Fault> {
        let source = &body.source.digest;
        let (mut given, mut counted) = (false, false);
        for proof in self.others() {
            let Body::Review(review) = &proof.event.statement.body else { continue };
            let Some(subject) = proof.event.statement.subject.first() else { continue };
            if !agree(source, &subject.digest) {
                continue;
            }
            given = true;
            let text = describe(proof, review, source, &subject.digest);
            let [critical, ..] = review.findings;
            if stream.require_review && critical > 0 {
                return Err(Fault::new(Code::ReviewFindings, format!("{text}, and the trust file requires a review")));
            }
            match self.counts(proof, stream.reviewers.as_ref(), "reviewers") {
                Ok(()) => {
                    counted |= review.outcome != ReviewOutcome::Inconclusive;
                    account.checked(format!("review: {text}"));
                }
                Err(fault) => account.not_checked(format!("review: {text}; it does not count: {}", fault.reason)),
            }
        }
        if !given {
            account.not_checked(format!("review: none was given of {}", show(source)));
        }
        if stream.require_review && !counted {
            let reason = format!("no review that counts is of {}, the source of {}", show(source), build.what());
            pending.miss(Code::ReviewPending, Code::ReviewMissing, reason);
        }
        Ok(())
    }

    /// The rebuilds, and whether enough issuers made each file again bit for bit [V-27] [V-38].
    pub(super) fn rebuilds(
        &self,
        builds: &[(&Proven, &Build)],
        stream: &TrustedStream,
        pending: &mut Pending,
        account: &mut Account,
    ) -> Result<(), Fault> {
        let mut identical: BTreeSet<(Hash, &str)> = BTreeSet::new();
        let mut failed: BTreeSet<(Hash, &str)> = BTreeSet::new();
        let mut given = false;
        for proof in self.others() {
            let Some((rebuild, files)) = self.rebuilt(proof) else { continue };
            given = true;
            if files.is_empty() {
                account.not_checked(format!("rebuild: {} is of other files", proof.what()));
                continue;
            }
            let names: Vec<&str> = files.iter().map(|file| name_of(file)).collect();
            let text = format!(
                "{} ({}): {} {}",
                proof.what(),
                rebuild.independence.name(),
                names.join(", "),
                rebuild.outcome.name()
            );
            let issuer = proof.event.statement.header.issuer.as_str();
            match (rebuild.outcome, self.rebuild_counts(proof, rebuild.independence, stream)) {
                (Outcome::Identical, Ok(())) => {
                    let source = &rebuild.source.digest;
                    match files.iter().find(|file| !from(builds, file, source)) {
                        // Another source with the same file shows nothing of the one that the build names.
                        Some(file) if stream.require_build || !builds.is_empty() => account.not_checked(format!(
                            "rebuild: {text}; of {} it does not count: it is from {}, and no build of it that counts is",
                            name_of(file),
                            show(source)
                        )),
                        _ => account.checked(format!("rebuild: {text}")),
                    }
                    let same = files.iter().filter(|file| from(builds, file, source));
                    identical.extend(same.filter_map(|file| Some((file.digest.sha256?, issuer))));
                }
                (Outcome::Identical, Err(fault)) => {
                    account.not_checked(format!("rebuild: {text}; it does not count: {}", fault.reason));
                }
                (outcome @ (Outcome::Different | Outcome::BuildFailed), _) => {
                    failed.extend(files.iter().filter_map(|file| Some((file.digest.sha256?, issuer))));
                    // That it came out differently has been said, with both digests, before it was borne [V-39].
                    if outcome == Outcome::BuildFailed {
                        account.not_checked(format!("rebuild: {text}"));
                    }
                }
                (Outcome::NotAttempted, _) => account.not_checked(format!("rebuild: {text}")),
            }
        }
        if stream.rebuilds == 0 {
            if !given {
                account.not_checked("rebuild: none was given, and the trust file asks for none");
            }
            return Ok(());
        }
        let parties = self.trust.rebuilders(stream);
        for file in self.files() {
            let Some(sha256) = file.digest.sha256 else { continue };
            let got: Vec<&str> =
                parties.iter().copied().filter(|party| identical.contains(&(sha256, *party))).collect();
            if got.len() as u64 >= stream.rebuilds {
                account.checked(format!(
                    "rebuild: {} was rebuilt identically by {}; at least {} asked for, of {} who count",
                    name_of(file),
                    got.join(", "),
                    stream.rebuilds,
                    parties.len()
                ));
                continue;
            }
            let lost: Vec<&str> = parties
                .iter()
                .copied()
                .filter(|party| failed.contains(&(sha256, *party)) && !got.contains(party))
                .collect();
            let reason = format!(
                "{} {} was rebuilt identically by {} of the {} that the trust file asks for",
                name_of(file),
                digest(file),
                got.len(),
                stream.rebuilds
            );
            if ((parties.len() - lost.len()) as u64) < stream.rebuilds {
                let reason = format!("{reason}, and did not succeed at {}", lost.join(", "));
                return Err(Fault::new(Code::RebuildFailed, reason));
            }
            pending.miss(Code::RebuildPending, Code::RebuildMissing, reason);
        }
        Ok(())
    }

    /// Whether an identical rebuild counts: of whom the stream names, as independent as its issuer's line says [V-34] [V-38].
    fn rebuild_counts(&self, proof: &Proven, says: Independence, stream: &TrustedStream) -> Result<(), Fault> {
        self.counts(proof, stream.rebuilders.as_ref(), "rebuilders")?;
        let line = self.support(proof)?;
        let wrong = match line.independence {
            Some(wanted) if wanted != says => format!("it says {}, the trust file {}", says.name(), wanted.name()),
            _ if stream.rebuilders.is_none() && says == Independence::Vendor => "it is the vendor's own".to_string(),
            _ => return Ok(()),
        };
        Err(Fault::new(Code::IssuerType, format!("{}: {wrong}", proof.what())))
    }

    /// Whether a verdict counts for this stream [V-37] [V-41].
    pub(super) fn verdict_counts(&self, proof: &Proven, stream: &TrustedStream) -> Result<(), Fault> {
        self.counts(proof, stream.verdicts_by.as_ref(), "verdicts_by")
    }

    /// Verdicts about the files; a `FAILED` one has refused the update before [V-41].
    pub(super) fn verdicts(&self, stream: &TrustedStream, pending: &mut Pending, account: &mut Account) {
        let mut passed: BTreeSet<Hash> = BTreeSet::new();
        for proof in self.others() {
            let Body::Verdict(verdict) = &proof.event.statement.body else { continue };
            let files = || proof.event.statement.subject.iter().filter_map(|file| file.digest.sha256);
            for sha256 in files().filter(|sha256| self.has(Some(*sha256))) {
                let text = format!("verdict: {} says {} about {}", proof.what(), verdict.result.name(), sha256.hex());
                match (verdict.result, self.verdict_counts(proof, stream)) {
                    (VerdictResult::Passed, Ok(())) => {
                        passed.insert(sha256);
                        account.checked(text);
                    }
                    (VerdictResult::Passed, Err(fault)) => {
                        account.not_checked(format!("{text}; it does not count: {}", fault.reason));
                    }
                    (VerdictResult::Failed, _) => account.not_checked(format!("{text}, and PASSED later")),
                }
            }
        }
        let missing = |file: &&Subject| !file.digest.sha256.is_some_and(|sha256| passed.contains(&sha256));
        if let Some(file) = self.files().iter().find(missing).filter(|_| stream.require_verdict) {
            let reason = format!("no verdict that counts says PASSED about {} {}", name_of(file), digest(file));
            pending.miss(Code::VerdictPending, Code::VerdictMissing, reason);
        }
    }
}

/// Whether a build made a file.
fn made(build: &Proven, file: &Subject) -> bool {
    build.event.statement.subject.iter().any(|made| made.digest.sha256 == file.digest.sha256)
}

/// Whether one of the builds made a file from this source [V-38].
fn from(builds: &[(&Proven, &Build)], file: &Subject, source: &Digests) -> bool {
    builds.iter().any(|(build, body)| made(build, file) && agree(&body.source.digest, source))
}

fn describe(proof: &Proven, review: &Review, source: &Digests, subject: &Digests) -> String {
    let [critical, high, medium, low, info] = review.findings;
    let weak =
        if source.sha256.is_some() && source.sha256 == subject.sha256 { "" } else { " (matched by SHA-1 alone)" };
    format!(
        "{} by {}: {}, critical {critical}, high {high}, medium {medium}, low {low}, info {info}{weak}",
        proof.what(),
        review.organisation,
        review.outcome.name()
    )
}

/// Equal in every algorithm that both give, at least one [V-28].
pub(super) fn agree(one: &Digests, other: &Digests) -> bool {
    fn contradicts<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.is_some() && other.is_some() && one != other
    }
    one.shares_one_with(other)
        && !contradicts(one.sha256.as_ref(), other.sha256.as_ref())
        && !contradicts(one.git_commit.as_ref(), other.git_commit.as_ref())
        && !contradicts(one.git_tree.as_ref(), other.git_tree.as_ref())
}

/// The strongest digest of a source, and what it is.
fn show(digest: &Digests) -> String {
    match (&digest.sha256, &digest.git_tree, &digest.git_commit) {
        (Some(sha256), ..) => format!("source sha256 {}", sha256.hex()),
        (None, Some(tree), _) => format!("source gitTree {tree} (SHA-1)"),
        (None, None, Some(commit)) => format!("source gitCommit {commit} (SHA-1)"),
        (None, None, None) => "a source without a digest".to_string(),
    }
}
