//! References: which relation leads from what to what, how often, and what the target must hold (leaf-format.md 3).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Facts, Logged, Query, statements};
use crate::body::Body;
use crate::body::charter::Role;
use crate::event::Statement;
use crate::hash::Hash;
use crate::refusal::Refusal;
use crate::statement::{Kind, Ref, Rel};
use crate::words::Read;

/// From which types a relation leads, how often at most from each, and to which type; `None` is any type.
const fn rule(rel: Rel) -> (&'static [(Kind, usize)], Option<Kind>) {
    match rel {
        Rel::Releases => (&[(Kind::Update, 8)], Some(Kind::Build)),
        Rel::Reproduces => (&[(Kind::Rebuild, 1)], Some(Kind::Build)),
        Rel::Reviewed => (&[(Kind::Build, 8)], Some(Kind::CodeReview)),
        Rel::Follows => (&[(Kind::CodeReview, 1)], Some(Kind::CodeReview)),
        Rel::Revokes => (&[(Kind::UpdateRevoke, 1)], Some(Kind::Update)),
        Rel::ReplacedBy => (&[(Kind::UpdateRevoke, 1)], Some(Kind::Update)),
        Rel::About => (&[(Kind::Incident, 4), (Kind::Verdict, 16)], None),
        Rel::Corrects => (&[(Kind::Correction, 1)], None),
    }
}

/// Checks all references of an event: kinds and numbers, then the targets.
pub(super) fn check(facts: &Facts, statement: &Statement) -> Read<()> {
    let refs = &statement.header.refs;
    for found in refs {
        let (from, _) = rule(found.rel);
        let Some((_, most)) = from.iter().find(|(kind, _)| *kind == statement.kind) else {
            let from: Vec<&str> = from.iter().map(|(kind, _)| kind.name()).collect();
            return Err(Refusal::RefKind(format!(
                "{} leads from {}, not from {}",
                found.rel,
                from.join(" and "),
                statement.kind
            )));
        };
        let count = statement.header.refs_of(found.rel).count();
        if count > *most {
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
        Body::Verdict(_) if count(Rel::About) == 0 => wrong(Rel::About, "a verdict has 1 to 16"),
        Body::Correction(_) if count(Rel::Corrects) == 0 => wrong(Rel::Corrects, "a correction has 1"),
        _ => Ok(()),
    }
}

/// What stands at the place that a reference names.
fn by_place<'a>(facts: &'a Facts, found: &Ref) -> Option<&'a Logged> {
    found.at.as_ref().and_then(|at| facts.get(&Query::At(at.issuer.clone(), at.epoch, at.seq)))
}

/// The event that a reference names: by its id, or by its place when it is of a sealed type.
pub(super) fn target<'a>(facts: &'a Facts, found: &Ref) -> Option<&'a Logged> {
    let by_id = facts.get(&Query::Id(found.event_id));
    by_id.or_else(|| by_place(facts, found).filter(|logged| logged.event.id == found.event_id))
}

fn check_target(facts: &Facts, statement: &Statement, found: &Ref) -> Read<()> {
    let Some(target) = target(facts, found) else {
        if let (Some(at), Some(other)) = (&found.at, by_place(facts, found)) {
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
    let (_, to) = rule(found.rel);
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
    if found.rel == Rel::Corrects { check_corrected(statement, target) } else { Ok(()) }
}

/// What may be corrected, and by whom: an issuer that was opened corrects what it said itself.
fn check_corrected(statement: &Statement, target: &Logged) -> Read<()> {
    let said = &target.event.statement;
    if !statements::may_be_corrected(&said.body) {
        return Err(Refusal::RefKind(format!("entry {} is {}, which no correction changes", target.index, said.kind)));
    }
    let own = &statement.header.issuer;
    if Role::of(own.as_str()).is_none() && said.header.issuer != *own {
        return Err(Refusal::RefKind(format!(
            "corrects names an event of {}, this one is of {own}",
            said.header.issuer
        )));
    }
    Ok(())
}

/// A verdict is about an update at least, and about one product: a SLSA VSA has one resource.
fn check_verdict(facts: &Facts, statement: &Statement) -> Read<()> {
    let mut updates =
        super::referred(facts, statement, Rel::About).filter_map(|logged| match &logged.event.statement.body {
            Body::Update(update) => Some((logged.index, &update.purl)),
            _ => None,
        });
    let Some((first, purl)) = updates.next() else {
        return Err(Refusal::RefKind("about names no update of this log, a verdict is about one".into()));
    };
    match updates.find(|(_, other)| *other != purl) {
        Some((second, other)) => Err(Refusal::RefKind(format!(
            "the update at entry {first} is {purl}, that at entry {second} is {other}; a verdict is about one product"
        ))),
        None => Ok(()),
    }
}

fn shown(kind: Option<Kind>) -> String {
    kind.map_or_else(|| "any type".into(), |kind| kind.name().into())
}

/// What the targets hold.
///
/// Every file of an update, or of a rebuild that names its build, is a subject of a build.
fn check_contents(facts: &Facts, statement: &Statement) -> Read<()> {
    let rel = match &statement.body {
        Body::Update(update) if update.built_here => Rel::Releases,
        Body::Rebuild(_) if statement.header.refs_of(Rel::Reproduces).next().is_some() => Rel::Reproduces,
        Body::Verdict(_) => return check_verdict(facts, statement),
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
