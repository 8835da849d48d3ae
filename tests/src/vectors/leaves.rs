//! The example log and the refused submissions: admission, leaf by leaf and fault by fault.
//!
//! The whole log is folded without the leaves of types that come later (sealed records, verdicts) and those that stand on
//! them; so cases that build on many leaves run too. Not here: HTTP, pools, a server's own refusals.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use vitrine_spec::admission::{self, Facts, Logged, Query};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::{Envelope, Submission};
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::{Effects, State};
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::words::Time;

use super::input::{Input, Outcome, array, member, number, text, unb64, word};
use super::reason::Reason;
use super::report::{Report, Want};

/// A log in memory: what a server's index would answer.
#[derive(Clone)]
struct Log {
    origin: Origin,
    state: State,
    events: BTreeMap<Query, Logged>,
    attachments: BTreeMap<Hash, u64>,
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
        Ok(Log { origin, state: State::default(), events: BTreeMap::new(), attachments })
    }

    /// What a server does with a body, but for signatures of the log and the disk.
    fn judge(&self, submission: &[u8], arrival: u64) -> Result<(Event, Effects), Refusal> {
        let event = admission::read(submission, &self.origin)?.parse(&self.state)?;
        let mut facts = Facts::default();
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

    /// Takes a leaf of the file as a submission at its arrival, and folds it as an audit would: both must say the same.
    fn take(&mut self, leaf: &Value) -> Result<Arc<Event>, String> {
        let bytes = unb64(word(leaf, "leaf")?)?;
        let envelope = Envelope::parse_leaf(&bytes).map_err(|refusal| refusal.reason())?;
        let submission = Submission { envelope, sealed: None }.print();
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

/// A refusal that a leaf or a case may have because leaves before it were left out.
const CONSEQUENCES: [&str; 5] =
    ["refusal:type-later", "refusal:position", "refusal:previous", "refusal:ref-missing", "refusal:epoch"];

/// `leaves/log.json`.
pub(super) fn log(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let mut log = Log::of(&file)?;
    let mut taken: Vec<(u64, Arc<Event>)> = Vec::new();
    let mut thinned = false;
    for leaf in array(&file, "leaves")? {
        let index = number(leaf, "index")?;
        let id = format!("leaf {index}");
        match log.take(leaf) {
            Err(reason) if CONSEQUENCES.contains(&reason.as_str()) && (thinned || reason.ends_with("type-later")) => {
                thinned = true;
                report.later(&id, &reason);
            }
            Err(reason) => report.case(&id, Want::Ok, Err(reason)),
            Ok(event) => {
                compare(report, &id, &event, leaf)?;
                report.case::<String>(&id, Want::Ok, Ok(()));
                taken.push((index, event));
            }
        }
    }
    disowned(report, &file, &log, &taken)
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
        let leaf = array(file, "leaves")?.iter().find(|leaf| leaf.get("index").and_then(Value::as_u64) == Some(*index));
        let by = leaf.and_then(|leaf| leaf.get("disowned_by")).and_then(Value::as_u64);
        let wanted = by.is_some_and(|by| taken.iter().any(|(index, _)| *index == by));
        let got = log.state.disowned(&header.issuer, header.epoch, LeafIndex::new(place as u64));
        report.same(&format!("leaf {index}"), "disowned", &got, &wanted);
    }
    Ok(())
}

/// The log that the refused cases stand on: in the same folder, whatever it is called there; else the shared one.
fn log_beside(input: &Input) -> Outcome<Value> {
    let folder = input.root.join(&input.path);
    let folder = folder.parent().ok_or("no folder")?;
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut logs = entries.flatten().filter_map(|entry| {
        let file: Value = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
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

/// The log before each leaf of its file, and behind the last; and the first place where one is left out.
fn stages(file: &Value) -> Outcome<(Vec<Stage>, usize)> {
    let mut log = Log::of(file)?;
    let mut stages = Vec::new();
    for leaf in array(file, "leaves")? {
        let before = log.clone();
        stages.push(Stage { log: before, left_out: log.take(leaf).err() });
    }
    stages.push(Stage { log, left_out: None });
    let whole = stages.iter().position(|stage| stage.left_out.is_some()).unwrap_or(usize::MAX);
    Ok((stages, whole))
}

/// The type that a submission names, for a case that this version cannot judge.
fn names_later_type(submission: &[u8]) -> bool {
    let kind = || {
        let submission: Value = serde_json::from_slice(submission).ok()?;
        let payload = unb64(submission.get("envelope")?.get("payload")?.as_str()?).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let kind = payload.get("predicateType")?.as_str()?.strip_prefix("https://vitrine.example/")?;
        vitrine_spec::statement::Kind::of(kind.strip_suffix("/v0")?)
    };
    kind().is_some_and(|kind| !kind.is_taken())
}

/// `leaves/refused.json`: each case on the log of `base` leaves, refused with its own code.
pub(super) fn refused(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let (stages, whole) = stages(&log_beside(input)?)?;
    for case in file.as_array().ok_or("not an array")? {
        let (id, expect) = (word(case, "name")?, word(case, "expect")?);
        let base = usize::try_from(number(case, "base")?).map_err(|error| error.to_string())?;
        let Stage { log, left_out } =
            stages.get(base).ok_or_else(|| format!("{id}: there are fewer than {base} leaves"))?;
        let submission = text(case, "submission")?;
        let got = log.judge(&submission, number(case, "arrival")?).map(|_| ()).map_err(|refusal| refusal.reason());
        let wanted = format!("refusal:{expect}");
        let consequence = got.as_ref().is_err_and(|reason| CONSEQUENCES.contains(&reason.as_str()));
        let is_later =
            got.as_ref().is_err_and(|reason| reason == "refusal:type-later") && names_later_type(&submission);
        // Behind a leaf that was left out, its key or stream is unknown as well, so a fault that is about it is none.
        let stands_on_it = base > whole && (consequence || got.is_ok());
        // Where the sound leaf is refused for the same, what is left out is the reason, not the fault of the case.
        let shows_nothing = stands_on_it && left_out.as_deref() == Some(wanted.as_str());
        if shows_nothing || (got != Err(wanted.clone()) && (stands_on_it || is_later)) {
            report.later(id, &got.err().unwrap_or_else(|| "ok".to_owned()));
        } else {
            report.case(id, Want::RefusedFor(&[&wanted]), got);
        }
    }
    Ok(())
}
