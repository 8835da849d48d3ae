//! A leaf of a type that this version does not take: what a reader can judge of it all the same (80-admission.md, A-40).
//!
//! That its issuer's key signed it and where it stands in the chain. Not here: what it says, and what else it may change, which
//! only a later version knows; whoever passes one has to say so.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Draft, read_leaf};
use crate::checkpoint::Origin;
use crate::envelope::{EventId, pae};
use crate::json::{UINT_MAX, Value};
use crate::refusal::Refusal;
use crate::state::{Effects, Link, Record, State};
use crate::statement;
use crate::tree::LeafIndex;
use crate::words::{Members, Name, Read, Time};

/// What is known of an event of a later type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its identity.
    pub id: EventId,
    /// Its `predicateType`.
    pub kind: String,
    /// Who says it.
    pub issuer: Name,
    /// The issuer's epoch.
    pub epoch: u32,
    /// Position and the event before it, when it is chained.
    pub place: Option<(u64, EventId)>,
    /// When the issuer says it was recorded.
    pub recorded: Time,
}

/// Passes a leaf of a later type: its issuer is open, its key signed, and the chain goes on with it.
///
/// # Errors
/// This version takes the type, so that [`super::fold`] judges it; or one of the three does not hold.
pub fn pass(state: &mut State, leaf: &[u8], origin: &Origin) -> Read<Passed> {
    let Draft { id, envelope, payload, .. } = read_leaf(leaf, origin)?;
    match statement::kind_of(&payload) {
        Ok(kind) if kind.is_taken() => {
            return Err(Refusal::TypeNotAllowed(format!("{kind} is a type of this version, and is judged as one")));
        }
        Ok(_) | Err(Refusal::TypeUnknown(_)) => {}
        Err(refusal) => return Err(refusal),
    }
    let kind = payload.get("predicateType").and_then(Value::as_text).unwrap_or_default().to_owned();
    let nothing = Value::Null;
    let header = payload.get("predicate").and_then(|predicate| predicate.get("hdr")).unwrap_or(&nothing);
    let mut members = Members::of("predicate.hdr", header)?;
    let issuer = members.name("issuer")?;
    let epoch = u32::try_from(members.int("epoch", 1, u64::from(u32::MAX))?).unwrap_or(u32::MAX);
    let recorded = members.time("recorded")?;
    let place = if members.has("seq") {
        Some((members.int("seq", 1, UINT_MAX)?, EventId(members.sha256("prev")?)))
    } else {
        None
    };
    let Some((current, opened)) = state.epoch(&issuer) else {
        return Err(Refusal::IssuerUnknown(format!("{issuer} was never opened in this log")));
    };
    if epoch != current {
        let issuer = issuer.as_str().to_owned();
        return Err(Refusal::Epoch { issuer, got: u64::from(epoch), want: u64::from(current) });
    }
    if opened.closed.is_some() {
        return Err(Refusal::IssuerClosed(format!("{issuer} was closed")));
    }
    let (keyid, message) = (opened.vkey.keyid(), pae(&envelope.payload));
    if !envelope.signatures.iter().any(|one| one.keyid == keyid && opened.vkey.verify(&message, &one.sig)) {
        return Err(Refusal::Signature { keyid });
    }
    let index = LeafIndex::new(state.size.get());
    let mut chain = state.chain(&issuer, epoch);
    chain.newest = Some(index);
    if let Some((seq, prev)) = place {
        let want = chain.last.map_or((1, EventId::ZERO), |last| (last.seq + 1, last.event_id));
        if (seq, prev) != want {
            return Err(Refusal::Position { got: (seq, prev.0), want: (want.0, want.1.0) });
        }
        chain.last = Some(Link { seq, event_id: id, recorded, index });
    }
    state.apply(&Effects { records: Vec::from([Record::Chain((issuer.clone(), epoch), chain)]) });
    Ok(Passed { id, kind, issuer, epoch, place, recorded })
}
