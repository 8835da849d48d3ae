//! The verdict about an update file (90-verdict.md, V-10, V-16, V-20 to V-33).
//!
//! One function; what it requires comes from the pins alone. Every proof given is shown to hold before any of them is used,
//! and each is accounted for. Not here: whether one proof holds (`proven`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::proven::{Proof, Proven};
use super::{Account, Code, Fault, Pins, Verdict};
use crate::body::Body;
use crate::body::charter::PROTOCOL;
use crate::body::files::{Audience, Outcome, Update};
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::statement::{Digests, Kind, Rel, Subject};

/// The file that is judged.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name, for messages alone.
    pub name: &'a str,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its bytes.
    pub size: u64,
}

/// Whether this file is an update as the pins want it, by these proofs and no other knowledge [V-10].
///
/// `now` is the verifier's time in seconds since 1970; without it no cosignature is too far ahead and no release too early.
pub fn verify_update(file: &File<'_>, proofs: &[Proof<'_>], pins: &Pins, now: Option<u64>) -> Verdict {
    let mut account = Account::default();
    let end = judge(file, proofs, pins, now, &mut account);
    account.close(end)
}

fn judge(
    file: &File<'_>,
    proofs: &[Proof<'_>],
    pins: &Pins,
    now: Option<u64>,
    account: &mut Account,
) -> Result<String, Fault> {
    let mut proven = Vec::with_capacity(proofs.len());
    let mut judged = Vec::new();
    for proof in proofs {
        proven.push(Proven::read(proof, pins, now, &mut judged)?);
    }
    check_checkpoints(&proven, account)?;
    let (update, body, subject) = choose(file, &proven)?;
    let case = Case { pins, now, proven: &proven, update, body, subject };
    let line = update.support(pins.trust())?;
    account.checked(format!(
        "file: SHA-256 {} and {} bytes, as {} in entry {}",
        file.sha256.hex(),
        file.size,
        name_of(subject),
        update.index
    ));
    account.checked(format!("issuer: {} epoch {} signed it with {}", line.name, line.epoch, line.vkey.keyid()));
    case.stream(account)?;
    case.against()?;
    case.charter(account)?;
    case.builds(account)?;
    case.rebuilds(account);
    case.rest(account);
    case.not_before(account)?;
    case.quorum(account)?;
    let what = if subject.name.as_deref() == Some(file.name) { "" } else { " (under another name)" };
    Ok(format!(
        "{}{what} is {} {} in {} of {}, released by {}",
        file.name,
        body.purl,
        release(body),
        body.channel.as_str(),
        pins.trust().origin,
        line.name
    ))
}

fn release(body: &Update) -> String {
    format!("release {}", body.release_seq)
}

fn name_of(subject: &Subject) -> &str {
    subject.name.as_deref().unwrap_or("(no name)")
}

/// Two checkpoints of one size have one root [V-16].
fn check_checkpoints(proven: &[Proven], account: &mut Account) -> Result<(), Fault> {
    let mut heads: Vec<&Proven> = Vec::new();
    for proof in proven {
        match heads.iter().find(|head| head.size == proof.size) {
            Some(head) if head.root != proof.root => {
                let reason = format!(
                    "the log signed two trees of {} entries, with root {} and with root {}",
                    proof.size, head.root, proof.root
                );
                return Err(Fault::new(Code::CheckpointFork, reason));
            }
            Some(_) => {}
            None => heads.push(proof),
        }
    }
    heads.sort_by_key(|head| head.size);
    let sizes: Vec<String> = heads.iter().map(|head| head.size.to_string()).collect();
    if sizes.len() > 1 {
        account.not_checked(format!("checkpoints: that those of {} entries are of one history", sizes.join(" and ")));
    }
    Ok(())
}

/// The update among the proofs that holds the file [V-21].
fn choose<'p>(file: &File<'_>, proven: &'p [Proven]) -> Result<(&'p Proven, &'p Update, &'p Subject), Fault> {
    let mut held = Vec::new();
    for proof in proven {
        let Body::Update(body) = &proof.event.statement.body else { continue };
        for subject in &proof.event.statement.subject {
            if subject.digest.sha256 == Some(file.sha256) {
                if subject.size != Some(file.size) {
                    let reason = format!(
                        "{} has {} bytes, {} says {}",
                        file.name,
                        file.size,
                        proof.what(),
                        subject.size.unwrap_or_default()
                    );
                    return Err(Fault::new(Code::FileSize, reason));
                }
                return Ok((proof, body, subject));
            }
            held.push(format!(
                "{} {}",
                name_of(subject),
                subject.digest.sha256.unwrap_or_else(|| Hash::new([0; 32])).hex()
            ));
        }
    }
    if held.is_empty() {
        let given: Vec<String> = proven.iter().map(Proven::what).collect();
        let given = if given.is_empty() { "nothing".to_string() } else { given.join(", ") };
        return Err(Fault::new(Code::UpdateMissing, format!("no proof of an update was given, but of {given}")));
    }
    let reason = format!("{} has SHA-256 {}, the update holds {}", file.name, file.sha256.hex(), held.join(", "));
    Err(Fault::new(Code::FileDigest, reason))
}

/// The update that is judged, and everything else that was proven.
struct Case<'a> {
    pins: &'a Pins,
    now: Option<u64>,
    proven: &'a [Proven],
    update: &'a Proven,
    body: &'a Update,
    subject: &'a Subject,
}

impl<'a> Case<'a> {
    /// The other proofs.
    fn others(&self) -> impl Iterator<Item = &'a Proven> + use<'a> {
        let own = self.update.event.id;
        self.proven.iter().filter(move |proof| proof.event.id != own)
    }

    /// Whether a digest is one of the update's files.
    fn has(&self, sha256: Option<Hash>) -> bool {
        sha256.is_some() && self.update.event.statement.subject.iter().any(|file| file.digest.sha256 == sha256)
    }

    fn releases(&self) -> impl Iterator<Item = EventId> + use<'a> {
        self.update.event.statement.header.refs_of(Rel::Releases).map(|found| found.event_id)
    }

    /// The stream and its issuer [V-22].
    fn stream(&self, account: &mut Account) -> Result<(), Fault> {
        let (package, channel) = (self.body.package_id.as_str(), self.body.channel.as_str());
        let issuer = self.update.event.statement.header.issuer.as_str();
        let Some(stream) = self.pins.trust().stream(package, channel) else {
            let reason = format!("{}: the trust file takes no stream {package} {channel}", self.update.what());
            return Err(Fault::new(Code::StreamUnknown, reason));
        };
        if stream.issuer != issuer {
            let reason =
                format!("{}: the trust file gives {package} {channel} to {}", self.update.what(), stream.issuer);
            return Err(Fault::new(Code::StreamIssuer, reason));
        }
        let audience = match &self.body.audience {
            Audience::All => "for everybody".to_string(),
            Audience::Regions(regions) => format!("for {} only", regions.join(", ")),
        };
        account.checked(format!("stream: {package} {channel} belongs to {issuer}; {} {audience}", release(self.body)));
        account.not_checked("rollback: whether a later release is installed or logged");
        Ok(())
    }

    /// What was said against the update: whoever said it, and however disowned it is [V-20].
    fn against(&self) -> Result<(), Fault> {
        for proof in self.others() {
            let statement = &proof.event.statement;
            match &statement.body {
                Body::Revoke(revoke)
                    if statement.header.refs_of(Rel::Revokes).any(|found| found.event_id == self.update.event.id) =>
                {
                    let reason = format!("{} revoked it: {}", proof.what(), revoke.reason); // [V-24]
                    return Err(Fault::new(Code::UpdateRevoked, reason));
                }
                Body::Update(other) if !proof.is_disowned(self.pins.trust()) => {
                    if let Some((own, second)) = self.second_digest(other, &statement.subject) {
                        let reason = format!(
                            "{} {} in {} has two digests: entry {} says {}, {} says {}",
                            other.purl,
                            name_of(second),
                            other.channel.as_str(),
                            self.update.index,
                            digest(own),
                            proof.what(),
                            digest(second)
                        ); // [V-25]
                        return Err(Fault::new(Code::UpdateSecondDigest, reason));
                    }
                }
                Body::Rebuild(rebuild) => {
                    for file in statement.subject.iter().filter(|file| self.has(file.digest.sha256)) {
                        let differs = file.produced.is_some_and(|produced| Some(produced) != file.digest.sha256);
                        if rebuild.outcome == Outcome::Different || differs {
                            let produced =
                                file.produced.map_or_else(|| "nothing".to_string(), |produced| produced.hex());
                            let reason = format!(
                                "{} ({}) rebuilt {} and the outcome is different: {} was claimed, {produced} was produced",
                                proof.what(),
                                rebuild.independence.name(),
                                name_of(file),
                                digest(file)
                            ); // [V-27]
                            return Err(Fault::new(Code::RebuildDifferent, reason));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A file of this version and channel to which another update gives another digest: ours, and theirs.
    fn second_digest<'o>(&self, other: &Update, files: &'o [Subject]) -> Option<(&'a Subject, &'o Subject)> {
        if other.purl != self.body.purl || other.channel != self.body.channel {
            return None;
        }
        let own = &self.update.event.statement.subject;
        files.iter().find_map(|file| {
            let same = own.iter().find(|own| own.name == file.name && own.digest.sha256 != file.digest.sha256)?;
            Some((same, file))
        })
    }

    /// The first charter, when a proof of it was given [V-31].
    fn charter(&self, account: &mut Account) -> Result<(), Fault> {
        let want = self.pins.trust().charter;
        let mut shown = false;
        for proof in self.others() {
            let Body::Charter(charter) = &proof.event.statement.body else { continue };
            if charter.protocol != PROTOCOL {
                let reason = format!("{}: protocol {}, known here is {PROTOCOL}", proof.what(), charter.protocol);
                return Err(Fault::new(Code::EventUnknown, reason)); // [V-17]
            }
            if proof.index.get() != 0 {
                account.not_checked(format!("{}: a later charter", proof.what()));
            } else if proof.event.id.0 == *want.event_id() {
                account.checked(format!("charter: entry 0 has the pinned fingerprint {want}"));
                shown = true;
            } else {
                let reason = format!(
                    "entry 0 has fingerprint {}, the trust file pins {want}",
                    crate::trust::Fingerprint::new(proof.event.id.0)
                );
                return Err(Fault::new(Code::Charter, reason));
            }
        }
        if !shown {
            account.not_checked("charter: no proof of entry 0 was given; the trust file's keys stand for it");
        }
        Ok(())
    }

    /// The builds that the update names, whether they hold all its files, and their reviews [V-26].
    fn builds(&self, account: &mut Account) -> Result<(), Fault> {
        let stream = self.pins.trust().stream(&self.body.package_id, self.body.channel.as_str());
        let required = stream.is_none_or(|stream| stream.require_build); // [V-8]
        if !self.body.built_here {
            if required {
                let reason = format!(
                    "{} says built_here: false, the trust file requires a build for {} {}",
                    self.update.what(),
                    self.body.package_id,
                    self.body.channel.as_str()
                );
                return Err(Fault::new(Code::BuildNotHere, reason));
            }
            account.not_checked("build: the update says that it was not built here");
            return Ok(());
        }
        let named: Vec<EventId> = self.releases().collect();
        let mut good = Vec::new();
        let mut why_not: Option<Fault> = None;
        for proof in self.others().filter(|proof| named.contains(&proof.event.id)) {
            match (&proof.event.statement.body, proof.support(self.pins.trust())) {
                (Body::Build(build), Ok(_)) => good.push((proof, build)),
                (Body::Build(_), Err(fault)) => {
                    account.not_checked(format!("build: {}", fault.reason));
                    why_not = why_not.or(Some(fault));
                }
                _ => {}
            }
        }
        let files = &self.update.event.statement.subject;
        let missing = files.iter().find(|file| {
            !good.iter().any(|(proof, _)| proof.event.statement.subject.iter().any(|made| made.digest == file.digest))
        });
        if let Some(file) = missing {
            let reason = format!(
                "no proven build holds {} {}; the update names {} builds, {} of them were proven",
                name_of(file),
                digest(file),
                named.len(),
                good.len()
            );
            if required {
                return Err(why_not.unwrap_or_else(|| Fault::new(Code::BuildMissing, reason)));
            }
            account.not_checked(format!("build: {reason}; the trust file does not require one"));
        }
        for (proof, build) in &good {
            account.checked(format!(
                "build: {} made {} of {} files from {} by {} in {}",
                proof.what(),
                files
                    .iter()
                    .filter(|file| proof.event.statement.subject.iter().any(|made| made.digest == file.digest))
                    .count(),
                files.len(),
                show(&build.source.digest),
                build.builder_id,
                build.build_site
            ));
            self.reviews(&build.source.digest, account);
        }
        if !good.is_empty() {
            account.not_checked("build: the source itself, and the provenance and SBOM that the build names");
        }
        Ok(())
    }

    /// The reviews of a source, matched by digest [V-28].
    fn reviews(&self, source: &Digests, account: &mut Account) {
        let mut counted = false;
        for proof in self.others() {
            let Body::Review(review) = &proof.event.statement.body else { continue };
            let Some(subject) = proof.event.statement.subject.first() else { continue };
            if !agree(source, &subject.digest) {
                continue;
            }
            let [critical, high, medium, low, info] = review.findings;
            let text = format!(
                "{} by {}: {}, critical {critical}, high {high}, medium {medium}, low {low}, info {info}{}",
                proof.what(),
                review.organisation,
                review.outcome.name(),
                if source.sha256.is_some() && source.sha256 == subject.digest.sha256 {
                    ""
                } else {
                    " (matched by SHA-1 alone)"
                }
            );
            match proof.support(self.pins.trust()) {
                Ok(_) => account.checked(format!("review: {text}")),
                Err(fault) => account.not_checked(format!("review: {text}; it does not count: {}", fault.reason)),
            }
            counted = true;
        }
        if !counted {
            account.not_checked(format!("review: none was given of {}", show(source)));
        }
    }

    /// Rebuilds that say nothing against the update [V-27].
    fn rebuilds(&self, account: &mut Account) {
        let mut given = false;
        for proof in self.others() {
            let Body::Rebuild(rebuild) = &proof.event.statement.body else { continue };
            given = true;
            let files: Vec<&Subject> =
                proof.event.statement.subject.iter().filter(|file| self.has(file.digest.sha256)).collect();
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
            let identical = rebuild.outcome == Outcome::Identical
                && files.iter().all(|file| file.produced.is_some() && file.produced == file.digest.sha256);
            match (identical, proof.support(self.pins.trust())) {
                (true, Ok(_)) => account.checked(format!("rebuild: {text}")),
                (true, Err(fault)) => {
                    account.not_checked(format!("rebuild: {text}; it does not count: {}", fault.reason));
                }
                (false, _) => account.not_checked(format!("rebuild: {text}")),
            }
        }
        if !given {
            account.not_checked("rebuild: none was given, and the trust file asks for none");
        }
    }

    /// Everything else that was given, so that no proof is passed over in silence [V-29] [V-33].
    fn rest(&self, account: &mut Account) {
        let named: Vec<EventId> = self.releases().collect();
        for proof in self.others() {
            let statement = &proof.event.statement;
            match statement.kind {
                Kind::Charter | Kind::Rebuild => {}
                Kind::Build if self.body.built_here && named.contains(&proof.event.id) => {}
                Kind::Build => account.not_checked(format!("build: {} is not one that the update names", proof.what())),
                Kind::CodeReview => {
                    let of_a_build =
                        self.others().any(|build| match (&build.event.statement.body, statement.subject.first()) {
                            (Body::Build(body), Some(subject)) => {
                                named.contains(&build.event.id) && agree(&body.source.digest, &subject.digest)
                            }
                            _ => false,
                        });
                    if !of_a_build {
                        account.not_checked(format!("review: {} is not of a proven build's source", proof.what()));
                    }
                }
                Kind::Update => {
                    let file = statement.subject.iter().any(|file| file.digest == self.subject.digest);
                    let disowned = if proof.is_disowned(self.pins.trust()) { ", disowned" } else { "" };
                    let about = if file { "holds this file too" } else { "is of other files" };
                    account.not_checked(format!("update: {}{disowned} {about} and is not judged", proof.what()));
                }
                Kind::UpdateRevoke => account.not_checked(format!("revocation: {} is of another update", proof.what())),
                _ => account.not_checked(format!("{}: says nothing about this file", proof.what())),
            }
        }
        for proof in self.proven {
            for found in proof.event.statement.header.refs.iter().filter(|found| found.origin.is_some()) {
                account.not_checked(format!(
                    "reference: {} names event {} in another log, {}",
                    proof.what(),
                    found.event_id.hex(),
                    found.origin.as_deref().unwrap_or_default()
                ));
            }
            for keyid in &proof.unknown_signers {
                account
                    .not_checked(format!("signature: of {keyid} on {}, the trust file has no such key", proof.what()));
            }
        }
        account.not_checked("revocation: whether the update was revoked later than the proofs show");
    }

    /// The release date [V-23].
    fn not_before(&self, account: &mut Account) -> Result<(), Fault> {
        let Some(not_before) = self.body.not_before else { return Ok(()) };
        match self.now {
            Some(now) if now < not_before.get() => {
                let reason = format!("not to be installed before {}, it is {now}", not_before.get());
                Err(Fault::new(Code::UpdateNotBefore, reason))
            }
            Some(_) => {
                account.checked(format!("time: from {} on", not_before.get()));
                Ok(())
            }
            None => {
                account.not_checked(format!(
                    "time: not to be installed before {}, and no time was given",
                    not_before.get()
                ));
                Ok(())
            }
        }
    }

    /// Inclusion, signatures and quorum of the checkpoints; last, because time can mend it [V-13] [V-14] [V-15].
    fn quorum(&self, account: &mut Account) -> Result<(), Fault> {
        for proof in self.proven {
            if let Some(short) = &proof.witnessed.short {
                return Err(Fault::new(short.code, format!("{}: {}", proof.what(), short.reason)));
            }
        }
        account.checked(format!(
            "log: {} proofs, each of the leaf at its place in a tree that {} signed with {} keys",
            self.proven.len(),
            self.pins.trust().origin,
            self.pins.trust().log_keys.word()
        ));
        if self.pins.unwitnessed() {
            account.not_checked("witnesses: unwitnessed, the policy says `quorum none`");
            return Ok(());
        }
        let names: Vec<String> = self.update.witnessed.cosigners.iter().map(ToString::to_string).collect();
        let age = match (self.now, self.update.witnessed.time) {
            (Some(now), Some(time)) => format!("{} s ago", now.saturating_sub(time)),
            (None, Some(time)) => format!("at {time}"),
            (_, None) => "at no known time".to_string(),
        };
        account.checked(format!("witnesses: the quorum holds by {}, complete {age}", names.join(", ")));
        account.not_checked("age: the trust file sets no limit to the age of a checkpoint");
        Ok(())
    }
}

fn digest(subject: &Subject) -> String {
    subject.digest.sha256.map_or_else(|| "no SHA-256".to_string(), |sha256| sha256.hex())
}

/// Equal in every algorithm that both give, at least one [V-28].
fn agree(one: &Digests, other: &Digests) -> bool {
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
