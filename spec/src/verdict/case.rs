//! The update that is judged, and everything that was shown beside it (90-verdict.md, V-16, V-21).
//!
//! Not here: what is asked of it (`behind`) and what was said against it (`against`).

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::proven::Proven;
use super::{Account, Code, Fault, File, Question};
use crate::body::Body;
use crate::body::files::Update;
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::statement::{Rel, Subject};
use crate::trust::{TrustFile, TrustedIssuer, TrustedStream};

/// The update that is judged, and everything else that was proven.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) question: &'a Question<'a>,
    /// The trust file, with the keys of roles that later charters give.
    pub(super) trust: &'a TrustFile,
    pub(super) proven: &'a [Proven],
    pub(super) update: &'a Proven,
    pub(super) body: &'a Update,
    pub(super) subject: &'a Subject,
}

impl<'a> Case<'a> {
    /// The update among the proofs that holds the file; of several the newest that the trust file takes [V-21].
    pub(super) fn choose(
        question: &'a Question<'a>,
        trust: &'a TrustFile,
        proven: &'a [Proven],
    ) -> Result<Case<'a>, Fault> {
        let file = &question.file;
        let (mut cases, mut held) = (Vec::new(), Vec::new());
        for update in proven {
            let Body::Update(body) = &update.event.statement.body else { continue };
            let files = &update.event.statement.subject;
            match files.iter().find(|subject| subject.digest.sha256 == Some(file.sha256)) {
                Some(subject) => cases.push(Case { question, trust, proven, update, body, subject }),
                None => held.extend(files.iter().map(|other| format!("{} {}", name_of(other), digest(other)))),
            }
        }
        // A file is often released again: in a next release, or in another channel after it was tried in one. Of one shown in
        // several trees it is the first given: the last of equal ones from behind.
        let counts = |case: &&Case<'_>| case.support(case.update).is_ok() && case.stream().is_ok();
        let newest = cases.iter().rev().filter(counts).max_by_key(|case| case.update.index);
        if let Some(case) = newest.or(cases.first()).copied() {
            check_size(file, case.update, case.subject)?;
            return Ok(case);
        }
        if held.is_empty() {
            let given: Vec<String> = proven.iter().map(Proven::what).collect();
            let given = if given.is_empty() { "nothing".to_string() } else { given.join(", ") };
            return Err(Fault::new(Code::UpdateMissing, format!("no proof of an update was given, but of {given}")));
        }
        let reason = format!("{} has SHA-256 {}, the update holds {}", file.name, file.sha256.hex(), held.join(", "));
        Err(Fault::new(Code::FileDigest, reason))
    }

    /// The other proofs.
    pub(super) fn others(&self) -> impl Iterator<Item = &'a Proven> + use<'a> {
        let own = self.update.event.id;
        self.proven.iter().filter(move |proof| proof.event.id != own)
    }

    /// The update's files.
    pub(super) fn files(&self) -> &'a [Subject] {
        &self.update.event.statement.subject
    }

    /// Whether a digest is one of the update's files.
    pub(super) fn has(&self, sha256: Option<Hash>) -> bool {
        sha256.is_some() && self.files().iter().any(|file| file.digest.sha256 == sha256)
    }

    /// The builds that the update names.
    pub(super) fn releases(&self) -> impl Iterator<Item = EventId> + use<'a> {
        self.update.event.statement.header.refs_of(Rel::Releases).map(|found| found.event_id)
    }

    /// The line of the update's stream [V-22].
    pub(super) fn stream(&self) -> Result<&'a TrustedStream, Fault> {
        let (package, channel) = (self.body.package_id.as_str(), self.body.channel.as_str());
        let issuer = self.update.event.statement.header.issuer.as_str();
        let Some(stream) = self.trust.stream(package, channel) else {
            let reason = format!("{}: the trust file takes no stream {package} {channel}", self.update.what());
            return Err(Fault::new(Code::StreamUnknown, reason));
        };
        if stream.issuer != issuer {
            let reason =
                format!("{}: the trust file gives {package} {channel} to {}", self.update.what(), stream.issuer);
            return Err(Fault::new(Code::StreamIssuer, reason));
        }
        Ok(stream)
    }

    /// Whether the trust file or the watch disowns an event.
    pub(super) fn is_disowned(&self, proof: &Proven) -> bool {
        let header = &proof.event.statement.header;
        let watched = self.question.watched;
        proof.is_disowned(self.trust)
            || watched.is_some_and(|read| read.disowns(header.issuer.as_str(), header.epoch, proof.index))
    }

    /// The line of the issuer that lets an event support a "yes", or why it supports none [V-19] [V-20].
    pub(super) fn support(&self, proof: &Proven) -> Result<&'a TrustedIssuer, Fault> {
        let line = proof.support(self.trust)?;
        if self.is_disowned(proof) {
            let reason =
                format!("{}: the log disowns what {} epoch {} logged there", proof.what(), line.name, line.epoch);
            return Err(Fault::new(Code::IssuerDisowned, reason)); // [V-47]
        }
        Ok(line)
    }
}

fn check_size(file: &File<'_>, update: &Proven, subject: &Subject) -> Result<(), Fault> {
    if subject.size == Some(file.size) {
        return Ok(());
    }
    let says = subject.size.unwrap_or_default();
    let reason = format!("{} has {} bytes, {} says {says}", file.name, file.size, update.what());
    Err(Fault::new(Code::FileSize, reason))
}

/// Two trees of one size have one root, those that were seen before included [V-16].
pub(super) fn check_checkpoints(
    question: &Question<'_>,
    proven: &[Proven],
    account: &mut Account,
) -> Result<(), Fault> {
    let given = proven.iter().map(|proof| (proof.size, proof.root));
    let floor = question.floor.map(|floor| (floor.size, floor.root));
    let watched = question.watched.map(|watched| (watched.size, watched.root));
    let mut heads: Vec<(crate::tree::TreeSize, Hash)> = Vec::new();
    for (size, root) in given.chain(floor).chain(watched) {
        match heads.iter().find(|(known, _)| *known == size) {
            Some((_, other)) if *other != root => {
                let reason = format!("two trees of {size} entries, with root {other} and with root {root}");
                return Err(Fault::new(Code::CheckpointFork, reason));
            }
            Some(_) => {}
            None => heads.push((size, root)),
        }
    }
    heads.sort_by_key(|(size, _)| *size);
    let sizes: Vec<String> =
        heads.iter().filter(|(size, _)| size.get() > 0).map(|(size, _)| size.to_string()).collect();
    if sizes.len() > 1 {
        account.not_checked(format!("checkpoints: that those of {} entries are of one history", sizes.join(" and ")));
    }
    Ok(())
}

/// The name of a file of an event.
pub(super) fn name_of(subject: &Subject) -> &str {
    subject.name.as_deref().unwrap_or("(no name)")
}

/// The digest of a file of an event.
pub(super) fn digest(subject: &Subject) -> String {
    subject.digest.sha256.map_or_else(|| "no SHA-256".to_string(), |sha256| sha256.hex())
}
