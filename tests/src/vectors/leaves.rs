//! The example logs, their sealed records and the refused submissions and requests: leaf by leaf and fault by fault.
//!
//! A log is folded without the leaves of types that come later and those that stand on them, if it holds any; so cases
//! that build on many leaves run too. Not here: HTTP, pools, a server's own refusals.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use vitrine_spec::admission::{self, Facts, Logged, Query};
use vitrine_spec::body::Body;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::{Envelope, Submission};
use vitrine_spec::event::Event;
use vitrine_spec::fields::Field;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyError, KeyKind, Seed};
use vitrine_spec::opening::Opening;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::request;
use vitrine_spec::sealing;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::words::Time;
use vitrine_spec::wrap::{self, ReaderSeed, WrapFor};

use super::input::{Input, Outcome, array, member, number, text, unb64, unhex, word};
use super::reason::Reason;
use super::report::{Report, Want};
use super::sealed::octets;

/// A log in memory: what a server's index would answer.
#[derive(Clone)]
struct Log {
    origin: Origin,
    state: State,
    events: BTreeMap<Query, Logged>,
    attachments: BTreeMap<Hash, u64>,
    left_out: Vec<String>,
}

impl Log {
    /// An empty log with the origin and the uploaded attachments of a file.
    fn of(file: &Value) -> Outcome<Log> {
        let origin = Origin::new(word(file, "origin")?).map_err(|error| error.to_string())?;
        let attachments = member(file, "attachments")?.as_object().ok_or("attachments is no object")?;
        let attachment = |(digest, content): (&String, &Value)| {
            let bytes = unb64(content.as_str().ok_or("an attachment is no text")?)?;
            let digest = Hash::from_hex(digest).map_err(|error| error.to_string())?;
            if Hash::of(&bytes) == digest { Ok((digest, bytes.len() as u64)) } else { Err(format!("{digest:?}")) }
        };
        let attachments = attachments.iter().map(attachment).collect::<Outcome<_>>()?;
        Ok(Log { origin, state: State::default(), events: BTreeMap::new(), attachments, left_out: Vec::new() })
    }

    /// What a server does with a body, but for signatures of the log and the disk.
    fn judge(&self, submission: &[u8], arrival: u64) -> Result<(Event, Effects), Refusal> {
        let mut draft = admission::read(submission, &self.origin)?;
        let record = draft.take_record();
        let event = draft.parse(&self.state)?;
        let mut facts = Facts::default();
        if let Some(record) = &record {
            facts.insert_record(record);
        }
        for query in admission::plan(&event) {
            match &query {
                Query::Attachment(digest) => {
                    if let Some(size) = self.attachments.get(digest) {
                        facts.insert_attachment(*digest, *size);
                    }
                }
                Query::Id(_) | Query::At(..) => facts.insert(query.clone(), self.events.get(&query).cloned()),
            }
        }
        if let Some(index) = admission::duplicate(&facts, &event) {
            return Err(Refusal::Malformed(format!("the vector repeats entry {index}")));
        }
        let keys = admission::authority(&self.state, &event)?;
        admission::check_signatures(&event, &keys)?;
        let effects = admission::judge(&self.state, &facts, &event, Some(Time::new(arrival)))?;
        Ok((event, effects))
    }

    fn apply(&mut self, event: Event, effects: &Effects) -> Arc<Event> {
        let index = LeafIndex::new(self.state.size().get());
        self.state.apply(effects);
        let event = Arc::new(event);
        let logged = Logged { index, event: Arc::clone(&event) };
        if let Some(place) = event.statement.header.place() {
            self.events.insert(Query::At(place.issuer, place.epoch, place.seq), logged.clone());
        }
        self.events.insert(Query::Id(event.id), logged);
        event
    }

    /// Goes on without a leaf, and keeps what a later one has to say to stand on it: its id, its chain, a key that it opens.
    fn leave_out(&mut self, leaf: &Value) -> Outcome {
        let payload: Value = serde_json::from_str(word(leaf, "payload")?).map_err(|error| error.to_string())?;
        let predicate = member(&payload, "predicate")?;
        let issuer = word(member(predicate, "hdr")?, "issuer")?;
        let key = member(predicate, "body")?.get("vkey").and_then(Value::as_str);
        self.left_out.push(word(leaf, "event_id")?.to_owned());
        self.left_out.push(format!("\"issuer\":\"{issuer}\""));
        self.left_out.extend(key.map(str::to_owned));
        Ok(())
    }

    /// True when this version cannot judge an event: its type comes later, or it stands on a leaf that was left out, and what
    /// came of it may be for that.
    fn is_apart(&self, payload: &str, refused: Option<&str>) -> bool {
        match refused {
            Some("refusal:type-later") => is_of_later_type(payload),
            Some(reason) if !CONSEQUENCES.contains(&reason) => false,
            None | Some(_) => self.left_out.iter().any(|word| payload.contains(word.as_str())),
        }
    }

    /// Takes a leaf of the file as a submission at its arrival, and folds it as an audit would: both must say the same.
    fn take(&mut self, leaf: &Value) -> Result<Arc<Event>, String> {
        let bytes = unb64(word(leaf, "leaf")?)?;
        let envelope = Envelope::parse_leaf(&bytes).map_err(|refusal| refusal.reason())?;
        let sealed = leaf.get("sealed").and_then(Value::as_str).map(unb64).transpose()?;
        let submission = Submission { envelope, sealed }.print();
        let (event, effects) = self.judge(&submission, number(leaf, "arrival")?).map_err(|refusal| refusal.reason())?;
        let mut folded = self.state.clone();
        let fold = admission::fold(&mut folded, &bytes, &self.origin, |query| self.events.get(query).cloned());
        let fold = fold.map_err(|refusal| format!("the fold refuses it: {refusal}"))?;
        let event = self.apply(event, &effects);
        match *fold == *event && folded == self.state {
            true => Ok(event),
            false => Err("the fold and the server come to two states".to_owned()),
        }
    }
}

/// What an event may be refused for because leaves before it were left out.
const CONSEQUENCES: [&str; 4] = ["refusal:position", "refusal:previous", "refusal:ref-missing", "refusal:epoch"];

/// `leaves/log.json`.
pub(super) fn log(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let mut log = Log::of(&file)?;
    let mut taken: Vec<(u64, Arc<Event>)> = Vec::new();
    for leaf in array(&file, "leaves")? {
        let index = number(leaf, "index")?;
        let id = format!("leaf {index}");
        match log.take(leaf) {
            Err(reason) => {
                match log.is_apart(word(leaf, "payload")?, Some(&reason)) {
                    true => report.later(&id, &reason),
                    false => report.case(&id, Want::Ok, Err(reason)),
                }
                log.leave_out(leaf)?;
            }
            Ok(event) => {
                compare(report, &id, &event, leaf)?;
                report.case::<String>(&id, Want::Ok, Ok(()));
                taken.push((index, event));
            }
        }
    }
    disowned(report, &file, &log, &taken)?;
    sealed(report, &file, &taken)?;
    last_window(report, &log, &taken);
    Ok(())
}

/// The leaf byte by byte: its identity [E-2], its spelling [E-3], its payload printed again [E-6], [J-7].
fn compare(report: &mut Report, id: &str, event: &Event, leaf: &Value) -> Outcome {
    let bytes = unb64(word(leaf, "leaf")?)?;
    report.same(id, "the event_id", &event.id.hex().as_str(), &word(leaf, "event_id")?);
    report.same(id, "the leaf hash", &leaf_hash(&bytes).hex().as_str(), &word(leaf, "leaf_hash")?);
    report.same(id, "the leaf", &event.leaf(), &bytes);
    report.same(id, "the payload", &event.payload(), &text(leaf, "payload")?.as_slice());
    report.same(id, "the payload printed", &event.payload_value().to_jcs(), &text(leaf, "payload")?);
    report.same(id, "the type", &event.statement.kind.name(), &word(leaf, "type")?);
    Ok(())
}

/// In the end those leaves are disowned that the file says, as far as what disowns them was taken.
fn disowned(report: &mut Report, file: &Value, log: &Log, taken: &[(u64, Arc<Event>)]) -> Outcome {
    for (place, (index, event)) in taken.iter().enumerate() {
        let header = &event.statement.header;
        let by = leaf_of(file, *index)?.get("disowned_by").and_then(Value::as_u64);
        let wanted = by.is_some_and(|by| taken.iter().any(|(index, _)| *index == by));
        let got = log.state.disowned(&header.issuer, header.epoch, LeafIndex::new(place as u64));
        report.same(&format!("leaf {index}"), "disowned", &got, &wanted);
    }
    Ok(())
}

/// Every wrap is made again and opens for its reader, and every record opens with it.
fn sealed(report: &mut Report, file: &Value, taken: &[(u64, Arc<Event>)]) -> Outcome {
    let of_index = |name, index: u64| member(member(file, name)?, &index.to_string());
    let mut windows = BTreeMap::new();
    for (index, event) in taken {
        let Body::SealingKey(key) = &event.statement.body else { continue };
        let (id, header) = (format!("leaf {index}"), &event.statement.header);
        let leaf = leaf_of(file, *index)?;
        for wrapped in &key.wraps {
            let reader = wrapped.reader.as_str();
            let seed = ReaderSeed::new(octets(member(member(file, "readers")?, reader)?, "seal_seed")?);
            let seq = header.seq.ok_or("a sealing key without seq")?;
            let (origin, issuer) = (header.origin.as_str(), header.issuer.as_str());
            let target = WrapFor { origin, issuer, epoch: header.epoch, seq, reader };
            let window = wrap::unwrap(&seed, &target, &wrapped.wrap, &key.check).map_err(|error| error.to_string())?;
            let wanted = of_index("W", *index)?.as_str().ok_or("W is no text")?;
            report.same(&id, "W", &unhex(wanted)?.as_slice(), &window.bytes().as_slice());
            let randomness = octets(member(leaf, "encapsulation")?, reader)?;
            let made = wrap::wrap(&window, &seed.public(), &target, &randomness);
            report.same(&id, "the wrap made again", &made.as_ref(), &Ok(&wrapped.wrap));
            let place = (header.issuer.clone(), header.epoch, seq);
            windows.entry(place).or_insert_with(Vec::new).push((reader.to_owned(), window));
        }
    }
    for (index, event) in taken {
        let (Some(sealed), header) = (event.statement.sealed, &event.statement.header) else { continue };
        let (id, leaf) = (format!("leaf {index}"), leaf_of(file, *index)?);
        let record = unb64(word(leaf, "sealed")?)?;
        let place = (header.issuer.clone(), header.epoch, sealed.key);
        for (reader, window) in windows.get(&place).ok_or_else(|| format!("{id} has no sealing key"))? {
            let opened = sealing::open(window, event, &record).map_err(|error| format!("{id}, {reader}: {error}"))?;
            let wanted = of_index("K", *index)?.as_str().ok_or("K is no text")?;
            report.same(&id, "K", &unhex(wanted)?.as_slice(), &opened.key.bytes().as_slice());
            let printed = String::from_utf8_lossy(&opened.values.to_value().to_jcs()).into_owned();
            let values: Value = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
            report.same(&id, "the values", &&values, &member(leaf, "values")?);
            for field in Field::ALL {
                let opening = Opening::make(event.id, &opened.key, &opened.values, &[field]);
                report.same(&id, "the opening of a field", &opening.verify(event), &Ok(()));
            }
        }
    }
    Ok(())
}

/// The newest sealing key of the log is open for an hour and for 65,536 positions, to the last.
fn last_window(report: &mut Report, log: &Log, taken: &[(u64, Arc<Event>)]) {
    let Some((index, event)) = taken.iter().rfind(|(_, event)| matches!(event.statement.body, Body::SealingKey(_)))
    else {
        return;
    };
    let (id, header) = (format!("leaf {index}"), &event.statement.header);
    let (recorded, seq) = (header.recorded.get(), header.seq.unwrap_or_default());
    for (after, positions, is_open) in
        [(3_600, 1, true), (3_601, 1, false), (0, 65_536, true), (0, 65_537, false), (3_600, 65_536, true)]
    {
        let at = Time::new(recorded + after);
        let found = log.state.sealing_key(&header.issuer, header.epoch, at, seq + positions);
        report.same(&id, &format!("open {after} s and {positions} positions on"), &found.is_ok(), &is_open);
    }
}

/// The leaf of an index, as the file has it.
fn leaf_of(file: &Value, index: u64) -> Outcome<&Value> {
    let leaf = array(file, "leaves")?.iter().find(|leaf| leaf.get("index").and_then(Value::as_u64) == Some(index));
    leaf.ok_or_else(|| format!("there is no leaf {index}"))
}

/// The log that the refused cases stand on: in the same folder, whatever it is called there; else the shared one.
fn log_beside(input: &Input) -> Outcome<Value> {
    let folder = input.root.join(&input.path);
    let folder = folder.parent().ok_or("no folder")?;
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    // `x-refused.json` stands on `x.json`; what is called otherwise on the first log by name.
    let own = Path::new(&input.path).file_name().map(|name| name.to_string_lossy().replace("-refused", ""));
    paths.sort_by_key(|path| (path.file_name().map(|name| name.to_string_lossy().into_owned()) != own, path.clone()));
    let mut logs = paths.iter().filter_map(|path| {
        let file: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (file.get("leaves").is_some() && file.get("origin").is_some()).then_some(file)
    });
    if let Some(log) = logs.next() {
        return Ok(log);
    }
    let shared = crate::shared::vectors("leaves/refused.json");
    let shared = shared.ok_or_else(|| format!("{} holds no log for these cases", folder.display()))?;
    Input { root: shared, path: "leaves/log.json".to_owned() }.json()
}

/// The log before a leaf of its file, and what it is refused for when it is left out.
struct Stage {
    log: Log,
    left_out: Option<String>,
}

/// The log before each leaf of its file, and behind the last.
fn stages(file: &Value) -> Outcome<Vec<Stage>> {
    let mut log = Log::of(file)?;
    let mut stages = Vec::new();
    for leaf in array(file, "leaves")? {
        let before = log.clone();
        let left_out = log.take(leaf).err();
        if left_out.is_some() {
            log.leave_out(leaf)?;
        }
        stages.push(Stage { log: before, left_out });
    }
    stages.push(Stage { log, left_out: None });
    Ok(stages)
}

/// The payload of a submission, as far as it is text; empty where there is none.
fn payload(submission: &[u8]) -> String {
    let payload = || {
        let submission: Value = serde_json::from_slice(submission).ok()?;
        let payload = unb64(submission.get("envelope")?.get("payload")?.as_str()?).ok()?;
        String::from_utf8(payload).ok()
    };
    payload().unwrap_or_default()
}

/// True when a payload is of a type that is defined and comes later.
fn is_of_later_type(payload: &str) -> bool {
    let kind = || {
        let payload: Value = serde_json::from_str(payload).ok()?;
        let kind = payload.get("predicateType")?.as_str()?.strip_prefix("https://vitrine.example/")?;
        vitrine_spec::statement::Kind::of(kind.strip_suffix("/v0")?)
    };
    kind().is_some_and(|kind| !kind.is_taken())
}

/// `leaves/refused.json`: each case on the log of `base` leaves, refused with its own code.
pub(super) fn refused(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let stages = stages(&log_beside(input)?)?;
    for case in file.as_array().ok_or("not an array")? {
        let (id, expect) = (word(case, "name")?, word(case, "expect")?);
        let base = usize::try_from(number(case, "base")?).map_err(|error| error.to_string())?;
        let Stage { log, left_out } =
            stages.get(base).ok_or_else(|| format!("{id}: there are fewer than {base} leaves"))?;
        let submission = text(case, "submission")?;
        let got = log.judge(&submission, number(case, "arrival")?).map(|_| ()).map_err(|refusal| refusal.reason());
        let wanted = format!("refusal:{expect}");
        let is_apart = log.is_apart(&payload(&submission), got.as_ref().err().map(String::as_str));
        // Where the sound leaf is refused for the same, what is left out is the reason, not the fault of the case.
        let shows_nothing = got != Err(wanted.clone()) || left_out.as_deref() == Some(wanted.as_str());
        if is_apart && shows_nothing {
            report.later(id, &got.err().unwrap_or_else(|| "ok".to_owned()));
        } else if expect == "type-later" && !is_of_later_type(&payload(&submission)) {
            // Of a version before this one, which takes the type: what else is wrong with the event is pinned.
            report.case(id, Want::Refused, got);
        } else {
            report.case(id, Want::RefusedFor(&[&wanted]), got);
        }
    }
    Ok(())
}

/// `leaves/requests.json`: requests judged on the log of `base` leaves to; those granted are made again.
pub(super) fn requests(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let log = log_beside(input)?;
    let stages = stages(&log)?;
    let origin = Origin::new(word(&file, "origin")?).map_err(|error| error.to_string())?;
    for case in array(&file, "cases")? {
        let (id, expect) = (word(case, "name")?, word(case, "expect")?);
        let base = usize::try_from(number(case, "base")?).map_err(|error| error.to_string())?;
        let stage = stages.get(base).ok_or_else(|| format!("{id}: there are fewer than {base} leaves"))?;
        let (given, now) = (word(case, "authorization")?, Time::new(number(case, "now")?));
        let made_again = |made: Result<String, KeyError>| made.as_deref() == Ok(given);
        let got = match word(case, "kind")? {
            "read" => {
                let (from, to) = (number(case, "from")?, number(case, "to")?);
                let published = TreeSize::new(number(case, "published")?);
                request::check_read(given, &stage.log.state, &origin, from, to, published, now).and_then(|granted| {
                    let key = seed_of(&log, &granted.reader.sign.keyid()).map_err(Refusal::Malformed)?;
                    // the vault's access of the example log names this id.
                    report.same(id, "its id", &granted.id.hex().as_str(), &word(case, "id").unwrap_or_default());
                    report.holds(id, "made again", made_again(granted.request.authorization(&key)));
                    Ok(())
                })
            }
            "attach" => {
                let sha256 = Hash::from_hex(word(case, "sha256")?).map_err(|error| error.to_string())?;
                request::check_attach(given, &stage.log.state, &origin, &sha256, now).and_then(|request| {
                    let signer = word(case, "signer").map_err(Refusal::Malformed)?;
                    let key = seed_of(&log, signer).map_err(Refusal::Malformed)?;
                    report.holds(id, "made again", made_again(request.authorization(&key)));
                    Ok(())
                })
            }
            other => return Err(format!("{id} is of kind {other:?}")),
        };
        let got = got.map_err(|refusal| refusal.reason());
        match expect {
            "ok" => report.case(id, Want::Ok, got),
            code => report.case(id, Want::RefusedFor(&[&format!("refusal:{code}")]), got),
        }
    }
    Ok(())
}

/// The key of a keyid, as the file of the log has it.
fn seed_of(log: &Value, keyid: &str) -> Outcome<Seed> {
    let (name, _) = keyid.split_once('+').ok_or("a keyid without +")?;
    Seed::new(name, KeyKind::Ed25519, octets(member(log, "seeds")?, keyid)?).map_err(|error| error.to_string())
}
