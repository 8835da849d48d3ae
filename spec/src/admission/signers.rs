//! Who must sign an event, and who may (leaf-format.md 2 and 3).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::rules::Standing;
use super::{Facts, Query};
use crate::body::Body;
use crate::body::charter::{Charter, Role};
use crate::body::issuer::Reason;
use crate::event::Event;
use crate::key::Vkey;
use crate::refusal::Refusal;
use crate::state::{Opened, State};
use crate::statement::Named;
use crate::tree::LeafIndex;
use crate::words::{Name, Read};

/// The keys of the signatures, in their order; refuses another set than the issuer's key and the cosigners'.
pub(super) fn keys(state: &State, event: &Event, standing: &Standing<'_>, signed: bool) -> Read<Vec<Vkey>> {
    let header = &event.statement.header;
    let own = own_key(state, event, standing)?;
    let own_id = own.keyid();
    let mut keys = Vec::with_capacity(1 + header.cosigners.len());
    for keyid in &header.cosigners {
        if *keyid == own_id {
            return Err(Refusal::SignerSet(format!("{keyid} is the issuer's own key and no cosigner")));
        }
        match cosigner(state, event, standing, keyid) {
            Some(key) => keys.push(key.clone()),
            None => {
                return Err(Refusal::SignerSet(format!(
                    "{keyid} is no current key of an open issuer, nor one of this event"
                )));
            }
        }
    }
    keys.push(own.clone());
    keys.sort_by_cached_key(Vkey::keyid);
    check_least(state, event, standing, &keys)?;
    if signed {
        let want: Vec<String> = keys.iter().map(Vkey::keyid).collect();
        let got: Vec<&str> = event.envelope.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
        if want != got {
            return Err(Refusal::SignerSet(format!("signed by {}, it must be {}", got.join(", "), want.join(", "))));
        }
    }
    Ok(keys)
}

/// The key that the issuer signs with.
fn own_key<'a>(state: &'a State, event: &'a Event, standing: &Standing<'a>) -> Read<&'a Vkey> {
    match (&event.statement.body, standing) {
        (Body::Charter(charter), Standing::First) => Ok(&charter.operator.vkey),
        (Body::Charter(_), _) => {
            // The spare of the version before stands in for a lost key.
            let before = state.charter.as_ref().map(|in_force| &in_force.charter.operator);
            let signs = |key: &Vkey| event.envelope.signatures.iter().any(|signature| signature.keyid == key.keyid());
            match before {
                Some(holder) => Ok(holder
                    .spare
                    .as_ref()
                    .filter(|spare| signs(spare) && !signs(&holder.vkey))
                    .unwrap_or(&holder.vkey)),
                None => Err(Refusal::SignerSet("no charter is in force".into())),
            }
        }
        (Body::Open(open), _) => Ok(&open.vkey),
        (_, Standing::Open(opened)) => Ok(&opened.vkey),
        (_, Standing::First | Standing::Opening(_)) => Err(Refusal::SignerSet("the issuer has no key here".into())),
    }
}

/// The key of a cosigner: a current one, or one that this very event registers or replaces.
fn cosigner<'a>(state: &'a State, event: &'a Event, standing: &Standing<'a>, keyid: &str) -> Option<&'a Vkey> {
    let is = |key: &&Vkey| key.keyid() == keyid;
    if let Some(key) = state.current_key(keyid) {
        return Some(key);
    }
    match (&event.statement.body, standing) {
        (Body::Charter(charter), _) => {
            let before = state.charter.as_ref().map(|in_force| &*in_force.charter);
            // The operator's spare signs as the issuer or not at all; see `own_key`.
            let spare = before.and_then(|before| before.supervisor.spare.as_ref());
            Role::ALL.into_iter().map(|role| &charter.holder(role).vkey).chain(spare).find(is)
        }
        (Body::Open(_), Standing::Opening(Some(before))) if !was_compromised(before) => Some(&before.vkey).filter(is),
        _ => None,
    }
}

fn was_compromised(opened: &Opened) -> bool {
    opened.closed.as_ref().and_then(|closed| closed.reason) == Some(Reason::Compromised)
}

/// The least set of signers that the type asks for, and the charter's `cosign`.
fn check_least(state: &State, event: &Event, standing: &Standing<'_>, keys: &[Vkey]) -> Read<()> {
    let statement = &event.statement;
    let signs = |key: &Vkey| keys.contains(key);
    let role_signs = |role: Role| state.role_key(role).is_some_and(signs);
    let missing = |who: &str| Err(Refusal::SignerSet(format!("{} needs the signature of {who}", statement.kind)));
    match (&statement.body, standing) {
        (Body::Charter(charter), _) => check_charter_signers(state, charter, signs)?,
        (Body::Open(open), Standing::Opening(before)) => {
            if !role_signs(Role::Operator) {
                return missing("the operator");
            }
            if let Some(before) = before
                && before.vkey != open.vkey
                && !signs(&before.vkey)
                && !role_signs(Role::Supervisor)
            {
                return missing("the old key or of the supervisor");
            }
        }
        (Body::Erasure(_) | Body::Rules(_), _) if !role_signs(Role::Supervisor) => return missing("the supervisor"),
        _ => {}
    }
    if let Some(in_force) = &state.charter {
        for role in in_force.charter.cosign.get(&statement.kind).into_iter().flatten() {
            if !role_signs(*role) {
                return missing(&format!("the {}, as the charter in force says", role.name()));
            }
        }
    }
    Ok(())
}

fn check_charter_signers(state: &State, charter: &Charter, signs: impl Fn(&Vkey) -> bool) -> Read<()> {
    let missing = |who: &str| Err(Refusal::SignerSet(format!("charter needs the signature of {who}")));
    let Some(in_force) = &state.charter else {
        return if signs(&charter.supervisor.vkey) { Ok(()) } else { missing("the supervisor") };
    };
    let before = &in_force.charter.supervisor;
    if !signs(&before.vkey) && !before.spare.as_ref().is_some_and(&signs) {
        return missing("the supervisor of the version before");
    }
    for role in Role::ALL {
        let new = charter.holder(role);
        if new.vkey != in_force.charter.holder(role).vkey && !signs(&new.vkey) {
            return missing(&format!("the new key of the {}", role.name()));
        }
    }
    Ok(())
}

/// Who disowns entries needs the supervisor too; else accesses could be talked away.
pub(super) fn check_disowning(state: &State, facts: &Facts, event: &Event) -> Read<()> {
    let header = &event.statement.header;
    let (issuer, epoch, named): (&Name, u32, &Named) = match &event.statement.body {
        Body::Open(open) => match &open.previous {
            Some(named) => (&header.issuer, header.epoch.saturating_sub(1), named),
            None => return Ok(()),
        },
        Body::Close(close) => (&close.issuer, close.epoch, &close.last),
        _ => return Ok(()),
    };
    let Some(logged) = facts.get(&Query::At(issuer.clone(), epoch, named.seq)) else { return Ok(()) };
    let newest = state.chain(issuer, epoch).newest.unwrap_or(LeafIndex::new(0));
    let supervisor = state.role_key(Role::Supervisor).map(Vkey::keyid);
    if newest > logged.index && !supervisor.is_some_and(|keyid| header.cosigners.contains(&keyid)) {
        return Err(Refusal::SignerSet(format!(
            "entry {newest} of {issuer}, epoch {epoch}, comes after entry {}; disowning it needs the supervisor's signature",
            logged.index
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
