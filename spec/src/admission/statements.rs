//! The rules of verdicts, data rules and corrections (80-admission.md, A).
//!
//! None of the three changes what is admitted but by the next version of the rules. Not here: their references (`refs`).

use alloc::format;
use alloc::string::{String, ToString};

use super::rules::subject_is;
use super::{Facts, change, referred, refs};
use crate::body::Body;
use crate::body::correction::Correction;
use crate::body::rules::Rules;
use crate::body::verdict::Verdict;
use crate::event::{Event, Statement};
use crate::hash::Hash;
use crate::refusal::Refusal;
use crate::state::State;
use crate::statement::{Kind, Rel};
use crate::words::{Read, value};

/// A verdict: each element of the subject is a file of an update that it is about.
pub(super) fn check_verdict(facts: &Facts, statement: &Statement, verdict: &Verdict) -> Read<()> {
    verdict.check()?;
    let is_file = |digest: Option<Hash>| {
        referred(facts, statement, Rel::About)
            .filter(|logged| logged.event.statement.kind == Kind::Update)
            .any(|logged| logged.event.statement.subject.iter().any(|file| file.digest.sha256 == digest))
    };
    match statement.subject.iter().find(|element| !is_file(element.digest.sha256)) {
        Some(element) => Err(Refusal::Subject(format!(
            "{} is a file of none of the updates that the verdict is about",
            element.digest.sha256.map_or_else(String::new, |digest| digest.hex())
        ))),
        None => Ok(()),
    }
}

/// Data rules: the next version, in force from no earlier day than the one before.
pub(super) fn check_rules(state: &State, event: &Event, rules: &Rules) -> Read<()> {
    let body = change::body_value(event).to_jcs();
    subject_is(&event.statement, Hash::of(&body), "the SHA-256 of the body is")?;
    let want = state.rules.as_ref().map_or(1, |newest| newest.version.saturating_add(1));
    if rules.version != want {
        return value("body.version", format!("{}, the next version of the rules is {want}", rules.version));
    }
    match &state.rules {
        Some(newest) if rules.effective < newest.effective => value(
            "body.effective",
            format!("{}, version {} is in force from {} on", rules.effective, newest.version, newest.effective),
        ),
        _ => Ok(()),
    }
}

/// A correction: its subject is the event that it corrects; of a sealed one it shows nothing.
pub(super) fn check_correction(facts: &Facts, statement: &Statement, correction: &Correction) -> Read<()> {
    let target = statement.header.refs_of(Rel::Corrects).next().and_then(|found| refs::target(facts, found));
    let Some(target) = target else {
        return Err(Refusal::RefMissing("the corrected event is not in this log".to_string()));
    };
    subject_is(statement, target.event.id.0, "the corrected event is")?;
    if target.event.statement.kind.is_sealed() { correction.check_sealed() } else { Ok(()) }
}

/// True for a type that a correction may name.
///
/// Whoever signs, opens and closes is changed by events of their own, and so are data rules; a correction of what the supervisor
/// had to sign would undo that signature.
pub(super) const fn may_be_corrected(body: &Body) -> bool {
    match body {
        Body::Charter(_) | Body::Open(_) | Body::Close(_) | Body::Rules(_) | Body::Erasure(_) | Body::Correction(_) => {
            false
        }
        Body::Heartbeat { .. }
        | Body::Build(_)
        | Body::Rebuild(_)
        | Body::Review(_)
        | Body::Update(_)
        | Body::Revoke(_)
        | Body::Incident(_)
        | Body::SealingKey(_)
        | Body::Access
        | Body::Verdict(_) => true,
    }
}

#[cfg(test)]
mod tests;
