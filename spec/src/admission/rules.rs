//! The rules of one event by itself and against the state (leaf-format.md 3, 4 and 9).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Facts, Query, chained, sealed, statements};
use crate::body::Body;
use crate::body::charter::{Charter, Role};
use crate::body::files::{Audience, Build, Rebuild, Update};
use crate::body::issuer::{Close, Independence, Open, Reason};
use crate::envelope::EventId;
use crate::event::{Event, Statement};
use crate::hash::Hash;
use crate::key::Vkey;
use crate::limits::RECORDED_AHEAD_S;
use crate::refusal::Refusal;
use crate::state::{Opened, State};
use crate::statement::{Kind, Named, Rel};
use crate::words::{Name, Read, Time, value};

/// Refuses a type that this log does not take; before a charter is logged that is every other type.
pub(super) fn check_taken(state: &State, kind: Kind) -> Read<()> {
    if !kind.is_taken() {
        return Err(crate::body::later(kind));
    }
    match &state.charter {
        None if kind == Kind::Charter => Ok(()),
        None => {
            Err(Refusal::TypeUnknown(format!("{kind}: entry 0 of a log is a charter, nothing is logged before it")))
        }
        Some(in_force) if in_force.charter.takes(kind) => Ok(()),
        Some(_) => Err(Refusal::TypeUnknown(format!("{kind} is not among the types that the charter in force takes"))),
    }
}

/// Refuses `seq` and `prev` outside a chain, and `nonce` in one.
pub(super) fn check_chained(state: &State, statement: &Statement) -> Read<()> {
    let header = &statement.header;
    // Of the epoch that the event names: another one than the current is refused later, and so is a type it may not log.
    let mode =
        state.opened(&header.issuer, header.epoch).and_then(|opened| state.may(&header.issuer, opened, statement.kind));
    if mode.is_none() && statement.kind.is_free() {
        return Ok(());
    }
    let kind = statement.kind;
    match (chained(kind, mode), header.seq.is_some()) {
        (true, false) => Err(Refusal::Malformed(format!(
            "hdr: {kind} of {} is chained: seq and prev belong there, nonce does not",
            header.issuer
        ))),
        (false, true) => Err(Refusal::Malformed(format!(
            "hdr: {kind} of {} is in no chain: nonce belongs there, seq and prev do not",
            header.issuer
        ))),
        _ => Ok(()),
    }
}

/// What an issuer is when it logs an event.
pub(super) enum Standing<'a> {
    /// The first charter: nobody is there yet.
    First,
    /// An open issuer, the operator of a later charter included.
    Open(&'a Opened),
    /// An issuer that opens itself, and its epoch before.
    Opening(Option<&'a Opened>),
}

/// Issuer, epoch and rights, in this order.
pub(super) fn standing<'a>(state: &'a State, statement: &Statement) -> Read<Standing<'a>> {
    let header = &statement.header;
    let wrong_epoch = |want: u32| {
        Err(Refusal::Epoch {
            issuer: header.issuer.as_str().to_owned(),
            got: u64::from(header.epoch),
            want: u64::from(want),
        })
    };
    let not_allowed = || Err(Refusal::TypeNotAllowed(format!("{} may not log {}", header.issuer, statement.kind)));
    let role = Role::of(header.issuer.as_str());
    if statement.kind == Kind::IssuerOpen {
        if role.is_some() {
            return not_allowed();
        }
        let before = state.epoch(&header.issuer);
        let want = before.map_or(1, |(epoch, _)| epoch.saturating_add(1));
        return if header.epoch == want {
            Ok(Standing::Opening(before.map(|(_, opened)| opened)))
        } else {
            wrong_epoch(want)
        };
    }
    if state.charter.is_none() {
        if role != Some(Role::Operator) {
            return not_allowed();
        }
        return if header.epoch == 1 { Ok(Standing::First) } else { wrong_epoch(1) };
    }
    let Some((epoch, opened)) = state.epoch(&header.issuer) else {
        return Err(Refusal::IssuerUnknown(format!("{} was never opened in this log", header.issuer)));
    };
    if let Some(closed) = &opened.closed {
        return Err(Refusal::IssuerClosed(format!("{} was closed by entry {}", header.issuer, closed.at)));
    }
    if header.epoch != epoch {
        return wrong_epoch(epoch);
    }
    match state.may(&header.issuer, opened, statement.kind) {
        Some(_) => Ok(Standing::Open(opened)),
        None => not_allowed(),
    }
}

/// The chain goes on without a hole.
pub(super) fn check_position(state: &State, statement: &Statement) -> Read<()> {
    let header = &statement.header;
    let (Some(seq), Some(prev)) = (header.seq, header.prev) else { return Ok(()) };
    let last = match statement.kind {
        Kind::IssuerOpen => None,
        _ => state.chain(&header.issuer, header.epoch).last,
    };
    let want = last.map_or((1, EventId::ZERO), |last| (last.seq + 1, last.event_id));
    if (seq, prev) == want { Ok(()) } else { Err(Refusal::Position { got: (seq, prev.0), want: (want.0, want.1.0) }) }
}

/// `recorded` and `site`.
pub(super) fn check_header(state: &State, statement: &Statement, arrival: Option<Time>) -> Read<()> {
    let header = &statement.header;
    if let Some(now) = arrival
        && header.recorded.get() > now.get().saturating_add(RECORDED_AHEAD_S)
    {
        return Err(Refusal::TooEarly { recorded: header.recorded.get(), now: now.get() });
    }
    if header.seq.is_some()
        && statement.kind != Kind::IssuerOpen
        && let Some(last) = state.chain(&header.issuer, header.epoch).last
        && header.recorded < last.recorded.hour()
    {
        return Err(Refusal::ClockOrder(format!(
            "recorded is {}, the event before it in the chain was recorded in the hour from {} on",
            header.recorded,
            last.recorded.hour()
        )));
    }
    let sites = match &statement.body {
        Body::Open(open) => open.sites.as_slice(),
        _ => {
            state.epoch(&header.issuer).and_then(|(_, opened)| opened.open.as_ref()).map_or(&[][..], |open| &open.sites)
        }
    };
    match &header.site {
        None if sites.is_empty() => Ok(()),
        None => Err(Refusal::Site(format!("hdr.site is missing, the opening lists {}", sites.join(", ")))),
        Some(site) if sites.contains(site) => Ok(()),
        Some(site) if sites.is_empty() => Err(Refusal::Site(format!("hdr.site is {site}, the opening lists none"))),
        Some(site) => Err(Refusal::Site(format!("hdr.site is {site}, the opening lists {}", sites.join(", ")))),
    }
}

/// The rules of section 4 that need more than the table of the type.
pub(super) fn check_body(state: &State, facts: &Facts, event: &Event) -> Read<()> {
    let statement = &event.statement;
    match &statement.body {
        Body::Charter(charter) => check_charter(state, facts, statement, charter),
        Body::Open(open) => check_open(state, facts, statement, open),
        Body::Close(close) => check_close(state, facts, statement, close),
        Body::Heartbeat { to } => check_heartbeat(state, statement, *to),
        Body::Build(build) => check_build(state, statement, build),
        Body::Rebuild(rebuild) => check_rebuild(state, statement, rebuild),
        Body::Review(review) => {
            one_subject(statement)?;
            review.check()
        }
        Body::Update(update) => check_update(state, statement, update),
        Body::Revoke(_) => check_revoke(state, facts, statement),
        Body::Incident(_) => one_subject(statement),
        Body::SealingKey(key) => sealed::check_sealing_key(state, statement, key),
        Body::Access => sealed::check_access(state, statement),
        Body::Erasure(erasure) => sealed::check_erasure(facts, statement, erasure),
        Body::Verdict(verdict) => statements::check_verdict(facts, statement, verdict),
        Body::Rules(rules) => statements::check_rules(state, event, rules),
        Body::Correction(correction) => statements::check_correction(facts, statement, correction),
    }
}

/// Every attachment was put here before, with that digest and size.
pub(super) fn check_attachments(facts: &Facts, statement: &Statement) -> Read<()> {
    for attachment in &statement.attachments {
        match facts.attachment(&attachment.sha256) {
            Some(size) if size == attachment.size => {}
            Some(size) => {
                return Err(Refusal::AttachmentMissing(format!(
                    "the attachment {} has {size} bytes, the event says {}",
                    attachment.sha256.hex(),
                    attachment.size
                )));
            }
            None => {
                return Err(Refusal::AttachmentMissing(format!(
                    "the attachment {} was not put into this log",
                    attachment.sha256.hex()
                )));
            }
        }
    }
    Ok(())
}

pub(super) fn one_subject(statement: &Statement) -> Read<()> {
    match statement.subject.len() {
        1 => Ok(()),
        count => Err(Refusal::Subject(format!("{count} elements, {} has one", statement.kind))),
    }
}

pub(super) fn subject_is(statement: &Statement, want: Hash, what: &str) -> Read<()> {
    one_subject(statement)?;
    let got = statement.subject.first().and_then(|element| element.digest.sha256);
    if got == Some(want) {
        Ok(())
    } else {
        Err(Refusal::Subject(format!(
            "the subject is {}, {what} {}",
            got.map_or_else(|| "no sha256".to_owned(), |h| h.hex()),
            want.hex()
        )))
    }
}

/// A charter may be the first, or the successor of the one in force.
fn check_charter(state: &State, facts: &Facts, statement: &Statement, charter: &Charter) -> Read<()> {
    if charter.origin != statement.header.origin {
        return Err(Refusal::Origin { got: charter.origin.clone(), want: statement.header.origin.clone() });
    }
    subject_is(statement, Hash::of(charter.origin.as_bytes()), "the SHA-256 of the origin is")?;
    let Some(in_force) = &state.charter else {
        if charter.version != 1 {
            return Err(Refusal::CharterVersion(format!("version {}, entry 0 is version 1", charter.version)));
        }
        for role in Role::ALL {
            let holder = charter.holder(role);
            check_role_epoch(role, holder.epoch, 1)?;
            if holder.previous.is_some() {
                let role = role.name();
                return Err(Refusal::Malformed(format!("body.{role}.previous: nothing came before entry 0")));
            }
        }
        return check_new_keys(state, charter);
    };
    let before = &in_force.charter;
    if charter.version != before.version + 1 || charter.prev != Some(in_force.id) {
        return Err(Refusal::CharterVersion(format!(
            "version {} after {}, the charter in force is version {}, {}",
            charter.version,
            charter.prev.map_or_else(|| "none".to_owned(), |prev| prev.hex()),
            before.version,
            in_force.id
        )));
    }
    if charter.log_keys != before.log_keys {
        return value("body.log_keys", "a log's keys are unchanged for ever");
    }
    for role in Role::ALL {
        check_role_change(facts, role, before, charter)?;
    }
    check_new_keys(state, charter)?;
    if charter.raw != before.raw {
        return value("body.raw", "unchanged for ever");
    }
    match before.sites.iter().find(|site| !charter.has_site(&site.code)) {
        Some(dropped) => Err(Refusal::Site(format!("body.sites drops {}; a later charter drops none", dropped.code))),
        None => Ok(()),
    }
}

fn check_role_epoch(role: Role, got: u32, want: u32) -> Read<()> {
    if got == want {
        Ok(())
    } else {
        Err(Refusal::Epoch { issuer: role.name().to_owned(), got: u64::from(got), want: u64::from(want) })
    }
}

fn check_role_change(facts: &Facts, role: Role, before: &Charter, charter: &Charter) -> Read<()> {
    let (old, new) = (before.holder(role), charter.holder(role));
    let changed = old.vkey != new.vkey;
    check_role_epoch(role, new.epoch, if changed { old.epoch + 1 } else { old.epoch })?;
    match &new.previous {
        Some(named) if changed => check_named_event(facts, role.name(), old.epoch, named),
        Some(_) => Err(Refusal::Malformed(format!(
            "body.{}.previous stands where a version changes the key, this one keeps it",
            role.name()
        ))),
        None => Ok(()),
    }
}

/// `previous` and `last` name a chained event of that epoch.
fn check_named_event(facts: &Facts, issuer: &str, epoch: u32, named: &Named) -> Read<()> {
    let logged = Name::new(issuer).and_then(|name| facts.get(&Query::At(name, epoch, named.seq)));
    match logged {
        Some(logged) if logged.event.id == named.event_id => Ok(()),
        Some(logged) => Err(Refusal::Previous(format!(
            "seq {} of {issuer}, epoch {epoch}, is {}, the event says {}",
            named.seq, logged.event.id, named.event_id
        ))),
        None => Err(Refusal::Previous(format!("{issuer}, epoch {epoch}, has no event at seq {}", named.seq))),
    }
}

/// The keys that a charter names: what is new to the log must not be known to it, and stands once.
fn check_new_keys(state: &State, charter: &Charter) -> Read<()> {
    let before =
        state.charter.as_ref().map_or_else(Vec::new, |in_force| super::change::charter_keys(&in_force.charter));
    let mut new: Vec<(String, String)> = Vec::new();
    for found in super::change::charter_keys(charter) {
        if before.contains(&found) {
            continue;
        }
        for registered in found.registered() {
            if let Some(owner) = state.owner(&registered) {
                return Err(Refusal::KeyReused(format!(
                    "the key of {} is registered already, for {owner}",
                    found.owner
                )));
            }
            if let Some((_, owner)) = new.iter().find(|(key, _)| *key == registered) {
                return Err(Refusal::KeyReused(format!("{} and {owner} name one key", found.owner)));
            }
            new.push((registered, found.owner.clone()));
        }
    }
    Ok(())
}

/// An opening: a new key, sites of the charter, streams that nobody else holds.
fn check_open(state: &State, facts: &Facts, statement: &Statement, open: &Open) -> Read<()> {
    let header = &statement.header;
    let charter = state.charter.as_ref().map(|in_force| &*in_force.charter);
    subject_is(statement, Hash::of(open.vkey.public()), "the SHA-256 of the public key is")?;
    let before = state.epoch(&header.issuer);
    check_open_key(state, header.issuer.as_str(), before.map(|(_, opened)| opened), &open.vkey)?;
    if let Some(kind) = open.types.keys().find(|kind| charter.is_none_or(|charter| !charter.takes(**kind))) {
        return value("body.types", format!("{kind} is not among the types that the charter in force takes"));
    }
    if let Some(site) = open.sites.iter().find(|site| charter.is_none_or(|charter| !charter.has_site(site))) {
        return Err(Refusal::Site(format!("body.sites names {site}, the charter in force does not list it")));
    }
    if open.types.keys().any(|kind| kind.is_sealed()) && open.sites.len() > 1 {
        return Err(Refusal::Site(format!("{} sites, an issuer of sealed types has one", open.sites.len())));
    }
    for stream in &open.streams {
        match state.stream_holder(&stream.package_id, &stream.channel) {
            Some(holder) if *holder != header.issuer => {
                return Err(Refusal::Stream(format!(
                    "the stream {} {} is held by {holder}, not by {}",
                    stream.package_id, stream.channel, header.issuer
                )));
            }
            _ => {}
        }
    }
    if let (Some(named), Some((epoch, opened))) = (&open.previous, before) {
        check_named_event(facts, header.issuer.as_str(), epoch, named)?;
        let last = opened.closed.as_ref().and_then(|closed| closed.last.as_ref());
        if let Some(last) = last.filter(|last| *last != named) {
            return Err(Refusal::Previous(format!(
                "previous is seq {}, {}; the closing names seq {}, {}",
                named.seq, named.event_id, last.seq, last.event_id
            )));
        }
    }
    Ok(())
}

fn check_open_key(state: &State, issuer: &str, before: Option<&Opened>, vkey: &Vkey) -> Read<()> {
    let kept = before.filter(|before| before.vkey == *vkey);
    if let Some(before) = kept {
        let compromised = before.closed.as_ref().and_then(|closed| closed.reason) == Some(Reason::Compromised);
        return if compromised {
            Err(Refusal::KeyReused(format!(
                "{} was closed as compromised, the next epoch takes a new key",
                vkey.keyid()
            )))
        } else {
            Ok(())
        };
    }
    match state.owner(&vkey.keyid()).or_else(|| state.owner_of_public(vkey.public())) {
        Some(owner) => Err(Refusal::KeyReused(format!(
            "the key of {issuer}, {}, is registered already, for {owner}",
            vkey.keyid()
        ))),
        None => Ok(()),
    }
}

/// A closing: an open issuer in its current epoch, and an event of it.
fn check_close(state: &State, facts: &Facts, statement: &Statement, close: &Close) -> Read<()> {
    let Some((epoch, opened)) = state.epoch(&close.issuer) else {
        return Err(Refusal::IssuerUnknown(format!("body.issuer: {} was never opened in this log", close.issuer)));
    };
    if let Some(closed) = &opened.closed {
        return Err(Refusal::IssuerClosed(format!("body.issuer: {} was closed by entry {}", close.issuer, closed.at)));
    }
    if close.epoch != epoch {
        return Err(Refusal::Epoch {
            issuer: close.issuer.as_str().to_owned(),
            got: u64::from(close.epoch),
            want: u64::from(epoch),
        });
    }
    subject_is(statement, Hash::of(opened.vkey.public()), "the SHA-256 of the public key is")?;
    check_named_event(facts, close.issuer.as_str(), epoch, &close.last)
}

/// A heartbeat never takes back what an earlier one said, and says nothing of the future.
fn check_heartbeat(state: &State, statement: &Statement, to: Time) -> Read<()> {
    let header = &statement.header;
    subject_is(statement, header.prev.unwrap_or(EventId::ZERO).0, "prev is")?;
    if to > header.recorded {
        return Err(Refusal::ClockOrder(format!("to is {to}, after recorded, {}", header.recorded)));
    }
    if let Some(before) = state.chain(&header.issuer, header.epoch).to
        && to < before
    {
        return Err(Refusal::ClockOrder(format!("to is {to}, the heartbeat before it said {before}")));
    }
    Ok(())
}

fn own_opening<'a>(state: &'a State, statement: &Statement) -> Option<&'a Open> {
    state.epoch(&statement.header.issuer).and_then(|(_, opened)| opened.open.as_deref())
}

/// A build: by a builder of the issuer, not finished in the future, at sites of the charter.
fn check_build(state: &State, statement: &Statement, build: &Build) -> Read<()> {
    if let Some(open) = own_opening(state, statement)
        && !open.builders.contains(&build.builder_id)
    {
        return value(
            "body.builder_id",
            format!("{} is none of the issuer's builders: {}", build.builder_id, open.builders.join(", ")),
        );
    }
    let recorded = statement.header.recorded.get();
    if build.finished.get() > recorded.saturating_add(RECORDED_AHEAD_S) {
        return value("body.finished", format!("{} is more than 60 s after recorded, {recorded}", build.finished));
    }
    for (member, site) in [("build_site", &build.build_site), ("signing_site", &build.signing_site)] {
        if !state.charter.as_ref().is_some_and(|in_force| in_force.charter.has_site(site)) {
            return Err(Refusal::Site(format!("body.{member} is {site}, the charter in force does not list it")));
        }
    }
    Ok(())
}

/// A rebuild: the independence of its issuer, an outcome that the files bear out.
fn check_rebuild(state: &State, statement: &Statement, rebuild: &Rebuild) -> Read<()> {
    rebuild.check(&statement.subject)?;
    let want = match own_opening(state, statement) {
        Some(open) => open.independence,
        None => Some(Independence::Supervisor),
    };
    if want != Some(rebuild.independence) {
        return value(
            "body.independence",
            format!("{}, the opening says {}", rebuild.independence.name(), want.map_or("nothing", Independence::name)),
        );
    }
    if let Some((_, finished)) = rebuild.period
        && finished.get() > statement.header.recorded.get().saturating_add(RECORDED_AHEAD_S)
    {
        return value(
            "body.finished",
            format!("{finished} is more than 60 s after recorded, {}", statement.header.recorded),
        );
    }
    Ok(())
}

/// An update: of a stream of its issuer, with the next release number.
fn check_update(state: &State, statement: &Statement, update: &Update) -> Read<()> {
    let stream = own_opening(state, statement).and_then(|open| open.stream(&update.package_id, &update.channel));
    let Some(stream) = stream else {
        return Err(Refusal::Stream(format!(
            "{} {} is no stream of {}",
            update.package_id, update.channel, statement.header.issuer
        )));
    };
    if update.audience != Audience::All && !stream.regional {
        return Err(Refusal::Stream(format!(
            "the audience is regional, the stream {} {} is not",
            update.package_id, update.channel
        )));
    }
    let want = state.last_release(&update.package_id, &update.channel) + 1;
    if update.release_seq != want {
        return Err(Refusal::ReleasePosition { got: update.release_seq, want });
    }
    if !update.built_here && state.charter.as_ref().is_some_and(|in_force| in_force.charter.built_here_only) {
        return value("body.built_here", "false, the charter in force takes only what was built here");
    }
    Ok(())
}

/// A revocation: of an update in a stream that its issuer has now, all of its files.
fn check_revoke(state: &State, facts: &Facts, statement: &Statement) -> Read<()> {
    let Some(revoked) = super::referred(facts, statement, Rel::Revokes).next() else {
        return Err(Refusal::RefMissing("the revoked update is not in this log".to_owned()));
    };
    let Body::Update(update) = &revoked.event.statement.body else {
        return Err(Refusal::RefKind(format!("revokes names entry {}, which is no update", revoked.index)));
    };
    let open = own_opening(state, statement);
    if open.and_then(|open| open.stream(&update.package_id, &update.channel)).is_none() {
        return Err(Refusal::Stream(format!(
            "{} {} is no stream of {}",
            update.package_id, update.channel, statement.header.issuer
        )));
    }
    let files = |statement: &Statement| -> Vec<_> {
        statement.subject.iter().map(|file| (file.name.clone(), file.digest.sha256)).collect()
    };
    if files(statement) == files(&revoked.event.statement) {
        Ok(())
    } else {
        Err(Refusal::Subject(format!("the files are not those of the update at entry {}", revoked.index)))
    }
}

#[cfg(test)]
mod tests;
