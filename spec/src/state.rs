//! The state of a log: what admission has to remember besides the events themselves (80-admission.md, A).
//!
//! A set of keyed records that grows with issuers, keys and streams, not with events. Effects are new values of records and
//! the only thing that changes it. Not here: deciding them (`admission`), finding events (an index).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::body::charter::{Charter, Reader, Role};
use crate::body::issuer::{Chained, Open, Reason, Stream};
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::json::{self, Value};
use crate::key::{KeyKind, Vkey};
use crate::limits::{SEALING_KEY_EVENTS, SEALING_KEY_S};
use crate::refusal::Refusal;
use crate::statement::{Kind, Named};
use crate::tree::{LeafIndex, TreeSize};
use crate::words::{self, Members, Name, Read, Time, read_vkey, value};

/// The charter in force.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    /// Its event.
    pub id: EventId,
    /// Its entry.
    pub index: LeafIndex,
    /// The event of version 1: the log's fingerprint.
    pub first: EventId,
    /// The entry of the version that last changed the readers, or first named them.
    pub readers_since: LeafIndex,
    /// What it says.
    pub charter: Arc<Charter>,
    text: Arc<[u8]>,
}

impl InForce {
    pub(crate) fn new(
        id: EventId,
        index: LeafIndex,
        before: Option<&InForce>,
        charter: Charter,
        body: &Value,
    ) -> InForce {
        let same = before.filter(|before| before.charter.readers == charter.readers);
        let readers_since = same.map_or(index, |before| before.readers_since);
        let first = before.map_or(id, |before| before.first);
        InForce { id, index, first, readers_since, charter: Arc::new(charter), text: body.to_jcs().into() }
    }
}

/// The newest data rules. They may be in force from a later day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestRules {
    /// Their event.
    pub id: EventId,
    /// Its entry.
    pub index: LeafIndex,
    /// Their version.
    pub version: u64,
    /// The first day on which they are in force.
    pub effective: String,
}

/// How an epoch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// By which entry.
    pub at: LeafIndex,
    /// Why; none when the next epoch or a charter ended it.
    pub reason: Option<Reason>,
    /// The last event that counts, as the closing names it.
    pub last: Option<Named>,
}

/// Which events of an epoch are disowned: those after an index, but for the one that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disowned {
    /// Entries with a larger index are.
    pub after: LeafIndex,
    /// The entry that says so is not, though it may be of that epoch.
    pub by: LeafIndex,
}

/// One epoch of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Its key.
    pub vkey: Vkey,
    /// The entry that opened it.
    pub opened_at: LeafIndex,
    /// The opening; none for operator, supervisor and vault, which the charter opens.
    pub open: Option<Arc<Open>>,
    /// How it ended.
    pub closed: Option<Closed>,
    /// What of it does not count.
    pub disowned: Option<Disowned>,
    text: Arc<[u8]>,
}

impl Opened {
    pub(crate) fn of_role(vkey: Vkey, opened_at: LeafIndex) -> Opened {
        Opened { vkey, opened_at, open: None, closed: None, disowned: None, text: Arc::from(&b"null"[..]) }
    }

    pub(crate) fn of_open(open: Open, body: &Value, opened_at: LeafIndex) -> Opened {
        let (vkey, text) = (open.vkey.clone(), body.to_jcs().into());
        Opened { vkey, opened_at, open: Some(Arc::new(open)), closed: None, disowned: None, text }
    }
}

/// The last event of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its position.
    pub seq: u64,
    /// Its id.
    pub event_id: EventId,
    /// When its issuer says it was recorded.
    pub recorded: Time,
    /// Its entry.
    pub index: LeafIndex,
}

/// The newest sealing key of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealingLink {
    /// Its position.
    pub seq: u64,
    /// When its issuer says it was recorded.
    pub recorded: Time,
    /// Its entry.
    pub index: LeafIndex,
}

/// What changes with every event of an issuer's epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The last chained event.
    pub last: Option<Link>,
    /// What the last heartbeat covers.
    pub to: Option<Time>,
    /// The last entry, chained or not.
    pub newest: Option<LeafIndex>,
    /// The newest sealing key.
    pub sealing: Option<SealingLink>,
}

/// Name and epoch of an issuer.
pub type EpochKey = (Name, u32);
/// Package and channel of a stream.
pub type StreamKey = (String, Name);

/// A new value of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The charter in force.
    Charter(Box<InForce>),
    /// An epoch of an issuer.
    Opened(EpochKey, Box<Opened>),
    /// Its chain.
    Chain(EpochKey, Chain),
    /// The last release number of a stream.
    Stream(StreamKey, u64),
    /// A keyid, and the SHA-256 of a public key: registered for ever, for this owner.
    Key(String, String),
    /// The newest data rules.
    Rules(NewestRules),
}

/// What one event changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    pub(crate) records: Vec<Record>,
}

impl Effects {
    /// The records that the event changed, as an index keeps them: key and value. `after` is the state they were applied to.
    pub fn touched(&self, after: &State) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<_> = self.records.iter().map(encode).collect();
        found.push(size_record(after.size));
        found
    }

    /// The changed records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// What a shell wants to know of an issuer.
#[derive(Clone, Debug)]
pub struct IssuerView<'a> {
    /// The current epoch, or the last one.
    pub epoch: u32,
    /// Its key.
    pub vkey: &'a Vkey,
    /// It may log events.
    pub open: bool,
    /// The entry that opened this epoch.
    pub opened_at: LeafIndex,
    /// The last event of its chain.
    pub last: Option<Link>,
    /// Its last entry, chained or not.
    pub newest: Option<LeafIndex>,
    /// Longest silence, seconds; none when none was promised.
    pub heartbeat_s: Option<u64>,
    /// The types it may log, and whether they are chained.
    pub types: Vec<(Kind, Chained)>,
    /// Its streams and the next release number of each.
    pub streams: Vec<(&'a Stream, u64)>,
    /// The sites it names.
    pub sites: &'a [String],
    /// Its newest sealing key.
    pub sealing: Option<SealingLink>,
}

/// The state after some entries. `Default` is before entry 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Entries folded.
    pub size: TreeSize,
    /// The charter in force.
    pub charter: Option<InForce>,
    /// The newest data rules; none before the first.
    pub rules: Option<NewestRules>,
    opened: BTreeMap<EpochKey, Opened>,
    chains: BTreeMap<EpochKey, Chain>,
    streams: BTreeMap<StreamKey, u64>,
    keys: BTreeMap<String, String>,
}

impl State {
    /// Entries folded.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Takes what one more event changes.
    pub fn apply(&mut self, effects: &Effects) {
        for record in &effects.records {
            self.put(record.clone());
        }
        self.size = TreeSize::new(self.size.get() + 1);
    }

    fn put(&mut self, record: Record) {
        match record {
            Record::Charter(charter) => self.charter = Some(*charter),
            Record::Opened(key, opened) => {
                self.opened.insert(key, *opened);
            }
            Record::Chain(key, chain) => {
                self.chains.insert(key, chain);
            }
            Record::Stream(key, last) => {
                self.streams.insert(key, last);
            }
            Record::Key(key, owner) => {
                self.keys.insert(key, owner);
            }
            Record::Rules(rules) => self.rules = Some(rules),
        }
    }

    /// The last epoch of an issuer.
    pub fn epoch(&self, issuer: &Name) -> Option<(u32, &Opened)> {
        self.opened
            .range((issuer.clone(), 0)..=(issuer.clone(), u32::MAX))
            .next_back()
            .map(|(key, opened)| (key.1, opened))
    }

    /// One epoch of an issuer.
    pub fn opened(&self, issuer: &Name, epoch: u32) -> Option<&Opened> {
        self.opened.get(&(issuer.clone(), epoch))
    }

    /// All epochs of all issuers, by name and epoch.
    pub fn epochs(&self) -> impl Iterator<Item = (&EpochKey, &Opened)> {
        self.opened.iter()
    }

    /// The chain of an epoch; empty when it has none yet.
    pub fn chain(&self, issuer: &Name, epoch: u32) -> Chain {
        self.chains.get(&(issuer.clone(), epoch)).copied().unwrap_or_default()
    }

    /// Who may open sealed records now.
    pub fn readers(&self) -> &[Reader] {
        self.charter.as_ref().map_or(&[], |in_force| &in_force.charter.readers)
    }

    /// The newest sealing key of an epoch, while an event recorded at `recorded` at position `seq` may use it; in words why
    /// not.
    ///
    /// # Errors
    /// Why there is none.
    pub fn sealing_key(&self, issuer: &Name, epoch: u32, recorded: Time, seq: u64) -> Result<SealingLink, String> {
        let chain = self.chain(issuer, epoch);
        let newest = chain.sealing.ok_or_else(|| format!("{issuer}, epoch {epoch}, has logged no sealing key"))?;
        let named = format!("the sealing key at seq {}, recorded {}", newest.seq, newest.recorded);
        if recorded.get() > newest.recorded.get().saturating_add(SEALING_KEY_S) {
            return Err(format!("{named}, is open for {SEALING_KEY_S} s, the event is recorded {recorded}"));
        }
        if seq > newest.seq.saturating_add(SEALING_KEY_EVENTS) {
            return Err(format!("{named}, is open for {SEALING_KEY_EVENTS} events, the event is at seq {seq}"));
        }
        match &self.charter {
            Some(in_force) if newest.index > in_force.readers_since => Ok(newest),
            _ => Err(format!("{named}, was closed by the charter that changed the readers")),
        }
    }

    /// The last release number of a stream, 0 before the first.
    pub fn last_release(&self, package_id: &str, channel: &Name) -> u64 {
        self.streams.get(&(package_id.to_owned(), channel.clone())).copied().unwrap_or(0)
    }

    /// Whose key a keyid is, or was; `None` when it was never registered.
    pub fn owner(&self, keyid: &str) -> Option<&str> {
        self.keys.get(keyid).map(String::as_str)
    }

    /// Who registered a public key.
    pub fn owner_of_public(&self, public: &[u8]) -> Option<&str> {
        self.owner(&public_key(public))
    }

    /// The current key of a role.
    pub fn role_key(&self, role: Role) -> Option<&Vkey> {
        self.charter.as_ref().map(|in_force| &in_force.charter.holder(role).vkey)
    }

    /// The key with this keyid, when it is the current key of an open issuer.
    pub fn current_key(&self, keyid: &str) -> Option<&Vkey> {
        let name = Name::new(self.owner(keyid)?)?;
        let (_, opened) = self.epoch(&name)?;
        (opened.closed.is_none() && opened.vkey.keyid() == keyid).then_some(&opened.vkey)
    }

    /// True when an entry of an epoch was disowned by a later one.
    pub fn disowned(&self, issuer: &Name, epoch: u32, index: LeafIndex) -> bool {
        self.opened(issuer, epoch)
            .and_then(|opened| opened.disowned)
            .is_some_and(|disowned| index > disowned.after && index != disowned.by)
    }

    /// The open issuer that holds a stream.
    pub fn stream_holder(&self, package_id: &str, channel: &Name) -> Option<&Name> {
        self.opened
            .iter()
            .filter(|(_, opened)| opened.closed.is_none())
            .find(|(_, opened)| opened.open.as_ref().is_some_and(|open| open.stream(package_id, channel).is_some()))
            .map(|((name, _), _)| name)
    }

    /// What a shell wants to know of an issuer.
    pub fn issuer(&self, name: &str) -> Option<IssuerView<'_>> {
        let name = Name::new(name)?;
        let (epoch, opened) = self.epoch(&name)?;
        let chain = self.chain(&name, epoch);
        let role = Role::of(name.as_str());
        Some(IssuerView {
            epoch,
            vkey: &opened.vkey,
            open: opened.closed.is_none(),
            opened_at: opened.opened_at,
            last: chain.last,
            newest: chain.newest,
            heartbeat_s: match &opened.open {
                Some(open) => Some(open.heartbeat_s),
                None => role.and_then(Role::heartbeat_s),
            },
            types: self.types_of(&name, opened),
            streams: opened
                .open
                .iter()
                .flat_map(|open| &open.streams)
                .map(|s| (s, self.last_release(&s.package_id, &s.channel) + 1))
                .collect(),
            sites: opened.open.as_ref().map_or(&[], |open| &open.sites),
            sealing: chain.sealing,
        })
    }

    fn types_of(&self, name: &Name, opened: &Opened) -> Vec<(Kind, Chained)> {
        match (&opened.open, Role::of(name.as_str()), &self.charter) {
            (Some(open), _, _) => open.types.iter().map(|(kind, chained)| (*kind, *chained)).collect(),
            (None, Some(role), Some(in_force)) => role
                .kinds()
                .iter()
                .filter(|kind| in_force.charter.takes(**kind))
                .map(|kind| (*kind, if kind.is_free() { Chained::None } else { Chained::Strict }))
                .collect(),
            (None, _, _) => Vec::new(),
        }
    }

    /// How an issuer's epoch logs a type: `None` when it may not.
    pub fn may(&self, issuer: &Name, opened: &Opened, kind: Kind) -> Option<Chained> {
        match (&opened.open, Role::of(issuer.as_str())) {
            (Some(_), _) if matches!(kind, Kind::Heartbeat | Kind::IssuerOpen) => Some(Chained::Strict),
            (Some(open), _) => open.types.get(&kind.listed_as()).copied(),
            (None, Some(role)) if role.kinds().contains(&kind.listed_as()) => {
                Some(if kind.is_free() { Chained::None } else { Chained::Strict })
            }
            (None, _) => None,
        }
    }

    /// All records, as an index keeps them.
    pub fn records(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let charter = self.charter.iter().cloned().map(|charter| Record::Charter(Box::new(charter)));
        let opened = self.opened.iter().map(|(key, opened)| Record::Opened(key.clone(), Box::new(opened.clone())));
        let chains = self.chains.iter().map(|(key, chain)| Record::Chain(key.clone(), *chain));
        let streams = self.streams.iter().map(|(key, last)| Record::Stream(key.clone(), *last));
        let keys = self.keys.iter().map(|(key, owner)| Record::Key(key.clone(), owner.clone()));
        let rules = self.rules.iter().cloned().map(Record::Rules);
        let records = charter.chain(opened).chain(chains).chain(streams).chain(keys).chain(rules);
        records.map(|record| encode(&record)).chain([size_record(self.size)]).collect()
    }

    /// The state of [`State::records`].
    ///
    /// # Errors
    /// Names the record that is not one.
    pub fn from_records(records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<State, String> {
        let mut state = State::default();
        for (key, text) in records {
            let name = String::from_utf8_lossy(&key).into_owned();
            let value = json::parse(&text).map_err(|error| format!("record {name:?}: {error}"))?;
            state.decode(&name, &value).map_err(|refusal| format!("record {name:?}: {refusal}"))?;
        }
        Ok(state)
    }

    fn decode(&mut self, key: &str, found: &Value) -> Read<()> {
        let mut parts = key.splitn(3, '\0');
        let (kind, one, two) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
        let epoch_key = || {
            let epoch = two.and_then(|text| text.parse().ok());
            Name::new(one).zip(epoch).ok_or_else(|| Refusal::Malformed("the key names no epoch".to_owned()))
        };
        let mut members = Members::of("", found)?;
        let record = match kind {
            "size" => {
                self.size = TreeSize::new(members.int("size", 0, u64::MAX)?);
                return members.done();
            }
            "charter" => {
                let (id, first) = (EventId(members.sha256("id")?), EventId(members.sha256("first")?));
                let index = LeafIndex::new(members.int("index", 0, u64::MAX)?);
                let readers_since = LeafIndex::new(members.int("readers_since", 0, u64::MAX)?);
                let body = members.req("body")?;
                let charter = Arc::new(Charter::read(&mut Members::of("body", body)?)?);
                let text = body.to_jcs().into();
                Record::Charter(Box::new(InForce { id, index, first, readers_since, charter, text }))
            }
            "opened" => {
                let key = epoch_key()?;
                let opened = decode_opened(&mut members, key.1)?;
                Record::Opened(key, Box::new(opened))
            }
            "chain" => Record::Chain(epoch_key()?, decode_chain(&mut members)?),
            "stream" => {
                let channel =
                    Name::new(one).ok_or_else(|| Refusal::Malformed("the key names no channel".to_owned()))?;
                Record::Stream((two.unwrap_or_default().to_owned(), channel), members.int("last", 0, u64::MAX)?)
            }
            "key" => Record::Key(one.to_owned(), members.text("owner")?.to_owned()),
            "rules" => Record::Rules(NewestRules {
                id: EventId(members.sha256("id")?),
                index: LeafIndex::new(members.int("index", 0, u64::MAX)?),
                version: members.int("version", 1, u64::MAX)?,
                effective: members.word("effective", "a day that exists, as YYYY-MM-DD", words::is_date)?,
            }),
            other => return value("key", format!("{other:?} is no kind of record")),
        };
        members.done()?;
        self.put(record);
        Ok(())
    }
}

/// What a public key is registered as: the key of [`Record::Key`] beside the keyid.
pub(crate) fn public_key(public: &[u8]) -> String {
    Hash::of(public).hex()
}

fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn size_record(size: TreeSize) -> (Vec<u8>, Vec<u8>) {
    (b"size".to_vec(), Value::object([("size", int(size.get()))]).to_jcs())
}

fn optional(members: Vec<(&str, Option<Value>)>) -> Vec<u8> {
    let found = members.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)));
    Value::Object(found.collect()).to_jcs()
}

fn raw(text: &[u8]) -> Value {
    // Printed by this module from a value that was read before.
    json::parse(text).unwrap_or(Value::Null)
}

fn encode(record: &Record) -> (Vec<u8>, Vec<u8>) {
    match record {
        Record::Charter(charter) => {
            let value = Value::object([
                ("body", raw(&charter.text)),
                ("first", charter.first.hex().into()),
                ("id", charter.id.hex().into()),
                ("index", int(charter.index.get())),
                ("readers_since", int(charter.readers_since.get())),
            ]);
            (b"charter".to_vec(), value.to_jcs())
        }
        Record::Opened((name, epoch), opened) => {
            let closed = opened.closed.as_ref();
            let last = closed.and_then(|closed| closed.last.as_ref());
            let word =
                |reason: Reason| Reason::WORDS.iter().find(|(_, r)| *r == reason).map(|(word, _)| Value::from(*word));
            let value = optional(Vec::from([
                ("body", opened.open.as_ref().map(|_| raw(&opened.text))),
                ("closed_at", closed.map(|closed| int(closed.at.get()))),
                ("disowned_after", opened.disowned.map(|disowned| int(disowned.after.get()))),
                ("disowned_by", opened.disowned.map(|disowned| int(disowned.by.get()))),
                ("last_id", last.map(|last| last.event_id.hex().into())),
                ("last_seq", last.map(|last| int(last.seq))),
                ("opened_at", Some(int(opened.opened_at.get()))),
                ("reason", closed.and_then(|closed| closed.reason).and_then(word)),
                ("vkey", Some(opened.vkey.to_string().into())),
            ]));
            (format!("opened\0{name}\0{epoch}").into_bytes(), value)
        }
        Record::Chain((name, epoch), chain) => {
            let value = optional(Vec::from([
                ("id", chain.last.map(|last| last.event_id.hex().into())),
                ("index", chain.last.map(|last| int(last.index.get()))),
                ("newest", chain.newest.map(|newest| int(newest.get()))),
                ("recorded", chain.last.map(|last| int(last.recorded.get()))),
                ("sealing_index", chain.sealing.map(|key| int(key.index.get()))),
                ("sealing_recorded", chain.sealing.map(|key| int(key.recorded.get()))),
                ("sealing_seq", chain.sealing.map(|key| int(key.seq))),
                ("seq", chain.last.map(|last| int(last.seq))),
                ("to", chain.to.map(|to| int(to.get()))),
            ]));
            (format!("chain\0{name}\0{epoch}").into_bytes(), value)
        }
        Record::Stream((package_id, channel), last) => {
            (format!("stream\0{channel}\0{package_id}").into_bytes(), Value::object([("last", int(*last))]).to_jcs())
        }
        Record::Key(key, owner) => {
            (format!("key\0{key}").into_bytes(), Value::object([("owner", owner.as_str().into())]).to_jcs())
        }
        Record::Rules(rules) => {
            let value = Value::object([
                ("effective", rules.effective.as_str().into()),
                ("id", rules.id.hex().into()),
                ("index", int(rules.index.get())),
                ("version", int(rules.version)),
            ]);
            (b"rules".to_vec(), value.to_jcs())
        }
    }
}

fn decode_opened(members: &mut Members<'_>, epoch: u32) -> Read<Opened> {
    let vkey = read_vkey("vkey", members.text("vkey")?, KeyKind::Ed25519)?;
    let opened_at = LeafIndex::new(members.int("opened_at", 0, u64::MAX)?);
    let index = |members: &mut Members<'_>, name: &str| {
        if members.has(name) {
            members.int(name, 0, u64::MAX).map(|index| Some(LeafIndex::new(index)))
        } else {
            Ok(None)
        }
    };
    let mut opened = match members.opt("body") {
        Some(body) => Opened::of_open(Open::read(&mut Members::of("body", body)?, epoch)?, body, opened_at),
        None => Opened::of_role(vkey, opened_at),
    };
    if let Some(at) = index(members, "closed_at")? {
        let reason = if members.has("reason") { Some(members.one_of("reason", &Reason::WORDS)?) } else { None };
        let last = if members.has("last_id") {
            Some(Named { seq: members.int("last_seq", 1, u64::MAX)?, event_id: EventId(members.sha256("last_id")?) })
        } else {
            None
        };
        opened.closed = Some(Closed { at, reason, last });
    }
    if let (Some(after), Some(by)) = (index(members, "disowned_after")?, index(members, "disowned_by")?) {
        opened.disowned = Some(Disowned { after, by });
    }
    Ok(opened)
}

fn decode_chain(members: &mut Members<'_>) -> Read<Chain> {
    let last = if members.has("seq") {
        Some(Link {
            seq: members.int("seq", 1, u64::MAX)?,
            event_id: EventId(members.sha256("id")?),
            recorded: members.time("recorded")?,
            index: LeafIndex::new(members.int("index", 0, u64::MAX)?),
        })
    } else {
        None
    };
    let newest = if members.has("newest") { Some(LeafIndex::new(members.int("newest", 0, u64::MAX)?)) } else { None };
    let sealing = if members.has("sealing_seq") {
        Some(SealingLink {
            seq: members.int("sealing_seq", 1, u64::MAX)?,
            recorded: members.time("sealing_recorded")?,
            index: LeafIndex::new(members.int("sealing_index", 0, u64::MAX)?),
        })
    } else {
        None
    };
    Ok(Chain { last, to: members.opt_time("to")?, newest, sealing })
}
