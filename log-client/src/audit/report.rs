//! The audit's report: sections, each with what was checked, what was not, and what was found (cli.md, "audit").
//!
//! Nothing here depends on the machine or on the clock, so that two supervisors who audit the same size get the same bytes.
//! Not here: deciding anything; what is true of one run alone (`run`, printed and kept beside the report).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::clock;
use crate::output::{LIMITS, clean};

/// Findings that one section lists; the rest is counted.
pub const FINDINGS_MAX: usize = 1_000;

/// Values that one table tells apart; what comes with another one afterwards is counted together.
pub const TABLE_ROWS_MAX: usize = 10_000;

/// Rows of one table that the text shows; the document has them all.
const TEXT_ROWS_MAX: usize = 48;

/// How bad a finding is; the worst one decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth reading; nobody broke a rule: a disowned event, a rebuild that differs.
    Note,
    /// Nothing is wrong, something is missing that time can bring: cosignatures. Exit 5.
    Pending,
    /// Somebody who is not the log broke a rule: a silence, a second digest. Exit 1.
    Finding,
    /// The log signed what it must not sign. Exit 3.
    Misbehaviour,
}

impl Severity {
    /// The word before a finding.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Pending => "NOT YET",
            Severity::Finding => "FOUND",
            Severity::Misbehaviour => "LOG MISBEHAVED",
        }
    }
}

/// The place of an event in its log and in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Index in the log; missing when the log does not hold the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Who signed it.
    pub issuer: String,
    /// Epoch of the issuer.
    pub epoch: u32,
    /// Position in the chain; missing for unchained events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// A stable word, such as `chain.gap`.
    pub code: String,
    /// One sentence that names both sides.
    pub text: String,
    /// Where, when it is about one event.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Finding {
    /// A finding that is not about one event.
    pub fn new(severity: Severity, code: &str, text: impl Into<String>) -> Finding {
        Finding { severity, code: code.to_owned(), text: text.into(), place: None }
    }

    /// Names the event.
    #[must_use]
    pub fn at(mut self, place: Place) -> Finding {
        self.place = Some(place);
        self
    }
}

/// How often each value was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What was counted, a stable word or two.
    pub by: String,
    /// By value, ascending.
    pub rows: BTreeMap<String, u64>,
    /// Met with values beyond the limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

impl Table {
    /// An empty table.
    pub fn new(by: impl Into<String>) -> Table {
        Table { by: by.into(), rows: BTreeMap::new(), more: 0 }
    }

    /// Counts a value once more.
    pub fn add(&mut self, value: &str) {
        if let Some(count) = self.rows.get_mut(value) {
            *count += 1;
        } else if self.rows.len() < TABLE_ROWS_MAX {
            self.rows.insert(value.to_owned(), 1);
        } else {
            self.more += 1;
        }
    }

    fn line(&self) -> String {
        let shown = self.rows.iter().take(TEXT_ROWS_MAX).map(|(value, count)| format!("{} {count}", clean(value)));
        let mut line = format!("{}: {}", self.by, shown.collect::<Vec<_>>().join(", "));
        if self.rows.len() > TEXT_ROWS_MAX {
            let _ = write!(line, ", and {} more values in report.json", self.rows.len() - TEXT_ROWS_MAX);
        }
        if self.more != 0 {
            let _ = write!(line, ", other values {}", self.more);
        }
        line
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One part of the audit.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Its name, a stable word.
    pub name: &'static str,
    /// What was checked, each with its count.
    pub checked: Vec<String>,
    /// What was not, and why.
    pub not_checked: Vec<String>,
    /// How often what was met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Table>,
    /// What was found, in log order, at most `FINDINGS_MAX`.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub findings_more: u64,
    #[serde(skip)]
    headline: Option<Finding>,
}

impl Section {
    /// An empty section.
    pub fn new(name: &'static str) -> Section {
        Section {
            name,
            checked: Vec::new(),
            not_checked: Vec::new(),
            counts: Vec::new(),
            findings: Vec::new(),
            findings_more: 0,
            headline: None,
        }
    }

    /// Adds a line to what was checked.
    pub fn checked(&mut self, line: impl Into<String>) {
        self.checked.push(line.into());
    }

    /// Adds a line to what was not.
    pub fn not_checked(&mut self, line: impl Into<String>) {
        self.not_checked.push(line.into());
    }

    /// Adds a table, unless nothing was counted in it.
    pub fn counted(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.counts.push(table);
        }
    }

    /// Adds a finding; beyond the limit it is counted alone.
    pub fn found(&mut self, finding: Finding) {
        if Some(finding.severity) > self.worst() {
            self.headline = Some(finding.clone());
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_more += 1;
        }
    }

    /// The worst finding, the ones that are only counted included.
    pub fn worst(&self) -> Option<Severity> {
        self.headline.as_ref().map(|finding| finding.severity)
    }
}

/// The events that the report speaks of, by their `recorded` time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    /// From this second on; from the first entry when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Up to and without this second; up to the last entry when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

impl Window {
    /// Whether a time is inside.
    pub fn holds(&self, time: u64) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// The format of this document.
    pub format: &'static str,
    /// The five members of a verdict, as far as they are one line.
    pub verdict: &'static str,
    /// The first of the worst findings, or `audit.clean`.
    pub code: String,
    /// The same in a sentence.
    pub reason: String,
    /// The log.
    pub origin: String,
    /// Entries audited.
    pub size: u64,
    /// The root of exactly these entries, base64.
    pub root: String,
    /// The part of time that the report speaks of.
    pub window: Window,
    /// In the order of the audit.
    pub sections: Vec<Section>,
    /// What no log can show.
    pub limits: [&'static str; 3],
}

impl AuditReport {
    /// Puts the sections together; the worst finding gives the verdict.
    pub fn new(origin: String, size: u64, root: String, window: Window, sections: Vec<Section>) -> AuditReport {
        let worst = sections.iter().filter_map(Section::worst).max();
        let headline =
            sections.iter().filter(|section| section.worst() == worst).find_map(|section| section.headline.as_ref());
        let (verdict, code, reason) = match (worst, headline) {
            (Some(Severity::Misbehaviour), Some(finding)) => {
                ("log-misbehaved", finding.code.clone(), finding.text.clone())
            }
            (Some(Severity::Finding), Some(finding)) => ("not-verified", finding.code.clone(), finding.text.clone()),
            (Some(Severity::Pending), Some(finding)) => ("not-yet", finding.code.clone(), finding.text.clone()),
            (Some(Severity::Note), Some(_)) => (
                "verified",
                "audit.notes".to_owned(),
                "every entry is as the rules want it; the notes are worth reading".to_owned(),
            ),
            _ => ("verified", "audit.clean".to_owned(), "every entry is as the rules want it".to_owned()),
        };
        AuditReport {
            format: "vitrine-audit/v0",
            verdict,
            code,
            reason,
            origin,
            size,
            root,
            window,
            sections,
            limits: LIMITS,
        }
    }

    /// The worst finding of all sections.
    pub fn worst(&self) -> Option<Severity> {
        self.sections.iter().filter_map(Section::worst).max()
    }

    /// The document, indented, with a newline at its end.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// The same for a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "Audit of {}, {} entries", clean(&self.origin), self.size);
        let _ = writeln!(text, "root {}", self.root);
        if let Some(from) = self.window.from {
            let _ = writeln!(text, "from {}", clock::show(from));
        }
        if let Some(to) = self.window.to {
            let _ = writeln!(text, "to   {}", clock::show(to));
        }
        let _ = writeln!(text, "\n{} ({}): {}", self.verdict, self.code, clean(&self.reason));
        for (at, section) in self.sections.iter().enumerate() {
            let _ = writeln!(text, "\n{}. {}", at + 1, section.name);
            for line in &section.checked {
                let _ = writeln!(text, "   checked      {}", clean(line));
            }
            for line in &section.not_checked {
                let _ = writeln!(text, "   not checked  {}", clean(line));
            }
            for table in &section.counts {
                let _ = writeln!(text, "   counted      {}", table.line());
            }
            for finding in &section.findings {
                let _ = writeln!(text, "   {}  {}: {}", finding.severity.word(), finding.code, clean(&finding.text));
            }
            if section.findings_more != 0 {
                let _ = writeln!(text, "   and {} more", section.findings_more);
            }
        }
        let _ = writeln!(text, "\nLimits");
        for line in self.limits {
            let _ = writeln!(text, "   {line}");
        }
        text
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn report(severities: &[Severity]) -> AuditReport {
        let mut section = Section::new("chains");
        for (at, severity) in severities.iter().enumerate() {
            section.found(Finding::new(*severity, &format!("code.{at}"), format!("finding {at}")));
        }
        AuditReport::new("example.com/log".into(), 3, "root".into(), Window::default(), vec![section])
    }

    #[test]
    fn the_worst_finding_is_the_verdict() {
        assert_eq!(report(&[]).code, "audit.clean");
        assert_eq!(report(&[Severity::Note]).verdict, "verified");
        assert_eq!(report(&[Severity::Note, Severity::Pending]).verdict, "not-yet");
        let found = report(&[Severity::Note, Severity::Finding, Severity::Finding]);
        assert_eq!((found.verdict, found.code.as_str()), ("not-verified", "code.1"));
        let worse = report(&[Severity::Finding, Severity::Misbehaviour]);
        assert_eq!((worse.verdict, worse.code.as_str()), ("log-misbehaved", "code.1"));
    }

    #[test]
    fn findings_beyond_the_limit_are_counted_and_still_decide() {
        let mut section = Section::new("x");
        for _ in 0..FINDINGS_MAX {
            section.found(Finding::new(Severity::Note, "a", "a"));
        }
        section.found(Finding::new(Severity::Finding, "b", "b"));
        assert_eq!((section.findings.len(), section.findings_more), (FINDINGS_MAX, 1));
        assert_eq!(section.worst(), Some(Severity::Finding));
        let report = AuditReport::new("o".into(), 0, "r".into(), Window::default(), vec![section]);
        assert_eq!((report.verdict, report.code.as_str()), ("not-verified", "b"));
    }

    #[test]
    fn a_table_counts_what_it_cannot_tell_apart_any_more() {
        let mut table = Table::new("actor");
        for number in 0..TABLE_ROWS_MAX + 2 {
            table.add(&format!("s-{number:05}"));
        }
        table.add("s-00000");
        assert_eq!((table.rows.len(), table.rows["s-00000"], table.more), (TABLE_ROWS_MAX, 2, 2));
        let mut section = Section::new("x");
        section.counted(Table::new("nothing"));
        section.counted(table);
        let report = AuditReport::new("o".into(), 0, "r".into(), Window::default(), vec![section]);
        let text = report.text();
        assert!(text.contains("counted      actor: s-00000 2, s-00001 1"), "{text}");
        assert!(text.contains("and 9952 more values in report.json, other values 2"), "{text}");
        assert!(!text.contains("nothing"), "{text}");
    }

    #[test]
    fn the_text_obeys_nobody_and_shows_times() {
        let mut section = Section::new("x");
        section.found(Finding::new(Severity::Note, "a", "bell\u{7}"));
        let report = AuditReport::new("o".into(), 0, "r".into(), Window { from: Some(0), to: None }, vec![section]);
        assert!(report.text().contains("from 1970-01-01T00:00:00Z"), "{}", report.text());
        assert!(!report.text().contains('\u{7}'));
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["window"], serde_json::json!({"from": 0}));
        assert_eq!(
            json["sections"][0]["findings"][0],
            serde_json::json!({"severity":"note","code":"a","text":"bell\u{7}"})
        );
    }
}
