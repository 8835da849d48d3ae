//! What a step is as an event, and what a model of the log expects of it.
//!
//! The model knows issuers, epochs, chains, keys, readers and one stream, each by what was taken so far, and shares no rule
//! with `spec`. Not here: admission, the fold; readers, sealing keys, accesses and erasures (`sealed`).

use std::collections::BTreeMap;

use proptest::sample::Index;
use serde_json::{Value, json};
use vitrine_spec::envelope::{Envelope, EventId, Submission};
use vitrine_spec::hash::Hash;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_tests::oracle::messages;

use super::steps::{Fault, KeyChoice, Pause, Readers, Step};

#[path = "sealed.rs"]
mod sealed;

use sealed::{Access, Reader};

pub(super) const ORIGIN: &str = "fold.example/log";
/// The server's clock before the first step: an hour is full.
const START: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const ROLES: [&str; 3] = ["operator", "supervisor", "vault"];
/// Two issuers of builds, two of updates in one stream, which one of them can hold at a time, and two of accesses.
const ISSUERS: [&str; 6] = ["farm-a", "farm-b", "release-a", "release-b", "gate-a", "gate-b"];
/// The only one whose opening lists a site.
const AT_A_SITE: &str = "gate-a";
const SITE: &str = "CH-ZH-1";
const BUILDER: &str = "https://build.example/farm";

/// When a check comes, so that the first fault of several is the one that is reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Table,
    Sent,
    Standing,
    Right,
    Signers,
    Signature,
    Disowning,
    Position,
    Early,
    Order,
    Site,
    Reference,
    Body,
    Record,
}

/// What is looked at when an event arrives and not in the fold.
const ON_ARRIVAL: [(Rank, &str); 3] =
    [(Rank::Sent, "malformed"), (Rank::Early, "too-early"), (Rank::Record, "sealed-mismatch")];

/// An event to submit, and what must come of it.
pub(super) struct Made {
    pub(super) submission: Vec<u8>,
    pub(super) kind: &'static str,
    /// The code of the refusal; none when it must be taken.
    pub(super) want: Option<&'static str>,
    /// The same for its leaf, which comes without a record and at no time.
    pub(super) want_of_leaf: Option<&'static str>,
    pub(super) now: u64,
    /// What the model learns when it is taken.
    change: Change,
    issuer: String,
    id: EventId,
    seq: Option<u64>,
    prev: String,
    recorded: u64,
}

#[derive(Clone)]
enum Change {
    Nothing,
    Open { key: String, previous: Option<Place> },
    Close { issuer: String, last: Place, compromised: bool },
    Build { digest: String },
    Update { subject: Value },
    Beat { to: u64 },
    Charter { body: Value, role: Option<(usize, String, Option<Place>)>, readers: Option<Vec<Reader>> },
    SealingKey,
    Access,
}

/// A chained event that was taken.
#[derive(Clone, Copy, PartialEq)]
struct Place {
    seq: u64,
    id: EventId,
    index: u64,
    recorded: u64,
}

impl Place {
    fn named(&self) -> Value {
        json!({ "seq": self.seq, "event_id": self.id.hex() })
    }
}

#[derive(Clone, Default)]
struct Epoch {
    key: String,
    chain: Vec<Place>,
    /// The `prev` of the last event.
    prev: String,
    /// Every entry, chained or not.
    entries: Vec<u64>,
    /// What the last heartbeat covers.
    to: Option<u64>,
    closed: bool,
    compromised: bool,
    last: Option<Place>,
    /// The entry that named `last` first.
    by: u64,
    sealing: Vec<Place>,
}

/// What was taken so far.
#[derive(Clone)]
pub(super) struct Model {
    issuers: BTreeMap<String, Vec<Epoch>>,
    charter: Value,
    charter_id: EventId,
    builds: Vec<(EventId, String)>,
    updates: Vec<(EventId, Value)>,
    releases: u64,
    size: u64,
    steps: u64,
    clock: u64,
    keys: u64,
    readers: Vec<Reader>,
    /// Those of the charter before, and whoever else was one.
    former: Vec<Reader>,
    gone: Vec<Reader>,
    /// The entry that last changed them.
    readers_since: u64,
    accesses: Vec<Access>,
}

fn seed(name: &str, kind: KeyKind) -> Seed {
    Seed::new(name, kind, *Hash::of(name.as_bytes()).as_bytes()).unwrap()
}

fn vkey(name: &str) -> String {
    seed(name, KeyKind::Ed25519).vkey().to_string()
}

fn sha256(bytes: &[u8]) -> String {
    Hash::of(bytes).hex()
}

fn subject(digest: &str) -> Value {
    json!([{ "digest": { "sha256": digest } }])
}

fn public(name: &str) -> Value {
    subject(&sha256(seed(name, KeyKind::Ed25519).vkey().public()))
}

/// An event in the making.
struct Draft {
    kind: &'static str,
    issuer: String,
    epoch: usize,
    /// Place in the chain and the event before; none for an unchained type.
    place: Option<(u64, String)>,
    refs: Vec<Value>,
    subject: Value,
    body: Value,
    /// The issuer's first.
    signers: Vec<String>,
    wants: Vec<(Rank, &'static str)>,
    change: Change,
    recorded: u64,
    site: Option<&'static str>,
    /// `commit` and `sealed`.
    sealed: Option<(Value, Value)>,
    record: Option<Vec<u8>>,
    /// The subject was made wrong.
    off_subject: bool,
}

impl Model {
    /// A log with nothing but a charter, and that charter.
    pub(super) fn new() -> (Model, Made) {
        let holder = |role: &str| json!({ "epoch": 1, "vkey": vkey(&format!("{role}-1")) });
        let readers = vec![Reader::new(1), Reader::new(2)];
        let charter = json!({
            "version": 1, "protocol": "vitrine/v0", "origin": ORIGIN,
            "log_keys": [vkey(ORIGIN), seed(ORIGIN, KeyKind::MlDsa44).vkey().to_string()],
            "operator": holder("operator"), "supervisor": holder("supervisor"), "vault": holder("vault"),
            "readers": sealed::shown(&readers), "raw": false, "sites": [{ "code": SITE, "name": "Zürich" }],
            "types": [
                "access", "build", "charter", "erasure", "heartbeat", "incident", "issuer-close", "issuer-open", "update",
            ],
            "cosign": {}, "built_here_only": false,
        });
        let role = |name: &str| (name.to_owned(), vec![Epoch { key: format!("{name}-1"), ..Epoch::default() }]);
        let model = Model {
            issuers: ROLES.map(role).into(),
            charter: charter.clone(),
            charter_id: EventId::ZERO,
            builds: Vec::new(),
            updates: Vec::new(),
            releases: 0,
            size: 0,
            steps: 0,
            clock: START,
            keys: 2,
            readers: readers.clone(),
            former: readers,
            gone: Vec::new(),
            readers_since: 0,
            accesses: Vec::new(),
        };
        let mut draft = model.draft("charter", "operator", subject(&sha256(ORIGIN.as_bytes())), charter.clone());
        draft.signers.push("supervisor-1".to_owned());
        draft.change = Change::Charter { body: charter, role: None, readers: None };
        let made = model.make(draft, Fault::None);
        (model, made)
    }

    fn epochs(&self, issuer: &str) -> &[Epoch] {
        self.issuers.get(issuer).map_or(&[], Vec::as_slice)
    }

    fn key(&self, issuer: &str) -> String {
        self.epochs(issuer).last().map_or_else(|| format!("{issuer}-0"), |epoch| epoch.key.clone())
    }

    fn now(&self) -> u64 {
        self.clock
    }

    fn pause(&mut self, pause: Pause) {
        let to_the_hour = HOUR - self.clock % HOUR;
        self.clock += match pause {
            Pause::Minute => 60,
            Pause::HalfHour => HOUR / 2,
            Pause::Hour { early } => to_the_hour - u64::from(early),
        };
    }

    /// An event of an issuer at its next place.
    fn draft(&self, kind: &'static str, issuer: &str, subject: Value, body: Value) -> Draft {
        let epochs = self.epochs(issuer);
        let mut wants = Vec::new();
        match epochs.last() {
            None => wants.push((Rank::Standing, "issuer-unknown")),
            Some(epoch) if epoch.closed => wants.push((Rank::Standing, "issuer-closed")),
            Some(_) => {}
        }
        let last = epochs.last().and_then(|epoch| epoch.chain.last());
        let place = last.map_or((1, ZEROS.to_owned()), |last| (last.seq + 1, last.id.hex()));
        Draft {
            kind,
            issuer: issuer.to_owned(),
            epoch: epochs.len().max(1),
            place: (kind != "build").then_some(place),
            refs: Vec::new(),
            subject,
            body,
            signers: vec![self.key(issuer)],
            wants,
            change: Change::Nothing,
            recorded: self.now(),
            site: (issuer == AT_A_SITE).then_some(SITE),
            sealed: None,
            record: None,
            off_subject: false,
        }
    }

    /// The event that a step is, with its fault.
    pub(super) fn next(&mut self, step: &Step, fault: Fault, pause: Pause) -> Made {
        self.steps += 1;
        self.pause(pause);
        let draft = match step {
            Step::Open { who, key, previous } => self.open(ISSUERS[*who], *key, previous),
            Step::Close { who, last, compromised, supervised } => {
                self.close(ISSUERS[*who], last, *compromised, *supervised)
            }
            Step::Build { who } => self.build(ISSUERS[*who]),
            Step::Update { who, build } => self.update(ISSUERS[*who], build.as_ref()),
            Step::Revoke { who, update } => self.revoke(ISSUERS[*who], update),
            Step::Beat { who } => {
                let issuer = ISSUERS.iter().chain(&ROLES).nth(*who).unwrap();
                let to = self.now();
                Draft {
                    change: Change::Beat { to },
                    ..self.draft("heartbeat", issuer, Value::Null, json!({ "to": to }))
                }
            }
            Step::Charter { change, previous, readers } => self.charter(*change, previous.as_ref(), readers),
            Step::SealingKey { who, wraps } => self.sealing_key(*who, *wraps),
            Step::Access { who, window, sent, on_the_hour } => self.access(*who, window, *sent, *on_the_hour),
            Step::Erase { who, supervised, aims, reason, when } => self.erase(*who, *supervised, aims, *reason, *when),
        };
        self.make(draft, fault)
    }

    fn open(&mut self, issuer: &str, choice: KeyChoice, previous: &Index) -> Draft {
        let epochs = self.epochs(issuer).to_vec();
        let key = match (choice, epochs.first(), epochs.last()) {
            (KeyChoice::Kept, _, Some(epoch)) | (KeyChoice::First, Some(epoch), _) => epoch.key.clone(),
            _ => {
                self.keys += 1;
                format!("{issuer}-{}", self.keys)
            }
        };
        let mut body = json!({ "vkey": vkey(&key), "heartbeat_s": 86_400, "jurisdiction": "CH" });
        let releases = issuer.starts_with("release");
        if releases {
            body["types"] = json!({ "update": "strict" });
            body["streams"] = json!([{ "packageId": "app", "channel": "stable", "regional": false }]);
        } else if issuer.starts_with("gate") {
            body["types"] = json!({ "access": "strict" });
            if issuer == AT_A_SITE {
                body["sites"] = json!([SITE]);
            }
        } else {
            body["types"] = json!({ "build": "none" });
            body["builders"] = json!([BUILDER]);
        }
        let mut draft = self.draft("issuer-open", issuer, public(&key), body);
        draft.wants.clear();
        draft.epoch = epochs.len() + 1;
        draft.place = Some((1, ZEROS.to_owned()));
        draft.signers = vec![key.clone(), self.key("operator"), self.key("supervisor")];
        let mut named = None;
        if let Some(before) = epochs.last() {
            let place = *previous.get(&before.chain);
            draft.body["previous"] = place.named();
            named = Some(place);
            let is_known = epochs.iter().any(|epoch| epoch.key == key);
            if is_known && (before.key != key || before.compromised) {
                draft.wants.push((Rank::Body, "key-reused"));
            }
        }
        let is_open = |other: &str| self.epochs(other).last().is_some_and(|epoch| !epoch.closed);
        if releases && ISSUERS[2..4].iter().any(|other| *other != issuer && is_open(other)) {
            draft.wants.push((Rank::Body, "stream"));
        }
        let last = epochs.last().and_then(|before| before.last);
        if last.is_some() && last != named {
            draft.wants.push((Rank::Body, "previous"));
        }
        draft.change = Change::Open { key, previous: named };
        draft
    }

    fn close(&self, issuer: &str, last: &Index, compromised: bool, supervised: bool) -> Draft {
        let epochs = self.epochs(issuer);
        let place = epochs
            .last()
            .map_or(Place { seq: 1, id: EventId::ZERO, index: 0, recorded: 0 }, |epoch| *last.get(&epoch.chain));
        let reason = if compromised { "compromised" } else { "planned" };
        let body = json!({ "issuer": issuer, "epoch": epochs.len().max(1), "reason": reason, "last": place.named() });
        let mut draft = self.draft("issuer-close", "operator", public(&self.key(issuer)), body);
        if supervised {
            draft.signers.push(self.key("supervisor"));
        } else if epochs.last().is_some_and(|epoch| epoch.entries.iter().any(|index| *index > place.index)) {
            draft.wants.push((Rank::Disowning, "signer-set"));
        }
        match epochs.last() {
            None => draft.wants.push((Rank::Body, "issuer-unknown")),
            Some(epoch) if epoch.closed => draft.wants.push((Rank::Body, "issuer-closed")),
            Some(_) => {}
        }
        draft.change = Change::Close { issuer: issuer.to_owned(), last: place, compromised };
        draft
    }

    fn build(&self, issuer: &str) -> Draft {
        let digest = sha256(format!("file {}", self.steps).as_bytes());
        let body = json!({
            "purl": "pkg:generic/app@1.0.0",
            "source": { "uri": "git+https://git.example/app", "digest": { "gitTree": "ab".repeat(20) } },
            "builder_id": BUILDER, "build_type": "https://build.example/container", "invocation_id": "run",
            "started": self.now() - 60, "finished": self.now(), "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
        });
        let files = json!([{ "name": "app", "digest": { "sha256": digest } }]);
        let mut draft = self.draft("build", issuer, files, body);
        if issuer.starts_with("release") {
            draft.wants.push((Rank::Right, "type-not-allowed"));
        }
        draft.change = Change::Build { digest };
        draft
    }

    fn update(&self, issuer: &str, build: Option<&Index>) -> Draft {
        let unknown = (EventId(Hash::of(b"no event")), sha256(b"no file"));
        let chosen = build.map(|build| if self.builds.is_empty() { &unknown } else { build.get(&self.builds) });
        let digest = chosen.map_or_else(|| sha256(b"file of others"), |(_, digest)| digest.clone());
        let body = json!({
            "purl": "pkg:generic/app@1.0.0", "packageId": "app", "channel": "stable", "kind": "engine",
            "audience": ["all"], "release_seq": self.releases + 1, "built_here": chosen.is_some(),
        });
        let files = json!([{ "name": "app", "digest": { "sha256": digest }, "annotations": { "size": 3 } }]);
        let mut draft = self.draft("update", issuer, files.clone(), body);
        if let Some((id, _)) = chosen {
            draft.refs.push(json!({ "rel": "releases", "event_id": id.hex() }));
            if self.builds.is_empty() {
                draft.wants.push((Rank::Reference, "ref-missing"));
            }
        }
        draft.change = Change::Update { subject: json!([{ "name": "app", "digest": { "sha256": digest } }]) };
        draft
    }

    fn revoke(&self, issuer: &str, update: &Index) -> Draft {
        let unknown =
            (EventId(Hash::of(b"no event")), json!([{ "name": "app", "digest": { "sha256": sha256(b"no file") } }]));
        let (id, files) = if self.updates.is_empty() { &unknown } else { update.get(&self.updates) };
        let mut draft = self.draft("update-revoke", issuer, files.clone(), json!({ "reason": "security" }));
        draft.refs.push(json!({ "rel": "revokes", "event_id": id.hex() }));
        if self.updates.is_empty() {
            draft.wants.push((Rank::Reference, "ref-missing"));
        }
        draft
    }

    /// The next charter, with a new key for one role or for none, and with other readers or the same.
    fn charter(&mut self, change: Option<usize>, previous: Option<&Index>, readers: &Readers) -> Draft {
        let (readers, wants) = self.other_readers(readers);
        let mut body = self.charter.clone();
        body["version"] = json!(body["version"].as_u64().unwrap() + 1);
        body["prev"] = json!(self.charter_id.hex());
        let mut signers = vec![self.key("operator"), self.key("supervisor")];
        let role = change.map(|role| {
            self.keys += 1;
            let (epochs, key) = (self.epochs(ROLES[role]), format!("{}-{}", ROLES[role], self.keys + 1));
            let chain = &epochs.last().unwrap().chain;
            let named = previous.filter(|_| !chain.is_empty()).map(|previous| *previous.get(chain));
            body[ROLES[role]] = json!({ "epoch": epochs.len() + 1, "vkey": vkey(&key) });
            signers.push(key.clone());
            (role, key, named)
        });
        body["readers"] = sealed::shown(&readers);
        let kept = body.clone(); // the version after names no `previous` again
        if let Some((role, _, Some(named))) = &role {
            body[ROLES[*role]]["previous"] = named.named();
        }
        let mut draft = self.draft("charter", "operator", subject(&sha256(ORIGIN.as_bytes())), body);
        draft.signers = signers;
        draft.wants.extend(wants);
        let readers = (readers != self.readers).then_some(readers);
        draft.change = Change::Charter { body: kept, role, readers };
        draft
    }

    /// Makes one thing wrong, where this event has it.
    fn spoil(&self, draft: &mut Draft, fault: Fault) {
        let open = self.epochs(&draft.issuer).last();
        let is_opening = draft.kind == "issuer-open";
        match (fault, &mut draft.place) {
            (Fault::Ahead, Some((seq, prev))) => (*seq, *prev) = (*seq + 1, sha256(b"no event")),
            (Fault::Taken, Some((seq, prev))) if *seq > 1 => {
                (*seq, *prev) = (*seq - 1, open.map(|epoch| epoch.prev.clone()).unwrap());
            }
            (Fault::Prev, Some((seq, prev))) if *seq > 1 => *prev = sha256(b"no event"),
            (Fault::Body, _) if draft.kind == "heartbeat" => {
                let Some(to) = open.and_then(|epoch| epoch.to) else { return };
                draft.body["to"] = json!(to - 1);
                return draft.wants.push((Rank::Body, "clock-order"));
            }
            (Fault::Epoch, _) if !is_opening => {
                draft.epoch += 1;
                return draft.wants.push((Rank::Standing, "epoch"));
            }
            (Fault::Signature, _) => return draft.wants.push((Rank::Signature, "signature")),
            (Fault::Subject, _) if ["sealing-key", "access", "erasure"].contains(&draft.kind) => {
                let element = &subject(&sha256(b"another subject"))[0];
                draft.subject = json!([element, element]);
                if draft.body["class"] != "subject" && self.steps.is_multiple_of(2) {
                    draft.subject = json!([element]);
                }
                draft.off_subject = true;
                return;
            }
            (Fault::Site, _) => {
                draft.site = match draft.site {
                    None => Some(SITE),
                    Some(_) if self.steps.is_multiple_of(2) => None,
                    Some(_) => Some("CH-BE-1"),
                };
                return draft.wants.push((Rank::Site, "site"));
            }
            (Fault::Soon | Fault::TooSoon, _) if draft.kind != "access" && draft.kind != "erasure" => {
                draft.recorded += 60 + u64::from(fault == Fault::TooSoon);
                return;
            }
            (Fault::Soon | Fault::TooSoon, _) if draft.kind == "access" => {
                draft.recorded += HOUR;
                return;
            }
            (Fault::Past, Some(_)) if draft.kind != "erasure" && !is_opening => {
                let Some(last) = open.and_then(|epoch| epoch.chain.last()) else { return };
                let hour = last.recorded - last.recorded % HOUR;
                draft.recorded = hour - if draft.kind == "access" { HOUR } else { 1 };
                return;
            }
            (Fault::Record, _) if draft.sealed.is_none() => {
                draft.record = Some(vec![7; 1_088]);
                return draft.wants.push((Rank::Sent, "malformed"));
            }
            (Fault::Body, _) if draft.kind == "update" => {
                draft.body["release_seq"] = json!(self.releases + 2);
                return draft.wants.push((Rank::Body, "release-position"));
            }
            _ => return,
        }
        draft.wants.push((Rank::Position, "position"));
    }

    /// What depends on when an event is recorded.
    fn expect_by_time(&self, draft: &mut Draft) {
        if draft.recorded > self.now() + 60 {
            draft.wants.push((Rank::Early, "too-early"));
        }
        let chained = draft.place.is_some() && draft.kind != "issuer-open";
        let last = self.epochs(&draft.issuer).last().and_then(|epoch| epoch.chain.last()).filter(|_| chained);
        if last.is_some_and(|last| draft.recorded < last.recorded - last.recorded % HOUR) {
            draft.wants.push((Rank::Order, "clock-order"));
        }
        self.expect_of_sealed(draft);
    }

    fn make(&self, mut draft: Draft, fault: Fault) -> Made {
        self.spoil(&mut draft, fault);
        self.expect_by_time(&mut draft);
        let mut hdr = json!({
            "origin": ORIGIN, "issuer": draft.issuer, "epoch": draft.epoch, "recorded": draft.recorded,
        });
        if let Some(site) = draft.site {
            hdr["site"] = json!(site);
        }
        if let Some((seq, prev)) = &draft.place {
            (hdr["seq"], hdr["prev"]) = (json!(seq), json!(prev));
        } else {
            hdr["nonce"] = json!(sha256(&self.steps.to_be_bytes())[..32]);
        }
        if draft.kind == "heartbeat" {
            draft.subject = subject(&draft.place.as_ref().unwrap().1);
        }
        if !draft.refs.is_empty() {
            hdr["refs"] = json!(draft.refs);
        }
        let keyid = |name: &String| seed(name, KeyKind::Ed25519).vkey().keyid();
        let mut cosigners: Vec<String> = draft.signers[1..].iter().map(keyid).collect();
        cosigners.sort();
        if !cosigners.is_empty() {
            hdr["cosigners"] = json!(cosigners);
        }
        let mut statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": draft.subject,
            "predicateType": format!("https://vitrine.example/{}/v0", draft.kind),
            "predicate": { "hdr": hdr, "body": draft.body },
        });
        if let Some((commit, sealed)) = draft.sealed {
            (statement["predicate"]["commit"], statement["predicate"]["sealed"]) = (commit, sealed);
        }
        let payload = serde_json_canonicalizer::to_vec(&statement).unwrap();
        let message = messages::pae("application/vnd.in-toto+json", &payload);
        let id = EventId(Hash::of(&message));
        let mut envelope = Envelope { payload, signatures: Vec::new() };
        for (place, name) in draft.signers.iter().enumerate() {
            let signs = if place == 0 && fault == Fault::Signature { b"another message" } else { message.as_slice() };
            let seed = seed(name, KeyKind::Ed25519);
            envelope.add(seed.vkey().keyid(), seed.sign_ed25519(signs).unwrap());
        }
        let (seq, prev) = draft.place.map_or((None, String::new()), |(seq, prev)| (Some(seq), prev));
        let first = |wants: &[(Rank, &'static str)]| wants.iter().min_by_key(|(rank, _)| *rank).map(|(_, code)| *code);
        let want = first(&draft.wants);
        draft.wants.retain(|want| !ON_ARRIVAL.contains(want));
        Made {
            submission: Submission { envelope, sealed: draft.record }.print(),
            kind: draft.kind,
            want,
            want_of_leaf: first(&draft.wants),
            now: self.now(),
            recorded: draft.recorded,
            change: draft.change,
            issuer: draft.issuer,
            id,
            seq,
            prev,
        }
    }

    /// Learns of an event that was taken.
    pub(super) fn taken(&mut self, made: &Made) {
        let index = self.size;
        self.size += 1;
        if let Change::Open { key, previous } = &made.change {
            let epochs = self.issuers.entry(made.issuer.clone()).or_default();
            if let Some(before) = epochs.last_mut() {
                before.end(previous.or(before.last), index);
            }
            epochs.push(Epoch { key: key.clone(), ..Epoch::default() });
        }
        let own = self.issuers.get_mut(&made.issuer).and_then(|epochs| epochs.last_mut()).unwrap();
        own.entries.push(index);
        if let Change::Beat { to } = made.change {
            own.to = Some(to);
        }
        if let Some(seq) = made.seq {
            let place = Place { seq, id: made.id, index, recorded: made.recorded };
            own.chain.push(place);
            own.prev.clone_from(&made.prev);
            match made.change {
                Change::SealingKey => own.sealing.push(place),
                Change::Access => {
                    let epoch = self.issuers[&made.issuer].len();
                    self.accesses.push(Access { place, issuer: made.issuer.clone(), epoch });
                }
                _ => {}
            }
        }
        match &made.change {
            Change::Nothing | Change::Open { .. } | Change::Beat { .. } | Change::SealingKey | Change::Access => {}
            Change::Close { issuer, last, compromised } => {
                let epoch = self.issuers.get_mut(issuer).and_then(|epochs| epochs.last_mut()).unwrap();
                epoch.end(Some(*last), index);
                epoch.compromised = *compromised;
            }
            Change::Build { digest } => self.builds.push((made.id, digest.clone())),
            Change::Update { subject } => {
                self.updates.push((made.id, subject.clone()));
                self.releases += 1;
            }
            Change::Charter { body, role, readers } => {
                (self.charter, self.charter_id) = (body.clone(), made.id);
                if let Some(readers) = readers {
                    self.former = std::mem::replace(&mut self.readers, readers.clone());
                    let left = self.former.iter().filter(|reader| readers.iter().all(|kept| kept.name != reader.name));
                    self.gone.extend(left.cloned());
                    self.readers_since = index;
                }
                if let Some((role, key, previous)) = role {
                    let epochs = self.issuers.get_mut(ROLES[*role]).unwrap();
                    epochs.last_mut().unwrap().end(*previous, index);
                    epochs.push(Epoch { key: key.clone(), ..Epoch::default() });
                }
            }
        }
    }

    /// Every entry with its issuer and epoch, and whether a later one disowned it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &str, usize, bool)> {
        self.issuers.iter().flat_map(|(name, epochs)| {
            epochs.iter().enumerate().flat_map(move |(before, epoch)| {
                epoch.entries.iter().map(move |index| {
                    let disowned = epoch.last.is_some_and(|last| *index > last.index) && *index != epoch.by;
                    (*index, name.as_str(), before + 1, disowned)
                })
            })
        })
    }
}

impl Epoch {
    fn end(&mut self, last: Option<Place>, by: u64) {
        if !self.closed {
            (self.closed, self.last, self.by) = (true, last, by);
        }
    }
}
