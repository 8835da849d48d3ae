//! Everything that a watch knows of a log, entry after entry, and what it tells of each (docs/watch.md; docs/94-watched.md).
//!
//! Reads by the same rules as an audit: admission folded from entry 0, silences by the headers, digests by files. Memory: the
//! fold's 24 bytes for each event, about 150 bytes for each file of an update, a record for each issuer's epoch, revocation and
//! stream. Not here: where entries come from, and whether they are those of a checkpoint (`engine`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use serde_json::{Value, json};
use vitrine_spec::admission::Passed;
use vitrine_spec::body::Body;
use vitrine_spec::body::charter::{PROTOCOL, Role};
use vitrine_spec::body::files::{Outcome, Revoke, Update};
use vitrine_spec::body::issuer::Reason;
use vitrine_spec::body::verdict::{Verdict, VerdictResult};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::{Disowned, EpochKey, Opened};
use vitrine_spec::statement::Rel;
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};
use vitrine_spec::trust::Fingerprint;
use vitrine_spec::watched::{Watched, file_key};
use vitrine_spec::words::{Name, Read};

use super::alert::{About, Alert};
use super::releases::Releases;
use crate::audit::chains::{Link, Seen, Silence, Silent};
use crate::audit::copy::Copy;
use crate::audit::fold::{Fold, Stop};
use crate::audit::report::Window;
use crate::audit::seen::{self, Heard};
use crate::clock;
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};

/// What a vendor calls its own.
#[derive(Clone, Debug, Default)]
pub struct Mine {
    /// Purls that begin with one of these.
    pub prefixes: Vec<String>,
    /// What was released of them; without a list each update and build of them is told.
    pub releases: Option<Releases>,
}

impl Mine {
    /// The prefixes given, else the packages of the list.
    pub fn new(prefixes: &[String], releases: Option<Releases>) -> Mine {
        let prefixes = match &releases {
            Some(releases) if prefixes.is_empty() => releases.packages().into_iter().collect(),
            Some(_) | None => prefixes.to_vec(),
        };
        Mine { prefixes, releases }
    }

    fn is(&self, purl: &str) -> bool {
        self.prefixes.iter().any(|prefix| purl.starts_with(prefix.as_str()))
    }

    /// The files that the list does not have, each with the digests that it has instead.
    fn unknown(&self, purl: &str, event: &Event) -> Vec<Value> {
        let mut unknown = Vec::new();
        for file in &event.statement.subject {
            let (Some(name), Some(sha256)) = (&file.name, file.digest.sha256) else { continue };
            let listed: Vec<&str> =
                self.releases.as_ref().map(|releases| releases.of(purl, name).collect()).unwrap_or_default();
            if !listed.contains(&sha256.hex().as_str()) {
                unknown.push(json!({"name": name, "sha256": sha256.hex(), "listed": listed}));
            }
        }
        unknown
    }
}

/// One file of one update.
#[derive(Clone, Copy, Debug)]
struct Released {
    index: u64,
    sha256: Hash,
    /// In `Book::signers`.
    signer: u32,
}

/// What is known so far.
pub struct Book<'a> {
    origin: &'a Origin,
    fold: Fold<'a>,
    frontier: Frontier,
    silence: Silence,
    /// Whether each epoch was closed, and what of it is disowned, as far as told.
    epochs: BTreeMap<EpochKey, (bool, Option<Disowned>)>,
    revoked: BTreeMap<EventId, (LeafIndex, Name)>,
    released: HashMap<Hash, Vec<Released>>,
    contested: BTreeSet<Hash>,
    signers: Vec<EpochKey>,
    signer_of: BTreeMap<EpochKey, u32>,
    unknown: u64,
    first_unknown: Option<u64>,
}

/// An alert with the entry that it belongs to.
type Told = (u64, Alert);

impl<'a> Book<'a> {
    /// Nothing read yet; entries are looked up in `copy`.
    pub fn new(copy: &'a Copy, origin: &'a Origin) -> Book<'a> {
        Book {
            origin,
            fold: Fold::passing(copy, origin, TreeSize::ZERO),
            frontier: Frontier::new(),
            silence: Silence::new(Window::default()),
            epochs: BTreeMap::new(),
            revoked: BTreeMap::new(),
            released: HashMap::new(),
            contested: BTreeSet::new(),
            signers: Vec::new(),
            signer_of: BTreeMap::new(),
            unknown: 0,
            first_unknown: None,
        }
    }

    /// Entries read.
    pub fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// Root of their tree.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Entries of types that are not known here.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The entry at which admission stopped.
    pub fn stop(&self) -> Option<&Stop> {
        self.fold.stop.as_ref()
    }

    /// The copy holds this many entries now.
    pub fn grow(&mut self, size: TreeSize) {
        self.fold.grow(size);
    }

    /// Takes the next entries, which the copy holds; what there is to tell of them, in their order.
    ///
    /// # Errors
    /// An entry that must not be there (exit 3), or that cannot be judged here (exit 1).
    pub fn take(&mut self, entries: &[Vec<u8>], mine: &Mine, pinned: &Fingerprint) -> Result<Vec<Alert>, Failure> {
        let start = self.size().get();
        let origin = self.origin;
        let events: Vec<Read<Event>> = entries.par_iter().map(|entry| seen::event(entry, origin)).collect();
        self.fold.take(LeafIndex::new(start), entries, &events)?;
        if let Some(stop) = &self.fold.stop {
            return Err(self.stopped(stop));
        }
        if start == 0
            && let Some(in_force) = &self.fold.state.charter
        {
            check_pinned(&Fingerprint::new(in_force.first.0), pinned, in_force.charter.raw)?;
        }
        let mut told: Vec<Told> = Vec::new();
        let passed: BTreeMap<u64, Passed> = self.fold.passed().into_iter().collect();
        for (index, event) in (start..).zip(&events) {
            match (event, passed.get(&index)) {
                (Ok(event), _) => {
                    self.hear(&seen::of(index, event), &seen::heard(event), &mut told);
                    self.look(index, event, mine, &mut told)?;
                }
                (Err(_), Some(passed)) => {
                    self.unknown += 1;
                    self.first_unknown.get_or_insert(index);
                    self.hear(&of_passed(index, passed), &[], &mut told);
                    told.push((index, self.unknown_entry(index, passed)));
                }
                // The fold has stopped at what is neither.
                (Err(_), None) => {}
            }
        }
        self.changed(&events, start, &mut told);
        entries.iter().for_each(|entry| self.frontier.push(leaf_hash(entry)));
        told.sort_by_key(|(index, _)| *index);
        Ok(told.into_iter().map(|(_, alert)| alert).collect())
    }

    /// Why the fold stopped. Behind an entry that was passed nobody is accused: what that one changed is not known here.
    fn stopped(&self, stop: &Stop) -> Failure {
        let Stop { index, entry, refusal } = stop;
        let rule = format!("{}: {refusal}", refusal.code());
        let old = |what: &str| {
            Failure::refused("watch.unknown", what)
                .side("entry", index)
                .side("rule", &rule)
                .now("use a newer log-client; the watch has not gone past this entry")
        };
        if let Some(first) = self.first_unknown {
            return old(
                "an entry cannot be judged, because an earlier one is of a type that this version does not know",
            )
            .side("earlier entry", first);
        }
        if matches!(refusal, Refusal::TypeUnknown(_) | Refusal::TypeLater(_)) {
            return old("an entry is of a type that this version does not know, and its issuer does not stand for it");
        }
        let protocol = EventFile::parse(entry).ok().filter(|event| event.kind() == Some("charter"));
        if let Some(other) = protocol.and_then(|event| event.body("protocol")?.as_text().map(str::to_owned))
            && other != PROTOCOL
        {
            return old("the charter has rules of admission that this version does not know").side("protocol", other);
        }
        Failure::new(Exit::Misbehaved, "log.admission", "the log holds an entry that must not be there")
            .side("entry", index)
            .side("rule", rule)
            .now("tell the supervisor and the witnesses; `audit` names everything")
    }

    /// Who was silent for too long before this entry.
    fn hear(&mut self, seen: &Seen, heard: &[Heard], told: &mut Vec<Told>) {
        let mut silences: Vec<(String, u32, Silent, &str)> = Vec::new();
        for heard in heard {
            match heard {
                Heard::Opens { issuer, epoch, heartbeat_s, .. } => {
                    let before = epoch.saturating_sub(1);
                    let silent = self.silence.close(issuer, before, seen.recorded);
                    silences.extend(silent.map(|silent| (issuer.clone(), before, silent, "the next epoch")));
                    self.silence.open(issuer, *epoch, *heartbeat_s, seen.recorded);
                }
                Heard::Closes { issuer, epoch } => {
                    let silent = self.silence.close(issuer, *epoch, seen.recorded);
                    silences.extend(silent.map(|silent| (issuer.clone(), *epoch, silent, "its closing")));
                }
            }
        }
        let silent = self.silence.see(seen);
        silences.extend(silent.map(|silent| (seen.issuer.clone(), seen.epoch, silent, "its next event")));
        for (issuer, epoch, Silent { from, until }, end) in silences {
            let text = format!(
                "{issuer} epoch {epoch} was silent for {} s, from {} to {end} at {} (entry {}), which is longer than it promised",
                until.saturating_sub(from),
                clock::show(from),
                clock::show(until),
                seen.index
            );
            let alert = Alert::new(self.origin.as_str(), "silence", &format!("{issuer} {epoch} {from} {until}"), text)
                .with("issuer", issuer)
                .with("epoch", epoch)
                .with("from", from)
                .with("until", until);
            told.push((seen.index, alert));
        }
    }

    /// Issuers that are silent up to `now`: the key under which each is told once, and the alert.
    pub fn silent(&self, now: u64) -> Vec<(String, Alert)> {
        let mut all = Vec::new();
        for ((issuer, epoch), silent) in self.silence.silent_at(now) {
            let key = format!("{issuer} {epoch} {}", silent.from);
            let text = format!(
                "{issuer} epoch {epoch} has been silent since {}, {} s by this machine's clock, which is longer than it promised",
                clock::show(silent.from),
                now.saturating_sub(silent.from)
            );
            let alert = Alert::new(self.origin.as_str(), "silence", &key, text)
                .with("issuer", issuer)
                .with("epoch", epoch)
                .with("from", silent.from);
            all.push((key, alert));
        }
        all
    }

    fn alert(&self, code: &'static str, index: u64, event: &Event, text: String) -> Alert {
        let text = format!("entry {index}: {text}");
        Alert::new(self.origin.as_str(), code, &index.to_string(), text).about(About::of(index, event))
    }

    fn unknown_entry(&self, index: u64, passed: &Passed) -> Alert {
        let text = format!(
            "entry {index}: {} logged an event of a type that this version does not know ({}); its key and its place hold, what it says was not read",
            passed.issuer, passed.kind
        );
        let about = About {
            index,
            event_id: passed.id.hex(),
            kind: passed.kind.clone(),
            issuer: passed.issuer.as_str().to_owned(),
            epoch: passed.epoch,
            seq: passed.place.map(|(seq, _)| seq),
            recorded: passed.recorded.get(),
        };
        Alert::new(self.origin.as_str(), "entry.unknown", &index.to_string(), text).about(about)
    }

    /// What an event by itself is told for.
    fn look(&mut self, index: u64, event: &Event, mine: &Mine, told: &mut Vec<Told>) -> Result<(), Failure> {
        let issuer = event.statement.header.issuer.clone();
        match &event.statement.body {
            Body::Charter(charter) if index > 0 => {
                let text = format!("charter version {} is in force", charter.version);
                let alert = self.alert("charter.new", index, event, text).with("version", charter.version);
                told.push((index, alert));
            }
            Body::Update(update) => {
                let what = format!("the update {} in {}", update.purl, update.channel);
                self.of_mine("update.unknown", index, event, (&update.purl, &what), mine, told);
                self.released(index, event, update, told);
            }
            Body::Build(build) => {
                let what = format!("a build of {}", build.purl);
                self.of_mine("build.unknown", index, event, (&build.purl, &what), mine, told);
            }
            Body::Revoke(revoke) => self.revoke(index, event, revoke, told)?,
            Body::Rebuild(rebuild) if rebuild.outcome == Outcome::Different => {
                let files: Vec<Value> = event
                    .statement
                    .subject
                    .iter()
                    .filter(|file| file.produced != file.digest.sha256)
                    .map(|file| json!({"name": file.name, "claimed": file.digest.sha256.map(|sha256| sha256.hex()), "produced": file.produced.map(|sha256| sha256.hex())}))
                    .collect();
                let names: Vec<&str> = files.iter().filter_map(|file| file["name"].as_str()).collect();
                let build = self.named(event, Rel::Reproduces)?;
                let text = format!(
                    "{issuer} ({}) made {} again and got other bytes for {}",
                    rebuild.independence.name(),
                    build.as_ref().map_or("something", |(what, _)| what.as_str()),
                    names.join(", ")
                );
                let alert = self
                    .alert("rebuild.different", index, event, text)
                    .with("independence", rebuild.independence.name())
                    .with("build", build.map(|(_, index)| index))
                    .with("files", files);
                told.push((index, alert));
            }
            Body::Verdict(verdict) if verdict.result == VerdictResult::Failed => {
                let alert = self.failed(index, event, verdict)?;
                told.push((index, alert));
            }
            Body::Charter(_)
            | Body::Open(_)
            | Body::Close(_)
            | Body::Heartbeat { .. }
            | Body::Rebuild(_)
            | Body::Review(_)
            | Body::Incident(_)
            | Body::SealingKey(_)
            | Body::Access
            | Body::Erasure(_)
            | Body::Verdict(_)
            | Body::Rules(_)
            | Body::Correction(_) => {}
        }
        Ok(())
    }

    /// The event that one refers to, in words, and its entry.
    fn named(&mut self, event: &Event, rel: Rel) -> Result<Option<(String, u64)>, Failure> {
        let Some(found) = event.statement.header.refs_of(rel).find(|found| found.origin.is_none()) else {
            return Ok(None);
        };
        let logged = self.fold.find(found.event_id)?;
        Ok(logged.map(|logged| {
            let index = logged.index.get();
            let what = match &logged.event.statement.body {
                Body::Update(update) => format!("the update {} in {} (entry {index})", update.purl, update.channel),
                Body::Build(build) => format!("the build of {} (entry {index})", build.purl),
                _ => format!("entry {index}"),
            };
            (what, index)
        }))
    }

    /// An update or a build of a package of ours that our own list does not have.
    fn of_mine(
        &self,
        code: &'static str,
        index: u64,
        event: &Event,
        (purl, what): (&str, &str),
        mine: &Mine,
        told: &mut Vec<Told>,
    ) {
        if !mine.is(purl) {
            return;
        }
        let unknown = mine.unknown(purl, event);
        if unknown.is_empty() {
            return;
        }
        let names: Vec<String> = unknown
            .iter()
            .map(|file| {
                let name = file["name"].as_str().unwrap_or_default();
                let other = file["listed"].as_array().is_some_and(|listed| !listed.is_empty());
                if other { format!("{name} (listed with another digest)") } else { name.to_owned() }
            })
            .collect();
        let list = if mine.releases.is_some() {
            "which the list of releases does not have"
        } else {
            "a package that is watched"
        };
        let text = format!("{} logged {what}, {list}: {}", event.statement.header.issuer, names.join(", "));
        told.push((index, self.alert(code, index, event, text).with("purl", purl).with("files", unknown)));
    }

    /// The digests of an update, against those that were said before for the same files.
    fn released(&mut self, index: u64, event: &Event, update: &Update, told: &mut Vec<Told>) {
        let header = &event.statement.header;
        let signer = (header.issuer.clone(), header.epoch);
        let next = u32::try_from(self.signers.len()).unwrap_or(u32::MAX);
        let id = *self.signer_of.entry(signer.clone()).or_insert(next);
        if id == next {
            self.signers.push(signer);
        }
        for file in &event.statement.subject {
            let (Some(name), Some(sha256)) = (&file.name, file.digest.sha256) else { continue };
            let key = file_key(&update.purl, name, update.channel.as_str());
            let all = self.released.entry(key).or_default();
            let other = all.iter().find(|before| before.sha256 != sha256).copied();
            all.push(Released { index, sha256, signer: id });
            let Some(other) = other else { continue };
            self.contested.insert(key);
            let text = format!(
                "{} {name} in {} has a second digest: entry {} says {}, entry {index} says {}",
                update.purl,
                update.channel,
                other.index,
                other.sha256.hex(),
                sha256.hex()
            );
            let alert = Alert::new(self.origin.as_str(), "update.second-digest", &format!("{index} {name}"), text)
                .about(About::of(index, event))
                .with("purl", update.purl.as_str())
                .with("file", name.as_str())
                .with("channel", update.channel.as_str())
                .with("digests", json!([{"index": other.index, "sha256": other.sha256.hex()}, {"index": index, "sha256": sha256.hex()}]));
            told.push((index, alert));
        }
    }

    fn revoke(&mut self, index: u64, event: &Event, revoke: &Revoke, told: &mut Vec<Told>) -> Result<(), Failure> {
        let issuer = &event.statement.header.issuer;
        for found in event.statement.header.refs_of(Rel::Revokes) {
            if let Some(reason) = Name::new(revoke.reason) {
                self.revoked.entry(found.event_id).or_insert((LeafIndex::new(index), reason));
            }
        }
        let update = self.named(event, Rel::Revokes)?;
        let what = update.as_ref().map_or("an update", |(what, _)| what.as_str());
        let text = format!("{issuer} revoked {what}: {}", revoke.reason);
        let files: Vec<Value> = event
            .statement
            .subject
            .iter()
            .map(|file| json!({"name": file.name, "sha256": file.digest.sha256.map(|sha256| sha256.hex())}))
            .collect();
        let alert = self
            .alert("update.revoked", index, event, text)
            .with("reason", revoke.reason)
            .with("update", update.map(|(_, index)| index))
            .with("files", files);
        told.push((index, alert));
        Ok(())
    }

    fn failed(&mut self, index: u64, event: &Event, verdict: &Verdict) -> Result<Alert, Failure> {
        let update = self.named(event, Rel::About)?;
        let text = format!(
            "{} verified {}, and it FAILED the policy {}",
            event.statement.header.issuer,
            update.as_ref().map_or("an update", |(what, _)| what.as_str()),
            verdict.policy.uri
        );
        Ok(self
            .alert("verdict.failed", index, event, text)
            .with("verifier", verdict.verifier.as_str())
            .with("policy", verdict.policy.uri.as_str())
            .with("update", update.map(|(_, index)| index)))
    }

    /// What became of issuers' epochs: those that began, ended, and what is disowned now.
    fn changed(&mut self, events: &[Read<Event>], start: u64, told: &mut Vec<Told>) {
        let about = |index: u64| {
            let at = usize::try_from(index.checked_sub(start)?).ok()?;
            Some(About::of(index, events.get(at)?.as_ref().ok()?))
        };
        let log = self.origin.as_str();
        let mut tell = |index: u64, code: &'static str, key: &EpochKey, text: String| {
            let (issuer, epoch) = key;
            let alert = Alert::new(log, code, &format!("{issuer} {epoch}"), format!("entry {index}: {text}"));
            let alert = alert.with("issuer", issuer.as_str()).with("epoch", *epoch);
            let alert = match about(index) {
                Some(about) => alert.about(about),
                None => alert,
            };
            told.push((index, alert));
        };
        for (key, opened) in self.fold.state.epochs() {
            let before = self.epochs.get(key).copied();
            let (closed, disowned) = before.unwrap_or_default();
            let at = opened.opened_at.get();
            if before.is_none() && at > 0 {
                let code = if key.1 == 1 && Role::of(key.0.as_str()).is_none() { "issuer.new" } else { "issuer.key" };
                tell(at, code, key, opening(key, opened));
            }
            if let (false, Some(end)) = (closed, &opened.closed)
                && let Some(reason) = end.reason.map(word)
            {
                tell(end.at.get(), "issuer.closed", key, format!("{} epoch {} was closed: {reason}", key.0, key.1));
            }
            if let (None, Some(now)) = (disowned, opened.disowned) {
                let from = now.after.get() + 1;
                let text = format!("what {} epoch {} logged from entry {from} on is disowned", key.0, key.1);
                tell(now.by.get(), "issuer.disowned", key, text);
            }
        }
        for (key, opened) in self.fold.state.epochs() {
            self.epochs.insert(key.clone(), (opened.closed.is_some(), opened.disowned));
        }
    }

    /// What verdicts need of it, at the size that was read.
    pub fn watched(&self) -> Watched {
        let mut watched = Watched::nothing(self.origin.clone());
        (watched.size, watched.root) = (self.size(), self.root());
        watched.revoked.clone_from(&self.revoked);
        for (key, opened) in self.fold.state.epochs() {
            if let Some(disowned) = opened.disowned {
                watched.disowned.insert(key.clone(), LeafIndex::new(disowned.after.get() + 1));
            }
            if let Some(end) = &opened.closed
                && let Some(reason) = end.reason.and_then(|reason| Name::new(word(reason)))
            {
                watched.closed.insert(key.clone(), (end.at, reason));
            }
        }
        for key in &self.contested {
            let counts = |file: &&Released| {
                let signer = usize::try_from(file.signer).ok().and_then(|signer| self.signers.get(signer));
                !signer
                    .is_some_and(|(issuer, epoch)| self.fold.state.disowned(issuer, *epoch, LeafIndex::new(file.index)))
            };
            let files: Vec<&Released> = self.released.get(key).into_iter().flatten().filter(counts).collect();
            let digests: BTreeSet<Hash> = files.iter().map(|file| file.sha256).collect();
            if digests.len() > 1 {
                watched.second.extend(files.iter().map(|file| (*key, LeafIndex::new(file.index), file.sha256)));
            }
        }
        watched
    }
}

fn word(reason: Reason) -> &'static str {
    Reason::WORDS.iter().find(|(_, found)| *found == reason).map_or("", |(word, _)| word)
}

fn opening((issuer, epoch): &EpochKey, opened: &Opened) -> String {
    let keyid = opened.vkey.keyid();
    match &opened.open {
        Some(open) if *epoch == 1 => {
            let types: Vec<&str> = open.types.keys().map(|kind| kind.name()).collect();
            format!("{issuer} is a new issuer, for {}, with the key {keyid}", types.join(", "))
        }
        Some(_) | None => format!("{issuer} has a new key in epoch {epoch}, {keyid}"),
    }
}

fn check_pinned(first: &Fingerprint, pinned: &Fingerprint, raw: bool) -> Result<(), Failure> {
    if first != pinned {
        return Err(Failure::refused("trust.charter", "this is not the log that the trust file pins")
            .side("its charter", first)
            .side("pinned", pinned)
            .now("check --log and --trust; nothing was alerted"));
    }
    if raw {
        return Err(Failure::refused("trust.raw", "the charter says `raw`: its entries are bytes that nobody judged")
            .now("there is nothing in such a log that a watch could understand"));
    }
    Ok(())
}

fn of_passed(index: u64, passed: &Passed) -> Seen {
    Seen {
        index,
        id: *passed.id.0.as_bytes(),
        kind: "unknown",
        issuer: passed.issuer.as_str().to_owned(),
        epoch: passed.epoch,
        link: passed.place.map(|(seq, prev)| Link { seq, prev: *prev.0.as_bytes() }),
        recorded: passed.recorded.get(),
    }
}
