//! The audit of one log: read, compare with what was remembered, recompute, judge again (design.md 5).
//!
//! Everything that it reads comes through `Source` and `Copy`; the report depends on the audited size, the window, the trust
//! folder and the log's bytes, and on nothing else. Not here: the command line and where the report is written.

use std::collections::BTreeMap;

use serde::Serialize;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::hash::Hash;
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::TreeSize;
use vitrine_spec::verdict::Pins;
use vitrine_spec::wrap::ReaderSeed;

use super::copy::Copy;
use super::erasures;
use super::facts::Facts;
use super::fork;
use super::head::{Head, contradiction, grew};
use super::kept::{self, Kept};
use super::parts::Parts;
use super::records::{Reading, Records};
use super::report::{AuditReport, Finding, Section, Severity, Window};
use super::sealing::Asked;
use super::seen;
use super::source::{Source, read_one};
use super::times;
use super::walk::{Milestones, Walked, fetch_bundles, walk};
use crate::exit::{Exit, Failure};
use crate::limits::CHECKPOINT_BYTES_MAX;

/// The code of entries that do not have the checkpoint's root.
const ROOT: &str = "log.root";

/// What is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// Entries to audit; all that the log shows when missing.
    pub size: Option<u64>,
    /// The part of time that the report speaks of.
    pub window: Window,
    /// The auditor's clock: a cosignature more than five minutes later does not count.
    pub now: Option<u64>,
}

/// What is true of this run alone, and stands beside the report.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The checkpoint that the log showed, verbatim.
    pub checkpoint: String,
    /// When its quorum was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The witness lines that signed it.
    pub cosigners: Vec<String>,
    /// Entries that an earlier run remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered_size: Option<u64>,
    /// Issuers that are silent up to the time of that checkpoint.
    pub silent_now: Vec<Finding>,
    /// Where evidence was kept, below the state.
    pub evidence: Vec<String>,
}

/// Report and run.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The same on every machine.
    pub report: AuditReport,
    /// Of this one.
    pub run: Run,
    /// What questions and pages rest on; the same on every machine, like the report.
    pub facts: Facts,
}

/// Audits a log; `progress` is told how many entries were read. With a `reading` sealed records are opened.
pub fn audit(
    source: &impl Source,
    copy: &Copy,
    pins: &Pins,
    question: &Question,
    reading: Option<Reading<'_>>,
    progress: impl Fn(u64, u64),
) -> Result<Audited, Failure> {
    let bytes = read_one(source, "checkpoint".into(), CHECKPOINT_BYTES_MAX)?
        .ok_or_else(|| Failure::new(Exit::Unreachable, "log.checkpoint", "the log shows no checkpoint"))?;
    let head = Head::read(bytes, pins, question.now)?;
    let remembered = match copy.remembered()? {
        Some(bytes) => Some(Head::read(bytes, pins, None).map_err(|failure| Failure {
            exit: Exit::Usage,
            what: "the remembered checkpoint of --state cannot be used".into(),
            now: Some("this state was kept under another trust folder, or is damaged; use a new --state and keep this one".into()),
            ..failure
        })?),
        None => None,
    };
    let mut run = Run {
        checkpoint: String::from_utf8_lossy(&head.bytes).into_owned(),
        time: head.witnessed.time,
        cosigners: head.witnessed.cosigners.iter().map(ToString::to_string).collect(),
        remembered_size: remembered.as_ref().map(|remembered| remembered.signed.size().get()),
        silent_now: Vec::new(),
        evidence: Vec::new(),
    };
    if let Some(remembered) = &remembered
        && let Some(finding) = contradiction(source, remembered, &head)?
    {
        return contradicted(source, copy, remembered, &head, finding, question, run);
    }
    let size = question.size.map_or(head.signed.size(), TreeSize::new);
    if size > head.signed.size() || size.get() == 0 {
        return Err(Failure::usage("audit.size", "the log does not show that many entries")
            .side("asked for", size)
            .side("shown", head.signed.size()));
    }
    let seal = reading.as_ref().map(|reading| &reading.key.seal);
    let late = reading.as_ref().is_some_and(|reading| reading.late);
    let asked = Asked { window: question.window, late, since: None };
    let mut audit = Audit::begin(source, copy, pins, &head, size, asked, seal)?;
    let walked = walk(source, copy, head.signed.size(), size, &mut audit.roots, |chunk| {
        progress(chunk.start.get() + chunk.entries.len() as u64, size.get());
        audit.parts.take(&chunk)
    })?;
    audit.check_head(source, &walked.root)?;
    let records = audit.read_records(source, reading, &mut run, &progress)?;
    let (report, facts) = audit.finish(walked, records, &mut run)?;
    if report.worst() == Some(Severity::Misbehaviour) {
        keep(copy, &head.name("received"), &head.bytes, &mut run)?;
    }
    // A root that its entries do not have is not worth remembering; everything else that the log signed is.
    let found = |code| report.sections.iter().flat_map(|section| &section.findings).any(|finding| finding.code == code);
    if !found(ROOT) && head.witnessed.short.is_none() {
        copy.remember(&head.bytes)?;
    }
    Ok(Audited { report, run, facts })
}

fn keep(copy: &Copy, what: &str, bytes: &[u8], run: &mut Run) -> Result<(), Failure> {
    let kept = copy.keep_evidence(what, bytes)?;
    run.evidence.push(format!("evidence/{}", kept.file_name().unwrap_or_default().to_string_lossy()));
    Ok(())
}

/// The report of a log that contradicts what was remembered: both notes are kept, and what is missing is named.
fn contradicted(
    source: &impl Source,
    copy: &Copy,
    remembered: &Head,
    head: &Head,
    finding: Finding,
    question: &Question,
    mut run: Run,
) -> Result<Audited, Failure> {
    keep(copy, &remembered.name("remembered"), &remembered.bytes, &mut run)?;
    keep(copy, &head.name("received"), &head.bytes, &mut run)?;
    let mut section = Section::new("checkpoint");
    section.checked("the checkpoint shown against the remembered one, both signed by the log");
    section.found(finding);
    let origin = head.signed.origin();
    let missing = match fork::name_missing(source, copy, origin, remembered.signed.size(), head.signed.size()) {
        Ok(missing) => missing,
        // The notes alone are proof; that the log will not show its entries takes nothing from it.
        Err(failure) => {
            let mut missing = Section::new("missing");
            missing.not_checked(format!("which events are missing: {failure}"));
            missing
        }
    };
    let mut rest = Section::new("entries");
    rest.not_checked("everything else: the log contradicts itself, so there is no one log to audit");
    let report = AuditReport::new(
        origin.to_string(),
        head.signed.size().get(),
        head.signed.root().to_string(),
        question.window,
        vec![section, missing, rest],
    );
    let facts =
        Facts { size: report.size, root: report.root.clone(), misbehaved: true, ..Facts::new(question.window, &[]) };
    Ok(Audited { report, run, facts })
}

/// Roots that must be met on the way.
#[derive(Default)]
struct Roots {
    expected: BTreeMap<u64, Vec<(String, Hash)>>,
    met: u64,
    wrong: Vec<Finding>,
}

impl Milestones for Roots {
    fn next(&self, size: TreeSize) -> Option<TreeSize> {
        self.expected.range(size.get()..).next().map(|(size, _)| TreeSize::new(*size))
    }

    fn reached(&mut self, size: TreeSize, root: Hash) {
        for (what, expected) in self.expected.remove(&size.get()).unwrap_or_default() {
            self.met += 1;
            if expected != root {
                let text = format!("{what} has root {expected} at size {size}, the entries have {root}");
                self.wrong.push(Finding::new(Severity::Misbehaviour, "log.kept", text));
            }
        }
    }
}

/// An audit between its parts.
struct Audit<'a> {
    copy: &'a Copy,
    pins: &'a Pins,
    head: &'a Head,
    size: TreeSize,
    window: Window,
    checkpoint: Section,
    kept: Section,
    roots: Roots,
    parts: Parts<'a>,
}

impl<'a> Audit<'a> {
    fn begin(
        source: &impl Source,
        copy: &'a Copy,
        pins: &'a Pins,
        head: &'a Head,
        size: TreeSize,
        asked: Asked,
        reader: Option<&'a ReaderSeed>,
    ) -> Result<Audit<'a>, Failure> {
        let origin = head.signed.origin();
        let mut kept = Section::new("kept");
        let mut roots = Roots::default();
        let mut bounds = Vec::new();
        match (head.witnessed.time, first_recorded(source, head, origin)?) {
            (Some(time), Some(first)) => {
                for found in kept::read(source, copy, pins, (first, time), size, &mut kept)? {
                    bounds.extend(found.bound());
                    let Kept { path, size, root, .. } = found;
                    roots.expected.entry(size).or_default().push((path, root));
                }
            }
            (None, _) => kept.not_checked("kept checkpoints: without a quorum nobody vouches for their times"),
            (_, None) => kept.not_checked("kept checkpoints: entry 0 says no time to begin at"),
        }
        let before = asked.window.from.and_then(|from| times::last_before(&bounds, from));
        let asked = Asked { since: before.map(|bound| bound.size), ..asked };
        let parts = Parts::new(copy, origin, size, asked, &bounds, reader);
        let checkpoint = Section::new("checkpoint");
        Ok(Audit { copy, pins, head, size, window: asked.window, checkpoint, kept, roots, parts })
    }

    /// Who signed the checkpoint, and the entries' own root against it, or against the tree that grew from them.
    fn check_head(&mut self, source: &impl Source, root: &Hash) -> Result<(), Failure> {
        let (signed, size, section) = (&self.head.signed, self.size, &mut self.checkpoint);
        section.checked(format!("signed by {}, log_keys = \"{}\"", signed.origin(), self.pins.trust().log_keys.word()));
        match (&self.head.witnessed.short, self.pins.unwitnessed()) {
            (_, true) => section.not_checked("witnesses: unwitnessed, the policy says `quorum none`"),
            (None, false) => section.checked("cosigned by a quorum of the policy's witnesses"),
            (Some(short), false) => {
                section.found(Finding::new(Severity::Pending, short.code.as_str(), short.reason.clone()));
            }
        }
        let shown = signed.size();
        let fault = if size == shown {
            (root != signed.root()).then(|| {
                format!("the entries have root {root}, the checkpoint of {shown} entries says {}", signed.root())
            })
        } else {
            grew(source, (size, root), (shown, signed.root()))?.err().map(|why| {
                format!("the first {size} entries have root {root}, from which the {shown} shown did not grow: {why}")
            })
        };
        match fault {
            Some(text) => section.found(Finding::new(Severity::Misbehaviour, ROOT, text)),
            None => section.checked(format!("its tree of {size} entries has the root of the entries")),
        }
        Ok(())
    }

    /// The section `records`, when the log holds something sealed.
    ///
    /// Of a log that broke its own rules the report counts more than its records: then it is no failure that they do not come.
    fn read_records(
        &mut self,
        source: &impl Source,
        reading: Option<Reading<'_>>,
        run: &mut Run,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Option<Section>, Failure> {
        let Parts { sealing, erasures, fold, .. } = &mut self.parts;
        if sealing.is_empty() {
            return Ok(None);
        }
        let (signed, size) = (&self.head.signed, self.size);
        let origin = signed.origin();
        let stop = fold.stop.as_ref().map(|stop| stop.index);
        let records = Records::new(sealing, erasures, self.copy, origin, size, stop);
        let Some(reading) = reading else { return Ok(Some(records.unread())) };
        let later = || erasures::later(source, origin, size, (signed.size(), signed.root()));
        let broke = fold.stop.is_some() || self.checkpoint.worst() == Some(Severity::Misbehaviour);
        match records.read(reading, &fold.state, &later, progress) {
            Ok((section, accusing)) => {
                for (index, record) in accusing {
                    keep(self.copy, &format!("record-{index}"), &record, run)?;
                }
                Ok(Some(section))
            }
            Err(failure) if broke => {
                let mut section = Section::new("records");
                section.not_checked(format!("sealed records: {failure}"));
                Ok(Some(section))
            }
            Err(failure) => Err(failure),
        }
    }

    fn finish(
        mut self,
        walked: Walked,
        records: Option<Section>,
        run: &mut Run,
    ) -> Result<(AuditReport, Facts), Failure> {
        self.kept.checked(format!(
            "{} kept checkpoints of earlier sizes, each signed, cosigned, and a prefix of these entries",
            self.roots.met
        ));
        for finding in self.roots.wrong {
            self.kept.found(finding);
        }
        if let Some(time) = self.head.witnessed.time
            && self.size == self.head.signed.size()
        {
            // What the log itself does not show: its own silence up to what the witnesses saw.
            let end = self.window.to.map_or(time, |to| to.min(time));
            if end > self.parts.silence.end() {
                run.silent_now = self.parts.silence.open_silences(end);
            }
        }
        if let Some(stop) = &self.parts.fold.stop {
            keep(self.copy, &format!("entry-{}", stop.index), &stop.entry, run)?;
        }
        let mut sections = vec![self.checkpoint, walked.section, self.kept];
        let (of_entries, mut facts) = self.parts.finish(self.pins, self.size, records)?;
        sections.extend(of_entries);
        let origin = self.head.signed.origin().to_string();
        let report = AuditReport::new(origin, self.size.get(), walked.root.to_string(), self.window, sections);
        facts.size = report.size;
        facts.root.clone_from(&report.root);
        facts.misbehaved = report.worst() == Some(Severity::Misbehaviour);
        facts.witnessed = self.head.witnessed.short.is_none() && !self.pins.unwitnessed();
        Ok((report, facts))
    }
}

/// When the first entry says that it was recorded: where kept checkpoints begin.
fn first_recorded(source: &impl Source, head: &Head, origin: &Origin) -> Result<Option<u64>, Failure> {
    let Some(id) = BundleId::at(0, head.signed.size()) else { return Ok(None) };
    let bytes = fetch_bundles(source, head.signed.size(), &[id])?.pop().unwrap_or_default();
    let first = decode_bundle(&bytes, id.width()).ok().and_then(|entries| entries.into_iter().next());
    Ok(first.and_then(|entry| seen::read(0, &entry, origin)).map(|seen| seen.recorded))
}
