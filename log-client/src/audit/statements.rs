//! What events say about updates, about the data and about earlier events: verdicts, data rules, corrections (70-leaves.md, L).
//!
//! They are public and change nothing of what was admitted; the section names each, and which of several counts. Not here: who
//! had to sign them (`fold`), whether accesses kept to the rules (`ask`).

use std::collections::{BTreeMap, BTreeSet};

use vitrine_spec::admission::{Logged, Query};
use vitrine_spec::body::Body;
use vitrine_spec::body::verdict::VerdictResult;
use vitrine_spec::event::{Event, Statement};
use vitrine_spec::hash::Hash;
use vitrine_spec::statement::{Kind, Ref, Rel};

use super::chains::Seen;
use super::facts::DataRules;
use super::fold::Fold;
use super::report::{Finding, Section, Severity, Window};
use crate::clock;
use crate::exit::Failure;

/// Verdicts, rules and corrections of a log.
#[derive(Debug)]
pub struct Statements {
    window: Window,
    verdicts: Vec<(Seen, Statement)>,
    rules: Vec<(Seen, DataRules)>,
    corrections: Vec<(Seen, Statement)>,
}

impl Statements {
    /// None yet; those recorded in `window` are named.
    pub fn new(window: Window) -> Statements {
        Statements { window, verdicts: Vec::new(), rules: Vec::new(), corrections: Vec::new() }
    }

    /// Takes the next event.
    pub fn see(&mut self, seen: &Seen, event: &Event) {
        match &event.statement.body {
            Body::Verdict(_) => self.verdicts.push((seen.clone(), event.statement.clone())),
            Body::Correction(_) => self.corrections.push((seen.clone(), event.statement.clone())),
            Body::Rules(rules) => {
                let regions = rules.regions.iter().map(|found| (found.region.clone(), found.sites.clone())).collect();
                let (version, effective) = (rules.version, rules.effective.clone());
                self.rules.push((seen.clone(), DataRules { index: seen.index, version, effective, regions }));
            }
            Body::Charter(_)
            | Body::Open(_)
            | Body::Close(_)
            | Body::Heartbeat { .. }
            | Body::Build(_)
            | Body::Rebuild(_)
            | Body::Review(_)
            | Body::Update(_)
            | Body::Revoke(_)
            | Body::Incident(_)
            | Body::SealingKey(_)
            | Body::Access
            | Body::Erasure(_) => {}
        }
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty() && self.rules.is_empty() && self.corrections.is_empty()
    }

    /// The section, and the rules that count; what is `disowned` is named and counts for nothing.
    pub fn finish(self, fold: &mut Fold<'_>, disowned: &BTreeSet<u64>) -> Result<(Section, Vec<DataRules>), Failure> {
        let Statements { window, verdicts, rules, corrections } = self;
        let mut section = Section::new("statements");
        section.checked(format!(
            "{} verdicts, {} versions of the data rules, {} corrections",
            verdicts.len(),
            rules.len(),
            corrections.len()
        ));
        section.not_checked("verdicts: whether what they say is so; corrections: whether the new values are right");
        let mut found = name_verdicts(&verdicts, fold, disowned)?;
        found.extend(name_rules(&rules, disowned));
        found.extend(name_corrections(&corrections, fold, disowned)?);
        found.retain(|(recorded, _)| window.holds(*recorded));
        found.sort_by_key(|(_, finding)| finding.place.as_ref().and_then(|place| place.index));
        found.into_iter().for_each(|(_, finding)| section.found(finding));
        let counts = |(seen, rules): (Seen, DataRules)| (!disowned.contains(&seen.index)).then_some(rules);
        Ok((section, rules.into_iter().filter_map(counts).collect()))
    }
}

/// Findings with the time at which their event was recorded.
type Found = Vec<(u64, Finding)>;

fn note(seen: &Seen, code: &str, text: String, disowned: &BTreeSet<u64>) -> (u64, Finding) {
    let more = if disowned.contains(&seen.index) { "; it is disowned" } else { "" };
    (seen.recorded, Finding::new(Severity::Note, code, format!("{text}{more}")).at(seen.place()))
}

/// The event that a reference of this log names.
fn target(fold: &mut Fold<'_>, found: &Ref) -> Result<Option<Logged>, Failure> {
    match &found.at {
        _ if found.origin.is_some() => Ok(None),
        Some(at) => fold.look(&Query::At(at.issuer.clone(), at.epoch, at.seq)),
        None => fold.look(&Query::Id(found.event_id)),
    }
}

fn name_verdicts(
    verdicts: &[(Seen, Statement)],
    fold: &mut Fold<'_>,
    disowned: &BTreeSet<u64>,
) -> Result<Found, Failure> {
    let mut found = Found::new();
    // The first entry that passed a file, and the first that failed it: what a thief says for a file does not count.
    let mut said: BTreeMap<Hash, [Option<u64>; 2]> = BTreeMap::new();
    for (seen, statement) in verdicts {
        let Body::Verdict(verdict) = &statement.body else { continue };
        let mut updates = Vec::new();
        for about in statement.header.refs_of(Rel::About) {
            let Some(logged) = target(fold, about)? else { continue };
            if let (Kind::Update, Some(purl)) = (logged.event.statement.kind, logged.event.statement.purl()) {
                updates.push(format!("{purl} (entry {})", logged.index));
            }
        }
        let levels = if verdict.levels.is_empty() { "none".to_owned() } else { verdict.levels.join(", ") };
        let text = format!(
            "entry {}: {} epoch {} says {} of {} files of {}; levels: {levels}; verifier {}, policy {}",
            seen.index,
            seen.issuer,
            seen.epoch,
            verdict.result.name(),
            statement.subject.len(),
            updates.join(", "),
            verdict.verifier,
            verdict.policy.uri
        );
        let failed = verdict.result == VerdictResult::Failed;
        found.push(note(seen, if failed { "verdict.failed" } else { "verdict.passed" }, text, disowned));
        if failed || !disowned.contains(&seen.index) {
            for digest in statement.subject_sha256() {
                said.entry(digest).or_default()[usize::from(failed)].get_or_insert(seen.index);
            }
        }
    }
    let disagree: BTreeMap<(u64, u64), Hash> =
        said.iter().filter_map(|(digest, said)| Some(((said[0]?, said[1]?), *digest))).collect();
    for ((passed, failed), digest) in disagree {
        let Some((seen, _)) = verdicts.iter().find(|(seen, _)| seen.index == passed.max(failed)) else { continue };
        let text = format!("entry {passed} passes the file with SHA-256 {}, entry {failed} does not", digest.hex());
        let finding = Finding::new(Severity::Note, "verdict.disagree", text).at(seen.place());
        found.push((seen.recorded, finding));
    }
    Ok(found)
}

fn name_rules(rules: &[(Seen, DataRules)], disowned: &BTreeSet<u64>) -> Found {
    let mut found = Found::new();
    for (seen, said) in rules {
        let regions: Vec<String> =
            said.regions.iter().map(|(region, sites)| format!("{region} at {}", sites.join(", "))).collect();
        let recorded = clock::show(seen.recorded);
        let text = format!(
            "entry {}: version {} of the data rules, in force from {} on: {}",
            seen.index,
            said.version,
            said.effective,
            regions.join("; ")
        );
        found.push(note(seen, "rules", text, disowned));
        // Days compare as texts.
        if recorded.get(..10).is_some_and(|day| said.effective.as_str() < day) {
            let text = format!(
                "entry {}: version {} of the data rules is in force from {} on and was recorded {recorded}, after that day",
                seen.index, said.version, said.effective
            );
            found.push(note(seen, "rules.backdated", text, disowned));
        }
    }
    found
}

fn name_corrections(
    corrections: &[(Seen, Statement)],
    fold: &mut Fold<'_>,
    disowned: &BTreeSet<u64>,
) -> Result<Found, Failure> {
    // For each member of each corrected event the entry that says it last.
    let mut newest: BTreeMap<([u8; 32], &str), u64> = BTreeMap::new();
    for (seen, statement) in corrections.iter().filter(|(seen, _)| !disowned.contains(&seen.index)) {
        let (Body::Correction(correction), Some(of)) = (&statement.body, corrected(statement)) else { continue };
        for member in &correction.fields {
            newest.insert((*of.event_id.as_bytes(), member.name.as_str()), seen.index);
        }
    }
    let mut found = Found::new();
    for (seen, statement) in corrections {
        let (Body::Correction(correction), Some(of)) = (&statement.body, corrected(statement)) else { continue };
        let target = target(fold, of)?;
        let what = target.map_or_else(
            || format!("the event {}", of.event_id),
            |logged| {
                let said = &logged.event.statement;
                format!("entry {} ({} of {} epoch {})", logged.index, said.kind, said.header.issuer, said.header.epoch)
            },
        );
        let members: Vec<String> = correction
            .fields
            .iter()
            .map(|member| {
                let new = member.value.as_ref().map_or_else(String::new, |new| format!(" is {new}"));
                let later = newest.get(&(*of.event_id.as_bytes(), member.name.as_str())).copied();
                let later = later.filter(|later| *later != seen.index);
                let later = later.map_or_else(String::new, |later| format!(" (entry {later} counts instead)"));
                format!("{}{new}{later}", member.name)
            })
            .collect();
        let text = format!(
            "entry {}: {} epoch {} corrects {what}, reason {}: {}",
            seen.index,
            seen.issuer,
            seen.epoch,
            correction.reason.name(),
            members.join("; ")
        );
        found.push(note(seen, "correction", text, disowned));
    }
    Ok(found)
}

fn corrected(statement: &Statement) -> Option<&Ref> {
    statement.header.refs_of(Rel::Corrects).next()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
