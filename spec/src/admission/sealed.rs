//! The rules of sealing keys, sealed types and erasures (leaf-format.md 6; 80-admission.md, A).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::rules::{one_subject, subject_is};
use super::{Facts, Query};
use crate::body::erasure::{Erased, Erasure, ErasureReason, KEPT_S, Target};
use crate::body::sealed::SealingKey;
use crate::event::Statement;
use crate::hash::Hash;
use crate::refusal::Refusal;
use crate::state::State;
use crate::statement::is_record_size;
use crate::text;
use crate::words::{Read, value};
use crate::wrap::reader_key_id;

/// A sealing key: one wrap for each reader of the charter in force, in its order.
pub(super) fn check_sealing_key(state: &State, statement: &Statement, key: &SealingKey) -> Read<()> {
    subject_is(statement, key.digest(), "the SHA-256 of the wraps is")?;
    let readers = state.readers();
    let ids: Vec<_> = readers.iter().map(|reader| (reader.name.as_str(), reader_key_id(&reader.seal))).collect();
    if ids.iter().copied().eq(key.wraps.iter().map(|wrap| (wrap.reader.as_str(), wrap.key))) {
        return Ok(());
    }
    let want: Vec<String> = ids.iter().map(|(name, id)| format!("{name} {}", text::hex(id))).collect();
    Err(Refusal::SealingKey(format!(
        "wraps for {}, the readers of the charter in force are {}",
        key.readers(),
        want.join(", ")
    )))
}

/// An event of a sealed type: a full hour, the digest as its subject, a size that records have, an open sealing key
///
pub(super) fn check_access(state: &State, statement: &Statement) -> Read<()> {
    let header = &statement.header;
    if header.recorded != header.recorded.hour() {
        return value("hdr.recorded", format!("{} is no full hour, as a sealed type has it", header.recorded));
    }
    let (Some(sealed), Some(seq)) = (statement.sealed, header.seq) else {
        return Err(Refusal::Malformed("predicate.sealed is missing".into()));
    };
    subject_is(statement, sealed.sha256, "sealed.sha256 is")?;
    let open = state.sealing_key(&header.issuer, header.epoch, header.recorded, seq).map_err(Refusal::SealingKey)?;
    if open.seq != sealed.key {
        return Err(Refusal::SealingKey(format!(
            "sealed.key is {}, the open sealing key of {}, epoch {}, is at seq {}",
            sealed.key, header.issuer, header.epoch, open.seq
        )));
    }
    if is_record_size(sealed.size) {
        Ok(())
    } else {
        Err(Refusal::SealedMismatch(format!(
            "sealed.size is {}, a record has 48 + 1024·k + 16 bytes with k from 1 to 32",
            sealed.size
        )))
    }
}

/// The record that came is the one that the leaf names.
pub(super) fn check_record(facts: &Facts, statement: &Statement) -> Read<()> {
    let Some(sealed) = statement.sealed else { return Ok(()) };
    let Some((sha256, size)) = facts.record else {
        return Err(Refusal::SealedMismatch(format!("no record came, the leaf names {}", sealed.sha256.hex())));
    };
    if (sha256, size) == (sealed.sha256, sealed.size) {
        Ok(())
    } else {
        Err(Refusal::SealedMismatch(format!(
            "the record has {size} bytes and SHA-256 {}, the leaf names {} bytes and {}",
            sha256.hex(),
            sealed.size,
            sealed.sha256.hex()
        )))
    }
}

/// An erasure: its subject, and events of sealed types whose time is over unless an authority orders it
///
pub(super) fn check_erasure(facts: &Facts, statement: &Statement, erasure: &Erasure) -> Read<()> {
    match &erasure.erased {
        Erased::Subject => one_subject(statement),
        Erased::Records(targets) => {
            let got: Vec<Option<Hash>> = statement.subject.iter().map(|element| element.digest.sha256).collect();
            if !targets.iter().map(|target| Some(target.event_id.0)).eq(got.iter().copied()) {
                return Err(Refusal::Subject(format!(
                    "{} elements, body.targets names {} events; they are the same, in the same order",
                    got.len(),
                    targets.len()
                )));
            }
            targets.iter().try_for_each(|target| check_target(facts, statement, erasure, target))
        }
    }
}

fn check_target(facts: &Facts, statement: &Statement, erasure: &Erasure, target: &Target) -> Read<()> {
    let at = &target.at;
    let Some(logged) = facts.get(&Query::At(at.issuer.clone(), at.epoch, at.seq)) else {
        return Err(Refusal::RefMissing(format!("{at} is not in this log before this event")));
    };
    if logged.event.id != target.event_id {
        return Err(Refusal::RefKind(format!("{at} is {}, the target says {}", logged.event.id, target.event_id)));
    }
    let kind = logged.event.statement.kind;
    if !kind.is_sealed() {
        return Err(Refusal::RefKind(format!("{at} is of type {kind}, which has no sealed record")));
    }
    let (recorded, now) = (logged.event.statement.header.recorded, statement.header.recorded);
    if erasure.reason != ErasureReason::Authority && now.get() < recorded.get().saturating_add(KEPT_S) {
        return value(
            "body.reason",
            format!(
                "{}: {at} was recorded {recorded}, {now} is less than 366 days later, and then only an authority erases",
                erasure.reason.name()
            ),
        );
    }
    Ok(())
}
