//! From an entry to what the parts of the audit look at.
//!
//! Reads an entry by its tables alone, so that what admission would refuse can still be named. Not here: judging it.

use vitrine_spec::admission;
use vitrine_spec::body::Body;
use vitrine_spec::body::charter::Role;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::event::Event;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::statement::Kind;
use vitrine_spec::words::Read;

use super::chains::{Link, Seen};
use super::digests::{NamedFile, Says};

/// The event of an entry; an event of another log is none.
pub fn event(entry: &[u8], origin: &Origin) -> Read<Event> {
    admission::reread(entry, origin)
}

/// What is known of an event wherever it stands.
pub fn of(index: u64, event: &Event) -> Seen {
    let header = &event.statement.header;
    let link = header.seq.zip(header.prev).map(|(seq, prev)| Link { seq, prev: *prev.as_bytes() });
    Seen {
        index,
        id: *event.id.as_bytes(),
        kind: event.statement.kind.name(),
        issuer: header.issuer.as_str().to_owned(),
        epoch: header.epoch,
        link,
        recorded: header.recorded.get(),
    }
}

/// The same from an entry; `None` for one that is not an event.
pub fn read(index: u64, entry: &[u8], origin: &Origin) -> Option<Seen> {
    event(entry, origin).ok().map(|event| of(index, &event))
}

/// What stays the same when an entry moves: the event_id, or the leaf hash of what is not an event.
pub fn identity(entry: &[u8], origin: &Origin) -> [u8; 32] {
    match event(entry, origin) {
        Ok(event) => *event.id.as_bytes(),
        Err(_) => *leaf_hash(entry).as_bytes(),
    }
}

/// An issuer's epoch that begins or stops to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It begins, and the epoch before it ends.
    Opens {
        /// Who.
        issuer: String,
        /// The epoch.
        epoch: u32,
        /// The longest silence that it promises.
        heartbeat_s: Option<u64>,
        /// Whether accesses come from it.
        accesses: bool,
    },
    /// It ends.
    Closes {
        /// Who.
        issuer: String,
        /// The epoch.
        epoch: u32,
    },
}

/// Who begins and who stops to be heard with an event.
pub fn heard(event: &Event) -> Vec<Heard> {
    let header = &event.statement.header;
    match &event.statement.body {
        Body::Open(open) => vec![Heard::Opens {
            issuer: header.issuer.as_str().to_owned(),
            epoch: header.epoch,
            heartbeat_s: Some(open.heartbeat_s),
            accesses: open.types.contains_key(&Kind::Access),
        }],
        Body::Close(close) => vec![Heard::Closes { issuer: close.issuer.as_str().to_owned(), epoch: close.epoch }],
        Body::Charter(charter) => Role::ALL
            .into_iter()
            .map(|role| Heard::Opens {
                issuer: role.name().to_owned(),
                epoch: charter.holder(role).epoch,
                heartbeat_s: role.heartbeat_s(),
                accesses: role == Role::Vault && charter.types.contains(&Kind::Access),
            })
            .collect(),
        Body::Heartbeat { .. }
        | Body::Build(_)
        | Body::Rebuild(_)
        | Body::Review(_)
        | Body::Update(_)
        | Body::Revoke(_)
        | Body::Incident(_)
        | Body::SealingKey(_)
        | Body::Access
        | Body::Erasure(_)
        | Body::Verdict(_)
        | Body::Rules(_)
        | Body::Correction(_) => Vec::new(),
    }
}

/// What an event says about files, when it does.
pub fn says(event: &Event) -> Option<(Says, Vec<NamedFile>)> {
    let says = match &event.statement.body {
        Body::Update(update) => Says::Update {
            purl: update.purl.clone(),
            channel: update.channel.as_str().to_owned(),
            built_here: update.built_here,
        },
        Body::Build(build) => Says::Build { purl: build.purl.clone() },
        Body::Rebuild(rebuild) => Says::Rebuild {
            outcome: rebuild.outcome.name().to_owned(),
            independence: rebuild.independence.name().to_owned(),
        },
        Body::Charter(_)
        | Body::Open(_)
        | Body::Close(_)
        | Body::Heartbeat { .. }
        | Body::Review(_)
        | Body::Revoke(_)
        | Body::Incident(_)
        | Body::SealingKey(_)
        | Body::Access
        | Body::Erasure(_)
        | Body::Verdict(_)
        | Body::Rules(_)
        | Body::Correction(_) => return None,
    };
    let files = event
        .statement
        .subject
        .iter()
        .filter_map(|file| {
            Some(NamedFile {
                name: file.name.clone()?,
                sha256: *file.digest.sha256?.as_bytes(),
                produced: file.produced.map(|produced| *produced.as_bytes()),
            })
        })
        .collect();
    Some((says, files))
}
