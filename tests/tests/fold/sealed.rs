//! Readers, sealing keys, accesses and erasures, and what a model expects of them.
//!
//! Records and wraps are bytes: a log cannot see more of them. Not here: how they are made and opened (`spec`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vitrine_spec::envelope::EventId;
use vitrine_spec::hash::Hash;

use super::{Change, Draft, HOUR, ISSUERS, Model, Place, ROLES, Rank, sha256, subject, vkey};
use crate::steps::{Aim, Readers, Sent, When, Window, Wraps};

/// Two who may log accesses by their openings, one by the charter, and two who may not.
const SEALERS: [&str; 5] = [ISSUERS[4], ISSUERS[5], ROLES[2], ISSUERS[0], ROLES[0]];
const REASONS: [&str; 4] = ["authority", "data-subject", "mistake", "retention"];
/// Seconds and events after a sealing key for which it is open.
const OPEN: (u64, u64) = (3_600, 65_536);
const YEAR: u64 = 366 * 24 * 3_600;
const WRAP: usize = 1_168;

/// Who may open records.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reader {
    pub(super) name: String,
    role: &'static str,
    sign: String,
    seal: Vec<u8>,
}

/// An access that was taken.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) place: Place,
    pub(super) issuer: String,
    pub(super) epoch: usize,
}

impl Access {
    fn at(&self) -> Value {
        json!({ "issuer": self.issuer, "epoch": self.epoch, "seq": self.place.seq })
    }
}

impl Reader {
    pub(super) fn new(number: u64) -> Reader {
        let name = format!("reader-{number}");
        Reader { sign: format!("{name}-sign"), seal: seal(&name), role: "supervisor", name }
    }

    /// First 8 bytes of a hash of the public key.
    fn id(&self) -> String {
        sha256(&[b"vitrine/v0/reader\0", self.seal.as_slice()].concat())[..16].to_owned()
    }
}

/// 1,216 bytes in the form of an X-Wing public key: numbers below 3,329, and below 2^255 − 19.
fn seal(name: &str) -> Vec<u8> {
    let hash = Hash::of(name.as_bytes());
    let numbers = hash.as_bytes().iter().cycle().take(384).flat_map(|byte| [*byte, 0, *byte & 0x0f]);
    let mut key: Vec<u8> = numbers.chain(*hash.as_bytes()).chain(*hash.as_bytes()).collect();
    key[1_215] = 0x3f;
    key
}

/// As a charter has them.
pub(super) fn shown(readers: &[Reader]) -> Value {
    let reader = |found: &Reader| {
        let (sign, seal) = (vkey(&found.sign), STANDARD.encode(&found.seal));
        json!({ "name": found.name, "role": found.role, "sign": sign, "seal": seal })
    };
    readers.iter().map(reader).collect()
}

fn bytes(what: &str, count: usize) -> Vec<u8> {
    Hash::of(what.as_bytes()).as_bytes().iter().copied().cycle().take(count).collect()
}

/// Bytes of a record of so many steps.
fn size(steps: usize) -> usize {
    48 + 1_024 * steps + 16
}

impl Model {
    fn may_seal(&self, draft: &mut Draft) {
        if !SEALERS[..3].contains(&draft.issuer.as_str()) {
            draft.wants.push((Rank::Right, "type-not-allowed"));
        }
    }

    /// The readers of the next charter, and what is wrong with them.
    pub(super) fn other_readers(&mut self, change: &Readers) -> (Vec<Reader>, Vec<(Rank, &'static str)>) {
        let (mut readers, mut wants) = (self.readers.clone(), Vec::new());
        self.keys += 1;
        let new = Reader::new(self.keys);
        match change {
            Readers::Kept => {}
            Readers::New => readers.push(new),
            Readers::Gone(who) if readers.len() > 2 => {
                readers.remove(who.index(readers.len()));
            }
            Readers::Gone(_) | Readers::Few => {
                readers.truncate(1);
                wants.push((Rank::Table, "value"));
            }
            Readers::Back(who) => {
                if !self.gone.is_empty() {
                    readers.push(who.get(&self.gone).clone());
                    wants.push((Rank::Body, "key-reused"));
                }
            }
            Readers::Shared(who) => {
                let sign = who.get(&self.readers).sign.clone();
                readers.push(Reader { sign, ..new });
                wants.push((Rank::Body, "key-reused"));
            }
            Readers::OtherSign(who) => {
                let place = who.index(readers.len());
                readers[place].sign = new.sign;
            }
            Readers::OtherSeal(who) => {
                let place = who.index(readers.len());
                readers[place].seal = new.seal;
            }
            Readers::OtherRole(who) => {
                let reader = &mut readers[who.index(self.readers.len())];
                reader.role = if reader.role == "vault" { "supervisor" } else { "vault" };
            }
        }
        readers.sort_by(|one, other| one.name.cmp(&other.name));
        if readers.len() > 8 {
            wants.push((Rank::Table, "value"));
        }
        (readers, wants)
    }

    pub(super) fn sealing_key(&self, who: usize, wraps: Wraps) -> Draft {
        let mut readers = if wraps == Wraps::Former { self.former.clone() } else { self.readers.clone() };
        match wraps {
            Wraps::Right | Wraps::Former => {}
            Wraps::Fewer => {
                readers.pop();
            }
            Wraps::Turned => readers.reverse(),
            Wraps::OtherKey => readers[0].seal[0] ^= 1,
        }
        let mut joined = Vec::new();
        let mut shown = Vec::new();
        for reader in &readers {
            let wrap = bytes(&format!("wrap {} {}", self.steps, reader.name), WRAP);
            shown.push(json!({ "reader": reader.name, "key": reader.id(), "wrap": STANDARD.encode(&wrap) }));
            joined.extend(wrap);
        }
        let check = sha256(format!("check {}", self.steps).as_bytes());
        let body = json!({ "alg": "hpke-xwing-hkdf256-chacha20poly1305", "check": check, "wraps": shown });
        let mut draft = self.draft("sealing-key", SEALERS[who], subject(&sha256(&joined)), body);
        self.may_seal(&mut draft);
        let ids =
            |readers: &[Reader]| -> Vec<_> { readers.iter().map(|found| (found.name.clone(), found.id())).collect() };
        if ids(&readers) != ids(&self.readers) {
            draft.wants.push((Rank::Body, "sealing-key"));
        }
        draft.change = Change::SealingKey;
        draft
    }

    pub(super) fn access(&self, who: usize, window: &Window, sent: Sent, on_the_hour: bool) -> Draft {
        let keys = self.epochs(SEALERS[who]).last().map_or(&[][..], |epoch| &epoch.sealing);
        let key = match window {
            Window::Earlier(key) if !keys.is_empty() => key.get(keys).seq,
            Window::Newest | Window::Earlier(_) => keys.last().map_or(1, |key| key.seq),
            Window::None => keys.last().map_or(0, |key| key.seq) + 1,
        };
        let steps = if let Sent::Right(steps) = sent { steps } else { 1 };
        let named = bytes(&format!("record {}", self.steps), if let Sent::Odd(odd) = sent { odd } else { size(steps) });
        let claimed = if sent == Sent::Claimed { size(2) } else { named.len() };
        let digest = sha256(&named);
        let mut draft = self.draft("access", SEALERS[who], subject(&digest), json!({}));
        self.may_seal(&mut draft);
        draft.sealed = Some((
            json!(sha256(format!("commit {}", self.steps).as_bytes())),
            json!({ "key": key, "sha256": digest, "size": claimed }),
        ));
        draft.record = match sent {
            Sent::Right(_) | Sent::Odd(_) | Sent::Claimed => Some(named),
            Sent::Missing => None,
            Sent::Other => Some(bytes("another record", size(1))),
            Sent::Longer => Some(bytes(&format!("record {}", self.steps), size(2))),
        };
        match sent {
            Sent::Right(_) => {}
            Sent::Missing => draft.wants.push((Rank::Sent, "malformed")),
            Sent::Other | Sent::Longer | Sent::Claimed => draft.wants.push((Rank::Record, "sealed-mismatch")),
            Sent::Odd(_) => draft.wants.push((Rank::Body, "sealed-mismatch")),
        }
        draft.recorded -= draft.recorded % HOUR;
        if !on_the_hour {
            draft.recorded += 1;
        }
        draft.change = Change::Access;
        draft
    }

    pub(super) fn erase(&mut self, who: usize, supervised: bool, aims: &[Aim], reason: usize, when: When) -> Draft {
        let issuer = [SEALERS[0], SEALERS[3], ROLES[1], ROLES[0]][who];
        let mut targets: Vec<(EventId, Value)> = aims.iter().map(|aim| self.target(aim)).collect();
        targets.sort_by_key(|(id, _)| *id);
        targets.dedup_by_key(|(id, _)| *id);
        let mut body = json!({ "reason": REASONS[reason], "authority": "decision 17", "places": [] });
        let subject = if targets.is_empty() {
            body["class"] = json!("subject");
            subject(&sha256(b"a pseudonym"))
        } else {
            body["class"] = json!("record");
            body["targets"] = targets.iter().map(|(id, at)| json!({ "event_id": id.hex(), "at": at })).collect();
            targets.iter().map(|(id, _)| json!({ "digest": { "sha256": id.hex() } })).collect()
        };
        if reason.is_multiple_of(2) {
            body["places"] =
                json!([{ "place": "backup", "until": "2030-02-28" }, { "place": "archive", "until": "2029-01-01" }]);
        }
        let mut draft = self.draft("erasure", issuer, subject, body);
        if issuer != ROLES[0] {
            draft.wants.push((Rank::Right, "type-not-allowed"));
        } else if supervised {
            draft.signers.push(self.key(ROLES[1]));
        } else {
            draft.wants.push((Rank::Signers, "signer-set"));
        }
        let first = targets.first().and_then(|(id, _)| self.accesses.iter().find(|access| access.place.id == *id));
        if let (When::Year { early }, Some(first)) = (when, first) {
            draft.recorded = first.place.recorded + YEAR - u64::from(early);
            self.clock = self.clock.max(draft.recorded);
        }
        draft
    }

    fn target(&self, aim: &Aim) -> (EventId, Value) {
        let nothing = || (EventId(Hash::of(b"no event")), json!({ "issuer": "vault", "epoch": 1, "seq": 99_999 }));
        let operator = &self.epochs(ROLES[0])[0].chain;
        let plain = |place: &Place| json!({ "issuer": "operator", "epoch": 1, "seq": place.seq });
        match aim {
            Aim::Plain(which) => {
                let place = which.get(operator);
                (place.id, plain(place))
            }
            Aim::Access(_) | Aim::Misplaced(_) if self.accesses.is_empty() => nothing(),
            Aim::Access(which) => {
                let access = which.get(&self.accesses);
                (access.place.id, access.at())
            }
            Aim::Misplaced(which) => {
                let place = which.index(self.accesses.len());
                let other = &self.accesses[(place + 1) % self.accesses.len()];
                let at = if self.accesses.len() > 1 { other.at() } else { plain(&operator[0]) };
                (self.accesses[place].place.id, at)
            }
            Aim::Nothing => nothing(),
        }
    }

    /// As if so many events had come after the last one of an issuer.
    pub(in super::super) fn set_forward(&mut self, issuer: &str, events: u64) {
        let epoch = self.issuers.get_mut(issuer).and_then(|epochs| epochs.last_mut()).unwrap();
        epoch.chain.last_mut().unwrap().seq += events;
    }

    /// What is wrong with what was recorded now, in the order in which it is looked for.
    pub(super) fn expect_of_sealed(&self, draft: &mut Draft) {
        let mut first = Vec::new();
        if draft.kind == "access" && !draft.recorded.is_multiple_of(HOUR) {
            first.push((Rank::Body, "value"));
        }
        if draft.off_subject {
            first.push((Rank::Body, "subject"));
        }
        if draft.kind == "access" && !self.is_open(draft) {
            first.push((Rank::Body, "sealing-key"));
        }
        first.extend(self.wrong_target(draft).map(|code| (Rank::Body, code)));
        draft.wants.splice(0..0, first);
    }

    /// The newest sealing key of the issuer is the one that the access names, and is open.
    fn is_open(&self, draft: &Draft) -> bool {
        let newest = self.epochs(&draft.issuer).last().and_then(|epoch| epoch.sealing.last());
        let Some((newest, (_, sealed))) = newest.zip(draft.sealed.as_ref()) else { return false };
        let seq = draft.place.as_ref().map_or(0, |(seq, _)| *seq);
        sealed["key"] == json!(newest.seq)
            && draft.recorded <= newest.recorded + OPEN.0
            && seq <= newest.seq + OPEN.1
            && newest.index > self.readers_since
    }

    /// What is wrong with the first target of an erasure that is not as it should be.
    fn wrong_target(&self, draft: &Draft) -> Option<&'static str> {
        draft.body["targets"].as_array().filter(|_| draft.kind == "erasure")?.iter().find_map(|target| {
            let (issuer, at) = (target["at"]["issuer"].as_str().unwrap(), &target["at"]);
            let epoch = usize::try_from(at["epoch"].as_u64().unwrap()).unwrap();
            let mut chain = self.epochs(issuer)[epoch - 1].chain.iter();
            let Some(place) = chain.find(|place| at["seq"] == json!(place.seq)) else { return Some("ref-missing") };
            let access = self.accesses.iter().find(|access| access.place == *place);
            let Some(access) = access.filter(|access| target["event_id"] == json!(access.place.id.hex())) else {
                return Some("ref-kind");
            };
            let is_kept = draft.recorded < access.place.recorded + YEAR;
            (is_kept && draft.body["reason"] != "authority").then_some("value")
        })
    }
}
