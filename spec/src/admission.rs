//! Admission: whether a log takes an event, and what that changes (80-admission.md, A; leaf-format.md 9).
//!
//! Pure: the shell fetches the facts that `plan` names and applies the effects that `judge` gives. Folding it over the leaves
//! from entry 0 yields the server's state. Outside the fold: whether an event is from the future, whether attachments are here, whether a sealed record fits.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::body::Body;
use crate::body::charter::Role;
use crate::body::issuer::Chained;
use crate::checkpoint::Origin;
use crate::envelope::{Envelope, EventId, Submission, pae};
use crate::event::{self, Event, Statement};
use crate::hash::Hash;
use crate::json::Value;
use crate::key::Vkey;
use crate::refusal::Refusal;
use crate::state::{Effects, State};
use crate::statement::{self, Kind, Rel};
use crate::tree::LeafIndex;
use crate::words::{Name, Read, Time};

mod change;
mod later;
mod refs;
mod rules;
mod sealed;
mod signers;
mod statements;

pub use later::{Passed, pass};

/// An event whose envelope, spelling and origin are right; its members are not read yet.
#[derive(Clone, Debug)]
pub struct Draft {
    id: EventId,
    envelope: Envelope,
    payload: Value,
    record: Record,
}

/// The sealed record beside an event.
#[derive(Clone, Debug)]
enum Record {
    /// A leaf or a file: records are elsewhere.
    Elsewhere,
    /// A submission without one.
    Missing,
    /// A submission with one.
    Here(Vec<u8>),
    /// It was here and was taken.
    Taken,
}

impl Draft {
    /// The identity of the event.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Takes the sealed record that was submitted, to be kept beside the leaf; `None` when none was.
    pub fn take_record(&mut self) -> Option<Vec<u8>> {
        match core::mem::replace(&mut self.record, Record::Taken) {
            Record::Here(record) => Some(record),
            other => {
                self.record = other;
                None
            }
        }
    }

    /// Type, sizes, member tables; on the state depend whether the log takes the type and whether it is chained.
    pub fn parse(self, state: &State) -> Read<Event> {
        let kind = statement::kind_of(&self.payload)?;
        rules::check_taken(state, kind)?;
        let statement = Statement::read(&self.payload, self.envelope.payload.len())?;
        match (&self.record, kind.is_sealed()) {
            (Record::Here(_) | Record::Taken, false) => {
                return Err(Refusal::Malformed(format!(
                    "a sealed record came with an event of type {kind}, which is not sealed"
                )));
            }
            (Record::Missing, true) => {
                return Err(Refusal::Malformed(format!(
                    "no sealed record came with an event of type {kind}, which is sealed"
                )));
            }
            _ => {}
        }
        rules::check_chained(state, &statement)?;
        Ok(Event { id: self.id, envelope: self.envelope, statement })
    }
}

fn draft(envelope: Envelope, record: Record, origin: &Origin) -> Read<Draft> {
    let payload = event::parse_payload(&envelope.payload)?;
    statement::check_origin(&payload, origin)?;
    Ok(Draft { id: envelope.id(), envelope, payload, record })
}

fn submitted(submission: Submission, origin: &Origin) -> Read<Draft> {
    draft(submission.envelope, submission.sealed.map_or(Record::Missing, Record::Here), origin)
}

/// Reads a submission: envelope, strict JSON and JCS, origin.
pub fn read(submission: &[u8], origin: &Origin) -> Read<Draft> {
    submitted(Submission::parse(submission, 1)?, origin)
}

/// Reads a submission that need not be signed, for [`judge_unsigned`].
pub fn read_unsigned(submission: &[u8], origin: &Origin) -> Read<Draft> {
    submitted(Submission::parse(submission, 0)?, origin)
}

/// Reads an envelope that stands alone, such as the file of a charter.
pub fn read_envelope(envelope: &[u8], origin: &Origin) -> Read<Draft> {
    draft(Envelope::parse(envelope, 1)?, Record::Elsewhere, origin)
}

/// Reads the bytes of a leaf.
pub fn read_leaf(leaf: &[u8], origin: &Origin) -> Read<Draft> {
    draft(Envelope::parse_leaf(leaf)?, Record::Elsewhere, origin)
}

/// Reads a leaf that was admitted before.
pub fn reread(leaf: &[u8], origin: &Origin) -> Read<Event> {
    let event = Event::read_leaf(leaf)?;
    if event.statement.header.origin == origin.as_str() {
        Ok(event)
    } else {
        Err(Refusal::Origin { got: event.statement.header.origin, want: origin.as_str().to_string() })
    }
}

/// The origin that a leaf names; for whoever has nothing but a log's entry 0.
pub fn origin_of(leaf: &[u8]) -> Read<Origin> {
    let event = Event::read_leaf(leaf)?;
    Origin::new(&event.statement.header.origin).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// A fact that an event needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    /// The event with this id.
    Id(EventId),
    /// The event at this position of this chain.
    At(Name, u32, u64),
    /// An attachment with this digest.
    Attachment(Hash),
}

/// A logged event, or one admitted on its way into the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its entry.
    pub index: LeafIndex,
    /// The event.
    pub event: Arc<Event>,
}

/// Answers to queries. What is not here was not found.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    events: BTreeMap<Query, Logged>,
    attachments: BTreeMap<Hash, u64>,
    record: Option<(Hash, u64)>,
}

impl Facts {
    /// Adds the answer to a query for an event; none is none.
    pub fn insert(&mut self, query: Query, logged: impl Into<Option<Logged>>) {
        if let Some(logged) = logged.into() {
            self.events.insert(query, logged);
        }
    }

    /// Adds an attachment that is here, with its size in bytes.
    pub fn insert_attachment(&mut self, sha256: Hash, size: u64) {
        self.attachments.insert(sha256, size);
    }

    /// Adds the sealed record that came with the event: its digest and size.
    pub fn insert_record(&mut self, record: &[u8]) {
        self.record = Some((Hash::of(record), record.len() as u64));
    }

    /// The event that answers a query.
    pub fn get(&self, query: &Query) -> Option<&Logged> {
        self.events.get(query)
    }

    /// The size of an attachment that is here.
    pub fn attachment(&self, sha256: &Hash) -> Option<u64> {
        self.attachments.get(sha256).copied()
    }
}

/// The facts that an event needs: its own id and position, what it refers to, its attachments.
pub fn plan(event: &Event) -> Vec<Query> {
    let header = &event.statement.header;
    let mut queries = Vec::from([Query::Id(event.id)]);
    queries.extend(header.place().map(|place| Query::At(place.issuer, place.epoch, place.seq)));
    for found in header.refs.iter().filter(|found| found.origin.is_none()) {
        queries.push(Query::Id(found.event_id));
        queries.extend(found.at.as_ref().map(|at| Query::At(at.issuer.clone(), at.epoch, at.seq)));
    }
    match &event.statement.body {
        Body::Open(open) => queries.extend(
            open.previous
                .as_ref()
                .map(|named| Query::At(header.issuer.clone(), header.epoch.saturating_sub(1), named.seq)),
        ),
        Body::Close(close) => queries.push(Query::At(close.issuer.clone(), close.epoch, close.last.seq)),
        Body::Charter(charter) => {
            for role in Role::ALL {
                let holder = charter.holder(role);
                let previous = holder.previous.as_ref().zip(Name::new(role.name()));
                queries
                    .extend(previous.map(|(named, name)| Query::At(name, holder.epoch.saturating_sub(1), named.seq)));
            }
        }
        Body::Erasure(erasure) => {
            queries.extend(erasure.targets().iter().map(|t| Query::At(t.at.issuer.clone(), t.at.epoch, t.at.seq)))
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
        | Body::Verdict(_)
        | Body::Rules(_)
        | Body::Correction(_) => {}
    }
    queries.extend(event.statement.attachments.iter().map(|found| Query::Attachment(found.sha256)));
    queries
}

/// The entry that this event already is, before any rule of its own.
pub fn duplicate(facts: &Facts, event: &Event) -> Option<LeafIndex> {
    let by_id = facts.get(&Query::Id(event.id));
    let by_place = event.statement.header.place().and_then(|p| facts.get(&Query::At(p.issuer, p.epoch, p.seq)));
    by_id.or(by_place).filter(|logged| logged.event.id == event.id).map(|logged| logged.index)
}

/// Issuer, epoch, rights and signer set: the keys whose signatures count, in the order of the signatures.
pub fn authority(state: &State, event: &Event) -> Read<Vec<Vkey>> {
    let standing = rules::standing(state, &event.statement)?;
    signers::keys(state, event, &standing, true)
}

/// The arithmetic: every signature verifies over the PAE with the key at its place in `keys`.
pub fn check_signatures(event: &Event, keys: &[Vkey]) -> Read<()> {
    let message = pae(&event.envelope.payload);
    if keys.len() != event.envelope.signatures.len() {
        return Err(Refusal::SignerSet(format!(
            "{} signatures, {} keys are known for them",
            event.envelope.signatures.len(),
            keys.len()
        )));
    }
    for (signature, key) in event.envelope.signatures.iter().zip(keys) {
        if signature.keyid != key.keyid() || !key.verify(&message, &signature.sig) {
            return Err(Refusal::Signature { keyid: signature.keyid.clone() });
        }
    }
    Ok(())
}

/// Decides about an event that is no duplicate and whose signatures verify.
///
/// `arrival` is the server's clock when the event arrives; in the fold there is none, and neither the future nor
/// attachments and sealed records are looked at.
pub fn judge(state: &State, facts: &Facts, event: &Event, arrival: Option<Time>) -> Read<Effects> {
    decide(state, facts, event, arrival, true)
}

/// As [`judge`], for an event without signatures: who must sign is not looked at, who may is.
pub fn judge_unsigned(state: &State, facts: &Facts, event: &Event, arrival: Option<Time>) -> Read<Effects> {
    decide(state, facts, event, arrival, false)
}

fn decide(state: &State, facts: &Facts, event: &Event, arrival: Option<Time>, signed: bool) -> Read<Effects> {
    let statement = &event.statement;
    rules::check_taken(state, statement.kind)?;
    rules::check_chained(state, statement)?;
    let standing = rules::standing(state, statement)?;
    signers::keys(state, event, &standing, signed)?;
    signers::check_disowning(state, facts, event)?;
    rules::check_position(state, statement)?;
    // From here on in the order of leaf-format.md 3 and 4: attachments, header, references, body.
    if arrival.is_some() {
        rules::check_attachments(facts, statement)?;
    }
    rules::check_header(state, statement, arrival)?;
    refs::check(facts, statement)?;
    rules::check_body(state, facts, event)?;
    if arrival.is_some() {
        sealed::check_record(facts, statement)?;
    }
    crate::body::check_named(&statement.body, &statement.attachments)?;
    Ok(change::effects(state, facts, event))
}

/// One step of the fold: what an audit, the rebuild of an index and the tests run over the leaves from entry 0.
///
/// `look` answers the queries of [`plan`] from the entries before this one.
pub fn fold(
    state: &mut State,
    leaf: &[u8],
    origin: &Origin,
    mut look: impl FnMut(&Query) -> Option<Logged>,
) -> Read<Arc<Event>> {
    let event = read_leaf(leaf, origin)?.parse(state)?;
    let mut facts = Facts::default();
    for query in plan(&event) {
        let logged = look(&query);
        facts.insert(query, logged);
    }
    if let Some(index) = duplicate(&facts, &event) {
        return Err(Refusal::Malformed(format!("the event {} is entry {index} already", event.id)));
    }
    let keys = authority(state, &event)?;
    check_signatures(&event, &keys)?;
    let effects = judge(state, &facts, &event, None)?;
    state.apply(&effects);
    Ok(Arc::new(event))
}

/// The chain mode of a type for an issuer that may log it.
fn chained(kind: Kind, mode: Option<Chained>) -> bool {
    !kind.is_free() || mode == Some(Chained::Strict)
}

/// The event that one reference of a relation names.
fn referred<'a>(facts: &'a Facts, statement: &'a Statement, rel: Rel) -> impl Iterator<Item = &'a Logged> {
    statement.header.refs_of(rel).filter_map(|found| facts.get(&Query::Id(found.event_id)))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
