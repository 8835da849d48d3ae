//! A whole log in memory for tests: admission by `vitrine_spec`, its own keys, one witness, and answers that can be bent.
//!
//! Not here: time-outs of a network; a bend says what the client would have seen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use vitrine_spec::admission::{self, Logged, Query};
use vitrine_spec::body::Body;
use vitrine_spec::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use vitrine_spec::cosignature::{encode, message};
use vitrine_spec::envelope::Submission;
use vitrine_spec::event::Event;
use vitrine_spec::fields::{self, Field, Values};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::json::Value;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::note::Signature;
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::{Tiles, inclusion};
use vitrine_spec::refusal::Refusal;
use vitrine_spec::sealing::open;
use vitrine_spec::state::State;
use vitrine_spec::text::b64;
use vitrine_spec::tiles::{BundleId, TileId, encode_bundle, encode_tile, tile_root};
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};
use vitrine_spec::trust::Fingerprint;
use vitrine_spec::wrap::{ReaderSeed, WrapFor, unwrap};

use crate::audit::source::memory::Memory;
use crate::audit::source::{Source, Want};
use crate::batch::Remote;
use crate::commands::charter;
use crate::deliver::Clock;
use crate::draft::{Chain, Draft, Subject};
use crate::event_file::{EventFile, Members, int, number};
use crate::exit::Failure;
use crate::http::{HttpError, Problem};
use crate::place::{Place, ZEROS};
use crate::policies::{self, Given, Keys};
use crate::replay::Bundles;
use crate::sealer::Signed;

pub(crate) const ORIGIN: &str = "example.com/log";
pub(crate) const NOW: u64 = 1_795_276_800;

/// What is done to one answer instead of giving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bend {
    /// Nothing is taken, with this status and `Retry-After`.
    Busy(u16, Option<u64>),
    /// The event is taken and the answer is lost.
    Lost,
    /// The proof holds another entry's leaf.
    OtherLeaf,
    /// A proof that holds, of another entry: in a batch, that entry's index and leaf hash.
    OtherEntry,
    /// One hash of the path is wrong; in a batch, the index alone.
    WrongPath,
    /// The checkpoint is signed by a key that is not the log's.
    OtherLog,
    /// No witness signed yet.
    NoWitness,
    /// A page instead of an answer.
    Page,
    /// A look-up says that its entries are the first one of the log.
    Misplaced,
}

/// The log.
pub(crate) struct World {
    pub(crate) state: RefCell<State>,
    pub(crate) leaves: RefCell<Vec<Vec<u8>>>,
    events: RefCell<Vec<Arc<Event>>>,
    pub(crate) bends: RefCell<VecDeque<Bend>>,
    pub(crate) bodies: RefCell<Vec<Vec<u8>>>,
    records: RefCell<BTreeMap<usize, Vec<u8>>>,
    pub(crate) policy_text: String,
}

/// A key whose bytes follow from its name.
pub(crate) fn seed(name: &str, kind: KeyKind) -> Seed {
    let bytes = Hash::of(format!("{name} {}", kind.byte()).as_bytes());
    Seed::new(name, kind, *bytes.as_bytes()).unwrap()
}

pub(crate) fn event_key(name: &str) -> Seed {
    seed(&format!("{name}.example.com"), KeyKind::Ed25519)
}

#[derive(Parser)]
struct CharterArgs {
    #[command(flatten)]
    new: charter::New,
}

/// The first charter, signed.
pub(crate) fn charter_event() -> EventFile {
    let vkey = |seed: &Seed| seed.vkey().to_string();
    let args = CharterArgs::parse_from([
        "charter",
        "--origin",
        ORIGIN,
        "--log-key",
        &vkey(&seed(ORIGIN, KeyKind::Ed25519)),
        "--log-key",
        &vkey(&seed(ORIGIN, KeyKind::MlDsa44)),
        "--operator",
        &vkey(&event_key("operator")),
        "--supervisor",
        &vkey(&event_key("supervisor")),
        "--vault",
        &vkey(&event_key("vault")),
        "--type",
        "update",
        "--type",
        "build",
        "--type",
        "rebuild",
        "--type",
        "verdict",
        "--type",
        "verdict",
        "--type",
        "rules",
        "--type",
        "correction",
        "--site",
        "CH-ZH-1=Zurich",
        "--recorded",
        &NOW.to_string(),
    ]);
    let mut event = charter::first(&args.new).unwrap();
    event.sign(&event_key("operator")).unwrap();
    event.sign(&event_key("supervisor")).unwrap();
    event
}

/// An event of `release` in its chain, without its place.
pub(crate) fn draft(kind: &str, fields: &[String], files: Vec<Subject>) -> Draft {
    Draft {
        kind: kind.to_owned(),
        origin: ORIGIN.to_owned(),
        issuer: "release".to_owned(),
        epoch: 1,
        chain: Chain::Later,
        recorded: NOW,
        site: None,
        cosigners: Vec::new(),
        refs: Vec::new(),
        body: Value::object([]),
        fields: fields.to_vec(),
        files,
        digests: BTreeMap::new(),
        attachments: Vec::new(),
    }
}

fn open_release() -> EventFile {
    let fields = [
        format!("vkey={}", event_key("release").vkey()),
        "types.update=strict".to_owned(),
        "heartbeat_s=86400".to_owned(),
        "jurisdiction=CH".to_owned(),
        "streams=app/stable".to_owned(),
    ];
    let mut draft = draft("issuer-open", &fields, Vec::new());
    draft.chain = Chain::At(1, ZEROS.to_owned());
    draft.cosigners = vec![event_key("operator").vkey().keyid()];
    draft.event().unwrap()
}

/// An update of `app stable`; `more` are further fields.
pub(crate) fn update(version: u32, more: &[&str]) -> EventFile {
    let mut fields = vec![
        format!("purl=pkg:generic/app@{version}"),
        "packageId=app".to_owned(),
        "channel=stable".to_owned(),
        "kind=product".to_owned(),
    ];
    fields.extend(more.iter().map(|field| (*field).to_owned()));
    let sha256 = Hash::of(&version.to_be_bytes()).hex();
    let file = Subject { name: "app".to_owned(), sha256, size: Some(4), produced: None };
    draft("update", &fields, vec![file]).event().unwrap()
}

/// A build by `farm` of `app` with this version, of files with these names and contents.
pub(crate) fn build(version: u32, files: &[(&str, &[u8])]) -> EventFile {
    let fields = [
        &format!("purl=pkg:generic/app@{version}"),
        "source.uri=https://git.example.com/app",
        "source.digest.gitTree=0123456789abcdef0123456789abcdef01234567",
        "builder_id=https://example.com/farm",
        "build_type=https://example.com/cargo",
        "invocation_id=1",
        "started=1795276700",
        "finished=1795276800",
        "build_site=CH-ZH-1",
        "signing_site=CH-ZH-1",
    ];
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let subject = |(name, bytes): &(&str, &[u8])| Subject {
        name: (*name).to_owned(),
        sha256: Hash::of(bytes).hex(),
        size: None,
        produced: None,
    };
    let mut draft = draft("build", &fields, files.iter().map(subject).collect());
    draft.issuer = "farm".to_owned();
    draft.chain = Chain::Unchained(format!("{version:032x}"));
    draft.event().unwrap()
}

/// The two readers of an access log, in the charter's order.
pub(crate) fn readers() -> [(&'static str, ReaderSeed); 2] {
    [("supervisor-1", ReaderSeed::new([1; 32])), ("vault-1", ReaderSeed::new([2; 32]))]
}

/// The first charter of a log that takes accesses, signed.
pub(crate) fn access_charter() -> EventFile {
    let mut statement = charter_event().statement().clone();
    let body = statement.entry("predicate").unwrap().entry("body").unwrap();
    let Some(Value::Array(mut types)) = body.get("types").cloned() else { panic!("types") };
    types.extend(["access", "erasure"].map(Value::from));
    types.sort_by(|a, b| a.as_text().cmp(&b.as_text()));
    body.set("types", Value::Array(types));
    let reader = |(name, seed): &(&str, ReaderSeed)| {
        Value::object([
            ("name", (*name).into()),
            ("role", name.split('-').next().unwrap().into()),
            ("sign", event_key(name).vkey().to_string().into()),
            ("seal", b64(&seed.public()).into()),
        ])
    };
    body.set("readers", Value::Array(readers().iter().map(reader).collect()));
    let mut event = EventFile::unsigned(statement);
    event.sign(&event_key("operator")).unwrap();
    event.sign(&event_key("supervisor")).unwrap();
    event
}

fn open_gateway() -> EventFile {
    let fields = [
        format!("vkey={}", event_key("gateway").vkey()),
        "types.access=strict".to_owned(),
        "heartbeat_s=3600".to_owned(),
        "jurisdiction=CH".to_owned(),
        "sites=CH-ZH-1".to_owned(),
    ];
    let mut draft = draft("issuer-open", &fields, Vec::new());
    draft.issuer = "gateway".to_owned();
    draft.site = Some("CH-ZH-1".to_owned());
    draft.chain = Chain::At(1, ZEROS.to_owned());
    draft.cosigners = vec![event_key("operator").vkey().keyid()];
    let mut event = draft.event().unwrap();
    event.sign(&event_key("gateway")).unwrap();
    event.sign(&event_key("operator")).unwrap();
    event
}

/// A next version of the charter that names a further reader.
pub(crate) fn add_reader(world: &World) {
    let state = world.state.borrow();
    let index = state.charter.as_ref().unwrap().index.get() as usize;
    let last = state.issuer("operator").unwrap().last.unwrap();
    drop(state);
    let before = world.event(index);
    let mut statement = before.statement().clone();
    let predicate = statement.entry("predicate").unwrap();
    let hdr = predicate.entry("hdr").unwrap();
    hdr.set("seq", number(last.seq + 1));
    hdr.set("prev", last.event_id.hex().into());
    hdr.set("cosigners", Value::Array(vec![event_key("supervisor").vkey().keyid().into()]));
    let body = predicate.entry("body").unwrap();
    let version = body.get("version").and_then(int).unwrap() + 1;
    body.set("version", number(version));
    body.set("prev", before.id().hex().into());
    let Some(Value::Array(mut readers)) = body.get("readers").cloned() else { panic!("readers") };
    let name = format!("vault-{version}");
    readers.push(Value::object([
        ("name", name.as_str().into()),
        ("role", "vault".into()),
        ("sign", event_key(&name).vkey().to_string().into()),
        ("seal", b64(&ReaderSeed::new([1 + version as u8; 32]).public()).into()),
    ]));
    body.set("readers", Value::Array(readers));
    let mut event = EventFile::unsigned(statement);
    event.sign(&event_key("operator")).unwrap();
    event.sign(&event_key("supervisor")).unwrap();
    world.append(&event.leaf()).unwrap();
}

/// An access with this `native_id`.
pub(crate) fn values(native_id: &str) -> Values {
    let mut values = fields::nothing();
    let mut set = |field: Field, value: Value| values[field.number()] = value;
    set(Field::OccurredAt, "2026-11-21T16:03:01.123Z".into());
    set(Field::Op, "read".into());
    set(Field::Outcome, Value::object([("result", "success".into())]));
    set(Field::NativeId, native_id.into());
    Values::new(values).unwrap()
}

impl World {
    /// A log with its charter and the issuer `release`, who owns the stream `app stable`.
    pub(crate) fn new() -> World {
        let world = World::empty();
        world.append(&charter_event().leaf()).unwrap();
        let mut open = open_release();
        open.sign(&event_key("release")).unwrap();
        open.sign(&event_key("operator")).unwrap();
        world.append(&open.leaf()).unwrap();
        world
    }

    /// A log with the further issuers `farm`, which builds, and `lab`, which rebuilds as a third party.
    pub(crate) fn with_builds() -> World {
        let world = World::new();
        world.open("farm", &["types.build=none", "builders=https://example.com/farm"]);
        world.open("lab", &["types.rebuild=none", "independence=third-party"]);
        world
    }

    /// Opens an issuer with its key.
    pub(crate) fn open(&self, issuer: &str, more: &[&str]) -> usize {
        let key = event_key(issuer);
        let mut fields =
            vec![format!("vkey={}", key.vkey()), "heartbeat_s=86400".to_owned(), "jurisdiction=CH".to_owned()];
        fields.extend(more.iter().map(|field| (*field).to_owned()));
        let mut draft = draft("issuer-open", &fields, Vec::new());
        draft.issuer = issuer.to_owned();
        draft.site = more.iter().find_map(|field| field.strip_prefix("sites=")).map(str::to_owned);
        draft.chain = Chain::At(1, ZEROS.to_owned());
        draft.cosigners = vec![event_key("operator").vkey().keyid()];
        let mut event = draft.event().unwrap();
        event.sign(&key).unwrap();
        event.sign(&event_key("operator")).unwrap();
        self.append(&event.leaf()).unwrap()
    }

    /// Logs an event at the next place of its issuer, signed by it and by the cosigners that are named.
    pub(crate) fn log_next(&self, event: &EventFile, cosigners: &[&str]) -> usize {
        let issuer = event.header_text("issuer").unwrap().to_owned();
        let mut place = Place::read(&issuer, &Remote::issuer(self, &issuer).unwrap()).unwrap();
        let mut event = place.put(event, true).unwrap();
        for signer in [issuer.as_str()].iter().chain(cosigners) {
            event.sign(&event_key(signer)).unwrap();
        }
        self.append(&event.leaf()).unwrap()
    }

    /// Logs an event that needs no place, signed by its issuer.
    pub(crate) fn log(&self, mut event: EventFile) -> usize {
        let issuer = event.header_text("issuer").unwrap().to_owned();
        event.sign(&event_key(&issuer)).unwrap();
        self.append(&event.leaf()).unwrap()
    }

    /// Shows an entry that no log would take.
    pub(crate) fn show(&self, leaf: &[u8]) {
        self.leaves.borrow_mut().push(leaf.to_vec());
        self.events.borrow_mut().push(Arc::new(Event::read_leaf(leaf).unwrap()));
    }

    /// A log that takes accesses, with two readers and the issuer `gateway` at one site.
    pub(crate) fn access() -> World {
        let world = World::empty();
        world.append(&access_charter().leaf()).unwrap();
        world.append(&open_gateway().leaf()).unwrap();
        world
    }

    /// Takes what a sealer made.
    pub(crate) fn submit_signed(&self, event: &Signed) -> Result<usize, Refusal> {
        self.take(event.waiting().submission().as_bytes()).map(|(index, _)| index)
    }

    /// The sealed record of an access.
    pub(crate) fn record(&self, index: usize) -> Vec<u8> {
        self.records.borrow()[&index].clone()
    }

    /// The event at an index, as `spec` reads it.
    pub(crate) fn logged(&self, index: usize) -> Arc<Event> {
        Arc::clone(&self.events.borrow()[index])
    }

    /// The fingerprint of its charter.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.event(0).id().0)
    }

    /// What each reader reads of each access, in the order of the log; every wrap, record and value is checked.
    pub(crate) fn read_all(&self) -> Vec<Values> {
        let mut windows = BTreeMap::new();
        let mut read = Vec::new();
        for (index, event) in self.events.borrow().iter().enumerate() {
            let header = &event.statement.header;
            match &event.statement.body {
                Body::SealingKey(sealing) => {
                    for (name, seed) in readers() {
                        let (issuer, seq) = (header.issuer.as_str(), header.seq.unwrap());
                        let target = WrapFor { origin: &header.origin, issuer, epoch: header.epoch, seq, reader: name };
                        let wrap = &sealing.wrap_of(name).unwrap().wrap;
                        windows.insert((name, seq), unwrap(&seed, &target, wrap, &sealing.check).unwrap());
                    }
                }
                Body::Access => {
                    let key = event.statement.sealed.as_ref().unwrap().key;
                    let record = &self.records.borrow()[&index];
                    let opened = readers().map(|(name, _)| open(&windows[&(name, key)], event, record).unwrap().values);
                    assert_eq!(opened[0], opened[1], "both readers read the same");
                    read.push(opened[0].clone());
                }
                _ => {}
            }
        }
        read
    }

    fn empty() -> World {
        let given = |name: &str, kind| Given { vkey: seed(name, kind).vkey(), url: None };
        let logs = [given(ORIGIN, KeyKind::Ed25519), given(ORIGIN, KeyKind::MlDsa44)];
        let witness = [given("w.example", KeyKind::Cosign), given("w.example", KeyKind::MlDsa44)];
        World {
            state: RefCell::default(),
            leaves: RefCell::default(),
            events: RefCell::default(),
            bends: RefCell::default(),
            bodies: RefCell::default(),
            records: RefCell::default(),
            policy_text: policies::make(Keys::Both, &logs, &witness, None).unwrap(),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::parse(&self.policy_text).unwrap()
    }

    pub(crate) fn size(&self) -> usize {
        self.leaves.borrow().len()
    }

    /// Event at an index.
    pub(crate) fn event(&self, index: usize) -> EventFile {
        EventFile::parse(&self.leaves.borrow()[index]).unwrap()
    }

    /// Takes a leaf, by the rules.
    pub(crate) fn append(&self, leaf: &[u8]) -> Result<usize, Refusal> {
        let look = |query: &Query| {
            let events = self.events.borrow();
            let found = events.iter().position(|event| match query {
                Query::Id(id) => event.id == *id,
                Query::At(issuer, epoch, seq) => event
                    .statement
                    .header
                    .place()
                    .is_some_and(|place| place.issuer == *issuer && place.epoch == *epoch && place.seq == *seq),
                Query::Attachment(_) => false,
            })?;
            Some(Logged { index: LeafIndex::new(found as u64), event: Arc::clone(&events[found]) })
        };
        let origin = Origin::new(ORIGIN).unwrap();
        let event = admission::fold(&mut self.state.borrow_mut(), leaf, &origin, look)?;
        self.events.borrow_mut().push(event);
        self.leaves.borrow_mut().push(leaf.to_vec());
        Ok(self.size() - 1)
    }

    /// The first index of a payload and whether it was there before.
    fn take(&self, body: &[u8]) -> Result<(usize, bool), Refusal> {
        let Submission { envelope, sealed } = Submission::parse(body, 1)?;
        let found = self.events.borrow().iter().position(|event| event.id == envelope.id());
        if let Some(index) = found {
            return Ok((index, true));
        }
        let index = self.append(&envelope.leaf())?;
        let named = self.events.borrow()[index].statement.sealed.map(|sealed| sealed.sha256);
        assert_eq!(named, sealed.as_deref().map(Hash::of), "the record is the one that the leaf names");
        if let Some(record) = sealed {
            self.records.borrow_mut().insert(index, record);
        }
        Ok((index, false))
    }

    /// Puts a leaf into the tree without judging it, as a log does that breaks the rules.
    pub(crate) fn plant(&self, leaf: &[u8]) {
        self.events.borrow_mut().push(Arc::new(Event::read_leaf(leaf).unwrap()));
        self.leaves.borrow_mut().push(leaf.to_vec());
    }

    /// The current checkpoint, signed by the log and, unless bent, by the witness.
    pub(crate) fn note(&self, bend: Option<Bend>) -> Vec<u8> {
        let mut frontier = Frontier::new();
        self.leaves.borrow().iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
        let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), frontier.size(), frontier.root());
        let sign = |seed: &Seed| {
            let message = message(seed.kind(), seed.name(), NOW, &checkpoint).unwrap();
            let bytes = match seed.kind() {
                KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
                KeyKind::Cosign => encode(NOW, &seed.sign_ed25519(&message).unwrap()),
                KeyKind::MlDsa44 => encode(NOW, &seed.sign_mldsa_deterministic(&message).unwrap()),
            };
            Signature::by(&seed.vkey(), bytes).unwrap()
        };
        let mut lines = if bend == Some(Bend::OtherLog) {
            vec![sign(&Seed::new(ORIGIN, KeyKind::Ed25519, [9; 32]).unwrap())]
        } else {
            vec![sign(&seed(ORIGIN, KeyKind::Ed25519)), sign(&seed(ORIGIN, KeyKind::MlDsa44))]
        };
        if bend != Some(Bend::NoWitness) {
            lines.push(sign(&seed("w.example", KeyKind::Cosign)));
            lines.push(sign(&seed("w.example", KeyKind::MlDsa44)));
        }
        SignedCheckpoint::new(checkpoint, lines).unwrap().print().into_bytes()
    }

    pub(crate) fn signed(&self) -> SignedCheckpoint {
        SignedCheckpoint::parse(&self.note(None)).unwrap()
    }

    pub(crate) fn proof(&self, index: usize, bend: Option<Bend>) -> Vec<u8> {
        let index = if bend == Some(Bend::OtherEntry) { 0 } else { index };
        let at = LeafIndex::new(index as u64);
        let mut hashes = inclusion(self, at, TreeSize::new(self.size() as u64)).unwrap();
        if bend == Some(Bend::WrongPath) {
            hashes[0] = Hash::of(b"wrong");
        }
        let leaf = if bend == Some(Bend::OtherLeaf) { 0 } else { index };
        let extra = Some(self.leaves.borrow()[leaf].clone());
        TlogProof { extra, index: at, hashes, checkpoint: self.note(bend) }.print()
    }

    /// An entry with its path, as look-ups show it.
    fn entry_json(&self, index: usize) -> serde_json::Value {
        let hashes = inclusion(self, LeafIndex::new(index as u64), TreeSize::new(self.size() as u64)).unwrap();
        let hashes: Vec<String> = hashes.iter().map(|hash| b64(hash.as_bytes())).collect();
        json!({"index": index, "event_id": self.event(index).id().hex(), "leaf": b64(&self.leaves.borrow()[index]), "hashes": hashes})
    }

    /// The next bend; a `Busy` one is the whole answer.
    fn bend(&self) -> Result<Option<Bend>, HttpError> {
        match self.bends.borrow_mut().pop_front() {
            Some(Bend::Busy(status, retry)) => Err(HttpError::Status {
                url: "log".into(),
                status,
                retry_after: retry.map(Duration::from_secs),
                problem: None,
                body: String::new(),
            }),
            other => Ok(other),
        }
    }
}

fn lost() -> HttpError {
    HttpError::Unreachable { url: "log".into(), why: "no answer in time".into() }
}

fn problem(refusal: &Refusal) -> Problem {
    serde_json::from_str(&String::from_utf8(refusal.problem().to_jcs()).unwrap()).unwrap()
}

impl Tiles for World {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        let mut level: Vec<Hash> = self.leaves.borrow().iter().map(|leaf| leaf_hash(leaf)).collect();
        for _ in 0..id.level() {
            level = level.chunks_exact(256).map(tile_root).collect();
        }
        let start = id.index() as usize * 256;
        let hashes = level.get(start..start + usize::from(id.width())).ok_or("no such tile")?;
        Ok(encode_tile(hashes))
    }
}

impl Bundles for World {
    fn read(&self, bundles: &[BundleId]) -> Result<Vec<Option<Vec<u8>>>, HttpError> {
        let leaves = self.leaves.borrow();
        let read = |id: &BundleId| {
            let start = id.start().get() as usize;
            let entries = leaves.get(start..start + usize::from(id.width()))?;
            Some(encode_bundle(entries.iter().map(Vec::as_slice)).unwrap())
        };
        Ok(bundles.iter().map(read).collect())
    }
}

impl Source for World {
    fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let mut memory = Memory::of(&self.leaves.borrow());
        memory.objects.insert("checkpoint".into(), self.note(None));
        memory.read(wants)
    }
}

impl Remote for World {
    fn issuer(&self, name: &str) -> Result<Vec<u8>, HttpError> {
        let state = self.state.borrow();
        let issuer = state.issuer(name).unwrap();
        let streams: Vec<_> = issuer
            .streams
            .iter()
            .map(|(stream, next)| {
                json!({"packageId": stream.package_id, "channel": stream.channel.as_str(), "next_release_seq": next})
            })
            .collect();
        let last = issuer
            .last
            .map(|last| json!({"seq": last.seq, "event_id": last.event_id.hex(), "recorded": last.recorded.get()}));
        let opened = self.entry_json(issuer.opened_at.get() as usize);
        let body = json!({"epoch": issuer.epoch, "vkey": issuer.vkey.to_string(), "open": issuer.open, "last": last,
            "streams": streams, "heartbeat_s": issuer.heartbeat_s, "opened": opened});
        Ok(body.to_string().into_bytes())
    }

    fn charter(&self) -> Result<Vec<u8>, HttpError> {
        let index = self.events.borrow().iter().rposition(|event| matches!(event.statement.body, Body::Charter(_)));
        let index = index.unwrap();
        let mut body = self.entry_json(index);
        body["checkpoint"] = String::from_utf8(self.note(None)).unwrap().into();
        Ok(body.to_string().into_bytes())
    }

    fn lookup(&self, query: &str) -> Result<Vec<u8>, HttpError> {
        let (name, wanted) = query.split_once('=').unwrap();
        let is_wanted = |event: &Event| match name {
            "event_id" => event.id.hex() == wanted,
            "sha256" => event.statement.subject_sha256().any(|sha256| sha256.hex() == wanted),
            other => panic!("{other}"),
        };
        let found: Vec<usize> =
            self.events.borrow().iter().enumerate().filter(|(_, event)| is_wanted(event)).map(|(at, _)| at).collect();
        let mut entries: Vec<_> = found.into_iter().map(|index| self.entry_json(index)).collect();
        if self.bends.borrow_mut().pop_front_if(|bend| *bend == Bend::Misplaced).is_some() {
            entries.iter_mut().for_each(|entry| entry["index"] = 0.into());
        }
        let body = json!({"checkpoint": String::from_utf8(self.note(None)).unwrap(), "entries": entries});
        Ok(body.to_string().into_bytes())
    }

    fn submit(&self, body: Vec<u8>) -> Result<(Vec<u8>, bool), HttpError> {
        self.bodies.borrow_mut().push(body.clone());
        let bend = self.bend()?;
        let (index, duplicate) = self.take(&body).map_err(|refusal| HttpError::Status {
            url: "log".into(),
            status: refusal.status(),
            retry_after: None,
            problem: Some(Box::new(problem(&refusal))),
            body: String::new(),
        })?;
        match bend {
            Some(Bend::Lost) => Err(lost()),
            Some(Bend::Page) => Ok((b"<html>".to_vec(), duplicate)),
            bend => Ok((self.proof(index, bend), duplicate)),
        }
    }

    fn submit_batch(&self, body: Vec<u8>) -> Result<Vec<u8>, HttpError> {
        self.bodies.borrow_mut().push(body.clone());
        let bend = self.bend()?;
        let mut answer = String::new();
        let mut broken = BTreeSet::new();
        for (number, line) in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let envelope = Submission::parse(line, 1).unwrap().envelope;
            let event = EventFile::parse(&envelope.leaf()).unwrap();
            let issuer = event.header_text("issuer").unwrap().to_owned();
            let value = if broken.contains(&issuer) {
                json!({"line": number + 1, "problem": {"code": "skipped", "title": "skipped", "detail": "an earlier line"}})
            } else {
                match self.take(line) {
                    Ok((index, duplicate)) => {
                        let shown = if bend == Some(Bend::OtherEntry) { 0 } else { index };
                        let hash = leaf_hash(&self.leaves.borrow()[shown]);
                        let index = if bend == Some(Bend::WrongPath) { 0 } else { shown };
                        json!({"line": number + 1, "event_id": event.id().hex(), "index": index,
                            "leaf_hash": b64(hash.as_bytes()), "duplicate": duplicate})
                    }
                    Err(refusal) => {
                        broken.insert(issuer);
                        let text = String::from_utf8(refusal.problem().to_jcs()).unwrap();
                        json!({"line": number + 1, "problem": serde_json::from_str::<serde_json::Value>(&text).unwrap()})
                    }
                }
            };
            answer.push_str(&format!("{value}\n"));
        }
        answer.push_str(&format!("{}\n", json!({"checkpoint": String::from_utf8(self.note(bend)).unwrap()})));
        if bend == Some(Bend::Lost) { Err(lost()) } else { Ok(answer.into_bytes()) }
    }

    fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, HttpError> {
        Ok(self.leaves.borrow()[index.get() as usize].clone())
    }

    fn tile(&self, tile: &TileId) -> Result<Vec<u8>, HttpError> {
        Tiles::tile(self, *tile).map_err(|why| HttpError::Unreachable { url: tile.path(), why })
    }
}

/// A clock that a test winds: a pause takes no time and is written down.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) left: Cell<Duration>,
    pub(crate) pauses: RefCell<Vec<Duration>>,
}

impl Clock for Watch {
    fn now(&self) -> u64 {
        NOW
    }

    fn left(&self) -> Duration {
        self.left.get()
    }

    fn pause(&self, pause: Duration) {
        self.left.set(self.left.get().saturating_sub(pause));
        self.pauses.borrow_mut().push(pause);
    }
}
