//! Sealed records of a log in memory, honest and broken in every way, and who is blamed for each (leaf-format.md 6).

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::event::sealed_statement_value;
use vitrine_spec::fields::{FIELDS, Field, nothing};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{self, Value};
use vitrine_spec::sealing::{Context, seal};
use vitrine_spec::statement::Kind;
use vitrine_spec::text::{b64, hex};
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{Pins, Witnessing};
use vitrine_spec::wrap::{ReaderSeed, WindowKey, WrapFor, wrap};

use super::super::ask::Asking;
use super::super::ask::given::read;
use super::super::engine::{Audited, Question, audit};
use super::super::report::{Severity, Window};
use super::super::sealing::{Asked, Sealing};
use super::super::source::memory::Memory;
use super::*;
use crate::event_file::EventFile;
use crate::exit::Exit;
use crate::sealed_source::encode;
use crate::world::{NOW, ORIGIN, World, access_charter, event_key, readers};

/// How one access is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bend {
    Honest,
    /// The slot of the access before.
    SlotOfBefore,
    /// One bit of the ciphertext.
    Cipher,
    /// A byte behind the text.
    Padding,
    /// Not the values of the commitment.
    Commitment,
    /// A value that is not in the table.
    Value,
    /// Sealed for another header.
    Header,
    /// A sealing key that the log does not hold.
    NoKey,
    /// 1,088 zeros, with their digest in the leaf.
    Zeros,
}

/// How the sealing key is wrapped for the supervisor's reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapped {
    Honest,
    /// One bit of the wrap.
    Damaged,
    /// Another key than that of `check`.
    OtherKey,
    /// For another issuer.
    OtherInfo,
}

/// A log with a chain of `gateway` whose records can be bent.
struct Gateway {
    world: World,
    seq: u64,
    prev: String,
    window: WindowKey,
    key: u64,
    sealed: u64,
    /// What the log serves.
    records: BTreeMap<u64, Vec<u8>>,
    operator: (u64, String),
    /// Whose key signs in the name of `gateway`.
    signer: &'static str,
}

/// The vault of a log: what it answers, and what it was asked.
struct Vault {
    records: BTreeMap<u64, Vec<u8>>,
    answer: Option<Vec<u8>>,
    asked: RefCell<Vec<(u64, u64)>>,
}

impl SealedSource for Vault {
    fn sealed(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<u8>, Failure> {
        self.asked.borrow_mut().push((from, to));
        let mut answer = Vec::new();
        self.records.range(from..to).for_each(|(index, record)| encode(&mut answer, *index, record));
        let answer = self.answer.clone().unwrap_or(answer);
        assert!(answer.len() as u64 <= bytes_max, "{} bytes, {bytes_max} were expected", answer.len());
        Ok(answer)
    }
}

fn text(value: &serde_json::Value) -> Value {
    json::parse(value.to_string().as_bytes()).unwrap()
}

fn values(number: u64) -> [Value; FIELDS] {
    let mut values = nothing();
    let mut set = |field: Field, value: Value| values[field.number()] = value;
    set(Field::OccurredAt, format!("2026-11-21T16:{:02}:01.123Z", number % 60).as_str().into());
    set(Field::Op, if number.is_multiple_of(2) { "read" } else { "store" }.into());
    set(Field::Actor, format!("s-{number}").as_str().into());
    set(Field::Purpose, if number == 0 { "UNKNOWN" } else { "CUSTOMER_SUPPORT" }.into());
    set(Field::SubjectRegion, "EU".into());
    set(Field::Outcome, text(&json!({"result": "success"})));
    values
}

impl Gateway {
    /// Charter, opening of `gateway`, one sealing key.
    fn new(wrapped: Wrapped) -> Gateway {
        let world = World::access();
        let (prev, first) = (world.event(1).id().hex(), world.event(0).id().hex());
        let mut gateway = Gateway {
            world,
            seq: 1,
            prev,
            window: WindowKey::new([7; 32]),
            key: 0,
            sealed: 0,
            records: BTreeMap::new(),
            operator: (1, first),
            signer: "gateway",
        };
        gateway.sealing_key(wrapped);
        gateway
    }

    /// A log of these accesses.
    fn of(bends: &[Bend]) -> Gateway {
        let mut gateway = Gateway::new(Wrapped::Honest);
        bends.iter().for_each(|bend| gateway.access(*bend, NOW));
        gateway
    }

    fn header(&self, recorded: u64) -> serde_json::Value {
        json!({
            "origin": ORIGIN, "issuer": "gateway", "epoch": 1, "recorded": recorded, "site": "CH-ZH-1",
            "seq": self.seq + 1, "prev": self.prev,
        })
    }

    fn log(&mut self, statement: Value) -> u64 {
        let mut event = EventFile::unsigned(statement);
        event.sign(&event_key(self.signer)).unwrap();
        self.seq += 1;
        self.prev = event.id().hex();
        self.world.plant(&event.leaf());
        self.world.size() as u64 - 1
    }

    fn sealing_key(&mut self, wrapped: Wrapped) {
        self.window = WindowKey::new(*Hash::of(&self.seq.to_be_bytes()).as_bytes());
        self.key = self.seq + 1;
        let mut all = Vec::new();
        let mut wraps = Vec::new();
        for (name, seed) in readers() {
            let bent = if name == "supervisor-1" { wrapped } else { Wrapped::Honest };
            let issuer = if bent == Wrapped::OtherInfo { "another" } else { "gateway" };
            let target = WrapFor { origin: ORIGIN, issuer, epoch: 1, seq: self.key, reader: name };
            let window = if bent == Wrapped::OtherKey { WindowKey::new([99; 32]) } else { self.window.clone() };
            let mut made = wrap(&window, &seed.public(), &target, &[3; 64]).unwrap();
            if bent == Wrapped::Damaged {
                *made.last_mut().unwrap() ^= 1;
            }
            all.extend_from_slice(&made);
            wraps.push(json!({"reader": name, "key": hex(&seed.key_id()), "wrap": b64(&made)}));
        }
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://vitrine.example/sealing-key/v0",
            "subject": [{"digest": {"sha256": Hash::of(&all).hex()}}],
            "predicate": {"hdr": self.header(NOW), "body": {
                "alg": "hpke-xwing-hkdf256-chacha20poly1305", "check": self.window.check().hex(), "wraps": wraps,
            }},
        });
        self.log(text(&statement));
    }

    fn access(&mut self, bend: Bend, recorded: u64) {
        let number = self.sealed;
        self.sealed += 1;
        let key = RecordKey::new(*Hash::of(&number.to_be_bytes()).as_bytes());
        let mut sealed = values(number);
        if bend == Bend::Value {
            sealed[Field::Purpose.number()] = "BECAUSE".into();
        }
        let committed = commit(&commitments(&key, &sealed));
        if bend == Bend::Commitment {
            sealed[Field::Actor.number()] = "somebody else".into();
        }
        let header = text(&self.header(recorded));
        let bound = text(&self.header(if bend == Bend::Header { recorded + 3_600 } else { recorded }));
        let context = Context::new(&committed, &bound.to_jcs());
        let jcs = Value::Array(sealed.to_vec()).to_jcs();
        let mut plain = u32::try_from(jcs.len()).unwrap().to_be_bytes().to_vec();
        plain.extend(jcs);
        plain.resize(1_024, 0);
        if bend == Bend::Padding {
            plain[1_023] = 1;
        }
        let mut record = seal(&key, &self.window, &context, &plain);
        match bend {
            Bend::SlotOfBefore => record[..48].copy_from_slice(&self.records.values().last().unwrap()[..48]),
            Bend::Cipher => record[500] ^= 1,
            Bend::Zeros => record.fill(0),
            _ => {}
        }
        let named = Sealed {
            key: if bend == Bend::NoKey { self.key + 1_000 } else { self.key },
            sha256: Hash::of(&record),
            size: record.len() as u64,
        };
        let index = self.log(sealed_statement_value(Kind::Access, header, &committed, &named));
        self.records.insert(index, record);
    }

    /// An event of the operator that the supervisor signs too.
    fn governed(&mut self, kind: &str, recorded: u64, subject: &serde_json::Value, body: &serde_json::Value) -> u64 {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": format!("https://vitrine.example/{kind}/v0"),
            "subject": subject,
            "predicate": {"hdr": {
                "origin": ORIGIN, "issuer": "operator", "epoch": 1, "recorded": recorded,
                "seq": self.operator.0 + 1, "prev": self.operator.1,
                "cosigners": [event_key("supervisor").vkey().keyid()],
            }, "body": body},
        });
        let mut event = EventFile::unsigned(text(&statement));
        event.sign(&event_key("operator")).unwrap();
        event.sign(&event_key("supervisor")).unwrap();
        self.operator = (self.operator.0 + 1, event.id().hex());
        self.world.plant(&event.leaf());
        self.world.size() as u64 - 1
    }

    fn erase(&mut self, indices: &[u64]) -> u64 {
        let place = |index: u64| {
            let event = self.world.event(index as usize);
            (event.id().hex(), event.header_int("seq").unwrap())
        };
        let targets: BTreeMap<String, u64> = indices.iter().map(|index| place(*index)).collect();
        let subject: Vec<_> = targets.keys().map(|id| json!({"digest": {"sha256": id}})).collect();
        let targets: Vec<_> = targets
            .iter()
            .map(|(id, seq)| json!({"event_id": id, "at": {"issuer": "gateway", "epoch": 1, "seq": seq}}))
            .collect();
        let body = json!({
            "class": "record", "reason": "authority", "authority": "Order 7/2026 of the commissioner", "targets": targets,
            "places": [{"place": "backup tape 4", "until": "2027-01-31"}],
        });
        self.governed("erasure", NOW, &json!(subject), &body)
    }

    fn serve(&self) -> Memory {
        let mut memory = Memory::of(&self.world.leaves.borrow());
        memory.objects.insert("checkpoint".into(), self.world.note(None));
        memory
    }

    fn vault(&self) -> Vault {
        Vault { records: self.records.clone(), answer: None, asked: RefCell::default() }
    }

    fn pins(&self) -> Pins {
        let trust = format!(
            "charter = \"{}\"\norigin = \"{ORIGIN}\"\n[[issuer]]\nname = \"gateway\"\nepoch = 1\nvkey = \"{}\"\ntypes = [\"access\"]\n",
            access_charter().id().hex(),
            event_key("gateway").vkey()
        );
        Pins::new(self.world.policy(), TrustFile::parse(&trust).unwrap(), Witnessing::Required).unwrap()
    }
}

fn reader(name: &str) -> ReaderKey {
    let seed = readers().into_iter().find(|(known, _)| *known == name).map(|(_, seed)| seed);
    ReaderKey { sign: event_key(name), seal: seed.unwrap_or_else(|| ReaderSeed::new([9; 32])) }
}

/// An audit in `state` with a reader's key; what it saw comes back beside it.
fn run_in(
    state: &Path,
    gateway: &Gateway,
    vault: &Vault,
    name: &str,
    question: Question,
    sees: bool,
) -> (Audited, Vec<Access>) {
    let (key, copy) = (reader(name), Copy::open(state).unwrap());
    let mut seen: Vec<Access> = Vec::new();
    let sink: Option<&mut dyn AccessSink> = if sees { Some(&mut seen) } else { None };
    let reading = Reading { key: &key, records: vault, sink, late: sees };
    let question = Question { now: Some(NOW), ..question };
    let audited = audit(&gateway.serve(), &copy, &gateway.pins(), &question, Some(reading), |_, _| ()).unwrap();
    (audited, seen)
}

fn run(gateway: &Gateway, vault: &Vault, name: &str) -> (Audited, Vec<Access>) {
    let state = tempfile::tempdir().unwrap();
    run_in(state.path(), gateway, vault, name, Question::default(), true)
}

/// Code and entry of everything found but notes.
fn found(audited: &Audited) -> Vec<(String, Option<u64>)> {
    let all = audited.report.sections.iter().flat_map(|section| &section.findings);
    all.filter(|finding| finding.severity > Severity::Note)
        .map(|finding| (finding.code.clone(), finding.place.as_ref().and_then(|place| place.index)))
        .collect()
}

fn section<'a>(audited: &'a Audited, name: &str) -> &'a Section {
    audited.report.sections.iter().find(|section| section.name == name).unwrap()
}

fn blamed(access: &Access) -> Option<Blame> {
    match &access.state {
        State::NotOpened { blame, .. } => Some(*blame),
        State::Opened(_) | State::Erased { .. } => None,
    }
}

#[test]
fn an_honest_log_shows_every_record_and_what_it_counts() {
    let gateway = Gateway::of(&[Bend::Honest; 4]);
    let vault = gateway.vault();
    for name in ["supervisor-1", "vault-1"] {
        let (audited, seen) = run(&gateway, &vault, name);
        assert_eq!(found(&audited), [], "{}", audited.report.text());
        assert_eq!((audited.report.verdict, audited.run.evidence.len()), ("verified", 0));
        let indices: Vec<u64> = seen.iter().map(|access| access.index).collect();
        assert_eq!(indices, [3, 4, 5, 6]);
        assert!(seen.iter().zip(0..).all(|(access, number)| *access.values().unwrap().all() == values(number)));
        assert_eq!((seen[0].issuer.as_str(), seen[0].epoch, seen[0].seq, seen[0].recorded), ("gateway", 1, 3, NOW));
        let records = section(&audited, "records");
        assert!(records.checked.iter().any(|line| line.starts_with("4 records opened")), "{records:?}");
        let table = |by: &str| {
            let table = records.counts.iter().find(|table| table.by == by);
            table.map(|table| table.rows.iter().map(|(value, count)| format!("{value} {count}")).collect::<Vec<_>>())
        };
        assert_eq!(table("issuer").unwrap(), ["gateway 4"]);
        assert_eq!(table("op").unwrap(), ["read 2", "store 2"]);
        assert_eq!(table("hour").unwrap(), ["2026-11-21T16 4"]);
        assert_eq!(table("actor").unwrap(), ["s-0 1", "s-1 1", "s-2 1", "s-3 1"]);
        assert_eq!(table("purpose").unwrap(), ["CUSTOMER_SUPPORT 3", "UNKNOWN 1"]);
        assert_eq!(table("region").unwrap(), ["EU 4"]);
        assert_eq!(table("UNKNOWN of gateway").unwrap(), ["purpose 1"]);
    }
    assert_eq!(*vault.asked.borrow(), [(0, 7), (0, 7)], "whole bundles, one request");
}

#[test]
fn without_a_readers_key_the_report_says_what_nobody_looked_at() {
    let gateway = Gateway::of(&[Bend::Honest, Bend::Cipher]);
    let state = tempfile::tempdir().unwrap();
    let copy = Copy::open(state.path()).unwrap();
    let question = Question { now: Some(NOW), ..Question::default() };
    let audited = audit(&gateway.serve(), &copy, &gateway.pins(), &question, None, |_, _| ()).unwrap();
    assert_eq!((found(&audited), audited.report.verdict), (vec![], "verified"));
    let text = audited.report.text();
    assert!(text.contains("not checked  the sealed records of 2 accesses: no --reader-key was given"), "{text}");
    assert!(text.contains("not checked  whether the wraps of sealing keys open"), "{text}");
    assert!(text.contains("1 sealing keys, of 1 issuers with accesses"), "{text}");
}

#[test]
fn what_an_issuer_sealed_badly_is_its_fault_and_the_record_is_kept() {
    //
    for (bend, code) in [
        (Bend::SlotOfBefore, "unopenable"),
        (Bend::Cipher, "unopenable"),
        (Bend::Padding, "unopenable"),
        (Bend::Commitment, "unopenable"),
        (Bend::Header, "unopenable"),
        (Bend::Zeros, "unopenable"),
        (Bend::Value, "record-invalid"),
    ] {
        let gateway = Gateway::of(&[Bend::Honest, bend, Bend::Honest]);
        let state = tempfile::tempdir().unwrap();
        let (audited, seen) =
            run_in(state.path(), &gateway, &gateway.vault(), "supervisor-1", Question::default(), true);
        assert_eq!(found(&audited), [(code.to_owned(), Some(4))], "{bend:?}");
        assert_eq!(super::super::exit(&audited), Exit::NotVerified, "{bend:?}");
        let text = &section(&audited, "records").findings[0].text;
        assert!(
            text.starts_with("gateway epoch 1 seq 4: entry 4: ") && text.contains("the issuer is to blame"),
            "{text}"
        );
        assert_eq!(seen.iter().map(blamed).collect::<Vec<_>>(), [None, Some(Blame::Issuer), None], "{bend:?}");
        // The log may not show it again; zeros say as much without being kept.
        let kept: Vec<Vec<u8>> =
            audited.run.evidence.iter().map(|path| std::fs::read(state.path().join(path)).unwrap()).collect();
        let wanted = if bend == Bend::Zeros { vec![] } else { vec![gateway.records[&4].clone()] };
        assert_eq!(kept, wanted, "{bend:?}");
    }
}

#[test]
fn what_the_log_serves_instead_of_the_leafs_record_is_the_logs_fault() {
    let gateway = Gateway::of(&[Bend::Honest; 3]);
    let misbehaved = |change: &dyn Fn(&mut Vault), code: &str, entries: &[u64], blame: Blame| {
        let mut vault = gateway.vault();
        change(&mut vault);
        let (audited, seen) = run(&gateway, &vault, "supervisor-1");
        let wanted: Vec<_> = entries.iter().map(|index| (code.to_owned(), Some(*index))).collect();
        assert_eq!(found(&audited), wanted);
        assert_eq!(super::super::exit(&audited), Exit::Misbehaved, "{code}");
        let not_checked = &section(&audited, "records").not_checked;
        assert!(
            not_checked.iter().any(|line| line.starts_with("that these answers are the log's own")),
            "{not_checked:?}"
        );
        for access in &seen {
            assert_eq!(blamed(access), entries.contains(&access.index).then_some(blame), "{code} {}", access.index);
        }
    };
    // The record of another event, in both places.
    let swap = |vault: &mut Vault| {
        let (three, four) = (vault.records[&3].clone(), vault.records[&4].clone());
        vault.records.extend([(3, four), (4, three)]);
    };
    misbehaved(&swap, "record.other", &[3, 4], Blame::Log);
    misbehaved(&|vault| vault.records.get_mut(&5).unwrap()[1_000] ^= 1, "record.other", &[5], Blame::Log);
    misbehaved(&|vault| vault.records.get_mut(&5).unwrap().truncate(64), "record.other", &[5], Blame::Log);
    misbehaved(&|vault| vault.records.get_mut(&5).unwrap().fill(0), "record.zeros", &[5], Blame::Log);
    misbehaved(&|vault| drop(vault.records.remove(&4)), "record.missing", &[4], Blame::Log);
    misbehaved(&|vault| vault.records.clear(), "record.missing", &[3, 4, 5], Blame::Log);
}

#[test]
fn an_answer_that_is_none_leaves_its_records_missing() {
    let gateway = Gateway::of(&[Bend::Honest; 3]);
    let whole = gateway.vault().sealed(0, 6, u64::MAX).unwrap();
    let one = whole.len() / 3;
    let out_of_order = [&whole[one..2 * one], &whole[..one]].concat();
    for answer in [whole[..whole.len() - 1].to_vec(), out_of_order, whole[4..].to_vec()] {
        let mut vault = gateway.vault();
        vault.answer = Some(answer);
        let (audited, _) = run(&gateway, &vault, "supervisor-1");
        let codes: Vec<String> = found(&audited).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, ["record.answer", "record.missing", "record.missing", "record.missing"]);
        assert_eq!(super::super::exit(&audited), Exit::Misbehaved);
    }
    // A record of an entry that has none: here instead of a missing one, so that the answer is not too long.
    let mut vault = gateway.vault();
    let moved = vault.records.remove(&3).unwrap();
    vault.records.insert(2, moved);
    let (audited, _) = run(&gateway, &vault, "supervisor-1");
    assert_eq!(found(&audited), [("record.answer".to_owned(), None), ("record.missing".to_owned(), Some(3))]);
}

#[test]
fn a_wrap_that_gives_no_key_is_one_readers_word() {
    //
    for wrapped in [Wrapped::Damaged, Wrapped::OtherKey, Wrapped::OtherInfo] {
        let mut gateway = Gateway::new(wrapped);
        gateway.access(Bend::Honest, NOW);
        gateway.access(Bend::Cipher, NOW);
        gateway.sealing_key(Wrapped::Honest);
        gateway.access(Bend::Honest, NOW);
        let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
        assert_eq!(found(&audited), [("unopenable-key".to_owned(), Some(2))], "{wrapped:?}");
        assert_eq!(super::super::exit(&audited), Exit::NotVerified);
        let text = &section(&audited, "sealing-keys").findings[0].text;
        assert!(text.contains("supervisor-1") && text.contains("one reader's word"), "{text}");
        if wrapped == Wrapped::OtherKey {
            assert!(text.contains(&gateway_check(&gateway)), "both checks are named: {text}");
        }
        assert_eq!(seen.iter().map(blamed).collect::<Vec<_>>(), [Some(Blame::Wrap), Some(Blame::Wrap), None]);
        let not_checked = &section(&audited, "records").not_checked;
        assert!(
            not_checked.iter().any(|line| line.starts_with("2 records under sealing keys whose wrap")),
            "{not_checked:?}"
        );
        // The other reader has that key, and sees that the issuer sealed one of the two badly.
        let (audited, seen) = run(&gateway, &gateway.vault(), "vault-1");
        assert_eq!(found(&audited), [("unopenable".to_owned(), Some(4))]);
        assert_eq!(seen.iter().map(blamed).collect::<Vec<_>>(), [None, Some(Blame::Issuer), None]);
    }
}

/// The `check` of the first sealing key.
fn gateway_check(gateway: &Gateway) -> String {
    gateway.world.event(2).body("check").and_then(Value::as_text).unwrap().to_owned()
}

#[test]
fn who_is_no_reader_asks_for_nothing_and_is_told_so() {
    let gateway = Gateway::of(&[Bend::Honest; 2]);
    let vault = gateway.vault();
    let (audited, seen) = run(&gateway, &vault, "stranger-1");
    assert_eq!(found(&audited), [("reader.unknown".to_owned(), None)]);
    let text = &section(&audited, "records").findings[0].text;
    assert!(text.contains("supervisor-1, vault-1, none of them") && text.contains("stranger-1"), "{text}");
    assert_eq!(super::super::exit(&audited), Exit::NotVerified, "asked to open records, and none was opened");
    assert!(vault.asked.borrow().is_empty(), "the log would refuse it");
    assert!(seen.iter().all(|access| blamed(access) == Some(Blame::Nobody)) && seen.len() == 2);
}

#[test]
fn a_reader_who_came_later_opens_what_was_sealed_to_it() {
    let mut gateway = Gateway::of(&[Bend::Honest; 2]);
    let late = reader("late-1");
    let mut readers: Vec<_> = readers()
        .iter()
        .map(|(name, seed)| (name.to_string(), event_key(name).vkey().to_string(), seed.public()))
        .collect();
    readers.insert(0, ("late-1".into(), late.sign.vkey().to_string(), late.seal.public()));
    let charter = access_charter();
    let body = charter.statement().get("predicate").unwrap().get("body").unwrap().to_jcs();
    let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    body["version"] = json!(2);
    body["prev"] = json!(charter.id().hex());
    body["readers"] = readers
        .iter()
        .map(|(name, sign, seal)| json!({"name": name, "role": "supervisor", "sign": sign, "seal": b64(seal)}))
        .collect();
    let subject = json!([{"digest": {"sha256": Hash::of(ORIGIN.as_bytes()).hex()}}]);
    gateway.governed("charter", NOW, &subject, &body);
    let (audited, seen) = run(&gateway, &gateway.vault(), "late-1");
    assert_eq!(found(&audited), [], "{}", audited.report.text());
    assert!(seen.iter().all(|access| blamed(access) == Some(Blame::Nobody)));
    let text = audited.report.text();
    assert!(text.contains("not checked  2 records under sealing keys that were made for other readers"), "{text}");
    assert!(text.contains("not checked  1 sealing keys that were made for other readers alone"), "{text}");
}

#[test]
fn a_sealing_key_that_is_not_there_is_the_logs_fault() {
    let gateway = Gateway::of(&[Bend::Honest, Bend::NoKey]);
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    let wanted = [("log.admission".to_owned(), Some(4)), ("record.no-key".to_owned(), Some(4))];
    assert_eq!(found(&audited), wanted, "admission should have refused it");
    assert_eq!(seen.iter().map(blamed).collect::<Vec<_>>(), [None, Some(Blame::Log)]);
}

#[test]
fn what_a_log_signs_itself_in_an_issuers_name_accuses_nobody_but_the_log() {
    let mut gateway = Gateway::of(&[Bend::Honest]);
    gateway.signer = "release";
    gateway.access(Bend::Cipher, NOW);
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    assert_eq!(found(&audited), [("log.admission".to_owned(), Some(4))], "{}", audited.report.text());
    assert_eq!(seen.iter().map(blamed).collect::<Vec<_>>(), [None, Some(Blame::Nobody)]);
    assert!(!audited.report.text().contains("the issuer is to blame"), "{}", audited.report.text());
    // A second sealing key at the place of the first, so that what was sealed before would not open.
    let mut gateway = Gateway::of(&[Bend::Honest]);
    gateway.signer = "release";
    gateway.seq = 1;
    gateway.prev = gateway.world.event(1).id().hex();
    gateway.sealing_key(Wrapped::Damaged);
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    assert!(found(&audited).iter().all(|(code, _)| code != "unopenable"), "{}", audited.report.text());
    assert_eq!(seen.iter().map(blamed).collect::<Vec<_>>(), [None]);
}

#[test]
fn a_question_opens_what_came_after_the_period_began_whatever_its_issuer_says() {
    // Two events, then a checkpoint of the hour before; the access says that it was recorded two days earlier.
    let mut gateway = Gateway::new(Wrapped::Honest);
    gateway.access(Bend::Honest, NOW);
    let origin = Origin::new(ORIGIN).unwrap();
    let seed = reader("supervisor-1").seal;
    let window = Window { from: Some(NOW + 48 * 3_600), to: Some(NOW + 72 * 3_600) };
    for (since, opens) in [(None, false), (Some(3), true), (Some(4), false)] {
        let asked = Asked { window, late: true, since };
        let mut sealing = Sealing::new(&origin, Some(&seed), asked);
        for index in 0..gateway.world.size() {
            let event = seen::event(&gateway.world.event(index).leaf(), &origin).unwrap();
            sealing.see(index as u64, &event);
        }
        assert_eq!(sealing.spans(TreeSize::new(4)).len() == 1, opens, "{since:?}");
        assert_eq!(sealing.accesses(), (1, u64::from(!opens)), "{since:?}");
    }
}

#[test]
fn what_was_erased_is_named_with_authority_places_and_days() {
    //
    let mut gateway = Gateway::of(&[Bend::Honest; 3]);
    let by = gateway.erase(&[3, 5]);
    for index in [3, 5] {
        gateway.records.get_mut(&index).unwrap().fill(0);
    }
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    assert_eq!((found(&audited), audited.report.verdict), (vec![], "verified"), "{}", audited.report.text());
    let erased = State::Erased { by, authority: "Order 7/2026 of the commissioner".into() };
    assert_eq!((&seen[0].state, &seen[2].state), (&erased, &erased));
    assert!(seen[1].values().is_some());
    let text = audited.report.text();
    assert!(text.contains("entry 6 erases the records of 2 events (seq 3 of gateway, epoch 1; seq 5 of gateway, epoch 1), reason authority, on the authority of Order 7/2026 of the commissioner; other places: backup tape 4 until 2027-01-31") || text.contains("(seq 5 of gateway, epoch 1; seq 3 of gateway, epoch 1)"), "{text}");
    assert!(text.contains("2 records erased by right, 0 not opened"), "{text}");
    assert!(text.contains("2 records are named by erasures"), "{text}");
    assert!(text.contains("not checked  the other places that erasures name"), "{text}");
    assert_eq!(audited.facts.erased.len(), 1);
    assert_eq!(audited.facts.erased[0].places, [("backup tape 4".to_owned(), "2027-01-31".to_owned())]);
}

#[test]
fn an_erasure_that_the_log_has_not_carried_out_is_pending_and_its_record_is_not_opened() {
    let mut gateway = Gateway::of(&[Bend::Honest; 2]);
    let by = gateway.erase(&[3]);
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    assert_eq!(found(&audited), [("erasure.pending".to_owned(), Some(3))]);
    assert_eq!(super::super::exit(&audited), Exit::NotYet);
    assert!(matches!(seen[0].state, State::Erased { by: named, .. } if named == by));
    // Another record in its place is no erasure.
    let mut vault = gateway.vault();
    vault.records.get_mut(&3).unwrap()[60] ^= 1;
    let (audited, _) = run(&gateway, &vault, "supervisor-1");
    assert_eq!(found(&audited), [("record.other".to_owned(), Some(3))]);
}

#[test]
fn an_earlier_size_is_not_accused_of_what_was_erased_later() {
    let mut gateway = Gateway::of(&[Bend::Honest; 3]);
    let by = gateway.erase(&[4]);
    gateway.records.get_mut(&4).unwrap().fill(0);
    let early = Question { size: Some(6), ..Question::default() };
    let state = tempfile::tempdir().unwrap();
    let (audited, seen) = run_in(state.path(), &gateway, &gateway.vault(), "supervisor-1", early, true);
    assert_eq!((found(&audited), audited.report.size), (vec![], 6), "{}", audited.report.text());
    assert!(matches!(seen[1].state, State::Erased { by: named, .. } if named == by));
    assert!(
        audited.report.text().contains("1 records are zeros by erasures after the audited entries"),
        "{}",
        audited.report.text()
    );
    // Zeros that nothing explains stay the log's fault.
    gateway.records.get_mut(&5).unwrap().fill(0);
    let state = tempfile::tempdir().unwrap();
    let (audited, _) = run_in(state.path(), &gateway, &gateway.vault(), "supervisor-1", early, true);
    assert_eq!(found(&audited), [("record.zeros".to_owned(), Some(5))]);
}

#[test]
fn two_machines_with_one_key_make_one_report() {
    let mut gateway = Gateway::of(&[Bend::Honest, Bend::Value, Bend::SlotOfBefore, Bend::Honest]);
    let by = gateway.erase(&[6]);
    gateway.records.get_mut(&6).unwrap().fill(0);
    let (first, _) = run(&gateway, &gateway.vault(), "supervisor-1");
    let size = first.report.size;
    assert_eq!(size, by + 1);
    for _ in 0..600 {
        gateway.access(Bend::Honest, NOW);
    }
    let state = tempfile::tempdir().unwrap();
    let asked = Question { size: Some(size), ..Question::default() };
    let (second, _) = run_in(state.path(), &gateway, &gateway.vault(), "supervisor-1", asked, false);
    assert_eq!(first.report.json().unwrap(), second.report.json().unwrap());
    assert_eq!(first.report.text(), second.report.text());
    assert!(!first.report.text().contains("BECAUSE"), "what does not hold shows no value");
}

#[test]
fn a_window_opens_what_was_recorded_in_it_and_a_question_what_came_late() {
    let mut gateway = Gateway::new(Wrapped::Honest);
    for hour in 0..3 {
        gateway.access(Bend::Honest, NOW + hour * 3_600);
    }
    let window = Window { from: Some(NOW + 3_600), to: Some(NOW + 7_200) };
    let asked = Question { window, ..Question::default() };
    let see = |sees| {
        let state = tempfile::tempdir().unwrap();
        run_in(state.path(), &gateway, &gateway.vault(), "supervisor-1", asked, sees)
    };
    let (narrow, _) = see(false);
    let (wide, seen) = see(true);
    assert_eq!(seen.iter().map(|access| access.index).collect::<Vec<_>>(), [4, 5]);
    for audited in [&narrow, &wide] {
        let records = section(audited, "records");
        assert!(records.checked.iter().any(|line| line.starts_with("1 records opened")), "{records:?}");
    }
    let text = narrow.report.text();
    assert!(text.contains("2 of 3 accesses, recorded outside the window"), "{text}");
}

#[test]
fn a_disowned_access_counts_and_is_named() {
    let mut gateway = Gateway::of(&[Bend::Honest; 2]);
    let last = json!({"seq": 3, "event_id": gateway.world.event(3).id().hex()});
    let key = event_key("gateway").vkey();
    let subject = json!([{"digest": {"sha256": Hash::of(key.public()).hex()}}]);
    let body = json!({"issuer": "gateway", "epoch": 1, "reason": "compromised", "last": last});
    gateway.governed("issuer-close", NOW, &subject, &body);
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    assert!(seen.iter().all(|access| access.values().is_some()));
    let named = &section(&audited, "disowned").findings;
    assert_eq!(named.len(), 1);
    assert!(named[0].text.contains("entry 4 (access) is disowned by entry 5; the access counts"), "{}", named[0].text);
}

#[test]
fn many_records_come_in_spans_and_stay_in_order() {
    let mut gateway = Gateway::new(Wrapped::Honest);
    for _ in 0..700 {
        gateway.access(Bend::Honest, NOW);
    }
    let vault = gateway.vault();
    let (audited, seen) = run(&gateway, &vault, "supervisor-1");
    assert_eq!(found(&audited), [], "{}", audited.report.text());
    assert_eq!(*vault.asked.borrow(), [(0, 703)]);
    assert_eq!(seen.iter().map(|access| access.index).collect::<Vec<_>>(), (3..703).collect::<Vec<_>>());
}

#[test]
fn questions_rest_on_what_opened_and_on_the_chains() {
    let gateway = Gateway::of(&[Bend::Honest, Bend::Honest, Bend::Cipher, Bend::Honest]);
    let (audited, seen) = run(&gateway, &gateway.vault(), "supervisor-1");
    let ask = |names: &[&str], seen: &[Access]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut asking = Asking::new(read(&names, &["actor=s-1".to_owned()], Window::default()).unwrap());
        seen.iter().for_each(|access| asking.see(access));
        asking.finish(&audited.facts)
    };
    let [by_actor, silence] = ask(&["q3", "q7"], &seen).try_into().unwrap();
    assert_eq!(by_actor.rows.iter().map(|row| row.index).collect::<Vec<_>>(), [Some(4)]);
    assert_eq!(by_actor.not_answered.len(), 1);
    assert_eq!(by_actor.not_answered[0].indices.runs(), [(5, 5)]);
    assert!(by_actor.not_answered[0].why.starts_with("its record did not open (the issuer)"), "{by_actor:?}");
    assert!(!by_actor.complete);
    let against = by_actor.because.iter().filter(|because| !because.holds).count();
    assert_eq!(against, 1, "nothing but the record is missing: {:?}", by_actor.because);
    assert_eq!(silence.rows, []);
    // Without a reader's key the same question is asked of nothing, and says so.
    let [unread] = ask(&["q3"], &[]).try_into().unwrap();
    assert_eq!((unread.found(), unread.open()), (0, 4));
    assert!(unread.not_answered[0].why.contains("no reader's key was given"));
}
