//! References: which relation leads from what to what, how often, and what the target must hold (leaf-format.md 3).

use alloc::format;
use alloc::string::String;

use super::{Facts, Logged, Query};
use crate::body::Body;
use crate::event::Statement;
use crate::hash::Hash;
use crate::refusal::Refusal;
use crate::statement::{Kind, Ref, Rel};
use crate::words::Read;

/// From which type a relation leads, to which, and how often at most; `None` is any type.
const fn rule(rel: Rel) -> (Kind, Option<Kind>, usize) {
    match rel {
        Rel::Releases => (Kind::Update, Some(Kind::Build), 8),
        Rel::Reproduces => (Kind::Rebuild, Some(Kind::Build), 1),
        Rel::Reviewed => (Kind::Build, Some(Kind::CodeReview), 8),
        Rel::Follows => (Kind::CodeReview, Some(Kind::CodeReview), 1),
        Rel::Revokes => (Kind::UpdateRevoke, Some(Kind::Update), 1),
        Rel::ReplacedBy => (Kind::UpdateRevoke, Some(Kind::Update), 1),
        Rel::About => (Kind::Incident, None, 4),
    }
}

/// Checks all references of an event: kinds and numbers, then the targets.
pub(super) fn check(facts: &Facts, statement: &Statement) -> Read<()> {
    let refs = &statement.header.refs;
    for found in refs {
        let (from, _, most) = rule(found.rel);
        if from != statement.kind {
            return Err(Refusal::RefKind(format!("{} leads from {from}, not from {}", found.rel, statement.kind)));
        }
        let count = statement.header.refs_of(found.rel).count();
        if count > most {
            return Err(Refusal::RefKind(format!("{count} references {}, at most {most}", found.rel)));
        }
        if found.origin.as_deref() == Some(statement.header.origin.as_str()) {
            return Err(Refusal::RefKind(format!("{} names this very log as another one", found.rel)));
        }
    }
    check_needed(statement)?;
    for found in refs.iter().filter(|found| found.origin.is_none()) {
        check_target(facts, statement, found)?;
    }
    check_contents(facts, statement)
}

/// The relations that a type must have, or must not have.
fn check_needed(statement: &Statement) -> Read<()> {
    let count = |rel: Rel| statement.header.refs_of(rel).count();
    let wrong = |rel: Rel, want: &str| Err(Refusal::RefKind(format!("{} references {rel}, {want}", count(rel))));
    match &statement.body {
        Body::Update(update) if update.built_here && count(Rel::Releases) == 0 => {
            wrong(Rel::Releases, "built_here asks for 1 to 8")
        }
        Body::Update(update) if !update.built_here && count(Rel::Releases) > 0 => {
            wrong(Rel::Releases, "none without built_here")
        }
        Body::Revoke(_) if count(Rel::Revokes) == 0 => wrong(Rel::Revokes, "a revocation has 1"),
        _ => Ok(()),
    }
}

fn check_target(facts: &Facts, statement: &Statement, found: &Ref) -> Read<()> {
    let by_place = found.at.as_ref().and_then(|at| facts.get(&Query::At(at.issuer.clone(), at.epoch, at.seq)));
    let target = facts.get(&Query::Id(found.event_id)).or(by_place.filter(|logged| logged.event.id == found.event_id));
    let Some(target) = target else {
        if let (Some(at), Some(other)) = (&found.at, by_place) {
            return Err(Refusal::RefKind(format!(
                "`at` is seq {} of {}, epoch {}, which is {}, not {}",
                at.seq, at.issuer, at.epoch, other.event.id, found.event_id
            )));
        }
        return Err(Refusal::RefMissing(format!(
            "{} names {}, which is not in this log before this event",
            found.rel, found.event_id
        )));
    };
    let kind = target.event.statement.kind;
    let (_, to, _) = rule(found.rel);
    if to.is_some_and(|to| to != kind) {
        return Err(Refusal::RefKind(format!(
            "{} leads to {}, entry {} is {kind}",
            found.rel,
            shown(to),
            target.index
        )));
    }
    if found.at.is_some() != kind.is_sealed() {
        return Err(Refusal::RefKind(format!("`at` stands with sealed types alone, entry {} is {kind}", target.index)));
    }
    if found.at.is_some() && found.at != target.event.statement.header.place() {
        return Err(Refusal::RefKind(format!("`at` is not the place of entry {}", target.index)));
    }
    if found.rel == Rel::Follows && target.event.statement.header.issuer != statement.header.issuer {
        return Err(Refusal::RefKind(format!(
            "follows names a review of {}, this one is of {}",
            target.event.statement.header.issuer, statement.header.issuer
        )));
    }
    Ok(())
}

fn shown(kind: Option<Kind>) -> String {
    kind.map_or_else(|| "any type".into(), |kind| kind.name().into())
}

/// Every file of an update, or of a rebuild that names its build, is a subject of a build.
fn check_contents(facts: &Facts, statement: &Statement) -> Read<()> {
    let rel = match &statement.body {
        Body::Update(update) if update.built_here => Rel::Releases,
        Body::Rebuild(_) if statement.header.refs_of(Rel::Reproduces).next().is_some() => Rel::Reproduces,
        _ => return Ok(()),
    };
    let holds = |logged: &Logged, digest: Option<Hash>| {
        logged.event.statement.subject.iter().any(|artifact| artifact.digest.sha256 == digest)
    };
    let missing = statement
        .subject
        .iter()
        .find(|file| !super::referred(facts, statement, rel).any(|logged| holds(logged, file.digest.sha256)));
    match missing {
        Some(file) => Err(Refusal::NotInBuild(format!(
            "{} ({}) is an artifact of none of the builds that {rel} names",
            file.name.as_deref().unwrap_or("a file"),
            file.digest.sha256.map_or_else(String::new, |digest| digest.hex())
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
