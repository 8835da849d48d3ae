//! What was said against an update, by whomever and however disowned (90-verdict.md, V-20, V-24, V-25, V-27, V-39, V-41, V-47).
//!
//! Only the inclusion of such an event is needed. Not here: what speaks for the update (`behind`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::case::{Case, digest, name_of};
use super::proven::Proven;
use super::{Account, Code, Fault};
use crate::body::Body;
use crate::body::files::{Outcome, Rebuild, Update};
use crate::body::verdict::VerdictResult;
use crate::hash::Hash;
use crate::statement::{Rel, Subject};
use crate::tree::LeafIndex;
use crate::trust::TrustedStream;
use crate::watched::file_key;

impl<'a> Case<'a> {
    /// Refuses an update that something proven or watched speaks against.
    pub(super) fn against(&self, stream: &TrustedStream, account: &mut Account) -> Result<(), Fault> {
        for proof in self.others().filter(|proof| self.revokes(proof)) {
            let Body::Revoke(revoke) = &proof.event.statement.body else { continue };
            let reason = format!("{} revoked it: {}", proof.what(), revoke.reason); // [V-24]
            return Err(Fault::new(Code::UpdateRevoked, reason));
        }
        for proof in self.others().filter(|proof| !self.is_disowned(proof)) {
            let Body::Update(other) = &proof.event.statement.body else { continue };
            self.second_digest(proof, other)?;
        }
        self.different(stream, account)?;
        self.failed(stream)?;
        self.watched(account)
    }

    fn revokes(&self, proof: &Proven) -> bool {
        let revoked = |found: &crate::statement::Ref| found.event_id == self.update.event.id;
        proof.event.statement.header.refs_of(Rel::Revokes).any(revoked)
    }

    /// A file of this version and channel to which another update gives another digest [V-25].
    fn second_digest(&self, proof: &Proven, other: &Update) -> Result<(), Fault> {
        if other.purl != self.body.purl || other.channel != self.body.channel {
            return Ok(());
        }
        let pair = proof.event.statement.subject.iter().find_map(|file| {
            let differs = |own: &&Subject| own.name == file.name && own.digest.sha256 != file.digest.sha256;
            self.files().iter().find(differs).map(|own| (own, file))
        });
        let Some((own, second)) = pair else { return Ok(()) };
        let reason = format!(
            "{} {} in {} has two digests: entry {} says {}, {} says {}",
            other.purl,
            name_of(second),
            other.channel.as_str(),
            self.update.index,
            digest(own),
            proof.what(),
            digest(second)
        );
        Err(Fault::new(Code::UpdateSecondDigest, reason))
    }

    /// The files of the update that a rebuild is about.
    pub(super) fn rebuilt(&self, proof: &'a Proven) -> Option<(&'a Rebuild, Vec<&'a Subject>)> {
        let Body::Rebuild(rebuild) = &proof.event.statement.body else { return None };
        let own = |file: &&Subject| self.has(file.digest.sha256);
        Some((rebuild, proof.event.statement.subject.iter().filter(own).collect()))
    }

    /// More issuers than the stream bears say that a file came out differently [V-27] [V-39].
    fn different(&self, stream: &TrustedStream, account: &mut Account) -> Result<(), Fault> {
        let mut said: BTreeSet<&str> = BTreeSet::new();
        for proof in self.others() {
            let Some((rebuild, files)) = self.rebuilt(proof) else { continue };
            if rebuild.outcome != Outcome::Different {
                continue;
            }
            let differs = |file: &&&Subject| file.produced != file.digest.sha256;
            let Some(file) = files.iter().find(differs).or(files.first()) else { continue };
            let produced = file.produced.map_or_else(|| "nothing".to_string(), |produced| produced.hex());
            let reason = format!(
                "{} ({}) rebuilt {} and the outcome is different: {} was claimed, {produced} was produced",
                proof.what(),
                rebuild.independence.name(),
                name_of(file),
                digest(file)
            );
            said.insert(proof.event.statement.header.issuer.as_str());
            if said.len() as u64 > stream.different_max {
                let limit = match stream.different_max {
                    0 => String::new(),
                    most => format!("; the trust file bears {most}, {} issuers say so", said.len()),
                };
                return Err(Fault::new(Code::RebuildDifferent, reason + &limit));
            }
            account.not_checked(format!("rebuild: {reason}; the trust file bears {}", stream.different_max));
        }
        Ok(())
    }

    /// The latest verdict of an issuer about a file is `FAILED` [V-41].
    fn failed(&self, stream: &TrustedStream) -> Result<(), Fault> {
        match self.latest_verdicts(stream).into_values().find(|(_, result)| *result == VerdictResult::Failed) {
            None => Ok(()),
            Some((proof, _)) => {
                let reason = format!("{} says FAILED about {}", proof.what(), self.body.purl);
                Err(Fault::new(Code::VerdictFailed, reason))
            }
        }
    }

    /// The latest verdict of each issuer about each file of the update. A `PASSED` that does not count takes nothing back.
    fn latest_verdicts(&self, stream: &TrustedStream) -> BTreeMap<(Hash, &'a str), (&'a Proven, VerdictResult)> {
        let mut latest: BTreeMap<(Hash, &str), (&Proven, VerdictResult)> = BTreeMap::new();
        for proof in self.others() {
            let Body::Verdict(verdict) = &proof.event.statement.body else { continue };
            if verdict.result == VerdictResult::Passed && self.verdict_counts(proof, stream).is_err() {
                continue;
            }
            let own = |sha256: &Hash| self.has(Some(*sha256));
            for sha256 in proof.event.statement.subject.iter().filter_map(|file| file.digest.sha256).filter(own) {
                let place = latest.entry((sha256, proof.event.statement.header.issuer.as_str()));
                let said = place.or_insert((proof, verdict.result));
                if said.0.index < proof.index {
                    *said = (proof, verdict.result);
                }
            }
        }
        latest
    }

    /// What a watch of the log knows, up to the size it has read [V-47].
    fn watched(&self, account: &mut Account) -> Result<(), Fault> {
        let Some(watched) = self.question.watched else {
            account.not_checked("revocation: whether the update was revoked later than the proofs show");
            account.not_checked("second digest: whether another update of the log gives this file another digest");
            account.not_checked("disowned: whether the log disowns what the proofs show");
            return Ok(());
        };
        let size = watched.size;
        if let Some((by, reason)) = watched.revoked.get(&self.update.event.id) {
            return Err(Fault::new(Code::UpdateRevoked, format!("entry {by} revoked it: {reason}, says the watch")));
        }
        for own in self.files() {
            let key = file_key(&self.body.purl, name_of(own), self.body.channel.as_str());
            let lines = watched.second.range((key, LeafIndex::new(0), Hash::new([0; 32]))..);
            let other =
                lines.take_while(|(found, ..)| *found == key).find(|(_, _, sha256)| Some(*sha256) != own.digest.sha256);
            if let Some((_, by, sha256)) = other {
                let reason = format!(
                    "{} {} in {} has two digests: entry {} says {}, entry {by} says {}, says the watch",
                    self.body.purl,
                    name_of(own),
                    self.body.channel.as_str(),
                    self.update.index,
                    digest(own),
                    sha256.hex()
                );
                return Err(Fault::new(Code::UpdateSecondDigest, reason));
            }
        }
        let header = &self.update.event.statement.header;
        if let Some((by, reason)) = watched.closed.get(&(header.issuer.clone(), header.epoch)) {
            let closed = format!("{} epoch {} was closed by entry {by} ({reason})", header.issuer, header.epoch);
            if self.update.index > *by {
                let reason = format!("{}: {closed}, says the watch", self.update.what());
                return Err(Fault::new(Code::IssuerDisowned, reason));
            }
            account.checked(format!("issuer: {closed}; the update stands before it"));
        }
        account.checked(format!(
            "watched: no revocation, second digest or disowning of it in the first {size} entries of the log"
        ));
        account.not_checked(format!("watched: what was logged from entry {size} on"));
        Ok(())
    }
}
