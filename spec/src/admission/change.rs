//! What an admitted event changes: new values of records, and nothing else.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Facts, Query};
use crate::body::Body;
use crate::body::charter::{Charter, Role};
use crate::body::issuer::{Close, Open};
use crate::event::Event;
use crate::json::Value;
use crate::key::Vkey;
use crate::state::{
    Closed, Disowned, Effects, InForce, Link, NewestRules, Opened, Record, SealingLink, State, public_key,
};
use crate::statement::Named;
use crate::tree::LeafIndex;
use crate::words::Name;

/// A key that a charter names, and for whom.
#[derive(PartialEq)]
pub(super) struct CharterKey {
    /// For whom, in words; the name of a role is what cosigners are looked up by.
    pub(super) owner: String,
    keyid: Option<String>,
    public: Vec<u8>,
}

impl CharterKey {
    /// What is registered: keyid and public key.
    pub(super) fn registered(&self) -> impl Iterator<Item = String> {
        self.keyid.clone().into_iter().chain([public_key(&self.public)])
    }
}

/// All keys of a charter.
pub(super) fn charter_keys(charter: &Charter) -> Vec<CharterKey> {
    let of =
        |owner: String, vkey: &Vkey| CharterKey { owner, keyid: Some(vkey.keyid()), public: vkey.public().to_vec() };
    let mut keys: Vec<CharterKey> = charter.log_keys.iter().map(|key| of("the log".to_owned(), key)).collect();
    for role in Role::ALL {
        let holder = charter.holder(role);
        keys.push(of(role.name().to_owned(), &holder.vkey));
        keys.extend(holder.spare.iter().map(|spare| of(format!("the spare of {}", role.name()), spare)));
    }
    for reader in &charter.readers {
        keys.push(of(format!("the reader {}", reader.name), &reader.sign));
        keys.push(CharterKey {
            owner: format!("sealing for {}", reader.name),
            keyid: None,
            public: reader.seal.clone(),
        });
    }
    keys
}

/// The effects of an event that was judged.
pub(super) fn effects(state: &State, facts: &Facts, event: &Event) -> Effects {
    let index = LeafIndex::new(state.size.get());
    let header = &event.statement.header;
    let mut records = Vec::new();
    match &event.statement.body {
        Body::Charter(charter) => charter_records(state, facts, event, charter, index, &mut records),
        Body::Open(open) => open_records(state, facts, event, open, index, &mut records),
        Body::Close(close) => close_records(state, facts, close, index, &mut records),
        Body::Update(update) => {
            records.push(Record::Stream((update.package_id.clone(), update.channel.clone()), update.release_seq));
        }
        Body::Rules(rules) => records.push(Record::Rules(NewestRules {
            id: event.id,
            index,
            version: rules.version,
            effective: rules.effective.clone(),
        })),
        Body::Heartbeat { .. }
        | Body::Build(_)
        | Body::Rebuild(_)
        | Body::Review(_)
        | Body::Revoke(_)
        | Body::Incident(_)
        | Body::SealingKey(_)
        | Body::Access
        | Body::Erasure(_)
        | Body::Verdict(_)
        | Body::Correction(_) => {}
    }
    let mut chain = state.chain(&header.issuer, header.epoch);
    chain.newest = Some(index);
    if let Some(seq) = header.seq {
        chain.last = Some(Link { seq, event_id: event.id, recorded: header.recorded, index });
    }
    if let (Body::SealingKey(_), Some(seq)) = (&event.statement.body, header.seq) {
        chain.sealing = Some(SealingLink { seq, recorded: header.recorded, index });
    }
    if let Body::Heartbeat { to } = event.statement.body {
        chain.to = Some(to);
    }
    records.push(Record::Chain((header.issuer.clone(), header.epoch), chain));
    Effects { records }
}

/// Where disowning begins: after the event that is named.
fn after(facts: &Facts, issuer: &Name, epoch: u32, named: Option<&Named>, by: LeafIndex) -> Option<Disowned> {
    let logged = facts.get(&Query::At(issuer.clone(), epoch, named?.seq))?;
    Some(Disowned { after: logged.index, by })
}

fn register(keys: &[CharterKey], records: &mut Vec<Record>) {
    for key in keys {
        records.extend(key.registered().map(|registered| Record::Key(registered, key.owner.clone())));
    }
}

/// The body of an event that was read before.
pub(super) fn body_value(event: &Event) -> Value {
    event.payload_value().get("predicate").and_then(|predicate| predicate.get("body")).cloned().unwrap_or(Value::Null)
}

fn charter_records(
    state: &State,
    facts: &Facts,
    event: &Event,
    charter: &Charter,
    index: LeafIndex,
    records: &mut Vec<Record>,
) {
    for role in Role::ALL {
        let Some(name) = Name::new(role.name()) else { continue };
        let new = charter.holder(role);
        let old = state.charter.as_ref().map(|in_force| in_force.charter.holder(role));
        if old.is_some_and(|old| old.vkey == new.vkey) {
            continue;
        }
        if let Some(old) = old
            && let Some(mut opened) = state.opened(&name, old.epoch).cloned()
        {
            opened.closed = Some(Closed { at: index, reason: None, last: new.previous.clone() });
            opened.disowned = after(facts, &name, old.epoch, new.previous.as_ref(), index);
            records.push(Record::Opened((name.clone(), old.epoch), Box::new(opened)));
        }
        records.push(Record::Opened((name, new.epoch), Box::new(Opened::of_role(new.vkey.clone(), index))));
    }
    register(&charter_keys(charter), records);
    let (before, body) = (state.charter.as_ref(), body_value(event));
    records.push(Record::Charter(Box::new(InForce::new(event.id, index, before, charter.clone(), &body))));
}

fn open_records(state: &State, facts: &Facts, event: &Event, open: &Open, index: LeafIndex, records: &mut Vec<Record>) {
    let header = &event.statement.header;
    let name = &header.issuer;
    if let Some((epoch, before)) = state.epoch(name) {
        let mut before = before.clone();
        before.closed.get_or_insert(Closed { at: index, reason: None, last: open.previous.clone() });
        before.disowned = before.disowned.or_else(|| after(facts, name, epoch, open.previous.as_ref(), index));
        records.push(Record::Opened((name.clone(), epoch), Box::new(before)));
    }
    let owner = name.as_str().to_owned();
    register(&[CharterKey { owner, keyid: Some(open.vkey.keyid()), public: open.vkey.public().to_vec() }], records);
    let opened = Opened::of_open(open.clone(), &body_value(event), index);
    records.push(Record::Opened((name.clone(), header.epoch), Box::new(opened)));
}

fn close_records(state: &State, facts: &Facts, close: &Close, index: LeafIndex, records: &mut Vec<Record>) {
    let Some(mut opened) = state.opened(&close.issuer, close.epoch).cloned() else { return };
    opened.closed = Some(Closed { at: index, reason: Some(close.reason), last: Some(close.last.clone()) });
    opened.disowned = after(facts, &close.issuer, close.epoch, Some(&close.last), index);
    records.push(Record::Opened((close.issuer.clone(), close.epoch), Box::new(opened)));
}
